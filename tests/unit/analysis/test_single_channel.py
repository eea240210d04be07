"""One channel's record, dwell times and currents: counted by hand, or within five standard errors."""

import numpy as np
import pytest
from synthetic_run import SCENARIO, describe_synthetic_run

from mc.analysis import single_channel
from mc.analysis.mixtures import fit_exponentials
from mc.analysis.single_channel import IdealisedRecord
from mc.errors import RecordingError
from mc.recording.layout import ChannelDescription, series_blocks
from mc.recording.recorder import Recorder
from mc.recording.recording import Recording
from mc.scenario.reading import read_scenario

SIGMAS = 5.0
RECORD = IdealisedRecord(np.array([0.0, 2.0, 3.0, 7.0, 10.0]), np.array([0, 1, 2, 0]))


def two_state_record(generator, opening_rate, closing_rate, duration):
    """Draw the record of a channel that begins in its stationary state: 0 shut, 1 open."""
    n = int(3 * duration * max(opening_rate, closing_rate)) + 50
    first = int(generator.random() < opening_rate / (opening_rate + closing_rate))
    states = (np.arange(n) + first) % 2
    times = np.cumsum(generator.exponential(1.0 / np.where(states, closing_rate, opening_rate)))
    inside = times[times < duration]
    return single_channel.idealise_events(inside, states[1 : len(inside) + 1], first, 0.0, duration)


def test_a_record_knows_its_state_at_any_time():
    np.testing.assert_array_equal(RECORD.at([[0.0, 1.9, 2.0], [6.9, 7.0, 10.0]]), [[0, 0, 1], [2, 0, 0]])


def test_transitions_make_a_record():
    record = single_channel.idealise_events([2.0, 3.0, 7.0], [1, 2, 0], 0, 0.0, 10.0)
    np.testing.assert_array_equal(record.edges, RECORD.edges)
    np.testing.assert_array_equal(record.states, RECORD.states)


def test_moves_within_a_group_are_no_transitions():
    grouped = RECORD.grouped([False, True, True])
    np.testing.assert_array_equal(grouped.edges, [0.0, 2.0, 7.0, 10.0])
    np.testing.assert_array_equal(grouped.states, [False, True, False])


def test_a_part_of_a_record_begins_in_the_state_of_its_start():
    part = RECORD.between(2.5, 7.0)
    np.testing.assert_array_equal(part.edges, [2.5, 3.0, 7.0])
    np.testing.assert_array_equal(part.states, [1, 2])
    np.testing.assert_array_equal(RECORD.between(2.0, 3.0).states, [1])


def test_the_first_visit_is_left_out_and_the_last_is_cut_off():
    visits = single_channel.dwells([RECORD, RECORD.between(0.0, 5.0)], 0)
    np.testing.assert_array_equal(visits.durations, [3.0])
    np.testing.assert_array_equal(visits.is_censored, [True])
    visits = single_channel.dwells([RECORD, RECORD.between(0.0, 5.0)], 2)
    np.testing.assert_array_equal(visits.durations, [4.0, 2.0])
    np.testing.assert_array_equal(visits.is_censored, [False, True])
    assert visits.mean[:2] == (6.0, 6.0)
    openings, shuttings = single_channel.open_and_shut_dwells([RECORD], [False, True, True])
    np.testing.assert_array_equal(openings.durations, [5.0])
    np.testing.assert_array_equal(shuttings.durations, [3.0])
    assert (
        len(single_channel.dwells([IdealisedRecord(np.array([0.0, 9.0]), np.array([1]))], 1).durations) == 0
    )


def test_the_open_probability_is_the_share_of_time():
    records = [RECORD, IdealisedRecord(np.array([0.0, 10.0]), np.array([1]))]
    assert single_channel.open_probability(records, [False, True, True]).mean == pytest.approx(0.75)
    shut = single_channel.open_probability([RECORD], [False] * 3)
    assert (shut.mean, shut.is_reliable) == (0.0, False)


def test_the_error_of_the_open_probability_is_that_of_a_relaxing_channel():
    """Variance of a time average: 2 p (1 - p) tau/T, tau = 1/(a + b); for five channels a fifth of it."""
    opening, closing, duration = 0.3, 0.7, 2000.0
    generator = np.random.default_rng(1)
    records = [two_state_record(generator, opening, closing, duration) for _ in range(5)]
    measured = single_channel.open_probability(records, [False, True])
    expected = np.sqrt(2 * 0.3 * 0.7 / duration / 5)
    assert measured.standard_error == pytest.approx(expected, rel=0.15)
    assert abs(measured.mean - 0.3) < SIGMAS * expected


@pytest.fixture(scope="module")
def short_records():
    """2000 channels watched for 30 ns, with mean times of 20 ns shut and 10 ns open: many visits are cut off."""
    generator = np.random.default_rng(2)
    return [two_state_record(generator, 0.05, 0.1, 30.0) for _ in range(2000)]


@pytest.mark.parametrize(("state", "mean"), [(0, 20.0), (1, 10.0)])
def test_the_end_of_a_record_does_not_shorten_the_dwell_times(short_records, state, mean):
    visits = single_channel.dwells(short_records, state)
    fit = single_channel.fit_dwells(visits)
    assert len(fit.weights) == 1
    assert abs(fit.time_constants[0] - mean) < SIGMAS * fit.time_constant_errors[0]
    assert fit.time_constants[0] == pytest.approx(visits.mean.mean, rel=1e-6)
    assert fit.time_constant_errors[0] == pytest.approx(visits.mean.standard_error, rel=1e-6)
    complete = visits.durations[~visits.is_censored]
    assert abs(complete.mean() - mean) > SIGMAS * fit.time_constant_errors[0]


def test_a_histogram_counts_every_duration_once():
    durations = np.array([0.1, 0.2, 1.0, 1.5, 9.99, 10.0])
    histogram = single_channel.count_logarithmically(durations, 1)
    np.testing.assert_allclose(histogram.edges, [0.1, 1.0, 10.0, 100.0])
    np.testing.assert_array_equal(histogram.counts, [2, 3, 1])


def test_a_histogram_beside_its_fit():
    """An exponential peaks at its time constant; square roots of counts scatter by 1/2 about what is expected."""
    durations = np.random.default_rng(3).exponential(25.0, 20_000)
    durations = durations[durations > 2.0]
    histogram = single_channel.count_logarithmically(durations)
    [fit] = fit_exponentials(durations, np.zeros(len(durations), dtype=bool), shortest=2.0)
    expected = histogram.expected(fit, 2.0)
    assert expected.sum() == pytest.approx(len(durations), rel=1e-3)
    peak = np.argmax(expected)
    assert histogram.edges[peak] < 25.0 < histogram.edges[peak + 1]
    shown = expected > 10
    deviations = np.sqrt(histogram.counts[shown]) - np.sqrt(expected[shown])
    assert shown.sum() > 10
    assert np.abs(deviations).max() < SIGMAS / 2
    wrong = fit._replace(time_constants=1.2 * fit.time_constants)
    assert np.abs(np.sqrt(histogram.counts) - np.sqrt(histogram.expected(wrong, 2.0))).max() > SIGMAS / 2


@pytest.mark.parametrize(("shut", "opened"), [(0.0, 2.0), (0.3, -1.7)])
def test_a_trace_is_open_beyond_the_middle(shut, opened):
    """Ramps of 1 ns between the levels cross the middle at 10.5, 20.5 and 30.5 ns, whatever the samples."""
    time = np.arange(0.0, 40.0, 0.23)
    share = np.interp(time, [10, 11, 20, 21, 30, 31], [0, 1, 1, 0, 0, 1])
    record = single_channel.idealise_trace(time, shut + (opened - shut) * share, shut, opened)
    np.testing.assert_allclose(record.edges, [0.0, 10.5, 20.5, 30.5, time[-1]])
    np.testing.assert_array_equal(record.states, [0, 1, 0, 1])


@pytest.mark.parametrize("cutoff", [0.02, 0.05])
def test_a_gaussian_filter_hides_openings_of_less_than_its_dead_time(cutoff):
    interval = 0.05
    time = interval * np.arange(8000)

    def seen(width):
        pulse = ((time >= 200.0) & (time < 200.0 + width)).astype(float)
        filtered = single_channel.filter_gaussian(pulse, interval, cutoff)
        return single_channel.idealise_trace(time, filtered, 0.0, 1.0)

    dead_time = 0.179 / cutoff
    assert len(seen(0.97 * dead_time).states) == 1
    assert len(seen(1.03 * dead_time).states) == 3
    long = seen(10 * dead_time)
    assert np.diff(long.edges)[1] == pytest.approx(10 * dead_time, abs=interval)


def test_a_gaussian_filter_passes_half_the_power_at_its_cutoff():
    interval, cutoff = 0.1, 0.05
    wave = np.sin(2 * np.pi * cutoff * interval * np.arange(20_000))
    passed = single_channel.filter_gaussian(wave, interval, cutoff)[2000:-2000]
    assert passed.std() / wave.std() == pytest.approx(np.sqrt(0.5), rel=1e-3)


def test_visits_too_short_to_be_resolved_are_bridged():
    edges = np.array([0.0, 0.5, 5.0, 5.2, 9.0, 14.0, 14.3, 14.6, 20.0])
    record = IdealisedRecord(edges, np.array([0, 1, 0, 1, 0, 1, 0, 1]))
    resolved = single_channel.impose_resolution(record, 1.0)
    np.testing.assert_allclose(resolved.edges, [0.5, 9.0, 14.6, 20.0])
    np.testing.assert_array_equal(resolved.states, [1, 0, 1])
    with pytest.raises(ValueError, match="no visit lasts 50 ns"):
        single_channel.impose_resolution(record, 50.0)


def test_a_noisy_trace_gives_back_the_dwell_times():
    """Openings of 40 ns in filtered noise of a fifth of their amplitude; what lasts 10 ns is seen for certain.

    Of the shuttings, 200 ns on average, a share of 1 - exp(-10/200) is too short: openings look longer by as much.
    """
    generator = np.random.default_rng(5)
    record = two_state_record(generator, 0.005, 0.025, 300_000.0)
    time = np.arange(0.0, 300_000.0)
    is_open = record.at(time)
    current = 1.5 * is_open + generator.normal(size=len(time)) * 0.8
    current = single_channel.filter_gaussian(current, 1.0, 0.05)
    assert current[is_open == 0].std() == pytest.approx(0.3, abs=0.05)
    seen = single_channel.idealise_trace(time, current, 0.0, 1.5)
    openings = single_channel.dwells([single_channel.impose_resolution(seen, 10.0)], 1)
    expected = 40.0 / np.exp(-10.0 / 200.0)
    fit = single_channel.fit_dwells(openings, 1, shortest=10.0)
    assert fit.time_constant_errors[0] < 2.0
    assert abs(fit.time_constants[0] - expected) < SIGMAS * fit.time_constant_errors[0]
    unaware = single_channel.fit_dwells(openings, 1)
    assert abs(unaware.time_constants[0] - expected) > SIGMAS * fit.time_constant_errors[0]


@pytest.mark.parametrize("unit", [3.0, -3.0])
def test_the_unit_current_of_several_channels(unit):
    """Two channels; scores of 40 traces: mean 0 within 5/sqrt(40), mean square 1 within 5 sqrt(2/40)."""
    generator = np.random.default_rng(6)
    measured = []
    for _ in range(40):
        n_open = generator.binomial(2, 0.4, 600)
        current = 0.1 + unit * n_open + generator.normal(size=600) * (0.25 + 0.05 * n_open)
        measured.append(single_channel.measure_unit_current(current, 3)[:2])
    currents, errors = np.array(measured).T
    scores = (currents - unit) / errors
    assert abs(scores.mean()) < SIGMAS / np.sqrt(40)
    assert abs((scores**2).mean() - 1.0) < SIGMAS * np.sqrt(2 / 40)
    # A straight line through the means of 216, 288 and 96 samples with these deviations has an error of 0.0175.
    assert errors.mean() == pytest.approx(0.0175, rel=0.15)


CHANNELS = """
[[channels]]
name = "leak"
count = 2
permeability = { K = "0.03 nm^3/ns" }
[[channels]]
name = "gated"
count = 4
permeability = { Na = "0.03 nm^3/ns" }
gating.states = ["closed", "open", "inactivated"]
gating.open = ["open"]
gating.rates = { "closed->open" = "1 /us", "open->inactivated" = "1 /us", "inactivated->closed" = "1 /us" }
"""


def write_run(folder, extra=""):
    """Write 100 ns of two types, with transitions of the second's channels 2, 3 and 4 (of all), and crossings."""
    (folder / "scenario.toml").write_text(SCENARIO + CHANNELS + extra)
    scenario = read_scenario(folder / "scenario.toml")
    description = describe_synthetic_run(
        scenario_json=scenario.to_json(),
        channels=(
            ChannelDescription("leak", 2, ("open",), {"K": 0.03}),
            ChannelDescription("gated", 4, ("closed", "open", "inactivated"), {"Na": 0.03}),
        ),
        channel_y=np.zeros(6),
    )
    with Recorder(folder / "run.h5", description) as recorder:
        row = np.zeros(len(recorder.columns))
        # At the start: two leaks; of the gated ones one closed, one open, two inactivated.
        row[series_blocks(description)["state"]] = 2, 1, 1, 2
        for i in range(11):
            recorder.record_series(i * 20, i * 10.0, row)
        recorder.record_gating(
            {
                "step": np.array([10, 20, 30, 40, 50]),
                "time": np.array([4.5, 9.5, 14.5, 19.5, 24.5]),
                "channel": np.array([4, 2, 4, 3, 2], dtype=np.uint32),
                "from_state": np.array([1, 0, 2, 2, 1], dtype=np.uint8),
                "to_state": np.array([2, 1, 0, 0, 2], dtype=np.uint8),
            }
        )
        recorder.record_crossings(
            {
                "step": np.array([20, 21, 60, 200]),
                "time": np.array([10.0, 10.5, 30.0, 100.0]),
                "ion": np.arange(4, dtype=np.uint32),
                "species": np.array([3, 1, 0, 1], dtype=np.uint8),
                "channel": np.array([3, 3, 1, 3], dtype=np.uint32),
                "direction": np.array([-1, 1, 1, 1], dtype=np.int8),
            }
        )
    return Recording(folder)


def test_each_channel_of_a_run_has_its_record(tmp_path):
    recording = write_run(tmp_path)
    first, second, third, fourth = single_channel.channel_records(recording, "gated")
    np.testing.assert_array_equal(first.edges, [0.0, 9.5, 24.5, 100.0])
    np.testing.assert_array_equal(first.states, [0, 1, 2])
    np.testing.assert_array_equal(second.edges, [0.0, 19.5, 100.0])
    np.testing.assert_array_equal(second.states, [2, 0])
    np.testing.assert_array_equal(third.states, [1, 2, 0])
    # The one that never moves is what remains of one closed, one open and two inactivated.
    np.testing.assert_array_equal(fourth.edges, [0.0, 100.0])
    np.testing.assert_array_equal(fourth.states, [2])
    leaks = single_channel.channel_records(recording, "leak")
    assert [record.states.tolist() for record in leaks] == [[0], [0]]
    np.testing.assert_array_equal(single_channel.conductance_levels(recording, "gated"), [0, 1, 0])
    np.testing.assert_array_equal(single_channel.conductance_levels(recording, "leak"), [1])
    with pytest.raises(KeyError, match="no channel type 'Na'"):
        single_channel.channel_records(recording, "Na")


def test_the_current_of_one_channel_is_counted_from_its_crossings(tmp_path):
    """One calcium ion in at 10 ns, one sodium ion out just after it and one at the very end."""
    trace = single_channel.single_channel_current(write_run(tmp_path), 3, 10.0)
    np.testing.assert_allclose(trace.time, np.arange(5.0, 100.0, 10.0))
    charges = trace.current * 10.0 / 160.2176634
    np.testing.assert_allclose(charges, [-2, 1, 0, 0, 0, 0, 0, 0, 0, 1])


def test_samples_of_an_open_channel_leave_its_shuttings_out(tmp_path):
    """Open from 0 to 35 ns and from 58 ns on: of the samples of 10 ns, three and four are open all the time."""
    record = IdealisedRecord(np.array([0.0, 35.0, 58.0, 100.0]), np.array([1, 0, 1]))
    shut = IdealisedRecord(np.array([0.0, 100.0]), np.array([0]))
    samples = single_channel.open_samples(write_run(tmp_path), 2, [shut, record], 10.0)
    np.testing.assert_allclose(samples * 10.0 / 160.2176634, [-2, 1, 0, 0, 0, 0, 1])


def test_a_run_without_events_or_shorter_than_a_sample_is_refused(tmp_path):
    (tmp_path / "silent").mkdir()
    silent = write_run(tmp_path / "silent", "[recording]\nevents = false\n")
    with pytest.raises(RecordingError, match=r"holds no transitions: set recording\.events"):
        single_channel.channel_records(silent, "gated")
    assert len(single_channel.channel_records(silent, "leak")) == 2
    with pytest.raises(RecordingError, match=r"holds no crossings: set recording\.events"):
        single_channel.single_channel_current(silent, 3, 10.0)
    with pytest.raises(RecordingError, match="shorter than one sample"):
        single_channel.single_channel_current(write_run(tmp_path), 3, 200.0)
