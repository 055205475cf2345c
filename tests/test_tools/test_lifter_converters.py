# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Published lifters: file in, file out, and the recipe that is named."""

import argparse
import os
import shlex

import numpy as np
import pytest
import torch
from mmengine.config import Config, DictAction
from mmpose.registry import MODELS

from rpstn_mmpose.checkpoints import load_weights
from rpstn_mmpose.engine.hooks.checkpoint_guard_hook import (
    check_checkpoint_matches,
)
from rpstn_mmpose.recipes import configs_dir
from tests.test_systems.test_anatomy3d.released_anatomy3d import (
    Released,
    released_state,
)
from tests.test_systems.test_video_pose3d import test_video_pose3d as vp3d

from .load_tool import load_tool

anatomy = load_tool('model_converters/anatomy3d_released_to_mmpose.py')
videopose = load_tool('model_converters/videopose3d_released_to_mmpose.py')


def recipe_of(text):
    """The model that the last line of a printed command builds."""
    (line,) = [
        line for line in text.splitlines() if line.startswith('test it: ')
    ]
    _, _, recipe, _, *options = shlex.split(line[len('test it: ') :])
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    config = Config.fromfile(configs_dir().parent / recipe)
    config.merge_from_dict(parser.parse_args(options).cfg_options or {})
    return MODELS.build(config.model).eval()


def anatomy_file(path, **parts):
    checkpoint = dict(
        epoch=60,
        lr=1e-4,
        random_state=np.random.RandomState(1),
        optimizer=dict(state={}, param_groups=[]),
        model_pos={
            f'module.{name}': value.float() if value.dim() else value
            for name, value in released_state(6, 2).items()
        },
    )
    torch.save({**checkpoint, **parts}, path)
    return str(path)


def test_anatomy3d(tmp_path, capsys):
    """The printed command builds a network that gives the published poses:
    B x L x 17 x 3 to B x T x 17 x 3."""
    out = str(tmp_path / 'new' / 'out.pth')
    anatomy.main([anatomy_file(tmp_path / 'in.bin'), out])
    text = capsys.readouterr().out
    assert '27 frames, 6 channels' in text
    assert 'model.backbone.causal=True' in text
    model = recipe_of(text)
    checkpoint = load_weights(out)
    assert check_checkpoint_matches(model, checkpoint, out) == 1
    model.load_state_dict(checkpoint['state_dict'])
    meta = checkpoint['meta']['dataset_meta']
    assert meta['dataset_name'] == 'h36m'
    x = torch.rand(29, 17, 3)
    found = model(x[None], None, mode='tensor')
    assert found.shape == (1, 3, 17, 3)
    expected = Released(released_state(6, 2), 2, False)(x.double())
    torch.testing.assert_close(found[0].double(), expected, rtol=0, atol=1e-5)


def test_videopose3d(tmp_path, capsys):
    state = {
        name: value.float() if value.dim() else value
        for name, value in vp3d.released_state().items()
    }
    torch.save(dict(epoch=3, model_pos=state), tmp_path / 'in.bin')
    out = str(tmp_path / 'out.pth')
    videopose.main([str(tmp_path / 'in.bin'), out])
    text = capsys.readouterr().out
    assert 'filters 3,3,3, 5 channels, 17 joints to 17' in text
    model = recipe_of(text)
    model.load_state_dict(load_weights(out)['state_dict'])
    x = torch.rand(28, 17, 2)
    expected = vp3d.naive(vp3d.released_state(), x.double(), (3, 3, 3), False)
    torch.testing.assert_close(
        model(x[None], None)[0].double(), expected, rtol=0, atol=1e-5
    )


class RunsCode:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize('tool', [anatomy, videopose])
def test_refused(tool, tmp_path):
    """One line, nothing run, nothing written."""
    made, out = tmp_path / 'made', tmp_path / 'out.pth'
    hostile = anatomy_file(tmp_path / 'a.bin', random_state=RunsCode(made))
    other = str(tmp_path / 'b.bin')
    torch.save(dict(model_pos={'x': torch.ones(1)}), other)
    for path, message in (
        (hostile, 'mkdir'),
        (other, 'it is no checkpoint of'),
        (str(tmp_path / 'none.bin'), 'no such file'),
    ):
        with pytest.raises(SystemExit) as info:
            tool.main([path, str(out)])
        assert message in str(info.value) and '\n' not in str(info.value)
    assert not made.exists() and not out.exists()
    out.write_text('kept')
    with pytest.raises(SystemExit, match='exists and is not overwritten'):
        tool.main([other, str(out)])
    assert out.read_text() == 'kept'
