# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmengine.logging import print_log
from mmpose.structures import PoseDataSample, split_instances

from ..streams.stages import VideoFrame
from ..visualization import VideoWriter
from ..visualization.poses_3d import PeopleIn3D
from .people_drawing import draw_people
from .prediction_writer import PredictionWriter, to_plain
from .video_io import FrameSource

MAX_WARNINGS = 5


@dataclass
class VideoRun:
    """What happened in a run of :class:`VideoPoseInferencer`.

    Attributes:
        num_frames: Done so far.
        announced_frames: By the source, or None.
        num_damaged: Frames that were bridged.
        num_cuts: Where another shot begins.
        frames_with_people: Good frames with at least one person.
        cut_off: Whether the video ended before its announced end.
        fps: Frames a second of the video.
        vis_path: Of the annotated video, or empty.
        pred_path: Of the predictions, or empty.
    """

    num_frames: int = 0
    announced_frames: int | None = None
    num_damaged: int = 0
    num_cuts: int = 0
    frames_with_people: int = 0
    cut_off: bool = False
    fps: float = 0.0
    vis_path: str = ''
    pred_path: str = ''


class VideoOutput:
    """What comes of a run: pictures, the annotated video, the predictions.

    Files are begun with the first frame and are complete for the frames
    done, whatever ends the run.

    Args:
        run: Counts, and names the files.
        source: The video.
        metainfo: Of the joints.
        return_vis: Make pictures even if no video is written.
        return_datasamples: Give samples instead of lists of instances.
        draw_3d: Draw ``keypoints_3d`` at the right of the frame, as high.
        draw_bbox, thickness, kpt_thr: See
            :func:`~rpstn_mmpose.apis.draw_people`.

    Raises:
        ValueError: ``draw_3d`` of people without 3D poses.
    """

    def __init__(
        self,
        run: VideoRun,
        source: FrameSource,
        metainfo: dict,
        return_vis: bool = False,
        return_datasamples: bool = False,
        draw_3d: bool = False,
        draw_bbox: bool = True,
        thickness: int | None = None,
        kpt_thr: float = 0.3,
    ) -> None:
        self.run, self.source, self.metainfo = run, source, metainfo
        if draw_3d and 'keypoints_3d' not in metainfo:
            raise ValueError(
                'draw_3d is of 3D poses; give a lifter, or leave it out'
            )
        self._in_3d = PeopleIn3D(metainfo['keypoints_3d']) if draw_3d else None
        self.return_vis = return_vis
        self.return_datasamples = return_datasamples
        self.style = dict(
            draw_bbox=draw_bbox, thickness=thickness, kpt_thr=kpt_thr
        )
        self._video: VideoWriter | None = None
        self._record: PredictionWriter | None = None
        self._shot = 0

    def write(self, item: VideoFrame) -> dict:
        """Count, draw and write a frame.

        Returns:
            dict: What the inferencer yields.
        """
        run = self.run
        instances = to_instances(item.sample)
        cut, self._shot = item.shot > self._shot, item.shot
        run.num_cuts += cut
        if item.damaged:
            self._report(item)
        else:
            run.frames_with_people += len(instances) > 0
        picture = None
        if self.return_vis or run.vis_path:
            picture = draw_people(
                item.image,
                instances,
                self.metainfo,
                note='damaged frame' if item.damaged else '',
                **self.style,
            )
            if self._in_3d is not None:
                height, width = picture.shape[:2]
                size = (min(height, width), height)
                picture = np.hstack(
                    [picture, self._in_3d.draw(instances, size)]
                )
        if run.vis_path:
            if self._video is None:
                self._video = VideoWriter(run.vis_path, fps=self.source.fps)
            self._video.write(picture, item.time)
        if run.pred_path:
            if self._record is None:
                self._record = PredictionWriter(
                    run.pred_path, self._meta_info()
                )
            marks = dict(damaged=bool(item.damaged), cut=cut)
            self._record.write(
                item.index,
                instances,
                time=round(item.time, 6),
                **{name: True for name, value in marks.items() if value},
            )
        run.num_frames += 1
        return dict(
            predictions=[
                item.sample if self.return_datasamples else instances
            ],
            visualization=(
                [picture[..., ::-1].copy()] if self.return_vis else []
            ),
            frame_id=item.index,
            time=item.time,
            damaged=bool(item.damaged),
            cut=cut,
        )

    def close(self) -> None:
        """Give the files their names."""
        try:
            if self._video is not None:
                if self._video.num_frames:
                    self._video.close()
                else:
                    self._video.discard()
        finally:
            if self._record is not None:
                self._record.close()

    def _report(self, item: VideoFrame) -> None:
        self.run.num_damaged += 1
        if self.run.num_damaged > MAX_WARNINGS:
            return
        last = ''
        if self.run.num_damaged == MAX_WARNINGS:
            last = ' (further ones are only counted)'
        print_log(
            f'{item.path or self.source.name}: frame {item.index} '
            f'{item.damaged}; it shows the one before{last}',
            logger='current',
            level=logging.WARNING,
        )

    def _meta_info(self) -> dict[str, Any]:
        """Of the data set, as in MMPose's demos, and of the video."""
        video = dict(
            name=self.source.name,
            fps=self.run.fps,
            width=self.source.size[0],
            height=self.source.size[1],
            announced_frames=self.run.announced_frames,
            **self.source.details,
        )
        return to_plain(dict(self.metainfo, video=video))


def to_instances(sample: PoseDataSample) -> list[dict]:
    """MMPose's records of people, with ``track_id``."""
    people = sample.pred_instances
    instances = split_instances(people)
    for row, item in enumerate(instances):
        item['track_id'] = int(people.track_ids[row])
        item['bbox_score'] = float(item['bbox_score'])
        for name in (
            'keypoints_3d',
            'keypoint_sigmas',
            'keypoints_seen',
            'keypoints_hidden',
        ):
            if name in people:
                item[name] = people[name][row].tolist()
    return instances
