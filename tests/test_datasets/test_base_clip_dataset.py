# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import copy
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch
from mmengine.dataset import ConcatDataset
from mmengine.logging import MessageHub
from mmpose.datasets import CombinedDataset
from mmpose.registry import DATASETS
from torch.utils.data import DataLoader

from rpstn_mmpose.datasets import (
    BaseClipDataset,
    PennActionDataset,
    resolve_metainfo_file,
)
from tests.test_datasets.test_tracks import make_track

META = dict(from_file='configs/_base_/datasets/penn_action.py')


@DATASETS.register_module()
class ToyClips(BaseClipDataset):
    """Videos a (7 frames) and b (3 frames); joints at 10 * frame number."""

    METAINFO = META
    annotated = None

    def load_tracks(self):
        return [
            make_track('a', 7, num_joints=13, annotated=self.annotated),
            make_track('b', 3, first=50, num_joints=13),
        ]


def toy(**kwargs):
    return ToyClips(**{**dict(data_root='', split='train'), **kwargs})


def frames_of(dataset):
    return [
        (info['video_id'], info['frame_ids'])
        for info in map(dataset.get_data_info, range(len(dataset)))
    ]


def wanted_of(dataset):
    found = []
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        found += [
            (info['video_id'], f)
            for f, want in zip(info['frame_ids'], info['frame_mask'])
            if want
        ]
    return found


EVERY = [('a', i) for i in range(7)] + [('b', i) for i in (50, 51, 52)]


def test_sample_follows_the_contract():
    info = toy().get_data_info(1)
    assert info['id'] == 1 and info['video_id'] == 'a'
    assert info['frame_ids'] == [2, 3, 4, 5, 6]
    assert info['img_id'] == 'a/2'
    assert info['img_paths'] == [f'a/é{i}.jpg' for i in range(2, 7)]
    assert info['img_path'] == 'a/é2.jpg'
    shapes = dict(
        bbox=(5, 4),
        bbox_score=(5,),
        keypoints=(5, 13, 2),
        keypoints_visible=(5, 13),
        keypoints_labeled=(5, 13),
    )
    for key, shape in shapes.items():
        assert info[key].shape == shape and info[key].dtype == np.float32
    assert info['bbox'][0].tolist() == [2, 2, 7, 11]
    assert info['keypoints'][:, 3, 1].tolist() == [20, 30, 40, 50, 60]
    assert info['frame_mask'].dtype == bool and info['frame_mask'].all()
    assert info['category_id'] == 1
    assert info['dataset_name'] == 'penn_action'
    table = info['instance_mapping_table']
    assert table['keypoints_labeled'] == 'keypoints_labeled'
    assert table['keypoints'] == 'keypoints' and table['bbox'] == 'bboxes'


def test_training_windows():
    assert frames_of(toy()) == [
        ('a', [0, 1, 2, 3, 4]),
        ('a', [2, 3, 4, 5, 6]),
        ('b', [50, 51, 52, 52, 52]),
    ]
    assert [f[0] for _, f in frames_of(toy(clip_length=2, clip_stride=3))] == [
        0,
        3,
        5,
        50,
    ]


@pytest.mark.parametrize(
    'kwargs',
    [
        dict(),
        dict(clip_stride=2),
        dict(clip_length=3, frame_interval=2),
        dict(clip_length=1),
        dict(clip_offsets=(-2, -1, 0, 1, 2)),
        dict(clip_offsets=(0,)),
    ],
)
def test_evaluation_wants_every_frame_once(kwargs):
    assert sorted(wanted_of(toy(test_mode=True, **kwargs))) == EVERY


def test_offsets():
    dataset = toy(clip_offsets=(-2, 0, 1))
    assert dataset.clip_length == 3 and len(dataset) == 10
    info = dataset.get_data_info(0)
    assert info['frame_ids'] == [0, 0, 1]
    assert info['frame_mask'].tolist() == [False, True, False]


def test_a_window_in_place_of_the_options():
    dataset = toy(window=dict(type='NearPair', clip_offsets=(1,)))
    assert frames_of(dataset)[6:8] == [('a', [6, 6]), ('b', [50, 51])]
    assert wanted_of(dataset) == EVERY
    assert dataset.clip_length == 2 and dataset.clip_offsets is None
    around = toy(window=dict(type='FramesAround', clip_offsets=(0, 1)))
    assert frames_of(around) == frames_of(toy(clip_offsets=(0, 1)))
    assert around.clip_offsets == (0, 1)
    with pytest.raises(ValueError, match='ToyClips: a NearPair is drawn'):
        toy(window=dict(type='NearPair', clip_offsets=(1,)), test_mode=True)
    with pytest.raises(ValueError, match='ToyClips: clip_length=2 does not'):
        toy(window=dict(type='NearPair', clip_offsets=(1,)), clip_length=2)


def test_frames_without_labels_are_context_only():

    class Sparse(ToyClips):
        annotated = np.array([1, 0, 0, 0, 1, 0, 0], bool)

    kwargs = dict(data_root='', split='train', test_mode=True)
    everyone = [('a', 0), ('a', 4), ('b', 50), ('b', 51), ('b', 52)]
    assert sorted(wanted_of(Sparse(clip_length=3, **kwargs))) == everyone
    centred = Sparse(clip_offsets=(-1, 0, 1), **kwargs)
    assert sorted(wanted_of(centred)) == everyone and len(centred) == 5


def test_stride_of_offsets_counts_labelled_frames():

    class Sparse(ToyClips):
        annotated = np.array([0, 1, 0, 1, 0, 1, 1], bool)

    dataset = Sparse(
        data_root='', split='train', clip_offsets=(-1, 0), clip_stride=2
    )
    assert frames_of(dataset) == [
        ('a', [0, 1]),
        ('a', [4, 5]),
        ('b', [50, 50]),
        ('b', [51, 52]),
    ]


def test_people_of_a_video():

    class Crowd(ToyClips):
        def load_tracks(self):
            return [
                make_track(
                    'a',
                    3,
                    num_joints=13,
                    track_id=number,
                    image_ids=[70, 71, 72],
                    bbox_score=np.full(3, score),
                )
                for number, score in ((5, 0.5), (6, 0.25))
            ]

    dataset = Crowd(data_root='', split='train', clip_length=2)
    info = dataset.get_data_info(3)
    assert info['video_id'] == 'a' and info['track_id'] == 6
    assert info['image_ids'] == [71, 72] and info['img_id'] == 71
    assert info['bbox_score'].tolist() == [0.25, 0.25]


@pytest.mark.parametrize('serialize', [True, False])
def test_subsets_keep_ids_and_arrays(serialize):
    dataset = toy(serialize_data=serialize)
    part = dataset.get_subset([2, 0])
    assert [part.get_data_info(i)['id'] for i in range(2)] == [2, 0]
    assert frames_of(part)[0] == ('b', [50, 51, 52, 52, 52])
    assert part.tracks is dataset.tracks
    assert len(toy(serialize_data=serialize, indices=1)) == 1
    dataset.get_subset_([1])
    assert frames_of(dataset) == [('a', [2, 3, 4, 5, 6])]
    again = copy.deepcopy(dataset)
    assert frames_of(again) == frames_of(dataset)


def test_lazy_init():
    dataset = toy(lazy_init=True)
    assert dataset.tracks is None
    assert len(dataset) == 3


def test_wrappers():
    both = ConcatDataset([toy(), toy(test_mode=False)])
    assert len(both) == 6
    assert both[4]['frame_ids'] == [2, 3, 4, 5, 6]
    meta = dict(from_file=resolve_metainfo_file(META['from_file']))
    combined = CombinedDataset(
        metainfo=meta,
        datasets=[dict(type='ToyClips', data_root='', split='train')] * 2,
    )
    assert len(combined) == 6
    assert combined[5]['frame_ids'] == [50, 51, 52, 52, 52]


@pytest.fixture
def used_dataset(penn_root):
    """Crops of 32 x 32; transforms that were used before must travel."""
    pipeline = [
        dict(type='LoadClip'),
        dict(type='GetBBoxCenterScale'),
        dict(
            type='ForEachFrame',
            transforms=[
                dict(type='RandomBBoxTransform'),
                dict(type='TopdownAffine', input_size=(32, 32)),
            ],
        ),
        dict(type='PackClipInputs'),
    ]
    dataset = PennActionDataset(
        data_root=str(penn_root), split='train', pipeline=pipeline
    )
    dataset[0]
    return dataset


def check_batches(batches):
    assert [b['data_samples'].metainfo['frame_ids'] for b in batches] == [
        [1, 2, 3, 4, 5],
        [3, 4, 5, 6, 7],
        [1, 2, 3, 4, 5],
    ]
    assert batches[0]['inputs'].shape == (5, 3, 32, 32)


def test_forked_workers(used_dataset):
    loader = DataLoader(
        used_dataset,
        batch_size=1,
        num_workers=1,
        multiprocessing_context='fork',
        collate_fn=lambda batch: batch[0],
    )
    check_batches(list(loader))


def test_spawned_workers(used_dataset):
    """What such a worker gets, without the ten seconds that it imports."""
    sent = ForkingPickler.dumps(used_dataset)
    received = ForkingPickler.loads(sent)
    check_batches([received[i] for i in range(len(received))])
    crops = []
    for dataset in (used_dataset, received):
        np.random.seed(0)
        crops.append(dataset[1]['inputs'])
    assert crops[0].float().std() > 0
    assert torch.equal(*crops)


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (
            dict(split='val'),
            r"ToyClips: split must be one of \['train', 'test'\]"
            ", but got 'val'",
        ),
        (
            dict(clip_length=3, clip_offsets=(-1, 0)),
            'clip_length=3 contradicts',
        ),
        (dict(clip_offsets=(-1, 0), frame_interval=2), 'frame_interval=2'),
        (dict(clip_offsets=(1, 2)), '0 exactly once'),
        (dict(clip_stride=9, test_mode=True), 'ToyClips: clip_stride=9 would'),
        (dict(clip_length=0), 'clip_length must be an integer of at least 1'),
    ],
)
def test_bad_options(kwargs, message):
    with pytest.raises(ValueError, match=message) as error:
        toy(lazy_init=True, **kwargs)
    assert '\n' not in str(error.value)


def test_no_videos(tmp_path):

    class Nothing(ToyClips):
        def load_tracks(self):
            return []

    with pytest.raises(ValueError) as error:
        Nothing(data_root=str(tmp_path), split='test')
    message = str(error.value)
    assert "split 'test'" in message and str(tmp_path) in message
    assert 'check data_root' in message and '\n' not in message


def test_message_hub_holds_no_empty_annotation_file():
    toy(test_mode=True)
    hub = MessageHub.get_current_instance()
    assert hub.get_info('penn_action_ann_file', 'none') == 'none'
