# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import pytest
import torch
from mmengine.config import Config
from mmpose.registry import MODELS

from rpstn_mmpose import config_path
from rpstn_mmpose.experiments import stream_cost

DATA = 'synthetic-penn-tracks-128x128'


def test_counts_and_delay(monkeypatch):
    """Frames t-1, t, t+1: a frame's poses come one frame late."""
    monkeypatch.setattr(stream_cost, 'WARM_UP', 0)
    monkeypatch.setattr(stream_cost, 'TIMED', 1)
    recipe = 'dsta_tiny_1xb16-4e_synthetic-penn-tracks-128x128'
    cfg = Config.fromfile(config_path(recipe))
    cfg.model.image_pretrained = None
    model = MODELS.build(cfg.model).eval()
    threads = torch.get_num_threads()
    cost = stream_cost.stream_cost(model, cfg, torch.zeros(3, 3, 128, 128))
    assert torch.get_num_threads() == threads
    assert cost['delay'] == 1 and cost['milliseconds'] > 0
    weights = sum(len(p.flatten()) for p in model.parameters())
    assert cost['params'] == weights
    # ResNet-18 has 1.82 GMACs at 224 x 224; here a quarter of its channels,
    # 128 x 128, 3 frames that are looked at once.
    backbone = 1.82 / 16 * (128 / 224) ** 2
    assert backbone < cost['gmacs_per_frame'] < 2 * backbone


class Untraceable(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, inputs, data_samples, mode):
        raise TypeError('no such\nthing')


def test_what_cannot_be_counted_is_left_out(capsys):
    assert stream_cost._gmacs(Untraceable(), torch.zeros(3, 8, 8)) is None
    assert capsys.readouterr().out == (
        'GMACs of Untraceable are not counted: no such thing\n'
    )


def test_median_of_the_frames_that_count(monkeypatch):
    """Four frames before the clock: three crops and one to warm up."""
    monkeypatch.setattr(stream_cost, 'WARM_UP', 1)
    monkeypatch.setattr(stream_cost, 'TIMED', 3)
    seconds = iter([9, 9, 9, 9, 0.002, 0.001, 0.004])
    now, seen = [0.0], []

    def step(crop):
        seen.append(crop['name'])
        now[0] += next(seconds)

    monkeypatch.setattr(stream_cost.time, 'process_time', lambda: now[0])
    crops = [dict(name=name) for name in 'abc']
    assert stream_cost._milliseconds(step, crops) == pytest.approx(2)
    assert ''.join(seen) == 'abcabca'
