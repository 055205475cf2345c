# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The recipe of generated people on a small folder, and the report."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmpose.registry import DATASETS, MODELS
from mmpose.utils import register_all_modules

import rpstn_mmpose

from ...test_datasets.posetrack_files import write_posetrack
from ...test_tools.load_tool import load_tool

register_all_modules()

FOLDER = (
    Path(rpstn_mmpose.configs_dir())
    / 'body_2d_keypoint/posefix/synthetic_posetrack'
)
RECIPES = sorted(FOLDER.glob('*.py'))


@pytest.mark.parametrize('path', RECIPES, ids=lambda p: p.stem)
def test_recipe_trains_and_refines(path, tmp_path):
    """The truth is what is refined: PoseTrack's own files are poses, too."""
    people = {1: [0, 1], 2: [0, 1]}
    for split in ('train', 'val'):
        write_posetrack(
            tmp_path, num=2, people=people, pictures=True, split=split
        )
    config = Config.fromfile(path)
    poses = str(tmp_path / 'annotations/val')
    for loader in (config.train_dataloader, config.test_dataloader):
        loader.dataset.data_root = str(tmp_path)
        for step in loader.dataset.pipeline:
            if step.type == 'LoadInputPose':
                step.pose_file = poses
    torch.manual_seed(0)
    np.random.seed(0)
    model = MODELS.build(config.model)
    train = DATASETS.build(config.train_dataloader.dataset)
    assert len(train) == 4
    batch = model.data_preprocessor(
        pseudo_collate([train[0], train[3]]), training=True
    )
    losses = model.train()(**batch, mode='loss')
    sum(losses.values()).backward()
    for name, parameter in model.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
    test = DATASETS.build(config.test_dataloader.dataset)
    pose = test[0]['data_samples'].gt_instances.input_poses[0]
    # two joints are labelled, 20 x 40 pixels apart: 60 of 128 pixels
    assert list(np.flatnonzero(np.isfinite(pose[:, 0]))) == [2, 16]
    gaps = (pose[16] - pose[2])[:2] * 60 / 128
    np.testing.assert_allclose(gaps, [20, 40], atol=1e-3)
    with torch.no_grad():
        found = model.eval().test_step(pseudo_collate([test[0], test[1]]))
    assert found[1].pred_instances.keypoints.shape == (1, 17, 2)
    assert config.load_from.endswith(
        f'{path.name[path.name.index("_1xb16") :].replace(".py", "")}/'
        'epoch_4.pth'
    )


@pytest.fixture(scope='module')
def report():
    return load_tool('analysis_tools/refine_report.py')


@pytest.fixture()
def truth(report):
    """A person whose torso is 100 pixels long, with four visible joints."""
    names = 'left_shoulder right_shoulder left_hip right_hip left_wrist'
    points = np.array([[0, 0], [60, 0], [0, 100], [60, 80], [30, 40]], float)
    return names.split(), report.Truth(
        points[None],
        np.ones((1, 5), bool),
        np.array([[1, 1, 1, 1, 0]], bool),
        np.array([[0, 0, 60, 100]], float),
        [7],
        [np.zeros((0, 5, 2))],
    )


def test_counts_by_kind(report, truth):
    """20 pixels are a fifth of the torso. The hidden wrist does not count."""
    names, truth = truth
    found = truth.keypoints + [[[0, 20], [21, 0], [0, 0], [90, 0], [0, 0]]]
    kinds = np.array([[1, 1, 0, 4, 0]])
    counts = report.shares_right(found, truth, kinds, names)
    assert counts == [(2, 4), (1, 1), (1, 2), (0, 0), (0, 0), (0, 1)]


def test_kinds_of_poses(report, truth):
    from rpstn_mmpose.systems.posefix.error_table import Skeleton

    names, truth = truth
    skeleton = Skeleton(
        tuple(names),
        np.zeros(5, int),
        np.array([1, 0, 3, 2, 4]),
        np.full(5, 0.05),
    )
    # 2 * 6000 * 0.1^2 = 120: d(0.85) is sqrt(120 * 0.1625) = 4.4, and d(0.5)
    # sqrt(120 * 0.6931) = 9.1
    found = truth.keypoints + [[[4, 0], [0, 7], [60, -20], [40, 0], [0, 0]]]
    kinds = report.kinds_of(found, truth, skeleton)
    assert kinds.tolist() == [[0, 1, 2, 4, 0]]


def test_table(report):
    """Mean and spread of two seeds; a kind that nobody made."""
    counts = [(8, 10), (5, 5), (3, 3), (0, 0), (0, 1), (0, 1)]
    more = [(9, 10), *counts[1:]]
    seeds = [{row[0]: made for row in report.ROWS} for made in (counts, more)]
    lines = report.table(seeds).splitlines()
    cells = [cell.strip() for cell in lines[2].split('|')[1:-1]]
    assert cells == [
        'SBL', '85.0 ± 7.1', '100.0', '100.0', '–', '0.0', '0.0'
    ]  # fmt: skip
    assert '| joints of SBL ' in lines[10]
    assert lines[10].split('|')[2].strip() == '10'


def test_bad_calls(report, tmp_path, capsys):
    with pytest.raises(SystemExit):
        report.parse_args(['--data-root', 'a', '--seeds', '-1'])
    assert 'must not be negative' in capsys.readouterr().err
    with pytest.raises(SystemExit, match='refine_report: .*nowhere'):
        report.main(['--data-root', 'nowhere', '--out', str(tmp_path)])
