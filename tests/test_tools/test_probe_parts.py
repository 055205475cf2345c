# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample

from tests.test_models.conftest import NUM_JOINTS, tiny_video_model

from .load_tool import load_tool

probe = load_tool('analysis_tools/probe_parts.py')


def test_what_goes_through_the_parts_is_recorded():
    """Three frames: the relation works on each, kernel and gate on two."""
    memory = dict(type='GatedHeatmapMemory', num_joints=NUM_JOINTS)
    model = MODELS.build(tiny_video_model(memory=memory))
    model.init_weights()
    clip = torch.randint(0, 255, (3, 3, 64, 64), dtype=torch.uint8)
    batch = dict(
        inputs=[clip, clip], data_samples=[PoseDataSample(), PoseDataSample()]
    )
    records = probe.run_and_record(model.eval(), batch)
    assert {k: len(v) for k, v in records.items()} == dict(
        relation=3, kernels=2, gates=2
    )
    # a fresh relation is the identity, a fresh gate lets 5 % through
    for before, after in records['relation']:
        assert torch.equal(before, after)
    torch.testing.assert_close(
        records['gates'][0], torch.full((2, NUM_JOINTS, 16, 16), 0.05)
    )
    assert not any(m._forward_hooks for m in model.modules())


def test_relation_facts():
    """Doubled heatmaps have changed by their own norm; weights of 3/4 and
    1/4 have an entropy of 0.5623 nats, of at most ln 2."""
    heatmaps = torch.rand(1, 2, 3, 3)
    weights = torch.tensor([[[0.75, 0.25], [0.25, 0.75]]])
    relation = SimpleNamespace(relational_weights=lambda maps: weights)
    change, own, entropy = probe.relation_facts(
        relation, [(heatmaps, 2 * heatmaps)]
    ).values()
    assert change == pytest.approx(1)
    assert own == pytest.approx(0.75)
    assert entropy == pytest.approx(0.562335 / math.log(2), abs=1e-5)


def test_kernel_facts():
    """Two clips with weights 1 and 3: mean 2, standard deviation sqrt 2."""
    kernels = torch.stack([torch.ones(2, 3, 3), torch.full((2, 3, 3), 3.0)])
    size, spread = probe.kernel_facts([kernels]).values()
    assert size == pytest.approx(2)
    assert spread == pytest.approx(2**0.5)


def test_gate_is_read_at_the_joints():
    """A crop of 8 x 8 pixels from (10, 20) on, gates of 4 x 4: the joint at
    (14, 22) is at column 2, row 1. Frame 1 has no gate; what lies outside
    and what is not labelled is left out."""
    gate = torch.zeros(1, 3, 4, 4)
    gate[0, 0, 1, 2], gate[0, 1, 3, 0] = 0.7, 0.2
    truth = SimpleNamespace(
        keypoints=np.array([[[14.0, 22.0], [10.0, 26.0], [0.0, 0.0]]] * 2),
        keypoints_visible=np.array([[1, 1, 1], [1, 0, 0]]),
        keypoints_labeled=np.array([[1, 1, 1], [1, 1, 0]]),
    )
    sample = SimpleNamespace(
        gt_instances=truth,
        metainfo=dict(
            input_center=np.full((2, 1, 2), (14.0, 24.0)),
            input_scale=np.full((2, 1, 2), 8.0),
        ),
    )
    facts = probe.gate_facts([gate], [sample])
    assert facts == {
        'memory: gate at visible joints, mean': pytest.approx(0.7),
        'memory: gate at hidden joints, mean': pytest.approx(0.2),
    }


def test_missing_config_is_one_line(tmp_path):
    with pytest.raises(SystemExit) as info:
        probe.main([str(tmp_path / 'no.py'), str(tmp_path / 'no.pth')])
    assert str(info.value).startswith('probe_parts: ')
    assert '\n' not in str(info.value)
