# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""One HTML page of what topdown_video_demo.py left in a folder."""

import argparse
import os
import sys
import tempfile
from collections import deque
from pathlib import Path

import numpy as np

from rpstn_mmpose import config_path
from rpstn_mmpose.structures import joint_names
from rpstn_mmpose.visualization.confidence import tracks_of
from rpstn_mmpose.visualization.frame_times import read_times
from rpstn_mmpose.visualization.output_path import check_output_path
from rpstn_mmpose.visualization.pose_table import write_pose_table
from rpstn_mmpose.visualization.poses_3d import read_poses_3d
from rpstn_mmpose.visualization.video_report import (
    EMBED_LIMIT,
    PAGE_ENDINGS,
    RelationPicture,
    build_report,
    find_predictions,
    frame_runs,
    load_predictions,
    video_source,
    write_report,
)

# Grey levels, of the median pixel: compression changes it by a few.
MAX_DIFFERENCE = 20


def parse_args(args=None):
    parser = argparse.ArgumentParser(
        description='Write one self-contained HTML page of what '
        "topdown_video_demo.py left in a folder: the video, each joint's "
        'confidence over time, the tracks, frames in which joints seem '
        'occluded, damaged frames, and, with a model that has a JRE, the '
        'correlation matrix of a person in a frame.'
    )
    parser.add_argument(
        'out_dir', help='the --out-dir of topdown_video_demo.py'
    )
    parser.add_argument(
        '--name', help='of the video, where the folder has several'
    )
    parser.add_argument(
        '--out', help='.html file (default: OUT_DIR/NAME_report.html)'
    )
    parser.add_argument(
        '--embed-limit',
        type=float,
        default=EMBED_LIMIT,
        metavar='MB',
        help='a larger video is linked beside the page, 0: always (default: '
        f'{EMBED_LIMIT:g})',
    )
    parser.add_argument(
        '--occluded-below',
        type=float,
        default=0.5,
        metavar='FRACTION',
        help="of a joint's median confidence in the track, below which it "
        'is marked as occluded (default: 0.5)',
    )
    parser.add_argument(
        '--csv',
        action='store_true',
        help='write OUT_DIR/NAME.csv too: a row for each person and frame, '
        "with the joints' places and scores and, where a lifter was there, "
        '3D places',
    )
    relation = parser.add_argument_group(
        'correlation matrix', 'all three of these files are needed'
    )
    relation.add_argument(
        '--video',
        help='input of topdown_video_demo.py: a file, a folder of frames or '
        'a pattern. NAME.mp4 will not do, as the poses are drawn into it',
    )
    relation.add_argument(
        '--pose-config',
        help="path of a config, or one of the plugin's recipes, of a model "
        'with a JRE',
    )
    relation.add_argument('--pose-checkpoint', help='its checkpoint')
    relation.add_argument(
        '--track', type=int, help='whose (default: who was there longest)'
    )
    relation.add_argument(
        '--frame',
        type=int,
        help="in which, from 0 (default: the track's most confident one)",
    )
    relation.add_argument(
        '--device', help='default: cuda where there is one, else cpu'
    )
    return check_options(parser, parser.parse_args(args))


def check_options(parser, args):
    """End with a usage error where options do not fit."""
    files = (args.video, args.pose_config, args.pose_checkpoint)
    if any(files) and not all(files):
        parser.error(
            'the correlation matrix needs --video, --pose-config '
            'and --pose-checkpoint'
        )
    if not all(files) and (args.frame, args.track) != (None, None):
        parser.error(
            '--frame and --track are of the correlation matrix, '
            'which needs --video, --pose-config and '
            '--pose-checkpoint'
        )
    if not all(files) and args.device is not None:
        parser.error(
            '--device does nothing without the correlation matrix, '
            'which needs --video, --pose-config and '
            '--pose-checkpoint'
        )
    if not args.embed_limit >= 0:
        parser.error('--embed-limit must be at least 0')
    if not 0 < args.occluded_below < 1:
        parser.error('--occluded-below must lie between 0 and 1')
    return args


def choose_person(info, frame, track_id):
    """A track and the number of one of its frames.

    Args:
        info (VideoPeople): The predictions.
        frame (int, optional): Wanted frame.
        track_id (int, optional): Wanted track.

    Returns:
        tuple[Track, int]: Who and when.

    Raises:
        ValueError: Not there, damaged, or without a box.
    """
    people = tracks_of(info)
    if not people:
        raise ValueError(
            f'{info.name}: nobody was tracked, so there is no '
            'person to correlate the joints of'
        )
    if frame is not None and not 0 <= frame < info.num_frames:
        raise ValueError(
            f'--frame {frame} is not in {info.name}, whose '
            f'frames are 0 to {info.num_frames - 1}'
        )
    if frame in info.damaged:
        raise ValueError(
            f'--frame {frame} of {info.name} is damaged; choose another'
        )
    tracks = list(people.values())
    if track_id is not None:
        if track_id not in people:
            ids = sorted(people)
            some = ', '.join(map(str, ids[:10]))
            more = ', ...' if len(ids) > 10 else ''
            raise ValueError(
                f'--track {track_id} is not in {info.name}, '
                f'which has {some}{more}'
            )
        tracks = [people[track_id]]
    if frame is not None:
        there = [track for track in tracks if frame in track.frames]
        if not there:
            who = 'nobody' if track_id is None else f'no track {track_id}'
            raise ValueError(
                f'{info.name} has {who} in frame {frame}; see '
                'the table of tracks in the page without '
                '--pose-config'
            )
        tracks = there
    track = tracks[0]
    if frame is None:
        usable = np.isfinite(track.scores).any(axis=1)
        usable &= np.isfinite(track.bboxes).all(axis=1)
        if not usable.any():
            raise ValueError(
                f'{info.name}: no frame of track '
                f'{track.track_id} has both a box and scores'
            )
        means = [
            np.nanmean(row) if good else -np.inf
            for row, good in zip(track.scores, usable)
        ]
        frame = int(track.frames[int(np.argmax(means))])
    if not np.isfinite(track.bboxes[track.frames == frame]).all():
        raise ValueError(
            f'{info.name}: track {track.track_id} has no box in frame {frame}'
        )
    return track, frame


def read_clip(info, video, frame, length):
    """The ``length`` frames of the input up to number ``frame``."""
    from rpstn_mmpose.apis import open_source

    source = open_source(video)
    counts = source.num_frames, info.announced_frames
    if None not in counts and counts[0] != counts[1]:
        raise ValueError(
            f'{video} has {counts[0]} frames, but the '
            f'predictions are of a video of {counts[1]}; give '
            'the video that they were made from'
        )
    clip = deque(maxlen=length)
    last = -1
    for item in source:
        last = item.index
        size = item.image.shape[1::-1]
        if size != info.size:
            raise ValueError(
                f'{video} is {size[0]}x{size[1]}, but the predictions are '
                f'of a video of {info.size[0]}x{info.size[1]}; give the video '
                'that they were made from'
            )
        clip.append(item.image)
        if last == frame:
            return list(clip)
    raise ValueError(
        f'{video} ends before frame {frame}; give the video '
        'that the predictions were made from'
    )


def check_same_video(image, video, drawn, frame):
    """Compare a frame of the input with that of the annotated video.

    Args:
        image (np.ndarray): (H, W, 3), of the input.
        video (str): The input.
        drawn (Path): The annotated video; nothing is compared without it.
        frame (int): Number of the frame.

    Raises:
        ValueError: They show different things.
    """
    from rpstn_mmpose.apis import open_source

    if not drawn.is_file():
        return
    height, width = image.shape[:2]
    for item in open_source(drawn):
        if item.index == frame:
            # Odd sizes were padded; skeletons cover less than half of it.
            other = item.image[:height, :width].astype(int)
            if np.median(abs(other - image)) > MAX_DIFFERENCE:
                raise ValueError(
                    f'frame {frame} of {video} is not what {drawn} shows; '
                    'give the video that the predictions were made from'
                )
            return


def relation_picture(args, info, drawn):
    """Figure of the joints' relation for the chosen person and frame."""
    # Late, so that pages without a model are quick.
    from mmengine.config import Config

    from rpstn_mmpose.visualization.relation_figure import (
        draw_relation_figure,
        find_relation,
        predict_relation,
        takes_clips,
    )
    from rpstn_mmpose.visualization.video_prediction import (
        load_model_and_dataset,
    )

    track, frame = choose_person(info, args.frame, args.track)
    path = args.pose_config
    if not os.path.isfile(path):
        path = config_path(path)
    config = Config.fromfile(path)
    if 'test_dataloader' in config:
        # Its pipeline and its joints are wanted, not its files.
        config.test_dataloader.dataset.lazy_init = True
    model, dataset = load_model_and_dataset(
        config, args.pose_checkpoint, device=args.device
    )
    find_relation(model)
    if joint_names(dataset.metainfo) != info.joints:
        raise ValueError(
            f'{args.pose_config} has other joints than the '
            f'predictions of {info.name}'
        )
    length = 1
    if takes_clips(dataset):
        # Before that, somebody else may stand in the box.
        first = next(a for a, b in frame_runs(track.frames) if a <= frame <= b)
        length = min(getattr(dataset, 'clip_length', 1), frame - first + 1)
    frames = read_clip(info, args.video, frame, length)
    check_same_video(frames[-1], args.video, drawn, frame)
    box = track.bboxes[track.frames == frame][0]
    record = predict_relation(model, dataset, frames, box)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'relation.png'
        draw_relation_figure(record, dataset.metainfo, path)
        png = path.read_bytes()
    caption = (
        f'What the JRE of {Path(args.pose_config).stem} makes of '
        f'person {track.track_id} in frame {frame}'
    )
    if length > 1:
        caption += (
            f', the last of a clip of {length}, with the box of '
            'this frame in all of them'
        )
    return RelationPicture(png, track.track_id, frame, f'{caption}.')


def run(args):
    path = find_predictions(args.out_dir, args.name)
    drawn = path.with_suffix('.mp4')
    if (
        args.video
        and drawn.exists()
        and os.path.exists(args.video)
        and (os.path.samefile(drawn, args.video))
    ):
        raise ValueError(
            f'--video {args.video} has the poses drawn into it; '
            'give the video that topdown_video_demo.py read'
        )
    info = load_predictions(path)
    out = Path(args.out or path.with_name(f'{path.stem}_report.html'))
    check_output_path(out, PAGE_ENDINGS)
    video, note = video_source(drawn, out, limit=args.embed_limit)
    plot = path.with_name(f'{path.stem}_trajectories.png')
    page = build_report(
        info,
        video,
        note,
        fraction=args.occluded_below,
        relation=(relation_picture(args, info, drawn) if args.video else None),
        trajectories=plot.read_bytes() if plot.is_file() else b'',
        poses_3d=read_poses_3d(path),
        times=read_times(path),
    )
    write_report(page, out)
    print(
        f'{info.num_frames} frames, {len(info.tracked_ids())} tracks, '
        f'{len(info.damaged)} damaged frames'
    )
    if note:
        print(note)
    print(f'wrote {out}')
    if args.csv:
        print(f'wrote {write_pose_table(path, path.with_suffix(".csv"))}')


def main(args=None):
    args = parse_args(args)
    try:
        run(args)
    except (ImportError, KeyError, OSError, ValueError) as error:
        # One line: mmengine's messages have several.
        sys.exit('report: ' + ' '.join(str(error).split()))


if __name__ == '__main__':
    main()
