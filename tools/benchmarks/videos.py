# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Generated videos to read frames from."""

from __future__ import annotations

import contextlib
import tempfile
from typing import Tuple


@contextlib.contextmanager
def synthetic_penn(
    num_videos: int, num_frames: int, image_size: Tuple[int, int]
):
    """Generated videos in Penn Action's format, in a temporary folder."""
    from rpstn_mmpose.synthetic import generate_penn

    with tempfile.TemporaryDirectory() as folder:
        generate_penn(
            folder,
            num_train=num_videos,
            num_test=1,
            num_frames=num_frames,
            image_size=image_size,
            progress=False,
        )
        yield folder
