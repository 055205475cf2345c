# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""When parts are registered: as soon as a registry is first asked for one.

A registry of MMPose keeps a list of modules (its locations) and imports them
before the first look-up. Importing the plugin, by ``custom_imports`` or in
Python, adds its own modules to these lists. So the import takes no time of
its own, whether MMPose has been imported before, comes later or not at all.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from wrapt import register_post_import_hook

# Each of them registers something when it is imported.
MODULES = (
    'rpstn_mmpose.datasets.collate',
    'rpstn_mmpose.datasets.datasets',
    'rpstn_mmpose.datasets.transforms',
    'rpstn_mmpose.datasets.whole_track',
    'rpstn_mmpose.datasets.windows',
    'rpstn_mmpose.engine.autocast_optim_wrapper',
    'rpstn_mmpose.engine.hooks',
    'rpstn_mmpose.evaluation.metrics',
    'rpstn_mmpose.models',
    'rpstn_mmpose.systems',
    'rpstn_mmpose.visualization.clip_visualization_hook',
)
# Where they register it.
REGISTRIES = {
    'mmengine.registry': ('FUNCTIONS', 'HOOKS'),
    'mmpose.registry': (
        'DATASETS',
        'HOOKS',
        'METRICS',
        'MODELS',
        'OPTIM_WRAPPERS',
        'TASK_UTILS',
        'TRANSFORMS',
    ),
}


def register_when_asked() -> None:
    """Add ``MODULES`` to the locations of the ``REGISTRIES``, have
    mmengine read checkpoints as data, and mmcv's NMS run where mmcv has no
    operators for the GPU, now or when they are imported.
    """
    for name in REGISTRIES:
        register_post_import_hook(_add_locations, name)
    register_post_import_hook(_load_safely, 'mmengine.runner')
    register_post_import_hook(_nms_anywhere, 'mmcv.ops.nms')


def _add_locations(module: ModuleType) -> None:
    for name in REGISTRIES[module.__name__]:
        registry = getattr(module, name)
        registry._locations = [*registry._locations, *MODULES]
        # It may have been asked before; what is there is not imported again.
        registry._imported = False


def _load_safely(_: ModuleType) -> None:
    # It does so when it is imported, and may be what imports the runner.
    import_module('.checkpoints.safe_checkpoint', __package__)


def _nms_anywhere(nms: ModuleType) -> None:
    name = '.engine.nms_without_gpu'
    import_module(name, __package__).enable_nms_anywhere(nms)
