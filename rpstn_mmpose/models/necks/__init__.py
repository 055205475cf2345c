# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from .deconv_neck import DeconvNeck
from .dynamic_conv import depthwise_dynamic_conv
from .jrpsp_neck import JRPSPNeck
from .memory_jrpsp_neck import MemoryJRPSPNeck

__all__ = [
    'DeconvNeck', 'JRPSPNeck', 'MemoryJRPSPNeck', 'depthwise_dynamic_conv'
]
