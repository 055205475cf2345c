# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import csv
import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest
from mmengine.config import Config

import rpstn_mmpose
from rpstn_mmpose.experiments import execution, plan, report, worker
from rpstn_mmpose.experiments.configs import set_max_epochs
from rpstn_mmpose.synthetic import generate_penn
from tests.test_tools.load_tool import load_tool

from .made_up_records import make_record

tool = load_tool('analysis_tools/run_ablation.py')


def quick_start_recipe(start):
    """Name of the quick start's recipe, whatever its schedule is."""
    names = [
        Path(name).stem
        for name in rpstn_mmpose.list_configs()
        if Path(name).parent.name == 'synthetic_penn'
    ]
    return min((n for n in names if n.startswith(start)), key=len)


IMAGE = quick_start_recipe('td-hm_tiny_')
VIDEO = quick_start_recipe('rpstn_tiny_')

# Stands for the process of a run: notes the call, and fails, waits or writes a
# made-up result, as the file of the config's name beside it says.
FAKE = """
import json, os, pathlib, sys, time
here, folder = pathlib.Path(__file__).parent, pathlib.Path(sys.argv[1])
job = json.loads((folder / 'job.json').read_text())
with (here / 'calls.txt').open('a') as file:
    print(job['config'], job['seed'], file=file)
order = here / job['config']
order = order.read_text() if order.exists() else ''
print('a line of the log')
if order == 'wait':
    (here / 'pid').write_text(str(os.getpid()))
    time.sleep(60)
if order == 'fail':
    print('RuntimeError: boom')
    sys.exit(3)
record = json.loads((here / 'record.json').read_text())
record.update(job, checkpoint='epoch_1.pth')
(folder / 'last_checkpoint').write_text('x')
(folder / 'result.json').write_text(json.dumps(record))
"""


write_report = report.write_report


@pytest.fixture(autouse=True)
def reports(monkeypatch):
    """Names of the missing runs at each report, which is not drawn."""
    found = []
    monkeypatch.setattr(
        report,
        'write_report',
        lambda records, out, baseline, missing, metric: found.append(missing),
    )
    return found


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A folder with the stand-in; a list of its calls can be read there."""
    folder = tmp_path / 'fake'
    folder.mkdir()
    (folder / 'run.py').write_text(FAKE)
    (folder / 'record.json').write_text(json.dumps(make_record('', 0, 75, 40)))
    monkeypatch.setattr(
        execution,
        'child_command',
        lambda work_dir: [
            sys.executable,
            str(folder / 'run.py'),
            str(work_dir),
        ],
    )
    return folder


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / 'data'
    folder.mkdir()
    (folder / plan.MANIFEST).write_text('{"settings": {"seed": 0}}')
    return folder


@pytest.fixture
def configs(tmp_path):
    """A video config with an image model to start from, and one without."""
    paths = []
    for name, model in (
        ('first', 'dict()'),
        ('second', 'dict(image_pretrained=None)'),
    ):
        path = tmp_path / f'{name}.py'
        path.write_text(
            f'_base_ = [{rpstn_mmpose.config_path(VIDEO)!r}]\n'
            f'model = {model}\n'
        )
        paths.append(str(path))
    return paths


def calls(folder):
    """What was run since the last look."""
    path = folder / 'calls.txt'
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def run(tmp_path, data, *arguments):
    tool.main(
        [*arguments, '--data-root', str(data), '--out', str(tmp_path / 'out')]
    )


def error_of(*arguments):
    """The one line that a call ends with."""
    with pytest.raises(SystemExit) as info:
        tool.main([str(argument) for argument in arguments])
    message = str(info.value.code)
    assert message.startswith('run_ablation: ') and '\n' not in message
    return message


def test_all_runs_and_reports(
    tmp_path, fake, data, configs, monkeypatch, capsys
):
    def first_and_last(records, out, baseline, missing, metric):
        if len(missing) in (3, 0):  # each draws four figures
            write_report(records, out, baseline, missing, metric)

    monkeypatch.setattr(report, 'write_report', first_and_last)
    run(
        tmp_path,
        data,
        configs[1],
        '--seeds',
        '0',
        '3',
        '--start-from',
        IMAGE,
        '--baseline',
        IMAGE,
    )
    out = tmp_path / 'out'
    with (out / 'results.csv').open(newline='') as file:
        rows = [(row['config'], row['seed']) for row in csv.DictReader(file)]
    assert rows == [
        (IMAGE, '0'),
        (IMAGE, '3'),
        ('second', '0'),
        ('second', '3'),
    ]
    text = (out / 'results.md').read_text()
    assert '| second ' in text and 'Not finished' not in text
    for name in (
        'pck_curves',
        'pck_curves_occluded',
        'occluded_visible',
        'cost',
    ):
        assert (out / f'{name}.png').read_bytes()[:4] == b'\x89PNG'
    assert 'a line of the log' in (out / 'second/seed3/log.txt').read_text()
    printed = capsys.readouterr().out
    log = out / 'second/seed0/log.txt'
    assert f'[2/4] second seed 0: log in {log}\n' in printed  # no bar here
    assert '[2/4] second seed 0: mPCK@0.2 75.0 visible, 40.0 occl' in printed
    assert printed.splitlines()[-1].startswith(f'Results in {out} (results.md')


def test_order_and_reports_on_the_way(tmp_path, fake, data, configs, reports):
    run(tmp_path, data, *configs, '--seeds', '0', '3', '--start-from', IMAGE)
    order = [
        f'{name} {seed}'
        for seed in (0, 3)
        for name in (IMAGE, 'first', 'second')
    ]
    assert calls(fake) == order
    left = [name.replace(' seed', '') for name in reports[3]]
    assert sorted(left) == sorted(order[4:])
    assert len(reports) == 6 and reports[-1] == []


def test_what_a_run_is_given(tmp_path, fake, data, configs):
    run(
        tmp_path,
        data,
        configs[0],
        configs[1],
        '--seeds',
        '3',
        '--start-from',
        IMAGE,
        '--max-epochs',
        '2',
    )
    out = tmp_path / 'out'
    first, second, image = (
        Config.fromfile(out / name / 'seed3/config.py')
        for name in ('first', 'second', IMAGE)
    )
    assert first.model.image_pretrained == dict(
        checkpoint=str(out / IMAGE / 'seed3/epoch_1.pth')
    )
    assert second.model.image_pretrained is None
    assert 'image_pretrained' not in image.model
    for cfg in (first, second, image):
        assert cfg.randomness == dict(seed=3)
        assert cfg.train_dataloader.dataset.data_root == str(data)
        assert cfg.test_dataloader.dataset.data_root == str(data)
        assert cfg.val_cfg is cfg.val_dataloader is cfg.val_evaluator is None
        assert cfg.train_cfg.max_epochs == 2
        assert cfg.param_scheduler[-1].T_max == 2
        assert cfg.default_hooks.checkpoint.max_keep_ckpts == 1
        assert 'save_best' not in cfg.default_hooks.checkpoint
        assert cfg.test_evaluator.out_file == cfg.work_dir + '/pck.json'
    jobs = [
        json.loads((out / name / 'seed3/job.json').read_text())
        for name in ('first', 'second')
    ]
    assert jobs[0]['started_from'] == str(out / IMAGE / 'seed3/result.json')
    assert jobs[1]['started_from'] is None


def test_changes_are_rows_of_their_own(tmp_path, fake, data, configs):
    run(
        tmp_path,
        data,
        configs[1],
        '--seeds',
        '0',
        '--change',
        'fast',
        'optim_wrapper.optimizer.lr=0.25',
        'train_cfg.max_epochs=1',
        '--change',
        'cold',
        'model.memory=None',
    )
    assert calls(fake) == ['second 0', 'second+fast 0', 'second+cold 0']
    given = {
        name: Config.fromfile(tmp_path / 'out' / name / 'seed0/config.py')
        for name in ('second', 'second+fast', 'second+cold')
    }
    rates = [cfg.optim_wrapper.optimizer.lr for cfg in given.values()]
    assert rates[1] == 0.25
    assert rates[0] == rates[2] != 0.25
    assert ['memory' in cfg.model for cfg in given.values()] == [
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(
    'change, message',
    [
        (['lr=1'], 'takes a label and then settings'),
        (['a/b', 'lr=1'], 'takes a label and then settings'),
        (['fast'], 'takes a label and then settings'),
        (['fast', 'lr'], 'settings are KEY=VALUE'),
        (['fast', 'lr=1', '--change', 'fast', 'lr=2'], 'given twice'),
    ],
)
def test_change_that_cannot_be_read(
    tmp_path, data, configs, capsys, change, message
):
    with pytest.raises(SystemExit) as error:
        run(tmp_path, data, configs[0], '--change', *change)
    assert error.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_named_changes(tmp_path, fake, data, configs):
    """All of a file's changes, or some of them in the order given."""
    path = tmp_path / 'changes.yml'
    path.write_text(
        'fast: &fast\n  optim_wrapper.optimizer.lr: 0.25\n'
        'cold: {model.memory: null}\n'
        'both: {<<: *fast, train_dataloader.dataset.pipeline.0.x: 1}\n'
    )
    run(tmp_path, data, configs[1], '--seeds', '0', '--named', str(path))
    assert calls(fake) == [
        'second 0',
        'second+fast 0',
        'second+cold 0',
        'second+both 0',
    ]
    both = Config.fromfile(tmp_path / 'out/second+both/seed0/config.py')
    assert both.optim_wrapper.optimizer.lr == 0.25
    assert both.train_dataloader.dataset.pipeline[0] == dict(
        type='LoadClip', x=1
    )
    assert 'x' not in both.test_dataloader.dataset.pipeline[0]
    run(
        tmp_path,
        data,
        configs[1],
        '--seeds',
        '1',
        '--named',
        str(path),
        'both',
        'fast',
        '--change',
        'x',
        'model.memory=None',
    )
    assert calls(fake) == [
        'second 1',
        'second+both 1',
        'second+fast 1',
        'second+x 1',
    ]


@pytest.mark.parametrize(
    'content, message',
    [
        (None, 'No such file'),
        ('a: [', 'cannot read'),
        ('- a', 'does not list changes'),
        ('a: 3', 'a is no change; give a name'),
        ('a/b: {x: 1}', 'a/b is no change'),
        ('b: {x: 1}', "has no change 'a'; it has b"),
    ],
)
def test_named_changes_that_cannot_be_read(tmp_path, capsys, content, message):
    path = tmp_path / 'changes.yml'
    if content is not None:
        path.write_text(content)
    with pytest.raises(SystemExit) as error:
        tool.main(['--named', str(path), 'a'])
    assert error.value.code == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert message in line and 'changes.yml' in line


def without_pck(path, evaluator):
    with open(path, 'a') as file:
        file.write(f'test_evaluator = dict(_delete_=True, {evaluator})\n')


def test_rank_by_another_metric(
    tmp_path, fake, data, configs, monkeypatch, capsys
):
    monkeypatch.setattr(report, 'write_report', write_report)
    without_pck(configs[1], 'type="SequenceMPJPE"')
    record = make_record('', 0, metrics=dict(MPJPE=48.21, count=3.0))
    del record['pck']
    (fake / 'record.json').write_text(json.dumps(record))
    ranked = [
        configs[1],
        '--seeds',
        '0',
        '1',
        '--metric',
        'MPJPE',
        '--lower-is-better',
    ]
    run(tmp_path, data, *ranked)
    printed = capsys.readouterr().out
    assert '[1/2] second seed 0: MPJPE 48.21, 100 s of training' in printed
    assert '| 48.21 ± 0.00 |' in printed and 'MPJPE ↓' in printed
    assert printed.splitlines()[-1].endswith(
        '(results.md, results.csv, cost.png)'
    )
    out = tmp_path / 'out'
    assert {path.name for path in out.iterdir() if path.is_file()} == {
        'results.md',
        'results.csv',
        'cost.png',
    }
    assert calls(fake) == ['second 0', 'second 1']
    with pytest.raises(SystemExit, match="gives no 'AP'; it gives MPJPE, co"):
        run(tmp_path, data, configs[1], '--seeds', '0', '--metric', 'AP')
    assert 'not tested by a ClipPCK; rank by another' in error_of(
        '--report-only', '--out', out
    )
    tool.main(['--report-only', '--out', str(out), '--metric', 'count'])
    assert '| 3.000 ± 0.000 |' in capsys.readouterr().out
    assert calls(fake) == []


def test_lower_is_better_alone(capsys):
    with pytest.raises(SystemExit):
        tool.main(['a', '--lower-is-better'])
    assert 'goes with --metric' in capsys.readouterr().err


def test_files_of_evaluator_and_data_are_those_of_the_data_root(
    tmp_path, fake, data, configs
):
    with open(configs[1], 'a') as file:
        file.write(
            'test_evaluator = [dict(type="ClipPCK"), dict('
            'type="PoseTrackClipMetric", '
            'gt_dir="data/synthetic_penn/annotations/val")]\n'
            'test_dataloader = dict(dataset=dict('
            'bbox_file="data/synthetic_penn/boxes.json", '
            'note="data/synthetic_penn2"))\n'
        )
    run(tmp_path, data, configs[1], '--seeds', '0')
    folder = tmp_path / 'out/second/seed0'
    cfg = Config.fromfile(folder / 'config.py')
    assert cfg.test_evaluator[0].out_file == str(folder / 'pck.json')
    assert cfg.test_evaluator[1].gt_dir == f'{data}/annotations/val'
    assert cfg.test_dataloader.dataset.bbox_file == f'{data}/boxes.json'
    assert cfg.test_dataloader.dataset.note == 'data/synthetic_penn2'


def test_config_of_another_package(tmp_path, fake, data, monkeypatch):
    """What a config imports here is found in the run's process, too; it may
    have no checkpoint hook, and evaluators of its own."""
    folder = tmp_path / 'elsewhere'
    folder.mkdir()
    (folder / 'my_system.py').write_text('')
    monkeypatch.syspath_prepend(str(folder))
    path = tmp_path / 'mine.py'
    loader = 'dict(dataset=dict(type="Mine", data_root=""))'
    path.write_text(
        'custom_imports = dict(imports=["my_system"])\n'
        'model = dict(type="Mine", before=26)\n'
        f'train_dataloader = {loader}\ntest_dataloader = {loader}\n'
        'train_cfg = dict(by_epoch=True, max_epochs=1)\n'
        'test_evaluator = dict(type="SequenceMPJPE")\n'
    )
    with (fake / 'run.py').open('a') as file:
        file.write('import my_system\n')
    record = make_record('', 0, metrics=dict(MPJPE=1.0))
    (fake / 'record.json').write_text(json.dumps(record))
    run(tmp_path, data, str(path), '--seeds', '0', '--metric', 'MPJPE')
    cfg = Config.fromfile(tmp_path / 'out/mine/seed0/config.py')
    assert cfg.train_dataloader.dataset.data_root == str(data)
    assert cfg.default_hooks.checkpoint == dict(
        type='CheckpointHook', max_keep_ckpts=1
    )


def test_change_that_the_config_does_not_take(tmp_path, data, configs):
    assert 'does not take' in error_of(
        configs[0],
        '--data-root',
        str(data),
        '--change',
        'x',
        'train_dataloader.dataset.pipeline.99.type=LoadClip',
    )


def test_second_call_trains_nothing(tmp_path, fake, data, configs, capsys):
    run(tmp_path, data, configs[1], '--seeds', '0')
    assert calls(fake) == ['second 0']
    run(tmp_path, data, configs[1], '--seeds', '0', '1')
    assert calls(fake) == ['second 1']
    assert '(done before)' in capsys.readouterr().out


def test_unfinished_run_goes_on_in_its_folder(tmp_path, fake, data, configs):
    run(tmp_path, data, configs[1], '--seeds', '0')
    folder = tmp_path / 'out/second/seed0'
    (folder / 'result.json').unlink()
    run(tmp_path, data, configs[1], '--seeds', '0')
    assert calls(fake) == ['second 0'] * 2
    assert (folder / 'log.txt').read_text().count('a line of the log') == 2


@pytest.mark.parametrize('change', ['epochs', 'config', 'data'])
def test_other_settings_start_afresh(tmp_path, fake, data, configs, change):
    run(tmp_path, data, configs[1], '--seeds', '0')
    folder = tmp_path / 'out/second/seed0'
    extra = []
    if change == 'epochs':
        extra = ['--max-epochs', '9']
    elif change == 'config':
        with open(configs[1], 'a') as file:
            file.write('optim_wrapper = dict(optimizer=dict(lr=1.))\n')
    else:
        (data / plan.MANIFEST).write_text('{"settings": {"seed": 1}}')
    run(tmp_path, data, configs[1], '--seeds', '0', *extra)
    assert calls(fake) == ['second 0'] * 2
    assert (folder / 'log.txt').read_text().count('a line of the log') == 1
    (old,) = folder.parent.glob('seed0.old-*')
    assert (old / 'result.json').is_file()


def test_unfinished_run_of_other_settings_is_removed(
    tmp_path, fake, data, configs
):
    run(tmp_path, data, configs[1], '--seeds', '0')
    folder = tmp_path / 'out/second/seed0'
    (folder / 'result.json').unlink()
    run(tmp_path, data, configs[1], '--seeds', '0', '--max-epochs', '9')
    assert [path.name for path in folder.parent.iterdir()] == ['seed0']
    assert (folder / 'log.txt').read_text().count('a line of the log') == 1


def test_another_image_model_trains_what_starts_from_it_again(
    tmp_path, fake, data, configs
):
    path = tmp_path / 'image.py'
    path.write_text(f'_base_ = [{rpstn_mmpose.config_path(IMAGE)!r}]\n')
    arguments = [*configs, '--seeds', '0', '--start-from', str(path)]
    run(tmp_path, data, *arguments)
    calls(fake)
    with path.open('a') as file:
        file.write('optim_wrapper = dict(optimizer=dict(lr=1.))\n')
    run(tmp_path, data, *arguments)
    assert calls(fake) == ['image 0', 'first 0']


def test_foreign_folder_is_left_alone(tmp_path, fake, data, configs, capsys):
    folder = tmp_path / 'out/second/seed0'
    folder.mkdir(parents=True)
    (folder / 'thesis.tex').write_text('precious')
    with pytest.raises(SystemExit):
        run(tmp_path, data, configs[1], '--seeds', '0')
    assert (folder / 'thesis.tex').read_text() == 'precious'
    assert 'holds something else' in capsys.readouterr().out


def test_failing_run_does_not_stop_the_others(
    tmp_path, fake, data, configs, reports, capsys
):
    (fake / 'second').write_text('fail')
    with pytest.raises(SystemExit, match='1 failed: second seed 0$'):
        run(tmp_path, data, configs[1], IMAGE, '--seeds', '0')
    assert calls(fake) == ['second 0', f'{IMAGE} 0']
    log = tmp_path / 'out/second/seed0/log.txt'
    printed = capsys.readouterr().out
    assert (
        "[1/2] second seed 0: FAILED: exit status 3, 'RuntimeError: "
        f"boom'; log in {log}"
    ) in printed.splitlines()
    assert reports == [['second seed 0']]
    (fake / 'second').unlink()
    run(tmp_path, data, configs[1], IMAGE, '--seeds', '0')
    assert calls(fake) == ['second 0']


def test_nothing_starts_from_a_failed_image_model(
    tmp_path, fake, data, configs, capsys
):
    (fake / IMAGE).write_text('fail')
    with pytest.raises(SystemExit, match=f'2 failed: {IMAGE} seed 0, first'):
        run(tmp_path, data, *configs, '--seeds', '0', '--start-from', IMAGE)
    assert calls(fake) == [f'{IMAGE} 0', 'second 0']
    assert (
        f'first seed 0: FAILED: it starts from {IMAGE} seed 0'
        in capsys.readouterr().out
    )


def test_interrupt_ends_the_runs_process(
    tmp_path, fake, data, configs, monkeypatch, capsys
):
    (fake / 'second').write_text('wait')

    def interrupted(*_):
        for _ in range(200):  # until the process is there
            if (fake / 'pid').exists() and (fake / 'pid').read_text():
                break
            time.sleep(0.05)
        tool.interrupt()

    with monkeypatch.context() as patch:
        patch.setattr(execution, 'POLL_SECONDS', 0.01)
        patch.setattr(execution, 'show_progress', interrupted)
        with pytest.raises(SystemExit) as info:
            run(tmp_path, data, configs[1], '--seeds', '0')
    assert info.value.code == 130
    assert 'interrupted; call it again' in capsys.readouterr().err
    with pytest.raises(ProcessLookupError):
        os.kill(int((fake / 'pid').read_text()), signal.SIGKILL)
    (fake / 'second').unlink()
    run(tmp_path, data, configs[1], '--seeds', '0')
    assert calls(fake) == ['second 0'] * 2


def test_report_only(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(report, 'write_report', write_report)
    out = tmp_path / 'out'
    for record in (
        make_record('a', 0),
        make_record('a', 1, 84.0),
        make_record('b', 0, 90.0),
    ):
        folder = out / record['config'] / f'seed{record["seed"]}'
        folder.mkdir(parents=True)
        (folder / 'result.json').write_text(json.dumps(record))
    tool.main(['--report-only', '--out', str(out), '--baseline', 'a'])
    printed = capsys.readouterr().out
    assert '| 82.00 ± 2.83 |' in printed and '| +10.00 ± – |' in printed
    tool.main(['--report-only', 'configs/b.py', '--out', str(out)])
    assert '| a ' not in capsys.readouterr().out
    with (out / 'results.csv').open(newline='') as file:
        assert [row['config'] for row in csv.DictReader(file)] == ['b']
    assert 'holds no finished run' in error_of(
        '--report-only', 'x', '--out', out
    )
    assert "baseline 'x'" in error_of(
        '--report-only', '--out', out, '--baseline', 'x'
    )
    assert 'no such folder' in error_of(
        '--report-only', '--out', tmp_path / 'x'
    )


@pytest.mark.parametrize(
    'arguments, message',
    [
        ([], 'give at least one CONFIG'),
        (['a'], '--data-root is needed'),
        (['a', '--data-root', '.', '--max-epochs', '0'], 'must be positive'),
        (['a', '--data-root', '.', '--seeds', '-1'], 'must not be negative'),
        (['a', '--data-root', '.', '--seeds', 'x'], 'invalid int value'),
    ],
)
def test_wrong_usage(arguments, message, capsys):
    with pytest.raises(SystemExit) as info:
        tool.main(arguments)
    assert info.value.code == 2
    assert message in capsys.readouterr().err


def test_bad_input_is_one_line(tmp_path, fake, data, configs, monkeypatch):
    monkeypatch.chdir(tmp_path)  # away from what make demo may have left
    here = ['--data-root', data, '--out', tmp_path / 'out']
    assert "no recipe is called 'rpstn_tiny'; close: " in error_of(
        'rpstn_tiny', *here
    )
    assert 'no such folder' in error_of(IMAGE, '--data-root', tmp_path / 'x')
    assert 'none of the configs' in error_of(IMAGE, *here, '--baseline', 'x')
    assert 'make it with `make demo`, or train an image model' in error_of(
        configs[0], *here
    )
    (tmp_path / 'file').write_text('')
    assert 'file' in error_of(
        IMAGE, '--data-root', data, '--out', tmp_path / 'file'
    )
    (data / plan.MANIFEST).write_text('{')
    assert 'is damaged' in error_of(IMAGE, *here)
    assert calls(fake) == []


@pytest.mark.parametrize(
    'text, message',
    [
        ('a = (\n', 'cannot read .*bad.py'),
        ('a = 1\n', 'bad.py does not suit'),
        (
            '_base_ = [{!r}]\n'
            'test_evaluator = dict(_delete_=True, type="NME", '
            'norm_mode="x")\n',
            'bad.py does not suit: its test_evaluator needs a ClipPCK by '
            'torso',
        ),
        (
            '_base_ = [{!r}]\ntest_evaluator = dict(norm_item="person")\n',
            'needs a ClipPCK by torso',
        ),
        (
            '_base_ = [{!r}]\ntest_evaluator = dict(thr=0.5)\n',
            'different thr or thresholds',
        ),
        (
            '_base_ = [{!r}]\ntrain_cfg = dict(_delete_=True, by_epoch=False, '
            'max_iters=5)\n',
            '--max-epochs needs a config that counts epochs',
        ),
    ],
)
def test_unsuitable_config_is_one_line(tmp_path, fake, data, text, message):
    path = tmp_path / 'bad.py'
    path.write_text(text.format(rpstn_mmpose.config_path(IMAGE)))
    found = error_of(
        path,
        IMAGE,
        '--data-root',
        data,
        '--out',
        tmp_path / 'out',
        '--max-epochs',
        1,
    )
    assert re.search(message, found), found


def test_thresholds_that_are_the_defaults_are_no_difference(
    tmp_path, fake, data, configs
):
    with open(configs[1], 'a') as file:
        file.write(
            'test_evaluator = dict(thr=0.2, thresholds=[0.1, 0.2, 0.3, '
            '0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])\n'
        )
    run(tmp_path, data, configs[1], IMAGE, '--seeds', '0')
    assert len(calls(fake)) == 2


def test_two_configs_of_one_name(tmp_path, data, configs):
    (tmp_path / 'other').mkdir()
    copy = tmp_path / 'other/second.py'
    copy.write_text(Path(configs[1]).read_text())
    assert 'two configs are called second' in error_of(
        configs[1], copy, '--data-root', data
    )


def test_schedules_are_scaled():
    cfg = Config(
        dict(
            train_cfg=dict(max_epochs=100),
            param_scheduler=[
                dict(type='LinearLR', begin=0, end=50, by_epoch=False),
                dict(
                    type='MultiStepLR',
                    begin=0,
                    end=100,
                    milestones=[8, 15, 25, 40, 80],
                ),
                dict(type='CosineAnnealingLR', begin=50, end=100, T_max=50),
            ],
        )
    )
    set_max_epochs(cfg, 20)
    linear, steps, cosine = cfg.param_scheduler
    assert cfg.train_cfg.max_epochs == 20
    assert (linear.begin, linear.end) == (0, 50)
    assert (steps.begin, steps.end) == (0, 20)
    assert steps.milestones == [2, 3, 5, 8, 16] and 'T_max' not in steps
    assert (cosine.begin, cosine.end, cosine.T_max) == (10, 20, 10)


def test_run_that_was_not_prepared(tmp_path):
    with pytest.raises(SystemExit, match='ablation_run: .* has no job.json'):
        worker.main([str(tmp_path)])


@pytest.mark.slow
def test_real_trainings(tmp_path, monkeypatch):
    """An image model and a video model that starts from it, one epoch.

    In this process; test_toys_ranked.py trains in a run's own.
    """
    monkeypatch.setattr(
        execution,
        'execute',
        lambda run, bar, label: execution.execute_here(run, label),
    )
    data = tmp_path / 'data'
    generate_penn(
        data,
        num_train=2,
        num_test=1,
        num_frames=6,
        image_size=(96, 72),
        progress=False,
    )
    paths = {}
    for name, recipe in (('image', IMAGE), ('video', VIDEO)):
        paths[name] = tmp_path / f'{name}.py'
        loader = 'dict(num_workers=0, persistent_workers=False, batch_size=4)'
        paths[name].write_text(
            f'_base_ = [{rpstn_mmpose.config_path(recipe)!r}]\n'
            f'train_dataloader = {loader}\ntest_dataloader = {loader}\n'
            # Of its own, for runners of the same second and process.
            f'experiment_name = {name!r}\n'
        )
    run(
        tmp_path,
        data,
        str(paths['video']),
        '--start-from',
        str(paths['image']),
        '--seeds',
        '0',
        '--max-epochs',
        '1',
    )
    image, video = (
        json.loads((tmp_path / f'out/{name}/seed0/result.json').read_text())
        for name in ('image', 'video')
    )
    # 2 videos of 6 frames: 12 images; 4 clips of 5 frames, shifted back
    assert image['frame_passes'] == image['frame_passes_total'] == 12
    assert video['frame_passes'] == 20 and video['frame_passes_total'] == 32
    assert video['started_from'] == 'image' and video['train_seconds'] > 0
    assert video['train_seconds_total'] == pytest.approx(
        video['train_seconds'] + image['train_seconds']
    )
    assert video['params'] > image['params'] > 500_000
    # P runs on the first of five frames, F on all, and there is more
    assert video['gmacs_per_frame'] > 1.2 * image['gmacs_per_frame'] > 0.05
    assert image['pck']['frames'] == video['pck']['frames'] == 6
    log = (tmp_path / 'out/video/seed0/log.txt').read_text()
    start = tmp_path / 'out/image/seed0/epoch_1.pth'
    assert f'start from {start}' in log
