"""`ionmc animate`: a run in motion."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

_PLAIN_INTERVAL = 5.0
"""s of wall time between lines of progress where there is no terminal."""


@click.command(name="animate", short_help="Animate the ions of a recorded run.")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["gif", "mp4"]),
    help="Kind of file to write, by default that of --output, or else gif; mp4 needs ffmpeg.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="File to write; by default figures/animation.gif beside run.h5.",
)
@click.option(
    "--ions", "n_ions", type=click.IntRange(1), default=2000, show_default=True, help="Most ions to show."
)
@click.option(
    "--frames",
    "n_frames",
    type=click.IntRange(2),
    help="Most frames to show, evenly spaced; by default all that were recorded, up to 200.",
)
@click.option(
    "--fps",
    "frames_per_second",
    type=click.IntRange(1, 50),
    default=15,
    show_default=True,
    help="Frames a second.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def command(
    run: Path,
    file_format: str | None,
    output: Path | None,
    n_ions: int,
    n_frames: int | None,
    frames_per_second: int,
    overwrite: bool,
) -> None:
    """Animate the recorded positions of RUN, the folder that `ionmc run` wrote or its run.h5.

    The ions, the membrane and its channels, above the membrane potential up to the moment shown. Ions walk from
    frame to frame where a run is short, `ionmc run SCENARIO --set simulation.duration="400 ns"`, or recorded often,
    `--set recording.positions_interval="5 ns"`.
    """
    # Imported here, so that the help of this command does not wait for matplotlib.
    from mc.figures.animation import FORMATS, animate
    from mc.recording.recording import Recording

    console = Console(stderr=True, highlight=False)
    with Recording(run) as recording:
        path = output or recording.path.parent / "figures" / f"animation.{file_format or 'gif'}"
        suffix = path.suffix.lower().removeprefix(".")
        if suffix not in FORMATS or suffix != (file_format or suffix):
            wanted = " or ".join([f".{file_format}"] if file_format else [f".{one}" for one in FORMATS])
            raise click.BadParameter(f"{path} does not end in {wanted}", param_hint="--output")
        with _progress(console) as on_progress:
            animate(
                recording,
                path,
                n_ions=n_ions,
                n_frames=n_frames,
                frames_per_second=frames_per_second,
                overwrite=overwrite,
                on_progress=on_progress,
            )
    click.echo(path)


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[int, int], None]]:
    """Give a function that shows how many frames are drawn: a bar on a terminal, else a line now and then."""
    if not console.is_terminal:
        yield _plain_progress(console)
        return
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn(), console=console
    )
    with bar:
        task = bar.add_task("drawing", total=None)
        yield lambda done, total: bar.update(task, total=total, completed=done)


def _plain_progress(console: Console) -> Callable[[int, int], None]:
    last = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _PLAIN_INTERVAL or done == total:
            last = time.monotonic()
            console.print(f"{done} of {total} frames drawn", soft_wrap=True)

    return show
