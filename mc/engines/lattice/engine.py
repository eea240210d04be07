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
from mc.engines.lattice import construction, stepping
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
        self.permeability = proteins.level_permeabilities(scenario, self.composition.names)
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
        state = self.state
        counts = state.counts.sum(axis=2)
        ions = counts.reshape(len(counts), 2, -1).sum(axis=2)
        valences = state.species.valences
        end_charges = state.reservoirs.end_charges.sum(axis=1)
        charges = valences @ ions + end_charges
        drop = float(charges[0]) / state.box.grid.membrane_capacitance
        potential = state.field.look_potential.reshape(-1, state.box.voxels.columns)
        means = potential.mean(axis=1)
        inner, outer = (self._rows_of(side) for side in range(2))
        self._check_ledger(ions, charges, drop, float(means[inner][0] - means[outer][0]))
        return Observation(
            step=self.step,
            membrane_potential=self._bulk_mean(means, 0) - self._bulk_mean(means, 1),
            charge_separation_potential=drop,
            field_potential_drop=float(means[inner][0] - means[outer][0]),
            ions=ions,
            ions_in_pores=np.zeros(len(ions), dtype=np.int64),
            bulk_concentrations=self._bulk_concentrations(counts),
            cell_concentrations=self._along_x(counts) / self._along_x(self._ions_per_millimolar),
            potential=self._along_x(means),
            positions=np.zeros(0),
            places=np.zeros((0, 0)),
            open_channels=state.channels.n_at_level[:, 1:].sum(axis=1),
            permeability=np.einsum("tl,tls->s", state.channels.n_at_level, self.permeability),
            states=self._count_states(),
            total_charge=float(charges.sum()),
            crossings=state.pores.crossings.copy(),
            displaced_charge=(state.pores.crossings[:, :, 0] - state.pores.crossings[:, :, 1])
            * valences.astype(np.float64),
            pump_cycles=state.pumps.cycles.copy(),
            injected_charge=int(state.amplifier.injected[0]),
            command_potential=self._command_potential(),
            electrodes=self._read_electrodes(),
            exchanged=state.reservoirs.exchanged.copy(),
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
        by_column = self.state.field.look_potential.reshape(-1, box.voxels.columns)[self._rows_of(side)]
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

    def _rows_of(self, side: int) -> slice:
        first = side * self.state.box.grid.stride
        return slice(first, first + int(self.state.box.voxels.n_voxels[side]))

    def _along_x(self, by_row: NDArray) -> NDArray:
        """Return rows (last axis) in the order of x: those inside from the far end, then those outside."""
        return np.concatenate(
            [by_row[..., self._rows_of(0)][..., ::-1], by_row[..., self._rows_of(1)]], axis=-1
        )

    @cached_property
    def _bulk_rows(self) -> tuple[slice, slice]:
        """The rows of the bulk of each side: at least the last one."""
        spacing, of_sides = self.state.box.grid.spacing, [self._rows_of(side) for side in range(2)]
        inside, outside = (
            slice(rows.start + min(math.ceil(start / spacing), rows.stop - rows.start - 1), rows.stop)
            for rows, start in zip(of_sides, self.bulk_from, strict=True)
        )
        return inside, outside

    def _bulk_mean(self, values: NDArray[np.float64], side: int) -> float:
        rows = self._bulk_rows[side]
        widths = self.state.box.voxels.widths[rows]
        return float((values[rows] * widths).sum() / widths.sum())

    @cached_property
    def _ions_per_millimolar(self) -> NDArray[np.float64]:
        """The ions of a 1 mM solution in each row, (2 * stride,)."""
        box = self.state.box
        return np.asarray(box.voxels.volumes * box.voxels.columns * box.ions_per_volume, dtype=np.float64)

    def _bulk_concentrations(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        per_millimolar = self._ions_per_millimolar
        concentrations = np.empty((len(counts), 2))
        for side, rows in enumerate(self._bulk_rows):
            concentrations[:, side] = counts[:, rows].sum(axis=1) / per_millimolar[rows].sum()
        return concentrations

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

    def _check_ledger(self, ions: NDArray, charges: NDArray, drop: float, field_drop: float) -> None:
        composition, exchanged = self.composition, self.state.reservoirs.exchanged.sum(axis=1)
        expected = composition.counts_inside + composition.counts_outside + exchanged[:, 0] - exchanged[:, 1]
        time = self.step * self.time_step
        if (ions.sum(axis=1) != expected).any() or self.state.counts.min() < 0:
            raise LedgerError(
                f"ions were lost or made by {time:g} ns: expected {expected.tolist()} of "
                f"{list(composition.names)}, counted {ions.sum(axis=1).tolist()}"
            )
        if not np.isnan(self.state.field.clamped_drop):
            return
        if charges.sum() != 0 or abs(drop - field_drop) > 1e-9 * (1.0 + abs(drop)):
            raise LedgerError(
                f"charge was lost or made by {time:g} ns: the box holds {charges.sum():g} e; counted charge puts "
                f"{drop:.9g} mV across the membrane, the field {field_drop:.9g} mV"
            )
