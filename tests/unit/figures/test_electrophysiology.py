"""Figures of single channels, I-V curves, variances and spikes show the numbers that they are given."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from synthetic_run import SCENARIO, describe_synthetic_run

from mc.analysis import single_channel, spikes
from mc.analysis.currents import CurrentVoltage, ReversalPotential
from mc.analysis.fluctuations import MeanVariance
from mc.analysis.mixtures import fit_gaussians
from mc.analysis.single_channel import CurrentTrace, Dwells, IdealisedRecord
from mc.figures import electrophysiology, style
from mc.figures.report import make_figures
from mc.recording.layout import ChannelDescription
from mc.recording.recorder import Recorder
from mc.recording.recording import Recording
from mc.scenario.reading import read_scenario

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
    assert electrophysiology._with_error(value, error) == text


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


GATED = """
[[channels]]
name = "gated"
count = 20
permeability = { K = "0.03 nm^3/ns" }
gating.states = ["closed", "open"]
gating.open = ["open"]
gating.rates = { "closed->open" = "10 /us", "open->closed" = "20 /us" }
"""


def write_run(folder, *, command=None, potential=None, n_records=600, channel=GATED, conducting=None):
    """Write 20 gated channels for 6 us: gates move and ions cross as they should, potentials are as given.

    `conducting`: how many let ions through at each record, if not those that the gates say.
    """
    generator = np.random.default_rng(3)
    (folder / "scenario.toml").write_text(SCENARIO + channel)
    description = describe_synthetic_run(
        scenario_json=read_scenario(folder / "scenario.toml").to_json(),
        channels=(ChannelDescription("gated", 20, ("closed", "open"), {"K": 0.03}),),
        channel_y=np.zeros(20),
        pumps=(),
        pump_y=np.zeros(0),
    )
    time = 10.0 * np.arange(n_records)
    rate = np.array([0.01, 0.02])
    events, n_open = [], np.zeros(n_records)
    for channel_index in range(20):
        now, state = 0.0, int(generator.random() < 1 / 3)
        start = state
        while (now := now + generator.exponential(1.0 / rate[state])) < time[-1]:
            events.append((now, channel_index, state, 1 - state))
            state = 1 - state
        own = [event[0] for event in events if event[1] == channel_index]
        n_open += (start + np.searchsorted(own, time, side="right")) % 2
    events.sort()
    times, channels, before, after = (np.array(column) for column in zip(*events, strict=True))
    with Recorder(folder / "run.h5", description) as recorder:
        column = {name: i for i, name in enumerate(recorder.columns)}
        crossed = np.cumsum(generator.poisson(5.0 * (n_open if conducting is None else conducting)))
        for i in range(n_records):
            row = np.zeros(len(column))
            for side, concentration in (("inside", 140.0), ("outside", 5.0)):
                row[column[f"bulk_concentration_{side}.K"]] = concentration
            row[column["open_channels.gated"]] = n_open[i]
            row[column["permeability.K"]] = 0.03 * n_open[i]
            row[column["state.gated.closed"]], row[column["state.gated.open"]] = 20 - n_open[i], n_open[i]
            row[column["crossings_outward.gated.K"]] = crossed[i]
            row[column["command_potential"]] = np.nan if command is None else command[i]
            row[column["membrane_potential"]] = (
                -60.0 + generator.normal() if potential is None else potential[i]
            )
            recorder.record_series(20 * i, float(time[i]), row)
        recorder.record_gating(
            {
                "step": np.ceil(times / 0.5).astype(int),
                "time": times,
                "channel": channels.astype(np.uint32),
                "from_state": before.astype(np.uint8),
                "to_state": after.astype(np.uint8),
            }
        )
        recorder.record_crossings(
            {
                "step": np.arange(1, 2001) * 5,
                "time": np.arange(1, 2001) * 2.5,
                "ion": np.zeros(2000, dtype=np.uint32),
                "species": np.zeros(2000, dtype=np.uint8),
                "channel": (np.arange(2000) % 20).astype(np.uint32),
                "direction": np.ones(2000, dtype=np.int8),
            }
        )
    return Recording(folder)


def test_a_run_with_gates_has_a_figure_of_single_channels(tmp_path):
    figure = electrophysiology.figure_of_single_channels(write_run(tmp_path))
    trace, openings, shuttings = figure.axes
    assert trace.get_title("left").startswith("gated: open ")
    assert openings.get_title("left").endswith("openings")
    # Fitted with one time constant each, 50 and 100 ns within five of the errors that stand beside them.
    for ax, expected in ((openings, 50.0), (shuttings, 100.0)):
        [label] = legend(ax)
        value, error = (float(part) for part in label.removesuffix(" ns").split(" ± "))
        assert abs(value - expected) < 5 * error


def test_gates_that_the_potential_moves_are_not_fitted(tmp_path):
    law = '{ kind = "HHExpRate", rate = "10 /us", midpoint = "-60 mV", scale = "20 mV" }'
    free = write_run(tmp_path, channel=GATED.replace('"10 /us"', law))
    _, openings, _ = electrophysiology.figure_of_single_channels(free).axes
    assert openings.get_legend() is None
    (tmp_path / "held").mkdir()
    held = write_run(tmp_path / "held", channel=GATED.replace('"10 /us"', law), command=np.full(600, -60.0))
    _, openings, _ = electrophysiology.figure_of_single_channels(held).axes
    assert len(legend(openings)) == 1


def test_a_clamp_of_three_potentials_has_a_curve(tmp_path):
    command = np.repeat([-80.0, -20.0, 40.0], 200)
    recording = write_run(tmp_path, command=command, potential=command + 1.0)
    [ax] = electrophysiology.figure_of_current_voltage(recording).axes
    [measured] = ax.containers
    np.testing.assert_allclose(measured.lines[0].get_xdata(), [-79.0, -19.0, 41.0])
    assert legend(ax) == ["GHK of the open channels", "K⁺"]
    assert electrophysiology.figure_of_mean_variance(recording) is None
    assert electrophysiology.figure_of_spikes(recording) is None


def test_a_ramp_has_a_curve_of_its_parts(tmp_path):
    command = np.linspace(-100.0, 60.0, 600)
    recording = write_run(tmp_path, command=command, potential=command)
    [ax] = electrophysiology.figure_of_current_voltage(recording).axes
    [measured] = ax.containers
    potentials = measured.lines[0].get_xdata()
    assert len(potentials) == 12
    assert np.diff(potentials) == pytest.approx(np.full(11, 160.0 / 12), rel=0.05)


def test_repeated_steps_have_their_variance(tmp_path):
    """60 steps at which 20 channels open: 5 ions in 10 ns make a unit current of 80.1 pA."""
    command = np.tile(np.repeat([-80.0, 20.0], [5, 20]), 60)
    chance = np.tile(np.append(np.zeros(5), 0.9 * (1 - np.exp(-np.arange(20) / 6))), 60)
    recording = write_run(
        tmp_path,
        command=command,
        potential=command,
        n_records=len(command),
        conducting=np.random.default_rng(5).binomial(20, chance),
    )
    [ax] = electrophysiology.figure_of_mean_variance(recording).axes
    unit, number = ax.get_title("left").removeprefix("unit current ").split(" pA, ")
    for text, expected in ((unit, 80.1), (number.removesuffix(" channels"), 20.0)):
        value, error = map(float, text.split(" ± "))
        assert error < 0.3 * expected
        assert abs(value - expected) < 5 * error


def test_spikes_of_a_free_membrane_are_shown(tmp_path):
    time, potential = gaussian_spikes()
    potential = np.interp(10.0 * np.arange(300), time, potential)
    recording = write_run(tmp_path, potential=potential, n_records=300)
    whole, one = electrophysiology.figure_of_spikes(recording).axes
    np.testing.assert_allclose(whole.lines[1].get_xdata(), [0.7, 1.9], atol=0.005)
    assert one.get_title("left").startswith("spike 1 of 2, smoothed over ")
    (tmp_path / "quiet").mkdir()
    assert electrophysiology.figure_of_spikes(write_run(tmp_path / "quiet")) is None


def test_the_report_holds_what_the_run_holds(tmp_path):
    command = np.repeat([-80.0, -20.0, 40.0], 200)
    names = [path.stem for path in make_figures(write_run(tmp_path, command=command), tmp_path / "figures")]
    assert names == ["membrane_potential", "single_channels", "current_voltage"]
