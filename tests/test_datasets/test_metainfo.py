# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from pathlib import Path

import pytest
from mmpose.datasets.datasets.utils import parse_pose_metainfo

from rpstn_mmpose import recipes
from rpstn_mmpose.datasets import PennActionDataset, resolve_metainfo_file

NAME = 'configs/_base_/datasets/penn_action.py'
JOINTS = [
    'head',
    'left_shoulder',
    'right_shoulder',
    'left_elbow',
    'right_elbow',
    'left_wrist',
    'right_wrist',
    'left_hip',
    'right_hip',
    'left_knee',
    'right_knee',
    'left_ankle',
    'right_ankle',
]


def test_found_from_another_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path(resolve_metainfo_file(NAME))
    assert path.is_absolute() and path.name == 'penn_action.py'
    meta = parse_pose_metainfo(dict(from_file=str(path)))
    assert [meta['keypoint_id2name'][i] for i in range(13)] == JOINTS


def test_found_in_an_installed_copy(tmp_path, monkeypatch):
    package = tmp_path / 'site-packages' / 'rpstn_mmpose'
    folder = package / '.mim' / 'configs' / '_base_' / 'datasets'
    folder.mkdir(parents=True)
    (folder / 'penn_action.py').write_text('dataset_info = dict()\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recipes, '_PACKAGE', package)
    assert resolve_metainfo_file(NAME) == str(folder / 'penn_action.py')


def test_a_file_that_exists_goes_first(tmp_path):
    own = tmp_path / 'penn_action.py'
    own.write_text('dataset_info = dict()\n')
    assert resolve_metainfo_file(str(own)) == str(own)


def test_others_are_left_to_mmpose(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = 'configs/_base_/datasets/coco.py'
    assert resolve_metainfo_file(name) == name
    monkeypatch.setattr(recipes, '_PACKAGE', tmp_path / 'nowhere' / 'x')
    assert resolve_metainfo_file(NAME) == NAME


def test_penn_metainfo(penn_root):
    meta = PennActionDataset(
        data_root=str(penn_root), split='train', lazy_init=True
    ).metainfo
    assert meta['dataset_name'] == 'penn_action'
    # The head stays, every left joint swaps with the right one after it.
    assert meta['flip_indices'] == [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11]
    assert meta['dataset_keypoint_weights'].tolist() == [1.0] * 13
    assert meta['sigmas'].shape == (13,) and (meta['sigmas'] > 0).all()
    joined = {i for link in meta['skeleton_links'] for i in link}
    assert joined == set(range(13))


def test_metainfo_of_another_data_set(penn_root):
    dataset = PennActionDataset(
        data_root=str(penn_root),
        split='train',
        lazy_init=True,
        metainfo=dict(from_file=NAME),
    )
    assert dataset.metainfo['dataset_name'] == 'penn_action'
    with pytest.raises(FileNotFoundError, match='nowhere.py'):
        PennActionDataset(
            data_root=str(penn_root),
            split='train',
            metainfo=dict(from_file='configs/_base_/datasets/nowhere.py'),
        )
