# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Optional

import cv2
import numpy as np
from mmpose.datasets.transforms import TopdownAffine
from mmpose.registry import TRANSFORMS
from mmpose.structures.bbox import get_udp_warp_matrix, get_warp_matrix


@TRANSFORMS.register_module()
class ReducedTopdownAffine(TopdownAffine):
    """:class:`mmpose.datasets.TopdownAffine` for frames that were read
    smaller than they are, by ``LoadClip(reduce_to=...)``.

    The crop is the one of the full frame: a pixel of a frame that is r times
    smaller covers r x r pixels, and its centre lies at r i + (r - 1) / 2.
    Takes the same arguments.
    """

    def transform(self, results: dict) -> Optional[dict]:
        """Crop a frame.

        Args:
            results (dict): A frame, with ``img_reduction`` where it was read
                smaller.

        Returns:
            dict: ``results``; the reduction is 1 after it.
        """
        reduction = results.get('img_reduction', 1)
        if reduction == 1:
            return super().transform(results)
        image = results['img']
        # An empty list of images: everything but the warp.
        results = super().transform(dict(results, img=[]))
        rotation = results['bbox_rotation'][0] if (
            'bbox_rotation' in results) else 0.
        warp_matrix = get_udp_warp_matrix if self.use_udp else get_warp_matrix
        to_input = warp_matrix(
            results['input_center'],
            results['input_scale'],
            rotation,
            output_size=self.input_size)
        shift = (reduction - 1) / 2
        to_full = np.array([[reduction, 0, shift], [0, reduction, shift],
                            [0, 0, 1]])
        results['img'] = cv2.warpAffine(
            image,
            to_input @ to_full,
            tuple(int(side) for side in self.input_size),
            flags=cv2.INTER_LINEAR)
        results['img_reduction'] = 1
        return results
