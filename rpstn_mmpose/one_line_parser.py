# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The parser of the command lines."""

from __future__ import annotations

import argparse
from typing import NoReturn


class OneLineParser(argparse.ArgumentParser):
    """Parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Exit with status 2 and the message alone."""
        self.exit(2, f'{self.prog}: error: {message}\n')
