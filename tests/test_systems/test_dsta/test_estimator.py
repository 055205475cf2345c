# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""DSTA in stock tools: training, streams, speed, export."""

import copy

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner
from mmpose.registry import DATASETS, MODELS

from rpstn_mmpose.apis import VideoPoseInferencer
from rpstn_mmpose.checkpoints import image_pretrained
from rpstn_mmpose.speed import optimize_for_inference
from rpstn_mmpose.speed.onnx_export import export_window
from rpstn_mmpose.streams import make_stream
from tests.test_apis.tiny import write_video
from tests.test_datasets.penn_files import write_penn

from .tiny import OFFSETS, K, answer, batch_of, build, clips, dataset, dsta

CAUSAL = (-2, -1, 0)


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """A video of nine frames and one of two."""
    folder = tmp_path_factory.mktemp('penn')
    return write_penn(folder, lengths=(9, 2), train=(1, -1))


def test_trains_and_is_tested_by_the_stock_runner(root, tmp_path):
    """Whatever has a gradient moves, the flow included; a checkpoint of it
    goes on where it was."""
    data = dict(
        batch_size=3,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
    )
    test = dict(data, dataset=dataset(root))
    config = dict(
        default_scope='mmpose',
        work_dir=str(tmp_path),
        model=dsta(test_cfg=dict(flip_test=True)),
        train_dataloader=dict(
            data, dataset=dataset(root, training=True, box='wanted')
        ),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-2)),
        test_dataloader=test,
        test_cfg=dict(),
        test_evaluator=dict(type='ClipPCK'),
    )
    runner = Runner.from_cfg(Config(config))
    before = copy.deepcopy(runner.model.state_dict())
    runner.train()
    fixed = ('mask', 'loc', 'cov')
    for name, value in runner.model.state_dict().items():
        if name.rsplit('.')[-1] not in fixed:
            assert not torch.equal(value, before[name]), name
    scores = runner.test()
    again = Runner.from_cfg(
        Config(
            dict(
                config,
                load_from=str(tmp_path / 'epoch_1.pth'),
                experiment_name='again',
            )
        )
    )
    np.testing.assert_equal(again.test(), scores)


def test_the_loss_is_of_the_wanted_frame(root):
    """By hand from what the model gives; the labels of others are unread."""
    model = build()
    batch = batch_of(model, root, training=True)
    found = model.loss(**batch)
    labels = [s.gt_instance_labels for s in batch['data_samples']]
    target = torch.stack([label.keypoint_labels[1] for label in labels])
    weights = torch.stack([label.keypoint_weights[1] for label in labels])
    output = model(batch['inputs'], None, mode='tensor')
    expected = model.head.loss_module(
        output[..., :2], output[..., 2:].logit(), target, weights[..., None]
    )
    torch.testing.assert_close(found['loss_kpt'], expected)
    assert weights.sum() > 0 and 0 <= found['acc_pose'] <= 1


def crops(root, video):
    """Packed crops of a video's single frames."""
    frames = DATASETS.build(dataset(root, (0,)))
    items = []
    for row in range(len(frames)):
        if frames.get_data_info(row)['video_id'] == video:
            item = frames[row]
            item['inputs'] = item['inputs'][0]
            items.append(item)
    return items


@pytest.mark.parametrize(
    'offsets, flip, delay',
    [
        (OFFSETS, False, 1),
        (OFFSETS, True, 1),
        (CAUSAL, False, 0),
        ((-2, -1, 0, 1, 2), False, 2),
        ((0,), False, 0),
    ],
)
def test_a_stream_gives_what_clips_give(root, offsets, flip, delay):
    """With each frame's own box; one pass of the backbone a frame."""
    model = build(dsta(clip_offsets=offsets, test_cfg=dict(flip_test=flip)))
    data = DATASETS.build(dataset(root, offsets))
    infos = [data.get_data_info(row) for row in range(len(data))]
    for video in {info['video_id'] for info in infos}:
        rows = [r for r, info in enumerate(infos) if info['video_id'] == video]
        expected = model.test_step(pseudo_collate([data[r] for r in rows]))
        stream = make_stream(model)
        assert stream.delay == delay
        done, passes = [], []
        hook = model.backbone.register_forward_pre_hook(
            lambda _, args, passes=passes: passes.append(len(args[0]))
        )
        for number, item in enumerate(crops(root, video)):
            done += stream.push([item], [3])
            assert len(done) == max(0, number + 1 - delay)
        done += stream.flush()
        hook.remove()
        assert passes == [1] * (len(rows) * (1 + flip))
        for poses, clip in zip(done, expected, strict=True):
            found, wanted = (
                s.pred_instances for s in (poses.samples[0], clip)
            )
            for key in ('keypoint_scores', 'keypoint_sigmas', 'keypoints'):
                np.testing.assert_allclose(
                    found[key], wanted[key], rtol=1e-5, atol=1e-4
                )


def test_what_a_stream_keeps_is_small(root):
    """Of a person in a frame: a number of each channel and joint."""
    model = build()
    stream = make_stream(model)
    for item in crops(
        root,
        DATASETS.build(dataset(root))[0]['data_samples'].metainfo['video_id'],
    ):
        stream.push([item], [0])
    kept = stream._window._kept
    assert len(kept) == 2
    for people in kept.values():
        for view in people[0].views:
            assert [tuple(level.shape) for level in view] == [(1, K, 8)]


def test_made_fast(root):
    """Norms are worked in, and 16 bits leave the coordinates precise."""
    config = dsta()
    plain = build(config)
    fused = optimize_for_inference(build(config), graphs=False)
    inputs = clips(1)
    assert not [
        m for m in fused.modules() if isinstance(m, torch.nn.BatchNorm2d)
    ]
    torch.testing.assert_close(
        answer(fused, inputs), answer(plain, inputs), rtol=1e-4, atol=1e-4
    )
    half = optimize_for_inference(
        build(config), dtype='bfloat16', graphs=False
    )
    found = answer(half, inputs)
    assert found.dtype == torch.float32
    assert (found - answer(plain, inputs)).abs().max() < 0.1
    for part in (half.neck, half.aggregator, half.head):
        assert all(p.dtype == torch.float32 for p in part.parameters())
    assert answer(plain.double(), inputs.double()).dtype == torch.float64


def test_mixed_precision_keeps_the_coordinates_precise(root):
    """Tokens differ by what the backbone rounds, and by nothing else."""
    model = build()
    batch = batch_of(model, root, training=True)
    with torch.autocast('cpu', torch.bfloat16):
        feats = model.extract_feat(batch['inputs'])
        losses = model.loss(**batch)
        output = model.head(model.combine(feats, OFFSETS))
    assert feats[0].dtype == output.dtype == torch.float32
    assert losses['loss_kpt'].dtype == torch.float32
    assert torch.equal(output, model.head(model.combine(feats, OFFSETS)))


def image_checkpoint(path):
    """As of MMPose's ``td-reg_*_rle`` recipes."""
    image = dsta()
    model = MODELS.build(
        dict(
            type='TopdownPoseEstimator',
            backbone=image['backbone'],
            neck=dict(type='GlobalAveragePooling'),
            head=dict(
                type='RLEHead',
                in_channels=64,
                num_joints=17,
                decoder=image['head']['decoder'],
            ),
        )
    )
    for value in model.state_dict().values():
        if value.is_floating_point():
            torch.nn.init.uniform_(value, 0.5, 1.5)
    torch.save(dict(state_dict=model.state_dict()), path)
    return model


def test_starts_from_an_image_model_of_coordinates(tmp_path, monkeypatch):
    """One line says what is new."""
    lines = []
    monkeypatch.setattr(
        image_pretrained, 'print_log', lambda text, **_: lines.append(text)
    )
    path = str(tmp_path / 'td-reg.pth')
    image = image_checkpoint(path)
    model = MODELS.build(dsta(image_pretrained=dict(checkpoint=path)))
    model.init_weights()
    for name, value in image.backbone.state_dict().items():
        assert torch.equal(model.backbone.state_dict()[name], value)
    count = len(image.backbone.state_dict())
    assert lines == [
        f'{count} of {len(model.state_dict())} tensors of DSTA start from '
        f'{path}; new: neck, head, aggregator'
    ]


def test_what_has_no_window_is_not_exported(tmp_path):
    with pytest.raises(ValueError, match='combines no frames'):
        export_window(build().backbone, tmp_path)
    with pytest.raises(ValueError, match='model.eval'):
        export_window(build().train(), tmp_path)
    with pytest.raises(ValueError, match='people must be at least 1'):
        export_window(build(), tmp_path, people=0)


@pytest.mark.slow  # torch's exporter takes seconds for a tiny network
def test_onnx(tmp_path):
    """Two graphs of standard operators give what the model gives."""
    for name in ('onnx', 'onnxscript', 'onnxruntime'):
        pytest.importorskip(name)
    import onnx
    import onnxruntime

    # Few layers are faster for torch's exporter.
    config = dsta(backbone=dict(type='AlexNet'), clip_offsets=CAUSAL)
    config['neck']['in_channels'] = 256
    config['head']['decoder'] = dict(
        type='RegressionLabel', input_size=(80, 96)
    )
    model = build(config)
    paths = export_window(model, tmp_path, people=2)
    for path in paths:
        domains = {node.domain for node in onnx.load(path).graph.node}
        assert domains <= {'', 'ai.onnx'}
    frame, window = (onnxruntime.InferenceSession(str(path)) for path in paths)
    inputs = torch.randn(2, 3, 3, 96, 80)
    tokens = [
        frame.run(['level0'], dict(image=inputs[:, t].numpy()))[0]
        for t in range(3)
    ]
    found = window.run(['output'], dict(level0=np.stack(tokens, axis=1)))[0]
    np.testing.assert_allclose(found, answer(model, inputs), atol=1e-4)


def test_the_demo_s_records_have_sigmas(root, tmp_path, monkeypatch):
    """In the JSON and in the picture."""
    monkeypatch.chdir(tmp_path)
    video = write_video(tmp_path / 'walk.mp4', num_frames=3)
    config = Config(
        dict(
            default_scope='mmpose',
            model=dsta(clip_offsets=CAUSAL),
            test_dataloader=dict(dataset=dataset('nowhere', CAUSAL)),
        )
    )
    inferencer = VideoPoseInferencer(config, device='cpu')
    results = list(inferencer(str(video), bboxes=[[[8, 8, 48, 56]]] * 3))
    for result in results:
        (person,) = result['predictions'][0]
        sigmas = np.array(person['keypoint_sigmas'])
        assert sigmas.shape == (K, 2) and (sigmas > 1).all()
        # Of the crop at most: 1.25 times a box of 48, at 3 to 4.
        assert (sigmas < (45, 60)).all()
