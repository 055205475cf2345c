# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Video files and streams by address, decoded with PyAV."""

from __future__ import annotations

import logging
import os
import re
import stat
from abc import abstractmethod
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any, Iterator
from urllib.parse import urlsplit

import numpy as np
from mmengine.logging import print_log

from ...visualization.video_writer import import_av
from .frame_order import StoredOrder, TimedOrder
from .picture import fit, to_bgr
from .source import FrameSource, Reading
from .survey import Survey, is_shown, rate_of, survey

# Seconds to wait for the answer of an address, and for its next packet.
_TIMEOUT = (10.0, 10.0)
# FFmpeg opens text and pictures too, as videos of one frame.
_NO_VIDEO = ('tty', 'image2')


def find_video(container: Any, name: str) -> Any:
    """The stream with the video, not that with the cover.

    Args:
        container (av.container.InputContainer): Just opened.
        name: Beginning of the error message.

    Raises:
        ValueError: There is none, or none that can be decoded.
    """
    av = import_av()
    cover = av.stream.Disposition.attached_pic
    videos = [s for s in container.streams.video if not s.disposition & cover]
    if not videos:
        pictures = container.streams.video
        only = ', only a cover picture' if pictures else ''
        raise ValueError(f'{name} has no video stream{only}')
    good = [s for s in videos if s.codec_context is not None]
    if not good:
        raise ValueError(
            f'{name}: FFmpeg {av.ffmpeg_version_info} has no decoder for its '
            'codec; convert the video to H.264'
        )
    best = container.streams.best('video')
    return best if best in good else good[0]


class AVSource(FrameSource):
    """Frames that PyAV decodes.

    A frame that the decoder drops or marks as corrupt is given as damaged:
    every packet that announces a frame gives one. Pictures are shown as a
    player shows them: turned and mirrored as the container says, with square
    pixels; a change of resolution is fitted into the first one.
    """

    def __init__(self) -> None:
        self.sample_aspect_ratio = Fraction(1)
        self._survey = Survey(Fraction(1))
        self._cut_off = False
        self._changed = False

    @property
    def cut_off(self) -> bool:
        """Whether the last reading ended before the announced end."""
        return self._cut_off

    @property
    def details(self) -> dict:
        ratio = self.sample_aspect_ratio
        if ratio == 1:
            return {}
        return dict(
            sample_aspect_ratio=f'{ratio.numerator}:{ratio.denominator}'
        )

    @abstractmethod
    def _open(self) -> Any:
        """Open the container."""

    def _learn(self, stream: Any, facts: Survey) -> None:
        """Keep what the container says."""
        self._survey = facts
        self.fps, self.num_frames = facts.fps, facts.num_frames
        self.codec = stream.codec_context.name
        self.sample_aspect_ratio = Fraction(stream.sample_aspect_ratio or 1)

    def _read(self) -> Iterator[Reading]:
        self._cut_off = self._survey.cut_off
        count = 0
        with self._open() as container:
            stream = find_video(container, self.name)
            for reading in self._decode(container, stream):
                count += 1
                yield reading
        announced = self.num_frames
        if announced is not None and count + self._hidden < announced:
            self._cut_off = True

    def _decode(self, container: Any, stream: Any) -> Iterator[Reading]:
        """Frames in the order in which they are shown."""
        av = import_av()
        order: Any = TimedOrder() if self._survey.ordered else StoredOrder()
        tick = stream.time_base
        lost = 'is missing from the stream'
        self._hidden = 0
        for packet in self._packets(container, stream, av):
            if packet.size and not is_shown(packet):
                self._hidden += packet.is_discard
            elif packet.pts is not None:
                order.put(packet.pts, packet.dts)
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                if packet.pts is None and packet.size:
                    yield Reading(None, 'cannot be decoded')
                continue
            for frame in frames:
                time = None
                if frame.pts is not None:
                    missing, pts = order.take(frame.pts)
                    time = pts * tick
                    for place in missing:
                        yield Reading(None, lost, time=place * tick)
                yield self._picture(frame, time)
        for place in order.rest():
            yield Reading(None, lost, time=place * tick)

    def _packets(self, container: Any, stream: Any, av: Any) -> Iterator[Any]:
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

    def _picture(self, frame: Any, time: Fraction | None) -> Reading:
        if frame.is_corrupt:
            return Reading(None, 'is corrupt', time=time)
        image = to_bgr(frame, self.sample_aspect_ratio)
        return Reading(self._fitted(image), time=time)

    def _fitted(self, image: np.ndarray) -> np.ndarray:
        size = (image.shape[1], image.shape[0])
        if self.size is None or size == self.size:
            return image
        if not self._changed:
            self._changed = True
            print_log(
                f'{self.name}: the video changes from '
                f'{self.size[0]}x{self.size[1]} to {size[0]}x{size[1]}; such '
                'frames are scaled to the first size',
                logger='current',
                level=logging.WARNING,
            )
        return fit(image, self.size)


class VideoFileSource(AVSource):
    """A video file.

    Args:
        path: Of the file.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not a video.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        super().__init__()
        self.path = str(path)
        self.name = Path(path).stem
        if not os.path.exists(path):
            raise FileNotFoundError(f'{path}: no such video')
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ValueError(
                f'{path} is no file but a pipe or a device; save the video '
                'to a file first'
            )
        with self._open() as container:
            stream = find_video(container, self.path)
            self._learn(stream, survey(container, stream, import_av()))

    def _open(self) -> Any:
        av = import_av()
        with open(self.path, 'rb') as file:
            if not file.read(1):
                raise ValueError(f'{self.path} is an empty file, not a video')
        try:
            container = av.open(self.path)
        except (OSError, ValueError, av.error.FFmpegError) as error:
            reason = getattr(error, 'strerror', None) or error
            raise ValueError(
                f'{self.path} is not a video, or its index is missing '
                f'because it was cut off ({reason}); copy it again'
            ) from None
        kind = container.format.name
        if kind in _NO_VIDEO or kind.endswith('_pipe'):
            container.close()
            raise ValueError(f'{self.path} is not a video')
        return container


class AddressSource(AVSource):
    """A stream by its address, such as that of a camera in the network.

    It is read from where it is now, until it ends or the iteration is left.

    Args:
        address: Of any protocol that FFmpeg reads: ``rtsp://``, ``http://``,
            ``https://``, ``rtmp://``, ``udp://``, ...

    Raises:
        ValueError: It cannot be opened, or holds no video.
    """

    live = True

    def __init__(self, address: str) -> None:
        super().__init__()
        parts = urlsplit(address)
        host = parts.hostname or 'stream'
        stem = PurePosixPath(parts.path).stem or host
        self.name = re.sub(r'[^\w.-]+', '_', stem)
        self._address = address
        # Without a password that may be in it.
        self.path = re.sub(r'//[^/]*@', '//', address)
        self._container: Any = self._connect()
        try:
            stream = find_video(self._container, self.path)
        except ValueError:
            self._container.close()
            raise
        self._learn(stream, Survey(rate_of(stream), stream.frames or None))

    def _connect(self) -> Any:
        av = import_av()
        try:
            return av.open(self._address, timeout=_TIMEOUT)
        except (OSError, ValueError, av.error.FFmpegError) as error:
            reason = getattr(error, 'strerror', None) or 'no answer'
            raise ValueError(
                f'{self.path} cannot be opened as a video ({reason}); check '
                'the address with a player, or save the video to a file'
            ) from None

    def _open(self) -> Any:
        container, self._container = self._container, None
        return container or self._connect()
