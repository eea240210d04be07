"""Cotransporters, exchangers and uniporters run both ways as their free energy says, and stop where it vanishes."""

import numpy as np
import pytest

from mc import theory
from mc.analysis.statistics import block_average
from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR

AREA, LENGTH = 10_000.0, 15.0
PER_MILLIMOLAR = AREA * LENGTH * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR

KCC2 = {
    "name": "KCC2",
    "count": 50,
    "turnover": 0.2,
    "outward": {"K": 1, "Cl": 1},
    "charge": 0,
    "half_saturation": {"K": 50.0, "Cl": 50.0},
}
NKCC1 = {
    "name": "NKCC1",
    "count": 50,
    "turnover": 2.0,
    "inward": {"Na": 1, "K": 1, "Cl": 2},
    "charge": 0,
    "half_saturation": {"Na": 50.0, "K": 50.0, "Cl": 80.0},
    "half_saturation_opposite": {"Cl": 50.0},
}
EXCHANGER = {
    "name": "NCX",
    "count": 50,
    "turnover": 1.0,
    "outward": {"Ca": 1},
    "inward": {"Na": 3},
    "charge": -1,
    "half_saturation": {"Ca": 15.0, "Na": 80.0},
    "half_saturation_opposite": {"Ca": 30.0},
}
UNIPORTER = {
    "name": "K uniporter",
    "count": 50,
    "turnover": 0.2,
    "outward": {"K": 1},
    "charge": 1,
    "half_saturation": {"K": 60.0},
}
TRANSPORTERS = {one["name"]: one for one in (KCC2, NKCC1, EXCHANGER, UNIPORTER)}

LOW = {"K": 40.0, "Na": 50.0, "Ca": 15.0, "Cl": 50.0}
HIGH = {"K": 90.0, "Na": 70.0, "Ca": 25.0, "Cl": 100.0}
VALENCES = {"K": 1, "Na": 1, "Ca": 2, "Cl": -1}


def run(simulate_patch, name, *, inside=HIGH, outside=LOW, potential=0.0, duration=1500.0, seed=1, **patch):
    return simulate_patch(
        seed,
        clamped_potential=potential,
        inside=inside,
        outside=outside,
        transporters=[TRANSPORTERS[name]],
        area=AREA,
        length=LENGTH,
        duration=duration,
        interval=5.0,
        **patch,
    )


def expected_cycles(recording, name, potential):
    """Return the integral of both rates over the run, from the ions in the baths as they were recorded."""
    one = TRANSPORTERS[name]
    inside, outside = (
        {ion: recording[f"ions_{side}.{ion}"] / PER_MILLIMOLAR for ion in VALENCES}
        for side in ("inside", "outside")
    )
    rates = theory.transporter_rates(
        one["count"] * one["turnover"],
        one.get("outward", {}),
        one.get("inward", {}),
        one["half_saturation"],
        {**one["half_saturation"], **one.get("half_saturation_opposite", {})},
        inside,
        outside,
        VALENCES,
        potential,
        recording.temperature,
    )
    return tuple(np.trapezoid(rate, recording.time) for rate in rates)


def counted_cycles(recording, name):
    return recording[f"pump_cycles.{name}"][-1], recording[f"pump_cycles_backward.{name}"][-1]


@pytest.mark.parametrize("potential", [-80.0, 0.0, 60.0])
@pytest.mark.parametrize("name", list(TRANSPORTERS))
def test_both_ways_are_taken_as_often_as_their_rates_say(simulate_patch, name, potential):
    """Poisson counts within 5 standard deviations, and so is their ratio to exp(-dG/kT) of the concentrations."""
    recording = run(simulate_patch, name, potential=potential)
    counted, expected = counted_cycles(recording, name), expected_cycles(recording, name, potential)
    assert min(counted) > 50
    for found, wanted in zip(counted, expected, strict=True):
        assert abs(found - wanted) < 5.0 * np.sqrt(wanted), (counted, expected)
    error = np.sqrt(1.0 / counted[0] + 1.0 / counted[1])
    assert abs(np.log(counted[0] / counted[1]) - np.log(expected[0] / expected[1])) < 5.0 * error
    # With the concentrations on the wrong sides, or for what moves charge the potential's sign, it does not fit.
    assert abs(np.log(counted[0] / counted[1]) + np.log(expected[0] / expected[1])) > 5.0 * error or (
        abs(np.log(expected[0] / expected[1])) < 5.0 * error
    )
    if TRANSPORTERS[name]["charge"] and potential:
        wrong = expected_cycles(recording, name, -potential)
        assert max(abs(counted[i] - wrong[i]) / np.sqrt(wrong[i]) for i in range(2)) > 5.0


@pytest.mark.parametrize("name", list(TRANSPORTERS))
def test_every_ion_of_a_cycle_is_moved_and_no_other(simulate_patch, name):
    recording, one = run(simulate_patch, name, duration=300.0), TRANSPORTERS[name]
    forward, backward = counted_cycles(recording, name)
    for ion in VALENCES:
        moved = one.get("outward", {}).get(ion, 0) - one.get("inward", {}).get(ion, 0)
        inside, outside = recording[f"ions_inside.{ion}"], recording[f"ions_outside.{ion}"]
        assert inside[-1] - inside[0] == -moved * (forward - backward)
        assert outside[-1] - outside[0] == moved * (forward - backward)


def mean_of_log_product(recording, name, records):
    """Return ln of the product of c_from/c_to over the ions of a cycle, and its standard error."""
    one, total = TRANSPORTERS[name], 0.0
    for moved, source, target in (
        (one.get("outward", {}), "inside", "outside"),
        (one.get("inward", {}), "outside", "inside"),
    ):
        for ion, n in moved.items():
            total = total + n * np.log(recording[f"ions_{source}.{ion}"] / recording[f"ions_{target}.{ion}"])
    return block_average(total[records])


@pytest.mark.parametrize(("name", "potential"), [("KCC2", -60.0), ("NKCC1", -60.0), ("NCX", -30.0)])
def test_from_either_side_a_box_comes_to_the_equilibrium(simulate_patch, name, potential):
    """K_i Cl_i = K_o Cl_o and its relatives: the free energy of a cycle in kT, within 5 standard errors of zero.

    The mean over the second half of 10 us, started from either side. That it is met to a few per cent of kT is the
    point; a cycle that carried one ion more or less, or the other charge, would rest elsewhere.
    """
    one = TRANSPORTERS[name]
    work = one["charge"] * potential / theory.species.thermal_potential(310.15)
    for inside, outside in ((HIGH, LOW), (LOW, HIGH)):
        recording = run(
            simulate_patch, name, inside=inside, outside=outside, potential=potential, duration=10_000.0
        )
        half = slice(len(recording.time) // 2, None)
        product = mean_of_log_product(recording, name, half)
        assert product.standard_error < 0.1
        assert abs(product.mean + work) < 5.0 * product.standard_error, product
        if one["charge"]:
            assert abs(product.mean - work) > 5.0 * product.standard_error, product
        start = mean_of_log_product(recording, name, slice(0, 10)).mean
        assert abs(start + work) > 0.5


@pytest.mark.slow
def test_an_exchanger_alone_charges_a_free_membrane_to_its_reversal_potential(simulate_patch):
    """V = 3 E_Na - 2 E_Ca of the moment's bulk concentrations, diffuse layers and single charges notwithstanding."""
    recording = simulate_patch(
        1,
        inside=LOW,
        outside=HIGH,
        transporters=[EXCHANGER],
        area=AREA,
        length=LENGTH,
        duration=40_000.0,
        interval=10.0,
    )
    reversal = theory.transporter_reversal_potential(
        EXCHANGER["outward"],
        EXCHANGER["inward"],
        {ion: recording[f"bulk_concentration_inside.{ion}"].mean() for ion in VALENCES},
        {ion: recording[f"bulk_concentration_outside.{ion}"].mean() for ion in VALENCES},
        VALENCES,
        recording.temperature,
    )
    potential = block_average(recording["membrane_potential"][200:])
    assert abs(reversal) > 5.0
    assert abs(potential.mean - reversal) < 5.0 * potential.standard_error, (potential, reversal)
    assert abs(potential.mean + reversal) > 5.0 * potential.standard_error
    assert potential.standard_error < 1.0
