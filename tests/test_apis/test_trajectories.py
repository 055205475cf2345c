# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import cv2
import numpy as np
import pytest

from rpstn_mmpose.apis import TrajectoryRecorder

META = dict(
    keypoint_id2name={0: 'head', 1: 'foot'},
    keypoint_colors=np.uint8([[0, 255, 0], [255, 0, 0]]),
)


def person(key, value):
    return dict(
        track_id=key,
        keypoints=[[value, 0], [0, value]],
        keypoint_scores=[1, 1],
    )


def test_long_videos_are_thinned_out():
    recorder = TrajectoryRecorder(META, max_points=10)
    for frame in range(100):
        recorder.add(
            frame, [person(0, frame)] + [person(1, 0)] * (30 <= frame < 50)
        )
        assert all(len(p.frames) <= 10 for p in recorder.paths.values())
    assert recorder.step == 16
    assert recorder.paths[0].frames == list(range(0, 100, 16))
    assert recorder.paths[1].frames == [32, 48]
    assert [p[0, 0] for p in recorder.paths[0].points] == list(
        range(0, 100, 16)
    )
    assert (recorder.paths[0].count, recorder.paths[1].count) == (100, 20)


def test_many_people_are_not_all_kept():
    recorder = TrajectoryRecorder(META, max_people=2)
    for frame in range(60):
        recorder.add(frame, [person(0, 1), person(1 + frame // 3, 1)])
    assert len(recorder.paths) <= 5 and 0 in recorder.paths
    assert recorder.num_people == 21


def test_the_picture_has_the_joints_colours(tmp_path):
    recorder = TrajectoryRecorder(META)
    for frame in range(20):
        if frame not in (8, 9):
            recorder.add(frame, [person(0, frame), person(3, 10)])
    recorder.add(20, [person(-1, 5)])
    assert sorted(recorder.paths) == [0, 3]
    recorder.plot(tmp_path / 'new' / 'a.png', fps=10)
    image = cv2.imread(str(tmp_path / 'new' / 'a.png')).astype(int)
    # two rows of 2.3 inches and 1.1 for the rest, at 110 dots an inch
    assert image.shape == (627, 1320, 3)
    for color in ((0, 255, 0), (0, 0, 255)):
        assert (abs(image - color).max(axis=2) < 40).sum() > 500
    assert [p.name for p in (tmp_path / 'new').iterdir()] == ['a.png']


@pytest.fixture
def plotted(tmp_path, monkeypatch):
    """Plots, and gives the figure instead of a file."""
    from matplotlib.figure import Figure

    saved = []

    def savefig(self, path, **_):
        saved.append(self)
        path.write_bytes(b'')

    monkeypatch.setattr(Figure, 'savefig', savefig)

    def plot(recorder, **options):
        recorder.plot(tmp_path / 'a.png', **options)
        return saved.pop()

    return plot


def walk(recorder, frames, key=0, scores=(1, 1)):
    """Somebody whose joints are at (3 f, 7 f) and (100 - f, 50)."""
    for f in frames:
        recorder.add(
            f,
            [
                dict(
                    track_id=key,
                    keypoints=[[3 * f, 7 * f], [100 - f, 50]],
                    keypoint_scores=scores,
                )
            ],
        )


def curves(figure, row=0):
    """x and y of a person: for each joint its (times, values)."""
    axes = figure.axes[2 * row : 2 * row + 2]
    return [
        [np.stack(line.get_data()) for line in axis.lines] for axis in axes
    ]


def test_every_joint_has_its_x_and_y_over_seconds(plotted):
    recorder = TrajectoryRecorder(META)
    walk(recorder, [4, 5, 6])
    x, y = curves(plotted(recorder, fps=8))
    times = [0.5, 0.625, 0.75]
    np.testing.assert_array_equal(
        x, [[times, [12, 15, 18]], [times, [96, 95, 94]]]
    )
    np.testing.assert_array_equal(
        y, [[times, [28, 35, 42]], [times, [50, 50, 50]]]
    )


def test_no_line_runs_across_a_time_without_the_person(plotted):
    nan = np.nan
    recorder = TrajectoryRecorder(META)
    walk(recorder, [0, 1, 3, 4, 8])
    for lines in curves(plotted(recorder, fps=1)):
        for times, values in lines:
            np.testing.assert_array_equal(times, [0, 1, nan, 3, 4, nan, 8])
            np.testing.assert_array_equal(np.isnan(values), np.isnan(times))
    # Of every second frame only: 4 to 6 is no gap any more, 6 to 10 is one.
    recorder = TrajectoryRecorder(META, max_points=5)
    walk(recorder, [0, 1, 2, 3, 4, 6, 7, 10])
    assert recorder.step == 2
    times = curves(plotted(recorder, fps=1))[0][0][0]
    np.testing.assert_array_equal(times, [0, 2, 4, 6, nan, 10])


@pytest.mark.parametrize(
    'options, shown',
    [
        (dict(kpt_thr=0.5), [1, 1, 0]),
        (dict(kpt_thr=0.75), [1, 0, 0]),
        (dict(kpt_thr=0.8), [0, 0, 0]),
        ({}, [1, 1, 0]),
        (dict(kpt_thr=-1), [1, 1, 1]),
    ],
)
def test_joints_of_low_scores_are_left_out(plotted, options, shown):
    """Below the threshold, which is 0.3 if not given; each frame and joint
    by itself, in x and in y."""
    recorder = TrajectoryRecorder(META)
    for frame, score in enumerate((0.75, 0.5, 0.25)):
        walk(recorder, [frame], scores=(score, 1))
    for lines in curves(plotted(recorder, fps=1, **options)):
        assert np.isfinite(lines[0][1]).tolist() == [bool(s) for s in shown]
        assert np.isfinite(lines[1][1]).all()


def test_colours_styles_and_names_of_the_joints(plotted):
    """Joints of a colour differ by their dashes, and then by their shade."""
    green, red = (0, 255, 0), (255, 128, 0)
    names = [f'joint {k}' for k in range(7)]
    recorder = TrajectoryRecorder(
        dict(
            keypoint_id2name=dict(enumerate(names)),
            keypoint_colors=np.uint8([green, red] + [green] * 5),
        )
    )
    recorder.add(
        0,
        [
            dict(
                track_id=0,
                keypoints=np.arange(14).reshape(7, 2),
                keypoint_scores=np.ones(7),
            )
        ],
    )
    figure = plotted(recorder, fps=1)
    for axis in figure.axes:
        assert [line.get_label() for line in axis.lines] == names
        assert [line.get_linestyle() for line in axis.lines] == [
            '-',
            '-',
            '--',
            ':',
            '-.',
            '-',
            '--',
        ]
        np.testing.assert_allclose(
            [line.get_color() for line in axis.lines],
            [
                (0, 1, 0),
                (1, 128 / 255, 0),
                (0, 1, 0),
                (0, 1, 0),
                (0, 1, 0),
                (0, 0.6, 0),
                (0, 0.6, 0),
            ],
        )
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == names
    for drawn, line in zip(legend.legend_handles, figure.axes[0].lines):
        assert drawn.get_linestyle() == line.get_linestyle()
        np.testing.assert_allclose(drawn.get_color(), line.get_color())


def test_what_is_written_at_the_axes(plotted):
    recorder = TrajectoryRecorder(META)
    for frame in range(3):
        recorder.add(frame, [person(4, 1), person(2, 1)])
    figure = plotted(recorder, fps=1)
    assert tuple(figure.get_size_inches()) == (12, 2 * 2.3 + 1.1)
    assert [axis.get_ylabel() for axis in figure.axes] == [
        'person 2',
        '',
        'person 4',
        '',
    ]
    assert [axis.get_title() for axis in figure.axes] == [
        'x, pixels',
        'y, pixels (down)',
        '',
        '',
    ]
    assert [axis.get_xlabel() for axis in figure.axes] == [
        '',
        '',
        'seconds',
        'seconds',
    ]
    # A picture's y goes down.
    assert [axis.yaxis_inverted() for axis in figure.axes] == [
        False,
        True,
        False,
        True,
    ]
    # One scale of time for all.
    first = figure.axes[0]
    assert all(
        first.get_shared_x_axes().joined(first, axis) for axis in figure.axes
    )
    assert figure._suptitle is None


@pytest.mark.parametrize(
    'max_people, shown, title',
    [
        (1, [7], '1 of 3 people, those seen longest'),
        (2, [5, 7], '2 of 3 people, those seen longest'),
        (3, [1, 5, 7], None),
        (8, [1, 5, 7], None),
    ],
)
def test_those_seen_longest_are_plotted(plotted, max_people, shown, title):
    """7 in six frames, 5 in five, 1 in four; in the order of their ids."""
    recorder = TrajectoryRecorder(META, max_people=max_people)
    for frame in range(6):
        recorder.add(
            frame,
            [person(7, 1)]
            + [person(1, 1)] * (frame < 4)
            + [person(5, 1)] * (frame > 0),
        )
    figure = plotted(recorder, fps=1)
    assert [axis.get_ylabel() for axis in figure.axes[::2]] == [
        f'person {key}' for key in shown
    ]
    assert (figure._suptitle and figure._suptitle.get_text()) == title


def test_frames_count_and_not_the_points_that_were_kept(plotted):
    """Of a long video every fourth frame is kept: 9 is seen in three of
    those, 4 in one of them and in four others."""
    recorder = TrajectoryRecorder(META, max_people=1)
    recorder.step = 4
    for frame in range(12):
        recorder.add(
            frame,
            [person(9, 1)] * (frame % 4 == 0)
            + [person(4, 1)] * (3 <= frame < 8),
        )
    paths = recorder.paths
    assert (paths[9].frames, paths[4].frames) == ([0, 4, 8], [4])
    assert plotted(recorder, fps=1).axes[0].get_ylabel() == 'person 4'


def test_who_is_forgotten_among_many():
    """Above twice max_people, those seen least who are not there now."""
    recorder = TrajectoryRecorder(META, max_people=1)
    for frame, keys in enumerate([(0,), (0,), (0, 1), (1,), (2,)]):
        recorder.add(frame, [person(key, 1) for key in keys])
    # 0 in three frames, 1 in two, 2 in one and there now.
    assert sorted(recorder.paths) == [0, 2]
    recorder.add(5, [person(3, 1), person(4, 1), person(5, 1)])
    assert sorted(recorder.paths) == [3, 4, 5]
    recorder.add(6, [])
    assert len(recorder.paths) == 2
    assert recorder.num_people == 6


def test_people_without_a_point_are_not_plotted(plotted):
    """Seen only in frames that are left out."""
    recorder = TrajectoryRecorder(META, max_points=2)
    walk(recorder, range(6))
    assert recorder.step == 4
    walk(recorder, [9, 10, 11], key=1)
    assert recorder.paths[1].frames == [] and recorder.paths[1].count == 3
    assert [axis.get_ylabel() for axis in plotted(recorder, fps=1).axes] == [
        'person 0',
        '',
    ]


def test_bounds():
    for options in (dict(max_points=1), dict(max_people=0)):
        with pytest.raises(ValueError, match='at least 2 and max_people at l'):
            TrajectoryRecorder(META, **options)
    TrajectoryRecorder(META, max_points=2, max_people=1)
    recorder = TrajectoryRecorder(META, max_points=3)
    walk(recorder, range(3))
    assert (recorder.step, recorder.paths[0].frames) == (1, [0, 1, 2])
    walk(recorder, [3])
    assert (recorder.step, recorder.paths[0].frames) == (2, [0, 2])
    recorder.add(4, [dict(keypoints=[[0, 0]] * 2, keypoint_scores=[1, 1])])
    assert list(recorder.paths) == [0] and recorder.num_people == 1


def test_another_ending_is_refused(tmp_path):
    recorder = TrajectoryRecorder(META)
    walk(recorder, [0])
    with pytest.raises(ValueError, match='must end in .png'):
        recorder.plot(tmp_path / 'a.jpg', fps=1)


def test_nobody(tmp_path):
    recorder = TrajectoryRecorder(META)
    recorder.add(0, [])
    with pytest.raises(ValueError, match='no tracked person to plot'):
        recorder.plot(tmp_path / 'a.png', fps=10)
    with pytest.raises(ValueError, match='max_points must be at least 2'):
        TrajectoryRecorder(META, max_points=1)
