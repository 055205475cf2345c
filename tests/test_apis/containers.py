# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Small videos whose frames tell their numbers, in any container."""

from fractions import Fraction

import numpy as np
import pytest

av = pytest.importorskip('av', reason='PyAV is not installed')

WIDTH, HEIGHT, BITS = 128, 96, 8


def picture(number, width=WIDTH, height=HEIGHT):
    """BGR; the number stands in binary in the top row, lowest bit left."""
    image = np.full((height, width, 3), 60, np.uint8)
    image[height // 2 :, : width // 2] = 150
    for bit in range(BITS):
        if number >> bit & 1:
            image[:16, 16 * bit : 16 * bit + 16] = 230
    return image


def number_of(image):
    """The number of a frame, read as it is shown."""
    step = image.shape[1] // BITS
    levels = image[8, step // 2 :: step].mean(axis=1)
    return sum((level > 145) << bit for bit, level in enumerate(levels))


def write(
    path,
    codec='libx264',
    count=12,
    rate=25,
    times=None,
    tick=None,
    pix_fmt='yuv420p',
    file_format=None,
    options=None,
    file_options=None,
    prepare=lambda stream: None,
    images=None,
):
    """Write a video.

    Args:
        times: Of the frames, in ticks; 0, 1, ...
        tick: Seconds; one over the rate.
        prepare: Called with the stream before the first frame.
        images: BGR, instead of numbered ones.
    """
    tick = tick or Fraction(1, rate)
    images = images or [picture(number) for number in range(count)]
    with av.open(
        str(path), 'w', format=file_format, options=file_options or {}
    ) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = tick
        prepare(stream)
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, 'bgr24')
            frame = frame.reformat(format=pix_fmt)
            frame.pts = times[number] if times else number
            frame.time_base = tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def remux(source, target, change=lambda packet, number: packet, **options):
    """Copy a video's packets, as ``ffmpeg -c copy`` does."""
    with av.open(str(source)) as old, av.open(
        str(target), 'w', **options
    ) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        number = 0
        for packet in old.demux(video=0):
            if not packet.size:
                continue
            packet = change(packet, number)
            number += 1
            if packet is not None:
                packet.stream = stream
                new.mux(packet)
    return target
