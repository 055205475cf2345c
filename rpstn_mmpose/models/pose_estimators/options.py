# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""Options of training and testing that each class of estimator adds to."""

from __future__ import annotations

from typing import Any


def options_of(cls: type, name: str) -> dict[str, Any]:
    """Options and their defaults, of a class and all that it stands on.

    Args:
        cls: An estimator; it and its parents may have a dict of that name.
        name: ``'TRAIN_CFG'`` or ``'TEST_CFG'``.
    """
    options: dict[str, Any] = {}
    for kind in reversed(cls.__mro__):
        options.update(vars(kind).get(name, {}))
    return options


def complete_options(
    cls: type, name: str, given: dict | None
) -> dict[str, Any]:
    """Refuse options that the class does not know, fill in the others.

    Args:
        cls: An estimator.
        name: ``'TRAIN_CFG'`` or ``'TEST_CFG'``.
        given: As in a config.

    Returns:
        dict: An entry for each option.

    Raises:
        ValueError: An unknown option.
    """
    options = options_of(cls, name)
    given = dict(given or {})
    unknown = sorted(set(given) - set(options))
    if unknown:
        raise ValueError(
            f'{cls.__name__}: unknown {name.lower()} {unknown}; it takes '
            f'{sorted(options)}'
        )
    return {**options, **given}
