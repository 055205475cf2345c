# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Labels of a few frames of a video in; labels of the frames between out."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from rpstn_mmpose.checkpoints.converter_tool import run_in_one_line
from rpstn_mmpose.one_line_parser import OneLineParser

# What there is, and what is taken by default: see posewarper/propagation.py.
METHODS = ('warp', 'image', 'interpolate', 'repeat')
SIDES = ('nearest', 'both')
STEP, LIMIT = 3, 15


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = OneLineParser(
        description='Carry the labels of a few frames of a video over to the '
        'frames between, with a PoseWarper. Several people are told apart by '
        'track_id. Each joint gets a score, 0 to 1, that tells how far it can '
        'be trusted.'
    )
    parser.add_argument(
        'video',
        metavar='VIDEO_OR_DATASET',
        help='video file or folder of frames; or the folder below which the '
        "images of several videos lie as the labels' file names tell",
    )
    parser.add_argument(
        '--labels',
        required=True,
        help='.json file of labels: of COCO (as from CVAT) or PoseTrack, or '
        'as topdown_video_demo.py writes predictions',
    )
    parser.add_argument(
        '--every',
        type=int,
        help='use every k-th of the labelled frames alone, and say how well '
        'the others are met (default: all)',
    )
    parser.add_argument(
        '--config', required=True, help='path or name of a PoseWarper recipe'
    )
    parser.add_argument('--checkpoint', help='its weights')
    parser.add_argument('--out', required=True, help='.json file to write')
    parser.add_argument(
        '--format',
        choices=('coco', 'video'),
        default='coco',
        help="coco: COCO's keypoints with PoseTrack18's fields (default); "
        'video: as topdown_video_demo.py writes predictions, of one video',
    )
    parser.add_argument(
        '--out-video',
        help='.mp4 file of one video: labels drawn in full, what was carried '
        'over with rings and dashes',
    )
    parser.add_argument(
        '--threshold',
        type=float,
        default=0.2,
        help='joints of lower scores are written as not labelled (default: '
        '0.2)',
    )
    parser.add_argument(
        '--first-frame',
        type=int,
        default=0,
        help="number of a video file's first frame in the names of the "
        "labels' images (default: 0)",
    )
    parser.add_argument('--device', help='default: cuda where there is one')
    add_method(parser)
    return parser.parse_args(argv)


def add_method(parser: argparse.ArgumentParser) -> None:
    """Options of how labels come to other frames."""
    parser.add_argument(
        '--method',
        choices=METHODS,
        default='warp',
        help='warp: PoseWarper (default); interpolate: straight lines; '
        'repeat: the nearest label; image: what the image model says of each '
        'frame by itself',
    )
    parser.add_argument(
        '--sides',
        choices=SIDES,
        default='both',
        help='labels that a frame takes: both, of the label before and the '
        'one behind (default), or nearest, as in the paper',
    )
    parser.add_argument(
        '--step',
        type=int,
        default=STEP,
        help=f'frames that labels are warped over at once (default: {STEP})',
    )
    parser.add_argument(
        '--limit',
        type=int,
        default=LIMIT,
        help='frames farther than this from a label get none of it (default: '
        f'{LIMIT})',
    )


if __name__ == '__main__':
    # Help and wrong options do not wait for the imports below.
    parse_args()

import numpy as np

from rpstn_mmpose.apis.people_drawing import id_color
from rpstn_mmpose.systems.posewarper.label_files import (
    LabelledVideo,
    read_labels,
)
from rpstn_mmpose.systems.posewarper.label_output import (
    label_content,
    write_labels,
    write_people,
)
from rpstn_mmpose.systems.posewarper.propagation import (
    LabelPropagator,
    load_propagator,
)
from rpstn_mmpose.systems.posewarper.propagation_score import score_by_distance
from rpstn_mmpose.systems.posewarper.sparse_labels import Poses
from rpstn_mmpose.visualization import VideoWriter, check_output_path
from rpstn_mmpose.visualization.skeleton_drawing import draw_pose


def propagate(args: argparse.Namespace) -> None:
    """Do what the command line asks for."""
    check_output_path(args.out, ('.json',))
    if args.out_video:
        check_output_path(args.out_video, ('.mp4',))
    if args.every is not None and args.every < 1:
        raise ValueError(f'--every must be at least 1, but is {args.every}')
    tool = load_propagator(
        args.config,
        args.checkpoint,
        args.device,
        method=args.method,
        sides=args.sides,
        step=args.step,
        limit=args.limit,
    )
    names = tool.metainfo['keypoint_id2name']
    joints = [names[number] for number in sorted(names)]
    videos = read_labels(args.labels, args.video, joints, args.first_frame)
    if len(videos) > 1 and (args.out_video or args.format == 'video'):
        raise ValueError(
            f'{args.labels} is of {len(videos)} videos; --out-video and '
            '--format video are for one'
        )
    poses = [_label(tool, video, args.every) for video in videos]
    if args.format == 'video':
        write_people(args.out, videos[0], poses[0], tool.metainfo)
    else:
        links = tool.metainfo.get('skeleton_links', ())
        write_labels(
            args.out,
            label_content(videos, poses, joints, links, args.threshold),
        )
    print(f'{args.out}: {_count(poses)}')
    if args.out_video:
        draw(
            args.out_video, videos[0], poses[0], tool.metainfo, args.threshold
        )
        print(args.out_video)


def _label(
    tool: LabelPropagator, video: LabelledVideo, every: int | None
) -> dict[int, dict]:
    """Poses of a video; says what gets none."""
    left_out = {}
    if every is not None:
        left_out = video.keep(video.frames()[::every])
    poses = tool(video.source, video.people, video.num_frames)
    for person, labels in poses.items():
        frames = sorted(labels)
        for before, after in zip(frames, frames[1:]):
            if after - before > 1:
                print(
                    f'{video.name}, person {person}: frames {before + 1} to '
                    f'{after - 1} are too far from a label; label one of '
                    'them, or raise --limit',
                    file=sys.stderr,
                )
    names = tool.metainfo['keypoint_id2name']
    joints = [names[number] for number in sorted(names)]
    for away, shares in score_by_distance(
        poses, left_out, joints, norm_item='person'
    ).items():
        found = ', '.join(
            f'{share.percent:.1f} % of {share.total} {kind} joints'
            for kind, share in shares.items()
            if share.total
        )
        print(
            f'{video.name}, {away} frames from a label: {found} as in the '
            'labels left out, within a fifth of the box'
        )
    return poses


def _count(poses: list[dict[int, dict]]) -> str:
    found = [
        pose
        for people in poses
        for labels in people.values()
        for pose in labels.values()
    ]
    new = [pose for pose in found if not pose.given]
    scores = [pose.scores[pose.labeled] for pose in new]
    trust = np.concatenate(scores).mean() if scores else float('nan')
    return (
        f'{len(found) - len(new)} labels, {len(new)} carried over, mean score '
        f'{trust:.2f}'
    )


def draw(
    path: str,
    video: LabelledVideo,
    people: dict[int, Poses],
    metainfo: dict,
    threshold: float,
) -> None:
    """Write a video in which labels and what was carried over differ."""
    links = len(metainfo.get('skeleton_links', ()))
    with VideoWriter(path, video.source.fps) as writer:
        for frame in video.source:
            image = frame.image
            for person, poses in people.items():
                pose = poses.get(frame.index)
                if pose is None:
                    continue
                known = pose.labeled & (pose.scores > threshold)
                image = draw_pose(
                    image,
                    pose.keypoints,
                    _in_one_color(metainfo, person, links),
                    visible=np.full(len(known), pose.given),
                    shown=known,
                )
            writer.write(image)


def _in_one_color(metainfo: dict, person: int, links: int) -> dict[str, Any]:
    """Metainfo whose links have the colour of a person."""
    return dict(
        keypoint_colors=metainfo['keypoint_colors'],
        skeleton_links=metainfo.get('skeleton_links', ()),
        skeleton_link_colors=[id_color(person)[::-1]] * links,
    )


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    run_in_one_line(propagate, parse_args(argv), 'propagate_labels.py')


if __name__ == '__main__':
    main()
