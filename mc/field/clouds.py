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
Two subsets that differ by the normal share a number of 64 bits, the one without it in the upper half: a sum of
such numbers is the sums of both halves as long as these fit into 32 bits with their sign, that is while a cell holds
less than 32,768 net charges.
"""

from typing import NamedTuple

import numpy as np
from numba import float32, int32, int64, prange, uint32

from mc.compilation import compiled, internal, parallel
from mc.field.deposition import WEIGHT_ONE, find_cell, find_cells, gather, smaller

PIECE = 256
"""Ions of a block whose entries in a table are read or added to together: few enough to stay in the nearest cache."""


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
    """(species, cells) int64 ions, as of the last time that they were counted."""
    charges: np.ndarray
    """(cells * subsets/2,) int64, valence times shape summed over the ions, in units of e/WEIGHT_ONE, two subsets in
    each; those of a cell lie together."""


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


def make_sums(mesh: Mesh, n_species: int, chunks: int) -> Sums:
    """Return empty sums for so many chunks of the ions, with a leading axis of chunks."""
    n = 2 * mesh.stride * mesh.plane
    return Sums(
        np.zeros((chunks, n_species, n), dtype=np.int64),
        np.zeros((chunks, n << mesh.cells.size), dtype=np.int64),
    )


def sums_of(tables: Sums, chunk: int) -> Sums:
    """Return those of one chunk, as views; those of the first are those of all once they are merged."""
    return Sums(tables.counts[chunk], tables.charges[chunk])


def make_slopes(mesh: Mesh) -> np.ndarray:
    """Return memory for the slopes of one species, (cells, subsets): those of a cell lie together, the first unused.

    Without transverse axes there is one, and its place is the first.
    """
    width = 1 if mesh.cells.size == 0 else 2 << mesh.cells.size
    return np.zeros((2 * mesh.stride * mesh.plane, width), dtype=np.float32)


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
    return int32(shape * float32(WEIGHT_ONE) + float32(0.5))


@compiled
def pack(high, low):
    """Return two sums of 32 bits with sign as one number."""
    return int64(int64(int64(high) << int64(32)) + int64(low))


@compiled
def unpack(both):
    """Return the two sums in a number."""
    low = int64(int32(both & int64(0xFFFFFFFF)))
    return (both - low) >> int64(32), low


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
def find_shapes(positions, transverse, start, mesh, cells, shapes):
    """Cut the cells of a block, so far along the normal only, along every transverse axis; write the shapes.

    `positions`: (block,); `transverse`: (axes, ions) nm, each within the width
    of its axis, the block's from `start` on; `shapes`: (subsets - 1, at least block) float32, that of subset v in
    row v - 1. Tables with rows are given whole: a part of their columns is not known to be contiguous, and loops over
    it are not vectorised.
    """
    n = positions.size
    find_normal_fractions(positions, mesh.inverse_spacing, shapes[0, :n])
    for axis in range(mesh.cells.size):
        own = 2 << axis
        inverse_spacing, n_cells = mesh.inverse_spacings[axis], mesh.cells[axis]
        coordinates = transverse[axis, start : start + n]
        find_fractions(coordinates, inverse_spacing, n_cells, shapes[own - 1, :n])
        refine_cells(coordinates, inverse_spacing, n_cells, cells)
        for subset in range(1, own):
            multiply(shapes[subset - 1, :n], shapes[own - 1, :n], shapes[own + subset - 1, :n])


@internal
def find_mesh_cells(positions, transverse, start, mesh, cells):
    """Write the cell of each ion of a block; see `find_shapes`."""
    n = positions.size
    find_cells(positions, cells, mesh.inverse_spacing, mesh.stride)
    for axis in range(mesh.cells.size):
        coordinates = transverse[axis, start : start + n]
        refine_cells(coordinates, mesh.inverse_spacings[axis], mesh.cells[axis], cells)


@internal
def gather_slopes(slopes, cells, looked_up):
    """Look up the slopes of all subsets for each ion of a block; without transverse axes that is the field itself.

    `slopes`: see `make_slopes`; `looked_up`: (subsets - 1, at least block) float32.
    """
    if looked_up.shape[0] == 1:
        gather(slopes[:, 0], cells, looked_up[0, : cells.size])
    else:
        for first in range(0, cells.size, PIECE):
            here = slice(first, min(first + PIECE, cells.size))
            for subset in range(1, slopes.shape[1]):
                gather(slopes[:, subset], cells[here], looked_up[subset - 1, here])


@internal
def add_components(looked_up, shapes, n, ratios, components):
    """Write the transverse components of the field of `n` ions, and complete the normal one, `looked_up[0]`.

    A component is the same all along its own axis within a cell, and linear along the others: minus the gradient of
    the interpolated potential. Its work is the change of an energy.

    `components`: (axes, at least n) float32.
    """
    subsets = looked_up.shape[0] + 1
    for axis in range(components.shape[0]):
        own = 2 << axis
        component = components[axis, :n]
        copy_row(looked_up[own - 1, :n], component)
        for others in range(1, subsets):
            if others & own == 0:
                add_product(looked_up[(others | own) - 1, :n], shapes[others - 1, :n], component)
        ratio = ratios[axis + 1]
        for k in range(n):
            component[k] *= ratio
    for others in range(2, subsets, 2):
        add_product(looked_up[others, :n], shapes[others - 1, :n], looked_up[0, :n])


@internal
def move_round(coordinates, displacements, width):
    """Move a block along a periodic axis by its displacements, each of at most the width (nm)."""
    for k in range(coordinates.size):
        moved = coordinates[k] + displacements[k]
        moved = moved + width if moved < float32(0.0) else moved
        coordinates[k] = moved - width if moved >= width else moved


@internal
def pack_normal(shapes, valence, packed):
    """Write the charge of each ion of a block and its share at the far end of its cell along the normal."""
    whole = int32(int32(valence) * int32(WEIGHT_ONE))
    for k in range(packed.size):
        packed[k] = pack(whole, int32(int32(valence) * as_weight(shapes[k])))


@internal
def pack_shapes(high, low, valence, packed):
    """Write the charge of each ion of a block times its shapes in two subsets."""
    z = int32(valence)
    for k in range(packed.size):
        packed[k] = pack(int32(z * as_weight(high[k])), int32(z * as_weight(low[k])))


@internal
def add_one(cells, packed, charges):
    """Add the charges of a block where a cell has one number."""
    for k in range(cells.size):
        charges[cells[k]] += packed[k]


@internal
def add_two(cells, first, second, entry, entries, charges):
    """Add to two neighbouring numbers of each ion's cell: they are in one line of the cache."""
    for k in range(cells.size):
        place = uint32(uint32(cells[k] * entries) + entry)
        charges[place] += first[k]
        charges[uint32(place + uint32(1))] += second[k]


@internal
def count_ions(cells, counts):
    """Count the ions of a block in their cells."""
    for k in range(cells.size):
        counts[cells[k]] += 1


@internal
def deposit_block(positions, transverse, start, valence, mesh, cells, shapes, packed, charges):
    """Add a block of ions of one valence to the charges, and write their cells.

    `positions`, `transverse` and `start`: see `find_shapes`; `cells`: (block,) uint32, `shapes`, and `packed`:
    (subsets/2, at least block) int64, all written here.
    """
    n = positions.size
    find_cells(positions, cells, mesh.inverse_spacing, mesh.stride)
    find_shapes(positions, transverse, start, mesh, cells, shapes)
    pack_normal(shapes[0, :n], valence, packed[0, :n])
    for entry in range(1, packed.shape[0]):
        pack_shapes(shapes[2 * entry - 1, :n], shapes[2 * entry, :n], valence, packed[entry, :n])
    entries = uint32(1 << mesh.cells.size)
    if entries == 1:
        add_one(cells, packed[0, :n], charges)
    for entry in range(0, entries - 1, 2):
        add_two(cells, packed[entry, :n], packed[entry + 1, :n], uint32(entry), entries, charges)


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
    entries = 1 << mesh.cells.size
    for entry in range(entries):
        high = as_weight(shape_in(2 * entry, x, transverse, mesh))
        low = as_weight(shape_in(2 * entry + 1, x, transverse, mesh))
        sums.charges[int64(cell) * entries + entry] += ions * valence * pack(high, low)


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
def add_moved(source, sign, moved_by, target):
    """Add a row, moved along periodically by some places, times 1 or -1, to another."""
    for m in range(moved_by, target.size):
        target[m] += sign * source[m - moved_by]
    for m in range(moved_by):
        target[m] += sign * source[target.size - moved_by + m]


@internal
def split_row(charges, first, entries, high, low):
    """Write the two sums in one of the numbers of each cell of a row."""
    for m in range(high.size):
        high[m], low[m] = unpack(charges[first + m * entries])


@internal
def sum_plane(charges, row, mesh, rows):
    """Write for one entry along the normal what its near plane of nodes keeps, and what moves from it to the next.

    `rows`: (subsets, plane) scratch. `rows[0]` is then the charge of the cells if it all were at the near plane, and
    `rows[1]` what of it belongs to the far one.
    """
    plane = mesh.plane
    entries = rows.shape[0] // 2
    for entry in range(entries):
        split_row(charges, row * plane * entries + entry, entries, rows[2 * entry], rows[2 * entry + 1])
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
def sum_node_charges(charges, mesh, scratch, node_charges):
    """Write the charge at each node, (2 * stride * plane,), in units of e/WEIGHT_ONE.

    `charges`: those of all ions, see `Sums`; `scratch`: (workers, subsets, plane) int64.
    """
    stride, plane = mesh.stride, mesh.plane
    workers = scratch.shape[0]
    for i in prange(workers):
        worker = int64(i)
        rows = scratch[worker]
        first, last = worker * 2 * stride // workers, (worker + 1) * 2 * stride // workers
        # What the entry before the first one moves on, if both are on one side.
        if first % stride:
            sum_plane(charges, first - 1, mesh, rows)
        for row in range(first, last):
            own = node_charges[row * plane : (row + 1) * plane]
            if row % stride == 0:
                own[:] = 0
            else:
                copy_row(rows[1], own)
            if row % stride < stride - 1:
                sum_plane(charges, row, mesh, rows)
                add_moved(rows[0], 1, 0, own)
                add_moved(rows[1], -1, 0, own)


@internal
def write_difference(source, moved_by, target):
    """Write how much larger a row is some places on, periodically."""
    last = target.size - moved_by
    for m in range(last):
        target[m] = source[m + moved_by] - source[m]
    for m in range(moved_by):
        target[last + m] = source[m] - source[last + m]


@internal
def write_plane(potential, factor, mesh, start, is_bath, normal, slopes):
    """Write the slopes of the cells of one entry along the normal, the first of them at `start`."""
    plane = mesh.plane
    if not is_bath:
        for m in range(start, start + plane):
            for place in range(slopes.shape[1]):
                slopes[m, place] = float32(0.0)
        return
    for m in range(start, start + plane):
        slopes[m, normal] = float32(-factor * (potential[m + plane] - potential[m]))
    inner = plane
    for axis in range(mesh.cells.size):
        own = 2 << axis
        length = inner
        inner = length // mesh.cells[axis]
        for first in range(start, start + plane, length):
            here = slice(first, first + length)
            # The difference of the potential itself is taken in double precision.
            along = slopes[here, own]
            write_difference(potential[here], inner, along)
            for m in range(length):
                along[m] *= -factor
            for subset in range(1, own):
                write_difference(slopes[here, subset], inner, slopes[here, subset | own])


@parallel
def write_slopes(potential, factor, mesh, workers, slopes):
    """Write what `gather_slopes` looks up: minus `factor` times the differences of the potential in each subset.

    With `factor` = 1/spacing the components are the field in mV/nm, the normal one away from the membrane; with
    that times a mobility and a time they are displacements.

    `potential`: (2 * stride * plane,) mV; `slopes`: see `make_slopes`.
    """
    stride, plane = mesh.stride, mesh.plane
    # The place of subset v is v, but without transverse axes that of the only one is 0.
    normal = 0 if slopes.shape[1] == 1 else 1
    for i in prange(workers):
        worker = int64(i)
        for row in range(worker * 2 * stride // workers, (worker + 1) * 2 * stride // workers):
            start = row * plane
            write_plane(potential, factor, mesh, start, row % stride < stride - 1, normal, slopes)
