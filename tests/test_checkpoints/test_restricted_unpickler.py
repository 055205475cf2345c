# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import io
import pickle
import pickletools
from collections import Counter, OrderedDict

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler
from torch import nn

from rpstn_mmpose.checkpoints import (
    load_weights,
    restricted_unpickler,
    safe_checkpoint,
)
from rpstn_mmpose.checkpoints.restricted_unpickler import (
    allowed_globals,
    global_name,
)
from rpstn_mmpose.checkpoints.safe_globals import (
    DroppedGenerator,
    Refused,
    RestoredHistory,
)

from .pickles import (
    HISTORY,
    RECONSTRUCT,
    SCALAR,
    as_bytes,
    call,
    entry,
    history,
    named,
    put,
    tensor,
    whole,
    write_zip,
)


def load(operations):
    return restricted_unpickler.load(io.BytesIO(whole(operations)))


def refused(operations):
    """What the reader says that the pickle asks for."""
    with pytest.raises(Refused) as caught:
        load(operations)
    return caught.value.what


def float_array(shape=(2,), form=None):
    """Operations for an array of two numbers, and for its state."""
    kind = call('numpy dtype', 'f8', False, True)
    start = call(RECONSTRUCT, named('numpy ndarray'), (0,), as_bytes(b'b'))
    return start, put(form or (1, shape, kind, False, as_bytes(bytes(16))))


def test_the_pickles_of_this_file_are_read_where_nothing_is_wrong():
    array, state = float_array()
    np.testing.assert_array_equal(load(array + state + b'b'), [0.0, 0.0])
    buffer = load(history())
    assert type(buffer) is HistoryBuffer and buffer.max_length == 9
    np.testing.assert_array_equal(buffer.data[0], [3.0, 1.0])
    assert buffer.statistics('max') == 3


@pytest.mark.parametrize(
    'name',
    [
        'os system',
        'posix system',
        'builtins eval',
        '__builtin__ eval',
        'builtins exec',
        'builtins open',
        'builtins bytearray',
        'torch Tensor',
        'torch FloatTensor',
        'torch.nn.parameter Parameter',
        'numpy load',
        'torch.serialization load',
        'torch._utils _rebuild_sparse_tensor',
        'torch._tensor _rebuild_from_type_v2',
        'functools partial',
        'mmengine.config.config Config',
        'rpstn_mmpose.engine.stock_tools main',
    ],
)
def test_names(name):
    module, _, short = name.partition(' ')
    assert refused(named(name)) == global_name(module, short)
    assert refused(call(name, 'x')) == global_name(module, short)


# What may be called ---------------------------------------------------------
def test_call_of_a_method_that_getattr_hands_out():
    method = call('builtins getattr', named(HISTORY), 'max')
    assert load(method) is HistoryBuffer.max
    # 3.0, without the check.
    assert refused(method + put((history(),)) + b'R') == 'a call of max'


@pytest.mark.parametrize(
    'name, args',
    [
        (HISTORY, ([1.0], [1])),
        ('numpy ndarray', ((2,),)),  # two numbers out of freed memory
        (
            'mmengine.optim.scheduler.param_scheduler OneCycleParamScheduler',
            (),
        ),
        ('torch FloatStorage', (2,)),
        ('torch float32', ()),
    ],
)
def test_call_of_what_may_only_be_named(name, args):
    load(named(name))
    args = [
        b']' + put(args[0][0]) + b'a' if isinstance(a, list) else a
        for a in args
    ]
    assert refused(call(name, *args)).startswith('a call of ')


@pytest.mark.parametrize(
    'operations, what',
    [
        (
            call(
                RECONSTRUCT, named('numpy ndarray'), (2**20,), as_bytes(b'b')
            ),
            'an array of another form',
        ),
        (
            call(RECONSTRUCT, named('builtins set'), (0,), as_bytes(b'b')),
            'an array of another form',
        ),
        (call('numpy dtype', 'O8', False, True), 'the NumPy dtype O8'),
        (call('numpy dtype', 'V80', False, True), 'the NumPy dtype V80'),
        (call('numpy dtype', 'f8,O8', False, True), 'the NumPy dtype f8,O8'),
        (call('numpy dtype', 8, False, True), 'the NumPy dtype 8'),
        (
            call(SCALAR, call('numpy dtype', 'f8', False, True), 'x' * 8),
            'a NumPy scalar of another form',
        ),
        (
            call(SCALAR, 'f8', as_bytes(bytes(8))),
            'a NumPy scalar of another form',
        ),
        (call('builtins bytes', 2**20), 'bytes of another form'),
        (call('_codecs encode', 'eA==', 'base64'), 'the codec base64'),
        (call('_codecs encode', 'uryyb', 'rot13'), 'the codec rot13'),
        (
            call('builtins getattr', named(HISTORY), '__init__'),
            "getattr(HistoryBuffer,'__init__')",
        ),
        (
            call('builtins getattr', named('builtins set'), 'add'),
            "getattr(set,'add')",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else 'asks',
)
def test_arguments_of_calls(operations, what):
    assert refused(operations) == what


def test_a_dtype_is_always_a_copy():
    # Its byte order would be set for the whole process.
    dtype = load(
        call('numpy dtype', 'f8', False, False)
        + put((3, '>', None, None, None, -1, -1, 0))
        + b'b'
    )
    assert dtype.byteorder == '>' and np.dtype('f8').byteorder == '='


# What may be built ----------------------------------------------------------
@pytest.mark.parametrize(
    'name, args, shown',
    [
        ('collections OrderedDict', b')', 'OrderedDict'),
        ('collections Counter', b')', 'Counter'),
        ('numpy ndarray', put(((2,),)), 'ndarray'),
        ('torch device', put(('cpu',)), 'device'),
        (HISTORY, put((1,)), 'RestoredHistory'),
    ],
)
def test_new_objects(name, args, shown):
    assert refused(named(name) + args + b'\x81') == f'a new {shown}'


# What may be given state ----------------------------------------------------
def test_state_that_replaces_a_method():
    for cls in ('Counter', 'OrderedDict'):
        made = call(f'collections {cls}') + b'}' + put('items') + put(1)
        assert refused(made + b'sb') == f'a state of {cls}'


@pytest.mark.parametrize(
    'state',
    [
        b'}'
        + put('min')
        + put(1)
        + b's',  # replaces a method of every history
        put((None, b'}' + put('min') + put(1) + b's')),  # likewise, by setattr
    ],
)
def test_state_of_a_class(state):
    before = HistoryBuffer.min
    assert refused(named(HISTORY) + state + b'b') == 'a state of type'
    assert HistoryBuffer.min is before


def test_state_of_a_history():
    """Numbers are taken over, and nothing else."""
    method = call('builtins getattr', named(HISTORY), 'min')
    before = dict(HistoryBuffer._statistics_methods)
    state = history()
    assert state.endswith(b'ub')
    extended = (
        state[:-2]
        + b''.join(
            [
                put('statistics_methods'),
                b'}',
                put('max'),
                method,
                b's',
                put('update'),
                put(5),
                put('__deepcopy__'),
                method,
            ]
        )
        + b'ub'
    )
    buffer = load(extended)
    assert set(vars(buffer)) == {
        'max_length',
        '_log_history',
        '_count_history',
    }
    assert HistoryBuffer._statistics_methods == before
    assert buffer.statistics('max') == 3


@pytest.mark.parametrize(
    'edit',
    [
        lambda state: b'}',
        lambda state: put(('x',)),
        lambda state: state.replace(
            put('max_length') + put(9), put('max_length') + put(-9)
        ),
        lambda state: state.replace(put('_count_history'), put('_counts')),
        lambda state: state.replace(put((2,)), put((2, 1)), 1),
    ],
)
def test_odd_states_of_a_history(edit):
    made = named(HISTORY) + b')\x81'
    state = history()[len(made) : -1]
    assert refused(made + edit(state) + b'b') == 'state of HistoryBuffer'


@pytest.mark.parametrize(
    'values', [torch.ones(2), [1.0, 2.0], np.float64(1), None]
)
def test_values_of_a_history_that_are_no_array(values):
    state = dict(
        _log_history=np.ones(2), _count_history=np.ones(2), max_length=9
    )
    for key in ('_log_history', '_count_history'):
        with pytest.raises(Refused, match='state of HistoryBuffer'):
            RestoredHistory().__setstate__({**state, key: values})


@pytest.mark.parametrize(
    'shape, form',
    [
        ((2**40,), None),
        ((1,), None),
        ((-1, -2), None),
        ((True, 2), None),
        ((2,), (1, (2,), 'f8', False, as_bytes(bytes(16)))),
        ((2,), (2,)),
        ((2,), 'x'),
    ],
)
def test_states_of_an_array(shape, form):
    array, state = float_array(shape, form=form)
    assert refused(array + state + b'b') == 'a state of ndarray'


@pytest.mark.parametrize(
    'state',
    [
        (3, '>', None, None, None, 2**20, -1, 0),
        (3, '>', None, ('a',), None, -1, -1, 0),
        (3, 5, None, None, None, -1, -1, 0),
        (4, '>', None, None, None, -1, -1, 0),
        'x',
    ],
)
def test_states_of_a_dtype(state):
    made = call('numpy dtype', 'f8', False, True)
    assert 'a state of ' in refused(made + put(state) + b'b')


# What may be filled ---------------------------------------------------------
@pytest.fixture(params=['ndarray', 'bytearray', 'HistoryBuffer', 'set'])
def other_target(request, monkeypatch):
    """Operations for an object that is no dict and no list, and a look at
    its content."""
    if request.param == 'ndarray':
        array, state = float_array()
        return request.param, array + state + b'b'
    if request.param == 'HistoryBuffer':
        return request.param, history()
    if request.param == 'set':
        return request.param, call('builtins set', b']' + put(1) + b'a')
    # It cannot be named, but the other checks do not count on that.
    monkeypatch.setitem(
        allowed_globals(), 'builtins.bytearray', lambda: bytearray(b'xx')
    )
    monkeypatch.setattr(
        restricted_unpickler,
        '_callable_ids',
        lambda: {id(allowed_globals()['builtins.bytearray'])},
    )
    return request.param, call('builtins bytearray')


@pytest.mark.parametrize(
    'operations',
    [
        put(0) + put(1) + b's',
        b'(' + put(0) + put(1) + put(1) + put(1) + b'u',
        put(1) + b'a',
        b'(' + put(1) + put(2) + b'e',
    ],
    ids=['SETITEM', 'SETITEMS', 'APPEND', 'APPENDS'],
)
def test_filling(other_target, operations):
    name, target = other_target
    load(target)
    assert refused(target + operations) == f'items of {name}'


@pytest.mark.parametrize(
    'operations',
    [
        b']' + put(0) + put(1) + b's',
        b']' + b'(' + put(0) + put(1) + b'u',
        b'}' + put(1) + b'a',
        call('collections Counter') + b'(' + put(1) + b'e',
    ],
)
def test_filling_dicts_and_lists_as_the_other(operations):
    assert refused(operations).startswith('items of ')


# Which storages may be named ------------------------------------------------
@pytest.mark.parametrize(
    'pid',
    [
        ('module', named('torch FloatStorage'), '0', 'cpu', 2),
        ('storage', named(HISTORY), '0', 'cpu', 2),
        ('storage', named('numpy ndarray'), '0', 'cpu', 2),
        ('storage', named('builtins set'), '0', 'cpu', 2),
        ('storage', named('torch FloatStorage'), 0, 'cpu', 2),
        ('storage', named('torch FloatStorage'), '0', None, 2),
        ('storage', named('torch FloatStorage'), '0', 'cpu', -2),
        ('storage', named('torch FloatStorage'), '0', 'cpu', True),
        ('storage', named('torch FloatStorage'), '0', 'cpu'),
        (),
        'storage',
        5,
    ],
)
def test_persistent_ids(pid):
    seen = []

    class Reader(restricted_unpickler.Unpickler):
        persistent_load = seen.append

    with pytest.raises(Refused, match='a persistent id that names no storage'):
        Reader(io.BytesIO(whole(put(pid) + b'Q'))).load()
    assert seen == []


def test_persistent_id_of_a_storage():
    class Reader(restricted_unpickler.Unpickler):
        def persistent_load(self, pid):
            return torch.storage.TypedStorage(
                wrap_storage=torch.UntypedStorage([0, 0, 128, 63] * 2),
                dtype=pid[1].dtype,
                _internal=True,
            )

    found = Reader(io.BytesIO(whole(tensor()))).load()
    assert torch.equal(found, torch.ones(2))


# All that is allowed --------------------------------------------------------
def everything():
    """A checkpoint with each type that may stand in one."""
    state = nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1)).state_dict()
    assert state._metadata[''] == dict(version=1)
    dtypes = [
        torch.float32,
        torch.float64,
        torch.float16,
        torch.bfloat16,
        torch.int64,
        torch.int32,
        torch.int16,
        torch.int8,
        torch.uint8,
        torch.bool,
    ]
    buffer = HistoryBuffer([4.0, 2.0], [1, 3])
    return dict(
        state_dict=state,
        parameter=nn.Parameter(torch.arange(3.0)),
        view=torch.arange(6.0)[1:].view(5, 1)[::2].t(),
        empty=torch.zeros(0, 3),
        tensors={str(d): torch.tensor([0, 1, 5]).to(d) for d in dtypes},
        dtypes=dtypes,
        device=torch.device('cpu'),
        size=torch.Size([2, 3]),
        milestones=Counter([3, 6, 6]),
        ordered=OrderedDict(b=1, a=(2,)),
        chosen={'x', 'y'},
        plain=[
            None,
            True,
            False,
            5,
            -300,
            2**70,
            0.5,
            'text',
            (),
            (1,),
            (1, 2),
            (1, 2, 3),
            (1, 2, 3, 4),
            b'\xff\x00',
            b'',
            {},
            [],
        ],
        arrays=[
            *(np.array([0, 1, 5]).astype(code) for code in '?bhilqBHILQefd'),
            np.zeros((0, 2)),
            np.arange(4.0).reshape(2, 2).T,
            np.array([1, 2], '>i4'),
        ],
        numbers=[np.float32(0.5), np.float64(0.25), np.int64(7), np.bool_(1)],
        history=buffer,
        param_schedulers=[
            dict(anneal_func=OneCycleParamScheduler._annealing_cos),
            dict(anneal_func=OneCycleParamScheduler._annealing_linear),
        ],
    )


def assert_same(found, expected):
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        assert (
            vars(found) == vars(expected)
            if hasattr(expected, '_metadata')
            else True
        )
        for key in expected:
            assert_same(found[key], expected[key])
    elif isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for item, other in zip(found, expected):
            assert_same(item, other)
    elif isinstance(expected, torch.Tensor):
        assert found.dtype == expected.dtype
        assert torch.equal(found, expected)
    elif isinstance(expected, np.ndarray):
        # NumPy turns the bytes to the machine's order.
        assert found.dtype == expected.dtype.newbyteorder('=')
        np.testing.assert_array_equal(found, expected)
    elif isinstance(expected, HistoryBuffer):
        assert_same(found.data, expected.data)
        for name in ('min', 'max', 'mean', 'current'):
            assert found.statistics(name) == expected.statistics(name)
    else:
        assert found == expected


@pytest.mark.parametrize('zipped', [True, False])
@pytest.mark.parametrize('extends', [True, False])
def test_each_allowed_type_is_read_back(
    extends, zipped, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        safe_checkpoint, '_torch_extends_weights_only', lambda: extends
    )
    path, expected = tmp_path / 'all.pth', everything()
    torch.save(expected, path, _use_new_zipfile_serialization=zipped)
    assert_same(load_weights(path), expected)


def test_each_allowed_name_is_in_that_file(tmp_path):
    path = tmp_path / 'all.pth'
    torch.save(everything(), path)
    reader = torch._C.PyTorchFileReader(str(path))
    used = {
        global_name(*value.split(' ', 1))
        for operation, value, _ in pickletools.genops(
            reader.get_record('data.pkl')
        )
        if operation.name == 'GLOBAL'
    }
    # Complex numbers are only read to be named; the other NumPy's names and
    # an older torch's function have tests of their own; classes of dtypes
    # are there for torch's reader; NumPy's generators have a test below.
    rest = {
        name
        for name in allowed_globals()
        if 'omplex' not in name
        and 'numpy.dtype' not in name
        and not name.startswith(
            ('numpy._core.', 'numpy.core.', 'numpy.random.')
        )
    }
    assert rest <= used
    tensor_names = set(restricted_unpickler.Unpickler.tensor_globals)
    assert tensor_names - used == {'torch._utils._rebuild_tensor'}
    assert used <= set(allowed_globals()) | tensor_names


def test_numpys_generators_are_left_out():
    """As Anatomy3D's authors keep one; older NumPy wrote another name."""
    data = pickle.dumps({'a': np.random.RandomState(5), 'b': 1}, protocol=2)
    for name in (
        b'numpy.random._pickle\n__randomstate_ctor',
        b'numpy.random\n__RandomState_ctor',
    ):
        renamed = data.replace(
            b'numpy.random._pickle\n__randomstate_ctor', name
        )
        loaded = restricted_unpickler.load(io.BytesIO(renamed))
        assert loaded['b'] == 1
        assert not isinstance(loaded['a'], np.random.RandomState)
        assert vars(loaded['a']) == {}


RANDOM = [
    np.random.RandomState(5),
    np.random.RandomState(np.random.PCG64(5)),
    np.random.default_rng(5),
    *(
        getattr(np.random, name)(5)
        for name in ('MT19937', 'PCG64', 'PCG64DXSM', 'Philox', 'SFC64')
    ),
    np.random.SeedSequence(5),
]


@pytest.mark.parametrize('item', RANDOM, ids=lambda item: type(item).__name__)
def test_what_numpy_pickles_itself_is_left_out(item, tmp_path):
    """By torch's reader, as everything is read from torch 2.6 on."""
    path = tmp_path / 'random.pth'
    torch.save(dict(state_dict={'a': torch.ones(2)}, random=item), path)
    loaded = load_weights(path)
    assert torch.equal(loaded['state_dict']['a'], torch.ones(2))
    assert type(loaded['random']) is DroppedGenerator
    assert vars(loaded['random']) == {}


@pytest.mark.parametrize(
    'kind',
    [
        '_mt19937 MT19937',
        '_pcg64 PCG64',
        '_pcg64 PCG64DXSM',
        '_philox Philox',
        '_sfc64 SFC64',
    ],
)
def test_generators_of_numpy_2_are_left_out(kind, tmp_path):
    """Written here as NumPy 2.5 does, whatever NumPy is installed."""
    module = 'numpy.random.bit_generator'
    sequence = call(
        f'{module} __pyx_unpickle_SeedSequence',
        named(f'{module} SeedSequence'),
        1234,
        None,
    )
    sequence += put((5, 4, 0, ())) + b'b'
    bits = call(
        'numpy.random._pickle __bit_generator_ctor',
        named(f'numpy.random.{kind}'),
    )
    bits += put((put({}), sequence)) + b'b'
    for maker in ('__generator_ctor', '__randomstate_ctor'):
        made = call(f'numpy.random._pickle {maker}', bits)
        path = write_zip(tmp_path / f'{maker}.pth', entry(made))
        for loaded in (load(made), load_weights(path)['a']):
            assert type(loaded) is DroppedGenerator and vars(loaded) == {}


@pytest.mark.parametrize(
    'name',
    [
        'numpy.random seed',
        'numpy.random._pickle BitGenerators',
        'numpy.random.mtrand RandomState',
        'numpy.random.bit_generator BitGenerator',
        'numpy.random._mt19937 np',
    ],
)
def test_other_names_beside_the_generators_are_refused(name):
    assert refused(call(name)) == name.replace(' ', '.')
