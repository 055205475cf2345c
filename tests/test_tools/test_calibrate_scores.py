# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import json

import numpy as np
import pytest
import torch
from mmengine.config import Config

from tests.test_datasets.penn_files import write_penn
from tests.test_systems.test_dsta.tiny import K, build, dataset, dsta

from .load_tool import load_tool

tool = load_tool('analysis_tools/calibrate_scores.py')


@pytest.fixture()
def files(tmp_path):
    """A config, weights, and the data of one."""
    root = write_penn(tmp_path / 'penn', lengths=(6, 4), train=(1, -1))
    config = Config(
        dict(
            default_scope='mmpose',
            custom_imports=dict(imports=['rpstn_mmpose']),
            model=dsta(),
            train_dataloader=dict(dataset=dataset(root, training=True)),
            test_dataloader=dict(dataset=dataset(root), batch_size=4),
        )
    )
    config.dump(tmp_path / 'config.py')
    torch.save(build().state_dict(), tmp_path / 'weights.pth')
    return tmp_path


def run(files, *options):
    paths = [files / n for n in ('config.py', 'weights.pth', 'scores.json')]
    tool.main([*map(str, paths), *options])
    return json.loads(paths[-1].read_text())


def test_a_file_that_the_head_takes(files, capsys):
    """Of the six frames of the training split, far enough to be right."""
    content = run(files, '--within', '100')
    assert len(content['slope']) == len(content['joints']) == K
    assert content['within'] == 100
    printed = capsys.readouterr().out
    assert '100.0 % right' in printed
    config = dsta()
    config['head']['score'] = str(files / 'scores.json')
    scores = build(config).head.confidence(np.full((1, K, 2), 0.5))
    assert (scores > 0.8).all()


def test_which_joints_are_right(files):
    """By hand: the distance in longer sides of the box."""
    config = tool.training_config(files / 'config.py')
    model, data = tool.load_model_and_dataset(config, files / 'weights.pth')
    assert len(data) == 6
    loader = [tool.pseudo_collate([data[row]]) for row in range(6)]
    ratios = []
    for batch in loader:
        sample = model.test_step(batch)[0]
        pred, truth = sample.pred_instances, sample.gt_instances
        gaps = ((pred.keypoints[0] - truth.keypoints[0]) ** 2).sum(-1) ** 0.5
        x1, y1, x2, y2 = truth.bboxes[0]
        ratios.append(gaps / max(x2 - x1, y2 - y1))
    limit = float(np.median(ratios))
    sigmas, right, known = tool.outcomes(model, loader, limit)
    np.testing.assert_array_equal(right, np.array(ratios) <= limit)
    assert 0.4 < right.mean() < 0.6
    np.testing.assert_array_equal(known[-1], truth.keypoints_visible[0] > 0)
    assert sigmas.shape == (6, K, 2) and 0 < sigmas.min() < sigmas.max() < 1
    output = model(
        model.data_preprocessor(loader[2], False)['inputs'],
        None,
        mode='tensor',
    )
    expected = output[0, :, 2:].detach().cpu()
    np.testing.assert_allclose(sigmas[2], expected, rtol=1e-4)


@pytest.mark.parametrize(
    'options, message',
    [
        (['--within', '0'], 'has to be above 0'),
        (['--data-root', 'nowhere'], 'nowhere'),
    ],
)
def test_bad_options(files, options, message, capsys):
    with pytest.raises(SystemExit) as caught:
        run(files, *options)
    assert message in f'{caught.value}{capsys.readouterr().err}'
    assert not (files / 'scores.json').exists()
