"""Figures of whole runs: what is drawn depends on what a run holds, and is what it holds."""

import numpy as np
import pytest
from synthetic_run import SCENARIO, describe_synthetic_run

from mc.analysis.currents import CurrentVoltage
from mc.analysis.spikes import find_spikes
from mc.figures import experiments
from mc.figures.report import make_figures
from mc.recording.layout import ChannelDescription
from mc.recording.recorder import Recorder
from mc.recording.recording import Recording
from mc.scenario.reading import read_scenario


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


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
    transitions, crossings, n_open = [], [], np.zeros(n_records)
    for channel_index in range(20):
        now, state = 0.0, int(generator.random() < 1 / 3)
        start, own = state, []
        while now < time[-1]:
            end = now + generator.exponential(1.0 / rate[state])
            if state:
                # Half an ion a nanosecond, as long as it is open.
                times = generator.uniform(now, end, generator.poisson(0.5 * (end - now)))
                crossings += [(one, channel_index) for one in times if one < time[-1]]
            if end < time[-1]:
                own.append(end)
                transitions.append((end, channel_index, state, 1 - state))
            now, state = end, 1 - state
        n_open += (start + np.searchsorted(own, time, side="right")) % 2
    times, channels, before, after = (np.array(column) for column in zip(*sorted(transitions), strict=True))
    crossing_times, crossing_channels = (np.array(column) for column in zip(*sorted(crossings), strict=True))
    crossed = np.searchsorted(crossing_times, time)
    if conducting is not None:
        crossed = np.cumsum(generator.poisson(5.0 * conducting))
    with Recorder(folder / "run.h5", description) as recorder:
        column = {name: i for i, name in enumerate(recorder.columns)}
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
                "step": np.ceil(crossing_times / 0.5).astype(int),
                "time": crossing_times,
                "ion": np.zeros(len(crossing_times), dtype=np.uint32),
                "species": np.zeros(len(crossing_times), dtype=np.uint8),
                "channel": crossing_channels.astype(np.uint32),
                "direction": np.ones(len(crossing_times), dtype=np.int8),
            }
        )
    return Recording(folder)


def test_a_run_with_gates_has_a_figure_of_single_channels(tmp_path):
    """Openings of 50 and shuttings of 100 ns, 80.1 pA: within five of the errors that stand beside each."""
    figure = experiments.figure_of_single_channels(write_run(tmp_path))
    trace, openings, shuttings, amplitudes = figure.axes
    assert trace.get_title("left").startswith("gated: open ")
    assert openings.get_title("left").endswith("openings")
    assert amplitudes.get_title("left").startswith("open, means of ")
    for ax, expected, unit in ((openings, 50.0, " ns"), (shuttings, 100.0, " ns"), (amplitudes, 80.1, " pA")):
        [label] = legend(ax)
        value, error = map(float, label.removesuffix(unit).split(" ± "))
        assert abs(value - expected) < 5 * error
        assert error < 0.1 * expected


def test_types_that_are_left_out_are_named_with_the_reason(tmp_path, monkeypatch):
    recording = write_run(tmp_path)

    def note():
        figure = experiments.figure_of_single_channels(recording)
        return " ".join(text.get_text() for part in figure.subfigs for text in part.texts)

    assert "Not drawn" not in note()
    gated = recording.channels[0]
    leak = ChannelDescription("leak", 5, ("open",), {"K": 0.03})
    monkeypatch.setattr(recording, "channels", (gated, leak))
    assert note() == "Not drawn: leak (always open)"
    monkeypatch.setattr(recording, "channels", (gated, gated, leak))
    monkeypatch.setattr(experiments, "MOST_CHANNEL_TYPES", 1)
    assert note() == "Not drawn: gated (more than 1 types); leak (always open)"
    monkeypatch.setattr(experiments, "FEWEST_OPENINGS", 10**6)
    assert experiments.figure_of_single_channels(recording) is None


def test_a_channel_that_opens_a_few_times_has_a_trace_alone(tmp_path):
    recording = write_run(tmp_path, n_records=20)
    [trace, *_] = experiments.figure_of_single_channels(recording).axes
    assert trace.get_title("left").startswith("gated: open ")
    assert "dwell time (ns)" not in [
        ax.get_xlabel() for ax in experiments.figure_of_single_channels(recording).axes
    ]


def test_gates_that_the_potential_moves_are_not_fitted(tmp_path):
    law = '{ kind = "HHExpRate", rate = "10 /us", midpoint = "-60 mV", scale = "20 mV" }'
    free = write_run(tmp_path, channel=GATED.replace('"10 /us"', law))
    _, openings, *_ = experiments.figure_of_single_channels(free).axes
    assert openings.get_legend() is None
    (tmp_path / "held").mkdir()
    held = write_run(tmp_path / "held", channel=GATED.replace('"10 /us"', law), command=np.full(600, -60.0))
    _, openings, *_ = experiments.figure_of_single_channels(held).axes
    assert len(legend(openings)) == 1


def test_a_clamp_of_three_potentials_has_a_curve(tmp_path):
    command = np.repeat([-80.0, -20.0, 40.0], 200)
    recording = write_run(tmp_path, command=command, potential=command + 1.0)
    [ax] = experiments.figure_of_current_voltage(recording).axes
    [measured] = ax.containers
    np.testing.assert_allclose(measured.lines[0].get_xdata(), [-79.0, -19.0, 41.0])
    assert legend(ax) == ["GHK of the open channels", "K⁺"]
    assert experiments.figure_of_mean_variance(recording) is None
    assert experiments.figure_of_spikes(recording) is None


def test_a_reversal_is_told_only_where_the_parabola_fits():
    potential = np.linspace(-60.0, 60.0, 13)
    errors, n_effective = np.full(13, 0.1), np.full(13, 100.0)
    line = CurrentVoltage(potential, 0.1 * (potential + 12.0), errors, n_effective)
    assert experiments._reversal(line).potential == pytest.approx(-12.0, abs=1e-6)
    bent = line._replace(current=np.sinh(potential / 5.0) - 1.0)
    assert experiments._reversal(bent) is None
    assert experiments._reversal(line._replace(current=np.ones(13))) is None


def test_a_ramp_has_a_curve_of_its_parts(tmp_path):
    command = np.linspace(-100.0, 60.0, 600)
    recording = write_run(tmp_path, command=command, potential=command)
    [ax] = experiments.figure_of_current_voltage(recording).axes
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
    [ax] = experiments.figure_of_mean_variance(recording).axes
    unit, number = ax.get_title("left").removeprefix("unit current ").split(" pA, ")
    for text, expected in ((unit, 80.1), (number.removesuffix(" channels"), 20.0)):
        value, error = map(float, text.split(" ± "))
        assert error < 0.3 * expected
        assert abs(value - expected) < 5 * error


EXCITABLE = GATED.replace(
    '"10 /us"', '{ kind = "HHSigmoidRate", rate = "10 /us", midpoint = "-40 mV", scale = "10 mV" }'
)


def test_spikes_of_a_free_membrane_are_shown(tmp_path):
    time = 10.0 * np.arange(300)
    potential = np.full(len(time), -70.0)
    for peak in (700.0, 1900.0):
        potential += 100.0 * np.exp(-0.5 * ((time - peak) / 40.0) ** 2)
    recording = write_run(tmp_path, potential=potential, n_records=300, channel=EXCITABLE)
    whole, one = experiments.figure_of_spikes(recording).axes
    np.testing.assert_allclose(whole.lines[1].get_xdata(), [0.7, 1.9], atol=0.005)
    assert one.get_title("left").startswith("spike 1 of 2, smoothed over ")
    (tmp_path / "quiet").mkdir()
    assert experiments.figure_of_spikes(write_run(tmp_path / "quiet", channel=EXCITABLE)) is None
    # No gate feels the potential: whatever this was, it was no spike.
    (tmp_path / "passive").mkdir()
    passive = write_run(tmp_path / "passive", potential=potential, n_records=300)
    assert experiments.figure_of_spikes(passive) is None


def test_thermal_noise_is_no_spike(tmp_path):
    """sqrt(kT/C) is 4.6 mV here; noise of 6.6 mV swings by 42 mV, more than a spike needs to stand out by in life."""
    time = 10.0 * np.arange(3000)
    noise = np.random.default_rng(5).normal(-13.0, 6.6, len(time))
    assert len(find_spikes(time, noise, smoothing_time=0.0).peak_time) > 0
    recording = write_run(tmp_path, potential=noise, n_records=len(time), channel=EXCITABLE)
    assert experiments.figure_of_spikes(recording) is None


def test_the_report_holds_what_the_run_holds(tmp_path):
    command = np.repeat([-80.0, -20.0, 40.0], 200)
    names = [path.stem for path in make_figures(write_run(tmp_path, command=command), tmp_path / "figures")]
    assert names == ["membrane_potential", "single_channels", "current_voltage"]
