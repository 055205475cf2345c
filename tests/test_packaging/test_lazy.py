# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What importing the plugin imports, and when its parts are registered."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from mmengine import registry as of_mmengine
from mmpose import registry as of_mmpose

import rpstn_mmpose
from rpstn_mmpose import lazy, registration

PACKAGE = Path(rpstn_mmpose.__file__).parent
LAZY = sorted(
    path.parent
    for path in PACKAGE.rglob('__init__.py')
    if 'on_demand(' in path.read_text()
)


def module_of(path):
    return '.'.join(path.relative_to(PACKAGE.parent).with_suffix('').parts)


def test_nothing_heavy_comes_with_the_package_and_what_reads_json():
    script = (
        'import sys, rpstn_mmpose\n'
        'from rpstn_mmpose.structures import load_people\n'
        'from rpstn_mmpose.visualization import pck_table\n'
        'heavy = "torch mmcv mmpose mmdet scipy matplotlib"\n'
        'sys.exit(" ".join(set(heavy.split()) & set(sys.modules)))'
    )
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True
    )
    assert done.stderr.strip() == ''


def test_the_reader_of_checkpoints_may_be_what_is_asked_for_first():
    """It imports mmengine's runner, at which it is to be switched on."""
    script = (
        'import rpstn_mmpose\n'
        'from rpstn_mmpose.engine import load_weights\n'
        'from mmengine.runner import checkpoint\n'
        'print(checkpoint.load_url.__module__)'
    )
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', script],
        capture_output=True,
        text=True,
    )
    expected = 'rpstn_mmpose.checkpoints.safe_checkpoint'
    assert done.stdout.split() == [expected], done.stderr


def test_everything_that_registers_is_in_the_list():
    """But the tools' parts, which are made from their own module."""
    of_mmpose.MODELS.get('JREHead')
    missing = [
        module_of(path)
        for path in PACKAGE.rglob('*.py')
        if '.register_module(' in path.read_text()
        and 'apis' not in path.parts
        and module_of(path) not in sys.modules
    ]
    assert not missing


@pytest.mark.parametrize('module', registration.REGISTRIES)
def test_registries_know_the_list(module):
    for name in registration.REGISTRIES[module]:
        registry = getattr(import_module(module), name)
        assert set(registration.MODULES) <= set(registry._locations)


@pytest.mark.parametrize('before', [False, True])
def test_a_first_look_up_imports_the_list(before, monkeypatch, tmp_path):
    """Of a registry that comes later, or was there and asked before."""
    (tmp_path / 'other_registry.py').write_text(
        'from mmengine.registry import Registry\n'
        'THINGS = Registry("thing", scope="other")\n'
    )
    (tmp_path / 'own_things.py').write_text(
        'from other_registry import THINGS\n'
        '@THINGS.register_module()\n'
        'class Thing: pass\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registration, 'MODULES', ('own_things',))
    monkeypatch.setattr(
        registration, 'REGISTRIES', {'other_registry': ('THINGS',)}
    )
    for name in ('other_registry', 'own_things'):
        monkeypatch.delitem(sys.modules, name, raising=False)
    if before:
        import_module('other_registry').THINGS.import_from_location()
    registration.register_when_asked()
    things = import_module('other_registry').THINGS
    assert 'own_things' not in sys.modules
    assert things.get('Thing').__module__ == 'own_things'


def test_mmengine_finds_what_its_own_registries_are_asked_for():
    assert of_mmengine.HOOKS.get('BNMomentumDecayHook')
    assert of_mmengine.FUNCTIONS.get('stack_in_worker')


def test_checkpoints_are_read_as_data():
    from mmengine.runner import checkpoint

    assert checkpoint.torch.load.__module__.startswith('rpstn_mmpose.')


@pytest.mark.parametrize('folder', LAZY, ids=module_of)
def test_names_on_demand(folder):
    """They are what they are in their module, and no module hides one."""
    package = import_module(module_of(folder))
    names = lazy._listed_names((folder / '__init__.py').read_text())
    assert names
    for name, home in names.items():
        value = getattr(package, name)
        if home == '.':
            assert value is sys.modules[f'{package.__name__}.{name}']
            continue
        module = import_module(home, package.__name__)
        assert value is getattr(module, name)
        assert not (folder / f'{name}.py').exists()
        assert not (folder / name).exists()
    assert set(names) <= set(dir(package))
    assert set(getattr(package, '__all__', ())) <= set(dir(package))


def test_modules_by_their_name_and_unknown_names():
    assert rpstn_mmpose.datasets.transforms.LoadClip
    with pytest.raises(AttributeError, match="'rpstn_mmpose' has no .*'abc'"):
        rpstn_mmpose.abc  # noqa: B018
