# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import os.path as osp
from collections import Counter
from functools import partial
from typing import Sequence

import mmcv
import numpy as np
from mmengine import fileio
from mmengine.runner import Runner
from mmengine.utils import mkdir_or_exist
from mmengine.visualization import Visualizer
from mmpose.engine.hooks import PoseVisualizationHook
from mmpose.registry import HOOKS
from mmpose.structures import PoseDataSample, merge_data_samples

from ..structures import split_clip


def draw_circles(
    visualizer: Visualizer, center: np.ndarray, radius: np.ndarray, **kwargs
) -> None:
    """Draw as the visualizer does, with any NumPy.

    MMPose gives OpenCV the radius as an array of one number, of which NumPy
    makes no int from 2.5 on.

    Args:
        visualizer (Visualizer): MMPose's.
        center (np.ndarray): (2,) in pixels.
        radius (np.ndarray): (1,) in pixels.
    """
    if getattr(visualizer, 'backend', None) == 'opencv':
        radius = np.asarray(radius).item()
    type(visualizer).draw_circles(visualizer, center, radius, **kwargs)


@HOOKS.register_module()
class ClipVisualizationHook(PoseVisualizationHook):
    """:class:`mmpose.engine.PoseVisualizationHook` for clips.

    Draws the frames of a clip that its ``frame_mask`` wants one by one, so
    that over an evaluation every frame is drawn once; stock single-frame
    samples as the stock hook does. Pictures are named after video and frame
    (``0001_000005.jpg``), and a relative ``out_dir`` stays where it is over
    the iterations.

    Args:
        See :class:`mmpose.engine.PoseVisualizationHook`.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._visualizer.draw_circles = partial(draw_circles, self._visualizer)
        self._names: Counter = Counter()

    def before_test(self, runner: Runner) -> None:
        """Start numbering anew: a second test replaces the first's files."""
        self._names.clear()
        self._test_index = 0

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict,
        outputs: Sequence[PoseDataSample],
    ) -> None:
        """Draw the first wanted frame of the batch, every ``interval``.

        Args:
            runner (Runner): Of the validation.
            batch_idx (int): Index of the batch.
            data_batch (dict): Not used.
            outputs (Sequence[PoseDataSample]): B samples with predictions.
        """
        if not self.enable or (runner.iter + batch_idx) % self.interval:
            return
        frames = split_clip(outputs[0], only_wanted=True)
        if frames:
            super().after_val_iter(
                runner, batch_idx, dict(data_samples=frames[:1]), frames[:1]
            )

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict,
        outputs: Sequence[PoseDataSample],
    ) -> None:
        """Draw every wanted frame.

        Args:
            runner (Runner): Of the test.
            batch_idx (int): Not used.
            data_batch (dict): Not used.
            outputs (Sequence[PoseDataSample]): B samples with predictions.
        """
        if not self.enable:
            return
        folder = None
        if self.out_dir is not None:
            # Not kept in self.out_dir: the stock hook joins it to itself
            # again at every iteration.
            folder = osp.join(runner.work_dir, runner.timestamp, self.out_dir)
            mkdir_or_exist(folder)
        self._visualizer.set_dataset_meta(runner.test_evaluator.dataset_meta)
        for sample in outputs:
            for frame in split_clip(sample, only_wanted=True):
                self._draw(frame, folder)

    def _draw(self, frame: PoseDataSample, folder: str | None) -> None:
        self._test_index += 1
        name = self._file_name(frame)
        image = mmcv.imfrombytes(
            fileio.get(frame.img_path, backend_args=self.backend_args),
            channel_order='rgb',
        )
        self._visualizer.add_datasample(
            name if self.show else 'test_img',
            image,
            # brings heatmaps of the crop back onto the picture
            data_sample=merge_data_samples([frame]),
            show=self.show,
            draw_gt=False,
            draw_bbox=True,
            draw_heatmap=True,
            wait_time=self.wait_time,
            kpt_thr=self.kpt_thr,
            out_file=None if folder is None else osp.join(folder, name),
            step=self._test_index,
        )

    def _file_name(self, frame: PoseDataSample) -> str:
        """Name for a frame's picture that no other one has.

        Samples of the stock packer do not carry ``video_id``; their frames
        are told apart by the folder that they lie in.
        """
        folder, base = osp.split(frame.img_path)
        video = frame.get('video_id', None) or osp.basename(folder)
        stem, ending = osp.splitext(base)
        stem = '_'.join([*str(video).replace('\\', '/').split('/'), stem])
        stem = stem.strip('_')
        self._names[stem] += 1
        count = self._names[stem]
        # More than one person in a frame.
        return f'{stem}{ending}' if count == 1 else f'{stem}-{count}{ending}'
