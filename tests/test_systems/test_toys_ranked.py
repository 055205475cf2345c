# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The experiment runner ranks systems that it has never heard of."""

import csv

import pytest

from rpstn_mmpose.experiments import execution
from tests.test_datasets.penn_files import write_penn
from tests.test_tools.load_tool import load_tool

from .test_lifter_toy import recipe as lifter_recipe
from .test_window_toy import recipe as window_recipe


def write(config, toy, path):
    """A config file that says where its parts are, as in a paper's folder."""
    imports = ['rpstn_mmpose', f'tests.test_systems.{toy}']
    config.custom_imports = dict(imports=imports, allow_failed_imports=False)
    config.dump(path)
    return str(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    'toy, name, lower_is_better',
    [('window_toy', 'PCK/mPCK', False), ('lifter_toy', 'MPJPE', True)],
)
def test_ranked_by_any_metric(
    toy, name, lower_is_better, tmp_path, capsys, monkeypatch
):
    """The window in a process of its own, which imports the toy by what the
    config says; the two runs of the lifter in this one."""
    data = write_penn(tmp_path / 'data')
    if toy == 'window_toy':
        config = window_recipe(data)
    else:
        config = lifter_recipe()
    path = write(config, toy, tmp_path / f'{toy}.py')
    arguments = [path, '--metric', name, '--seeds', '0', '--max-epochs', '1']
    arguments += ['--lower-is-better'] * lower_is_better
    names = {toy}
    if toy == 'lifter_toy':
        names.add(f'{toy}+still')
        arguments += [
            '--change',
            'still',
            'optim_wrapper.optimizer.lr=0',
            # For runners of the same second and process.
            'experiment_name=still',
        ]
        monkeypatch.setattr(
            execution,
            'execute',
            lambda run, bar, label: execution.execute_here(run, label),
        )
    out = tmp_path / 'out'
    load_tool('analysis_tools/run_ablation.py').main(
        [*arguments, '--data-root', str(data), '--out', str(out)]
    )
    with (out / 'results.csv').open(newline='') as file:
        rows = {
            row['config']: float(row[name]) for row in csv.DictReader(file)
        }
    assert set(rows) == names
    table = [
        line.split('|')[1].strip()
        for line in capsys.readouterr().out.splitlines()
        if line.startswith(f'| {toy}')
    ]
    assert table == sorted(rows, key=rows.get, reverse=not lower_is_better)
