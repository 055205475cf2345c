# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import numpy as np
from mmpose.datasets.transforms import GenerateTarget
from mmpose.registry import TRANSFORMS


@TRANSFORMS.register_module()
class GenerateClipTarget(GenerateTarget):
    """Encode each frame of a clip with a single-image codec.

    Required keys: ``transformed_keypoints`` (or ``keypoints``) T x K x 2 in
    input pixels, ``keypoints_visible`` and, if ``occluded_weight`` is above
    0, ``keypoints_labeled`` T x K. Added keys: what the codec encodes, with a
    leading T, e.g. ``heatmaps`` T x K x h x w and ``keypoint_weights`` T x K.
    All of it is packed as ``gt_instance_labels``, where a row is a frame.

    Weights are 0 in frames that ``frame_mask`` does not want.

    Args:
        encoder (dict): Config of one codec, e.g. of MSRAHeatmap.
        occluded_weight (float): Weight of joints that are labelled but not
            visible, 0 to 1. 0 (the paper): no target and no loss.
        use_dataset_keypoint_weights (bool): Multiply with the metainfo's
            joint weights.

    Raises:
        ValueError: Several encoders, or a weight outside 0 to 1.
    """

    def __init__(self,
                 encoder: dict,
                 occluded_weight: float = 0.0,
                 use_dataset_keypoint_weights: bool = False):
        name = self.__class__.__name__
        if isinstance(encoder, (list, tuple)):
            raise ValueError(f'{name} takes one encoder, but got '
                             f'{len(encoder)}')
        if not 0 <= occluded_weight <= 1:
            raise ValueError(f'{name}: occluded_weight must lie in 0 to 1, '
                             f'but got {occluded_weight}')
        super().__init__(
            encoder=encoder,
            use_dataset_keypoint_weights=use_dataset_keypoint_weights)
        self.occluded_weight = occluded_weight

    def _joint_weights(self, results: dict) -> np.ndarray:
        """(T, K) float32: 1 visible, ``occluded_weight`` occluded, else 0."""
        weights = (results['keypoints_visible'] > 0).astype(np.float32)
        if self.occluded_weight > 0:
            occluded = (results['keypoints_labeled'] > 0) & (weights == 0)
            weights[occluded] = self.occluded_weight
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
        if wanted is not None:
            weights = weights * np.asarray(wanted)[:, None]

        fields = dict(self.encoder.field_mapping_table)
        labels = dict(self.encoder.label_mapping_table)
        frames = []
        for row in range(len(keypoints)):
            frames.append(super().transform(
                dict(
                    results,
                    transformed_keypoints=keypoints[row:row + 1],
                    keypoints_visible=encode[row:row + 1])))
        for key in fields:
            results[key] = np.stack([frame[key] for frame in frames])
        for key in labels:
            results[key] = np.concatenate([frame[key] for frame in frames])
        results['keypoint_weights'] = results['keypoint_weights'] * weights
        # PixelData holds three dimensions at most; heatmaps of a clip have
        # four and go where each row is a frame.
        results['field_mapping_table'] = {}
        results['label_mapping_table'] = {**labels, **fields}
        return results

    def __repr__(self) -> str:
        return (f'{self.__class__.__name__}(encoder={self.encoder_cfg}, '
                f'occluded_weight={self.occluded_weight}, '
                'use_dataset_keypoint_weights='
                f'{self.use_dataset_keypoint_weights})')
