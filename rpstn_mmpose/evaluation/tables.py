# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Sequence


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    r"""A Markdown table that is aligned as plain text too.

    Args:
        rows: The first one is the head. The first column goes to the left,
            the others, which are numbers, to the right.

    Example:
        >>> print(markdown_table([['model', 'PCK'], ['a|b', '9.5']]))
        | model | PCK |
        | ----- | --: |
        | a\|b  | 9.5 |
        <BLANKLINE>
    """
    rows = [[cell.replace('|', '\\|') for cell in row] for row in rows]
    widths = [max(3, *map(len, column)) for column in zip(*rows)]
    lines = [[row[0].ljust(widths[0])] for row in rows]
    for line, row in zip(lines, rows):
        line += [c.rjust(width) for c, width in zip(row[1:], widths[1:])]
    rule = ['-' * widths[0]]
    rule += ['-' * (width - 1) + ':' for width in widths[1:]]
    lines.insert(1, rule)
    return ''.join(f'| {" | ".join(line)} |\n' for line in lines)
