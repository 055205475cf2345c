# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The rules of docs/architecture.md, read off the source."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'rpstn_mmpose'
SOURCES = sorted(PACKAGE.rglob('*.py'))
TOOLS = sorted((ROOT / 'tools').rglob('*.py'))

# From the ground up; a folder imports from those below it only.
LAYERS = (
    ('version', 'recipes', 'lazy', 'one_line_parser'),
    ('checkpoints', 'structures'),
    ('datasets', 'speed'),
    ('models', 'evaluation', 'engine'),
    ('visualization', 'streams'),
    ('apis', 'synthetic'),
    ('experiments',),
    ('systems',),
    ('registration', 'console'),
    ('__init__', '__main__'),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

MAX_FILE = 400
MAX_FUNCTION = 60


def short(path):
    return str(path.relative_to(ROOT))


def imported_folders(path):
    """Line and top folder of everything that a file imports from us."""
    package = path.relative_to(PACKAGE).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        modules = []
        if isinstance(node, ast.Import):
            modules = [name.name.split('.') for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module.split('.') if node.module else []
            if node.level:
                parents = package[: len(package) - node.level + 1]
                module = ['rpstn_mmpose', *parents, *module]
            modules = [module]
            if module == ['rpstn_mmpose']:
                modules = [[*module, name.name] for name in node.names]
        for module in modules:
            if module[0] == 'rpstn_mmpose' and len(module) > 1:
                yield node.lineno, module[1]


def folder_of(path):
    return path.relative_to(PACKAGE).with_suffix('').parts[0]


def test_every_folder_has_its_layer():
    assert {folder_of(path) for path in SOURCES} <= set(LEVEL)


def test_imports_go_downwards():
    """So there is no circle of folders, and nothing needs systems/."""
    wrong = [
        f'{short(path)}:{line} imports {target}'
        for path in SOURCES
        for line, target in imported_folders(path)
        if target != folder_of(path)
        and LEVEL[target] >= LEVEL[folder_of(path)]
    ]
    assert not wrong


def test_nobody_imports_a_system():
    """But the package, which registers them, and each of its own parts."""
    wrong = []
    for path in SOURCES:
        inside = path.relative_to(PACKAGE).parts
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if not isinstance(node, ast.ImportFrom) or not node.level:
                continue
            base = inside[: len(inside) - node.level]
            module = [*base, *(node.module or '').split('.')]
            if module[0] == 'systems' and tuple(module[:2]) != inside[:2]:
                wrong.append(f'{short(path)}:{node.lineno}')
    assert not wrong


def test_nobody_asks_for_the_class_of_an_estimator():
    """A model tells by attributes and methods what is special about it."""
    wrong = []
    for path in SOURCES + TOOLS:
        if {'pose_estimators', 'systems'} & set(path.parts):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if not isinstance(node, ast.Call) or ast.unparse(
                node.func
            ) not in ('isinstance', 'issubclass'):
                continue
            asked = ast.unparse(node.args[1])
            if 'Estimator' in asked or 'Lifter' in asked:
                wrong.append(f'{short(path)}:{node.lineno} {asked}')
    assert not wrong


def body_length(node):
    """Lines of a function without its signature and docstring."""
    body = node.body
    if ast.get_docstring(node, clean=False) is not None:
        body = body[1:]
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize('path', SOURCES + TOOLS, ids=short)
def test_sizes(path):
    """A file tells one idea; a function fits on a screen, but for a list of
    a tool's options.
    """
    text = path.read_text(encoding='utf-8')
    if PACKAGE in path.parents:
        assert text.count('\n') <= MAX_FILE
    long = [
        f'{node.name} ({body_length(node)} lines)'
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.name != 'parse_args'
        and body_length(node) > MAX_FUNCTION
    ]
    assert not long
