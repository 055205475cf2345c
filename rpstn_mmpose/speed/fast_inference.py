# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Make a trained model faster without changing what it says."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Callable, List, Tuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .cuda_graph import graph_methods

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
DTYPES = dict(bfloat16=torch.bfloat16, float16=torch.float16)
# What MMPose's own classes cannot tell about themselves: the 1x1 to the
# heatmaps stays in float32, and these parts may be compiled.
PRECISE_PARTS = ('final_layer',)
COMPILED_PARTS = ('backbone', 'neck', 'head')


def device_of(model: nn.Module) -> torch.device:
    """Where a model's weights are."""
    return next(model.parameters()).device


def example_inputs(model: nn.Module) -> Tensor:
    """Random inputs of the size that an estimator's codec names.

    Args:
        model (nn.Module): An image or video estimator whose head has a
            decoder.

    Returns:
        Tensor: One image (1, 3, H, W), or a clip (1, T, 3, H, W) of the
        estimator's ``example_frames``.

    Raises:
        ValueError: If the head has no decoder that names the input size.
    """
    decoder = getattr(getattr(model, 'head', None), 'decoder', None)
    size = getattr(decoder, 'input_size', None)
    if size is None:
        raise ValueError(
            f'{type(model).__name__}: its head has no decoder that tells the '
            'input size; give example inputs'
        )
    count = getattr(model, 'example_frames', None)
    frames = () if count is None else (count,)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(1, *frames, 3, size[1], size[0], generator=generator)
    return images.to(device_of(model))


def _heatmaps(model: nn.Module, inputs: Tensor) -> Tensor:
    with torch.no_grad():
        maps = model(inputs, None, mode='tensor')
    if not isinstance(maps, Tensor):
        raise ValueError(
            f'{type(model).__name__} with a {type(model.head).__name__} gives '
            'no heatmaps, and only models of heatmaps can be made fast; one '
            'of SimCC, such as RTMPose, gives them with a memory'
        )
    return maps


Pairs = List[Tuple[nn.Module, _BatchNorm]]


def conv_bn_pairs(model: nn.Module, inputs: Tensor) -> tuple[Pairs, Tensor]:
    """Which batch norms always take exactly what one convolution gives.

    The model is run and watched. The order in which layers are registered,
    which other tools go by, tells nothing: in a head with a joint relation
    the norm comes right after the 1x1 in that order and is applied after the
    relation; and the released network shares one norm between two
    convolutions.

    Args:
        model (nn.Module): In evaluation mode.
        inputs (Tensor): What it takes in ``mode='tensor'``.

    Returns:
        tuple: Pairs of convolution and norm, and the heatmaps of the run.
    """
    given: dict[int, tuple] = {}
    takers: dict[nn.Module, set] = {}
    givers: dict[nn.Module, set] = {}
    calls: dict[nn.Module, int] = {}

    def after_conv(conv: Any, args: Any, output: Any) -> None:
        calls[conv] = calls.get(conv, 0) + 1
        # Kept, so that no later tensor can have its id.
        given[id(output)] = (conv, output, output._version)

    def before_norm(norm: Any, args: Any) -> None:
        calls[norm] = calls.get(norm, 0) + 1
        conv, output, version = given.get(id(args[0]), (None, None, None))
        if output is not None and output._version != version:
            conv = None  # changed in place on the way
        givers.setdefault(norm, set()).add(conv)
        if conv is not None:
            takers.setdefault(conv, set()).add(norm)

    hooks = []
    for module in model.modules():
        if isinstance(module, CONVOLUTIONS):
            hooks.append(module.register_forward_hook(after_conv))
        elif isinstance(module, _BatchNorm):
            hooks.append(module.register_forward_pre_hook(before_norm))
    try:
        heatmaps = _heatmaps(model, inputs)
    finally:
        for hook in hooks:
            hook.remove()
    pairs = []
    for conv, norms in takers.items():
        norm = next(iter(norms))
        grouped_deconv = (
            isinstance(conv, nn.ConvTranspose2d) and conv.groups > 1
        )
        if (
            len(norms) == 1
            and givers[norm] == {conv}
            and calls[norm] == calls[conv]
            and norm.running_mean is not None
            and not grouped_deconv
        ):
            pairs.append((conv, norm))
    return pairs, heatmaps


def _replace(model: nn.Module, new: dict[nn.Module, nn.Module]) -> None:
    for parent in list(model.modules()):
        for name, child in list(parent._modules.items()):
            if child in new:
                setattr(parent, name, new[child])


def _fuse(
    model: nn.Module, inputs: Tensor
) -> tuple[dict[nn.Module, nn.Module], float]:
    """Fuse in place; what :func:`_replace` needs to undo it, and by which
    share of its largest value the output has changed.
    """
    pairs, before = conv_bn_pairs(model, inputs)
    new = {}
    for conv, norm in pairs:
        new[norm] = nn.Identity()
        new[conv] = fuse_conv_bn_eval(
            conv, norm, transpose=isinstance(conv, nn.ConvTranspose2d)
        )
    _replace(model, new)
    change = (_heatmaps(model, inputs) - before).abs().max()
    share = float(change / before.abs().max().clamp_min(1e-12))
    return {part: old for old, part in new.items()}, share


def fuse_conv_bn(
    model: nn.Module, inputs: Tensor | None = None, atol: float = 1e-4
) -> int:
    """Work batch norms into the convolutions before them, in place.

    Where the output changes, the same is done with a copy in float64, which
    needs the memory of the model twice for that time: in float32 a GPU may
    round what convolutions multiply to ten bits (TF32), and that changes the
    output as much as a mistake would.

    Args:
        model (nn.Module): In evaluation mode, float32.
        inputs (Tensor, optional): What to run it on. Defaults to
            :func:`example_inputs`.
        atol (float): How much the model's output may change, as a share of
            its largest value.

    Returns:
        int: Number of norms that are gone.

    Raises:
        ValueError: If the model is in training mode.
        RuntimeError: If its output has changed by more than ``atol``, in
            float64 too: what one of the convolutions gives is used
            elsewhere. The model is left as it was.
    """
    if model.training:
        raise ValueError(
            'fuse_conv_bn needs a model in evaluation mode; '
            'call model.eval() first'
        )
    inputs = example_inputs(model) if inputs is None else inputs
    old, change = _fuse(model, inputs)
    if change <= atol:
        return len(old) // 2
    _replace(model, old)
    _, change = _fuse(deepcopy(model).double(), inputs.double())
    if not change <= atol:
        raise RuntimeError(
            f'fuse_conv_bn: the output of {type(model).__name__} changes by '
            f'{change:.2g} of its largest value, in float64 too, which is not '
            'rounding: what a convolution in front of a batch norm gives is '
            'used elsewhere. Go without fuse'
        )
    _replace(model, {before: part for part, before in old.items()})
    return len(old) // 2


class _CastInputs:
    """Forward pre-hook: floating point inputs in one dtype."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype

    def __call__(self, module: nn.Module, args: tuple) -> tuple:
        return tuple(
            arg.to(self.dtype)
            if isinstance(arg, Tensor) and arg.is_floating_point()
            else arg
            for arg in args
        )


def precise_parts(model: nn.Module) -> set[nn.Module]:
    """Modules that stay in float32: what works on the K heatmaps. They are
    cheap, and their rounding would show.

    A class tells its own by ``precise_parts``, names of children.
    """
    return {
        getattr(module, name)
        for module in model.modules()
        for name in (*getattr(module, 'precise_parts', ()), *PRECISE_PARTS)
        if isinstance(getattr(module, name, None), nn.Module)
    }


def use_half_precision(model: nn.Module, dtype: str = 'bfloat16') -> None:
    """Let convolutions and linear layers compute in 16 bits, in place.

    Their weights are converted once, which autocast would do for every
    batch. Batch norms that are left, the 1x1 to the heatmaps and all that
    works on heatmaps stay in float32, and so does the model's output.

    Args:
        model (nn.Module): In evaluation mode.
        dtype (str): ``'bfloat16'`` or ``'float16'`` (GPUs).

    Raises:
        ValueError: For another dtype.
    """
    if dtype not in DTYPES:
        raise ValueError(
            f'dtype must be one of {sorted(DTYPES)}, but got {dtype!r}'
        )
    precise = precise_parts(model)
    kept = {inner for part in precise for inner in part.modules()}
    for part in precise:
        part.register_forward_pre_hook(_CastInputs(torch.float32))
    for module in model.modules():
        if (
            isinstance(module, CONVOLUTIONS + (nn.Linear,))
            and module not in kept
        ):
            module.to(DTYPES[dtype])
            module.register_forward_pre_hook(_CastInputs(DTYPES[dtype]))


def with_frozen_weights(function: Callable) -> Callable:
    """Compile a function of constant weights.

    Inductor then puts the weights into the order that its convolutions want,
    and what follows a convolution into it. The setting is a global one: torch
    2.13 takes no notice of it among the options of ``torch.compile``.

    Args:
        function (Callable): Of modules whose weights do not change any more.

    Returns:
        Callable: The same function. It is compiled at its first call, and
        again for inputs of other shapes.
    """
    from torch._inductor import config

    compiled = torch.compile(function, dynamic=False)

    def call(*args: Any, **kwargs: Any) -> Any:
        with config.patch(freezing=True):
            return compiled(*args, **kwargs)

    return call


def compile_parts(model: nn.Module, options: dict | None = None) -> list[str]:
    """Let ``torch.compile`` do the parts of an estimator, in place.

    They are compiled when they are first called, which takes a minute or two
    for a ResNet-50, and again for other batch sizes (torch gives up after
    eight, and runs those uncompiled): for streams and long tests. On CPUs it
    needs a C++ compiler.

    Args:
        model (nn.Module): In evaluation mode. On a CPU its weights must not
            change any more.
        options (dict, optional): Arguments of :func:`torch.compile`.
            Defaults to none; on a CPU, the weights are then frozen.

    Returns:
        list[str]: The names of the parts.
    """
    on_cpu = device_of(model).type == 'cpu'
    names = [
        name
        for name in getattr(model, 'compiled_parts', COMPILED_PARTS)
        if isinstance(getattr(model, name, None), nn.Module)
    ]
    for name in names:
        part = getattr(model, name)
        for method in getattr(part, 'compiled_methods', ('forward',)):
            plain = getattr(part, method)
            if options is None and on_cpu:
                fast = with_frozen_weights(plain)
            else:
                fast = torch.compile(plain, **(options or {}))
            setattr(part, method, fast)
    return names


def optimize_for_inference(
    model: nn.Module,
    fuse: bool = True,
    channels_last: bool = True,
    dtype: str | None = None,
    compile: bool | dict = False,
    inputs: Tensor | None = None,
    graphs: bool = True,
) -> nn.Module:
    """Make a trained estimator fast, in place. It cannot be trained after.

    The defaults are what is safe: heatmaps stay the same up to the rounding
    of float32.

    Args:
        model (nn.Module): An image or video estimator. It is put into
            evaluation mode.
        fuse (bool): Work batch norms into convolutions, see
            :func:`fuse_conv_bn`.
        channels_last (bool): Keep weights and maps in channels-last order.
        dtype (str, optional): ``'bfloat16'`` or ``'float16'``, see
            :func:`use_half_precision`. Defaults to ``None``, float32.
        compile (bool | dict): See :func:`compile_parts`. Defaults to
            ``False``.
        inputs (Tensor, optional): What to run the model on to see which
            layers follow each other. Defaults to :func:`example_inputs`.
        graphs (bool): On a GPU, give it a whole clip (of an image model: the
            features) by one call, see
            :class:`~rpstn_mmpose.speed.cuda_graph.GraphedFunction`; the
            weights have to stay where they are then. Defaults to ``True``.

    Returns:
        nn.Module: ``model``.

    Raises:
        ValueError: If the model does not give heatmaps, or an option is out
            of range.
    """
    model.eval()
    if fuse:
        fuse_conv_bn(model, inputs)
    if channels_last:
        model.to(memory_format=torch.channels_last)
    if dtype is not None:
        use_half_precision(model, dtype)
    if compile:
        compile_parts(model, compile if isinstance(compile, dict) else None)
    if graphs and device_of(model).type == 'cuda':
        graph_methods(model)
    return model
