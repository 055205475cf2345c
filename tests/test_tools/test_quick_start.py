# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""``make demo``'s script at its smallest."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from .load_tool import load_tool

SCRIPT = Path(__file__).resolve().parents[2] / 'tools/quick_start.py'
TEST = SCRIPT.with_name('test.py')


def quick_start(folder, *options):
    return subprocess.run(
        [sys.executable, str(SCRIPT), '--out', 'demo', *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.mark.slow
def test_results_and_second_call(tmp_path, monkeypatch, capsys):
    """In this process: below, the script starts as one of its own."""
    tool = load_tool('quick_start.py')
    monkeypatch.chdir(tmp_path)
    options = (
        '--out',
        'demo',
        '--num-train',
        '8',
        '--num-test',
        '2',
        '--num-test-frames',
        '7',
        '--epochs',
        '1',
        '--workers',
        '1',
        '--num-pictures',
        '16',
        '--num-crowd-frames',
        '6',
    )
    tool.main(options)
    captured = capsys.readouterr()
    printed = captured.out
    # Nothing but what it should say: no tracebacks, no bars, no warnings.
    # Hardly trained, the detector finds nobody.
    assert captured.err.splitlines() == [
        'topdown_video_demo: no person in any of the 6 frames of '
        'demo/data_crowd/crowd.mp4; look at demo/crowd.mp4, or lower '
        '--bbox-thr'
    ]
    assert len(printed.splitlines()) < 40
    for name in (
        'table.md',
        'pck.png',
        'comparison.mp4',
        'comparison.png',
        'crowd.mp4',
        'crowd.json',
        'crowd_table.md',
    ):
        assert (tmp_path / 'demo' / name).stat().st_size > 0
    rows = (tmp_path / 'demo/table.md').read_text().splitlines()
    assert [row.split('|')[1].strip() for row in rows[2:]] == [
        'mean pose',
        'SBL-tiny (stage 1)',
        'RPSTN-tiny',
    ]
    last = printed.strip().splitlines()[-1]
    found = re.fullmatch(
        r'Results in demo \(table.md, pck.png, comparison.mp4\): RPSTN-tiny '
        r'mPCK@0.2 (\d+\.\d) visible, (\d+\.\d) occluded',
        last,
    )
    assert found, last
    # All four are in the table.
    score = json.loads((tmp_path / 'demo/crowd_score.json').read_text())
    assert score['num_frames'] == 6 and score['all']['frames'] > 0
    people = (tmp_path / 'demo/crowd_table.md').read_text().splitlines()
    assert [row.split('|')[1].strip() for row in people[2:]] == [
        *score['people'],
        'all',
    ]
    assert re.search(
        r'person detector on 2 held-out pictures: AP@0.5 '
        r'\d+\.\d, recall@0.5 \d+\.\d',
        printed,
    )

    tool.main(options)
    assert capsys.readouterr().out.strip().splitlines()[-1] == last
    for stage in ('rpstn_tiny', 'detector'):
        log = (tmp_path / f'demo/{stage}/log.txt').read_text()
        assert log.count('Epoch(train)') <= 1  # nothing was trained twice

    # What is left behind is a config like any other.
    folder = tmp_path / 'demo/rpstn_tiny'
    result = (folder / 'pck.json').read_text()
    (folder / 'pck.json').unlink()
    argv = [TEST, folder / 'config.py', folder / 'epoch_1.pth']
    monkeypatch.setattr(
        sys, 'argv', [*map(str, argv), '--work-dir', str(tmp_path / 'test')]
    )
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(TEST), run_name='__main__')
    assert caught.value.code == 0
    assert (folder / 'pck.json').read_text() == result


def test_whole_budget_counts_frame_passes():
    """1 epoch of stage 1; 3 epochs of 5 frames and 1 more frame a clip are
    3.6 epochs; a part of an epoch counts as one, in the baseline's favour."""
    tool = load_tool('quick_start.py')
    image = SimpleNamespace(train_cfg=SimpleNamespace(max_epochs=1))
    clips = SimpleNamespace(dataset=SimpleNamespace(clip_length=5))
    video = SimpleNamespace(
        train_cfg=SimpleNamespace(max_epochs=3), train_dataloader=clips
    )
    assert tool.whole_budget_epochs(image, video) == 1 + 4


def test_a_demo_that_fails_is_reported(tmp_path, monkeypatch):
    tool = load_tool('quick_start.py')
    failing = tmp_path / 'demo.py'
    failing.write_text('import sys; sys.exit(3)')
    monkeypatch.setattr(tool, 'DEMO', failing)
    # What an earlier run left does not stand for this one's result.
    (tmp_path / 'crowd.json').write_text('{}')
    args = SimpleNamespace(out=tmp_path, num_crowd_frames=2, seed=0)
    with pytest.raises(OSError, match='demo.py ended with status 3'):
        tool.run_crowd(args, ('a.py', 'a.pth'), ('b.py', 'b.pth'))
    assert not (tmp_path / 'crowd.json').exists()


def test_unwritable_folder_is_one_line(tmp_path):
    (tmp_path / 'demo').write_text('a file')
    done = quick_start(tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith('quick_start: ')
