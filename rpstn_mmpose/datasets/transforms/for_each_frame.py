# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import Any, Callable, Iterable, Iterator, Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_random_params
from mmpose.datasets.transforms import TopdownAffine
from mmpose.registry import TRANSFORMS

from ...structures.columns import Column, declared_columns
from .encoded_frame import EncodedFrame


def _walk(transforms: Any) -> Iterator[BaseTransform]:
    """All transforms, those inside of wrappers included."""
    if isinstance(transforms, BaseTransform):
        yield transforms
    if isinstance(transforms, Iterable):
        for transform in transforms:
            yield from _walk(transform)


@contextmanager
def shared_random_params(transforms: Sequence) -> Iterator[None]:
    """Within the context, transforms repeat their first random draw.

    mmcv's :func:`cache_random_params`, without what that leaves behind: bound
    methods in the instances' ``__dict__``, which cannot be pickled (spawned
    workers) and tie a copied transform to the draws of its original.
    """
    try:
        with cache_random_params(transforms):
            yield
    finally:
        for transform in _walk(transforms):
            for name in getattr(transform, '_methods_with_randomness', ()):
                transform.__dict__.pop(name, None)
            if hasattr(transform, '_methods_with_randomness'):
                transform.__dict__.pop('transform', None)


def _same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    return type(a) is type(b) and a == b


def _points(results: dict) -> list[Column]:
    """Declared columns of points that a clip or a frame has."""
    return [
        column
        for column in declared_columns(results)
        if column.kind == 'points' and results.get(column.name) is not None
    ]


def _placed(
    crop: TopdownAffine, frame: dict, points: np.ndarray
) -> np.ndarray:
    """Where a crop puts points (1, K, 2) of a frame."""
    pixel = dict(
        frame,
        img=np.zeros((1, 1, 3), np.uint8),
        keypoints=points,
        transformed_keypoints=None,
    )
    return crop(pixel)['transformed_keypoints']


@TRANSFORMS.register_module()
class ForEachFrame(BaseTransform):
    """Apply single-image transforms to the frames of a clip, one by one.

    Each transform sees one image and the one-row slices of the keys in
    ``ROW_KEYS`` and ``PARAM_KEYS``, as MMPose's top-down transforms expect.
    Their results are put together again: images to a list, rows to T rows,
    ``input_center`` and ``input_scale`` (2,) to T x 1 x 2. Any other key that
    they add or change must come out the same for every frame. A clip without
    ``keypoints`` (inference) comes out without them. Columns that the data
    set declares are rows, too; with a crop, those of points get
    ``transformed_NAME``, as ``keypoints`` do.

    Args:
        transforms (list): Transforms or their configs.
        share_random (bool): True: one random draw for the clip. False: one
            for each frame.

    Raises:
        ValueError: ``share_random`` with a transform that mmcv marks as
            unable to repeat its draws; a key that differs between frames and
            cannot be put together; frames that are still encoded, with
            MMPose's TopdownAffine.
    """

    ROW_KEYS = (
        'bbox',
        'bbox_score',
        'bbox_center',
        'bbox_scale',
        'bbox_rotation',
        'keypoints',
        'keypoints_visible',
        'keypoints_labeled',
        'transformed_keypoints',
    )
    PARAM_KEYS = ('input_center', 'input_scale')
    # TopdownAffine makes them up (one a 0-d array) without keypoints.
    PLACEHOLDERS = ('transformed_keypoints', 'keypoints_visible')

    def __init__(
        self, transforms: Sequence[dict | Callable], share_random: bool = True
    ) -> None:
        self.transforms: list[Callable] = [
            TRANSFORMS.build(t) if isinstance(t, dict) else t
            for t in transforms
        ]
        self.share_random = share_random
        if share_random:
            for transform in _walk(self.transforms):
                if getattr(transform, 'avoid_cache_randomness', False):
                    raise ValueError(
                        f'{self.__class__.__name__}: '
                        f'{transform.__class__.__name__} cannot repeat its '
                        'random draw for every frame of a clip; give it to '
                        'a ForEachFrame with share_random=False, or leave it '
                        'out'
                    )

    def _frame(self, results: dict, row: int) -> dict:
        frame = dict(results, img=results['img'][row])
        for key in self._row_keys(results):
            if results.get(key) is not None:
                frame[key] = results[key][row : row + 1]
        for key in self.PARAM_KEYS:
            if key in results:
                frame[key] = results[key][row, 0]
        if 'img_paths' in results:
            frame['img_path'] = results['img_paths'][row]
        return frame

    def _row_keys(self, results: dict) -> list[str]:
        columns = [
            column.name
            for column in declared_columns(results)
            if not column.in_metainfo
        ]
        points = [f'transformed_{column.name}' for column in _points(results)]
        return [*self.ROW_KEYS, *columns, *points]

    def _apply(self, frame: dict) -> dict | None:
        points = _points(frame)
        for transform in self.transforms:
            placed = {}
            if points and isinstance(transform, TopdownAffine):
                placed = {
                    f'transformed_{column.name}': _placed(
                        transform, frame, frame[column.name]
                    )
                    for column in points
                }
            frame = transform(frame)
            if frame is None:
                return None
            frame.update(placed)
        return frame

    def _merge(self, results: dict, frames: list[dict]) -> dict:
        first = frames[0]
        no_truth = results.get('keypoints') is None
        row_keys = self._row_keys(results)
        for key, value in first.items():
            if no_truth and key in self.PLACEHOLDERS and key not in results:
                continue
            if key == 'img':
                results[key] = [frame[key] for frame in frames]
            elif key in row_keys and isinstance(value, np.ndarray):
                results[key] = np.concatenate([frame[key] for frame in frames])
            elif key in self.PARAM_KEYS:
                results[key] = np.stack([frame[key] for frame in frames])[
                    :, None
                ]
            elif key == 'img_path' or results.get(key) is value:
                continue
            elif all(_same(value, frame.get(key)) for frame in frames[1:]):
                results[key] = value
            else:
                raise ValueError(
                    f'{self.__class__.__name__}: {key!r} differs between '
                    'frames and cannot be put together; make targets with '
                    'GenerateClipTarget, outside of it'
                )
        return results

    def transform(self, results: dict) -> dict | None:
        """Apply the transforms to the clip's T frames.

        Args:
            results (dict): A loaded clip.

        Returns:
            dict | None: ``results``; None if a transform gave up a frame.
        """
        if any(isinstance(frame, EncodedFrame) for frame in results['img']):
            for transform in self.transforms:
                if type(transform) is TopdownAffine:
                    raise ValueError(
                        f'{self.__class__.__name__}: TopdownAffine cannot '
                        'crop what LoadClip left encoded (lazy); use '
                        'ReducedTopdownAffine, which gives the same'
                    )
        context = shared_random_params if self.share_random else nullcontext
        frames = []
        with context(self.transforms):
            for row in range(len(results['img'])):
                frame = self._apply(self._frame(results, row))
                if frame is None:
                    return None
                frames.append(frame)
        return self._merge(results, frames)

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}(transforms={self.transforms}, '
            f'share_random={self.share_random})'
        )
