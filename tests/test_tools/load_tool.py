# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Import a script of tools/, to call its main() without a new process."""

import importlib.util
from pathlib import Path

_TOOLS = Path(__file__).resolve().parents[2] / 'tools'


def load_tool(path):
    """The module of ``tools/<path>``."""
    file = _TOOLS / path
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
