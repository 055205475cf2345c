# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Converted weights give what the published network gives."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmpose.registry import MODELS

from rpstn_mmpose.systems.posewarper.released_weights import convert_released

from .released_posewarper import ORDER, Released, ported, released_state

FOLDER = (
    Path(__file__).resolve().parents[3]
    / 'configs/body_2d_keypoint/posewarper/posetrack18'
)
NAME = 'posewarper_hrnet-w48_8xb8-20e_posetrack18-384x288'
OFFSETS = (-2, -1, 0, 1, 2)
NARROW = 8


def recipe(released=True):
    return Config.fromfile(FOLDER / f'{NAME}{"-released" * released}.py')


def narrow(config, width=NARROW, inner=8, blocks=2):
    """Options as they are given on the command line."""
    widths = [width * 2**i for i in range(4)]
    config.merge_from_dict(
        {
            'model.backbone.extra.stage2.num_channels': widths[:2],
            'model.backbone.extra.stage3.num_channels': widths[:3],
            'model.backbone.extra.stage4.num_channels': widths,
            'model.head.in_channels': width,
            'model.warper.inner_channels': inner,
            'model.warper.num_blocks': blocks,
        }
    )
    return config


def build(config, state):
    config.model.image_pretrained = None
    model = MODELS.build(config.model)
    model.load_state_dict(convert_released(dict(state)).state_dict)
    return model.eval()


def small_state(seed=0):
    return released_state(seed, width=NARROW, inner=8, blocks=2)


def frames(size, batch=1):
    generator = torch.Generator().manual_seed(3)
    return torch.randn(batch, 5, 3, *size, generator=generator)


def as_published(clips):
    """Our order of frames to theirs, side by side as channels."""
    rows = [OFFSETS.index(offset) for offset in ORDER]
    return clips[:, rows].flatten(1, 2)


def check(model, state, clips):
    with torch.no_grad():
        found = model(clips, None, mode='tensor')
        expected = Released(state).aggregate(as_published(clips))
    assert found.shape == expected.shape
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    return found


def test_the_published_shapes():
    """HRNet-W48 and all 20 blocks, on the smallest maps that 24 fits in."""
    state = released_state()
    assert len([n for n in state if n.endswith('.weight')]) > 300
    check(build(recipe(), state), state, frames((128, 128)))


@pytest.mark.parametrize('port', [False, True])
def test_a_narrow_one(port):
    """Of either naming; a clip that is no square, two clips at once."""
    state = small_state()
    model = build(narrow(recipe()), ported(state) if port else state)
    check(model, state, frames((160, 128), batch=2))


def test_order_and_weights_of_the_frames():
    """Two frames of different weight that change places; and of the same."""
    state = small_state()
    model = build(narrow(recipe()), state)
    clips = frames((128, 128))
    plain = check(model, state, clips)
    swapped = check(model, state, clips[:, [1, 0, 2, 3, 4]])
    assert (plain - swapped).abs().max() > 1e-3
    mirrored = check(model, state, clips.flip(1))
    torch.testing.assert_close(plain, mirrored, rtol=1e-4, atol=1e-4)


def test_the_weights_matter():
    """Of the test's random network: what is warped depends on the difference
    of the frames, and on its sign."""
    net = Released(small_state())
    clips = frames((128, 128))
    with torch.no_grad():
        one, other = net.heatmaps(clips[:, 0]), net.heatmaps(clips[:, 1])
        warped = net.warp(one - other, other)
        backwards = net.warp(other - one, other)
    assert (warped - backwards).abs().max() > 0.1
    assert (warped - other).abs().max() > 0.1


def test_repeated_frames_add_up():
    """At a video's start, as the border's frame repeats."""
    state = small_state()
    model = build(narrow(recipe()), state)
    clips = frames((128, 128))[:, [2, 2, 2, 3, 4]]
    found = check(model, state, clips)
    net = Released(state)
    with torch.no_grad():
        maps = [net.heatmaps(clips[:, i]) for i in (2, 3, 4)]
        expected = (
            (0.1 + 0.25 + 0.3) * net.warp(maps[0] - maps[0], maps[0])
            + 0.25 * net.warp(maps[0] - maps[1], maps[1])
            + 0.1 * net.warp(maps[0] - maps[2], maps[2])
        )
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_data_parallel_names():
    state = small_state()
    wrapped = {f'module.{name}': value for name, value in state.items()}
    found = convert_released(dict(state_dict=wrapped)).state_dict
    expected = convert_released(dict(state)).state_dict
    assert found.keys() == expected.keys()
    for name, value in found.items():
        assert torch.equal(value, expected[name])
    name = 'backbone.bn1.num_batches_tracked'
    assert found[name].item() == 7
    assert found['head.final_layer.weight'] is not state['final_layer.weight']


def without(state, prefix):
    return {k: v for k, v in state.items() if not k.startswith(prefix)}


@pytest.mark.parametrize(
    'change, message',
    [
        (
            lambda s: without(s, ('offset', 'deform')),
            'image model, of stage 1',
        ),
        (lambda s: without(s, 'deform_conv3'), 'missing, first warper.deform'),
        (lambda s: without(s, 'final_layer'), 'lacks the last 1x1'),
        (
            lambda s: dict(
                s, **{'stage2.0.branches.0.0.conv1.weight': s['conv1.weight']}
            ),
            'has the shape',
        ),
        (lambda s: dict(s, extra=torch.ones(1)), 'another network'),
        (lambda s: dict(), 'no weights'),
    ],
)
def test_another_file_is_one_line(change, message):
    with pytest.raises(ValueError, match=message) as caught:
        convert_released(change(small_state()))
    assert '\n' not in str(caught.value)


def test_stage_1_of_mmpose_is_no_posewarper():
    state = without(ported(small_state()), 'neck.')
    with pytest.raises(ValueError, match='image model, of stage 1'):
        convert_released(dict(state_dict=state))
