# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from .fast_inference import optimize_for_inference

__all__ = ['optimize_for_inference']
