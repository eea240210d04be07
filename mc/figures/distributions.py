"""Where things are: kymographs, concentration profiles with the double layers, the potential along x."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from mc.analysis.distribution import MeanProfile, bin_depth, first_and_last_profile, kymographs
from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR, thermal_potential
from mc.figures import style
from mc.recording.recording import Recording

NEAR_MEMBRANE = 5.0
"""nm on each side that the close-up shows."""

DEPTH_BIN = 0.5
"""nm; thin enough for the double layers of 0.8 nm, thick enough for a thousand ions."""

FEWEST_BINS = 4
"""Within `NEAR_MEMBRANE`: larger cells, as the voxels of the lattice often are, have no double layers to show."""

FEWEST_IONS = 5
"""Of a species at any moment, for a kymograph of it."""

LEAST_SLAB = 0.06
"""Of the height of a kymograph, for the word membrane to fit into it."""

LARGEST_NOISE = 0.025
"""A close-up leaves out what has a larger relative counting error: it would hide the double layers."""


def plot_kymograph(recording: Recording, species: str, ax: Axes | None = None) -> Axes:
    """Draw depth against time with the concentration of `species` as colour and a bar for it.

    The colours are logarithmic, so that a change shows on the dilute side as on the other. They reach a
    little beyond the first and the 99th percentile, but span a factor of 3 at least and 300 at most, so that
    neither a few odd cells nor noise decide.
    """
    ax = style.own_axes(ax, height=3.0)
    axis = style.time_axis(recording.time[-1])
    inside, outside = kymographs(recording, species)
    values = np.concatenate([inside.concentration.ravel(), outside.concentration.ravel()])
    low, high = np.percentile(values, [1, 99])
    high = _two_digits(max(1.1 * high, 1e-6))
    lowest = _two_digits(min(max(low / 1.3, high / 300), high / 3))
    norm = LogNorm(lowest, high)
    for side in (inside, outside):
        ax.pcolormesh(
            axis.scale(side.time_edges),
            side.depth_edges,
            np.maximum(side.concentration, lowest / 2),
            cmap="viridis",
            norm=norm,
            rasterized=True,
        )
    bottom, top = inside.depth_edges[0], outside.depth_edges[-1]
    style.shade_membrane(
        ax, recording.thickness, along="y", text=recording.thickness > LEAST_SLAB * (top - bottom)
    )
    ax.set_ylim(bottom, top)
    bar = ax.figure.colorbar(
        ScalarMappable(norm, "viridis"),
        ax=ax,
        extend="both" if low < lowest else "max",
        pad=0.015,
        aspect=12,
    )
    bar.set_ticks(_ticks_with_ends(lowest, high))
    bar.ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.set_label(f"{_labels(recording)[species]} (mM)")
    ax.set_xlabel(axis.label)
    ax.set_ylabel("x (nm)")
    return ax


def figure_of_kymographs(recording: Recording) -> Figure:
    """Return a kymograph of each species, but for those of a few ions, one above the other on one time axis."""
    names = [name for name in recording.species_names if _most_ions(recording, name) >= FEWEST_IONS]
    figure = style.new_figure(8.5, 1.75 * len(names) + 0.6)
    rows = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    for name, ax in zip(names, rows, strict=True):
        plot_kymograph(recording, name, ax)
        ax.set_xlabel("")
    rows[-1].set_xlabel(style.time_axis(recording.time[-1]).label)
    figure.align_ylabels(rows)
    style.set_title(
        figure, f"{recording.title}: concentrations, cytoplasm below the membrane and outside above it"
    )
    return figure


def _most_ions(recording: Recording, species: str) -> float:
    """Return the largest number of ions of a species at any moment."""
    return float(np.max(recording[f"ions_inside.{species}"] + recording[f"ions_outside.{species}"]))


def plot_concentrations(recording: Recording, ax: Axes | None = None) -> Axes:
    """Draw the concentration of each species along the box: dotted at the start, solid at the end."""
    ax = style.own_axes(ax)
    first, last = first_and_last_profile(recording)
    colours = style.ion_colours(recording.species_names)
    style.shade_membrane(ax, recording.thickness)
    for i, species in enumerate(recording.species):
        colour = colours[species.name]
        for side in _sides(recording):
            x, _, start = _binned(recording, first.concentration[i], side)
            _, _, end = _binned(recording, last.concentration[i], side)
            ax.plot(x, start, color=colour, linestyle=":", linewidth=1.2)
            ax.plot(x, end, color=colour, linewidth=1.4)
    _key_of_species(recording, ax)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("x (nm)")
    ax.set_ylabel("concentration (mM)")
    _limit_to_box(recording, ax)
    return ax


def plot_double_layers(
    recording: Recording, profile: MeanProfile, ax: Axes | None = None, *, near: float = NEAR_MEMBRANE
) -> Axes:
    """Draw the concentrations within `near` nm of the membrane relative to those of the same side's bulk.

    The bands are the counting error of one standard deviation, dashed lines what Boltzmann's factor of the recorded
    potential makes of the bulk (Gouy 1910, Chapman 1913). A species that is too dilute on one side for
    `LARGEST_NOISE` is left out there.
    """
    ax = style.own_axes(ax)
    colours = style.ion_colours(recording.species_names)
    style.shade_membrane(ax, recording.thickness)
    ax.axhline(1, color=style.GREY, linewidth=0.6)
    for layer in _double_layers(recording, profile, near):
        colour = colours[layer.species]
        ax.plot(layer.x, layer.relative, color=colour, marker=".", markersize=4, linewidth=1.2)
        ax.fill_between(
            layer.x,
            layer.relative - layer.noise,
            layer.relative + layer.noise,
            color=colour,
            alpha=0.15,
            linewidth=0,
        )
        ax.plot(layer.x, layer.boltzmann, color=colour, linestyle="--", linewidth=1.0)
    ax.set_xlim(-near, recording.thickness + near)
    ax.set_xlabel("x (nm)")
    ax.set_ylabel("concentration / bulk of its side")
    style.tidy(ax)
    return ax


class _DoubleLayer(NamedTuple):
    """One species close to one face of the membrane."""

    species: str
    x: np.ndarray
    """(bins,) nm."""
    relative: np.ndarray
    """(bins,) concentration relative to the bulk."""
    noise: float
    """Counting error of `relative`."""
    boltzmann: np.ndarray
    """(bins,) what the recorded potential makes of the bulk in equilibrium."""


def _double_layers(recording: Recording, profile: MeanProfile, near: float) -> list[_DoubleLayer]:
    """Return what is known to `LARGEST_NOISE` within `near` nm of the membrane."""
    n_records = _records_of(recording, profile)
    potential = np.interp(
        recording.profiles.position, recording.profiles.node_position, profile.potential
    ) / thermal_potential(recording.temperature)
    factors = np.exp(-recording.valence[:, None] * potential)
    layers = []
    for i, species in enumerate(recording.species):
        for side in _sides(recording):
            x, width, concentration = _binned(recording, profile.concentration[i], side)
            depth = np.where(x < 0, -x, x - recording.thickness)
            # The half of the bath that is farther from the membrane stands for its bulk.
            bulk = concentration[depth > depth.max() / 2].mean()
            volume = recording.attributes["area"] * width.max()
            n_ions = bulk * volume * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR * n_records
            if n_ions < LARGEST_NOISE**-2:
                continue
            shown = depth < near
            if shown.sum() < FEWEST_BINS:
                continue
            _, _, boltzmann = _binned(recording, factors[i], side)
            boltzmann /= boltzmann[depth > depth.max() / 2].mean()
            layers.append(
                _DoubleLayer(
                    species.name, x[shown], concentration[shown] / bulk, n_ions**-0.5, boltzmann[shown]
                )
            )
    return layers


def plot_potential(recording: Recording, ax: Axes | None = None, *, near: float | None = None) -> Axes:
    """Draw the potential along x at start and end; within `near` nm of the membrane only, if given."""
    ax = style.own_axes(ax)
    first, last = first_and_last_profile(recording)
    axis = style.time_axis(recording.time[-1])
    style.shade_membrane(ax, recording.thickness, text=False)
    ax.axhline(0, color=style.GREY, linewidth=0.6)
    for profile, colour in ((first, style.SKY_BLUE), (last, style.BLACK)):
        ax.plot(
            recording.profiles.node_position,
            profile.potential,
            color=colour,
            linewidth=1.6,
            label=f"mean of {_span(profile, axis)}",
        )
    if near is None:
        _limit_to_box(recording, ax)
    else:
        ax.set_xlim(-near, recording.thickness + near)
    ax.set_xlabel("x (nm)")
    ax.set_ylabel("potential (mV)")
    style.tidy(ax)
    return ax


def figure_of_concentrations(recording: Recording) -> Figure:
    """Return the profiles of the whole box above close-ups of the double layers at start and end.

    A close-up that would show no species, as after a short first window in a small box or in large voxels, is left
    out.
    """
    first, last = first_and_last_profile(recording)
    axis = style.time_axis(recording.time[-1])
    close_ups = [profile for profile in (first, last) if _double_layers(recording, profile, NEAR_MEMBRANE)]
    figure = style.new_figure(8.5, 7.0 if close_ups else 3.8)
    grid = figure.add_gridspec(2 if close_ups else 1, len(close_ups) or 1)
    whole = plot_concentrations(recording, figure.add_subplot(grid[0, :]))
    whole.set_title(f"whole box: dotted {_span(first, axis)}, solid {_span(last, axis)}", fontsize=10)
    measured = [
        layer.relative + sign * layer.noise
        for profile in close_ups
        for layer in _double_layers(recording, profile, NEAR_MEMBRANE)
        for sign in (-1, 1)
    ]
    left = None
    for column, profile in enumerate(close_ups):
        ax = plot_double_layers(recording, profile, figure.add_subplot(grid[1, column], sharey=left))
        ax.set_title(f"double layers, {_span(profile, axis)}; dashed: Boltzmann", fontsize=10)
        if left is not None:
            ax.set_ylabel("")
        left = left or ax
    if left is not None:
        # Boltzmann's factor of a potential far from equilibrium, as at the start, would be all there is to see.
        low, high = min(map(np.min, measured)), max(map(np.max, measured))
        left.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))
    style.set_title(figure, recording.title)
    return figure


def figure_of_potential(recording: Recording) -> Figure:
    """Return the potential along the whole box and close to the membrane."""
    figure = style.new_figure(8.5, 3.8)
    whole, close = figure.subplots(1, 2, sharey=True)
    plot_potential(recording, whole)
    plot_potential(recording, close, near=NEAR_MEMBRANE)
    whole.set_title("whole box", fontsize=10)
    close.set_title("close to the membrane", fontsize=10)
    close.set_ylabel("")
    whole.legend(fontsize=8, frameon=False, loc="best")
    style.set_title(figure, recording.title)
    return figure


def _sides(recording: Recording) -> tuple[np.ndarray, np.ndarray]:
    is_inside = recording.profiles.position < 0
    return is_inside, ~is_inside


def _binned(
    recording: Recording, concentration: np.ndarray, side: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return centres and widths in nm and the means of bins of one side's `concentration` (cells,)."""
    profiles = recording.profiles
    edges, means = bin_depth(
        profiles.position[side], profiles.cell_width[side], concentration[None, side], DEPTH_BIN
    )
    return (edges[1:] + edges[:-1]) / 2, np.diff(edges), means[:, 0]


def _records_of(recording: Recording, profile: MeanProfile) -> int:
    """Return how many records were averaged in `profile`."""
    return max(1, int(((recording.time > profile.start) & (recording.time <= profile.end)).sum()))


def _two_digits(value: float) -> float:
    """Return `value` rounded to two significant digits, short enough to label the end of a colour bar."""
    return float(f"{value:.2g}")


def _ticks_with_ends(low: float, high: float) -> list[float]:
    """Return both ends of a logarithmic range and the round numbers between that have room beside them."""
    room = np.exp(0.12 * np.log(high / low))
    steps = (1, 2, 5) if high < 100 * low else (1,)
    between = LogLocator(subs=steps).tick_values(low, high)
    return [low, *(float(tick) for tick in between if low * room < tick < high / room), high]


def _span(profile: MeanProfile, axis: style.TimeAxis) -> str:
    return f"{axis.scale(profile.start):.3g} to {axis.scale(profile.end):.3g} {axis.unit}"


def _limit_to_box(recording: Recording, ax: Axes) -> None:
    # Not to the last node: the grid goes on beyond the end of the shorter side.
    attributes = recording.attributes
    ax.set_xlim(-attributes["inside_length"], attributes["thickness"] + attributes["outside_length"])
    style.tidy(ax)


def _key_of_species(recording: Recording, ax: Axes) -> None:
    colours = style.ion_colours(recording.species_names)
    for name, label in _labels(recording).items():
        ax.plot([], [], color=colours[name], label=label)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9, frameon=False)


def _labels(recording: Recording) -> dict[str, str]:
    return {one.name: style.ion_label(one.name, one.valence) for one in recording.species}
