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

PARTS = 4
"""Parts of a species whose ions are counted in turns: neighbours are mostly in the same stripe, and to add to what
has just been added to stalls."""

STRIPE = LINE
"""Cells along the membrane within which the order of ions does not matter."""


@compiled
def find_stripe(place_along, mesh):
    """Return the stripe of a place along the membrane."""
    cell = find_transverse_cell(place_along * mesh.inverse_spacing_along, mesh.n_along)
    return uint32(uint32(cell) // uint32(STRIPE))


@internal
def find_stripes(places_along, mesh, stripes):
    """Write the stripe of each ion."""
    for ion in range(places_along.size):
        stripes[ion] = find_stripe(places_along[ion], mesh)


@internal
def find_starts(stripes, first, starts):
    """Write where the ions of each stripe begin, those of each part after those of the part before it.

    `first`: the slot of the first ion; `starts`: (PARTS, stripes).
    """
    starts[:] = 0
    length = stripes.size // PARTS
    for k in range(length):
        for part in range(PARTS):
            starts[part, stripes[part * length + k]] += 1
    for ion in range(PARTS * length, stripes.size):
        starts[PARTS - 1, stripes[ion]] += 1
    start = first
    for stripe in range(starts.shape[1]):
        for part in range(PARTS):
            n = starts[part, stripe]
            starts[part, stripe] = start
            start += n


@internal
def take_place(ion, part, stripes, starts):
    """Write where an ion goes in place of its stripe; the next one of its part goes behind it."""
    stripe = stripes[ion]
    stripes[ion] = uint32(starts[part, stripe])
    starts[part, stripe] += 1


@internal
def find_places(stripes, starts):
    """Write where each ion goes in place of its stripe. `starts` are used up."""
    length = stripes.size // PARTS
    for k in range(length):
        for part in range(PARTS):
            take_place(part * length + k, part, stripes, starts)
    for ion in range(PARTS * length, stripes.size):
        take_place(ion, PARTS - 1, stripes, starts)


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
    find_stripes(places_along[first:last], mesh, moved_to[first:last])
    find_starts(moved_to[first:last], first, starts)
    find_places(moved_to[first:last], starts)
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
def sort(ions, pores, reservoirs, scratch, plane):
    """Put all ions in order along the membrane, where they have places along it.

    Between steps nothing else holds the candidates' memory.
    """
    if plane is not None:
        moved_to = scratch.candidates.reshape(scratch.candidates.size)
        sort_all(
            ions,
            plane.transverse[0],
            plane.names,
            plane.mesh,
            plane.stripe_starts,
            plane.spare,
            moved_to,
        )
        follow_ions_in_pores(pores, moved_to)
        follow_waiting_ions(reservoirs, moved_to)
