# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Several people on disk: a video with its truth, and a COCO data set of
person boxes.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Iterator

import cv2
import numpy as np
from tqdm import tqdm

from .config import check_positive, check_seed, checked_size
from .crowd import crossing_scene, group_scene
from .data_folder import make_once
from .difficulty import Difficulty, get_difficulty
from .in_processes import map_in_processes
from .motion import FPS
from .penn_writer import JPEG_QUALITY, PENN_ORDER, joint_boxes
from .scene import OUTSIDE, Scene
from .skeleton import PENN_JOINTS

# Goes up whenever the same settings would give other bytes.
CROWD_VERSION = 1
SPLITS = ('train', 'test')
CATEGORY = dict(id=1, name='person', supercategory='person')
# Who shows fewer joints is to be neither found nor missed.
MIN_VISIBLE = 3


def people_of_frame(truths: list[dict], size: tuple[int, int]) -> list[dict]:
    """The people of whom a frame shows at least one joint.

    Args:
        truths (list): Of :meth:`Scene.frames`.
        size (tuple): Width and height of the picture in pixels.

    Returns:
        list[dict]: ``track_id`` (index of the actor), ``bbox`` (4, x1 y1 x2
        y2, by the joints inside of the picture, visible or not, clipped),
        ``keypoints`` (13 x 2), ``keypoints_visible`` and
        ``keypoints_labeled`` (13; joints outside are not labelled). 0-based
        pixels; sides are named as in Penn Action (see ``PENN_ORDER``).
    """
    people = []
    for number, truth in enumerate(truths):
        inside = truth['hidden_by'] != OUTSIDE
        if not inside.any():
            continue
        box = joint_boxes(truth['keypoints'][None], inside[None], *size)[0]
        people.append(
            dict(
                track_id=number,
                bbox=box,
                keypoints=truth['keypoints'][PENN_ORDER],
                keypoints_visible=truth['visible'][PENN_ORDER],
                keypoints_labeled=inside[PENN_ORDER].astype(np.uint8),
            )
        )
    return people


def _plain(person: dict) -> dict:
    return {
        key: value if isinstance(value, int) else np.round(value, 2).tolist()
        for key, value in person.items()
    }


def write_crossing_video(
    out: str | Path,
    num_frames: int = 120,
    image_size: tuple[int, int] = (384, 288),
    seed: int = 0,
    num_people: int = 4,
    difficulty: str | Difficulty = 'default',
    fps: float = FPS,
    progress: bool = True,
) -> Path:
    """Write a video of :func:`crowd.crossing_scene` and what it shows.

    Args:
        out (str | Path): The ``.mp4`` file. The truth goes beside it, to a
            ``.json`` file of the same name: ``meta_info`` and
            ``instance_info``, a record of each frame with ``frame_id`` from
            0 and ``instances`` (see :func:`people_of_frame`), as MMPose's
            demos write predictions.
        num_frames, image_size, seed, num_people, difficulty: See there.
        fps (float): Frames a second.
        progress (bool): Whether to show a progress bar.

    Returns:
        Path: The truth.

    Raises:
        ValueError: A bad setting.
        OSError: A file cannot be written.
    """
    # Only here, so that the generator itself needs no PyAV.
    from ..visualization import VideoWriter, check_output_path

    scene = crossing_scene(
        num_frames, image_size, seed, 'demo', 0, num_people, difficulty
    )
    out = check_output_path(out, ('.mp4',))
    truth_path = check_output_path(out.with_suffix('.json'), ('.json',))
    records = []
    frames = tqdm(
        _frames(scene),
        total=num_frames,
        desc='synthetic crowd',
        unit='frame',
        disable=None if progress else True,
    )
    with VideoWriter(out, fps=fps, crf=16) as video:
        for frame_id, (picture, people) in enumerate(frames):
            video.write(picture)
            people = [_plain(person) for person in people]
            records.append(dict(frame_id=frame_id, instances=people))
    meta = dict(
        dataset_name='synthetic_crowd',
        generator_version=CROWD_VERSION,
        keypoint_names=list(PENN_JOINTS),
        video=dict(
            fps=fps,
            width=image_size[0],
            height=image_size[1],
            num_frames=num_frames,
        ),
        settings=dict(
            seed=seed,
            num_people=num_people,
            difficulty=asdict(get_difficulty(difficulty)),
        ),
    )
    from ..visualization.output_path import make_part

    temporary = make_part(truth_path)
    # A record a line.
    lines = ',\n'.join(json.dumps(record) for record in records)
    temporary.write_text(
        f'{{"meta_info": {json.dumps(meta)},\n"instance_info": [\n{lines}\n]}}'
        '\n'
    )
    os.replace(temporary, truth_path)
    return truth_path


def _frames(scene: Scene) -> Iterator[tuple[np.ndarray, list[dict]]]:
    for picture, truths in scene.frames():
        yield picture, people_of_frame(truths, scene.size)


def generate_detection(
    out_dir: str | Path,
    num_train: int = 1600,
    num_test: int = 200,
    image_size: tuple[int, int] = (192, 144),
    seed: int = 0,
    difficulty: str | Difficulty = 'default',
    num_workers: int = 1,
    progress: bool = True,
) -> dict:
    """Write a data set of person boxes in COCO's format.

    Pictures of :func:`crowd.group_scene` in ``train/`` and ``test/``, boxes
    in ``annotations/train.json`` and ``annotations/test.json``. A person of
    whom fewer than three joints can be seen has ``iscrowd`` 1: detectors are
    neither trained nor judged by it. The bytes depend on the settings only.
    A folder that holds the same data set is left as it is; one that a run
    left unfinished is made again.

    Args:
        out_dir (str | Path): Empty, missing, or written by this function.
        num_train (int): Pictures, >= 1.
        num_test (int): Pictures, >= 1.
        image_size (tuple): Width and height in pixels.
        seed (int): >= 0.
        difficulty (str | Difficulty): Preset name or knobs.
        num_workers (int): Processes, >= 1.
        progress (bool): Whether to show a progress bar.

    Returns:
        dict: The manifest; ``existed`` tells whether it was there before.

    Raises:
        ValueError: A bad setting, or ``out_dir`` holds something else.
        OSError: ``out_dir`` cannot be written.
    """
    counts = dict(num_train=num_train, num_test=num_test)
    check_positive(**counts, num_workers=num_workers)
    check_seed(seed)
    size = checked_size(image_size)
    settings = dict(
        counts,
        image_size=size,
        seed=seed,
        difficulty=asdict(get_difficulty(difficulty)),
        crowd_version=CROWD_VERSION,
    )

    def make(root: Path) -> dict:
        people = {}
        for split, count in zip(SPLITS, counts.values()):
            (root / split).mkdir(parents=True)
            found = map_in_processes(
                partial(write_picture, root, split, size, seed, difficulty),
                range(count),
                num_workers,
                what=f'synthetic {split} pictures',
                unit='picture',
                progress=progress,
                chunk=16,
            )
            _write_coco(root, split, size, found)
            people[split] = sum(map(len, found))
        return dict(people=people)

    return make_once(out_dir, settings, (*SPLITS, 'annotations'), make)


def write_picture(
    out_dir: Path,
    split: str,
    size: tuple[int, int],
    seed: int,
    difficulty: str | Difficulty,
    index: int,
) -> list[dict]:
    """Render and write one picture.

    Args:
        out_dir (Path): Root of the data set.
        split (str): ``'train'`` or ``'test'``.
        size (tuple): Width and height in pixels.
        seed (int): Seed of the data set.
        difficulty (str | Difficulty): Preset name or knobs.
        index (int): Of the picture inside its split.

    Returns:
        list[dict]: See :func:`people_of_frame`.

    Raises:
        OSError: The file cannot be written.
    """
    scene = group_scene(size, seed, split, index, difficulty=difficulty)
    (picture, people), *_ = _frames(scene)
    good, data = cv2.imencode(
        '.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    if not good:
        raise OSError(f'{split}/{index + 1}: cannot be encoded')
    (out_dir / split / f'{index + 1:06d}.jpg').write_bytes(data.tobytes())
    return people


def _write_coco(
    out_dir: Path, split: str, image_size: tuple[int, int], found: Any
) -> None:
    width, height = image_size
    images, annotations = [], []
    for image_id, people in enumerate(found, 1):
        images.append(
            dict(
                id=image_id,
                file_name=f'{image_id:06d}.jpg',
                width=width,
                height=height,
            )
        )
        for person in people:
            x1, y1, x2, y2 = np.round(person['bbox'], 2).tolist()
            seen = int(person['keypoints_visible'].sum())
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=image_id,
                    category_id=CATEGORY['id'],
                    bbox=[x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)],
                    area=round((x2 - x1) * (y2 - y1), 2),
                    iscrowd=int(seen < MIN_VISIBLE),
                )
            )
    path = out_dir / 'annotations' / f'{split}.json'
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        json.dumps(
            dict(
                info=dict(description='synthetic people'),
                images=images,
                annotations=annotations,
                categories=[CATEGORY],
            )
        )
        + '\n'
    )
