# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Sequence

import cv2
import numpy as np
import torch
from mmpose.datasets.transforms import PackPoseInputs
from mmpose.registry import TRANSFORMS

from ...structures.columns import declared_columns
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
                f'and {frame.shape} {frame.dtype}; crop all of them alike'
            )
    channels = 1 if first.ndim == 2 else first.shape[2]
    planes = np.empty((len(frames), channels, *first.shape[:2]), first.dtype)
    for frame, out in zip(frames, planes):
        cv2.split(frame, list(out))
    return torch.from_numpy(planes)


def columns_to_tensor(results: dict, names: Sequence[str]) -> torch.Tensor:
    """Numbers of the joints of T frames side by side.

    Args:
        results: A clip.
        names: Of columns T x K or T x K x C.

    Returns:
        torch.Tensor: T x K x C, float32.

    Raises:
        ValueError: A column that the clip does not have.
    """
    missing = [name for name in names if results.get(name) is None]
    if missing:
        raise ValueError(
            f'PackClipInputs: the clip has no {missing[0]!r} for its inputs; '
            'take a column of the data set'
        )
    arrays = [np.asarray(results[name], np.float32) for name in names]
    arrays = [a[..., None] if a.ndim == 2 else a for a in arrays]
    return torch.from_numpy(np.concatenate(arrays, axis=-1))


@TRANSFORMS.register_module()
class PackClipInputs(PackPoseInputs):
    """Pack a clip: inputs T x 3 x H x W and one sample with T rows.

    :class:`mmpose.datasets.PackPoseInputs` with the clip's meta keys. Columns
    that the data set declares are packed by their kinds, see
    :class:`~rpstn_mmpose.structures.columns.Column`.

    Args:
        meta_keys (Sequence[str]): Keys that go into the sample's metainfo,
            where they are there.
        pack_transformed (bool): Keep ``transformed_keypoints`` too.
        inputs (Sequence[str], optional): Columns that are the inputs in place
            of images, e.g. ``('keypoints', 'keypoint_scores')`` of a lifter:
            T x K x 3.

    Raises:
        ValueError: ``img`` is not the list of frames that LoadClip makes, or
            they were read in a reduced size and cropped as if they were not,
            or they are still encoded.
    """

    META_KEYS = (
        'id',
        'img_id',
        'img_path',
        'category_id',
        'ori_shape',
        'img_shape',
        'input_size',
        'input_center',
        'input_scale',
        'flip',
        'flip_direction',
        'flip_indices',
        'dataset_name',
        'video_id',
        'track_id',
        'frame_ids',
        'image_ids',
        'img_paths',
        'frame_mask',
        'columns',
    )

    def __init__(
        self,
        meta_keys: Sequence[str] = META_KEYS,
        pack_transformed: bool = False,
        inputs: Sequence[str] | None = None,
    ) -> None:
        self.inputs = inputs
        super().__init__(
            meta_keys=tuple(meta_keys), pack_transformed=pack_transformed
        )

    def transform(self, results: dict) -> dict:
        """Pack ``results``.

        Args:
            results (dict): A clip at the end of its pipeline.

        Returns:
            dict: ``inputs`` (T, 3, H, W) in the frames' own dtype, or the
            columns that are the inputs, (T, K, C) float32; and
            ``data_samples``, a PoseDataSample.
        """
        if self.inputs is not None:
            packed = self._packed(results)
            packed['inputs'] = columns_to_tensor(results, self.inputs)
            return packed
        if not isinstance(results['img'], (list, tuple)):
            raise ValueError(
                f'{self.__class__.__name__} packs the list of frames that '
                'LoadClip makes; for single images use PackPoseInputs'
            )
        if results.get('img_reduction', 1) != 1:
            raise ValueError(
                f'{self.__class__.__name__}: LoadClip read the frames smaller '
                '(reduce_to); crop them with ReducedTopdownAffine, which '
                'knows about it'
            )
        if any(isinstance(frame, EncodedFrame) for frame in results['img']):
            raise ValueError(
                f'{self.__class__.__name__}: LoadClip left the frames encoded '
                '(lazy); crop them with ReducedTopdownAffine or '
                'TopdownStretch, which decode them'
            )
        packed = self._packed(results)
        packed['inputs'] = frames_to_tensor(results['img'])
        return packed

    def _packed(self, results: dict) -> dict:
        # A pixel in place of the frames, which are packed here.
        packed = super().transform(
            dict(results, img=np.zeros((1, 1, 3), np.uint8))
        )
        names = [
            column.name
            for column in declared_columns(results)
            if column.packed and column.in_metainfo
        ]
        packed['data_samples'].set_metainfo(
            {name: results[name] for name in names if name in results}
        )
        return packed
