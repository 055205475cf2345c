# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmpose.registry import DATASETS, MODELS

import rpstn_mmpose
from rpstn_mmpose.visualization.relation_figure import (
    RelationRecorder,
    check_box,
    draw_relation_figure,
    find_relation,
    predict_relation,
)

CODEC = dict(
    type='MSRAHeatmap', input_size=(64, 64), heatmap_size=(16, 16), sigma=2
)


def image_config(head='JREHead', **kwargs):
    """A tiny image model of COCO's joints; its data are nowhere."""
    return Config(
        dict(
            default_scope='mmpose',
            model=dict(
                type='TopdownPoseEstimator',
                data_preprocessor=dict(type='PoseDataPreprocessor'),
                backbone=dict(
                    type='ResNet', depth=18, stem_channels=8, base_channels=8
                ),
                head=dict(
                    type=head,
                    in_channels=64,
                    out_channels=17,
                    deconv_out_channels=(8, 8, 8),
                    deconv_kernel_sizes=(4, 4, 4),
                    decoder=CODEC,
                    **kwargs,
                ),
                test_cfg=dict(flip_test=True),
            ),
            test_dataloader=dict(
                dataset=dict(
                    type='CocoDataset',
                    data_root='nowhere',
                    lazy_init=True,
                    test_mode=True,
                    pipeline=[
                        dict(type='LoadImage'),
                        dict(type='GetBBoxCenterScale'),
                        dict(type='TopdownAffine', input_size=(64, 64)),
                        dict(type='PackPoseInputs'),
                    ],
                )
            ),
        )
    )


def clip_config(**model):
    """The quick start's RPSTN; its data are nowhere."""
    config = Config.fromfile(
        rpstn_mmpose.config_path('rpstn_tiny_1xb8-1e_synthetic-penn-128x128')
    )
    config.model.pop('image_pretrained')
    config.merge_from_dict(dict(model=model))
    config.test_dataloader.dataset.data_root = 'nowhere'
    config.test_dataloader.dataset.lazy_init = True
    return config


def random_weights(model):
    """Untrained, but no relation that is the identity."""
    relation = find_relation(model)
    for conv in (relation.conv_g, relation.conv_o):
        torch.nn.init.normal_(conv.weight, std=0.3)
    return model.eval()


def build(config):
    dataset = DATASETS.build(config.test_dataloader.dataset)
    return random_weights(MODELS.build(config.model)), dataset


def make_frames(number, size=(90, 120)):
    return list(
        np.random.default_rng(0).integers(
            0, 256, (number, *size, 3), dtype=np.uint8
        )
    )


def expected_from(before, relation):
    """Correlation, weights and heatmaps after JRE, in numpy (Eq. 6 to 9)."""
    maps = before.reshape(len(before), -1).astype(np.float64)
    correlation = maps @ maps.T
    weights = np.exp(correlation - correlation.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    g, o = (
        conv.weight.detach().double().numpy()[:, :, 0, 0]
        for conv in (relation.conv_g, relation.conv_o)
    )
    after = o @ weights @ g @ maps + maps
    return correlation, weights, after.reshape(before.shape)


def check(record, model):
    relation = find_relation(model)
    correlation, weights, after = expected_from(record.before, relation)
    np.testing.assert_allclose(
        record.correlation, correlation, rtol=1e-3, atol=1e-5
    )
    np.testing.assert_allclose(record.weights, weights, atol=1e-4)
    np.testing.assert_allclose(record.after, after, atol=1e-4)
    assert np.abs(record.after - record.before).max() > 1e-3


def test_image_model():
    model, dataset = build(image_config())
    (frame,) = make_frames(1)
    record = predict_relation(model, dataset, [frame], (20, 10, 60, 50))
    assert record.before.shape == (17, 16, 16)
    check(record, model)
    # No flip test: the strongest pixel of the map is the joint, up to the
    # decoder's quarter. The crop is 50 pixels wide around (40, 30).
    model.test_cfg['flip_test'] = False
    record = predict_relation(model, dataset, [frame], (20, 10, 60, 50))
    rows, columns = np.unravel_index(
        record.after.reshape(17, -1).argmax(axis=1), (16, 16)
    )
    expected = np.stack([columns, rows], axis=1) * 50 / 16 + [15, 5]
    # The decoder gives no joint where nothing is positive.
    found = record.after.max(axis=(1, 2)) > 0
    assert found.sum() > 5
    np.testing.assert_allclose(
        record.keypoints[found], expected[found], atol=0.8
    )
    # the whole image, without a box
    record = predict_relation(model, dataset, [frame])
    assert record.bbox.tolist() == [0, 0, 120, 90]


@pytest.fixture(scope='module')
def recurrent():
    torch.manual_seed(0)
    from mmengine.registry import init_default_scope

    init_default_scope('mmpose')
    return build(clip_config())


def test_clip_model_gives_the_frame_that_was_asked_for(recurrent):
    model, dataset = recurrent
    frames = make_frames(3)
    box = (10, 5, 100, 80)
    records = [
        predict_relation(model, dataset, frames, box, index)
        for index in range(3)
    ]
    for index, record in enumerate(records):
        check(record, model)
        assert record.image is frames[index]
    # Against the heatmaps that the model itself gives for the frames: only
    # the first has no norm after JRE (Eq. 1).
    info = dict(
        dataset.metainfo,
        img=frames,
        bbox=np.tile(np.float32(box), (3, 1)),
        bbox_score=np.ones(3),
        keypoints=np.zeros((3, 13, 2)),
        keypoints_visible=np.zeros((3, 13)),
        frame_mask=np.ones(3, bool),
    )
    batch = model.data_preprocessor(pseudo_collate([dataset.pipeline(info)]))
    with torch.no_grad():
        heatmaps = model(batch['inputs'], None, mode='tensor')[0]
        for index, record in enumerate(records):
            after = torch.from_numpy(record.after)[None]
            if index > 0:
                after = model.head.norm(after)
            torch.testing.assert_close(
                after[0], heatmaps[index], rtol=1e-4, atol=1e-4
            )


def test_flip_test_and_later_frames_change_nothing(recurrent):
    model, dataset = recurrent
    frames = make_frames(3)
    assert model.test_cfg['flip_test']
    flipped = predict_relation(model, dataset, frames, index=1)
    model.test_cfg['flip_test'] = False
    try:
        plain = predict_relation(model, dataset, frames[:2])
    finally:
        model.test_cfg['flip_test'] = True
    np.testing.assert_allclose(flipped.before, plain.before, atol=1e-5)
    np.testing.assert_allclose(flipped.after, plain.after, atol=1e-5)


def test_a_model_that_refines_all_frames_in_one_call():
    model, dataset = build(
        clip_config(
            neck=None,
            initializer='features',
            train_cfg=dict(initializer_loss_weight=0),
        )
    )
    frames = make_frames(3)
    record = predict_relation(model, dataset, frames, index=1)
    alone = predict_relation(model, dataset, frames[1:2])
    check(record, model)
    np.testing.assert_allclose(record.before, alone.before, atol=1e-5)


def test_the_first_relation_of_several_with_a_matrix_is_taken():
    relation = dict(
        type='RelationSequence',
        relations=[
            dict(type='NonLocalRelation'),
            dict(type='JointRelationExtractor'),
        ],
    )
    model = MODELS.build(image_config(relation=relation).model)
    assert find_relation(model) is model.head.relation[1]


@pytest.mark.parametrize(
    'head, kwargs, message',
    [
        ('HeatmapHead', {}, 'its HeatmapHead has no relation; use a JREHead'),
        ('JREHead', dict(relation=None), 'its JREHead has no relation'),
        (
            'JREHead',
            dict(relation=dict(type='NonLocalRelation')),
            'a NonLocalRelation, which compares no joints',
        ),
    ],
)
def test_models_without_a_jre(head, kwargs, message):
    model = MODELS.build(image_config(head, **kwargs).model)
    with pytest.raises(ValueError, match=message):
        find_relation(model)


def test_calls_that_fit_no_frames():
    relation = torch.nn.Identity()
    with RelationRecorder(relation) as recorder:
        relation(torch.zeros(3, 2, 4, 4))
    relation(torch.zeros(1, 2, 4, 4))  # not recorded any more
    with pytest.raises(ValueError, match='saw 3 sets of heatmaps for 2 fr'):
        recorder.frame(0, 2)


@pytest.mark.parametrize(
    'box', [(5, 5, 5, 9), (5, 9, 8, 2), (0, 0, np.nan, 9), (0, 0, np.inf, 9)]
)
def test_boxes_without_area(box):
    with pytest.raises(ValueError, match='must be finite with x1 < x2'):
        check_box(box, (90, 120))


@pytest.mark.parametrize('box', [(120, 0, 130, 9), (0, -9, 5, 0)])
def test_boxes_outside(box):
    with pytest.raises(
        ValueError, match='outside of the image, which is 120 x 90'
    ):
        check_box(box, (90, 120))


def test_wrong_frames():
    model, dataset = build(image_config())
    with pytest.raises(ValueError, match='an image model takes one image'):
        predict_relation(model, dataset, make_frames(2))
    with pytest.raises(ValueError, match='no frame 1 among 1'):
        predict_relation(model, dataset, make_frames(1), index=1)


def test_figure(tmp_path):
    model, dataset = build(image_config())
    record = predict_relation(model, dataset, make_frames(1))
    out = tmp_path / 'new' / 'figure.png'
    draw_relation_figure(record, dataset.metainfo, out, 'a title')
    picture = cv2.imread(str(out))
    height, width = picture.shape[:2]
    assert width == 1700 and height > 1000
    # something in the line above, the three panels and the maps' rows
    top = int(0.55 * height)
    for part in (
        picture[:40],
        picture[60:top, :400],
        picture[60:top, 500:1000],
        picture[60:top, 1100:],
        picture[top:, :800],
        picture[top:, 800:],
    ):
        assert part.std() > 5
    # and white margins between them
    assert (picture[45:55] == 255).all()


def test_figure_errors(tmp_path):
    model, dataset = build(image_config())
    record = predict_relation(model, dataset, make_frames(1))
    with pytest.raises(ValueError, match='the name must end in .png'):
        draw_relation_figure(record, dataset.metainfo, tmp_path / 'a.txt')
    meta = dict(dataset.metainfo, keypoint_id2name={0: 'nose'})
    with pytest.raises(ValueError, match='17 heatmaps, but .* has 1 joints'):
        draw_relation_figure(record, meta, tmp_path / 'a.png')
