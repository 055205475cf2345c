# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from mmpose.models.heads import ViPNASHead
from mmpose.registry import MODELS

from .relation_mixin import RelationMixin


@MODELS.register_module()
class JREViPNASHead(RelationMixin, ViPNASHead):
    """:class:`mmpose.models.ViPNASHead` with a joint relation on top.

    Takes every argument of the ViPNAS head and those of
    :class:`RelationMixin`. It stands where the ViPNAS head stood, and a plain
    checkpoint fits: only ``relation`` (and ``norm``) are new.
    """
