# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Heatmaps in the coordinates of another crop."""

import numpy as np
import torch
from mmpose.registry import KEYPOINT_CODECS

from rpstn_mmpose.models.pose_estimators.crops import at_wanted_crop, resample
from tests.test_systems.test_posewarper.tiny import CODEC

W, H = CODEC['heatmap_size']
STEP = np.array([1 / W, 1 / H])


def places(crop):
    """x and y in the image of each pixel, as MMPose's decoding has it."""
    codec = KEYPOINT_CODECS.build(CODEC)
    center, scale = crop[:2], crop[2:]
    x, y = np.meshgrid(np.arange(W), np.arange(H))
    points = np.stack([x, y], axis=-1) * codec.scale_factor
    return points / CODEC['input_size'] * scale + center - scale / 2


def test_what_lies_at_a_place_stays_there():
    """Maps that say where they are: straight lines are sampled exactly."""
    one = np.array([50.0, 40.0, 72.0, 48.0])
    other = np.array([53.0, 38.5, 45.0, 30.0])  # inside of the first
    maps = torch.from_numpy(places(one)).permute(2, 0, 1)[None]
    found = resample(maps, one[None], other[None], STEP)[0].permute(1, 2, 0)
    np.testing.assert_allclose(found, places(other), rtol=1e-6)


def test_what_is_outside_is_empty():
    """The other crop lies half a crop to the right: its right half has
    nothing, its left half has the right half."""
    one = np.array([[50.0, 40.0, 72.0, 48.0]])
    other = one + [[36.0, 0, 0, 0]]
    maps = torch.rand(1, 3, H, W)
    found = resample(maps, one, other, STEP)
    torch.testing.assert_close(found[..., : W // 2], maps[..., W // 2 :])
    assert found[..., W // 2 :].abs().max() < 1e-5


def test_only_other_crops_are_touched():
    """Of two clips of three frames, the frames of other crops."""
    crops = np.tile([50.0, 40.0, 72.0, 48.0], (2, 3, 1))
    maps = torch.rand(2, 3, 4, H, W)
    assert at_wanted_crop(maps, crops, 1, STEP) is maps
    crops[0, 2, :2] += [3, -6]  # one pixel right, two up
    found = at_wanted_crop(maps, crops, 1, STEP)
    changed = (found != maps).flatten(2).any(dim=-1)
    assert changed.tolist() == [[False, False, True], [False] * 3]
    torch.testing.assert_close(found[0, 2, :, :-2, 1:], maps[0, 2, :, 2:, :-1])
    crops[0, :, 0] += 10
    again = at_wanted_crop(maps, crops, 1, STEP)
    torch.testing.assert_close(again, found)
