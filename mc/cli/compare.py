"""`ionmc compare`: the same scenario ion by ion, as counts in voxels and as mean equations, side by side."""

import math
import shlex
import sys
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

from mc.cli.arguments import scenario_and_overrides
from mc.cli.messages import print_warning
from mc.cli.run import interruption_told, make_progress
from mc.formatting import show_time
from mc.scenario.reading import read_scenario

_PLAIN_WIDTH = 150

_MOST_NAMED = 6
"""Quantities that a verdict names one by one."""


@click.command(name="compare", short_help="Run a scenario on several engines and say where they differ.")
@scenario_and_overrides
@click.option(
    "--engines",
    metavar="NAME,NAME,...",
    help="Engines to compare, of brownian, lattice and continuum; by default all that can run the scenario within an "
    "hour.",
)
@click.option(
    "--replicas",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Runs of each engine that draws random numbers; from three on, errors are those between them.",
)
@click.option(
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder of the results; by default outputs/compare/NAME for NAME.toml.",
)
@click.option("--overwrite", is_flag=True, help="Replace the results of an earlier comparison.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Root of the seeds of all runs.")
@click.option(
    "--threads", type=click.IntRange(1), help="Threads of each run; the results are the same for any number."
)
@click.option("--figures/--no-figures", "with_figures", default=True, help="Draw the overlay at the end.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def command(
    scenario_file: Path,
    overrides: tuple[str, ...],
    engines: str | None,
    replicas: int,
    folder: Path | None,
    overwrite: bool,
    seed: int | None,
    threads: int | None,
    with_figures: bool,
    as_json: bool,
) -> None:
    """Run SCENARIO on several engines, and say where they agree and where a difference is real, and why.

    Compared are the membrane potential, concentrations, open channels, crossings and pump cycles, over time and at
    the end (the last quarter of the run), in standard errors: between replicas, or within the run with fewer than
    three. A time step that the scenario gives is for its own engine; others choose theirs. Runs are kept in
    FOLDER/ENGINE/NUMBER, the numbers in compare.json, the overlay in compare.png.

    Results go to stdout, progress and warnings to stderr. The exit status is 2 for bad input, 130 after an
    interruption.
    """
    scenario = read_scenario(scenario_file, overrides)
    names = None if engines is None else [name.strip() for name in engines.split(",") if name.strip()]
    from mc.analysis.causes import judge
    from mc.analysis.levels import compare_levels
    from mc.ensemble.levels import choose_engines, run_levels
    from mc.recording.recorder import write_summary

    chosen, left_out = choose_engines(scenario, names)
    for name, reason in left_out.items():
        print_warning(f"{name} is left out: {reason}")
    folder = folder or Path("outputs") / "compare" / scenario.default_folder().name
    console = Console(stderr=True, highlight=False)

    def tell(engine: str, number: int, n: int) -> None:
        console.print(f"{engine}, run {number + 1} of {n}", soft_wrap=True)

    with interruption_told(folder), make_progress(console) as on_progress:
        levels = run_levels(
            chosen,
            folder,
            replicas=replicas,
            seed=seed,
            threads=threads,
            overwrite=overwrite,
            command_line=shlex.join(["ionmc", *sys.argv[1:]]),
            on_run=tell,
            on_progress=on_progress,
        )
    comparison = compare_levels(levels)
    verdicts = judge(comparison)
    results = to_json(comparison, verdicts, left_out)
    write_summary(folder / "compare.json", results)
    if as_json:
        click.echo((folder / "compare.json").read_text(encoding="utf-8"), nl=False)
    else:
        print_comparison(comparison, verdicts)
        click.echo(folder / "compare.json")
    if with_figures:
        from mc.figures.levels import figure_of_levels

        path = folder / "compare.png"
        figure_of_levels(comparison).savefig(path, dpi=150)
        if not as_json:
            click.echo(path)
    for level in levels:
        for recording in level.recordings:
            recording.close()


def print_comparison(comparison: Any, verdicts: list[Any]) -> None:
    """Print what the engines say at the end, the differences that are real, and the verdict."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PLAIN_WIDTH)
    engines = [level.engine for level in comparison.levels]
    table = Table(box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column(f"from {show_time(comparison.end_from)} to {show_time(float(comparison.time[-1]))}")
    for engine in engines:
        table.add_column(engine, justify="right")
    for one, other in ((verdict.first, verdict.second) for verdict in verdicts):
        table.add_column(f"{one} −\n{other} (σ)", justify="right")
    for quantity in comparison.quantities:
        estimates = comparison.estimates[quantity.name]
        cells = [show_estimate(estimates[engine]) for engine in engines]
        scores = [
            show_score(difference)
            for difference in comparison.differences
            if difference.quantity.name == quantity.name
        ]
        unit = "" if quantity.unit == "1" else f" ({quantity.unit})"
        table.add_row(f"{quantity.name}{unit}", *cells, *scores)
    table.add_row(
        "GHK with pumps (mV)",
        *(show_five_digits(comparison.ghk_potential[engine]) for engine in engines),
        *("" for _ in verdicts),
    )
    table.add_row(
        "wall time of a run (s)",
        *(show_five_digits(comparison.wall_seconds[engine]) for engine in engines),
        *("" for _ in verdicts),
    )
    console.print(table)
    console.print(
        "σ: standard deviations of a normal law that chance exceeds as often, by Student's t; beyond three a "
        "difference is called real (*)",
        soft_wrap=True,
    )
    for verdict in verdicts:
        for line in verdict_lines(verdict, comparison):
            console.print(line, soft_wrap=True, markup=False)


def verdict_lines(verdict: Any, comparison: Any) -> list[str]:
    """Return what two engines make of one another, in sentences."""
    n = len(verdict.agreeing) + len(verdict.differing)
    pair = f"{verdict.first} and {verdict.second}"
    if not verdict.differing:
        lines = [f"{pair} agree in all {n} quantities: nothing beyond 3 σ"]
    else:
        lines = [
            f"{pair} agree in {len(verdict.agreeing)} of {n} quantities; by chance {0.0027 * n:.2g} would differ"
        ]
    told: dict[tuple[str, ...], list[str]] = {}
    for difference, reasons in verdict.differing:
        told.setdefault(reasons, []).append(
            f"{difference.quantity.name} {difference.difference:+.3g}"
            + ("" if difference.quantity.unit == "1" else f" {difference.quantity.unit}")
        )
    for reasons, names in told.items():
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        lines.append(f"  real: {', '.join(names[:_MOST_NAMED])}{more}")
        lines += [f"    likely: {reason}" for reason in reasons]
        if not reasons:
            lines.append("    no cause is known: more replicas tell whether it stays")
    over_time = [*verdict.agreeing, *(one for one, _ in verdict.differing)]
    potential = next(one for one in over_time if one.quantity.name == "membrane_potential")
    beyond = (
        f"; beyond three standard errors in {potential.share_beyond:.1%} of all moments, "
        f"{potential.share_expected:.1%} by chance"
        if math.isfinite(potential.share_beyond)
        else ""
    )
    lines.append(
        f"  over time the potentials differ most at {show_time(potential.time_of_largest)}, by "
        f"{potential.largest_difference:+.3g} mV{beyond}"
    )
    return lines


def show_estimate(estimate: Any) -> str:
    """Return a mean with its standard error, to two digits of it."""
    if not estimate.standard_error or not math.isfinite(estimate.standard_error):
        return show_five_digits(estimate.mean)
    decimals = max(0, 1 - math.floor(math.log10(estimate.standard_error)))
    return f"{estimate.mean:.{decimals}f} ± {estimate.standard_error:.{decimals}f}"


def show_five_digits(value: float) -> str:
    """Return a number to five digits."""
    return f"{value:.5g}" if math.isfinite(value) else "-"


def show_score(difference: Any) -> str:
    """Return a difference in normal deviations, with a mark where it is real."""
    deviations = difference.normal_deviations
    if not math.isfinite(deviations):
        return "real *" if difference.is_real else "-"
    return f"{deviations:+.1f}" + (" *" if difference.is_real else "")


def to_json(comparison: Any, verdicts: list[Any], left_out: dict[str, str]) -> dict[str, Any]:
    """Return everything under plain names with units."""
    first = comparison.levels[0].recordings[0]
    real = {
        (difference.quantity.name, difference.first, difference.second): list(reasons)
        for verdict in verdicts
        for difference, reasons in verdict.differing
    }
    return {
        "title": first.title,
        "engines": {
            level.engine: {
                "runs": [str(one.path) for one in level.recordings],
                "seeds": [one.seed for one in level.recordings],
                "time_step_ns": level.recordings[0].time_step,
                "wall_seconds": [one.wall_seconds for one in level.recordings],
                "ghk_potential_with_pump_mV": comparison.ghk_potential[level.engine],
            }
            for level in comparison.levels
        },
        "left_out": left_out,
        "time_ns": comparison.time,
        "end_from_ns": comparison.end_from,
        "quantities": {
            quantity.name: {
                "unit": quantity.unit,
                "at_end": {
                    engine: {"mean": one.mean, "standard_error": one.standard_error}
                    for engine, one in comparison.estimates[quantity.name].items()
                },
                "over_time": {
                    engine: {"mean": one.mean, "standard_error": one.standard_error}
                    for engine, one in comparison.traces[quantity.name].items()
                },
            }
            for quantity in comparison.quantities
        },
        "differences": [
            {
                "quantity": one.quantity.name,
                "unit": one.quantity.unit,
                "first": one.first,
                "second": one.second,
                "difference": one.difference,
                "standard_error": one.standard_error,
                "standard_errors": one.score,
                "normal_deviations": one.normal_deviations,
                "probability": one.probability,
                "real": one.is_real,
                "likely_reasons": real.get((one.quantity.name, one.first, one.second), []),
                "largest_over_time": one.largest_difference,
                "time_of_largest_ns": one.time_of_largest,
                "share_of_time_beyond_three_standard_errors": one.share_beyond,
                "share_by_chance": one.share_expected,
            }
            for one in comparison.differences
        ],
        "profiles": [
            {
                "first": one.first,
                "second": one.second,
                "potential_rms_mV": one.potential,
                "concentration_rms_mM": one.concentrations,
            }
            for one in comparison.profiles
        ],
        "verdict": [line for verdict in verdicts for line in verdict_lines(verdict, comparison)],
    }
