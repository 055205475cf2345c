# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from .clip_data_preprocessor import ClipDataPreprocessor

__all__ = ['ClipDataPreprocessor']
