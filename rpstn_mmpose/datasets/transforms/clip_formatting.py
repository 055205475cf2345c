# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Sequence

import cv2
import numpy as np
import torch
from mmpose.datasets.transforms import PackPoseInputs
from mmpose.registry import TRANSFORMS

from .encoded_frame import EncodedFrame


def frames_to_tensor(frames: Sequence[np.ndarray]) -> torch.Tensor:
    """Planes of T frames h x w x C: a tensor T x C x h x w.

    MMPose's :func:`image_to_tensor`, each pixel moved once, by
    :func:`cv2.split`.

    Args:
        frames: Arrays of one shape and dtype; grey ones may be h x w.

    Raises:
        ValueError: They differ.
    """
    first = frames[0]
    for frame in frames[1:]:
        if frame.shape != first.shape or frame.dtype != first.dtype:
            raise ValueError(
                f'the frames of a clip differ: {first.shape} {first.dtype} '
                f'and {frame.shape} {frame.dtype}; crop all of them alike')
    channels = 1 if first.ndim == 2 else first.shape[2]
    planes = np.empty((len(frames), channels, *first.shape[:2]), first.dtype)
    for frame, out in zip(frames, planes):
        cv2.split(frame, list(out))
    return torch.from_numpy(planes)


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
            they were read in a reduced size and cropped as if they were not,
            or they are still encoded.
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
        if any(isinstance(frame, EncodedFrame) for frame in results['img']):
            raise ValueError(
                f'{self.__class__.__name__}: LoadClip left the frames encoded '
                '(lazy); crop them with ReducedTopdownAffine or '
                'TopdownStretch, which decode them')
        # A pixel in place of the frames, which are packed here.
        packed = super().transform(
            dict(results, img=np.zeros((1, 1, 3), np.uint8)))
        packed['inputs'] = frames_to_tensor(results['img'])
        return packed
