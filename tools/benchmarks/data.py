# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Data loading: from JPEG files to crops, beside MMPose's pipeline."""

from __future__ import annotations

import argparse
import copy
import cProfile
import io
import pstats
import time
from pathlib import Path
from typing import Callable, Dict, List, Sequence, Tuple

from .bench import CLIP_LENGTH, RECIPE, Bench
from .models import load_config
from .videos import synthetic_penn

BASELINE = "baseline (MMPose's images)"
REDUCED = 'clips, reduced JPEG'


def with_reduction(pipeline: List[dict], input_size) -> List[dict]:
    """A clip pipeline that reads frames no larger than its crops need."""
    steps = copy.deepcopy(pipeline)
    for step in steps:
        if step['type'] == 'LoadClip':
            step['reduce_to'] = input_size
        for inner in step.get('transforms', []):
            if inner['type'] == 'TopdownAffine':
                inner['type'] = 'ReducedTopdownAffine'
    return steps


def lazily(pipeline: List[dict], backend: str) -> List[dict]:
    """A clip pipeline that decodes where it crops: the crop, the last of the
    transforms of ``ForEachFrame``, becomes a step for the whole clip."""
    steps = []
    for step in copy.deepcopy(pipeline):
        if step['type'] == 'LoadClip':
            step.update(lazy=True, imdecode_backend=backend)
        if step['type'] == 'ForEachFrame' and (
            step['transforms'][-1]['type'] == 'TopdownAffine'
        ):
            crop = step['transforms'].pop()
            if step['transforms']:
                steps.append(step)
            step = dict(crop, type='ReducedTopdownAffine')
        steps.append(step)
    return steps


def image_pipeline(input_size) -> List[dict]:
    """MMPose's own, of its SimpleBaseline configs, for tests."""
    return [
        dict(type='LoadImage'),
        dict(type='GetBBoxCenterScale'),
        dict(type='TopdownAffine', input_size=input_size),
        dict(type='PackPoseInputs'),
    ]


def image_training_pipeline(codec) -> List[dict]:
    """The same for training, with the augmentation of the clips."""
    return [
        dict(type='LoadImage'),
        dict(type='GetBBoxCenterScale'),
        dict(type='RandomFlip', direction='horizontal'),
        dict(
            type='RandomBBoxTransform',
            shift_prob=0,
            scale_factor=(0.8, 1.4),
            rotate_factor=40,
            rotate_prob=1.0,
        ),
        dict(type='TopdownAffine', input_size=codec['input_size']),
        dict(type='GenerateTarget', encoder=codec),
        dict(type='PackPoseInputs'),
    ]


def clip_pipelines(bench: Bench, codec: dict) -> Tuple[list, list]:
    """The config's test pipeline and the paper's training pipeline."""
    test = copy.deepcopy(
        load_config(bench.args.config).test_dataloader.dataset.pipeline
    )
    for step in test:
        step.pop('padding', None)  # both crop alike: MMPose's default
    train = copy.deepcopy(load_config(RECIPE).train_pipeline)
    for step in train:
        if 'encoder' in step:
            step['encoder'] = codec
        for inner in step.get('transforms', []):
            if inner['type'] == 'TopdownAffine':
                inner['input_size'] = codec['input_size']
    return test, train


def frames_of(info: dict) -> List[dict]:
    """A clip's frames, as an image data set hands them out."""
    rows = ('bbox', 'bbox_score', 'keypoints', 'keypoints_visible')
    shared = (
        'dataset_name',
        'flip_indices',
        'flip_pairs',
        'upper_body_ids',
        'lower_body_ids',
        'dataset_keypoint_weights',
    )
    frames = []
    for row, path in enumerate(info['img_paths']):
        frame = {key: info[key] for key in shared if key in info}
        frame.update(
            {key: info[key][row : row + 1] for key in rows if key in info}
        )
        frame['img_path'] = path
        frames.append(frame)
    return frames


def shrunk(info: dict, side: float) -> dict:
    """A clip whose people are as large as asked for, about the centres of
    their boxes: what is decoded and cropped, not what is to be seen."""
    import numpy as np

    boxes = info['bbox']
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    halves = (boxes[:, 2:] - boxes[:, :2]) / 2
    factors = side / 2 / halves.max(axis=1, keepdims=True)
    keypoints = info['keypoints'] - centers[:, None]
    return dict(
        info,
        bbox=np.hstack(
            [centers - halves * factors, centers + halves * factors]
        ).astype(boxes.dtype),
        keypoints=(keypoints * factors[:, None] + centers[:, None]).astype(
            info['keypoints'].dtype
        ),
    )


def encode_again(folder: str, quality: int) -> float:
    """Write the frames in a JPEG quality; the bits a pixel takes."""
    import cv2

    bits = pixels = 0
    for path in sorted(Path(folder).rglob('*.jpg')):
        image = cv2.imread(str(path))
        cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        bits += 8 * path.stat().st_size
        pixels += image.shape[0] * image.shape[1]
    return bits / pixels


def crops(function: Callable):
    """What a variant makes under one seed, frames x 3 x H x W."""
    import numpy as np
    import torch

    np.random.seed(0)
    made = [sample['inputs'] for sample in function()]
    return torch.cat([x[None] if x.ndim == 3 else x for x in made]).float()


def stages(
    title: str, steps: Sequence[dict], samples: List[dict], frames: int
) -> str:
    """Tables of a pipeline's CPU time: by step, and by function."""
    from mmpose.registry import TRANSFORMS

    transforms = [TRANSFORMS.build(step) for step in steps]
    spent: Dict[str, float] = {}

    def run() -> None:
        for sample in samples:
            sample = copy.copy(sample)
            for transform in transforms:
                start = time.process_time()
                sample = transform(sample)
                name = type(transform).__name__
                spent[name] = spent.get(name, 0) + time.process_time() - start

    run()
    spent.clear()
    rounds = 5
    for _ in range(rounds):
        run()
    count = rounds * frames
    lines = [f'{title}: ms of CPU time a frame']
    lines += [
        f'{1e3 * value / count:8.3f}  {name}' for name, value in spent.items()
    ]
    lines.append(f'{1e3 * sum(spent.values()) / count:8.3f}  together')
    profiler = cProfile.Profile(time.process_time)
    profiler.runcall(run)
    text = io.StringIO()
    pstats.Stats(profiler, stream=text).sort_stats('tottime').print_stats(12)
    return '\n'.join(lines) + f'\n{text.getvalue()}'


def image_variant(steps: List[dict], infos: List[dict]) -> Callable:
    """Reads all frames one by one."""
    from mmengine.dataset import Compose

    pipeline = Compose(steps)
    return lambda: [
        pipeline(frame) for info in infos for frame in frames_of(info)
    ]


def clip_variant(steps: List[dict], infos: List[dict]) -> Callable:
    """Reads all clips."""
    from mmengine.dataset import Compose

    pipeline = Compose(steps)
    return lambda: [pipeline(copy.copy(info)) for info in infos]


def compare_pipelines(
    bench: Bench,
    case: str,
    image: List[dict],
    clips: Dict[str, List[dict]],
    infos: List[dict],
    same_as: str,
    facts: str,
) -> None:
    """Rows of one case.

    Args:
        bench: Where they go.
        case: Name.
        image: MMPose's pipeline.
        clips: Pipelines by name.
        infos: Clips.
        same_as: Variant whose crops the others' are compared with.
        facts: For the notes.
    """
    variants = {BASELINE: image_variant(image, infos)}
    variants.update(
        (name, clip_variant(steps, infos)) for name, steps in clips.items()
    )
    names = list(variants)
    expected = crops(variants[same_as])
    changes = {
        name: (crops(variants[name]) - expected).abs()
        for name in names[names.index(same_as) + 1 :]
    }
    count = CLIP_LENGTH * len(infos)
    # torch's profiler sees nothing of a pipeline.
    plain = copy.copy(bench)
    plain.args = argparse.Namespace(**{**vars(bench.args), 'profile': False})
    plain.compare(
        'data',
        case,
        variants,
        units=dict.fromkeys(variants, count),
        errors={
            name: float(change.mean()) for name, change in changes.items()
        },
        memory=False,
    )
    for name, row in zip(names, bench.rows[-len(names) :]):
        row['note'] = f'{1e3 / row["ms"] / CLIP_LENGTH:.0f} clips/s'
        if name in changes:
            row['note'] += f', at most {float(changes[name].max()):.0f}'
        if name == BASELINE:
            row['note'] += f', {facts}'
        print(f'  {name}: {row["note"]}')
    if not bench.args.profile:
        return
    frames = [frame for info in infos for frame in frames_of(info)]
    bench.profiles.append(
        stages(f'data, {case}: {BASELINE}', image, frames, count)
    )
    bench.profiles.extend(
        stages(f'data, {case}: {name}', steps, infos, count)
        for name, steps in clips.items()
        if name != REDUCED
    )


def run_data(bench: Bench) -> None:
    """A frame from its JPEG file to the batch, in one worker.

    An error is the mean change of a pixel, of 255: to MMPose's crops in a
    test; in training, where MMPose augments each frame by itself, to those of
    the clip pipeline under the same seed.
    """
    import cv2

    from rpstn_mmpose.datasets import PennActionDataset
    from rpstn_mmpose.datasets.transforms.region_decoder import (
        BACKEND,
        load_library,
    )

    cv2.setNumThreads(0)  # as mmengine sets it in workers
    codec = dict(load_config(bench.args.config).codec)
    size = codec['input_size']
    backends = {'clips, decoded at the crop': 'cv2'}
    try:
        load_library()
        backends['clips, only the region decoded'] = BACKEND
    except ImportError as error:
        print(f'data: left out: {error}')
    test, train = clip_pipelines(bench, codec)
    for frame_size in bench.args.frame_sizes:
        with synthetic_penn(
            2 if bench.args.quick else 8, CLIP_LENGTH, frame_size
        ) as folder:
            bits = encode_again(folder, bench.args.jpeg_quality)
            dataset = PennActionDataset(
                data_root=folder, split='train', clip_length=CLIP_LENGTH
            )
            infos = [
                shrunk(dataset.get_data_info(i), bench.args.person)
                for i in range(len(dataset))
            ]
            case = '{}x{} frames to {}x{}'.format(*frame_size, *size)
            facts = (
                f'people of {bench.args.person:.0f} pixels, '
                f'{bits:.2f} bits a pixel'
            )
            for name, image, clips, same_as in (
                ('test', image_pipeline(size), test, BASELINE),
                ('training', image_training_pipeline(codec), train, 'clips'),
            ):
                pipelines = {
                    'clips': clips,
                    REDUCED: with_reduction(clips, size),
                }
                pipelines.update(
                    (label, lazily(clips, backend))
                    for label, backend in backends.items()
                )
                compare_pipelines(
                    bench,
                    f'{name}, {case}',
                    image,
                    pipelines,
                    infos,
                    same_as,
                    facts,
                )


def frame_size(text: str) -> Tuple[int, int]:
    """Of the command line: 640x480.

    Raises:
        argparse.ArgumentTypeError: Anything else.
    """
    try:
        width, height = (int(side) for side in text.split('x'))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f'a frame size is written 640x480, but got {text!r}'
        ) from None
    if min(width, height) < 32:
        raise argparse.ArgumentTypeError(
            f'a frame must have at least 32 pixels a side, but got {text!r}'
        )
    return width, height
