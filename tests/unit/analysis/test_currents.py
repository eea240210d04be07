"""Currents counted by hand, and curves of known reversal within five standard errors."""

import numpy as np
import pytest
from synthetic_run import describe_synthetic_run

from mc import theory
from mc.analysis import currents
from mc.analysis.currents import CountedCharge, CurrentVoltage, Window
from mc.recording.recorder import Recorder
from mc.recording.recording import Recording

SIGMAS = 5.0
PICOAMPERES = 160.2176634
"""Of one elementary charge per ns."""


@pytest.fixture(scope="module")
def recording(synthetic_run):
    return Recording(synthetic_run)


def crossings(recording, direction, passage):
    return recording[f"crossings_{direction}.{passage}"]


def test_charge_is_counted_by_channel_type_and_ion(recording):
    one = currents.crossing_charge(recording, "K leak", "Na")
    outward, inward = (crossings(recording, direction, "K leak.Na") for direction in ("outward", "inward"))
    np.testing.assert_array_equal(one.net, outward - inward)
    np.testing.assert_array_equal(one.variance, outward + inward)
    calcium = currents.crossing_charge(recording, ion="Ca")
    entered = sum(crossings(recording, "inward", f"{name}.Ca") for name in ("K leak", "Na leak"))
    np.testing.assert_array_equal(calcium.net, -2 * entered)
    np.testing.assert_array_equal(calcium.variance, 4 * entered)
    chloride = currents.crossing_charge(recording, "Na leak", "Cl")
    assert chloride.net[-1] == -(
        crossings(recording, "outward", "Na leak.Cl")[-1] - crossings(recording, "inward", "Na leak.Cl")[-1]
    )
    everything = currents.crossing_charge(recording)
    parts = [currents.crossing_charge(recording, ion=name) for name in recording.species_names]
    np.testing.assert_array_equal(everything.net, sum(part.net for part in parts))


@pytest.mark.parametrize(
    ("choice", "message"), [({"channel": "leak"}, "no channel type 'leak'"), ({"ion": "Mg"}, "no ion 'Mg'")]
)
def test_what_is_not_there_is_named(recording, choice, message):
    with pytest.raises(KeyError, match=message):
        currents.crossing_charge(recording, **choice)
    with pytest.raises(KeyError, match=message):
        currents.displaced_charge(recording, **choice)


def test_bins_of_a_current_have_the_errors_of_their_counts():
    time = np.array([0.0, 10.0, 20.0, 30.0, 40.0, 50.0])
    charge = CountedCharge(net=np.array([0, 2, 4, 4, 4, 9]), variance=np.array([0, 4, 12, 12, 12, 20]))
    binned = currents.bin_current(time, charge, 2)
    np.testing.assert_allclose(binned.time, [10.0, 30.0])
    np.testing.assert_allclose(binned.current, np.array([4, 0]) / 20 * PICOAMPERES)
    np.testing.assert_allclose(binned.standard_error, np.sqrt([12, 1]) / 20 * PICOAMPERES)


def test_the_scatter_of_a_binned_current_is_its_error():
    """A Poisson current of calcium both ways, 5000 bins: the ratio of variances within 5 sqrt(2/5000) of one."""
    generator = np.random.default_rng(1)
    outward, inward = generator.poisson(6.0, 5000), generator.poisson(2.0, 5000)
    charge = CountedCharge(
        np.append(0, 2 * np.cumsum(outward - inward)), np.append(0, 4 * np.cumsum(outward + inward))
    )
    binned = currents.bin_current(np.arange(5001) * 10.0, charge)
    ratio = binned.current.var() / np.mean(binned.standard_error**2)
    assert abs(ratio - 1.0) < SIGMAS * np.sqrt(2 / 5000)
    single = CountedCharge(charge.net, charge.variance / 2)
    wrong = currents.bin_current(np.arange(5001) * 10.0, single)
    assert abs(binned.current.var() / np.mean(wrong.standard_error**2) - 1.0) > SIGMAS * np.sqrt(2 / 5000)


def test_the_current_of_a_window_is_charge_over_time():
    time = np.arange(0.0, 1010.0, 10.0)
    charge = np.where(time < 500.0, 0.3 * time, 150.0 - 0.1 * (time - 500.0))
    curve = currents.measure_current_voltage(
        time, charge, [Window(0.0, 490.0, -20.0), Window(520.0, 1000.0, -80.0)]
    )
    np.testing.assert_allclose(curve.potential, [-20.0, -80.0])
    np.testing.assert_allclose(curve.current, np.array([0.3, -0.1]) * PICOAMPERES)
    np.testing.assert_allclose(curve.standard_error, 0.0, atol=1e-9)
    with pytest.raises(ValueError, match="from 995 to 1000 ns holds 1 records"):
        currents.measure_current_voltage(time, charge, [Window(995.0, 1000.0, 0.0)])


def test_the_errors_of_a_curve_are_those_of_its_counts(monkeypatch):
    """Poisson crossings, 200 windows of 480 records; also with ions that go to and fro in their pores.

    Errors of 32 blocks may be too large by a quarter, but not too small: the mean square of the scores stays below
    1 + 5 sqrt(2/200).
    """
    generator = np.random.default_rng(2)
    n_windows, n = 200, 480
    time = np.arange(n_windows * n + 1.0)
    crossed = np.append(0.0, np.cumsum(generator.poisson(0.7, n_windows * n)))
    on_their_way = generator.uniform(-2.0, 2.0, len(time))
    windows = [Window(i * n, (i + 1) * n, 0.0) for i in range(n_windows)]
    expected = np.sqrt(0.7 / n) * PICOAMPERES
    for charge in (crossed, crossed + on_their_way):
        measured = currents.measure_current_voltage(time, charge, windows)
        scores = (measured.current - 0.7 * PICOAMPERES) / measured.standard_error
        assert abs(scores.mean()) < SIGMAS / np.sqrt(n_windows)
        assert (scores**2).mean() < 1.0 + SIGMAS * np.sqrt(2 / n_windows)
        assert expected < measured.standard_error.mean() < 1.3 * expected
    # Taken record by record, the motion to and fro would count as often as there are records.
    monkeypatch.setattr(currents, "MOST_BLOCKS", n)
    assert currents.measure_current_voltage(time, charge, windows).standard_error.mean() > 2.0 * expected


def test_spans_of_one_command_are_found():
    nan = np.nan
    command = [nan, nan, -80.0, -80.0, -80.0, -20.0, -20.0, nan, 1.0, 2.0, 3.0, -20.0, -20.0]
    assert currents.held_spans(command) == [(2, 4), (5, 6), (11, 12)]
    assert currents.held_spans([nan] * 5) == []


POTENTIALS = np.arange(-100.0, 41.0, 20.0)
INSIDE, OUTSIDE, VALENCE = np.array([140.0, 12.0]), np.array([5.0, 145.0]), np.array([1, 1])
PERMEABILITY, TEMPERATURE = np.array([2.0, 0.1]), 310.15


def exact_curve():
    by_species = theory.ghk_current(PERMEABILITY, INSIDE, OUTSIDE, VALENCE, POTENTIALS[:, None], TEMPERATURE)
    return by_species.sum(axis=1) * PICOAMPERES


REVERSAL = float(theory.ghk_potential(PERMEABILITY, INSIDE, OUTSIDE, VALENCE, TEMPERATURE))


def noisy_curve(generator, error=0.3):
    errors = np.full(len(POTENTIALS), error)
    current = exact_curve() + generator.normal(size=len(POTENTIALS)) * error
    return CurrentVoltage(POTENTIALS, current, errors, np.full(len(POTENTIALS), 100.0))


@pytest.mark.parametrize("slope", [2.0, -0.4])
def test_a_parabola_is_zero_where_it_is_zero(slope):
    curve = CurrentVoltage(
        POTENTIALS, slope * (POTENTIALS + 33.0) * (1 + 0.002 * POTENTIALS), np.ones(8), np.ones(8)
    )
    found = currents.fit_reversal(curve)
    assert found.potential == pytest.approx(-33.0)
    assert found.chi_square == pytest.approx(0.0, abs=1e-12)
    assert found.degrees_of_freedom == 2
    straight = currents.fit_reversal(curve, degree=1, n_points=2)
    assert straight.degrees_of_freedom == 0
    assert straight.standard_error > 0.0


def test_reversal_potentials_have_their_errors():
    """300 curves: the GHK form is exact; the parabola of 5 points has a known bias, that of the exact curve."""
    generator = np.random.default_rng(3)
    exact = CurrentVoltage(POTENTIALS, exact_curve(), np.full(8, 0.3), np.ones(8))
    bias = currents.fit_reversal(exact).potential - REVERSAL
    assert abs(bias) < 1.0
    by_ghk, by_parabola = [], []
    for _ in range(300):
        curve = noisy_curve(generator)
        ghk = currents.fit_ghk(curve, INSIDE, OUTSIDE, VALENCE, TEMPERATURE)
        by_ghk.append(
            [
                (ghk.reversal.potential - REVERSAL) / ghk.reversal.standard_error,
                *(ghk.permeability - PERMEABILITY) / ghk.permeability_error,
            ]
        )
        parabola = currents.fit_reversal(curve)
        by_parabola.append([(parabola.potential - bias - REVERSAL) / parabola.standard_error])
    assert ghk.reversal.degrees_of_freedom == 6
    assert ghk.reversal.standard_error < parabola.standard_error
    for scores in (np.array(by_ghk), np.array(by_parabola)):
        assert np.all(np.abs(scores.mean(axis=0)) < SIGMAS / np.sqrt(300))
        assert np.all(np.abs((scores**2).mean(axis=0) - 1.0) < SIGMAS * np.sqrt(2 / 300))
    # Without sodium the reversal would be that of potassium, and the currents far off the curve.
    one = currents.fit_ghk(curve, INSIDE[:1], OUTSIDE[:1], VALENCE[:1], TEMPERATURE)
    assert one.reversal.chi_square > one.reversal.degrees_of_freedom + SIGMAS * np.sqrt(2 * 7)


def test_an_ion_that_does_not_pass_gets_no_permeability():
    curve = CurrentVoltage(POTENTIALS, exact_curve(), np.full(8, 0.3), np.ones(8))
    fit = currents.fit_ghk(
        curve, np.append(INSIDE, 1e-4), np.append(OUTSIDE, 1.8), np.append(VALENCE, 2), TEMPERATURE
    )
    np.testing.assert_allclose(fit.permeability, [*PERMEABILITY, 0.0], atol=1e-6)
    assert fit.reversal.potential == pytest.approx(REVERSAL, abs=1e-4)
    assert np.isfinite(fit.permeability_error).all()


def test_three_monovalent_ions_are_not_told_apart():
    """Their GHK currents are sums of the same two functions of the potential: the reversal alone is certain."""
    curve = CurrentVoltage(POTENTIALS, exact_curve(), np.full(8, 0.3), np.ones(8))
    fit = currents.fit_ghk(
        curve, np.append(INSIDE, 10.0), np.append(OUTSIDE, 115.0), np.append(VALENCE, -1), TEMPERATURE
    )
    two = currents.fit_ghk(curve, INSIDE, OUTSIDE, VALENCE, TEMPERATURE)
    assert np.isnan(fit.permeability_error).all()
    assert fit.reversal.potential == pytest.approx(REVERSAL, abs=1e-4)
    assert fit.reversal.standard_error == pytest.approx(two.reversal.standard_error, rel=1e-3)


def test_curves_that_tell_no_reversal_are_refused():
    outward = CurrentVoltage(POTENTIALS, np.full(8, 2.0), np.ones(8), np.ones(8))
    with pytest.raises(ValueError, match="do not change sign"):
        currents.fit_reversal(outward)
    with pytest.raises(ValueError, match="needs 3 points, found 2"):
        currents.fit_reversal(
            CurrentVoltage(*(column[:2] for column in noisy_curve(np.random.default_rng(1))))
        )
    against = CurrentVoltage(POTENTIALS, -exact_curve(), np.ones(8), np.ones(8))
    with pytest.raises(ValueError, match="no permeability above zero"):
        currents.fit_ghk(against, INSIDE[:1], np.zeros(1), VALENCE[:1], TEMPERATURE)
    certain = CurrentVoltage(POTENTIALS, exact_curve(), np.where(POTENTIALS == 0.0, 0.0, 1.0), np.ones(8))
    with pytest.raises(ValueError, match="the current at 0 mV has no error"):
        currents.fit_ghk(certain, INSIDE, OUTSIDE, VALENCE, TEMPERATURE)


def test_windows_and_predictions_of_a_clamped_run(tmp_path):
    """Two steps of 100 ns; the electrodes read 1 mV more than the command, potassium passes alone."""
    description = describe_synthetic_run()
    with Recorder(tmp_path / "run.h5", description) as recorder:
        column = {name: i for i, name in enumerate(recorder.columns)}
        row = np.zeros(len(column))
        for name, inside, outside in (("K", 140.0, 5.0), ("Na", 12.0, 145.0)):
            row[column[f"bulk_concentration_inside.{name}"]] = inside
            row[column[f"bulk_concentration_outside.{name}"]] = outside
        for i in range(21):
            command = -80.0 if i <= 10 else 20.0
            row[column["command_potential"]] = command
            row[column["membrane_potential"]] = command + 1.0
            row[column["permeability.K"]] = 2.0 if i <= 10 else 4.0
            row[column["displaced_charge.K leak.K"]] = 0.1 * i
            recorder.record_series(i * 20, i * 10.0, row)
    recording = Recording(tmp_path)
    windows = currents.clamp_windows(recording, settling_time=25.0)
    assert windows == [Window(30.0, 100.0, -79.0), Window(140.0, 200.0, 21.0)]
    assert [window.start for window in currents.clamp_windows(recording)] == [0.0, 110.0]
    assert currents.clamp_windows(recording, settling_time=95.0) == []
    expected = PICOAMPERES * np.array(
        [
            theory.ghk_current(permeability, 140.0, 5.0, 1, potential, recording.temperature)
            for permeability, potential in ((2.0, -79.0), (4.0, 21.0))
        ]
    )
    np.testing.assert_allclose(currents.predict_current(recording, windows), expected)
    np.testing.assert_allclose(currents.predict_current(recording, windows, "K"), expected)
    np.testing.assert_allclose(currents.predict_current(recording, windows, "Na"), 0.0)
    charge = currents.displaced_charge(recording, "K leak", "K")
    curve = currents.measure_current_voltage(recording.time, charge, windows)
    np.testing.assert_allclose(curve.current, 0.01 * PICOAMPERES)
