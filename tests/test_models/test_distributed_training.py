# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Two real processes train as one with the whole batch."""

import copy

import numpy as np
import pytest
import torch
import torch.distributed as dist
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel, convert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.structures import InstanceData
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

import rpstn_mmpose
from tests.two_processes import in_two_processes, training_context

from .conftest import clip_sample, tiny_image_model, tiny_video_model

T, CLIPS, LR = 3, 4, 0.2
# Wrappers as a config's model_wrapper_cfg gives them.
WRAPPERS = dict(
    plain=dict(find_unused_parameters=False),
    static=dict(find_unused_parameters=False, static_graph=True),
    unused=dict(find_unused_parameters=True),
)


def build(checkpointing=False, **train_cfg):
    """The same weights in every call; none of them zero."""
    torch.manual_seed(0)
    model = MODELS.build(
        tiny_video_model(
            train_cfg=dict(
                compute_acc=False,
                initializer_loss_weight=1.0,
                checkpointing=checkpointing,
                **train_cfg,
            )
        )
    )
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.1)
    return model.train()


def hold_norms(model):
    """Their statistics would be those of a process's own clips."""
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.eval()
    return model


def batch(step, begin=0, end=CLIPS):
    generator = torch.Generator().manual_seed(step)
    clips = torch.randint(
        0, 256, (CLIPS, T, 3, 64, 64), generator=generator, dtype=torch.uint8
    )
    samples = [clip_sample(T, seed=10 * step + i) for i in range(CLIPS)]
    return dict(inputs=list(clips[begin:end]), data_samples=samples[begin:end])


def one_process(steps):
    """Weights after steps of gradient descent on the whole batch, by
    autograd alone."""
    model = hold_norms(build())
    for step in range(steps):
        data = model.data_preprocessor(batch(step), training=True)
        losses = model.loss(**data)
        model.zero_grad()
        (losses['loss_kpt'] + losses['loss_initializer']).backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= LR * parameter.grad
    return {name: p.detach() for name, p in model.named_parameters()}


def train(rank, wrapper, checkpointing, counts):
    """What MMDistributedDataParallel makes of them with half a batch a
    rank; with ``counts`` 2 each rank has its half in two micro-batches."""
    model = MMDistributedDataParallel(
        hold_norms(build(checkpointing)),
        device_ids=None,
        broadcast_buffers=False,
        **WRAPPERS[wrapper],
    )
    optim = build_optim_wrapper(
        model,
        dict(optimizer=dict(type='SGD', lr=LR), accumulative_counts=counts),
    )
    size = CLIPS // 2 // counts
    for step in range(2):
        for begin in range(CLIPS // 2 * rank, CLIPS // 2 * (rank + 1), size):
            model.train_step(batch(step, begin, begin + size), optim)
    return {
        name: p.detach().numpy() for name, p in model.module.named_parameters()
    }


CASES = [
    (wrapper, checkpointing, 1)
    for wrapper in WRAPPERS
    for checkpointing in (False, True)
] + [('plain', False, 2), ('plain', True, 2)]


def train_all():
    """Weights of each case."""
    rank = dist.get_rank()
    return {case: train(rank, *case) for case in CASES}


@pytest.fixture(scope='module')
def results(tmp_path_factory):
    """Weights by rank and case, of two processes."""
    return in_two_processes(
        tmp_path_factory.mktemp('ranks'), train_all, training_context(__name__)
    )


@pytest.mark.parametrize('case', CASES, ids=str)
def test_two_processes_take_the_steps_of_one(results, case):
    expected = one_process(2)
    start = dict(build().named_parameters())
    for rank in range(2):
        weights = results[rank][case]
        assert weights.keys() == expected.keys()
        for name, value in expected.items():
            moved = (value - start[name].detach()).abs().max()
            assert moved > 0, name
            torch.testing.assert_close(
                torch.from_numpy(weights[name]),
                value,
                rtol=1e-4,
                atol=2e-6 + 1e-3 * float(moved),
                msg=f'{rank} {name}',
            )


RECIPES = [
    name
    for name in rpstn_mmpose.list_configs()
    if '/rpstn/' in name and '_tiny' in name
]


@pytest.mark.parametrize('name', RECIPES)
def test_recipes_leave_no_parameter_without_gradient(name):
    """Else several processes would wait for it, unless the recipe says
    ``find_unused_parameters``."""
    config = Config.fromfile(rpstn_mmpose.config_path(name))
    model = MODELS.build(config.model).train()
    codec, joints = config.codec, config.model.head.out_channels
    width, height = codec.heatmap_size
    sample = PoseDataSample(metainfo=dict(frame_mask=np.ones(2, bool)))
    sample.gt_instance_labels = InstanceData(
        heatmaps=torch.rand(2, joints, height, width),
        keypoint_weights=torch.ones(2, joints),
    )
    losses = model.loss(
        torch.randn(2, 2, 3, *codec.input_size[::-1]), [sample] * 2
    )
    sum(v for k, v in losses.items() if 'loss' in k).backward()
    unused = [n for n, p in model.named_parameters() if p.grad is None]
    assert bool(unused) == config.get('find_unused_parameters', False)


def norms(model, kind):
    """Names of the modules of a type, not of its subclasses."""
    return {
        name for name, module in model.named_modules() if type(module) is kind
    }


HEAD = tiny_video_model()['head']
MODELS_WITH_NORMS = dict(
    paper=tiny_video_model(),
    shared=tiny_video_model(
        neck=dict(
            tiny_video_model()['neck'],
            feature_norm=True,
            project_features=True,
        ),
        head=dict(
            HEAD,
            norm_before=True,
            first_frame_norm='shared',
            relation=dict(
                type='JointRelationExtractor', arithmetic='released'
            ),
        ),
    ),
    separate=tiny_video_model(head=dict(HEAD, first_frame_norm='separate')),
    memory=tiny_video_model(
        neck=None,
        initializer='features',
        memory=dict(type='GatedHeatmapMemory', num_joints=3),
    ),
    image=tiny_image_model(),
)


@pytest.mark.parametrize('name', MODELS_WITH_NORMS)
def test_every_norm_is_converted(name):
    """What ``sync_bn='torch'`` makes of extractor, initializer, neck and
    head."""
    model = MODELS.build(copy.deepcopy(MODELS_WITH_NORMS[name]))
    before = {
        name
        for name, module in model.named_modules()
        if isinstance(module, _BatchNorm)
    }
    weights = copy.deepcopy(model.state_dict())
    parts = {name.split('.')[0] for name in before}
    assert parts >= (
        {'backbone', 'head'}
        if name == 'image'
        else {'backbone', 'feature_neck', 'head'}
    )
    model = convert_sync_batchnorm(model, 'torch')
    assert norms(model, nn.SyncBatchNorm) == before
    after = model.state_dict()
    assert after.keys() == weights.keys()
    assert all(
        torch.equal(after[key], value) for key, value in weights.items()
    )
    with pytest.raises(ValueError, match='sync_bn should be'):
        convert_sync_batchnorm(MODELS.build(tiny_image_model()), 'apex')


@pytest.mark.parametrize('checkpointing', [False, True])
def test_a_converted_model_trains_as_before(checkpointing):
    """In one process, where SyncBatchNorm needs no GPU: the same loss,
    gradients and statistics, each batch counted once."""
    outcome = []
    for convert in (False, True):
        model = build(checkpointing)
        if convert:
            model = convert_sync_batchnorm(model, 'torch')
        model.loss(**model.data_preprocessor(batch(0), True))[
            'loss_kpt'
        ].backward()
        outcome.append(
            (
                {n: p.grad for n, p in model.named_parameters()},
                dict(model.named_buffers()),
            )
        )
    for name, gradient in outcome[0][0].items():
        other = outcome[1][0][name]
        torch.testing.assert_close(
            other, gradient, rtol=1e-4, atol=1e-5, msg=name
        )
    for name, value in outcome[0][1].items():
        torch.testing.assert_close(outcome[1][1][name], value, msg=name)
    # Once an extractor's pass, and once a later frame in the head.
    counts = outcome[1][1]
    assert int(counts['backbone.bn1.num_batches_tracked']) == 1
    assert int(counts['head.norm.num_batches_tracked']) == T - 1
