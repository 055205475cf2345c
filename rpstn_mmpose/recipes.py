# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Where the plugin's configs and tools lie: in a checkout, or installed."""

from __future__ import annotations

import difflib
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def configs_dir() -> Path:
    """Folder of the plugin's configs.

    Raises:
        FileNotFoundError: Neither the checkout's nor the installed configs
            are there.
    """
    return _folder('configs', '_base_')


def tools_dir() -> Path:
    """Folder of the plugin's tools.

    Raises:
        FileNotFoundError: Neither the checkout's nor the installed tools are
            there.
    """
    return _folder('tools', 'demo')


def _folder(name: str, inside: str) -> Path:
    """A folder of the checkout or of ``.mim``, known by a folder in it."""
    # A checkout's own files first: its .mim folder may be a stale copy.
    for folder in (_PACKAGE.parent / name, _PACKAGE / '.mim' / name):
        if (folder / inside).is_dir():
            return folder
    raise FileNotFoundError(
        f'rpstn_mmpose: no {name} beside {_PACKAGE} nor in its .mim folder; '
        'install it again from its checkout (pip install .).'
    )


def list_configs() -> list[str]:
    """Recipes as paths relative to ``configs_dir()``, sorted."""
    root = configs_dir()
    return sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob('*.py')
        if '_base_' not in path.relative_to(root).parts
    )


def config_path(name: str) -> str:
    """Absolute path of a recipe.

    Args:
        name: Path relative to ``configs_dir()``, or the recipe's file name
            alone; the ending ``.py`` may be left out.

    Raises:
        FileNotFoundError: No recipe has that name (the message lists the
            closest ones), or several have.
    """
    wanted = name if name.endswith('.py') else f'{name}.py'
    recipes = list_configs()
    found = [item for item in recipes if item == wanted] or [
        item for item in recipes if Path(item).name == wanted
    ]
    if len(found) == 1:
        return str(configs_dir() / found[0])
    if found:
        raise FileNotFoundError(
            f'config_path: {name!r} is the name of several recipes, give '
            f'the folder too: {", ".join(found)}'
        )
    by_name = {Path(item).stem: item for item in recipes}
    close = difflib.get_close_matches(
        Path(wanted).stem, by_name, n=3, cutoff=0.3
    )
    hint = ', '.join(by_name[item] for item in close) or (
        f'see {configs_dir()}'
    )
    raise FileNotFoundError(
        f'config_path: no recipe is called {name!r}; close: {hint}'
    )
