"""A measurement beside a prediction: the membrane potential of a run against GHK, and the run's summary."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mc.analysis.channels import total_permeability
from mc.analysis.flux import (
    Crossings,
    charge_per_cycle,
    crossings_by_species,
    pump_current,
    pump_cycles,
    pumped_by_species,
    pumped_charge,
)
from mc.analysis.phases import Phase, find_phases, has_protocol
from mc.analysis.potential import Window, charging_time, find_window, ghk_series, reversal_potentials
from mc.analysis.statistics import Estimate, block_average, standard_score, variance_estimate
from mc.recording.recording import Recording
from mc.theory.noise import capacitance_noise

ROUNDING = 1e-12
"""Relative error of sums of means."""

FEWEST_CHARGING_TIMES = 20.0
"""Charging times in the averaged part of a run below which no verdict is given: ten independent samples."""


class PotentialComparison(NamedTuple):
    """The membrane potential beside its predictions, all in mV, over one window of time.

    The predictions are None where no channel was open. A difference is that of each record, so that what
    measurement and prediction have in common does not count as error.
    """

    window: Window
    membrane_potential: Estimate
    ghk_potential: Estimate | None
    ghk_potential_with_pump: Estimate | None
    difference: Estimate | None
    """Membrane potential minus GHK."""
    difference_with_pump: Estimate | None
    """Membrane potential minus GHK with the current of the pumps counted."""
    pump_current: float
    """e/ns outward, mean over the window."""
    standard_deviation: float
    standard_deviation_error: float
    charge_standard_deviation: float
    """Of the charge on the membrane over its capacitance: what sqrt(kT/C) is about. Electrodes read the noise of the
    baths as well."""
    capacitance_noise: float
    """sqrt(kT/C) of the patch."""
    charging_time: float
    """ns, C/g at the mean potential."""
    is_free: bool
    """Whether no protocol had a hand in it; else there is no verdict over the whole of a run."""
    has_noise: bool
    """Mean equations have none: what their series scatter is drift, and no measure of a difference."""

    @property
    def is_long_enough(self) -> bool:
        """Whether the window spans enough charging times for its standard errors to mean something."""
        lasts = self.window.end - self.window.start
        return not np.isfinite(self.charging_time) or lasts >= FEWEST_CHARGING_TIMES * self.charging_time

    @property
    def difference_in_standard_errors(self) -> float | None:
        """The difference from GHK, pumps counted, in units of its standard error; None where there is no verdict."""
        if self.difference_with_pump is None or not (self.is_long_enough and self.is_free and self.has_noise):
            return None
        return float(
            standard_score(self.difference_with_pump.mean, 0.0, self.difference_with_pump.standard_error)
        )


def compare_potential(
    recording: Recording, equilibration_time: float | None = None, ghk: np.ndarray | None = None
) -> PotentialComparison:
    """Compare the membrane potential with GHK after the membrane has charged.

    `equilibration_time` in ns; see `analysis.potential.find_window` for what happens without it and for the
    RecordingError of runs that are too short. `ghk` is `ghk_series(recording)`, where it is known already.
    """
    in_all = ghk_series(recording) if ghk is None else ghk
    window = find_window(recording, equilibration_time, in_all)
    measured = recording["membrane_potential"][window.records]
    time_constant = charging_time(recording, window.records)
    # The potential is correlated over the charging time, however short a series makes it look.
    interval = (window.end - window.start) / (len(measured) - 1)
    correlation = 2.0 * time_constant / interval

    def average(series: np.ndarray, least_correlation: float = 1.0) -> Estimate | None:
        finite = series[np.isfinite(series)]
        return block_average(finite, least_correlation) if len(finite) else None

    current = pump_current(recording, window.records)
    ghk = in_all[window.records]
    ghk_with_pump = ghk if current == 0.0 else ghk_series(recording, current)[window.records]
    variance = variance_estimate(measured)
    standard_deviation = float(np.sqrt(variance.mean))
    return PotentialComparison(
        window=window,
        membrane_potential=block_average(measured, correlation),
        ghk_potential=average(ghk),
        ghk_potential_with_pump=average(ghk_with_pump),
        difference=average(measured - ghk, correlation),
        difference_with_pump=average(measured - ghk_with_pump, correlation),
        pump_current=current,
        standard_deviation=standard_deviation,
        standard_deviation_error=variance.standard_error / (2 * standard_deviation),
        charge_standard_deviation=float(recording["charge_separation_potential"][window.records].std()),
        capacitance_noise=float(capacitance_noise(recording.membrane_capacitance, recording.temperature)),
        charging_time=time_constant,
        is_free=not has_protocol(recording),
        has_noise=recording.has_noise,
    )


def summarize(recording: Recording, equilibration_time: float | None = None) -> dict[str, Any]:
    """Return the numbers of a run under plain names with units: what summary.json holds.

    Estimates are {mean, standard_error}; what does not exist is None. Raises RecordingError for a run that is
    too short to average.
    """
    ghk = ghk_series(recording)
    comparison = compare_potential(recording, equilibration_time, ghk)
    window = comparison.window
    # A branch has counts and steps from before its beginning.
    cycles = {name: _number(counts[-1] - counts[0]) for name, counts in pump_cycles(recording).items()}
    charge = pumped_charge(recording)
    permeability = total_permeability(recording)[:, window.records].mean(axis=1)
    n_steps = int(recording.step[-1] - recording.step[0])
    return {
        "title": recording.title,
        "engine": recording.engine,
        "has_noise": recording.has_noise,
        "seed": recording.seed,
        "finished": recording.finished,
        "stop_reason": recording.stop_reason,
        "simulated_time_ns": float(recording.time[-1]),
        "time_step_ns": recording.time_step,
        "steps": n_steps,
        "temperature_K": recording.temperature,
        "averaged_from_ns": window.start,
        "averaged_to_ns": window.end,
        "settled": window.is_settled,
        "charging_time_ns": comparison.charging_time,
        "long_enough": comparison.is_long_enough,
        "independent_samples": comparison.membrane_potential.n_effective,
        "membrane_potential_mV": _plain_estimate(comparison.membrane_potential),
        "ghk_potential_mV": _plain_estimate(comparison.ghk_potential),
        "ghk_potential_with_pump_mV": _plain_estimate(comparison.ghk_potential_with_pump),
        "difference_mV": _plain_estimate(comparison.difference),
        "difference_with_pump_mV": _plain_estimate(comparison.difference_with_pump),
        "difference_in_standard_errors": comparison.difference_in_standard_errors,
        "standard_deviation_mV": {
            "mean": comparison.standard_deviation,
            "standard_error": comparison.standard_deviation_error,
        },
        "charge_separation_standard_deviation_mV": comparison.charge_standard_deviation,
        "capacitance_noise_mV": comparison.capacitance_noise,
        "free": comparison.is_free,
        "phases": [_plain_phase(phase) for phase in find_phases(recording, ghk)],
        "reversal_potential_mV": reversal_potentials(recording, window.records),
        "permeability_nm3_per_ns": dict(zip(recording.species_names, map(float, permeability), strict=True)),
        "ions": {
            "total": recording.n_ions,
            "inside_at_start": _ions(recording, "inside", 0),
            "inside_at_end": _ions(recording, "inside", -1),
            "outside_at_start": _ions(recording, "outside", 0),
            "outside_at_end": _ions(recording, "outside", -1),
            "in_pores_at_end": _ions(recording, "in_pores", -1),
        },
        "crossings": _plain_crossings(crossings_by_species(recording)),
        "pumped": _plain_crossings(pumped_by_species(recording)),
        "pump_cycles": cycles,
        "pump_charge_per_cycle_e": charge_per_cycle(recording),
        "pumped_charge_e": _number(charge[-1] - charge[0]),
        "pump_current_e_per_ns": comparison.pump_current,
        "acceleration": {pump.name: pump.acceleration for pump in recording.pumps},
        "ledger": _ledger(recording),
        "branched_from": recording.branched_from,
        "wall_seconds": recording.wall_seconds,
        "recording_seconds": recording.recording_seconds,
        "ion_steps_per_second": recording.n_ions * n_steps / recording.wall_seconds
        if recording.wall_seconds > 0
        else None,
    }


def ghk_with_pumps_series(recording: Recording) -> np.ndarray | None:
    """Return GHK with the current of the pumps counted, in mV, (records,); None where pumps carried no current.

    The current is the mean of the averaged part of a run, or of each phase of a protocol, as in the tables: single
    cycles come too seldom for a current of each record. Not a number in phases too short for a mean. Where the pump
    balances the leaks it is the potential of Mullins & Noda (1963), J. Gen. Physiol. 47:117. Raises RecordingError
    for a run too short to average.
    """
    if not pumped_charge(recording).any():
        return None
    if not has_protocol(recording):
        return ghk_series(recording, compare_potential(recording).pump_current)
    current = np.full(len(recording.time), np.nan)
    for phase in find_phases(recording):
        current[(recording.time >= phase.start) & (recording.time <= phase.stop)] = phase.pump_current
    return ghk_series(recording, current)


def _plain_phase(phase: Phase) -> dict[str, Any]:
    return {
        "from_ns": phase.start,
        "to_ns": phase.stop,
        "what": phase.label,
        "membrane_potential_mV": _plain_estimate(phase.membrane_potential),
        "ghk_potential_mV": phase.ghk_potential if np.isfinite(phase.ghk_potential) else None,
        "ghk_potential_with_pump_mV": phase.ghk_potential_with_pumps
        if np.isfinite(phase.ghk_potential_with_pumps)
        else None,
        "channel_current_pA": phase.channel_current,
        "injected_current_pA": phase.injected_current,
    }


def _plain_crossings(by_species: dict[str, Crossings]) -> dict[str, dict[str, float]]:
    return {
        name: {
            "outward": _number(moved.outward[-1] - moved.outward[0]),
            "inward": _number(moved.inward[-1] - moved.inward[0]),
        }
        for name, moved in by_species.items()
    }


def _ledger(recording: Recording) -> dict[str, Any]:
    """Return the largest total charge of any record and how many ions of each species came or went.

    Through open far ends ions come and go; the engine has stopped the run if their number did not account for it.
    """
    gained = {}
    for name in recording.species_names:
        ions = np.stack([recording[f"ions_{place}.{name}"] for place in ("inside", "outside", "in_pores")])
        total = ions.sum(axis=0)
        gain = total[-1] - total[0]
        gained[name] = _number(0.0 if abs(gain) < ROUNDING * total[0] else gain)
    has_open_ends = recording.scenario.geometry.boundary == "bath"
    charge = recording["ledger_charge"]
    largest = float(charge[np.argmax(np.abs(charge))])
    return {
        "charge_e": largest,
        "ions_gained": gained,
        "open_ends": has_open_ends,
        # Whole charges add up exactly; means do to rounding.
        "balanced": abs(largest) <= (0.0 if recording.has_noise else ROUNDING * recording.n_ions)
        and (has_open_ends or not any(gained.values())),
    }


def _ions(recording: Recording, place: str, record: int) -> dict[str, float]:
    return {name: _number(recording[f"ions_{place}.{name}"][record]) for name in recording.species_names}


def _number(value: float) -> float:
    """Return whole numbers as such: of ions all are, of their means few."""
    return int(value) if float(value).is_integer() else float(value)


def _plain_estimate(estimate: Estimate | None) -> dict[str, float] | None:
    if estimate is None:
        return None
    return {"mean": estimate.mean, "standard_error": estimate.standard_error}
