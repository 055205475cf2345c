# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Every tool that loads a checkpoint says in one line what is wrong with it.

What is wrong is tested where it is found (tests/test_engine); here it is how
the tools end.
"""

import os
import sys
from pathlib import Path

import pytest
import torch

from tests.test_apis.detectors import detector_config
from tests.test_apis.tiny import build, pose_config, video_model, write_video
from tests.test_visualization.videos import write_videos

from .load_tool import load_tool

pytest.importorskip('av', reason='PyAV is not installed')


class RunsCode:
    """Pickles as a call that makes a file."""

    def __init__(self, target) -> None:
        self.target = target

    def __reduce__(self):
        return os.system, (f'touch {self.target}',)


# What is done to a good checkpoint, and a part of the line.
FAULTS = {
    'cut short': (None, ' cannot be read as a checkpoint: it is cut short'),
    'damaged': (None, ' is wrong). Copy or download it again'),
    'hostile': (
        lambda c, ran: c['meta'].update(x=RunsCode(ran)),
        ' was refused: it asks for posix.system',
    ),
    'list': (
        lambda c, ran: c.update(state_dict=[1, 2]),
        ' used: state_dict is of type list, not a dict of tensors',
    ),
    'numbers as names': (
        lambda c, ran: c.update(state_dict={1: 2}),
        ' used: state_dict has the name 1, of type int',
    ),
    'NaN': (
        lambda c, ran: next(iter(c['state_dict'].values())).fill_(
            float('nan')
        ),
        ' holds NaN or infinity in ',
    ),
    'whole numbers': (
        lambda c, ran: c.update(
            state_dict={k: v.char() for k, v in c['state_dict'].items()}
        ),
        ' holds int8, ',
    ),
    'no dict': (
        lambda c, ran: c.update(meta=None),
        ' used: meta is of type NoneType, not a dict',
    ),
}


def spoil(good, bad, fault, ran):
    edit = FAULTS[fault][0]
    if edit is None:
        data = bytearray(good.read_bytes())
        if fault == 'damaged':
            data[len(data) // 2] ^= 64
        bad.write_bytes(data if fault == 'damaged' else data[:-1000])
        return
    checkpoint = torch.load(good, weights_only=False)
    edit(checkpoint, ran)
    torch.save(checkpoint, bad)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Two configs, a checkpoint of each, data, a video and the demo's
    output."""
    from mmdet.registry import MODELS as DETECTORS
    from mmdet.utils import register_all_modules
    from mmengine.registry import DefaultScope, init_default_scope

    init_default_scope('mmpose')
    folder = tmp_path_factory.mktemp('refused')
    torch.manual_seed(0)
    config = pose_config(video_model())
    config.custom_imports = dict(
        imports=['rpstn_mmpose'], allow_failed_imports=False
    )
    config.test_dataloader.dataset.update(
        split='test', test_mode=True, data_root=str(folder / 'data')
    )
    config.dump(str(folder / 'pose.py'))
    torch.save(
        dict(meta={}, state_dict=build(video_model()).state_dict()),
        folder / 'good.pth',
    )
    register_all_modules(init_default_scope=False)
    detector_config().dump(str(folder / 'det.py'))
    with DefaultScope.overwrite_default_scope('mmdet'):
        detector = DETECTORS.build(detector_config().model)
    torch.save(
        dict(meta={}, state_dict=detector.state_dict()), folder / 'det.pth'
    )
    write_videos(folder / 'data', {'0001': 5})
    write_video(folder / 'clip.mp4', 5)
    for name in ('demo', 'compare_video', 'visualize_relation'):
        # They do their work where nothing is wrong.
        assert run(name, folder, folder / 'good.pth', folder / 'out') == 0
    return folder


DEVICE = ['--device', 'cpu']
DEMO = ['{f}/clip.mp4', '--pose-config', '{f}/pose.py', '--pose-checkpoint']
# Command line with the folder f, the checkpoint c and the output o, and the
# checkpoint that is spoilt.
TOOLS = {
    'demo': (
        [
            'demo/topdown_video_demo.py',
            *DEMO,
            '{c}',
            '--whole-frame',
            '--out-dir',
            '{o}',
            *DEVICE,
        ],
        'good.pth',
    ),
    'demo, detector': (
        [
            'demo/topdown_video_demo.py',
            *DEMO,
            '{f}/good.pth',
            '--det-config',
            '{f}/det.py',
            '--det-checkpoint',
            '{c}',
            '--out-dir',
            '{o}',
            *DEVICE,
        ],
        'det.pth',
    ),
    'report': (
        [
            'demo/report.py',
            '{f}/out',
            '--video',
            '{f}/clip.mp4',
            '--pose-config',
            '{f}/pose.py',
            '--pose-checkpoint',
            '{c}',
            '--out',
            '{o}/page.html',
            *DEVICE,
        ],
        'good.pth',
    ),
    'compare_video': (
        [
            'analysis_tools/compare_video.py',
            '{f}/pose.py',
            '{c}',
            '--out',
            '{o}/compare.mp4',
            *DEVICE,
        ],
        'good.pth',
    ),
    'occlusion_report': (
        [
            'analysis_tools/occlusion_report.py',
            '{f}/pose.py',
            '{c}',
            '--out',
            '{o}/occluded.json',
            *DEVICE,
        ],
        'good.pth',
    ),
    'visualize_relation': (
        [
            'analysis_tools/visualize_relation.py',
            '{f}/pose.py',
            '{c}',
            '{f}/data/frames/0001',
            '--out',
            '{o}/figure.png',
            *DEVICE,
        ],
        'good.pth',
    ),
    'probe_parts': (
        ['analysis_tools/probe_parts.py', '{f}/pose.py', '{c}'],
        'good.pth',
    ),
    'export_onnx': (
        ['deployment/export_onnx.py', '{f}/pose.py', '{c}', '{o}/onnx'],
        'good.pth',
    ),
    'benchmark': (
        [
            'benchmark.py',
            'inference',
            '--quick',
            '--config',
            '{f}/pose.py',
            '--checkpoint',
            '{c}',
            '--out',
            '{o}',
            *DEVICE,
        ],
        'good.pth',
    ),
    'mpii_sbl_to_rpstn': (
        ['model_converters/mpii_sbl_to_rpstn.py', '{c}', '{o}/new.pth'],
        'good.pth',
    ),
    'rpstn_released_to_mmpose': (
        ['model_converters/rpstn_released_to_mmpose.py', '{c}', '{o}/new.pth'],
        'good.pth',
    ),
}
_LOADED = {}


def run(name, folder, checkpoint, out):
    """Exit status and message of a tool, run in this process."""
    tool, *args = TOOLS[name][0]
    if tool not in _LOADED:
        with pytest.MonkeyPatch.context() as patch:  # where it is run from
            patch.syspath_prepend(
                Path(__file__).resolve().parents[2] / 'tools'
            )
            _LOADED[tool] = load_tool(tool)
    try:
        status = _LOADED[tool].main(
            [part.format(f=folder, c=checkpoint, o=out) for part in args]
        )
    except SystemExit as end:
        # As Python ends: a text goes to stderr, with status 1.
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        status = end.code
    return status or 0


@pytest.mark.parametrize(
    'name, fault',
    [('demo', fault) for fault in FAULTS]
    + [
        (name, fault)
        for name in list(TOOLS)[1:]
        for fault in ('hostile', 'list')
    ],
)
def test_one_line_and_status_1(name, fault, folder, tmp_path, capsys):
    bad, out = tmp_path / 'bad.pth', tmp_path / 'out'
    spoil(folder / TOOLS[name][1], bad, fault, tmp_path / 'ran')
    capsys.readouterr()
    assert run(name, folder, bad, out) == 1
    (line,) = [
        item
        for item in capsys.readouterr().err.splitlines()
        if 'bad.pth' in item or 'Error' in item
    ]
    assert str(bad) in line and FAULTS[fault][1] in line
    assert not (tmp_path / 'ran').exists()
    assert not out.exists() or not any(out.iterdir())
