# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import json

import numpy as np
import pytest

from rpstn_mmpose.apis import PredictionWriter


def instance(value):
    return dict(
        keypoints=np.full((2, 2), value, np.float32),
        keypoint_scores=np.float32([0.5, value]),
        bbox=([1.0, 2.0, 3.0, 4.0],),
        bbox_score=np.float32(0.25),
        track_id=np.int64(7),
    )


def plain(value):
    return dict(
        keypoints=[[value, value]] * 2,
        keypoint_scores=[0.5, value],
        bbox=[[1.0, 2.0, 3.0, 4.0]],
        bbox_score=0.25,
        track_id=7,
    )


def test_whole_after_every_frame(tmp_path):
    path, part = tmp_path / 'new' / 'a.json', tmp_path / 'new' / '.a.json.part'
    writer = PredictionWriter(path, dict(names=('a',), ids={0: 'head'}))
    expected = dict(
        meta_info=dict(names=['a'], ids={'0': 'head'}), instance_info=[]
    )
    assert json.loads(part.read_bytes()) == expected
    for frame in range(4):
        count = (2, 0, 1, 3)[frame]
        others = dict(damaged=True) if frame == 2 else {}
        writer.write(frame, [instance(1.5)] * count, **others)
        expected['instance_info'].append(
            dict(frame_id=frame, **others, instances=[plain(1.5)] * count)
        )
        assert json.loads(part.read_bytes()) == expected
        assert not path.exists()
    writer.close()
    assert json.loads(path.read_bytes()) == expected
    assert not part.exists()
    # A line for each frame, between those of the head and the end.
    assert len(path.read_text().splitlines()) == 2 + 4 + 1


def test_numbers_that_json_has_not(tmp_path):
    writer = PredictionWriter(tmp_path / 'a.json', {})
    writer.write(0, [instance(np.nan)])
    writer.close()
    data = json.loads((tmp_path / 'a.json').read_text())
    item = data['instance_info'][0]['instances'][0]
    assert item['keypoints'] == [[None, None]] * 2


def test_discard(tmp_path):
    PredictionWriter(tmp_path / 'a.json', {}).discard()
    assert list(tmp_path.iterdir()) == []


def test_bad_paths(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(ValueError, match='must end in .json'):
        PredictionWriter(tmp_path / 'a.txt', {})
    with pytest.raises(OSError, match='its folder is a file'):
        PredictionWriter(tmp_path / 'file' / 'a.json', {})
