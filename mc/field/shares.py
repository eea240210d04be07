"""From ions to charges at the nodes: cloud in cell with a transverse axis, by integers.

An ion leaves in its cell a 1, its fractional distances from the near corner along both axes, and their product, in
units of 1/SHARE_ONE. What the four nodes around a cell get follows from the sums of these. All four are packed into
one word of 64 bits, so that an ion writes to one place in memory; a word that might overflow with the next ion is
emptied into wider sums. Between two passes over the ions the tables that each thread has added to are merged. All
sums are of integers: the charges are the same in any order of the ions.

The field asks for no more than the charges: ions of all species of a valence add to one table then. A species that
proteins sense adds to one of its own beside the membrane, and all species do everywhere where they are to be counted.
"""

from typing import NamedTuple

import numpy as np
from numba import float32, int32, int64, prange, uint32, uint64

from mc.compilation import compiled, internal, parallel
from mc.field.deposition import product, smaller
from mc.field.mesh import Mesh, copy_row, find_place, make_words, table_size

SHARE_BITS = 13

SHARE_ONE = 1 << SHARE_BITS
"""A fractional distance of 1 as an integer."""

_BITS = 19
"""Of the sum of fractions in a word; the ions are counted in the bits that are left."""

_COUNT, _NORMAL, _ALONG = 3 * _BITS, 2 * _BITS, _BITS
"""Where in a word the ions are counted, and where the distances along each axis begin; the product is below them."""

_ALL = (1 << _BITS) - 1

FULL = 1 << (_BITS - SHARE_BITS)
"""Ions in a word at which it is emptied: so many fractions below 1 do not reach into the next sum, and only then is
the first bit of the word set."""

PARTS = 4
"""Sums in a word: ions, distances along the normal and along the membrane, products."""


OWN, COMMON = 0, 1
"""The table that only ions of a species add to, and the one for all of its valence: that of the first of them."""


class Tables(NamedTuple):
    """What the ions of each chunk add up to in each cell, in a table for each species, one after another."""

    words: np.ndarray
    """(chunks, species * cells) uint64, see `mesh.table_size`."""
    spilled: np.ndarray
    """(chunks, PARTS, species * cells) int32, what has been in words that were full."""
    has_spilled: np.ndarray
    """(chunks, species * entries along the normal) whether any have been in an entry."""
    starts: np.ndarray
    """(species, 2) uint32, where the table of a species' own begins, and that in common: see OWN, COMMON."""
    weighed: np.ndarray
    """(species,) uint32, entries along the normal beside the membrane in which a species is weighed: as far as it, or
    one that has a table in common with it, is sensed."""
    are_used: np.ndarray
    """(chunks, species, 2) whether ions of a chunk add to the table of a species as their own, as that in common."""


class Sums(NamedTuple):
    """What the ions add up to at each node; a table has 2 * stride * n_along of them."""

    weights: np.ndarray
    """(species, nodes) int32, ions in units of 1/SHARE_ONE; 0 where a species is not weighed, see `Tables`."""
    charges: np.ndarray
    """(nodes,) int32, in units of e/SHARE_ONE."""
    counts: np.ndarray
    """(species, 2 * stride) int64, ions in each entry as they were last told apart, and single ones since."""


class MergeScratch(NamedTuple):
    """Working memory for `merge_tables`, a row for each thread."""

    parts: np.ndarray
    """(workers, 2, PARTS, n_along) int32, of one species and of the charges."""
    carried: np.ndarray
    """(workers, species + 1, n_along) int32, left for the nodes beyond an entry: of each species, and the charges."""


def make_sums(mesh: Mesh, n_species: int) -> Sums:
    """Return empty sums."""
    n = 2 * mesh.stride * mesh.n_along
    return Sums(
        weights=np.zeros((n_species, n), dtype=np.int32),
        charges=np.zeros(n, dtype=np.int32),
        counts=np.zeros((n_species, 2 * mesh.stride), dtype=np.int64),
    )


def make_tables(mesh: Mesh, valences: np.ndarray, chunk_species: np.ndarray, weighed: np.ndarray) -> Tables:
    """Return empty tables. A cell holds 262,143 charges, all species together.

    `chunk_species`: (chunks, 2) the first and the last species with ions in each chunk; `weighed`: (species,) entries
    in which each is sensed.
    """
    size, chunks, n_species = table_size(mesh), len(chunk_species), valences.size
    is_alike = valences == valences[:, np.newaxis]
    first_alike = np.argmax(is_alike, axis=1)
    are_used = np.zeros((chunks, n_species, 2), dtype=np.uint8)
    for chunk, (first, last) in enumerate(chunk_species):
        are_used[chunk, first : last + 1, OWN] = 1
        are_used[chunk, first_alike[first : last + 1], COMMON] = 1
    return Tables(
        words=make_words(chunks, n_species * size),
        spilled=np.zeros((chunks, PARTS, n_species * size), dtype=np.int32),
        has_spilled=np.zeros((chunks, n_species * size // mesh.row), dtype=np.uint8),
        starts=(np.column_stack([np.arange(n_species), first_alike]) * size).astype(np.uint32),
        weighed=np.where(is_alike, weighed, 0).max(axis=1).astype(np.uint32),
        are_used=are_used,
    )


def make_merge_scratch(mesh: Mesh, n_species: int, workers: int) -> MergeScratch:
    """Return working memory for `merge_tables` on so many threads."""
    workers = min(workers, 2 * mesh.stride)
    return MergeScratch(
        parts=np.zeros((workers, 2, PARTS, mesh.n_along), dtype=np.int32),
        carried=np.zeros((workers, n_species + 1, mesh.n_along), dtype=np.int32),
    )


# --- from ions to words ---


@compiled
def rounded(number):
    """Return the whole number nearest to one from 0 on."""
    return uint32(int32(number + float32(0.5)))


@compiled
def share_of_cell(shares):
    """Return the fractional distance from the near corner of the cell, in units of 1/SHARE_ONE."""
    return uint32(shares & uint32(SHARE_ONE - 1))


@compiled
def find_share(x, place_along, mesh):
    """Return the cell of an ion along the normal and along the membrane, and what it adds there beside a 1.

    That is its fractional distances from the near corner along the normal and along the membrane, and their product,
    in units of 1/SHARE_ONE. `x` and `place_along`: float32 in nm; all that is returned is uint32. Along the normal,
    cells are counted away from the membrane, and what is in no bath is in cell `stride`.
    """
    one = float32(SHARE_ONE)
    normal = rounded(smaller(product(abs(x), mesh.inverse_spacing * one), float32(mesh.stride) * one))
    along = rounded(product(place_along, mesh.inverse_spacing_along * one))
    entry = uint32(normal >> uint32(SHARE_BITS))
    # What is rounded up to the width is at the first corner again.
    cell = uint32(uint32(along >> uint32(SHARE_BITS)) & uint32(mesh.n_along - 1))
    normal, along = share_of_cell(normal), share_of_cell(along)
    both = uint32(uint32(uint32(normal * along) + uint32(SHARE_ONE // 2)) >> uint32(SHARE_BITS))
    return entry, cell, normal, along, both


@compiled
def entries_apart(all_apart, weighed, mesh):
    """Return in how many entries beside the membrane a species adds to a table of its own, as uint32.

    That is as far as it is `weighed`, or wherever it is if `all_apart`, where ions of all species are counted.
    """
    return uint32(mesh.stride) if all_apart else uint32(weighed)


@compiled
def find_share_in_tables(x, place_along, mesh, apart, own, common):
    """Return where the cell of an ion is in the tables, and the last three of `find_share`.

    `own` and `common`: where its tables begin, the first being for entries up to `apart`, see `entries_apart`; all
    three uint32.
    """
    entry, cell, normal, along, both = find_share(x, place_along, mesh)
    start = own if entry < apart else common
    entry = uint32(entry + (uint32(mesh.stride + 1) if x > float32(0.0) else uint32(0)))
    return uint32(start + find_place(entry, cell, mesh.row)), normal, along, both


@internal
def find_shares(positions, places_along, mesh, apart, own, common, cells, halves):
    """Write where in the tables the cell of each ion is, and what it adds there, as both halves of a word.

    `positions` to `common`: see `find_share_in_tables`; `halves`: (2 * ions,) uint32, the lower one first.
    """
    for k in range(positions.size):
        place, normal, along, both = find_share_in_tables(
            positions[k], places_along[k], mesh, apart, own, common
        )
        cells[k] = place
        halves[2 * k] = uint32(uint32(along << uint32(_ALONG)) | both)
        halves[2 * k + 1] = uint32(
            uint32(1 << (_COUNT - 32))
            | uint32(normal << uint32(_NORMAL - 32))
            | uint32(along >> uint32(32 - _ALONG))
        )


@internal
def add_shares(shares, cells, row, words, spilled, has_spilled):
    """Add what each ion leaves in its cell; the tables are those of one chunk, see `Tables`."""
    for k in range(cells.size):
        cell = cells[k]
        word = words[cell] + shares[k]
        words[cell] = word
        if int64(word) < 0:
            words[cell] = uint64(0)
            spill(word, cell, spilled)
            has_spilled[cell // row] = 1


@compiled
def part_of(word, part):
    """Return one of the sums in a word."""
    return int32(uint64(word >> uint64(_COUNT - part * _BITS)) & uint64(_ALL))


@compiled
def spill(word, cell, spilled):
    """Empty a word into the wider sums."""
    for part in range(PARTS):
        spilled[part, cell] += part_of(word, part)


# --- from words to nodes ---


@internal
def take_words(halves, factor, ions, normal, along, both):
    """Add the sums in a row of words times a whole number to those of the cells, and empty the words.

    `halves`: (2 * cells,) uint32, the lower and the upper half of each word.
    """
    for k in range(ions.size):
        lower, upper = halves[2 * k], halves[2 * k + 1]
        halves[2 * k] = uint32(0)
        halves[2 * k + 1] = uint32(0)
        ions[k] += factor * int32(uint32(upper >> uint32(_COUNT - 32)))
        normal[k] += factor * int32(uint32(uint32(upper >> uint32(_NORMAL - 32)) & uint32(_ALL)))
        along[k] += factor * int32(
            uint32(
                uint32(uint32(upper << uint32(32 - _ALONG)) | uint32(lower >> uint32(_ALONG))) & uint32(_ALL)
            )
        )
        both[k] += factor * int32(uint32(lower & uint32(_ALL)))


@internal
def take_spilled(spilled, factor, sums):
    """Add a row of wider sums times a whole number to those of the cells, and empty it."""
    for k in range(sums.size):
        sums[k] += factor * spilled[k]
        spilled[k] = int32(0)


@internal
def take_entry(words, spilled, has_spilled, entry, row, factor, parts):
    """Add what is in an entry of the tables of one chunk times a whole number to `parts`, and empty it."""
    start, stop = entry * row, entry * row + parts.shape[1]
    take_words(words[start:stop].view(np.uint32), factor, parts[0], parts[1], parts[2], parts[3])
    if has_spilled[entry]:
        has_spilled[entry] = 0
        for part in range(PARTS):
            take_spilled(spilled[part, start:stop], factor, parts[part])


@compiled
def at_near_nodes(ions, normal, along, both, along_before, both_before):
    """Return what a cell and the one before it on the transverse axis leave at their common near node."""
    return ions * int32(SHARE_ONE) - normal - along + both + (along_before - both_before)


@internal
def share_among_nodes(parts, carried, nodes):
    """Write what the nodes of an entry get, of its own cells and of those before, and carry the rest to the next.

    `nodes` and `carried`: (n_along,), in units of 1/SHARE_ONE.
    """
    ions, normal, along, both = parts[0], parts[1], parts[2], parts[3]
    last = ions.size - 1
    at_near = at_near_nodes(ions[0], normal[0], along[0], both[0], along[last], both[last])
    nodes[0] = carried[0] + at_near
    carried[0] = normal[0] - both[0] + both[last]
    for k in range(1, ions.size):
        at_near = at_near_nodes(ions[k], normal[k], along[k], both[k], along[k - 1], both[k - 1])
        nodes[k] = carried[k] + at_near
        carried[k] = normal[k] - both[k] + both[k - 1]


@internal
def merge_entry(tables, valences, entry, mesh, side, all_apart, parts, carried, sums, ions_in_cells):
    """Do what `merge_tables` does for an entry along the normal of a side."""
    own, charges, row = parts[0], parts[1], side * mesh.stride + entry
    nodes = slice(row * mesh.n_along, (row + 1) * mesh.n_along)
    charges[:] = 0
    for species in range(valences.size):
        is_apart = entry < entries_apart(all_apart, tables.weighed[species], mesh)
        kind = OWN if is_apart else COMMON
        if is_apart:
            own[:] = 0
        for chunk in range(tables.words.shape[0]):
            if tables.are_used[chunk, species, kind]:
                take_entry(
                    tables.words[chunk],
                    tables.spilled[chunk],
                    tables.has_spilled[chunk],
                    tables.starts[species, kind] // mesh.row + row + side,
                    mesh.row,
                    int32(1 if is_apart else valences[species]),
                    own if is_apart else charges,
                )
        if is_apart:
            sums.counts[species, row] = own[0].sum()
            if ions_in_cells is not None:
                copy_row(own[0], ions_in_cells[species, nodes])
            for part in range(PARTS):
                add_multiple(own[part], int32(valences[species]), charges[part])
            if entry < tables.weighed[species]:
                share_among_nodes(own, carried[species], sums.weights[species, nodes])
    share_among_nodes(charges, carried[valences.size], sums.charges[nodes])


@internal
def add_multiple(row, factor, sums):
    """Add a row times a whole number to another."""
    for k in range(row.size):
        sums[k] += row[k] * factor


@internal
def empty_entry(tables, entry, row):
    """Empty the entry of ions in no bath."""
    for chunk in range(tables.words.shape[0]):
        for species in range(tables.starts.shape[0]):
            of_species = tables.starts[species, OWN] // row + entry
            here = slice(of_species * row, (of_species + 1) * row)
            tables.words[chunk, here] = 0
            if tables.has_spilled[chunk, of_species]:
                tables.has_spilled[chunk, of_species] = 0
                tables.spilled[chunk, :, here] = 0


@internal
def merge_entries(tables, valences, mesh, first, last, all_apart, parts, carried, sums, ions_in_cells):
    """Do what `merge_tables` does for the rows of nodes from `first` to `last`, without what other workers leave."""
    carried[:] = 0
    for row in range(first, last):
        side, entry = row // mesh.stride, row % mesh.stride
        if entry == 0:
            carried[:] = 0
        merge_entry(tables, valences, entry, mesh, side, all_apart, parts, carried, sums, ions_in_cells)
        if entry == mesh.stride - 1:
            empty_entry(tables, row + side + 1, mesh.row)


@internal
def pass_on(carried, row, mesh, weighed, sums):
    """Add what a worker has left for a row of nodes that are another's."""
    nodes = slice(row * mesh.n_along, (row + 1) * mesh.n_along)
    if row % mesh.stride != 0:
        add_multiple(carried[carried.shape[0] - 1], int32(1), sums.charges[nodes])
        for species in range(carried.shape[0] - 1):
            if row % mesh.stride < weighed[species]:
                add_multiple(carried[species], int32(1), sums.weights[species, nodes])


@parallel
def merge_tables(tables, valences, mesh, all_apart, scratch, sums, ions_in_cells):
    """Write the charges of all ions at the nodes, and of each species the counts and weights, and empty the tables.

    Weights are written as far as species are weighed, counts as far as they add to tables of their own, others stay
    as they are; `all_apart`: see `entries_apart`, and so it was when ions were added. `ions_in_cells`: None, or
    (species, 2 * stride * n_along) int32, to be written as far as counts are.
    """
    workers, n_rows = scratch.parts.shape[0], 2 * mesh.stride
    for i in prange(workers):
        worker = int64(i)
        first, last = worker * n_rows // workers, (worker + 1) * n_rows // workers
        merge_entries(
            tables,
            valences,
            mesh,
            first,
            last,
            all_apart,
            scratch.parts[worker],
            scratch.carried[worker],
            sums,
            ions_in_cells,
        )
    for worker in range(workers - 1):
        pass_on(scratch.carried[worker], (worker + 1) * n_rows // workers, mesh, tables.weighed, sums)


# --- single ions ---


@internal
def add_ion(x, place_along, ions, species, valence, weighed, mesh, sums):
    """Add one ion to the sums exactly as a table of its own would be merged, or take it out with `ions` = -1.

    `weighed`: see `Tables`, of its species.
    """
    entry, cell, normal, along, both = find_share(x, place_along, mesh)
    near, following = int64(cell), int64((cell + 1) % mesh.n_along)
    normal, along, both = int64(normal), int64(along), int64(both)
    if entry < mesh.stride:
        sums.counts[species, entry + (mesh.stride if x > float32(0.0) else 0)] += ions
    for far in range(2):
        if entry + far < mesh.stride:
            row = (entry + far + (mesh.stride if x > float32(0.0) else 0)) * mesh.n_along
            at_next = both if far else along - both
            of_entry = normal if far else SHARE_ONE - normal
            for node, share in ((near, of_entry - at_next), (following, at_next)):
                sums.charges[row + node] += valence * ions * share
                if entry + far < weighed:
                    sums.weights[species, row + node] += ions * share


@internal
def withdraw(x, place_along, species, valence, weighed, mesh, sums):
    """Take one ion out of the sums, exactly as it had been put in."""
    add_ion(x, place_along, -1, species, valence, weighed, mesh, sums)


@internal
def restore(x, place_along, species, valence, weighed, mesh, sums):
    """Put one ion into the sums."""
    add_ion(x, place_along, 1, species, valence, weighed, mesh, sums)
