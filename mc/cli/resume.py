"""`ionmc resume`: go on with a run that was interrupted or killed."""

from pathlib import Path

import click
from rich.console import Console

from mc.cli.arguments import closing_options, threads_option
from mc.cli.messages import print_warning
from mc.cli.run import finish, interruption_told, make_progress


@click.command(name="resume", short_help="Go on with a run that was interrupted or killed.")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@threads_option
@closing_options
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(run: Path, threads: int | None, with_figures: bool, with_report: bool, as_json: bool) -> None:
    """Go on with RUN, the folder of a run that was interrupted or killed, from its newest checkpoint.

    The finished run.h5 holds bit for bit what it would hold without the interruption. Without a checkpoint, or if
    run.h5 is damaged, the run starts again from its beginning, and says so.
    """
    from mc.simulation import resume

    folder = run.parent if run.suffix == ".h5" else run
    console = Console(stderr=True, highlight=False)
    with interruption_told(folder), make_progress(console) as on_progress:
        recording = resume(folder, threads=threads, on_progress=on_progress, on_restart=print_warning)
    finish(
        recording, folder, [], console, with_figures=with_figures, with_report=with_report, as_json=as_json
    )
