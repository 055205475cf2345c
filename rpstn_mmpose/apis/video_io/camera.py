# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import time
from typing import Iterator

import cv2

from .source import DEFAULT_FPS, FrameSource, Reading


class CameraSource(FrameSource):
    """A camera, until it stops or the iteration is left.

    The time of a frame is that at which it came.

    Args:
        index: Of the camera, from 0.

    Raises:
        ValueError: The camera cannot be opened.
    """

    live = True

    def __init__(self, index: int) -> None:
        self.name = f'camera{index}'
        self._capture = cv2.VideoCapture(int(index))
        if not self._capture.isOpened():
            self._capture.release()
            raise ValueError(
                f'camera {index} cannot be opened; is it connected, and may '
                'this user read it?'
            )
        self.fps = self._capture.get(cv2.CAP_PROP_FPS) or DEFAULT_FPS

    def _read(self) -> Iterator[Reading]:
        try:
            while True:
                good, image = self._capture.read()
                if not good:
                    return
                yield Reading(image, time=time.monotonic())
        finally:
            self._capture.release()
