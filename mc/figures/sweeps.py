"""Figures of a sweep: what was measured against what was varied, beside theory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from mc.errors import RecordingError
from mc.figures import style
from mc.figures.report import FORMATS
from mc.recording.sweep_table import Parameter, SweepTable

TITLES = {
    "membrane_potential": "membrane potential",
    "noise": "noise, standard deviation of charge/C",
    "pump_current": "current of the pumps",
}
THEORIES = {"membrane_potential": "GHK", "noise": "√(kT/C)"}
REVERSAL = "reversal_potential."

MOST_WRITTEN_CELLS = 100
"""Of a map whose numbers stand in its cells."""

LARGE_RATIO = 10.0
"""Of the ends of an axis from which on it may be logarithmic, if its values are spaced so."""

MOST_TICKS = 10
"""Values of a logarithmic axis that are written at it one by one."""

ROOM_FOR_REVERSAL = 0.6
"""Of the span of the membrane potentials: how far above and below them reversal potentials are followed."""

WIDE_RATIO = 3.0
"""Of the largest to the smallest prediction from which on a quantity is shown on a logarithmic axis as well."""


def make_sweep_figures(
    table: SweepTable, folder: str | os.PathLike[str], file_format: str = "png"
) -> list[Path]:
    """Write the figures of a sweep, one for each quantity, and return their paths.

    One varied key, or paired ones, give curves; two crossed keys give maps. Raises RecordingError where nothing, or
    more than two keys, varied, and for a folder that cannot be written.
    """
    if file_format not in FORMATS:
        raise ValueError(f"figures are written as {', '.join(FORMATS)}, not as {file_format!r}")
    n_axes = number_of_axes(table)
    if not can_be_drawn(table):
        raise RecordingError(
            f"a sweep of {n_axes or 'no'} keys is not drawn, only one of one or two; its table is in sweep.csv"
        )
    draw = figure_of_curves if n_axes == 1 else figure_of_map
    folder = Path(folder)
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for quantity in table.quantities:
            if quantity.startswith(REVERSAL) or not np.isfinite(table.of(quantity)["mean"]).any():
                continue
            path = folder / f"{quantity}.{file_format}"
            draw(table, quantity).savefig(path, dpi=150)
            paths.append(path)
    except OSError as error:
        raise RecordingError(f"cannot write figures to {folder}: {error}") from error
    return paths


def number_of_axes(table: SweepTable) -> int:
    """Return how many keys varied by themselves: paired ones count as one."""
    return min(1, len(table.parameters)) if table.paired else len(table.parameters)


def can_be_drawn(table: SweepTable) -> bool:
    """Return whether one or two keys varied."""
    return number_of_axes(table) in (1, 2)


# --- one varied key ---


def figure_of_curves(table: SweepTable, quantity: str) -> Figure:
    """Return a quantity against the varied key with theory as a line, above the difference of both."""
    rows = table.of(quantity)
    has_theory = bool(np.isfinite(rows["difference"]).any())
    figure = style.new_figure(7.0, 6.0 if has_theory else 4.5)
    if table.title:
        style.set_title(figure, table.title)
    if not has_theory:
        plot_curve(table, quantity, figure.add_subplot())
        return figure
    upper, lower = figure.subplots(2, sharex=True, height_ratios=(2.5, 1.0))
    plot_curve(table, quantity, upper)
    upper.set_xlabel("")
    plot_difference(table, quantity, lower)
    return figure


def plot_curve(table: SweepTable, quantity: str, ax: Axes | None = None) -> Axes:
    """Draw the means with bars of one standard error, theory as a line, and reversal potentials beside Vm."""
    ax = style.own_axes(ax)
    rows = table.of(quantity)
    x = _place_on_axis(ax, table, rows)
    order = np.argsort(x)
    theory = rows["theory"][order]
    if np.isfinite(theory).any():
        ax.plot(
            x[order], theory, color=style.GHK_COLOUR, linewidth=1.5, label=THEORIES.get(quantity, "theory")
        )
    ax.errorbar(
        x,
        rows["mean"],
        rows["standard_error"],
        fmt="o",
        color=style.BLACK,
        markersize=4,
        capsize=3,
        zorder=3,
        label=f"simulated, ± standard error {_origin_of_errors(rows)}",
    )
    if quantity == "membrane_potential":
        _draw_reversal_potentials(ax, table)
    if _is_wide(theory):
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_ylabel(f"{TITLES.get(quantity, quantity)} ({rows['unit'][0]})")
    ax.legend(fontsize=8, frameon=False)
    style.tidy(ax)
    return ax


def plot_difference(table: SweepTable, quantity: str, ax: Axes | None = None) -> Axes:
    """Draw the difference from theory with bars of one standard error."""
    ax = style.own_axes(ax, height=2.5)
    rows = table.of(quantity)
    x = _place_on_axis(ax, table, rows)
    ax.axhline(0.0, color=style.GHK_COLOUR, linewidth=1.2)
    ax.errorbar(
        x,
        rows["difference"],
        rows["difference_standard_error"],
        fmt="o",
        color=style.BLACK,
        markersize=4,
        capsize=3,
    )
    ax.set_ylabel(f"minus {THEORIES.get(quantity, 'theory')} ({rows['unit'][0]})")
    style.tidy(ax)
    return ax


def _draw_reversal_potentials(ax: Axes, table: SweepTable) -> None:
    """Draw them in the colours of the ions, and leave room for them, but less than the potentials themselves take."""
    names = [name.removeprefix(REVERSAL) for name in table.quantities if name.startswith(REVERSAL)]
    low, high = ax.get_ylim()
    room = ROOM_FOR_REVERSAL * (high - low)
    lines = [low, high]
    for name, colour in style.ion_colours(names).items():
        rows = table.of(REVERSAL + name)
        x = _numbers(table.parameters[0], rows)
        order = np.argsort(x)
        label = f"Nernst potential of {style.plain(name)}"
        ax.plot(x[order], rows["mean"][order], color=colour, linewidth=1.2, linestyle="--", label=label)
        lines += rows["mean"][np.isfinite(rows["mean"])].tolist()
    margin = 0.05 * (high - low)
    ax.set_ylim(max(min(lines) - margin, low - room), min(max(lines) + margin, high + room))


def _origin_of_errors(rows: Mapping[str, NDArray[Any]]) -> str:
    return " or ".join(dict.fromkeys(kind for kind in rows["standard_error_from"] if kind))


def _numbers(parameter: Parameter, rows: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Return where the points stand on the axis of a key: at their numbers, or one after the other."""
    points = rows["point"]
    return parameter.numbers[points] if parameter.is_number else points.astype(float)


def _place_on_axis(ax: Axes, table: SweepTable, rows: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Prepare the axis of the first key and return where the points stand on it."""
    parameter = table.parameters[0]
    x = _numbers(parameter, rows)
    if not parameter.is_number:
        ax.set_xticks(range(len(parameter.texts)), [style.plain(text) for text in parameter.texts])
    elif is_logarithmic(parameter.numbers):
        ax.set_xscale("log")
        values = np.unique(parameter.numbers)
        if len(values) <= MOST_TICKS:
            ax.set_xticks(values, [f"{value:.3g}" for value in values])
            ax.set_xticks([], minor=True)
    others = ", ".join(one.key for one in table.parameters[1:])
    ax.set_xlabel(style.plain(parameter.label + (f", with {others}" if others else "")))
    return x


def is_logarithmic(numbers: NDArray[np.float64]) -> bool:
    """Return whether values stand at more even distances on a logarithmic axis than on a linear one."""
    values = np.unique(numbers[np.isfinite(numbers)])
    if len(values) < 3 or values[0] <= 0 or values[-1] < LARGE_RATIO * values[0]:
        return False

    def unevenness(places: NDArray[np.float64]) -> float:
        steps = np.diff(places)
        return float(steps.std() / steps.mean())

    return unevenness(np.log(values)) < unevenness(values)


def _is_wide(theory: NDArray[np.float64]) -> bool:
    finite = theory[np.isfinite(theory)]
    return len(finite) > 1 and finite.min() > 0 and finite.max() > WIDE_RATIO * finite.min()


# --- two varied keys ---


def figure_of_map(table: SweepTable, quantity: str) -> Figure:
    """Return a quantity over both varied keys, beside its difference from theory in standard errors."""
    rows = table.of(quantity)
    has_theory = bool(np.isfinite(rows["difference"]).any())
    figure = style.new_figure(11.0 if has_theory else 6.5, 5.0)
    if table.title:
        style.set_title(figure, table.title)
    axes = figure.subplots(1, 2 if has_theory else 1, squeeze=False)[0]
    label = f"{TITLES.get(quantity, quantity)} ({rows['unit'][0]})"
    _draw_map(axes[0], table, rows, "mean", label, "viridis", ".1f")
    if has_theory:
        label = f"difference from {THEORIES.get(quantity, 'theory')} in standard errors"
        _draw_map(axes[1], table, rows, "difference_in_standard_errors", label, "RdBu_r", "+.1f", limit=5.0)
    return figure


def _draw_map(
    ax: Axes,
    table: SweepTable,
    rows: Mapping[str, NDArray[Any]],
    column: str,
    label: str,
    colours: str,
    layout: str,
    limit: float | None = None,
) -> None:
    """Draw one column over the grid of both keys, cells of equal size, each with its number where there is room."""
    first, second = table.parameters
    columns, lines = (list(dict.fromkeys(one.texts)) for one in (first, second))
    grid = np.full((len(lines), len(columns)), np.nan)
    for point, value in zip(rows["point"], rows[column], strict=True):
        grid[lines.index(second.texts[point]), columns.index(first.texts[point])] = value
    image = ax.imshow(grid, origin="lower", aspect="auto", cmap=colours)
    if limit is not None:
        image.set_clim(-limit, limit)
    ax.figure.colorbar(image, ax=ax, label=label, extend="neither" if limit is None else "both")
    for axis, parameter, values in ((ax.xaxis, first, columns), (ax.yaxis, second, lines)):
        axis.set_ticks(range(len(values)), [style.plain(value) for value in values])
        axis.set_label_text(style.plain(parameter.key))
    ax.tick_params(axis="x", labelrotation=45 if len(columns) > 6 else 0)
    if grid.size <= MOST_WRITTEN_CELLS:
        for (line, place), value in np.ndenumerate(grid):
            if np.isfinite(value):
                red, green, blue, _ = image.cmap(image.norm(value))
                # Weights of luminance, ITU-R BT.709.
                is_dark = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.5
                ax.text(
                    place,
                    line,
                    format(value, layout).replace("-", "−"),
                    ha="center",
                    va="center",
                    fontsize=8,
                    color="white" if is_dark else style.BLACK,
                )
