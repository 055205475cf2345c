# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What a reader can check by hand: who depends on whom."""

import copy
import pprint
from pathlib import Path

import mmpose
import pytest
import torch
from mmengine.config import Config
from mmpose.registry import MODELS

from rpstn_mmpose.datasets.metainfo import resolve_metainfo_file
from rpstn_mmpose.systems.dsta import JointTokenNeck, SpaceTimeAggregation
from rpstn_mmpose.systems.dsta.joint_groups import joint_names, limbs_of

from .tiny import DIMS, METAINFO, K, answer, build, clips, dsta

PENN = joint_names(METAINFO['penn'])
TIME, SPACE = 0, 1  # in the mix
MMPOSE = Path(mmpose.__file__).parent / '.mim/configs/_base_/datasets'


def changed(model, joint, inputs):
    """Whose answers another decoder of a joint changes."""
    other = copy.deepcopy(model)
    rows = other.neck.decoder.weight.detach().unflatten(0, (K, DIMS))
    # A number that all channels share would be nothing to LayerNorm.
    rows[joint] += torch.linspace(-1, 1, DIMS)[:, None]
    difference = (answer(other, inputs) - answer(model, inputs)).abs()
    return [k for k in range(K) if difference[:, k].max() > 1e-5]


def test_without_space_joints_are_alone():
    model = build()
    with torch.no_grad():
        model.aggregator.mix.weight[0, SPACE] = 0
    for joint in range(K):
        assert changed(model, joint, clips()) == [joint]


def test_with_space_a_limb_is_together():
    model = build()
    limbs = limbs_of(PENN)
    assert len(limbs) == 5
    for limb in limbs:
        numbers = sorted(PENN.index(name) for name in limb)
        for joint in numbers:
            assert changed(model, joint, clips()) == numbers


@pytest.mark.parametrize('branch', [TIME, SPACE])
def test_other_frames_matter_in_time_alone(branch):
    model = build()
    with torch.no_grad():
        model.aggregator.mix.weight[0, 1 - branch] = 0
    inputs = clips()
    plain = answer(model, inputs)
    for frame in range(3):
        other = inputs.clone()
        other[:, frame] += clips(seed=5)[:, frame]
        moved = (answer(model, other) - plain).abs().amax(dim=(0, 2))
        assert (moved > 1e-4).all() == (frame == 1 or branch == TIME)
        assert (moved == 0).all() == (frame != 1 and branch == SPACE)


def test_limbs_that_change_places():
    """Left and right arm's decoders exchanged: so are their answers."""
    model = build()
    order = list(range(K))
    for part in ('shoulder', 'elbow', 'wrist'):
        left, right = PENN.index(f'left_{part}'), PENN.index(f'right_{part}')
        order[left], order[right] = right, left
    other = copy.deepcopy(model)
    for value in (other.neck.decoder.weight, other.neck.decoder.bias):
        rows = value.detach().unflatten(0, (K, DIMS))
        rows.copy_(rows[order].clone())
    found = answer(other, clips())
    expected = answer(model, clips())[:, order]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert (found - expected[:, order]).abs().max() > 1e-2


def test_joints_of_a_limb_have_places():
    """Exchanging wrist and elbow is more than exchanging their answers."""
    model = build()
    order = list(range(K))
    a, b = PENN.index('left_elbow'), PENN.index('left_wrist')
    order[a], order[b] = b, a
    other = copy.deepcopy(model)
    rows = other.neck.decoder.weight.detach().unflatten(0, (K, DIMS))
    rows.copy_(rows[order].clone())
    assert not torch.allclose(
        answer(other, clips()), answer(model, clips())[:, order], atol=1e-3
    )


def test_a_window_and_its_positions_reversed():
    model = build()
    expected = answer(model, clips())
    position = model.aggregator.time.position.detach()
    assert not torch.allclose(answer(model, clips().flip(1)), expected)
    position.copy_(position.flip(0).clone())
    torch.testing.assert_close(
        answer(model, clips().flip(1)), expected, rtol=1e-5, atol=1e-5
    )


def test_twice_the_features_are_the_same_tokens():
    neck = JointTokenNeck(6, 3, 4)
    maps = torch.rand(2, 6, 5, 4)
    tokens = neck((maps,))[0]
    torch.testing.assert_close(neck((2 * maps,))[0], tokens)
    pooled = maps.sum(dim=(2, 3)) / 20
    by_hand = (
        pooled @ neck.decoder.weight.T / pooled.square().sum(1)[:, None].sqrt()
    ) + neck.decoder.bias
    torch.testing.assert_close(tokens, by_hand.view(2, 3, 4))
    plain = JointTokenNeck(6, 3, 4, normalize_features=False)
    assert not torch.allclose(plain((2 * maps,))[0], plain((maps,))[0])
    nothing = neck((torch.zeros(1, 6, 2, 2),))[0]
    torch.testing.assert_close(nothing.flatten(), neck.decoder.bias)


def test_several_maps_side_by_side():
    neck = JointTokenNeck((2, 3), 4, 5)
    maps = (torch.rand(1, 9, 8, 8), torch.rand(1, 2, 4, 4))
    maps += (torch.rand(1, 3, 2, 2),)
    joined = torch.cat([m.mean(dim=(2, 3)) for m in maps[1:]], dim=1)
    one = JointTokenNeck(5, 4, 5)
    one.load_state_dict(neck.state_dict())
    torch.testing.assert_close(
        neck(maps)[0], one((joined[..., None, None],))[0]
    )
    with pytest.raises(ValueError, match=r'gives maps of \(9, 2\) channels'):
        neck(maps[:2])


def shuffled_metainfo(name, order, path):
    """A metainfo file of the joints in another order."""
    file = Path(resolve_metainfo_file(METAINFO[name]))
    if not file.is_file():
        file = MMPOSE / file.name
    info = Config.fromfile(file).dataset_info.to_dict()
    joints = info['keypoint_info']
    info['keypoint_info'] = {
        new: dict(joints[old], id=new) for new, old in enumerate(order)
    }
    path.write_text(f'dataset_info = {pprint.pformat(info)}\n')
    return str(path)


@pytest.mark.parametrize(
    'name, num_joints', [('penn', 13), ('jhmdb', 15), ('posetrack', 17)]
)
@pytest.mark.parametrize('local', [True, False])
def test_joints_in_another_order(name, num_joints, local, tmp_path):
    """Metainfo and weights permuted together change nothing."""
    generator = torch.Generator().manual_seed(num_joints)
    order = torch.randperm(num_joints, generator=generator).tolist()
    options = dict(local=local)
    model = build(dsta(num_joints, METAINFO[name], options))
    file = shuffled_metainfo(name, order, tmp_path / 'joints.py')
    other = build(dsta(num_joints, file, options))
    state = model.state_dict()
    for leaf in ('weight', 'bias'):
        key = f'neck.decoder.{leaf}'
        rows = state[key].unflatten(0, (num_joints, DIMS))
        state[key] = rows[order].flatten(0, 1)
    if not local:
        # Then every joint is a place.
        key = 'aggregator.space.position'
        state[key] = state[key][order]
    other.load_state_dict(state)
    torch.testing.assert_close(
        answer(other, clips()),
        answer(model, clips())[:, order],
        rtol=1e-5,
        atol=1e-5,
    )


def test_limbs_of_other_lengths_are_those_by_themselves():
    """Padding and its mask change nothing: limb after limb by hand."""
    groups = [['head'], ['left_wrist', 'left_elbow'], PENN[3:4]]
    groups[2:] = [['right_hip', 'right_knee', 'right_ankle']]
    net = SpaceTimeAggregation(
        METAINFO['penn'], (0,), groups, embed_dims=8, depth=2, num_heads=2
    ).eval()
    torch.nn.init.normal_(net.space.position)
    tokens = torch.randn(2, K, 8)
    found = net.over_space(tokens)
    expected = tokens.clone()
    for group in groups:
        rows = [PENN.index(name) for name in group]
        limb = tokens[:, rows] + net.space.position[: len(rows)]
        expected[:, rows] = net.space(limb)
    torch.testing.assert_close(found, expected)
    assert (found[:, 1] == tokens[:, 1]).all()


@pytest.mark.parametrize('branches', [('time',), ('space',)])
def test_one_branch_alone(branches):
    model = build(dsta(aggregator=dict(branches=branches)))
    names = {name.split('.')[1] for name, _ in model.named_parameters()}
    assert set(branches) <= names and 'mix' in names
    assert not {'time', 'space'} - set(branches) & names
    joints = changed(model, 3, clips())
    assert joints == ([3] if branches == ('time',) else [1, 3, 5])


def test_full_attention_knows_all_joints_of_all_frames():
    """Whatever changes in a frame beside moves every joint."""
    model = build(dsta(aggregator=dict(local=False)))
    assert changed(model, 3, clips()) == list(range(K))
    with torch.no_grad():
        model.aggregator.mix.weight[0, SPACE] = 0
    assert changed(model, 3, clips()) == list(range(K))
    inputs = clips()
    inputs[:, 0] += 1
    difference = answer(model, inputs) - answer(model, clips())
    assert (difference.abs().amax(dim=(0, 2)) > 1e-5).all()


def test_single_frames():
    model = build(dsta(clip_offsets=(0,)))
    assert answer(model, clips(frames=1)).shape == (2, K, 4)
    with pytest.raises(ValueError, match='at each of the offsets'):
        model(clips(), None, mode='tensor')


def test_paths_are_dropped_in_training_alone():
    net = SpaceTimeAggregation(
        METAINFO['penn'], (-1, 0), drop_path_rate=0.9, embed_dims=8
    )
    rates = [block.drop_path.drop_prob for block in net.time.blocks]
    torch.testing.assert_close(rates, [0.0, 0.3, 0.6, 0.9])
    tokens = torch.randn(1, 2, K, 8)
    assert not torch.equal(net(tokens), net(tokens))
    net.eval()
    assert torch.equal(net(tokens), net(tokens))


def test_first_weights():
    """Tokens near nothing, and no bias."""
    model = MODELS.build(dsta())
    model.init_weights()
    state = model.state_dict()
    for name, value in state.items():
        if name.endswith('.bias') and name[:4] in ('neck', 'aggr'):
            assert (value == 0).all(), name
        if name.endswith('position'):
            assert (value == 0).all()
    assert state['aggregator.mix.weight'].abs().max() < 0.01
    bound = 0.01 * (6 / (64 + K * DIMS)) ** 0.5
    assert 0.9 * bound < state['neck.decoder.weight'].abs().max() <= bound
    assert (state['head.sigma.1.bias'] == 0).all()
    assert state['head.coord.1.weight'].abs().max() > 0.1


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(branches=('time', 'room')), 'branches must be some of'),
        (dict(branches=()), 'branches must be some of'),
        (dict(num_heads=3), 'num_heads divide embed_dims'),
        (dict(depth=0), 'must be at least 1'),
        (dict(aliases=dict(left_ear='head')), r"\['left_ear'\] are none"),
        (dict(joint_groups=[['head', 'tail']]), r"\['tail'\] are none"),
        (dict(joint_groups=[['head'], ['head']]), 'in more than one'),
        (dict(joint_groups=[['head'], []]), 'each needs a joint'),
        (dict(joint_groups=[]), 'each needs a joint'),
    ],
)
def test_bad_options(options, message):
    given = dict(depth=2, embed_dims=8, num_heads=2)
    with pytest.raises(ValueError, match=message) as caught:
        SpaceTimeAggregation(METAINFO['penn'], (0,), **{**given, **options})
    assert '\n' not in str(caught.value)


def test_another_number_of_joints():
    with pytest.raises(ValueError, match='13 joints got tokens of shape'):
        build(dsta(num_joints=15))(clips(), None, mode='tensor')
