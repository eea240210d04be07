"""Ions in order along the membrane."""

from types import SimpleNamespace

import numpy as np
import pytest

from mc.compilation import entry_point
from mc.engines.brownian import sorting
from mc.engines.brownian.stepping import Ions
from mc.field.mesh import make_mesh

WIDTH, CELLS = np.float32(64.0), 64


@entry_point
def sort_all(ions, places_along, names, mesh, starts, spare, moved_to):
    sorting.sort_all(ions, places_along, names, mesh, starts, spare, moved_to)


@pytest.fixture
def ions():
    """Two species before and after they are sorted."""
    random, n = np.random.default_rng(1), 1000
    positions = random.normal(size=n).astype(np.float32)
    places_along = random.uniform(0.0, WIDTH, n).astype(np.float32)
    names = random.permutation(n).astype(np.uint32)
    before = SimpleNamespace(positions=positions.copy(), places_along=places_along.copy(), names=names.copy())
    mesh = make_mesh(10, 0.5, CELLS, float(WIDTH))
    starts = np.zeros((2, sorting.PARTS, CELLS // sorting.STRIPE), np.int64)
    moved_to = np.zeros(n, np.uint32)
    # Not a tuple of this test: kernels are cached by the types of what they are called with.
    in_memory = Ions(
        **dict.fromkeys(Ions._fields, np.zeros(0))
        | {"positions": positions, "first_ion": np.array([0, 400, n]), "valences": np.array([1, -1])}
    )
    sort_all(in_memory, places_along, names, mesh, starts, np.zeros(n, np.float32), moved_to)
    after = SimpleNamespace(positions=positions, places_along=places_along, names=names)
    return before, after, moved_to


def test_each_species_is_in_order_along_the_membrane(ions):
    _, after, _ = ions
    stripe = after.places_along // sorting.STRIPE
    for part in (slice(0, 400), slice(400, None)):
        assert (np.diff(stripe[part]) >= 0).all()


def test_all_that_belongs_to_an_ion_goes_with_it(ions):
    before, after, moved_to = ions
    np.testing.assert_array_equal(after.positions[moved_to], before.positions)
    np.testing.assert_array_equal(after.places_along[moved_to], before.places_along)
    np.testing.assert_array_equal(after.names[moved_to], before.names)
    assert set(moved_to[:400]) == set(range(400))


def test_ions_in_pores_and_in_reservoirs_are_followed():
    table = np.zeros(3, [("ion", "u4")]).view(np.recarray)
    table.ion = [2, 0, 1]
    pores = SimpleNamespace(n_ions=np.array([2]), table=table)
    moved_to = np.array([5, 6, 7], np.uint32)
    sorting.follow_ions_in_pores.py_func(pores, moved_to)
    assert list(table.ion) == [7, 5, 1]
    waiting = np.array([[1, 2, 0], [2, 1, 0]])
    reservoirs = SimpleNamespace(n_waiting=np.array([2, 0]), waiting=waiting)
    sorting.follow_waiting_ions.py_func(reservoirs, moved_to)
    assert waiting.tolist() == [[6, 7, 0], [2, 1, 0]]
    sorting.follow_waiting_ions.py_func(None, moved_to)
