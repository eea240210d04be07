"""Times spent open and shut, in a recorded run, are the sums of exponentials that the rates of the scheme predict.

Time constants and weights are fitted without knowing them; each lies within five standard errors of theory, a false
alarm in 6e-7 of all seeds for each of eight comparisons.
"""

import numpy as np
import pytest

from mc import theory
from mc.analysis import single_channel

SIGMAS = 5.0
STATES = ("C1", "C2", "O", "I")
RATES = {
    "C1->C2": 0.05,
    "C2->C1": 0.2,
    "C2->O": 0.4,
    "O->C2": 0.25,
    "O->I": 0.1,
    "I->O": 0.003,
}
"""1/ns: shuttings to C2 alone, by way of C1 and to I last 1.6 ns, 31 ns and 333 ns."""
IS_OPEN = np.array([False, False, True, False])


def rate_matrix(rates):
    matrix = np.zeros((4, 4))
    for transition, rate in rates.items():
        source, target = transition.split("->")
        matrix[STATES.index(source), STATES.index(target)] = rate
    return matrix


@pytest.fixture(scope="module")
def recording(simulate_patch):
    """1600 channels for 4 us: 58,000 openings."""
    channel = {
        "name": "channel",
        "count": 1600,
        "permeability": {"K": 1e-9},
        "gating": {"states": list(STATES), "open": ["O"], "rates": RATES},
    }
    leak = {"name": "leak", "count": 3, "permeability": {"K": 1e-9}}
    return simulate_patch(
        1,
        inside={"K": 1.0},
        outside={"K": 1.0},
        channels=[leak, channel],
        area=100.0,
        duration=4000.0,
        interval=10.0,
        events=True,
    )


@pytest.fixture(scope="module")
def records(recording):
    return single_channel.channel_records(recording, "channel")


def test_the_records_of_all_channels_add_up_to_the_numbers_of_every_moment(recording, records):
    states = np.array([record.at(recording.time) for record in records])
    for i, state in enumerate(STATES):
        np.testing.assert_array_equal((states == i).sum(axis=0), recording[f"state.channel.{state}"])
    is_open = single_channel.conductance_levels(recording, "channel") > 0
    np.testing.assert_array_equal(is_open, IS_OPEN)
    np.testing.assert_array_equal(is_open[states].sum(axis=0), recording["open_channels.channel"])


def test_the_open_probability_is_that_of_the_stationary_state(records):
    measured = single_channel.open_probability(records, IS_OPEN)
    expected = theory.open_probability(theory.stationary_distribution(rate_matrix(RATES)), IS_OPEN)
    assert measured.is_reliable
    assert measured.standard_error < 0.02 * expected
    assert abs(measured.mean - expected) < SIGMAS * measured.standard_error
    assert abs(measured.mean - 1.2 * expected) > SIGMAS * measured.standard_error


def scores(fit, mixture):
    """Return by how many standard errors time constants and weights lie off theory."""
    return np.concatenate(
        [
            (fit.time_constants - mixture.time_constants) / fit.time_constant_errors,
            (fit.weights - mixture.weights)[1:] / fit.weight_errors[1:],
        ]
    )


def test_openings_and_shuttings_are_the_mixtures_of_the_scheme(records):
    openings, shuttings = single_channel.open_and_shut_dwells(records, IS_OPEN)
    for visits, members in ((openings, IS_OPEN), (shuttings, ~IS_OPEN)):
        mixture = theory.dwell_time_mixture(rate_matrix(RATES), members)
        fit = single_channel.fit_dwells(visits, 4)
        assert len(fit.weights) == members.sum()
        assert np.all(np.abs(scores(fit, mixture)) < SIGMAS)
        assert np.all(fit.time_constant_errors < 0.1 * fit.time_constants)


def test_a_rate_off_by_a_fifth_would_be_noticed(records):
    _, shuttings = single_channel.open_and_shut_dwells(records, IS_OPEN)
    wrong = theory.dwell_time_mixture(rate_matrix(RATES | {"C1->C2": 0.06}), ~IS_OPEN)
    assert np.abs(scores(single_channel.fit_dwells(shuttings, 4), wrong)).max() > SIGMAS
