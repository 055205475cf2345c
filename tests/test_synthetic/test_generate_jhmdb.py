# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import runpy
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import loadmat

from rpstn_mmpose.datasets import JHMDBClipDataset, PennActionDataset
from rpstn_mmpose.synthetic import PRESETS, generate_jhmdb, generate_penn

from .test_generate import digest

# Odd lengths; everybody is too tall, so that joints leave the picture.
SMALL = dict(
    num_train=4,
    num_test=2,
    num_frames=7,
    num_test_frames=9,
    image_size=(96, 72),
    difficulty=replace(PRESETS['default'], cropped=1.0),
    progress=False,
)
TOOL = (
    Path(__file__).resolve().parents[2]
    / 'tools/dataset_converters/make_synthetic_jhmdb.py'
)


@pytest.fixture(scope='module')
def roots(tmp_path_factory):
    """The same videos in both formats."""
    folder = tmp_path_factory.mktemp('both')
    generate_jhmdb(folder / 'jhmdb', **SMALL)
    generate_penn(folder / 'penn', **SMALL)
    return folder / 'jhmdb', folder / 'penn'


def joints(dataset, track):
    """Keypoints and labels of a whole video, by name."""
    begin, end = dataset.tracks._begin[track : track + 2]
    names = dataset.metainfo['keypoint_id2name']
    points = dataset.tracks.column('keypoints')[begin:end]
    labeled = dataset.tracks.column('keypoints_labeled')[begin:end]
    return {
        names[i]: (points[:, i], labeled[:, i] > 0) for i in range(len(names))
    }


def test_the_reader_reads_what_the_penn_reader_reads(roots):
    """The same people in the same places, once the sides are swapped back
    that Penn Action names from the camera's point of view."""
    jhmdb = JHMDBClipDataset(str(roots[0]), 'all', test_mode=True)
    order = [int(video.rsplit('_', 1)[1]) for video in jhmdb.tracks.video_ids]
    assert sorted(order) == [1, 2, 3, 4, 5, 6]
    compared = outside = 0
    for split in ('train', 'test'):
        penn = PennActionDataset(str(roots[1]), split, test_mode=True)
        for track, video in enumerate(penn.tracks.video_ids):
            theirs = joints(penn, track)
            ours = joints(jhmdb, order.index(int(video)))
            for name, (points, labeled) in theirs.items():
                side, _, part = name.partition('_')
                if part:
                    side = dict(left='right', right='left')[side]
                    name = f'{side}_{part}'
                got, own = ours[name]
                assert own.all()
                np.testing.assert_allclose(
                    got[labeled], points[labeled], rtol=0, atol=1e-4
                )
                compared += labeled.sum()
                outside += (~labeled).sum()
    assert compared > 400 and outside > 0
    assert jhmdb.repairs['joints outside the picture'] >= outside


def test_every_frame_is_evaluated_once(roots):
    """Odd lengths, over splits of other test videos."""
    for sub in (1, 3):
        counts = Counter()
        for split in ('train', 'test'):
            dataset = JHMDBClipDataset(
                str(roots[0]), split, sub=sub, test_mode=True
            )
            for i in range(len(dataset)):
                info = dataset.get_data_info(i)
                assert len(info['frame_ids']) == 5
                for frame in np.array(info['frame_ids'])[info['frame_mask']]:
                    counts[info['video_id'], frame] += 1
        assert set(counts.values()) == {1}
        assert len(counts) == 4 * 7 + 2 * 9


def test_masks_are_silhouettes_of_the_person(roots):
    """Boxes come from the masks and hold almost all joints in the picture;
    frames show the person's colours there."""
    dataset = JHMDBClipDataset(str(roots[0]), 'all', bbox_source='mask')
    boxes = dataset.tracks.column('bbox')[:, None]
    points = dataset.tracks.column('keypoints')
    visible = dataset.tracks.column('keypoints_visible') > 0
    held = (points >= boxes[..., :2] - 1) & (points <= boxes[..., 2:] + 1)
    assert held.all(axis=-1)[visible].mean() > 0.98
    loose = JHMDBClipDataset(str(roots[0]), 'all', bbox_source='joints')
    sides = boxes[:, 0, 2:] - boxes[:, 0, :2]
    other = loose.tracks.column('bbox')
    ratio = sides / (other[:, 2:] - other[:, :2])
    assert 0.75 < np.median(ratio) < 1.1
    for path in roots[0].glob('puppet_mask/*/*/puppet_mask.mat'):
        mask = loadmat(path)['part_mask']
        assert mask.shape[:2] == (72, 96) and set(np.unique(mask)) <= {0, 1}
        assert (mask.mean(axis=(0, 1)) < 0.5).all()


def test_pictures_are_those_of_penn_before_jpeg(roots):
    first = sorted(roots[0].glob('Rename_Images/*/*_0001/00003.png'))
    ours = cv2.imread(str(first[0])).astype(float)
    theirs = cv2.imread(str(roots[1] / 'frames/0001/000003.jpg'))
    assert ours.shape == (72, 96, 3)
    assert np.abs(ours - theirs).mean() < 6


def test_bytes_depend_on_the_seed_only(tmp_path, roots):
    two = dict(SMALL, num_workers=2)
    generate_jhmdb(tmp_path / 'parallel', **two)
    assert digest(tmp_path / 'parallel') == digest(roots[0])


def test_manifests_and_formats_do_not_mix(tmp_path):
    bare = dict(SMALL, pictures=False, num_train=1, num_test=1)
    first = generate_jhmdb(tmp_path / 'jhmdb', **bare)
    assert not first['existed'] and first['num_frames'] == 16
    assert generate_jhmdb(tmp_path / 'jhmdb', **bare)['existed']
    generate_penn(tmp_path / 'penn', **bare)
    for generate, folder in (
        (generate_penn, 'jhmdb'),
        (generate_jhmdb, 'penn'),
    ):
        with pytest.raises(ValueError, match=r'other settings \(format, '):
            generate(tmp_path / folder, **bare)
    # What another format's unfinished run left behind goes away.
    (tmp_path / 'jhmdb/synthetic_manifest.json').rename(
        tmp_path / 'jhmdb/synthetic_manifest.partial.json'
    )
    generate_penn(tmp_path / 'jhmdb', **bare)
    assert digest(tmp_path / 'jhmdb') == digest(tmp_path / 'penn')


def test_unknown_settings(tmp_path):
    with pytest.raises(TypeError, match='num_people'):
        generate_jhmdb(tmp_path / 'out', num_people=2)
    with pytest.raises(ValueError, match='num_train must be at least 1'):
        generate_jhmdb(tmp_path / 'out', num_train=0)
    assert not (tmp_path / 'out').exists()


@pytest.fixture
def main():
    return runpy.run_path(str(TOOL))['main']


def test_tool_writes_once_and_says_so(main, tmp_path, capsys):
    out = str(tmp_path / 'jhmdb')
    tiny = ['--num-train', '1', '--num-test', '1', '--num-frames', '2']
    main([out, *tiny, '--size', '64x48'])
    assert '1 train and 1 test videos, 4 frames' in capsys.readouterr().out
    assert len(list(tmp_path.glob('jhmdb/Rename_Images/*/*/*.png'))) == 4
    main([out, *tiny, '--size', '64x48'])
    assert 'already complete' in capsys.readouterr().out


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['--num-train', '0'], 'num_train must be at least 1'),
        (['--trajectories', 'nowhere'], "no such folder 'nowhere'"),
    ],
)
def test_tool_errors_are_one_line(main, tmp_path, arguments, message):
    with pytest.raises(SystemExit) as caught:
        main([str(tmp_path / 'out'), *arguments])
    text = str(caught.value.code)
    assert message in text and '\n' not in text
    assert text.startswith('make_synthetic_jhmdb.py: error: ')


def test_tool_arguments(main, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main([str(tmp_path / 'out'), '--size', '64by48'])
    text = capsys.readouterr().err
    assert caught.value.code == 2
    assert "'64by48' is not WxH" in text and text.count('\n') == 1
    with pytest.raises(SystemExit) as caught:
        main(['--help'])
    assert caught.value.code == 0
    assert 'format of JHMDB' in ' '.join(capsys.readouterr().out.split())
