# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The package's networks against the published arithmetic."""

import numpy as np
import pytest
import torch
from mmpose.registry import MODELS

from rpstn_mmpose.checkpoints import load_weights
from rpstn_mmpose.systems.anatomy3d.released_weights import (
    _tensors,
    convert_released,
)

from .released_anatomy3d import BONES, NOT_BONES, Released, released_state

C = 6


def lifter(filters, causal, channels=C, **head):
    model = MODELS.build(
        dict(
            type='AnatomyLifter',
            backbone=dict(
                type='BoneDirectionNet',
                channels=channels,
                filter_widths=(3,) * filters,
                causal=causal,
            ),
            length_net=dict(
                type='BoneLengthNet', channels=channels, num_blocks=filters - 1
            ),
            head=dict(type='AnatomyHead', in_channels=channels, **head),
        )
    )
    return model.eval()


def sequence(length, seed=3):
    gen = torch.Generator().manual_seed(seed)
    x = torch.rand(length, 17, 3, generator=gen, dtype=torch.double)
    x[..., :2] = 2 * x[..., :2] - 1
    return x


@pytest.mark.parametrize('causal', [False, True])
@pytest.mark.parametrize('filters, frames', [(2, 4), (3, 3), (4, 2)])
def test_published_arithmetic(causal, filters, frames):
    """9, 27 and 81 frames; several outputs, one window each."""
    state = released_state(C, filters - 1)
    model = lifter(filters, causal).double()
    weights = convert_released(state)
    assert weights[1:] == (C, filters)
    model.load_state_dict(weights.state_dict, strict=True)
    # The converter gives float32.
    model.load_state_dict(
        {new: state[old] for old, new in _tensors(C, filters - 1)[1].items()}
    )
    x = sequence(3**filters + frames - 1)
    found = model(x[None], None, mode='tensor')
    expected = Released(state, filters - 1, causal)(x)
    assert found.shape == (1, frames, 17, 3)
    torch.testing.assert_close(found[0], expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize('causal', [False, True])
def test_one_window_by_strides_is_the_dilated_form(causal):
    model = lifter(3, causal).double()
    model.load_state_dict(convert_released(released_state(C, 2)).state_dict)
    x = sequence(28)[None]
    both = model.backbone(x)
    for first in (0, 1):
        window = model.backbone(x[:, first : first + 27])
        for many, one in zip(both, window):
            torch.testing.assert_close(
                many[..., first], one[..., 0], rtol=0, atol=1e-12
            )


def test_other_filter_widths():
    """Against windows one by one, each by strides."""
    for causal in (False, True):
        net = MODELS.build(
            dict(
                type='BoneDirectionNet',
                channels=4,
                filter_widths=(3, 5, 3),
                causal=causal,
            )
        )
        net.eval().double()
        assert (net.before, net.after) == ((44, 0) if causal else (22, 22))
        x = sequence(48)[None]
        many = net(x)
        for t in range(4):
            one = net(x[:, t : t + 45])
            for a, b in zip(many, one):
                torch.testing.assert_close(
                    a[..., t], b[..., 0], rtol=0, atol=1e-12
                )


def test_long_sequences_are_answered_in_parts(monkeypatch):
    from rpstn_mmpose.systems.anatomy3d import bone_direction_net

    model = lifter(2, False).double()
    x = sequence(20)[None]
    whole = model(x, None)
    monkeypatch.setattr(bone_direction_net, 'FRAMES_AT_ONCE', 5)
    torch.testing.assert_close(model(x, None), whole, rtol=0, atol=1e-12)


def test_every_key_of_the_full_size():
    """The counts of parameters of the published table."""
    for filters, expected in ((3, 31885932), (4, 45531756), (5, 59177580)):
        shapes, names = _tensors(1024, filters - 1)
        count = sum(
            int(np.prod(shape))
            for name, shape in shapes.items()
            if not name.endswith(
                ('num_batches_tracked', 'running_mean', 'running_var')
            )
        )
        assert count == expected
        assert len(set(names.values())) == len(names)
    with torch.device('meta'):
        model = lifter(5, False, channels=1024)
    assert {
        name: tuple(value.shape) for name, value in model.state_dict().items()
    } == {names[old]: shape for old, shape in shapes.items()}


def test_bones_and_other_pairs():
    bones = lifter(2, False).length_net.bones
    assert list(zip(bones.first, bones.second)) == BONES
    assert bones.other_pairs() == NOT_BONES
    assert len(NOT_BONES) == 137


class TestFile:
    def save(self, path, **parts):
        state = {f'module.{n}': v for n, v in released_state(C, 2).items()}
        state.update(parts.pop('state', {}))
        for name in parts.pop('without', ()):
            del state[name]
        checkpoint = dict(
            epoch=59,
            lr=1e-4,
            random_state=np.random.RandomState(1234),
            optimizer=None,
            model_pos=state,
        )
        torch.save({**checkpoint, **parts}, path)
        return load_weights(str(path))

    def test_with_the_random_generator(self, tmp_path):
        """No code of the file is run, and the generator is not made."""
        weights = convert_released(self.save(tmp_path / 'a.bin'))
        assert weights.channels == C and weights.num_filters == 3
        assert all(v.dtype == torch.float32
                   for n, v in weights.state_dict.items()
                   if not n.endswith('tracked'))  # yapf: disable

    def test_a_tensor_too_few(self, tmp_path):
        checkpoint = self.save(
            tmp_path / 'a.bin', without=['module.boneatt.bias']
        )
        with pytest.raises(ValueError, match='missing, first boneatt.bias'):
            convert_released(checkpoint)

    def test_a_tensor_too_many(self, tmp_path):
        checkpoint = self.save(
            tmp_path / 'a.bin', state={'module.more.weight': torch.ones(2)}
        )
        with pytest.raises(ValueError, match='another network.*more.weight'):
            convert_released(checkpoint)

    def test_another_shape(self, tmp_path):
        checkpoint = self.save(
            tmp_path / 'a.bin',
            state={'module.shrink.weight': torch.ones(51, C, 3)},
        )
        with pytest.raises(ValueError, match=r'shrink.weight has the shape'):
            convert_released(checkpoint)

    def test_videopose3d_is_told_apart(self):
        with pytest.raises(ValueError, match='no checkpoint of the released'):
            convert_released(
                {'model_pos': {'expand_conv.weight': torch.ones(4, 34, 3)}}
            )
