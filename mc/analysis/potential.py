"""The membrane potential, and what equilibrium theory makes of the concentrations of the same moments."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mc.analysis.channels import total_permeability
from mc.analysis.statistics import block_average
from mc.errors import RecordingError
from mc.recording.recording import Recording
from mc.theory import charging_time as membrane_charging_time
from mc.theory import ghk_current, ghk_potential, nernst_potential

SETTLING_TIMES = 3.0
"""Relaxation times that are left out after the first guess of the equilibration: exp(-3) is 5 %."""


class Window(NamedTuple):
    """The part of a run that is averaged."""

    records: slice
    start: float
    """ns, the first averaged record."""
    end: float
    """ns, the last one."""
    is_settled: bool
    """Whether the potential came to rest within the first half of the run; if not, the second is used."""


def find_window(
    recording: Recording, equilibration_time: float | None = None, ghk: np.ndarray | None = None
) -> Window:
    """Return the records after the membrane has charged.

    `equilibration_time` in ns says how much to leave out. Without it, the difference between membrane
    potential and GHK potential of the same moment decides, as it comes to rest even where concentrations keep
    drifting (the membrane potential alone, where no channel is open). First the truncation that minimises the
    marginal standard error (White 1997, Simulation 69:323), then three relaxation times more: a potential
    relaxes after a disturbance as its own fluctuations do, so that their correlation time tells how long.
    `ghk` is `ghk_series(recording)`, where it is known already.

    Raises RecordingError if fewer than two records remain.
    """
    time = recording.time
    if len(time) < 4:
        raise RecordingError(
            f"{recording.path} holds {len(time)} records, too few to average: run longer, or shorten "
            "recording.interval"
        )
    if equilibration_time is not None:
        first = int(np.searchsorted(time, equilibration_time))
        if first > len(time) - 2:
            raise RecordingError(
                f"an equilibration time of {equilibration_time:g} ns leaves nothing to average of "
                f"{time[-1]:g} ns"
            )
        return Window(slice(first, len(time)), float(time[first]), float(time[-1]), True)
    series = recording["membrane_potential"] - (ghk_series(recording) if ghk is None else ghk)
    if not np.isfinite(series).all():
        series = recording["membrane_potential"]
    half = len(series) // 2
    guess = marginal_standard_error_truncation(series)
    correlation_samples = block_average(series[guess:]).correlation_samples
    # The integrated correlation time counts both sides of an exponential: two relaxation times.
    first = guess + int(np.ceil(SETTLING_TIMES * correlation_samples / 2))
    is_settled = guess < half and first <= half
    first = min(first, half)
    return Window(slice(first, len(time)), float(time[first]), float(time[-1]), is_settled)


def charging_time(recording: Recording, records: slice) -> float:
    """Return the membrane's time constant C/g in ns, with g = dI/dV of the GHK currents at the mean potential.

    Infinite without an open channel. The potential forgets what it was within about this time.
    """
    inside, outside = (side[:, records].mean(axis=1) for side in bulk_concentrations(recording))
    permeability = total_permeability(recording)[:, records].mean(axis=1)
    potential = recording["membrane_potential"][records].mean()
    below, above = (
        ghk_current(
            permeability, inside, outside, recording.valence, potential + shift, recording.temperature
        ).sum()
        for shift in (-0.5, 0.5)
    )
    return float(membrane_charging_time(recording.membrane_capacitance, max(above - below, 0.0)))


def marginal_standard_error_truncation(series: np.ndarray) -> int:
    """Return how many samples to drop from the front of `series` (samples,): at most half of them.

    The number that minimises sum((x - mean)**2)/(samples kept)**2 of what is kept: dropping more would lose
    more certainty than the bias is worth. White (1997), Simulation 69:323.
    """
    n_samples = len(series)
    centred = np.asarray(series, dtype=float) - np.mean(series)
    kept = np.arange(n_samples, n_samples - n_samples // 2 - 1, -1)
    first_moment = np.cumsum(centred[::-1])[::-1][: len(kept)]
    second_moment = np.cumsum(centred[::-1] ** 2)[::-1][: len(kept)]
    marginal_standard_error = (second_moment - first_moment**2 / kept) / kept**2
    return int(np.argmin(marginal_standard_error))


def ghk_series(recording: Recording, current: float | np.ndarray = 0.0) -> np.ndarray:
    """Return the GHK potential in mV of each record, (records,).

    From the bulk concentrations and the open channels of that record, and `current`, an outward current in e/ns such
    as that of the pumps, constant or (records,). Not a number where no channel is open or no current is known.
    """
    permeability = total_permeability(recording)
    potential = np.full(len(recording.time), np.nan)
    current = np.broadcast_to(current, potential.shape)
    is_open = (permeability > 0).any(axis=0) & np.isfinite(current)
    if is_open.any():
        inside, outside = bulk_concentrations(recording)
        potential[is_open] = ghk_potential(
            permeability[:, is_open],
            inside[:, is_open],
            outside[:, is_open],
            recording.valence,
            recording.temperature,
            current[is_open],
        )
    return potential


def bulk_concentrations(recording: Recording) -> tuple[np.ndarray, np.ndarray]:
    """Return the concentrations inside and outside in mM away from the double layers, (species, records)."""
    names = recording.species_names
    inside = np.stack([recording[f"bulk_concentration_inside.{name}"] for name in names])
    outside = np.stack([recording[f"bulk_concentration_outside.{name}"] for name in names])
    return inside, outside


def reversal_potentials(recording: Recording, records: slice) -> dict[str, float]:
    """Return the Nernst potential in mV of each species from its mean bulk concentrations over `records`.

    Infinite for a species of one side only; the impermeant anion, which has none to speak of, is left out.
    """
    inside, outside = bulk_concentrations(recording)
    potentials = nernst_potential(
        recording.valence,
        inside[:, records].mean(axis=1),
        outside[:, records].mean(axis=1),
        recording.temperature,
    )
    anion = recording.scenario.impermeant_anion.name
    return {
        name: float(potential)
        for name, potential in zip(recording.species_names, potentials, strict=True)
        if name != anion
    }
