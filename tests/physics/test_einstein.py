"""Free ions spread as Einstein says, each species with its own diffusion coefficient: <dx^2> = 2 D t."""

import numpy as np
import pytest
from membrane_patch import make_patch

from mc import theory
from mc.engines.brownian.engine import BrownianEngine

LENGTH, MIDDLE, DURATION = 120.0, 10.0, 20.0
"""nm, nm and ns: ions that start within 10 nm of a bath's middle are 4.9 standard deviations from any wall."""


def spread(time_step):
    """Return by species the displacements in 20 ns of ions that start in the middle of a bath.

    The potential is clamped to 0 and there are no pores, so that the baths are free of fields.
    """
    patch = make_patch(
        inside={"K": 50.0, "Na": 50.0, "Cl": 100.0},
        outside={"Ca": 50.0, "Cl": 100.0},
        area=2e4,
        length=LENGTH,
    )
    engine = BrownianEngine(patch, 1, time_step, threads=1, clamped_potential=0.0)
    before = engine.locate().x
    engine.advance(round(DURATION / time_step))
    after = engine.locate().x
    distance = np.where(before < 0.0, -before, before - patch.membrane.thickness)
    is_central = abs(distance - LENGTH / 2) < MIDDLE
    species = np.searchsorted(engine.state.ions.first_ion, np.arange(engine.n_ions), side="right") - 1
    return {
        name: (after - before)[is_central & (species == i)] for i, name in enumerate(engine.composition.names)
    }, patch.species


@pytest.mark.parametrize("time_step", [0.5, 2.0])
def test_mean_square_displacement_of_each_species(time_step):
    """More than 10,000 ions of each: 1.3 % standard error; 5 sigma, a false alarm in 2e-6 of all seeds.

    The kurtosis of a sum of n uniform increments is 3 - 6/(5 n), which the error of the mean square follows.
    """
    displacements, species = spread(time_step)
    kurtosis = 3.0 - 1.2 * time_step / DURATION
    for name in ("K", "Na", "Cl", "Ca"):
        moved = displacements[name]
        expected = theory.mean_square_displacement(species[name].diffusion_coefficient, DURATION)
        error = expected * np.sqrt((kurtosis - 1.0) / moved.size)
        assert moved.size > 10_000
        assert abs((moved**2).mean() - expected) < 5.0 * error, name
        assert abs(moved.mean()) < 5.0 * np.sqrt(expected / moved.size), name
        # What a step of variance D dt, or the diffusion coefficient of another ion, would give:
        assert abs((moved**2).mean() - expected / 2) > 20.0 * error
        assert abs((moved**2).mean() - 0.95 * expected) > 2.0 * error
    assert displacements["Na"].var() < 0.8 * displacements["K"].var()
