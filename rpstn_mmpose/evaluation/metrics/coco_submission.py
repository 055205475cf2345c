# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import io
import json
import os
import re
import zipfile
from typing import Any, Sequence

import numpy as np
from mmengine.logging import print_log
from mmpose.evaluation.metrics import CocoMetric
from mmpose.registry import METRICS
from xtcocotools.coco import COCO

from ...checkpoints.atomic_file import write_atomically

NUM_KEYPOINTS = 17


class SubmissionError(OSError):
    """There is nothing that could be submitted; the message says why."""


@METRICS.register_module()
class CocoSubmission(CocoMetric):
    """Write what COCO's evaluation server takes, where no truth is given.

    :class:`mmpose.evaluation.CocoMetric` as it scores predictions and
    suppresses duplicates (NMS), but nothing is evaluated and annotations are
    not needed. Written are
    ``person_keypoints_<subset>_<algorithm>_results.json`` and a zip of the
    same name with that file in it, one entry per detection that NMS keeps,
    with exactly the keys of COCO's `result format
    <https://cocodataset.org/#format-results>`_: ``image_id``,
    ``category_id`` (1), ``keypoints`` (17 times x, y, v; x and y in pixels
    of the image with two decimals, v the score of the joint, which the
    server does not use) and ``score``. ``CocoMetric`` adds the box; COCO's
    tools would take such an entry for a box.

    Args:
        ann_file (str, optional): COCO file with the ``images`` that may be
            submitted, e.g. ``image_info_test-dev2017.json``. Defaults to
            that of the data set.
        out_dir (str): Folder of the two files.
        subset (str): What the predictions are for.
        algorithm (str): Name of the method, letters, digits, ``.``, ``_``,
            ``+`` and ``-``.
        **kwargs: Those of ``CocoMetric`` but ``format_only`` and
            ``outfile_prefix``, which are set here.

    Raises:
        ValueError: A name that cannot be part of a file's.
        SubmissionError: No predictions, predictions that are not finite or
            are not COCO's 17 joints, or of an image that is not in
            ``ann_file``; ``ann_file`` or ``out_dir`` cannot be used.
    """

    coco: Any

    def __init__(
        self,
        ann_file: str | None = None,
        out_dir: str = 'work_dirs/coco_submission',
        subset: str = 'test-dev2017',
        algorithm: str = 'rpstn',
        **kwargs,
    ) -> None:
        name = self.__class__.__name__
        for key, value in (('subset', subset), ('algorithm', algorithm)):
            if not re.fullmatch(r'[A-Za-z0-9._+-]+', str(value)):
                raise ValueError(
                    f'{name}: {key} becomes part of a file name, so it must '
                    'be letters, digits, ".", "_", "+" and "-", but got '
                    f'{value!r}'
                )
        # Found out now, not after the last of 20 000 images.
        try:
            os.makedirs(out_dir, exist_ok=True)
        except OSError as error:
            raise SubmissionError(
                f'{name}: cannot make the folder {out_dir} '
                f'({error.strerror}); set out_dir to another one'
            ) from None
        if (
            ann_file is not None
            and '://' not in str(ann_file)
            and not os.path.isfile(ann_file)
        ):
            raise SubmissionError(
                f'{name}: no annotation file {ann_file}; set ann_file=None '
                "to use the data set's"
            )
        super().__init__(
            ann_file=ann_file,
            format_only=True,
            outfile_prefix=os.path.join(
                out_dir, f'person_keypoints_{subset}_{algorithm}_results'
            ),
            **kwargs,
        )

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Take predictions, after checking that they can be submitted.

        Args:
            data_batch: Handed on.
            data_samples (Sequence[dict]): See ``CocoMetric``.
        """
        if self.coco is None:
            # Without a file to check against every image is taken; an empty
            # one keeps CocoMetric from asking for the truth.
            self.coco = COCO()
        for sample in data_samples:
            self._check(sample)
        super().process(data_batch, data_samples)

    def _check(self, sample: dict) -> None:
        name = self.__class__.__name__
        image = sample['img_id']
        if self.coco.imgs and image not in self.coco.imgs:
            raise SubmissionError(
                f'{name}: image {image} is not in '
                f'{self.ann_file or "the annotation file"}; set ann_file to '
                "None or to the data set's own file"
            )
        pred = sample['pred_instances']
        keypoints = np.asarray(pred['keypoints'])
        number = keypoints.shape[1]
        if self.pred_converter is not None:
            number = self.pred_converter['num_keypoints']
        if number != NUM_KEYPOINTS:
            raise SubmissionError(
                f'{name}: COCO takes {NUM_KEYPOINTS} keypoints, but the model '
                f'gives {number}; use a model of COCO joints, or set '
                'pred_converter'
            )
        values = [keypoints, pred['keypoint_scores']]
        for key in ('gt_instances', 'pred_instances'):
            if 'bbox_scores' in sample.get(key, {}):
                values.append(sample[key]['bbox_scores'])
        if not all(np.isfinite(value).all() for value in values):
            raise SubmissionError(
                f'{name}: a prediction for image {image} is not finite (NaN '
                'or infinite), which the server refuses; check the '
                'checkpoint and the scores of the detections'
            )

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Write the two files.

        Args:
            results (list): One record a detection.

        Returns:
            dict[str, float]: Empty: there is no truth to compare with.
        """
        if not results:
            raise SubmissionError(
                f'{self.__class__.__name__}: there is no prediction to write '
                f'to {self.outfile_prefix}.json; check that the detection '
                'file (test_dataloader.dataset.bbox_file) has persons above '
                'the filter_cfg threshold'
            )
        return super().compute_metrics(results)

    def results2json(
        self, keypoints: dict[int, list[dict]], outfile_prefix: str
    ) -> str:
        """Write ``<outfile_prefix>.json`` and ``<outfile_prefix>.zip``.

        Args:
            keypoints (dict[int, list[dict]]): Kept instances by image, with
                ``keypoints`` (K, 3) and ``score``.
            outfile_prefix (str): Path without the ending.

        Returns:
            str: The JSON file's path.
        """
        entries = [
            dict(
                image_id=int(instance['img_id']),
                category_id=1,
                keypoints=_triplets(instance['keypoints']),
                score=float(instance['score']),
            )
            for instances in keypoints.values()
            for instance in instances
        ]
        path = f'{outfile_prefix}.json'
        data = json.dumps(
            entries, allow_nan=False, separators=(',', ':')
        ).encode()
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, 'w', zipfile.ZIP_DEFLATED) as file:
            file.writestr(os.path.basename(path), data)
        write_atomically(data, path)
        write_atomically(archive.getvalue(), f'{outfile_prefix}.zip')
        print_log(
            f'{len(entries)} poses in {len(keypoints)} images; upload '
            f'{outfile_prefix}.zip',
            'current',
        )
        return path


def _triplets(keypoints: np.ndarray) -> list[float]:
    """(K, 3) of x, y, score as 3K floats; hundredths of a pixel are enough."""
    keypoints = np.asarray(keypoints, dtype=np.float64).copy()
    keypoints[:, :2] = keypoints[:, :2].round(2)
    keypoints[:, 2] = keypoints[:, 2].round(4)
    return keypoints.reshape(-1).tolist()
