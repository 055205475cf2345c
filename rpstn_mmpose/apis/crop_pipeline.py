# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The crops of a config's test pipeline, for one frame at a time."""

from __future__ import annotations

import logging
from typing import Any

from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.logging import print_log
from mmpose.registry import TRANSFORMS

from ..datasets.transforms import (
    ClipBBox,
    ForEachFrame,
    LoadClip,
    PackClipInputs,
    ReducedTopdownAffine,
)


def _single_frame(step: dict, where: str) -> list[dict]:
    """What a step of a clip pipeline does to one frame."""
    step = dict(step)
    name = kind = step.pop('type')
    if isinstance(name, str):
        kind = TRANSFORMS.get(name)
    if kind is None:
        raise ValueError(
            f'{where}: its test pipeline has an unknown '
            f'transform {name}; is a package missing in '
            'custom_imports?'
        )
    if issubclass(kind, ForEachFrame):
        return [dict(inner) for inner in step['transforms']]
    if issubclass(kind, LoadClip):
        return [
            dict(type='LoadImage', to_float32=step.get('to_float32', False))
        ]
    if issubclass(kind, ClipBBox):
        mode = step.get('mode', 'per_frame')
        if mode != 'per_frame':
            what = "the union of a clip's boxes"
            if mode == 'wanted':
                what = "the wanted frame's box"
            print_log(
                f'{where}: crops around {what} are not known before the clip '
                'is over; each frame is cropped by its own box.',
                logger='current',
                level=logging.WARNING,
            )
        return [
            dict(type='GetBBoxCenterScale', padding=step.get('padding', 1.25))
        ]
    if issubclass(kind, PackClipInputs):
        # Its default meta keys name what only clips have.
        return [dict(type='PackPoseInputs')]
    if issubclass(kind, ReducedTopdownAffine):
        # The same crop; the frame is there as a whole.
        return [dict(step, type='TopdownAffine')]
    if kind.__module__.startswith('rpstn_mmpose.'):
        raise ValueError(
            f'{where}: {kind.__name__} of its test pipeline '
            'needs a whole clip and cannot be run on one frame'
        )
    return [dict(step, type=kind)]


def frame_pipeline(config: Config) -> Compose:
    """Build the test pipeline of a config for single frames.

    A clip pipeline becomes the image pipeline that gives each frame the same
    pixels: the transforms of ``ForEachFrame`` stand alone, ``LoadClip``,
    ``ClipBBox``, ``ReducedTopdownAffine`` and ``PackClipInputs`` become
    MMPose's ``LoadImage``, ``GetBBoxCenterScale``, ``TopdownAffine`` and
    ``PackPoseInputs``. The pipeline of an image
    config stays as it is.

    Args:
        config: With ``test_dataloader.dataset.pipeline``.

    Returns:
        Compose: Takes a dict with ``img`` (H, W, 3), ``bbox`` (1, 4),
        ``bbox_score`` (1,) and the metainfo of the data set; gives
        ``inputs`` 3 x H x W and ``data_samples``.

    Raises:
        ValueError: A config without a test pipeline, or a transform that
            needs a whole clip.
    """
    where = config.filename or 'the config'
    try:
        steps: Any = config.test_dataloader.dataset.pipeline
    except AttributeError:
        raise ValueError(
            f'{where} has no test_dataloader.dataset.pipeline; '
            'give the config of a pose model'
        ) from None
    return Compose(
        [single for step in steps for single in _single_frame(step, where)]
    )
