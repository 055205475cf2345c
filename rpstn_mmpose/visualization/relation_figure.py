# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What a joint relation extractor (JRE) sees and does for one person.

The paper's Fig. 6 to 8: the joints' correlation matrix, the relational
weights, and the heatmaps before and after.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

import cv2
import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from torch import Tensor, nn

from .output_path import PLOT_ENDINGS, check_output_path
from .skeleton_drawing import draw_pose, line_thickness

_BOX_COLOR = (255, 255, 255)  # BGR
_MAX_COLUMNS = 10
_PICTURE_SIZE = 700  # pixels, longer side, at least


@dataclass
class JointRelation:
    """One person in one frame, as JRE saw it.

    Attributes:
        image: (H, W, 3) uint8, BGR, the whole frame.
        bbox: (4,), x1 y1 x2 y2, pixels of the frame.
        keypoints: (K, 2), predicted, pixels of the frame.
        before: (K, h, w), heatmaps that went into JRE.
        after: (K, h, w), heatmaps that came out (Eq. 9), before the head's
            norm where it has one.
        correlation: (K, K), the matrix of Eq. 6, computed from ``before``.
        weights: (K, K), W_r of Eq. 7: row i is what joint i takes from every
            joint.
    """

    image: np.ndarray
    bbox: np.ndarray
    keypoints: np.ndarray
    before: np.ndarray
    after: np.ndarray
    correlation: np.ndarray
    weights: np.ndarray


def find_relation(model: nn.Module) -> nn.Module:
    """The JRE of a model's head.

    Args:
        model: A pose estimator.

    Returns:
        nn.Module: The first module of the head that has ``correlation`` and
        ``relational_weights``.

    Raises:
        ValueError: The head has none.
    """
    head = getattr(model, 'head', None)
    for module in head.modules() if head is not None else ():
        if hasattr(module, 'correlation') and hasattr(
            module, 'relational_weights'
        ):
            return module
    relation = getattr(head, 'relation', None)
    found = (
        'no relation'
        if relation is None
        else (f'a {type(relation).__name__}, which compares no joints')
    )
    raise ValueError(
        f'the model has no JRE to show: its {type(head).__name__} has '
        f'{found}; use a JREHead with relation=dict('
        "type='JointRelationExtractor')"
    )


class RelationRecorder:
    """Records the heatmaps before and after a JRE, by a forward hook.

    A recurrent clip model calls its JRE once a frame, in order of time; one
    without recurrence once for all frames; the flip test does it all again
    with the mirrored clip. So for a clip of T frames the recorded rows, one
    after the other, are frame 0 to T - 1, and then the mirrored ones.

    Args:
        relation: A module, heatmaps (B, K, h, w) to heatmaps.

    Examples:
        >>> with RelationRecorder(find_relation(model)) as recorder:
        ...     model.test_step(batch_of_one_clip)
        >>> before, after = recorder.frame(2, num_frames=5)
    """

    def __init__(self, relation: nn.Module) -> None:
        self.relation = relation
        self.calls: list[tuple[Tensor, Tensor]] = []
        self._handle: Any = None

    def _hook(self, module: nn.Module, inputs: tuple, output: Tensor) -> None:
        # Clones: what follows may work in place.
        self.calls.append(
            (inputs[0].detach().clone(), output.detach().clone())
        )

    def __enter__(self) -> RelationRecorder:
        self._handle = self.relation.register_forward_hook(self._hook)
        return self

    def __exit__(self, *args: Any) -> None:
        self._handle.remove()

    def frame(self, index: int, num_frames: int) -> tuple[Tensor, Tensor]:
        """Heatmaps of one frame of a single clip, not mirrored.

        Args:
            index: Of the frame, 0 to ``num_frames`` - 1.
            num_frames: T.

        Returns:
            tuple[Tensor, Tensor]: Before and after, (K, h, w) each.

        Raises:
            ValueError: The recorded calls are not of one clip of T frames.
        """
        rows = sum(len(before) for before, _ in self.calls)
        if rows not in (num_frames, 2 * num_frames):
            raise ValueError(
                f'the JRE saw {rows} sets of heatmaps for {num_frames} '
                'frames; which one is of which frame is known for one or two '
                '(flip test) a frame'
            )
        before, after = (torch.cat(side) for side in zip(*self.calls))
        return before[index], after[index]


def predict_relation(
    model: nn.Module,
    dataset: Any,
    frames: Sequence[np.ndarray],
    bbox: Sequence[float] | None = None,
    index: int = -1,
) -> JointRelation:
    """Run a model and keep what its JRE did for one frame.

    Args:
        model: In evaluation mode; of images or of clips.
        dataset: Whose ``pipeline`` and ``metainfo`` belong to the model; its
            samples are not used.
        frames: T frames (H, W, 3), uint8, BGR, in order of time; one for an
            image model.
        bbox: Of the person, in all frames, x1 y1 x2 y2. None: the whole
            frame.
        index: Of the frame that is wanted, from 0, or from -1 at the end.

    Returns:
        JointRelation: Of that frame.

    Raises:
        ValueError: A model without a JRE, a box without area in the frame,
            an index that is not there, frames that differ in size, several
            frames for an image model.
    """
    relation = find_relation(model)
    length = len(frames)
    if not -length <= index < length:
        raise ValueError(
            f'there is no frame {index} among {length}; choose '
            f'0 to {length - 1}'
        )
    index %= length
    clip = takes_clips(dataset)
    if not clip and length != 1:
        raise ValueError(
            f'an image model takes one image, but got {length} frames'
        )
    box = check_box(bbox, frames[0].shape)
    joints = dataset.metainfo['num_keypoints']
    info = dict(
        dataset.metainfo,
        img=list(frames) if clip else frames[0],
        bbox=np.tile(box, (length, 1)),
        bbox_score=np.ones(length, dtype=np.float32),
        # Nobody knows them; without any, TopdownAffine adds what cannot be
        # put together again for a clip.
        keypoints=np.zeros((length, joints, 2), dtype=np.float32),
        keypoints_visible=np.zeros((length, joints), dtype=np.float32),
    )
    if clip:
        info.update(
            video_id='frames',
            frame_ids=list(range(length)),
            frame_mask=np.ones(length, dtype=bool),
        )
    with torch.no_grad(), RelationRecorder(relation) as recorder:
        (sample,) = model.test_step(pseudo_collate([dataset.pipeline(info)]))
        before, after = recorder.frame(index, length)
        correlation = relation.correlation(before[None])[0]
        weights = relation.relational_weights(before[None])[0]
    keypoints = np.asarray(sample.pred_instances.keypoints)[index]
    return JointRelation(
        frames[index],
        box,
        keypoints,
        *(
            x.float().cpu().numpy()
            for x in (before, after, correlation, weights)
        ),
    )


def takes_clips(dataset: Any) -> bool:
    """Whether a data set's pipeline is one for clips."""
    from ..datasets import LoadClip

    return any(
        isinstance(transform, LoadClip)
        for transform in dataset.pipeline.transforms
    )


def check_box(
    bbox: Sequence[float] | None, shape: Sequence[int]
) -> np.ndarray:
    """Check a box against its image.

    Args:
        bbox: x1 y1 x2 y2, pixels. None: the whole image.
        shape: Of the image, height and width first.

    Returns:
        np.ndarray: (4,) float32.

    Raises:
        ValueError: Not finite, without area, or outside of the image.
    """
    height, width = shape[:2]
    if bbox is None:
        bbox = (0, 0, width, height)
    box = np.asarray(bbox, dtype=np.float32)
    if not (np.isfinite(box).all() and box[0] < box[2] and box[1] < box[3]):
        raise ValueError(
            f'the box {[float(v) for v in box]} must be finite '
            'with x1 < x2 and y1 < y2'
        )
    if box[0] >= width or box[1] >= height or box[2] <= 0 or box[3] <= 0:
        raise ValueError(
            f'the box {[float(v) for v in box]} is outside of '
            f'the image, which is {width} x {height}'
        )
    return box


def draw_relation_figure(
    record: JointRelation,
    meta: Mapping,
    out: str | os.PathLike,
    title: str | None = None,
) -> None:
    """Write the figure.

    Above: the image with the pose, the correlation matrix, the relational
    weights. Below: every joint's heatmap before and after JRE; the maps
    before share one colour scale, and so do the maps after.

    Args:
        record: What is drawn.
        meta: The data set's metainfo, for the joints' names and the pose.
        out: Picture to write; missing folders are made.
        title: A line above the figure.

    Raises:
        ValueError: Another ending; another number of joints than ``meta``.
        OSError: ``out`` cannot be written.
    """
    # The object interface: pyplot would choose a backend for the process.
    from matplotlib.figure import Figure

    out = check_output_path(out, PLOT_ENDINGS)
    names = [
        meta['keypoint_id2name'][i].replace('_', ' ')
        for i in sorted(meta['keypoint_id2name'])
    ]
    number, height, width = record.before.shape
    if number != len(names):
        raise ValueError(
            f'draw_relation_figure: {number} heatmaps, but the '
            f'metainfo has {len(names)} joints'
        )
    blocks = math.ceil(number / _MAX_COLUMNS)
    columns = math.ceil(number / blocks)
    # Inches; a map is as wide as its share of what the colour bars leave.
    cell = 14.2 / columns * height / width
    heights = (0.45, 6.6, blocks * (2 * cell + 0.5))
    figure = Figure(figsize=(17, sum(heights)), layout='constrained')
    # Subfigures do not make way for a suptitle of the figure.
    line, above, below = figure.subfigures(3, 1, height_ratios=heights)
    line.text(0.5, 0.4, title or '', ha='center', va='center', fontsize=14)
    _draw_above(above, record, meta, names)
    _draw_heatmaps(below, record, names, blocks, columns)
    figure.savefig(out, dpi=100)


def _draw_above(
    figure: Any, record: JointRelation, meta: Mapping, names: Sequence[str]
) -> None:
    picture, *matrices = figure.subplots(1, 3, width_ratios=(1, 1.1, 1.1))
    # Enlarged first: thin lines on a small picture would be blocks.
    scale = max(1.0, _PICTURE_SIZE / max(record.image.shape[:2]))
    image = cv2.resize(record.image, None, fx=scale, fy=scale)
    # Centres of pixels stay centres.
    keypoints = scale * (record.keypoints + 0.5) - 0.5
    image = draw_pose(image, keypoints, meta)
    x1, y1, x2, y2 = (round(scale * float(v)) for v in record.bbox)
    cv2.rectangle(
        image,
        (x1, y1),
        (x2 - 1, y2 - 1),
        _BOX_COLOR,
        line_thickness(*image.shape[:2]),
    )
    picture.imshow(image[..., ::-1])
    picture.set_axis_off()
    picture.set_title('predicted pose')
    size = max(4.0, min(9.0, 150 / len(names)))
    titles = (
        'correlation of the heatmaps,\n'
        r'$\bar{M}\bar{M}^T$ (Eq. 6)',
        'relational weights,\n'
        r'$W_r = \mathrm{softmax}(\bar{M}\bar{M}^T)$ (Eq. 7)',
    )
    for axes, matrix, name in zip(
        matrices, (record.correlation, record.weights), titles
    ):
        shown = axes.imshow(matrix, cmap='viridis')
        axes.set_title(name)
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
        axes.set_yticks(range(len(names)), names, fontsize=size)
        figure.colorbar(shown, ax=axes, shrink=0.8)
    matrices[1].set_ylabel('joint that takes ...')
    matrices[1].set_xlabel('... from joint')


def _draw_heatmaps(
    figure: Any,
    record: JointRelation,
    names: Sequence[str],
    blocks: int,
    columns: int,
) -> None:
    grid = figure.subplots(2 * blocks, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    # Colour bars stack from the right: that of the maps after comes first.
    for side, kind, maps in (
        (1, 'after JRE', record.after),
        (0, 'before JRE', record.before),
    ):
        low, high = float(maps.min()), float(maps.max())
        for k, heatmap in enumerate(maps):
            axes = grid[2 * (k // columns) + side, k % columns]
            axes.set_axis_on()
            axes.set_xticks([])
            axes.set_yticks([])
            shown = axes.imshow(heatmap, cmap='inferno', vmin=low, vmax=high)
            if side == 0:
                axes.set_title(names[k], fontsize=10)
            if k % columns == 0:
                axes.set_ylabel(kind, fontsize=10)
        figure.colorbar(
            shown, ax=grid, label=kind, fraction=0.03, pad=0.01, aspect=30
        )
