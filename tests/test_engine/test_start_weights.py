# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Start weights and data that are not there are told before anything else."""

import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from mmengine.config import Config
from mmengine.runner import EpochBasedTrainLoop

from rpstn_mmpose import config_path
from rpstn_mmpose.engine.hooks import CheckpointGuardHook
from rpstn_mmpose.engine.start_weights import (
    check_start,
    check_weights,
    commands_for,
    missing_data,
    missing_weights,
)

ROOT = Path(__file__).resolve().parents[2]
STAGE_1 = 'work_dirs/td-hm_tiny_1xb16-4e_synthetic-penn-tracks-128x128'
STAGE_1_CONFIG = (
    'configs/body_2d_keypoint/topdown_heatmap/synthetic_penn_tracks/'
    'td-hm_tiny_1xb16-4e_synthetic-penn-tracks-128x128.py'
)


@pytest.fixture()
def nowhere(tmp_path, monkeypatch):
    """A folder without weights and data."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(name):
    return Config.fromfile(config_path(name))


def line_of(check, cfg):
    with pytest.raises(FileNotFoundError) as caught:
        check(cfg)
    line = str(caught.value)
    assert '\n' not in line
    return line


@pytest.mark.parametrize(
    'recipe, key, path',
    [
        (
            'rpstn_tiny_1xb8-1e_synthetic-penn-128x128',
            'model.image_pretrained.checkpoint',
            'work_dirs/demo/sbl_tiny/epoch_1.pth',
        ),
        (
            'td-hm_tiny-new-head_1xb16-4e_synthetic-penn-tracks-128x128',
            'model.backbone.init_cfg.checkpoint',
            f'{STAGE_1}/epoch_4.pth',
        ),
        (
            'td-hm_tiny_1xb16-4e_synthetic-penn-tracks-128x128',
            'load_from',
            'work_dirs/demo/sbl_tiny/epoch_1.pth',
        ),
    ],
)
def test_recipes_name_what_they_start_from(recipe, key, path, nowhere):
    cfg = load(recipe)
    assert missing_weights(cfg) == {key: path}
    place = nowhere / path
    place.parent.mkdir(parents=True)
    place.touch()
    assert missing_weights(cfg) == {}
    check_weights(cfg)


def test_weights_by_address_are_not_looked_for(nowhere):
    cfg = load('rpstn_res50_1xb8-100e_penn-256x256')
    assert '://' in cfg.model.image_pretrained.checkpoint
    assert missing_weights(cfg) == {}
    plain = dict(
        load_from='https://example.org/a.pth',
        model=dict(
            backbone=dict(init_cfg=dict(checkpoint='torchvision://resnet18')),
            neck=dict(init_cfg=None),
            head=dict(init_cfg=[dict(type='Normal', std=0.1)]),
        ),
    )
    assert missing_weights(plain) == {}


def test_what_is_resumed_is_no_start():
    cfg = dict(load_from='gone.pth', resume=True)
    assert missing_weights(cfg) == {}
    assert missing_weights(dict(cfg, resume=False)) == {
        'load_from': 'gone.pth'
    }


def test_init_cfgs_in_lists_and_parts_of_parts(nowhere):
    pretrained = dict(type='Pretrained', checkpoint='a.pth')
    model = dict(
        init_cfg=[dict(type='Normal'), pretrained],
        head=dict(relation=dict(init_cfg=dict(pretrained, checkpoint='b'))),
        # no start weights: nobody loads it before the training
        other=dict(checkpoint='c.pth'),
    )
    assert missing_weights(dict(model=model)) == {
        'model.init_cfg.1.checkpoint': 'a.pth',
        'model.head.relation.init_cfg.checkpoint': 'b',
    }


def test_commands_in_the_order_in_which_they_are_needed(monkeypatch):
    monkeypatch.chdir(ROOT)
    demo = 'work_dirs/demo/sbl_tiny/epoch_1.pth'
    assert commands_for(demo) == ['make demo']
    stage_1 = f'python tools/train.py {STAGE_1_CONFIG}'
    found = commands_for(f'{STAGE_1}/epoch_4.pth')
    # the first stage of the first stage, unless it is there already
    assert found == ['make demo'] * (not Path(demo).exists()) + [stage_1]
    elsewhere = commands_for(f'other/{Path(STAGE_1).name}/epoch_4.pth')
    assert elsewhere[-1] == (
        f'{stage_1} --work-dir other/{Path(STAGE_1).name}'
    )
    assert commands_for('somewhere/epoch_4.pth') == []
    assert commands_for('epoch_4.pth') == []


def test_one_line_with_everything(nowhere):
    cfg = load('posewarper_tiny_1xb16-2e_synthetic-penn-tracks-128x128')
    line = line_of(check_start, cfg)
    assert line.startswith(
        f'the training starts from {STAGE_1}/epoch_4.pth '
        '(model.image_pretrained.checkpoint), which is not there; make it '
        'with `make demo`, then `python tools/train.py '
    )
    assert line.endswith(
        '.py`, or name another file: --cfg-options '
        'model.image_pretrained.checkpoint=FILE. Also, the data folder '
        'data/synthetic_penn_tracks/ is not there; docs/datasets.md tells '
        'what belongs there'
    )
    # the command is one that this machine has, from any folder
    assert STAGE_1_CONFIG in line
    (nowhere / 'data/synthetic_penn_tracks').mkdir(parents=True)
    assert line_of(check_start, cfg) == line.split('. Also')[0]


def test_several_files_in_one_line(nowhere):
    cfg = dict(
        load_from='x/b.pth',
        model=dict(image_pretrained=dict(checkpoint='x/a.pth')),
    )
    assert line_of(check_weights, cfg) == (
        'the training starts from x/a.pth '
        '(model.image_pretrained.checkpoint), x/b.pth (load_from), which is '
        'not there; name another file: --cfg-options '
        'model.image_pretrained.checkpoint=FILE'
    )


@pytest.mark.parametrize(
    'dataset, missing',
    [
        (dict(data_root='data/x'), ['data/x']),
        (dict(data_root=''), []),
        (dict(data_root=None), []),
        (dict(data_root='s3://bucket/x'), []),
        (dict(data_root='x', backend_args=dict(backend='petrel')), []),
        (dict(data_root='x', backend_args=dict(backend='local')), ['x']),
        (dict(data_root='x', ann_file='/a.json', data_prefix={}), []),
        (dict(data_root='x', ann_file='/a', data_prefix=dict(i='b')), ['x']),
        (dict(data_root='x', data_prefix=dict(img='http://b/c')), []),
        (
            dict(datasets=[dict(data_root='x'), dict(data_root='y')]),
            ['x', 'y'],
        ),
    ],
)
def test_data_folders(dataset, missing, nowhere):
    loader = dict(dataset=dataset)
    cfg = dict(train_dataloader=loader, val_dataloader=loader)
    assert missing_data(cfg) == missing
    assert missing_data(dict(cfg, val_dataloader=None)) == missing
    # that of a test alone is no matter of the training
    assert missing_data(dict(test_dataloader=loader)) == []


def test_train_says_it_first(nowhere, monkeypatch, capsys):
    """No log of 700 lines before it, and no work dir is left behind."""
    name = 'rpstn_tiny_1xb8-1e_synthetic-penn-128x128'
    script = ROOT / 'tools/train.py'
    (nowhere / 'data/synthetic_penn').mkdir(parents=True)
    monkeypatch.setattr(sys, 'argv', [str(script), config_path(name)])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(script), run_name='__main__')
    assert caught.value.code == 1
    captured = capsys.readouterr()
    assert captured.out == ''
    assert captured.err == (
        'tools/train.py: FileNotFoundError: the training starts from '
        'work_dirs/demo/sbl_tiny/epoch_1.pth '
        '(model.image_pretrained.checkpoint), which is not there; make it '
        'with `make demo`, or name another file: --cfg-options '
        'model.image_pretrained.checkpoint=FILE\n'
    )
    assert [path.name for path in nowhere.iterdir()] == ['data']


def test_runners_of_others_say_it_too(nowhere):
    """`mim train mmpose` meets the hook, before mmengine loads the file."""
    loop = EpochBasedTrainLoop.__new__(EpochBasedTrainLoop)
    cfg = Config(dict(load_from='gone.pth'))
    runner = SimpleNamespace(_train_loop=loop, cfg=cfg)
    hook = CheckpointGuardHook()
    assert 'gone.pth (load_from)' in line_of(hook.before_run, runner)
    runner._train_loop = dict(max_epochs=1)  # a test: not built
    hook.before_run(runner)
