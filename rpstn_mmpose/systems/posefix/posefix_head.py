# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.structures import PixelData
from mmpose.models.heads import HeatmapHead
from mmpose.registry import MODELS
from mmpose.utils.typing import (
    Features,
    OptSampleList,
    Predictions,
    SampleList,
)
from torch import Tensor

from ...models import RelationMixin
from .coarse_to_fine_loss import expected_points


@MODELS.register_module()
class PoseFixHead(RelationMixin, HeatmapHead):
    """Logits of a joint's place; the place is the mean of their softmax.

    The deconvolutions and the last layer of
    :class:`mmpose.models.HeatmapHead`. A joint has no score of its own: it
    keeps that of the input pose, and one that was absent there gets the mean
    of the others.

    Args:
        relation (dict, optional): A joint relation on the logits, such as
            ``dict(type='JointRelationExtractor')``, which is the identity
            at first. Defaults to ``None``.
        loss (dict): A :class:`CoarseToFineLoss`.
        decoder (dict): A ``RegressionLabel``.
        kwargs: Those of the heatmap head.
    """

    def __init__(
        self,
        *args: Any,
        relation: dict | None = None,
        loss: dict = dict(type='CoarseToFineLoss'),  # noqa: B006, read only
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, relation=relation, loss=loss, **kwargs)

    @property
    def default_init_cfg(self) -> list[dict]:
        """As in the authors' code."""
        return [
            dict(type='Normal', layer='ConvTranspose2d', std=0.01),
            dict(type='Kaiming', layer='Conv2d', mode='fan_in'),
            dict(type='Constant', layer='BatchNorm2d', val=1),
        ]

    def loss(
        self,
        feats: tuple[Tensor],
        batch_data_samples: OptSampleList,
        train_cfg: Any = None,
    ) -> dict:
        """Both losses; see :class:`CoarseToFineLoss`."""
        logits = self.forward(feats)
        labels = [d.gt_instance_labels for d in batch_data_samples]
        shares = torch.cat([label.keypoint_labels for label in labels])
        weights = torch.cat([label.keypoint_weights for label in labels])
        size = shares.new_tensor(logits.shape[:-3:-1])  # w, h
        of_maps, of_points = self.loss_module(logits, shares * size, weights)
        return dict(loss_heatmap=of_maps, loss_coordinate=of_points)

    def predict(
        self,
        feats: Features,
        batch_data_samples: OptSampleList,
        test_cfg: Any = None,
    ) -> Predictions:
        """Places in pixels of the crop, with the scores of the input poses.

        In a flip test the places of both passes are averaged; with
        ``output_heatmaps`` the distributions are given, too.
        """
        test_cfg = test_cfg or {}
        mirror = None
        if test_cfg.get('flip_test', False):
            feats, mirror = feats
        logits = self.forward(feats)
        shares = self.shares(logits)
        if mirror is not None:
            shares = (shares + self._of_mirror(mirror, batch_data_samples)) / 2
        preds = self.decode(shares[:, None])
        for pred, scores in zip(preds, _scores(batch_data_samples)):
            pred.keypoint_scores = scores
        if not test_cfg.get('output_heatmaps', False):
            return preds
        probs = logits.detach().float().flatten(2).softmax(dim=-1)
        fields = [PixelData(heatmaps=p) for p in probs.view(logits.shape)]
        return preds, fields

    def shares(self, logits: Tensor) -> Tensor:
        """Places (B, K, 2) as shares of the crop's sides."""
        points = expected_points(logits)
        return points / points.new_tensor(logits.shape[:-3:-1])

    def _of_mirror(self, feats: Any, data_samples: SampleList) -> Tensor:
        """The shares that a mirrored crop gives, as of the crop itself."""
        flip_indices = data_samples[0].metainfo['flip_indices']
        shares = self.shares(self.forward(feats))[:, flip_indices]
        last = 1 - 1 / self.decoder.input_size[0]  # pixel W - 1
        return torch.stack([last - shares[..., 0], shares[..., 1]], dim=-1)


def _scores(data_samples: SampleList) -> list[np.ndarray]:
    """Of the input poses, (1, K) each."""
    out = []
    for sample in data_samples:
        pose = np.asarray(sample.gt_instances.input_poses, np.float32)
        there = np.isfinite(pose[..., 0])
        rest = pose[there, 2].mean() if there.any() else 0.0
        out.append(np.where(there, pose[..., 2], rest).astype(np.float32))
    return out
