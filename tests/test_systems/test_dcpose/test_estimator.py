# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner
from mmpose.registry import DATASETS, MODELS

from rpstn_mmpose.speed.fast_inference import optimize_for_inference
from rpstn_mmpose.speed.onnx_export import export_window
from rpstn_mmpose.streams import make_stream
from tests.test_datasets.penn_files import write_penn
from tests.test_systems.test_posewarper.tiny import (
    CODEC,
    PIXELS,
    K,
    batch_of,
    dataset,
    image_model,
    image_parts,
    keypoints,
)

OFFSETS = (-1, 0, 1)


def dcpose(**overrides):
    model = dict(
        type='DCPose',
        data_preprocessor=dict(type='ClipDataPreprocessor', **PIXELS),
        **image_parts(),
        corrector=dict(
            type='PoseCorrector',
            num_joints=K,
            inner_channels=4,
            dilations=(1, 3),
        ),
    )
    model.update(overrides)
    return model


def build(**overrides):
    """In evaluation mode, with a corrector that moves joints."""
    model = MODELS.build(dcpose(**overrides))
    model.init_weights()
    generator = torch.Generator().manual_seed(1)
    for name, value in model.state_dict().items():
        noise = torch.randn(value.shape, generator=generator)
        if name.endswith('running_var'):
            value.copy_(noise.abs() * 0.2 + 0.9)
        elif value.dim() == 4:
            value.copy_(noise * (2 / value[0].numel()) ** 0.5)
        if '.offset_layers.' in name:
            value.mul_(0.1)  # a pixel or so
    return model.eval()


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """A video of seven frames and one of a single frame."""
    folder = tmp_path_factory.mktemp('penn')
    return write_penn(folder, lengths=(7, 1), train=(1, 1))


@pytest.fixture(scope='module')
def tested(tmp_path_factory):
    folder = tmp_path_factory.mktemp('penn')
    return write_penn(folder, lengths=(7, 1), train=(-1, -1))


def clips(frames=3):
    generator = torch.Generator().manual_seed(2)
    width, height = CODEC['input_size']
    return torch.randn(2, frames, 3, height, width, generator=generator)


@pytest.mark.parametrize(
    'offsets, nearness, rows',
    [
        ((-1, 0, 1), 1 / 2, (0, 1, 2)),
        ((-1, 0, 3), 3 / 4, (0, 1, 2)),
        ((2, -3, 0), 2 / 5, (1, 2, 0)),
    ],
)
def test_frames_and_their_nearness(offsets, nearness, rows):
    model = build(clip_offsets=offsets)
    read = []
    model.corrector.register_forward_pre_hook(
        lambda _, args: read.append(args)
    )
    with torch.no_grad():
        maps = model.extract_feat(clips())[0]
        found = model(clips(), None, mode='tensor')
    assert found.shape == (2, K, 16, 24)
    *frames, weight = read[0]
    assert weight == pytest.approx(nearness)
    for row, frame in zip(rows, frames):
        torch.testing.assert_close(frame, maps[:, row])


def training_batch(model, root, rows=(0, 3)):
    data = DATASETS.build(
        dataset(root, training=True, box='wanted', clip_offsets=OFFSETS)
    )
    items = [data[row] for row in rows]
    return items, batch_of(model, items)


def test_loss_is_of_the_wanted_frame(root):
    model = build()
    items, batch = training_batch(model, root)
    with torch.no_grad():
        found = model(batch['inputs'], None, mode='tensor')
        losses = model(**batch, mode='loss')
    labels = [item['data_samples'].gt_instance_labels for item in items]
    maps = torch.stack([label.heatmaps[1] for label in labels])
    weights = torch.stack([label.keypoint_weights[1] for label in labels])
    expected = ((maps - found).square() * weights[..., None, None]).mean()
    torch.testing.assert_close(losses['loss_kpt'], expected)


def test_only_the_corrector_learns(root):
    model = build().train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    _, batch = training_batch(model, root)
    model(**batch, mode='loss')['loss_kpt'].backward()
    for name, value in model.named_parameters():
        assert (value.grad is not None) == name.startswith('corrector.'), name
    moved = {
        name
        for name, value in model.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert moved and all(name.startswith('corrector.') for name in moved)


@pytest.mark.parametrize('flip', [False, True])
def test_a_stream_equals_clips(tested, flip):
    """One frame late, at both ends, and of a video of one frame; with boxes
    of each frame's own."""
    model = build(test_cfg=dict(flip_test=flip))
    windows = DATASETS.build(dataset(tested, clip_offsets=OFFSETS))
    expected = model.test_step(pseudo_collate(list(windows)))
    assert [keypoints(sample).shape for sample in expected] == 8 * [(1, K, 2)]
    frames = DATASETS.build(dataset(tested, clip_offsets=(0,)))
    images = []
    model.backbone.register_forward_pre_hook(
        lambda _, args: images.append(len(args[0]))
    )
    stream = make_stream(model)
    assert stream.delay == 1
    done = []
    for row in range(8):
        if row == 7:
            done += stream.flush()
            stream.reset()
        item = frames[row]
        item['inputs'] = item['inputs'][0]
        done += stream.push([item], [3])
    done += stream.flush()
    assert [poses.frame for poses in done] == [*range(7), 0]
    assert sum(images) == 8 * (1 + flip)  # each frame once
    for poses, clip in zip(done, expected):
        for key in ('keypoints', 'keypoint_scores'):
            np.testing.assert_allclose(
                poses.samples[0].pred_instances[key],
                clip.pred_instances[key],
                rtol=1e-3,
                atol=1e-3,
            )


def test_starts_from_an_image_model(tmp_path):
    image = MODELS.build(image_model())
    path = tmp_path / 'stage_1.pth'
    torch.save(dict(state_dict=image.state_dict()), path)
    model = MODELS.build(dcpose(image_pretrained=dict(checkpoint=str(path))))
    model.init_weights()
    for name, value in image.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value)


def test_trains_and_is_tested_by_the_stock_runner(root, tmp_path):
    def loader(data):
        return dict(
            batch_size=4,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=data,
        )

    options = dict(box='wanted', clip_offsets=OFFSETS)
    tested = dict(dataset(root, **options), split='train')
    runner = Runner.from_cfg(
        Config(
            dict(
                default_scope='mmpose',
                work_dir=str(tmp_path),
                model=dcpose(),
                train_dataloader=loader(
                    dataset(root, training=True, **options)
                ),
                train_cfg=dict(by_epoch=True, max_epochs=1, val_interval=1),
                optim_wrapper=dict(optimizer=dict(type='Adam', lr=1e-3)),
                val_dataloader=loader(tested),
                val_cfg=dict(),
                val_evaluator=dict(type='ClipPCK'),
            )
        )
    )
    runner.train()
    scores = runner.val_loop.run()
    assert any('PCK' in name for name in scores)


@pytest.mark.parametrize('dtype, error', [(None, 1e-4), ('bfloat16', 0.1)])
def test_faster_without_change(dtype, error):
    model = build()
    with torch.no_grad():
        expected = model(clips(), None, mode='tensor')
        optimize_for_inference(model, dtype=dtype)
        found = model(clips(), None, mode='tensor')
    assert found.dtype == torch.float32
    for layers in (model.corrector.offset_layers, model.corrector.mask_layers):
        assert layers[0].weight.dtype == torch.float32
    assert (found - expected).norm() < error * expected.norm()


@pytest.mark.parametrize(
    'offsets', [(-1, 0), (-2, -1, 0), (0, 1, 2), (-2, -1, 0, 1, 2)]
)
def test_bad_offsets(offsets):
    with pytest.raises(ValueError, match='one frame before the wanted one'):
        MODELS.build(dcpose(clip_offsets=offsets))


@pytest.mark.slow  # torch's exporter takes ten seconds
def test_exported_without_gradients(tmp_path):
    """As deployment scripts call it; the graph has no operator of its own."""
    for name in ('onnx', 'onnxscript', 'onnxruntime'):
        pytest.importorskip(
            name, reason=f'{name} is not installed; pip install {name}'
        )
    import onnxruntime

    corrector = dict(dcpose()['corrector'], num_blocks=(1, 1, 1))
    model = build(corrector=dict(corrector, dilations=(1,)))
    inputs = clips()[:1]
    with torch.no_grad():
        paths = export_window(model, tmp_path)
        maps = [model.frame_features(inputs[:, i])[0] for i in range(3)]
        expected = model(inputs, None, mode='tensor')
    session = onnxruntime.InferenceSession(str(paths[1]))
    names = [item.name for item in session.get_inputs()]
    stacked = torch.stack(maps, dim=1).numpy()
    found = session.run(None, dict(zip(names, [stacked])))[0]
    torch.testing.assert_close(
        torch.from_numpy(found), expected, rtol=1e-3, atol=1e-3
    )
