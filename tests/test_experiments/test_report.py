# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import cv2
import numpy as np
import pytest

from rpstn_mmpose.experiments.figures import (
    plot_cost,
    plot_occluded_visible,
    plot_pck_curves,
)
from rpstn_mmpose.experiments.pck import summarize
from rpstn_mmpose.experiments.stats import Stat
from rpstn_mmpose.experiments.tables import (
    ablation_table,
    format_stat,
    summary_table,
)

from .made_up_records import make_pck, make_record

PLOTS = (plot_pck_curves, plot_occluded_visible, plot_cost)

# visible: 'base' 80, 82, 87; 'a|b' 81, 90; occluded: 50, 54, 52; 49, 51
RECORDS = [
    make_record('base', 0, 80, 50),
    make_record('base', 1, 82, 54),
    make_record('base', 2, 87, 52),
    make_record(
        'a|b', 0, 81, 49, train_seconds_total=350.0, frame_passes_total=48000
    ),
    make_record(
        'a|b', 2, 90, 51, train_seconds_total=350.0, frame_passes_total=48000
    ),
]


def nothing_occluded(config, seed):
    def total(kind, name):
        return 0 if kind == 'occluded' else 1000

    return make_record(config, seed, pck=make_pck(lambda *_: 500, total))


def many(number):
    """Long names and three seeds each; two share their cost."""
    rng = np.random.default_rng(0)
    return [
        make_record(
            f'rpstn_tiny_1xb8-4e_synthetic-penn-128x128_variant-{i}',
            seed,
            *rng.uniform(40, 90, 2),
            gmacs_per_frame=0.2 + 0.1 * (i // 2),
        )
        for i in range(number)
        for seed in range(3)
    ]


def test_format():
    assert format_stat(Stat(82.449, 0.351, 3)) == '82.4 ± 0.4'
    assert format_stat(Stat(1.5, None, 1), 2, sign=True) == '+1.50 ± –'
    assert format_stat(Stat(-1.5, 0.0, 2), sign=True) == '-1.5 ± 0.0'
    assert format_stat(Stat(-0.004, 0.1, 2), 2, sign=True) == '+0.00 ± 0.10'
    assert format_stat(Stat(None, None, 0)) == '–'


def test_summary_table_is_the_expected_markdown():
    # std: sqrt(13), 2; sqrt(40.5), sqrt(2); differences 1, 3 and -1, -1
    assert summary_table(summarize(RECORDS, 'base'), 'base') == (
        '| config | seeds |      visible |     occluded |    Δ visible '
        '|   Δ occluded | pairs | params (M) | GMACs/frame |   train s '
        '|    frame passes |\n'
        '| ------ | ----: | -----------: | -----------: | -----------: '
        '| -----------: | ----: | ---------: | ----------: | --------: '
        '| --------------: |\n'
        '| base   |     3 | 83.00 ± 3.61 | 52.00 ± 2.00 |     baseline '
        '|     baseline |       |      2.500 |       0.250 |       100 '
        '|          24,000 |\n'
        '| a\\|b   |     2 | 85.50 ± 6.36 | 50.00 ± 1.41 | +2.00 ± 1.41 '
        '| -1.00 ± 0.00 |     2 |      2.500 |       0.250 | 100 (350) '
        '| 24,000 (48,000) |\n'
    )


def test_kinds_of_hidden_joints():
    """Those of the hiders beside the others, all of them below."""
    kinds = [
        dict(zip(('by_thing', 'by_person', 'unseen_1'), values))
        for values in ((60, 20, 70), (62, 24, 72), (64, 30, 80))
    ]
    records = [
        make_record('base', 0, hidden=kinds[0]),
        make_record('base', 1, hidden=kinds[1]),
        make_record('new', 0, hidden=kinds[2]),
        make_record('old', 0),
    ]
    rows = summarize(records, 'base')
    head, _, base, new, old = [
        [cell.strip() for cell in line.split('|')[1:-1]]
        for line in summary_table(rows, 'base').splitlines()
    ]
    assert head[2:10] == [
        'visible', 'occluded', 'by thing', 'by person',
        'Δ visible', 'Δ occluded', 'Δ by thing', 'Δ by person',
    ]  # fmt: skip
    assert base[4:6] == ['61.00 ± 1.41', '22.00 ± 2.83']
    assert new[4:6] == ['64.00 ± –', '30.00 ± –']
    assert new[8:10] == ['+4.00 ± –', '+10.00 ± –']
    assert old[4:6] == old[8:10] == ['–', '–']
    text = ablation_table(records)
    assert '| hidden joints |   by thing |  by person |   unseen 1 |' in text
    assert '| base          | 61.0 ± 1.4 | 22.0 ± 2.8 | 71.0 ± 1.4 |' in text
    assert 'by person' not in ablation_table(RECORDS)


def test_one_seed_has_no_deviation():
    table = summary_table(
        summarize(RECORDS[:1] + RECORDS[3:4], 'base'), 'base'
    )
    assert '| 80.00 ± – | 50.00 ± – |' in table
    assert '| +1.00 ± – |  -1.00 ± – |     1 |' in table


def test_without_baseline_there_are_no_differences():
    assert 'Δ' not in summary_table(summarize(RECORDS))


def test_report_says_what_is_missing_and_doubtful():
    records = [
        *RECORDS,
        make_record('c', 0, cpu='Another', data='other'),
        nothing_occluded('d', 0),
    ]
    text = ablation_table(records, 'base', missing=['a|b seed 1'])
    assert 'mPCK@0.2 by torso length' in text
    assert 'Δ: difference to base' in text
    assert 'In brackets: with the training of the image model' in text
    assert '- Not finished: a|b seed 1.' in text
    assert '- The configs were trained on different data.' in text
    assert 'their seconds cannot be compared' in text
    assert 'A CPU, cpu, 2 torch threads; Another, cpu, 2' in text
    occluded = text[text.index('| occluded joints') :].splitlines()
    row = next(line for line in occluded if line.startswith('| d '))
    assert [cell.strip() for cell in row.split('|')[2:-1]] == ['–'] * 8
    assert 'Not finished' not in ablation_table(RECORDS)


def near(image, bgr, tolerance=12):
    return (np.abs(image.astype(int) - bgr).max(axis=2) < tolerance).sum()


BLUE, ORANGE, GREEN = (0xB2, 0x72, 0), (0, 0x5E, 0xD5), (0x73, 0x9E, 0)


@pytest.mark.parametrize('plot', PLOTS)
def test_plot_shows_each_config(tmp_path, plot):
    plot(RECORDS, tmp_path / 'sub' / 'a.png')
    image = cv2.imread(str(tmp_path / 'sub' / 'a.png'))
    legend = len(image) - 60
    assert near(image[:legend], BLUE) > 60
    assert near(image[:legend], ORANGE) > 60
    assert near(image, GREEN) == 0  # no third config


def content(image):
    """Rows and columns that are not white."""
    drawn = (image < 250).any(axis=2)
    return np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))


@pytest.mark.parametrize('plot', PLOTS)
@pytest.mark.parametrize('number', [1, 10])
def test_nothing_is_cut_off(tmp_path, plot, number):
    plot(many(number), tmp_path / 'a.png')
    image = cv2.imread(str(tmp_path / 'a.png'))
    rows, columns = content(image)
    assert rows[0] > 0 and rows[-1] < image.shape[0] - 1
    assert columns[0] > 0 and columns[-1] < image.shape[1] - 1


def test_bands_need_two_seeds(tmp_path):
    """The band is a light blue that nothing else in the figure has."""
    band = [255 - 0.12 * (255 - v) for v in BLUE]
    found = []
    for name, records in (('one', RECORDS[:1]), ('three', RECORDS[:3])):
        plot_pck_curves(records, tmp_path / f'{name}.png')
        found.append(near(cv2.imread(str(tmp_path / f'{name}.png')), band, 3))
    assert found[0] < 200 and found[1] > 2000


def test_equal_costs_are_drawn_side_by_side(tmp_path):
    """Two configs that differ in nothing: both marks can be seen."""
    records = [
        make_record(name, seed, 80 + seed, 50 + seed)
        for name in 'ab'
        for seed in (0, 1)
    ]
    plot_cost(records, tmp_path / 'a.png')
    image = cv2.imread(str(tmp_path / 'a.png'))
    image = image[: len(image) - 60, : image.shape[1] // 2]
    assert near(image, BLUE) > 60 and near(image, ORANGE) > 60


@pytest.mark.parametrize('plot', PLOTS)
def test_plot_where_nothing_was_counted(tmp_path, plot):
    record = nothing_occluded('a', 0)
    record['gmacs_per_frame'] = None
    plot([record], tmp_path / 'a.svg')
    plot_pck_curves([record], tmp_path / 'b.svg', kind='occluded')
    assert '<svg' in (tmp_path / 'a.svg').read_text()[:600]


def test_costs_over_orders_of_magnitude(tmp_path):
    records = [
        make_record('a', 0, gmacs_per_frame=0.1),
        make_record('b', 0, gmacs_per_frame=100.0),
    ]
    plot_cost(records, tmp_path / 'a.png')
    assert (tmp_path / 'a.png').stat().st_size > 5000


@pytest.mark.parametrize('plot', PLOTS)
def test_bad_input(tmp_path, plot):
    with pytest.raises(ValueError, match='no finished run'):
        plot([], tmp_path / 'a.png')
    with pytest.raises(ValueError, match='must end in .png'):
        plot(RECORDS, tmp_path / 'a.bmp')
    other = make_record('z', 0, pck=make_pck(lambda *_: 1, thr=0.5))
    with pytest.raises(ValueError, match='different thresholds'):
        plot([*RECORDS, other], tmp_path / 'a.png')


def test_curves_of_an_unknown_baseline(tmp_path):
    with pytest.raises(ValueError, match='no finished run of the baseline'):
        plot_pck_curves(RECORDS, tmp_path / 'a.png', 'x')
