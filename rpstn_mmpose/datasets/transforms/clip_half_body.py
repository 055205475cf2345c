# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import numpy as np
from mmpose.datasets.transforms import RandomHalfBody
from mmpose.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ClipHalfBody(RandomHalfBody):
    """:class:`mmpose.datasets.RandomHalfBody` of a clip cropped by one box.

    The joints of the frame that ``frame_mask`` wants tell which half of the
    body is shown, and where it is, in all frames. Takes the same arguments.

    Required keys: ``bbox_center`` and ``bbox_scale`` T x 2, ``keypoints``
    T x K x 2, ``keypoints_visible`` T x K, ``frame_mask`` T.

    Raises:
        ValueError: In ``transform``, a clip of which not exactly one frame is
            wanted.
    """

    def transform(self, results: dict) -> dict:
        """Perhaps shrink the boxes to half of the body.

        Args:
            results (dict): A clip after ``ClipBBox(mode='wanted')``.

        Returns:
            dict: ``results``.
        """
        rows = np.flatnonzero(results['frame_mask'])
        if len(rows) != 1:
            raise ValueError(
                f'{self.__class__.__name__} takes clips of which one frame is '
                f'wanted, but of this one {len(rows)} are; give the data set '
                'a window around a frame, or leave it out'
            )
        keys = ('keypoints', 'keypoints_visible', 'bbox_center', 'bbox_scale')
        one = super().transform(
            dict(results, **{key: results[key][rows] for key in keys})
        )
        for key in ('bbox_center', 'bbox_scale'):
            shape = results[key].shape
            results[key] = np.broadcast_to(one[key], shape).copy()
        return results
