"""The move of the ions on a GPU; all else of a step the kernels of the processor do.

One thread moves the two ions that share a call of the generator, with the scalar functions that the processor's
kernels are made of: the same random numbers, the same drift, increments, mirrors and shares of the nodes.

Positions, places along the membrane and the lists of candidates and leavers are memory of the host that is mapped
into the device's: a move reads and writes each position once, over the bus. Pores, pumps, electrodes, reservoirs,
sorting and checkpoints find every position where they always do, and nothing is transferred for the few ions that a
step changes.

In the plane a processor packs what an ion leaves in its cell into one word, and empties those that are full. A GPU,
whose threads add to a cell at any time, adds to the four wider sums that those words are emptied into; merged they
are the same.

A run is meant to give the same bits as on the processor. Sums are of integers, so the order in which threads add to
them does not show, and candidates and leavers are put into the order of the ions. What is left is rounding: a GPU's
compiler may fuse a product and a sum and round them once. The products of a move for which that would differ go
through `deposition.product`, which is rounded by itself here: the increments, the scaled coordinates and, in the
plane, the displacements along both axes, the rise of the potential along an edge in them, and the turns around the
periodic axis. The others are by powers of two, and exact, or nothing is added to them. On numba's simulator of a GPU
the bits are the same; no GPU has confirmed it yet.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import cuda, float32, int32, uint32, uint64

from mc.engines.brownian import stepping
from mc.engines.brownian.motion import BLOCK, Baths, aim, centre, is_beyond, may_enter, reflect
from mc.engines.brownian.plane import Plane
from mc.engines.brownian.plane_motion import COARSER, find_drift, round_down, step_on_two_axes
from mc.engines.devices import is_simulated
from mc.field.deposition import COUNT_SHIFT, as_weight, find_cell, find_fraction, product
from mc.field.mesh import Mesh, find_place_of
from mc.field.shares import COMMON, OWN, entries_apart, find_share_in_tables
from mc.streams import threefry

HALF = BLOCK // 2
"""Ions of a block whose random words are the first of their calls; those of the others are the second ones."""

THREADS = 256
"""Of a group that the device starts together; a divisor of HALF."""

ENTRY, LEAVING = 0, 1

IONS, NORMAL, ALONG, BOTH = range(4)
"""The parts of what ions leave in a cell, see `shares.Tables`."""

# Numba's simulator runs kernels as Python, which fuses nothing and lacks the device's library.
if not is_simulated():
    from numba.cuda import libdevice
    from numba.cuda.extending import overload  # type: ignore[attr-defined]

    @overload(product, target="cuda")
    def _compile_rounded_product(first, second):
        return lambda first, second: libdevice.fmul_rn(first, second)

    @overload(round_down, target="cuda")
    def _compile_round_down(number):
        return lambda number: libdevice.floorf(number)


class Tables(NamedTuple):
    """The arrays that the device works on in any case; those that are mapped are the state's own."""

    positions: Any
    """(ions,) float32, mapped; as in `stepping.Ions`."""
    candidates: Any
    """(1, ions) uint32, mapped: those that may enter a pore, in any order."""
    leavers: Any
    """(1, ions) uint32, mapped: those beyond a far end, in any order."""
    n_listed: Any
    """(2,) int32, candidates and leavers of this step."""
    thresholds: Any
    """(species, 2) uint32, upper bound of the chance of entry in 1/256."""
    block_start: Any
    block_stop: Any
    block_species: Any


class LineTables(NamedTuple):
    """Those that it works on in one dimension."""

    histograms: Any
    """(species, 2 * stride) uint64, ions and their weights; see `deposition.COUNT_SHIFT`."""
    drift: Any
    """(species, 2 * stride) float32, displacement in a step, nm."""
    increment_scales: Any
    """(species,) float32."""


class PlaneTables(NamedTuple):
    """Those that it works on in two dimensions, with cells as in `mesh.Mesh`."""

    places_along: Any
    """(1, ions) float32, mapped; as in `plane.Plane`."""
    differences: Any
    """(cells,) uint64, see `differences.make_differences`."""
    parts: Any
    """(PARTS, species * cells) int32, what ions have left in cells, as what has spilled in `shares.Tables`."""
    starts: Any
    """(species, 2) uint32, as in `shares.Tables`."""
    weighed: Any
    """(species,) uint32, as there."""
    factors: Any
    """(species, 2) float32, along the normal and along the membrane, see `plane_motion.find_drift`."""
    increment_scales: Any
    """(species,) float32."""


class Period(NamedTuple):
    """The axis along the membrane, in single precision."""

    width: np.float32
    """nm."""
    turns_per_length: np.float32
    """1/nm."""


@cuda.jit(device=True)
def find_pair(pair, tables):
    """Return the first ion of the pair of a thread, where its block ends, and its species.

    The other ion is half a block further, see `motion.draw_words`.
    """
    block = pair // HALF
    return tables.block_start[block] + pair % HALF, tables.block_stop[block], tables.block_species[block]


@cuda.jit(device=True)
def list_ion(ion, kind, list_of_ions, n_listed):
    """Append an ion to the list of the candidates or to that of the leavers."""
    list_of_ions[0, cuda.atomic.add(n_listed, kind, 1)] = ion


# --- one dimension ---


@cuda.jit(device=True)
def deposit(x, species, histograms, inverse_spacing, stride):
    """Add an ion and its share at the far node of its cell to the histogram of its species."""
    scaled = product(abs(x), inverse_spacing)
    weight = as_weight(find_fraction(scaled))
    cell = find_cell(x, inverse_spacing, stride)
    cuda.atomic.add(histograms, (species, cell), uint64(1 << COUNT_SHIFT) + uint64(weight))


@cuda.jit(device=True)
def move_ion(ion, species, word, tables, line, baths):
    """Let an ion drift, then diffuse, note whether it may enter a pore or has left the box, and deposit it."""
    x = tables.positions[ion]
    outside = x > float32(0.0)
    side = 1 if outside else 0
    mirror = baths.mirror_outside if outside else baths.mirror_inside
    displacement = line.drift[species, find_cell(x, baths.inverse_spacing, baths.stride)]
    increment = product(line.increment_scales[species], float32(centre(word)))
    target = aim(x, displacement, increment)
    if may_enter(target, word, tables.thresholds[species, side]):
        list_ion(ion, ENTRY, tables.candidates, tables.n_listed)
    distance = float32(reflect(target, mirror))
    x = distance if outside else -distance
    tables.positions[ion] = x
    if is_beyond(x, baths.length_outside if outside else baths.length_inside):
        list_ion(ion, LEAVING, tables.leavers, tables.n_listed)
    deposit(x, species, line.histograms, baths.inverse_spacing, baths.stride)


@cuda.jit
def move_pairs(tables, line, baths, key_0, key_1, step):
    """Move all ions, in each thread a pair of them; there are as many threads as pairs in whole blocks."""
    pair = cuda.grid(1)
    ion, stop, species = find_pair(pair, tables)
    first, second = threefry(uint32(pair), step, key_0, key_1)
    if ion < stop:
        move_ion(ion, species, uint32(first), tables, line, baths)
    if ion + HALF < stop:
        move_ion(ion + HALF, species, uint32(second), tables, line, baths)


# --- two dimensions ---


@cuda.jit(device=True)
def deposit_in_plane(x, place_along, species, plane, mesh, all_apart):
    """Add an ion, its distances from the near corner of its cell and their product to the sums of its species."""
    cell, normal, along, both = find_share_in_tables(
        x,
        place_along,
        mesh,
        entries_apart(all_apart, plane.weighed[species], mesh),
        plane.starts[species, OWN],
        plane.starts[species, COMMON],
    )
    cuda.atomic.add(plane.parts, (IONS, cell), int32(1))
    cuda.atomic.add(plane.parts, (NORMAL, cell), int32(normal))
    cuda.atomic.add(plane.parts, (ALONG, cell), int32(along))
    cuda.atomic.add(plane.parts, (BOTH, cell), int32(both))


@cuda.jit(device=True)
def move_ion_in_plane(ion, species, word, tables, plane, baths, mesh, period, deposits, all_apart):
    """Let an ion drift and diffuse along both axes, note where it may have gone, and deposit it."""
    x, place_along = tables.positions[ion], plane.places_along[0, ion]
    outside = x > float32(0.0)
    side = 1 if outside else 0
    cell = find_place_of(x, place_along, mesh)
    differences = plane.differences[cell]
    # The simulator, which is Python, returns wider numbers, here and below.
    displacement, displacement_along = find_drift(
        x,
        place_along,
        uint32(differences & uint64(0xFFFFFFFF)),
        uint32(differences >> uint64(32)),
        mesh,
        plane.factors[species, 0],
        plane.factors[species, 1],
    )
    moved, moved_along, is_candidate = step_on_two_axes(
        x,
        place_along,
        word,
        float32(displacement),
        float32(displacement_along),
        plane.increment_scales[species],
        period.width,
        period.turns_per_length,
        baths.mirror_outside if outside else baths.mirror_inside,
        tables.thresholds[species, side],
    )
    x, place_along = float32(moved), float32(moved_along)
    tables.positions[ion], plane.places_along[0, ion] = x, place_along
    if is_candidate:
        list_ion(ion, ENTRY, tables.candidates, tables.n_listed)
    if is_beyond(x, baths.length_outside if outside else baths.length_inside):
        list_ion(ion, LEAVING, tables.leavers, tables.n_listed)
    if deposits:
        deposit_in_plane(x, place_along, species, plane, mesh, all_apart)


@cuda.jit
def move_pairs_in_plane(tables, plane, baths, mesh, period, key_0, key_1, step, deposits, all_apart):
    """Move all ions along both axes, in each thread a pair of them; see `move_pairs`."""
    pair = cuda.grid(1)
    ion, stop, species = find_pair(pair, tables)
    first, second = threefry(uint32(pair), step, key_0, key_1)
    if ion < stop:
        move_ion_in_plane(
            ion, species, uint32(first), tables, plane, baths, mesh, period, deposits, all_apart
        )
    if ion + HALF < stop:
        move_ion_in_plane(
            ion + HALF, species, uint32(second), tables, plane, baths, mesh, period, deposits, all_apart
        )


# --- from the host ---


def map_array(array: np.ndarray) -> tuple[Any, np.ndarray]:
    """Return a copy that is mapped into the device's memory, as the device and as the host have it."""
    mapped = cuda.mapped_array(array.shape, dtype=array.dtype)
    on_host = np.asarray(mapped)
    on_host[:] = array
    return mapped, on_host


class LineMover:
    """Moves the ions in one dimension."""

    def __init__(self, state: stepping.State) -> None:
        self.baths: Baths = state.box.baths
        self.histograms = np.zeros(state.field.drift.shape, dtype=np.uint64)
        self.no_ions = np.zeros_like(self.histograms)
        self.tables = LineTables(
            histograms=cuda.to_device(self.no_ions),
            drift=cuda.to_device(state.field.drift),
            increment_scales=cuda.to_device(state.ions.increment_scales),
        )

    def move(self, state: stepping.State, tables: Tables, groups: int) -> None:
        """Move all ions and write what they add up to."""
        line = self.tables
        line.drift.copy_to_device(state.field.drift)
        line.histograms.copy_to_device(self.no_ions)
        key_0, key_1 = state.keys.diffusion
        move_pairs[groups, THREADS](tables, line, self.baths, key_0, key_1, np.uint32(state.step[0]))
        line.histograms.copy_to_host(self.histograms)
        state.sums.counts[:] = self.histograms >> np.uint64(COUNT_SHIFT)
        state.sums.weight_sums[:] = self.histograms & np.uint64((1 << COUNT_SHIFT) - 1)


class PlaneMover:
    """Moves the ions in two dimensions."""

    def __init__(self, state: stepping.State, plane: Plane, places_along: Any) -> None:
        """`places_along`: (1, ions) those of the plane, as they are mapped."""
        self.baths: Baths = state.box.baths
        self.mesh: Mesh = plane.mesh
        width = plane.sheet.widths[0]
        self.period = Period(width, np.float32(1.0) / width)
        # As `plane_motion.move_piece` finds them, in single precision.
        factors = -plane.sheet.displacement_per_field * plane.mesh.inverse_spacing
        self.tables = PlaneTables(
            places_along=places_along,
            differences=cuda.to_device(plane.sheet.differences),
            parts=cuda.to_device(plane.tables.spilled[0]),
            starts=cuda.to_device(plane.tables.starts),
            weighed=cuda.to_device(plane.tables.weighed),
            factors=cuda.to_device(np.column_stack([factors, factors * plane.mesh.spacing_ratio])),
            increment_scales=cuda.to_device(state.ions.increment_scales * COARSER),
        )

    def move(self, state: stepping.State, tables: Tables, groups: int) -> None:
        """Move all ions and, where `stepping.move` does, merge what they have left in their cells."""
        assert state.plane is not None
        plane, host = self.tables, state.plane
        deposits, all_apart = map(np.uint32, stepping.find_deposit(state))
        if np.isnan(state.field.clamped_drop):
            plane.differences.copy_to_device(host.sheet.differences)
        if deposits:
            plane.parts[:] = 0
        key_0, key_1 = state.keys.diffusion
        move_pairs_in_plane[groups, THREADS](
            tables,
            plane,
            self.baths,
            self.mesh,
            self.period,
            key_0,
            key_1,
            np.uint32(state.step[0]),
            deposits,
            all_apart,
        )
        if deposits:
            plane.parts.copy_to_host(host.tables.spilled[0])
            host.tables.has_spilled[0] = 1
            stepping.merge_deposit(state, all_apart)


class Mover:
    """Makes the steps of a state whose ions are moved on the device."""

    def __init__(self, state: stepping.State) -> None:
        """`state`: with one chunk of blocks, since the device lists all ions together."""
        ions = state.ions
        positions, positions_on_host = map_array(ions.positions)
        no_list = np.zeros((1, ions.positions.size), dtype=np.uint32)
        (candidates, candidates_on_host), (leavers, leavers_on_host) = map_array(no_list), map_array(no_list)
        self.in_baths: LineMover | PlaneMover
        plane = state.plane
        if plane is None:
            self.in_baths = LineMover(state)
        else:
            places_along, transverse = map_array(plane.transverse)
            plane = plane._replace(transverse=transverse)
            self.in_baths = PlaneMover(state, plane, places_along)
        self.state = state._replace(
            plane=plane,
            ions=ions._replace(positions=positions_on_host),
            scratch=state.scratch._replace(candidates=candidates_on_host),
            leavers=state.leavers and state.leavers._replace(ions=leavers_on_host),
        )
        self.nothing_listed = np.zeros(2, dtype=np.int32)
        self.tables = Tables(
            positions=positions,
            candidates=candidates,
            leavers=leavers,
            n_listed=cuda.to_device(self.nothing_listed),
            thresholds=cuda.to_device(state.field.thresholds),
            block_start=cuda.to_device(ions.block_start),
            block_stop=cuda.to_device(ions.block_stop),
            block_species=cuda.to_device(ions.block_species),
        )

    def advance(self, state: stepping.State, n_steps: int) -> int:
        """Make up to `n_steps` steps of `self.state`, then look; as `stepping.advance`."""
        made, is_full = 0, stepping.must_be_drained(state.events)
        while made < n_steps and not is_full:
            stepping.begin_step(state)
            self.move(state)
            is_full = stepping.end_step(state)
            made += 1
        # All that is left to do there is to look.
        stepping.advance(state, 0)
        return made

    def move(self, state: stepping.State) -> None:
        """Move all ions by the drift of the last step and the diffusion of this one, and deposit them."""
        tables = self.tables
        tables.thresholds.copy_to_device(state.field.thresholds)
        tables.n_listed.copy_to_device(self.nothing_listed)
        self.in_baths.move(state, tables, state.ions.block_start.size * HALF // THREADS)
        # To copy from the device is to wait for it; what is mapped is written then as well.
        n_listed = tables.n_listed.copy_to_host()
        state.scratch.n_candidates[0] = n_listed[ENTRY]
        state.scratch.candidates[0, : n_listed[ENTRY]].sort()
        if state.leavers is not None:
            state.leavers.n_ions[0] = n_listed[LEAVING]
            state.leavers.ions[0, : n_listed[LEAVING]].sort()
