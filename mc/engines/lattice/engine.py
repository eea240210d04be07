"""The lattice engine: a scenario becomes counts of ions in voxels, steps are made, the present is looked at."""

import math
from collections.abc import Mapping
from functools import cached_property

import numba
import numpy as np
from numpy.typing import NDArray

from mc.compilation import available_threads
from mc.engines import proteins
from mc.engines.base import Maps, Observation
from mc.engines.brownian.engine import bulk_distances
from mc.engines.driven import DrivenEngine
from mc.engines.lattice import construction, observing, stepping
from mc.engines.memory import named, restore
from mc.errors import LedgerError
from mc.scenario.composition import compose
from mc.scenario.schema import Scenario


class LatticeEngine(DrivenEngine):
    """Counts of ions in voxels, in one or two dimensions; see `mc.engines.base.Engine`.

    `clamped_potential`, in mV, holds the potential across the slab; the baths then have no field.
    """

    def __init__(
        self,
        scenario: Scenario,
        seed: int,
        time_step: float,
        threads: int | None = None,
        clamped_potential: float | None = None,
    ) -> None:
        self.scenario = scenario
        self.composition = compose(scenario)
        self.time_step = time_step
        self.threads = min(threads or available_threads(), available_threads())
        if scenario.geometry.dimensions == 1:
            # A row of voxels is too little to share.
            self.threads = 1
        self.bulk_from = bulk_distances(scenario, self.composition)
        numba.set_num_threads(self.threads)
        self.seed = seed
        self.state = construction.make_state(
            scenario, self.composition, seed, time_step, self.threads, clamped_potential
        )
        self._begin_protocol()
        stepping.settle(self.state)

    def advance(self, n_steps: int) -> int:
        """Make up to `n_steps` steps and return how many were made; fewer when events wait to be drained."""
        numba.set_num_threads(self.threads)
        made = int(stepping.advance(self.state, self._follow_protocol(n_steps)))
        self._check_electrodes()
        return made

    def _notice_changes(self) -> None:
        stepping.refresh(self.state)

    def _fill_reservoirs(self, scenario: Scenario) -> None:
        means = construction.reservoir_means(scenario, compose(scenario), self.state.box)
        self.state.reservoirs.means[:] = means

    def memory(self) -> dict[str, NDArray]:
        """Return the arrays that change as steps are made, by name: all that is needed to go on."""
        state, plane = self.state, self.state.plane
        arrays = {
            "step": state.step,
            "counts": state.counts,
            **named("field", state.field, "conductivities", "potential", "drops", "look_potential"),
            **named("pores", state.pores, "by_type", "totals", "crossings"),
            **named("reservoirs", state.reservoirs, "exchanged", "end_charges"),
            **proteins.remember(state.channels, state.pumps, state.amplifier),
        }
        if plane is not None:
            arrays |= named("plane.implicit", plane.implicit, "multipliers", "inverse_pivots")
        return arrays

    def take_up(self, saved: Mapping[str, NDArray]) -> None:
        """Go on from what `memory` once returned, in an engine of the same scenario, or of one as large.

        Raises RecordingError where the arrays do not fit.
        """
        # What the protocol changed before is then overwritten, but for what is no array.
        self._do_what_is_due(int(saved["step"][0]) - 1)
        restore(self.memory(), saved)

    def observe(self, slots: NDArray[np.int64] | None = None) -> Observation:
        """Look at the present state without changing it.

        Raises LedgerError if an ion or a charge is missing, or if the field does not agree with the charges.
        """
        state, view = self.state, self._make_view()
        potential = state.field.look_potential.reshape(-1, state.box.voxels.columns)
        means = potential[:, 0] if state.plane is None else potential.mean(axis=1)
        crossings, exchanged = state.pores.crossings, state.reservoirs.exchanged
        is_whole, inner_charge, outer_charge, inner_bulk, outer_bulk = observing.look_around(
            state.counts,
            means,
            state.species.valences,
            exchanged,
            state.reservoirs.end_charges,
            state.channels.chains,
            state.channels.n_at_level,
            crossings,
            self._measures,
            view,
        )
        drop = float(inner_charge) / state.box.grid.membrane_capacitance
        total_charge = float(inner_charge + outer_charge)
        field_drop = float(means[0] - means[state.box.grid.stride])
        self._check_ledger(is_whole, view.ions, total_charge, drop, field_drop)
        return Observation(
            step=self.step,
            membrane_potential=inner_bulk - outer_bulk,
            charge_separation_potential=drop,
            field_potential_drop=field_drop,
            ions=view.ions,
            ions_in_pores=np.zeros(len(view.ions), dtype=np.int64),
            bulk_concentrations=view.bulk_concentrations,
            cell_concentrations=view.cell_concentrations,
            potential=view.potential,
            positions=np.zeros(0),
            places=np.zeros((0, 0)),
            open_channels=view.open_channels,
            permeability=view.permeability,
            states=self._by_type(view.states),
            total_charge=total_charge,
            crossings=crossings.copy(),
            displaced_charge=view.displaced_charge,
            pump_cycles=state.pumps.cycles.copy(),
            injected_charge=int(state.amplifier.injected[0]),
            command_potential=self._command_potential(),
            electrodes=self._read_electrodes(),
            exchanged=exchanged.copy(),
            maps=self._maps(potential),
        )

    def drain_events(self) -> dict[str, dict[str, NDArray]]:
        """Return the transitions of gates since the last call; ions have no names, so nothing else has events."""
        transitions = self.state.transitions
        rows = transitions.rows[: transitions.n[0]].copy()
        transitions.n[0] = 0
        return {"gating": {name: rows[name] for name in rows.dtype.names or ()}}

    # --- geometry of what is looked at ---

    def cells_along_x(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return centre and width of each voxel, and the position of each node, along x in nm."""
        box, thickness = self.state.box, self.scenario.membrane.thickness
        widths = self._along_x(box.voxels.widths)
        inside = int(box.voxels.n_voxels[0])
        ends = np.cumsum(widths)
        centres = ends - widths / 2.0 - ends[inside - 1]
        centres[inside:] += thickness
        distances = np.tile(np.arange(box.grid.stride) * box.grid.spacing, 2)
        nodes = self._along_x(distances)
        return centres, widths, np.concatenate([-nodes[:inside], thickness + nodes[inside:]])

    def cells_along_y(self) -> NDArray[np.float64]:
        """Return the centre of each voxel along the membrane, nm; none in one dimension."""
        box = self.state.box
        if self.state.plane is None:
            return np.zeros(0)
        return np.asarray((np.arange(box.voxels.columns) + 0.5) * box.voxels.spacing_along, dtype=np.float64)

    def _potential_at(self, side: int, distance: float, y: float | None) -> float:
        """Return the potential at a distance from the membrane in nm, in mV; without `y` the mean along it."""
        box = self.state.box
        by_column = self.state.field.look_potential.reshape(-1, box.voxels.columns)[self._sides[side]]
        if self.state.plane is None or y is None:
            along_x = by_column.mean(axis=1)
        else:
            # Known in the middle of each voxel.
            scaled = y / box.voxels.spacing_along - 0.5
            column, share = math.floor(scaled), scaled - math.floor(scaled)
            near, far = (
                by_column[:, column % box.voxels.columns],
                by_column[:, (column + 1) % box.voxels.columns],
            )
            along_x = (1.0 - share) * near + share * far
        return float(np.interp(distance, np.arange(along_x.size) * box.grid.spacing, along_x))

    @cached_property
    def _sides(self) -> tuple[slice, slice]:
        """The rows of each side."""
        stride, (inside, outside) = self.state.box.grid.stride, self.state.box.voxels.n_voxels.tolist()
        return slice(0, inside), slice(stride, stride + outside)

    def _along_x(self, by_row: NDArray) -> NDArray:
        """Return rows (last axis) in the order of x: those inside from the far end, then those outside."""
        inner, outer = self._sides
        return np.concatenate([by_row[..., inner][..., ::-1], by_row[..., outer]], axis=-1)

    @cached_property
    def _bulk_rows(self) -> tuple[slice, slice]:
        """The rows of the bulk of each side: at least the last one."""
        spacing = self.state.box.grid.spacing
        inside, outside = (
            slice(rows.start + min(math.ceil(start / spacing), rows.stop - rows.start - 1), rows.stop)
            for rows, start in zip(self._sides, self.bulk_from, strict=True)
        )
        return inside, outside

    @cached_property
    def _ions_per_millimolar(self) -> NDArray[np.float64]:
        """The ions of a 1 mM solution in each row, (2 * stride,)."""
        box = self.state.box
        return np.asarray(box.voxels.volumes * box.voxels.columns * box.ions_per_volume, dtype=np.float64)

    @cached_property
    def _measures(self) -> observing.Measures:
        """What counts are measured by."""
        voxels, per_millimolar, composition = self.state.box.voxels, self._ions_per_millimolar, self.composition
        sides = zip(self._sides, self._bulk_rows, strict=True)
        return observing.Measures(
            n_voxels=voxels.n_voxels,
            bulk_from=np.array([bulk.start - rows.start for rows, bulk in sides]),
            widths=voxels.widths,
            ions_per_millimolar=per_millimolar,
            bulk_ions_per_millimolar=np.array([per_millimolar[rows].sum() for rows in self._bulk_rows]),
            bulk_lengths=np.array([voxels.widths[rows].sum() for rows in self._bulk_rows]),
            ions_at_start=composition.counts_inside + composition.counts_outside,
            level_permeabilities=self.state.pores.permeabilities,
            weighted=np.empty_like(voxels.widths),
        )

    def _make_view(self) -> observing.View:
        """Return room for what is seen."""
        n_species, (n_types, n_states) = len(self.composition.names), self.state.channels.levels.shape
        n_cells = self._sides[0].stop + self._sides[1].stop - self._sides[1].start
        return observing.View(
            ions=np.empty((n_species, 2), dtype=np.int64),
            bulk_concentrations=np.empty((n_species, 2)),
            cell_concentrations=np.empty((n_species, n_cells)),
            potential=np.empty(n_cells),
            open_channels=np.empty(n_types, dtype=np.int64),
            states=np.empty((n_types, n_states), dtype=np.int64),
            permeability=np.empty(n_species),
            displaced_charge=np.empty((n_types, n_species)),
        )

    def _maps(self, potential: NDArray[np.float64]) -> Maps | None:
        if self.state.plane is None:
            return None
        by_column = self.state.counts.swapaxes(1, 2)
        per_millimolar = self._along_x(self._ions_per_millimolar) / self.state.box.voxels.columns
        # Known in the middle of each voxel; told at its near end, as the other engines know it.
        at_near_ends = (potential + np.roll(potential, 1, axis=1)) / 2.0
        return Maps(
            concentrations=(self._along_x(by_column) / per_millimolar).swapaxes(1, 2),
            potential=self._along_x(at_near_ends.T).T,
        )

    def _check_ledger(
        self, is_whole: bool, ions: NDArray[np.int64], total_charge: float, drop: float, field_drop: float
    ) -> None:
        """Raise LedgerError unless no ion is missing, the box neutral, and the field that of the charges."""
        time = self.step * self.time_step
        if not is_whole:
            exchanged = self.state.reservoirs.exchanged.sum(axis=1)
            expected = self._measures.ions_at_start + exchanged[:, 0] - exchanged[:, 1]
            raise LedgerError(
                f"ions were lost or made by {time:g} ns: expected {expected.tolist()} of "
                f"{list(self.composition.names)}, counted {ions.sum(axis=1).tolist()}"
            )
        if not math.isnan(self.state.field.clamped_drop):
            return
        if total_charge != 0.0 or abs(drop - field_drop) > 1e-9 * (1.0 + abs(drop)):
            raise LedgerError(
                f"charge was lost or made by {time:g} ns: the box holds {total_charge:g} e; counted charge puts "
                f"{drop:.9g} mV across the membrane, the field {field_drop:.9g} mV"
            )
