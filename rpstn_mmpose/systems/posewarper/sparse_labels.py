# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Labels of some frames, and which of them serves which other frame."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Mapping, NamedTuple, Sequence

import numpy as np

# Offset of a warp in the published experiment; more are made in several.
STEP = 3
# Frames between two labels that are farther from one get nothing from it.
LIMIT = 5 * STEP
# Part of the box's size, root of its area, within which the labels of both
# sides mean the same place.
TOLERANCE = 0.1


@dataclass(frozen=True)
class Pose:
    """A person in a frame; 0-based pixels.

    Attributes:
        bbox: (4,), x1 y1 x2 y2.
        keypoints: (K, 2).
        labeled: (K,) bool, whether there is a place at all.
        visible: (K,) bool.
        scores: (K,), how far a place can be trusted, 0 to 1.
        given: Whether it is a label, not carried over from one.
    """

    bbox: np.ndarray
    keypoints: np.ndarray
    labeled: np.ndarray
    visible: np.ndarray
    scores: np.ndarray
    given: bool = True


# By frame.
Poses = Mapping[int, Pose]


class Link(NamedTuple):
    """A step of a label on its way to another frame.

    Attributes:
        frame: Where the step ends.
        anchor: Where it begins: the label's frame, or one that an earlier
            step has reached.
        label: Frame of the label.
    """

    frame: int
    anchor: int
    label: int


def plan_links(
    labels: Sequence[int],
    num_frames: int,
    step: int = STEP,
    limit: int = LIMIT,
    sides: str = 'both',
) -> list[Link]:
    """Which label is carried where, and by which steps.

    Args:
        labels: Frames with a label, in order.
        num_frames: Of the video.
        step: Largest offset of a step.
        limit: Frames between two labels that are farther from a label get
            nothing from it. In front of the first and behind the last label,
            ``step`` frames are labelled.
        sides: ``'nearest'``: each frame takes the nearer label, of two
            equally near ones the earlier. ``'both'``: that of both sides.

    Returns:
        list[Link]: Those of a label in order of their distance.
    """
    links = []
    for label in labels:
        for way in (-1, 1):
            others = [f for f in labels if (f - label) * way > 0]
            other = min(others, key=lambda f: abs(f - label), default=None)
            far = step if other is None else min(limit, abs(other - label) - 1)
            if sides == 'nearest' and other is not None:
                gap = abs(other - label)
                far = min(far, gap // 2 if way > 0 else (gap - 1) // 2)
            for distance in range(1, far + 1):
                frame = label + way * distance
                if 0 <= frame < num_frames:
                    before = step * ((distance - 1) // step)
                    links.append(Link(frame, label + way * before, label))
    return links


def box_at(labels: Poses, frame: int) -> np.ndarray:
    """A person's box, interpolated between labels and held at the ends."""
    frames = sorted(labels)
    boxes = np.stack([labels[number].bbox for number in frames])
    return np.array([np.interp(frame, frames, side) for side in boxes.T])


def from_neighbours(
    labels: Poses, num_frames: int, method: str, limit: int = LIMIT
) -> dict[int, Pose]:
    """Labels between, without looking at the pictures.

    Args:
        labels: Of one person.
        num_frames: Of the video.
        method: ``'interpolate'``: a straight line between two labels;
            ``'repeat'``: the nearest label as it is.
        limit: See :func:`plan_links`.

    Returns:
        dict[int, Pose]: The frames that :func:`plan_links` reaches.
    """
    links = plan_links(sorted(labels), num_frames, limit=limit)
    sources = defaultdict(list)
    for link in links:
        sources[link.frame].append(link.label)
    found = {}
    for frame, sides in sources.items():
        near = min(sides, key=lambda label: (abs(label - frame), label))
        pose = replace(labels[near], bbox=box_at(labels, frame), given=False)
        if method == 'interpolate' and len(sides) == 2:
            first, last = (labels[label] for label in sorted(sides))
            part = (frame - min(sides)) / (max(sides) - min(sides))
            both = first.labeled & last.labeled
            points = (1 - part) * first.keypoints + part * last.keypoints
            points = np.where(both[:, None], points, pose.keypoints)
            pose = replace(pose, keypoints=points)
        found[frame] = pose
    return found


def merge_sides(sides: Sequence[tuple[int, Pose]]) -> Pose:
    """One pose of what labels before and behind give a frame.

    Where both mean the same place, it lies between them, nearer to the label
    that is nearer in time and arrived more clearly; else that one's is taken.
    The score tells how well they agree, too.

    Args:
        sides: Distance in frames and pose of each side; one or two.

    Returns:
        Pose: Of that frame.
    """
    if len(sides) == 1:
        return sides[0][1]
    poses = [pose for _, pose in sides]
    scores = np.stack([p.scores * p.labeled for p in poses])
    weights = scores / np.array([[distance] for distance, _ in sides])
    weights = weights / np.maximum(weights.sum(axis=0), 1e-9)
    points = np.stack([pose.keypoints for pose in poses])
    size = np.sqrt(np.prod(poses[0].bbox[2:] - poses[0].bbox[:2]))
    apart = np.linalg.norm(points[0] - points[1], axis=1) / (TOLERANCE * size)
    both = (scores > 0).all(axis=0)
    heavier = weights.argmax(axis=0)
    joints = np.arange(len(heavier))
    mean = (weights[..., None] * points).sum(axis=0)
    agreed = both & (apart <= 1)
    agreement = np.where(both, np.exp(-0.5 * apart**2), 1.0)
    return replace(
        poses[0],
        keypoints=np.where(agreed[:, None], mean, points[heavier, joints]),
        scores=scores[heavier, joints] * agreement,
        labeled=(np.stack([pose.labeled for pose in poses])).any(axis=0),
        visible=np.stack([p.visible for p in poses])[heavier, joints],
    )
