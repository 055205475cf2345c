# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""The version of the plugin, and the versions it accepts of its neighbours."""

from __future__ import annotations

import importlib
import re
from importlib import metadata

__version__ = '0.2.0'

# Lowest version accepted and first version refused; None: no upper bound.
# mmcv stops where mmdet 3.3 stops it. setup.py cannot import this module
# before torch is there, so it reads the file instead: keep it free of
# imports from outside the standard library.
REQUIRED: dict[str, tuple[str, str | None]] = {
    'torch': ('2.0.0', None),
    'mmengine': ('0.9.0', '1.0.0'),
    'mmcv': ('2.0.0', '2.2.0'),
    'mmpose': ('1.2.0', '2.0.0'),
}
OPTIONAL: dict[str, tuple[str, str | None]] = {'mmdet': ('3.0.0', '3.4.0')}


def parse_version(text: str) -> tuple[int, int, int]:
    """Major, minor and patch of a version such as ``2.13.0+cu126``.

    Raises:
        ValueError: ``text`` does not start with a number.

    Examples:
        >>> parse_version('2.13.0+cu126')
        (2, 13, 0)
    """
    match = re.match(r'(\d+)(?:\.(\d+))?(?:\.(\d+))?', text)
    if match is None:
        raise ValueError(
            f'{text!r} is not a version: it has to start with a number'
        )
    return tuple(int(part or 0) for part in match.groups())  # type: ignore


def installed_version(package: str) -> str | None:
    """Version of an installed package, None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        pass
    # A checkout on PYTHONPATH has no metadata.
    try:
        return getattr(importlib.import_module(package), '__version__', None)
    except ImportError:
        return None


def accepted_range(low: str, high: str | None) -> str:
    """The range as pip writes it.

    Examples:
        >>> accepted_range('2.0.0', '2.2.0')
        '>=2.0.0,<2.2.0'
    """
    return f'>={low}' + (f',<{high}' if high else '')


def check_package(package: str) -> str | None:
    """What is wrong with an installed package, None if nothing is.

    Args:
        package: A key of ``REQUIRED`` or ``OPTIONAL``.
    """
    low, high = {**REQUIRED, **OPTIONAL}[package]
    found = installed_version(package)
    wanted = accepted_range(low, high)
    if found is None:
        return f'{package} is not installed (accepted: {wanted})'
    number = parse_version(found)
    if number < parse_version(low) or (high and number >= parse_version(high)):
        return f'{package} {found} is installed (accepted: {wanted})'
    return None


def check_versions(*packages: str) -> None:
    """Refuse missing or unfit packages with one line.

    Args:
        packages: Keys of ``REQUIRED`` or ``OPTIONAL``; all of ``REQUIRED``
            where none is given.

    Raises:
        ImportError: One line with everything that is wrong and the fix.
    """
    names = packages or tuple(REQUIRED)
    problems = [text for text in map(check_package, names) if text]
    if problems:
        raise ImportError(
            f'rpstn_mmpose {__version__} cannot run: '
            + '; '.join(problems)
            + '. Fix: run `make setup` in the checkout, or install these '
            'versions as the README says under "Other stacks".'
        )
