# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from pathlib import Path

import pytest

import rpstn_mmpose
from rpstn_mmpose import recipes

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture()
def folder(tmp_path, monkeypatch):
    """A stand-in for configs/."""
    for name in (
        '_base_/runtime.py',
        'body/a/alpha_res50.py',
        'body/b/beta_res18.py',
        'body/a/twice.py',
        'body/b/twice.py',
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('')
    monkeypatch.setattr(recipes, 'configs_dir', lambda: tmp_path)
    return tmp_path


def test_the_checkouts_own_configs():
    assert rpstn_mmpose.configs_dir() == ROOT / 'configs'
    expected = {
        path.relative_to(ROOT / 'configs').as_posix()
        for path in (ROOT / 'configs').glob('body*/**/*.py')
    }
    assert expected and expected <= set(rpstn_mmpose.list_configs())


def test_list(folder):
    assert recipes.list_configs() == [
        'body/a/alpha_res50.py',
        'body/a/twice.py',
        'body/b/beta_res18.py',
        'body/b/twice.py',
    ]


@pytest.mark.parametrize(
    'name, expected',
    [
        ('body/a/alpha_res50.py', 'body/a/alpha_res50.py'),
        ('alpha_res50.py', 'body/a/alpha_res50.py'),
        ('alpha_res50', 'body/a/alpha_res50.py'),
        ('body/b/twice', 'body/b/twice.py'),
    ],
)
def test_path(folder, name, expected):
    assert recipes.config_path(name) == str(folder / expected)


def test_unknown_name(folder):
    with pytest.raises(FileNotFoundError) as caught:
        recipes.config_path('alpha_res51')
    assert str(caught.value).startswith(
        "config_path: no recipe is called 'alpha_res51'; close: "
        'body/a/alpha_res50.py'
    )


def test_name_without_resemblance(folder):
    with pytest.raises(FileNotFoundError, match=f'see {folder}'):
        recipes.config_path('zzz')


def test_ambiguous_name(folder):
    with pytest.raises(
        FileNotFoundError, match='body/a/twice.py, body/b/twice.py'
    ):
        recipes.config_path('twice')


def test_no_configs(tmp_path, monkeypatch):
    monkeypatch.setattr(recipes, '_PACKAGE', tmp_path / 'rpstn_mmpose')
    with pytest.raises(FileNotFoundError, match='install it again'):
        recipes.configs_dir()
