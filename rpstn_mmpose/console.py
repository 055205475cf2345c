# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The command ``rpstn``: the tools by short names, from wherever one is."""

from __future__ import annotations

import ast
import difflib
import runpy
import sys
import textwrap
from pathlib import Path
from typing import Mapping, Sequence

from .recipes import tools_dir

# Tools are called like their file, with - for _, but for these.
NAMES = {
    'topdown_video_demo': 'demo',
    'compare_video': 'compare',
    'propagate_labels': 'propagate',
    'run_ablation': 'ablation',
}
# Folders whose tools have a word in front, and what their files' names have
# around the second word.
GROUPS = {
    'model_converters': ('convert', ('_released_to_mmpose', '_to_rpstn')),
    'dataset_converters': ('generate', ('make_synthetic_',)),
}
# Modules of tools/benchmark.py.
_PARTS = 'benchmarks'
_WIDTH = 79


def list_commands() -> dict[str, Path]:
    """Scripts by the words that call them, e.g. ``'convert rpstn'``."""
    found = {}
    for path in tools_dir().rglob('*.py'):
        folder, name = path.parent.name, path.stem
        if folder == _PARTS:
            continue
        group, around = GROUPS.get(folder, ('', ()))
        for text in around:
            name = name.replace(text, '')
        name = NAMES.get(name, name).replace('_', '-')
        found[f'{group} {name}'.strip()] = path
    return dict(sorted(found.items()))


def main(argv: Sequence[str] | None = None) -> None:
    """Run the tool that the first words name, with the rest as its options.

    Args:
        argv: Words behind ``rpstn``, by default those of the command line.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        commands = list_commands()
    except FileNotFoundError as error:
        sys.exit(f'rpstn: {error}')
    groups = {group for group, _ in GROUPS.values()}
    name = words[0] if words else '--help'
    if name in groups:
        commands = {
            command: path
            for command, path in commands.items()
            if command.startswith(f'{name} ')
        }
        words = [' '.join(words[:2]), *words[2:]]
        if words[0] in (name, f'{name} -h', f'{name} --help'):
            name = '--help'
    if name in ('-h', '--help'):
        print(_table(commands), end='')
        return
    path = commands.get(words[0])
    if path is None:
        near = difflib.get_close_matches(words[0], commands, n=1, cutoff=0)
        print(
            f'rpstn: there is no {words[0]!r}; the nearest name is '
            f'{near[0]!r}, and `rpstn` alone lists them all',
            file=sys.stderr,
        )
        sys.exit(2)
    # As `python PATH ...` has it.
    sys.argv = [str(path), *words[1:]]
    sys.path.insert(0, str(path.parent))
    runpy.run_path(str(path), run_name='__main__')


def _table(commands: Mapping[str, Path]) -> str:
    """What the commands are for: the first line of their scripts."""
    margin = max(map(len, commands)) + 4
    lines = ['usage: rpstn COMMAND ...; rpstn COMMAND --help', '']
    for name, path in commands.items():
        text = ast.get_docstring(ast.parse(path.read_text(encoding='utf-8')))
        text = textwrap.shorten(
            (text or '').split('\n\n')[0], _WIDTH - margin, placeholder=' ...'
        )
        lines.append(f'  {name:{margin - 2}}{text}')
    return '\n'.join(lines) + '\n'
