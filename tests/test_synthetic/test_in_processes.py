# Copyright (c) rpstn_mmpose contributors. All rights reserved.
import sys

import pytest

from rpstn_mmpose.synthetic.in_processes import map_in_processes


def square(number):
    return number**2


def test_results_in_order():
    for workers in (1, 2):
        assert map_in_processes(
            square, range(5), workers, 'squares', 'number', progress=False
        ) == [0, 1, 4, 9, 16]
    with pytest.raises(ValueError, match='num_workers must be at least 1'):
        map_in_processes(square, range(5), 0, 'squares', 'number')


def test_bar_on_terminals_only(capsys, monkeypatch):
    map_in_processes(square, range(3), 1, 'squares', 'number')
    assert capsys.readouterr().err == ''
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
    map_in_processes(square, range(3), 1, 'squares', 'number')
    assert '3/3' in capsys.readouterr().err
