"""From the summaries of runs to the table of a sweep: means, errors between replicas, and what theory predicts."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mc.ensemble.plan import DONE_NAME, Replica, SweepPlan, folder_of
from mc.errors import SweepError
from mc.recording.sweep_table import Failure, Parameter, SweepTable, make_columns
from mc.units import express, split_quantity

BETWEEN_REPLICAS, WITHIN_THE_RUN = "between replicas", "within the run"


class Measured(NamedTuple):
    """One quantity of one run; not a number where something does not exist."""

    unit: str
    value: float
    standard_error: float = math.nan
    """Of the run by itself."""
    theory: float = math.nan
    difference: float = math.nan
    difference_standard_error: float = math.nan


def measure(summary: Mapping[str, Any]) -> dict[str, Measured]:
    """Return what the summary of a run says of the quantities of the table, reversal potentials of permeant ions."""
    found = {"membrane_potential": _potential(summary), "noise": _noise(summary)}
    if not summary["has_noise"]:
        # The mean equations have neither noise nor chance: what is left of both in a run is how it came to rest.
        found["membrane_potential"] = found["membrane_potential"]._replace(
            standard_error=0.0, difference_standard_error=0.0
        )
        found["noise"] = Measured("mV", math.nan)
    for name, potential in summary["reversal_potential_mV"].items():
        if potential is not None and summary["permeability_nm3_per_ns"][name] > 0.0:
            found[f"reversal_potential.{name}"] = Measured("mV", potential)
    if summary["pump_cycles"]:
        found["pump_current"] = Measured("e/ns", summary["pump_current_e_per_ns"])
    return found


def _potential(summary: Mapping[str, Any]) -> Measured:
    """Return the membrane potential beside GHK with the current of the pumps counted.

    The difference is that of each record, so that what both have in common is no error.
    """
    potential = _number(summary["membrane_potential_mV"])
    theory, difference = (
        _number(summary[key]) if summary["free"] else (math.nan, math.nan)
        for key in ("ghk_potential_with_pump_mV", "difference_with_pump_mV")
    )
    return Measured("mV", *potential, theory[0], *difference)


def _noise(summary: Mapping[str, Any]) -> Measured:
    """Return the standard deviation of the charge on the membrane over its capacitance beside sqrt(kT/C).

    The mean was taken from the same samples, which makes the variance small by one part in their independent number.
    Its relative error is that of the standard deviation at the electrodes.
    """
    samples = summary["independent_samples"]
    if not summary["free"] or samples <= 1.0:
        return Measured("mV", math.nan)
    value = summary["charge_separation_standard_deviation_mV"] / math.sqrt(1.0 - 1.0 / samples)
    deviation, its_error = _number(summary["standard_deviation_mV"])
    error = value * its_error / deviation if deviation else math.nan
    theory = summary["capacitance_noise_mV"]
    return Measured("mV", value, error, theory, value - theory, error)


def _number(estimate: Mapping[str, float | None] | None) -> tuple[float, float]:
    """Return mean and standard error."""
    if estimate is None:
        return math.nan, math.nan
    mean, error = estimate["mean"], estimate["standard_error"]
    return math.nan if mean is None else mean, math.nan if error is None else error


class _Run(NamedTuple):
    measured: dict[str, Measured]
    n_effective: float
    is_short: bool


class _Mean(NamedTuple):
    mean: float
    standard_error: float


def _mean(values: Sequence[float], own_errors: Sequence[float]) -> _Mean:
    """Return the mean of the runs with the standard error between them; of a single run with its own."""
    if not len(values):
        return _Mean(math.nan, math.nan)
    if len(values) == 1:
        return _Mean(values[0], own_errors[0])
    return _Mean(float(np.mean(values)), float(np.std(values, ddof=1) / math.sqrt(len(values))))


def chance_of(score: float, n_runs: int) -> float:
    """Return the probability of a difference of so many standard errors or more, to either side, by chance.

    Standard errors from the scatter of n runs are themselves uncertain: Student's t with n - 1 degrees of freedom
    (Student 1908). The own error of a single run is taken as known.
    """
    if not math.isfinite(score):
        return math.nan
    if n_runs < 2:
        return math.erfc(abs(score) / math.sqrt(2.0))
    from scipy.special import stdtr

    return float(2.0 * stdtr(n_runs - 1, -abs(score)))


def read_summaries(folder: Path, plan: SweepPlan) -> dict[Replica, dict[str, Any]]:
    """Return the summaries of all finished runs. Raises SweepError for one that cannot be read."""
    summaries = {}
    for run in sorted(plan.runs):
        run_folder = folder / folder_of(run)
        if not (run_folder / DONE_NAME).exists():
            continue
        path = run_folder / "summary.json"
        try:
            summaries[run] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SweepError(
                f"{path} of a finished run cannot be read: {error}; remove {run_folder / DONE_NAME} and the same "
                "command makes it anew"
            ) from error
    return summaries


def make_table(
    folder: Path, plan: SweepPlan, title: str, *, paired: bool, failures: Mapping[Replica, str] | None = None
) -> SweepTable:
    """Return the table of what is finished."""
    runs: dict[int, list[_Run]] = {point: [] for point in range(len(plan.points))}
    for run, summary in read_summaries(folder, plan).items():
        is_short = summary["free"] and not (summary["long_enough"] and summary["settled"])
        runs[run.point].append(_Run(measure(summary), summary["independent_samples"], is_short))
    units = {name: one.unit for found in runs.values() for run in found for name, one in run.measured.items()}
    rows = [_row(point, name, unit, found) for point, found in runs.items() for name, unit in units.items()]
    return SweepTable(
        title=title,
        seed=plan.seed,
        replicas=plan.replicas,
        paired=paired,
        parameters=_parameters(plan),
        columns=make_columns(rows),
        failures=tuple(
            Failure(*run, message, plan.command_of(run)) for run, message in sorted((failures or {}).items())
        ),
    )


def _row(point: int, name: str, unit: str, runs: Sequence[_Run]) -> dict[str, Any]:
    finite = [run for run in runs if name in run.measured and math.isfinite(run.measured[name].value)]
    found = [run.measured[name] for run in finite]
    value = _mean([one.value for one in found], [one.standard_error for one in found])
    compared = [one for one in found if math.isfinite(one.difference)]
    difference = _mean(
        [one.difference for one in compared], [one.difference_standard_error for one in compared]
    )
    error = difference.standard_error
    n_short = sum(run.is_short for run in finite)
    # A run that had not come to rest is no evidence for or against what it rests at.
    score = difference.mean / error if error > 0.0 and n_short == 0 else math.nan
    return {
        "point": point,
        "quantity": name,
        "unit": unit,
        "runs": len(found),
        "short_runs": n_short,
        "mean": value.mean,
        "standard_error": value.standard_error,
        "standard_error_from": BETWEEN_REPLICAS if len(found) > 1 else WITHIN_THE_RUN if found else "",
        "n_effective": sum(run.n_effective for run in finite),
        "theory": _mean([one.theory for one in compared], [math.nan]).mean,
        "difference": difference.mean,
        "difference_standard_error": difference.standard_error,
        "difference_in_standard_errors": score,
        "probability": chance_of(score, len(compared)),
    }


def _parameters(plan: SweepPlan) -> tuple[Parameter, ...]:
    """Return the varied keys with their values as numbers in the unit of the first, where all are of its kind."""
    parameters = []
    for i, key in enumerate(plan.keys):
        texts = tuple(point[i] for point in plan.points)
        first = split_quantity(texts[0])
        numbers = [express(text, first.unit) if first else None for text in texts]
        is_number = first is not None and None not in numbers
        values = np.array([math.nan if number is None or not is_number else number for number in numbers])
        parameters.append(Parameter(key, first.unit if first and is_number else "", texts, values))
    return tuple(parameters)
