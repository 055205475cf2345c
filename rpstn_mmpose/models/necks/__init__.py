# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from .deconv_neck import DeconvNeck

__all__ = ['DeconvNeck']
