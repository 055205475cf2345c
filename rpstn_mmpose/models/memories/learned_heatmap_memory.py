# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import Any, Sequence

import torch
import torch.nn.functional as F
from mmengine.model import constant_init, kaiming_init
from mmpose.registry import MODELS
from torch import Tensor, nn

from ...checkpoints import load_weights
from .recursive_heatmap_mean import RecursiveHeatmapMean

# Longer side of the maps that the net looks at, pixels.
WORK_SIZE = 32


@MODELS.register_module()
class LearnedHeatmapMemory(RecursiveHeatmapMean):
    r"""The running mean, and a small net that corrects it. Not in the RPSTN
    paper.

    .. math::
        M''_t = (1 - G) M'_t + G M''_{t-1} + R, \quad
        G = \frac{w e^D p_{t-1}^c}{w e^D p_{t-1}^c + (1 - w) p_t^c}, \quad
        (D, R) = \phi(M'_t \oplus M''_{t-1}, p_t \oplus p_{t-1})

    With D = R = 0, which is what it starts as, this is
    :class:`RecursiveHeatmapMean`. :math:`\phi` sees the maps of all joints,
    so that it can learn which poses there are: a joint that neither the frame
    nor the memory shows is looked for where the others would have it. It is
    a U-shaped net of six convolutions on maps of about 32 pixels, whatever
    the size of the heatmaps.

    Without weights it is to be trained, with the model or, better, on
    heatmaps of videos that the model has not seen (``train_memory.py``). With
    ``weights`` the checkpoint of a model without a memory can be loaded, too.

    Args:
        num_joints (int, optional): K of :math:`\phi`. ``None``: that of
            ``weights``.
        joints (Sequence[int], optional): Which of a model's maps these are;
            the others get the plain mean. Defaults to ``None``: all of them.
        channels (int): Channels inside :math:`\phi`. Defaults to 48; with
            ``weights`` those of the file.
        weights (str, optional): Checkpoint of the memory alone.
        weight (float): See :class:`RecursiveHeatmapMean`.
        confidence (float): See :class:`RecursiveHeatmapMean`. Defaults to 2.
        init_cfg (dict, optional): See :class:`mmengine.model.BaseModule`.

    Raises:
        ValueError: A number that is not positive, ``joints`` of another
            number than ``num_joints``, weights that do not fit, or an option
            that :class:`RecursiveHeatmapMean` refuses.
    """

    def __init__(
        self,
        num_joints: int | None = None,
        joints: Sequence[int] | None = None,
        channels: int = 48,
        weights: str | None = None,
        weight: float = 0.5,
        confidence: float = 2.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(weight, confidence, init_cfg)
        name = self.__class__.__name__
        state = {}
        if weights is not None:
            state = load_weights(weights, map_location='cpu')
            channels, count = self._sizes(state, weights)
            num_joints = count if num_joints is None else num_joints
        if num_joints is None:
            raise ValueError(f'{name} needs num_joints, or weights')
        for option, value in (
            ('num_joints', num_joints),
            ('channels', channels),
        ):
            if value < 1:
                raise ValueError(
                    f'{name}: {option} must be positive, but got {value}'
                )
        if joints is not None and len(set(joints)) != num_joints:
            raise ValueError(
                f'{name}: joints must name {num_joints} different maps, but '
                f'got {list(joints)}'
            )
        self.num_joints = num_joints
        self.joints = None if joints is None else list(joints)
        self.inputs = nn.Conv2d(8 * num_joints, channels, 1)
        self.peaks = nn.Linear(2 * num_joints, channels, bias=False)
        self.near = nn.Conv2d(channels, channels, 3, padding=1)
        self.down = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.far = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=gap, dilation=gap)
            for gap in (1, 2)
        )
        self.up = nn.Conv2d(channels, channels, 1)
        self.merged = nn.Conv2d(channels, channels, 3, padding=1)
        self.corrections = nn.Conv2d(channels, 8 * num_joints, 1)
        self.start()
        self.weights = weights
        if weights is not None:
            self._load(state, weights)

    def start(self) -> None:
        """Give the net weights with which it corrects nothing yet."""
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                kaiming_init(module, nonlinearity='relu')
        constant_init(self.corrections, val=0)

    def _sizes(self, state: dict[str, Any], path: str) -> tuple[int, int]:
        """Channels and joints of the net that a checkpoint is of."""
        found = state.get('corrections.weight', None)
        if not isinstance(found, Tensor) or found.dim() != 4:
            raise self._foreign(path, 'it has no corrections.weight')
        return found.shape[1], found.shape[0] // 8

    def _foreign(self, path: str, reason: str) -> ValueError:
        return ValueError(
            f'{self.__class__.__name__}: {path} has no weights of such a '
            f'memory ({reason}); train_memory.py writes them'
        )

    def _load(self, state: dict[str, Any], path: str) -> None:
        try:
            self.load_state_dict(state)
        except RuntimeError as error:
            reason = ' '.join(str(error).split())
            raise self._foreign(path, f'{reason:.300}') from None

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any
    ) -> None:
        """Checkpoints of models without a memory leave ``weights``."""
        known = any(key.startswith(prefix) for key in state_dict)
        if self.weights is not None and prefix and not known:
            # Before the parts are asked for theirs.
            own = self.state_dict(prefix=prefix)
            state_dict.update((key, own[key]) for key in own)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def forward(self, heatmaps: Tensor, prev_heatmaps: Tensor) -> Tensor:
        """Complete a frame's heatmaps.

        Args:
            heatmaps (Tensor): Of frame t, (B, K, h, w).
            prev_heatmaps (Tensor): What this gave for frame t-1, or the
                first frame's heatmaps, (B, K, h, w).

        Returns:
            Tensor: (B, K, h, w).

        Raises:
            ValueError: Fewer maps than ``joints`` wants, or another number
                than ``num_joints``.
        """
        count = heatmaps.shape[1]
        if self.joints is None and count != self.num_joints:
            raise ValueError(
                f'{self.__class__.__name__} was built for {self.num_joints} '
                f'joints, but got {count} heatmaps; say with joints which '
                'they are'
            )
        if self.joints is None:
            return self._corrected(heatmaps, prev_heatmaps)
        if max(self.joints) >= count:
            raise ValueError(
                f'{self.__class__.__name__}: joints names the map '
                f'{max(self.joints)}, but there are {count}'
            )
        known = self._corrected(
            heatmaps[:, self.joints], prev_heatmaps[:, self.joints]
        )
        mean = super().forward(heatmaps, prev_heatmaps)
        parts = [
            known[:, self.joints.index(joint)]
            if joint in self.joints
            else mean[:, joint]
            for joint in range(count)
        ]
        return torch.stack(parts, dim=1)

    def _corrected(self, now: Tensor, before: Tensor) -> Tensor:
        """The mean of two frames' maps (B, K, h, w), corrected."""
        logits, more = self.corrections_of(now, before)
        # The gate's odds times exp(logits), and the gate itself where the
        # logits are 0, to the last bit. At 10 it is open or closed.
        logits = logits.clamp(-10, 10)
        gates = self.gates(now, before)
        gates = gates * logits.exp() / (1 + gates * logits.expm1())
        return now + gates * (before - now) + more

    def corrections_of(
        self, now: Tensor, before: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What the net adds to the gates' logits, D, and to the maps, R.

        Args:
            now (Tensor): Of frame t, (B, K, h, w).
            before (Tensor): Of frame t-1, (B, K, h, w).

        Returns:
            tuple[Tensor, Tensor]: Both (B, K, h, w).
        """
        both = torch.cat([now, before], dim=1)
        # Sizes are tensors while a graph is recorded.
        height, width = map(int, both.shape[-2:])
        scale = max(1, round(max(height, width) / WORK_SIZE))
        maps = F.pad(both, (0, -width % (2 * scale), 0, -height % (2 * scale)))
        if scale > 1:
            maps = F.avg_pool2d(maps, scale)
        net = self.inputs(F.pixel_unshuffle(maps, 2))
        net = (net + self.peaks(both.amax(dim=(2, 3)))[..., None, None]).relu()
        net = net + self.near(net).relu()
        wide = self.down(net).relu()
        for layer in self.far:
            wide = wide + layer(wide).relu()
        net = net + F.interpolate(self.up(wide), size=net.shape[-2:])
        net = net + self.merged(net.relu()).relu()
        found = F.pixel_shuffle(self.corrections(net), 2)
        if scale > 1:
            found = F.interpolate(
                found,
                scale_factor=float(scale),
                mode='bilinear',
                align_corners=False,
            )
        found = found[..., :height, :width]
        return found[:, : self.num_joints], found[:, self.num_joints :]
