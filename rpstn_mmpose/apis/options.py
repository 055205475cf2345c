# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Options of an inferencer: which would do nothing, and where output goes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..visualization import check_output_path
from .video_io import FrameSource


def refuse(why: str, **options: Any) -> None:
    """Raise a line if an option is given that would do nothing.

    Raises:
        ValueError: One of the options is not None.
    """
    for option, value in options.items():
        if value is not None:
            raise ValueError(f'VideoPoseInferencer: {option} {why}')


def places_of(out_dir: str | None, options: dict) -> dict[str, Any]:
    """Options of a call with the places that an ``out_dir`` means.

    Raises:
        ValueError: Both places are given beside it.
    """
    if out_dir is None:
        return options
    if {'vis_out_dir', 'pred_out_dir'} <= set(options):
        refuse(
            'does nothing beside both vis_out_dir and pred_out_dir; '
            'leave it out',
            out_dir=out_dir,
        )
    return dict(
        dict(
            vis_out_dir=os.path.join(out_dir, 'visualizations'),
            pred_out_dir=os.path.join(out_dir, 'predictions'),
        ),
        **options,
    )


def out_path(place: str | None, source: FrameSource, ending: str) -> str:
    """The file of a video's output: as given, or named in a folder.

    Raises:
        OSError: It cannot be written.
        ValueError: Its name has another ending.
    """
    if not place:
        return ''
    path = Path(place)
    if path.suffix.lower() != ending:
        path = path / f'{source.name}{ending}'
    return str(check_output_path(path, (ending,)))
