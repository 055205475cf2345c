# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from mmengine.config import Config

from rpstn_mmpose.engine.data_root import data_roots, set_data_root


def test_every_data_set_and_the_files_of_evaluators():
    one = dict(
        type='One',
        data_root='data/penn/',
        ann_file='train.json',
        bbox_file='data/penn/boxes/train.json',
    )
    two = dict(one, data_root='data/penn', other='data/penn2/x.json')
    cfg = Config(
        dict(
            train_dataloader=dict(
                batch_size=4,
                dataset=dict(
                    type='RepeatDataset',
                    dataset=dict(type='CombinedDataset', datasets=[one, two]),
                ),
            ),
            val_dataloader=dict(dataset=dict(one)),
            test_dataloader=dict(dataset=dict(one)),
            val_evaluator=[dict(type='A'), dict(ann_file='data/penn/v.json')],
            test_evaluator=dict(ann_file='data/penn/t.json', out='data/x'),
        )
    )
    set_data_root(cfg, '/disk/penn')
    assert cfg.train_dataloader.batch_size == 4
    inner = cfg.train_dataloader.dataset.dataset.datasets
    for item in (*inner, cfg.val_dataloader.dataset):
        assert item.data_root == '/disk/penn'
        assert item.ann_file == 'train.json'
        assert item.bbox_file == '/disk/penn/boxes/train.json'
    assert inner[1].other == 'data/penn2/x.json'
    assert cfg.val_evaluator[1].ann_file == '/disk/penn/v.json'
    assert cfg.test_evaluator.ann_file == '/disk/penn/t.json'
    assert cfg.test_evaluator.out == 'data/x'


def test_data_sets_without_a_root():
    """Absolute paths of a data set without one are left alone."""
    cfg = Config(
        dict(
            test_dataloader=dict(
                dataset=dict(data_root='', ann_file='/a/b.json')
            ),
            train_dataloader=None,
            test_evaluator=dict(ann_file='/a/b.json'),
        )
    )
    set_data_root(cfg, 'new')
    assert cfg.test_dataloader.dataset.ann_file == '/a/b.json'
    assert cfg.test_dataloader.dataset.data_root == 'new'
    assert cfg.test_evaluator.ann_file == '/a/b.json'


def test_roots_wherever_they_sit():
    assert list(data_roots(None)) == []
    parts = dict(
        a=[dict(data_root='x')], b=(dict(data_root='y', data_rootx=1),)
    )
    assert list(data_roots(parts)) == ['x', 'y']
