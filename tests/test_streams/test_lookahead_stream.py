# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A memory that reads the frames to come, in a stream."""

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmpose.registry import MODELS

from rpstn_mmpose.models import LearnedHeatmapMemory, with_memory
from rpstn_mmpose.streams import make_stream
from tests.test_apis.tiny import NUM_JOINTS, build, image_model
from tests.test_models.conftest import clip_sample

WEIGHT = 0.6
MEAN = dict(type='RecursiveHeatmapMean', weight=WEIGHT, confidence=2.0)
FRAMES = 6
PAIRS = [0, 2, 1, *range(3, NUM_JOINTS)]


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = MODELS.build(
        with_memory(image_model(), dict(MEAN, confidence=0.0))
    )
    return model.eval()


def crop_of(row):
    """Crops that move and grow."""
    size = 64 + 4 * row
    return np.array([[32.0 + 3 * row, 30.0 - row]]), np.array([[size, size]])


def frame(number, row):
    """A packed crop of one frame."""
    generator = torch.Generator().manual_seed(number)
    sample = clip_sample(1, with_labels=False)
    center, scale = crop_of(row)
    sample.set_metainfo(
        dict(flip_indices=PAIRS, input_center=center, input_scale=scale)
    )
    pixels = torch.randint(
        0, 255, (3, 64, 64), generator=generator, dtype=torch.uint8
    )
    return dict(inputs=pixels, data_samples=sample)


def clip(rows):
    """The same frames as one clip."""
    items = [frame(row, row) for row in rows]
    sample = clip_sample(len(rows), with_labels=False)
    crops = [crop_of(row) for row in rows]
    sample.set_metainfo(
        dict(
            flip_indices=PAIRS,
            input_center=np.stack([center for center, _ in crops]),
            input_scale=np.stack([scale for _, scale in crops]),
        )
    )
    inputs = torch.stack([item['inputs'] for item in items])
    return pseudo_collate([dict(inputs=inputs, data_samples=sample)])


def run(model, presence, **options):
    """Answers by frame of people {id: row of the video}."""
    stream = make_stream(model, **options)
    done = []
    for people in presence:
        done += stream.push(
            [frame(row, row) for row in people.values()], list(people)
        )
    return done + stream.flush()


@pytest.mark.parametrize('flip', [False, True])
@pytest.mark.parametrize('lookahead', [FRAMES - 1, 40])
def test_a_short_video_is_a_clip_read_in_both_directions(
    model, flip, lookahead
):
    model.test_cfg = dict(flip_test=flip, both_directions=True)
    expected = model.test_step(clip(range(FRAMES)))[0].pred_instances
    done = run(model, [{3: row} for row in range(FRAMES)], lookahead=lookahead)
    assert [poses.frame for poses in done] == list(range(FRAMES))
    for row, poses in enumerate(done):
        found = poses.samples[0].pred_instances
        np.testing.assert_allclose(
            found.keypoint_scores[0],
            expected.keypoint_scores[row],
            rtol=1e-4,
            atol=1e-5,
        )


@pytest.mark.parametrize('lookahead', [None, 40])
def test_a_learned_memory(model, lookahead):
    """In a stream what it is in a clip, with and without the frames to come:
    it is not the mean there.
    """
    mean = model.memory
    model.memory = LearnedHeatmapMemory(NUM_JOINTS, channels=4).eval()
    torch.nn.init.normal_(model.memory.corrections.weight, std=0.1)
    both = lookahead is not None
    model.test_cfg = dict(flip_test=True, both_directions=both)
    expected = model.test_step(clip(range(FRAMES)))[0].pred_instances
    options = dict(lookahead=40) if both else dict(collapse_ratio=None)
    done = run(model, [{3: row} for row in range(FRAMES)], **options)
    found = [poses.samples[0].pred_instances for poses in done]
    np.testing.assert_allclose(
        np.concatenate([poses.keypoint_scores for poses in found]),
        expected.keypoint_scores,
        rtol=1e-4,
        atol=1e-5,
    )
    model.memory = mean
    plain = model.test_step(clip(range(FRAMES)))[0].pred_instances
    other = abs(plain.keypoint_scores - expected.keypoint_scores)
    assert other[1:].max() > 1e-3


def test_the_past_without_end_and_the_next_frames_by_hand(model):
    """Of maps that are numbers, in crops that stand still."""
    values = torch.tensor([1.0, 0.0, 0.0, 5.0, 0.0, 0.0])
    shown = iter(values)
    model.frame_heatmaps = lambda feats: next(shown).expand(
        1, NUM_JOINTS, 16, 16
    )
    decoded = []
    predict = model.predict_from
    model.predict_from = lambda maps, samples: (
        decoded.append(float(maps[0, 0, 0, 0, 0])),
        predict(maps, samples),
    )[1]
    stream = make_stream(model, lookahead=2)
    for number in range(FRAMES):
        stream.push([frame(number, 0)], [1])
    stream.flush()
    expected = []
    forwards = 0.0
    for now in range(FRAMES):
        seen = float(values[now])
        forwards = seen if now == 0 else 0.4 * seen + 0.6 * forwards
        backwards = float(values[min(now + 2, FRAMES - 1)])
        for row in range(min(now + 2, FRAMES - 1) - 1, now - 1, -1):
            backwards = 0.4 * float(values[row]) + 0.6 * backwards
        expected.append((forwards + backwards) / 2)
    assert decoded == pytest.approx(expected, rel=1e-5)


def test_people_who_come_and_go(model):
    """A short absence is bridged from both sides, a long one is not."""
    model.test_cfg = dict(both_directions=True)

    def scores(poses):
        return {
            key: sample.pred_instances.keypoint_scores[0]
            for key, sample in zip(poses.person_ids, poses.samples)
        }

    presence = [{0: 0}, {0: 1, 1: 5}, {}, {0: 2}, {}, {}, {1: 3, 0: 4}]
    done = [scores(poses) for poses in run(model, presence, lookahead=9)]
    assert [sorted(found) for found in done] == [
        sorted(people) for people in presence
    ]
    parts = {0: [(0, 1, 2, 4)], 1: [(5,), (3,)]}
    for key, stays in parts.items():
        seen = [found[key] for found in done if key in found]
        for rows in stays:
            expected = model.test_step(clip(rows))[0].pred_instances
            for row in range(len(rows)):
                np.testing.assert_allclose(
                    seen.pop(0),
                    expected.keypoint_scores[row],
                    rtol=1e-4,
                    atol=1e-5,
                )


def test_what_is_kept_does_not_grow(model):
    stream = make_stream(model, lookahead=3)
    for number in range(12):
        stream.push([frame(number, 0)], [number])
    assert len(stream._window._kept) == 3
    assert len(stream._past) <= 2 + stream.max_gap


def test_models_without_such_a_memory_are_refused():
    with pytest.raises(ValueError, match='lookahead is for the memory of an'):
        make_stream(build(image_model()), lookahead=3)


def test_bad_options(model):
    with pytest.raises(ValueError, match='at least 1'):
        make_stream(model, lookahead=-1)
    with pytest.raises(ValueError, match='reset_interval does nothing besi'):
        make_stream(model, lookahead=3, reset_interval=5)


def test_poses_of_a_frame_at_once_are_refused(model):
    stream = make_stream(model, lookahead=3)
    with pytest.raises(ValueError, match='3 frames later: use push and flush'):
        stream.predict([frame(0, 0)], [0])
