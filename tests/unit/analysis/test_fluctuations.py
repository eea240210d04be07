"""Mean and variance of channels that gate on their own: unit current and number within five standard errors."""

import numpy as np
import pytest

from mc.analysis import fluctuations
from mc.analysis.currents import CountedCharge

SIGMAS = 5.0
PICOAMPERES = 160.2176634
N_CHANNELS, N_SWEEPS, N_SAMPLES = 50, 300, 40


def relaxing_sweeps(generator, n_sets=1):
    """Draw sweeps (sets, sweeps, samples) of two-state channels that all open after an event and shut again.

    The open probability falls from 0.8 with a time constant of 15 samples; what happens between two samples is the
    exact chain: a channel stays open with the chance of its falling rate, and does not come back.
    """
    is_open = generator.random((n_sets, N_SWEEPS, N_CHANNELS)) < 0.8
    n_open = np.empty((n_sets, N_SWEEPS, N_SAMPLES))
    for i in range(N_SAMPLES):
        n_open[..., i] = is_open.sum(axis=2)
        is_open &= generator.random(is_open.shape) < np.exp(-1.0 / 15.0)
    return n_open


@pytest.mark.parametrize("unit", [1.5, -0.8])
def test_unit_current_and_number_from_sweeps(unit):
    """Scores of 30 experiments with amplifier noise: mean 0 within 5/sqrt(30), mean square 1 within 5 sqrt(2/30)."""
    generator = np.random.default_rng(1)
    noise = abs(unit)
    scores, left_in = [], []
    for n_open in relaxing_sweeps(generator, n_sets=30):
        current = unit * n_open + generator.normal(size=n_open.shape) * noise
        fit = fluctuations.fit_nonstationary_variance(current, noise**2)
        scores.append(
            [
                (fit.unit_current - unit) / fit.unit_current_error,
                (1 / fit.n_channels - 1 / N_CHANNELS) / (fit.n_channels_error / fit.n_channels**2),
            ]
        )
        wrong = fluctuations.fit_nonstationary_variance(current)
        left_in.append((wrong.unit_current - unit) / wrong.unit_current_error)
    scores = np.array(scores)
    assert np.all(np.abs(scores.mean(axis=0)) < SIGMAS / np.sqrt(30))
    assert np.all(np.abs((scores**2).mean(axis=0) - 1.0) < SIGMAS * np.sqrt(2 / 30))
    assert fit.unit_current_error < 0.1 * abs(unit)
    # With the noise of the amplifier left in, channels would look larger.
    assert np.mean(left_in) * np.sign(unit) > SIGMAS / np.sqrt(30)


def test_rundown_between_sweeps_does_not_count():
    """Currents that run down by a third from first to last sweep: their plain variance would say so."""
    generator = np.random.default_rng(2)
    rundown = np.linspace(1.2, 0.8, N_SWEEPS)
    [n_open] = relaxing_sweeps(generator)
    number = generator.binomial(n_open.astype(int), rundown[:, None] / 1.25)
    fit = fluctuations.fit_nonstationary_variance(1.5 * number)
    assert abs(fit.unit_current - 1.5) < SIGMAS * fit.unit_current_error
    plain = (1.5 * number).var(axis=0, ddof=1)
    assert plain[0] > 1.5 * fit.variance[0]


def test_the_parabola_is_that_of_its_numbers():
    fit = fluctuations.MeanVariance(np.array([30.0]), np.zeros(1), np.zeros(1), 1.5, 0.1, 50.0, 2.0)
    assert fit.parabola([0.0, 37.5, 75.0]) == pytest.approx([0.0, 1.5 * 37.5 / 2, 0.0])
    assert fit.open_probability == pytest.approx(0.4)


def stationary_counts(generator, probability, n_experiments, n_samples, correlation=0.8):
    """Draw numbers of open channels, (experiments, samples): of a deviation `correlation` is left after a sample."""
    stays_open = probability + correlation * (1 - probability)
    opens = probability * (1 - correlation)
    counts = np.empty((n_experiments, n_samples), dtype=int)
    counts[:, 0] = generator.binomial(N_CHANNELS, probability, n_experiments)
    for i in range(1, n_samples):
        still_open = generator.binomial(counts[:, i - 1], stays_open)
        counts[:, i] = still_open + generator.binomial(N_CHANNELS - counts[:, i - 1], opens)
    return counts


def test_unit_current_and_number_from_stationary_currents():
    """Scores of 40 experiments: mean 0 within 5/sqrt(40), mean square 1 within 5 sqrt(2/40)."""
    generator = np.random.default_rng(3)
    n_open = np.stack([stationary_counts(generator, p, 40, 3000) for p in (0.1, 0.4, 0.8)], axis=1)
    scores = []
    for segments in 1.5 * n_open + 0.5 * generator.normal(size=n_open.shape):
        fit = fluctuations.fit_stationary_variance(segments, 0.25)
        scores.append(
            [
                (fit.unit_current - 1.5) / fit.unit_current_error,
                (1 / fit.n_channels - 1 / N_CHANNELS) / (fit.n_channels_error / fit.n_channels**2),
            ]
        )
    scores = np.array(scores)
    assert np.all(np.abs(scores.mean(axis=0)) < SIGMAS / np.sqrt(40))
    assert np.all(np.abs((scores**2).mean(axis=0) - 1.0) < SIGMAS * np.sqrt(2 / 40))
    assert fit.open_probability == pytest.approx([0.1, 0.4, 0.8], rel=0.15)


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(ValueError, match="needs four at least, found 3"):
        fluctuations.fit_nonstationary_variance(np.zeros((3, 10)))
    with pytest.raises(ValueError, match="two open probabilities"):
        fluctuations.fit_stationary_variance([np.arange(10.0)])


def test_sweeps_are_cut_at_their_events():
    time = 5.0 + np.arange(41) * 10.0
    net = np.cumsum(np.arange(41))
    charge = CountedCharge(net=net, variance=2 * np.arange(41))
    sweeps = fluctuations.cut_sweeps(time, charge, [25.0, 205.0], 60.0, records_per_bin=2)
    np.testing.assert_allclose(sweeps.time, [10.0, 30.0, 50.0])
    # Of 20 ns each: from record 2 on, 3 + 4, 5 + 6 and 7 + 8 charges.
    np.testing.assert_allclose(sweeps.current[0], np.array([7, 11, 15]) / 20 * PICOAMPERES)
    np.testing.assert_allclose(sweeps.current[1], np.array([43, 47, 51]) / 20 * PICOAMPERES)
    np.testing.assert_allclose(sweeps.counting_variance, 4 * (PICOAMPERES / 20) ** 2)
    with pytest.raises(ValueError, match="do not fit into the record"):
        fluctuations.cut_sweeps(time, charge, [365.0], 60.0)


def test_the_step_that_is_repeated_most_often_is_found():
    nan = np.nan
    command = [
        nan,
        nan,
        -80.0,
        -80.0,
        0.0,
        0.0,
        0.0,
        -80.0,
        -80.0,
        0.0,
        0.0,
        0.0,
        -80.0,
        -80.0,
        20.0,
        20.0,
        20.0,
    ]
    starts, duration = fluctuations.repeated_steps(10.0 * np.arange(17), command)
    np.testing.assert_array_equal(starts, [30.0, 80.0])
    assert duration == 30.0
    starts, duration = fluctuations.repeated_steps(10.0 * np.arange(4), [nan, 5.0, 5.0, nan])
    assert (len(starts), duration) == (0, 0.0)


def test_counted_charges_add_their_own_variance():
    """Channels that let through Poisson numbers of ions: without the counting variance their current looks larger."""
    generator = np.random.default_rng(4)
    unit = 2.0
    [n_open] = relaxing_sweeps(generator)
    counts = generator.poisson(unit / PICOAMPERES * 100.0 * n_open)
    net = np.concatenate([[0], np.cumsum(counts.ravel())])
    time = np.arange(len(net)) * 100.0
    starts = np.arange(N_SWEEPS - 1) * N_SAMPLES * 100.0
    sweeps = fluctuations.cut_sweeps(time, CountedCharge(net, net), starts, N_SAMPLES * 100.0)
    fit = fluctuations.fit_nonstationary_variance(sweeps.current, sweeps.counting_variance)
    assert abs(fit.unit_current - unit) < SIGMAS * fit.unit_current_error
    wrong = fluctuations.fit_nonstationary_variance(sweeps.current)
    assert wrong.unit_current == pytest.approx(
        unit + PICOAMPERES / 100.0, abs=SIGMAS * wrong.unit_current_error
    )
    assert wrong.unit_current - unit > SIGMAS * fit.unit_current_error
