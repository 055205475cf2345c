# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Batches made in workers, beside mmengine's loaders as they are."""

import pickle

import numpy as np
import pytest
import torch
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmdet.structures import DetDataSample
from mmengine.dataset import pseudo_collate
from mmengine.registry import FUNCTIONS
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement, InstanceData
from mmpose.models import PoseDataPreprocessor
from mmpose.structures import PoseDataSample
from torch.utils.data import DataLoader, Dataset

from rpstn_mmpose.datasets import PennActionDataset
from rpstn_mmpose.datasets.collate import PackedSamples, stack_in_worker
from rpstn_mmpose.models import ClipDataPreprocessor
from tests.test_datasets.test_clip_pipeline import STOCK, TRAIN

PIXELS = dict(mean=[123.7, 116.3, 103.5], std=[58.4, 57.1, 57.4])


def same(one, other):
    """Whether two values have the same types, fields and bits."""
    assert type(one) is type(other)
    if isinstance(one, BaseDataElement):
        assert set(one.metainfo_keys()) == set(other.metainfo_keys())
        same(dict(one.all_items()), dict(other.all_items()))
    elif isinstance(one, dict):
        assert set(one.keys()) == set(other.keys())
        for key in one:
            same(one[key], other[key])
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for a, b in zip(one, other):
            same(a, b)
    elif isinstance(one, torch.Tensor):
        assert one.dtype == other.dtype and one.shape == other.shape
        assert torch.equal(
            one.contiguous().flatten().view(torch.uint8),
            other.contiguous().flatten().view(torch.uint8),
        )
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype and one.shape == other.shape
        assert one.tobytes() == other.tobytes()
    else:
        assert one == other or one is other


class Fixed(Dataset):
    """Given samples."""

    def __init__(self, samples):
        self.samples = samples

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]


def batches(samples, collate, size=2, workers=1):
    return list(
        DataLoader(
            Fixed(samples),
            batch_size=size,
            num_workers=workers,
            collate_fn=collate,
        )
    )


def clips(root):
    dataset = PennActionDataset(
        data_root=str(root), split='train', pipeline=TRAIN
    )
    return [dataset[index] for index in range(3)]


def images(root):
    dataset = PennActionDataset(
        data_root=str(root), split='train', clip_length=1, pipeline=STOCK
    )
    dataset.pipeline.transforms.insert(0, first_frame)
    return [dataset[index] for index in range(5)]


def first_frame(results):
    return dict(results, img_path=results['img_paths'][0])


def detections(root):
    """Images of different sizes with different numbers of boxes."""
    samples = []
    for index, (height, width) in enumerate([(8, 6), (8, 6), (8, 6), (4, 6)]):
        sample = DetDataSample(metainfo=dict(img_shape=(height, width)))
        sample.gt_instances = InstanceData(
            bboxes=torch.rand(index, 4), labels=torch.arange(index)
        )
        image = torch.randint(255, (3, height, width), dtype=torch.uint8)
        samples.append(dict(inputs=image, data_samples=sample))
    return samples


@pytest.mark.parametrize(
    'make, preprocessor',
    [
        (clips, ClipDataPreprocessor(**PIXELS, bgr_to_rgb=True)),
        (images, PoseDataPreprocessor(**PIXELS, bgr_to_rgb=True)),
        (images, PoseDataPreprocessor(**PIXELS, pad_size_divisor=32)),
        (detections, DetDataPreprocessor(**PIXELS, pad_size_divisor=4)),
    ],
)
def test_same_batches(make, preprocessor, penn_root):
    """Bit for bit what the stock loader gives, after stock preprocessors
    too; batches that are not full included."""
    samples = make(penn_root)
    stock = batches(samples, pseudo_collate)
    ours = batches(samples, stack_in_worker)
    assert len(stock) == len(ours) > 1
    for one, other in zip(stock, ours):
        assert isinstance(one['inputs'], list)
        assert isinstance(other['data_samples'], PackedSamples)
        one, other = (preprocessor(batch, True) for batch in (one, other))
        assert type(other['data_samples']) is list
        same(one, other)


def test_a_batch_is_two_tensors(penn_root):
    """Each one is a connection to the worker."""
    (batch,) = batches(clips(penn_root), stack_in_worker, size=3)
    assert batch['inputs'].shape == (3, 5, 3, 64, 48)
    assert batch['inputs'].is_shared()
    packed = batch['data_samples']
    assert packed.buffer.is_shared()
    # heatmaps and weights of 3 clips, and what fills up the weights to 16
    assert len(packed.buffer) == 3 * 5 * 13 * (16 * 12 * 4 + 4) + 3 * 12
    assert not any(
        isinstance(value, torch.Tensor)
        for name, value in packed.items()
        if name != 'buffer'
    )


def test_images_are_a_list_of_one_tensor(penn_root):
    """Which comes from the worker as one; those of different sizes do not."""
    first, second = batches(detections(None), stack_in_worker)
    assert [tuple(x.shape) for x in first['inputs']] == [(3, 8, 6)] * 2
    one, other = first['inputs']
    assert other.data_ptr() - one.data_ptr() == 3 * 8 * 6
    assert [tuple(x.shape) for x in second['inputs']] == [(3, 8, 6), (3, 4, 6)]


def test_without_workers_it_is_the_stock_one():
    samples = detections(None)
    same(stack_in_worker(samples), pseudo_collate(samples))
    assert stack_in_worker([(1, 2), (3, 4)]) == [(1, 3), (2, 4)]


def test_tensors_of_all_kinds():
    """Numbers of other sizes behind each other, no number at all, a tensor
    in other order, and one that appears twice."""
    shared = torch.arange(3, dtype=torch.int16)
    tensors = [
        torch.tensor(True),
        torch.tensor([1.5, float('nan'), -0.0], dtype=torch.float64),
        torch.empty(0, 4),
        torch.arange(6, dtype=torch.bfloat16).view(2, 3).t(),
        shared,
        torch.tensor(3 + 1j),
        shared,
    ]
    packed = pickle.loads(pickle.dumps(PackedSamples([tensors, 'rest'])))
    same(packed.samples(), [tensors, 'rest'])
    same(packed.to('cpu'), [tensors, 'rest'])
    assert [x for x in packed][1] == packed[1] == 'rest'
    assert PackedSamples([]).samples() == []
    with pytest.raises(IndexError):
        packed[2]


def test_pinned_once(monkeypatch):
    """By torch's own pinning of batches, which knows the method's name."""
    from torch.utils.data._utils.pin_memory import pin_memory

    pinned = []
    monkeypatch.setattr(
        torch.Tensor, 'pin_memory', lambda x: pinned.append(x) or x + 0
    )
    packed = PackedSamples([torch.ones(2), torch.zeros(3)])
    batch = dict(inputs=torch.ones(2), data_samples=packed)
    moved = pin_memory(batch)
    assert len(pinned) == 2 and isinstance(
        moved['data_samples'], PackedSamples
    )
    same(list(moved['data_samples']), [torch.ones(2), torch.zeros(3)])


def test_moved_at_once():
    """To torch's device without memory, all tensors with one copy."""
    packed = PackedSamples(
        [PoseDataSample(gt_instance_labels=InstanceData(a=torch.ones(2, 3)))]
    )
    (sample,) = packed.to('meta', non_blocking=True)
    labels = sample.gt_instance_labels
    assert labels.a.device.type == 'meta' and labels.a.shape == (2, 3)


def test_named_in_a_config(penn_root):
    assert FUNCTIONS.get('stack_in_worker') is stack_in_worker
    loader = Runner.build_dataloader(
        dict(
            batch_size=2,
            num_workers=1,
            sampler=dict(type='DefaultSampler', shuffle=False),
            collate_fn=dict(type='stack_in_worker'),
            dataset=Fixed(clips(penn_root)),
        )
    )
    assert [len(batch['inputs']) for batch in loader] == [2, 1]
