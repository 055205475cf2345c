# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Run a model over whole videos of a data set."""

from __future__ import annotations

import os
from typing import Any, Sequence

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from mmpose.registry import DATASETS, MODELS
from mmpose.utils.tensor_utils import to_numpy
from torch import nn

from ..structures import VideoPeople, joint_names, wanted_frames


def _check_device(device: str | None) -> str:
    cuda = torch.cuda.is_available()
    if device is None:
        return 'cuda' if cuda else 'cpu'
    try:
        kind = torch.device(device).type
    except RuntimeError:
        raise ValueError(
            f"device must be such as 'cpu' or 'cuda:0', but got {device!r}"
        ) from None
    if kind == 'cuda' and not cuda:
        raise ValueError(
            f'device {device!r} is not there: torch '
            f"{torch.__version__} sees no GPU; use 'cpu'"
        )
    return device


def load_model_and_dataset(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike,
    data_root: str | None = None,
    device: str | None = None,
) -> tuple[nn.Module, Any]:
    """Build a config's model with its weights, and its test data set.

    Args:
        config: Path, or the config itself.
        checkpoint: Path or URL of the weights.
        data_root: Replaces that of the config's test data set.
        device: E.g. ``'cuda:0'``. None: cuda where there is one, else cpu.

    Returns:
        tuple: Model in evaluation mode on ``device``, data set.

    Raises:
        FileNotFoundError: No such config, checkpoint or data.
        ValueError: A config without test data, a checkpoint that does not
            belong to the config's model, a device that is not there.
    """
    if not isinstance(config, Config):
        if not os.path.isfile(config):
            raise FileNotFoundError(f'{config}: no such config file')
        config = Config.fromfile(config)
    device = _check_device(device)
    if '://' not in str(checkpoint) and not os.path.isfile(checkpoint):
        raise FileNotFoundError(f'{checkpoint}: no such checkpoint file')
    name = config.filename or 'the config'
    if 'test_dataloader' not in config or 'model' not in config:
        raise ValueError(
            f'{name} has no test_dataloader or no model; give '
            'the config of a pose model'
        )
    init_default_scope(config.get('default_scope', 'mmpose'))

    dataset_cfg = config.test_dataloader.dataset.copy()
    if data_root is not None:
        dataset_cfg.data_root = data_root
    dataset = DATASETS.build(dataset_cfg)

    # Not MMPose's init_model: it looks for the metainfo's file relative to
    # the working folder, and takes any checkpoint that loads in part.
    model = revert_sync_batchnorm(MODELS.build(config.model))
    try:
        load_checkpoint(
            model, str(checkpoint), map_location='cpu', strict=True
        )
    except RuntimeError as error:
        reason = ' '.join(str(error).split())
        if len(reason) > 240:
            reason = f'{reason[:240]}...'
        raise ValueError(
            f'{checkpoint} cannot be loaded into the model of {name}: {reason}'
        ) from None
    return model.to(device).eval(), dataset


def list_videos(dataset: Any) -> dict[str, list[int]]:
    """The videos of a data set.

    Args:
        dataset: Of clips: ``get_data_info`` gives ``video_id``.

    Returns:
        dict[str, list[int]]: Indices of the clips by video, in order of the
        data set.

    Raises:
        ValueError: A data set whose samples name no video.
    """
    videos: dict[str, list[int]] = {}
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        if 'video_id' not in info:
            raise ValueError(
                f'{type(dataset).__name__} has no videos: its samples have '
                "no 'video_id'; use a clip data set, e.g. PennActionDataset"
            )
        videos.setdefault(str(info['video_id']), []).append(index)
    return videos


def choose_videos(
    available: Sequence[str],
    number: int | None = None,
    video_ids: Sequence[str] | None = None,
) -> list[str]:
    """Choose videos by name, or a number of them evenly over the data set.

    Args:
        available: All videos.
        number: How many. None: all.
        video_ids: Names; ``number`` is then of no effect.

    Returns:
        list[str]: The chosen ones.

    Raises:
        ValueError: An unknown name, a number below 1.
    """
    available = list(available)
    if video_ids is not None:
        video_ids = list(dict.fromkeys(str(video) for video in video_ids))
        unknown = [video for video in video_ids if video not in available]
        if unknown:
            some = ', '.join(available[:5])
            more = ', ...' if len(available) > 5 else ''
            raise ValueError(
                f'no video {", ".join(unknown)} in the data set; it has '
                f'{len(available)}: {some}{more}'
            )
        return video_ids
    if number is not None and number < 1:
        raise ValueError(
            f'the number of videos must be at least 1, but got {number}'
        )
    if number is None or number >= len(available):
        return available
    places = np.linspace(0, len(available) - 1, number).round().astype(int)
    return [available[place] for place in places]


class _Collector:
    """Gathers the wanted rows of a video's clips."""

    def __init__(
        self,
        video: str,
        dataset: Any,
        clips: Sequence[int],
        max_frames: int | None,
    ) -> None:
        self.video = video
        self.infos = {index: dataset.get_data_info(index) for index in clips}
        wanted = [
            int(info['frame_ids'][row])
            for info in self.infos.values()
            for row in self._rows(info)
        ]
        if len(set(wanted)) != len(wanted):
            raise ValueError(
                f'predict_videos: video {video} has frames that several '
                'clips want; build the data set with test_mode=True'
            )
        self.wanted = set(sorted(wanted)[:max_frames])
        self.rows: dict[int, tuple] = {}

    @staticmethod
    def _rows(info: dict) -> np.ndarray:
        return np.flatnonzero(info['frame_mask'])

    def clips(self) -> list[int]:
        """Clips that hold a frame to be predicted, in order of time."""
        first = {}
        for index, info in self.infos.items():
            frames = {int(info['frame_ids'][row]) for row in self._rows(info)}
            if frames & self.wanted:
                first[index] = min(frames)
        return sorted(first, key=first.get)

    def add(self, index: int, sample: Any) -> int:
        """Take a clip's prediction; return how many frames it gave."""
        info, pred = self.infos[index], sample.pred_instances
        count = 0
        # A window model answers for the wanted rows alone.
        answers = np.flatnonzero(wanted_frames(sample))
        rows = self._rows(info)
        if len(answers) != len(rows):
            raise ValueError(
                f'predict_videos: the model answers for {len(answers)} of '
                f'{len(rows)} wanted frames of a clip of video {self.video}'
            )
        for row, answer in zip(rows, answers):
            frame = int(info['frame_ids'][row])
            if frame in self.wanted:
                self.rows[frame] = dict(
                    img_paths=info['img_paths'][row],
                    bboxes=info['bbox'][row],
                    gt_keypoints=info['keypoints'][row],
                    keypoints_visible=info['keypoints_visible'][row] > 0,
                    keypoints_labeled=info['keypoints_labeled'][row] > 0,
                    keypoints=to_numpy(pred.keypoints[answer]),
                    keypoint_scores=to_numpy(pred.keypoint_scores[answer]),
                )
                count += 1
        return count

    def finish(self, joints: list[str] | None) -> VideoPeople:
        frames = sorted(self.rows)
        rows = [self.rows[frame] for frame in frames]
        info = next(iter(self.infos.values()))
        track_id = info.get('track_id')
        return VideoPeople(
            frame_ids=np.array(frames),
            track_ids=np.full(len(rows), -1 if track_id is None else track_id),
            frames=frames,
            name=self.video,
            joints=joints,
            **{key: np.stack([row[key] for row in rows]) for key in rows[0]},
        )


def predict_videos(
    model: nn.Module,
    dataset: Any,
    video_ids: Sequence[str] | None = None,
    device: str | None = None,
    max_frames: int | None = None,
    batch_size: int = 8,
    progress: str | None = None,
) -> dict[str, VideoPeople]:
    """Predict every frame of videos, in the windows that a data set gives.

    A frame's prediction is that of the clip whose ``frame_mask`` wants it.
    The model's own ``test_cfg`` (flip test) applies.

    Args:
        model: A pose estimator of clips, or of images where the data set's
            clips have one frame.
        dataset: Clip data set in test mode with its pipeline.
        video_ids: Videos to predict. None: all.
        device: Where to move the model. None: it stays where it is.
        max_frames: Predict the first frames of each video only.
        batch_size: Clips at once.
        progress: Show a progress bar of this name.

    Returns:
        dict[str, VideoPeople]: By video, in the order asked for: a row for
        each frame, with ``img_paths``, box and truth of the data set and
        predicted ``keypoints`` and ``keypoint_scores``.

    Raises:
        ValueError: An unknown video, a frame wanted twice, ``max_frames``
            or ``batch_size`` below 1.
    """
    for name, value in (
        ('max_frames', max_frames),
        ('batch_size', batch_size),
    ):
        if value is not None and value < 1:
            raise ValueError(
                f'predict_videos: {name} must be at least 1, but got {value}'
            )
    from tqdm import tqdm

    videos = list_videos(dataset)
    collectors = {
        video: _Collector(video, dataset, videos[video], max_frames)
        for video in choose_videos(list(videos), video_ids=video_ids)
    }
    work = [
        (collector, index)
        for collector in collectors.values()
        for index in collector.clips()
    ]
    if device is not None:
        model.to(device)
    model.eval()
    total = sum(len(collector.wanted) for collector in collectors.values())
    with tqdm(
        total=total,
        desc=progress,
        unit='frame',
        disable=True if progress is None else None,
    ) as bar, torch.no_grad():
        for start in range(0, len(work), batch_size):
            batch = work[start : start + batch_size]
            samples = model.test_step(
                pseudo_collate([dataset[index] for _, index in batch])
            )
            for (collector, index), sample in zip(batch, samples):
                bar.update(collector.add(index, sample))
    joints = joint_names(getattr(dataset, 'metainfo', {}))
    return {video: item.finish(joints) for video, item in collectors.items()}
