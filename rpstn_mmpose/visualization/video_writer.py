# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Write H.264 videos that browsers play."""

from __future__ import annotations

import math
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from .output_path import check_output_path, make_part

# Ticks a second of a file's clock, at least.
_TICKS = 10000
# The value of "BT.709" in the H.264 standard's three colour fields.
_BT709 = 1


def import_av() -> Any:
    """PyAV, or one line that says how to get it."""
    try:
        import av
    except ImportError:
        raise ImportError(
            'VideoWriter needs PyAV, which is not installed; '
            'run pip install av'
        ) from None
    return av


class VideoWriter:
    """H.264 in an .mp4 file, from BGR frames.

    The first frame sets the video's size; one row or column is repeated where
    that is odd, which 4:2:0 chroma does not allow. The file appears under its
    name when the writer is closed; an exception inside of the ``with`` block
    leaves none behind. Without a ``with`` block, :meth:`close` keeps what was
    written so far and :meth:`discard` does not.

    Args:
        path: Of the ``.mp4`` file; missing folders are made.
        fps: Frames per second, where :meth:`write` is given no times; else
            about that many, and the last frame is shown for one over it.
        crf: Constant rate factor of x264, 0 (lossless) to 51.

    Raises:
        ValueError: A path that does not end in ``.mp4``, or ``fps`` that is
            not 0.1 to 1000.
        OSError: The path cannot be written.
        ImportError: PyAV is not installed.

    Examples:
        >>> frames = np.zeros((5, 48, 64, 3), np.uint8)
        >>> with VideoWriter('out.mp4', fps=25) as video:
        ...     for frame in frames:
        ...         video.write(frame)
    """

    def __init__(
        self, path: str | os.PathLike, fps: float = 25, crf: int = 20
    ) -> None:
        self.path = check_output_path(path, ('.mp4',))
        if not 0.1 <= fps <= 1000:
            raise ValueError(
                f'VideoWriter: fps must be 0.1 to 1000, but got {fps!r}'
            )
        self.fps = Fraction(fps).limit_denominator(1001)
        # Frames at a constant rate are at whole ticks.
        rate = self.fps.numerator
        self._tick = Fraction(1, rate * -(-_TICKS // rate))
        self._last = -1
        self._time: float | Fraction = -math.inf
        self.crf = crf
        self.num_frames = 0
        self.frame_size: tuple[int, int] | None = None
        self._av = import_av()
        self._part: Path | None = None
        self._container = self._stream = None

    def _open(self, frame: np.ndarray) -> None:
        height, width = frame.shape[:2]
        self.frame_size = (width, height)
        self._part = make_part(self.path)
        # faststart: the index at the front, to play before all is loaded.
        self._container = self._av.open(
            str(self._part),
            mode='w',
            format='mp4',
            options=dict(movflags='+faststart'),
        )
        self._stream = self._container.add_stream(
            'libx264',
            rate=self.fps,
            options=dict(crf=str(self.crf), preset='veryfast'),
        )
        self._stream.width = width + width % 2
        self._stream.height = height + height % 2
        self._stream.pix_fmt = 'yuv420p'
        # Untagged, players guess the matrix from the size: colours shift.
        context = self._stream.codec_context
        context.time_base = self._tick
        context.colorspace = _BT709
        context.color_primaries = context.color_trc = _BT709

    def write(
        self, frame: np.ndarray, time: float | Fraction | None = None
    ) -> None:
        """Append a frame.

        Args:
            frame: (H, W, 3) uint8, BGR.
            time: When it is shown, seconds since the first frame; to a tenth
                of a millisecond. None: its number over ``fps``.

        Raises:
            ValueError: Another shape, size or dtype, or a time that is not
                after that of the frame before.
        """
        frame = np.asarray(frame)
        if (
            frame.ndim != 3
            or frame.shape[2] != 3
            or frame.dtype != np.uint8
            or not frame.size
        ):
            raise ValueError(
                'VideoWriter takes frames H x W x 3 of uint8 (BGR), but got '
                f'{frame.shape} of {frame.dtype}'
            )
        if self._container is None:
            self._open(frame)
        height, width = frame.shape[:2]
        if (width, height) != self.frame_size:
            raise ValueError(
                f'VideoWriter: frame {self.num_frames} of {self.path.name} is '
                f'{width}x{height}, but the first was '
                f'{self.frame_size[0]}x{self.frame_size[1]}; bring all '
                'frames to one size'
            )
        frame = np.pad(
            frame, ((0, height % 2), (0, width % 2), (0, 0)), mode='edge'
        )
        picture = self._av.VideoFrame.from_ndarray(
            np.ascontiguousarray(frame), format='bgr24'
        )
        picture = picture.reformat(format='yuv420p', dst_colorspace='ITU709')
        picture.pts, picture.time_base = self._place(time), self._tick
        picture.duration = round(1 / self.fps / self._tick)
        self._container.mux(self._stream.encode(picture))
        self.num_frames += 1

    def _place(self, time: float | Fraction | None) -> int:
        """The next frame's place in the file, ticks."""
        if time is None:
            time = self.num_frames / self.fps
        if time <= self._time:
            raise ValueError(
                f'VideoWriter: frame {self.num_frames} of {self.path.name} is '
                f'at {float(time):.4f} s, but the one before is at '
                f'{float(self._time):.4f} s; give times that rise'
            )
        self._time = time
        self._last = max(round(time / self._tick), self._last + 1)
        return self._last

    def close(self) -> None:
        """Finish the file.

        Raises:
            ValueError: No frame was written.
        """
        if self._container is None:
            self.discard()
            raise ValueError(
                f'VideoWriter: no frame was written to '
                f'{self.path}; an empty .mp4 would not play'
            )
        self._container.mux(self._stream.encode())
        self._container.close()
        os.replace(self._part, self.path)

    def discard(self) -> None:
        """Leave no file behind."""
        if self._container is not None:
            self._container.close()
        if self._part is not None:
            self._part.unlink(missing_ok=True)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()
