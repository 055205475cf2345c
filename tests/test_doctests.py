# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The examples of the docstrings do what they say."""

import doctest
import importlib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / 'rpstn_mmpose'
# Their examples want trained weights.
LEFT_OUT = {'apis.video_pose_inferencer', 'visualization.relation_figure'}


def modules_with_examples():
    for path in sorted(PACKAGE.rglob('*.py')):
        name = '.'.join(path.relative_to(PACKAGE).with_suffix('').parts)
        if '>>> ' in path.read_text(encoding='utf-8') and (
            name not in LEFT_OUT
        ):
            yield name.removesuffix('.__init__')


@pytest.mark.parametrize('name', modules_with_examples())
def test_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(f'rpstn_mmpose.{name}')
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert result.attempted and not result.failed
