"""`ionmc run`: simulate a scenario, record it, compare it with theory, draw the figures."""

import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from mc.cli.arguments import (
    Quantity,
    checkpoint_every_option,
    closing_options,
    device_option,
    ignore_limits_option,
    scenario_arguments,
    threads_option,
)
from mc.cli.messages import print_warning
from mc.cli.summary import find_doubts, print_summary
from mc.errors import RecordingError
from mc.formatting import show_time
from mc.scenario.advice import advise
from mc.scenario.reading import read_scenario

if TYPE_CHECKING:
    from mc.engines.devices import Device

_PLAIN_INTERVAL = 5.0
"""s of wall time between lines of progress where there is no terminal."""

NANOSECONDS_PER_SECOND = 1e9

_FIGURE_SUFFIXES = (".png", ".pdf", ".svg", ".gif", ".mp4")


@click.command(name="run", short_help="Simulate a scenario, record it and compare it with theory.")
@scenario_arguments
@click.option(
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder of the results; by default outputs/NAME for NAME.toml.",
)
@click.option("--overwrite", is_flag=True, help="Replace the results of an earlier run.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Seed of all random numbers.")
@threads_option
@device_option
@checkpoint_every_option
@click.option(
    "--checkpoint-at",
    type=Quantity("time"),
    multiple=True,
    help="A moment at which a checkpoint is made that stays, for `ionmc branch`; may be given several times.",
)
@ignore_limits_option
@closing_options
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(
    scenario_file: Path,
    overrides: tuple[str, ...],
    folder: Path | None,
    overwrite: bool,
    seed: int | None,
    threads: int | None,
    device: "Device",
    checkpoint_every: float,
    checkpoint_at: tuple[float, ...],
    ignore_limits: bool,
    with_figures: bool,
    with_report: bool,
    as_json: bool,
) -> None:
    """Simulate SCENARIO ion by ion, and write what was recorded, the results, figures and a page about them.

    They are run.h5, summary.json, figures/ and report.html in the results' folder. The results go to stdout,
    progress and warnings to stderr. The exit status is 2 for bad input, 130 after an interruption; what was recorded
    until then stays readable.
    """
    scenario = read_scenario(scenario_file, overrides)
    warnings = list(advise(scenario).warnings)
    for warning in warnings:
        print_warning(warning)
    folder = folder or scenario.default_folder()
    # Imported only now that the scenario is known to be good: the engine costs a second, or compiles for 20.
    from mc.compilation import is_compiled
    from mc.engines.devices import check_device
    from mc.recording.recorder import refuse_existing

    if not overwrite:
        refuse_existing(folder / "run.h5")
    check_device(scenario, device)

    console = Console(stderr=True, highlight=False)
    if not is_compiled():
        console.print("compiling the kernels (first run only, about 20 seconds)...")
    from mc.simulation import simulate

    remove_stale(folder)
    with interruption_told(folder), make_progress(console) as on_progress:
        recording = simulate(
            scenario,
            folder,
            seed=seed,
            threads=threads,
            device=device,
            overwrite=overwrite,
            command_line=shlex.join(["ionmc", *sys.argv[1:]]),
            checkpoint_every=checkpoint_every / NANOSECONDS_PER_SECOND,
            checkpoint_at=checkpoint_at,
            ignore_limits=ignore_limits,
            on_progress=on_progress,
        )
    finish(
        recording,
        folder,
        warnings,
        console,
        with_figures=with_figures,
        with_report=with_report,
        as_json=as_json,
    )


def finish(
    recording: Any,
    folder: Path,
    warnings: list[str],
    console: Console,
    *,
    with_figures: bool,
    with_report: bool,
    as_json: bool,
) -> None:
    """Write and print the summary of a run that has ended, draw its figures and write its page."""
    from mc.comparison import summarize
    from mc.recording.recorder import write_summary

    with recording:
        summary = summarize(recording)
        doubts = find_doubts(summary)
        write_summary(folder / "summary.json", {**summary, "warnings": [*warnings, *doubts]})
        if as_json:
            click.echo((folder / "summary.json").read_text(encoding="utf-8"), nl=False)
        else:
            print_summary(summary)
            click.echo(folder / "run.h5")
            click.echo(folder / "summary.json")
        for doubt in doubts:
            print_warning(doubt)
        if with_figures:
            from mc.figures.report import make_figures

            with console.status("drawing the figures..."):
                figures = make_figures(recording, folder / "figures")
            if not as_json:
                for path in figures:
                    click.echo(path)
        if with_report:
            from mc.figures.page.page import FILE_NAME, write_report

            with console.status("writing the report..."):
                path = write_report(recording, folder / FILE_NAME, figures=with_figures)
            if not as_json:
                click.echo(path)


def remove_stale(folder: Path) -> None:
    """Remove what an earlier run left in a folder, so that no summary or figure stands beside another's record."""
    try:
        for name in ("summary.json", "report.html"):
            (folder / name).unlink(missing_ok=True)
        for path in (folder / "figures").glob("*"):
            if path.suffix in _FIGURE_SUFFIXES:
                path.unlink()
    except OSError as error:
        raise RecordingError(f"cannot write {folder}: {error}; give another --output folder") from error


@contextmanager
def interruption_told(folder: Path) -> Iterator[None]:
    """Turn Ctrl-C or SIGTERM into a message that says what is left and how to go on, and exit status 130 or 143."""
    try:
        yield
    except KeyboardInterrupt as interruption:
        number = getattr(interruption, "signal_number", signal.SIGINT)
        path = folder / "run.h5"
        left = f"what was recorded is in {path}" if path.exists() else "nothing was recorded yet"
        going_on = f"; ionmc resume {shlex.quote(str(folder))} goes on" if path.exists() else ""
        click.echo(f"interrupted: {left}{going_on}", err=True)
        sys.exit(128 + number)


@contextmanager
def make_progress(console: Console) -> Iterator[Callable[[Any], None]]:
    """Give a function that shows how far a run has come: a bar on a terminal, else a line now and then."""
    if not console.is_terminal:
        yield _plain_progress(console)
        return
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[text]}"),
        console=console,
    )
    with bar:
        task = bar.add_task("simulating", text="")

        def show(progress: Any) -> None:
            bar.update(task, total=progress.n_steps, completed=progress.step, text=_describe(progress))

        yield show


def _plain_progress(console: Console) -> Callable[[Any], None]:
    last = -_PLAIN_INTERVAL

    def show(progress: Any) -> None:
        nonlocal last
        if progress.wall_seconds - last >= _PLAIN_INTERVAL or progress.step == progress.n_steps:
            last = progress.wall_seconds
            console.print(_describe(progress), soft_wrap=True)

    return show


def _describe(progress: Any) -> str:
    """Return simulated time, pace and time left on one line."""
    left = f"{progress.seconds_left:.0f} s left" if progress.step else "starting"
    pace, ions = progress.steps_per_second, progress.n_ions_followed
    return (
        f"{show_time(progress.time)} of {show_time(progress.duration)}   "
        f"{f'{pace * ions / 1e6:.0f} million ion-steps/s' if ions else f'{pace:.0f} steps/s'}   "
        f"Vm {progress.membrane_potential:+.1f} mV   {left}"
    )
