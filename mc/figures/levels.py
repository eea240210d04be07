"""Several engines in one picture: what each says of the same scenario, over time and at the end."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mc.analysis.flux import crossings_by_species
from mc.analysis.levels import Comparison, Trace, mean_profile
from mc.figures import style

COLOURS = {"brownian": style.BLUE, "lattice": style.ORANGE, "continuum": style.BLACK}
"""Of each engine."""

BAND = 2.0
"""Standard errors to either side of a mean."""


def figure_of_levels(comparison: Comparison) -> Figure:
    """Return potential, open channels, crossings, and profiles of all engines, with the errors of their means."""
    figure = style.new_figure(12.0, 7.5)
    axes = figure.subplots(2, 3)
    plot_potential(comparison, axes[0, 0])
    plot_open_fractions(comparison, axes[0, 1])
    plot_net_crossings(comparison, axes[0, 2])
    plot_profiles(comparison, axes[1, 0], axes[1, 1])
    plot_scores(comparison, axes[1, 2])
    style.set_title(figure, comparison.levels[0].recordings[0].title)
    return figure


def _draw(ax: Axes, time: np.ndarray, trace: Trace, colour: str, **line: Any) -> None:
    ax.plot(time, trace.mean, color=colour, linewidth=1.2, **line)
    if np.isfinite(trace.standard_error).all() and trace.standard_error.any():
        low, high = (trace.mean + way * BAND * trace.standard_error for way in (-1.0, 1.0))
        ax.fill_between(time, low, high, color=colour, alpha=0.25, linewidth=0)


def _label(comparison: Comparison, engine: str) -> str:
    n = next(len(level.recordings) for level in comparison.levels if level.engine == engine)
    runs = "1 run" if n == 1 else f"{n} runs"
    return f"{engine} ({runs}, {comparison.wall_seconds[engine]:.3g} s{' each' if n > 1 else ''})"


def _finish(comparison: Comparison, ax: Axes, label: str) -> None:
    axis = style.time_axis(comparison.time[-1])
    ax.set_xlim(float(axis.scale(comparison.time[0])), float(axis.scale(comparison.time[-1])))
    ax.set_xlabel(axis.label)
    ax.set_ylabel(label)
    style.tidy(ax)


def plot_potential(comparison: Comparison, ax: Axes | None = None) -> Axes:
    """Draw the membrane potential of every engine, with GHK at the end."""
    ax = style.own_axes(ax)
    time = style.time_axis(comparison.time[-1]).scale(comparison.time)
    for engine, trace in comparison.traces["membrane_potential"].items():
        _draw(ax, time, trace, COLOURS[engine], label=_label(comparison, engine))
    ghk = np.array(list(comparison.ghk_potential.values()))
    if np.isfinite(ghk).any():
        at_end = time[comparison.time >= comparison.end_from]
        ax.plot(
            at_end,
            np.full(at_end.size, ghk[np.isfinite(ghk)].mean()),
            color=style.GHK_COLOUR,
            linestyle="--",
            linewidth=1.6,
            label="GHK with pumps, at the end",
        )
    ax.legend(fontsize=8, frameon=False)
    _finish(comparison, ax, "membrane potential (mV)")
    return ax


def plot_open_fractions(comparison: Comparison, ax: Axes | None = None) -> Axes:
    """Draw the open fraction of each channel type by every engine."""
    ax = style.own_axes(ax)
    time = style.time_axis(comparison.time[-1]).scale(comparison.time)
    channels = comparison.levels[0].recordings[0].channels
    for i, channel in enumerate(channels):
        line_style = style.LINE_STYLES[i % len(style.LINE_STYLES)]
        for engine, trace in comparison.traces[f"open_fraction.{channel.name}"].items():
            percent = Trace(100.0 * trace.mean, 100.0 * trace.standard_error)
            _draw(ax, time, percent, COLOURS[engine], linestyle=line_style)
        ax.plot([], [], color=style.GREY, linestyle=line_style, label=style.wrapped(channel.name, 24))
    ax.set_ylim(-2, 105)
    if channels:
        ax.legend(fontsize=8, frameon=False)
    _finish(comparison, ax, "open channels (%)")
    return ax


def plot_net_crossings(comparison: Comparison, ax: Axes | None = None) -> Axes:
    """Draw how many ions of each species have crossed outward less inward, of every engine."""
    ax = style.own_axes(ax)
    time = style.time_axis(comparison.time[-1]).scale(comparison.time)
    first = comparison.levels[0].recordings[0]
    valences = {one.name: one.valence for one in first.species}
    passing = [
        name for name in crossings_by_species(first) if f"crossings_outward.{name}" in comparison.traces
    ]
    for i, name in enumerate(passing):
        line_style = style.LINE_STYLES[i % len(style.LINE_STYLES)]
        for level in comparison.levels:
            outward, inward = (
                comparison.traces[f"crossings_{way}.{name}"][level.engine].mean
                for way in ("outward", "inward")
            )
            ax.plot(time, outward - inward, color=COLOURS[level.engine], linestyle=line_style, linewidth=1.2)
        label = style.ion_label(name, valences[name])
        ax.plot([], [], color=style.GREY, linestyle=line_style, label=label)
    ax.axhline(0.0, color=style.PALE, linewidth=0.8, zorder=0)
    if passing:
        ax.legend(fontsize=8, frameon=False)
    _finish(comparison, ax, "ions crossed, outward − inward")
    return ax


def plot_profiles(comparison: Comparison, potential_ax: Axes, concentration_ax: Axes) -> None:
    """Draw potential and concentrations along x at the end, of every engine."""
    first = comparison.levels[0].recordings[0]
    colours = style.ion_colours(first.species_names)
    for ax in (potential_ax, concentration_ax):
        style.shade_membrane(ax, first.thickness, text=False)
        ax.set_xlabel("x (nm)")
        style.tidy(ax)
    for i, level in enumerate(comparison.levels):
        cells, concentrations, nodes, potential = mean_profile(level)
        potential_ax.plot(nodes, potential, color=COLOURS[level.engine], linewidth=1.2)
        line_style = style.LINE_STYLES[i % len(style.LINE_STYLES)]
        for name, profile in zip(first.species_names, concentrations, strict=True):
            for is_outside in (False, True):
                side = (cells > 0.0) == is_outside
                concentration_ax.plot(
                    cells[side], profile[side], color=colours[name], linestyle=line_style, linewidth=1.0
                )
        concentration_ax.plot([], [], color=style.GREY, linestyle=line_style, label=level.engine)
    for species in first.species:
        concentration_ax.plot(
            [],
            [],
            color=colours[species.name],
            label=style.ion_label(species.name, species.valence),
        )
    concentration_ax.legend(fontsize=7, frameon=False, ncols=2)
    potential_ax.set_ylabel("potential at the end (mV)")
    concentration_ax.set_ylabel("concentration at the end (mM)")


def plot_scores(comparison: Comparison, ax: Axes | None = None) -> Axes:
    """Draw every difference at the end in normal deviations, a row of dots for each pair of engines.

    Hollow ones are what chance may make; full ones are real. What is farther than ten stands at ten.
    """
    ax = style.own_axes(ax)
    pairs = list(dict.fromkeys((one.first, one.second) for one in comparison.differences))
    ax.axvspan(-3, 3, color=style.PALE, zorder=0, linewidth=0)
    for row, pair in enumerate(pairs):
        of_pair = [one for one in comparison.differences if (one.first, one.second) == pair]
        for i, one in enumerate(of_pair):
            height = row + 0.6 * (i / max(len(of_pair) - 1, 1) - 0.5)
            colour = style.VERMILLION if one.is_real else style.GREY
            ax.plot(
                np.clip(one.normal_deviations, -10.0, 10.0),
                height,
                "o",
                color=colour,
                markersize=5,
                markerfacecolor=colour if one.is_real else "none",
            )
    ax.set_yticks(range(len(pairs)), ["\n− ".join(pair) for pair in pairs], fontsize=8)
    ax.set_ylim(len(pairs) - 0.5, -0.5)
    ax.set_xlim(-10.5, 10.5)
    ax.set_xlabel("differences at the end (σ)")
    style.tidy(ax)
    return ax
