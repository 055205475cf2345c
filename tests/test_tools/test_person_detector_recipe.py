# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The recipe of the quick start's person detector, through mmdet's runner."""

import json

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

import rpstn_mmpose
from rpstn_mmpose.engine import CheckpointError
from rpstn_mmpose.synthetic.generate_crowd import generate_detection

RECIPE = 'rtmdet_mini_1xb8-5e_synthetic-person-192x144'


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp('people') / 'data'
    generate_detection(
        folder, num_train=16, num_test=3, difficulty='easy', progress=False
    )
    return folder


def load(data, work_dir):
    cfg = Config.fromfile(rpstn_mmpose.config_path(RECIPE))
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = work_dir.name
    # else that of another test in this process, which writes elsewhere
    cfg.visualizer.name = f'detector_{work_dir.name}'
    for loader in (
        cfg.train_dataloader,
        cfg.val_dataloader,
        cfg.test_dataloader,
    ):
        loader.dataset.data_root = str(data)
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        evaluator.ann_file = str(data / 'annotations/test.json')
    cfg.train_cfg.update(max_epochs=1, val_interval=1)
    cfg.default_hooks.logger.interval = 1
    return cfg


def test_trains_evaluates_and_leaves_a_checkpoint(data, tmp_path):
    """Two steps in mmengine's runner, evaluated on the held-out pictures."""
    runner = Runner.from_cfg(load(data, tmp_path / 'one'))
    before = runner.model.bbox_head.rtm_cls[0].weight.clone()
    runner.train()
    # the warm-up's first step is small, but it is one
    assert not torch.equal(before, runner.model.bbox_head.rtm_cls[0].weight)
    assert (
        (tmp_path / 'one/last_checkpoint').read_text().endswith('epoch_1.pth')
    )
    log = next((tmp_path / 'one').glob('*/vis_data/scalars.json'))
    scalars = [json.loads(line) for line in log.read_text().splitlines()]
    for name in ('mAP', 'AR@100'):
        # -1 is COCO's way to say that there is no such number
        values = [
            r[f'coco/bbox_{name}'] for r in scalars if f'coco/bbox_{name}' in r
        ]
        assert len(values) == 1 and 0 <= values[0] <= 1
    with pytest.raises(
        CheckpointError, match='not a checkpoint of this RTMDet'
    ):
        other = load(data, tmp_path / 'other')
        other.model.backbone.base_channels = 8
        other.model.neck.in_channels = [16, 32, 64]
        other.load_from = str(tmp_path / 'one/epoch_1.pth')
        Runner.from_cfg(other).test()


def test_detector_of_the_demo_finds_memorised_people(data, tmp_path):
    """60 steps on two pictures, as PersonDetector uses the model; about 10
    seconds: a detector that never learns passes no shorter test."""
    from mmdet.registry import DATASETS, MODELS
    from mmdet.utils import register_all_modules
    from mmengine.dataset import pseudo_collate

    from rpstn_mmpose.apis import PersonDetector
    from rpstn_mmpose.structures import box_iou

    register_all_modules()
    cfg = load(data, tmp_path / 'two')
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    dataset.pipeline.transforms = [
        t
        for t in dataset.pipeline.transforms
        if type(t).__name__ not in ('YOLOXHSVRandomAug', 'RandomFlip')
    ]
    chosen = [
        i
        for i in range(16)
        if 1 <= len(dataset.get_data_info(i)['instances']) <= 3
        and not any(
            x['ignore_flag'] for x in dataset.get_data_info(i)['instances']
        )
    ][:2]
    batch = pseudo_collate([dataset[i] for i in chosen])
    model = MODELS.build(cfg.model).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(60):
        losses = model(**model.data_preprocessor(batch, True), mode='loss')
        total = sum(sum(v) for v in losses.values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    path = tmp_path / 'model.pth'
    torch.save(dict(state_dict=model.state_dict()), path)
    detector = PersonDetector(cfg, str(path))
    images = [cv2.imread(dataset.get_data_info(i)['img_path']) for i in chosen]
    # twice the size: the test pipeline brings it back
    large = [cv2.resize(image, None, fx=2, fy=2) for image in images]
    for i, small_boxes, large_boxes in zip(
        chosen, detector(images), detector(large)
    ):
        truth = np.array(
            [x['bbox'] for x in dataset.get_data_info(i)['instances']]
        )
        for boxes, scale in ((small_boxes, 1), (large_boxes, 2)):
            iou = box_iou(truth * scale, boxes[:, :4])
            assert (iou.max(axis=1) > 0.5).all()
