# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Image models with JRE on a real sample of COCO, in the stock runner."""

import itertools
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner
from mmpose.registry import DATASETS, METRICS, MODELS
from mmpose.utils import register_all_modules

import rpstn_mmpose
from rpstn_mmpose.engine import CheckpointError

from ..real_data import require_real_data
from ..remembered_items import remember_items

register_all_modules()

FOLDER = 'body_2d_keypoint/topdown_heatmap_jre/coco'
RECIPES = sorted((Path(rpstn_mmpose.configs_dir()) / FOLDER).glob('*.py'))
SBL = next(p for p in RECIPES if '_res50_8xb64' in p.name)
SBL_UDP = next(p for p in RECIPES if '_udp-' in p.name)
# Two runners of one process may not share a name.
NUMBERS = itertools.count()
PERSONS = 12  # of the sample, with at least one labelled joint


@pytest.fixture(scope='module')
def sample():
    return require_real_data('mmpose_samples/coco')


def on_sample(path, sample, detections=False):
    """A recipe on the sample; ground-truth boxes unless told otherwise."""
    config = Config.fromfile(path)
    for loader in (
        config.train_dataloader,
        config.val_dataloader,
        config.test_dataloader,
    ):
        loader.update(num_workers=0, persistent_workers=False)
        loader.dataset.update(
            data_root=str(sample),
            ann_file='test_coco.json',
            data_prefix=dict(img=''),
        )
        if 'bbox_file' in loader.dataset:
            loader.dataset.bbox_file = (
                str(sample / 'test_coco_det_AP_H_56.json')
                if detections
                else None
            )
    for evaluator in (config.val_evaluator, config.test_evaluator):
        evaluator.ann_file = str(sample / 'test_coco.json')
    return config


def make_tiny(config, input_size=(96, 128)):
    """SBL with ResNet-18 of a quarter of its width and thin deconvolutions.

    Args:
        config: Recipe of a heatmap model; changed in place.
        input_size: Width and height of the crop.
    """
    size = dict(
        input_size=input_size,
        heatmap_size=tuple(length // 4 for length in input_size),
    )
    config.model.backbone = dict(
        type='ResNet', depth=18, stem_channels=16, base_channels=16
    )
    config.model.head.update(
        in_channels=128,
        deconv_out_channels=(64, 48, 32),
        deconv_kernel_sizes=(4, 4, 4),
    )
    config.model.head.decoder.update(size)
    for loader in (
        config.train_dataloader,
        config.val_dataloader,
        config.test_dataloader,
    ):
        for step in loader.dataset.pipeline:
            if step.type == 'TopdownAffine':
                step.input_size = input_size
            if step.type == 'GenerateTarget':
                step.encoder.update(size)
    return config


def make_runner(config, folder):
    config.work_dir = str(folder)
    config.experiment_name = f'jre_on_coco_{next(NUMBERS)}'
    config.log_level = 'WARNING'
    config.randomness = dict(seed=0)
    return Runner.from_cfg(config)


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
    steps = 200
    config.model.test_cfg.flip_test = False  # it never sees them flipped
    data = config.train_dataloader.dataset
    data.pipeline = [
        step for step in data.pipeline if not step.type.startswith('Random')
    ]
    remember_items(config)
    # the data set's own order, again and again
    config.train_dataloader.update(
        batch_size=PERSONS, sampler=dict(type='InfiniteSampler', shuffle=False)
    )
    config.train_cfg = dict(
        by_epoch=False, max_iters=steps, val_interval=steps
    )
    config.log_processor.by_epoch = False
    config.default_hooks.checkpoint.update(by_epoch=False, interval=steps)
    config.optim_wrapper = dict(optimizer=dict(type='Adam', lr=4e-3))
    config.param_scheduler = [
        dict(type='LinearLR', start_factor=0.1, end=20, by_epoch=False),
        dict(
            type='CosineAnnealingLR',
            T_max=steps - 20,
            begin=20,
            end=steps,
            eta_min=1e-5,
            by_epoch=False,
        ),
    ]
    config.auto_scale_lr = None
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
