"""Binomial and Poisson numbers: right at any size, never out of range, a function of key, entity and draw."""

from math import lgamma, log, pi

import numba
import numpy as np
import pytest
from scipy import optimize, special, stats

from mc import streams
from mc.engines.lattice import sampling

N_DRAWS = 200_000
FALSE_ALARM = 1e-7
"""Of each test by chance."""

BINOMIALS = [
    (1, 0.3),
    (7, 0.5),
    (40, 0.1),
    (40, 0.9),
    (21, 0.5),
    (1000, 0.0099),
    (1000, 0.0101),
    (1000, 0.7),
    (10**6, 5e-6),
    (10**6, 0.3),
    (10**9, 3e-8),
    (10**9, 0.25),
    (241, 0.3),
    (237, 0.3),
    (4 * 10**11, 0.6),
]
"""Numbers and chances: by inversion, rejection and quantiles, at the seams between them, and by the complement."""

MEANS = [0.02, 3.0, 9.99, 10.01, 250.0, 1e6, 1e9]


@numba.njit
def draw_binomials(n, probability, key, n_draws):
    counts = np.empty(n_draws, dtype=np.int64)
    for entity in range(n_draws):
        counts[entity], _ = sampling.binomial(n, probability, key, entity, 0)
    return counts


@numba.njit
def draw_poissons(mean, key, n_draws):
    counts = np.empty(n_draws, dtype=np.int64)
    for entity in range(n_draws):
        counts[entity], _ = sampling.poisson(mean, key, entity, 0)
    return counts


@numba.njit
def draw_normals(key, entity, draw, numbers, normals, places, outer):
    sampling.draw_normals(key, entity, draw, numbers, normals, places, outer)


@pytest.fixture
def key():
    return sampling.make_step_key(streams.stream_key(1, streams.VOXEL_DIFFUSION), 3)


def chance_of_worse(counts, law):
    """Return the chance of a larger chi-square, in up to 50 bins of about the same expectation."""
    edges = np.unique(law.ppf(np.linspace(0.0, 1.0, 51)[1:-1]))
    expected = np.diff(np.concatenate([[0.0], law.cdf(edges), [1.0]])) * counts.size
    observed = np.bincount(np.searchsorted(edges, counts, side="left"), minlength=expected.size)
    # A last bin beyond all chance, of a law that ends at its edge, has nothing to expect.
    is_possible = expected > 5.0
    assert observed[~is_possible].sum() <= 5.0 * np.count_nonzero(~is_possible) + 20
    surplus = (observed - expected)[is_possible]
    return stats.chi2.sf((surplus**2 / expected[is_possible]).sum(), is_possible.sum() - 1)


@pytest.mark.parametrize(("n", "probability"), BINOMIALS)
def test_binomial_numbers_have_their_distribution(key, n, probability):
    counts = draw_binomials(n, probability, key, N_DRAWS)
    law = stats.binom(n, probability)
    assert 0 <= counts.min() <= counts.max() <= n
    assert chance_of_worse(counts, law) > FALSE_ALARM
    # Mean and variance, 5 standard errors each.
    assert abs(counts.mean() - law.mean()) < 5.0 * law.std() / np.sqrt(N_DRAWS)
    kurtosis = float(law.stats(moments="k"))
    assert abs(counts.var() / law.var() - 1.0) < 5.0 * np.sqrt((2.0 + kurtosis) / N_DRAWS)


@pytest.mark.parametrize("mean", MEANS)
def test_poisson_numbers_have_their_distribution(key, mean):
    counts = draw_poissons(mean, key, N_DRAWS)
    assert chance_of_worse(counts, stats.poisson(mean)) > FALSE_ALARM
    assert abs(counts.mean() - mean) < 5.0 * np.sqrt(mean / N_DRAWS)
    assert abs(counts.var() / mean - 1.0) < 5.0 * np.sqrt((2.0 + 1.0 / mean) / N_DRAWS)


@pytest.mark.parametrize(("n", "probability"), BINOMIALS)
def test_a_shift_by_a_thirtieth_of_a_deviation_would_be_noticed(key, n, probability):
    """Another chance, by as much as 15 standard errors of the mean."""
    shift = np.sqrt(probability * (1.0 - probability) / n) / 30.0
    counts = draw_binomials(n, probability, key, N_DRAWS)
    assert chance_of_worse(counts, stats.binom(n, probability + shift)) < FALSE_ALARM


@pytest.mark.parametrize("n", [100, 10**6])
def test_a_normal_number_rounded_would_be_noticed(n):
    """A binomial of variance 16 is skewed: a normal approximation is not good enough there, nor does it pass."""
    probability = 16.5 / n
    numbers = np.random.default_rng(1).normal(n * probability, np.sqrt(16.5), N_DRAWS)
    counts = np.clip(np.rint(numbers), 0, n).astype(np.int64)
    assert chance_of_worse(counts, stats.binom(n, probability)) < FALSE_ALARM


def test_events_of_one_in_a_billion_happen_as_often_as_they_should(key):
    """A chance below the resolution of a 32-bit word: 1e9 rows of one ion would take long; 1e6 rows of 1000 do."""
    counts = draw_binomials(1000, 1e-7, key, 10**6)
    assert abs(counts.sum() - 100) < 5.0 * 10.0
    assert draw_binomials(1000, 0.0, key, 1000).sum() == 0
    assert np.all(draw_binomials(1000, 1.0, key, 1000) == 1000)
    assert draw_binomials(0, 0.5, key, 1000).sum() == 0


def test_numbers_follow_from_key_entity_and_draw_alone(key):
    again = draw_binomials(10**6, 0.3, key, 100)
    assert np.array_equal(again, draw_binomials(10**6, 0.3, key, 100))
    other = sampling.make_step_key(streams.stream_key(1, streams.VOXEL_DIFFUSION), 4)
    assert not np.array_equal(again, draw_binomials(10**6, 0.3, other, 100))
    beyond = sampling.make_step_key(streams.stream_key(1, streams.VOXEL_DIFFUSION), 3 + 2**32)
    assert not np.array_equal(again, draw_binomials(10**6, 0.3, beyond, 100))


@pytest.mark.parametrize("k", [0, 1, 5, 9, 10, 11, 100, 10**6])
def test_stirlings_correction_gives_the_logarithm_of_a_factorial(k):
    stirling = (k + 0.5) * log(k + 1.0) - (k + 1.0) + 0.5 * log(2.0 * pi)
    assert stirling + sampling.stirling_correction(k) == pytest.approx(lgamma(k + 1.0), rel=1e-10, abs=1e-10)


def test_normal_quantiles_are_those_of_scipy():
    probabilities = np.concatenate([np.geomspace(1e-16, 0.5, 2000), 1.0 - np.geomspace(1e-10, 0.5, 1000)])
    found = [sampling.normal_quantile(p) for p in probabilities]
    np.testing.assert_allclose(found, special.ndtri(probabilities), rtol=2e-15, atol=1e-15)


def test_logarithms_are_those_of_the_library():
    x = np.concatenate(
        [np.geomspace(1e-300, 1e300, 3001), 2.0 ** np.arange(-5, 6), np.linspace(0.5, 2.0, 1001)]
    )
    found = [sampling.logarithm(one) for one in x]
    np.testing.assert_allclose(found, np.log(x), rtol=5e-16, atol=3e-16)


def test_normal_numbers_drawn_together_are_those_of_their_draws(key):
    n = 20_000
    numbers, normals, outer = np.zeros((3, n))
    draw_normals(key, 3, 7, numbers, normals, np.zeros(n, np.int64), outer)
    np.testing.assert_array_equal(numbers, [sampling.fine_uniform(key, 3, 7 + i) for i in range(n)])
    np.testing.assert_allclose(normals, special.ndtri(numbers), rtol=2e-15, atol=1e-15)
    # As rare as the third pair of polynomials is for none of these is.
    assert min(numbers.min(), 1.0 - numbers.max()) > sampling.RARE


@pytest.mark.parametrize("probability", [1e-7, 1e-3, 0.1, 0.37, 0.5])
@pytest.mark.parametrize("variance", [50.5, 250.0, 1e3, 1e5, 1e8])
def test_a_large_binomial_has_the_right_distribution_function(probability, variance):
    """A quantile is not random: at which normal number it passes each count is known, to be held against the law."""
    n = round(variance / (probability * (1.0 - probability)))
    law = stats.binom(n, probability)
    counts = np.unique(np.round(law.mean() + law.std() * np.linspace(-5.5, 5.5, 111)))

    def passes(count):
        return optimize.brentq(
            lambda z: sampling.large_binomial_quantile(n, probability, z) - (count + 0.5), -9, 9
        )

    reached = special.ndtr([passes(count) for count in counts])
    np.testing.assert_allclose(reached, law.cdf(counts), rtol=0.0, atol=2e-6)
    # The plain normal number that is tempting is not as good.
    plain = special.ndtr((counts + 0.5 - law.mean()) / law.std())
    if variance < 1e3:
        assert np.abs(plain - law.cdf(counts)).max() > 1e-5
    for count, number in zip(counts[20:-20:10], reached[20:-20:10], strict=True):
        assert sampling.expand_binomial(n, probability, number - 1e-9) <= count
        assert sampling.expand_binomial(n, probability, number + 1e-9) >= count
