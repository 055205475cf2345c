# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The host never waits for the device while a clip is walked through.

Seen without a GPU: tensors of the meta device have no values, so that all
that has to look at values (item, bool, nonzero, masks, copies to the host)
fails on them; and a watch on the operations finds what comes from the host.
"""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmpose.codecs import MSRAHeatmap, UDPHeatmap
from mmpose.registry import MODELS
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import rpstn_mmpose
from rpstn_mmpose.experiments.configs import load_changes
from rpstn_mmpose.speed.decode_heatmaps import decode_heatmaps
from rpstn_mmpose.streams import make_stream

from .conftest import NUM_JOINTS, clip_sample, tiny_video_model

FOLDERS = ('rpstn/penn_action/', 'rpstn/synthetic_penn_tracks/')
RECIPES = [
    name
    for name in rpstn_mmpose.list_configs()
    if any(folder in name for folder in FOLDERS)
    # ResNets of another depth and clips of another length
    and not any(part in name for part in ('res18', 'res101'))
]
ABLATED = 'rpstn_tiny_1xb8-1e_synthetic-penn-tracks-128x128'
ABLATIONS = dict(
    load_changes(
        Path(rpstn_mmpose.config_path(ABLATED)).with_name('ablations.yml')
    )
)
RECIPES += [
    f'{ABLATED}+{label}' for label in ABLATIONS if label not in ('t7', 't10')
]
GATED = dict(type='GatedHeatmapMemory', num_joints=NUM_JOINTS)
MEAN = dict(type='RecursiveHeatmapMean', weight=0.5)
MODELS_BY_HAND = dict(
    network={},
    features=dict(initializer='features'),
    none=dict(initializer='none'),
    gated=dict(memory=GATED),
    mean=dict(memory=MEAN),
    confident_mean=dict(memory=dict(MEAN, confidence=2.0)),
    memory_alone=dict(neck=None, initializer='features', memory=MEAN),
    per_frame=dict(neck=None, initializer='features'),
)


class OnDeviceOnly(TorchDispatchMode):
    """Fails on an operation with a tensor that lies elsewhere."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        for leaf in tree_leaves((args, kwargs, result)):
            if isinstance(leaf, torch.Tensor) and not leaf.is_meta:
                raise RuntimeError(f'{func} has a tensor on the host')
        return result


def build(config):
    with torch.device('meta'):
        return MODELS.build(config).to('meta')


def random(*shape):
    return torch.randn(*shape, device='meta')


@pytest.mark.parametrize(
    'function',
    [
        lambda x: x.sum().item(),
        lambda x: x * float(x.max()),
        lambda x: x if x.min() > 0 else -x,
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
        lambda x: x.cpu(),
        lambda x: x.detach().numpy(),
        lambda x: x + torch.ones(3),
        lambda x: x[torch.tensor([0, 2])],
        lambda x: x + torch.tensor([1.0, 2.0, 3.0]).to(x.device),
    ],
)
def test_what_waits_is_found(function):
    """Else the tests below could not fail."""
    x = random(3)
    with pytest.raises((RuntimeError, NotImplementedError, TypeError)):
        with OnDeviceOnly():
            function(x)
    with OnDeviceOnly():
        x.flip(0).amax().clamp(min=1)


@pytest.mark.parametrize('name', RECIPES)
def test_forward_of_the_recipes(name):
    name, _, label = name.partition('+')
    config = Config.fromfile(rpstn_mmpose.config_path(name))
    config.merge_from_dict(ABLATIONS[label] if label else {})
    config.model.image_pretrained = None
    model = build(config.model)
    width, height = model.head.decoder.input_size
    for training in (False, True):
        with OnDeviceOnly():
            heatmaps, _ = model.train(training).forward_clip(
                random(2, 3, 3, height, width)
            )
        assert heatmaps.shape[:3] == (2, 3, model.head.out_channels)


@pytest.mark.parametrize('variant', MODELS_BY_HAND)
def test_steps_of_the_variants(variant):
    """start and step, and a stream in which people come and stay."""
    model = build(tiny_video_model(**MODELS_BY_HAND[variant])).eval()
    with OnDeviceOnly(), torch.no_grad():
        inputs = random(2, 1, 3, 64, 64)
        feats, initial = model.extract_feat(inputs)[:, 0], None
        if variant not in ('features', 'none', 'memory_alone', 'per_frame'):
            initial = model.initial_heatmaps(inputs)[:, 0]
        heatmaps, state = model.start(feats, initial)
        heatmaps, state = model.step(feats, state)
        assert heatmaps.shape == (2, NUM_JOINTS, 16, 16)
        if not model.carries_state:
            return
        estimator = make_stream(model)
        for people in ([4, 7], [9, 4, 2, 7], [2, 4, 9, 7], [2]):
            crops = random(len(people), 3, 64, 64)
            assert len(estimator.heatmaps(crops, people)) == len(people)


@pytest.mark.parametrize('checkpointing', [False, True])
def test_loss_and_backward(checkpointing):
    """Without the accuracy, which numpy computes. The frame mask of the
    samples is on the host and comes to the device after the last step."""
    model = build(
        tiny_video_model(
            memory=GATED,
            train_cfg=dict(
                initializer_loss_weight=1.0,
                initializer_loss_frames='all',
                checkpointing=checkpointing,
                compute_acc=False,
            ),
        )
    ).train()
    samples = [clip_sample(seed=seed) for seed in (0, 1)]
    for sample in samples:
        sample.gt_instance_labels = sample.gt_instance_labels.to('meta')
    losses = model(random(2, 4, 3, 64, 64), samples, mode='loss')
    assert set(losses) == {'loss_kpt', 'loss_initializer'}
    sum(losses.values()).backward()
    assert model.backbone.conv1.weight.grad.is_meta


@pytest.mark.parametrize(
    'codec',
    [
        MSRAHeatmap((64, 64), (16, 16), sigma=2),
        MSRAHeatmap((64, 64), (16, 16), sigma=2, unbiased=True),
        UDPHeatmap((64, 64), (16, 16)),
    ],
)
def test_decoding(codec):
    """No more than a place and a score for each joint comes out."""
    with OnDeviceOnly():
        keypoints, scores = decode_heatmaps(random(8, 3, 16, 16), codec)
    assert keypoints.is_meta and keypoints.shape == (8, 3, 2)
    assert scores.is_meta and scores.shape == (8, 3)
