# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from types import SimpleNamespace

import cv2
import mmcv
import numpy as np
import pytest
import torch
from mmengine.registry import VISUALIZERS
from mmengine.structures import InstanceData, PixelData
from mmpose.registry import HOOKS
from mmpose.visualization import PoseLocalVisualizer

from .videos import build_dataset, write_videos


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return write_videos(
        tmp_path_factory.mktemp('penn'), {'0001': 7, '0002': 3}
    )


@pytest.fixture
def visualizer():
    """The process's current visualizer, as a Runner makes it."""
    PoseLocalVisualizer._instance_dict.clear()
    yield VISUALIZERS.build(dict(type='mmpose.PoseLocalVisualizer', name='x'))
    PoseLocalVisualizer._instance_dict.clear()


def outputs(dataset, heatmaps=False):
    """Samples with predictions: all joints at (30, 40)."""
    samples = []
    for i in range(len(dataset)):
        sample = dataset[i]['data_samples']
        rows = len(sample.gt_instances)
        sample.pred_instances = InstanceData(
            keypoints=np.tile(np.array([30.0, 40.0]), (rows, 13, 1)),
            keypoint_scores=np.ones((rows, 13)),
            bboxes=sample.gt_instances.bboxes,
        )
        if heatmaps:
            sample.pred_fields = PixelData(
                heatmaps=torch.zeros(rows * 13, 8, 8)
            )
        samples.append(sample)
    return samples


def make_runner(dataset, work_dir, iteration=0):
    evaluator = SimpleNamespace(dataset_meta=dataset.metainfo)
    return SimpleNamespace(
        work_dir=str(work_dir),
        timestamp='now',
        iter=iteration,
        test_evaluator=evaluator,
        val_evaluator=evaluator,
    )


def make_hook(**kwargs):
    return HOOKS.build(dict(type='ClipVisualizationHook', **kwargs))


EXPECTED = sorted(
    [f'0001_{i:06d}.jpg' for i in range(1, 8)]
    + [f'0002_{i:06d}.jpg' for i in range(1, 4)]
)


@pytest.mark.parametrize(
    'clip_length, heatmaps', [(5, False), (5, True), (1, False), (1, True)]
)
def test_every_frame_is_drawn_once(
    root, tmp_path, visualizer, clip_length, heatmaps
):
    dataset = build_dataset(root, clip_length)
    hook = make_hook(enable=True, out_dir='pictures')
    runner = make_runner(dataset, tmp_path)
    hook.before_test(runner)
    samples = outputs(dataset, heatmaps)
    for i in range(0, len(samples), 2):  # several iterations
        hook.after_test_iter(runner, i, {}, samples[i : i + 2])
    folder = tmp_path / 'now' / 'pictures'
    assert sorted(item.name for item in folder.iterdir()) == EXPECTED
    assert [item.name for item in (tmp_path / 'now').iterdir()] == ['pictures']
    image = cv2.imread(str(folder / '0001_000006.jpg'))
    # the heatmap's overlay goes below the picture
    assert image.shape == (128 if heatmaps else 64, 96, 3)
    # that very frame, and the prediction on it
    np.testing.assert_allclose(image[5:20, 70:90].mean(), 20 + 24, atol=3)
    assert np.ptp(image[40, 30].astype(int)) > 60
    # a second test overwrites the files of the first
    hook.before_test(runner)
    hook.after_test_iter(runner, 0, {}, outputs(dataset, heatmaps))
    assert sorted(item.name for item in folder.iterdir()) == EXPECTED


def test_absolute_folder(root, tmp_path, visualizer):
    dataset = build_dataset(root)
    hook = make_hook(enable=True, out_dir=str(tmp_path / 'here'))
    hook.after_test_iter(
        make_runner(dataset, tmp_path / 'work'), 0, {}, outputs(dataset)
    )
    assert len(list((tmp_path / 'here').iterdir())) == 10


def test_several_people_in_a_frame(root, tmp_path, visualizer):
    dataset = build_dataset(root)
    hook = make_hook(enable=True, out_dir='x')
    sample = outputs(dataset)[-1]
    sample.set_metainfo(dict(video_id='run/a'))
    hook.after_test_iter(
        make_runner(dataset, tmp_path), 0, {}, [sample, sample]
    )
    names = sorted(item.name for item in (tmp_path / 'now' / 'x').iterdir())
    assert names == [
        f'run_a_00000{i}{end}.jpg' for i in (1, 2, 3) for end in ('-2', '')
    ]


def test_disabled_does_nothing(root, tmp_path, visualizer):
    hook = make_hook(enable=False, out_dir='x')
    hook.after_test_iter(None, 0, {}, ['not looked at'])
    hook.after_val_iter(None, 0, {}, ['not looked at'])
    assert list(tmp_path.iterdir()) == []


def test_validation_draws_the_first_wanted_frame(
    root, tmp_path, visualizer, monkeypatch
):
    dataset = build_dataset(root)
    # the second clip of 0001: frames 3 to 7, of which 6 and 7 are wanted
    sample = outputs(dataset, heatmaps=True)[1]
    assert sample.frame_mask.tolist() == [False, False, False, True, True]
    drawn = []

    def record(self, name, image, data_sample, step=0, **kwargs):
        drawn.append(
            (
                step,
                float(image.mean()),
                data_sample.img_path[-15:],
                len(data_sample.pred_instances),
            )
        )

    monkeypatch.setattr(PoseLocalVisualizer, 'add_datasample', record)
    hook = make_hook(enable=True, interval=10)
    for batch in range(25):
        runner = make_runner(dataset, tmp_path, iteration=5)
        batch_data = dict(data_samples=[sample])
        hook.after_val_iter(runner, batch, batch_data, [sample])
    assert [item[0] for item in drawn] == [10, 20]
    for _, level, path, rows in drawn:
        assert path == '0001/000006.jpg' and rows == 1
        assert level == pytest.approx(20 + 24, abs=1)


def test_a_lost_frame_is_an_error(root, tmp_path, visualizer):
    dataset = build_dataset(root)
    sample = outputs(dataset)[-1]
    sample.set_metainfo(dict(img_paths=[str(tmp_path / 'x.jpg')] * 5))
    hook = make_hook(enable=True, out_dir='x')
    with pytest.raises(FileNotFoundError):
        hook.after_test_iter(make_runner(dataset, tmp_path), 0, {}, [sample])


def test_pictures_are_images_of_their_ending(root, tmp_path, visualizer):
    dataset = build_dataset(root)
    hook = make_hook(enable=True, out_dir='x')
    hook.after_test_iter(
        make_runner(dataset, tmp_path), 0, {}, outputs(dataset)[-1:]
    )
    for path in (tmp_path / 'now' / 'x').iterdir():
        assert mmcv.imread(str(path)).shape == (64, 96, 3)
