"""`ionmc branch`: go on from a moment of a recorded run with another seed or with something changed."""

import shlex
import sys
from pathlib import Path

import click
from rich.console import Console

from mc.cli.arguments import (
    Quantity,
    checkpoint_every_option,
    closing_options,
    ignore_limits_option,
    threads_option,
)
from mc.cli.run import NANOSECONDS_PER_SECOND, finish, interruption_told, make_progress, remove_stale


@click.command(name="branch", short_help="Go on from a moment of a run with another seed or other numbers.")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--at", type=Quantity("time"), required=True, help='Moment of RUN to go on from, such as "5 us".'
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Seed from there on; by default that of RUN.")
@click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help='Change a key of the scenario from there on, for example --set simulation.duration="40 us".',
)
@click.option(
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder of the results; by default that of RUN with -branch at its end.",
)
@click.option("--overwrite", is_flag=True, help="Replace the results of an earlier run.")
@threads_option
@checkpoint_every_option
@click.option(
    "--checkpoint-at",
    type=Quantity("time"),
    multiple=True,
    help="A moment of the new run at which a checkpoint is made that stays; may be given several times.",
)
@ignore_limits_option
@closing_options
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(
    run: Path,
    at: float,
    seed: int | None,
    overrides: tuple[str, ...],
    folder: Path | None,
    overwrite: bool,
    threads: int | None,
    checkpoint_every: float,
    checkpoint_at: tuple[float, ...],
    ignore_limits: bool,
    with_figures: bool,
    with_report: bool,
    as_json: bool,
) -> None:
    """Start a new run from the state that RUN, the folder of a recorded run, had at a moment.

    With another --seed chance goes another way from there on. With --set the rest of the experiment is another one: a
    longer duration, a clamp, a drug, other rates or permeabilities. What would move ions, proteins or the grid cannot
    be changed: such keys are refused, each with what to do instead. What is changed is said on stderr and kept in
    run.h5. Any moment will do: it is reached from the last checkpoint before it (ionmc run --checkpoint-at keeps
    some), or by repeating the run up to there.
    """
    from mc.lineage import branch, change_scenario
    from mc.recording.recorder import refuse_existing

    origin = run.parent if run.suffix == ".h5" else run
    folder = folder or origin.with_name(f"{origin.resolve().name}-branch")
    scenario = change_scenario(run, overrides)
    if not overwrite:
        refuse_existing(folder / "run.h5")
    console = Console(stderr=True, highlight=False)
    begun: list[str] = []

    def tell(line: str) -> None:
        if not begun:
            remove_stale(folder)
        begun.append(line)
        console.print(line, markup=False, soft_wrap=True)

    with interruption_told(folder), make_progress(console) as on_progress:
        recording = branch(
            run,
            folder,
            at=at,
            scenario=scenario,
            seed=seed,
            threads=threads,
            overwrite=overwrite,
            command_line=shlex.join(["ionmc", *sys.argv[1:]]),
            checkpoint_every=checkpoint_every / NANOSECONDS_PER_SECOND,
            checkpoint_at=checkpoint_at,
            ignore_limits=ignore_limits,
            on_progress=on_progress,
            on_change=tell,
        )
    finish(
        recording, folder, [], console, with_figures=with_figures, with_report=with_report, as_json=as_json
    )
