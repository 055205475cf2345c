# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Real Penn Action label files -> complete, smooth 2D joint tracks."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat
from scipy.ndimage import gaussian_filter1d

from ..datasets.penn_action_label import is_placeholder
from .penn_writer import PENN_ORDER
from .skeleton import PENN_JOINTS

# A frame counts when so many joints are annotated, a video when it has so
# many such frames.
MIN_JOINTS = 6
MIN_FRAMES = 8
# Videos whose person would be smaller than this cannot be drawn or seen.
MIN_STATURE = 20.0
_JOINT = {name: index for index, name in enumerate(PENN_JOINTS)}
# Joint -> the joint whose offset is carried through gaps.
_PARENTS = {
    f'{side}_{child}': f'{side}_{parent}'
    for side in ('left', 'right')
    for parent, child in (
        ('shoulder', 'elbow'),
        ('elbow', 'wrist'),
        ('hip', 'knee'),
        ('knee', 'ankle'),
    )
}
_TRUNK = ('left_shoulder', 'right_shoulder', 'left_hip', 'right_hip')
# Mean limb lengths in statures (see skeleton.Body), pairs of joint groups.
_LENGTHS = (
    ('hip', 'knee', 0.245),
    ('knee', 'ankle', 0.245),
    ('shoulder', 'elbow', 0.178),
    ('elbow', 'wrist', 0.150),
    ('shoulder', 'hip', 0.270),
)
# Where a joint that is never annotated hangs below its parent, in statures.
_REST = {'elbow': 0.178, 'wrist': 0.150, 'knee': 0.245, 'ankle': 0.245}


class UnusableTrajectory(ValueError):
    """A label file that no person can be rendered along.

    Args:
        kind (str): Short name of the reason, counted in the manifest.
        message (str): One line that names the file.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass
class Trajectory:
    """One person's joints in every frame, gaps filled.

    Attributes:
        number (int): Number of the video in the real data set.
        train (bool): Real split.
        action (str): Real action.
        pose (str): Real pose.
        size (tuple): Width and height of the scaled picture in pixels.
        joints (np.ndarray): n x 13 x 2, 0-based pixels, scaled, anatomical
            sides (the opposite of the file's, see ``PENN_ORDER``).
        seen (np.ndarray): n x 13 bool, visible in the real video.
        stature (float): Estimated height of the person in pixels.
    """

    number: int
    train: bool
    action: str
    pose: str
    size: tuple[int, int]
    joints: np.ndarray
    seen: np.ndarray
    stature: float


def list_labels(folder: Path) -> list[Path]:
    """All NNNN.mat of a folder.

    Raises:
        FileNotFoundError: There is no such folder, or no label file in it.
    """
    if not folder.is_dir():
        raise FileNotFoundError(
            f'trajectories: no such folder {str(folder)!r}, give the labels '
            'folder of Penn Action'
        )
    paths = sorted(p for p in folder.glob('*.mat') if p.stem.isdigit())
    if not paths:
        raise FileNotFoundError(
            f'trajectories: no NNNN.mat in {str(folder)!r}, give the labels '
            'folder of Penn Action'
        )
    return paths


def fingerprint(paths: list[Path]) -> str:
    """Hash of names and contents, to recognise equal label folders."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _text(label: dict, key: str) -> str:
    value = np.asarray(label.get(key, '')).ravel()
    return str(value[0]) if value.size else ''


def _read(path: Path) -> dict:
    """Raw arrays, float64: joints n x 13 x 2 (1-based), seen, size, split."""
    try:
        label = loadmat(str(path))
        x, y, seen, train, dims = (
            np.asarray(label[key], np.float64)
            for key in ('x', 'y', 'visibility', 'train', 'dimensions')
        )
    except Exception as error:
        # A corrupt file raises whatever the parser stumbles over.
        raise UnusableTrajectory(
            'unreadable', f'{path.name}: cannot be read: {error}'
        ) from error
    shapes = [a.shape for a in (x, y, seen)]
    wrong = any(len(s) != 2 or s[1] != len(PENN_JOINTS) for s in shapes)
    if wrong or dims.size < 2 or dims.ravel()[:2].min() < 1:
        raise UnusableTrajectory(
            'bad_shape',
            f'{path.name}: x, y, visibility of shapes {shapes} or dimensions '
            f'{dims.ravel().tolist()} are not those of Penn Action',
        )
    if train.size == 0 or train.ravel()[0] not in (1.0, -1.0):
        raise UnusableTrajectory(
            'no_split', f'{path.name}: train is {train.tolist()}, not 1 or -1'
        )
    # Arrays of one file may differ by a row; only whole frames count.
    count = min(len(x), len(y), len(seen))
    return dict(
        joints=np.stack([x[:count], y[:count]], axis=-1)[:, PENN_ORDER],
        seen=(seen[:count] > 0)[:, PENN_ORDER],
        size=(dims.ravel()[1], dims.ravel()[0]),
        train=train.ravel()[0] > 0,
        action=_text(label, 'action'),
        pose=_text(label, 'pose'),
    )


def annotated_joints(joints: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Joints that carry coordinates.

    Args:
        joints (np.ndarray): n x 13 x 2, 1-based pixels.
        seen (np.ndarray): n x 13 bool.

    Returns:
        np.ndarray: n x 13 bool. False for what stands for a joint that was
        not annotated, and for numbers that are not finite.
    """
    placeholder = is_placeholder(joints[..., 0], joints[..., 1], seen)
    return np.isfinite(joints).all(axis=-1) & ~placeholder


def _interpolate(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Fill rows linearly between known ones, constant beyond the ends."""
    frames = np.arange(len(values))
    where = np.flatnonzero(known)
    return np.stack(
        [
            np.interp(frames, where, values[where, column])
            for column in range(values.shape[1])
        ],
        axis=1,
    )


def estimate_stature(joints: np.ndarray, known: np.ndarray) -> float:
    """Height of a person from the lengths of the limbs.

    Foreshortening only shortens, so the long end of each limb's distribution
    counts; the median over limbs ignores a badly annotated one.

    Args:
        joints (np.ndarray): n x 13 x 2 pixels.
        known (np.ndarray): n x 13 bool, annotated joints.

    Returns:
        float: Pixels; 0 when no limb is annotated.
    """
    estimates = []
    for inner, outer, length in _LENGTHS:
        for side in ('left', 'right'):
            a, b = _JOINT[f'{side}_{inner}'], _JOINT[f'{side}_{outer}']
            both = known[:, a] & known[:, b]
            if both.any():
                sizes = np.linalg.norm(
                    joints[both, a] - joints[both, b], axis=1
                )
                estimates.append(np.percentile(sizes, 90) / length)
    return float(np.median(estimates)) if estimates else 0.0


def fill_gaps(
    joints: np.ndarray, known: np.ndarray, stature: float
) -> np.ndarray:
    """Give every joint a place in every frame.

    Shoulders and hips are interpolated in time, or stand in for each other
    where a whole video lacks them. All other joints keep their interpolated
    offset from the parent joint, so that a limb moves with its body through a
    gap. A joint without any annotation hangs below its parent.

    Args:
        joints (np.ndarray): n x 13 x 2 pixels.
        known (np.ndarray): n x 13 bool, annotated joints.
        stature (float): Pixels.

    Returns:
        np.ndarray: n x 13 x 2, finite; annotated joints unchanged.
    """
    raw = np.where(known[..., None], joints, 0.0)
    filled = raw.copy()
    _fill_trunk(filled, raw, known, stature)
    neck = filled[:, [_JOINT['left_shoulder'], _JOINT['right_shoulder']]]
    neck = neck.mean(axis=1)
    pelvis = filled[:, [_JOINT['left_hip'], _JOINT['right_hip']]].mean(axis=1)
    up = neck - pelvis
    up /= np.maximum(np.linalg.norm(up, axis=1, keepdims=True), 1e-6)
    _fill_child(filled, raw, known, 'head', neck, 0.11 * stature * up)
    for name, parent in _PARENTS.items():
        length = _REST[name.split('_')[1]] * stature
        rest = np.tile([0.0, length], (len(raw), 1))
        base = filled[:, _JOINT[parent]]
        _fill_child(filled, raw, known, name, base, rest)
    return filled


def _fill_trunk(
    filled: np.ndarray, raw: np.ndarray, known: np.ndarray, stature: float
) -> None:
    for name in _TRUNK:
        index = _JOINT[name]
        if known[:, index].any():
            places = _interpolate(raw[:, index], known[:, index])
            # Only the gaps are smoothed; annotations are the truth.
            smooth = gaussian_filter1d(places, 1.5, axis=0, mode='nearest')
            gap = ~known[:, index]
            filled[gap, index] = smooth[gap]
    present = {name: known[:, _JOINT[name]].any() for name in _TRUNK}
    for name in _TRUNK:
        if present[name]:
            continue
        side, part = name.split('_')
        opposite = f'{"right" if side == "left" else "left"}_{part}'
        other_part = 'hip' if part == 'shoulder' else 'shoulder'
        drop = 0.27 * stature * (1 if part == 'hip' else -1)
        for source, shift in (
            (opposite, 0.0),
            (f'{side}_{other_part}', drop),
            (opposite.replace(part, other_part), drop),
        ):
            if present[source]:
                place = filled[:, _JOINT[source]] + np.array([0.0, shift])
                filled[:, _JOINT[name]] = place
                break


def _fill_child(
    filled: np.ndarray,
    raw: np.ndarray,
    known: np.ndarray,
    name: str,
    base: Any,
    rest: Any,
) -> None:
    index = _JOINT[name]
    gap = ~known[:, index]
    if not gap.any():
        return
    offset = rest
    if known[:, index].any():
        offset = _interpolate(raw[:, index] - base, known[:, index])
    filled[gap, index] = (base + offset)[gap]


def load_trajectory(path: Path, longer_side: int) -> Trajectory:
    """Read one real label file.

    Args:
        path (Path): NNNN.mat.
        longer_side (int): Of the scaled picture, pixels.

    Returns:
        Trajectory: All frames.

    Raises:
        UnusableTrajectory: The file cannot be read, has other shapes, no
            split, too few annotated joints or too small a person.
    """
    label = _read(path)
    known = annotated_joints(label['joints'], label['seen'])
    good = int((known.sum(axis=1) >= MIN_JOINTS).sum())
    trunk = [_JOINT[name] for name in _TRUNK]
    if good < MIN_FRAMES or not known[:, trunk].any():
        raise UnusableTrajectory(
            'few_joints',
            f'{path.name}: only {good} frames with {MIN_JOINTS} annotated '
            f'joints, need {MIN_FRAMES}',
        )
    width, height = label['size']
    scale = longer_side / max(width, height)
    # 1-based pixel centres -> 0-based ones of the scaled picture.
    joints = (label['joints'] - 0.5) * scale - 0.5
    stature = estimate_stature(joints, known)
    if stature < MIN_STATURE:
        raise UnusableTrajectory(
            'too_small',
            f'{path.name}: the person is {stature:.0f} pixels tall at this '
            f'size, need {MIN_STATURE:.0f}',
        )
    return Trajectory(
        number=int(path.stem),
        train=bool(label['train']),
        action=label['action'],
        pose=label['pose'],
        size=(
            max(1, int(round(width * scale))),
            max(1, int(round(height * scale))),
        ),
        joints=fill_gaps(joints, known, stature),
        seen=label['seen'],
        stature=stature,
    )
