# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Hide joints at random behind patches in the test set and tell how well two
models find them: PCK of the masked joints, side by side, and a picture."""
from __future__ import annotations

import argparse
import copy
import json
import math
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import cv2
import numpy as np
from mmengine.config import Config
from mmpose.registry import TRANSFORMS

from rpstn_mmpose.datasets.transforms import MaskRandomJoints
from rpstn_mmpose.evaluation.functional import (group_pck, joint_groups,
                                                pck_counts, reference_length)
from rpstn_mmpose.visualization import (VideoPoses, check_output_path,
                                        choose_videos, list_videos,
                                        load_model_and_dataset,
                                        predict_videos, write_contact_sheet)
from rpstn_mmpose.visualization.comparison import (check_predictions,
                                                   keypoint_names, read_frame)
from rpstn_mmpose.visualization.contact_sheet import (SHEET_ENDINGS,
                                                      choose_frames)

# A joint is one of these.
KINDS = ('masked', 'visible', 'occluded')
SHEET_FRAMES, SHEET_STEP = 6, 1
Masks = Dict[str, Dict[int, np.ndarray]]


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config of a clip or image model')
    parser.add_argument('checkpoint', help='its checkpoint')
    parser.add_argument(
        '--second',
        nargs=2,
        metavar=('CONFIG', 'CHECKPOINT'),
        help='a second model, on the same masked frames')
    parser.add_argument(
        '--labels', nargs='+', help='names of the models (default: their '
        "configs' names)")
    parser.add_argument('--out', help='.json file for the numbers')
    parser.add_argument(
        '--sheet',
        help='.png file: the masked frames with the truth, and below each '
        "model's prediction; masked joints are hollow, wrong ones ringed")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        '--num-joints', type=int, help='joints to mask in a frame')
    how.add_argument(
        '--prob',
        type=float,
        help='probability that a joint is masked (default: 0.15)')
    parser.add_argument(
        '--patch-size',
        type=float,
        default=0.1,
        help="side of a patch, in longer sides of the person's box "
        '(default: 0.1)')
    parser.add_argument(
        '--duration',
        type=int,
        default=1,
        help='frames in a row for which the same joints are masked '
        '(default: 1)')
    parser.add_argument(
        '--seed', type=int, default=0, help='of the choice (default: 0)')
    parser.add_argument(
        '--videos',
        type=int,
        help='number of videos, evenly over the data set (default: all)')
    parser.add_argument(
        '--data-root', help="folder of the data, instead of the configs'")
    parser.add_argument(
        '--thr',
        type=float,
        default=0.2,
        help='a joint is correct within so many reference lengths '
        '(default: 0.2)')
    parser.add_argument(
        '--norm',
        default='torso',
        choices=['torso', 'person'],
        help='reference length (default: torso)')
    parser.add_argument(
        '--batch-size', type=int, default=8, help='clips at once')
    parser.add_argument(
        '--device', help='default: cuda where there is one, else cpu')
    args = parser.parse_args(argv)
    args.models = [(args.config, args.checkpoint)]
    if args.second:
        args.models.append(tuple(args.second))
    if args.labels is None:
        args.labels = [Path(config).stem for config, _ in args.models]
    if len(args.labels) != len(args.models):
        parser.error(f'{len(args.models)} models but {len(args.labels)} '
                     '--labels')
    if len(set(args.labels)) != len(args.labels):
        parser.error('the models have the same name; give --labels')
    if args.num_joints is None and args.prob is None:
        args.prob = 0.15
    return args


def with_masks(config: str, mask: Mapping) -> Config:
    """A config whose test data set masks joints before the crop.

    Args:
        config: Path.
        mask: Config of the transform.

    Raises:
        FileNotFoundError: No such config.
        ValueError: The test pipeline loads no frames.
    """
    if not os.path.isfile(config):
        raise FileNotFoundError(f'{config}: no such config file')
    cfg = Config.fromfile(config)
    try:
        dataset = cfg.test_dataloader.dataset
        steps = [copy.deepcopy(step) for step in dataset.pipeline]
        first = steps[0]['type']
    except (AttributeError, IndexError, KeyError):
        raise ValueError(f'{config} has no test pipeline; give the config of '
                         'a pose model') from None
    if first not in ('LoadClip', 'LoadImage'):
        raise ValueError(f'{config}: the test pipeline must start with '
                         f'LoadClip or LoadImage, but got {first}')
    dataset.pipeline = [steps[0], dict(mask), *steps[1:]]
    return cfg


def masks_of(dataset: Any, transform: MaskRandomJoints,
             videos: Sequence[str]) -> Masks:
    """Masked joints, (K,) bool, by video and frame."""
    masks: Masks = {}
    clips = list_videos(dataset)
    for video in videos:
        masks[video] = {}
        for index in clips[video]:
            info = dataset.get_data_info(index)
            _, masked = transform.patches(info)
            for row in np.flatnonzero(info['frame_mask']):
                masks[video][int(info['frame_ids'][row])] = masked[row]
    return masks


def score(predictions: Mapping[str, VideoPoses], masks: Masks, meta: Mapping,
          thr: float, norm_item: str) -> Dict[str, dict]:
    """PCK of masked, visible and otherwise occluded joints.

    Args:
        predictions: By video.
        masks: By video and frame.
        meta: The data set's metainfo.
        thr: Threshold, in reference lengths.
        norm_item: ``'torso'`` or ``'person'``.

    Returns:
        dict: By kind: ``scores`` by column and ``Mean``, per cent;
        ``correct`` and ``total`` by joint name.
    """
    names = keypoint_names(meta)
    groups = joint_groups(names)
    poses = list(predictions.values())
    masked = np.concatenate([
        np.stack([masks[video][int(frame)] for frame in item.frame_ids])
        for video, item in predictions.items()
    ])
    pred, truth, visible, labeled, boxes = (
        np.concatenate([getattr(item, key) for item in poses])
        for key in ('keypoints', 'gt_keypoints', 'visible', 'labeled',
                    'bboxes'))
    length = reference_length(norm_item, names, truth, labeled, boxes)
    out = {}
    for kind, mask in zip(
            KINDS, (masked, visible & ~masked, labeled & ~visible)):
        correct, total = pck_counts(pred[..., :2], truth, mask, length, thr)
        out[kind] = dict(
            scores={
                key: 100 * value
                for key, value in group_pck(correct[0], total,
                                            groups).items()
            },
            correct=dict(zip(names, correct[0].tolist())),
            total=dict(zip(names, total.tolist())))
    return out


def report_table(results: Mapping[str, Mapping[str, dict]],
                 thr: float) -> str:
    """Markdown table: masked joints by column, the others' means.

    Args:
        results: What :func:`score` gave, by the models' names.
        thr: The threshold.
    """
    columns = list(next(iter(results.values()))['masked']['scores'])
    rows = [[f'masked joints, PCK@{thr:g}', *columns, 'Visible', 'Occluded']]
    for label, result in results.items():
        values = [result['masked']['scores'][column] for column in columns]
        values += [result[kind]['scores']['Mean'] for kind in KINDS[1:]]
        rows.append([label.replace('|', '\\|')] +
                    ['-' if math.isnan(v) else f'{v:.1f}' for v in values])
    first = next(iter(results.values()))
    groups = joint_groups(list(first['masked']['total']))
    totals = list(first['masked']['total'].values())
    counts = [sum(totals[i] for i in groups.get(c, range(len(totals))))
              for c in columns]
    counts += [sum(first[kind]['total'].values()) for kind in KINDS[1:]]
    rows.append(['joints counted'] + [str(count) for count in counts])
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [
        '| ' + ' | '.join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths))) + ' |'
        for row in rows
    ]
    rule = ['-' * widths[0]] + ['-' * (width - 1) + ':'
                                for width in widths[1:]]
    lines.insert(1, '| ' + ' | '.join(rule) + ' |')
    return '\n'.join(lines) + '\n'


def draw(path: str, predictions: Sequence[Mapping[str, VideoPoses]],
         labels: Sequence[str], masks: Masks, dataset: Any,
         transform: MaskRandomJoints, args: argparse.Namespace) -> None:
    """Draw the stretch with most masked joints, patches included."""

    def seen(item: VideoPoses, video: str) -> VideoPoses:
        # Masked joints are drawn like occluded ones. Those that are occluded
        # anyhow are left out: the picture is about the patches.
        masked = np.stack([masks[video][int(f)] for f in item.frame_ids])
        return replace(
            item, visible=item.visible & ~masked, labeled=item.visible)

    models = [{video: seen(item, video) for video, item in model.items()}
              for model in predictions]
    video, rows = choose_frames(models[0], SHEET_FRAMES, SHEET_STEP)
    with tempfile.TemporaryDirectory() as folder:
        paths = list(models[0][video].img_paths)
        wanted = {
            int(models[0][video].frame_ids[row]): row for row in rows
        }
        for index in list_videos(dataset)[video]:
            info = dataset.get_data_info(index)
            frames = [int(frame) for frame in info['frame_ids']]
            if not any(info['frame_mask'][i] and frame in wanted
                       for i, frame in enumerate(frames)):
                continue
            info['img'] = [read_frame(name) for name in info['img_paths']]
            images = transform(info)['img']
            for i, frame in enumerate(frames):
                if info['frame_mask'][i] and frame in wanted:
                    name = os.path.join(folder, f'{frame}.png')
                    cv2.imwrite(name, images[i])
                    paths[wanted[frame]] = name
        models = [{video: replace(model[video], img_paths=paths)}
                  for model in models]
        write_contact_sheet(
            path,
            models,
            labels,
            dataset.metainfo,
            num_frames=SHEET_FRAMES,
            step=SHEET_STEP,
            thr=args.thr,
            norm_item=args.norm)


def run(args: argparse.Namespace) -> Tuple[dict, str]:
    for path, endings in ((args.out, ('.json', )), (args.sheet,
                                                    SHEET_ENDINGS)):
        if path:
            check_output_path(path, endings)
    mask = dict(
        type='MaskRandomJoints',
        num_joints=args.num_joints,
        prob=args.prob,
        patch_size=args.patch_size,
        duration=args.duration,
        seed=args.seed)
    transform = TRANSFORMS.build(mask)
    predictions, videos, masks, dataset = [], [], {}, None
    for (config, checkpoint), label in zip(args.models, args.labels):
        model, data = load_model_and_dataset(
            with_masks(config, mask),
            checkpoint,
            data_root=args.data_root,
            device=args.device)
        if dataset is None:
            dataset = data
            videos = choose_videos(list(list_videos(data)), args.videos)
            masks = masks_of(data, transform, videos)
        elif keypoint_names(data.metainfo) != keypoint_names(
                dataset.metainfo):
            raise ValueError(f'{config} has other joints than '
                             f'{args.config}')
        predictions.append(
            predict_videos(
                model,
                data,
                videos,
                batch_size=args.batch_size,
                progress=label))
    check_predictions(predictions, args.labels)
    results = {
        label: score(prediction, masks, dataset.metainfo, args.thr, args.norm)
        for label, prediction in zip(args.labels, predictions)
    }
    if args.sheet:
        draw(args.sheet, predictions, args.labels, masks, dataset, transform,
             args)
    mask.pop('type')
    return dict(
        thr=args.thr,
        norm_item=args.norm,
        mask=mask,
        videos=len(videos),
        models=results), report_table(results, args.thr)


def without_nan(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    try:
        result, table = run(args)
        if args.out:
            text = json.dumps(without_nan(result), indent=1)
            Path(args.out).write_text(text + '\n')
    except (ImportError, KeyError, OSError, ValueError) as error:
        # One line: mmengine's messages have several.
        sys.exit('occlusion_report: ' + ' '.join(str(error).split()))
    print(table)
    for path in (args.out, args.sheet):
        if path:
            print(f'wrote {path}')


if __name__ == '__main__':
    main()
