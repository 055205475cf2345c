# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Write a video's predictions frame by frame, as JSON that is always whole."""

from __future__ import annotations

import json
import os
from typing import Any, Mapping

import numpy as np

from ..visualization.output_path import check_output_path, make_part

_END = b'\n]}\n'


def to_plain(value: Any) -> Any:
    """Make arrays, tensors and numpy numbers what ``json`` can write.

    Numbers that are not finite become ``None``, which JSON has.
    """
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if hasattr(value, 'tolist'):
        value = value.tolist()
    if isinstance(value, (list, tuple, set)):
        return [to_plain(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


class PredictionWriter:
    """``{"meta_info": ..., "instance_info": [...]}``, as MMPose's demos.

    There is one line for each frame, with ``frame_id`` (from 0), ``instances``
    and whatever else the frame's record has. The end of the list is written
    after every frame and overwritten by the next one, so that even a killed
    process leaves a file that can be read, a hidden one named ``*.json.part``
    (see :func:`~rpstn_mmpose.visualization.output_path.make_part`); it gets
    its name when the writer is closed.

    Args:
        path: Of the ``.json`` file; missing folders are made.
        meta_info: Of the data set and the video.

    Raises:
        ValueError: A path that does not end in ``.json``.
        OSError: The path cannot be written.
    """

    def __init__(self, path: str | os.PathLike, meta_info: Mapping) -> None:
        self.path = check_output_path(path, ('.json',))
        self.num_frames = 0
        self._part = make_part(self.path)
        # Unbuffered: a record and the end are one write.
        self._file = open(self._part, 'wb', buffering=0)
        head = json.dumps(to_plain(meta_info), allow_nan=False)
        head = f'{{"meta_info": {head},\n"instance_info": ['.encode()
        self._file.write(head + _END)
        self._place = len(head)

    def write(
        self, frame_id: int, instances: list[dict], **others: Any
    ) -> None:
        """Append a frame.

        Args:
            frame_id: From 0.
            instances: Of the frame, as from
                :func:`mmpose.structures.split_instances`.
            **others: More entries of the record.
        """
        record = to_plain(
            dict(frame_id=frame_id, **others, instances=instances)
        )
        text = json.dumps(record, allow_nan=False)
        data = f'{"," if self.num_frames else ""}\n{text}'.encode()
        self._file.seek(self._place)
        self._file.write(data + _END)
        self._place += len(data)
        self.num_frames += 1

    def close(self) -> None:
        """Give the file its name."""
        self._file.close()
        os.replace(self._part, self.path)

    def discard(self) -> None:
        """Leave nothing behind."""
        self._file.close()
        self._part.unlink(missing_ok=True)
