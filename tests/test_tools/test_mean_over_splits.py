# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import json

import pytest

from tests.test_visualization.test_pck_report import make_result

from .load_tool import load_tool

mean_over_splits = load_tool('analysis_tools/mean_over_splits.py')

FIRST = make_result([90, 80, 70, 60, 50, 40, None, 65], None, 50.0)
SECOND = make_result([96, 83, 70, 63, 53, 43, 30, 68], None, 56.0)
THIRD = make_result([99, 92, 76, 66, 56, 46, 60, 77], None, 62.0)


def write(folder, **results):
    paths = []
    for name, result in results.items():
        result = dict(result)
        result.setdefault('keypoint_names', ['head', 'left_wrist'])
        paths.append(str(folder / f'{name}.json'))
        (folder / f'{name}.json').write_text(json.dumps(result))
    return paths


@pytest.fixture
def files(tmp_path):
    return write(tmp_path, sub1=FIRST, sub2=SECOND, sub3=THIRD)


def test_mean_of_three_by_hand(files, tmp_path, capsys):
    table, out = tmp_path / 'a/mean.md', tmp_path / 'b/mean.json'
    mean_over_splits.main([*files, '--table', str(table), '--out', str(out)])
    printed = capsys.readouterr().out
    assert printed == table.read_text()
    rows = [
        [cell.strip() for cell in line.strip('|').split('|')]
        for line in printed.splitlines()
    ]
    assert [row[0] for row in rows[2:]] == ['sub1', 'sub2', 'sub3', 'mean']
    # Head (90 + 96 + 99) / 3; no ankle was counted in the first split.
    assert rows[-1] == [
        'mean',
        '95.0',
        '85.0',
        '72.0',
        '63.0',
        '53.0',
        '43.0',
        '-',
        '70.0',
        '-',
        '56.0',
    ]
    content = json.loads(out.read_text())
    part = content['norms']['torso']['visible']
    assert part['scores']['Mean'] == pytest.approx(70)
    assert part['sweep']['Mean'] == pytest.approx([35, 70, 100])
    assert content['splits'] == ['sub1', 'sub2', 'sub3']


def test_the_mean_is_itself_a_result(files, tmp_path, capsys):
    """plot_pck.py and this tool take it."""
    out = tmp_path / 'mean.json'
    mean_over_splits.main([*files, '--out', str(out)])
    capsys.readouterr()
    plot_pck = load_tool('analysis_tools/plot_pck.py')
    plot_pck.main([str(out)])
    assert '| 95.0 |' in capsys.readouterr().out


def test_result_given_twice(files):
    with pytest.raises(SystemExit, match='sub1.json is given twice'):
        mean_over_splits.main([files[0], files[1], files[0]])


@pytest.mark.parametrize(
    'key, value',
    [('thr', 0.1), ('keypoint_names', ['nose']), ('thresholds', [0.2])],
)
def test_results_that_do_not_fit(tmp_path, key, value):
    paths = write(tmp_path, a=FIRST, b=dict(SECOND, **{key: value}))
    with pytest.raises(SystemExit, match=f'differ in {key}') as info:
        mean_over_splits.main(paths)
    text = str(info.value.code)
    assert text.startswith('mean_over_splits: ') and '\n' not in text


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['missing.json'], 'missing.json: no such file'),
        (['--norm', 'person'], "has no scores by 'person'"),
        (['--table', 'x.json'], 'must end in .md'),
        (['--out', 'x.md'], 'must end in .json'),
        (['--test', 'no.py', 'no.pth'], 'no.py: no such file'),
    ],
)
def test_bad_input_is_one_line(files, arguments, message):
    with pytest.raises(SystemExit, match=message) as info:
        mean_over_splits.main([*files, *arguments])
    assert '\n' not in str(info.value.code)


def test_one_result_is_no_mean(files, capsys):
    with pytest.raises(SystemExit) as info:
        mean_over_splits.main(files[:1])
    assert info.value.code == 2
    assert 'two results or more' in capsys.readouterr().err


STAND_IN = """
import json, pathlib, sys
config, checkpoint, flag, folder, options, *pairs = sys.argv[1:]
assert (flag, options) == ('--work-dir', '--cfg-options')
pairs = dict(pair.split('=', 1) for pair in pairs)
assert pairs['test_dataloader.dataset.data_root'] == 'other'
text = pathlib.Path(config).read_text()
print('log of', config)
if 'broken' in text:
    sys.exit('ValueError: broken on purpose')
pathlib.Path(pairs['test_evaluator.out_file']).write_text(text)
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Instead of tools/test.py: its result is the config's content."""
    script = tmp_path / 'stand_in.py'
    script.write_text(STAND_IN)
    monkeypatch.setattr(mean_over_splits, 'TEST', script)
    (tmp_path / 'x.pth').write_bytes(b'')
    return ['--data-root', 'other', '--work-dir', str(tmp_path / 'work')], str(
        tmp_path / 'x.pth'
    )


def test_tests_are_run_and_averaged(files, stand_in, tmp_path, capsys):
    options, checkpoint = stand_in
    for path in files:
        options += ['--test', path, checkpoint]
    mean_over_splits.main(options)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith('testing 1 of 3: ') and len(lines) == 9
    assert lines[-1].split('|')[1:3] == [' mean            ', ' 95.0 ']
    assert 'log of' in (tmp_path / 'work/2_sub2.log').read_text()


def test_failed_test_names_its_log(files, stand_in, tmp_path):
    options, checkpoint = stand_in
    (tmp_path / 'bad.py').write_text('broken')
    options += ['--test', str(tmp_path / 'bad.py'), checkpoint]
    with pytest.raises(SystemExit) as info:
        mean_over_splits.main([*files, *options])
    text = str(info.value.code)
    assert 'bad.py failed, see' in text and '1_bad.log: ValueError' in text
    assert '\n' not in text
