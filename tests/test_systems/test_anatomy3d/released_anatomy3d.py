# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The arithmetic of the published Anatomy3D, frame by frame.

Written from the paper and the shapes of the checkpoint, with the loops that
the package avoids: every output is made by itself, nothing is split or
shared.
"""

import torch
import torch.nn.functional as F

# First minus second joint, in the order of the checkpoint's channels.
BONES = [(16, 15), (15, 14), (13, 12), (12, 11), (10, 9), (9, 8), (8, 7),
         (8, 11), (8, 14), (7, 0), (3, 2), (2, 1), (6, 5), (5, 4), (1, 0),
         (4, 0)]  # yapf: disable
NOT_BONES = [
    (i, j)
    for i in range(17)
    for j in range(i, 17)
    if (i, j) not in BONES and (j, i) not in BONES
]


def released_state(channels, blocks, seed=0):
    """Weights of every layer of the release, by its names, double."""
    gen = torch.Generator().manual_seed(seed)
    c, state = channels, {}

    def layer(name, *shape, bias=False):
        fan_in = shape[1] * (shape[2] if len(shape) == 3 else 1)
        state[f'{name}.weight'] = (
            torch.randn(shape, generator=gen, dtype=torch.double) / fan_in**0.5
        )
        if bias:
            state[f'{name}.bias'] = 0.1 * torch.randn(
                shape[0], generator=gen, dtype=torch.double
            )

    def norm(name, c=c):
        for key, low, high in (
            ('weight', 0.5, 1.5),
            ('bias', -0.3, 0.3),
            ('running_mean', -0.2, 0.2),
            ('running_var', 0.5, 2.0),
        ):
            draw = torch.rand(c, generator=gen, dtype=torch.double)
            state[f'{name}.{key}'] = low + (high - low) * draw
        state[f'{name}.num_batches_tracked'] = torch.tensor(7)

    layer('expand_conv', c, 34, 3)
    norm('expand_bn')
    layer('expand_convscore', c, 17, 3)
    norm('expand_bnscore')
    for i in range(blocks):
        for convs, norms, inputs in (
            ('layers_conv', 'layers_bn', 2 * c if i == 0 else c),
            ('layers_conv1', 'layers_bn1', 2 * c),
        ):
            layer(f'{convs}.{2 * i}', c, inputs, 3)
            norm(f'{norms}.{2 * i}')
            layer(f'{convs}.{2 * i + 1}', c, c, 1)
            norm(f'{norms}.{2 * i + 1}')
    layer('layers_convbone.0', c, 34, bias=True)
    norm('layers_bnbone.0')
    for i in range(1, 2 * blocks + 1):
        layer(f'layers_convbone.{i}', c, c, bias=True)
        norm(f'layers_bnbone.{i}')
    layer(f'layers_convbone.{2 * blocks + 1}', 51, c, bias=True)
    layer('boneatt', 16, 102, bias=True)
    layer('shrink_direct_1', 48, c, 1, bias=True)
    layer('shrink_direct_2', 48, c, 1, bias=True)
    for end, shrink, out in (
        ('', 'shrink', 51),
        ('_1', 'shrink_js_1', 411),
        ('_2', 'shrink_js_2', 411),
    ):
        layer(f'directlinear{end}', c, 48, 1, bias=True)
        layer(f'lengthlinear{end}', c, 16, bias=True)
        layer(shrink, out, c, 1, bias=True)
    return state


class Released:
    """Forward passes on one person's sequence, in evaluation mode.

    Args:
        state: Of :func:`released_state`.
        blocks: n - 1 of n filters of width 3.
        causal: As the checkpoint was trained.
    """

    def __init__(self, state, blocks, causal):
        self.w, self.n, self.causal = state, blocks + 1, causal
        self.window = 3**self.n
        self.pad = (self.window - 1) // 2

    def norm(self, x, name):
        """Batch norm in evaluation and ReLU, of rows or channels first."""
        mean, var, weight, bias = (
            self.w[f'{name}.{key}']
            for key in ('running_mean', 'running_var', 'weight', 'bias')
        )
        shape = (-1, 1) if x.shape[0] == len(mean) and x.dim() == 2 else (-1,)
        y = (x - mean.view(shape)) / (var.view(shape) + 1e-5).sqrt()
        return (y * weight.view(shape) + bias.view(shape)).clamp(min=0)

    def conv(self, x, name, **kwargs):
        """Convolution of channels x frames."""
        return F.conv1d(
            x[None],
            self.w[f'{name}.weight'],
            self.w.get(f'{name}.bias'),
            **kwargs,
        )[0]

    def linear(self, x, name):
        return self.w[f'{name}.weight'] @ x + self.w[f'{name}.bias']

    def length_branch(self, point):
        """Pose 17 x 3, lengths and attention of one frame's 34 numbers."""
        h = self.norm(
            self.linear(point, 'layers_convbone.0'), 'layers_bnbone.0'
        )
        for i in range(1, self.n):
            u = h
            for k in (2 * i - 1, 2 * i):
                u = self.norm(
                    self.linear(u, f'layers_convbone.{k}'),
                    f'layers_bnbone.{k}',
                )
            h = h + u
        q = self.linear(h, f'layers_convbone.{2 * self.n - 1}')
        joints = q.view(17, 3)
        lengths = torch.stack(
            [(joints[a] - joints[b]).norm() for a, b in BONES]
        )
        attention = 10 * self.linear(torch.cat([q, q.abs()]), 'boneatt')
        return joints, lengths, attention

    def lengths(self, points):
        """Weighted mean of frames, a softmax over them for each bone."""
        _, lengths, attention = zip(*(self.length_branch(p) for p in points))
        weights = torch.stack(attention).softmax(0)
        return (weights * torch.stack(lengths)).sum(0)

    def levels(self, x):
        """F_0 ... F_{n-2} and the top, channels x frames."""
        c = len(self.w['expand_bn.weight'])
        x0 = self.norm(
            self.conv(x[..., :2].flatten(1).T, 'expand_conv'), 'expand_bn'
        )
        s0 = self.norm(
            self.conv(x[..., 2].T, 'expand_convscore'), 'expand_bnscore'
        )
        y = torch.cat([x0, s0 * x0])
        out = [x0]
        for i in range(self.n - 1):
            d = 3 ** (i + 1)
            u = self.norm(
                self.conv(y, f'layers_conv.{2 * i}', dilation=d),
                f'layers_bn.{2 * i}',
            )
            u = self.norm(
                self.conv(u, f'layers_conv.{2 * i + 1}'),
                f'layers_bn.{2 * i + 1}',
            )
            shift = d if self.causal else 0
            y = y[:c, d + shift : y.shape[1] - d + shift] + u
            out.append(y)
        return out[:-1], out[-1]

    def second(self, levels, top, t):
        """The second sub-network for one output."""
        z = top[:, t, None].repeat(1, 3 ** (self.n - 1))
        for i in range(self.n - 1):
            d, m = 3 ** (i + 1), 3 ** (self.n - 1 - i)
            rows = [t + k * d for k in range(m)]
            y = torch.cat([z, levels[i][:, rows]])
            u = self.norm(
                self.conv(y, f'layers_conv1.{2 * i}', stride=3),
                f'layers_bn1.{2 * i}',
            )
            u = self.norm(
                self.conv(u, f'layers_conv1.{2 * i + 1}'),
                f'layers_bn1.{2 * i + 1}',
            )
            z = z[:, 2 if self.causal else 1 :: 3] + u
        return z[:, 0]

    def directions(self, x, t):
        levels, top = self.levels(x)
        z = self.second(levels, top, t)
        d = self.conv(z[:, None], 'shrink_direct_2').view(16, 3)
        return d / d.norm(dim=1, keepdim=True)

    def product(self, directions, lengths, end, shrink):
        d = self.conv(directions.reshape(48, 1), f'directlinear{end}')
        return self.conv(
            d * self.linear(lengths, f'lengthlinear{end}')[:, None], shrink
        ).view(-1, 3)

    def __call__(self, x):
        """Poses T x 17 x 3 of a padded sequence L x 17 x 3."""
        levels, top = self.levels(x)
        points = x[..., :2].flatten(1)
        frames = len(x) - self.window + 1
        poses = []
        for t in range(frames):
            if self.causal:
                seen = points[2 * self.pad : 2 * self.pad + t + 1]
            else:
                seen = points[self.pad : len(x) - self.pad]
            z = self.second(levels, top, t)
            d = self.conv(z[:, None], 'shrink_direct_2').view(16, 3)
            poses.append(
                self.product(
                    d / d.norm(dim=1, keepdim=True),
                    self.lengths(seen),
                    '',
                    'shrink',
                )
            )
        return torch.stack(poses)
