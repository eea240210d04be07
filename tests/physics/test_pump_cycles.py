"""Na/K pumps move three ions out for every two in, as fast as they should, and make the membrane more negative."""

import numpy as np
import pytest

from mc import theory
from mc.analysis.flux import pump_current
from mc.analysis.potential import bulk_concentrations
from mc.analysis.statistics import block_average
from mc.comparison import compare_potential
from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR, SENSING_REACH

AREA = 10_000.0
PUMP = {
    "name": "Na/K-ATPase",
    "count": 40,
    "turnover": 0.02,
    "outward": {"Na": 3},
    "inward": {"K": 2},
    "half_saturation": {"Na": 40.0, "K": 5.0},
}


@pytest.fixture(scope="module")
def pumping(simulate_patch):
    """Pumps alone in a clamped membrane, with about a thousand cycles."""
    return simulate_patch(
        1,
        clamped_potential=-60.0,
        inside={"K": 60.0, "Na": 60.0, "Cl": 20.0},
        outside={"K": 30.0, "Na": 90.0, "Cl": 120.0},
        pumps=[PUMP],
        area=AREA,
        duration=8000.0,
        interval=10.0,
        events=True,
    )


def test_every_cycle_moves_three_sodium_out_and_two_potassium_in(pumping):
    """To the ion, in the events and in the counts of the baths."""
    moves, names = pumping.pump_moves, pumping.species_names
    cycles = int(pumping["pump_cycles.Na/K-ATPase"][-1])
    assert cycles > 500
    is_sodium, is_potassium = (moves["species"] == names.index(name) for name in ("Na", "K"))
    np.testing.assert_array_equal(np.bincount(moves["cycle"][is_sodium]), np.full(cycles, 3))
    np.testing.assert_array_equal(np.bincount(moves["cycle"][is_potassium]), np.full(cycles, 2))
    assert np.all(moves["direction"][is_sodium] == 1)
    assert np.all(moves["direction"][is_potassium] == -1)
    assert moves["ion"].size == 5 * cycles
    for name, change in (("Na", -3 * cycles), ("K", 2 * cycles)):
        inside, outside = pumping[f"ions_inside.{name}"], pumping[f"ions_outside.{name}"]
        assert inside[-1] - inside[0] == change
        assert outside[-1] - outside[0] == -change


def test_all_pumps_take_turns(pumping):
    """Cycles of each of 40 pumps, chi square with 39 degrees of freedom: below 105 but once in 1e7 seeds."""
    first_of_cycle = np.unique(pumping.pump_moves["cycle"], return_index=True)[1]
    counts = np.bincount(pumping.pump_moves["pump"][first_of_cycle], minlength=PUMP["count"])
    assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 105.0


def expected_cycles(recording, sodium_sites=3, potassium_sites=2):
    """Return the integral of the turnover rate over the run.

    A pump senses the ions within 5 nm, whose number is random: Poisson about its mean, because ions of one species
    among several move nearly by themselves. The mean of the rate is therefore taken over that distribution, to the
    second order in the fluctuation.
    """
    millimolar_per_ion = 1.0 / (AREA * SENSING_REACH * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR)

    def mean_saturation(name, side, sites):
        concentration = recording[f"ions_{side}.{name}"] / (
            AREA * 15.0 * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
        )
        half = PUMP["half_saturation"][name]
        variance = concentration * millimolar_per_ion * (1.0 - SENSING_REACH / 15.0)
        filled = concentration / (concentration + half)
        # Second derivative of (c/(c + K))^n.
        curvature = sites * filled ** (sites - 2) * half * ((sites - 1) * half - 2.0 * concentration)
        return filled**sites + 0.5 * variance * curvature / (concentration + half) ** 4

    rate = PUMP["count"] * PUMP["turnover"] * mean_saturation("Na", "inside", sodium_sites)
    return np.trapezoid(rate * mean_saturation("K", "outside", potassium_sites), recording.time)


def test_the_turnover_follows_both_concentrations(pumping):
    """A thousand cycles, a Poisson process: 3 % and 5 sigma; other numbers of sites would be noticed."""
    cycles, expected = pumping["pump_cycles.Na/K-ATPase"][-1], expected_cycles(pumping)
    assert abs(cycles - expected) < 5.0 * np.sqrt(expected), (cycles, expected)
    for sites in ((2, 2), (3, 1), (2, 3)):
        wrong = expected_cycles(pumping, *sites)
        assert abs(cycles - wrong) > 5.0 * np.sqrt(wrong), (sites, cycles, wrong)


def leaky(simulate_patch, pumps):
    return simulate_patch(
        2,
        inside={"K": 120.0, "Na": 40.0, "Cl": 20.0},
        outside={"K": 10.0, "Na": 130.0, "Cl": 110.0},
        channels=[
            {"name": "K leak", "count": 400, "permeability": {"K": 0.037}},
            {"name": "Na leak", "count": 100, "permeability": {"Na": 0.03}},
        ],
        pumps=pumps,
        area=AREA,
        duration=12_000.0,
    )


@pytest.fixture(scope="module")
def with_and_without(simulate_patch):
    return leaky(simulate_patch, [PUMP | {"turnover": 0.06}]), leaky(simulate_patch, [])


def test_pumps_make_the_membrane_more_negative_by_their_current(with_and_without):
    """Against GHK of the same moments: shift and its prediction from the slope conductance, 5 sigma.

    The prediction takes no turn through the concentrations: -I/g, with g the slope of the GHK current at rest.
    """
    pumped = with_and_without[0]
    on, off = (compare_potential(recording, 1000.0) for recording in with_and_without)
    shift = on.difference.mean - off.difference.mean
    error = np.hypot(on.difference.standard_error, off.difference.standard_error)
    inside, outside = (side[:, on.window.records].mean(axis=1) for side in bulk_concentrations(pumped))
    permeability = {"K": 400 * 0.037, "Na": 100 * 0.03}
    per_species = np.array([permeability.get(name, 0.0) for name in pumped.species_names])

    def current(potential):
        return theory.ghk_current(
            per_species, inside, outside, pumped.valence, potential, pumped.temperature
        ).sum()

    middle = on.membrane_potential.mean - shift / 2
    conductance = (current(middle + 0.5) - current(middle - 0.5)) / 1.0
    predicted = -pump_current(pumped, on.window.records) / conductance
    assert predicted < -4.0
    assert shift < -5.0 * error, (shift, error)
    assert abs(shift - predicted) < 5.0 * error, (shift, predicted, error)
    # A pump that carried its charge inwards, or three charges in a cycle instead of one:
    assert abs(shift + predicted) > 5.0 * error
    assert abs(shift - 3.0 * predicted) > 5.0 * error


def test_both_rest_where_ghk_with_the_pump_current_says(with_and_without):
    """Difference from GHK with the current counted, each within 5 standard errors of at most 1 mV."""
    for recording in with_and_without:
        difference = compare_potential(recording, 1000.0).difference_with_pump
        assert difference.standard_error < 1.0
        assert abs(difference.mean) < 5.0 * difference.standard_error, difference
    potentials = [block_average(recording["membrane_potential"][50:]).mean for recording in with_and_without]
    assert potentials[0] < potentials[1]
