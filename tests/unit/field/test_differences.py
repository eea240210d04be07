import numpy as np
import pytest
from numba import set_num_threads
from plane_ions import N_ALONG, SPACING, STRIDE, WIDTH, bilinear, make_box, random_ions

from mc.compilation import entry_point
from mc.field import differences
from mc.field.deposition import PARKED


@pytest.fixture(autouse=True)
def threads():
    set_num_threads(2)


@entry_point
def write(potential, mesh, workers, table):
    differences.write_differences(potential, mesh, workers, table)


@entry_point
def look_up(x, y, mesh, cells, table, looked_up):
    differences.find_cells(x, y, mesh, cells)
    differences.look_up(table, cells, looked_up)


def table_of(potential, mesh, workers=2):
    table = differences.make_differences(mesh)
    write(potential.astype(float), mesh, workers, table)
    return table


def field_at(x, y, mesh, potential):
    """Return both components at each ion, (2, ions)."""
    words = np.zeros(x.size, np.uint64)
    look_up(x, y, mesh, np.zeros(x.size, np.uint32), table_of(potential, mesh), words)
    fraction = np.abs(x) / SPACING % 1
    fraction_along = y * mesh.inverse_spacing_along % 1
    fields = np.zeros((2, x.size))
    for k in range(x.size):
        lower, upper = np.uint32(words[k] & np.uint64(0xFFFFFFFF)), np.uint32(words[k] >> np.uint64(32))
        both = differences.difference_of_both(upper, lower)
        fields[0, k] = -differences.rise(differences.normal_difference(upper), both, fraction_along[k])
        fields[1, k] = -differences.rise(differences.difference_along(lower), both, fraction[k])
    return fields / [[SPACING], [WIDTH / mesh.n_along]]


def halves(word):
    return np.uint32(int(word) >> 32), np.uint32(int(word) & 0xFFFFFFFF)


def test_a_word_holds_three_differences_rounded_to_one_part_in_eight_thousand():
    random = np.random.default_rng(1)
    given = (random.normal(size=(500, 3)) * 10.0 ** random.integers(-12, 5, (500, 3))).astype(np.float32)
    words = [halves(differences.pack(*three)) for three in given]
    read = np.array(
        [
            (
                differences.normal_difference(upper),
                differences.difference_along(lower),
                differences.difference_of_both(upper, lower),
            )
            for upper, lower in words
        ]
    )
    for which, bits in enumerate((13, 12, 12)):
        error = read[:, which] / given[:, which] - 1
        # To the nearest: bits cut off would make it twice as large, and all of one sign.
        assert np.abs(error).max() <= 2.0 ** -(bits + 1)
        assert 0.4 < (error > 0).mean() < 0.6


def test_a_word_of_zeros_is_no_field():
    assert differences.pack(np.float32(0), np.float32(0), np.float32(0)) == 0
    zero = np.uint32(0)
    assert differences.normal_difference(zero) == differences.difference_along(zero) == 0
    assert differences.difference_of_both(zero, zero) == 0


def test_the_field_is_minus_the_gradient_of_the_interpolated_potential():
    """Within a cell: a finite move along one axis does the work that the potential loses, but for rounding."""
    mesh = make_box()
    potential = np.random.default_rng(4).normal(size=2 * STRIDE * N_ALONG)
    x, y = random_ions(400)
    field = field_at(x, y, mesh, potential)
    for axis, spacing in enumerate((SPACING, WIDTH / N_ALONG)):
        start, end = ([x.astype(float), y.astype(float)] for _ in range(2))
        coordinate = abs(start[axis]) / spacing
        # From the near to the far end of the cell, a hair inside.
        for place, at in ((start, np.floor(coordinate) + 1e-6), (end, np.floor(coordinate) + 1 - 1e-6)):
            place[axis] = at * spacing * (np.sign(x) if axis == 0 else 1)
        energies = [bilinear(*place, mesh, potential) for place in (start, end)]
        work = field[axis] * spacing * (1 - 2e-6)
        # Of three numbers of about 2, each rounded by a part in 8000 at most.
        np.testing.assert_allclose(work, energies[0] - energies[1], atol=2e-3)


def test_the_field_of_a_linear_potential_is_exact_on_either_side_of_the_face():
    node = np.arange(STRIDE) * SPACING
    potential = np.stack([10.0 - 3.0 * node, -20.0 + 5.0 * node])[:, :, None].repeat(N_ALONG, axis=2).ravel()
    x = np.float32([-0.01, -5.3, 0.01, 5.3])
    normal, along = field_at(x, np.float32([0.1, 2.0, 3.3, 5.9]), make_box(), potential)
    np.testing.assert_allclose(normal, [3.0, 3.0, -5.0, -5.0], rtol=1e-4)
    np.testing.assert_allclose(along, 0.0, atol=1e-5)


def test_the_field_along_the_membrane_of_a_ramp_is_exact():
    ramp = 2.0 * np.minimum(np.arange(N_ALONG), 4) * WIDTH / N_ALONG
    potential = np.tile(ramp, 2 * STRIDE)
    normal, along = field_at(np.float32([-3.0, 3.0]), np.float32([0.4, 2.9]), make_box(), potential)
    np.testing.assert_allclose(normal, 0.0, atol=1e-5)
    np.testing.assert_allclose(along, -2.0, rtol=2e-4)


def test_the_last_cell_along_the_membrane_goes_on_to_the_first():
    potential = np.tile(np.arange(N_ALONG, dtype=float), 2 * STRIDE)
    _, along = field_at(np.float32([1.0]), np.float32([5.9]), make_box(), potential)
    np.testing.assert_allclose(along, (N_ALONG - 1) / (WIDTH / N_ALONG), rtol=2e-4)


def test_ions_in_no_bath_have_no_field_and_none_is_beyond_the_last_node():
    mesh = make_box()
    potential = np.random.default_rng(2).normal(size=2 * STRIDE * N_ALONG)
    x, y = np.float32([PARKED, -PARKED]), np.float32([1.0, 3.3])
    assert not field_at(x, y, mesh, potential).any()
    beyond = (STRIDE - 0.5) * SPACING
    normal, along = field_at(np.float32([beyond, -beyond]), y, mesh, potential)
    assert not normal.any()
    assert along.all()


@pytest.mark.parametrize("workers", [1, 3, 200])
def test_the_number_of_workers_does_not_matter(workers):
    mesh = make_box()
    potential = np.random.default_rng(3).normal(size=2 * STRIDE * N_ALONG)
    np.testing.assert_array_equal(table_of(potential, mesh, workers), table_of(potential, mesh))
