# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The published DCPose, said again: its weights' names and arithmetic.

Written from the published network, on its own names, without a part of the
package or of MMPose. The image model is PoseWarper's.
"""

import torch
import torch.nn.functional as F

from tests.test_systems.test_posewarper import released_posewarper as warper

DILATIONS = (3, 6, 9, 12, 15)
IMAGE = 'rough_pose_estimation_net.'
STEPS = [(i, j) for i in range(1, 5) for j in range(1, i + 1)]


def released_shapes(joints=17, residual=34, inner=64, blocks=(2, 1, 2)):
    """Shapes by name of what follows the image model, counters left out."""
    shapes = {}

    def unit(name, after, before, side):
        shapes[f'{name}.conv.weight'] = (after, before, side, side)
        shapes[f'{name}.conv.bias'] = (after,)
        for leaf in ('weight', 'bias', 'running_mean', 'running_var'):
            shapes[f'{name}.bn.{leaf}'] = (after,)

    chains = (
        ('diff_temporal_fuse', 4 * joints, residual),
        ('support_temporal_fuse', 3 * joints, joints),
        ('offset_mask_combine_conv', residual + joints, inner),
    )
    for (chain, before, after), count in zip(chains, blocks):
        for number in range(count):
            name = f'{chain}.layers.{number}'
            channels = after if number else before
            branch = channels * 26 // 64
            unit(f'{name}.conv_bn_relu1', 4 * branch, channels, 1)
            for i, j in STEPS:
                unit(f'{name}.conv_bn_relu2_{i}_{j}', branch, branch, 3)
            unit(f'{name}.conv_bn_relu3', after, 4 * branch, 1)
            if not number:
                unit(f'{name}.downsample', after, before, 1)
    for i in range(5):
        shapes[f'offsets_list.{i}.0.weight'] = (18 * joints, inner, 3, 3)
        shapes[f'masks_list.{i}.0.weight'] = (9 * joints, inner, 3, 3)
        name = f'modulated_deform_conv_list.{i}.deform_conv'
        shapes[f'{name}.weight'] = (joints, joints, 3, 3)
        shapes[f'{name}.bias'] = (joints,)
    return shapes


def released_state(seed=0, width=48, **sizes):
    """Random weights under which values stay of the order of 1."""
    image = warper.released_state(seed, width=width, inner=4, blocks=1)
    state = {
        IMAGE + name: value
        for name, value in image.items()
        if not name.startswith(('offset', 'deform_conv'))
    }
    generator = torch.Generator().manual_seed(seed + 1)
    for name, shape in released_shapes(**sizes).items():
        value = torch.randn(shape, generator=generator)
        if len(shape) == 4:
            value *= (1.5 / (shape[1] * shape[2] * shape[3])) ** 0.5
        elif name.endswith('running_var'):
            value = value.abs() * 0.3 + 0.8
        elif name.endswith('bn.weight'):
            value = value * 0.1 + 0.8
        else:
            value *= 0.2
        state[name] = value
        if name.endswith('running_var'):
            counter = name.replace('running_var', 'num_batches_tracked')
            state[counter] = torch.tensor(7)
    return state


class Released:
    """Functions of a state dict.

    Args:
        state: See :func:`released_state`.
    """

    def __init__(self, state):
        self.state = state
        self.image = warper.Released(
            {
                name[len(IMAGE) :]: value
                for name, value in state.items()
                if name.startswith(IMAGE)
            }
        )

    def unit(self, name, x, relu=True):
        weight, bias = (
            self.state[f'{name}.conv.{leaf}'] for leaf in ('weight', 'bias')
        )
        x = F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)
        scale, shift, mean, var = (
            self.state[f'{name}.bn.{leaf}'][:, None, None]
            for leaf in ('weight', 'bias', 'running_mean', 'running_var')
        )
        x = (x - mean) / (var + 1e-5).sqrt() * scale + shift
        return x.relu() if relu else x

    def block(self, name, x):
        parts = self.unit(f'{name}.conv_bn_relu1', x).chunk(4, dim=1)
        done = {}
        for i, j in STEPS:
            y = parts[i - 1] if j == 1 else done[i, j - 1]
            if j < i:
                y = y + done[i - 1, j]
            done[i, j] = self.unit(f'{name}.conv_bn_relu2_{i}_{j}', y)
        y = torch.cat([done[i, i] for i in range(1, 5)], dim=1)
        y = self.unit(f'{name}.conv_bn_relu3', y, relu=False)
        if f'{name}.downsample.conv.weight' in self.state:
            x = self.unit(f'{name}.downsample', x, relu=False)
        return (x + y).relu()

    def chain(self, name, x):
        number = 0
        while (
            f'{name}.layers.{number}.conv_bn_relu3.conv.weight' in self.state
        ):
            x = self.block(f'{name}.layers.{number}', x)
            number += 1
        return x

    def correct(self, clips, margins=(1, 1)):
        """(B, 3, 3, H, W) in order of time to (B, K, H/4, W/4).

        Args:
            clips: Frames.
            margins: Frames to the one before and to the one after.
        """
        before, now, after = (
            self.image.heatmaps(clips[:, row]) for row in range(3)
        )
        left, right = (margin / sum(margins) for margin in margins)
        differences, maps = [], []
        for joint in range(now.shape[1]):
            p, c, n = before[:, joint], now[:, joint], after[:, joint]
            differences += [c - p, (c - p) * right, c - n, (c - n) * left]
            maps += [c, p * right, n * left]
        differences = self.chain(
            'diff_temporal_fuse', torch.stack(differences, dim=1)
        )
        maps = self.chain('support_temporal_fuse', torch.stack(maps, dim=1))
        feats = self.chain(
            'offset_mask_combine_conv', torch.cat([differences, maps], dim=1)
        )
        total = 0
        for i, dilation in enumerate(DILATIONS):
            offsets, masks = (
                F.conv2d(
                    feats,
                    self.state[f'{name}.{i}.0.weight'],
                    padding=dilation,
                    dilation=dilation,
                )
                for name in ('offsets_list', 'masks_list')
            )
            name = f'modulated_deform_conv_list.{i}.deform_conv'
            total = total + modulated(
                maps, offsets, masks, self.state[f'{name}.weight'], dilation
            )
            total = total + self.state[f'{name}.bias'][:, None, None]
        return 0.2 * total


def modulated(maps, offsets, masks, weight, dilation):
    """A tap of a channel after the other, its four pixels by hand."""
    batch, channels, height, width = maps.shape
    padded = F.pad(maps, (1, 1, 1, 1))
    rows = torch.arange(height)[:, None].expand(height, width)
    columns = torch.arange(width).expand(height, width)
    total = torch.zeros(batch, len(weight), height, width)

    def pixel(channel, y, x):
        y = (y + 1).clamp(0, height + 1).long()
        x = (x + 1).clamp(0, width + 1).long()
        flat = padded[:, channel].flatten(1)
        place = (y * (width + 2) + x).flatten(1)
        return flat.gather(1, place).view(batch, height, width)

    for channel in range(channels):
        for tap in range(9):
            number = 9 * channel + tap
            y = rows + dilation * (tap // 3 - 1) + offsets[:, 2 * number]
            x = columns + dilation * (tap % 3 - 1) + offsets[:, 2 * number + 1]
            top, left = y.floor(), x.floor()
            down, right = y - top, x - left
            seen = (
                pixel(channel, top, left) * (1 - down) * (1 - right)
                + pixel(channel, top, left + 1) * (1 - down) * right
                + pixel(channel, top + 1, left) * down * (1 - right)
                + pixel(channel, top + 1, left + 1) * down * right
            )
            seen = (seen * masks[:, number])[:, None]
            taps = weight[:, channel].flatten(1)[:, tap, None, None]
            total = total + taps * seen
    return total
