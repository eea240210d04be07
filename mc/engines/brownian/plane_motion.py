"""How ions move where places along the membrane are tracked: like `mc.engines.brownian.motion`, with an axis more.

Pieces of a block are worked on one after another, for a piece has more arrays than a block in one dimension, and
they have to stay in the first-level cache. One random word serves an ion's increments along the normal and along the
membrane, 12 bits each; whatever their number of levels, their mean is 0 and their variance 2 D dt.
"""

from typing import NamedTuple

import numpy as np
from numba import float32, int32, uint32
from numba.extending import overload

from mc.compilation import compiled, inlined, internal
from mc.engines.brownian.motion import INCREMENT_BITS, aim, may_enter, reflect
from mc.field.deposition import find_fraction, product
from mc.field.differences import (
    difference_along,
    difference_of_both,
    find_cells,
    look_up,
    normal_difference,
    rise,
)
from mc.field.shares import COMMON, OWN, add_shares, entries_apart, find_shares
from mc.field.vectors import fetch

PIECE = 512
"""Ions of a block that are moved together; a divisor of BLOCK."""

IONS_IN_LINE = 16
"""Ions whose coordinates are beside each other in the cache."""

CACHED_IONS = 1 << 18
"""Ions of a thread whose coordinates stay in its cache from step to step, in 2 MiB. Measured with as much: to fetch
them ahead costs 3 % of a step of 200,000, and spares 2 % of one of 400,000 and 4 % of a million."""

BITS = 12
"""Of an increment along an axis."""

COARSER = np.float32(1 << (INCREMENT_BITS - BITS))
"""How much wider the levels of such an increment are than those of INCREMENT_BITS."""

_ALL = (1 << BITS) - 1

_CENTRE = np.float32((1 << (BITS - 1)) - 0.5)


class Sheet(NamedTuple):
    """What moving ions along the membrane needs; one row of the working memory for each chunk of blocks."""

    widths: np.ndarray
    """(axes,) float32, nm."""
    differences: np.ndarray
    """See `differences.make_differences`."""
    displacement_per_field: np.ndarray
    """(species,) float32, mobility times time step, nm2/mV."""
    valences: np.ndarray
    looked_up: np.ndarray
    """(chunks, PIECE) uint64, the words of the cells of a piece."""
    shares: np.ndarray
    """(chunks, PIECE) uint64, what each ion of a piece leaves in its cell."""
    ahead: np.ndarray
    """(chunks, BLOCK) float32, places of a block that is looked at where it will be, nm."""


@compiled
def centre_normal(word):
    """Return the upper bits of a random word as a number that is as often below zero as above."""
    return float32(int32(uint32(word >> uint32(32 - BITS)))) - _CENTRE


@compiled
def centre_transverse(word):
    """Return the bits of a random word between those for the normal and the lowest 8 in the same way."""
    bits = uint32(uint32(word >> uint32(32 - 2 * BITS)) & uint32(_ALL))
    return float32(int32(bits)) - _CENTRE


def round_down(number):
    """Return the largest whole number, as a float, that is not larger than a number."""
    return np.floor(number)


@overload(round_down, target="cpu")
def _compile_round_down(number):
    return lambda number: np.floor(number)


@compiled
def into_period(place, width, turns_per_length):
    """Return a place along a periodic axis as one from 0 to its width."""
    return place - product(width, round_down(place * turns_per_length))


@compiled
def step_on_two_axes(
    x,
    place,
    word,
    displacement,
    displacement_along,
    scale,
    width,
    turns_per_length,
    length,
    threshold,
):
    """Let an ion drift and diffuse, along a periodic axis and, as `motion.drift_and_diffuse_block` does, the normal.

    Returns its position, its place and whether it is a candidate for entering a pore. `displacement` and
    `displacement_along`: by which it drifts, nm; `length` and `threshold` are those of its side.
    """
    moved = place + (displacement_along + product(scale, centre_transverse(word)))
    target = aim(x, displacement, product(scale, centre_normal(word)))
    distance = reflect(target, length)
    return (
        distance if x > float32(0.0) else -distance,
        into_period(moved, width, turns_per_length),
        may_enter(target, word, threshold),
    )


@compiled
def find_drift(x, place, lower, upper, mesh, factor, factor_along):
    """Return by how much an ion drifts in the field of its cell, away from the membrane and along it, in nm.

    `lower` and `upper`: uint32, the halves of the word of its cell, see `mc.field.differences`; it drifts by a factor
    times what `differences.rise` returns.
    """
    both = difference_of_both(upper, lower)
    scaled, scaled_along = product(abs(x), mesh.inverse_spacing), product(place, mesh.inverse_spacing_along)
    displacement = product(factor, rise(normal_difference(upper), both, find_fraction(scaled_along)))
    return displacement, product(factor_along, rise(difference_along(lower), both, find_fraction(scaled)))


@internal
def move_all_on_two_axes(
    positions,
    places_along,
    halves,
    words,
    mesh,
    factor,
    factor_along,
    scale,
    width,
    length_inside,
    length_outside,
    threshold_inside,
    threshold_outside,
):
    """Let ions drift and diffuse, and return whether any is a candidate for entering a pore.

    `halves`: (2 * ions,) uint32, the lower and the upper half of the word of each ion's cell, or None where there is
    no field. Every random word is replaced with the flag of its ion: the fewer arrays, the sooner a compiler sees
    that no two of them overlap.
    """
    any_candidate = uint32(0)
    turns_per_length = float32(1.0) / width
    for k in range(positions.size):
        outside = positions[k] > float32(0.0)
        displacement, displacement_along = float32(0.0), float32(0.0)
        if halves is not None:
            displacement, displacement_along = find_drift(
                positions[k], places_along[k], halves[2 * k], halves[2 * k + 1], mesh, factor, factor_along
            )
        x, place, is_candidate = step_on_two_axes(
            positions[k],
            places_along[k],
            words[k],
            displacement,
            displacement_along,
            scale,
            width,
            turns_per_length,
            length_outside if outside else length_inside,
            threshold_outside if outside else threshold_inside,
        )
        positions[k], places_along[k], words[k] = x, place, is_candidate
        any_candidate = uint32(any_candidate | is_candidate)
    return any_candidate


@inlined
def fetch_piece(positions, places_along, first):
    """Have the processor fetch the next piece: it does not foresee that, for a piece is gone over several times."""
    for ion in range(first, min(first + PIECE, positions.size), IONS_IN_LINE):
        fetch(positions, ion)
        fetch(places_along, ion)


@inlined
def move_piece(
    positions,
    places_along,
    first,
    last,
    species,
    words,
    cells,
    increment_scale,
    baths,
    thresholds,
    mesh,
    sheet,
    tables,
    chunk,
    has_field,
    deposits,
    all_apart,
):
    """Drift, diffuse and deposit a piece of a block, the ions from `first` to `last`; return if any is a candidate.

    With an `increment_scale` of 0 they only drift. The candidates are flagged in place of the words. `has_field` to
    `all_apart`: see `passes.move_all_in_plane`.
    """
    x, y = positions[first:last], places_along[first:last]
    looked_up = sheet.looked_up[chunk, : last - first]
    # The field is minus the slope of the potential.
    factor = -sheet.displacement_per_field[species] * mesh.inverse_spacing
    how = (
        words,
        mesh,
        factor,
        factor * mesh.spacing_ratio,
        increment_scale * COARSER,
        sheet.widths[0],
        baths.mirror_inside,
        baths.mirror_outside,
        thresholds[species, 0],
        thresholds[species, 1],
    )
    if has_field:
        find_cells(x, y, mesh, cells)
        look_up(sheet.differences, cells, looked_up)
        any_candidate = move_all_on_two_axes(x, y, looked_up.view(np.uint32), *how)
    else:
        any_candidate = move_all_on_two_axes(x, y, None, *how)
    if positions.size > CACHED_IONS * tables.words.shape[0]:
        fetch_piece(positions, places_along, last)
    if deposits:
        shares = sheet.shares[chunk, : last - first]
        find_shares(
            x,
            y,
            mesh,
            entries_apart(all_apart, tables.weighed[species], mesh),
            tables.starts[species, OWN],
            tables.starts[species, COMMON],
            cells,
            shares.view(np.uint32),
        )
        add_shares(
            shares,
            cells,
            mesh.row,
            tables.words[chunk],
            tables.spilled[chunk],
            tables.has_spilled[chunk],
        )
    return any_candidate
