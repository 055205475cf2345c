# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import json
import shutil

import pytest
import torch
from mmengine.config import Config
from mmpose.registry import MODELS
from torch import nn

import rpstn_mmpose
from rpstn_mmpose.synthetic import generate_penn

from .load_tool import load_tool

training_time = load_tool('analysis_tools/training_time.py')

TINY = 'rpstn_tiny_1xb8-1e_synthetic-penn-128x128'


def conv_gmacs(module, call):
    """Multiply-accumulates of the convolutions of a call, from their
    shapes."""
    total = []

    def count(conv, inputs, output):
        height, width = conv.kernel_size
        # Of a transposed one every input, of a plain one every output pixel
        # is multiplied with a kernel.
        if isinstance(conv, nn.ConvTranspose2d):
            pixels, channels = inputs[0].numel(), conv.out_channels
        else:
            pixels, channels = output.numel(), conv.in_channels
        total.append(pixels * channels // conv.groups * height * width)

    handles = [
        m.register_forward_hook(count)
        for m in module.modules()
        if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))
    ]
    with torch.no_grad():
        call()
    for handle in handles:
        handle.remove()
    return sum(total) / 1e9


@pytest.fixture(scope='module')
def counted():
    """The tiny model's convolutions: a clip's, and the initializer's of an
    image."""
    config = Config.fromfile(rpstn_mmpose.config_path(TINY))
    model = MODELS.build(config.model).eval()
    return (
        conv_gmacs(
            model,
            lambda: model(torch.zeros(1, 5, 3, 128, 128), None, 'tensor'),
        ),
        conv_gmacs(
            model.initializer,
            lambda: model.initializer(
                torch.zeros(1, 3, 128, 128), None, 'tensor'
            ),
        ),
    )


def run(tmp_path, *args):
    out = tmp_path / 'out' / 'time.json'
    training_time.main([*args, '--out', str(out)])
    return json.loads(out.read_text())


def test_steps_by_hand():
    # 2252.5 batches of 8; each of 8 processes has 2252.5 clips, 281.6
    # batches; a process without a clip of its own gets a repeated one.
    assert training_time.training_steps(18020, 8, 1, 100) == (2253, 225300)
    assert training_time.training_steps(18020, 8, 8, 100) == (282, 28200)
    assert training_time.training_steps(16, 8, 2, 3) == (1, 3)
    assert training_time.training_steps(17, 8, 2, 3) == (2, 6)
    assert training_time.training_steps(1, 8, 4, 1) == (1, 1)


def test_a_tiny_recipe_by_hand(tmp_path, counted, capsys):
    # Four videos of 7 frames: windows of 5 from frame 1 and from frame 3.
    generate_penn(
        tmp_path / 'data',
        num_train=4,
        num_test=1,
        num_frames=7,
        image_size=(96, 72),
        progress=False,
    )
    shutil.rmtree(tmp_path / 'data/frames')  # labels are enough
    result = run(
        tmp_path,
        TINY,
        '--data-root',
        str(tmp_path / 'data'),
        '--step-seconds',
        '1.5',
        '--step-clips',
        '2',
        '--tflops',
        '2',
        '--utilization',
        '0.25',
    )
    assert (
        result['clips'],
        result['clip_length'],
        result['gpus'],
        result['batch_size'],
        result['steps'],
    ) == (8, 5, 1, 8, 1)
    # The rest, matching and joint relation, is little.
    assert result['gmacs_per_clip'] == pytest.approx(counted[0], rel=0.03)
    assert result['tflop_per_step'] == pytest.approx(
        8 * 3 * 2 * result['gmacs_per_clip'] / 1000
    )
    # 8 clips take 4 times 1.5 s.
    assert result['measured_hours'] == pytest.approx(6 / 3600)
    assert result['estimated_step_seconds'] == pytest.approx(
        result['tflop_per_step'] / 0.5
    )
    printed = capsys.readouterr().out
    assert 'not measured' in printed and '8  of 5 frames, counted' in printed


def test_options_of_training_count(tmp_path, counted):
    config = tmp_path / 'all.py'
    config.write_text(
        f"_base_ = ['{rpstn_mmpose.config_path(TINY)}']\n"
        "model = dict(train_cfg=dict(initializer_loss_frames='all',\n"
        '    checkpointing=True))\n'
        'train_cfg = dict(max_epochs=10)\n'
        'auto_scale_lr = dict(base_batch_size=32)\n'
    )
    result = run(tmp_path, str(config), '--clips', '1000')
    # 250 clips a process of the 32 / 8 are 32 batches.
    assert (result['gpus'], result['steps_per_epoch'], result['steps']) == (
        4,
        32,
        320,
    )
    assert result['gmacs_per_clip'] == pytest.approx(
        counted[0] + 4 * counted[1], rel=0.03
    )
    # Forward, twice that backward, and forward again.
    assert result['tflop_per_step'] == pytest.approx(
        8 * 4 * 2 * result['gmacs_per_clip'] / 1000
    )
    assert 'measured_hours' not in result and 'estimated_hours' not in result
    one = run(tmp_path, str(config), '--clips', '1000', '--gpus', '1')
    assert one['steps'] == 1250


def test_an_image_model_on_frames(tmp_path, counted):
    """Stage 1 of the tiny recipe is its initializer, on clips of a frame."""
    result = run(
        tmp_path,
        'td-hm_tiny_1xb16-1e_synthetic-penn-128x128',
        '--clips',
        '160',
    )
    assert (result['clip_length'], result['steps']) == (1, 10)
    assert result['gmacs_per_clip'] == pytest.approx(counted[1], rel=0.01)


def test_clip_lengths():
    plain = dict(type='PennActionDataset')
    length = training_time.clip_length
    assert length(Config(plain)) == 5
    assert length(Config(dict(plain, clip_length=7))) == 7
    assert length(Config(dict(plain, clip_offsets=(-1, 0, 1)))) == 3
    assert (
        length(
            Config(
                dict(
                    type='CombinedDataset',
                    datasets=[
                        dict(
                            type='RepeatDataset',
                            dataset=dict(plain, clip_length=2),
                        )
                    ],
                )
            )
        )
        == 2
    )


@pytest.mark.parametrize(
    'args, message',
    [
        (['none.py', '--clips', '8'], 'none.py'),
        (
            ['td-hm-jre_res50_8xb64-210e_coco-256x192', '--clips', '8'],
            'its training set is a CocoDataset, which has no clips',
        ),
        ([TINY, '--data-root', 'nowhere'], "no folder 'nowhere"),
    ],
)
def test_what_cannot_be_counted(args, message):
    with pytest.raises(SystemExit) as caught:
        training_time.main(args)
    assert str(caught.value.code).startswith('training_time: ')
    assert message in str(caught.value.code)
    assert '\n' not in str(caught.value.code)


@pytest.mark.parametrize(
    'args, message',
    [
        (['--clips', '0'], '--clips must be above 0'),
        (['--step-seconds', 'nan'], '--step-seconds must be above 0'),
        (['--tflops', '5'], '--tflops and --utilization go together'),
        (['--tflops', '5', '--utilization', '1.5'], 'must be at most 1'),
        (['--clips', '5', '--data-root', 'data'], 'of no use with --clips'),
    ],
)
def test_options_of_no_sense(args, message, capsys):
    with pytest.raises(SystemExit) as caught:
        training_time.main([TINY, *args])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
