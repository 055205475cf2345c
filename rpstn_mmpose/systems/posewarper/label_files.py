# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Labels of videos out of files that labelling tools write."""

from __future__ import annotations

import json
import os
import os.path as osp
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Sequence

import numpy as np

from ...apis.video_io import FrameSource, ImagesSource, open_source
from ...datasets.datasets import BaseClipDataset
from ...datasets.label_fields import object_list, read_json
from ...datasets.posetrack_label import parse_posetrack
from ...datasets.posetrack_video import PoseTrackVideo
from ...structures.people_files import load_people
from ...structures.video_people import VideoPeople
from .sparse_labels import Pose

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

    def keep(self, frames: Sequence[int]) -> dict[int, dict[int, Pose]]:
        """Keep the labels of some frames.

        Args:
            frames: Their numbers.

        Returns:
            dict[int, dict[int, Pose]]: The labels that were left out.
        """
        kept = set(frames)
        out: dict[int, dict[int, Pose]] = defaultdict(dict)
        for person, labels in self.people.items():
            for frame in [frame for frame in labels if frame not in kept]:
                out[person][frame] = labels.pop(frame)
        self.people = {
            person: labels for person, labels in self.people.items() if labels
        }
        return dict(out)


def read_labels(
    path: str | os.PathLike,
    place: str | os.PathLike,
    joints: Sequence[str],
    first_frame: int = 0,
) -> list[LabelledVideo]:
    """Read COCO's or PoseTrack's JSON of one video or of many, or people by
    frame as the demo of this package writes them.

    In the former, frames are told by the numbers that the images' names end
    with, people by ``track_id``, of an annotation or of its ``attributes``; a
    file without any is of one person.

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
    if isinstance(content, dict) and 'instance_info' in content:
        return [_of_people(load_people(path), path, place, joints)]
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


def videos_of_dataset(dataset: BaseClipDataset) -> list[LabelledVideo]:
    """The labels of a data set whose frames are image files.

    Args:
        dataset: Of clips; its pipeline and its windows do not matter.

    Returns:
        list[LabelledVideo]: In order of the data set; people without a
        number are 0.
    """
    frames: dict[str, dict[int, str]] = defaultdict(dict)
    people: dict[str, dict[int, dict[int, Pose]]] = defaultdict(dict)
    sizes = {}
    for track in range(len(dataset.tracks)):
        rows = range(dataset.tracks.num_frames(track))
        clip = dataset.tracks.clip(track, rows)
        video, person = clip['video_id'], int(clip.get('track_id', _ALONE))
        frames[video].update(zip(clip['frame_ids'], clip['img_paths']))
        sizes[video] = clip.get('frame_sizes', np.zeros((1, 2)))[0].tolist()
        annotated = dataset.tracks.annotated(track)
        for row, frame in enumerate(clip['frame_ids']):
            labeled = clip['keypoints_labeled'][row] > 0
            if labeled.any() and (annotated is None or annotated[row]):
                people[video].setdefault(person, {})[frame] = Pose(
                    bbox=clip['bbox'][row].astype(np.float64),
                    keypoints=clip['keypoints'][row].astype(np.float64),
                    labeled=labeled,
                    visible=clip['keypoints_visible'][row] > 0,
                    scores=labeled.astype(float),
                )
    videos, unused = [], 0
    for video, paths in frames.items():
        numbers = {frame: row for row, frame in enumerate(sorted(paths))}
        images = {}
        for frame, row in numbers.items():
            unused += 1
            name = osp.relpath(paths[frame], dataset.data_root or '.')
            images[row] = dict(id=unused, file_name=name)
            if any(sizes[video]):
                images[row].update(zip(('width', 'height'), sizes[video]))
        videos.append(
            LabelledVideo(
                video,
                ImagesSource([paths[frame] for frame in sorted(paths)], video),
                {
                    person: {numbers[f]: pose for f, pose in poses.items()}
                    for person, poses in people[video].items()
                },
                images,
                len(paths),
            )
        )
    return videos


def _of_people(
    people: VideoPeople, path: str, place: str, joints: Sequence[str]
) -> LabelledVideo:
    """A video of people by frame."""
    own = list(people.joints or ())
    missing = [joint for joint in joints if joint not in own]
    if missing or people.keypoints is None:
        lacking = ', '.join(missing) or 'at all'
        raise ValueError(
            f'{path}: its people have no joint {lacking}; give a recipe of '
            'the joints of the file'
        )
    columns = [own.index(joint) for joint in joints]
    source = open_source(place)
    next(iter(source), None)  # tells the size
    _check_size(people.size, source, path, place)
    end = source.num_frames
    last = int(people.frame_ids.max(initial=0))
    if end is not None and last >= end:
        raise ValueError(
            f'{path}: it has people in frame {last}, but {place} has {end} '
            'frames; are these the labels of another video?'
        )
    found: dict[int, dict[int, Pose]] = defaultdict(dict)
    visible, labeled = people.flags()
    for row, (frame, person) in enumerate(
        zip(people.frame_ids.tolist(), people.track_ids.tolist())
    ):
        flags = labeled[row, columns]
        if person < 0 or not flags.any():
            continue
        if not np.isfinite(people.bboxes[row]).all():
            raise ValueError(
                f'{path}: person {person} of frame {frame} has no box; write '
                'the file again with bbox'
            )
        found[person][frame] = Pose(
            bbox=people.bboxes[row],
            keypoints=people.keypoints[row, columns],
            labeled=flags,
            visible=visible[row, columns],
            scores=flags.astype(float),
        )
    if not found:
        raise ValueError(f'{path}: nobody with a track_id is labelled in it')
    return LabelledVideo(
        osp.splitext(osp.basename(place))[0],
        source,
        dict(found),
        num_frames=end or last + 1,
    )


def _check_size(
    size: Sequence[int] | None, source: FrameSource, path: str, where: str
) -> None:
    """Refuse labels of pictures of another size."""
    if size and source.size and tuple(size) != tuple(source.size):
        raise ValueError(
            f'{path}: its images are {size[0]}x{size[1]} pixels, but {where} '
            f'is {source.size[0]}x{source.size[1]}; are these the labels of '
            'another video?'
        )


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
        _check_size(size if any(size) else None, source, path, where)
    return rows


def _people(
    video: PoseTrackVideo, rows: Sequence[int]
) -> dict[int, dict[int, Pose]]:
    people: dict[int, dict[int, Pose]] = {}
    for (person, _), labels in sorted(video.people.items()):
        for label in labels:
            if label.bbox is None or not label.labeled.any():
                continue
            if video.labelled[label.row]:
                people.setdefault(person, {})[rows[label.row]] = Pose(
                    bbox=label.bbox,
                    keypoints=label.keypoints,
                    labeled=label.labeled,
                    visible=label.visible,
                    scores=label.labeled.astype(float),
                )
    return people
