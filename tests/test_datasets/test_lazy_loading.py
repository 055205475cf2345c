# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Frames that are decoded where they are cropped: the very same crops."""

import io
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from mmpose.datasets.transforms.formatting import image_to_tensor
from mmpose.structures.bbox import get_warp_matrix
from PIL import Image

from rpstn_mmpose.datasets.transforms import (
    ForEachFrame,
    LoadClip,
    MaskRandomJoints,
    PackClipInputs,
    ReducedTopdownAffine,
    encoded_frame,
    region_decoder,
)
from rpstn_mmpose.datasets.transforms.clip_formatting import frames_to_tensor
from rpstn_mmpose.datasets.transforms.encoded_frame import (
    EncodedFrame,
    flip_frame,
    jpeg_size,
)
from rpstn_mmpose.datasets.transforms.reduced_affine import warp_matrices

INPUT = (48, 64)
# Whole, over a corner, outside, larger than the frame, and a thin one.
BOXES = [
    (20, 10, 80, 90),
    (-30, -20, 40, 60),
    (300, 300, 340, 360),
    (-50, -50, 250, 200),
    (100, 3, 104, 90),
]


@pytest.fixture(params=['cv2', 'nvimgcodec'])
def backend(request, monkeypatch):
    if request.param == 'nvimgcodec':
        try:
            region_decoder.load_library()
        except ImportError as error:
            pytest.skip(str(error))
        # Regions of these small frames, too, however large.
        monkeypatch.setattr(encoded_frame, 'WHOLE_FROM', 1)
    return request.param


def texture(size, seed=0):
    """Blurred noise, (h, w, 3)."""
    noise = np.random.RandomState(seed).randint(0, 256, (size[1], size[0], 3))
    return cv2.GaussianBlur(noise.astype(np.uint8), (0, 0), 1.5)


def write_frames(folder, count=5, size=(161, 117), **options):
    """JPEGs of odd sizes with Pillow's options."""
    paths = []
    for number in range(count):
        path = folder / f'{number:06d}.jpg'
        Image.fromarray(texture(size, number)).save(path, **options)
        paths.append(str(path))
    return paths


def clip(paths, **values):
    count = len(paths)
    keypoints = np.random.RandomState(1).rand(count, 4, 2) * 100
    return dict(
        dict(
            img_paths=paths,
            bbox=np.float32(BOXES[:count]),
            keypoints=keypoints.astype(np.float32),
            keypoints_visible=np.ones((count, 4), np.float32),
            video_id='0001',
            frame_ids=np.arange(count),
            flip_indices=[1, 0, 2, 3],
        ),
        **values,
    )


def run(paths, flip, rotation, load, crop, single=False, use_udp=False):
    """A clip through a pipeline, up to the crop."""
    crop = dict(type=crop, input_size=INPUT)
    if use_udp:
        crop['use_udp'] = True
    if single:
        crop = dict(type='ForEachFrame', transforms=[crop])
    steps = [dict(type='LoadClip', **load), dict(type='GetBBoxCenterScale')]
    if flip:
        steps.append(dict(type='ClipRandomFlip', prob=1.0, direction=flip))
    rotations = np.full(len(paths), rotation, np.float32)
    return Compose([*steps, crop])(clip(paths, bbox_rotation=rotations))


@pytest.mark.parametrize('flip', [None, 'horizontal', 'vertical', 'diagonal'])
@pytest.mark.parametrize('rotation', [0.0, 30.0])
@pytest.mark.parametrize('single', [False, True])
def test_crops_are_mmposes(tmp_path, backend, flip, rotation, single):
    paths = write_frames(tmp_path)
    expected = run(paths, flip, rotation, {}, 'TopdownAffine', single=True)
    got = run(
        paths,
        flip,
        rotation,
        dict(lazy=True, imdecode_backend=backend),
        'ReducedTopdownAffine',
        single,
    )
    assert expected['img'][0].any() and not expected['img'][2].any()
    for key, value in expected.items():
        np.testing.assert_array_equal(got[key], value, err_msg=key)


@pytest.mark.parametrize(
    'options',
    [
        dict(subsampling=0),
        dict(subsampling=1),
        dict(progressive=True),
        dict(quality=20),
        dict(optimize=True, restart_marker_blocks=3),
    ],
)
def test_kinds_of_jpegs(tmp_path, backend, options):
    paths = write_frames(tmp_path, **options)
    for use_udp in (False, True):
        expected = run(
            paths, 'horizontal', 10.0, {}, 'TopdownAffine', True, use_udp
        )
        got = run(
            paths,
            'horizontal',
            10.0,
            dict(lazy=True, imdecode_backend=backend),
            'ReducedTopdownAffine',
            False,
            use_udp,
        )
        np.testing.assert_array_equal(got['img'], expected['img'])


def test_stretched_crops(tmp_path, backend):
    paths = write_frames(tmp_path)
    expected, got = (
        run(paths, 'horizontal', 20.0, load, 'TopdownStretch', True)['img']
        for load in ({}, dict(lazy=True, imdecode_backend=backend))
    )
    np.testing.assert_array_equal(got, expected)


def test_only_the_region_is_decoded():
    """An input of 64 x 64 around (100, 80) in the frame's own pixels takes
    columns 68 to 131 and rows 48 to 111; two more on each side."""
    asked = []

    def decode_region(*region):
        asked.append(region)
        x1, y1, x2, y2 = region
        return np.zeros((y2 - y1, x2 - x1, 3), np.uint8)

    frame = EncodedFrame((200, 150), None, decode_region)
    matrix = np.array([[1.0, 0, -68], [0, 1, -48]])
    frame.warp(matrix, (64, 64))
    assert asked == [(66, 46, 134, 114)]
    # Seen in a mirror it is elsewhere in the file.
    frame.flipped('horizontal').warp(matrix, (64, 64))
    assert asked[1] == (200 - 134, 46, 200 - 66, 114)
    frame.warp(np.array([[1.0, 0, 500], [0, 1, 0]]), (64, 64))
    assert len(asked) == 2  # nothing of the frame


def test_a_large_part_is_cut_from_the_whole():
    picture = texture((200, 150))

    def decode_region(*region):
        raise AssertionError(region)

    frame = EncodedFrame((200, 150), lambda: picture, decode_region)
    matrix = np.array([[0.5, 0, 0], [0, 0.5, 0]])
    np.testing.assert_array_equal(
        frame.warp(matrix, (96, 64)), cv2.warpAffine(picture, matrix, (96, 64))
    )


def test_region_has_the_pixels_of_the_picture():
    pytest.importorskip('nvidia.nvimgcodec')
    data = cv2.imencode('.jpg', texture((161, 117)))[1].tobytes()
    whole = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    for x1, y1, x2, y2 in (
        (0, 0, 161, 117),
        (33, 21, 34, 22),
        (15, 1, 100, 116),
        (150, 100, 161, 117),
    ):
        part = region_decoder.decode_region(data, x1, y1, x2, y2)
        np.testing.assert_array_equal(part[..., ::-1], whole[y1:y2, x1:x2])


def test_frames_wait_for_the_crop(tmp_path):
    paths = write_frames(tmp_path, 1)
    results = LoadClip(lazy=True)(clip([paths[0], paths[0]]))
    assert all(isinstance(frame, EncodedFrame) for frame in results['img'])
    assert results['img_shape'] == results['ori_shape'] == (117, 161)
    twice = results['img'][0].flipped('vertical')
    pixels = cv2.imread(paths[0])
    np.testing.assert_array_equal(twice.pixels(), pixels[::-1])
    np.testing.assert_array_equal(
        flip_frame(twice, 'horizontal'), pixels[::-1, ::-1]
    )


def test_other_files_are_decoded_at_once(tmp_path):
    grey, png, turned = (
        tmp_path / name for name in ('grey.jpg', 'a.png', 'turned.jpg')
    )
    cv2.imwrite(str(grey), texture((40, 30))[..., 0])
    cv2.imwrite(str(png), texture((40, 30)))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.fromarray(texture((40, 30))).save(turned, exif=exif)
    for path, shape in (
        (grey, (30, 40, 3)),
        (png, (30, 40, 3)),
        (turned, (40, 30, 3)),
    ):
        (frame,) = LoadClip(lazy=True)(clip([str(path)]))['img']
        np.testing.assert_array_equal(frame, cv2.imread(str(path)))
        assert frame.shape == shape


def test_header():
    def encoded(mode='RGB', **options):
        buffer = io.BytesIO()
        Image.fromarray(texture((70, 50))).convert(mode).save(
            buffer, 'jpeg', **options
        )
        return buffer.getvalue()

    for options in (
        {},
        dict(progressive=True),
        dict(comment=b'abc' * 99),
        dict(icc_profile=bytes(70000)),
    ):
        assert jpeg_size(encoded(**options)) == (70, 50)
    for data in (
        encoded('L'),
        encoded('CMYK'),
        encoded()[:100],
        b'',
        b'\xff\xd8',
        b'\xff\xd8\xff',
        b'\xff\xd8' + bytes(40),
        b'\xff\xd8' + b'\xff' * 40,
        b'\x89PNG' + bytes(40),
    ):
        assert jpeg_size(data) is None


def test_joints_are_masked_all_the_same(tmp_path):
    """A transform that paints on the frames."""
    paths = write_frames(tmp_path)
    steps = [
        MaskRandomJoints(num_joints=4),
        dict(type='GetBBoxCenterScale'),
        ReducedTopdownAffine(input_size=INPUT),
    ]
    eager, lazy = (
        Compose([LoadClip(lazy=lazy), *steps])(clip(paths))['img']
        for lazy in (False, True)
    )
    np.testing.assert_array_equal(lazy, eager)


def test_forked_workers(tmp_path):
    """After this process has decoded, too."""
    pytest.importorskip('nvidia.nvimgcodec')
    paths = write_frames(tmp_path)
    pipeline = Compose(
        [
            dict(type='LoadClip', lazy=True, imdecode_backend='nvimgcodec'),
            dict(type='GetBBoxCenterScale'),
            dict(type='ReducedTopdownAffine', input_size=INPUT),
            dict(type='PackClipInputs'),
        ]
    )
    here = pipeline(clip(paths))['inputs']

    class Clips(torch.utils.data.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            return pipeline(clip(paths))['inputs']

    loader = torch.utils.data.DataLoader(
        Clips(), num_workers=2, multiprocessing_context='fork', timeout=60
    )
    for batch in loader:
        assert torch.equal(batch[0], here)


def test_damaged_frame_names_the_file(tmp_path, backend):
    """A whole header, and nothing of the picture."""
    path = write_frames(tmp_path, 1)[0]
    data = open(path, 'rb').read()
    tables = data.index(b'\xff\xc4')
    with open(path, 'wb') as file:
        file.write(data[:tables] + b'\xff\xd9')
    with pytest.raises(ValueError, match='cannot be decoded') as error:
        run(
            [path],
            None,
            0.0,
            dict(lazy=True, imdecode_backend=backend),
            'ReducedTopdownAffine',
        )
    assert path in str(error.value) and '\n' not in str(error.value)


def test_arguments_that_do_not_fit():
    for options in (
        dict(reduce_to=INPUT),
        dict(to_float32=True),
        dict(color_type='grayscale'),
    ):
        with pytest.raises(ValueError, match='lazy needs'):
            LoadClip(lazy=True, **options)
    with pytest.raises(ValueError, match='needs lazy=True'):
        LoadClip(imdecode_backend='nvimgcodec')


@pytest.mark.parametrize(
    'module, message',
    [
        (None, 'needs nvImageCodec .* pip install'),
        (
            SimpleNamespace(__version__='0.8'),
            'needs nvImageCodec 0.9, but 0.8',
        ),
    ],
)
def test_library_that_is_not_there(monkeypatch, module, message):
    if module is None:  # what an import of a missing module leaves
        monkeypatch.delitem(sys.modules, 'nvidia.nvimgcodec', raising=False)
        monkeypatch.setitem(sys.modules, 'nvidia', None)
    else:
        monkeypatch.setitem(sys.modules, 'nvidia.nvimgcodec', module)
    with pytest.raises(ImportError, match=message) as error:
        LoadClip(lazy=True, imdecode_backend='nvimgcodec')
    assert '\n' not in str(error.value)


def test_transforms_that_want_pixels(tmp_path):
    results = Compose([LoadClip(lazy=True), dict(type='GetBBoxCenterScale')])(
        clip(write_frames(tmp_path))
    )
    with pytest.raises(ValueError, match='use ReducedTopdownAffine'):
        ForEachFrame([dict(type='TopdownAffine', input_size=INPUT)])(results)
    brighter = ForEachFrame([lambda frame: frame['img'].astype(np.float32)])
    with pytest.raises(AttributeError, match='astype: .* still encoded'):
        brighter(results)
    with pytest.raises(ValueError, match='crop them with'):
        PackClipInputs()(results)


def test_boxes_and_frames_must_match(tmp_path):
    results = LoadClip(lazy=True)(clip(write_frames(tmp_path, 2)))
    results.update(bbox_center=np.ones((1, 2)), bbox_scale=np.ones((1, 2)))
    with pytest.raises(ValueError, match='1 boxes for 2 frames'):
        ReducedTopdownAffine(input_size=INPUT)(results)


@pytest.mark.parametrize('kind', [np.float32, np.float64])
def test_matrices_are_mmposes(kind):
    rng = np.random.RandomState(0)
    centers, scales = (rng.rand(2, 300, 2) * 700 + 10).astype(np.float32)
    rotations = (rng.randn(300) * 60).astype(kind)
    rotations[:50] = 0
    got = warp_matrices(centers, scales, rotations, (192, 256))
    expected = [
        get_warp_matrix(center, scale, rotation, output_size=(192, 256))
        for center, scale, rotation in zip(centers, scales, rotations)
    ]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    'shape, kind',
    [((6, 5, 3), np.uint8), ((6, 5, 3), np.float32), ((6, 5), np.uint8)],
)
def test_planes_are_mmposes(shape, kind):
    rng = np.random.RandomState(0)
    frames = [(rng.rand(*shape) * 255).astype(kind) for _ in range(3)]
    frames[1] = frames[1][:, ::-1]
    got = frames_to_tensor(frames)
    assert got.is_contiguous()
    assert torch.equal(got, image_to_tensor(frames))
    with pytest.raises(ValueError, match='differ'):
        frames_to_tensor([frames[0], frames[0][:3]])
