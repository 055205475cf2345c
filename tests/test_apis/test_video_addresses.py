# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Streams by address, and cameras by the names of their devices."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest

from rpstn_mmpose.apis import AddressSource, CameraSource, open_source
from rpstn_mmpose.apis.video_io import shots_of

from .containers import number_of, write
from .test_video_io import Camera
from .test_video_times import MS, PHONE


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path):
    """Address of a folder that is served here."""
    handler = partial(Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f'http://127.0.0.1:{server.server_port}'
        server.shutdown()
        thread.join()


@pytest.mark.parametrize('name', ['a.mp4', 'a.mkv', 'a.ts'])
def test_http(tmp_path, server, name):
    write(tmp_path / name, times=PHONE, tick=MS)
    source = open_source(f'{server}/{name}?key=1')
    assert isinstance(source, AddressSource)
    assert source.live and source.name == 'a'
    frames = list(source)
    assert [number_of(f.image) for f in frames] == list(range(12))
    np.testing.assert_allclose(
        [f.time for f in frames], np.array(PHONE) / 1000, atol=1e-6
    )


def test_a_list_of_parts(tmp_path, server):
    """HLS, as web cameras and broadcasters give it."""
    write(
        tmp_path / 'live.m3u8',
        count=20,
        file_format='hls',
        options={'g': '5'},
        file_options={'hls_time': '0.2', 'hls_list_size': '0'},
    )
    frames = list(open_source(f'{server}/live.m3u8'))
    assert [number_of(f.image) for f in frames] == list(range(20))


def test_udp(tmp_path):
    """What a network camera sends, from where it is now."""
    path = write(tmp_path / 'a.ts', count=60, options={'g': '10'})
    data = path.read_bytes()
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as finder:
        finder.bind(('127.0.0.1', 0))
        port = finder.getsockname()[1]
    done = threading.Event()

    def send():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not done.wait(0.02):
                for start in range(0, len(data), 1316):
                    sender.sendto(
                        data[start : start + 1316], ('127.0.0.1', port)
                    )

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        source = open_source(f'udp://127.0.0.1:{port}')
        frames = iter(source)
        seen = [next(frames) for _ in range(5)]
        frames.close()
    finally:
        done.set()
        thread.join()
    assert source.name == '127.0.0.1' and source.size == (128, 96)
    assert [f.index for f in seen] == [0, 1, 2, 3, 4]
    assert (np.diff([f.time for f in seen]) > 0).all()


@pytest.mark.parametrize(
    'address, message',
    [
        ('http://127.0.0.1:9/a.mp4', 'Connection refused'),
        ('rtsp://user:secret@127.0.0.1:9/cam', 'Connection refused'),
        ('gopher2://127.0.0.1/a', 'Protocol not found'),
    ],
)
def test_no_answer(address, message):
    """One line, without the password."""
    with pytest.raises(
        ValueError, match='cannot be opened as a video'
    ) as info:
        open_source(address)
    said = str(info.value)
    assert message in said and 'save the video to a file' in said
    assert 'secret' not in said and '\n' not in said


def test_an_address_of_no_video(tmp_path, server):
    (tmp_path / 'a.html').write_text('<html>nothing</html>\n' * 50)
    for name in ('a.html', 'none.mp4'):
        with pytest.raises(ValueError, match='cannot be opened|no video'):
            open_source(f'{server}/{name}')


def test_a_file_by_its_address(tmp_path):
    path = write(tmp_path / 'a.mp4')
    source = open_source(path.as_uri())
    assert source.num_frames == len(list(source)) == 12


def test_devices(monkeypatch):
    """Read as they come; their times are those of the clock."""
    asked = []

    class Device(Camera):
        def __init__(self, index):
            super().__init__(index)
            asked.append(index)

    clock = iter([50.0, 50.1, 50.35])
    monkeypatch.setattr(cv2, 'VideoCapture', Device)
    monkeypatch.setattr(
        'rpstn_mmpose.apis.video_io.camera.time.monotonic', lambda: next(clock)
    )
    source = open_source('/dev/video3')
    assert isinstance(source, CameraSource) and asked == [3]
    times = [f.time for f in shots_of(source, None)]
    assert times == pytest.approx([0, 0.1, 0.35])


def test_no_device():
    with pytest.raises(ValueError, match='camera 97 cannot be opened; is it'):
        open_source('/dev/video97')
