"""What an electrophysiologist draws: single channels, dwell times, amplitudes, I-V curves, mean-variance, spikes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mc.analysis import currents, fluctuations, single_channel
from mc.analysis.currents import CurrentVoltage, ReversalPotential
from mc.analysis.fluctuations import MeanVariance
from mc.analysis.mixtures import ExponentialMixture, GaussianMixture
from mc.analysis.single_channel import CurrentTrace, Dwells, IdealisedRecord
from mc.analysis.spikes import SmoothTrace, Spikes, find_spikes, smooth
from mc.constants import PICOAMPERES_PER_CHARGE_PER_NANOSECOND
from mc.figures import style
from mc.recording.recording import Recording

FEWEST_DWELLS = 100
"""Complete visits to either class that a figure of dwell times needs."""

FEWEST_SWEEPS = 20
"""Repetitions of a step that a figure of the variance needs."""

FEWEST_RECORDS = 20
"""Of a run in which spikes are looked for."""

FEWEST_POTENTIALS, RAMP_WINDOWS = 3, 12
"""Held potentials that an I-V curve needs, and parts that a ramp is cut into for one."""

BINS_PER_DECADE = 8

SHORTEST_SHOWN = 0.003
"""Share of the dwell times that is too short for the axis."""

MOST_CHANNEL_TYPES = 3

SETTLING_SHARE = 0.2
"""Of each step of a clamp, left out of its mean current."""

IONS_IN_RESPONSE = 3.0
"""Ions that an open channel lets through within the width of the trace's filter: a noise of a third of the step."""


def plot_single_channel(
    trace: CurrentTrace | None,
    ax: Axes | None = None,
    *,
    record: IdealisedRecord | None = None,
    unit_current: float = 1.0,
) -> Axes:
    """Draw the current of one channel in pA with a scale bar, and its `record` at the levels 0 and `unit_current`.

    States of the record are 0 shut and 1 open. Either of the two may be None.
    """
    ax = style.own_axes(ax, height=2.0)
    spans = []
    if trace is not None:
        ax.plot(trace.time, trace.current, color=style.BLACK, linewidth=0.8)
        spans.append(trace.time[[0, -1]])
    if record is not None:
        time, is_open = _corners(record)
        ax.plot(time, unit_current * is_open, color=style.VERMILLION, linewidth=1.3)
        spans.append(record.edges[[0, -1]])
    span = np.array([np.min(spans), np.max(spans)])
    for level, name in ((0.0, "shut"), (unit_current, "open")):
        ax.plot(span, [level, level], color=style.PALE, linewidth=0.8, zorder=0)
        ax.annotate(
            name,
            (0.0, level),
            xycoords=("axes fraction", "data"),
            xytext=(-4, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=8,
        )
    ax.set_xlim(*map(float, span))
    ax.margins(y=0.15)
    draw_scale_bar(ax, None if trace is None else "pA")
    return ax


def draw_scale_bar(ax: Axes, unit: str | None) -> None:
    """Draw a bar of time in ns, and one of the ordinate's `unit` if given, to the right of what is there; no axes."""
    low, high = ax.get_ylim()
    start, end = ax.get_xlim()
    width = _round_down(0.12 * (end - start))
    height = _round_down(0.5 * (high - low)) if unit is not None else 0.0
    axis = style.time_axis(width)
    right = end + 0.03 * (end - start) + width
    ax.plot(
        [right - width, right, right],
        [low, low, low + height],
        color=style.BLACK,
        linewidth=1.8,
        solid_joinstyle="miter",
        clip_on=False,
    )
    labels = [(f"{axis.scale(width):g} {axis.unit}", (right - width / 2, low), (0, -3), "center", "top")]
    if unit is not None:
        labels.append((f"{height:g} {unit}", (right, low + height / 2), (4, 0), "left", "center"))
    for text, place, offset, horizontal, vertical in labels:
        ax.annotate(
            text,
            place,
            xytext=offset,
            textcoords="offset points",
            ha=horizontal,
            va=vertical,
            fontsize=8,
            annotation_clip=False,
        )
    ax.set_xlim(start, right + 0.06 * (end - start))
    ax.set_ylim(low, high)
    ax.set_axis_off()


def plot_dwell_times(
    dwells: Dwells,
    fit: ExponentialMixture | None = None,
    ax: Axes | None = None,
    *,
    shortest: float = 0.0,
    colour: str = style.BLUE,
) -> Axes:
    """Draw complete dwell times in ns over a logarithmic axis, square roots of their numbers upwards, with a fit.

    Every component of the fit peaks at its time constant (Sigworth & Sine 1987). `shortest` in ns as in the fit.
    """
    ax = style.own_axes(ax, 4.0, 3.2)
    complete = dwells.durations[~dwells.is_censored & (dwells.durations > shortest)]
    histogram = single_channel.count_logarithmically(complete, BINS_PER_DECADE)
    axis = style.time_axis(float(np.quantile(complete, 0.9)))
    ax.stairs(histogram.counts, axis.scale(histogram.edges), color=colour, fill=True, alpha=0.35)
    if fit is not None:
        time = np.geomspace(histogram.edges[0], histogram.edges[-1], 400)
        edges = time[:, None] * 10 ** (np.array([-0.5, 0.5]) / BINS_PER_DECADE)
        scale = len(complete) / float(fit.survival(shortest))
        ax.plot(
            axis.scale(time), -scale * np.diff(fit.survival(edges))[:, 0], color=style.BLACK, linewidth=1.4
        )
        for i, time_constant in enumerate(fit.time_constants):
            survival = fit.weights[i] * np.exp(-edges / time_constant)
            constant, error = map(float, axis.scale(np.array([time_constant, fit.time_constant_errors[i]])))
            label = f"{_with_error(constant, error)} {axis.unit}"
            if len(fit.time_constants) > 1:
                label += f" ({100 * fit.weights[i]:.0f} %)"
                ax.plot(
                    axis.scale(time),
                    -scale * np.diff(survival)[:, 0],
                    color=style.BLACK,
                    linewidth=0.9,
                    linestyle=style.LINE_STYLES[1 + i % 3],
                    label=label,
                )
            else:
                ax.plot([], [], color=style.BLACK, linewidth=1.4, label=label)
        ax.legend(fontsize=8, frameon=False, loc="upper left", title="time constants", title_fontsize=8)
    ax.set_xscale("log")
    ax.set_yscale("function", functions=(lambda count: np.sqrt(np.maximum(count, 0.0)), np.square))
    # Room above for the legend.
    ax.set_ylim(0, 1.9 * histogram.counts.max())
    ax.set_yticks(_square_root_ticks(histogram.counts.max()))
    # A few very short ones would take up half of the axis.
    first = max(histogram.edges[0], float(np.quantile(complete, SHORTEST_SHOWN)))
    ax.set_xlim(*map(float, axis.scale(np.array([first, histogram.edges[-1]]))))
    ax.set_xlabel(f"dwell time ({axis.unit})")
    ax.set_ylabel("number (square root)")
    style.tidy(ax)
    return ax


def plot_amplitudes(
    current: np.ndarray, levels: GaussianMixture | None = None, ax: Axes | None = None
) -> Axes:
    """Draw how often a current (samples,) in pA has which amplitude, with the Gaussians that were fitted to it."""
    ax = style.own_axes(ax, 4.0, 3.2)
    low, high = np.quantile(current, [0.0005, 0.9995])
    edges = np.linspace(low, high, 81)
    density, _ = np.histogram(current, edges, density=True)
    ax.stairs(density, edges, color=style.SKY_BLUE, fill=True, alpha=0.6)
    if levels is not None:
        value = np.linspace(low, high, 500)
        for i, weight in enumerate(levels.weights):
            one = levels._replace(
                means=levels.means[i : i + 1],
                standard_deviations=levels.standard_deviations[i : i + 1],
                weights=np.array([weight]),
            )
            label = f"{_with_error(levels.means[i], levels.mean_errors[i])} pA ({100 * weight:.0f} %)"
            style_of_level = style.LINE_STYLES[1 + i % 3]
            ax.plot(
                value,
                one.density(value),
                color=style.BLACK,
                linewidth=0.9,
                linestyle=style_of_level,
                label=label,
            )
        ax.plot(value, levels.density(value), color=style.BLACK, linewidth=1.4)
        ax.legend(fontsize=8, frameon=False, loc="upper right")
    ax.set_ylim(0, 1.35 * density.max())
    ax.set_xlim(low, high)
    ax.set_xlabel("current (pA)")
    ax.set_ylabel("probability density (1/pA)")
    style.tidy(ax)
    return ax


def plot_current_voltage(
    curve: CurrentVoltage,
    ax: Axes | None = None,
    *,
    prediction: np.ndarray | None = None,
    reversal: ReversalPotential | None = None,
    label: str = "measured",
    prediction_label: str = "GHK",
    colour: str = style.BLACK,
) -> Axes:
    """Draw currents in pA with their errors against the potential, and the `prediction` for each as a line."""
    ax = style.own_axes(ax, 4.5, 3.6)
    order = np.argsort(curve.potential)
    if not ax.lines:
        ax.axhline(0, color=style.GREY, linewidth=0.6, zorder=0)
        ax.axvline(0, color=style.GREY, linewidth=0.6, zorder=0)
    ax.errorbar(
        curve.potential[order],
        curve.current[order],
        curve.standard_error[order],
        fmt="o",
        markersize=4,
        color=colour,
        elinewidth=1,
        capsize=2,
        label=label,
    )
    if prediction is not None:
        line_colour = style.GHK_COLOUR if colour == style.BLACK else colour
        ax.plot(
            curve.potential[order],
            np.asarray(prediction)[order],
            color=line_colour,
            linewidth=1.3,
            zorder=1,
            label=prediction_label,
        )
    if reversal is not None:
        ax.plot(reversal.potential, 0, marker="v", color=colour, markersize=7, markerfacecolor="white")
        ax.annotate(
            f"{_with_error(reversal.potential, reversal.standard_error)} mV",
            (reversal.potential, 0),
            xytext=(-3, 8),
            textcoords="offset points",
            ha="right",
            fontsize=8,
            color=colour,
        )
    ax.set_xlabel("membrane potential (mV)")
    ax.set_ylabel("outward current (pA)")
    ax.legend(fontsize=8, frameon=False, loc="upper left")
    style.tidy(ax)
    return ax


def plot_mean_variance(fit: MeanVariance, ax: Axes | None = None) -> Axes:
    """Draw the variance of a current against its mean with the parabola of the unit current and the channels."""
    ax = style.own_axes(ax, 4.5, 3.6)
    ax.errorbar(
        fit.mean,
        fit.variance,
        fit.variance_error,
        fmt="o",
        markersize=3,
        color=style.BLUE,
        elinewidth=0.7,
        alpha=0.8,
    )
    largest = fit.unit_current * fit.n_channels
    mean = np.linspace(0.0, largest, 300)
    ax.plot(mean, fit.parabola(mean), color=style.BLACK, linewidth=1.4)
    ax.axhline(0, color=style.GREY, linewidth=0.6, zorder=0)
    ax.set_title(
        f"unit current {_with_error(fit.unit_current, fit.unit_current_error)} pA, "
        f"{_with_error(fit.n_channels, fit.n_channels_error)} channels",
        loc="left",
        fontsize=9,
    )
    ax.set_xlabel("mean current (pA)")
    ax.set_ylabel("variance (pA²)")
    style.tidy(ax)
    return ax


def plot_spike(
    trace: SmoothTrace,
    spikes: Spikes,
    i_spike: int = 0,
    ax: Axes | None = None,
    *,
    raw: np.ndarray | None = None,
) -> Axes:
    """Draw one spike of a trace with its threshold, peak, half-width, steepest slopes and trough.

    `raw` (samples,) in mV is the trace before it was smoothed, drawn behind.
    """
    ax = style.own_axes(ax, 4.5, 3.6)
    width = spikes.half_width[i_spike]
    begin = spikes.threshold_time[i_spike] - 3 * width
    last = [spikes.peak_time[i_spike] + 5 * width, spikes.trough_time[i_spike] + 2 * width]
    end = min(np.nanmax(last), spikes.peak_time[i_spike] + 15 * width)
    shown = (trace.time >= begin) & (trace.time <= end)
    axis = style.time_axis(end - begin)

    def since(time: float | np.ndarray) -> np.ndarray:
        return axis.scale(np.asarray(time) - spikes.peak_time[i_spike])

    if raw is not None:
        ax.plot(since(trace.time[shown]), raw[shown], color=style.PALE, linewidth=0.7)
    ax.plot(since(trace.time[shown]), trace.potential[shown], color=style.BLACK, linewidth=1.4)
    threshold = spikes.threshold_potential[i_spike]
    for time, potential, colour, label in (
        (spikes.threshold_time, threshold, style.GREEN, f"threshold {style.number(threshold, 0)} mV"),
        (
            spikes.peak_time,
            spikes.peak_potential[i_spike],
            style.VERMILLION,
            f"peak {style.number(spikes.peak_potential[i_spike], 0)} mV",
        ),
        (
            spikes.trough_time,
            spikes.trough_potential[i_spike],
            style.PURPLE,
            f"trough, {style.number(spikes.afterhyperpolarisation[i_spike], 0)} mV below threshold",
        ),
    ):
        if np.isfinite(potential):
            ax.plot(since(time[i_spike]), potential, "o", color=colour, markersize=6, label=label)
    half = spikes.half_potential[i_spike]
    ax.annotate(
        "",
        (since(spikes.half_rise_time[i_spike]), half),
        (since(spikes.half_fall_time[i_spike]), half),
        arrowprops={"arrowstyle": "<->", "color": style.BLUE, "linewidth": 1.3, "shrinkA": 0, "shrinkB": 0},
    )
    ax.plot([], [], color=style.BLUE, label=f"half-width {axis.scale(width):.3g} {axis.unit}")
    for time, slope in (
        (spikes.maximal_rise_time[i_spike], spikes.maximal_rise[i_spike]),
        (spikes.maximal_fall_time[i_spike], spikes.maximal_fall[i_spike]),
    ):
        reach = 0.2 * spikes.amplitude[i_spike] / abs(slope)
        middle = float(np.interp(time, trace.time, trace.potential))
        ax.plot(
            since(time + np.array([-reach, reach])),
            middle + slope * np.array([-reach, reach]),
            color=style.ORANGE,
            linewidth=1.6,
            label=f"{'rise' if slope > 0 else 'fall'} {abs(slope):.3g} mV/ns",
        )
    ax.set_xlim(float(since(begin)), float(since(end)))
    ax.set_xlabel(f"time from the peak ({axis.unit})")
    ax.set_ylabel("membrane potential (mV)")
    ax.legend(fontsize=8, frameon=False, loc="upper right")
    style.tidy(ax)
    return ax


class _ChannelType(NamedTuple):
    """What is drawn of one type of channel."""

    name: str
    first_channel: int
    records: Sequence[IdealisedRecord]
    """Of each channel, 0 shut and 1 open."""
    openings: Dwells
    shuttings: Dwells


def figure_of_single_channels(recording: Recording) -> Figure | None:
    """Return the trace of one channel and the dwell times of its type for each type with gates that move often.

    Types whose rates change during the run have no fits. None without events, or with too few of them.
    """
    types = _gated_types(recording)[:MOST_CHANNEL_TYPES]
    if not types:
        return None
    figure = style.new_figure(8.5, 4.2 * len(types) + 0.5)
    rows = figure.subfigures(len(types), 1, squeeze=False)[:, 0]
    for part, row in zip(types, rows, strict=True):
        top, bottom = row.subfigures(2, 1, height_ratios=(1.0, 2.2))
        ax = top.add_subplot()
        _plot_one_channel(recording, part, ax)
        probability = single_channel.open_probability(part.records, [False, True])
        ax.set_title(
            f"{style.wrapped(part.name, 40, 1)}: open "
            f"{_with_error(100 * probability.mean, 100 * probability.standard_error)} % of the time",
            loc="left",
            fontsize=10,
        )
        for axes, dwells, colour, title in zip(
            bottom.subplots(1, 2),
            (part.openings, part.shuttings),
            (style.BLUE, style.GREY),
            ("openings", "shuttings"),
            strict=True,
        ):
            fit = single_channel.fit_dwells(dwells, 4) if _has_steady_rates(recording, part.name) else None
            plot_dwell_times(dwells, fit, axes, colour=colour)
            axes.set_title(f"{len(dwells.durations)} {title}", loc="left", fontsize=9)
    style.set_title(figure, recording.title)
    return figure


def figure_of_current_voltage(recording: Recording) -> Figure | None:
    """Return the I-V curve of each ion beside GHK; None unless a clamp held three potentials or more, or a ramp."""
    windows = _voltage_windows(recording)
    if not windows:
        return None
    figure = style.new_figure(6.5, 4.5)
    ax = figure.add_subplot()
    colours = style.ion_colours(recording.species_names)
    for species in recording.species:
        charge = currents.crossing_charge(recording, ion=species.name)
        if not charge.variance[-1]:
            continue
        curve = currents.measure_current_voltage(recording.time, charge.net, windows)
        plot_current_voltage(
            curve,
            ax,
            prediction=currents.predict_current(recording, windows, species.name),
            label=style.ion_label(species.name, species.valence),
            prediction_label="_",
            colour=colours[species.name],
        )
    if not ax.lines:
        return None
    ax.plot([], [], color=style.GREY, linewidth=1.3, label="GHK of the open channels")
    ax.legend(fontsize=8, frameon=False, loc="upper left")
    style.set_title(figure, recording.title)
    return figure


def figure_of_mean_variance(recording: Recording) -> Figure | None:
    """Return the mean-variance plot of the current after the step of potential that was repeated most often.

    Of the gated type of channel that most charges cross. None for fewer than 20 repetitions, or where the variance
    tells no number of channels.
    """
    starts, duration = fluctuations.repeated_steps(recording.time, recording["command_potential"])
    gated = [one.name for one in recording.channels if len(one.states) > 1]
    if len(starts) < FEWEST_SWEEPS or not gated:
        return None
    charges = {one: currents.crossing_charge(recording, one) for one in gated}
    name = max(charges, key=lambda one: charges[one].variance[-1])
    interval = recording.time[1] - recording.time[0]
    per_bin = max(1, round(duration / interval / 40))
    sweeps = fluctuations.cut_sweeps(recording.time, charges[name], starts, duration, per_bin)
    fit = fluctuations.fit_nonstationary_variance(sweeps.current, sweeps.counting_variance)
    if not 0.0 < fit.n_channels_error < fit.n_channels:
        return None
    figure = style.new_figure(5.5, 4.2)
    plot_mean_variance(fit, figure.add_subplot())
    style.set_title(figure, f"{recording.title}: {name}, {len(starts)} sweeps")
    return figure


def figure_of_spikes(recording: Recording) -> Figure | None:
    """Return the trace with its spikes marked above one of them in detail; None if the free membrane has no spike."""
    time, potential = recording.time, recording["membrane_potential"]
    is_free = np.isnan(recording["command_potential"])
    if len(time) < FEWEST_RECORDS or not is_free.any():
        return None
    spikes = find_spikes(time, potential)
    peaks = np.searchsorted(time, spikes.peak_time)
    chosen = np.flatnonzero(np.isfinite(spikes.half_width) & is_free[peaks])
    if len(chosen) == 0:
        return None
    trace = smooth(time, potential, spikes.smoothing_time)
    figure = style.new_figure(8.5, 6.5)
    above, below = figure.subplots(2, 1, height_ratios=(1.0, 1.6))
    axis = style.time_axis(time[-1])
    above.plot(axis.scale(time), potential, color=style.BLACK, linewidth=0.6)
    above.plot(
        axis.scale(spikes.peak_time[chosen]),
        spikes.peak_potential[chosen],
        "v",
        color=style.VERMILLION,
        markersize=6,
    )
    above.set_xlim(0, axis.scale(time[-1]))
    above.set_xlabel(axis.label)
    above.set_ylabel("membrane potential (mV)")
    style.tidy(above)
    first = int(chosen[0])
    plot_spike(trace, spikes, first, below, raw=potential)
    below.set_title(
        f"spike {first + 1} of {len(spikes.peak_time)}, smoothed over {spikes.smoothing_time:.3g} ns",
        loc="left",
        fontsize=9,
    )
    style.set_title(figure, recording.title)
    return figure


def _gated_types(recording: Recording) -> list[_ChannelType]:
    """Return the types with dwell times enough for a histogram of both classes."""
    if len(recording.gating["time"]) < FEWEST_DWELLS:
        return []
    found, first = [], 0
    for channel in recording.channels:
        if len(channel.states) > 1:
            is_open = single_channel.conductance_levels(recording, channel.name) > 0
            records = [
                record.grouped(is_open.astype(int))
                for record in single_channel.channel_records(recording, channel.name)
            ]
            openings, shuttings = single_channel.open_and_shut_dwells(records, [False, True])
            if min((~one.is_censored).sum() for one in (openings, shuttings)) >= FEWEST_DWELLS:
                found.append(_ChannelType(channel.name, first, records, openings, shuttings))
        first += channel.count
    return found


def _has_steady_rates(recording: Recording, channel: str) -> bool:
    """Return whether nothing that the channel's rates depend on was changed during the run."""
    [gating] = [one.gating for one in recording.scenario.channels if one.name == channel]
    if gating is None or gating.is_constant:
        return True
    command = recording["command_potential"]
    return not gating.ligands and bool(np.isfinite(command).all()) and bool(np.ptp(command) == 0.0)


def _plot_one_channel(recording: Recording, part: _ChannelType, ax: Axes) -> None:
    """Draw a stretch of the channel that moved most often: its current, and when it was open."""
    i_channel = int(np.argmax([len(record.states) for record in part.records]))
    record = part.records[i_channel]
    span = min(12 * (part.openings.mean.mean + part.shuttings.mean.mean), record.edges[-1] - record.edges[0])
    start = record.edges[0] + 0.5 * (record.edges[-1] - record.edges[0] - span)
    part_of_record = record.between(start, start + span)
    charge = currents.crossing_charge(recording, part.name).net
    open_time = np.trapezoid(recording[f"open_channels.{part.name}"], recording.time)
    mean_current = (charge[-1] - charge[0]) / open_time if open_time > 0.0 else 0.0
    response = IONS_IN_RESPONSE / abs(mean_current) if mean_current else np.inf
    if response > 0.5 * part.openings.mean.mean:
        plot_single_channel(None, ax, record=part_of_record)
        return
    interval = max(response / 6.0, recording.time_step)
    trace = single_channel.single_channel_current(recording, part.first_channel + i_channel, interval)
    filtered = single_channel.filter_gaussian(
        trace.current, interval, single_channel.GAUSSIAN_CUTOFF / response
    )
    shown = (trace.time >= start) & (trace.time <= start + span)
    plot_single_channel(
        CurrentTrace(trace.time[shown], filtered[shown]),
        ax,
        record=part_of_record,
        unit_current=mean_current * PICOAMPERES_PER_CHARGE_PER_NANOSECOND,
    )


def _corners(record: IdealisedRecord) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners of a record's line."""
    return np.repeat(record.edges, 2)[1:-1], np.repeat(record.states, 2)


def _voltage_windows(recording: Recording) -> list[currents.Window]:
    """Return the windows of steps of a clamp to three potentials or more, or else those that ramps are cut into."""
    command = recording["command_potential"]
    spans = currents.held_spans(command)
    if len({command[first] for first, _ in spans}) < FEWEST_POTENTIALS:
        return currents.ramp_windows(recording, RAMP_WINDOWS)
    lengths = [recording.time[last] - recording.time[first] for first, last in spans]
    return currents.clamp_windows(recording, SETTLING_SHARE * min(lengths))


def _with_error(value: float, error: float) -> str:
    """Return both with as many decimals as the error's two first digits need."""
    if not np.isfinite(error) or error <= 0.0:
        return style.number(float(value), 2)
    decimals = max(0, 1 - int(np.floor(np.log10(error))))
    return f"{style.number(float(value), decimals)} ± {style.number(float(error), decimals)}"


def _round_down(length: float) -> float:
    """Return the largest of 1, 2 and 5 times a power of ten that is not longer."""
    power = 10.0 ** np.floor(np.log10(length))
    return float(max(step * power for step in (1, 2, 5) if step * power <= length * (1 + 1e-9)))


def _square_root_ticks(largest: float) -> list[float]:
    """Return round counts that stand about evenly on an axis of square roots."""
    unit = _round_down(max(largest / 16.0, 1.0))
    return [unit * i**2 for i in range(int(np.sqrt(1.5 * largest / unit)) + 1)]
