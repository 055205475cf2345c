# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""One HTML page of a video, its poses, its tracks and their confidence.

Reads what :class:`~rpstn_mmpose.apis.VideoPoseInferencer` writes. The page
holds all that it shows and asks the network for nothing.
"""
from __future__ import annotations

import base64
import hashlib
import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union
from urllib.parse import quote

import numpy as np

from .output_path import check_output_path, make_part
from .video_report_template import PAGE, SCRIPT, STYLE

PAGE_ENDINGS = ('.html', '.htm')
# In base64 a third more, and browsers of the last years take 32 MB at least.
EMBED_LIMIT = 20.0
_MAX_RUNS = 12
_MAX_JOINTS = 3

FilePath = Union[str, os.PathLike]


@dataclass
class Track:
    """One person over n frames.

    Attributes:
        track_id: At least 0.
        frames: (n,) int, rising; those whose record has the person, with the
            damaged ones, which repeat the frame before.
        scores: (n, K), to 4 decimals; NaN in damaged frames and where the
            predictions have none.
        bboxes: (n, 4), x1 y1 x2 y2, pixels; NaN where there is none.
    """
    track_id: int
    frames: np.ndarray
    scores: np.ndarray
    bboxes: np.ndarray

    def medians(self) -> np.ndarray:
        """(K,), of each joint's scores; NaN for a joint without any."""
        result = np.full(self.scores.shape[1], np.nan)
        for joint, column in enumerate(self.scores.T):
            if np.isfinite(column).any():
                result[joint] = np.median(column[np.isfinite(column)])
        return result

    def limits(self, fraction: float) -> np.ndarray:
        """Below which a joint is taken for occluded.

        Args:
            fraction: Of the joint's median.

        Returns:
            np.ndarray: (K,); NaN where the median is not positive, which
            leaves nothing to be a fraction of.
        """
        medians = self.medians()
        limits = np.full_like(medians, np.nan)
        good = np.isfinite(medians) & (medians > 0)
        limits[good] = np.round(fraction * medians[good], 6)
        return limits

    def occluded(self, fraction: float) -> np.ndarray:
        """(n, K) bool, the estimate; see :meth:`limits`."""
        with np.errstate(invalid='ignore'):
            return self.scores < self.limits(fraction)


@dataclass
class VideoPredictions:
    """What a file of predictions says.

    Attributes:
        name: Of the video.
        fps: Frames a second.
        width: Pixels.
        height: Pixels.
        num_frames: Of the records.
        announced_frames: By the video, or None.
        dataset: Whose joints these are, or empty.
        joints: K names.
        damaged: Frames, rising.
        tracks: By id, those with the most frames first.
        untracked: Poses without a track id.
    """
    name: str
    fps: float
    width: int
    height: int
    num_frames: int
    announced_frames: Optional[int]
    dataset: str
    joints: List[str]
    damaged: List[int] = field(default_factory=list)
    tracks: Dict[int, Track] = field(default_factory=dict)
    untracked: int = 0


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


def find_predictions(folder: FilePath, name: Optional[str] = None) -> Path:
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
        raise FileNotFoundError(f'{folder}: no such folder; give the '
                                '--out-dir of topdown_video_demo.py')
    if name is not None:
        path = folder / f'{name}.json'
        if not path.is_file():
            raise FileNotFoundError(f'{path}: no such file; without --name '
                                    'the only .json file is taken')
        return path
    paths = sorted(path for path in folder.glob('*.json')
                   if not path.name.startswith('.'))
    if len(paths) > 1:
        names = ', '.join(path.stem for path in paths[:5])
        more = ', ...' if len(paths) > 5 else ''
        raise ValueError(f'{folder} has {len(paths)} .json files; choose one '
                         f'with --name: {names}{more}')
    if not paths:
        parts = sorted(folder.glob('.*.json.part'))
        hint = 'run topdown_video_demo.py with this --out-dir first'
        if parts:
            # The writer keeps it complete: the demo was killed.
            name = parts[0].name[1:-len('.part')]
            hint = (f'the demo was killed, rename {parts[0].name} to {name} '
                    'to see how far it came')
        raise FileNotFoundError(f'{folder} has no .json file; {hint}')
    return paths[0]


def load_predictions(path: FilePath) -> VideoPredictions:
    """Read a file of predictions.

    Args:
        path: Of the ``.json`` file.

    Returns:
        VideoPredictions: What it says.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Torn, or of another shape.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file of predictions')
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{path} is not JSON, or is torn ({error}); run '
                         'topdown_video_demo.py again') from None
    try:
        return _parse(content)
    except _OtherShape as problem:
        raise ValueError(f'{path} is not what topdown_video_demo.py writes: '
                         f'{problem}') from None


class _OtherShape(ValueError):
    """What is wrong with a file's content."""


def _expect(condition: bool, problem: str) -> None:
    if not condition:
        raise _OtherShape(problem)


def _is_number(value: Any, whole: bool = False) -> bool:
    kinds = (int, ) if whole else (int, float)
    # Whole numbers up to here are exact in the page's script too.
    return (isinstance(value, kinds) and not isinstance(value, bool)
            and abs(value) < 2**53)


def _parse(content: Any) -> VideoPredictions:
    _expect(isinstance(content, Mapping), 'it is no object')
    meta, records = content.get('meta_info'), content.get('instance_info')
    _expect(isinstance(meta, Mapping), 'it has no "meta_info" object')
    _expect(isinstance(records, list), 'it has no "instance_info" list')
    result = _parse_meta(meta)
    _expect(bool(records), 'it has no frames')
    rows: Dict[int, List[tuple]] = {}
    for record in records:
        _expect(isinstance(record, Mapping), 'a frame is no object')
        frame = record.get('frame_id')
        # The video has a frame for every record.
        _expect(_is_number(frame, whole=True) and frame == result.num_frames,
                f'frame {result.num_frames} has the "frame_id" {frame!r}')
        result.num_frames += 1
        damaged = record.get('damaged', False)
        _expect(isinstance(damaged, bool), f'frame {frame}: "damaged" must '
                f'be true or false, but is {damaged!r}')
        if damaged:
            result.damaged.append(frame)
        instances = record.get('instances')
        _expect(isinstance(instances, list),
                f'frame {frame} has no "instances" list')
        for item in instances:
            person, scores, box = _parse_instance(item, frame,
                                                  len(result.joints))
            if person < 0:
                result.untracked += 1
                continue
            entries = rows.setdefault(person, [])
            _expect(not entries or entries[-1][0] != frame,
                    f'frame {frame} has track_id {person} twice')
            if damaged:
                scores = np.full_like(scores, np.nan)
            entries.append((frame, scores, box))
    for person in sorted(rows, key=lambda key: (-len(rows[key]), key)):
        frames, scores, boxes = zip(*rows[person])
        result.tracks[person] = Track(person, np.array(frames),
                                      np.stack(scores), np.stack(boxes))
    return result


def _parse_meta(meta: Mapping) -> VideoPredictions:
    names = meta.get('keypoint_id2name')
    problem = '"meta_info" has no "keypoint_id2name" of joint names'
    _expect(isinstance(names, Mapping) and bool(names), problem)
    joints = [names.get(str(k)) for k in range(len(names))]
    _expect(all(isinstance(name, str) for name in joints), problem)
    video = meta.get('video')
    _expect(isinstance(video, Mapping), '"meta_info" has no "video"')
    _expect(isinstance(video.get('name'), str), 'the video has no "name"')
    fps = video.get('fps')
    _expect(_is_number(fps) and fps > 0, 'the "fps" of the video must be '
            f'positive, but is {fps!r}')
    for key in ('width', 'height'):
        _expect(_is_number(video.get(key), whole=True) and video[key] > 0,
                f'the "{key}" of the video must be a positive number, but '
                f'is {video.get(key)!r}')
    announced = video.get('announced_frames')
    dataset = meta.get('dataset_name')
    return VideoPredictions(
        name=video['name'],
        fps=float(fps),
        width=video['width'],
        height=video['height'],
        num_frames=0,
        announced_frames=announced if _is_number(announced, True) else None,
        dataset=dataset if isinstance(dataset, str) else '',
        joints=[name.replace('_', ' ') for name in joints])


def _parse_instance(item: Any, frame: int,
                    joints: int) -> Tuple[int, np.ndarray, np.ndarray]:
    """Track id (-1: none), scores (K,), box (4,)."""
    _expect(isinstance(item, Mapping), f'frame {frame}: a person is no '
            'object')
    person = item.get('track_id', -1)
    _expect(_is_number(person, whole=True), f'frame {frame}: track_id must '
            f'be a whole number, but is {person!r}')
    scores = item.get('keypoint_scores')
    _expect(
        isinstance(scores, list) and len(scores) == joints
        and all(v is None or _is_number(v) for v in scores),
        f'frame {frame}: "keypoint_scores" must be {joints} numbers')
    box = item.get('bbox')
    # A list in a list, by a comma too much in MMPose.
    if isinstance(box, list) and len(box) == 1:
        box = box[0]
    if not (isinstance(box, list) and len(box) >= 4
            and all(_is_number(v) for v in box[:4])):
        box = [np.nan] * 4
    values = np.array([np.nan if v is None else v for v in scores], float)
    return max(-1, person), np.round(values, 4), np.array(box[:4], float)


def frame_runs(frames: Sequence[int]) -> List[Tuple[int, int]]:
    """Rising frame numbers as (first, last) of those without a gap."""
    runs: List[Tuple[int, int]] = []
    for frame in map(int, frames):
        if runs and runs[-1][1] == frame - 1:
            runs[-1] = (runs[-1][0], frame)
        else:
            runs.append((frame, frame))
    return runs


def _run_text(first: int, last: int) -> str:
    return str(first) if first == last else f'{first}–{last}'


def _runs_text(runs: Sequence[Tuple[int, int]]) -> str:
    text = ', '.join(_run_text(*run) for run in runs[:_MAX_RUNS])
    if len(runs) > _MAX_RUNS:
        text += f' and {len(runs) - _MAX_RUNS} more stretches'
    return text


def _track_row(track: Track, info: VideoPredictions,
               fraction: float) -> Dict[str, Any]:
    """A row of the table of tracks."""
    bridged = int(np.isin(track.frames, info.damaged).sum())
    low = track.occluded(fraction)
    frames = track.frames[low.any(axis=1)]
    counts = low.sum(axis=0)
    most = sorted(np.flatnonzero(counts), key=lambda k: -counts[k])
    known = track.scores[np.isfinite(track.scores)]
    return dict(
        track_id=track.track_id,
        first=int(track.frames[0]),
        runs=_runs_text(frame_runs(track.frames)),
        seen=len(track.frames) - bridged,
        bridged=bridged,
        mean=f'{known.mean():.3f}' if known.size else '–',
        low=len(frames),
        low_runs=_runs_text(frame_runs(frames)),
        joints=', '.join(f'{info.joints[k]} ({counts[k]})'
                         for k in most[:_MAX_JOINTS]))


def _plain(values: np.ndarray) -> list:
    """Numbers for JSON, None for those that are not finite."""
    return [float(v) if math.isfinite(v) else None for v in values]


def _score_range(tracks: Mapping[int, Track]) -> Tuple[float, float]:
    """Of all rows of the chart: 0 and all scores are in it."""
    known = [t.scores[np.isfinite(t.scores)] for t in tracks.values()]
    values = np.concatenate([np.zeros(1), *known])
    # Rounded outwards, so that the ends can be written.
    low = math.floor(values.min() * 100) / 100
    high = math.ceil(values.max() * 100) / 100
    return low, high if high > low else low + 1.0


def _chart_data(info: VideoPredictions, fraction: float) -> Dict[str, Any]:
    """What the script draws."""
    tracks = []
    for track in info.tracks.values():
        low = track.occluded(fraction).any(axis=1)
        tracks.append(
            dict(
                id=track.track_id,
                runs=frame_runs(track.frames),
                limits=_plain(track.limits(fraction)),
                scores=[_plain(column) for column in track.scores.T],
                low=frame_runs(track.frames[low])))
    return dict(
        num_frames=info.num_frames,
        fps=info.fps,
        joints=info.joints,
        damaged=frame_runs(info.damaged),
        score_range=_score_range(info.tracks),
        tracks=tracks)


def data_uri(content: bytes, kind: str) -> str:
    """Put a file into an address.

    Args:
        content: Of the file.
        kind: Media type, e.g. ``'image/png'``.
    """
    return f'data:{kind};base64,{base64.b64encode(content).decode()}'


def video_source(video: FilePath,
                 page: FilePath,
                 limit: float = EMBED_LIMIT) -> Tuple[str, str]:
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
        return '', (f'The video is missing: there was no {video.name} beside '
                    'the predictions when this page was made.')
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
        'this page.')


def build_report(info: VideoPredictions,
                 video_src: str = '',
                 video_note: str = '',
                 fraction: float = 0.5,
                 relation: Optional[RelationPicture] = None,
                 trajectories: bytes = b'') -> str:
    """Make the page.

    Args:
        info: The predictions.
        video_src: Address of the video, from :func:`video_source`.
        video_note: What to say about the video.
        fraction: A joint is taken for occluded where its confidence is below
            this fraction of its own median in the track; in (0, 1).
        relation: Figure of the relation of a person's joints. None: the
            page says how to get it.
        trajectories: Content of the ``.png`` file of the joints' paths.

    Returns:
        str: HTML.

    Raises:
        ValueError: ``fraction`` is out of range.
    """
    if not 0 < fraction < 1:
        raise ValueError('build_report: fraction must lie in (0, 1), but got '
                         f'{fraction!r}')
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True)
    # Only this script runs, whatever a name should smuggle in, and nothing
    # is fetched but a video beside the page.
    digest = hashlib.sha256(SCRIPT.encode()).digest()
    policy = ("default-src 'none'; style-src 'unsafe-inline'; "
              f"script-src 'sha256-{base64.b64encode(digest).decode()}'; "
              "img-src data:; media-src data: 'self' file:")
    runs = frame_runs(info.damaged)
    return environment.from_string(PAGE).render(
        policy=policy,
        style=Markup(STYLE),
        script=Markup(SCRIPT),
        info=info,
        dataset=info.dataset,
        joints=info.joints,
        untracked=info.untracked,
        damaged=[(_run_text(*run), run[0]) for run in runs],
        rows=[_track_row(track, info, fraction)
              for track in info.tracks.values()],
        data=_chart_data(info, fraction),
        fraction=fraction,
        video_src=video_src,
        video_note=video_note,
        relation=relation,
        relation_src=(data_uri(relation.png, 'image/png')
                      if relation else ''),
        trajectories_src=(data_uri(trajectories, 'image/png')
                          if trajectories else ''))


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
