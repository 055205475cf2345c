# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import os.path as osp
from abc import abstractmethod
from typing import Any, Mapping, Sequence

import numpy as np

from ..clip_index import ClipIndex
from ..posetrack_detections import load_detections
from ..posetrack_pieces import person_pieces
from ..posetrack_video import PersonLabel, PoseTrackVideo
from ..tracks import Track
from ..windows import ConsecutiveFrames, FramesAround
from .base_clip_dataset import BaseClipDataset

# What was done about each irregularity of annotations or detections.
REMEDIES = {
    'boxes missing or empty': 'made from joints or neighbours',
    'joints not finite': 'unlabelled',
    'scores not from 0 to 1': 'taken for 1',
    'annotations without box and joints': 'left out',
    'tracks twice in a frame': 'a track of their own',
    'people without labelled joints': 'left out',
    'detections of unlabelled frames': 'left out',
    'detections of other images': 'left out',
    'detections of other classes': 'left out',
    'detections without area': 'left out',
    'detections below the threshold': 'left out',
}


class PeopleClipDataset(BaseClipDataset):
    """Base class of data sets of videos with several people.

    A subclass reads its label files in :meth:`load_videos`. A track is one
    person in one sequence. A frame is wanted where the person has labelled
    joints and the frame is marked as labelled; in test mode each such label
    is wanted exactly once. Other frames of the sequence are context in
    clips: their boxes are interpolated between the person's labelled frames.
    Where these are more than ``max_gap`` frames apart, the track is cut into
    pieces.

    Clips may begin before a person comes and end after they left: frames of
    the sequence fill such a clip, with the first or last box held, up to
    ``max_gap`` frames away; what is still missing, and what would lie
    outside the sequence, repeats the nearest frame. Consecutive windows
    begin at a person's first labelled frame, and only people who stay less
    than a window have frames added (behind, then before); with
    ``clip_offsets`` every clip is filled.

    ``bbox_file`` replaces the boxes by detections, in MMPose's format, which
    carry no tracks: each detection of a labelled frame is a clip of its own
    in which its box is held. With ``clip_offsets`` the clip lies around the
    frame; else the frame is its last, after the T - 1 before it (at every
    ``frame_interval``; ``clip_stride`` has no meaning there). Such samples
    have no ``track_id``, and their keypoints are not labelled.

    Args:
        bbox_file (str, optional): Detections, as in MMPose a path relative
            to the working folder, or an address. In test mode only.
        bbox_score_thr (float): Detections below it are left out.
        max_gap (int): Frames over which a box is interpolated or held.
        kwargs: See :class:`BaseClipDataset`.

    Raises:
        FileNotFoundError: The annotations or detections are not there.
        ValueError: A file that is not of the format, options that contradict
            each other, or nothing to be wanted.
    """

    REMEDIES: Mapping[str, str] = REMEDIES

    def __init__(
        self,
        data_root: str,
        split: str,
        bbox_file: str | None = None,
        bbox_score_thr: float = 0.0,
        max_gap: int = 12,
        test_mode: bool = False,
        **kwargs,
    ) -> None:
        name = self.__class__.__name__
        if bbox_file is not None and not test_mode:
            raise ValueError(
                f'{name}: bbox_file needs test_mode=True; '
                'training uses the annotated boxes'
            )
        if bbox_score_thr and bbox_file is None:
            raise ValueError(
                f'{name}: bbox_score_thr={bbox_score_thr} is of '
                'no use without bbox_file'
            )
        if max_gap < 1:
            raise ValueError(
                f'{name}: max_gap must be at least 1, but got {max_gap}'
            )
        # bbox_file is MMPose's own attribute, which BaseClipDataset leaves
        # empty.
        self.detection_file = bbox_file
        self.bbox_score_thr = bbox_score_thr
        self.max_gap = max_gap
        self.detections: np.ndarray | None = None
        super().__init__(
            data_root=data_root, split=split, test_mode=test_mode, **kwargs
        )

    @abstractmethod
    def load_videos(self) -> Sequence[PoseTrackVideo]:
        """Read the annotations of the split, in a reproducible order."""

    @property
    def joint_names(self) -> list[str]:
        """Names of the K joints, in order."""
        names = self._metainfo['keypoint_id2name']
        return [names[i] for i in sorted(names)]

    def _wanted(
        self, labels: Mapping[int, PersonLabel], labeled: np.ndarray
    ) -> np.ndarray:
        """Which of a piece's n rows count where their frame is labelled.

        Args:
            labels: Those of the piece, by row.
            labeled: (n, K) bool, joints that are labelled.

        Returns:
            np.ndarray: (n,) bool.
        """
        return labeled.any(axis=1)

    def _around(self) -> FramesAround:
        """The window of a clip that is of one frame, which may be its last."""
        window = self.window
        if isinstance(window, FramesAround):
            return window
        if isinstance(window, ConsecutiveFrames):
            steps = np.arange(1 - window.length, 1) * window.interval
            return FramesAround(steps.tolist())
        return FramesAround(range(-window.before, window.after + 1))

    def load_tracks(self) -> list[Track]:
        """The pieces of everybody's track.

        Returns:
            list[Track]: In order of sequences, people and time.
        """
        window = self.window
        tracks, people = [], 0
        videos = self.load_videos()
        self._scored = any(
            label.scores is not None
            for video in videos
            for labels in video.people.values()
            for label in labels
        )
        for video in videos:
            for (track_id, _), labels in sorted(
                video.people.items(), key=lambda item: item[0]
            ):
                pieces = person_pieces(
                    labels,
                    video.frame_ids,
                    self.max_gap,
                    window.before,
                    window.after,
                    window.span,
                )
                made = [self._track(video, track_id, p) for p in pieces]
                made = [track for track in made if track.annotated.any()]
                tracks += made
                people += bool(made)
                self.repairs['people without labelled joints'] += not made
        wanted = sum(int(track.annotated.sum()) for track in tracks)
        self.log_repairs(
            f'{self.split}: {len(videos)} sequences, {people} people in '
            f'{len(tracks)} tracks, {wanted} labelled poses',
            self.REMEDIES,
        )
        if not tracks:
            raise ValueError(
                f'{self.__class__.__name__}: nobody has labelled joints in '
                f'the split {self.split!r} of {self.data_root!r}; a split '
                'without annotations needs bbox_file'
            )
        return tracks

    def _track(
        self, video: PoseTrackVideo, track_id: int, piece: Any
    ) -> Track:
        num = len(piece.rows)
        joints = self._metainfo['num_keypoints']
        keypoints = np.zeros((num, joints, 2))
        visible = np.zeros((num, joints), dtype=bool)
        labeled = np.zeros((num, joints), dtype=bool)
        scores = np.ones((num, joints)) if self._scored else None
        for index, label in piece.labels.items():
            keypoints[index] = label.keypoints
            visible[index] = label.visible
            labeled[index] = label.labeled
            if label.scores is not None:
                scores[index] = label.scores
        return Track(
            annotated=video.labelled[piece.rows]
            & self._wanted(piece.labels, labeled),
            bbox=piece.bbox,
            keypoints=keypoints,
            keypoints_visible=visible,
            keypoints_labeled=labeled,
            keypoint_scores=scores,
            track_id=track_id,
            **self._frames(video, piece.rows),
        )

    def _frames(self, video: PoseTrackVideo, rows: np.ndarray) -> dict:
        folder = self.data_prefix['img']
        return dict(
            video_id=video.video_id,
            frame_ids=[video.frame_ids[row] for row in rows],
            image_ids=[video.image_ids[row] for row in rows],
            frame_sizes=video.sizes[rows],
            img_paths=[osp.join(folder, video.file_names[r]) for r in rows],
        )

    def load_data_list(self) -> ClipIndex:
        """Cut the tracks, or the frames around detections, into clips.

        Returns:
            ClipIndex: See :class:`BaseClipDataset`. The number of a
            detection's clip is its row of ``self.detections`` (x1 y1 x2 y2
            score).
        """
        if self.detection_file is None:
            return super().load_data_list()
        videos = self.load_videos()
        joints = self._metainfo['num_keypoints']
        self.tracks = self._stored(
            [
                Track(
                    bbox=np.zeros((len(video), 4)),
                    keypoints=np.zeros((len(video), joints, 2)),
                    keypoints_visible=np.zeros((len(video), joints)),
                    keypoints_labeled=np.zeros((len(video), joints)),
                    **self._frames(video, np.arange(len(video))),
                )
                for video in videos
            ]
        )
        self.detections, places = self._load_detections(videos)
        self.window = self._around()
        tracks, rows = np.array(places).T
        return ClipIndex(tracks, rows[:, None])

    def _load_detections(self, videos: Sequence[PoseTrackVideo]) -> tuple:
        """Boxes and scores (N, 5), and the video and row of each."""
        name, path = self.__class__.__name__, self.detection_file
        boxes, where, number, left_out = load_detections(
            path, videos, self.bbox_score_thr, self.backend_args, name
        )
        self.repairs.update(left_out)
        self.log_repairs(
            f'{self.split}: {len(videos)} sequences, {len(boxes)} of '
            f'{number} detections',
            self.REMEDIES,
        )
        if not boxes:
            raise ValueError(
                f'{name}: no detection of {path} is of a labelled frame of '
                f'the split {self.split!r}; check that both belong together'
            )
        return np.array(boxes, dtype=np.float32), where

    def get_data_info(self, idx: int) -> dict:
        """A clip, see :meth:`BaseClipDataset.get_data_info`."""
        info = super().get_data_info(idx)
        if self.detections is not None:
            num, box = len(info['bbox']), self.detections[info['id']]
            info['bbox'] = np.tile(box[:4], (num, 1))
            info['bbox_score'] = np.full(num, box[4], dtype=np.float32)
        return info
