# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""States of people, in the batches that they came in."""

from __future__ import annotations

from typing import Any, Callable, Collection, Hashable, Sequence

import torch
from torch import Tensor


def map_states(function: Callable, *states: Any) -> Any:
    """Apply a function to each field of states that are named tuples."""
    return type(states[0])._make(function(*parts) for parts in zip(*states))


def take_rows(batch: Any, rows: Sequence[int]) -> Any:
    """Rows of a batch, or of each of a tuple of batches.

    Without indices that the host would have to copy to the device, which
    waits for all that the device was given before.
    """
    if not isinstance(batch, Tensor):
        return tuple(take_rows(part, rows) for part in batch)
    if list(rows) == list(range(len(batch))):
        return batch
    # Slices: what is stacked would lose the channels-last order.
    return torch.cat([batch[row : row + 1] for row in rows])


class StateRows:
    """States by key, kept as the batch that they came in.

    Where the keys of the next frame are those of the last, which is the rule,
    nothing is copied.
    """

    def __init__(self) -> None:
        self._batch: Any = None
        self._rows: dict[Hashable, int] = {}
        self._away: dict[Hashable, Any] = {}

    @property
    def batch_keys(self) -> list[Any]:
        """Those of the batch that came last, in its order."""
        return list(self._rows)

    def _one(self, key: Hashable) -> Any:
        """The state of one key, as a batch of one."""
        if key in self._away:
            return self._away[key]
        row = self._rows[key]
        return map_states(lambda part: part[row : row + 1], self._batch)

    def get(self, keys: Sequence[Hashable]) -> Any:
        """States of some keys as one batch, in their order."""
        if list(keys) == self.batch_keys:
            return self._batch
        return map_states(
            lambda *parts: torch.cat(parts), *(self._one(key) for key in keys)
        )

    def put(
        self, keys: Sequence[Hashable], batch: Any, keep: Collection[Hashable]
    ) -> None:
        """Store a batch; of the others, keep those of ``keep``."""
        # Copies: a row alone would hold the whole batch that it is in.
        away = {
            key: (
                self._away[key]
                if key in self._away
                else map_states(torch.clone, self._one(key))
            )
            for key in keep
            if key not in set(keys)
        }
        self._batch, self._away = batch, away
        self._rows = {key: row for row, key in enumerate(keys)}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._rows or key in self._away

    def __len__(self) -> int:
        return len(self._rows) + len(self._away)
