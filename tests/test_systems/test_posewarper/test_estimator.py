# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmpose.registry import DATASETS, MODELS

from rpstn_mmpose.checkpoints import CheckpointError
from rpstn_mmpose.engine.hooks.checkpoint_guard_hook import (
    check_checkpoint_matches,
)
from rpstn_mmpose.speed.fast_inference import optimize_for_inference
from tests.test_datasets.penn_files import write_penn

from .tiny import (
    CODEC,
    OFFSETS,
    K,
    batch_of,
    build,
    dataset,
    image_model,
    image_parts,
    keypoints,
    pairs,
    pose_warper,
)


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return write_penn(tmp_path_factory.mktemp('penn'))


def clips(batch=2, frames=5):
    generator = torch.Generator().manual_seed(2)
    width, height = CODEC['input_size']
    return torch.randn(batch, frames, 3, height, width, generator=generator)


def test_a_new_warper_sums_the_heatmaps():
    """In the order of the offsets: 0.1, 0.25, 0.3, 0.25, 0.1."""
    model, inputs = build(trained=False), clips()
    with torch.no_grad():
        maps = model.extract_feat(inputs)[0]
        expected = (
            0.1 * maps[:, 0]
            + 0.25 * maps[:, 1]
            + 0.3 * maps[:, 2]
            + 0.25 * maps[:, 3]
            + 0.1 * maps[:, 4]
        )
        found = model(inputs, None, mode='tensor')
    assert found.shape == (2, K, 16, 24)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_other_offsets_and_weights():
    model = build(
        pose_warper(clip_offsets=(-1, 0), frame_weights=(0.75, 0.25)),
        trained=False,
    )
    with torch.no_grad():
        maps = model.extract_feat(clips(frames=2))[0]
        found = model(clips(frames=2), None, mode='tensor')
    assert (model.before, model.after) == (1, 0)
    torch.testing.assert_close(found, 0.75 * maps[:, 0] + 0.25 * maps[:, 1])


def test_the_image_model_is_the_same(root):
    """Of its own weights, by their own names."""
    image = MODELS.build(image_model()).eval()
    model = build()
    missing = model.load_state_dict(image.state_dict(), strict=False)
    assert not missing.unexpected_keys
    assert all(name.startswith('warper.') for name in missing.missing_keys)
    inputs = clips()
    with torch.no_grad():
        torch.testing.assert_close(
            model.extract_feat(inputs)[0].flatten(0, 1),
            image(inputs.flatten(0, 1), None, mode='tensor'),
        )


def test_loss_of_a_new_warper_is_that_of_the_near_frame(root):
    """It copies, so that the near frame's heatmaps meet the label."""
    model = build(trained=False)
    items = [pairs(root)[i] for i in (0, 3)]
    batch = batch_of(model, items)
    with torch.no_grad():
        losses = model.train()(**batch, mode='loss')
        near = model.eval().extract_feat(batch['inputs'])[0][:, 1]
    labels = [item['data_samples'].gt_instance_labels for item in items]
    error = torch.stack([label.heatmaps[0] for label in labels]) - near
    weights = torch.stack([label.keypoint_weights[0] for label in labels])
    expected = (error.square() * weights[..., None, None]).mean()
    torch.testing.assert_close(losses['loss_kpt'], expected)
    assert 'acc_pose' in losses


def test_the_near_frame_is_warped_to_the_labelled_one(root):
    """Whichever row that is; the difference has its sign."""
    model = build()
    items = [pairs(root, offsets)[0] for offsets in ((0, 1), (1, 0))]
    batch = batch_of(model, items)
    taken = []
    model.warper.register_forward_hook(lambda _, args, __: taken.append(args))
    with torch.no_grad():
        model.train()(**batch, mode='loss')
        maps = model.eval().extract_feat(batch['inputs'])[0]
    difference, source = taken[0]
    for clip, (labelled, near) in enumerate(((0, 1), (1, 0))):
        torch.testing.assert_close(source[clip], maps[clip, near])
        torch.testing.assert_close(
            difference[clip], maps[clip, labelled] - maps[clip, near]
        )
    torch.testing.assert_close(source[0], source[1])  # frame 1 of both
    assert difference.abs().max() > 0


@pytest.mark.parametrize('norm_eval', [True, False])
def test_only_the_warper_learns(root, norm_eval):
    """Without norm_eval, batch norms take the batch and go on moving."""
    config = pose_warper(train_cfg=dict(image_norm_eval=norm_eval))
    model = build(config).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    batch = batch_of(model, [pairs(root)[i] for i in (0, 3)])
    model(**batch, mode='loss')['loss_kpt'].backward()
    for name, value in model.named_parameters():
        assert (value.grad is not None) == name.startswith('warper.'), name
    moved = {
        name
        for name, value in model.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert any(name.startswith('warper.') for name in moved)
    image = {name for name in moved if not name.startswith('warper.')}
    assert all('running' in name or 'num_batches' in name for name in image)
    assert bool(image) != norm_eval
    assert model.warper.training and not model.eval().warper.training


def test_statistics_of_the_batch_are_those_of_both_frames(root):
    """Of the labelled and the near ones together, as published."""
    config = pose_warper(train_cfg=dict(image_norm_eval=False))
    model = build(config).train()
    batch = batch_of(model, [pairs(root)[i] for i in (0, 3)])
    first = model.backbone.conv1
    seen = []
    first.register_forward_hook(lambda _, __, output: seen.append(output))
    norm = model.backbone.bn1
    before = norm.running_mean.clone()
    model(**batch, mode='loss')
    assert [len(x) for x in seen] == [4]
    mean = seen[0].mean(dim=(0, 2, 3))
    torch.testing.assert_close(norm.running_mean, 0.9 * before + 0.1 * mean)


def test_the_image_model_may_learn_too(root):
    model = build(pose_warper(train_cfg=dict(freeze_image_model=False)))
    batch = batch_of(model, [pairs(root)[0], pairs(root)[3]])
    model.train()(**batch, mode='loss')['loss_kpt'].backward()
    assert all(p.grad is not None for p in model.parameters())
    assert not model.backbone.bn1.training and model.backbone.training


def test_flip_test_is_the_heads_own(root):
    model = build()
    data = DATASETS.build(dataset(root, box='wanted'))
    batch = batch_of(model, [data[3]])
    flips = data.metainfo['flip_indices']
    with torch.no_grad():
        plain = model(batch['inputs'], None, mode='tensor')
        mirrored = model(batch['inputs'].flip(-1), None, mode='tensor')
        mean = (plain + mirrored[:, flips].flip(-1)) / 2
        expected = model.head.decode(mean)[0].keypoints
        model.test_cfg = dict(flip_test=True, output_heatmaps=True)
        sample = model(**batch, mode='predict')[0]
    center, scale = (
        np.reshape(sample.metainfo[key], 2)
        for key in ('input_center', 'input_scale')
    )
    expected = expected / CODEC['input_size'] * scale + center - scale / 2
    np.testing.assert_allclose(keypoints(sample), expected, rtol=1e-4)
    torch.testing.assert_close(sample.pred_fields.heatmaps, mean[0])


@pytest.mark.parametrize('head', ['HeatmapHead', 'JREHead'])
def test_trains_and_is_tested_by_the_stock_runner(head, root, tmp_path):
    """Clips of pairs to train, windows to test, with any heatmap head."""

    def loader(data, batch_size=2):
        return dict(
            batch_size=batch_size,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=data,
        )

    training = dataset(
        root, training=True, box='wanted', clip_offsets=(0, 1), indices=4
    )
    runner = Runner.from_cfg(
        Config(
            dict(
                default_scope='mmpose',
                work_dir=str(tmp_path),
                model=pose_warper(**image_parts(head)),
                train_dataloader=loader(training),
                train_cfg=dict(by_epoch=True, max_epochs=2, val_interval=2),
                optim_wrapper=dict(optimizer=dict(type='Adam', lr=1e-3)),
                val_dataloader=loader(dataset(root)),
                val_cfg=dict(),
                val_evaluator=dict(type='ClipPCK'),
            )
        )
    )
    model = runner.model
    model.init_weights()
    before = {k: v.clone() for k, v in model.named_parameters()}
    runner.train()
    moved = {
        name
        for name, value in model.named_parameters()
        if not torch.equal(value, before[name])
    }
    assert 'warper.deform_conv_layers.0.weight' in moved
    assert all(name.startswith('warper.') for name in moved)
    scores = runner.val_loop.run()
    assert any('PCK' in name for name in scores)


def test_a_video_shorter_than_the_window(tmp_path):
    """Its ends repeat; the weights of what repeats add up."""
    root = write_penn(tmp_path, lengths=(1, 2), train=(-1, -1))
    data = DATASETS.build(dataset(root, box='wanted'))
    model = build()
    assert len(data) == 3
    batch = batch_of(model, [data[i] for i in range(3)])
    samples = model(**batch, mode='predict')
    assert [keypoints(s).shape for s in samples] == [(1, K, 2)] * 3
    with torch.no_grad():
        found = model(batch['inputs'], None, mode='tensor')[0]
        maps = model.extract_feat(batch['inputs'][:1])[0][:, 0]
        alone = model.warper(torch.zeros_like(maps), maps)[0]
    torch.testing.assert_close(found, alone, rtol=1e-4, atol=1e-5)


def stage_1(tmp_path, **overrides):
    image = MODELS.build(image_model(**overrides))
    path = tmp_path / 'stage_1.pth'
    torch.save(dict(state_dict=image.state_dict()), path)
    return image, path


def test_starts_from_a_stage_1_checkpoint(tmp_path):
    image, path = stage_1(tmp_path)
    config = pose_warper(image_pretrained=dict(checkpoint=str(path)))
    model = MODELS.build(config)
    model.init_weights()
    for name, value in image.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value)


def test_a_start_of_another_network_is_one_line(tmp_path):
    _, path = stage_1(tmp_path, **image_parts())
    config = pose_warper(
        image_pretrained=dict(checkpoint=str(path)), **image_parts('JREHead')
    )
    model = MODELS.build(config)
    with pytest.raises(ValueError, match='does not fit this model') as caught:
        model.init_weights()
    assert '\n' not in str(caught.value)


def test_stage_1_is_not_tested_as_posewarper(tmp_path):
    """It was, with a random warper, in the published code."""
    image, path = stage_1(tmp_path)
    with pytest.raises(CheckpointError, match='missing warper.') as caught:
        check_checkpoint_matches(build(), image.state_dict(), str(path))
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('dtype', [None, 'bfloat16'])
def test_faster_without_change(dtype):
    """Norms worked into convolutions; 16 bits where that is harmless."""
    model, inputs = build(), clips()
    with torch.no_grad():
        expected = model(inputs, None, mode='tensor')
        optimize_for_inference(model, dtype=dtype)
        found = model(inputs, None, mode='tensor')
    assert found.dtype == torch.float32
    assert next(model.warper.offset_layers.parameters()).dtype == found.dtype
    scale = expected.abs().max()
    error = (found - expected).abs().max() / scale
    assert error < (1e-4 if dtype is None else 0.1)


@pytest.mark.parametrize(
    'overrides, message',
    [
        (dict(frame_weights=(1, 2)), '2 frame_weights for 5 clip_offsets'),
        (dict(clip_offsets=(-2, -1, 1, 2, 3)), '0 exactly once'),
        (dict(train_cfg=dict(freeze=True)), 'unknown train_cfg'),
    ],
)
def test_bad_options(overrides, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(pose_warper(**overrides))


def test_a_head_without_heatmaps():
    head = dict(
        type='SimCCHead',
        in_channels=64,
        out_channels=K,
        input_size=(96, 64),
        in_featuremap_size=(3, 2),
        simcc_split_ratio=2.0,
        deconv_out_channels=None,
        loss=dict(type='KLDiscretLoss', use_target_weight=True),
        decoder=dict(
            type='SimCCLabel',
            input_size=(96, 64),
            sigma=6.0,
            simcc_split_ratio=2.0,
        ),
    )
    model = MODELS.build(pose_warper(head=head)).eval()
    with pytest.raises(ValueError, match='SimCCHead gives no.*a SimCCHeatmap'):
        model(clips(), None, mode='tensor')
    head['type'] = 'SimCCHeatmapHead'
    model = MODELS.build(pose_warper(head=head)).eval()
    found = model(clips(), None, mode='tensor')
    assert found.shape[-3:] == (K, 32, 48)


def test_training_on_windows_is_refused(root):
    model = build().train()
    window = dataset(root, training=True, box='wanted')
    batch = batch_of(model, [DATASETS.build(window)[3]])
    with pytest.raises(ValueError, match='the window of a near pair'):
        model(**batch, mode='loss')


def test_training_on_two_crops_is_refused(root):
    model = build().train()
    data = dataset(root, training=True, clip_offsets=(0, 1))
    batch = batch_of(model, [DATASETS.build(data)[0]])
    with pytest.raises(ValueError, match="mode='wanted'"):
        model(**batch, mode='loss')


def test_answers_for_the_middle(root):
    data = DATASETS.build(dataset(root))
    sample = build().test_step(
        dict(
            inputs=[data[4]['inputs']], data_samples=[data[4]['data_samples']]
        )
    )[0]
    assert sample.metainfo['frame_ids'] == [
        data[4]['data_samples'].metainfo['frame_ids'][OFFSETS.index(0)]
    ]


@pytest.mark.parametrize('flip', [False, True])
def test_frames_of_other_crops_are_resampled(root, flip):
    """The frame before was cropped two heatmap's pixels farther right and one
    farther down: its heatmaps come so many pixels later, and nothing in front
    of them. The sum is of that frame alone."""
    model = build(
        pose_warper(
            clip_offsets=(-1, 0),
            frame_weights=(1.0, 0.0),
            test_cfg=dict(flip_test=flip, output_heatmaps=True),
        ),
        trained=False,
    )
    data = dataset(root, box='wanted', clip_offsets=(-1, 0))
    batch = batch_of(model, [DATASETS.build(data)[3]])
    (sample,) = batch['data_samples']
    center = np.array(sample.metainfo['input_center'])
    pixel = np.reshape(sample.metainfo['input_scale'], (2, 2))[1] / (24, 16)
    center[0] += pixel * (2, 1)
    sample.set_metainfo(dict(input_center=center))
    with torch.no_grad():
        found = model(**batch, mode='predict')[0].pred_fields.heatmaps
        maps = model.extract_feat(batch['inputs'])[0][0, 0]
        if flip:
            mirrored = model.extract_feat(batch['inputs'].flip(-1))[0][0, 0]
            flips = sample.metainfo['flip_indices']
            maps = (maps + mirrored[flips].flip(-1)) / 2
    torch.testing.assert_close(
        found[:, 1:, 2:], maps[:, :-1, :-2], rtol=1e-3, atol=1e-3
    )
    assert found[:, 0].abs().max() < 1e-4
    assert found[:, :, :2].abs().max() < 1e-4
