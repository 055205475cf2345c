# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A stream gives what clips give, two frames later."""

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmpose.registry import DATASETS

from rpstn_mmpose.apis import VideoPoseInferencer
from rpstn_mmpose.streams import make_stream
from tests.test_apis.tiny import write_video
from tests.test_datasets.penn_files import write_penn

from .tiny import build, dataset, pose_warper


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """A video of twelve frames and one of two."""
    folder = tmp_path_factory.mktemp('penn')
    return write_penn(folder, lengths=(12, 2), train=(-1, -1))


@pytest.fixture(scope='module')
def crops(root):
    """Packed crops of single frames, and the name of their video."""
    frames = DATASETS.build(dataset(root, clip_offsets=(0,)))
    items = []
    for row in range(len(frames)):
        item = frames[row]
        item['inputs'] = item['inputs'][0]
        items.append((frames.get_data_info(row)['video_id'], item))
    return items


def check(samples, expected):
    for sample, clip in zip(samples, expected):
        for key in ('keypoints', 'keypoint_scores'):
            np.testing.assert_allclose(
                sample.pred_instances[key],
                clip.pred_instances[key],
                rtol=1e-4,
                atol=1e-4,
            )


@pytest.mark.parametrize('flip', [False, True])
def test_equals_clips(root, crops, flip):
    """With boxes of each frame's own; at both ends and in a video that is
    shorter than the window."""
    model = build(pose_warper(test_cfg=dict(flip_test=flip)))
    clips = DATASETS.build(dataset(root))
    expected = model.test_step(
        pseudo_collate([clips[i] for i in range(len(clips))])
    )
    boxes = np.stack([s.metainfo['input_center'] for s in expected])
    assert len(np.unique(boxes[:12].round(3), axis=0)) == 12
    stream = make_stream(model)
    assert stream.delay == 2
    done, start = [], 0
    for number, (video, item) in enumerate(crops):
        if number and video != crops[number - 1][0]:
            done += stream.flush()
            stream.reset()
            start = number
        done += stream.push([item], [7])
        assert len(done) == max(start, number + 1 - 2)
    done += stream.flush()
    assert [poses.frame for poses in done] == [*range(12), 0, 1]
    check([poses.samples[0] for poses in done], expected)


def test_a_frame_goes_through_the_image_model_once(crops):
    model = build()
    images = []
    model.backbone.register_forward_pre_hook(
        lambda _, args: images.append(len(args[0]))
    )
    stream = make_stream(model)
    for _, item in crops[:12]:
        stream.push([item, item], [0, 1])
    stream.flush()
    assert images == [2] * 12


def test_offsets_of_the_wanted_frame_are_computed_once(crops):
    """Four pairs a frame go through the warper, and one at the start."""
    model = build()
    pairs = []
    model.warper.offset_feats.register_forward_pre_hook(
        lambda _, args: pairs.append(len(args[0]))
    )
    stream = make_stream(model)
    for _, item in crops[:12]:
        stream.push([item], [0])
    stream.flush()
    assert sorted(pairs) == [1] + [4] * 12


def test_people_who_come_and_go(crops):
    """Each is treated as if alone; who is away counts with the nearest frame
    of the stay."""
    model = build()
    items = [item for _, item in crops]
    presence = [{0: 0}, {0: 1, 1: 2}, {1: 3, 0: 4}, {1: 5}, {}, {0: 6}]
    stream = make_stream(model)
    done = []
    for people in presence:
        done += stream.push([items[row] for row in people.values()], people)
    done += stream.flush()
    assert [p.person_ids for p in done] == [list(p) for p in presence]

    def alone(rows):
        other = make_stream(model)
        parts = []
        for row in rows:
            parts += other.push([items[row]], [0])
        return [poses.samples[0] for poses in parts + other.flush()]

    stays = {0: [alone([0, 1, 4]), alone([6])], 1: [alone([2, 3, 5])]}
    expected = {
        (0, 0): stays[0][0][0],
        (1, 0): stays[0][0][1],
        (1, 1): stays[1][0][0],
        (2, 1): stays[1][0][1],
        (2, 0): stays[0][0][2],
        (3, 1): stays[1][0][2],
        (5, 0): stays[0][1][0],
    }
    for poses in done:
        for person, sample in zip(poses.person_ids, poses.samples):
            check([sample], [expected[poses.frame, person]])


def test_memory_is_bounded(crops):
    """No more than the window is kept, however long it runs."""
    stream = make_stream(build())
    item = crops[0][1]
    for number in range(20):
        stream.push([item], [number % 3])
        assert len(stream._window._kept) <= 5
    stream.flush()
    assert len(stream._window._kept) <= 5


def test_the_inferencer_runs_it(tmp_path, monkeypatch):
    """All frames come out, drawn with their own poses."""
    monkeypatch.chdir(tmp_path)
    video = write_video(tmp_path / 'walk.mp4', num_frames=6)
    config = Config(
        dict(
            default_scope='mmpose',
            model=pose_warper(),
            test_dataloader=dict(dataset=dataset('nowhere')),
        )
    )
    inferencer = VideoPoseInferencer(config, device='cpu')
    boxes = [[[8 + 2 * i, 8, 48 + 2 * i, 56]] for i in range(6)]
    boxes[3] = []
    results = list(inferencer(str(video), bboxes=boxes))
    assert [result['frame_id'] for result in results] == list(range(6))
    found = [len(result['predictions'][0]) for result in results]
    assert found == [1, 1, 1, 0, 1, 1]
