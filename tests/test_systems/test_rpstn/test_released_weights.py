# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Converted weights of the released RPSTN compute what the release does."""

import pytest
import torch
from mmengine.config import Config
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample

from rpstn_mmpose.recipes import configs_dir
from rpstn_mmpose.systems.rpstn.released_weights import (
    convert_released,
    matching_recipe,
    recipe_options,
)

from .released_rpstn import (
    pictures,
    random_released,
    released_entries,
    released_forward,
)

FOLDER = 'body_2d_keypoint/rpstn'


@pytest.fixture(scope='module')
def penn():
    return random_released(13, seed=1)


@pytest.fixture(scope='module')
def jhmdb():
    return random_released(15, seed=2)


def build(recipe, **options):
    config = Config.fromfile(configs_dir() / FOLDER / recipe)
    config.merge_from_dict(options)
    return MODELS.build(config.model).eval()


def assert_close_to_the_release(got, expected):
    """1e-4, also where the heatmaps are smaller than one."""
    assert got.shape == expected.shape
    assert torch.isfinite(expected).all()
    for t in range(expected.shape[1]):
        size = expected[:, t].abs().max()
        assert expected[:, t].std() > 0.01 * size
        difference = (got[:, t] - expected[:, t]).abs().max()
        assert difference < 1e-4 and difference < 1e-4 * size, t


# Networks of full size, five frames through each: more than five seconds.
@pytest.mark.parametrize('dataset,again', [('penn', False), ('jhmdb', True)])
def test_outputs_are_those_of_the_release(dataset, again, request):
    """Five frames, ResNet-18, in the model that the recipe builds. The other
    data set's arithmetic is far off, which shows what the bound is worth."""
    state = request.getfixturevalue(dataset)
    weights = convert_released(dict(state_dict=state))
    assert weights.dataset == dataset
    recipe = matching_recipe(weights)
    assert 'res18_' in recipe and dataset in recipe and 'released' in recipe
    assert recipe_options(weights) == []
    model = build(recipe)
    model.load_state_dict(weights.state_dict, strict=True)
    frames = pictures(5, seed=3)
    with torch.no_grad():
        expected = released_forward(state, frames, again)
        other = released_forward(state, frames[:, :2], not again)
        got = model(frames, None, mode='tensor')
    assert expected.shape == (1, 5, len(state['module.bn_u.bias']), 64, 64)
    assert_close_to_the_release(got, expected)
    size = expected[:, 1].abs().max()
    assert (other[:, 1] - expected[:, 1]).abs().max() > 0.01 * size


def test_released_rows(penn):
    """The other public state of the code, chosen by an option."""
    weights = convert_released(penn)
    model = build(
        matching_recipe(weights),
        **{'model.head.relation.arithmetic': 'released-rows'},
    )
    model.load_state_dict(weights.state_dict, strict=True)
    frames = pictures(2, seed=3)
    with torch.no_grad():
        expected = released_forward(penn, frames, False, rows_sum_to_one=True)
        columns = released_forward(penn, frames[:, :1], False)
        got = model(frames, None, mode='tensor')
    assert_close_to_the_release(got, expected)
    size = expected[:, 0].abs().max()
    assert (columns[:, 0] - expected[:, 0]).abs().max() > 0.01 * size


def tensors(joints=13, **depths):
    """The released tensors without their numbers."""
    return {
        name: torch.empty(shape, device='meta')
        for name, shape in released_entries(joints, **depths).items()
    }


@pytest.mark.parametrize(
    'joints,initializer,extractor,recipe,options',
    [
        (13, 50, 50, 'penn_action/rpstn_res50_', {}),
        (15, 101, 101, 'jhmdb/rpstn_res101_', {}),
        # the published code's own settings
        (
            13,
            101,
            50,
            'penn_action/rpstn_res50_',
            {
                'model.initializer.backbone.depth': 101,
                'model.initializer.head.in_channels': 2048,
            },
        ),
        (
            15,
            18,
            50,
            'jhmdb/rpstn_res50_',
            {
                'model.initializer.backbone.depth': 18,
                'model.initializer.head.in_channels': 512,
            },
        ),
        (
            13,
            50,
            34,
            'penn_action/rpstn_res50_',
            {
                'model.backbone.depth': 34,
                'model.feature_neck.in_channels': 512,
            },
        ),
    ],
)
def test_backbones_are_recognised(
    joints, initializer, extractor, recipe, options
):
    """Every tensor of the model that the recipe builds is filled."""
    weights = convert_released(
        tensors(joints, initializer=initializer, extractor=extractor)
    )
    assert weights.initializer_depth == initializer
    assert weights.extractor_depth == extractor
    assert matching_recipe(weights).startswith(recipe)
    assert recipe_options(weights) == [f'{k}={v}' for k, v in options.items()]
    with torch.device('meta'):
        model = build(matching_recipe(weights), **options)
    model.load_state_dict(weights.state_dict, strict=True, assign=True)


@pytest.mark.parametrize('depth,millions', [(18, 33.2), (50, 70.5)])
def test_released_parameter_counts(depth, millions):
    """Of design.md, which leaves the statistics of the norms out."""
    entries = released_entries(13, initializer=depth, extractor=depth)
    count = sum(
        torch.Size(shape).numel()
        for name, shape in entries.items()
        if not name.endswith(
            ('running_mean', 'running_var', 'num_batches_tracked')
        )
    )
    assert round(count / 1e6, 1) == millions


def test_unused_tensors_are_named():
    weights = convert_released(tensors())
    assert sorted(weights.unused) == [
        f'non_local_conv2d.{layer}.{leaf}'
        for layer in ('phi', 'theta')
        for leaf in ('bias', 'weight')
    ]
    # and need not be there; nor need the counters, nor DataParallel's prefix
    bare = {
        name[len('module.') :]: value
        for name, value in tensors().items()
        if '.theta.' not in name
        and '.phi.' not in name
        and 'num_batches_tracked' not in name
    }
    assert convert_released(bare).unused == []
    assert set(convert_released(bare).state_dict) == set(weights.state_dict)


def test_half_precision_becomes_single():
    state = {name: value.half() for name, value in tensors().items()}
    converted = convert_released(state).state_dict
    assert {value.dtype for value in converted.values()} == {torch.float32}


def broken(change):
    state = tensors()
    change(state)
    return state


def drop(name):
    return lambda state: state.pop(name)


def put(name, value):
    return lambda state: state.__setitem__(name, value)


FINAL = 'module.pose_net.final_layer.weight'


@pytest.mark.parametrize(
    'change,message',
    [
        (
            drop('module.bn.running_var'),
            r'1 of \d+ .* missing, first bn.running_',
        ),
        (
            drop('module.fea_ext.4.1.conv2.weight'),
            'missing, first fea_ext.4.1.c',
        ),
        (
            drop('module.pose_conv1x1_U.bias'),
            'missing, first pose_conv1x1_U.bias',
        ),
        (put('module.extra.weight', torch.zeros(1)), 'first extra.weight'),
        (
            put('module.fea_ext.9.weight', torch.zeros(1)),
            'first fea_ext.9.weight',
        ),
        (put('module.fea_ext', torch.zeros(1)), 'first fea_ext'),
        (
            put('module.fea_ext.4.2.conv1.weight', torch.zeros(64, 64, 3, 3)),
            r'fea_ext: \(3, 2, 2, 2\) basic blocks',
        ),
        (
            put('module.bn.weight', torch.zeros(255)),
            r'bn.weight has .*\(255,\)',
        ),
        (
            put('module.bn.weight', torch.zeros(256, dtype=torch.int64)),
            'bn.weight holds torch.int64',
        ),
        (put('module.epoch', 3), "entry 'module.epoch' is no tensor"),
        (
            put(FINAL, torch.zeros(16, 256, 1, 1)),
            'it has 16 joints; .* 13 .* 15',
        ),
        (put(FINAL, torch.tensor(1.0)), 'it has 0 joints'),
        (drop(FINAL), 'not a checkpoint of the released RPSTN'),
        (lambda state: state.clear(), 'it has no weights'),
    ],
)
def test_other_files_are_refused(change, message):
    with pytest.raises(ValueError, match=message) as info:
        convert_released(dict(state_dict=broken(change)))
    assert '\n' not in str(info.value)


def test_joints_of_the_other_data_set():
    with pytest.raises(ValueError, match='13 joints, so it was trained on pe'):
        convert_released(tensors(13), dataset='jhmdb')
    assert convert_released(tensors(15), dataset='jhmdb').dataset == 'jhmdb'


def test_a_mixture_of_joints():
    state = tensors(13)
    state['module.bn_u.weight'] = torch.zeros(15)
    with pytest.raises(ValueError, match=r'bn_u.weight has the shape \(15,\)'):
        convert_released(state)


@pytest.mark.parametrize(
    'recipe',
    [
        'penn_action/rpstn_res50_1xb8-100e_penn-256x256-released.py',
        'jhmdb/rpstn_res50_1xb8-100e_jhmdb-sub1-256x256-released.py',
    ],
)
def test_pictures_stay_bgr_from_0_to_255(recipe):
    config = Config.fromfile(configs_dir() / FOLDER / recipe).model
    preprocess = MODELS.build(config.data_preprocessor)
    clip = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    data = preprocess(dict(inputs=[clip], data_samples=[PoseDataSample()]))
    assert torch.equal(data['inputs'], clip[None].float())
