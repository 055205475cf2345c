# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Draw what a model's joint relation extractor (JRE) does for one frame."""

import argparse
import os
import sys
from pathlib import Path

from rpstn_mmpose.visualization.output_path import (
    PLOT_ENDINGS,
    check_output_path,
)

IMAGE_ENDINGS = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')


def parse_args(args=None):
    parser = argparse.ArgumentParser(
        description='Run a model with a JRE on an image, or on a clip, and '
        'draw for one frame: the predicted pose, the correlation matrix of '
        'the heatmaps (Eq. 6 of the paper), the relational weights (Eq. 7) '
        'and the heatmaps before and after JRE. The data set of the config '
        'is not needed.'
    )
    parser.add_argument('config', help='config of a clip or image model')
    parser.add_argument('checkpoint', help='its checkpoint')
    parser.add_argument(
        'images',
        nargs='+',
        help='an image, several images in order of time, or a folder of '
        'frames, which are taken in order of their names',
    )
    parser.add_argument(
        '--out',
        required=True,
        help=f'figure to write ({", ".join(PLOT_ENDINGS)})',
    )
    parser.add_argument(
        '--bbox',
        nargs=4,
        type=float,
        metavar=('X1', 'Y1', 'X2', 'Y2'),
        help='box of the person in all frames, pixels (default: the whole '
        'picture, which a line on stderr says)',
    )
    parser.add_argument(
        '--frame',
        type=int,
        default=-1,
        help='which of the images is drawn, from 0, or from -1 at the end '
        '(default: -1)',
    )
    parser.add_argument(
        '--clip-length',
        type=int,
        help='a clip model sees so many images up to the one that is drawn, '
        "as far as there are (default: the config's)",
    )
    parser.add_argument(
        '--device', help='default: cuda where there is one, else cpu'
    )
    return parser.parse_args(args)


if __name__ == '__main__':
    # Help and wrong options do not wait for the imports below.
    parse_args()
    import rpstn_mmpose  # noqa: F401  keeps known warnings off

import cv2
from mmengine.config import Config

from rpstn_mmpose.visualization.relation_figure import (
    draw_relation_figure,
    find_relation,
    predict_relation,
    takes_clips,
)
from rpstn_mmpose.visualization.video_prediction import load_model_and_dataset


def list_images(inputs):
    """Paths of the images; a folder stands for what is in it."""
    paths = []
    for item in map(Path, inputs):
        if not item.is_dir():
            paths.append(item)
            continue
        found = sorted(
            path
            for path in item.iterdir()
            if path.suffix.lower() in IMAGE_ENDINGS
            and not path.name.startswith('.')
        )
        if not found:
            raise ValueError(
                f'the folder {item} has no image ({", ".join(IMAGE_ENDINGS)})'
            )
        paths += found
    return paths


def read_image(path):
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such image or folder')
    image = cv2.imread(str(path))
    if image is None:
        raise ValueError(f'{path} cannot be read as an image')
    return image


def choose_clip(number, frame, length):
    """Indices of the images up to ``frame``, at most ``length``."""
    if not -number <= frame < number:
        raise ValueError(
            f'--frame {frame} is not among the {number} images; '
            f'choose 0 to {number - 1}'
        )
    if length < 1:
        raise ValueError(f'--clip-length must be positive, but got {length}')
    frame %= number
    return range(max(0, frame - length + 1), frame + 1)


def run(args):
    check_output_path(args.out, PLOT_ENDINGS)
    paths = list_images(args.images)
    if not os.path.isfile(args.config):
        raise FileNotFoundError(f'{args.config}: no such config file')
    config = Config.fromfile(args.config)
    if 'test_dataloader' in config:
        # Its pipeline and its joints are wanted, not its files.
        config.test_dataloader.dataset.lazy_init = True
    model, dataset = load_model_and_dataset(
        config, args.checkpoint, device=args.device
    )
    find_relation(model)
    length = 1
    if takes_clips(dataset):
        length = args.clip_length
        if length is None:
            length = getattr(dataset, 'clip_length', len(paths))
    clip = choose_clip(len(paths), args.frame, length)
    frames = [read_image(paths[i]) for i in clip]
    if args.bbox is None:
        height, width = frames[-1].shape[:2]
        print(
            f'visualize_relation: no --bbox: the whole picture, {width} x '
            f'{height}, is taken for the person; give --bbox X1 Y1 X2 Y2 '
            'where more than the person is to be seen',
            file=sys.stderr,
        )
    record = predict_relation(model, dataset, frames, args.bbox)
    title = f'{Path(args.config).stem}: {paths[clip[-1]].name}'
    if len(clip) > 1:
        title += f', frame {len(clip)} of a clip of {len(clip)}'
    draw_relation_figure(record, dataset.metainfo, args.out, title)
    print(f'wrote {args.out}')


def main(args=None):
    args = parse_args(args)
    try:
        run(args)
    except (ImportError, KeyError, OSError, ValueError) as error:
        # One line: mmengine's messages have several.
        sys.exit('visualize_relation: ' + ' '.join(str(error).split()))


if __name__ == '__main__':
    main()
