# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A whole synthetic data set, in parallel."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Callable

import numpy as np

from .canvas import Canvas
from .config import GenerateConfig, check_positive
from .data_folder import make_once
from .difficulty import Difficulty, get_difficulty
from .in_processes import VideoJob, map_in_processes, video_jobs
from .jhmdb_writer import JHMDBVideoWriter, write_splits
from .lifting import trajectory_scene
from .penn_writer import PennVideoWriter
from .render import Figure
from .sampling import add_person_in_front, sample_scene
from .scene import OUTSIDE, REASONS, Scene
from .trajectories import (
    UnusableTrajectory,
    fingerprint,
    list_labels,
    load_trajectory,
)

# Goes up whenever the same settings would give other bytes.
GENERATOR_VERSION = 2


def generate_penn(
    out_dir: str | Path,
    num_train: int | None = None,
    num_test: int | None = None,
    num_frames: int | None = None,
    num_test_frames: int | None = None,
    image_size: tuple[int, int] = (192, 144),
    seed: int = 0,
    difficulty: str | Difficulty = 'default',
    trajectories: str | Path | None = None,
    max_frames: int | None = None,
    num_workers: int = 1,
    progress: bool = True,
    pictures: bool = True,
    occluder_people: float = 0.0,
    speed: int = 1,
) -> dict:
    """Write a data set in the format of Penn Action.

    The bytes depend on the settings only, not on ``num_workers``. A folder
    that already holds the same data set is left as it is; one that a run left
    unfinished is made again.

    Args:
        out_dir (str | Path): Empty, missing, or written by this function.
        num_workers (int): Processes, >= 1.
        progress (bool): Whether to show a progress bar.
        num_train, num_test, num_frames, num_test_frames, image_size, seed,
            difficulty, trajectories, max_frames, pictures, occluder_people,
            speed: See :class:`GenerateConfig`.

    Returns:
        dict: The manifest; ``existed`` tells whether it was there before.

    Raises:
        ValueError: A bad setting, or ``out_dir`` holds something else.
        FileNotFoundError: No label files in ``trajectories``.
        OSError: ``out_dir`` cannot be written.
    """
    return _generate(
        PENN,
        out_dir,
        num_workers,
        progress,
        num_train=num_train,
        num_test=num_test,
        num_frames=num_frames,
        num_test_frames=num_test_frames,
        max_frames=max_frames,
        image_size=image_size,
        seed=seed,
        difficulty=difficulty,
        trajectories=trajectories,
        pictures=pictures,
        occluder_people=occluder_people,
        speed=speed,
    )


def generate_jhmdb(
    out_dir: str | Path,
    num_workers: int = 1,
    progress: bool = True,
    **settings,
) -> dict:
    """Write a data set in the format of JHMDB.

    The videos are those that :func:`generate_penn` makes of the same
    settings. Every joint is annotated, hidden or not, and sides are the
    person's own. Split 1 is the settings' train and test videos; splits 2
    and 3 test on as many of the others, as far as there are so many.

    Args:
        out_dir (str | Path): Empty, missing, or written by this function.
        num_workers (int): Processes, >= 1.
        progress (bool): Whether to show a progress bar.
        **settings: See :class:`GenerateConfig`.

    Returns:
        dict: As of :func:`generate_penn`, which also lists the errors.
    """
    return _generate(JHMDB, out_dir, num_workers, progress, **settings)


def _generate(
    data_format: DataFormat,
    out_dir: str | Path,
    num_workers: int,
    progress: bool,
    trajectories: str | Path | None = None,
    **settings,
) -> dict:
    """What the public functions have in common."""
    config = GenerateConfig(
        trajectories=None if trajectories is None else str(trajectories),
        **settings,
    ).checked()
    check_positive(num_workers=num_workers)
    sources = (
        list_labels(Path(config.trajectories)) if config.trajectories else []
    )

    def make(root: Path) -> dict:
        if sources:
            jobs, skipped = _trajectory_jobs(config, sources)
        else:
            jobs = video_jobs(train=config.num_train, test=config.num_test)
            skipped = {}
        records = map_in_processes(
            partial(make_video, data_format, config, root),
            jobs,
            num_workers,
            what=f'synthetic {data_format.name}',
            unit='video',
            progress=progress,
        )
        if data_format.finish is not None:
            data_format.finish(root, records)
        return _summarize(records, skipped, data_format.version)

    return make_once(
        out_dir,
        _settings(data_format, config, sources),
        PENN.folders + JHMDB.folders,
        make,
    )


def _settings(
    data_format: DataFormat, config: GenerateConfig, sources: list[Path]
) -> dict:
    """What decides on the bytes."""
    settings = asdict(config)
    # Data sets that are older than these have no names for them.
    for name, unused in (('occluder_people', 0), ('speed', 1)):
        if settings[name] == unused:
            del settings[name]
    # The first format has no name there: its data sets are older than names.
    if data_format is not PENN:
        settings['format'] = data_format.name
    settings['trajectories'] = fingerprint(sources) if sources else None
    settings['generator_version'] = data_format.version
    return settings


def _trajectory_jobs(
    config: GenerateConfig, sources: list[Path]
) -> tuple[list[VideoJob], dict[str, int]]:
    """Usable label files, spread over all actions, and the reasons for the
    rest.
    """
    wanted = {'train': config.num_train, 'test': config.num_test}
    jobs: list[VideoJob] = []
    taken, skipped = Counter(), Counter()
    order = np.random.default_rng(config.seed).permutation(len(sources))
    for index in order:
        if all(w is not None and taken[s] >= w for s, w in wanted.items()):
            break
        path = sources[index]
        try:
            trajectory = load_trajectory(path, max(config.image_size))
        except UnusableTrajectory as error:
            skipped[error.kind] += 1
            continue
        split = 'train' if trajectory.train else 'test'
        if wanted[split] is not None and taken[split] >= wanted[split]:
            continue
        taken[split] += 1
        number = trajectory.number
        jobs.append(VideoJob(number, split, number, str(path)))
    if not jobs:
        raise ValueError(
            f'trajectories: none of {len(sources)} label files is usable '
            f'({dict(skipped)})'
        )
    return sorted(jobs, key=lambda job: job.number), dict(skipped)


def make_video(
    data_format: DataFormat,
    config: GenerateConfig,
    out_dir: Path,
    job: VideoJob,
) -> dict:
    """Render and write one video.

    Args:
        data_format (DataFormat): How it is written.
        config (GenerateConfig): Checked settings.
        out_dir (Path): Root of the data set.
        job (VideoJob): Which video.

    Returns:
        dict: Facts for the manifest.
    """
    key = (config.seed, job.split, job.index)
    difficulty = get_difficulty(config.difficulty)
    if job.source is None:
        scene, (target,) = sample_scene(
            num_frames=config.frames_of(job.split),
            image_size=config.image_size,
            seed=config.seed,
            split=job.split,
            video=job.index,
            difficulty=replace(
                difficulty, motion_speed=difficulty.motion_speed * config.speed
            ),
        )
    else:
        trajectory = load_trajectory(Path(job.source), max(config.image_size))
        trajectory = replace(
            trajectory,
            joints=trajectory.joints[:: config.speed],
            seen=trajectory.seen[:: config.speed],
        )
        scene = trajectory_scene(
            trajectory, key, difficulty, config.max_frames or 0
        )
        target = 0
    if config.occluder_people:
        add_person_in_front(
            scene, target, key, difficulty, config.occluder_people
        )
    actor = scene.actors[target]
    name, counts = data_format.write_video(
        out_dir, job, scene, target, config.pictures
    )
    return dict(
        video=name,
        split=job.split,
        num_frames=scene.num_frames,
        size=list(scene.size),
        action=actor.action,
        pose=actor.pose,
        identities=[a.identity_id for a in scene.actors],
        motions=[a.motion_id for a in scene.actors],
        background=scene.backdrop_id,
        joints=dict(zip(REASONS, counts.tolist())),
    )


def _write_penn(
    out_dir: Path, job: VideoJob, scene: Scene, target: int, pictures: bool
) -> tuple[str, np.ndarray]:
    """Write a video for Penn Action; its name, and joints by REASONS."""
    actor = scene.actors[target]
    writer = PennVideoWriter(
        out_dir, job.number, job.split == 'train', actor.action, actor.pose
    )
    counts = np.zeros(len(REASONS), int)
    for picture, truths in scene.frames(draw=pictures):
        truth = truths[target]
        writer.add(
            picture,
            truth['keypoints'],
            truth['visible'],
            truth['hidden_by'] != OUTSIDE,
            truth['hidden_by'],
        )
        counts += np.bincount(truth['hidden_by'], minlength=len(REASONS))
    writer.close(scene.size)
    return writer.name, counts


def _write_jhmdb(
    out_dir: Path, job: VideoJob, scene: Scene, target: int, pictures: bool
) -> tuple[str, np.ndarray]:
    """Write a video for JHMDB; its name, and joints by REASONS."""
    actor = scene.actors[target]
    writer = JHMDBVideoWriter(out_dir, job.number, actor.action)
    figure = Figure(actor.track, actor.body, actor.appearance)
    counts = np.zeros(len(REASONS), int)
    frames = scene.frames(draw=pictures)
    for frame, (picture, truths) in enumerate(frames):
        truth = truths[target]
        # A puppet's mask is whole where somebody or something hides it.
        alone = Canvas(scene.size)
        figure.draw(alone, frame, 1)
        writer.add(picture, truth['points'], alone.owner > 0)
        counts += np.bincount(truth['hidden_by'], minlength=len(REASONS))
    writer.close(scene.size)
    return writer.name, counts


@dataclass(frozen=True)
class DataFormat:
    """A data set's format.

    Attributes:
        name (str): For people and for the manifest.
        folders (tuple): What the format writes below the root.
        write_video (callable): Writes one scene.
        finish (callable, optional): Called with the root and the videos'
            facts when all of them are written.
        version (int): See ``GENERATOR_VERSION``.
    """

    name: str
    folders: tuple[str, ...]
    write_video: Callable[..., tuple[str, np.ndarray]]
    finish: Callable[[Path, list[dict]], None] | None = None
    version: int = GENERATOR_VERSION


PENN = DataFormat('Penn Action', ('frames', 'labels'), _write_penn)
JHMDB = DataFormat(
    'JHMDB',
    ('Rename_Images', 'joint_positions', 'puppet_mask', 'sub_splits'),
    _write_jhmdb,
    write_splits,
    version=1,
)


def _summarize(
    records: list[dict], skipped: dict[str, int], version: int
) -> dict:
    joints = Counter()
    for record in records:
        joints.update(record['joints'])
    inside = sum(joints.values()) - joints['outside']
    videos = Counter(record['split'] for record in records)
    return dict(
        generator_version=version,
        num_videos=dict(train=videos['train'], test=videos['test']),
        num_frames=sum(record['num_frames'] for record in records),
        joints=dict(joints),
        occlusion_rate=round(joints['occluder'] / max(inside, 1), 4),
        invisible_rate=round(1 - joints['visible'] / max(inside, 1), 4),
        skipped=skipped,
        videos=records,
    )
