# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Joints of Human3.6M made of those of other data sets, by hand."""

import numpy as np
import pytest
from mmpose.datasets.datasets.utils import parse_pose_metainfo

from rpstn_mmpose.datasets.metainfo import resolve_metainfo_file
from rpstn_mmpose.structures.joint_map import JointMap


def names(dataset):
    path = resolve_metainfo_file(f'configs/_base_/datasets/{dataset}.py')
    meta = parse_pose_metainfo(dict(from_file=path))
    return [meta['keypoint_id2name'][i] for i in range(meta['num_keypoints'])]


H36M = names('h36m')
LIMBS = [
    f'{side}_{joint}'
    for side in ('left', 'right')
    for joint in ('hip', 'knee', 'shoulder', 'elbow', 'wrist')
]


def convert(dataset, **places):
    """A pose with each joint at a place of its own; the result by name."""
    source = names(dataset)
    rng = np.random.default_rng(0)
    points = dict(zip(source, rng.normal(size=(len(source), 2)) * 50))
    scores = dict(zip(source, rng.random(len(source))))
    converted, confidence = JointMap(source, H36M)(
        np.array([[points[n] for n in source]]),
        np.array([[scores[n] for n in source]]),
    )
    return (
        points,
        scores,
        dict(zip(H36M, converted[0])),
        dict(zip(H36M, confidence[0])),
    )


def middle(points, *joints):
    return np.mean([points[joint] for joint in joints], axis=0)


@pytest.mark.parametrize(
    'dataset, nose, head',
    [
        ('coco', ('nose',), ('left_eye', 'right_eye')),
        ('posetrack18', ('nose',), ('head_top',)),
    ],
)
def test_coco_and_posetrack(dataset, nose, head):
    points, scores, found, confidence = convert(dataset)
    root = middle(points, 'left_hip', 'right_hip')
    thorax = middle(points, 'left_shoulder', 'right_shoulder')
    if dataset == 'posetrack18':
        thorax = points['head_bottom']
    expected = {
        'root': root,
        'thorax': thorax,
        'spine': (root + thorax) / 2,
        'neck_base': middle(points, *nose),
        'head': middle(points, *head),
        'left_foot': points['left_ankle'],
        'right_foot': points['right_ankle'],
        **{name: points[name] for name in LIMBS},
    }
    assert set(expected) == set(H36M)
    for name, place in expected.items():
        np.testing.assert_allclose(found[name], place, rtol=1e-5, err_msg=name)
    # The lowest of those that a joint is made of.
    assert confidence['root'] == min(scores['left_hip'], scores['right_hip'])
    assert confidence['left_knee'] == scores['left_knee']


def test_penn_action():
    points, _, found, _ = convert('penn_action')
    thorax = middle(points, 'left_shoulder', 'right_shoulder')
    np.testing.assert_allclose(found['head'], points['head'], rtol=1e-5)
    np.testing.assert_allclose(
        found['neck_base'], (thorax + points['head']) / 2, rtol=1e-5
    )


def test_jhmdb():
    points, scores, found, confidence = convert('jhmdb')
    np.testing.assert_allclose(found['thorax'], points['neck'], rtol=1e-5)
    np.testing.assert_allclose(found['spine'], points['belly'], rtol=1e-5)
    np.testing.assert_allclose(found['head'], points['head'], rtol=1e-5)
    expected = (points['neck'] + points['head']) / 2
    np.testing.assert_allclose(found['neck_base'], expected, rtol=1e-5)
    assert confidence['neck_base'] == min(scores['head'], scores['neck'])


def test_the_same_skeleton_stays():
    joints = JointMap(H36M, H36M)
    assert joints.is_identity
    np.testing.assert_array_equal(joints.weights, np.eye(17))


@pytest.mark.parametrize('dataset', ['coco', 'penn_action', 'jhmdb'])
def test_a_moved_person_stays_a_moved_person(dataset):
    weights = JointMap(names(dataset), H36M).weights
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)
    assert not JointMap(names(dataset), H36M).is_identity


def test_joints_that_do_not_suffice():
    """An animal, and a face."""
    with pytest.raises(ValueError, match='cannot be made of') as info:
        JointMap(names('ap10k'), H36M)
    assert '\n' not in str(info.value)
    with pytest.raises(
        ValueError, match='root needs pelvis or left_hip and right_hip'
    ):
        JointMap(['nose', 'left_eye'], H36M)
