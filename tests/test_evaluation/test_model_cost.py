# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import pytest
import torch
from torch import nn

from rpstn_mmpose.evaluation.model_cost import cpu_name, gmacs_per_frame


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


def test_cpu_name_says_something_in_one_line():
    assert cpu_name() and '\n' not in cpu_name()
