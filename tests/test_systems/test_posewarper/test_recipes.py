# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Recipes of PoseWarper: they build, train a step, and fit their stage 1."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmpose.registry import DATASETS, MODELS, TRANSFORMS

from rpstn_mmpose.recipes import configs_dir
from tests.test_datasets.penn_files import write_penn
from tests.test_datasets.posetrack_files import write_posetrack

FOLDER = Path(configs_dir()) / 'body_2d_keypoint'
RECIPES = sorted((FOLDER / 'posewarper').rglob('*.py'))
SETS = ('penn_action', 'posetrack17', 'posetrack18')
OFFSETS = (-2, -1, 0, 1, 2)


def recipe(path):
    return Config.fromfile(path)


def stage_1_of(config):
    """The recipe that makes what a recipe starts from, if it is ours."""
    start = Path(config.model.image_pretrained.checkpoint)
    if '://' in str(config.model.image_pretrained.checkpoint):
        return None, None
    found = list((FOLDER / 'topdown_heatmap').rglob(f'{start.parent.name}.py'))
    assert len(found) == 1, start
    return Config.fromfile(found[0]), start.stem


def test_there_are_recipes():
    folders = {path.parent.name for path in RECIPES}
    assert folders == {*SETS, 'synthetic_penn_tracks', 'synthetic_posetrack'}
    released = {p.parent.name for p in RECIPES if 'released' in p.stem}
    assert released == {'posetrack17', 'posetrack18'}


@pytest.mark.parametrize('path', RECIPES, ids=lambda p: p.stem)
def test_the_parts_agree(path):
    config = recipe(path)
    for pipeline in (config.train_pipeline, config.val_pipeline):
        Compose([TRANSFORMS.build(step) for step in pipeline])
    encoders = [t.encoder for t in config.train_pipeline if 'encoder' in t]
    assert encoders == [config.codec] == [config.model.head.decoder]
    model = config.model
    assert tuple(model.clip_offsets) == OFFSETS
    assert dict(zip(OFFSETS, model.frame_weights)) == {
        0: 0.3,
        -1: 0.25,
        1: 0.25,
        -2: 0.1,
        2: 0.1,
    }
    assert model.warper.num_joints == model.head.out_channels
    assert max(model.warper.dilations) < min(config.codec.heatmap_size)
    for loader in ('val_dataloader', 'test_dataloader'):
        assert tuple(config[loader].dataset.clip_offsets) == OFFSETS
        assert config[loader].dataset.pipeline == config.val_pipeline
    window = config.train_dataloader.dataset.window
    assert window.type == 'NearPair'
    assert tuple(window.clip_offsets) == OFFSETS
    assert config.param_scheduler[-1].end == config.train_cfg.max_epochs


@pytest.mark.parametrize('path', RECIPES, ids=lambda p: p.stem)
def test_stage_1_is_the_same_image_model(path):
    config = recipe(path)
    stage_1, epoch = stage_1_of(config)
    if stage_1 is None:
        return
    assert epoch == f'epoch_{stage_1.train_cfg.max_epochs}'
    backbone = dict(stage_1.model.backbone)
    backbone.pop('init_cfg', None)
    assert backbone == config.model.backbone
    head = dict(config.model.head, loss=stage_1.model.head.loss)
    assert stage_1.model.head == head
    assert stage_1.codec == config.codec
    data = [c.train_dataloader.dataset for c in (stage_1, config)]
    assert data[0].type == data[1].type
    assert data[0].data_root == data[1].data_root


@pytest.mark.parametrize('year', ['posetrack17', 'posetrack18'])
def test_what_is_as_released(year):
    """Norms, the drops an epoch early, half of the loss, boxes, ranking."""
    name = f'posewarper_hrnet-w48_8xb8-20e_{year}-384x288'
    folder = FOLDER / 'posewarper' / year
    paper, released = (
        recipe(folder / f'{name}{end}.py') for end in ('', '-released')
    )
    changed = {
        key
        for key in {*paper, *released}
        if paper.get(key) != released.get(key)
    }
    assert changed == {
        'param_scheduler',
        'model',
        'test_dataloader',
        'val_evaluator',
        'test_evaluator',
    }
    assert paper.param_scheduler[0].milestones == [10, 15]
    assert released.param_scheduler[0].milestones == [9, 14]
    assert not released.model.train_cfg.image_norm_eval
    assert released.model.head.loss.loss_weight == 0.5
    assert released.val_evaluator.neck == 'shoulders'
    assert released.val_evaluator.score_mode == 'bbox_keypoint'
    assert released.val_evaluator.nms_thr is None
    assert released.test_dataloader.dataset.bbox_score_thr == 0.2


def tiny(name, root):
    path = next((FOLDER / 'posewarper' / name).glob('posewarper_tiny*.py'))
    config = recipe(path)
    config.model.image_pretrained = None
    data = {
        split: dict(config[f'{split}_dataloader'].dataset, data_root=str(root))
        for split in ('train', 'val')
    }
    return config, data


@pytest.mark.parametrize(
    'name, joints',
    [('synthetic_penn_tracks', 13), ('synthetic_posetrack', 17)],
)
def test_trains_a_step_and_predicts(name, joints, tmp_path):
    """On pairs that differ from fetch to fetch; every k-th label, too."""
    if joints == 13:
        write_penn(tmp_path, lengths=(6, 4), train=(1, -1))
    else:
        for split in ('train', 'val'):
            write_posetrack(
                tmp_path,
                1,
                6,
                people={3: range(6)},
                pictures=True,
                split=split,
            )
    config, data = tiny(name, tmp_path)
    model = MODELS.build(config.model)
    pairs = DATASETS.build(data['train'])
    np.random.seed(0)
    near = {
        pairs[2]['data_samples'].metainfo['frame_ids'][1] for _ in range(40)
    }
    wanted = pairs[2]['data_samples'].metainfo['frame_ids'][0]
    assert near == {wanted + offset for offset in OFFSETS}
    batch = model.data_preprocessor(
        pseudo_collate([pairs[i] for i in range(4)]), True
    )
    assert batch['inputs'].shape[:3] == (4, 2, 3)
    losses = model.train()(**batch, mode='loss')
    losses['loss_kpt'].backward()
    assert torch.isfinite(losses['loss_kpt'])
    few = DATASETS.build(dict(data['train'], label_every=3))
    assert len(few) == 2
    clips = DATASETS.build(data['val'])
    sample = model.eval().test_step(pseudo_collate([clips[0]]))[0]
    assert sample.pred_instances.keypoints.shape == (1, joints, 2)


def test_half_bodies_and_turns_are_the_same_in_both_frames(tmp_path):
    """The augmentation of the PoseTrack recipes, whose loss wants one crop."""
    write_posetrack(
        tmp_path, 1, 6, people={3: range(6)}, pictures=True, split='train'
    )
    path = next((FOLDER / 'posewarper/posetrack18').glob('*384x288.py'))
    config = recipe(path)
    data = dict(config.train_dataloader.dataset, data_root=str(tmp_path))
    data['pipeline'] = [dict(step) for step in data['pipeline']]
    for step in data['pipeline']:
        if step['type'] == 'ClipHalfBody':
            step.update(prob=1.0, min_total_keypoints=1)
    pairs = DATASETS.build(data)
    for row in range(4):
        meta = pairs[row]['data_samples'].metainfo
        for key in ('input_center', 'input_scale'):
            assert np.array_equal(meta[key][0], meta[key][1])
