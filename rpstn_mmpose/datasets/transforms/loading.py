# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import io
from functools import partial
from typing import Any, Sequence

import cv2
import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS
from PIL import Image

from ..file_access import read_bytes
from .clip_checks import check_clip_boxes, check_frame_sizes
from .encoded_frame import EncodedFrame, Frame, jpeg_size
from .region_decoder import BACKEND as REGION_BACKEND
from .region_decoder import decode_region, load_library

REDUCED_FLAGS = {
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


def largest_reduction(
    boxes: np.ndarray,
    input_size: Sequence[int],
    min_crop_scale: float,
    frame_size: tuple[int, int],
) -> int:
    """How many times smaller a frame may be read for a top-down crop.

    Args:
        boxes (np.ndarray): T x 4, corners in pixels.
        input_size (Sequence[int]): Width and height of the crop that is
            made of it.
        min_crop_scale (float): Side of the smallest crop, in sides of the
            box.
        frame_size (tuple[int, int]): Width and height of the frame.

    Returns:
        int: 1, 2, 4 or 8: the largest that leaves every crop at least as
        many pixels as its input has, and that divides both sides of the
        frame, so that places stay exact.
    """
    sides = (boxes[:, 2:] - boxes[:, :2]) / np.asarray(input_size)
    available = sides.max(axis=1).min() * min_crop_scale
    fitting = [
        reduction
        for reduction in REDUCED_FLAGS
        if reduction <= available
        and all(side % reduction == 0 for side in frame_size)
    ]
    return max(fitting, default=1)


def is_cut_off(data: bytes) -> bool:
    """Tell whether the content of a JPEG or PNG file misses its end.

    OpenCV decodes such a file without an error and fills the rest with grey.
    In a JPEG the end-of-image marker must follow the last start-of-scan
    marker: neither can occur inside compressed data, while an embedded
    thumbnail has markers of its own.

    Args:
        data: Content of the file. Other formats are taken as whole.
    """
    if data.startswith(b'\xff\xd8'):
        if data.endswith(b'\xff\xd9'):  # nearly all, and quickly seen
            return False
        return data.rfind(b'\xff\xd9') <= data.rfind(b'\xff\xda')
    if data.startswith(b'\x89PNG'):
        return b'IEND' not in data[-64:]
    return False


@TRANSFORMS.register_module()
class LoadClip(BaseTransform):
    """Load the frames of a clip.

    Required keys: ``img_paths`` (T paths), or ``img`` (T arrays h x w x 3,
    uint8, BGR: frames that are in memory already). Optional:
    ``frame_sizes`` (T x 2, width and height that the label tells), with
    which the frames are compared. Added keys: ``img`` (list
    of T arrays of one size, a frame that occurs twice is read once),
    ``img_shape`` and ``ori_shape`` (h, w); with ``reduce_to`` also
    ``img_reduction``.

    With ``reduce_to``, JPEG frames of which a large person is to be cut out
    are decoded at a half, a quarter or an eighth of their size, which is
    several times faster. Boxes, keypoints and shapes stay in pixels of the
    original frame; :class:`ReducedTopdownAffine` takes the crops. A frame is
    never reduced so far that a crop has fewer pixels than the input.

    With ``lazy``, JPEG frames stay encoded until they are cropped, by
    :class:`ReducedTopdownAffine` or :class:`TopdownStretch`. A flip then
    costs nothing, and with ``imdecode_backend='nvimgcodec'`` only what the
    crop needs is decoded. The crops are those of frames read in full, pixel
    by pixel. Frames of other formats, grey ones and those with EXIF data are
    decoded at once.

    Args:
        to_float32 (bool): Convert to float32.
        color_type (str): See :func:`mmcv.imfrombytes`.
        imdecode_backend (str): See :func:`mmcv.imfrombytes`; or
            ``'nvimgcodec'``, with ``lazy``.
        backend_args (dict, optional): mmengine file backend. Defaults to
            ``None``: the one of the address.
        lazy (bool): Leave the decoding to the crop.
        reduce_to (tuple[int, int], optional): Width and height of the crops
            (the codec's ``input_size``). Defaults to ``None``: read frames
            in full.
        min_crop_scale (float): Side of the smallest crop in sides of the
            box: the padding times the smallest scale of the augmentation.
            Defaults to 1, which is 1.25 times 0.8.

    Raises:
        ValueError: ``reduce_to`` with another backend than cv2 or another
            color type than ``'color'``, or without boxes; ``lazy`` with
            ``reduce_to``, ``to_float32`` or another color type; nvimgcodec
            without ``lazy``.
        ImportError: ``'nvimgcodec'`` where it is not installed.
        FileNotFoundError: A frame that is not there.
        OSError: A frame that cannot be read.
        ValueError: A frame that is cut off, cannot be decoded or differs in
            size from the clip's first or from the label; a box of no area.
    """

    def __init__(
        self,
        to_float32: bool = False,
        color_type: str = 'color',
        imdecode_backend: str = 'cv2',
        backend_args: dict | None = None,
        reduce_to: tuple[int, int] | None = None,
        min_crop_scale: float = 1.0,
        lazy: bool = False,
    ) -> None:
        if reduce_to is not None and (
            imdecode_backend != 'cv2' or color_type != 'color'
        ):
            raise ValueError(
                f'{self.__class__.__name__}: reduce_to needs '
                "imdecode_backend='cv2' and color_type='color', but got "
                f'{imdecode_backend!r} and {color_type!r}'
            )
        if lazy and (
            reduce_to is not None or to_float32 or color_type != 'color'
        ):
            raise ValueError(
                f"{self.__class__.__name__}: lazy needs color_type='color', "
                'without reduce_to and to_float32'
            )
        if imdecode_backend == REGION_BACKEND:
            if not lazy:
                raise ValueError(
                    f'{self.__class__.__name__}: imdecode_backend='
                    f'{imdecode_backend!r} needs lazy=True'
                )
            load_library()
        self.lazy = lazy
        self.to_float32 = to_float32
        self.color_type = color_type
        self.imdecode_backend = imdecode_backend
        self.backend_args = (
            None if backend_args is None else dict(backend_args)
        )
        self.reduce_to = None if reduce_to is None else tuple(reduce_to)
        self.min_crop_scale = min_crop_scale

    def _read(self, path: str) -> bytes:
        name = self.__class__.__name__
        try:
            data = read_bytes(path, self.backend_args)
        except FileNotFoundError:
            raise FileNotFoundError(
                f'{name}: no frame {path}; check data_root, or extract the '
                'video to frames again'
            ) from None
        except OSError as error:
            raise OSError(f'{name}: {error}') from error
        if not data or is_cut_off(data):
            raise ValueError(
                f'{name}: {path} is cut off ({len(data)} bytes '
                'and no end-of-image marker); copy it again'
            )
        return data

    def _decode(self, data: bytes, path: str, flag: str | int) -> np.ndarray:
        name = self.__class__.__name__
        backend = self.imdecode_backend
        if backend == REGION_BACKEND:  # whole frames are no concern of it
            backend = 'cv2'
        try:
            image = mmcv.imfrombytes(data, flag=flag, backend=backend)
        except Exception as error:  # each backend raises kinds of its own
            raise ValueError(
                f'{name}: {path} cannot be decoded ({error}); copy it again'
            ) from error
        if image is None:
            raise ValueError(
                f'{name}: {path} cannot be decoded as an image; copy it again'
            )
        return image

    def _decode_region(
        self, data: bytes, path: str, *region: int
    ) -> np.ndarray:
        image = decode_region(data, *region)
        if image is None:
            raise ValueError(
                f'{self.__class__.__name__}: {path} cannot be '
                'decoded as an image; copy it again'
            )
        return image

    def _load(self, path: str) -> Frame:
        data = self._read(path)
        size = jpeg_size(data) if self.lazy else None
        if size is None:
            return self._decode(data, path, self.color_type)
        parts = None
        if self.imdecode_backend == REGION_BACKEND:
            parts = partial(self._decode_region, data, path)
        return EncodedFrame(
            size, partial(self._decode, data, path, self.color_type), parts
        )

    def _load_reduced(
        self, paths: Sequence[str], boxes: np.ndarray
    ) -> tuple[dict, int]:
        """Frames by path, all of one size, and how many times smaller."""
        files = {path: self._read(path) for path in paths}
        reduction, sizes = 1, set()
        if all(data.startswith(b'\xff\xd8') for data in files.values()):
            for path, data in files.items():
                try:
                    # Reads the header, not the picture.
                    sizes.add(Image.open(io.BytesIO(data)).size)
                except OSError as error:
                    raise ValueError(
                        f'{self.__class__.__name__}: {path} cannot be '
                        'decoded as an image; copy it again'
                    ) from error
        if len(sizes) == 1:  # else read in full; the difference is reported
            reduction = largest_reduction(
                boxes, self.reduce_to, self.min_crop_scale, sizes.pop()
            )
        flag = REDUCED_FLAGS.get(reduction, self.color_type)
        return {
            path: self._decode(data, path, flag)
            for path, data in files.items()
        }, reduction

    def transform(self, results: dict) -> dict:
        """Load ``results['img_paths']``.

        Args:
            results (dict): A sample of a clip data set.

        Returns:
            dict: ``results`` with the frames.
        """
        if 'bbox' in results:
            check_clip_boxes(results, self.__class__.__name__)
        reduction = 1
        if 'img' in results:
            frames = list(results['img'])
        else:
            paths = list(results['img_paths'])
            loaded: dict[str, Any]
            if self.reduce_to is None:
                loaded = {
                    path: self._load(path) for path in dict.fromkeys(paths)
                }
            elif 'bbox' not in results:
                raise ValueError(
                    f'{self.__class__.__name__}: reduce_to goes '
                    "by the people's boxes, and the sample has "
                    "no 'bbox'; leave reduce_to out"
                )
            else:
                loaded, reduction = self._load_reduced(paths, results['bbox'])
            # Copies for repeated frames: a transform may work in place.
            frames = [
                loaded[path].copy()
                if path in paths[:row] and isinstance(loaded[path], np.ndarray)
                else loaded[path]
                for row, path in enumerate(paths)
            ]
        shape = frames[0].shape[:2]
        for row, frame in enumerate(frames):
            if frame.shape[:2] != shape:
                paths = results.get('img_paths')
                where = paths[row] if paths else f'frame {row}'
                raise ValueError(
                    f'{self.__class__.__name__}: {where} is '
                    f'{frame.shape[1]}x{frame.shape[0]}, but the clip starts '
                    f'with {shape[1]}x{shape[0]}; the frames of a video must '
                    'be of one size'
                )
        if self.to_float32:
            frames = [frame.astype(np.float32) for frame in frames]
        results['img'] = frames
        shape = (shape[0] * reduction, shape[1] * reduction)
        check_frame_sizes(
            results.get('frame_sizes'),
            shape,
            results.get('img_paths'),
            f'video {results.get("video_id", "?")}',
            self.__class__.__name__,
        )
        results['img_shape'] = results['ori_shape'] = shape
        if self.reduce_to is not None:
            results['img_reduction'] = reduction
        return results

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}(to_float32={self.to_float32}, '
            f'color_type={self.color_type!r}, '
            f'imdecode_backend={self.imdecode_backend!r}, '
            f'backend_args={self.backend_args}, '
            f'reduce_to={self.reduce_to}, '
            f'min_crop_scale={self.min_crop_scale}, lazy={self.lazy})'
        )
