# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import pytest
import torch
from mmpose.registry import MODELS

from rpstn_mmpose.models import RecursiveHeatmapMean

from .conftest import tiny_video_model


def test_three_frames_by_hand():
    """Peaks 8, 0, 0 at w = 3/4: 8, then 6, then 4.5."""
    mean = RecursiveHeatmapMean(weight=0.75)
    first, empty = torch.full((1, 1, 2, 2), 8.0), torch.zeros(1, 1, 2, 2)
    second = mean(empty, first)
    assert torch.equal(second, torch.full((1, 1, 2, 2), 6.0))
    assert torch.equal(mean(empty, second), torch.full((1, 1, 2, 2), 4.5))


def test_sure_frames_count_for_more_by_hand():
    """w = 1/2, c = 2: peaks 1 now and 3 before give a gate of 9 / (9 + 1),
    peaks 3 and 1 one of 1 / 10."""
    mean = RecursiveHeatmapMean(weight=0.5, confidence=2.0)
    sure, unsure = torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)
    sure[..., 0, 0], unsure[..., 1, 1] = 3.0, 1.0
    kept = torch.tensor([[[[2.7, 0.0], [0.0, 0.1]]]])
    torch.testing.assert_close(mean(unsure, sure), kept)
    torch.testing.assert_close(mean(sure, unsure), kept)


def test_joints_are_weighed_one_by_one():
    mean = RecursiveHeatmapMean(weight=0.5, confidence=1.0)
    now = torch.tensor([[[[1.0, 0.0]], [[3.0, 0.0]]]])
    before = torch.tensor([[[[3.0, 0.0]], [[1.0, 0.0]]]])
    torch.testing.assert_close(
        mean.gates(now, before).flatten(), torch.tensor([0.75, 0.25])
    )


def test_empty_heatmaps_stay_finite():
    """Peaks of 0 and below count as equal; half precision too."""
    mean = RecursiveHeatmapMean(weight=0.5, confidence=2.0)
    empty = torch.zeros(1, 1, 2, 2)
    assert torch.equal(mean(empty - 1, empty), empty - 0.5)
    full = torch.ones(1, 1, 2, 2)
    for kind in (torch.float32, torch.bfloat16):
        for now, before in ((empty, full), (full, empty)):
            assert mean(now.to(kind), before.to(kind)).isfinite().all()


def test_any_trained_model_takes_it():
    """Its checkpoint fits, and a weight of 0 changes nothing."""
    torch.manual_seed(0)
    plain = MODELS.build(tiny_video_model()).eval()
    model = MODELS.build(
        tiny_video_model(memory=dict(type='RecursiveHeatmapMean', weight=0))
    )
    model.load_state_dict(plain.state_dict(), strict=True)
    clip = torch.randn(1, 3, 3, 64, 64)
    torch.testing.assert_close(
        model.eval()(clip, None, mode='tensor'),
        plain(clip, None, mode='tensor'),
    )


@pytest.mark.parametrize('weight', [-0.1, 1.0, float('nan')])
def test_bad_weight(weight):
    with pytest.raises(ValueError, match='RecursiveHeatmapMean: weight'):
        RecursiveHeatmapMean(weight=weight)


@pytest.mark.parametrize('confidence', [-1, float('nan'), float('inf')])
def test_bad_confidence(confidence):
    with pytest.raises(ValueError, match='RecursiveHeatmapMean: confidence'):
        RecursiveHeatmapMean(confidence=confidence)


def test_a_confidence_without_a_weight():
    with pytest.raises(
        ValueError,
        match='confidence=2.0 does nothing with '
        'weight=0; set a weight, or leave it out',
    ):
        RecursiveHeatmapMean(weight=0, confidence=2.0)
