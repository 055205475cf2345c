# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What a SimpleBaseline's weights are called and how large they are.

The names are those of Microsoft's `human-pose-estimation.pytorch
<https://github.com/microsoft/human-pose-estimation.pytorch>`_, which the
authors of RPSTN used: ``conv1``, ``bn1``, ``layer1`` to ``layer4``,
``deconv_layers``, ``final_layer``.
"""

from __future__ import annotations

import re
from typing import Dict, Iterable, Tuple

from torch import Tensor

Shapes = Dict[str, Tuple[int, ...]]

# depth: (has bottlenecks, blocks of each stage)
RESNETS = {
    18: (False, (2, 2, 2, 2)),
    34: (False, (3, 4, 6, 3)),
    50: (True, (3, 4, 6, 3)),
    101: (True, (3, 4, 23, 3)),
    152: (True, (3, 8, 36, 3)),
}
STEM_CHANNELS = 64
DECONV_CHANNELS = 256
NUM_DECONVS = 3
COUNTER = 'num_batches_tracked'
_NORM_LEAVES = ('weight', 'bias', 'running_mean', 'running_var')


def feature_channels(depth: int) -> int:
    """Channels of a ResNet's last feature map."""
    return 2048 if RESNETS[depth][0] else 512


def recognise_depth(names: Iterable[str]) -> int:
    """Depth of the ResNet that has these tensors.

    Args:
        names (Iterable[str]): ``layer1.0.conv1.weight`` and so on; others
            are passed over.

    Raises:
        ValueError: If no ResNet has these blocks.
    """
    blocks = {stage: set() for stage in range(1, 5)}
    bottlenecks = False
    for name in names:
        found = re.match(r'layer([1-4])\.(\d+)\.(\w+)\.', name)
        if found:
            blocks[int(found[1])].add(int(found[2]))
            bottlenecks |= found[3] == 'conv3'
    counts = tuple(len(found) for found in blocks.values())
    for depth, design in RESNETS.items():
        if design == (bottlenecks, counts):
            return depth
    kind = 'bottleneck' if bottlenecks else 'basic'
    known = ', '.join(str(depth) for depth in RESNETS)
    raise ValueError(
        f'{counts} {kind} blocks are those of no ResNet ({known})'
        '; the file is incomplete or of another network'
    )


def norm_shapes(name: str, channels: int) -> Shapes:
    """Tensors of a batch normalization, its counter left out."""
    return {f'{name}.{leaf}': (channels,) for leaf in _NORM_LEAVES}


def simple_baseline_shapes(
    depth: int, num_joints: int | None = None
) -> Shapes:
    """Every tensor of a SimpleBaseline, counters left out.

    Args:
        depth (int): Of its ResNet.
        num_joints (int, optional): K. ``None`` leaves the last 1x1 out (the
            feature extractor of RPSTN).

    Returns:
        dict[str, tuple[int, ...]]: Shapes by Microsoft's names.
    """
    bottlenecks, counts = RESNETS[depth]
    shapes = {'conv1.weight': (STEM_CHANNELS, 3, 7, 7)}
    shapes.update(norm_shapes('bn1', STEM_CHANNELS))
    channels = STEM_CHANNELS
    for stage, count in enumerate(counts):
        width = STEM_CHANNELS * 2**stage
        out = 4 * width if bottlenecks else width
        for number in range(count):
            block = f'layer{stage + 1}.{number}'
            if bottlenecks:
                convs = (
                    (width, channels, 1),
                    (width, width, 3),
                    (out, width, 1),
                )
            else:
                convs = ((width, channels, 3), (width, width, 3))
            for i, (after, before, side) in enumerate(convs, 1):
                shapes[f'{block}.conv{i}.weight'] = (after, before, side, side)
                shapes.update(norm_shapes(f'{block}.bn{i}', after))
            if number == 0 and (stage > 0 or channels != out):
                shapes[f'{block}.downsample.0.weight'] = (out, channels, 1, 1)
                shapes.update(norm_shapes(f'{block}.downsample.1', out))
            channels = out
    for i in range(NUM_DECONVS):
        # a layer, its norm and a ReLU
        name = f'deconv_layers.{3 * i}'
        shapes[f'{name}.weight'] = (channels, DECONV_CHANNELS, 4, 4)
        shapes.update(
            norm_shapes(f'deconv_layers.{3 * i + 1}', DECONV_CHANNELS)
        )
        channels = DECONV_CHANNELS
    if num_joints is not None:
        shapes['final_layer.weight'] = (num_joints, channels, 1, 1)
        shapes['final_layer.bias'] = (num_joints,)
    return shapes


def check_tensors(state: dict[str, Tensor], shapes: Shapes) -> None:
    """See that every tensor is there, has its shape and is of floats.

    Args:
        state (dict[str, Tensor]): Weights.
        shapes (dict[str, tuple[int, ...]]): What is needed. More may be in
            ``state``.

    Raises:
        ValueError: One line that names the first tensors at fault.
    """
    missing = [name for name in shapes if name not in state]
    if missing:
        raise ValueError(
            f'{len(missing)} of {len(shapes)} tensors are missing, first '
            f'{missing[0]}; the file is incomplete or of another network'
        )
    for name, shape in shapes.items():
        value = state[name]
        if tuple(value.shape) != shape:
            raise ValueError(
                f'{name} has the shape {tuple(value.shape)}, '
                f'and {shape} is needed; the file is of another '
                'network'
            )
        if not value.is_floating_point():
            raise ValueError(
                f'{name} holds {value.dtype}, and floating point '
                'numbers are needed'
            )


def plain_state(checkpoint: dict) -> dict[str, Tensor]:
    """The state dict in a checkpoint, without ``module.`` of DataParallel.

    Args:
        checkpoint (dict): A state dict, or a checkpoint that has one.

    Raises:
        ValueError: If there is none.
    """
    state = checkpoint.get('state_dict', checkpoint)
    if not isinstance(state, dict) or not state:
        raise ValueError('it has no weights')
    prefix = 'module.'
    plain = {}
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ValueError(
                f'its entry {str(name)[:40]!r} is no tensor; a '
                'state dict, or a dict with the key '
                '"state_dict", is needed'
            )
        plain[name[len(prefix) :] if name.startswith(prefix) else name] = value
    return plain


def norm_counters(state: dict[str, Tensor], shapes: Shapes) -> list[str]:
    """Names of the counters that belong to norms of ``shapes``."""
    return sorted(
        name
        for name, value in state.items()
        if name.endswith(COUNTER)
        and f'{name[: -len(COUNTER)]}running_mean' in shapes
        and value.dim() == 0
    )


def count_blocks(names: Iterable[str], chain: str) -> int:
    """How many numbered parts a chain has, ``CHAIN.0.``, ``CHAIN.1.``, ...

    Raises:
        ValueError: If one in between is missing.
    """
    pattern = re.compile(rf'{re.escape(chain)}\.(\d+)\.')
    numbers = {int(found[1]) for found in map(pattern.match, names) if found}
    for number in range(len(numbers)):
        if number not in numbers:
            raise ValueError(
                f'{chain}.{number} is missing and later ones are there; the '
                'file is incomplete or of another network'
            )
    return len(numbers)
