# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from abc import abstractmethod
from typing import Any, Mapping, Sequence

import numpy as np
import torch
from mmengine.registry import FUNCTIONS
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
        as_batches (bool): Whether a data loader gets all clips of a batch at
            once, as a few arrays, in a fifteenth of the time. Its
            ``collate_fn`` is ``take_batch`` then, the window ``FramesAround``
            and the pipeline ``PackLifterInputs`` alone. Defaults to
            ``False``.
        drawn_frames (int): With ``as_batches``: frames that are drawn from
            the take of each clip at each fetch, each at most once where the
            take has so many. Defaults to 0.
        kwargs: See :class:`BaseSequenceDataset`.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Files that do not go together; one line.
    """

    KEYPOINTS_FILE = ''
    POSES_FILE = ''
    SUBJECTS: dict[str, tuple[str, ...]] = {}
    LEFT_OUT: tuple[str, ...] = ()
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
        as_batches: bool = False,
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
        self.as_batches = as_batches
        self.drawn_frames = drawn_frames
        super().__init__(data_root=data_root, split=split, **kwargs)
        name = type(self).__name__
        if drawn_frames and not as_batches:
            raise ValueError(
                f'{name}: drawn_frames needs as_batches=True and the '
                "collate_fn 'take_batch'"
            )
        steps = self.pipeline.transforms
        if as_batches and not (
            self.clip_offsets
            and len(steps) == 1
            and hasattr(steps[0], 'batch')
        ):
            raise ValueError(
                f'{name}: as_batches needs the window FramesAround and the '
                'pipeline PackLifterInputs alone'
            )

    @staticmethod
    @abstractmethod
    def default_cameras() -> Mapping[str, Sequence[Camera]]:
        """Cameras by subject, where no file tells them."""

    def load_tracks(self) -> list[Track]:
        """See the base class."""
        paths: Any = {
            name: file and join_address(self.data_root, file)
            for name, file in self.files.items()
        }
        camera_file = paths['camera_file']
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

    def full_init(self) -> None:
        """See :class:`mmengine.dataset.BaseDataset`."""
        super().full_init()
        frames = [self.tracks.num_frames(i) for i in range(len(self.tracks))]
        self._num_frames = np.array(frames)
        self._begin = np.cumsum([0, *frames])[:-1]

    def get_data_info(self, idx: int) -> dict:
        """A clip.

        Args:
            idx (int): Index of the clip.

        Returns:
            dict: See the base class; ``img_shape`` (height, width);
            ``keypoints_3d`` T x K x 3, metres in the camera's axes; ``lens``
            (9,), see :meth:`~rpstn_mmpose.datasets.cameras.Camera.lens`.
        """
        info = super().get_data_info(idx)
        info['flip'] = bool(info['id'] >= self._unmirrored)
        if info['flip']:
            mirror(info, info['flip_indices'])
        width, height = info.pop('picture').tolist()
        info['img_shape'] = (int(height), int(width))
        return info

    def __getitems__(self, indices: Sequence[int]) -> Any:
        """What a data loader asks for: the samples, or one batch of them."""
        if not self._fully_initialized:
            self.full_init()
        if not self.as_batches:
            return [self[i] for i in indices]
        ids, tracks, places = (
            array[np.asarray(indices)] for array in self.data_list.arrays
        )
        lengths = self._num_frames[tracks]
        rows = places[:, :1] + np.array(self.clip_offsets)
        info = self._clips(tracks, rows.clip(0, lengths[:, None] - 1))
        info['lens'] = self.tracks.column('lens')[tracks]
        info['picture'] = self.tracks.column('picture')[tracks]
        if self.drawn_frames:
            rows = draw(lengths, self.drawn_frames)
            info['drawn'] = self._clips(tracks, rows)
        other = ids >= self._unmirrored
        if other.any():
            part = _pick(info, other)
            mirror(part, self.metainfo['flip_indices'])
            _put(info, other, part)
        return self.pipeline.transforms[0].batch(info)

    def _clips(self, tracks: np.ndarray, rows: np.ndarray) -> dict:
        index = self._begin[tracks][:, None] + rows
        return {
            key: self.tracks.column(key)[index]
            for key in ('keypoints', 'keypoints_visible', 'keypoints_3d')
        }


@FUNCTIONS.register_module()
def take_batch(data_batch: Any) -> Any:
    """Give on what a data set with ``as_batches`` has made.

    Raises:
        TypeError: Single samples, of another data set or of torch before 2.0.
    """
    if not isinstance(data_batch, dict):
        raise TypeError(
            'take_batch is for data sets with as_batches=True, and for torch '
            "from 2.0 on; for others leave out collate_fn='take_batch'"
        )
    return data_batch


def _pick(info: dict, which: np.ndarray) -> dict:
    return {
        key: _pick(value, which) if isinstance(value, dict) else value[which]
        for key, value in info.items()
    }


def _put(info: dict, which: np.ndarray, part: dict) -> None:
    for key, value in part.items():
        if isinstance(value, dict):
            _put(info[key], which, value)
        else:
            info[key][which] = value


def draw(lengths: np.ndarray, count: int) -> np.ndarray:
    """Numbers of frames drawn at random, each at most once if possible.

    The seed is torch's draw, which differs from worker to worker and from
    epoch to epoch and follows from the runner's.

    Args:
        lengths: (B,) frames of the takes, at least 1.
        count: Frames drawn of each.

    Returns:
        np.ndarray: (B, count) int.
    """
    rng = np.random.default_rng(int(torch.randint(2**62, ())))
    return np.stack(
        [rng.choice(n, count, replace=bool(n < count)) for n in lengths]
    )


def mirror(info: dict, pairs: Sequence[int]) -> None:
    """Exchange left and right of clips and of what their cameras see.

    Args:
        info (dict): ``keypoints`` (..., T, K, 2), ``keypoints_visible``,
            ``keypoints_3d``; ``lens`` (..., 9) and ``picture`` (..., 2);
            ``drawn``, a dict of the first three, where it is there. Changed.
        pairs (Sequence[int]): What each joint changes places with.
    """
    width = np.asarray(info['picture'])[..., :1, None]
    for part in (info, info.get('drawn')):
        if part is None:
            continue
        points = part['keypoints'][..., pairs, :]
        points[..., 0] = width - points[..., 0]
        poses = part['keypoints_3d'][..., pairs, :]
        poses[..., 0] *= -1
        part.update(
            keypoints=points,
            keypoints_3d=poses,
            keypoints_visible=part['keypoints_visible'][..., pairs],
        )
    info['lens'] = info['lens'].copy()
    info['lens'][..., [2, 7]] *= -1  # x of the centre, and p1


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
