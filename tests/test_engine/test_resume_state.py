# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import copy

import pytest
import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.optim.scheduler import MultiStepLR
from torch import nn

from rpstn_mmpose.engine import CheckpointError, load_weights
from rpstn_mmpose.engine.resume_state import check_resume_state

from .toy import ToyModel, toy_runner

ADAM = dict(optimizer=dict(type='Adam', lr=.01))


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
    for part in (wrapper.values() if isinstance(wrapper, OptimWrapperDict)
                 else [wrapper]):
        for group in part.param_groups:
            for parameter in group['params']:
                parameter.grad = torch.ones_like(parameter)
        part.optimizer.step()
    state = dict(
        meta=dict(epoch=1, iter=4),
        message_hub=dict(log_scalars={}, runtime_info={}, resumed_keys={}),
        optimizer=wrapper.state_dict())
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
        Runner(wrapper, schedulers), state_of(wrapper, schedulers), 'a.pth')


@pytest.mark.parametrize('part, keys, words', [
    ('meta', None, '(meta.epoch and meta.iter is missing)'),
    ('meta', ['epoch'], '(meta.epoch is missing)'),
    ('message_hub', None, '(message_hub is missing)'),
])
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


@pytest.mark.parametrize('edit, words', [
    (lambda s: change(s, state={}, param_groups=[]),
     'optimizer has 0 parameters in 0 groups, and the config 2 in 1. '),
    (lambda s: change(s, param_groups=s['optimizer']['param_groups'] * 2),
     'optimizer has 4 parameters in 2 groups, and the config 2 in 1. '),
    (lambda s: s['optimizer']['param_groups'][0].update(params=[0]),
     'optimizer has 1 parameters in 1 groups, and the config 2 in 1. '),
    (lambda s: s.update(optimizer=[1]), 'optimizer is of type list, not a d'),
    (lambda s: s.update(optimizer=None), 'optimizer is of type NoneType, no'),
    (lambda s: s.update(optimizer={}), 'optimizer is not of the form of an '),
    (lambda s: change(s, state=[1]), 'optimizer is not of the form of an op'),
    (lambda s: change(s, param_groups=dict(a=1)), 'optimizer is not of the '),
    (lambda s: change(s, param_groups=[1]), 'optimizer is not of the form o'),
    (lambda s: s['optimizer']['param_groups'][0].update(params=2),
     'optimizer is not of the form of an optimizer'),
    (lambda s: s['optimizer']['param_groups'][0].update(lr='x'),
     "optimizer: lr is 'x'"),
    (lambda s: s['optimizer']['param_groups'][0].update(lr=float('nan')),
     'optimizer: lr is nan'),
    (lambda s: s['optimizer']['param_groups'][0].update(betas=(.9, None)),
     'optimizer: betas is (0.9, None)'),
    (lambda s: s['optimizer']['param_groups'][0].update(eps=True),
     'optimizer: eps is True'),
    (lambda s: s['optimizer']['state'][1].update(exp_avg=torch.ones(3)),
     'optimizer: exp_avg of parameter 1 has not the shape of the parameter, '
     '(2,)'),
    (lambda s: s['optimizer']['state'][0].update(exp_avg_sq=[1.]),
     'optimizer: exp_avg_sq of parameter 0 has not the shape'),
    (lambda s: s['optimizer']['state'].update({1: 5}),
     'optimizer: the state of a parameter is no dict'),
    (lambda s: s['optimizer']['param_groups'][0].update(params=['0', '1']),
     'optimizer: the state of a parameter is no dict'),
    (lambda s: change(s, loss_scaler=[1]),
     'optimizer.loss_scaler is not a dict of numbers'),
    (lambda s: change(s, loss_scaler=dict(scale='x')),
     'optimizer.loss_scaler is not a dict of numbers'),
])
def test_odd_optimizers(edit, words):
    wrapper = adam()
    state = state_of(wrapper)
    edit(state)
    assert problem(Runner(wrapper), state).startswith(words)


def test_another_optimizer():
    model = nn.Linear(3, 2)
    sgd = OptimWrapper(torch.optim.SGD(model.parameters(), lr=.1))
    assert problem(Runner(adam(model)), state_of(sgd)).startswith(
        'optimizer is not of Adam: it has no betas')
    assert problem(Runner(sgd), state_of(adam(model))).startswith(
        'optimizer is not of SGD: it has no momentum')


@pytest.mark.parametrize('edit', [
    # A fresh parameter, an older torch, a scheduler that is new.
    lambda s: s['optimizer']['state'].pop(1),
    lambda s: s['optimizer']['param_groups'][0].pop('capturable', None),
    lambda s: s['optimizer']['param_groups'][0].pop('initial_lr', None),
    lambda s: s['optimizer']['param_groups'][0].update(lr=torch.tensor(.1)),
    lambda s: change(s, loss_scaler=dict(scale=65536., _growth_tracker=3)),
    lambda s: s.pop('optimizer'),
])
def test_what_torch_can_deal_with(edit):
    wrapper = adam()
    schedulers = [MultiStepLR(wrapper, [2, 4])]
    state = state_of(wrapper, schedulers)
    edit(state)
    check_resume_state(Runner(wrapper, schedulers), state, 'a.pth')


def test_several_optimizers():
    wrapper = OptimWrapperDict(a=adam(), b=adam(nn.Linear(2, 2)))
    state = state_of(wrapper)
    check_resume_state(Runner(wrapper), state, 'a.pth')
    broken = copy.deepcopy(state)
    broken['optimizer']['b']['state'][0]['exp_avg'] = torch.ones(5)
    assert problem(Runner(wrapper), broken).startswith(
        'optimizer.b: exp_avg of parameter 0 has not the shape')
    del state['optimizer']['b']
    assert problem(Runner(wrapper), state).startswith(
        "optimizer has the parts ['a'], and the config ['a', 'b']")


@pytest.mark.parametrize('edit, words', [
    (lambda s: s.update(param_schedulers=None),
     'param_schedulers is not of the form that the config gives it'),
    (lambda s: s.update(param_schedulers=[1]),
     'param_schedulers is not of the form that the config gives it'),
    (lambda s: s.update(param_schedulers=dict(a=[])),
     'param_schedulers is not of the form that the config gives it'),
    (lambda s: s['param_schedulers'][0].update(step=5),
     'param_schedulers: step is 5'),
    (lambda s: s['param_schedulers'][0].update(_get_value='x'),
     "param_schedulers: _get_value is 'x'"),
    (lambda s: s['param_schedulers'][0].update(optimizer={}),
     'param_schedulers: optimizer is {}'),
    (lambda s: s['param_schedulers'][0].update({5: 5}),
     'param_schedulers: 5 is 5'),
    (lambda s: s['param_schedulers'][0].update(last_step='3'),
     "param_schedulers: last_step is '3'"),
    (lambda s: s['param_schedulers'][0].update(base_values=[None]),
     'param_schedulers: base_values is [None]'),
    (lambda s: s['param_schedulers'][0].update(milestones=[2]),
     'param_schedulers: milestones is [2]'),
])
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
        assert 'not of the form' in problem(
            Runner(wrapper, schedulers), state)


@pytest.mark.parametrize('scheduler', [
    dict(type='LinearLR', start_factor=.1, end=5),
    dict(type='MultiStepLR', milestones=[1, 3]),
    dict(type='CosineAnnealingLR', T_max=3),
    dict(type='CosineRestartLR', periods=[2, 2], restart_weights=[1, .5],
         eta_min=0),
    dict(type='PolyLR', eta_min=.001),
    dict(type='OneCycleLR', eta_max=.1, total_steps=16, by_epoch=False),
])
def test_each_scheduler_goes_on(scheduler, tmp_path):
    """Through the hook, and with the rates of a training without a break."""
    def train(folder, **changes):
        runner = toy_runner(
            folder, 4, param_scheduler=scheduler,
            default_hooks=dict(
                checkpoint=dict(type='AtomicCheckpointHook', interval=1)),
            custom_hooks=[dict(type='CheckpointGuardHook')], **changes)
        runner.train()
        return runner.optim_wrapper.get_lr()['lr']

    expected = train(tmp_path / 'a')
    found = train(tmp_path / 'b', resume=True,
                  load_from=str(tmp_path / 'a/epoch_2.pth'))
    assert found == pytest.approx(expected)


def test_nothing_is_written_before_a_refusal(tmp_path):
    toy_runner(tmp_path, epochs=1).train()
    path = tmp_path / 'epoch_1.pth'
    checkpoint = torch.load(path, weights_only=False)
    checkpoint['optimizer'] = dict(state={}, param_groups=[])
    torch.save(checkpoint, path)
    before = {p: p.read_bytes() for p in tmp_path.glob('*pth')}
    with pytest.raises(CheckpointError,
                       match='epoch_1.pth cannot be resumed fro'):
        toy_runner(tmp_path, epochs=3, resume=True,
                   custom_hooks=[dict(type='CheckpointGuardHook')]).train()
    assert {p: p.read_bytes() for p in tmp_path.glob('*pth')} == before
    assert load_weights(path)['meta']['epoch'] == 1


def test_the_hook_names_the_file_of_start_weights(tmp_path):
    state = ToyModel().state_dict()
    state['last.weight'] = state['last.weight'].double() + 1e39
    torch.save(state, tmp_path / 'start.pth')
    with pytest.raises(CheckpointError,
                       match='start.pth is not a .* beyond its range'):
        toy_runner(tmp_path / 'run', load_from=str(tmp_path / 'start.pth'),
                   custom_hooks=[dict(type='CheckpointGuardHook')]).train()
