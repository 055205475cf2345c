# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Anatomy3D on streams: bone lengths from all that was seen so far."""

import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope

from rpstn_mmpose.streams import LifterStream

from .test_released_weights import lifter, sequence

SIZE = (1000, 1000)  # height, width
PAIRS = [0, 4, 5, 6, 1, 2, 3, 7, 8, 9, 10, 14, 15, 16, 11, 12, 13]


def people(count=2, frames=14):
    """Pixels and scores by person."""
    x = [sequence(frames, seed=i).float().numpy() for i in range(count)]
    return [(p[..., :2] * 500 + 500, p[..., 2]) for p in x]


def stream_of(model, flip=False):
    init_default_scope('mmpose')
    model.test_cfg = dict(flip_test=flip)
    return LifterStream(
        model,
        Compose([dict(type='PackLifterInputs')]),
        dict(flip_indices=PAIRS),
    )


def run(stream, found, frames=14, ids=(5, 8)):
    done = []
    for t in range(frames):
        points = np.stack([person[0][t] for person in found])
        scores = np.stack([person[1][t] for person in found])
        done += stream.push(points, scores, ids[: len(found)], SIZE)
    done += stream.flush()
    assert [poses.frame for poses in done] == list(range(frames))
    return np.stack([poses.keypoints_3d for poses in done], axis=1)


def padded(person, before, after):
    points, scores = person
    x = np.concatenate([(points - 500) / 500, scores[..., None]], axis=-1)
    return torch.from_numpy(
        np.concatenate([x[:1]] * before + [x] + [x[-1:]] * after)
    )[None]


@pytest.mark.parametrize('flip', [False, True])
def test_a_causal_stream_is_the_whole_sequence(flip):
    """All frames at once, which the published arithmetic checks."""
    model = lifter(2, True)
    found = people()
    streamed = run(stream_of(model, flip), found)
    for person, poses in zip(found, streamed):
        x = padded(person, 8, 0)
        with torch.no_grad():
            expected = model(x, None)[0].numpy()
            if flip:
                sign = torch.tensor([-1.0, 1, 1])
                other = model(x[:, :, PAIRS] * sign, None)[0]
                other = (other[:, PAIRS] * sign).numpy()
                expected = (expected + other) / 2
        np.testing.assert_allclose(poses, expected, rtol=0, atol=1e-5)


def test_lengths_of_a_full_model_are_those_so_far():
    """The pose of frame t from frames 0 to t + 4, as far as there are so
    many; each counts once."""
    model = lifter(2, False, fusion='tree')
    found = people(1)
    (streamed,) = run(stream_of(model), found)
    x = padded(found[0], 4, 4)
    with torch.no_grad():
        refined, top = model.backbone(x)
        for t in range(14):
            q = model.length_net(x[:, 4 : min(t + 5, 14) + 4, :, :2])
            lengths = model.length_net.lengths(q)[:, None]
            expected = model.head.forward(
                model.extract_feat(x)._replace(
                    refined=refined[..., t : t + 1], lengths=lengths
                )
            )
            np.testing.assert_allclose(
                streamed[t], expected[0, 0], rtol=0, atol=1e-5
            )


def test_people_and_videos_have_their_own():
    model = lifter(2, True)
    found = people()
    stream = stream_of(model)
    both = run(stream, found)
    stream.reset()
    alone = run(stream, found[1:], ids=(5,))
    np.testing.assert_allclose(both[1], alone[0], rtol=0, atol=1e-5)


def test_bridged_frames_tell_no_lengths():
    """Bones of the tree have the lengths that were found: of the frames in
    which the person was, each once."""
    model = lifter(2, True, fusion='tree')
    (found,) = people(1)
    stream = stream_of(model)
    nobody = np.zeros((0, 17, 2)), np.zeros((0, 17)), (), SIZE
    there = [0, 1, 2, 5, 6, 9]
    for t in range(10):
        (poses,) = stream.push(
            *(
                (found[0][t][None], found[1][t][None], [5], SIZE)
                if t in there
                else nobody
            )
        )
    x = padded(found, 0, 0)[:, there, :, :2]
    with torch.no_grad():
        expected = model.length_net.lengths(model.length_net(x.float()))
    vectors = model.length_net.bones.vectors(
        torch.from_numpy(poses.keypoints_3d)
    )
    torch.testing.assert_close(
        vectors.norm(dim=-1), expected, rtol=1e-4, atol=1e-5
    )


def test_who_was_away_is_remembered(monkeypatch):
    """By the id; but not more people than there is room for."""
    from rpstn_mmpose.streams import lifter_stream

    model = lifter(2, True)
    (found,) = people(1)
    nobody = np.zeros((0, 17, 2)), np.zeros((0, 17)), (), SIZE
    monkeypatch.setattr(lifter_stream, 'REMEMBERED', 1)
    last = []
    for others in (0, 1):
        stream = stream_of(model)
        for t in range(5):
            stream.push(found[0][t][None], found[1][t][None], [1], SIZE)
        stream.push(*nobody)
        for _ in range(others):
            stream.push(found[0][:1], found[1][:1], [2], SIZE)
        (poses,) = stream.push(found[0][9][None], found[1][9][None], [1], SIZE)
        last.append(poses.keypoints_3d)
    assert not np.allclose(*last, atol=1e-6)


def test_people_of_two_frames():
    """Shorter than the window, in front of it and behind."""
    model = lifter(2, False)
    (streamed,) = run(stream_of(model), people(1), frames=2)
    assert streamed.shape == (2, 17, 3) and np.isfinite(streamed).all()


def test_joints_that_are_nowhere():
    """In the middle of the person's others, with score 0; the picture's, if
    there is none."""
    model = lifter(2, True)
    (found,) = people(1, 3)
    by_hand = [part.copy() for part in found]
    lost = np.arange(17) < 3
    middle = found[0][1][~lost].mean(axis=0)
    by_hand[0][1][lost], by_hand[1][1][lost] = middle, 0
    by_hand[0][2], by_hand[1][2] = (500, 500), 0
    holes = [part.copy() for part in found]
    holes[0][1][lost] = np.nan
    holes[1][2] = np.nan
    expected = run(stream_of(model), [by_hand], 3)
    np.testing.assert_allclose(
        run(stream_of(model), [holes], 3), expected, rtol=0, atol=1e-6
    )
