# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What remembering places can be worth at most: hidden joints are put where an
image model had them when they were last seen, which the labels tell."""

from __future__ import annotations

import argparse
import sys
import warnings

# Before the packages that warn of others' deprecations are imported.
warnings.filterwarnings('ignore')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='A joint moves along with the middle of the box. One that is '
        'not seen before (or, between frames, at all) stays where the model '
        'has it in that frame.',
    )
    parser.add_argument('config', help='of a model without a memory')
    parser.add_argument('checkpoint', help='its checkpoint')
    parser.add_argument('--data-root', help="in place of the config's")
    return parser.parse_args(argv)


if __name__ == '__main__':
    # Help and wrong options do not wait for the imports below.
    parse_args()

from typing import Any, Iterable

import numpy as np

from rpstn_mmpose.evaluation.functional import (
    group_pck,
    pck_counts,
    reference_length,
)
from rpstn_mmpose.evaluation.tables import markdown_table
from rpstn_mmpose.structures.hidden_joints import frames_unseen
from rpstn_mmpose.visualization import load_model_and_dataset, predict_videos

THR = 0.2


def held(places: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Where each joint was when it was last seen.

    Args:
        places: (n, K, 2), of all frames of a video in order.
        visible: (n, K), nonzero where a joint is seen.

    Returns:
        np.ndarray: (n, K, 2); a joint that was not seen yet is where it is.

    Examples:
        >>> x = np.stack([[1, 2, 3], [0, 0, 0]], -1)[:, None]
        >>> held(x, np.array([[0], [1], [0]]))[..., 0].ravel()
        array([1, 2, 2])
    """
    back = np.maximum(frames_unseen(visible), 0)
    rows = np.arange(len(places))[:, None] - back
    return np.take_along_axis(places, rows[..., None], axis=0)


def between(places: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Places on the line from where a joint was last seen to where it is seen
    next; where one of the two is missing, the other.

    See :func:`held` for the arguments.

    Examples:
        >>> x = np.stack([[0, 9, 9, 6, 7], [0, 0, 0, 0, 0]], -1)[:, None]
        >>> between(x, np.array([[1], [0], [0], [1], [0]]))[..., 0].ravel()
        array([0., 2., 4., 6., 6.])
    """
    before = held(places, visible)
    after = held(places[::-1], visible[::-1])[::-1]
    back = frames_unseen(visible)
    ahead = frames_unseen(visible[::-1])[::-1]
    part = np.where(back < 0, 1.0, 0.0)
    inside = (back > 0) & (ahead > 0)
    part[inside] = (back / np.maximum(back + ahead, 1))[inside]
    return before + part[..., None] * (after - before)


def bounds(people: Iterable[Any], joints: list[str]) -> dict[str, tuple]:
    """PCK (visible, hidden) of each row of the table, 0 to 1.

    Args:
        people: Of whole videos, as
            :func:`~rpstn_mmpose.visualization.predict_videos` gives them.
        joints: Names.
    """
    counts: dict[str, np.ndarray] = {}
    for video in people:
        visible = video.keypoints_visible
        hidden = video.keypoints_labeled & ~visible
        middle = video.bboxes.reshape(-1, 1, 2, 2).mean(axis=2)
        found, truth = video.keypoints - middle, video.gt_keypoints - middle
        length = reference_length(
            'torso', joints, truth, video.keypoints_labeled
        )
        unknown = np.where(visible[..., None], truth, found)
        rows = {
            'per frame': found,
            'where the model had it when last seen': held(found, visible),
            'between where it had it before and after': between(
                found, visible
            ),
            'where it truly was when last seen': held(unknown, visible),
            'between where it truly was before and after': between(
                unknown, visible
            ),
        }
        for name, places in rows.items():
            new = [
                pck_counts(places, truth, mask, length, THR)
                for mask in (visible, hidden)
            ]
            row = np.array([(right[0], total) for right, total in new])
            counts[name] = counts.get(name, 0) + row
    return {
        name: tuple(group_pck(*kind, {})['Mean'] for kind in row)
        for name, row in counts.items()
    }


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    try:
        model, dataset = load_model_and_dataset(
            args.config, args.checkpoint, args.data_root
        )
        bar = 'frames' if sys.stderr.isatty() else None
        people = predict_videos(model, dataset, progress=bar)
        names = dataset.metainfo['keypoint_id2name']
        found = bounds(people.values(), [names[i] for i in range(len(names))])
    except (OSError, ValueError) as error:
        sys.exit('memory_bound: ' + ' '.join(str(error).split()))
    cells = [['PCK@0.2 torso', 'visible', 'hidden']]
    for name, (visible, hidden) in found.items():
        seen = f'{100 * visible:.1f}' if name == 'per frame' else ''
        cells.append([name, seen, f'{100 * hidden:.1f}'])
    print(markdown_table(cells))


if __name__ == '__main__':
    main()
