# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from .deconv_neck import DeconvNeck

__all__ = ['DeconvNeck']
