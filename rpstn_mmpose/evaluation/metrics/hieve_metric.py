# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import io
import json
import os
import zipfile
from typing import Any, Sequence

import numpy as np
from mmengine.logging import print_log
from mmpose.registry import METRICS

from ...checkpoints.atomic_file import write_atomically
from ...datasets.hieve_label import LABELS, read_hieve_video
from ...datasets.hieve_video import (
    ANOMALOUS_ACTIONS,
    HIEVE_JOINTS,
    HIEVE_VIDEOS,
    HiEveVideo,
    check_videos,
    hieve_image_id,
)
from ..functional.hieve_ap import (
    DEFINITIONS,
    REFERENCES,
    WEIGHT_FORMS,
    HiEvePair,
    PredictedPeople,
    TruePeople,
    crowd_index,
    frame_weight,
    held_counts,
    hieve_ap,
    reference_lengths,
)
from .frame_pose import FramePose, numbered
from .people_metric import PeopleMetric

_REFERENCE_JOINTS = tuple(HIEVE_JOINTS.index(j) for j in ('nose', 'chest'))


@METRICS.register_module()
class HiEveMetric(PeopleMetric):
    """AP and w-AP of HiEve, and the file that its server takes.

    What the server counts is not public: ``definition`` says which reading
    of the paper is counted here, and no figure of it may stand beside the
    server's. See :func:`~rpstn_mmpose.evaluation.functional.hieve_ap.hieve_ap`
    for the readings, :class:`PeopleMetric` for the samples. Every frame of
    the videos' labels is evaluated, also where nothing is predicted.

    Metrics, per cent: ``AP@avg``, ``AP@0.5``, ``AP@0.75``, ``AP@0.9`` and the
    same of ``w-AP``. Frames of w-AP count by their crowding and by the
    anomalous actions in them.

    Args:
        ann_dir (str, optional): Folder of the labels, e.g.
            ``data/HIE20/labels/train``. None: there are none, as for the
            test videos; nothing is evaluated, and ``out_file`` is written.
        split (str): Whose videos, see
            :class:`~rpstn_mmpose.datasets.HiEveClipDataset`.
        videos (Sequence[int], optional): Numbers in place of the split's.
        labels (str): ``'track2&3'`` or ``'all-track'``.
        definition (str): ``'pckh-part'``, ``'joint-distance'`` or ``'oks'``.
        reference (str): What takes the place of head sizes,
            ``'nose-chest'`` or ``'box'``.
        weight_form (str): ``'exp'`` or ``'linear'``.
        actions (bool): Whether actions weigh in w-AP. They are in
            ``all-track`` alone, which is read for them.
        keypoint_thr (float): Joints of a lower score are not predicted.
        nms_thr (float, optional): See :class:`PeopleMetric`.
        out_file (str, optional): A ``.zip`` of one JSON file a video, as
            tracks 2 and 3 of the challenge take it.
        collect_device (str): See :class:`mmengine.evaluator.BaseMetric`.
        prefix (str, optional): Of the metrics' names; None: ``'HiEve'``.

    Raises:
        FileNotFoundError: A video has no labels.
        ValueError: Labels that cannot be read, an unknown option, or
            predictions of other joints or videos or that are not finite.
    """

    default_prefix = 'HiEve'

    def __init__(
        self,
        ann_dir: str | None = None,
        split: str = 'val4',
        videos: Sequence[int] | None = None,
        labels: str = LABELS[0],
        definition: str = DEFINITIONS[0],
        reference: str = REFERENCES[0],
        weight_form: str = WEIGHT_FORMS[0],
        actions: bool = True,
        keypoint_thr: float = 0.0,
        nms_thr: float | None = 0.9,
        out_file: str | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(nms_thr, collect_device, prefix)
        for option, value, known in (
            ('split', split, tuple(HIEVE_VIDEOS)),
            ('labels', labels, LABELS[:2]),
            ('definition', definition, DEFINITIONS),
            ('reference', reference, REFERENCES),
            ('weight_form', weight_form, WEIGHT_FORMS),
        ):
            if value not in known:
                raise ValueError(
                    f'{self.name}: {option} must be one of {known}, but got '
                    f'{value!r}'
                )
        if ann_dir is None and out_file is None:
            raise ValueError(
                f'{self.name}: without ann_dir there is nothing to compare '
                'with; give it, or out_file for the server'
            )
        if out_file is not None:
            if not str(out_file).endswith('.zip'):
                raise ValueError(
                    f'{self.name}: out_file must end with .zip, but is '
                    f'{out_file!r}'
                )
            # Found out now, not after the last video.
            os.makedirs(os.path.dirname(out_file) or '.', exist_ok=True)
        self.definition, self.reference = definition, reference
        self.weight_form, self.actions = weight_form, actions
        self.keypoint_thr, self.out_file = float(keypoint_thr), out_file
        self.videos = check_videos(
            HIEVE_VIDEOS[split] if videos is None else videos, self.name
        )
        self._truth: dict[int, HiEveVideo] = {}
        self._frames: dict[int, set[int]] = {}
        self._acting: dict[int, dict[int, set[str]]] = {}
        if ann_dir is not None:
            for number in self.videos:
                self._read(ann_dir, number, labels)

    def _read(self, ann_dir: str, number: int, labels: str) -> None:
        try:
            video = read_hieve_video(ann_dir, number, labels)
            acting = video
            if self.actions and labels != LABELS[1]:
                acting = read_hieve_video(ann_dir, number, LABELS[1])
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f'{self.name}: {error}; actions=False needs no {LABELS[1]}'
            ) from None
        self._truth[number] = video
        self._frames[number] = set(video.image_ids)
        self._acting[number] = acting.actions if self.actions else {}

    @property
    def keypoint_names(self) -> list[str]:
        """Names of the 14 joints of the predictions, in HiEve's order."""
        names = super().keypoint_names
        if names != list(HIEVE_JOINTS):
            raise ValueError(
                f"{self.name}: the model's joints must be HiEve's "
                f'{list(HIEVE_JOINTS)}, but are {names}'
            )
        return names

    def _check_image(self, image_id: Any) -> None:
        number = int(image_id) // 10**6
        if number in self.videos:
            truth = self._truth.get(number)
            if truth is None or image_id in self._frames[number]:
                return
        raise ValueError(
            f'{self.name}: a prediction is of image {image_id}, which is no '
            f'frame of the videos {list(self.videos)}; evaluate the videos of '
            'the data set (split or videos)'
        )

    def compute_metrics(
        self, results: list[list[FramePose]]
    ) -> dict[str, float]:
        """Write the file, evaluate, log the table.

        Args:
            results (list[list]): The samples' poses.

        Returns:
            dict[str, float]: Metrics by name; see the class. Empty without
            labels.
        """
        people = {
            image: self._without_duplicates(poses)
            for image, poses in self._by_image(results).items()
        }
        print_log(
            f'{sum(map(len, people.values()))} poses in {len(people)} images',
            'current',
        )
        if self.out_file is not None:
            write_atomically(self._archive(people), self.out_file)
            print_log(f'written for the server: {self.out_file}', 'current')
        if not self._truth:
            return {}
        frames, weights = [], []
        for number in self.videos:
            video = self._truth[number]
            counts = held_counts(
                self._acting[number], video.frame_ids, ANOMALOUS_ACTIONS
            )
            for row, labels in enumerate(video.by_frame):
                poses = people.get(video.image_ids[row], [])
                pair, crowding = self._pair(labels, poses)
                frames.append(pair)
                weights.append(
                    frame_weight(crowding, counts[row], self.weight_form)
                )
        metrics = hieve_ap(
            frames,
            self.definition,
            weights=weights,
            sigmas=self.dataset_meta['sigmas'],
        )
        self._log(metrics, weights)
        return metrics

    def _log(self, metrics: dict[str, float], weights: list[float]) -> None:
        """A line of AP and one of w-AP, and what they are."""
        lines = [
            f'HiEve, per cent, by definition={self.definition!r}, '
            f'reference={self.reference!r}, weight_form={self.weight_form!r}'
            f'{"" if self.actions else ", without actions"} (weights '
            f'{min(weights):.2f} to {max(weights):.2f}); not to be compared '
            "with the server's"
        ]
        for kind in ('AP', 'w-AP'):
            columns = [
                f'{name.removeprefix(kind)} {value:.1f}'
                for name, value in metrics.items()
                if name.startswith(f'{kind}@')
            ]
            lines.append(f'{kind:>4}  {"  ".join(columns)}')
        print_log('\n'.join(lines), 'current')

    def _pair(
        self, labels: Sequence, poses: Sequence[FramePose]
    ) -> tuple[HiEvePair, float]:
        """Truth and predictions of a frame, and its crowd index."""
        joints = len(HIEVE_JOINTS)
        points = np.array([label.keypoints for label in labels], np.float64)
        points = points.reshape(-1, joints, 2)
        labeled, visible = (
            np.array([getattr(label, key) for label in labels], bool).reshape(
                -1, joints
            )
            for key in ('labeled', 'visible')
        )
        boxes = np.array(
            [
                np.zeros(4) if label.bbox is None else label.bbox
                for label in labels
            ],
            np.float64,
        ).reshape(-1, 4)
        truth = TruePeople(
            points,
            visible,
            np.maximum(
                reference_lengths(
                    points, labeled, boxes, _REFERENCE_JOINTS, self.reference
                ),
                1e-6,  # no box and no extent: nobody can be right
            ),
            np.prod(boxes[:, 2:] - boxes[:, :2], axis=1),
        )
        found = np.array([pose.keypoints for pose in poses], np.float64)
        found = found.reshape(-1, joints, 3)
        there = found[..., 2:] >= self.keypoint_thr
        pred = PredictedPeople(
            np.where(there, found[..., :2], np.nan),
            found[..., 2],
            np.array([pose.score for pose in poses], np.float64),
        )
        return (truth, pred), crowd_index(points, labeled, boxes)

    def _archive(self, people: dict[Any, list[FramePose]]) -> bytes:
        """The zip: N.json of each video, in the form of ``track2&3``."""
        data = io.BytesIO()
        with zipfile.ZipFile(data, 'w', zipfile.ZIP_DEFLATED) as archive:
            for number in sorted(self.videos):
                content = dict(annolist=self._entries(number, people))
                archive.writestr(
                    f'{number}.json', json.dumps(content, allow_nan=False)
                )
        return data.getvalue()

    def _entries(
        self, number: int, people: dict[Any, list[FramePose]]
    ) -> list[dict]:
        """One for each frame: of the labels, or up to the last prediction."""
        first = hieve_image_id(number, 0)
        if self._truth:
            frames = self._truth[number].frame_ids
        else:
            ids = [i - first for i in people if 0 <= i - first < 10**6]
            frames = list(range(max(ids, default=-1) + 1))
        return [
            dict(
                image=[dict(name=f'{frame:06d}.jpg')],
                ignore_regions=[],
                annorect=[
                    self._rect(track, pose)
                    for track, pose in numbered(people.get(first + frame, []))
                ],
            )
            for frame in frames
        ]

    def _rect(self, track: int, pose: FramePose) -> dict:
        """A person as labels have it: every number in a list of its own."""
        sides = zip(('x1', 'y1', 'x2', 'y2'), np.round(pose.bbox, 2).tolist())
        points = [
            dict(id=[joint], x=[round(x, 2)], y=[round(y, 2)], score=[score])
            for joint, (x, y, score) in enumerate(pose.keypoints.tolist())
            if score >= self.keypoint_thr
        ]
        return dict(
            {key: [value] for key, value in sides},
            score=[pose.score],
            track_id=[track],
            annopoints=[dict(point=points)],
        )
