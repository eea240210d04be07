"""The membrane of the continuum: GHK's fluxes, the charging of a capacitor, rest at Nernst's and GHK's potentials."""

import numpy as np
import pytest
from continuum_patch import BODY_TEMPERATURE, CAPACITANCE, THERMAL, advance, make_engine

from mc import theory
from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR

INSIDE = {"K": 140.0, "Na": 12.0, "Cl": 8.0, "Ca": 1e-4}
OUTSIDE = {"K": 5.0, "Na": 145.0, "Cl": 115.0, "Ca": 1.8}
PERMEABILITIES = {"K": 0.02, "Na": 0.001, "Cl": 0.006, "Ca": 0.0004}


def make_channels(permeabilities, count=10):
    return [
        {"name": f"{name} leak", "count": count, "permeability": {name: permeability}}
        for name, permeability in permeabilities.items()
    ]


@pytest.mark.parametrize("potential", [-100.0, -40.0, 0.0, 40.0, 100.0])
def test_one_way_fluxes_are_those_of_ghk(potential):
    """To 1e-3, what the first nanosecond changes of concentrations; of valences -1, +1 and +2."""
    engine = make_engine(
        1.0,
        clamped_potential=potential,
        inside=INSIDE | {"Ca": 1.0},
        outside=OUTSIDE,
        channels=make_channels(PERMEABILITIES),
        area=1e5,
    )
    crossed = advance(engine, 1).crossings.sum(axis=0)
    for species, name in enumerate(engine.composition.names):
        if name not in PERMEABILITIES:
            continue
        fluxes = theory.ghk_flux(
            10 * PERMEABILITIES[name],
            (INSIDE | {"Ca": 1.0})[name],
            OUTSIDE[name],
            engine.composition.valences[species],
            potential,
            BODY_TEMPERATURE,
        )
        np.testing.assert_allclose(crossed[species], [fluxes.outward, fluxes.inward], rtol=1e-3)
        if potential != 0.0:
            # Without the potential's part they would be those at 0 mV.
            assert crossed[species, 0] != pytest.approx(
                10 * PERMEABILITIES[name] * INSIDE.get(name, 0.0) * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR,
                rel=0.2,
            )


def test_a_current_charges_the_membrane_with_the_time_constant_of_capacitance_and_conductance():
    """Between symmetric solutions GHK's current is a straight line, so that charging is an exponential; to 0.3 %.

    The channels feel the drop across the slab and, by the concentrations at its faces, that across both diffuse
    layers: C/g is shorter by the part that these take, 2.3 %.
    """
    salt = {"K": 150.0, "Cl": 150.0}
    area, permeability, current = 1e4, 1.0, 0.002
    engine = make_engine(
        10.0,
        inside=salt,
        outside=salt,
        channels=make_channels({"K": permeability / 10.0}),
        protocol={"current": [{"start": 0.0, "current": current}]},
        area=area,
        length=25.0,
    )
    density = 150.0 * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
    conductance = permeability * density / THERMAL
    both = np.array([150.0, 150.0])
    share = theory.series_slab_fraction(CAPACITANCE, both, both, np.array([1, -1]), BODY_TEMPERATURE)
    time_constant = share * CAPACITANCE * area / conductance
    for n_steps in range(1, 61):
        observation = advance(engine, 1)
        expected = share * current / conductance * -np.expm1(-10.0 * n_steps / time_constant)
        if n_steps % 10 == 0:
            assert observation.charge_separation_potential == pytest.approx(expected, rel=0.003)
    assert 2.0 < 600.0 / time_constant < 10.0
    unlayered = CAPACITANCE * area / conductance
    assert abs(np.expm1(-100.0 / unlayered) / np.expm1(-100.0 / time_constant) - 1.0) > 0.01


@pytest.mark.parametrize(("ion", "valence"), [("K", 1), ("Cl", -1), ("Ca", 2)])
def test_one_permeant_ion_rests_at_its_nernst_potential(ion, valence):
    """From bulk to bulk, layers resolved: to 0.02 mV of that of the concentrations of the moment."""
    engine = make_engine(
        5000.0,
        inside=INSIDE | {"Ca": 0.5},
        outside=OUTSIDE,
        channels=make_channels({ion: 0.3}),
        area=1e5,
        length=25.0,
    )
    observation = advance(engine, 200)
    species = engine.composition.names.index(ion)
    expected = theory.nernst_potential(valence, *observation.bulk_concentrations[species], BODY_TEMPERATURE)
    assert abs(expected) > 15.0
    assert observation.membrane_potential == pytest.approx(expected, abs=0.02)
    # The slab itself has less: the diffuse layers take the rest.
    assert abs(observation.charge_separation_potential - expected) > 0.2


@pytest.mark.parametrize("grid", [{}, {"grid_spacing": 2.5}], ids=["layers resolved", "layers not resolved"])
def test_several_ions_rest_at_the_potential_of_ghk(grid):
    """To 0.02 mV; without calcium, of two charges, it would be 5 mV more negative."""
    engine = make_engine(
        5000.0,
        inside=INSIDE,
        outside=OUTSIDE,
        channels=make_channels(PERMEABILITIES),
        area=1e5,
        length=25.0,
        grid=grid | {"boundary": "bath"},
    )
    observation = advance(engine, 120)
    names = engine.composition.names
    permeability = np.array([10 * PERMEABILITIES.get(name, 0.0) for name in names])
    inside, outside = observation.bulk_concentrations.T

    def ghk(permeability):
        return theory.ghk_potential(
            permeability, inside, outside, engine.composition.valences, BODY_TEMPERATURE
        )

    assert observation.membrane_potential == pytest.approx(ghk(permeability), abs=0.02)
    without = np.where(np.array(names) == "Ca", 0.0, permeability)
    assert abs(observation.membrane_potential - ghk(without)) > 0.2


def test_even_channels_along_the_membrane_make_one_dimension_of_two():
    """The same potentials, concentrations and fluxes, to the tolerance of their steps."""
    common = {"inside": INSIDE, "outside": OUTSIDE, "area": 4e4, "length": 15.0}
    gate = {
        "states": ["closed", "open"],
        "open": ["open"],
        "rates": {"closed->open": 0.01, "open->closed": 0.02},
    }
    channel = {"name": "K", "count": 40, "permeability": {"K": 0.05}, "gating": gate}
    pump = {"name": "pump", "count": 8, "turnover": 0.02}
    line = make_engine(50.0, channels=[channel], pumps=[pump], **common)
    plane = make_engine(
        50.0,
        channels=[channel | {"placement": "even"}],
        pumps=[pump | {"placement": "even"}],
        width=200.0,
        grid={"grid_spacing_y": 25.0},
        **common,
    )
    one, two = advance(line, 10), advance(plane, 10)
    assert two.membrane_potential == pytest.approx(one.membrane_potential, abs=1e-3)
    np.testing.assert_allclose(two.bulk_concentrations, one.bulk_concentrations, rtol=1e-5)
    np.testing.assert_allclose(two.crossings, one.crossings, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(two.pump_cycles, one.pump_cycles, rtol=1e-4)
    # At one place they starve each other.
    plane = make_engine(
        50.0,
        channels=[channel | {"placement": [100.0] * 40}],
        pumps=[pump | {"placement": "even"}],
        width=200.0,
        grid={"grid_spacing_y": 25.0},
        **common,
    )
    crowded = advance(plane, 10)
    assert crowded.membrane_potential > one.membrane_potential + 0.01
