# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Random streams: one per (seed, split, video, purpose), never shared."""

from __future__ import annotations

import numpy as np

SPLITS = ('train', 'test', 'demo')
STREAMS = ('identity', 'motion', 'background', 'occluder', 'camera')


def stream(
    seed: int, split: str, video: int, purpose: str, part: int = 0
) -> np.random.SeedSequence:
    """Seed sequence of one purpose of one video.

    The split is a part of the entropy, so that no person, background or
    motion of the test split can appear in the train split, and a video does
    not depend on how many others are made, in which order, or where.

    Args:
        seed (int): Seed of the data set, >= 0.
        split (str): One of ``SPLITS``.
        video (int): Number of the video inside its split, >= 0.
        purpose (str): One of ``STREAMS``.
        part (int): Which of several equal things, for example which person.

    Returns:
        np.random.SeedSequence: Independent of all other streams.
    """
    return np.random.SeedSequence(
        entropy=(seed, SPLITS.index(split), video),
        spawn_key=(STREAMS.index(purpose), part),
    )


def stream_id(sequence: np.random.SeedSequence) -> str:
    """Name of a stream for the manifest: 16 hex digits.

    Args:
        sequence (np.random.SeedSequence): Comes from :func:`stream`.

    Returns:
        str: Equal for equal streams only (up to 64-bit collisions).
    """
    high, low = sequence.generate_state(2, dtype=np.uint32)
    return f'{high:08x}{low:08x}'


def open_stream(
    seed: int, split: str, video: int, purpose: str, part: int = 0
) -> tuple[np.random.Generator, str]:
    """Generator and manifest name of one stream (see :func:`stream`)."""
    sequence = stream(seed, split, video, purpose, part)
    return np.random.default_rng(sequence), stream_id(sequence)
