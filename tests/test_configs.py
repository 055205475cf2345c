# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Every config in the folder builds, trains a step and predicts."""

import gc
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.structures import InstanceData, PixelData
from mmpose.registry import DATASETS, KEYPOINT_CODECS, MODELS, TRANSFORMS
from mmpose.structures import PoseDataSample
from mmpose.utils import register_all_modules

import rpstn_mmpose
from rpstn_mmpose.experiments.configs import load_changes

from .test_datasets.penn_files import write_penn

register_all_modules()

ROOT = Path(__file__).resolve().parents[1] / 'configs'
# All but the first have test files of their own.
LEFT_OUT = {
    '_base_',
    'topdown_heatmap_jre',
    'detection',
    'posewarper',
    'dcpose',
    'dsta',
    'posefix',
    'body_3d_keypoint',
    'hieve',
}
RECIPES = sorted(
    p.relative_to(ROOT)
    for p in ROOT.rglob('*.py')
    if not LEFT_OUT & set(p.parts)
)
TRACKS = ROOT / 'body_2d_keypoint/rpstn/synthetic_penn_tracks'
TINY = TRACKS / 'rpstn_tiny_1xb8-1e_synthetic-penn-tracks-128x128.py'
ABLATIONS = dict(load_changes(TRACKS / 'ablations.yml'))
RECIPES += [
    (TINY.parent / f'{TINY.stem}+{name}.py').relative_to(ROOT)
    for name in ABLATIONS
]
# ablations that train on joints that are labelled and hidden
HIDDEN_JOINTS_TOO = {
    'occ',
    'wo-both-occ',
    'wo-both-occ-gate',
    'wo-both-occ-mean',
    'plus',
}
NUM_JOINTS = 13  # of Penn Action


def load(recipe):
    config = whole(ROOT / recipe)
    config.model.pop('image_pretrained', None)
    return config


def whole(path):
    """A recipe, or with +NAME behind its name, an ablation of it."""
    stem, _, name = path.stem.partition('+')
    config = Config.fromfile(path.with_name(f'{stem}.py'))
    config.merge_from_dict(ABLATIONS[name] if name else {})
    return config


def make_inputs(config, length=2):
    """A clip (or, for an image model, a frame) and its labels."""
    joints = config.model.head.out_channels
    codec = config.codec
    width, height = codec['input_size']
    w, h = codec.get('heatmap_size', (width, height))
    image_model = config.model.type == 'TopdownPoseEstimator'
    rows = 1 if image_model else length
    rng = np.random.default_rng(0)
    clip = rng.integers(0, 256, (rows, 3, height, width), dtype=np.uint8)
    sample = PoseDataSample(
        metainfo=dict(
            frame_mask=np.ones(rows, dtype=bool),
            input_size=(width, height),
            input_center=np.full((rows, 1, 2), 64.0),
            input_scale=np.full((rows, 1, 2), 128.0),
            flip_indices=list(range(joints)),
        )
    )
    sample.gt_instances = InstanceData(
        bboxes=np.zeros((rows, 4)), bbox_scores=np.ones(rows)
    )
    targets = torch.rand(rows, joints, h, w)
    if image_model:
        sample.set_field(pixel_data(targets[0]), 'gt_fields')
        sample.set_metainfo(
            dict(input_center=np.full(2, 64.0), input_scale=np.full(2, 128.0))
        )
        labels = InstanceData(keypoint_weights=torch.ones(rows, joints))
        if codec.type == 'SimCCLabel':
            encoded = KEYPOINT_CODECS.build(codec).encode(
                rng.uniform(0, width, (1, joints, 2)).astype(np.float32)
            )
            labels.set_data(
                {name: torch.from_numpy(x) for name, x in encoded.items()}
            )
    else:
        labels = InstanceData(
            heatmaps=targets, keypoint_weights=torch.ones(rows, joints)
        )
    sample.gt_instance_labels = labels
    tensor = torch.from_numpy(clip)
    return tensor[0] if image_model else tensor, sample


def pixel_data(heatmaps):
    return PixelData(heatmaps=heatmaps)


def test_there_are_configs():
    names = [
        r.name for r in RECIPES if r.parts[1:3] == ('rpstn', 'penn_action')
    ]
    for backbone in ('res18', 'res50', 'res101', 'hrnet-w32', 'hourglass52'):
        assert any(f'rpstn_{backbone}_' in name for name in names), backbone


# Recipes of JHMDB's other splits are the first one's but for the number;
# those of HRNet-W48 differ from W32's in the width, which takes long.
@pytest.mark.parametrize(
    'recipe',
    [
        r
        for r in RECIPES
        if not {'sub2', 'sub3'} & set(r.stem.split('-'))
        and 'hrnet-w48' not in r.stem
    ],
    ids=lambda r: r.stem,
)
def test_config_trains_and_predicts(recipe):
    gc.collect()  # the model before; gigabytes slow the tests' forks down
    config = load(recipe)
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    inputs, sample = make_inputs(config)
    batch = model.data_preprocessor(
        dict(inputs=[inputs], data_samples=[sample]), training=True
    )
    losses = model.train()(**batch, mode='loss')
    total = sum(v for k, v in losses.items() if 'loss' in k)
    total.backward()
    assert torch.isfinite(total)
    for name, parameter in model.named_parameters():
        # MMPose's hourglass of one stack makes a layer that it never uses
        if '.inters.' not in f'.{name}':
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name
    with torch.no_grad():
        result = model.eval()(**batch, mode='predict')[0]
    rows = 1 if inputs.dim() == 3 else 2
    joints = (
        17
        if 'posetrack' in recipe.stem
        else 14
        if 'hieve' in recipe.stem
        else 15
        if 'jhmdb' in recipe.stem
        else NUM_JOINTS
    )
    assert result.pred_instances.keypoints.shape == (rows, joints, 2)


@pytest.mark.parametrize('recipe', RECIPES, ids=lambda r: r.stem)
def test_pipelines_build_and_codec_is_shared(recipe):
    config = load(recipe)
    for pipeline in (config.train_pipeline, config.val_pipeline):
        Compose([TRANSFORMS.build(t) for t in pipeline])
    encoders = [t.encoder for t in config.train_pipeline if 'encoder' in t]
    assert encoders == [config.codec]
    assert config.model.head.decoder == config.codec
    assert config.train_dataloader.dataset.pipeline == config.train_pipeline
    assert config.test_dataloader.dataset.pipeline == config.val_pipeline
    milestones = config.param_scheduler[-1]
    assert milestones.end == config.train_cfg.max_epochs
    if config.model.type != 'TopdownPoseEstimator':
        for split in ('train', 'val', 'test'):
            assert config[f'{split}_dataloader'].collate_fn == dict(
                type='stack_in_worker'
            )


@pytest.mark.parametrize('name', ABLATIONS)
def test_ablations_differ_in_what_they_name_alone(name):
    """Same schedule, data and test clips; frames a batch about 40. The start
    is an image model of the same backbone."""
    base = Config.fromfile(TINY)
    variant = whole(TINY.with_name(f'{TINY.stem}+{name}.py'))
    changed = {
        key for key in {*base, *variant} if base.get(key) != variant.get(key)
    }
    expected = {'model'}
    if name in ('t7', 't10'):
        expected = {'train_dataloader'}
    elif name in HIDDEN_JOINTS_TOO:
        expected = {'train_dataloader', 'train_pipeline', 'model'}
        expected -= {'model'} if name == 'occ' else set()
    assert changed == expected
    start = Path(variant.model.image_pretrained.checkpoint)
    image_recipe = next(r for r in RECIPES if r.stem == start.parent.name)
    assert (
        load(image_recipe).model.backbone.depth
        == (34 if 'res34' in name else 18)
        == variant.model.backbone.depth
    )
    assert start.name == f'epoch_{load(image_recipe).train_cfg.max_epochs}.pth'
    loader = variant.train_dataloader
    assert loader.batch_size == dict(t7=6, t10=4).get(name, 8)
    assert 40 <= loader.batch_size * loader.dataset.clip_length <= 42
    weights = [
        step.get('occluded_weight', 0)
        for step in loader.dataset.pipeline
        if step.type == 'GenerateClipTarget'
    ]
    assert weights == [1 if name in HIDDEN_JOINTS_TOO else 0]


def test_ablations_that_are_made_of_others():
    """Values of the configs that they were before they had names."""
    models = {
        name: whole(TINY.with_name(f'{TINY.stem}+{name}.py')).model
        for name in ABLATIONS
    }
    for name in (
        'wo-both',
        'wo-both-occ',
        'wo-both-occ-gate',
        'res34-wo-both',
    ):
        model = models[name]
        assert model.neck is model.head.relation is model.head.norm_cfg is None
        assert model.initializer == 'features'
        assert model.train_cfg.initializer_loss_weight == 0
    assert models['wo-jrpsp'].head.norm_cfg == dict(type='BN')
    for name in ('plus', 'plus-wo-occ', 'wo-both-occ-gate'):
        assert models[name].memory == dict(
            type='GatedHeatmapMemory', num_joints=13
        )
    assert models['conv-jre'].head.relation == dict(
        type='RelationSequence',
        relations=[
            dict(type='ConvRefinement'),
            dict(type='JointRelationExtractor'),
        ],
    )
    assert (models['dkd'].neck.num_convs, models['dkd'].head.relation) == (
        3,
        None,
    )
    assert models['released'].head.relation == dict(
        type='JointRelationExtractor', arithmetic='released'
    )


@pytest.mark.parametrize(
    'recipe', ['', 'wo-jrpsp', 'wo-both', 'cat', 'no-init']
)
def test_ablations_start_from_the_image_model(recipe, tmp_path):
    """With and without an initializer. What starts without relation, norm
    and recurrence says of each frame what the image model says of it."""
    stage_1 = 'td-hm_tiny_1xb16-4e_synthetic-penn-tracks-128x128'
    torch.manual_seed(0)
    image_model = MODELS.build(load(rpstn_mmpose.config_path(stage_1)).model)
    image_model.init_weights()
    checkpoint = tmp_path / 'image_model.pth'
    torch.save(dict(state_dict=image_model.state_dict()), checkpoint)

    config = whole(TINY.with_name(f'{TINY.stem}+{recipe}.py')).model
    config.image_pretrained.checkpoint = str(checkpoint)
    model = MODELS.build(config)
    model.init_weights()
    clip = torch.randn(2, 3, 3, 128, 128)
    with torch.no_grad():
        expected = image_model.eval()(
            clip.flatten(0, 1), None, mode='tensor'
        ).unflatten(0, (2, 3))
        got = model.eval()(clip, None, mode='tensor')
        of_features = model.head.pseudo_heatmaps(
            (model.extract_feat(clip).flatten(0, 1),)
        ).unflatten(0, (2, 3))
    torch.testing.assert_close(of_features, expected)
    if recipe == 'wo-both':
        torch.testing.assert_close(got, expected)
    if recipe in ('', 'cat'):
        torch.testing.assert_close(got[:, 0], expected[:, 0])


def test_parameter_counts():
    """SBL-R50 has 34.0 M (32.424 * 2**20 with 17 joints); RPSTN-R50 has two
    without one 1x1, JRPSP (the aggregation 1x1, four 3x3 with BN), the 1x1
    to 13 joints, JRE and its norm."""
    config = load(
        'body_2d_keypoint/rpstn/penn_action/'
        'rpstn_res50_1xb8-100e_penn-256x256.py'
    )
    model = MODELS.build(config.model)
    sbl_17 = round(32.424 * 2**20)
    features = sbl_17 - (256 * 17 + 17)
    final = 256 * 13 + 13
    jrpsp = (256 + 13) * 256 + 256 + 4 * (256 * 256 * 9 + 2 * 256)
    jre = 2 * 13**2 + 2 * 13
    expected = 2 * (features + final) + jrpsp + jre
    count = sum(p.numel() for p in model.parameters())
    # the paper prints three decimals of 2**20, cut off
    assert expected <= count < expected + 2 * 0.001 * 2**20


def test_penn_starts_from_mpii_by_name():
    """Both metainfos are read; a typo in a joint's name would fail here."""
    from mmpose.datasets.datasets.utils import parse_pose_metainfo

    config = Config.fromfile(
        ROOT / 'body_2d_keypoint/rpstn/penn_action/'
        'rpstn_res50_1xb8-100e_penn-256x256.py'
    )
    pretrained = config.model.image_pretrained
    mpii = parse_pose_metainfo(dict(from_file=pretrained.source_metainfo))
    penn = parse_pose_metainfo(
        dict(from_file=str(ROOT / '_base_/datasets/penn_action.py'))
    )
    names = [penn['keypoint_id2name'][i] for i in range(NUM_JOINTS)]
    assert names[0] == 'head' and pretrained.joints[0] == 'head_top'
    assert names[1:] == list(pretrained.joints[1:])
    assert set(pretrained.joints) <= set(mpii['keypoint_name2id'])
    assert rpstn_mmpose.__version__


def test_jhmdb_starts_from_mpii_by_name():
    """All but the joints of trunk and head have the same name in both."""
    from mmpose.datasets.datasets.utils import parse_pose_metainfo

    pretrained = Config.fromfile(
        ROOT / 'body_2d_keypoint/rpstn/jhmdb/'
        'rpstn_res50_1xb8-100e_jhmdb-sub1-256x256.py'
    ).model.image_pretrained
    mpii = parse_pose_metainfo(dict(from_file=pretrained.source_metainfo))
    jhmdb = parse_pose_metainfo(
        dict(from_file='configs/_base_/datasets/jhmdb.py')
    )
    names = [jhmdb['keypoint_id2name'][i] for i in range(15)]
    pairs = dict(zip(names, pretrained.joints))
    assert [pairs.pop(name) for name in ('neck', 'belly', 'head')] == [
        'upper_neck',
        'pelvis',
        'head_top',
    ]
    assert len(pairs) == 12 and all(k == v for k, v in pairs.items())
    assert set(pretrained.joints) <= set(mpii['keypoint_name2id'])


@pytest.mark.parametrize('sub', [1, 2, 3])
@pytest.mark.parametrize('backbone', ['res18', 'res50', 'res101'])
def test_jhmdb_recipes_differ_in_the_split_alone(backbone, sub):
    name = (
        'body_2d_keypoint/rpstn/jhmdb/rpstn_{}_1xb8-100e_jhmdb-sub{}'
        '-256x256.py'
    )
    config, first = (
        Config.fromfile(ROOT / name.format(backbone, number))
        for number in (sub, 1)
    )
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        assert config[loader].dataset.sub == sub
        config[loader].dataset.sub = 1
    assert config.to_dict() == first.to_dict()
    assert config.model.backbone.depth == int(backbone[3:])
    assert config.train_dataloader.dataset.split == 'train'
    assert config.test_dataloader.dataset.split == 'test'


def test_fast_recipe_gives_the_same_samples(tmp_path):
    """Pixels, targets and augmentation of the recipe that it is made from."""
    write_penn(tmp_path, lengths=(7, 5), train=(1, -1))
    folder = ROOT / 'body_2d_keypoint/rpstn/penn_action'
    plain, fast = (
        Config.fromfile(folder / f'rpstn_{name}_1xb8-100e_penn-256x256.py')
        for name in ('res50', 'res50-fast')
    )
    assert plain.train_pipeline != fast.train_pipeline
    for loader in ('train_dataloader', 'val_dataloader'):
        samples = []
        for config in (plain, fast):
            options = dict(config[loader].dataset, data_root=str(tmp_path))
            dataset = DATASETS.build(options)
            np.random.seed(3)
            samples.append([dataset[i] for i in range(len(dataset))])
        assert len(samples[0]) == len(samples[1]) > 0
        for expected, got in zip(*samples):
            assert (got['inputs'] == expected['inputs']).all()
            a, b = (item['data_samples'] for item in (got, expected))
            np.testing.assert_array_equal(
                a.metainfo['input_center'], b.metainfo['input_center']
            )
            if loader == 'train_dataloader':
                assert torch.equal(
                    a.gt_instance_labels.heatmaps,
                    b.gt_instance_labels.heatmaps,
                )


def test_model_index_names_what_is_there():
    index = yaml.safe_load((ROOT.parent / 'model-index.yml').read_text())
    named = set()
    for metafile in index['Import']:
        content = yaml.safe_load((ROOT.parent / metafile).read_text())
        for collection in content.get('Collections', ()):
            assert (ROOT.parent / collection['README']).is_file()
        for model in content['Models']:
            path = ROOT.parent / model['Config']
            assert path.is_file() and path.stem == model['Name']
            named.add(path.name)
    # released weights have no recipe to train; tiny ones are checks
    assert named == {
        recipe.name
        for recipe in ROOT.glob('body_*/**/*.py')
        if 'released' not in recipe.name and 'tiny' not in recipe.name
    }
