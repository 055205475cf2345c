# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Ranking by any number of a test."""

import csv
import json
import math

import pytest

from rpstn_mmpose.experiments.figures import plot_cost
from rpstn_mmpose.experiments.results import (
    Metric,
    load_record,
    metric_value,
    rank,
    write_csv,
)
from rpstn_mmpose.experiments.tables import ablation_table, ranking_table

from .made_up_records import make_record

ERROR = Metric('MPJPE', lower_is_better=True)
AP = Metric('coco/AP')


def run_of(config, seed, **metrics):
    """A run that no ClipPCK tested."""
    record = make_record(
        config, seed, metrics=metrics, evaluator=f'of {list(metrics)}'
    )
    del record['pck']
    return record


# Means: a 52, b 42, c unknown. b - a is -9 and -11, seed by seed.
RECORDS = [
    run_of('a', 0, MPJPE=50.0),
    run_of('a', 1, MPJPE=54.0),
    run_of('c', 0, MPJPE=None),
    run_of('b', 0, MPJPE=41.0),
    run_of('b', 1, MPJPE=43.0),
]


def order(rows):
    return [row['config'] for row in rows]


def test_best_first_and_unknown_last():
    rows = rank(RECORDS, ERROR, 'a')
    assert order(rows) == ['b', 'a', 'c']
    assert order(rank(RECORDS, Metric('MPJPE'))) == ['a', 'b', 'c']
    best, base, unknown = rows
    assert best['value'] == pytest.approx((42, math.sqrt(2), 2))
    assert best['difference']['value'] == pytest.approx((-10, math.sqrt(2), 2))
    assert base['value'] == pytest.approx((52, math.sqrt(8), 2))
    assert base['difference'] is None
    assert unknown['value'] == (None, None, 0)
    assert unknown['difference']['value'] == (None, None, 0)


def test_table():
    rows = rank(RECORDS[:2] + RECORDS[3:], ERROR, 'a')
    assert ranking_table(rows, ERROR, 'a') == (
        '| config | seeds |      MPJPE ↓ |     Δ MPJPE ↓ | pairs '
        '| params (M) | GMACs/frame | train s | frame passes |\n'
        '| ------ | ----: | -----------: | ------------: | ----: '
        '| ---------: | ----------: | ------: | -----------: |\n'
        '| b      |     2 | 42.00 ± 1.41 | -10.00 ± 1.41 |     2 '
        '|      2.500 |       0.250 |     100 |       24,000 |\n'
        '| a      |     2 | 52.00 ± 2.83 |      baseline |       '
        '|      2.500 |       0.250 |     100 |       24,000 |\n'
    )


@pytest.mark.parametrize(
    'value, printed',
    [(0.74321, '0.7432 ±'), (74.321, '74.32 ±'), (1143.2, '1143 ±')],
)
def test_four_digits(value, printed):
    rows = rank([run_of('a', 0, **{'coco/AP': value})], AP)
    assert f' {printed}' in ranking_table(rows, AP)


def test_report():
    text = ablation_table(RECORDS, 'a', ['c seed 1'], ERROR)
    assert text.startswith('MPJPE, the lowest first: mean ± sample standard')
    assert 'Δ: difference to a, seed by seed' in text
    assert '- Not finished: c seed 1.' in text
    assert 'By joint' not in text and 'different evaluators' not in text
    other = run_of('d', 0, MPJPE=1.0, PMPJPE=2.0)
    text = ablation_table([*RECORDS, other], metric=ERROR)
    assert '- The configs were tested by different evaluators.' in text


def test_metric_that_the_test_does_not_give():
    with pytest.raises(ValueError, match="a gives no 'AP'; it gives MPJPE"):
        rank(RECORDS, Metric('AP'))
    with pytest.raises(ValueError, match='--metric with one of MPJPE'):
        ablation_table(RECORDS)
    with pytest.raises(ValueError, match='no finished run to report'):
        rank([], ERROR)
    with pytest.raises(ValueError, match="baseline 'x'; there are a, c, b"):
        rank(RECORDS, ERROR, 'x')
    with pytest.raises(ValueError, match='a has two results for seed 0'):
        rank([*RECORDS, RECORDS[0]], ERROR)


def test_records_of_before_there_were_metrics():
    old = make_record('old', 0, visible=80, occluded=50)
    assert 'metrics' not in old
    assert metric_value(old, Metric('PCK/mPCK')) == pytest.approx(80)
    assert metric_value(old, Metric('PCK/mPCK_occluded')) == pytest.approx(50)
    with pytest.raises(ValueError, match="gives no 'MPJPE'"):
        metric_value(old, ERROR)


def test_records_without_pck_are_read(tmp_path):
    path = tmp_path / 'result.json'
    path.write_text(json.dumps(RECORDS[0]))
    assert load_record(path) == RECORDS[0]
    path.write_text(json.dumps(dict(RECORDS[0], metrics=[])))
    with pytest.raises(ValueError, match='is not a result'):
        load_record(path)


def test_lines_hold_all_numbers(tmp_path):
    records = [
        run_of('a', 0, **{'coco/AR': 0.8, 'coco/AP': 0.75}),
        run_of('b', 0, **{'coco/AP': 0.5, 'coco/AP .5': None}),
    ]
    write_csv(records, tmp_path / 'results.csv', AP)
    with (tmp_path / 'results.csv').open(newline='') as file:
        first, second = csv.DictReader(file)
    assert list(first)[:3] == ['config', 'seed', 'coco/AP']
    assert (first['coco/AP'], first['coco/AR']) == ('0.75', '0.8')
    assert (second['coco/AP'], second['coco/AR']) == ('0.5', '')
    assert second['coco/AP .5'] == '' and second['params'] == '2500000'


def test_figure(tmp_path):
    plot_cost(RECORDS, tmp_path / 'cost.svg', ERROR)
    assert '<svg' in (tmp_path / 'cost.svg').read_text()[:600]
    with pytest.raises(ValueError, match="gives no 'AP'"):
        plot_cost(RECORDS, tmp_path / 'cost.svg', Metric('AP'))
