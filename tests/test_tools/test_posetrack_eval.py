# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import json

import pytest

from tests.real_data import require_real_data
from tests.test_evaluation.posetrack_files import pair, person, write

from .load_tool import load_tool

posetrack_eval = load_tool('analysis_tools/posetrack_eval.py')


@pytest.fixture
def folders(tmp_path):
    """Frames 1 to 3, of which the prediction misses the second."""
    joints = ['nose', 'left_knee', 'right_knee']
    truth = [person(i, joints=joints) for i in (1, 2, 3)]
    pred = [person(i, score=1.0) for i in (1, 3)]
    truth, pred = pair(truth, pred, num=3)
    return write(tmp_path / 'gt', truth), write(tmp_path / 'pred', pred)


def test_tables_and_file(folders, tmp_path, capsys):
    out = tmp_path / 'new' / 'result.json'
    posetrack_eval.main([*folders, '--out', str(out)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == 'Poses, per cent:'
    assert lines[1].split() == [
        'Head',
        'Shou',
        'Elb',
        'Wri',
        'Hip',
        'Knee',
        'Ankl',
        'Total',
    ]
    assert lines[2].split() == [
        'AP',
        '-',
        '-',
        '-',
        '-',
        '-',
        '66.7',
        '-',
        '66.7',
    ]
    assert [line.split()[:1] for line in lines[3:]] == [
        ['Precision'],
        ['Recall'],
        [],
        ['Tracking,'],
        ['Head'],
        ['MOTA'],
        ['MOTP'],
        ['Precision'],
        ['Recall'],
    ]
    # Frame 3 is the last: one of two is found, and one false for nobody. Of
    # other joints frame 1's are false, too: 1 - 3 / 1.
    assert lines[8].split()[6:] == ['0.0', '-200.0', '-160.0']

    def reject(name):
        raise ValueError(name)

    result = json.loads(out.read_text(), parse_constant=reject)
    assert result['poses']['ap']['nose'] == pytest.approx(200 / 3)
    assert result['poses']['ap']['left_hip'] is None
    assert result['tracking']['mota']['nose'] == 0


def test_no_figure_where_one_is_refused(tmp_path, capsys):
    """A track twice in a frame: one line, and nothing that looks whole."""
    truth, pred = pair([person(1)], [person(1, score=1.0)] * 2)
    folders = write(tmp_path / 'gt', truth), write(tmp_path / 'pred', pred)
    out = tmp_path / 'result.json'
    with pytest.raises(
        SystemExit,
        match='pred/a.json: track_id 0 is there '
        'twice in image 1 .*; give each',
    ):
        posetrack_eval.main([*folders, '--out', str(out)])
    assert capsys.readouterr().out == '' and not out.exists()
    posetrack_eval.main([*folders, '--no-tracking'])
    assert 'MOTA' not in capsys.readouterr().out


def test_truth_without_head_boxes_is_one_line(tmp_path):
    truth, pred = pair([person(1)], [person(1, score=1.0)])
    del truth['a.json']['annotations'][0]['bbox_head']
    with pytest.raises(
        SystemExit, match="gt/a.json: a person of image 1 has no 'bbox_head'"
    ):
        posetrack_eval.main(
            [write(tmp_path / 'gt', truth), write(tmp_path / 'pred', pred)]
        )


def test_writes_the_official_figures(tmp_path, capsys):
    sample = require_real_data('posetrack_eval_sample')
    out = tmp_path / 'result.json'
    folders = [str(sample / name) for name in ('gt', 'pred')]
    posetrack_eval.main([*folders, '--out', str(out)])
    result = json.loads(out.read_text())
    for part, kind in (('poses', 'AP'), ('tracking', 'MOT')):
        official = json.loads(
            (sample / f'total_{kind}_metrics.json').read_text()
        )
        names = official.pop('names')
        assert set(result[part]) == set(official)
        for key, values in official.items():
            for number, joint in names.items():
                assert result[part][key][joint] == pytest.approx(
                    values[int(number)], abs=1e-3
                )
    assert ' 43.5\n' in capsys.readouterr().out


def test_no_tracking(folders, capsys, tmp_path):
    _, pred = pair([], [person(1, score=1.0)], num=3)
    del pred['a.json']['annotations'][0]['track_id']
    pred = write(tmp_path / 'untracked', pred)
    with pytest.raises(SystemExit, match='predicted person has no track_id'):
        posetrack_eval.main([folders[0], pred])
    capsys.readouterr()
    posetrack_eval.main([folders[0], pred, '--no-tracking'])
    assert 'MOTA' not in capsys.readouterr().out


def test_says_why_there_is_no_tracking_score(tmp_path, capsys):
    truth, pred = pair([person(1)], [person(1, score=1.0)])
    posetrack_eval.main(
        [write(tmp_path / 'gt', truth), write(tmp_path / 'pred', pred)]
    )
    assert 'No sequence has two evaluated' in capsys.readouterr().out


def test_bad_input_is_one_line(folders, tmp_path, capsys):
    gt, pred = folders
    torn = tmp_path / 'torn'
    torn.mkdir()
    (torn / 'a.json').write_text('{"images": [')
    renamed = write(tmp_path / 'renamed', {'b.json': {}})
    for args, message in (
        ((gt, str(tmp_path / 'none')), 'none: no such folder'),
        ((gt, str(torn)), 'a.json: not a complete JSON file'),
        ((gt, renamed), 'renamed: no file a.json'),
        ((gt, pred, '--out', 'x.txt'), 'the name must end in .json'),
    ):
        with pytest.raises(SystemExit) as error:
            posetrack_eval.main(list(args))
        assert str(error.value.code).startswith('posetrack_eval: ')
        assert message in str(error.value.code)
        assert '\n' not in str(error.value.code)


def test_help(capsys):
    with pytest.raises(SystemExit) as error:
        posetrack_eval.main(['--help'])
    assert error.value.code == 0
    assert 'GT_DIR PRED_DIR' in capsys.readouterr().out
