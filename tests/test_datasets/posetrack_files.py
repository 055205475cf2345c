# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Small data sets in PoseTrack18's format, with known content."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT = 96, 72
JOINTS = [
    'nose',
    'head_bottom',
    'head_top',
    'left_ear',
    'right_ear',
    'left_shoulder',
    'right_shoulder',
    'left_elbow',
    'right_elbow',
    'left_wrist',
    'right_wrist',
    'left_hip',
    'right_hip',
    'left_knee',
    'right_knee',
    'left_ankle',
    'right_ankle',
]


def image_id(sequence: int, frame: int) -> int:
    return 10000000000 + sequence * 10000 + frame


def image(sequence: int, frame: int, labeled=True, split='val', **kwargs):
    number = image_id(sequence, frame)
    name = f'{sequence:06d}_mpii_test'
    return dict(
        has_no_densepose=True,
        is_labeled=labeled,
        file_name=f'images/{split}/{name}/{frame:06d}.jpg',
        nframes=20,
        frame_id=number,
        vid_id=f'{sequence:06d}',
        id=number,
        width=WIDTH,
        height=HEIGHT,
        **kwargs,
    )


def person(sequence: int, frame: int, track_id: int, **kwargs):
    """Two joints, 20 x 40 pixels apart, that move 1 pixel a frame; the box
    is 2 pixels a frame farther right."""
    points = np.zeros((17, 3))
    points[2] = 10 + frame, 10, 1
    points[16] = 30 + frame, 50, 1
    values = dict(
        bbox_head=[10, 10, 5, 5],
        keypoints=points.ravel().tolist(),
        track_id=track_id,
        image_id=image_id(sequence, frame),
        bbox=[2.0 * frame, 5.0, 30.0, 50.0],
        scores=[],
        category_id=1,
        id=image_id(sequence, frame) * 100 + track_id,
    )
    values.update(kwargs)
    return {k: v for k, v in values.items() if v is not None}


def content(images, annotations, joints=JOINTS):
    category = dict(id=1, name='person', keypoints=list(joints))
    return dict(images=images, annotations=annotations, categories=[category])


def write_sequence(root, sequence: int, images, annotations, split='val'):
    path = Path(root) / 'annotations' / split
    path.mkdir(parents=True, exist_ok=True)
    path = path / f'{sequence:06d}_mpii_test.json'
    path.write_text(json.dumps(content(images, annotations)))
    return path


def write_posetrack(
    root,
    sequence: int = 1,
    num: int = 20,
    labeled=(),
    people=None,
    pictures=False,
    split='val',
):
    """A sequence.

    Args:
        labeled: Frames with ``is_labeled``; empty: all.
        people: Frames by track id.
    """
    labeled = set(labeled or range(num))
    images = [image(sequence, i, i in labeled, split) for i in range(num)]
    annotations = [
        person(sequence, frame, track_id)
        for track_id, frames in (people or {}).items()
        for frame in frames
    ]
    if pictures:
        rng = np.random.RandomState(sequence)
        for item in images:
            path = Path(root) / item['file_name']
            path.parent.mkdir(parents=True, exist_ok=True)
            small = rng.randint(0, 255, (9, 12, 3), np.uint8)
            cv2.imwrite(str(path), cv2.resize(small, (WIDTH, HEIGHT)))
    return write_sequence(root, sequence, images, annotations, split)


def labelled_poses(root, split='val'):
    """(sequence, frame number, track id) of every annotation that has a
    labelled joint in a labelled image; read with plain json, sorted."""
    poses = []
    for path in sorted((Path(root) / 'annotations' / split).glob('*.json')):
        data = json.loads(path.read_text())
        frames = {
            item['id']: int(Path(item['file_name']).stem)
            for item in data['images']
            if item['is_labeled']
        }
        for annotation in data['annotations']:
            flags = annotation.get('keypoints', [])[2::3]
            if annotation['image_id'] in frames and any(flags):
                poses.append(
                    (
                        path.stem,
                        frames[annotation['image_id']],
                        annotation['track_id'],
                    )
                )
    return sorted(poses)


def wanted_poses(dataset):
    """The same triples of all wanted rows of a data set's clips, sorted."""
    poses = []
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        poses += [
            (info['video_id'], frame, info['track_id'])
            for frame, wanted in zip(info['frame_ids'], info['frame_mask'])
            if wanted
        ]
    return sorted(poses)
