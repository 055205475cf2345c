# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Sequence

import cv2
import numpy as np
from mmpose.datasets.transforms import TopdownAffine
from mmpose.registry import TRANSFORMS
from mmpose.structures.bbox import get_udp_warp_matrix

from ...structures.columns import declared_columns
from .encoded_frame import warp_frame


def warp_matrices(
    centers: np.ndarray,
    scales: np.ndarray,
    rotations: np.ndarray,
    output_size: Sequence[int],
) -> list[np.ndarray]:
    """:func:`mmpose.structures.bbox.get_warp_matrix` of T boxes at once.

    One at a time they take a tenth of a test frame's time.

    Args:
        centers, scales: (T, 2), pixels.
        rotations: (T,), degrees.
        output_size: Width and height of the crops.

    Returns:
        list[np.ndarray]: T matrices (2, 3).
    """
    angles = np.deg2rad(rotations)
    halves = scales[:, 0].astype(np.float64) * -0.5
    # The centre, the middle of the left side and the corner between the left
    # side and one that is as far away from the centre.
    source = np.empty((len(centers), 3, 2), np.float32)
    source[:, 0] = centers
    source[:, 1] = centers + np.stack(
        [np.cos(angles) * halves, np.sin(angles) * halves], axis=1
    )
    across = source[:, 0] - source[:, 1]
    source[:, 2, 0] = source[:, 1, 0] - across[:, 1]
    source[:, 2, 1] = source[:, 1, 1] + across[:, 0]
    width, height = output_size
    target = np.array(
        [
            [width * 0.5, height * 0.5],
            [0, height * 0.5],
            [0, height * 0.5 + width * 0.5],
        ],
        np.float32,
    )
    return [cv2.getAffineTransform(points, target) for points in source]


@TRANSFORMS.register_module()
class ReducedTopdownAffine(TopdownAffine):
    """:class:`mmpose.datasets.TopdownAffine` for frames that LoadClip did
    not read in full: with ``reduce_to`` or ``lazy``.

    The crop is the one of the full frame: a pixel of a frame that is r times
    smaller covers r x r pixels, and its centre lies at r i + (r - 1) / 2.
    Takes the same arguments. Within ``ForEachFrame`` it takes a frame; on its
    own a clip, which is faster and gives the same.

    Raises:
        ValueError: In ``transform``, a frame with more than one box, or a
            clip with another number of boxes than frames.
    """

    def transform(self, results: dict) -> dict | None:
        """Crop a frame or a clip.

        Args:
            results (dict): With ``img``, a frame or a list of T frames,
                ``bbox_center`` and ``bbox_scale`` (T, 2), and optionally
                ``bbox_rotation`` (T,), ``keypoints`` (T, K, 2) and
                ``img_reduction`` where they were read smaller.

        Returns:
            dict: ``results``; the reduction is 1 after it. ``input_center``
            and ``input_scale`` are (2,), of a clip (T, 1, 2).
        """
        single = not isinstance(results['img'], (list, tuple))
        frames = [results['img']] if single else results['img']
        centers = results['bbox_center']
        if len(centers) != len(frames):
            raise ValueError(
                f'{self.__class__.__name__}: there are '
                f'{len(centers)} boxes for {len(frames)} frames'
            )
        width, height = self.input_size
        results['bbox_scale'] = scales = self._fix_aspect_ratio(
            results['bbox_scale'], aspect_ratio=width / height
        )
        matrices = self._matrices(
            centers, scales, results.get('bbox_rotation')
        )
        self._place_points(results, matrices)
        reduction = results.get('img_reduction', 1)
        if reduction != 1:
            shift = (reduction - 1) / 2
            to_full = np.array(
                [[reduction, 0, shift], [0, reduction, shift], [0, 0, 1]]
            )
            matrices = [matrix @ to_full for matrix in matrices]
            results['img_reduction'] = 1
        crops = [
            warp_frame(frame, matrix, self.input_size)
            for frame, matrix in zip(frames, matrices)
        ]
        results['img'] = crops[0] if single else crops
        results['input_size'] = (width, height)
        results['input_center'] = centers[0] if single else centers[:, None]
        results['input_scale'] = scales[0] if single else scales[:, None]
        return results

    @staticmethod
    def _place_points(results: dict, matrices: list[np.ndarray]) -> None:
        """Add ``transformed_NAME`` of ``keypoints`` and declared points."""
        names = [
            column.name
            for column in declared_columns(results)
            if column.kind == 'points'
        ]
        for name in ('keypoints', *names):
            if results.get(name) is None:
                continue
            placed = results.get(f'transformed_{name}')
            placed = np.copy(results[name] if placed is None else placed)
            for row, matrix in enumerate(matrices):
                placed[row : row + 1, :, :2] = cv2.transform(
                    results[name][row : row + 1, :, :2], matrix
                )
            results[f'transformed_{name}'] = placed

    def _matrices(
        self,
        centers: np.ndarray,
        scales: np.ndarray,
        rotations: np.ndarray | None,
    ) -> list[np.ndarray]:
        """(2, 3) each, from the frame to its crop."""
        if rotations is None:
            rotations = np.zeros(len(centers))
        if not self.use_udp:
            return warp_matrices(centers, scales, rotations, self.input_size)
        return [
            get_udp_warp_matrix(
                center, scale, rotation, output_size=self.input_size
            )
            for center, scale, rotation in zip(centers, scales, rotations)
        ]
