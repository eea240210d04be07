"""How ions move in the baths: overdamped Langevin steps, in blocks that stay in the first-level cache.

See `mc.field.deposition` for the signed distance that is an ion's position. No ion is ever at exactly zero, so the
sign of an ion always tells its side.

The increments are uniform with the right variance, not Gaussian: the weak order of the scheme is the same
(Kloeden & Platen 1992, chapter 14) and no ion moves farther than sqrt(6 D dt).

A block is worked on by several short loops, each over few arrays, because that is what a compiler can vectorise.
"""

from typing import NamedTuple

import numpy as np
from numba import float32, int32, int64, prange, uint32

from mc.compilation import compiled, internal, parallel
from mc.engines.brownian.plane import clear_sums, find_displacements
from mc.field import clouds
from mc.field.deposition import (
    add_histograms,
    clear,
    deposit,
    find_cells,
    find_cells_and_weights,
    gather,
    larger,
    smaller,
)
from mc.streams import threefry

BLOCK = 2048
"""Ions in a block."""

MANY, GROUP = 512, 64
"""Ions of a block that are looked through for candidates together, and of these again."""

BEYOND = np.float32(5.0e5)
"""nm; ions farther away than this are in no bath."""

TRANSPARENT = np.float32(1.0e7)
"""nm; a mirror farther away than any ion, those in no bath included."""

NEAREST = np.float32(1.0e-6)
"""nm; the smallest distance from the membrane."""

INCREMENT_BITS = 24
"""Upper bits of a random word that make an increment; the lower 8 pre-select candidates for a pore."""


def increment_scale(diffusion_coefficients: np.ndarray, time_step: float) -> np.ndarray:
    """Return what a 24-bit integer is multiplied with to give an increment of variance 2 D dt, float32, in nm."""
    largest_increment = np.sqrt(6.0 * diffusion_coefficients * time_step)
    return (largest_increment / (1 << (INCREMENT_BITS - 1))).astype(np.float32)


class Leavers(NamedTuple):
    """The ions that have gone beyond a far end in a step, one row for each chunk of blocks."""

    ions: np.ndarray
    n_ions: np.ndarray


class Baths(NamedTuple):
    """What an ion's move needs to know of the box, in single precision."""

    length_inside: np.float32
    length_outside: np.float32
    mirror_inside: np.float32
    """Where moves are reflected, nm: the far end, or so far away that none is."""
    mirror_outside: np.float32
    inverse_spacing: np.float32
    """1/nm, of the cells."""
    stride: int
    """Entries a side of every cell table."""


@compiled
def reflect(distance, length):
    """Return where a move to `distance` from the membrane ends: the face and the far wall are both mirrors."""
    mirrored = abs(distance)
    return larger(smaller(mirrored, abs(float32(2.0) * length - mirrored)), NEAREST)


@internal
def draw_words(words, first_pair, step, key_0, key_1):
    """Fill a block with random words: one Threefry call serves the ions at k and at k + BLOCK/2."""
    half = BLOCK // 2
    for k in range(half):
        first, second = threefry(uint32(first_pair + uint32(k)), step, key_0, key_1)
        words[k] = first
        words[k + half] = second


@compiled
def centre(word):
    """Return the upper bits of a random word as a number that is as often below zero as above."""
    return float32(int32(uint32(word >> uint32(8))) - int32(1 << 23)) + float32(0.5)


@compiled
def aim(x, displacement, increment, length):
    """Return how far from the membrane an ion's move would end, in nm; below zero beyond the face.

    It drifts by `displacement`, away from the membrane if positive, and then diffuses by `increment`.
    """
    return reflect(abs(x) + displacement, length) + increment


@compiled
def may_enter(target, word, threshold):
    """Return, as a number, whether an ion is a candidate for entering a pore.

    It is when its move would cross the face and the low byte of its random word is below the threshold of its side.
    """
    return uint32(uint32(target < float32(0.0)) & uint32(uint32(word & uint32(255)) < threshold))


@compiled
def is_beyond(x, length):
    """Return, as a number, whether an ion is beyond the far end of a bath; those in no bath are not."""
    distance = abs(x)
    return uint32(uint32(distance > length) & uint32(distance < BEYOND))


@internal
def drift_block(positions, displacements, length_inside, length_outside):
    """Let a block drift, away from the membrane for positive displacements."""
    for k in range(positions.size):
        x = positions[k]
        outside = x > float32(0.0)
        distance = reflect(abs(x) + displacements[k], length_outside if outside else length_inside)
        positions[k] = distance if outside else -distance


@internal
def drift_and_diffuse_block(
    positions,
    displacements,
    words,
    is_candidate,
    scale,
    length_inside,
    length_outside,
    threshold_inside,
    threshold_outside,
):
    """Move a block by its drift, then by one diffusive increment, and flag the candidates for entering a pore.

    An ion whose increment would cross the face is reflected. It is a candidate when the low byte of its random
    word is below the threshold of its side: a first, cheap draw of probability threshold/256 that spares nearly all
    ions the second, exact one.
    """
    for k in range(positions.size):
        x = positions[k]
        outside = x > float32(0.0)
        length = length_outside if outside else length_inside
        threshold = threshold_outside if outside else threshold_inside
        word = words[k]
        target = aim(x, displacements[k], scale * centre(word), length)
        is_candidate[k] = may_enter(target, word, threshold)
        distance = reflect(target, length)
        positions[k] = distance if outside else -distance


@internal
def any_flag(flags):
    """Return whether any of a row of flags is set, as a number."""
    found = uint32(0)
    for k in range(flags.size):
        found = uint32(found | flags[k])
    return found


@internal
def collect(is_candidate, first_ion, candidates, n_candidates):
    """Append the ions of a block that are candidates; return the number of candidates then.

    Candidates are rare: many ions without one are passed over by a few vector instructions, and where there is one
    it is looked for in a smaller group.
    """
    n = is_candidate.size
    for first_of_many in range(0, n, MANY):
        end_of_many = min(first_of_many + MANY, n)
        if not any_flag(is_candidate[first_of_many:end_of_many]):
            continue
        for first in range(first_of_many, end_of_many, GROUP):
            end = min(first + GROUP, end_of_many)
            if any_flag(is_candidate[first:end]):
                # Written for every ion and kept for candidates: a branch that is taken now and then costs more.
                for k in range(first, end):
                    candidates[n_candidates] = uint32(first_ion + k)
                    n_candidates += int64(is_candidate[k])
    return n_candidates


@internal
def add_increments(words, scale, displacements):
    """Add a diffusive increment along a transverse axis to the displacements of a block."""
    for k in range(displacements.size):
        displacements[k] += scale * centre(words[k])


@internal
def move_along(block, start, n, ions, species, transverse, chunk, scratch, sheet, keys, step, diffuses):
    """Move a block along the membrane, by its displacements in the components and by diffusion."""
    for axis in range(transverse.shape[0]):
        displacements = sheet.components[chunk, axis, :n]
        if diffuses:
            first_pair = uint32(block * (BLOCK // 2))
            draw_words(scratch.words[chunk], first_pair, step, keys[axis, 0], keys[axis, 1])
            add_increments(scratch.words[chunk, :n], ions.increment_scales[species], displacements)
        clouds.move_round(transverse[axis, start : start + n], displacements, sheet.widths[axis])


@internal
def find_leavers(positions, is_leaving, length_inside, length_outside):
    """Flag the ions of a block that are beyond a far end; those in no bath are not."""
    for k in range(positions.size):
        x = positions[k]
        is_leaving[k] = is_beyond(x, length_outside if x > float32(0.0) else length_inside)


@internal
def move_chunk(
    chunk,
    ions,
    target,
    scratch,
    baths,
    drift,
    thresholds,
    key,
    step,
    diffuses,
    leavers,
    mesh,
    sheet,
    tables,
    counts_ions,
    has_field,
    transverse,
    transverse_target,
    transverse_keys,
):
    """Drift, diffuse and deposit the blocks of one chunk.

    If `diffuses` is not 0 the ions move: `target` is then their positions themselves. Otherwise it is another array,
    and they only drift in it, to look where they would be. Fills row `chunk` of the sums and candidates. `leavers` is
    None where the far ends are closed; the arguments from `mesh` on are None where no transverse axis is tracked.
    `tables`: the sums of all chunks there, in which the ions of each species are counted if `counts_ions` is not 0;
    if `has_field` is 0 the baths have none, and no charge is added up.
    """
    spacing, stride = baths.inverse_spacing, baths.stride
    length_inside, length_outside = baths.mirror_inside, baths.mirror_outside
    if sheet is None:
        clear(scratch.counts[chunk])
        clear(scratch.weight_sums[chunk])
    else:
        clear_sums(tables, chunk, counts_ions)
    n_candidates = 0
    if leavers is not None:
        leavers.n_ions[chunk] = 0
    first_block, last_block = scratch.chunk_blocks[chunk], scratch.chunk_blocks[chunk + 1]
    for block in range(first_block, last_block):
        start, stop, species = ions.block_start[block], ions.block_stop[block], ions.block_species[block]
        n = stop - start
        positions = target[start:stop]
        words = scratch.words[chunk, :n]
        cells = scratch.cells[chunk, :n]
        weights = scratch.weights[chunk, :n]
        displacements = scratch.displacements[chunk, :n]

        if not diffuses:
            clouds.copy_row(ions.positions[start:stop], positions)
            if sheet is not None:
                for axis in range(transverse.shape[0]):
                    clouds.copy_row(transverse[axis, start:stop], transverse_target[axis, start:stop])
        if sheet is None:
            find_cells(positions, cells, spacing, stride)
            gather(drift[species], cells, displacements)
        elif has_field:
            find_cells(positions, cells, spacing, stride)
            find_displacements(
                positions,
                transverse_target,
                start,
                species,
                mesh,
                sheet,
                chunk,
                cells,
                displacements,
            )
        else:
            displacements[:] = float32(0.0)
            sheet.components[chunk] = float32(0.0)

        if diffuses:
            draw_words(scratch.words[chunk], uint32(block * (BLOCK // 2)), step, key[0], key[1])
            # The weights are not yet known: until then their memory holds the flags of the candidates.
            is_candidate = weights
            drift_and_diffuse_block(
                positions,
                displacements,
                words,
                is_candidate,
                ions.increment_scales[species],
                length_inside,
                length_outside,
                thresholds[species, 0],
                thresholds[species, 1],
            )
            n_candidates = collect(is_candidate, start, scratch.candidates[chunk], n_candidates)
            if leavers is not None:
                find_leavers(positions, weights, baths.length_inside, baths.length_outside)
                leavers.n_ions[chunk] = collect(weights, start, leavers.ions[chunk], leavers.n_ions[chunk])
        else:
            drift_block(positions, displacements, length_inside, length_outside)

        if sheet is None:
            find_cells_and_weights(positions, cells, weights, spacing, stride)
            deposit(cells, weights, scratch.histograms[chunk])
            if block + 1 == last_block or ions.block_species[block + 1] != species:
                add_histograms(
                    scratch.histograms[chunk],
                    scratch.counts[chunk, species],
                    scratch.weight_sums[chunk, species],
                )
        else:
            move_along(
                block,
                start,
                n,
                ions,
                species,
                transverse_target,
                chunk,
                scratch,
                sheet,
                transverse_keys,
                step,
                diffuses,
            )
            if has_field:
                clouds.deposit_block(
                    positions,
                    transverse_target,
                    start,
                    sheet.valences[species],
                    mesh,
                    cells,
                    sheet.shapes[chunk],
                    sheet.packed[chunk],
                    tables.charges[chunk],
                )
            elif counts_ions:
                clouds.find_mesh_cells(positions, transverse_target, start, mesh, cells)
            if counts_ions:
                clouds.count_ions(cells, tables.counts[chunk, species])
    scratch.n_candidates[chunk] = n_candidates


@parallel
def move_chunks(
    ions,
    target,
    scratch,
    baths,
    drift,
    thresholds,
    key,
    step,
    diffuses,
    leavers,
    mesh,
    sheet,
    tables,
    counts_ions,
    has_field,
    transverse,
    transverse_target,
    transverse_keys,
):
    """Run `move_chunk` for each chunk, on all threads."""
    for chunk in prange(scratch.n_candidates.size):
        move_chunk(
            int64(chunk),
            ions,
            target,
            scratch,
            baths,
            drift,
            thresholds,
            key,
            step,
            diffuses,
            leavers,
            mesh,
            sheet,
            tables,
            counts_ions,
            has_field,
            transverse,
            transverse_target,
            transverse_keys,
        )


@internal
def merge_chunks(scratch, counts, weight_sums):
    """Add up the sums of all chunks, each of shape (species, cells): integers, so in any order the same."""
    clear(counts)
    clear(weight_sums)
    for chunk in range(scratch.counts.shape[0]):
        for species in range(counts.shape[0]):
            for cell in range(counts.shape[1]):
                counts[species, cell] += scratch.counts[chunk, species, cell]
                weight_sums[species, cell] += scratch.weight_sums[chunk, species, cell]
