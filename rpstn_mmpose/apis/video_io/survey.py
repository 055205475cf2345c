# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What a video file says of itself, checked against its packets."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .source import DEFAULT_FPS

# Rates above are ticks of a clock, not frames.
_MAX_FPS = 480
# How far the frames may be from the announced rate, and from the end.
_SAME_RATE = 0.01
_SAME_END = 0.5


@dataclass
class Survey:
    """Facts of the video stream of a file.

    Attributes:
        fps: Frames a second, over all frames.
        num_frames: Announced, or counted; None where it is unknown.
        cut_off: Whether the file ends before its announced end.
        ordered: Whether the packets' times are those of the frames in them.
            AVI has none: packets are numbered as they are stored.
    """

    fps: Fraction
    num_frames: int | None = None
    cut_off: bool = False
    ordered: bool = True


def rate_of(stream: Any) -> Fraction:
    """Frames a second as the header says, 25 where it says nothing good."""
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and rate <= _MAX_FPS:
            return Fraction(rate)
    return Fraction(DEFAULT_FPS)


def is_shown(packet: Any) -> bool:
    """Whether a packet holds a frame that is to be shown.

    VP8 stores pictures that others are made of and nobody sees (RFC 6386,
    section 9.1: bit 4 is ``show_frame``).
    """
    if packet.is_discard:
        return False
    return packet.stream.codec_context.name != 'vp8' or bool(
        packet.size and bytes(packet)[0] & 0x10
    )


def has_constant_rate(container: Any, stream: Any) -> bool:
    """Whether the index of an MP4 says so; it then needs no reading."""
    if 'mp4' not in container.format.name or not stream.frames:
        return False
    times = [entry.timestamp for entry in stream.index_entries]
    return len(times) == stream.frames and (
        len({b - a for a, b in zip(times, times[1:])}) <= 1
    )


def survey(container: Any, stream: Any, av: Any) -> Survey:
    """Read what the header says, and all packets where that is not enough.

    Args:
        container (av.container.InputContainer): Just opened; it is at an
            unknown place afterwards.
        stream (av.video.stream.VideoStream): Of the video.
        av (module): PyAV.

    Returns:
        Survey: The facts.
    """
    rate = rate_of(stream)
    if has_constant_rate(container, stream):
        return Survey(rate, stream.frames)
    times: list[int] = []
    end = Fraction(0)
    packets = container.demux()
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError):
            break
        if packet.pts is None:
            continue
        time = (packet.pts + (packet.duration or 0)) * packet.time_base
        end = max(end, time)
        if packet.stream_index == stream.index and is_shown(packet):
            times.append(packet.pts)
    return _judge(container, stream, rate, times, end)


def _judge(
    container: Any,
    stream: Any,
    rate: Fraction,
    times: list[int],
    end: Fraction,
) -> Survey:
    """The facts by the times of all packets, in the order of the file."""
    known = stream.frames or None
    if not times:
        return Survey(rate, known)
    span = max(times) - min(times)
    if span:
        measured = (len(set(times)) - 1) / (span * stream.time_base)
        if abs(measured / rate - 1) > _SAME_RATE and (0.1 <= measured <= 1000):
            rate = measured.limit_denominator(1001)
    if container.format.name == 'avi':
        # Its header counts places, and some may be empty.
        cut_off = known is not None and span + 1 < known
        known = known if cut_off else len(times)
    elif known is not None:
        cut_off = len(times) < known
    else:
        start = Fraction(container.start_time or 0, 10**6)
        length = Fraction(container.duration or 0, 10**6)
        cut_off = end - start < length - max(_SAME_END, 2 / rate)
        known = None if cut_off else len(times)
    mixed = stream.codec_context.has_b_frames and times == sorted(times)
    return Survey(rate, known, cut_off, ordered=not mixed)
