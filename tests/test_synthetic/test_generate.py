# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import loadmat

from rpstn_mmpose.synthetic import generate_penn
from rpstn_mmpose.synthetic.data_folder import MANIFEST
from rpstn_mmpose.synthetic.penn_writer import write_label

SMALL = dict(
    num_train=3, num_test=2, num_frames=3, image_size=(96, 72), progress=False
)


def digest(folder):
    """Names and contents of all files."""
    total = hashlib.sha256()
    for path in sorted(Path(folder).rglob('*')):
        if path.is_file():
            total.update(path.relative_to(folder).as_posix().encode())
            total.update(path.read_bytes())
    return total.hexdigest()


@pytest.fixture(scope='module')
def many_labels(tmp_path_factory):
    """240 videos of default difficulty, labels only."""
    folder = tmp_path_factory.mktemp('labels') / 'penn'
    summary = generate_penn(
        folder,
        num_train=160,
        num_test=80,
        num_workers=2,
        progress=False,
        pictures=False,
    )
    labels = {
        path.stem: loadmat(path) for path in (folder / 'labels').glob('*.mat')
    }
    return summary, labels


def in_picture(mat):
    return ~((mat['x'] == 1) & (mat['y'] == 1))


def test_bytes_depend_on_the_seed_only(tmp_path):
    for name, seed, workers in (('a', 5, 1), ('b', 5, 2), ('c', 6, 1)):
        generate_penn(tmp_path / name, seed=seed, num_workers=workers, **SMALL)
    same, parallel, other = (digest(tmp_path / name) for name in 'abc')
    assert same == parallel
    assert same != other
    first, second = (
        (tmp_path / name / 'frames/0001/000001.jpg').read_bytes()
        for name in 'ac'
    )
    assert first != second


def test_more_videos_do_not_change_the_first_ones(tmp_path):
    generate_penn(tmp_path / 'few', **SMALL)
    generate_penn(tmp_path / 'more', **dict(SMALL, num_train=5))
    for name in ('labels/0002.mat', 'frames/0003/000002.jpg'):
        few, more = (tmp_path / f / name for f in ('few', 'more'))
        assert few.read_bytes() == more.read_bytes()


def test_files_on_disk(tmp_path):
    summary = generate_penn(tmp_path, **SMALL)
    assert summary['num_videos'] == dict(train=3, test=2)
    assert summary['num_frames'] == 15
    splits = []
    for number in range(1, 6):
        mat = loadmat(tmp_path / f'labels/{number:04d}.mat')
        frames = sorted((tmp_path / f'frames/{number:04d}').iterdir())
        assert [f.name for f in frames] == [
            '000001.jpg',
            '000002.jpg',
            '000003.jpg',
        ]
        for frame in frames:
            assert cv2.imread(str(frame)).shape == (72, 96, 3)
        assert mat['dimensions'].tolist() == [[72, 96, 3]]
        splits.append(mat['train'].item())
    assert splits == [1, 1, 1, -1, -1]


def test_test_videos_of_another_length(tmp_path):
    generate_penn(tmp_path, pictures=False, **dict(SMALL, num_test_frames=4))
    lengths = [
        loadmat(tmp_path / f'labels/{number:04d}.mat')['nframes'].item()
        for number in range(1, 6)
    ]
    assert lengths == [3, 3, 3, 4, 4]


def test_labels_without_pictures_are_the_same(tmp_path):
    generate_penn(tmp_path / 'full', **SMALL)
    generate_penn(tmp_path / 'bare', pictures=False, **SMALL)
    assert not (tmp_path / 'bare/frames').exists()
    for number in range(1, 6):
        name = f'labels/{number:04d}.mat'
        full, bare = (tmp_path / f / name for f in ('full', 'bare'))
        assert full.read_bytes() == bare.read_bytes()


def test_occluders_hide_enough_joints(many_labels):
    summary, labels = many_labels
    hidden = sum(
        (in_picture(mat) & (mat['visibility'] == 0)).sum()
        for mat in labels.values()
    )
    inside = sum(in_picture(mat).sum() for mat in labels.values())
    joints = summary['joints']
    assert inside == sum(joints.values()) - joints['outside']
    assert hidden == inside - joints['visible']
    assert joints['occluder'] / inside == pytest.approx(
        summary['occlusion_rate'], abs=1e-4
    )
    assert 0.15 < summary['occlusion_rate'] < 0.25
    # Almost all that is hidden is hidden by occluders.
    assert joints['occluder'] / hidden > 0.85


def test_hidden_joints_show_up_soon(many_labels):
    """Within four frames most hidden joints can be seen: what a video model
    profits from."""
    hidden = shown = 0
    for mat in many_labels[1].values():
        seen, inside = mat['visibility'], in_picture(mat)
        for t, j in np.argwhere((seen == 0) & inside):
            hidden += 1
            shown += seen[max(t - 4, 0) : t + 5, j].any()
    assert shown / hidden > 0.8


def test_boxes_hold_the_joints(many_labels):
    for mat in list(many_labels[1].values())[:100]:
        height, width, _ = mat['dimensions'][0]
        inside, box = in_picture(mat), mat['bbox']
        assert box[:, :2].min() >= 1
        assert box[:, 2].max() <= width and box[:, 3].max() <= height
        for t in range(len(box)):
            x, y = mat['x'][t][inside[t]], mat['y'][t][inside[t]]
            assert box[t, 0] <= x.min() and x.max() <= box[t, 2]
            assert box[t, 1] <= y.min() and y.max() <= box[t, 3]
            assert (box[t, 2:] > box[t, :2]).all()


def test_some_joints_are_outside_the_picture(many_labels):
    summary, labels = many_labels
    assert summary['joints']['outside'] > 0
    for mat in labels.values():
        outside = ~in_picture(mat)
        assert mat['visibility'][outside].sum() == 0


def test_train_and_test_share_nothing(many_labels):
    summary, _ = many_labels
    seen = {'train': set(), 'test': set()}
    backgrounds = {'train': set(), 'test': set()}
    for video in summary['videos']:
        seen[video['split']].update(video['identities'], video['motions'])
        backgrounds[video['split']].add(video['background'])
    assert len(seen['train']) > 320 and len(seen['test']) > 160
    assert not seen['train'] & seen['test']
    assert not backgrounds['train'] & backgrounds['test']
    assert len(backgrounds['train']) == 160


def test_complete_data_set_is_left_alone(tmp_path):
    first = generate_penn(tmp_path, **SMALL)
    (tmp_path / 'labels/0001.mat').write_bytes(b'mine')
    again = generate_penn(tmp_path, **SMALL)
    assert not first['existed'] and again['existed']
    assert first['videos'] == again['videos']
    assert (tmp_path / 'labels/0001.mat').read_bytes() == b'mine'


def test_unfinished_data_set_is_made_again(tmp_path):
    generate_penn(tmp_path / 'whole', **SMALL)
    generate_penn(tmp_path / 'half', **dict(SMALL, num_train=9))
    half = tmp_path / 'half'
    (half / MANIFEST).rename(half / 'synthetic_manifest.partial.json')
    generate_penn(half, **SMALL)
    assert digest(half) == digest(tmp_path / 'whole')


def test_manifest_is_plain_json_without_paths(tmp_path):
    generate_penn(tmp_path, **SMALL)
    text = (tmp_path / MANIFEST).read_text()
    assert json.loads(text)['settings']['seed'] == 0
    assert str(tmp_path) not in text


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(num_train=0), 'num_train must be at least 1, got 0'),
        (dict(num_frames=-2), 'num_frames must be at least 1, got -2'),
        (dict(image_size=(20, 90)), 'image_size must be .* at least 32'),
        (dict(seed=-1), 'seed must not be negative, got -1'),
        (dict(num_workers=0), 'num_workers must be at least 1, got 0'),
        (dict(difficulty='brutal'), "unknown preset 'brutal'"),
        (dict(max_frames=5), 'max_frames is for trajectories'),
    ],
)
def test_bad_settings(tmp_path, options, message):
    out = tmp_path / 'out'
    with pytest.raises(ValueError, match=message) as caught:
        generate_penn(out, **dict(SMALL, **options))
    assert '\n' not in str(caught.value)
    assert not out.exists()


def test_folders_with_something_else_are_refused(tmp_path):
    generate_penn(tmp_path / 'data', **SMALL)
    with pytest.raises(ValueError, match=r'other settings \(seed\)'):
        generate_penn(tmp_path / 'data', seed=1, **SMALL)
    (tmp_path / 'notes').mkdir()
    (tmp_path / 'notes/a.txt').write_text('precious')
    with pytest.raises(ValueError, match='not empty and not a synthetic'):
        generate_penn(tmp_path / 'notes', **SMALL)
    with pytest.raises(ValueError, match='is a file, give a folder'):
        generate_penn(tmp_path / 'notes/a.txt', **SMALL)
    assert (tmp_path / 'notes/a.txt').read_text() == 'precious'


def motion_of(root):
    """Median way of a joint from frame to frame, pixels."""
    ways = []
    for path in sorted((root / 'labels').glob('*.mat')):
        label = loadmat(path)
        points = np.stack([label['x'], label['y']], axis=-1)
        known = (points != 1).all(axis=-1)
        way = np.linalg.norm(np.diff(points, axis=0), axis=-1)
        ways.append(way[known[1:] & known[:-1]])
    return np.median(np.concatenate(ways))


def test_people_in_front_and_fast_motion(tmp_path):
    """The person is where it was; others hide it, and things as before."""
    options = dict(
        num_train=12,
        num_test=1,
        num_frames=8,
        image_size=(96, 72),
        difficulty='easy',
        pictures=False,
        progress=False,
    )
    plain = generate_penn(tmp_path / 'plain', **options)
    people = generate_penn(tmp_path / 'people', occluder_people=1.0, **options)
    fast = generate_penn(tmp_path / 'fast', speed=4, **options)
    assert plain['joints']['person'] == 0
    inside = sum(people['joints'].values()) - people['joints']['outside']
    assert people['joints']['person'] > 0.04 * inside
    assert people['joints']['occluder'] == plain['joints']['occluder']
    videos = {video['video']: video['joints'] for video in people['videos']}
    for path in (tmp_path / 'plain' / 'labels').glob('*.mat'):
        one, other = (
            loadmat(path),
            loadmat(tmp_path / 'people/labels' / path.name),
        )
        # What only the data set with people hides, people hide; what things
        # hide in one they hide in both.
        new = (one['visibility'] == 1) & (other['visibility'] == 0)
        assert (other['hidden_by'][new] == 2).all()
        assert 2 not in one['hidden_by']
        things = [label['hidden_by'] == 1 for label in (one, other)]
        np.testing.assert_array_equal(*things)
        assert np.array_equal(other['hidden_by'] == 0, other['visibility'])
        counts = np.bincount(other['hidden_by'].ravel(), minlength=5)
        assert list(videos[path.stem].values()) == counts.tolist()
        for name in ('x', 'y', 'bbox'):
            np.testing.assert_array_equal(one[name], other[name])
        assert (other['visibility'] <= one['visibility']).all()
    assert fast['num_frames'] == plain['num_frames']
    assert motion_of(tmp_path / 'fast') > 2 * motion_of(tmp_path / 'plain')


def test_fast_trajectories_are_every_fourth_frame(tmp_path):
    size = (160, 120)
    steps = np.arange(32.0)[:, None, None]
    person = np.array(
        [
            [80, 20],
            [70, 35],
            [90, 35],
            [65, 50],
            [95, 50],
            [62, 65],
            [98, 65],
            [73, 65],
            [87, 65],
            [72, 85],
            [88, 85],
            [72, 105],
            [88, 105],
        ]
    )
    points = person + steps * [0.5, 0.0]
    seen = np.ones((32, 13))
    (tmp_path / 'real').mkdir()
    write_label(
        tmp_path / 'real' / '0001.mat',
        points,
        seen,
        seen > 0,
        size,
        True,
        'walk',
        'front',
    )
    generate_penn(
        tmp_path / 'out',
        trajectories=tmp_path / 'real',
        image_size=size,
        speed=4,
        occluder_people=1.0,
        pictures=False,
        progress=False,
    )
    found = loadmat(tmp_path / 'out/labels/0001.mat')
    real = loadmat(tmp_path / 'real/0001.mat')
    assert found['x'].shape == (8, 13)
    np.testing.assert_allclose(found['x'], real['x'][::4], atol=1e-6)
    assert not found['visibility'].all()


@pytest.mark.parametrize('options', [dict(occluder_people=1.5), dict(speed=5)])
def test_people_and_speed_out_of_range(tmp_path, options):
    with pytest.raises(ValueError, match=f'{next(iter(options))} must'):
        generate_penn(tmp_path / 'out', **options)
