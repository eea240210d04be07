"""Cloud in cell with any number of transverse axes: ions to charge at the nodes, and field to ions.

Along the membrane normal this is `mc.field.deposition`: both baths are cut into cells counted away from the membrane,
with `stride` entries a side, the last of them for ions in no bath. Every transverse axis is periodic and cuts each of
these entries into as many cells as it has; the last axis is the fastest in every table. Without axes nothing is cut.

A subset of the axes is a number: bit 0 for the normal, bit 1 for the first transverse axis, and so on. An ion's shape
in a subset is the product of its fractional distances from the near corner of its cell along these axes. Everything
multilinear is a sum of shapes over the subsets:

- the charges at the nodes are sum_v prod_{a in v} (T_a - 1) W_v, with W_v the shapes in subset v summed over the ions
  of each cell, and T_a what belongs to a cell moved to the next one along axis a;
- the potential within a cell is sum_v shape_v prod_{a in v} (difference along a) phi, at its near corner.

So a cell keeps an integer for each subset, and the nodes' charges follow from them exactly, in any order of the ions.
"""

from typing import NamedTuple

import numpy as np
from numba import float32, int32, int64, prange, uint32, uint64

from mc.compilation import compiled, internal, parallel
from mc.field.deposition import (
    COUNT_SHIFT,
    WEIGHT_ONE,
    deposit,
    find_cell,
    find_cells_and_weights,
    gather,
    smaller,
)

MOST_IN_A_CELL = (1 << 16) - 1
"""Ions of a species in a cell, at most: their weights then fit into half an entry of 64 bits."""


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
    """(species, cells) int64 ions."""
    charges: np.ndarray
    """(subsets - 1, cells) int64, valence times shape summed over the ions, in units of e/WEIGHT_ONE; that of subset
    v in row v - 1, and none for the empty subset, which the counts tell."""


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


def make_sums(mesh: Mesh, n_species: int) -> Sums:
    """Return empty sums."""
    n = 2 * mesh.stride * mesh.plane
    subsets = 2 << mesh.cells.size
    return Sums(np.zeros((n_species, n), dtype=np.int64), np.zeros((subsets - 1, n), dtype=np.int64))


def make_histograms(mesh: Mesh, private: int) -> np.ndarray:
    """Return empty histograms of a thread, (subsets/2, private, cells): pairs of subsets share an entry.

    The first pair, which is all there is without transverse axes, is spread over all `private` ones.
    """
    return np.zeros((1 << mesh.cells.size, private, 2 * mesh.stride * mesh.plane), dtype=np.uint64)


@compiled
def find_fraction(scaled, cell):
    """Return the fractional distance of a scaled coordinate from the near end of its cell."""
    return smaller(scaled - float32(cell), float32(1.0))


@compiled
def find_transverse_cell(scaled, n_cells):
    """Return the cell of a scaled transverse coordinate; one rounded up to the width is in the last cell."""
    return smaller(int32(scaled), int32(int32(n_cells) - int32(1)))


@compiled
def as_weight(shape):
    """Return a shape in units of 1/WEIGHT_ONE."""
    return uint32(int32(shape * float32(WEIGHT_ONE) + float32(0.5)))


@internal
def find_normal_fractions(positions, inverse_spacing, fractions):
    """Write the fractional distance along the normal of each ion of a block."""
    for k in range(positions.size):
        scaled = abs(positions[k]) * inverse_spacing
        fractions[k] = find_fraction(scaled, int32(scaled))


@internal
def find_fractions(coordinates, inverse_spacing, n_cells, fractions):
    """Write the fractional distance along a transverse axis of each ion of a block."""
    for k in range(coordinates.size):
        scaled = coordinates[k] * inverse_spacing
        fractions[k] = find_fraction(scaled, find_transverse_cell(scaled, n_cells))


@internal
def refine_cells(coordinates, inverse_spacing, n_cells, cells):
    """Cut the cells of a block along one more axis."""
    n = uint32(n_cells)
    for k in range(cells.size):
        cell = uint32(find_transverse_cell(coordinates[k] * inverse_spacing, n_cells))
        cells[k] = uint32(uint32(cells[k] * n) + cell)


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
def find_shapes(positions, transverse, mesh, cells, shapes):
    """Cut the cells of a block, so far along the normal only, along every transverse axis; write the shapes.

    Does nothing without transverse axes. `transverse`: (axes, ions) nm, each within the width of its axis;
    `shapes`: (subsets - 1, ions) float32, that of subset v in row v - 1.
    """
    if mesh.cells.size > 0:
        find_normal_fractions(positions, mesh.inverse_spacing, shapes[0])
    for axis in range(mesh.cells.size):
        own = 2 << axis
        inverse_spacing, n_cells = mesh.inverse_spacings[axis], mesh.cells[axis]
        find_fractions(transverse[axis], inverse_spacing, n_cells, shapes[own - 1])
        refine_cells(transverse[axis], inverse_spacing, n_cells, cells)
        for subset in range(1, own):
            multiply(shapes[subset - 1], shapes[own - 1], shapes[own + subset - 1])


@internal
def gather_slopes(slopes, cells, looked_up):
    """Look up the slopes of all subsets for each ion of a block; without transverse axes that is the field itself.

    `slopes`: (subsets - 1, cells) float32; `looked_up`: (subsets - 1, ions) float32.
    """
    for subset in range(slopes.shape[0]):
        gather(slopes[subset], cells, looked_up[subset])


@internal
def add_components(looked_up, shapes, ratios, components):
    """Write the transverse components of the field, and complete the normal one, `looked_up[0]`, in its place.

    A component is the same all along its own axis within a cell, and linear along the others: minus the gradient of
    the interpolated potential. Its work is the change of an energy.

    `components`: (axes, ions) float32.
    """
    subsets = looked_up.shape[0] + 1
    for axis in range(components.shape[0]):
        own = 2 << axis
        copy_row(looked_up[own - 1], components[axis])
        for others in range(1, subsets):
            if others & own == 0:
                add_product(looked_up[(others | own) - 1], shapes[others - 1], components[axis])
        for k in range(components.shape[1]):
            components[axis, k] *= ratios[axis + 1]
    for others in range(2, subsets, 2):
        add_product(looked_up[others], shapes[others - 1], looked_up[0])


@internal
def wrap_block(before, displacements, width, after):
    """Write where a block is on a periodic axis after its displacements, each of at most the width (nm)."""
    for k in range(before.size):
        moved = before[k] + displacements[k]
        moved = moved + width if moved < float32(0.0) else moved
        after[k] = moved - width if moved >= width else moved


@internal
def add_weights(cells, high, low, histogram):
    """Add two shapes of each ion of a block to a histogram, one in each half of an entry."""
    for k in range(cells.size):
        histogram[cells[k]] += (uint64(as_weight(high[k])) << uint64(32)) + uint64(as_weight(low[k]))


@internal
def deposit_block(positions, transverse, mesh, cells, weights, shapes, histograms):
    """Add a block of ions to the histograms of a thread."""
    find_cells_and_weights(positions, cells, weights, mesh.inverse_spacing, mesh.stride)
    find_shapes(positions, transverse, mesh, cells, shapes)
    deposit(cells, weights, histograms[0])
    for pair in range(1, histograms.shape[0]):
        add_weights(cells, shapes[2 * pair - 1], shapes[2 * pair], histograms[pair, 0])


@internal
def empty_histograms(histograms, valence, counts, charges):
    """Empty the histograms of a thread into the sums of a species: its counts (cells,) and the charges of all.

    This must be done before a cell has seen more than `MOST_IN_A_CELL` ions, if there are transverse axes.
    """
    mask = uint64((1 << COUNT_SHIFT) - 1)
    for i in range(histograms.shape[1]):
        histogram, charge = histograms[0, i], charges[0]
        for cell in range(counts.size):
            counts[cell] += int64(histogram[cell] >> uint64(COUNT_SHIFT))
        for cell in range(counts.size):
            charge[cell] += valence * int64(histogram[cell] & mask)
        histogram[:] = uint64(0)
    lower = uint64((1 << 32) - 1)
    for pair in range(1, histograms.shape[0]):
        histogram, high, low = histograms[pair, 0], charges[2 * pair - 1], charges[2 * pair]
        for cell in range(counts.size):
            high[cell] += valence * int64(histogram[cell] >> uint64(32))
        for cell in range(counts.size):
            low[cell] += valence * int64(histogram[cell] & lower)
        histogram[:] = uint64(0)


@internal
def add_ion(x, transverse, ions, species, valence, mesh, sums):
    """Add one ion to the sums exactly as `deposit_block` does, or take it out with `ions` = -1.

    `transverse`: (axes,) float32.
    """
    cell = find_cell(x, mesh.inverse_spacing, mesh.stride)
    for axis in range(mesh.cells.size):
        scaled = transverse[axis] * mesh.inverse_spacings[axis]
        cell = uint32(
            uint32(cell * uint32(mesh.cells[axis])) + uint32(find_transverse_cell(scaled, mesh.cells[axis]))
        )
    sums.counts[species, cell] += ions
    normal = abs(x) * mesh.inverse_spacing
    for subset in range(1, sums.charges.shape[0] + 1):
        # In the order in which `find_shapes` multiplies: float32 products depend on it.
        shape = float32(1.0)
        if subset & 1:
            shape = find_fraction(normal, int32(normal))
        for axis in range(mesh.cells.size):
            if subset & (2 << axis):
                scaled = transverse[axis] * mesh.inverse_spacings[axis]
                shape = float32(shape * find_fraction(scaled, find_transverse_cell(scaled, mesh.cells[axis])))
        sums.charges[subset - 1, cell] += ions * valence * int64(as_weight(shape))


@internal
def withdraw(x, transverse, species, valence, mesh, sums):
    """Take one ion out of the sums, exactly as it had been put in."""
    add_ion(x, transverse, -1, species, valence, mesh, sums)


@internal
def restore(x, transverse, species, valence, mesh, sums):
    """Put one ion into the sums."""
    add_ion(x, transverse, 1, species, valence, mesh, sums)


@internal
def add_moved(source, sign, moved_by, target):
    """Add a row, moved along periodically by some places, times 1 or -1, to another."""
    for m in range(moved_by, target.size):
        target[m] += sign * source[m - moved_by]
    for m in range(moved_by):
        target[m] += sign * source[target.size - moved_by + m]


@internal
def sum_plane(sums, valences, row, mesh, rows):
    """Write for one entry along the normal what its near plane of nodes keeps, and what moves from it to the next.

    `rows`: (subsets, plane) scratch. `rows[0]` is then the charge of the cells if it all were at the near plane, and
    `rows[1]` what of it belongs to the far one.
    """
    plane = mesh.plane
    here = slice(row * plane, (row + 1) * plane)
    total = rows[0]
    total[:] = 0
    for species in range(valences.size):
        charge = valences[species] * WEIGHT_ONE
        counts = sums.counts[species, here]
        for m in range(plane):
            total[m] += charge * counts[m]
    for subset in range(1, rows.shape[0]):
        copy_row(sums.charges[subset - 1, here], rows[subset])
    inner = 1
    for axis in range(mesh.cells.size - 1, -1, -1):
        own = 2 << axis
        length = mesh.cells[axis] * inner
        for subset in range(own):
            for first in range(0, plane, length):
                source = rows[subset | own, first : first + length]
                target = rows[subset, first : first + length]
                add_moved(source, -1, 0, target)
                add_moved(source, 1, inner, target)
        inner = length


@parallel
def sum_node_charges(sums, valences, mesh, scratch, node_charges):
    """Write the charge at each node, (2 * stride * plane,), in units of e/WEIGHT_ONE, from the sums of all ions.

    `scratch`: (workers, subsets, plane) int64.
    """
    stride, plane = mesh.stride, mesh.plane
    workers = scratch.shape[0]
    for i in prange(workers):
        worker = int64(i)
        rows = scratch[worker]
        first, last = worker * 2 * stride // workers, (worker + 1) * 2 * stride // workers
        # What the entry before the first one moves on, if both are on one side.
        if first % stride:
            sum_plane(sums, valences, first - 1, mesh, rows)
        for row in range(first, last):
            charges = node_charges[row * plane : (row + 1) * plane]
            if row % stride == 0:
                charges[:] = 0
            else:
                copy_row(rows[1], charges)
            if row % stride < stride - 1:
                sum_plane(sums, valences, row, mesh, rows)
                add_moved(rows[0], 1, 0, charges)
                add_moved(rows[1], -1, 0, charges)


@internal
def write_difference(source, moved_by, target):
    """Write how much larger a row is some places on, periodically."""
    last = target.size - moved_by
    for m in range(last):
        target[m] = source[m + moved_by] - source[m]
    for m in range(moved_by):
        target[last + m] = source[m] - source[last + m]


@parallel
def write_slopes(potential, factor, mesh, workers, slopes):
    """Write what `gather_slopes` looks up: minus `factor` times the differences of the potential in each subset.

    With `factor` = 1/spacing the components are the field in mV/nm, the normal one away from the membrane; with
    that times a mobility and a time they are displacements.

    `potential`: (2 * stride * plane,) mV; `slopes`: (subsets - 1, cells) float32.
    """
    stride, plane = mesh.stride, mesh.plane
    for i in prange(workers):
        worker = int64(i)
        for row in range(worker * 2 * stride // workers, (worker + 1) * 2 * stride // workers):
            start = row * plane
            if row % stride == stride - 1:
                slopes[:, start : start + plane] = float32(0.0)
            else:
                normal = slopes[0]
                for m in range(start, start + plane):
                    normal[m] = float32(-factor * (potential[m + plane] - potential[m]))
                # The first difference along a transverse axis is taken in double precision, as that along the
                # normal is; those of differences need it no more.
                inner = 1
                for axis in range(mesh.cells.size - 1, -1, -1):
                    own = 2 << axis
                    length = mesh.cells[axis] * inner
                    for first in range(start, start + plane, length):
                        here = slice(first, first + length)
                        along = slopes[own - 1, here]
                        write_difference(potential[here], inner, along)
                        for m in range(length):
                            along[m] *= -factor
                    inner = length
                for axis in range(mesh.cells.size):
                    own = 2 << axis
                    inner = 1
                    for later in range(axis + 1, mesh.cells.size):
                        inner *= mesh.cells[later]
                    length = mesh.cells[axis] * inner
                    for subset in range(1, own):
                        for first in range(start, start + plane, length):
                            here = slice(first, first + length)
                            write_difference(
                                slopes[subset - 1, here], inner, slopes[(subset | own) - 1, here]
                            )
