# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The quick start's recipes through mim and torchrun, from another folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import rpstn_mmpose
from rpstn_mmpose.synthetic import generate_penn

IMAGE = rpstn_mmpose.config_path('td-hm_tiny_1xb16-1e_synthetic-penn-128x128')
VIDEO = rpstn_mmpose.config_path('rpstn_tiny_1xb8-1e_synthetic-penn-128x128')
TOOLS = Path(__file__).resolve().parents[2] / 'tools'
SCRIPTS = Path(sys.executable).parent
# 7 frames a video and clips of 5: every video's last window is moved back;
# 6 windows on 2 processes with batches of 4: the last batches are uneven.
DATA = dict(num_train=4, num_test=3, num_frames=7, image_size=(96, 72))


def run(folder, *command):
    environment = dict(os.environ, OMP_NUM_THREADS='1')
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout


def torchrun(folder, script, *arguments):
    return run(
        folder,
        sys.executable,
        '-m',
        'torch.distributed.run',
        '--standalone',
        '--nproc_per_node=2',
        TOOLS / script,
        *arguments,
        '--launcher',
        'pytorch',
    )


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Both stages for an epoch by ``mim train``, away from the checkout."""
    folder = tmp_path_factory.mktemp('elsewhere')
    generate_penn(folder / 'data', **DATA, progress=False)
    options = ['train_cfg.max_epochs=1']
    for loader in ('train', 'val', 'test'):
        options += [
            f'{loader}_dataloader.dataset.data_root=data',
            f'{loader}_dataloader.batch_size=4',
            f'{loader}_dataloader.num_workers=0',
            f'{loader}_dataloader.persistent_workers=False',
        ]
    mim = [SCRIPTS / 'mim', 'train', 'mmpose']
    run(folder, *mim, IMAGE, '--work-dir', 'image', '--cfg-options', *options)
    options.append('model.image_pretrained.checkpoint=image/epoch_1.pth')
    run(folder, *mim, VIDEO, '--work-dir', 'video', '--cfg-options', *options)
    return folder, options


@pytest.mark.slow
def test_mim_train_leaves_a_checkpoint_that_resume_finds(trained):
    folder, options = trained
    last = (folder / 'video/last_checkpoint').read_text()
    assert Path(last).name == 'epoch_1.pth'
    options = [o for o in options if 'max_epochs' not in o]
    output = run(
        folder,
        SCRIPTS / 'mim',
        'train',
        'mmpose',
        VIDEO,
        '--work-dir',
        'video',
        '--resume',
        '--cfg-options',
        *options,
        'train_cfg.max_epochs=2',
    )
    assert 'resumed epoch: 1' in output
    assert (folder / 'video/epoch_2.pth').exists()


@pytest.mark.slow
def test_two_processes_score_as_one(trained):
    folder, options = trained
    checkpoint = folder / 'video/epoch_1.pth'
    arguments = [VIDEO, checkpoint, '--cfg-options', *options]
    mim = [SCRIPTS / 'mim', 'test', 'mmpose', VIDEO, '--checkpoint']
    run(
        folder,
        *mim,
        checkpoint,
        '--out',
        'one.json',
        '--cfg-options',
        *options,
        'test_evaluator.out_file=one_counts.json',
    )
    torchrun(
        folder,
        'test.py',
        *arguments,
        'test_evaluator.out_file=two_counts.json',
        '--out',
        'two.json',
    )
    one, two = (
        json.loads((folder / f'{n}.json').read_text()) for n in ('one', 'two')
    )
    assert one.keys() == two.keys() and 'PCK/mPCK' in one
    for name, value in one.items():
        assert two[name] == pytest.approx(value, abs=1e-6, nan_ok=True), name
    counts = [
        json.loads((folder / f'{n}_counts.json').read_text())
        for n in ('one', 'two')
    ]
    assert [c['frames'] for c in counts] == [21, 21]  # 3 videos of 7 frames


@pytest.mark.slow
def test_two_processes_train(trained):
    folder, options = trained
    torchrun(
        folder,
        'train.py',
        VIDEO,
        '--work-dir',
        'pair',
        '--cfg-options',
        *options,
    )
    log = next((folder / 'pair').rglob('scalars.json')).read_text()
    steps = [json.loads(line) for line in log.splitlines()]
    assert any('PCK/mPCK' in step for step in steps)
    assert (folder / 'pair/epoch_1.pth').exists()
