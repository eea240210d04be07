"""Looking at the lattice: the counts of voxels become those of rows and sides, and what is told of each, in one pass.

A run looks a thousand times at what fits into a few kilobytes, each time with caches that the steps have filled: one
kernel does in a few microseconds what numpy's operations, one by one, would take longer for than some steps take.
"""

from typing import NamedTuple

import numpy as np

from mc.compilation import entry_point, internal
from mc.membrane.gating import sum_states

LONGEST_SIMPLE_SUM = 128
"""Numbers that `pairwise_sum` does not share out."""


class Measures(NamedTuple):
    """What counts are measured by, the same throughout a run."""

    n_voxels: np.ndarray
    """(2,) voxels of each side along the normal."""
    bulk_from: np.ndarray
    """(2,) the first of them that belongs to the bulk."""
    widths: np.ndarray
    """(2 * stride,) of each voxel along the normal, nm."""
    ions_per_millimolar: np.ndarray
    """(2 * stride,) ions of a 1 mM solution in each row."""
    bulk_ions_per_millimolar: np.ndarray
    """(2,) and in the bulk of each side."""
    bulk_lengths: np.ndarray
    """(2,) of the bulk of each side, nm."""
    ions_at_start: np.ndarray
    """(species,) in both baths."""
    level_permeabilities: np.ndarray
    """(types, levels, species) of one channel, nm3/ns."""
    weighted: np.ndarray
    """(2 * stride,) working memory."""


class View(NamedTuple):
    """What is seen, as an `Observation` tells it."""

    ions: np.ndarray
    """(species, 2) in the baths."""
    bulk_concentrations: np.ndarray
    """(species, 2) mM."""
    cell_concentrations: np.ndarray
    """(species, cells) along x, mM."""
    potential: np.ndarray
    """(cells,) at their near ends along x, mV."""
    open_channels: np.ndarray
    """(types,)"""
    states: np.ndarray
    """(types, states) channels in each state."""
    permeability: np.ndarray
    """(species,) of the whole membrane, nm3/ns."""
    displaced_charge: np.ndarray
    """(types, species) e."""


@internal
def pairwise_sum(values, start, stop):
    """Return the sum of some of the values (n,), in numpy's order: in eight parts, and long ones by halves."""
    n = stop - start
    if n < 8:
        total = 0.0
        for i in range(start, stop):
            total += values[i]
        return total
    if n > LONGEST_SIMPLE_SUM:
        middle = start + n // 2 - n // 2 % 8
        return pairwise_sum(values, start, middle) + pairwise_sum(values, middle, stop)
    a, b, c, d = values[start], values[start + 1], values[start + 2], values[start + 3]
    e, f, g, h = values[start + 4], values[start + 5], values[start + 6], values[start + 7]
    end = start + n - n % 8
    for i in range(start + 8, end, 8):
        a += values[i]
        b += values[i + 1]
        c += values[i + 2]
        d += values[i + 3]
        e += values[i + 4]
        f += values[i + 5]
        g += values[i + 6]
        h += values[i + 7]
    total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for i in range(end, stop):
        total += values[i]
    return total


@internal
def look_at_ions(counts, exchanged, measures, view):
    """Write what is seen of the ions; return whether there are all that there were, but for those exchanged."""
    stride, columns, inside = counts.shape[1] // 2, counts.shape[2], measures.n_voxels[0]
    is_whole = True
    for species in range(counts.shape[0]):
        lacking = measures.ions_at_start[species]
        for side in range(2):
            ions = in_bulk = 0
            for k in range(measures.n_voxels[side]):
                row = side * stride + k
                in_row = 0
                for column in range(columns):
                    count = counts[species, row, column]
                    in_row += count
                    is_whole &= count >= 0
                ions += in_row
                if k >= measures.bulk_from[side]:
                    in_bulk += in_row
                cell = inside + k if side else inside - 1 - k
                view.cell_concentrations[species, cell] = in_row / measures.ions_per_millimolar[row]
            view.ions[species, side] = ions
            view.bulk_concentrations[species, side] = in_bulk / measures.bulk_ions_per_millimolar[side]
            lacking += exchanged[species, side, 0] - exchanged[species, side, 1] - ions
        is_whole &= lacking == 0
    return is_whole


@internal
def look_at_channels(n_at_level, crossings, valences, measures, view):
    """Write what is seen of the channels, but for their states."""
    view.permeability[:] = 0.0
    for channel_type in range(n_at_level.shape[0]):
        n_open = 0
        for level in range(n_at_level.shape[1]):
            n = n_at_level[channel_type, level]
            n_open += n if level > 0 else 0
            for species in range(valences.size):
                view.permeability[species] += n * measures.level_permeabilities[channel_type, level, species]
        view.open_channels[channel_type] = n_open
        for species in range(valences.size):
            outward = crossings[channel_type, species, 0] - crossings[channel_type, species, 1]
            view.displaced_charge[channel_type, species] = float(outward) * valences[species]


@internal
def find_bulk_mean(potential, side, measures):
    """Return the mean potential in the bulk of one side, in mV."""
    first = side * (potential.size // 2)
    start, stop = first + measures.bulk_from[side], first + measures.n_voxels[side]
    for row in range(start, stop):
        measures.weighted[row] = potential[row] * measures.widths[row]
    return pairwise_sum(measures.weighted, start, stop) / measures.bulk_lengths[side]


@entry_point
def look_around(
    counts, potential, valences, exchanged, end_charges, chains, n_at_level, crossings, measures, view
):
    """Write what is seen.

    `counts` (species, 2 * stride, columns); `potential` (2 * stride,) the mean of each row, mV; `exchanged` and
    `end_charges` as of the reservoirs, `chains` and `n_at_level` as of the channels, `crossings` as of the pores.
    Returns whether there are all ions that there were, but for those exchanged; the charge on each side, in e; and
    the mean potential in the bulk of each side, in mV.
    """
    is_whole = look_at_ions(counts, exchanged, measures, view)
    look_at_channels(n_at_level, crossings, valences, measures, view)
    sum_states(chains, view.states)
    stride, inside = potential.size // 2, measures.n_voxels[0]
    inner_charge = outer_charge = 0
    for species in range(counts.shape[0]):
        inner_charge += valences[species] * view.ions[species, 0]
        outer_charge += valences[species] * view.ions[species, 1]
    for column in range(end_charges.shape[1]):
        inner_charge += end_charges[0, column]
        outer_charge += end_charges[1, column]
    for k in range(inside):
        view.potential[inside - 1 - k] = potential[k]
    for k in range(measures.n_voxels[1]):
        view.potential[inside + k] = potential[stride + k]
    inner_bulk, outer_bulk = find_bulk_mean(potential, 0, measures), find_bulk_mean(potential, 1, measures)
    return is_whole, inner_charge, outer_charge, inner_bulk, outer_bulk
