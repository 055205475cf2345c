# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The PoseTrack18 recipes: data, joints, evaluators, and a run."""

import json
from pathlib import Path

import pytest
import yaml
from mmengine.config import Config
from mmengine.runner import Runner
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.registry import DATASETS
from mmpose.utils import register_all_modules

from rpstn_mmpose.synthetic import generate_posetrack

register_all_modules()

ROOT = Path(__file__).resolve().parents[1]
RPSTN = ROOT / 'configs/body_2d_keypoint/rpstn'
RECIPES = sorted((RPSTN / 'posetrack18').glob('*.py'))
TINY = (
    RPSTN / 'synthetic_posetrack/'
    'rpstn_tiny_1xb8-1e_synthetic-posetrack-128x128.py'
)


def point_at(config, root):
    """The recipe with another data folder, and one process."""
    old = config.data_root
    config.merge_from_dict(
        json.loads(
            json.dumps(
                {
                    key: config[key].to_dict()
                    for key in (
                        'train_dataloader',
                        'val_dataloader',
                        'test_dataloader',
                        'val_evaluator',
                        'test_evaluator',
                    )
                }
            ).replace(old, f'{root}/')
        )
    )
    return config


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp('posetrack')
    generate_posetrack(
        folder,
        num_train=4,
        num_val=2,
        num_frames=9,
        people=(1, 2),
        progress=False,
    )
    return folder


def test_there_are_recipes():
    names = [r.name for r in RECIPES]
    assert [n.split('_')[1] for n in names] == ['hrnet-w32', 'res101', 'res50']
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
    folder = 'configs/body_2d_keypoint/rpstn/posetrack18'
    assert f'{folder}/rpstn_posetrack18.yml' in index
    models = yaml.safe_load(
        (RPSTN / 'posetrack18/rpstn_posetrack18.yml').read_text()
    )['Models']
    assert sorted(m['Config'] for m in models) == [
        f'{folder}/{n}' for n in names
    ]
    assert all(m['Name'] == Path(m['Config']).stem for m in models)


@pytest.mark.parametrize('recipe', RECIPES, ids=lambda r: r.stem)
def test_paper_settings(recipe):
    """Clips of 5, Adam, the learning policy of design and Penn's recipe."""
    config = Config.fromfile(recipe)
    assert config.train_cfg.max_epochs == 100
    assert config.optim_wrapper.optimizer == dict(type='Adam', lr=5e-4)
    (policy,) = config.param_scheduler
    assert policy.milestones == [8, 15, 25, 40, 80] and policy.gamma == 0.1
    # 8 GPUs of 8 clips, as the name says
    assert config.train_dataloader.batch_size == 8
    assert config.auto_scale_lr.base_batch_size == 64
    assert config.train_dataloader.dataset.clip_length == 5


def test_start_from_mpii_by_name():
    config = Config.fromfile(
        RPSTN / 'posetrack18/rpstn_res50_8xb8-100e_posetrack18-256x256.py'
    )
    pretrained = config.model.image_pretrained
    mpii = parse_pose_metainfo(dict(from_file=pretrained.source_metainfo))
    own = parse_pose_metainfo(
        dict(from_file='configs/_base_/datasets/posetrack18.py')
    )
    names = [own['keypoint_id2name'][i] for i in range(17)]
    assert len(pretrained.joints) == 17
    assert set(pretrained.joints) <= set(mpii['keypoint_name2id'])
    for name, source in zip(names, pretrained.joints):
        if name in mpii['keypoint_name2id']:
            assert source == name
        else:
            assert source == 'upper_neck' and name in (
                'nose',
                'head_bottom',
                'left_ear',
                'right_ear',
            )


@pytest.mark.parametrize('recipe', [*RECIPES, TINY], ids=lambda r: r.stem)
def test_loaders_read_the_generated_data(recipe, root):
    config = point_at(Config.fromfile(recipe), root)
    truth = json.loads((root / 'annotations/posetrack18_val.json').read_text())
    train = DATASETS.build(config.train_dataloader.dataset)
    val = DATASETS.build(config.val_dataloader.dataset)
    test = DATASETS.build(config.test_dataloader.dataset)
    assert (train.split, val.split, test.split) == ('train', 'val', 'val')
    wanted = [
        sum(i['frame_mask']) for i in map(val.get_data_info, range(len(val)))
    ]
    assert sum(wanted) == len(truth['annotations'])
    packed = train[0]
    size = config.codec['input_size'][0]
    assert packed['inputs'].shape == (5, 3, size, size)
    labels = packed['data_samples'].gt_instance_labels
    assert labels.heatmaps.shape[:2] == (5, 17)
    used = labels.keypoint_weights.numpy() > 0
    assert used.any()
    # unlabelled frames and joints make no loss
    gt = packed['data_samples'].gt_instances
    mask = packed['data_samples'].metainfo['frame_mask']
    may_be_used = (gt.keypoints_visible > 0) & mask[:, None]
    assert not (used & ~may_be_used).any() and may_be_used.any()
    if 'bbox_file' in config.test_dataloader.dataset:
        assert test.get_data_info(0)['frame_mask'].tolist() == [0, 0, 0, 0, 1]
    for key in ('val_evaluator', 'test_evaluator'):
        assert config[key] == dict(
            type='PoseTrackClipMetric', gt_dir=f'{root}/annotations/val'
        )
    assert config.default_hooks.checkpoint.save_best == 'PoseTrack/Total'


@pytest.mark.slow
def test_tiny_recipe_runs_end_to_end(root, tmp_path):
    """Trains, evaluates and tests through the stock runner."""
    config = point_at(Config.fromfile(TINY), root)
    config.work_dir = str(tmp_path)
    config.test_evaluator.out_dir = str(tmp_path / 'predictions')
    runner = Runner.from_cfg(config)
    runner.train()
    scores = runner.test()
    assert {'PoseTrack/Total', 'PoseTrack/mota'} <= set(scores)
    written = sorted(p.name for p in (tmp_path / 'predictions').iterdir())
    assert written == ['000005_mpii_test.json', '000006_mpii_test.json']
