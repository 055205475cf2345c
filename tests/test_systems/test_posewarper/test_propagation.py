# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Labels on their way through a PoseWarper."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpose.registry import MODELS

from rpstn_mmpose.apis.crop_pipeline import frame_pipeline
from rpstn_mmpose.apis.pose_config import metainfo_from_config
from rpstn_mmpose.systems.posewarper.propagation import LabelPropagator
from rpstn_mmpose.systems.posewarper.sparse_labels import Pose

from .tiny import CODEC, K, build, dataset, image_model, pose_warper

SIZE = (96, 128)


def config():
    return Config(
        dict(
            default_scope='mmpose',
            model=pose_warper(),
            test_dataloader=dict(dataset=dataset('nowhere')),
        )
    )


def propagator(model=None, **options):
    settings = config()
    return LabelPropagator(
        model or build(trained=False),
        frame_pipeline(settings),
        metainfo_from_config(settings),
        **options,
    )


def shifting(columns=1):
    """A model that moves all labels a heatmap's pixel to the left."""
    model = build(trained=False)
    with torch.no_grad():
        for layer in model.warper.deform_conv_layers:
            weight = layer.weight.zero_()
            if layer.dilation == (1, 1):
                # The tap to the right, as much as both dilations would.
                weight[range(K), range(K), 1, 1 + columns] = 2.0
    return model


def frames(number, seed=0):
    rng = np.random.default_rng(seed)
    return [
        SimpleNamespace(
            index=i, image=rng.integers(0, 255, (*SIZE, 3), dtype=np.uint8)
        )
        for i in range(number)
    ]


def label(x=40.0, y=30.0, labeled=None):
    """In a box of 48 x 32, which padding makes a crop of 60 x 40."""
    rng = np.random.default_rng(4)
    points = rng.uniform(8, 24, (K, 2)) + [x + 8, y]
    labeled = np.ones(K, bool) if labeled is None else labeled
    return Pose(
        bbox=np.array([x, y, x + 48.0, y + 32.0]),
        keypoints=points,
        labeled=labeled,
        visible=labeled,
        scores=labeled.astype(float),
    )


# Pixels of the frame in a pixel of the heatmap.
PIXEL = 60 / CODEC['heatmap_size'][0]


@pytest.mark.parametrize('sides', ['nearest', 'both'])
def test_a_new_warper_repeats_the_label(sides):
    """To a tenth of a heatmap's pixel, with nearly its whole height; joints
    without label stay without."""
    labeled = np.arange(K) % 4 > 0
    labels = {1: label(labeled=labeled), 6: label(labeled=labeled)}
    found = propagator(sides=sides)(frames(8), {7: labels}, 8)[7]
    assert sorted(found) == list(range(8))
    assert found[1] is labels[1] and found[6] is labels[6]
    for number in (0, 2, 3, 4, 5, 7):
        pose = found[number]
        error = np.abs(pose.keypoints - labels[1].keypoints)[labeled]
        assert error.max() < 0.1 * PIXEL
        assert pose.scores[labeled].min() > 0.8
        assert pose.scores.max() <= 1
        assert not pose.given
        assert (pose.scores[~labeled] == 0).all()
        assert (pose.labeled == labeled).all()


def test_steps_add_up():
    """A pixel to the left in each step of three frames."""
    labels = {0: label()}
    found = propagator(shifting(), step=3, limit=9)(
        frames(5), {0: {**labels, 12: label()}}, 13
    )[0]
    for number, moved in ((1, 1), (3, 1), (4, 2)):
        difference = found[number].keypoints - labels[0].keypoints
        np.testing.assert_allclose(
            difference, [[-moved * PIXEL, 0]] * K, atol=0.15 * PIXEL
        )


def test_what_goes_into_the_warper():
    """The difference of the model's heatmaps, target less label, both in the
    label's crop, and the heatmaps of the label."""
    model = build(trained=False)
    taken = []
    model.warper.register_forward_hook(lambda _, args, __: taken.append(args))
    pictures = frames(3)
    labels = {1: label()}
    tool = propagator(model)
    tool(pictures, {0: labels}, 3)
    crops = [
        tool.pipeline(
            dict(
                tool.metainfo,
                img=picture.image,
                img_path='x.jpg',
                bbox=np.float32(labels[1].bbox)[None],
                bbox_score=np.ones(1, np.float32),
            )
        )['inputs']
        for picture in pictures
    ]
    with torch.no_grad():
        batch = model.data_preprocessor(
            dict(inputs=[crop[None] for crop in crops], data_samples=[])
        )
        maps = model.frame_features(batch['inputs'][:, 0])[0]
    difference, source = (torch.cat(parts) for parts in zip(*taken))
    torch.testing.assert_close(difference, maps[[0, 2]] - maps[1])
    # A joint of the label, in the crop's pixels, a fourth of which are map's.
    point = labels[1].keypoints[0] - labels[1].bbox[:2] + [6, 4]
    x, y = point / PIXEL
    rows, columns = torch.meshgrid(
        torch.arange(16), torch.arange(24), indexing='ij'
    )
    gauss = torch.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8)
    found = source[0, 0]
    near = gauss > 0.02
    torch.testing.assert_close(
        found[near], gauss[near].float(), rtol=1e-3, atol=1e-3
    )


def test_the_image_model_alone():
    """A baseline: each frame's own heatmaps, decoded."""
    model = build(trained=False)
    pictures = frames(3)
    tool = propagator(model, method='image')
    found = tool(pictures, {0: {1: label()}}, 3)[0]
    item = tool.pipeline(
        dict(
            tool.metainfo,
            img=pictures[2].image,
            img_path='x.jpg',
            bbox=np.float32(label().bbox)[None],
            bbox_score=np.ones(1, np.float32),
        )
    )
    image = MODELS.build(image_model()).eval()
    weights = {
        name: value
        for name, value in model.state_dict().items()
        if not name.startswith('warper.')
    }
    image.load_state_dict(weights)
    with torch.no_grad():
        batch = image.data_preprocessor(
            dict(inputs=[item['inputs']], data_samples=[])
        )
        maps = image(batch['inputs'], None, mode='tensor')
    points, _ = tool.codec.decode(maps[0].numpy())
    expected = points[0] / CODEC['input_size'] * [60, 40] + [34, 26]
    np.testing.assert_allclose(found[2].keypoints, expected, rtol=1e-5)


@pytest.mark.parametrize('method', ['interpolate', 'repeat'])
def test_baselines_need_no_pictures(method):
    labels = {0: label(40.0), 4: label(44.0)}
    found = propagator(method=method)(iter(()), {3: labels}, 5)[3]
    moved = found[1].keypoints - labels[0].keypoints
    assert np.allclose(moved, [1.0 if method == 'interpolate' else 0.0, 0])


def test_memory_does_not_grow_with_the_video():
    """Only what lies between two labels is kept."""
    labels = {number: label() for number in range(0, 40, 4)}
    kept = []
    tool = propagator()
    look = tool._look

    def watch(frame, work, boxes):
        look(frame, work, boxes)
        kept.append(max(len(run.maps) for run, _ in work))

    tool._look = watch
    tool(iter(frames(40)), {0: labels}, 40)
    assert len(kept) == 40 and max(kept) <= 9


def test_a_video_that_ends_early():
    """Fewer frames than announced: what can be labelled is."""
    labels = {0: label(), 3: label()}
    found = propagator()(frames(5), {0: labels}, 30)[0]
    assert sorted(found) == [0, 1, 2, 3, 4]


def test_two_people_do_not_touch_each_other():
    people = {4: {0: label(20.0)}, 9: {0: label(60.0), 2: label(62.0)}}
    both = propagator(shifting())(frames(4), people, 4)
    for person, labels in people.items():
        alone = propagator(shifting())(frames(4), {person: labels}, 4)[person]
        assert sorted(alone) == sorted(both[person])
        for number, pose in alone.items():
            np.testing.assert_allclose(
                pose.keypoints, both[person][number].keypoints, atol=1e-2
            )


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(method='flow'), 'method must be one of'),
        (dict(sides='left'), 'sides one of'),
        (dict(step=0), 'at least 1'),
        (dict(model=torch.nn.Identity()), 'does not warp heatmaps'),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        propagator(**options)
