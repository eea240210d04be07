"""The cells of both baths with transverse axes, one or more, and the tables of their nodes.

Along the membrane normal they are those of `mc.field.deposition`: counted away from the membrane, with `stride`
entries a side. Every transverse axis is periodic and cuts each of these entries into as many cells as it has; the
last axis is the fastest in every table. A node is the near corner of its cell.

What ions look up and add to are padded tables: each transverse axis goes on to the node that follows the last one
periodically, so that all corners of a cell are as far apart for every ion, and each side has two entries more, for
ions in no bath. Other tables are not padded.

A subset of the axes is a number: bit 0 for the normal, bit 1 for the first transverse axis, and so on. A corner of a
cell is the subset of the axes along which it is on the far side.
"""

from typing import NamedTuple

import numpy as np
from numba import float32, int32, int64, uint32

from mc.compilation import compiled, internal
from mc.field.deposition import smaller

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
def corner_offset(corner, steps):
    """Return how far a corner of a cell is from its near corner in a padded table."""
    offset = int64(0)
    for axis in range(steps.size):
        if corner & (1 << axis):
            offset += steps[axis]
    return offset


@compiled
def find_line(line, mesh):
    """Return where in an entry of a padded table a line along the last transverse axis begins."""
    start = int64(0)
    for axis in range(mesh.cells.size - 2, -1, -1):
        start += line % mesh.cells[axis] * mesh.steps[axis + 1]
        line //= mesh.cells[axis]
    return start


@internal
def copy_row(source, target):
    """Copy a row."""
    for k in range(source.size):
        target[k] = source[k]


@internal
def add_multiple(row, factor, sums):
    """Add a row times a whole number to another."""
    for k in range(row.size):
        sums[k] += row[k] * factor
