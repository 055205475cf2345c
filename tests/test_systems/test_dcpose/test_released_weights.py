# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Converted weights give what the published network gives."""

import pytest
import torch
from mmengine.config import Config
from mmpose.registry import MODELS

from rpstn_mmpose.checkpoints.simple_baseline import COUNTER
from rpstn_mmpose.recipes import config_path
from rpstn_mmpose.systems.dcpose.released_weights import (
    convert_released,
    recipe_options,
)

from .released_dcpose import Released, released_state

RECIPE = 'dcpose_hrnet-w48_8xb8-20e_posetrack18-384x288'
SMALL = dict(width=8, residual=6, inner=5, blocks=(1, 1, 1))


def build(state, **options):
    """The recipe's model with the options that are told."""
    config = Config.fromfile(config_path(RECIPE))
    weights = convert_released(state, joints=17)
    for option in recipe_options(weights):
        key, value = option.split('=')
        values = [int(number) for number in value.split(',')]
        config.merge_from_dict({key: values if len(values) > 1 else values[0]})
    config.model.update(image_pretrained=None, **options)
    model = MODELS.build(config.model)
    model.load_state_dict(weights.state_dict)
    return model.eval()


def frames(height=96, width=64):
    generator = torch.Generator().manual_seed(3)
    return torch.randn(1, 3, 3, height, width, generator=generator)


@pytest.mark.parametrize('sizes', [{}, SMALL], ids=['published', 'small'])
def test_outputs_are_the_published_ones(sizes):
    state = released_state(**sizes)
    model, clips = build(state), frames()
    with torch.no_grad():
        found = model(clips, None, mode='tensor')
        expected = Released(state).correct(clips)
    assert expected.std() > 0.1
    scale = expected.abs().max()
    assert (found - expected).abs().max() < 1e-4 * scale


def test_nearer_frames_count_for_more():
    """Two frames before and one after: a third and two thirds."""
    state = released_state(**SMALL)
    model, clips = build(state, clip_offsets=(-2, 0, 1)), frames()
    with torch.no_grad():
        found = model(clips, None, mode='tensor')
        net = Released(state)
        expected = net.correct(clips, (2, 1))
        other = net.correct(clips, (1, 2))
    scale = expected.abs().max()
    assert (found - expected).abs().max() < 1e-4 * scale
    assert (found - other).abs().max() > 1e-3 * scale


def test_options_of_the_recipe():
    assert recipe_options(convert_released(released_state())) == []
    assert recipe_options(convert_released(released_state(**SMALL))) == [
        'model.head.in_channels=8',
        'model.backbone.extra.stage2.num_channels=8,16',
        'model.backbone.extra.stage3.num_channels=8,16,32',
        'model.backbone.extra.stage4.num_channels=8,16,32,64',
        'model.corrector.residual_channels=6',
        'model.corrector.inner_channels=5',
        'model.corrector.num_blocks=1,1,1',
    ]


def without(state, prefix):
    return {k: v for k, v in state.items() if not k.startswith(prefix)}


IMAGE = 'rough_pose_estimation_net.'
FUSE = 'support_temporal_fuse.layers.0.'


@pytest.mark.parametrize(
    'change, message',
    [
        (
            lambda state: {
                name[len(IMAGE) :]: value
                for name, value in state.items()
                if name.startswith(IMAGE)
            },
            'it is not a checkpoint of DCPose',
        ),
        (
            lambda state: without(state, f'{IMAGE}final_layer'),
            'lacks the last 1x1',
        ),
        (lambda state: without(state, 'diff_temporal'), 'lacks the last 1x1'),
        (
            lambda state: without(state, 'masks_list.4'),
            'corrector.mask_layers.4.weight',
        ),
        (
            lambda state: without(state, f'{FUSE}conv_bn_relu2_3_1.bn'),
            'conv_bn_relu2_3_1.bn',
        ),
        (
            lambda state: dict(
                state, **{f'{FUSE}conv_bn_relu1.conv.bias': torch.zeros(3)}
            ),
            r'conv_bn_relu1.conv.bias has the shape \(3,\)',
        ),
        (
            lambda state: dict(
                state, **{f'{FUSE}conv_bn_relu3.conv.weight': torch.zeros(())}
            ),
            'lacks the last 1x1',
        ),
        (
            lambda state: dict(
                state,
                **{'support_temporal_fuse.layers.1000000.x': torch.zeros(3)},
            ),
            'corrector.merger.1 is missing and later ones are there',
        ),
        (
            lambda state: dict(state, **{f'other.{COUNTER}': torch.tensor(7)}),
            '1 tensors belong to another network, first other',
        ),
        (
            lambda state: dict(state, other=torch.zeros(3)),
            '1 tensors belong to another network, first other',
        ),
    ],
)
def test_wrong_files(change, message):
    state = released_state(**SMALL)
    with pytest.raises(ValueError, match=message) as caught:
        convert_released(change(state))
    assert '\n' not in str(caught.value)


def test_other_joints():
    state = released_state(**SMALL)
    with pytest.raises(ValueError, match='17 joints, and 15 are needed'):
        convert_released(state, joints=15)
