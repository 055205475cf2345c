# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Frames that wait for their crop to be decoded."""

from __future__ import annotations

import math
import threading
from typing import Callable, Sequence, Union

import cv2
import numpy as np

# cv2.flip's code of a direction.
FLIP_CODES = dict(horizontal=1, vertical=0, diagonal=-1)
# Share of a frame from which it is decoded as a whole: what is left to save
# then is no more than what decoding a region costs (measured at 480 x 270).
WHOLE_FROM = 0.5
# Pixels around a crop's corners: bilinear sampling looks one pixel further,
# and corners are rounded outwards.
_MARGIN = 2
# Markers of JPEGs as cameras and video tools write them: baseline,
# extended and progressive.
_FRAME_HEADERS = (0xC0, 0xC1, 0xC2)
_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD9))


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Width and height from the header of a colour JPEG.

    Args:
        data: Content of the file.

    Returns:
        tuple | None: None for what is no JPEG of three components with 8
        bits, and for one with EXIF data, which may say that the picture is
        to be turned.
    """
    if not data.startswith(b'\xff\xd8'):
        return None
    place = 2
    while place + 9 < len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:  # filling
            place += 1
            continue
        if marker in _WITHOUT_LENGTH:
            place += 2
            continue
        if marker in _FRAME_HEADERS:
            height = int.from_bytes(data[place + 5 : place + 7], 'big')
            width = int.from_bytes(data[place + 7 : place + 9], 'big')
            plain = data[place + 4] == 8 and data[place + 9] == 3
            return (width, height) if plain and width and height else None
        if marker == 0xE1 and data[place + 4 : place + 8] == b'Exif':
            return None
        if marker in (0xD9, 0xDA):
            return None
        place += 2 + int.from_bytes(data[place + 2 : place + 4], 'big')
    return None


_SCRATCH = threading.local()


def _scratch(shape: tuple[int, int, int]) -> np.ndarray:
    """A frame to work in, the same one for every call of a thread."""
    if getattr(_SCRATCH, 'frame', None) is None or (
        _SCRATCH.frame.shape != shape
    ):
        _SCRATCH.frame = np.empty(shape, np.uint8)
    return _SCRATCH.frame


def _span(
    row: Sequence[float], width: int, height: int, limit: int
) -> tuple[int, int]:
    """First and last pixel, plus one, that a crop looks at along an axis.

    Args:
        row: Of the matrix from the crop to the frame.
        width, height: Of the crop.
        limit: Of the frame.
    """
    across, down = row[0] * (width - 1), row[1] * (height - 1)
    first = row[2] + min(across, 0) + min(down, 0)
    last = row[2] + max(across, 0) + max(down, 0)
    return (
        max(math.floor(first) - _MARGIN, 0),
        min(math.ceil(last) + _MARGIN + 1, limit),
    )


class EncodedFrame:
    """A frame of which only what a crop needs is decoded.

    Args:
        size (tuple[int, int]): Width and height, pixels.
        decode (Callable): Makes the whole frame, BGR.
        decode_region (Callable, optional): Makes a part of it, RGB, given
            x1, y1, x2, y2.
        flip (str, optional): Direction in which the frame is to be flipped.
    """

    def __init__(
        self,
        size: tuple[int, int],
        decode: Callable[[], np.ndarray],
        decode_region: Callable[..., np.ndarray] | None = None,
        flip: str | None = None,
    ) -> None:
        self.size = size
        self.flip = flip
        self._decode = decode
        self._decode_region = decode_region

    def __getattr__(self, name: str) -> None:
        raise AttributeError(
            f'{name}: the frame is still encoded, as LoadClip(lazy=True) '
            'leaves it, and a transform wants its pixels; crop it first, with '
            'ReducedTopdownAffine or TopdownStretch'
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the whole frame as an array."""
        return (self.size[1], self.size[0], 3)

    def flipped(self, direction: str) -> EncodedFrame | np.ndarray:
        """The frame flipped, still encoded unless it is the second flip.

        Args:
            direction: Horizontal, vertical or diagonal.
        """
        if self.flip is not None:
            return cv2.flip(self.pixels(), FLIP_CODES[direction])
        return EncodedFrame(
            self.size, self._decode, self._decode_region, direction
        )

    def pixels(self) -> np.ndarray:
        """The whole frame, (h, w, 3) uint8, BGR."""
        image = self._decode()
        if self.flip is not None:
            image = cv2.flip(image, FLIP_CODES[self.flip])
        return image

    def region(
        self, x1: int, y1: int, x2: int, y2: int, out: np.ndarray
    ) -> None:
        """Decode a part of the frame, in pixels of the flipped one.

        Args:
            x1, y1: First column and row.
            x2, y2: Those after the last; inside of the frame.
            out (np.ndarray): Takes it; (y2 - y1, x2 - x1, 3) uint8.
        """
        width, height = self.size
        if self.flip in ('horizontal', 'diagonal'):
            x1, x2 = width - x2, width - x1
        if self.flip in ('vertical', 'diagonal'):
            y1, y2 = height - y2, height - y1
        share = (x2 - x1) * (y2 - y1) / (width * height)
        if self._decode_region is None or share > WHOLE_FROM:
            part = self._decode()[y1:y2, x1:x2]
            if self.flip is None:
                np.copyto(out, part)
            else:
                cv2.flip(part, FLIP_CODES[self.flip], out)
            return
        part = self._decode_region(x1, y1, x2, y2)
        if self.flip is not None:
            part = cv2.flip(part, FLIP_CODES[self.flip])
        cv2.cvtColor(part, cv2.COLOR_RGB2BGR, out)

    def warp(self, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """What ``cv2.warpAffine`` makes of the frame, bilinearly.

        Args:
            matrix (np.ndarray): (2, 3), from the frame to the output.
            size (tuple[int, int]): Width and height of the output.

        Returns:
            np.ndarray: (h, w, 3) uint8.
        """
        width, height = size
        back = cv2.invertAffineTransform(matrix).tolist()
        (x1, x2), (y1, y2) = (
            _span(row, width, height, side)
            for row, side in zip(back, self.size)
        )
        if x1 >= x2 or y1 >= y2:  # outside of the frame
            return np.zeros((height, width, 3), np.uint8)
        if self.flip is None and self._decode_region is None:
            frame = self._decode()
        else:
            # The part in its place in a frame, of which the rest is never
            # looked at: warpAffine rounds places, with a shifted matrix now
            # and then otherwise.
            frame = _scratch(self.shape)
            self.region(x1, y1, x2, y2, frame[y1:y2, x1:x2])
        return cv2.warpAffine(
            frame, matrix, (width, height), flags=cv2.INTER_LINEAR
        )


Frame = Union[np.ndarray, EncodedFrame]


def decoded(frame: Frame) -> np.ndarray:
    """A frame's pixels, whichever way it was loaded."""
    return frame.pixels() if isinstance(frame, EncodedFrame) else frame


def flip_frame(frame: Frame, direction: str) -> Frame:
    """Flip a frame.

    An array becomes another array in memory order; with the view that
    :func:`mmcv.imflip` gives, OpenCV would reverse the frame pixel by pixel
    before each use.
    """
    if isinstance(frame, EncodedFrame):
        return frame.flipped(direction)
    return cv2.flip(frame, FLIP_CODES[direction])


def warp_frame(
    frame: Frame, matrix: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """``cv2.warpAffine`` with bilinear sampling, of any frame.

    Args:
        frame: An array h x w x 3, or an encoded one.
        matrix: (2, 3), from the frame to the output.
        size: Width and height of the output.
    """
    size = (int(size[0]), int(size[1]))
    if isinstance(frame, EncodedFrame):
        return frame.warp(matrix, size)
    return cv2.warpAffine(frame, matrix, size, flags=cv2.INTER_LINEAR)
