# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Frames that are decoded smaller: same crops, same coordinates."""

import cv2
import numpy as np
import pytest
from mmengine.dataset import Compose

from rpstn_mmpose.datasets.transforms import LoadClip
from rpstn_mmpose.datasets.transforms.loading import largest_reduction

INPUT = (64, 64)
BOX = (40, 24, 552, 408)  # 512 x 384


def write_scene(path, size=(640, 480), quality=95):
    """Smooth grey with a white square of 64 pixels at (128, 96)."""
    image = np.full((size[1], size[0], 3), 90, np.uint8)
    image[96:160, 128:192] = 250
    cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return str(path)


def crop(path, reduced, box=BOX, flip=False, rotation=0.0, use_udp=False):
    steps = [
        dict(type='LoadClip', reduce_to=INPUT if reduced else None),
        dict(type='GetBBoxCenterScale'),
    ]
    if flip:
        steps.append(
            dict(type='ClipRandomFlip', prob=1.0, direction='horizontal')
        )
    steps.append(
        dict(
            type='ForEachFrame',
            transforms=[
                dict(
                    type='ReducedTopdownAffine'
                    if reduced
                    else 'TopdownAffine',
                    input_size=INPUT,
                    use_udp=use_udp,
                )
            ],
        )
    )
    # the square's corner pixels, of which the centre is at (159.5, 127.5)
    corners = np.float32([[[128, 96], [191, 159]]])
    results = dict(
        img_paths=[path],
        bbox=np.float32([box]),
        bbox_rotation=np.float32([rotation]),
        keypoints=corners,
        keypoints_visible=np.ones((1, 2), np.float32),
        flip_indices=[0, 1],
    )
    return Compose(steps)(results)


def centre_of_square(image):
    """Of what is brighter than the ground, in pixels of the crop."""
    weight = np.clip(image[..., 0].astype(float) - 100, 0, None)
    weight[image[..., 0] < 60] = 0
    ys, xs = np.mgrid[: image.shape[0], : image.shape[1]]
    return np.array([(weight * xs).sum(), (weight * ys).sum()]) / weight.sum()


@pytest.mark.parametrize('flip', [False, True])
@pytest.mark.parametrize('rotation', [0.0, 30.0])
@pytest.mark.parametrize('use_udp', [False, True])
def test_same_crop_and_coordinates(tmp_path, flip, rotation, use_udp):
    """The box is 8 times as large as the input, so the frame is read at an
    eighth. The picture must lie where the coordinates say: the square's
    centre is the mean of its corners."""
    path = write_scene(tmp_path / '000001.jpg')
    kwargs = dict(flip=flip, rotation=rotation, use_udp=use_udp)
    full, small = (crop(path, reduced, **kwargs) for reduced in (False, True))
    for key in (
        'keypoints',
        'transformed_keypoints',
        'bbox',
        'bbox_center',
        'bbox_scale',
        'input_center',
        'input_scale',
    ):
        np.testing.assert_array_equal(small[key], full[key])
    assert small['ori_shape'] == small['img_shape'] == (480, 640)
    assert small['img_reduction'] == 1  # after the crop
    said = small['transformed_keypoints'][0].mean(axis=0)
    np.testing.assert_allclose(
        centre_of_square(small['img'][0]), said, atol=0.12
    )
    # bilinear sampling of every tenth pixel misses part of the edge
    np.testing.assert_allclose(
        centre_of_square(full['img'][0]), said, atol=0.5
    )


def test_is_read_smaller(tmp_path):
    path = write_scene(tmp_path / '000001.jpg')
    results = LoadClip(reduce_to=INPUT)(
        dict(img_paths=[path, path], bbox=np.float32([BOX, BOX]))
    )
    assert [frame.shape for frame in results['img']] == [(60, 80, 3)] * 2
    assert not np.shares_memory(*results['img'])
    assert results['img_reduction'] == 8
    assert results['img_shape'] == (480, 640)


@pytest.mark.parametrize(
    'box, scale, size, expected',
    [
        ((0, 0, 512, 100), 1.0, (640, 480), 8),
        ((0, 0, 511, 100), 1.0, (640, 480), 4),  # 7.98 times the input
        ((0, 0, 100, 128), 1.0, (640, 480), 2),  # the longer side counts
        ((0, 0, 100, 128), 1.25, (640, 480), 2),
        ((0, 0, 100, 128), 0.9, (640, 480), 1),
        ((0, 0, 512, 512), 1.0, (644, 484), 4),  # 8 does not divide 644
        ((0, 0, 512, 512), 1.0, (641, 480), 1),
        ((0, 0, 10, 10), 1.0, (640, 480), 1),
    ],
)
def test_largest_reduction(box, scale, size, expected):
    assert largest_reduction(np.float32([box]), INPUT, scale, size) == expected


def test_smallest_person_of_the_clip_counts():
    boxes = np.float32([(0, 0, 512, 512), (0, 0, 128, 128)])
    assert largest_reduction(boxes, INPUT, 1.0, (640, 480)) == 2


def test_other_formats_are_read_in_full(tmp_path):
    path = str(tmp_path / '000001.png')
    cv2.imwrite(path, np.zeros((480, 640, 3), np.uint8))
    results = LoadClip(reduce_to=INPUT)(
        dict(img_paths=[path], bbox=np.float32([BOX]))
    )
    assert results['img'][0].shape == (480, 640, 3)
    assert results['img_reduction'] == 1


def test_sizes_that_only_differ_in_full(tmp_path):
    """639 and 640 pixels are both 320 at half size."""
    paths = [
        write_scene(tmp_path / '000001.jpg'),
        write_scene(tmp_path / '000002.jpg', size=(639, 480)),
    ]
    with pytest.raises(ValueError, match='639x480, but .* 640x480'):
        LoadClip(reduce_to=INPUT)(
            dict(img_paths=paths, bbox=np.float32([BOX, BOX]))
        )


def test_what_cannot_be_reduced_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'pillow' and 'color'"):
        LoadClip(reduce_to=INPUT, imdecode_backend='pillow')
    path = write_scene(tmp_path / '000001.jpg')
    with pytest.raises(ValueError, match='by the people'):
        LoadClip(reduce_to=INPUT)(dict(img_paths=[path]))
    bad = tmp_path / '000002.jpg'
    bad.write_bytes(b'\xff\xd8' + bytes(50) + b'\xff\xd9')
    with pytest.raises(ValueError, match='cannot be decoded') as error:
        LoadClip(reduce_to=INPUT)(
            dict(img_paths=[str(bad)], bbox=np.float32([BOX]))
        )
    assert str(bad) in str(error.value)


@pytest.mark.parametrize('affine', ['TopdownAffine', 'ReducedTopdownAffine'])
def test_a_crop_that_does_not_know_of_it_is_refused(tmp_path, affine):
    pipeline = Compose(
        [
            dict(type='LoadClip', reduce_to=INPUT),
            dict(type='GetBBoxCenterScale'),
            dict(
                type='ForEachFrame',
                transforms=[dict(type=affine, input_size=INPUT)],
            ),
            dict(type='PackClipInputs'),
        ]
    )
    given = dict(
        img_paths=[write_scene(tmp_path / 'a.jpg')], bbox=np.float32([BOX])
    )
    if affine == 'ReducedTopdownAffine':
        assert pipeline(given)['inputs'].shape == (1, 3, 64, 64)
    else:
        with pytest.raises(ValueError, match='ReducedTopdownAffine'):
            pipeline(given)
