# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""JRE's rivals against numpy restatements of what they compute."""

import numpy as np
import pytest
import torch
from mmpose.registry import MODELS

from rpstn_mmpose import configs_dir
from rpstn_mmpose.models import JREHead

B, K, H, W = 2, 3, 4, 5
PENN = 'configs/_base_/datasets/penn_action.py'

# A chain hand - elbow - shoulder whose links are written against the order
# of the joints.
CHAIN = """
dataset_info = dict(
    dataset_name='chain',
    keypoint_info={
        0: dict(name='hand', id=0, color=[0, 0, 0], type='upper', swap=''),
        1: dict(name='elbow', id=1, color=[0, 0, 0], type='upper', swap=''),
        2: dict(name='shoulder', id=2, color=[0, 0, 0], type='upper', swap='')
    },
    skeleton_info={
        0: dict(link=('shoulder', 'elbow'), id=0, color=[0, 0, 0]),
        1: dict(link=('elbow', 'hand'), id=1, color=[0, 0, 0])
    },
    joint_weights=[1.] * 3,
    sigmas=[0.05] * 3)
"""


@pytest.fixture
def chain(tmp_path):
    path = tmp_path / 'chain.py'
    path.write_text(CHAIN)
    return str(path)


def configs(chain):
    """One of each, by name."""
    return dict(
        non_local=dict(type='NonLocalRelation'),
        skeleton_graph=dict(type='SkeletonGraphRelation', metainfo=chain),
        conv_refinement=dict(type='ConvRefinement'),
        sequence=dict(
            type='RelationSequence',
            relations=[
                dict(type='ConvRefinement'),
                dict(type='JointRelationExtractor'),
            ],
        ),
    )


RIVALS = sorted(configs(''))


def build(config, num_joints=K, randomize=True):
    module = MODELS.build(dict(num_joints=num_joints, **config)).double()
    if randomize:
        generator = torch.Generator().manual_seed(3)
        for parameter in module.parameters():
            parameter.data = torch.randn(
                parameter.shape, generator=generator, dtype=torch.float64
            )
    else:
        module.init_weights()
    return module.eval()


def heatmaps():
    generator = torch.Generator().manual_seed(4)
    return torch.randn(B, K, H, W, generator=generator, dtype=torch.float64)


def kernel_1x1(conv):
    return conv.weight.detach().numpy()[:, :, 0, 0]


def conv_3x3(maps, conv):
    """Pixel by pixel, zeros outside; maps K x h x w."""
    weight = conv.weight.detach().numpy()
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
    out = np.zeros((len(weight), *maps.shape[1:]))
    for y in range(maps.shape[1]):
        for x in range(maps.shape[2]):
            window = padded[:, y : y + 3, x : x + 3]
            out[:, y, x] = (weight * window).sum(axis=(1, 2, 3))
    bias = 0 if conv.bias is None else conv.bias.detach().numpy()
    return out + np.reshape(bias, (-1, 1, 1))


@pytest.mark.parametrize('rival', RIVALS)
def test_starts_as_identity_and_learns(rival, chain):
    """Zero output of the last layer, but not zero gradient to it."""
    module = build(configs(chain)[rival], randomize=False).train()
    maps = heatmaps()
    assert torch.equal(module(maps), maps)
    (module(maps) ** 3).sum().backward()
    moved = [n for n, p in module.named_parameters() if p.grad.abs().sum() > 0]
    assert any('conv_o' in name for name in moved), moved


@pytest.mark.parametrize('rival', RIVALS)
def test_all_zero_heatmaps_give_finite_ones(rival, chain):
    module = build(configs(chain)[rival])
    zeros = torch.zeros(1, K, H, W, dtype=torch.float64)
    assert torch.isfinite(module(zeros)).all()
    assert module(zeros).shape == zeros.shape


@pytest.mark.parametrize('rival', RIVALS)
def test_wrong_number_of_joints(rival, chain):
    module = build(configs(chain)[rival])
    with pytest.raises(ValueError, match=r'built for 3 joints, but .* 4, 5\)'):
        module(torch.zeros(1, K + 1, H, W, dtype=torch.float64))


@pytest.mark.parametrize('rival', RIVALS)
def test_stands_in_a_head(rival, chain):
    """The head's own Normal start must not undo the start as identity."""
    torch.manual_seed(0)
    head = MODELS.build(
        dict(
            type='JREHead',
            in_channels=4,
            out_channels=K,
            deconv_out_channels=None,
            relation=configs(chain)[rival],
        )
    )
    head.init_weights()
    assert isinstance(head, JREHead)
    feats = (torch.randn(2, 4, H, W),)
    torch.testing.assert_close(head(feats), head.pseudo_heatmaps(feats))


@pytest.mark.parametrize('mode', ['embedded_gaussian', 'gaussian'])
def test_non_local_equals_numpy(mode):
    """softmax over all pixels, pixel by pixel; K is 3, hence sqrt(3)."""
    module = build(dict(type='NonLocalRelation', mode=mode))
    maps = heatmaps()
    got = module(maps).detach().numpy()

    def project(conv, pixels):
        return pixels @ kernel_1x1(conv).T + conv.bias.detach().numpy()

    for b in range(B):
        pixels = maps[b].numpy().reshape(K, H * W).T
        query = key = pixels
        scale = 1
        if mode == 'embedded_gaussian':
            query = project(module.theta.conv, pixels)
            key = project(module.phi.conv, pixels)
            scale = np.sqrt(3)
        values = project(module.g.conv, pixels)
        gathered = np.zeros((H * W, K))
        for i in range(H * W):
            weight = np.exp([query[i] @ key[j] / scale for j in range(H * W)])
            gathered[i] = (weight[:, None] * values).sum(0) / weight.sum()
        expected = pixels + project(module.conv_out.conv, gathered)
        np.testing.assert_allclose(
            got[b], expected.T.reshape(K, H, W), atol=1e-10
        )


def test_non_local_reduction():
    """13 joints compared in 6 channels: weights and biases by hand."""
    module = MODELS.build(
        dict(type='NonLocalRelation', num_joints=13, reduction=2)
    )
    assert sum(p.numel() for p in module.parameters()) == (
        3 * (13 * 6 + 6) + 6 * 13 + 13
    )


@pytest.mark.parametrize('option', ['num_joints', 'reduction'])
def test_non_local_refuses(option):
    with pytest.raises(ValueError, match=f'NonLocalRelation: {option} must'):
        MODELS.build(
            dict(dict(type='NonLocalRelation', num_joints=K), **{option: 0})
        )


def test_skeleton_graph_equals_numpy(chain):
    """The chain's weights by hand: the ends have one neighbour, the middle
    has two, and everyone has itself."""
    module = build(dict(type='SkeletonGraphRelation', metainfo=chain))
    weights = np.array(
        [[1 / 2, 1 / 2, 0], [1 / 3, 1 / 3, 1 / 3], [0, 1 / 2, 1 / 2]]
    )
    w_g, w_o = kernel_1x1(module.conv_g), kernel_1x1(module.conv_o)
    maps = heatmaps()
    got = module(maps).detach().numpy()
    for b in range(B):
        expected = maps[b].numpy().copy()
        for out in range(K):
            for i in range(K):
                for j in range(K):
                    for k in range(K):
                        expected[out] += (
                            w_o[out, i]
                            * weights[i, j]
                            * w_g[j, k]
                            * maps[b, k].numpy()
                        )
        np.testing.assert_allclose(got[b], expected, atol=1e-6)


def test_skeleton_graph_of_penn():
    """By name: a left wrist hangs on its elbow alone; a left shoulder has the
    head, the other shoulder, its elbow and its hip. 2K^2 weights, JRE's."""
    module = MODELS.build(
        dict(type='SkeletonGraphRelation', num_joints=13, metainfo=PENN)
    )
    weights = module.relational_weights(torch.zeros(2, 13, 4, 4))
    assert weights.shape == (2, 13, 13)
    left_wrist, left_shoulder = 5, 1
    assert weights[0, left_wrist].nonzero().flatten().tolist() == [3, 5]
    assert weights[1, left_shoulder].nonzero().flatten().tolist() == [
        0,
        1,
        2,
        3,
        7,
    ]
    torch.testing.assert_close(weights.sum(2), torch.ones(2, 13))
    assert sum(p.numel() for p in module.parameters()) == 338
    jre = MODELS.build(dict(type='JointRelationExtractor', num_joints=13))
    assert module.state_dict().keys() == jre.state_dict().keys()


def test_skeleton_graph_is_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (configs_dir() / '_base_/datasets/penn_action.py').is_file()
    MODELS.build(
        dict(type='SkeletonGraphRelation', num_joints=13, metainfo=PENN)
    )


def test_skeleton_graph_refuses(chain, tmp_path):
    config = dict(type='SkeletonGraphRelation', num_joints=13)
    with pytest.raises(
        ValueError, match='num_joints is 13, but .*chain.py.* has 3 joints'
    ):
        MODELS.build(dict(config, metainfo=chain))
    with pytest.raises(FileNotFoundError, match='nowhere.py'):
        MODELS.build(dict(config, metainfo=str(tmp_path / 'nowhere.py')))


def test_conv_refinement_equals_numpy():
    module = build(dict(type='ConvRefinement'))
    norm = module.conv_in.norm
    norm.running_mean.uniform_(-1, 1)
    norm.running_var.uniform_(0.5, 2)
    maps = heatmaps()
    got = module(maps).detach().numpy()
    mean, var, gamma, beta = (
        x.detach().numpy().reshape(K, 1, 1)
        for x in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    for b in range(B):
        x = conv_3x3(maps[b].numpy(), module.conv_in.conv)
        x = np.maximum((x - mean) / np.sqrt(var + 1e-5) * gamma + beta, 0)
        expected = maps[b].numpy() + conv_3x3(x, module.conv_out)
        np.testing.assert_allclose(got[b], expected, atol=1e-10)


def test_conv_refinement_reaches_its_first_layer():
    """Once the last convolution has moved, the first one learns too."""
    module = build(dict(type='ConvRefinement'), randomize=False).train()
    maps = heatmaps()
    (module(maps) ** 3).sum().backward()
    assert module.conv_in.conv.weight.grad.abs().sum() == 0
    with torch.no_grad():
        module.conv_out.weight -= 0.1 * module.conv_out.weight.grad
    (module(maps) ** 3).sum().backward()
    assert module.conv_in.conv.weight.grad.abs().sum() > 0


def test_conv_refinement_refuses():
    with pytest.raises(ValueError, match='ConvRefinement: num_joints must be'):
        MODELS.build(dict(type='ConvRefinement', num_joints=0))


def test_sequence_is_one_after_the_other():
    """The order counts, and every relation knows the number of joints."""
    parts = [
        dict(type='ConvRefinement'),
        dict(type='JointRelationExtractor', similarity='cosine'),
    ]
    module = build(dict(type='RelationSequence', relations=parts))
    maps = heatmaps()
    first, second = (build(part) for part in parts)
    first.load_state_dict(module[0].state_dict())
    second.load_state_dict(module[1].state_dict())
    got = module(maps)
    assert torch.equal(got, second(first(maps)))
    assert not torch.allclose(got, first(second(maps)))


@pytest.mark.parametrize('relations', [[], None])
def test_sequence_refuses(relations):
    with pytest.raises(ValueError, match='RelationSequence: relations must'):
        MODELS.build(
            dict(type='RelationSequence', num_joints=K, relations=relations)
        )
