# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import os.path as osp
from typing import Any, Iterator

import numpy as np
from mmengine.dist import is_main_process
from mmpose.registry import DATASETS
from tqdm import tqdm

from ...structures.columns import Column
from ..clip_index import ClipIndex
from ..file_access import join_address, list_files, read_bytes
from ..posetrack_detections import load_detections
from ..posetrack_label import BOX_MARGIN, parse_posetrack
from ..posetrack_pieces import person_pieces
from ..posetrack_video import PoseTrackVideo
from ..tracks import Track
from ..windows import ConsecutiveFrames, FramesAround
from .base_clip_dataset import BaseClipDataset

# What was done about each irregularity of annotations or detections.
_REMEDY = {
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


def _counts(frame_pattern: str) -> bool:
    """Whether the pattern makes different names of different numbers."""
    try:
        return frame_pattern.format(1) != frame_pattern.format(2)
    except (IndexError, KeyError, ValueError):
        return False


@DATASETS.register_module()
class PoseTrackClipDataset(BaseClipDataset):
    """Clips of PoseTrack18: several people a video, some frames labelled.

    "PoseTrack: A Benchmark for Human Pose Estimation and Tracking", CVPR
    2018; 17 joints, of which 15 are annotated (no ears)::

        data_root
        |-- annotations/{train,val,test}/SEQUENCE.json   (one a sequence)
        |-- annotations/posetrack18_val.json             (or MMPose's merged)
        `-- images/{train,val,test}/SEQUENCE/NNNNNN.jpg

    A track is one person (``track_id``) in one sequence. A frame is wanted
    where the person has labelled joints and the image is marked
    ``is_labeled``; in test mode each such annotation is wanted exactly once.
    Other frames of the sequence are context in clips: their boxes are
    interpolated between the person's labelled frames. Where these are more
    than ``max_gap`` frames apart, the track is cut into pieces.

    Clips may begin before a person comes and end after they left: frames of
    the sequence fill such a clip, with the first or last box held, up to
    ``max_gap`` frames away; what is still missing, and what would lie
    outside the sequence, repeats the nearest frame. Consecutive windows
    begin at a person's first labelled frame, and only people who stay less
    than a window have frames added (behind, then before); with
    ``clip_offsets`` every clip is filled.

    Boxes are the annotations', clipped to the picture where its size is
    given; missing ones are made from the labelled joints. What is irregular
    is mended and logged by kind, ``repairs`` keeps the numbers.
    ``ignore_regions`` has the polygons by ``image_id``. Where labels have
    ``scores`` of joints, 0 to 1, as those that were carried over from other
    frames, samples have ``keypoint_scores``; other labels' are 1.

    ``bbox_file`` replaces the boxes by detections, in MMPose's format, which
    carry no tracks: each detection of a labelled frame is a clip of its own
    in which its box is held. With ``clip_offsets`` the clip lies around the
    frame; else the frame is its last, after the T - 1 before it (at every
    ``frame_interval``; ``clip_stride`` has no meaning there). Such samples
    have no ``track_id``, and their keypoints are not labelled.

    PoseTrack21 and 17 (in the JSON of 2018) need no other class: give
    ``data_prefix``, ``metainfo``, ``frame_pattern`` and ``first_frame``.

    Args:
        split (str): ``'train'``, ``'val'`` or ``'test'``, the folder below
            ``data_prefix['ann']``.
        ann_file (str, optional): One file of all sequences, relative to
            ``data_root`` or an address, in place of the folder, which has to
            be where folders can be listed.
        bbox_file (str, optional): Detections, as in MMPose a path relative
            to the working folder, or an address. In test mode only.
        bbox_score_thr (float): Detections below it are left out.
        max_gap (int): Frames over which a box is interpolated or held.
        box_margin (float): Of a box made from joints: part of their width
            and height that is added on every side. PoseTrack's own is 0.15.
        frame_pattern (str, optional): E.g. ``'{:06d}.jpg'``: frames up to
            ``nframes`` that the JSON does not list are context too, as far
            from listed ones as a clip can need them.
        first_frame (int): Number of a sequence's first frame, for
            ``frame_pattern`` (PoseTrack17: 1).
        kwargs: See :class:`BaseClipDataset`. ``data_prefix`` defaults to
            ``dict(img='', ann='annotations')``: file names in the JSON begin
            with ``images/``.

    Raises:
        FileNotFoundError: The annotations or detections are not there.
        ValueError: A file that is not of the format, options that contradict
            each other, or nothing to be wanted.
    """

    METAINFO: dict = dict(from_file='configs/_base_/datasets/posetrack18.py')
    SPLITS = ('train', 'val', 'test')
    DATA_PREFIX: dict = dict(img='', ann='annotations')
    COLUMNS = (Column('keypoint_scores', 'score', packed=False),)

    def __init__(
        self,
        data_root: str,
        split: str,
        ann_file: str | None = None,
        bbox_file: str | None = None,
        bbox_score_thr: float = 0.0,
        max_gap: int = 12,
        box_margin: float = BOX_MARGIN,
        frame_pattern: str | None = None,
        first_frame: int = 0,
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
        if box_margin < 0:
            raise ValueError(
                f'{name}: box_margin must not be negative, but '
                f'got {box_margin}'
            )
        if frame_pattern is not None and not _counts(frame_pattern):
            raise ValueError(
                f'{name}: frame_pattern must make file names of '
                "frame numbers, as '{:06d}.jpg' does, but got "
                f'{frame_pattern!r}'
            )
        # ann_file and bbox_file are MMPose's own attributes, which
        # BaseClipDataset leaves empty.
        self.merged_file = ann_file
        self.detection_file = bbox_file
        self.bbox_score_thr = bbox_score_thr
        self.max_gap = max_gap
        self.box_margin = box_margin
        self.frame_pattern = frame_pattern
        self.first_frame = first_frame
        self.detections: np.ndarray | None = None
        self.ignore_regions: dict[int, list[np.ndarray]] = {}
        super().__init__(
            data_root=data_root, split=split, test_mode=test_mode, **kwargs
        )

    def load_videos(self) -> list[PoseTrackVideo]:
        """Read the annotations of the split.

        Returns:
            list[PoseTrackVideo]: In order of the sequences' names.
        """
        names = self._metainfo['keypoint_id2name']
        videos: list[PoseTrackVideo] = []
        self.repairs.clear()
        self.ignore_regions.clear()
        for path, sequence in self._annotation_files():
            videos += parse_posetrack(
                self._read_annotations(path),
                path,
                joints=[names[i] for i in sorted(names)],
                video_id=sequence,
                box_margin=self.box_margin,
                frame_pattern=self.frame_pattern,
                first_frame=self.first_frame,
                reach=max(self.max_gap, *map(abs, self._around().offsets)),
            )
        owners: dict[int, str] = {}
        for video in videos:
            self.repairs.update(video.repairs)
            self.ignore_regions.update(video.ignore_regions)
            for number in video.image_ids:
                if (
                    number != -1
                    and owners.setdefault(number, video.video_id)
                    != video.video_id
                ):
                    raise ValueError(
                        f'{self.__class__.__name__}: images of '
                        f'{owners[number]} and of {video.video_id} have the '
                        f'id {number}; give each of them one of its own'
                    )
        return videos

    def _around(self) -> FramesAround:
        """The window of a clip that is of one frame, which may be its last."""
        window = self.window
        if isinstance(window, FramesAround):
            return window
        if isinstance(window, ConsecutiveFrames):
            steps = np.arange(1 - window.length, 1) * window.interval
            return FramesAround(steps.tolist())
        return FramesAround(range(-window.before, window.after + 1))

    def _read_annotations(self, path: str) -> bytes:
        try:
            return read_bytes(path, self.backend_args)
        except FileNotFoundError:
            raise FileNotFoundError(
                f'{self.__class__.__name__}: no ann_file {path!r}; give its '
                'path below data_root'
            ) from None

    def _annotation_files(self) -> Iterator[tuple[str, str | None]]:
        """Paths, and the name of a path's one sequence."""
        name = self.__class__.__name__
        if self.merged_file is not None:
            yield join_address(self.data_root, self.merged_file), None
            return
        folder = osp.join(self.data_prefix['ann'], self.split)
        files = list_files(folder, '.json', self.backend_args)
        if files is None:
            raise FileNotFoundError(
                f'{name}: no folder {folder!r}; it must hold one JSON file a '
                'sequence, or give ann_file'
            )
        if not files:
            raise ValueError(
                f'{name}: no .json file in {folder!r}; put the '
                "data set's annotations there"
            )
        # None: a bar on a terminal only, nothing in a log file.
        hidden = None if is_main_process() else True
        for file in tqdm(files, desc=f'{name} labels', disable=hidden):
            yield osp.join(folder, file), osp.splitext(file)[0]

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
            _REMEDY,
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
            annotated=video.labelled[piece.rows] & labeled.any(axis=1),
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

    def _load_detections(self, videos: list[PoseTrackVideo]) -> tuple:
        """Boxes and scores (N, 5), and the video and row of each."""
        name, path = self.__class__.__name__, self.detection_file
        boxes, where, number, left_out = load_detections(
            path, videos, self.bbox_score_thr, self.backend_args, name
        )
        self.repairs.update(left_out)
        self.log_repairs(
            f'{self.split}: {len(videos)} sequences, {len(boxes)} of '
            f'{number} detections',
            _REMEDY,
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
