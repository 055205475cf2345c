# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The recipes: parameters of the papers, pipelines, and the real sample."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpose.registry import DATASETS, MODELS
from mmpose.utils import register_all_modules

import rpstn_mmpose
from rpstn_mmpose.engine import CheckpointError

from ... import coco_sample
from ...coco_sample import loaders_of, make_runner, memorise
from ...real_data import require_real_data
from ...remembered_items import remember_items

register_all_modules()

ROOT = Path(rpstn_mmpose.configs_dir()) / 'body_2d_keypoint/posefix'
COCO = sorted((ROOT / 'coco').glob('*.py'))
RES50 = ROOT / 'coco/posefix_res50_8xb16-140e_coco-256x192.py'
JRE = ROOT / 'coco/posefix-jre_res50_8xb16-140e_coco-256x192.py'
SBL_JRE = (
    Path(rpstn_mmpose.configs_dir())
    / 'body_2d_keypoint/topdown_heatmap_jre/coco'
    / 'td-hm-jre_res50_8xb64-210e_coco-256x192.py'
)
UNIT = 2**20


def build(path):
    config = Config.fromfile(path).model
    config.backbone.pop('init_cfg', None)
    return MODELS.build(config)


def count(model):
    return sum(p.numel() for p in model.parameters())


def test_parameters_of_table_8():
    """In units of 2^20, three decimals cut off, as for SBL in the RPSTN paper
    (SBL 32.424, SBL-JRE 32.425): PoseFix 32.475, PoseFix-JRE 32.476.

    Over SBL, PoseFix has 17 * 64 * 7 * 7 = 53,312 weights of the maps in its
    first convolution, and nothing else; JRE adds 2 * 17^2 = 578.
    """
    jre = build(SBL_JRE)
    sbl = count(jre) - 578
    posefix, with_jre = count(build(RES50)), count(build(JRE))
    assert posefix - sbl == 17 * 64 * 49 == 53312
    assert with_jre - posefix == 2 * 17**2 == 578
    thousandths = [
        n * 1000 // UNIT for n in (sbl, sbl + 578, posefix, with_jre)
    ]
    assert thousandths == [32424, 32425, 32475, 32476]


@pytest.fixture(scope='module')
def sample():
    return require_real_data('mmpose_samples/coco')


def as_results(annotations, path, shift=0.0):
    """Annotations as a pose estimator's results, ``shift`` pixels off."""
    results = []
    for person in annotations:
        points = np.array(person['keypoints'], float).reshape(-1, 3)
        there = points[:, 2] > 0
        if not there.any():
            continue
        points[there, :2] += shift
        points[:, 2] = np.where(there, 0.8, 0)
        results.append(
            dict(
                image_id=person['image_id'],
                category_id=1,
                keypoints=points.ravel().tolist(),
                score=0.5,
            )
        )
    path.write_text(json.dumps(results))
    return results


def on_sample(path, sample, folder, shift=0.0):
    """A recipe on the real sample, whose poses are the truth, shifted."""
    config = coco_sample.on_sample(path, sample)
    truth = json.loads((sample / 'test_coco.json').read_text())
    as_results(truth['annotations'], folder / 'poses.json', shift)
    for loader in loaders_of(config):
        if loader.dataset.get('test_mode'):
            loader.dataset.pose_file = str(folder / 'poses.json')
    config.model.backbone.init_cfg = None  # no download
    return config


def make_tiny(config, size=(96, 128)):
    """Small parts, maps and crops."""
    config.model.sigma = 3.5
    return coco_sample.make_tiny(config, input_size=size)


@pytest.mark.parametrize(
    'path', [p for p in COCO if 'res101' not in p.stem], ids=lambda p: p.stem
)
def test_recipes_on_the_real_sample(path, sample, tmp_path):
    """Training and test samples; the test's poses are in the crop where the
    pictures show them, 12 people of which one each is alone."""
    config = on_sample(path, sample, tmp_path)
    width, height = config.codec.input_size
    assert f'{height}x{width}' in path.stem
    train = DATASETS.build(config.train_dataloader.dataset)
    test = DATASETS.build(config.test_dataloader.dataset)
    assert len(train) == len(test) == 12
    np.random.seed(0)
    for dataset in (train, test):
        for item in (dataset[0], dataset[11]):
            assert item['inputs'].shape == (3, height, width)
            poses = item['data_samples'].gt_instances.input_poses
            assert poses.shape == (1, 17, 3)
            assert np.isfinite(poses).any()
    # the lone runner of the first picture: all joints are in the crop
    pose = test[0]['data_samples'].gt_instances.input_poses[0]
    np.testing.assert_allclose(pose[:, 2], 0.8)
    assert (pose[:, :2] > 0).all() and (pose[:, :2] < [width, height]).all()
    # extent * 1.2 * 1.25 fills the crop along one side
    sides = np.ptp(pose[:, :2], axis=0) * 1.5 / [width, height]
    assert sides.max() == pytest.approx(1, abs=1e-4)


def test_relation_starts_from_a_trained_posefix(sample, tmp_path):
    """The plain refiner's checkpoint is a start, but no tested model; an
    SBL's lacks the maps' weights."""
    config = make_tiny(on_sample(JRE, sample, tmp_path))
    plain = make_tiny(on_sample(RES50, sample, tmp_path))
    model = MODELS.build(plain.model)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'plain.pth')
    config.load_from = str(tmp_path / 'plain.pth')
    with pytest.raises(CheckpointError, match='missing head.relation.conv_g'):
        make_runner(config, tmp_path).test()
    state = model.state_dict()
    state.pop('backbone.conv1.pose_weight')
    torch.save(dict(state_dict=state), tmp_path / 'sbl.pth')
    plain.load_from = str(tmp_path / 'sbl.pth')
    with pytest.raises(
        CheckpointError, match='missing backbone.conv1.pose_weight'
    ):
        make_runner(plain, tmp_path).test()


def test_submission_of_test_dev(sample, tmp_path):
    """Images without annotations; the pose of an image that is not there is
    left out, a picture without a pose gives none."""
    config = make_tiny(on_sample(RES50, sample, tmp_path))
    truth = json.loads((sample / 'test_coco.json').read_text())
    del truth['annotations']
    (tmp_path / 'images.json').write_text(json.dumps(truth))
    poses = json.loads((tmp_path / 'poses.json').read_text())
    poses = [p for p in poses if p['image_id'] != 785]
    poses += [dict(poses[0], image_id=1), dict(poses[0], category_id=2)]
    (tmp_path / 'poses.json').write_text(json.dumps(poses))
    config.test_dataloader.dataset.ann_file = str(tmp_path / 'images.json')
    config.merge_from_dict(
        {
            'test_evaluator.type': 'CocoSubmission',
            'test_evaluator.ann_file': None,
            'test_evaluator.algorithm': 'posefix',
            'test_evaluator.out_dir': str(tmp_path / 'out'),
            'test_evaluator.nms_mode': 'none',
        }
    )
    make_runner(config, tmp_path).test()
    name = 'person_keypoints_test-dev2017_posefix_results.json'
    written = json.loads((tmp_path / 'out' / name).read_text())
    assert len(written) == 11
    assert {entry['image_id'] for entry in written} == {40083, 196141, 197388}
    assert all(entry['score'] == 0.5 for entry in written)
    assert {len(entry['keypoints']) for entry in written} == {51}


@pytest.mark.slow
def test_memorises_the_sample(sample, tmp_path):
    """From nothing to the labelled poses of twelve people, given poses 15
    pixels off: losses, decoding, the crops around poses and CocoMetric agree
    on what a joint's place is."""
    config = on_sample(JRE, sample, tmp_path, shift=15.0)
    config = make_tiny(config, (72, 96))
    # trained in the crops that are tested, of the poses that are tested
    train, test = (
        config[f'{name}_dataloader'].dataset for name in ('train', 'test')
    )
    train.pose_file = test.pose_file
    train.min_iou = 0.1
    train.pipeline = [
        *test.pipeline[:-1],
        *[s for s in train.pipeline if s.type == 'GenerateTarget'],
        test.pipeline[-1],
    ]
    remember_items(config)
    memorise(config, steps=150)
    assert make_runner(config, tmp_path).test()['coco/AP'] < 0.1
    runner = make_runner(config, tmp_path)
    runner.train()
    assert runner.test()['coco/AP'] > 0.9
    assert runner.model.head.relation.conv_o.weight.abs().max() > 1e-2
