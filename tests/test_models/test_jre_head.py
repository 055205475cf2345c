# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest
import torch
from mmpose.codecs import MSRAHeatmap
from mmpose.registry import MODELS

from rpstn_mmpose.models.heads.relation_mixin import gaussian_target_moments

from .conftest import CODEC, NUM_JOINTS, tiny_image_head


def build(**kwargs):
    torch.manual_seed(0)
    head = MODELS.build(dict(tiny_image_head(), type='JREHead', **kwargs))
    head.init_weights()
    return head


def feats(batch=2):
    torch.manual_seed(1)
    return (torch.randn(batch, 64, 2, 2),)


def test_plain_checkpoint_fits_and_outputs_agree():
    plain = MODELS.build(tiny_image_head())
    plain.init_weights()
    head = build()
    missing, unexpected = head.load_state_dict(
        plain.state_dict(), strict=False
    )
    assert unexpected == []
    assert missing == ['relation.conv_g.weight', 'relation.conv_o.weight']
    plain.eval(), head.eval()
    assert torch.equal(head(feats()), plain(feats()))


def test_order_of_relation_and_norm():
    """refine = norm(relation(norm(x))) with norm_before, else norm(rel)."""
    for before in (False, True):
        head = build(
            norm_cfg=dict(type='BN'),
            norm_before=before,
            first_frame_norm='shared',
        ).eval()
        torch.nn.init.normal_(head.relation.conv_o.weight)
        torch.nn.init.uniform_(head.norm.running_mean)
        maps = torch.randn(2, NUM_JOINTS, 16, 16)
        start = head.norm(maps) if before else maps
        expected = head.norm(head.relation(start))
        assert torch.equal(head.refine(maps), expected)
        assert torch.equal(
            head.refine_first(maps), head.norm(head.relation(maps))
        )


def test_first_frame_norms():
    maps = torch.randn(2, NUM_JOINTS, 16, 16)
    none = build(norm_cfg=dict(type='BN'))
    assert torch.equal(none.refine_first(maps), maps)
    separate = build(norm_cfg=dict(type='BN'), first_frame_norm='separate')
    before = separate.norm.running_mean.clone()
    separate.train().refine_first(maps)
    assert torch.equal(separate.norm.running_mean, before)
    assert not torch.equal(separate.first_norm.running_mean, before)


def test_norm_starts_at_scale_of_targets():
    """Against the moments of a target that MMPose's codec encodes."""
    size, sigma = (64, 48), 2
    codec = MSRAHeatmap(input_size=(256, 192), heatmap_size=size, sigma=sigma)
    target = codec.encode(np.array([[[128.0, 96.0]]]))['heatmaps']
    mean, std = gaussian_target_moments(sigma, size)
    # MMPose cuts the Gaussian off at three sigma: 1 % of its mass
    assert mean == pytest.approx(target.mean(), rel=2e-2)
    assert std == pytest.approx(target.std(), rel=2e-2)

    head = build(norm_cfg=dict(type='BN'))
    expected = gaussian_target_moments(CODEC['sigma'], CODEC['heatmap_size'])
    np.testing.assert_allclose(head.norm.bias.detach(), expected[0], rtol=1e-6)
    np.testing.assert_allclose(
        head.norm.weight.detach(), expected[1], rtol=1e-6
    )


def test_without_relation():
    head = build(relation=None)
    assert torch.equal(head(feats()), head.pseudo_heatmaps(feats()))


@pytest.mark.parametrize(
    'kwargs,word',
    [
        (dict(first_frame_norm='own'), 'first_frame_norm must be one of'),
        (dict(norm_before=True), 'need a norm_cfg'),
        (dict(first_frame_norm='separate'), 'need a norm_cfg'),
    ],
)
def test_bad_arguments(kwargs, word):
    with pytest.raises(ValueError, match=f'JREHead: .*{word}'):
        build(**kwargs)
