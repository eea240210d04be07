"""How ions move where places along the membrane are tracked: like `mc.engines.brownian.motion`, with more axes.

Pieces of a block are worked on one after another, for a piece has more arrays than a block in one dimension, and
they have to stay in the first-level cache. One random word serves an ion's increments along the normal and along the
first transverse axis, 12 bits each; whatever their number of levels, their mean is 0 and their variance 2 D dt.
"""

from typing import NamedTuple

import numpy as np
from numba import float32, int32, uint32

from mc.compilation import compiled, internal
from mc.engines.brownian.motion import INCREMENT_BITS, aim, may_enter, reflect
from mc.field.clouds import (
    add_inner_terms,
    add_weights,
    component,
    find_shapes,
    find_weights,
    look_up_differences,
)

PIECE = 512
"""Ions of a block that are moved together; a divisor of BLOCK."""

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
    potentials: np.ndarray
    """See `node_tables.make_potentials`."""
    displacement_per_field: np.ndarray
    """(species,) float32, mobility times time step, nm2/mV."""
    valences: np.ndarray
    tables: np.ndarray
    """See `node_tables.make_tables`."""
    chunk_species: np.ndarray
    """(chunks, 2) the first and the last species with ions in each chunk."""
    shapes: np.ndarray
    """(chunks, subsets, PIECE), see `clouds.make_shapes`."""
    looked_up: np.ndarray
    """(chunks, subsets, PIECE) float32."""
    weights: np.ndarray
    """(chunks, subsets, PIECE) int32, see `clouds.weigh_corners`."""


@compiled
def centre_normal(word):
    """Return the upper bits of a random word as a number that is as often below zero as above."""
    return float32(int32(uint32(word >> uint32(32 - BITS)))) - _CENTRE


@compiled
def centre_transverse(word):
    """Return the bits of a random word between those for the normal and the lowest 8 in the same way."""
    bits = uint32(uint32(word >> uint32(32 - 2 * BITS)) & uint32(_ALL))
    return float32(int32(bits)) - _CENTRE


@compiled
def into_period(place, width, turns_per_length):
    """Return a place along a periodic axis as one from 0 to its width."""
    return place - width * np.floor(place * turns_per_length)


@internal
def move_on_two_axes(
    positions,
    coordinates,
    normal_differences,
    transverse_differences,
    outer_differences,
    normal_outer_shapes,
    transverse_outer_shapes,
    factor,
    transverse_factor,
    words,
    scale,
    width,
    length_inside,
    length_outside,
    threshold_inside,
    threshold_outside,
):
    """Move ions along a periodic axis, and along the normal as `motion.drift_and_diffuse_block` does.

    They drift by a factor times what `clouds.component` returns. Every random word is replaced with the flag of its
    ion: the fewer arrays, the sooner a compiler sees that no two of them overlap. Returns whether any flag is set.
    """
    any_candidate = uint32(0)
    turns_per_length = float32(1.0) / width
    for k in range(positions.size):
        word, outer_difference = words[k], outer_differences[k]
        rise = component(transverse_differences[k], outer_difference, transverse_outer_shapes[k])
        along = transverse_factor * rise
        moved = coordinates[k] + (along + scale * centre_transverse(word))
        coordinates[k] = into_period(moved, width, turns_per_length)
        x = positions[k]
        outside = x > float32(0.0)
        length = length_outside if outside else length_inside
        threshold = threshold_outside if outside else threshold_inside
        displacement = factor * component(normal_differences[k], outer_difference, normal_outer_shapes[k])
        target = aim(x, displacement, scale * centre_normal(word), length)
        is_candidate = may_enter(target, word, threshold)
        any_candidate = uint32(any_candidate | is_candidate)
        words[k] = is_candidate
        distance = reflect(target, length)
        positions[k] = distance if outside else -distance
    return any_candidate


@internal
def move_round(coordinates, differences, outer_differences, outer_shapes, factor, words, scale, width):
    """Move ions along one more periodic axis, by drift as along the others and by diffusion."""
    turns_per_length = float32(1.0) / width
    for k in range(coordinates.size):
        displacement = factor * component(differences[k], outer_differences[k], outer_shapes[k])
        moved = coordinates[k] + (displacement + scale * centre_transverse(words[k]))
        coordinates[k] = into_period(moved, width, turns_per_length)


@internal
def move_piece(
    positions,
    transverse,
    first,
    species,
    words,
    nodes,
    increment_scale,
    baths,
    thresholds,
    mesh,
    sheet,
    chunk,
    has_field,
    deposits,
):
    """Drift, diffuse and deposit a piece of a block, the ions from `first` on; return whether any is a candidate.

    With an `increment_scale` of 0 they only drift. The candidates are flagged in place of the words.
    """
    n = positions.size
    shapes, looked_up = sheet.shapes[chunk], sheet.looked_up[chunk]
    # The field is minus the slope of the potential.
    factor = -sheet.displacement_per_field[species] * mesh.inverse_spacing
    scale = increment_scale * COARSER
    if has_field:
        find_shapes(positions, transverse, first, mesh, nodes, shapes)
        look_up_differences(sheet.potentials, nodes, mesh, looked_up)
        add_inner_terms(looked_up, shapes, n)
    # Without a field nothing but zeros has ever been looked up.
    every_axis = looked_up.shape[0] - 1
    outer_differences = looked_up[every_axis, :n]
    last = sheet.widths.size - 1
    for axis in range(last):
        own = 2 << axis
        move_round(
            transverse[axis, first : first + n],
            looked_up[own, :n],
            outer_differences,
            shapes[every_axis ^ own, :n],
            factor * mesh.spacing_ratios[axis + 1],
            words,
            scale,
            sheet.widths[axis],
        )
    fastest = 2 << last
    any_candidate = move_on_two_axes(
        positions,
        transverse[last, first : first + n],
        looked_up[1, :n],
        looked_up[fastest, :n],
        outer_differences,
        shapes[every_axis ^ 1, :n],
        shapes[every_axis ^ fastest, :n],
        factor,
        factor * mesh.spacing_ratios[last + 1],
        words,
        scale,
        sheet.widths[last],
        baths.mirror_inside,
        baths.mirror_outside,
        thresholds[species, 0],
        thresholds[species, 1],
    )
    if has_field or deposits:
        find_weights(positions, transverse, first, mesh, nodes, shapes, sheet.weights[chunk])
        add_weights(sheet.weights[chunk], nodes, mesh, sheet.tables[chunk, species])
    return any_candidate
