# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Recipes of DCPose: their parts agree, and fit PoseWarper's stage 1."""

from pathlib import Path

import pytest
from mmengine.config import Config

from rpstn_mmpose.recipes import configs_dir

FOLDER = Path(configs_dir()) / 'body_2d_keypoint'
RECIPES = sorted((FOLDER / 'dcpose').rglob('*.py'))


def test_there_are_recipes():
    assert [path.parent.name for path in RECIPES] == [
        'posetrack17',
        'posetrack18',
        'synthetic_penn_tracks',
    ]


@pytest.mark.parametrize('path', RECIPES, ids=lambda p: p.stem)
def test_the_parts_agree(path):
    config = Config.fromfile(path)
    model = config.model
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        offsets = config[loader].dataset.clip_offsets
        assert tuple(offsets) == tuple(model.clip_offsets) == (-1, 0, 1)
        boxes = config[loader].dataset.pipeline[1]
        assert boxes.type == 'ClipBBox' and boxes.mode == 'wanted'
    assert model.corrector.num_joints == model.head.out_channels
    dilations = model.corrector.get('dilations', (3, 6, 9, 12, 15))
    assert max(dilations) < min(config.codec.heatmap_size)
    assert config.param_scheduler[-1].end == config.train_cfg.max_epochs


@pytest.mark.parametrize('path', RECIPES, ids=lambda p: p.stem)
def test_the_image_model_is_posewarpers(path):
    """Same stage 1, so that the two can be compared on it."""
    config = Config.fromfile(path)
    folder = FOLDER / 'posewarper' / path.parent.name
    other = Config.fromfile(folder / path.name.replace('dcpose', 'posewarper'))
    for part in ('backbone', 'head', 'image_pretrained', 'data_preprocessor'):
        assert config.model[part] == other.model[part]


@pytest.mark.parametrize(
    'year, rate, gamma', [(17, 1e-3, 0.1), (18, 1e-4, 0.99)]
)
def test_numbers_of_the_published_code(year, rate, gamma):
    """Base_PoseTrack17/18.yaml, model_RSN.yaml and defaults.py of it."""
    path = FOLDER / f'dcpose/posetrack{year}'
    config = Config.fromfile(next(path.glob('*.py')))
    assert config.optim_wrapper.optimizer == dict(type='Adam', lr=rate)
    scheduler = config.param_scheduler[0]
    assert scheduler.milestones == [4, 8, 12, 16]
    assert scheduler.gamma == gamma
    assert config.train_cfg.max_epochs == 20
    assert config.train_dataloader.batch_size * 8 == 64
    assert config.codec.sigma == 3
    assert config.model.train_cfg == dict(
        freeze_image_model=True, image_norm_eval=False
    )
    boxes = config.test_dataloader.dataset
    assert boxes.bbox_file.endswith('val_boxes.json')
    assert boxes.bbox_score_thr == 0.2
    assert config.test_evaluator.nms_thr is None
    assert config.test_evaluator.score_mode == 'bbox_keypoint'
