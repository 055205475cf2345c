# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import json

import cv2
import numpy as np
import pytest
import torch

from tests.test_visualization.test_video_prediction import small_config
from tests.test_visualization.videos import (ShiftModel, build_dataset, truth,
                                             write_videos)

from .load_tool import load_tool

report = load_tool('analysis_tools/occlusion_report.py')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Data, a config and two checkpoints of its model."""
    from mmengine.registry import init_default_scope
    from mmpose.registry import MODELS
    init_default_scope('mmpose')
    folder = tmp_path_factory.mktemp('all')
    write_videos(folder / 'data', {'0001': 8, '0002': 4})
    config = small_config(folder / 'data')
    config.dump(str(folder / 'config.py'))
    for name in 'ab':
        state = MODELS.build(config.model).state_dict()
        torch.save(dict(state_dict=state), str(folder / f'{name}.pth'))
    return folder


def run(folder, *args):
    report.main([
        str(folder / 'config.py'),
        str(folder / 'a.pth'), '--device', 'cpu', *map(str, args)
    ])


def test_scores_by_hand(tmp_path):
    """A model that is 30 pixels off at the left ankle, joint 11, and right
    elsewhere; 4 frames, the wrists hidden from frame 3 on."""
    from rpstn_mmpose.datasets.transforms import MaskRandomJoints
    from rpstn_mmpose.visualization import predict_videos
    write_videos(tmp_path, {'0001': 4})
    dataset = build_dataset(tmp_path, clip_length=2)
    poses = predict_videos(ShiftModel(off=[11]), dataset)
    masks = report.masks_of(dataset, MaskRandomJoints(prob=1), ['0001'])
    assert sorted(masks['0001']) == [1, 2, 3, 4]
    # all visible joints: 4 x 11, and the wrists of two frames
    total = sum(int(mask.sum()) for mask in masks['0001'].values())
    assert total == 4 * 11 + 2 * 2
    # once more with the left ankle of frame 2 and the head of frame 4 alone
    for frame, mask in masks['0001'].items():
        mask[:] = False
        mask[11] = frame == 2
        mask[0] = frame == 4
    out = report.score(poses, masks, dataset.metainfo, 0.2, 'person')
    assert out['masked']['scores']['Head'] == 100
    assert out['masked']['scores']['Ank.'] == 0
    assert out['masked']['scores']['Mean'] == 50
    assert np.isnan(out['masked']['scores']['Knee'])
    assert sum(out['masked']['total'].values()) == 2
    assert out['visible']['total']['left_ankle'] == 3
    assert out['visible']['correct']['left_ankle'] == 0
    assert out['occluded']['total']['left_wrist'] == 2
    assert out['occluded']['scores']['Mean'] == 100
    table = report.report_table(dict(x=out), 0.2).splitlines()
    cells = [cell.strip() for cell in table[2].split('|')[1:-1]]
    assert cells == [
        'x', '100.0', '-', '-', '-', '-', '-', '0.0', '50.0',
        f'{100 * 12 / 13:.1f}', '100.0'
    ]
    cells = [cell.strip() for cell in table[3].split('|')[1:-1]]
    assert cells == [
        'joints counted', '1', '0', '0', '0', '0', '0', '1', '2', '46', '4'
    ]
    assert truth(4).shape == (4, 13, 2)


def test_models_see_masked_pictures(folder):
    """Frames have one grey level; what differs from it is a patch."""
    from mmpose.registry import DATASETS
    mask = dict(type='MaskRandomJoints', prob=1, color=(10, 200, 10))
    config = report.with_masks(str(folder / 'config.py'), mask)
    assert [s['type'] for s in config.test_dataloader.dataset.pipeline
            ][1] == 'MaskRandomJoints'
    data = DATASETS.build(config.test_dataloader.dataset)[0]
    green = (data['inputs'][1] > 150) & (data['inputs'][0] < 60)
    assert green.sum() > 20
    visible = data['data_samples'].gt_instances.keypoints_visible
    assert not np.asarray(visible).any()


def test_two_models(folder, tmp_path, capsys):
    out, sheet = tmp_path / 'a.json', tmp_path / 'a.png'
    run(folder, '--second', folder / 'config.py', folder / 'b.pth',
        '--labels', 'A', 'B', '--out', out, '--sheet', sheet,
        '--num-joints', 3)
    data = json.loads(out.read_text())
    assert list(data['models']) == ['A', 'B'] and data['videos'] == 2
    assert data['mask']['num_joints'] == 3
    totals = [m['masked']['total'] for m in data['models'].values()]
    assert totals[0] == totals[1] and 0 < sum(totals[0].values()) <= 3 * 12
    picture = cv2.imread(str(sheet))
    # three rows of 300 with a line of text each, and the legend
    assert picture.shape[0] == 3 * 334 + 34
    # patches are of the mask's colour, in all three rows
    patch = (np.abs(picture.astype(int) - (104, 116, 124)) < 2).all(axis=2)
    assert all(patch[i * 334:i * 334 + 334].sum() > 100 for i in range(3))
    assert '| joints counted' in capsys.readouterr().out


def test_same_masks_again(folder, tmp_path):
    for name in ('a', 'b'):
        run(folder, '--out', tmp_path / f'{name}.json', '--prob', 0.4,
            '--videos', 1)
    a, b = ((tmp_path / f'{name}.json').read_text() for name in ('a', 'b'))
    assert a == b
    run(folder, '--out', tmp_path / 'c.json', '--prob', 0.4, '--seed', 5,
        '--videos', 1)
    assert json.loads((tmp_path / 'c.json').read_text())['models'] != (
        json.loads(a)['models'])


@pytest.mark.parametrize('args, message', [
    (['--prob', '2'], 'prob must be above 0 and at most 1'),
    (['--num-joints', '0'], 'num_joints must be at least 1'),
    (['--data-root', 'nowhere'], "no folder 'nowhere/labels'"),
    (['--second', 'x.py', 'x.pth'], 'x.py: no such config file'),
    (['--sheet', 'a.txt'], 'a.txt: the name must end in .png'),
    (['--videos', '0'], 'number of videos must be at least 1'),
])
def test_bad_input_is_one_line(folder, tmp_path, args, message):
    with pytest.raises(SystemExit, match=message) as info:
        run(folder, '--out', tmp_path / 'a.json', *args)
    assert str(info.value.code).startswith('occlusion_report: ')
    assert '\n' not in str(info.value.code)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('args, message', [
    (['--labels', 'a', 'b'], '1 models but 2 --labels'),
    (['--second', 'config.py', 'b.pth'], 'have the same name; give --labels'),
    (['--prob', '0.1', '--num-joints', '2'], 'not allowed with'),
])
def test_usage_errors(folder, args, message, capsys):
    with pytest.raises(SystemExit) as info:
        run(folder, *args)
    assert info.value.code == 2
    assert message in capsys.readouterr().err
