# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Links of the README and of docs/ lead somewhere."""

import re
from pathlib import Path

import pytest

from .pages import ROOT, list_pages, names_of, without_code

_LINK = re.compile(r'\[[^\]]*\]\(([^)\s]+)\)')
_PAGES = list_pages()


def anchors(page: Path) -> set:
    """Those that GitHub gives the headings of a page."""
    headings = re.findall(r'^#+ (.*)$', without_code(page), re.MULTILINE)
    return {
        re.sub(r'[^\w\- ]', '', text.lower()).strip().replace(' ', '-')
        for text in headings
    }


def dead_links(page: Path) -> list:
    """Relative links of a page to files or headings that are not there."""
    dead = []
    for link in _LINK.findall(without_code(page)):
        if re.match(r'[a-z]+:', link):  # an address
            continue
        path, _, anchor = link.partition('#')
        target = page.parent / path if path else page
        known = target.exists() and (not anchor or anchor in anchors(target))
        if not known:
            dead.append(link)
    return dead


@pytest.mark.parametrize('page', _PAGES, ids=names_of(_PAGES))
def test_no_link_is_dead(page):
    assert dead_links(page) == []


def test_dead_links_are_found(tmp_path):
    page = tmp_path / 'a.md'
    (tmp_path / 'b.md').write_text('# One `two` & Three\n')
    page.write_text(
        '# Here\n[x](b.md) [x](b.md#one-two--three) [x](#here) ![y](no.png)\n'
        '[x](b.md#none) [x](#nowhere) [x](https://example.org/no)\n'
        '```\n[x](code.md)\n```\n'
    )
    assert dead_links(page) == ['no.png', 'b.md#none', '#nowhere']


def test_the_index_names_every_page():
    index = (ROOT / 'docs/README.md').read_text()
    pages = {
        page.relative_to(ROOT / 'docs').as_posix()
        for page in _PAGES
        if page.parent != ROOT
    }
    missing = {page for page in pages if f'({page})' not in index}
    assert missing == {'README.md'}
