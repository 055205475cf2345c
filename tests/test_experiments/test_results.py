# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import csv
import json
import math

import pytest

from rpstn_mmpose.experiments.pck import limb_curves, score, summarize
from rpstn_mmpose.experiments.results import (
    comparison_warnings,
    csv_row,
    load_record,
    load_records,
    write_csv,
)
from rpstn_mmpose.experiments.stats import Stat, describe, paired_difference

from .made_up_records import NAMES, THRESHOLDS, make_pck, make_record

# a and b share seeds 0 and 2; the means of a are 80, 82, 87, of b 81, 90.
RECORDS = [
    make_record('a', 0, 80, 50),
    make_record('a', 1, 82, 54),
    make_record('a', 2, 87, 52),
    make_record('b', 0, 81, 49),
    make_record('b', 2, 90, 51),
    make_record('c', 1, 70, 40),
]


def test_describe():
    # deviations -3, -1, 4: variance 26 / 2
    assert describe([80, 82, 87]) == pytest.approx((83, math.sqrt(13), 3))
    assert describe([5.0]) == Stat(5.0, None, 1)
    assert describe([None, float('nan')]) == Stat(None, None, 0)
    assert describe([None, 1, 3]) == pytest.approx((2, math.sqrt(2), 2))


def test_paired_difference_uses_common_seeds_only():
    a, b = {0: 80.0, 1: 82.0, 2: 87.0}, {0: 81.0, 2: 90.0, 3: 0.0}
    # b - a: 1 and 3
    assert paired_difference(b, a) == pytest.approx((2, math.sqrt(2), 2))
    assert paired_difference({5: 1.0}, a) == Stat(None, None, 0)
    assert paired_difference({0: None, 1: 83.0}, a) == Stat(1.0, None, 1)


def test_summary_against_numbers_by_hand():
    a, b, c = summarize(RECORDS, 'a')
    assert [row['config'] for row in (a, b, c)] == ['a', 'b', 'c']
    assert (a['seeds'], b['seeds'], c['seeds']) == ([0, 1, 2], [0, 2], [1])
    assert a['visible']['Mean'] == pytest.approx((83, math.sqrt(13), 3))
    assert a['occluded']['Knee'] == pytest.approx((52, 2, 3))
    assert b['visible']['Mean'] == pytest.approx((85.5, math.sqrt(40.5), 2))
    assert a['difference'] is None
    difference = b['difference']
    assert difference['visible'] == pytest.approx((2, math.sqrt(2), 2))
    assert difference['occluded'] == pytest.approx((-1, 0, 2))
    assert c['visible']['Mean'].std is None
    assert c['difference']['visible'] == (pytest.approx(-12), None, 1)
    assert a['params'] == (2_500_000, 0, 3)


def test_summary_without_baseline_or_of_nothing():
    assert all(row['difference'] is None for row in summarize(RECORDS))
    with pytest.raises(ValueError, match='no finished run to report'):
        summarize([])
    with pytest.raises(ValueError, match="baseline 'x'; there are a, b, c"):
        summarize(RECORDS, 'x')
    with pytest.raises(ValueError, match='a has two results for seed 0'):
        summarize(RECORDS + RECORDS[:1])


def test_different_thresholds_are_refused():
    other = make_record('z', 0, pck=make_pck(lambda *_: 1, thr=0.5))
    with pytest.raises(ValueError, match='z and a were evaluated at'):
        summarize([RECORDS[0], other])


def test_lines_tell_of_kinds_of_hidden_joints(tmp_path):
    told = make_record('a', 0, hidden=dict(by_thing=60, by_person=20))
    write_csv([make_record('b', 0), told], tmp_path / 'results.csv')
    with (tmp_path / 'results.csv').open(newline='') as file:
        silent, line = csv.DictReader(file)
    found = [float(line[f'mPCK_by_{kind}']) for kind in ('thing', 'person')]
    assert found == pytest.approx([60, 20])
    assert silent['mPCK_by_thing'] == '' and 'mPCK_unseen_1' not in line
    assert 'mPCK_by_thing' not in csv_row(make_record('b', 0))


def test_limb_curves_by_joint_name():
    """Left elbow 30 % at every threshold, knees 60 and 80 %, head 0, wrists
    never seen, the rest 100 %."""
    right = dict(left_elbow=300, left_knee=600, right_knee=800, head=0)

    def total(kind, name):
        return 0 if name.endswith('wrist') or kind == 'occluded' else 1000

    record = make_record(
        'a',
        0,
        pck=make_pck(lambda kind, name, t: right.get(name, 1000), total),
    )
    curves = limb_curves(record)
    # 2 shoulders, 2 elbows; the wrists do not count
    assert curves['Upper limbs'] == pytest.approx([100 * 3.3 / 4] * 3)
    assert curves['Lower limbs'] == pytest.approx([100 * 5.4 / 6] * 3)
    assert curves['Mean'] == pytest.approx([100 * 8.7 / 11] * 3)
    assert score(record, 'visible', 'Wri.') is None
    assert score(record, 'occluded') is None
    hidden = limb_curves(record, 'occluded')
    assert all(math.isnan(v) for curve in hidden.values() for v in curve)


def test_limb_curves_follow_the_thresholds():
    curve = limb_curves(make_record('a', 0, visible=60))['Mean']
    assert len(curve) == len(THRESHOLDS)
    assert curve == pytest.approx([30, 60, 66])


def test_curves_fit_what_clip_pck_writes(tmp_path):
    """Two visible elbows, one right: its JSON has what the curves need."""
    import numpy as np

    from rpstn_mmpose.evaluation import ClipPCK

    truth = np.zeros((1, 13, 2))
    truth[0, NAMES.index('right_hip')] = (0, 100)
    pred = truth.copy()
    pred[0, NAMES.index('left_elbow')] += (45, 0)  # right from 0.5 on
    metric = ClipPCK(out_file=str(tmp_path / 'pck.json'))
    metric.dataset_meta = dict(keypoint_id2name=dict(enumerate(NAMES)))
    metric.process(
        None,
        [
            dict(
                gt_instances=dict(
                    keypoints=truth, keypoints_visible=np.ones((1, 13))
                ),
                pred_instances=dict(keypoints=pred),
            )
        ],
    )
    metric.evaluate(1)
    pck = json.loads((tmp_path / 'pck.json').read_text())
    curves = limb_curves(make_record('a', 0, pck=pck))
    assert curves['Upper limbs'] == pytest.approx([500 / 6] * 4 + [100] * 6)
    assert curves['Lower limbs'] == [100] * 10
    part = pck['norms']['torso']['visible']['sweep']['Mean']
    assert curves['Mean'] == pytest.approx(part)


def test_csv_round_trip(tmp_path):
    path = tmp_path / 'sub' / 'results.csv'
    unknown = make_record('d, "quoted"', 7, gmacs_per_frame=None)
    records = [*RECORDS, unknown]
    write_csv(records, path)
    with path.open(newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 7
    for row, record in zip(rows, records):
        expected = csv_row(record)
        assert list(row) == list(expected)
        for key, value in expected.items():
            if value is None:
                assert row[key] == ''
            else:  # floats in full
                assert type(value)(row[key]) == value
    first = rows[0]
    assert (first['config'], first['seed']) == ('a', '0')
    for key, value in dict(
        mPCK=80, mPCK_occluded=50, Sho_visible=80, Ank_occluded=50
    ).items():
        assert float(first[key]) == pytest.approx(value), key
    assert int(first['frame_passes']) == 24000
    assert rows[6]['config'] == 'd, "quoted"'


def write_result(folder, record):
    folder.mkdir(parents=True)
    (folder / 'result.json').write_text(json.dumps(record))


def test_load(tmp_path):
    for record in RECORDS:
        write_result(
            tmp_path / record['config'] / f'seed{record["seed"]}', record
        )
    write_result(tmp_path / 'a' / 'seed0.old-12345678', RECORDS[0])
    (tmp_path / 'b' / 'seed7').mkdir()  # not finished
    assert load_records(tmp_path) == RECORDS
    assert load_records(tmp_path, ['c', 'a'], [1, 2]) == [
        RECORDS[5],
        RECORDS[1],
        RECORDS[2],
    ]
    assert load_records(tmp_path, ['x']) == []
    with pytest.raises(FileNotFoundError, match='x: no such folder'):
        load_records(tmp_path / 'x')


@pytest.mark.parametrize(
    'content',
    [
        '{',
        '[]',
        '{"config": "a", "seed": 0}',
        json.dumps(dict(RECORDS[0], pck=dict(norms={}))),
        json.dumps(dict(RECORDS[0], config=3)),
    ],
)
def test_load_of_other_files(tmp_path, content):
    path = tmp_path / 'result.json'
    path.write_text(content)
    with pytest.raises(
        ValueError, match='is not a result of run_ablation'
    ) as info:
        load_record(path)
    assert str(path) in str(info.value) and '\n' not in str(info.value)


def test_warnings():
    assert comparison_warnings(RECORDS) == []
    lines = comparison_warnings(
        [
            RECORDS[0],
            make_record('a', 1, settings='other'),
            make_record('b', 0, data='other', torch_threads=1),
        ]
    )
    assert [line.split()[0:3] for line in lines] == [
        ['The', 'seeds', 'of'],
        ['The', 'configs', 'were'],
        ['The', 'runs', 'were'],
    ]
