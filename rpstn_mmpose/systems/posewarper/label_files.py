# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Labels of videos out of files that labelling tools write, and back."""

from __future__ import annotations

import json
import os
import os.path as osp
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Sequence

import numpy as np

from ...apis.prediction_writer import PredictionWriter
from ...apis.video_io import FrameSource, open_source
from ...checkpoints.atomic_file import write_atomically
from ...datasets.label_fields import object_list, read_json
from ...datasets.posetrack_label import PoseTrackVideo, parse_posetrack
from .sparse_labels import Pose, Poses

# What annotations of people whom nobody tracked belong to.
_ALONE = 0


@dataclass
class LabelledVideo:
    """A video and the labels of some of its frames.

    Attributes:
        name: Of the video.
        source: Its frames.
        people: Labels by person and frame, from 0.
        images: Entries of the file's ``images`` by frame.
        num_frames: Of the video, as far as it is known without reading it.
    """

    name: str
    source: FrameSource
    people: dict[int, dict[int, Pose]]
    images: dict[int, dict] = field(default_factory=dict)
    num_frames: int = 0

    def frames(self) -> list[int]:
        """Frames with a label of anybody."""
        return sorted({f for labels in self.people.values() for f in labels})

    def keep_every(self, every: int) -> dict[int, dict[int, Pose]]:
        """Keep the labels of each k-th labelled frame, from the first.

        Args:
            every: k.

        Returns:
            dict[int, dict[int, Pose]]: The labels that were left out.
        """
        kept = set(self.frames()[::every])
        out: dict[int, dict[int, Pose]] = defaultdict(dict)
        for person, labels in self.people.items():
            for frame in [frame for frame in labels if frame not in kept]:
                out[person][frame] = labels.pop(frame)
        self.people = {
            p: labels for p, labels in self.people.items() if labels
        }
        return dict(out)


def read_labels(
    path: str | os.PathLike,
    place: str | os.PathLike,
    joints: Sequence[str],
    first_frame: int = 0,
) -> list[LabelledVideo]:
    """Read COCO's or PoseTrack's JSON of one video or of many.

    Frames are told by the numbers that the images' names end with, people by
    ``track_id``, of an annotation or of its ``attributes``; a file without
    any is of one person.

    Args:
        path: Of the file.
        place: A video file, or a folder of frames; or the folder below which
            the images of several videos have the paths that the file tells,
            a folder each.
        joints: Names of the K joints that are wanted, in order.
        first_frame: Number of a video file's first frame.

    Returns:
        list[LabelledVideo]: In order of their names.

    Raises:
        FileNotFoundError: No such file, or no video.
        ValueError: Another content, or labels of another video.
    """
    path, place = os.fspath(path), os.fspath(place)
    if not osp.isfile(path):
        raise FileNotFoundError(f'{path}: no such file of labels')
    content = read_json(Path(path).read_bytes(), path)
    _name_people(content, path)
    folder = _root_folder(content, place)
    name = None if folder else osp.splitext(osp.basename(place))[0]
    videos = parse_posetrack(
        json.dumps(content).encode(), path, joints, video_id=name
    )
    entries = {image['id']: image for image in content['images']}
    found = []
    for video in videos:
        where = place
        if folder:
            where = osp.join(place, osp.dirname(video.file_names[0]))
        source = open_source(where)
        next(iter(source), None)  # tells the size
        rows = _frame_of_row(video, source, path, where, first_frame)
        found.append(
            LabelledVideo(
                video.video_id,
                source,
                people=_people(video, rows),
                images={
                    rows[row]: entries[number]
                    for row, number in enumerate(video.image_ids)
                },
                num_frames=source.num_frames or max(rows) + 1,
            )
        )
    if not any(video.people for video in found):
        raise ValueError(f'{path}: nobody has a labelled joint in it')
    return found


def _name_people(content: Any, path: str) -> None:
    """See that every annotation has a ``track_id``."""
    if not isinstance(content, dict):
        return
    lonely, frames = [], set()
    for annotation in object_list(content, 'annotations', path):
        attributes = annotation.get('attributes')
        if annotation.get('track_id') is None:
            if isinstance(attributes, dict):
                annotation['track_id'] = attributes.get('track_id')
        if annotation.get('track_id') is None:
            lonely.append(annotation)
            frames.add(str(annotation.get('image_id')))
    if len(frames) < len(lonely):
        raise ValueError(
            f'{path}: a frame has several people without track_id; give '
            'every annotation the track_id of its person'
        )
    for annotation in lonely:
        annotation['track_id'] = _ALONE


def _root_folder(content: Any, place: str) -> bool:
    """Whether a place is the folder of several videos' folders."""
    if not osp.isdir(place) or not isinstance(content, dict):
        return False
    images = content.get('images')
    first = images[0] if isinstance(images, list) and images else None
    name = first.get('file_name') if isinstance(first, dict) else None
    return isinstance(name, str) and osp.isdir(
        osp.join(place, osp.dirname(name) or 'no folder')
    )


def _frame_of_row(
    video: PoseTrackVideo,
    source: FrameSource,
    path: str,
    where: str,
    first_frame: int,
) -> list[int]:
    """Frames of the source that the file's images are."""
    items = getattr(source, 'items', None)
    if items is not None:
        numbers = {osp.basename(str(item)): i for i, item in enumerate(items)}
        rows = [numbers.get(osp.basename(n), -1) for n in video.file_names]
    else:
        rows = [number - first_frame for number in video.frame_ids]
    end = source.num_frames
    for row, name in zip(rows, video.file_names):
        if row < 0 or (end is not None and row >= end):
            known = f'{end} frames' if end is not None else 'its frames'
            raise ValueError(
                f'{path}: its image {name} is none of the {known} of {where}; '
                'are these the labels of another video?'
            )
    for size in {tuple(size) for size in video.sizes.tolist()}:
        if any(size) and source.size and size != tuple(source.size):
            raise ValueError(
                f'{path}: its images are {size[0]}x{size[1]} pixels, but '
                f'{where} is {source.size[0]}x{source.size[1]}; are these '
                'the labels of another video?'
            )
    return rows


def _people(
    video: PoseTrackVideo, rows: Sequence[int]
) -> dict[int, dict[int, Pose]]:
    people: dict[int, dict[int, Pose]] = {}
    for (person, _), labels in sorted(video.people.items()):
        for label in labels:
            known = label.bbox is not None and label.labeled.any()
            if known and video.labelled[label.row]:
                people.setdefault(person, {})[rows[label.row]] = Pose(
                    bbox=label.bbox,
                    keypoints=label.keypoints,
                    labeled=label.labeled,
                    visible=label.visible,
                    scores=label.labeled.astype(float),
                )
    return people


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
    images, annotations = [], []
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
    near = min(video.images, key=lambda number: abs(number - frame))
    entry = {
        key: video.images[near][key]
        for key in ('width', 'height', 'nframes', 'vid_id')
        if key in video.images[near]
    }
    name = video.images[near]['file_name'].replace('\\', '/')
    items = getattr(video.source, 'items', None)
    if items is not None:
        own = osp.basename(str(items[frame]))
        entry['file_name'] = osp.join(osp.dirname(name), own)
    else:
        stem, ending = osp.splitext(name)
        digits = re.search('[0-9]+$', stem)
        number = int(digits[0]) + frame - near
        stem = stem[: digits.start()]
        entry['file_name'] = f'{stem}{number:0{len(digits[0])}d}{ending}'
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
