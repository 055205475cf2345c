# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from dataclasses import replace

import numpy as np
import pytest

from rpstn_mmpose.visualization import (
    predict_videos,
    score_video,
    write_comparison,
)
from rpstn_mmpose.visualization.skeleton_drawing import WRONG

from .test_video_writer import decode
from .videos import ShiftModel, build_dataset, write_videos

# In ``videos.truth``: left shoulder (joint 1) and right hip (joint 8) are 28
# pixels apart, so that 0.2 torso is 5.6 pixels.


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    root = write_videos(tmp_path_factory.mktemp('penn'), {'0001': 7})
    return build_dataset(root)


@pytest.fixture(scope='module')
def good(dataset):
    return predict_videos(ShiftModel(), dataset)


@pytest.fixture(scope='module')
def bad(dataset):
    """Off: joint 5, hidden from frame 3 on, and joint 7, always visible."""
    return predict_videos(ShiftModel(off=[5, 7]), dataset)


def test_score_video(dataset, good, bad):
    score = score_video(bad['0001'], dataset.metainfo)
    expected = np.zeros((7, 13), bool)
    expected[:, [5, 7]] = True
    assert (score.wrong == expected).all()
    assert score.total.shape == (7, 2, 13)
    # visible: 13 joints in two frames, 11 in five; hidden: 2 in five
    assert score.total.sum(axis=(0, 2)).tolist() == [81, 10]
    assert score.correct.sum(axis=(0, 2)).tolist() == [72, 5]
    assert not score_video(good['0001'], dataset.metainfo).wrong.any()
    # 30 pixels are less than 1.1 * 28
    assert not score_video(bad['0001'], dataset.metainfo, 1.1).wrong.any()


def test_score_without_reference_length(dataset, bad):
    poses = bad['0001']
    labeled = poses.keypoints_labeled.copy()
    labeled[0, 8] = False
    score = score_video(
        replace(poses, keypoints_labeled=labeled), dataset.metainfo
    )
    assert not score.wrong[0].any() and score.wrong[1:, 7].all()
    assert score.total[0].sum() == 0


def red(image):
    return (np.abs(image.astype(int) - WRONG).max(axis=2) < 60).sum()


def test_video_shows_truth_and_models(dataset, good, bad, tmp_path):
    scores = write_comparison(
        tmp_path / 'a.mp4',
        [good, bad],
        ['good', 'bad'],
        dataset.metainfo,
        fps=10,
        panel_height=256,
    )
    # by hand: joint 7 is wrong in all frames, joint 5 in the two where it is
    # visible and the five where it is not
    assert scores['good'] == (100, 100)
    assert scores['bad'] == pytest.approx((100 * 11 / 13, 50))

    frames, codec, _, rate = decode(tmp_path / 'a.mp4')
    # 96 x 64 pictures, 4 times enlarged; header 36, captions 30, legend 34
    width, height = 3 * 384 + 2 * 6, 36 + 30 + 256 + 34
    assert len(frames) == 7 and codec == 'h264' and rate == 10
    assert {frame.shape for frame in frames} == {(height, width, 3)}
    for number, frame in enumerate(frames, 1):
        # the background tells which frame it is
        for left in (0, 390, 780):
            corner = frame[66 + 200 : 66 + 250, left + 340 : left + 380]
            np.testing.assert_allclose(corner.mean(), 20 + 4 * number, atol=3)
        picture = frame[66 : 66 + 256]
        # Orange is not far from red where the codec halves the colours.
        counts = [red(picture[:, x : x + 384]) for x in (0, 390, 780)]
        assert counts[1] == pytest.approx(counts[0], abs=10)
        assert counts[2] > 10 * counts[0] + 50
        # Joint 12 at (20 + f, 53), in colour and enlarged, in all three;
        # orange.
        x, y = 4 * (19 + number) + 2, 66 + 4 * 53 + 2
        for left in (0, 390, 780):
            np.testing.assert_allclose(
                frame[y, left + x], (0, 128, 255), atol=45
            )


def test_hidden_joints_are_hollow_in_the_video(dataset, good, tmp_path):
    write_comparison(
        tmp_path / 'a.mp4', [good], ['x'], dataset.metainfo, panel_height=512
    )
    frames = decode(tmp_path / 'a.mp4')[0]
    # joint 5 at (43 + f, 25), 8 times enlarged; green where visible
    for number, frame in enumerate(frames, 1):
        x, y = round(8 * (43 + number + 0.5)), 66 + round(8 * 25.5)
        middle = (
            frame[y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3).mean(axis=0)
        )
        level = 20 + 4 * number
        if number < 3:
            np.testing.assert_allclose(middle, (0, 255, 0), atol=45)
        else:
            np.testing.assert_allclose(middle, level, atol=25)


def test_videos_of_different_sizes_share_a_canvas(tmp_path, good, dataset):
    import cv2

    poses = good['0001']
    paths = []
    for i in range(3):
        paths.append(str(tmp_path / f'{i}.png'))
        cv2.imwrite(paths[-1], np.full((128, 64, 3), 77, np.uint8))
    tall = replace(poses.take(slice(3)), img_paths=np.array(paths))
    write_comparison(
        tmp_path / 'a.mp4',
        [{'1': poses, '2': tall}],
        ['x'],
        dataset.metainfo,
        panel_height=128,
    )
    frames = decode(tmp_path / 'a.mp4')[0]
    assert len(frames) == 10
    assert len({frame.shape for frame in frames}) == 1
    # 64 wide in the middle of 192
    np.testing.assert_allclose(frames[-1][66 + 120, 64:70], 77, atol=6)
    np.testing.assert_allclose(
        frames[-1][66 + 120, :60], [(38, 34, 30)] * 60, atol=8
    )


def test_predictions_that_do_not_fit(dataset, good, tmp_path):
    fewer = predict_videos(ShiftModel(), dataset, max_frames=2)
    meta = dataset.metainfo
    with pytest.raises(ValueError, match='b predicted other frames than a'):
        write_comparison(tmp_path / 'a.mp4', [good, fewer], ['a', 'b'], meta)
    with pytest.raises(ValueError, match='1 models and 2 labels'):
        write_comparison(tmp_path / 'a.mp4', [good], ['a', 'b'], meta)
    with pytest.raises(ValueError, match='no video to show'):
        write_comparison(tmp_path / 'a.mp4', [{}], ['a'], meta)
    assert list(tmp_path.iterdir()) == []
