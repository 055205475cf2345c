# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import re

import numpy as np
import pytest

from rpstn_mmpose.evaluation import (
    load_posetrack_dir,
    posetrack_ap,
    posetrack_mot,
)
from tests.test_evaluation.posetrack_files import (
    IGNORED,
    JOINTS,
    pair,
    person,
    sequence,
    write,
)


def ap(gt, pred):
    return posetrack_ap(gt, pred)['ap']['total']


def test_folders_and_contents_give_the_same(tmp_path):
    truth, pred = pair([person(1), person(2)], [person(1, score=1.0)], num=2)
    folders = write(tmp_path / 'gt', truth), write(tmp_path / 'pred', pred)
    assert ap(*folders) == ap(truth, pred) == ap(folders[0], pred) == 50
    assert load_posetrack_dir(folders[0]) == truth


def test_other_predicted_sequences_are_not_looked_at(tmp_path):
    truth, pred = pair([person(1)], [person(1, score=1.0)])
    pred['b.json'] = dict(nonsense=1)
    assert ap(truth, pred) == 100


def test_scores_may_be_missing():
    truth = [person(1), person(2)]
    for scores in ([], None):
        preds = [person(1, x=500, score=1.0), person(1), person(2)]
        for pred in preds[1:]:
            pred['scores'] = scores
        # They rank behind all that have scores: wrong, right, right.
        assert ap(*pair(truth, preds, num=2)) == pytest.approx(200 / 3)
    del preds[1]['scores'], preds[2]['scores']
    assert ap(*pair(truth, preds, num=2)) == pytest.approx(200 / 3)


@pytest.mark.parametrize('flag', [0, 1, 2, -1, 0.5])
def test_a_joint_with_a_place_is_there_whatever_its_flag(flag):
    truth, pred = person(1), person(1, score=1.0)
    for changed in (truth, pred):
        changed['keypoints'][2] = flag  # the nose
        result = posetrack_ap(*pair([truth], [pred]))
        assert result['ap']['nose'] == result['ap']['total'] == 100


def test_a_joint_with_a_flag_is_there_also_in_the_corner():
    truth, pred = person(1), person(1, score=1.0)
    truth['keypoints'][:3] = [0, 0, 1]
    result = posetrack_ap(*pair([truth], [pred]))
    assert result['rec']['nose'] == 0 and result['pre']['nose'] == 0
    pred['keypoints'][:3] = [18, 24, 0]
    assert ap(*pair([truth], [pred])) == 100
    # Without a flag nothing is there.
    truth['keypoints'][:3] = [0, 0, 0]
    result = posetrack_ap(*pair([truth], [pred]))
    assert result['rec']['nose'] != result['rec']['nose']
    assert result['pre']['nose'] == 0


@pytest.mark.parametrize('keypoints', [[], None, 'left out'])
def test_annotations_without_keypoints_are_nobody(keypoints):
    """PoseTrack21 has boxes of people without poses."""
    box = dict(image_id=1, track_id=5, bbox=[0, 0, 9, 9], keypoints=keypoints)
    if keypoints == 'left out':
        del box['keypoints']
    pred = [person(1, score=1.0), person(3, score=1.0), dict(box, image_id=3)]
    truth, pred = pair(
        [box, person(1), dict(box, image_id=2), person(3)],
        [*pred, person(2, score=1.0)],
        num=3,
    )
    # Frame 2 has nobody in it and is not evaluated.
    for values in posetrack_ap(truth, pred).values():
        assert set(values.values()) == {100.0}
    assert posetrack_mot(truth, pred)['mota']['total'] == 100
    # Zeros are somebody without a joint: frame 2 is evaluated.
    truth['a.json']['annotations'][2]['keypoints'] = [0] * 51
    assert posetrack_ap(truth, pred)['pre']['total'] == pytest.approx(200 / 3)


@pytest.mark.parametrize('x', [[400, 600, 600, 400], [[400, 600, 600, 400]]])
def test_a_flat_ignore_region_is_one_polygon(x):
    y = [0, 0, 3000, 3000]
    region = dict(
        ignore_regions_x=x,
        ignore_regions_y=[y] if isinstance(x[0], list) else y,
    )
    pred = [person(1, score=0.5), person(1, x=500, score=0.9)]
    assert ap(*pair([person(1)], pred, _1=region)) == 100
    assert ap(*pair([person(1)], pred)) == 50


def test_hidden_files_are_not_looked_at(tmp_path):
    truth, pred = pair([person(1)], [person(1, score=1.0)])
    folders = write(tmp_path / 'gt', truth), write(tmp_path / 'pred', pred)
    for folder in folders:
        for name in ('._a.json', '.DS_Store.json', '._b.json'):
            (tmp_path / folder / name).write_bytes(b'\0\5\26\7Mac OS X')
    assert ap(*folders) == 100
    assert list(load_posetrack_dir(folders[0])) == ['a.json']
    (tmp_path / 'gt' / 'a.json').unlink()
    with pytest.raises(FileNotFoundError, match='gt: no .json file in it'):
        load_posetrack_dir(folders[0])


@pytest.mark.parametrize('slash', ['/', '\\'])
def test_sequences_of_one_file_are_those_of_files_of_their_own(slash):
    """Tracks start again, and each one's last frame does not count."""
    rng = np.random.default_rng(5)
    apart, merged = ({}, {}), ({}, {})
    for side, score in enumerate((None, 1.0)):
        images, people = [], []
        for number in range(3):
            folder = slash.join(('images', 'val', f'00000{number}_a_b'))
            content = sequence(
                [
                    person(
                        i,
                        x=200 * track + rng.integers(40),
                        track=track,
                        score=score,
                    )
                    for i in (1, 2, 3, 4)
                    for track in rng.permutation(3)[:2].tolist()
                ],
                4,
            )
            for image in content['images']:
                image['file_name'] = f'{folder}{slash}{image["id"]:06d}.jpg'
                image['id'] += 100 * number
            for annotation in content['annotations']:
                annotation['image_id'] += 100 * number
            apart[side][f'{number}.json'] = content
            # One image of each, in turns.
            images.append(content['images'])
            people += content['annotations']
        merged[side]['all.json'] = dict(
            images=[image for turn in zip(*images) for image in turn],
            annotations=people,
            categories=content['categories'],
        )
    for evaluate in (posetrack_ap, posetrack_mot):
        expected = evaluate(*apart)
        for key, values in evaluate(*merged).items():
            assert values == pytest.approx(expected[key])
    # As one sequence it would be another figure.
    for content in (merged[0]['all.json'], merged[1]['all.json']):
        for image in content['images']:
            image['file_name'] = 'images/val/one/000000.jpg'
    assert posetrack_mot(*merged)['mota'] != pytest.approx(
        posetrack_mot(*apart)['mota']
    )


def test_an_image_that_is_listed_twice_is_two_frames():
    truth, pred = pair(
        [person(1), person(2), person(3)],
        [person(1, score=0.9), person(2, x=500, score=0.8)],
        num=3,
    )
    # Right, wrong, nothing. With the first one twice: right, right, wrong.
    assert ap(truth, pred) == pytest.approx(100 / 3)
    for content in (truth['a.json'], pred['a.json']):
        content['images'].insert(0, dict(content['images'][0]))
    assert ap(truth, pred) == 50
    # Frames 1, 1 and 2 count: 3 true joints, 1 missed and 1 false.
    assert posetrack_mot(truth, pred)['mota']['total'] == pytest.approx(
        100 / 3
    )
    # Of its entries the first one has the ignore regions.
    truth['a.json']['images'][1].update(IGNORED)
    assert ap(truth, pred) == 50
    truth['a.json']['images'][0].update(IGNORED)
    assert ap(truth, pred) == 0


@pytest.mark.parametrize('labelled', [True, False])
def test_a_track_twice_in_a_frame_is_refused(labelled, tmp_path):
    """Also in a frame that is not evaluated, as there."""
    truth = [person(1), person(2), person(3)][: 3 if labelled else 2]
    pred = [person(i, score=1.0, track=4) for i in (1, 2, 3)]
    truth, pred = pair(
        truth, [*pred, person(3, x=900, score=1.0, track=4)], num=3
    )
    folder = write(tmp_path / 'pred', pred)
    with pytest.raises(ValueError) as error:
        posetrack_mot(truth, folder)
    one_line(
        error,
        f'{folder}/a.json: track_id 4 is there twice in image 3 ',
        'images/a/000003.jpg',
        'a number of its own',
    )
    # Poses have no use for tracks.
    assert posetrack_ap(truth, folder)['rec']['total'] == 100
    pred['a.json']['annotations'][3]['track_id'] = 5
    assert posetrack_mot(truth, pred)['mota']['total'] == 100


@pytest.mark.parametrize('number', ['1', 1.0])
def test_numbers_written_otherwise(number):
    truth, pred = pair(
        [person(1), person(2)],
        [
            person(number, score=1.0, track='3'),
            person(2, score=1.0, track=3.0),
        ],
        num=2,
    )
    truth['a.json']['images'][0]['id'] = number
    assert ap(truth, pred) == 100
    assert posetrack_mot(truth, pred)['mota']['total'] == 100


def test_places_and_heads_beyond_all_bounds():
    truth, pred = pair([person(1)], [person(1, score=1.0)])
    pred['a.json']['annotations'][0]['keypoints'][:2] = [1e300, -1e300]
    assert posetrack_ap(truth, pred)['rec']['nose'] == 0
    for box in ([0, 0, 1e300, 1e300], [0, 0, 60], [0, 0, 60, None]):
        truth['a.json']['annotations'][0]['bbox_head'] = box
        with pytest.raises(ValueError) as error:
            posetrack_ap(truth, pred)
        one_line(
            error,
            "gt/a.json: 'bbox_head' of an annotation of image 1 "
            'must be x, y, width and height',
        )


def test_joints_go_by_name():
    truth, pred = pair([person(1)], [person(1, score=1.0)])
    content = pred['a.json']
    content['categories'][0] = dict(keypoints=JOINTS[::-1])
    points = content['annotations'][0]['keypoints']
    triplets = [points[i : i + 3] for i in range(0, 51, 3)][::-1]
    content['annotations'][0]['keypoints'] = sum(triplets, [])
    assert ap(truth, pred) == 100


def one_line(error, *parts):
    message = str(error.value)
    assert '\n' not in message
    for part in parts:
        assert part in message


def test_folders_that_cannot_be_read(tmp_path):
    truth, pred = pair([person(1)], [person(1, score=1.0)])
    gt = write(tmp_path / 'gt', truth)
    with pytest.raises(FileNotFoundError) as error:
        posetrack_ap(gt, tmp_path / 'none')
    one_line(error, 'none: no such folder')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(FileNotFoundError) as error:
        posetrack_ap(tmp_path / 'empty', gt)
    one_line(error, 'empty: no .json file')


def test_missing_and_misnamed_sequences(tmp_path):
    truth, pred = pair([person(1)], [person(1, score=1.0)])
    truth['b.json'] = sequence([person(1)])
    folders = write(tmp_path / 'gt', truth), write(tmp_path / 'pred', pred)
    with pytest.raises(FileNotFoundError) as error:
        posetrack_ap(*folders)
    one_line(error, f'{folders[1]}: no file b.json (1 of 2 sequences')
    with pytest.raises(FileNotFoundError) as error:
        posetrack_ap(truth, {'c.json': pred['a.json']})
    one_line(error, 'pred: no file a.json (2 of 2', 'here are c.json')


def test_torn_file(tmp_path):
    truth, pred = pair([person(1)], [person(1, score=1.0)])
    folders = write(tmp_path / 'gt', truth), write(tmp_path / 'pred', pred)
    path = tmp_path / 'pred' / 'a.json'
    text = path.read_bytes()
    for torn in (
        text[:-20],
        b'',
        text[:50] + b'\xff\xfe' + text[50:],
        b'[' * 100000,
    ):
        path.write_bytes(torn)
        with pytest.raises(ValueError) as error:
            posetrack_ap(*folders)
        one_line(error, f'{path}: not a complete JSON file', 'write it again')


def set_scores(pred):
    pred['annotations'][0]['scores'] = [1.0] * 16


def set_keypoints(pred):
    pred['annotations'][0]['keypoints'] = [1.0] * 45


def set_nan(pred):
    pred['annotations'][0]['keypoints'][3] = float('nan')


def set_nan_score(pred):
    pred['annotations'][0]['scores'][0] = None


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


@pytest.mark.parametrize(
    'change, message',
    [
        (set_scores, 'has 16 scores; it must be 17'),
        (set_keypoints, 'has 45 numbers for 17 keypoints, which need 51'),
        (set_nan, 'not finite'),
        (set_nan_score, 'not finite'),
        (
            set_words,
            "'keypoints' of an annotation of image 1 must be a list of",
        ),
        (set_track, "'track_id' of an annotation of image 1 must be a whole"),
        (set_image, 'image_id 99 of an annotation is not among'),
        (drop_image, "no 'image_id'"),
        (drop_categories, "no 'categories'"),
        (set_joints, "no joint 'right_ankle'"),
        (set_annotations, "'annotations' must be a list, but is a dict"),
    ],
)
def test_bad_content_is_one_line(change, message, tmp_path):
    truth, pred = pair([person(1)], [person(1, score=1.0)])
    change(pred['a.json'])
    folder = write(tmp_path, pred)
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        posetrack_ap(truth, folder)
    one_line(error, f'{folder}/a.json')


@pytest.mark.parametrize(
    'regions',
    [
        dict(ignore_regions_x=[[1, 2, 3]]),
        dict(ignore_regions_x=[[1, 2, 3]], ignore_regions_y=[[1, 2]]),
        dict(ignore_regions_x=[1, 2, 3], ignore_regions_y=[1, 2]),
    ],
)
def test_ignore_regions_that_do_not_fit(regions):
    with pytest.raises(ValueError) as error:
        posetrack_ap(*pair([person(1)], [], _1=regions))
    one_line(error, 'gt/a.json: the ignore regions of image 1 have not as')


def test_lines_for_ignore_regions_hold_nothing():
    shape = [[0, 900], []]
    line = dict(ignore_regions_x=shape, ignore_regions_y=shape)
    assert ap(*pair([person(1)], [person(1, score=1.0)], _1=line)) == 100


def test_truth_without_people():
    with pytest.raises(ValueError) as error:
        posetrack_ap(*pair([], [person(1, score=1.0)]))
    one_line(error, 'gt: not one person is annotated')


def test_a_file_that_is_a_list():
    truth, _ = pair([person(1)], [])
    with pytest.raises(ValueError) as error:
        posetrack_ap(truth, {'a.json': [1, 2]})
    one_line(error, "pred/a.json: no 'categories' in [1, 2]")
