"""`ionmc rerun`: repeat a recorded run and say whether the result is identical."""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console

from mc.cli.arguments import ignore_limits_option, threads_option
from mc.cli.messages import print_warning
from mc.cli.run import interruption_told, make_progress

EXIT_STATUS_OF_A_DIFFERENCE = 1


@click.command(name="rerun", short_help="Repeat a recorded run and say whether the result is identical.")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder of the repetition; by default it is removed once it is compared.",
)
@click.option("--overwrite", is_flag=True, help="Replace what an earlier run left in the output folder.")
@threads_option
@ignore_limits_option
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON.")
def command(
    run: Path,
    folder: Path | None,
    overwrite: bool,
    threads: int | None,
    ignore_limits: bool,
    as_json: bool,
) -> None:
    """Repeat RUN, the folder of a finished run, from the scenario, seed and time step that it recorded.

    Every recorded number is compared, bit for bit; only dates and wall times may differ. What differs is listed with
    the first row in which it does, and so are versions of programs that are not the same. The exit status is 0 for an
    identical result, 1 for another one, 2 for a run that cannot be repeated.
    """
    from mc.lineage import rerun
    from mc.recording.identity import differing, differing_versions

    console = Console(stderr=True, highlight=False)
    place = folder or Path(tempfile.mkdtemp(prefix="ionmc-rerun-"))
    try:
        with interruption_told(place), make_progress(console) as on_progress:
            rerun(
                run,
                place,
                threads=threads,
                overwrite=overwrite,
                ignore_limits=ignore_limits,
                on_progress=on_progress,
            ).close()
        differences = differing(run, place)
        versions = differing_versions(run, place)
    finally:
        if folder is None:
            shutil.rmtree(place, ignore_errors=True)
    for name, (then, now) in versions.items():
        print_warning(f"{name} was {then} and is {now} now")
    if as_json:
        verdict = {"identical": not differences, "differences": differences, "versions": versions}
        click.echo(json.dumps(verdict, indent=2))
    else:
        click.echo("different: not the same bits are" if differences else "identical: every recorded number")
        for line in differences:
            click.echo(f"  {line}")
        if folder is not None:
            click.echo(folder / "run.h5")
    if differences:
        sys.exit(EXIT_STATUS_OF_A_DIFFERENCE)
