# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest
from mmpose.datasets import CombinedDataset
from mmpose.datasets.transforms import KeypointConverter

from rpstn_mmpose.datasets import (
    ClipKeypointConverter,
    JHMDBClipDataset,
    PennActionDataset,
)
from tests.test_datasets.jhmdb_files import write_jhmdb

PENN = 'configs/_base_/datasets/penn_action.py'
JHMDB = 'configs/_base_/datasets/jhmdb.py'
PENN_NAMES = [
    'head',
    'left_shoulder',
    'right_shoulder',
    'left_elbow',
    'right_elbow',
    'left_wrist',
    'right_wrist',
    'left_hip',
    'right_hip',
    'left_knee',
    'right_knee',
    'left_ankle',
    'right_ankle',
]
JHMDB_NAMES = [
    'neck',
    'belly',
    'head',
    'right_shoulder',
    'left_shoulder',
    'right_hip',
    'left_hip',
    'right_elbow',
    'left_elbow',
    'right_knee',
    'left_knee',
    'right_wrist',
    'left_wrist',
    'right_ankle',
    'left_ankle',
]


def clip(length=2):
    """Penn's joint k lies at (10 k, 5 + t) in frame t."""
    points = np.zeros((length, 13, 2), np.float32)
    points[..., 0] = 10 * np.arange(13)
    points[..., 1] = 5 + np.arange(length)[:, None]
    return dict(
        keypoints=points,
        keypoints_visible=np.ones((length, 13), np.float32),
        keypoints_labeled=np.ones((length, 13), np.float32),
    )


def convert(results, **kwargs):
    kwargs.setdefault('source', PENN)
    kwargs.setdefault('target', JHMDB)
    return ClipKeypointConverter(**kwargs)(results)


def test_positions_by_name():
    results = clip()
    results['keypoints_visible'][1, 5] = 0  # left wrist of frame 1 is hidden
    results['keypoints_labeled'][0, 12] = 0  # right ankle of frame 0
    results['keypoints_visible'][0, 12] = 0
    out = convert(results)
    assert out['keypoints'].shape == (2, 15, 2)
    assert out['keypoints'].dtype == np.float32
    for joint, name in enumerate(JHMDB_NAMES):
        got = out['keypoints'][:, joint].tolist()
        if name in ('neck', 'belly'):
            assert got == [[0, 0], [0, 0]]
        else:
            x = 10 * PENN_NAMES.index(name)
            assert got == [[x, 5], [x, 6]]
    seen = np.ones((2, 15))
    seen[:, :2] = 0
    seen[0, JHMDB_NAMES.index('right_ankle')] = 0
    assert out['keypoints_labeled'].tolist() == seen.tolist()
    seen[1, JHMDB_NAMES.index('left_wrist')] = 0
    assert out['keypoints_visible'].tolist() == seen.tolist()


def test_mapping_sides_middles_and_nothing():
    results = clip()
    results['keypoints_visible'][1, 1] = 0  # left shoulder
    out = convert(
        results,
        mapping=dict(
            left_knee='right_knee',
            neck=['left_shoulder', 'right_shoulder'],
            head=None,
        ),
    )
    # Right knee 100, shoulders 10 and 20.
    assert out['keypoints'][0, 10].tolist() == [100, 5]
    assert out['keypoints'][1, 0].tolist() == [15, 6]
    assert out['keypoints_visible'][:, :3].tolist() == [[1, 0, 0], [0, 0, 0]]
    assert out['keypoints_labeled'][:, :3].tolist() == [[1, 0, 0], [1, 0, 0]]
    # Where no side is swapped, the name decides.
    assert out['keypoints'][0, 9].tolist() == [100, 5]


def test_fewer_joints():
    out = convert(
        dict(
            keypoints=np.arange(30, dtype=np.float64).reshape(1, 15, 2),
            keypoints_visible=np.ones((1, 15)),
        ),
        source=JHMDB,
        target=PENN,
    )
    assert out['keypoints'].shape == (1, 13, 2)
    assert out['keypoints'][0, 0].tolist() == [4, 5]
    assert out['keypoints_visible'].all()
    assert 'keypoints_labeled' not in out and 'flip_indices' not in out


def test_equals_mmposes_converter_by_number():
    numbers = [
        (PENN_NAMES.index(n), i)
        for i, n in enumerate(JHMDB_NAMES)
        if n in PENN_NAMES
    ]
    theirs = KeypointConverter(num_keypoints=15, mapping=numbers)(clip())
    ours = convert(clip())
    np.testing.assert_array_equal(ours['keypoints'], theirs['keypoints'])
    np.testing.assert_array_equal(
        ours['keypoints_visible'], theirs['keypoints_visible'][..., 0]
    )


def test_sample_gets_the_targets_metainfo(penn_root):
    dataset = PennActionDataset(
        str(penn_root),
        'train',
        pipeline=[
            dict(type='ClipKeypointConverter', source=PENN, target=JHMDB)
        ],
    )
    flips = [0, 1, 2, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13]
    for _ in range(2):  # the first sample leaves the second's alone
        sample = dataset[0]
        assert sample['flip_indices'] == flips
        assert len(sample['dataset_keypoint_weights']) == 15
    assert dataset.metainfo['flip_indices'][:3] == [0, 2, 1]


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (
            dict(mapping=dict(nose='head')),
            r"jhmdb.py has no joints \['nose'\]",
        ),
        (
            dict(mapping=dict(neck='nose')),
            r"penn_action.py has no joints \['no",
        ),
        (dict(mapping=dict(neck=['head', 'chin'])), r"no joints \['chin'\]"),
        (
            dict(mapping=dict(neck=['head'] * 3)),
            "'neck' must be mapped to a jo",
        ),
        (dict(mapping=dict(neck=[])), "'neck' must be mapped to a joint"),
        (dict(mapping=dict.fromkeys(JHMDB_NAMES)), 'have no joint in common'),
    ],
)
def test_bad_mappings(kwargs, message):
    with pytest.raises(ValueError, match=message) as error:
        convert(clip(), **kwargs)
    assert str(error.value).startswith('ClipKeypointConverter: ')


def test_other_number_of_joints():
    with pytest.raises(ValueError, match='has 13 joints, but the clip has 15'):
        convert(convert(clip()))


def test_combined_data_set_of_both(penn_root, tmp_path):
    """The pipeline's order: convert, combine, the rest for both alike."""
    jhmdb_root = write_jhmdb(tmp_path)
    codec = dict(
        type='MSRAHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=1
    )
    penn = dict(
        type='PennActionDataset', data_root=str(penn_root), split='train'
    )
    jhmdb = dict(
        type='JHMDBClipDataset',
        data_root=str(jhmdb_root),
        split='train',
        sub=1,
    )
    combined = CombinedDataset(
        metainfo=dict(from_file=JHMDB),
        datasets=[
            dict(
                penn,
                pipeline=[
                    dict(
                        type='ClipKeypointConverter', source=PENN, target=JHMDB
                    )
                ],
            ),
            jhmdb,
        ],
        pipeline=[
            dict(type='LoadClip'),
            dict(type='GetBBoxCenterScale'),
            dict(type='ClipRandomFlip', prob=1.0),
            dict(
                type='ForEachFrame',
                transforms=[dict(type='TopdownAffine', input_size=(48, 64))],
            ),
            dict(type='GenerateClipTarget', encoder=codec),
            dict(type='PackClipInputs'),
        ],
    )
    num_penn = len(PennActionDataset(str(penn_root), 'train'))
    num_jhmdb = len(JHMDBClipDataset(str(jhmdb_root), 'train', sub=1))
    assert len(combined) == num_penn + num_jhmdb
    assert combined.metainfo['num_keypoints'] == 15
    samples = [combined[i]['data_samples'] for i in (0, num_penn)]
    assert [s.metainfo['video_id'] for s in samples] == ['0001', 'run/a']
    for sample, missing in zip(samples, ([0, 1], [])):
        labels = sample.gt_instance_labels
        assert labels.heatmaps.shape == (5, 15, 16, 12)
        assert labels.keypoint_weights.shape == (5, 15)
        unused = ~labels.keypoint_weights.any(dim=0)
        assert unused.nonzero().flatten().tolist() == missing
        assert not labels.heatmaps[:, missing].any()
        assert len(sample.metainfo['flip_indices']) == 15
    # Flipped: the right shoulder holds what was the left one's, mirrored.
    source = PennActionDataset(str(penn_root), 'train').get_data_info(0)
    left = source['keypoints'][:, PENN_NAMES.index('left_shoulder')]
    got = samples[0].gt_instances.keypoints[:, 3]
    np.testing.assert_allclose(got[:, 0], 96 - 1 - left[:, 0], rtol=1e-5)
    np.testing.assert_allclose(got[:, 1], left[:, 1], rtol=1e-5)
