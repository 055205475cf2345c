# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import copy
import json

import cv2
import numpy as np
import pytest

from rpstn_mmpose.visualization import load_pck_result, pck_table, plot_pck

COLUMNS = ['Head', 'Sho.', 'Elb.', 'Wri.', 'Hip', 'Knee', 'Ank.', 'Mean']


def make_result(values, occluded, auc, thr=0.2):
    thresholds = [0.1, 0.2, 0.5]

    def part(scores):
        return dict(
            scores=dict(zip(COLUMNS, scores)),
            sweep={
                c: [v and v / 2, v, v and 100.0]
                for c, v in zip(COLUMNS, scores)
            },
            auc=auc,
        )

    return dict(
        thr=thr,
        thresholds=thresholds,
        norms=dict(
            torso=dict(visible=part(values), occluded=part([occluded] * 8))
        ),
    )


FIRST = make_result([97.25, 90, 80, 70.06, 60, 50, None, 74.55], 41.96, 81.2)
SECOND = make_result([100, 99.04, 98, 97, 96, 95, 94, 97.01], None, None)


def test_table_is_the_expected_markdown():
    table = pck_table([FIRST, SECOND], ['RPSTN', 'a|b'])
    assert table == (
        '| PCK@0.2 (torso) |  Head | Sho. | Elb. | Wri. |  Hip | Knee | Ank. '
        '| Mean | Occluded |  AUC |\n'
        '| --------------- | ----: | ---: | ---: | ---: | ---: | ---: | ---: '
        '| ---: | -------: | ---: |\n'
        '| RPSTN           |  97.2 | 90.0 | 80.0 | 70.1 | 60.0 | 50.0 |    - '
        '| 74.5 |     42.0 | 81.2 |\n'
        '| a\\|b            | 100.0 | 99.0 | 98.0 | 97.0 | 96.0 | 95.0 | 94.0 '
        '| 97.0 |        - |    - |\n'
    )


def test_nan_is_a_dash():
    result = copy.deepcopy(FIRST)
    result['norms']['torso']['occluded']['scores']['Mean'] = float('nan')
    assert '|        - |' in pck_table([result], ['x'])


def near(image, bgr, tolerance=12):
    return (np.abs(image.astype(int) - bgr).max(axis=2) < tolerance).sum()


def test_plot_has_the_models_colours(tmp_path):
    plot_pck(
        [FIRST, SECOND], ['A', 'B'], tmp_path / 'sub' / 'pck.png', title='t'
    )
    image = cv2.imread(str(tmp_path / 'sub' / 'pck.png'))
    assert image.shape == (676, 1625, 3)
    blue, orange = (0xB2, 0x72, 0x00), (0x00, 0x5E, 0xD5)
    both = [near(image[:, 820:], color) for color in (blue, orange)]
    # All of B's bars but the missing one are higher than A's: areas follow
    # the sums of the scores, 564 (A, with occluded) and 776 (B).
    assert 0.62 < both[0] / both[1] < 0.84
    assert near(image, (0x73, 0x9E, 0x00)) == 0  # no third model
    # both have curves at the left
    assert near(image[:, :620], blue) > 200
    assert near(image[:, :620], orange) > 200


@pytest.mark.parametrize('number', [1, 4, 9])
def test_plot_of_any_number_of_models(tmp_path, number):
    plot_pck(
        [FIRST] * number,
        [f'model {i}' for i in range(number)],
        tmp_path / 'a.svg',
    )
    assert '<svg' in (tmp_path / 'a.svg').read_text()[:600]


def test_plot_where_nothing_was_counted(tmp_path):
    empty = make_result([None] * 8, None, None)
    plot_pck([empty], ['x'], tmp_path / 'a.png')
    assert (tmp_path / 'a.png').stat().st_size > 1000


def test_results_that_cannot_be_compared(tmp_path):
    with pytest.raises(ValueError, match='2 results and 1 labels'):
        pck_table([FIRST, SECOND], ['x'])
    with pytest.raises(ValueError, match='0 results'):
        plot_pck([], [], tmp_path / 'a.png')
    other = dict(SECOND, thr=0.5)
    with pytest.raises(ValueError, match=r'different thresholds \[0.2, 0.5\]'):
        pck_table([FIRST, other], ['x', 'y'])
    with pytest.raises(ValueError, match="y has no scores by 'person'"):
        pck_table([FIRST], ['y'], norm='person')
    with pytest.raises(ValueError, match='must end in .png'):
        plot_pck([FIRST], ['x'], tmp_path / 'a.bmp')


def test_load(tmp_path):
    path = tmp_path / 'a.json'
    path.write_text(json.dumps(FIRST))
    assert load_pck_result(path) == FIRST


@pytest.mark.parametrize(
    'content, message',
    [
        ('{', 'is not JSON'),
        ('[1]', 'is not a result of ClipPCK'),
        ('{"thr": 0.2, "norms": {}}', 'it has no "thresholds"'),
        (
            '{"thr": 0.2, "thresholds": [1], "norms": {"torso": {}}}',
            'no visible scores',
        ),
        (
            json.dumps(dict(FIRST, norms=dict(person={}))),
            r"has no scores by 'torso', but by \['person'\]",
        ),
    ],
)
def test_load_of_other_files(tmp_path, content, message):
    path = tmp_path / 'a.json'
    path.write_text(content)
    with pytest.raises(ValueError, match=message) as info:
        load_pck_result(path)
    assert str(path) in str(info.value) and '\n' not in str(info.value)


def test_load_of_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match='no such file'):
        load_pck_result(tmp_path / 'a.json')


def test_what_clip_pck_writes_can_be_shown(tmp_path):
    """One frame: all 13 joints right but the left ankle, which is hidden."""
    from rpstn_mmpose.evaluation import ClipPCK

    names = ['head'] + [
        f'{side}_{part}'
        for part in ('shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle')
        for side in ('left', 'right')
    ]
    truth = np.zeros((1, 13, 2))
    truth[0, names.index('right_hip')] = (0, 100)
    visible = np.ones((1, 13))
    visible[0, names.index('left_ankle')] = 0
    pred = truth.copy()
    pred[0, names.index('left_ankle')] = (50, 0)
    metric = ClipPCK(out_file=str(tmp_path / 'a.json'))
    metric.dataset_meta = dict(keypoint_id2name=dict(enumerate(names)))
    metric.process(
        None,
        [
            dict(
                gt_instances=dict(
                    keypoints=truth,
                    keypoints_visible=visible,
                    keypoints_labeled=np.ones((1, 13)),
                ),
                pred_instances=dict(keypoints=pred),
            )
        ],
    )
    metric.evaluate(1)
    row = pck_table([load_pck_result(tmp_path / 'a.json')], ['x'])
    cells = [cell.strip() for cell in row.splitlines()[2].split('|')[2:-1]]
    assert cells == ['100.0'] * 8 + ['0.0', '100.0']
