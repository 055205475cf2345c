# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Any, Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import InstanceData
from mmpose.registry import TRANSFORMS
from mmpose.structures import PoseDataSample

from ..cameras import normalized


@TRANSFORMS.register_module()
class PackLifterInputs(BaseTransform):
    """Pack a clip of 2D keypoints, and 3D poses if it has them.

    The inputs are T x K x C: the places, in units of half the picture's width
    from its middle, and the score of each joint. The sample has

    - ``gt_instances``: ``keypoints``, pixels, and ``lifting_target`` (T, K,
      3), metres from the root;
    - ``gt_instance_labels``: ``lifting_target_label`` and
      ``lifting_target_weight`` (T, K), as MMPose's heads take them.

    Args:
        scores (bool): Whether the scores are inputs: C is 3, else 2.
            Defaults to ``True``.
        root (int): Number of the root joint. Defaults to 0.
        meta_keys (Sequence[str]): Keys that go into the metainfo, where they
            are there.
    """

    META_KEYS = (
        'id',
        'video_id',
        'frame_ids',
        'frame_mask',
        'action',
        'img_shape',
        'flip',
        'flip_indices',
        'dataset_name',
    )

    def __init__(
        self,
        scores: bool = True,
        root: int = 0,
        meta_keys: Sequence[str] = META_KEYS,
    ) -> None:
        self.scores, self.root = scores, root
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict) -> dict:
        """Pack ``results``.

        Args:
            results (dict): ``keypoints`` T x K x 2, pixels,
                ``keypoints_visible`` T x K, ``img_shape`` (height, width);
                ``keypoints_3d`` T x K x 3 where they are known.

        Returns:
            dict: ``inputs`` and ``data_samples``.
        """
        inputs = self._inputs(results, results['img_shape'][1::-1])
        sample = PoseDataSample(
            metainfo={k: results[k] for k in self.meta_keys if k in results}
        )
        sample.gt_instances = InstanceData(keypoints=results['keypoints'])
        if 'keypoints_3d' in results:
            poses = self._from_root(results['keypoints_3d'])
            sample.gt_instances.lifting_target = poses
            sample.gt_instance_labels = InstanceData(
                lifting_target_label=torch.from_numpy(poses),
                lifting_target_weight=torch.ones(poses.shape[:2]),
            )
        return dict(inputs=torch.from_numpy(inputs), data_samples=sample)

    def batch(self, results: dict) -> dict:
        """Pack clips of a training batch together.

        Args:
            results (dict): Arrays with the batch in front: ``keypoints``,
                ``keypoints_visible``, ``keypoints_3d``; ``picture`` B x 2
                (width, height) and ``lens`` B x 9; ``drawn``, a dict of the
                first three of F frames, where some are drawn.

        Returns:
            dict: ``inputs``, a dict of tensors: ``keypoints`` B x T x K x C,
            ``poses`` B x T x K x 3, ``lens``, ``drawn_keypoints`` B x F x K x
            2 and ``drawn_poses``; and ``data_samples``, empty.
        """
        size = results['picture'][:, None, None]
        inputs = dict(
            keypoints=self._inputs(results, size),
            poses=self._from_root(results['keypoints_3d']),
            lens=results['lens'],
        )
        drawn = results.get('drawn')
        if drawn is not None:
            points = normalized(_floats(drawn['keypoints']), size)
            inputs['drawn_keypoints'] = points
            inputs['drawn_poses'] = self._from_root(drawn['keypoints_3d'])
        return dict(
            inputs={k: torch.from_numpy(v) for k, v in inputs.items()},
            data_samples=[],
        )

    def _inputs(self, results: dict, size: Any) -> np.ndarray:
        points = normalized(_floats(results['keypoints']), size)
        if not self.scores:
            return points
        scores = _floats(results['keypoints_visible'])
        return np.concatenate([points, scores[..., None]], axis=-1)

    def _from_root(self, poses: Any) -> np.ndarray:
        poses = _floats(poses)
        return poses - poses[..., self.root : self.root + 1, :]


def _floats(values: Any) -> np.ndarray:
    return np.asarray(values, dtype=np.float32)
