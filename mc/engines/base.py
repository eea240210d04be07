"""What an engine owes the simulation: steps, observations and events. It knows no files and no plots."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from mc.errors import McError
from mc.scenario.composition import Composition

Numbers = NDArray[np.int64] | NDArray[np.float64]
"""Whole numbers, or their means where there is no chance."""


@dataclass(frozen=True)
class Maps:
    """What there is where in the plane of the membrane's normal and the membrane."""

    concentrations: NDArray[np.float64]
    """(species, cells along x, cells along y) mM."""
    potential: NDArray
    """(nodes along x, nodes along y) mV; node k of y is the near end of cell k."""

    def at(self, moments: int | slice | list[int]) -> Self:
        """Return those of one moment or of some, of maps with a first axis of moments."""
        return type(self)(self.concentrations[moments], self.potential[moments])


@dataclass(frozen=True)
class Observation:
    """The state of a run at one moment. Side and direction axes: cytoplasm first; outward first."""

    step: int
    membrane_potential: float
    """Mean potential in the bulk of the cytoplasm minus that of the bath outside, mV: what electrodes read."""
    charge_separation_potential: float
    """Charge on the membrane over its capacitance, mV."""
    field_potential_drop: float
    """Potential at the inner minus the outer face as the field has it, mV."""
    ions: Numbers
    """(species, 2) in the baths."""
    ions_in_pores: Numbers
    """(species,)"""
    bulk_concentrations: NDArray[np.float64]
    """(species, 2) away from the double layers, mM."""
    cell_concentrations: NDArray[np.float64]
    """(species, cells) along x, mM."""
    potential: NDArray[np.float64]
    """(nodes,) along x, mV, zero at the far end outside."""
    open_channels: Numbers
    """(channel types,)"""
    permeability: NDArray[np.float64]
    """(species,) of the whole membrane, nm3/ns."""
    states: tuple[Numbers, ...]
    """For each channel type, the number of channels in each state."""
    total_charge: float
    """In the baths and in pores, e; zero, or the run would have stopped."""
    crossings: Numbers
    """(channel types, species, 2) so far."""
    displaced_charge: NDArray[np.float64]
    """(channel types, species) by ions in and through pores, so far, in e; outward positive (Shockley-Ramo)."""
    pump_cycles: Numbers
    """(pump types, 2) forward and backward so far; transporters after pumps."""
    injected_charge: float
    """Into the cell by an amplifier so far, e."""
    command_potential: float
    """What a voltage clamp holds, mV; not a number without one."""
    electrodes: NDArray[np.float64]
    """(electrodes,) what each reads against its reference, mV."""
    exchanged: Numbers
    """(species, 2, 2) with the reservoirs so far, by side; entered, left."""
    maps: Maps | None
    """None in one dimension."""


APART = ("states", "maps")
"""Fields of an observation that are neither numbers nor arrays."""


class Observations(Observation):
    """What was seen at several moments: each field, each of the states and each map has a first axis of moments."""

    def at(self, moment: int) -> Observation:
        """Return what was seen at one of them."""
        values: dict[str, Any] = {
            name: value[moment] if value.ndim > 1 else value[moment].item() for name, value in self._arrays()
        }
        states = tuple(one[moment] for one in self.states)
        return Observation(**values, states=states, maps=self.maps and self.maps.at(moment))

    def take(self, moments: slice | list[int]) -> Self:
        """Return what was seen at some of them."""
        values: dict[str, Any] = {name: value[moments] for name, value in self._arrays()}
        states = tuple(one[moments] for one in self.states)
        return type(self)(**values, states=states, maps=self.maps and self.maps.at(moments))

    def _arrays(self) -> list[tuple[str, NDArray]]:
        return [(name, value) for name, value in vars(self).items() if name not in APART]


def join(observations: Sequence[Observation]) -> Observations:
    """Return what was seen at one moment after another as one."""
    names = [field.name for field in fields(Observation) if field.name not in APART]
    values: dict[str, Any] = {name: np.array([getattr(one, name) for one in observations]) for name in names}
    states = zip(*(one.states for one in observations), strict=True)
    maps = [one.maps for one in observations if one.maps is not None]
    return Observations(
        **values,
        states=tuple(np.array(one) for one in states),
        maps=Maps(np.array([one.concentrations for one in maps]), np.array([one.potential for one in maps]))
        if maps
        else None,
    )


class Positions(NamedTuple):
    """Where single ions are at one moment."""

    x: NDArray
    """(ions,) along the membrane normal, nm; not a number for ions that are in a reservoir."""
    y: NDArray | None
    """(ions,) along the membrane, nm; those in pores are where their channel is. None in one dimension."""


NOWHERE = Positions(np.zeros(0), None)
"""Where ions are counted."""


class Watch(NamedTuple):
    """What was seen on the way to several stops."""

    seen: Observations | None
    """At those that were reached; None if none was."""
    positions: Mapping[int, Positions]
    """By step."""
    error: McError | KeyboardInterrupt | None
    """Why it ended: to be raised once what was seen before is recorded."""
    seconds: float
    """Of wall time that were spent on looking rather than on steps."""


class Engine(Protocol):
    """How one level of description moves matter through time."""

    time_step: float
    """ns."""
    composition: Composition

    @property
    def n_ions(self) -> int:
        """Number of ions at the start."""

    @property
    def species_of_slots(self) -> NDArray[np.int64]:
        """Species of each ion that has, or may come to have, a position, (ions,); none where ions are counted."""

    @property
    def step(self) -> int:
        """Steps done."""

    def cells_along_x(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return centre and width of each cell, and the position of each node, along x in nm."""

    def cells_along_y(self) -> NDArray[np.float64]:
        """Return the centre of each cell along the membrane, nm; none in one dimension."""

    def advance(self, n_steps: int) -> int:
        """Make up to `n_steps` steps and return how many were made; fewer when events wait to be drained."""

    def observe(self) -> Observation:
        """Look at the present state without changing it."""

    def locate(self, ions: NDArray[np.int64] | None = None) -> Positions:
        """Return where some ions are, of ascending numbers, or all; none where ions are counted."""

    @property
    def most_watched(self) -> int:
        """At how many moments `watch` looks at most."""

    def watch(
        self, stops: Sequence[int], located_at: Collection[int] = (), ions: NDArray[np.int64] | None = None
    ) -> Watch:
        """Make steps until each of the `stops`, numbers of steps in order, and look; at some also where `ions` are.

        Sees what `advance`, `observe` and `locate` in turn would, in less time where stops are close. Fewer may be
        reached: when events wait to be drained, when a protocol changes something, and after an error, which is
        returned rather than raised. Then go on from the present step.
        """

    def memory(self) -> dict[str, NDArray]:
        """Return the arrays that change as steps are made, by name: all that is needed to go on."""

    def take_up(self, saved: Mapping[str, NDArray]) -> None:
        """Go on from what `memory` once returned, in an engine of the same scenario, or of one as large.

        Raises RecordingError where the arrays do not fit.
        """

    def drain_events(self) -> dict[str, dict[str, NDArray]]:
        """Return the events since the last call, by kind and column: gating; crossings and pumps of single ions."""
