# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Losses by plain sums, whom they teach, and the two ways to joints."""

import pytest
import torch
from mmpose.registry import MODELS

from rpstn_mmpose.datasets.cameras import project
from rpstn_mmpose.systems.anatomy3d.augmentation import BoneLengthAugmentation
from rpstn_mmpose.systems.anatomy3d.bones import BoneTree

from .released_anatomy3d import BONES, NOT_BONES, Released, released_state
from .test_released_weights import C, lifter, sequence

CAMERA = torch.tensor(
    [2.29, 2.287, 0.025, 0.029, -0.207, 0.248, -0.003, -0.001, -0.0014]
)


def batch(size=5, frames=9, drawn=4, seed=0):
    gen = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.rand(*shape, generator=gen)

    poses, drawn_poses = (
        torch.randn(size, n, 17, 3, generator=gen) / 3 for n in (frames, drawn)
    )
    return dict(
        keypoints=draw(size, frames, 17, 3),
        poses=poses - poses[:, :, :1],
        drawn_keypoints=draw(size, drawn, 17, 2),
        drawn_poses=drawn_poses - drawn_poses[:, :, :1],
        lens=CAMERA.repeat(size, 1),
    )


@pytest.mark.parametrize('causal', [False, True])
def test_losses_are_the_plain_sums(causal):
    """Sums over the batch of the naive network's answers."""
    state = released_state(C, 1)
    model = lifter(2, causal).double()
    from rpstn_mmpose.systems.anatomy3d.released_weights import _tensors

    model.load_state_dict(
        {new: state[old] for old, new in _tensors(C, 1)[1].items()}
    )
    inputs = {key: value.double() for key, value in batch(3, drawn=1).items()}
    losses = model.loss(inputs, [])

    net = Released(state, 1, causal)
    sums = dict.fromkeys(losses, 0.0)
    for x, window, frame, drawn_pose in zip(
        inputs['keypoints'],
        inputs['poses'],
        inputs['drawn_keypoints'][:, 0].flatten(1),
        inputs['drawn_poses'][:, 0],
    ):
        true = window[8 if causal else 4]
        pose, lengths, _ = net.length_branch(frame)
        levels, top = net.levels(x)
        d = []
        for feats, layer in (
            (net.second(levels, top, 0), 'shrink_direct_2'),
            (top[:, 0], 'shrink_direct_1'),
        ):
            raw = net.conv(feats[:, None], layer).view(16, 3)
            d.append(raw / raw.norm(dim=1, keepdim=True))
        y = net.product(d[0], lengths, '', 'shrink')
        for j in range(17):
            sums['loss_position'] += (y[j] - true[j]).norm() / 17
            sums['loss_frame_pose'] += (pose[j] - drawn_pose[j]).norm() / 17
        for b, (i, j) in enumerate(BONES):
            bone = true[i] - true[j]
            mean = sum((w[i] - w[j]).norm() for w in window) / 9
            sums['loss_length'] += 100 * (lengths[b] - mean) ** 2 / 16
            for half, vectors in zip((1, 0.5), d):
                away = vectors[b] - bone / bone.norm()
                sums['loss_direction'] += 0.3 * half * (away**2).sum() / 16
        for half, vectors, end in ((1, d[0], '_2'), (0.5, d[1], '_1')):
            shifts = net.product(vectors, lengths, end, f'shrink_js{end}')
            for k, (i, j) in enumerate(NOT_BONES):
                away = (shifts[k] - (true[j] - true[i])).norm()
                sums['loss_shift'] += 2 * half * away / 137
    sums['mpjpe'] = sums['loss_position']
    for name, value in losses.items():
        torch.testing.assert_close(
            value, sums[name] / 3, rtol=0, atol=1e-9, msg=name
        )


@pytest.mark.parametrize(
    'loss, learns',
    [
        ('loss_position', {'head.fusion'}),
        (
            'loss_direction',
            {'backbone', 'head.refined_direction', 'head.top_direction'},
        ),
        (
            'loss_shift',
            {
                'backbone',
                'head.refined_direction',
                'head.top_direction',
                'head.refined_shift',
                'head.top_shift',
            },
        ),
        ('loss_length', {'length_net.attention'}),
        ('loss_length_augmented', {'length_net.attention'}),
        (
            'loss_frame_pose',
            {'length_net.stem', 'length_net.blocks', 'length_net.pose'},
        ),
    ],
)
def test_whom_a_loss_teaches(loss, learns):
    """The stop-gradients, by the parameters that get a gradient."""
    model = lifter(2, False)
    model.augmentation = BoneLengthAugmentation(model.length_net.bones)
    model.loss(batch(), [])[loss].backward()
    parts = ('backbone', 'length_net.', 'head.')
    found = set()
    for name, parameter in model.named_parameters():
        if parameter.grad is not None and parameter.grad.abs().sum() > 0:
            part = next(p for p in parts if name.startswith(p))
            child = name[len(part) :].split('.')[0]
            found.add(part + child if part.endswith('.') else part)
    assert found == learns


def test_the_second_sub_network_does_not_teach_the_first():
    model = lifter(2, False)
    refined, _ = model.backbone(sequence(9).float()[None])
    refined.sum().backward()
    for name, parameter in model.backbone.named_parameters():
        taught = parameter.grad is not None
        assert taught == name.startswith('refining_blocks'), name


class TestTree:
    def test_bones_have_the_lengths_found(self):
        model = lifter(2, False, fusion='tree')
        x = sequence(14).float()[None]
        poses = model(x, None)[0]
        lengths = model.lengths(x)[0, 0]
        for frame in poses:
            assert torch.equal(frame[0], torch.zeros(3))
            for b, (i, j) in enumerate(BONES):
                torch.testing.assert_close(
                    (frame[i] - frame[j]).norm(), lengths[b]
                )

    def test_the_position_teaches_directions_and_lengths(self):
        model = lifter(2, False, fusion='tree')
        model.loss(batch(), [])['loss_position'].backward()
        assert model.head.refined_direction.weight.grad.abs().sum() > 0
        assert model.length_net.attention.weight.grad.abs().sum() > 0

    def test_a_pose_by_hand(self):
        """Arms out, each bone 1 m but those from the thorax to a shoulder,
        which point back to it."""
        down, up = (0.0, 1.0, 0.0), (0.0, -1.0, 0.0)
        right, left = (1.0, 0.0, 0.0), (-1.0, 0.0, 0.0)
        # 10-9 9-8 8-7 7-0 go up; the person's right is on the picture's left.
        vectors = torch.tensor([
            left, left, right, right, up, up, up, left, right, up,
            down, down, down, down, left, right,
        ])  # yapf: disable
        pose = BoneTree().compose(vectors * 0.5)
        by_hand = {
            0: (0, 0), 1: (-.5, 0), 3: (-.5, 1), 6: (.5, 1), 8: (0, -1),
            10: (0, -2), 11: (.5, -1), 13: (1.5, -1), 14: (-.5, -1),
            16: (-1.5, -1),
        }  # yapf: disable
        for joint, (x, y) in by_hand.items():
            assert pose[joint].tolist() == [x, y, 0], joint

    @pytest.mark.parametrize(
        'bones',
        [[(1, 0), (2, 1), (1, 2)], [(1, 0), (3, 2), (2, 3)], [(1, 0), (9, 1)]],
    )
    def test_no_tree(self, bones):
        with pytest.raises(ValueError, match='make no tree of the joints'):
            BoneTree(bones)


class TestAugmentation:
    def test_bones_keep_their_directions(self):
        """Each joint is moved along the way from the root, by hand."""
        bones = BoneTree()
        poses = torch.randn(3, 2, 17, 3)
        poses -= poses[:, :, :1].clone()
        before = poses.clone()
        lengths = torch.rand(3, 16) + 0.2
        made = BoneLengthAugmentation(bones)(
            poses, lengths, CAMERA.repeat(3, 1)
        )
        assert torch.equal(poses, before)  # the release changes them
        change = made.lengths - lengths
        assert (change.abs() <= 0.3 * lengths.mean(0) + 1e-6).all()
        assert len(change.unique()) == change.numel()
        for b, (i, j) in enumerate(BONES):
            old, new = (
                before[:, :, i] - before[:, :, j],
                made.poses[:, :, i] - made.poses[:, :, j],
            )
            unit = old / old.norm(dim=-1, keepdim=True)
            expected = old + change[:, b, None, None] * unit
            torch.testing.assert_close(new, expected, rtol=0, atol=1e-5)
        assert made.poses[:, :, 0].abs().max() == 0
        assert made.keypoints.shape == (3, 2, 17, 2)

    def test_the_camera_by_hand(self):
        """u = (0.2, -0.1), r2 = 0.05."""
        point = torch.tensor([1.0, -0.5, 5.0])
        radial = 1 - 0.207 * 0.05 + 0.248 * 0.0025 - 0.003 * 0.000125
        skew = -0.001 * 0.2 + 0.0014 * 0.1
        x = 2.29 * (0.2 * (radial + skew) - 0.001 * 0.05) + 0.025
        y = 2.287 * (-0.1 * (radial + skew) - 0.0014 * 0.05) + 0.029
        torch.testing.assert_close(
            project(point, CAMERA), torch.tensor([x, y]), rtol=0, atol=1e-6
        )

    def test_far_from_the_middle_it_stops(self):
        """As the authors' projection: no further than 45 degrees."""
        seen = project(torch.tensor([[9.0, -7, 3], [3, -3, 3]]), CAMERA)
        assert torch.equal(seen[0], seen[1])


def test_no_lengths_of_nothing():
    """All joints at one place: directions stay finite."""
    vectors = torch.zeros(2, 16, 3, requires_grad=True)
    from rpstn_mmpose.systems.anatomy3d.bones import directions

    directions(vectors).sum().backward()
    assert torch.isfinite(vectors.grad).all()


def test_counted_frames():
    """A frame that does not count changes nothing."""
    net = lifter(2, False).length_net.double()
    poses = net(sequence(6)[None, :, :, :2])
    counted = torch.tensor([[True, False, True, True, False, True]])
    torch.testing.assert_close(
        net.lengths(poses, counted), net.lengths(poses[:, counted[0]])
    )


def test_causal_lengths_are_blind_to_later_frames():
    model = lifter(2, True).double()
    x = sequence(20)[None]
    changed = x.clone()
    changed[:, 15:] = 0.3
    a, b = model(x, None), model(changed, None)
    # Frame t is row t + 8.
    assert torch.equal(a[:, :7], b[:, :7])
    assert not torch.equal(a[:, 7], b[:, 7])


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(head=dict(fusion='sum')), 'fusion is one of'),
        (dict(head=dict(loss_weights=dict(joint=1))), 'unknown losses'),
        (dict(backbone=dict(filter_widths=(3, 4))), 'odd numbers'),
        (dict(length_net=dict(num_joints=15)), '15 joints have 14 bones'),
    ],
)
def test_refused_options(change, message):
    config = dict(
        type='AnatomyLifter',
        backbone=dict(type='BoneDirectionNet', channels=4),
        length_net=dict(type='BoneLengthNet', channels=4),
        head=dict(type='AnatomyHead', in_channels=4),
    )
    for part, options in change.items():
        config[part].update(options)
    with pytest.raises(ValueError, match=message):
        MODELS.build(config)


def test_training_needs_drawn_frames():
    inputs = batch()
    del inputs['drawn_keypoints']
    with pytest.raises(ValueError, match='as_batches=True and drawn_frames'):
        lifter(2, False).loss(inputs, [])
