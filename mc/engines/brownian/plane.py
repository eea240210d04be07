"""What the engine keeps where places along the membrane are tracked: transverse positions, mouths, the field.

Everywhere in the engine an argument `plane` is this, or None in one dimension; then a branch on it costs nothing,
because it is decided when a kernel is compiled.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import float32, int64

from mc.compilation import compiled, inlined, internal
from mc.constants import SENSING_REACH
from mc.engines.brownian.plane_motion import Sheet
from mc.field import deposition, shares
from mc.field.mesh import Mesh
from mc.field.modes import (
    Factors,
    Modes,
    Workspace,
    add_charge_in_plane,
    add_charge_in_slab,
    factorise,
    solve_systems,
    transform_charges,
    transform_potential,
)
from mc.field.poisson import sum_conductivities
from mc.field.shares import SHARE_ONE
from mc.streams import uniform

SAMPLE_EVERY = 16
"""Steps between two samples of the conductivity."""

SAMPLES = 8
"""The conductivity of the semi-implicit field is a running mean over about so many samples."""

FACTORISE_EVERY = 64
"""Steps between two factorisations of the semi-implicit field: it changes by a per cent or so, far too little to be
unstable, and factorising costs as much as a few solutions."""


class Mouths(NamedTuple):
    """Where along the membrane channels take ions and give them back: strips across the whole depth."""

    sites: np.ndarray
    """(channels,) nm."""
    drops: np.ndarray
    """(channels,) potential of the inner minus the outer face at each channel, mV."""
    areas: np.ndarray
    """(types,) nm2."""
    widths: np.ndarray
    """(types,) nm."""
    period: float
    """Length of the transverse axis, nm."""
    bin_start: np.ndarray
    """(bins + 1,) channels whose mouths reach into bin b are bin_channels[bin_start[b]] and on to the next bin's."""
    bin_channels: np.ndarray
    most_capture: np.ndarray
    """(species,) largest sum, over mouths that overlap, of capture over mouth area, nm2/ns."""
    shares: np.ndarray
    """(bins, species) the same sum over the mouths that reach into each bin, over the largest one."""


class Plane(NamedTuple):
    """Everything that one dimension does without."""

    mesh: Mesh
    transverse: np.ndarray
    """(axes, ions) float32, nm, from 0 to the width."""
    names: np.ndarray
    """(ions,) uint32, which ion it is that is in each slot of memory, see `mc.engines.brownian.sorting`."""
    stripe_starts: np.ndarray
    """(species, parts, stripes) working memory for sorting."""
    sums: shares.Sums
    sheet: Sheet
    mouths: Mouths
    pump_sites: np.ndarray
    """(pumps,) nm."""
    depth: float
    """Of the box across the tracked axes, nm."""
    modes: Modes
    implicit: Factors
    """Of the semi-implicit field."""
    exact: Factors
    """Of Gauss's law."""
    workspace: Workspace
    tables: shares.Tables
    """What the ions of each chunk of blocks add up to."""
    merge_scratch: shares.MergeScratch
    potential: np.ndarray
    """(2 * stride * n_along,) mV at each node, as the next drift sees it."""
    sampled: np.ndarray
    """(2 * stride,) conductivity as last sampled."""
    spare: np.ndarray
    """(ions,) float32, working memory for sorting."""
    look_sums: shares.Sums
    look_counts: np.ndarray
    """(species, 2 * stride * n_along) int32, ions in each cell."""
    look_potential: np.ndarray
    exit_key: np.ndarray


@compiled
def find_group(member, first_member):
    """Return the species of an ion or the type of a channel; `first_member`: (groups + 1,)."""
    group = 0
    while member >= first_member[group + 1]:
        group += 1
    return group


# --- single ions ---


@compiled
def name_of(ion, plane):
    """Return which ion it is that is in a slot of memory: where they are never sorted, its number."""
    return ion if plane is None else int64(plane.names[ion])


@compiled
def about_ion(ion, species, plane):
    """Return an ion's place along the membrane, its valence and in how many entries its species is weighed."""
    return plane.transverse[0, ion], plane.sheet.valences[species], plane.tables.weighed[species]


@inlined
def take_out(ion, x, species, sums, plane):
    """Take an ion, at signed distance `x` from the membrane, out of the sums that the field comes from."""
    if plane is None:
        deposition.withdraw(x, species, sums)
    else:
        place, valence, weighed = about_ion(ion, species, plane)
        shares.withdraw(x, place, species, valence, weighed, plane.mesh, plane.sums)


@inlined
def put_in(ion, x, species, sums, plane):
    """Put an ion into the sums that the field comes from."""
    if plane is None:
        deposition.restore(x, species, sums)
    else:
        place, valence, weighed = about_ion(ion, species, plane)
        shares.restore(x, place, species, valence, weighed, plane.mesh, plane.sums)


# --- the field ---


@compiled
def sensed_cells(spacing):
    """Return how many cells along the normal are within SENSING_REACH of the membrane, at least one."""
    return max(1, int64(SENSING_REACH / spacing))


@internal
def average_over_plane(values, n_plane, means):
    """Write the mean of each entry along the normal, (2 * stride,)."""
    for row in range(means.size):
        total = 0.0
        for m in range(row * n_plane, (row + 1) * n_plane):
            total += values[m]
        means[row] = total / n_plane


@internal
def find_plane_potential(sums, box, ions, pores, plane, factors, potential):
    """Write the potential at each node of the charges in `sums`, in pores and in the reservoirs."""
    transform_charges(sums.charges, SHARE_ONE, plane.modes, plane.workspace)
    for side in range(2):
        end = side * plane.mesh.stride + box.end_nodes[side]
        add_charge_in_plane(box.end_charges[side], end, plane.modes, plane.workspace)
    for row in range(pores.n_ions[0]):
        entry = pores.table[row]
        valence = ions.valences[find_group(entry.ion, ions.first_ion)]
        site = plane.mouths.sites[entry.channel : entry.channel + 1]
        add_charge_in_slab(valence, entry.depth, site, plane.modes, plane.workspace)
    solve_systems(factors, plane.workspace)
    transform_potential(plane.modes, plane.workspace, potential)


@internal
def set_drops(mesh, potential, mouths):
    """Write the potential drop at each channel, linear between the nodes of the faces; return that of the plane."""
    outer = mesh.stride * mesh.n_along
    for channel in range(mouths.sites.size):
        scaled = mouths.sites[channel] * mesh.inverse_spacing_along
        node = min(int64(scaled), mesh.n_along - 1)
        share = scaled - node
        following = (node + 1) % mesh.n_along
        near = potential[node] - potential[outer + node]
        far = potential[following] - potential[outer + following]
        mouths.drops[channel] = near + share * (far - near)
    total = 0.0
    for m in range(mesh.n_along):
        total += potential[m] - potential[outer + m]
    return total / mesh.n_along


@internal
def refresh_factors(plane, mobile_charges, box, step, conductivities):
    """Let the semi-implicit field follow the conductivity, averaged over planes and time.

    The last cell of a bath, which may be only partly in it, keeps what it had at the start.
    """
    if step % SAMPLE_EVERY == 0:
        sum_conductivities(plane.sums.counts, mobile_charges, box.grid, plane.sampled)
        for side in range(2):
            first = side * plane.mesh.stride
            for cell in range(first, first + box.end_nodes[side] - 1):
                conductivities[cell] += (plane.sampled[cell] - conductivities[cell]) / SAMPLES
    if step % FACTORISE_EVERY == 0:
        factorise(plane.modes, conductivities, box.time_step, plane.implicit)


# --- mouths ---


@compiled
def find_bin(position, mouths):
    """Return the bin of a position along the membrane."""
    n_bins = mouths.bin_start.size - 1
    return min(int64(position / mouths.period * n_bins), n_bins - 1)


@compiled
def share_of_mouths(ion, species, plane):
    """Return at least what mouths beside an ion take at most over what those at the most crowded place do."""
    if plane is None:
        return 1.0
    return plane.mouths.shares[find_bin(plane.transverse[0, ion], plane.mouths), species]


@compiled
def is_beneath(position, site, width, period):
    """Return whether a position along the membrane is in the mouth of a channel, on a periodic axis."""
    distance = abs(position - site)
    return min(distance, period - distance) <= 0.5 * width


@inlined
def place_in_mouth(channel, channel_type, mouths, key, ion, step):
    """Return where along the membrane an ion comes out: anywhere in the mouth alike."""
    width = mouths.widths[channel_type]
    place = mouths.sites[channel] + (uniform(key, ion, step) - 0.5) * width
    place -= mouths.period * math.floor(place / mouths.period)
    # Rounding may take it to the period itself, which is the place 0 again.
    place = float32(place)
    return place if place < mouths.period else float32(0.0)


# --- pumps ---


@compiled
def find_patch(site, side, mesh, lengths):
    """Return the cells within SENSING_REACH of a site: how many along the normal, how many along the membrane, the
    first of these on the periodic axis."""
    spacing, spacing_along = 1.0 / mesh.inverse_spacing, 1.0 / mesh.inverse_spacing_along
    n_normal = max(1, min(sensed_cells(spacing), int64(lengths[side] / spacing)))
    n_along = min(2 * int64(SENSING_REACH / spacing_along) + 1, mesh.n_along)
    first = int64(site / spacing_along) - n_along // 2
    return n_normal, n_along, first if first >= 0 else first + mesh.n_along


@internal
def sum_along(row, first, n):
    """Return the sum over `n` cells of a periodic row of what is at their ends: the outermost count half.

    `first`: the near end of the first cell.
    """
    last = first + n
    total = 0.5 * (row[first] + row[last if last < row.size else last - row.size])
    for k in range(first + 1, last):
        total += row[k if k < row.size else k - row.size]
    return total


@internal
def local_concentrations_at(site, plane, lengths, ions_per_volume, concentrations):
    """Write the concentrations of what is sensed within SENSING_REACH of a site, each way, (species, 2), mM.

    Ions are shared among nodes, of which those at the edge of the patch are half in it. That at the face is all in,
    and so is one at a far end.
    """
    mesh = plane.mesh
    spacing = 1.0 / mesh.inverse_spacing
    cell_volume = plane.depth * spacing / mesh.inverse_spacing_along
    for side in range(2):
        n_normal, n_along, first = find_patch(site, side, mesh, lengths)
        volume = n_normal * n_along * cell_volume
        ends_at_wall = (n_normal + 0.5) * spacing > lengths[side]
        for species in range(concentrations.shape[0]):
            if plane.tables.weighed[species] == 0:
                continue
            weight = 0.0
            for entry in range(n_normal + 1):
                share = 0.5 if entry == n_normal and not ends_at_wall else 1.0
                start = (side * mesh.stride + entry) * mesh.n_along
                row = plane.sums.weights[species, start : start + mesh.n_along]
                weight += share * sum_along(row, first, n_along)
            concentrations[species, side] = weight / SHARE_ONE / volume / ions_per_volume


@internal
def local_potential_at(site, plane, lengths):
    """Return the mean potential within SENSING_REACH of a site inside minus that outside, mV."""
    mesh = plane.mesh
    potential = 0.0
    for side in range(2):
        n_normal, n_along, first = find_patch(site, side, mesh, lengths)
        total = 0.0
        for entry in range(n_normal + 1):
            # The outermost nodes have but one cell of the patch.
            share = 0.5 if entry == 0 or entry == n_normal else 1.0
            start = (side * mesh.stride + entry) * mesh.n_along
            total += share * sum_along(plane.potential[start : start + mesh.n_along], first, n_along)
        mean = total / (n_normal * n_along)
        potential += mean if side == 0 else -mean
    return potential
