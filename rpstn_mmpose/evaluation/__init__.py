# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from .functional import *  # noqa: F401, F403
from .metrics import (ClipPCK, CocoSubmission, PerFrameMetric,  # noqa: F401
                      PoseTrackClipMetric)
