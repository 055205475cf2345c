# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Any

import numpy as np

from ..transforms.clip_checks import check_frame_sizes
from .base_sequence_dataset import BaseSequenceDataset


class BaseClipDataset(BaseSequenceDataset):
    """Base class of data sets of images with boxes.

    The tracks have ``img_paths``, ``bbox``, ``keypoints``,
    ``keypoints_visible`` and ``keypoints_labeled``. With ``clip_length=1``
    the samples also run through MMPose's stock top-down pipeline.

    Args and errors: See :class:`BaseSequenceDataset`.
    """

    DATA_PREFIX: dict = dict(img='')

    def get_data_info(self, idx: int) -> dict:
        """A clip of T frames and K keypoints; pixels are 0-based.

        Args:
            idx (int): Index of the clip.

        Returns:
            dict: That of :class:`BaseSequenceDataset`, and ``img_path`` (of
            row 0) and ``bbox_score`` T, which is 1 where the tracks have
            none.
        """
        info = super().get_data_info(idx)
        info.setdefault(
            'bbox_score', np.ones(len(info['bbox']), dtype=np.float32)
        )
        info['img_path'] = info['img_paths'][0]
        return info

    def prepare_data(self, idx: int) -> Any:
        """A clip through the pipeline.

        Frames are compared with the size that the label tells, whichever
        transform loads them (LoadClip does so itself, before they are used).
        """
        info = self.get_data_info(idx)
        info['dataset'] = self  # as MMPose does for its mixing transforms
        packed = self.pipeline(info)
        if info.get('ori_shape') is not None:
            check_frame_sizes(
                info.get('frame_sizes'),
                info['ori_shape'],
                info['img_paths'],
                f'video {info["video_id"]}',
                self.__class__.__name__,
            )
        return packed
