"""The continuum engine: Poisson's, Nernst's and Planck's equations, with channels and pumps as their means."""

import math
from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
from mc.engines import proteins
from mc.engines.base import Maps, Observation
from mc.engines.brownian.engine import bulk_distances
from mc.engines.continuum import construction, stepping
from mc.engines.continuum.equations import NO_DRIVE, Drive
from mc.engines.driven import DrivenEngine
from mc.engines.memory import restore
from mc.errors import LedgerError
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
        charges = self.composition.valences @ self._ions()
        return float(charges[0] + self._end_charges().sum(axis=1)[0])

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

    def observe(self, slots: NDArray[np.int64] | None = None) -> Observation:
        """Look at the present state without changing it.

        Raises LedgerError if ions or charge are missing, or if the field does not agree with the charges.
        """
        model, stores, valences = self.model, self.state.stores, self.composition.valences
        numbering, grid = model.stores, model.grid
        potential = self._potential()
        means = potential.mean(axis=1)
        ions = self._ions()
        inner, outer = (means[grid.rows_of(side)][0] for side in range(2))
        drop = self._inside_charge() / self.capacitance
        total_charge = float((valences @ ions).sum() + self._end_charges().sum())
        self._check_ledger(ions, total_charge, drop, float(inner - outer))
        crossings = stores[numbering.crossings]
        variables = np.concatenate([stores, potential.ravel()])
        permeability = np.zeros(len(ions))
        np.add.at(permeability, model.crossings.species, model.crossings.permeabilities(variables))
        by_row = stores[numbering.ions].reshape(len(ions), -1, grid.columns).sum(axis=2)
        net = stores[numbering.exchanged].sum(axis=2)
        return Observation(
            step=self.step,
            membrane_potential=self._bulk_mean(means, 0) - self._bulk_mean(means, 1),
            charge_separation_potential=drop,
            field_potential_drop=float(inner - outer),
            ions=ions,
            ions_in_pores=np.zeros(len(ions)),
            bulk_concentrations=self._bulk_concentrations(by_row),
            cell_concentrations=self._along_x(by_row / self._ions_per_millimolar),
            potential=self._along_x(means),
            positions=np.zeros(0),
            places=np.zeros((0, 0)),
            open_channels=self._open_channels(),
            permeability=permeability,
            states=self._count_states(),
            total_charge=total_charge,
            crossings=crossings,
            displaced_charge=(crossings[:, :, 0] - crossings[:, :, 1]) * valences,
            pump_cycles=stores[numbering.cycles],
            injected_charge=float(stores[numbering.injected[0]]),
            command_potential=self._command_potential(),
            electrodes=self._read_electrodes(),
            exchanged=np.stack([np.maximum(net, 0.0), np.maximum(-net, 0.0)], axis=2),
            maps=self._maps(potential),
        )

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

    def _potential(self) -> NDArray[np.float64]:
        """Return the potential of the charges, (rows, columns) in mV, zero on average at the far end outside."""
        grid = self.model.grid
        potential = self.model.equations.find_potential(self.state.stores).reshape(-1, grid.columns)
        return potential if self.clamped_potential is not None else potential - potential[-1].mean()

    def _potential_at(self, side: int, distance: float, y: float | None) -> float:
        """Return the potential at a distance from the membrane in nm, in mV; without `y` the mean along it."""
        grid = self.model.grid
        by_column = self._potential()[grid.rows_of(side)]
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

    def _ions(self) -> NDArray[np.float64]:
        """Return the ions of each species and side, (species, 2)."""
        ions = self.state.stores[self.model.stores.ions]
        return np.stack([ions[:, self.model.grid.nodes_of(side)].sum(axis=1) for side in range(2)], axis=1)

    def _end_charges(self) -> NDArray[np.float64]:
        """Return the charge that the reservoirs lack, (2, columns) in e."""
        exchanged = self.state.stores[self.model.stores.exchanged]
        return np.asarray(-np.einsum("s,sdc->dc", self.composition.valences, exchanged), dtype=np.float64)

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

    def _bulk_mean(self, values: NDArray[np.float64], side: int) -> float:
        rows = self._bulk_rows[side]
        widths = self.model.grid.widths[rows]
        return float((values[rows] * widths).sum() / widths.sum())

    def _bulk_concentrations(self, by_row: NDArray[np.float64]) -> NDArray[np.float64]:
        per_millimolar = self._ions_per_millimolar
        return np.stack(
            [by_row[:, rows].sum(axis=1) / per_millimolar[rows].sum() for rows in self._bulk_rows], axis=1
        )

    def _channels_in_states(self) -> NDArray[np.float64]:
        return self.state.stores[self.model.stores.states]

    def _open_channels(self) -> NDArray[np.float64]:
        """Return how many channels of each type conduct, on average."""
        groups = self.model.channels
        types = groups.group_type[groups.state_group]
        conducts = self.state.channels.levels[types, groups.state_number] > 0
        return _sum_by(
            types,
            conducts * groups.free_share[groups.state_group] * self._channels_in_states(),
            len(self.scenario.channels),
        )

    def _count_states(self) -> tuple[NDArray[np.float64], ...]:
        groups, channels = self.model.channels, self._channels_in_states()
        types = groups.group_type[groups.state_group]
        return tuple(
            _sum_by(groups.state_number[types == i], channels[types == i], len(one.states))
            for i, one in enumerate(self.scenario.channels)
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

    def _check_ledger(self, ions: NDArray[np.float64], charge: float, drop: float, field_drop: float) -> None:
        exchanged = self.state.stores[self.model.stores.exchanged].sum(axis=2)
        expected = (self.ions_at_start + exchanged).sum(axis=1)
        time = self.step * self.time_step
        if np.any(np.abs(ions.sum(axis=1) - expected) > ROUNDING * (1.0 + expected)) or ions.min() < 0.0:
            raise LedgerError(
                f"ions were lost or made by {time:g} ns: expected {expected.tolist()} of "
                f"{list(self.composition.names)}, counted {ions.sum(axis=1).tolist()}"
            )
        if self.clamped_potential is not None:
            return
        if abs(charge) > LARGEST_CHARGE_ERROR + ROUNDING * ions.sum() or abs(drop - field_drop) > 1e-6 * (
            1.0 + abs(drop)
        ):
            raise LedgerError(
                f"charge was lost or made by {time:g} ns: the box holds {charge:g} e; the charge inside puts "
                f"{drop:.9g} mV across the membrane, the field {field_drop:.9g} mV"
            )


def _sum_by(number: NDArray[np.int64], values: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return the sum of the values of each of `n` numbers."""
    return np.asarray(np.bincount(number, values, minlength=n), dtype=np.float64)


def potential_at_start(scenario: Scenario) -> float:
    """Return the potential in mV at which gates have been before the start."""
    return next((command.potential for command in scenario.protocol.voltage if command.start == 0.0), 0.0)
