# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import json
import os
from collections import defaultdict
from typing import Any, Sequence

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmpose.evaluation.functional import oks_nms
from mmpose.registry import METRICS

from ...checkpoints.atomic_file import write_atomically
from ...datasets.label_fields import whole_number
from ...structures import wanted_frames
from ...structures.arrays import to_numpy
from ..functional import (
    POSETRACK_FILE_NAMES,
    POSETRACK_JOINTS,
    load_posetrack_dir,
    posetrack_ap,
    posetrack_columns,
    posetrack_mot,
    posetrack_table,
)
from .frame_pose import FramePose

# Of the truth's image entries, what is not repeated beside predictions.
_TRUTH_ONLY = ('ignore_regions_x', 'ignore_regions_y', 'mask_file')

NECKS = ('head_bottom', 'shoulders')
SCORE_MODES = ('keypoint', 'bbox_keypoint')
SIDES = ('left', 'right')


@METRICS.register_module()
class PoseTrackClipMetric(BaseMetric):
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
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.name = self.__class__.__name__
        self.gt_dir = gt_dir
        self.out_dir = out_dir
        self.keypoint_thr = float(keypoint_thr)
        self.nms_thr = nms_thr
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
        names = (self.dataset_meta or {}).get('keypoint_id2name')
        if not names:
            raise ValueError(
                f"{self.name} needs dataset_meta with 'keypoint_id2name'; set "
                'metric.dataset_meta = dataset.metainfo'
            )
        names = [names[i] for i in sorted(names)]
        for joint in POSETRACK_JOINTS:
            joint = POSETRACK_FILE_NAMES.get(joint, joint)
            if joint not in names:
                raise ValueError(
                    f'{self.name}: PoseTrack evaluates {joint!r}, which the '
                    f'model does not predict; its joints are {names}'
                )
        return names

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep the poses of wanted frames.

        One record a sample, so that what mmengine drops as padding is whole
        samples.

        Args:
            data_batch: Not used.
            data_samples (Sequence[dict]): With ``pred_instances``
                (``keypoints`` T x K x 2 in image pixels, ``keypoint_scores``
                T x K; ``bboxes`` T x 4 and ``bbox_scores`` T here or in
                ``gt_instances``), ``image_ids`` (T) or ``img_id``, and, of
                tracked people, ``track_id``.
        """
        number = len(self.keypoint_names)
        for sample in data_samples:
            pred = sample['pred_instances']
            keypoints = to_numpy(pred['keypoints'])[..., :2]
            scores = to_numpy(pred['keypoint_scores'])
            if keypoints.shape[1:] != (number, 2) or (
                scores.shape != keypoints.shape[:2]
            ):
                raise ValueError(
                    f'{self.name}: predicted keypoints {keypoints.shape} and '
                    f'scores {scores.shape} must be T x {number} x 2 and '
                    f'T x {number}'
                )
            images = self._image_ids(sample, len(keypoints))
            boxes = self._instance_values(sample, 'bboxes')
            if boxes is None:
                boxes = np.concatenate(
                    [keypoints.min(axis=1), keypoints.max(axis=1)], axis=1
                )
            box_scores = self._instance_values(sample, 'bbox_scores')
            if box_scores is None:
                box_scores = np.ones(len(keypoints))
            track = sample.get('track_id')
            points = np.concatenate([keypoints, scores[..., None]], axis=2)
            record = []
            for row in np.flatnonzero(wanted_frames(sample)):
                record.append(
                    self._pose(
                        images[row],
                        track,
                        points[row],
                        boxes[row],
                        box_scores[row],
                    )
                )
            self.results.append(record)

    def _instance_values(self, sample: dict, key: str) -> np.ndarray | None:
        """Of the predictions, or of the boxes that they were made in."""
        for name in ('pred_instances', 'gt_instances'):
            if key in sample.get(name, {}):
                return to_numpy(sample[name][key])
        return None

    def _image_ids(self, sample: dict, number: int) -> list:
        images = sample.get('image_ids')
        if images is None and 'frame_ids' not in sample:
            images = [sample.get('img_id')] * number
        if images is None or len(images) != number:
            raise ValueError(
                f'{self.name}: a clip of {number} frames must have as many '
                f'image_ids, the ids of images in {self.gt_dir}, but has '
                f'{images}'
            )
        return list(images)

    def _pose(
        self,
        image_id: Any,
        track: int | None,
        points: np.ndarray,
        bbox: np.ndarray,
        box_score: float,
    ) -> FramePose:
        if image_id not in self._file_of:
            raise ValueError(
                f'{self.name}: a prediction is of image {image_id!r}, which '
                f'is in no file of {self.gt_dir}; set gt_dir to the '
                "annotations of the data set's own split"
            )
        score = float(box_score) * float(points[:, 2].mean())
        if not (
            np.isfinite(points).all()
            and np.isfinite(bbox).all()
            and np.isfinite(score)
        ):
            raise ValueError(
                f'{self.name}: a prediction of image {image_id} is not finite '
                '(NaN or infinite); check the checkpoint and the boxes'
            )
        track = -1 if track is None else int(track)
        return FramePose(
            image_id, track, points, bbox, score, float(box_score)
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
        if not results:
            raise ValueError(
                f'{self.name}: no sample was evaluated; check the data loader'
            )
        by_image: dict[Any, list[FramePose]] = defaultdict(list)
        for record in results:
            for pose in record:
                by_image[pose.image_id].append(pose)
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
            unused = 1 + max([pose.track_id for pose in people], default=-1)
            for pose in people:
                track = pose.track_id
                if track < 0:
                    track, unused = unused, unused + 1
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

    def _without_duplicates(self, people: list[FramePose]) -> list[FramePose]:
        """NMS among the untracked people of one image."""
        tracked = [pose for pose in people if pose.track_id >= 0]
        others = [pose for pose in people if pose.track_id < 0]
        if self.nms_thr is None or not others:
            return tracked + others
        entries = [
            dict(
                keypoints=pose.keypoints,
                score=pose.score,
                area=float(np.prod(pose.bbox[2:] - pose.bbox[:2])),
            )
            for pose in others
        ]
        keep = oks_nms(
            entries, self.nms_thr, sigmas=self.dataset_meta['sigmas']
        )
        return tracked + [others[i] for i in keep]
