# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy as np
import torch
from mmpose.registry import DATASETS

from ...structures.columns import Column
from ..cameras import Camera, cameras_from_json, h36m_cameras, humaneva_cameras
from ..clip_index import ClipIndex
from ..file_access import join_address, read_bytes
from ..mocap_files import load_mocap
from ..tracks import Track
from .base_sequence_dataset import BaseSequenceDataset


class MocapDataset(BaseSequenceDataset):
    """Base class of data sets of 2D keypoints and 3D poses over time.

    A track is a take as one camera sees it. Samples are clips of frames, cut
    as ``window`` says: windows around each frame, or whole takes.

    Args:
        data_root (str): Folder of the files.
        split (str): One of the class's ``SPLITS``.
        keypoints_file (str): 2D keypoints in VideoPose3D's form, under
            ``data_root``. Defaults to the class's ``KEYPOINTS_FILE``.
        poses_file (str): 3D poses, likewise. Defaults to the class's
            ``POSES_FILE``.
        score_file (str, optional): Scores of the 2D keypoints, a pickle.
            Defaults to ``None``, all are 1.
        camera_file (str, optional): JSON file of cameras in place of those
            of the data set, see
            :func:`~rpstn_mmpose.datasets.cameras.cameras_from_json`.
            Defaults to ``None``.
        subjects (Sequence[str], optional): Defaults to ``None``: those of
            the split.
        actions (Sequence[str]): Those used. Defaults to (), all.
        mirrored (bool): Whether each clip comes a second time with left and
            right exchanged, in pictures, poses and cameras. Defaults to
            ``False``.
        drawn_frames (int): Frames that are drawn from the clip's take at each
            fetch, each at most once where the take has so many. Defaults to
            0.
        kwargs: See :class:`BaseSequenceDataset`.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Files that do not go together; one line.
    """

    KEYPOINTS_FILE = ''
    POSES_FILE = ''
    SUBJECTS: Dict[str, Tuple[str, ...]] = {}
    LEFT_OUT: Tuple[str, ...] = ()
    COLUMNS = (
        Column('keypoints_3d', 'points_3d'),
        Column('lens', 'value', of_track=True),
        Column('picture', 'value', of_track=True),
        Column('action', 'path', of_track=True),
    )

    def __init__(
        self,
        data_root: str,
        split: str,
        keypoints_file: str | None = None,
        poses_file: str | None = None,
        score_file: str | None = None,
        camera_file: str | None = None,
        subjects: Sequence[str] | None = None,
        actions: Sequence[str] = (),
        mirrored: bool = False,
        drawn_frames: int = 0,
        **kwargs: Any,
    ) -> None:
        self.files = dict(
            keypoints_file=keypoints_file or self.KEYPOINTS_FILE,
            poses_file=poses_file or self.POSES_FILE,
            score_file=score_file,
            camera_file=camera_file,
        )
        self.subjects = subjects
        self.actions = actions
        self.mirrored = mirrored
        self.drawn_frames = drawn_frames
        super().__init__(data_root=data_root, split=split, **kwargs)

    @staticmethod
    def default_cameras() -> Mapping[str, Sequence[Camera]]:
        """Cameras by subject, where no file tells them."""
        raise NotImplementedError

    def load_tracks(self) -> List[Track]:
        """See the base class."""
        paths = {
            name: file and join_address(self.data_root, file)
            for name, file in self.files.items()
        }
        camera_file = paths.pop('camera_file')
        if camera_file is None:
            cameras = self.default_cameras()
        else:
            cameras = cameras_from_json(
                read_bytes(camera_file, self.backend_args), camera_file
            )
        subjects = self.subjects or self.SUBJECTS[self.split]
        return [
            Track(
                sequence.name,
                frame_ids=np.arange(len(sequence.poses)),
                keypoints=sequence.keypoints,
                keypoints_visible=sequence.scores,
                keypoints_3d=sequence.poses,
                lens=sequence.camera.lens(),
                picture=sequence.camera.size,
                action=sequence.action,
            )
            for sequence in load_mocap(
                cameras=cameras,
                subjects=subjects,
                actions=self.actions,
                num_joints=self.metainfo['num_keypoints'],
                **paths,
            )
            if sequence.name.rpartition('/')[0] not in self.LEFT_OUT
        ]

    def load_data_list(self) -> ClipIndex:
        """Clips, and behind them the mirrored ones."""
        index = super().load_data_list()
        self._unmirrored = len(index)
        if not self.mirrored:
            return index
        _, tracks, places = index.arrays
        return ClipIndex(np.tile(tracks, 2), np.tile(places, (2, 1)))

    def get_data_info(self, idx: int) -> dict:
        """A clip; with ``drawn`` frames of its take, where some are drawn.

        Args:
            idx (int): Index of the clip.

        Returns:
            dict: See the base class; ``img_shape`` (height, width);
            ``keypoints_3d`` T x K x 3, metres in the camera's axes; ``lens``
            (9,), see :meth:`~rpstn_mmpose.datasets.cameras.Camera.lens`;
            ``drawn``, a dict of ``keypoints`` F x K x 2 and ``keypoints_3d``
            F x K x 3.
        """
        info = super().get_data_info(idx)
        track = self.data_list[info['sample_idx']]['track']
        width, height = info.pop('picture').tolist()
        info['img_shape'] = (int(height), int(width))
        if self.drawn_frames:
            rows = draw(self.tracks.num_frames(track), self.drawn_frames)
            clip = self.tracks.clip(track, rows)
            info['drawn'] = {
                key: clip[key] for key in ('keypoints', 'keypoints_3d')
            }
        info['flip'] = self.mirrored and info['id'] >= self._unmirrored
        if info['flip']:
            mirror(info)
        return info


def draw(num_frames: int, count: int) -> np.ndarray:
    """Numbers of frames drawn at random, each at most once if possible.

    The draw is torch's, whose seed differs from worker to worker and from
    epoch to epoch and follows from the runner's.

    Args:
        num_frames: Frames of the take, at least 1.
        count: Frames drawn.

    Returns:
        np.ndarray: (count,) int.
    """
    if num_frames < count:
        return torch.randint(num_frames, (count,)).numpy()
    return torch.randperm(num_frames)[:count].numpy()


def mirror(info: dict) -> None:
    """Exchange left and right of a clip and of what its camera sees.

    Args:
        info (dict): From :meth:`MocapDataset.get_data_info`; changed.
    """
    pairs, width = info['flip_indices'], info['img_shape'][1]
    for part in (info, info.get('drawn')):
        if part is None:
            continue
        points = part['keypoints'][:, pairs]
        points[..., 0] = width - points[..., 0]
        poses = part['keypoints_3d'][:, pairs]
        poses[..., 0] *= -1
        part.update(keypoints=points, keypoints_3d=poses)
    info['keypoints_visible'] = info['keypoints_visible'][:, pairs]
    info['lens'][[2, 7]] *= -1  # x of the centre, and p1


@DATASETS.register_module()
class H36MSequenceDataset(MocapDataset):
    """Human3.6M from VideoPose3D's files, for lifters.

    Subjects 1, 5, 6, 7, 8 for training, 9 and 11 for the test, 15 actions
    twice each and four cameras, 50 frames a second. `Human3.6M
    <http://vision.imar.ro/human3.6m>`_ is licensed; VideoPose3D's
    ``prepare_data_h36m.py`` makes the files.

    Args:
        data_root (str): Folder of the files.
        split (str): ``'train'`` or ``'test'``.
        keypoints_file (str): Defaults to those of the cascaded pyramid
            network, fine-tuned on Human3.6M. True ones are in
            ``data_2d_h36m_gt.npz``.
        kwargs: See :class:`MocapDataset`.
    """

    METAINFO = dict(from_file='configs/_base_/datasets/h36m.py')
    KEYPOINTS_FILE = 'data_2d_h36m_cpn_ft_h36m_dbb.npz'
    POSES_FILE = 'data_3d_h36m.npz'
    SUBJECTS = dict(train=('S1', 'S5', 'S6', 'S7', 'S8'), test=('S9', 'S11'))
    # Its 3D poses are corrupt.
    LEFT_OUT = ('S11/Directions',)
    default_cameras = staticmethod(h36m_cameras)


@DATASETS.register_module()
class HumanEvaSequenceDataset(MocapDataset):
    """HumanEva-I from VideoPose3D's files, for lifters.

    Three subjects, of whom some takes are for training and others for the
    validation; 15 joints, three cameras, 60 frames a second.

    Args:
        data_root (str): Folder of the files.
        split (str): ``'train'`` or ``'validate'``.
        kwargs: See :class:`MocapDataset`.
    """

    METAINFO = dict(from_file='configs/_base_/datasets/humaneva15.py')
    SPLITS = ('train', 'validate')
    KEYPOINTS_FILE = 'data_2d_humaneva15_gt.npz'
    POSES_FILE = 'data_3d_humaneva15.npz'
    SUBJECTS = dict(
        train=('Train/S1', 'Train/S2', 'Train/S3'),
        validate=('Validate/S1', 'Validate/S2', 'Validate/S3'),
    )
    default_cameras = staticmethod(humaneva_cameras)
