# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What the command lines of tools/model_converters have in common."""

from __future__ import annotations

import argparse
import sys
from typing import Any, Callable, Sequence, TypeVar

Weights = TypeVar('Weights')


def run_in_one_line(
    convert: Callable[[argparse.Namespace], None],
    args: argparse.Namespace,
    program: str,
) -> None:
    """Call a tool's function; what it refuses is one line and status 1.

    Args:
        convert: Raises ``ValueError`` or ``OSError`` for bad input.
        args: What it takes.
        program: File name of the tool.
    """
    try:
        convert(args)
    except (ValueError, OSError) as error:
        # OSError.__str__ would put its number first.
        reason = getattr(error, 'strerror', None) or error
        sys.exit(f'{program}: error: ' + ' '.join(str(reason).split()))


def read_converted(
    args: argparse.Namespace, convert: Callable[[Any], Weights]
) -> Weights:
    """What a conversion makes of a file.

    Args:
        args: Paths ``input``, and ``output``, which may be written.
        convert: Takes the checkpoint; raises ``ValueError`` for another one.

    Raises:
        ValueError: One line that names the file.
        OSError: It cannot be read, or the other not written.
    """
    # Not for help and wrong options: it imports torch.
    from .files import check_new_file, read_checkpoint

    check_new_file(args.output)
    checkpoint = read_checkpoint(args.input)
    try:
        return convert(checkpoint)
    except ValueError as error:
        raise ValueError(f'{args.input}: {error}') from None


def print_test(recipe: str, checkpoint: str, options: Sequence[str]) -> None:
    """Tell the command that tests a recipe with new weights."""
    command = f'python tools/test.py {recipe} {checkpoint}'
    if options:
        command += f' --cfg-options {" ".join(options)}'
    print(f'test it: {command}')
