# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from .deconv_neck import DeconvNeck
from .dynamic_conv import depthwise_dynamic_conv
from .jrpsp_neck import JRPSPNeck

__all__ = [
    'DeconvNeck', 'JRPSPNeck', 'depthwise_dynamic_conv'
]
