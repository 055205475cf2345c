# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import numpy as np
from mmpose.datasets.transforms import GetBBoxCenterScale
from mmpose.registry import TRANSFORMS
from mmpose.structures.bbox import bbox_xyxy2cs

from .clip_checks import check_clip_boxes


@TRANSFORMS.register_module()
class ClipBBox(GetBBoxCenterScale):
    """Where the frames of a clip are cropped; in GetBBoxCenterScale's place.

    Required key: ``bbox`` T x 4, which stays as it is: scores are normalised
    by a frame's own box, however it was cropped. Added keys: ``bbox_center``
    and ``bbox_scale`` T x 2, image pixels.

    Args:
        mode (str): ``'per_frame'``: every frame by its own box (the paper).
            ``'union'``: all frames by the smallest box around the clip's
            boxes, which keeps the background still. ``'wanted'``: all
            frames by the box of the one that ``frame_mask`` wants, for models
            that answer for one frame.
        padding (float): Factor on the box's sides.

    Raises:
        ValueError: Another mode; a box that is not finite or has no area; a
            clip of which not exactly one frame is wanted, in the mode
            ``'wanted'``.
    """

    MODES = ('per_frame', 'union', 'wanted')

    def __init__(self, mode: str = 'per_frame', padding: float = 1.25) -> None:
        if mode not in self.MODES:
            raise ValueError(
                f'{self.__class__.__name__}: mode must be one '
                f'of {list(self.MODES)}, but got {mode!r}'
            )
        super().__init__(padding=padding)
        self.mode = mode

    def transform(self, results: dict) -> dict:
        """Add ``bbox_center`` and ``bbox_scale``.

        Args:
            results (dict): A clip with ``bbox``.

        Returns:
            dict: ``results``.
        """
        check_clip_boxes(results, self.__class__.__name__)
        boxes = results['bbox']
        if self.mode == 'union':
            union = np.concatenate(
                [boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)]
            )
            boxes = np.tile(union, (len(boxes), 1))
        elif self.mode == 'wanted':
            boxes = np.tile(boxes[self._wanted(results)], (len(boxes), 1))
        center, scale = bbox_xyxy2cs(boxes, padding=self.padding)
        results['bbox_center'], results['bbox_scale'] = center, scale
        return results

    def _wanted(self, results: dict) -> int:
        """The row that is wanted."""
        mask = results.get('frame_mask')
        rows = np.flatnonzero(
            np.ones(len(results['bbox'])) if mask is None else mask
        )
        if len(rows) != 1:
            raise ValueError(
                f"{self.__class__.__name__}: mode='wanted' takes clips of "
                f'which one frame is wanted, but of this one {len(rows)} are; '
                'give the data set a window around a frame (clip_offsets)'
            )
        return int(rows[0])

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}(mode={self.mode!r}, '
            f'padding={self.padding})'
        )
