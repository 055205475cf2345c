# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Sequence

from mmengine.model import Sequential
from mmpose.registry import MODELS


@MODELS.register_module()
class RelationSequence(Sequential):
    """Several relations one after the other, e.g. JRE after two extra
    convolutions.

    Each takes and gives heatmaps (B, K, h, w).

    Args:
        num_joints (int): K, the number of heatmaps, filled in for each.
        relations (Sequence[dict]): Their configs, in the order in which the
            heatmaps pass them.
        init_cfg (dict, optional): See :class:`mmengine.model.BaseModule`.

    Raises:
        ValueError: If ``relations`` is empty.
    """

    def __init__(
        self,
        num_joints: int,
        relations: Sequence[dict],
        init_cfg: dict | None = None,
    ) -> None:
        if not relations:
            raise ValueError(
                f'{self.__class__.__name__}: relations must hold at least '
                f'one config, but got {relations!r}; relation=None of the '
                'head leaves the relation out'
            )
        super().__init__(
            *(
                MODELS.build(dict(num_joints=num_joints, **relation))
                for relation in relations
            ),
            init_cfg=init_cfg,
        )
        self.num_joints = num_joints
