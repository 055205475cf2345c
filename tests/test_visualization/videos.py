# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A tiny data set whose frames tell which they are, and models that read it.

Every frame has one grey level: frame f of video v is ``20 * v + 4 * f``. A
model can thus only answer right for a frame if it was given that very frame.
"""

import cv2
import numpy as np
import torch
from mmengine.structures import InstanceData
from mmpose.registry import DATASETS
from scipy.io import savemat
from torch import nn

SIZE = (96, 64)
LENGTHS = {'0001': 7, '0002': 12, '0004': 3}


def truth(length):
    """(n, 13, 2) 0-based joints: a column that moves 1 pixel a frame.

    The wrists, joints 5 and 6, stand off it, so that no link crosses them.
    """
    x = 20.0 + np.arange(length)[:, None] + np.zeros(13)
    x[:, 5] += 24
    x[:, 6] -= 8
    y = np.zeros(length)[:, None] + 5.0 + 4.0 * np.arange(13)
    return np.stack([x, y], axis=2)


def write_videos(root, lengths=None, occluded=(5, 6)):
    """Write Penn Action folders; joint 5 and 6 are hidden from frame 3 on."""
    for number, (video, length) in enumerate((lengths or LENGTHS).items()):
        folder = root / 'frames' / video
        folder.mkdir(parents=True)
        for frame in range(1, length + 1):
            level = 20 * (number + 1) + 4 * frame
            image = np.full((SIZE[1], SIZE[0], 3), level, np.uint8)
            cv2.imwrite(str(folder / f'{frame:06d}.jpg'), image)
        points = truth(length) + 1
        visible = np.ones((length, 13))
        visible[2:, list(occluded)] = 0
        box = np.tile([11.0, 2.0, 61.0, 60.0], (length, 1))
        (root / 'labels').mkdir(exist_ok=True)
        savemat(
            str(root / 'labels' / f'{video}.mat'),
            dict(
                x=points[..., 0],
                y=points[..., 1],
                visibility=visible,
                bbox=box,
                train=np.array([[-1]], np.int32),
                nframes=np.array([[length]], np.uint8),
                dimensions=np.array([[SIZE[1], SIZE[0], length]], np.uint16),
                action='none',
                pose='none',
            ),
        )
    return root


def build_dataset(root, clip_length=5, **kwargs):
    """The test split; stock pipeline for single frames."""
    if clip_length == 1:
        pipeline = [
            dict(type='LoadImage'),
            dict(type='GetBBoxCenterScale'),
            dict(type='TopdownAffine', input_size=(32, 32)),
            dict(type='PackPoseInputs'),
        ]
    else:
        affine = dict(type='TopdownAffine', input_size=(32, 32))
        pipeline = [
            dict(type='LoadClip'),
            dict(type='GetBBoxCenterScale'),
            dict(type='ForEachFrame', transforms=[affine]),
            dict(type='PackClipInputs'),
        ]
    kwargs = dict(dict(test_mode=True), **kwargs)
    return DATASETS.build(
        dict(
            type='PennActionDataset',
            data_root=str(root),
            split='test',
            clip_length=clip_length,
            pipeline=pipeline,
            **kwargs,
        )
    )


class LevelModel(nn.Module):
    """Answers with the grey level of the frame, at every joint."""

    def __init__(self):
        super().__init__()
        self.batch_sizes = []

    def test_step(self, data):
        assert not torch.is_grad_enabled() and not self.training
        self.batch_sizes.append(len(data['inputs']))
        for inputs, sample in zip(data['inputs'], data['data_samples']):
            frames = inputs if inputs.dim() == 4 else inputs[None]
            level = frames[:, 0, 16, 16].double()
            points = level[:, None, None].expand(-1, 13, 2)
            sample.pred_instances = InstanceData(
                keypoints=points.numpy(),
                keypoint_scores=np.ones((len(frames), 13)),
            )
        return data['data_samples']


class ShiftModel(LevelModel):
    """Answers with the truth of ``truth``, some joints 30 pixels off.

    It knows the frame from its grey level and serves one video.
    """

    def __init__(self, off=(), base=20):
        super().__init__()
        self.off, self.base = list(off), base

    def test_step(self, data):
        for sample in super().test_step(data):
            level = sample.pred_instances.keypoints[:, 0, 0]
            frame = np.round((level - self.base) / 4).astype(int)
            points = truth(frame.max())[frame - 1]
            points[:, self.off, 0] += 30
            sample.pred_instances.keypoints = points
        return data['data_samples']
