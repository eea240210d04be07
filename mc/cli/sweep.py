"""`ionmc sweep`: a scenario at many points, several times each, and what came of it."""

import math
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from mc.cli.arguments import scenario_arguments
from mc.cli.messages import print_error, print_warning
from mc.formatting import show_time

_PLAIN_INTERVAL = 5.0
"""s of wall time between lines of progress where there is no terminal."""

_LIVE_INTERVAL = 0.2

NANOSECONDS_PER_SECOND = 1e9

_MOST_FAILURES = 10
"""Told one by one; all of them are in sweep.h5."""

_PLAIN_WIDTH = 140

_PRINTED = (
    ("membrane_potential", "membrane potential mV", "GHK mV"),
    ("noise", "noise of charge/C mV", "sqrt(kT/C) mV"),
)
"""Quantities that are printed, with the headings of what was measured and what theory says; all are in the table."""

EXIT_STATUS_OF_FAILED_RUNS = 1


@click.command(name="sweep", short_help="Run a scenario at many points, several times each.")
@scenario_arguments
@click.option(
    "--vary",
    "variations",
    metavar="KEY=V1,V2,...",
    multiple=True,
    help='A key of the scenario and its values, for example --vary outside.K="3 mM,10 mM,30 mM"; several of them are '
    "crossed.",
)
@click.option(
    "--paired/--crossed",
    default=None,
    help="Take the first values of all keys together, then the second ones, and so on; or all combinations.",
)
@click.option(
    "--replicas", type=click.IntRange(1), help="Runs of each point; by default as the scenario says, or 1."
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Runs at the same time on this machine; by default one for each core.",
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    help="Threads of each run; by default what the cores leave to each job, on a scheduler 1.",
)
@click.option("--scheduler", metavar="ADDRESS", help="Run on this Dask scheduler, such as tcp://node1:8786.")
@click.option(
    "--scheduler-file",
    type=click.Path(path_type=Path),
    help="Run on the Dask scheduler that wrote this file.",
)
@click.option(
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder of the sweep; by default outputs/sweeps/NAME for NAME.toml.",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Root of the seeds of all runs.")
@click.option("--figures/--no-figures", "with_figures", default=True, help="Draw the figures at the end.")
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def command(
    scenario_file: Path,
    overrides: tuple[str, ...],
    variations: tuple[str, ...],
    paired: bool | None,
    replicas: int | None,
    jobs: int | None,
    threads: int | None,
    scheduler: str | None,
    scheduler_file: Path | None,
    folder: Path | None,
    seed: int | None,
    with_figures: bool,
    as_json: bool,
) -> None:
    """Run SCENARIO at every point of --vary, or of its own [sweep] table, with several replicas each.

    Every run is an ordinary one in a folder of its own, with a seed that follows from the root seed, its point and
    its replica. The table of means, standard errors between replicas and predictions of theory is written to
    sweep.h5 and sweep.csv and printed to stdout; progress, warnings and failures go to stderr.

    The same command again makes only the runs that are missing, also after an interruption or a kill. The exit status
    is 1 if runs failed or the scheduler was lost, 2 for bad input, 130 after an interruption.
    """
    from mc.scenario.reading import read_scenario
    from mc.scenario.sweeps import read_variation

    if scheduler is not None and scheduler_file is not None:
        raise click.UsageError("--scheduler stands beside --scheduler-file: give the one or the other")
    if jobs is not None and (scheduler is not None or scheduler_file is not None):
        raise click.UsageError("--jobs is for this machine: a scheduler has the workers that it has")
    scenario = read_scenario(scenario_file, overrides)
    varied = [read_variation(text) for text in variations]
    # Imported only now that the scenario is known to be good: the engines cost a second.
    from mc.ensemble.sweep import available_cores, default_folder, sweep

    vary = {one.key: list(one.values) for one in varied} if varied else None
    folder = folder or default_folder(scenario)
    console = Console(stderr=True, highlight=False)
    with _interruption_told(folder), _show_progress(console) as on_progress:
        result = sweep(
            scenario,
            folder,
            vary=vary,
            paired=paired,
            replicas=replicas,
            seed=seed,
            jobs=jobs or available_cores(),
            threads=threads,
            scheduler=scheduler,
            scheduler_file=scheduler_file,
            on_progress=on_progress,
        )
    table = result.table
    if as_json:
        _print_json(folder, table)
    else:
        _print_table(table)
    paths = [folder / "sweep.h5", folder / "sweep.csv"]
    if with_figures and len(table):
        from mc.figures.sweeps import can_be_drawn, make_sweep_figures

        if can_be_drawn(table):
            paths += make_sweep_figures(table, folder / "figures")
    if not as_json:
        for path in paths:
            click.echo(path)
    _tell_doubts(table)
    if table.failures:
        _tell_failures(table)
        sys.exit(EXIT_STATUS_OF_FAILED_RUNS)


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which ends the workers in good order as Ctrl-C does."""

    signal_number = signal.SIGTERM


@contextmanager
def _interruption_told(folder: Path) -> Iterator[None]:
    """Turn Ctrl-C or SIGTERM into a message that says what is left and how to go on, and exit status 130 or 143."""

    def terminate(number: int, frame: object) -> None:
        raise _Terminated

    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except KeyboardInterrupt as interruption:
        click.echo(
            f"interrupted: what is finished is in {folder}, and the same command goes on from there", err=True
        )
        sys.exit(128 + getattr(interruption, "signal_number", signal.SIGINT))


# --- progress ---


@contextmanager
def _show_progress(console: Console) -> Iterator[Callable[[Any], None]]:
    """Give a function that shows how far a sweep has come: a live table on a terminal, else a line now and then."""
    if not console.is_terminal:
        last, waited_for = -_PLAIN_INTERVAL, ""

        def print_line(progress: Any) -> None:
            nonlocal last, waited_for
            is_over = progress.n_ended == progress.n_runs
            # What is waited for may last for minutes, in which nothing else is told.
            is_news = progress.waiting_for not in ("", waited_for)
            if time.monotonic() - last >= _PLAIN_INTERVAL or is_over or is_news:
                last, waited_for = time.monotonic(), progress.waiting_for
                console.print(describe(progress), soft_wrap=True, markup=False)

        yield print_line
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        shown, waited_for = -_LIVE_INTERVAL, ""

        def show(progress: Any) -> None:
            nonlocal shown, waited_for
            is_over, is_news = progress.n_ended == progress.n_runs, progress.waiting_for != waited_for
            if time.monotonic() - shown >= _LIVE_INTERVAL or is_over or is_news:
                shown, waited_for = time.monotonic(), progress.waiting_for
                live.update(draw_progress(progress, console.height - 8), refresh=True)

        yield show


def describe(progress: Any) -> str:
    """Return on one line how far a sweep has come."""
    parts = [f"{progress.n_ended} of {progress.n_runs} runs"]
    if progress.n_found:
        parts.append(f"{progress.n_found} of them found finished")
    if progress.running:
        parts.append(f"{len(progress.running)} running")
    if any(progress.failed):
        parts.append(f"{sum(progress.failed)} failed")
    if progress.waiting_for:
        parts.append(progress.waiting_for)
    elif math.isfinite(seconds := progress.seconds_left) and progress.n_ended < progress.n_runs:
        parts.append(f"about {show_time(seconds * NANOSECONDS_PER_SECOND)} left")
    return ", ".join(parts)


def draw_progress(progress: Any, most_rows: int) -> Group:
    """Return the live table: the points that are being run and those next to them, and a line for all."""
    plan = progress.plan
    running = [0] * len(plan.points)
    for run in progress.running:
        running[run.point] += 1
    table = Table(box=box.SIMPLE_HEAD)
    for key in plan.keys or ("",):
        table.add_column(escape(key))
    for heading in ("done", "running", "failed"):
        table.add_column(heading, justify="right")
    table.add_column("")
    first, last = _window(progress, running, max(1, most_rows))
    for point in range(first, last):
        done, failed = progress.done[point], progress.failed[point]
        table.add_row(
            *(map(escape, plan.points[point]) if plan.keys else ("",)),
            f"{done}/{plan.replicas}",
            str(running[point] or ""),
            str(failed or ""),
            _state(done, failed, running[point], plan.replicas),
        )
    hidden = len(plan.points) - (last - first)
    below = f"{hidden} more points; " if hidden else ""
    return Group(table, Text(below + describe(progress)))


def _window(progress: Any, running: list[int], most_rows: int) -> tuple[int, int]:
    """Return the points to show where there is no room for all: from a little before the first that is not over."""
    n_points = len(running)
    if n_points <= most_rows:
        return 0, n_points
    replicas = progress.plan.replicas
    busy = (i for i in range(n_points) if running[i])
    left = (i for i in range(n_points) if progress.done[i] + progress.failed[i] < replicas)
    start = next(busy, next(left, 0))
    first = max(0, min(start - 2, n_points - most_rows))
    return first, first + most_rows


def _state(done: int, failed: int, running: int, replicas: int) -> str:
    if done + failed == replicas:
        return "failed" if not done else "done"
    return "running" if running else "waiting" if not done + failed else "begun"


# --- results ---


def _print_table(table: Any) -> None:
    """Print the membrane potential and its noise at every point, beside theory."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PLAIN_WIDTH)
    if table.title:
        console.print(table.title, style="bold", markup=False)
    for quantity, heading, theory in _PRINTED:
        rows = table.of(quantity)
        if any(rows["runs"]):
            console.print(_quantity_table(table, rows, heading, theory))
    origins = dict.fromkeys(origin for origin in table["standard_error_from"] if origin)
    if origins:
        remark = f"standard errors are those {' or '.join(origins)}; seeds follow from the root {table.seed}"
        console.print(remark, soft_wrap=True, markup=False)


def _quantity_table(table: Any, rows: Any, heading: str, theory: str) -> Table:
    shown = Table(box=box.SIMPLE_HEAD)
    headings = (heading, theory, "difference", "in standard errors", "probability")
    for name in (*(escape(one.label) for one in table.parameters), "runs", *headings):
        shown.add_column(name, justify="right")
    for i, point in enumerate(rows["point"]):
        shown.add_row(
            *(_show_value(one, point) for one in table.parameters),
            _show_runs(rows["runs"][i], rows["short_runs"][i]),
            _show_mean(rows["mean"][i], rows["standard_error"][i], ".2f"),
            _show(rows["theory"][i], ".2f"),
            _show_mean(rows["difference"][i], rows["difference_standard_error"][i], "+.2f"),
            _show(rows["difference_in_standard_errors"][i], "+.1f"),
            _show(rows["probability"][i], ".2g"),
        )
    return shown


def _show_value(parameter: Any, point: int) -> str:
    number = parameter.numbers[point]
    return f"{number:g}" if parameter.is_number else escape(parameter.texts[point])


def _show_runs(runs: int, short: int) -> str:
    return f"{runs} ({short} short)" if short else str(runs)


def _show_mean(mean: float, error: float, layout: str) -> str:
    return "-" if mean != mean else f"{mean:{layout}} ± {_show(error, '.2f')}"


def _show(number: float, layout: str) -> str:
    return "-" if number != number else format(number, layout)


def _print_json(folder: Path, table: Any) -> None:
    import json

    columns = table.plain_columns()
    rows = [
        {name: None if value != value else value for name, value in zip(columns, row, strict=True)}
        for row in zip(*columns.values(), strict=True)
    ]
    failures = [failure._asdict() for failure in table.failures]
    content = {"folder": str(folder), "seed": table.seed, "rows": rows, "failures": failures}
    click.echo(json.dumps(content, indent=2, ensure_ascii=False))


def _tell_doubts(table: Any) -> None:
    potential = table.of("membrane_potential")
    n_short, n_runs = int(potential["short_runs"].sum()), int(potential["runs"].sum())
    if n_short:
        print_warning(
            f"{n_short} of {n_runs} runs were too short to judge or had not come to rest (short in the table, no "
            "verdict there): let them run longer"
        )


def _tell_failures(table: Any) -> None:
    """Tell every failure with the command that repeats it, those of replicas that failed alike together."""
    alike: dict[tuple[int, str], list[Any]] = {}
    for failure in table.failures:
        alike.setdefault((failure.point, failure.message), []).append(failure)
    for (point, message), failures in list(alike.items())[:_MOST_FAILURES]:
        values = ", ".join(f"{one.key}={one.texts[point]}" for one in table.parameters)
        replicas = ", ".join(str(failure.replica) for failure in failures)
        where = f"replica{'s' if len(failures) > 1 else ''} {replicas}"
        print_error(f"{values + ', ' if values else ''}{where}: {message}")
        click.echo(f"  to repeat it: {failures[0].command}", err=True)
    n_more = len(alike) - _MOST_FAILURES
    if n_more > 0:
        click.echo(f"and {n_more} more failures, all of them in sweep.h5", err=True)
