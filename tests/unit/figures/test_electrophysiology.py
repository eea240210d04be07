"""Pictures of single channels, I-V curves, variances and spikes show the numbers that they are given."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from mc.analysis import single_channel, spikes
from mc.analysis.currents import CurrentVoltage, ReversalPotential
from mc.analysis.fluctuations import MeanVariance
from mc.analysis.mixtures import fit_gaussians
from mc.analysis.single_channel import CurrentTrace, Dwells, IdealisedRecord
from mc.figures import electrophysiology, style

RECORD = IdealisedRecord(np.array([0.0, 40.0, 90.0, 200.0]), np.array([0, 1, 0]))


def texts(ax):
    return [text.get_text() for text in ax.texts]


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_a_single_channel_stands_on_its_record_beside_a_scale_bar():
    time = np.arange(0.0, 201.0)
    current = -1.5 * RECORD.at(time)
    ax = electrophysiology.plot_single_channel(CurrentTrace(time, current), record=RECORD, unit_current=-1.5)
    drawn, idealised, *_, bar = ax.lines
    np.testing.assert_array_equal(drawn.get_ydata(), current)
    np.testing.assert_array_equal(idealised.get_xdata(), [0, 40, 40, 90, 90, 200])
    np.testing.assert_array_equal(idealised.get_ydata(), [0, 0, -1.5, -1.5, 0, 0])
    # The bar says how long it is.
    assert np.ptp(bar.get_xdata()) == pytest.approx(20.0)
    assert np.ptp(bar.get_ydata()) == pytest.approx(0.5)
    assert texts(ax) == ["shut", "open", "20 ns", "0.5 pA"]
    assert not ax.axison


def test_a_record_alone_has_a_bar_of_time_alone():
    ax = electrophysiology.plot_single_channel(None, record=RECORD)
    assert np.ptp(ax.lines[-1].get_ydata()) == 0.0
    assert texts(ax) == ["shut", "open", "20 ns"]


@pytest.mark.parametrize(("length", "expected"), [(1.0, 1.0), (9.9, 5.0), (0.24, 0.2), (60.0, 50.0)])
def test_bars_have_round_lengths(length, expected):
    assert electrophysiology._round_down(length) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (1.2345, 0.0123, "1.234 ± 0.012"),
        (-64.95, 0.97, "−64.95 ± 0.97"),
        (547.0, 104.0, "547 ± 104"),
        (2.0, 0.0, "2.00"),
    ],
)
def test_numbers_have_the_digits_of_their_errors(value, error, text):
    assert electrophysiology.with_error(value, error) == text


def test_dwell_times_are_drawn_over_the_curve_that_was_fitted_to_them():
    """Of two components, each peaks at its time constant; bars and curve hold the same number."""
    generator = np.random.default_rng(1)
    durations = generator.exponential(np.where(generator.random(4000) < 0.5, 20.0, 900.0))
    dwells = Dwells(durations, np.arange(4000) < 5)
    fit = single_channel.fit_dwells(dwells)
    ax = electrophysiology.plot_dwell_times(dwells, fit)
    [bars] = ax.patches
    assert bars.get_data().values.sum() == 3995
    whole, *components = ax.lines
    assert len(components) == 2
    for component, time_constant in zip(components, fit.time_constants, strict=True):
        peak = component.get_xdata()[np.argmax(component.get_ydata())] * 1000.0
        assert peak == pytest.approx(time_constant, rel=0.03)
    in_curve = (
        np.trapezoid(whole.get_ydata(), np.log10(whole.get_xdata())) * electrophysiology.BINS_PER_DECADE
    )
    assert in_curve == pytest.approx(3995, rel=0.01)
    np.testing.assert_allclose(sum(one.get_ydata() for one in components), whole.get_ydata(), rtol=1e-6)
    assert (ax.get_xscale(), ax.get_xlabel()) == ("log", "dwell time (µs)")
    assert legend(ax)[1].endswith(f" µs ({100 * fit.weights[1]:.0f} %)")
    # Square roots: four times as many stand twice as high.
    to_display = ax.transData.transform
    heights = [to_display((0.1, count))[1] for count in (0.0, 25.0, 100.0)]
    assert heights[2] - heights[0] == pytest.approx(2 * (heights[1] - heights[0]))


def test_amplitudes_are_drawn_with_their_levels():
    generator = np.random.default_rng(2)
    current = 1.5 * (generator.random(2000) < 0.25) + generator.normal(size=2000) * 0.2
    levels = fit_gaussians(current)
    ax = electrophysiology.plot_amplitudes(current, levels)
    shut, opened, both = ax.lines
    assert shut.get_xdata()[np.argmax(shut.get_ydata())] == pytest.approx(levels.means[0], abs=0.02)
    assert opened.get_xdata()[np.argmax(opened.get_ydata())] == pytest.approx(levels.means[1], abs=0.02)
    np.testing.assert_allclose(both.get_ydata(), shut.get_ydata() + opened.get_ydata())
    [bars] = ax.patches
    heights, edges, _ = bars.get_data()
    assert (heights * np.diff(edges)).sum() == pytest.approx(1.0)
    assert len(legend(ax)) == 2
    assert legend(ax)[1].endswith(f" pA ({100 * levels.weights[1]:.0f} %)")


def test_a_curve_stands_beside_its_prediction_in_order_of_potential():
    curve = CurrentVoltage(
        np.array([20.0, -80.0, -30.0]), np.array([5.0, -4.0, 1.0]), np.array([0.5, 0.4, 0.3]), np.ones(3)
    )
    reversal = ReversalPotential(-40.0, 1.5, 2.0, 1)
    ax = electrophysiology.plot_current_voltage(
        curve, prediction=np.array([5.1, -4.1, 1.1]), reversal=reversal
    )
    [measured] = ax.containers
    np.testing.assert_array_equal(measured.lines[0].get_xdata(), [-80.0, -30.0, 20.0])
    np.testing.assert_array_equal(measured.lines[0].get_ydata(), [-4.0, 1.0, 5.0])
    spans = [np.ptp(segment[:, 1]) for segment in measured.lines[2][0].get_segments()]
    np.testing.assert_allclose(spans, 2 * np.array([0.4, 0.3, 0.5]))
    [predicted] = [line for line in ax.lines if line.get_label() == "GHK"]
    np.testing.assert_array_equal(predicted.get_ydata(), [-4.1, 1.1, 5.1])
    assert to_hex(predicted.get_color()).upper() == style.GHK_COLOUR
    assert texts(ax) == ["−40.0 ± 1.5 mV"]


def test_many_predictions_are_joined_smoothly_and_kept():
    potential = np.linspace(-100.0, 60.0, 9)
    prediction = potential * np.exp(potential / 50.0)
    curve = CurrentVoltage(potential, prediction, np.ones(9), np.full(9, 100.0))
    ax = electrophysiology.plot_current_voltage(curve, prediction=prediction)
    [predicted] = [line for line in ax.lines if line.get_label() == "GHK"]
    x, y = predicted.get_data()
    assert len(x) == electrophysiology.POINTS_OF_A_CURVE
    np.testing.assert_allclose(np.interp(potential, x, y), prediction, atol=0.5)


def test_a_variance_is_drawn_on_its_parabola():
    mean = np.array([10.0, 30.0, 50.0])
    fit = MeanVariance(mean, np.array([12.0, 20.0, 10.0]), np.full(3, 2.0), 1.5, 0.1, 40.0, 3.0)
    ax = electrophysiology.plot_mean_variance(fit)
    points, parabola = ax.lines[0], ax.lines[1]
    np.testing.assert_array_equal(points.get_xydata(), np.column_stack([mean, fit.variance]))
    assert parabola.get_xdata()[[0, -1]] == pytest.approx([0.0, 60.0])
    assert parabola.get_ydata().max() == pytest.approx(1.5**2 * 40 / 4, rel=1e-3)
    assert ax.get_title("left") == "unit current 1.50 ± 0.10 pA, 40.0 ± 3.0 channels"


def gaussian_spikes():
    time = np.arange(0.0, 3000.0, 2.0)
    potential = np.full(len(time), -70.0)
    for peak in (700.0, 1900.0):
        potential += 100.0 * np.exp(-0.5 * ((time - peak) / 40.0) ** 2)
        potential -= 10.0 * np.exp(-0.5 * ((time - peak - 300.0) / 80.0) ** 2)
    return time, potential


def test_a_spike_is_marked_where_it_was_measured():
    time, potential = gaussian_spikes()
    found = spikes.find_spikes(time, potential)
    ax = electrophysiology.plot_spike(spikes.smooth(time, potential), found, 1, raw=potential)
    marks = {
        line.get_label().split()[0]: line.get_xydata()[0] for line in ax.lines if line.get_marker() == "o"
    }
    assert list(marks) == ["threshold", "peak", "trough,"]
    np.testing.assert_allclose(marks["peak"], [0.0, found.peak_potential[1]])
    np.testing.assert_allclose(
        marks["threshold"], [found.threshold_time[1] - found.peak_time[1], found.threshold_potential[1]]
    )
    assert f"half-width {found.half_width[1]:.3g} ns" in legend(ax)
    rise = next(line for line in ax.lines if line.get_label().startswith("rise"))
    (x0, x1), (y0, y1) = rise.get_data()
    assert (y1 - y0) / (x1 - x0) == pytest.approx(found.maximal_rise[1])
