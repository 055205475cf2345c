# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import zlib
from typing import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS

from .encoded_frame import decoded


@TRANSFORMS.register_module()
class MaskRandomJoints(BaseTransform):
    """Hide joints, chosen at random, behind patches of one colour.

    For loaded frames, before they are cropped. The choice depends on the
    seed, the video, the track and the number of the frame only: it is the
    same in every epoch and worker, and for models that read the video in
    other windows.

    Required keys: ``img`` (list of T frames, or one frame), ``bbox`` T x 4,
    ``keypoints`` T x K x 2, ``keypoints_visible`` T x K, ``video_id`` and
    ``frame_ids`` (T). Changed keys: ``img``, and ``keypoints_visible``, 0 at
    the joints that are now hidden; they stay labelled, so that losses and
    metrics take them as occluded. Added key: ``joints_masked`` T x K bool, in
    the order of the joints before any flip: the visible joints under a patch,
    be it their own or a neighbour's. To have it in a sample's metainfo, name
    it in the ``meta_keys`` of the packing transform.

    Args:
        num_joints (int, optional): Joints to choose in a frame among all K;
            those not visible there get no patch.
        prob (float, optional): Instead of ``num_joints``: probability of
            each joint, 0 to 1.
        patch_size (float): Side of the square patch, in longer sides of the
            frame's box. Defaults to 0.1.
        duration (int): Consecutive frame numbers with the same choice of
            joints; their patches follow the joints. Defaults to 1.
        frames (Sequence[int], optional): Rows of the clip that may be masked;
            negative ones count from the end. Defaults to ``None``: all.
        color (Sequence[int]): BGR. Defaults to ImageNet's mean, which is 0
            after normalisation.
        seed (int): Defaults to 0.

    Raises:
        ValueError: Not exactly one of ``num_joints`` and ``prob``, or a value
            out of range.
    """

    def __init__(
        self,
        num_joints: int | None = None,
        prob: float | None = None,
        patch_size: float = 0.1,
        duration: int = 1,
        frames: Sequence[int] | None = None,
        color: Sequence[int] = (104, 116, 124),
        seed: int = 0,
    ) -> None:
        name = self.__class__.__name__
        if (num_joints is None) == (prob is None):
            raise ValueError(f'{name}: give either num_joints or prob')
        if num_joints is not None and num_joints < 1:
            raise ValueError(
                f'{name}: num_joints must be at least 1, but got {num_joints}'
            )
        if prob is not None and not 0 < prob <= 1:
            raise ValueError(
                f'{name}: prob must be above 0 and at most 1, but got {prob}'
            )
        if not 0 < patch_size <= 1:
            raise ValueError(
                f'{name}: patch_size must be above 0 and at '
                f'most 1, but got {patch_size}'
            )
        if duration < 1 or seed < 0:
            raise ValueError(
                f'{name}: duration must be at least 1 and seed '
                f'at least 0, but got {duration} and {seed}'
            )
        self.num_joints = num_joints
        self.prob = prob
        self.patch_size = patch_size
        self.duration = duration
        self.frames = None if frames is None else tuple(frames)
        self.color = tuple(color)
        self.seed = seed

    def _chosen(self, results: dict, row: int) -> np.ndarray:
        """(K,) bool, drawn for a frame, visible or not."""
        count = results['keypoints'].shape[1]
        name = f'{results["video_id"]}/{results.get("track_id", "")}'
        frame = int(results['frame_ids'][row])
        # The first numbered frame is 1 in most data sets, 0 in some.
        rng = np.random.default_rng(
            (
                self.seed,
                zlib.crc32(name.encode()),
                max(frame, 0) // self.duration,
            )
        )
        draws = rng.random(count)
        if self.prob is not None:
            return draws < self.prob
        return draws.argsort().argsort() < self.num_joints

    def patches(self, results: dict) -> tuple[np.ndarray, np.ndarray]:
        """Where the patches of a clip are, without touching its frames.

        Args:
            results (dict): A sample of a clip data set, before the crop.

        Returns:
            tuple: T x K x 4 int, x1 y1 x2 y2 of each joint's patch in image
            pixels, ends not included, empty (all 0) where there is none; and
            T x K bool, the visible joints under any patch of their frame.

        Raises:
            ValueError: ``frames`` names a row that the clip does not have.
        """
        keypoints = np.asarray(results['keypoints'], np.float64)
        visible = np.asarray(results['keypoints_visible'])
        visible = visible.reshape(*keypoints.shape[:2], -1)[..., 0] > 0
        length = len(keypoints)
        rows = np.arange(length)
        if self.frames is not None:
            wrong = [r for r in self.frames if not -length <= r < length]
            if wrong:
                raise ValueError(
                    f'{self.__class__.__name__}: frames names row {wrong[0]}, '
                    f'but clips have {length} frames'
                )
            rows = rows[list(self.frames)]
        boxes = np.asarray(results['bbox'], np.float64)
        sides = (boxes[:, 2:4] - boxes[:, :2]).max(axis=1) * self.patch_size
        places = np.zeros((*keypoints.shape[:2], 4), int)
        masked = np.zeros(keypoints.shape[:2], bool)
        for row in np.unique(rows):
            chosen = self._chosen(results, row) & visible[row]
            side = max(1, int(round(sides[row])))
            for joint in np.flatnonzero(chosen):
                corner = np.floor(
                    keypoints[row, joint] + 0.5 - (side - 1) / 2
                ).astype(int)
                places[row, joint] = (*corner, *(corner + side))
                pixels = np.rint(keypoints[row])
                under = (pixels >= corner) & (pixels < corner + side)
                masked[row] |= under.all(axis=1) & visible[row]
        return places, masked

    def transform(self, results: dict) -> dict:
        """Paint the patches.

        Args:
            results (dict): A loaded clip or frame with its annotation.

        Returns:
            dict: ``results``, changed as the class says; the frames are
            copies where they have a patch.
        """
        places, masked = self.patches(results)
        single = not isinstance(results['img'], (list, tuple))
        images = [results['img']] if single else list(results['img'])
        for row in np.flatnonzero(places.any(axis=(1, 2))):
            images[row] = decoded(images[row]).copy()
            for x1, y1, x2, y2 in places[row][places[row].any(axis=1)]:
                images[row][
                    max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)
                ] = self.color
        results['img'] = images[0] if single else images
        visible = results['keypoints_visible'].copy()
        visible[masked] = 0
        results['keypoints_visible'] = visible
        results['joints_masked'] = masked
        return results

    def __repr__(self) -> str:
        return (
            f'{self.__class__.__name__}(num_joints={self.num_joints}, '
            f'prob={self.prob}, patch_size={self.patch_size}, '
            f'duration={self.duration}, frames={self.frames}, '
            f'color={self.color}, seed={self.seed})'
        )
