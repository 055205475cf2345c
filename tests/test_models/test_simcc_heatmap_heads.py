# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Heads of SimCC and RTMPose, read as heatmaps."""

from copy import deepcopy
from pathlib import Path

import mmpose
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData, PixelData
from mmpose.codecs import SimCCLabel
from mmpose.models import heads, pose_estimators
from mmpose.registry import MODELS

from rpstn_mmpose.models import MemoryPoseEstimator, with_memory
from rpstn_mmpose.models.heads.simcc_heatmap_heads import (
    HEATMAP_HEADS,
    bins_a_pixel,
    heatmap_codec,
)
from rpstn_mmpose.models.pose_estimators.options import complete_options
from rpstn_mmpose.speed import optimize_for_inference
from rpstn_mmpose.speed.decode_heatmaps import decode_to_numpy
from rpstn_mmpose.streams import make_stream
from tests.test_apis.tiny import build

from .conftest import clip_sample, tiny_backbone

RECIPES = Path(mmpose.__file__).parent / '.mim/configs'
JOINTS = 3
WIDTH, HEIGHT = 48, 64
CODEC = dict(
    type='SimCCLabel',
    input_size=(WIDTH, HEIGHT),
    sigma=(4.9, 5.66),
    simcc_split_ratio=2.0,
    normalize=False,
)
RTM_LOSS = dict(type='KLDiscretLoss', beta=10.0, label_softmax=True)
NORMALIZED = dict(CODEC, normalize=True)
MEAN = dict(type='RecursiveHeatmapMean', weight=0.7)


def rtm_head(kind='RTMCCHead', **overrides):
    return dict(
        dict(
            type=kind,
            in_channels=64,
            out_channels=JOINTS,
            input_size=(WIDTH, HEIGHT),
            in_featuremap_size=(2, 2),
            gau_cfg=dict(
                hidden_dims=16,
                s=8,
                expansion_factor=2,
                dropout_rate=0.0,
                drop_path=0.0,
                act_fn='SiLU',
                use_rel_bias=False,
                pos_enc=False,
            ),
            loss=RTM_LOSS,
            decoder=CODEC,
        ),
        **overrides,
    )


def simcc_head(kind='SimCCHead', **overrides):
    return dict(
        dict(
            type=kind,
            in_channels=64,
            out_channels=JOINTS,
            input_size=(WIDTH, HEIGHT),
            in_featuremap_size=(2, 2),
            deconv_out_channels=None,
            loss=dict(type='KLDiscretLoss'),
            decoder=NORMALIZED,
        ),
        **overrides,
    )


def that_gives(monkeypatch, config, *vectors):
    """The heads with and without heatmaps, for which MMPose's gives these."""
    pair = [
        MODELS.build(dict(config, type=kind))
        for kind in (HEATMAP_HEADS[config['type']], config['type'])
    ]
    monkeypatch.setattr(type(pair[1]), 'forward', lambda self, feats: vectors)
    return pair


def gaussians(places, count, sigma, peak=1.0):
    """Vectors (1, K, count) of one peak each, by their definition."""
    places = torch.as_tensor(places, dtype=torch.float32).view(1, -1, 1)
    offsets = torch.arange(count) - places
    return peak * torch.exp(-(offsets**2) / (2 * sigma**2))


def test_heatmap_by_hand(monkeypatch):
    """Pixel j is bin 4 j; the peak is the lower one of the two vectors'."""
    x = torch.zeros(1, 1, 96)
    y = torch.zeros(1, 1, 128)
    x[..., 40] = 0.9  # of pixel 10 alone, the mean of bins 37 to 43
    x[..., 44] = 0.45  # of pixel 11 alone
    y[..., 60] = 0.6  # of pixel 15 alone
    y[..., 62] = 0.6  # of pixels 15 and 16
    y[..., 20] = -3.0  # of none
    head, _ = that_gives(monkeypatch, rtm_head(), x, y)
    maps = head.forward(None)
    assert maps.shape == (1, 1, 32, 24)
    expected = torch.zeros(32, 24)
    expected[15, 10], expected[15, 11] = 0.6, 0.3
    expected[16, 10], expected[16, 11] = 0.3, 0.15
    torch.testing.assert_close(maps[0, 0], expected)


@pytest.mark.parametrize(
    'config, vectors_of',
    [
        (rtm_head(), lambda label, area: label),
        # As RTMW: the vector is ten times its label.
        (
            rtm_head(loss=dict(RTM_LOSS, beta=1.0)),
            lambda label, area: 10 * label,
        ),
        (rtm_head(decoder=NORMALIZED), lambda label, area: label / area),
        # The logits of a distribution that is the label.
        (simcc_head(), lambda label, area: label.clamp(min=1e-30).log() + 3),
        (
            simcc_head(loss=dict(type='KLDiscretLoss', beta=2.0)),
            lambda label, area: label.clamp(min=1e-30).log() / 2 - 1,
        ),
    ],
    ids=['rtmpose', 'rtmw', 'normalized', 'simcc', 'simcc_beta'],
)
def test_a_trained_vector_has_a_peak_of_one(monkeypatch, config, vectors_of):
    """And heat of the labels' sigma around its joint, in input pixels."""
    places = np.array([[10.0, 12.0], [30.5, 40.0], [24.0, 55.5]])
    vectors = [
        vectors_of(
            gaussians(2 * places[:, axis], count, sigma),
            np.sqrt(2 * np.pi) * sigma,
        )
        for axis, (count, sigma) in enumerate(((96, 4.9), (128, 5.66)))
    ]
    head, _ = that_gives(monkeypatch, config, *vectors)
    maps = head.forward(None)
    torch.testing.assert_close(
        maps.flatten(2).amax(dim=2), torch.ones(1, 3), atol=0.02, rtol=0
    )
    # Smoothed over seven bins, of variance 4.
    sigmas = [np.sqrt(sigma**2 + 4) / 2 for sigma in (4.9, 5.66)]
    for joint, (x, y) in enumerate(places):
        across = (2.0 * np.arange(24) - x) / sigmas[0]
        down = (2.0 * np.arange(32) - y) / sigmas[1]
        exact = np.exp(-0.5 * (across**2 + down[:, None] ** 2))
        exact /= exact.max()
        np.testing.assert_allclose(maps[0, joint], exact, atol=0.03)
    found = head.decode(maps)[0].keypoints[0]
    np.testing.assert_allclose(found, places, atol=0.1)


def test_mmposes_own_decoding(monkeypatch):
    """Of noisy vectors: its scores, and its joints up to its rounding to
    bins of half a pixel, whichever of the ways.
    """
    generator = torch.Generator().manual_seed(0)
    places = torch.rand(2, 40, generator=generator) * 0.7 + 0.15
    heights = torch.rand(2, 1, 40, 1, generator=generator) * 0.7 + 0.3
    vectors = [
        gaussians(places[axis] * count, count, sigma) * heights[axis]
        + 0.02 * torch.randn(1, 40, count, generator=generator)
        for axis, (count, sigma) in enumerate(((96, 4.9), (128, 5.66)))
    ]
    head, stock = that_gives(monkeypatch, rtm_head(), *vectors)
    maps = head.forward(None)
    ours, theirs = head.decode(maps)[0], stock.decode(tuple(vectors))[0]
    np.testing.assert_allclose(
        ours.keypoint_scores, theirs.keypoint_scores, rtol=1e-6
    )
    truth = places.T * torch.tensor([WIDTH, HEIGHT])
    errors = [
        np.linalg.norm(found.keypoints[0] - truth.numpy(), axis=-1)
        for found in (ours, theirs)
    ]
    assert errors[0].max() < 1.0 and errors[0].mean() < errors[1].mean()
    keypoints, scores = decode_to_numpy(maps, head.decoder)
    np.testing.assert_allclose(keypoints, ours.keypoints, atol=1e-3)
    np.testing.assert_allclose(scores, ours.keypoint_scores, rtol=1e-5)


def test_vectors_that_show_nothing(monkeypatch):
    """MMPose answers -1 with a score that is not positive."""
    x, y = torch.full((1, 1, 96), -0.2), torch.zeros(1, 1, 128)
    head, _ = that_gives(monkeypatch, rtm_head(), x, y)
    maps = head.forward(None)
    assert not maps.any()
    assert head.decode(maps)[0].keypoint_scores.item() == 0


def test_a_peak_at_the_border(monkeypatch):
    """The last bin is a part of the last pixel."""
    x, y = torch.zeros(1, 1, 96), torch.zeros(1, 1, 128)
    x[..., 95] = y[..., 0] = 0.8
    head, stock = that_gives(monkeypatch, rtm_head(), x, y)
    found, theirs = head.decode(head.forward(None))[0], stock.decode((x, y))[0]
    np.testing.assert_allclose(found.keypoint_scores, [[0.8]])
    # Within a pixel of two.
    np.testing.assert_allclose(found.keypoints, theirs.keypoints, atol=1.5)


def test_recipes_of_mmpose():
    """Of each head that MMPose has in a recipe, its codec and its weights."""
    seen = {}
    for path in sorted(RECIPES.rglob('*.py')):
        if any(f"type='{kind}'" in path.read_text() for kind in HEATMAP_HEADS):
            model = Config.fromfile(path).model
            key = model.head.type, str(model.head.decoder)
            seen.setdefault(key, model)
    assert {kind for kind, _ in seen} == set(HEATMAP_HEADS)
    for model in seen.values():
        changed = with_memory(model, 'mean')
        # All are known.
        complete_options(MemoryPoseEstimator, 'TEST_CFG', changed.test_cfg)
        stock, ours = MODELS.build(model.head), MODELS.build(changed.head)
        assert list(stock.state_dict()) == list(ours.state_dict())
        width, height = stock.decoder.input_size
        # All of them have two bins a pixel and a sigma of 4 to 8 bins.
        assert ours.decoder.heatmap_size == (width // 2, height // 2)
        assert ours.decoder.scale_factor.tolist() == [2, 2]
        assert ours.decoder.sigma == np.mean(stock.decoder.sigma) / 4


@pytest.mark.parametrize(
    'size, sigma, ratio, step',
    [
        ((48, 64), 6.0, 2.0, 4),
        ((48, 64), 8.0, 2.0, 8),
        ((48, 64), 3.9, 2.0, 2),
        ((48, 64), 1.0, 1.0, 1),
        ((50, 64), 6.0, 2.0, 4),
        ((49, 64), 6.0, 2.0, 2),
        ((49, 63), 6.0, 1.0, 1),
    ],
)
def test_pixels_are_whole_numbers_of_bins(size, sigma, ratio, step):
    codec = SimCCLabel(size, sigma=sigma, simcc_split_ratio=ratio)
    assert bins_a_pixel(codec) == step
    maps = heatmap_codec(codec, step)
    assert maps.scale_factor.tolist() == [step / ratio] * 2


@pytest.fixture
def pair():
    """RTMPose as it is, and with a memory; the same weights."""
    image = dict(
        type='TopdownPoseEstimator',
        backbone=tiny_backbone(),
        head=rtm_head(),
        test_cfg=dict(flip_test=True),
    )
    stock = build(image)
    model = MODELS.build(with_memory(image, MEAN)).eval()
    model.load_state_dict(stock.state_dict())
    return stock, model


def test_a_memory_on_rtmpose(pair):
    """Of the product of both vectors, in clips and in streams."""
    stock, model = pair
    clips = torch.rand(2, 4, 3, HEIGHT, WIDTH)
    with torch.no_grad():
        found = model(clips, None, mode='tensor')
        frames = []
        for images in clips.unbind(1):
            x, y = stock(images, None, mode='tensor')
            pooled = [
                torch.nn.functional.pad(v.clamp(min=0), (3, 0)).unfold(2, 7, 4)
                for v in (x, y)
            ]
            # Padding is no part of the first mean.
            sums = [v.sum(dim=3) for v in pooled]
            for total in sums:
                total[..., 0] *= 7 / 4
            down, across = (
                total / total.amax(dim=2, keepdim=True)
                for total in (sums[1], sums[0])
            )
            score = torch.minimum(x.amax(dim=2), y.amax(dim=2))
            frames.append(
                score[..., None, None]
                * down[..., :, None]
                * across[..., None, :]
            )
    means = [frames[0]]
    for frame in frames[1:]:
        means.append(0.3 * frame + 0.7 * means[-1])
    expected = torch.stack(means, dim=1)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    stream = make_stream(model, collapse_ratio=None)
    for number, images in enumerate(clips.unbind(1)):
        torch.testing.assert_close(
            stream.heatmaps(images, [3, 8]),
            expected[:, number],
            rtol=1e-4,
            atol=1e-5,
        )
    for dtype, error in ((None, 1e-4), ('bfloat16', 0.05)):
        fast = optimize_for_inference(deepcopy(model), dtype=dtype)
        with torch.no_grad():
            maps = fast(clips, None, mode='tensor')
        torch.testing.assert_close(
            maps, found, rtol=1e-3, atol=error * float(found.max())
        )


def test_flip_test(pair, monkeypatch):
    """Mirrored vectors of swapped joints; the mean is 0.5 px beside them."""
    _, model = pair
    places = np.array([[10.0, 12.0], [30.0, 40.0], [24.0, 55.0]])
    mirrored = places[[1, 0, 2]] * [-1, 1] + [WIDTH - 1, 0]
    answers = iter([places, mirrored])

    def forward(self, feats):
        given = next(answers)
        return [
            gaussians(2 * given[:, axis], count, 5.0).expand(2, -1, -1)
            for axis, count in enumerate((96, 128))
        ]

    monkeypatch.setattr(heads.RTMCCHead, 'forward', forward)
    sample = clip_sample(2, with_labels=False)
    sample.set_metainfo(
        dict(
            flip_indices=[1, 0, 2],
            input_size=(WIDTH, HEIGHT),
            input_center=np.tile([WIDTH / 2, HEIGHT / 2], (2, 1, 1)),
            input_scale=np.tile([WIDTH, HEIGHT], (2, 1, 1)),
        )
    )
    with torch.no_grad():
        found = model(
            torch.rand(1, 2, 3, HEIGHT, WIDTH), [sample], mode='predict'
        )[0].pred_instances
    expected = np.tile(places - [0.5, 0], (2, 1, 1))
    np.testing.assert_allclose(found.keypoints, expected, atol=0.1)


def test_a_memory_is_trained_on_heatmaps(pair):
    stock, _ = pair
    image = dict(
        type='TopdownPoseEstimator', backbone=tiny_backbone(), head=rtm_head()
    )
    gated = dict(type='GatedHeatmapMemory', num_joints=JOINTS)
    model = MODELS.build(with_memory(image, gated))
    model.load_state_dict(stock.state_dict(), strict=False)
    sample = clip_sample(3)
    labels = sample.gt_instance_labels
    labels.heatmaps = torch.rand(3, JOINTS, 32, 24)
    losses = model(
        torch.rand(2, 3, 3, HEIGHT, WIDTH), [sample] * 2, mode='loss'
    )
    losses['loss_kpt'].backward()
    assert model.memory.gate.weight.grad.abs().sum() > 0
    assert model.head.cls_x.weight.grad.abs().sum() > 0


def test_it_stands_where_a_head_of_heatmaps_stands():
    """In MMPose's own estimator: its loss, and its flip test of one frame."""
    image = dict(
        type='TopdownPoseEstimator',
        backbone=tiny_backbone(),
        head=rtm_head('RTMCCHeatmapHead'),
        test_cfg=dict(flip_test=True, output_heatmaps=True),
    )
    model = build(image)
    sample = clip_sample(1, with_labels=False)
    for name in ('input_center', 'input_scale'):
        sample.set_metainfo({name: sample.metainfo[name][0, 0]})
    sample.gt_instance_labels = InstanceData(
        keypoint_weights=torch.ones(1, JOINTS)
    )
    sample.gt_fields = PixelData(heatmaps=torch.rand(JOINTS, 32, 24))
    images = torch.rand(1, 3, HEIGHT, WIDTH)
    maps = model(images, None, mode='tensor')
    loss = model(images, [sample], mode='loss')['loss_kpt']
    target = sample.gt_fields.heatmaps
    torch.testing.assert_close(loss, (maps[0] - target).square().mean())
    with torch.no_grad():
        found = model(images, [sample], mode='predict')[0]
        mirrored = model(images.flip(-1), None, mode='tensor')
    del sample.gt_fields
    with pytest.raises(ValueError, match=r"'MSRAHeatmap'.*\(24, 32\), sigma="):
        model(images, [sample], mode='loss')
    expected = (maps[0] + mirrored[0, [0, 2, 1]].flip(-1)) / 2
    torch.testing.assert_close(found.pred_fields.heatmaps, expected)


@pytest.mark.parametrize(
    'change, got',
    [
        (
            dict(decoder=dict(CODEC, smoothing_type='standard')),
            "smoothing_type='standard' and KLDiscretLoss",
        ),
        (dict(decoder=None), 'no decoder and KLDiscretLoss'),
        (
            dict(loss=dict(type='JSDiscretLoss')),
            "smoothing_type='gaussian' and JSDiscretLoss",
        ),
    ],
)
def test_vectors_of_unknown_meaning_are_refused(change, got):
    with pytest.raises(ValueError, match=f'needs a decoder.*but got.*{got}'):
        MODELS.build(rtm_head('RTMCCHeatmapHead', **change))


def test_the_whole_head_starts_from_an_image_model(pair, tmp_path):
    stock, model = pair
    path = tmp_path / 'image.pth'
    torch.save(dict(state_dict=stock.state_dict()), path)
    model.image_pretrained = dict(checkpoint=str(path))
    for weight in model.parameters():
        weight.data.zero_()
    model.init_weights()
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, stock.state_dict()[name])


@pytest.mark.parametrize(
    'scope', ['', 'mmpose.', None], ids=['name', 'scope', 'class']
)
def test_types_by_name_and_by_class(scope):
    kinds = [
        getattr(module, kind) if scope is None else f'{scope}{kind}'
        for module, kind in (
            (pose_estimators, 'TopdownPoseEstimator'),
            (heads, 'RTMCCHead'),
        )
    ]
    image = dict(type=kinds[0], head=rtm_head(kinds[1]))
    assert with_memory(image, MEAN).head.type == 'RTMCCHeatmapHead'
    assert image['head']['type'] == kinds[1]
