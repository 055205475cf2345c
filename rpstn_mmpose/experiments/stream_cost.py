# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What a trained model costs in a stream: a frame of one person."""

from __future__ import annotations

import copy
import statistics
import time
from typing import Any, Callable, Sequence

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from torch import nn

from ..apis.crop_pipeline import frame_pipeline
from ..apis.pose_config import metainfo_from_config
from ..evaluation.model_cost import gmacs_per_pose
from ..streams import make_stream

# Frames before the clock starts, and with it.
WARM_UP, TIMED = 5, 30
_WIDTH, _HEIGHT = 192, 144


def stream_cost(
    model: nn.Module, cfg: Config, inputs: torch.Tensor, lookahead: int = 0
) -> dict[str, Any]:
    """Weights, multiply-accumulates, time and delay.

    Args:
        model: In evaluation mode, on the CPU. Of a refiner without the model
            whose poses it refines.
        cfg: Its config, with the test's pipeline.
        inputs: Of a test sample.
        lookahead: See :func:`~rpstn_mmpose.streams.make_stream`.

    Returns:
        dict: ``params``, ``gmacs_per_frame`` (None if they cannot be
        counted), ``milliseconds`` that one core computes for a frame
        (median), and ``delay`` in frames.
    """
    step, delay = _step_of(model, lookahead)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        crops = _crops(model, cfg, max(2, delay + 1))
        return dict(
            params=sum(p.numel() for p in model.parameters()),
            gmacs_per_frame=_gmacs(model, inputs),
            milliseconds=_milliseconds(step, crops),
            delay=delay,
        )
    finally:
        torch.set_num_threads(threads)


def _gmacs(model: nn.Module, inputs: torch.Tensor) -> float | None:
    try:
        return gmacs_per_pose(model, inputs)
    except Exception as error:  # tracing knows not every model; keep the rest
        reason = ' '.join(str(error).split())
        print(f'GMACs of {type(model).__name__} are not counted: {reason}')
        return None


def _is_refiner(model: nn.Module) -> bool:
    return getattr(model, 'kind', '') == 'refiner'


def _step_of(model: Any, lookahead: int) -> tuple[Callable, int]:
    """What a model does with the crop of the next frame, and its delay."""
    if _is_refiner(model):
        return lambda crop: model.test_step(pseudo_collate([crop])), 0
    stream = make_stream(model, lookahead)
    return lambda crop: stream.push([crop], [0]), stream.delay


def _crops(model: nn.Module, cfg: Config, number: int) -> list[dict]:
    """Packed crops of noise; for a refiner with a pose."""
    if _is_refiner(model):
        steps: Any = cfg.test_dataloader.dataset.pipeline
        pipeline = Compose([dict(step) for step in steps])
    else:
        pipeline = frame_pipeline(cfg)
    meta = metainfo_from_config(cfg)
    joints = len(meta['keypoint_id2name'])
    rng = np.random.default_rng(0)
    middle = [_WIDTH / 2, _HEIGHT / 2, 1.0]
    return [
        pipeline(
            dict(
                meta,
                img=rng.integers(0, 255, (_HEIGHT, _WIDTH, 3), np.uint8),
                img_path=f'{index}.jpg',
                bbox=np.array([[40, 20, 130, 140]], np.float32),
                bbox_score=np.ones(1, np.float32),
                input_keypoints=np.tile(middle, (1, joints, 1)),
            )
        )
        for index in range(number)
    ]


def _milliseconds(step: Callable, crops: Sequence[dict]) -> float:
    """Median of the processor's time, which other programs hardly change."""
    times = []
    # With a delay the first frames cost less.
    for number in range(len(crops) + WARM_UP + TIMED):
        crop = copy.deepcopy(crops[number % len(crops)])
        begin = time.process_time()
        step(crop)
        times.append(time.process_time() - begin)
    return 1000 * statistics.median(times[-TIMED:])
