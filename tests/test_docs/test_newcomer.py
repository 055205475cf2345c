# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The guides are followed to the letter: an own data set, a model that is
trained on it, an own video with own boxes."""

import importlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from .newcomer import BOXES, write_all, write_class, write_data
from .pages import ROOT, code_blocks

# Both tools in a process: what is slow is to import everything.
STEPS = f"""
import runpy, sys

def run(tool, *options):
    sys.argv = [{str(ROOT / 'tools')!r} + '/' + tool, *options]
    try:
        runpy.run_path(sys.argv[0], run_name='__main__')
    except SystemExit as end:
        assert not end.code, end.code

run('train.py', 'mine.py')
run('demo/topdown_video_demo.py', 'video.mp4', '--out-dir', 'out',
    '--pose-config', 'mine.py', '--boxes', 'boxes.json',
    '--pose-checkpoint', 'work_dirs/mine/epoch_1.pth')
"""


@pytest.mark.slow
def test_from_own_data_to_own_video(tmp_path):
    write_all(tmp_path)
    done = subprocess.run(
        [sys.executable, '-c', STEPS],
        cwd=tmp_path,
        env=dict(os.environ, PYTHONPATH=f'.{os.pathsep}{ROOT}'),
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr == ''
    assert 'Logging error' not in done.stdout
    assert '4 frames, 2 people, ' in done.stdout
    records = json.loads((tmp_path / 'out/video.json').read_text())
    frames = records['instance_info']
    assert [len(frame['instances']) for frame in frames] == [1, 1, 2, 0]
    for frame, boxes in zip(frames, BOXES):
        found = [person['bbox'][0] for person in frame['instances']]
        assert np.allclose(found, boxes)
    # 12.5 frames a second
    times = [frame['time'] for frame in frames]
    assert times == pytest.approx([0, 0.08, 0.16, 0.24])
    # what the page shows of a frame is what there is
    page = json.loads(code_blocks(ROOT / 'docs/your_video.md', 'json')[0])
    assert set(page) == {'frame_id', 'time', 'instances'} == set(frames[0])
    (person,) = page['instances']
    assert set(person) == set(frames[0]['instances'][0])
    names = {path.name for path in (tmp_path / 'out').iterdir()}
    assert names == {'video.mp4', 'video.json', 'video_trajectories.png'}


def test_the_class_of_the_page(tmp_path, monkeypatch):
    write_class(tmp_path)
    write_data(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module('my_clips')
    try:
        data = module.MyClips('data/mine', split='test', clip_length=3)
        label = json.loads(
            (tmp_path / 'data/mine/test/test1.json').read_text()
        )
        # Two clips of each video of four frames; the last one is moved back.
        assert [data[i]['frame_ids'] for i in range(len(data))] == [
            [0, 1, 2],
            [1, 2, 3],
        ] * 2
        clip = data[3]
        assert clip['video_id'] == 'test1'
        assert [path for path in clip['img_paths']] == [
            f'data/mine/{name}' for name in label['frames'][1:]
        ]
        joints = torch.tensor(label['joints'])[1:]
        assert clip['keypoints'].tolist() == joints[..., :2].tolist()
        # v: 1 is hidden, 0 has no label, 2 is seen
        assert clip['keypoints_visible'][0, :3].tolist() == [0, 0, 1]
        assert clip['keypoints_labeled'][0, :3].tolist() == [1, 0, 1]
        assert clip['bbox'][0].tolist() == [15, 2, 65, 70]
        assert clip['flip_indices'][:3] == [0, 2, 1]
    finally:
        sys.modules.pop('my_clips')
        module.DATASETS.module_dict.pop('MyClips')


def test_the_class_is_as_short_as_told():
    text = code_blocks(ROOT / 'docs/your_data.md', 'python')[0]
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) - lines.index('@DATASETS.register_module()') <= 22


def test_the_model_of_the_page():
    from mmpose.registry import MODELS

    (text, *_) = code_blocks(ROOT / 'docs/your_model.md', 'python')
    name = 'MeanOfFrames'
    before = MODELS.module_dict.pop(name, None)  # of another test
    space = {'__name__': 'page'}
    try:
        exec(text, space)
        assert MODELS.get(name) is space[name]
        level = torch.arange(6.0).reshape(1, 3, 2, 1, 1)
        (mean,) = space[name].combine(None, (level,), (-1, 0, 1))
        # the mean of 0 2 4 and of 1 3 5
        assert mean.flatten().tolist() == [2, 3]
    finally:
        MODELS.module_dict.pop(name, None)
        if before is not None:
            MODELS.module_dict[name] = before


@pytest.mark.parametrize(
    'package, name',
    [
        ('mmpose', 'td-hm_hrnet-w32_8xb64-210e_coco-256x192'),
        ('mmdet', 'rtmdet_m_8xb32-300e_coco'),
        ('mmdet', 'rtmdet_tiny_8xb32-300e_coco'),
    ],
)
def test_public_weights_have_the_names_of_the_page(package, name):
    """The packages' own lists of models, which inferencers look into."""
    module = pytest.importorskip(package)
    assert name in (ROOT / 'docs/your_video.md').read_text()
    from pathlib import Path

    folder = Path(module.__file__).parent / '.mim/configs'
    listed = [
        line
        for path in folder.rglob('*.yml')
        for line in path.read_text().splitlines()
        if name in line and ('.pth' in line or '.py' in line)
    ]
    assert any('.pth' in line for line in listed)
    assert any(f'{name}.py' in line for line in listed)
