# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from rpstn_mmpose import __version__, list_configs

ROOT = Path(__file__).resolve().parents[2]
SOURCES = (
    'rpstn_mmpose',
    'configs',
    'tools',
    'demo',
    'requirements',
    'setup.py',
    'pyproject.toml',
    'MANIFEST.in',
    'LICENSE',
    'README.md',
    'CHANGELOG.md',
    'model-index.yml',
    'dataset-index.yml',
)


def copy_sources(folder: Path) -> None:
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(
                source,
                folder / name,
                ignore=shutil.ignore_patterns('__pycache__', '.mim'),
            )
        elif source.exists():
            shutil.copy(source, folder / name)


def files_under(folder: Path) -> set:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob('*')
        if path.is_file() and path.suffix != '.pyc'
    }


def build(checkout: Path, command: str) -> Path:
    """Build a wheel or sdist in a checkout."""
    script = (
        'import sys; from setuptools import build_meta as backend; '
        f'print("built", backend.build_{command}("dist"))'
    )
    (checkout / 'dist').mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, '-c', script],
        cwd=checkout,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    name = done.stdout.splitlines()[-1].split()[-1]
    return checkout / 'dist' / name


@pytest.fixture(scope='module')
def checkout(tmp_path_factory):
    folder = tmp_path_factory.mktemp('checkout')
    copy_sources(folder)
    return folder


@pytest.fixture(scope='module')
def wheel(checkout):
    return build(checkout, 'wheel')


def test_wheel_has_every_file(wheel, checkout):
    assert wheel.name == f'rpstn_mmpose-{__version__}-py3-none-any.whl'
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ('configs', 'tools', 'demo'):
        expected = {
            f'rpstn_mmpose/.mim/{folder}/{name}'
            for name in files_under(checkout / folder)
        }
        assert expected <= names
    modules = {
        f'rpstn_mmpose/{name}'
        for name in files_under(checkout / 'rpstn_mmpose')
        if name.endswith(('.py', '.html', '.css', '.js'))
    }
    assert any(name.endswith('page.html') for name in modules)
    assert modules <= names
    assert not [name for name in names if '__pycache__' in name]
    assert not [name for name in names if name.startswith('tests')]
    # A wheel leaves nothing behind in the checkout.
    assert not (checkout / 'rpstn_mmpose/.mim').exists()


def test_sdist_makes_the_same_wheel(wheel, checkout, tmp_path):
    sdist = build(checkout, 'sdist')
    shutil.unpack_archive(sdist, tmp_path)
    again = build(next(tmp_path.iterdir()), 'wheel')
    contents = [
        {
            name
            for name in zipfile.ZipFile(path).namelist()
            if '.dist-info/' not in name
        }
        for path in (wheel, again)
    ]
    assert contents[0] == contents[1]


def test_installed_copy_finds_its_configs(wheel, tmp_path):
    site = tmp_path / 'site'
    elsewhere = tmp_path / 'elsewhere'
    elsewhere.mkdir()
    zipfile.ZipFile(wheel).extractall(site)
    recipe = list_configs()[0]
    # recipes.py alone: importing the plugin takes many times as long.
    script = (
        'import importlib.util as util\n'
        f'spec = util.spec_from_file_location("recipes", '
        f'r"{site}/rpstn_mmpose/recipes.py")\n'
        'recipes = util.module_from_spec(spec)\n'
        'spec.loader.exec_module(recipes)\n'
        f'path = recipes.config_path("{Path(recipe).name}")\n'
        'print(path)\n'
        'from mmengine.config import Config\n'
        'cfg = Config.fromfile(path, import_custom_modules=False)\n'
        'print(cfg.custom_imports.imports[0])\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', script],
        cwd=elsewhere,
        env={**os.environ, 'PYTHONPATH': ''},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [
        f'{site}/rpstn_mmpose/.mim/configs/{recipe}',
        'rpstn_mmpose',
    ]


def test_installed_copy_has_the_command_and_its_tools(wheel, tmp_path):
    site = tmp_path / 'site'
    zipfile.ZipFile(wheel).extractall(site)
    (entries,) = site.glob('*.dist-info/entry_points.txt')
    assert 'rpstn = rpstn_mmpose.console:main' in entries.read_text()
    script = (
        'from rpstn_mmpose import console\n'
        'print(console.list_commands()["plot-pck"])\n'
        'console.main(["plot-pck", "--help"])\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', script],
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(site)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    path, usage = done.stdout.splitlines()[:2]
    assert path == (
        f'{site}/rpstn_mmpose/.mim/tools/analysis_tools/plot_pck.py'
    )
    assert usage.startswith('usage: plot_pck.py ')


def test_editable_install_links(checkout, tmp_path):
    script = (
        'from setuptools import build_meta as backend; '
        f'backend.build_editable(r"{tmp_path}")'
    )
    done = subprocess.run(
        [sys.executable, '-c', script],
        cwd=checkout,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    mim = checkout / 'rpstn_mmpose/.mim'
    assert (mim / 'configs').resolve() == checkout / 'configs'
    assert (mim / 'tools/train.py').is_file()
    shutil.rmtree(mim)
