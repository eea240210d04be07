"""The phases of a protocol: stretches of time between its changes, and what the membrane did in each."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from mc.analysis.flux import pump_current
from mc.analysis.potential import ghk_series
from mc.analysis.statistics import Estimate, block_average
from mc.constants import PICOAMPERES_PER_CHARGE_PER_NANOSECOND
from mc.recording.recording import Recording
from mc.scenario.protocol import Protocol, Span

SETTLING_SHARE = 0.5
"""Of a phase, its first part, which is left out of the averages."""


class Phase(NamedTuple):
    """A stretch of time in which a protocol changes nothing; averages are over its second half."""

    start: float
    """ns."""
    stop: float
    """ns."""
    label: str
    """What the protocol does in it, for people."""
    membrane_potential: Estimate
    """mV."""
    ghk_potential: float
    """Mean of the GHK potential of the same moments, mV; not a number where no channel is open."""
    ghk_potential_with_pumps: float
    """The same with the mean current of the pumps counted."""
    pump_current: float
    """e/ns outward through all pumps and transporters."""
    channel_current: float
    """pA outward through all channels, by displaced charge."""
    injected_current: float
    """pA into the cell by the amplifier."""


def has_protocol(recording: Recording) -> bool:
    """Return whether a protocol does anything in a run, so that one mean over all of it says little."""
    return bool(_changes(recording.scenario.protocol))


def find_phases(recording: Recording, ghk: np.ndarray | None = None) -> list[Phase]:
    """Return the phases of a run in order of time, but for those with fewer than four records.

    A run without a protocol has one. `ghk` is `ghk_series(recording)`, where it is known already.
    """
    protocol, time = recording.scenario.protocol, recording.time
    first, last = float(time[0]), float(time[-1])
    edges = sorted({first, *(moment for moment in _changes(protocol) if first < moment < last), last})
    ghk = ghk_series(recording) if ghk is None else ghk
    displaced = sum(
        (
            recording[f"displaced_charge.{channel.name}.{ion}"]
            for channel in recording.channels
            for ion in recording.species_names
        ),
        np.zeros(len(time)),
    )
    phases = []
    for start, stop in pairwise(edges):
        averaged = np.flatnonzero((time > start + SETTLING_SHARE * (stop - start)) & (time <= stop))
        if len(averaged) < 4:
            continue
        pumped = pump_current(recording, slice(averaged[0], averaged[-1] + 1))
        phases.append(
            Phase(
                start=start,
                stop=stop,
                label=_label(protocol, start),
                membrane_potential=block_average(recording["membrane_potential"][averaged]),
                ghk_potential=_finite_mean(ghk[averaged]),
                ghk_potential_with_pumps=_finite_mean(
                    (ghk_series(recording, pumped) if pumped else ghk)[averaged]
                ),
                pump_current=pumped,
                channel_current=_current(time[averaged], displaced[averaged]),
                injected_current=_current(time[averaged], recording["injected_charge"][averaged]),
            )
        )
    return phases


def _finite_mean(potential: np.ndarray) -> float:
    finite = potential[np.isfinite(potential)]
    return float(finite.mean()) if len(finite) else float("nan")


def _current(time: np.ndarray, charge: np.ndarray) -> float:
    slope = (charge[-1] - charge[0]) / (time[-1] - time[0])
    return float(slope * PICOAMPERES_PER_CHARGE_PER_NANOSECOND)


def _changes(protocol: Protocol) -> list[float]:
    """Return all moments at which a protocol changes something, in ns."""
    spans: tuple[Span, ...] = (*protocol.voltage, *protocol.current, *protocol.blocks, *protocol.ligands)
    return [
        *(one.start for one in spans),
        *(one.start for one in protocol.solutions),
        *(one.stop for one in spans if one.stop is not None),
    ]


def _label(protocol: Protocol, now: float) -> str:
    """Return what a protocol does from a moment on."""

    def holds(start: float, stop: float | None) -> bool:
        return start <= now and (stop is None or now < stop)

    parts = []
    for voltage in protocol.voltage:
        if holds(voltage.start, voltage.stop):
            end = "" if voltage.end_potential is None else f" to {voltage.end_potential:g}"
            parts.append(f"clamp {voltage.potential:g}{end} mV")
    for current in protocol.current:
        if holds(current.start, current.stop):
            scale = PICOAMPERES_PER_CHARGE_PER_NANOSECOND
            end = "" if current.end_current is None else f" to {current.end_current * scale:.3g}"
            parts.append(f"inject {current.current * scale:.3g}{end} pA")
    solutions = [one for one in protocol.solutions if one.start <= now]
    for side in ("inside", "outside"):
        changed = {
            ion: value
            for one in sorted(solutions, key=lambda one: one.start)
            if one.side == side
            for ion, value in one.concentrations.items()
        }
        if changed:
            parts.append(f"{side} " + ", ".join(f"{ion} {value:g} mM" for ion, value in changed.items()))
    for ligand in protocol.ligands:
        if holds(ligand.start, ligand.stop):
            parts.append(f"{ligand.name} {ligand.concentration:g} mM")
    for block in protocol.blocks:
        if holds(block.start, block.stop):
            share = "" if block.fraction == 1.0 else f"{block.fraction:.0%} of "
            parts.append(f"{share}{block.protein} blocked")
    return "; ".join(parts) or "free"
