# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from types import SimpleNamespace

import pytest
import torch
from mmengine.model import MMDistributedDataParallel
from mmpose.registry import HOOKS
from torch import nn

from rpstn_mmpose.engine.hooks import TrainOnlyHook

from .toy import toy_runner


def train(tmp_path, names, **changes):
    """Three epochs with an evaluation after each; state before and after."""
    runner = toy_runner(
        tmp_path,
        epochs=3,
        values=(0.1, 0.2, 0.3),
        custom_hooks=[dict(type='TrainOnlyHook', names=names)],
        optim_wrapper=dict(
            optimizer=dict(type='AdamW', lr=0.1, weight_decay=0.1)
        ),
        **changes,
    )
    before = {
        name: value.clone()
        for name, value in runner.model.state_dict().items()
    }
    runner.train()
    after = runner.model.state_dict()
    changed = {
        name for name in before if not torch.equal(before[name], after[name])
    }
    return runner, changed


def test_registered():
    assert HOOKS.get('TrainOnlyHook') is TrainOnlyHook


def test_the_rest_stays_as_it_is(tmp_path):
    """Neither gradients, weight decay nor batch statistics change it."""
    _, changed = train(tmp_path, ['last'])
    assert changed == {'last.weight', 'last.bias'}


def test_a_trained_norm_keeps_counting(tmp_path):
    _, changed = train(tmp_path, ['norm', 'last.bias'])
    assert changed == {
        'norm.weight',
        'norm.bias',
        'norm.running_mean',
        'norm.running_var',
        'norm.num_batches_tracked',
        'last.bias',
    }


def test_resumed_training_stays_frozen(tmp_path):
    train(tmp_path, ['last'])
    runner = toy_runner(
        tmp_path,
        epochs=4,
        resume=True,
        custom_hooks=[dict(type='TrainOnlyHook', names=['last'])],
        optim_wrapper=dict(
            optimizer=dict(type='AdamW', lr=0.1, weight_decay=0.1)
        ),
    )
    runner.train()
    assert runner.epoch == 4
    state = torch.load(tmp_path / 'epoch_4.pth', weights_only=True)
    # the first three epochs were resumed from and left it alone as well
    assert state['state_dict']['norm.num_batches_tracked'] == 0


def test_modules_that_hold_nothing_trained_are_in_evaluation_mode():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(
                nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout(0.5)
            )
            self.head = nn.Module()
            self.head.final = nn.Linear(2, 2)
            self.head.drop = nn.Dropout(0.5)
            self.head.relation = nn.Sequential(
                nn.Linear(2, 2), nn.Dropout(0.5)
            )

    model = Net()
    hook = TrainOnlyHook(names=['relation'])
    runner = SimpleNamespace(model=model)
    hook.before_train(runner)
    model.train()
    hook.before_train_iter(runner, 0)
    training = {
        name for name, module in model.named_modules() if module.training
    }
    assert training == {
        '',
        'head',
        'head.relation',
        'head.relation.0',
        'head.relation.1',
    }
    trained = {
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    assert trained == {'head.relation.0.weight', 'head.relation.0.bias'}


@pytest.mark.parametrize('names', [[], (), 'relation'])
def test_no_list_of_names(names):
    with pytest.raises(ValueError) as caught:
        TrainOnlyHook(names=names)
    assert str(caught.value) == (
        'TrainOnlyHook: names must be a list with at least one part of a '
        f'parameter name, but got {names!r}'
    )


def test_a_name_that_matches_nothing(tmp_path):
    with pytest.raises(ValueError) as caught:
        train(tmp_path, ['last', 'relation'])
    assert str(caught.value) == (
        "TrainOnlyHook: no parameter of ToyModel has 'relation' in its name; "
        'there are first.weight, first.bias, norm.weight, norm.bias, '
        'last.weight, last.bias'
    )


@pytest.fixture()
def one_process_group(tmp_path):
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{tmp_path}/group', rank=0, world_size=1
    )
    yield
    torch.distributed.destroy_process_group()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(2, 2)
        self.relation = nn.Linear(2, 2)

    def forward(self, inputs):
        return self.relation(self.body(inputs))


def test_distributed_model_that_waits_for_all(one_process_group):
    runner = SimpleNamespace(model=MMDistributedDataParallel(Net()))
    with pytest.raises(
        ValueError, match='set find_unused_parameters=True .* is False'
    ):
        TrainOnlyHook(['relation']).before_train(runner)


def test_distributed_model(one_process_group):
    model = MMDistributedDataParallel(Net(), find_unused_parameters=True)
    hook = TrainOnlyHook(['relation'])
    hook.before_train(SimpleNamespace(model=model))
    for _ in range(2):  # the second step fails if the first left some waiting
        hook.before_train_iter(SimpleNamespace(model=model), 0)
        model(torch.ones(3, 2)).sum().backward()
    assert not model.module.body.training
    assert model.module.body.weight.grad is None
    assert model.module.relation.weight.grad is not None
