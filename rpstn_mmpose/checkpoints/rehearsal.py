# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A first reading of a checkpoint, before torch reads it.

It finds out what the file asks for and how much it claims to hold. Nothing
of it is run, and memory is only taken in proportion to the file: the numbers
of its tensors are left out, and sizes are compared with what is there.
"""

from __future__ import annotations

import io
import math
import os
import pickletools
import re
import tarfile
import zipfile
from collections import OrderedDict
from typing import Any, BinaryIO, Callable, NamedTuple

import torch

from .error import CheckpointError
from .restricted_unpickler import (
    Unpickler,
    allowed_globals,
    global_name,
    is_count,
)
from .safe_globals import Refused, refuse

# Each may be an object of some hundred bytes, out of one byte of the file. A
# network of 10,000 tensors with its optimizer takes a quarter of it.
MAX_OPERATIONS = 3_000_000
_ZIP_START = b'PK\x03\x04'  # what torch itself goes by


class _Damaged(Exception):
    """Incomplete, damaged, or no checkpoint."""


class _Storage(NamedTuple):
    """A storage without its numbers."""

    dtype: torch.dtype
    numel: int


class _Tensor(NamedTuple):
    """A tensor without its numbers."""

    dtype: torch.dtype
    shape: tuple


def _leave_out_tensor(
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any = False,
    hooks: Any = None,
    metadata: Any = None,
) -> _Tensor:
    """Stands for torch's functions that make a tensor of a storage."""
    counts = (offset, *size, *stride)
    if not (
        type(storage) is _Storage
        and all(map(is_count, counts))
        and len(size) == len(stride)
    ):
        refuse('a tensor of another form')
    _check_hooks(hooks)
    if metadata:
        refuse('a tensor with attributes')
    numel = math.prod(size)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride))
    if numel and (last >= storage.numel or numel > storage.numel):
        raise _Damaged(
            f'it claims a tensor of {tuple(size)} in a storage of '
            f'{storage.numel}'
        )
    return _Tensor(storage.dtype, tuple(size))


def _leave_out_parameter(data: Any, requires_grad: Any, hooks: Any) -> _Tensor:
    if type(data) is not _Tensor:
        refuse('a parameter of another form')
    _check_hooks(hooks)
    return data


def _check_hooks(hooks: Any) -> None:
    # torch would call them in the backward pass.
    if hooks is not None and hooks != OrderedDict():
        refuse('hooks of a tensor')


def _counted(operation: Callable) -> Callable:
    def run(self: Any) -> None:
        self.operations += 1
        if self.operations > MAX_OPERATIONS:
            raise _Damaged(f'it holds more than {MAX_OPERATIONS:,} objects')
        operation(self)

    return run


class _OtherOperation(Exception):
    """A pickle operation that torch.save does not use; its name."""


def _other_operation(code: int) -> Callable:
    def run(self: Any) -> None:
        known = pickletools.code2op.get(chr(code))
        raise _OtherOperation(known.name if known else hex(code))

    return run


class _Rehearsal(Unpickler):
    """The restricted reader without numbers.

    Attributes:
        storages: Those that were named, by key.
    """

    tensor_globals = {
        'torch._utils._rebuild_tensor': _leave_out_tensor,
        'torch._utils._rebuild_tensor_v2': _leave_out_tensor,
        'torch._utils._rebuild_parameter': _leave_out_parameter,
    }
    dispatch = {
        code: _counted(Unpickler.dispatch.get(code) or _other_operation(code))
        for code in range(256)
    }

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding='utf-8')  # torch's
        self.operations = 0
        self.storages: dict[str, _Storage] = {}

    def persistent_load(self, pid: tuple) -> _Storage:
        kind, key, _, numel = pid[1:5]
        storage = _Storage(kind.dtype, numel)
        if self.storages.setdefault(key, storage) != storage:
            raise _Damaged(f'it names the storage {key} twice')
        view = pid[5] if len(pid) > 5 else None
        if view is not None:
            _, offset, size = view
            if not (
                is_count(offset) and is_count(size) and offset + size <= numel
            ):
                raise _Damaged(
                    f'it claims more of the storage {key} than there is'
                )
            storage = storage._replace(numel=size)
        return storage


def rehearse(file: Any, name: str) -> None:
    """Read a checkpoint without its numbers.

    Args:
        file: Path or binary stream; a stream is left where it was.
        name: For the message.

    Raises:
        CheckpointError: It asks for anything that no checkpoint needs, is
            incomplete or damaged, claims to hold more than it does, or is a
            file of another kind.
        OSError: It cannot be opened.
    """
    if isinstance(file, (str, os.PathLike)):
        with open(file, 'rb') as stream:
            rehearse(stream, name)
        return
    start = file.tell()
    try:
        other = _rehearse_stream(file)
    except Refused as error:
        raise CheckpointError(
            f'{name} was refused: it asks for {error.what}, which no MMPose '
            'checkpoint needs; nothing in it was run. If you trust where it '
            'comes from, save its state dict alone with torch.save there.'
        ) from None
    except Exception as error:  # pickle and zipfile raise a dozen kinds
        first = re.split(r'\n|\. ', str(error))[0][:120]
        raise CheckpointError(
            f'{name} cannot be read as a checkpoint: it is cut short, damaged '
            f'or is not one ({first or "the file ends early"}). Copy or '
            'download it again, or take the one before it.'
        ) from None
    finally:
        file.seek(start)
    if other:
        raise CheckpointError(
            f'{name} is {other}, and not a checkpoint: a file that torch.save '
            'wrote is needed, with a dict of tensors, or one with the key '
            '"state_dict".'
        )


def _rehearse_stream(stream: BinaryIO) -> str | None:
    """What it is, if it is complete and not a file of torch.save."""
    start = stream.tell()
    is_zip = stream.read(len(_ZIP_START)) == _ZIP_START
    stream.seek(start)
    if is_zip:
        return _rehearse_zip(stream, start)
    if _is_tar(stream):
        return 'a tar archive'
    stream.seek(start)
    return _rehearse_pickles(stream)


def _is_tar(stream: BinaryIO) -> bool:
    try:
        with tarfile.open(fileobj=stream, mode='r:') as archive:
            return archive.next() is not None
    except tarfile.TarError:
        return False


def _rehearse_zip(stream: BinaryIO, start: int) -> str | None:
    length = stream.seek(0, os.SEEK_END)
    with zipfile.ZipFile(stream) as archive:
        items = archive.infolist()
        names = [item.filename for item in items]
        if any(item.endswith('/constants.pkl') for item in names):
            return 'a TorchScript archive'
        # torch finds entries whatever their case.
        if len({item.lower() for item in names}) < len(names):
            raise _Damaged('two entries have one name')
        for item in items:
            if (
                item.compress_type != zipfile.ZIP_STORED
                or item.compress_size != item.file_size
            ):
                raise _Damaged(
                    f'its entry {item.filename} is compressed, '
                    'which torch.save does not do'
                )
        if (
            sum(item.file_size for item in items) > length
            or min(item.header_offset for item in items) != start
        ):
            raise _Damaged(
                'its entries claim another length than the file has'
            )
        wrong = archive.testzip()
        if wrong is not None:
            raise _Damaged(f'the checksum of its entry {wrong} is wrong')
        folder = names[0].partition('/')[0]
        sizes = {item.filename: item.file_size for item in items}
        file = io.BytesIO(archive.read(f'{folder}/data.pkl'))
    reader = _Rehearsal(file)
    _load(reader, file)
    for key, storage in reader.storages.items():
        if sizes.get(f'{folder}/data/{key}') != _num_bytes(storage):
            raise _Damaged(
                f'the storage {key} has another length than it claims'
            )
    return None


def _rehearse_pickles(stream: BinaryIO) -> str | None:
    """The format of torch before 1.6: five pickles, then the numbers."""
    start = stream.tell()
    try:
        magic = _Rehearsal(stream).load()
    except _OtherOperation:
        stream.seek(start)
        _refuse_first_global(stream)
        magic = None
    if type(magic) is not int or magic != torch.serialization.MAGIC_NUMBER:
        return 'a plain pickle'
    for _ in ('version of the format', 'facts about the machine'):
        _load(_Rehearsal(stream), stream)
    reader = _Rehearsal(stream)
    _load(reader, stream)
    keys = _load(_Rehearsal(stream), stream)
    if sorted(keys, key=str) != sorted(reader.storages):
        raise _Damaged('its list of storages is another one')
    place = stream.tell()
    length = stream.seek(0, os.SEEK_END)
    for key in keys:
        storage = reader.storages[key]
        stream.seek(place)
        found = int.from_bytes(stream.read(8), 'little')
        place += 8 + _num_bytes(storage)
        if found != storage.numel or place > length:
            raise _Damaged(
                f'the storage {key} has another length than it claims'
            )
    return None


def _load(reader: _Rehearsal, stream: BinaryIO) -> Any:
    start = stream.tell()
    try:
        return reader.load()
    except _OtherOperation as error:
        stream.seek(start)
        _refuse_first_global(stream)
        refuse(f'the pickle operation {error}')


def _num_bytes(storage: _Storage) -> int:
    return storage.numel * torch.empty(0, dtype=storage.dtype).element_size()


def _refuse_first_global(stream: BinaryIO) -> None:
    """Refuse what a pickle of any protocol asks for, if it is foreign."""
    memo: dict[int, Any] = {}
    last, texts = None, []
    for operation, value, _ in pickletools.genops(stream):
        code = operation.name
        if code in ('GLOBAL', 'INST', 'STACK_GLOBAL'):
            parts = value.split(' ', 1) if value else texts[-2:]
            full, last = global_name(*parts), None
            if (
                full not in allowed_globals()
                and full not in _Rehearsal.tensor_globals
            ):
                refuse(full)
        elif code == 'MEMOIZE' or code.endswith('PUT'):
            memo[len(memo) if code == 'MEMOIZE' else value] = last
        else:
            last = memo.get(value) if code.endswith('GET') else value
            if isinstance(last, str):
                texts.append(last)
