# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from copy import deepcopy
from typing import Dict, Optional, Union

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmpose.registry import HOOKS
from torch import nn

from ...models.utils.fast_inference import DTYPES, optimize_for_inference


@HOOKS.register_module()
class FastInferenceHook(Hook):
    """Tests and validates with a faster copy of the model.

    The copy is made by
    :func:`~rpstn_mmpose.models.utils.fast_inference.optimize_for_inference`
    from the weights as they are when the test starts (those of EMAHook,
    where there is one), and dropped after it: the model that trains, and
    that checkpoints are written from, is never touched. It needs the memory
    of the model a second time.

    Args:
        fuse (bool): Work batch norms into convolutions.
        channels_last (bool): Keep maps in channels-last order.
        dtype (str, optional): ``'bfloat16'`` or ``'float16'``. Defaults to
            ``None``, float32.
        compile (bool | dict): Use ``torch.compile``, with these arguments.

    Raises:
        ValueError: For another dtype.
    """

    # After EMAHook has put its weights in; before CheckpointHook, which
    # saves the best model at the end of a validation.
    priority = 'LOW'

    def __init__(self,
                 fuse: bool = True,
                 channels_last: bool = True,
                 dtype: Optional[str] = None,
                 compile: Union[bool, dict] = False) -> None:
        if dtype is not None and dtype not in DTYPES:
            raise ValueError(
                f'{self.__class__.__name__}: dtype must be one of '
                f'{sorted(DTYPES)} or None, but got {dtype!r}')
        self.options = dict(
            fuse=fuse,
            channels_last=channels_last,
            dtype=dtype,
            compile=compile)
        self._model: Optional[nn.Module] = None

    def before_test_epoch(self, runner: Runner) -> None:
        """Put the copy in the model's place.

        Args:
            runner (Runner): The runner of the process.
        """
        self._model = model = runner.model
        if is_model_wrapper(model):
            model = model.module
        runner.model = optimize_for_inference(deepcopy(model), **self.options)

    def after_test_epoch(self,
                         runner: Runner,
                         metrics: Optional[Dict[str, float]] = None) -> None:
        """Put the model back.

        Args:
            runner (Runner): The runner of the process.
            metrics (dict, optional): Not used.
        """
        runner.model, self._model = self._model, None

    before_val_epoch = before_test_epoch
    after_val_epoch = after_test_epoch
