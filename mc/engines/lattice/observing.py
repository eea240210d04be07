"""Looking at the lattice: the counts of voxels become those of rows and sides, and what is told of each, in one pass.

A run looks a thousand times at what fits into a few kilobytes, each time with caches that the steps have filled: one
kernel does in a few microseconds what numpy's operations, one by one, would take longer for than some steps take.
"""

from typing import NamedTuple

import numpy as np

from mc.compilation import internal
from mc.membrane.gating import sum_states


class Measures(NamedTuple):
    """What counts are measured by, the same throughout a run."""

    n_voxels: np.ndarray
    """(2,) voxels of each side along the normal."""
    bulk_from: np.ndarray
    """(2,) the first of them that belongs to the bulk."""
    ions_per_millimolar: np.ndarray
    """(2 * stride,) ions of a 1 mM solution in each row."""
    bulk_ions_per_millimolar: np.ndarray
    """(2,) and in the bulk of each side."""
    ions_at_start: np.ndarray
    """(species,) in both baths."""
    level_permeabilities: np.ndarray
    """(types, levels, species) of one channel, nm3/ns."""
    timespec: np.ndarray
    """(2,) working memory of the clock."""


class Views(NamedTuple):
    """What was seen at one moment after another, as an `Observation` tells it: the first axis is that of moments."""

    is_whole: np.ndarray
    """(moments,) whether there were all ions that there had been, but for those exchanged."""
    charges: np.ndarray
    """(moments, 2) on each side, in e, what the reservoirs lack included."""
    ions: np.ndarray
    """(moments, species, 2) in the baths."""
    bulk_concentrations: np.ndarray
    """(moments, species, 2) mM."""
    cell_concentrations: np.ndarray
    """(moments, species, cells) along x, mM."""
    potential: np.ndarray
    """(moments, cells) at their near ends along x, mV; in a plane left as it is."""
    open_channels: np.ndarray
    """(moments, types)"""
    states: np.ndarray
    """(moments, types, states) channels in each state."""
    permeability: np.ndarray
    """(moments, species) of the whole membrane, nm3/ns."""
    crossings: np.ndarray
    """(moments, types, species, 2) so far."""
    displaced_charge: np.ndarray
    """(moments, types, species) e."""
    pump_cycles: np.ndarray
    """(moments, pump types, 2) so far."""
    injected_charge: np.ndarray
    """(moments,) so far, e."""
    exchanged: np.ndarray
    """(moments, species, 2, 2) so far."""
    seconds: np.ndarray
    """(moments,) that were spent on looking."""


@internal
def look_at_ions(counts, reservoirs, valences, measures, views, at):
    """Write what is seen of the ions."""
    stride, columns, inside = counts.shape[1] // 2, counts.shape[2], measures.n_voxels[0]
    is_whole = True
    for side in range(2):
        views.charges[at, side] = 0
        for column in range(columns):
            views.charges[at, side] += reservoirs.end_charges[side, column]
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
                views.cell_concentrations[at, species, cell] = in_row / measures.ions_per_millimolar[row]
            views.ions[at, species, side] = ions
            views.charges[at, side] += valences[species] * ions
            views.bulk_concentrations[at, species, side] = in_bulk / measures.bulk_ions_per_millimolar[side]
            entered, left = reservoirs.exchanged[species, side, 0], reservoirs.exchanged[species, side, 1]
            views.exchanged[at, species, side, 0] = entered
            views.exchanged[at, species, side, 1] = left
            lacking += entered - left - ions
        is_whole &= lacking == 0
    views.is_whole[at] = is_whole


@internal
def look_at_proteins(channels, pumps, crossings, valences, measures, views, at):
    """Write what is seen of channels, pumps and transporters."""
    for species in range(valences.size):
        views.permeability[at, species] = 0.0
    for channel_type in range(channels.n_at_level.shape[0]):
        n_open = 0
        for level in range(channels.n_at_level.shape[1]):
            n = channels.n_at_level[channel_type, level]
            n_open += n if level > 0 else 0
            for species in range(valences.size):
                permeability = measures.level_permeabilities[channel_type, level, species]
                views.permeability[at, species] += n * permeability
        views.open_channels[at, channel_type] = n_open
        for species in range(valences.size):
            outward, inward = crossings[channel_type, species, 0], crossings[channel_type, species, 1]
            views.crossings[at, channel_type, species, 0] = outward
            views.crossings[at, channel_type, species, 1] = inward
            views.displaced_charge[at, channel_type, species] = float(outward - inward) * valences[species]
    sum_states(channels.chains, views.states[at])
    for pump_type in range(pumps.cycles.shape[0]):
        for direction in range(2):
            views.pump_cycles[at, pump_type, direction] = pumps.cycles[pump_type, direction]


@internal
def look_at_potential(potential, measures, views, at):
    """Write the potential along x, without transverse axes."""
    stride, inside = potential.size // 2, measures.n_voxels[0]
    for k in range(inside):
        views.potential[at, inside - 1 - k] = potential[k]
    for k in range(measures.n_voxels[1]):
        views.potential[at, inside + k] = potential[stride + k]


@internal
def look_around(state, line, measures, views, at):
    """Write what is seen now, as the moment number `at`."""
    valences = state.species.valences
    look_at_ions(state.counts, state.reservoirs, valences, measures, views, at)
    look_at_proteins(state.channels, state.pumps, state.pores.crossings, valences, measures, views, at)
    if line is not None:
        look_at_potential(state.field.look_potential, measures, views, at)
    views.injected_charge[at] = state.amplifier.injected[0]
