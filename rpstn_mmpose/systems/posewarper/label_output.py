# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Labels of all frames of videos, for labelling tools and for training."""

from __future__ import annotations

import json
import os
import os.path as osp
import string
from typing import Sequence

import numpy as np

from ...apis.prediction_writer import PredictionWriter
from ...checkpoints.atomic_file import write_atomically
from .label_files import LabelledVideo
from .sparse_labels import Pose, Poses


def label_content(
    videos: Sequence[LabelledVideo],
    poses: Sequence[dict[int, Poses]],
    joints: Sequence[str],
    links: Sequence[Sequence[int]] = (),
    threshold: float = 0.2,
) -> dict:
    """COCO's JSON of keypoints, with PoseTrack18's fields of tracks.

    Labels are as they were given. Joints that were carried over are labelled
    where their score is above a threshold; the score stands beside them, and
    ``attributes.propagated`` of an annotation tells them apart.

    Args:
        videos: See :func:`read_labels`.
        poses: Of each video, by person and frame.
        joints: Names of the K joints.
        links: Pairs of joints, from 0.
        threshold: See above.

    Returns:
        dict: ``images``, ``annotations`` and ``categories``.
    """
    ids = {entry['id'] for video in videos for entry in video.images.values()}
    unused = max(ids, default=0)
    images: list[dict] = []
    annotations: list[dict] = []
    for video, people in zip(videos, poses):
        frames = sorted({f for labels in people.values() for f in labels})
        numbers = {}
        for frame in sorted({*frames, *video.images}):
            entry = dict(video.images.get(frame, {}))
            if not entry:
                unused += 1
                entry = dict(_new_image(video, frame), id=unused)
            entry['is_labeled'] = frame in frames
            numbers[frame] = entry['id']
            images.append(entry)
        for person in sorted(people):
            for frame, pose in sorted(people[person].items()):
                annotations.append(
                    dict(
                        _annotation(pose, person, threshold),
                        id=len(annotations) + 1,
                        image_id=numbers[frame],
                    )
                )
    category = dict(
        id=1,
        name='person',
        supercategory='person',
        keypoints=list(joints),
        skeleton=[[a + 1, b + 1] for a, b in links],
    )
    return dict(images=images, annotations=annotations, categories=[category])


def _new_image(video: LabelledVideo, frame: int) -> dict:
    """Entry of a frame that the labels do not list."""
    items = getattr(video.source, 'items', None)
    own = None if items is None else osp.basename(str(items[frame]))
    if not video.images:
        width, height = video.source.size or (0, 0)
        name = own or f'{frame:06d}.jpg'
        return dict(file_name=name, width=width, height=height)
    near = min(video.images, key=lambda number: abs(number - frame))
    entry = {
        key: video.images[near][key]
        for key in ('width', 'height', 'nframes', 'vid_id')
        if key in video.images[near]
    }
    name = video.images[near]['file_name'].replace('\\', '/')
    if own is not None:
        entry['file_name'] = osp.join(osp.dirname(name), own)
    else:
        stem, ending = osp.splitext(name)
        start = stem.rstrip(string.digits)
        digits = stem[len(start) :]
        number = int(digits) + frame - near
        entry['file_name'] = f'{start}{number:0{len(digits)}d}{ending}'
    return entry


def _annotation(pose: Pose, person: int, threshold: float) -> dict:
    known = pose.labeled & (pose.given | (pose.scores > threshold))
    flags = np.where(known, np.where(pose.visible, 2, 1), 0)
    points = np.where(known[:, None], pose.keypoints, 0)
    x1, y1, x2, y2 = pose.bbox.tolist()
    scores = np.where(pose.labeled, pose.scores, 0)
    return dict(
        category_id=1,
        track_id=person,
        bbox=[x1, y1, x2 - x1, y2 - y1],
        area=(x2 - x1) * (y2 - y1),
        iscrowd=0,
        keypoints=np.column_stack([points, flags]).ravel().tolist(),
        num_keypoints=int(known.sum()),
        scores=scores.tolist(),
        score=float(scores[pose.labeled].mean()) if pose.labeled.any() else 0,
        attributes=dict(track_id=person, propagated=not pose.given),
    )


def write_labels(path: str | os.PathLike, content: dict) -> None:
    """Write a file of labels completely or not at all."""
    data = json.dumps(content, allow_nan=False).encode()
    write_atomically(data, os.fspath(path))


def write_people(
    path: str | os.PathLike,
    video: LabelledVideo,
    people: dict[int, Poses],
    metainfo: dict,
) -> None:
    """Write people by frame, as the demo of this package does.

    Args:
        path: Of the file.
        video: Whose poses they are.
        people: By person and frame.
        metainfo: Of the joints.
    """
    size = video.source.size or (None, None)
    meta = dict(
        dataset_name=metainfo['dataset_name'],
        keypoint_id2name=metainfo['keypoint_id2name'],
        video=dict(
            name=video.name,
            fps=float(video.source.fps),
            width=size[0],
            height=size[1],
            announced_frames=video.source.num_frames,
        ),
    )
    writer = PredictionWriter(path, meta)
    try:
        for frame in range(video.num_frames):
            instances = [
                dict(
                    track_id=person,
                    bbox=poses[frame].bbox,
                    bbox_score=1.0,
                    keypoints=poses[frame].keypoints,
                    keypoint_scores=poses[frame].scores,
                    keypoints_visible=poses[frame].visible.astype(int),
                    keypoints_labeled=poses[frame].labeled.astype(int),
                    propagated=not poses[frame].given,
                )
                for person, poses in sorted(people.items())
                if frame in poses
            ]
            writer.write(frame, instances)
    except BaseException:
        writer.discard()
        raise
    writer.close()
