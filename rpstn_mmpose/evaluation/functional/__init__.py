# Copyright (c) rpstn_mmpose contributors. All rights reserved.
from .mean_pose import mean_pose, mean_pose_baseline
from .pck import (PCK_GROUPS, group_pck, joint_groups, pck, pck_counts,
                  reference_length)

__all__ = [
    'PCK_GROUPS', 'group_pck', 'joint_groups', 'mean_pose',
    'mean_pose_baseline', 'pck', 'pck_counts', 'reference_length'
]
