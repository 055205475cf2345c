# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""3x3 convolutions and 4x4 deconvolutions with fewer multiplications.

A tile of 4 x 4 outputs of a 3x3 convolution takes 144 multiplications for a
pair of channels; Winograd's algorithm (Lavin and Gray, `Fast Algorithms for
Convolutional Neural Networks <https://arxiv.org/abs/1509.09308>`_) takes 36,
and the rest is additions and 36 matrix products. A deconvolution of stride 2
is four 2x2 convolutions, one for each phase of the output; there it is 100
instead of 256.

On GPUs torch's own libraries choose such algorithms. On CPUs oneDNN, which
torch calls, multiplies directly. NNPACK, which torch holds as well but does
not choose, has the algorithm for 3x3: of six layers of a ResNet-50 RPSTN,
tried once with one frame, it was faster than this module for the two with
64 x 64 maps and slower for the others, for two of these also than oneDNN.
"""
from __future__ import annotations

from abc import ABC, abstractmethod
from typing import List, Optional, Sequence, Tuple

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks import wrappers
from torch import Tensor, nn

OUTPUTS = 4  # of a tile, along each axis
INPUTS = 6  # of a tile, along each axis: OUTPUTS + 3 - 1
# Few tiles or channels make the matrix products small: there the libraries'
# own convolutions win (``tools/benchmark.py winograd``).
MIN_TILES = 16
MIN_DECONV_TILES = 64
MIN_CHANNELS = 128
# A deconvolution's transformed kernels, six times as large as its own, have
# to come from memory for every batch.
MAX_DECONV_CHANNELS = 1024
# Bytes of the largest map in between. Larger ones leave the caches, and above
# 32 MiB the C library hands out fresh pages for each.
WORKSPACE = 16 * 2**20


def _polynomial(roots: Sequence[float]) -> List[float]:
    """Coefficients, from the lowest power, of the product of (x - root)."""
    coefficients = [1.0]
    for root in roots:
        shifted = [0.0, *coefficients]
        scaled = [*(root * c for c in coefficients), 0.0]
        coefficients = [a - b for a, b in zip(shifted, scaled)]
    return coefficients


def cook_toom(outputs: int,
              points: Sequence[float]) -> Tuple[Tensor, Tensor, Tensor]:
    """Matrices of a fast correlation in one dimension.

    With them ``outputs_at @ ((kernels_at @ w) * (inputs_at @ x))`` is the
    valid correlation of x with w: both are taken for polynomials, multiplied
    at some points and at infinity, and the product is read off.

    Args:
        outputs (int): m, how many outputs.
        points (Sequence[float]): m + r - 2 different numbers for a kernel of
            r taps.

    Returns:
        tuple[Tensor, Tensor, Tensor]: ``inputs_at`` (n, n), ``kernels_at``
        (n, r) and ``outputs_at`` (m, n) in float64, n = m + r - 1.
    """
    size = len(points) + 1
    taps = size - outputs + 1
    inputs_at = torch.zeros(size, size, dtype=torch.float64)
    kernels_at = torch.zeros(size, taps, dtype=torch.float64)
    outputs_at = torch.zeros(outputs, size, dtype=torch.float64)
    for row, point in enumerate(points):
        others = [other for other in points if other != point]
        scale = 1.0
        for other in others:
            scale *= point - other
        inputs_at[row, :size - 1] = torch.tensor(
            _polynomial(others), dtype=torch.float64)
        kernels_at[row] = torch.tensor(
            [point**tap / scale for tap in range(taps)], dtype=torch.float64)
        outputs_at[:, row] = torch.tensor(
            [float(point)**row for row in range(outputs)],
            dtype=torch.float64)
    inputs_at[-1] = torch.tensor(_polynomial(points), dtype=torch.float64)
    kernels_at[-1, -1] = 1
    outputs_at[-1, -1] = 1
    return inputs_at, kernels_at, outputs_at


def _in_two_dimensions(rows: Tensor, columns: Tensor) -> Tensor:
    return torch.kron(rows.contiguous(), columns.contiguous())


class _FastConvolution(nn.Module, ABC):
    """What both share: cut into tiles, transform, multiply, put together.

    Args:
        conv (nn.Module): The layer that it stands for; it does the work
            where there are too few tiles.
        inputs_at (Tensor): (N, 36), tiles to their values at N points.
        weight (Tensor): (N, C, O), the kernels' values there.
        outputs_at (Tensor): (phases, 16, N / phases), back to outputs.
        min_tiles (int): See above.
    """

    def __init__(self, conv: nn.Module, inputs_at: Tensor, weight: Tensor,
                 outputs_at: Tensor, min_tiles: int) -> None:
        super().__init__()
        self.conv = conv
        self.min_tiles = min_tiles
        kind = conv.weight.dtype
        for name, value in (('inputs_at', inputs_at), ('fast_weight', weight),
                            ('outputs_at', outputs_at)):
            self.register_buffer(
                name, value.to(kind).contiguous(), persistent=False)

    @abstractmethod
    def _output_size(self, height: int, width: int) -> Tuple[int, int]:
        """Outputs of one phase along both axes."""

    def forward(self, inputs: Tensor) -> Tensor:
        """As the layer's own.

        Args:
            inputs (Tensor): (B, C, H, W).

        Returns:
            Tensor: What the layer gives, in channels-last order.
        """
        batch, channels, height, width = inputs.shape
        out_h, out_w = self._output_size(height, width)
        tiles = -(-out_h // OUTPUTS) * -(-out_w // OUTPUTS)
        if batch * tiles < self.min_tiles:
            return self.conv(inputs)
        size = len(self.inputs_at) * tiles * max(
            channels, self.fast_weight.shape[-1]) * inputs.element_size()
        most = max(1, WORKSPACE // size)
        if batch <= most:
            return self._convolve(inputs)
        parts = [self._convolve(part) for part in inputs.split(most)]
        return torch.cat(parts)

    def _convolve(self, inputs: Tensor) -> Tensor:
        batch, channels, height, width = inputs.shape
        out_h, out_w = self._output_size(height, width)
        tiles_h, tiles_w = -(-out_h // OUTPUTS), -(-out_w // OUTPUTS)
        padding = self.conv.padding[0]
        padded_h, padded_w = (n * OUTPUTS + INPUTS - OUTPUTS
                              for n in (tiles_h, tiles_w))
        padded = F.pad(
            inputs.permute(0, 2, 3, 1),
            (0, 0, padding, padded_w - width - padding, padding,
             padded_h - height - padding)).contiguous()
        line = padded_w * channels
        tiles = padded.as_strided(
            (INPUTS, INPUTS, batch, tiles_h, tiles_w, channels),
            (line, channels, padded_h * line, OUTPUTS * line,
             OUTPUTS * channels, 1)).reshape(INPUTS * INPUTS, -1)
        values = (self.inputs_at @ tiles).view(
            len(self.inputs_at), -1, channels)
        products = torch.bmm(values, self.fast_weight)
        phases, _, points = self.outputs_at.shape
        outputs = torch.matmul(self.outputs_at,
                               products.view(phases, points, -1))
        side = round(phases**0.5)
        outputs = outputs.view(side, side, OUTPUTS, OUTPUTS, batch, tiles_h,
                               tiles_w, -1)
        # (phase y, phase x, y, x, sample, tile y, tile x, channel) to
        # (sample, tile y, y, phase y, tile x, x, phase x, channel)
        outputs = outputs.permute(4, 5, 2, 0, 6, 3, 1, 7).reshape(
            batch, tiles_h * OUTPUTS * side, tiles_w * OUTPUTS * side, -1)
        outputs = outputs[:, :out_h * side, :out_w * side]
        if self.conv.bias is not None:
            outputs = outputs + self.conv.bias
        return outputs.permute(0, 3, 1, 2)


class WinogradConv2d(_FastConvolution):
    """A 3x3 convolution of stride 1, for inference.

    Args:
        conv (nn.Conv2d): See :func:`can_be_winograd`.
        min_tiles (int): Where there are fewer tiles of 4 x 4 outputs in a
            batch, ``conv`` does the work. Defaults to 16.
    """

    def __init__(self, conv: nn.Conv2d, min_tiles: int = MIN_TILES) -> None:
        inputs_at, kernels_at, outputs_at = cook_toom(
            OUTPUTS, (0, 1, -1, 0.5, -2))
        kernels = conv.weight.detach().double().flatten(2)
        weight = torch.einsum('nk,ock->nco',
                              _in_two_dimensions(kernels_at, kernels_at),
                              kernels)
        super().__init__(conv, _in_two_dimensions(inputs_at, inputs_at),
                         weight,
                         _in_two_dimensions(outputs_at, outputs_at)[None],
                         min_tiles)

    def _output_size(self, height: int, width: int) -> Tuple[int, int]:
        more = 2 * self.conv.padding[0] - 2
        return height + more, width + more


class WinogradDeconv2d(_FastConvolution):
    """A 4x4 deconvolution of stride 2 and padding 1, for inference.

    Output 2 i takes the inputs i - 1 and i with the kernel's taps 3 and 1,
    output 2 i + 1 the inputs i and i + 1 with the taps 2 and 0: four 2x2
    convolutions on the same tiles of 6 x 6.

    Args:
        conv (nn.ConvTranspose2d): See :func:`can_be_winograd`.
        min_tiles (int): As for :class:`WinogradConv2d`, with tiles of 4 x 4
            outputs of each phase. Defaults to 64.
    """

    TAPS = ((3, 1), (2, 0))

    def __init__(self,
                 conv: nn.ConvTranspose2d,
                 min_tiles: int = MIN_DECONV_TILES) -> None:
        inputs_at, kernels_at, outputs_at = cook_toom(OUTPUTS, (0, 1, -1, -2))
        # The second phase's inputs begin one further.
        at = [F.pad(inputs_at, (0, 1)), F.pad(inputs_at, (1, 0))]
        kernel = conv.weight.detach().double()
        both = _in_two_dimensions(kernels_at, kernels_at)
        rows, weights = [], []
        for y, taps_y in enumerate(self.TAPS):
            for x, taps_x in enumerate(self.TAPS):
                rows.append(_in_two_dimensions(at[y], at[x]))
                phase = kernel[:, :, list(taps_y)][..., list(taps_x)]
                weights.append(
                    torch.einsum('nk,cok->nco', both, phase.flatten(2)))
        super().__init__(
            conv, torch.cat(rows), torch.cat(weights),
            _in_two_dimensions(outputs_at, outputs_at).expand(4, -1, -1),
            min_tiles)

    def _output_size(self, height: int, width: int) -> Tuple[int, int]:
        return height, width


# mmcv's own differ in what they do with empty batches under old torch only.
KINDS = {
    nn.Conv2d: WinogradConv2d,
    wrappers.Conv2d: WinogradConv2d,
    nn.ConvTranspose2d: WinogradDeconv2d,
    wrappers.ConvTranspose2d: WinogradDeconv2d
}


def can_be_winograd(conv: nn.Module,
                    min_channels: int = MIN_CHANNELS) -> bool:
    """Whether a layer is one of the two kinds, and large enough.

    Args:
        conv (nn.Module): Any module.
        min_channels (int): Least number of channels on both sides. Defaults
            to 128.

    Returns:
        bool: True for a dense float32 convolution of 3x3, stride 1 and equal
        zero padding, or a dense deconvolution of 4x4, stride 2, padding 1
        and at most 1024 input channels.
    """
    if type(conv) not in KINDS:
        return False
    plain = (
        conv.groups == 1 and conv.dilation == (1, 1)
        and conv.padding_mode == 'zeros' and conv.weight.dtype == torch.float32
        and min(conv.in_channels, conv.out_channels) >= min_channels)
    if isinstance(conv, nn.ConvTranspose2d):
        return (plain and conv.in_channels <= MAX_DECONV_CHANNELS
                and conv.kernel_size == (4, 4) and conv.stride == (2, 2)
                and conv.padding == (1, 1) and conv.output_padding == (0, 0))
    return (plain and conv.kernel_size == (3, 3) and conv.stride == (1, 1)
            and conv.padding in ((0, 0), (1, 1)))


def use_winograd(model: nn.Module,
                 min_channels: int = MIN_CHANNELS,
                 min_tiles: Optional[int] = None) -> int:
    """Replace what :func:`can_be_winograd` allows, in place.

    The transformed kernels take four times (deconvolutions: six times) the
    memory of the layers' own, which are kept for small batches.

    Args:
        model (nn.Module): In evaluation mode, float32.
        min_channels (int): See :func:`can_be_winograd`.
        min_tiles (int, optional): See :class:`WinogradConv2d`. Defaults to
            ``None``, what each kind defaults to.

    Returns:
        int: Number of layers that were replaced.
    """
    options = {} if min_tiles is None else dict(min_tiles=min_tiles)
    new = {
        module: KINDS[type(module)](module, **options)
        for module in model.modules() if can_be_winograd(module, min_channels)
    }
    for parent in list(model.modules()):
        if isinstance(parent, _FastConvolution):
            continue
        for name, child in parent.named_children():
            if child in new:
                setattr(parent, name, new[child])
    return len(new)
