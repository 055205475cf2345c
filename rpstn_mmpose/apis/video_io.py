# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Frames in, one at a time; damaged ones are bridged, not lost."""
from __future__ import annotations

import glob
import heapq
import os
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Iterator, List, Optional, Sequence, Tuple, Union

import cv2
import numpy as np

from ..datasets.transforms.loading import is_cut_off
from ..visualization.video_writer import import_av

IMAGE_ENDINGS = ('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp')
DEFAULT_FPS = 25

InputType = Union[str, os.PathLike, int, np.ndarray,
                  Sequence[Union[str, os.PathLike, np.ndarray]],
                  Iterator[Union[str, os.PathLike, np.ndarray]]]


@dataclass
class Frame:
    """One frame of a source.

    Attributes:
        index: From 0.
        image: (H, W, 3) uint8, BGR. In the place of a damaged frame the last
            good one, or black where there is none.
        damaged: What is wrong with the frame; empty where nothing is.
        path: Of the image file; empty for videos and cameras.
    """
    index: int
    image: np.ndarray
    damaged: str = ''
    path: str = ''


class FrameSource(ABC):
    """Frames in order of time, read when asked for.

    Cameras and generators can be iterated once, all else any number of
    times.

    Attributes:
        name: For files that are made of the source, without ending.
        fps: Frames a second.
        size: (width, height), or None where only the first frame tells.
        num_frames: As announced by the source, or None.
    """

    name: str = 'video'
    fps: Union[float, Fraction] = DEFAULT_FPS
    size: Optional[Tuple[int, int]] = None
    num_frames: Optional[int] = None

    @abstractmethod
    def _read(self) -> Iterator[Tuple[Optional[np.ndarray], str, str]]:
        """Yield (image or None, what is wrong, path)."""

    def __iter__(self) -> Iterator[Frame]:
        last = None
        reader = self._read()
        try:
            for index, (image, damage, path) in enumerate(reader):
                if image is None:
                    if last is None:
                        width, height = self.size or (64, 64)
                        last = np.zeros((height, width, 3), np.uint8)
                    yield Frame(index, last.copy(), damage, path)
                    continue
                size = (image.shape[1], image.shape[0])
                if self.size is None:
                    self.size = size
                if size != self.size:
                    raise ValueError(
                        f'{path or self.name}: frame {index} is '
                        f'{size[0]}x{size[1]}, but the video is '
                        f'{self.size[0]}x{self.size[1]}; the frames of a '
                        'video must be of one size')
                last = image
                yield Frame(index, image, '', path)
        finally:
            reader.close()


class VideoFileSource(FrameSource):
    """A video file, decoded with PyAV.

    A frame that the decoder drops or marks as corrupt is given as damaged:
    every packet that announces a frame gives one.

    Args:
        path: Of the file.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not a video.
    """

    def __init__(self, path: Union[str, os.PathLike]):
        self.path = str(path)
        self.name = Path(path).stem
        if not os.path.isfile(path):
            raise FileNotFoundError(f'{path}: no such video')
        with self._open() as container:
            stream = container.streams.video[0]
            self.fps = stream.average_rate or stream.guessed_rate or (
                DEFAULT_FPS)
            self.num_frames = stream.frames or None
            self.codec = stream.codec_context.name
            size = (stream.codec_context.width, stream.codec_context.height)
        # Unknown in a file whose first packets are damaged.
        self.coded_size = size if all(size) else None
        self._cut_off = False

    @property
    def cut_off(self) -> bool:
        """Whether the last reading ended before the announced end."""
        return self._cut_off

    def _open(self) -> Any:
        av = import_av()
        # FFmpeg opens text and pictures too, as videos of one frame.
        with open(self.path, 'rb') as file:
            if not file.read(1):
                raise ValueError(f'{self.path} is an empty file, not a video')
        try:
            container = av.open(self.path)
        except (OSError, ValueError, av.error.FFmpegError) as error:
            reason = getattr(error, 'strerror', None) or error
            raise ValueError(
                f'{self.path} is not a video, or its index is missing '
                f'because it was cut off ({reason}); copy it again') from None
        kind = container.format.name
        if kind == 'tty' or kind.endswith('_pipe') or kind == 'image2':
            container.close()
            raise ValueError(f'{self.path} is not a video')
        if not container.streams.video:
            container.close()
            raise ValueError(f'{self.path} has no video stream')
        if container.streams.video[0].codec_context is None:
            codec = container.streams.video[0].name
            container.close()
            raise ValueError(f'{self.path}: no decoder for its codec {codec}')
        return container

    def _read(self) -> Iterator[Tuple[Optional[np.ndarray], str, str]]:
        av = import_av()
        self._cut_off = False
        count = hidden = 0
        with self._open() as container:
            stream = container.streams.video[0]
            # Frames come in order of presentation, packets do not: a time
            # that is overtaken by a frame has lost its own.
            waiting: List[int] = []
            known = False
            for packet in self._packets(container, stream, av):
                if packet.is_discard:
                    hidden += 1
                elif packet.pts is not None:
                    heapq.heappush(waiting, packet.pts)
                try:
                    frames = packet.decode()
                except av.error.FFmpegError:
                    if packet.pts is None and packet.size:
                        count += 1
                        yield None, 'cannot be decoded', ''
                    continue
                for frame in frames:
                    # Some formats give frames times of their own.
                    known = frame.pts in waiting
                    while (frame.pts is not None and waiting
                           and waiting[0] <= frame.pts):
                        if heapq.heappop(waiting) < frame.pts and known:
                            count += 1
                            yield None, 'is missing from the stream', ''
                    count += 1
                    if frame.is_corrupt:
                        yield None, 'is corrupt', ''
                    else:
                        yield self._to_bgr(frame), '', ''
            for _ in waiting if known else ():
                count += 1
                yield None, 'is missing from the stream', ''
        if self.num_frames is not None and (count + hidden
                                            < self.num_frames):
            self._cut_off = True

    def _packets(self, container: Any, stream: Any,
                 av: Any) -> Iterator[Any]:
        demuxer = container.demux(stream)
        while True:
            try:
                packet = next(demuxer)
            except StopIteration:
                return
            except av.error.FFmpegError:
                self._cut_off = True
                return
            yield packet

    @staticmethod
    def _to_bgr(frame: Any) -> np.ndarray:
        image = frame.to_ndarray(format='bgr24')
        # Phones store how they were held; degrees, counter-clockwise.
        turns = round(getattr(frame, 'rotation', 0) / 90) % 4
        return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


class CameraSource(FrameSource):
    """A camera, until it stops or the iteration is left.

    Args:
        index: Of the camera, from 0.

    Raises:
        ValueError: The camera cannot be opened.
    """

    def __init__(self, index: int):
        self.name = f'camera{index}'
        self._capture = cv2.VideoCapture(int(index))
        if not self._capture.isOpened():
            self._capture.release()
            raise ValueError(f'camera {index} cannot be opened; is it '
                             'connected, and may this user read it?')
        self.fps = self._capture.get(cv2.CAP_PROP_FPS) or DEFAULT_FPS

    def _read(self) -> Iterator[Tuple[Optional[np.ndarray], str, str]]:
        try:
            while True:
                good, image = self._capture.read()
                if not good:
                    return
                yield image, '', ''
        finally:
            self._capture.release()


class ImagesSource(FrameSource):
    """Image files or arrays, as the frames of a video.

    A file that is missing, cut off or not an image is given as damaged.

    Args:
        items: Paths or (H, W, 3) uint8 BGR arrays; in order of time.
        name: For files that are made of the source.
        fps: Frames a second.

    Raises:
        ValueError: No items.
    """

    def __init__(self,
                 items: Sequence[Union[str, os.PathLike, np.ndarray]],
                 name: str = 'frames',
                 fps: float = DEFAULT_FPS):
        self.items = list(items)
        if not self.items:
            raise ValueError(f'{name}: no frames')
        self.name, self.fps = name, fps
        self.num_frames = len(self.items)
        for item in self.items:
            # So that a first frame that is damaged has the video's size.
            image = self._load(item)[0]
            if image is not None:
                self.size = (image.shape[1], image.shape[0])
                break
        else:
            raise ValueError(f'{name}: none of its {len(self.items)} frames '
                             'is an image that can be read')

    @staticmethod
    def _load(item: Any) -> Tuple[Optional[np.ndarray], str]:
        if isinstance(item, np.ndarray):
            if item.ndim != 3 or item.shape[2] != 3 or (item.dtype
                                                        != np.uint8):
                raise ValueError('frames must be H x W x 3 of uint8 (BGR), '
                                 f'but got {item.shape} of {item.dtype}')
            return item, ''
        try:
            data = Path(item).read_bytes()
        except OSError as error:
            return None, f'cannot be read ({error.strerror})'
        if not data or is_cut_off(data):
            return None, f'is cut off ({len(data)} bytes)'
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        return image, '' if image is not None else 'is not an image'

    def _read(self) -> Iterator[Tuple[Optional[np.ndarray], str, str]]:
        for item in self.items:
            path = '' if isinstance(item, np.ndarray) else str(item)
            yield (*self._load(item), path)


class GeneratorSource(FrameSource):
    """Frames from a generator, each taken when its turn has come.

    Args:
        items: Yields paths or (H, W, 3) uint8 BGR arrays.
    """

    name = 'frames'

    def __init__(self, items: Iterator[Union[str, os.PathLike, np.ndarray]]):
        self.items = items

    def _read(self) -> Iterator[Tuple[Optional[np.ndarray], str, str]]:
        for item in self.items:
            path = '' if isinstance(item, np.ndarray) else str(item)
            yield (*ImagesSource._load(item), path)


def _in_order(paths: Sequence[str]) -> List[str]:
    """Sort names with the numbers in them as numbers."""

    def key(path: str) -> list:
        return [
            int(part) if part.isdigit() else part
            for part in re.split(r'(\d+)', path)
        ]

    return sorted(paths, key=key)


def open_source(inputs: InputType,
                fps: Optional[float] = None) -> FrameSource:
    """Open whatever frames come from.

    Args:
        inputs: Path of a video or of one image, number of a camera (also
            ``'0'``, ``'webcam'`` and ``'webcam:0'``), a folder of images, a
            glob pattern of images, one image array, or a list or generator
            of paths or arrays. Names are sorted with the numbers in them as
            numbers.
        fps: Frames a second, instead of what the source says (images: 25).

    Returns:
        FrameSource: To be iterated.

    Raises:
        FileNotFoundError: Nothing is there.
        ValueError: What is there is no video and no images.
    """
    source = _open(inputs)
    if fps is not None:
        if not 0.1 <= fps <= 1000:
            raise ValueError(f'fps must be 0.1 to 1000, but got {fps}')
        source.fps = fps
    return source


def _open(inputs: InputType) -> FrameSource:
    if isinstance(inputs, (int, np.integer)):
        return CameraSource(int(inputs))
    if isinstance(inputs, np.ndarray):
        return ImagesSource([inputs] if inputs.ndim == 3 else inputs)
    if not isinstance(inputs, (str, os.PathLike)):
        if hasattr(inputs, '__next__'):
            return GeneratorSource(inputs)
        return ImagesSource(inputs)
    text = os.fspath(inputs)
    camera = re.fullmatch(r'(?:webcam:?)?(\d+)|webcam', text.lower())
    if camera and not os.path.exists(text):
        return CameraSource(int(camera[1] or 0))
    if os.path.isdir(text):
        paths = [
            os.path.join(text, item) for item in os.listdir(text)
            if item.lower().endswith(IMAGE_ENDINGS)
            and not item.startswith('.')
        ]
        if not paths:
            raise ValueError(f'{text}: the folder has no images '
                             f'({", ".join(IMAGE_ENDINGS)})')
        return ImagesSource(_in_order(paths), Path(text).resolve().name)
    if os.path.isfile(text):
        if text.lower().endswith(IMAGE_ENDINGS):
            return ImagesSource([text], Path(text).stem)
        return VideoFileSource(text)
    if glob.has_magic(text):
        paths = [path for path in glob.glob(text) if os.path.isfile(path)]
        if not paths:
            raise FileNotFoundError(f'{text}: no file matches this pattern')
        return ImagesSource(
            _in_order(paths),
            Path(text).parent.name or 'frames')
    raise FileNotFoundError(f'{text}: no such video, folder or pattern')
