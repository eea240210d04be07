"""A closed membrane is a capacitor between two diffuse layers."""

from types import SimpleNamespace

import numpy as np
import pytest
from membrane_patch import BODY_TEMPERATURE, make_patch
from scipy.optimize import brentq

from mc import constants, theory
from mc.analysis.statistics import block_average
from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
from mc.engines.brownian import stepping
from mc.engines.brownian.engine import BrownianEngine
from mc.validation import layers

AREA, LENGTH, SALT = 5000.0, 10.0, 150.0

CHARGE = -156
"""e; puts half a volt across the membrane, so that the layers stand out of the noise."""

RESOLVING_STEP = 0.0125
"""ns; 0.26 nm, a third of the Debye length."""


PLANE = {"width": 50.0, "grid": {"grid_spacing": 0.195, "grid_spacing_y": 0.78}}
"""In two dimensions: a line 100 nm deep, with cells along the normal as fine as in one dimension."""


def polarised_engine(charge, time_step, seed=1, **size):
    """Return an engine with `charge` positive ions taken from outside and put inside, at the mirror position."""
    patch = make_patch(
        inside={"K": SALT, "Cl": SALT}, outside={"K": SALT, "Cl": SALT}, area=AREA, length=LENGTH, **size
    )
    engine = BrownianEngine(patch, seed, time_step, threads=1)
    first_ion, positions = engine.state.ions.first_ion, engine.state.ions.positions
    cations = np.arange(first_ion[0], first_ion[1])
    moved = cations[np.sign(positions[cations]) == np.sign(charge)][: abs(charge)]
    positions[moved] *= -1.0
    stepping.advance(engine.state, 0)
    engine.deposit_as_looked_at()
    return engine


def observe(engine, settling, duration, interval):
    """Return observations every `interval` ns after `settling` ns."""
    engine.advance(round(settling / engine.time_step))
    observations = []
    for _ in range(round(duration / interval)):
        engine.advance(round(interval / engine.time_step))
        observations.append(engine.observe())
    return observations


def diffuse_layer_potential(charge):
    """Return the potential in mV across one Gouy-Chapman layer that holds `charge`."""

    def surplus(potential):
        return theory.grahame_charge_density(potential, SALT, 1, BODY_TEMPERATURE) - charge / AREA

    return brentq(surplus, -500.0, 500.0)


@pytest.mark.parametrize("size", [{}, PLANE], ids=["1D", "2D"])
@pytest.mark.parametrize("charge", [CHARGE, -20, 0, 20])
def test_the_slab_holds_charge_over_capacitance(charge, size):
    """Exactly, in both read-outs of the slab alone, at every moment; in 2D as exactly as its field is solved."""
    rounding = {"abs": 2e-4} if size else {"rel": 1e-12}
    engine = polarised_engine(charge, time_step=1.0, **size)
    capacitance = engine.scenario.membrane.capacitance * AREA
    for one in observe(engine, 0.0, 20.0, 5.0):
        assert one.charge_separation_potential == pytest.approx(charge / capacitance, rel=1e-12)
        assert one.field_potential_drop == pytest.approx(charge / capacitance, **rounding)
        assert one.total_charge == 0.0


@pytest.fixture(scope="module")
def resolved():
    """Return an engine and observations of a membrane at half a volt, in steps that resolve the diffuse layers."""
    engine = polarised_engine(CHARGE, RESOLVING_STEP)
    return engine, observe(engine, 20.0, 500.0, 0.5)


@pytest.fixture(scope="module")
def resolved_plane():
    """Return the same in two dimensions, with half the observations."""
    engine = polarised_engine(CHARGE, RESOLVING_STEP, **PLANE)
    return engine, observe(engine, 20.0, 250.0, 0.5)


def layers_of(observations):
    """Return what electrodes read beyond the slab, over the Gouy-Chapman potential of two layers."""
    expected = 2.0 * diffuse_layer_potential(CHARGE)
    return block_average(
        [(one.membrane_potential - one.charge_separation_potential) / expected for one in observations]
    )


def test_electrodes_read_the_slab_and_two_diffuse_layers(resolved):
    """The layers' depth errs with the length of a step, in proportion to its root: extrapolated to none.

    Twice that of a step less that of a step four times as long; standard error 2 %, 5 sigma.
    """
    fine = layers_of(resolved[1])
    coarse = layers_of(observe(polarised_engine(CHARGE, 4 * RESOLVING_STEP), 20.0, 1000.0, 0.5))
    extrapolated = 2.0 * fine.mean - coarse.mean
    error = np.hypot(2.0 * fine.standard_error, coarse.standard_error)
    assert error < 0.025
    assert abs(extrapolated - 1.0) < 5.0 * error, (fine, coarse)
    # One layer instead of two, or the permittivity of another solvent, would be noticed:
    assert abs(extrapolated - 0.8) > 5.0 * error
    assert abs(extrapolated - 1.2) > 5.0 * error


def test_long_steps_leave_the_share_of_the_layers_that_theory_says():
    """Of small layers by the answer of every wave; what a drift brings to the face lies within it, which adds to it.

    Five standard errors, false alarms 1e-6.
    """
    time_step = 1.0
    engine = polarised_engine(CHARGE, time_step)
    measured = layers_of(observe(engine, 100.0, 8000.0, 2.0))
    species = [
        SimpleNamespace(name=name, diffusion_coefficient=coefficient)
        for name, coefficient in zip(
            engine.composition.names, engine.composition.diffusion_coefficients, strict=True
        )
        if name in ("K", "Cl")
    ]
    solution = {"K": SALT, "Cl": SALT}
    small = layers.share_resolved(
        "brownian", time_step, solution, SimpleNamespace(temperature=BODY_TEMPERATURE, species=species)
    )
    length = theory.debye_length(solution, {"K": 1, "Cl": -1}, BODY_TEMPERATURE)
    steps = np.mean([one.diffusion_coefficient for one in species]) * time_step / length**2
    # The field at the face, lambda times which a small layer would have, weakened by the current of the step.
    face_field = abs(diffuse_layer_potential(CHARGE)) / length / (1.0 + steps)
    drift = steps * length**2 * face_field / constants.thermal_potential(BODY_TEMPERATURE)
    expected = small + steps / (1.0 + steps) * drift / (2.0 * length)
    assert measured.standard_error < 0.004
    assert abs(measured.mean - expected) < 5.0 * measured.standard_error, (measured, expected)
    # Without the drift, or with layers as deep as without steps, it would not hold.
    assert abs(measured.mean - small) > 5.0 * measured.standard_error
    assert abs(measured.mean - 1.0) > 5.0 * measured.standard_error


@pytest.mark.parametrize("run", ["resolved", "resolved_plane"], ids=["1D", "2D"])
@pytest.mark.parametrize("side", ["inside", "outside"])
def test_the_diffuse_layer_is_gouy_and_chapmans(request, run, side):
    """The charge between the face and 0.8, 1.2, 1.6 and 2 nm; 5 sigma, a false alarm in 5e-6 of all seeds.

    By Gauss what lies beyond a distance is the charge of a face at the potential that is left there.
    """
    engine, observations = request.getfixturevalue(run)
    centres, widths, _ = engine.cells_along_x()
    is_side = (centres < 0.0) if side == "inside" else (centres > 0.0)
    order = np.argsort(abs(centres[is_side]))
    concentrations = np.array([one.cell_concentrations for one in observations])
    density = (concentrations[:, 0] - concentrations[:, 1])[:, is_side][:, order]
    charges = density * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR * widths[is_side][order] * AREA
    enclosed, edges = np.cumsum(charges, axis=1), np.cumsum(widths[is_side][order])
    charge = CHARGE if side == "inside" else -CHARGE
    surface, wrong_surface = diffuse_layer_potential(charge), 2.0 * diffuse_layer_potential(charge)
    for depth in (0.8, 1.2, 1.6, 2.0):
        i = np.argmin(abs(edges - depth))
        measured = block_average(enclosed[:, i])
        beyond, wrong_beyond = (
            theory.grahame_charge_density(
                theory.gouy_chapman_potential(edges[i], potential, SALT, 1, BODY_TEMPERATURE),
                SALT,
                1,
                BODY_TEMPERATURE,
            )
            * AREA
            for potential in (surface, wrong_surface)
        )
        assert abs(measured.mean - (charge - beyond)) < 5.0 * measured.standard_error, (depth, measured)
        assert abs(measured.mean - (charge - wrong_beyond)) > 5.0 * measured.standard_error, (depth, measured)


def test_long_steps_smear_the_layers():
    """In steps of 1 ns, of 2.3 nm, the layers of 0.8 nm look shallower: what the bound above would notice."""
    layers = layers_of(observe(polarised_engine(CHARGE, 1.0), 20.0, 1000.0, 1.0))
    assert layers.mean + 10.0 * layers.standard_error < 1.0


def test_baths_are_neutral_beyond_the_layers(resolved):
    """Net charge of the bulk, between five Debye lengths and the far wall: zero within 5 sigma on either side."""
    for side in range(2):
        net = block_average([one.bulk_concentrations[:, side] @ [1, -1] for one in resolved[1]])
        assert net.standard_error < 0.002 * SALT
        assert abs(net.mean) < 5.0 * net.standard_error
