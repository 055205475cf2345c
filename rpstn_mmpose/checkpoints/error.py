# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations


class CheckpointError(ValueError):
    """A checkpoint that cannot or must not be loaded; one line.

    A ValueError, so that every tool reports it like any other bad input.

    Args:
        message: May quote the file; line breaks and other characters that
            steer a terminal are replaced.
    """

    def __init__(self, message: str) -> None:
        super().__init__(
            ''.join(
                letter if letter.isprintable() else '?' for letter in message
            )
        )
