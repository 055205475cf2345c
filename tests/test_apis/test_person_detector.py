# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

from .detectors import detector_config
from .tiny import texture

pytest.importorskip('mmdet', reason='MMDetection is not installed')

from rpstn_mmpose.apis import PersonDetector  # noqa: E402


def reference(detector, config, image):
    """By MMDetection's own function, filtered one box after the other."""
    from mmdet.apis import inference_detector

    detector.model.cfg = config
    with DefaultScope.overwrite_default_scope('mmdet'):
        people = inference_detector(detector.model, image).pred_instances
    height, width = image.shape[:2]
    found = []
    for box, score, label in zip(
        people.bboxes.tolist(), people.scores.tolist(), people.labels.tolist()
    ):
        x1, y1, x2, y2 = (
            min(max(c, 0), limit) for c, limit in zip(box, (width, height) * 2)
        )
        if label == 1 and score > 0.01 and x2 - x1 >= 1 and y2 - y1 >= 1:
            found.append([x1, y1, x2, y2, score])
    return found


def test_boxes_of_the_person_class_of_several_frames():
    config = detector_config()
    detector = PersonDetector(config)
    assert detector.cat_ids == [1]
    images = [texture(96, 160, seed=1), texture(96, 160, seed=2)]
    found = detector(images, bbox_thr=0.01, nms_thr=1.0)
    for image, boxes in zip(images, found):
        expected = np.float32(reference(detector, config, image))
        assert len(expected) > 3
        expected = expected[np.argsort(-expected[:, 4], kind='stable')]
        np.testing.assert_allclose(boxes, expected, atol=1e-3)
        assert boxes.dtype == np.float32
    none = detector(images, bbox_thr=0.999)
    assert [boxes.shape for boxes in none] == [(0, 5)] * 2


def test_which_boxes_stay(monkeypatch):
    """A dog, a low score, a double, no area, and parts out of the frame."""
    detector = PersonDetector(detector_config())
    people = InstanceData(
        bboxes=torch.tensor(
            [
                [10.0, 10, 30, 50],
                [60, 10, 90, 60],
                [61, 10, 91, 60],
                [20, 5, 20.5, 40],
                [-5, -5, 40, 200],
                [10, 10, 31, 51],
                [130, 10, 150, 50],
            ]
        ),
        scores=torch.tensor([0.9, 0.5, 0.8, 0.9, 0.7, 0.2, 0.6]),
        labels=torch.tensor([0, 1, 1, 1, 1, 1, 1]),
    )
    sample = SimpleNamespace(pred_instances=people)
    monkeypatch.setattr(detector.model, 'test_step', lambda data: [sample])
    boxes = detector([texture(96, 160)], bbox_thr=0.3, nms_thr=0.5)[0]
    np.testing.assert_allclose(
        boxes,
        [[61, 10, 91, 60, 0.8], [0, 0, 40, 96, 0.7], [130, 10, 150, 50, 0.6]],
    )
    both = detector([texture(96, 160)], bbox_thr=0.3, nms_thr=0.99)[0]
    assert both[:, 4].round(1).tolist() == pytest.approx([0.8, 0.7, 0.6, 0.5])


def test_the_checkpoint_says_which_class_is_which(tmp_path):
    config = detector_config()
    state = PersonDetector(config).model.state_dict()
    torch.save(
        dict(
            meta=dict(dataset_meta=dict(classes=('Person', 'cat'))),
            state_dict=state,
        ),
        tmp_path / 'a.pth',
    )
    torch.save(dict(state_dict=state), tmp_path / 'b.pth')
    config.dump(str(tmp_path / 'det.py'))
    path = str(tmp_path / 'det.py')
    assert PersonDetector(path, str(tmp_path / 'a.pth')).cat_ids == [0]
    assert PersonDetector(path, str(tmp_path / 'b.pth')).cat_ids == [1]
    assert PersonDetector(path, cat_ids=0).cat_ids == [0]
    torch.save(dict(state_dict={'x': torch.zeros(1)}), tmp_path / 'c.pth')
    with pytest.raises(ValueError, match='c.pth does not belong to the model'):
        PersonDetector(path, str(tmp_path / 'c.pth'))
    with pytest.raises(FileNotFoundError, match='no such checkpoint'):
        PersonDetector(path, str(tmp_path / 'd.pth'))


@pytest.mark.parametrize(
    'classes, options, error, message',
    [
        (
            ('dog', 'cat'),
            {},
            ValueError,
            'has no person class: its 2 classes are dog, cat; use another',
        ),
        (
            ('dog', 'person'),
            dict(cat_ids=[2]),
            ValueError,
            r'has classes 0 to 1, not \[2\]',
        ),
    ],
)
def test_detectors_without_people(classes, options, error, message):
    with pytest.raises(error, match=message) as info:
        PersonDetector(detector_config(classes), **options)
    assert '\n' not in str(info.value)


def test_no_such_detector():
    with pytest.raises(FileNotFoundError, match='no such detector config'):
        PersonDetector('no_such_file.py')
    with pytest.raises(FileNotFoundError, match='neither a config file nor'):
        PersonDetector('no-such-model')
    config = detector_config()
    config.pop('test_dataloader')
    with pytest.raises(ValueError, match='give the config of a detector'):
        PersonDetector(config)
