# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Rendering in several processes, with a progress bar."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, Callable, Sequence

import cv2
from tqdm import tqdm

from .config import check_positive


@dataclass(frozen=True)
class VideoJob:
    """One video to make.

    Attributes:
        number: In the data set, from 1.
        split: Its part of the data set.
        index: Number in the split, from 0.
        source: Label file whose people it shows.
    """

    number: int
    split: str
    index: int
    source: str | None = None


def video_jobs(**counts: int) -> list[VideoJob]:
    """Numbered videos, split after split.

    Example:
        >>> [(j.number, j.split, j.index) for j in video_jobs(train=2, val=1)]
        [(1, 'train', 0), (2, 'train', 1), (3, 'val', 0)]
    """
    places = [(split, i) for split, n in counts.items() for i in range(n)]
    return [VideoJob(i, *place) for i, place in enumerate(places, 1)]


def map_in_processes(
    work: Callable[[Any], Any],
    jobs: Sequence,
    num_workers: int,
    what: str,
    unit: str,
    progress: bool = True,
    chunk: int = 4,
) -> list:
    """Call a function for every job, each process with one thread.

    Args:
        work (callable): Takes a job; can be pickled.
        jobs (Sequence): What it is called with.
        num_workers (int): Processes; 1 stays in this one.
        what (str): For the bar.
        unit (str): One job, for the bar.
        progress (bool): Whether to show it.
        chunk (int): Jobs that a process takes at a time.

    Returns:
        list: Results in the order of the jobs.
    """
    check_positive(num_workers=num_workers)
    bar = tqdm(
        total=len(jobs),
        desc=what,
        unit=unit,
        disable=None if progress else True,
    )
    results = []
    with bar:
        if num_workers == 1:
            threads = cv2.getNumThreads()
            _single_thread()
            try:
                for job in jobs:
                    results.append(work(job))
                    bar.update()
            finally:
                cv2.setNumThreads(threads)
            return results
        # Forked workers inherit the imported packages; where fork does not
        # exist, the default start method does the same more slowly.
        forks = 'fork' in multiprocessing.get_all_start_methods()
        context = multiprocessing.get_context('fork' if forks else None)
        with ProcessPoolExecutor(
            num_workers, context, _single_thread
        ) as executor:
            for result in executor.map(work, jobs, chunksize=chunk):
                results.append(result)
                bar.update()
    return results


def _single_thread() -> None:
    """OpenCV's own threads cost more than they gain on small shapes."""
    cv2.setNumThreads(0)
