"""The numbers that the shipped scenarios promise in their first lines, from whole runs of them."""

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import curve_fit

from mc import theory
from mc.analysis.potential import bulk_concentrations, ghk_series
from mc.analysis.statistics import block_average
from mc.comparison import compare_potential
from mc.scenario.reading import read_scenario
from mc.simulation import simulate

pytestmark = pytest.mark.slow

SCENARIOS = Path(__file__).parents[2] / "scenarios"
PICOAMPERES = 160.2176634
"""Per e/ns."""


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a shipped scenario and returns its recording."""

    def run_shipped(name, **settings):
        overrides = [f"{key.replace('__', '.')}={value}" for key, value in settings.items()]
        return simulate(read_scenario(SCENARIOS / f"{name}.toml", overrides), tmp_path / name)

    return run_shipped


def concentrations(recording):
    inside, outside = bulk_concentrations(recording)
    return {name: (inside[i], outside[i]) for i, name in enumerate(recording.species_names)}


def between(recording, start, stop):
    """Return the records from `start` to `stop` us."""
    return (recording.time > 1000.0 * start) & (recording.time <= 1000.0 * stop)


def is_near(estimate, expected, bias=0.0):
    """Return whether a mean is within 5 standard errors, and a known `bias`, of what is expected."""
    return abs(estimate.mean - expected) < 5.0 * estimate.standard_error + bias


@pytest.mark.parametrize(
    ("name", "ghk"), [("nernst_potassium", -87.3), ("ghk_three_ions", -67.6), ("squid_axon", -59.5)]
)
def test_at_rest_the_potential_is_that_of_ghk(run, name, ghk):
    recording = run(name)
    comparison = compare_potential(recording)
    assert comparison.difference.standard_error < 1.0
    assert is_near(comparison.difference, 0.0), comparison.difference
    assert comparison.ghk_potential.mean == pytest.approx(ghk, abs=0.5)
    # The opposite sign, the tempting slip, is far away.
    assert not is_near(comparison.membrane_potential, -ghk)


def test_potassium_outside_depolarises_as_ghk_says(run):
    recording = run("high_potassium")
    for start, ghk in ((0, -68.6), (10, -45.9), (20, -25.6), (30, -0.9)):
        records = between(recording, start + 2, start + 10)
        potential = block_average(recording["membrane_potential"][records])
        assert potential.standard_error < 1.0
        assert is_near(potential, ghk), (start, potential)


def test_one_channel_passes_16_picoamperes_while_it_is_open(run):
    """100 ions a microsecond, a Poisson number: 0.7 % of 200 us; the mean dwell within 5 of its own errors."""
    recording = run("single_channel")
    current = np.diff(recording["displaced_charge.maxi-K.K"]) / np.diff(recording.time) * PICOAMPERES
    is_open = recording["open_channels.maxi-K"] > 0
    whole = is_open[1:] & is_open[:-1]
    shut = ~is_open[1:] & ~is_open[:-1]
    assert abs(block_average(current[shut]).mean) < 0.1
    estimate = block_average(current[whole])
    # Two diffuse layers add 1 mV to the 80 on the slab.
    assert is_near(estimate, 16.0, bias=0.3), estimate
    dwells = np.diff(recording.gating["time"])
    assert dwells.size >= 8
    assert abs(dwells.mean() - 20_000.0) < 5.0 * 20_000.0 / np.sqrt(dwells.size)


def test_current_against_voltage_rectifies_as_ghk_and_reverses_at_nernst(run):
    """Reversal by a fit of the GHK form with its permeability and reversal free: within a millivolt."""
    recording = run("iv_curve")
    permeability = 400 * recording.channels[0].permeability["K"]
    potentials, currents, errors = [], [], []
    for step in range(11):
        records = np.flatnonzero(between(recording, 6 * step + 1, 6 * step + 6))
        first, last = records[0], records[-1]
        time = recording.time[last] - recording.time[first]
        charge = recording["displaced_charge.K.K"][[first, last]]
        crossed = sum(
            np.diff(recording[f"crossings_{way}.K.K"][[first, last]])[0] for way in ("outward", "inward")
        )
        injected = np.diff(recording["injected_charge"][[first, last]])[0]
        # What the clamp carries is what crosses, but for what moves the charge on the membrane by its last ion.
        assert abs(injected - np.diff(charge)[0]) < 5.0
        potentials.append(recording["membrane_potential"][records].mean())
        currents.append(np.diff(charge)[0] / time)
        errors.append(np.sqrt(crossed) / time)
    expected = theory.ghk_current(permeability, 140.0, 5.0, 1, np.array(potentials), recording.temperature)
    # Potassium is used up and piles up beside the membrane by a few per cent at the largest currents.
    for found, error, wanted in zip(currents, errors, expected, strict=True):
        assert abs(found - wanted) < 5.0 * error + 0.03 * abs(wanted)

    def ghk(potential, permeability, reversal):
        outside = 140.0 * np.exp(reversal / theory.species.thermal_potential(recording.temperature))
        return theory.ghk_current(permeability, 140.0, outside, 1, potential, recording.temperature)

    (fitted, reversal), covariance = curve_fit(
        ghk, potentials, currents, [permeability, -80.0], sigma=errors, absolute_sigma=True
    )
    assert np.sqrt(covariance[1, 1]) < 1.0
    assert abs(reversal + 89.07) < max(1.0, 3.0 * np.sqrt(covariance[1, 1])), reversal
    assert fitted == pytest.approx(permeability, rel=0.03)
    # Ohm's law does not fit: chi square of a line through 11 points is far beyond the 9 that it should be.
    line = np.polyfit(potentials, currents, 1, w=1.0 / np.array(errors))
    assert (((currents - np.polyval(line, potentials)) / errors) ** 2).sum() > 500.0


def test_calcium_current_bends_as_ghk_and_reverses_though_hardly_any_is_inside(run):
    """Currents over a range of ten thousand; the reversal by a fit from 80 mV on, within a millivolt."""
    recording = run("iv_curve_calcium")
    permeability, temperature = 10_000 * recording.channels[0].permeability["Ca"], recording.temperature
    inside, outside = concentrations(recording)["Ca"]
    potentials, currents, errors, expected = [], [], [], []
    for step in range(13):
        records = np.flatnonzero(between(recording, (500 * step + 100) * 1e3, 500 * (step + 1) * 1e3))
        ends = records[[0, -1]]
        duration = np.diff(recording.time[ends])[0]
        crossed = sum(np.diff(recording[f"crossings_{way}.Ca.Ca"][ends])[0] for way in ("outward", "inward"))
        potentials.append(recording["membrane_potential"][records].mean())
        currents.append(np.diff(recording["displaced_charge.Ca.Ca"][ends])[0] / duration)
        errors.append(2.0 * np.sqrt(crossed) / duration)
        contents = inside[records].mean(), outside[records].mean()
        expected.append(theory.ghk_current(permeability, *contents, 2, potentials[-1], temperature))
    scores = (np.array(currents) - expected) / errors
    assert np.all(np.abs(scores) < 5.0), scores
    # A current of monovalent ions would be another one.
    as_monovalent = theory.ghk_current(permeability, 1e-4, 1.8, 1, np.array(potentials), temperature)
    assert np.all(np.abs((currents - as_monovalent) / errors)[:8] > 5.0)

    def ghk(potential, permeability, reversal):
        content = 1.8 * np.exp(-2.0 * reversal / theory.species.thermal_potential(temperature))
        return theory.ghk_current(permeability, content, 1.8, 2, potential, temperature)

    (fitted, reversal), covariance = curve_fit(
        ghk, potentials[7:], currents[7:], [permeability, 120.0], sigma=errors[7:], absolute_sigma=True
    )
    assert np.sqrt(covariance[1, 1]) < 0.3
    assert abs(reversal - 130.94) < 5.0 * np.sqrt(covariance[1, 1]), reversal
    assert fitted == pytest.approx(permeability, rel=0.03)


def test_the_pump_builds_a_resting_cell_from_nothing(run):
    recording = run("pump_builds_gradients")
    content, last = concentrations(recording), slice(len(recording.time) * 3 // 5, None)
    assert content["K"][0][last].mean() > 130.0
    assert content["Na"][0][last].mean() < 20.0
    potassium, sodium = content["K"], content["Na"]
    predicted = theory.mullins_noda_potential(
        np.array([30.0, 0.9])[:, np.newaxis],
        np.array([potassium[0], sodium[0]]),
        np.array([potassium[1], sodium[1]]),
        recording.temperature,
    )
    difference = block_average((recording["membrane_potential"] - predicted)[last])
    assert difference.standard_error < 0.7
    assert is_near(difference, 0.0), difference
    assert recording["membrane_potential"][last].mean() == pytest.approx(-65.0, abs=4.0)


def test_a_blocked_pump_loses_its_own_share_at_once_and_its_gradients_later(run):
    recording = run("pump_block")
    potential, ghk = recording["membrane_potential"], ghk_series(recording)
    before = block_average((potential - ghk)[between(recording, 2, 10)])
    assert is_near(before, -6.0, bias=1.0), before
    after = block_average((potential - ghk)[between(recording, 10.5, 25)])
    assert is_near(after, 0.0), after
    assert block_average(potential[between(recording, 10.5, 11.5)]).mean == pytest.approx(-46.0, abs=4.0)
    assert block_average(potential[between(recording, 23, 25)]).mean == pytest.approx(-24.0, abs=4.0)
    cycles = recording["pump_cycles.Na/K-ATPase"]
    assert cycles[-1] == cycles[between(recording, 10.1, 10.2)][0] > 1000


def test_kcc2_stops_where_its_products_are_equal(run):
    recording = run("chloride_kcc2")
    content, last = concentrations(recording), slice(len(recording.time) // 2, None)
    product = block_average(
        np.log(content["K"][0] * content["Cl"][0] / (content["K"][1] * content["Cl"][1]))[last]
    )
    assert product.standard_error < 0.05
    assert is_near(product, 0.0), product
    assert content["Cl"][0][0] == pytest.approx(20.0, abs=2.0)
    assert content["Cl"][0][last].mean() == pytest.approx(6.1, abs=0.4)
    assert content["K"][1][last].mean() == pytest.approx(6.45, abs=0.1)


def test_calcium_is_extruded_to_the_last_ions(run):
    recording = run("calcium_extrusion")
    assert recording["ions_inside.Ca"][0] == 151
    assert np.median(recording["ions_inside.Ca"][-100:]) <= 3
    exchanged = recording["pump_cycles.NCX1"] - recording["pump_cycles_backward.NCX1"]
    assert exchanged[-1] + recording["pump_cycles.PMCA"][-1] == 151 - recording["ions_inside.Ca"][-1]
    sodium = recording["ions_inside.Na"]
    np.testing.assert_array_equal(sodium - sodium[0], 3 * exchanged)


def test_donnan_equilibrium_is_that_of_the_products(run):
    recording = run("donnan")
    content, last = concentrations(recording), slice(len(recording.time) // 2, None)
    for name, inside, outside in (("K", 156.25, 93.75), ("Cl", 56.25, 93.75)):
        for side, expected in zip(content[name], (inside, outside), strict=True):
            estimate = block_average(side[last])
            assert estimate.standard_error < 0.5
            # The diffuse layers hold a few ions more or less than the bulk.
            assert is_near(estimate, expected, bias=0.4), (name, estimate, expected)
    potential = block_average(recording["membrane_potential"][last])
    assert theory.donnan_potential(
        np.array([93.75, 93.75]), np.array([1, -1]), -100.0, recording.temperature
    ) == pytest.approx(-13.65, abs=0.01)
    assert is_near(potential, -13.65), potential
    assert potential.standard_error < 0.7
