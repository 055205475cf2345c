# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Batches that are made in the workers of a data loader."""

from __future__ import annotations

import io
import pickle
from collections import deque
from typing import Any, Iterator, Sequence

import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import FUNCTIONS
from mmengine.structures import BaseDataElement
from torch import Tensor
from torch.utils.data import default_collate, get_worker_info

ALIGNMENT = 16  # bytes; that of the largest dtype


class _Packer(pickle.Pickler):
    """Puts tensors aside: a place in a common buffer stands for each."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self.tensors: list[tuple[int, Tensor]] = []
        self.size = 0

    def persistent_id(self, obj: Any) -> tuple | None:
        if not isinstance(obj, Tensor):
            return None
        place = self.size
        self.tensors.append((place, obj))
        length = obj.numel() * obj.element_size()
        self.size += length + -length % ALIGNMENT
        return place, length, obj.dtype, tuple(obj.shape)


class _Unpacker(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, buffer: Tensor) -> None:
        super().__init__(file)
        self.buffer = buffer

    def persistent_load(self, pid: tuple) -> Tensor:
        place, length, dtype, shape = pid
        part = self.buffer[place : place + length]
        return part.view(dtype).view(shape)


class PackedSamples(BaseDataElement):
    """The data samples of a batch as two things: the bytes of all their
    tensors one behind the other, and a pickle of the rest.

    A tensor that comes from a worker costs the main process a connection to
    it; there is one for the batch. A data preprocessor calls :meth:`to`, as
    of any data element, and gets the samples: their tensors are moved at
    once, and are views of what was moved.
    """

    def __init__(self, samples: Sequence[Any]) -> None:
        rest = io.BytesIO()
        packer = _Packer(rest)
        packer.dump(list(samples))
        buffer = torch.empty(packer.size, dtype=torch.uint8)
        for place, tensor in packer.tensors:
            flat = tensor.detach().contiguous().flatten()
            data = flat.view(torch.uint8)
            buffer[place : place + len(data)] = data
        super().__init__(buffer=buffer, rest=rest.getvalue())

    def samples(self) -> list[Any]:
        """The samples; each call makes new ones of the same tensors."""
        return _Unpacker(io.BytesIO(self.rest), self.buffer).load()

    def to(self, *args: Any, **kwargs: Any) -> list[Any]:
        """The samples on a device.

        Args:
            args, kwargs: Of :meth:`torch.Tensor.to`, without a dtype.
        """
        moved = self.buffer.to(*args, **kwargs)
        return _Unpacker(io.BytesIO(self.rest), moved).load()

    def pin_memory(self) -> PackedSamples:
        """Itself in memory that a GPU copies from while the host goes on."""
        self.set_data(dict(buffer=self.buffer.pin_memory()))
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter(self.samples())

    def __getitem__(self, index: int) -> Any:
        return self.samples()[index]


class _Rows:
    """A tensor that the main process gets as the list of its rows."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    def __reduce__(self) -> tuple:
        return list, (self.tensor,)


# The last batches of this worker. By default a worker is two batches ahead,
# so that the main process has done with what is dropped here: the worker
# gives the memory back to the system then, which else takes the main process
# longer than all the rest.
_LAST: deque = deque(maxlen=3)


@FUNCTIONS.register_module()
def stack_in_worker(data_batch: Sequence) -> Any:
    """mmengine's ``pseudo_collate``, but a worker hands over one tensor of
    images or clips and one of everything else.

    .. code:: python

        train_dataloader = dict(collate_fn=dict(type='stack_in_worker'), ...)

    What a data preprocessor makes of a batch stays the same bit for bit.
    Inputs of different shapes are handed over one by one, and without workers
    (``num_workers=0``) a batch is ``pseudo_collate``'s. Each worker holds the
    memory of one batch more.

    Args:
        data_batch: Samples as ``PackPoseInputs``, ``PackClipInputs`` or
            MMDetection's transforms pack them: dictionaries of ``inputs``
            and ``data_samples``.

    Returns:
        dict: ``inputs``, clips in one tensor B x T x 3 x H x W, anything else
        in a list, for stock preprocessors note wrong shapes of images in one
        tensor; and ``data_samples``, a :class:`PackedSamples`.
    """
    batch = pseudo_collate(data_batch)
    if get_worker_info() is None or not isinstance(batch, dict):
        return batch
    inputs = batch.get('inputs')
    if _are_alike(inputs):
        stacked = default_collate(inputs)
        batch['inputs'] = stacked if stacked.dim() == 5 else _Rows(stacked)
    if 'data_samples' in batch:
        batch['data_samples'] = PackedSamples(batch['data_samples'])
    _LAST.append(batch)
    return batch


def _are_alike(inputs: Any) -> bool:
    return (
        isinstance(inputs, list)
        and all(isinstance(x, Tensor) for x in inputs)
        and len({(x.shape, x.dtype) for x in inputs}) == 1
    )
