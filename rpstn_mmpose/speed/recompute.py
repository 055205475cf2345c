# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import Any, Callable, Iterator

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


@contextmanager
def frozen_statistics(module: nn.Module) -> Iterator[None]:
    """Batch norms in training mode keep their running statistics as they
    are.
    """
    norms = [
        norm
        for norm in module.modules()
        if isinstance(norm, _BatchNorm)
        and norm.track_running_stats
        and norm.training
    ]
    kept = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        # The statistics still go through the same operations, for autograd
        # compares what the two passes save. The count is a copy, for
        # synchronised norms insist on one.
        count = norm.num_batches_tracked
        norm.momentum = 0.0
        norm.num_batches_tracked = None if count is None else count.clone()
    try:
        yield
    finally:
        for norm, values in zip(norms, kept):
            norm.momentum, norm.num_batches_tracked = values


def recompute_in_backward(module: nn.Module, function: Callable, *args) -> Any:
    """Call a function and forget what it computed on the way; the backward
    pass computes it again.

    :func:`torch.utils.checkpoint.checkpoint`, except that batch norms count
    a batch once, not once in each pass. Gradients and running statistics
    are those of a plain call.

    Args:
        module (nn.Module): The one whose batch norms the function uses.
        function (Callable): What to call.
        *args: Its arguments.

    Returns:
        What the function returns.
    """
    return checkpoint(
        function,
        *args,
        use_reentrant=False,
        context_fn=lambda: (nullcontext(), frozen_statistics(module)),
    )
