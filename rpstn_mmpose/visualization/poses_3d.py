# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""3D poses for the report page, and which scripts a page may run."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from typing import Any

import numpy as np

MILLIMETRES = 1000


def content_policy(*scripts: str) -> str:
    """What a page may do: run these scripts, whatever a name should smuggle
    in, and fetch nothing but a video beside it.
    """
    hashes = ' '.join(
        f"'sha256-{base64.b64encode(digest).decode()}'"
        for digest in (hashlib.sha256(s.encode()).digest() for s in scripts)
    )
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src {hashes}; "
        "img-src data:; media-src data: 'self' file:"
    )


def read_poses_3d(path: str | os.PathLike) -> dict[str, Any] | None:
    """3D poses of a file that :class:`~rpstn_mmpose.apis.VideoPoseInferencer`
    wrote with a lifter.

    Args:
        path: Of the ``.json`` file.

    Returns:
        dict | None: ``joints``, their names; ``links``, pairs of joints;
        ``poses`` by frame number: a list of track id and 3 K whole
        millimetres for each person. None: a file without 3D poses.

    Raises:
        ValueError: 3D poses of another form; one line.
    """
    with open(path, encoding='utf-8') as file:
        content = json.load(file)
    told = content['meta_info'].get('keypoints_3d')
    if told is None:
        return None
    joints = list(told['keypoint_names'])
    links = [[int(a), int(b)] for a, b in told['skeleton_links']]
    poses: dict[int, list] = {}
    for record in content['instance_info']:
        frame = record['frame_id']
        for person in record['instances']:
            if 'keypoints_3d' not in person:
                continue
            pose = np.array(person['keypoints_3d'], dtype=np.float64)
            if pose.shape != (len(joints), 3) or not np.isfinite(pose).all():
                raise ValueError(
                    f'{path}: keypoints_3d of frame {frame} must be '
                    f'{len(joints)} x 3 numbers; write the file again'
                )
            numbers = (pose * MILLIMETRES).round().astype(int)
            poses.setdefault(frame, []).append(
                [int(person['track_id']), *numbers.flatten().tolist()]
            )
    return dict(joints=joints, links=links, poses=poses)
