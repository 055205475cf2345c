# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Decode a part of a JPEG, with nvImageCodec on the CPU.

libjpeg-turbo can skip the rows and columns of a picture that nobody wants:
their Huffman codes are read, but they are neither transformed nor converted.
nvImageCodec is the binding of it that has wheels; it needs no GPU.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
from typing import Any, Iterator

import numpy as np

BACKEND = 'nvimgcodec'
INSTALL = "pip install 'nvidia-nvimgcodec-cu12>=0.9'"
# A decoder's threads do not follow its process into a fork, and to take one
# down there would wait for them forever: each process makes its own and keeps
# those it was born with.
_DECODERS: dict[tuple[int, int], Any] = {}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Nothing reaches the process's standard error: on import, the library
    names each GPU library that is not there.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, 'wb') as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def load_library() -> Any:
    """Import nvImageCodec.

    Returns:
        module: ``nvidia.nvimgcodec``.

    Raises:
        ImportError: It is not installed, or too old to do without a GPU; the
            message says how to install it.
    """
    if 'nvidia.nvimgcodec' in sys.modules:
        library: Any = sys.modules['nvidia.nvimgcodec']
    else:
        try:
            with _quiet():
                library = importlib.import_module('nvidia.nvimgcodec')
        except ImportError as error:
            raise ImportError(
                f"imdecode_backend='{BACKEND}' needs nvImageCodec ({error}); "
                f'{INSTALL} (Python 3.9 or later on Linux, no GPU needed), or '
                "use imdecode_backend='cv2'"
            ) from error
    if not hasattr(library, 'NVIMGCODEC_DEVICE_CPU_ONLY'):
        raise ImportError(
            f"imdecode_backend='{BACKEND}' needs nvImageCodec 0.9, but "
            f'{library.__version__} is installed; {INSTALL}'
        )
    return library


def _decoder() -> Any:
    key = os.getpid(), threading.get_ident()
    if key not in _DECODERS:
        library = load_library()
        _DECODERS[key] = library.Decoder(
            device_id=library.NVIMGCODEC_DEVICE_CPU_ONLY,
            max_num_cpu_threads=1,
            backends=[library.Backend(library.BackendKind.CPU_ONLY)],
        )
    return _DECODERS[key]


def decode_region(
    data: bytes, x1: int, y1: int, x2: int, y2: int
) -> np.ndarray | None:
    """Decode a rectangle of a JPEG with three components.

    Args:
        data: Content of the file, without an EXIF orientation.
        x1, y1: First column and row, pixels.
        x2, y2: Those after the last; inside of the picture.

    Returns:
        np.ndarray | None: (y2 - y1, x2 - x1, 3) uint8, RGB, read-only: the
        pixels that the whole picture has there; None if it cannot be
        decoded.
    """
    library = load_library()
    part = library.CodeStream(data).get_sub_code_stream(
        region=library.Region(y1, x1, y2, x2)
    )
    image = _decoder().decode(part)
    return None if image is None else np.asarray(image)
