# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What containers say of frames and times."""

from fractions import Fraction

import numpy as np
import pytest

from rpstn_mmpose.apis import open_source
from rpstn_mmpose.apis.video_io.source import Clock
from tests.real_data import require_case

from .containers import av, number_of, remux, write

MS = Fraction(1, 1000)
# Five frames 200 ms apart, then 40 ms apart.
PHONE = [0, 200, 400, 600, 800, 1000, 1040, 1080, 1120, 1160, 1200, 1240]
# Round 30 a second, as a browser's recorder stamps them.
BROWSER = [0, 27, 59, 99, 139, 179, 212, 252, 286, 313, 345, 377]
ONE_PICTURE = {'x264-params': 'bframes=0'}


def read(path, numbers=None):
    """All frames, checked to be the numbers 0, 1, ...; their times."""
    source = open_source(path)
    frames = list(source)
    assert not [f.index for f in frames if f.damaged]
    assert [f.index for f in frames] == list(range(len(frames)))
    found = [number_of(f.image) for f in frames]
    expected = list(range(len(frames))) if numbers is None else numbers
    assert found == expected
    return source, [f.time for f in frames]


def test_a_phone(tmp_path):
    source = open_source(require_case('variable_rate') / 'phone.mp4')
    times = [f.time for f in source]
    steps = [0.2] * 5 + [0.04] * 14
    np.testing.assert_allclose(times, np.cumsum([0, *steps]), atol=1e-6)
    assert float(source.fps) == pytest.approx(19 / 1.56, rel=1e-4)


@pytest.mark.parametrize('ending', ['mp4', 'mkv', 'mov', 'ts', 'flv'])
def test_variable_rates(tmp_path, ending):
    path = write(tmp_path / f'a.{ending}', times=PHONE, tick=MS)
    source, times = read(path)
    np.testing.assert_allclose(times, np.array(PHONE) / 1000, atol=1e-6)
    assert float(source.fps) == pytest.approx(11 / 1.24, rel=1e-3)
    assert source.num_frames == 12 and not source.cut_off


def test_a_browser():
    source = open_source(require_case('browser_webm') / 'recording.webm')
    times = [f.time for f in source]
    assert float(source.fps) == pytest.approx(47 / 1.586, rel=1e-3)
    assert len(times) == source.num_frames == 48
    assert times[0] == 0 and times[-1] == pytest.approx(1.586)


@pytest.mark.parametrize(
    'name, codec, options',
    [
        ('chrome.webm', 'libvpx', {}),
        ('firefox.webm', 'libvpx-vp9', {}),
        # Newer ones write fragments, whose index tells nothing at the front.
        ('safari.mp4', 'libx264', ONE_PICTURE),
    ],
)
def test_recordings_without_a_rate(tmp_path, name, codec, options):
    movflags = 'frag_keyframe+empty_moov+default_base_moof'
    path = write(
        tmp_path / name,
        codec,
        times=BROWSER,
        tick=MS,
        options=dict(options, g='4', deadline='realtime')
        if codec != 'libx264'
        else options,
        file_options=dict(movflags=movflags)
        if name.endswith('mp4')
        else dict(live='1'),
    )
    source, times = read(path)
    np.testing.assert_allclose(times, np.array(BROWSER) / 1000, atol=1e-6)
    assert float(source.fps) == pytest.approx(11 / 0.377, rel=0.015)
    assert source.num_frames == 12 and not source.cut_off


def test_b_frames_in_an_avi():
    """AVI numbers packets as they are stored."""
    source, times = read(require_case('avi_b_frames') / 'walk.avi')
    np.testing.assert_allclose(times, np.arange(12) / 25)
    assert source.num_frames == 12 and not source.cut_off


@pytest.mark.parametrize(
    'codec, options',
    [
        ('libx264', {'x264-params': 'bframes=5:b-pyramid=normal'}),
        ('libx264', {'x264-params': 'bframes=0'}),
        ('mpeg4', {'bf': '2'}),
        ('mpeg2video', {'bf': '2'}),
    ],
)
def test_other_avis(tmp_path, codec, options):
    path = write(tmp_path / 'a.avi', codec, 40, options=options)
    source, times = read(path)
    np.testing.assert_allclose(times, np.arange(40) / 25)
    assert (source.fps, source.num_frames, source.cut_off) == (25, 40, False)


def test_a_lost_frame_of_an_avi_with_b_frames(tmp_path):
    """Its bits are damaged; the count stays, and no other one is lost."""
    path = write(tmp_path / 'a.avi', count=60, options={'g': '10'})
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    position, size = packets[31]
    data[position : position + size] = b'\xff' * size
    path.write_bytes(data)
    frames = list(open_source(path))
    assert len(frames) == 60
    damaged = [f.index for f in frames if f.damaged]
    # The packet's own and those made of it, and the place of the loss.
    assert 1 <= len(damaged) <= 12 and 28 <= min(damaged)
    assert max(damaged) <= 31 + 18
    np.testing.assert_allclose(
        [f.time for f in frames], np.arange(60) / 25, atol=1e-9
    )
    assert number_of(frames[-1].image) == 59


def test_places_without_a_frame(tmp_path):
    """AVI's dropped frames: the one before is shown longer."""
    path = write(
        tmp_path / 'a.avi',
        'mjpeg',
        6,
        times=[0, 1, 2, 5, 6, 7],
        pix_fmt='yuvj420p',
    )
    source, times = read(path)
    np.testing.assert_allclose(times, np.array([0, 1, 2, 5, 6, 7]) / 25)
    assert not source.cut_off and source.num_frames == 6
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b'00dc', 0, data.index(b'idx1'))])
    source = open_source(path)
    assert len([f for f in source if not f.damaged]) == 5 and source.cut_off


@pytest.mark.parametrize('ending', ['h264', 'hevc', 'mjpeg', 'mpg'])
def test_formats_of_little_information(tmp_path, ending):
    codec, options, pix_fmt = dict(
        h264=('libx264', {}, 'yuv420p'),
        hevc=('libx265', {'x265-params': 'log-level=none'}, 'yuv420p'),
        mjpeg=('mjpeg', {}, 'yuvj420p'),
        mpg=('mpeg2video', {'bf': '2'}, 'yuv420p'),
    )[ending]
    path = write(
        tmp_path / f'a.{ending}', codec, options=options, pix_fmt=pix_fmt
    )
    source, times = read(path)
    assert source.fps == 25
    np.testing.assert_allclose(times, np.arange(12) / 25, atol=1e-6)


@pytest.mark.parametrize('start', [10, -2])
def test_the_first_frame_is_at_zero(tmp_path, start):
    path = write(
        tmp_path / 'a.mkv', times=[start + n for n in range(6)], count=6
    )
    np.testing.assert_allclose(read(path)[1], np.arange(6) / 25, atol=1e-6)


def test_ntsc_stays_exact(tmp_path):
    """Milliseconds of Matroska do not make another rate of it."""
    rate = Fraction(30000, 1001)
    for ending in ('mp4', 'mkv'):
        path = write(tmp_path / f'a.{ending}', rate=rate)
        source, times = read(path)
        assert source.fps == rate
        np.testing.assert_allclose(
            times, np.arange(12) * 1.001 / 30, atol=0.6e-3
        )


def test_pictures_that_nobody_is_to_see(tmp_path):
    """VP8 has frames that others are made of; here two are hidden."""
    write(tmp_path / 'a.webm', 'libvpx', 10)

    def hide(packet, number):
        if number not in (4, 7):
            return packet
        data = bytearray(bytes(packet))
        assert data[0] & 0x10
        data[0] &= 0xEF
        new = av.Packet(bytes(data))
        new.pts, new.dts = packet.pts, packet.dts
        new.time_base = packet.time_base
        return new

    path = remux(tmp_path / 'a.webm', tmp_path / 'b.webm', hide)
    seen = [n for n in range(10) if n not in (4, 7)]
    source, times = read(path, seen)
    np.testing.assert_allclose(times, np.array(seen) / 25, atol=1e-6)
    assert source.num_frames == 8 and not source.cut_off


@pytest.mark.parametrize('ending', ['ts', 'mpg'])
def test_joined_recordings(tmp_path, ending):
    """The second begins where the first ended, whatever it says."""
    codec, options = (
        ('libx264', {}) if ending == 'ts' else ('mpeg2video', {'bf': '2'})
    )
    path = write(tmp_path / f'a.{ending}', codec, 30, options=options)
    path.write_bytes(path.read_bytes() * 2)
    frames = list(open_source(path))
    numbers = [number_of(f.image) for f in frames if not f.damaged]
    assert numbers == [*range(30), *range(30)]
    times = np.array([f.time for f in frames])
    assert (np.diff(times) > 0).all() and times[-1] < 4


@pytest.mark.parametrize('ending', ['mkv', 'webm', 'flv', 'avi', 'mp4'])
def test_cut_off_in_the_middle(tmp_path, ending):
    codec = dict(webm='libvpx', avi='mjpeg').get(ending, 'libx264')
    path = write(
        tmp_path / f'a.{ending}',
        codec,
        60,
        pix_fmt='yuvj420p' if codec == 'mjpeg' else 'yuv420p',
        options={'g': '10', 'deadline': 'realtime'}
        if codec == 'libvpx'
        else {'g': '10'},
        file_options={'movflags': 'faststart'} if ending == 'mp4' else None,
    )
    source = open_source(path)
    assert len(list(source)) == 60 and not source.cut_off
    data = path.read_bytes()
    # The index of an .mp4 is at the front, and larger than its frames.
    part = 0.85 if ending == 'mp4' else 0.6
    path.write_bytes(data[: int(len(data) * part)])
    source = open_source(path)
    good = [f for f in source if not f.damaged]
    assert source.cut_off and 5 < len(good) < 55
    assert [number_of(f.image) for f in good[:-2]] == list(
        range(len(good) - 2)
    )


def test_a_rate_of_ones_own(tmp_path):
    """Instead of all times of the container."""
    path = write(tmp_path / 'a.mkv', times=PHONE, tick=MS)
    source = open_source(path, fps=10)
    assert [f.time for f in source] == pytest.approx(np.arange(12) / 10)


def test_clock():
    clock = Clock(10)
    said = [5, 5.2, 5.2, 5.25, None, 5.5, 2.0, 2.1, 1.9, 2.3]
    found = [clock.at(n, time) for n, time in enumerate(said)]
    # 5.2 comes twice: an eighth of an interval later; 2.0 is another
    # recording, a tenth after 0.5; None is the number over the rate.
    assert found[:4] == pytest.approx([0, 0.2, 0.2125, 0.25])
    assert found[4:7] == pytest.approx([0.4, 0.5, 0.6])
    assert found[7:] == pytest.approx([0.7, 0.7125, 0.9])
