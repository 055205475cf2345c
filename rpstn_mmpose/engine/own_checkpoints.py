# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import os
import os.path as osp
import re
import shutil
from typing import Any, Sequence

from .resume_source import same_folder


class OwnCheckpoints:
    """The names that a checkpoint hook gives, and the removal of such files.

    What a resumed checkpoint says about files is the word of whoever made it.
    Names are therefore taken apart and made again here; nothing outside of
    ``out_dir`` is ever named.

    Args:
        backend: mmengine's file backend of ``out_dir``.
        out_dir: Folder of the checkpoints.
        filename_tmpl: Name of a checkpoint, with one ``{}`` for the step.
    """

    def __init__(self, backend: Any, out_dir: str, filename_tmpl: str) -> None:
        self.backend = backend
        self.out_dir = out_dir
        self.filename_tmpl = filename_tmpl
        self._pattern = _pattern(filename_tmpl.replace('/', '_'))

    def path(self, step: int) -> str:
        """Path of the checkpoint of a step."""
        return self._join(self.filename_tmpl.format(step))

    def best_path(self, key: str, step: int) -> str:
        """Path of the best checkpoint by a metric, as mmengine names it."""
        name = f'best_{key}_{self.filename_tmpl.format(step)}'
        return self._join(name.replace('/', '_'))

    def folder_has(self, path: Any) -> bool:
        """Whether a path lies where this hook writes its checkpoints."""
        return isinstance(path, str) and same_folder(
            osp.dirname(path), osp.dirname(self.path(0))
        )

    def has_name(self, name: str) -> bool:
        """Whether a file of this name would be the hook's."""
        pattern = _pattern(osp.basename(self.filename_tmpl))
        return (
            name == 'last_checkpoint'
            or bool(re.fullmatch(pattern, name))
            or self.own_best(name) is not None
        )

    def own_best(
        self, path: Any, key: str = 'auto', last: int | None = None
    ) -> str | None:
        """The path of a best checkpoint, made again.

        Args:
            path: Path or mere name, from anywhere.
            key: Its metric; ``'auto'`` stands for any.
            last: Latest step that it can be of, default any.

        Returns:
            str or None: Path in ``out_dir``; None for any other file's.
        """
        if not isinstance(path, str):
            return None
        folder, name = osp.split(path)
        key = '.+' if key == 'auto' else re.escape(key.replace('/', '_'))
        match = re.fullmatch(f'best_{key}_{self._pattern}', name)
        if not match or (folder and not same_folder(folder, self.out_dir)):
            return None
        if last is not None and any(
            int(step) > last for step in match.groups()
        ):
            return None
        return self._join(name)

    def is_best_at(self, path: str, step: int) -> bool:
        """Whether a best checkpoint's name is that of a step."""
        name = self.filename_tmpl.format(step).replace('/', '_')
        return osp.basename(path).endswith(f'_{name}')

    def own_steps(self, steps: Any, last: int) -> list[int]:
        """Those of the listed steps that can be this run's, in order."""
        if not isinstance(steps, Sequence) or isinstance(steps, str):
            return []
        # Not bool, which is an int, too.
        found = {
            step for step in steps if type(step) is int and 0 <= step <= last
        }
        return sorted(found)

    def remove(self, path: str) -> bool:
        """Remove a file of a name made here, or DeepSpeed's folder.

        Returns:
            bool: Whether it is gone; a link, or a folder of other content,
                is none that the hook has written, and stays.
        """
        if osp.islink(path):
            return False
        if self.backend.isfile(path):
            self.backend.remove(path)
        elif _is_of_deepspeed(path):
            shutil.rmtree(path)
        else:
            return False
        return True

    def _join(self, name: str) -> str:
        return self.backend.join_path(self.out_dir, name)


def _pattern(template: str) -> str:
    parts = re.split(r'\{[^{}]*\}', template)
    return '([0-9]{1,18})'.join(map(re.escape, parts))


def _is_of_deepspeed(path: str) -> bool:
    # It writes files such as mp_rank_00_model_states.pt, and no others.
    if not osp.isdir(path):
        return False
    with os.scandir(path) as entries:
        kinds = [
            entry.is_file(follow_symlinks=False)
            and entry.name.endswith(('model_states.pt', 'optim_states.pt'))
            for entry in entries
        ]
    return bool(kinds) and all(kinds)
