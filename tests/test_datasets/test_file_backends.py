# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Data sets that do not sit on one disk: HTTP, and a store of objects."""

import json
import shutil
import socket
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from mmengine.fileio import BaseStorageBackend, register_backend
from torch.utils.data import DataLoader

from rpstn_mmpose.datasets import (
    JHMDBClipDataset,
    JHMDBCocoClipDataset,
    LoadClip,
    PennActionDataset,
    PoseTrackClipDataset,
)
from rpstn_mmpose.datasets.file_access import (
    is_hidden,
    join_address,
    list_files,
    read_bytes,
)
from tests.test_datasets.jhmdb_files import (
    write_jhmdb,
    write_split,
    write_video,
)
from tests.test_datasets.penn_files import write_penn
from tests.test_datasets.posetrack_files import write_posetrack


@register_backend('toy_bucket', prefixes='toy', force=True)
class ToyBucket(BaseStorageBackend):
    """What stands for S3: objects by key, folders only as parts of keys.

    Args:
        path_mapping: Beginnings of paths and what to put in their place, as
            mmengine's PetrelBackend has it.
        missing: What a client does where there is no object, ``'raise'`` a
            KeyError or return ``'none'``.
    """

    objects: dict = {}

    def __init__(self, path_mapping=None, missing='raise'):
        self.path_mapping = path_mapping or {}
        self.missing = missing

    def key(self, path):
        for old, new in self.path_mapping.items():
            path = path.replace(old, new, 1)
        assert path.startswith('toy://bucket/'), path
        return path[len('toy://bucket/') :]

    def get(self, filepath):
        if self.missing == 'none':
            return self.objects.get(self.key(filepath))
        return self.objects[self.key(filepath)]

    def get_text(self, filepath):
        return self.get(filepath).decode()

    def isdir(self, filepath):
        folder = self.key(filepath).rstrip('/') + '/'
        return any(key.startswith(folder) for key in self.objects)

    def list_dir_or_file(self, dir_path, list_dir, suffix, recursive):
        folder = self.key(dir_path).rstrip('/') + '/'
        for key in reversed(sorted(self.objects)):
            name = key[len(folder) :]
            if (
                key.startswith(folder)
                and key.endswith(suffix)
                and (recursive or '/' not in name)
            ):
                yield name


@register_backend('toy_bare', prefixes='bare', force=True)
class ToyBare(BaseStorageBackend):
    """Has the two methods that a back-end must have and nothing else."""

    def get(self, filepath):
        raise PermissionError(f'no key\nfor {filepath}')

    get_text = get


class Handler(SimpleHTTPRequestHandler):
    """Of some paths it sends half, or a server error."""

    def log_message(self, *args):
        pass

    def do_GET(self):
        if self.path.startswith('/broken/'):
            self.send_error(500)
        elif self.path.startswith('/half/'):
            data = Path(
                self.directory, self.path[len('/half/') :]
            ).read_bytes()
            self.send_response(200)
            self.send_header('Content-Length', str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
        else:
            super().do_GET()


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """All four data sets below one folder."""
    root = tmp_path_factory.mktemp('store')
    write_penn(root / 'penn', lengths=(7, 5, 6))
    write_jhmdb(root / 'jhmdb')
    # Real names have such signs; no mask, so that the first frame is read.
    write_video(root / 'jhmdb', 'run', '#1 a_b (c)', 5, mask=False)
    write_split(
        root / 'jhmdb',
        'run_test_split1.txt',
        'a.avi 1\nb.avi 2\nc.avi 1\n#1 a_b (c).avi 1\n',
    )
    write_posetrack(
        root / 'posetrack',
        1,
        num=8,
        labeled=(0, 4),
        people={0: (0, 4), 3: (0, 1, 2)},
        pictures=True,
    )
    annotations = root / 'posetrack' / 'annotations'
    shutil.copy(
        annotations / 'val/000001_mpii_test.json', annotations / 'merged.json'
    )
    (root / 'posetrack/detections.json').write_text(
        json.dumps(
            [
                dict(
                    image_id=10000010004,
                    category_id=1,
                    score=0.9,
                    bbox=[10, 5, 30, 50],
                )
            ]
        )
    )
    images = [
        dict(id=i, file_name=f'run/a/{i:05d}.png', width=96, height=72)
        for i in range(1, 8)
    ]
    people = [
        dict(
            id=i,
            image_id=i,
            bbox=[11, 21, 30, 40],
            category_id=1,
            keypoints=[20 + i, 30, 2] * 15,
        )
        for i in range(1, 8)
    ]
    (root / 'jhmdb/Sub1_train.json').write_text(
        json.dumps(dict(images=images, annotations=people))
    )
    return root


@pytest.fixture
def url(root, monkeypatch):
    """Address of a server of that folder."""
    monkeypatch.setenv('no_proxy', '*')
    server = ThreadingHTTPServer(
        ('127.0.0.1', 0), partial(Handler, directory=str(root))
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f'http://127.0.0.1:{server.server_port}'
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def bucket(root, monkeypatch):
    """Address of a store with the files of that folder."""
    objects = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob('*')
        if path.is_file()
    }
    monkeypatch.setattr(ToyBucket, 'objects', objects)
    return 'toy://bucket'


def penn(root, **kwargs):
    return PennActionDataset(
        root,
        kwargs.pop('split', 'train'),
        clip_length=3,
        pipeline=[LoadClip(backend_args=kwargs.get('backend_args'))],
        **kwargs,
    )


def jhmdb(root, split='train', sub=1, **kwargs):
    return JHMDBClipDataset(
        root, split, sub=sub, clip_length=3, pipeline=[LoadClip()], **kwargs
    )


def jhmdb_coco(root, ann_file='Sub1_train.json', **kwargs):
    kwargs.setdefault('data_prefix', dict(img='Rename_Images'))
    return JHMDBCocoClipDataset(
        root, ann_file, clip_length=3, pipeline=[LoadClip()], **kwargs
    )


def posetrack(root, **kwargs):
    return PoseTrackClipDataset(
        root,
        'val',
        clip_length=3,
        pipeline=[LoadClip()],
        test_mode=True,
        **kwargs,
    )


def assert_same(ours, expected, old, new):
    """The same items bit for bit; paths begin with another root."""
    assert len(ours) == len(expected) > 0
    for index in range(len(expected)):
        got, wanted = ours[index], expected[index]
        assert got.keys() == wanted.keys()
        wanted.pop('dataset')  # MMPose's: the data set itself
        for key, value in wanted.items():
            if key == 'img':
                for frame, other in zip(got[key], value):
                    assert np.array_equal(frame, other)
            elif key in ('img_paths', 'img_path'):
                paths = [value] if key == 'img_path' else value
                assert all(path.startswith(old) for path in paths)
                changed = [new + path[len(old) :] for path in paths]
                assert got[key] == (
                    changed[0] if key == 'img_path' else changed
                )
            else:
                np.testing.assert_equal(got[key], value)


def test_frames_of_penn_by_http(root, url):
    local = f'{root}/penn'
    ours = penn(local, data_prefix=dict(img=f'{url}/penn/frames'))
    assert_same(ours, penn(local), local, f'{url}/penn')
    # Data loader processes have connections of their own.
    loader = DataLoader(
        ours, batch_size=2, num_workers=2, collate_fn=pseudo_collate
    )
    assert sum(len(batch['id']) for batch in loader) == len(ours)


def test_penn_in_a_store(root, bucket):
    local = f'{root}/penn'
    assert_same(penn(f'{bucket}/penn'), penn(local), local, f'{bucket}/penn')
    # As with mmengine's PetrelBackend: paths as on a disk, mapped on reading.
    backend_args = dict(
        backend='toy_bucket', path_mapping={'data/': 'toy://bucket/'}
    )
    ours = penn('data/penn', backend_args=backend_args)
    assert_same(ours, penn(local), local, 'data/penn')


def test_jhmdb_by_http(root, url):
    local = f'{root}/jhmdb'
    ours = jhmdb(f'{url}/jhmdb', data_prefix=dict(split=f'{local}/sub_splits'))
    assert ours.tracks.video_ids.tolist() == [
        'run/#1 a_b (c)',
        'run/a',
        'run/c',
        'walk/e',
    ]
    assert_same(ours, jhmdb(local), local, f'{url}/jhmdb')
    with pytest.raises(FileNotFoundError, match="which bbox_source='mask'"):
        jhmdb(
            f'{url}/jhmdb',
            bbox_source='mask',
            data_prefix=dict(split=f'{local}/sub_splits'),
        )


@pytest.mark.parametrize('split', [dict(), dict(split='all', sub=None)])
def test_jhmdb_in_a_store(root, bucket, split):
    local = f'{root}/jhmdb'
    assert_same(
        jhmdb(f'{bucket}/jhmdb', **split),
        jhmdb(local, **split),
        local,
        f'{bucket}/jhmdb',
    )


def test_jhmdb_json_by_http_and_in_a_store(root, url, bucket):
    local = f'{root}/jhmdb'
    for address in (url, bucket):
        expected = jhmdb_coco(local)
        assert_same(
            jhmdb_coco(f'{address}/jhmdb'), expected, local, f'{address}/jhmdb'
        )
        # Only the annotations are elsewhere.
        ours = jhmdb_coco(local, f'{address}/jhmdb/Sub1_train.json')
        assert_same(ours, expected, local, local)
        with pytest.raises(FileNotFoundError) as error:
            jhmdb_coco(f'{address}/jhmdb', 'Sub2_train.json')
        assert f'{address}/jhmdb/Sub2_train.json' in str(error.value)


def test_posetrack_by_http_and_in_a_store(root, url, bucket):
    local = f'{root}/posetrack'
    for address in (url, bucket):
        remote = f'{address}/posetrack'
        for options in (dict(), dict(clip_offsets=(-1, 0, 1))):
            if options:
                options['bbox_file'] = f'{remote}/detections.json'
            options['ann_file'] = 'annotations/merged.json'
            expected = dict(options)
            if 'bbox_file' in options:
                expected['bbox_file'] = f'{local}/detections.json'
            assert_same(
                posetrack(remote, **options),
                posetrack(local, **expected),
                local,
                remote,
            )
    assert_same(
        posetrack(f'{bucket}/posetrack'),
        posetrack(local),
        local,
        f'{bucket}/posetrack',
    )
    with pytest.raises(FileNotFoundError, match='no ann_file .*none.json'):
        posetrack(f'{url}/posetrack', ann_file='none.json')
    with pytest.raises(FileNotFoundError, match='no bbox_file .*none.json'):
        posetrack(local, bbox_file=f'{url}/none.json')


@pytest.mark.parametrize(
    'make, folder',
    [
        (lambda url: penn(f'{url}/penn'), 'penn/labels'),
        (lambda url: jhmdb(f'{url}/jhmdb'), 'jhmdb/sub_splits'),
        (
            lambda url: jhmdb(f'{url}/jhmdb', 'all', None),
            'jhmdb/joint_positions',
        ),
        (
            lambda url: posetrack(f'{url}/posetrack'),
            'posetrack/annotations/val',
        ),
    ],
)
def test_folders_that_http_cannot_list(url, make, folder):
    with pytest.raises(ValueError) as error:
        make(url)
    message = str(error.value)
    assert message.startswith(f'{url}/{folder}: its files have to be listed,')
    assert 'data_prefix' in message and '\n' not in message


def test_local_labels_with_a_back_end_that_cannot_list(root):
    with pytest.raises(ValueError, match='leave backend_args out'):
        penn(f'{root}/penn', backend_args=dict(backend='http'))


def frame(url):
    return f'{url}/penn/frames/0001/000001.jpg'


def test_damage_is_told_in_one_line_with_the_address(root, url, bucket):
    missing = f'{url}/penn/frames/0001/000009.jpg'
    half = f'{url}/half/penn/frames/0001/000001.jpg'
    broken = f'{url}/broken/000001.jpg'
    gone = f'{bucket}/gone.jpg'
    bare = 'bare://host/a.jpg'
    for path, kind, message in (
        (missing, FileNotFoundError, f'no file {missing}'),
        (half, OSError, f'{half} cannot be read (IncompleteRead'),
        (
            broken,
            OSError,
            f'{broken} cannot be read (HTTPError: HTTP Error 500',
        ),
        (gone, FileNotFoundError, f'no file {gone}'),
        (
            bare,
            OSError,
            f'{bare} cannot be read (PermissionError: no key for bare',
        ),
        (str(root / 'penn'), FileNotFoundError, f'no file {root}/penn'),
        (str(root / 'penn/labels/0001.mat/a'), FileNotFoundError, 'no file'),
        ('ftpx://host/a.jpg', ValueError, 'ftpx://host/a.jpg: no back-end'),
    ):
        with pytest.raises(kind) as error:
            read_bytes(path)
        assert type(error.value) is kind
        assert str(error.value).startswith(message)
        assert '\n' not in str(error.value)
    silent = dict(backend='toy_bucket', missing='none')
    with pytest.raises(FileNotFoundError, match=gone):
        read_bytes(gone, silent)
    with pytest.raises(ValueError, match="no back-end 'htpp'; registered.*'h"):
        read_bytes(frame(url), dict(backend='htpp'))
    with pytest.raises(ValueError, match='bare://host/a: .* ToyBare cannot'):
        list_files('bare://host/a', '.jpg')


def test_a_server_that_is_not_there(monkeypatch):
    monkeypatch.setenv('no_proxy', '*')
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        address = f'http://127.0.0.1:{free.getsockname()[1]}/a.jpg'
    with pytest.raises(OSError) as error:
        read_bytes(address)
    assert str(error.value).startswith(f'{address} cannot be read (URLError')
    assert '\n' not in str(error.value)


def test_frames_by_http_fail_as_frames_on_a_disk_do(root, url, tmp_path):
    """``LoadClip`` names the address."""

    def message(kind, path, **kwargs):
        with pytest.raises(kind) as error:
            LoadClip(**kwargs)(dict(img_paths=[path]))
        assert path in str(error.value) and '\n' not in str(error.value)
        assert str(error.value).startswith('LoadClip: ')
        return str(error.value)

    path = f'{url}/penn/frames/0001/000009.jpg'
    assert 'no frame' in message(FileNotFoundError, path)
    assert 'no frame' in message(
        FileNotFoundError, path, backend_args=dict(backend='http')
    )
    path = f'{url}/half/penn/frames/0001/000001.jpg'
    assert 'IncompleteRead' in message(OSError, path)
    # Whole for the server, but its file is torn.
    torn = root / 'penn/frames/torn.jpg'
    torn.write_bytes((root / 'penn/frames/0001/000001.jpg').read_bytes()[:900])
    assert 'is cut off (900 bytes' in message(
        ValueError, f'{url}/penn/frames/torn.jpg'
    )


def test_addresses_by_hand():
    assert join_address('', 'a/b') == 'a/b'
    assert join_address('data', 'a/b') == 'data/a/b'
    assert join_address('data', '/a/b') == '/a/b'
    assert join_address('data', 'http://h/b') == 'http://h/b'
    assert join_address('s3://bucket/', 'a') == 's3://bucket/a'
    assert join_address('s3://bucket', 's3://other/a') == 's3://other/a'
    assert join_address('http://h/data', '') == 'http://h/data/'


def test_what_is_quoted_already_stays(root, url):
    path = root / 'a #b.txt'
    path.write_bytes(b'12')
    assert read_bytes(f'{url}/a #b.txt') == b'12'
    assert read_bytes(f'{url}/a%20%23b.txt?version=3') == b'12'


def test_hidden_files_are_not_listed(tmp_path, monkeypatch):
    """On a disk and in a store; also what lies in hidden folders."""
    names = (
        'a.json',
        'b/c.json',
        '._a.json',
        '.d.json',
        'b/._c.json',
        '.Trash/e.json',
        'b/.AppleDouble/f.json',
    )
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'x')
    monkeypatch.setattr(
        ToyBucket, 'objects', {n: b'x' for n in (f'k/{n}' for n in names)}
    )
    for folder in (str(tmp_path), 'toy://bucket/k'):
        assert list_files(folder, '.json') == ['a.json']
        assert list_files(folder, '.json', recursive=True) == [
            'a.json',
            'b/c.json',
        ]


def test_what_is_hidden():
    for path in ('._a.json', '.a', 'b/._c', '.b/c', r'b\._c'):
        assert is_hidden(path)
    for path in ('a.json', 'b/c.json', '_a', 'a._b', r'b\c'):
        assert not is_hidden(path)
