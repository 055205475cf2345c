# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import dataclasses

import numpy as np
import pytest

from rpstn_mmpose.synthetic.difficulty import PRESETS
from rpstn_mmpose.synthetic.sampling import render_video, sample_scene
from rpstn_mmpose.synthetic.skeleton import POINT_INDEX

ONE_PERSON = dataclasses.replace(PRESETS['default'], distractor=0.0)


def test_bone_lengths_are_constant_in_the_picture_scale():
    """Bones of the truth, in statures, are the same in every frame, and no
    projected bone is longer than its bone in space."""
    for video in range(8):
        scene, _ = sample_scene(10, video=video, difficulty=ONE_PERSON)
        lengths = []
        for _, (truth,) in scene.frames(draw=False):
            points = truth['points']
            bone = (
                points[POINT_INDEX['left_knee']]
                - points[POINT_INDEX['left_hip']]
            ) / truth['stature']
            lengths.append(np.linalg.norm(bone))
            assert np.linalg.norm(bone[:2]) <= lengths[-1] + 1e-9
        assert np.ptp(lengths) < 1e-9
        assert 0.22 < lengths[0] < 0.27


def test_motion_in_the_picture_is_smooth():
    """Accelerations are small against the size of the person."""
    for video in range(12):
        scene, _ = sample_scene(12, video=video, difficulty=ONE_PERSON)
        track = [t['keypoints'] for _, (t,) in scene.frames(draw=False)]
        stature = scene.actors[0].track.stature.mean()
        jerk = np.abs(np.diff(track, n=2, axis=0)).max() / stature
        assert jerk < 0.16


def test_several_people_have_their_own_truth():
    frames = list(
        render_video(num_frames=2, image_size=(320, 160), num_people=3)
    )
    assert len(frames) == 2
    picture, truths = frames[0]
    assert picture.shape == (160, 320, 3)
    middles = [truth['keypoints'][:, 0].mean() for truth in truths]
    assert len(middles) == 3 and sorted(middles) == middles


@pytest.mark.parametrize(
    'options', [dict(num_frames=0), dict(num_frames=3, num_people=0)]
)
def test_counts_must_be_positive(options):
    with pytest.raises(ValueError, match='sample_scene: num_frames'):
        sample_scene(**options)


def test_unknown_difficulty():
    with pytest.raises(ValueError, match="unknown preset 'brutal'"):
        sample_scene(1, difficulty='brutal')
