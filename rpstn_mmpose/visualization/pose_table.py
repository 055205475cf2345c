# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Poses of a video as a table for other programs."""

from __future__ import annotations

import csv
import json
import math
import os
from pathlib import Path
from typing import Any, Iterator, Mapping

from ..structures import joint_names
from .output_path import check_output_path, make_part
from .poses_3d import pose_3d_of

TABLE_ENDINGS = ('.csv',)


def write_pose_table(
    predictions: str | os.PathLike, path: str | os.PathLike
) -> Path:
    """Write a row for each person in each frame.

    The columns are ``frame`` (from 0), ``time`` (seconds), ``track_id``,
    ``damaged`` (0 or 1); ``JOINT_x``, ``JOINT_y`` (pixels) and
    ``JOINT_score`` of each joint; and where a lifter was there ``JOINT_3d_x``,
    ``JOINT_3d_y``, ``JOINT_3d_z`` of each of its joints: metres from the
    root, axes of the camera (x right, y down, z away). What is not known is
    empty.

    Args:
        predictions: ``.json`` file of
            :class:`~rpstn_mmpose.apis.VideoPoseInferencer`, one that
            :func:`~rpstn_mmpose.visualization.video_report.load_predictions`
            reads.
        path: Of the ``.csv`` file; an older one is replaced when the new one
            is complete.

    Returns:
        Path: The path.

    Raises:
        ValueError: Another ending, or 3D poses of another form.
        OSError: The path cannot be written.
    """
    path = check_output_path(path, TABLE_ENDINGS)
    with open(predictions, encoding='utf-8') as file:
        content = json.load(file)
    part = make_part(path)
    try:
        with open(part, 'w', encoding='utf-8', newline='') as file:
            csv.writer(file).writerows(_rows(content, os.fspath(predictions)))
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _rows(content: Mapping[str, Any], where: str) -> Iterator[list]:
    flat = joint_names(content['meta_info'])
    told = content['meta_info'].get('keypoints_3d', {})
    solid = told.get('keypoint_names', ())
    yield [
        *('frame', 'time', 'track_id', 'damaged'),
        *(f'{name}_{part}' for name in flat for part in ('x', 'y', 'score')),
        *(f'{name}_3d_{axis}' for name in solid for axis in 'xyz'),
    ]
    for record in content['instance_info']:
        frame = record['frame_id']
        for person in record['instances']:
            row = [
                frame,
                record.get('time'),
                person.get('track_id'),
                int(record.get('damaged', False)),
            ]
            points = person.get('keypoints') or [(None, None)] * len(flat)
            for point, score in zip(points, person['keypoint_scores']):
                row += [*point[:2], score]
            if 'keypoints_3d' in person:
                pose = pose_3d_of(
                    person, len(solid), f'{where}: frame {frame}'
                )
                row += pose.flatten().tolist()
            else:
                row += [None] * 3 * len(solid)
            yield [_plain(value) for value in row]


def _plain(value: Any) -> Any:
    """Empty where a number is none."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
