# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import importlib
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import rpstn_mmpose
from rpstn_mmpose import version

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    'text, expected',
    [
        ('2.13.0+cu130', (2, 13, 0)),
        ('2.0.0rc4', (2, 0, 0)),
        ('1.3', (1, 3, 0)),
        ('7', (7, 0, 0)),
    ],
)
def test_parse_version(text, expected):
    assert version.parse_version(text) == expected


def test_parse_version_refuses_words():
    with pytest.raises(ValueError, match="'main' is not a version"):
        version.parse_version('main')


def test_this_stack_is_accepted():
    version.check_versions()
    assert version.installed_version('no-such-package-here') is None
    assert rpstn_mmpose.__version__ == version.__version__


@pytest.mark.parametrize(
    'package, found, problem',
    [
        (
            'mmcv',
            '2.2.0',
            'mmcv 2.2.0 is installed (accepted: >=2.0.0,<2.2.0)',
        ),
        ('mmcv', '2.1.0', None),
        (
            'mmcv',
            '1.7.2',
            'mmcv 1.7.2 is installed (accepted: >=2.0.0,<2.2.0)',
        ),
        ('torch', '2.1.2+cu121', None),
        ('torch', '1.13.1', 'torch 1.13.1 is installed (accepted: >=2.0.0)'),
        ('mmpose', None, 'mmpose is not installed (accepted: >=1.2.0,<2.0.0)'),
        ('mmdet', '3.3.0', None),
    ],
)
def test_check_package(package, found, problem, monkeypatch):
    monkeypatch.setattr(version, 'installed_version', lambda name: found)
    assert version.check_package(package) == problem


def test_all_problems_in_one_line(monkeypatch):
    found = dict(torch='2.1.0', mmengine='0.7.0', mmcv='2.2.0')
    monkeypatch.setattr(version, 'installed_version', found.get)
    with pytest.raises(ImportError) as caught:
        importlib.reload(rpstn_mmpose)
    message = str(caught.value)
    assert '\n' not in message
    assert (
        'mmengine 0.7.0 is installed (accepted: >=0.9.0,<1.0.0); mmcv '
        '2.2.0 is installed (accepted: >=2.0.0,<2.2.0); mmpose is not '
        'installed (accepted: >=1.2.0,<2.0.0). Fix: '
    ) in message
    assert 'torch 2.1.0' not in message


def test_mminstall_has_the_same_ranges():
    lines = (ROOT / 'requirements/mminstall.txt').read_text().splitlines()
    listed = dict(
        re.match(r'(\w+)(.*)', line).groups()
        for line in lines
        if not line.startswith('#')
    )
    assert listed == {
        name: version.accepted_range(*version.REQUIRED[name])
        for name in ('mmengine', 'mmcv', 'mmpose')
    }


@pytest.mark.parametrize(
    'python, numpy', [('3.11', '1.'), ('3.12', '1.'), ('3.13', '2.')]
)
def test_pinned_set_is_accepted(python, numpy, monkeypatch):
    pins = {}
    for name in ('build.txt', 'runtime.txt'):
        for line in (ROOT / 'requirements' / name).read_text().splitlines():
            if '==' not in line or line.startswith('#'):
                continue
            pin = Requirement(line)
            if pin.marker and not pin.marker.evaluate(
                dict(python_version=python)
            ):
                continue
            assert pin.name not in pins
            pins[pin.name] = str(pin.specifier).removeprefix('==')
    assert pins['numpy'].startswith(numpy)
    monkeypatch.setattr(version, 'installed_version', pins.get)
    version.check_versions(*version.REQUIRED, *version.OPTIONAL)
