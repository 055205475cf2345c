# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Any, Iterable, Sequence

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmpose.registry import HOOKS
from torch import nn


@HOOKS.register_module()
class TrainOnlyHook(Hook):
    """Trains the named parts of a model and leaves the rest as it is.

    ``TrainOnlyHook(names=['relation'])`` trains the joint relation on top of
    a finished image model. All other parameters stop requiring a gradient,
    and all other modules stay in evaluation mode while the model trains:
    batch norms keep and use their statistics, dropout and drop path are off.
    Weight decay does not reach them either, for torch's optimizers pass over
    parameters without a gradient.

    Args:
        names (Sequence[str]): A parameter is trained if its name, such as
            ``head.relation.conv_o.weight``, contains one of them; as in
            ``custom_keys`` of MMEngine's ``paramwise_cfg``.

    Raises:
        ValueError: If ``names`` is empty or a single string. When a training
            starts: if one of them matches no parameter, or if the model is
            distributed and does not look for unused parameters.
    """

    def __init__(self, names: Sequence[str]) -> None:
        if isinstance(names, str) or not names:
            raise ValueError(
                f'{self.__class__.__name__}: names must be a list with at '
                f'least one part of a parameter name, but got {names!r}'
            )
        self.names = tuple(names)
        self._frozen: list[nn.Module] = []

    def before_train(self, runner: Runner) -> None:
        """Freeze the other parameters.

        Args:
            runner (Runner): The runner of the process, its weights loaded.
        """
        model = runner.model
        # The wrapper was made when all parameters were to be trained.
        if is_model_wrapper(model) and not getattr(
            model, 'find_unused_parameters', True
        ):
            raise ValueError(
                f'{self.__class__.__name__}: distributed training waits for '
                'the gradients of frozen parameters; set '
                'find_unused_parameters=True in the config, but it is False'
            )
        if is_model_wrapper(model):
            model = model.module
        parameters = dict(model.named_parameters())
        for wanted in self.names:
            if not any(wanted in name for name in parameters):
                raise ValueError(
                    f'{self.__class__.__name__}: no parameter of '
                    f'{type(model).__name__} has {wanted!r} in its name; '
                    f'there are {_first_levels(parameters)}'
                )
        for name, parameter in parameters.items():
            parameter.requires_grad_(self._matches(name))
        trained = [name for name in parameters if self._matches(name)]
        self._frozen = [
            module
            for name, module in model.named_modules()
            if not self._matches(name)
            and not any(
                item.startswith(f'{name}.' if name else '') for item in trained
            )
        ]

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Put frozen modules into evaluation mode.

        A runner puts the whole model into training mode at the start of an
        epoch and after a validation.

        Args:
            runner (Runner): The runner of the process.
            batch_idx (int): Not used.
            data_batch: Not used.
        """
        for module in self._frozen:
            module.training = False

    def _matches(self, name: str) -> bool:
        return any(wanted in name for wanted in self.names)


def _first_levels(names: Iterable[str]) -> str:
    """``backbone.conv1``, ``head.relation``, ... of full names."""
    levels = dict.fromkeys('.'.join(name.split('.')[:2]) for name in names)
    return ', '.join(levels)
