"""What went through the membrane: crossings of channels, cycles of pumps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mc.recording.recording import Recording


class Crossings(NamedTuple):
    """Ions that came through channels, or by pumps, since the start, cumulative, each (records,)."""

    outward: np.ndarray
    inward: np.ndarray


def crossings_by_species(recording: Recording) -> dict[str, Crossings]:
    """Return the crossings of each species, all channel types together."""
    totals = {}
    for name in recording.species_names:
        outward = np.zeros(len(recording.time))
        inward = np.zeros(len(recording.time))
        for channel in recording.channels:
            outward += recording[f"crossings_outward.{channel.name}.{name}"]
            inward += recording[f"crossings_inward.{channel.name}.{name}"]
        totals[name] = Crossings(outward, inward)
    return totals


def pump_cycles(recording: Recording) -> dict[str, np.ndarray]:
    """Return forward minus backward cycles of each type of pump and transporter since the start, (records,)."""
    return {
        pump.name: recording[f"pump_cycles.{pump.name}"] - recording[f"pump_cycles_backward.{pump.name}"]
        for pump in recording.pumps
    }


def pumped_by_species(recording: Recording) -> dict[str, Crossings]:
    """Return the ions of each species that all pumps and transporters moved, their cycles back included."""
    totals = {name: Crossings(*np.zeros((2, len(recording.time)))) for name in recording.species_names}
    for pump in recording.pumps:
        forward, backward = (recording[f"pump_cycles{way}.{pump.name}"] for way in ("", "_backward"))
        for name, total in totals.items():
            taken_out, taken_in = pump.outward.get(name, 0), pump.inward.get(name, 0)
            total.outward[:] += forward * taken_out + backward * taken_in
            total.inward[:] += forward * taken_in + backward * taken_out
    return totals


def charge_per_cycle(recording: Recording) -> dict[str, int]:
    """Return the net charge in e that a forward cycle of each type moves outward: 1 for 3 Na against 2 K."""
    valence = {one.name: one.valence for one in recording.species}
    return {
        pump.name: sum(valence[name] * count for name, count in pump.outward.items())
        - sum(valence[name] * count for name, count in pump.inward.items())
        for pump in recording.pumps
    }


def pumped_charge(recording: Recording) -> np.ndarray:
    """Return the net charge in e that all pumps and transporters have moved outward since the start, (records,)."""
    charges = charge_per_cycle(recording)
    total = np.zeros(len(recording.time))
    for name, cycles in pump_cycles(recording).items():
        total += charges[name] * cycles
    return total


def pump_current(recording: Recording, records: slice) -> float:
    """Return the mean outward current of all pumps in e/ns over `records`, which hold two or more."""
    time = recording.time[records]
    charge = pumped_charge(recording)[records]
    return float((charge[-1] - charge[0]) / (time[-1] - time[0]))
