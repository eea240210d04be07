"""A pass over all ions: each block of them drifts, diffuses and is deposited before the next, on all threads."""

from typing import NamedTuple

import numpy as np
from numba import float32, int64, prange, uint32

from mc.compilation import internal, parallel
from mc.engines.brownian.flags import collect
from mc.engines.brownian.motion import BLOCK, draw_words, drift_and_diffuse_block, find_leavers
from mc.engines.brownian.plane_motion import PIECE, move_piece
from mc.field.deposition import (
    add_histograms,
    clear,
    deposit,
    find_cells,
    find_cells_and_weights,
    gather,
)
from mc.field.mesh import copy_row


class Leavers(NamedTuple):
    """The ions that have gone beyond a far end in a step, one row for each chunk of blocks."""

    ions: np.ndarray
    n_ions: np.ndarray


@internal
def note_flagged(flags, first_ion, lists, numbers, chunk):
    """Append the ions that are flagged, the first of them `first_ion`, to the list of a chunk."""
    numbers[chunk] = collect(flags, first_ion, lists[chunk], numbers[chunk])


@internal
def move_block(chunk, block, ions, scratch, baths, drift, thresholds, key, step, diffuses, leavers, is_last):
    """Drift, diffuse and deposit one block where only distances from the membrane are tracked."""
    start, stop, species = ions.block_start[block], ions.block_stop[block], ions.block_species[block]
    n = stop - start
    positions = ions.positions[start:stop] if diffuses else scratch.ahead[chunk, :n]
    cells, displacements = scratch.cells[chunk, :n], scratch.displacements[chunk, :n]
    # The weights are not yet known: until then their memory holds flags.
    weights = scratch.weights[chunk, :n]
    if diffuses:
        draw_words(scratch.words[chunk], uint32(block * (BLOCK // 2)), step, key[0], key[1])
    else:
        copy_row(ions.positions[start:stop], positions)
    find_cells(positions, cells, baths.inverse_spacing, baths.stride)
    gather(drift[species], cells, displacements)
    drift_and_diffuse_block(
        positions,
        displacements,
        scratch.words[chunk, :n],
        weights,
        ions.increment_scales[species] if diffuses else float32(0.0),
        baths.mirror_inside,
        baths.mirror_outside,
        thresholds[species, 0],
        thresholds[species, 1],
    )
    if diffuses:
        note_flagged(weights, start, scratch.candidates, scratch.n_candidates, chunk)
        if leavers is not None:
            find_leavers(positions, weights, baths.length_inside, baths.length_outside)
            note_flagged(weights, start, leavers.ions, leavers.n_ions, chunk)
    find_cells_and_weights(positions, cells, weights, baths.inverse_spacing, baths.stride)
    deposit(cells, weights, scratch.histograms[chunk])
    if is_last:
        add_histograms(
            scratch.histograms[chunk], scratch.counts[chunk, species], scratch.weight_sums[chunk, species]
        )


@internal
def start_lists(chunk, scratch, leavers):
    """Begin the lists of a chunk, of candidates and of leavers, anew."""
    scratch.n_candidates[chunk] = 0
    if leavers is not None:
        leavers.n_ions[chunk] = 0


@internal
def move_chunk(chunk, ions, scratch, baths, drift, thresholds, key, step, diffuses, leavers):
    """Drift, diffuse and deposit the blocks of one chunk, see `move_all`."""
    start_lists(chunk, scratch, leavers)
    clear(scratch.counts[chunk])
    clear(scratch.weight_sums[chunk])
    end_block = scratch.chunk_blocks[chunk + 1]
    for block in range(scratch.chunk_blocks[chunk], end_block):
        is_last = block + 1 == end_block or ions.block_species[block + 1] != ions.block_species[block]
        move_block(
            chunk,
            block,
            ions,
            scratch,
            baths,
            drift,
            thresholds,
            key,
            step,
            diffuses,
            leavers,
            is_last,
        )


@internal
def move_chunk_in_plane(
    chunk,
    ions,
    scratch,
    baths,
    thresholds,
    key,
    step,
    diffuses,
    leavers,
    mesh,
    sheet,
    tables,
    has_field,
    deposits,
    all_apart,
    places_along,
):
    """Drift, diffuse and deposit the blocks of one chunk, piece by piece, see `move_all_in_plane`."""
    moved = ions.positions if diffuses else scratch.ahead[chunk]
    moved_along = places_along if diffuses else sheet.ahead[chunk]
    start_lists(chunk, scratch, leavers)
    for block in range(scratch.chunk_blocks[chunk], scratch.chunk_blocks[chunk + 1]):
        start, stop, species = ions.block_start[block], ions.block_stop[block], ions.block_species[block]
        if diffuses:
            draw_words(scratch.words[chunk], uint32(block * (BLOCK // 2)), step, key[0], key[1])
        else:
            copy_row(ions.positions[start:stop], moved)
            copy_row(places_along[start:stop], moved_along)
        before = 0 if diffuses else start
        for first in range(start, stop, PIECE):
            last = min(first + PIECE, stop)
            words = scratch.words[chunk, first - start : last - start]
            any_candidate = move_piece(
                moved,
                moved_along,
                first - before,
                last - before,
                species,
                words,
                scratch.cells[chunk, : last - first],
                ions.increment_scales[species] if diffuses else float32(0.0),
                baths,
                thresholds,
                mesh,
                sheet,
                tables,
                chunk,
                has_field,
                deposits,
                all_apart,
            )
            if diffuses:
                if any_candidate:
                    note_flagged(words, first, scratch.candidates, scratch.n_candidates, chunk)
                if leavers is not None:
                    find_leavers(ions.positions[first:last], words, baths.length_inside, baths.length_outside)
                    note_flagged(words, first, leavers.ions, leavers.n_ions, chunk)


@parallel
def move_all(ions, scratch, baths, drift, thresholds, key, step, diffuses, leavers):
    """Drift, diffuse and deposit all ions, and list the candidates of each chunk for entering a pore.

    If `diffuses` is 0 no ion moves: copies of a block of them at a time only drift, to look where they would be.
    `leavers` is None where the far ends are closed.
    """
    for chunk in prange(scratch.n_candidates.size):
        move_chunk(int64(chunk), ions, scratch, baths, drift, thresholds, key, step, diffuses, leavers)


@parallel
def move_all_in_plane(
    ions,
    scratch,
    baths,
    thresholds,
    key,
    step,
    diffuses,
    leavers,
    mesh,
    sheet,
    tables,
    has_field,
    deposits,
    all_apart,
    places_along,
):
    """Do what `move_all` does where places along the membrane are tracked.

    If `has_field` is 0 the baths have none, and if `deposits` is 0 ions are not added up; `all_apart`: see
    `shares.entries_apart`.
    """
    for chunk in prange(scratch.n_candidates.size):
        move_chunk_in_plane(
            int64(chunk),
            ions,
            scratch,
            baths,
            thresholds,
            key,
            step,
            diffuses,
            leavers,
            mesh,
            sheet,
            tables,
            has_field,
            deposits,
            all_apart,
            places_along,
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
