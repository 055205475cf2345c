# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import cv2
import numpy as np
from mmpose.datasets.transforms import TopdownAffine
from mmpose.registry import TRANSFORMS

from .encoded_frame import warp_frame


@TRANSFORMS.register_module()
class TopdownStretch(TopdownAffine):
    """Crop a box and stretch it to the input, whatever its shape.

    :class:`TopdownAffine` widens the box to the input's aspect ratio first,
    so that people keep their proportions. The released RPSTN code does not:
    its networks have learned stretched people, and converted checkpoints want
    them too. Keys are those of ``TopdownAffine``; ``bbox_scale`` stays as it
    is. A rotation turns the picture about the box's centre, before it is
    stretched.

    Args:
        input_size (tuple[int, int]): Width and height of the input.

    Raises:
        ValueError: In ``transform``, more than one box, or one of no size.
    """

    def __init__(self, input_size: tuple[int, int]) -> None:
        super().__init__(input_size=input_size)

    def warp_matrix(
        self, center: np.ndarray, scale: np.ndarray, rotation: float
    ) -> np.ndarray:
        """From image pixels to input pixels.

        Args:
            center (np.ndarray): Of the box, (2,) pixels.
            scale (np.ndarray): Its width and height, (2,) pixels.
            rotation (float): Of the box, degrees, as ``TopdownAffine`` has
                it.

        Returns:
            np.ndarray: (2, 3) float64.
        """
        size = np.array(self.input_size, dtype=np.float64)
        angle = np.deg2rad(rotation)
        cos, sin = np.cos(angle), np.sin(angle)
        turn = np.array([[cos, sin], [-sin, cos]])
        linear = (size / scale)[:, None] * turn
        return np.hstack([linear, (size / 2 - linear @ center)[:, None]])

    def transform(self, results: dict) -> dict | None:
        """Crop one box.

        Args:
            results (dict): With ``img``, ``bbox_center`` and ``bbox_scale``
                (1, 2), and optionally ``bbox_rotation`` (1,) and
                ``keypoints`` (1, K, 2).

        Returns:
            dict: ``results``.
        """
        center, scale = results['bbox_center'], results['bbox_scale']
        if len(center) != 1 or not (scale > 0).all():
            raise ValueError(
                f'{self.__class__.__name__} takes one box of '
                f'positive size, but got bbox_scale '
                f'{scale.tolist()}'
            )
        rotation = results.get('bbox_rotation', [0.0])[0]
        matrix = self.warp_matrix(center[0], scale[0], rotation)
        results['img'] = warp_frame(results['img'], matrix, self.input_size)
        if results.get('keypoints') is not None:
            results['transformed_keypoints'] = cv2.transform(
                results['keypoints'][..., :2], matrix
            ).astype(results['keypoints'].dtype)
        results['input_size'] = self.input_size
        results['input_center'] = center[0]
        results['input_scale'] = scale[0]
        return results
