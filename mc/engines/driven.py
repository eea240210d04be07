"""What every engine does alike: follow a protocol, count the states of channels, read the instruments."""

import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mc.engines import proteins
from mc.engines.base import NOWHERE, Numbers, Observation, Observations, Positions, Watch, join
from mc.engines.timeline import Instruments, make_timeline
from mc.errors import LedgerError, StabilityError
from mc.membrane.protocols import VOLTAGE, command_at
from mc.scenario.composition import Composition
from mc.scenario.schema import Scenario


class DrivenEngine(ABC):
    """Base of the engines. `state` is what an engine steps, with `step`, `channels`, `pumps` and an `amplifier`."""

    scenario: Scenario
    composition: Composition
    seed: int
    time_step: float
    state: Any

    @property
    def step(self) -> int:
        """Steps done."""
        return int(self.state.step[0])

    @property
    def n_ions(self) -> int:
        """Number of ions at the start."""
        return self.composition.n_ions

    @property
    def species_of_slots(self) -> NDArray[np.int64]:
        """Species of each ion that has a position, (slots,): of none, unless an engine follows single ions."""
        return np.zeros(0, dtype=np.int64)

    @abstractmethod
    def advance(self, n_steps: int) -> int:
        """Make up to `n_steps` steps and return how many were made; fewer when events wait to be drained."""

    @abstractmethod
    def observe(self) -> Observation:
        """Look at the present state without changing it."""

    def locate(self, ions: NDArray[np.int64] | None = None) -> Positions:
        """Return where some ions are, or all; where ions are counted, none."""
        return NOWHERE

    @property
    def most_watched(self) -> int:
        """At how many moments `watch` looks at most."""
        return 1

    def watch(
        self, stops: Sequence[int], located_at: Collection[int] = (), ions: NDArray[np.int64] | None = None
    ) -> Watch:
        """Make steps until the first of the `stops` and look; see `mc.engines.base.Engine`."""
        self.advance(stops[0] - self.step)
        if self.step < stops[0]:
            return Watch(None, {}, None, 0.0)
        started = time.monotonic()
        seen = join([self.observe()])
        return Watch(seen, dict.fromkeys(located_at, NOWHERE), None, time.monotonic() - started)

    def _until_a_change(self, stops: Sequence[int]) -> tuple[list[int], int]:
        """Return which of the stops come before a protocol changes something next, and the step to end a go at.

        Changes bear on what is seen: where one is due between two stops, the go ends there all the same.
        """
        last = self.step + self._follow_protocol(stops[-1] - self.step)
        return [stop for stop in stops if stop <= last], last

    @cached_property
    def ions_at_start(self) -> NDArray[Any]:
        """On each side, (species, 2)."""
        return np.stack([self.composition.counts_inside, self.composition.counts_outside], axis=1)

    def _expected_ions(self, seen: Observation) -> NDArray[Any]:
        """Return how many ions of each species there must be, (..., species): all but those that came and went."""
        came_in = seen.exchanged[..., 0] - seen.exchanged[..., 1]
        return np.asarray((self.ions_at_start + came_in).sum(axis=-1))

    def _until_wrong(
        self, seen: Observations, is_whole: NDArray[np.bool_], is_good: NDArray[np.bool_], in_field: Any
    ) -> tuple[Observations, LedgerError | None]:
        """Return what was seen until an ion or a charge is missing, and the error then; all arrays are (moments,).

        `is_whole`: whether no ion is missing; `is_good`: nor a charge; `in_field`: the drop in the field, mV.
        """
        if is_good.all():
            return seen, None
        n_good = int(is_good.argmin())
        return seen.take(slice(n_good)), self._explain(
            bool(is_whole[n_good]), seen.at(n_good), float(in_field[n_good])
        )

    def _explain(self, is_whole: bool, seen: Observation, in_field: float) -> LedgerError:
        """Return the error that tells what is wrong at one moment; see `_until_wrong`."""
        now = seen.step * self.time_step
        if is_whole:
            return LedgerError(
                f"charge was lost or made by {now:g} ns: the box holds {seen.total_charge:g} e; counted charge puts "
                f"{seen.charge_separation_potential:.9g} mV across the membrane, the field "
                f"{in_field:.9g} mV"
            )
        return LedgerError(
            f"ions were lost or made by {now:g} ns: expected {self._expected_ions(seen).tolist()} of "
            f"{list(self.composition.names)}, counted {seen.ions.sum(axis=1).tolist()} in the baths and "
            f"{seen.ions_in_pores.tolist()} in pores"
        )

    @abstractmethod
    def _fill_reservoirs(self, scenario: Scenario) -> None:
        """Hold open far ends at the solutions of a scenario from now on."""

    @abstractmethod
    def _potential_at(self, side: int, distance: float, y: float | None) -> float:
        """Return the potential at a distance from the membrane in nm, in mV; without `y` the mean along it."""

    @abstractmethod
    def _notice_changes(self) -> None:
        """Bring up to date what follows from arrays that a protocol has changed."""

    def _begin_protocol(self) -> None:
        """Do what a protocol does at the start."""
        self._solutions = {"inside": dict(self.scenario.inside), "outside": dict(self.scenario.outside)}
        self._timeline = make_timeline(self.scenario, self.time_step)
        self._do_what_is_due(self.step)

    def _follow_protocol(self, n_steps: int) -> int:
        """Do what is due by now, and return how many of `n_steps` can be made before the next change."""
        self._do_what_is_due(self.step)
        return min(n_steps, self._timeline[0].step - self.step) if self._timeline else n_steps

    def _do_what_is_due(self, last_step: int) -> None:
        """Do what a protocol does until before step number `last_step` is made."""
        instruments = Instruments(self.state.amplifier, self._block, self._set_ligand, self._set_solution)
        n_before = len(self._timeline)
        while self._timeline and self._timeline[0].step <= last_step:
            self._timeline.pop(0).do(instruments)
        if len(self._timeline) < n_before:
            self._notice_changes()

    def _block(self, protein: str, fraction: float) -> None:
        proteins.block(self.scenario, self.state.channels, self.state.pumps, self.seed, protein, fraction)

    def _set_ligand(self, name: str, concentration: float) -> None:
        index = proteins.ligand_index(self.scenario, self.composition.names, name, "inside")
        self.state.channels.ligands[:, index] = concentration

    def _set_solution(self, side: str, concentrations: dict[str, float]) -> None:
        self._solutions[side].update(concentrations)
        self._fill_reservoirs(self.scenario.model_copy(update=self._solutions))

    def _check_electrodes(self) -> None:
        """Raise StabilityError if an electrode found no ion to carry its current."""
        if self.state.amplifier.is_empty[0]:
            raise StabilityError(
                f"by {self.step * self.time_step:g} ns the electrodes found no more {self.scenario.protocol.carrier} "
                "to carry their current: take larger baths, or another protocol.carrier"
            )

    def _command_potential(self, step: int | None = None) -> float:
        """Return what a voltage clamp holds now, or after so many steps, in mV; not a number without one."""
        amplifier = self.state.amplifier
        if amplifier.mode[0] != VOLTAGE:
            return float("nan")
        return float(command_at(amplifier, (self.step if step is None else step) * self.time_step))

    def _read_electrodes(self) -> NDArray[np.float64]:
        """Return the potential at each microelectrode minus that at its reference, mV."""
        if not self.scenario.electrodes:
            return np.empty(0)
        return np.array(
            [
                self._potential_at(0, electrode.inside, electrode.y)
                - self._potential_at(1, electrode.outside, electrode.reference_y)
                for electrode in self.scenario.electrodes
            ]
        )

    def _by_type(self, n_in_state: NDArray[np.int64]) -> tuple[Numbers, ...]:
        """Return the row of each channel type; `n_in_state`: (..., types, most states of a type)."""
        return tuple(n_in_state[..., i, :n] for i, n in enumerate(self._n_states))

    @cached_property
    def _n_states(self) -> list[int]:
        """Of each channel type."""
        return [len(one.states) for one in self.scenario.channels]
