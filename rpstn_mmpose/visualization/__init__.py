# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import on_demand

if TYPE_CHECKING:
    from .clip_visualization_hook import ClipVisualizationHook
    from .comparison import score_video, write_comparison
    from .contact_sheet import write_contact_sheet
    from .output_path import check_output_path
    from .panels import compose_panels, draw_legend, fit_frame, stack_rows
    from .pck_report import load_pck_result, pck_table, plot_pck
    from .skeleton_drawing import draw_pose
    from .video_prediction import (
        choose_videos,
        list_videos,
        load_model_and_dataset,
        predict_videos,
    )
    from .video_writer import VideoWriter
else:
    __getattr__, __dir__ = on_demand(__name__, __file__)

__all__ = [
    'ClipVisualizationHook',
    'VideoWriter',
    'check_output_path',
    'choose_videos',
    'compose_panels',
    'draw_legend',
    'draw_pose',
    'fit_frame',
    'list_videos',
    'load_model_and_dataset',
    'load_pck_result',
    'pck_table',
    'plot_pck',
    'predict_videos',
    'score_video',
    'stack_rows',
    'write_comparison',
    'write_contact_sheet',
]
