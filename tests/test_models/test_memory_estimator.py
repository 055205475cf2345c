# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A memory on MMPose's image models."""

from pathlib import Path

import mmpose
import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmpose.models.utils.tta import flip_heatmaps
from mmpose.registry import MODELS

from rpstn_mmpose.apis import VideoPoseInferencer
from rpstn_mmpose.models import with_memory
from rpstn_mmpose.speed import optimize_for_inference
from rpstn_mmpose.streams import make_stream
from rpstn_mmpose.structures import load_people
from tests.test_apis.tiny import (
    NUM_JOINTS,
    build,
    image_model,
    pose_config,
    write_video,
)

from .conftest import clip_sample, tiny_image_model

MEAN = dict(type='RecursiveHeatmapMean', weight=0.7)
RECIPES = Path(mmpose.__file__).parent / '.mim/configs/body_2d_keypoint'


def remembering(**overrides):
    return with_memory({**image_model(), **overrides}, MEAN)


def by_hand(image, clips):
    """The image model frame by frame, and its running mean."""
    frames = [image(frame, None, mode='tensor') for frame in clips.unbind(1)]
    means = [frames[0]]
    for frame in frames[1:]:
        means.append(0.3 * frame + 0.7 * means[-1])
    return torch.stack(means, dim=1)


@pytest.fixture
def pair():
    """The same weights without and with a memory."""
    image = build(image_model())
    model = MODELS.build(remembering()).eval()
    model.load_state_dict(image.state_dict())  # names are the same
    return image, model


def test_clips_by_hand(pair):
    image, model = pair
    clips = torch.rand(2, 4, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(
            model(clips, None, mode='tensor'),
            by_hand(image, clips),
            rtol=1e-4,
            atol=1e-5,
        )


def test_a_stream_gives_what_the_clips_give(pair):
    _, model = pair
    clips = torch.rand(2, 5, 3, 64, 64)
    stream = make_stream(model, collapse_ratio=None)
    with torch.no_grad():
        expected = model(clips, None, mode='tensor')
    for number, frames in enumerate(clips.unbind(1)):
        torch.testing.assert_close(
            stream.heatmaps(frames, [3, 8]),
            expected[:, number],
            rtol=1e-4,
            atol=1e-5,
        )


def test_flip_test(pair):
    image, model = pair
    model.test_cfg = dict(flip_test=True, output_heatmaps=True)
    clips = torch.rand(1, 3, 3, 64, 64)
    pairs = [0, 2, 1, *range(3, NUM_JOINTS)]
    sample = clip_sample(3, with_labels=False)
    sample.set_metainfo(dict(flip_indices=pairs))
    with torch.no_grad():
        found = model(clips, [sample], mode='predict')[0]
        mirrored = flip_heatmaps(
            by_hand(image, clips.flip(-1))[0],
            flip_indices=pairs,
            shift_heatmap=False,
        )
        expected = (by_hand(image, clips)[0] + mirrored) / 2
    torch.testing.assert_close(
        found.pred_fields.heatmaps,
        expected.flatten(0, 1),
        rtol=1e-4,
        atol=1e-5,
    )


def test_a_learned_memory_trains():
    model = MODELS.build(
        with_memory(
            tiny_image_model(), dict(type='GatedHeatmapMemory', num_joints=3)
        )
    )
    model.init_weights()
    losses = model(
        torch.rand(2, 3, 3, 64, 64), [clip_sample(3)] * 2, mode='loss'
    )
    losses['loss_kpt'].backward()
    assert model.memory.gate.bias.grad.abs().sum() > 0
    with pytest.raises(ValueError, match='do not use the memory; set clip_l'):
        model(torch.rand(2, 1, 3, 64, 64), [clip_sample(1)] * 2, mode='loss')


def test_fast_models_keep_the_memory_precise(pair):
    _, model = pair
    clips = torch.rand(1, 3, 3, 64, 64)
    with torch.no_grad():
        before = model(clips, None, mode='tensor')
        fast = optimize_for_inference(model)
        torch.testing.assert_close(
            fast(clips, None, mode='tensor'), before, rtol=1e-3, atol=1e-4
        )


def test_inferencer(tmp_path):
    """The image recipe, its checkpoint, and a memory by an option."""
    image = build(image_model())
    checkpoint = tmp_path / 'image.pth'
    torch.save(dict(state_dict=image.state_dict()), checkpoint)
    video = str(write_video(tmp_path / 'v.mp4', num_frames=4))
    found = []
    named = dict(type='RecursiveHeatmapMean', confidence=2.0)
    for memory in (None, dict(MEAN, weight=0.0), MEAN, 'mean', named):
        inferencer = VideoPoseInferencer(
            pose_config(image_model()),
            str(checkpoint),
            det_model='whole_image',
            device='cpu',
            memory=memory,
        )
        found.append(
            [
                result['predictions'][0][0]['keypoint_scores']
                for result in inferencer(video)
            ]
        )
    plain, nothing, mean, by_name, spelt_out = found
    assert by_name == spelt_out != mean
    # With a lookahead the first frame knows of the others.
    inferencer = VideoPoseInferencer(
        pose_config(image_model()),
        str(checkpoint),
        det_model='whole_image',
        device='cpu',
        memory=MEAN,
        lookahead=2,
    )
    results = list(inferencer(video, pred_out_dir=str(tmp_path)))
    written = load_people(tmp_path / 'v.json')
    for result, hidden in zip(results, written.keypoints_hidden):
        person = result['predictions'][0][0]
        below = [seen < 0.5 for seen in person['keypoints_seen']]
        assert hidden.tolist() == person['keypoints_hidden'] == below
    assert [result['frame_id'] for result in results] == [0, 1, 2, 3]
    first = results[0]['predictions'][0][0]['keypoint_scores']
    assert first != pytest.approx(mean[0], abs=1e-5)
    assert plain[0] == pytest.approx(mean[0], abs=1e-5)
    assert plain[1] != pytest.approx(mean[1], abs=1e-5)
    for one, other in zip(plain, nothing):
        assert one == pytest.approx(other, abs=1e-5)


def test_heads_without_heatmaps_are_refused():
    model = tiny_image_model()
    model['neck'] = dict(type='GlobalAveragePooling')
    model['head'] = dict(type='RegressionHead', in_channels=64, num_joints=3)
    model = MODELS.build(with_memory(model, MEAN)).eval()
    with pytest.raises(ValueError, match='RegressionHead gives no heatmaps'):
        model(torch.rand(1, 2, 3, 64, 64), None, mode='tensor')


def test_models_of_coordinates_are_refused_at_once():
    model = Config.fromfile(
        RECIPES / 'topdown_regression/coco/td-reg_res50_8xb64-210e_coco-'
        '256x192.py'
    ).model
    with pytest.raises(ValueError, match='RegressionHead gives coordinates'):
        with_memory(model, MEAN)


def test_disks_and_offsets_are_refused():
    model = tiny_image_model(out_channels=9)
    model['head']['decoder'] = dict(
        type='UDPHeatmap',
        input_size=(64, 64),
        heatmap_size=(16, 16),
        heatmap_type='combined',
    )
    model = MODELS.build(with_memory(model, MEAN)).eval()
    with pytest.raises(ValueError, match='gives disks and offsets'):
        model(torch.rand(1, 2, 3, 64, 64), None, mode='tensor')


def test_heads_of_several_stages():
    """Of RSN, whose targets have a peak of 255, the last stage counts."""
    image = Config.fromfile(
        RECIPES / 'topdown_heatmap/coco/td-hm_2xrsn50_8xb32-210e_coco-'
        '256x192.py'
    ).model
    image.backbone.init_cfg = None
    stock = build(image)
    model = MODELS.build(with_memory(image, MEAN)).eval()
    model.load_state_dict(stock.state_dict())
    clips = torch.rand(1, 2, 3, 64, 64)
    with torch.no_grad():
        one, two = (
            stock(frame, None, mode='tensor')[-1] for frame in clips.unbind(1)
        )
        found = model(clips, None, mode='tensor')[0]
    for maps, expected in zip(found, (one[0], 0.7 * one[0] + 0.3 * two[0])):
        torch.testing.assert_close(maps, expected, rtol=1e-4, atol=1e-5)
    sample = clip_sample(1)
    sample.pred_instances = sample.gt_instances
    model.tell_hidden([sample], torch.tensor([[51.0, 204.0]]))
    seen = sample.pred_instances.keypoints_seen
    np.testing.assert_allclose(seen, [[0.2, 0.8]])
    assert sample.pred_instances.keypoints_hidden.tolist() == [[True, False]]


def test_video_models_have_a_memory_of_their_own():
    with pytest.raises(ValueError, match='option of the recipe'):
        with_memory(ConfigDict(type='VideoTopdownPoseEstimator'), MEAN)
    with pytest.raises(ValueError, match="one of .'mean'.*got 'median'"):
        with_memory(tiny_image_model(), 'median')


def spike(col, row=8, value=1.0):
    maps = torch.zeros(1, NUM_JOINTS, 16, 16)
    maps[0, :, row, col] = value
    return maps


@pytest.fixture
def watched(pair):
    """A model whose single frames show a joint once, at column 8 of 16."""
    _, model = pair
    seen = [spike(8), spike(0, value=0.0), spike(0, value=0.0)]

    def heatmaps(feats):
        parts = [seen.pop(0) for _ in range(len(feats[-1]))]
        return torch.cat(parts)

    model.frame_heatmaps = heatmaps
    return model


# Crops of 64 and 128 pixels in maps of 16: a joint at x = 32 of the image is
# in column (32 - left edge) / (size / 16).
CROPS = np.array([[32, 32, 64, 64], [40, 32, 64, 64], [32, 32, 128, 128]])
MOVED = [spike(8), spike(6, value=0.7), spike(8, value=0.49)]


def test_what_was_seen_stays_in_the_scene_when_the_crop_moves(watched):
    clips = torch.rand(1, 3, 3, 64, 64)
    maps, _ = watched.forward_clip(clips, CROPS[None])
    torch.testing.assert_close(maps[0], torch.cat(MOVED))


def test_the_same_in_a_stream(watched):
    stream = make_stream(watched, collapse_ratio=None)
    for crop, expected in zip(CROPS, MOVED):
        maps = stream.heatmaps(torch.rand(1, 3, 64, 64), [4], crops=crop[None])
        torch.testing.assert_close(maps, expected)


def test_samples_tell_where_the_crops_are(watched):
    """Of a clip, in both directions: the joint is known before, too."""
    watched.test_cfg = dict(output_heatmaps=True, both_directions=True)
    shown = [spike(0, value=0.0), spike(8), spike(0, value=0.0)]
    watched.frame_heatmaps = lambda feats: torch.cat(shown)
    sample = clip_sample(3, with_labels=False)
    sample.set_metainfo(
        dict(input_center=CROPS[:, None, :2], input_scale=CROPS[:, None, 2:])
    )
    found = watched(torch.rand(1, 3, 3, 64, 64), [sample], mode='predict')[0]
    # At x = 40 of the image: columns 10, 8 and (40 + 32) / 8 = 9. A mean
    # of both ways; each of them has 0.3 of the new frame, 0.7 of the old.
    expected = torch.cat(
        [
            spike(10, value=0.5 * 0.7 * 0.3),
            spike(8, value=0.3),
            spike(9, value=0.5 * 0.7 * 0.3),
        ]
    )
    torch.testing.assert_close(
        found.pred_fields.heatmaps, expected.flatten(0, 1)
    )


def with_box(crop, box):
    """A sample of one frame."""
    sample = clip_sample(1, with_labels=False)
    sample.set_metainfo(
        dict(input_center=crop[None, :2], input_scale=crop[None, 2:])
    )
    sample.gt_instances.bboxes = np.array([box], np.float32)
    return sample


# Two people in one crop of 64 pixels, 4 pixels to one of the map. Of the
# first one, columns 0 to 8 are in the own box grown by a tenth of 30 pixels,
# up to x = 31.5 + 1.5; the other one's box has columns 7 to 12.
CROP = np.array([32.0, 32, 64, 64])
OWN, OTHER = [1.5, 0, 31.5, 64], [25.0, 16, 48, 40]


def test_where_another_person_is(pair):
    """Outside of the own box, 9 to 12; rows 4 to 10 of the other box."""
    _, model = pair
    samples = [with_box(CROP, box) for box in (OWN, OTHER)]
    first, second = model.shade(samples)[:, 0]
    expected = torch.ones(16, 16)
    expected[4:11, 9:13] = 0.25
    torch.testing.assert_close(first, expected)
    # 23 pixels of x grown to 23.85 .. 49.15, of y to 14.8 .. 41.2: columns 6
    # to 12 and rows 4 to 10 are the second one's own.
    expected = torch.ones(16, 16)
    expected[:, 1:8] = 0.25  # x = 4 to 28 is in the first one's box
    expected[4:11, 6:8] = 1.0
    torch.testing.assert_close(second, expected)
    model.others_weight = 1.0
    assert model.shade(samples) is None
    model.others_weight = 0.25
    assert model.shade(samples[:1]) is None
    assert model.shade([clip_sample(1, with_labels=False)] * 2) is None


def poses_beside_another(model, weight, options):
    """Of a person whose joint is in column 3, pixel 12. From the second frame
    on, somebody in front shows one of 0.9 in column 10, and it is 0.3.
    """
    model.memory.weight, model.others_weight = 0.5, weight
    covered = spike(3, value=0.3) + spike(10, value=0.9)
    shown = [spike(3), covered, covered]
    model.frame_heatmaps = lambda feats: torch.cat([shown.pop(0), spike(10)])
    stream, done = make_stream(model, **options), []
    pixels = torch.zeros(3, 64, 64, dtype=torch.uint8)
    for _ in range(3):
        crops = [
            dict(inputs=pixels, data_samples=with_box(CROP, box))
            for box in (OWN, OTHER)
        ]
        done += stream.push(crops, [1, 2])
    return [poses.samples[0].pred_instances for poses in done + stream.flush()]


@pytest.mark.parametrize('options', [{}, dict(lookahead=2)])
def test_another_person_is_not_remembered(pair, options):
    _, model = pair
    full = poses_beside_another(model, 1.0, options)
    # 0.5 * 0.9 and then 0.5 * 0.9 + 0.5 * 0.45 against 0.475 of the joint.
    assert full[2].keypoints[0, 0].tolist() == [40, 32]
    safe = poses_beside_another(model, 0.25, options)
    assert [p.keypoints[0, 0].tolist() for p in safe] == [[12, 32]] * 3
    assert [float(p.keypoints_seen[0, 0]) for p in safe] == pytest.approx(
        [1.0, 0.3, 0.3]
    )
    hidden = [bool(p.keypoints_hidden[0, 0]) for p in safe]
    assert hidden == [False, True, True]
    forwards = [1.0, 0.5 * 0.3 + 0.5, 0.5 * 0.3 + 0.5 * 0.65]
    backwards = [0.5 + 0.5 * 0.3, 0.3, 0.3] if options else forwards
    expected = [(a + b) / 2 for a, b in zip(forwards, backwards)]
    assert [float(p.keypoint_scores[0, 0]) for p in safe] == pytest.approx(
        expected
    )


def test_first_frames_are_shaded_and_mirrored_ones(pair):
    _, model = pair
    peaks = spike(3, value=0.3) + spike(10, value=0.9)
    model.frame_heatmaps = lambda feats: torch.cat([peaks, peaks.flip(-1)])
    shade = torch.ones(1, 1, 16, 16)
    shade[..., 8:] = 0.25
    stream = make_stream(model, collapse_ratio=None)
    pairs = list(range(NUM_JOINTS))
    for _ in range(2):
        maps = stream.heatmaps(
            torch.rand(1, 3, 64, 64), [4], pairs, CROP[None], shade
        )
        expected = spike(3, value=0.3) + spike(10, value=0.225)
        torch.testing.assert_close(maps, expected)


def test_how_much_others_count_is_an_option():
    model = MODELS.build(
        with_memory(image_model(), dict(MEAN, others_weight=0.5))
    )
    assert model.others_weight == 0.5 and model.memory.weight == 0.7
    assert MEAN == dict(type='RecursiveHeatmapMean', weight=0.7)
    for bad in (0.0, 1.5):
        with pytest.raises(ValueError, match='others_weight must lie in'):
            MODELS.build(
                with_memory(image_model(), dict(MEAN, others_weight=bad))
            )


def blob(col, value=1.0):
    """A peak of sigma 1 in row 8."""
    cols, rows = torch.arange(16.0), torch.arange(16.0)[:, None]
    square = (cols - col) ** 2 + (rows - 8) ** 2
    return value * torch.exp(-0.5 * square).expand(1, NUM_JOINTS, 16, 16)


def answers(model, shown, crops):
    """Where a stream finds a joint, in pixels of the frame."""
    shown = list(shown)
    model.frame_heatmaps = lambda feats: shown.pop(0)
    stream = make_stream(model, collapse_ratio=None)
    found = []
    for crop in crops:
        maps = stream.heatmaps(
            torch.zeros(1, 3, 64, 64), [1], crops=np.float64(crop)[None]
        )
        col = int(maps[0, 0, 8].argmax())
        found.append(crop[0] - crop[2] / 2 + col * crop[2] / 16)
    return found


@pytest.fixture
def mean(pair):
    _, model = pair
    model.memory.weight, model.memory.confidence = 0.5, 2.0
    return model


STILL = (32, 32, 64, 64)


@pytest.mark.parametrize(
    'step, behind', [(1, [0, 1, 0, 0]), (2, [0, 1, 0, 0]), (4, [0, 0, 0, 0])]
)
def test_who_moves_fast_is_followed(mean, step, behind):
    """Columns that the answer is behind. Two equal peaks two sigma apart have
    theirs in the middle; a frame that is surer, 1 beside 0.61 of the mean,
    counts 0.73. Four sigma apart they are two peaks, and the later one wins
    that is a little higher.
    """
    first = 0.95 if step == 4 else 1.0
    shown = [blob(2, first)] + [blob(2 + step * t) for t in (1, 2, 3)]
    expected = [4 * (2 + step * t - late) for t, late in enumerate(behind)]
    assert answers(mean, shown, [STILL] * 4) == expected


def test_crops_that_follow_a_person_who_runs(mean):
    """The person runs 8 pixels a frame, the crop with it. A joint in column 8
    is hidden in the last two frames: it is where it was seen, not where the
    crop would have it.
    """
    hidden = blob(0, 0.0)
    shown = [blob(8), blob(8), blob(8), hidden, hidden]
    crops = [(32 + 8 * t, 32, 64, 64) for t in range(5)]
    assert answers(mean, shown, crops) == [32, 36, 48, 48, 48]


def test_a_camera_that_turns(mean):
    """The picture moves 4 pixels a frame, a person who stands still with it,
    and the box. A joint that is hidden stays where the picture had it: 4
    pixels off for each frame, of which a stream knows nothing.
    """
    hidden = blob(0, 0.0)
    shown = [blob(8)] * 3 + [hidden] * 2
    crops = [(60 - 4 * t, 32, 64, 64) for t in range(5)]
    found = answers(mean, shown, crops)
    true = [60 - 4 * t for t in range(5)]
    assert [a - b for a, b in zip(found, true)] == [0, 0, 0, 4, 8]


def test_a_zoom(mean):
    """Crops of 64 and of 128 pixels about the same place."""
    shown = [blob(12), blob(0, 0.0), blob(0, 0.0)]
    crops = [STILL, (32, 32, 128, 128), STILL]
    # Column 12 is x = 48; of the larger crop (48 + 32) / 8 = 10.
    assert answers(mean, shown, crops) == [48, 48, 48]
