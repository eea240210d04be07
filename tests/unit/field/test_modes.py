"""Parts of the solver of one system for each mode; the whole is in `tests/physics/test_poisson_2d.py`."""

import numpy as np
import pytest

from mc.field import modes
from mc.field.transform import twiddles


def test_decay_is_the_exponential():
    exponents = np.concatenate([[0.0], np.logspace(-12, 1.6, 500)])
    found = np.array([modes.decay(exponent) for exponent in exponents])
    np.testing.assert_allclose(found, np.exp(-exponents), atol=1e-13, rtol=0.0)
    assert 0.0 < modes.decay(1e4) < 1e-17


@pytest.mark.parametrize("node", [-1, 0, 5, 7])
def test_phases_are_those_of_a_charge_shared_by_two_nodes(node):
    charge = np.zeros(8)
    charge[node], charge[(node + 1) % 8] = 0.7, 0.3
    angles = 2.0 * np.pi * np.outer(np.arange(8), np.arange(8)) / 8
    phases = np.zeros(8)
    modes.write_phases.py_func(node, 0.3, 8, twiddles(8), phases)
    np.testing.assert_allclose(phases, (np.cos(angles) + np.sin(angles)) @ charge, atol=1e-14)
