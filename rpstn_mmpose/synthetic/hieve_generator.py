# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A whole synthetic HiEve data set, in parallel."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from ..datasets.hieve_video import HIEVE_VIDEOS, hieve_image_id
from .config import check_positive
from .data_folder import make_once
from .hieve_config import HiEveConfig
from .hieve_writer import (
    HiEveVideoWriter,
    has_pose,
    hieve_action,
    hieve_joints,
)
from .in_processes import VideoJob, map_in_processes, video_jobs
from .penn_writer import joint_boxes
from .posetrack_generator import DETECTOR, detect_people, sample_crowd
from .posetrack_writer import outline
from .scene import OUTSIDE
from .seeding import open_stream

# Goes up whenever the same settings would give other bytes.
HIEVE_GENERATOR_VERSION = 1
HIEVE_MANIFEST = 'synthetic_hieve_manifest.json'
# Nobody would label a box that is narrower, pixels.
MIN_SIDE = 2.0
# HiEve's name of each split.
_SPLITS = dict(train='train15', val='val4', test='test')


def generate_hieve(
    out_dir: str | Path,
    num_workers: int = 1,
    progress: bool = True,
    **settings,
) -> dict:
    """Write a data set in the formats of HiEve.

    The same people are in all three kinds of labels; joints that are hidden
    are labelled and not visible, people who are small or nearly hidden have
    boxes alone. The videos of the test split have no labels. Beside them,
    ``detections/val4.json`` and ``detections/test.json`` hold made-up
    detections (jittered, some missing, some false).

    The bytes depend on the settings only, not on ``num_workers``. A folder
    that already holds the same data set is left as it is; one that a run left
    unfinished is made again.

    Args:
        out_dir (str | Path): Empty, missing, or written by this function.
        num_workers (int): Processes, >= 1.
        progress (bool): Whether to show a progress bar.
        **settings: See :class:`HiEveConfig`.

    Returns:
        dict: The manifest; ``existed`` tells whether it was there before.

    Raises:
        ValueError: A bad setting, or ``out_dir`` holds something else.
        OSError: ``out_dir`` cannot be written.
    """
    config = HiEveConfig(**settings).checked()
    check_positive(num_workers=num_workers)

    def make(root: Path) -> dict:
        records = map_in_processes(
            partial(make_video, config, root),
            video_jobs(
                train=config.num_train,
                val=config.num_val,
                test=config.num_test,
            ),
            num_workers,
            what='synthetic HiEve',
            unit='video',
            progress=progress,
            chunk=1,
        )
        folder = root / 'detections'
        folder.mkdir()
        for split in ('val', 'test'):
            found = [r['detections'] for r in records if r['split'] == split]
            path = folder / f'{_SPLITS[split]}.json'
            path.write_text(json.dumps(sum(found, [])) + '\n')
        for record in records:
            del record['detections']
        splits = Counter(record['split'] for record in records)
        return dict(
            num_videos={split: splits[split] for split in _SPLITS},
            num_frames=sum(record['num_frames'] for record in records),
            # Those that are in labels.
            num_poses=sum(r['poses'] for r in records if r['split'] != 'test'),
            videos=records,
        )

    return make_once(
        out_dir,
        dict(asdict(config), generator_version=HIEVE_GENERATOR_VERSION),
        ('images', 'labels', 'detections'),
        make,
        HIEVE_MANIFEST,
    )


def _box(truth: dict, size: tuple[int, int]) -> np.ndarray | None:
    """Box x1 y1 x2 y2 of somebody; None: hardly a limb is in the picture."""
    inside = truth['hidden_by'] != OUTSIDE
    box = joint_boxes(truth['keypoints'][None], inside[None], *size)[0]
    large = (box[2:] - box[:2]).min() >= MIN_SIDE
    return box if inside.any() and large else None


def make_video(config: HiEveConfig, out_dir: Path, job: VideoJob) -> dict:
    """Render and write one video.

    Args:
        config (HiEveConfig): Checked settings.
        out_dir (Path): Root of the data set.
        job (VideoJob): Which video.

    Returns:
        dict: Facts for the manifest, and ``detections``.
    """
    number = HIEVE_VIDEOS[_SPLITS[job.split]][job.index]
    training = job.split == 'train'
    key = (config.seed, 'train' if training else 'test', number)
    scene, ids = sample_crowd(
        key, config.frames_of('train' if training else 'val'), config
    )
    writer = HiEveVideoWriter(
        out_dir, number, scene.size, labelled=job.split != 'test'
    )
    rng, _ = open_stream(*key, 'camera', DETECTOR)
    detections: list[dict] = []
    poses: Counter[int] = Counter()
    for frame, (picture, truths) in enumerate(scene.frames(config.pictures)):
        people, ignored = [], []
        for part, (actor, truth) in enumerate(zip(scene.actors, truths)):
            bbox = _box(truth, scene.size)
            if bbox is None:
                continue
            track_id = len(ids) if ids[part] is None else ids[part]
            person = dict(track_id=track_id, bbox=bbox)
            if ids[part] is None:
                polygon = outline(truth['mask'])
                if polygon is not None:
                    ignored.append(dict(person, polygon=polygon))
                continue
            joints, there, seen = hieve_joints(actor, frame, truth)
            person.update(joints=joints, labelled=there, seen=seen)
            person['action'] = (
                hieve_action(actor)
                if frame % config.label_every == 0
                else None
            )
            poses[person['track_id']] += has_pose(person)
            people.append(person)
        writer.add(picture, people, ignored)
        detections += detect_people(
            rng, hieve_image_id(number, frame), truths, scene.size
        )
    writer.close()
    return dict(
        video=number,
        split=job.split,
        num_frames=scene.num_frames,
        poses=sum(poses.values()),
        posed_frames={str(k): poses[k] for k in sorted(poses)},
        actions=sorted({hieve_action(actor) for actor in scene.actors}),
        identities=[actor.identity_id for actor in scene.actors],
        background=scene.backdrop_id,
        detections=detections,
    )
