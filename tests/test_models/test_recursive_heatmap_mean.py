# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import pytest
import torch
from mmpose.registry import MODELS

from rpstn_mmpose.models import RecursiveHeatmapMean

from .conftest import tiny_video_model


def test_three_frames_by_hand():
    """Peaks 8, 0, 0 at w = 3/4: 8, then 6, then 4.5."""
    mean = RecursiveHeatmapMean(weight=0.75)
    first, empty = torch.full((1, 1, 2, 2), 8.), torch.zeros(1, 1, 2, 2)
    second = mean(empty, first)
    assert torch.equal(second, torch.full((1, 1, 2, 2), 6.))
    assert torch.equal(mean(empty, second), torch.full((1, 1, 2, 2), 4.5))


def test_any_trained_model_takes_it():
    """Its checkpoint fits, and a weight of 0 changes nothing."""
    torch.manual_seed(0)
    plain = MODELS.build(tiny_video_model()).eval()
    model = MODELS.build(
        tiny_video_model(memory=dict(type='RecursiveHeatmapMean', weight=0)))
    model.load_state_dict(plain.state_dict(), strict=True)
    clip = torch.randn(1, 3, 3, 64, 64)
    torch.testing.assert_close(
        model.eval()(clip, None, mode='tensor'),
        plain(clip, None, mode='tensor'))


@pytest.mark.parametrize('weight', [-0.1, 1., float('nan')])
def test_bad_weight(weight):
    with pytest.raises(ValueError, match='RecursiveHeatmapMean: weight'):
        RecursiveHeatmapMean(weight=weight)
