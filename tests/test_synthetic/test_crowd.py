# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import itertools

import cv2
import numpy as np
import pytest

from rpstn_mmpose.synthetic.crowd import crossing_scene, group_scene
from rpstn_mmpose.synthetic.scene import OUTSIDE


@pytest.fixture(scope='module')
def crossing():
    """Masks and boxes of everything that a person's parts cover."""
    frames = []
    for _, truths in crossing_scene(120, seed=3).frames(draw=False):
        frames.append(truths)
    return frames


@pytest.mark.parametrize('seed', range(4))
def test_nobody_touches_anybody(seed):
    """Grown by three pixels, nobody's pixels meet another's, and the joints'
    boxes of different lanes are apart."""
    kernel = np.ones((7, 7), np.uint8)
    scene = crossing_scene(120, seed=seed)
    for frame, (_, truths) in enumerate(scene.frames(draw=False)):
        if frame % 4:
            continue
        masks = [t['mask'].astype(np.uint8) for t in truths]
        grown = [cv2.dilate(mask, kernel) for mask in masks]
        for a, b in itertools.combinations(range(4), 2):
            assert not (grown[a] & masks[b]).any(), (frame, a, b)
        low = max(truths[i]['points'][:, 1].max() for i in (0, 2))
        assert low < min(truths[i]['points'][:, 1].min() for i in (1, 3))


def test_people_cross_leave_and_return(crossing):
    x = np.array([[t['keypoints'][:, 0].mean() for t in f] for f in crossing])
    for upper, lower in itertools.product((0, 2), (1, 3)):
        inside = ((x > 20) & (x < 364))[:, [upper, lower]].all(axis=1)
        order = np.sign(x[:, upper] - x[:, lower])[inside]
        # in both directions
        assert {1, -1} == set(order) and (np.diff(order) != 0).sum() >= 1
    for a, b in ((0, 2), (1, 3)):
        assert (x[:, a] < x[:, b]).all()
    present = np.array(
        [[(t['hidden_by'] != OUTSIDE).any() for t in f] for f in crossing]
    )
    for column in present.T:
        # a loop in time: whoever is out of the picture comes back
        away = (~column).sum()
        assert 8 <= away <= 50
        assert (
            np.abs(np.diff(np.r_[column, column[:1]].astype(int))).sum() == 2
        )


def test_walkers_face_where_they_go(crossing):
    """A running person's nose side: toes are ahead of the ankles."""
    from rpstn_mmpose.synthetic.skeleton import POINT_INDEX

    agree = []
    for before, after in zip(crossing[:-1], crossing[1:]):
        for one, two in zip(before, after):
            way = (two['keypoints'] - one['keypoints'])[:, 0].mean()
            if abs(way) > 4:
                p = one['points'][:, 0]
                ahead = sum(
                    p[POINT_INDEX[f'{s}_toe']] - p[POINT_INDEX[f'{s}_ankle']]
                    for s in ('left', 'right')
                )
                agree.append(np.sign(ahead) == np.sign(way))
    assert len(agree) > 100 and np.mean(agree) > 0.9


def test_same_seed_same_pixels():
    def first(seed):
        return next(crossing_scene(3, seed=seed).frames())[0]

    assert np.array_equal(first(1), first(1))
    assert not np.array_equal(first(1), first(2))


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(num_frames=0), 'num_frames=0 must be at least 1'),
        (dict(num_frames=2, num_people=1), 'between 2 and 6'),
        (dict(num_frames=2, num_people=7), 'between 2 and 6'),
        (
            dict(num_frames=2, image_size=(200, 288)),
            'of 0.83 times its height',
        ),
        (dict(num_frames=2, image_size=(20, 20)), 'at least 32 pixels'),
    ],
)
def test_bad_crossing(kwargs, message):
    with pytest.raises(ValueError, match=message):
        crossing_scene(**kwargs)


def test_group_has_the_people_asked_for():
    for count in (0, 1, 6):
        scene = group_scene(num_people=count)
        picture, truths = next(scene.frames())
        assert len(truths) == count and picture.shape == (144, 192, 3)
        statures = [t['stature'] for t in truths]
        assert statures == sorted(statures)
        assert all(36 <= s <= 115.2 for s in statures)
    counts = {len(group_scene(video=v).actors) for v in range(12)}
    assert len(counts) > 2


@pytest.mark.parametrize(
    'kwargs',
    [dict(num_people=7), dict(num_people=-1), dict(image_size=(16, 144))],
)
def test_bad_group(kwargs):
    with pytest.raises(ValueError, match='group_scene: image_size='):
        group_scene(**kwargs)
