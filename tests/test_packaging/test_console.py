# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import sys
from pathlib import Path

import pytest

from rpstn_mmpose import console

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


def test_every_tool_has_a_name_of_its_own():
    commands = console.list_commands()
    tools = {
        path for path in TOOLS.rglob('*.py') if '__main__' in path.read_text()
    }
    assert set(commands.values()) == tools
    for name, path in (
        ('demo', 'demo/topdown_video_demo.py'),
        ('train', 'train.py'),
        ('convert rpstn', 'model_converters/rpstn_released_to_mmpose.py'),
        ('convert mpii-sbl', 'model_converters/mpii_sbl_to_rpstn.py'),
        ('generate penn', 'dataset_converters/make_synthetic_penn.py'),
        ('export-onnx', 'deployment/export_onnx.py'),
    ):
        assert commands[name] == TOOLS / path


@pytest.mark.parametrize('argv', [[], ['--help'], ['-h']])
def test_a_table_with_a_line_each(argv, capsys):
    console.main(argv)
    usage, empty, *lines = capsys.readouterr().out.splitlines()
    assert usage.startswith('usage: rpstn ') and empty == ''
    assert [line[:22].strip() for line in lines] == list(
        console.list_commands()
    )
    assert all(20 < len(line) < 80 for line in lines)


@pytest.mark.parametrize('argv', [['convert'], ['convert', '--help']])
def test_a_table_of_a_group(argv, capsys):
    console.main(argv)
    lines = capsys.readouterr().out.splitlines()[2:]
    assert len(lines) == len(list((TOOLS / 'model_converters').glob('*.py')))
    assert all(line.startswith('  convert ') for line in lines)


@pytest.mark.parametrize(
    'argv, told',
    [
        (['dmeo', 'x.mp4'], "there is no 'dmeo'; the nearest name is 'demo'"),
        (
            ['convert', 'rpsn', 'a', 'b'],
            "there is no 'convert rpsn'; the nearest name is 'convert rpstn'",
        ),
        (['topdown_video_demo'], "there is no 'topdown_video_demo'; the "),
        (['--version'], "there is no '--version'; the nearest name is "),
    ],
)
def test_an_unknown_name_is_one_line(argv, told, capsys):
    with pytest.raises(SystemExit) as caught:
        console.main(argv)
    assert caught.value.code == 2
    line = capsys.readouterr().err
    assert line.startswith(f'rpstn: {told}') and line.count('\n') == 1


@pytest.mark.parametrize(
    'words', [['plot-pck'], ['generate', 'penn']], ids=' '.join
)
def test_a_tool_runs_as_if_called_by_its_path(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['rpstn', *words, '--no-such-option'])
    monkeypatch.setattr(sys, 'path', list(sys.path))
    with pytest.raises(SystemExit) as caught:
        console.main()
    assert caught.value.code == 2
    path = console.list_commands()[' '.join(words)]
    assert sys.argv == [str(path), '--no-such-option']
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f'{path.name}: error: ')


def test_no_tools(monkeypatch, tmp_path):
    monkeypatch.setattr('rpstn_mmpose.recipes._PACKAGE', tmp_path / 'x')
    with pytest.raises(SystemExit, match='rpstn: .*no tools beside .*again'):
        console.main(['demo'])
