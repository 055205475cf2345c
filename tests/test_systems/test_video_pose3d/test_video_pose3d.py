# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""VideoPose3D: MMPose's network on windows and sequences, and its files."""

import pytest
import torch
import torch.nn.functional as F
from mmpose.registry import MODELS

from rpstn_mmpose.systems.video_pose3d.released_weights import convert_released

C = 5


def released_state(outputs=51, widths=(3, 3, 3), seed=0):
    """Weights by the authors' names, double."""
    gen = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.rand(*shape, generator=gen, dtype=torch.double)

    state = {'module.expand_conv.weight': draw(C, 34, widths[0]) - 0.5,
             'module.shrink.weight': draw(outputs, C, 1) - 0.5,
             'module.shrink.bias': draw(outputs) - 0.5}  # yapf: disable
    norms = ['expand_bn']
    for i, width in enumerate(widths[1:]):
        for k, taps in enumerate((width, 1)):
            number = 2 * i + k
            weight = draw(C, C, taps) - 0.5
            state[f'module.layers_conv.{number}.weight'] = weight
            norms.append(f'layers_bn.{number}')
    for name in norms:
        for leaf in ('weight', 'bias', 'running_mean', 'running_var'):
            state[f'module.{name}.{leaf}'] = draw(C) + 0.2
        state[f'module.{name}.num_batches_tracked'] = torch.tensor(3)
    return state


def naive(state, x, widths, causal):
    """Poses of a sequence L x 17 x 2, an output and a layer at a time."""
    state = {name[len('module.') :]: v for name, v in state.items()}

    def unit(y, conv, norm):
        y = F.conv1d(y[None], state[f'{conv}.weight'])[0]
        w, b, m, v = (
            state[f'{norm}.{leaf}'][:, None]
            for leaf in ('weight', 'bias', 'running_mean', 'running_var')
        )
        return ((y - m) / (v + 1e-5).sqrt() * w + b).clamp(min=0)

    def answer(y):
        """Of one window, columns that are taps of the next filter."""
        y = torch.cat(
            [
                unit(y[:, i : i + widths[0]], 'expand_conv', 'expand_bn')
                for i in range(0, y.shape[1], widths[0])
            ],
            dim=1,
        )
        for i, width in enumerate(widths[1:]):
            columns = []
            for start in range(0, y.shape[1], width):
                taps = y[:, start : start + width]
                u = unit(taps, f'layers_conv.{2 * i}', f'layers_bn.{2 * i}')
                u = unit(
                    u, f'layers_conv.{2 * i + 1}', f'layers_bn.{2 * i + 1}'
                )
                kept = width - 1 if causal else width // 2
                columns.append(u + taps[:, kept : kept + 1])
            y = torch.cat(columns, dim=1)
        y = F.conv1d(y[None], state['shrink.weight'], state['shrink.bias'])
        return y[0, :, 0].view(-1, 3)

    window = 1
    for width in widths:
        window *= width
    flat = x.flatten(1).T
    return torch.stack(
        [answer(flat[:, t : t + window]) for t in range(len(x) - window + 1)]
    )


def lifter(widths, causal):
    return (
        MODELS.build(
            dict(
                type='SequenceLifter',
                backbone=dict(
                    type='SequenceTCN',
                    in_channels=34,
                    stem_channels=C,
                    num_blocks=len(widths) - 1,
                    kernel_sizes=widths,
                    causal=causal,
                ),
                head=dict(
                    type='TemporalRegressionHead',
                    in_channels=C,
                    num_joints=17,
                    loss=dict(type='MPJPELoss'),
                ),
            )
        )
        .eval()
        .double()
    )


@pytest.mark.parametrize('causal', [False, True])
@pytest.mark.parametrize('widths', [(3, 3, 3), (3, 5)])
def test_published_arithmetic(causal, widths):
    """Whole sequences (dilated) and single windows (by strides)."""
    state = released_state(widths=widths)
    weights = convert_released(dict(model_pos=state, epoch=3))
    assert weights[1:] == (C, widths, 17, 17, False)
    model = lifter(widths, causal)
    model.load_state_dict(weights.state_dict, strict=True)
    window = model.backbone.window
    assert window == (27 if len(widths) == 3 else 15)
    x = torch.rand(window + 3, 17, 2, dtype=torch.double) * 2 - 1
    expected = naive(state, x, widths, causal)
    # The converter's float32.
    tolerance = dict(rtol=0, atol=1e-5)
    found = model(x[None], None)
    assert found.shape == (1, 4, 17, 3)
    torch.testing.assert_close(found[0], expected, **tolerance)
    for t in range(4):
        one = model(x[None, t : t + window], None)
        torch.testing.assert_close(one[0, 0], expected[t], **tolerance)
        torch.testing.assert_close(one[0, 0], found[0, t], rtol=0, atol=1e-12)


def test_the_trajectory_goes_along():
    weights = convert_released(
        dict(model_pos=released_state(), model_traj=released_state(3, seed=1))
    )
    assert weights.trajectory
    assert weights.state_dict['traj_head.conv.weight'].shape == (3, C, 1)
    assert weights.state_dict[
        'traj_backbone.tcn_blocks.1.conv2.0.bn.running_var'
    ].shape == (C,)


@pytest.mark.parametrize(
    'change, message',
    [
        (lambda s: s.pop('module.layers_bn.1.bias'), 'are missing, first lay'),
        (lambda s: s.update(more=torch.ones(1)), 'another network, first mor'),
        (lambda s: s.pop('module.shrink.weight'), 'no checkpoint of VideoPos'),
        (
            lambda s: s.update({'module.layers_conv.1.weight':
                                torch.ones(C, C, 3)}),
            'layers_conv.1.weight has the shape',
        ),
    ],
)  # yapf: disable
def test_refused_files(change, message):
    state = released_state()
    change(state)
    with pytest.raises(ValueError, match=message):
        convert_released(dict(model_pos=state))
