# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest
from mmengine.dataset import Compose
from mmpose.registry import TRANSFORMS

from rpstn_mmpose.apis import frame_pipeline
from rpstn_mmpose.datasets.transforms import ClipRandomFlip

from .tiny import image_model, pose_config, texture


def clip(num=3):
    """Frames and boxes of a clip with keypoints, as a data set gives them."""
    frames = [texture(seed=i) for i in range(num)]
    boxes = np.float32(
        [[10 + 3 * i, 5, 60 + 4 * i, 58 + i] for i in range(num)]
    )
    return frames, dict(
        img=list(frames),
        bbox=boxes,
        bbox_score=np.ones(num, np.float32),
        keypoints=np.ones((num, 13, 2), np.float32),
        keypoints_visible=np.ones((num, 13), np.float32),
        flip_indices=list(range(13)),
        video_id='1',
        frame_ids=list(range(num)),
    )


@pytest.mark.parametrize(
    'crop',
    [
        dict(type='GetBBoxCenterScale'),
        dict(type='GetBBoxCenterScale', padding=1.5),
        dict(type='ClipBBox', padding=1.1),
    ],
)
@pytest.mark.parametrize('whole_clips', [False, True])
def test_same_pixels_as_the_clip_pipeline(crop, whole_clips):
    """The crops taken frame by frame or, as a recipe may, at once."""
    config = pose_config()
    config.test_dataloader.dataset.pipeline[1] = crop
    if whole_clips:
        config.test_dataloader.dataset.pipeline[2] = dict(
            type='ReducedTopdownAffine', input_size=(64, 64)
        )
    frames, results = clip()
    expected = Compose(config.test_dataloader.dataset.pipeline)(results)
    single = frame_pipeline(config)
    for row, frame in enumerate(frames):
        got = single(
            dict(
                img=frame,
                bbox=clip()[1]['bbox'][row][None],
                bbox_score=np.ones(1, np.float32),
                flip_indices=list(range(13)),
            )
        )
        assert got['inputs'].shape == (3, 64, 64)
        assert (got['inputs'] == expected['inputs'][row]).all()
        a, b = got['data_samples'], expected['data_samples']
        for key in ('input_center', 'input_scale'):
            np.testing.assert_array_equal(
                a.metainfo[key], b.metainfo[key][row, 0]
            )
        assert a.metainfo['flip_indices'] == list(range(13))
        np.testing.assert_array_equal(
            a.gt_instances.bboxes[0], b.gt_instances.bboxes[row]
        )


def test_image_pipelines_stay_as_they_are():
    config = pose_config(image_model())
    names = [type(t).__name__ for t in frame_pipeline(config).transforms]
    assert names == [
        'LoadImage',
        'GetBBoxCenterScale',
        'TopdownAffine',
        'PackPoseInputs',
    ]


@pytest.mark.parametrize(
    'mode, words',
    [('union', 'union of a clip'), ('wanted', "the wanted frame's box")],
)
def test_crops_of_other_frames_are_announced_as_impossible(
    mode, words, monkeypatch
):
    said = []
    monkeypatch.setattr(
        'rpstn_mmpose.apis.crop_pipeline.print_log',
        lambda text, **_: said.append(text),
    )
    config = pose_config()
    config.test_dataloader.dataset.pipeline[1] = dict(
        type='ClipBBox', mode=mode
    )
    frame_pipeline(config)
    assert len(said) == 1 and words in said[0]


def test_transforms_that_need_a_clip_are_refused():
    config = pose_config()
    config.test_dataloader.dataset.pipeline.insert(
        2, dict(type=ClipRandomFlip, direction='horizontal')
    )
    with pytest.raises(ValueError, match='ClipRandomFlip of its test'):
        frame_pipeline(config)


def test_unknown_transform_and_no_pipeline():
    config = pose_config()
    assert TRANSFORMS.get('NoSuchTransform') is None
    config.test_dataloader.dataset.pipeline.insert(
        2, dict(type='NoSuchTransform')
    )
    with pytest.raises(ValueError, match='unknown transform NoSuchTransform'):
        frame_pipeline(config)
    config.pop('test_dataloader')
    with pytest.raises(ValueError, match='has no test_dataloader.dataset'):
        frame_pipeline(config)
