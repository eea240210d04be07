"""Time the field with one transverse axis: the solve, and ions to grid and back. One thread, best of many.

python benchmarks/field_2d.py
"""

import time
from collections.abc import Callable

import numpy as np
from numba import set_num_threads

from mc.compilation import entry_point
from mc.engines.brownian.plane_motion import PIECE
from mc.field import clouds, modes, node_tables
from mc.field.mesh import make_mesh

SPACING, WIDTH, AREA = 0.5, 200.0, 1.0e4
GRIDS = [(50, (256,)), (100, (512,))]


@entry_point
def write_potentials(potential, mesh, potentials):
    """Call the kernel from Python."""
    node_tables.write_potentials(potential, mesh, 1, potentials)


@entry_point
def deposit_all(x, transverse, mesh, nodes, shapes, weights, table):
    """Add all ions to a table, piece by piece."""
    for first in range(0, x.size, PIECE):
        here = slice(first, min(first + PIECE, x.size))
        n = here.stop - first
        clouds.find_weights(x[here], transverse, first, mesh, nodes[:n], shapes, weights)
        clouds.add_weights(weights, nodes[:n], mesh, table)


@entry_point
def look_up_all(x, transverse, mesh, nodes, shapes, potentials, looked_up):
    """Look up the field for all ions, piece by piece."""
    for first in range(0, x.size, PIECE):
        here = slice(first, min(first + PIECE, x.size))
        n = here.stop - first
        clouds.find_shapes(x[here], transverse, first, mesh, nodes[:n], shapes)
        clouds.look_up_differences(potentials, nodes[:n], mesh, looked_up)
        clouds.add_inner_terms(looked_up, shapes, n)


@entry_point
def merge_tables(tables, chunk_species, valences, mesh, asked_for, scratch, sums):
    """Call the kernel from Python."""
    node_tables.merge_tables(tables, chunk_species, valences, mesh, asked_for, scratch, sums)


def best(run: Callable[[], object], repeats: int = 20) -> float:
    """Return the shortest of several run times in seconds; a first run, which compiles, does not count."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def time_grid(n_x: int, cells: tuple[int, ...]) -> None:
    """Print the times of one grid."""
    stride, widths = n_x + 2, (WIDTH,) * len(cells)
    mesh = make_mesh(stride, SPACING, cells, widths)
    n_cells = 2 * stride * mesh.plane
    potentials, shapes = node_tables.make_potentials(mesh), clouds.make_shapes(mesh, PIECE)
    looked_up, weights = np.zeros_like(shapes), np.zeros(shapes.shape, np.int32)
    nodes, valences = np.zeros(PIECE, np.uint32), np.array([1, 1, -1])
    scratch, chunk_species = node_tables.make_scratch(mesh, 1), np.array([[0, 2]])
    tables, sums = node_tables.make_tables(mesh, 3, 1), node_tables.make_sums(mesh, 3)
    print(f"2 x {n_x}" + "".join(f" x {n}" for n in cells))
    random = np.random.default_rng(1)
    for n in (100_000, 1_000_000):
        x = (random.uniform(0.01, n_x * SPACING, n) * random.choice([-1, 1], n)).astype(np.float32)
        y = (random.random((len(cells), n)) * WIDTH).astype(np.float32)
        times = []
        for order in (slice(None), np.argsort(y[-1])):
            places = np.ascontiguousarray(x[order]), np.ascontiguousarray(y[:, order])
            times += [
                best(lambda of=places: deposit_all(*of, mesh, nodes, shapes, weights, tables[0, 0]), 8),
                best(lambda of=places: look_up_all(*of, mesh, nodes, shapes, potentials, looked_up), 8),
            ]
        deposit, gather, deposit_sorted, gather_sorted = (time / n * 1e9 for time in times)
        print(
            f"  {n:>9,} ions: deposit {deposit:.2f}, gather {gather:.2f} ns per ion; in order along y "
            f"{deposit_sorted:.2f} and {gather_sorted:.2f}"
        )
        tables[:] = 0

    box = modes.make_modes(
        stride=stride,
        spacing=SPACING,
        area=AREA,
        permittivity=4.1e-3,
        thickness=4.0,
        specific_capacitance=6.24e-5,
        cells=cells,
        widths=widths,
    )
    factors, workspace = modes.make_factors(box), modes.make_workspace(box, 1)
    conductivities, in_slab = np.zeros(2 * stride), np.zeros((0, 2 + len(cells)))
    charges = random.integers(-(1 << 16), 1 << 16, n_cells)
    potential = np.zeros(n_cells)
    pores = np.ones((10, 2 + len(cells)))
    parts = {
        "charges of three species": lambda: merge_tables(
            tables, chunk_species, valences, mesh, 2, scratch, sums
        ),
        "charges and weights of three species": lambda: merge_tables(
            tables, chunk_species, valences, mesh, mesh.stride, scratch, sums
        ),
        "solve": lambda: modes.find_potential(charges, in_slab, box, factors, workspace, potential),
        "solve with 10 ions in pores": lambda: modes.find_potential(
            charges, pores, box, factors, workspace, potential
        ),
        "what ions look up": lambda: write_potentials(potential, mesh, potentials),
        "factorise": lambda: modes.factorise(box, conductivities, 0.0, factors),
    }
    for name, run in parts.items():
        print(f"  {name}: {best(run, 40) * 1e6:.0f} us")


if __name__ == "__main__":
    set_num_threads(1)
    for grid in GRIDS:
        time_grid(*grid)
