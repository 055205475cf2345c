# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Show predictions beside the truth, as one picture."""

from __future__ import annotations

import os
from typing import Mapping, Sequence

import cv2
import numpy as np

from ..structures import VideoPeople
from .comparison import (
    Predictions,
    check_predictions,
    draw_frame,
    mean_scores,
    read_frame,
    score_text,
    score_video,
    wrong_text,
)
from .output_path import check_output_path
from .panels import compose_panels, draw_legend, stack_rows, text_bar

SHEET_ENDINGS = ('.png', '.jpg', '.jpeg')

# Room around the person's boxes, share of their longer side.
_MARGIN = 0.08


def choose_frames(
    videos: Predictions, num_frames: int, step: int, typical: bool = False
) -> tuple[str, list[int]]:
    """Find the stretch of a video in which most joints are occluded.

    Args:
        videos: Videos to choose from.
        num_frames: Frames to choose.
        step: Distance between them; less in a video too short for it.
        typical: Take the stretch in the middle instead: as many joints are
            occluded as in the median of all stretches.

    Returns:
        tuple[str, list[int]]: Video, and indices of its frames.
    """
    found = []
    for video, poses in videos.items():
        count = min(num_frames, len(poses))
        gap = min(step, (len(poses) - 1) // max(count - 1, 1))
        occluded = poses.keypoints_labeled & ~poses.keypoints_visible
        occluded = occluded.sum(axis=1)
        span = (count - 1) * gap
        for start in range(len(poses) - span):
            rows = list(range(start, start + span + 1, gap or 1))
            found.append((int(occluded[rows].sum()), video, rows))
    if typical:
        found.sort(key=lambda stretch: stretch[0])
        return found[(len(found) - 1) // 2][1:]
    # the first of equal ones
    return max(found, key=lambda stretch: stretch[0])[1:]


def _crop(poses: VideoPeople, rows: Sequence[int]) -> tuple[int, ...]:
    """The part of the frames in which the person is: x1, y1, x2, y2."""
    height, width = read_frame(poses.img_paths[rows[0]]).shape[:2]
    low = poses.bboxes[rows, :2].min(axis=0)
    high = poses.bboxes[rows, 2:].max(axis=0)
    margin = _MARGIN * (high - low).max()
    x1, y1 = np.maximum(np.floor(low - margin), 0).astype(int)
    x2, y2 = np.ceil(high + margin).astype(int) + 1
    return int(x1), int(y1), int(min(x2, width)), int(min(y2, height))


def write_contact_sheet(
    out: str | os.PathLike,
    predictions: Sequence[Predictions],
    labels: Sequence[str],
    meta: Mapping,
    num_frames: int = 6,
    step: int = 3,
    thr: float = 0.2,
    norm_item: str = 'torso',
    tile_height: int = 300,
    video_id: str | None = None,
    typical: bool = False,
) -> None:
    """Write a picture: the truth in a row, below it a row for each model.

    The frames are those of the stretch with most occluded joints, cropped to
    the person; signs as in :func:`write_comparison`.

    Args:
        out: Path of the picture, ``.png`` or ``.jpg``.
        predictions: What :func:`predict_videos` gave, by model.
        labels: Names of the models.
        meta: The data set's metainfo.
        num_frames: Frames to show.
        step: Distance between them.
        thr: Threshold of a wrong joint, in reference lengths.
        norm_item: ``'torso'`` or ``'person'``.
        tile_height: Height of a picture in the sheet, pixels.
        video_id: Take the frames of this video. None: of the one with most
            occluded joints.
        typical: See :func:`choose_frames`.

    Raises:
        ValueError: Predictions that do not fit each other, numbers below 1,
            a path of another type.
        OSError: ``out`` cannot be written.
    """
    check_predictions(predictions, labels)
    out = check_output_path(out, SHEET_ENDINGS)
    if min(num_frames, step) < 1:
        raise ValueError(
            'write_contact_sheet: num_frames and step must be '
            f'at least 1, but got {num_frames} and {step}'
        )
    videos = predictions[0]
    if video_id is not None:
        if video_id not in videos:
            raise ValueError(
                f'write_contact_sheet: no video {video_id!r}; '
                f'there are {list(videos)}'
            )
        videos = {video_id: videos[video_id]}
    video, rows = choose_frames(videos, num_frames, step, typical)
    models = [model[video] for model in predictions]
    scores = [score_video(poses, meta, thr, norm_item) for poses in models]

    crop = _crop(models[0], rows)
    aspect = (crop[2] - crop[0]) / (crop[3] - crop[1])
    size = (round(tile_height * min(max(aspect, 0.55), 1.5)), tile_height)
    columns = [
        draw_frame(
            models,
            [score.wrong[row] for score in scores],
            row,
            meta,
            size,
            crop,
        )
        for row in rows
    ]
    names = ['ground truth'] + [
        score_text(
            label,
            mean_scores(
                score.correct[rows].sum(axis=0),
                score.total[rows].sum(axis=0),
                meta,
            ),
            thr,
        )
        for label, score in zip(labels, scores)
    ]
    frames = ', '.join(str(models[0].frame_ids[row]) for row in rows)
    lines = []
    for number, name in enumerate(names):
        line = compose_panels([column[number] for column in columns])
        if number == 0:
            name = f'{name}   (video {video}, frames {frames})'
        lines.append(np.concatenate([text_bar(name, line.shape[1], 34), line]))
    lines.append(draw_legend(lines[0].shape[1], wrong_text(thr, norm_item)))
    sheet = stack_rows(lines, gap=0)
    out.write_bytes(cv2.imencode(out.suffix, sheet)[1].tobytes())
