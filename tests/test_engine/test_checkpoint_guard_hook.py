# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from collections import OrderedDict

import pytest
import torch
from mmengine.runner import save_checkpoint
from mmpose.registry import HOOKS
from torch import nn

from rpstn_mmpose.engine import CheckpointError, CheckpointGuardHook
from rpstn_mmpose.engine.hooks import checkpoint_guard_hook
from rpstn_mmpose.engine.hooks.checkpoint_guard_hook import (
    check_checkpoint_matches,
)

from .toy import ToyModel, toy_runner


def test_registered():
    assert HOOKS.get('CheckpointGuardHook') is CheckpointGuardHook
    with pytest.raises(ValueError, match='min_matched .* got 1.5'):
        CheckpointGuardHook(min_matched=1.5)


def test_own_weights_are_loaded():
    source, model = ToyModel(), ToyModel()
    state = OrderedDict(
        (f'module.{name}', value + 1)
        for name, value in source.state_dict().items()
    )
    share = check_checkpoint_matches(model, dict(state_dict=state), 'a.pth')
    assert share == 1
    assert torch.equal(model.last.bias, source.last.bias + 1)


def test_extra_entries_and_missing_counters_are_fine():
    model = ToyModel()
    state = model.state_dict()
    state['head.extra'] = torch.ones(1)
    del state['norm.num_batches_tracked']
    assert check_checkpoint_matches(model, state, 'a.pth') == 1


def test_one_missing_entry():
    # Entries: weight and bias of first, norm and last, norm's mean and
    # variance: 8. One of them missing: 88 %.
    model = ToyModel()
    state = model.state_dict()
    del state['last.bias']
    with pytest.raises(CheckpointError) as caught:
        check_checkpoint_matches(model, state, 'a.pth')
    assert str(caught.value) == (
        "a.pth is not a checkpoint of this ToyModel: it has 7 of the model's "
        '8 entries (88%; 100% needed), missing last.bias. Take the config it '
        'was trained with.'
    )
    assert check_checkpoint_matches(model, state, 'a.pth', 0.8) == 7 / 8


def test_foreign_and_empty():
    for state in (nn.Conv2d(3, 4, 3).state_dict(), {}):
        with pytest.raises(CheckpointError, match='0 of the model.s 8 .*0%'):
            check_checkpoint_matches(ToyModel(), state, 'a.pth')
    assert check_checkpoint_matches(nn.ReLU(), {}, 'a.pth') == 1


def test_other_shape():
    with pytest.raises(CheckpointError) as caught:
        check_checkpoint_matches(
            ToyModel(width=4), ToyModel(width=5).state_dict(), 'a.pth'
        )
    # All but last.bias depend on the width.
    assert str(caught.value) == (
        'a.pth is not a checkpoint of this ToyModel: 7 of its entries have '
        'another shape, first first.weight (torch.Size([5, 3]) in the file, '
        'torch.Size([4, 3]) in the model). Take the config it was trained '
        'with.'
    )


def test_old_names_count_as_the_model_reads_them():
    class Renamed(ToyModel):
        def __init__(self):
            super().__init__()
            self._register_load_state_dict_pre_hook(self._rename)

        def _rename(self, state, prefix, *args):
            for name in list(state):
                if name.startswith('old_last.'):
                    state[name[4:]] = state.pop(name)

    state = ToyModel().state_dict()
    for name in ('last.weight', 'last.bias'):
        state[f'old_{name}'] = state.pop(name)
    assert check_checkpoint_matches(Renamed(), state, 'a.pth') == 1


@pytest.fixture()
def partial(tmp_path):
    """A checkpoint of a model whose last layer is another."""
    state = ToyModel().state_dict()
    del state['last.weight'], state['last.bias']
    path = tmp_path / 'partial.pth'
    save_checkpoint(
        dict(state_dict=state, meta=dict(epoch=1, iter=4)), str(path)
    )
    return path


def guarded(folder, path, **kwargs):
    return toy_runner(
        folder,
        load_from=str(path),
        custom_hooks=[dict(type='CheckpointGuardHook')],
        **kwargs,
    )


def test_training_may_start_from_partial_weights(
    partial, tmp_path, monkeypatch
):
    """A line names what is new."""
    lines = []
    monkeypatch.setattr(
        checkpoint_guard_hook,
        'print_log',
        lambda text, **_: lines.append(text),
    )
    guarded(tmp_path / 'run', partial).train()
    assert (tmp_path / 'run/epoch_2.pth').is_file()
    assert lines == [
        f'7 of 9 tensors of ToyModel start from {partial}; new: last'
    ]


def test_resume_may_not(partial, tmp_path):
    with pytest.raises(CheckpointError, match='partial.pth .* 6 of .* 8'):
        guarded(tmp_path / 'run', partial, resume=True).train()


def test_evaluation_may_not(partial, tmp_path):
    with pytest.raises(CheckpointError, match='partial.pth .* 6 of .* 8'):
        guarded(tmp_path / 'run', partial, values=[0.1]).val()


def test_automatic_resume_names_the_file(partial, tmp_path):
    (tmp_path / 'last_checkpoint').write_text(str(partial))
    runner = toy_runner(
        tmp_path, resume=True, custom_hooks=[dict(type='CheckpointGuardHook')]
    )
    with pytest.raises(CheckpointError, match=f'^{partial} is not'):
        runner.train()
