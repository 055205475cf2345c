# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

import re
from collections import OrderedDict
from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop, Runner, find_latest_checkpoint
from mmpose.registry import HOOKS
from torch import nn

from ...checkpoints import CheckpointError
from ...checkpoints.contents import check_kinds
from ...checkpoints.image_pretrained import what_is_new
from ..resume_state import check_resume_state
from ..start_weights import check_weights


def check_checkpoint_matches(
    model: nn.Module,
    checkpoint: dict[str, Any],
    filename: str,
    min_matched: float = 1.0,
) -> float:
    """Load a checkpoint into its model, and refuse a foreign one.

    It is loaded as torch does it, so a model's own hooks for old names (as
    MMPose's estimators have) get their say before anything counts as missing.

    Args:
        model: Model, unwrapped.
        checkpoint: State dict, or mmengine's checkpoint that has one.
        filename: For the message.
        min_matched: Least share of the model's parameters and buffers that
            the checkpoint has to fill, 0 to 1. Counters of batch norms
            (``num_batches_tracked``) do not count.

    Returns:
        float: The share that it fills.

    Raises:
        CheckpointError: It fills less, or has another shape or kind of
            number for one.
    """
    state = _weights(checkpoint)
    check_kinds(model, state, filename)
    who = type(model).__name__
    try:
        missing = model.load_state_dict(state, strict=False).missing_keys
    except RuntimeError as error:
        sizes = re.findall(r'size mismatch for .*', str(error))
        if not sizes:
            raise
        raise CheckpointError(
            f'{filename} is not a checkpoint of this {who}: {len(sizes)} of '
            f'its entries have another shape, first {_shorten(sizes[0])} Take '
            'the config it was trained with.'
        ) from None
    wanted = [name for name in model.state_dict() if _counts(name)]
    missing = [name for name in missing if _counts(name)]
    share = 1 - len(missing) / len(wanted) if wanted else 1.0
    if share < min_matched:
        shown = ', '.join(missing[:3]) + (', ...' if missing[3:] else '')
        raise CheckpointError(
            f'{filename} is not a checkpoint of this {who}: it has '
            f"{len(wanted) - len(missing)} of the model's {len(wanted)} "
            f'entries ({share:.0%}; {min_matched:.0%} needed), missing '
            f'{shown}. Take the config it was trained with.'
        )
    return share


def _weights(checkpoint: dict[str, Any]) -> dict[str, Any]:
    state = checkpoint.get('state_dict', checkpoint)
    return OrderedDict(
        (re.sub(r'^module\.', '', name), value)
        for name, value in state.items()
    )


def _counts(name: str) -> bool:
    return not name.endswith('num_batches_tracked')


def _shorten(line: str) -> str:
    found = re.match(
        r'size mismatch for (\S+): .*?shape (torch\.Size\(.*?\)).*?'
        r'shape in current model is (torch\.Size\(.*?\))',
        line,
    )
    if found is None:
        return line
    return f'{found[1]} ({found[2]} in the file, {found[3]} in the model).'


@HOOKS.register_module()
class CheckpointGuardHook(Hook):
    """Refuses to test, or to resume from, another model's checkpoint.

    mmengine loads whatever names match and only logs the rest, so a test of
    a wrong file would score random weights. Starting a training from partly
    matching weights (``load_from`` without ``resume``) stays allowed, as long
    as those that match are numbers of the model's kind; a line names what is
    new. To resume, the state
    of optimizer and schedulers has to fit the config's, too.

    Args:
        min_matched: See :func:`check_checkpoint_matches`.

    Raises:
        ValueError: ``min_matched`` is not in 0 to 1.
    """

    # After hooks that change what is loaded, such as EMAHook.
    priority = 'VERY_LOW'

    def __init__(self, min_matched: float = 1.0) -> None:
        if not 0 <= min_matched <= 1:
            raise ValueError(
                'CheckpointGuardHook: min_matched has to lie in 0 to 1, got '
                f'{min_matched}'
            )
        self.min_matched = min_matched

    def before_run(self, runner: Runner) -> None:
        """Look for the start weights, before mmengine loads them."""
        if isinstance(runner._train_loop, BaseLoop):
            check_weights(runner.cfg)

    def after_load_checkpoint(
        self, runner: Runner, checkpoint: dict[str, Any]
    ) -> None:
        """Check what mmengine is about to load."""
        training = isinstance(runner._train_loop, BaseLoop)
        filename = _loaded_file(runner) or 'The checkpoint'
        model = runner.model
        model = model.module if is_model_wrapper(model) else model
        if training and not runner._resume:
            state = _weights(checkpoint)
            check_kinds(model, state, filename)
            _say_what_is_new(model, state, filename)
            return
        check_checkpoint_matches(
            model, checkpoint, filename, min_matched=self.min_matched
        )
        if training:
            check_resume_state(runner, checkpoint, filename)


def _say_what_is_new(
    model: nn.Module, state: dict[str, Any], filename: str
) -> None:
    """One line about a start from weights that fit partly; mmengine lists
    every entry.
    """
    own = model.state_dict()
    loaded = {
        name
        for name, value in own.items()
        if getattr(state.get(name), 'shape', None) == value.shape
    }
    new = what_is_new(model, loaded)
    if new:
        print_log(
            f'{len(loaded)} of {len(own)} tensors of {type(model).__name__} '
            f'start from {filename}{new}',
            logger='current',
        )


def _loaded_file(runner: Runner) -> str | None:
    return runner._load_from or find_latest_checkpoint(runner.work_dir)
