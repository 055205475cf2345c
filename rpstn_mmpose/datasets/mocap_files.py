# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""2D and 3D keypoints of motion capture, in VideoPose3D's files."""

from __future__ import annotations

from typing import Any, Iterator, Mapping, NamedTuple, Sequence

import numpy as np

from .array_files import read_npz, read_pickle
from .cameras import Camera

# Joints of Human3.6M's 32 that are used.
H36M_KEPT = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)


class MocapSequence(NamedTuple):
    """A take as one camera sees it, of n frames.

    Attributes:
        name: ``SUBJECT/TAKE/NUMBER OF THE CAMERA``.
        action: Name of the take up to its number.
        camera: The camera.
        keypoints: (n, K, 2), pixels.
        scores: (n, K).
        poses: (n, K, 3), metres, the camera's axes.
    """

    name: str
    action: str
    camera: Camera
    keypoints: np.ndarray
    scores: np.ndarray
    poses: np.ndarray


def _entry(path: str, name: str) -> Any:
    content = read_npz(path)
    if not isinstance(content.get(name), dict):
        raise ValueError(
            f'{path} has no {name}, a dict by subject and take; it has '
            f'{sorted(content)}'
        )
    return content[name]


def _array(value: Any, last: int, where: str) -> np.ndarray:
    value = np.asarray(value)
    if (
        value.dtype.kind != 'f'
        or value.ndim != 3
        or not len(value)
        or value.shape[2] != last
    ):
        raise ValueError(
            f'{where} must be floats, frames x joints x {last}, but got '
            f'{value.dtype} {value.shape}'
        )
    bad = ~np.isfinite(value).all(axis=(1, 2))
    if bad.any():
        raise ValueError(
            f'{where}: frame {int(np.argmax(bad))} holds numbers that are no '
            f'places (NaN or infinite), as do {int(bad.sum())} of '
            f'{len(value)} frames; leave the take out or fill them'
        )
    return value.astype(np.float32)


def load_mocap(
    poses_file: str,
    keypoints_file: str,
    cameras: Mapping[str, Sequence[Camera]],
    subjects: Sequence[str],
    actions: Sequence[str] = (),
    num_joints: int = 17,
    score_file: str | None = None,
    camera_file: str | None = None,
) -> list[MocapSequence]:
    """All takes of some subjects, once for each camera.

    Args:
        poses_file: ``data_3d_*.npz``, poses in the world.
        keypoints_file: ``data_2d_*.npz``, as many frames or more.
        cameras: By subject; of ``Train/S1`` those of ``S1``.
        subjects: Those wanted.
        actions: Those wanted; empty: all.
        num_joints: K; 3D poses of 32 joints are Human3.6M's, of which 17 are
            kept.
        score_file: Pickle of the 2D keypoints' scores by
            ``SUBJECT_TAKE.CAMERA``. None: all are 1.
        camera_file: What ``cameras`` were read from, for messages.

    Raises:
        FileNotFoundError: No such file.
        ValueError: One line that names the file, the take and the fix.
    """
    scores = None if score_file is None else read_pickle(score_file)
    sequences = []
    for take in _takes(poses_file, keypoints_file, subjects):
        action = take.name.split(' ')[0]
        if actions and action not in actions:
            continue
        known = cameras.get(take.subject.split('/')[-1])
        if not known:
            raise ValueError(
                f'no camera of subject {take.subject!r} is known, only those '
                f'of {sorted(cameras)}; '
                + (
                    f'add them to {camera_file}'
                    if camera_file
                    else 'give camera_file'
                )
            )
        where = f'{take.subject}, {take.name!r}'
        world = _array(take.poses, 3, f'{poses_file}: {where}')
        if num_joints == len(H36M_KEPT) and world.shape[1] == 32:
            world = world[:, H36M_KEPT]
        where = f'{keypoints_file}: {where}'
        if not _is_list(take.keypoints, len(known)):
            raise ValueError(
                f'{where} must be a list of the keypoints of {len(known)} '
                'cameras'
            )
        for number, (camera, found) in enumerate(zip(known, take.keypoints)):
            name = f'{where}, camera {number}'
            found = _array(found, 2, name)[: len(world)]
            if (
                not found.shape[:2]
                == world.shape[:2]
                == (len(world), num_joints)
            ):
                raise ValueError(
                    f'{name}: 2D {found.shape} and 3D {world.shape} do not '
                    f'go together as frames of {num_joints} joints; take '
                    'files of one data set'
                )
            sequences.append(
                MocapSequence(
                    f'{take.subject}/{take.name}/{number}',
                    action,
                    camera,
                    found,
                    _scores(
                        scores,
                        f'{take.subject}_{take.name}.{number}',
                        found.shape,
                        str(score_file),
                    ),
                    camera.from_world(world).astype(np.float32),
                )
            )
    return sequences


class _Take(NamedTuple):
    subject: str
    name: str
    poses: Any
    keypoints: Any


def _takes(
    poses_file: str, keypoints_file: str, subjects: Sequence[str]
) -> Iterator[_Take]:
    poses = _entry(poses_file, 'positions_3d')
    points = _entry(keypoints_file, 'positions_2d')
    for subject in subjects:
        for path, content in ((poses_file, poses), (keypoints_file, points)):
            if not isinstance(content.get(subject), dict):
                raise ValueError(
                    f'{path} has no subject {subject!r}; it has '
                    f'{sorted(content)}'
                )
        for name, world in poses[subject].items():
            yield _Take(subject, str(name), world, points[subject].get(name))


def _is_list(value: Any, length: int) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == length


def _scores(
    scores: Any, key: str, shape: Sequence[int], path: str
) -> np.ndarray:
    """(n, K); the last frame's are repeated where one frame lacks them."""
    frames, joints = shape[:2]
    if scores is None:
        return np.ones((frames, joints), np.float32)
    found = scores.get(key) if isinstance(scores, dict) else None
    if (
        not isinstance(found, np.ndarray)
        or found.dtype.kind not in 'fiu'
        or found.size % joints
        or found.size < (frames - 1) * joints
    ):
        raise ValueError(
            f'{path} has no scores of {key!r} for {frames} frames of {joints} '
            'joints; take that of the same 2D keypoints'
        )
    found = found.reshape(-1, joints)[:frames].astype(np.float32)
    if not np.isfinite(found).all():
        raise ValueError(f'{path}: {key!r} holds scores that are no numbers')
    if len(found) < frames:
        found = np.concatenate([found, found[-1:]])
    return found
