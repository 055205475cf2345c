# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Work that two real processes do together, by torch's gloo backend."""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any, Callable
from unittest import mock

import torch
import torch.distributed as dist

from rpstn_mmpose.registration import MODULES


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


def training_context(*modules: str) -> BaseContext:
    """Where processes come from that train on the CPU: a fork, which has
    everything imported.

    With a GPU neither CUDA nor autograd's threads go on after a fork. There
    they are forks of a server that sees no GPU and never trained.

    Args:
        modules: Imported in the server.
    """
    if not torch.cuda.is_available():
        return multiprocessing.get_context('fork')
    context = multiprocessing.get_context('forkserver')
    # what a registry would import in each of them
    context.set_forkserver_preload([*MODULES, *modules])
    path = os.pathsep.join(filter(None, sys.path))
    with mock.patch.dict(os.environ, CUDA_VISIBLE_DEVICES='', PYTHONPATH=path):
        forkserver.ensure_running()
    return context


def in_two_processes(
    folder: Path, work: Callable[[], Any], context: BaseContext | None = None
) -> dict[int, Any]:
    """What each of two processes returns, by rank.

    Args:
        folder: Their working directory.
        work: Called in each; its result is pickled.
        context: Where they come from; None: forks, which cannot train where
            there is a GPU.
    """
    context = context or multiprocessing.get_context('fork')
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
