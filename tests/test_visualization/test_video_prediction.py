# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import sys

import numpy as np
import pytest
import torch
from mmengine.config import Config

from rpstn_mmpose.structures import narrow, wanted_frames
from rpstn_mmpose.visualization import (
    choose_videos,
    list_videos,
    load_model_and_dataset,
    predict_videos,
)

from .videos import LENGTHS, LevelModel, build_dataset, truth, write_videos


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return write_videos(tmp_path_factory.mktemp('penn'))


def levels(number, frames):
    """What a JPEG of one grey level keeps of it, by hand: all."""
    return np.array([20 * (number + 1) + 4 * frame for frame in frames])


@pytest.mark.parametrize(
    'clip_length, batch_size', [(5, 2), (5, 64), (1, 4), (4, 3)]
)
def test_every_frame_once_and_in_order(root, clip_length, batch_size):
    """7 and 12 frames need a shifted last window, 3 a padded one."""
    dataset = build_dataset(root, clip_length)
    model = LevelModel().train()
    result = predict_videos(model, dataset, batch_size=batch_size)
    assert list(result) == list(LENGTHS)
    for number, (video, length) in enumerate(LENGTHS.items()):
        poses = result[video]
        assert len(poses) == length
        assert poses.frame_ids.tolist() == list(range(1, length + 1))
        assert [path[-15:] for path in poses.img_paths] == [
            f'{video}/{i:06d}.jpg' for i in poses.frame_ids
        ]
        expected = levels(number, poses.frame_ids)
        assert poses.keypoints.shape == (length, 13, 2)
        np.testing.assert_allclose(
            poses.keypoints,
            np.broadcast_to(expected[:, None, None], (length, 13, 2)),
            atol=1,
        )
        assert poses.keypoint_scores.shape == (length, 13)
        np.testing.assert_allclose(poses.gt_keypoints, truth(length))
        assert poses.keypoints_visible[:2].all()
        assert poses.keypoints_labeled.all()
        assert not poses.keypoints_visible[2:, 5:7].any()
        np.testing.assert_allclose(poses.bboxes, [[10, 1, 60, 59]] * length)
    assert max(model.batch_sizes) <= batch_size


def test_centred_windows(root):
    dataset = build_dataset(root, None, clip_offsets=(-1, 0, 2))
    poses = predict_videos(LevelModel(), dataset, ['0001'])['0001']
    assert poses.frame_ids.tolist() == [1, 2, 3, 4, 5, 6, 7]
    np.testing.assert_allclose(
        poses.keypoints[:, 0, 0], [24, 28, 32, 36, 40, 44, 48], atol=1
    )


class WantedRowsModel(LevelModel):
    """Gives back the wanted row alone, as window models do."""

    def test_step(self, data):
        return [
            narrow(sample, np.flatnonzero(wanted_frames(sample)))
            for sample in super().test_step(data)
        ]


def test_a_model_that_answers_for_the_wanted_row_alone(root):
    dataset = build_dataset(root, None, clip_offsets=(-1, 0, 2))
    poses = predict_videos(WantedRowsModel(), dataset, ['0001'])['0001']
    assert poses.frame_ids.tolist() == [1, 2, 3, 4, 5, 6, 7]
    np.testing.assert_allclose(
        poses.keypoints[:, 0, 0], [24, 28, 32, 36, 40, 44, 48], atol=1
    )


@pytest.mark.parametrize(
    'max_frames, clips', [(5, 1), (6, 2), (1, 1), (100, 3)]
)
def test_max_frames_runs_no_more_clips_than_needed(root, max_frames, clips):
    model = LevelModel()
    result = predict_videos(
        model, build_dataset(root), ['0002'], max_frames=max_frames
    )
    length = min(max_frames, 12)
    assert result['0002'].frame_ids.tolist() == list(range(1, length + 1))
    assert sum(model.batch_sizes) == clips


def test_order_of_the_videos_is_as_asked(root):
    result = predict_videos(
        LevelModel(), build_dataset(root), ['0004', '0001'], device='cpu'
    )
    assert list(result) == ['0004', '0001']


def test_progress_bar_counts_frames(root, capsys, monkeypatch):
    dataset = build_dataset(root)
    predict_videos(LevelModel(), dataset, ['0001'], progress='RPSTN')
    assert capsys.readouterr().err == ''  # no terminal, no bar
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
    predict_videos(LevelModel(), dataset, ['0001'], progress='RPSTN')
    assert '7/7' in capsys.readouterr().err
    predict_videos(LevelModel(), dataset, ['0001'])
    assert capsys.readouterr().err == ''


def test_overlapping_clips_are_refused(root):
    dataset = build_dataset(root, clip_stride=1, test_mode=False)
    with pytest.raises(ValueError, match='build the data set with test_mode'):
        predict_videos(LevelModel(), dataset, ['0002'])


@pytest.mark.parametrize('option', ['max_frames', 'batch_size'])
def test_numbers_below_one(root, option):
    with pytest.raises(ValueError, match=f'{option} must be at least 1'):
        predict_videos(LevelModel(), build_dataset(root), **{option: 0})


def test_list_videos(root):
    assert list_videos(build_dataset(root)) == {
        '0001': [0, 1],
        '0002': [2, 3, 4],
        '0004': [5],
    }


def test_list_videos_of_images():

    class Images(list):
        def get_data_info(self, index):
            return self[index]

    with pytest.raises(ValueError, match="Images has no videos.*'video_id'"):
        list_videos(Images([dict(img_id=1)]))


def test_choose_videos():
    names = [f'{i:04d}' for i in range(10)]
    assert choose_videos(names) == names
    assert choose_videos(names, 99) == names
    assert choose_videos(names, 1) == ['0000']
    assert choose_videos(names, 4) == ['0000', '0003', '0006', '0009']
    ids = ['0007', '0002', '0007']
    assert choose_videos(names, 4, ids) == ['0007', '0002']
    with pytest.raises(
        ValueError, match='no video 7 in the data set; it has 10: 0000, 0001'
    ):
        choose_videos(names, video_ids=['0007', '7'])
    with pytest.raises(ValueError, match='at least 1, but got 0'):
        choose_videos(names, 0)


def small_config(root):
    """A heatmap model with a few thousand parameters, on single frames."""
    codec = dict(
        type='MSRAHeatmap', input_size=(32, 32), heatmap_size=(8, 8), sigma=1
    )
    return Config(
        dict(
            default_scope='mmpose',
            model=dict(
                type='TopdownPoseEstimator',
                data_preprocessor=dict(type='PoseDataPreprocessor'),
                backbone=dict(
                    type='ResNet', depth=18, stem_channels=4, base_channels=4
                ),
                head=dict(
                    type='HeatmapHead',
                    in_channels=32,
                    out_channels=13,
                    deconv_out_channels=(4, 4, 4),
                    deconv_kernel_sizes=(4, 4, 4),
                    decoder=codec,
                ),
            ),
            test_dataloader=dict(
                dataset=dict(
                    type='PennActionDataset',
                    data_root=str(root),
                    split='test',
                    clip_length=1,
                    test_mode=True,
                    pipeline=[
                        dict(type='LoadImage'),
                        dict(type='GetBBoxCenterScale'),
                        dict(type='TopdownAffine', input_size=(32, 32)),
                        dict(type='PackPoseInputs'),
                    ],
                )
            ),
        )
    )


@pytest.fixture(scope='module')
def files(root, tmp_path_factory):
    """A config and a checkpoint of its model."""
    from mmpose.registry import MODELS

    folder = tmp_path_factory.mktemp('model')
    config = small_config('nowhere')
    config.dump(str(folder / 'config.py'))
    with torch.random.fork_rng():
        torch.manual_seed(3)
        state = MODELS.build(config.model).state_dict()
    # Positive heatmaps: where there is none, MMPose answers (-1, -1).
    state['head.final_layer.bias'] += 10
    torch.save(dict(state_dict=state), str(folder / 'model.pth'))
    return folder / 'config.py', folder / 'model.pth'


def test_load_model_and_dataset(root, files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # metainfo is found from anywhere
    model, dataset = load_model_and_dataset(
        *files, data_root=str(root), device='cpu'
    )
    assert len(dataset) == sum(LENGTHS.values())
    assert not model.training
    weight = model.head.final_layer.weight
    saved = torch.load(files[1])['state_dict']['head.final_layer.weight']
    assert torch.equal(weight.cpu(), saved)
    poses = predict_videos(model, dataset, ['0004'])['0004']
    assert poses.keypoints.shape == (3, 13, 2)
    # the heatmaps' corners, in the picture: centre (35, 30), side 1.25 * 58
    assert (np.abs(poses.keypoints - (35, 30)) <= 1.25 * 58 / 2).all()


def test_load_refuses_what_does_not_belong(root, files, tmp_path):
    config, checkpoint = files
    load = dict(data_root=str(root), device='cpu')
    with pytest.raises(FileNotFoundError, match='no such config'):
        load_model_and_dataset(tmp_path / 'x.py', checkpoint, **load)
    with pytest.raises(FileNotFoundError, match='no such checkpoint'):
        load_model_and_dataset(config, tmp_path / 'x.pth', **load)
    with pytest.raises(FileNotFoundError, match='no folder'):
        load_model_and_dataset(config, checkpoint, data_root=str(tmp_path))
    with pytest.raises(ValueError, match="device must be such as 'cpu'"):
        load_model_and_dataset(config, checkpoint, device='gpu')
    state = torch.load(checkpoint)['state_dict']
    state.pop('head.final_layer.bias')
    torch.save(dict(state_dict=state), str(tmp_path / 'other.pth'))
    with pytest.raises(ValueError, match='head.final_layer.bias') as info:
        load_model_and_dataset(config, tmp_path / 'other.pth', **load)
    assert 'other.pth' in str(info.value) and '\n' not in str(info.value)
    (tmp_path / 'text.pth').write_text('text')
    with pytest.raises(ValueError, match='text.pth'):
        load_model_and_dataset(config, tmp_path / 'text.pth', **load)
    bare = Config(dict(model=dict(type='ResNet')))
    with pytest.raises(ValueError, match='has no test_dataloader'):
        load_model_and_dataset(bare, checkpoint, **load)


def test_cuda_without_a_gpu(files, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(ValueError, match='sees no GPU'):
        load_model_and_dataset(*files, device='cuda:0')
