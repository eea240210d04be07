"""`ionmc report`: a page about a run, with its ions in motion."""

from pathlib import Path

import click


@click.command(name="report", short_help="Write a page about a recorded run, with its ions in motion.")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--output", type=click.Path(path_type=Path), help="File to write; by default report.html beside run.h5."
)
@click.option("--figures/--no-figures", "with_figures", default=True, help="Put the figures into the page.")
def command(run: Path, output: Path | None, with_figures: bool) -> None:
    """Write report.html about RUN, the folder that `ionmc run` wrote or its run.h5.

    One file that any browser opens without a network: the question in words, the membrane as a drawing, the ions in
    motion, measured beside predicted, figures, warnings, and how to repeat and cite the run. `ionmc run` writes it
    too. A run that is still going on is reported as far as it has come. The path is printed.
    """
    # Imported here, so that the help of this command does not wait for matplotlib.
    from mc.figures.page.page import FILE_NAME, write_report
    from mc.recording.recording import Recording

    with Recording(run) as recording:
        click.echo(write_report(recording, output or recording.path.parent / FILE_NAME, figures=with_figures))
