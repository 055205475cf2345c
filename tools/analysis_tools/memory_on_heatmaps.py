# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What a memory makes of heatmaps that are there already, of any model."""

import argparse
import sys

ARRAYS = 'heatmaps keypoints counted hidden length'.split()


def parse_args(args=None):
    parser = argparse.ArgumentParser(
        description='PCK of visible and of hidden joints of a person, frame '
        'by frame, with the running mean of heatmaps, and with it in both '
        'directions; without and with regard to the boxes of others.',
        epilog='A file is an .npz of one person in T frames with one crop: '
        'heatmaps (T, K, h, w); keypoints (T, K, 2), true, in pixels of the '
        'heatmaps; counted and hidden (T, K), bool; length, the torso in such '
        'pixels. And, where there are others: box (T, 4), x1 y1 x2 y2 in such '
        'pixels, NaN where it is not known, and others (T, M, 4), filled up '
        'with NaN. And, for nets that give them, offsets (T, K, 2, h, w): x '
        'and y to be added to the place of the peak.',
    )
    parser.add_argument('files', nargs='+', metavar='FILE.npz')
    parser.add_argument(
        '--weight', type=float, default=0.5, help='(default: 0.5)'
    )
    parser.add_argument(
        '--confidence', type=float, default=2.0, help='(default: 2)'
    )
    parser.add_argument(
        '--others-weight',
        type=float,
        default=0.25,
        help='how much heat on other people counts (default: 0.25)',
    )
    parser.add_argument(
        '--learned',
        metavar='FILE.pth',
        help='weights of a LearnedHeatmapMemory, for rows of its own',
    )
    parser.add_argument(
        '--joints',
        type=int,
        nargs='+',
        metavar='K',
        help="which of the maps are that memory's joints, in its order "
        '(default: all)',
    )
    parser.add_argument(
        '--thr',
        type=float,
        default=0.2,
        help='a joint is right within so many torsos (default: 0.2)',
    )
    args = parser.parse_args(args)
    if args.joints and not args.learned:
        parser.error('--joints does nothing without --learned')
    return args


def load(path):
    """The arrays of a file, checked."""
    import numpy as np

    with np.load(path) as content:
        data = {name: content[name] for name in content.files}
    missing = [name for name in ARRAYS if name not in data]
    if missing:
        raise ValueError(f'{path} has no {missing[0]!r}; see --help')
    shape = data['heatmaps'].shape
    wanted = dict(
        keypoints=(*shape[:2], 2), counted=shape[:2], hidden=shape[:2]
    )
    for name, expected in wanted.items():
        if data[name].shape != expected:
            raise ValueError(
                f'{path}: {name} must be {expected} beside heatmaps {shape}, '
                f'but is {data[name].shape}'
            )
    data['heatmaps'] = data['heatmaps'].astype(np.float32)
    return data


def shades(data, weight):
    """What heat counts, (T, 1, h, w), by the boxes of others."""
    import numpy as np

    from rpstn_mmpose.models.pose_estimators.crops import elsewhere

    frames, _, height, width = data['heatmaps'].shape
    result = np.ones((frames, 1, height, width), np.float32)
    if 'others' not in data:
        return result
    # A pixel of the map is one of the crop.
    crop = np.array([width / 2, height / 2, width, height])
    step = 1 / np.array([width, height])
    for frame, (own, others) in enumerate(zip(data['box'], data['others'])):
        others = others[np.isfinite(others).all(axis=1)]
        if not np.isfinite(own).all() or not len(others):
            continue
        boxes = np.concatenate([own[None], others])
        crops = np.tile(crop, (len(boxes), 1))
        other = elsewhere(crops, boxes, (height, width), step)[0]
        result[frame, 0, other] = weight
    return result


def remembered(memory, maps):
    """What the memory gives for frames (T, K, h, w), one after the other."""
    import torch

    done = [maps[:1]]
    for frame in maps[1:]:
        done.append(memory(frame[None], done[-1]))
    return torch.cat(done)


def variants(data, memories, others_weight):
    """Heatmaps by name, of memories by name."""
    import torch

    maps = torch.from_numpy(data['heatmaps'])
    shaded = maps * torch.from_numpy(shades(data, others_weight))
    result = {'per frame': maps}
    for name, memory in memories.items():
        for start, frames in (('', maps), ('others shaded, ', shaded)):
            forwards = remembered(memory, frames)
            backwards = remembered(memory, frames.flip(0)).flip(0)
            result[f'{start}{name}, causal'] = forwards
            both = (forwards + backwards) / 2
            result[f'{start}{name}, both directions'] = both
    return result


def right(data, maps, thr):
    """Whether joints (T, K) are found."""
    import numpy as np

    flat = maps.flatten(2).argmax(dim=2).numpy()
    rows, columns = np.divmod(flat, maps.shape[-1])
    points = np.stack([columns, rows], axis=-1).astype(float)
    if 'offsets' in data:
        offsets = data['offsets'].reshape(*data['offsets'].shape[:3], -1)
        points += np.take_along_axis(offsets, flat[:, :, None, None], axis=3)[
            ..., 0
        ]
    distance = np.linalg.norm(points - data['keypoints'], axis=-1)
    return distance <= thr * data['length']


def run(args):
    from rpstn_mmpose.models.memories import (
        LearnedHeatmapMemory,
        RecursiveHeatmapMean,
    )

    memories = dict(mean=RecursiveHeatmapMean(args.weight, args.confidence))
    if args.learned:
        learned = LearnedHeatmapMemory(
            joints=args.joints, weights=args.learned
        )
        memories['learned'] = learned.requires_grad_(False).eval()
    counts = {}
    for path in args.files:
        data = load(path)
        for name, maps in variants(data, memories, args.others_weight).items():
            found = right(data, maps, args.thr)
            row = counts.setdefault(name, [0, 0, 0, 0])
            for first, kind in ((0, ~data['hidden']), (2, data['hidden'])):
                of_kind = kind & data['counted']
                row[first] += int((found & of_kind).sum())
                row[first + 1] += int(of_kind.sum())
    print(f'PCK@{args.thr:g} torso | visible | hidden')
    for name, (seen, visible, guessed, hidden) in counts.items():
        cells = [
            f'{100 * good / total:.1f} ({total})' if total else '-'
            for good, total in ((seen, visible), (guessed, hidden))
        ]
        print(' | '.join([name, *cells]))


def main(args=None):
    args = parse_args(args)
    try:
        run(args)
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f'memory_on_heatmaps: {" ".join(str(error).split())}')


if __name__ == '__main__':
    main()
