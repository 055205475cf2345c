# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import numpy as np
from mmpose.registry import DATASETS

from ...structures import VideoPeople, joint_names
from ..label_fields import is_place
from ..tracks import Track
from .base_clip_dataset import BaseClipDataset


@DATASETS.register_module()
class VideoClipDataset(BaseClipDataset):
    """Clips of the people of one video, whose frames are image files.

    Each person is a video of its own, named ``VIDEO/TRACK_ID``. Where a
    person was away, the track is cut into pieces. Joints are looked up by
    name; the video may have more than the metainfo asks for.

    Args:
        video (VideoPeople): People with ids, boxes and ``img_paths``, of a
            video whose ``name`` and ``size`` are known. Joints are those of
            ``keypoints``; where nobody has any, none is labelled. Damaged
            frames stay in their clips, but no prediction of them is wanted.
        metainfo (dict): Names the joints; there is no default.
        kwargs: See :class:`BaseClipDataset`, but no ``data_root`` and no
            ``split``.

    Raises:
        ValueError: Nobody is in the video, a joint is missing, a person
            without an id or a box, or twice in a frame.
    """

    SPLITS = ('all',)

    def __init__(self, video: VideoPeople, metainfo: dict, **kwargs) -> None:
        self.video = video
        super().__init__(
            data_root='', split='all', metainfo=metainfo, **kwargs
        )

    def load_tracks(self) -> list[Track]:
        """Cut the people's frames where they were away.

        Returns:
            list[Track]: By ``track_id``, the pieces of a person in order of
            time.
        """
        self._check_people()
        points, visible, labeled = self._poses()
        ids, frames = self.video.track_ids, self.video.frame_ids
        tracks = []
        for track_id in np.unique(ids).tolist():
            rows = np.flatnonzero(ids == track_id)
            cuts = np.flatnonzero(np.diff(frames[rows]) > 1) + 1
            tracks += [
                Track(
                    video_id=video_id(self.video, track_id),
                    frame_ids=frames[piece],
                    img_paths=self.video.img_paths[piece].tolist(),
                    frame_sizes=np.tile(self.video.size, (len(piece), 1)),
                    bbox=self.video.bboxes[piece],
                    keypoints=points[piece],
                    keypoints_visible=visible[piece],
                    keypoints_labeled=labeled[piece],
                    annotated=~np.isin(
                        frames[piece], list(self.video.damaged)
                    ),
                    track_id=track_id,
                )
                for piece in np.split(rows, cuts)
            ]
        tracks = [track for track in tracks if track.annotated.any()]
        if not tracks:
            raise ValueError(f'{self.video.source}: no person in any frame')
        return tracks

    def _check_people(self) -> None:
        video = self.video
        boxes = video.bboxes
        bad = ~(
            is_place(boxes).all(axis=1)
            & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        )
        for rows, problem in (
            (video.track_ids < 0, ': a person has no track_id'),
            (
                bad,
                ', person {person}: bbox must be x1 y1 x2 y2 with x1 < x2 '
                'and y1 < y2, but got {box}',
            ),
        ):
            if rows.any():
                row = int(rows.argmax())
                problem = problem.format(
                    person=video.track_ids[row], box=boxes[row].tolist()
                )
                raise ValueError(
                    f'{video.source}, frame {video.frame_ids[row]}{problem}'
                )
        twice = video.twice()
        if twice:
            raise ValueError(
                f'{video.source}, frame {twice[0]}, person {twice[1]} is '
                'there twice; a track_id must be of one person'
            )

    def _poses(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Keypoints (n, K, 2), visible and labelled (n, K), of all rows."""
        video = self.video
        names = joint_names(self._metainfo)
        centres = (video.bboxes[:, None, :2] + video.bboxes[:, None, 2:]) / 2
        if video.joints is not None:
            missing = [name for name in names if name not in video.joints]
            if missing:
                raise ValueError(
                    f'{video.source} has no joint {", ".join(missing)}; it '
                    f'has {", ".join(video.joints)}'
                )
        if video.joints is None or video.keypoints is None:
            none = np.zeros((len(video), len(names)), bool)
            return np.repeat(centres, len(names), axis=1), none, none
        visible, labeled = video.flags()
        labeled = labeled & is_place(video.keypoints).all(axis=2)
        points = np.where(labeled[..., None], video.keypoints, centres)
        columns = [list(video.joints).index(name) for name in names]
        return (
            points[:, columns],
            (visible & labeled)[:, columns],
            labeled[:, columns],
        )


def video_id(video: VideoPeople, track_id: int) -> str:
    """Name of a person's video: a frame is wanted once in each."""
    return f'{video.name}/{track_id}'
