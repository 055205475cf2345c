# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import io
import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch
from mmdet.apis import DetInferencer
from mmengine.config import Config, ConfigDict
from mmengine.hooks import CheckpointHook
from mmengine.infer import BaseInferencer
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModule
from mmengine.runner import CheckpointLoader, load_checkpoint
from mmpose.apis.inferencers import Pose2DInferencer
from torch import nn

from rpstn_mmpose.apis import VideoPoseInferencer
from rpstn_mmpose.checkpoints import (
    CheckpointError,
    load_weights,
    safe_checkpoint,
)
from rpstn_mmpose.checkpoints.safe_globals import (
    OneCycleName,
    RestoredHistory,
    restricted_getattr,
)
from tests.test_engine.toy import ToyModel, toy_runner

from .pickles import Call


@pytest.fixture(params=['weights_only', 'restricted_unpickler'])
def reader(request, monkeypatch):
    """Both ways of reading: torch >= 2.6 and older."""
    if request.param == 'restricted_unpickler':
        monkeypatch.setattr(
            safe_checkpoint, '_torch_extends_weights_only', lambda: False
        )
    return request.param


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A checkpoint that mmengine's own hook wrote."""
    folder = tmp_path_factory.mktemp('trained')
    toy_runner(
        folder,
        values=[0.5, 0.6],
        default_hooks=dict(checkpoint=dict(type='mmengine.CheckpointHook')),
    ).train()
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
def test_hostile_content_is_refused_and_not_run(
    kind, zipped, reader, tmp_path
):
    target = tmp_path / 'made'
    path = tmp_path / 'hostile.pth'
    torch.save(
        dict(
            state_dict=dict(a=torch.ones(2)),
            meta=hostile_contents(target)[kind],
        ),
        path,
        _use_new_zipfile_serialization=zipped,
    )
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


def test_own_checkpoint_is_read(trained, reader):
    loaded = CheckpointLoader.load_checkpoint(str(trained), 'cpu')
    assert loaded['meta']['epoch'] == 2
    assert loaded['state_dict']['first.weight'].shape == (4, 3)
    meta = loaded['meta']['dataset_meta']
    np.testing.assert_array_equal(
        meta['sigmas'], np.array([0.1, 0.2], np.float32)
    )
    assert meta['number'] == 0.5
    history = loaded['message_hub']['log_scalars']['train/loss']
    assert isinstance(history, HistoryBuffer)
    # Two epochs of 16 samples in batches of 4.
    assert len(history.data[0]) == 8
    assert history.statistics('max') == history.data[0].max()


@pytest.mark.parametrize(
    'scheduler',
    [
        dict(type='OneCycleLR', eta_max=0.1, total_steps=10),
        dict(type='CosineAnnealingLR', T_max=3),
        dict(type='PolyLR', eta_min=0.001),
    ],
)
def test_schedulers_are_read(scheduler, reader, tmp_path):
    toy_runner(tmp_path, epochs=1, param_scheduler=scheduler).train()
    loaded = CheckpointLoader.load_checkpoint(str(tmp_path / 'epoch_1.pth'))
    assert len(loaded['param_schedulers']) == 1


def test_numpy_2_names_are_read(reader, tmp_path):
    path = tmp_path / 'numpy2.pth'
    torch.save(
        dict(number=np.float64(1.5), array=np.arange(3)),
        path,
        _use_new_zipfile_serialization=False,
    )
    data = path.read_bytes()
    old, new = b'numpy.core.multiarray', b'numpy._core.multiarray'
    path.write_bytes(
        data.replace(new, old) if new in data else data.replace(old, new)
    )
    loaded = load_weights(path)
    assert loaded['number'] == 1.5
    np.testing.assert_array_equal(loaded['array'], [0, 1, 2])


def test_plain_state_dict_and_old_format_are_read(reader, tmp_path):
    path = tmp_path / 'plain.pth'
    state = OrderedDict(a=torch.arange(3.0), b=nn.Parameter(torch.ones(2)))
    torch.save(state, path, _use_new_zipfile_serialization=False)
    loaded = load_weights(path)
    assert torch.equal(loaded['a'], torch.tensor([0.0, 1.0, 2.0]))
    assert isinstance(loaded['b'], nn.Parameter)


@pytest.mark.parametrize('keep', [0, 1, 100, 0.5, -1])
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
        f'{path} cannot be read as a checkpoint: it is cut short'
    )
    assert '\n' not in str(caught.value)


def test_other_files(reader, tmp_path):
    text = tmp_path / 'text.pth'
    text.write_text('hello world\n')
    with pytest.raises(CheckpointError, match='text.pth cannot be read'):
        load_weights(text)
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
        dict(type='Pretrained', checkpoint=str(trained), prefix='first.')
    )
    part.init_weights()
    assert torch.equal(part.weight, expected['first.weight'])
    model = nn.Sequential(OrderedDict(last=nn.Linear(4, 1)))
    load_checkpoint(model, str(trained))
    assert torch.equal(model.last.bias, expected['last.bias'])


def test_url_is_downloaded_once_and_read_safely(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    downloads = []

    def download(url, path, *args, progress):
        assert not progress  # no terminal here
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
    found = restricted_getattr(RestoredHistory, name)
    buffer = HistoryBuffer([4.0, 1.0, 3.0], [1, 1, 2])
    # mean: 8 over 4 counts; current: the last one.
    assert found(buffer) == dict(min=1, max=4, mean=2, current=3)[name]


@pytest.mark.parametrize(
    'owner, name',
    [
        (RestoredHistory, '__globals__'),
        (RestoredHistory, 'register_statistics'),
        (RestoredHistory, 'min.__globals__'),
        (RestoredHistory, ['min']),
        (HistoryBuffer, 'min'),
        (OneCycleName, 'min'),
        (HistoryBuffer(), 'min'),
        (os, 'system'),
        ([], 'append'),
    ],
)
def test_getattr_hands_out_nothing_else(owner, name):
    with pytest.raises(pickle.UnpicklingError):
        restricted_getattr(owner, name)


# Texts of configs -----------------------------------------------------------
def config_text(target):
    """A config that makes ``target`` when it is run, as configs are."""
    return (
        f'gpu_ids = [__import__("pathlib").Path({str(target)!r}).touch()]'
        '\nmodel = dict(type="ToyModel")\n'
    )


@pytest.fixture()
def with_texts(trained, tmp_path):
    """A checkpoint with such a text wherever mmengine looks for one."""
    checkpoint = torch.load(trained, weights_only=False)
    text = config_text(tmp_path / 'ran')
    checkpoint['meta'].update(config=text, cfg=text)
    checkpoint['message_hub']['runtime_info']['cfg'] = text
    path = tmp_path / 'texts.pth'
    torch.save(checkpoint, path)
    return path


def test_the_text_is_run_by_a_config(tmp_path):
    # Guards the tests below.
    Config.fromstring(config_text(tmp_path / 'ran'), '.py')
    assert (tmp_path / 'ran').exists()


def test_texts_of_configs_are_left_out(with_texts, trained, reader):
    for path in (with_texts, trained):
        loaded = load_weights(path)
        assert not {'config', 'cfg'} & set(loaded['meta'])
        assert 'cfg' not in loaded['message_hub']['runtime_info']
        assert 'cfg' not in loaded['message_hub']['resumed_keys']
        assert loaded['meta']['epoch'] == 2
        assert 'seed' in loaded['message_hub']['runtime_info']


def start_training(folder, path, **changes):
    runner = toy_runner(folder / 'run', epochs=3, load_from=path, **changes)
    runner.train()
    return runner


class WeightsOnly(BaseInferencer):
    """An inferencer that has its config from the checkpoint."""

    def _init_pipeline(self, cfg):
        return None

    _init_visualizer = _init_pipeline

    def visualize(self, *args, **kwargs):
        """Abstract in the parent."""

    postprocess = visualize


ROUTES = {
    'resume': lambda folder, path: start_training(folder, path, resume=True),
    'automatic resume': lambda folder, path: start_training(
        folder, None, resume=True
    ),
    'load_from': start_training,
    'test': lambda folder, path: toy_runner(
        folder / 'run', values=[0.1], load_from=path
    ).val(),
    'load_checkpoint': lambda folder, path: load_checkpoint(ToyModel(), path),
    'init_cfg': lambda folder, path: BaseModule(
        dict(type='Pretrained', checkpoint=path, prefix='first.')
    ).init_weights(),
    'inferencer with a config': lambda folder, path: WeightsOnly(
        ConfigDict(model=dict(type='ToyModel')), path, scope='mmpose'
    ),
    'published': lambda folder, path: CheckpointHook(
        published_keys=['meta', 'state_dict', 'message_hub']
    )._publish_model(None, path),
}


@pytest.mark.parametrize('route', list(ROUTES))
def test_nothing_is_run_by_any_route(route, with_texts, tmp_path):
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run/last_checkpoint').write_text(str(with_texts))
    result = ROUTES[route](tmp_path, str(with_texts))
    assert not (tmp_path / 'ran').exists()
    if 'resume' in route:
        # Two epochs before, one here; the old one's text is not passed on.
        assert result.epoch == 3 and result.iter == 12
        saved = torch.load(tmp_path / 'run/epoch_3.pth', weights_only=False)
        assert 'ran' not in saved['meta']['cfg']
        assert 'ran' not in saved['message_hub']['runtime_info']['cfg']


@pytest.mark.parametrize(
    'kind', [WeightsOnly, DetInferencer, Pose2DInferencer, VideoPoseInferencer]
)
def test_inferencers_do_not_take_the_config_of_a_checkpoint(
    kind, with_texts, tmp_path
):
    with pytest.raises(ValueError, match='Cannot find the config'):
        kind(None, str(with_texts))
    assert not (tmp_path / 'ran').exists()


def test_histories_bring_no_methods(trained, tmp_path):
    """Not for their own use, and not for those of all others."""
    checkpoint = torch.load(trained, weights_only=False)
    methods = dict(HistoryBuffer._statistics_methods)
    buffer = checkpoint['message_hub']['log_scalars']['train/loss']
    vars(buffer)['_statistics_methods'] = dict(methods, mean=HistoryBuffer.max)
    path = tmp_path / 'methods.pth'
    torch.save(checkpoint, path)
    found = load_weights(path)['message_hub']['log_scalars']['train/loss']
    assert found.mean() < found.statistics('max')
    assert found.statistics('mean') == found.mean()
    assert HistoryBuffer._statistics_methods == methods


def test_empty_arrays_are_read(reader, tmp_path):
    # MMPose's metainfo of a data set without a skeleton.
    path = tmp_path / 'empty.pth'
    torch.save(
        dict(
            meta=dict(
                dataset_meta=dict(skeleton_link_colors=np.array([], np.uint8))
            )
        ),
        path,
    )
    meta = load_weights(path)['meta']['dataset_meta']
    assert meta['skeleton_link_colors'].shape == (0,)


def test_a_path_is_named_in_full(tmp_path, reader):
    path = tmp_path / 'bad.pth'
    path.write_bytes(b'x')
    for given in (path, str(path)):
        with pytest.raises(CheckpointError) as caught:
            load_weights(given)
        assert str(caught.value).startswith(f'{path} cannot be read')
    with pytest.raises(CheckpointError, match='^the stream cannot be read'):
        load_weights(io.BytesIO(b'x'))
