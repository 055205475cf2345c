# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Start a video model from a trained image model (RPSTN, Sec. IV-B)."""

from __future__ import annotations

from typing import Container, Iterable, Iterator, Mapping, Sequence

import torch
from mmengine.logging import print_log
from mmengine.runner.checkpoint import CheckpointLoader
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from torch import Tensor, nn

MICROSOFT_HEAD = ('deconv_layers.', 'final_layer.')


def has_microsoft_names(names: Iterable[str]) -> bool:
    """Whether tensors are named as in Microsoft's
    human-pose-estimation.pytorch, whose networks take BGR pictures.
    """
    return bool(
        {'final_layer.weight', 'module.final_layer.weight'} & set(names)
    )


def image_state_dict(checkpoint: dict) -> dict[str, Tensor]:
    """A checkpoint's weights under the names that MMPose 1.x gives them.

    MMPose 0.x called the head ``keypoint_head`` and a multi-stage head's last
    layers ``multi_final_layers.N``; distributed training wrote ``module.``.
    Of several stages the last one is taken. Microsoft's SimpleBaseline has
    no ``backbone.`` and ``head.`` in its names.
    """
    state = checkpoint.get('state_dict', checkpoint)
    renamed = {}
    for name, value in state.items():
        name = name[len('module.') :] if name.startswith('module.') else name
        renamed[name.replace('keypoint_head.', 'head.', 1)] = value
    if has_microsoft_names(renamed):
        renamed = {
            ('head.' if name.startswith(MICROSOFT_HEAD) else 'backbone.')
            + name: value
            for name, value in renamed.items()
        }
    prefix = 'head.multi_final_layers.'
    stages = {
        k[len(prefix) :].split('.')[0] for k in renamed if k.startswith(prefix)
    }
    if stages:
        last = max(stages, key=int)
        for name in [k for k in renamed if k.startswith(prefix + last)]:
            leaf = name.rsplit('.', 1)[1]
            renamed[f'head.final_layer.{leaf}'] = renamed[name]
    return renamed


def source_channels(
    joints: Sequence[str], source_names: Sequence[str], checkpoint: str
) -> list[int]:
    """The channel of each wanted joint in the source model.

    Raises:
        ValueError: If the source model has no joint of a wanted name.
    """
    missing = [joint for joint in joints if joint not in source_names]
    if missing:
        raise ValueError(
            f'{checkpoint} has no joints {missing}; it has '
            f'{list(source_names)}'
        )
    return [list(source_names).index(joint) for joint in joints]


def select_joints(
    source: dict[str, Tensor], order: Sequence[int]
) -> dict[str, Tensor]:
    """The weights with these channels of the last 1x1, in this order."""
    order = list(order)
    return {
        name: value[order] if name.startswith('head.final_layer.') else value
        for name, value in source.items()
    }


def video_state_dict(
    source: dict[str, Tensor], destinations: Mapping[str, Sequence[str]]
) -> dict[str, Tensor]:
    """An image model's weights under the names of a video model's parts.

    Args:
        source (dict[str, Tensor]): See :func:`image_state_dict`.
        destinations (Mapping): The video model's ``image_weights``: prefixes
            of the image model's names to prefixes of its own.

    Returns:
        dict[str, Tensor]: Those of extractor, initializer and 1x1; the
        tensors are not copied.
    """
    return {
        destination + name[len(prefix) :]: value
        for prefix, targets in destinations.items()
        for name, value in source.items()
        if name.startswith(prefix)
        for destination in targets
    }


def what_is_new(model: nn.Module, loaded: Container[str]) -> str:
    """The parts of a model that a checkpoint has no weights for.

    Args:
        model (nn.Module): Which was, or will be, loaded.
        loaded (Container[str]): Names of its tensors that are loaded.

    Returns:
        str: ``'; new: '`` and the largest parts of which nothing is loaded,
        or nothing where there are none.
    """

    def parts(module: nn.Module, prefix: str) -> Iterator[str]:
        names = [
            prefix + name
            for name in module.state_dict()
            if not name.endswith('num_batches_tracked')
        ]
        if not any(name in loaded for name in names):
            yield from [prefix[:-1]] if names else []
            return
        inner = {prefix + name for name, _ in module.named_children()}
        for name in names:
            own = name[len(prefix) :].partition('.')[0]
            if prefix + own not in inner and name not in loaded:
                yield name
        for name, child in module.named_children():
            yield from parts(child, f'{prefix}{name}.')

    new = list(parts(model, ''))
    return f'; new: {", ".join(new)}' if new else ''


def load_image_pretrained(
    model: nn.Module,
    checkpoint: str,
    joints: Sequence[str] | None = None,
    source_metainfo: str | None = None,
) -> None:
    """Copy an image model's weights into a video model's parts.

    Args:
        model (nn.Module): An estimator of clips; its ``image_weights`` tell
            where the parts of the image model go.
        checkpoint (str): Path or URL of a checkpoint of an MMPose top-down
            heatmap model, or of a SimpleBaseline of Microsoft's
            human-pose-estimation.pytorch. The latter is trained on BGR
            pictures: ``bgr_to_rgb=False`` in the data preprocessor.
        joints (Sequence[str], optional): For each of the K output joints the
            name of the source model's joint that it starts from. ``None``:
            the source has the same joints in the same order.
        source_metainfo (str, optional): MMPose metainfo file that names the
            source's joints. ``None``: the checkpoint's own ``dataset_meta``
            names them. Only used with ``joints``.

    Raises:
        ValueError: If a part of the model finds no weights of its shape in
            the checkpoint, or a joint's name is not known to it.
    """
    content = CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu')
    source = image_state_dict(content)
    if joints is not None:
        if source_metainfo is not None:
            meta = parse_pose_metainfo(dict(from_file=source_metainfo))
        else:
            meta = content.get('meta', {}).get('dataset_meta', {})
        names = meta.get('keypoint_id2name')
        if not names:
            raise ValueError(
                f'{checkpoint} does not name its joints; give source_metainfo'
            )
        order = source_channels(
            joints, [names[i] for i in sorted(names)], checkpoint
        )
        source = select_joints(source, order)

    own = model.state_dict()
    loaded = {}
    for source_prefix, prefixes in model.image_weights.items():
        for prefix in prefixes:
            wanted = [name for name in own if name.startswith(prefix)]
            for name in wanted:
                value = source.get(source_prefix + name[len(prefix) :])
                if value is None and name.endswith('num_batches_tracked'):
                    continue
                if value is None or value.shape != own[name].shape:
                    found = 'nothing' if value is None else tuple(value.shape)
                    raise ValueError(
                        f'{checkpoint} does not fit this model: {name} needs '
                        f'{tuple(own[name].shape)}, and the checkpoint has '
                        f'{found} for {source_prefix + name[len(prefix) :]}; '
                        'use a checkpoint of the same backbone and joints'
                    )
                loaded[name] = value
    with torch.no_grad():
        for name, value in loaded.items():
            own[name].copy_(value)
    note = ''
    if has_microsoft_names(content.get('state_dict', content)):
        note = (
            ", which has Microsoft's naming: such networks are trained on "
            'BGR pictures (data_preprocessor.bgr_to_rgb=False)'
        )
    print_log(
        f'{len(loaded)} of {len(own)} tensors of '
        f'{model.__class__.__name__} start from {checkpoint}{note}'
        + what_is_new(model, loaded),
        logger='current',
    )
