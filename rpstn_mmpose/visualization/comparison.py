# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Show predictions beside the truth, as a video."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Mapping, Sequence

import mmcv
import numpy as np
from mmengine import fileio

from ..evaluation.functional import (
    group_pck,
    joint_groups,
    pck_counts,
    reference_length,
)
from ..structures import VideoPeople, joint_names
from .panels import compose_panels, draw_legend, fit_frame, stack_rows
from .skeleton_drawing import draw_pose, line_thickness
from .video_writer import VideoWriter

Predictions = Mapping[str, VideoPeople]


@dataclass
class VideoScore:
    """Correct joints of a video's n frames.

    Attributes:
        correct: (n, 2, K) int, by frame: visible and occluded joints within
            the threshold.
        total: (n, 2, K) int, those that count.
        wrong: (n, K) bool, those that count and are not correct.
    """

    correct: np.ndarray
    total: np.ndarray
    wrong: np.ndarray


def score_video(
    poses: VideoPeople,
    meta: Mapping,
    thr: float = 0.2,
    norm_item: str = 'torso',
) -> VideoScore:
    """Tell the wrong joints of each frame, as ClipPCK counts them.

    Args:
        poses: Truth and prediction.
        meta: The data set's metainfo.
        thr: Threshold, in reference lengths.
        norm_item: ``'torso'`` or ``'person'``.

    Returns:
        VideoScore: Frames without a reference length do not count.
    """
    length = reference_length(
        norm_item,
        joint_names(meta),
        poses.gt_keypoints,
        poses.keypoints_labeled,
        poses.bboxes,
    )
    visible, labeled = poses.keypoints_visible, poses.keypoints_labeled
    correct, total = [], []
    for i in range(len(poses)):
        frame = slice(i, i + 1)
        for mask in (visible, labeled & ~visible):
            right, counted = pck_counts(
                poses.keypoints[frame, :, :2],
                poses.gt_keypoints[frame],
                mask[frame],
                length[frame],
                thr,
            )
            correct.append(right[0])
            total.append(counted)
    shape = (len(poses), 2, -1)
    correct = np.stack(correct).reshape(shape)
    total = np.stack(total).reshape(shape)
    return VideoScore(correct, total, (total - correct).sum(axis=1) > 0)


def mean_scores(
    correct: np.ndarray, total: np.ndarray, meta: Mapping
) -> tuple[float, float]:
    """PCK of visible and of occluded joints, mean over joints, per cent.

    Args:
        correct: (2, K) counts.
        total: (2, K) counts.
        meta: The data set's metainfo.

    Returns:
        tuple[float, float]: NaN where nothing was counted.
    """
    groups = joint_groups(joint_names(meta))
    return tuple(
        100 * group_pck(right, counted, groups)['Mean']
        for right, counted in zip(correct, total)
    )


def check_predictions(
    predictions: Sequence[Predictions], labels: Sequence[str]
) -> None:
    """Check that models predicted the same frames.

    Raises:
        ValueError: They did not; or no video; or labels do not fit.
    """
    if not predictions or len(predictions) != len(labels):
        raise ValueError(
            f'{len(predictions)} models and {len(labels)} '
            'labels; give one label for each model'
        )
    first = predictions[0]
    if not first:
        raise ValueError('no video to show')
    for other, label in zip(predictions[1:], labels[1:]):
        same = list(first) == list(other) and all(
            np.array_equal(first[video].frame_ids, other[video].frame_ids)
            for video in first
        )
        if not same:
            raise ValueError(
                f'{label} predicted other frames than '
                f'{labels[0]}; use one data set for both'
            )


def read_frame(path: str) -> np.ndarray:
    """Read a picture, (H, W, 3) uint8, BGR."""
    return mmcv.imfrombytes(fileio.get(path), channel_order='bgr')


def _percent(value: float) -> str:
    return '-' if math.isnan(value) else f'{value:.1f}'


def score_text(
    label: str, scores: tuple[float, float], thr: float, when: str = ''
) -> str:
    """A caption: ``RPSTN   PCK@0.2: visible 93.4, occluded 61.0``."""
    visible, occluded = map(_percent, scores)
    return (
        f'{label}   PCK@{thr:g}{when}: visible {visible}, occluded {occluded}'
    )


def wrong_text(thr: float, norm_item: str) -> str:
    """What a red ring means, for the legend."""
    return f'wrong (over {thr:g} {norm_item})'


def _panel_size(videos: Predictions, height: int) -> tuple[int, int]:
    """Size that fits the frames of all videos, not wider than 16:9."""
    widths = []
    for poses in videos.values():
        h, w = read_frame(poses.img_paths[0]).shape[:2]
        widths.append(round(height * min(w / h, 16 / 9)))
    return max(widths), height


def write_comparison(
    out: str | os.PathLike,
    predictions: Sequence[Predictions],
    labels: Sequence[str],
    meta: Mapping,
    fps: float = 25,
    thr: float = 0.2,
    norm_item: str = 'torso',
    panel_height: int = 432,
    progress: str | None = None,
) -> dict[str, tuple[float, float]]:
    """Write a video: the truth at the left, each model to the right of it.

    Occluded joints are hollow, in predictions too; wrong ones have a red
    ring. Joints without a label (outside of the picture) are not drawn. The
    captions count up the PCK over the frames of the video so far.

    Args:
        out: Path of the ``.mp4`` file.
        predictions: What :func:`predict_videos` gave, by model.
        labels: Names of the models.
        meta: The data set's metainfo.
        fps: Frames per second.
        thr: Threshold of a wrong joint, in reference lengths.
        norm_item: ``'torso'`` (left shoulder to right hip) or ``'person'``.
        panel_height: Height of a picture, pixels.
        progress: Show a progress bar of this name.

    Returns:
        dict[str, tuple[float, float]]: PCK of visible and occluded joints by
        label, over all frames shown, per cent.

    Raises:
        ValueError: Predictions that do not fit each other.
        OSError: ``out`` cannot be written or a frame not read.
    """
    from tqdm import tqdm

    check_predictions(predictions, labels)
    scores = [
        {
            video: score_video(poses, meta, thr, norm_item)
            for video, poses in model.items()
        }
        for model in predictions
    ]
    size = _panel_size(predictions[0], panel_height)
    total = sum(map(len, predictions[0].values()))
    with VideoWriter(out, fps=fps) as writer, tqdm(
        total=total,
        desc=progress,
        unit='frame',
        disable=True if progress is None else None,
    ) as bar:
        for video in predictions[0]:
            models = [model[video] for model in predictions]
            parts = [score[video] for score in scores]
            sums = [
                (part.correct.cumsum(axis=0), part.total.cumsum(axis=0))
                for part in parts
            ]
            for i in range(len(models[0])):
                captions = [
                    score_text(
                        label,
                        mean_scores(correct[i], counted[i], meta),
                        thr,
                        ' so far',
                    )
                    for label, (correct, counted) in zip(labels, sums)
                ]
                wrong = [part.wrong[i] for part in parts]
                row = compose_panels(
                    draw_frame(models, wrong, i, meta, size),
                    ['ground truth', *captions],
                    f'video {video}   frame {models[0].frame_ids[i]}   '
                    f'({i + 1} of {len(models[0])})',
                )
                legend = draw_legend(row.shape[1], wrong_text(thr, norm_item))
                writer.write(stack_rows([row, legend], gap=0))
                bar.update()
    return {
        label: mean_scores(
            sum(part.correct.sum(axis=0) for part in score.values()),
            sum(part.total.sum(axis=0) for part in score.values()),
            meta,
        )
        for label, score in zip(labels, scores)
    }


def draw_frame(
    models: Sequence[VideoPeople],
    wrong: Sequence[np.ndarray],
    index: int,
    meta: Mapping,
    size: tuple[int, int],
    crop: Sequence[int] | None = None,
) -> list[np.ndarray]:
    """Draw the truth and each model's prediction of one frame.

    Args:
        models: What the models predicted of one video.
        wrong: (K,) bool each, joints to be marked.
        index: Of the frame within the video.
        meta: The data set's metainfo.
        size: Width and height of a picture.
        crop: x1, y1, x2, y2: only this part of the frame, pixels.

    Returns:
        list[np.ndarray]: One picture more than models, uint8, BGR.
    """
    truth = models[0]
    frame = read_frame(truth.img_paths[index])
    corner = np.zeros(2)
    if crop is not None:
        x1, y1, x2, y2 = crop
        frame, corner = frame[y1:y2, x1:x2], np.array([x1, y1])
    canvas, place = fit_frame(frame, size)
    poses = [truth.gt_keypoints[index]]
    poses += [model.keypoints[index][:, :2] for model in models]
    return [
        draw_pose(
            canvas,
            place.apply(pose - corner),
            meta,
            visible=truth.keypoints_visible[index],
            shown=truth.keypoints_labeled[index],
            wrong=mark,
            thickness=line_thickness(*size),
        )
        for pose, mark in zip(poses, [None, *wrong])
    ]
