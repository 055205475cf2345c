# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest
from scipy.io import loadmat, savemat

from rpstn_mmpose.synthetic import generate_penn
from rpstn_mmpose.synthetic.penn_writer import PENN_ORDER
from rpstn_mmpose.synthetic.trajectories import (
    UnusableTrajectory,
    annotated_joints,
    estimate_stature,
    fill_gaps,
    list_labels,
    load_trajectory,
)
from tests.real_data import extract_penn_labels

# A person 200 pixels tall who faces the camera, anatomical sides, 0-based.
STANDING = np.array(
    [
        (160, 50),
        (183, 73), (137, 73),
        (183, 108.6), (137, 108.6),
        (183, 138.6), (137, 138.6),
        (172, 127), (148, 127),
        (172, 176), (148, 176),
        (172, 225), (148, 225),
    ]
)  # fmt: skip


def walking(count=12):
    """The person drifts to the right, 2 pixels a frame."""
    drift = np.stack([2.0 * np.arange(count), np.zeros(count)], axis=1)
    return STANDING + drift[:, None]


def write(path, joints=None, train=1, **changes):
    """A label file like the real ones, from anatomical 0-based joints."""
    joints = walking() if joints is None else joints
    values = joints[:, PENN_ORDER] + 1
    label = dict(
        x=values[..., 0],
        y=values[..., 1],
        visibility=np.ones(values.shape[:2], np.uint8),
        train=np.array([[train]], np.int32),
        bbox=np.ones((len(values), 4)),
        dimensions=np.array([[240, 320, len(values)]], np.uint16),
        nframes=np.array([[len(values)]], np.uint8),
        action='bowl',
        pose='front',
    )
    label.update(changes)
    path.parent.mkdir(exist_ok=True)
    savemat(path, {k: v for k, v in label.items() if v is not None})
    return path


def test_scaling_keeps_pixel_centres(tmp_path):
    path = write(tmp_path / '0003.mat')
    same = load_trajectory(path, 320)
    np.testing.assert_allclose(same.joints, walking(), atol=1e-9)
    assert (same.number, same.train, same.size) == (3, True, (320, 240))
    assert (same.action, same.pose) == ('bowl', 'front')
    half = load_trajectory(path, 160)
    # The middle of a pixel at x lies at (x + 0.5) / 2 - 0.5.
    np.testing.assert_allclose(half.joints, (walking() - 0.5) / 2, atol=1e-9)
    assert half.size == (160, 120)


def test_stature_from_limb_lengths(tmp_path):
    joints = walking()
    known = np.ones(joints.shape[:2], bool)
    # Thighs and shanks of 49 px / 0.245 = 200 statures; all others alike.
    assert estimate_stature(joints, known) == pytest.approx(200, rel=0.01)
    assert estimate_stature(joints, ~known) == 0


def test_placeholders_are_not_annotations():
    joints = np.array(
        [[[1, 1], [0, 0], [1.52, 1.52], [1, 1], [5, 5], [1, 2], [np.nan, 3]]]
    )
    seen = np.array([[False, False, False, True, False, False, True]])
    assert annotated_joints(joints.astype(float), seen).tolist() == [
        [False, False, False, True, True, True, False]
    ]


def test_gaps_move_with_the_body():
    joints, wrist, elbow = walking(), 5, 3
    known = np.ones(joints.shape[:2], bool)
    known[4:8, wrist] = False
    broken = np.where(known[..., None], joints, 0.0)
    filled = fill_gaps(broken, known, 200.0)
    np.testing.assert_allclose(filled, joints, atol=1e-9)
    # Both ends of a limb missing: held at the ends of the video.
    known[:3, [elbow, wrist]] = False
    broken = np.where(known[..., None], joints, 0.0)
    np.testing.assert_allclose(fill_gaps(broken, known, 200.0), joints)


def test_never_annotated_joints_hang_from_their_parents():
    joints = walking()
    known = np.ones(joints.shape[:2], bool)
    ankle, knee, hip, other_hip = 11, 9, 7, 8
    known[:, [ankle, knee, hip]] = False
    filled = fill_gaps(np.where(known[..., None], joints, -9), known, 200.0)
    np.testing.assert_allclose(filled[:, hip], joints[:, other_hip])
    thigh = filled[:, knee] - filled[:, hip]
    np.testing.assert_allclose(thigh, np.tile([0, 49.0], (12, 1)))
    np.testing.assert_allclose(filled[:, ankle] - filled[:, knee], thigh)


def test_bytes_do_not_wrap_round(tmp_path):
    """Real files hold uint8 coordinates; 0 - 1 must not become 255."""
    joints = np.rint(walking())
    values = joints[:, PENN_ORDER] + 1
    values[0, 6] = 0
    visibility = np.ones((12, 13), np.uint8)
    visibility[0, 6] = 0
    path = write(
        tmp_path / '0001.mat',
        joints=joints,
        x=values[..., 0].astype(np.uint8),
        y=values[..., 1].astype(np.uint8),
        visibility=visibility,
    )
    loaded = load_trajectory(path, 320)
    np.testing.assert_allclose(loaded.joints[1:], joints[1:])
    # The gap: the offset from the elbow of the next frame.
    np.testing.assert_allclose(loaded.joints[0], joints[0], atol=1e-9)


def test_arrays_of_different_length(tmp_path):
    path = write(
        tmp_path / '1154.mat',
        bbox=np.ones((11, 4)),
        visibility=np.ones((11, 13), np.uint8),
    )
    assert load_trajectory(path, 320).joints.shape == (11, 13, 2)


@pytest.mark.parametrize(
    'changes, kind',
    [
        (dict(x=None), 'unreadable'),
        (dict(x=np.ones((12, 14))), 'bad_shape'),
        (dict(dimensions=np.zeros((1, 3))), 'bad_shape'),
        (dict(train=np.zeros((1, 1))), 'no_split'),
        (dict(x=np.ones((12, 13)), y=np.ones((12, 13)),
              visibility=np.zeros((12, 13))), 'few_joints'),
        (dict(joints=walking(5)), 'few_joints'),
        (dict(joints=100 + walking() / 50), 'too_small'),
    ],
)  # fmt: skip
def test_unusable_files_say_why(tmp_path, changes, kind):
    path = write(tmp_path / '0009.mat', **changes)
    with pytest.raises(UnusableTrajectory, match='0009.mat') as caught:
        load_trajectory(path, 320)
    assert caught.value.kind == kind and '\n' not in str(caught.value)


def test_corrupt_file(tmp_path):
    path = tmp_path / '0009.mat'
    path.write_bytes(b'not a mat file')
    with pytest.raises(UnusableTrajectory, match='0009.mat') as caught:
        load_trajectory(path, 320)
    assert caught.value.kind == 'unreadable'


def test_missing_or_empty_folder(tmp_path):
    for folder in (tmp_path / 'nowhere', tmp_path):
        with pytest.raises(FileNotFoundError, match='labels folder'):
            list_labels(folder)


def test_people_follow_the_label_files(tmp_path):
    """Joints come back where they were, hidden only by our own occluders;
    those outside the picture become placeholders; bad files are counted."""
    labels = tmp_path / 'labels'
    outside = walking()
    outside[:, 11] = (172, 400)
    write(labels / '0005.mat', train=1)
    write(labels / '0017.mat', joints=outside, train=-1)
    write(labels / '0021.mat', train=np.zeros((1, 1)))
    summary = generate_penn(
        tmp_path / 'out',
        image_size=(160, 90),
        trajectories=labels,
        progress=False,
    )
    assert summary['num_videos'] == dict(train=1, test=1)
    assert summary['skipped'] == dict(no_split=1)
    mat = loadmat(tmp_path / 'out/labels/0005.mat')
    assert mat['train'].item() == 1
    assert mat['dimensions'].tolist() == [[120, 160, 12]]
    # 1-based labels of a picture half as large: (x - 0.5) / 2 + 0.5.
    expected = walking()[:, PENN_ORDER] + 1
    np.testing.assert_allclose(mat['x'], expected[..., 0] / 2 + 0.25)
    np.testing.assert_allclose(mat['y'], expected[..., 1] / 2 + 0.25)
    mat = loadmat(tmp_path / 'out/labels/0017.mat')
    assert mat['train'].item() == -1
    right_ankle = 12  # what Penn Action calls the anatomical left one
    assert (mat['x'][:, right_ankle] == 1).all()
    assert (mat['y'][:, right_ankle] == 1).all()
    assert mat['visibility'][:, right_ankle].sum() == 0


def test_limits_on_videos_and_frames(tmp_path):
    for number in range(1, 7):
        write(tmp_path / f'labels/{number:04d}.mat', train=(-1) ** number)
    summary = generate_penn(
        tmp_path / 'out',
        num_train=2,
        num_test=1,
        max_frames=4,
        trajectories=tmp_path / 'labels',
        progress=False,
        pictures=False,
    )
    assert summary['num_videos'] == dict(train=2, test=1)
    assert summary['num_frames'] == 12


def test_no_usable_file(tmp_path):
    write(tmp_path / 'labels/0001.mat', joints=walking(3))
    with pytest.raises(ValueError, match='none of 1 label files is usable'):
        generate_penn(
            tmp_path / 'out', trajectories=tmp_path / 'labels', progress=False
        )


def test_real_label_files(tmp_path):
    """Odd real files (1154: a box too few, 0038: empty boxes, 1307: hardly
    any annotation) and ordinary ones, end to end."""
    real = extract_penn_labels(tmp_path / 'real') / 'labels'
    chosen = tmp_path / 'labels'
    chosen.mkdir()
    for name in ('0001', '0002', '0038', '1154', '1307', '1500', '2326'):
        content = (real / f'{name}.mat').read_bytes()
        (chosen / f'{name}.mat').write_bytes(content)
    summary = generate_penn(
        tmp_path / 'out',
        trajectories=chosen,
        image_size=(192, 192),
        max_frames=20,
        progress=False,
    )
    assert summary['skipped'] == dict(few_joints=1)
    assert sum(summary['num_videos'].values()) == 6
    for video in summary['videos']:
        given = loadmat(real / f'{video["video"]}.mat')
        made = loadmat(tmp_path / f'out/labels/{video["video"]}.mat')
        assert made['train'].item() == given['train'].item()
        height, width = given['dimensions'].ravel()[:2].astype(float)
        scale = 192 / max(height, width)
        # Some window of 20 frames: visible joints lie where they were.
        x = (given['x'].astype(float) - 0.5) * scale + 0.5
        seen = made['visibility'] > 0
        errors = []
        for start in range(len(x) - len(made['x']) + 1):
            window = slice(start, start + len(made['x']))
            both = seen & (given['visibility'][window] > 0)
            error = np.abs(made['x'] - x[window])[both]
            errors.append(error.max() if error.size else np.inf)
        assert min(errors) < 1e-6


def test_every_real_label_file_can_be_read_or_is_refused(tmp_path):
    real = extract_penn_labels(tmp_path) / 'labels'
    kinds = {'usable': 0}
    for path in list_labels(real)[::6]:
        try:
            trajectory = load_trajectory(path, 192)
        except UnusableTrajectory as error:
            kinds[error.kind] = kinds.get(error.kind, 0) + 1
            continue
        kinds['usable'] += 1
        assert np.isfinite(trajectory.joints).all()
        assert np.abs(trajectory.joints).max() < 2000
    assert kinds['usable'] > 380 and set(kinds) <= {'usable', 'few_joints'}
