# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Sequence

import numpy as np
from mmpose.codecs import MSRAHeatmap
from mmpose.datasets.transforms import GenerateTarget
from mmpose.registry import TRANSFORMS


def paste_gaussians(
    keypoints: np.ndarray,
    wanted: np.ndarray,
    size: Sequence[int],
    sigma: float,
) -> tuple[np.ndarray, np.ndarray]:
    """What MSRAHeatmap encodes, for all frames of a clip.

    :func:`mmpose.codecs.utils.generate_gaussian_heatmaps` evaluates the same
    Gaussian for every joint; here one is pasted.

    Args:
        keypoints: (T, K, 2), heatmap pixels.
        wanted: (T, K); 0 makes an empty heatmap.
        size: Width and height of a heatmap.
        sigma: Of the Gaussian, heatmap pixels.

    Returns:
        tuple: Heatmaps (T, K, h, w) and weights (T, K), float32: ``wanted``,
        0 where the Gaussian lies outside of the heatmap.
    """
    width, height = size
    radius = sigma * 3
    places = np.arange(0, 2 * radius + 1, 1, dtype=np.float32)
    squares = (places - (2 * radius + 1) // 2) ** 2
    gaussian = np.exp(-(squares + squares[:, None]) / (2 * sigma**2))
    middle = (keypoints + 0.5).astype(np.int64)
    first = (middle - radius).astype(np.int64)
    last = (middle + radius + 1).astype(np.int64)
    weights = wanted.astype(np.float32)
    weights[
        (first >= (width, height)).any(axis=-1) | (last < 0).any(axis=-1)
    ] = 0
    heatmaps = np.zeros((*wanted.shape, height, width), dtype=np.float32)
    for t, k in np.argwhere(weights >= 0.5).tolist():
        left, top = first[t, k].tolist()
        right, bottom = last[t, k].tolist()
        x1, y1 = max(left, 0), max(top, 0)
        x2, y2 = min(right, width), min(bottom, height)
        heatmaps[t, k, y1:y2, x1:x2] = gaussian[
            y1 - top : y2 - top, x1 - left : x2 - left
        ]
    return heatmaps, weights


@TRANSFORMS.register_module()
class GenerateClipTarget(GenerateTarget):
    """Encode each frame of a clip with a single-image codec.

    Required keys: ``transformed_keypoints`` (or ``keypoints``) T x K x 2 in
    input pixels, ``keypoints_visible`` and, if ``occluded_weight`` is above
    0, ``keypoints_labeled`` T x K. Added keys: what the codec encodes, with a
    leading T, e.g. ``heatmaps`` T x K x h x w and ``keypoint_weights`` T x K.
    All of it is packed as ``gt_instance_labels``, where a row is a frame.

    Frames that ``frame_mask`` does not want are not encoded: their rows are
    there, as a model may answer for them, and hold zeros.

    Args:
        encoder (dict): Config of one codec, e.g. of MSRAHeatmap.
        occluded_weight (float): Weight of joints that are labelled but not
            visible, 0 to 1. 0 (the paper): no target and no loss.
        use_dataset_keypoint_weights (bool): Multiply with the metainfo's
            joint weights.
        score_weights (bool): Multiply with the labels' own scores
            (``keypoint_scores`` T x K), as of labels that were carried over
            from other frames.

    Raises:
        ValueError: Several encoders, a weight outside 0 to 1, or labels
            without scores where these are to be used.
    """

    def __init__(
        self,
        encoder: dict,
        occluded_weight: float = 0.0,
        use_dataset_keypoint_weights: bool = False,
        score_weights: bool = False,
    ) -> None:
        name = self.__class__.__name__
        if isinstance(encoder, (list, tuple)):
            raise ValueError(
                f'{name} takes one encoder, but got {len(encoder)}'
            )
        if not 0 <= occluded_weight <= 1:
            raise ValueError(
                f'{name}: occluded_weight must lie in 0 to 1, '
                f'but got {occluded_weight}'
            )
        super().__init__(
            encoder=encoder,
            use_dataset_keypoint_weights=use_dataset_keypoint_weights,
        )
        self.occluded_weight = occluded_weight
        self.score_weights = score_weights
        self._pasted = (
            type(self.encoder) is MSRAHeatmap
            and not self.encoder.unbiased
            and not use_dataset_keypoint_weights
        )

    def _joint_weights(self, results: dict) -> np.ndarray:
        """(T, K) float32: 1 visible, ``occluded_weight`` occluded, else 0."""
        weights = (results['keypoints_visible'] > 0).astype(np.float32)
        if self.occluded_weight > 0:
            occluded = (results['keypoints_labeled'] > 0) & (weights == 0)
            weights[occluded] = self.occluded_weight
        if self.score_weights:
            scores = results.get('keypoint_scores')
            if scores is None:
                raise ValueError(
                    f'{self.__class__.__name__}: score_weights is for labels '
                    'with scores, and those of '
                    f'{results.get("video_id", "the clip")} have none; leave '
                    'it out'
                )
            weights = weights * scores
        return weights

    def transform(self, results: dict) -> dict:
        """Encode the clip.

        Args:
            results (dict): A clip after the crop.

        Returns:
            dict: ``results`` with the targets.
        """
        name = 'transformed_keypoints'
        if results.get(name) is None:
            name = 'keypoints'
        keypoints = results[name]
        weights = self._joint_weights(results)
        # Codecs leave out what is below 0.5, so that they are told whether
        # there is a target and the weight itself comes on top.
        encode = (weights > 0).astype(np.float32)
        wanted = results.get('frame_mask')
        wanted = (
            np.ones(len(weights), bool)
            if wanted is None
            else np.asarray(wanted, bool)
        )
        encode[~wanted] = 0

        fields = dict(self.encoder.field_mapping_table)
        labels = dict(self.encoder.label_mapping_table)
        if self._pasted:
            results['heatmaps'], results['keypoint_weights'] = paste_gaussians(
                keypoints / self.encoder.scale_factor,
                encode,
                self.encoder.heatmap_size,
                self.encoder.sigma,
            )
        else:
            # The first row stands for all of a clip that wants nothing.
            rows = np.flatnonzero(wanted) if wanted.any() else [0]
            frames = [
                super(GenerateClipTarget, self).transform(
                    dict(
                        results,
                        transformed_keypoints=keypoints[row : row + 1],
                        keypoints_visible=encode[row : row + 1],
                    )
                )
                for row in rows
            ]
            for key in (*fields, *labels):
                encoded = np.stack(
                    [
                        frame[key] if key in fields else frame[key][0]
                        for frame in frames
                    ]
                )
                results[key] = np.zeros(
                    (len(keypoints), *encoded.shape[1:]), encoded.dtype
                )
                results[key][rows] = encoded
        weights[~wanted] = 0
        results['keypoint_weights'] = results['keypoint_weights'] * weights
        # PixelData holds three dimensions at most; heatmaps of a clip have
        # four and go where each row is a frame.
        results['field_mapping_table'] = {}
        results['label_mapping_table'] = {**labels, **fields}
        return results

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}(encoder={self.encoder_cfg}, '
            f'occluded_weight={self.occluded_weight}, '
            f'score_weights={self.score_weights}, '
            'use_dataset_keypoint_weights='
            f'{self.use_dataset_keypoint_weights})'
        )
