# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Names of a package that are imported when they are asked for.

Torch, MMPose and what they bring take most of a command's first seconds;
what only reads JSON or prints its options does not wait for them.
"""

from __future__ import annotations

import ast
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Callable


def on_demand(
    package: str, file: str
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package that lists its names.

    The list is what it imports for type checkers::

        if TYPE_CHECKING:
            from .boxes import box_iou
        else:
            __getattr__, __dir__ = on_demand(__name__, __file__)

    Args:
        package: Its ``__name__``.
        file: Its ``__file__``, which is read.
    """
    homes = _listed_names(Path(file).read_text(encoding='utf-8'))
    folder = Path(file).parent

    def get(name: str) -> Any:
        if name not in homes or homes[name] == '.':
            # Its modules are there by their own names, listed or not.
            if not any(
                (folder / part).is_file()
                for part in (f'{name}.py', f'{name}/__init__.py')
            ):
                raise AttributeError(
                    f'module {package!r} has no attribute {name!r}'
                )
            return import_module(f'.{name}', package)
        value = getattr(import_module(homes[name], package), name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return get, names


def _listed_names(source: str) -> dict[str, str]:
    """Name -> module, as imported below ``if TYPE_CHECKING``, with dots;
    a module itself comes from ``.``.
    """
    lines = [
        line
        for node in ast.parse(source).body
        if isinstance(node, ast.If)
        for line in node.body
        if isinstance(line, ast.ImportFrom)
    ]
    return {
        alias.name: '.' * line.level + (line.module or '')
        for line in lines
        for alias in line.names
    }
