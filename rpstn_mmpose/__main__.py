# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""``python -m rpstn_mmpose``: the command ``rpstn``."""

from __future__ import annotations

from .console import main

main()
