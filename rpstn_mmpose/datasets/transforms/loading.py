# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Optional

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine import fileio
from mmpose.registry import TRANSFORMS

from .clip_checks import check_clip_boxes


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
        return data.rfind(b'\xff\xd9') <= data.rfind(b'\xff\xda')
    if data.startswith(b'\x89PNG'):
        return b'IEND' not in data[-64:]
    return False


@TRANSFORMS.register_module()
class LoadClip(BaseTransform):
    """Load the frames of a clip.

    Required keys: ``img_paths`` (T paths), or ``img`` (T arrays h x w x 3,
    uint8, BGR: frames that are in memory already). Added keys: ``img`` (list
    of T arrays of one size, a frame that occurs twice is read once),
    ``img_shape`` and ``ori_shape`` (h, w).

    Args:
        to_float32 (bool): Convert to float32.
        color_type (str): See :func:`mmcv.imfrombytes`.
        imdecode_backend (str): See :func:`mmcv.imfrombytes`.
        backend_args (dict, optional): mmengine file backend.

    Raises:
        FileNotFoundError: A frame that is not there.
        ValueError: A frame that is cut off, cannot be decoded or differs in
            size from the clip's first; a box of no area.
    """

    def __init__(self,
                 to_float32: bool = False,
                 color_type: str = 'color',
                 imdecode_backend: str = 'cv2',
                 backend_args: Optional[dict] = None):
        self.to_float32 = to_float32
        self.color_type = color_type
        self.imdecode_backend = imdecode_backend
        self.backend_args = None if backend_args is None else dict(
            backend_args)

    def _load(self, path: str) -> np.ndarray:
        name = self.__class__.__name__
        try:
            data = fileio.get(path, backend_args=self.backend_args)
        except (FileNotFoundError, IsADirectoryError):
            raise FileNotFoundError(
                f'{name}: no frame {path}; check data_root, or extract the '
                'video to frames again') from None
        if not data or is_cut_off(data):
            raise ValueError(f'{name}: {path} is cut off ({len(data)} bytes '
                             'and no end-of-image marker); copy it again')
        try:
            image = mmcv.imfrombytes(
                data, flag=self.color_type, backend=self.imdecode_backend)
        except Exception as error:  # each backend raises kinds of its own
            raise ValueError(f'{name}: {path} cannot be decoded ({error}); '
                             'copy it again') from error
        if image is None:
            raise ValueError(f'{name}: {path} cannot be decoded as an image; '
                             'copy it again')
        return image

    def transform(self, results: dict) -> dict:
        """Load ``results['img_paths']``.

        Args:
            results (dict): A sample of a clip data set.

        Returns:
            dict: ``results`` with the frames.
        """
        if 'bbox' in results:
            check_clip_boxes(results, self.__class__.__name__)
        if 'img' in results:
            frames = list(results['img'])
        else:
            # Copies for repeated frames: a transform may work in place.
            loaded, frames = {}, []
            for path in results['img_paths']:
                again = path in loaded
                if not again:
                    loaded[path] = self._load(path)
                frames.append(loaded[path].copy() if again else loaded[path])
        shape = frames[0].shape[:2]
        for row, frame in enumerate(frames):
            if frame.shape[:2] != shape:
                paths = results.get('img_paths')
                where = paths[row] if paths else f'frame {row}'
                raise ValueError(
                    f'{self.__class__.__name__}: {where} is '
                    f'{frame.shape[1]}x{frame.shape[0]}, but the clip starts '
                    f'with {shape[1]}x{shape[0]}; the frames of a video must '
                    'be of one size')
        if self.to_float32:
            frames = [frame.astype(np.float32) for frame in frames]
        results['img'] = frames
        results['img_shape'] = results['ori_shape'] = shape
        return results

    def __repr__(self) -> str:
        return (f'{self.__class__.__name__}(to_float32={self.to_float32}, '
                f'color_type={self.color_type!r}, '
                f'imdecode_backend={self.imdecode_backend!r}, '
                f'backend_args={self.backend_args})')
