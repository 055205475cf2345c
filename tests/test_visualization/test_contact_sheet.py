# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import cv2
import numpy as np
import pytest

from rpstn_mmpose.visualization import predict_videos, write_contact_sheet
from rpstn_mmpose.visualization.contact_sheet import choose_frames

from .test_comparison import red
from .videos import ShiftModel, build_dataset, write_videos


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    root = write_videos(tmp_path_factory.mktemp('penn'), {'0001': 9})
    return build_dataset(root)


@pytest.fixture(scope='module')
def poses(dataset):
    return predict_videos(ShiftModel(off=[7]), dataset)


class Poses:
    """As much of VideoPeople as the choice looks at."""

    def __init__(self, occluded):
        self.keypoints_labeled = np.ones((len(occluded), 4), bool)
        self.keypoints_visible = np.arange(4) >= np.array(occluded)[:, None]

    def __len__(self):
        return len(self.keypoints_labeled)


def test_frames_with_most_occluded_joints_are_chosen():
    videos = dict(a=Poses([0, 1, 0, 0, 0, 0]), b=Poses([0, 0, 3, 0, 2, 0, 1]))
    assert choose_frames(videos, 2, 2) == ('b', [2, 4])
    assert choose_frames(videos, 3, 2) == ('b', [2, 4, 6])
    assert choose_frames(videos, 1, 5) == ('b', [2])
    # too short for the step, and for the number
    assert choose_frames(dict(a=Poses([0, 1, 0])), 3, 5) == ('a', [0, 1, 2])
    assert choose_frames(dict(a=Poses([0, 1])), 6, 3) == ('a', [0, 1])
    # no occlusion: the start
    assert choose_frames(dict(a=Poses([0] * 9)), 2, 3) == ('a', [0, 3])


def test_typical_frames_are_those_of_the_median_stretch():
    # stretches of two neighbours: a hides 0 1 1, b hides 4 6 4
    videos = dict(a=Poses([0, 0, 1, 0]), b=Poses([1, 3, 3, 1]))
    assert choose_frames(videos, 2, 1, typical=True) == ('a', [2, 3])
    assert choose_frames(videos, 2, 1) == ('b', [1, 2])
    assert choose_frames(dict(a=Poses([2])), 2, 1, True) == ('a', [0])


def test_sheet(dataset, poses, tmp_path):
    path = tmp_path / 'sub' / 'sheet.png'
    write_contact_sheet(
        path,
        [poses, poses],
        ['A', 'B'],
        dataset.metainfo,
        num_frames=3,
        step=2,
        tile_height=200,
    )
    image = cv2.imread(str(path))
    # Boxes (10, 1) to (60, 59), 8 % of 58 around: 5..65 x 0..63 of 64,
    # i.e. 60 or 61 x 64 pixels.
    rows = 3 * (34 + 200) + 34
    assert image.shape[0] == rows
    assert image.shape[1] == pytest.approx(3 * 200 * 61 / 64 + 12, abs=12)
    tile_rows = [image[34 + i * 234 : 234 + i * 234] for i in range(3)]
    # joint 7 is wrong in the models' rows
    assert red(tile_rows[0]) == 0
    assert red(tile_rows[1]) > 40
    assert red(tile_rows[1]) == red(tile_rows[2])
    # hidden from frame 3 on: frames 3, 5, 7 of grey levels 32, 40, 48
    width = (image.shape[1] - 12) // 3
    for i, level in enumerate((32, 40, 48)):
        corner = tile_rows[0][
            -20:, (i + 1) * (width + 6) - 30 : (i + 1) * (width + 6) - 10
        ]
        np.testing.assert_allclose(corner.mean(), level, atol=2)


def test_bad_arguments(dataset, poses, tmp_path):
    meta = dataset.metainfo
    with pytest.raises(ValueError, match='must end in .png'):
        write_contact_sheet(tmp_path / 'a.gif', [poses], ['A'], meta)
    with pytest.raises(ValueError, match='at least 1, but got 0 and 3'):
        write_contact_sheet(
            tmp_path / 'a.png', [poses], ['A'], meta, num_frames=0
        )
    with pytest.raises(ValueError, match="no video '7'; there are .'0001'."):
        write_contact_sheet(
            tmp_path / 'a.png', [poses], ['A'], meta, video_id='7'
        )
