# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""``make demo``'s script at its smallest."""
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from .load_tool import load_tool

SCRIPT = Path(__file__).resolve().parents[2] / 'tools/quick_start.py'


def quick_start(folder, *options):
    return subprocess.run(
        [sys.executable, str(SCRIPT), '--out', 'demo', *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600)


@pytest.mark.slow
def test_results_and_second_call(tmp_path):
    size = ('--num-train', '8', '--num-test', '2', '--num-test-frames', '7',
            '--epochs', '1', '--workers', '1')
    done = quick_start(tmp_path, *size)
    assert done.returncode == 0, done.stderr[-3000:]
    for name in ('table.md', 'pck.png', 'comparison.mp4', 'comparison.png'):
        assert (tmp_path / 'demo' / name).stat().st_size > 0
    rows = (tmp_path / 'demo/table.md').read_text().splitlines()
    assert [row.split('|')[1].strip() for row in rows[2:]] == [
        'mean pose', 'SBL-tiny (stage 1)', 'RPSTN-tiny'
    ]
    last = done.stdout.strip().splitlines()[-1]
    found = re.fullmatch(
        r'Results in demo \(table.md, pck.png, comparison.mp4\): RPSTN-tiny '
        r'mPCK@0.2 (\d+\.\d) visible, (\d+\.\d) occluded', last)
    assert found, last

    again = quick_start(tmp_path, *size)
    assert again.stdout.strip().splitlines()[-1] == last
    log = (tmp_path / 'demo/rpstn_tiny/log.txt').read_text()
    assert log.count('Epoch(train)') <= 1  # nothing was trained twice


def test_whole_budget_counts_frame_passes():
    """1 epoch of stage 1; 3 epochs of 5 frames and 1 more frame a clip are
    3.6 epochs; a part of an epoch counts as one, in the baseline's favour."""
    tool = load_tool('quick_start.py')
    image = SimpleNamespace(train_cfg=SimpleNamespace(max_epochs=1))
    clips = SimpleNamespace(dataset=SimpleNamespace(clip_length=5))
    video = SimpleNamespace(
        train_cfg=SimpleNamespace(max_epochs=3), train_dataloader=clips)
    assert tool.whole_budget_epochs(image, video) == 1 + 4


def test_unwritable_folder_is_one_line(tmp_path):
    (tmp_path / 'demo').write_text('a file')
    done = quick_start(tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith('quick_start: ')
