# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Take a clip's sample apart into MMPose's single-frame samples."""

from __future__ import annotations

from typing import Any, Iterable

import numpy as np
from mmengine.structures import InstanceData, PixelData
from mmpose.structures import PoseDataSample

from .arrays import to_numpy
from .columns import declared_columns

_INSTANCE_FIELDS = ('gt_instances', 'pred_instances', 'gt_instance_labels')
_FIELDS = ('gt_fields', 'pred_fields')


def wanted_frames(data_sample: PoseDataSample | dict) -> np.ndarray:
    """Which rows of a sample count.

    Args:
        data_sample: A clip of T rows, or a stock single-frame sample, which
            has no ``frame_mask`` and whose rows all count.

    Returns:
        np.ndarray: (T,) bool.
    """
    mask = data_sample.get('frame_mask', None)
    if mask is None:
        return np.ones(_num_rows(data_sample), dtype=bool)
    return np.asarray(mask, dtype=bool)


def _num_rows(data_sample: PoseDataSample | dict) -> int:
    for name in ('gt_instances', 'pred_instances'):
        if name in data_sample:
            instances = _get(data_sample, name)
            for key in ('keypoints', 'bboxes'):
                if key in instances:
                    return len(_get(instances, key))
    raise ValueError(
        'split_clip needs a sample with gt_instances or '
        'pred_instances that hold keypoints or bboxes'
    )


def _get(container: Any, key: str) -> Any:
    if isinstance(container, dict):
        return container[key]
    return getattr(container, key)


def _coco_annotation(gt: Any, row: int, meta: dict) -> dict:
    """What CocoMetric makes its ground truth of, for one frame."""
    x1, y1, x2, y2 = to_numpy(_get(gt, 'bboxes'))[row].tolist()
    keypoints = to_numpy(_get(gt, 'keypoints'))[row]
    visible = to_numpy(_get(gt, 'keypoints_visible'))[row]
    visible = visible.reshape(len(keypoints), -1)[:, 0] > 0
    labeled = visible
    if 'keypoints_labeled' in gt:
        labeled = to_numpy(_get(gt, 'keypoints_labeled'))[row] > 0
    # COCO: 0 not labelled, 1 labelled and hidden, 2 labelled and visible.
    flags = np.where(visible, 2, labeled.astype(int))
    points = np.where(labeled[:, None], keypoints, 0)
    return dict(
        id=meta['id'],
        image_id=meta['img_id'],
        category_id=meta.get('category_id', 1),
        bbox=[x1, y1, x2 - x1, y2 - y1],
        keypoints=np.concatenate([points, flags[:, None]], axis=1)
        .astype(float)
        .ravel()
        .tolist(),
        num_keypoints=int(labeled.sum()),
        area=(x2 - x1) * (y2 - y1),
        iscrowd=0,
    )


def _frame_meta(meta: dict, row: int, num_rows: int) -> dict:
    """Metainfo of one frame; what is not listed here is the clip's."""
    out = {
        key: value
        for key, value in meta.items()
        if key not in ('frame_ids', 'image_ids', 'img_paths', 'frame_mask')
    }
    if 'frame_ids' in meta:
        out['frame_id'] = meta['frame_ids'][row]
        if 'video_id' in meta:
            out['img_id'] = f'{meta["video_id"]}/{out["frame_id"]}'
    if 'image_ids' in meta:
        out['img_id'] = int(meta['image_ids'][row])
    if 'img_paths' in meta:
        out['img_path'] = meta['img_paths'][row]
    if 'id' in meta and num_rows > 1:
        # Clips have equal lengths, so this is unique in the data set.
        out['id'] = meta['id'] * num_rows + row
    for key in ('input_center', 'input_scale'):
        if key in meta:
            out[key] = np.asarray(meta[key]).reshape(-1, 2)[row]
    for key in _listed(meta):
        out[key] = meta[key][row]
    return out


def _listed(meta: dict) -> list[str]:
    """Declared columns that the metainfo has an entry a row of."""
    return [
        column.name
        for column in declared_columns(meta)
        if column.in_metainfo and not column.of_track and column.name in meta
    ]


# Metainfo with an entry for each row.
_ROW_META = (
    'frame_ids',
    'image_ids',
    'img_paths',
    'frame_mask',
    'input_center',
    'input_scale',
)


def narrow(
    data_sample: PoseDataSample | dict, rows: Iterable[int]
) -> PoseDataSample | dict:
    """A clip's sample with some of its rows alone.

    Targets, boxes, predictions, ids, paths, the geometry of the crops and
    ``frame_mask`` shrink together, so that whatever takes a clip takes the
    narrowed one.

    Args:
        data_sample: A clip's sample of T rows; or the dict that mmengine's
            Evaluator makes of it; or a stock single-frame sample.
        rows: S numbers of rows, in the order wanted.

    Returns:
        PoseDataSample | dict: Of S rows, slices of the clip's; the sample
        itself, where all rows stay as they are.

    Raises:
        ValueError: A sample without instances.
        IndexError: A row that is not there.
    """
    num_rows = _num_rows(data_sample)
    rows = [int(row) for row in rows]
    if rows == list(range(num_rows)):
        return data_sample
    is_dict = isinstance(data_sample, dict)
    meta: dict = data_sample if is_dict else _get(data_sample, 'metainfo')
    row_keys = (*_ROW_META, *_listed(meta))
    meta = {
        key: _take_rows(value, rows) if key in row_keys else value
        for key, value in meta.items()
        if key not in _INSTANCE_FIELDS + _FIELDS
    }
    if 'img_paths' in meta:
        meta['img_path'] = meta['img_paths'][0]
    if 'image_ids' in meta:
        meta['img_id'] = int(meta['image_ids'][0])
    elif {'img_id', 'video_id', 'frame_ids'} <= set(meta):
        meta['img_id'] = f'{meta["video_id"]}/{meta["frame_ids"][0]}'
    parts = {}
    for name in _INSTANCE_FIELDS:
        if name in data_sample:
            parts[name] = _instance_rows(_get(data_sample, name), rows)
    for name in _FIELDS:
        if name in data_sample:
            parts[name] = _field_rows(_get(data_sample, name), rows, num_rows)
    if is_dict:
        return {**meta, **parts}
    return PoseDataSample(metainfo=meta, **parts)


def _take_rows(value: Any, rows: list[int]) -> Any:
    """Entries of a list or an array; slices, where the rows are together."""
    if isinstance(value, (list, tuple)):
        return [value[row] for row in rows]
    first, last = rows[0], rows[-1]
    if rows == list(range(first, last + 1)):
        if last >= len(value):
            raise IndexError(f'row {last} of {len(value)}')
        return value[first : last + 1]
    return value[rows]


def _instance_rows(instances: Any, rows: list[int]) -> Any:
    if isinstance(instances, dict):
        return {
            key: _take_rows(value, rows) for key, value in instances.items()
        }
    # An empty InstanceData (labels in evaluation) has no rows to take.
    if not len(instances):
        return instances
    out = InstanceData()
    for key, value in instances.all_items():
        out.set_field(_take_rows(value, rows), key)
    return out


def _field_rows(field: Any, rows: list[int], num_rows: int) -> Any:
    """Channels of some frames, from (T * C) x h x w."""
    items = field.items() if isinstance(field, dict) else field.all_items()
    out: dict[str, Any] = {}
    for key, value in items:
        channels = len(value) // num_rows
        out[key] = _take_rows(
            value,
            [
                row * channels + channel
                for row in rows
                for channel in range(channels)
            ],
        )
    return out if isinstance(field, dict) else PixelData(**out)


def split_clip(
    data_sample: PoseDataSample | dict, only_wanted: bool = False
) -> list[PoseDataSample | dict]:
    """Make a single-frame sample of each row of a clip.

    MMPose's metrics and visualizers can then be fed frame by frame. Rows of
    ``gt_instances``, ``pred_instances`` and ``gt_instance_labels`` and the
    channels of ``pred_fields`` are sliced, not copied. Metainfo becomes the
    frame's own: ``img_path``, ``img_id`` (the frame's entry of ``image_ids``
    where there is one, else ``video_id/frame_id``), ``id``, ``frame_id``,
    ``input_center`` and ``input_scale`` (2,). Ground truth is
    added in COCO's form as ``raw_ann_info``, which CocoMetric reads.

    Args:
        data_sample: A clip's sample of T rows; or the dict that mmengine's
            Evaluator makes of it; or a stock single-frame sample.
        only_wanted: Leave out the rows that ``frame_mask`` does not want.

    Returns:
        list: Samples, or dicts if a dict was given, in order of the rows.

    Raises:
        ValueError: A sample without instances, or a ``frame_mask`` of another
            length.
    """
    num_rows = _num_rows(data_sample)
    wanted = wanted_frames(data_sample)
    if len(wanted) != num_rows:
        raise ValueError(
            f'split_clip: frame_mask has {len(wanted)} entries '
            f'for {num_rows} rows'
        )
    is_dict = isinstance(data_sample, dict)
    meta: dict = data_sample if is_dict else _get(data_sample, 'metainfo')
    meta = {
        key: value
        for key, value in meta.items()
        if key not in _INSTANCE_FIELDS + _FIELDS
    }
    samples = []
    for row in np.flatnonzero(wanted) if only_wanted else range(num_rows):
        row = int(row)
        frame_meta = _frame_meta(meta, row, num_rows)
        if {'id', 'img_id'} <= set(frame_meta) and _has_truth(data_sample):
            frame_meta.setdefault(
                'raw_ann_info',
                _coco_annotation(
                    _get(data_sample, 'gt_instances'), row, frame_meta
                ),
            )
        narrowed = narrow(data_sample, [row])
        frame = {
            name: _get(narrowed, name)
            for name in _INSTANCE_FIELDS + _FIELDS
            if name in narrowed
        }
        if is_dict:
            samples.append({**frame_meta, **frame})
        else:
            samples.append(PoseDataSample(metainfo=frame_meta, **frame))
    return samples


def _has_truth(data_sample: PoseDataSample | dict) -> bool:
    if 'gt_instances' not in data_sample:
        return False
    gt = _get(data_sample, 'gt_instances')
    return all(k in gt for k in ('bboxes', 'keypoints', 'keypoints_visible'))
