"""Cloud in cell with transverse axes, one or more: ions to charge at the nodes, and field to ions.

Along the membrane normal this is `mc.field.deposition`: both baths are cut into cells counted away from the membrane,
with `stride` entries a side. Every transverse axis is periodic and cuts each of these entries into as many cells as
it has; the last axis is the fastest in every table. A node is the near corner of its cell.

What ions look up and add to are padded tables of the nodes: each transverse axis goes on to the node that follows
the last one periodically, so that all corners of a cell are as far apart for every ion, and each side has two entries
more, for ions in no bath. Between two passes over the ions these are folded into tables that are not padded.

A subset of the axes is a number: bit 0 for the normal, bit 1 for the first transverse axis, and so on. A corner of a
cell is the subset of the axes along which it is on the far side. An ion's shape in a subset is the product of its
fractional distances from the near corner of its cell along these axes. Everything multilinear is a sum of shapes:

- the weight of a corner c is sum_{v contains c} (-1)^(number of axes of v not in c) shape_v, with shapes as integers;
- the potential within a cell is sum_v shape_v prod_{a in v} (difference along a) phi, at its near corner.

Weights are integers, so the nodes' charges follow from them exactly, in any order of the ions.
"""

from typing import NamedTuple

import numpy as np
from numba import float32, int32, int64, prange, uint32

from mc.compilation import compiled, internal, parallel
from mc.field.deposition import WEIGHT_ONE, find_cell, smaller
from mc.field.rows import FOUR, add_four, look_up_four

PADDING = 16
"""Numbers of a padded table from the end of the last axis on. A table of rows whose length is a power of two is slow:
entries that lie a multiple of 4096 bytes apart share a place in the nearest cache and are taken for each other."""

OUT_OF_BATHS = 2
"""Entries of a side of a padded table for ions in no bath: their cell's near nodes, and its far ones."""


class Mesh(NamedTuple):
    """The cells of both baths."""

    stride: int
    """Entries a side along the normal."""
    inverse_spacing: np.float32
    """1/nm, along the normal."""
    cells: np.ndarray
    """(axes,) int64, along each transverse axis."""
    inverse_spacings: np.ndarray
    """(axes,) float32, 1/nm, along each transverse axis."""
    plane: int
    """Cells of one entry along the normal: the product of `cells`."""
    spacing_ratios: np.ndarray
    """(1 + axes,) float32, the spacing along the normal over that along each axis."""
    steps: np.ndarray
    """(1 + axes,) int64, how far apart neighbours along each axis are in a padded table."""


class Sums(NamedTuple):
    """What the ions add up to at each node; a table has 2 * stride * plane of them."""

    weights: np.ndarray
    """(species, nodes) int64, ions in units of 1/WEIGHT_ONE, each as of the last time that they were asked for."""
    charges: np.ndarray
    """(nodes,) int64, in units of e/WEIGHT_ONE."""


def make_mesh(
    stride: int, spacing: float, cells: tuple[int, ...] = (), widths: tuple[float, ...] = ()
) -> Mesh:
    """Return the cells of a box with transverse axes of `widths` (nm), each cut into so many `cells`."""
    spacings = np.array(widths, dtype=float) / np.array(cells, dtype=float)
    steps = [1]
    for axis in range(len(cells) - 1, -1, -1):
        steps.insert(0, steps[0] * (cells[axis] + (PADDING if axis == len(cells) - 1 else 1)))
    return Mesh(
        stride=stride,
        inverse_spacing=np.float32(1.0 / spacing),
        cells=np.array(cells, dtype=np.int64),
        inverse_spacings=(1.0 / spacings).astype(np.float32),
        plane=int(np.prod(cells, dtype=np.int64)),
        spacing_ratios=np.concatenate([[1.0], spacing / spacings]).astype(np.float32),
        steps=np.array(steps, dtype=np.int64),
    )


def count_subsets(mesh: Mesh) -> int:
    """Return the number of subsets of the axes."""
    return 2 << mesh.cells.size


def padded_size(mesh: Mesh) -> int:
    """Return how many numbers a padded table has."""
    return 2 * (mesh.stride + OUT_OF_BATHS) * int(mesh.steps[0])


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


def make_shapes(mesh: Mesh, n: int) -> np.ndarray:
    """Return memory for the shapes of `n` ions, (subsets, n) float32: that in the empty subset is always 1."""
    shapes = np.zeros((count_subsets(mesh), n), dtype=np.float32)
    shapes[0] = 1.0
    return shapes


# --- where an ion is ---


@compiled
def find_fraction(scaled, cell):
    """Return the fractional distance of a scaled coordinate from the near end of its cell."""
    return smaller(scaled - float32(cell), float32(1.0))


@compiled
def find_transverse_cell(scaled, n_cells):
    """Return the cell of a scaled transverse coordinate; one rounded up to the width is in the last cell.

    So is whatever is no place at all, below zero included: the comparison is of unsigned numbers.
    """
    return int32(smaller(uint32(int32(scaled)), uint32(uint32(n_cells) - uint32(1))))


@compiled
def find_entry(x, inverse_spacing, stride):
    """Return the entry along the normal of a padded table; what is no place is in no bath."""
    cell = smaller(uint32(int32(abs(x) * inverse_spacing)), uint32(stride))
    return uint32(cell + (uint32(stride + OUT_OF_BATHS) if x > float32(0.0) else uint32(0)))


@compiled
def as_weight(shape):
    """Return a shape in units of 1/WEIGHT_ONE."""
    return int32(shape * float32(WEIGHT_ONE) + float32(0.5))


@internal
def find_shapes_on_two_axes(
    positions,
    coordinates,
    inverse_spacing,
    stride,
    step,
    inverse_spacing_along,
    cells_along,
    nodes,
    normal,
    transverse,
):
    """Write where in a padded table each ion's near corner is, and its fractional distances from it.

    One loop over both axes: two, that write and read what is between them, take half as long again.
    """
    for k in range(positions.size):
        x = positions[k]
        scaled = abs(x) * inverse_spacing
        normal[k] = find_fraction(scaled, int32(scaled))
        scaled = coordinates[k] * inverse_spacing_along
        cell = find_transverse_cell(scaled, cells_along)
        transverse[k] = find_fraction(scaled, cell)
        nodes[k] = uint32(uint32(find_entry(x, inverse_spacing, stride) * uint32(step)) + uint32(cell))


@internal
def refine_nodes(coordinates, inverse_spacing, n_cells, step, nodes, fractions):
    """Find the near corners along one more axis, and write the fractional distances along it."""
    for k in range(coordinates.size):
        scaled = coordinates[k] * inverse_spacing
        cell = find_transverse_cell(scaled, n_cells)
        fractions[k] = find_fraction(scaled, cell)
        nodes[k] = uint32(nodes[k] + uint32(uint32(cell) * uint32(step)))


@internal
def multiply(first, second, product):
    """Write the product of two rows."""
    for k in range(first.size):
        product[k] = first[k] * second[k]


@internal
def add_product(first, second, total):
    """Add the product of two rows to a third."""
    for k in range(total.size):
        total[k] += first[k] * second[k]


@internal
def subtract(row, target):
    """Subtract a row from another."""
    for k in range(target.size):
        target[k] -= row[k]


@internal
def copy_row(source, target):
    """Copy a row."""
    for k in range(source.size):
        target[k] = source[k]


@internal
def find_shapes(positions, transverse, start, mesh, nodes, shapes):
    """Write the near corner of each ion's cell, (ions,) uint32, and its shapes as far as the field asks for them.

    Those are the shapes in every subset of some but not all axes.

    `positions`: (ions,); `transverse`: (axes, all ions) nm, each within the width of its axis, those of these ions
    from `start` on; `nodes`: in a padded table; `shapes`: see `make_shapes`, as long as these ions or longer. Tables
    with rows are given whole: a part of their columns is not known to be contiguous, and loops over it are not
    vectorised.
    """
    n, last = positions.size, mesh.cells.size - 1
    find_shapes_on_two_axes(
        positions,
        transverse[last, start : start + n],
        mesh.inverse_spacing,
        mesh.stride,
        mesh.steps[0],
        mesh.inverse_spacings[last],
        mesh.cells[last],
        nodes,
        shapes[1, :n],
        shapes[2 << last, :n],
    )
    for axis in range(last):
        refine_nodes(
            transverse[axis, start : start + n],
            mesh.inverse_spacings[axis],
            mesh.cells[axis],
            mesh.steps[axis + 1],
            nodes,
            shapes[2 << axis, :n],
        )
    if last > 0:
        multiply_shapes(shapes, n)


@internal
def multiply_shapes(shapes, n):
    """Write the shapes of `n` ions in all subsets of several axes from those in single ones."""
    own = 2
    while own < shapes.shape[0]:
        for subset in range(1, own):
            multiply(shapes[subset, :n], shapes[own, :n], shapes[own | subset, :n])
        own *= 2


@compiled
def corner_offset(corner, steps):
    """Return how far a corner of a cell is from its near corner in a padded table."""
    offset = int64(0)
    for axis in range(steps.size):
        if corner & (1 << axis):
            offset += steps[axis]
    return offset


# --- from the potential to ions ---


@internal
def take_differences(looked_up, n, axes):
    """Turn numbers at the corners of `n` cells into their differences along some axes, a subset, in every subset."""
    own = 1
    while own < looked_up.shape[0]:
        if own & axes:
            for subset in range(looked_up.shape[0]):
                if subset & own == 0:
                    subtract(looked_up[subset, :n], looked_up[subset | own, :n])
        own *= 2


@internal
def look_up_differences(potentials, nodes, mesh, looked_up):
    """Look up the differences of the potential over the axes of every subset for each ion.

    `potentials`: see `make_potentials`; `nodes`: see `find_shapes`; `looked_up`: (subsets, at least ions) float32.
    """
    n, subsets, step = nodes.size, looked_up.shape[0], mesh.steps[0]
    fastest = subsets // 2
    in_fours = n - n % FOUR
    for corner in range(0, fastest, 2):
        offset = corner_offset(corner, mesh.steps)
        for k in range(0, in_fours, FOUR):
            look_up_four(potentials, nodes, k, offset, step, corner, fastest, looked_up)
    for k in range(in_fours, n):
        for corner in range(0, fastest, 2):
            near = int64(nodes[k]) + corner_offset(corner, mesh.steps)
            far = near + step
            along = potentials[near + 1] - potentials[near]
            looked_up[corner, k] = potentials[near]
            looked_up[corner | fastest, k] = along
            looked_up[corner | 1, k] = potentials[far] - potentials[near]
            looked_up[corner | 1 | fastest, k] = (potentials[far + 1] - potentials[far]) - along
    if fastest > 2:
        take_differences(looked_up, n, subsets - 1 - (1 | fastest))


@internal
def add_inner_terms(looked_up, shapes, n):
    """Add to the differences of `n` ions along each single axis what their places along others make of them, but one.

    The component of the field along an axis is the same all along this axis within a cell, and linear along the
    others: minus the gradient of the interpolated potential, so its work is the change of an energy. It is minus the
    sum over the subsets of all other axes of the differences in these and its own times the shapes in these, over the
    spacing. The term of all other axes together is left to `component`; with one transverse axis there is no other.
    """
    subsets = looked_up.shape[0]
    own = 1
    while own < subsets:
        for others in range(1, subsets - 1):
            if others & own == 0 and others | own != subsets - 1:
                add_product(looked_up[others | own, :n], shapes[others, :n], looked_up[own, :n])
        own *= 2


@compiled
def component(difference, outer_difference, outer_shape):
    """Return by how much the potential rises across an ion's cell along an axis, see `add_inner_terms`.

    `difference`: that along this axis alone with the inner terms; `outer_difference`: that over all axes;
    `outer_shape`: that in all the others.
    """
    return difference + outer_difference * outer_shape


@internal
def pad_entry(row, mesh):
    """Let each transverse axis of an entry of a padded table go on to the node that follows its last one."""
    for axis in range(mesh.cells.size - 1, -1, -1):
        step = mesh.steps[axis + 1]
        length = mesh.steps[axis]
        end = mesh.cells[axis] * step
        for first in range(0, row.size, length):
            copy_row(row[first : first + step], row[first + end : first + end + step])


@compiled
def find_line(line, mesh):
    """Return where in an entry of a padded table a line along the last transverse axis begins."""
    start = int64(0)
    for axis in range(mesh.cells.size - 2, -1, -1):
        start += line % mesh.cells[axis] * mesh.steps[axis + 1]
        line //= mesh.cells[axis]
    return start


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


# --- from ions to charges ---


@internal
def find_weights_on_two_axes(
    positions,
    coordinates,
    inverse_spacing,
    stride,
    step,
    inverse_spacing_along,
    cells_along,
    nodes,
    near,
    normal,
    transverse,
    both,
):
    """Write where in a padded table each ion's near corner is, and the weights of the corners of its cell.

    The same as `find_shapes_on_two_axes` and `weigh_corners`, without writing and reading the shapes.
    """
    for k in range(positions.size):
        x = positions[k]
        scaled = abs(x) * inverse_spacing
        fraction = find_fraction(scaled, int32(scaled))
        scaled = coordinates[k] * inverse_spacing_along
        cell = find_transverse_cell(scaled, cells_along)
        fraction_along = find_fraction(scaled, cell)
        nodes[k] = uint32(uint32(find_entry(x, inverse_spacing, stride) * uint32(step)) + uint32(cell))
        on_normal, on_transverse = as_weight(fraction), as_weight(fraction_along)
        on_both = as_weight(fraction * fraction_along)
        both[k] = on_both
        normal[k] = int32(on_normal - on_both)
        only_transverse = int32(on_transverse - on_both)
        transverse[k] = only_transverse
        near[k] = int32(int32(int32(WEIGHT_ONE) - on_normal) - only_transverse)


@internal
def round_shapes(shapes, weights):
    """Write a row of shapes as integers."""
    for k in range(weights.size):
        weights[k] = as_weight(shapes[k])


@internal
def weigh_corners(shapes, n, weights):
    """Write the weights of the corners of the cells of `n` ions, (subsets, at least n) int32, from their shapes."""
    subsets = shapes.shape[0]
    for subset in range(subsets):
        round_shapes(shapes[subset, :n], weights[subset, :n])
    own = 1
    while own < subsets:
        for corner in range(subsets):
            if corner & own == 0:
                subtract(weights[corner | own, :n], weights[corner, :n])
        own *= 2


@internal
def find_weights(positions, transverse, start, mesh, nodes, shapes, weights):
    """Write the near corner of each ion's cell, see `find_shapes`, and the weights of the corners of its cell.

    `weights`: (subsets, at least ions) int32; `shapes`: memory, see `make_shapes`.
    """
    n = positions.size
    if mesh.cells.size == 1:
        find_weights_on_two_axes(
            positions,
            transverse[0, start : start + n],
            mesh.inverse_spacing,
            mesh.stride,
            mesh.steps[0],
            mesh.inverse_spacings[0],
            mesh.cells[0],
            nodes,
            weights[0, :n],
            weights[1, :n],
            weights[2, :n],
            weights[3, :n],
        )
    else:
        find_shapes(positions, transverse, start, mesh, nodes, shapes)
        weigh_corners(shapes, n, weights)


@internal
def add_weights(weights, nodes, mesh, table):
    """Add the weights of each ion to those at the corners of its cell; `table`: one of `make_tables`."""
    n, subsets, step = nodes.size, weights.shape[0], mesh.steps[0]
    fastest = subsets // 2
    in_fours = n - n % FOUR
    for corner in range(0, fastest, 2):
        offset = corner_offset(corner, mesh.steps)
        for k in range(0, in_fours, FOUR):
            add_four(weights, nodes, k, offset, step, corner, fastest, table)
    for k in range(in_fours, n):
        for corner in range(subsets):
            table[int64(nodes[k]) + corner_offset(corner, mesh.steps)] += weights[corner, k]


@internal
def take_multiple(entries, factor, sums):
    """Add a row times a whole number to another, and empty it."""
    for k in range(entries.size):
        sums[k] += int64(entries[k]) * factor
        entries[k] = int32(0)


@internal
def add_multiple(row, factor, sums):
    """Add a row times a whole number to another."""
    for k in range(row.size):
        sums[k] += row[k] * factor


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
