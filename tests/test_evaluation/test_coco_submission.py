# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""From images without annotations to the file for COCO's server."""

import copy
import json
import runpy
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pycocotools.coco
import pytest
import torch
import xtcocotools.coco
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS, METRICS, MODELS

from rpstn_mmpose.datasets import CocoTestDevDataset
from rpstn_mmpose.evaluation import CocoSubmission
from rpstn_mmpose.evaluation.metrics.coco_submission import SubmissionError
from rpstn_mmpose.models import JREHead
from tests.real_data import require_real_data

ROOT = Path(__file__).resolve().parents[2]
NAME = 'person_keypoints_test-dev2017_rpstn-test_results'

# As MMPose's own COCO configs are laid out, with a tiny net. What it says of
# test data cannot work without annotations.
MODEL = """
default_scope = 'mmpose'
log_level = 'WARNING'
codec = dict(
    type='MSRAHeatmap', input_size=(64, 64), heatmap_size=(16, 16), sigma=2)
model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(type='PoseDataPreprocessor'),
    backbone=dict(
        type='ResNet', depth=18, stem_channels=8, base_channels=8),
    head=dict(
        type='JREHead', in_channels=64, out_channels=17,
        deconv_out_channels=(8, 8, 8), deconv_kernel_sizes=(4, 4, 4),
        loss=dict(type='KeypointMSELoss'), decoder=codec),
    test_cfg=dict(flip_test=False))
val_dataloader = dict(
    batch_size=8,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='CocoDataset', data_root='data/coco/', data_mode='topdown',
        ann_file='annotations/person_keypoints_val2017.json',
        data_prefix=dict(img='val2017/'), test_mode=True,
        pipeline=[
            dict(type='LoadImage'), dict(type='GetBBoxCenterScale'),
            dict(type='TopdownAffine', input_size=codec['input_size']),
            dict(type='PackPoseInputs')]))
test_dataloader = val_dataloader
val_cfg = dict()
test_cfg = dict()
val_evaluator = dict(
    type='CocoMetric',
    ann_file='data/coco/annotations/person_keypoints_val2017.json')
test_evaluator = val_evaluator
"""

CONFIG = f"""
custom_imports = dict(imports=['rpstn_mmpose'], allow_failed_imports=False)
_base_ = ['model.py', '{ROOT}/configs/_base_/datasets/coco_test_dev.py']
test_dataloader = dict(dataset=_base_.coco_test_dev_dataset)
test_evaluator = _base_.coco_test_dev_evaluator
"""

# of joint k in a map of 16 x 16 pixels
PEAKS = [(2 + k % 5, 3 + 2 * (k // 5)) for k in range(17)]


@MODELS.register_module()
class PeakHead(JREHead):
    """Whatever it sees, joint k is at PEAKS[k]: even ones with score 0.5,
    odd ones with 0.1, below the threshold for a pose's score."""

    def pseudo_heatmaps(self, feats):
        maps = feats[-1].new_zeros(len(feats[-1]), 17, 16, 16)
        for k, (x, y) in enumerate(PEAKS):
            maps[:, k, y, x] = 0.1 if k % 2 else 0.5
        return maps


def detection(image, box, score=0.9, category=1):
    return dict(image_id=image, category_id=category, bbox=box, score=score)


DETECTIONS = [
    detection(7, [10, 20, 40, 40], 0.8),
    detection(7, [11, 20, 40, 40], 0.9),  # the same person again
    detection(7, [60, 10, 20, 40], 0.7),
    detection(7, [5, 5, 20, 20], 0.99, category=18),  # a dog
    detection(31, [50, 30, 10, 40], 0.6),
]


@pytest.fixture()
def sample(tmp_path):
    """Two images without annotations, a config and its checkpoint."""
    root = tmp_path / 'data'
    (root / 'annotations').mkdir(parents=True)
    (root / 'test2017').mkdir()
    images = []
    for image in (7, 31):
        name = f'{image:012d}.jpg'
        cv2.imwrite(
            str(root / 'test2017' / name),
            np.full((90, 120, 3), image, np.uint8),
        )
        images.append(dict(id=image, file_name=name, height=90, width=120))
    info = dict(
        info={},
        licenses=[],
        images=images,
        categories=[dict(id=1, name='person', supercategory='person')],
    )
    write(root / 'annotations/image_info_test-dev2017.json', info)
    write(root / 'detections.json', DETECTIONS)
    return prepare(tmp_path)


def write(path, content):
    path.write_text(json.dumps(content))


def prepare(folder):
    (folder / 'model.py').write_text(MODEL)
    (folder / 'config.py').write_text(CONFIG)
    init_default_scope('mmpose')
    model = MODELS.build(Config.fromfile(folder / 'config.py').model)
    model.init_weights()
    torch.save(dict(state_dict=model.state_dict()), folder / 'model.pth')
    return folder


def run_test(folder, monkeypatch, *options, config='config.py'):
    """tools/test.py on the sample; its exit status."""
    script = ROOT / 'tools/test.py'
    monkeypatch.setattr(
        sys,
        'argv',
        [
            str(script),
            str(folder / config),
            str(folder / 'model.pth'),
            '--work-dir',
            str(folder / 'work'),
            '--cfg-options',
            f'test_dataloader.dataset.data_root={folder}/data/',
            f'test_dataloader.dataset.bbox_file={folder}/data/detections.json',
            f'test_evaluator.out_dir={folder}/out',
            'test_evaluator.algorithm=rpstn-test',
            *options,
        ],
    )
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(script), run_name='__main__')
    return caught.value.code


def read_result(folder):
    """The entries, after checking the files and what COCO's tools say."""
    out = folder / 'out'
    assert sorted(p.name for p in out.iterdir()) == [
        f'{NAME}.json',
        f'{NAME}.zip',
    ]
    text = (out / f'{NAME}.json').read_text()
    with zipfile.ZipFile(out / f'{NAME}.zip') as archive:
        assert archive.namelist() == [f'{NAME}.json']
        assert archive.read(f'{NAME}.json').decode() == text
    entries = json.loads(text)
    info = str(folder / 'data/annotations/image_info_test-dev2017.json')
    for package in (pycocotools, xtcocotools):
        loaded = package.coco.COCO(info).loadRes(str(out / f'{NAME}.json'))
        assert len(loaded.anns) == len(entries)
        first = loaded.anns[1]
        # by the keypoints, not as a box
        x, y = (np.array(first['keypoints'])[i::3] for i in (0, 1))
        assert first['area'] == pytest.approx(np.ptp(x) * np.ptp(y))
    for entry in entries:
        assert set(entry) == {'image_id', 'category_id', 'keypoints', 'score'}
        assert entry['category_id'] == 1
        assert len(entry['keypoints']) == 51
        assert np.isfinite(entry['keypoints'] + [entry['score']]).all()
    return entries


def test_known_heatmaps_end_at_hand_computed_pixels(sample, monkeypatch):
    assert run_test(sample, monkeypatch, 'model.head.type=PeakHead') == 0
    entries = read_result(sample)
    # NMS keeps the better of the two boxes of one person; the dog is no
    # person. A pose's score is the box's times the mean of joints over 0.2.
    assert [(e['image_id'], e['score']) for e in entries] == [
        (7, pytest.approx(0.9 * 0.5)),
        (7, pytest.approx(0.7 * 0.5)),
        (31, pytest.approx(0.6 * 0.5)),
    ]
    # The crop is a square of 1.25 times the longer side, 50 pixels, around
    # the box's centre; a pixel of the map is 50 / 16 pixels of the image.
    for entry, (left, top) in zip(entries, [(6, 15), (45, 5), (30, 25)]):
        expected = [[left + 3.125 * x, top + 3.125 * y] for x, y in PEAKS]
        keypoints = np.reshape(entry['keypoints'], (17, 3))
        np.testing.assert_allclose(keypoints[:, :2], expected, atol=0.006)
        np.testing.assert_allclose(
            keypoints[:, 2], [0.5, 0.1] * 8 + [0.5], atol=1e-4
        )


def test_real_images_and_detections(tmp_path, monkeypatch):
    coco = require_real_data('mmpose_samples/coco')
    root = tmp_path / 'data'
    (root / 'annotations').mkdir(parents=True)
    info = json.loads((coco / 'test_coco.json').read_text())
    del info['annotations']
    write(root / 'annotations/image_info_test-dev2017.json', info)
    detections = json.loads((coco / 'test_coco_det_AP_H_56.json').read_text())
    # the most certain ones are enough
    detections = [d for d in detections if d['score'] > 0.1]
    write(root / 'detections.json', detections)
    (root / 'test2017').symlink_to(coco)
    # A config of COCO val and options, without the base config; MMPose's own
    # data set does as well where nothing is wrong.
    assert (
        run_test(
            prepare(tmp_path),
            monkeypatch,
            'test_dataloader.dataset.ann_file='
            'annotations/image_info_test-dev2017.json',
            'test_dataloader.dataset.data_prefix.img=test2017/',
            'test_evaluator.type=CocoSubmission',
            'test_evaluator.ann_file=None',
            'test_evaluator.nms_mode=none',
            config='model.py',
        )
        == 0
    )
    entries = read_result(tmp_path)
    images = [entry['image_id'] for entry in entries]
    assert sorted(images) == sorted(d['image_id'] for d in detections)
    assert len(set(images)) == 4


@pytest.mark.parametrize('case', ['missing', 'alien', 'empty'])
def test_detections_that_cannot_be_used(case, sample, monkeypatch, capsys):
    path = sample / 'data/detections.json'
    if case == 'missing':
        path.unlink()
        message = (
            f'FileNotFoundError: CocoTestDevDataset: no file {path}; '
            'set test_dataloader.dataset.bbox_file to one that is '
            'there'
        )
    elif case == 'alien':
        write(path, [*DETECTIONS, detection(8, [1, 1, 9, 9])])
        message = (
            f'DetectionFileError: CocoTestDevDataset: {path} has 1 persons '
            f'in images that {sample}/data/annotations/'
            'image_info_test-dev2017.json does not have, the first in image '
            '8; use the detections and the image file of the same subset'
        )
    else:
        write(path, [])
        message = (
            f'DetectionFileError: CocoTestDevDataset: {path} has no '
            'detection of a person (category_id 1) among its 0; run '
            'the detector on the images of this subset'
        )
    assert run_test(sample, monkeypatch) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        f'tools/test.py: {message}'
    )
    assert not list(sample.glob('out/*'))


@pytest.mark.parametrize(
    'change, message',
    [
        (
            dict(bbox=[1, 1, 0, 9]),
            'detection 5: bbox must be 4 finite numbers',
        ),
        (dict(bbox=[1, 1, 9]), 'detection 5: bbox must be 4 finite numbers'),
        (
            dict(score=float('nan')),
            'score a finite number, but got .* and nan',
        ),
        (dict(score=None), 'score a finite number, but got .* and None'),
    ],
)
def test_a_bad_detection_is_named(change, message, sample):
    entry = {**detection(7, [1, 1, 9, 9]), **change}
    write(sample / 'data/detections.json', [*DETECTIONS, entry])
    with pytest.raises(OSError, match=message):
        make_dataset(sample)


def make_dataset(folder, **kwargs):
    return CocoTestDevDataset(
        **{
            **dict(
                data_root=f'{folder}/data',
                ann_file='annotations/image_info_test-dev2017.json',
                data_prefix=dict(img='test2017'),
                bbox_file=f'{folder}/data/detections.json',
                test_mode=True,
            ),
            **kwargs,
        }
    )


@pytest.mark.parametrize(
    'content, message',
    [
        ('{}', 'must be a list of detections, but is a dict'),
        ('[{"image_id": 7}]', 'detection 0: must have image_id, category_id'),
        ('[', 'not a whole JSON file'),
    ],
)
def test_a_file_that_is_not_of_detections(content, message, sample):
    (sample / 'data/detections.json').write_text(content)
    with pytest.raises(OSError, match=message):
        make_dataset(sample)


def test_what_else_a_dataset_cannot_do_without(sample):
    with pytest.raises(OSError, match='give the detected ones with'):
        make_dataset(sample, bbox_file=None)
    with pytest.raises(FileNotFoundError, match='gone.json; set data_root'):
        make_dataset(sample, ann_file='gone.json')
    write(sample / 'data/bare.json', dict(images=[]))
    with pytest.raises(OSError, match="bare.json has no 'images' or no 'cat"):
        make_dataset(sample, ann_file='bare.json')
    assert len(make_dataset(sample)) == 4  # without the dog


def make_metric(folder, **kwargs):
    metric = METRICS.build(
        dict(type='CocoSubmission', out_dir=str(folder / 'out'), **kwargs)
    )
    metric.dataset_meta = dict(
        dataset_name='no such data set',
        num_keypoints=17,
        sigmas=np.full(17, 0.05),
    )
    return metric


def make_prediction(identity=0, joints=17):
    keypoints = np.linspace(0, 90, 2 * joints).reshape(1, joints, 2)
    return dict(
        id=identity,
        img_id=7,
        gt_instances=dict(bbox_scores=np.ones(1)),
        pred_instances=dict(
            keypoints=keypoints, keypoint_scores=np.full((1, joints), 0.5)
        ),
    )


def test_predictions_without_any_file_of_images(tmp_path):
    metric = make_metric(tmp_path)
    assert isinstance(metric, CocoSubmission)
    metric.process(None, [make_prediction(0)])
    metric.process(None, [make_prediction(0)])  # a data loader's padding
    assert metric.evaluate(2) == {}
    name = 'person_keypoints_test-dev2017_rpstn_results.json'
    entries = json.loads((tmp_path / 'out' / name).read_text())
    assert len(entries) == 1
    # 90 / 33 = 2.727...
    assert entries[0]['keypoints'][:5] == [0, 2.73, 0.5, 5.45, 8.18]


def test_no_prediction_at_all(tmp_path):
    with pytest.raises(SubmissionError, match='there is no prediction to'):
        make_metric(tmp_path).evaluate(0)
    assert list((tmp_path / 'out').iterdir()) == []


@pytest.mark.parametrize('value', [np.nan, np.inf])
@pytest.mark.parametrize(
    'place, key',
    [
        ('pred_instances', 'keypoints'),
        ('pred_instances', 'keypoint_scores'),
        ('gt_instances', 'bbox_scores'),
    ],
)
def test_predictions_that_are_not_finite(place, key, value, tmp_path):
    prediction = copy.deepcopy(make_prediction())
    prediction[place][key].flat[-1] = value
    with pytest.raises(SubmissionError, match='image 7 is not finite'):
        make_metric(tmp_path).process(None, [prediction])


def test_other_joints_than_cocos(tmp_path):
    with pytest.raises(
        SubmissionError, match='17 keypoints, but the model gives 13'
    ):
        make_metric(tmp_path).process(None, [make_prediction(joints=13)])


def test_an_image_of_another_subset(tmp_path):
    write(tmp_path / 'val.json', dict(images=[dict(id=5)], categories=[]))
    metric = make_metric(tmp_path, ann_file=str(tmp_path / 'val.json'))
    with pytest.raises(SubmissionError, match='image 7 is not in .*val.json'):
        metric.process(None, [make_prediction()])


def test_unfit_options(tmp_path):
    with pytest.raises(ValueError, match='algorithm becomes part of a file'):
        make_metric(tmp_path, algorithm='my net/v2')
    with pytest.raises(SubmissionError, match='no annotation file gone.json'):
        make_metric(tmp_path, ann_file='gone.json')
    (tmp_path / 'out').rmdir()
    (tmp_path / 'out').write_text('')
    with pytest.raises(SubmissionError, match='cannot make the folder .*out'):
        make_metric(tmp_path)


def test_example_in_the_docs(tmp_path):
    text = (ROOT / 'docs/coco_test_dev.md').read_text()
    example = text.split('```python\n')[1].split('```')[0]
    (tmp_path / 'my_coco_jre.py').write_text(
        example.replace('../_base_', f'{ROOT}/configs/_base_')
    )
    config = Config.fromfile(tmp_path / 'my_coco_jre.py')
    assert isinstance(MODELS.build(config.model.head), JREHead)
    dataset = DATASETS.build(
        dict(config.test_dataloader.dataset, lazy_init=True)
    )
    assert isinstance(dataset, CocoTestDevDataset) and dataset.test_mode
    assert dataset.ann_file == (
        'data/coco/annotations/image_info_test-dev2017.json'
    )
    assert dataset.data_prefix['img'] == 'data/coco/test2017/'
    metric = METRICS.build(
        dict(config.test_evaluator, out_dir=str(tmp_path / 'out'))
    )
    assert isinstance(metric, CocoSubmission)
    assert metric.ann_file is None
