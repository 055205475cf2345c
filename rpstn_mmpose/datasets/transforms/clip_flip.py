# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from mmpose.datasets.transforms import RandomFlip
from mmpose.registry import TRANSFORMS

from .encoded_frame import flip_frame


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
        # An empty list of images: everything but the pixels.
        frames, results['img'] = results['img'], []
        results = super().transform(results)
        if results['flip']:
            direction = results['flip_direction']
            frames = [flip_frame(frame, direction) for frame in frames
                      ] if isinstance(frames, list) else flip_frame(
                          frames, direction)
        results['img'] = frames
        # A diagonal flip is a rotation, which keeps left and right.
        if (results['flip_direction'] in ('horizontal', 'vertical')
                and results.get('keypoints_labeled') is not None):
            results['keypoints_labeled'] = results['keypoints_labeled'].take(
                results['flip_indices'], axis=-1)
        return results
