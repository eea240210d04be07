"""The field with transverse axes against closed forms, a dense solve, and one dimension."""

import numpy as np
import pytest
from numba import njit, set_num_threads
from poisson_convergence import manufactured_error, manufactured_errors
from scipy.linalg import solveh_banded

from mc.field import modes, poisson
from mc.field.deposition import WEIGHT_ONE

AREA, PERMITTIVITY, THICKNESS, CAPACITANCE = 600.0, 4.1e-3, 4.0, 6.24e-5
SIZES = {
    "stride": 14,
    "spacing": 0.5,
    "area": AREA,
    "permittivity": PERMITTIVITY,
    "thickness": THICKNESS,
    "specific_capacitance": CAPACITANCE,
}
BOXES = {"1D": ((), ()), "2D": ((16,), (7.0,)), "3D": ((4, 8), (5.0, 6.0))}
NO_CHARGES = {axes: np.zeros((0, 2 + axes)) for axes in range(3)}


@pytest.fixture(autouse=True)
def threads():
    set_num_threads(2)


@pytest.fixture(params=list(BOXES))
def box(request):
    return BOXES[request.param]


def make_box(box, **changes):
    cells, widths = box
    return modes.make_modes(**{**SIZES, "cells": cells, "widths": widths, **changes})


def solved(box, node_charges, in_slab=None, conductivities=None, time_step=0.0):
    """Return the potential, (2, stride, *cells)."""
    factors, workspace = modes.make_factors(box), modes.make_workspace(box, 2)
    if conductivities is None:
        conductivities = np.zeros(2 * box.stride)
    modes.factorise(box, conductivities, time_step, factors)
    potential = np.full(node_charges.size, np.nan, dtype=box.turns.dtype)
    in_slab = NO_CHARGES[box.cells.size] if in_slab is None else in_slab
    modes.find_potential(
        np.ascontiguousarray(node_charges).ravel(), in_slab, box, factors, workspace, potential
    )
    return potential.reshape(2, box.stride, *box.cells)


def random_charges(box, seed=1, neutral=True):
    """Return node charges in e/WEIGHT_ONE with none beyond the far ends, (2, stride, *cells)."""
    charges = np.random.default_rng(seed).integers(-WEIGHT_ONE, WEIGHT_ONE, (2, box.stride, *box.cells))
    charges[:, -1] = 0
    if neutral:
        charges[(0,) * charges.ndim] -= charges.sum()
    return charges


def dense_matrix(box, permittivities):
    """Return the finite-difference operator (charge per area at each node of the baths), from real-space pieces.

    The transverse Laplacian is a matrix, the slab a function of its root: nothing of this knows of Fourier.
    """
    laplacian = np.zeros((1, 1))
    for n, h in zip(box.cells, box.transverse_spacings, strict=True):
        one = (2 * np.eye(n) - np.roll(np.eye(n), 1, axis=0) - np.roll(np.eye(n), -1, axis=0)) / h**2
        laplacian = np.kron(laplacian, np.eye(n)) + np.kron(np.eye(len(laplacian)), one)
    squares, basis = np.linalg.eigh(laplacian)
    k = np.sqrt(np.maximum(squares, 1e-14))
    stiffness = CAPACITANCE * THICKNESS * k
    own = basis @ np.diag(stiffness / np.tanh(k * THICKNESS)) @ basis.T
    across = basis @ np.diag(stiffness / np.sinh(k * THICKNESS)) @ basis.T
    plane, nodes, h = len(laplacian), box.stride - 1, box.spacing
    matrix = np.zeros((2, nodes, plane, 2, nodes, plane))
    identity = np.eye(plane)
    for side in range(2):
        for cell in range(nodes - 1):
            permittivity = permittivities[side, cell]
            for i, j, sign in ((0, 0, 1), (0, 1, -1), (1, 0, -1), (1, 1, 1)):
                matrix[side, cell + i, :, side, cell + j] += sign * permittivity / h * identity
            for node in (cell, cell + 1):
                matrix[side, node, :, side, node] += 0.5 * h * permittivity * laplacian
        matrix[side, 0, :, side, 0] += own
        matrix[side, 0, :, 1 - side, 0] -= across
    return matrix.reshape(2 * nodes * plane, -1)


@pytest.mark.parametrize("time_step", [0.0, 1.0])
def test_residual_is_at_round_off(box, time_step):
    box = make_box(box)
    charges = random_charges(box)
    conductivities = np.random.default_rng(2).uniform(0, 0.02, (2, box.stride))
    potential = solved(box, charges, None, conductivities.ravel(), time_step)
    permittivities = PERMITTIVITY + time_step * conductivities
    source = charges[:, :-1].ravel() / (WEIGHT_ONE * box.node_area)
    residual = dense_matrix(box, permittivities) @ potential[:, :-1].ravel() - source
    assert np.abs(residual).max() < 1e-10 * np.abs(source).max()
    np.testing.assert_array_equal(potential[:, -1], potential[:, -2])
    assert potential[1, -1].mean() == pytest.approx(0.0, abs=1e-9 * np.abs(potential).max())


@pytest.mark.parametrize("holds_far_end", [False, True])
def test_solution_is_that_of_a_dense_solve(box, holds_far_end):
    box = make_box(box, holds_far_end=holds_far_end)
    charges = random_charges(box, neutral=not holds_far_end)
    matrix = dense_matrix(box, np.full((2, box.stride), PERMITTIVITY))
    source = charges[:, :-1].ravel() / (WEIGHT_ONE * box.node_area)
    plane = box.wavenumbers.size
    if holds_far_end:
        expected = np.zeros(source.size)
        expected[:-plane] = np.linalg.solve(matrix[:-plane, :-plane], source[:-plane])
    else:
        expected = np.linalg.lstsq(matrix, source, rcond=1e-12)[0]
        expected -= expected[-plane:].mean()
    potential = solved(box, charges)[:, :-1].ravel()
    np.testing.assert_allclose(potential, expected, atol=1e-8 * np.abs(expected).max())


@pytest.mark.parametrize("cells", [(), (1,), (8,), (4, 2)])
def test_charge_uniform_along_the_membrane_gives_one_dimension(cells):
    """Against Gauss's law by summation, with and without conductivity."""
    box = make_box((cells, (3.0,) * len(cells)))
    plane = box.wavenumbers.size
    line = random_charges(make_box(BOXES["1D"]))
    conductivities = np.random.default_rng(2).uniform(0, 0.02, (2, box.stride))
    charges = np.broadcast_to(line.reshape(2, box.stride, *(1 for _ in cells)), (2, box.stride, *cells))
    for time_step in (0.0, 1.0):
        potential = solved(box, charges, None, conductivities.ravel(), time_step).reshape(
            2, box.stride, plane
        )
        assert np.ptp(potential, axis=2).max() < 1e-10 * np.abs(potential).max()
        for side in range(2):
            beyond = np.cumsum(line[side, ::-1])[::-1][1:] * plane / WEIGHT_ONE
            permittivity = PERMITTIVITY + time_step * conductivities[side, :-1]
            field = -np.diff(potential[side, :, 0]) / box.spacing
            np.testing.assert_allclose(field, -beyond / AREA / permittivity, atol=1e-9 * np.abs(field).max())
        drop = potential[0, 0, 0] - potential[1, 0, 0]
        assert drop == pytest.approx(line[0].sum() * plane / WEIGHT_ONE / (CAPACITANCE * AREA), rel=1e-9)


def test_the_exact_summation_of_one_dimension_is_reproduced():
    @njit
    def solve_1d(node_charges, conductivities, time_step, grid, field):
        poisson.solve_baths(node_charges, conductivities, time_step, grid, field)

    box = make_box(BOXES["1D"])
    charges = random_charges(box).ravel()
    conductivities = np.random.default_rng(2).uniform(0, 0.02, 2 * box.stride)
    grid = poisson.Grid(box.stride, box.spacing, AREA, PERMITTIVITY, CAPACITANCE * AREA)
    for time_step in (0.0, 1.0):
        expected = np.zeros(2 * box.stride)
        solve_1d(charges, conductivities, time_step, grid, expected)
        potential = solved(box, charges, None, conductivities, time_step)
        field = -np.diff(potential, axis=1) / box.spacing
        np.testing.assert_allclose(
            field, expected.reshape(2, -1)[:, :-1], atol=1e-12 * np.abs(expected).max()
        )


def test_single_precision_is_finer_than_the_words_that_ions_look_up():
    """By ten times, in a patch as large as those that are run; a word rounds by a part in 8192.

    As where ions screen each other, the charge of a node is beside it, but for 70 mV on the membrane.
    """
    large = {"stride": 52, "area": 400.0 * 22.0, "cells": (512,), "widths": (400.0,)}
    boxes = [modes.make_modes(**{**SIZES, **large, "precision": p}) for p in (np.float64, np.float32)]
    for time_step in (0.0, 0.5):
        conductivities = np.full(2 * 52, 0.01)
        charges = random_charges(boxes[0], neutral=False)
        charges -= np.roll(charges, 1, axis=2)
        charges[:, 0] += (
            -70.0 * CAPACITANCE * np.array([[1], [-1]]) * boxes[0].node_area * WEIGHT_ONE
        ).astype(int)
        exact, single = (solved(box, charges, None, conductivities, time_step).astype(float) for box in boxes)
        for axis in (1, 2):
            rise = np.diff(exact, axis=axis)
            error = np.diff(single, axis=axis) - rise
            assert 0.0 < error.std() < rise.std() / (10 * 8192)
        assert np.abs(single - exact).max() < 1e-5 * np.ptp(exact)


def test_second_order_convergence_with_the_jump_of_the_dielectric():
    errors = np.array([row.error for row in manufactured_errors()])
    orders = np.log2(errors[:-1] / errors[1:])
    assert np.all(orders > 1.9)
    assert np.all(orders < 2.1)
    assert errors[-1] < 1e-3


def test_a_slab_of_another_thickness_is_another_problem():
    """The convergence test can fail: what is left of the error then is not the grid's."""
    assert manufactured_error(128, thickness_error=0.5) > 10 * manufactured_error(128)


def fine_slab_potential(k, depth, n=4000):
    """Return the potential of mode k on both faces for a unit charge per area in a slab that has a grid.

    Baths without end on both sides: a flux eps_w k phi leaves each face.
    """
    h = THICKNESS / n
    permittivity = CAPACITANCE * THICKNESS
    main = np.full(n + 1, 2.0 * permittivity / h + permittivity * k * k * h)
    main[[0, -1]] = permittivity / h + 0.5 * permittivity * k * k * h + PERMITTIVITY * k
    source = np.zeros(n + 1)
    source[round(depth / h)] = 1.0
    bands = np.stack([np.r_[0.0, np.full(n, -permittivity / h)], main])
    potential = solveh_banded(bands, source)
    return potential[0], potential[-1]


@pytest.mark.parametrize("depth", [0.5, 2.0, 3.7])
def test_a_charge_in_the_slab_acts_as_in_a_slab_with_a_grid(depth):
    """Mode by mode, with baths so long and fine that they are the endless ones of the reference."""
    n, width = 16, 40.0
    box = make_box(((n,), (width,)), stride=4002, spacing=0.02)
    place = 2.5  # at a node
    in_slab = np.array([[1.0, depth, place], [-1.0, THICKNESS / 2, 0.0]])
    both = solved(box, np.zeros((2, box.stride, n), np.int64), in_slab)
    other = solved(box, np.zeros((2, box.stride, n), np.int64), in_slab[1:] * [0.0, 1.0, 1.0])
    assert not other.any()
    spectra = np.fft.fft(both[:, 0], axis=1) / n
    for mode in (1, 2, 3):
        k = box.wavenumbers[mode]
        here = np.exp(-2j * np.pi * mode * place / width)
        for face in range(2):
            expected = (
                fine_slab_potential(k, depth)[face] * here - fine_slab_potential(k, THICKNESS / 2)[face]
            ) / AREA
            assert spectra[face, mode] == pytest.approx(expected, rel=2e-3)


def test_a_charge_in_the_slab_shares_its_charge_by_depth_and_place():
    box = make_box(BOXES["2D"])
    h = box.transverse_spacings[0]
    empty = np.zeros((2, box.stride, 16), np.int64)
    here = solved(box, empty, np.array([[1.0, 1.0, 3.25 * h], [-1.0, 3.0, 6.0 * h]]))
    nodes = [np.array([[1.0, 1.0, n * h], [-1.0, 3.0, 6.0 * h]]) for n in (3, 4)]
    near, far = (solved(box, empty, node) for node in nodes)
    np.testing.assert_allclose(here, 0.75 * near + 0.25 * far, atol=1e-9 * np.abs(here).max())
    # A charge crossing the slab charges the capacitor in proportion to its depth.
    drop = (here[0, 0] - here[1, 0]).mean()
    assert drop == pytest.approx((0.75 - 0.25) / (CAPACITANCE * AREA), rel=1e-9)
    at_face = solved(box, empty, np.array([[1.0, 0.0, 3.0 * h], [-1.0, THICKNESS, 6.0 * h]]))
    charges = empty.copy()
    charges[0, 0, 3], charges[1, 0, 6] = WEIGHT_ONE, -WEIGHT_ONE
    np.testing.assert_allclose(at_face, solved(box, charges), atol=1e-9 * np.abs(at_face).max())


def test_workers_share_the_work_without_a_trace():
    box = make_box(BOXES["2D"])
    charges = random_charges(box).ravel()
    factors = modes.make_factors(box)
    modes.factorise(box, np.zeros(2 * box.stride), 0.0, factors)
    potentials = []
    for workers in (1, 2, 3):
        potential = np.zeros(charges.size)
        workspace = modes.make_workspace(box, workers)
        modes.find_potential(charges, NO_CHARGES[1], box, factors, workspace, potential)
        potentials.append(potential)
    np.testing.assert_array_equal(potentials[0], potentials[1])
    np.testing.assert_array_equal(potentials[0], potentials[2])


def test_a_number_of_cells_that_is_no_power_of_two_is_refused():
    with pytest.raises(ValueError, match="power of two"):
        make_box(((12,), (3.0,)))
