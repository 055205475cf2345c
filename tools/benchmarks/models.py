# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The model under test, its inputs, and the released arrangement of it."""

from __future__ import annotations

import copy
from pathlib import Path

from .bench import CLIP_LENGTH, Bench


def build_model(bench: Bench, **train_cfg):
    """The config's model, in evaluation mode, on the device."""
    from mmengine.config import Config
    from mmpose.registry import MODELS

    cfg = load_config(bench.args.config)
    model_cfg = Config(copy.deepcopy(cfg.model.to_dict()))
    model_cfg.image_pretrained = None
    model_cfg.train_cfg = dict(model_cfg.get('train_cfg') or {}, **train_cfg)
    for part in (
        model_cfg.backbone,
        model_cfg.get('initializer', {}).get('backbone', {}),
    ):
        part.pop('init_cfg', None)
    import torch

    torch.manual_seed(0)
    model = MODELS.build(model_cfg)
    model.init_weights()
    if bench.args.checkpoint:
        from rpstn_mmpose.engine import load_weights
        from rpstn_mmpose.engine.hooks.checkpoint_guard_hook import (
            check_checkpoint_matches,
        )

        check_checkpoint_matches(
            model,
            load_weights(bench.args.checkpoint, map_location='cpu'),
            bench.args.checkpoint,
        )
    else:
        settle(model, random_clips(model, 2, CLIP_LENGTH))
    return model.eval().to(bench.args.device)


def load_config(name: str):
    from mmengine.config import Config

    import rpstn_mmpose

    path = name if Path(name).is_file() else rpstn_mmpose.config_path(name)
    return Config.fromfile(path)


def random_clips(model, batch: int, length: int, seed: int = 0):
    import torch

    width, height = model.head.decoder.input_size
    generator = torch.Generator().manual_seed(seed)
    clips = torch.randn(batch, length, 3, height, width, generator=generator)
    return clips.to(next(model.parameters()).device)


def settle(model, clips) -> None:
    """Give a fresh network the scales of a trained one: batch norms take
    the clips' statistics, and the initializer's heatmaps reach one."""
    import torch
    from torch.nn.modules.batchnorm import _BatchNorm

    norms = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    with torch.no_grad():
        for norm in norms:
            norm.momentum = 1.0
        model.train()
        model(clips, None, mode='tensor')
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum
        model.eval()
        if not hasattr(model, 'initial_heatmaps'):
            return
        first = model.initial_heatmaps(clips)
        if first is not None:
            scale = 1 / first.abs().max().clamp_min(1e-12)
            for weight in model.initializer.head.final_layer.parameters():
                weight.mul_(scale)


def released_arrangement(model, clips):
    """Heatmaps of clips the way the paper's code goes about it."""
    import torch

    feats = [model.extract_feat(clip) for clip in clips.split(1, dim=1)]
    initial = model.initial_heatmaps(clips)
    heatmaps, state = model.start(
        feats[0][:, 0], None if initial is None else initial[:, 0]
    )
    frames = [heatmaps]
    for frame in feats[1:]:
        heatmaps, state = model.step(frame[:, 0], state)
        frames.append(heatmaps)
    return torch.stack(frames, dim=1)


def difference(a, b) -> float:
    return float((a.float() - b.float()).abs().max())
