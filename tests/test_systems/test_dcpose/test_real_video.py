# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A real video: clips of three frames from JHMDB's own files."""

import torch
from mmpose.registry import DATASETS, MODELS

from tests.real_data import require_real_data
from tests.test_systems.test_posewarper.tiny import (
    batch_of,
    image_parts,
    keypoints,
    pipeline,
)

from .test_estimator import OFFSETS, dcpose


def test_learns_and_answers_on_real_frames():
    """The corrector's error on four frames halves, from an image model of
    noise; every frame of the video gets a pose."""
    data = dict(
        type='JHMDBClipDataset',
        data_root=str(require_real_data('jhmdb')),
        clip_offsets=OFFSETS,
        split='all',
    )
    clips = DATASETS.build(
        dict(data, test_mode=True, pipeline=pipeline(True, 'wanted'))
    )
    assert len(clips) == 40
    parts = image_parts()
    parts['head']['out_channels'] = 15
    corrector = dict(dcpose()['corrector'], num_joints=15)
    torch.manual_seed(0)
    model = MODELS.build(dcpose(**parts, corrector=corrector))
    model.init_weights()
    model.train()
    batch = batch_of(model, [clips[row] for row in (0, 12, 24, 39)])
    optimizer = torch.optim.Adam(model.corrector.parameters(), lr=1e-2)
    losses = []
    for _ in range(40):
        loss = model(**batch, mode='loss')['loss_kpt']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    with torch.no_grad():
        batch = batch_of(model, [clips[row] for row in range(40)])
        found = model.eval()(**batch, mode='predict')
    assert [keypoints(sample).shape for sample in found] == 40 * [(1, 15, 2)]
