"""The continuum finds a manufactured solution, in one and two dimensions across the slab, to second order.

Nothing is random: bounds are those of the grid, from the measured order.
"""

import manufactured_electrodiffusion
import pytest
from manufactured_electrodiffusion import Problem, find_errors, manufactured_rows, orders


@pytest.mark.parametrize("dimensions", [1, 2])
def test_errors_fall_with_the_square_of_the_spacing(dimensions):
    """Of concentrations of 20 to 90 mM and of 60 mV, with sources, fixed charges and open channels."""
    rows = manufactured_rows(dimensions, (8, 16, 32))
    assert rows[-1].concentration < 0.05
    assert rows[-1].potential < 0.1
    for order in orders(rows):
        assert order == pytest.approx((2.0, 2.0), abs=0.15)


@pytest.fixture(scope="module")
def fine():
    return find_errors(Problem(32, 1))


def test_a_hundredth_more_diffusion_would_be_noticed(fine):
    problem = Problem(32, 1)
    problem.equations.kinds[0].conductances *= 1.01
    assert find_errors(problem).concentration > 5.0 * fine.concentration


def test_a_tenth_more_permeability_would_be_noticed(fine):
    problem = Problem(32, 1)
    problem.equations.kinds[1].entry_permeability *= 1.1
    assert find_errors(problem).concentration > 5.0 * fine.concentration


def test_a_hundredth_more_capacitance_would_be_noticed(fine):
    assert find_errors(Problem(32, 1, capacitance_error=0.01)).potential > 50.0 * fine.potential


def test_a_slab_half_as_thick_would_be_noticed(monkeypatch):
    """Of the same capacitance across it: what differs is the field along it, and with it what the ions do."""
    right = find_errors(Problem(16, 2))
    monkeypatch.setattr(manufactured_electrodiffusion, "THICKNESS", 2.0)
    assert find_errors(Problem(16, 2)).concentration > 5.0 * right.concentration
