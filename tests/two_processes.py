# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Work that two real processes do together, by torch's gloo backend."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path
from typing import Any, Callable

import torch
import torch.distributed as dist


def _rank(
    rank: int, folder: Path, queue: Any, work: Callable[[], Any]
) -> None:
    os.chdir(folder)  # mmengine exchanges results in ./.dist_test
    torch.set_num_threads(1)
    dist.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2
    )
    try:
        queue.put((rank, work()))
    finally:
        dist.destroy_process_group()


def in_two_processes(folder: Path, work: Callable[[], Any]) -> dict[int, Any]:
    """What each of two processes returns, by rank.

    Args:
        folder: Their working directory.
        work: Called in each; its result is pickled.
    """
    context = multiprocessing.get_context('fork')
    queue = context.Queue()
    ranks = [
        context.Process(target=_rank, args=(rank, folder, queue, work))
        for rank in range(2)
    ]
    for process in ranks:
        process.start()
    results = dict(queue.get(timeout=120) for _ in ranks)
    for process in ranks:
        process.join(timeout=60)
        assert process.exitcode == 0
    return results
