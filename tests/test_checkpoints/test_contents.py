# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import copy
from collections import Counter, OrderedDict

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModule
from mmengine.runner import load_checkpoint
from torch import nn

from rpstn_mmpose.checkpoints import CheckpointError, load_weights
from rpstn_mmpose.checkpoints.contents import check_contents, check_kinds
from rpstn_mmpose.checkpoints.safe_globals import RestoredHistory
from tests.test_engine.toy import ToyModel, toy_runner


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp('trained')
    toy_runner(folder, values=[0.5, 0.6]).train()
    return folder / 'epoch_2.pth'


@pytest.fixture()
def good(trained):
    return load_weights(trained)


def problem(checkpoint):
    with pytest.raises(CheckpointError) as caught:
        check_contents(checkpoint, 'a.pth')
    message = str(caught.value)
    start = 'a.pth is not a checkpoint that can be used: '
    end = '. Take another one, e.g. the one before it.'
    assert message.startswith(start) and message.endswith(end)
    return message[len(start) : -len(end)]


def test_what_mmengine_writes_is_fine(good):
    check_contents(good, 'a.pth')


# Parts of another form ------------------------------------------------------
@pytest.mark.parametrize(
    'part, value, words',
    [
        (
            'state_dict',
            [1, 2],
            'state_dict is of type list, not a dict of tens',
        ),
        ('state_dict', None, 'state_dict is of type NoneType, not a dict of'),
        ('state_dict', 'weights', 'state_dict is of type str, not a dict of'),
        (
            'state_dict',
            {1: torch.ones(2)},
            'state_dict has the name 1, of type i',
        ),
        (
            'state_dict',
            {None: torch.ones(2)},
            'state_dict has the name None, of',
        ),
        (
            'state_dict',
            dict(a=np.ones(2)),
            'state_dict.a is of type ndarray, not',
        ),
        (
            'state_dict',
            dict(a=[1.0]),
            'state_dict.a is of type list, not a tensor',
        ),
        (
            'state_dict',
            dict(a=dict(b=torch.ones(1))),
            'state_dict.a is of type d',
        ),
        (
            'ema_state_dict',
            5,
            'ema_state_dict is of type int, not a dict of ten',
        ),
        (
            'ema_state_dict',
            {'module.x': torch.ones(1)},
            'ema_state_dict.module.x has no partner of its shape in '
            'state_dict',
        ),
        (
            'ema_state_dict',
            {'module.last.bias': torch.ones(2)},
            'ema_state_dict.module.last.bias has no partner of its shape in '
            'state_',
        ),
        (
            'ema_state_dict',
            dict(steps=torch.ones(1)),
            'ema_state_dict.steps has no partner of its shape in state_dict',
        ),
        (5, torch.ones(1), 'it has the name 5, of type int'),
        ('meta', None, 'meta is of type NoneType, not a dict'),
        ('meta', [1], 'meta is of type list, not a dict'),
        ('meta', dict(epoch='7'), "meta.epoch is '7', not a count"),
        ('meta', dict(epoch=-3, iter=-3), 'meta.epoch is -3, not a count'),
        ('meta', dict(epoch=1.5), 'meta.epoch is 1.5, not a count'),
        ('meta', dict(epoch=True), 'meta.epoch is True, not a count'),
        ('meta', dict(epoch=None), 'meta.epoch is None, not a count'),
        (
            'meta',
            dict(iter=10**40),
            'meta.iter is ' + '1' + '0' * 39 + ', not a ',
        ),
        ('meta', dict(iter=float('nan')), 'meta.iter is nan, not a count'),
        ('meta', dict(seed='x'), "meta.seed is 'x', not a count"),
        ('meta', dict(seed=2**32), 'meta.seed is 4294967296, not a count'),
        (
            'meta',
            dict(dataset_meta=[1]),
            'meta.dataset_meta is of type list, n',
        ),
        (
            'meta',
            dict(dataset_meta={1: 2}),
            'meta.dataset_meta has names that a',
        ),
        (
            'meta',
            dict(dataset_meta=dict(keypoint_id2name=5)),
            'meta.dataset_meta.keypoint_id2name is of type int',
        ),
        (
            'meta',
            dict(dataset_meta=dict(sigmas='x')),
            'meta.dataset_meta.sigmas is of type str',
        ),
        (
            'meta',
            dict(dataset_meta=dict(classes=3)),
            'meta.dataset_meta.classes is of type int',
        ),
        (
            'message_hub',
            [1],
            'message_hub is not a dict of log_scalars, runtime_',
        ),
        (
            'message_hub',
            None,
            'message_hub is not a dict of log_scalars, runtime',
        ),
        (
            'message_hub',
            dict(log_scalars={}),
            'message_hub is not a dict of log_',
        ),
        (
            'message_hub',
            dict(log_scalars=[], runtime_info={}, resumed_keys={}),
            'message_hub.log_scalars is of type list, not a dict',
        ),
        (
            'message_hub',
            dict(log_scalars={}, runtime_info={1: 2}, resumed_keys={}),
            'message_hub.runtime_info has names that are no text',
        ),
        (
            'message_hub',
            dict(
                log_scalars={},
                runtime_info=dict(best_score='x'),
                resumed_keys={},
            ),
            'message_hub.runtime_info.best_score is of type str, not a number',
        ),
        (
            'message_hub',
            dict(log_scalars={}, runtime_info={}, resumed_keys=dict(a=2.0)),
            'message_hub.resumed_keys.a is of type float',
        ),
    ],
)
def test_odd_forms(part, value, words, good):
    assert problem({**good, part: value}).startswith(words)


def test_ema_without_partners(good):
    ema = {'module.last.bias': good.pop('state_dict')['last.bias']}
    assert (
        'ema_state_dict.module.last.bias has no partner of its shape'
        in problem(dict(good, ema_state_dict=ema))
    )


@pytest.mark.parametrize(
    'part, value',
    [
        ('meta', {}),
        ('meta', dict(epoch=0, iter=0, seed=None, dataset_meta=None)),
        ('meta', dict(CLASSES=('person',), epoch=12)),
        (
            'meta',
            dict(dataset_meta=dict(classes=('person',), palette=[(1, 2)])),
        ),
        ('state_dict', {}),
        ('state_dict', dict(_extra_state=dict(a=1))),
        ('optimizer', None),  # a question only for who resumes
        ('hyper_parameters', dict(lr=0.1, layers=[1, (2, {3})])),
    ],
)
def test_what_others_write_is_fine(part, value, good):
    check_contents({**good, part: value}, 'a.pth')
    assert check_contents(dict(weight=torch.ones(2)), 'a.pth') is None
    assert (
        check_contents(dict(epoch=3, model=dict(w=torch.ones(1))), 'a.pth')
        is None
    )


# Numbers that cannot be right -----------------------------------------------
@pytest.mark.parametrize(
    'dtype', [torch.float32, torch.float64, torch.float16, torch.bfloat16]
)
@pytest.mark.parametrize('value', ['nan', 'inf', '-inf'])
def test_weights_that_are_not_finite(value, dtype, good):
    # Not in one of all numbers: torch.ones would hide a wrong count.
    wrong = torch.ones(3, 4, dtype=dtype)
    wrong[1, 2:] = float(value)
    good['state_dict']['last.weight'] = wrong
    assert problem(good) == (
        'state_dict.last.weight holds NaN or infinity in 2 of its 12 numbers:'
        ' the training had diverged, or the file is damaged'
    )


def test_infinities_of_both_signs_and_large_sums(good):
    wrong = torch.zeros(4)
    wrong[0], wrong[1] = float('inf'), -float('inf')
    assert ' in 2 of its 4 numbers' in problem(dict(a=wrong))
    for large, dtype in (
        (3e38, torch.float32),
        (6e4, torch.float16),
        (1.7e308, torch.float64),
    ):
        large = torch.full((9,), large, dtype=dtype)
        check_contents(dict(a=large), 'a.pth')  # its sum is infinite
    check_contents(dict(a=torch.zeros(0)), 'a.pth')


@pytest.mark.parametrize(
    'place, found',
    [
        (lambda c, v: c['state_dict'].update({'first.bias': v}), True),
        (
            lambda c, v: c.update(
                ema_state_dict={
                    'other.first.bias': v,
                    'steps': torch.tensor(3),
                }
            ),
            True,
        ),
        (lambda c, v: c.update(model=dict(net=dict(b=v))), True),
        (lambda c, v: c.update(best_state_dict=[v]), True),
        (lambda c, v: c['optimizer']['state'][0].update(exp_avg=v), False),
        (lambda c, v: c.update(optimizer_state_dict=dict(a=v)), False),
        (lambda c, v: c['meta'].update(a=v), False),
        (lambda c, v: c['message_hub']['runtime_info'].update(a=v), False),
    ],
)
def test_where_numbers_are_weights(place, found, good):
    place(good, torch.tensor([float('nan'), 1.0]))
    if found:
        assert 'NaN or infinity in 1 of its 2 numbers' in problem(good)
    else:
        check_contents(good, 'a.pth')


@pytest.mark.parametrize(
    'name, dtype, words',
    [
        (
            'last.weight',
            torch.int8,
            'holds int8, not the floating point numbers',
        ),
        (
            'last.bias',
            torch.int64,
            'holds int64, not the floating point numbers',
        ),
        (
            'norm.running_mean',
            torch.bool,
            'holds bool, not the floating point nu',
        ),
        (
            'norm.running_var',
            torch.uint8,
            'holds uint8, not the floating point n',
        ),
        (
            'weight',
            torch.int16,
            'holds int16, not the floating point numbers of',
        ),
        (
            'pos_embed',
            torch.complex64,
            'holds complex64, not the floating point',
        ),
        (
            'last.bias',
            torch.complex128,
            'holds complex128, not the floating poi',
        ),
    ],
)
def test_other_kinds_of_numbers(name, dtype, words, good):
    good['state_dict'][name] = torch.ones(2, 2).to(dtype)
    assert problem(good).startswith(f'state_dict.{name} {words}')


@pytest.mark.parametrize(
    'name, dtype',
    [
        ('norm.num_batches_tracked', torch.int64),
        ('attn.relative_position_index', torch.int64),
        ('mask', torch.bool),
        ('last.weight', torch.float16),
        ('last.bias', torch.bfloat16),
    ],
)
def test_kinds_that_networks_have(name, dtype, good):
    good['state_dict'][name] = torch.ones(2, 2).to(dtype)
    check_contents(good, 'a.pth')


# What is no data ------------------------------------------------------------
@pytest.mark.parametrize(
    'value, shown',
    [
        (HistoryBuffer.max, 'HistoryBuffer.max'),
        (HistoryBuffer, 'HistoryBuffer'),
        (RestoredHistory(), 'of type RestoredHistory'),
        (np.ndarray, 'ndarray'),
        (len, 'len'),
        (object(), 'of type object'),
    ],
)
def test_functions_and_classes_stand_nowhere(value, shown, good):
    for part in (
        good['meta'],
        good['message_hub']['runtime_info'],
        good['param_schedulers'][0],
        good,
    ):
        before = dict(part)
        part['x'] = dict(y=[1, (value,)])
        assert problem(good).endswith(f'x.y.1.0 is {shown}, not data')
        part.clear()
        part.update(before)


def test_the_annealing_function_of_a_scheduler(good):
    from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

    function = OneCycleParamScheduler._annealing_cos
    good['param_schedulers'][0]['anneal_func'] = function
    check_contents(good, 'a.pth')
    good['meta']['anneal_func'] = function
    assert 'meta.anneal_func is OneCycleParamScheduler' in problem(good)


def test_nesting_and_cycles(good):
    good['meta']['x'] = [good['meta']]
    check_contents(good, 'a.pth')
    deep = []
    for _ in range(60):
        deep = [deep]
    good['meta']['x'] = deep
    assert problem(good).endswith('... is nested 50 times')


# Compared with a model ------------------------------------------------------
class Embedding(BaseModule):
    """Entries whose names do not tell their kind."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.pos_embed = nn.Parameter(torch.zeros(2))
        self.register_buffer('index', torch.zeros(2, dtype=torch.int64))
        self.register_buffer('mask', torch.zeros(2, dtype=torch.bool))
        self.small = nn.Parameter(torch.zeros(2, dtype=torch.float16))


@pytest.mark.parametrize(
    'name, value, words',
    [
        (
            'pos_embed',
            torch.ones(2).char(),
            'holds int8, and the model has flo',
        ),
        (
            'pos_embed',
            torch.ones(2).bool(),
            'holds bool, and the model has flo',
        ),
        (
            'pos_embed',
            torch.ones(2) * 1j,
            'holds complex64, and the model has',
        ),
        (
            'index',
            torch.ones(2),
            'holds float32, and the model has int64 there',
        ),
        (
            'mask',
            torch.ones(2).half(),
            'holds float16, and the model has bool',
        ),
        (
            'pos_embed',
            [1.0, 1.0],
            'holds something of type list, and the model h',
        ),
        (
            'small',
            torch.tensor([1.0, -1e5]),
            'holds float32 beyond its range, and',
        ),
        (
            'pos_embed',
            torch.tensor([1e39, 1.0], dtype=torch.float64),
            'holds float64 beyond its range, and the model has float32 there',
        ),
    ],
)
def test_kinds_are_compared(name, value, words, tmp_path):
    start = f'a.pth is not a checkpoint of this Embedding: its entry {name} '
    with pytest.raises(CheckpointError) as caught:
        check_kinds(Embedding(), {name: value}, 'a.pth')
    assert str(caught.value).startswith(start + words)
    # Every way of mmengine's into a model, besides.
    path = tmp_path / 'a.pth'
    torch.save({f'part.{name}': value, name: value}, path)
    model = Embedding(
        init_cfg=dict(type='Pretrained', checkpoint=str(path), prefix='part.')
    )
    before = copy.deepcopy(model.state_dict())
    for load in (
        lambda: load_checkpoint(model, str(path)),
        model.init_weights,
    ):
        with pytest.raises(CheckpointError, match=name):
            load()
    for key, own in model.state_dict().items():
        assert torch.equal(own, before[key])


@pytest.mark.parametrize(
    'name, value',
    [
        ('pos_embed', torch.ones(2).half()),
        ('pos_embed', torch.tensor([3e38, 1.0]).double()),
        ('index', torch.ones(2).int()),
        ('index', torch.ones(2).bool()),
        ('small', torch.tensor([65504.0, 1.0])),
        ('foreign', [1]),
    ],
)
def test_kinds_that_fit(name, value):
    check_kinds(Embedding(), {name: value}, 'a.pth')


def test_averaged_counters_fit():
    model = ToyModel()
    state = model.state_dict()
    state['norm.num_batches_tracked'] = torch.tensor(2.5)
    check_kinds(model, state, 'a.pth')


def test_leaves_of_every_container():
    nan = torch.tensor(float('nan'))
    for value in (OrderedDict(a=nan), [nan], (1, nan), [{'b': (nan,)}]):
        assert 'NaN or infinity in 1 of its 1' in problem(dict(net=value))
    check_contents(dict(net=Counter([1, 1])), 'a.pth')
