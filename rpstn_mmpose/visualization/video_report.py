# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""One HTML page of a video, its poses, its tracks and their confidence.

Reads what :class:`~rpstn_mmpose.apis.VideoPoseInferencer` writes. The page
holds all that it shows and asks the network for nothing.
"""

from __future__ import annotations

import base64
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Sequence, Union
from urllib.parse import quote

import numpy as np

from ..structures import PeopleError, VideoPeople, read_people
from .confidence import Track, tracks_of
from .output_path import check_output_path, make_part
from .poses_3d import content_policy

_FILES = Path(__file__).with_name('video_report_page')

PAGE_ENDINGS = ('.html', '.htm')
# In base64 a third more, and browsers of the last years take 32 MB at least.
EMBED_LIMIT = 20.0
_MAX_RUNS = 12
_MAX_JOINTS = 3

FilePath = Union[str, os.PathLike]


def joint_titles(people: VideoPeople) -> list[str]:
    """Names of the joints, to be read."""
    return [name.replace('_', ' ') for name in people.joints]


@dataclass
class RelationPicture:
    """A figure of the relation of a person's joints.

    Attributes:
        png: The file's content.
        track_id: Whose.
        frame: In which.
        caption: One or two sentences.
    """

    png: bytes
    track_id: int
    frame: int
    caption: str


def find_predictions(folder: FilePath, name: str | None = None) -> Path:
    """The file of predictions in an output folder.

    Args:
        folder: That was given to the video demo.
        name: Of the video, without ending. None: there is only one.

    Returns:
        Path: Of the ``.json`` file.

    Raises:
        FileNotFoundError: No such folder, no such file.
        ValueError: Several files and no name.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(
            f'{folder}: no such folder; give the '
            '--out-dir of topdown_video_demo.py'
        )
    if name is not None:
        path = folder / f'{name}.json'
        if not path.is_file():
            raise FileNotFoundError(
                f'{path}: no such file; without --name '
                'the only .json file is taken'
            )
        return path
    paths = sorted(
        path for path in folder.glob('*.json') if not path.name.startswith('.')
    )
    if len(paths) > 1:
        names = ', '.join(path.stem for path in paths[:5])
        more = ', ...' if len(paths) > 5 else ''
        raise ValueError(
            f'{folder} has {len(paths)} .json files; choose one '
            f'with --name: {names}{more}'
        )
    if not paths:
        parts = sorted(folder.glob('.*.json.part'))
        hint = 'run topdown_video_demo.py with this --out-dir first'
        if parts:
            # The writer keeps it complete: the demo was killed.
            name = parts[0].name[1 : -len('.part')]
            hint = (
                f'the demo was killed, rename {parts[0].name} to {name} '
                'to see how far it came'
            )
        raise FileNotFoundError(f'{folder} has no .json file; {hint}')
    return paths[0]


def load_predictions(path: FilePath) -> VideoPeople:
    """Read what :class:`~rpstn_mmpose.apis.VideoPoseInferencer` wrote.

    Args:
        path: Of the ``.json`` file.

    Returns:
        VideoPeople: With scores, of a video whose name, size and rate are
        known and which has a record for every frame.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Torn, or of another shape.
    """
    try:
        people = read_people(path, required=('keypoint_scores',))
        _check_video(people)
    except PeopleError as problem:
        raise ValueError(
            f'{path} is not what topdown_video_demo.py writes: {problem}'
        ) from None
    return people


def _check_video(people: VideoPeople) -> None:
    """Refuse people whose video is not known.

    Raises:
        PeopleError: What is missing.
    """
    width, height = people.size or (None, None)
    for missing, problem in (
        (
            not people.name,
            '"meta_info" has no "video", or the video has no "name"',
        ),
        (people.fps is None, 'the "fps" of the video must be positive'),
        (
            width is None,
            'the "width" of the video must be a positive number, '
            'and so must its "height"',
        ),
        (not people.frames, 'it has no frames'),
    ):
        if missing:
            raise PeopleError(problem)
    for frame, number in zip(people.frames, range(people.num_frames)):
        # The video has a frame for every record.
        if frame != number:
            raise PeopleError(f'frame {number} has the "frame_id" {frame}')
    twice = people.twice()
    if twice:
        raise PeopleError(f'frame {twice[0]} has track_id {twice[1]} twice')


def frame_runs(frames: Sequence[int]) -> list[tuple[int, int]]:
    """Rising frame numbers as (first, last) of those without a gap."""
    runs: list[tuple[int, int]] = []
    for frame in map(int, frames):
        if runs and runs[-1][1] == frame - 1:
            runs[-1] = (runs[-1][0], frame)
        else:
            runs.append((frame, frame))
    return runs


def _run_text(first: int, last: int) -> str:
    return str(first) if first == last else f'{first}–{last}'


def _runs_text(runs: Sequence[tuple[int, int]]) -> str:
    text = ', '.join(_run_text(*run) for run in runs[:_MAX_RUNS])
    if len(runs) > _MAX_RUNS:
        text += f' and {len(runs) - _MAX_RUNS} more stretches'
    return text


def _track_row(
    track: Track, info: VideoPeople, fraction: float
) -> dict[str, Any]:
    """A row of the table of tracks."""
    bridged = int(np.isin(track.frames, info.damaged).sum())
    low = track.occluded(fraction)
    frames = track.frames[low.any(axis=1)]
    counts = low.sum(axis=0)
    most = sorted(np.flatnonzero(counts), key=lambda k: -counts[k])
    known = track.scores[np.isfinite(track.scores)]
    names = joint_titles(info)
    return dict(
        track_id=track.track_id,
        first=int(track.frames[0]),
        runs=_runs_text(frame_runs(track.frames)),
        seen=len(track.frames) - bridged,
        bridged=bridged,
        mean=f'{known.mean():.3f}' if known.size else '–',
        low=len(frames),
        low_runs=_runs_text(frame_runs(frames)),
        joints=', '.join(
            f'{names[k]} ({counts[k]})' for k in most[:_MAX_JOINTS]
        ),
    )


def _plain(values: np.ndarray) -> list:
    """Numbers for JSON, None for those that are not finite."""
    return [float(v) if math.isfinite(v) else None for v in values]


def _score_range(tracks: Mapping[int, Track]) -> tuple[float, float]:
    """Of all rows of the chart: 0 and all scores are in it."""
    known = [t.scores[np.isfinite(t.scores)] for t in tracks.values()]
    values = np.concatenate([np.zeros(1), *known])
    # Rounded outwards, so that the ends can be written.
    low = math.floor(values.min() * 100) / 100
    high = math.ceil(values.max() * 100) / 100
    return low, high if high > low else low + 1.0


def _chart_data(
    info: VideoPeople, people: Mapping[int, Track], fraction: float
) -> dict[str, Any]:
    """What the script draws."""
    tracks = []
    for track in people.values():
        low = track.occluded(fraction).any(axis=1)
        tracks.append(
            dict(
                id=track.track_id,
                runs=frame_runs(track.frames),
                limits=_plain(track.limits(fraction)),
                scores=[_plain(column) for column in track.scores.T],
                low=frame_runs(track.frames[low]),
            )
        )
    return dict(
        num_frames=info.num_frames,
        fps=info.fps,
        joints=joint_titles(info),
        damaged=frame_runs(info.damaged),
        score_range=_score_range(people),
        tracks=tracks,
    )


def data_uri(content: bytes, kind: str) -> str:
    """Put a file into an address.

    Args:
        content: Of the file.
        kind: Media type, e.g. ``'image/png'``.
    """
    return f'data:{kind};base64,{base64.b64encode(content).decode()}'


def video_source(
    video: FilePath, page: FilePath, limit: float = EMBED_LIMIT
) -> tuple[str, str]:
    """How a page gets at its video.

    Args:
        video: Path of the ``.mp4`` file.
        page: Path of the page.
        limit: Larger files than so many MB are linked, not embedded.

    Returns:
        tuple[str, str]: Address, empty where there is no video, and what
        the page has to say about it, empty where nothing.

    Raises:
        OSError: The file cannot be read.
    """
    video = Path(video)
    if not video.is_file():
        return '', (
            f'The video is missing: there was no {video.name} beside '
            'the predictions when this page was made.'
        )
    size = video.stat().st_size
    if not size:
        return '', f'The video is missing: {video.name} was empty.'
    if size <= limit * 1e6:
        return data_uri(video.read_bytes(), 'video/mp4'), ''
    path = os.path.relpath(video, Path(page).parent).replace(os.sep, '/')
    # Without the dot, "a:b.mp4" would be an address of a scheme "a".
    return './' + quote(os.fsencode(path)), (
        f'The video has {size / 1e6:.1f} MB, more than the {limit:g} MB that '
        f'are embedded, and is linked: keep {path} where it is, seen from '
        'this page.'
    )


def build_report(
    info: VideoPeople,
    video_src: str = '',
    video_note: str = '',
    fraction: float = 0.5,
    relation: RelationPicture | None = None,
    trajectories: bytes = b'',
    poses_3d: dict | None = None,
    times: Sequence[float] | None = None,
) -> str:
    """Make the page.

    Args:
        info: From :func:`load_predictions`.
        video_src: Address of the video, from :func:`video_source`.
        video_note: What to say about the video.
        fraction: A joint is taken for occluded where its confidence is below
            this fraction of its own median in the track; in (0, 1).
        relation: Figure of the relation of a person's joints. None: the
            page says how to get it.
        trajectories: Content of the ``.png`` file of the joints' paths.
        poses_3d: From :func:`~rpstn_mmpose.visualization.poses_3d.
            read_poses_3d`.
        times: Of the frames, seconds. None: the rate is even.

    Returns:
        str: HTML.

    Raises:
        ValueError: ``fraction`` is out of range.
    """
    if not 0 < fraction < 1:
        raise ValueError(
            f'build_report: fraction must lie in (0, 1), but got {fraction!r}'
        )
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page, style, script, view = (
        (_FILES / name).read_text(encoding='utf-8')
        for name in ('page.html', 'style.css', 'script.js', 'view_3d.js')
    )
    runs = frame_runs(info.damaged)
    tracks = tracks_of(info)
    return environment.from_string(page).render(
        policy=content_policy(script, view),
        style=Markup(style),
        script=Markup(script),
        view_3d=Markup(view),
        poses_3d=poses_3d,
        info=info,
        dataset=info.dataset,
        joints=info.joints,
        untracked=int((info.track_ids < 0).sum()),
        damaged=[(_run_text(*run), run[0]) for run in runs],
        rows=[_track_row(track, info, fraction) for track in tracks.values()],
        data=dict(_chart_data(info, tracks, fraction), times=times),
        fraction=fraction,
        video_src=video_src,
        video_note=video_note,
        relation=relation,
        relation_src=(data_uri(relation.png, 'image/png') if relation else ''),
        trajectories_src=(
            data_uri(trajectories, 'image/png') if trajectories else ''
        ),
    )


def write_report(page: str, path: FilePath) -> Path:
    """Write a page; an older one is replaced when the new one is complete.

    Args:
        page: HTML.
        path: Of the ``.html`` file; missing folders are made.

    Returns:
        Path: The path.

    Raises:
        ValueError: Another ending.
        OSError: The path cannot be written.
    """
    path = check_output_path(path, PAGE_ENDINGS)
    part = make_part(path)
    try:
        # "replace": file names that are no UTF-8 come with lone surrogates.
        part.write_text(page, encoding='utf-8', errors='replace')
        os.replace(part, path)
    finally:
        if part.exists():
            part.unlink()
    return path
