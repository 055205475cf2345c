# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Any, Sequence

from mmengine.evaluator import BaseMetric
from mmpose.registry import METRICS

from ...structures import split_clip


@METRICS.register_module()
class PerFrameMetric(BaseMetric):
    """Run any of MMPose's metrics on the wanted frames of clips, one by one.

    mmengine collects one list of results over all ranks and cuts it to the
    number of samples, to drop the data loader's padding. The inner metric
    makes several results a clip, so its results are kept here as one record a
    clip, collected and cut as such, and only then handed to the inner
    metric's ``compute_metrics``: nothing is cut off or counted twice.

    Args:
        metric (dict | BaseMetric): The inner metric, e.g.
            ``dict(type='PCKAccuracy', thr=0.2)``. The metrics' names, its
            prefix included, are its own.
        collect_device (str): See :class:`mmengine.evaluator.BaseMetric`.
        prefix (str, optional): None: the inner metric's.

    Raises:
        ValueError: An inner metric that replaces ``evaluate``, whose results
            do not all pass through ``compute_metrics``.
    """

    def __init__(
        self,
        metric: dict | BaseMetric,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        if isinstance(metric, dict):
            metric = METRICS.build(metric)
        if type(metric).evaluate is not BaseMetric.evaluate:
            raise ValueError(
                f'{self.__class__.__name__} cannot run '
                f'{type(metric).__name__}, which evaluates in a way of its '
                'own; give its parts one by one'
            )
        self.metric = metric
        super().__init__(
            collect_device=collect_device, prefix=prefix or metric.prefix
        )

    @property
    def dataset_meta(self) -> dict | None:
        """Metainfo of the data set, which the inner metric shares."""
        return self.metric.dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict) -> None:
        self.metric.dataset_meta = dataset_meta

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Feed the inner metric, and keep what it makes of each clip.

        Args:
            data_batch: Handed on.
            data_samples (Sequence[dict]): Clips, or single-frame samples.
        """
        for sample in data_samples:
            frames = split_clip(sample, only_wanted=True)
            if frames:
                self.metric.process(data_batch, frames)
            self.results.append(list(self.metric.results))
            self.metric.results.clear()

    def compute_metrics(self, results: list) -> dict:
        """Hand all frames' results to the inner metric.

        Args:
            results (list[list]): The clips' records.

        Returns:
            dict: The inner metric's.
        """
        return self.metric.compute_metrics(
            [result for record in results for result in record]
        )
