# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Any

import numpy as np
from mmpose.datasets.transforms import RandomFlip
from mmpose.registry import TRANSFORMS
from mmpose.structures.bbox import flip_bbox
from mmpose.structures.keypoint import flip_keypoints

from ...structures.columns import COLUMNS, Column, declared_columns
from .encoded_frame import flip_frame


@TRANSFORMS.register_module()
class ClipRandomFlip(RandomFlip):
    """Flip all frames of a clip, or none of them.

    :class:`mmpose.datasets.RandomFlip`, which takes lists of images and T
    rows as they are, and knows ``bbox``, ``keypoints`` and
    ``keypoints_visible``; the other columns are flipped as their kinds say.
    Clips may have no images, but must have ``img_shape``.
    """

    STOCK = ('bbox', 'keypoints', 'keypoints_visible')

    def transform(self, results: dict) -> dict:
        """Flip images, boxes and keypoints; swap left and right.

        Args:
            results (dict): A loaded clip.

        Returns:
            dict: ``results`` with ``flip`` and ``flip_direction``.
        """
        # An empty list of images: everything but the pixels.
        frames, results['img'] = results.get('img'), []
        results = super().transform(results)
        if frames is None:
            del results['img']
        else:
            results['img'] = frames
        if not results['flip']:
            return results
        direction = results['flip_direction']
        if isinstance(frames, list):
            results['img'] = [flip_frame(f, direction) for f in frames]
        elif frames is not None:
            results['img'] = flip_frame(frames, direction)
        for column in (*COLUMNS, *declared_columns(results)):
            if (
                column.name not in self.STOCK
                and not column.of_track
                and (results.get(column.name) is not None)
            ):
                results[column.name] = _flipped(
                    results[column.name], column, results, direction
                )
        return results


def _flipped(
    values: Any, column: Column, results: dict, direction: str
) -> Any:
    """T rows of a column in the flipped frames."""
    # The order in which MMPose's class reads them.
    height, width = results.get('input_size', results['img_shape'])
    indices = column.flip_indices or results['flip_indices']
    if column.kind == 'box':
        return flip_bbox(
            values,
            image_size=(width, height),
            bbox_format='xyxy',
            direction=direction,
        )
    if column.kind == 'points':
        flags = np.ones(values.shape[:-1])
        return flip_keypoints(
            values, flags, (width, height), indices, direction
        )[0]
    # A diagonal flip is a rotation, which keeps left and right.
    swapped = direction != 'diagonal'
    if (
        swapped
        and column.kind not in ('index', 'path')
        and column.of_joints(values, len(indices))
    ):
        values = values.take(indices, axis=1)
    if column.kind == 'points_3d':
        signs = dict(
            horizontal=(-1, 1, 1), vertical=(1, -1, 1), diagonal=(-1, -1, 1)
        )
        values = values * np.array(signs[direction], values.dtype)
    return values
