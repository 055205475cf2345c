# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Recipes of DSTA: their parts agree, they build, train a step and answer."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmpose.registry import DATASETS, MODELS, TRANSFORMS

from rpstn_mmpose.experiments.configs import load_changes
from rpstn_mmpose.recipes import configs_dir
from tests.test_datasets.jhmdb_files import write_jhmdb
from tests.test_datasets.penn_files import write_penn
from tests.test_datasets.posetrack_files import write_posetrack

FOLDER = Path(configs_dir()) / 'body_2d_keypoint/dsta'
RECIPES = sorted(FOLDER.rglob('*.py'))
BACKBONES = (
    'res50',
    'res101',
    'hrnet-w32',
    'hrnet-w48',
    'ViTPose-base',
    'ViTPose-huge',
)
JOINTS = dict(
    PoseTrackClipDataset=17, PennActionDataset=13, JHMDBClipDataset=15
)


def test_there_are_recipes():
    """Each data set of the paper, and each backbone on its first."""
    names = {path.parent.name for path in RECIPES}
    assert names == {
        'posetrack17',
        'posetrack18',
        'posetrack21',
        'penn_action',
        'jhmdb',
        'synthetic_penn_tracks',
        'synthetic_posetrack',
    }
    for backbone in (*BACKBONES, 'res50-t1', 'res50-t5', 'res50-live'):
        assert (
            FOLDER
            / 'posetrack17'
            / f'dsta_{backbone}_1xb32-20e_posetrack17-256x192.py'
        ).is_file()


@pytest.mark.parametrize('path', RECIPES, ids=lambda p: p.stem)
def test_the_parts_agree(path):
    config = Config.fromfile(path)
    for pipeline in (config.train_pipeline, config.val_pipeline):
        Compose([TRANSFORMS.build(step) for step in pipeline])
    encoders = [t.encoder for t in config.train_pipeline if 'encoder' in t]
    assert encoders == [config.codec] == [config.model.head.decoder]
    model = config.model
    boxes = 'per_frame' if 'live' in path.stem else 'wanted'
    for split in ('train', 'val', 'test'):
        dataset = config[f'{split}_dataloader'].dataset
        assert tuple(dataset.clip_offsets) == tuple(model.clip_offsets)
        pipeline = config[f'{"train" if split == "train" else "val"}_pipeline']
        assert dataset.pipeline == pipeline
        assert pipeline[1].type == 'ClipBBox' and pipeline[1].mode == boxes
    joints = JOINTS[config.train_dataloader.dataset.type]
    assert model.neck.num_joints == model.head.num_joints == joints
    data = DATASETS.get(config.train_dataloader.dataset.type)
    assert data.METAINFO['from_file'] == model.aggregator.metainfo
    assert config.param_scheduler[-1].end == config.train_cfg.max_epochs
    assert f'-{config.train_cfg.max_epochs}e_' in path.stem
    batch = config.train_dataloader.batch_size
    assert f'1xb{batch}-' in path.stem
    assert config.auto_scale_lr.base_batch_size == batch


@pytest.mark.parametrize('path', RECIPES, ids=lambda p: p.stem)
def test_widths_agree(path):
    """Without a weight in memory; images of the size of the recipe."""
    config = Config.fromfile(path)
    model = config.model
    backbone = model.backbone
    backbone.pop('init_cfg', None)
    channels = model.neck.in_channels
    if backbone.type == 'ResNet':
        wide = 4 if backbone.depth >= 50 else 1
        assert channels == backbone.get('base_channels', 64) * 8 * wide
        return
    if backbone.type == 'HRNet':
        stage = backbone.extra.stage4
        assert stage.multiscale_output
        assert tuple(channels) == tuple(stage.num_channels)
        return
    pytest.importorskip('mmpretrain')
    with torch.device('meta'):
        vit = MODELS.build(backbone)
    assert channels == vit.embed_dims
    width, height = config.codec['input_size']
    assert tuple(backbone.img_size) == (height, width)


def small(config, root):
    """The recipe with a small backbone, on a written data set."""
    config.model.backbone = dict(
        type='ResNet', depth=18, stem_channels=8, base_channels=8
    )
    config.model.neck.in_channels = 64
    config.model.image_pretrained = None
    for split in ('train', 'test'):
        dataset = config[f'{split}_dataloader'].dataset
        dataset.data_root = str(root)
        dataset.pop('bbox_file', None)
        dataset.pop('bbox_score_thr', None)
        dataset.pop('frame_pattern', None)
        dataset.pop('first_frame', None)
    return config


@pytest.fixture(scope='module')
def roots(tmp_path_factory):
    """The data sets as files."""
    folder = tmp_path_factory.mktemp('data')
    for number, split in enumerate(('train', 'val'), start=1):
        write_posetrack(
            folder / 'posetrack',
            number,
            num=4,
            people={0: range(4)},
            pictures=True,
            split=split,
        )
    write_penn(folder / 'penn', lengths=(5, 4), train=(1, -1))
    write_jhmdb(folder / 'jhmdb')
    return dict(
        PoseTrackClipDataset=folder / 'posetrack',
        PennActionDataset=folder / 'penn',
        JHMDBClipDataset=folder / 'jhmdb',
    )


ONE_EACH = [p for p in RECIPES if 'res50' in p.stem or 'tiny' in p.stem]


@pytest.mark.parametrize('path', ONE_EACH, ids=lambda p: p.stem)
def test_trains_a_step_and_answers(path, roots):
    """All parts get gradients, but for what nothing reads."""
    config = Config.fromfile(path)
    config = small(config, roots[config.train_dataloader.dataset.type])
    model = MODELS.build(config.model)
    train, test = (
        DATASETS.build(config[f'{split}_dataloader'].dataset)
        for split in ('train', 'test')
    )
    np.random.seed(0)
    batch = model.data_preprocessor(
        pseudo_collate([train[0], train[len(train) - 1]]), True
    )
    losses = model.train()(**batch, mode='loss')
    losses['loss_kpt'].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    found = model.eval().test_step(pseudo_collate([test[0]]))[0]
    joints = JOINTS[config.train_dataloader.dataset.type]
    assert found.pred_instances.keypoints.shape == (1, joints, 2)
    assert found.pred_instances.keypoint_sigmas.shape == (1, joints, 2)


def test_live_and_released_are_what_they_say():
    live, released, plain = (
        Config.fromfile(FOLDER / f'posetrack17/dsta_{name}.py')
        for name in (
            'res50-live_1xb32-20e_posetrack17-256x192',
            'res50_1xb32-20e_posetrack17-256x192-released',
            'res50_1xb32-20e_posetrack17-256x192',
        )
    )
    assert max(live.model.clip_offsets) == 0
    loss = released.model.head.loss
    assert loss.q_distribution == 'released' and loss.use_target_weight
    assert tuple(loss.prior_mean) == (0.5, 0.5)
    assert released.test_evaluator.nms_thr is None
    weights = [t for t in plain.train_pipeline if 'encoder' in t]
    assert weights[0].use_dataset_keypoint_weights
    assert plain.test_dataloader.dataset.bbox_score_thr == 0.2
    assert plain.train_dataloader.dataset.first_frame == 1


TRACKS = FOLDER / 'synthetic_penn_tracks'
TINY = 'dsta_tiny_1xb16-4e_synthetic-penn-tracks-128x128'


@pytest.mark.parametrize(
    'name, settings', load_changes(TRACKS / 'ablations.yml')
)
def test_changes(name, settings, roots):
    """Each builds, trains a step, and its data are those of its model."""
    config = Config.fromfile(TRACKS / f'{TINY}.py')
    config.merge_from_dict(settings)
    small(config, roots['PennActionDataset'])
    model = MODELS.build(config.model)
    data = DATASETS.build(config.train_dataloader.dataset)
    for split in ('train', 'val', 'test'):
        offsets = config[f'{split}_dataloader'].dataset.clip_offsets
        assert tuple(offsets) == model.clip_offsets
    batch = model.data_preprocessor(pseudo_collate([data[0], data[1]]), True)
    model.train()(**batch, mode='loss')['loss_kpt'].backward()
    assert model.aggregator.mix.weight.grad.isfinite().all()
    assert config.param_scheduler[-1].T_max == config.train_cfg.max_epochs


def test_the_heatmap_twin():
    """Data, steps and start of the backbone are DSTA's."""
    dsta = Config.fromfile(TRACKS / f'{TINY}.py')
    path = FOLDER.parent / 'topdown_heatmap/synthetic_penn_tracks'
    name = TINY.replace('dsta_tiny', 'td-hm_tiny-new-head')
    twin = Config.fromfile(path / f'{name}.py')
    start = twin.model.backbone.pop('init_cfg').checkpoint
    assert start == dsta.model.image_pretrained.checkpoint
    assert twin.model.backbone == dsta.model.backbone
    assert twin.load_from is None
    for key in ('optim_wrapper', 'param_scheduler', 'train_cfg'):
        assert twin[key] == dsta[key]
    loaders = twin.train_dataloader, dsta.train_dataloader
    assert len({loader.batch_size for loader in loaders}) == 1
    assert len({loader.dataset.data_root for loader in loaders}) == 1
    assert len({loader.dataset.split for loader in loaders}) == 1
