"""`ionmc watch`: a run while it is going on."""

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import click
from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mc.errors import RecordingError
from mc.formatting import show_time

EXIT_STATUS_OF_A_DEAD_RUN = 1

RECENT_SHARE = 0.25
"""Of what was recorded, its last part, over which rates are counted."""

FEWEST_SHOWN = 0.1
"""Of a run's duration: before so much is done, the curve has an axis of its own, as long as what there is."""

_FEWEST_PLOT_LINES, _PLOT_LINES, _WIDEST, _PLAIN_WIDTH = 4, 12, 110, 100

_TRIES = 5
"""A file may be caught while a block is being appended."""


class View(NamedTuple):
    """A run as it stands: a snapshot of its file."""

    recording: Any
    is_written: bool
    """Whether a program is writing it."""
    seconds_left: float | None
    """Wall time, from the pace since the watch began; None while that is not known."""


@click.command(name="watch", short_help="Watch a run while it is going on.")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--interval",
    type=click.FloatRange(0.1),
    default=1.0,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option("--once", is_flag=True, help="Look once and end.")
def command(run: Path, interval: float, once: bool) -> None:
    """Show RUN, the folder of a run that is going on, until it ends: potential, counts, rates, time left.

    The run is only looked at, never disturbed; start this in a second terminal. Without a terminal, a line for each
    look is printed. Ctrl-C ends the watch, not the run. The exit status is 0 when the run has finished, 1 when it
    ended early or no program goes on with it.
    """
    console = Console(highlight=False)
    try:
        last = _show(console, _look(run, interval, once))
    except KeyboardInterrupt:
        return
    if not once and not last.recording.finished:
        console.print(_ending(last), markup=False, soft_wrap=True)
        sys.exit(EXIT_STATUS_OF_A_DEAD_RUN)


def _show(console: Console, views: Iterator[View]) -> View:
    """Show all views in place on a terminal, else a line for each; return the last."""
    if not console.is_terminal:
        for view in views:
            console.print(describe(view), markup=False, soft_wrap=True)
        return view
    with Live(console=console, auto_refresh=False) as live:
        for view in views:
            live.update(draw(view, min(console.width, _WIDEST), console.height), refresh=True)
    return view


def _look(run: Path, interval: float, once: bool) -> Iterator[View]:
    """Yield the run at each look, the last one when it has ended."""
    from mc.recording.recording import is_being_written

    began: tuple[float, int] | None = None
    while True:
        # Asked first: what ends between the two questions has then been read to its end.
        is_written = is_being_written(run)
        recording = _read(run)
        now, step = time.monotonic(), int(recording.step[-1]) if len(recording.step) else 0
        began = began or (now, step)
        yield View(recording, is_written, _seconds_left(recording, step, now, began))
        if once or not is_written:
            return
        time.sleep(interval)


def _read(run: Path) -> Any:
    """Return a snapshot of the run, all that is shown read."""
    from mc.recording.recording import Recording

    for i in range(_TRIES):
        try:
            with Recording(run) as recording:
                _ = recording.values, recording.time, recording.step, recording.species
                _ = recording.channels, recording.pumps, recording.scenario
            return recording
        except RecordingError:
            if i == _TRIES - 1 or not run.exists():
                raise
            time.sleep(0.1)
    return None


def _seconds_left(recording: Any, step: int, now: float, began: tuple[float, int]) -> float | None:
    started, first_step = began
    if recording.finished:
        return 0.0
    if step > first_step:
        return (recording.n_steps - step) * (now - started) / (step - first_step)
    # Before the first look that shows something new: as fast as since the file was made.
    age = (datetime.now(UTC) - datetime.fromisoformat(recording.attributes["created"])).total_seconds()
    return (recording.n_steps - step) * age / step if step else None


def describe(view: View) -> str:
    """Return the run on one line."""
    recording = view.recording
    if not len(recording.time):
        return "nothing recorded yet"
    left = "" if view.seconds_left is None else f"   {show_time(view.seconds_left * 1e9)} left"
    state = "finished" if recording.finished else f"running{left}" if view.is_written else "stopped"
    return (
        f"{show_time(float(recording.time[-1]))} of {show_time(recording.n_steps * recording.time_step)}   "
        f"Vm {recording['membrane_potential'][-1]:+.1f} mV   {state}"
    )


def draw(view: View, width: int, height: int = 50) -> RenderableType:
    """Return the run as a picture of `width` letters: progress, the curve of the potential, counts and rates.

    On a screen of few lines, `height`, the tables stand without frames and the curve is low.
    """
    recording = view.recording
    n_rows = len(recording.species) + len(recording.channels) + len(recording.pumps)
    # Besides rows: title, state, bar, the curve's two labels, two headings, and four lines of each frame.
    n_lines = height - n_rows - 8
    is_framed = n_lines - 8 >= _FEWEST_PLOT_LINES
    n_plot_lines = min(max(n_lines - 8 * is_framed, _FEWEST_PLOT_LINES), _PLOT_LINES)
    parts: list[RenderableType] = [
        Text(recording.title or str(recording.path), style="bold"),
        Text(describe(view)),
    ]
    done = int(recording.step[-1]) if len(recording.step) else 0
    parts.append(ProgressBar(total=recording.n_steps, completed=done, width=width))
    if len(recording.time) > 1:
        parts += [_curve(recording, width, n_plot_lines), _ions(recording, width, is_framed)]
        if recording.channels or recording.pumps:
            parts.append(_proteins(recording, width, is_framed))
    return Group(*parts)


def _curve(recording: Any, width: int, n_lines: int) -> Text:
    """Return the potential so far on the axis of the whole run, or of what there is while that is little."""
    import numpy as np

    from mc.cli.braille import braille_curve, with_axis

    time_, potential = recording.time, recording["membrane_potential"]
    finite = potential[np.isfinite(potential)]
    low, high = (min(finite.min(), 0.0), max(finite.max(), 0.0)) if len(finite) else (-1.0, 1.0)
    margin = max(0.05 * (high - low), 1.0)
    span = (low - margin, high + margin)
    duration = recording.n_steps * recording.time_step
    end = duration if time_[-1] >= FEWEST_SHOWN * duration else float(time_[-1])
    lines = braille_curve(time_, potential, (0.0, end), span, (max(width - 12, 10), n_lines))
    text = Text("membrane potential (mV)\n", style="dim")
    text.append("\n".join(with_axis(lines, span)), style="not dim")
    text.append(f"\n{'0':>10}{show_time(end):>{max(width - 12, 10)}}", style="dim")
    return text


def _ions(recording: Any, width: int, is_framed: bool) -> Table:
    from mc.analysis.flux import crossings_by_species

    table = _table(width, is_framed, "ion", "inside", "outside", "out", "in", "out per µs", "in per µs")
    first, span = _recent(recording)
    for name, crossings in crossings_by_species(recording).items():
        table.add_row(
            escape(name),
            f"{recording[f'ions_inside.{name}'][-1]:,.0f}",
            f"{recording[f'ions_outside.{name}'][-1]:,.0f}",
            *(f"{way[-1]:,.0f}" for way in crossings),
            *(_rate(way[-1] - way[first], span) for way in crossings),
        )
    return table


def _proteins(recording: Any, width: int, is_framed: bool) -> Table:
    from mc.analysis.channels import open_channels
    from mc.analysis.flux import pump_cycles

    table = _table(width, is_framed, "protein", "number", "open now", "net cycles", "cycles per µs")
    first, span = _recent(recording)
    for channel in recording.channels:
        n_open = open_channels(recording)[channel.name][-1]
        table.add_row(escape(channel.name), f"{channel.count:,}", f"{n_open:,.0f}", "", "")
    for pump in recording.pumps:
        cycles = pump_cycles(recording)[pump.name]
        rate = _rate(cycles[-1] - cycles[first], span)
        table.add_row(escape(pump.name), f"{pump.count:,}", "", f"{cycles[-1]:,.0f}", rate)
    return table


def _table(width: int, is_framed: bool, *headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD if is_framed else None, width=width, pad_edge=False)
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="right" if i else "left", no_wrap=True)
    return table


def _recent(recording: Any) -> tuple[int, float]:
    """Return the record from which rates are counted, and the time since in ns."""
    first = min(int((1.0 - RECENT_SHARE) * len(recording.time)), len(recording.time) - 2)
    return first, float(recording.time[-1] - recording.time[first])


def _rate(count: float, span: float) -> str:
    return f"{count / span * 1e3:,.3g}"


def _ending(view: View) -> str:
    """Say why a run that is not finished does not go on."""
    reason = view.recording.stop_reason
    folder = view.recording.path.parent
    if reason == "running or killed":
        return f"no program goes on with this run: it was killed; ionmc resume {folder} goes on"
    return f"the run ended early: {reason}"
