import numpy as np
import pytest
from numba import float32

from mc.field import mesh
from mc.field.deposition import PARKED

STRIDE, SPACING, N_ALONG, WIDTH = 42, 0.25, 8, 6.0


@pytest.mark.parametrize("n_along", [1, 8, 16, 500, 512])
def test_rows_of_a_table_are_an_odd_number_of_cache_lines(n_along):
    made = mesh.make_mesh(STRIDE, SPACING, n_along, WIDTH)
    assert made.row % mesh.LINE == 0
    assert made.row // mesh.LINE % 2 == 1
    assert n_along <= made.row <= n_along + 2 * mesh.LINE


@pytest.mark.parametrize("shape", [(3,), (2, 16), (2, 3, 40)])
def test_words_begin_with_a_cache_line(shape):
    words = mesh.make_words(*shape)
    assert words.shape == shape
    assert words.dtype == np.uint64
    assert words.flags.c_contiguous
    assert words.ctypes.data % (mesh.LINE * words.itemsize) == 0
    assert not words.any()


@pytest.mark.parametrize(
    "x, y, entry, cell",
    [
        (-0.01, 0.1, 0, 0),
        (-9.99, 5.9, 39, 7),
        (0.01, 0.8, STRIDE + 1, 1),
        (0.26, 0.8, STRIDE + 2, 1),
        (-float(PARKED), 3.1, STRIDE, 4),
        (float(PARKED), 3.1, 2 * STRIDE + 1, 4),
        (0.01, 6.0, STRIDE + 1, 0),
        (0.01, -1.0, STRIDE + 1, 7),
    ],
)
def test_every_place_has_a_cell_in_the_table(x, y, entry, cell):
    made = mesh.make_mesh(STRIDE, SPACING, N_ALONG, WIDTH)
    found = mesh.find_entry(float32(x), float32(abs(x)) * made.inverse_spacing, STRIDE)
    along = mesh.find_transverse_cell(float32(y) * made.inverse_spacing_along, N_ALONG)
    assert (found, along) == (entry, cell)
    place = mesh.find_place(found, along, made.row)
    assert place == entry * made.row + cell < mesh.table_size(made)
