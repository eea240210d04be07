"""What belongs to the nodes of a mesh: the potential that ions look up, and the charges that they add up to.

Between two passes over the ions the padded tables that each thread has added to are merged. Weights are integers, so
the charges follow from them exactly, in any order of the ions.
"""

from typing import NamedTuple

import numpy as np
from numba import float32, int32, int64, prange, uint32

from mc.compilation import compiled, internal, parallel
from mc.field.clouds import as_weight
from mc.field.deposition import find_cell, smaller
from mc.field.mesh import (
    OUT_OF_BATHS,
    Mesh,
    add_multiple,
    copy_row,
    find_fraction,
    find_line,
    find_transverse_cell,
    padded_size,
)


class Sums(NamedTuple):
    """What the ions add up to at each node; a table has 2 * stride * plane of them."""

    weights: np.ndarray
    """(species, nodes) int64, ions in units of 1/WEIGHT_ONE, each as of the last time that they were asked for."""
    charges: np.ndarray
    """(nodes,) int64, in units of e/WEIGHT_ONE."""


def make_sums(mesh: Mesh, n_species: int) -> Sums:
    """Return empty sums."""
    n = 2 * mesh.stride * mesh.plane
    return Sums(np.zeros((n_species, n), dtype=np.int64), np.zeros(n, dtype=np.int64))


def make_tables(mesh: Mesh, n_species: int, chunks: int) -> np.ndarray:
    """Return empty tables in which each chunk of the ions adds up each species, (chunks, species, padded size).

    An entry is a sum of weights in units of 1/WEIGHT_ONE. It holds 32,767 ions.
    """
    return np.zeros((chunks, n_species, padded_size(mesh)), dtype=np.int32)


def make_scratch(mesh: Mesh, workers: int) -> np.ndarray:
    """Return working memory for `merge_tables` on so many threads, (workers, 2, one entry of a padded table)."""
    return np.zeros((min(workers, 2 * mesh.stride), 2, int(mesh.steps[0])), dtype=np.int64)


def make_potentials(mesh: Mesh) -> np.ndarray:
    """Return memory for the potential that ions look up, a padded table."""
    return np.zeros(padded_size(mesh), dtype=np.float32)


# --- the potential ---


@internal
def pad_entry(row, mesh):
    """Let each transverse axis of an entry of a padded table go on to the node that follows its last one."""
    for axis in range(mesh.cells.size - 1, -1, -1):
        step = mesh.steps[axis + 1]
        length = mesh.steps[axis]
        end = mesh.cells[axis] * step
        for first in range(0, row.size, length):
            copy_row(row[first : first + step], row[first + end : first + end + step])


@internal
def write_line(potential, reference, line):
    """Write the potential less a reference in single precision."""
    for m in range(potential.size):
        line[m] = float32(potential[m] - reference)


@internal
def write_entry(potential, reference, mesh, row):
    """Write the potential at the nodes of one entry along the normal as an entry of a padded table."""
    length = mesh.cells[mesh.cells.size - 1]
    for line in range(mesh.plane // length):
        start = find_line(line, mesh)
        write_line(potential[line * length : (line + 1) * length], reference, row[start : start + length])
    pad_entry(row, mesh)


@parallel
def write_potentials(potential, mesh, workers, potentials):
    """Write what `look_up_differences` looks up: on each side, the potential less that at its far end.

    So it is small where most ions are, and a float32 is enough. Beyond the last entry it goes on unchanged, and ions
    in no bath have no field along the normal.

    `potential`: (2 * stride * plane,) mV; `potentials`: see `make_potentials`, mV.
    """
    stride, plane, step = mesh.stride, mesh.plane, mesh.steps[0]
    for i in prange(workers):
        worker = int64(i)
        for row in range(worker * 2 * stride // workers, (worker + 1) * 2 * stride // workers):
            side, entry = row // stride, row % stride
            reference = potential[(side * stride + stride - 2) * plane]
            beyond = OUT_OF_BATHS if entry == stride - 1 else 0
            first = side * (stride + OUT_OF_BATHS) + entry
            for target in range(first, first + beyond + 1):
                write_entry(
                    potential[row * plane : (row + 1) * plane],
                    reference,
                    mesh,
                    potentials[target * step : (target + 1) * step],
                )


# --- charges ---


@internal
def take_multiple(entries, factor, sums):
    """Add a row times a whole number to another, and empty it."""
    for k in range(entries.size):
        sums[k] += int64(entries[k]) * factor
        entries[k] = int32(0)


@internal
def fold_entry(row, mesh, target):
    """Write an entry of a padded table without its padding: what is in it belongs to the first node of each axis."""
    for axis in range(mesh.cells.size - 1, -1, -1):
        step = mesh.steps[axis + 1]
        length = mesh.steps[axis]
        end = mesh.cells[axis] * step
        for first in range(0, row.size, length):
            add_multiple(row[first + end : first + end + step], 1, row[first : first + step])
    length = mesh.cells[mesh.cells.size - 1]
    for line in range(mesh.plane // length):
        start = find_line(line, mesh)
        copy_row(row[start : start + length], target[line * length : (line + 1) * length])


@internal
def merge_entry(tables, chunk_species, valences, mesh, place, is_asked_for, scratch, nodes, sums):
    """Do what `merge_tables` does for an entry along the normal; `place`: where it begins in a padded table.

    `nodes`: the slice of its nodes in the sums.
    """
    own, charges = scratch[0], scratch[1]
    charges[:] = 0
    for species in range(valences.size):
        if is_asked_for:
            own[:] = 0
        for chunk in range(tables.shape[0]):
            if chunk_species[chunk, 0] <= species <= chunk_species[chunk, 1]:
                entries = tables[chunk, species, place : place + charges.size]
                if is_asked_for:
                    take_multiple(entries, 1, own)
                else:
                    take_multiple(entries, valences[species], charges)
        if is_asked_for:
            add_multiple(own, valences[species], charges)
            fold_entry(own, mesh, sums.weights[species, nodes])
    fold_entry(charges, mesh, sums.charges[nodes])


@internal
def empty_entries(tables, first, last):
    """Empty what lies between two places of the tables."""
    for chunk in range(tables.shape[0]):
        for species in range(tables.shape[1]):
            tables[chunk, species, first:last] = 0


@internal
def merge_entries(tables, chunk_species, valences, mesh, first, last, asked_for, scratch, sums):
    """Do what `merge_tables` does for the entries along the normal from `first` to `last`."""
    stride, step = mesh.stride, mesh.steps[0]
    for row in range(first, last):
        side, entry = row // stride, row % stride
        place = (side * (stride + OUT_OF_BATHS) + entry) * step
        nodes = slice(row * mesh.plane, (row + 1) * mesh.plane)
        merge_entry(tables, chunk_species, valences, mesh, place, entry < asked_for, scratch, nodes, sums)
        if entry == stride - 1:
            empty_entries(tables, place + step, place + (1 + OUT_OF_BATHS) * step)


@parallel
def merge_tables(tables, chunk_species, valences, mesh, asked_for, scratch, sums):
    """Write the charges of all ions at the nodes, and the weights of each species, and empty the tables.

    Sums of integers: in any order the same. `chunk_species`: (chunks, 2) the first and the last species with ions in
    each chunk; `asked_for`: the weights of so many entries along the normal beside the membrane are written, others
    stay as they are; `scratch`: see `make_scratch`.
    """
    workers, n_rows = scratch.shape[0], 2 * mesh.stride
    for i in prange(workers):
        worker = int64(i)
        first, last = worker * n_rows // workers, (worker + 1) * n_rows // workers
        merge_entries(tables, chunk_species, valences, mesh, first, last, asked_for, scratch[worker], sums)


# --- single ions ---


@internal
def add_ion(x, transverse, ions, species, valence, mesh, sums):
    """Add one ion to the sums exactly as a table of its own would be merged, or take it out with `ions` = -1.

    `transverse`: (axes,) float32.
    """
    subsets = 2 << mesh.cells.size
    for corner in range(subsets):
        node = find_node(corner, x, transverse, mesh)
        if node < 0:
            continue
        weight = int64(0)
        for subset in range(subsets):
            if subset & corner == corner:
                sign = 1 - 2 * (count_axes(subset ^ corner) % 2)
                weight += sign * int64(as_weight(shape_in(subset, x, transverse, mesh)))
        sums.weights[species, node] += ions * weight
        sums.charges[node] += ions * valence * weight


@compiled
def count_axes(subset):
    """Return how many axes there are in a subset."""
    axes = 0
    while subset > 0:
        axes += subset & 1
        subset >>= 1
    return axes


@compiled
def find_node(corner, x, transverse, mesh):
    """Return a corner of an ion's cell as a place in the sums, or -1 if it is none of theirs."""
    normal = smaller(uint32(int32(abs(x) * mesh.inverse_spacing)), uint32(mesh.stride))
    entry = int64(normal) + (corner & 1)
    if entry >= mesh.stride:
        return -1
    node = entry + (mesh.stride if x > float32(0.0) else 0)
    for axis in range(mesh.cells.size):
        cell = find_transverse_cell(transverse[axis] * mesh.inverse_spacings[axis], mesh.cells[axis])
        far = 1 if corner & (2 << axis) else 0
        node = node * mesh.cells[axis] + (cell + far) % mesh.cells[axis]
    return node


@compiled
def shape_in(subset, x, transverse, mesh):
    """Return the shape of one ion in a subset, multiplied in the order of `multiply_shapes`, as rounding asks for."""
    shape = float32(1.0)
    if subset & 1:
        normal = abs(x) * mesh.inverse_spacing
        shape = find_fraction(normal, int32(normal))
    for axis in range(mesh.cells.size):
        if subset & (2 << axis):
            scaled = transverse[axis] * mesh.inverse_spacings[axis]
            shape = float32(shape * find_fraction(scaled, find_transverse_cell(scaled, mesh.cells[axis])))
    return shape


@internal
def withdraw(x, transverse, species, valence, mesh, sums):
    """Take one ion out of the sums, exactly as it had been put in."""
    add_ion(x, transverse, -1, species, valence, mesh, sums)


@internal
def restore(x, transverse, species, valence, mesh, sums):
    """Put one ion into the sums."""
    add_ion(x, transverse, 1, species, valence, mesh, sums)


# --- ions counted in cells, for who looks at them ---


@internal
def count_species(positions, transverse, first, last, mesh, counts):
    """Count the ions from `first` to `last` in each cell."""
    counts[:] = 0
    for ion in range(first, last):
        cell = int64(find_cell(positions[ion], mesh.inverse_spacing, mesh.stride))
        for axis in range(mesh.cells.size):
            scaled = transverse[axis, ion] * mesh.inverse_spacings[axis]
            cell = cell * mesh.cells[axis] + find_transverse_cell(scaled, mesh.cells[axis])
        counts[cell] += 1


@parallel
def count_ions(positions, transverse, first_ion, mesh, counts):
    """Write how many ions of each species there are in each cell, (species, 2 * stride * plane).

    The last entry along the normal of each side is of ions in no bath. `first_ion`: (species + 1,).
    """
    for i in prange(counts.shape[0]):
        species = int64(i)
        count_species(
            positions, transverse, first_ion[species], first_ion[species + 1], mesh, counts[species]
        )
