# Copyright (c) rpstn_mmpose contributors. All rights reserved.
"""What hides joints, and for how long."""

from __future__ import annotations

import numpy as np

# Entries of ``hidden_by``: what is drawn over a joint. The torso hides limbs
# of the same person; what lies outside of the picture nothing hides.
HIDDEN_BY = ('nothing', 'thing', 'person', 'itself', 'outside')
NEVER_SEEN = -1
# Frames since a joint was last seen, the first and the last of each bin.
_BINS = {
    'unseen_1': (1, 1),
    'unseen_2-3': (2, 3),
    'unseen_4-7': (4, 7),
    'unseen_8+': (8, np.inf),
    'never_seen': (NEVER_SEEN, NEVER_SEEN),
}
HIDDEN_KINDS = ('by_thing', 'by_person', *_BINS)


def frames_unseen(visible: np.ndarray) -> np.ndarray:
    """Frames since each joint was last seen.

    Args:
        visible: (n, K), nonzero where a joint is seen, of all frames of a
            video in order.

    Returns:
        np.ndarray: (n, K) int32; 0 where a joint is seen, ``NEVER_SEEN``
        where no frame before shows it.

    Examples:
        >>> frames_unseen([[0], [1], [0], [0], [1]]).ravel()
        array([-1,  0,  1,  2,  0], dtype=int32)
    """
    seen = np.asarray(visible) > 0
    frames = np.arange(len(seen))[:, None]
    last = np.maximum.accumulate(np.where(seen, frames, -1), axis=0)
    return np.where(last < 0, NEVER_SEEN, frames - last).astype(np.int32)


def hidden_masks(
    hidden: np.ndarray, hidden_by: np.ndarray, unseen: np.ndarray
) -> dict[str, np.ndarray]:
    """Hidden joints, by what hides them, and by frames since last seen.

    Args:
        hidden: (n, K) bool, joints that are labelled and not visible.
        hidden_by: (n, K), numbers of ``HIDDEN_BY``.
        unseen: (n, K), see :func:`frames_unseen`.

    Returns:
        dict[str, np.ndarray]: (n, K) bool by ``HIDDEN_KINDS``: those behind
        things, those behind people, then both together by ``unseen``.

    Examples:
        >>> row = dict(hidden=np.array([True, True, False]),
        ...            hidden_by=np.array([1, 2, 2]),
        ...            unseen=np.array([3, -1, 0]))
        >>> found = hidden_masks(**row)
        >>> found['by_person']
        array([False,  True, False])
        >>> found['unseen_2-3']
        array([ True, False, False])
    """
    masks = {
        f'by_{name}': hidden & (hidden_by == HIDDEN_BY.index(name))
        for name in ('thing', 'person')
    }
    behind = masks['by_thing'] | masks['by_person']
    for name, (first, last) in _BINS.items():
        masks[name] = behind & (first <= unseen) & (unseen <= last)
    return masks
