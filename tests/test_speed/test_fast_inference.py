# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import copy
from contextlib import nullcontext
from unittest import mock

import pytest
import torch
from mmpose.registry import MODELS
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from rpstn_mmpose.speed.fast_inference import (
    conv_bn_pairs,
    example_inputs,
    fuse_conv_bn,
    optimize_for_inference,
    with_frozen_weights,
)
from rpstn_mmpose.systems.rpstn.estimator import ClipState, PreparedState
from tests.test_models.conftest import (
    NUM_JOINTS,
    clip_sample,
    tiny_backbone,
    tiny_image_model,
    tiny_video_model,
)


def lively(config):
    """A model whose norms have statistics and weights of their own, as
    after a training."""
    torch.manual_seed(0)
    model = MODELS.build(config)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(std=0.3)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
    return model.eval()


def released():
    return dict(
        neck=dict(
            type='JRPSPNeck',
            in_channels=8,
            num_joints=NUM_JOINTS,
            heatmap_size=(16, 16),
            feature_norm=True,
            project_features=True,
            norm_response=True,
        ),
        head=dict(
            tiny_video_model()['head'],
            relation=dict(
                type='JointRelationExtractor', arithmetic='released'
            ),
            norm_before=True,
            first_frame_norm='shared',
        ),
    )


def heatmaps(model, inputs):
    with torch.no_grad():
        return model(inputs, None, mode='tensor')


def norms_of(model):
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.BatchNorm2d)
    ]


VARIANTS = dict(
    paper=tiny_video_model(),
    released=tiny_video_model(**released()),
    features=tiny_video_model(initializer='features'),
    memory=tiny_video_model(
        memory=dict(type='GatedHeatmapMemory', num_joints=NUM_JOINTS)
    ),
)


@pytest.mark.parametrize('channels_last', [False, True])
@pytest.mark.parametrize('variant', list(VARIANTS))
def test_heatmaps_stay_the_same(variant, channels_last):
    model = lively(VARIANTS[variant])
    clips = torch.randn(2, 4, 3, 64, 64)
    before = heatmaps(model, clips)
    after = heatmaps(
        optimize_for_inference(model, channels_last=channels_last), clips
    )
    assert after.dtype == torch.float32
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)


def test_which_norms_are_left():
    """Only those that no convolution stands in front of: after the relation
    (paper), and the shared ones (released)."""
    model = lively(VARIANTS['paper'])
    total = len(norms_of(model))
    assert fuse_conv_bn(model) == total - 1
    assert norms_of(model) == ['head.norm']
    model = lively(VARIANTS['released'])
    fuse_conv_bn(model)
    # the norm in front of the relation follows the 1x1, and is used again
    # after it
    assert norms_of(model) == ['neck.feature_norm', 'head.norm']


def test_image_model():
    model = lively(tiny_image_model())
    images = torch.randn(2, 3, 64, 64)
    before = heatmaps(model, images)
    assert fuse_conv_bn(model) > 0
    assert norms_of(model) == []
    torch.testing.assert_close(
        heatmaps(model, images), before, rtol=1e-4, atol=1e-5
    )


class Odd(nn.Module):
    """``mode='tensor'`` as estimators have it, around a plain function."""

    def __init__(self, function, **layers):
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, inputs, data_samples, mode):
        return self.function(self, inputs)


def layers(**more):
    norm = nn.BatchNorm2d(4)
    norm.running_mean.fill_(1.0)
    norm.running_var.fill_(4.0)
    return dict(conv=nn.Conv2d(3, 4, 1), norm=norm, **more)


@pytest.mark.parametrize(
    'function',
    [
        lambda m, x: m.norm(m.conv(x).relu()),
        lambda m, x: m.norm(torch.relu_(m.conv(x))),
        lambda m, x: m.norm(m.conv(x)) + m.norm(m.other(x)),
        lambda m, x: m.norm(m.conv(x)) + m.conv(x),
    ],
)
def test_what_must_not_be_fused(function):
    """Something between the two, also in place; a norm of two convolutions;
    a convolution that is used without the norm too."""
    model = Odd(function, **layers(other=nn.Conv2d(3, 4, 1))).eval()
    images = torch.randn(1, 3, 5, 5)
    assert conv_bn_pairs(model, images)[0] == []


class TensorCores(TorchDispatchMode):
    """A GPU: what float32 convolutions and products of matrices multiply
    is rounded to 10 bits of mantissa (TF32)."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        rounding = func.overloadpacket in (
            torch.ops.aten.convolution,
            torch.ops.aten.mm,
            torch.ops.aten.bmm,
            torch.ops.aten.addmm,
        )
        if rounding:
            args = [self.rounded(arg) for arg in args]
        return func(*args, **(kwargs or {}))

    @staticmethod
    def rounded(arg):
        if not isinstance(arg, torch.Tensor) or arg.dtype != torch.float32:
            return arg
        bits = arg.contiguous().view(torch.int32)
        return ((bits + (1 << 12)) & ~((1 << 13) - 1)).view(torch.float32)


def test_rounding_of_tensor_cores():
    """1 + 2^-10 has ten bits, 1 + 2^-11 - 2^-20 has not; float64 stays."""
    near = 1 + 2**-11 - 2**-20
    values = torch.tensor([[1 + 2**-10, near, -3 * near]])
    with TensorCores():
        rounded = values @ torch.eye(3)
        exact = values.double() @ torch.eye(3).double()
    assert rounded.tolist() == [[1 + 2**-10, 1, -3 - 2**-9]]
    assert torch.equal(exact, values.double())


@pytest.mark.parametrize('variant', list(VARIANTS))
def test_fused_on_tensor_cores(variant):
    """The rounding there changes the output by more than a mistake may; the
    fused model is the one that exact arithmetic gives."""
    model, other = lively(VARIANTS[variant]), lively(VARIANTS[variant])
    clips = torch.randn(1, 2, 3, 64, 64)
    with TensorCores():
        before = heatmaps(model, clips)
        count = fuse_conv_bn(model)
        change = heatmaps(model, clips) - before
    assert change.abs().max() > 1e-4 * before.abs().max()
    assert fuse_conv_bn(other) == count
    assert torch.equal(heatmaps(model, clips), heatmaps(other, clips))


@pytest.mark.parametrize('device', [nullcontext, TensorCores])
def test_output_used_twice_is_noticed(device):
    """Also where it weighs less than the rounding of tensor cores."""

    def twice(model, inputs):
        maps = model.conv(inputs)
        return model.norm(maps) + maps * 1e-3

    model = Odd(twice, **layers()).eval()
    images = torch.randn(1, 3, 5, 5)
    before = heatmaps(model, images)
    with device(), pytest.raises(
        RuntimeError, match='in float64 too, .* is used elsewhere'
    ):
        fuse_conv_bn(model, images)
    assert torch.equal(heatmaps(model, images), before)


def test_convolution_under_two_names():
    """In one parent, which torch lists under the first name only."""
    norm = layers()['norm']
    conv = nn.Conv2d(3, 4, 1)
    model = Odd(
        lambda m, x: m.norm(m.other(x)), conv=conv, other=conv, norm=norm
    ).eval()
    images = torch.randn(1, 3, 5, 5)
    before = heatmaps(model, images)
    assert fuse_conv_bn(model, images) == 1
    assert model.conv is model.other
    torch.testing.assert_close(heatmaps(model, images), before)


def test_transposed_convolution_by_hand():
    """weight 3, input 2, mean 1, variance 3, epsilon 1, scale 2, shift 5:
    2 (3 * 2 - 1) / 2 + 5 = 10. (An epsilon of 0 is refused by torch 2.11
    and before.)"""
    deconv = nn.ConvTranspose2d(1, 1, 1, bias=False)
    norm = nn.BatchNorm2d(1, eps=1)
    for tensor, value in (
        (deconv.weight, 3.0),
        (norm.weight, 2.0),
        (norm.bias, 5.0),
        (norm.running_mean, 1.0),
        (norm.running_var, 3.0),
    ):
        nn.init.constant_(tensor, value)
    model = Odd(
        lambda m, x: m.norm(m.deconv(x)), deconv=deconv, norm=norm
    ).eval()
    images = torch.full((1, 1, 1, 1), 2.0)
    assert fuse_conv_bn(model, images) == 1
    assert isinstance(model.norm, nn.Identity)
    assert float(heatmaps(model, images)) == pytest.approx(10)


def test_training_mode_is_refused():
    with pytest.raises(ValueError, match='model.eval'):
        fuse_conv_bn(lively(VARIANTS['paper']).train())


def test_example_inputs():
    model = lively(VARIANTS['paper'])
    assert example_inputs(model).shape == (1, 2, 3, 64, 64)
    assert example_inputs(model.initializer).shape == (1, 3, 64, 64)
    model.head.decoder = None
    with pytest.raises(ValueError, match='give example inputs'):
        example_inputs(model)


@pytest.mark.parametrize('variant', list(VARIANTS))
def test_bfloat16_is_close_and_gives_float32(variant):
    """Eight bits of mantissa: a few per cent of the largest value after
    some twenty layers. The relation gets what it got, so it is exact."""
    model = lively(VARIANTS[variant])
    clips = torch.randn(2, 3, 3, 64, 64)
    before = heatmaps(model, clips)
    dtypes = []
    model.head.relation.register_forward_hook(
        lambda module, args, out: dtypes.append((args[0].dtype, out.dtype))
    )
    optimize_for_inference(model, dtype='bfloat16')
    assert model.backbone.conv1.weight.dtype == torch.bfloat16
    assert model.head.final_layer.weight.dtype == torch.float32
    dtypes.clear()
    after = heatmaps(model, clips)
    assert after.dtype == torch.float32
    assert set(dtypes) == {(torch.float32, torch.float32)}
    error = (after - before).abs().max() / before.abs().max()
    assert 0 < error < 0.1


def test_bfloat16_residual_kernel_and_prediction():
    """The impulse is float32, the features are not; numpy decodes."""
    neck = dict(tiny_video_model()['neck'], residual_kernel=True)
    model = optimize_for_inference(
        lively(tiny_video_model(neck=neck)), dtype='bfloat16'
    )
    with torch.no_grad():
        samples = model.predict(torch.randn(1, 4, 3, 64, 64), [clip_sample()])
    assert samples[0].pred_instances.keypoints.shape == (4, NUM_JOINTS, 2)


def test_unknown_dtype():
    with pytest.raises(ValueError, match='bfloat16'):
        optimize_for_inference(lively(VARIANTS['paper']), dtype='int8')


def test_compiled_parts_give_the_same():
    """With dynamo's graphs run as they are; inductor, which takes minutes of
    compilation, is left to tools/benchmark.py --compile."""
    model = lively(VARIANTS['paper'])
    clips = torch.randn(1, 3, 3, 64, 64)
    before = heatmaps(model, clips)
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    fast = optimize_for_inference(
        copy.deepcopy(model), compile=dict(backend=backend)
    )
    torch.testing.assert_close(
        heatmaps(fast, clips), before, rtol=1e-4, atol=1e-5
    )
    found = [str(graph.graph) for graph in graphs]
    assert any('max_pool2d' in graph for graph in found)  # kernel generator
    count = len(graphs)
    torch.testing.assert_close(heatmaps(model, clips), before)
    assert len(graphs) == count  # the model that was copied goes uncompiled


def test_frozen_weights_reach_inductor():
    """torch takes no notice of the setting in other ways of passing it."""
    from torch._inductor import config

    seen = []

    def function(x):
        seen.append(config.freezing)
        return x

    with mock.patch('torch.compile', lambda f, dynamic: f):
        call = with_frozen_weights(function)
    assert call(3) == 3 and seen == [True]
    assert not config.freezing


@pytest.mark.parametrize('variant', ['paper', 'released'])
def test_prepared_steps_are_the_steps(variant):
    """The neck's work on a frame done ahead, against all in one."""
    model = lively(VARIANTS[variant])
    clips = torch.randn(2, 3, 3, 64, 64)
    with torch.no_grad():
        feats = model.extract_feat(clips)
        initial = model.initial_heatmaps(clips)
        _, state = model.start(
            feats[:, 0], None if initial is None else initial[:, 0]
        )
        for t in (1, 2):
            expected, following = model.step(feats[:, t], state)
            ready = model.prepare(state)
            assert isinstance(ready, PreparedState)
            got, state = model.step(feats[:, t], ready)
            torch.testing.assert_close(got, expected)
            torch.testing.assert_close(state.feats, following.feats)


def test_nothing_to_prepare_without_a_neck():
    model = lively(
        tiny_video_model(
            neck=None,
            initializer='features',
            feature_neck=None,
            backbone=tiny_backbone(),
            head=dict(tiny_video_model()['head'], in_channels=64),
        )
    )
    state = ClipState(torch.zeros(1, 64, 2, 2), torch.zeros(1, 3, 2, 2))
    assert model.prepare(state) is state


def test_models_without_heatmaps():
    """SimCC gives two tensors of one dimension each."""
    head = dict(
        type='SimCCHead',
        in_channels=64,
        out_channels=NUM_JOINTS,
        input_size=(64, 64),
        in_featuremap_size=(2, 2),
        decoder=dict(type='SimCCLabel', input_size=(64, 64)),
    )
    model = MODELS.build(dict(tiny_image_model(), head=head))
    with pytest.raises(ValueError, match='SimCCHead gives no heatmaps'):
        optimize_for_inference(model)
