import math

import numpy as np
import pytest
from scipy.stats import chi2, norm
from scipy.stats import t as student

from mc.analysis.statistics import Estimate
from mc.validation.law import (
    Check,
    check_chi_square,
    check_converged,
    check_count,
    check_estimate,
    check_exact,
    check_mean,
    check_resolved,
    check_share,
    check_solved,
    check_variance,
    variance_degrees_of_freedom,
)


def test_a_difference_is_in_standard_errors_and_its_chance_two_sided():
    check = Check("potential", -86.0, 0.5, -87.0, "mV")
    assert check.score == 2.0
    assert check.p_value == pytest.approx(2.0 * norm.sf(2.0))


def test_an_uncertain_standard_error_makes_large_differences_more_likely():
    check = check_estimate("mean", Estimate(1.0, 0.2, 100.0, 3.0), 0.0)
    assert check.degrees_of_freedom == 10.0
    assert check.p_value == pytest.approx(2.0 * student.sf(5.0, 10.0))
    assert check_mean("mean", np.array([1.0, 2.0, 4.0]), 0.0).degrees_of_freedom == 2.0


def test_counts_and_shares_have_the_errors_that_theory_gives_them():
    assert check_count("ions", 110, 100).score == 1.0
    assert check_share("inside", 60, 100, 0.5).score == pytest.approx(2.0)


def test_what_is_exact_differs_or_does_not():
    assert check_exact("ions", 3, 3).p_value == 1.0
    assert check_exact("ions", 3, 2).p_value == 0.0
    assert check_exact("ions", math.nan, 2).p_value == 0.0


def test_where_nothing_is_random_a_check_holds_within_its_resolution_and_not_beyond():
    check = Check("potential", -86.98, 0.0, -87.0, "mV")
    assert check_resolved(check, 0.03).p_value == 1.0
    assert check_resolved(check, 0.01).p_value == 0.0
    assert check_resolved(check, 0.01).score == pytest.approx(2.0)


def test_what_is_solved_holds_within_what_the_steps_leave():
    assert check_solved(Check("potential", -80.0015, 0.0, -80.0, "mV")).p_value == 1.0
    assert check_solved(Check("potential", -80.0025, 0.0, -80.0, "mV")).p_value == 0.0
    assert check_solved(Check("share", 0.50004, 0.0, 0.5)).p_value == 1.0
    assert check_solved(Check("share", 0.5001, 0.0, 0.5)).p_value == 0.0


def test_two_grids_tell_how_far_off_the_finer_one_may_be():
    """Of second order: from a difference of 0.4 between them the finer one is off by 0.133, three times over."""
    coarse, fine = (Check("concentration", value, 0.0, 10.0, "mM") for value in (10.5, 10.1))
    held = check_converged(coarse, fine, 2.0)
    assert held.standard_error == pytest.approx(0.4 + 1e-4 * 10.1)
    assert held.p_value == 1.0
    assert check_converged(Check("c", 10.5, 0.0, 10.0), Check("c", 10.3, 0.0, 10.0), 2.0).p_value == 0.0
    # Where both agree, the steps of the solver remain.
    exact = Check("potential", -80.001, 0.0, -80.0, "mV")
    assert check_converged(exact, exact, 2.0).standard_error == pytest.approx(0.002)


def test_chi_square_of_many_differences():
    check = check_chi_square("profile", np.array([1.0, -2.0, 3.0]), np.ones(3))
    assert check.measured == 14.0
    assert check.p_value == pytest.approx(chi2.sf(14.0, 3))


def test_a_variance_is_judged_by_chi_square_on_both_sides():
    low, high = (check_variance("variance", value, 1.0, 50.0).p_value for value in (0.4, 1.8))
    assert low == pytest.approx(2.0 * chi2.cdf(20.0, 50))
    assert high == pytest.approx(2.0 * chi2.sf(90.0, 50))


def test_squares_of_a_correlated_series_vary_as_its_correlation_says():
    """500 series of 1000 samples: their mean squares vary by 2/dof, to 6 %; 5 sigma."""
    decay, generator = 0.8, np.random.default_rng(1)
    series = np.empty((500, 1000))
    series[:, 0] = generator.standard_normal(500)
    for i in range(1, 1000):
        series[:, i] = decay * series[:, i - 1] + np.sqrt(1.0 - decay**2) * generator.standard_normal(500)
    degrees = variance_degrees_of_freedom(decay ** np.arange(1, 60), 1000)
    assert degrees == pytest.approx(1000 * (1.0 - decay**2) / (1.0 + decay**2), rel=1e-6)
    ratio = (series**2).mean(axis=1).var(ddof=1) / (2.0 / degrees)
    assert abs(ratio - 1.0) < 5.0 * np.sqrt(2.0 / 499)
