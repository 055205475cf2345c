# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""MPII SimpleBaselines, in MMPose's and Microsoft's naming, start RPSTN."""

import pytest
import torch
from mmengine.config import Config
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.registry import MODELS

from rpstn_mmpose.checkpoints.simple_baseline import recognise_depth
from rpstn_mmpose.recipes import configs_dir
from rpstn_mmpose.systems.rpstn.mpii_weights import convert_mpii, mpii_joints
from tests.test_models.conftest import (
    CODEC,
    tiny_image_model,
    tiny_video_model,
)

from .released_rpstn import image_model_entries, pictures, random_weights

# Order of MPII's annotations, as its documentation numbers them from 0.
MPII = [
    'right_ankle',
    'right_knee',
    'right_hip',
    'left_hip',
    'left_knee',
    'left_ankle',
    'pelvis',
    'thorax',
    'upper_neck',
    'head_top',
    'right_wrist',
    'right_elbow',
    'right_shoulder',
    'left_shoulder',
    'left_elbow',
    'left_wrist',
]
PENN = [
    'head',
    'left_shoulder',
    'right_shoulder',
    'left_elbow',
    'right_elbow',
    'left_wrist',
    'right_wrist',
    'left_hip',
    'right_hip',
    'left_knee',
    'right_knee',
    'left_ankle',
    'right_ankle',
]
JHMDB = [
    'neck',
    'belly',
    'head',
    'right_shoulder',
    'left_shoulder',
    'right_hip',
    'left_hip',
    'right_elbow',
    'left_elbow',
    'right_knee',
    'left_knee',
    'right_wrist',
    'left_wrist',
    'right_ankle',
    'left_ankle',
]
# Which MPII channel serves each joint, counted off the lists above by hand.
PENN_CHANNELS = [9, 13, 12, 14, 11, 15, 10, 3, 2, 4, 1, 5, 0]
JHMDB_CHANNELS = [8, 6, 9, 12, 13, 2, 3, 11, 14, 1, 4, 10, 15, 0, 5]


def to_mmpose(state, head='head'):
    """MMPose's names of a state dict in Microsoft's."""
    return {
        f'{head if name.startswith(("deconv", "final")) else "backbone"}.'
        f'{name}': value
        for name, value in state.items()
    }


@pytest.fixture(scope='module')
def sbl():
    """Random weights of a ResNet-18 SimpleBaseline, Microsoft's naming."""
    state = random_weights(image_model_entries(18, joints=16), seed=4)
    state['conv1.weight'] /= 128  # pixels go up to 255
    return state


def test_metainfos_have_these_joints():
    for file, expected in (
        (configs_dir() / '_base_/datasets/penn_action.py', PENN),
        ('configs/_base_/datasets/jhmdb.py', JHMDB),
        ('configs/_base_/datasets/mpii.py', MPII),
    ):
        names = parse_pose_metainfo(dict(from_file=str(file)))
        names = names['keypoint_id2name']
        assert [names[i] for i in range(len(names))] == expected


@pytest.mark.parametrize(
    'joints,channels,recipe',
    [
        (
            PENN,
            PENN_CHANNELS,
            'penn_action/rpstn_res50_1xb8-100e_penn-256x256',
        ),
        (
            JHMDB,
            JHMDB_CHANNELS,
            'jhmdb/rpstn_res50_1xb8-100e_jhmdb-sub1-256x256',
        ),
    ],
    ids=['penn', 'jhmdb'],
)
def test_joints_start_from_the_same_joint(joints, channels, recipe, sbl):
    """Channels told by hand; the recipes name the same MPII joints."""
    for state in (
        sbl,
        dict(state_dict=to_mmpose(sbl)),
        dict(state_dict={f'module.{k}': v for k, v in sbl.items()}),
        to_mmpose(sbl, head='keypoint_head'),
    ):
        weights = convert_mpii(state, joints, MPII)
        for part in ('head', 'initializer.head'):
            for leaf in ('weight', 'bias'):
                assert torch.equal(
                    weights.state_dict[f'{part}.final_layer.{leaf}'],
                    torch.stack(
                        [sbl[f'final_layer.{leaf}'][c] for c in channels]
                    ),
                )
    config = Config.fromfile(
        configs_dir() / 'body_2d_keypoint/rpstn' / f'{recipe}.py'
    )
    assert list(weights.start) == joints
    assert mpii_joints(joints) == list(config.model.image_pretrained.joints)


@pytest.mark.parametrize('naming', ['microsoft', 'mmpose'])
def test_outputs_are_those_of_the_image_model(naming, sbl):
    """Initializer and per-frame 1x1 of the Penn recipe say what the image
    model says, in the order of Penn's joints."""
    checkpoint = sbl if naming == 'microsoft' else to_mmpose(sbl)
    weights = convert_mpii(dict(state_dict=checkpoint), PENN, MPII)
    assert weights.depth == 18
    assert weights.microsoft == (naming == 'microsoft')
    assert weights.unused == []
    config = Config.fromfile(
        configs_dir()
        / 'body_2d_keypoint/rpstn/penn_action'
        / 'rpstn_res18_1xb8-100e_penn-256x256.py'
    )
    model = MODELS.build(config.model).eval()
    missing, unexpected = model.load_state_dict(
        weights.state_dict, strict=False
    )
    assert unexpected == []
    assert {name.split('.')[0] for name in missing} == {'neck', 'head'}
    assert not [
        name
        for name in missing
        if name.startswith(('head.final_layer', 'head.deconv'))
    ]

    image = MODELS.build(
        dict(
            type='TopdownPoseEstimator',
            backbone=dict(type='ResNet', depth=18),
            head=dict(type='HeatmapHead', in_channels=512, out_channels=16),
        )
    )
    image.load_state_dict(to_mmpose(sbl), strict=True)
    frames = pictures(1, seed=5)
    with torch.no_grad():
        expected = image.eval()(frames[0], None, mode='tensor')[
            :, PENN_CHANNELS
        ]
        initial = model.initial_heatmaps(frames)[0]
        features = model.extract_feat(frames)[0]
        per_frame = model.head.pseudo_heatmaps((features,))
    scale = expected.std()
    assert scale > 0
    torch.testing.assert_close(initial / scale, expected / scale)
    torch.testing.assert_close(per_frame / scale, expected / scale)


def test_image_pretrained_takes_microsofts_naming(tmp_path):
    """The recipe's own option, with joints by name, on a tiny network."""
    torch.manual_seed(7)
    image = MODELS.build(tiny_image_model(out_channels=16)).eval()
    image.init_weights()
    state = {
        f'module.{name.split(".", 1)[1]}': value
        for name, value in image.state_dict().items()
    }
    path = str(tmp_path / 'pose_resnet.pth.tar')
    torch.save(dict(state_dict=state, epoch=140, perf=0.9), path)
    joints = ['right_wrist', 'head_top', 'left_ankle']
    model = MODELS.build(
        tiny_video_model(
            image_pretrained=dict(
                checkpoint=path,
                joints=joints,
                source_metainfo='configs/_base_/datasets/mpii.py',
            )
        )
    )
    model.init_weights()
    clip = torch.randn(1, 2, 3, *CODEC['input_size'])
    with torch.no_grad():
        expected = image(clip[:, 0], None, mode='tensor')[:, [10, 9, 5]]
        got = model.eval()(clip, None, mode='tensor')[:, 0]
        feats = model.extract_feat(clip)[:, 0]
        of_features = model.head.pseudo_heatmaps((feats,))
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(of_features, expected)


def test_image_pretrained_without_names_of_joints(tmp_path):
    path = str(tmp_path / 'pose_resnet.pth')
    torch.save(
        {'conv1.weight': torch.zeros(1), 'final_layer.weight': torch.zeros(1)},
        path,
    )
    model = MODELS.build(
        tiny_video_model(
            image_pretrained=dict(checkpoint=path, joints=['a', 'b', 'c'])
        )
    )
    with pytest.raises(ValueError, match='give source_metainfo'):
        model.init_weights()


@pytest.mark.parametrize('depth', [18, 34, 50, 101, 152])
def test_depth_is_recognised(depth):
    assert recognise_depth(image_model_entries(depth)) == depth


def meta(depth=18, joints=16):
    return {
        name: torch.empty(shape, device='meta')
        for name, shape in image_model_entries(depth, joints).items()
    }


def change(**changes):
    state = meta()
    for name, value in changes.items():
        name = name.replace('__', '.')
        if value is None:
            del state[name]
        else:
            state[name] = value
    return state


@pytest.mark.parametrize(
    'state,message',
    [
        (meta(joints=17), r'shape \(17, 256, 1, 1\), and MPII has 16 joints'),
        (change(final_layer__weight=None), 'not a SimpleBaseline'),
        (change(conv1__weight=None), 'missing, first conv1.weight'),
        (
            change(layer4__1__bn2__running_mean=None),
            'first layer4.1.bn2.runni',
        ),
        (
            change(layer3__2__conv1__weight=torch.zeros(1)),
            'those of no ResNet',
        ),
        (
            change(deconv_layers__6__weight=torch.zeros(256, 256, 3, 3)),
            r'deconv_layers.6.weight has the shape \(256, 256, 3, 3\)',
        ),
        (dict(x=torch.zeros(1)), 'not a SimpleBaseline'),
        (dict(state_dict=dict(x=1)), "entry 'x' is no tensor"),
        ({}, 'it has no weights'),
    ],
)
def test_other_files_are_refused(state, message):
    with pytest.raises(ValueError, match=message) as info:
        convert_mpii(state, PENN, MPII)
    assert '\n' not in str(info.value)


def test_a_joint_that_mpii_lacks():
    with pytest.raises(ValueError, match=r"MPII has no joints \['nose'\]"):
        convert_mpii(meta(), ['nose'], MPII)


def test_foreign_layers_are_named():
    state = dict(meta(), fc__weight=torch.zeros(1))
    assert convert_mpii(state, PENN, MPII).unused == ['backbone.fc__weight']
