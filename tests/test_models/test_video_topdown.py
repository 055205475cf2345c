# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest
import torch
from mmpose.registry import MODELS

from .conftest import (CODEC, NUM_JOINTS, clip_sample, tiny_backbone,
                       tiny_image_model, tiny_video_model)

T = 4


def build(**overrides):
    torch.manual_seed(0)
    model = MODELS.build(tiny_video_model(**overrides))
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.1)
    return model.eval()


def clips(batch=2, length=T):
    return torch.randn(batch, length, 3, 64, 64)


def test_recurrence_written_out_by_hand():
    """Eq. 1-4 for one clip, every step called by name."""
    model, inputs = build(), clips(batch=1, length=3)
    got = model(inputs, None, mode='tensor')
    assert got.shape == (1, 3, NUM_JOINTS, 16, 16)

    def features(frame):
        return model.feature_neck(model.backbone(frame))[-1]

    def image_model(frame):
        net = model.initializer
        return net.head(net.backbone(frame))

    neck, head = model.neck, model.head
    frames = [inputs[:, t] for t in range(3)]
    m = head.relation(image_model(frames[0]))  # Eq. 1
    torch.testing.assert_close(got[:, 0], m)
    f = features(frames[0])
    for t in (1, 2):
        x = neck.aggregate(torch.cat([f, m], dim=1))
        kernels = neck.kernel_generator(x)  # Eq. 2
        f = features(frames[t])
        response = neck.match(f, kernels)  # Eq. 3
        m = head.norm(head.relation(head.final_layer(response)))  # Eq. 4
        torch.testing.assert_close(got[:, t], m, rtol=1e-4, atol=1e-5)


def test_batched_extractor_equals_frame_by_frame():
    model, inputs = build(), clips()
    batched = model.extract_feat(inputs)
    for t in range(T):
        single = model.extract_feat(inputs[:, t:t + 1])
        torch.testing.assert_close(batched[:, t:t + 1], single)


def test_past_frames_do_not_see_the_future():
    model, inputs = build(), clips()
    changed = inputs.clone()
    changed[:, 2:] = 0
    a = model(inputs, None, mode='tensor')
    b = model(changed, None, mode='tensor')
    torch.testing.assert_close(a[:, :2], b[:, :2])
    assert not torch.allclose(a[:, 2], b[:, 2])


def test_state_carries_the_past():
    """Another first frame changes every answer after it (the untrained net
    damps it, hence float64)."""
    model, inputs = build().double(), clips().double()
    changed = inputs.clone()
    changed[:, 0] = 0
    a = model(inputs, None, mode='tensor')
    b = model(changed, None, mode='tensor')
    for t in range(T):
        difference = (a[:, t] - b[:, t]).abs().max()
        assert difference > 1e-12 * a[:, t].abs().max(), f'frame {t}'


def test_start_from_features_and_from_nothing():
    inputs = clips()
    model = build(initializer='features')
    got = model(inputs, None, mode='tensor')
    feats = model.extract_feat(inputs)
    expected = model.head.relation(model.head.final_layer(feats[:, 0]))
    torch.testing.assert_close(got[:, 0], expected)

    model = build(initializer='none')
    got = model(inputs, None, mode='tensor')
    feats = model.extract_feat(inputs)
    response, _ = model.neck(feats[:, 0],
                             torch.zeros(2, NUM_JOINTS, 16, 16), feats[:, 0])
    torch.testing.assert_close(got[:, 0], model.head((response, )))


def test_without_neck_is_the_per_frame_model():
    model, inputs = build(neck=None, initializer='features'), clips()
    got = model(inputs, None, mode='tensor')
    for t in range(T):
        feats = model.extract_feat(inputs[:, t:t + 1])[:, 0]
        torch.testing.assert_close(got[:, t], model.head((feats, )))


def test_memory_completes_every_frame_but_the_first():
    """Each frame's heatmaps are blended with what came out of the frame
    before, and the recurrence goes on with the blend."""
    memory = dict(type='GatedHeatmapMemory', num_joints=NUM_JOINTS)
    model, inputs = build(memory=memory), clips(length=3)
    got = model(inputs, None, mode='tensor')
    feats = model.extract_feat(inputs)
    first = model.initial_heatmaps(inputs)[:, 0]
    heatmaps, state = model.start(feats[:, 0], first)
    torch.testing.assert_close(got[:, 0], heatmaps)
    for t in (1, 2):
        response, _ = model.neck(feats[:, t - 1], heatmaps, feats[:, t])
        plain = model.head((response, ))
        heatmaps = model.memory(plain, heatmaps)
        assert not torch.allclose(heatmaps, plain)
        torch.testing.assert_close(
            got[:, t], heatmaps, rtol=1e-4, atol=1e-5)


def test_memory_without_neck_blends_per_frame_heatmaps():
    """w = 1/2: m0, then (m0 + m1) / 2, then (m0 + m1) / 4 + m2 / 2."""
    settings = dict(neck=None, initializer='features')
    inputs = clips(length=3)
    m = build(**settings)(inputs, None, mode='tensor')
    model = build(
        memory=dict(type='RecursiveHeatmapMean', weight=0.5), **settings)
    got = model(inputs, None, mode='tensor')
    torch.testing.assert_close(got[:, 0], m[:, 0])
    torch.testing.assert_close(got[:, 1], (m[:, 0] + m[:, 1]) / 2)
    torch.testing.assert_close(
        got[:, 2], (m[:, 0] + m[:, 1]) / 4 + m[:, 2] / 2)


def test_both_directions_by_hand():
    """A memory of w = 1/2 over per-frame heatmaps m0, m1, m2: forwards as
    above, backwards m2, (m1 + m2) / 2, m0 / 2 + (m1 + m2) / 4."""
    settings = dict(neck=None, initializer='features')
    inputs = clips(length=3)
    m = build(**settings)(inputs, None, mode='tensor')
    model = build(
        memory=dict(type='RecursiveHeatmapMean', weight=0.5),
        test_cfg=dict(both_directions=True),
        **settings)
    got = model.test_heatmaps(inputs)
    for t, (a, b, c) in enumerate([(6, 1, 1), (2, 4, 2), (1, 1, 6)]):
        torch.testing.assert_close(
            got[:, t], (a * m[:, 0] + b * m[:, 1] + c * m[:, 2]) / 8)


@pytest.mark.parametrize('backbone,feature_neck,channels', [
    (dict(type='ResNet', depth=50, stem_channels=8, base_channels=8), True,
     8),
    (dict(
        type='HRNet',
        extra=dict(
            stage1=dict(
                num_modules=1,
                num_branches=1,
                block='BOTTLENECK',
                num_blocks=(1, ),
                num_channels=(8, )),
            stage2=dict(
                num_modules=1,
                num_branches=2,
                block='BASIC',
                num_blocks=(1, 1),
                num_channels=(8, 16)),
            stage3=dict(
                num_modules=1,
                num_branches=3,
                block='BASIC',
                num_blocks=(1, 1, 1),
                num_channels=(8, 16, 32)),
            stage4=dict(
                num_modules=1,
                num_branches=4,
                block='BASIC',
                num_blocks=(1, 1, 1, 1),
                num_channels=(8, 16, 32, 64)))), False, 8),
    (dict(
        type='HourglassNet',
        num_stacks=1,
        feat_channel=16,
        downsample_times=2,
        stage_channels=(256, 16, 16),
        stage_blocks=(1, 1, 1)), False, 16),
])
def test_other_backbones(backbone, feature_neck, channels):
    overrides = dict(
        backbone=backbone,
        initializer='features',
        neck=dict(
            type='JRPSPNeck',
            in_channels=channels,
            num_joints=NUM_JOINTS,
            heatmap_size=(16, 16)))
    base = tiny_video_model()
    overrides['head'] = dict(base['head'], in_channels=channels)
    if feature_neck:
        overrides['feature_neck'] = dict(
            base['feature_neck'], in_channels=256)
    else:
        overrides['feature_neck'] = None
    model = build(**overrides)
    got = model(clips(batch=1, length=2), None, mode='tensor')
    assert got.shape == (1, 2, NUM_JOINTS, 16, 16)
    assert torch.isfinite(got).all()


def test_loss_is_mean_of_frame_losses():
    """Eq. 5, with one joint weighted out and one frame masked."""
    model = build()
    inputs = clips()
    samples = [clip_sample(seed=0), clip_sample(seed=1)]
    samples[0].gt_instance_labels.keypoint_weights[1, 2] = 0
    mask = np.array([True, True, False, True])
    samples[1].set_metainfo(dict(frame_mask=mask))
    losses = model(inputs, samples, mode='loss')
    heatmaps = model(inputs, None, mode='tensor').detach().numpy()
    total = 0.
    for b in range(2):
        for t in range(T):
            for k in range(NUM_JOINTS):
                if (b, t, k) == (0, 1, 2) or (b, t) == (1, 2):
                    continue
                target = samples[b].gt_instance_labels.heatmaps[t, k].numpy()
                total += ((heatmaps[b, t, k] - target)**2).mean()
    expected = total / (2 * T * NUM_JOINTS)
    assert losses['loss_kpt'].item() == pytest.approx(expected, rel=1e-5)
    assert set(losses) == {'loss_kpt', 'acc_pose'}


def gradient_norms(**train_cfg):
    model = build(train_cfg=train_cfg).train()
    losses = model(clips(), [clip_sample(), clip_sample()], mode='loss')
    sum(v for k, v in losses.items() if k.startswith('loss')).backward()
    return {
        name: sum(
            float(p.grad.abs().sum()) for p in module.parameters()
            if p.grad is not None)
        for name, module in model.named_children()
    }, losses


def test_gradients_reach_what_they_should():
    norms, _ = gradient_norms()
    assert all(norms[n] > 0
               for n in ('initializer', 'backbone', 'neck', 'head'))
    norms, _ = gradient_norms(initializer_gradient=False)
    assert norms['initializer'] == 0 and norms['backbone'] > 0
    norms, losses = gradient_norms(
        initializer_gradient=False, initializer_loss_weight=2.)
    assert norms['initializer'] > 0
    assert losses['loss_initializer'] > 0


def test_initializer_loss_on_all_frames():
    model = build(
        train_cfg=dict(
            initializer_loss_weight=0.5, initializer_loss_frames='all'))
    model.train()
    for module in model.modules():  # the same statistics in both passes
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    inputs, samples = clips(), [clip_sample(seed=0), clip_sample(seed=1)]
    losses = model(inputs, samples, mode='loss')
    total = 0.
    for b in range(2):
        for t in range(T):
            heatmaps = model.initializer(
                inputs[b, t:t + 1], None, mode='tensor')[0]
            target = samples[b].gt_instance_labels.heatmaps[t]
            total += ((heatmaps - target)**2).mean().item()
    assert losses['loss_initializer'].item() == pytest.approx(
        0.5 * total / (2 * T), rel=1e-4)


def test_state_gradient():
    """Without it the last frame's loss stops at that frame's own kernel."""

    def first_frame_gradient(state_gradient):
        model = build(
            initializer='features',
            train_cfg=dict(state_gradient=state_gradient))
        feats = torch.randn(1, 8, 16, 16)
        start = torch.randn(1, NUM_JOINTS, 16, 16, requires_grad=True)
        _, state = model.start(feats, None)
        heatmaps, _ = model.step(feats, state._replace(heatmaps=start))
        heatmaps.sum().backward()
        return start.grad

    assert first_frame_gradient(True).abs().sum() > 0
    assert first_frame_gradient(False) is None


class FixedHeatmaps(torch.nn.Module):
    """Stands for the network: peaks at given heatmap pixels."""

    def __init__(self, pixels):
        super().__init__()
        self.heatmaps = torch.zeros(1, len(pixels), NUM_JOINTS, 16, 16)
        for t, (x, y) in enumerate(pixels):
            self.heatmaps[0, t, :, y, x] = 1.

    def forward(self, inputs):
        return self.heatmaps, None


def test_predict_maps_every_frame_back_with_its_own_box():
    """Crop pixel = 4 * heatmap pixel (64 / 16); image = crop * scale / 64 +
    center - scale / 2, worked out by hand for two boxes."""
    model = build()
    pixels = [(2, 3), (2, 3)]
    fixed = FixedHeatmaps(pixels)
    model.forward_clip = fixed.forward
    sample = clip_sample(length=2, with_labels=False)
    sample.set_metainfo(
        dict(
            input_center=np.float32([[[50., 60.]], [[10., 20.]]]),
            input_scale=np.float32([[[64., 64.]], [[128., 32.]]])))
    result, = model(clips(1, 2), [sample], mode='predict')
    keypoints = result.pred_instances.keypoints
    # crop (8, 12); frame 1: + (50, 60) - 32; frame 2: (16, 6) + (10, 20)
    # - (64, 16)
    np.testing.assert_allclose(keypoints[0, 0], [26., 40.], atol=1e-4)
    np.testing.assert_allclose(keypoints[1, 0], [-38., 10.], atol=1e-4)
    assert result.pred_instances.keypoint_scores.shape == (2, NUM_JOINTS)
    assert result.pred_instances.bboxes.shape == (2, 4)


def test_flip_test_swaps_joints_and_mirrors():
    """A model that answers with a fixed, asymmetric map: the flipped answer
    is that map mirrored with joints 1 and 2 exchanged."""
    model = build()
    maps = torch.rand(1, 2, NUM_JOINTS, 16, 16)
    model.forward_clip = lambda inputs: (maps, None)
    seen = {}
    decode = model.decode_clip
    model.decode_clip = lambda h: decode(seen.setdefault('heatmaps', h))
    model.test_cfg.update(flip_test=True, shift_heatmap=False)
    model(clips(1, 2), [clip_sample(2, with_labels=False)], mode='predict')
    mirrored = maps.numpy()[..., ::-1][:, :, [0, 2, 1]]
    np.testing.assert_allclose(
        seen['heatmaps'].numpy(), (maps.numpy() + mirrored) / 2, rtol=1e-6)


def test_output_heatmaps():
    model = build(test_cfg=dict(output_heatmaps=True))
    result, = model(
        clips(1), [clip_sample(with_labels=False)], mode='predict')
    assert result.pred_fields.heatmaps.shape == (T * NUM_JOINTS, 16, 16)


@pytest.mark.parametrize('overrides,message', [
    (dict(initializer='cat'), 'initializer must be'),
    (dict(neck=None), "initializer must be 'features'"),
    (dict(train_cfg=dict(stop_gradient=True)), 'unknown train_cfg'),
    (dict(train_cfg=dict(initializer_loss_frames='last')), "'first' or"),
    (dict(
        initializer='features',
        train_cfg=dict(initializer_loss_weight=1.)), 'of its own'),
])
def test_bad_arguments(overrides, message):
    with pytest.raises(ValueError, match=message) as info:
        MODELS.build(tiny_video_model(**overrides))
    assert 'VideoTopdownPoseEstimator' in str(info.value)


def test_images_are_refused():
    with pytest.raises(ValueError, match='takes clips'):
        build()(torch.zeros(2, 3, 64, 64), None, mode='tensor')


def save_image_model(path, names, prefix='head'):
    torch.manual_seed(5)
    image = MODELS.build(tiny_image_model(out_channels=len(names)))
    state = {
        k.replace('head.', f'{prefix}.', 1): torch.randn_like(v.float())
        for k, v in image.state_dict().items()
    }
    meta = dict(dataset_meta=dict(keypoint_id2name=dict(enumerate(names))))
    torch.save(dict(state_dict=state, meta=meta), path)
    return state


@pytest.mark.parametrize('prefix', ['head', 'keypoint_head'])
def test_image_pretrained_by_joint_name(tmp_path, prefix):
    path = str(tmp_path / 'image.pth')
    names = ['ankle', 'head_top', 'wrist', 'hip']
    state = save_image_model(path, names, prefix)
    joints = ['head_top', 'hip', 'ankle']
    model = build(image_pretrained=dict(checkpoint=path, joints=joints))
    model.init_weights()
    weight = state[f'{prefix}.final_layer.weight'][[1, 3, 0]]
    assert torch.equal(model.head.final_layer.weight, weight)
    assert torch.equal(model.initializer.head.final_layer.weight, weight)
    deconv = state[f'{prefix}.deconv_layers.0.weight']
    assert torch.equal(model.feature_neck.deconv_layers[0].weight, deconv)
    stem = state['backbone.conv1.weight']
    assert torch.equal(model.backbone.conv1.weight, stem)
    assert torch.equal(model.initializer.backbone.conv1.weight, stem)
    assert torch.equal(model.backbone.bn1.running_var,
                       state['backbone.bn1.running_var'])


def test_stage_two_starts_as_the_image_model(tmp_path):
    """After loading, frame 1 is what the image model says of frame 1."""
    path = str(tmp_path / 'image.pth')
    torch.manual_seed(6)
    image = MODELS.build(tiny_image_model())
    image.init_weights()
    torch.save(dict(state_dict=image.state_dict()), path)
    model = build(image_pretrained=dict(checkpoint=path))
    model.init_weights()
    inputs = clips()
    torch.testing.assert_close(
        model.eval()(inputs, None, mode='tensor')[:, 0],
        image.eval()(inputs[:, 0], None, mode='tensor'))


def test_image_pretrained_errors(tmp_path):
    path = str(tmp_path / 'image.pth')
    save_image_model(path, ['a', 'b', 'c', 'd'])
    model = build(image_pretrained=dict(checkpoint=path))
    with pytest.raises(ValueError, match='does not fit this model: head'):
        model.init_weights()
    model = build(
        image_pretrained=dict(checkpoint=path, joints=['a', 'b', 'z']))
    with pytest.raises(ValueError, match=r"has no joints \['z'\]"):
        model.init_weights()
    torch.save(dict(state_dict=dict(x=torch.zeros(1))), path)
    model = build(image_pretrained=dict(checkpoint=path))
    with pytest.raises(ValueError, match='image.pth does not fit'):
        model.init_weights()


def test_multi_stage_head_gives_its_last_stage(tmp_path):
    path = str(tmp_path / 'hourglass.pth')
    backbone = dict(
        type='HourglassNet',
        num_stacks=2,
        feat_channel=16,
        downsample_times=2,
        stage_channels=(256, 16, 16),
        stage_blocks=(1, 1, 1))
    image = MODELS.build(
        dict(
            type='TopdownPoseEstimator',
            backbone=backbone,
            head=dict(
                type='CPMHead',
                in_channels=16,
                out_channels=NUM_JOINTS,
                num_stages=2,
                deconv_out_channels=None,
                decoder=CODEC)))
    torch.save(dict(state_dict=image.state_dict()), path)
    base = tiny_video_model()
    model = build(
        backbone=backbone,
        feature_neck=None,
        initializer='features',
        neck=dict(base['neck'], in_channels=16),
        head=dict(base['head'], in_channels=16),
        image_pretrained=dict(checkpoint=path))
    model.init_weights()
    expected = image.head.multi_final_layers[1].weight
    assert torch.equal(model.head.final_layer.weight, expected)


def test_clip_preprocessor():
    """(pixel - mean) / std per channel, BGR turned round, by hand."""
    model = build()
    clip = torch.zeros(T, 3, 64, 64, dtype=torch.uint8)
    clip[:, 0] = 10  # blue
    clip[:, 2] = 200  # red
    data = model.data_preprocessor(
        dict(inputs=[clip, clip], data_samples=[clip_sample(), clip_sample()]))
    inputs = data['inputs']
    assert inputs.shape == (2, T, 3, 64, 64)
    expected = [(200 - 123.675) / 58.395, (0 - 116.28) / 57.12,
                (10 - 103.53) / 57.375]
    np.testing.assert_allclose(inputs[1, 2, :, 5, 7], expected, rtol=1e-5)


def test_clip_preprocessor_refuses():
    preprocess = build().data_preprocessor
    a = torch.zeros(T, 3, 64, 64, dtype=torch.uint8)
    with pytest.raises(ValueError, match='must have one shape'):
        preprocess(dict(inputs=[a, a[:2]], data_samples=[None, None]))
    with pytest.raises(ValueError, match='takes clips'):
        preprocess(dict(inputs=[a[0]], data_samples=[None]))
    with pytest.raises(ValueError, match='batch augmentations'):
        MODELS.build(
            dict(type='ClipDataPreprocessor', batch_augments=[dict()]))


def test_backbone_helper_is_really_small():
    """Guards the suite's running time, not the package."""
    backbone = MODELS.build(tiny_backbone())
    assert sum(p.numel() for p in backbone.parameters()) < 250_000
