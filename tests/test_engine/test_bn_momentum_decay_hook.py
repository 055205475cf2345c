# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from types import SimpleNamespace

import pytest
from torch import nn

from rpstn_mmpose.engine.hooks import BNMomentumDecayHook


def momenta(parts, epoch, epochs=60, **kwargs):
    model = nn.Sequential()
    for name in 'ab':
        model.add_module(
            name, nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
        )
    hook = BNMomentumDecayHook(parts, **kwargs)
    runner = SimpleNamespace(model=model, epoch=epoch, max_epochs=epochs)
    hook.before_train_epoch(runner)
    return [model.a[1].momentum, model.b[1].momentum]


def test_by_hand():
    """0.1 exp(-(e / E) ln 100): a hundredth at the end, a tenth half way."""
    assert momenta(('',), 0) == [0.1, 0.1]
    assert momenta(('',), 30) == pytest.approx([0.01, 0.01])
    assert momenta(('',), 60) == pytest.approx([0.001, 0.001])


def test_parts():
    assert momenta(('b',), 30) == [0.1, pytest.approx(0.01)]


def test_other_ends():
    found = momenta(('a',), 5, epochs=10, start=0.4, end=0.1)
    assert found == [pytest.approx(0.2), 0.1]


def test_refused():
    with pytest.raises(ValueError, match='must be above 0 and at most 1'):
        BNMomentumDecayHook(end=0)
    with pytest.raises(AttributeError, match='no attribute'):
        momenta(('c',), 0)
