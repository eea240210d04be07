"""Ions to grid and field to ions: cloud in cell, one dimension, integer sums.

Both baths are cut into cells counted away from the membrane: cell `j` of a side reaches from j h to (j + 1) h, node
`j` is its near end. Cell tables are flat with `stride` entries a side, the cytoplasm first. The last entry of a side
is no bath cell: it collects the ions that are in no bath (those in pores, parked at `PARKED`).

An ion's position is a signed distance from the membrane: x < 0 is in the cytoplasm, -x from the inner face; x > 0
is outside, x from the outer face. The slab has no width in this coordinate.
"""

from typing import NamedTuple

import numpy as np
from numba import float32, int32, uint32, uint64
from numba.extending import overload

from mc.compilation import compiled, internal

PARKED = np.float32(1.0e6)
"""nm; where an ion waits while it is in a pore, far outside any bath."""

WEIGHT_ONE = 1 << 16
"""A weight of 1 as an integer: shares of an ion are counted in units of 1/65536."""

COUNT_SHIFT = 40
"""A histogram entry is one 64-bit integer: ions in the upper 24 bits, their summed weights in the lower 40."""

HISTOGRAMS = 4
"""Private histograms of a thread: neighbouring ions often share a cell, and adding twice to one address stalls."""


class Sums(NamedTuple):
    """What the ions of each species add up to in each cell."""

    counts: np.ndarray
    """(species, 2 * stride) ions."""
    weight_sums: np.ndarray
    """(species, 2 * stride) their shares at the cell's far node, in units of 1/WEIGHT_ONE."""
    inverse_spacing: np.float32
    """1/nm."""
    stride: int
    """Entries a side."""


@compiled
def smaller(first, second):
    """Return the smaller of two numbers, as a selection that the compiler can vectorise (numba's `min` is not)."""
    return first if first < second else second


@compiled
def larger(first, second):
    """Return the larger of two numbers, as a selection that the compiler can vectorise."""
    return first if first > second else second


def product(first, second):
    """Return the product of two numbers, rounded by itself where what follows adds to it.

    Processors' kernels do so with any product. `mc.engines.brownian.cuda` says how a GPU's do.
    """
    return first * second


@overload(product, target="cpu")
def _compile_product(first, second):
    return lambda first, second: first * second


@compiled
def find_cell(x, inverse_spacing, stride):
    """Return the cell of an ion at signed distance `x` from the membrane; what is no place is in no bath."""
    cell = smaller(uint32(int32(abs(x) * inverse_spacing)), uint32(stride - 1))
    return uint32(cell + (uint32(stride) if x > float32(0.0) else uint32(0)))


@compiled
def find_fraction(scaled):
    """Return the fractional distance of a scaled coordinate from the near end of its cell."""
    return scaled - float32(int32(scaled))


@compiled
def as_weight(fraction):
    """Return a fractional distance in units of 1/WEIGHT_ONE."""
    return uint32(int32(fraction * float32(WEIGHT_ONE) + float32(0.5)))


@compiled
def weigh(x, inverse_spacing):
    """Return an ion's share at the far node of its cell, in units of 1/WEIGHT_ONE; the rest is the near node's."""
    scaled = abs(x) * inverse_spacing
    return as_weight(find_fraction(scaled))


@internal
def clear(table):
    """Set a table of shape (species, cells) to zero."""
    for species in range(table.shape[0]):
        for cell in range(table.shape[1]):
            table[species, cell] = 0


@internal
def find_cells(positions, cells, inverse_spacing, stride):
    """Write the cell of each ion of a block."""
    for k in range(positions.size):
        cells[k] = find_cell(positions[k], inverse_spacing, stride)


@internal
def gather(table, cells, values):
    """Look up a table of the cells for each ion of a block."""
    for k in range(cells.size):
        values[k] = table[cells[k]]


@internal
def find_cells_and_weights(positions, cells, weights, inverse_spacing, stride):
    """Write the cell and the far node's share of each ion of a block."""
    for k in range(positions.size):
        x = positions[k]
        cells[k] = find_cell(x, inverse_spacing, stride)
        weights[k] = weigh(x, inverse_spacing)


@internal
def deposit(cells, weights, histograms):
    """Add a block to the private histograms, shape (HISTOGRAMS, cells), or to one that is too large to have four."""
    one = uint64(1 << COUNT_SHIFT)
    n = histograms.shape[0]
    first, second, third, fourth = histograms[0], histograms[1 % n], histograms[2 % n], histograms[3 % n]
    in_fours = cells.size - cells.size % 4
    for k in range(0, in_fours, 4):
        first[cells[k]] += one + uint64(weights[k])
        second[cells[k + 1]] += one + uint64(weights[k + 1])
        third[cells[k + 2]] += one + uint64(weights[k + 2])
        fourth[cells[k + 3]] += one + uint64(weights[k + 3])
    for k in range(in_fours, cells.size):
        first[cells[k]] += one + uint64(weights[k])


@internal
def add_histograms(histograms, counts, weight_sums):
    """Empty the private histograms into the counts and summed weights of one species, each of shape (cells,)."""
    mask = uint64((1 << COUNT_SHIFT) - 1)
    for cell in range(counts.size):
        for i in range(HISTOGRAMS):
            entry = histograms[i, cell]
            counts[cell] += np.int64(entry >> uint64(COUNT_SHIFT))
            weight_sums[cell] += np.int64(entry & mask)
            histograms[i, cell] = uint64(0)


@internal
def withdraw(x, species, sums):
    """Take one ion out of the sums, exactly as `deposit` had put it in."""
    cell = find_cell(x, sums.inverse_spacing, sums.stride)
    sums.counts[species, cell] -= 1
    sums.weight_sums[species, cell] -= np.int64(weigh(x, sums.inverse_spacing))


@internal
def restore(x, species, sums):
    """Put one ion into the sums."""
    cell = find_cell(x, sums.inverse_spacing, sums.stride)
    sums.counts[species, cell] += 1
    sums.weight_sums[species, cell] += np.int64(weigh(x, sums.inverse_spacing))
