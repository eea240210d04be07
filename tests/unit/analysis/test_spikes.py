"""Spikes of known shape: a Gaussian one has its threshold, width and slopes in closed form."""

import numpy as np
import pytest
from scipy.special import lambertw

from mc.analysis import spikes

REST, HEIGHT, WIDTH = -70.0, 100.0, 20.0
"""mV, mV and ns: of the spike and its standard deviation."""
DEPTH, DELAY, LENGTH = 12.0, 240.0, 50.0
"""mV, ns and ns: of the afterhyperpolarisation that follows."""
PEAKS = np.array([500.0, 1300.0, 2350.0])
TIME = np.arange(0.0, 3000.0, 0.5)

# Where the slope of a Gaussian is a share f of its largest one: x exp(-x^2/2) = f exp(-1/2), x > 1.
ONSET = float(np.sqrt(-lambertw(-(spikes.THRESHOLD_FRACTION**2) / np.e, -1).real))
THRESHOLD = REST + HEIGHT * np.exp(-(ONSET**2) / 2)
HALF_WIDTH = 2 * WIDTH * np.sqrt(-2 * np.log((1 + np.exp(-(ONSET**2) / 2)) / 2))
STEEPEST = HEIGHT / WIDTH * np.exp(-0.5)


def trace(time=TIME, peaks=PEAKS):
    potential = np.full(len(time), REST)
    for peak in peaks:
        potential += HEIGHT * np.exp(-0.5 * ((time - peak) / WIDTH) ** 2)
        potential -= DEPTH * np.exp(-0.5 * ((time - peak - DELAY) / LENGTH) ** 2)
    return potential


@pytest.mark.parametrize(("smoothing_time", "accuracy"), [(0.0, 1.0), (12.0, 2.0)])
def test_a_gaussian_spike_has_its_closed_form(smoothing_time, accuracy):
    """Sampled 40 times within its deviation: times to a tenth of a sample, potentials to 0.1 mV."""
    found = spikes.find_spikes(TIME, trace(), smoothing_time=smoothing_time)
    near = {"rtol": 0, "atol": 0.1 * accuracy}
    np.testing.assert_allclose(found.peak_time, PEAKS, **near)
    np.testing.assert_allclose(found.peak_potential, REST + HEIGHT, **near)
    np.testing.assert_allclose(found.threshold_time, PEAKS - ONSET * WIDTH, **near)
    np.testing.assert_allclose(found.threshold_potential, THRESHOLD, **near)
    np.testing.assert_allclose(found.amplitude, REST + HEIGHT - THRESHOLD, **near)
    np.testing.assert_allclose(found.half_width, HALF_WIDTH, **near)
    np.testing.assert_allclose(found.half_rise_time, PEAKS - HALF_WIDTH / 2, **near)
    np.testing.assert_allclose(found.half_potential, (REST + HEIGHT + THRESHOLD) / 2, **near)
    np.testing.assert_allclose(found.maximal_rise, STEEPEST, rtol=2e-3 * accuracy)
    np.testing.assert_allclose(found.maximal_fall, -STEEPEST, rtol=2e-3 * accuracy)
    np.testing.assert_allclose(found.maximal_rise_time, PEAKS - WIDTH, atol=0.5)
    np.testing.assert_allclose(found.maximal_fall_time, PEAKS + WIDTH, atol=0.5)
    np.testing.assert_allclose(found.trough_time, PEAKS + DELAY, atol=0.5)
    np.testing.assert_allclose(found.afterhyperpolarisation, THRESHOLD - REST + DEPTH, **near)
    np.testing.assert_allclose(found.intervals, np.diff(PEAKS), **near)
    assert found.smoothing_time == pytest.approx(smoothing_time, abs=0.5)


def test_smoothing_over_half_the_width_takes_little_off_the_peak():
    found = spikes.find_spikes(TIME, trace(), smoothing_time=HALF_WIDTH / 2)
    h = found.smoothing_time / 2
    # Of a local cubic over h on either side: h^4 times the fourth derivative, over 280.
    expected = HEIGHT * 3 * (h / WIDTH) ** 4 / 280
    assert REST + HEIGHT - found.peak_potential == pytest.approx(np.full(3, expected), rel=0.1)
    assert expected < 0.002 * HEIGHT
    assert found.half_width == pytest.approx(np.full(3, HALF_WIDTH), rel=0.01)


def test_a_trace_is_smoothed_as_much_as_its_noise_asks_for():
    """The error of the slope is s sqrt(75/n^3) per sample, wanted below 5 % of 100 mV in the width."""
    generator = np.random.default_rng(3)
    assert spikes.find_spikes(TIME, trace()).smoothing_time == pytest.approx(0.05 * HALF_WIDTH, abs=1.0)
    for noise in (0.1, 0.5):
        found = spikes.find_spikes(TIME, trace() + noise * generator.normal(size=len(TIME)))
        n = found.smoothing_time / 0.5
        error = noise * np.sqrt(75 / n**3) / 0.5
        assert error == pytest.approx(0.05 * HEIGHT / HALF_WIDTH, rel=0.5)
    found = spikes.find_spikes(TIME, trace() + 8.0 * generator.normal(size=len(TIME)))
    assert found.smoothing_time < 0.55 * HALF_WIDTH


def test_noise_of_a_small_patch_does_little_to_the_measures():
    """White noise of 5 mV, 40 spikes. A local cubic through 49 samples leaves sqrt(9/4/49) = 0.21 of it, 1.1 mV.

    A maximum or a minimum of noise is biased by about as much: potentials lie within twice that of the noiseless
    ones on average, the lowest of many within four times, and times within what it makes of the slopes.
    """
    peaks = 500.0 + 800.0 * np.arange(40)
    time = np.arange(0.0, 33_000.0, 0.5)
    noisy = trace(time, peaks) + np.random.default_rng(1).normal(size=len(time)) * 5.0
    found = spikes.find_spikes(time, noisy)
    assert len(found.peak_time) == 40
    left = 5.0 * np.sqrt(9 / 4 / (found.smoothing_time / 0.5))
    assert left < 1.2
    assert abs(np.mean(found.peak_time - peaks)) < 0.05 * WIDTH
    assert abs(found.peak_potential.mean() - REST - HEIGHT) < 2 * left
    assert abs(found.half_width.mean() - HALF_WIDTH) < 2 * left / STEEPEST
    assert abs(found.threshold_potential.mean() - THRESHOLD) < 2 * left
    assert found.maximal_rise.mean() == pytest.approx(STEEPEST, rel=0.1)
    assert 0.0 < found.afterhyperpolarisation.mean() - (THRESHOLD - REST + DEPTH) < 4 * left
    raw = spikes.find_spikes(time, noisy, smoothing_time=0.0)
    assert raw.peak_potential.mean() - REST - HEIGHT > 2 * left
    assert raw.maximal_rise.mean() > 2 * STEEPEST


def test_a_threshold_can_be_a_given_slope():
    """At half the steepest rise: x exp(-x^2/2) = exp(-1/2)/2."""
    found = spikes.find_spikes(TIME, trace(), smoothing_time=0.0, threshold_slope=0.5 * STEEPEST)
    x = float(np.sqrt(-lambertw(-0.25 / np.e, -1).real))
    np.testing.assert_allclose(found.threshold_time, PEAKS - x * WIDTH, atol=0.05)
    np.testing.assert_allclose(found.threshold_potential, REST + HEIGHT * np.exp(-(x**2) / 2), atol=0.1)


def test_what_is_steeper_long_before_a_spike_is_not_taken_for_its_rise():
    charging = 65.0 * np.exp(-TIME / 5.0)
    found = spikes.find_spikes(TIME, trace() + charging, smoothing_time=8.0)
    np.testing.assert_allclose(found.maximal_rise_time, PEAKS - WIDTH, atol=1.0)
    np.testing.assert_allclose(found.threshold_time, PEAKS - ONSET * WIDTH, atol=0.5)
    assert np.diff(charging).min() / 0.5 < -STEEPEST
    dip = -40.0 * np.exp(-0.5 * ((TIME - 100.0) / 4.0) ** 2)
    found = spikes.find_spikes(TIME, trace() + dip, smoothing_time=8.0)
    assert np.diff(dip).max() / 0.5 > STEEPEST
    np.testing.assert_allclose(found.maximal_rise_time, PEAKS - WIDTH, atol=1.0)


def test_what_is_no_spike_is_not_found():
    noise = REST + 5.0 * np.random.default_rng(2).normal(size=len(TIME))
    assert len(spikes.find_spikes(TIME, noise).peak_time) == 0
    assert len(spikes.find_spikes(TIME, noise).intervals) == 0
    small = REST + 0.35 * (trace() - REST)
    assert len(spikes.find_spikes(TIME, small).peak_time) == 0
    low = trace() - 55.0
    assert len(spikes.find_spikes(TIME, low).peak_time) == 0
    assert len(spikes.find_spikes(TIME, low, least_peak=-30.0).peak_time) == 3
    step = np.where(TIME < 1000.0, REST, 30.0)
    assert len(spikes.find_spikes(TIME, step).peak_time) == 0


def test_the_ends_of_a_trace_hide_what_lies_beyond():
    begun = PEAKS[0] - 0.5 * WIDTH <= TIME
    found = spikes.find_spikes(TIME[begun], trace()[begun], smoothing_time=0.0)
    np.testing.assert_allclose(found.peak_time, PEAKS[1:], atol=0.1)
    early_end = PEAKS[2] + 0.5 * WIDTH >= TIME
    found = spikes.find_spikes(TIME[early_end], trace()[early_end], smoothing_time=0.0, least_amplitude=10.0)
    np.testing.assert_allclose(found.peak_time, PEAKS, atol=0.1)
    np.testing.assert_array_equal(np.isnan(found.half_width), [False, False, True])
    np.testing.assert_array_equal(np.isnan(found.afterhyperpolarisation), [False, False, True])


def test_latencies_are_those_of_the_first_spike_after_each_onset():
    found = spikes.find_spikes(TIME, trace(), smoothing_time=0.0)
    answers = spikes.latencies(found, [0.0, 400.0, 600.0, 700.0, 2400.0])
    start = found.threshold_time
    np.testing.assert_allclose(answers, [np.nan, start[0] - 400.0, np.nan, start[1] - 700.0, np.nan])


def test_an_early_last_sample_is_left_out():
    time = np.append(TIME, TIME[-1] + 0.1)
    found = spikes.find_spikes(time, np.append(trace(), -70.0), smoothing_time=0.0)
    np.testing.assert_array_equal(
        found.peak_time, spikes.find_spikes(TIME, trace(), smoothing_time=0.0).peak_time
    )
    assert len(spikes.smooth(time, np.append(trace(), -70.0)).time) == len(TIME)


def test_traces_that_cannot_be_measured_are_refused():
    with pytest.raises(ValueError, match="evenly spaced"):
        spikes.find_spikes([0.0, 1.0, 3.0], [0.0, 0.0, 0.0])
    with pytest.raises(ValueError, match="longer than the trace"):
        spikes.find_spikes(TIME, trace(), smoothing_time=4000.0)
