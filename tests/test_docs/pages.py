# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The pages of the documentation, and what stands in their code blocks."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r'^```(\w*)\n(.*?)^```', re.MULTILINE | re.DOTALL)


def list_pages() -> list[Path]:
    """The README and all pages of docs/."""
    return [ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md'))]


def names_of(pages: list[Path]) -> list[str]:
    """Pages by their paths in the checkout, for the names of tests."""
    return [page.relative_to(ROOT).as_posix() for page in pages]


def code_blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page that are written in a language."""
    return [
        text
        for name, text in _BLOCK.findall(page.read_text())
        if name == language
    ]


def without_code(page: Path) -> str:
    """A page's prose, without its code blocks."""
    return _BLOCK.sub('', page.read_text())
