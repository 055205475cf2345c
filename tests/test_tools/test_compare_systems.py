# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The table of all systems, at its smallest."""

import csv
import json

import cv2
import numpy as np
import pytest

from rpstn_mmpose.experiments import execution, side_by_side, stream_cost
from tests.test_experiments.made_up_records import make_record

from .load_tool import load_tool

tool = load_tool('compare_systems.py')
TINY = tool.Preset(
    dict(
        num_train=2,
        num_test=2,
        image_size=(96, 72),
        difficulty='easy',
        occluder_people=1.0,
    ),
    frames=4,
    start=1,
    epochs=1,
    seeds=(0,),
)
ROWS = {row.key: row for row in tool.ROWS}
MEMORIES = tool.memories_of(tool.parse_args([]))


def config_of(key, preset=TINY):
    return tool.config_of(ROWS[key], preset)


def test_rows_see_as_many_frames():
    """Six passes of single frames are three of pairs and two of threes."""
    preset = TINY._replace(epochs=6, start=9)
    trained = [row for row in tool.ROWS if not row.memory]
    epochs = {
        row.key: tool.config_of(row, preset).train_cfg.max_epochs
        for row in trained
    }
    assert epochs == dict(
        image=6, posewarper=3, dcpose=2, posefix=6, dkd=6, rpstn=6, rtmpose=6,
        dsta=2, **{'dsta-one': 6},
    )  # fmt: skip
    assert tool.config_of(tool.START, preset).train_cfg.max_epochs == 9
    for row in trained:
        dataset = tool.config_of(row, preset).train_dataloader.dataset
        offsets = dataset.get('clip_offsets') or [0]
        pair = dataset.get('window', {}).get('type') == 'NearPair'
        assert row.frames == (2 if pair else len(offsets)), row.key


def test_all_learn_hidden_joints_and_are_tested_alike():
    for row in tool.ROWS:
        if row.memory == 'learned':  # its weights are not there
            continue
        cfg = tool.config_of(row, TINY, MEMORIES)
        assert not cfg.model.test_cfg.flip_test, row.key
        assert cfg.test_evaluator.thr == 0.2
        length = cfg.test_dataloader.dataset.get('clip_length')
        whole = row.memory or row.recipe == tool.VIDEO
        assert length == (4 if whole else length) and not cfg.load_from
        if row.memory:
            assert cfg.train_dataloader is None
            assert cfg.model.test_cfg.both_directions == row.lookahead
            continue
        steps = cfg.train_dataloader.dataset.pipeline
        targets = [step for step in steps if 'Target' in step.type]
        if targets[0].type == 'GenerateTarget':
            assert steps[1]['type'] == 'LabeledAsVisible', row.key
        else:
            assert targets[0].occluded_weight == 1, row.key


@pytest.mark.parametrize(
    'key', ['rpstn', 'posewarper', 'posefix', 'rtmpose', 'dsta']
)
def test_full_width(key):
    cfg = config_of(key, TINY._replace(full_width=True))
    assert cfg.model.backbone.base_channels == 64
    if key == 'rtmpose':  # MMPose's numbers for 256 x 256
        assert cfg.model.head.in_featuremap_size == (8, 8)
        assert cfg.model.head.decoder.sigma == 5.66
        gau = cfg.model.head.gau_cfg
        assert (gau.hidden_dims, gau.s) == (256, 128)
    assert cfg.model.head.get('in_channels', 512) in (256, 512)
    decoder = cfg.model.head.decoder
    assert decoder.input_size == (256, 256)
    assert decoder.get('heatmap_size', (64, 64)) == (64, 64)
    small = config_of(key).model
    assert small.head.decoder.input_size == (128, 128)
    text = cfg.test_dataloader.dataset.pipeline
    assert '(128, 128)' not in str(text) and '(256, 256)' in str(text)


def keys_of(*options):
    rows = tool.wanted_rows(tool.parse_args(options))
    return [row.key for row in rows]


def test_rows_of_parts_that_are_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr(tool, 'MEMORIES', dict(mean={}))
    assert set(ROWS) - set(keys_of()) == {'learned', 'learned-both'}
    weights = tmp_path / 'memory.pth'
    weights.write_bytes(b'')
    assert keys_of('--memory-weights', str(weights)) == list(ROWS)
    assert keys_of('--rows', 'rpstn', 'mean') == ['image', 'mean', 'rpstn']
    assert keys_of('--rows', 'rtmpose-both') == [
        'image', 'rtmpose', 'rtmpose-both',
    ]  # fmt: skip


def cells_of(table):
    return [
        [cell.strip() for cell in line.split('|')[1:-1]]
        for line in table.splitlines()
    ]


def test_table_by_hand():
    rows = [ROWS['image'], ROWS['mean'], ROWS['rpstn']]
    kinds = dict(by_thing=60, by_person=20)
    records = dict(
        image=[make_record('image model', 0, 80, 50, hidden=kinds)],
        mean=[
            make_record('mean', 0, 81, hidden=dict(by_thing=70)),
            make_record('mean', 1, 83, hidden=dict(by_thing=74)),
        ],
        rpstn=[],
    )
    cost = dict(
        params=910_000, gmacs_per_frame=0.0574, milliseconds=7.24, delay=0
    )
    head, _, image, mean = cells_of(
        tool.table(rows, records, dict(image=cost))
    )
    assert head[1:4] == ['visible', 'hidden by things', 'hidden by people']
    assert image == [
        'image model', '80.0', '60.0', '20.0', '0.91', '0.057', '7.2', '0',
        'sparse labels', '91.4 (Penn Action, PCK@0.2 torso; in RPSTN)',
    ]  # fmt: skip
    assert mean == [
        '+ mean of heatmaps', '82.0 ± 1.4', '72.0 ± 2.8', '–', '–', '–', '–',
        '–', 'nothing', '–',
    ]  # fmt: skip
    cost['gmacs_per_frame'] = None  # cannot be counted
    text = tool.table(rows[:1], records, dict(image=cost))
    assert cells_of(text)[2][4:8] == ['0.91', '–', '7.2', '0']


@pytest.fixture()
def here(monkeypatch):
    """Runs in this process; a list of their names."""
    calls = []

    def execute(run, bar, label, interrupted):
        calls.append(run.name)
        execution.execute_here(run, label)

    monkeypatch.setattr(side_by_side, 'execute', execute)
    monkeypatch.setitem(tool.PRESETS, 'tiny', TINY)
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    monkeypatch.setattr(stream_cost, 'WARM_UP', 0)
    monkeypatch.setattr(stream_cost, 'TIMED', 1)
    return calls


@pytest.mark.slow
def test_two_rows_and_a_second_call(tmp_path, here, capsys):
    out = tmp_path / 'compare'
    options = ['--preset', 'tiny', '--out', str(out), '--jobs', '1']
    tool.main([*options, '--rows', 'mean-both', 'posefix'])
    assert here == [
        'start of all', 'image model', '+ PoseFix', '+ mean, both directions',
    ]  # fmt: skip
    text = (out / 'table.md').read_text()
    assert text in capsys.readouterr().out
    assert '2 to train on, 2 to test on' in text and 'ONE seed (0)' in text
    with (out / 'results.csv').open(newline='') as file:
        image, mean, posefix = csv.DictReader(file)
    assert image['system'] == 'image model' and image['mPCK_by_person']
    # What is tested as it is has no training and the same weights.
    assert (mean['frame_passes'], mean['train_seconds']) == ('0', '0.0')
    assert mean['params'] == image['params']
    assert (image['stream_delay'], mean['stream_delay']) == ('0', '3')
    # The refiner's cost is on top of the model whose poses it refines.
    for cost in ('params', 'gmacs_per_frame'):
        whole, below = (float(r[f'stream_{cost}']) for r in (posefix, image))
        assert whole > 1.9 * below
    assert cv2.imread(str(out / 'cost.png')).std() > 0

    # Poses of all 8 frames, in pixels of the pictures of 96 x 72.
    poses = json.loads((out / 'image/seed0/poses.json').read_text())
    assert len({pose['image_id'] for pose in poses}) == 8
    assert {pose['image_id'][:4] for pose in poses} == {'0003', '0004'}
    points = np.array([pose['keypoints'] for pose in poses]).reshape(-1, 3)
    assert (np.abs(points[:, :2]) < 200).all() and np.ptp(points[:, 0]) > 5

    here.clear()
    tool.main([*options, '--rows', 'mean-both', 'posefix'])
    assert not here and (out / 'table.md').read_text() == text


def test_wrong_options(tmp_path, capsys):
    for options in (
        ['--seeds', '-1'],
        ['--jobs', '0'],
        ['--rows', 'none'],
        ['--preset', 'none'],
        ['--memory-weights', 'none.pth'],
    ):
        with pytest.raises(SystemExit):
            tool.parse_args(options)
        assert 'error: ' in capsys.readouterr().err
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data/notes.txt').write_text('precious')
    with pytest.raises(SystemExit) as caught:
        tool.main(['--out', str(tmp_path)])
    assert str(caught.value).startswith('compare_systems: ')
    assert 'not empty and not a synthetic data set' in str(caught.value)
