"""Far ends that are open: ions go to and come from a reservoir at the scenario's concentrations.

Beyond a far end the density is uniform and goes on for ever. An ion whose move, s by drift and then an increment that
is uniform in -R to R, ends beyond is gone. From beyond, as many come in as that same move brings: with s taken
positive into the box, c A (R + s)^2/(4 R) on average, a Poisson number, and at the depths (R + s)(1 - sqrt(U)) with U
uniform in 0 to 1. So a uniform density stays what it is to the last nanometre, at any time step.

What a reservoir gives it lacks: minus the charge that came in stays at the far end, so that the whole is neutral, the
membrane keeps its charge, and a surplus that has come in is driven out again.

Ions are slots. Those of ions in a reservoir wait, as ions in pores do, where no bath is.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import float32, int64

from mc.compilation import compiled, internal
from mc.engines.brownian.motion import NEAREST
from mc.engines.brownian.plane import find_group, put_in, take_out
from mc.field.deposition import PARKED
from mc.streams import uniform, uniform_pair

LARGEST_MEAN = 16.0
"""Larger Poisson numbers are the sum of several with at most this mean."""

ENTERED, LEFT = 0, 1


class Reservoirs(NamedTuple):
    """Both reservoirs and the slots of the ions that are in them."""

    densities: np.ndarray
    """(species, 2) ions/nm3."""
    ranges: np.ndarray
    """(species,) largest increment, nm."""
    end_cells: np.ndarray
    """(2,) the last cell of each side along the normal."""
    waiting: np.ndarray
    """(species, slots) the ions in the reservoirs."""
    n_waiting: np.ndarray
    """(species,)"""
    exchanged: np.ndarray
    """(species, 2, 2) ions so far by side; entered, left."""
    lacking: np.ndarray
    """(1,) a species for which there was no slot left, or -1."""
    number_key: np.ndarray
    place_key: np.ndarray


@compiled
def poisson(mean, key, entity, step):
    """Return a Poisson number by inversion; `mean` must be far below 700."""
    draw = uniform(key, entity, step)
    term = math.exp(-mean)
    total = term
    number = 0
    # The bound only ends what rounding of the sum could prolong.
    while draw > total and number < 1000:
        number += 1
        term *= mean / number
        total += term
    return number


@internal
def remove_leavers(leavers, reservoirs, positions, first_ion, valences, end_charges, sums, plane):
    """Put the ions that went beyond a far end into its reservoir, in the order of the ions."""
    for chunk in range(leavers.n_ions.size):
        for k in range(leavers.n_ions[chunk]):
            ion = int64(leavers.ions[chunk, k])
            species = find_group(ion, first_ion)
            x = positions[ion]
            side = 1 if x > float32(0.0) else 0
            take_out(ion, x, species, sums, plane)
            positions[ion] = PARKED
            put_in(ion, PARKED, species, sums, plane)
            reservoirs.waiting[species, reservoirs.n_waiting[species]] = ion
            reservoirs.n_waiting[species] += 1
            reservoirs.exchanged[species, side, LEFT] += 1
            end_charges[side] += valences[species]


@internal
def let_in(species, side, depth_range, first_place, box, reservoirs, ions, sums, step, plane):
    """Let one ion in at a far end, at most `depth_range` deep; `first_place`: where the cell along begins, in nm."""
    last = reservoirs.n_waiting[species] - 1
    if last < 0:
        reservoirs.lacking[0] = species
        return
    reservoirs.n_waiting[species] = last
    ion = reservoirs.waiting[species, last]
    depth_draw, place_draw = uniform_pair(reservoirs.place_key, ion, step)
    depth = depth_range * (1.0 - math.sqrt(depth_draw))
    distance = max(float32(box.lengths[side] - depth), NEAREST)
    take_out(ion, PARKED, species, sums, plane)
    ions.positions[ion] = distance if side == 1 else -distance
    place_entry(ion, first_place, place_draw, plane)
    put_in(ion, ions.positions[ion], species, sums, plane)
    reservoirs.exchanged[species, side, ENTERED] += 1
    box.end_charges[side] -= ions.valences[species]


@internal
def place_entry(ion, first_place, draw, plane):
    """Choose where along the membrane an ion comes in, where that is tracked: within one cell."""
    if plane is not None:
        place = float32(first_place + draw / plane.mesh.inverse_spacing_along)
        plane.transverse[0, ion] = place if place < plane.sheet.widths[0] else float32(0.0)


@internal
def count_places(plane):
    """Return in how many cells along the membrane ions come in."""
    if plane is None:
        return 1
    return plane.mesh.n_along


@internal
def place_width(plane):
    """Return the width of such a cell in nm."""
    if plane is None:
        return 0.0
    return 1.0 / plane.mesh.inverse_spacing_along


@internal
def drift_at_end(species, side, place, reservoirs, drift, plane):
    """Return the drift of a step at a far end, positive into the box, nm."""
    if plane is None:
        half = drift.shape[1] // 2
        return -float(drift[species, side * half + reservoirs.end_cells[side]])
    n_along = plane.mesh.n_along
    near = (side * plane.mesh.stride + reservoirs.end_cells[side]) * n_along
    far, following = near + n_along, (place + 1) % n_along
    # The normal component is linear along the cell: that of its middle.
    rise = 0.5 * (plane.potential[far + place] - plane.potential[near + place])
    rise += 0.5 * (plane.potential[far + following] - plane.potential[near + following])
    return rise * plane.mesh.inverse_spacing * plane.sheet.displacement_per_field[species]


@internal
def exchange(reservoirs, leavers, box, ions, sums, drift, step, plane):
    """Let ions out and in at the far ends, where they are open."""
    if reservoirs is not None:
        remove_leavers(
            leavers, reservoirs, ions.positions, ions.first_ion, ions.valences, box.end_charges, sums, plane
        )
        n_places, width = count_places(plane), place_width(plane)
        for species in range(ions.valences.size):
            largest = reservoirs.ranges[species]
            for side in range(2):
                density = reservoirs.densities[species, side]
                if density == 0.0:
                    continue
                for place in range(n_places):
                    shift = drift_at_end(species, side, place, reservoirs, drift, plane)
                    # A drift beyond the range of the increments takes in whole layers: see the docstring's integral.
                    depth_range = min(max(largest + shift, 0.0), 2.0 * largest)
                    mean = density * box.grid.area / n_places * depth_range**2 / (4.0 * largest)
                    pieces = int64(math.ceil(mean / LARGEST_MEAN))
                    for piece in range(pieces):
                        entity = ((species * 2 + side) * n_places + place) * 4096 + piece
                        number = poisson(mean / pieces, reservoirs.number_key, entity, step)
                        for _ in range(number):
                            let_in(
                                species,
                                side,
                                depth_range,
                                place * width,
                                box,
                                reservoirs,
                                ions,
                                sums,
                                step,
                                plane,
                            )
