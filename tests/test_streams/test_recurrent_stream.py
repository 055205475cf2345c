# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

from rpstn_mmpose.streams import make_stream
from rpstn_mmpose.streams.states import StateRows, take_rows
from rpstn_mmpose.systems.rpstn import ClipState
from rpstn_mmpose.systems.rpstn.estimator import PreparedState
from tests.test_apis.tiny import NUM_JOINTS, build, image_model, video_model
from tests.test_speed.stand_in_gpu import Gpu

LENGTH = 11
FLIP = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11]
# When three people come, and in which frames nobody sees one of them.
FIRST = {7: 0, 3: 2, 20: 6}


def crops(num, seed=0):
    """(num, 3, 64, 64) uint8."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(
        0, 256, (num, 3, 64, 64), generator=generator, dtype=torch.uint8
    )


def sample(centers):
    """As PackPoseInputs (one centre) or PackClipInputs (T) make it."""
    centers = np.float32(centers)
    scales = np.full_like(centers, 128)
    rows = centers.reshape(-1, 2)
    result = PoseDataSample(
        metainfo=dict(
            input_size=(64, 64),
            input_center=centers if centers.ndim == 1 else centers[:, None],
            input_scale=scales if centers.ndim == 1 else scales[:, None],
            flip_indices=FLIP,
        )
    )
    result.gt_instances = InstanceData(
        bboxes=np.concatenate([rows - 50, rows + 50], axis=1),
        bbox_scores=np.ones(len(rows), np.float32),
    )
    return result


def center(person, frame):
    return (100.0 + 5 * person, 80.0 + 3 * frame)


def stream(estimator, videos, present, prepare=False):
    """Keypoints and scores by (person, frame)."""
    result = {}
    for frame in range(LENGTH):
        # The order of people changes from frame to frame.
        ids = [p for p in present if frame in present[p]]
        ids = ids[frame % 2 :] + ids[: frame % 2]
        data = [
            dict(
                inputs=videos[p][frame], data_samples=sample(center(p, frame))
            )
            for p in ids
        ]
        for p, out in zip(ids, estimator.predict(data, ids)):
            pred = out.pred_instances
            assert pred.keypoints.shape == (1, NUM_JOINTS, 2)
            result[p, frame] = (pred.keypoints[0], pred.keypoint_scores[0])
        if prepare:
            estimator.prepare()
    return result


def by_clips(model, videos, segments):
    """The same by the clip model, a clip for each segment."""
    result = {}
    for p, frames in segments:
        data = dict(
            inputs=[videos[p][frames]],
            data_samples=[sample([center(p, f) for f in frames])],
        )
        pred = model.test_step(data)[0].pred_instances
        for row, frame in enumerate(frames):
            result[p, frame] = (pred.keypoints[row], pred.keypoint_scores[row])
    return result


def assert_same(a, b):
    assert a.keys() == b.keys()
    for key in a:
        # Relative: a step of float32, in which the results are given.
        np.testing.assert_allclose(a[key][1], b[key][1], atol=1e-4, rtol=3e-7)
        np.testing.assert_allclose(a[key][0], b[key][0], atol=1e-4)


def differ(a, b):
    return [
        key for key in a if not np.allclose(a[key][1], b[key][1], atol=1e-3)
    ]


def scene():
    """Videos, frames of each person, and the clips between two resets."""
    videos = {p: crops(LENGTH, seed=p) for p in FIRST}
    present = {p: range(FIRST[p], LENGTH) for p in FIRST}
    segments = [
        (p, list(range(LENGTH))[begin : begin + 5])
        for p in FIRST
        for begin in range(FIRST[p], LENGTH, 5)
    ]
    return videos, present, segments


STARTS = dict(
    network={},
    features=dict(initializer='features'),
    none=dict(initializer='none'),
    memory=dict(memory=dict(type='RecursiveHeatmapMean')),
    projected=dict(
        neck=dict(
            type='JRPSPNeck',
            in_channels=8,
            num_joints=NUM_JOINTS,
            heatmap_size=(16, 16),
            project_features=True,
        )
    ),
    memory_alone=dict(
        neck=None,
        initializer='features',
        memory=dict(type='RecursiveHeatmapMean'),
    ),
    per_frame=dict(neck=None, initializer='features'),
)


def options_for(start, **options):
    """Without a state nothing can be started anew."""
    return {} if start == 'per_frame' else options


@pytest.mark.parametrize('flip', [False, True])
@pytest.mark.parametrize('start', STARTS)
def test_streaming_equals_clips_with_the_same_resets(start, flip):
    """T = 11, resets every 5 frames, three people of different phases.

    In double precision, where large values do not blur the comparison.
    """
    model = build(
        video_model(
            test_cfg=dict(flip_test=flip, shift_heatmap=flip), **STARTS[start]
        ),
        gain=4,
    ).double()
    videos, present, segments = scene()
    expected = by_clips(model, videos, segments)
    estimator = make_stream(
        model, **options_for(start, reset_interval=5, collapse_ratio=None)
    )
    assert_same(stream(estimator, videos, present), expected)
    # Again from the beginning, and not by chance: without resets, or with
    # the wrong frames before, something else comes out.
    estimator.reset()
    assert_same(stream(estimator, videos, present), expected)
    endless = stream(make_stream(model, collapse_ratio=None), videos, present)
    whole = by_clips(model, videos, [(p, list(present[p])) for p in present])
    assert_same(endless, whole)
    later = [(p, f) for p, f in expected if f - FIRST[p] >= 5]
    assert set(differ(endless, expected)) == set(
        later if start != 'per_frame' else ()
    )


def test_single_precision():
    model = build(video_model())
    videos, present, segments = scene()
    estimator = make_stream(model, reset_interval=5, collapse_ratio=None)
    result = stream(estimator, videos, present)
    assert max(abs(score).max() for _, score in result.values()) > 0.1
    assert_same(result, by_clips(model, videos, segments))


@pytest.mark.parametrize(
    'max_gap, restarts', [(0, True), (1, True), (2, False)]
)
def test_a_person_missing_for_two_frames(max_gap, restarts):
    model = build(video_model())
    videos = {p: crops(LENGTH, seed=p) for p in (0, 1)}
    seen = [0, 1, 2, 5, 6]
    estimator = make_stream(model, collapse_ratio=None, max_gap=max_gap)
    result = stream(estimator, videos, {0: seen, 1: range(LENGTH)})
    segments = [(0, seen[:3]), (0, seen[3:])] if restarts else [(0, seen)]
    assert_same(
        result, by_clips(model, videos, segments + [(1, list(range(LENGTH)))])
    )
    # Person 0 left for good after frame 6.
    assert estimator.person_ids == [1]


def test_skipped_frames_are_a_gap_for_everybody():
    model = build(video_model())
    video = crops(3)
    estimator = make_stream(model, max_gap=1)

    def step(frame):
        data = dict(inputs=video[frame], data_samples=sample((100, 80)))
        return estimator.predict([data], [4])[
            0
        ].pred_instances.keypoint_scores[0]

    step(0)
    estimator.skip_frame()
    assert estimator.person_ids == [4]
    step(1)
    assert estimator.predict([], []) == []
    estimator.skip_frame()
    assert estimator.person_ids == []
    fresh = step(2)
    estimator.reset()
    np.testing.assert_allclose(step(2), fresh, atol=1e-5)


@pytest.mark.parametrize('flip', [False, True])
def test_one_extractor_pass_a_start_and_a_step_for_all(monkeypatch, flip):
    model = build(video_model(test_cfg=dict(flip_test=flip)))
    calls = []
    for name in ('frame_features', 'start', 'step'):
        kept = getattr(model, name)

        def spy(feats, *args, name=name, kept=kept):
            calls.append((name, len(feats)))
            return kept(feats, *args)

        monkeypatch.setattr(model, name, spy)
    estimator = make_stream(model, reset_interval=3, collapse_ratio=None)
    rows = 2 if flip else 1
    expected = [
        ([5], [('frame_features', 1), ('start', 1)]),
        ([5, 6, 9], [('frame_features', 3), ('start', 2), ('step', 1)]),
        ([9, 5, 6], [('frame_features', 3), ('step', 3)]),
        # 5 has had three frames
        ([5, 6, 9], [('frame_features', 3), ('start', 1), ('step', 2)]),
        ([6], [('frame_features', 1), ('start', 1)]),
    ]
    for ids, wanted in expected:
        calls.clear()
        heatmaps = estimator.heatmaps(
            torch.rand(len(ids), 3, 64, 64), ids, FLIP if flip else None
        )
        assert heatmaps.shape == (len(ids), NUM_JOINTS, 16, 16)
        assert calls == [(name, rows * count) for name, count in wanted]


def test_no_more_states_than_people_in_sight():
    model = build(video_model())
    estimator = make_stream(model, max_gap=2)
    for frame in range(12):
        # Two new people in every frame.
        estimator.heatmaps(
            torch.rand(2, 3, 64, 64), [2 * frame, 2 * frame + 1]
        )
        assert len(estimator.person_ids) <= 6
        assert len(estimator._states) <= 6
    assert sorted(estimator.person_ids) == [18, 19, 20, 21, 22, 23]


def test_states_of_absent_people_do_not_hold_the_batch_they_were_in():
    estimator = make_stream(build(video_model()))
    estimator.heatmaps(torch.rand(8, 3, 64, 64), range(8))
    estimator.heatmaps(torch.rand(7, 3, 64, 64), range(7))
    for part in estimator._states._one((7, False)):
        assert part.untyped_storage().nbytes() == part.numel() * 4


def starts_by_scores(monkeypatch, scores, ratio):
    """Frames in which a person of these mean scores is started."""
    model = build(video_model())
    left = iter(scores)
    monkeypatch.setattr(
        model,
        'decode_clip',
        lambda heatmaps: [
            InstanceData(
                keypoints=np.zeros((1, NUM_JOINTS, 2)),
                keypoint_scores=np.full((1, NUM_JOINTS), next(left)),
            )
        ],
    )
    calls = []
    for name in ('start', 'step'):
        kept = getattr(model, name)

        def spy(*args, name=name, kept=kept):
            calls.append(name)
            return kept(*args)

        monkeypatch.setattr(model, name, spy)
    estimator = make_stream(model, collapse_ratio=ratio)
    for _ in scores:
        data = dict(inputs=crops(1)[0], data_samples=sample((100, 80)))
        estimator.predict([data], [0])
    assert len(calls) == len(scores)
    return [f for f, name in enumerate(calls) if name == 'start']


@pytest.mark.parametrize(
    'ratio, starts', [(0.5, [0, 4]), (0.3, [0]), (None, [0])]
)
def test_a_collapse_starts_the_next_frame_anew(monkeypatch, ratio, starts):
    """Means since the start: 0.8, 0.8, 0.7; then 0.3 < 0.5 * 0.7."""
    scores = [0.8, 0.8, 0.5, 0.3, 0.2, 0.2, 0.2]
    assert starts_by_scores(monkeypatch, scores, ratio) == starts


@pytest.mark.parametrize(
    'scores, starts',
    [
        # Half of the mean of 0.9 and 0.7 is 0.4, on both sides.
        ([0.9, 0.7, 0.39, 0.9], [0, 3]),
        ([0.9, 0.7, 0.41, 0.9], [0]),
        # The mean is that of all frames since the start: 0.6, then 0.5.
        ([0.9, 0.5, 0.4, 0.31, 0.9], [0]),
        ([0.9, 0.5, 0.4, 0.29, 0.9], [0, 4]),
        # A new start forgets the mean: 0.15 is more than half of 0.2.
        ([0.9, 0.2, 0.2, 0.15, 0.15], [0, 2]),
        # A first frame cannot collapse, however low its score is.
        ([-0.5, 0.1, 0.1], [0]),
    ],
)
def test_each_side_of_a_collapse(monkeypatch, scores, starts):
    assert starts_by_scores(monkeypatch, scores, 0.5) == starts


@pytest.mark.parametrize(
    'scores, starts',
    [
        # Below 0 is a collapse after any scores.
        ([0.4, 0.4, -0.05, 0.4, 0.4], [0, 3]),
        # Half of a mean of -0.2 is -0.1: -0.05 is above that, but below 0.
        ([-0.2, -0.05, 0.1], [0, 2]),
        # Better than a mean below 0, and not below 0 itself.
        ([-0.2, 0.05, 0.05], [0]),
        ([-0.2, 0.0, 0.0, 0.0], [0]),
        # Nobody there: every second frame is a step, which collapses.
        ([-0.2, -0.2, -0.2, -0.2, -0.2, -0.2], [0, 2, 4]),
    ],
)
def test_negative_scores(monkeypatch, scores, starts):
    """Heatmaps may be negative everywhere; only a ratio may start anew."""
    assert starts_by_scores(monkeypatch, scores, 0.5) == starts
    assert starts_by_scores(monkeypatch, scores, None) == [0]


def test_a_stream_of_a_net_that_says_negative_numbers():
    """The whole way: started every second frame, as clips of two are."""
    model = build(video_model(**STARTS['memory_alone']), gain=4)
    torch.nn.init.constant_(model.head.norm.bias, -60)
    videos = {0: crops(LENGTH)}
    result = stream(make_stream(model), videos, {0: range(LENGTH)})
    assert max(score.max() for _, score in result.values()) < -1
    pairs = [
        (0, list(range(LENGTH))[begin : begin + 2])
        for begin in range(0, LENGTH, 2)
    ]
    assert_same(result, by_clips(model, videos, pairs))
    endless = stream(
        make_stream(model, collapse_ratio=None), videos, {0: range(LENGTH)}
    )
    assert_same(endless, by_clips(model, videos, [(0, list(range(LENGTH)))]))
    assert min(frame for _, frame in differ(result, endless)) == 2


@pytest.mark.parametrize('start', ['network', 'per_frame'])
def test_decoding_on_the_device(monkeypatch, start):
    """The same keypoints, without the head's decoding map by map."""
    videos, present, _ = scene()

    def results(**test_cfg):
        model = build(
            video_model(
                test_cfg=dict(flip_test=True, **test_cfg), **STARTS[start]
            )
        )
        if test_cfg:
            monkeypatch.setattr(model.head, 'decode', None)  # not called
        return stream(make_stream(model), videos, present)

    expected = results()
    assert_same(results(decode_on_device=True), expected)


def test_rows_keep_their_memory_order():
    batch = torch.rand(4, 8, 3, 5).to(memory_format=torch.channels_last)
    assert take_rows(batch, [0, 1, 2, 3]) is batch
    for rows in ([2], [3, 0], [1, 0, 2, 3]):
        taken = take_rows(batch, rows)
        assert torch.equal(taken, batch[rows])
        assert taken.is_contiguous(memory_format=torch.channels_last)


def test_states_keep_their_memory_order():
    """Of those in sight, in another order, and of those who were away."""
    batch = ClipState(torch.rand(3, 8, 3, 5), torch.rand(3, 4, 3, 5))
    ordered = [x.to(memory_format=torch.channels_last) for x in batch]
    rows = StateRows()
    rows.put('abc', ClipState(*ordered), ())
    rows.put('ca', ClipState(*(part[[2, 0]] for part in ordered)), 'b')
    for keys in ('a', 'b', 'ac', 'bca'):
        for part, whole in zip(rows.get(keys), batch):
            assert torch.equal(part, whole[['abc'.index(k) for k in keys]])
            assert part.is_contiguous(memory_format=torch.channels_last)


def comings_and_goings():
    """Videos, and the frames in which each person is seen: one all the time,
    one who comes back soon, one who comes back late, one who goes."""
    present = {
        1: range(LENGTH),
        2: [0, 1, 2, 4, 5, 8, 9, 10],
        3: [1, 2, 3, 8, 9, 10],
        4: [3, 4, 5],
    }
    return {p: crops(LENGTH, seed=p) for p in present}, present


@pytest.mark.parametrize('flip', [False, True])
@pytest.mark.parametrize('start', STARTS)
def test_preparing_changes_nothing(monkeypatch, start, flip):
    """With resets, and in double precision for a clear comparison. Twice:
    the second video meets what the first one left."""
    model = build(
        video_model(test_cfg=dict(flip_test=flip), **STARTS[start]), gain=4
    ).double()
    videos, present = comings_and_goings()
    options = options_for(start, reset_interval=4, collapse_ratio=None)
    expected = stream(make_stream(model, **options), videos, present)
    given = []
    step = model.step

    def spy(feats, state):
        given.append(type(state))
        return step(feats, state)

    monkeypatch.setattr(model, 'step', spy)
    estimator = make_stream(model, **options)
    for _ in range(2):
        given.clear()
        assert_same(stream(estimator, videos, present, True), expected)
        estimator.reset()
    # In frame 0 all are new; in 4 and 8 person 2 is back, of whom nothing is
    # prepared.
    assert given.count(PreparedState) == (8 if model.with_neck else 0)


def frame_of(estimator, ids, seed=0):
    return estimator.heatmaps(
        crops(len(ids), seed=seed).div(255.0), ids
    ).clone()


def test_what_is_prepared_is_dropped_with_the_states():
    model = build(video_model(), gain=4)
    estimator = make_stream(model, max_gap=1)
    estimator.prepare()  # of nobody
    assert estimator._prepared is None
    frame_of(estimator, [5, 6])
    estimator.prepare()
    assert len(estimator._prepared) == 2
    frame_of(estimator, [5, 6], seed=1)
    assert estimator._prepared is None
    estimator.prepare()
    estimator.reset()
    assert estimator._prepared is None
    first = frame_of(estimator, [5])
    estimator.prepare()
    # A frame without people keeps it, as it keeps the states; two do not.
    estimator.skip_frame()
    estimator.prepare()
    assert len(estimator._prepared) == 1
    estimator.skip_frame()
    assert estimator._prepared is None
    estimator.prepare()
    assert estimator._prepared is None
    torch.testing.assert_close(frame_of(estimator, [5]), first)


def test_only_what_the_next_frame_needs_is_prepared(monkeypatch):
    """Once, in the states' order, and of nobody who is to be started."""
    model = build(video_model())
    sizes = []
    prepare = model.prepare

    def spy(state):
        sizes.append(len(state.feats))
        return prepare(state)

    monkeypatch.setattr(model, 'prepare', spy)
    estimator = make_stream(model, reset_interval=2, collapse_ratio=None)
    for ids, wanted in (
        ([1], [1]),
        ([1, 2, 3], [2]),
        ([3, 1, 2], [1]),
        ([2], [1]),
        ([2], []),
    ):
        sizes.clear()
        frame_of(estimator, ids)
        estimator.prepare()
        estimator.prepare()
        assert sizes == wanted


@pytest.mark.parametrize('flip', [False, True])
@pytest.mark.parametrize('start', ['network', 'memory_alone'])
def test_compiled_frames_give_the_same(start, flip, monkeypatch):
    """With recordings that write over what they gave before. The frames in
    which somebody is started run as always."""
    model = build(
        video_model(test_cfg=dict(flip_test=flip), **STARTS[start]), gain=4
    ).double()
    videos, present = comings_and_goings()
    options = dict(reset_interval=4, collapse_ratio=None)
    expected = stream(make_stream(model, **options), videos, present)
    gpu = Gpu(monkeypatch)
    gpu.compiles(monkeypatch)
    estimator = make_stream(model, compile=True, **options)
    assert_same(stream(estimator, videos, present, True), expected)
    assert estimator._prepared is None
    # New are 1 and 2 in frame 0, 3 in 1, 4 in 3, and 3 again in 8. After
    # four frames start 1 in 4 and 8, and 2 in 5.
    assert gpu.replays == LENGTH - len({0, 1, 3, 4, 5, 8})


def test_image_models_predict_as_always():
    model = build(image_model(test_cfg=dict(flip_test=True)))
    estimator = make_stream(model)
    assert not estimator.needs_ids
    images = crops(2)

    def data():
        return [
            dict(inputs=image, data_samples=sample((100, 80)))
            for image in images
        ]

    batch = dict(
        inputs=list(images), data_samples=[d['data_samples'] for d in data()]
    )
    expected = model.test_step(batch)
    for ids in ([1, 2], [2, 1]):
        estimator.prepare()
        for a, b in zip(estimator.predict(data(), ids), expected):
            np.testing.assert_array_equal(
                a.pred_instances.keypoints, b.pred_instances.keypoints
            )


def test_both_directions_cannot_be_read(monkeypatch):
    said = []
    monkeypatch.setattr(
        'rpstn_mmpose.streams.recurrent_stream.print_log',
        lambda text, **_: said.append(text),
    )
    make_stream(build(video_model()))
    assert said == []
    config = video_model(test_cfg=dict(both_directions=True))
    make_stream(build(config))
    assert len(said) == 1 and 'read forwards only' in said[0]


def test_heatmaps_are_given_where_asked_for():
    model = build(video_model(test_cfg=dict(output_heatmaps=True)))
    estimator = make_stream(model)
    data = dict(inputs=crops(1)[0], data_samples=sample((100, 80)))
    out = estimator.predict([data], [0])[0]
    assert out.pred_fields.heatmaps.shape == (NUM_JOINTS, 16, 16)
    np.testing.assert_allclose(
        out.pred_fields.heatmaps.flatten(1).amax(dim=1),
        out.pred_instances.keypoint_scores[0],
        rtol=1e-5,
    )


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(reset_interval=-1), 'reset_interval must be at least 0'),
        (dict(collapse_ratio=1.0), r'collapse_ratio must lie in \(0, 1\)'),
        (dict(max_gap=-1), 'max_gap must be at least 0'),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        make_stream(build(video_model()), **options)


STATELESS = dict(
    image=image_model(), per_frame=video_model(**STARTS['per_frame'])
)


@pytest.mark.parametrize('model', STATELESS)
@pytest.mark.parametrize(
    'option',
    [
        dict(reset_interval=1),
        dict(reset_interval=5),
        dict(collapse_ratio=0.4),
        dict(max_gap=0),
        dict(max_gap=3),
        dict(compile=True),
    ],
)
def test_options_of_a_state_that_is_not_there(model, option):
    (name,) = option
    with pytest.raises(
        ValueError,
        match=f'{name} is for models that carry '
        'a state .* this (Video)?Topdown.* has none; leave',
    ):
        make_stream(build(STATELESS[model]), **option)


@pytest.mark.parametrize('model', STATELESS)
def test_what_is_true_of_models_without_a_state_may_be_said(model):
    make_stream(build(STATELESS[model]), reset_interval=0, collapse_ratio=None)


@pytest.mark.parametrize('start', sorted(set(STARTS) - {'per_frame'}))
def test_a_state_that_is_dropped_in_every_frame_is_refused(start):
    model = build(video_model(**STARTS[start]))
    with pytest.raises(
        ValueError,
        match='reset_interval=1 starts everybody '
        'anew in every frame, .* 0 .never., or to 2 or more',
    ):
        make_stream(model, reset_interval=1)
    make_stream(model, reset_interval=2)


@pytest.mark.parametrize('count, ids', [(2, [1, 1]), (2, [1]), (0, [])])
def test_ids_that_do_not_fit(count, ids):
    estimator = make_stream(build(video_model()))
    with pytest.raises(ValueError, match='as many different person ids'):
        estimator.heatmaps(torch.rand(count, 3, 64, 64), ids)
    with pytest.raises(ValueError, match='3 crops need as many ids'):
        estimator.predict([{}] * 3, ids)
