# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The published DSTA, said again: its weights' names and arithmetic.

Written from the published network, on its own names, without a part of the
package or of MMPose.
"""

import math

import torch
import torch.nn.functional as F

BLOCKS = {
    18: (False, (2, 2, 2, 2)),
    34: (False, (3, 4, 6, 3)),
    50: (True, (3, 4, 6, 3)),
    101: (True, (3, 4, 23, 3)),
}
# The token of each of the 17 joints that come out.
PERM = (1, 2, 0, 0, 0, 3, 6, 4, 7, 5, 8, 9, 12, 10, 13, 11, 14)
MASKS = ((0.0, 1.0), (1.0, 0.0)) * 3
LEAVES = ('weight', 'bias', 'running_mean', 'running_var')


def released_shapes(depth=50, frames=3):
    """Shapes by name, counters of norms left out."""
    shapes = {}

    def conv(name, norm, after, before, side):
        shapes[f'preact.{name}.weight'] = (after, before, side, side)
        for leaf in LEAVES:
            shapes[f'preact.{norm}.{leaf}'] = (after,)

    def linear(name, after, before):
        shapes[f'{name}.weight'] = (after, before)
        shapes[f'{name}.bias'] = (after,)

    def norm(name):
        shapes[f'{name}.weight'] = shapes[f'{name}.bias'] = (32,)

    wide, counts = BLOCKS[depth]
    conv('conv1', 'bn1', 64, 3, 7)
    before = 64
    for stage, count in enumerate(counts):
        width = 64 * 2**stage
        after = width * (4 if wide else 1)
        for i in range(count):
            name = f'layer{stage + 1}.{i}'
            sides = (1, 3, 1) if wide else (3, 3)
            channels = (before, width, width, after)
            if not wide:
                channels = (before, width, after)
            for j, side in enumerate(sides):
                conv(
                    f'{name}.conv{j + 1}',
                    f'{name}.bn{j + 1}',
                    channels[j + 1],
                    channels[j],
                    side,
                )
            if i == 0 and (stage or before != after):
                shortcut = f'{name}.downsample'
                conv(f'{shortcut}.0', f'{shortcut}.1', after, before, 1)
            before = after
    linear('fc_coord.linear', 544, before)
    shapes['Spatial_pos_embed'] = (3, 32)
    shapes['Temporal_pos_embed'] = (1, frames, 32)
    for branch in ('Spatial_blocks', 'blocks'):
        for i in range(4):
            name = f'{branch}.{i}'
            norm(f'{name}.norm1')
            norm(f'{name}.norm2')
            linear(f'{name}.attn.qkv', 96, 32)
            linear(f'{name}.attn.proj', 32, 32)
            linear(f'{name}.mlp.fc1', 64, 32)
            linear(f'{name}.mlp.fc2', 32, 64)
    norm('Spatial_norm')
    norm('Temporal_norm')
    shapes['weighted_mean.weight'] = (1, 2, 1, 1)
    shapes['weighted_mean.bias'] = (1,)
    for head in ('head_coord', 'head_sigma'):
        norm(f'{head}.0')
        linear(f'{head}.1', 2, 32)
    shapes['flow.mask'] = (6, 2)
    for net in 'st':
        for i in range(6):
            linear(f'flow.{net}.{i}.0', 64, 2)
            linear(f'flow.{net}.{i}.2', 64, 64)
            linear(f'flow.{net}.{i}.4', 2, 64)
    return shapes


def released_state(seed=0, **sizes):
    """Random weights that keep numbers of a usual size."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in released_shapes(**sizes).items():
        noise = torch.randn(shape, generator=generator)
        if name == 'flow.mask':
            noise = torch.tensor(MASKS)
        elif name.endswith('running_var'):
            noise = noise.abs() * 0.2 + 0.9
        elif len(shape) == 1 and name.endswith('weight'):
            noise = noise * 0.1 + 1
        elif len(shape) == 1:
            noise = noise * 0.1
        elif len(shape) > 1 and name.endswith('weight'):
            noise = noise / noise[0].numel() ** 0.5
        state[name] = noise
        if name.endswith('running_var'):
            counter = name.replace('running_var', 'num_batches_tracked')
            state[counter] = torch.tensor(7)
    return state


class Released:
    """The published network in evaluation mode."""

    def __init__(self, state, depth=50):
        self.state, self.depth = state, depth

    def __getitem__(self, name):
        return self.state[name]

    def conv(self, x, name, norm, stride=1, relu=True):
        weight = self[f'preact.{name}.weight']
        x = F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
        scale, shift, mean, var = (
            self[f'preact.{norm}.{leaf}'].view(-1, 1, 1) for leaf in LEAVES
        )
        x = (x - mean) / (var + 1e-5).sqrt() * scale + shift
        return x.relu() if relu else x

    def pooled(self, images):
        x = self.conv(images, 'conv1', 'bn1', 2)
        x = F.max_pool2d(x, 3, 2, 1)
        wide, counts = BLOCKS[self.depth]
        for stage, count in enumerate(counts):
            for i in range(count):
                name = f'layer{stage + 1}.{i}'
                stride = 2 if i == 0 and stage else 1
                # In a bottleneck the 3x3 strides.
                strides = (1, stride, 1) if wide else (stride, 1)
                short = x
                if f'preact.{name}.downsample.0.weight' in self.state:
                    short = self.conv(
                        x,
                        f'{name}.downsample.0',
                        f'{name}.downsample.1',
                        stride,
                        relu=False,
                    )
                for j, step in enumerate(strides):
                    x = self.conv(
                        x,
                        f'{name}.conv{j + 1}',
                        f'{name}.bn{j + 1}',
                        step,
                        relu=j + 1 < len(strides),
                    )
                x = (x + short).relu()
        return x.mean(dim=(2, 3))

    def linear(self, x, name):
        return x @ self[f'{name}.weight'].T + self[f'{name}.bias']

    def norm(self, x, name, eps=1e-6):
        mean = x.mean(-1, keepdim=True)
        var = ((x - mean) ** 2).mean(-1, keepdim=True)
        x = (x - mean) / (var + eps).sqrt()
        return x * self[f'{name}.weight'] + self[f'{name}.bias']

    def block(self, y, name):
        """Of sequences (N, L, 32)."""
        count, length, _ = y.shape
        qkv = self.linear(self.norm(y, f'{name}.norm1'), f'{name}.attn.qkv')
        heads = []
        for head in range(8):
            q, k, v = (
                qkv[..., 32 * part + 4 * head : 32 * part + 4 * head + 4]
                for part in range(3)
            )
            weights = (q @ k.transpose(1, 2) * 0.5).softmax(-1)
            heads.append(weights @ v)
        y = y + self.linear(torch.cat(heads, -1), f'{name}.attn.proj')
        z = self.linear(self.norm(y, f'{name}.norm2'), f'{name}.mlp.fc1')
        z = z * 0.5 * (1 + torch.erf(z / math.sqrt(2)))
        return y + self.linear(z, f'{name}.mlp.fc2')

    def tokens(self, pooled):
        """(B, T, 2048) to (B, T, 17, 32)."""
        length = (pooled**2).sum(-1, keepdim=True).sqrt()
        product = pooled @ self['fc_coord.linear.weight'].T / length
        tokens = product + self['fc_coord.linear.bias']
        return tokens.reshape(*pooled.shape[:2], 17, 32)

    def aggregate(self, tokens):
        """(B, T, 17, 32) to (B, 17, 32) in the order of the output."""
        batch, frames = tokens.shape[:2]
        centre = tokens[:, frames // 2]
        space = centre[:, :15].reshape(batch * 5, 3, 32)
        space = space + self['Spatial_pos_embed']
        time = tokens.permute(0, 2, 1, 3).reshape(batch * 17, frames, 32)
        time = time + self['Temporal_pos_embed']
        for i in range(4):
            space = self.block(space, f'Spatial_blocks.{i}')
            time = self.block(time, f'blocks.{i}')
        space = self.norm(space, 'Spatial_norm').reshape(batch, 15, 32)
        space = torch.cat([space, centre[:, 15:]], dim=1)
        time = self.norm(time, 'Temporal_norm')[:, frames // 2]
        time = time.reshape(batch, 17, 32)
        a_time, a_space = self['weighted_mean.weight'].flatten()
        mixed = a_time * time + a_space * space + self['weighted_mean.bias']
        return mixed[:, list(PERM)]

    def regress(self, mixed):
        """(B, 17, 32) to coordinates and sigmas (B, 17, 4)."""
        coord, sigma = (
            self.linear(self.norm(mixed, f'{name}.0', 1e-5), f'{name}.1')
            for name in ('head_coord', 'head_sigma')
        )
        return torch.cat([coord, 1 / (1 + (-sigma).exp())], dim=-1)

    def __call__(self, images):
        """(B, 3 T, H, W), frames side by side as channels."""
        batch, channels = images.shape[:2]
        frames = images.reshape(-1, 3, *images.shape[2:])
        pooled = self.pooled(frames).reshape(batch, channels // 3, -1)
        return self.regress(self.aggregate(self.tokens(pooled)))

    def log_phi(self, errors):
        """Of errors (N, 2)."""
        z, log_det = errors, torch.zeros(len(errors))
        for i in range(5, -1, -1):
            mask = self['flow.mask'][i]
            kept = mask * z
            nets = []
            for net in 'st':
                x = kept
                for layer in (0, 2, 4):
                    x = self.linear(x, f'flow.{net}.{i}.{layer}')
                    if layer < 4:
                        x = torch.where(x > 0, x, 0.01 * x)
                nets.append(x)
            s, t = nets[0].tanh() * (1 - mask), nets[1] * (1 - mask)
            z = (1 - mask) * (z - t) * (-s).exp() + kept
            log_det = log_det - s.sum(-1)
        squares = ((z - 0.5) ** 2).sum(-1)
        return -math.log(2 * math.pi) - squares / 2 + log_det

    def loss(self, output, target, weights):
        """Of outputs (B, 17, 4), targets (B, 17, 2), weights (B, 17)."""
        coord, sigma = output[..., :2], output[..., 2:]
        error = (coord - target) / sigma
        log_phi = self.log_phi(error.reshape(-1, 2)).reshape(len(output), 17)
        terms = (
            sigma.log()
            - log_phi[..., None]
            + (sigma * math.sqrt(2 * math.pi)).log()
            + (coord - target).abs() / (math.sqrt(2) * sigma + 1e-9)
        )
        return (weights[..., None] * terms).sum() / len(output)
