# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from collections import defaultdict
from typing import Any, Sequence

import numpy as np
from mmengine.evaluator import BaseMetric
from mmpose.evaluation.functional import oks_nms

from ...structures import wanted_frames
from ...structures.arrays import to_numpy
from .frame_pose import FramePose


class PeopleMetric(BaseMetric):
    """Base class of metrics that collect the poses of each image.

    Takes clips (samples of T rows, of which ``frame_mask`` selects those that
    count) whose metainfo has ``image_ids``, and stock single-frame samples,
    whose ``img_id`` is the image's. A sample with a ``track_id`` of at least
    0 is one of a tracked person; others come from detections of single
    frames, and may be freed from duplicates (NMS) frame by frame.

    Args:
        nms_thr (float, optional): Object keypoint similarity from which two
            untracked people of a frame are one; the one with the lower score
            (box times mean of its joints) is dropped. None: no NMS.
        collect_device (str): See :class:`mmengine.evaluator.BaseMetric`.
        prefix (str, optional): Of the metrics' names.
    """

    def __init__(
        self,
        nms_thr: float | None = 0.9,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.name = self.__class__.__name__
        self.nms_thr = nms_thr

    @property
    def keypoint_names(self) -> list[str]:
        """Names of the K joints of the predictions, in order."""
        names = (self.dataset_meta or {}).get('keypoint_id2name')
        if not names:
            raise ValueError(
                f"{self.name} needs dataset_meta with 'keypoint_id2name'; set "
                'metric.dataset_meta = dataset.metainfo'
            )
        return [names[i] for i in sorted(names)]

    def _check_image(self, image_id: Any) -> None:
        """Refuse a prediction of an image that there is not."""

    def _by_image(
        self, results: list[list[FramePose]]
    ) -> dict[Any, list[FramePose]]:
        """The poses of all samples by image."""
        if not results:
            raise ValueError(
                f'{self.name}: no sample was evaluated; check the data loader'
            )
        by_image: dict[Any, list[FramePose]] = defaultdict(list)
        for record in results:
            for pose in record:
                by_image[pose.image_id].append(pose)
        return by_image

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
                f'image_ids, but has {images}'
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
        self._check_image(image_id)
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
