"""The numbers of a run as rows of text: the same at the end of a run and in its report."""

from __future__ import annotations

import math
from typing import Any

from mc.analysis.statistics import RELIABLE_SAMPLES
from mc.formatting import show_bytes, show_factor, show_number, show_time
from mc.scenario.advice import Advice
from mc.scenario.schema import Scenario

SHORTEST_JUDGED = 2.0
"""s of wall time below which it does not matter what they were spent on."""


def find_doubts(summary: dict[str, Any]) -> list[str]:
    """Return what limits the worth of a run's averages, or wasted its time, one sentence each."""
    doubts: list[str] = []
    wall, recording = summary["wall_seconds"], summary["recording_seconds"]
    if recording > wall / 2 and wall > SHORTEST_JUDGED:
        doubts.append(
            f"looking and recording took {recording:.1f} s of {wall:.1f} s, longer than simulating: lengthen "
            "recording.interval or recording.positions_interval, or give --checkpoint-every a longer time"
        )
    if not summary["free"]:
        return doubts
    if not summary["long_enough"]:
        lasted = summary["averaged_to_ns"] - summary["averaged_from_ns"]
        doubts.append(
            f"only {show_time(lasted)} could be averaged, with a charging time of "
            f"{show_time(summary['charging_time_ns'])}: too short to judge the difference from theory; run longer"
        )
    elif not summary["settled"]:
        doubts.append("the membrane was still charging in the averaged part: run longer")
    elif summary["independent_samples"] < RELIABLE_SAMPLES and summary["has_noise"]:
        doubts.append(
            f"only {summary['independent_samples']:.0f} independent samples: the standard errors are uncertain"
        )
    return doubts


def pumps_carry_current(summary: dict[str, Any]) -> bool:
    """Return whether a pump or transporter that turned moves net charge, which those of one K and one Cl do not."""
    return any(summary["pump_charge_per_cycle_e"][name] * n for name, n in summary["pump_cycles"].items())


def potential_rows(summary: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return name, value in mV and standard error of what is measured and predicted of the membrane potential."""
    rows = []
    for name, key in (
        ("membrane potential (electrodes)", "membrane_potential_mV"),
        ("GHK of the same moments", "ghk_potential_mV"),
        ("GHK with the pumps' current", "ghk_potential_with_pump_mV"),
        ("membrane potential minus GHK", "difference_mV"),
        ("membrane potential minus GHK with pumps", "difference_with_pump_mV"),
        ("standard deviation at the electrodes", "standard_deviation_mV"),
    ):
        if "with_pump" in key and not pumps_carry_current(summary):
            continue
        estimate = summary[key]
        if estimate is None:
            rows.append((name, "-", "no open channel"))
        else:
            error = f"{estimate['standard_error']:.2f}" if summary["has_noise"] else "no noise"
            rows.append((name, f"{estimate['mean']:.2f}", error))
    charge_noise = summary["charge_separation_standard_deviation_mV"]
    rows.append(("standard deviation of charge/C", f"{charge_noise:.2f}", ""))
    rows.append(("thermal noise sqrt(kT/C)", f"{summary['capacitance_noise_mV']:.2f}", ""))
    return rows


def phase_headings(summary: dict[str, Any]) -> tuple[str, ...]:
    """Return the headings of `phase_rows`."""
    return (
        "from",
        "to",
        "protocol",
        "membrane potential mV",
        "GHK mV",
        *(("GHK with pumps mV",) if pumps_carry_current(summary) else ()),
        "channels pA outward",
        "injected pA",
    )


def phase_rows(summary: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return what the membrane did in each phase of a protocol, under `phase_headings`."""
    rows: list[tuple[str, ...]] = []
    for phase in summary["phases"]:
        potential = phase["membrane_potential_mV"]
        predicted = [phase["ghk_potential_mV"]]
        if pumps_carry_current(summary):
            predicted.append(phase["ghk_potential_with_pump_mV"])
        rows.append(
            (
                show_time(phase["from_ns"]),
                show_time(phase["to_ns"]),
                phase["what"],
                f"{potential['mean']:.2f} ± {potential['standard_error']:.2f}",
                *("-" if ghk is None else f"{ghk:.2f}" for ghk in predicted),
                f"{phase['channel_current_pA']:.3g}",
                f"{phase['injected_current_pA']:.3g}",
            )
        )
    return rows


def species_headings(summary: dict[str, Any]) -> tuple[str, ...]:
    """Return the headings of `species_rows`."""
    return (
        "ion",
        "Nernst mV",
        "crossed out",
        "crossed in",
        *(("pumped out", "pumped in") if summary["pump_cycles"] else ()),
        "inside at start",
        "inside at end",
        "outside at start",
        "outside at end",
        "from the baths" if summary["ledger"]["open_ends"] else "lost or made",
    )


def species_rows(summary: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return where the ions of each species were and went, under `species_headings`."""
    ions, ledger = summary["ions"], summary["ledger"]
    rows: list[tuple[str, ...]] = []
    for name, crossings in summary["crossings"].items():
        reversal = summary["reversal_potential_mV"].get(name)
        moved = [crossings, summary["pumped"][name]] if summary["pump_cycles"] else [crossings]
        rows.append(
            (
                name,
                "none" if reversal is None or not math.isfinite(reversal) else f"{reversal:.1f}",
                *(show_number(one[way]) for one in moved for way in ("outward", "inward")),
                show_number(ions["inside_at_start"][name]),
                show_number(ions["inside_at_end"][name]),
                show_number(ions["outside_at_start"][name]),
                show_number(ions["outside_at_end"][name]),
                show_number(ledger["ions_gained"][name]),
            )
        )
    return rows


def _show_pace(summary: dict[str, Any]) -> str:
    if summary["engine"] == "brownian":
        return f"{summary['ion_steps_per_second'] / 1e6:.0f} million ion-steps/s"
    return f"{summary['steps'] / summary['wall_seconds']:.0f} steps/s, whatever the number of ions"


def remarks(summary: dict[str, Any]) -> list[str]:
    """Return pumps, ledger and cost of a run, one sentence each."""
    found = []
    for name, cycles in summary["pump_cycles"].items():
        acceleration = summary["acceleration"][name]
        faster = (
            f", turning {show_factor(acceleration)} times faster than in life" if acceleration != 1.0 else ""
        )
        charge = summary["pump_charge_per_cycle_e"][name]
        moved = f"{charge:+d} e outward each" if charge else "no net charge"
        found.append(f"{name}: {show_number(cycles)} cycles, {moved}{faster}")
    ledger = summary["ledger"]
    balance = "balanced at every record" if ledger["balanced"] else "NOT balanced"
    found.append(f"ledger: {balance}; total charge {ledger['charge_e']:g} e")
    pace = summary["ion_steps_per_second"]
    found.append(
        f"{summary['ions']['total']:,} ions, {summary['steps']:,} steps of {show_time(summary['time_step_ns'])} in "
        f"{summary['wall_seconds']:.1f} s"
        + (f" ({_show_pace(summary)})" if pace else "")
        + f", seed {summary['seed']}, engine {summary['engine']}"
    )
    if summary["recording_seconds"] >= 0.0:
        share = summary["recording_seconds"] / summary["wall_seconds"]
        found.append(f"looking and recording took {share:.1%} of the time")
    if (origin := summary["branched_from"]) is not None:
        found.append(f"branched from {origin['run']} at {show_time(origin['time_ns'])}")
    return found


def regime_rows(scenario: Scenario, advice: Advice) -> list[tuple[str, str]]:
    """Return what a scenario implies before a run: a name and its value with unit each."""
    anion = scenario.impermeant_anion.name
    rows = [
        ("ions followed", f"{advice.n_ions:,}"),
        (
            f"{anion} added for neutrality",
            f"{advice.anion_concentration_inside:.4g} mM inside ({advice.anion_added_inside:,} ions), "
            f"{advice.anion_concentration_outside:.4g} mM outside ({advice.anion_added_outside:,} ions)",
        ),
        (
            "Debye length",
            f"{advice.debye_length_inside:.3g} nm inside, {advice.debye_length_outside:.3g} nm outside",
        ),
        (
            "dielectric relaxation time",
            f"{show_time(advice.dielectric_relaxation_time_inside)} inside, "
            f"{show_time(advice.dielectric_relaxation_time_outside)} outside",
        ),
        (
            "time step",
            f"{show_time(advice.time_step)}, {advice.n_steps:,} steps for "
            f"{show_time(scenario.simulation.duration)}"
            + (" (chosen automatically)" if scenario.simulation.time_step == "auto" else ""),
        ),
        (
            "largest safe time step",
            f"{show_time(advice.largest_safe_time_step)} ({advice.time_step_cause}); refused above "
            f"{show_time(advice.largest_possible_time_step)}",
        ),
        *_grid_rows(scenario, advice),
        ("one ion moves the potential", f"{advice.elementary_voltage_step:.3g} mV (e/C)"),
        ("thermal noise of the potential", f"{advice.capacitance_noise:.3g} mV (square root of kT/C)"),
        ("GHK potential at the start", _show_potential(advice.ghk_potential)),
    ]
    if advice.pump_current:
        rows.append(("... with the pumps' current", _show_potential(advice.ghk_potential_with_pumps)))
    if advice.charging_time is not None:
        rows.append(("charging time at rest", f"{show_time(advice.charging_time)} (C/g)"))
    return [
        *rows,
        ("memory", show_bytes(advice.memory_bytes)),
        ("result file, without events", f"about {show_bytes(advice.file_bytes)}"),
        ("run time", f"about {show_time(advice.run_seconds * 1e9)} on two cores"),
    ]


def _grid_rows(scenario: Scenario, advice: Advice) -> list[tuple[str, str]]:
    """Return the row of the grid, and in two dimensions that of the membrane's line."""
    along_x = f"{advice.n_cells:,} cells of {advice.grid_spacing:.3g} nm"
    geometry = scenario.geometry
    if geometry.dimensions == 1:
        return [("grid", along_x)]
    along_y = " and ".join(
        f"{cells:,} of {length / cells:.3g} nm along the membrane"
        for cells, length in zip(advice.transverse_cells, geometry.transverse_lengths, strict=True)
    )
    line = f"{geometry.width:g} nm wide (y, periodic), {geometry.depth:g} nm deep (not tracked)"
    return [("membrane", line), ("grid", f"{along_x} along its normal, {along_y}")]


def _show_potential(potential: float | None) -> str:
    return "none" if potential is None or not math.isfinite(potential) else f"{potential:.1f} mV"
