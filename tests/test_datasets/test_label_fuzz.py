# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A label file changed in any way gives a value, or one line that names it.

More than the default number of files: ``RPSTN_FUZZ_CASES=5000``.
"""

import json
import os
from collections import Counter

import numpy as np
import pytest

from rpstn_mmpose.datasets import (
    CocoTestDevDataset,
    HiEveClipDataset,
    JHMDBClipDataset,
    JHMDBCocoClipDataset,
    PennActionDataset,
    PoseTrackClipDataset,
)
from rpstn_mmpose.datasets.label_fields import PLACE_LIMIT
from tests.test_datasets import hieve_files, jhmdb_files, penn_files
from tests.test_datasets.label_fuzz import (
    changed_json,
    changed_mat,
    outcome,
    overwritten,
)
from tests.test_datasets.posetrack_files import content, image, person

CASES = int(os.environ.get('RPSTN_FUZZ_CASES', 120))


def check_tracks(dataset):
    """Everything finite and near a picture, clips included."""
    clips = dataset.load_data_list()
    store = dataset.tracks
    for name in ('bbox', 'keypoints'):
        values = store.column(name)
        assert np.isfinite(values).all()
        assert (np.abs(values) <= 3 * PLACE_LIMIT).all()
    assert (
        store.column('keypoints_labeled') >= store.column('keypoints_visible')
    ).all()
    assert len(store.column('frame_ids')) < 10000
    for item in (clips[0], clips[-1]):
        rows, _ = dataset.clip_window(item['track'], item['place'])
        clip = store.clip(item['track'], rows)
        assert clip['frame_sizes'].shape == (len(rows), 2)


def posetrack(root, images, **kwargs):
    path = root / 'annotations/val/000001_mpii_test.json'
    path.parent.mkdir(parents=True)
    people = [
        person(1, frame, track) for frame in range(3) for track in range(2)
    ]
    dataset = PoseTrackClipDataset(
        str(root),
        'val',
        lazy_init=True,
        frame_pattern='{:06d}.jpg',
        test_mode=True,
        **kwargs,
    )
    return content(images, people), path, lambda: check_tracks(dataset)


def posetrack18(root):
    regions = dict(ignore_regions_x=[[1, 9, 9]], ignore_regions_y=[[1, 1, 9]])
    return posetrack(root, [image(1, i, **regions) for i in range(3)])


def posetrack21(root):
    """Flat regions, people without keypoints, ids twice."""
    images = [
        image(
            1,
            i,
            image_id=0,
            ignore_regions_x=[1, 9, 9],
            ignore_regions_y=[1, 1, 9],
        )
        for i in range(3)
    ]
    data, path, read = posetrack(root, images)
    data['annotations'][1]['keypoints'] = []
    return data, path, read


def posetrack17(root):
    """In one file: numbers from 1, and neither sizes nor joint names."""
    data, path, _ = posetrack(root, [image(1, i) for i in range(3)])
    for item in data['images']:
        del item['width'], item['height']
    data['categories'] = []
    dataset = PoseTrackClipDataset(
        str(root),
        'val',
        ann_file=str(path),
        lazy_init=True,
        test_mode=True,
        frame_pattern='{:08d}.jpg',
        first_frame=1,
    )
    return data, path, lambda: check_tracks(dataset)


def detections(root):
    path = root / 'detections.json'
    data, annotations, _ = posetrack(root, [image(1, i) for i in range(3)])
    annotations.write_text(json.dumps(data))
    boxes = [
        dict(
            image_id=item['id'],
            bbox=[1.0, 2.0, 30.0, 40.0],
            score=0.9,
            category_id=1,
        )
        for item in data['images']
    ]
    dataset = PoseTrackClipDataset(
        str(root), 'val', bbox_file=str(path), lazy_init=True, test_mode=True
    )

    def read():
        check_tracks(dataset)
        assert np.isfinite(dataset.detections).all()

    return boxes, path, read


def hieve(root, labels, name):
    frames = {frame: [0, 1] for frame in range(3)}
    hieve_files.write_hieve(root, {3: frames})
    dataset = HiEveClipDataset(
        str(root),
        'val4',
        videos=[3],
        labels=labels,
        lazy_init=True,
        test_mode=True,
    )
    path = root / 'labels/train' / labels / name
    return path.read_bytes(), path, lambda: check_tracks(dataset)


def hieve_poses(root):
    data, path, read = hieve(root, 'track2&3', '3.json')
    return json.loads(data), path, read


def hieve_frames(root):
    """One of them in JSON, as the data set's page shows it."""
    _, path, read = hieve(root, 'all-track', '3/000001.xml')
    path.unlink()
    people = [
        dict(
            name=f'P-{track}',
            action='riding',
            bndbox=dict(
                xmin='1', ymin='2', xmax='30', ymax='40', Nose='5,6,0'
            ),
        )
        for track in range(2)
    ]
    size = dict(width='96', height='72', depth='3')
    content = dict(annotation=dict(size=size, object=people))
    return content, path.with_suffix('.json'), read


def hieve_boxes(root):
    return hieve(root, 'track1', '3.txt')


def jhmdb_coco(root):
    path = root / 'Sub1_train.json'
    images = [
        dict(id=i, file_name=f'run/a/{i:05d}.png', width=96, height=72)
        for i in range(1, 4)
    ]
    people = [
        dict(
            id=i,
            image_id=i,
            bbox=[11, 21, 30, 40],
            category_id=1,
            keypoints=[20 + i, 30, 2] * 15,
        )
        for i in range(1, 4)
    ]
    dataset = JHMDBCocoClipDataset(str(root), path.name, lazy_init=True)
    data = dict(images=images, annotations=people, categories=[dict(id=1)])
    return data, path, lambda: check_tracks(dataset)


def coco_info(root):
    path = root / 'info.json'
    images = [
        dict(id=i, file_name=f'{i}.jpg', width=96, height=72) for i in range(3)
    ]
    (root / 'boxes.json').write_text(
        json.dumps(
            [
                dict(image_id=i, category_id=1, bbox=[1, 2, 30, 40], score=0.5)
                for i in range(3)
            ]
        )
    )
    dataset = CocoTestDevDataset(
        data_root=str(root),
        ann_file=path.name,
        test_mode=True,
        bbox_file=str(root / 'boxes.json'),
        lazy_init=True,
    )
    data = dict(images=images, categories=[dict(id=1, name='person')])
    return data, path, dataset.load_data_list


def coco_boxes(root):
    data, path, read = coco_info(root)
    path.write_text(json.dumps(data))
    boxes = root / 'boxes.json'
    return json.loads(boxes.read_text()), boxes, read


def penn(root):
    path = penn_files.write_label(root, '0001', {})
    dataset = PennActionDataset(str(root), 'train', lazy_init=True)
    return penn_files.label_arrays(4), path, lambda: check_tracks(dataset)


def jhmdb(root, name, arrays):
    jhmdb_files.write_video(root, 'run', 'a', 4, frames=False)
    (path,) = root.rglob(f'{name}.mat')
    dataset = JHMDBClipDataset(str(root), 'all', lazy_init=True)
    return arrays, path, lambda: check_tracks(dataset)


def joint_positions(root):
    return jhmdb(
        root,
        'joint_positions',
        dict(pos_img=jhmdb_files.positions(4), scale=np.ones((1, 4))),
    )


def puppet_mask(root):
    return jhmdb(root, 'puppet_mask', dict(part_mask=jhmdb_files.part_mask(4)))


@pytest.mark.parametrize(
    'make',
    [
        posetrack18,
        posetrack21,
        posetrack17,
        detections,
        hieve_poses,
        hieve_frames,
        hieve_boxes,
        jhmdb_coco,
        coco_info,
        coco_boxes,
        penn,
        joint_positions,
        puppet_mask,
    ],
)
def test_changed_files_give_a_value_or_a_line(tmp_path, make):
    content, path, read = make(tmp_path)
    changes = {'.json': changed_json, '.mat': changed_mat}
    change = changes.get(path.suffix, overwritten)
    found = Counter()
    for seed in range(CASES):
        path.write_bytes(change(content, np.random.RandomState(seed)))
        kind, text = outcome(read, path.name, str(tmp_path))
        found[kind] += 1
        assert kind in ('value', 'line'), (seed, kind, text)
    assert found['value'] and found['line'], found
    print(dict(found))
