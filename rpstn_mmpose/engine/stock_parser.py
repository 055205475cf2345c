# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The command line of MMPose's ``tools/*.py``, read without its imports."""

from __future__ import annotations

import argparse
import ast
import os
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ..one_line_parser import OneLineParser


def stock_tool_path(name: str) -> Path:
    """Path of ``tools/<name>.py`` of the installed MMPose.

    Raises:
        FileNotFoundError: This installation of MMPose has no tools.
    """
    package = Path(find_spec('mmpose').origin).resolve().parent
    for folder in (package / '.mim/tools', package.parent / 'tools'):
        path = folder / f'{name}.py'
        if path.is_file():
            return path
    raise FileNotFoundError(
        f'MMPose in {package} has no tools/{name}.py: install mmpose from '
        'its wheel or with mim.'
    )


def parse_stock_args(name: str) -> argparse.Namespace:
    """Parse ``sys.argv`` with the parser of a stock tool, and ``--data-root``.

    The function ``parse_args`` of the tool is run by itself: importing the
    tool, and mmengine with it, takes many times as long as printing a help.

    Args:
        name: ``'train'`` or ``'test'``.

    Raises:
        FileNotFoundError: This installation of MMPose has no tools.
    """
    path = stock_tool_path(name)
    source = ast.parse(path.read_text(encoding='utf-8'))
    source.body = [
        node
        for node in source.body
        if getattr(node, 'name', None) == 'parse_args'
    ]
    names = dict(
        argparse=SimpleNamespace(
            **{**vars(argparse), 'ArgumentParser': _Parser}
        ),
        os=os,
        DictAction=_Settings,
    )
    exec(compile(source, str(path), 'exec'), names)
    return names['parse_args']()  # type: ignore


class _Parser(OneLineParser):
    """With one more option."""

    def parse_args(self, *args, **kwargs) -> argparse.Namespace:  # type: ignore
        self.add_argument(
            '--data-root',
            metavar='DATA',
            help='folder of the data, for every data set of the config and '
            'the files of its evaluators, instead of the one they name',
        )
        return super().parse_args(*args, **kwargs)


class _Settings(argparse.Action):
    """mmengine's ``DictAction``, imported when there is something to read."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        from mmengine.config import DictAction

        read = DictAction(self.option_strings, self.dest, nargs=self.nargs)
        try:
            read(parser, namespace, values, option_string)
        except ValueError:
            parser.error(
                f'{option_string} takes KEY=VALUE, but got {" ".join(values)}'
            )
