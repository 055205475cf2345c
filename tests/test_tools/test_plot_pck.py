# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import json

import cv2
import pytest

from tests.test_visualization.test_pck_report import FIRST, SECOND

from .load_tool import load_tool

plot_pck = load_tool('analysis_tools/plot_pck.py')


@pytest.fixture
def files(tmp_path):
    paths = []
    for name, result in (('first', FIRST), ('second', SECOND)):
        paths.append(str(tmp_path / f'{name}.json'))
        (tmp_path / f'{name}.json').write_text(json.dumps(result))
    return paths


def test_writes_figure_and_table(files, tmp_path, capsys):
    out, table = tmp_path / 'a' / 'pck.png', tmp_path / 'b' / 'pck.md'
    plot_pck.main(
        [
            *files,
            '--labels',
            'SBL',
            'RPSTN',
            '--out',
            str(out),
            '--table',
            str(table),
        ]
    )
    printed = capsys.readouterr().out
    assert printed == table.read_text()
    lines = printed.splitlines()
    assert len(lines) == 4
    assert lines[2].startswith('| SBL ') and lines[3].startswith('| RPSTN ')
    assert cv2.imread(str(out)).shape == (676, 1625, 3)


def test_labels_default_to_the_files_names(files, capsys):
    plot_pck.main(files)
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith('| first ') and lines[3].startswith('| second')


@pytest.mark.parametrize(
    'extra, message',
    [
        (['--out', 'x.bmp'], 'the name must end in .png'),
        (['--norm', 'person'], "has no scores by 'person'"),
        (['--table', 'x.json'], 'the name must end in .md'),
    ],
)
def test_bad_input_is_one_line(files, extra, message):
    with pytest.raises(SystemExit, match=message) as info:
        plot_pck.main([*files, *extra])
    assert str(info.value.code).startswith('plot_pck: ')
    assert '\n' not in str(info.value.code)


def test_missing_file(tmp_path):
    with pytest.raises(SystemExit, match='plot_pck: .*x.json: no such file'):
        plot_pck.main([str(tmp_path / 'x.json')])


def test_labels_that_do_not_fit(files, capsys):
    with pytest.raises(SystemExit) as info:
        plot_pck.main([*files, '--labels', 'one'])
    assert info.value.code == 2
    assert '2 results but 1 --labels' in capsys.readouterr().err
