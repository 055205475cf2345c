# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import re

import pytest

from rpstn_mmpose.evaluation import load_posetrack_dir, posetrack_ap
from tests.test_evaluation.posetrack_files import (JOINTS, pair, person,
                                                   sequence, write)


def ap(gt, pred):
    return posetrack_ap(gt, pred)['ap']['total']


def test_folders_and_contents_give_the_same(tmp_path):
    truth, pred = pair([person(1), person(2)], [person(1, score=1.)], num=2)
    folders = write(tmp_path / 'gt', truth), write(tmp_path / 'pred', pred)
    assert ap(*folders) == ap(truth, pred) == ap(folders[0], pred) == 50
    assert load_posetrack_dir(folders[0]) == truth


def test_other_predicted_sequences_are_not_looked_at(tmp_path):
    truth, pred = pair([person(1)], [person(1, score=1.)])
    pred['b.json'] = dict(nonsense=1)
    assert ap(truth, pred) == 100


def test_scores_may_be_missing():
    truth = [person(1), person(2)]
    for scores in ([], None):
        preds = [person(1, x=500, score=1.), person(1), person(2)]
        for pred in preds[1:]:
            pred['scores'] = scores
        # They rank behind all that have scores: wrong, right, right.
        assert ap(*pair(truth, preds, num=2)) == pytest.approx(200 / 3)
    del preds[1]['scores'], preds[2]['scores']
    assert ap(*pair(truth, preds, num=2)) == pytest.approx(200 / 3)


def test_the_third_number_is_a_flag_in_the_truth_only():
    truth, pred = person(1), person(1, score=1.)
    for i in range(2, 51, 3):
        pred['keypoints'][i] = 0
    assert ap(*pair([truth], [pred])) == 100
    truth['keypoints'][2] = 0  # the nose, with a place
    result = posetrack_ap(*pair([truth], [pred]))
    assert result['pre']['nose'] == 0
    assert result['rec']['nose'] != result['rec']['nose']


def test_joints_go_by_name():
    truth, pred = pair([person(1)], [person(1, score=1.)])
    content = pred['a.json']
    content['categories'][0] = dict(keypoints=JOINTS[::-1])
    points = content['annotations'][0]['keypoints']
    triplets = [points[i:i + 3] for i in range(0, 51, 3)][::-1]
    content['annotations'][0]['keypoints'] = sum(triplets, [])
    assert ap(truth, pred) == 100


def one_line(error, *parts):
    message = str(error.value)
    assert '\n' not in message
    for part in parts:
        assert part in message


def test_folders_that_cannot_be_read(tmp_path):
    truth, pred = pair([person(1)], [person(1, score=1.)])
    gt = write(tmp_path / 'gt', truth)
    with pytest.raises(FileNotFoundError) as error:
        posetrack_ap(gt, tmp_path / 'none')
    one_line(error, 'none: no such folder')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(FileNotFoundError) as error:
        posetrack_ap(tmp_path / 'empty', gt)
    one_line(error, 'empty: no .json file')


def test_missing_and_misnamed_sequences(tmp_path):
    truth, pred = pair([person(1)], [person(1, score=1.)])
    truth['b.json'] = sequence([person(1)])
    folders = write(tmp_path / 'gt', truth), write(tmp_path / 'pred', pred)
    with pytest.raises(FileNotFoundError) as error:
        posetrack_ap(*folders)
    one_line(error, f'{folders[1]}: no file b.json (1 of 2 sequences')
    with pytest.raises(FileNotFoundError) as error:
        posetrack_ap(truth, {'c.json': pred['a.json']})
    one_line(error, 'pred: no file a.json (2 of 2', 'here are c.json')


def test_torn_file(tmp_path):
    truth, pred = pair([person(1)], [person(1, score=1.)])
    folders = write(tmp_path / 'gt', truth), write(tmp_path / 'pred', pred)
    path = tmp_path / 'pred' / 'a.json'
    text = path.read_bytes()
    for torn in (text[:-20], b'', text[:50] + b'\xff\xfe' + text[50:]):
        path.write_bytes(torn)
        with pytest.raises(ValueError) as error:
            posetrack_ap(*folders)
        one_line(error, f'{path}: not a complete JSON file', 'write it again')


def set_scores(pred):
    pred['annotations'][0]['scores'] = [1.] * 16


def set_keypoints(pred):
    pred['annotations'][0]['keypoints'] = [1.] * 45


def set_nan(pred):
    pred['annotations'][0]['keypoints'][3] = float('nan')


def set_words(pred):
    pred['annotations'][0]['keypoints'][3] = 'left'


def set_track(pred):
    pred['annotations'][0]['track_id'] = [1]


def set_image(pred):
    pred['annotations'][0]['image_id'] = 99


def drop_image(pred):
    del pred['annotations'][0]['image_id']


def drop_categories(pred):
    del pred['categories']


def set_joints(pred):
    pred['categories'] = [dict(keypoints=['nose'])]


def set_annotations(pred):
    pred['annotations'] = {}


@pytest.mark.parametrize('change, message', [
    (set_scores, '51 numbers in keypoints and 16 scores'),
    (set_keypoints, '45 numbers in keypoints and 17 scores'),
    (set_nan, 'not finite'),
    (set_words, 'not in PoseTrack18 format'),
    (set_track, 'not in PoseTrack18 format'),
    (set_image, 'image_id 99 of an annotation is not among'),
    (drop_image, "no 'image_id'"),
    (drop_categories, "no 'categories'"),
    (set_joints, "no joint 'right_ankle'"),
    (set_annotations, "'annotations' must be a list, but is a dict"),
])
def test_bad_content_is_one_line(change, message, tmp_path):
    truth, pred = pair([person(1)], [person(1, score=1.)])
    change(pred['a.json'])
    folder = write(tmp_path, pred)
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        posetrack_ap(truth, folder)
    one_line(error, f'{folder}/a.json')


@pytest.mark.parametrize('regions', [
    dict(ignore_regions_x=[[1, 2, 3]]),
    dict(ignore_regions_x=[[1, 2, 3]], ignore_regions_y=[[1, 2]]),
    dict(ignore_regions_x=[1, 2, 3], ignore_regions_y=[1, 2, 3]),
])
def test_ignore_regions_that_do_not_fit(regions):
    with pytest.raises(ValueError) as error:
        posetrack_ap(*pair([person(1)], [], _1=regions))
    one_line(error, 'gt/a.json: ignore_regions_x', 'image 1 do not fit')


def test_lines_for_ignore_regions_hold_nothing():
    shape = [[0, 900], []]
    line = dict(ignore_regions_x=shape, ignore_regions_y=shape)
    assert ap(*pair([person(1)], [person(1, score=1.)], _1=line)) == 100


def test_truth_without_people():
    with pytest.raises(ValueError) as error:
        posetrack_ap(*pair([], [person(1, score=1.)]))
    one_line(error, 'gt: not one person is annotated')


def test_a_file_that_is_a_list():
    truth, _ = pair([person(1)], [])
    with pytest.raises(ValueError) as error:
        posetrack_ap(truth, {'a.json': [1, 2]})
    one_line(error, "pred/a.json: no 'categories' in [1, 2]")
