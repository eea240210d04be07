"""The move of the ions on a GPU, in one dimension; all else of a step the kernels of the processor do.

One thread moves the two ions that share a call of the generator, with the scalar functions that the processor's
kernels are made of: the same random numbers, the same drift, increments, mirrors and shares of the nodes.

Positions and the lists of candidates and leavers are memory of the host that is mapped into the device's: a move
reads and writes each position once, over the bus. Pores, pumps, electrodes, reservoirs and checkpoints find every
position where they always do, and nothing is transferred for the few ions that a step changes.

A run is meant to give the same bits as on the processor. Sums are of integers, so the order in which threads add to
them does not show, and candidates and leavers are put into the order of the ions. What is left is rounding: a GPU's
compiler may fuse a product and a sum and round them once. The two products of a move for which that would differ, the
increment and the scaled distance, are rounded by themselves; the others are by powers of two, and exact. On numba's
simulator of a GPU the bits are the same; no GPU has confirmed it yet.
"""

import operator
from typing import Any, NamedTuple

import numpy as np
from numba import cuda, float32, int32, uint32, uint64
from numba.cuda import libdevice

from mc.engines.brownian import stepping
from mc.engines.brownian.motion import BLOCK, Baths, aim, centre, is_beyond, may_enter, reflect
from mc.engines.devices import is_simulated
from mc.field.deposition import COUNT_SHIFT, as_weight, find_cell, find_fraction
from mc.streams import threefry

HALF = BLOCK // 2
"""Ions of a block whose random words are the first of their calls; those of the others are the second ones."""

THREADS = 256
"""Of a group that the device starts together; a divisor of HALF."""

ENTRY, LEAVING = 0, 1

# Numba's simulator runs kernels as Python, which fuses nothing and lacks the device's library.
rounded_product = operator.mul if is_simulated() else libdevice.fmul_rn


class Tables(NamedTuple):
    """The arrays that the device works on; those that are mapped are the state's own."""

    positions: Any
    """(ions,) float32, mapped; as in `stepping.Ions`."""
    candidates: Any
    """(1, ions) uint32, mapped: those that may enter a pore, in any order."""
    leavers: Any
    """(1, ions) uint32, mapped: those beyond a far end, in any order."""
    n_listed: Any
    """(2,) int32, candidates and leavers of this step."""
    histograms: Any
    """(species, 2 * stride) uint64, ions and their weights; see `deposition.COUNT_SHIFT`."""
    drift: Any
    """(species, 2 * stride) float32, displacement in a step, nm."""
    thresholds: Any
    """(species, 2) uint32, upper bound of the chance of entry in 1/256."""
    increment_scales: Any
    """(species,) float32."""
    block_start: Any
    block_stop: Any
    block_species: Any


@cuda.jit(device=True)
def deposit(x, species, histograms, inverse_spacing, stride):
    """Add an ion and its share at the far node of its cell to the histogram of its species."""
    scaled = rounded_product(abs(x), inverse_spacing)
    weight = as_weight(find_fraction(scaled, int32(scaled)))
    cell = find_cell(x, inverse_spacing, stride)
    cuda.atomic.add(histograms, (species, cell), uint64(1 << COUNT_SHIFT) + uint64(weight))


@cuda.jit(device=True)
def move_ion(ion, species, word, tables, baths):
    """Let an ion drift, then diffuse, note whether it may enter a pore or has left the box, and deposit it."""
    x = tables.positions[ion]
    outside = x > float32(0.0)
    side = 1 if outside else 0
    mirror = baths.mirror_outside if outside else baths.mirror_inside
    displacement = tables.drift[species, find_cell(x, baths.inverse_spacing, baths.stride)]
    increment = rounded_product(tables.increment_scales[species], float32(centre(word)))
    target = aim(x, displacement, increment, mirror)
    if may_enter(target, word, tables.thresholds[species, side]):
        tables.candidates[0, cuda.atomic.add(tables.n_listed, ENTRY, 1)] = ion
    distance = float32(reflect(target, mirror))
    x = distance if outside else -distance
    tables.positions[ion] = x
    if is_beyond(x, baths.length_outside if outside else baths.length_inside):
        tables.leavers[0, cuda.atomic.add(tables.n_listed, LEAVING, 1)] = ion
    deposit(x, species, tables.histograms, baths.inverse_spacing, baths.stride)


@cuda.jit
def move_pairs(tables, baths, key_0, key_1, step):
    """Move all ions: in each thread the two of a block that are half a block apart, see `motion.draw_words`."""
    pair = cuda.grid(1)
    block = pair // HALF
    if block < tables.block_start.size:
        ion = tables.block_start[block] + pair % HALF
        stop, species = tables.block_stop[block], tables.block_species[block]
        first, second = threefry(uint32(pair), step, key_0, key_1)
        if ion < stop:
            move_ion(ion, species, uint32(first), tables, baths)
        if ion + HALF < stop:
            move_ion(ion + HALF, species, uint32(second), tables, baths)


class Mover:
    """Makes the steps of a state whose ions are moved on the device."""

    def __init__(self, state: stepping.State) -> None:
        """`state`: in one dimension and with one chunk of blocks, since the device lists all ions together."""
        ions, field = state.ions, state.field
        n_ions = ions.positions.size
        positions = cuda.mapped_array(n_ions, dtype=np.float32)
        candidates, leavers = (cuda.mapped_array((1, n_ions), dtype=np.uint32) for _ in range(2))
        np.asarray(positions)[:] = ions.positions
        self.state = state._replace(
            ions=ions._replace(positions=np.asarray(positions)),
            scratch=state.scratch._replace(candidates=np.asarray(candidates)),
            leavers=state.leavers and state.leavers._replace(ions=np.asarray(leavers)),
        )
        self.baths: Baths = state.box.baths
        self.histograms = np.zeros(field.drift.shape, dtype=np.uint64)
        self.no_ions = np.zeros_like(self.histograms)
        self.nothing_listed = np.zeros(2, dtype=np.int32)
        self.tables = Tables(
            positions=positions,
            candidates=candidates,
            leavers=leavers,
            n_listed=cuda.to_device(self.nothing_listed),
            histograms=cuda.to_device(self.no_ions),
            drift=cuda.to_device(field.drift),
            thresholds=cuda.to_device(field.thresholds),
            increment_scales=cuda.to_device(ions.increment_scales),
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
        tables.drift.copy_to_device(state.field.drift)
        tables.thresholds.copy_to_device(state.field.thresholds)
        tables.histograms.copy_to_device(self.no_ions)
        tables.n_listed.copy_to_device(self.nothing_listed)
        groups = state.ions.block_start.size * HALF // THREADS
        key_0, key_1 = state.keys.diffusion
        move_pairs[groups, THREADS](tables, self.baths, key_0, key_1, np.uint32(state.step[0]))
        # To copy from the device is to wait for it; what is mapped is written then as well.
        tables.histograms.copy_to_host(self.histograms)
        n_listed = tables.n_listed.copy_to_host()
        state.sums.counts[:] = self.histograms >> np.uint64(COUNT_SHIFT)
        state.sums.weight_sums[:] = self.histograms & np.uint64((1 << COUNT_SHIFT) - 1)
        state.scratch.n_candidates[0] = n_listed[ENTRY]
        state.scratch.candidates[0, : n_listed[ENTRY]].sort()
        if state.leavers is not None:
            state.leavers.n_ions[0] = n_listed[LEAVING]
            state.leavers.ions[0, : n_listed[LEAVING]].sort()
