# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import runpy
from pathlib import Path

import pytest

TOOL = (
    Path(__file__).resolve().parents[2]
    / 'tools/dataset_converters/make_synthetic_posetrack.py'
)
TINY = ['--num-train', '1', '--num-val', '1', '--num-frames', '2']


@pytest.fixture
def main():
    return runpy.run_path(str(TOOL))['main']


def test_writes_once_and_says_so(main, tmp_path, capsys):
    out = str(tmp_path / 'posetrack')
    options = [*TINY, '--size', '64x48', '--people', '1', '1']
    main([out, *options])
    first = capsys.readouterr().out
    assert '1 train and 1 validation sequences, 4 frames' in first
    # one person, always there, in frame 0 of each
    assert ', 2 labelled poses' in first
    assert (
        tmp_path / 'posetrack/images/val/000002_mpii_test/000001.jpg'
    ).is_file()
    main([out, *options])
    assert 'already complete' in capsys.readouterr().out


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['--num-val', '0'], 'num_val must be at least 1'),
        (['--people', '3', '2'], 'people must be the fewest and the most'),
        (['--walkers', '2'], 'walkers must lie in 0 to 1'),
        (['--workers', '0'], 'num_workers must be at least 1'),
    ],
)
def test_bad_values_exit_with_one_line(main, tmp_path, arguments, message):
    with pytest.raises(SystemExit) as caught:
        main([str(tmp_path / 'out'), *TINY, *arguments])
    text = str(caught.value.code)
    assert message in text and '\n' not in text
    assert text.startswith('make_synthetic_posetrack.py: error: ')


def test_bad_arguments_exit_with_one_line(main, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main([str(tmp_path / 'out'), '--size', '64by48'])
    text = capsys.readouterr().err
    assert caught.value.code == 2
    assert "'64by48' is not WxH" in text and text.count('\n') == 1


def test_folder_below_a_file(main, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(SystemExit, match='make_synthetic_posetrack.py: err'):
        main([str(tmp_path / 'file/out'), *TINY])


def test_help(main, capsys):
    with pytest.raises(SystemExit) as caught:
        main(['--help'])
    assert caught.value.code == 0
    assert '--label-every' in capsys.readouterr().out
