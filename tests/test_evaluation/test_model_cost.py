# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import pytest
import torch
from torch import nn

from rpstn_mmpose.evaluation.model_cost import (
    cpu_name,
    gmacs_per_frame,
    gmacs_per_pose,
)


class Estimator(nn.Module):
    """A 3x3 convolution of each frame, with MMPose's arguments."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1, bias=False)

    def forward(self, inputs, data_samples, mode='loss'):
        assert mode == 'tensor' and not self.training
        return self.conv(inputs.flatten(0, -4))


@pytest.mark.parametrize('shape', [(3, 8, 6), (5, 3, 8, 6)])
def test_macs_of_a_frame(shape):
    model = Estimator()
    count = gmacs_per_frame(model, torch.zeros(shape, dtype=torch.uint8))
    assert count == pytest.approx(3 * 4 * 9 * 8 * 6 / 1e9)


class Window(Estimator):
    """The same of each frame, and 1x1 on all of them together."""

    kind = 'window'

    def __init__(self):
        super().__init__()
        self.combine = nn.Conv2d(5 * 4, 2, 1, bias=False)
        self.once = nn.Conv2d(3, 7, 1)
        self.kept = None

    def frame_features(self, inputs):
        return (self.conv(inputs),)

    def forward(self, inputs, data_samples, mode='loss'):
        if self.kept is None:  # worked out for the first clip alone
            self.kept = self.once(inputs[0])
        (feats,) = self.frame_features(inputs[0])
        return self.combine(feats.flatten(0, 1)[None])


def test_macs_of_a_stream():
    """A window's frame goes through the network once."""
    clip = torch.zeros(5, 3, 8, 6, dtype=torch.uint8)
    feats, combine = 3 * 4 * 9 * 8 * 6, 5 * 4 * 2 * 8 * 6
    assert gmacs_per_pose(Window(), clip) == pytest.approx(
        (feats + combine) / 1e9
    )
    assert gmacs_per_pose(Estimator(), clip) == pytest.approx(feats / 1e9)


def test_cpu_name_says_something_in_one_line():
    assert cpu_name() and '\n' not in cpu_name()
