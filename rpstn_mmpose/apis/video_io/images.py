# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Image files, arrays and generators of them, as the frames of a video."""

from __future__ import annotations

import os
import stat
from fractions import Fraction
from pathlib import Path
from typing import Any, Iterator, Sequence, Union

import cv2
import numpy as np

from ...datasets.transforms.loading import is_cut_off
from .source import DEFAULT_FPS, FrameSource, Reading

IMAGE_ENDINGS = ('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp')
# Formats whose files may hold several pictures.
_ALBUM_ENDINGS = ('.png', '.tif', '.tiff', '.webp')

Item = Union[str, os.PathLike, np.ndarray]


def count_pictures(path: str | os.PathLike) -> int:
    """Pictures in an image file; 1 where that cannot be told."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return getattr(image, 'n_frames', 1)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return 1


def read_item(item: Item) -> Reading:
    """Take an array, or read a file.

    Raises:
        ValueError: An array that is no picture, or a file of several.
    """
    if isinstance(item, np.ndarray):
        if item.ndim != 3 or item.shape[2] != 3 or item.dtype != np.uint8:
            raise ValueError(
                'frames must be H x W x 3 of uint8 (BGR), but got '
                f'{item.shape} of {item.dtype}'
            )
        return Reading(item)
    path = str(item)
    try:
        mode = os.stat(path).st_mode
        # Reading a pipe or a device may never end.
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            return Reading(None, 'cannot be read (not a file)', path)
        data = Path(path).read_bytes()
    except OSError as error:
        return Reading(None, f'cannot be read ({error.strerror})', path)
    if not data or is_cut_off(data):
        return Reading(None, f'is cut off ({len(data)} bytes)', path)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        return Reading(None, 'is not an image', path)
    if path.lower().endswith(_ALBUM_ENDINGS):
        count = count_pictures(path)
        if count > 1:
            raise ValueError(
                f'{path} holds {count} pictures; give it alone as a video, '
                'or frames of one picture each'
            )
    return Reading(image, '', path)


class ImagesSource(FrameSource):
    """Image files or arrays, as the frames of a video.

    A file that is missing, cut off or not an image is given as damaged.

    Args:
        items: Paths or (H, W, 3) uint8 BGR arrays; in order of time.
        name: For files that are made of the source.
        fps: Frames a second.

    Raises:
        ValueError: No items, none that can be read, or a file that holds
            several pictures.
    """

    def __init__(
        self,
        items: Sequence[Item],
        name: str = 'frames',
        fps: float = DEFAULT_FPS,
    ) -> None:
        self.items = list(items)
        if not self.items:
            raise ValueError(f'{name}: no frames')
        self.name, self.fps = name, fps
        self.num_frames = len(self.items)
        for item in self.items:
            image = read_item(item).image
            if image is not None:
                self.size = (image.shape[1], image.shape[0])
                break
        else:
            raise ValueError(
                f'{name}: none of its {len(self.items)} frames is an image '
                'that can be read'
            )

    def _read(self) -> Iterator[Reading]:
        return (read_item(item) for item in self.items)


class GeneratorSource(FrameSource):
    """Frames from a generator, each taken when its turn has come.

    Args:
        items: Yields paths or (H, W, 3) uint8 BGR arrays.
    """

    name = 'frames'
    live = True

    def __init__(self, items: Iterator[Item]) -> None:
        self.items = items

    def _read(self) -> Iterator[Reading]:
        return (read_item(item) for item in self.items)


class AlbumSource(FrameSource):
    """The pictures of one image file: animated PNG or WebP, pages of a TIFF.

    Args:
        path: Of the file.

    Raises:
        ValueError: Its first picture cannot be read.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = str(path)
        self.name = Path(path).stem
        self.num_frames = count_pictures(path)
        times = []
        for reading in self._read():
            times.append(reading.time)
            if reading.time is None:
                return
        if times[-1] > 0:
            rate = Fraction(len(times) - 1) / times[-1]
            self.fps = rate.limit_denominator(1001)

    def _read(self) -> Iterator[Reading]:
        from PIL import Image, ImageSequence

        time: Fraction | None = Fraction(0)
        with Image.open(self.path) as album:
            pages = ImageSequence.Iterator(album)
            for _ in range(self.num_frames):
                try:
                    page = next(pages)
                    image = np.asarray(page.convert('RGB'))[..., ::-1]
                except (OSError, SyntaxError, ValueError, StopIteration):
                    yield Reading(None, 'cannot be decoded', self.path, time)
                    continue
                yield Reading(np.ascontiguousarray(image), '', self.path, time)
                length: Any = page.info.get('duration')
                known = time is not None and length
                time = time + Fraction(length) / 1000 if known else None
