# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import pytest

from tests.real_data import extract_penn_labels
from tests.test_datasets.penn_files import write_penn


@pytest.fixture(scope='session')
def penn_root(tmp_path_factory):
    """Train videos of 7 and 5 frames, a test video of 12."""
    return write_penn(tmp_path_factory.mktemp('penn'))


@pytest.fixture(scope='session')
def real_penn_root(tmp_path_factory):
    """Penn Action's real labels, without frames."""
    return extract_penn_labels(tmp_path_factory.mktemp('real_penn'))
