# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import json
import time

import numpy as np
import pytest

from rpstn_mmpose.apis import MotionTracker, load_boxes_of, open_source
from rpstn_mmpose.apis.given_boxes import MAX_BOXES, GivenBoxes
from rpstn_mmpose.streams.stages import TrackStage, VideoFrame
from rpstn_mmpose.structures import load_boxes
from tests.real_data import require_case

# 12 frames of 80 x 96.
FRAMES = [np.full((96, 80, 3), k, np.uint8) for k in range(12)]


def box(frame):
    return [8 + 3 * frame, 15, 30 + 3 * frame, 82]


def save(path, content):
    path.write_text(json.dumps(content))
    return path


def records(scale=1.0, video=None, count=12, **others):
    people = [
        dict(bbox=[scale * v for v in box(k)], **others) for k in range(count)
    ]
    return dict(
        meta_info={} if video is None else dict(video=video),
        instance_info=[
            dict(frame_id=k, instances=[item]) for k, item in enumerate(people)
        ],
    )


@pytest.mark.parametrize('scale', [1.0, 2.0, 0.5])
def test_boxes_of_another_resolution_are_scaled(tmp_path, scale):
    video = dict(width=int(80 * scale), height=int(96 * scale))
    path = save(tmp_path / 'a.json', records(scale, video))
    people = load_boxes_of(path, open_source(FRAMES))
    np.testing.assert_allclose(people.bboxes, [box(k) for k in range(12)])
    # Once is enough.
    given = GivenBoxes(people)
    np.testing.assert_allclose(given.at(FRAMES[3], 3)[0], [[*box(3), 1]])
    video['width'] *= 2
    path = save(tmp_path / 'a.json', records(scale, video))
    with pytest.raises(ValueError, match='is of another video: of .* pixels'):
        load_boxes_of(path, open_source(FRAMES))


def test_fractions_of_the_picture(tmp_path):
    (tmp_path / 'labels').mkdir()
    for k in range(12):
        left, top, right, bottom = np.float64(box(k)) / [80, 96, 80, 96]
        (tmp_path / f'labels/walk_{k + 1}.txt').write_text(
            f'0 {(left + right) / 2:.6g} {(top + bottom) / 2:.6g} '
            f'{right - left:.6g} {bottom - top:.6g} 0.9 4\n'
        )
    people = load_boxes_of(tmp_path / 'labels', open_source(FRAMES))
    expected = [box(k) for k in range(12)]
    np.testing.assert_allclose(people.bboxes, expected, atol=1e-3)
    assert people.track_ids.tolist() == [4] * 12
    # JSON does not tell that it has fractions.
    path = save(tmp_path / 'a.json', [[[0.1, 0.2, 0.3, 0.9, 0.8]]] * 12)
    with pytest.raises(ValueError, match='fractions of a picture; multiply'):
        load_boxes_of(path, open_source(FRAMES))


def test_boxes_beyond_the_picture_and_the_end(tmp_path):
    source = open_source(FRAMES)
    partly = [-5, 50, 30, 110]
    people = [[*box(0)], partly, [200, 10, 240, 90]] + [box(0)] * 9
    path = save(tmp_path / 'a.json', {'0': people, '5': []})
    found = load_boxes_of(path, source)
    # What is partly outside stays as it is, what is wholly outside goes.
    assert found.bboxes[1].tolist() == partly and len(found) == 11
    assert GivenBoxes(found).at(FRAMES[5], 5)[0].shape == (0, 5)
    assert GivenBoxes(found).at(FRAMES[7], 7)[0].shape == (0, 5)
    path = save(tmp_path / 'a.json', {'0': [[v * 8 for v in box(0)]]})
    with pytest.raises(ValueError, match='1 of 1 boxes are outside of the 80'):
        load_boxes_of(path, source)
    path = save(tmp_path / 'a.json', {str(k): [box(0)] for k in range(1, 13)})
    with pytest.raises(ValueError, match='frame 12, but frames has 12 fr'):
        load_boxes_of(path, source)
    assert load_boxes_of(path, source, first_frame=1).frames[0] == 0


def test_scores_and_overlaps_have_effect():
    case = require_case('boxes_with_scores')
    people = load_boxes(case / 'detections.json')
    for limits, count in (
        ((None, None), 7),
        ((0.5, None), 2),
        ((0.5, 0.3), 1),
        ((0.99, 0.3), 0),
    ):
        given = GivenBoxes(people, *limits)
        assert not given.with_ids
        for frame in range(6):
            boxes, _ = given.at(FRAMES[0], frame)
            assert len(boxes) == count
    boxes, _ = GivenBoxes(people, 0.5, 0.3).at(FRAMES[0], 2)
    np.testing.assert_allclose(boxes, [[*box(2), 0.95]], rtol=1e-6)


@pytest.mark.parametrize('kind', ['list', 'function'])
def test_limits_of_boxes_in_python(kind):
    rows = [[*box(0), 0.95], [10, 17, 32, 84, 0.6], [50, 5, 70, 30, 0.2]]
    boxes = [rows] * 12 if kind == 'list' else lambda image, frame: rows
    given = GivenBoxes(boxes, nms_thr=0.3)
    np.testing.assert_allclose(given.at(FRAMES[0], 4)[0][:, 4], [0.95, 0.2])
    given = GivenBoxes(boxes, bbox_thr=0.5)
    np.testing.assert_allclose(given.at(FRAMES[0], 4)[0][:, 4], [0.95, 0.6])


def test_ids_of_the_file_are_those_of_the_people(tmp_path):
    content = records(track_id=7)
    content['instance_info'][4]['instances'] *= 2
    content['instance_info'][4]['instances'][0] = dict(
        bbox=[50, 5, 70, 30], bbox_score=0.1, track_id=7
    )
    people = load_boxes(save(tmp_path / 'a.json', content))
    with pytest.raises(ValueError, match='frame 4: two boxes have the id 7'):
        GivenBoxes(people)
    given = GivenBoxes(people, bbox_thr=0.5)
    assert given.with_ids
    stage = TrackStage(None, None, 25)
    stage.reset()
    for frame in range(12):
        boxes, ids = given.at(FRAMES[frame], frame)
        item = VideoFrame(FRAMES[frame], frame, boxes=boxes, ids=ids)
        (item,) = stage.push(item)
        assert item.ids.tolist() == [7]
        np.testing.assert_allclose(item.boxes, [[*box(frame), 1]])
    content['instance_info'][4]['instances'] = [dict(bbox=box(4))]
    people = load_boxes(save(tmp_path / 'a.json', content))
    assert not GivenBoxes(people).with_ids


def test_a_threshold_of_scores_that_are_not_there(tmp_path):
    people = load_boxes(save(tmp_path / 'a.json', records()))
    with pytest.raises(ValueError, match='a.json has no scores, of which'):
        GivenBoxes(people, bbox_thr=0.5)
    assert len(GivenBoxes(people, nms_thr=0.5).boxes) == 12


def test_very_many_boxes_in_a_frame_are_one_line():
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 50, (3000, 2))
    boxes = np.column_stack([corners, corners + 20, rng.uniform(0, 1, 3000)])
    with pytest.raises(ValueError, match='frame 0: 3000 boxes are too many'):
        GivenBoxes([boxes]).at(FRAMES[0], 0)
    found, _ = GivenBoxes([boxes], bbox_thr=0.9).at(FRAMES[0], 0)
    assert len(found) == (boxes[:, 4] > 0.9).sum() < MAX_BOXES


def test_20000_tracks_are_done_in_time(tmp_path):
    """20 new people in each of 1,000 frames."""
    content = [
        dict(
            frame_id=k,
            instances=[
                dict(bbox=[4 * j, 15, 4 * j + 9, 82], track_id=20 * k + j)
                for j in range(20)
            ],
        )
        for k in range(1000)
    ]
    began = time.process_time()
    given = GivenBoxes(load_boxes(save(tmp_path / 'a.json', content)))
    ids = [given.at(FRAMES[0], k)[1] for k in range(1000)]
    assert np.concatenate(ids).tolist() == list(range(20000))
    assert time.process_time() - began < 20
    # Nor do people who are gone make a tracker slow: 600 of them here.
    tracker = MotionTracker()
    began = time.process_time()
    for k in range(60):
        tracker.update(given.at(FRAMES[0], k)[0][:, :4] + 100 * k, [1] * 20)
    assert time.process_time() - began < 10
