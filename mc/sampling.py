"""Few members that stand for many: which ions are recorded, which ions and proteins are drawn."""

from __future__ import annotations

import numpy as np

LEAST_OF_A_SPECIES = 20
"""Ions of a species in a sample, if there are so many, however rare it is beside the others."""


def quotas(sizes: np.ndarray, limit: int, least: int) -> np.ndarray:
    """Return how many members of groups of `sizes` (groups,) are in a fair sample of at most `limit`.

    Each group counts in proportion to its size; a small one has `least` members, or all that it has, as far as the
    limit allows for all groups.
    """
    total = int(sizes.sum())
    sizes = sizes.astype(np.int64)
    if total <= limit:
        return sizes
    floor = min(least, limit // int(np.count_nonzero(sizes)))
    quota = np.maximum(np.ceil(sizes * (limit / total)).astype(np.int64), np.minimum(sizes, floor))
    while quota.sum() > limit:
        quota[quota.argmax()] -= 1
    return quota


def fair_sample(group: np.ndarray, limit: int, least: int) -> np.ndarray:
    """Return the indices of at most `limit` members, each group as `quotas` says.

    `group` (members,) tells the group of each. Within a group the members are evenly spaced.
    """
    sizes = np.bincount(group)
    if len(group) <= limit:
        return np.arange(len(group))
    members = (np.flatnonzero(group == i) for i in range(len(sizes)))
    quota = quotas(sizes, limit, least)
    chosen = [of_one[evenly_spaced(len(of_one), n)] for of_one, n in zip(members, quota, strict=True)]
    return np.sort(np.concatenate(chosen))


def evenly_spaced(n: int, n_chosen: int) -> np.ndarray:
    """Return `n_chosen` of the indices below `n`, with the first and the last."""
    return np.round(np.linspace(0, n - 1, n_chosen)).astype(np.int64)
