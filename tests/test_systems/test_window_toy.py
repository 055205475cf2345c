# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A system of windows, moved in as a folder of its own would."""

import json

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner
from mmpose.registry import DATASETS, MODELS

from rpstn_mmpose.apis import VideoPoseInferencer, open_source
from rpstn_mmpose.streams import make_stream
from rpstn_mmpose.streams.stages import EstimateStage, VideoFrame
from tests.test_apis.tiny import build, write_video
from tests.test_datasets.penn_files import write_penn

from .window_toy import OFFSETS, toy_model, toy_pipeline

K = 13


def dataset(root, offsets=OFFSETS, training=False):
    return dict(
        type='PennActionDataset',
        data_root=str(root),
        split='train' if training else 'test',
        clip_offsets=offsets,
        test_mode=not training,
        pipeline=toy_pipeline(training),
    )


def loader(root, **options):
    return dict(
        batch_size=3,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dataset(root, **options),
    )


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return write_penn(tmp_path_factory.mktemp('penn'))


def recipe(root, **others):
    return Config(
        dict(
            default_scope='mmpose',
            model=toy_model(K),
            train_dataloader=loader(root, training=True),
            train_cfg=dict(by_epoch=True, max_epochs=1, val_interval=1),
            optim_wrapper=dict(optimizer=dict(type='Adam', lr=1e-3)),
            val_dataloader=loader(root),
            val_cfg=dict(),
            val_evaluator=dict(type='ClipPCK'),
            test_dataloader=loader(root),
            test_cfg=dict(),
            test_evaluator=dict(type='ClipPCK'),
            **others,
        )
    )


def test_trains_and_is_tested_by_the_stock_runner(root, tmp_path):
    runner = Runner.from_cfg(recipe(root, work_dir=str(tmp_path)))
    before = runner.model.head.fc.weight.detach().clone()
    runner.train()
    assert not torch.equal(before, runner.model.head.fc.weight)
    scores = runner.test()
    assert any('PCK' in name for name in scores)


@pytest.mark.parametrize('flip', [False, True])
@pytest.mark.parametrize(
    'offsets', [OFFSETS, (-2, -1, 0), (1, 0), (-3, 0, 2), (0,)]
)
def test_a_stream_gives_what_the_clips_give(root, offsets, flip):
    """With the delay of the offsets, the ends of the video included."""
    model = build(toy_model(K, offsets, test_cfg=dict(flip_test=flip)))
    clips = DATASETS.build(dataset(root, offsets))
    frames = DATASETS.build(dataset(root, (0,)))
    stream = make_stream(model)
    assert stream.delay == max(0, *offsets)
    video = clips.get_data_info(0)['video_id']
    rows = [
        row
        for row in range(len(frames))
        if frames.get_data_info(row)['video_id'] == video
    ]
    done = []
    for number, row in enumerate(rows):
        item = frames[row]
        item['inputs'] = item['inputs'][0]
        done += stream.push([item], [4])
        assert len(done) == max(0, number + 1 - stream.delay)
    done += stream.flush()
    assert [poses.frame for poses in done] == list(range(len(rows)))
    for row, poses in zip(rows, done):
        expected = model.test_step(pseudo_collate([clips[row]]))[0]
        assert poses.person_ids == [4]
        for key in ('keypoints', 'keypoint_scores'):
            np.testing.assert_allclose(
                poses.samples[0].pred_instances[key],
                expected.pred_instances[key],
                rtol=1e-4,
                atol=1e-3,
            )
        assert expected.pred_instances.keypoints.shape == (1, K, 2)


def test_a_window_is_never_fed_clips_of_one_frame(root):
    """It was, silently: a stream of a model with neither neck nor memory."""
    model = build(toy_model(K))
    frames = DATASETS.build(dataset(root, (0,)))
    stream = make_stream(model)
    items = [frames[row] for row in range(3)]
    lonely = []
    for item in items:
        with pytest.raises(ValueError, match='at each of the offsets'):
            model.test_step(pseudo_collate([item]))
        item['inputs'] = item['inputs'][0]
        lonely += stream.push([item], [0])
    assert len(lonely) == 2
    mean = torch.stack(
        [
            model.frame_features(
                model.data_preprocessor(
                    dict(inputs=[item['inputs'][None]], data_samples=[])
                )['inputs'][:, 0]
            )[0]
            for item in items
        ]
    ).mean(dim=0)
    expected = model.head.forward((mean,))[0, :, :2].detach().numpy()
    sample = lonely[1].samples[0]
    found = sample.pred_instances.keypoints[0]
    center, scale = (
        sample.metainfo[key].reshape(2)
        for key in ('input_center', 'input_scale')
    )
    np.testing.assert_allclose(
        found, expected * scale + center - scale / 2, rtol=1e-4, atol=1e-3
    )


def test_people_who_come_and_go(root):
    """Who is away for a frame counts with the nearest frame of the stay."""
    model = build(toy_model(K))
    frames = DATASETS.build(dataset(root, (0,)))

    def item(row):
        packed = frames[row]
        packed['inputs'] = packed['inputs'][0]
        return packed

    stream = make_stream(model)
    done = []
    presence = [{0: 0}, {0: 1, 1: 2}, {1: 3}, {0: 4, 1: 0}]
    for people in presence:
        done += stream.push(
            [item(row) for row in people.values()], list(people)
        )
    done += stream.skip_frame() + stream.flush()
    assert [poses.person_ids for poses in done] == [
        [0],
        [0, 1],
        [1],
        [0, 1],
        [],
    ]

    def alone(rows, wanted):
        """Three frames of one person."""
        other = make_stream(model)
        parts = []
        for row in rows:
            parts += other.push([item(row)], [0])
        return (parts + other.flush())[wanted].samples[0].pred_instances

    for frame, place, rows, wanted in (
        (0, 0, (0, 1), 0),
        (1, 0, (0, 1), 1),
        (1, 1, (2, 3), 0),
        (2, 0, (2, 3, 0), 1),
        (3, 0, (4,), 0),
        (3, 1, (2, 3, 0), 2),
    ):
        np.testing.assert_allclose(
            done[frame].samples[place].pred_instances.keypoints,
            alone(rows, wanted).keypoints,
            rtol=1e-4,
            atol=1e-3,
        )


@pytest.mark.parametrize(
    'overrides, message',
    [
        (dict(clip_offsets=(-1, 1)), '0 exactly once'),
        (dict(train_cfg=dict(state_gradient=True)), 'unknown train_cfg'),
        (dict(train_cfg=dict(frames_per_pass=0)), 'at least 1'),
    ],
)
def test_bad_options(overrides, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(toy_model(K, **overrides))


def test_a_wanted_row_that_is_not_answered(root):
    model = build(toy_model(K))
    clip = DATASETS.build(dataset(root, (0, -1, 1)))[0]
    with pytest.raises(ValueError, match='give the data set the window'):
        model.test_step(pseudo_collate([clip]))


@pytest.mark.parametrize('offsets', [OFFSETS, (-2, -1, 0), (0, 1, 2, 3)])
def test_inferencer_gives_frames_and_poses_together(
    offsets, tmp_path, monkeypatch
):
    """All of them, the last ones too; a frame is drawn with its own poses."""
    monkeypatch.chdir(tmp_path)
    video = write_video(tmp_path / 'walk.mp4', num_frames=6)
    config = Config(
        dict(
            default_scope='mmpose',
            model=toy_model(K, offsets),
            test_dataloader=dict(dataset=dataset('nowhere', offsets)),
        )
    )
    inferencer = VideoPoseInferencer(config, device='cpu')
    boxes = [[[8 + 2 * i, 8, 48 + 2 * i, 56]] for i in range(6)]
    boxes[4] = []
    results = list(
        inferencer(str(video), bboxes=boxes, return_vis=True, out_dir='out')
    )
    assert [result['frame_id'] for result in results] == list(range(6))
    found = [len(result['predictions'][0]) for result in results]
    assert found == [1, 1, 1, 1, 0, 1]
    stream = make_stream(inferencer.model)
    stage = EstimateStage(stream, inferencer.pipeline, inferencer.dataset_meta)
    frames = list(open_source(str(video)))
    done = []
    for frame, box in zip(frames, boxes):
        given = np.float32([[*b, 1] for b in box]).reshape(-1, 5)
        done += stage.push(
            VideoFrame(
                frame.image, frame.index, boxes=given, ids=np.arange(len(box))
            )
        )
    done += stage.flush()
    for frame, result, item in zip(frames, results, done):
        assert np.array_equal(item.image, frame.image)
        for person in result['predictions'][0]:
            np.testing.assert_allclose(
                person['keypoints'],
                item.sample.pred_instances.keypoints[0],
                rtol=1e-5,
            )
    written = json.loads((tmp_path / 'out/predictions/walk.json').read_text())
    assert [r['frame_id'] for r in written['instance_info']] == list(range(6))


def test_leaving_the_loop_early_keeps_what_was_done(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    video = write_video(tmp_path / 'walk.mp4', num_frames=6)
    config = Config(
        dict(
            default_scope='mmpose',
            model=toy_model(K),
            test_dataloader=dict(dataset=dataset('nowhere')),
        )
    )
    inferencer = VideoPoseInferencer(
        config, det_model='whole_image', device='cpu'
    )
    for result in inferencer(str(video), pred_out_dir='out'):
        if result['frame_id'] == 2:
            break
    written = json.loads((tmp_path / 'out/walk.json').read_text())
    assert [r['frame_id'] for r in written['instance_info']] == [0, 1, 2]
