# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Options of the video estimator that are wrong or would do nothing."""
from __future__ import annotations

from typing import Optional

STARTS = ('features', 'none')
TRAIN_CFG = dict(
    initializer_gradient=True,
    initializer_loss_weight=0.0,
    initializer_loss_frames='first',
    state_gradient=True,
    compute_acc=True,
    frames_per_pass=None,
    checkpointing=False)
TEST_CFG = ('both_directions', 'decode_on_device', 'flip_mode', 'flip_test',
            'output_heatmaps', 'output_keypoint_indices', 'shift_heatmap')


def complete_train_cfg(name: str, train_cfg: Optional[dict],
                       initializer: bool, state: bool) -> dict:
    """Check ``train_cfg`` and fill in its defaults.

    ``initializer_gradient=False`` may stand where there is no initializer
    network, so that a recipe is free to replace that alone.

    Args:
        name (str): Class of the estimator, for the error lines.
        train_cfg (dict, optional): As given.
        initializer (bool): Whether there is an initializer network.
        state (bool): Whether anything is carried from frame to frame.

    Returns:
        dict: With an entry for each key of ``TRAIN_CFG``.

    Raises:
        ValueError: An unknown option, a wrong value, or an option that would
            do nothing.
    """
    train_cfg = dict(train_cfg or {})
    unknown = sorted(set(train_cfg) - set(TRAIN_CFG))
    if unknown:
        raise ValueError(f'{name}: unknown train_cfg {unknown}; it takes '
                         f'{sorted(TRAIN_CFG)}')
    train_cfg = {**TRAIN_CFG, **train_cfg}
    frames = train_cfg['initializer_loss_frames']
    if frames not in ('first', 'all'):
        raise ValueError(f"{name}: initializer_loss_frames must be 'first' or "
                         f"'all', but got {frames!r}")
    per_pass = train_cfg['frames_per_pass']
    if per_pass is not None and per_pass < 1:
        raise ValueError(f'{name}: frames_per_pass must be at least 1, or '
                         f'None for all, but got {per_pass}')
    weight = train_cfg['initializer_loss_weight']
    if weight and not initializer:
        raise ValueError(f'{name}: initializer_loss_weight needs an '
                         'initializer network of its own')
    if frames == 'all' and not weight > 0:
        raise ValueError(f"{name}: initializer_loss_frames='all' does nothing "
                         'with initializer_loss_weight=0; set a weight, or '
                         'leave it out')
    if not train_cfg['state_gradient'] and not state:
        raise ValueError(f'{name}: state_gradient=False does nothing without '
                         'a neck or a memory, which carry heatmaps from frame '
                         'to frame; leave it out')
    return train_cfg


def check_test_cfg(name: str, test_cfg: Optional[dict], state: bool) -> None:
    """Check that every option of ``test_cfg`` is one that does something.

    ``flip_mode`` and ``shift_heatmap`` may stand beside ``flip_test=False``,
    so that one option switches the flip test off.

    Args:
        name (str): Class of the estimator, for the error lines.
        test_cfg (dict, optional): As given.
        state (bool): Whether a frame's heatmaps depend on other frames.

    Raises:
        ValueError: An unknown option, or one that would do nothing.
    """
    test_cfg = test_cfg or {}
    unknown = sorted(set(test_cfg) - set(TEST_CFG))
    if unknown:
        raise ValueError(f'{name}: unknown test_cfg {unknown}; it takes '
                         f'{sorted(TEST_CFG)}')
    if test_cfg.get('both_directions', False) and not state:
        raise ValueError(f'{name}: both_directions does nothing without a '
                         'neck or a memory, as every frame is estimated '
                         'alone; leave it out')
