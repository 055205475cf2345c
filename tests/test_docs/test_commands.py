# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Commands of the README and of docs/: the tools and options are there."""

import argparse
import functools
import re
import runpy
import shlex
import sys
import warnings

import pytest

from .pages import ROOT, code_blocks, list_pages, names_of

_PAGES = list_pages()
_TOOL = re.compile(r'(?<!test_)tools/[\w/-]+\.(?:py|sh)')


class Found(BaseException):
    """A parser, on its way out of the tool that has made it."""


def options_of(parser: argparse.ArgumentParser) -> set:
    """Options of a parser and of its subcommands."""
    options = set()
    for action in parser._actions:
        options |= set(action.option_strings)
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                options |= options_of(sub)
    return options


@functools.lru_cache(None)
def tool_options(path: str) -> frozenset:
    """Options of a tool: it is run until it reads the command line."""

    def stop(self, *args, **kwargs):
        raise Found(self)

    script = ROOT / path
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter('ignore')
        patch.setattr(argparse.ArgumentParser, 'parse_args', stop)
        patch.setattr(argparse.ArgumentParser, 'parse_known_args', stop)
        patch.setattr(sys, 'argv', [str(script)])
        patch.setattr(sys, 'path', [str(script.parent), *sys.path])
        try:
            runpy.run_path(str(script), run_name='__main__')
        except Found as found:
            return frozenset(options_of(found.args[0]))
    raise AssertionError(f'{path} reads no command line')


def commands_in(text: str) -> list:
    """Words of each command of a block of shell lines that calls a tool."""
    lines = text.replace('\\\n', '').splitlines()
    # Words may hold line breaks where no tool is called.
    commands = (
        shlex.split(line, comments=True)
        for line in lines
        if _TOOL.search(line)
    )
    return [
        words
        for words in commands
        if any(_TOOL.fullmatch(word) for word in words)
    ]


def unknown_options(words: list) -> list:
    """Options of a command that its tool does not have."""
    (number,) = [i for i, word in enumerate(words) if _TOOL.fullmatch(word)]
    if words[number].endswith('.sh'):
        return []
    known = tool_options(words[number])
    given = [
        word.partition('=')[0]
        for word in words[number + 1 :]
        if re.match(r'--[a-z]', word)
    ]
    return [f'{words[number]} {word}' for word in given if word not in known]


@pytest.mark.parametrize('page', _PAGES, ids=names_of(_PAGES))
def test_tools_are_there(page):
    # What another line of the block goes on from is one word in it.
    text = page.read_text().replace('\\\n', '')
    missing = {
        name for name in _TOOL.findall(text) if not (ROOT / name).is_file()
    }
    assert missing == set()


@pytest.mark.parametrize('page', _PAGES, ids=names_of(_PAGES))
def test_options_are_there(page):
    unknown = [
        option
        for block in code_blocks(page, 'shell')
        for words in commands_in(block)
        for option in unknown_options(words)
    ]
    assert unknown == []


def test_unknown_options_are_found():
    block = (
        'FOO=1 python tools/demo/topdown_video_demo.py V \\\n'
        '    --out-dir=OUT --boxs B.json  # no --such option\n'
        'make test\n'
    )
    (words,) = commands_in(block)
    assert unknown_options(words) == [
        'tools/demo/topdown_video_demo.py --boxs'
    ]
    assert '--resume' in tool_options('tools/train.py')
