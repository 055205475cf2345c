# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A whole synthetic PoseTrack18 data set, in parallel."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from .config import check_positive
from .data_folder import make_once
from .in_processes import VideoJob, map_in_processes, video_jobs
from .posetrack_config import PoseTrackConfig
from .posetrack_writer import (
    PoseTrackVideoWriter,
    head_box,
    outline,
    posetrack_joints,
    write_annotations,
)
from .sampling import compose, sample_actor
from .scene import MOMENTS, NUM_JOINTS, Scene
from .seeding import open_stream

# Goes up whenever the same settings would give other bytes.
POSETRACK_GENERATOR_VERSION = 1
POSETRACK_MANIFEST = 'synthetic_posetrack_manifest.json'
# The seeding's name of each split.
_SPLITS = {'train': 'train', 'val': 'test'}
# Parts of the camera's stream that no actor uses.
_CROWD, DETECTOR = 102, 103


def generate_posetrack(
    out_dir: str | Path,
    num_workers: int = 1,
    progress: bool = True,
    **settings,
) -> dict:
    """Write a data set in the format of PoseTrack18.

    Beside one annotation file a sequence there are MMPose's
    ``annotations/posetrack18_{train,val}.json``, which hold all sequences,
    and ``posetrack18_val_human_detections.json``, made-up detections of the
    people in labelled frames (jittered, some missing, some false).

    The bytes depend on the settings only, not on ``num_workers``. A folder
    that already holds the same data set is left as it is; one that a run left
    unfinished is made again.

    Args:
        out_dir (str | Path): Empty, missing, or written by this function.
        num_workers (int): Processes, >= 1.
        progress (bool): Whether to show a progress bar.
        **settings: See :class:`PoseTrackConfig`.

    Returns:
        dict: The manifest; ``existed`` tells whether it was there before.

    Raises:
        ValueError: A bad setting, or ``out_dir`` holds something else.
        OSError: ``out_dir`` cannot be written.
    """
    config = PoseTrackConfig(**settings).checked()
    check_positive(num_workers=num_workers)

    def make(root: Path) -> dict:
        records = map_in_processes(
            partial(make_sequence, config, root),
            video_jobs(train=config.num_train, val=config.num_val),
            num_workers,
            what='synthetic PoseTrack18',
            unit='sequence',
            progress=progress,
            chunk=2,
        )
        _merge(root, records)
        return _summarize(records)

    return make_once(
        out_dir,
        dict(asdict(config), generator_version=POSETRACK_GENERATOR_VERSION),
        ('annotations', 'images'),
        make,
        POSETRACK_MANIFEST,
    )


def sample_crowd(
    key: tuple[int, str, int], num_frames: int, config: PoseTrackConfig
) -> tuple[Scene, list[int | None]]:
    """Draw a scene of several people.

    Args:
        key (tuple): Seed, split and video, see :func:`seeding.stream`.
        num_frames (int): Length.
        config (PoseTrackConfig): Checked settings.

    Returns:
        tuple: Scene, and the track id of each of its actors; None for who is
        not labelled.
    """
    rng, _ = open_stream(*key, 'camera', _CROWD)
    count = int(rng.integers(config.people[0], config.people[1] + 1))
    ids: list[int | None] = list(range(count))
    if rng.uniform() < config.ignored:
        ids.append(None)
    places = rng.permutation((np.arange(len(ids)) + 0.5) / len(ids))
    actors = []
    for part, center in enumerate(places):
        crossing = 0.0
        if part and rng.uniform() < config.walkers:
            # At the picture's edge in the middle of the video; widths a
            # frame, a walk.
            center = float(rng.integers(0, 2))
            way = float(rng.choice([-1, 1]) * rng.uniform(0.02, 0.04))
            crossing = way * (num_frames - 1)
        actors.append(
            sample_actor(
                key,
                part,
                num_frames,
                config.image_size,
                config.difficulty,
                center=float(center),
                crossing=crossing,
            )
        )
    # Who is not labelled stands behind the others.
    order = sorted(range(len(ids)), key=lambda part: ids[part] is not None)
    actors, ids = [actors[i] for i in order], [ids[i] for i in order]
    labelled = [a for a, number in zip(actors, ids) if number is not None]
    targets = np.concatenate(
        [
            actor.track.points[:, len(MOMENTS) // 2, :NUM_JOINTS, :2]
            for actor in labelled
        ],
        axis=1,
    )
    stature = float(np.mean([a.track.stature.mean() for a in labelled]))
    scene = compose(
        key, actors, config.image_size, config.difficulty, targets, stature
    )
    return scene, ids


def make_sequence(
    config: PoseTrackConfig, out_dir: Path, job: VideoJob
) -> dict:
    """Render and write one sequence.

    Args:
        config (PoseTrackConfig): Checked settings.
        out_dir (Path): Root of the data set.
        job (VideoJob): Which sequence.

    Returns:
        dict: Facts for the manifest, and ``detections``.
    """
    key = (config.seed, _SPLITS[job.split], job.index)
    scene, ids = sample_crowd(key, config.frames_of(job.split), config)
    writer = PoseTrackVideoWriter(
        out_dir, job.number, job.split, scene.size, scene.num_frames
    )
    rng, _ = open_stream(*key, 'camera', DETECTOR)
    detections: list[dict] = []
    for frame, (picture, truths) in enumerate(scene.frames(config.pictures)):
        people, ignored = [], []
        for actor, number, truth in zip(scene.actors, ids, truths):
            if number is None:
                polygon = outline(truth['mask'])
                ignored += [] if polygon is None else [polygon]
                continue
            joints, seen = posetrack_joints(actor, frame, truth)
            people.append(
                dict(
                    track_id=number,
                    joints=joints,
                    seen=seen,
                    head_box=head_box(truth),
                )
            )
        labelled = frame % config.label_every == 0
        number = writer.add(picture, labelled, people, ignored)
        if labelled:
            detections += detect_people(rng, number, truths, scene.size)
    writer.close()
    tracks = Counter(a['track_id'] for a in writer.annotations)
    return dict(
        sequence=writer.name,
        split=job.split,
        num_frames=scene.num_frames,
        poses=len(writer.annotations),
        labelled_frames={str(k): tracks[k] for k in sorted(tracks)},
        identities=[a.identity_id for a in scene.actors],
        background=scene.backdrop_id,
        detections=detections,
    )


def detect_people(
    rng: np.random.Generator,
    number: int,
    truths: list[dict],
    size: tuple[int, int],
) -> list[dict]:
    """Boxes as a detector might find them in one frame."""
    found = []
    for truth in truths:
        rows, columns = np.nonzero(truth['mask'])
        # Drawn first, so that each frame takes its share of the stream.
        jitter, luck = rng.normal(0, 0.03, 4), float(rng.uniform())
        if len(rows) < 20 or luck < 0.03:
            continue
        box = np.array(
            [columns.min(), rows.min(), columns.max(), rows.max()], float
        )
        box += jitter * np.tile(box[2:] - box[:2] + 1, 2)
        found.append((box, 0.6 + 0.4 * luck))
    if rng.uniform() < 0.1:
        corner = rng.uniform(0, 0.7, 2) * size
        sides = rng.uniform(0.1, 0.3, 2) * size
        found.append(
            (np.concatenate([corner, corner + sides]), rng.uniform(0.05, 0.5))
        )
    detections = []
    for box, score in found:
        low, high = box[:2], np.maximum(box[2:], box[:2] + 2)
        detections.append(
            dict(
                bbox=np.round([*low, *(high - low)], 2).tolist(),
                category_id=1,
                image_id=number,
                score=round(float(score), 4),
            )
        )
    return detections


def _merge(out_dir: Path, records: list[dict]) -> None:
    """Write the files of all sequences together."""
    folder = out_dir / 'annotations'
    for split in _SPLITS:
        images, annotations, detections = [], [], []
        for record in records:
            if record['split'] != split:
                continue
            detections += record.pop('detections')
            path = folder / split / f'{record["sequence"]}.json'
            content = json.loads(path.read_text())
            images += content['images']
            annotations += content['annotations']
        write_annotations(
            folder / f'posetrack18_{split}.json', images, annotations
        )
        if split == 'val':
            path = folder / 'posetrack18_val_human_detections.json'
            path.write_text(json.dumps(detections) + '\n')


def _summarize(records: list[dict]) -> dict:
    splits = Counter(record['split'] for record in records)
    return dict(
        num_sequences=dict(train=splits['train'], val=splits['val']),
        num_frames=sum(record['num_frames'] for record in records),
        num_poses=sum(record['poses'] for record in records),
        sequences=records,
    )
