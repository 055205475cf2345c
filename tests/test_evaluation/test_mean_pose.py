# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np

from rpstn_mmpose.evaluation.functional import mean_pose, mean_pose_baseline

BOXES = np.array([(0, 0, 10, 20), (100, 50, 140, 60)], np.float32)


def test_mean_over_labelled_joints_by_hand():
    points = np.array(
        [[(5, 5), (1, 2), (np.nan, 0)], [(110, 60), (0, 0), (0, 0)]]
    )
    labeled = np.array([(1, 1, 0), (1, 0, 0)])
    pose = mean_pose(points, labeled, BOXES)
    # Joint 0: (.5, .25) and (.25, 1); joint 1: (.1, .1); joint 2: nowhere.
    np.testing.assert_allclose(
        pose, [(0.375, 0.625), (0.1, 0.1), (0.5, 0.5)], rtol=1e-12
    )


def test_prediction_by_hand():
    pose = np.array([(0.5, 0.25), (1.1, 0.0)])
    pred = mean_pose_baseline(pose, BOXES)
    np.testing.assert_allclose(
        pred, [[(5, 5), (11, 0)], [(120, 52.5), (144, 50)]]
    )


def test_bodies_of_one_shape_are_predicted_exactly():
    pose = np.random.RandomState(0).rand(13, 2)
    boxes = np.array([(3, 4, 50, 90), (10, 0, 20, 30), (7, 7, 9, 99)], float)
    points = np.stack([pose * (b[2:] - b[:2]) + b[:2] for b in boxes])
    learnt = mean_pose(points[:2], np.ones((2, 13)), boxes[:2])
    np.testing.assert_allclose(
        mean_pose_baseline(learnt, boxes[2:])[0], points[2], rtol=1e-12
    )
