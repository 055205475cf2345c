# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Poses as a table, read back as another program would."""

import csv

import pytest

from rpstn_mmpose.visualization.pose_table import write_pose_table

from .test_poses_3d import POSE, content, write


def table(folder, found):
    path = write_pose_table(write(folder, found), folder / 'new/clip.csv')
    assert [p.name for p in path.parent.iterdir()] == ['clip.csv']
    with open(path, newline='', encoding='utf-8') as file:
        return list(csv.DictReader(file))


def test_a_row_for_each_person_and_frame(tmp_path):
    """Person 4 in frames 0-5 and 8-9, person 2 in 3-5; 5 is damaged."""
    found = content()
    found['instance_info'][4]['time'] = 0.43
    rows = table(tmp_path, found)
    assert [(int(r['frame']), int(r['track_id'])) for r in rows] == [
        *((f, 4) for f in (0, 1, 2)),
        *((f, person) for f in (3, 4, 5) for person in (4, 2)),
        *((f, 4) for f in (8, 9)),
    ]
    assert {r['frame'] for r in rows if r['damaged'] == '1'} == {'5'}
    assert rows[0]['time'] == '' and float(rows[5]['time']) == 0.43
    # The left wrist of person 4 in frame 9, and of person 2 in frame 4.
    for row, score in ((rows[-1], 0.19), (rows[6], 0.6)):
        names = [f'left_wrist_{part}' for part in ('x', 'y', 'score')]
        assert [float(row[name]) for name in names] == [5, 6, score]
    for row in rows:
        for name, place in zip(('root', 'left_hand', 'right_hand'), POSE):
            assert [float(row[f'{name}_3d_{a}']) for a in 'xyz'] == place


def test_what_is_not_known_is_empty(tmp_path):
    found = content()
    first = found['instance_info'][0]['instances'][0]
    del first['keypoints_3d']
    first['keypoint_scores'][0] = None
    first['keypoints'][1] = [None, None]
    row = table(tmp_path, found)[0]
    assert {name for name, value in row.items() if not value} == {
        *('time', 'head_score', 'left_wrist_x', 'left_wrist_y'),
        *(f'{n}_3d_{a}' for n in ('root', 'head') for a in 'xyz'),
        *(f'{s}_hand_3d_{a}' for s in ('left', 'right') for a in 'xyz'),
    }


def test_without_a_lifter(tmp_path):
    found = content()
    del found['meta_info']['keypoints_3d']
    for record in found['instance_info']:
        for person in record['instances']:
            del person['keypoints_3d']
    rows = table(tmp_path, found)
    assert len(rows) == 11 and len(rows[0]) == 4 + 3 * 3
    found['instance_info'] = [dict(frame_id=0, instances=[])]
    assert table(tmp_path, found) == []


def test_refused(tmp_path):
    path = write(tmp_path, content(POSE[:3]))
    with pytest.raises(ValueError, match='clip.json: frame 0: .* 4 x 3 num'):
        write_pose_table(path, tmp_path / 'a.csv')
    with pytest.raises(ValueError, match='must end in .csv'):
        write_pose_table(path, tmp_path / 'a.txt')
    assert [p.name for p in tmp_path.iterdir()] == ['clip.json']
