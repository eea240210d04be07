"""`ionmc plot`: the figures of a run that was recorded before."""

from pathlib import Path

import click


@click.command(name="plot", short_help="Draw the figures of a recorded run.")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["png", "pdf", "svg"]),
    default="png",
    show_default=True,
    help="Kind of files to write.",
)
@click.option(
    "--style",
    "style_file",
    type=click.Path(path_type=Path),
    help="A style sheet of matplotlib (.mplstyle) for fonts, sizes, ticks and grid; ions keep their colours.",
)
def command(run: Path, file_format: str, style_file: Path | None) -> None:
    """Draw the figures of RUN, the folder that `ionmc run` wrote or its run.h5, or that of `ionmc sweep`.

    They are written to the folder figures beside run.h5; their paths are printed. A run that is still going
    on is drawn as far as it has come. Of a sweep, what was measured is drawn against what was varied.
    """
    # Imported here, so that the help of this command does not wait for matplotlib.
    if (run / "sweep.h5").is_file() or run.name == "sweep.h5":
        from mc.figures.style import use_style_file
        from mc.figures.sweeps import make_sweep_figures
        from mc.recording.sweep_table import read_sweep_table

        folder = run if run.is_dir() else run.parent
        with use_style_file(style_file):
            for path in make_sweep_figures(read_sweep_table(run), folder / "figures", file_format):
                click.echo(path)
        return
    from mc.figures.report import make_figures
    from mc.recording.recording import Recording

    with Recording(run) as recording:
        folder = recording.path.parent / "figures"
        for path in make_figures(recording, folder, file_format, style_file=style_file):
            click.echo(path)
