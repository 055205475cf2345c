# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What a clip knows about its frames: columns by name and kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Sequence

import numpy as np

# What a kind's numbers are stored as.
KINDS = dict(
    points=np.float32,
    points_3d=np.float32,
    box=np.float32,
    flag=np.float32,
    score=np.float32,
    value=np.float32,
    index=np.int64,
    path=np.str_,
)
# Kinds that a sample holds as lists in its metainfo.
LISTED = ('index', 'path')


@dataclass(frozen=True)
class Column:
    """A field of a data set, declared in its ``COLUMNS``.

    The kind says what flipping, the mapping of joints, cropping, packing and
    narrowing do with it:

    ============= ============ ============================================
    kind          a frame's    meaning
    ============= ============ ============================================
    ``points``    K x 2        Image pixels: flipped, cropped into
                               ``transformed_NAME``.
    ``points_3d`` K x 3        Camera space, x to the right: mirrored.
    ``box``       4            x1 y1 x2 y2, image pixels: flipped.
    ``flag``      1 or K       Of the frame, or of joints: left and right
                               change places.
    ``score``     1 or K       Likewise.
    ``value``     any          Numbers that nothing changes (a camera).
    ``index``     1 or more    Whole numbers, in the metainfo.
    ``path``      1            Likewise; equal ones are stored once.
    ============= ============ ============================================

    Attributes:
        name: Key of samples.
        kind: As above.
        of_track: Whether there is one entry for the track, not one a frame.
        packed: Whether it goes into the packed sample: into ``gt_instances``
            by MMPose's name for it, or its own; lists, and what is of the
            track, into the metainfo.
        dtype: As which it is stored. None: the kind's.
        flip_indices: For points of other joints than the metainfo's.
    """

    name: str
    kind: str
    of_track: bool = False
    packed: bool = True
    dtype: Any = None
    flip_indices: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(
                f'the column {self.name!r} has the kind {self.kind!r}; use '
                f'one of {list(KINDS)}'
            )

    @property
    def in_metainfo(self) -> bool:
        """Whether a packed sample has it in its metainfo."""
        return self.of_track or self.kind in LISTED

    def of_joints(self, values: np.ndarray, num_joints: int) -> bool:
        """Whether T rows of values have an entry for each joint."""
        if self.kind in ('points', 'points_3d'):
            return values.shape[1] == num_joints
        return (
            self.kind in ('flag', 'score')
            and values.ndim > 1
            and values.shape[1] == num_joints
        )


# Of all data sets; a track need not have all of them.
COLUMNS = (
    Column('frame_ids', 'index'),
    Column('image_ids', 'index'),
    Column('img_paths', 'path'),
    Column('frame_sizes', 'index', packed=False, dtype=np.int32),
    Column('bbox', 'box'),
    Column('bbox_score', 'score'),
    Column('keypoints', 'points'),
    Column('keypoints_visible', 'flag'),
    Column('keypoints_labeled', 'flag'),
    Column('track_id', 'index', of_track=True),
)


def declared_columns(sample: Mapping) -> Sequence[Column]:
    """Columns that a data set has beside :data:`COLUMNS`.

    Args:
        sample: A clip in a pipeline, a packed one's metainfo, or a dict of
            mmengine's Evaluator.
    """
    return sample.get('columns', ())
