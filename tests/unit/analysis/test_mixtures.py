"""Mixtures fitted by maximum likelihood: closed forms, derivatives, and errors that cover the truth.

Bounds are five standard errors: a false alarm in 6e-7 of all seeds.
"""

import numpy as np
import pytest

from mc.analysis import mixtures
from mc.analysis.mixtures import fit_exponentials, fit_gaussians

SIGMAS = 5.0


def draw_durations(generator, n, time_constants, weights, *, shortest=0.0, observation=np.inf):
    """Draw durations of which those below `shortest` are lost and those beyond a random end (mean) are cut off."""
    kinds = generator.choice(len(weights), n, p=weights)
    durations = generator.exponential(np.array(time_constants)[kinds])
    ends = generator.exponential(observation, n) if np.isfinite(observation) else np.full(n, np.inf)
    seen = np.minimum(durations, ends) > shortest
    return np.minimum(durations, ends)[seen], (durations > ends)[seen]


def test_one_exponential_has_its_closed_form():
    durations = np.array([1.0, 2.5, 4.0, 0.5, 3.0])
    is_censored = np.array([False, False, True, False, False])
    [fit] = fit_exponentials(durations, is_censored, shortest=0.2)
    time_constant = (durations - 0.2).sum() / 4
    assert fit.time_constants[0] == pytest.approx(time_constant)
    assert fit.time_constant_errors[0] == pytest.approx(time_constant / 2.0)
    assert (fit.weights[0], fit.weight_errors[0], fit.n_complete) == (1.0, 0.0, 4)
    assert fit.log_likelihood == pytest.approx(-4 * np.log(time_constant) - 4)
    assert fit.bayesian_information == pytest.approx(np.log(4) - 2 * fit.log_likelihood)
    assert fit.mean == pytest.approx(time_constant)
    assert fit.density([0.0, time_constant]) == pytest.approx(np.array([1, np.exp(-1)]) / time_constant)
    assert fit.survival(time_constant) == pytest.approx(np.exp(-1))


@pytest.mark.parametrize("kind", ["exponential", "gaussian"])
def test_the_derivatives_of_the_likelihood_are_those_of_differences(kind, monkeypatch):
    generator = np.random.default_rng(1)
    families = []
    maximise = mixtures._maximise

    def remember(family, *start, **options):
        families.append(family)
        return maximise(family, *start, **options)

    monkeypatch.setattr(mixtures, "_maximise", remember)
    if kind == "exponential":
        fit_exponentials(*draw_durations(generator, 40, [1.0, 8.0], [0.5, 0.5], observation=20.0))
        parameters = np.log([[0.7], [3.0], [11.0]])
    else:
        fit_gaussians(generator.normal(size=40))
        parameters = np.array([[-0.5, -0.2], [0.1, 0.3], [1.0, -0.7]])

    def likelihood(free):
        return mixtures._likelihood(
            families[0], free[:-2].reshape(parameters.shape), np.append(free[-2:], 0.0)
        )

    here = np.append(parameters.ravel(), [0.4, -0.3])
    exact = likelihood(here)
    for i, step in enumerate(np.eye(len(here)) * 1e-5):
        above, below = likelihood(here + step), likelihood(here - step)
        assert exact.gradient[i] == pytest.approx((above.value - below.value) / 2e-5, rel=1e-6, abs=1e-5)
        np.testing.assert_allclose(
            exact.hessian[i], (above.gradient - below.gradient) / 2e-5, rtol=1e-6, atol=1e-5
        )


@pytest.fixture(scope="module")
def many_fits():
    """Sixty sets of 400 durations of 1 and 12 ns, lost below 0.3 ns and cut off by ends of 40 ns on average."""
    generator = np.random.default_rng(2)
    sets = [
        draw_durations(generator, 400, [1.0, 12.0], [0.4, 0.6], shortest=0.3, observation=40.0)
        for _ in range(60)
    ]
    return sets, [fit_exponentials(*one, 2, shortest=0.3)[1] for one in sets]


def scores_of(fits):
    return np.array(
        [
            [
                *(fit.time_constants - [1.0, 12.0]) / fit.time_constant_errors,
                (fit.weights[0] - 0.4) / fit.weight_errors[0],
            ]
            for fit in fits
        ]
    )


def test_two_exponentials_are_found_with_their_errors(many_fits):
    """Scores of 60 fits: mean 0 within 5/sqrt(60), mean square 1 within 5 sqrt(2/60)."""
    _, fits = many_fits
    scores = scores_of(fits)
    assert np.all(np.abs(scores.mean(axis=0)) < SIGMAS / np.sqrt(60))
    assert np.all(np.abs((scores**2).mean(axis=0) - 1.0) < SIGMAS * np.sqrt(2 / 60))


def test_counting_cut_off_durations_as_complete_ones_would_be_noticed(many_fits):
    sets, _ = many_fits
    fits = [
        fit_exponentials(durations, is_censored & False, 2, shortest=0.3)[1]
        for durations, is_censored in sets
    ]
    assert np.abs(scores_of(fits).mean(axis=0)).max() > SIGMAS / np.sqrt(60)


def test_not_knowing_of_durations_too_short_to_be_seen_would_be_noticed(many_fits):
    sets, _ = many_fits
    fits = [fit_exponentials(*one, 2)[1] for one in sets]
    assert np.abs(scores_of(fits).mean(axis=0)).max() > SIGMAS / np.sqrt(60)


@pytest.mark.parametrize(
    ("time_constants", "weights"),
    [([3.0], [1.0]), ([1.0, 20.0], [0.5, 0.5]), ([1.0, 15.0, 200.0], [0.3, 0.4, 0.3])],
)
def test_the_information_criterion_finds_the_number_of_components(time_constants, weights):
    durations = draw_durations(np.random.default_rng(3), 3000, time_constants, weights, observation=1000.0)
    fits = fit_exponentials(*durations, 4)
    best = int(np.argmin([fit.bayesian_information for fit in fits]))
    assert best == len(weights) - 1
    likelihoods = [fit.log_likelihood for fit in fits]
    assert np.all(np.diff(likelihoods) > -1e-6)
    measured = fits[best]
    assert np.all(np.abs(measured.time_constants - time_constants) < SIGMAS * measured.time_constant_errors)


def test_few_durations_allow_few_components():
    assert len(fit_exponentials([1.0, 2.0, 3.0], [False] * 3, 4)) == 1
    assert len(fit_exponentials(np.arange(1.0, 5.0), [False] * 4, 4)) == 2


@pytest.mark.parametrize(
    ("durations", "is_censored", "shortest", "message"),
    [
        ([1.0], [True], 0.0, "no duration was seen to its end"),
        ([], [], 0.0, "no duration was seen to its end"),
        ([1.0, 0.0], [False, False], 0.0, "must be above 0 ns"),
        ([1.0, 0.4], [False, False], 0.5, "must be above 0.5 ns, found 0.4"),
    ],
)
def test_durations_that_cannot_be_fitted_are_refused(durations, is_censored, shortest, message):
    with pytest.raises(ValueError, match=message):
        fit_exponentials(durations, is_censored, shortest=shortest)


def test_components_that_are_not_determined_have_no_errors():
    """Two components of the very same durations: their difference does not matter to the likelihood."""
    assert np.isnan(mixtures._inverse_information(np.array([[1.0, 1.0], [1.0, 1.0]]))).all()
    assert np.isnan(mixtures._inverse_information(np.array([[1.0, 0.0], [0.0, -1.0]]))).all()
    exact = mixtures._inverse_information(np.array([[1e-12, 0.0], [0.0, 4e6]]))
    np.testing.assert_allclose(exact, [[1e12, 0.0], [0.0, 2.5e-7]])


def test_two_gaussians_are_found_with_their_errors():
    """Scores of 60 fits of 500 samples, as for the exponentials."""
    generator = np.random.default_rng(4)
    scores = []
    for _ in range(60):
        is_high = generator.random(500) < 0.3
        fit = fit_gaussians(is_high * 1.5 + generator.normal(size=500) * np.where(is_high, 0.4, 0.3))
        scores.append(
            [
                *(fit.means - [0.0, 1.5]) / fit.mean_errors,
                *(fit.standard_deviations - [0.3, 0.4]) / fit.standard_deviation_errors,
                (fit.weights[1] - 0.3) / fit.weight_errors[1],
            ]
        )
    scores = np.array(scores)
    assert np.all(np.abs(scores.mean(axis=0)) < SIGMAS / np.sqrt(60))
    assert np.all(np.abs((scores**2).mean(axis=0) - 1.0) < SIGMAS * np.sqrt(2 / 60))
    value = np.linspace(-3, 5, 2001)
    assert np.trapezoid(fit.density(value), value) == pytest.approx(1.0, abs=1e-6)


def test_correlated_noise_widens_the_errors():
    """Noise with a correlation time of (1 + 0.9)/(1 - 0.9) = 19 samples about two levels."""
    generator = np.random.default_rng(5)
    noise = np.zeros(20_000)
    kicks = generator.normal(size=len(noise)) * np.sqrt(1.0 - 0.9**2) * 0.2
    for i in range(1, len(noise)):
        noise[i] = 0.9 * noise[i - 1] + kicks[i]
    is_open = (np.arange(len(noise)) // 1000) % 2
    fit = fit_gaussians(is_open * 1.5 + noise)
    assert fit.correlation_samples == pytest.approx(19.0, rel=0.3)
    assert fit.mean_errors == pytest.approx(np.full(2, 0.2 * np.sqrt(19.0 / 10_000)), rel=0.2)
    assert np.all(np.abs(fit.means - [0.0, 1.5]) < SIGMAS * fit.mean_errors)


def test_one_gaussian_is_mean_and_deviation():
    samples = np.random.default_rng(6).normal(2.0, 3.0, 300)
    fit = fit_gaussians(samples, 1)
    assert fit.means[0] == pytest.approx(samples.mean())
    assert fit.standard_deviations[0] == pytest.approx(samples.std())
    assert fit.mean_errors[0] == pytest.approx(samples.std() / np.sqrt(300 / fit.correlation_samples))


def test_samples_that_are_no_levels_are_refused():
    with pytest.raises(ValueError, match="at least 6 samples, found 3"):
        fit_gaussians([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="shrank to the single value"):
        fit_gaussians(np.repeat([0.0, 1.0], 50))
