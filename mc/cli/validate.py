"""`ionmc validate`: the macroscopic equations, each held against simulations."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

_PLAIN_WIDTH = 170


@click.command(name="validate", short_help="Check the macroscopic equations against simulations.")
@click.argument("names", metavar="[LAWS]...", nargs=-1)
@click.option("--list", "as_list", is_flag=True, help="List the laws and the engines they are checked on.")
@click.option(
    "--full", is_flag=True, help="Run as long as tight error bars take; by default under 3 minutes."
)
@click.option("--engine", help="Only on this engine; by default on each on which a law is meaningful.")
@click.option("--replicas", type=click.IntRange(1), default=1, show_default=True, help="Seeds for each law.")
@click.option("--seed", type=click.IntRange(0, 2**62), default=1, show_default=True, help="The first seed.")
@click.option(
    "--twins",
    is_flag=True,
    help="Also hold wrong predictions against the measurements: each must be rejected, at the same bound.",
)
@click.option(
    "--laws-from",
    "law_files",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE.py",
    help="Add a law of your own, see docs/validation.md.",
)
@click.option(
    "--scenario",
    "scenario_file",
    type=click.Path(path_type=Path),
    metavar="SCENARIO.toml",
    help="Instead: run a scenario of your own, and hold it against every law that fits it.",
)
@click.option(
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("outputs/validation"),
    show_default=True,
    help="Folder of report.html, report.json and the runs.",
)
@click.option(
    "--document",
    type=click.Path(path_type=Path),
    metavar="FILE.md",
    help="Write a page about the laws and what came out, as docs/validation.md.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@click.option("--jobs", type=click.IntRange(1), help="Laws measured at once; by default one on each core.")
def command(
    names: tuple[str, ...],
    as_list: bool,
    full: bool,
    engine: str | None,
    replicas: int,
    seed: int,
    twins: bool,
    law_files: tuple[Path, ...],
    scenario_file: Path | None,
    folder: Path,
    document: Path | None,
    as_json: bool,
    jobs: int | None,
) -> None:
    """Hold the macroscopic equations against simulations, all of them or those that LAWS names.

    Each law makes runs of its own, measures, and compares with theory. The bound of all differences is such that
    chance alone fails one or more of them once in 10,000 times. The table goes to stdout, progress to stderr;
    outputs/validation/report.html shows each law with its figure.

    The exit status is 0 where all hold (and, with --twins, all wrong predictions are rejected), 1 where one does
    not, 2 for bad input.
    """
    from mc.validation.registry import ValidationError, choose, find_laws

    if scenario_file is not None:
        if names or law_files or as_list or full or twins or document:
            raise ValidationError(
                "--scenario checks a scenario with the laws that fit it: give no laws beside it"
            )
        _validate_scenario(scenario_file, engine, range(seed, seed + replicas), folder, as_json)
        return
    laws = find_laws(law_files)
    chosen = choose(laws, names)
    if as_list:
        _print_laws(chosen, as_json)
        return
    from mc.simulation import ENGINES

    if engine is not None and engine not in ENGINES:
        raise ValidationError(f"there is no engine {engine}; there are {', '.join(ENGINES)}")
    from mc.validation.suite import bound_of, plan, run_all

    console = Console(stderr=True, highlight=False)
    tasks = plan(
        chosen,
        engine=engine,
        seeds=range(seed, seed + replicas),
        full=full,
        folder=folder,
        law_files=law_files,
    )
    if engine is not None:
        for law in chosen:
            if engine not in law.engines:
                reason = law.not_on.get(engine, "it is not measured there")
                console.print(f"{law.name}: not on {engine}: {reason}", soft_wrap=True)
    if not tasks:
        raise ValidationError(f"none of these laws is checked on {engine}")

    done = 0

    def tell(outcome: Any) -> None:
        nonlocal done
        done += 1
        what = outcome.error or f"{len(outcome.checks)} checks"
        console.print(
            f"{done}/{len(tasks)} {outcome.law}, {outcome.engine}, seed {outcome.seed}: {escape(what)}, "
            f"{outcome.wall_seconds:.1f} s",
            soft_wrap=True,
        )

    console.print(f"{len(tasks)} measurements of {len(chosen)} laws...")
    outcomes = run_all(tasks, jobs, tell)
    bound = bound_of(outcomes)
    circumstances = {"size": "full" if full else "quick", "seed": seed, "replicas": replicas}
    if document is not None:
        from mc.validation.document import write_document

        chosen_options = [*names, *(["--full"] if full else []), *(["--engine", engine] if engine else [])]
        more = [f"--seed {seed}"] * (seed != 1) + [f"--replicas {replicas}"] * (replicas != 1)
        made_by = " ".join(["ionmc validate", *chosen_options, *more, f"--document {document}"])
        write_document(document, outcomes, laws, bound, made_by)
    _show(outcomes, laws, bound, circumstances, folder, as_json, replicas > 1, twins)


def _validate_scenario(
    scenario_file: Path, engine: str | None, seeds: range, folder: Path, as_json: bool
) -> None:
    """Run a scenario with each seed and print what the laws that fit it say."""
    from mc.cli.messages import print_warning
    from mc.cli.run import interruption_told, make_progress
    from mc.scenario.advice import advise
    from mc.scenario.reading import read_scenario
    from mc.simulation import simulate
    from mc.validation.own import OWN_LAWS, judge
    from mc.validation.suite import bound_of

    scenario = read_scenario(scenario_file, {} if engine is None else {"simulation.engine": engine})
    for warning in advise(scenario).warnings:
        print_warning(warning)
    console = Console(stderr=True, highlight=False)
    outcomes: list[Any] = []
    reasons: dict[str, str] = {}
    for seed in seeds:
        run_folder = folder / "runs" / f"{scenario_file.stem}-{seed}"
        with interruption_told(run_folder), make_progress(console) as on_progress:
            recording = simulate(scenario, run_folder, seed=seed, overwrite=True, on_progress=on_progress)
        with recording:
            found, reasons = judge(recording)
        outcomes += found
    for name, reason in reasons.items():
        console.print(f"{name} does not apply: {escape(reason)}", soft_wrap=True)
    circumstances = {"scenario": str(scenario_file), "seed": seeds[0], "replicas": len(seeds)}
    _show(outcomes, OWN_LAWS, bound_of(outcomes), circumstances, folder, as_json, len(seeds) > 1)


def _show(
    outcomes: Any,
    laws: Any,
    bound: Any,
    circumstances: dict[str, Any],
    folder: Path,
    as_json: bool,
    with_seed: bool,
    twins: bool = False,
) -> None:
    """Write the report, print the results, and exit with status 1 where not all is as it should be."""
    from mc.validation.report import OWN_CONCENTRATIONS, bound_text, headline, write_report
    from mc.validation.report import as_json as plain
    from mc.validation.suite import HOLDS

    paths = write_report(folder, outcomes, laws, bound, circumstances)
    missed = [
        (one, wrong)
        for one in outcomes
        for wrong, checks in (one.twins.items() if twins else ())
        if not bound.rejects(checks)
    ]
    if as_json:
        click.echo(json.dumps(plain(outcomes, laws, bound, circumstances), indent=1, ensure_ascii=False))
    else:
        _print_table(outcomes, laws, bound, with_seed=with_seed)
        if twins:
            _print_twins(outcomes, bound)
        click.echo(headline(outcomes, bound))
        click.echo(bound_text(bound))
        click.echo(OWN_CONCENTRATIONS)
        for path in paths:
            click.echo(path)
    for one, wrong in missed:
        click.echo(f"{one.law}, {one.engine}: not rejected: {wrong}", err=True)
    if missed or any(bound.verdict(one) != HOLDS for one in outcomes):
        sys.exit(1)


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_PLAIN_WIDTH)


def _print_laws(laws: Any, as_json: bool) -> None:
    if as_json:
        listed = [
            {
                "law": law.name,
                "claim": law.claim,
                "formula": law.formula,
                "engines": list(law.engines),
                "not_on": dict(law.not_on),
                "twins": list(law.twins),
            }
            for law in laws
        ]
        click.echo(json.dumps(listed, indent=1, ensure_ascii=False))
        return
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("law", "claim", "engines"):
        table.add_column(heading)
    for law in laws:
        reasons = "".join(f"\n[dim]not on {engine}: {escape(why)}[/]" for engine, why in law.not_on.items())
        table.add_row(law.name, escape(law.claim), ", ".join(law.engines) + reasons)
    _console().print(table)


def _print_table(outcomes: Any, laws: Any, bound: Any, *, with_seed: bool) -> None:
    """Print a row for each check, and the verdict of each law on each engine."""
    from mc.validation.report import show_check

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("law, formula")
    table.add_column("engine")
    table.add_column("check")
    for heading in ("measured", "expected", "std. errors"):
        table.add_column(heading, justify="right")
    table.add_column("verdict")
    table.add_column("s", justify="right")
    for one in outcomes:
        verdict = bound.verdict(one)
        table.add_row(
            f"[bold]{escape(one.law)}[/] {escape(laws[one.law].formula)}",
            one.engine + (f" {one.seed}" if with_seed else ""),
            escape(one.error),
            "",
            "",
            "",
            f"[green]{verdict}[/]" if verdict == "holds" else f"[red]{verdict}[/]",
            f"{one.wall_seconds:.1f}",
        )
        for check in one.checks:
            shown = show_check(check)
            table.add_row(
                "",
                "",
                escape(shown["name"]),
                shown["measured"],
                shown["expected"],
                shown["difference"],
                "[red]FAILS[/]" if bound.fails(check) else "",
                "",
            )
        table.add_section()
    _console().print(table)


def _print_twins(outcomes: Any, bound: Any) -> None:
    table = Table(box=box.SIMPLE_HEAD, title="wrong predictions", title_justify="left")
    for heading in ("law", "engine", "what is wrong", "smallest p", ""):
        table.add_column(heading)
    for one in outcomes:
        for wrong, checks in one.twins.items():
            smallest = min((check.p_value for check in checks), default=1.0)
            verdict = "[green]rejected[/]" if bound.rejects(checks) else "[red]NOT rejected[/]"
            table.add_row(one.law, one.engine, escape(wrong), f"{smallest:.1e}", verdict)
    _console().print(table)
