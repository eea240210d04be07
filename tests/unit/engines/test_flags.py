"""Flagged ions among many."""

import numpy as np
import pytest
from numba import njit

from mc.engines.brownian import flags


@njit
def collect(is_candidate, first_ion, candidates, n_candidates):
    return flags.collect(is_candidate, first_ion, candidates, n_candidates)


@pytest.mark.parametrize("size", [140, 1300])
@pytest.mark.parametrize("flagged", [[], [0], [31, 32], [63, 64], [127], [130, 131], list(range(140))])
def test_collect_finds_every_candidate_in_order(flagged, size):
    is_candidate, candidates = np.zeros(size, np.uint32), np.zeros(size + 60, np.uint32)
    flagged = [*flagged, size - 1] if size > 140 else flagged
    is_candidate[flagged] = 1
    n = collect(is_candidate, 1000, candidates, 3)
    assert n == 3 + len(flagged)
    assert list(candidates[3:n]) == [1000 + k for k in flagged]
