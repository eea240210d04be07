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

GROUP = 64
"""Ions of a block that are looked through for candidates together."""

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


@internal
def drift_block(before, after, displacements, length_inside, length_outside):
    """Write where a block is after its drift, away from the membrane for positive displacements.

    `after` must not be `before` itself: loops over arrays that overlap are not vectorised.
    """
    for k in range(before.size):
        x = before[k]
        outside = x > float32(0.0)
        length = length_outside if outside else length_inside
        distance = reflect(abs(x) + displacements[k], length)
        after[k] = distance if outside else -distance


@internal
def diffuse_block(
    positions, words, is_candidate, scale, length_inside, length_outside, threshold_inside, threshold_outside
):
    """Move a block by one diffusive increment, and flag the ions that are candidates for entering a pore.

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
        centred = float32(int32(uint32(word >> uint32(8))) - int32(1 << 23)) + float32(0.5)
        target = abs(x) + scale * centred
        is_candidate[k] = uint32(
            uint32(target < float32(0.0)) & uint32(uint32(word & uint32(255)) < threshold)
        )
        distance = reflect(target, length)
        positions[k] = distance if outside else -distance


@internal
def collect(is_candidate, first_ion, candidates, n_candidates):
    """Append the ions of a block that are candidates; return the number of candidates then.

    Candidates are rare: a group without one is passed over by a few vector instructions.
    """
    n = is_candidate.size
    for first in range(0, n, GROUP):
        any_candidate = uint32(0)
        if first + GROUP <= n:
            for k in range(GROUP):
                any_candidate = uint32(any_candidate | is_candidate[first + k])
        if any_candidate or first + GROUP > n:
            # Written for every ion and kept for candidates: a branch that is taken now and then costs more.
            for k in range(first, min(first + GROUP, n)):
                candidates[n_candidates] = uint32(first_ion + k)
                n_candidates += int64(is_candidate[k])
    return n_candidates


@internal
def add_increments(words, scale, displacements):
    """Add a diffusive increment along a transverse axis to the displacements of a block."""
    for k in range(displacements.size):
        centred = float32(int32(uint32(words[k] >> uint32(8))) - int32(1 << 23)) + float32(0.5)
        displacements[k] += scale * centred


@internal
def move_along(
    block, start, n, ions, species, transverse, target, chunk, scratch, sheet, keys, step, diffuses
):
    """Move a block along the membrane, by its displacements in the components and by diffusion."""
    for axis in range(transverse.shape[0]):
        displacements = sheet.components[chunk, axis, :n]
        if diffuses:
            first_pair = uint32(block * (BLOCK // 2))
            draw_words(scratch.words[chunk], first_pair, step, keys[axis, 0], keys[axis, 1])
            add_increments(scratch.words[chunk, :n], ions.increment_scales[species], displacements)
        moved = sheet.moved[chunk, :n]
        clouds.wrap_block(transverse[axis, start : start + n], displacements, sheet.widths[axis], moved)
        clouds.copy_row(moved, target[axis, start : start + n])


@internal
def find_leavers(positions, is_leaving, length_inside, length_outside):
    """Flag the ions of a block that are beyond a far end; those in no bath are not."""
    for k in range(positions.size):
        x = positions[k]
        distance = abs(x)
        length = length_outside if x > float32(0.0) else length_inside
        is_leaving[k] = uint32(uint32(distance > length) & uint32(distance < BEYOND))


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
    transverse,
    transverse_target,
    transverse_keys,
):
    """Drift, diffuse (if `diffuses` is not 0) and deposit the blocks of one chunk.

    Writes the new positions to `target` (the positions themselves to move the ions, another array to look where they
    would be), and fills row `chunk` of the sums and candidates. `leavers` is None where the far ends are closed; the
    arguments from `mesh` on are None where no transverse axis is tracked. `tables`: the sums of all chunks there, in
    which the ions of each species are counted if `counts_ions` is not 0.
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
        positions = scratch.positions[chunk, :n]
        words = scratch.words[chunk, :n]
        cells = scratch.cells[chunk, :n]
        weights = scratch.weights[chunk, :n]
        displacements = scratch.displacements[chunk, :n]

        find_cells(ions.positions[start:stop], cells, spacing, stride)
        if sheet is None:
            gather(drift[species], cells, displacements)
        else:
            find_displacements(
                ions.positions[start:stop],
                transverse,
                start,
                species,
                mesh,
                sheet,
                chunk,
                cells,
                displacements,
            )
        drift_block(ions.positions[start:stop], positions, displacements, length_inside, length_outside)

        if diffuses:
            draw_words(scratch.words[chunk], uint32(block * (BLOCK // 2)), step, key[0], key[1])
            # The weights are not yet known: until then their memory holds the flags of the candidates.
            is_candidate = weights
            diffuse_block(
                positions,
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

        clouds.copy_row(positions, target[start:stop])
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
                transverse,
                transverse_target,
                chunk,
                scratch,
                sheet,
                transverse_keys,
                step,
                diffuses,
            )
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
