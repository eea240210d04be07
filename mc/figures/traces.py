"""What changes with time: membrane potential, open channels, crossings and pump cycles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from mc.analysis.channels import open_channels, permeant_species
from mc.analysis.flux import crossings_by_species, pump_cycles
from mc.analysis.phases import find_phases
from mc.analysis.potential import ghk_series, reversal_potentials
from mc.comparison import PotentialComparison, compare_potential, ghk_with_pumps_series
from mc.figures import style
from mc.formatting import show_factor
from mc.recording.recording import Recording

LEGEND_WIDTH = 26
"""Characters in a line of a legend beside the axes: a longer name must not take their room."""

MOST_LABELLED_PHASES = 6
"""Of a protocol; of more only the changes are marked."""

PHASE_LABEL_WIDTH = 70
"""Characters of labels that fit side by side above the axes."""


def plot_membrane_potential(
    recording: Recording, ax: Axes | None = None, comparison: PotentialComparison | None = None
) -> Axes:
    """Draw the membrane potential with GHK of the same moments, Nernst lines and the band of kT/C noise.

    Nernst potentials far from the membrane potential stand at the edge with an arrow.
    """
    ax = style.own_axes(ax, height=4.5)
    comparison = comparison or compare_potential(recording)
    axis = style.time_axis(recording.time[-1])
    time = axis.scale(recording.time)
    measured = recording["membrane_potential"]
    window, mean = comparison.window, comparison.membrane_potential
    ghk = ghk_series(recording)

    noise = comparison.capacitance_noise
    span = axis.scale(np.array([window.start, window.end]))
    if comparison.is_free:
        ax.fill_between(
            span, mean.mean - noise, mean.mean + noise, color=style.PALE, linewidth=0, label="mean ± √(kT/C)"
        )
    ax.plot(time, measured, color=style.BLACK, linewidth=0.7, label="simulated")
    if comparison.is_free:
        ax.plot(span, [mean.mean] * 2, color=style.BLACK, linewidth=1.8, label=_mean_label(comparison))
    else:
        _draw_phases(recording, ax)
    if np.isfinite(ghk).any():
        ax.plot(time, ghk, color=style.GHK_COLOUR, linewidth=1.2, label="GHK of the same moment")
    with_pumps = ghk_with_pumps_series(recording)
    if with_pumps is not None and np.isfinite(with_pumps).any():
        ax.plot(
            time,
            with_pumps,
            color=style.GHK_WITH_PUMP_COLOUR,
            linewidth=1.2,
            linestyle="--",
            label="GHK with the pumps' current",
        )
    nernst = _permeant_reversal_potentials(recording, window.records)
    # Ions that were placed at random screen one another only from the first step on.
    _zoom_on(ax, np.concatenate([measured[1:], ghk[np.isfinite(ghk)]]), nernst.values())
    if not recording.scenario.protocol.solutions:
        _draw_nernst_lines(recording, ax, nernst)
    ax.set_xlim(0, time[-1])
    ax.set_xlabel(axis.label)
    ax.set_ylabel("membrane potential (mV)")
    if comparison.is_free:
        ax.set_title(_verdict(comparison), loc="left", fontsize=9)
    # Below the marks of the phases.
    ax.legend(loc="upper right", bbox_to_anchor=(1.0, 0.98), fontsize=8, frameon=False, ncols=2)
    style.tidy(ax)
    if comparison.is_free:
        _draw_charging(recording, ax, comparison)
    return ax


def _draw_phases(recording: Recording, ax: Axes) -> None:
    """Draw the command of a voltage clamp, and a mark on top wherever the protocol changes something."""
    axis = style.time_axis(recording.time[-1])
    command = recording["command_potential"]
    if np.isfinite(command).any():
        ax.plot(
            axis.scale(recording.time),
            command,
            color=style.GREY,
            linewidth=1.0,
            linestyle="--",
            label="command",
        )
    phases = find_phases(recording)
    for phase in phases[1:]:
        ax.axvline(float(axis.scale(phase.start)), ymin=0.97, color=style.BLACK, linewidth=1.0)
    if len(phases) <= MOST_LABELLED_PHASES:
        for phase in phases:
            middle = axis.scale((phase.start + phase.stop) / 2.0)
            width = (phase.stop - phase.start) / recording.time[-1] * PHASE_LABEL_WIDTH
            label = style.wrapped(phase.label, max(int(width), 8))
            ax.annotate(
                label,
                (middle, 1.0),
                (0, 3),
                ("data", "axes fraction"),
                "offset points",
                ha="center",
                fontsize=8,
            )


def _draw_charging(recording: Recording, ax: Axes, comparison: PotentialComparison) -> None:
    """Enlarge the first moments, where charging lasts too short to be seen on the whole axis and there is room."""
    low, high = ax.get_ylim()
    shown = recording.time <= 2.0 * comparison.window.start
    is_short = comparison.window.start < 0.1 * recording.time[-1]
    beneath = (recording.time > 0.05 * recording.time[-1]) & (recording.time < 0.4 * recording.time[-1])
    has_room = np.max(recording["membrane_potential"][beneath], initial=-np.inf) < low + 0.35 * (high - low)
    if not is_short or not has_room or shown.sum() < 10:
        return
    axis = style.time_axis(recording.time[shown][-1])
    time = axis.scale(recording.time[shown])
    inset = ax.inset_axes((0.09, 0.44, 0.3, 0.36))
    inset.plot(time, recording["membrane_potential"][shown], color=style.BLACK, linewidth=1.0)
    inset.plot(time, ghk_series(recording)[shown], color=style.GHK_COLOUR, linewidth=1.2)
    inset.set_xlim(0, time[-1])
    inset.set_xlabel(axis.label, fontsize=8, labelpad=1)
    inset.set_title("charging", fontsize=8, loc="left", pad=2)
    inset.tick_params(labelsize=8)
    style.tidy(inset)


def plot_open_channels(recording: Recording, ax: Axes | None = None) -> Axes:
    """Draw the open fraction of each channel type in the colour of the ion that passes it best.

    Types that share their ion are told apart by the style of their lines.
    """
    ax = style.own_axes(ax, height=2.5)
    axis = style.time_axis(recording.time[-1])
    colours = style.ion_colours(recording.species_names)
    ions = [max(channel.permeability, key=channel.permeability.__getitem__) for channel in recording.channels]
    n_open = open_channels(recording)
    for channel, ion, line_style in zip(recording.channels, ions, _line_styles(ions), strict=True):
        ax.plot(
            axis.scale(recording.time),
            100 * n_open[channel.name] / channel.count,
            color=colours[ion],
            linestyle=line_style,
            linewidth=1,
            label=style.wrapped(f"{channel.name} (of {channel.count})", LEGEND_WIDTH),
        )
    ax.set_ylim(0, 105)
    ax.set_ylabel("open channels (%)")
    _finish_counts(recording, ax)
    return ax


def plot_crossings(recording: Recording, ax: Axes | None = None) -> Axes:
    """Draw how many ions of each species have crossed through channels: outward solid, inward dashed."""
    ax = style.own_axes(ax, height=2.5)
    axis = style.time_axis(recording.time[-1])
    time = axis.scale(recording.time)
    colours = style.ion_colours(recording.species_names)
    crossings = crossings_by_species(recording)
    for species in recording.species:
        if species.name not in permeant_species(recording):
            continue
        label = style.ion_label(species.name, species.valence)
        outward, inward = crossings[species.name]
        ax.plot(time, outward, color=colours[species.name], label=f"{label} out: {outward[-1]:,.0f}")
        ax.plot(
            time, inward, color=colours[species.name], linestyle="--", label=f"{label} in: {inward[-1]:,.0f}"
        )
    ax.set_ylim(bottom=0)
    ax.set_ylabel("ions crossed")
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    _finish_counts(recording, ax)
    return ax


def plot_pump_cycles(recording: Recording, ax: Axes | None = None) -> Axes:
    """Draw how many cycles the pumps and transporters of each type have made, forward minus backward."""
    ax = style.own_axes(ax, height=2.5)
    axis = style.time_axis(recording.time[-1])
    all_cycles = pump_cycles(recording)
    line_styles = _line_styles(["any"] * len(recording.pumps))
    for pump, line_style in zip(recording.pumps, line_styles, strict=True):
        cycles = all_cycles[pump.name]
        faster = f", {show_factor(pump.acceleration)}× faster\nthan in life" if pump.acceleration != 1 else ""
        name = style.wrapped(f"{pump.name}: {cycles[-1]:,.0f}", LEGEND_WIDTH)
        ax.plot(
            axis.scale(recording.time),
            cycles,
            color=style.BLACK,
            linestyle=line_style,
            label=f"{name}\n({pump.count:,} in the patch{faster})",
            drawstyle="steps-post",
        )
    if all((cycles >= 0).all() for cycles in all_cycles.values()):
        ax.set_ylim(bottom=0)
    ax.set_ylabel("net cycles")
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    _finish_counts(recording, ax)
    return ax


def figure_of_traces(recording: Recording, comparison: PotentialComparison | None = None) -> Figure:
    """Return the membrane potential above channels, crossings and pumps, on one time axis."""
    panels = []
    if recording.channels:
        panels += [plot_open_channels, plot_crossings]
    if recording.pumps:
        panels.append(plot_pump_cycles)
    heights = [2.4] + [1.0] * len(panels)
    figure = style.new_figure(8.5, 1.75 * sum(heights) + 0.6)
    rows = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    plot_membrane_potential(recording, rows[0], comparison)
    for panel, ax in zip(panels, rows[1:], strict=True):
        panel(recording, ax)
    for ax in rows[:-1]:
        ax.set_xlabel("")
    figure.align_ylabels(rows)
    style.set_title(figure, recording.title)
    return figure


def _mean_label(comparison: PotentialComparison) -> str:
    mean = comparison.membrane_potential
    return f"mean {style.number(mean.mean, 1)} ± {style.number(mean.standard_error, 1)} mV"


def _verdict(comparison: PotentialComparison) -> str:
    """Say how far the mean lies from the prediction, or that there is none."""
    predicted, distance = comparison.ghk_potential_with_pump, comparison.difference_in_standard_errors
    if predicted is None:
        return "no channel open: no prediction"
    counted = ", pump current counted" if comparison.pump_current else ""
    ghk = f"GHK{counted}: {style.number(predicted.mean, 1)} mV"
    if not comparison.has_noise and comparison.is_long_enough:
        away = comparison.membrane_potential.mean - predicted.mean
        return f"{ghk}; the mean differs by {style.number(away, 2)} mV, without noise"
    if distance is None:
        return f"{ghk}; too short a run to judge the difference"
    sign = "+" if distance > 0 else ""
    return f"{ghk}; the mean differs by {sign}{style.number(distance, 1)} standard errors"


def _permeant_reversal_potentials(recording: Recording, records: slice) -> dict[str, float]:
    """Return the Nernst potentials of the ions that a channel lets through and that both sides hold."""
    potentials = reversal_potentials(recording, records)
    return {
        name: potentials[name]
        for name in permeant_species(recording)
        if np.isfinite(potentials.get(name, np.nan))
    }


def _zoom_on(ax: Axes, shown: np.ndarray, nernst: Iterable[float]) -> None:
    """Leave room for what was simulated and predicted, the Nernst lines not far from it, and the legend."""
    low, high = min(shown.min(), 0.0), max(shown.max(), 0.0)
    reach = 0.4 * (high - low)
    near = [potential for potential in nernst if low - reach < potential < high + reach]
    low, high = min([low, *near]), max([high, *near])
    margin = max(0.06 * (high - low), 2.0)
    ax.set_ylim(low - margin, high + 4 * margin)


def _draw_nernst_lines(recording: Recording, ax: Axes, potentials: dict[str, float]) -> None:
    """Draw a line at each of `potentials` and its name beside the axes."""
    colours = style.ion_colours(recording.species_names)
    valence = {one.name: one.valence for one in recording.species}
    low, high = ax.get_ylim()
    labels = []
    for name, potential in potentials.items():
        text = f"{style.ion_label(name, valence[name])} Nernst {style.number(potential, 0)}"
        labels.append((potential, text, colours[name]))
        if low < potential < high:
            ax.axhline(potential, color=colours[name], linewidth=1.2, linestyle=":")
    style.label_line_ends(ax, labels)


def _line_styles(groups: Sequence[str]) -> list[str]:
    """Return a line style for each member of `groups`: solid for the first of a group, others for the next."""
    return [
        style.LINE_STYLES[groups[:i].count(group) % len(style.LINE_STYLES)] for i, group in enumerate(groups)
    ]


def _finish_counts(recording: Recording, ax: Axes) -> None:
    """Label the time axis and write the legend beside the axes."""
    axis = style.time_axis(recording.time[-1])
    ax.set_xlim(0, float(axis.scale(recording.time[-1])))
    ax.set_xlabel(axis.label)
    if ax.lines:
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False)
    style.tidy(ax)
