# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import copy
import random

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.optim.scheduler import MultiStepLR
from torch import nn

from rpstn_mmpose.engine import CheckpointError
from rpstn_mmpose.engine.resume_state import check_resume_state

from .toy import ToyModel, toy_runner

ADAM = dict(optimizer=dict(type='Adam', lr=0.01))


class Runner:
    """The parts of mmengine's runner that are looked at."""

    def __init__(self, optim_wrapper, param_schedulers=None):
        self.optim_wrapper = optim_wrapper
        self.param_schedulers = param_schedulers


def adam(model=None, **settings):
    model = model or nn.Linear(3, 2)
    return OptimWrapper(torch.optim.Adam(model.parameters(), **settings))


def state_of(wrapper, schedulers=None):
    """What mmengine would write after a step."""
    for part in (
        wrapper.values()
        if isinstance(wrapper, OptimWrapperDict)
        else [wrapper]
    ):
        for group in part.param_groups:
            for parameter in group['params']:
                parameter.grad = torch.ones_like(parameter)
        part.optimizer.step()
    state = dict(
        meta=dict(epoch=1, iter=4),
        message_hub=dict(log_scalars={}, runtime_info={}, resumed_keys={}),
        optimizer=wrapper.state_dict(),
    )
    if schedulers:
        state['param_schedulers'] = [item.state_dict() for item in schedulers]
    return copy.deepcopy(state)


def problem(runner, checkpoint):
    with pytest.raises(CheckpointError) as caught:
        check_resume_state(runner, checkpoint, 'a.pth')
    message = str(caught.value)
    assert message.startswith('a.pth ') and '\n' not in message
    return message.replace('a.pth cannot be resumed from: ', '')


def test_its_own_state_is_fine():
    wrapper = adam()
    schedulers = [MultiStepLR(wrapper, [2, 4])]
    check_resume_state(
        Runner(wrapper, schedulers), state_of(wrapper, schedulers), 'a.pth'
    )


@pytest.mark.parametrize(
    'part, keys, words',
    [
        ('meta', None, '(meta.epoch and meta.iter is missing)'),
        ('meta', ['epoch'], '(meta.epoch is missing)'),
        ('message_hub', None, '(message_hub is missing)'),
    ],
)
def test_weights_alone(part, keys, words):
    wrapper = adam()
    state = state_of(wrapper)
    if keys:
        for key in keys:
            del state[part][key]
    else:
        del state[part]
    found = problem(Runner(wrapper), state)
    assert 'no state of a training to go on with ' + words in found
    assert 'load_from, without --resume' in found


def change(checkpoint, **changes):
    checkpoint['optimizer'].update(changes)


@pytest.mark.parametrize(
    'edit, words',
    [
        (
            lambda s: change(s, state={}, param_groups=[]),
            'optimizer has 0 parameters in 0 groups, and the config 2 in 1. ',
        ),
        (
            lambda s: change(
                s, param_groups=s['optimizer']['param_groups'] * 2
            ),
            'optimizer has 4 parameters in 2 groups, and the config 2 in 1. ',
        ),
        (
            lambda s: s['optimizer']['param_groups'][0].update(params=[0]),
            'optimizer has 1 parameters in 1 groups, and the config 2 in 1. ',
        ),
        (
            lambda s: s.update(optimizer=[1]),
            'optimizer is of type list, not a d',
        ),
        (
            lambda s: s.update(optimizer=None),
            'optimizer is of type NoneType, no',
        ),
        (
            lambda s: s.update(optimizer={}),
            'optimizer is not of the form of an ',
        ),
        (
            lambda s: change(s, state=[1]),
            'optimizer is not of the form of an op',
        ),
        (
            lambda s: change(s, param_groups=dict(a=1)),
            'optimizer is not of the ',
        ),
        (
            lambda s: change(s, param_groups=[1]),
            'optimizer is not of the form o',
        ),
        (
            lambda s: s['optimizer']['param_groups'][0].update(params=2),
            'optimizer is not of the form of an optimizer',
        ),
        (
            lambda s: s['optimizer']['param_groups'][0].update(lr='x'),
            "optimizer: lr is 'x'",
        ),
        (
            lambda s: s['optimizer']['param_groups'][0].update(
                lr=float('nan')
            ),
            'optimizer: lr is nan',
        ),
        (
            lambda s: s['optimizer']['param_groups'][0].update(
                betas=(0.9, None)
            ),
            'optimizer: betas is (0.9, None)',
        ),
        (
            lambda s: s['optimizer']['param_groups'][0].update(lr=[0.1]),
            'optimizer: lr is [0.1]',
        ),
        (
            lambda s: s['optimizer']['param_groups'][0].update(eps=True),
            'optimizer: eps is True',
        ),
        (
            lambda s: s['optimizer']['state'][1].update(exp_avg=torch.ones(3)),
            'optimizer: exp_avg of parameter 1 is not of the form that Adam '
            'gives',
        ),
        (
            lambda s: s['optimizer']['state'][0].update(exp_avg_sq=[1.0]),
            'optimizer: exp_avg_sq of parameter 0 is not of the form that '
            'Adam',
        ),
        (
            lambda s: s['optimizer']['state'][0].update(step=torch.ones(2)),
            'optimizer: step of parameter 0 is not of the form that Adam '
            'gives it',
        ),
        (
            lambda s: s['optimizer']['state'][0].update(step=None),
            'optimizer: step of parameter 0 is not of the form that Adam '
            'gives it',
        ),
        (
            lambda s: s['optimizer']['state'][1].pop('step'),
            'optimizer has not the same of each parameter',
        ),
        (
            lambda s: s['optimizer']['param_groups'][0].update(
                amsgrad=torch.ones(0)
            ),
            'optimizer: amsgrad is tensor([])',
        ),
        (
            lambda s: s['optimizer']['param_groups'][0].update(foreach={}),
            'optimizer: foreach is {}',
        ),
        (
            lambda s: s['optimizer']['param_groups'][0].update(betas=(0.9,)),
            'optimizer: betas is (0.9,)',
        ),
        (
            lambda s: s['optimizer']['state'].update({1: 5}),
            'optimizer: the state of a parameter is no dict',
        ),
        (
            lambda s: s['optimizer']['param_groups'][0].update(
                params=['0', '1']
            ),
            'optimizer: the state of a parameter is no dict',
        ),
        (
            lambda s: change(s, loss_scaler=[1]),
            'optimizer.loss_scaler is not a dict of numbers',
        ),
        (
            lambda s: change(s, loss_scaler=dict(scale='x')),
            'optimizer.loss_scaler is not a dict of numbers',
        ),
    ],
)
def test_odd_optimizers(edit, words):
    wrapper = adam()
    state = state_of(wrapper)
    edit(state)
    assert problem(Runner(wrapper), state).startswith(words)


def test_another_optimizer():
    model = nn.Linear(3, 2)
    sgd = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    assert problem(Runner(adam(model)), state_of(sgd)).startswith(
        'optimizer is not of Adam: it has no betas'
    )
    assert problem(Runner(sgd), state_of(adam(model))).startswith(
        'optimizer is not of SGD: it has no momentum'
    )


@pytest.mark.parametrize(
    'edit',
    [
        # A fresh parameter, an older torch, a scheduler that is new.
        lambda s: s['optimizer']['state'].pop(1),
        lambda s: s['optimizer']['param_groups'][0].pop('capturable', None),
        lambda s: s['optimizer']['param_groups'][0].pop('initial_lr', None),
        lambda s: s['optimizer']['param_groups'][0].update(
            lr=torch.tensor(0.1)
        ),
        lambda s: change(
            s, loss_scaler=dict(scale=65536.0, _growth_tracker=3)
        ),
        lambda s: s.pop('optimizer'),
    ],
)
def test_what_torch_can_deal_with(edit):
    wrapper = adam()
    schedulers = [MultiStepLR(wrapper, [2, 4])]
    state = state_of(wrapper, schedulers)
    edit(state)
    check_resume_state(Runner(wrapper, schedulers), state, 'a.pth')


class Factored(torch.optim.SGD):
    """Keeps other things of vectors than of matrices, as Adafactor does."""

    def step(self, closure=None):
        super().step(closure)
        for group in self.param_groups:
            for parameter in group['params']:
                name = 'row' if parameter.dim() > 1 else 'exp_avg_sq'
                self.state[parameter][name] = torch.ones(len(parameter))


def test_an_optimizer_that_treats_parameters_differently():
    wrapper = OptimWrapper(
        Factored(nn.Linear(3, 2).parameters(), lr=0.1, momentum=0.9)
    )
    state = state_of(wrapper)
    check_resume_state(Runner(wrapper), state, 'a.pth')
    state['optimizer']['state'][0]['momentum_buffer'] = torch.ones(5)
    assert 'momentum_buffer of parameter 0' in problem(Runner(wrapper), state)


def test_sgd_without_a_momentum():
    wrapper = OptimWrapper(torch.optim.SGD(nn.Linear(3, 2).parameters(), 0.1))
    state = state_of(wrapper)
    # As older versions of torch write it.
    state['optimizer']['state'] = {0: dict(momentum_buffer=None), 1: {}}
    check_resume_state(Runner(wrapper), state, 'a.pth')


def test_several_optimizers():
    wrapper = OptimWrapperDict(a=adam(), b=adam(nn.Linear(2, 2)))
    state = state_of(wrapper)
    check_resume_state(Runner(wrapper), state, 'a.pth')
    broken = copy.deepcopy(state)
    broken['optimizer']['b']['state'][0]['exp_avg'] = torch.ones(5)
    assert problem(Runner(wrapper), broken).startswith(
        'optimizer.b: exp_avg of parameter 0 is not of the form'
    )
    del state['optimizer']['b']
    assert problem(Runner(wrapper), state).startswith(
        "optimizer has the parts ['a'], and the config ['a', 'b']"
    )


@pytest.mark.parametrize(
    'edit, words',
    [
        (
            lambda s: s.update(param_schedulers=None),
            'param_schedulers is not of the form that the config gives it',
        ),
        (
            lambda s: s.update(param_schedulers=[1]),
            'param_schedulers is not of the form that the config gives it',
        ),
        (
            lambda s: s.update(param_schedulers=dict(a=[])),
            'param_schedulers is not of the form that the config gives it',
        ),
        (
            lambda s: s['param_schedulers'][0].update(step=5),
            'param_schedulers: step is 5',
        ),
        (
            lambda s: s['param_schedulers'][0].update(_get_value='x'),
            "param_schedulers: _get_value is 'x'",
        ),
        (
            lambda s: s['param_schedulers'][0].update(optimizer={}),
            'param_schedulers: optimizer is {}',
        ),
        (
            lambda s: s['param_schedulers'][0].update({5: 5}),
            'param_schedulers: 5 is 5',
        ),
        (
            lambda s: s['param_schedulers'][0].update(last_step='3'),
            "param_schedulers: last_step is '3'",
        ),
        (
            lambda s: s['param_schedulers'][0].update(base_values=[None]),
            'param_schedulers: base_values is [None]',
        ),
        (
            lambda s: s['param_schedulers'][0].update(base_values=0.1),
            'param_schedulers: base_values is 0.1',
        ),
        (
            lambda s: s['param_schedulers'][0].update(begin=[1]),
            'param_schedulers: begin is [1]',
        ),
        (
            lambda s: s['param_schedulers'][0].update(param_name='momentum'),
            "param_schedulers: param_name is 'momentum'",
        ),
        (
            lambda s: s['param_schedulers'][0].update(param_name=5),
            'param_schedulers: param_name is 5',
        ),
        (
            lambda s: s['param_schedulers'][0].update(by_epoch=[]),
            'param_schedulers: by_epoch is []',
        ),
        (
            lambda s: s['param_schedulers'][0]['milestones'].update(x=1),
            'param_schedulers: milestones is Counter',
        ),
        (
            lambda s: s['param_schedulers'][0].update(milestones=[2]),
            'param_schedulers: milestones is [2]',
        ),
    ],
)
def test_odd_schedulers(edit, words):
    wrapper = adam()
    schedulers = [MultiStepLR(wrapper, [2, 4])]
    state = state_of(wrapper, schedulers)
    edit(state)
    assert problem(Runner(wrapper, schedulers), state).startswith(words)
    # A config without schedulers does not look at them.
    check_resume_state(Runner(wrapper), state, 'a.pth')


def test_schedulers_of_several_optimizers():
    wrapper = adam()
    schedulers = dict(a=[MultiStepLR(wrapper, [2])])
    state = state_of(wrapper)
    state['param_schedulers'] = dict(a=[schedulers['a'][0].state_dict()])
    check_resume_state(Runner(wrapper, schedulers), state, 'a.pth')
    for other in (dict(a=None), dict(b=[]), []):
        state['param_schedulers'] = other
        assert 'not of the form' in problem(Runner(wrapper, schedulers), state)


@pytest.mark.parametrize(
    'scheduler',
    [
        dict(type='LinearLR', start_factor=0.1, end=5),
        dict(type='MultiStepLR', milestones=[1, 3]),
        dict(type='CosineAnnealingLR', T_max=3),
        dict(
            type='CosineRestartLR',
            periods=[2, 2],
            restart_weights=[1, 0.5],
            eta_min=0,
        ),
        dict(type='PolyLR', eta_min=0.001),
        dict(type='OneCycleLR', eta_max=0.1, total_steps=16, by_epoch=False),
    ],
)
def test_each_scheduler_goes_on(scheduler, tmp_path):
    """Through the hook, and with the rates of a training without a break."""

    def train(folder, **changes):
        runner = toy_runner(
            folder,
            4,
            param_scheduler=scheduler,
            default_hooks=dict(
                checkpoint=dict(type='AtomicCheckpointHook', interval=1)
            ),
            custom_hooks=[dict(type='CheckpointGuardHook')],
            **changes,
        )
        runner.train()
        return runner.optim_wrapper.get_lr()['lr']

    expected = train(tmp_path / 'a')
    found = train(
        tmp_path / 'b', resume=True, load_from=str(tmp_path / 'a/epoch_2.pth')
    )
    assert found == pytest.approx(expected)


def test_nothing_is_written_before_a_refusal(tmp_path):
    toy_runner(tmp_path, epochs=1).train()
    checkpoint = torch.load(tmp_path / 'epoch_1.pth', weights_only=False)
    checkpoint['optimizer'] = dict(state={}, param_groups=[])
    torch.save(checkpoint, tmp_path / 'epoch_1.pth')
    before = (tmp_path / 'epoch_1.pth').read_bytes()
    with pytest.raises(CheckpointError, match='epoch_1.pth cannot be resumed'):
        toy_runner(
            tmp_path,
            epochs=3,
            resume=True,
            custom_hooks=[dict(type='CheckpointGuardHook')],
        ).train()
    assert [p.name for p in tmp_path.glob('*pth')] == ['epoch_1.pth']
    assert (tmp_path / 'epoch_1.pth').read_bytes() == before


ODD = [
    None,
    True,
    5,
    -3,
    10**30,
    0.5,
    float('nan'),
    'x',
    b'q',
    [],
    [1],
    {},
    {1: 2},
    dict(a=1),
    (1,),
    torch.ones(2),
    torch.tensor(3),
    torch.zeros(0),
    np.ones(2),
    np.float64(2),
    HistoryBuffer([1.0], [1]),
    set(),
    torch.float32,
    [[[]]],
]


def places(value, path=()):
    """Ways to everything in a checkpoint."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*path, key)
        if isinstance(item, (dict, list)):
            yield from places(item, (*path, key))


def changed(checkpoint, seed):
    """One part, or two, odd, gone or under another name."""
    rng = random.Random(seed)
    checkpoint = copy.deepcopy(checkpoint)
    for _ in range(rng.choice([1, 1, 2])):
        part = rng.choice(list(checkpoint))
        path = rng.choice([p for p in places(checkpoint) if p[0] == part])
        parent = checkpoint
        for key in path[:-1]:
            parent = parent[key]
        kind = rng.randrange(4)
        if kind == 0:
            del parent[path[-1]]
        elif kind == 1 and isinstance(parent, dict):
            parent[rng.choice([7, None, 'other'])] = parent.pop(path[-1])
        else:
            parent[path[-1]] = rng.choice(ODD)
    return checkpoint


def test_random_changes_are_resumed_from_or_refused_in_a_line(tmp_path):
    """Also in the step, the validation and the checkpoint that follow."""

    def train(folder, epochs, **changes):
        toy_runner(
            folder,
            epochs,
            values=[0.1, 0.2],
            default_hooks=dict(
                checkpoint=dict(
                    type='AtomicCheckpointHook', interval=1, save_best='acc'
                )
            ),
            custom_hooks=[
                dict(type='EMAHook'),
                dict(type='CheckpointGuardHook'),
            ],
            **changes,
        ).train()

    train(tmp_path / 'good', 1)
    good = torch.load(tmp_path / 'good/epoch_1.pth', weights_only=False)
    bad, refused = tmp_path / 'bad.pth', 0
    for seed in range(30):
        torch.save(changed(good, seed), bad)
        try:
            train(tmp_path / f'run{seed}', 2, resume=True, load_from=str(bad))
        except CheckpointError as error:
            assert str(error).startswith(str(bad)) and '\n' not in str(error)
            refused += 1
    assert 10 < refused < 25


def test_the_hook_names_the_file_of_start_weights(tmp_path):
    state = ToyModel().state_dict()
    state['last.weight'] = state['last.weight'].double() + 1e39
    torch.save(state, tmp_path / 'start.pth')
    with pytest.raises(
        CheckpointError, match='start.pth is not a .* beyond its range'
    ):
        toy_runner(
            tmp_path / 'run',
            load_from=str(tmp_path / 'start.pth'),
            custom_hooks=[dict(type='CheckpointGuardHook')],
        ).train()
