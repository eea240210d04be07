"""The membrane potential beside its prediction, and the summary of a run."""

import json

import numpy as np
import pytest
from synthetic_run import describe_synthetic_run

from mc.analysis.potential import ghk_series
from mc.analysis.statistics import block_average
from mc.comparison import compare_potential, ghk_with_pumps_series, summarize
from mc.recording.recorder import Recorder, write_summary
from mc.recording.recording import Recording


@pytest.fixture(scope="module")
def recording(synthetic_run):
    return Recording(synthetic_run)


def test_the_difference_is_taken_record_by_record(recording):
    comparison = compare_potential(recording, 3000.0)
    assert comparison.difference.mean == pytest.approx(
        comparison.membrane_potential.mean - comparison.ghk_potential.mean
    )
    interval = recording.time[1] - recording.time[0]
    known = 2.0 * comparison.charging_time / interval
    assert comparison.membrane_potential == block_average(recording["membrane_potential"][300:], known)
    assert comparison.difference_in_standard_errors == pytest.approx(
        comparison.difference_with_pump.mean / comparison.difference_with_pump.standard_error
    )


def test_pumps_that_carry_charge_outward_lower_the_prediction(recording):
    comparison = compare_potential(recording)
    assert comparison.pump_current > 0
    assert comparison.ghk_potential_with_pump.mean < comparison.ghk_potential.mean


def test_the_series_with_pumps_has_the_mean_of_the_table(recording):
    comparison = compare_potential(recording)
    series = ghk_with_pumps_series(recording)
    assert series[comparison.window.records].mean() == pytest.approx(comparison.ghk_potential_with_pump.mean)
    assert (series < ghk_series(recording)).all()


def test_without_pumps_there_is_no_series_with_them(tmp_path):
    with Recorder(tmp_path / "run.h5", describe_synthetic_run(pumps=())) as recorder:
        recorder.record_series(0, 0.0, np.zeros(len(recorder.columns)))
    assert ghk_with_pumps_series(Recording(tmp_path)) is None


def test_the_made_up_noise_is_that_of_a_capacitor(recording):
    comparison = compare_potential(recording)
    assert abs(comparison.standard_deviation - comparison.capacitance_noise) < (
        3 * comparison.standard_deviation_error
    )


def test_the_summary_has_plain_names(recording, tmp_path):
    summary = summarize(recording)
    write_summary(tmp_path / "summary.json", summary)
    read = json.loads((tmp_path / "summary.json").read_text())
    assert set(read["membrane_potential_mV"]) == {"mean", "standard_error"}
    assert read["ghk_potential_mV"]["mean"] > read["ghk_potential_with_pump_mV"]["mean"]
    crossed = recording["crossings_outward.K leak.K"] + recording["crossings_outward.Na leak.K"]
    # What a branch counted before its beginning is not of this run.
    assert crossed[0] > 0
    assert read["crossings"]["K"]["outward"] == crossed[-1] - crossed[0]
    assert read["reversal_potential_mV"]["K"] == pytest.approx(-89.0, abs=0.5)
    cycles = recording["pump_cycles.Na/K-ATPase"]
    assert read["pump_cycles"] == {"Na/K-ATPase": int(cycles[-1] - cycles[0])}
    assert read["pumped"]["Na"] == {"outward": 3 * int(cycles[-1] - cycles[0]), "inward": 0}
    assert read["ion_steps_per_second"] == 175_000 * 11_980 / 2.0
    assert read["acceleration"] == {"Na/K-ATPase": 1e4}
    assert read["seed"] == 7
    assert read["engine"] == "brownian"


def test_the_ledger_tells_of_a_lost_ion_and_of_charge(synthetic_run, tmp_path):
    assert summarize(Recording(synthetic_run))["ledger"] == {
        "charge_e": 0.0,
        "ions_gained": dict.fromkeys(("K", "Na", "Cl", "Ca", "A"), 0),
        "open_ends": False,
        "balanced": True,
    }
    original = Recording(synthetic_run)
    with Recorder(tmp_path / "run.h5", describe_synthetic_run()) as recorder:
        for i in range(50):
            row = original.values[i].copy()
            row[original.columns.index("ions_inside.K")] -= i == 49
            row[original.columns.index("ledger_charge")] = -1.0 if i == 20 else 0.0
            recorder.record_series(i, i * 10.0, row)
    ledger = summarize(Recording(tmp_path))["ledger"]
    assert ledger["charge_e"] == -1.0
    assert ledger["ions_gained"]["K"] == -1
    assert not ledger["balanced"]


def test_a_run_without_proteins_has_no_prediction(tmp_path):
    with Recorder(tmp_path / "run.h5", describe_synthetic_run(channels=(), pumps=())) as recorder:
        generator = np.random.default_rng(5)
        for i in range(50):
            row = np.zeros(len(recorder.columns))
            row[0] = generator.standard_normal()
            recorder.record_series(i, i * 10.0, row)
    summary = summarize(Recording(tmp_path))
    assert summary["ghk_potential_mV"] is None
    assert summary["difference_in_standard_errors"] is None
    assert summary["pump_cycles"] == {}
    assert summary["crossings"]["K"] == {"outward": 0, "inward": 0}


def test_a_window_of_few_charging_times_gets_no_verdict(recording):
    """What looks independent within a fraction of the relaxation is not."""
    whole = compare_potential(recording, 3000.0)
    assert whole.is_long_enough
    start = recording.time[-1] - 10.0 * whole.charging_time
    short = compare_potential(recording, start)
    assert not short.is_long_enough
    assert short.difference_in_standard_errors is None
    assert short.membrane_potential.n_effective <= 5.5
