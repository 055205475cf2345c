# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Steps of a pipeline that give, read and spoil the input pose."""

from __future__ import annotations

from typing import Any, Mapping

import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.datasets.transforms import PackPoseInputs
from mmpose.registry import TRANSFORMS
from mmpose.structures.bbox import (
    bbox_xyxy2cs,
    get_udp_warp_matrix,
    get_warp_matrix,
)
from mmpose.structures.keypoint import flip_keypoints

from ...structures import box_iou
from .error_table import error_chances, read_skeleton
from .pose_errors import draw_errors, radii, reference_points
from .pose_files import EXTENT, MIN_IOU, best_match, pose_box, read_poses

NEAR_IOU = 0.1


def in_crop(points: np.ndarray, results: dict, use_udp: bool) -> np.ndarray:
    """Poses of the picture as the crop shows them.

    What ``RandomFlip``, ``RandomBBoxTransform`` and ``TopdownAffine`` did, in
    this order, is done to further poses.

    Args:
        points (np.ndarray): (N, K, 2), pixels of the picture.
        results (dict): After ``TopdownAffine``.
        use_udp (bool): As of ``TopdownAffine``.

    Returns:
        np.ndarray: (N, K, 2), pixels of the crop.
    """
    if results.get('flip'):
        height, width = results['img_shape'][:2]
        points, _ = flip_keypoints(
            points,
            np.ones(points.shape[:2]),
            (width, height),
            results['flip_indices'],
            results['flip_direction'],
        )
    warp = (get_udp_warp_matrix if use_udp else get_warp_matrix)(
        results['input_center'],
        results['input_scale'],
        results.get('bbox_rotation', [0.0])[0],
        output_size=results['input_size'],
    )
    return points @ warp[:, :2].T + warp[:, 2]


def pack_pose(results: dict, pose: np.ndarray) -> None:
    """Let a pose (K, 3) go with the sample, as ``input_poses``."""
    results['input_poses'] = pose[None].astype(np.float32)
    table = results.get(
        'instance_mapping_table', PackPoseInputs.instance_mapping_table
    )
    results['instance_mapping_table'] = dict(table, input_poses='input_poses')


@TRANSFORMS.register_module()
class LoadInputPose(BaseTransform):
    """Look up the person's pose in a file of poses.

    The pose of the same picture whose box overlaps most with the person's;
    nothing where there is none. A sample that has a pose already keeps it.
    The file is read when the first pose is looked up.

    Adds ``input_keypoints`` (1, K, 3): x and y in pixels of the picture, NaN
    where a joint is absent, and the score.

    Args:
        pose_file (str): See
            :func:`~rpstn_mmpose.systems.posefix.pose_files.read_poses`;
            pictures are known by ``img_id``.
        min_iou (float): Least overlap of the boxes.
        first_frame (int): See there.
    """

    def __init__(
        self, pose_file: str, min_iou: float = MIN_IOU, first_frame: int = 1
    ) -> None:
        self.pose_file, self.min_iou = pose_file, min_iou
        self.first_frame = first_frame
        self._poses: dict | None = None

    def transform(self, results: dict) -> dict:
        """See the class."""
        if 'input_keypoints' in results:
            return results
        if self._poses is None:
            self._poses = read_poses(
                self.pose_file, len(results['flip_indices']), self.first_frame
            )
        found = best_match(
            results['bbox'][0],
            self._poses.get(str(results['img_id']), []),
            self.min_iou,
        )
        if found is not None:
            results['input_keypoints'] = found.keypoints[None].copy()
        return results


@TRANSFORMS.register_module()
class GetPoseCenterScale(BaseTransform):
    """Crop around the input pose; around the box where there is none.

    Adds ``bbox_center`` and ``bbox_scale``. ``bbox`` stays as it is.

    Args:
        extent (float): Sides of the pose's box, in extents of its joints.
        padding (float): Sides of the crop, in those of the box.
    """

    def __init__(self, extent: float = EXTENT, padding: float = 1.25) -> None:
        self.extent, self.padding = extent, padding

    def transform(self, results: dict) -> dict:
        """See the class."""
        box = results['bbox'][0]
        if results.get('input_keypoints') is not None:
            around = pose_box(results['input_keypoints'][0], self.extent)
            box = around if np.isfinite(around).all() else box
        center, scale = bbox_xyxy2cs(box[None], padding=self.padding)
        results['bbox_center'], results['bbox_scale'] = center, scale
        return results


@TRANSFORMS.register_module()
class AddInputPose(BaseTransform):
    """Pack the input pose, in pixels of the crop, as ``input_poses``.

    After ``TopdownAffine``. A person without one gets one without joints.

    Args:
        use_udp (bool): As of ``TopdownAffine``.
    """

    def __init__(self, use_udp: bool = False) -> None:
        self.use_udp = use_udp

    def transform(self, results: dict) -> dict:
        """See the class."""
        given = results.get('input_keypoints')
        if given is None:
            given = np.full((1, len(results['flip_indices']), 3), np.nan)
        pose = np.array(given[0], np.float64)
        if results.get('flip'):  # the scores, too
            pose[:, 2] = pose[results['flip_indices'], 2]
        pose[:, :2] = in_crop(given[:, :, :2], results, self.use_udp)[0]
        pack_pose(results, pose)
        return results


@TRANSFORMS.register_module()
class AddNearPeople(BaseTransform):
    """Let a sample know who is beside the person, of data sets of tracks.

    Adds ``near_keypoints`` (M, K, 2), pixels of the picture, NaN where not
    labelled: the people of the same picture whose box overlaps with the
    person's. Pictures are known by the tracks' ``image_ids``.

    Args:
        min_iou (float): Least overlap.
    """

    def __init__(self, min_iou: float = NEAR_IOU) -> None:
        self.min_iou = min_iou
        self._order: np.ndarray | None = None

    def transform(self, results: dict) -> dict:
        """See the class."""
        tracks = results['dataset'].tracks
        ids = tracks.column('image_ids')
        if self._order is None:
            self._order = np.argsort(ids, kind='stable')
            self._sorted = ids[self._order]
        first, last = np.searchsorted(
            self._sorted, [results['img_id'], results['img_id'] + 1]
        )
        rows = self._order[first:last]
        boxes = tracks.column('bbox')[rows]
        own = results['bbox'][0]
        overlap = box_iou(own[None], boxes)[0] >= self.min_iou
        rows = rows[overlap & (boxes != own).any(axis=1)]
        known = tracks.column('keypoints_labeled')[rows] > 0
        results['near_keypoints'] = np.where(
            known[..., None], tracks.column('keypoints')[rows], np.nan
        )
        return results


@TRANSFORMS.register_module()
class SynthesizePoseErrors(BaseTransform):
    """Pack the true pose with the errors of a pose estimator.

    PoseFix, Sec. 4: each joint is right, jittered, taken for the joint on the
    other side (inversion) or of another person (swap), or missed, as often as
    its part of the body and the number of annotated joints tell. A joint
    without annotation takes the place of ``input_keypoints``, another model's,
    where there is one, and is left out otherwise. Errors spread with the
    person's box and the joint's sigma.

    After ``TopdownAffine``, of a sample with ``keypoints_visible`` or
    ``keypoints_labeled``; ``near_keypoints`` (M, K, 2) are the people beside.

    Args:
        metainfo (str): Path of the data set's metainfo file, which names the
            joints and has their sigmas.
        parts (dict, optional): Parts of joints whose names tell none, see
            :data:`~rpstn_mmpose.systems.posefix.error_table.PARTS`.
        use_udp (bool): As of ``TopdownAffine``.

    Raises:
        ValueError: See
            :func:`~rpstn_mmpose.systems.posefix.error_table.read_skeleton`.
    """

    def __init__(
        self,
        metainfo: str = 'configs/_base_/datasets/coco.py',
        parts: Mapping[str, str] | None = None,
        use_udp: bool = False,
    ) -> None:
        self.metainfo, self.use_udp = metainfo, use_udp
        self.skeleton = read_skeleton(metainfo, parts)

    def transform(self, results: dict) -> dict:
        """See the class."""
        truth = np.asarray(results['transformed_keypoints'][0], np.float64)
        number = len(self.skeleton.names)
        if len(truth) != number:
            raise ValueError(
                f'SynthesizePoseErrors: {self.metainfo} has {number} joints, '
                f"and the data set {len(truth)}; give the data set's metainfo"
            )
        known = _annotated(results)
        near = results.get('near_keypoints')
        near = np.zeros((0, number, 2)) if near is None else near
        near = in_crop(near, results, self.use_udp)
        own = np.where(known[:, None], truth, self._predicted(results))
        size = np.asarray(results['input_size'], float)
        inside = ((truth >= 0) & (truth <= size - 1)).all(axis=1)
        chances = error_chances(
            self.skeleton.parts, int((known & inside).sum()), len(near)
        )
        box = np.asarray(results['bbox'][0], float)
        scale = np.prod(size) / np.prod(results['input_scale'])
        area = np.prod(box[2:] - box[:2]) * scale
        points = reference_points(own, known, near, self.skeleton.mirrored)
        places, _ = draw_errors(
            points, radii(area, self.skeleton.sigmas), chances
        )
        pack_pose(results, np.column_stack([places, np.ones(number)]))
        return results

    def _predicted(self, results: dict) -> np.ndarray:
        """Joints (K, 2) of another model, NaN where there is none."""
        given: Any = results.get('input_keypoints')
        if given is None:
            return np.full((len(self.skeleton.names), 2), np.nan)
        return in_crop(given[:, :, :2], results, self.use_udp)[0]


def _annotated(results: dict) -> np.ndarray:
    """(K,) bool, in the order that a flip left them in."""
    known = results['keypoints_visible']
    known = np.reshape(known, (*np.shape(known)[:2], -1))[0, :, 0] > 0
    labeled = results.get('keypoints_labeled')
    if labeled is None:
        return known
    labeled = np.asarray(labeled)[0] > 0
    if results.get('flip'):  # MMPose's flip knows nothing of it
        labeled = labeled[results['flip_indices']]
    return known | labeled
