# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A data set whose items are made once, for trainings that memorise them."""

from __future__ import annotations

from mmpose.registry import DATASETS


@DATASETS.register_module()
class RememberedItems:
    """Items of another data set, whose pipeline is not random.

    The steps of a training are the same as without, but most of them decode
    no pictures.

    Args:
        dataset: Config of that data set.
    """

    def __init__(self, dataset: dict) -> None:
        self.dataset = DATASETS.build(dataset)
        self.metainfo = self.dataset.metainfo
        self.items: dict = {}

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict:
        if index not in self.items:
            self.items[index] = self.dataset[index]
        return self.items[index]


def remember_items(config) -> None:
    """Let a recipe's training remember its items; changed in place."""
    loader = config.train_dataloader
    loader.update(num_workers=0, persistent_workers=False)
    loader.dataset = dict(type='RememberedItems', dataset=loader.dataset)
