# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A causal lifter of 27 frames: 2D keypoints in, the last frame's 3D out.

All of it is here: a data set without images, and a recipe of MMPose's network
over time, head and loss.
"""

import numpy as np
from mmpose.registry import DATASETS

from rpstn_mmpose.datasets import BaseSequenceDataset, PennActionDataset
from rpstn_mmpose.datasets.tracks import Track
from rpstn_mmpose.structures.columns import Column

K, BEFORE = 13, 26


@DATASETS.register_module()
class SwayingFigures(BaseSequenceDataset):
    """People whose joints sway, and lie the farther back the higher they
    are; metres.
    """

    METAINFO = PennActionDataset.METAINFO
    COLUMNS = (
        Column('keypoints_3d', 'points_3d'),
        Column('img_shape', 'value', of_track=True),
    )

    def load_tracks(self):
        rng = np.random.default_rng(len(self.split))
        return [self.figure(f'{self.split}{i}', rng) for i in range(3)]

    def figure(self, name, rng, length=40):
        time = rng.random() * 6 + rng.random() * 0.3 * np.arange(length)
        x = np.sin(np.arange(K) + time[:, None])
        pose = np.stack([x, x**2, x**2], axis=-1)
        return Track(
            name,
            frame_ids=np.arange(length),
            keypoints=64 + 16 * pose[..., :2],
            keypoints_visible=np.ones((length, K)),
            keypoints_labeled=np.ones((length, K)),
            keypoints_3d=pose,
            img_shape=(128, 128),
        )


def toy_model(**overrides):
    network = dict(kernel_sizes=(3, 3, 3), num_blocks=2, stem_channels=32)
    return dict(
        type='SequenceLifter',
        before=BEFORE,
        backbone=dict(type='TCN', in_channels=2 * K, **network),
        head=dict(
            type='TemporalRegressionHead',
            in_channels=32,
            num_joints=K,
            loss=dict(type='MPJPELoss'),
        ),
        **overrides,
    )


def toy_dataset(training):
    return dict(
        type='SwayingFigures',
        data_root='',
        split='train' if training else 'test',
        window=dict(type='FramesAround', clip_offsets=range(-BEFORE, 1)),
        test_mode=not training,
        pipeline=[dict(type='PackLifterInputs', scores=False)],
    )
