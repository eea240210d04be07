"""Ions in order along the membrane: those that are moved together then look up and add to neighbouring cells.

Ions anywhere in a plane of 50,000 cells find hardly anything of it in the nearest cache; in order, a step of a
million takes two thirds of the time. As they diffuse the order is lost, and is made anew every so often, of each
species by itself. Wherever an ion has gone to in memory it keeps its name. Random numbers are those of a slot, not
of a name: they depend neither on threads nor on where a run was taken up again.
"""

import numpy as np
from numba import int64, prange, uint32

from mc.compilation import compiled, internal, parallel
from mc.field.mesh import LINE, copy_row, find_transverse_cell

SORT_EVERY = 64
"""Steps after which ions are put in order again."""

STRIPE = LINE
"""Cells along the membrane within which the order of ions does not matter."""


@compiled
def find_stripe(place_along, mesh):
    """Return the stripe of a place along the membrane."""
    return find_transverse_cell(place_along * mesh.inverse_spacing_along, mesh.n_along) // STRIPE


@internal
def count_stripes(places_along, mesh, starts):
    """Write how many ions are in each stripe and those before it, (stripes + 1,)."""
    starts[:] = 0
    for ion in range(places_along.size):
        starts[find_stripe(places_along[ion], mesh) + 1] += 1
    for stripe in range(1, starts.size):
        starts[stripe] += starts[stripe - 1]


@internal
def find_places(places_along, first, mesh, starts, moved_to):
    """Write where each ion goes; `first`: the slot of the first one. `starts` are used up."""
    for ion in range(places_along.size):
        stripe = find_stripe(places_along[ion], mesh)
        moved_to[ion] = uint32(first + starts[stripe])
        starts[stripe] += 1


@internal
def move_to(moved_to, first, last, values, spare):
    """Move what belongs to the ions from `first` to `last`."""
    for ion in range(first, last):
        spare[moved_to[ion]] = values[ion]
    copy_row(spare[first:last], values[first:last])


@internal
def sort_species(species, ions, places_along, names, mesh, starts, spare, moved_to):
    """Put the ions of one species in order; those of a stripe keep theirs."""
    first, last = ions.first_ion[species], ions.first_ion[species + 1]
    count_stripes(places_along[first:last], mesh, starts)
    find_places(places_along[first:last], first, mesh, starts, moved_to[first:last])
    move_to(moved_to, first, last, ions.positions, spare)
    move_to(moved_to, first, last, places_along, spare)
    move_to(moved_to, first, last, names, spare.view(np.uint32))


@parallel
def sort_all(ions, places_along, names, mesh, stripe_starts, spare, moved_to):
    """Put the ions of each species in order, and write where each one went."""
    for i in prange(ions.valences.size):
        species = int64(i)
        sort_species(species, ions, places_along, names, mesh, stripe_starts[species], spare, moved_to)


@internal
def follow_ions_in_pores(pores, moved_to):
    """Let the table of ions in pores say where they went."""
    for row in range(pores.n_ions[0]):
        pores.table[row].ion = moved_to[pores.table[row].ion]


@internal
def follow_waiting_ions(reservoirs, moved_to):
    """Let reservoirs know their ions, where there are any."""
    if reservoirs is not None:
        for species in range(reservoirs.n_waiting.size):
            for k in range(reservoirs.n_waiting[species]):
                reservoirs.waiting[species, k] = moved_to[reservoirs.waiting[species, k]]


@internal
def sort(ions, pores, reservoirs, scratch, look, plane):
    """Put all ions in order along the membrane, where they have places along it.

    Between steps nothing else holds the candidates' memory nor that of the positions as last looked at.
    """
    if plane is not None:
        moved_to = scratch.candidates.reshape(scratch.candidates.size)
        sort_all(
            ions,
            plane.transverse[0],
            plane.names,
            plane.mesh,
            plane.stripe_starts,
            look.positions,
            moved_to,
        )
        follow_ions_in_pores(pores, moved_to)
        follow_waiting_ions(reservoirs, moved_to)
