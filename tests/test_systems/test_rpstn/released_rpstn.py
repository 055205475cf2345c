# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The released RPSTN for tests: its tensors, and what it computes, written
out from docs and design with torch's functions alone. Nothing here is taken
from the package, so that the two can be compared."""

import torch
import torch.nn.functional as F
import torchvision

EXTRACTOR_NUMBERS = {
    'conv1': 0,
    'bn1': 1,
    'layer1': 4,
    'layer2': 5,
    'layer3': 6,
    'layer4': 7,
}


def norm_entries(name, channels):
    return {
        f'{name}.weight': (channels,),
        f'{name}.bias': (channels,),
        f'{name}.running_mean': (channels,),
        f'{name}.running_var': (channels,),
        f'{name}.num_batches_tracked': (),
    }


def conv_entries(name, after, before, side=1):
    return {
        f'{name}.weight': (after, before, side, side),
        f'{name}.bias': (after,),
    }


def image_model_entries(depth, joints=None):
    """Microsoft's names of a SimpleBaseline; torchvision's ResNet has the
    same ones."""
    with torch.device('meta'):
        resnet = getattr(torchvision.models, f'resnet{depth}')()
    entries = {
        name: tuple(value.shape)
        for name, value in resnet.state_dict().items()
        if not name.startswith('fc.')
    }
    channels = resnet.fc.in_features
    for number in (0, 3, 6):
        entries[f'deconv_layers.{number}.weight'] = (channels, 256, 4, 4)
        entries.update(norm_entries(f'deconv_layers.{number + 1}', 256))
        channels = 256
    if joints is not None:
        entries.update(conv_entries('final_layer', joints, 256))
    return entries


def released_entries(joints, initializer=18, extractor=18):
    """Name (with DataParallel's prefix) and shape of every tensor."""
    entries = {
        f'pose_net.{name}': shape
        for name, shape in image_model_entries(initializer, joints).items()
    }
    for name, shape in image_model_entries(extractor).items():
        part, rest = name.split('.', 1)
        number = EXTRACTOR_NUMBERS.get(part, 8)
        entries[f'fea_ext.{number}.{rest}'] = shape
    entries.update(conv_entries('conv1x1_reduce_dim', 256, 256 + joints))
    entries.update(conv_entries('pose_conv1x1_V', 256, 256))
    entries.update(conv_entries('pose_conv1x1_U', joints, 256))
    entries.update(norm_entries('bn_u', joints))
    entries.update(norm_entries('bn', 256))
    for conv in (0, 4, 8, 12):
        entries.update(conv_entries(f'dkd_param_adapter.{conv}', 256, 256, 3))
        entries.update(norm_entries(f'dkd_param_adapter.{conv + 1}', 256))
    for name in ('g', 'W.0', 'theta', 'phi'):
        entries.update(
            conv_entries(f'non_local_conv2d.{name}', joints, joints)
        )
    entries.update(norm_entries('non_local_conv2d.W.1', joints))
    return {f'module.{name}': shape for name, shape in entries.items()}


def random_weights(entries, seed=0):
    """Weights that keep the size of what goes through; norms that do
    something."""
    rng = torch.Generator().manual_seed(seed)

    def uniform(shape, low, high):
        return torch.rand(shape, generator=rng) * (high - low) + low

    state = {}
    for name, shape in entries.items():
        if name.endswith('num_batches_tracked'):
            value = torch.tensor(7)
        elif name.endswith(('running_var', '.weight')) and len(shape) == 1:
            value = uniform(shape, 0.5, 1.5)
        elif len(shape) == 4:
            fan_in = shape[1] * shape[2] * shape[3]
            if 'deconv' in name or 'fea_ext.8' in name:
                fan_in = shape[0] * 4  # a quarter of 4 x 4 meets a pixel
            value = torch.randn(shape, generator=rng) * (2 / fan_in) ** 0.5
        else:
            value = torch.randn(shape, generator=rng) * 0.1
        state[name] = value
    return state


def pictures(length, seed):
    """Smooth pictures of numbers from 0 to 255, 1 x T x 3 x 256 x 256."""
    rng = torch.Generator().manual_seed(seed)
    coarse = 255 * torch.rand(length, 3, 16, 16, generator=rng)
    return F.interpolate(coarse, size=(256, 256), mode='bilinear')[None]


def random_released(joints, seed):
    """Random weights of the released network with ResNet-18.

    Running statistics are about those of what goes through, as training
    leaves them. The heatmaps are small: the softmax of their products over
    64 x 64 pixels would else be 0 and 1, and would hide an error.
    """
    state = random_weights(released_entries(joints), seed)
    state['module.pose_net.final_layer.weight'] *= 0.02
    state['module.pose_net.final_layer.bias'] *= 0.1
    state['module.pose_conv1x1_U.weight'] *= 0.005
    state['module.pose_conv1x1_U.bias'] *= 0.1
    for norm in ('bn_u', 'non_local_conv2d.W.1'):
        state[f'module.{norm}.weight'] *= 0.02
        state[f'module.{norm}.bias'] *= 0.1
    rng = torch.Generator().manual_seed(seed + 100)
    seen = set()

    def set_statistics(name, x):
        if name in seen:
            return
        seen.add(name)
        mean, var = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3))
        jitter = torch.rand(2, len(mean), generator=rng) - 0.5
        state[f'{name}.running_mean'] = mean + jitter[0] * var.sqrt()
        state[f'{name}.running_var'] = var * (1 + jitter[1]) + 1e-6

    released_forward(
        state,
        pictures(2, seed),
        norm_response=joints == 15,
        before_norm=set_statistics,
    )
    return state


class Tensors:
    """Convolution and norm by name out of a state dict."""

    def __init__(self, state, prefix, before_norm=None):
        self.state, self.prefix = state, prefix
        self.before_norm = before_norm

    def __getitem__(self, name):
        return self.state[self.prefix + name]

    def has(self, name):
        return self.prefix + name in self.state

    def conv(self, name, x, stride=1, padding=0):
        bias = self[f'{name}.bias'] if self.has(f'{name}.bias') else None
        return F.conv2d(x, self[f'{name}.weight'], bias, stride, padding)

    def norm(self, name, x):
        if self.before_norm is not None:
            self.before_norm(self.prefix + name, x)
        return F.batch_norm(
            x,
            self[f'{name}.running_mean'],
            self[f'{name}.running_var'],
            self[f'{name}.weight'],
            self[f'{name}.bias'],
            training=False,
        )


def image_model(tensors, x, parts=None):
    """A SimpleBaseline with ResNet-18, up to its features where it has no
    last layer."""
    parts = parts or {}

    def part(name):
        return parts.get(name, name)

    x = F.relu(tensors.norm(part('bn1'), tensors.conv(part('conv1'), x, 2, 3)))
    x = F.max_pool2d(x, 3, 2, 1)
    for stage in (1, 2, 3, 4):
        for number in (0, 1):
            name = f'{part(f"layer{stage}")}.{number}'
            stride = 2 if stage > 1 and number == 0 else 1
            y = F.relu(
                tensors.norm(
                    f'{name}.bn1', tensors.conv(f'{name}.conv1', x, stride, 1)
                )
            )
            y = tensors.norm(
                f'{name}.bn2', tensors.conv(f'{name}.conv2', y, 1, 1)
            )
            if tensors.has(f'{name}.downsample.0.weight'):
                x = tensors.norm(
                    f'{name}.downsample.1',
                    tensors.conv(f'{name}.downsample.0', x, stride),
                )
            x = F.relu(x + y)
    for number in (0, 3, 6):
        name = part('deconv_layers')
        x = F.conv_transpose2d(
            x, tensors[f'{name}.{number}.weight'], stride=2, padding=1
        )
        x = F.relu(tensors.norm(f'{name}.{number + 1}', x))
    if tensors.has('final_layer.weight'):
        x = tensors.conv('final_layer', x)
    return x


def relation(tensors, heatmaps, rows_sum_to_one=False):
    """JRE of the release, one clip after the other. Its code is public in
    two states, which differ in the axis of the softmax."""
    results = []
    for maps in heatmaps:
        joints, height, width = maps.shape
        rows = maps.reshape(joints, -1)
        # over dim 1 of B x K x K: each column sums to one
        products = rows @ rows.T
        weights = torch.exp(products - products.max(dim=0).values)
        weights = weights / weights.sum(dim=0)
        if rows_sum_to_one:  # products are symmetric
            weights = weights.T
        values = tensors.conv('non_local_conv2d.g', maps[None])[0]
        product = weights @ values.reshape(joints, -1)
        # hw x K in memory, read as K x h x w
        scrambled = torch.stack(
            [product[:, i] for i in range(height * width)]
        ).reshape(joints, height, width)
        branch = tensors.norm(
            'non_local_conv2d.W.1',
            tensors.conv('non_local_conv2d.W.0', scrambled[None]),
        )
        results.append(branch[0] + maps)
    return torch.stack(results)


def dynamic_conv(feats, kernels):
    """Each channel of each clip with a kernel of its own."""
    return torch.stack(
        [
            torch.cat(
                [
                    F.conv2d(f[None, None], k[None, None], padding=3)[0]
                    for f, k in zip(clip, clip_kernels)
                ]
            )
            for clip, clip_kernels in zip(feats, kernels)
        ]
    )


def released_forward(
    state, frames, norm_response, rows_sum_to_one=False, before_norm=None
):
    """Heatmaps of the released network in evaluation.

    Args:
        state: Released state dict, with ``module.``.
        frames: B x T x 3 x 256 x 256.
        norm_response: The Sub-JHMDB variant.
        rows_sum_to_one: See :func:`relation`.
        before_norm: Is told the name and input of each norm.
    """
    top = Tensors(state, 'module.', before_norm)
    pose_net = Tensors(state, 'module.pose_net.', before_norm)
    fea_ext = Tensors(state, 'module.fea_ext.', before_norm)
    parts = {name: str(number) for name, number in EXTRACTOR_NUMBERS.items()}
    parts['deconv_layers'] = '8'

    first = frames[:, 0]
    heatmaps = image_model(pose_net, first)
    heatmaps = top.norm('bn_u', relation(top, heatmaps, rows_sum_to_one))
    remembered = image_model(fea_ext, first, parts)
    clip = [heatmaps]
    for t in range(1, frames.shape[1]):
        feats = image_model(fea_ext, frames[:, t], parts)
        feats = top.norm('bn', top.conv('pose_conv1x1_V', feats))
        x = top.conv(
            'conv1x1_reduce_dim', torch.cat([heatmaps, remembered], dim=1)
        )
        x = top.norm('bn', x)
        for conv, padding in ((0, 0), (4, 1), (8, 1)):
            name = 'dkd_param_adapter.{}'
            x = top.conv(name.format(conv), x, padding=padding)
            x = F.relu(top.norm(name.format(conv + 1), x))
            x = F.max_pool2d(x, 2, 2)
        x = top.conv('dkd_param_adapter.12', x, padding=1)
        kernels = top.norm('dkd_param_adapter.13', x)
        response = dynamic_conv(feats, kernels)
        if norm_response:
            response = top.norm('bn', response)
        heatmaps = top.norm('bn_u', top.conv('pose_conv1x1_U', response))
        heatmaps = top.norm('bn_u', relation(top, heatmaps, rows_sum_to_one))
        clip.append(heatmaps)
        remembered = feats
    return torch.stack(clip, dim=1)
