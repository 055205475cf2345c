# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

from .load_tool import load_tool

TOOL = load_tool('analysis_tools/train_memory.py')
SIGMA = 1.5


def blobs(places, size=(24, 16)):
    """Gaussians at places (..., 2) of maps, height and width in pixels."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    x, y = np.moveaxis(np.asarray(places, np.float32), -1, 0)
    square = (columns - x[..., None, None]) ** 2 + (
        rows - y[..., None, None]
    ) ** 2
    return np.exp(-0.5 * square / SIGMA**2).astype(np.float32)


def peaks(maps):
    """Places of maps, to a part of a pixel: the middle of what is there."""
    weights = maps / maps.sum(axis=(-2, -1), keepdims=True)
    rows, columns = np.mgrid[: maps.shape[-2], : maps.shape[-1]]
    return np.stack(
        [(weights * axis).sum(axis=(-2, -1)) for axis in (columns, rows)], -1
    )


def folder(path, clips=3, frames=6):
    """What the tool keeps of clips of two joints, of which one is hidden."""
    places = np.random.default_rng(0).uniform(6, 9, (clips, frames, 2, 2))
    places[..., 1] += 4  # the map is higher than wide
    seen = np.ones((clips, frames, 2), bool)
    seen[:, 2:, 1] = False
    path.mkdir()
    np.save(path / TOOL.MAPS, blobs(places).astype(np.float16))
    np.savez(
        path / TOOL.LABELS,
        places=places.astype(np.float32),
        seen=seen,
        labeled=np.ones_like(seen),
        sigma=SIGMA,
        flip_indices=[1, 0],
    )
    return path


def args_of(path, *more):
    words = ['no config', 'no file', str(path), '--data-root', 'nowhere']
    return TOOL.parse_args(
        words + ['--frames', '4', '--batch-size', '5', *more]
    )


def test_what_is_true_of_a_frame():
    """A crop of 40 pixels around (50, 60) on 32 pixels of map: 0.8 a pixel."""
    sample = PoseDataSample(
        gt_instances=InstanceData(
            keypoints=np.array([[[30.0, 40], [55, 60]]]),
            keypoints_visible=np.array([[1.0, 0]]),
            keypoints_labeled=np.array([[1.0, 1]]),
        ),
        metainfo=dict(
            input_center=np.array([[50.0, 60]]),
            input_scale=np.array([[40.0, 40]]),
        ),
    )
    found = TOOL.labels_of(sample, np.array([1 / 32, 1 / 32]))
    assert found['places'].tolist() == [[[0, 0], [20, 16]]]
    assert found['seen'].tolist() == [[True, False]]
    assert found['labeled'].tolist() == [[True, True]]
    del sample.gt_instances.keypoints_labeled
    found = TOOL.labels_of(sample, np.array([1 / 32, 1 / 32]))
    assert found['labeled'].tolist() == [[True, False]]


def test_heat_stays_where_the_joints_are(tmp_path):
    """However clips are mirrored, turned and moved: heat around its joint,
    targets as high as 1 there, hidden joints weighted three times.
    """
    clips = TOOL.Clips(folder(tmp_path / 'a'), args_of(tmp_path / 'a'))
    seen = set()
    for seed in range(4):
        maps, targets, weights = clips.batch(np.random.default_rng(seed))
        assert maps.shape == targets.shape == (5, 4, 2, 24, 16)
        np.testing.assert_allclose(
            peaks(maps.numpy()), peaks(targets.numpy()), atol=0.3
        )
        assert 0.8 < targets.amax(dim=(-2, -1)).min()
        seen |= set(weights.flatten().tolist())
        # Mirrored clips have the hidden joint first.
        assert (weights.amax(dim=1).sum(dim=1) == 4).all()
    assert seen == {1.0, 3.0}


def test_a_turn_by_hand():
    """Twice as large and turned by 90 degrees, without a shift: x right of
    the middle goes down, twice as far.
    """

    class Fixed:
        values = [np.array([2.0]), np.array([[0.0, 0]]), np.array([1.0])]

        def uniform(self, low, high, size):
            return self.values.pop(0)

        def normal(self, mean, deviation, size):
            return np.array([np.pi / 2])

    place = torch.tensor([[[[9.5, 11.5]]]])  # the middle is (7.5, 11.5)
    maps = torch.from_numpy(blobs(place.numpy()))
    maps, place = TOOL.Clips.turned(maps, place, Fixed())
    torch.testing.assert_close(place, torch.tensor([[[[7.5, 15.5]]]]))
    np.testing.assert_allclose(peaks(maps.numpy()), place, atol=0.05)


def test_loss_by_hand():
    """The mean of 0.5 gives 0.5 and 0.25 of what was 1: 4 pixels that are
    wrong by 0.5 and by 0.75, the second one weighted 3, over 1 + 3.
    """
    maps = torch.zeros(1, 3, 1, 2, 2)
    maps[:, 0] = 1
    loss = TOOL.clip_loss(
        lambda now, before: (now + before) / 2,
        maps,
        torch.ones_like(maps),
        torch.tensor([[[7.0], [1.0], [3.0]]]),
    )
    assert float(loss) == pytest.approx((4 * 0.25 + 3 * 4 * 0.5625) / 4)


def test_goes_on_where_it_stopped(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(TOOL, 'SAVE_EVERY', 2)
    monkeypatch.setattr(TOOL, 'keep_heatmaps', None)  # they are there
    paths = [folder(tmp_path / name) for name in 'ab']

    def run(path):
        words = ['no config', 'no file', str(path), '--data-root', 'nowhere']
        TOOL.main(words + '--frames 3 --batch-size 2 --steps 4'.split())
        return torch.load(path / TOOL.WEIGHTS)

    whole = run(paths[0])
    loss, calls = TOOL.clip_loss, []

    def stopped(*args):
        calls.append(0)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return loss(*args)

    monkeypatch.setattr(TOOL, 'clip_loss', stopped)
    with pytest.raises(KeyboardInterrupt):
        run(paths[1])
    capsys.readouterr()
    parts = run(paths[1])
    assert '2/4' not in capsys.readouterr().out and len(calls) == 6
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value)
    assert whole['corrections.weight'].abs().sum() > 0


def test_clips_that_are_too_short(tmp_path):
    path = folder(tmp_path / 'a', frames=2)
    with pytest.raises(ValueError, match='--frames 4 is more than the 2 fra'):
        TOOL.Clips(path, args_of(path))
    with pytest.raises(SystemExit, match='^train_memory: .*none.py'):
        TOOL.main(
            ['none.py', 'x', str(tmp_path / 'b'), '--data-root', 'nowhere']
        )
