# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import on_demand
from .functional import *  # noqa: F403

if TYPE_CHECKING:
    from .metrics import (  # noqa: F401
        ClipPCK,
        CocoSubmission,
        HiEveMetric,
        PerFrameMetric,
        PoseTrackClipMetric,
        SequenceMPJPE,
    )
else:
    __getattr__, __dir__ = on_demand(__name__, __file__)
