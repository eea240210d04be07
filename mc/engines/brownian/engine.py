"""The particle engine: a scenario becomes arrays, steps are made, the present is looked at."""

import math
import time
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numba
import numpy as np
from numpy.typing import NDArray

from mc import streams
from mc.compilation import available_threads
from mc.constants import (
    IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR,
    VACUUM_PERMITTIVITY,
    thermal_potential,
    water_permittivity,
)
from mc.engines import proteins
from mc.engines.base import Observation, Observations, Positions, Watch
from mc.engines.brownian import construction, crossing, locating, motion, observing, stepping
from mc.engines.devices import Device, check_device
from mc.engines.driven import DrivenEngine
from mc.engines.memory import named, restore
from mc.errors import LedgerError, McError, StabilityError
from mc.field.deposition import HISTOGRAMS, PARKED, Sums
from mc.field.poisson import Grid
from mc.membrane.gating import TRANSITION, Transitions, count_states
from mc.membrane.protocols import make_amplifier
from mc.membrane.transport import MOST_IONS, PUMP_MOVE, PumpMoves
from mc.scenario.composition import Composition, compose
from mc.scenario.placement import place
from mc.scenario.resolution import find_debye_lengths, resolve_grid_spacing
from mc.scenario.schema import Scenario
from mc.streams import stream_key, uniforms

if TYPE_CHECKING:
    from mc.engines.brownian.cuda import Mover

PORE_STEP = 0.1
"""Largest standard deviation of a sub-step in a pore, as a share of its length."""

BULK_DEBYE_LENGTHS = 5
"""The bulk, where electrodes are, begins this far from the membrane."""

SERIAL_IONS = 20_000
"""Below this many ions one thread is faster than several."""


MOST_WATCHED = 64
"""Moments that are looked at in a row."""


class BrownianEngine(DrivenEngine):
    """Single ions in one or two dimensions; see `mc.engines.base.Engine`.

    `clamped_potential`, in mV, holds the potential across the slab; the baths then have no field. `device`: where the
    ions are moved; see `mc.engines.devices`.
    """

    def __init__(
        self,
        scenario: Scenario,
        seed: int,
        time_step: float,
        threads: int | None = None,
        clamped_potential: float | None = None,
        device: Device = "cpu",
    ) -> None:
        check_device(scenario, device)
        self.scenario = scenario
        self.composition = compose(scenario)
        self.time_step = time_step
        self.threads = min(threads or available_threads(), available_threads())
        if self.composition.n_ions < SERIAL_IONS or device == "cuda":
            self.threads = 1
        numba.set_num_threads(self.threads)
        self.bulk_from = bulk_distances(scenario, self.composition)
        self.seed = seed
        self.state = make_state(scenario, self.composition, seed, time_step, self.threads, clamped_potential)
        self.mover: Mover | None = None
        if device == "cuda":
            # Imported only now: it costs time, and needs what a machine without a GPU may not have.
            from mc.engines.brownian import cuda

            self.mover = cuda.Mover(self.state)
            self.state = self.mover.state
        self._begin_protocol()
        # With nothing deposited there is no field yet: this look is at the positions as they were placed.
        stepping.advance(self.state, 0)
        self.deposit_as_looked_at()
        # Compiled now, or loaded, rather than at the first record.
        self.locate(np.zeros(0, dtype=np.int64))

    def deposit_as_looked_at(self) -> None:
        """Let the field come from the charges as they were looked at before the first step, and look again.

        Later looks do not weigh the species in the plane, see `stepping.find_potential`.
        """
        state = self.state
        state.sums.counts[:] = state.look.counts
        state.sums.weight_sums[:] = state.look.weight_sums
        if state.plane is not None:
            for as_deposited, as_seen in zip(state.plane.sums, state.plane.look_sums, strict=True):
                as_deposited[:] = as_seen
        stepping.advance(state, 0)

    @property
    def n_slots(self) -> int:
        """Number of ions that there can be at a time: more than at the start where the far ends are open."""
        return self.state.ions.positions.size

    @property
    def species_of_slots(self) -> NDArray[np.int64]:
        """Species of each, (slots,)."""
        first_ion = self.state.ions.first_ion
        return np.repeat(np.arange(first_ion.size - 1), np.diff(first_ion))

    def advance(self, n_steps: int) -> int:
        """Make up to `n_steps` steps and return how many were made; fewer when events wait to be drained."""
        numba.set_num_threads(self.threads)
        advance = stepping.advance if self.mover is None else self.mover.advance
        made: int = advance(self.state, self._follow_protocol(n_steps))
        self._check_electrodes()
        reservoirs = self.state.reservoirs
        if reservoirs is not None and reservoirs.lacking[0] >= 0:
            name = self.composition.names[reservoirs.lacking[0]]
            raise StabilityError(
                f"by {self.step * self.time_step:g} ns more {name} had come in from the baths than there is room "
                "for, a tenth beyond the start: take larger baths, or concentrations nearer to the steady state"
            )
        return made

    def _notice_changes(self) -> None:
        """Nothing follows from them: fields and chances are found anew in every step."""

    def _fill_reservoirs(self, scenario: Scenario) -> None:
        reservoirs, box, geometry = self.state.reservoirs, self.state.box, scenario.geometry
        if reservoirs is None:
            return
        composition = compose(scenario)
        counts = np.stack([composition.counts_inside, composition.counts_outside], axis=1)
        reservoirs.densities[:] = counts / (geometry.area * box.lengths)
        box.end_conductivities[:] = _reservoir_conductivities(
            composition, scenario.simulation.temperature, box.lengths, geometry.area
        )

    def memory(self) -> dict[str, NDArray]:
        """Return the arrays that change as steps are made, by name: all that is needed to go on."""
        state, plane, reservoirs = self.state, self.state.plane, self.state.reservoirs
        arrays = {
            "step": state.step,
            "box.end_charges": state.box.end_charges,
            "pores.table": self._ions_in_pores(),
            **named("ions", state.ions, "positions"),
            **named("sums", state.sums, "counts", "weight_sums"),
            **named("field", state.field, "conductivities", "slab_drop"),
            **named("pores", state.pores, "n_ions", "crossings"),
            **proteins.remember(state.channels, state.pumps, state.amplifier),
        }
        if plane is not None:
            arrays |= {
                **named("plane", plane, "transverse", "names", "potential", "sampled"),
                **named("plane.sums", plane.sums, "weights", "charges", "counts"),
                **named("plane.implicit", plane.implicit, "multipliers", "inverse_pivots"),
            }
        if reservoirs is not None:
            arrays |= named("reservoirs", reservoirs, "waiting", "n_waiting", "exchanged")
        return arrays

    def take_up(self, saved: Mapping[str, NDArray]) -> None:
        """Go on from what `memory` once returned, in an engine of the same scenario, or of one as large.

        Raises RecordingError where the arrays do not fit.
        """
        # What the protocol changed before is then overwritten, but for what is no array.
        self._do_what_is_due(int(saved["step"][0]) - 1)
        self.state.pores.n_ions[0] = len(saved["pores.table"])
        restore(self.memory(), saved)
        # With the field of what was taken up, also for who looks before the next step.
        stepping.advance(self.state, 0)

    def observe(self) -> Observation:
        """Look at the present state, after the drift that is due, without changing it.

        Raises LedgerError if an ion or a charge is missing, or if the field does not agree with the charges.
        """
        seen, error = self._tell([self._keep()])
        if error is not None:
            raise error
        return seen.at(0)

    @property
    def most_watched(self) -> int:
        """At how many moments `watch` looks at most."""
        return MOST_WATCHED

    def watch(
        self, stops: Sequence[int], located_at: Collection[int] = (), ions: NDArray[np.int64] | None = None
    ) -> Watch:
        """Make steps until each of the `stops` in turn and look; see `mc.engines.base.Engine`."""
        kept: list[observing.Moment] = []
        positions: dict[int, Positions] = {}
        failure: McError | KeyboardInterrupt | None = None
        seconds = 0.0
        try:
            for stop in stops:
                self.advance(stop - self.step)
                if self.step < stop:
                    break
                started = time.monotonic()
                kept.append(self._keep())
                if stop in located_at:
                    positions[stop] = self.locate(ions)
                seconds += time.monotonic() - started
        except (McError, KeyboardInterrupt) as error:
            failure = error
        if not kept:
            return Watch(None, {}, failure, seconds)
        started = time.monotonic()
        seen, missing = self._tell(kept)
        seconds += time.monotonic() - started
        return Watch(seen if len(seen.ions) else None, positions, missing or failure, seconds)

    def _keep(self) -> observing.Moment:
        """Return a copy of what there is to see after the drift that is due."""
        state, plane, look = self.state, self.state.plane, self.state.look
        states = np.empty(state.channels.levels.shape, dtype=np.int64)
        count_states(state.channels.chains, states)
        return observing.Moment(
            step=self.step,
            counts=look.counts.copy(),
            potential=look.potential.copy(),
            slab_drop=float(state.field.slab_drop[0]),
            end_charges=state.box.end_charges.copy(),
            in_pores=self._ions_in_pores().copy(),
            n_at_level=state.channels.n_at_level.copy(),
            states=states,
            crossings=state.pores.crossings.copy(),
            pump_cycles=state.pumps.cycles.copy(),
            injected_charge=int(state.amplifier.injected[0]),
            command_potential=self._command_potential(),
            electrodes=self._read_electrodes(),
            exchanged=self._exchanged(),
            counts_in_plane=None if plane is None else plane.look_counts.copy(),
            potential_in_plane=None if plane is None else plane.look_potential.copy(),
        )

    def _tell(self, kept: Sequence[observing.Moment]) -> tuple[Observations, LedgerError | None]:
        """Return what was seen at several moments, until an ion or a charge is missing, and the error then."""
        states = self._by_type(np.array([one.states for one in kept]))
        seen = observing.tell(kept, self._measures, states)
        in_field = np.array([one.slab_drop for one in kept])
        is_whole = (seen.ions.sum(axis=2) + seen.ions_in_pores == self._expected_ions(seen)).all(axis=1)
        is_good = is_whole & observing.are_in_balance(seen, in_field, self._measures)
        return self._until_wrong(seen, is_whole, is_good, in_field)

    @cached_property
    def _measures(self) -> observing.Measures:
        """What counts are measured by."""
        return observing.make_measures(
            self.state,
            (self.cell_edges(0), self.cell_edges(1)),
            self.bulk_from,
            proteins.level_permeabilities(self.scenario, self.composition.names),
        )

    def locate(self, ions: NDArray[np.int64] | None = None) -> Positions:
        """Return where some ions are, after the drift that is due, or all; see `mc.engines.base.Engine`."""
        plane, in_pores = self.state.plane, self._ions_in_pores()
        ions = np.arange(self.n_slots) if ions is None else ions
        x, y = np.empty((2, ions.size), dtype=np.float32)
        locating.locate(self.state, self._slots_of(ions), x, y)
        names = in_pores["ion"] if plane is None else plane.names[in_pores["ion"]]
        at = np.searchsorted(ions, names)
        is_among = np.append(ions, -1)[at] == names
        at, in_pores = at[is_among], in_pores[is_among]
        x[at] = in_pores["depth"]
        if plane is None:
            return Positions(x, None)
        y[at] = plane.mouths.sites[in_pores["channel"]]
        return Positions(x, y)

    def drain_events(self) -> dict[str, dict[str, NDArray]]:
        """Return the events since the last call, by kind (crossings, pumps, gating) and column."""
        drained = {}
        for kind, buffer in (
            ("crossings", self.state.events.crossings),
            ("gating", self.state.events.transitions),
            ("pumps", self.state.events.pump_moves),
        ):
            rows = buffer.rows[: buffer.n[0]].copy()
            buffer.n[0] = 0
            drained[kind] = {name: rows[name] for name in rows.dtype.names or ()}
            drained[kind].setdefault("time", rows["step"] * self.time_step)
        return drained

    # --- geometry of what is looked at ---

    def cell_edges(self, side: int) -> NDArray[np.float64]:
        """Return the edges of the bath cells of one side, as distances from the membrane in nm."""
        grid = self.state.box.grid
        edges = np.arange(grid.stride - 1) * grid.spacing
        return np.minimum(edges, self.state.box.lengths[side])

    def cells_along_x(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return centre and width of each cell, and the position of each node, along x in nm."""
        inner, outer = self.cell_edges(0), self.cell_edges(1)
        thickness = self.scenario.membrane.thickness
        centres = np.concatenate(
            [-(inner[1:] + inner[:-1])[::-1] / 2, thickness + (outer[1:] + outer[:-1]) / 2]
        )
        widths = np.concatenate([np.diff(inner)[::-1], np.diff(outer)])
        nodes = np.arange(self.state.box.grid.stride - 1) * self.state.box.grid.spacing
        return centres, widths, np.concatenate([-nodes[::-1], thickness + nodes])

    def _slots_of(self, ions: NDArray[np.int64]) -> NDArray:
        """Return where in memory some ions are: elsewhere than they were once they are sorted."""
        if self.state.plane is None:
            return ions
        slots = np.empty(self.n_slots, dtype=np.int64)
        locating.find_slots(self.state.plane.names, slots)
        return slots[ions]

    def _potential_at(self, side: int, distance: float, y: float | None) -> float:
        """Return the potential at a distance from the membrane in nm, in mV; without `y` the mean along it."""
        grid, plane = self.state.box.grid, self.state.plane
        if plane is None or y is None:
            along_x = self.state.look.potential.reshape(2, grid.stride)[side]
        else:
            in_plane = plane.look_potential.reshape(2, grid.stride, plane.mesh.n_along)[side]
            scaled = y / plane.mouths.period * plane.mesh.n_along
            node = int(scaled) % plane.mesh.n_along
            share = scaled - int(scaled)
            along_x = (1.0 - share) * in_plane[:, node] + share * in_plane[:, (node + 1) % plane.mesh.n_along]
        return float(np.interp(distance, np.arange(grid.stride - 1) * grid.spacing, along_x[:-1]))

    def _exchanged(self) -> NDArray[np.int64]:
        reservoirs = self.state.reservoirs
        if reservoirs is None:
            return np.zeros((len(self.composition.names), 2, 2), dtype=np.int64)
        return reservoirs.exchanged.copy()

    def cells_along_y(self) -> NDArray[np.float64]:
        """Return the centre of each cell along the membrane, nm; none in one dimension."""
        plane = self.state.plane
        if plane is None:
            return np.zeros(0)
        n_along = plane.mesh.n_along
        centres = (np.arange(n_along) + 0.5) * (plane.mouths.period / n_along)
        return centres.astype(np.float64)

    def _ions_in_pores(self) -> NDArray:
        return self.state.pores.table[: self.state.pores.n_ions[0]]


def bulk_distances(scenario: Scenario, composition: Composition) -> tuple[float, float]:
    """Return how far from the membrane the bulk begins on each side, in nm: past the double layer.

    Several Debye lengths, but at most half of the bath.
    """
    inside, outside = find_debye_lengths(scenario, composition)
    geometry = scenario.geometry
    return (
        min(BULK_DEBYE_LENGTHS * inside, geometry.inside_length / 2),
        min(BULK_DEBYE_LENGTHS * outside, geometry.outside_length / 2),
    )


def make_state(
    scenario: Scenario,
    composition: Composition,
    seed: int,
    time_step: float,
    threads: int,
    clamped_potential: float | None,
) -> stepping.State:
    """Return the arrays of a run at its start: ions uniform in their baths, gates by chance."""
    geometry, temperature = scenario.geometry, scenario.simulation.temperature
    lengths = np.array([geometry.inside_length, geometry.outside_length])
    spacing = resolve_grid_spacing(scenario, composition, time_step)
    # Nodes reach to or past the far walls; one more cell catches an ion exactly at the wall, one the ions in pores.
    stride = math.ceil(lengths.max() / spacing - 1e-9) + 2
    is_open = geometry.boundary == "bath"
    grid = Grid(
        stride=stride,
        spacing=spacing,
        area=geometry.area,
        permittivity=VACUUM_PERMITTIVITY * water_permittivity(temperature),
        membrane_capacitance=scenario.membrane.capacitance * geometry.area,
    )
    box = stepping.Box(
        time_step=time_step,
        thermal_potential=thermal_potential(temperature),
        ions_per_volume=IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR,
        lengths=lengths,
        baths=_make_baths(lengths, spacing, stride, is_open=is_open),
        look_baths=_make_baths(lengths, spacing, stride, is_open=False),
        grid=grid,
        end_nodes=np.ceil(lengths / spacing - 1e-9).astype(np.int64),
        end_charges=np.zeros(2, dtype=np.int64),
        end_conductivities=_reservoir_conductivities(composition, temperature, lengths, geometry.area)
        * is_open,
    )
    n_species = len(composition.names)
    slots = construction.slots(scenario, composition)
    ions = _make_ions(composition, slots, seed, lengths, time_step, box.thermal_potential)
    sums = Sums(
        counts=np.zeros((n_species, 2 * stride), dtype=np.int64),
        weight_sums=np.zeros((n_species, 2 * stride), dtype=np.int64),
        inverse_spacing=np.float32(1.0 / spacing),
        stride=stride,
    )
    thickness = scenario.membrane.thickness
    slope_per_drop = composition.valences / (thickness * box.thermal_potential)
    drop_per_move = 1.0 / (grid.membrane_capacitance * thickness) if clamped_potential is None else 0.0
    field = stepping.Field(
        field=np.zeros(2 * stride),
        drift=np.zeros((n_species, 2 * stride), dtype=np.float32),
        node_charges=np.zeros(2 * stride, dtype=np.int64),
        conductivities=np.zeros(2 * stride),
        slopes=np.zeros(n_species),
        slope_per_drop=slope_per_drop,
        slope_per_move=composition.valences * slope_per_drop * drop_per_move,
        slab_drop=np.zeros(1),
        clamped_drop=np.nan if clamped_potential is None else float(clamped_potential),
        entry_exponents=np.zeros((n_species, 2)),
        thresholds=np.zeros((n_species, 2), dtype=np.uint32),
    )
    n_channels = sum(one.count for one in scenario.channels)
    at_start = [command.potential for command in scenario.protocol.voltage if command.start == 0.0]
    if clamped_potential is not None:
        at_start = [clamped_potential]
    channels = proteins.make_channels(
        scenario,
        composition.names,
        seed,
        at_start[0] if at_start else 0.0,
        places=1 if geometry.dimensions == 1 else n_channels,
    )
    pumps = proteins.make_pumps(scenario, composition.names, composition.valences, seed)
    pores = _make_pores(scenario, composition, time_step, ions.positions.size)
    scratch = _make_scratch(ions, n_species, stride, threads)
    chunks, largest_chunk = scratch.candidates.shape
    plane = reservoirs = leavers = None
    if geometry.dimensions == 2:
        field.conductivities[:] = _conductivities_at_start(
            _reservoir_conductivities(composition, temperature, lengths, geometry.area), lengths, grid
        )
        plane = construction.make_plane(
            scenario,
            composition,
            ions,
            box,
            pores,
            field.conductivities,
            channels.potentials,
            place(scenario, seed),
            proteins.find_sensed(channels, pumps, n_species),
            seed,
            scratch.chunk_blocks,
            threads,
        )
    if is_open:
        reservoirs = construction.make_reservoirs(scenario, composition, ions, seed, spacing, time_step)
        leavers = construction.make_leavers(chunks, largest_chunk)
    return stepping.State(
        box=box,
        ions=ions,
        sums=sums,
        field=field,
        pores=pores,
        channels=channels,
        pumps=pumps,
        amplifier=make_amplifier(),
        carrier=composition.names.index(scenario.protocol.carrier) if scenario.protocol.carrier else 0,
        keys=stepping.Keys(*(stream_key(seed, stream) for stream in stepping.STREAMS)),
        events=_make_events(channels.chains.size, pumps.each.size),
        scratch=scratch,
        look=stepping.Look(
            counts=np.zeros_like(sums.counts) if plane is None else plane.look_sums.counts,
            weight_sums=np.zeros_like(sums.weight_sums),
            field=np.zeros(2 * stride),
            potential=np.zeros(2 * stride),
        ),
        plane=plane,
        line=0 if plane is None else None,
        reservoirs=reservoirs,
        leavers=leavers,
        step=np.zeros(1, dtype=np.int64),
    )


def _make_baths(lengths: NDArray, spacing: float, stride: int, is_open: bool) -> motion.Baths:
    inside, outside = np.float32(lengths[0]), np.float32(lengths[1])
    mirrors = (motion.TRANSPARENT, motion.TRANSPARENT) if is_open else (inside, outside)
    return motion.Baths(inside, outside, *mirrors, np.float32(1.0 / spacing), stride)


def _reservoir_conductivities(
    composition: Composition, temperature: float, lengths: NDArray, area: float
) -> NDArray[np.float64]:
    """Return the conductivity of each side at the start, (2,) e/(mV nm ns)."""
    counts = np.stack([composition.counts_inside, composition.counts_outside])
    mobile_charges = (
        composition.valences**2 * composition.diffusion_coefficients / thermal_potential(temperature)
    )
    return np.asarray(counts @ mobile_charges / (area * lengths), dtype=np.float64)


def _conductivities_at_start(
    conductivities: NDArray[np.float64], lengths: NDArray, grid: Grid
) -> NDArray[np.float64]:
    in_bath = np.arange(grid.stride) * grid.spacing < lengths[:, np.newaxis] - 1e-9
    return np.where(in_bath, conductivities[:, np.newaxis], 0.0).ravel()


def _make_ions(
    composition: Composition,
    slots: NDArray[np.int64],
    seed: int,
    lengths: NDArray,
    time_step: float,
    thermal: float,
) -> stepping.Ions:
    counts = np.stack([composition.counts_inside, composition.counts_outside], axis=1)
    first_ion = np.concatenate([[0], np.cumsum(slots)])
    draws = uniforms(stream_key(seed, streams.PLACEMENT), int(first_ion[-1]), 0)
    # Those of a species that are inside come first, then those outside, then those in no bath.
    parts = np.column_stack([counts, slots - counts.sum(axis=1)])
    side = np.repeat(np.tile([0, 1, 2], len(counts)), parts.ravel())
    is_absent = side == 2
    side[is_absent] = 1
    positions = (draws * lengths[side] * np.where(side == 0, -1.0, 1.0)).astype(np.float32)
    positions[is_absent] = PARKED
    # Rounding to float32 may put an ion onto a face; the sign is what says on which side it is.
    positions = np.where(
        np.abs(positions) < motion.NEAREST, np.where(side == 0, -1, 1) * motion.NEAREST, positions
    )
    starts, stops, species = [], [], []
    for i in range(len(slots)):
        for start in range(first_ion[i], first_ion[i + 1], motion.BLOCK):
            starts.append(start)
            stops.append(min(start + motion.BLOCK, first_ion[i + 1]))
            species.append(i)
    return stepping.Ions(
        positions=positions.astype(np.float32),
        first_ion=first_ion.astype(np.int64),
        block_start=np.array(starts, dtype=np.int64),
        block_stop=np.array(stops, dtype=np.int64),
        block_species=np.array(species, dtype=np.int64),
        valences=composition.valences.astype(np.int64),
        diffusion_coefficients=composition.diffusion_coefficients.astype(np.float64),
        mobile_charges=composition.valences**2 * composition.diffusion_coefficients / thermal,
        increment_scales=motion.increment_scale(composition.diffusion_coefficients, time_step),
    )


def _make_scratch(ions: stepping.Ions, n_species: int, stride: int, threads: int) -> stepping.Scratch:
    n_blocks = ions.block_start.size
    chunks = min(threads, n_blocks)
    chunk_blocks = np.linspace(0, n_blocks, chunks + 1).astype(np.int64)
    largest_chunk = int(np.diff(chunk_blocks).max()) * motion.BLOCK
    return stepping.Scratch(
        words=np.zeros((chunks, motion.BLOCK), dtype=np.uint32),
        ahead=np.zeros((chunks, motion.BLOCK), dtype=np.float32),
        cells=np.zeros((chunks, motion.BLOCK), dtype=np.uint32),
        weights=np.zeros((chunks, motion.BLOCK), dtype=np.uint32),
        displacements=np.zeros((chunks, motion.BLOCK), dtype=np.float32),
        histograms=np.zeros((chunks, HISTOGRAMS, 2 * stride), dtype=np.uint64),
        counts=np.zeros((chunks, n_species, 2 * stride), dtype=np.int64),
        weight_sums=np.zeros((chunks, n_species, 2 * stride), dtype=np.int64),
        candidates=np.zeros((chunks, largest_chunk), dtype=np.uint32),
        n_candidates=np.zeros(chunks, dtype=np.int64),
        chunk_blocks=chunk_blocks,
    )


def _make_pores(
    scenario: Scenario, composition: Composition, time_step: float, slots_in_all: int
) -> crossing.Pores:
    types, thickness = scenario.channels, scenario.membrane.thickness
    counts = np.array([one.count for one in types], dtype=np.int64)
    permeability = proteins.level_permeabilities(scenario, composition.names)
    largest = permeability.max(axis=1, keepdims=True, initial=0.0)
    # From the outside a closed channel takes ions as the one that conducts best does.
    from_outside = permeability.copy()
    from_outside[:, :1] = largest
    # A level that conducts less is a slower pore, as wide as the others; closed, it is as fast as the best.
    relative = np.divide(from_outside, largest, out=np.zeros_like(permeability), where=largest > 0.0)
    diffusion = np.array([one.pore.diffusion_coefficient for one in types], dtype=np.float64)
    substeps = np.ceil(2.0 * diffusion * time_step / (PORE_STEP * thickness) ** 2)
    return crossing.Pores(
        thickness=thickness,
        first_channel=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        capture=np.stack([permeability, from_outside], axis=3) * thickness,
        diffusion_coefficient=relative * diffusion[:, np.newaxis, np.newaxis],
        mouth_depth=np.array([one.pore.mouth_depth for one in types], dtype=np.float64),
        substeps=substeps.astype(np.int64),
        n_ions=np.zeros(1, dtype=np.int64),
        # As many rows as ions, so that the table is never full; memory that is not touched costs nothing.
        table=np.zeros(slots_in_all, dtype=crossing.PORE_ION),
        crossings=np.zeros((len(types), len(composition.names), 2), dtype=np.int64),
    )


def _make_events(n_channels: int, n_pumps: int) -> stepping.Events:
    """Return empty buffers. A step may fill half of one: many times what channels and pumps can do in it."""

    def rows(kind: np.dtype, proteins: int) -> tuple[NDArray, NDArray]:
        return np.zeros(1, dtype=np.int64), np.zeros((1 << 17) + 64 * proteins, dtype=kind)

    return stepping.Events(
        crossing.Crossings(*rows(crossing.CROSSING, n_channels)),
        Transitions(*rows(TRANSITION, n_channels)),
        PumpMoves(*rows(PUMP_MOVE, MOST_IONS * n_pumps)),
    )
