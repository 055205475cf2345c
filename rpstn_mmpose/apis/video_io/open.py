# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Find out what frames are to come from."""

from __future__ import annotations

import glob
import os
import re
from fractions import Fraction
from pathlib import Path
from typing import Iterator, Sequence, Union

import numpy as np

from .camera import CameraSource
from .images import (
    IMAGE_ENDINGS,
    AlbumSource,
    GeneratorSource,
    ImagesSource,
    count_pictures,
)
from .source import FrameSource
from .video_file import AddressSource, VideoFileSource

InputType = Union[
    FrameSource,
    str,
    os.PathLike,
    int,
    np.ndarray,
    Sequence[Union[str, os.PathLike, np.ndarray]],
    Iterator[Union[str, os.PathLike, np.ndarray]],
]


def _in_order(paths: Sequence[str]) -> list[str]:
    """Sort names with the numbers in them as numbers."""

    def key(path: str) -> list:
        return [
            int(part) if part.isdigit() else part
            for part in re.split(r'(\d+)', path)
        ]

    return sorted(paths, key=key)


def open_source(
    inputs: InputType, fps: float | Fraction | None = None
) -> FrameSource:
    """Open whatever frames come from.

    Args:
        inputs: Path of a video or of one image (of several pictures: a video
            of them), number of a camera (also ``'0'``, ``'webcam'``,
            ``'webcam:0'`` and ``'/dev/video0'``), an address
            (``'rtsp://...'``, ``'http://...'``), a folder of images, a glob
            pattern of images, one image array, a list or generator of paths
            or arrays, or a source, which is given back. Names are sorted
            with the numbers in them as numbers.
        fps: Frames a second, instead of the times that the source tells
            (images: 25).

    Returns:
        FrameSource: To be iterated.

    Raises:
        FileNotFoundError: Nothing is there.
        ValueError: What is there is no video and no images.
    """
    source = _open(inputs)
    if fps is not None:
        source.set_fps(fps)
    return source


def _open(inputs: InputType) -> FrameSource:
    if isinstance(inputs, FrameSource):
        return inputs
    if isinstance(inputs, (int, np.integer)):
        return CameraSource(int(inputs))
    if isinstance(inputs, np.ndarray):
        return ImagesSource([inputs] if inputs.ndim == 3 else inputs)
    if not isinstance(inputs, (str, os.PathLike)):
        if hasattr(inputs, '__next__'):
            return GeneratorSource(inputs)
        return ImagesSource(inputs)
    return _open_name(os.fspath(inputs))


def _open_name(text: str) -> FrameSource:
    camera = re.fullmatch(r'(?:webcam:?)?(\d+)|webcam', text.lower())
    if camera and not os.path.exists(text):
        return CameraSource(int(camera[1] or 0))
    device = re.fullmatch(r'/dev/video(\d+)', text)
    if device:
        return CameraSource(int(device[1]))
    if re.match(r'file:', text) and not os.path.exists(text):
        text = re.sub(r'^file:(//)?', '', text)
    if re.match(r'[A-Za-z][A-Za-z0-9+.-]+://', text):
        return AddressSource(text)
    if os.path.isdir(text):
        return _open_folder(text)
    if os.path.isfile(text) and text.lower().endswith(IMAGE_ENDINGS):
        if count_pictures(text) > 1:
            return AlbumSource(text)
        return ImagesSource([text], Path(text).stem)
    if os.path.exists(text):
        return VideoFileSource(text)
    if glob.has_magic(text):
        paths = [path for path in glob.glob(text) if os.path.isfile(path)]
        if not paths:
            raise FileNotFoundError(f'{text}: no file matches this pattern')
        name = Path(text).parent.name or 'frames'
        return ImagesSource(_in_order(paths), name)
    raise FileNotFoundError(f'{text}: no such video, folder or pattern')


def _open_folder(folder: str) -> ImagesSource:
    paths = [
        os.path.join(folder, item)
        for item in os.listdir(folder)
        if item.lower().endswith(IMAGE_ENDINGS) and not item.startswith('.')
    ]
    if not paths:
        raise ValueError(
            f'{folder}: the folder has no images ({", ".join(IMAGE_ENDINGS)})'
        )
    return ImagesSource(_in_order(paths), Path(folder).resolve().name)
