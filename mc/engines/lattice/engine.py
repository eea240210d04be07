"""The lattice engine: a scenario becomes counts of ions in voxels, steps are made, the present is looked at."""

import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from mc.compilation import available_threads
from mc.engines import proteins
from mc.engines.base import NOWHERE, Maps, Observation, Observations, Watch
from mc.engines.brownian.engine import bulk_distances
from mc.engines.driven import DrivenEngine
from mc.engines.lattice import construction, observing, stepping
from mc.engines.memory import named, restore
from mc.errors import LedgerError, StabilityError
from mc.scenario.composition import compose
from mc.scenario.schema import Scenario

MOST_WATCHED = 256
"""At how many moments a run looks in one go."""


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
        # Also gets the kernel ready, which takes longer than many a run has between two records.
        self._stop_at([self.step], self._no_views)

    def advance(self, n_steps: int) -> int:
        """Make up to `n_steps` steps and return how many were made; fewer when events wait to be drained."""
        numba.set_num_threads(self.threads)
        before = self.step
        self._stop_at([before + self._follow_protocol(n_steps)], self._no_views)
        self._check_electrodes()
        return self.step - before

    def _stop_at(self, stops: Sequence[int], views: observing.Views) -> int:
        """Make steps and look at each stop; return at how many it was."""
        return int(stepping.advance(self.state, np.array(stops, dtype=np.int64), self._measures, views))

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

    def observe(self) -> Observation:
        """Look at the present state without changing it.

        Raises LedgerError if an ion or a charge is missing, or if the field does not agree with the charges.
        """
        views = self._make_views(1)
        self._stop_at([self.step], views)
        if self.state.plane is not None:
            by_column = self.state.field.look_potential.reshape(-1, self.state.box.voxels.columns)
            views.potential[0] = self._along_x(by_column.mean(axis=1))
        seen, error = self._tell(views, [self.step])
        if error is not None:
            raise error
        return replace(seen.at(0), electrodes=self._read_electrodes(), maps=self._maps())

    @property
    def most_watched(self) -> int:
        """At how many moments `watch` looks at most: at one where there is more to see than what it keeps."""
        return MOST_WATCHED if self.state.plane is None and not self.scenario.electrodes else 1

    def watch(
        self, stops: Sequence[int], located_at: Collection[int] = (), ions: NDArray[np.int64] | None = None
    ) -> Watch:
        """Make steps until each of the `stops` in turn and look; see `mc.engines.base.Engine`."""
        if self.most_watched == 1:
            return super().watch(stops, located_at, ions)
        started = time.monotonic()
        within, last = self._until_a_change(stops)
        goal = within if last in within else [*within, last]
        views = self._make_views(len(goal))
        stepping_since = time.monotonic()
        n_reached = min(self._stop_at(goal, views), len(within))
        seconds_of_steps = time.monotonic() - stepping_since - float(views.seconds.sum())
        seen, error = self._tell(observing.Views(*(one[:n_reached] for one in views)), within[:n_reached])
        return Watch(
            seen if len(seen.ions) else None,
            dict.fromkeys(located_at, NOWHERE),
            error or self._find_empty_electrode(),
            time.monotonic() - started - seconds_of_steps,
        )

    def _find_empty_electrode(self) -> StabilityError | None:
        """Return the error of an electrode that found no ion, if one did not."""
        try:
            self._check_electrodes()
        except StabilityError as error:
            return error
        return None

    def _tell(self, views: observing.Views, steps: Sequence[int]) -> tuple[Observations, LedgerError | None]:
        """Return what was seen after so many steps each, until an ion or a charge is missing, and the error then."""
        n, n_species = len(steps), len(self.composition.names)
        inside = self._sides[0].stop
        drops = views.charges[:, 0] / self.state.box.grid.membrane_capacitance
        values: dict[str, Any] = {
            "step": np.array(steps, dtype=np.int64),
            "membrane_potential": self._bulk_means(views.potential, 0) - self._bulk_means(views.potential, 1),
            "charge_separation_potential": drops,
            "field_potential_drop": views.potential[:, inside - 1] - views.potential[:, inside],
            "total_charge": views.charges.sum(axis=1).astype(np.float64),
            "injected_charge": views.injected_charge,
            "command_potential": np.array([self._command_potential(step) for step in steps]),
        }
        seen = Observations(
            **values,
            ions=views.ions,
            ions_in_pores=np.zeros((n, n_species), dtype=np.int64),
            bulk_concentrations=views.bulk_concentrations,
            cell_concentrations=views.cell_concentrations,
            potential=views.potential,
            open_channels=views.open_channels,
            permeability=views.permeability,
            states=self._by_type(views.states),
            crossings=views.crossings,
            displaced_charge=views.displaced_charge,
            pump_cycles=views.pump_cycles,
            electrodes=np.zeros((n, 0)),
            exchanged=views.exchanged,
            maps=None,
        )
        is_good = self._is_good(views.is_whole, seen)
        return self._until_wrong(seen, views.is_whole, is_good, seen.field_potential_drop)

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

    def _bulk_means(self, potential: NDArray[np.float64], side: int) -> NDArray[np.float64]:
        """Return the mean in the bulk of one side of each (moments,) of `potential`, (moments, cells) along x."""
        inner, rows, bulk = self._sides[0], self._sides[side], self._bulk_rows[side]
        by_row = potential[:, inner.stop :] if side else potential[:, : inner.stop][:, ::-1]
        values = np.ascontiguousarray(by_row[:, bulk.start - rows.start :])
        widths = self.state.box.voxels.widths[bulk]
        return np.asarray((values * widths).sum(axis=1) / widths.sum())

    @cached_property
    def _ions_per_millimolar(self) -> NDArray[np.float64]:
        """The ions of a 1 mM solution in each row, (2 * stride,)."""
        box = self.state.box
        return np.asarray(box.voxels.volumes * box.voxels.columns * box.ions_per_volume, dtype=np.float64)

    @cached_property
    def _measures(self) -> observing.Measures:
        """What counts are measured by."""
        per_millimolar = self._ions_per_millimolar
        sides = zip(self._sides, self._bulk_rows, strict=True)
        return observing.Measures(
            n_voxels=self.state.box.voxels.n_voxels,
            bulk_from=np.array([bulk.start - rows.start for rows, bulk in sides]),
            ions_per_millimolar=per_millimolar,
            bulk_ions_per_millimolar=np.array([per_millimolar[rows].sum() for rows in self._bulk_rows]),
            ions_at_start=self.ions_at_start.sum(axis=1),
            level_permeabilities=self.state.pores.permeabilities,
            timespec=np.zeros(2, dtype=np.int64),
        )

    @cached_property
    def _no_views(self) -> observing.Views:
        """Room for nothing, where only steps are made."""
        return self._make_views(0)

    def _make_views(self, n: int) -> observing.Views:
        """Return room for what is seen at so many moments."""
        n_species, (n_types, n_states) = len(self.composition.names), self.state.channels.levels.shape
        n_cells = int(self.state.box.voxels.n_voxels.sum())
        return observing.Views(
            is_whole=np.empty(n, dtype=np.bool_),
            charges=np.empty((n, 2), dtype=np.int64),
            ions=np.empty((n, n_species, 2), dtype=np.int64),
            bulk_concentrations=np.empty((n, n_species, 2)),
            cell_concentrations=np.empty((n, n_species, n_cells)),
            potential=np.empty((n, n_cells)),
            open_channels=np.empty((n, n_types), dtype=np.int64),
            states=np.empty((n, n_types, n_states), dtype=np.int64),
            permeability=np.empty((n, n_species)),
            crossings=np.empty((n, n_types, n_species, 2), dtype=np.int64),
            displaced_charge=np.empty((n, n_types, n_species)),
            pump_cycles=np.empty((n, *self.state.pumps.cycles.shape), dtype=np.int64),
            injected_charge=np.empty(n, dtype=np.int64),
            exchanged=np.empty((n, n_species, 2, 2), dtype=np.int64),
            seconds=np.zeros(n),
        )

    def _maps(self) -> Maps | None:
        if self.state.plane is None:
            return None
        potential = self.state.field.look_potential.reshape(-1, self.state.box.voxels.columns)
        by_column = self.state.counts.swapaxes(1, 2)
        per_millimolar = self._along_x(self._ions_per_millimolar) / self.state.box.voxels.columns
        # Known in the middle of each voxel; told at its near end, as the other engines know it.
        at_near_ends = (potential + np.roll(potential, 1, axis=1)) / 2.0
        return Maps(
            concentrations=(self._along_x(by_column) / per_millimolar).swapaxes(1, 2),
            potential=self._along_x(at_near_ends.T).T,
        )

    def _is_good(self, is_whole: NDArray[np.bool_], seen: Observations) -> NDArray[np.bool_]:
        """Return of each moment whether no ion is missing, the box is neutral, and the field that of the charges."""
        if not math.isnan(self.state.field.clamped_drop):
            return is_whole
        drops = np.asarray(seen.charge_separation_potential)
        # What is not a number is not for the ledger to tell.
        disagrees = abs(drops - seen.field_potential_drop) > 1e-9 * (1.0 + abs(drops))
        return is_whole & ~disagrees & (np.asarray(seen.total_charge) == 0.0)
