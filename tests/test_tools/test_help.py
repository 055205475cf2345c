# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Help of the tools, and what reads JSON, without the heavy packages."""

import json
import subprocess
import sys
from pathlib import Path

from tests.test_evaluation.posetrack_files import pair, person, write
from tests.test_visualization.test_pck_report import FIRST, SECOND

TOOLS = Path(__file__).resolve().parents[2] / 'tools'

# Runs tools as programs in one process; tells what each of them printed and
# how it ended, or what it imported and should not have.
SCRIPT = """
import contextlib, io, json, runpy, sys, traceback

heavy, calls = json.load(sys.stdin)
sys.path.insert(0, TOOLS)
ends = []
for argv in calls:
    sys.argv = argv
    out, end = io.StringIO(), 0
    with contextlib.redirect_stdout(out):
        try:
            runpy.run_path(argv[0], run_name='__main__')
        except SystemExit as error:
            end = error.code or 0
        except BaseException:
            end = traceback.format_exc()
    ends.append([out.getvalue(), sorted(set(heavy) & set(sys.modules)) or end])
json.dump(ends, sys.stdout)
"""


def run_tools(heavy, calls):
    done = subprocess.run(
        [sys.executable, '-c', SCRIPT.replace('TOOLS', repr(str(TOOLS)))],
        input=json.dumps([heavy, calls]),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_help_waits_for_no_heavy_package():
    tools = sorted(
        path for path in TOOLS.rglob('*.py') if '__main__' in path.read_text()
    )
    assert len(tools) > 25
    heavy = ['torch', 'mmengine', 'mmcv', 'mmpose', 'mmdet', 'scipy']
    ends = run_tools(heavy, [[str(path), '--help'] for path in tools])
    wrong = {
        path.name: (text[:80], end)
        for path, (text, end) in zip(tools, ends)
        if end != 0 or not text.startswith(f'usage: {path.name} ')
    }
    assert not wrong


def test_what_reads_json_needs_no_torch(tmp_path):
    for name, content in (('first', FIRST), ('second', SECOND)):
        (tmp_path / f'{name}.json').write_text(json.dumps(content))
    results = [str(tmp_path / f'{name}.json') for name in ('first', 'second')]
    joints = ['nose', 'left_knee', 'right_knee']
    truth, pred = pair(
        [person(1, joints=joints)], [person(1, score=1.0)], num=1
    )
    folders = [write(tmp_path / 'gt', truth), write(tmp_path / 'pred', pred)]
    people = dict(
        meta_info=dict(
            keypoint_id2name={'0': 'left_shoulder', '1': 'right_hip'}
        ),
        instance_info=[
            dict(
                frame_id=0,
                instances=[
                    dict(
                        track_id=1,
                        bbox=[[0, 0, 20, 60]],
                        keypoints=[[19, 10], [1, 34]],
                        keypoints_visible=[1, 1],
                        keypoints_labeled=[1, 1],
                    )
                ],
            )
        ],
    )
    video = tmp_path / 'people.json'
    video.write_text(json.dumps(people))
    calls = [
        ['plot_pck', *results],
        ['mean_over_splits', *results],
        ['posetrack_eval', *map(str, folders)],
        ['score_video', str(video), str(video)],
    ]
    folder = TOOLS / 'analysis_tools'
    ends = run_tools(
        ['torch', 'mmcv', 'mmpose'],
        [[str(folder / f'{name}.py'), *rest] for name, *rest in calls],
    )
    assert [end for _, end in ends] == [0, 0, 0, 0]
    texts = [text.splitlines() for text, _ in ends]
    assert texts[0][2].startswith('| first ')
    assert texts[1][-1].startswith('| mean ')
    assert texts[2][0] == 'Poses, per cent:'
    assert texts[3][-1] == '0 boxes are nobody, in 1 frames'
