import math

import numpy as np
import pytest
from emcee import autocorr
from scipy.signal import lfilter

from mc.analysis.statistics import block_average, standard_score, variance_estimate


def correlated_series(correlation, n_samples, n_series, seed):
    """Series of mean 0 and variance 1 with autocorrelation correlation**lag, in their stationary state."""
    shocks = np.random.default_rng(seed).standard_normal((n_series, n_samples))
    shocks[:, 1:] *= math.sqrt(1.0 - correlation**2)
    return lfilter([1.0], [1.0, -correlation], shocks)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.95])
def test_correlation_time_is_that_of_emcee(correlation):
    for series in correlated_series(correlation, 5000, 3, seed=1):
        measured = block_average(series).correlation_samples
        assert measured == pytest.approx(max(1.0, autocorr.integrated_time(series)[0]), rel=1e-9)


def test_estimate_of_a_known_series():
    series = correlated_series(0.9, 100_000, 1, seed=2)[0]
    estimate = block_average(series)
    # tau = (1 + 0.9)/(1 - 0.9) = 19 samples.
    assert estimate.correlation_samples == pytest.approx(19.0, rel=0.15)
    assert estimate.standard_error == pytest.approx(math.sqrt(19.0 / 100_000), rel=0.1)
    assert estimate.n_effective == pytest.approx(100_000 / estimate.correlation_samples)
    assert estimate.mean == series.mean()


@pytest.mark.parametrize(("correlation", "n_samples"), [(0.0, 200), (0.9, 2000)])
def test_standard_errors_cover_the_truth_as_often_as_they_should(correlation, n_samples):
    series = correlated_series(correlation, n_samples, 400, seed=3)
    means = np.array([block_average(one)[:2] for one in series])
    variances = np.array([variance_estimate(one)[:2] for one in series])
    for (values, errors), truth in ((means.T, 0.0), (variances.T, 1.0)):
        scores = standard_score(values, truth, errors)
        # 68.3 % and 95.4 % of 400, with binomial errors of 2.3 % and 1.0 % and some room for short series.
        assert 0.60 < np.mean(np.abs(scores) < 1.0) < 0.76
        assert 0.90 < np.mean(np.abs(scores) < 2.0) < 0.985
    assert variances[:, 0].mean() == pytest.approx(1.0, abs=0.03)


def test_too_few_independent_samples_are_said_aloud():
    assert not block_average(correlated_series(0.99, 1000, 1, seed=4)[0]).is_reliable
    assert not block_average(np.arange(1000.0)).is_reliable
    assert block_average(correlated_series(0.0, 1000, 1, seed=4)[0]).is_reliable


def test_anticorrelation_earns_no_credit():
    estimate = block_average(np.tile([1.0, -1.0], 100))
    assert estimate.correlation_samples == 1.0
    assert estimate.standard_error == pytest.approx(1.0 / math.sqrt(200), rel=0.02)


def test_degenerate_series_are_not_reliable():
    constant = block_average([-70.1] * 50)
    assert constant.mean == pytest.approx(-70.1)
    assert (constant.standard_error, constant.n_effective, constant.is_reliable) == (0.0, 1.0, False)
    single = block_average([2.0])
    assert single.mean == 2.0
    assert math.isnan(single.standard_error)
    assert math.isnan(variance_estimate([2.0, 2.0]).mean)


@pytest.mark.parametrize(
    ("series", "message"),
    [([], "at least one sample"), ([[1.0, 2.0]], "one axis"), ([1.0, math.nan], "found nan at sample 1")],
)
def test_series_that_cannot_be_averaged_are_refused(series, message):
    with pytest.raises(ValueError, match=message):
        block_average(series)


def test_standard_score():
    np.testing.assert_array_equal(standard_score([3.0, 1.0, 2.0], 1.0, [0.5, 0.0, 0.0]), [4.0, 0.0, np.inf])
    assert standard_score(-1.0, 1.0, 2.0) == -1.0


def test_a_known_correlation_is_a_lower_bound():
    values = np.random.default_rng(4).normal(size=1000)
    free, bounded = block_average(values), block_average(values, 50.0)
    assert bounded.correlation_samples == 50.0
    assert bounded.standard_error == pytest.approx(
        free.standard_error * math.sqrt(50.0 / free.correlation_samples)
    )
    assert block_average(values, 0.1) == free
