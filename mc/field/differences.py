"""From the potential at the nodes to ions: cloud in cell with a transverse axis.

Within a cell the potential is bilinear, and its gradient follows from three differences: that along the normal and
that along the membrane, both from the near corner, and the difference of either along the other axis. The three of
a cell are packed into one word of 64 bits, with 13 bits of mantissa for the first and 12 for the others: they are
rounded by no more than a part in eight thousand, and an ion reads one place in memory.

The upper half of a word is the first difference, whose last ten bits are the upper ten of the third; the lower half
is the second, whose last eleven are the rest of the third.
"""

import numpy as np
from numba import float32, int64, prange, uint32, uint64

from mc.compilation import compiled, internal, parallel
from mc.field.deposition import product
from mc.field.mesh import Mesh, find_place_of, make_words, table_size

_UPPER, _LOWER = (1 << 10) - 1, (1 << 11) - 1
"""The bits of the third difference in the upper and the lower half of a word."""


def make_differences(mesh: Mesh) -> np.ndarray:
    """Return a table of cells without any field."""
    return make_words(table_size(mesh))


# --- words ---


@compiled
def pack(normal, along, both):
    """Return three differences, float32 in mV, as a word."""
    third = uint32(uint32(np.float32(both).view(np.uint32) + uint32(_LOWER // 2 + 1)) >> uint32(11))
    first = uint32(np.float32(normal).view(np.uint32) + uint32(_UPPER // 2 + 1)) & uint32(0xFFFFFFFF - _UPPER)
    second = uint32(np.float32(along).view(np.uint32) + uint32(_LOWER // 2 + 1)) & uint32(0xFFFFFFFF - _LOWER)
    upper = uint32(uint32(first) | uint32(third >> uint32(11)))
    lower = uint32(uint32(second) | uint32(third & uint32(_LOWER)))
    return uint64(uint64(upper) << uint64(32)) | uint64(lower)


@compiled
def normal_difference(upper):
    """Return the difference along the normal from the upper half of a word."""
    return np.uint32(upper & uint32(0xFFFFFFFF - _UPPER)).view(np.float32)


@compiled
def difference_along(lower):
    """Return the difference along the membrane from the lower half of a word."""
    return np.uint32(lower & uint32(0xFFFFFFFF - _LOWER)).view(np.float32)


@compiled
def difference_of_both(upper, lower):
    """Return the difference along both axes from the halves of a word."""
    bits = uint32(upper << uint32(22)) | uint32(uint32(lower & uint32(_LOWER)) << uint32(11))
    return np.uint32(bits).view(np.float32)


@compiled
def rise(difference, both, fraction):
    """Return by how much the potential rises across an ion's cell along an axis.

    `difference`: that along this axis, at the near corner; `both`: that along both; `fraction`: the ion's fractional
    distance from the near corner along the other axis. So the field along an axis is the same all along this axis
    within a cell and linear along the other: minus the gradient of the interpolated potential, and its work is the
    change of an energy.
    """
    return difference + product(both, fraction)


# --- from the potential to words ---


@internal
def write_row(near, far, words):
    """Write the words of the cells between two rows of nodes, float64 in mV, along the periodic axis."""
    last = near.size - 1
    for k in range(last):
        along = near[k + 1] - near[k]
        both = (far[k + 1] - far[k]) - along
        words[k] = pack(float32(far[k] - near[k]), float32(along), float32(both))
    along = near[0] - near[last]
    both = (far[0] - far[last]) - along
    words[last] = pack(float32(far[last] - near[last]), float32(along), float32(both))


@parallel
def write_differences(potential, mesh, workers, differences):
    """Write what `look_up` looks up.

    Beyond the last entry the potential goes on unchanged, and ions in no bath have no field.

    `potential`: (2 * stride * n_along,) mV; `differences`: see `make_differences`.
    """
    stride, n_along, row = mesh.stride, mesh.n_along, mesh.row
    for i in prange(workers):
        worker = int64(i)
        for entry in range(worker * 2 * stride // workers, (worker + 1) * 2 * stride // workers):
            near = entry * n_along
            far = near if entry % stride == stride - 1 else near + n_along
            start = (entry + entry // stride) * row
            write_row(
                potential[near : near + n_along],
                potential[far : far + n_along],
                differences[start : start + n_along],
            )


# --- from words to ions ---


@internal
def find_cells(positions, places_along, mesh, cells):
    """Write where in a table the cell of each ion is; `positions` and `places_along`: float32 in nm."""
    for k in range(positions.size):
        cells[k] = find_place_of(positions[k], places_along[k], mesh)


@internal
def look_up(differences, cells, looked_up):
    """Write the word of each ion's cell."""
    for k in range(cells.size):
        looked_up[k] = differences[cells[k]]
