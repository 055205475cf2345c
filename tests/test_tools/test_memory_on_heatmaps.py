# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest
import torch

from rpstn_mmpose.models import LearnedHeatmapMemory

from .load_tool import load_tool

TOOL = load_tool('analysis_tools/memory_on_heatmaps.py')


def write(path, **changes):
    """One joint at column 3 of 16, which somebody at column 10 hides in the
    last two of three frames.
    """
    maps = np.zeros((3, 1, 16, 16))
    maps[:, 0, 8, 3] = 1.0, 0.3, 0.3
    maps[1:, 0, 8, 10] = 0.9
    box, others = np.zeros((3, 4)), np.full((3, 2, 4), np.nan)
    box[:] = 0, 0, 7, 15
    others[:, 1] = 6, 4, 12, 12
    arrays = dict(
        heatmaps=maps,
        keypoints=np.tile([3.5, 8.0], (3, 1, 1)),
        counted=np.ones((3, 1), bool),
        hidden=np.array([[False], [True], [True]]),
        length=2.0,
        box=box,
        others=others,
    )
    arrays.update(changes)
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})
    return str(path)


def table(capsys, *args):
    TOOL.main(list(args))
    rows = capsys.readouterr().out.splitlines()[1:]
    return {row.split(' | ')[0]: row.split(' | ')[1:] for row in rows}


def test_figures_by_hand(tmp_path, capsys):
    """Half a pixel off is 0.25 torsos; with confidence 0 the last two frames
    have 0.65 and 0.475 of the joint beside 0.45 and 0.675 of the other one.
    """
    path = write(tmp_path / 'a.npz')
    options = ['--confidence', '0', '--thr', '0.25']
    rows = table(capsys, path, *options)
    assert rows['per frame'] == ['100.0 (1)', '0.0 (2)']
    assert rows['mean, causal'] == ['100.0 (1)', '50.0 (2)']
    # In both directions 0.475 and 0.3875 beside 0.675 and 0.7875: the frames
    # to come show the other one.
    assert rows['mean, both directions'] == ['100.0 (1)', '0.0 (2)']
    for kind in ('causal', 'both directions'):
        row = rows[f'others shaded, mean, {kind}']
        assert row == ['100.0 (1)', '100.0 (2)']
    unchanged = table(capsys, path, *options, '--others-weight', '1')
    for kind in ('causal', 'both directions'):
        name = f'mean, {kind}'
        assert unchanged[f'others shaded, {name}'] == unchanged[name]
    rows = table(capsys, path, '--confidence', '0')
    assert rows['per frame'] == ['0.0 (1)', '0.0 (2)']


def test_offsets_and_nobody_else(tmp_path, capsys):
    offsets = np.zeros((3, 1, 2, 16, 16))
    offsets[:, :, 0, 8, 3] = 0.5
    nobody = dict(box=None, others=None, hidden=np.zeros((3, 1), bool))
    path = write(tmp_path / 'a.npz', offsets=offsets, **nobody)
    rows = table(capsys, path, '--thr', '0.01', '--confidence', '0')
    assert rows['mean, causal'] == ['66.7 (3)', '-']
    assert rows['others shaded, mean, causal'] == ['66.7 (3)', '-']


def test_a_learned_memory(tmp_path, capsys):
    """One that adds 1 at every pixel of the second of two maps is the mean in
    the places of its peaks; one that adds it in the wrong place is not.
    """
    maps = np.zeros((3, 2, 16, 16))
    maps[:, :, 8, 3] = 0.5
    both = dict(
        heatmaps=maps,
        keypoints=np.tile([3.0, 8.0], (3, 2, 1)),
        counted=np.ones((3, 2), bool),
        hidden=np.zeros((3, 2), bool),
        box=None,
        others=None,
    )
    path = write(tmp_path / 'a.npz', **both)
    memory = LearnedHeatmapMemory(1, channels=2)
    weights = str(tmp_path / 'm.pth')
    rows = {}
    for case in ('start', 'wrong'):
        if case == 'wrong':
            # R at the odd columns and rows of the map's cells.
            memory.corrections.bias.data[7] = 2.0
        torch.save(memory.state_dict(), weights)
        rows[case] = table(capsys, path, '--learned', weights, '--joints', '1')
        assert rows[case]['mean, causal'] == ['100.0 (6)', '-']
    assert rows['start']['learned, causal'] == ['100.0 (6)', '-']
    # The first frame is as it was; in the other two of map 1 a cell's last
    # pixel, in column 1 and row 1, is the first of the highest.
    assert rows['wrong']['learned, causal'] == ['66.7 (6)', '-']
    with pytest.raises(SystemExit):
        TOOL.main([path, '--joints', '1'])


def test_wrong_files(tmp_path):
    for changes, message in (
        (dict(length=None), "a.npz has no 'length'"),
        (dict(hidden=np.zeros((2, 1), bool)), r'hidden must be \(3, 1\)'),
    ):
        with pytest.raises(SystemExit, match=message):
            TOOL.main([write(tmp_path / 'a.npz', **changes)])
