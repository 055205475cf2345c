# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Sequence

from mmpose.datasets.transforms import PackPoseInputs
from mmpose.registry import TRANSFORMS


@TRANSFORMS.register_module()
class PackClipInputs(PackPoseInputs):
    """Pack a clip: inputs T x 3 x H x W and one sample with T rows.

    :class:`mmpose.datasets.PackPoseInputs` with the clip's meta keys.

    Args:
        meta_keys (Sequence[str]): Keys that go into the sample's metainfo,
            where they are there.
        pack_transformed (bool): Keep ``transformed_keypoints`` too.

    Raises:
        ValueError: ``img`` is not the list of frames that LoadClip makes, or
            they were read in a reduced size and cropped as if they were not.
    """

    META_KEYS = ('id', 'img_id', 'img_path', 'category_id', 'ori_shape',
                 'img_shape', 'input_size', 'input_center', 'input_scale',
                 'flip', 'flip_direction', 'flip_indices', 'dataset_name',
                 'video_id', 'track_id', 'frame_ids', 'image_ids',
                 'img_paths', 'frame_mask')

    def __init__(self,
                 meta_keys: Sequence[str] = META_KEYS,
                 pack_transformed: bool = False):
        super().__init__(
            meta_keys=tuple(meta_keys), pack_transformed=pack_transformed)

    def transform(self, results: dict) -> dict:
        """Pack ``results``.

        Args:
            results (dict): A clip at the end of its pipeline.

        Returns:
            dict: ``inputs`` (T, 3, H, W) in the frames' own dtype, and
            ``data_samples``, a PoseDataSample.
        """
        if not isinstance(results['img'], (list, tuple)):
            raise ValueError(
                f'{self.__class__.__name__} packs the list of frames that '
                'LoadClip makes; for single images use PackPoseInputs')
        if results.get('img_reduction', 1) != 1:
            raise ValueError(
                f'{self.__class__.__name__}: LoadClip read the frames smaller '
                '(reduce_to); crop them with ReducedTopdownAffine, which '
                'knows about it')
        return super().transform(results)
