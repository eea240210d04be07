"""`ionmc check`: what a scenario implies, without running it."""

import json
import math
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

from mc.cli.arguments import scenario_arguments
from mc.cli.messages import print_warning
from mc.digest import regime_rows
from mc.scenario.advice import Advice, advise
from mc.scenario.reading import read_scenario
from mc.scenario.schema import Scenario

_PLAIN_WIDTH = 120


@click.command(name="check", short_help="Say what a scenario implies, without running it.")
@scenario_arguments
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def command(scenario_file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Read SCENARIO and print its regime: ions, scales, limits, expected potential, cost, warnings.

    The exit status is 2 if the scenario is faulty or cannot work.
    """
    scenario = read_scenario(scenario_file, overrides)
    advice = advise(scenario)
    if as_json:
        click.echo(json.dumps(_to_json(scenario, advice), indent=2, allow_nan=False))
    else:
        _print_regime(scenario, advice)
        for warning in advice.warnings:
            print_warning(warning)
    advice.raise_refusals()


def _print_regime(scenario: Scenario, advice: Advice) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PLAIN_WIDTH)
    frame = box.SIMPLE_HEAD if console.is_terminal else None
    console.print(scenario.title or "(no title)", style="bold", markup=False)

    ions = Table(box=frame, padding=(0, 2, 0, 0))
    for heading in (
        "ion",
        "valence",
        "inside mM",
        "outside mM",
        "ions inside",
        "ions outside",
        "Nernst mV",
        "step nm",
    ):
        ions.add_column(heading, justify="left" if heading == "ion" else "right")
    for species in advice.species:
        ions.add_row(
            species.name,
            f"{species.valence:+d}",
            f"{species.concentration_inside:.4g}",
            f"{species.concentration_outside:.4g}",
            f"{species.ions_inside:,}",
            f"{species.ions_outside:,}",
            f"{species.nernst_potential:.1f}" if math.isfinite(species.nernst_potential) else "none",
            f"{species.step_length:.2f}",
        )
    console.print(ions)
    if not console.is_terminal:
        console.print()

    regime = Table(box=frame, show_header=False, padding=(0, 2, 0, 0))
    regime.add_column(justify="left", no_wrap=True)
    regime.add_column(justify="left")
    for name, value in regime_rows(scenario, advice):
        regime.add_row(name, value)
    console.print(regime)
    for note in advice.notes:
        console.print(f"note: {note}", markup=False, soft_wrap=True)


def _to_json(scenario: Scenario, advice: Advice) -> dict[str, Any]:
    """Return the regime under plain names with units; what is infinite or absent is null."""

    def finite(number: float | None) -> float | None:
        return number if number is not None and math.isfinite(number) else None

    return {
        "title": scenario.title,
        "species": {
            species.name: {
                "valence": species.valence,
                "concentration_inside_mM": species.concentration_inside,
                "concentration_outside_mM": species.concentration_outside,
                "ions_inside": species.ions_inside,
                "ions_outside": species.ions_outside,
                "diffusion_coefficient_um2_per_ms": species.diffusion_coefficient,
                "step_length_nm": species.step_length,
                "nernst_potential_mV": finite(species.nernst_potential),
            }
            for species in advice.species
        },
        "ions": advice.n_ions,
        "anion_added": {"inside": advice.anion_added_inside, "outside": advice.anion_added_outside},
        "anion_added_mM": {
            "inside": advice.anion_concentration_inside,
            "outside": advice.anion_concentration_outside,
        },
        "debye_length_nm": {
            "inside": finite(advice.debye_length_inside),
            "outside": finite(advice.debye_length_outside),
        },
        "dielectric_relaxation_time_ns": {
            "inside": finite(advice.dielectric_relaxation_time_inside),
            "outside": finite(advice.dielectric_relaxation_time_outside),
        },
        "grid_spacing_nm": advice.grid_spacing,
        "grid_cells": advice.n_cells,
        "grid_cells_along_membrane": list(advice.transverse_cells),
        "time_step_ns": advice.time_step,
        "steps": advice.n_steps,
        "largest_safe_time_step_ns": finite(advice.largest_safe_time_step),
        "largest_possible_time_step_ns": finite(advice.largest_possible_time_step),
        "largest_safe_time_step_cause": advice.time_step_cause,
        "elementary_voltage_step_mV": advice.elementary_voltage_step,
        "capacitance_noise_mV": advice.capacitance_noise,
        "ghk_potential_mV": finite(advice.ghk_potential),
        "ghk_potential_with_pumps_mV": finite(advice.ghk_potential_with_pumps),
        "charging_time_ns": finite(advice.charging_time),
        "pump_current_e_per_ns": advice.pump_current,
        "memory_bytes": advice.memory_bytes,
        "file_bytes": advice.file_bytes,
        "run_seconds": advice.run_seconds,
        "notes": list(advice.notes),
        "warnings": list(advice.warnings),
        "refusals": [str(refusal) for refusal in advice.refusals],
    }
