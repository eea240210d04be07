"""Pumps and transporters on the lattice: counts to the ion, rates as their laws say, at any time step."""

import numpy as np
import pytest
from lattice_patch import RATIOS, RELAXATION_TIME, THERMAL, make_engine, watch
from membrane_patch import BODY_TEMPERATURE
from scipy.optimize import brentq

from mc import theory
from mc.analysis.statistics import block_average

AREA, LENGTH = 1e5, 20.0
INSIDE, OUTSIDE = {"K": 60.0, "Na": 60.0, "Cl": 20.0}, {"K": 30.0, "Na": 90.0, "Cl": 120.0}
PUMP = {
    "name": "Na/K-ATPase",
    "count": 200,
    "outward": {"Na": 3},
    "inward": {"K": 2},
    "half_saturation": {"Na": 40.0, "K": 5.0},
}
CYCLES = 4000


def saturation(inside, outside, sites=(3, 2)):
    return (inside / (inside + 40.0)) ** sites[0] * (outside / (outside + 5.0)) ** sites[1]


@pytest.fixture(scope="module", params=RATIOS)
def pumping(request):
    """Pumps alone in a clamped membrane: at most one cycle of a pump in a hundred steps."""
    time_step = request.param * RELAXATION_TIME
    turnover = min(0.01 / time_step, 0.02)
    engine = make_engine(
        1,
        time_step,
        clamped_potential=-60.0,
        inside=INSIDE,
        outside=OUTSIDE,
        pumps=[PUMP | {"turnover": turnover}],
        area=AREA,
        length=LENGTH,
    )
    start = engine.observe()
    n_steps = CYCLES / (PUMP["count"] * turnover * saturation(60.0, 30.0) * time_step)
    observations = [start, *watch(engine, 40, max(1, round(n_steps / 40)))]
    return engine, observations, turnover


def test_every_cycle_moves_three_sodium_out_and_two_potassium_in(pumping):
    """To the ion."""
    engine, observations, _ = pumping
    cycles = observations[-1].pump_cycles[0, 0]
    gained = observations[-1].ions - observations[0].ions
    names = engine.composition.names
    np.testing.assert_array_equal(gained[names.index("Na")], [-3 * cycles, 3 * cycles])
    np.testing.assert_array_equal(gained[names.index("K")], [2 * cycles, -2 * cycles])
    assert observations[-1].pump_cycles[0, 1] == 0


def expected_cycles(pumping, sites=(3, 2)):
    """Return the integral of the turnover over the run, from the concentrations of the whole baths."""
    engine, observations, turnover = pumping
    names = engine.composition.names
    steps = np.array([one.step for one in observations]) * engine.time_step
    volume = AREA * LENGTH * engine.state.box.ions_per_volume
    sodium = np.array([one.ions[names.index("Na"), 0] for one in observations]) / volume
    potassium = np.array([one.ions[names.index("K"), 1] for one in observations]) / volume
    return PUMP["count"] * turnover * np.trapezoid(saturation(sodium, potassium, sites), steps)


def test_they_turn_as_fast_as_their_law_says(pumping):
    """To 1.6 %, 5 sigma. What pumps take from beside the membrane lowers the turnover by less than 0.3 %."""
    cycles = pumping[1][-1].pump_cycles[0, 0]
    expected = expected_cycles(pumping)
    assert cycles > 0.5 * CYCLES
    assert abs(cycles - expected) < 5.0 * np.sqrt(expected) + 0.003 * expected
    for sites in ((2, 2), (3, 1), (3, 4)):
        assert abs(cycles - expected_cycles(pumping, sites)) > 5.0 * np.sqrt(expected)


@pytest.mark.parametrize("ratio", RATIOS)
def test_a_transporter_stops_where_its_free_energy_vanishes(ratio):
    """KCC2: K_i Cl_i = K_o Cl_o, to the mean of a logarithm; 5 sigma."""
    time_step = ratio * RELAXATION_TIME
    turnover = min(0.02 / time_step, 0.5)
    engine = make_engine(
        2,
        time_step,
        clamped_potential=-60.0,
        inside={"K": 90.0, "Na": 70.0, "Cl": 100.0},
        outside={"K": 40.0, "Na": 50.0, "Cl": 50.0},
        transporters=[
            {
                "name": "KCC2",
                "count": 100,
                "turnover": turnover,
                "outward": {"K": 1, "Cl": 1},
                "charge": 0,
                "half_saturation": {"K": 50.0, "Cl": 50.0},
            }
        ],
        area=2000.0,
        length=10.0,
    )
    names = engine.composition.names
    engine.advance(round(300.0 / turnover / time_step))
    energies = []
    for one in watch(engine, 1500, round(2.0 / turnover / time_step)):
        inside, outside = one.ions[names.index("K")] * one.ions[names.index("Cl")]
        energies.append(np.log(inside / outside))
    estimate = block_average(energies)
    assert estimate.standard_error < 0.04
    assert abs(estimate.mean) < 5.0 * estimate.standard_error, estimate
    # From where it came: 90 * 100 against 40 * 50.
    assert abs(estimate.mean - np.log(4.5)) > 5.0 * estimate.standard_error
    assert one.pump_cycles[0].min() > 100


@pytest.mark.parametrize("ratio", [1.0, 100.0])
def test_a_pump_makes_a_free_membrane_more_negative(ratio):
    """With a leak of potassium the current of the pumps shifts the potential by I/g from Nernst; 5 sigma and 2 %."""
    time_step = ratio * RELAXATION_TIME
    shifts = []
    for count in (1, 200):
        turnover = 2e-3 / time_step
        leak = {"name": "K", "count": 10, "permeability": {"K": 3e3 / time_step}}
        engine = make_engine(
            3,
            time_step,
            inside=INSIDE,
            outside=OUTSIDE,
            pumps=[PUMP | {"turnover": turnover, "count": count}],
            channels=[leak],
            area=1e6,
            length=LENGTH,
        )
        i = engine.composition.names.index("K")
        engine.advance(200)
        series = []
        for one in watch(engine, 800, 5):
            inside, outside = one.bulk_concentrations[i]
            series.append(one.charge_separation_potential - THERMAL * np.log(outside / inside))
        shifts.append(block_average(series))
    current = 200 * 2e-3 / time_step * saturation(60.0, 30.0)
    density = np.array([60.0, 30.0]) * engine.state.box.ions_per_volume
    conductance = (
        10 * 3e3 / time_step * density[0] * density[1] * np.log(2.0) / (density[0] - density[1]) / THERMAL
    )
    shift = shifts[1].mean - shifts[0].mean
    error = np.hypot(shifts[0].standard_error, shifts[1].standard_error)
    assert abs(shift + current / conductance) < 5.0 * error, (shift, current / conductance, error)


def test_leaks_meet_the_mean_of_what_pumps_do_in_a_step():
    """Pumps that move the potential by 0.45 mV a step, against a leak of potassium between reservoirs; 5 sigma.

    Where all that they move in a step came at its end, the leak would see it only from there on, and the potential,
    read at the ends, be more negative by three eighths of it.
    """
    time_step, count, turnover, permeability = 5e5, 1000, 2e-7, 0.025
    engine = make_engine(
        5,
        time_step,
        inside={"K": 140.0, "Na": 10.0, "Cl": 150.0},
        outside={"K": 10.0, "Na": 140.0, "Cl": 150.0},
        pumps=[PUMP | {"turnover": turnover, "count": count, "half_saturation": {"Na": 4.0, "K": 1.0}}],
        channels=[{"name": "K", "count": 10, "permeability": {"K": permeability / 10.0}}],
        area=1e6,
        length=50.0,
        grid={"boundary": "bath"},
    )
    engine.advance(200)
    first = engine.observe()
    *observations, last = watch(engine, 5000, 5)
    potential = block_average([one.charge_separation_potential for one in observations])
    n_steps = last.step - first.step
    current = float(last.pump_cycles[0, 0] - first.pump_cycles[0, 0]) / (n_steps * time_step)
    per_step = current * time_step / engine.state.box.grid.membrane_capacitance

    def outward(potential):
        leak = theory.ghk_current(permeability, 140.0, 10.0, 1, potential, BODY_TEMPERATURE)
        return float(leak) + current

    expected = brentq(outward, -200.0, 0.0)
    assert 0.3 < per_step < 0.6
    assert potential.standard_error < 0.025
    assert abs(potential.mean - expected) < 5.0 * potential.standard_error, (potential, expected)
    assert abs(potential.mean - expected + 0.375 * per_step) > 5.0 * potential.standard_error
