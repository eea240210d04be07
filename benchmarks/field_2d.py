"""Time the field with one transverse axis: the solve, and ions to grid and back. One thread, best of many.

python benchmarks/field_2d.py
"""

import time
from collections.abc import Callable

import numpy as np
from numba import set_num_threads

from mc.compilation import entry_point
from mc.engines.brownian.plane_motion import PIECE
from mc.field import differences, modes, shares
from mc.field.mesh import make_mesh, make_words

SPACING, WIDTH, AREA = 0.5, 200.0, 1.0e4
GRIDS = [(50, 256), (100, 512)]


@entry_point
def write_differences(potential, mesh, table):
    """Call the kernel from Python."""
    differences.write_differences(potential, mesh, 1, table)


@entry_point
def deposit_all(x, y, mesh, cells, words, tables):
    """Add all ions to the table of the first species, piece by piece."""
    start = tables.starts[0, 0]
    for first in range(0, x.size, PIECE):
        here = slice(first, min(first + PIECE, x.size))
        n = here.stop - first
        shares.find_shares(
            x[here],
            y[here],
            mesh,
            np.uint32(0),
            start,
            start,
            cells[:n],
            words[:n].view(np.uint32),
        )
        shares.add_shares(
            words[:n], cells[:n], mesh.row, tables.words[0], tables.spilled[0], tables.has_spilled[0]
        )


@entry_point
def look_up_all(x, y, mesh, cells, table, looked_up):
    """Look up the field for all ions, piece by piece."""
    for first in range(0, x.size, PIECE):
        here = slice(first, min(first + PIECE, x.size))
        n = here.stop - first
        differences.find_cells(
            x[here],
            y[here],
            mesh,
            cells[:n],
        )
        differences.look_up(table, cells[:n], looked_up[:n])


@entry_point
def merge_tables(tables, valences, mesh, all_apart, scratch, sums):
    """Call the kernel from Python."""
    shares.merge_tables(tables, valences, mesh, all_apart, scratch, sums, None)


def best(run: Callable[[], object], repeats: int = 20) -> float:
    """Return the shortest of several run times in seconds; a first run, which compiles, does not count."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def time_grid(n_x: int, n_along: int) -> None:
    """Print the times of one grid."""
    stride = n_x + 2
    mesh = make_mesh(stride, SPACING, n_along, WIDTH)
    n_cells = 2 * stride * n_along
    table, cells = differences.make_differences(mesh), np.zeros(PIECE, np.uint32)
    looked_up, words, valences = make_words(PIECE), make_words(PIECE), np.array([1, 1, -1])
    scratch, sums = shares.make_merge_scratch(mesh, 3, 1), shares.make_sums(mesh, 3)
    tables = shares.make_tables(mesh, valences, np.array([[0, 2]]), np.zeros(3))
    print(f"2 x {n_x} x {n_along}")
    random = np.random.default_rng(1)
    for n in (100_000, 1_000_000):
        x = (random.uniform(0.01, n_x * SPACING, n) * random.choice([-1, 1], n)).astype(np.float32)
        y = (random.random(n) * WIDTH).astype(np.float32)
        times = []
        for order in (slice(None), np.argsort(y)):
            places = np.ascontiguousarray(x[order]), np.ascontiguousarray(y[order])
            times += [
                best(lambda of=places: deposit_all(*of, mesh, cells, words, tables), 8),
                best(lambda of=places: look_up_all(*of, mesh, cells, table, looked_up), 8),
            ]
        deposit, gather, deposit_sorted, gather_sorted = (time / n * 1e9 for time in times)
        print(
            f"  {n:>9,} ions: deposit {deposit:.2f}, gather {gather:.2f} ns per ion; in order along y "
            f"{deposit_sorted:.2f} and {gather_sorted:.2f}"
        )
        merge_tables(tables, valences, mesh, False, scratch, sums)

    box = modes.make_modes(
        stride=stride,
        spacing=SPACING,
        area=AREA,
        permittivity=4.1e-3,
        thickness=4.0,
        specific_capacitance=6.24e-5,
        cells=(n_along,),
        widths=(WIDTH,),
        precision=np.float32,
    )
    factors, workspace = modes.make_factors(box), modes.make_workspace(box, 1)
    conductivities, in_slab = np.zeros(2 * stride), np.zeros((0, 3))
    charges = random.integers(-(1 << 16), 1 << 16, n_cells)
    potential = np.zeros(n_cells, np.float32)
    pores = np.ones((10, 3))
    parts = {
        "charges of three species": lambda: merge_tables(tables, valences, mesh, False, scratch, sums),
        "the same, and their ions counted": lambda: merge_tables(tables, valences, mesh, True, scratch, sums),
        "solve": lambda: modes.find_potential(charges, in_slab, box, factors, workspace, potential),
        "solve with 10 ions in pores": lambda: modes.find_potential(
            charges, pores, box, factors, workspace, potential
        ),
        "what ions look up": lambda: write_differences(potential, mesh, table),
        "factorise": lambda: modes.factorise(box, conductivities, 0.0, factors),
    }
    for name, run in parts.items():
        print(f"  {name}: {best(run, 40) * 1e6:.0f} us")


if __name__ == "__main__":
    set_num_threads(1)
    for grid in GRIDS:
        time_grid(*grid)
