# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LabeledAsVisible(BaseTransform):
    """Train an image model on hidden joints, too.

    MMPose's ``GenerateTarget`` makes targets of the joints that are visible,
    for which its own data sets take all that are labelled. Here hidden joints
    are labelled and not visible; after this step they are. For trainings
    only, before flips: metrics tell the two kinds apart. Clips have
    ``occluded_weight`` of
    :class:`~rpstn_mmpose.datasets.transforms.GenerateClipTarget`.

    Required keys: ``keypoints_visible`` and ``keypoints_labeled``, T x K.
    """

    def transform(self, results: dict) -> dict:
        """See the class."""
        results['keypoints_visible'] = np.maximum(
            results['keypoints_visible'], results['keypoints_labeled']
        )
        return results
