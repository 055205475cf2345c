# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from __future__ import annotations

from .hieve_ap import hieve_ap
from .mean_pose import mean_pose, mean_pose_baseline
from .mpjpe import (
    bone_length_spread,
    mpjpe,
    mpjve,
    n_mpjpe,
    p_mpjpe,
    similarity_aligned,
)
from .pck import (
    PCK_GROUPS,
    group_pck,
    joint_groups,
    pck,
    pck_counts,
    reference_length,
)
from .posetrack_ap import (
    POSETRACK_GROUPS,
    posetrack_ap,
    posetrack_columns,
    posetrack_table,
)
from .posetrack_io import (
    POSETRACK_FILE_NAMES,
    POSETRACK_JOINTS,
    load_posetrack_dir,
)
from .posetrack_mot import posetrack_mot

__all__ = [
    'PCK_GROUPS',
    'POSETRACK_FILE_NAMES',
    'POSETRACK_GROUPS',
    'POSETRACK_JOINTS',
    'bone_length_spread',
    'group_pck',
    'hieve_ap',
    'joint_groups',
    'load_posetrack_dir',
    'mean_pose',
    'mean_pose_baseline',
    'mpjpe',
    'mpjve',
    'n_mpjpe',
    'p_mpjpe',
    'pck',
    'pck_counts',
    'posetrack_ap',
    'posetrack_columns',
    'posetrack_mot',
    'posetrack_table',
    'reference_length',
    'similarity_aligned',
]
