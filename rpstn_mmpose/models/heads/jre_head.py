# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from mmpose.models.heads import HeatmapHead
from mmpose.registry import MODELS

from .relation_mixin import RelationMixin


@MODELS.register_module()
class JREHead(RelationMixin, HeatmapHead):
    """:class:`mmpose.models.HeatmapHead` with a joint relation on top.

    Takes every argument of the heatmap head and those of
    :class:`RelationMixin`. In an image model it stands where the heatmap
    head stood, and a plain checkpoint fits: only ``relation`` (and
    ``norm``) are new. In a video model ``deconv_out_channels=None`` leaves
    the 1x1 convolution from the response to K pseudo heatmaps.
    """
