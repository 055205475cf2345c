# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The HRNet of released checkpoints, by its width."""

from __future__ import annotations


def hrnet_extra(width: int) -> dict:
    """MMPose's ``extra`` of an HRNet with so many channels at the highest of
    its resolutions.
    """
    stages = {
        f'stage{number}': dict(
            num_modules=modules,
            num_branches=number,
            block='BASIC',
            num_blocks=(4,) * number,
            num_channels=tuple(width * 2**i for i in range(number)),
        )
        for number, modules in ((2, 1), (3, 4), (4, 3))
    }
    stem = dict(
        num_modules=1,
        num_branches=1,
        block='BOTTLENECK',
        num_blocks=(4,),
        num_channels=(64,),
    )
    return dict(stage1=stem, **stages)


def hrnet_options(width: int) -> list[str]:
    """What ``--cfg-options`` changes in a recipe of HRNet-W48, as
    ``KEY=VALUE``; none where the width is its.
    """
    if width == 48:
        return []
    options = [f'model.head.in_channels={width}']
    for stage, extra in hrnet_extra(width).items():
        if stage != 'stage1':
            widths = ','.join(map(str, extra['num_channels']))
            options.append(
                f'model.backbone.extra.{stage}.num_channels={widths}'
            )
    return options
