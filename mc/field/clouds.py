"""Cloud in cell with transverse axes, one or more: ions to charge at the nodes, and field to ions.

Along the membrane normal this is `mc.field.deposition`: both baths are cut into cells counted away from the membrane,
with `stride` entries a side, the last of them for ions in no bath. Every transverse axis is periodic and cuts each of
these entries into as many cells as it has; the last axis is the fastest in every table.

A subset of the axes is a number: bit 0 for the normal, bit 1 for the first transverse axis, and so on. An ion's shape
in a subset is the product of its fractional distances from the near corner of its cell along these axes. Everything
multilinear is a sum of shapes over the subsets:

- the charges at the nodes are sum_v prod_{a in v} (T_a - 1) W_v, with W_v the shapes in subset v summed over the ions
  of each cell, and T_a what belongs to a cell moved to the next one along axis a;
- the potential within a cell is sum_v shape_v prod_{a in v} (difference along a) phi, at its near corner.

So a cell keeps an integer for each subset, and the nodes' charges follow from them exactly, in any order of the ions.
Each species is added up by itself, so the sum of the empty subset is the number of its ions in the cell.
"""

from typing import NamedTuple

import numpy as np
from numba import float32, int32, int64, prange, uint32, uint64

from mc.compilation import compiled, internal, parallel
from mc.field.deposition import WEIGHT_ONE, find_cell, smaller
from mc.field.rows import FOUR, add_four, look_up_four


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


class Sums(NamedTuple):
    """What the ions add up to in each cell; a table has 2 * stride * plane cells."""

    counts: np.ndarray
    """(species, cells) int64 ions, each as of the last time that they were counted there."""
    charges: np.ndarray
    """(2 * stride * plane,) int64, the charge at each node, in units of e/WEIGHT_ONE."""


def make_mesh(
    stride: int, spacing: float, cells: tuple[int, ...] = (), widths: tuple[float, ...] = ()
) -> Mesh:
    """Return the cells of a box with transverse axes of `widths` (nm), each cut into so many `cells`."""
    spacings = np.array(widths, dtype=float) / np.array(cells, dtype=float)
    return Mesh(
        stride=stride,
        inverse_spacing=np.float32(1.0 / spacing),
        cells=np.array(cells, dtype=np.int64),
        inverse_spacings=(1.0 / spacings).astype(np.float32),
        plane=int(np.prod(cells, dtype=np.int64)),
        spacing_ratios=np.concatenate([[1.0], spacing / spacings]).astype(np.float32),
    )


def count_subsets(mesh: Mesh) -> int:
    """Return the number of subsets of the axes."""
    return 2 << mesh.cells.size


def make_sums(mesh: Mesh, n_species: int) -> Sums:
    """Return empty sums."""
    n = 2 * mesh.stride * mesh.plane
    return Sums(np.zeros((n_species, n), dtype=np.int64), np.zeros(n, dtype=np.int64))


def make_tables(mesh: Mesh, n_species: int, chunks: int) -> np.ndarray:
    """Return empty tables in which each chunk of the ions adds up each species, (chunks, species, cells, subsets).

    An entry is a sum of shapes in units of 1/WEIGHT_ONE. It holds 65,535 ions.
    """
    shape = (chunks, n_species, 2 * mesh.stride * mesh.plane, count_subsets(mesh))
    return np.zeros(shape, dtype=np.uint32)


def make_scratch(mesh: Mesh, workers: int) -> np.ndarray:
    """Return working memory for `merge_tables` on so many threads, (workers, 2, subsets, plane)."""
    return np.zeros((min(workers, 2 * mesh.stride), 2, count_subsets(mesh), mesh.plane), dtype=np.int64)


def make_slopes(mesh: Mesh) -> np.ndarray:
    """Return memory for the slopes, (cells, subsets): those of a cell lie together, the first unused."""
    return np.zeros((2 * mesh.stride * mesh.plane, count_subsets(mesh)), dtype=np.float32)


def make_shapes(mesh: Mesh, n: int) -> np.ndarray:
    """Return memory for the shapes of `n` ions, (subsets, n) float32: that in the empty subset is always 1."""
    shapes = np.zeros((count_subsets(mesh), n), dtype=np.float32)
    shapes[0] = 1.0
    return shapes


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
def as_weight(shape):
    """Return a shape in units of 1/WEIGHT_ONE."""
    return int32(shape * float32(WEIGHT_ONE) + float32(0.5))


@internal
def find_shapes_on_two_axes(
    positions,
    coordinates,
    inverse_spacing,
    stride,
    inverse_spacing_along,
    cells_along,
    axes,
    row_starts,
    normal,
    transverse,
    both,
):
    """Write where in a table of cells along the normal and one transverse axis each ion's row starts, and its shapes.

    A row has 2^axes numbers. One loop over both axes: two, that write and read what is between them, take half as
    long again.
    """
    for k in range(positions.size):
        x = positions[k]
        scaled = abs(x) * inverse_spacing
        on_normal = find_fraction(scaled, int32(scaled))
        scaled = coordinates[k] * inverse_spacing_along
        cell = find_transverse_cell(scaled, cells_along)
        on_transverse = find_fraction(scaled, cell)
        normal[k] = on_normal
        transverse[k] = on_transverse
        both[k] = on_normal * on_transverse
        before = uint32(find_cell(x, inverse_spacing, stride) * uint32(cells_along))
        row_starts[k] = uint32(uint32(before + uint32(cell)) << uint32(axes))


@internal
def refine_cells(coordinates, inverse_spacing, n_cells, axes, row_starts, fractions):
    """Cut the cells along one more axis, and write the fractional distances along it."""
    n = uint32(n_cells)
    for k in range(coordinates.size):
        scaled = coordinates[k] * inverse_spacing
        cell = find_transverse_cell(scaled, n_cells)
        fractions[k] = find_fraction(scaled, cell)
        row_starts[k] = uint32(uint32(row_starts[k] * n) + uint32(uint32(cell) << uint32(axes)))


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
def copy_row(source, target):
    """Copy a row."""
    for k in range(source.size):
        target[k] = source[k]


@internal
def find_shapes(positions, transverse, start, mesh, row_starts, shapes):
    """Write where each ion's row starts in a table, (ions,) uint32, and its shape in every subset but the empty one.

    A table of cells has a row of as many numbers as there are subsets for each; it is counted in numbers.

    `positions`: (ions,); `transverse`: (axes, all ions) nm, each within the width of its axis, those of these ions
    from `start` on; `shapes`: see `make_shapes`, as long as these ions or longer. Tables with rows are given whole: a
    part of their columns is not known to be contiguous, and loops over it are not vectorised.
    """
    n = positions.size
    axes = 1 + mesh.cells.size
    find_shapes_on_two_axes(
        positions,
        transverse[0, start : start + n],
        mesh.inverse_spacing,
        mesh.stride,
        mesh.inverse_spacings[0],
        mesh.cells[0],
        axes,
        row_starts,
        shapes[1, :n],
        shapes[2, :n],
        shapes[3, :n],
    )
    for axis in range(1, mesh.cells.size):
        own = 2 << axis
        coordinates = transverse[axis, start : start + n]
        refine_cells(
            coordinates,
            mesh.inverse_spacings[axis],
            mesh.cells[axis],
            axes,
            row_starts,
            shapes[own, :n],
        )
        for subset in range(1, own):
            multiply(shapes[subset, :n], shapes[own, :n], shapes[own | subset, :n])


@internal
def look_up_slopes(slopes, row_starts, looked_up):
    """Look up the slopes of all subsets for each ion.

    `slopes`: see `make_slopes`; `looked_up`: (subsets, at least ions) float32.
    """
    in_fours = row_starts.size - row_starts.size % FOUR
    for subset in range(0, slopes.shape[1], FOUR):
        for k in range(0, in_fours, FOUR):
            look_up_four(slopes, row_starts, subset, k, looked_up)
    for k in range(in_fours, row_starts.size):
        cell = row_starts[k] // uint32(slopes.shape[1])
        for subset in range(slopes.shape[1]):
            looked_up[subset, k] = slopes[cell, subset]


@internal
def add_inner_terms(looked_up, shapes, n):
    """Add to the slopes of `n` ions in each single axis what their places along others make of them, but one term.

    The component of the field along an axis is the same all along this axis within a cell, and linear along the
    others: minus the gradient of the interpolated potential, so its work is the change of an energy. It is the sum
    over the subsets of all other axes of the slopes in these and its own times the shapes in these. The term of all
    other axes together is left to `component`; with one transverse axis there is no other.
    """
    subsets = looked_up.shape[0]
    own = 1
    while own < subsets:
        for others in range(1, subsets - 1):
            if others & own == 0 and others | own != subsets - 1:
                add_product(looked_up[others | own, :n], shapes[others, :n], looked_up[own, :n])
        own *= 2


@compiled
def component(slope, outer_slope, outer_shape):
    """Return the component of the field along an axis, see `add_inner_terms`.

    `slope`: that in this axis alone with the inner terms; `outer_slope`: that in all axes; `outer_shape`: that in all
    the others. In the units of the slopes once it is multiplied by the ratio of the axis.
    """
    return slope + outer_slope * outer_shape


@internal
def add_shapes(shapes, row_starts, table):
    """Add the shapes of each ion to those in its cell; `table`: (cells, subsets), see `make_tables`."""
    in_fours = row_starts.size - row_starts.size % FOUR
    for subset in range(0, table.shape[1], FOUR):
        for k in range(0, in_fours, FOUR):
            add_four(shapes, row_starts, subset, k, table)
    for k in range(in_fours, row_starts.size):
        cell = row_starts[k] // uint32(table.shape[1])
        for subset in range(table.shape[1]):
            table[cell, subset] += uint32(as_weight(shapes[subset, k]))


@internal
def take_multiple(entries, factor, sums):
    """Add a row times a whole number to another, and empty it.

    The products are of unsigned numbers, for which there is an instruction.
    """
    size = uint32(abs(factor))
    if factor < 0:
        for k in range(entries.size):
            sums[k] -= int64(uint64(entries[k]) * uint64(size))
            entries[k] = uint32(0)
    else:
        for k in range(entries.size):
            sums[k] += int64(uint64(entries[k]) * uint64(size))
            entries[k] = uint32(0)


@internal
def merge_cells(tables, chunk_species, valences, first, last, counts_ions, counts, charges):
    """Write what the ions add up to in the cells from `first` to `last`, and empty the tables there.

    `counts`: see `Sums`; `charges`: (cells * subsets,) valence times shape, in units of e/WEIGHT_ONE.
    """
    subsets = tables.shape[3]
    charges[:] = 0
    for species in range(valences.size):
        here = counts[species, first:last]
        if counts_ions:
            here[:] = 0
        for chunk in range(tables.shape[0]):
            if chunk_species[chunk, 0] <= species <= chunk_species[chunk, 1]:
                entries = tables[chunk, species, first:last].reshape((last - first) * subsets)
                if counts_ions:
                    for cell in range(last - first):
                        here[cell] += int64(entries[cell * subsets] // uint32(WEIGHT_ONE))
                take_multiple(entries, valences[species], charges)


@internal
def take_apart(rows, first_subset, width, first, second, third, fourth):
    """Write four neighbouring columns of rows of `width` numbers each as a row."""
    for m in range(first.size):
        place = m * width + first_subset
        first[m] = rows[place]
        second[m] = rows[place + 1]
        third[m] = rows[place + 2]
        fourth[m] = rows[place + 3]


@internal
def add_moved(source, sign, moved_by, target):
    """Add a row, moved along periodically by some places, times 1 or -1, to another."""
    for m in range(moved_by, target.size):
        target[m] += sign * source[m - moved_by]
    for m in range(moved_by):
        target[m] += sign * source[target.size - moved_by + m]


@internal
def share_charges(charges, mesh, rows):
    """Share the charges of the cells of one entry along the normal between the nodes along the membrane.

    `charges`: see `merge_cells`; `rows`: (subsets, plane). `rows[0]` is then the charge of the cells if it all were
    at the near plane of nodes, and `rows[1]` what of it belongs to the far one.
    """
    for subset in range(0, rows.shape[0], FOUR):
        take_apart(
            charges,
            subset,
            rows.shape[0],
            rows[subset],
            rows[subset + 1],
            rows[subset + 2],
            rows[subset + 3],
        )
    inner = 1
    for axis in range(mesh.cells.size - 1, -1, -1):
        own = 2 << axis
        length = mesh.cells[axis] * inner
        for subset in range(own):
            for first in range(0, mesh.plane, length):
                source = rows[subset | own, first : first + length]
                target = rows[subset, first : first + length]
                add_moved(source, -1, 0, target)
                add_moved(source, 1, inner, target)
        inner = length


@internal
def merge_rows(tables, chunk_species, valences, mesh, first, last, counted, scratch, sums):
    """Do what `merge_tables` does for the entries along the normal from `first` to `last`.

    What the last of them has for the nodes of the next one is left in `scratch[1, 1]`.
    """
    plane, stride = mesh.plane, mesh.stride
    rows = scratch[1]
    charges = scratch[0].reshape(scratch.shape[1] * plane)
    for row in range(first, last):
        own = sums.charges[row * plane : (row + 1) * plane]
        if row > first and row % stride > 0:
            copy_row(rows[1], own)
        else:
            own[:] = 0
        start, counts_ions = row * plane, row % stride < counted
        merge_cells(tables, chunk_species, valences, start, start + plane, counts_ions, sums.counts, charges)
        # The last entry is of ions in no bath.
        if row % stride < stride - 1:
            share_charges(charges, mesh, rows)
            add_moved(rows[0], 1, 0, own)
            add_moved(rows[1], -1, 0, own)


@parallel
def merge_tables(tables, chunk_species, valences, mesh, counted, scratch, sums):
    """Write the charges of all ions at the nodes, and the counts of ions, and empty the tables for the next time.

    Sums of integers: in any order the same. `chunk_species`: (chunks, 2) the first and the last species with ions in
    each chunk; `counted`: the ions in so many entries along the normal beside the membrane are counted, other counts
    stay as they are; `scratch`: see `make_scratch`.
    """
    workers, n_rows = scratch.shape[0], 2 * mesh.stride
    for i in prange(workers):
        worker = int64(i)
        first, last = worker * n_rows // workers, (worker + 1) * n_rows // workers
        merge_rows(tables, chunk_species, valences, mesh, first, last, counted, scratch[worker], sums)
    for worker in range(1, workers):
        first = worker * n_rows // workers
        if first % mesh.stride > 0:
            nodes = sums.charges[first * mesh.plane : (first + 1) * mesh.plane]
            add_moved(scratch[worker - 1, 1, 1], 1, 0, nodes)


@internal
def add_ion(x, transverse, ions, species, valence, mesh, sums):
    """Add one ion to the sums exactly as `add_shapes` and `merge_tables` do, or take it out with `ions` = -1.

    `transverse`: (axes,) float32.
    """
    row = find_cell(x, mesh.inverse_spacing, mesh.stride)
    sums.counts[species, find_node(0, row, transverse, mesh)] += ions
    if row % mesh.stride == mesh.stride - 1:
        return
    subsets = 2 << mesh.cells.size
    for corner in range(subsets):
        weight = int64(0)
        for subset in range(subsets):
            if subset & corner == corner:
                sign = 1 - 2 * (count_axes(subset ^ corner) % 2)
                weight += sign * int64(as_weight(shape_in(subset, x, transverse, mesh)))
        sums.charges[find_node(corner, row, transverse, mesh)] += ions * valence * weight


@compiled
def count_axes(subset):
    """Return how many axes there are in a subset."""
    axes = 0
    while subset > 0:
        axes += subset & 1
        subset >>= 1
    return axes


@compiled
def find_node(corner, row, transverse, mesh):
    """Return the corner of an ion's cell that is on the far side along the axes of a subset; its cell is corner 0.

    `row`: its cell along the normal.
    """
    node = int64(row) + (corner & 1)
    for axis in range(mesh.cells.size):
        cell = find_transverse_cell(transverse[axis] * mesh.inverse_spacings[axis], mesh.cells[axis])
        far = 1 if corner & (2 << axis) else 0
        node = node * mesh.cells[axis] + (cell + far) % mesh.cells[axis]
    return node


@compiled
def shape_in(subset, x, transverse, mesh):
    """Return the shape of one ion in a subset, multiplied in the order of `find_shapes`: float32 depends on it."""
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


@internal
def write_difference(source, moved_by, target):
    """Write how much larger a row is some places on, periodically."""
    last = target.size - moved_by
    for m in range(last):
        target[m] = source[m + moved_by] - source[m]
    for m in range(moved_by):
        target[last + m] = source[m] - source[last + m]


@internal
def write_cells(own, own_next, beyond, beyond_next, factor, first, slopes):
    """Write the slopes along the normal and the first transverse axis of some cells, the first of them given.

    `own`: the potential at the near corner of each; at the corner next to it along the transverse axis, beyond it
    along the normal, and along both. The differences of the potential itself are taken in double precision.
    """
    for m in range(own.size):
        normal = float32(factor * (beyond[m] - own[m]))
        following = float32(factor * (beyond_next[m] - own_next[m]))
        slopes[first + m, 0] = float32(0.0)
        slopes[first + m, 1] = normal
        slopes[first + m, 2] = float32(factor * (own_next[m] - own[m]))
        slopes[first + m, 3] = following - normal


@internal
def write_plane(potential, factor, mesh, start, is_bath, slopes):
    """Write the slopes of the cells of one entry along the normal, the first of them at `start`."""
    plane = mesh.plane
    if not is_bath:
        for m in range(start, start + plane):
            for subset in range(slopes.shape[1]):
                slopes[m, subset] = float32(0.0)
        return
    near, far = potential[start : start + plane], potential[start + plane : start + 2 * plane]
    inner = plane // mesh.cells[0]
    last = plane - inner
    write_cells(near[:last], near[inner:], far[:last], far[inner:], -factor, start, slopes)
    write_cells(near[last:], near[:inner], far[last:], far[:inner], -factor, start + last, slopes)
    for axis in range(1, mesh.cells.size):
        own = 2 << axis
        length = inner
        inner = length // mesh.cells[axis]
        for first in range(start, start + plane, length):
            here = slice(first, first + length)
            along = slopes[here, own]
            write_difference(potential[here], inner, along)
            for m in range(length):
                along[m] *= -factor
            for subset in range(1, own):
                write_difference(slopes[here, subset], inner, slopes[here, subset | own])


@parallel
def write_slopes(potential, factor, mesh, workers, slopes):
    """Write what `look_up_slopes` looks up: minus `factor` times the differences of the potential in each subset.

    With `factor` = 1/spacing the components are the field in mV/nm, the normal one away from the membrane; with
    that times a mobility and a time they are displacements.

    `potential`: (2 * stride * plane,) mV; `slopes`: see `make_slopes`.
    """
    stride, plane = mesh.stride, mesh.plane
    for i in prange(workers):
        worker = int64(i)
        for row in range(worker * 2 * stride // workers, (worker + 1) * 2 * stride // workers):
            start = row * plane
            write_plane(potential, factor, mesh, start, row % stride < stride - 1, slopes)
