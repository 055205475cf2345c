# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from mmpose.datasets.transforms import RandomFlip
from mmpose.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ClipRandomFlip(RandomFlip):
    """Flip all frames of a clip, or none of them.

    :class:`mmpose.datasets.RandomFlip`, which takes lists of images and T
    rows as they are, but does not know ``keypoints_labeled`` (T x K).
    """

    def transform(self, results: dict) -> dict:
        """Flip images, boxes and keypoints; swap left and right.

        Args:
            results (dict): A loaded clip.

        Returns:
            dict: ``results`` with ``flip`` and ``flip_direction``.
        """
        results = super().transform(results)
        # A diagonal flip is a rotation, which keeps left and right.
        if (results['flip_direction'] in ('horizontal', 'vertical')
                and results.get('keypoints_labeled') is not None):
            results['keypoints_labeled'] = results['keypoints_labeled'].take(
                results['flip_indices'], axis=-1)
        return results
