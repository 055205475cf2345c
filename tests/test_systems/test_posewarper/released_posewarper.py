# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The published PoseWarper, said again: its weights' names and arithmetic.

Written from the published network, on its own names, without a part of the
package or of MMPose.
"""

import torch
import torch.nn.functional as F

DILATIONS = (3, 6, 12, 18, 24)
MODULES = {2: 1, 3: 4, 4: 3}
# The frames in the order of the published inputs, and their weights.
ORDER = (0, -1, -2, 1, 2)
# So that heatmaps are of the order of 1, and offsets of some pixels.
GAINS = dict(final_layer=0.2, deform_conv=1.0, offsets=8.0)
WEIGHTS = {0: 0.3, -1: 0.25, 1: 0.25, -2: 0.1, 2: 0.1}


def released_shapes(width=48, joints=17, inner=128, blocks=20):
    """Shapes by name, counters of norms left out."""
    shapes = {}

    def add(conv, norm, after, before, side=3):
        shapes[f'{conv}.weight'] = (after, before, side, side)
        for leaf in ('weight', 'bias', 'running_mean', 'running_var'):
            shapes[f'{norm}.{leaf}'] = (after,)

    def basic(name, after, before):
        add(f'{name}.conv1', f'{name}.bn1', after, before)
        add(f'{name}.conv2', f'{name}.bn2', after, after)
        if after != before:
            shortcut = f'{name}.downsample'
            add(f'{shortcut}.0', f'{shortcut}.1', after, before, 1)

    add('conv1', 'bn1', 64, 3)
    add('conv2', 'bn2', 64, 64)
    for i in range(4):
        name, before = f'layer1.{i}', 64 if i == 0 else 256
        add(f'{name}.conv1', f'{name}.bn1', 64, before, 1)
        add(f'{name}.conv2', f'{name}.bn2', 64, 64)
        add(f'{name}.conv3', f'{name}.bn3', 256, 64, 1)
    add('layer1.0.downsample.0', 'layer1.0.downsample.1', 256, 64, 1)
    widths = [width * 2**i for i in range(4)]
    add('transition1.0.0', 'transition1.0.1', width, 256)
    add('transition1.1.0.0', 'transition1.1.0.1', 2 * width, 256)
    for branch in (2, 3):
        name = f'transition{branch}.{branch}.0'
        add(f'{name}.0', f'{name}.1', widths[branch], widths[branch - 1])
    for stage, count in MODULES.items():
        for module in range(count):
            name = f'stage{stage}.{module}'
            for branch in range(stage):
                for i in range(4):
                    basic(
                        f'{name}.branches.{branch}.{i}',
                        widths[branch],
                        widths[branch],
                    )
            last = stage == 4 and module == count - 1
            for to in range(1 if last else stage):
                for source in range(stage):
                    link = f'{name}.fuse_layers.{to}.{source}'
                    if source > to:
                        add(
                            f'{link}.0',
                            f'{link}.1',
                            widths[to],
                            widths[source],
                            1,
                        )
                    for step in range(to - source):
                        final = step == to - source - 1
                        add(
                            f'{link}.{step}.0',
                            f'{link}.{step}.1',
                            widths[to if final else source],
                            widths[source],
                        )
    shapes['final_layer.weight'] = (joints, width, 1, 1)
    shapes['final_layer.bias'] = (joints,)
    for i in range(blocks):
        basic(f'offset_feats.{i}', inner, joints if i == 0 else inner)
    for i in range(1, 6):
        shapes[f'offsets{i}.weight'] = (18 * joints, inner, 3, 3)
        shapes[f'deform_conv{i}.weight'] = (joints, joints, 3, 3)
    return shapes


def released_state(seed=0, **options):
    """Random weights under which values stay of the order of 1."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in released_shapes(**options).items():
        value = torch.randn(shape, generator=generator)
        if len(shape) == 4:
            gain = GAINS.get(name.split('.')[0].rstrip('12345'), 1.2)
            value *= gain / (shape[1] * shape[2] * shape[3]) ** 0.5
        elif name.endswith('running_var'):
            value = value.abs() * 0.3 + 0.8
        elif name.endswith('.weight'):
            # The last norm of a block with a shortcut beside it is small.
            within = 'branches' in name or name.startswith(('off', 'layer1'))
            last = within and name.split('.')[-2] in ('bn2', 'bn3')
            value = value * 0.1 + (0.2 if last else 0.8)
        else:
            value *= 0.02
        state[name] = value
        if name.endswith('running_var'):
            counter = name.replace('running_var', 'num_batches_tracked')
            state[counter] = torch.tensor(7)
    return state


def ported(state):
    """The same weights under the names of MMPose 0.x's port."""
    renamed = {}
    for name, value in state.items():
        if name.startswith('final_layer'):
            name = name.replace('final_layer', 'neck.trans_layer')
        elif name.startswith('offsets'):
            name = f'neck.offset_layers.{int(name[7]) - 1}.weight'
        elif name.startswith('deform_conv'):
            name = f'neck.deform_conv_layers.{int(name[11]) - 1}.weight'
        elif name.startswith('offset_feats'):
            name = f'neck.{name}'
        else:
            name = f'backbone.{name}'
        renamed[name] = value
    return renamed


class Released:
    """Functions of a state dict.

    Args:
        state: See :func:`released_state`.
    """

    def __init__(self, state):
        self.state = state

    def conv(self, name, x, **options):
        bias = self.state.get(f'{name}.bias')
        weight = self.state[f'{name}.weight']
        options.setdefault('padding', weight.shape[-1] // 2)
        return F.conv2d(x, weight, bias, **options)

    def norm(self, name, x):
        scale, shift, mean, var = (
            self.state[f'{name}.{leaf}'][:, None, None]
            for leaf in ('weight', 'bias', 'running_mean', 'running_var')
        )
        return (x - mean) / (var + 1e-5).sqrt() * scale + shift

    def conv_norm(self, name, x, **options):
        return self.norm(f'{name}.1', self.conv(f'{name}.0', x, **options))

    def block(self, name, x, convs=2):
        y = x
        for i in range(1, convs + 1):
            y = self.norm(f'{name}.bn{i}', self.conv(f'{name}.conv{i}', y))
            if i < convs:
                y = y.relu()
        if f'{name}.downsample.0.weight' in self.state:
            x = self.conv_norm(f'{name}.downsample', x)
        return (x + y).relu()

    def module(self, name, branches):
        for number in range(len(branches)):
            for i in range(4):
                branches[number] = self.block(
                    f'{name}.branches.{number}.{i}', branches[number]
                )
        if len(branches) == 4 and name == 'stage4.2':
            outputs = [0]
        else:
            outputs = list(range(len(branches)))
        fused = []
        for to in outputs:
            total = 0
            for source, x in enumerate(branches):
                link = f'{name}.fuse_layers.{to}.{source}'
                if source > to:
                    x = self.conv_norm(link, x)
                    x = x.repeat_interleave(2 ** (source - to), -1)
                    x = x.repeat_interleave(2 ** (source - to), -2)
                for step in range(to - source):
                    x = self.conv_norm(f'{link}.{step}', x, stride=2)
                    if step < to - source - 1:
                        x = x.relu()
                total = total + x
            fused.append(total.relu())
        return fused

    def heatmaps(self, images):
        """(N, 3, H, W) to (N, K, H/4, W/4)."""
        x = self.norm('bn1', self.conv('conv1', images, stride=2)).relu()
        x = self.norm('bn2', self.conv('conv2', x, stride=2)).relu()
        for i in range(4):
            x = self.block(f'layer1.{i}', x, convs=3)
        branches = [
            self.conv_norm('transition1.0', x).relu(),
            self.conv_norm('transition1.1.0', x, stride=2).relu(),
        ]
        for stage, count in MODULES.items():
            if stage > 2:
                name = f'transition{stage - 1}.{stage - 1}.0'
                new = self.conv_norm(name, branches[-1], stride=2).relu()
                branches = [*branches, new]
            for number in range(count):
                branches = self.module(f'stage{stage}.{number}', branches)
        return self.conv('final_layer', branches[0])

    def warp(self, difference, source):
        """(B, K, h, w) each."""
        feats, i = difference, 0
        while f'offset_feats.{i}.conv1.weight' in self.state:
            feats = self.block(f'offset_feats.{i}', feats)
            i += 1
        total = 0
        for i, dilation in enumerate(DILATIONS, 1):
            offsets = self.conv(
                f'offsets{i}', feats, padding=dilation, dilation=dilation
            )
            weight = self.state[f'deform_conv{i}.weight']
            total = total + deformed(source, offsets, weight, dilation)
        return 0.2 * total

    def aggregate(self, inputs):
        """(B, 15, H, W), RGB of the frames at ``ORDER``, to (B, K, h, w)."""
        maps = [self.heatmaps(frame) for frame in inputs.split(3, dim=1)]
        return sum(
            WEIGHTS[offset] * self.warp(maps[0] - other, other)
            for offset, other in zip(ORDER, maps)
        )


def deformed(source, offsets, weight, dilation):
    """Deformable convolution, a tap at a time, by looking pixels up."""
    batch, joints, height, width = source.shape
    rows = torch.arange(height)[:, None]
    columns = torch.arange(width)[None, :]
    out = 0
    for tap in range(9):
        i, j = divmod(tap, 3)
        y = rows + dilation * (i - 1) + offsets[:, 2 * tap :: 18]
        x = columns + dilation * (j - 1) + offsets[:, 2 * tap + 1 :: 18]
        sampled = 0
        for down in (0, 1):
            for right in (0, 1):
                row, column = y.floor() + down, x.floor() + right
                part = (1 - (y - row).abs()) * (1 - (x - column).abs())
                inside = (row >= 0) & (row < height)
                inside &= (column >= 0) & (column < width)
                place = row.clamp(0, height - 1) * width
                place = (place + column.clamp(0, width - 1)).long()
                value = source.flatten(2).gather(2, place.flatten(2))
                sampled = sampled + part * inside * value.view_as(part)
        out = out + torch.einsum('oc,bchw->bohw', weight[:, :, i, j], sampled)
    return out
