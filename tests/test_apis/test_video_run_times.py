# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Times of a run's frames: in its records, filters and annotated video."""

import json

import numpy as np
import pytest

from rpstn_mmpose.apis import OneEuroFilter
from tests.real_data import require_case

from .containers import av, number_of, write
from .test_video_pose_inferencer import make
from .test_video_times import BROWSER, MS, PHONE


def run_over(path, out, **boxes):
    """The saved predictions, and the annotated video's frames and end."""
    inferencer = make(det_model='whole_image')
    results = list(inferencer(str(path), out_dir=str(out), **boxes))
    name = path.stem
    saved = json.loads((out / f'predictions/{name}.json').read_text())
    with av.open(str(out / f'visualizations/{name}.mp4')) as container:
        frames = list(container.decode(video=0))
        stream = container.streams.video[0]
        end = float(stream.duration * stream.time_base)
    assert [r['time'] for r in results] == pytest.approx(
        [r['time'] for r in saved['instance_info']], abs=1e-6
    )
    return saved, frames, end


def test_a_phone(tmp_path):
    path = require_case('variable_rate') / 'phone.mp4'
    saved, frames, end = run_over(path, tmp_path)
    times = [record['time'] for record in saved['instance_info']]
    assert times[0] == 0.0 and times[5] == 1.0 and times[-1] == 1.56
    np.testing.assert_allclose([f.time for f in frames], times, atol=1e-4)
    assert 1.56 < end < 1.7


def test_a_browser(tmp_path):
    path = require_case('browser_webm') / 'recording.webm'
    saved, frames, end = run_over(path, tmp_path)
    video = saved['meta_info']['video']
    assert video['fps'] == pytest.approx(47 / 1.586, rel=1e-3)
    assert len(frames) == 48 and end == pytest.approx(1.62, abs=0.01)


def test_dv_material(tmp_path):
    path = require_case('anamorphic') / 'dv.mp4'
    saved, frames, _ = run_over(path, tmp_path)
    assert (frames[0].width, frames[0].height) == (128, 96)
    video = saved['meta_info']['video']
    assert (video['width'], video['height']) == (128, 96)
    assert video['sample_aspect_ratio'] == '4:3'
    box = saved['instance_info'][0]['instances'][0]['bbox'][0]
    assert box == [0, 0, 128, 96]


def test_a_first_frame_that_is_damaged(tmp_path):
    path = require_case('video_first_frame_damaged')
    saved, frames, _ = run_over(path / 'first_frame_damaged.mp4', tmp_path)
    damaged = [r.get('damaged', False) for r in saved['instance_info']]
    assert damaged == [True] + [False] * 11
    assert len(frames) == 12 and frames[0].width == 64
    assert saved['instance_info'][0]['instances'] == []


@pytest.mark.parametrize(
    'name, codec, times',
    [('a.mkv', 'libx264', PHONE), ('b.webm', 'libvpx', BROWSER)],
)
def test_each_frame_is_shown_at_its_time(tmp_path, name, codec, times):
    path = write(
        tmp_path / name,
        codec,
        times=times,
        tick=MS,
        options={'deadline': 'realtime'} if codec == 'libvpx' else {},
    )
    # Nobody, whose drawn limbs would hide the numbers.
    _, frames, _ = run_over(path, tmp_path / 'out', bboxes={})
    found = [
        (number_of(f.to_ndarray(format='bgr24')), round(f.time * 1000))
        for f in frames
    ]
    assert found == list(enumerate(times))


def test_the_filters_take_the_true_distances(tmp_path):
    """Both, of joints and of boxes, against filters fed by hand."""
    path = write(tmp_path / 'a.mkv', times=PHONE, tick=MS)
    rng = np.random.default_rng(0)
    boxes = [
        [[8 + 3 * f, 6, 60 + 3 * f + rng.random(), 88]] for f in range(12)
    ]

    def people(**options):
        results = make(**options)(str(path), bboxes=boxes)
        items = [r['predictions'][0][0] for r in results]
        return [
            np.array([item[key] for item in items])
            for key in ('keypoints', 'bbox')
        ]

    one_euro = dict(type='OneEuroFilter')
    raw, plain = people()
    smooth, _ = people(smoothing=one_euro)
    _, corners = people(bbox_smoothing=one_euro)
    by_joint, by_corner = OneEuroFilter(), OneEuroFilter()
    for number, time in enumerate(PHONE):
        box = plain[number].reshape(4)
        size = [max(box[2] - box[0], box[3] - box[1])]
        expected = by_joint([0], raw[number][None], 25, size, time / 1000)
        np.testing.assert_allclose(smooth[number], expected[0], atol=1e-3)
        expected = by_corner([0], box.reshape(1, 2, 2), 25, size, time / 1000)
        np.testing.assert_allclose(
            corners[number].reshape(4), expected.reshape(4), atol=1e-3
        )
