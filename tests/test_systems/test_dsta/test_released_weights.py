# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Converted weights give what the published network gives."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

from rpstn_mmpose.systems.dsta.released_weights import (
    convert_released,
    offsets_of,
    recipe_options,
)
from tests.test_tools.load_tool import load_tool

from .released_dsta import PERM, Released, released_shapes, released_state

RECIPE = (
    Path(__file__).resolve().parents[3]
    / 'configs/body_2d_keypoint/dsta/posetrack17'
    / 'dsta_res50_1xb32-20e_posetrack17-256x192-released.py'
)


def build(state):
    """The recipe's model, changed as the converter says."""
    init_default_scope('mmpose')
    weights = convert_released(dict(state_dict=state))
    config = Config.fromfile(RECIPE)
    changes = dict(item.split('=') for item in recipe_options(weights))
    config.merge_from_dict(
        {
            key: [int(n) for n in value.split(',')]
            if 'offsets' in key
            else int(value)
            for key, value in changes.items()
        }
    )
    config.model.image_pretrained = None
    model = MODELS.build(config.model)
    model.load_state_dict(weights.state_dict)
    return model.eval()


@pytest.fixture(scope='module')
def state():
    return released_state()


@pytest.fixture(scope='module')
def model(state):
    return build(state)


def clips(batch=1, frames=3, size=(64, 48)):
    generator = torch.Generator().manual_seed(3)
    return torch.randn(batch, frames, 3, *size, generator=generator)


def check(model, state, inputs, depth=50):
    with torch.no_grad():
        found = model(inputs, None, mode='tensor')
        expected = Released(state, depth)(inputs.flatten(1, 2))
    assert found.shape == (len(inputs), 17, 4)
    assert expected.std(dim=1).min() > 1e-3
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    return found


def test_the_published_arithmetic(model, state):
    """At the published size; B x 3 x 3 x 256 x 192."""
    check(model, state, clips(1, size=(256, 192)))


def test_a_batch_and_the_order_of_the_frames(model, state):
    inputs = clips(3)
    plain = check(model, state, inputs)
    other = check(model, state, inputs[:, [2, 1, 0]])
    assert (plain - other).abs().max() > 1e-3
    torch.testing.assert_close(check(model, state, inputs[1:2]), plain[1:2])


def test_small_numbers_tell_the_epsilons():
    """Where variances are not far above what is added to them."""
    state = released_state(depth=18)
    for name, value in state.items():
        if name.startswith(('fc_coord', 'weighted_mean')) or any(
            part in name for part in ('attn.proj', 'mlp.fc2', 'pos_embed')
        ):
            value *= 0.003
    check(build(state), state, clips(2), depth=18)


def test_the_ears_are_where_the_head_top_is(model, state):
    found = check(model, state, clips())
    assert torch.equal(found[:, 3], found[:, 2])
    assert torch.equal(found[:, 4], found[:, 2])
    assert not torch.equal(found[:, 1], found[:, 2])


@pytest.mark.parametrize(
    'frames, offsets', [(5, (-2, -1, 0, 1, 2)), (1, (0,))]
)
def test_other_numbers_of_frames(frames, offsets):
    state = released_state(depth=18, frames=frames)
    assert offsets_of(frames) == offsets
    model = build(state)
    assert model.clip_offsets == offsets
    check(model, state, clips(2, frames), depth=18)


def test_the_published_loss(state, model):
    """Flow, prior and the mixed likelihood, joint weights included."""
    generator = torch.Generator().manual_seed(5)
    output = torch.rand(4, 17, 4, generator=generator)
    target = torch.rand(4, 17, 2, generator=generator)
    weights = torch.tensor([1.0, 1.2, 1.5, 0.0] * 17).view(4, 17)
    expected = Released(state).loss(output, target, weights)
    with torch.no_grad():
        found = model.head.loss_module(
            output[..., :2],
            output[..., 2:].logit(),
            target,
            weights[..., None],
        )
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)
    nothing = model.head.loss_module(
        output[..., :2], output[..., 2:], target, torch.zeros(4, 17, 1)
    )
    assert nothing == 0


def test_every_entry_goes_somewhere(state):
    """Each tensor of the file is one of the new file, and no other is."""
    assert len(state) == len(released_shapes()) + 53  # counters
    marked = {
        name: torch.full_like(value, number)
        for number, (name, value) in enumerate(state.items())
    }
    found = convert_released(marked).state_dict
    flow = 'head.loss_module.flow_model.'
    assert torch.equal(found.pop(f'{flow}loc'), torch.full((2,), 0.5))
    assert torch.equal(found.pop(f'{flow}cov'), torch.eye(2))
    sizes = {}
    for name, value in found.items():
        assert value.min() == value.max(), name
        assert int(value.max()) not in sizes, name
        sizes[int(value.max())] = value.numel()
    assert sizes == {
        number: value.numel() for number, value in enumerate(state.values())
    }


def test_tokens_in_the_order_of_the_joints(state):
    """The two tokens that nothing reads stand where the ears are."""
    found = convert_released(dict(state)).state_dict
    for leaf in ('weight', 'bias'):
        old = state[f'fc_coord.linear.{leaf}'].unflatten(0, (17, 32))
        new = found[f'neck.decoder.{leaf}'].unflatten(0, (17, 32))
        for joint, token in enumerate((*PERM[:3], 15, 16, *PERM[5:])):
            assert torch.equal(new[joint], old[token])


def test_parameter_count(model):
    """Backbone 23.508 M; the rest by hand."""
    decoder = 544 * 2048 + 544
    block = 2 * 64 + (96 * 32 + 96) + (32 * 32 + 32)
    block += (64 * 32 + 64) + (32 * 64 + 32)
    branches = 2 * (4 * block + 64) + 2 * 96
    heads = 3 + 2 * (64 + 66)
    flow = 12 * ((2 * 64 + 64) + (64 * 64 + 64) + (64 * 2 + 2))
    assert flow == 53784
    found = sum(p.numel() for p in model.parameters())
    assert found == 23508032 + decoder + branches + heads + flow


def test_data_parallel_names(state):
    wrapped = {f'module.{name}': value for name, value in state.items()}
    found = convert_released(dict(state_dict=wrapped)).state_dict
    for name, value in convert_released(dict(state)).state_dict.items():
        assert torch.equal(found[name], value)


@pytest.mark.parametrize(
    'change, message',
    [
        (lambda s: dict(s, extra=torch.ones(1)), 'another network, first ext'),
        (
            lambda s: {k: v for k, v in s.items() if 'blocks.2' not in k},
            'missing, first aggregator.time.blocks.2',
        ),
        (
            lambda s: {k: v for k, v in s.items() if 'preact' not in k},
            'those of no ResNet',
        ),
        (
            lambda s: {k: v for k, v in s.items() if 'Temporal' not in k},
            'not a checkpoint of DSTA',
        ),
        (
            lambda s: dict(s, Spatial_pos_embed=torch.ones(4, 32)),
            'has the shape',
        ),
        (lambda s: dict(), 'no weights'),
    ],
)
def test_another_file_is_one_line(state, change, message):
    with pytest.raises(ValueError, match=message) as caught:
        convert_released(change(state))
    assert '\n' not in str(caught.value)


def test_the_tool(tmp_path, capsys):
    """From file to file; nothing is written over."""
    tool = load_tool('model_converters/dsta_released_to_mmpose.py')
    source, target = tmp_path / 'epoch_19_state.pth', tmp_path / 'new.pth'
    state = released_state(depth=18, frames=5)
    torch.save(dict(state_dict=state, begin_epoch=20), source)
    tool.main([str(source), str(target)])
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 2 and str(RECIPE.name) in printed[1]
    assert 'ResNet-18, 5 frames' in printed[0]
    assert 'model.backbone.depth=18' in printed[1]
    content = torch.load(target)
    assert content['meta']['dataset_meta']['num_keypoints'] == 17
    before = target.read_bytes()
    with pytest.raises(SystemExit, match='exists and is not overwritten'):
        tool.main([str(source), str(target)])
    assert target.read_bytes() == before
    broken = tmp_path / 'broken.pth'
    torch.save(dict(state_dict={'a': torch.ones(1)}), broken)
    with pytest.raises(SystemExit, match='broken.pth: it is not a checkpoint'):
        tool.main([str(broken), str(tmp_path / 'x.pth')])
    assert not (tmp_path / 'x.pth').exists()
