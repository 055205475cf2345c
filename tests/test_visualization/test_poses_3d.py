# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""3D poses in the report page, looked at in a browser."""

import json
import math

import cv2
import numpy as np
import pytest

from rpstn_mmpose.visualization.poses_3d import KEPT, PeopleIn3D, read_poses_3d
from rpstn_mmpose.visualization.video_report import (
    build_report,
    load_predictions,
    write_report,
)

from .test_video_report import (
    dump_dom,
    run_chromium,
    two_people,
    with_test_script,
)

JOINTS = ['root', 'left_hand', 'right_hand', 'head']
# Metres, camera axes: y is down.
POSE = [[0, 0, 0], [0.6, -0.5, 0], [-0.6, -0.5, 0], [0, -0.8, 0.1]]


def content(pose=POSE):
    """The people of the report's tests, each in the same 3D pose."""
    found = two_people()
    found['meta_info']['keypoints_3d'] = dict(
        keypoint_names=JOINTS, skeleton_links=[[0, 1], [0, 2], [0, 3]]
    )
    for record in found['instance_info']:
        for person in record['instances']:
            person['keypoints_3d'] = pose
    return found


def write(folder, found):
    path = folder / 'clip.json'
    path.write_text(json.dumps(found))
    return path


def page_of(path, folder):
    info = load_predictions(path)
    text = build_report(info, poses_3d=read_poses_3d(path))
    return write_report(text, folder / 'page.html')


def test_what_is_read(tmp_path):
    found = read_poses_3d(write(tmp_path, content()))
    assert found['joints'] == JOINTS
    assert found['links'] == [[0, 1], [0, 2], [0, 3]]
    assert sorted(found['poses']) == [0, 1, 2, 3, 4, 5, 8, 9]
    assert [person[0] for person in found['poses'][3]] == [4, 2]
    expected = [0, 0, 0, 600, -500, 0, -600, -500, 0, 0, -800, 100]
    assert found['poses'][3][1][1:] == expected


def test_a_file_without_3d(tmp_path):
    path = write(tmp_path, two_people())
    assert read_poses_3d(path) is None
    text = page_of(path, tmp_path).read_text()
    assert 'view-3d"' not in text and 'poses-3d' not in text


@pytest.mark.parametrize(
    'pose', [POSE[:3], [[0, 0]] * 4, [*POSE[:3], [0, 0, float('nan')]]]
)
def test_poses_of_another_form(pose, tmp_path):
    path = write(tmp_path, content(pose))
    with pytest.raises(
        ValueError, match='frame 0: keypoints_3d must be 4 x 3'
    ):
        read_poses_3d(path)


def test_it_follows_the_video_in_chromium(tmp_path):
    path = page_of(write(tmp_path, content()), tmp_path)
    for frame, people in ((0, 1), (4, 2), (7, 0)):
        page, root = dump_dom(path, tmp_path, f'#frame={frame}')
        assert root['data-frame'] == str(frame)
        (canvas,) = page.find('canvas')
        assert canvas['data-people'] == str(people)


TURN = """
const canvas = document.getElementById('view-3d'), shots = [];
canvas.setPointerCapture = () => {};  // no pointer is there
function act(kind, x) {
  canvas.dispatchEvent(kind === 'key' ?
    new KeyboardEvent('keydown', {key: 'ArrowLeft'}) :
    new PointerEvent(kind, {clientX: x, clientY: 50, bubbles: true}));
  shots.push(canvas.toDataURL());
}
act('pointermove', 10);
act('pointerdown', 10);
act('pointermove', 60);
act('pointerup', 60);
act('pointermove', 90);
act('key');
document.documentElement.dataset.shots =
  shots.map(shot => shots.indexOf(shot)).join(' ');
"""


def test_it_turns_with_the_mouse_in_chromium(tmp_path):
    """While it is held, from where it was; and with the arrow keys."""
    path = page_of(write(tmp_path, content()), tmp_path)
    path.write_text(with_test_script(path.read_text(), TURN))
    _, root = dump_dom(path, tmp_path)
    assert root['data-shots'] == '0 0 2 2 2 5'


def test_people_keep_their_places_in_chromium(tmp_path):
    """Person 4 alone, and with person 2 beside."""
    path = page_of(write(tmp_path, content()), tmp_path)
    alone, both = (
        limbs(shot(path, tmp_path, f'#frame={frame}'))[0][:, 1]
        for frame in (0, 4)
    )
    assert alone.min() == both.min()
    assert both.max() > alone.max() + 50


def shot(path, folder, hash=''):
    """The page as a picture."""
    picture = folder / 'page.png'
    _, console = run_chromium(
        f'file://{path}{hash}', folder, f'--screenshot={picture}'
    )
    assert console == []
    return cv2.imread(str(picture))


def limbs(picture):
    """Rows and columns of the warm (left) and the cold (right) limb, where the
    view is in a page of 1280 pixels.
    """
    return hues(picture[190:, :560])


def hues(picture):
    """Rows and columns of warm and of cold pixels."""
    blue, green, red = np.moveaxis(picture.astype(int), -1, 0)
    warm = (red > 200) & (green > 120) & (green < 200) & (blue < 120)
    cold = (red < 60) & (green > 60) & (green < 140) & (blue > 130)
    return np.argwhere(warm), np.argwhere(cold)


def test_what_is_seen_in_chromium(tmp_path):
    """The left hand of a person who faces the camera is at the right, and up
    where the person holds it up."""
    page = page_of(write(tmp_path, content()), tmp_path)
    warm, cold = limbs(shot(page, tmp_path))
    assert warm[:, 1].mean() > cold[:, 1].mean() + 30
    hand, root = warm[warm[:, 1].argmax()], warm[warm[:, 1].argmin()]
    assert hand[0] < root[0] - 10
    down = [POSE[0], [0.6, 0.5, 0], [-0.6, 0.5, 0], POSE[3]]
    page = page_of(write(tmp_path, content(down)), tmp_path)
    warm, _ = limbs(shot(page, tmp_path))
    hand, root = warm[warm[:, 1].argmax()], warm[warm[:, 1].argmin()]
    assert hand[0] > root[0] + 10


def test_the_picture_by_hand():
    """The left hand, 0.6 m to the right of the root and 0.5 m above it, of a
    person whose root is the lowest joint; turned by 0.5 and tilted by 0.15
    radians, 6 m away from a point 1 m above the floor; a metre there is as
    long as 2.3 / 6 of the picture is high.
    """
    picture = PeopleIn3D(TOLD).draw(
        [dict(track_id=5, keypoints_3d=POSE), dict(track_id=6)], (400, 300)
    )
    assert picture.shape == (300, 400, 3)
    away = 0.6 * math.sin(0.5)
    u = 0.6 * math.cos(0.5)
    v = -0.5 * math.cos(0.15) + away * math.sin(0.15)
    depth = 6 + away * math.cos(0.15) + 0.5 * math.sin(0.15)
    x, y = 200 + 690 * u / depth, 150 - 690 * v / depth
    warm, cold = hues(picture)
    hand = warm[warm[:, 1].argmax()]
    assert abs(hand - [y, x]).max() <= 3
    assert cold[:, 1].max() < 210 and warm[:, 1].min() > 190


TOLD = dict(keypoint_names=JOINTS, skeleton_links=[[0, 1], [0, 2], [0, 3]])
LEFT = [POSE[0], POSE[1], POSE[0], POSE[3]]  # arms of one side alone
RIGHT = [POSE[0], POSE[0], POSE[2], POSE[3]]


def draw(view, **people):
    """Columns of the warm and of the cold arm, of people by ``p`` and id."""
    picture = view.draw(
        [
            dict(track_id=int(key[1:]), keypoints_3d=pose)
            for key, pose in people.items()
        ],
        (300, 300),
    )
    return [found[:, 1] for found in hues(picture)]


def test_a_person_keeps_the_place():
    """By the ids where both come at once; alone as beside the other; until
    somebody else comes after a while."""
    view = PeopleIn3D(TOLD)
    warm, cold = draw(view, p9=LEFT, p2=RIGHT)
    assert cold.max() < 150 < warm.min()
    alone, nobody = draw(view, p9=LEFT)
    assert alone.tolist() == warm.tolist() and not len(nobody)
    back, _ = draw(view, p2=LEFT)
    assert back.max() < 160
    for _ in range(KEPT):
        third, _ = draw(view, p9=RIGHT, p5=LEFT)
        assert third.min() > warm.max() - 40
    # Person 2 has been away for too long by now.
    fourth, _ = draw(view, p9=RIGHT, p7=LEFT)
    assert fourth.max() < 160


def test_poses_that_are_nowhere():
    wild = [POSE[0], [1e30, 1e12, 0], [0, np.inf, -1e9], [np.nan] * 3]
    assert len(draw(PeopleIn3D(TOLD), p1=wild, p2=POSE)[0])


def test_many_people_fit():
    warm, cold = draw(PeopleIn3D(TOLD), **{f'p{i}': POSE for i in range(12)})
    assert 0 < cold.min() and warm.max() < 299
    assert not any(map(len, draw(PeopleIn3D(TOLD))))
