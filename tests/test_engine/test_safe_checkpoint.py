# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModule
from mmengine.runner import CheckpointLoader, load_checkpoint
from torch import nn

from rpstn_mmpose.engine import (CheckpointError, load_weights,
                                 safe_checkpoint)
from rpstn_mmpose.engine.safe_globals import (OneCycleName,
                                              restricted_getattr)

from .toy import toy_runner


class Call:
    """Pickles as the call of a function."""

    def __init__(self, function, *args) -> None:
        self.call = (function, args)

    def __reduce__(self):
        return self.call


@pytest.fixture(params=['weights_only', 'restricted_unpickler'])
def reader(request, monkeypatch):
    """Both ways of reading: torch >= 2.6 and older."""
    if request.param == 'restricted_unpickler':
        monkeypatch.setattr(safe_checkpoint, '_torch_extends_weights_only',
                            lambda: False)
    return request.param


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A checkpoint that mmengine's own hook wrote."""
    folder = tmp_path_factory.mktemp('trained')
    toy_runner(
        folder,
        values=[.5, .6],
        default_hooks=dict(
            checkpoint=dict(type='mmengine.CheckpointHook'))).train()
    return folder / 'epoch_2.pth'


def hostile_contents(target):
    """What a file could try; each would make ``target`` if it were run."""
    make = f'open({str(target)!r}, "w").close()'
    return {
        'system': Call(os.system, f'touch {target}'),
        'eval': Call(eval, make),
        'exec': Call(exec, make),
        'open': Call(open, str(target), 'w'),
        'getattr of globals': Call(getattr, HistoryBuffer.min, '__globals__'),
        'getattr of class': Call(getattr, HistoryBuffer, '__init__'),
        'getattr of torch': Call(getattr, torch.Tensor, 'tofile'),
        'getattr of str': Call(getattr, 'x', 'format'),
        'numpy load': Call(np.load, str(target)),
        'module': nn.Linear(2, 2),
    }


@pytest.mark.parametrize('zipped', [True, False])
@pytest.mark.parametrize('kind', list(hostile_contents('x')))
def test_hostile_content_is_refused_and_not_run(kind, zipped, reader,
                                                tmp_path):
    target = tmp_path / 'made'
    path = tmp_path / 'hostile.pth'
    torch.save(
        dict(state_dict=dict(a=torch.ones(2)),
             meta=hostile_contents(target)[kind]),
        path,
        _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError) as caught:
        CheckpointLoader.load_checkpoint(str(path))
    message = str(caught.value)
    assert message.startswith(f'{path} was refused: it asks for ')
    assert '\n' not in message
    assert not target.exists()


def test_the_hostile_content_would_run_otherwise(tmp_path):
    # Guards the test above: the same bytes do make the file when trusted.
    target = tmp_path / 'made'
    data = pickle.dumps(hostile_contents(target)['system'])
    pickle.loads(data)
    assert target.exists()


@pytest.mark.parametrize('pickled', [
    # BUILD on a class: would replace its methods.
    b'\x80\x02cmmengine.logging.history_buffer\nHistoryBuffer\n'
    b'N}X\x03\x00\x00\x00minK\x01s\x86b.',
    # INST: a call in one opcode.
    b'(Vecho\nios\nsystem\n.',
    # OBJ: likewise, of a class that is allowed by name.
    b'(cmmengine.logging.history_buffer\nHistoryBuffer\no.',
    # SETITEM on an object that is not a dict.
    b'\x80\x02cmmengine.logging.history_buffer\nHistoryBuffer\n'
    b'X\x03\x00\x00\x00minK\x01s.',
])
def test_crafted_opcodes_are_refused(pickled, reader, tmp_path):
    # The format before torch 1.6: four pickles, the third of them free.
    path = tmp_path / 'crafted.pth'
    head = (torch.serialization.MAGIC_NUMBER,
            torch.serialization.PROTOCOL_VERSION, {})
    path.write_bytes(b''.join(pickle.dumps(item, 2) for item in head) +
                     pickled + pickle.dumps([], 2))
    before = dict(vars(HistoryBuffer))
    with pytest.raises(CheckpointError, match='crafted.pth'):
        load_weights(str(path))
    assert dict(vars(HistoryBuffer)) == before


def test_own_checkpoint_is_read(trained, reader):
    loaded = CheckpointLoader.load_checkpoint(str(trained), 'cpu')
    assert loaded['meta']['epoch'] == 2
    assert loaded['state_dict']['first.weight'].shape == (4, 3)
    meta = loaded['meta']['dataset_meta']
    np.testing.assert_array_equal(meta['sigmas'],
                                  np.array([.1, .2], np.float32))
    assert meta['number'] == .5
    history = loaded['message_hub']['log_scalars']['train/loss']
    assert isinstance(history, HistoryBuffer)
    # Two epochs of 16 samples in batches of 4.
    assert len(history.data[0]) == 8
    assert history.statistics('max') == history.data[0].max()


@pytest.mark.parametrize('scheduler', [
    dict(type='OneCycleLR', eta_max=.1, total_steps=10),
    dict(type='CosineAnnealingLR', T_max=3),
    dict(type='PolyLR', eta_min=.001),
])
def test_schedulers_are_read(scheduler, reader, tmp_path):
    toy_runner(tmp_path, epochs=1, param_scheduler=scheduler).train()
    loaded = CheckpointLoader.load_checkpoint(str(tmp_path / 'epoch_1.pth'))
    assert len(loaded['param_schedulers']) == 1


def test_numpy_2_names_are_read(reader, tmp_path):
    path = tmp_path / 'numpy2.pth'
    torch.save(
        dict(number=np.float64(1.5), array=np.arange(3)),
        path,
        _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    old, new = b'numpy.core.multiarray', b'numpy._core.multiarray'
    path.write_bytes(
        data.replace(new, old) if new in data else data.replace(old, new))
    loaded = load_weights(path)
    assert loaded['number'] == 1.5
    np.testing.assert_array_equal(loaded['array'], [0, 1, 2])


def test_plain_state_dict_and_old_format_are_read(reader, tmp_path):
    path = tmp_path / 'plain.pth'
    state = OrderedDict(a=torch.arange(3.), b=nn.Parameter(torch.ones(2)))
    torch.save(state, path, _use_new_zipfile_serialization=False)
    loaded = load_weights(path)
    assert torch.equal(loaded['a'], torch.tensor([0., 1., 2.]))
    assert isinstance(loaded['b'], nn.Parameter)


@pytest.mark.parametrize('keep', [0, 1, 100, .5, -1])
def test_cut_short_file(keep, reader, tmp_path):
    path = tmp_path / 'cut.pth'
    torch.save(dict(a=torch.zeros(1000)), path)
    data = path.read_bytes()
    if isinstance(keep, float):
        keep = int(len(data) * keep)
    path.write_bytes(data[:keep])
    with pytest.raises(CheckpointError) as caught:
        CheckpointLoader.load_checkpoint(str(path))
    assert str(caught.value).startswith(
        f'{path} cannot be read as a checkpoint: it is cut short')
    assert '\n' not in str(caught.value)


def test_other_files(reader, tmp_path):
    text = tmp_path / 'text.pth'
    text.write_text('hello world\n')
    with pytest.raises(CheckpointError, match='text.pth cannot be read'):
        load_weights(text)
    script = tmp_path / 'script.pth'
    torch.jit.script(nn.Linear(2, 2)).save(str(script))
    with pytest.raises(CheckpointError, match='TorchScript'):
        load_weights(script)
    listed = tmp_path / 'list.pth'
    torch.save([torch.ones(1)], listed)
    with pytest.raises(CheckpointError, match='holds a list'):
        load_weights(listed)


def test_missing_file(tmp_path):
    for path in (tmp_path / 'missing.pth', tmp_path):
        with pytest.raises(FileNotFoundError, match=str(path)):
            CheckpointLoader.load_checkpoint(str(path))


def test_init_cfg_and_load_checkpoint(trained, tmp_path):
    class Part(BaseModule):

        def __init__(self, init_cfg) -> None:
            super().__init__(init_cfg)
            self.weight = nn.Parameter(torch.zeros(4, 3))
            self.bias = nn.Parameter(torch.zeros(4))

    expected = torch.load(trained, weights_only=True)['state_dict']
    part = Part(
        dict(type='Pretrained', checkpoint=str(trained), prefix='first.'))
    part.init_weights()
    assert torch.equal(part.weight, expected['first.weight'])
    model = nn.Sequential(OrderedDict(last=nn.Linear(4, 1)))
    load_checkpoint(model, str(trained))
    assert torch.equal(model.last.bias, expected['last.bias'])


def test_url_is_downloaded_once_and_read_safely(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    downloads = []

    def download(url, path, *args, **kwargs):
        downloads.append(url)
        torch.save(dict(meta=Call(os.getcwd)), path)

    monkeypatch.setattr(torch.hub, 'download_url_to_file', download)
    url = 'https://example.org/weights/net-1234.pth?x=1'
    for _ in range(2):
        with pytest.raises(CheckpointError, match='getcwd'):
            CheckpointLoader.load_checkpoint(url)
    assert downloads == [url]
    assert (tmp_path / 'checkpoints/net-1234.pth').is_file()


def test_cuda_errors_are_not_the_files_fault(tmp_path, monkeypatch):
    path = tmp_path / 'fine.pth'
    torch.save(dict(a=torch.ones(1)), path)

    def fail(*args, **kwargs):
        raise RuntimeError('CUDA is not available')

    monkeypatch.setattr(torch, 'load', fail)
    with pytest.raises(RuntimeError, match='^CUDA is not available$'):
        load_weights(path)


@pytest.mark.parametrize('name', ['min', 'max', 'mean', 'current'])
def test_getattr_hands_out_the_statistics(name):
    found = restricted_getattr(HistoryBuffer, name)
    buffer = HistoryBuffer([4., 1., 3.], [1, 1, 2])
    # mean: 8 over 4 counts; current: the last one.
    assert found(buffer) == dict(min=1, max=4, mean=2, current=3)[name]


@pytest.mark.parametrize('owner, name', [
    (HistoryBuffer, '__globals__'),
    (HistoryBuffer, 'register_statistics'),
    (HistoryBuffer, 'min.__globals__'),
    (HistoryBuffer, ['min']),
    (OneCycleName, 'min'),
    (HistoryBuffer(), 'min'),
    (os, 'system'),
    ([], 'append'),
])
def test_getattr_hands_out_nothing_else(owner, name):
    with pytest.raises(pickle.UnpicklingError):
        restricted_getattr(owner, name)
