"""The continuum resolves the diffuse layer of Gouy and Chapman, and converges as its method says it does.

Nothing is random here: bounds are those of the grid, from the measured order.
"""

import numpy as np
import pytest
from continuum_convergence import (
    SALT,
    charged_layer,
    layer_rows,
    orders,
    surface_potential,
    time_rows,
)
from continuum_patch import BODY_TEMPERATURE, THERMAL

from mc import theory


def test_the_layer_at_a_strongly_charged_membrane_is_that_of_gouy_and_chapman():
    """To 1 % of the face's 76 mV, where linear theory would have another face by a third."""
    distances, potential, (cations, anions) = charged_layer(0.25)
    face = surface_potential()
    assert face < -70.0
    expected = theory.gouy_chapman_potential(distances, face, SALT["K"], 1, BODY_TEMPERATURE)
    np.testing.assert_allclose(potential, expected, atol=0.01 * abs(face))
    # Both ions are in Boltzmann's equilibrium with it, to what is left of the current.
    np.testing.assert_allclose(cations, SALT["K"] * np.exp(-potential / THERMAL), rtol=1e-3)
    np.testing.assert_allclose(anions, SALT["Cl"] * np.exp(potential / THERMAL), rtol=1e-3)
    debye_length = theory.debye_length(np.array([10.0, 10.0]), np.array([1, -1]), BODY_TEMPERATURE)
    linear = face * np.exp(-distances / debye_length)
    assert np.abs(potential - linear).max() > 0.05 * abs(face)


def test_its_error_falls_with_the_square_of_the_spacing():
    """From a quarter to an eighth of a nanometre by 1.93; a face without its half cell would make it 1."""
    rows = layer_rows((0.5, 0.25, 0.125))
    assert rows[-1].error < 0.003
    assert orders(rows)[-1] == pytest.approx(2.0, abs=0.15)


def test_its_error_falls_with_the_third_power_of_the_step():
    """Of a membrane that charges itself, once the stiff beginning has passed."""
    rows = time_rows((50.0, 25.0, 12.5), finest=1.0)
    assert rows[-1].error < 1e-4
    assert orders(rows)[-1] == pytest.approx(3.0, abs=0.25)
