# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import io
import pickle
import random
import tarfile
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from rpstn_mmpose.checkpoints import (
    CheckpointError,
    load_weights,
    rehearsal,
    safe_checkpoint,
)
from rpstn_mmpose.checkpoints.rehearsal import rehearse

from .pickles import (
    Call,
    as_bytes,
    call,
    entry,
    history,
    named,
    put,
    tensor,
    write_legacy,
    write_zip,
)

ONES = bytes([0, 0, 128, 63]) * 2  # two times 1.0


@pytest.fixture(params=['weights_only', 'restricted_unpickler'])
def reader(request, monkeypatch):
    """Both ways of reading: torch >= 2.6 and older."""
    if request.param == 'restricted_unpickler':
        monkeypatch.setattr(
            safe_checkpoint, '_torch_extends_weights_only', lambda: False
        )
    return request.param


def error_of(path):
    with pytest.raises(CheckpointError) as caught:
        load_weights(path)
    message = str(caught.value)
    assert message.startswith(str(path)) and '\n' not in message
    return message[len(str(path)) :].strip()


def numbers(content=ONES, count=2):
    return count.to_bytes(8, 'little') + content


@pytest.mark.parametrize(
    'write',
    [
        lambda path: write_zip(path, entry(tensor()), {'0': ONES}),
        lambda path: write_legacy(
            path, entry(tensor()).replace(b'tQ', b'NtQ'), '0', numbers()
        ),
    ],
)
def test_the_files_of_this_module_are_read_where_nothing_is_wrong(
    write, tmp_path, reader
):
    found = load_weights(write(tmp_path / 'good.pth'))
    assert torch.equal(found['a'], torch.ones(2))


# Claims ---------------------------------------------------------------------
@pytest.mark.parametrize(
    'claim',
    [
        dict(numel=2**36),
        dict(numel=1),
        dict(size=(3,)),
        dict(size=(2**12, 2**12), stride=(0, 0)),  # two numbers, 64 MB
        dict(offset=1),
        dict(stride=(2,)),
        dict(key='1'),
        dict(storage='torch DoubleStorage'),
    ],
)
def test_claims_of_more_than_there_is(claim, tmp_path, reader):
    path = write_zip(tmp_path / 'a.pth', entry(tensor(**claim)), {'0': ONES})
    assert 'claims' in error_of(path)
    path = write_legacy(
        tmp_path / 'b.pth',
        entry(tensor(**claim)).replace(b'tQ', b'NtQ'),
        claim.get('key', '0') if claim.get('key') != '1' else '0',
        numbers(),
    )
    assert 'cut short, damaged or is not one (' in error_of(path)


@pytest.mark.parametrize(
    'change, what',
    [
        (dict(size=(-2,), stride=(-1,)), 'a tensor of another form'),
        (dict(size=(2,), stride=(1, 1)), 'a tensor of another form'),
        (dict(offset=True), 'a tensor of another form'),
        (
            dict(
                hooks=b'}'
                + put(0)
                + named('torch.device'.replace('.', ' '))
                + b's'
            ),
            'hooks of a tensor',
        ),
        (dict(hooks=put('x')), 'hooks of a tensor'),
    ],
)
def test_other_tensors(change, what, tmp_path, reader):
    path = write_zip(tmp_path / 'a.pth', entry(tensor(**change)), {'0': ONES})
    assert error_of(path).startswith(f'was refused: it asks for {what}, ')


def test_tensors_with_attributes_and_parameters(tmp_path, reader):
    made = tensor()
    assert made.endswith(b'tR')
    path = write_zip(
        tmp_path / 'a.pth',
        entry(made[:-2] + b'}' + put('conj') + b'\x88stR'),
        {'0': ONES},
    )
    assert 'asks for a tensor with attributes, ' in error_of(path)
    build = 'torch._utils _rebuild_parameter'
    none = call('collections OrderedDict')
    path = write_zip(
        tmp_path / 'b.pth', entry(call(build, made, True, none)), {'0': ONES}
    )
    assert isinstance(load_weights(path)['a'], nn.Parameter)
    for args, what in (
        (('x', True, none), 'a parameter of another form'),
        ((made, True, put('x')), 'hooks of a tensor'),
    ):
        path = write_zip(
            tmp_path / 'c.pth', entry(call(build, *args)), {'0': ONES}
        )
        assert f'asks for {what}, ' in error_of(path)


def test_views_of_the_old_format(tmp_path, reader):
    def write(view):
        made = entry(tensor(numel=2, size=(1,), stride=(1,)))
        return write_legacy(
            tmp_path / 'a.pth',
            made.replace(b'tQ', put(view) + b'tQ'),
            '0',
            numbers(bytes(4) + ONES[:4]),
        )

    assert load_weights(write(('v', 1, 1)))['a'].tolist() == [1]
    for view in (('v', 1, 2), ('v', -1, 1), ('v', 0, 2**40)):
        assert 'claims more of the storage 0' in error_of(write(view))
    assert 'cannot be read' in error_of(write(5))


OTHER_LIST = 'its list of storages is another one'
OTHER_LENGTH = 'the storage 0 has another length than it claims'


@pytest.mark.parametrize(
    'keys, content, words',
    [
        ('', b'', OTHER_LIST),
        ('1', numbers(), OTHER_LIST),
        ('00', numbers() * 2, OTHER_LIST),
        ([0], numbers(), OTHER_LIST),
        ('0', numbers()[:-1], OTHER_LENGTH),
        ('0', numbers(count=3), OTHER_LENGTH),
        ('0', numbers(count=1), OTHER_LENGTH),
        ('0', b'', OTHER_LENGTH),
    ],
)
def test_storages_of_the_old_format(keys, content, words, tmp_path, reader):
    path = write_legacy(
        tmp_path / 'a.pth',
        entry(tensor()).replace(b'tQ', b'NtQ'),
        keys,
        content,
    )
    assert f'({words})' in error_of(path)


def test_one_storage_with_two_lengths(tmp_path, reader):
    both = entry(tensor()) + put('b') + tensor(numel=1, size=(1,)) + b's'
    path = write_zip(tmp_path / 'a.pth', both, {'0': ONES})
    assert 'it names the storage 0 twice' in error_of(path)


# Archives -------------------------------------------------------------------
def test_compressed_archive(tmp_path, reader):
    """10 MB in 10 kB; torch itself would unpack them."""
    path = write_zip(
        tmp_path / 'a.pth',
        entry(tensor(numel=10**6, size=(10**6,))),
        {'0': bytes(4 * 10**6)},
        zipfile.ZIP_DEFLATED,
    )
    assert path.stat().st_size < 10**4
    tracemalloc.start()
    message = error_of(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 'its entry archive/data.pkl is compressed' in message
    assert peak < 10**6


def rewrite(path, edit):
    data = bytearray(path.read_bytes())
    edit(data)
    path.write_bytes(data)
    return path


def test_an_entry_of_another_length(tmp_path, reader):
    """One entry's length in the directory, with room for its claim: only
    the whole tells."""
    path = write_zip(
        tmp_path / 'a.pth',
        entry(tensor(numel=500, size=(2,))),
        {'0': ONES, '1': bytes(3000)},
    )

    def grow(data):
        start = data.index(b'archive/data/0', data.index(b'PK\x01\x02')) - 46
        data[start + 20 : start + 28] = (2000).to_bytes(4, 'little') * 2

    assert 'entries claim another length than the file' in error_of(
        rewrite(path, grow)
    )


def test_names_that_differ_in_case(tmp_path, reader):
    """torch would read the first that it finds, whatever its case."""
    path = write_zip(tmp_path / 'a.pth', entry(tensor()), {'0': ONES})
    with zipfile.ZipFile(path, 'a') as archive:
        archive.writestr('archive/DATA.PKL', b'\x80\x02}.')
    assert 'two entries have one name' in error_of(path)


def test_something_in_front_of_the_archive(tmp_path, reader):
    path = write_zip(tmp_path / 'a.pth', entry(tensor()), {'0': ONES})
    path.write_bytes(b'PK\x03\x04' + bytes(60) + path.read_bytes())
    assert 'claim another length than the file' in error_of(path)


def test_streams_are_left_where_they_were(tmp_path, reader):
    path = tmp_path / 'a.pth'
    for zipped in (True, False):
        torch.save(
            dict(a=torch.ones(2)), path, _use_new_zipfile_serialization=zipped
        )
        stream = io.BytesIO(path.read_bytes())
        rehearse(stream, 'a stream')
        assert stream.tell() == 0
        assert torch.equal(load_weights(stream)['a'], torch.ones(2))
    with open(path, 'rb') as stream:
        assert torch.equal(load_weights(stream)['a'], torch.ones(2))


def flipped(data, seed):
    """1 to 50 bits of the file turned."""
    rng = random.Random(seed)
    data = bytearray(data)
    for _ in range(rng.choice([1, 2, 5, 50])):
        place = rng.randrange(len(data))
        data[place] ^= 1 << rng.randrange(8)
    return data


@pytest.fixture(scope='module')
def weights():
    stream = io.BytesIO()
    torch.manual_seed(1)
    state = nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.Linear(16, 60)
    ).state_dict()
    torch.save(dict(state_dict=state, meta=dict(epoch=3)), stream)
    return stream.getvalue()


def test_flipped_bits(weights, tmp_path):
    """What is read is what was written; there is room between entries where
    a bit means nothing."""
    path = tmp_path / 'flipped.pth'
    before = load_weights(io.BytesIO(weights))
    refused = 0
    for seed in range(200):
        path.write_bytes(flipped(weights, seed))
        try:
            found = load_weights(path)
        except CheckpointError as error:
            assert str(error).startswith(str(path))
            refused += 1
            continue
        assert found['meta'] == before['meta']
        assert list(found['state_dict']) == list(before['state_dict'])
        for name, value in before['state_dict'].items():
            assert torch.equal(found['state_dict'][name], value)
    assert refused > 120


def test_each_byte_of_a_tensor_counts(weights, tmp_path):
    path = tmp_path / 'flipped.pth'
    with zipfile.ZipFile(io.BytesIO(weights)) as archive:
        content = archive.read('archive/data/0')
    start = weights.index(content)
    for place in range(start, start + len(content), 97):
        data = bytearray(weights)
        data[place] ^= 1
        path.write_bytes(data)
        assert 'the checksum of its entry archive/data/0 is wrong' in error_of(
            path
        )


# Memory ---------------------------------------------------------------------
@pytest.mark.parametrize(
    'make',
    [
        lambda n: b'}' * n,
        lambda n: (
            named('collections OrderedDict') + b'q\x00' + b'h\x00)R' * (n // 3)
        ),
    ],
)
def test_more_objects_than_any_checkpoint_has(
    make, tmp_path, monkeypatch, reader
):
    monkeypatch.setattr(rehearsal, 'MAX_OPERATIONS', 3000)
    path = write_zip(tmp_path / 'a.pth', b'](' + make(2900) + b'e0}')
    assert 'holds more than' not in error_of(path)
    path = write_zip(tmp_path / 'a.pth', b'](' + make(30_000) + b'e')
    assert 'it holds more than 3,000 objects' in error_of(path)


@pytest.mark.parametrize(
    'operations',
    [
        call('builtins bytearray', 2**38),
        call('numpy ndarray', (2**38,)),
        call('torch Tensor', 2**38),
        call(
            'numpy.core.multiarray _reconstruct',
            named('numpy ndarray'),
            (2**38,),
            as_bytes(b'b'),
        ),
        b'X' + (2**32 - 1).to_bytes(4, 'little') + b'x',
    ],
)
def test_claims_of_memory(operations, tmp_path, reader):
    for write in (write_zip, write_legacy):
        path = write(tmp_path / 'a.pth', entry(operations))
        tracemalloc.start()
        error_of(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2 * 10**6 or write is write_legacy


def test_lack_of_memory_is_one_line(tmp_path, monkeypatch):
    path = tmp_path / 'a.pth'
    torch.save(dict(a=torch.ones(1)), path)
    for error, words in (
        (MemoryError(), 'cannot be loaded: MemoryError'),
        (
            RuntimeError("can't allocate memory:\n9 GB"),
            "cannot be loaded: can't allocate memory:",
        ),
    ):

        def fail(*args, error=error, **kwargs):
            raise error

        monkeypatch.setattr(torch, 'load', fail)
        assert error_of(path) == words


# Other files ----------------------------------------------------------------
def test_files_of_other_kinds_are_named(tmp_path, reader):
    script = tmp_path / 'script.pth'
    torch.jit.script(nn.Linear(2, 2)).save(str(script))
    assert error_of(script).startswith('is a TorchScript archive, ')
    tar = tmp_path / 'tar.pth'
    with tarfile.open(tar, 'w') as archive:
        archive.add(script, 'script.pth')
    assert error_of(tar).startswith('is a tar archive, ')
    with open(tar, 'rb') as stream, pytest.raises(
        CheckpointError, match='is a tar archive'
    ):
        load_weights(stream)
    zeros = tmp_path / 'zeros.pth'
    zeros.write_bytes(bytes(20_000))  # after a power cut
    assert 'cut short, damaged or is not one' in error_of(zeros)


@pytest.mark.parametrize('protocol', range(5))
def test_plain_pickles(protocol, tmp_path, reader):
    path = tmp_path / 'plain.pkl'
    for content in (
        dict(a=[1.5, 'x', {2, 3}]),
        'text',
        np.arange(3, dtype=np.float32),
    ):
        path.write_bytes(pickle.dumps(content, protocol))
        assert error_of(path).startswith('is a plain pickle, ')


@pytest.mark.parametrize('protocol', range(5))
@pytest.mark.parametrize(
    'function, args, named',
    [
        ('os', ['touch {}'], 'posix.system'),
        ('eval', ['open({!r}, "w")'], 'builtins.eval'),
        # io.open or, in some builds of Python, _io.open
        ('open', ['{}', 'w'], f'{open.__module__}.open'),
    ],
)
def test_hostile_plain_pickles_are_said_to_be_refused(
    protocol, function, args, named, tmp_path, reader
):
    import os

    function = dict(os=os.system, eval=eval, open=open)[function]
    target, path = tmp_path / 'ran', tmp_path / 'plain.pkl'
    content = Call(function, *[text.format(str(target)) for text in args])
    path.write_bytes(pickle.dumps(dict(state_dict=content), protocol))
    assert error_of(path).startswith(f'was refused: it asks for {named}, ')
    assert not target.exists()


@pytest.mark.parametrize(
    'operations, what',
    [
        (b'(' + put('touch ran') + b'ios\nsystem\n', 'os.system'),
        (
            put('os') + put('system') + b'\x93' + put(('touch ran',)) + b'R',
            'os.system',
        ),
        (
            b'(cmmengine.logging.history_buffer\nHistoryBuffer\no',
            'the pickle operation OBJ',
        ),
        (b'(imm\nx\n', 'mm.x'),
        (b'\x82\x01', 'the pickle operation EXT1'),
        (b'\x95' + bytes(8) + b'}', 'the pickle operation FRAME'),
        (b'\xff', 'the pickle operation 0xff'),
        (b'\x8f', 'the pickle operation EMPTY_SET'),
        (b'Ptext\n', 'the pickle operation PERSID'),
    ],
)
def test_other_operations_of_pickle(operations, what, tmp_path, reader):
    for write in (write_zip, write_legacy):
        path = write(tmp_path / 'a.pth', entry(operations))
        if what.endswith('0xff'):
            assert 'cannot be read as a checkpoint' in error_of(path)
        else:
            assert error_of(path).startswith(
                f'was refused: it asks for {what}, '
            )


def test_newer_protocol_says_so(tmp_path, reader):
    path = tmp_path / 'a.pth'
    torch.save(dict(a=torch.ones(1)), path, pickle_protocol=4)
    assert 'asks for the pickle operation FRAME' in error_of(path)


def test_messages_cannot_steer_the_terminal(tmp_path, reader):
    path = write_zip(tmp_path / 'a.pth', named('os \x1b[2Jclear\x07'))
    assert 'asks for os.?[2Jclear?, ' in error_of(path)


def test_a_history_with_foreign_parts_is_not_cut_short(tmp_path, reader):
    path = write_zip(
        tmp_path / 'a.pth',
        entry(
            history().replace(
                put('max_length') + put(9), put('max_length') + put('x')
            )
        ),
    )
    assert error_of(path).startswith(
        'was refused: it asks for state of HistoryBuffer, '
    )


# Anything at all ------------------------------------------------------------
def changed(data, seed):
    """Bytes replaced, removed, doubled and put in, often by operations."""
    rng = random.Random(seed)
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5])):
        place = rng.randrange(len(data))
        kind = rng.randrange(4)
        new = bytes(
            rng.choice(b'cR\x81bsuaeQhqKM(t)}].N\x88\x00\x01\xff')
            for _ in range(rng.randrange(1, 5))
        )
        if kind == 0:
            data[place : place + 1] = new[:1]
        elif kind == 1:
            del data[place : place + rng.randrange(1, 9)]
        elif kind == 2:
            data[place:place] = new
        else:
            start = rng.randrange(len(data))
            data[place:place] = data[start : start + rng.randrange(30)]
    return bytes(data)


def test_changed_pickles_are_read_or_refused_in_a_line(tmp_path, reader):
    """With a right checksum: what a fault in a program, or ill will, may
    write."""
    path, bad = tmp_path / 'good.pth', tmp_path / 'bad.pth'
    torch.save(
        dict(
            state_dict=nn.BatchNorm1d(3).state_dict(),
            meta=dict(epoch=3, names=['a', 'b'], size=(1, 2)),
            array=np.arange(3.0),
            number=np.float32(1),
        ),
        path,
    )
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    refused = 0
    for seed in range(250):
        with zipfile.ZipFile(bad, 'w') as archive:
            for name, content in entries.items():
                if name.endswith('data.pkl'):
                    content = changed(content, seed)
                archive.writestr(name, content)
        try:
            load_weights(bad)
        except CheckpointError as error:
            assert str(error).startswith(str(bad)) and '\n' not in str(error)
            refused += 1
    assert refused > 200
