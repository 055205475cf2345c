# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Coordinates, sigmas and scores of the poses that come out."""

import json

import numpy as np
import pytest
import torch

from tests.test_datasets.penn_files import write_penn

from .tiny import K, batch_of, build, dsta


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return write_penn(tmp_path_factory.mktemp('penn'))


def in_the_image(output, sample, row=1):
    """Points and sigmas of one crop (K, 4), pixels of the image."""
    scale = sample.metainfo['input_scale'][row].reshape(2)
    center = sample.metainfo['input_center'][row].reshape(2)
    corner = center - scale / 2
    return output[:, :2] * scale + corner, output[:, 2:] * scale


def test_poses_in_pixels_of_the_image(root):
    model = build()
    batch = batch_of(model, root)
    outputs = model(batch['inputs'], None, mode='tensor').detach().numpy()
    assert 0 < outputs[..., 2:].min() and outputs[..., 2:].max() < 1
    found = model(**batch, mode='predict')
    for sample, output, clip in zip(found, outputs, batch['data_samples']):
        points, sigmas = in_the_image(output, clip)
        pred = sample.pred_instances
        np.testing.assert_allclose(pred.keypoints[0], points, rtol=1e-4)
        np.testing.assert_allclose(pred.keypoint_sigmas[0], sigmas, rtol=1e-4)
        np.testing.assert_allclose(
            pred.keypoint_scores[0], (1 - output[:, 2:]).mean(-1), rtol=1e-5
        )


def test_flip_test_by_hand(root):
    """u' = 1 - u - 1/48, joints exchanged, coordinates and sigmas averaged."""
    model = build(dsta(test_cfg=dict(flip_test=True, shift_coords=True)))
    batch = batch_of(model, root)
    inputs = batch['inputs']
    outputs, mirrored = (
        model(x, None, mode='tensor').detach().numpy()
        for x in (inputs, inputs.flip(-1))
    )
    mirrored[..., 0] = 1 - mirrored[..., 0] - 1 / 48
    swap = batch['data_samples'][0].metainfo['flip_indices']
    outputs = (outputs + mirrored[:, swap]) / 2
    clips = list(batch['data_samples'])
    for sample, output, clip in zip(
        model(**batch, mode='predict'), outputs, clips
    ):
        points, sigmas = in_the_image(output, clip)
        pred = sample.pred_instances
        np.testing.assert_allclose(
            pred.keypoints[0], points, rtol=1e-4, atol=1e-3
        )
        np.testing.assert_allclose(pred.keypoint_sigmas[0], sigmas, rtol=1e-4)


@pytest.mark.parametrize('score', ['exp(-sigma)', 'file'])
def test_scores(root, score, tmp_path):
    if score == 'file':
        score = str(tmp_path / 'scores.json')
        content = dict(slope=[1.0] * K, offset=list(range(K)))
        (tmp_path / 'scores.json').write_text(json.dumps(content))
    config = dsta()
    config['head']['score'] = score
    model = build(config)
    batch = batch_of(model, root)
    sigma = model(batch['inputs'], None, mode='tensor')[..., 2:].mean(-1)
    expected = (-sigma).exp()
    if score.endswith('.json'):
        expected = (torch.arange(K) - sigma.log()).sigmoid()
    for sample, scores in zip(model(**batch, mode='predict'), expected):
        np.testing.assert_allclose(
            sample.pred_instances.keypoint_scores[0],
            scores.detach(),
            rtol=1e-5,
        )


def test_some_joints_alone(root):
    """``output_keypoint_indices`` takes the sigmas along."""
    model = build(dsta(test_cfg=dict(output_keypoint_indices=[3, 0])))
    batch = batch_of(model, root)
    output = model(batch['inputs'], None, mode='tensor').detach().numpy()[0]
    points, sigmas = in_the_image(output, batch['data_samples'][0])
    pred = model(**batch, mode='predict')[0].pred_instances
    np.testing.assert_allclose(pred.keypoints[0], points[[3, 0]], rtol=1e-4)
    np.testing.assert_allclose(
        pred.keypoint_sigmas[0], sigmas[[3, 0]], rtol=1e-4
    )
