"""One step of the particle engine, and the arrays it works on."""

from typing import NamedTuple

import numpy as np
from numba import uint32

from mc import streams
from mc.compilation import compiled, entry_point, internal
from mc.engines.brownian.crossing import (
    Crossings,
    Pores,
    Scene,
    admit_candidates,
    charge_in_pores,
    set_entry_exponents,
    set_mouth_exponents,
    walk_all,
)
from mc.engines.brownian.electrodes import inject
from mc.engines.brownian.exchange import Reservoirs, exchange
from mc.engines.brownian.motion import Baths
from mc.engines.brownian.passes import Leavers, merge_chunks, move_all, move_all_in_plane
from mc.engines.brownian.plane import (
    SAMPLE_EVERY,
    Plane,
    average_over_plane,
    find_plane_potential,
    local_concentrations_at,
    refresh_factors,
    set_drops,
)
from mc.engines.brownian.pumping import local_concentrations, pump
from mc.engines.brownian.sorting import SORT_EVERY, sort
from mc.field.deposition import WEIGHT_ONE, Sums
from mc.field.differences import write_differences
from mc.field.poisson import (
    Grid,
    clamp_potential,
    integrate_potential,
    solve_baths,
    sum_conductivities,
    sum_node_charges,
    sum_side_charge,
)
from mc.field.shares import merge_tables
from mc.membrane.gating import Channels, Transitions, gate
from mc.membrane.protocols import Amplifier
from mc.membrane.transport import PumpMoves, Pumps


class Ions(NamedTuple):
    """Every ion; ions of a species are contiguous, and so are the blocks that are worked on at a time."""

    positions: np.ndarray
    """(ions,) float32, signed distance from the membrane in nm."""
    first_ion: np.ndarray
    """(species + 1,)"""
    block_start: np.ndarray
    block_stop: np.ndarray
    block_species: np.ndarray
    valences: np.ndarray
    """(species,) integers."""
    diffusion_coefficients: np.ndarray
    """(species,) nm2/ns."""
    mobile_charges: np.ndarray
    """(species,) z^2 D/(kT/e), conductivity of one ion per volume, e nm2/(mV ns)."""
    increment_scales: np.ndarray
    """(species,) float32, see `motion.increment_scale`."""


class Scratch(NamedTuple):
    """Working memory, one row for each chunk of blocks."""

    words: np.ndarray
    ahead: np.ndarray
    """(chunks, BLOCK) float32, positions of a block that is looked at where it will be, nm."""
    cells: np.ndarray
    weights: np.ndarray
    displacements: np.ndarray
    histograms: np.ndarray
    counts: np.ndarray
    weight_sums: np.ndarray
    candidates: np.ndarray
    n_candidates: np.ndarray
    chunk_blocks: np.ndarray
    """(chunks + 1,) first block of each chunk."""


class Field(NamedTuple):
    """What the last solve left, and what the next step needs of it."""

    field: np.ndarray
    """(2 * stride,) electric field away from the membrane in each cell, mV/nm."""
    drift: np.ndarray
    """(species, 2 * stride) float32, displacement in a step, nm."""
    node_charges: np.ndarray
    conductivities: np.ndarray
    slopes: np.ndarray
    """(species,) u = z E/(kT/e) in the pores, along x, 1/nm."""
    slope_per_drop: np.ndarray
    slope_per_move: np.ndarray
    """These two: see `crossing.Scene`."""
    slab_drop: np.ndarray
    """(1,) potential of the inner minus the outer face, mV."""
    clamped_drop: float
    """mV; NaN for a free membrane. A clamped slab keeps this drop, and the baths then have no field."""
    entry_exponents: np.ndarray
    """(species, 2) see `crossing.entry_exponent`, 1/nm."""
    thresholds: np.ndarray
    """(species, 2) upper bound of the chance of entry in 1/256."""


class Box(NamedTuple):
    """Scalars of the run, in internal units."""

    time_step: float
    thermal_potential: float
    ions_per_volume: float
    """Of a 1 mM solution, 1/nm3."""
    lengths: np.ndarray
    """(2,) nm, inside and outside."""
    baths: Baths
    look_baths: Baths
    """The same with far ends that are mirrors: no ion is exchanged by looking."""
    grid: Grid
    end_nodes: np.ndarray
    """(2,) the node of each side at, or just beyond, its far end."""
    end_charges: np.ndarray
    """(2,) integer charge there, in e: what the reservoirs lack."""
    end_conductivities: np.ndarray
    """(2,) of the reservoirs, e/(mV nm ns); 0 where the far ends are closed."""


class Keys(NamedTuple):
    """Keys of the random streams, each of shape (2,)."""

    diffusion: np.ndarray
    entry: np.ndarray
    pore_walk: np.ndarray
    pore_ends: np.ndarray
    waiting: np.ndarray
    transition: np.ndarray
    pump: np.ndarray
    pump_direction: np.ndarray


STREAMS = (
    streams.DIFFUSION,
    streams.ENTRY,
    streams.PORE_WALK,
    streams.PORE_ENDS,
    streams.WAITING,
    streams.TRANSITION,
    streams.PUMP_WAITING,
    streams.PUMP_DIRECTION,
)
"""The streams whose keys are in `Keys`, in the same order."""


class Events(NamedTuple):
    """What has happened since the buffers were last emptied."""

    crossings: Crossings
    transitions: Transitions
    pump_moves: PumpMoves


class Look(NamedTuple):
    """The run as it stands after the drift that is due."""

    counts: np.ndarray
    """(species, 2 * stride), as in Sums; in the plane without the ions in no bath."""
    weight_sums: np.ndarray
    field: np.ndarray
    """(2 * stride,) away from the membrane, mV/nm."""
    potential: np.ndarray
    """(2 * stride,) at each node, mV, zero at the far end outside."""


class State(NamedTuple):
    """Everything a step reads and writes."""

    box: Box
    ions: Ions
    sums: Sums
    field: Field
    pores: Pores
    channels: Channels
    pumps: Pumps
    amplifier: Amplifier
    carrier: int
    """The species that electrodes carry current with."""
    keys: Keys
    events: Events
    scratch: Scratch
    look: Look
    plane: Plane | None
    """None in one dimension."""
    line: int | None
    """None with a plane. A branch on a None is left out when kernels are compiled, one on its absence is not: two
    flags keep either case from compiling the other one's code."""
    reservoirs: Reservoirs | None
    """None where the far ends are closed, and so are the leavers."""
    leavers: Leavers | None
    step: np.ndarray
    """(1,) steps done."""


@internal
def solve(box, ions, sums, pores, field, step, plane, line):
    """Find the field of the charges as they stand, and with it the drift of the step to come."""
    if line is not None:
        solve_along_normal(box, ions, sums, pores, field)
    if plane is not None:
        solve_in_plane(box, ions, sums, pores, field, step, plane)


@internal
def solve_along_normal(box, ions, sums, pores, field):
    """Find the field without transverse axes."""
    stride = box.grid.stride
    if np.isnan(field.clamped_drop):
        sum_node_charges(sums.counts, sums.weight_sums, ions.valences, stride, field.node_charges)
        add_end_charges(box, field.node_charges)
        sum_conductivities(sums.counts, ions.mobile_charges, box.grid, field.conductivities)
        set_end_conductivities(box, field.conductivities)
        solve_baths(field.node_charges, field.conductivities, box.time_step, box.grid, field.field)
        induced, _ = charge_in_pores(pores, ions.valences, ions.first_ion)
        charge = sum_side_charge(sums.counts, ions.valences, 0, stride) + box.end_charges[0] + induced
        field.slab_drop[0] = charge / box.grid.membrane_capacitance
    else:
        field.slab_drop[0] = field.clamped_drop
    for species in range(ions.valences.size):
        mobility = ions.valences[species] * ions.diffusion_coefficients[species] / box.thermal_potential
        for cell in range(field.field.size):
            field.drift[species, cell] = mobility * box.time_step * field.field[cell]
        # Along x in the pores, whose field is that of the whole slab.
        field.slopes[species] = field.slope_per_drop[species] * field.slab_drop[0]


@internal
def set_end_conductivities(box, conductivities):
    """Let the last cell at an open end conduct as its reservoir does.

    Half of it may be beyond the end, and the few ions in it at a time fluctuate, while the drift in it decides over
    the charge of the whole bath.
    """
    for side in range(2):
        if box.end_conductivities[side] > 0.0:
            conductivities[side * box.grid.stride + box.end_nodes[side] - 1] = box.end_conductivities[side]


@internal
def add_end_charges(box, node_charges):
    """Add what the reservoirs lack to the charges of the far ends."""
    for side in range(2):
        node_charges[side * box.grid.stride + box.end_nodes[side]] += box.end_charges[side] * WEIGHT_ONE


@internal
def solve_in_plane(box, ions, sums, pores, field, step, plane):
    """Find the field with transverse axes, and the drop at each channel."""
    if np.isnan(field.clamped_drop):
        refresh_factors(plane, ions.mobile_charges, box, step, field.conductivities)
        find_plane_potential(plane.sums, box, ions, pores, plane, plane.implicit, plane.potential)
        write_differences(
            plane.potential, plane.mesh, plane.merge_scratch.parts.shape[0], plane.sheet.differences
        )
    else:
        clamp_potential(field.clamped_drop, plane.potential)
    field.slab_drop[0] = set_drops(plane.mesh, plane.potential, plane.mouths)


@internal
def find_potential(box, ions, pores, field, look, scratch, plane, line):
    """Write the potential of the charges that are looked at, by Gauss's law."""
    stride = box.grid.stride
    if line is not None:
        merge_chunks(scratch, look.counts, look.weight_sums)
        if np.isnan(field.clamped_drop):
            sum_node_charges(look.counts, look.weight_sums, ions.valences, stride, field.node_charges)
            add_end_charges(box, field.node_charges)
            solve_baths(field.node_charges, field.conductivities, 0.0, box.grid, look.field)
        integrate_potential(look.field, field.slab_drop[0], box.grid.spacing, stride, look.potential)
    if plane is not None:
        merge_plane(plane, ions, uint32(1), plane.look_sums, plane.look_counts)
        if np.isnan(field.clamped_drop):
            find_plane_potential(plane.look_sums, box, ions, pores, plane, plane.exact, plane.look_potential)
        else:
            clamp_potential(field.clamped_drop, plane.look_potential)
        average_over_plane(plane.look_potential, plane.mesh.n_along, look.potential)


@internal
def set_chances(box, ions, pores, channels, field, plane, line):
    """Set the chances of entering a pore: in the plane, upper bounds of them."""
    if line is not None:
        set_entry_exponents(
            pores,
            channels.n_at_level,
            field.slopes,
            box.grid.area,
            ions.diffusion_coefficients,
            box.time_step,
            field.entry_exponents,
            field.thresholds,
        )
    if plane is not None:
        set_mouth_exponents(
            pores,
            plane.mouths,
            field.slope_per_drop,
            ions.diffusion_coefficients,
            box.time_step,
            field.entry_exponents,
            field.thresholds,
        )


@internal
def merge_plane(plane, ions, all_apart, sums, ions_in_cells):
    """Write what the tables of all chunks add up to, see `shares.merge_tables`."""
    merge_tables(
        plane.tables,
        ions.valences,
        plane.mesh,
        all_apart,
        plane.merge_scratch,
        sums,
        ions_in_cells,
    )


@internal
def find_what_is_due(field, step, plane):
    """Return whether the baths have a field, and what is due after a step in the plane, each as uint32.

    That is whether its ions have to be deposited, for the field or because they are sensed, and whether then all
    species apart, since the conductivity is about to be sampled.
    """
    has_field = uint32(np.isnan(field.clamped_drop))
    deposits = uint32(has_field > 0 or plane.tables.weighed.any())
    return has_field, deposits, uint32(has_field > 0 and (step + 1) % SAMPLE_EVERY == 0)


@internal
def are_ions_sensed(pumps, channels):
    """Return whether pumps, or gates with ligands, need to know the ions beside them."""
    return pumps.each.size > 0 or channels.has_ligands.any()


@internal
def move(box, ions, scratch, field, sums, keys, step, leavers, plane, line):
    """Move all ions by the drift of the last step and the diffusion of this one, and deposit them."""
    if line is not None:
        move_all(
            ions,
            scratch,
            box.baths,
            field.drift,
            field.thresholds,
            keys.diffusion,
            uint32(step),
            uint32(1),
            leavers,
        )
        merge_chunks(scratch, sums.counts, sums.weight_sums)
    if plane is not None:
        has_field, deposits, all_apart = find_what_is_due(field, step, plane)
        move_all_in_plane(
            ions,
            scratch,
            box.baths,
            field.thresholds,
            keys.diffusion,
            uint32(step),
            uint32(1),
            leavers,
            plane.mesh,
            plane.sheet,
            plane.tables,
            has_field,
            deposits,
            all_apart,
            plane.transverse[0],
        )
        if deposits:
            merge_plane(plane, ions, all_apart, plane.sums, None)


@internal
def look_ahead(box, ions, scratch, field, keys, leavers, plane, line):
    """Deposit the ions where they are after the drift that is due, without moving them."""
    if line is not None:
        move_all(
            ions,
            scratch,
            box.look_baths,
            field.drift,
            field.thresholds,
            keys.diffusion,
            uint32(0),
            uint32(0),
            leavers,
        )
    if plane is not None:
        move_all_in_plane(
            ions,
            scratch,
            box.look_baths,
            field.thresholds,
            keys.diffusion,
            uint32(0),
            uint32(0),
            leavers,
            plane.mesh,
            plane.sheet,
            plane.tables,
            uint32(1),
            uint32(1),
            uint32(1),
            plane.transverse[0],
        )


@internal
def let_sense(channels, box, sums, field, plane, line):
    """Let every channel see its potential drop and, where gates depend on them, the ions beside it.

    In one dimension there is but one drop; in the plane each channel's own is set with the field.
    """
    n_species = sums.counts.shape[0]
    if line is not None:
        channels.potentials[:] = field.slab_drop[0]
        if channels.has_ligands.any():
            ligands = channels.ligands[0, : 2 * n_species].reshape((n_species, 2))
            local_concentrations(sums, box.lengths, box.grid.area, box.ions_per_volume, ligands)
    if plane is not None:
        for channel in range(channels.chains.size):
            if channels.has_ligands[channels.chains[channel].channel_type]:
                ligands = channels.ligands[channel, : 2 * n_species].reshape((n_species, 2))
                site = plane.mouths.sites[channel]
                local_concentrations_at(site, plane, box.lengths, box.ions_per_volume, ligands)


@compiled
def must_be_drained(events):
    """Return whether a buffer of events is half full: a step never fills the other half."""
    return (
        2 * events.crossings.n[0] > events.crossings.rows.size
        or 2 * events.transitions.n[0] > events.transitions.rows.size
        or 2 * events.pump_moves.n[0] > events.pump_moves.rows.size
    )


@internal
def prepare_move(box, ions, sums, pores, channels, field, reservoirs, scratch, step, is_sensed, plane, line):
    """Sort the ions where that is due, and find what their next move depends on.

    That is the drift that is due, and the chances of entering a pore.
    """
    if step % SORT_EVERY == 0 and (is_sensed or np.isnan(field.clamped_drop)):
        sort(ions, pores, reservoirs, scratch, plane)

    # Known: ions, pores and gates after the last step's diffusion and events. Its field, for its drift:
    solve(box, ions, sums, pores, field, step, plane, line)

    # Known: that field and the gates; from them the chances of entering a pore.
    set_chances(box, ions, pores, channels, field, plane, line)


@internal
def follow_move(
    box,
    ions,
    sums,
    pores,
    channels,
    pumps,
    amplifier,
    carrier,
    field,
    keys,
    events,
    scratch,
    reservoirs,
    leavers,
    step,
    plane,
    line,
):
    """Do all that a step does once its ions have moved."""
    scene = Scene(
        channels.chains,
        field.slopes,
        field.slope_per_drop,
        field.slope_per_move,
        box.lengths,
        ions.diffusion_coefficients,
        ions.first_ion,
        ions.positions,
        sums,
        keys.pore_walk,
        keys.pore_ends,
    )

    # Exchange ions where the far ends are open.
    exchange(reservoirs, leavers, box, ions, sums, field.drift, step, plane)

    # Cross: those in pores walk first, then those that enter now, for the rest of their step.
    walk_all(pores, scene, box.time_step, step, events.crossings, plane)
    admit_candidates(
        scratch,
        pores,
        channels.n_at_level,
        field.entry_exponents,
        field.thresholds,
        scene,
        box.time_step,
        step,
        keys.entry,
        events.crossings,
        plane,
    )

    let_sense(channels, box, sums, field, plane, line)
    gate(channels, step, box.time_step, keys.waiting, keys.transition, events.transitions)
    pump(
        pumps,
        step,
        box,
        ions.positions,
        ions.first_ion,
        sums,
        field,
        keys.pump,
        keys.pump_direction,
        events.pump_moves,
        plane,
    )
    inject(amplifier, carrier, box, ions, sums, pores, step, plane)


@entry_point
def advance(state, n_steps):
    """Make up to `n_steps` steps, then look; return how many were made: fewer if a buffer of events is half full.

    The order within a step decides the noise. Ions diffuse, cross and are pumped; the charges are deposited and the
    field is solved; then, in that field, they drift. Solving first and drifting and diffusing together would inflate
    the noise of the bulk charge manyfold at steps beyond the dielectric relaxation time.

    The drift of one step and the diffusion of the next are made in one pass over the ions. So a step begins here with
    the field of the charges as the last one left them, and between steps the positions stand before their drift.
    What is looked at stands after it: potentials read before would show diffuse layers about twice too deep.
    """
    box, ions, sums, field, pores = state.box, state.ions, state.sums, state.field, state.pores
    channels, pumps, keys, events = state.channels, state.pumps, state.keys, state.events
    scratch, look = state.scratch, state.look
    plane, line, reservoirs, leavers = state.plane, state.line, state.reservoirs, state.leavers
    is_sensed = are_ions_sensed(pumps, channels)
    made = 0
    while made < n_steps and not must_be_drained(events):
        step = state.step[0]
        # Every so often the order of the ions; the field, for the drift that is due; the chances of entering a pore.
        prepare_move(
            box, ions, sums, pores, channels, field, reservoirs, scratch, step, is_sensed, plane, line
        )

        # Drift of the last step; then this one: diffuse and deposit.
        move(box, ions, scratch, field, sums, keys, step, leavers, plane, line)

        # Exchange, cross, gate, pump, inject.
        follow_move(
            box,
            ions,
            sums,
            pores,
            channels,
            pumps,
            state.amplifier,
            state.carrier,
            field,
            keys,
            events,
            scratch,
            reservoirs,
            leavers,
            step,
            plane,
            line,
        )
        state.step[0] = step + 1
        made += 1

    # What looks must leave no trace: a step of -1 refreshes nothing.
    solve(box, ions, sums, pores, field, -1, plane, line)
    look_ahead(box, ions, scratch, field, keys, leavers, plane, line)
    find_potential(box, ions, pores, field, look, scratch, plane, line)
    return made


@entry_point
def begin_step(state):
    """Do what `advance` does in a step before the ions move."""
    prepare_move(
        state.box,
        state.ions,
        state.sums,
        state.pores,
        state.channels,
        state.field,
        state.reservoirs,
        state.scratch,
        state.step[0],
        are_ions_sensed(state.pumps, state.channels),
        state.plane,
        state.line,
    )


@entry_point
def find_deposit(state):
    """Return whether ions that move now in the plane are to be deposited, and whether all species apart."""
    _, deposits, all_apart = find_what_is_due(state.field, state.step[0], state.plane)
    return deposits, all_apart


@entry_point
def merge_deposit(state, all_apart):
    """Do what `move` does in the plane once the tables hold what the ions have left; see `find_deposit`."""
    merge_plane(state.plane, state.ions, all_apart, state.plane.sums, None)


@entry_point
def end_step(state):
    """Do what `advance` does in a step once the ions have moved; return whether events must then be drained."""
    step = state.step[0]
    follow_move(
        state.box,
        state.ions,
        state.sums,
        state.pores,
        state.channels,
        state.pumps,
        state.amplifier,
        state.carrier,
        state.field,
        state.keys,
        state.events,
        state.scratch,
        state.reservoirs,
        state.leavers,
        step,
        state.plane,
        state.line,
    )
    state.step[0] = step + 1
    return must_be_drained(state.events)
