"""Channels open and close as continuous-time Markov chains do, at any time step."""

import numpy as np
import pytest
from gated_channels import Gated
from scipy.stats import kstest

from mc import theory

OPENING, CLOSING = 0.2, 0.5
"""1/ns."""

TWO_STATES = {
    "states": ["closed", "open"],
    "open": ["open"],
    "rates": {"closed->open": OPENING, "open->closed": CLOSING},
}
FIVE_STATES = {
    "states": ["C1", "C2", "C3", "O", "I"],
    "open": ["O"],
    "rates": {
        "C1->C2": 0.6,
        "C2->C1": 0.2,
        "C2->C3": 0.4,
        "C3->C2": 0.3,
        "C3->O": 0.5,
        "O->C3": 0.25,
        "O->I": 0.15,
        "I->C1": 0.1,
    },
}
TIME_STEPS = (0.1, 1.0, 10.0)


@pytest.fixture(scope="module", params=TIME_STEPS)
def two_states(request):
    return Gated(TWO_STATES, request.param, count=300, duration=1000.0)


def test_two_state_occupancy(two_states):
    """The time average of 300 channels over 700 relaxation times: 5 sigma of sqrt(2 p (1 - p) tau/(n T))."""
    open_times = two_states.dwell_times(1).sum()
    closed_times = two_states.dwell_times(0).sum()
    expected = theory.two_state_open_probability(OPENING, CLOSING)
    relaxation_time = 1.0 / (OPENING + CLOSING)
    samples = two_states.count * two_states.duration / (2.0 * relaxation_time)
    error = np.sqrt(theory.binomial_variance(1, expected) / samples)
    assert error < 0.002
    assert abs(open_times / (open_times + closed_times) - expected) < 5.0 * error
    assert abs(open_times / (open_times + closed_times) - CLOSING / (OPENING + CLOSING)) > 50.0 * error


@pytest.mark.parametrize(("state", "rate"), [(0, OPENING), (1, CLOSING)])
def test_two_state_dwell_times_are_exponential(two_states, state, rate):
    """Means within 5 sigma; Kolmogorov-Smirnov with a false alarm in 1e-6 of all seeds."""
    times = two_states.dwell_times(state)
    assert times.size > 30_000
    assert abs(times.mean() * rate - 1.0) < 5.0 / np.sqrt(times.size)
    assert kstest(times, "expon", args=(0.0, 1.0 / rate)).pvalue > 1e-6
    assert kstest(times, "expon", args=(0.0, 1.05 / rate)).pvalue < 1e-6


def test_dwell_times_of_a_rate_turned_into_a_chance_per_step_would_be_noticed():
    """Geometric numbers of steps of 1 ns have the right mean, but not the distribution."""
    times = np.random.default_rng(1).geometric(CLOSING * 1.0, 30_000) * 1.0
    assert times.mean() * CLOSING == pytest.approx(1.0, abs=0.03)
    assert kstest(times, "expon", args=(0.0, 1.0 / CLOSING)).pvalue < 1e-100


def test_the_variance_of_open_channels_is_binomial(two_states):
    """Independent samples every 10 ns (seven relaxation times): 100 of them, 5 sigma of sqrt(2/n)."""
    n_open = np.array(two_states.open[:: 10 if len(two_states.open) > 200 else 1])
    expected = theory.binomial_variance(two_states.count, OPENING / (OPENING + CLOSING))
    assert n_open.size > 90
    assert abs(n_open.var(ddof=1) / expected - 1.0) < 5.0 * np.sqrt(2.0 / n_open.size)


@pytest.mark.parametrize("time_step", TIME_STEPS)
@pytest.mark.parametrize(
    ("gating", "initial"), [(TWO_STATES, "closed"), (FIVE_STATES, "C1")], ids=["two", "five"]
)
def test_the_states_relax_as_the_matrix_exponential_says(gating, initial, time_step):
    """4000 channels from one state; at each time all states within 5 sigma of their binomial errors."""
    gated = Gated(gating, time_step, count=4000, duration=20.0, initial=initial)
    start = np.eye(len(gated.rates))[gating["states"].index(initial)]
    for time in (0.5, 1.5, 5.0, 19.0):
        expected = theory.relax(gated.rates, start, time)
        error = np.sqrt(expected * (1.0 - expected) / gated.count)
        fractions = gated.states_at(time) / gated.count
        assert np.all(abs(fractions - expected) < 5.0 * error + 1e-12), time


def test_a_first_order_update_would_be_noticed():
    """In a step of 1 ns it would leave 1 - (a + b) dt of the disturbance: 0.3, where exp(-0.7) is 0.5."""
    gated = Gated(TWO_STATES, 1.0, count=4000, duration=20.0, initial="closed")
    final = theory.two_state_open_probability(OPENING, CLOSING)
    first_order = final * (OPENING + CLOSING)
    measured = gated.states_at(1.0)[1] / gated.count
    assert abs(measured - first_order) > 5.0 * np.sqrt(first_order * (1.0 - first_order) / gated.count)


@pytest.mark.parametrize("time_step", TIME_STEPS)
def test_five_state_occupancy_and_dwell_times(time_step):
    """A scheme without detailed balance, 300 channels for 600 ns.

    Dwell times within 5 sigma; occupancies after 60 ns, drawn anew by 300 channels, within 5 sigma.
    """
    gated = Gated(FIVE_STATES, time_step, count=300, duration=600.0)
    for state, mean in enumerate(theory.dwell_time_means(gated.rates)):
        times = gated.dwell_times(state)
        assert times.size > 1000
        # The longest visits are cut off by the end of the run: a fraction mean/duration of them, shorter by as much.
        assert abs(times.mean() / mean - 1.0) < 5.0 / np.sqrt(times.size) + 2.0 * mean / gated.duration
    distribution = theory.stationary_distribution(gated.rates)
    samples = np.array([gated.states_at(time) for time in np.arange(60.0, 600.0, 60.0)])
    error = np.sqrt(distribution * (1.0 - distribution) / (gated.count * len(samples)))
    assert np.all(abs(samples.mean(axis=0) / gated.count - distribution) < 5.0 * error)
    assert np.any(abs(samples.mean(axis=0) / gated.count - 0.2) > 10.0 * error)
