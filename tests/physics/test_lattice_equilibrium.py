"""On the lattice one permeant ion rests at the Nernst potential, with the noise of a capacitor, at any time step."""

import numpy as np
import pytest
from lattice_patch import RATIOS, RELAXATION_TIME, THERMAL, make_engine, slope_conductance, watch

from mc import theory
from mc.analysis.statistics import block_average

AREA, CAPACITANCE = 1e5, 6.241509e-5
INSIDE, OUTSIDE = {"K": 150.0, "Cl": 150.0}, {"K": 15.0, "Na": 135.0, "Cl": 150.0}
STEPS_OF_CHARGING = 40
"""The charging time over the step: the membrane relaxes as fast as the bath at the shortest steps."""
N_RECORDS, STEPS_BETWEEN = 6000, 10
SIZES = {
    "1D": {},
    "2D": {"width": 80.0, "grid": {"grid_spacing_y": 20.0}},
    "fine": {"length": 10.0, "grid": {"grid_spacing": 0.5}},
}
"""Voxels of 2.5 nm, in two dimensions 20 nm wide; voxels that resolve the double layer of 0.8 nm."""


def rest(ratio, size, seed=1, n_records=N_RECORDS, **changes):
    """Return the potential at the electrodes and that of the charge, minus the Nernst potential of the moment."""
    time_step = ratio * RELAXATION_TIME
    patch = {"inside": INSIDE, "outside": OUTSIDE, "length": 25.0, "area": AREA} | SIZES[size] | changes
    concentrations = [np.array([side["K"]]) for side in (INSIDE, OUTSIDE)]
    nernst = THERMAL * np.log(OUTSIDE["K"] / INSIDE["K"])
    conductance = slope_conductance(np.ones(1), *concentrations, np.ones(1), nernst)
    permeability = CAPACITANCE * AREA / (STEPS_OF_CHARGING * time_step) / conductance
    channel = {"name": "K", "count": 10, "permeability": {"K": permeability / 10}}
    engine = make_engine(seed, time_step, channels=[channel], **patch)
    i = engine.composition.names.index("K")
    watch(engine, 20, 2 * STEPS_OF_CHARGING)
    electrodes, charge = [], []
    for one in watch(engine, n_records, STEPS_BETWEEN):
        inside, outside = one.bulk_concentrations[i]
        nernst = THERMAL * np.log(outside / inside)
        electrodes.append(one.membrane_potential - nernst)
        charge.append(one.charge_separation_potential - nernst)
    return np.array(electrodes), np.array(charge)


@pytest.fixture(scope="module")
def at_rest():
    """Return a function that gives a patch at rest, from a run that is made once."""
    runs = {}

    def at(ratio, size):
        if (ratio, size) not in runs:
            n_records = N_RECORDS if size == "1D" else N_RECORDS // 4
            runs[ratio, size] = rest(ratio, size, n_records=n_records)
        return runs[ratio, size]

    return at


@pytest.mark.parametrize("size", ["1D", "2D"])
@pytest.mark.parametrize("ratio", RATIOS)
def test_the_membrane_rests_at_the_nernst_potential(at_rest, ratio, size):
    """Standard error below 0.25 mV, in one dimension below 0.12 mV; 5 sigma, a false alarm in 6e-7 of all seeds."""
    estimate = block_average(at_rest(ratio, size)[0])
    assert estimate.standard_error < (0.12 if size == "1D" else 0.25)
    assert abs(estimate.mean) < 5.0 * estimate.standard_error, estimate
    # With one per cent of another ion's permeability, 100 times as concentrated outside, it would lie 2.4 mV higher.
    assert abs(estimate.mean - 2.4) > 5.0 * estimate.standard_error


@pytest.mark.parametrize("ratio", [0.1, 1.0, 10.0])
def test_resolved_double_layers_do_not_shift_the_balance_at_any_step(at_rest, ratio):
    """Between bulk and bulk it is Nernst's; 5 sigma. The layers themselves take up to 1 mV of what the slab has."""
    electrodes, charge = (block_average(series) for series in at_rest(ratio, "fine"))
    assert electrodes.standard_error < 0.25
    assert abs(electrodes.mean) < 5.0 * electrodes.standard_error
    if ratio <= 1.0:
        assert charge.mean > 5.0 * charge.standard_error


@pytest.mark.parametrize("ratio", RATIOS)
def test_the_noise_is_that_of_a_capacitor(at_rest, ratio):
    """kT/C to 4 %, of 1500 charging times; 5 sigma.

    Explicit parts of a twentieth of the charging time at most may add 2.5 % to the variance.
    """
    charge = at_rest(ratio, "1D")[1]
    variance = block_average((charge - charge.mean()) ** 2)
    expected = float(theory.capacitance_noise(CAPACITANCE * AREA, 310.15)) ** 2
    error = variance.standard_error / expected
    assert error < 0.06
    assert -5.0 * error < variance.mean / expected - 1.0 < 0.025 + 5.0 * error, variance
    # Half of it, or half as much again, would be noticed.
    assert abs(variance.mean / expected - 0.5) > 5.0 * error
    assert abs(variance.mean / expected - 1.5) > 5.0 * error


def test_a_step_longer_than_the_charging_time_keeps_the_noise():
    """Five charging times in a step, drawn in parts in which the drop follows: kT/C within 5 sigma."""
    time_step = 100.0 * RELAXATION_TIME
    conductance = slope_conductance(np.ones(1), np.array([150.0]), np.array([150.0]), np.ones(1), 0.0)
    permeability = 5.0 * CAPACITANCE * AREA / time_step / conductance
    channel = {"name": "K", "count": 10, "permeability": {"K": permeability / 10}}
    engine = make_engine(
        3, time_step, channels=[channel], inside=INSIDE, outside=INSIDE, length=50.0, area=AREA
    )
    engine.advance(50)
    charge = np.array([one.charge_separation_potential for one in watch(engine, 1500, 1)])
    expected = float(theory.capacitance_noise(CAPACITANCE * AREA, 310.15)) ** 2
    variance = block_average((charge - charge.mean()) ** 2)
    error = variance.standard_error / expected
    assert error < 0.06
    assert -5.0 * error < variance.mean / expected - 1.0 < 0.025 + 5.0 * error
    # An explicit step of five charging times would not even be stable.
    assert variance.mean / expected < 2.0
