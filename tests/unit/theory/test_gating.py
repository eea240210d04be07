import mpmath
import numpy as np
import pytest

from mc import theory

THREE_STATES = np.array([[0.0, 2.0, 0.0], [0.5, 0.0, 1.0], [0.0, 0.1, 0.0]])


def generator_of(rates):
    return rates - np.diag(rates.sum(axis=1))


@pytest.mark.parametrize("seed", range(5))
def test_stationary_distribution_is_left_alone_by_the_generator(seed):
    rates = 10.0 ** np.random.default_rng(seed).uniform(-3, 1, (5, 5))
    np.fill_diagonal(rates, 0.0)
    distribution = theory.stationary_distribution(rates)
    assert distribution.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(distribution @ generator_of(rates), 0.0, atol=1e-14)


def test_stationary_distribution_ignores_the_diagonal():
    with_diagonal = generator_of(THREE_STATES)
    np.testing.assert_array_equal(
        theory.stationary_distribution(with_diagonal), theory.stationary_distribution(THREE_STATES)
    )


def test_stationary_distribution_keeps_its_accuracy_with_rates_of_any_spread():
    rates = np.array([[0.0, 1e-12, 0.0], [1e3, 0.0, 1e-9], [0.0, 1e6, 0.0]])
    distribution = theory.stationary_distribution(rates)
    np.testing.assert_allclose(distribution[1:], [1e-15, 1e-30], rtol=1e-12)


def test_stationary_distribution_of_a_scheme_that_is_left_for_good():
    rates = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 2.0], [0.0, 1.0, 0.0]])
    np.testing.assert_allclose(theory.stationary_distribution(rates), [0.0, 1 / 3, 2 / 3])
    np.testing.assert_array_equal(theory.stationary_distribution([[0.0, 1.0], [0.0, 0.0]]), [0.0, 1.0])
    np.testing.assert_array_equal(theory.stationary_distribution([[0.0]]), [1.0])


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ([[0.0, 0.0], [0.0, 0.0]], "several groups of states"),
        ([[0.0, -1.0], [1.0, 0.0]], "must not be negative"),
        ([[0.0, 1.0]], "square"),
    ],
)
def test_stationary_distribution_refuses_what_has_none(rates, message):
    with pytest.raises(ValueError, match=message):
        theory.stationary_distribution(rates)


def test_relax_is_the_matrix_exponential():
    times = np.array([0.0, 0.3, 4.0])
    measured = theory.relax(THREE_STATES, [1.0, 0.0, 0.0], times)
    assert measured.shape == (3, 3)
    for time, distribution in zip(times, measured, strict=True):
        exact = mpmath.expm(mpmath.matrix((generator_of(THREE_STATES) * time).tolist()))
        np.testing.assert_allclose(distribution, [float(exact[0, j]) for j in range(3)], atol=1e-12)
    np.testing.assert_allclose(
        theory.relax(THREE_STATES, [0.0, 0.0, 1.0], 1e4), theory.stationary_distribution(THREE_STATES)
    )


def test_two_state_forms_are_those_of_the_general_chain():
    opening, closing, time = 2.0, 0.5, 0.7
    rates = [[0.0, opening], [closing, 0.0]]
    open_probability = theory.two_state_open_probability(opening, closing)
    stationary = theory.stationary_distribution(rates)
    assert open_probability == pytest.approx(theory.open_probability(stationary, [False, True]))
    relaxed = theory.relax(rates, [0.9, 0.1], time)
    assert theory.two_state_relaxation(opening, closing, 0.1, time) == pytest.approx(relaxed[1])
    assert theory.two_state_autocorrelation(opening, closing, time) == pytest.approx(np.exp(-2.5 * time))
    assert theory.open_and_closed_dwell_times(rates, [False, True]) == pytest.approx((2.0, 0.5))


def test_dwell_times_of_states_and_of_openings():
    np.testing.assert_allclose(theory.dwell_time_means(THREE_STATES), [0.5, 1 / 1.5, 10.0])
    assert theory.dwell_time_means([[0.0, 1.0], [0.0, 0.0]])[1] == np.inf
    # States 1 and 2 conduct: openings begin in 1, and end there with the chance of going to 0 rather than 2.
    visits_to_1 = 1.0 / (0.5 / 1.5)
    expected_open = visits_to_1 * (1 / 1.5) + (visits_to_1 - 1) * 10.0
    measured = theory.open_and_closed_dwell_times(THREE_STATES, [False, True, True])
    assert measured.open == pytest.approx(expected_open)
    assert measured.closed == pytest.approx(0.5)


def test_dwell_times_of_a_channel_that_stays_open():
    assert theory.open_and_closed_dwell_times([[0.0, 1.0], [0.0, 0.0]], [False, True]).open == np.inf


def test_the_mixture_of_dwell_times_is_the_matrix_exponential_of_the_class():
    rates = np.array(
        [
            [0.0, 0.6, 0.0, 0.0, 0.2],
            [0.2, 0.0, 0.4, 0.0, 0.0],
            [0.0, 0.3, 0.0, 0.5, 0.0],
            [0.0, 0.0, 0.25, 0.0, 0.15],
            [0.3, 0.0, 0.0, 0.1, 0.0],
        ]
    )
    is_member = np.array([True, True, True, False, False])
    mixture = theory.dwell_time_mixture(rates, is_member)
    assert mixture.weights.sum() == pytest.approx(1.0)
    assert np.all(np.diff(mixture.time_constants) > 0.0)
    # What is left of the entries after a time, by a series of the generator instead of its eigenvalues.
    entries = theory.stationary_distribution(rates)[3:] @ rates[3:, :3]
    inner = mpmath.matrix(generator_of(rates)[:3, :3].tolist())
    for time in (0.1, 1.0, 10.0):
        left = np.array(mpmath.expm(inner * time).tolist(), dtype=float).sum(axis=1)
        expected = entries @ left / entries.sum()
        measured = mixture.weights @ np.exp(-time / mixture.time_constants)
        assert measured == pytest.approx(expected, rel=1e-10)
    means = theory.open_and_closed_dwell_times(rates, is_member)
    assert mixture.weights @ mixture.time_constants == pytest.approx(means.open)


def test_one_state_alone_has_exponential_dwell_times():
    mixture = theory.dwell_time_mixture(THREE_STATES, [False, False, True])
    assert (mixture.time_constants[0], mixture.weights[0]) == pytest.approx((10.0, 1.0))


@pytest.mark.parametrize(
    ("rates", "is_member", "message"),
    [
        ([[0.0, 1.0], [0.0, 0.0]], [False, True], "never entered"),
        ([[0.0, 1.0], [1.0, 0.0]], [True, True], "never left"),
        (
            [[0.0, 1.0, 0.0, 0.1], [0.0, 0.0, 1.0, 0.1], [1.0, 0.0, 0.0, 0.1], [0.1, 0.1, 0.1, 0.0]],
            [True, True, True, False],
            "oscillate",
        ),
    ],
)
def test_a_class_without_a_mixture_is_refused(rates, is_member, message):
    with pytest.raises(ValueError, match=message):
        theory.dwell_time_mixture(rates, is_member)


def test_binomial_variance():
    np.testing.assert_allclose(theory.binomial_variance(400, [0.0, 0.8, 1.0]), [0.0, 64.0, 0.0])
