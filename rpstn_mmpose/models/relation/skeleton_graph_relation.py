# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import torch
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.registry import MODELS
from torch import Tensor

from ...datasets.metainfo import resolve_metainfo_file
from .joint_relation_extractor import JointRelationExtractor


def skeleton_adjacency(metainfo: str) -> Tensor:
    """Which joints a data set's skeleton links, and each joint with itself.

    Args:
        metainfo (str): Path of a metainfo file, as in a data set's
            ``metainfo=dict(from_file=...)``.

    Returns:
        Tensor: (K, K) of 0 and 1, symmetric, with ones on the diagonal.
    """
    meta = parse_pose_metainfo(dict(from_file=resolve_metainfo_file(metainfo)))
    adjacency = torch.eye(meta['num_keypoints'])
    for start, end in meta['skeleton_links']:
        adjacency[start, end] = adjacency[end, start] = 1
    return adjacency


@MODELS.register_module()
class SkeletonGraphRelation(JointRelationExtractor):
    r"""JRE with weights that the skeleton fixes, in place of those that the
    correlation of the heatmaps gives.

    .. math::
        Z = \mathrm{Conv}_o(\hat A \, \mathrm{Conv}_g(M)) + M

    with :math:`\hat A` the adjacency of the skeleton with self loops, each
    row divided by its sum: every joint gathers the mean of itself and its
    neighbours. A graph convolution over the kinematic structure that `RePose
    <https://arxiv.org/abs/2002.03933>`_ passes features along. The two
    convolutions are JRE's, :math:`2K^2` weights, and it too starts as the
    identity; what differs is where the weights come from.

    Args:
        num_joints (int): K, the number of heatmaps.
        metainfo (str): Path of the data set's metainfo file, which holds the
            skeleton; found like a data set's, in the working folder, among
            the plugin's and among MMPose's.
        init_cfg (dict, optional): See :class:`mmengine.model.BaseModule`.

    Raises:
        ValueError: If the metainfo does not have K joints.
    """

    def __init__(
        self, num_joints: int, metainfo: str, init_cfg: dict | None = None
    ) -> None:
        super().__init__(num_joints=num_joints, init_cfg=init_cfg)
        adjacency = skeleton_adjacency(metainfo)
        if len(adjacency) != num_joints:
            raise ValueError(
                f'{self.__class__.__name__}: num_joints is {num_joints}, but '
                f'the metainfo {metainfo!r} has {len(adjacency)} joints'
            )
        self.register_buffer(
            'weights',
            adjacency / adjacency.sum(dim=1, keepdim=True),
            persistent=False,
        )

    def relational_weights(self, heatmaps: Tensor) -> Tensor:
        r"""The weights :math:`\hat A`, the same for all heatmaps.

        Args:
            heatmaps (Tensor): (B, K, h, w).

        Returns:
            Tensor: (B, K, K). Row i holds what joint i takes from every
            joint and sums to one.
        """
        return self.weights.expand(len(heatmaps), -1, -1)
