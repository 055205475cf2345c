# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Read PoseTrack's COCO-style JSON: whose box is where in which frame."""

from __future__ import annotations

import os.path as osp
from collections import Counter
from typing import Any, Sequence

import numpy as np

from .label_fields import (
    field,
    file_name_of,
    is_place,
    list_field,
    numbers,
    picture_size,
    read_json,
    shown,
    whole_number,
)
from .posetrack_fields import (
    frame_number,
    ignore_polygons,
    image_number,
    joint_names,
    joint_scores,
    keypoint_rows,
)
from .posetrack_video import ListedImage, PersonLabel, PoseTrackVideo

# PoseTrack's boxes reach this part of the labelled joints' extent beyond them
# on every side (its own converter makes them so).
BOX_MARGIN = 0.15
# Pixels; a side below it (one joint, or joints on a line) tells no size.
MIN_SIDE = 1.0


def parse_posetrack(
    data: bytes,
    path: str,
    joints: Sequence[str],
    video_id: str | None = None,
    box_margin: float = BOX_MARGIN,
    frame_pattern: str | None = None,
    first_frame: int = 0,
    reach: int = 12,
) -> list[PoseTrackVideo]:
    """Read a sequence's file, or one file of many sequences.

    Joints are matched by the names that the file's ``categories`` give; a
    file without such names must have the wanted joints in the wanted order.
    A joint is visible where its flag is above 0, and labelled where it is
    visible or has other coordinates than 0, 0.

    Args:
        data: Content of the file.
        path: For messages.
        joints: Names of the K wanted joints.
        video_id: Name of the file's one sequence. None: images belong to the
            sequence that their folder is called after.
        box_margin: Margin of a box made from labelled joints, as a part of
            their width and height, on every side.
        frame_pattern: E.g. ``'{:06d}.jpg'``: frames that the file does not
            list are added, up to the images' ``nframes``. None: they are not.
        first_frame: Number of a sequence's first frame, for
            ``frame_pattern``.
        reach: Frames: no frame farther away from the next listed one is
            added, whatever ``nframes`` says.

    Returns:
        list[PoseTrackVideo]: In order of their names.

    Raises:
        ValueError: The content is not of the format.
    """
    content = read_json(data, path)
    if not isinstance(content, dict) or not isinstance(
        content.get('images'), list
    ):
        raise ValueError(
            f"{path}: no list 'images'; it must be PoseTrack's JSON of 2018 "
            '(convert that of 2017 first)'
        )
    if not content['images']:
        raise ValueError(
            f"{path}: its list 'images' is empty; download or write it again"
        )
    columns, count = _joint_columns(content, path, joints)
    sequences = _sequences(content['images'], path, video_id)
    annotations = _by_image(
        content,
        path,
        {
            image.id
            for images in sequences.values()
            for image in images.values()
        },
    )
    videos = []
    for name in sorted(sequences):
        images = sequences[name]
        added = []
        if frame_pattern is not None:
            added = _unlisted(images, path, first_frame, reach)
        video = _frames(name, images, added, frame_pattern)
        for row, number in enumerate(video.frame_ids):
            for annotation in annotations.get(video.image_ids[row], ()):
                _add_person(
                    video,
                    row,
                    images[number],
                    annotation,
                    path,
                    columns,
                    count,
                    box_margin,
                )
        videos.append(video)
    return videos


def _joint_columns(
    content: dict, path: str, joints: Sequence[str]
) -> tuple[list[int], int]:
    """Where the wanted joints are in the file, and how many it has."""
    names = joint_names(content, path)
    if names is None:
        return list(range(len(joints))), len(joints)
    missing = [joint for joint in joints if joint not in names]
    if missing:
        raise ValueError(
            f'{path}: its joints {names!r:.400} do not include '
            f'{missing}; give a metainfo with the joints of the file'
        )
    return [names.index(joint) for joint in joints], len(names)


def _sequences(
    images: list, path: str, video_id: str | None
) -> dict[str, dict[int, ListedImage]]:
    """The images by sequence and number."""
    sequences: dict[str, dict[int, ListedImage]] = {}
    folders: dict[str, str] = {}
    ids = set()
    for entry in images:
        image = _listed(entry, path)
        folder = osp.dirname(image.file_name)
        name = video_id or osp.basename(folder)
        if not name:
            raise ValueError(
                f'{path}: the image {shown(image.file_name)} is '
                'in no folder, which would be called after its '
                'sequence; write the file again'
            )
        if folders.setdefault(name, folder) != folder:
            raise ValueError(
                f'{path}: the images of {name} are in the folders '
                f'{folders[name]} and {folder}, but a sequence has one; '
                'write the file again (one of several sequences is given '
                'with ann_file)'
            )
        frames = sequences.setdefault(name, {})
        if image.frame in frames:
            raise ValueError(
                f'{path}: two images are frame {image.frame} of '
                f'{name}; keep one of them'
            )
        if image.id in ids:
            raise ValueError(
                f'{path}: two images have the id {image.id}; '
                'give each of them one of its own'
            )
        ids.add(image.id)
        frames[image.frame] = image
    return sequences


def _listed(image: Any, path: str) -> ListedImage:
    number = image_number(image, path)
    name = file_name_of(image, path)
    labelled = image.get('is_labeled', True)
    if labelled not in (True, False, None):
        raise ValueError(
            f"{path}: 'is_labeled' of image {number} must be "
            f'true or false, but is {shown(labelled)}; write '
            'the file again'
        )
    return ListedImage(
        id=number,
        file_name=name,
        frame=frame_number(name, path),
        size=picture_size(image, f'image {number}', path),
        labelled=bool(labelled),
        nframes=image.get('nframes'),
        regions=ignore_polygons(image, path),
    )


def _by_image(content: dict, path: str, known: set) -> dict[int, list[dict]]:
    """Annotations by ``image_id``."""
    found: dict[int, list[dict]] = {}
    for annotation in list_field(content, 'annotations', 'the file', path):
        number = whole_number(
            field(annotation, 'image_id', 'an annotation', path),
            "'image_id' of an annotation",
            path,
        )
        if number not in known:
            raise ValueError(
                f'{path}: an annotation is of image {number}, which is not '
                "among its 'images'; download or write the file again"
            )
        found.setdefault(number, []).append(annotation)
    return found


def _unlisted(
    images: dict[int, ListedImage], path: str, first_frame: int, reach: int
) -> list[int]:
    """Numbers of frames that ``nframes`` promises, near to listed ones."""
    lengths = {
        whole_number(image.nframes, f"'nframes' of image {image.id}", path)
        for image in images.values()
        if image.nframes is not None
    }
    if len(lengths) > 1:
        name = next(iter(images.values())).file_name
        raise ValueError(
            f"{path}: 'nframes' is {' and '.join(map(str, sorted(lengths)))} "
            f'in one sequence, that of {name}; write the file again'
        )
    end = first_frame + max(lengths, default=0)
    near = {
        number
        for listed in images
        for number in range(
            max(first_frame, listed - reach), min(end, listed + reach + 1)
        )
    }
    return sorted(near.difference(images))


def _frames(
    name: str,
    images: dict[int, ListedImage],
    added: list[int],
    frame_pattern: str | None,
) -> PoseTrackVideo:
    """A video without people."""
    numbers = sorted([*images, *added])
    folder = osp.dirname(images[min(images)].file_name)
    listed = [images.get(number) for number in numbers]
    return PoseTrackVideo(
        video_id=name,
        frame_ids=numbers,
        image_ids=[image.id if image else -1 for image in listed],
        file_names=[
            image.file_name
            if image
            else osp.join(folder, frame_pattern.format(number))
            for number, image in zip(numbers, listed)
        ],
        sizes=np.array([(image and image.size) or (0, 0) for image in listed]),
        labelled=np.array(
            [image is not None and image.labelled for image in listed]
        ),
        ignore_regions={
            image.id: image.regions
            for image in images.values()
            if image.regions
        },
        people={},
        repairs=Counter(),
    )


def _add_person(
    video: PoseTrackVideo,
    row: int,
    image: ListedImage,
    annotation: dict,
    path: str,
    columns: list[int],
    count: int,
    box_margin: float,
) -> None:
    what = f'an annotation of image {image.id}'
    track_id = whole_number(
        field(annotation, 'track_id', what, path),
        f"'track_id' of {what}",
        path,
    )
    what = f'track {track_id} of image {image.id}'
    points = keypoint_rows(annotation, count, what, path)
    points = np.zeros((count, 3)) if points is None else points
    bbox = numbers(
        list_field(annotation, 'bbox', what, path), f"'bbox' of {what}", path
    )
    points = points[columns]
    finite = is_place(points).all(axis=1)
    visible = finite & (points[:, 2] > 0)
    labeled = visible | (finite & (points[:, :2] != 0).any(axis=1))
    keypoints = np.where(labeled[:, None], points[:, :2], 0)
    if (~finite).any():
        video.repairs['joints not finite'] += int((~finite).sum())

    corners = None
    if bbox.shape == (4,):
        corners = np.concatenate([bbox[:2], bbox[:2] + bbox[2:]])
    scores = joint_scores(annotation, count)
    if scores is not None:
        video.repairs['scores not from 0 to 1'] += bool(np.isnan(scores).any())
        scores = scores[columns] if np.isfinite(scores).all() else None
    label = PersonLabel(row, corners, keypoints, visible, labeled, scores)
    add_label(video, track_id, label, image.size, box_margin)


def add_label(
    video: PoseTrackVideo,
    track_id: int,
    label: PersonLabel,
    size: tuple[int, int] | None,
    box_margin: float,
) -> None:
    """Add a label of a video's last frame, with its box mended.

    A box that is missing or empty is made from the labelled joints. Someone
    without either is left out, a track that is there twice in a frame is
    kept apart; ``video.repairs`` counts them.

    Args:
        video: Where it goes.
        track_id: Whose it is.
        label: Its ``bbox`` as the file has it.
        size: Width and height of the picture; None: not told.
        box_margin: Of a box made from joints, see :func:`parse_posetrack`.
    """
    labeled, bbox = label.labeled, usable_box(label.bbox, size)
    if bbox is None and labeled.any():
        video.repairs['boxes missing or empty'] += 1
        corners = joint_box(label.keypoints[labeled], box_margin)
        bbox = usable_box(corners, size)
    if bbox is None and not labeled.any():
        video.repairs['annotations without box and joints'] += 1
        return
    copy = 0
    labels = video.people.setdefault((track_id, copy), [])
    while labels and labels[-1].row == label.row:
        copy += 1
        labels = video.people.setdefault((track_id, copy), [])
    if copy:
        video.repairs['tracks twice in a frame'] += 1
    labels.append(label._replace(bbox=bbox))


def joint_box(points: np.ndarray, margin: float) -> np.ndarray | None:
    """Box x1 y1 x2 y2 round (n, 2) joints; None if too thin."""
    low, high = points.min(axis=0), points.max(axis=0)
    if (high - low).min() < MIN_SIDE:
        return None
    return np.concatenate(
        [low - margin * (high - low), high + margin * (high - low)]
    )


def usable_box(
    bbox: np.ndarray | None, size: tuple[int, int] | None
) -> np.ndarray | None:
    """The part inside the picture, as in MMPose; None if too thin."""
    if bbox is None or not is_place(bbox).all():
        return None
    if size is not None:
        limit = np.array(size * 2, dtype=np.float64) - 1
        bbox = np.clip(bbox, 0, limit)
    return bbox if (bbox[2:] - bbox[:2]).min() >= MIN_SIDE else None
