"""Salts in the continuum: they spread as Nernst and Hartley say, and their junctions have the potential of Planck."""

import numpy as np
import pytest
from continuum_convergence import expected_rate, orders, spreading_rate, spreading_rows
from continuum_patch import BODY_TEMPERATURE, advance, make_engine, set_outside
from scipy.special import erf

from mc import theory


def test_a_salt_spreads_with_the_coefficient_that_ties_both_ions_together():
    """To 0.1 %; by itself sodium would be 16 % slower, chloride 25 % faster."""
    rate, expected = spreading_rate(1.0), expected_rate()
    assert rate == pytest.approx(expected, rel=1e-3)
    assert abs(rate / expected - 1.77 / 2.12) > 0.1


def test_that_rate_converges_with_the_square_of_the_spacing():
    """Until what the finite Debye length changes, 3e-4, is all that is left."""
    rows = spreading_rows((8.0, 4.0, 2.0))
    assert orders(rows) == pytest.approx([2.0, 2.0], abs=0.2)


@pytest.mark.parametrize(("cation", "anion"), [("Na", "Cl"), ("K", "Cl")])
def test_a_liquid_junction_has_the_potential_of_its_ratio(cation, anion):
    """100 against 10 mM: to 1 % of the 12 mV of sodium chloride. Of the same sign for potassium, a tenth as large."""
    length, middle, width = 240.0, 120.0, 20.0
    salt = {cation: 55.0, anion: 55.0}
    engine = make_engine(20.0, inside=salt, outside=salt, length=length, grid={"grid_spacing": 1.0})

    def profile(distance):
        return 55.0 + 45.0 * erf((middle - distance) / width)

    set_outside(engine, {cation: profile, anion: profile})
    observation = advance(engine, 5)
    n = engine.model.grid.n_rows[0]
    potential = observation.potential[n:]
    diffusion = [
        engine.composition.diffusion_coefficients[engine.composition.names.index(name)]
        for name in (cation, anion)
    ]
    expected = theory.liquid_junction_potential(*diffusion, 100.0, 10.0, BODY_TEMPERATURE)
    assert potential[0] - potential[-1] == pytest.approx(expected, abs=0.01 * 12.3)
    # Both baths are still as they were at their ends.
    ends = observation.cell_concentrations[0, [n, -1]]
    np.testing.assert_allclose(ends, [100.0, 10.0], rtol=1e-3)
    # The other way round the faster ion would have run into the concentrated side.
    assert abs(potential[0] - potential[-1] + expected) > 0.1
