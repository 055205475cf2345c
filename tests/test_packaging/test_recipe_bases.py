# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What recipes stand on: the runtime, or one recipe beside them that does."""

from pathlib import Path

import pytest
from mmengine.config import Config

import rpstn_mmpose

ROOT = Path(rpstn_mmpose.configs_dir())


def recipes_below(path):
    """The recipes of this package that a config names as its bases."""
    bases = Config._get_base_files(str(path))
    paths = [path.parent / base for base in bases if '::' not in base]
    paths = [Path(base).resolve() for base in paths]
    assert all(base.is_file() for base in paths)
    return [p for p in paths if '_base_' not in p.relative_to(ROOT).parts]


@pytest.mark.parametrize('name', rpstn_mmpose.list_configs())
def test_whole_or_a_variant_of_the_recipe_beside_it(name):
    path = ROOT / name
    found = recipes_below(path)
    assert len(found) <= 1
    for base in found:
        assert base.parent == path.parent, 'inherits across data sets'
        assert not recipes_below(base), 'a variant of a variant'


def test_a_chain_and_a_folder_would_be_found():
    folder = ROOT / 'body_2d_keypoint/rpstn/penn_action'
    variant = folder / 'rpstn_res101_1xb8-100e_penn-256x256.py'
    whole = folder / 'rpstn_res50_1xb8-100e_penn-256x256.py'
    assert recipes_below(variant) == [whole]
    assert recipes_below(whole) == []
