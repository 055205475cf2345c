# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest
from mmengine.registry import init_default_scope

from rpstn_mmpose.datasets import PennActionDataset
from tests.test_datasets.penn_files import (
    label_arrays,
    write_frames,
    write_label,
)

CODEC = dict(
    type='MSRAHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=1
)


@pytest.mark.parametrize('flipped', [False, True])
def test_hidden_joints_are_targets_of_mmposes_own(tmp_path, flipped):
    """Joint 3 is hidden, joint 5 not labelled; mirrored, 4 and 6 are."""
    arrays = label_arrays(1)
    arrays['visibility'][:, [3, 5]] = 0
    arrays['x'][:, 5] = arrays['y'][:, 5] = 1
    write_label(tmp_path, '0001', arrays)
    write_frames(tmp_path, '0001', 1)
    init_default_scope('mmpose')
    weights = {}
    for name, step in (('plain', []), ('hidden', ['LabeledAsVisible'])):
        dataset = PennActionDataset(
            data_root=str(tmp_path),
            split='train',
            clip_length=1,
            pipeline=[
                dict(type='LoadImage'),
                *(dict(type=name) for name in step),
                dict(type='GetBBoxCenterScale', padding=2.0),
                dict(type='RandomFlip', prob=float(flipped)),
                dict(type='TopdownAffine', input_size=(48, 64)),
                dict(type='GenerateTarget', encoder=CODEC),
                dict(type='PackPoseInputs'),
            ],
        )
        sample = dataset[0]['data_samples']
        weights[name] = sample.gt_instance_labels.keypoint_weights[0].numpy()
    hidden, unlabeled = (4, 6) if flipped else (3, 5)
    assert np.flatnonzero(weights['plain'] == 0).tolist() == sorted(
        [hidden, unlabeled]
    )
    assert np.flatnonzero(weights['hidden'] == 0).tolist() == [unlabeled]
