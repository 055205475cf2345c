# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from rpstn_mmpose.visualization import VideoWriter
from tests.real_data import require_case
from tests.test_apis.containers import write
from tests.test_apis.detectors import detector_config
from tests.test_apis.test_video_io import count_with_opencv
from tests.test_apis.test_video_times import MS, PHONE
from tests.test_apis.tiny import (
    build,
    pose_config,
    texture,
    video_model,
    write_video,
)

from .load_tool import load_tool

pytest.importorskip('av', reason='PyAV is not installed')
demo = load_tool('demo/topdown_video_demo.py')
TOOL = Path(__file__).resolve().parents[2] / 'tools/demo'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A config, a checkpoint of its model, and videos."""
    from mmengine.registry import init_default_scope

    init_default_scope('mmpose')
    folder = tmp_path_factory.mktemp('demo')
    config = pose_config(video_model())
    config.custom_imports = dict(
        imports=['rpstn_mmpose'], allow_failed_imports=False
    )
    config.dump(str(folder / 'pose.py'))
    torch.save(
        dict(meta={}, state_dict=build(video_model()).state_dict()),
        folder / 'pose.pth',
    )
    write_video(folder / 'clip.mp4', 8, width=140)
    boxes = [[[5 + 2 * f, 5, 45 + 2 * f, 60]] for f in range(8)]
    (folder / 'boxes.json').write_text(json.dumps(boxes))
    return folder


def arguments(folder, video, *args):
    return [
        str(video),
        '--pose-config',
        str(folder / 'pose.py'),
        '--pose-checkpoint',
        str(folder / 'pose.pth'),
        '--device',
        'cpu',
        *map(str, args),
    ]


def run(folder, out, *args, video=None):
    """Exit status, 0 where the tool returns."""
    try:
        demo.main(
            arguments(
                folder, video or folder / 'clip.mp4', '--out-dir', out, *args
            )
        )
    except SystemExit as end:
        return end.code
    return 0


def records(path):
    return json.loads(Path(path).read_text())['instance_info']


def test_video_poses_and_plot(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)  # a bar
    assert (
        run(
            folder,
            tmp_path,
            '--boxes',
            folder / 'boxes.json',
            '--kpt-thr',
            -100,
            '--smooth',
            '--smooth-boxes',
        )
        == 0
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        'clip.json',
        'clip.mp4',
        'clip_trajectories.png',
    ]
    assert count_with_opencv(tmp_path / 'clip.mp4') == (8, (140, 64), 12.5)
    people = [r['instances'] for r in records(tmp_path / 'clip.json')]
    assert [[i['track_id'] for i in frame] for frame in people] == [[0]] * 8
    assert cv2.imread(str(tmp_path / 'clip_trajectories.png')).size > 10**5
    printed = capsys.readouterr()
    assert '8 frames, 1 people, ' in printed.out
    assert 'frames a second' in printed.out and 'wrote ' in printed.out
    assert '8/8' in printed.err and 'frame/s' in printed.err

    # Its own predictions are boxes for another run.
    again = tmp_path / 'again'
    assert (
        run(
            folder,
            again,
            '--boxes',
            tmp_path / 'clip.json',
            '--reset-interval',
            0,
            '--max-frames',
            3,
        )
        == 0
    )
    first = [r['instances'][0]['bbox'] for r in records(again / 'clip.json')]
    assert first == [frame[0]['bbox'] for frame in people[:3]]


def test_a_faster_model_finds_the_same(folder, tmp_path, monkeypatch):
    """--compile without inductor, which would take a minute."""
    compiled = []

    def compiler(function, **_):
        compiled.append(function)
        return function

    monkeypatch.setattr(torch, 'compile', compiler)
    options = {
        'plain': [],
        'fast': ['--fast', 'float32'],
        'compiled': ['--compile'],
        'half': ['--fast', 'bfloat16'],
    }
    found = {}
    for name, args in options.items():
        assert run(folder, tmp_path / name, '--whole-frame', *args) == 0
        assert bool(compiled) == (name == 'compiled')
        compiled.clear()
        found[name] = np.array(
            [
                r['instances'][0]['keypoint_scores']
                for r in records(tmp_path / name / 'clip.json')
            ]
        )
    for name in ('fast', 'compiled'):
        np.testing.assert_allclose(
            found[name], found['plain'], rtol=1e-4, atol=1e-4
        )
    assert abs(found['half'] - found['plain']).max() > 1e-4


def test_a_folder_with_a_damaged_frame(folder, tmp_path, capsys):
    frames = tmp_path / 'frames'
    frames.mkdir()
    for index in range(4):
        cv2.imwrite(
            str(frames / f'{index}.png'),
            np.full((48, 64, 3), 60 * index, np.uint8),
        )
    (frames / '2.png').write_bytes(b'broken')
    for video in (frames, frames / '*.png'):
        out = tmp_path / 'out'
        assert run(folder, out, '--whole-frame', '--fps', 10, video=video) == 0
        assert count_with_opencv(out / 'frames.mp4') == (4, (64, 48), 10)
        damaged = [r.get('damaged') for r in records(out / 'frames.json')]
        assert damaged == [None, None, True, None]
        assert '1 of 4 frames of' in capsys.readouterr().err


def test_a_video_cut_off_in_the_middle(folder, tmp_path, capsys):
    path = write_video(tmp_path / 'cut.mp4', 60)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4])
    assert run(folder, tmp_path / 'out', '--whole-frame', video=path) == 0
    count = count_with_opencv(tmp_path / 'out/cut.mp4')[0]
    assert 3 < count < 57
    assert len(records(tmp_path / 'out/cut.json')) == count
    said = [
        line
        for line in capsys.readouterr().err.splitlines()
        if 'is cut off' in line
    ]
    assert len(said) == 1 and f'{count} of 60 frames could be read' in said[0]


def test_a_detector(folder, tmp_path, capsys):
    pytest.importorskip('mmdet', reason='MMDetection is not installed')
    detector_config().dump(str(tmp_path / 'det.py'))
    for tracker in ('motion', 'byte'):
        # Untrained, it sees nobody above the default score.
        assert (
            run(
                folder,
                tmp_path / 'out',
                '--det-config',
                tmp_path / 'det.py',
                '--bbox-thr',
                0.9,
                '--tracker',
                tracker,
            )
            == 1
        )
        assert 'no person in any of the 8 frames of' in (
            capsys.readouterr().err
        )
    assert (
        run(
            folder,
            tmp_path / 'out',
            '--det-config',
            tmp_path / 'det.py',
            '--bbox-thr',
            0.01,
            '--batch-size',
            3,
        )
        == 0
    )
    detector_config(('dog',)).dump(str(tmp_path / 'dog.py'))
    message = run(
        folder, tmp_path / 'dog', '--det-config', tmp_path / 'dog.py'
    )
    assert 'dog.py has no person class: its 1 classes are dog' in message
    assert '\n' not in message and list((tmp_path / 'dog').iterdir()) == []


def no_frames(path):
    """An .mp4 with a video stream and no frame in it."""
    import av

    with av.open(str(path), mode='w') as container:
        stream = container.add_stream('libx264', rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuv420p'
        container.start_encoding()
    assert path.stat().st_size > 0
    return path


@pytest.mark.parametrize(
    'name, message',
    [
        ('no.mp4', 'no.mp4: no such video, folder or pattern'),
        ('text.mp4', 'text.mp4 is not a video'),
        ('empty.mp4', 'empty.mp4 is an empty file, not a video'),
        ('none.mp4', r'none(.mp4)?\W.*(no frame|not a video|has no video)'),
        ('folder', 'the folder has no images'),
        ('99', 'camera 99 cannot be opened'),
    ],
)
def test_bad_input_is_one_line(folder, tmp_path, name, message):
    (tmp_path / 'text.mp4').write_text('no video\n' * 300)
    (tmp_path / 'empty.mp4').write_bytes(b'')
    (tmp_path / 'folder').mkdir()
    no_frames(tmp_path / 'none.mp4')
    video = name if name.isdigit() else tmp_path / name
    status = run(folder, tmp_path / 'out', '--whole-frame', video=video)
    assert isinstance(status, str) and '\n' not in status
    import re

    assert re.search(message, status), status
    out = tmp_path / 'out'
    assert not out.exists() or list(out.iterdir()) == []


def test_bad_output_boxes_and_weights_are_one_line(folder, tmp_path):
    (tmp_path / 'file').write_text('')
    (tmp_path / 'bad.json').write_text('{')
    (tmp_path / 'odd.json').write_text('{"a": 1}')
    (tmp_path / 'few.json').write_text('[[], []]')
    for out, args, message in (
        ('file', ['--whole-frame'], 'its folder is a file'),
        ('out', ['--boxes', tmp_path / 'no.json'], 'no such file of boxes'),
        ('out', ['--boxes', tmp_path / 'bad.json'], 'bad.json is not JSON'),
        ('out', ['--boxes', tmp_path / 'odd.json'], 'holds no boxes by frame'),
        (
            'out',
            ['--boxes', tmp_path / 'few.json'],
            'few.json has boxes for 2 frames, but',
        ),
        (
            'out',
            ['--whole-frame', '--pose-checkpoint', tmp_path / 'n.pth'],
            'n.pth: no such checkpoint file',
        ),
        (
            'out',
            ['--whole-frame', '--pose-config', 'no-such-model'],
            'no-such-model',
        ),
    ):
        status = run(folder, tmp_path / out, *args)
        assert isinstance(status, str) and message in status
        assert '\n' not in status


def test_the_input_is_not_overwritten(folder, tmp_path):
    path = write_video(tmp_path / 'a.mp4', 3)
    before = path.read_bytes()
    status = run(folder, tmp_path, '--whole-frame', video=path)
    assert 'a.mp4 is the input; choose another --out-dir' in status
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    'args, message',
    [
        (
            ['v', '--input', '0', '--whole-frame'],
            'either as VIDEO or as --input',
        ),
        (['v'], 'give one of --det-config, --boxes and --whole-frame'),
        (['v', '--whole-frame', '--boxes', 'b'], 'give one of --det-config'),
        (
            ['v', '--whole-frame', '--reset-interval', 'x'],
            "a number or 'clip'",
        ),
        (
            ['v', '--whole-frame', '--bbox-thr', '0.5'],
            '--bbox-thr needs --det-config or --boxes',
        ),
        (
            ['v', '--whole-frame', '--nms-thr', '0.3'],
            '--nms-thr needs --det-config or --boxes',
        ),
        (
            ['v', '--whole-frame', '--boxes-first-frame', '1'],
            '--boxes-first-frame needs --boxes',
        ),
        (
            ['v', '--boxes', 'b', '--det-checkpoint', 'c'],
            '--det-checkpoint needs --det-config',
        ),
        (
            ['v', '--whole-frame', '--det-cat-ids', '0'],
            '--det-cat-ids needs --det-config',
        ),
        (
            ['v', '--whole-frame', '--batch-size', '4'],
            '--batch-size needs --det-config',
        ),
        (
            ['v', '--whole-frame', '--tracker', 'motion'],
            '--tracker does nothing with --whole-frame, which is one person',
        ),
        (['v', '--whole-frame', '--draw-3d'], '--draw-3d needs --lifter'),
        (
            ['v', '--whole-frame', '--smooth-boxes'],
            '--smooth-boxes does nothing with --whole-frame, whose box stays',
        ),
    ],
)
def test_usage_errors(args, message, capsys):
    with pytest.raises(SystemExit) as info:
        demo.main([*args, '--pose-config', 'p', '--out-dir', 'o'])
    assert info.value.code == 2 and message in capsys.readouterr().err


def found_people(folder, out, boxes, *args):
    """Ids and boxes by frame in walk.mp4 of the case."""
    case = require_case('boxes_with_scores')
    status = run(folder, out, '--boxes', boxes, *args, video=case / 'walk.mp4')
    assert status == 0
    return [
        [(p['track_id'], p['bbox'][0]) for p in record['instances']]
        for record in records(out / 'walk.json')
    ]


def test_thresholds_of_boxes_that_are_given(folder, tmp_path):
    """They were ignored, and seven people found where there is one."""
    boxes = require_case('boxes_with_scores') / 'detections.json'
    limits = ('--bbox-thr', 0.5, '--nms-thr', 0.3)
    found = found_people(folder, tmp_path, boxes, *limits)
    assert found == [[(0, [8 + 3 * k, 15, 30 + 3 * k, 82])] for k in range(6)]


def test_ids_of_boxes_that_are_given(folder, tmp_path):
    boxes = require_case('boxes_with_scores') / 'with_ids.json'
    for args, expected in (([], 7), (['--tracker', 'motion'], 0)):
        found = found_people(folder, tmp_path / str(expected), boxes, *args)
        assert [[key for key, _ in people] for people in found] == (
            [[expected]] * 6
        )


def test_a_memory_on_an_image_recipe_is_one_line(folder, tmp_path):
    """And what it says helps."""
    model = video_model(
        neck=None,
        initializer='features',
        memory=dict(type='RecursiveHeatmapMean'),
    )
    config = pose_config(model, clip_length=1)
    config.custom_imports = dict(
        imports=['rpstn_mmpose'], allow_failed_imports=False
    )
    config.dump(str(tmp_path / 'memory.py'))
    torch.save(
        dict(meta={}, state_dict=build(model).state_dict()),
        tmp_path / 'memory.pth',
    )
    args = (
        '--whole-frame',
        '--pose-config',
        tmp_path / 'memory.py',
        '--pose-checkpoint',
        tmp_path / 'memory.pth',
        '--max-frames',
        3,
    )
    status = run(folder, tmp_path / 'out', *args)
    assert isinstance(status, str) and '\n' not in status
    assert 'memory.py: reset_interval=' in status
    assert 'set reset_interval to 0 (never)' in status
    assert list((tmp_path / 'out').glob('*')) == []
    assert run(folder, tmp_path / 'out', *args, '--reset-interval', 0) == 0


@pytest.mark.parametrize('times', [1, 2])
def test_sigterm_and_a_second_signal(
    folder, tmp_path, capsys, monkeypatch, times
):
    """The first ends after the frame, the second at once."""
    from rpstn_mmpose.apis import TrajectoryRecorder

    add = TrajectoryRecorder.add

    def add_and_kill(self, frame, people, seconds):
        add(self, frame, people, seconds)
        if frame == 2:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(TrajectoryRecorder, 'add', add_and_kill)
    before = signal.getsignal(signal.SIGTERM)
    assert run(folder, tmp_path, '--whole-frame') == 130
    assert signal.getsignal(signal.SIGTERM) is before
    said = ['stopped after 3 frames', 'interrupted'][times - 1]
    assert f'topdown_video_demo: {said}' in capsys.readouterr().err
    assert len(records(tmp_path / 'clip.json')) == 3
    assert count_with_opencv(tmp_path / 'clip.mp4')[0] == 3
    assert not list(tmp_path.glob('.*'))


def test_ctrl_c_leaves_complete_files(folder, tmp_path):
    """In a process of its own; slow because that has to import torch."""
    with VideoWriter(tmp_path / 'long.mp4', fps=20) as video:
        for index in range(2000):
            video.write(np.full((64, 96, 3), index % 200, np.uint8))
    out = tmp_path / 'out'
    process = subprocess.Popen(
        [
            sys.executable,
            str(TOOL / 'topdown_video_demo.py'),
            *arguments(
                folder,
                tmp_path / 'long.mp4',
                '--whole-frame',
                '--out-dir',
                out,
                '--kpt-thr',
                -100,
            ),
        ],
        cwd=str(TOOL.parents[1]),
        env=dict(os.environ, PYTHONPATH=str(TOOL.parents[1])),
        stderr=subprocess.PIPE,
        text=True,
    )
    part = out / '.long.json.part'
    try:
        deadline = time.time() + 120
        while time.time() < deadline and process.poll() is None:
            if part.exists() and part.read_bytes().count(b'"frame_id"') > 4:
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        error = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    assert process.returncode == 130, error
    assert 'stopped after' in error and 'Traceback' not in error
    found = records(out / 'long.json')
    assert 5 <= len(found) < 2000
    assert count_with_opencv(out / 'long.mp4') == (len(found), (96, 64), 20)
    assert (out / 'long_trajectories.png').stat().st_size > 10**4
    assert len(list(out.iterdir())) == 3


def test_two_runs_into_one_folder(folder, tmp_path, monkeypatch):
    """The second begins and ends while the first one is at its frame 2."""
    from rpstn_mmpose.apis import TrajectoryRecorder

    add = TrajectoryRecorder.add
    counts = []

    def add_and_run(self, frame, people, seconds):
        add(self, frame, people, seconds)
        if frame == 2 and not counts:
            counts.append(0)
            assert (
                run(folder, tmp_path, '--whole-frame', '--max-frames', 4) == 0
            )
            counts[0] = len(records(tmp_path / 'clip.json'))
            counts.append(count_with_opencv(tmp_path / 'clip.mp4')[0])

    monkeypatch.setattr(TrajectoryRecorder, 'add', add_and_run)
    assert run(folder, tmp_path, '--whole-frame') == 0
    assert counts == [4, 4]
    assert len(records(tmp_path / 'clip.json')) == 8
    assert count_with_opencv(tmp_path / 'clip.mp4')[0] == 8
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        'clip.json',
        'clip.mp4',
        'clip_trajectories.png',
    ]


CLOSED = """
import importlib.util, os, signal, sys, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
spec = importlib.util.spec_from_file_location('demo', sys.argv[1])
demo = importlib.util.module_from_spec(spec)
spec.loader.exec_module(demo)
with demo.StopRequest() as stop:
    print('ready', flush=True)
    end = time.time() + 20
    while not stop.asked and time.time() < end:
        time.sleep(0.01)
    # What would be an error on a terminal that is gone.
    print('after', flush=True)
    print('after', file=sys.stderr, flush=True)
open(sys.argv[2], 'w').write(f'stopped {stop.asked}')
"""


def test_closing_the_terminal(tmp_path):
    """In a session of its own, whose terminal goes."""
    pty = pytest.importorskip('pty', reason='there are no terminals here')
    done = tmp_path / 'done.txt'
    process, terminal = pty.fork()
    if not process:
        os.execv(
            sys.executable,
            [
                sys.executable,
                '-c',
                CLOSED,
                str(TOOL / 'topdown_video_demo.py'),
                str(done),
            ],
        )
    assert b'ready' in os.read(terminal, 1000)
    os.close(terminal)
    assert os.waitpid(process, 0)[1] == 0
    assert done.read_text() == 'stopped True'


def test_hangups_that_are_ignored_stay_so():
    """As nohup wants it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with demo.StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        assert not stop.asked
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with demo.StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            deadline = time.time() + 5
            while not stop.asked and time.time() < deadline:
                time.sleep(0.01)
        assert stop.asked
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_cuts_and_how_to_leave_them_out(folder, tmp_path, capsys):
    path = tmp_path / 'cut.mp4'
    with VideoWriter(path) as video:
        for index in range(16):
            shot = texture(64, 96, seed=index // 8) // (1 + index // 8)
            video.write(np.roll(shot, 2 * index, axis=1))
    for args, ids in (([], [0, 1]), (['--no-cuts'], [0])):
        out = tmp_path / f'out{len(args)}'
        assert run(folder, out, '--whole-frame', *args, video=path) == 0
        people = [r['instances'] for r in records(out / 'cut.json')]
        assert sorted({i['track_id'] for f in people for i in f}) == ids
        assert ('2 shots' in capsys.readouterr().out) == (not args)


def test_times_are_in_the_records_and_the_plot(folder, tmp_path, monkeypatch):
    from rpstn_mmpose.apis import TrajectoryRecorder

    seen = []
    monkeypatch.setattr(
        TrajectoryRecorder,
        'plot',
        lambda self, *_, **__: seen.extend(self.paths[0].times),
    )
    path = write(tmp_path / 'a.mkv', times=PHONE, tick=MS)
    assert run(folder, tmp_path / 'out', '--whole-frame', video=path) == 0
    times = [r['time'] for r in records(tmp_path / 'out/a.json')]
    assert times == seen == pytest.approx(np.array(PHONE) / 1000)
