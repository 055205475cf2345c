# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The HiEve recipes: data, joints, what differs, and a run."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.runner import Runner
from mmpose.registry import DATASETS, MODELS, TRANSFORMS
from mmpose.utils import register_all_modules

from rpstn_mmpose.synthetic import generate_hieve
from tests.test_posetrack_configs import point_at

register_all_modules()

ROOT = Path(__file__).resolve().parents[1]
BODY = ROOT / 'configs/body_2d_keypoint'
WHOLE = BODY / 'rpstn/hieve/rpstn_res50_8xb8-100e_hieve-256x256.py'
STAGE_1 = BODY / 'topdown_heatmap/hieve/td-hm_res50_8xb32-20e_hieve-256x256.py'
TINY = (
    BODY / 'rpstn/synthetic_hieve/'
    'rpstn_tiny_1xb8-1e_synthetic-hieve-128x128.py'
)
TINY_1 = (
    BODY / 'topdown_heatmap/synthetic_hieve/'
    'td-hm_tiny_1xb16-4e_synthetic-hieve-128x128.py'
)
VIDEOS = dict(train=[1], val=[3], test=[3])


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """Videos 1 (train15), 3 (val4) and 20 (test), of few frames."""
    folder = tmp_path_factory.mktemp('hieve')
    generate_hieve(
        folder,
        num_train=1,
        num_val=1,
        num_test=1,
        num_frames=7,
        people=(2, 2),
        image_size=(128, 96),
        progress=False,
    )
    return folder


def load(path, root):
    """A recipe of the generated videos."""
    config = point_at(Config.fromfile(path), root)
    for part, videos in VIDEOS.items():
        config[f'{part}_dataloader'].dataset.videos = videos
    for key in ('val_evaluator', 'test_evaluator'):
        config[key].videos = VIDEOS['val']
    return config


def test_recipes_and_their_start():
    """Stage 2 starts from stage 1, both real and generated."""
    names = sorted(p.stem for p in WHOLE.parent.glob('*.py'))
    assert names == [
        f'rpstn_{name}_8xb8-100e_hieve-256x256'
        for name in ('res50-dkd', 'res50-wo-jre', 'res50')
    ]
    for path, stage_1 in ((WHOLE, STAGE_1), (TINY, TINY_1)):
        config, first = map(Config.fromfile, (path, stage_1))
        start = Path(config.model.image_pretrained.checkpoint)
        assert start.parent.name == stage_1.stem
        assert start.stem == f'epoch_{first.train_cfg.max_epochs}'
        assert first.codec == config.codec
        for key in ('depth', 'base_channels'):
            assert first.model.backbone.get(key) == config.model.backbone.get(
                key
            )
        splits = [
            config[f'{part}_dataloader'].dataset.split
            for part in ('train', 'val', 'test')
        ]
        assert splits == ['train15', 'val4', 'val4']
        assert 'bbox_file' in config.test_dataloader.dataset


@pytest.mark.parametrize('name', ['wo-jre', 'dkd'])
def test_variants_differ_in_what_they_name_alone(name):
    path = WHOLE.with_name(WHOLE.name.replace('res50', f'res50-{name}'))
    whole, variant = map(Config.fromfile, (WHOLE, path))
    assert variant.model.head.relation is None
    assert variant.model.neck.get('num_convs') == (
        3 if name == 'dkd' else whole.model.neck.get('num_convs')
    )
    model = variant.model.to_dict()
    del model['head']['relation']
    model['neck'].pop('num_convs', None)
    assert dict(variant.to_dict(), model=0) == dict(whole.to_dict(), model=0)
    assert model == whole.model.to_dict()
    variant.model.pop('image_pretrained')
    MODELS.build(variant.model)


@pytest.mark.parametrize('path', [WHOLE, STAGE_1, TINY, TINY_1])
def test_loaders_read_the_generated_data(path, root):
    config = load(path, root)
    for pipeline in (config.train_pipeline, config.val_pipeline):
        Compose([TRANSFORMS.build(step) for step in pipeline])
    assert config.model.head.out_channels == 14
    assert config.model.head.decoder == config.codec
    content = json.loads((root / 'labels/train/track2&3/3.json').read_text())
    poses = [
        len(rect['annopoints'][0]['point'])
        for entry in content['annolist']
        for rect in entry['annorect']
    ]
    val = DATASETS.build(config.val_dataloader.dataset)
    wanted = [sum(val.get_data_info(i)['frame_mask']) for i in range(len(val))]
    assert sum(wanted) == np.count_nonzero(poses) > 7
    packed = DATASETS.build(config.train_dataloader.dataset)[0]
    assert packed['inputs'].shape[-2:] == config.codec.input_size[::-1]
    if path in (WHOLE, TINY):
        found = json.loads((root / 'detections/val4.json').read_text())
        test = DATASETS.build(config.test_dataloader.dataset)
        assert len(test) == sum(box['score'] >= 0.4 for box in found) > 7


def read_submission(path):
    """Poses of a zip by video, frame and track: (14, 3); read plainly."""
    poses = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            video, ending = name.split('.')
            assert ending == 'json'
            for entry in json.loads(archive.read(name))['annolist']:
                ((image,), rects) = entry['image'], entry['annorect']
                for rect in rects:
                    table = np.full((14, 3), np.nan)
                    for joint in rect['annopoints'][0]['point']:
                        ((k,), (x,), (y,), (score,)) = (
                            joint[key] for key in ('id', 'x', 'y', 'score')
                        )
                        table[k] = x, y, score
                    key = int(video), image['name'], rect['track_id'][0]
                    assert key not in poses
                    poses[key] = table
    return poses


@pytest.mark.slow
def test_runs_end_to_end(root, tmp_path):
    """Training, validation, a test on detections, and the server's videos,
    through the stock runner."""
    config = load(TINY, root)
    config.work_dir = str(tmp_path)
    config.model.image_pretrained = None
    config.test_evaluator.out_file = str(tmp_path / 'val.zip')
    runner = Runner.from_cfg(config)
    runner.train()
    scores = runner.test()
    for kind in ('AP', 'w-AP'):
        for name in ('avg', '0.5', '0.75', '0.9'):
            assert 0 <= scores[f'HiEve/{kind}@{name}'] <= 100
    poses = read_submission(tmp_path / 'val.zip')
    assert {key[0] for key in poses} == {3}
    assert 7 < len(poses) and all(
        np.isfinite(pose).all() for pose in poses.values()
    )

    config = load(TINY, root)
    dataset = config.test_dataloader.dataset
    dataset.update(split='test', videos=[20])
    dataset.bbox_file = str(root / 'detections/test.json')
    config.test_evaluator = dict(
        type='HiEveMetric',
        split='test',
        videos=[20],
        out_file=str(tmp_path / 'test.zip'),
    )
    evaluator = runner.build_evaluator(config.test_evaluator)
    loader = runner.build_dataloader(config.test_dataloader)
    runner._test_loop = runner.build_test_loop(
        dict(type='TestLoop', dataloader=loader, evaluator=evaluator)
    )
    assert runner.test() == {}
    poses = read_submission(tmp_path / 'test.zip')
    assert {key[0] for key in poses} == {20}
