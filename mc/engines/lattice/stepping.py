"""One step of the lattice engine, and the arrays it works on."""

from typing import NamedTuple

import numpy as np

from mc.compilation import entry_point, internal
from mc.engines.clock import monotonic
from mc.engines.lattice.crossing import Pores, cross, find_beside, move_crossed, sum_permeabilities
from mc.engines.lattice.diffusion import Transitions as Hops
from mc.engines.lattice.electrodes import inject
from mc.engines.lattice.observing import look_around
from mc.engines.lattice.pumping import pump, sense
from mc.engines.lattice.rows import (
    Lanes,
    Scratch,
    Voxels,
    diffuse_all_normal,
    diffuse_all_rings,
    diffuse_normal,
    drift_all_normal,
    drift_all_rings,
    drift_normal,
)
from mc.engines.lattice.sampling import binomial, make_step_key, poisson
from mc.field.deposition import WEIGHT_ONE
from mc.field.modes import (
    Factors,
    Modes,
    Workspace,
    factorise,
    solve_systems,
    transform_charges,
    transform_potential,
)
from mc.field.poisson import Grid, clamp_potential, integrate_potential, solve_baths
from mc.membrane.gating import Channels, Transitions, gate
from mc.membrane.protocols import VOLTAGE, Amplifier
from mc.membrane.transport import Pumps

FACTORISE_EVERY = 16
"""Steps between two factorisations of the semi-implicit field with transverse axes: conductivities change slowly."""


class Box(NamedTuple):
    """The box as the lattice sees it; internal units."""

    time_step: float
    thermal_potential: float
    ions_per_volume: float
    """Of a 1 mM solution, 1/nm3."""
    grid: Grid
    voxels: Voxels
    faces: np.ndarray
    """(2,) the rows of the voxels beside the membrane."""
    face_volumes: np.ndarray
    """(2,) nm3."""


class Species(NamedTuple):
    """What tells the species apart."""

    valences: np.ndarray
    """(species,) integers."""
    diffusion_coefficients: np.ndarray
    """(species,) nm2/ns."""
    mobile_charges: np.ndarray
    """(species,) z^2 D/(kT/e), conductivity of one ion per volume, e nm2/(mV ns)."""


class Field(NamedTuple):
    """Charge and potential."""

    node_charges: np.ndarray
    """(2 * stride * columns,) in e/WEIGHT_ONE."""
    conductivities: np.ndarray
    """(2 * stride,) between node and next node, averaged along the membrane, e/(mV nm ns)."""
    normal: np.ndarray
    """(2 * stride,) working memory: the field away from the membrane, mV/nm."""
    potential: np.ndarray
    """(2 * stride * columns,) mV at each node, as the drift sees it."""
    drops: np.ndarray
    """(columns,) potential of the inner minus the outer face, mV."""
    look_potential: np.ndarray
    """As `potential`, by Gauss's law from the charges as they stand."""
    clamped_drop: float
    """mV; NaN for a free membrane. A clamped slab keeps this drop, and the baths then have no field."""


class Plane(NamedTuple):
    """What the field with transverse axes needs."""

    modes: Modes
    implicit: Factors
    exact: Factors
    workspace: Workspace


class Reservoirs(NamedTuple):
    """What open far ends are held at."""

    means: np.ndarray
    """(species, 2) ions of the voxel at the far end of each column."""
    immigration: np.ndarray
    """(2 * species, stride) for each of these the mean number that came out in a step and is in each voxel after it;
    row `2 * species + side`."""
    immigrant_shares: np.ndarray
    """(species, 2) and how many of them are beside the membrane, on average over the step."""
    exchanged: np.ndarray
    """(species, 2, 2) ions so far by side; entered, left: the net of each column and step."""
    end_charges: np.ndarray
    """(2, columns) integer charge, in e, that the reservoirs lack."""
    is_open: bool


class Keys(NamedTuple):
    """Keys of the random streams, each of shape (2,)."""

    diffusion: np.ndarray
    diffusion_along: np.ndarray
    reservoirs: np.ndarray
    crossing: np.ndarray
    drift: np.ndarray
    drift_along: np.ndarray
    waiting: np.ndarray
    transition: np.ndarray
    pump: np.ndarray
    pump_direction: np.ndarray


class State(NamedTuple):
    """Everything a step reads and writes."""

    box: Box
    species: Species
    counts: np.ndarray
    """(species, 2 * stride, columns) ions; row `side * stride + k` is k voxels from the membrane."""
    hops: Hops
    """Along the normal; lanes are the rows of `counts` of all species."""
    hops_along: Hops
    """Along the membrane; lanes are the columns of all species."""
    field: Field
    plane: Plane | None
    """None in one dimension."""
    line: int | None
    """None with a plane. A branch on a None is left out when kernels are compiled, one on its absence is not: two
    flags keep either case from compiling the other one's code."""
    reservoirs: Reservoirs
    pores: Pores
    channels: Channels
    pumps: Pumps
    pump_columns: np.ndarray
    """(pumps,) the column of voxels at each pump."""
    amplifier: Amplifier
    carrier: int
    """The species that electrodes carry their current with."""
    keys: Keys
    transitions: Transitions
    lanes: Lanes
    scratch: Scratch
    step: np.ndarray
    """(1,) steps done."""


# --- where ions go ---


@internal
def diffuse(state, step, plane, line):
    """Share out the ions of every voxel along the normal by the chances of a step; in a plane on all threads."""
    key = make_step_key(state.keys.diffusion, step)
    if line is not None:
        diffuse_normal(0, state.counts, state.hops, key, state.lanes, 0)
    if plane is not None:
        diffuse_all_normal(state.counts, state.hops, key, state.lanes)


@internal
def diffuse_along(state, step, plane):
    """Share out the ions of every voxel along the membrane, where that is tracked."""
    if plane is not None:
        key = make_step_key(state.keys.diffusion_along, step)
        diffuse_all_rings(state.counts, state.hops_along, key, state.lanes)


@internal
def drift(state, step, plane, line):
    """Let ions hop down the potential, along the normal, then along the membrane."""
    voxels, counts, kinds, scratch = state.box.voxels, state.counts, state.species, state.scratch
    potential = state.field.potential
    key = make_step_key(state.keys.drift, step)
    if line is not None:
        for which in range(2 * counts.shape[0]):
            drift_normal(which, 0, counts, voxels, kinds, potential, key, scratch, 0)
    if plane is not None:
        drift_all_normal(counts, voxels, kinds, potential, key, scratch)
        key = make_step_key(state.keys.drift_along, step)
        drift_all_rings(counts, voxels, kinds, potential, key, scratch)


@internal
def exchange(state, step):
    """Where the far ends are open, let Poisson numbers of ions in, and fill the reservoirs' own voxels anew.

    The ions that have got there in the step are gone.
    """
    reservoirs, box, counts = state.reservoirs, state.box, state.counts
    if not reservoirs.is_open:
        return
    key = make_step_key(state.keys.reservoirs, step)
    for species in range(counts.shape[0]):
        for side in range(2):
            which, first, n = 2 * species + side, side * box.grid.stride, box.voxels.n_voxels[side]
            mean = reservoirs.means[species, side]
            draw = 0
            for column in range(box.voxels.columns):
                gained = -counts[species, first + n - 1, column]
                counts[species, first + n - 1, column] = 0
                for k in range(n):
                    expected = mean if k == n - 1 else mean * reservoirs.immigration[which, k]
                    number, draw = poisson(expected, key, which, draw)
                    counts[species, first + k, column] += number
                    gained += number
                reservoirs.exchanged[species, side, 0] += max(gained, 0)
                reservoirs.exchanged[species, side, 1] += max(-gained, 0)
                reservoirs.end_charges[side, column] -= state.species.valences[species] * gained


# --- the field ---


@internal
def sum_charges(state):
    """Write the charge at each node; return that of the inside in e."""
    box, counts, node_charges = state.box, state.counts, state.field.node_charges
    columns, end_charges = box.voxels.columns, state.reservoirs.end_charges
    node_charges[:] = 0
    for species in range(counts.shape[0]):
        unit = state.species.valences[species] * WEIGHT_ONE
        for row in range(counts.shape[1]):
            for column in range(columns):
                node_charges[row * columns + column] += unit * counts[species, row, column]
    for side in range(2):
        end = side * box.grid.stride + box.voxels.n_voxels[side] - 1
        for column in range(columns):
            node_charges[end * columns + column] += end_charges[side, column] * WEIGHT_ONE
    inside = 0
    for node in range(box.grid.stride * columns):
        inside += node_charges[node]
    return inside // WEIGHT_ONE


@internal
def find_conductivities(state):
    """Write the conductivity between neighbouring nodes, from the mean of their concentrations."""
    box, counts, conductivities = state.box, state.counts, state.field.conductivities
    conductivities[:] = 0.0
    for side in range(2):
        first, n = side * box.grid.stride, box.voxels.n_voxels[side]
        for species in range(counts.shape[0]):
            before = 0.0
            for row in range(first, first + n):
                ions = 0
                for column in range(box.voxels.columns):
                    ions += counts[species, row, column]
                density = ions / (box.voxels.volumes[row] * box.voxels.columns)
                if row > first:
                    mean = 0.5 * (before + density)
                    conductivities[row - 1] += state.species.mobile_charges[species] * mean
                before = density


@internal
def find_potential_along(state, time_step, potential):
    """Write the potential at each node without transverse axes: semi-implicit, or for a step of 0 Gauss's law."""
    field, grid = state.field, state.box.grid
    drop = sum_charges(state) / grid.membrane_capacitance
    solve_baths(field.node_charges, field.conductivities, time_step, grid, field.normal)
    integrate_potential(field.normal, drop, grid.spacing, grid.stride, potential)


@internal
def find_potential_in_plane(state, plane, factors, potential):
    """Write the potential at each node with transverse axes, by factors for a step or for Gauss's law."""
    sum_charges(state)
    transform_charges(state.field.node_charges, WEIGHT_ONE, plane.modes, plane.workspace)
    solve_systems(factors, plane.workspace)
    transform_potential(plane.modes, plane.workspace, potential)


@internal
def set_drops(box, potential, drops):
    """Write the drop across the slab in each column."""
    for column in range(box.voxels.columns):
        inner, outer = column, box.grid.stride * box.voxels.columns + column
        drops[column] = potential[inner] - potential[outer]


@internal
def solve(state, step, plane, line):
    """Find the potential of the charges as they stand, as the drift to come needs it."""
    field = state.field
    if np.isnan(field.clamped_drop):
        find_conductivities(state)
        if line is not None:
            find_potential_along(state, state.box.time_step, field.potential)
        if plane is not None:
            if step % FACTORISE_EVERY == 0:
                factorise(plane.modes, field.conductivities, state.box.time_step, plane.implicit)
            find_potential_in_plane(state, plane, plane.implicit, field.potential)
    set_drops(state.box, field.potential, field.drops)


@internal
def look(state, plane, line):
    """Find the potential of the charges as they stand, by Gauss's law."""
    field = state.field
    if np.isnan(field.clamped_drop):
        if line is not None:
            find_potential_along(state, 0.0, field.look_potential)
        if plane is not None:
            find_potential_in_plane(state, plane, plane.exact, field.look_potential)
    else:
        clamp_potential(field.clamped_drop, field.look_potential)


# --- the step ---


@internal
def let_sense(channels, pores, drops, box):
    """Let every channel see the drop of its column and, where gates depend on them, the ions beside it."""
    n_species = pores.beside.shape[0]
    for channel in range(channels.potentials.size):
        channels.potentials[channel] = drops[pores.columns[channel]]
    if not channels.has_ligands.any():
        return
    for place in range(channels.ligands.shape[0]):
        ligands = channels.ligands[place, : 2 * n_species].reshape((n_species, 2))
        # In one dimension a single place serves all channels.
        sense(pores.beside, pores.columns[place], box.face_volumes, box.ions_per_volume, ligands)


@entry_point
def refresh(state):
    """Let what was done to channels from outside take effect."""
    sum_permeabilities(state.pores, state.channels.chains)


@entry_point
def settle(state):
    """Prepare the first step: what conducts, the potential of the ions as they were placed, and a drift in it."""
    sum_permeabilities(state.pores, state.channels.chains)
    if not np.isnan(state.field.clamped_drop):
        clamp_potential(state.field.clamped_drop, state.field.potential)
    solve(state, 0, state.plane, state.line)
    drift(state, 0, state.plane, state.line)
    look(state, state.plane, state.line)


@internal
def make_steps(state, n_steps):
    """Make up to `n_steps` steps and return how many were made: fewer if events wait to be drained.

    Ions are pumped, cross, and diffuse; the charges are deposited and the field is solved; then, in that field, they
    drift. Solving first and drifting and diffusing together would inflate the noise of the bulk charge manyfold at
    steps beyond the dielectric relaxation time.
    """
    box, field, channels, pores = state.box, state.field, state.channels, state.pores
    counts, keys, transitions = state.counts, state.keys, state.transitions
    plane, line = state.plane, state.line
    is_free = np.isnan(field.clamped_drop)
    made = 0
    while made < n_steps and 2 * transitions.n[0] <= transitions.rows.size:
        step = state.step[0]

        # Known: ions after the last step's drift, open channels, the drop. From them, what pumps move in the step and
        # what crosses; the drop follows as both go on.
        find_beside(pores, counts, box.faces, box.voxels.n_voxels, state.reservoirs)
        pumped = pump(
            state.pumps,
            state.pump_columns,
            pores.beside,
            field.drops,
            counts,
            state.species.valences,
            box,
            keys.pump,
            keys.pump_direction,
        )
        find_beside(pores, counts, box.faces, box.voxels.n_voxels, state.reservoirs)
        cross(
            pores,
            state.species.valences,
            box.face_volumes,
            box.thermal_potential,
            box.grid.membrane_capacitance,
            box.time_step,
            make_step_key(keys.crossing, step),
            field.drops,
            pumped,
            is_free and state.amplifier.mode[0] != VOLTAGE,
        )

        # All diffuse, whatever the step's length. Those that cross are put on their new side while each row of voxels
        # still has the ions that it had.
        diffuse(state, step, plane, line)
        move_crossed(pores, counts, box.faces, box.voxels.n_voxels)
        diffuse_along(state, step, plane)
        exchange(state, step)

        # Known: that drop. Gates act, and what conducts in the next step follows from them.
        let_sense(channels, pores, field.drops, box)
        recorded = transitions.n[0]
        gate(channels, step, box.time_step, keys.waiting, keys.transition, transitions)
        if transitions.n[0] > recorded:
            sum_permeabilities(pores, channels.chains)
        inject(
            state.amplifier,
            state.carrier,
            counts,
            state.species.valences,
            state.reservoirs.end_charges,
            box,
            step,
        )

        # Known: all charges. In their field, weakened by the current that it is about to drive, ions drift.
        solve(state, step, plane, line)
        drift(state, step, plane, line)
        state.step[0] = step + 1
        made += 1
    return made


@entry_point
def advance(state, stops, measures, views):
    """Make steps until each of the `stops` (moments,) in turn, and look; if `views` have room, write what is seen.

    Returns how many stops were reached: fewer if events wait to be drained, if an electrode found no ion, or if what
    was seen last cannot be. Without a step to make, views are of the potential as it was last looked at. There is one
    way in for steps and views, since to compile another for so many arrays takes ten seconds.
    """
    has_room = views.is_whole.size > 0
    for at in range(stops.size):
        made = make_steps(state, stops[at] - state.step[0])
        started = monotonic(measures.timespec)
        if made > 0 or not has_room:
            look(state, state.plane, state.line)
        if state.step[0] < stops[at] or (made > 0 and state.amplifier.is_empty[0]):
            return at
        if has_room:
            look_around(state, state.line, measures, views, at)
            views.seconds[at] = monotonic(measures.timespec) - started
            if not views.is_whole[at] or not np.isfinite(state.field.look_potential[0]):
                return at + 1
    return stops.size


@entry_point
def place_ions(state, totals, key):
    """Place ions in the voxels of their sides, each with a chance by the volume; `totals`: (species, 2)."""
    box, counts = state.box, state.counts
    for species in range(counts.shape[0]):
        for side in range(2):
            first, n = side * box.grid.stride, box.voxels.n_voxels[side]
            left, draw, length = totals[species, side], 0, 0.0
            for row in range(first, first + n):
                length += box.voxels.widths[row]
            for row in range(first + n - 1, first - 1, -1):
                for column in range(box.voxels.columns, 0, -1):
                    # Of the row's volume and of those nearer to the membrane, what one voxel holds.
                    share = box.voxels.widths[row] / (
                        box.voxels.columns * (length - box.voxels.widths[row])
                        + column * box.voxels.widths[row]
                    )
                    ions, draw = binomial(left, share, key, 2 * species + side, draw)
                    counts[species, row, column - 1] = ions
                    left -= ions
                length -= box.voxels.widths[row]
            counts[species, first, 0] += left
