# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Count how well a model finds joints that patches hide."""

from __future__ import annotations

import math
from typing import Any, Mapping

import numpy as np

from ..structures import VideoPeople
from .functional import group_pck, joint_groups, pck_counts, reference_length
from .tables import markdown_table

# A joint is one of these.
KINDS = ('masked', 'visible', 'occluded')


def score_masked(
    predictions: Mapping[str, VideoPeople],
    masks: Mapping[str, Mapping[int, np.ndarray]],
    thr: float,
    norm_item: str,
) -> dict[str, dict[str, Any]]:
    """PCK of masked, visible and otherwise occluded joints.

    Args:
        predictions: By video, a row a frame, with truth and prediction.
        masks: Masked joints, (K,) bool, by video and frame.
        thr: Threshold, in reference lengths.
        norm_item: ``'torso'`` or ``'person'``.

    Returns:
        dict: By kind: ``scores`` by column and ``Mean``, per cent;
        ``correct`` and ``total`` by joint name.
    """
    poses = list(predictions.values())
    names = list(poses[0].joints or ())
    groups = joint_groups(names)
    masked = np.concatenate(
        [
            np.stack([masks[video][int(frame)] for frame in item.frame_ids])
            for video, item in predictions.items()
        ]
    )
    pred, truth, visible, labeled, boxes = (
        np.concatenate([getattr(item, key) for item in poses])
        for key in (
            'keypoints',
            'gt_keypoints',
            'keypoints_visible',
            'keypoints_labeled',
            'bboxes',
        )
    )
    length = reference_length(norm_item, names, truth, labeled, boxes)
    out = {}
    for kind, mask in zip(
        KINDS, (masked, visible & ~masked, labeled & ~visible)
    ):
        correct, total = pck_counts(pred[..., :2], truth, mask, length, thr)
        scores = group_pck(correct[0], total, groups)
        out[kind] = dict(
            scores={key: 100 * value for key, value in scores.items()},
            correct=dict(zip(names, correct[0].tolist())),
            total=dict(zip(names, total.tolist())),
        )
    return out


def masked_table(
    results: Mapping[str, Mapping[str, dict[str, Any]]], title: str
) -> str:
    """Markdown table: masked joints by column, the others' means.

    Args:
        results: What :func:`score_masked` gave, by the models' names.
        title: Of the first column.
    """
    first = next(iter(results.values()))
    columns = list(first['masked']['scores'])
    rows = [[title, *columns, 'Visible', 'Occluded']]
    for label, result in results.items():
        values = list(result['masked']['scores'].values())
        values += [result[kind]['scores']['Mean'] for kind in KINDS[1:]]
        cells = ['-' if math.isnan(v) else f'{v:.1f}' for v in values]
        rows.append([label, *cells])
    groups = joint_groups(list(first['masked']['total']))
    totals = list(first['masked']['total'].values())
    counts = [
        sum(totals[i] for i in groups.get(column, range(len(totals))))
        for column in columns
    ]
    counts += [sum(first[kind]['total'].values()) for kind in KINDS[1:]]
    rows.append(['joints counted', *map(str, counts)])
    return markdown_table(rows)
