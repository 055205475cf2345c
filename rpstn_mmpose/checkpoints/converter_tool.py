# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What the command lines of tools/model_converters have in common."""

from __future__ import annotations

import argparse
import sys
from typing import Callable, NoReturn


class OneLineParser(argparse.ArgumentParser):
    """Parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Exit with status 2 and the message alone."""
        self.exit(2, f'{self.prog}: error: {message}\n')


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
