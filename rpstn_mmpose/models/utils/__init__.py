# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from .image_pretrained import load_image_pretrained

__all__ = ['load_image_pretrained']
