"""The cells of both baths with a transverse axis, and where they are in tables.

Along the membrane normal they are those of `mc.field.deposition`: counted away from the membrane, with `stride`
entries a side. The transverse axis is periodic and cuts each entry into `n_along` cells; it is the faster one in
every table. A node is the near corner of its cell.

What ions look up and add to are tables of cells, with a word of 64 bits for each, so that an ion reads or writes one
place in memory. Their rows are padded, and each side has one entry more, for ions in no bath.
"""

from typing import NamedTuple

import numpy as np
from numba import float32, int32, uint32

from mc.compilation import compiled, internal
from mc.field.deposition import smaller

LINE = 8
"""Words that are beside each other in the cache. Rows of a table begin and end with a line and have an odd number of
them: entries that lie a multiple of 4096 bytes apart would share a place in the nearest cache."""


class Mesh(NamedTuple):
    """The cells of both baths."""

    stride: int
    """Entries a side along the normal."""
    inverse_spacing: np.float32
    """1/nm, along the normal."""
    n_along: int
    """Cells along the transverse axis, a power of two."""
    inverse_spacing_along: np.float32
    """1/nm, along the transverse axis."""
    spacing_ratio: np.float32
    """The spacing along the normal over that along the transverse axis."""
    row: int
    """Words of an entry along the normal in a table of cells."""


def make_mesh(stride: int, spacing: float, n_along: int, width: float) -> Mesh:
    """Return the cells of a box with a transverse axis of `width`, in nm, cut into `n_along` of them."""
    spacing_along = width / n_along
    return Mesh(
        stride=stride,
        inverse_spacing=np.float32(1.0 / spacing),
        n_along=n_along,
        inverse_spacing_along=np.float32(1.0 / spacing_along),
        spacing_ratio=np.float32(spacing / spacing_along),
        row=LINE * (-(-n_along // LINE) | 1),
    )


def table_size(mesh: Mesh) -> int:
    """Return how many words a table of cells has."""
    return 2 * (mesh.stride + 1) * mesh.row


def make_words(*shape: int) -> np.ndarray:
    """Return an array of words 0, uint64, that begins with a cache line."""
    size = int(np.prod(shape))
    words = np.zeros(size + LINE, dtype=np.uint64)
    start = -words.ctypes.data // words.itemsize % LINE
    return words[start : start + size].reshape(shape)


@compiled
def find_transverse_cell(scaled, n_along):
    """Return the cell of a scaled transverse coordinate; one rounded up to the width is in the first cell.

    Whatever is no place at all is in some cell too: these are the lower bits of a number, and no other is possible.
    """
    return int32(uint32(int32(scaled)) & uint32(n_along - 1))


@compiled
def find_entry(x, scaled, stride):
    """Return the entry along the normal of a table, from a scaled distance; what is no place is in no bath."""
    cell = smaller(uint32(int32(scaled)), uint32(stride))
    return uint32(cell + (uint32(stride + 1) if x > float32(0.0) else uint32(0)))


@compiled
def find_place(entry, cell, row):
    """Return where a cell is in a table."""
    return uint32(uint32(entry * uint32(row)) + uint32(cell))


@compiled
def find_place_of(x, place_along, mesh):
    """Return where the cell of an ion is in a table; `x` and `place_along`: float32 in nm."""
    cell = find_transverse_cell(place_along * mesh.inverse_spacing_along, mesh.n_along)
    return find_place(find_entry(x, abs(x) * mesh.inverse_spacing, mesh.stride), cell, mesh.row)


@internal
def copy_row(source, target):
    """Copy a row."""
    for k in range(source.size):
        target[k] = source[k]
