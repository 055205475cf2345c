# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import itertools

import numpy as np
import pytest
import torch
from mmpose.registry import MODELS

from tests.test_models.conftest import (
    CODEC,
    NUM_JOINTS,
    clip_sample,
    tiny_backbone,
    tiny_image_model,
    tiny_video_model,
)

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
        single = model.extract_feat(inputs[:, t : t + 1])
        torch.testing.assert_close(batched[:, t : t + 1], single)


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
    response, _ = model.neck(
        feats[:, 0], torch.zeros(2, NUM_JOINTS, 16, 16), feats[:, 0]
    )
    torch.testing.assert_close(got[:, 0], model.head((response,)))


def test_without_neck_is_the_per_frame_model():
    model, inputs = build(neck=None, initializer='features'), clips()
    got = model(inputs, None, mode='tensor')
    for t in range(T):
        feats = model.extract_feat(inputs[:, t : t + 1])[:, 0]
        torch.testing.assert_close(got[:, t], model.head((feats,)))


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
        plain = model.head((response,))
        heatmaps = model.memory(plain, heatmaps)
        assert not torch.allclose(heatmaps, plain)
        torch.testing.assert_close(got[:, t], heatmaps, rtol=1e-4, atol=1e-5)


def test_memory_without_neck_blends_per_frame_heatmaps():
    """w = 1/2: m0, then (m0 + m1) / 2, then (m0 + m1) / 4 + m2 / 2."""
    settings = dict(neck=None, initializer='features')
    inputs = clips(length=3)
    m = build(**settings)(inputs, None, mode='tensor')
    model = build(
        memory=dict(type='RecursiveHeatmapMean', weight=0.5), **settings
    )
    got = model(inputs, None, mode='tensor')
    torch.testing.assert_close(got[:, 0], m[:, 0])
    torch.testing.assert_close(got[:, 1], (m[:, 0] + m[:, 1]) / 2)
    torch.testing.assert_close(
        got[:, 2], (m[:, 0] + m[:, 1]) / 4 + m[:, 2] / 2
    )


def test_both_directions_by_hand():
    """A memory of w = 1/2 over per-frame heatmaps m0, m1, m2: forwards as
    above, backwards m2, (m1 + m2) / 2, m0 / 2 + (m1 + m2) / 4."""
    settings = dict(neck=None, initializer='features')
    inputs = clips(length=3)
    m = build(**settings)(inputs, None, mode='tensor')
    model = build(
        memory=dict(type='RecursiveHeatmapMean', weight=0.5),
        test_cfg=dict(both_directions=True),
        **settings,
    )
    got = model.test_heatmaps(inputs)
    for t, (a, b, c) in enumerate([(6, 1, 1), (2, 4, 2), (1, 1, 6)]):
        torch.testing.assert_close(
            got[:, t], (a * m[:, 0] + b * m[:, 1] + c * m[:, 2]) / 8
        )


@pytest.mark.parametrize(
    'backbone,feature_neck,channels',
    [
        (
            dict(type='ResNet', depth=50, stem_channels=8, base_channels=8),
            True,
            8,
        ),
        (
            dict(
                type='HRNet',
                extra=dict(
                    stage1=dict(
                        num_modules=1,
                        num_branches=1,
                        block='BOTTLENECK',
                        num_blocks=(1,),
                        num_channels=(8,),
                    ),
                    stage2=dict(
                        num_modules=1,
                        num_branches=2,
                        block='BASIC',
                        num_blocks=(1, 1),
                        num_channels=(8, 16),
                    ),
                    stage3=dict(
                        num_modules=1,
                        num_branches=3,
                        block='BASIC',
                        num_blocks=(1, 1, 1),
                        num_channels=(8, 16, 32),
                    ),
                    stage4=dict(
                        num_modules=1,
                        num_branches=4,
                        block='BASIC',
                        num_blocks=(1, 1, 1, 1),
                        num_channels=(8, 16, 32, 64),
                    ),
                ),
            ),
            False,
            8,
        ),
        (
            dict(
                type='HourglassNet',
                num_stacks=1,
                feat_channel=16,
                downsample_times=2,
                stage_channels=(256, 16, 16),
                stage_blocks=(1, 1, 1),
            ),
            False,
            16,
        ),
    ],
)
def test_other_backbones(backbone, feature_neck, channels):
    overrides = dict(
        backbone=backbone,
        initializer='features',
        neck=dict(
            type='JRPSPNeck',
            in_channels=channels,
            num_joints=NUM_JOINTS,
            heatmap_size=(16, 16),
        ),
    )
    base = tiny_video_model()
    overrides['head'] = dict(base['head'], in_channels=channels)
    if feature_neck:
        overrides['feature_neck'] = dict(base['feature_neck'], in_channels=256)
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
    total = 0.0
    for b in range(2):
        for t in range(T):
            for k in range(NUM_JOINTS):
                if (b, t, k) == (0, 1, 2) or (b, t) == (1, 2):
                    continue
                target = samples[b].gt_instance_labels.heatmaps[t, k].numpy()
                total += ((heatmaps[b, t, k] - target) ** 2).mean()
    expected = total / (2 * T * NUM_JOINTS)
    assert losses['loss_kpt'].item() == pytest.approx(expected, rel=1e-5)
    assert set(losses) == {'loss_kpt', 'acc_pose'}


def gradient_norms(**train_cfg):
    model = build(train_cfg=train_cfg).train()
    losses = model(clips(), [clip_sample(), clip_sample()], mode='loss')
    sum(v for k, v in losses.items() if k.startswith('loss')).backward()
    return {
        name: sum(
            float(p.grad.abs().sum())
            for p in module.parameters()
            if p.grad is not None
        )
        for name, module in model.named_children()
    }, losses


def test_gradients_reach_what_they_should():
    norms, _ = gradient_norms()
    assert all(
        norms[n] > 0 for n in ('initializer', 'backbone', 'neck', 'head')
    )
    norms, _ = gradient_norms(initializer_gradient=False)
    assert norms['initializer'] == 0 and norms['backbone'] > 0
    norms, losses = gradient_norms(
        initializer_gradient=False, initializer_loss_weight=2.0
    )
    assert norms['initializer'] > 0
    assert losses['loss_initializer'] > 0


def test_initializer_loss_on_all_frames():
    model = build(
        train_cfg=dict(
            initializer_loss_weight=0.5, initializer_loss_frames='all'
        )
    )
    model.train()
    for module in model.modules():  # the same statistics in both passes
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    inputs, samples = clips(), [clip_sample(seed=0), clip_sample(seed=1)]
    losses = model(inputs, samples, mode='loss')
    total = 0.0
    for b in range(2):
        for t in range(T):
            heatmaps = model.initializer(
                inputs[b, t : t + 1], None, mode='tensor'
            )[0]
            target = samples[b].gt_instance_labels.heatmaps[t]
            total += ((heatmaps - target) ** 2).mean().item()
    assert losses['loss_initializer'].item() == pytest.approx(
        0.5 * total / (2 * T), rel=1e-4
    )


@pytest.mark.parametrize(
    'frames, expected',
    [
        # First frames: joints 1 and 2 of sample 0, 0.25 off, and all three of
        # sample 1, 0.75 off; 2 * (2 * 0.0625 + 3 * 0.5625) / 6.
        ('first', 2 * (2 * 0.0625 + 3 * 0.5625) / 6),
        # Second frames: all of sample 0, 2 off, and none of sample 1.
        ('all', 2 * (2 * 0.0625 + 3 * 0.5625 + 3 * 4.0) / 12),
    ],
)
def test_loss_of_the_initializer_by_value(frames, expected):
    """Twice the mean squared error over all maps that it gave, of which
    those without weight and those of unwanted frames count as 0."""
    model = build(
        train_cfg=dict(
            initializer_loss_weight=2.0, initializer_loss_frames=frames
        )
    )
    samples = [clip_sample(2), clip_sample(2)]
    for sample in samples:
        label = sample.gt_instance_labels
        label.heatmaps[0], label.heatmaps[1] = 0.25, 1.0
    samples[0].gt_instance_labels.keypoint_weights[0, 0] = 0
    samples[1].set_metainfo(dict(frame_mask=np.array([True, False])))
    initial = torch.empty(2, 2, NUM_JOINTS, 16, 16)
    initial[0, 0], initial[1, 0] = 0.5, 1.0
    initial[0, 1], initial[1, 1] = 3.0, 9.0
    heatmaps = torch.full((2, 2, NUM_JOINTS, 16, 16), 1.0)
    model.forward_clip = lambda inputs: (
        heatmaps,
        initial[:, :1] if frames == 'first' else initial,
    )
    losses = model(clips(2, 2), samples, mode='loss')
    assert losses['loss_initializer'].item() == pytest.approx(expected)
    # (2 + 3) maps of first frames, 0.75 off; none of the second frames.
    assert losses['loss_kpt'].item() == pytest.approx(5 * 0.5625 / 12)


def test_training_accuracy_by_value():
    """The mean over the joints of the part of right frames: joint 0 in 3 of
    3 wanted ones, joint 1 in 1 of 2 (one is weighted out), joint 2 in 1 of
    3. One pixel of 16 is wrong, beyond 0.05 of the map."""
    model = build()
    samples = [clip_sample(2), clip_sample(2)]
    samples[0].gt_instance_labels.keypoint_weights[1, 1] = 0
    samples[1].set_metainfo(dict(frame_mask=np.array([True, False])))
    heatmaps = torch.zeros(2, 2, NUM_JOINTS, 16, 16)
    off = {(0, 0, 2), (0, 1, 1), (1, 0, 1), (1, 0, 2), (1, 1, 0), (1, 1, 2)}
    for b, t, k in np.ndindex(2, 2, NUM_JOINTS):
        maps = samples[b].gt_instance_labels.heatmaps
        maps[t, k] = 0
        maps[t, k, 4 + k, 5 + t] = 1
        heatmaps[b, t, k, 4 + k, 5 + t + ((b, t, k) in off)] = 0.5
    answer(model, heatmaps)
    losses = model(clips(2, 2), samples, mode='loss')
    assert losses['acc_pose'].item() == pytest.approx(
        (3 / 3 + 1 / 2 + 1 / 3) / 3
    )
    model = build(train_cfg=dict(compute_acc=False))
    answer(model, heatmaps)
    assert set(model(clips(2, 2), samples, mode='loss')) == {'loss_kpt'}


@pytest.mark.parametrize(
    'overrides, part',
    [
        ({}, 'neck'),
        (dict(initializer='features'), 'neck'),
        (
            dict(
                neck=None,
                initializer='features',
                memory=dict(type='RecursiveHeatmapMean'),
            ),
            'memory',
        ),
    ],
)
def test_clips_of_one_frame_do_not_train_what_connects_frames(overrides, part):
    model = build(**overrides)
    with pytest.raises(
        ValueError,
        match='clips of one frame do not use the '
        f'{part}; set clip_length to 2 or more',
    ):
        model(clips(2, 1), [clip_sample(1)] * 2, mode='loss')


@pytest.mark.parametrize(
    'overrides',
    [dict(initializer='none'), dict(neck=None, initializer='features')],
)
def test_clips_of_one_frame_train_the_others(overrides):
    """The neck matches the first frame with itself; or there is nothing
    between frames."""
    losses = build(**overrides)(clips(2, 1), [clip_sample(1)] * 2, mode='loss')
    assert losses['loss_kpt'] > 0


def test_a_memory_says_that_it_has_nothing_to_remember(monkeypatch):
    """Once, of a model; the poses are those without it."""
    said = []
    monkeypatch.setattr(
        'rpstn_mmpose.models.pose_estimators.recurrent.print_log',
        lambda text, **_: said.append(text),
    )
    settings = dict(neck=None, initializer='features')
    plain = build(**settings)
    model = build(memory=dict(type='RecursiveHeatmapMean'), **settings)
    for length, lines in ((3, 0), (1, 1), (1, 1)):
        inputs = clips(1, length)
        results = [
            net(
                inputs,
                [clip_sample(length, with_labels=False)],
                mode='predict',
            )[0].pred_instances
            for net in (model, plain)
        ]
        assert len(said) == lines
        same = np.allclose(*(r.keypoint_scores for r in results), atol=1e-6)
        assert same == (length == 1)
    assert 'clips of one frame do not use the memory' in said[0]


def test_state_gradient():
    """Without it the last frame's loss stops at that frame's own kernel."""

    def first_frame_gradient(state_gradient):
        model = build(
            initializer='features',
            train_cfg=dict(state_gradient=state_gradient),
        )
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
            self.heatmaps[0, t, :, y, x] = 1.0

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
            input_center=np.float32([[[50.0, 60.0]], [[10.0, 20.0]]]),
            input_scale=np.float32([[[64.0, 64.0]], [[128.0, 32.0]]]),
        )
    )
    (result,) = model(clips(1, 2), [sample], mode='predict')
    keypoints = result.pred_instances.keypoints
    # crop (8, 12); frame 1: + (50, 60) - 32; frame 2: (16, 6) + (10, 20)
    # - (64, 16)
    np.testing.assert_allclose(keypoints[0, 0], [26.0, 40.0], atol=1e-4)
    np.testing.assert_allclose(keypoints[1, 0], [-38.0, 10.0], atol=1e-4)
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
        seen['heatmaps'].numpy(), (maps.numpy() + mirrored) / 2, rtol=1e-6
    )


def answer(model, *heatmaps):
    """Let the network say these heatmaps (B, T, K, h, w), call after call,
    whatever it sees."""
    calls = itertools.cycle(heatmaps)
    model.forward_clip = lambda inputs: (next(calls), None)


@pytest.mark.parametrize('joints', [None, [2, 0]])
@pytest.mark.parametrize('length', [1, 2, 4])
def test_output_heatmaps_row_by_row(length, joints):
    """Map t * K + k is joint k of frame t, of each clip of a batch; of the
    wanted joints alone where they are given, as of MMPose's image models."""
    test_cfg = dict(output_heatmaps=True)
    if joints is not None:
        test_cfg['output_keypoint_indices'] = joints
    model = build(test_cfg=test_cfg)
    maps = torch.rand(2, length, NUM_JOINTS, 16, 16)
    answer(model, maps.clone())
    samples = [clip_sample(length, with_labels=False) for _ in range(2)]
    results = model(clips(2, length), samples, mode='predict')
    wanted = [0, 1, 2] if joints is None else joints
    for b, result in enumerate(results):
        found = result.pred_fields.heatmaps
        assert found.shape == (length * len(wanted), 16, 16)
        pred = result.pred_instances
        assert pred.keypoints.shape == (length, len(wanted), 2)
        for row in range(length * len(wanted)):
            t, k = divmod(row, len(wanted))
            expected = maps[b, t, wanted[k]]
            assert torch.equal(found[row], expected)
            # And so are the scores.
            assert pred.keypoint_scores[t, k] == pytest.approx(
                expected.max().item()
            )


def test_output_heatmaps_are_those_that_were_decoded():
    """With the flip test, the mean of both."""
    model = build(test_cfg=dict(output_heatmaps=True, flip_test=True))
    maps, mirrored = torch.rand(2, 1, 2, NUM_JOINTS, 16, 16)
    answer(model, maps, mirrored)
    (result,) = model(
        clips(1, 2), [clip_sample(2, with_labels=False)], mode='predict'
    )
    expected = (maps + mirrored.flip(-1)[:, :, [0, 2, 1]]) / 2
    torch.testing.assert_close(
        result.pred_fields.heatmaps, expected[0].flatten(0, 1)
    )
    plain = build()
    answer(plain, maps)
    (result,) = plain(
        clips(1, 2), [clip_sample(2, with_labels=False)], mode='predict'
    )
    assert 'pred_fields' not in result


@pytest.mark.parametrize('shift', [False, True])
def test_flip_test_together_with_both_directions(shift):
    """Four readings of a clip of three frames: forwards and backwards, of
    the pictures and of their mirror images. The parts of a memory of w = 1/2
    are those of test_both_directions_by_hand, in eighths; the per-frame
    heatmaps come from the model without it."""
    settings = dict(neck=None, initializer='features')
    inputs = clips(length=3)
    plain = build(**settings)
    with torch.no_grad():
        straight = plain(inputs, None, mode='tensor').numpy()
        mirrored = plain(inputs.flip(-1), None, mode='tensor').numpy()
    mirrored = mirrored[..., ::-1][:, :, [0, 2, 1]]
    if shift:
        mirrored = np.concatenate(
            [mirrored[..., :1], mirrored[..., :-1]], axis=-1
        )
    parts = np.array([(6, 1, 1), (2, 4, 2), (1, 1, 6)]) / 8
    expected = np.einsum('ts,bskhw->btkhw', parts, (straight + mirrored) / 2)
    model = build(
        memory=dict(type='RecursiveHeatmapMean', weight=0.5),
        test_cfg=dict(
            both_directions=True,
            flip_test=True,
            shift_heatmap=shift,
            output_heatmaps=True,
        ),
        **settings,
    )
    with torch.no_grad():
        results = model(
            inputs,
            [clip_sample(3, with_labels=False) for _ in range(2)],
            mode='predict',
        )
    for result, maps in zip(results, expected):
        np.testing.assert_allclose(
            result.pred_fields.heatmaps.numpy(),
            maps.reshape(-1, 16, 16),
            rtol=1e-4,
            atol=1e-5,
        )
        np.testing.assert_allclose(
            result.pred_instances.keypoint_scores,
            maps.max(axis=(2, 3)),
            rtol=1e-4,
            atol=1e-5,
        )


@pytest.mark.parametrize(
    'overrides,message',
    [
        (dict(initializer='cat'), 'initializer must be'),
        (dict(neck=None), "initializer must be 'features'"),
        (dict(train_cfg=dict(stop_gradient=True)), 'unknown train_cfg'),
        (dict(train_cfg=dict(initializer_loss_frames='last')), "'first' or"),
        (
            dict(
                initializer='features',
                train_cfg=dict(initializer_loss_weight=1.0),
            ),
            'of its own',
        ),
        (
            dict(train_cfg=dict(initializer_loss_frames='all')),
            "initializer_loss_frames='all' does nothing with "
            'initializer_loss_we',
        ),
        (
            dict(
                neck=None,
                initializer='features',
                train_cfg=dict(state_gradient=False),
            ),
            'state_gradient=False does nothing without a neck or a memory',
        ),
        (
            dict(
                neck=None,
                initializer='features',
                test_cfg=dict(both_directions=True),
            ),
            'both_directions does nothing without a neck or a memory',
        ),
        (
            dict(test_cfg=dict(both_direction=True)),
            r"unknown test_cfg \['both_direction'\]; it takes "
            r"\['both_directions'",
        ),
    ],
)
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
    assert torch.equal(
        model.backbone.bn1.running_var, state['backbone.bn1.running_var']
    )


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
        image.eval()(inputs[:, 0], None, mode='tensor'),
    )


def test_image_pretrained_errors(tmp_path):
    path = str(tmp_path / 'image.pth')
    save_image_model(path, ['a', 'b', 'c', 'd'])
    model = build(image_pretrained=dict(checkpoint=path))
    with pytest.raises(ValueError, match='does not fit this model: head'):
        model.init_weights()
    model = build(
        image_pretrained=dict(checkpoint=path, joints=['a', 'b', 'z'])
    )
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
        stage_blocks=(1, 1, 1),
    )
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
                decoder=CODEC,
            ),
        )
    )
    torch.save(dict(state_dict=image.state_dict()), path)
    base = tiny_video_model()
    model = build(
        backbone=backbone,
        feature_neck=None,
        initializer='features',
        neck=dict(base['neck'], in_channels=16),
        head=dict(base['head'], in_channels=16),
        image_pretrained=dict(checkpoint=path),
    )
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
        dict(inputs=[clip, clip], data_samples=[clip_sample(), clip_sample()])
    )
    inputs = data['inputs']
    assert inputs.shape == (2, T, 3, 64, 64)
    expected = [
        (200 - 123.675) / 58.395,
        (0 - 116.28) / 57.12,
        (10 - 103.53) / 57.375,
    ]
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
            dict(type='ClipDataPreprocessor', batch_augments=[dict()])
        )


def test_backbone_helper_is_really_small():
    """Guards the suite's running time, not the package."""
    backbone = MODELS.build(tiny_backbone())
    assert sum(p.numel() for p in backbone.parameters()) < 250_000
