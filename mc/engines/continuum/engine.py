"""The continuum engine: Poisson's, Nernst's and Planck's equations, with channels and pumps as their means."""

import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
from mc.engines import proteins
from mc.engines.base import NOWHERE, Maps, Observation, Observations, Watch
from mc.engines.brownian.engine import bulk_distances
from mc.engines.continuum import construction, stepping
from mc.engines.continuum.equations import NO_DRIVE, Drive
from mc.engines.driven import DrivenEngine
from mc.engines.memory import restore
from mc.errors import LedgerError, McError
from mc.membrane.gating import Channels
from mc.membrane.protocols import CURRENT, VOLTAGE, Amplifier, command_at, make_amplifier
from mc.membrane.transport import Pumps
from mc.scenario.composition import compose
from mc.scenario.schema import Scenario

FIRST_STEP = 1e-3
"""Length of the first step over the time between two observations."""

ROUNDING = 1e-9
"""Relative error of sums of ions that rounding may have made."""

LARGEST_CHARGE_ERROR = 1e-5
"""e; of the whole box."""

MOST_WATCHED = 64
"""At how many moments a run looks in one go."""


class State(NamedTuple):
    """What changes as the run goes on, and what a protocol acts on."""

    step: NDArray[np.int64]
    """(1,) steps done."""
    stores: NDArray[np.float64]
    """See `flows.Stores`."""
    next_step: NDArray[np.float64]
    """(1,) length in ns of the next step of the equations' own."""
    channels: Channels
    pumps: Pumps
    amplifier: Amplifier


class ContinuumEngine(DrivenEngine):
    """Concentrations and mean open fractions, in one or two dimensions; see `mc.engines.base.Engine`.

    Nothing is random, so that `seed` says only where proteins without a given place stand. `time_step` is the time
    from one observation, or change of a protocol, to the next; the equations take as many steps in it as they need.
    """

    def __init__(
        self,
        scenario: Scenario,
        seed: int,
        time_step: float,
        threads: int | None = None,
        clamped_potential: float | None = None,
    ) -> None:
        self.scenario, self.composition = scenario, compose(scenario)
        self.seed, self.time_step = seed, time_step
        self.clamped_potential = clamped_potential
        names = self.composition.names
        at_start = potential_at_start(scenario) if clamped_potential is None else clamped_potential
        channels = proteins.make_channels(scenario, names, seed, at_start, places=1)
        pumps = proteins.make_pumps(scenario, names, self.composition.valences, seed)
        self.model = construction.make_model(
            scenario, self.composition, channels, pumps, seed, clamped_potential
        )
        self.bulk_from = bulk_distances(scenario, self.composition)
        self.capacitance = scenario.membrane.capacitance * scenario.geometry.area
        numbering, grid = self.model.stores, self.model.grid
        self.ions_at_start = construction.fill_sides(scenario, self.composition)
        stores = np.zeros(numbering.n_stores)
        stores[numbering.ions] = construction.spread(self.ions_at_start, grid)
        stores[numbering.states] = construction.states_at_start(scenario, self.model.channels, at_start)
        self.state = State(
            step=np.zeros(1, dtype=np.int64),
            stores=stores,
            next_step=np.array([FIRST_STEP * time_step]),
            channels=channels,
            pumps=pumps,
            amplifier=make_amplifier(),
        )
        by_species = self.ions_at_start.sum(axis=1, keepdims=True)
        group_sizes = self.model.channels.sizes[self.model.channels.state_group]
        self.scales = stepping.Scales(
            tolerance=stepping.TOLERANCE,
            ions=stepping.NEGLIGIBLE * (by_species + ROUNDING * by_species.sum()) / grid.n_nodes,
            channels=group_sizes.astype(np.float64),
        )
        self._begin_protocol()

    # --- time ---

    def advance(self, n_steps: int) -> int:
        """Make up to `n_steps` steps and return how many were made."""
        to_make = self._follow_protocol(n_steps)
        for _ in range(to_make):
            self._make_step()
        return to_make

    def _make_step(self) -> None:
        state = self.state
        now = self.step * self.time_step
        drive = self._find_drive(now)
        stores, next_step = stepping.integrate(
            self.model.equations,
            drive,
            state.stores,
            now,
            self.time_step,
            min(float(state.next_step[0]), self.time_step),
            self.scales,
        )
        state.stores[:] = stores
        state.next_step[0] = next_step
        state.step[0] += 1
        if drive is not NO_DRIVE:
            numbering, carrier = self.model.stores, self._carrier()
            by_side = stores[numbering.ions[carrier]]
            lacking = [by_side[self.model.grid.nodes_of(side)].sum() <= 0.0 for side in range(2)]
            state.amplifier.is_empty[0] |= any(lacking)
        self._check_electrodes()

    def _find_drive(self, now: float) -> Drive:
        """Return what the amplifier does in the step to come; one that holds a potential first puts it right."""
        amplifier = self.state.amplifier
        if amplifier.mode[0] == CURRENT:
            return Drive(float(command_at(amplifier, now)), float(amplifier.slope[0]), now, False)
        if amplifier.mode[0] == VOLTAGE:
            lacking = float(command_at(amplifier, now)) * self.capacitance - self._inside_charge()
            self._move_charge(lacking)
            return Drive(float(amplifier.slope[0]) * self.capacitance, 0.0, now, True)
        return NO_DRIVE

    def _carrier(self) -> int:
        return self.composition.names.index(self.scenario.protocol.carrier or self.composition.names[0])

    def _inside_charge(self) -> float:
        """Return the charge on the inner side of the membrane, e."""
        stores = self.state.stores[None]
        nodes = self.model.stores.ions[:, self.model.grid.nodes_of(0)]
        ions = stores.take(nodes, axis=1).sum(axis=2) + self._lent(stores)[:, :, 0]
        return float((ions[0] * self.composition.valences).sum())

    def _move_charge(self, charge: float) -> None:
        """Bring charge into the cell at once, as the carrier: from the far end on, as far as it takes."""
        numbering, grid, stores = self.model.stores, self.model.grid, self.state.stores
        carrier = self._carrier()
        moved = charge / int(self.composition.valences[carrier])
        source, target = (1, 0) if moved > 0.0 else (0, 1)
        left = abs(moved)
        if numbering.exchanged.size:
            # Reservoirs keep what they hold, and lend what is moved.
            stores[numbering.exchanged[carrier, source]] += left / grid.columns
            stores[numbering.exchanged[carrier, target]] -= left / grid.columns
        else:
            rows = numbering.ions[carrier].reshape(-1, grid.columns)
            for row in rows[grid.rows_of(source)][::-1]:
                present = stores[row]
                taken = min(left, float(present.sum()))
                if taken > 0.0:
                    stores[row] -= taken * present / present.sum()
                left -= taken
            if left > 0.0:
                self.state.amplifier.is_empty[0] = True
            stores[numbering.ions[carrier, grid.ends[target]]] += (abs(moved) - left) / grid.columns
        stores[numbering.injected] += charge

    # --- what a protocol changes ---

    def _notice_changes(self) -> None:
        """Bring up to date what of the channels and pumps no drug blocks."""
        model, state = self.model, self.state
        blocked = state.channels.chains["is_blocked"]
        sizes = model.channels.sizes
        model.channels.free_share[:] = (
            1.0 - np.bincount(model.channel_group, blocked, minlength=sizes.size) / sizes
        )
        model.pumps.free[:] = np.bincount(
            model.pump_group, ~state.pumps.each["is_blocked"], minlength=model.pumps.free.size
        )
        # After a change the equations are to be followed closely.
        state.next_step[0] = min(state.next_step[0], FIRST_STEP * self.time_step)

    def _fill_reservoirs(self, scenario: Scenario) -> None:
        numbering, grid, stores = self.model.stores, self.model.grid, self.state.stores
        filled = construction.spread(construction.fill_sides(scenario, compose(scenario)), grid)
        at_ends = numbering.ions[:, grid.ends]
        gained = filled[:, grid.ends] - stores[at_ends]
        stores[at_ends] += gained
        stores[numbering.exchanged] += gained

    # --- what is kept ---

    def memory(self) -> dict[str, NDArray]:
        """Return the arrays that change as steps are made, by name: all that is needed to go on."""
        state = self.state
        return {
            "step": state.step,
            "stores": state.stores,
            "next_step": state.next_step,
            **proteins.remember(state.channels, state.pumps, state.amplifier),
        }

    def take_up(self, saved: Mapping[str, NDArray]) -> None:
        """Go on from what `memory` once returned, in an engine of the same scenario, or of one as large.

        Raises RecordingError where the arrays do not fit.
        """
        # What the protocol changed before is then overwritten, but for what is no array.
        self._do_what_is_due(int(saved["step"][0]) - 1)
        restore(self.memory(), saved)
        next_step = self.state.next_step.copy()
        self._notice_changes()
        self.state.next_step[:] = next_step

    # --- what is looked at ---

    def observe(self) -> Observation:
        """Look at the present state without changing it.

        Raises LedgerError if ions or charge are missing, or if the field does not agree with the charges.
        """
        stores = self.state.stores[None]
        potential = self._potentials(stores)
        seen, error = self._tell(stores, potential, [self.step])
        if error is not None:
            raise error
        return replace(seen.at(0), electrodes=self._read_electrodes(), maps=self._maps(potential[0]))

    @property
    def most_watched(self) -> int:
        """At how many moments `watch` looks at most: at one where there is more to see than what it keeps."""
        return MOST_WATCHED if self.model.grid.columns == 1 and not self.scenario.electrodes else 1

    def watch(
        self, stops: Sequence[int], located_at: Collection[int] = (), ions: NDArray[np.int64] | None = None
    ) -> Watch:
        """Make steps until each of the `stops` in turn and look; see `mc.engines.base.Engine`.

        What there is to see follows from the stores: they are kept, and all looked at together.
        """
        if self.most_watched == 1:
            return super().watch(stops, located_at, ions)
        within, last = self._until_a_change(stops)
        kept: list[NDArray[np.float64]] = []
        failure: McError | None = None
        try:
            for stop in within:
                self.advance(stop - self.step)
                kept.append(self.state.stores.copy())
            if self.step < last:
                self.advance(last - self.step)
        except McError as error:
            failure = error
        if not kept:
            return Watch(None, {}, failure, 0.0)
        started = time.monotonic()
        stores = np.array(kept)
        seen, missing = self._tell(stores, self._potentials(stores), stops[: len(kept)])
        return Watch(
            seen if len(seen.ions) else None,
            dict.fromkeys(located_at, NOWHERE),
            missing or failure,
            time.monotonic() - started,
        )

    def _tell(
        self, stores: NDArray[np.float64], potential: NDArray[np.float64], steps: Sequence[int]
    ) -> tuple[Observations, LedgerError | None]:
        """Return what was seen after so many steps each, until ions or charge are missing, and the error then.

        `stores`: (moments, stores); `potential`: (moments, rows, columns) mV. No number may depend on how many
        moments are looked at together, which is not the same when a run is made again: hence sums, and no products
        of matrices.
        """
        model, valences, n = self.model, self.composition.valences, len(stores)
        numbering, grid = model.stores, model.grid
        means = potential.mean(axis=2)
        inner, outer = (means[:, grid.rows_of(side).start] for side in range(2))
        # Taken in one order of the memory, for on that depends in which order numbers are added up.
        by_node = stores.take(numbering.ions, axis=1)
        ions = np.stack([by_node[:, :, grid.nodes_of(side)].sum(axis=2) for side in range(2)], axis=2)
        charges = ((ions + self._lent(stores)) * valences[:, None]).sum(axis=1)
        by_row = by_node.reshape(n, len(valences), -1, grid.columns).sum(axis=3)
        crossings = stores[:, numbering.crossings]
        net = stores.take(numbering.exchanged, axis=1).sum(axis=3)
        values: dict[str, Any] = {
            "step": np.array(steps, dtype=np.int64),
            "membrane_potential": self._bulk_means(means, 0) - self._bulk_means(means, 1),
            "charge_separation_potential": charges[:, 0] / self.capacitance,
            "field_potential_drop": inner - outer,
            "total_charge": charges.sum(axis=1),
            "injected_charge": stores[:, numbering.injected[0]],
            "command_potential": np.array([self._command_potential(step) for step in steps]),
        }
        seen = Observations(
            **values,
            ions=ions,
            ions_in_pores=np.zeros((n, len(valences))),
            bulk_concentrations=self._bulk_concentrations(by_row),
            cell_concentrations=self._along_x(by_row / self._ions_per_millimolar),
            potential=self._along_x(means),
            open_channels=self._open_channels(stores),
            permeability=self._permeabilities(stores),
            states=self._states(stores),
            crossings=crossings,
            displaced_charge=(crossings[..., 0] - crossings[..., 1]) * valences,
            pump_cycles=stores[:, numbering.cycles],
            electrodes=np.zeros((n, 0)),
            exchanged=np.stack([np.maximum(net, 0.0), np.maximum(-net, 0.0)], axis=3),
            maps=None,
        )
        is_whole = self._is_whole(seen)
        is_good = is_whole & self._is_in_balance(seen)
        return self._until_wrong(seen, is_whole, is_good, seen.field_potential_drop)

    def drain_events(self) -> dict[str, dict[str, NDArray]]:
        """Return the events since the last call: means have none."""
        return {}

    def cells_along_x(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return centre and width of each cell, and the position of each node, along x in nm."""
        grid, thickness = self.model.grid, self.scenario.membrane.thickness
        widths = self._along_x(grid.widths)
        inside = grid.n_rows[0]
        ends = np.cumsum(widths)
        centres = ends - widths / 2.0 - ends[inside - 1]
        centres[inside:] += thickness
        nodes = np.concatenate([-grid.distances[0][::-1], thickness + grid.distances[1]])
        return centres, widths, nodes

    def cells_along_y(self) -> NDArray[np.float64]:
        """Return the centre of each cell along the membrane, nm; none in one dimension."""
        grid = self.model.grid
        if grid.columns == 1:
            return np.zeros(0)
        return np.asarray((np.arange(grid.columns) + 0.5) * grid.spacing_along, dtype=np.float64)

    def _potentials(self, stores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the potential of the charges at each moment, (moments, rows, columns) in mV.

        It is zero on average at the far end outside.
        """
        find, grid = self.model.equations.find_potential, self.model.grid
        potential = np.array([find(one) for one in stores]).reshape(len(stores), -1, grid.columns)
        if self.clamped_potential is not None:
            return potential
        return potential - potential[:, -1:].mean(axis=2, keepdims=True)

    def _potential_at(self, side: int, distance: float, y: float | None) -> float:
        """Return the potential at a distance from the membrane in nm, in mV; without `y` the mean along it."""
        grid = self.model.grid
        by_column = self._potentials(self.state.stores[None])[0, grid.rows_of(side)]
        if grid.columns == 1 or y is None:
            along_x = by_column.mean(axis=1)
        else:
            scaled = y / grid.spacing_along - 0.5
            column, share = math.floor(scaled), scaled - math.floor(scaled)
            near, far = by_column[:, column % grid.columns], by_column[:, (column + 1) % grid.columns]
            along_x = (1.0 - share) * near + share * far
        return float(np.interp(distance, grid.distances[side], along_x))

    def _along_x(self, by_row: NDArray) -> NDArray:
        """Return rows (last axis) in the order of x: those inside from the far end, then those outside."""
        grid = self.model.grid
        return np.concatenate(
            [by_row[..., grid.rows_of(0)][..., ::-1], by_row[..., grid.rows_of(1)]], axis=-1
        )

    def _lent(self, stores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the ions that the reservoirs lack, (moments, species, 2): counted on their own side."""
        return -stores.take(self.model.stores.exchanged, axis=1).sum(axis=3)

    @cached_property
    def _ions_per_millimolar(self) -> NDArray[np.float64]:
        """The ions of a 1 mM solution in each row."""
        grid = self.model.grid
        return np.asarray(
            grid.volumes.reshape(-1, grid.columns).sum(axis=1) * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
        )

    @cached_property
    def _bulk_rows(self) -> tuple[slice, slice]:
        """The rows of the bulk of each side: at least the last one."""
        grid, of_sides = self.model.grid, []
        for side in range(2):
            rows, distances = grid.rows_of(side), grid.distances[side]
            first = min(int(np.searchsorted(distances, self.bulk_from[side])), distances.size - 1)
            of_sides.append(slice(rows.start + first, rows.stop))
        return of_sides[0], of_sides[1]

    def _bulk_means(self, values: NDArray[np.float64], side: int) -> NDArray[np.float64]:
        """Return the mean in the bulk of a side of each moment, of `values`, (moments, rows)."""
        rows = self._bulk_rows[side]
        widths = self.model.grid.widths[rows]
        return np.asarray((values[:, rows] * widths).sum(axis=1) / widths.sum())

    def _bulk_concentrations(self, by_row: NDArray[np.float64]) -> NDArray[np.float64]:
        per_millimolar = self._ions_per_millimolar
        return np.stack(
            [by_row[..., rows].sum(axis=2) / per_millimolar[rows].sum() for rows in self._bulk_rows], axis=2
        )

    def _permeabilities(self, stores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the permeability of the whole membrane for each species, (moments, species) nm3/ns."""
        passages = self.model.crossings
        permeability = np.zeros((len(self.composition.names), len(stores)))
        for moment, one in enumerate(stores):
            np.add.at(permeability[:, moment], passages.species, passages.permeabilities(one))
        return permeability.T

    @cached_property
    def _type_of_state(self) -> NDArray[np.int64]:
        """The channel type of each of the groups' states."""
        groups = self.model.channels
        return groups.group_type[groups.state_group]

    def _open_channels(self, stores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how many channels of each type conduct, on average, (moments, types)."""
        groups, types = self.model.channels, self._type_of_state
        conducts = self.state.channels.levels[types, groups.state_number] > 0
        conducting = conducts * groups.free_share[groups.state_group] * stores[:, self.model.stores.states]
        return _sum_by(types, conducting, len(self.scenario.channels))

    def _states(self, stores: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        """Return how many channels of each type are in each state, (moments, states) for each type."""
        groups, channels = self.model.channels, stores[:, self.model.stores.states]
        of_types = (self._type_of_state == i for i in range(len(self.scenario.channels)))
        return tuple(
            _sum_by(groups.state_number[of_type], channels[:, of_type], len(one.states))
            for of_type, one in zip(of_types, self.scenario.channels, strict=True)
        )

    def _maps(self, potential: NDArray[np.float64]) -> Maps | None:
        grid = self.model.grid
        if grid.columns == 1:
            return None
        ions = self.state.stores[self.model.stores.ions].reshape(
            len(self.composition.names), -1, grid.columns
        )
        per_millimolar = self._ions_per_millimolar / grid.columns
        concentrations = (ions.swapaxes(1, 2) / per_millimolar).swapaxes(1, 2)
        # Known in the middle of each cell; told at its near end, as the other engines know it.
        at_near_ends = (potential + np.roll(potential, 1, axis=1)) / 2.0
        return Maps(
            concentrations=self._along_x(concentrations.swapaxes(1, 2)).swapaxes(1, 2),
            potential=self._along_x(at_near_ends.T).T,
        )

    def _is_whole(self, seen: Observations) -> NDArray[np.bool_]:
        """Return of each moment whether there are all ions that there were, but for those that came and went."""
        expected = self._expected_ions(seen)
        is_missing = np.abs(seen.ions.sum(axis=2) - expected) > ROUNDING * (1.0 + expected)
        return ~(is_missing.any(axis=1) | (seen.ions.min(axis=(1, 2)) < 0.0))

    def _is_in_balance(self, seen: Observations) -> NDArray[np.bool_]:
        """Return of each moment whether the box is neutral, and the field that of the charges."""
        if self.clamped_potential is not None:
            return np.ones(len(seen.ions), dtype=np.bool_)
        drops = np.asarray(seen.charge_separation_potential)
        largest_charge = LARGEST_CHARGE_ERROR + ROUNDING * seen.ions.sum(axis=(1, 2))
        is_charged = np.abs(np.asarray(seen.total_charge)) > largest_charge
        # What is not a number is not for the ledger to tell.
        disagrees = np.abs(drops - np.asarray(seen.field_potential_drop)) > 1e-6 * (1.0 + np.abs(drops))
        return ~(is_charged | disagrees)


def _sum_by(number: NDArray[np.int64], values: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return the sum of the values of each of `n` numbers, (moments, n) of (moments, values)."""
    total = np.zeros((n, len(values)))
    np.add.at(total, number, values.T)
    return total.T


def potential_at_start(scenario: Scenario) -> float:
    """Return the potential in mV at which gates have been before the start."""
    return next((command.potential for command in scenario.protocol.voltage if command.start == 0.0), 0.0)
