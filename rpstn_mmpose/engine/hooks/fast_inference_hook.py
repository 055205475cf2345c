# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from copy import deepcopy

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmpose.registry import HOOKS
from torch import nn

from ...speed.decode_heatmaps import check_decodable
from ...speed.fast_inference import DTYPES, optimize_for_inference


@HOOKS.register_module()
class FastInferenceHook(Hook):
    """Tests and validates with a faster copy of the model.

    The copy is made by
    :func:`~rpstn_mmpose.speed.fast_inference.optimize_for_inference`
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
        graphs (bool): On a GPU, give it each clip by one call. Defaults to
            ``True``.
        decode_on_device (bool): Switch on that option of the ``test_cfg`` of
            a recurrent estimator, such as ``VideoTopdownPoseEstimator``: on a
            GPU, no heatmaps are copied to the host. Defaults to ``False``.

    Raises:
        ValueError: For another dtype; and at the start of a test, if
            ``decode_on_device`` is set for an image model, or for a codec
            that it does not know.
    """

    # After EMAHook has put its weights in; before CheckpointHook, which
    # saves the best model at the end of a validation.
    priority = 'LOW'

    def __init__(
        self,
        fuse: bool = True,
        channels_last: bool = True,
        dtype: str | None = None,
        compile: bool | dict = False,
        decode_on_device: bool = False,
        graphs: bool = True,
    ) -> None:
        if dtype is not None and dtype not in DTYPES:
            raise ValueError(
                f'{self.__class__.__name__}: dtype must be one of '
                f'{sorted(DTYPES)} or None, but got {dtype!r}'
            )
        self.options = dict(
            fuse=fuse,
            channels_last=channels_last,
            dtype=dtype,
            compile=compile,
            graphs=graphs,
        )
        self.decode_on_device = decode_on_device
        self._model: nn.Module | None = None

    def before_test_epoch(self, runner: Runner) -> None:
        """Put the copy in the model's place.

        Args:
            runner (Runner): The runner of the process.
        """
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        if self.decode_on_device:
            self._check_decodable(model)
        model = optimize_for_inference(deepcopy(model), **self.options)
        if self.decode_on_device:
            model.test_cfg = dict(model.test_cfg, decode_on_device=True)
        self._model, runner.model = runner.model, model

    def _check_decodable(self, model: nn.Module) -> None:
        """See that the model has the option, and that it fits."""
        if getattr(model, 'kind', None) != 'recurrent':
            raise ValueError(
                f'{self.__class__.__name__}: decode_on_device is an option '
                'of VideoTopdownPoseEstimator, and the model is a '
                f'{type(model).__name__}; leave it out'
            )
        check_decodable(model.head.decoder)

    def after_test_epoch(
        self, runner: Runner, metrics: dict[str, float] | None = None
    ) -> None:
        """Put the model back.

        Args:
            runner (Runner): The runner of the process.
            metrics (dict, optional): Not used.
        """
        runner.model, self._model = self._model, None

    before_val_epoch = before_test_epoch
    after_val_epoch = after_test_epoch
