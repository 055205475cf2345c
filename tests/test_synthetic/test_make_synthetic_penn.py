# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import runpy
from pathlib import Path

import pytest

TOOL = (
    Path(__file__).resolve().parents[2]
    / 'tools/dataset_converters/make_synthetic_penn.py'
)
TINY = ['--num-train', '1', '--num-test', '1', '--num-frames', '2']


@pytest.fixture
def main():
    return runpy.run_path(str(TOOL))['main']


def test_writes_once_and_says_so(main, tmp_path, capsys):
    out = str(tmp_path / 'penn')
    main([out, *TINY, '--size', '64x48'])
    first = capsys.readouterr().out
    assert '1 train and 1 test videos, 4 frames' in first
    assert (tmp_path / 'penn/frames/0002/000002.jpg').is_file()
    main([out, *TINY, '--size', '64x48'])
    assert 'already complete' in capsys.readouterr().out


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['--num-train', '0'], 'num_train must be at least 1'),
        (['--workers', '0'], 'num_workers must be at least 1'),
        (['--trajectories', 'nowhere'], "no such folder 'nowhere'"),
        (['--max-frames', '3'], 'max_frames is for trajectories'),
    ],
)
def test_bad_values_exit_with_one_line(main, tmp_path, arguments, message):
    with pytest.raises(SystemExit) as caught:
        main([str(tmp_path / 'out'), *arguments])
    text = str(caught.value.code)
    assert message in text and '\n' not in text
    assert text.startswith('make_synthetic_penn.py: error: ')


def test_other_settings_exit_with_one_line(main, tmp_path):
    out = str(tmp_path / 'penn')
    main([out, *TINY, '--labels-only'])
    with pytest.raises(SystemExit, match=r'other settings \(seed\)'):
        main([out, *TINY, '--labels-only', '--seed', '3'])


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['--size', '64by48'], "'64by48' is not WxH"),
        (['--difficulty', 'brutal'], "invalid choice: 'brutal'"),
        (['--num-frames', 'ten'], "invalid int value: 'ten'"),
    ],
)
def test_bad_arguments_exit_with_one_line(
    main, tmp_path, arguments, message, capsys
):
    with pytest.raises(SystemExit) as caught:
        main([str(tmp_path / 'out'), *arguments])
    text = capsys.readouterr().err
    assert caught.value.code == 2
    assert message in text and text.count('\n') == 1


def test_unwritable_folder(main, tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(SystemExit, match='Not a directory'):
        main([str(tmp_path / 'file' / 'out'), *TINY])


def test_folder_below_a_file(main, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(SystemExit, match='make_synthetic_penn.py: error: '):
        main([str(tmp_path / 'file/out'), *TINY])


def test_help(main, capsys):
    with pytest.raises(SystemExit) as caught:
        main(['--help'])
    assert caught.value.code == 0
    assert '--trajectories' in capsys.readouterr().out
