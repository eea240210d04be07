"""When a membrane has charged, and what GHK says of each moment."""

from itertools import accumulate

import numpy as np
import pytest
from synthetic_run import INSIDE, OUTSIDE, TEMPERATURE, VALENCE, describe_synthetic_run

from mc.analysis.potential import (
    find_window,
    ghk_series,
    marginal_standard_error_truncation,
    reversal_potentials,
)
from mc.analysis.statistics import block_average
from mc.errors import RecordingError
from mc.recording.layout import series_blocks
from mc.recording.recorder import Recorder
from mc.recording.recording import Recording
from mc.theory import ghk_potential, nernst_potential


@pytest.fixture(scope="module")
def recording(synthetic_run):
    return Recording(synthetic_run)


def write_series(path, membrane_potential, *, open_leaks=320, interval=10.0):
    """Write a run of given potentials with fixed concentrations and return its recording."""
    description = describe_synthetic_run()
    blocks = series_blocks(description)
    with Recorder(path / "run.h5", description) as recorder:
        row = np.zeros(len(recorder.columns))
        row[blocks["bulk_concentration_inside"]] = INSIDE
        row[blocks["bulk_concentration_outside"]] = OUTSIDE
        row[blocks["permeability"]] = np.array([0.037, 0.0004, 0.0, 0.0, 0.0]) * open_leaks
        for i, potential in enumerate(membrane_potential):
            row[blocks["membrane_potential"]] = potential
            recorder.record_series(i, i * interval, row)
    return Recording(path)


def test_the_truncation_agrees_with_its_definition():
    series = np.random.default_rng(2).standard_normal(200) + 10 * np.exp(-np.arange(200) / 10)
    by_definition = [
        ((series[n:] - series[n:].mean()) ** 2).sum() / (len(series) - n) ** 2
        for n in range(len(series) // 2 + 1)
    ]
    assert marginal_standard_error_truncation(series) == int(np.argmin(by_definition))


@pytest.mark.parametrize("seed", range(3))
def test_the_rest_of_the_charging_is_small_beside_the_standard_error(tmp_path, seed):
    time, relaxation_time = np.arange(2000) * 10.0, 500.0
    decay = np.exp(-10.0 / relaxation_time)
    kicks = np.random.default_rng(seed).standard_normal(2000) * 4.6 * np.sqrt(1 - decay**2)
    noise = np.array(list(accumulate(kicks, lambda potential, kick: decay * potential + kick)))
    recording = write_series(tmp_path, -70 * (1 - np.exp(-time / relaxation_time)) + noise)
    window = find_window(recording)
    assert window.is_settled
    assert window.end == time[-1]
    bias = (70 * np.exp(-time / relaxation_time))[window.records].mean()
    assert bias < 0.3 * block_average(recording["membrane_potential"][window.records]).standard_error


def test_a_stationary_run_loses_little(tmp_path):
    noise = np.random.default_rng(4).standard_normal(1000)
    window = find_window(write_series(tmp_path, -70 + noise))
    assert window.is_settled
    assert window.records.start < 250


def test_a_run_that_never_settles_says_so(tmp_path):
    window = find_window(write_series(tmp_path, np.linspace(0, -70, 400)))
    assert not window.is_settled
    assert window.records.start == 200


def test_the_user_decides_how_much_to_leave_out(recording):
    window = find_window(recording, 1234.0)
    assert (window.start, window.end) == (1240.0, 5990.0)
    with pytest.raises(RecordingError, match="leaves nothing to average"):
        find_window(recording, 5990.0)


def test_too_few_records_are_refused(tmp_path):
    with pytest.raises(RecordingError, match="3 records, too few"):
        find_window(write_series(tmp_path, [0.0, 1.0, 2.0]))


def test_ghk_follows_the_open_channels_and_the_pumps(tmp_path):
    recording = write_series(tmp_path, np.zeros(5), open_leaks=100)
    permeability = 100 * np.array([0.037, 0.0004, 0, 0, 0])
    for current in (0.0, 0.05):
        expected = ghk_potential(permeability, INSIDE, OUTSIDE, VALENCE, TEMPERATURE, current)
        np.testing.assert_allclose(ghk_series(recording, current), np.full(5, expected))
    assert ghk_series(recording, 0.05)[0] < ghk_series(recording)[0] - 1


def test_without_an_open_channel_there_is_no_ghk_potential(tmp_path):
    recording = write_series(tmp_path, np.zeros(400), open_leaks=0)
    assert np.isnan(ghk_series(recording)).all()
    assert find_window(recording).end == 3990.0


def test_reversal_potentials_leave_the_impermeant_anion_out(recording):
    potentials = reversal_potentials(recording, slice(0, None))
    assert list(potentials) == ["K", "Na", "Cl", "Ca"]
    expected = nernst_potential(VALENCE, INSIDE, OUTSIDE, TEMPERATURE)[:4]
    np.testing.assert_allclose(list(potentials.values()), expected, atol=0.1)
