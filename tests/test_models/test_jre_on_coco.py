# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Image models with JRE on a real sample of COCO, in the stock runner."""

from pathlib import Path

import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmpose.registry import DATASETS, METRICS, MODELS
from mmpose.utils import register_all_modules

import rpstn_mmpose
from rpstn_mmpose.engine import CheckpointError

from .. import coco_sample
from ..coco_sample import PERSONS, loaders_of, make_runner, memorise
from ..real_data import require_real_data
from ..remembered_items import remember_items

register_all_modules()

FOLDER = 'body_2d_keypoint/topdown_heatmap_jre/coco'
RECIPES = sorted((Path(rpstn_mmpose.configs_dir()) / FOLDER).glob('*.py'))
SBL = next(p for p in RECIPES if '_res50_8xb64' in p.name)
SBL_UDP = next(p for p in RECIPES if '_udp-' in p.name)


@pytest.fixture(scope='module')
def sample():
    return require_real_data('mmpose_samples/coco')


def on_sample(path, sample, detections=False):
    """A recipe on the sample; ground-truth boxes unless told otherwise."""
    config = coco_sample.on_sample(path, sample)
    for loader in loaders_of(config):
        if 'bbox_file' in loader.dataset:
            loader.dataset.bbox_file = (
                str(sample / 'test_coco_det_AP_H_56.json')
                if detections
                else None
            )
    return config


def make_tiny(config, input_size=(96, 128)):
    """A heatmap model with small parts and crops; changed in place."""
    heatmap_size = tuple(length // 4 for length in input_size)
    return coco_sample.make_tiny(
        config, input_size=input_size, heatmap_size=heatmap_size
    )


def plain_checkpoint(config, path):
    """What MMPose's model without JRE would leave."""
    model = config.model.copy()
    model.head = dict(model.head, type='HeatmapHead')
    torch.save(dict(state_dict=MODELS.build(model).state_dict()), path)
    return str(path)


@pytest.mark.parametrize('path', RECIPES, ids=lambda p: p.stem)
def test_real_sample_passes_the_recipes_pipelines(path, sample):
    """Detected boxes in the test, labelled ones in training."""
    config = on_sample(path, sample, detections=True)
    width, height = config.codec.input_size
    train = DATASETS.build(config.train_dataloader.dataset)
    test = DATASETS.build(config.test_dataloader.dataset)
    assert len(train) == PERSONS
    assert len(test) >= PERSONS
    for dataset in (train, test):
        item = dataset[0]
        assert item['inputs'].shape == (3, height, width)
        assert item['inputs'].float().std() > 0
    heatmaps = train[0]['data_samples'].gt_fields.heatmaps
    assert heatmaps.shape == (17, *config.codec.heatmap_size[::-1])
    assert heatmaps.max() > 0.5
    assert METRICS.build(config.test_evaluator).ann_file.endswith(
        'test_coco.json'
    )


@pytest.mark.parametrize('path', RECIPES, ids=lambda p: p.stem)
def test_every_recipe_is_evaluated(path, sample, tmp_path):
    """Full size, one person, flip test, CocoMetric; nothing is trained, so
    that a score of about nothing is right."""
    if 'ViTPose' in path.name:
        pytest.importorskip(
            'mmpretrain',
            reason='the ViTPose recipes take their backbone '
            'from mmpretrain; pip install mmpretrain',
        )
    config = on_sample(path, sample)
    config.test_dataloader.dataset.indices = 1
    metrics = make_runner(config, tmp_path).test()
    assert 0 <= metrics['coco/AP'] < 0.1
    assert 0 <= metrics['coco/AR'] < 0.1


def test_runner_scores_the_sample(sample, tmp_path):
    """Detections, flip test, CocoMetric: all the recipe's own."""
    config = make_tiny(on_sample(SBL, sample, detections=True))
    metrics = make_runner(config, tmp_path).test()
    assert 0 <= metrics['coco/AP'] <= 1
    assert 0 <= metrics['coco/AR'] <= 1


def test_relation_is_trained_on_a_plain_checkpoint(sample, tmp_path):
    """``load_from`` a model without JRE, train the relation only, test."""
    config = make_tiny(on_sample(SBL, sample))
    config.load_from = plain_checkpoint(config, tmp_path / 'plain.pth')
    plain = torch.load(config.load_from, weights_only=True)['state_dict']
    config.train_cfg = dict(by_epoch=True, max_epochs=1)
    config.custom_hooks.append(dict(type='TrainOnlyHook', names=['relation']))
    config.default_hooks.checkpoint.interval = 1
    runner = make_runner(config, tmp_path)
    runner.train()
    state = runner.model.state_dict()
    for name, value in plain.items():
        assert torch.equal(state[name], value), name
    assert set(state) - set(plain) == {
        'head.relation.conv_g.weight',
        'head.relation.conv_o.weight',
    }
    assert state['head.relation.conv_o.weight'].any()

    config.load_from = str(tmp_path / 'epoch_1.pth')
    assert 'coco/AP' in make_runner(config, tmp_path).test()


def test_plain_checkpoint_is_not_tested(sample, tmp_path):
    """A fresh relation would change nothing, but it is no trained model."""
    config = make_tiny(on_sample(SBL, sample))
    config.load_from = plain_checkpoint(config, tmp_path / 'plain.pth')
    with pytest.raises(
        CheckpointError,
        match='not a checkpoint of this .* missing '
        'head.relation.conv_g.weight, head.relation.conv_o.weight',
    ):
        make_runner(config, tmp_path).test()


@pytest.mark.slow
def test_memorizes_the_sample(sample, tmp_path):
    """From nothing to the labelled poses of twelve persons: the loss, the
    gradient through JRE, the decoder and CocoMetric agree on what a joint's
    place is."""
    config = make_tiny(on_sample(SBL_UDP, sample))
    data = config.train_dataloader.dataset
    data.pipeline = [
        step for step in data.pipeline if not step.type.startswith('Random')
    ]
    remember_items(config)
    memorise(config, steps=200)
    assert make_runner(config, tmp_path).test()['coco/AP'] < 0.1
    runner = make_runner(config, tmp_path)
    runner.train()
    relation = runner.model.head.relation
    assert relation.conv_o.weight.abs().max() > 1e-2
    assert runner.test()['coco/AP'] > 0.9


def test_batch_of_real_images_trains_every_stage(sample):
    """The hourglass's relation of each stage, on real targets."""
    config = on_sample(
        next(p for p in RECIPES if 'hourglass' in p.name), sample
    )
    config.model.backbone = dict(
        type='HourglassNet',
        num_stacks=2,
        feat_channel=256,
        downsample_times=1,
        stage_channels=(256, 256),
        stage_blocks=(1, 1),
    )
    config.model.head.num_stages = 2
    model = MODELS.build(config.model)
    model.head.init_weights()
    data = DATASETS.build(config.train_dataloader.dataset)
    batch = model.data_preprocessor(pseudo_collate([data[0]]), training=True)
    loss = model.train()(**batch, mode='loss')['loss_kpt']
    loss.backward()
    assert torch.isfinite(loss)
    for relation in model.head.relation:
        assert relation.conv_o.weight.grad.any()
