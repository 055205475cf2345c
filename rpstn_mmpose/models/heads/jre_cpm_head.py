# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Sequence

from mmengine.model import ModuleList
from mmpose.models.heads import CPMHead
from mmpose.registry import MODELS
from torch import Tensor

from .relation_mixin import PAPER_RELATION


@MODELS.register_module()
class JRECPMHead(CPMHead):
    """:class:`mmpose.models.CPMHead` with a joint relation on every stage.

    For networks of several stages (stacked hourglasses, CPM). Every stage's
    heatmaps are compared with the target, and a later stage's are not an
    earlier one's plus something; so every stage has a relation of its own,
    trained by that stage's loss. JRE (Eq. 6-9 of the `paper
    <https://arxiv.org/abs/2107.03591>`_) adds :math:`2K^2` weights a stage.

    It stands where the CPM head stood, and a plain checkpoint fits: only
    ``relation`` is new. It is no :class:`RelationMixin`, which is for heads
    that give one set of heatmaps, and takes no norm.

    Args:
        args: Those of the CPM head.
        relation (dict, optional): Config of one stage's relation (heatmaps
            in, heatmaps out, (B, K, h, w)). ``num_joints`` is filled in.
            ``None`` leaves the head without. Defaults to the paper's
            :class:`~rpstn_mmpose.models.JointRelationExtractor`.
        kwargs: Those of the CPM head.
    """

    def __init__(
        self, *args, relation: dict | None = PAPER_RELATION, **kwargs
    ) -> None:
        super().__init__(*args, **kwargs)
        self.relation = None
        if relation is not None:
            # mmengine's list: torch's has no init_weights, and the relations
            # would not start as the identity
            self.relation = ModuleList(
                MODELS.build(dict(num_joints=self.out_channels, **relation))
                for _ in range(self.num_stages)
            )

    def forward(self, feats: Sequence[Tensor]) -> list[Tensor]:
        """Features to heatmaps.

        Args:
            feats (Sequence[Tensor]): One feature map a stage,
                (B, C, h', w').

        Returns:
            list[Tensor]: One set of heatmaps a stage, (B, K, h, w).
        """
        stages = super().forward(feats)
        if self.relation is None:
            return stages
        return [
            relation(heatmaps)
            for relation, heatmaps in zip(self.relation, stages)
        ]
