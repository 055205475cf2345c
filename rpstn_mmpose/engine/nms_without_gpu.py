# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""mmcv's NMS on a GPU for which mmcv was not built.

mmcv has operators for GPUs only where it was built beside a compiler of
torch's CUDA version. MMPose's models need none of them, but the detectors of
MMDetection end in an NMS, in training's evaluation as in the demo. Its boxes
are few by then: the CPU takes no time that matters.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from mmengine.logging import print_log


class Operators:
    """mmcv's compiled operators, with an NMS for every device.

    Args:
        compiled: mmcv's module of them.
    """

    def __init__(self, compiled: ModuleType) -> None:
        self._compiled = compiled
        self._told = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._compiled, name)

    def nms(
        self, bboxes: torch.Tensor, scores: torch.Tensor, **options: Any
    ) -> torch.Tensor:
        """Indices of the boxes that stay, best first.

        Args:
            bboxes: (N, 4), x1 y1 x2 y2.
            scores: (N,)
            options: Of mmcv's operator.

        Returns:
            torch.Tensor: (M,) int64, on the device of the boxes.
        """
        try:
            return self._compiled.nms(bboxes, scores, **options)
        except RuntimeError as error:
            if 'implementation for device' not in str(error):
                raise
        if not self._told:
            self._told = True
            print_log(
                'This mmcv has no operators for the GPU: the NMS of '
                'detectors runs on the CPU.',
                logger='current',
            )
        kept = self._compiled.nms(bboxes.cpu(), scores.cpu(), **options)
        return kept.to(bboxes.device)


def enable_nms_anywhere(module: ModuleType) -> None:
    """Give mmcv's NMS a way out where it would fail.

    Args:
        module: ``mmcv.ops.nms``.
    """
    module.ext_module = Operators(module.ext_module)
