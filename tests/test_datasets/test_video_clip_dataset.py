# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest

from rpstn_mmpose.datasets import VideoClipDataset
from rpstn_mmpose.structures import VideoPeople

META = dict(
    dataset_name='two',
    paper_info={},
    skeleton_info={},
    joint_weights=[1.0, 1.0],
    sigmas=[0.1, 0.1],
    keypoint_info={
        i: dict(name=name, id=i, color=[0] * 3, type='', swap='')
        for i, name in enumerate(('nose', 'hip'))
    },
)


def load(*people):
    video = VideoPeople.from_frames(
        {0: people},
        ['nose', 'hip'],
        name='v',
        size=(96, 72),
        img_paths=np.array(['a.jpg'] * len(people)),
        origin='v.json',
    )
    return VideoClipDataset(video, META, clip_length=1)


@pytest.mark.parametrize('value', [1e31, -1e39, np.inf, np.nan, 70000])
def test_joints_that_are_no_places_are_unlabelled(value):
    person = dict(
        track_id=0,
        bbox=[10, 20, 30, 60],
        keypoints=[[11, 22], [value, 5]],
        keypoints_visible=[1, 1],
    )
    info = load(person).get_data_info(0)
    assert info['keypoints_labeled'].tolist() == [[1, 0]]
    assert info['keypoints'].tolist() == [[[11, 22], [20, 40]]]
    person['bbox'][2] = value
    with pytest.raises(ValueError, match='^v.json, frame 0, person 0: bbox '):
        load(person)
