# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmpose.registry import MODELS

from tests.test_models.conftest import tiny_video_model
from tests.test_speed.stand_in_gpu import Gpu, TrainingGpu
from tests.test_systems.test_anatomy3d.released_anatomy3d import (
    Released,
    released_state,
)
from tests.test_systems.test_anatomy3d.test_released_weights import lifter
from tests.test_systems.test_posewarper.tiny import build as posewarper

from .load_tool import load_tool

with pytest.MonkeyPatch.context() as patch:  # where a script is run from
    patch.syspath_prepend(Path(__file__).resolve().parents[2] / 'tools')
    benchmark = load_tool('benchmark.py')
    from benchmarks import feed
    from benchmarks.bench import PeakMemory
    from benchmarks.data import frames_of, lazily, shrunk, with_reduction
    from benchmarks.inference import (
        recorded,
        run_streaming,
        stream,
        whole_frames,
    )
    from benchmarks.lifter import frame_by_frame, random_people
    from benchmarks.models import random_clips, released_arrangement, settle
    from benchmarks.training import run_train
    from benchmarks.windows import five_passes, next_pose


@pytest.fixture
def clock(monkeypatch):
    """A bench whose clock stands still unless a function moves it."""
    args = benchmark.parse_args(['--repeats', '3', '--warmup', '1'])
    bench = benchmark.Bench(args)
    time = SimpleNamespace(now=0.0)
    monkeypatch.setattr(bench, 'now', lambda: time.now)
    return bench, time


def test_ratio_is_that_of_the_medians(clock):
    """Rounds of 9, 4, 5 and of 2, 3, 1 seconds after the warm-up: medians 5
    and 2. The second does two units a call: 1 second each, 5 times."""
    bench, time = clock
    calls = []

    def takes(name, *seconds):
        rounds = iter((100.0,) + seconds)

        def function():
            calls.append(name)
            time.now += next(rounds)

        return function

    times = bench.compare(
        'b',
        'c',
        {'slow': takes('slow', 9, 4, 5), 'fast': takes('fast', 2, 3, 1)},
        units=dict(fast=2),
        errors=dict(fast=0.5),
        memory=False,
    )
    assert times == dict(slow=5, fast=1)
    assert calls == ['slow', 'fast'] * 4
    slow, fast = bench.rows
    assert (slow['ms'], slow['ratio'], slow['error']) == (5000, 1, None)
    assert (fast['ms'], fast['ratio'], fast['error']) == (1000, 5, 0.5)


def test_peak_memory_sees_what_is_gone_again():
    with PeakMemory('cpu') as before:
        pass
    with PeakMemory('cpu') as watch:
        torch.ones(64, 2**20)  # 256 MB
    if not watch.peak:
        pytest.skip('no /proc to read the resident memory from')
    assert 200 < watch.peak - before.peak < 400


def test_released_arrangement_is_the_same_function():
    torch.manual_seed(0)
    model = MODELS.build(tiny_video_model()).eval()
    clips = random_clips(model, 2, 4)
    assert clips.shape == (2, 4, 3, 64, 64)
    settle(model, clips)
    seen = []
    model.backbone.register_forward_hook(
        lambda module, args, out: seen.append(len(args[0]))
    )
    with torch.no_grad():
        expected = model(clips, None, mode='tensor')
        got = released_arrangement(model, clips)
    assert seen == [8, 2, 2, 2, 2]
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    state, error = stream(model, clips, expected)
    assert error < 1e-5
    torch.testing.assert_close(state.heatmaps, expected[:, -1])
    # settled: heatmaps of the size that a trained model's have
    assert 0.1 < expected[:, 0].abs().max() < 10


def test_a_window_in_a_stream_is_the_same_function():
    """With one frame instead of five through the image model, and four pairs
    instead of five through the warper."""
    model = posewarper()
    clips = random_clips(model, 2, 5)
    frames, pairs = [], []
    model.backbone.register_forward_pre_hook(
        lambda _, args: frames.append(len(args[0]))
    )
    model.warper.offset_feats.register_forward_pre_hook(
        lambda _, args: pairs.append(len(args[0]))
    )
    with torch.no_grad():
        expected = five_passes(model, clips)
        kept = model.extract_feat(clips[:, :-1])[0].unbind(1)
        next_pose(model, clips[:, -1], kept)
        assert frames == [10, 8, 2]
        assert pairs == [2, 2, 2, 2, 2, 1, 8]
        pairs.clear()
        got = next_pose(model, clips[:, -1], kept)
        assert pairs == [8]
        whole = model(clips, None, mode='tensor')
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(whole, expected, rtol=1e-4, atol=1e-5)


def test_the_loop_over_frames_is_the_published_arithmetic():
    """With one start of the second sub-network for each of 3 frames."""
    from rpstn_mmpose.systems.anatomy3d.released_weights import (
        convert_released,
    )

    state = released_state(6, 2)
    model = lifter(3, False)
    model.load_state_dict(convert_released(state).state_dict)
    people = random_people(1, 29)
    assert people[..., :2].min() < -0.9 and people[..., 2].min() >= 0
    starts = []
    model.backbone.refining_blocks[0][1].register_forward_hook(
        lambda *_: starts.append(1)
    )
    with torch.no_grad():
        found = frame_by_frame(model, people)
    assert len(starts) == 3
    expected = Released(state, 2, causal=False)(people[0].double())
    torch.testing.assert_close(
        found[0].double(), expected, rtol=1e-4, atol=1e-4
    )


def test_lifter(tmp_path):
    args = ['lifter', '--quick', '--repeats', '1', '--batch-sizes', '1', '2']
    assert benchmark.main([*args, '--out', str(tmp_path)]) == 0
    loop, whole, one, two = json.loads(
        (tmp_path / 'benchmark.json').read_text()
    )['results']
    assert loop['ratio'] == 1 and whole['error'] < 1e-4
    assert 'a window of 27' in whole['case']
    assert [row['variant'] for row in (one, two)] == ['a person'] * 2


def test_frames_of_a_stream_as_recordings(monkeypatch):
    """On a stand-in that runs the function again."""
    from rpstn_mmpose.speed import cuda_graph

    monkeypatch.setattr(
        cuda_graph,
        'capture',
        lambda function, inputs: (function(*inputs), lambda: None),
    )
    torch.manual_seed(0)
    model = MODELS.build(tiny_video_model()).eval()
    clips = random_clips(model, 2, 2)
    settle(model, clips)
    bench = benchmark.Bench(benchmark.parse_args([]))
    with torch.no_grad():
        expected = model(clips, None, mode='tensor')
        frames = whole_frames(bench, dict(fast=model, other=model))
        assert list(frames) == ['fast, graph']
        following, error = recorded(
            frames['fast, graph'], model, clips, expected
        )
        assert error < 1e-5
        maps, state = following()
    assert maps.shape == expected[:, 0].shape and state.heatmaps is maps


def as_on_a_gpu(monkeypatch, argv):
    """A bench of a command's words that takes the CPU for a GPU."""
    monkeypatch.setattr(torch.cuda, 'synchronize', lambda: None)
    quick = ['--quick', '--repeats', '1', '--warmup', '0']
    args = benchmark.parse_args([*argv, *quick])
    bench = benchmark.Bench(args)
    assert bench.cuda
    args.device = 'cpu'
    return bench


@pytest.mark.parametrize('broken', ['', 'capture'])
def test_training_steps_of_a_gpu(monkeypatch, capsys, broken):
    """The documented command; the graph's losses are those without one."""
    TrainingGpu(monkeypatch).broken = broken
    command = 'train --device cuda --half --train-batch 1 --only'
    bench = as_on_a_gpu(
        monkeypatch, [*command.split(), 'at once', 'fast, bfloat16']
    )
    run_train(bench)
    rows = {row['variant']: row for row in bench.rows}
    graph = ['fast, bfloat16, graph'] * (not broken)
    assert list(rows) == [
        'baseline',
        'all frames at once',
        'fast, bfloat16',
        *graph,
    ]
    assert {row['case'] for row in bench.rows} == {'1 x 5 frames'}
    assert bench.unknown == []
    plain = rows['fast, bfloat16']['error']
    for name in graph:
        assert rows[name]['error'] == pytest.approx(plain, rel=1e-3)
    told = [
        line
        for line in capsys.readouterr().out.splitlines()
        if 'left out' in line
    ]
    assert told == [
        'fast, bfloat16, graph: left out without a graph: operation not '
        'permitted when capturing'
    ] * bool(broken)


def test_stream_of_a_gpu(monkeypatch):
    """The documented command, of plain and of compiled kernels."""
    gpu = Gpu(monkeypatch)
    gpu.compiles(monkeypatch)
    command = 'streaming --device cuda --half --compile --batch-sizes 1 --only'
    bench = as_on_a_gpu(
        monkeypatch,
        [*command.split(), 'bfloat16, graph', 'bfloat16, compiled graph'],
    )
    run_streaming(bench)
    assert [row['variant'] for row in bench.rows] == [
        'baseline',
        'fast, bfloat16, graph',
        'fast, bfloat16, compiled graph',
    ]
    assert bench.unknown == []
    assert all(row['error'] < 0.2 for row in bench.rows[1:])


def test_feed_of_a_gpu(monkeypatch):
    """Its loader pins memory, and the step at the end has the batch of the
    loader."""
    bench = as_on_a_gpu(
        monkeypatch, ['feed', '--device', 'cuda', '--train-batch', '8', '32']
    )
    made = []
    monkeypatch.setattr(
        'mmengine.runner.Runner.build_dataloader',
        lambda loader, seed: made.append(loader),
    )
    feed.make_loader(bench, 'folder', 3, 'stack_in_worker', 32)
    (loader,) = made
    assert loader.pin_memory and loader.num_workers == 3
    assert loader.batch_size == 32
    assert loader.collate_fn == dict(type='stack_in_worker')
    assert loader.dataset.data_root == 'folder'


def test_parts_of_no_name_are_told():
    bench = benchmark.Bench(
        benchmark.parse_args(['--only', 'graph', 'grahp', 'half'])
    )
    assert bench.wants('fast, graph') and bench.wants('baseline')
    assert not bench.wants('fast')
    assert bench.unknown == ['grahp', 'half']


def test_feed(monkeypatch, tmp_path):
    """Both ways to make a batch, and what a step needs: 10 frames in half a
    second."""
    monkeypatch.setattr(feed, 'step_seconds', lambda bench, batch: 0.5)
    assert (
        benchmark.main(
            [
                'feed',
                '--quick',
                '--repeats',
                '1',
                '--workers',
                '1',
                '--out',
                str(tmp_path),
            ]
        )
        == 0
    )
    stock, ours, step = json.loads((tmp_path / 'benchmark.json').read_text())[
        'results'
    ]
    assert (stock['variant'], ours['variant']) == feed.COLLATES
    assert stock['ratio'] == 1 and ours['ratio'] > 1
    assert 'ms of the main process' in ours['note']
    assert (step['ms'], step['note']) == (500, '20 frames/s')


def test_batches_by_device():
    assert benchmark.parse_args([]).train_batch == [2]
    assert benchmark.parse_args(['--device', 'cuda']).train_batch == [
        8,
        16,
        32,
    ]


def test_reduced_pipeline_changes_two_steps():
    steps = [
        dict(type='LoadClip'),
        dict(
            type='ForEachFrame',
            transforms=[dict(type='TopdownAffine', input_size=(8, 8))],
        ),
    ]
    assert with_reduction(steps, (8, 8)) == [
        dict(type='LoadClip', reduce_to=(8, 8)),
        dict(
            type='ForEachFrame',
            transforms=[dict(type='ReducedTopdownAffine', input_size=(8, 8))],
        ),
    ]
    assert steps[0] == dict(type='LoadClip')


def test_lazy_pipeline_crops_the_clip():
    steps = [
        dict(type='LoadClip'),
        dict(
            type='ForEachFrame',
            transforms=[
                dict(type='RandomBBoxTransform'),
                dict(type='TopdownAffine', input_size=(8, 8)),
            ],
        ),
        dict(
            type='ForEachFrame',
            transforms=[dict(type='TopdownAffine', input_size=(8, 8))],
        ),
        dict(type='PackClipInputs'),
    ]
    crop = dict(type='ReducedTopdownAffine', input_size=(8, 8))
    assert lazily(steps, 'cv2') == [
        dict(type='LoadClip', lazy=True, imdecode_backend='cv2'),
        dict(
            type='ForEachFrame', transforms=[dict(type='RandomBBoxTransform')]
        ),
        crop,
        crop,
        dict(type='PackClipInputs'),
    ]
    assert steps[0] == dict(type='LoadClip')
    assert len(steps[1]['transforms']) == 2


def test_people_of_a_size():
    """A box of 20 x 40 about (30, 60), to half its size."""
    info = dict(
        bbox=np.float32([[20, 40, 40, 80]]),
        keypoints=np.float32([[[20, 40], [30, 60], [32, 60]]]),
    )
    small = shrunk(info, 20)
    assert small['bbox'].tolist() == [[25, 50, 35, 70]]
    assert small['keypoints'].tolist() == [[[25, 50], [30, 60], [31, 60]]]
    assert info['bbox'][0, 0] == 20


def test_frames_of_a_clip():
    info = dict(
        img_paths=['a', 'b'],
        bbox=torch.arange(8).view(2, 4),
        flip_indices=[0],
        video_id='1',
    )
    frames = frames_of(info)
    assert [frame['img_path'] for frame in frames] == ['a', 'b']
    assert frames[1]['bbox'].tolist() == [[4, 5, 6, 7]]
    assert 'video_id' not in frames[0]


@pytest.mark.slow  # trains, generates videos and times a small network
def test_quick_run(tmp_path, capsys):
    assert (
        benchmark.main(
            [
                '--quick',
                '--batch-sizes',
                '1',
                '2',
                '--half',
                '--repeats',
                '1',
                '--train-batch',
                '1',
                '--frame-sizes',
                '320x180',
                '--out',
                str(tmp_path),
                'inference',
                'streaming',
                'train',
                'memory',
                'data',
            ]
        )
        == 0
    )
    written = json.loads((tmp_path / 'benchmark.json').read_text())
    assert written['machine']['cpu'] and written['machine']['threads']
    rows = written['results']
    assert {row['benchmark'] for row in rows} == {
        'inference',
        'streaming',
        'train',
        'memory',
        'data',
    }
    for row in rows:
        # A difference of two times may come out below 0 on a busy machine.
        assert row['ms'] > 0 or row['case'] == 'each further person'
        if row['variant'].startswith('baseline') and row['ratio']:
            assert row['ratio'] == 1
        if row['benchmark'] in ('inference', 'streaming') and row['error']:
            assert row['error'] < (
                0.2 if 'bfloat16' in row['variant'] else 1e-4
            )
    # The same crops, however they are loaded.
    exact = [
        row
        for row in rows
        if row['benchmark'] == 'data'
        and row['error'] is not None
        and 'reduced' not in row['variant']
    ]
    assert len(exact) >= 3
    for row in exact:
        assert row['error'] == 0 and row['note'].endswith('at most 0')
    table = (tmp_path / 'benchmark.md').read_text()
    assert table.count('\n| ') == len(rows) + 2  # names, rule
    assert '| inference | 1 x 5 frames | baseline |' in table


def test_profile_names_the_operations(tmp_path):
    assert (
        benchmark.main(
            [
                '--quick',
                '--batch-sizes',
                '2',
                '--profile',
                '--out',
                str(tmp_path),
                'matching',
                'data',
            ]
        )
        == 0
    )
    profile = (tmp_path / 'profile.txt').read_text()
    assert 'matching, 2 x 8 x 16 x 16, kernel 3: chosen' in profile
    assert 'convolution' in profile and 'aten::addcmul_' in profile
    steps = profile[profile.index('clips, decoded at the crop: ms of CPU') :]
    assert 'ReducedTopdownAffine\n' in steps and '{warpAffine}' in steps


def test_speed_of_a_matrix_product(monkeypatch):
    """2 * 4^3 = 128 operations; the best of 3, 2, 5, ... seconds is 2."""
    seconds = iter([0, 3, 10, 12] + [20, 25] * 6)
    monkeypatch.setattr(benchmark.time, 'perf_counter', lambda: next(seconds))
    speed = benchmark.matmul_speed('cpu', torch.float32, 4)
    assert speed == pytest.approx(128 / 2 / 1e9)


@pytest.mark.parametrize(
    'argv, message',
    [
        (['speed'], 'no benchmark is called speed'),
        (['--repeats', '0'], '--repeats must be at least 1'),
        (['--train-batch', '8', '0'], '--train-batch must be at least 1'),
        (['--workers', '0'], '--workers must be at least 1'),
        (['--cpu-time', '--device', 'cuda'], 'is for --device cpu'),
        (['--frame-sizes', '640'], "written 640x480, but got '640'"),
        (['--frame-sizes', '640x2'], 'at least 32 pixels a side'),
        (['--person', '0'], '--person must be above 0'),
        (['--jpeg-quality', '101'], '--jpeg-quality 1 to 100'),
    ],
)
def test_bad_arguments(argv, message, capsys):
    with pytest.raises(SystemExit) as error:
        benchmark.main(argv)
    assert error.value.code == 2
    assert message in capsys.readouterr().err


def test_unknown_config_is_one_line(capsys):
    assert benchmark.main(['--config', 'no_such_recipe', 'inference']) == 1
    message = capsys.readouterr().err
    assert message.startswith('benchmark: ') and message.count('\n') == 1
