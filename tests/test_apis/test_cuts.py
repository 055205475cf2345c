# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Where another shot begins, and that nobody is followed into it."""

import json

import cv2
import numpy as np
import pytest

from rpstn_mmpose.apis import OneEuroFilter, open_source
from rpstn_mmpose.apis.video_io import shots_of
from tests.real_data import require_real_data

from .test_video_pose_inferencer import make, two_boxes
from .tiny import image_model, texture, video_model


def scene(seed, count, height=72, width=128, speed=2):
    """A coloured background that moves, and a square in front of it."""
    rng = np.random.default_rng(seed)
    base = cv2.GaussianBlur(texture(height, width, seed), (0, 0), 3)
    tint = rng.uniform(0.2, 1, 3)
    base = (base * tint).astype(np.uint8)
    frames = []
    for number in range(count):
        frame = np.roll(base, speed * number, axis=1)
        x = 20 + 3 * number % 80
        frame[20:50, x : x + 14] = 255 * (1 - tint)
        frames.append(frame)
    return frames


def begins(frames):
    """Frames at which a shot begins."""
    shots = [f.shot for f in shots_of(open_source(frames), True)]
    assert len(shots) == len(frames)
    assert [b - a for a, b in zip([0, *shots], shots)].count(1) == shots[-1]
    return [n for n in range(1, len(shots)) if shots[n] > shots[n - 1]]


def test_hard_cuts():
    """Also at the ends, and a shot of two frames."""
    lengths = [12, 9, 2, 15, 1]
    frames = []
    for seed, length in enumerate(lengths):
        frames += scene(seed, length)
    assert begins(frames) == np.cumsum(lengths)[:-1].tolist()
    assert begins(scene(0, 3) + scene(1, 3)) == [3]
    assert begins(scene(0, 1) + scene(1, 1)) == [1]
    assert begins(scene(0, 1)) == []


def flash(frame, strength):
    white = np.full_like(frame, 255)
    return cv2.addWeighted(frame, 1 - strength, white, strength, 0)


@pytest.mark.parametrize('length', [1, 2, 3])
@pytest.mark.parametrize('strength', [0.6, 0.95, 1.0])
def test_flashes_are_no_cuts(length, strength):
    frames = scene(0, 24)
    for number in range(10, 10 + length):
        frames[number] = flash(frames[number], strength)
    assert begins(frames) == []


def test_what_else_is_no_cut():
    """A fast pan, a light that goes on, black frames, somebody who comes."""
    assert begins(scene(3, 24, speed=24)) == []
    dark = [(f * 0.5).astype(np.uint8) for f in scene(1, 24)]
    assert begins(dark[:12] + scene(1, 24)[12:]) == []
    frames = scene(2, 24)
    frames[11:13] = [np.zeros_like(frames[0])] * 2
    assert begins(frames) == []
    frames = scene(4, 24)
    for number, frame in enumerate(frames[10:]):
        frame[:, : 12 * number] = (30, 60, 200)
    assert begins(frames) == []


def test_a_cut_beside_damage_and_a_flash():
    frames = scene(0, 12) + scene(1, 12)
    frames[5] = flash(frames[5], 0.9)
    assert begins(frames) == [12]


def test_a_damaged_frame_at_a_cut(tmp_path):
    """It shows the shot before, and the next good one begins another."""
    paths = []
    for number, frame in enumerate(scene(0, 8) + scene(1, 8)):
        paths.append(str(tmp_path / f'{number}.png'))
        cv2.imwrite(paths[-1], frame)
    (tmp_path / '8.png').write_bytes(b'no image')
    (tmp_path / '3.png').write_bytes(b'no image')
    shots = [f.shot for f in shots_of(open_source(paths), None)]
    assert shots == [0] * 9 + [1] * 7


def test_only_where_nobody_waits():
    """Live frames are not held back, but for one who asks for it."""
    taken = []

    def camera():
        for number, frame in enumerate(scene(0, 8)):
            taken.append(number)
            yield frame

    for frame in shots_of(open_source(camera()), None):
        assert taken == list(range(frame.index + 1))
    assert len(taken) == 8
    taken.clear()
    next(iter(shots_of(open_source(camera()), True)))
    assert taken == [0, 1, 2, 3, 4]
    frames = scene(0, 8) + scene(1, 8)
    assert not any(f.shot for f in shots_of(open_source(frames), False))


def test_frames_before_a_bad_one_are_not_lost():
    frames = [*scene(0, 5), texture(32, 32)]
    found = []
    with pytest.raises(ValueError, match='frame 5 is 32x32'):
        for frame in shots_of(open_source(frames), True):
            found.append(frame.index)
    assert found == [0, 1, 2, 3, 4]


REAL = [
    'real_clips/pose2sim/single_cam01.mp4',
    'real_clips/pose2sim/single_cam04.mp4',
    'real_clips/openpose_street.avi',
    'real_clips/sam2_juggle.mp4',
    'mmpose_samples/demo.mp4',
]


def real_frames(name, count=24):
    frames = []
    for frame in open_source(require_real_data(name)):
        frames.append(cv2.resize(frame.image, (256, 144)))
        if len(frames) == count:
            break
    return frames


def test_real_shots():
    """Every clip alone, all in a row, and a pan over each first picture."""
    clips = [real_frames(name) for name in REAL]
    for frames in clips:
        assert begins(frames) == []
        for speed in (8, 16):
            wide = cv2.resize(frames[0], (640, 360))
            pan = [
                wide[100:190, n * speed : n * speed + 160] for n in range(24)
            ]
            assert begins(pan) == []
    ends = np.cumsum([len(frames) for frames in clips])
    assert begins(sum(clips, [])) == ends[:-1].tolist()


SHOTS = scene(0, 8, 64, 140) + scene(1, 8, 64, 140)
BOXES = [two_boxes(f % 8) for f in range(16)]


def ids_of(results):
    return [[i['track_id'] for i in r['predictions'][0]] for r in results]


@pytest.mark.parametrize(
    'model, tracker',
    [
        (video_model(), dict(type='MotionTracker')),
        (video_model(), dict(type='ByteTracker')),
        (image_model(), dict(type='MotionTracker', oks_weight=0.5)),
    ],
)
def test_tracks_begin_anew(tmp_path, model, tracker):
    if tracker['type'] == 'ByteTracker':
        pytest.importorskip('mmdet', reason='MMDetection is not installed')
    inferencer = make(model, tracker=tracker)
    results = list(inferencer(SHOTS, bboxes=BOXES, pred_out_dir=str(tmp_path)))
    assert ids_of(results) == [[0, 1]] * 8 + [[2, 3]] * 8
    assert [n for n, r in enumerate(results) if r['cut']] == [8]
    assert inferencer.last_run.num_cuts == 1
    saved = json.loads((tmp_path / 'frames.json').read_text())
    marked = [r.get('cut') for r in saved['instance_info']]
    assert marked == [None] * 8 + [True] + [None] * 7
    same = list(inferencer(SHOTS, bboxes=BOXES, cuts=False))
    assert ids_of(same) == [[0, 1]] * 16
    assert inferencer.last_run.num_cuts == 0


def test_states_begin_anew():
    """The second shot gives what it gives as a video of its own."""
    options = dict(
        reset_interval=0,
        collapse_ratio=None,
        smoothing=dict(type='OneEuroFilter'),
        bbox_smoothing=dict(type='OneEuroFilter'),
    )
    inferencer = make(**options)

    def poses(frames, boxes, **others):
        return [
            np.array([i['keypoints'] for i in r['predictions'][0]])
            for r in inferencer(frames, bboxes=boxes, **others)
        ]

    both = poses(SHOTS, BOXES)
    alone = poses(SHOTS[8:], BOXES[8:])
    np.testing.assert_allclose(both[8:], alone, atol=1e-3)
    mixed = poses(SHOTS, BOXES, cuts=False)
    assert abs(np.array(mixed[8:]) - alone).max() > 1


def test_ids_of_a_tracker_that_knows_better():
    """Ids that a tracker gives twice are other people to the filters."""
    from rpstn_mmpose.streams.shots import ShotTracker, own_ids, shot_ids

    class Given:
        """Always the same two, the second of nobody."""

        resets = 0

        def reset(self):
            self.resets += 1

        def update(self, boxes, scores):
            return np.array([4, -1])

    tracker = ShotTracker(Given())
    found = [tracker.update(shot, None, None) for shot in (0, 0, 1, 3, 3)]
    assert [row.tolist() for row in found] == [
        [4, -1],
        [4, -1],
        [9, -1],
        [14, -1],
        [14, -1],
    ]
    assert tracker.tracker.resets == 3
    ids = shot_ids([4, 0], 3)
    assert own_ids(ids).tolist() == [4, 0] and len({*ids, 4, 0}) == 4
    smooth = OneEuroFilter()
    smooth(shot_ids([4], 0), np.zeros((1, 1, 2)), 25)
    moved = smooth(shot_ids([4], 1), np.ones((1, 1, 2)), 25)
    assert (moved == 1).all()
