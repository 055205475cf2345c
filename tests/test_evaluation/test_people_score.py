# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import copy
import json
from dataclasses import replace

import numpy as np
import pytest

from rpstn_mmpose.evaluation.people_score import (
    match_people,
    people_table,
    score_people,
)
from rpstn_mmpose.structures import VideoPeople, load_people
from rpstn_mmpose.synthetic.skeleton import PENN_JOINTS
from tests.test_tools.load_tool import load_tool

NAMES = list(PENN_JOINTS)


def person(number, x, visible=None):
    """A box of 20 x 60 at x; the torso is 30 pixels: 18 by 24."""
    points = np.tile([x + 10.0, 40.0], (13, 1))
    points[NAMES.index('left_shoulder')] = (x + 19, 10)
    points[NAMES.index('right_hip')] = (x + 1, 34)
    flags = np.ones(13, int)
    if visible is not None:
        flags[visible:] = 0
    return dict(
        track_id=number,
        bbox=[x, 0.0, x + 20.0, 60.0],
        keypoints=points.tolist(),
        keypoints_visible=flags.tolist(),
        keypoints_labeled=[1] * 13,
    )


def video(frames):
    return VideoPeople.from_frames(dict(enumerate(frames)), NAMES)


def moved(people, ids, dx=0.0):
    """A prediction: the same people with other ids, joints shifted."""
    out = copy.deepcopy(people)
    for item, key in zip(out, ids):
        item['track_id'] = key
        item['bbox'] = [item['bbox']]  # as MMPose writes it
        item['keypoints'] = (np.array(item['keypoints']) + (dx, 0)).tolist()
    return out


def test_known_pairs_stay_though_another_overlaps_more():
    truth = video([[person(0, 0), person(1, 8)]])
    found = video([moved([person(0, 6), person(0, 2)], [5, 6])])
    # by overlap: 0 with found[1], 1 with found[0]
    assert match_people(truth, found, {}, 0.3) == {0: 1, 1: 0}
    assert match_people(truth, found, {0: 5, 1: 6}, 0.3) == {0: 0, 1: 1}
    # not below the least overlap: 0 to 6 overlap by 14 / 26
    assert match_people(truth, found, {0: 5, 1: 6}, 0.6) == {0: 1, 1: 0}
    assert match_people(truth, video([[]]), {}, 0.3) == {}


def test_switches_and_returns():
    """Ids 7 7 8 within a stay is a switch; 9 after a return is none."""
    there = [person(0, 0)]
    truth = [there, there, there, [], there, there]
    ids = [7, 7, 8, None, 9, 9]
    found = [moved(p, [key]) for p, key in zip(truth, ids)]
    score = score_people(video(truth), video(found))
    assert score['people']['0'] == dict(
        frames=5,
        found=100.0,
        visible=100.0,
        occluded=None,
        stays=2,
        ids=3,
        switches=1,
    )
    assert score['false_people'] == 0 and score['num_frames'] == 6


def test_switch_of_two_people_counts_for_both():
    both = [person(0, 0), person(1, 100)]
    truth = [both, both]
    found = [moved(both, [1, 2]), moved(both, [2, 1])]
    score = score_people(video(truth), video(found))
    assert score['all']['switches'] == 2 and score['all']['ids'] == 4


def test_missed_people_have_wrong_joints():
    """Two of four are found; a shift of 6 is 0.2 of the torso, 6.1 more."""
    both = [person(0, 0), person(1, 100)]
    for dx, wanted in ((6, 50), (6.1, 0)):
        found = [moved(both[:1], [1], dx)] * 2
        score = score_people(video([both, both]), video(found))
        assert score['all']['found'] == 50
        assert score['all']['visible'] == wanted
        assert score['people']['1']['visible'] == 0


def test_hardly_visible_people_do_not_count():
    hidden = [person(0, 0, visible=2)]
    found = [moved(hidden, [1])]
    score = score_people(video([hidden]), video(found))
    assert score['all']['frames'] == 0 and score['all']['found'] is None
    assert score['false_people'] == 0
    seen = [person(0, 0, visible=3)]
    score = score_people(video([seen]), video(found))
    assert score['all']['frames'] == 1 and score['all']['occluded'] == 100


def test_false_people():
    there = [person(0, 0)]
    found = [moved(there + [person(1, 50), person(2, 8)], [0, 1, 2])]
    assert score_people(video([there]), video(found))['false_people'] == 2


def test_unlike_joints_and_missing_frames():
    truth = video([[person(0, 0)]] * 3)
    with pytest.raises(ValueError, match='has the joints'):
        score_people(truth, replace(truth, joints=NAMES[::-1]))
    with pytest.raises(ValueError, match='lacks 2 of 3 frames, e.g. 1'):
        score_people(truth, video([[]]))


def write(path, frames, **meta):
    records = [
        dict(frame_id=i, instances=people) for i, people in enumerate(frames)
    ]
    path.write_text(json.dumps(dict(meta_info=meta, instance_info=records)))
    return path


def test_files_and_tool(tmp_path, capsys):
    there = [person(0, 0)]
    truth = write(tmp_path / 't.json', [there], keypoint_names=NAMES)
    # keys of a JSON object are text: 10 must not come before 2
    named = {str(i): name for i, name in enumerate(NAMES)}
    found = write(
        tmp_path / 'p.json', [moved(there, [4])], keypoint_id2name=named
    )
    assert load_people(found).joints == NAMES
    tool = load_tool('analysis_tools/score_video.py')
    out = tmp_path / 's.json'
    tool.main([str(found), str(truth), '--out', str(out)])
    score = json.loads(out.read_text())
    assert score['all']['visible'] == 100
    printed = capsys.readouterr().out
    assert people_table(score) in printed
    row = [cell.strip() for cell in printed.splitlines()[2].split('|')]
    assert row[1:-1] == ['0', '1', '100.0', '100.0', '-', '1', '1', '0']


def shown(people, **others):
    """A prediction as the demo writes it: scores, and no flags."""
    out = copy.deepcopy(people)
    for item in out:
        del item['keypoints_visible'], item['keypoints_labeled']
        item.update(others, keypoint_scores=[1.0] * 13)
    return out


def as_coco(box):
    x1, y1, x2, y2 = box
    return [x1, y1, x2 - x1, y2 - y1]


BOTH = [person(0, 0), person(1, 100)]
LOW = [person(0, 30), person(1, 130)]  # x y w h is no x1 y1 x2 y2 here
FAR = [dict(item, bbox=as_coco(item['bbox'])) for item in LOW]
# its joints lie below and to the right of what is taken for the corner
NEAR = dict(
    person(0, 30), bbox=[30.0, 20.0, 40.0, 60.0], keypoints=[[65.0, 70.0]] * 13
)


@pytest.mark.parametrize(
    'truth, found, message',
    [
        (shown(BOTH), BOTH, 't.json was given as the truth and .*p.json as t'),
        (shown(BOTH), shown(BOTH), 'truth .*t.json does not say which joints'),
        (BOTH, shown(BOTH, track_id=-1), 'p.json has people, but no tracks'),
        (BOTH, shown(BOTH, track_id=7), 'the track_id 7 twice in frame 0'),
        (
            [person(3, 0), person(3, 100)],
            shown(BOTH),
            'truth .*t.json has the track_id 3 twice in frame 0',
        ),
        (BOTH, shown(BOTH, bbox=None), '2 of 2 people without a bbox'),
        (LOW, shown(FAR), "they look like COCO's x y width height"),
        (FAR, shown(LOW), "truth .*t.json has boxes that .* COCO's x y width"),
        (LOW, shown([NEAR]), "they look like COCO's x y width height"),
    ],
)
def test_files_that_cannot_be_compared(tmp_path, truth, found, message):
    tool = load_tool('analysis_tools/score_video.py')
    paths = [
        str(write(tmp_path / name, [people], keypoint_names=NAMES))
        for name, people in (('p.json', found), ('t.json', truth))
    ]
    with pytest.raises(SystemExit, match=message) as caught:
        tool.main(paths)
    assert '\n' not in str(caught.value.code)


def test_good_files_are_compared(tmp_path):
    """What the refusals must leave alone: nobody found, a joint far off."""
    tool = load_tool('analysis_tools/score_video.py')
    truth = write(tmp_path / 't.json', [LOW], keypoint_names=NAMES)
    off = shown(LOW)
    off[0]['keypoints'][0] = [0.0, 0.0]
    out = tmp_path / 's.json'
    for people, found in (([], 0), (shown(LOW), 100), (off, 100)):
        path = write(tmp_path / 'p.json', [people], keypoint_names=NAMES)
        tool.main([str(path), str(truth), '--out', str(out)])
        assert json.loads(out.read_text())['all']['found'] == found


def test_videos_of_other_sizes(tmp_path):
    tool = load_tool('analysis_tools/score_video.py')
    paths = [
        str(
            write(
                tmp_path / name,
                [people],
                keypoint_names=NAMES,
                video=dict(width=width, height=288),
            )
        )
        for name, people, width in (
            ('p.json', shown(BOTH), 384),
            ('t.json', BOTH, 640),
        )
    ]
    with pytest.raises(SystemExit, match='frames of 384 x 288 pixels, .* 640'):
        tool.main(paths)


@pytest.mark.parametrize(
    'content, message',
    [
        (None, 'no such file'),
        (
            '[{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}]',
            'it is a file of COCO, with boxes by image; give a file that',
        ),
        ('{"images": [], "annotations": []}', 'it is a file of COCO'),
        ('', 'holds no people by frame'),
        ('[]', 'holds no people by frame'),
        ('{"meta_info": {"keypoint_names": []}}', 'holds no people by frame'),
    ],
)
def test_bad_files_are_one_line(tmp_path, content, message):
    path = tmp_path / 'x.json'
    if content is not None:
        path.write_text(content)
    tool = load_tool('analysis_tools/score_video.py')
    with pytest.raises(SystemExit, match=message) as caught:
        tool.main([str(path), str(path)])
    text = str(caught.value.code)
    assert text.startswith('score_video: ') and '\n' not in text
    assert str(path) in text
