# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""When parts are registered: as soon as a registry is first asked for one.

A registry of MMPose keeps a list of modules (its locations) and imports them
before the first look-up. Importing the plugin, by ``custom_imports`` or in
Python, adds its own modules to these lists. So the import takes no time of
its own, whether MMPose has been imported before, comes later or not at all.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Callable, Mapping

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


class AfterImport(MetaPathFinder):
    """Acts on modules of other packages as soon as they are imported.

    Args:
        actions: By the module's name, a function of the module. It is called
            at once where the module is there already.
    """

    def __init__(
        self, actions: Mapping[str, Callable[[ModuleType], None]]
    ) -> None:
        self.actions = dict(actions)
        self.asking: set[str] = set()
        sys.meta_path.insert(0, self)
        for name, action in self.actions.items():
            if name in sys.modules:
                action(sys.modules[name])

    def find_spec(
        self, fullname: str, path: Any = None, target: Any = None
    ) -> ModuleSpec | None:
        """What the other finders say, with the action added at the end."""
        if fullname not in self.actions or fullname in self.asking:
            return None
        self.asking.add(fullname)
        try:
            spec = find_spec(fullname)
        finally:
            self.asking.discard(fullname)
        if spec is None or spec.loader is None:
            return spec
        execute, action = spec.loader.exec_module, self.actions[fullname]

        def execute_and_act(module: ModuleType) -> None:
            execute(module)
            action(module)

        spec.loader.exec_module = execute_and_act  # type: ignore
        return spec


def register_when_asked() -> None:
    """Add ``MODULES`` to the locations of the ``REGISTRIES``, and have
    mmengine read checkpoints as data, now or when they are imported.
    """
    AfterImport(
        {
            **dict.fromkeys(REGISTRIES, _add_locations),
            'mmengine.runner': _load_safely,
        }
    )


def _add_locations(module: ModuleType) -> None:
    for name in REGISTRIES[module.__name__]:
        registry = getattr(module, name)
        registry._locations = [*registry._locations, *MODULES]
        # It may have been asked before; what is there is not imported again.
        registry._imported = False


def _load_safely(_: ModuleType) -> None:
    from .checkpoints.safe_checkpoint import enable_safe_loading

    enable_safe_loading()
