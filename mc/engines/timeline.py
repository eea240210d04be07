"""What a protocol asks for, as changes at whole steps, and the filter of electrodes: the same for every engine."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mc.engines.memory import restore
from mc.membrane import protocols
from mc.membrane.protocols import Amplifier
from mc.scenario.protocol import CurrentCommand, VoltageCommand
from mc.scenario.schema import Scenario


class Instruments(NamedTuple):
    """What an engine lets a protocol act on."""

    amplifier: Amplifier
    block: Callable[[str, float], None]
    """A protein's name and the share of them that is blocked from now on."""
    set_ligand: Callable[[str, float], None]
    """The name of a ligand and its concentration from now on, in mM."""
    set_solution: Callable[[str, dict[str, float]], None]
    """A side and the concentrations that change in its reservoir, in mM."""


class Change(NamedTuple):
    """Something that is done before the step of this number is made."""

    step: int
    do: Callable[[Instruments], None]


def make_timeline(scenario: Scenario, time_step: float) -> list[Change]:
    """Return the changes of a protocol in order of time; at one moment, what ends comes before what begins."""
    protocol = scenario.protocol
    ends: list[Change] = []
    begins: list[Change] = []

    def at(moment: float) -> int:
        return round(moment / time_step)

    def add(start: float, stop: float | None, begin: Callable, end: Callable) -> None:
        begins.append(Change(at(start), begin))
        if stop is not None:
            ends.append(Change(at(stop), end))

    commands: tuple[VoltageCommand | CurrentCommand, ...] = (*protocol.voltage, *protocol.current)
    for command in commands:
        stop = command.stop if command.stop is not None else scenario.simulation.duration
        mode, level, final = _read_command(command)
        begin, slope = at(command.start) * time_step, (final - level) / (stop - command.start)
        add(
            command.start,
            command.stop,
            _switch(mode, begin, level, slope),
            _switch(protocols.FREE, at(stop) * time_step, 0.0, 0.0),
        )
    for drug in protocol.blocks:
        add(drug.start, drug.stop, _block(drug.protein, drug.fraction), _block(drug.protein, 0.0))
    for pulse in protocol.ligands:
        add(
            pulse.start,
            pulse.stop,
            _set_ligand(pulse.name, pulse.concentration),
            _set_ligand(pulse.name, 0.0),
        )
    begins += [
        Change(at(change.start), _set_solution(change.side, change.concentrations))
        for change in protocol.solutions
    ]
    return sorted([*ends, *begins], key=lambda change: change.step)


def _read_command(command: VoltageCommand | CurrentCommand) -> tuple[int, float, float]:
    """Return the amplifier's mode and the command at its start and at its end."""
    if isinstance(command, VoltageCommand):
        first, last, mode = command.potential, command.end_potential, protocols.VOLTAGE
    else:
        first, last, mode = command.current, command.end_current, protocols.CURRENT
    return mode, first, first if last is None else last


def _switch(mode: int, now: float, level: float, slope: float) -> Callable[[Instruments], None]:
    return lambda instruments: protocols.switch(instruments.amplifier, mode, now, level, slope)


def _block(protein: str, fraction: float) -> Callable[[Instruments], None]:
    return lambda instruments: instruments.block(protein, fraction)


def _set_ligand(name: str, concentration: float) -> Callable[[Instruments], None]:
    return lambda instruments: instruments.set_ligand(name, concentration)


def _set_solution(side: str, concentrations: dict[str, float]) -> Callable[[Instruments], None]:
    return lambda instruments: instruments.set_solution(side, concentrations)


class LowPass:
    """Single-pole filters, one for each electrode, over readings at any steps: between two readings the input counts
    as constant at the later one, for which the filter's answer is exact.

    `cut_offs`: of each in 1/ns, None for no filter. Every trace begins at its first reading.
    """

    def __init__(self, cut_offs: Sequence[float | None], time_step: float) -> None:
        self._rates = np.array(
            [math.inf if cut_off is None else 2.0 * math.pi * cut_off * time_step for cut_off in cut_offs]
        )
        self._step = np.zeros(1, dtype=np.int64)
        self._output = np.full(len(cut_offs), np.nan)

    def read(self, step: Any, potentials: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what the amplifiers show at a step when the electrodes are at `potentials`, (electrodes,) mV.

        Or at several steps, (moments,), one after another: (moments, electrodes).
        """
        if not potentials.size:
            return potentials
        if potentials.ndim == 2:
            return np.array([self.read(*one) for one in zip(step, potentials, strict=True)])
        waited = step - self._step[0]
        passed = np.array(
            [-math.expm1(-rate * waited) if math.isfinite(rate) else 1.0 for rate in self._rates]
        )
        is_first = np.isnan(self._output)
        self._output = np.where(is_first, potentials, self._output + passed * (potentials - self._output))
        self._step[0] = step
        return self._output.copy()

    def memory(self) -> dict[str, NDArray]:
        """Return what is needed to go on."""
        return {"step": self._step, "output": self._output}

    def take_up(self, saved: Mapping[str, NDArray]) -> None:
        """Go on from what `memory` once returned."""
        restore(self.memory(), saved)
