# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""A runner whose screen shows what somebody can do something about."""

from __future__ import annotations

import logging
from typing import Any

from mmengine.logging import MMLogger
from mmengine.runner import Runner

# Beginnings of messages of mmengine that only the log file keeps: a line or
# two for every parameter of a model.
_LOG_FILE_ONLY = ('paramwise_options --',)


def _is_for_the_screen(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_LOG_FILE_ONLY)


class QuietRunner(Runner):
    """mmengine's runner, with some messages in the log file only."""

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """The logger; the file keeps all, the screen does not."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(_is_for_the_screen)
        return logger
