# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Heads of image models; every config of the folder is in
``test_jre_image_models.py``."""

import pytest
import torch
from mmpose.models import heads as mmpose_heads
from mmpose.registry import MODELS

import rpstn_mmpose.models as models

from .conftest import CODEC, NUM_JOINTS

STAGES = 3
CPM = dict(
    in_channels=8,
    out_channels=NUM_JOINTS,
    num_stages=STAGES,
    deconv_out_channels=None,
    decoder=CODEC,
)
VIPNAS = dict(
    in_channels=16,
    out_channels=NUM_JOINTS,
    deconv_out_channels=(8,),
    deconv_kernel_sizes=(4,),
    deconv_num_groups=(4,),
    decoder=CODEC,
)


def build(kind, arguments, **more):
    head = MODELS.build(dict(type=kind, **arguments, **more))
    head.init_weights()
    return head


def stage_feats(batch=2):
    return [torch.randn(batch, 8, 16, 16) for _ in range(STAGES)]


@pytest.mark.parametrize(
    'name, base',
    [
        ('JREHead', 'HeatmapHead'),
        ('JREViPNASHead', 'ViPNASHead'),
        ('JRECPMHead', 'CPMHead'),
    ],
)
def test_registered_and_a_kind_of_the_plain_head(name, base):
    assert MODELS.get(name) is getattr(models, name)
    assert issubclass(getattr(models, name), getattr(mmpose_heads, base))


def test_vipnas_starts_as_the_plain_head():
    plain, head = build('ViPNASHead', VIPNAS), build('JREViPNASHead', VIPNAS)
    missing, unexpected = head.load_state_dict(
        plain.state_dict(), strict=False
    )
    assert missing == ['relation.conv_g.weight', 'relation.conv_o.weight']
    assert unexpected == []
    feats = (torch.randn(2, 16, 8, 8),)
    assert torch.equal(head.eval()(feats), plain.eval()(feats))
    torch.nn.init.normal_(head.relation.conv_o.weight)
    assert torch.equal(head(feats), head.relation(plain(feats)))


def test_cpm_starts_as_the_plain_head():
    plain, head = build('CPMHead', CPM), build('JRECPMHead', CPM)
    missing, unexpected = head.load_state_dict(
        plain.state_dict(), strict=False
    )
    assert missing == [
        f'relation.{stage}.conv_{name}.weight'
        for stage in range(STAGES)
        for name in 'go'
    ]
    assert unexpected == []
    feats = stage_feats()
    for got, expected in zip(head(feats), plain(feats)):
        assert torch.equal(got, expected)


def test_cpm_has_a_relation_of_its_own_for_every_stage():
    """2K^2 weights a stage; changing one stage's leaves the others."""
    head = build('JRECPMHead', CPM)
    added = sum(p.numel() for p in head.relation.parameters())
    assert added == STAGES * 2 * NUM_JOINTS**2
    feats = stage_feats()
    before = head(feats)
    torch.nn.init.normal_(head.relation[1].conv_o.weight)
    after = head(feats)
    assert torch.equal(after[0], before[0])
    assert torch.equal(after[1], head.relation[1](before[1]))
    assert not torch.equal(after[1], before[1])
    assert torch.equal(after[2], before[2])


def test_cpm_relation_is_exchanged_or_left_out_by_config():
    without = build('JRECPMHead', CPM, relation=None)
    plain = build('CPMHead', CPM)
    assert without.state_dict().keys() == plain.state_dict().keys()
    feats = stage_feats()
    assert len(without(feats)) == STAGES
    other = build(
        'JRECPMHead',
        CPM,
        relation=dict(type='JointRelationExtractor', similarity='cosine'),
    )
    assert [r.similarity for r in other.relation] == ['cosine'] * STAGES
    assert [r.num_joints for r in other.relation] == [NUM_JOINTS] * STAGES
