# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
from mmengine.logging import print_log
from mmpose.registry import METRICS

from ...checkpoints.atomic_file import write_atomically
from ...datasets.label_fields import whole_number
from ..functional import (
    POSETRACK_FILE_NAMES,
    POSETRACK_JOINTS,
    load_posetrack_dir,
    posetrack_ap,
    posetrack_columns,
    posetrack_mot,
    posetrack_table,
)
from .frame_pose import FramePose, numbered
from .people_metric import PeopleMetric

# Of the truth's image entries, what is not repeated beside predictions.
_TRUTH_ONLY = ('ignore_regions_x', 'ignore_regions_y', 'mask_file')

NECKS = ('head_bottom', 'shoulders')
SCORE_MODES = ('keypoint', 'bbox_keypoint')
SIDES = ('left', 'right')


@METRICS.register_module()
class PoseTrackClipMetric(PeopleMetric):
    """PoseTrack's AP and MOTA of clips, as the official program counts them.

    Takes clips (samples of T rows, of which ``frame_mask`` selects those that
    count) whose metainfo has ``image_ids``, and stock single-frame samples,
    whose ``img_id`` is the image's. Every frame that the truth has people in
    is evaluated, also where nothing is predicted. See
    :func:`rpstn_mmpose.evaluation.functional.posetrack_ap` and
    :func:`~rpstn_mmpose.evaluation.functional.posetrack_mot`.

    A sample with a ``track_id`` of at least 0 is one of a tracked person.
    Others come from detections of single frames: they are freed from
    duplicates (NMS) frame by frame, and are numbered in each frame where
    they are written, as the official program asks for a number.

    Metrics, per cent: AP by columns ``Head``, ``Shou``, ``Elb``, ``Wri``,
    ``Hip``, ``Knee``, ``Ankl`` and ``Total``; if all people are tracked also
    ``mota`` and ``motp``, which are totals. A value that is not defined is
    NaN.

    Args:
        gt_dir (str): Folder with the truth, one PoseTrack18 JSON file a
            sequence. All of them are evaluated.
        out_dir (str, optional): Folder for the predictions, one PoseTrack18
            JSON file a sequence, which the official program takes as well.
        keypoint_thr (float): Joints of a lower score are taken for not
            predicted. AP is best with 0; MOTA, which knows no ranking, with
            the threshold that suits the model's scores.
        nms_thr (float, optional): Object keypoint similarity from which two
            untracked people of a frame are one; the one with the lower score
            (box times mean of its joints) is dropped. None: no NMS.
        neck (str): What is written as neck: ``'head_bottom'``, the model's
            own, or ``'shoulders'``, the mean of the two shoulders. PoseWarper
            was published with the latter, which costs it some AP of the head.
        score_mode (str): Scores of joints, which AP ranks by: ``'keypoint'``,
            the model's, or ``'bbox_keypoint'``, times that of the box.
        collect_device (str): See :class:`mmengine.evaluator.BaseMetric`.
        prefix (str, optional): Of the metrics' names; None: ``'PoseTrack'``.

    Raises:
        FileNotFoundError: ``gt_dir`` is missing or has no ``.json`` file.
        ValueError: Files that cannot be read, ``out_dir`` the same folder as
            ``gt_dir``, predictions of joints or images that the truth does
            not have, or that are not finite.
    """

    default_prefix = 'PoseTrack'

    def __init__(
        self,
        gt_dir: str,
        out_dir: str | None = None,
        keypoint_thr: float = 0.0,
        nms_thr: float | None = 0.9,
        neck: str = 'head_bottom',
        score_mode: str = 'keypoint',
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(nms_thr, collect_device, prefix)
        self.gt_dir = gt_dir
        self.out_dir = out_dir
        self.keypoint_thr = float(keypoint_thr)
        for option, value, known in (
            ('neck', neck, NECKS),
            ('score_mode', score_mode, SCORE_MODES),
        ):
            if value not in known:
                raise ValueError(
                    f'{self.name}: {option} must be one of '
                    f'{known}, but got {value!r}'
                )
        self.neck, self.score_mode = neck, score_mode
        # Found out now, not after the last video.
        if out_dir is not None:
            if os.path.realpath(out_dir) == os.path.realpath(gt_dir):
                raise ValueError(
                    f'{self.name}: out_dir is gt_dir, {gt_dir}: '
                    'the truth would be overwritten; choose '
                    'another folder'
                )
            os.makedirs(out_dir, exist_ok=True)
        self._sequences: dict[str, dict] = {}
        self._file_of: dict[Any, str] = {}
        for file, content in load_posetrack_dir(gt_dir).items():
            self._add_sequence(file, content)

    def _add_sequence(self, file: str, content: dict) -> None:
        """Remember what predictions of this sequence have to look like."""
        where = os.path.join(self.gt_dir, file)
        try:
            joints = content['categories'][0]['keypoints']
            images = [
                {
                    key: value
                    for key, value in image.items()
                    if key not in _TRUTH_ONLY
                }
                for image in content['images']
            ]
            for image in images:
                number = whole_number(image['id'], "'id' of an image", where)
                image['id'] = number
                if self._file_of.setdefault(number, file) != file:
                    raise ValueError(
                        f'{self.name}: image {number} is in {where} and in '
                        f'{self._file_of[number]}; gt_dir must hold each '
                        'sequence once'
                    )
        except (AttributeError, KeyError, IndexError, TypeError) as error:
            raise ValueError(
                f'{where}: not in PoseTrack18 format ({error!r}); it needs '
                "'images' with 'id' and 'categories' with 'keypoints'"
            ) from None
        self._sequences[file] = dict(
            images=images, categories=content['categories'], joints=joints
        )

    @property
    def keypoint_names(self) -> list[str]:
        """Names of the K joints of the predictions, in order."""
        names = super().keypoint_names
        for joint in POSETRACK_JOINTS:
            joint = POSETRACK_FILE_NAMES.get(joint, joint)
            if joint not in names:
                raise ValueError(
                    f'{self.name}: PoseTrack evaluates {joint!r}, which the '
                    f'model does not predict; its joints are {names}'
                )
        return names

    def _check_image(self, image_id: Any) -> None:
        if image_id not in self._file_of:
            raise ValueError(
                f'{self.name}: a prediction is of image {image_id!r}, which '
                f'is in no file of {self.gt_dir}; set gt_dir to the '
                "annotations of the data set's own split"
            )

    def compute_metrics(
        self, results: list[list[FramePose]]
    ) -> dict[str, float]:
        """Write the files, evaluate, log the table.

        Args:
            results (list[list]): The samples' poses.

        Returns:
            dict[str, float]: Metrics by name; see the class.
        """
        by_image = self._by_image(results)
        contents = {
            file: self._content(sequence, by_image)
            for file, sequence in self._sequences.items()
        }
        if self.out_dir is not None:
            for file, content in contents.items():
                write_atomically(
                    json.dumps(content, allow_nan=False).encode(),
                    os.path.join(self.out_dir, file),
                )
        poses = [len(c['annotations']) for c in contents.values()]
        print_log(
            f'{sum(poses)} poses in {len(by_image)} images, '
            f'{np.count_nonzero(poses)} of {len(poses)} sequences',
            'current',
        )

        scores = posetrack_ap(self.gt_dir, contents)
        rows = {'AP': scores['ap']}
        metrics = posetrack_columns(scores['ap'])
        if all(
            p.track_id >= 0 for people in by_image.values() for p in people
        ):
            tracking = posetrack_mot(self.gt_dir, contents)
            rows['MOTA'] = tracking['mota']
            metrics['mota'] = tracking['mota']['total']
            metrics['motp'] = tracking['motp']['total']
        print_log(f'PoseTrack, per cent:\n{posetrack_table(rows)}', 'current')
        return metrics

    def _content(
        self, sequence: dict, by_image: dict[Any, list[FramePose]]
    ) -> dict:
        """One sequence in PoseTrack18's format for predictions."""
        names = self.keypoint_names
        order = [
            names.index(joint) if joint in names else None
            for joint in sequence['joints']
        ]
        annotations: list[dict] = []
        # Once each, also of images that are listed twice.
        for number in dict.fromkeys(i['id'] for i in sequence['images']):
            people = self._without_duplicates(by_image.get(number, []))
            for track, pose in numbered(people):
                points = self._points(pose, order)
                if not points.any():
                    continue
                x1, y1, x2, y2 = pose.bbox.tolist()
                annotations.append(
                    dict(
                        id=len(annotations),
                        image_id=number,
                        track_id=track,
                        category_id=1,
                        bbox=[x1, y1, x2 - x1, y2 - y1],
                        keypoints=points.ravel().tolist(),
                        scores=points[:, 2].tolist(),
                        score=pose.score,
                    )
                )
        return dict(
            images=sequence['images'],
            annotations=annotations,
            categories=sequence['categories'],
        )

    def _points(self, pose: FramePose, order: list[int | None]) -> np.ndarray:
        """(J, 3) x, y, score in the file's order; zeros where none is."""
        found = pose.keypoints.copy()
        if self.neck == 'shoulders':
            names = self.keypoint_names
            shoulders = [names.index(f'{side}_shoulder') for side in SIDES]
            found[names.index('head_bottom')] = found[shoulders].mean(axis=0)
        if self.score_mode == 'bbox_keypoint':
            found[:, 2] *= pose.bbox_score
        points = np.zeros((len(order), 3))
        for i, joint in enumerate(order):
            if joint is not None and found[joint, 2] >= self.keypoint_thr:
                points[i] = found[joint]
        return points
