# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import gc
import json
import tracemalloc
from unittest import mock

import cv2
import numpy as np
import pytest
import torch
from mmpose.structures import PoseDataSample

from rpstn_mmpose.apis import VideoPoseInferencer
from tests.real_data import require_real_data

from .detectors import detector_config
from .test_smoothing import one_euro
from .test_video_io import count_with_opencv
from .tiny import (
    build,
    image_model,
    pose_config,
    texture,
    video_model,
    write_video,
)

av = pytest.importorskip('av', reason='PyAV is not installed')


def make(model=None, **options):
    """An inferencer with a tiny model whose weights all matter."""
    options.setdefault('device', 'cpu')
    inferencer = VideoPoseInferencer(pose_config(model), **options)
    source = build(model or video_model())
    inferencer.model.load_state_dict(source.state_dict())
    return inferencer


def two_boxes(frame):
    return [
        [5 + 2 * frame, 5, 45 + 2 * frame, 60, 0.8],
        [90 - 2 * frame, 4, 130 - 2 * frame, 62, 0.9],
    ]


FRAMES = [np.roll(texture(64, 140), 3 * index, axis=1) for index in range(11)]


def test_equals_the_clip_model_on_the_same_crops():
    """Whole chain: boxes, ids, crops, resets, back to the frame's pixels."""
    inferencer = make(collapse_ratio=None)
    assert inferencer.estimator.reset_interval == 5
    results = list(
        inferencer(FRAMES, bboxes=[two_boxes(f) for f in range(11)])
    )
    assert [r['frame_id'] for r in results] == list(range(11))
    pipeline = inferencer.pipeline
    for person in range(2):
        for begin in (0, 5, 10):
            frames = range(begin, min(begin + 5, 11))
            items = []
            for frame in frames:
                box = np.float32(two_boxes(frame)[person])
                items.append(
                    pipeline(
                        dict(
                            inferencer.dataset_meta,
                            img=FRAMES[frame],
                            bbox=box[None, :4],
                            bbox_score=box[4:],
                        )
                    )
                )
            batch = inferencer.model.data_preprocessor(
                dict(
                    inputs=[torch.stack([i['inputs'] for i in items])],
                    data_samples=[],
                )
            )
            with torch.no_grad():
                heatmaps = inferencer.model(
                    batch['inputs'], None, mode='tensor'
                )
            decoded = inferencer.model.decode_clip(heatmaps)[0]
            for row, frame in enumerate(frames):
                found = results[frame]['predictions'][0][person]
                assert found['track_id'] == person
                meta = items[row]['data_samples'].metainfo
                expected = (
                    decoded.keypoints[row] / 64 * meta['input_scale']
                    + meta['input_center']
                    - meta['input_scale'] / 2
                )
                np.testing.assert_allclose(
                    found['keypoints'], expected, atol=1e-3
                )
                np.testing.assert_allclose(
                    found['keypoint_scores'],
                    decoded.keypoint_scores[row],
                    atol=1e-4,
                )


def test_records_are_those_of_mmpose_with_ids(tmp_path):
    inferencer = make()
    write_video(tmp_path / 'a.mp4', 7, width=140)
    results = list(
        inferencer(
            str(tmp_path / 'a.mp4'),
            bboxes={f: two_boxes(f) for f in (0, 1, 2, 4, 5)},
            out_dir=str(tmp_path / 'out'),
            return_vis=True,
        )
    )
    counts = [len(r['predictions'][0]) for r in results]
    assert counts == [2, 2, 2, 0, 2, 2, 0]
    item = results[0]['predictions'][0][1]
    assert set(item) == {
        'keypoints',
        'keypoint_scores',
        'bbox',
        'bbox_score',
        'track_id',
    }
    assert np.shape(item['keypoints']) == (13, 2)
    # MMPose has the box in a list of its own.
    np.testing.assert_allclose(item['bbox'], [two_boxes(0)[1][:4]])
    assert item['bbox_score'] == pytest.approx(0.9)
    assert [i['track_id'] for i in results[5]['predictions'][0]] == [0, 1]
    for result in results:
        assert result['visualization'][0].shape == (64, 140, 3)
        assert not result['damaged']

    saved = json.loads((tmp_path / 'out/predictions/a.json').read_text())
    assert saved['meta_info']['dataset_name'] == 'penn_action'
    assert saved['meta_info']['video'] == dict(
        name='a', fps=12.5, width=140, height=64, announced_frames=7
    )
    assert [r['frame_id'] for r in saved['instance_info']] == list(range(7))
    for record, result in zip(saved['instance_info'], results):
        assert len(record['instances']) == len(result['predictions'][0])
        for a, b in zip(record['instances'], result['predictions'][0]):
            assert a['track_id'] == b['track_id']
            np.testing.assert_allclose(a['keypoints'], b['keypoints'])
    assert count_with_opencv(tmp_path / 'out/visualizations/a.mp4') == (
        7,
        (140, 64),
        12.5,
    )
    run = inferencer.last_run
    assert (
        run.num_frames,
        run.frames_with_people,
        run.num_damaged,
        run.cut_off,
    ) == (7, 5, 0, False)


@pytest.mark.parametrize(
    'tracker',
    [
        dict(type='MotionTracker', oks_weight=0.5),
        dict(type='MotionTracker'),
        dict(type='ByteTracker'),
    ],
)
def test_image_models_and_trackers(tracker):
    inferencer = make(
        image_model(), tracker=tracker, smoothing=dict(type='OneEuroFilter')
    )
    if tracker.get('oks_weight'):
        np.testing.assert_allclose(
            inferencer.tracker.sigmas, inferencer.dataset_meta['sigmas']
        )
    for result in inferencer(
        FRAMES,
        bboxes=lambda image, frame: two_boxes(frame),
        return_datasamples=True,
    ):
        sample = result['predictions'][0]
        assert isinstance(sample, PoseDataSample)
        assert sample.pred_instances.track_ids.tolist() == [0, 1]
        assert sample.pred_instances.keypoints.shape == (2, 13, 2)


def keypoints_of(results):
    return [[i['keypoints'] for i in r['predictions'][0]] for r in results]


@pytest.mark.parametrize('batch', [1, 3])
def test_a_frame_is_prepared_while_the_next_one_is_read(monkeypatch, batch):
    """Nobody waits for it, and it changes nothing."""
    inferencer = make(collapse_ratio=None)
    events = []
    prepare = inferencer.estimator.prepare

    def spy():
        events.append('prepare')
        prepare()

    def camera():
        for index, frame in enumerate(FRAMES):
            events.append(f'read {index}')
            yield frame

    # One who stays, and one who leaves and comes back.
    boxes = [two_boxes(f)[: 1 if f in (3, 6, 7) else 2] for f in range(11)]
    options = dict(bboxes=boxes, batch_size=batch)
    monkeypatch.setattr(inferencer.estimator, 'prepare', spy)
    results = []
    for result in inferencer(camera(), **options):
        events.append(f'poses {result["frame_id"]}')
        results.append(result)
    expected = []
    for begin in range(0, 11, batch):
        chunk = range(begin, min(begin + batch, 11))
        expected += [f'read {index}' for index in chunk]
        for index in chunk:
            expected += [f'poses {index}', 'prepare']
    assert events == expected
    at_once = list(inferencer(FRAMES, **options))
    monkeypatch.setattr(inferencer.estimator, 'prepare', lambda: None)
    plain = list(inferencer(FRAMES, **options))
    for other in (results, at_once):
        for a, b in zip(keypoints_of(other), keypoints_of(plain)):
            np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize('config', [video_model(), image_model()])
def test_fast_models(tmp_path, config):
    """In float32 the same poses; in 16 bits nearly the same scores."""
    torch.save(
        dict(meta={}, state_dict=build(config).state_dict()),
        tmp_path / 'a.pth',
    )
    found = {}
    for fast in (None, 'float32', 'bfloat16'):
        inferencer = VideoPoseInferencer(
            pose_config(config),
            str(tmp_path / 'a.pth'),
            device='cpu',
            fast=fast,
        )
        results = list(
            inferencer(FRAMES, bboxes=[two_boxes(f) for f in range(11)])
        )
        found[fast] = [
            np.array([[i[name] for i in r['predictions'][0]] for r in results])
            for name in ('keypoints', 'keypoint_scores')
        ]
        layer = inferencer.model.backbone.conv1
        assert layer.weight.dtype == getattr(torch, fast or 'float32')
        assert (layer.bias is not None) == (fast is not None)  # of the norm
    for a, b in zip(found['float32'], found[None]):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3)
    scores, exact = found['bfloat16'][1], found[None][1]
    assert 0 < abs(scores - exact).max() < 0.1 * abs(exact).max()


@pytest.mark.parametrize(
    'device, config, parts, frame',
    [
        ('cpu', video_model(), True, False),
        ('cpu', image_model(), True, False),
        ('meta', video_model(), False, True),
        ('meta', image_model(), True, False),
    ],
)
def test_what_is_compiled(device, config, parts, frame):
    """A stream's whole frame where there may be CUDA graphs."""
    with mock.patch(
        'rpstn_mmpose.apis.model_options.optimize_for_inference'
    ) as optimize:
        inferencer = VideoPoseInferencer(
            pose_config(config), device=device, compile=True
        )
    optimize.assert_called_once_with(
        inferencer.model, dtype=None, compile=parts
    )
    compiled = getattr(inferencer.estimator, '_compiled', None)
    assert (compiled is not None) == frame


def test_smoothing_is_that_of_the_filter():
    plain, smooth = make(), make(smoothing=dict(type='OneEuroFilter'))
    boxes = [two_boxes(f) for f in range(11)]
    runs = [
        [
            np.array([i['keypoints'] for i in r['predictions'][0]])
            for r in inferencer(FRAMES, bboxes=boxes, fps=10)
        ]
        for inferencer in (plain, smooth)
    ]
    from rpstn_mmpose.apis import OneEuroFilter

    filtered = OneEuroFilter()
    for raw, out in zip(*runs):
        np.testing.assert_allclose(
            out, filtered([0, 1], raw, 10, np.float64([55, 58])), atol=1e-2
        )
    assert any(abs(raw - out).max() > 1 for raw, out in zip(*runs))


def test_smoothed_boxes_are_those_of_the_filter():
    """Corners that move diagonally, at different speeds, and tremble."""
    rng = np.random.default_rng(0)
    corners = (
        np.float32([[[20, 5], [60, 45]]])
        + np.arange(11)[:, None, None] * np.float32([5, 1])
        + rng.uniform(-1, 1, (11, 2, 2))
    )
    boxes = corners.astype(np.float32).reshape(11, 1, 4)
    found = [
        r['predictions'][0][0]['bbox'][0]
        for r in make(bbox_smoothing=dict(type='OneEuroFilter'))(
            FRAMES, bboxes=list(boxes), fps=10
        )
    ]
    sizes = (boxes[:, 0, 2:] - boxes[:, 0, :2]).max(axis=1)
    for corner in range(2):
        path = boxes.reshape(11, 2, 2)[:, corner]
        np.testing.assert_allclose(
            np.reshape(found, (11, 2, 2))[:, corner],
            one_euro(path, 10, sizes),
            atol=1e-3,
        )
        assert abs(path - one_euro(path, 10, sizes)).max(axis=0).min() > 0.5


def test_a_detector_in_batches_gives_what_it_gives_alone():
    pytest.importorskip('mmdet', reason='MMDetection is not installed')
    torch.manual_seed(0)
    inferencer = make(det_model=detector_config(), bbox_thr=0.01, nms_thr=0.1)
    one, four = (list(inferencer(FRAMES, batch_size=n)) for n in (1, 4))
    assert len(one) == len(four) == 11
    assert sum(len(r['predictions'][0]) for r in one) > 10
    for a, b in zip(one, four):
        a, b = a['predictions'][0], b['predictions'][0]
        assert [i['track_id'] for i in a] == [i['track_id'] for i in b]
        for x, y in zip(a, b):
            np.testing.assert_allclose(x['bbox'], y['bbox'], atol=1e-2)


@pytest.mark.parametrize(
    'name',
    [
        'demo.mp4',
        'posetrack18/videos/000001_mpiinew_test/000001_mpiinew_test.mp4',
    ],
)
def test_real_videos_from_end_to_end(tmp_path, name):
    path = require_real_data(f'mmpose_samples/{name}')
    inferencer = make(det_model='whole_image')
    results = list(inferencer(path, vis_out_dir=str(tmp_path / 'o.mp4')))
    assert count_with_opencv(tmp_path / 'o.mp4') == count_with_opencv(path)
    assert len(results) == 5
    assert all(len(r['predictions'][0]) == 1 for r in results)


def test_damaged_frames_keep_pose_and_count(tmp_path):
    paths = []
    for index, frame in enumerate(FRAMES[:6]):
        paths.append(str(tmp_path / f'{index}.png'))
        cv2.imwrite(paths[-1], frame)
    (tmp_path / '3.png').write_bytes(b'broken')
    inferencer = make()
    boxes = [two_boxes(f) for f in range(6)]
    results = list(
        inferencer(paths, bboxes=boxes, out_dir=str(tmp_path / 'out'))
    )
    assert [r['damaged'] for r in results] == [0, 0, 0, 1, 0, 0]
    assert results[3]['predictions'] == results[2]['predictions']
    ids = [[i['track_id'] for i in r['predictions'][0]] for r in results]
    assert ids == [[0, 1]] * 6
    saved = json.loads((tmp_path / 'out/predictions/frames.json').read_text())
    assert [r.get('damaged') for r in saved['instance_info']] == [
        None,
        None,
        None,
        True,
        None,
        None,
    ]
    assert inferencer.last_run.num_damaged == 1
    assert (
        count_with_opencv(tmp_path / 'out/visualizations/frames.mp4')[0] == 6
    )


@pytest.mark.parametrize('end', ['left', 'error', 'interrupt'])
def test_whatever_ends_the_run_files_are_complete(tmp_path, end):
    inferencer = make()

    def boxes(image, frame):
        if frame == 4 and end == 'error':
            raise RuntimeError('no more')
        if frame == 4 and end == 'interrupt':
            raise KeyboardInterrupt
        return two_boxes(frame)

    errors = dict(error=RuntimeError, interrupt=KeyboardInterrupt)
    results = inferencer(FRAMES, bboxes=boxes, out_dir=str(tmp_path))
    if end == 'left':
        for _ in range(4):
            next(results)
        results.close()
    else:
        with pytest.raises(errors[end]):
            list(results)
    saved = json.loads((tmp_path / 'predictions/frames.json').read_text())
    assert len(saved['instance_info']) == 4
    assert count_with_opencv(tmp_path / 'visualizations/frames.mp4') == (
        4,
        (140, 64),
        25,
    )
    names = sorted(p.name for p in tmp_path.rglob('*') if p.is_file())
    assert names == ['frames.json', 'frames.mp4']


def test_frames_before_a_bad_one_are_not_lost_in_a_batch(tmp_path):
    inferencer = make(det_model='whole_image')
    frames = FRAMES[:3] + [texture(32, 32)]
    results = inferencer(frames, batch_size=8, out_dir=str(tmp_path))
    assert [next(results)['frame_id'] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match='frame 3 is 32x32'):
        next(results)
    saved = json.loads((tmp_path / 'predictions/frames.json').read_text())
    assert len(saved['instance_info']) == 3


def test_max_frames():
    inferencer = make(det_model='whole_image')
    for count, batch in ((1, 1), (4, 3), (11, 4), (50, 4)):
        results = list(inferencer(FRAMES, max_frames=count, batch_size=batch))
        assert len(results) == min(count, 11)


class Cheap(torch.nn.Module):
    """In the place of the pose model: one pixel's colour."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def test_step(self, data):
        from mmengine.structures import InstanceData

        for item, sample in zip(data['inputs'], data['data_samples']):
            sample.pred_instances = InstanceData(
                keypoints=np.tile(
                    item[:2, 0, 0].numpy().astype(np.float32), (1, 13, 1)
                ),
                keypoint_scores=np.ones((1, 13), np.float32),
                bboxes=sample.gt_instances.bboxes,
                bbox_scores=sample.gt_instances.bbox_scores,
            )
        return data['data_samples']


def test_memory_does_not_grow_with_the_video(tmp_path):
    """Peak of what Python and numpy allocate: 400 frames against 40."""
    write_video(tmp_path / 'short.mp4', 40, width=140)
    write_video(tmp_path / 'long.mp4', 400, width=140)
    inferencer = make(image_model(), smoothing=dict(type='OneEuroFilter'))
    inferencer.estimator.model = Cheap()

    def peak(name):
        # Cycles go at once, so that the peak is not a matter of chance.
        gc.collect()
        gc.freeze()
        tracemalloc.start()
        count = 0
        for _ in inferencer(
            str(tmp_path / name),
            bboxes=lambda image, frame: two_boxes(frame % 20),
            out_dir=str(tmp_path / 'out'),
        ):
            count += 1
            gc.collect()
        gc.unfreeze()
        value = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return count, value

    peak('short.mp4')
    short, long = peak('short.mp4'), peak('long.mp4')
    assert (short[0], long[0]) == (40, 400)
    assert long[1] < 1.1 * short[1]


def test_names_of_recipes_and_of_mmpose_are_found():
    from rpstn_mmpose import config_path
    from rpstn_mmpose.apis.pose_config import resolve_config

    name = 'rpstn_res18_1xb8-100e_penn-256x256'
    assert resolve_config(name) == config_path(name)
    assert resolve_config('rtmpose-m_8xb256-420e_coco-256x192') == (
        'rtmpose-m_8xb256-420e_coco-256x192'
    )
    with pytest.raises(FileNotFoundError, match='no such config file'):
        resolve_config('folder/no_such.py')


def test_weights(tmp_path):
    model = build(video_model())
    torch.save(
        dict(meta=dict(), state_dict=model.state_dict()), tmp_path / 'a.pth'
    )
    inferencer = VideoPoseInferencer(
        pose_config(), str(tmp_path / 'a.pth'), device='cpu'
    )
    for key, value in inferencer.model.state_dict().items():
        assert torch.equal(value, model.state_dict()[key])
    torch.save(
        dict(meta=dict(), state_dict=build(image_model()).state_dict()),
        tmp_path / 'b.pth',
    )
    with pytest.raises(ValueError, match='does not belong to the model of'):
        VideoPoseInferencer(pose_config(), str(tmp_path / 'b.pth'))
    with pytest.raises(FileNotFoundError, match='no such checkpoint file'):
        VideoPoseInferencer(pose_config(), str(tmp_path / 'c.pth'))


MEMORY = dict(
    neck=None,
    initializer='features',
    memory=dict(type='RecursiveHeatmapMean', weight=0.75),
)


def test_a_memory_on_an_image_recipe():
    """Its clips of one frame would start everybody anew in every frame."""
    config = pose_config(video_model(**MEMORY), clip_length=1)
    with pytest.raises(
        ValueError,
        match="reset_interval='clip' is of no use, "
        'as its test data are clips of one frame: .*set '
        'reset_interval to 0 .never., or to 2 or more',
    ):
        VideoPoseInferencer(config, device='cpu')
    with pytest.raises(ValueError, match='reset_interval=1 starts everybody'):
        VideoPoseInferencer(config, device='cpu', reset_interval=1)
    # As the line says: then the memory remembers.
    plain = dict(MEMORY, memory=None)
    found = []
    for model in (plain, MEMORY):
        inferencer = VideoPoseInferencer(
            pose_config(video_model(**model), clip_length=1),
            device='cpu',
            **(
                {}
                if model is plain
                else dict(reset_interval=0, collapse_ratio=None)
            ),
        )
        source = build(video_model(**plain))
        inferencer.model.load_state_dict(source.state_dict())
        found.append(keypoint_scores(inferencer))
    change = abs(found[0] - found[1]).max(axis=(1, 2))
    assert change[0] < 1e-6 and change[1:].min() > 1e-5, change


def keypoint_scores(inferencer):
    """(frames, people, joints) of two people."""
    results = inferencer(FRAMES, bboxes=[two_boxes(f) for f in range(11)])
    return np.array(
        [[i['keypoint_scores'] for i in r['predictions'][0]] for r in results]
    )


def test_a_memory_with_test_data_of_images():
    """No clip_length to start anew by: before, never, without a word."""
    config = pose_config(video_model(**MEMORY))
    del config.test_dataloader.dataset['clip_length']
    with pytest.raises(
        ValueError,
        match="'clip' is of no use, as its test "
        'data have no clip_length; set reset_interval',
    ):
        VideoPoseInferencer(config, device='cpu')
    inferencer = VideoPoseInferencer(config, device='cpu', reset_interval=7)
    assert inferencer.estimator.reset_interval == 7
    config.test_dataloader.dataset.clip_offsets = [-2, -1, 0]
    inferencer = VideoPoseInferencer(config, device='cpu')
    assert inferencer.estimator.reset_interval == 3


@pytest.mark.parametrize(
    'model, options, message',
    [
        (
            None,
            dict(det_weights='a.pth'),
            'det_weights is of a detector; give',
        ),
        (None, dict(det_cat_ids=0), 'det_cat_ids is of a detector; give det_'),
        (
            None,
            dict(nms_thr=0.3, det_model='whole_image'),
            'nms_thr is of boxes that are detected or given, and not of',
        ),
        (
            image_model(),
            dict(reset_interval=5),
            'reset_interval is for models',
        ),
        (
            image_model(),
            dict(collapse_ratio=0.2),
            'collapse_ratio is for models',
        ),
        (image_model(), dict(max_gap=5), 'max_gap is for models that carry a'),
        (
            image_model(),
            dict(
                bbox_smoothing=dict(type='OneEuroFilter'),
                tracker=dict(type='MotionTracker', oks_weight=0.5),
            ),
            'bbox_smoothing does nothing with a MotionTracker that uses '
            'keypoints',
        ),
    ],
)
def test_options_that_would_do_nothing(model, options, message):
    with pytest.raises(ValueError, match=message):
        make(model, **options)


@pytest.mark.parametrize(
    'options, message',
    [
        (
            dict(kpt_thr=0.5),
            'kpt_thr is of the picture; give return_vis=True, ',
        ),
        (
            dict(thickness=2),
            'thickness is of the picture; give return_vis=True',
        ),
        (
            dict(draw_bbox=False),
            'draw_bbox is of the picture; give return_vis',
        ),
        (
            dict(kpt_thr=0.5, pred_out_dir='a'),
            'kpt_thr is of the picture; give',
        ),
        (
            dict(out_dir='a', vis_out_dir='b', pred_out_dir='c'),
            'out_dir does nothing beside both vis_out_dir and pred_out_dir',
        ),
    ],
)
@pytest.mark.parametrize('boxes', ['whole_image', 'given'])
def test_options_of_a_call_that_would_do_nothing(
    boxes, options, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    inferencer = make(det_model='whole_image')
    if boxes == 'given':
        options = dict(options, bboxes=[two_boxes(f) for f in range(11)])
    with pytest.raises(ValueError, match=message):
        inferencer(FRAMES, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('option', ['bbox_thr', 'nms_thr'])
def test_thresholds_of_boxes_that_are_given(option):
    inferencer = make(det_model='whole_image')
    with pytest.raises(ValueError, match=f'{option} is of boxes that are'):
        inferencer(FRAMES, **{option: 0.5})
    with pytest.raises(ValueError, match=f'{option} is of boxes that are'):
        make(det_model='whole_image', **{option: 0.5})
    # One box has 0.8, the other 0.9; they overlap by 0.90 in frame 21.
    boxes = [two_boxes(21)]
    inferencer = make(**{option: 0.85 if option == 'bbox_thr' else 0.3})
    (result,) = inferencer(FRAMES[:1], bboxes=boxes)
    assert [p['bbox_score'] for p in result['predictions'][0]] == [
        pytest.approx(0.9)
    ]
    # The call's comes before the inferencer's.
    low = 0.79 if option == 'bbox_thr' else 0.95
    (result,) = inferencer(FRAMES[:1], bboxes=boxes, **{option: low})
    assert len(result['predictions'][0]) == 2


def test_a_file_of_boxes_with_ids(tmp_path):
    """The ids go with the people, in any order, and so do their states."""
    people = [
        [
            dict(bbox=box[:4], bbox_score=box[4], track_id=key)
            for key, box in zip((7, 3), two_boxes(f))
        ]
        for f in range(11)
    ]
    content = [dict(frame_id=f, instances=p) for f, p in enumerate(people)]
    for number, record in enumerate(content):
        if number % 2:
            record['instances'] = record['instances'][::-1]
    (tmp_path / 'a.json').write_text(json.dumps(content))
    inferencer = make()
    found = list(inferencer(FRAMES, bboxes=tmp_path / 'a.json'))
    tracked = inferencer(FRAMES, bboxes=[two_boxes(f) for f in range(11)])
    for frame, expected in zip(found, tracked):
        frame = {p['track_id']: p for p in frame['predictions'][0]}
        assert set(frame) == {7, 3}
        for key, other in zip((7, 3), expected['predictions'][0]):
            np.testing.assert_allclose(
                frame[key]['keypoints'], other['keypoints'], atol=1e-3
            )


def test_the_lowest_score_of_a_box_is_what_the_tracker_wants():
    pytest.importorskip('mmdet', reason='MMDetection is not installed')
    byte = dict(type='ByteTracker', low_score=0.15)
    for options, expected in (
        ({}, 0.3),
        (dict(tracker=byte), 0.15),
        (dict(tracker=byte, bbox_thr=0.4), 0.4),
    ):
        inferencer = make(det_model=detector_config(), **options)
        boxes = inferencer.boxes
        assert (boxes.bbox_thr, boxes.nms_thr) == (expected, 0.3)


@pytest.mark.parametrize(
    'options, message',
    [
        (
            dict(tracker=dict(type='MotionTracker', oks_weight=0.5)),
            'needs to know who is who before; set oks_weight=0',
        ),
        (dict(reset_interval='often'), "a number, None or 'clip', but got"),
        (dict(fast='int8'), "fast must be one of .* or None, but got 'int8'"),
        (dict(det_model=detector_config(('dog',))), 'has no person class'),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(), 'give det_model, bboxes, or'),
        (
            dict(bboxes=[two_boxes(0)]),
            'bboxes are given for 1 frames, but the',
        ),
        (
            dict(bboxes=[[1, 2, 3]] * 11),
            'bboxes of frame 0: boxes must be N x 4',
        ),
        (dict(bboxes=[[[9, 2, 3, 4]]] * 11), 'bboxes of frame 0: the box'),
        (dict(bboxes=['a'] * 11), 'bboxes of frame 0: boxes must be rows'),
        (dict(batch_size=0), 'batch_size must be at least 1'),
        (dict(max_frames=0), 'max_frames must be at least 1'),
        (dict(colour=1), "unknown argument {'colour'}"),
        (dict(bboxes=[()] * 11, fps=-1), 'fps must be 0.1 to 1000'),
    ],
)
def test_bad_calls(options, message):
    with pytest.raises(ValueError, match=message):
        list(make()(FRAMES, **options))


def test_output_that_cannot_be_written_is_found_before(tmp_path):
    (tmp_path / 'file').write_text('')
    inferencer = make(det_model='whole_image')
    with pytest.raises(OSError, match='its folder is a file'):
        inferencer(FRAMES, vis_out_dir=str(tmp_path / 'file' / 'a.mp4'))


def test_nobody_at_all(tmp_path):
    inferencer = make(smoothing=dict(type='OneEuroFilter'))
    results = list(inferencer(FRAMES, bboxes=[()] * 11, out_dir=str(tmp_path)))
    assert [r['predictions'] for r in results] == [[[]]] * 11
    assert inferencer.last_run.frames_with_people == 0
