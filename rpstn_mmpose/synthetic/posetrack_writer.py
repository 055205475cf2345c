# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""PoseTrack18 on disk: annotations/SPLIT/SEQUENCE.json and images/SPLIT."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Sequence

import cv2
import numpy as np

from .penn_writer import JPEG_QUALITY
from .scene import MOMENTS, Actor
from .skeleton import FRAME_INDEX, PENN_JOINTS, POINT_INDEX

POSETRACK_JOINTS = (
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
)
# As the real files have it; joints count from 1.
CATEGORY = dict(
    supercategory='person',
    id=1,
    name='person',
    keypoints=list(POSETRACK_JOINTS),
    skeleton=[
        [16, 14],
        [14, 12],
        [17, 15],
        [15, 13],
        [12, 13],
        [6, 12],
        [7, 13],
        [6, 7],
        [6, 8],
        [7, 9],
        [8, 10],
        [9, 11],
        [2, 3],
        [1, 2],
        [1, 3],
        [2, 4],
        [3, 5],
        [4, 6],
        [5, 7],
    ],
)
# Real boxes reach this part of the labelled joints' extent beyond them.
BOX_MARGIN = 0.15
# The official program reads the source out of a sequence's name; only names
# of its three sources, one of them "mpii", are known to it.
_NAME = {'train': '{:06d}_mpii_train', 'val': '{:06d}_mpii_test'}
# A nose is not seen when the face looks away by more than this (z of its
# direction; at 0 it looks to the side).
_AWAY = 0.35


def sequence_name(number: int, split: str) -> str:
    """Name of a sequence.

    Args:
        number (int): From 1 to 999999.
        split (str): 'train' or 'val'.
    """
    return _NAME[split].format(number)


def image_id(number: int, frame: int) -> int:
    """PoseTrack's number of an image: source 1, sequence, frame from 0."""
    return 10**10 + number * 10**4 + frame


def posetrack_joints(
    actor: Actor, frame: int, truth: dict
) -> tuple[np.ndarray, np.ndarray]:
    """PoseTrack's 17 joints of one person.

    The head's joints are the ends of the drawn head and the middle of its
    face. PoseTrack18 does not label ears, and neither do we.

    Args:
        actor (Actor): The person.
        frame (int): Frame number.
        truth (dict): What ``Scene.frames`` yields for the person.

    Returns:
        tuple: 17 x 2 pixels, and 17 bool, True where the joint is seen.
    """
    points = truth['points'][:, :2]
    head = points[POINT_INDEX['head']]
    top = points[POINT_INDEX['head_top']]
    face = actor.track.forward[frame, len(MOMENTS) // 2, FRAME_INDEX['head']]
    radius = actor.body.head_half_width * truth['stature']
    joints = np.zeros((len(POSETRACK_JOINTS), 2))
    seen = np.zeros(len(POSETRACK_JOINTS), bool)
    of_head = dict(
        nose=head + radius * face[:2], head_top=top, head_bottom=2 * head - top
    )
    for index, name in enumerate(POSETRACK_JOINTS):
        if name in PENN_JOINTS:
            joint = PENN_JOINTS.index(name)
            joints[index] = truth['keypoints'][joint]
            seen[index] = truth['visible'][joint]
        elif name in of_head:
            joints[index] = of_head[name]
            seen[index] = _on_person(of_head[name], head, truth['mask'])
    seen[POSETRACK_JOINTS.index('nose')] &= face[2] <= _AWAY
    return joints, seen


def _on_person(
    point: np.ndarray, center: np.ndarray, mask: np.ndarray
) -> bool:
    """Whether a joint at the rim of the head is in the picture and seen."""
    height, width = mask.shape
    if not ((point >= 0) & (point <= (width - 1, height - 1))).all():
        return False
    x, y = np.rint(point + 0.2 * (center - point)).astype(int)
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    return bool(mask[y, x])


def head_box(truth: dict) -> list[int]:
    """Square round the head, x y width height, whole pixels."""
    head = truth['points'][POINT_INDEX['head'], :2]
    top = truth['points'][POINT_INDEX['head_top'], :2]
    radius = max(float(np.linalg.norm(top - head)), 1.0)
    x, y = np.rint(head - radius).astype(int).tolist()
    side = int(round(2 * radius))
    return [x, y, side, side]


def outline(mask: np.ndarray) -> np.ndarray | None:
    """Convex polygon round a silhouette, n x 2 whole pixels, or None."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return None
    pixels = np.stack([columns, rows], axis=1).astype(np.int32)
    return cv2.convexHull(pixels)[:, 0]


class PoseTrackVideoWriter:
    """Collects the frames of one sequence and writes them.

    Args:
        out_dir (Path): Root of the data set; folders are made.
        number (int): Number of the sequence.
        split (str): 'train' or 'val'.
        size (tuple): Width and height of the pictures in pixels.
        num_frames (int): Length of the sequence.
    """

    def __init__(
        self,
        out_dir: Path,
        number: int,
        split: str,
        size: tuple[int, int],
        num_frames: int,
    ) -> None:
        self.name = sequence_name(number, split)
        self.path = out_dir / 'annotations' / split / f'{self.name}.json'
        self._out_dir = out_dir
        self._folder = f'images/{split}/{self.name}'
        self._number, self._size = number, size
        self._num_frames = num_frames
        self.images: list[dict] = []
        self.annotations: list[dict] = []

    def add(
        self,
        picture: np.ndarray | None,
        labeled: bool,
        people: Sequence[dict] = (),
        ignored: Sequence[np.ndarray] = (),
    ) -> int:
        """Write one picture (None: the annotations only).

        Args:
            picture (np.ndarray, optional): H x W x 3 BGR uint8.
            labeled (bool): False: people are not written.
            people (list): One dict a person: ``track_id``, ``joints``
                17 x 2, ``seen`` 17 bool and ``head_box``. Joints that are
                not seen are written as unlabelled; so PoseTrack does. People
                of whom no joint is seen are left out.
            ignored (list): Polygons n x 2 round people who are not labelled.

        Returns:
            int: PoseTrack's number of the image.

        Raises:
            OSError: The picture cannot be written.
        """
        frame = len(self.images)
        number = image_id(self._number, frame)
        name = f'{self._folder}/{frame:06d}.jpg'
        regions = {}
        if ignored:
            for column, axis in enumerate('xy'):
                regions[f'ignore_regions_{axis}'] = [
                    polygon[:, column].tolist() for polygon in ignored
                ]
        self.images.append(
            dict(
                has_no_densepose=True,
                is_labeled=bool(labeled),
                file_name=name,
                nframes=self._num_frames,
                frame_id=number,
                vid_id=f'{self._number:06d}',
                **regions,
                id=number,
                width=self._size[0],
                height=self._size[1],
            )
        )
        for person in people if labeled else ():
            if person['seen'].any():
                self.annotations.append(self._annotation(number, person))
        if picture is not None:
            self.write_picture(self._out_dir / name, picture)
        return number

    @staticmethod
    def write_picture(path: Path, picture: np.ndarray) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        done, content = cv2.imencode(
            '.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        )
        if not done:
            raise OSError(f'PoseTrackVideoWriter: cannot encode {path}')
        path.write_bytes(content.tobytes())

    @staticmethod
    def _annotation(number: int, person: dict) -> dict:
        seen = person['seen']
        joints = np.round(np.where(seen[:, None], person['joints'], 0), 3)
        low, high = joints[seen].min(axis=0), joints[seen].max(axis=0)
        margin = BOX_MARGIN * (high - low)
        keypoints: list[float] = []
        for (x, y), flag in zip(joints.tolist(), seen.tolist()):
            keypoints += [x, y, int(flag)]
        box = np.concatenate([low - margin, high - low + 2 * margin])
        return dict(
            bbox_head=person['head_box'],
            keypoints=keypoints,
            track_id=person['track_id'],
            image_id=number,
            bbox=np.round(box, 3).tolist(),
            scores=[],
            category_id=1,
            id=number * 100 + person['track_id'],
            iscrowd=False,
            num_keypoints=int(seen.sum()),
        )

    def close(self) -> None:
        """Write the sequence's annotation file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_annotations(self.path, self.images, self.annotations)


def write_annotations(
    path: Path, images: list[dict], annotations: list[dict]
) -> None:
    """Write one annotation file, of a sequence or of many.

    Args:
        path (Path): Ends with .json.
        images (list): Image dicts.
        annotations (list): Annotation dicts.
    """
    content = dict(
        categories=[CATEGORY], images=images, annotations=annotations
    )
    path.write_text(json.dumps(content) + '\n')
