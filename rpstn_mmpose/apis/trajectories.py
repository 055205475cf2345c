# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The paths of the joints over time, a row of plots for each person."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Mapping

import numpy as np

from ..visualization.output_path import check_output_path, make_part


@dataclass
class _Path:
    """A person's joints, at every n-th frame.

    Attributes:
        frames: Of the entries.
        times: Of the entries, seconds; None where they are not known.
        points: Each (K, 3): x, y, score.
        count: Frames in which the person was seen.
    """

    frames: list[int] = field(default_factory=list)
    times: list[float | None] = field(default_factory=list)
    points: list[np.ndarray] = field(default_factory=list)
    count: int = 0


class TrajectoryRecorder:
    """Collects and plots the joints' paths in bounded memory.

    Long videos are thinned out: when a person has more than ``max_points``
    entries, only every second frame is kept of everybody. When there are
    more than twice ``max_people``, those who were seen least go.

    Args:
        meta: A data set's metainfo, with ``keypoint_id2name`` and
            ``keypoint_colors``.
        max_points: Of a person, at least 2.
        max_people: Who are plotted; those who were seen most often.
    """

    def __init__(
        self, meta: Mapping, max_points: int = 600, max_people: int = 8
    ) -> None:
        if max_points < 2 or max_people < 1:
            raise ValueError(
                f'{self.__class__.__name__}: max_points must be at least 2 '
                f'and max_people at least 1, but got {max_points} and '
                f'{max_people}'
            )
        self.meta = meta
        self.max_points = max_points
        self.max_people = max_people
        self.step = 1
        self.num_people = 0
        self.paths: dict[int, _Path] = {}

    def add(
        self, frame_id: int, instances: list[dict], time: float | None = None
    ) -> None:
        """Take a frame's instances; those without ``track_id`` are left out.

        Args:
            frame_id: From 0, rising.
            instances: With ``keypoints``, ``keypoint_scores``, ``track_id``.
            time: Seconds. None: the frame's number over the plot's ``fps``.
        """
        for item in instances:
            person = item.get('track_id', -1)
            if person < 0:
                continue
            if person not in self.paths:
                self.num_people += 1
            path = self.paths.setdefault(person, _Path())
            path.count += 1
            if frame_id % self.step:
                continue
            path.frames.append(frame_id)
            path.times.append(time)
            path.points.append(
                np.float32(
                    np.column_stack(
                        [item['keypoints'], item['keypoint_scores']]
                    )
                )
            )
            if len(path.frames) > self.max_points:
                self._thin_out()
        if len(self.paths) > 2 * self.max_people:
            now = {item.get('track_id', -1) for item in instances}
            gone = [key for key in self.paths if key not in now]
            for key in sorted(gone, key=lambda key: self.paths[key].count):
                if len(self.paths) <= 2 * self.max_people:
                    break
                del self.paths[key]

    def _thin_out(self) -> None:
        self.step *= 2
        for path in self.paths.values():
            kept = [
                row
                for row, frame in enumerate(path.frames)
                if frame % self.step == 0
            ]
            path.frames = [path.frames[row] for row in kept]
            path.times = [path.times[row] for row in kept]
            path.points = [path.points[row] for row in kept]

    def plot(
        self, path: str | os.PathLike, fps: float, kpt_thr: float = 0.3
    ) -> None:
        """Write the picture.

        Args:
            path: Of the ``.png`` file.
            fps: Frames a second, for the axis of time.
            kpt_thr: Lower scores are left out.

        Raises:
            ValueError: Nobody was seen.
            OSError: The path cannot be written.
        """
        path = check_output_path(path, ('.png',))
        people = sorted(
            (key for key, item in self.paths.items() if item.frames),
            key=lambda key: -self.paths[key].count,
        )[: self.max_people]
        if not people:
            raise ValueError('no tracked person to plot the joints of')
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(
            figsize=(12, 2.3 * len(people) + 1.1), layout='constrained'
        )
        FigureCanvasAgg(figure)
        axes = figure.subplots(len(people), 2, sharex=True, squeeze=False)
        for row, key in zip(axes, sorted(people)):
            self._plot_person(row, self.paths[key], key, float(fps), kpt_thr)
        for axis, title in zip(axes[0], ('x, pixels', 'y, pixels (down)')):
            axis.set_title(title, fontsize=10)
        for axis in axes[-1]:
            axis.set_xlabel('seconds')
        lines, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(
            lines,
            labels,
            loc='outside lower center',
            ncols=7,
            fontsize=8,
            frameon=False,
        )
        if self.num_people > len(people):
            figure.suptitle(
                f'{len(people)} of {self.num_people} people, those seen '
                'longest',
                fontsize=10,
            )
        # The folder was checked, and savefig leaves half a file on a full
        # disk.
        part = make_part(path)
        figure.savefig(part, dpi=110, format='png')
        os.replace(part, path)

    def _plot_person(
        self,
        axes: np.ndarray,
        path: _Path,
        person: int,
        fps: float,
        kpt_thr: float,
    ) -> None:
        frames = np.array(path.frames)
        points = np.stack(path.points)
        points[points[..., 2] < kpt_thr] = np.nan
        # A line must not run across the time that the person was away.
        gaps = np.flatnonzero(np.diff(frames) > self.step) + 1
        seconds = [
            frame / fps if time is None else time
            for frame, time in zip(path.frames, path.times)
        ]
        seconds = np.insert(seconds, gaps, np.nan)
        points = np.insert(points, gaps, np.nan, axis=0)
        names = self.meta['keypoint_id2name']
        for k, color in enumerate(self.meta['keypoint_colors']):
            # The joints of a side share their colour.
            repeats = self._repeats(k)
            style = ('-', '--', ':', '-.')[repeats % 4]
            shade = 0.6 ** (repeats // 4)
            for axis, values in zip(axes, points[:, k].T):
                axis.plot(
                    seconds,
                    values,
                    style,
                    color=shade * np.array(color) / 255,
                    linewidth=1.1,
                    label=names[k],
                )
        axes[0].set_ylabel(f'person {person}')
        axes[1].invert_yaxis()
        for axis in axes:
            axis.grid(alpha=0.3)

    def _repeats(self, joint: int) -> int:
        colors = [tuple(color) for color in self.meta['keypoint_colors']]
        return colors[:joint].count(colors[joint])
