# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import sys

import pytest
import torch
from mmcv.ops import batched_nms, nms

from rpstn_mmpose.engine.nms_without_gpu import Operators

MISSING = 'nms_impl: implementation for device cuda:0 not found.'
OPTIONS = dict(iou_threshold=0.5, offset=0)
# The second overlaps the first by 9 / 10; the third lies elsewhere.
BOXES = torch.tensor([[0.0, 0, 9, 1], [0.0, 0, 10, 1], [20.0, 0, 30, 1]])
SCORES = torch.tensor([0.5, 0.9, 0.7])


class OnGpu:
    """Numbers that only a copy on the CPU gives away."""

    device = torch.device('cpu')  # where results can be looked at

    def __init__(self, values):
        self.values = values

    def cpu(self):
        return self.values


class CpuOnly:
    """mmcv's operators as they are built without a GPU's compiler."""

    def __init__(self):
        self.compiled = sys.modules['mmcv.ops.nms'].ext_module
        self.softnms = self.compiled.softnms

    def nms(self, bboxes, scores, **options):
        if isinstance(bboxes, OnGpu):
            raise RuntimeError(MISSING)
        return self.compiled.nms(bboxes, scores, **options)


@pytest.fixture
def told(monkeypatch):
    """Lines of the log."""
    lines = []
    monkeypatch.setattr(
        'rpstn_mmpose.engine.nms_without_gpu.print_log',
        lambda line, logger: lines.append(line),
    )
    return lines


def test_boxes_on_a_gpu(told):
    operators = Operators(CpuOnly())
    for _ in range(2):
        kept = operators.nms(OnGpu(BOXES), OnGpu(SCORES), **OPTIONS)
        assert kept.tolist() == [1, 2]
    assert told == [
        'This mmcv has no operators for the GPU: the NMS of detectors runs '
        'on the CPU.'
    ]


def test_boxes_on_the_cpu(told):
    operators = Operators(CpuOnly())
    assert operators.nms(BOXES, SCORES, **OPTIONS).tolist() == [1, 2]
    assert not told
    assert operators.softnms is operators._compiled.softnms


def test_other_errors_are_told(told):
    def fail(*args, **options):
        raise RuntimeError('out of memory')

    compiled = CpuOnly()
    compiled.nms = fail
    with pytest.raises(RuntimeError, match='out of memory'):
        Operators(compiled).nms(BOXES, SCORES)
    assert not told


def test_mmcv_has_it(told):
    """By importing the plugin. mmcv knows no more of torch's device without
    numbers than of a GPU; nothing can be copied from there."""
    boxes = torch.cat([BOXES, BOXES])
    kept = batched_nms(
        boxes,
        SCORES.repeat(2),
        torch.tensor([0, 0, 0, 1, 1, 1]),
        dict(type='nms', iou_threshold=0.5),
    )[1]
    assert sorted(kept.tolist()) == [1, 2, 4, 5]
    with pytest.raises(NotImplementedError, match='meta tensor'):
        nms(BOXES.to('meta'), SCORES.to('meta'), 0.5)
    assert len(told) <= 1
