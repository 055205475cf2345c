# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from .functional import *  # noqa: F401, F403
from .metrics import (  # noqa: F401
    ClipPCK,
    CocoSubmission,
    PerFrameMetric,
    PoseTrackClipMetric,
    SequenceMPJPE,
)
