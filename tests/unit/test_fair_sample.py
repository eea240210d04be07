"""Samples are fair, keep what is rare, and never exceed their limit."""

import numpy as np
import pytest

from mc.sampling import evenly_spaced, fair_sample


def test_a_sample_is_fair_but_keeps_what_is_rare():
    species = np.repeat([0, 1, 3], [6000, 3970, 30])
    chosen = fair_sample(species, 1000, least=20)
    assert len(np.unique(chosen)) == len(chosen)
    assert np.bincount(species[chosen]).tolist() == pytest.approx([597, 397, 0, 20], abs=20)
    assert np.bincount(species[chosen])[3] == 20
    assert 990 <= len(chosen) <= 1000
    # Evenly spaced: the members of a species that come first, as those inside do, are not preferred.
    assert np.diff(chosen[:500]).max() <= 11


@pytest.mark.parametrize("limit", [1, 2, 7, 60])
def test_a_sample_never_exceeds_its_limit(limit):
    species = np.repeat(np.arange(5), [40, 30, 20, 1, 1])
    chosen = fair_sample(species, limit, least=20)
    assert 0 < len(chosen) <= limit
    if limit >= 5:
        assert set(species[chosen]) == set(range(5))


def test_few_members_are_all_taken():
    assert fair_sample(np.array([0, 1, 1]), 3, least=1).tolist() == [0, 1, 2]


def test_evenly_spaced_members_begin_with_the_first_and_end_with_the_last():
    assert evenly_spaced(11, 3).tolist() == [0, 5, 10]
    assert evenly_spaced(4, 4).tolist() == [0, 1, 2, 3]
