"""Figures of what was done in a run: single channels, I-V curves, the variance of repeated steps, spikes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mc.analysis import currents, fluctuations, single_channel
from mc.analysis.mixtures import fit_gaussians
from mc.analysis.single_channel import CurrentTrace, Dwells, IdealisedRecord
from mc.analysis.spikes import LEAST_AMPLITUDE, find_spikes, smooth
from mc.constants import PICOAMPERES_PER_CHARGE_PER_NANOSECOND
from mc.figures import style
from mc.figures.electrophysiology import (
    plot_amplitudes,
    plot_current_voltage,
    plot_dwell_times,
    plot_mean_variance,
    plot_single_channel,
    plot_spike,
    with_error,
)
from mc.recording.layout import ChannelDescription
from mc.recording.recording import Recording
from mc.theory.noise import capacitance_noise

FEWEST_DWELLS = 100
"""Complete visits to either class that histograms of dwell times need."""

FEWEST_SWEEPS = 20
"""Repetitions of a step that a figure of the variance needs."""

MOST_MISFIT = 4.0
"""Standard deviations by which the chi-square of a fit may exceed what is expected of it."""

NOISE_IN_SPIKE = 10.0
"""Standard deviations of thermal noise, sqrt(kT/C), that a spike is higher than: noise alone swings by seven."""

FEWEST_RECORDS = 20
"""Of a run in which spikes are looked for."""

FEWEST_POTENTIALS, RAMP_WINDOWS = 3, 12
"""Held potentials that an I-V curve needs, and parts that a ramp is cut into for one."""

MOST_CHANNEL_TYPES = 6
"""Drawn in one figure; it names the others."""

LINE_OF_NOTE, INCHES_OF_LINE = 110, 0.2
"""Characters in a line of the note on the types that are not drawn, and its height."""

SETTLING_SHARE = 0.2
"""Of each step of a clamp, left out of its mean current."""

FEWEST_OPENINGS = 3
"""Complete visits to either class that the trace of a channel needs."""

MOST_COMPONENTS = 4
"""Of a fit of dwell times."""

IONS_IN_SAMPLE, FEWEST_SAMPLES = 10.0, 50
"""Ions in a sample of the current of an open channel, and samples that a histogram of them needs."""

IONS_IN_RESPONSE = 3.0
"""Ions that an open channel lets through within the width of the trace's filter: a noise of a third of the step."""


class _ChannelType(NamedTuple):
    """What is drawn of one type of channel."""

    name: str
    first_channel: int
    n_levels: int
    """Levels at which it conducts."""
    records: Sequence[IdealisedRecord]
    """Of each channel, 0 shut and 1 open."""
    openings: Dwells
    shuttings: Dwells
    mean_current: float
    """Of an open channel, e/ns."""


def figure_of_single_channels(recording: Recording) -> Figure | None:
    """Return the trace of one channel of each type with gates, above its dwell times and the currents of openings.

    Histograms are drawn where they hold enough; dwell times have fits where nothing that rates depend on was changed
    during the run, and currents are drawn where enough ions pass in one opening. Types that are left out are named,
    with the reason. None without events, or where no type has opened a few times.
    """
    types, left_out = _gated_types(recording)
    if not types:
        return None
    panels = [_panels(recording, part) for part in types]
    heights = [4.2 if panel else 1.6 for panel in panels]
    note = style.wrapped("Not drawn: " + "; ".join(left_out), LINE_OF_NOTE) if left_out else ""
    if note:
        heights.append(INCHES_OF_LINE * (note.count("\n") + 1.5))
    figure = style.new_figure(8.5 if max(map(len, panels)) < 3 else 11.0, sum(heights) + 0.5)
    rows = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    if note:
        rows[-1].text(0.01, 0.5, note, va="center", fontsize=9)
    for part, panel, row in zip(types, panels, rows[: len(types)], strict=True):
        top, *bottom = row.subfigures(
            2 if panel else 1, 1, squeeze=False, height_ratios=(1.0, 2.2)[: 1 + bool(panel)]
        )[:, 0]
        ax = top.add_subplot()
        _plot_one_channel(recording, part, ax)
        probability = single_channel.open_probability(part.records, [False, True])
        ax.set_title(
            f"{style.wrapped(part.name, 40, 1)}: open "
            f"{with_error(100 * probability.mean, 100 * probability.standard_error)} % of the time",
            loc="left",
            fontsize=10,
        )
        for draw, axes in zip(
            panel, bottom[0].subplots(1, len(panel), squeeze=False)[0] if panel else (), strict=True
        ):
            draw(axes)
    style.set_title(figure, recording.title)
    return figure


def _panels(recording: Recording, part: _ChannelType) -> list[Callable[[Axes], None]]:
    """Return what draws the histograms for which there are enough dwell times and ions."""
    panels: list[Callable[[Axes], None]] = []
    if min((~one.is_censored).sum() for one in (part.openings, part.shuttings)) >= FEWEST_DWELLS:
        is_steady = _has_steady_rates(recording, part.name)
        panels += [
            partial(_plot_dwells, part.openings, "openings", style.BLUE, is_steady),
            partial(_plot_dwells, part.shuttings, "shuttings", style.GREY, is_steady),
        ]
    interval = IONS_IN_SAMPLE / abs(part.mean_current) if part.mean_current else np.inf
    if interval < 0.5 * part.openings.mean.mean:
        current = single_channel.open_samples(recording, part.first_channel, part.records, interval)
        if len(current) >= FEWEST_SAMPLES:
            panels.append(partial(_plot_open_current, current, part.n_levels, interval))
    return panels


def _plot_dwells(dwells: Dwells, title: str, colour: str, is_steady: bool, ax: Axes) -> None:
    fit = single_channel.fit_dwells(dwells, MOST_COMPONENTS) if is_steady else None
    plot_dwell_times(dwells, fit, ax, colour=colour)
    ax.set_title(f"{len(dwells.durations)} {title}", loc="left", fontsize=9)


def _plot_open_current(current: np.ndarray, n_levels: int, interval: float, ax: Axes) -> None:
    one_ion = PICOAMPERES_PER_CHARGE_PER_NANOSECOND / interval
    plot_amplitudes(current, fit_gaussians(current, n_levels), ax, bin_width=one_ion)
    axis = style.time_axis(interval)
    ax.set_title(f"open, means of {axis.scale(interval):.3g} {axis.unit}", loc="left", fontsize=9)


def figure_of_current_voltage(recording: Recording) -> Figure | None:
    """Return the I-V curve of each ion beside GHK; None unless a clamp held three potentials or more, or a ramp."""
    windows = _voltage_windows(recording)
    if not windows:
        return None
    figure = style.new_figure(6.5, 4.5)
    ax = figure.add_subplot()
    colours = style.ion_colours(recording.species_names)
    charges = {one: currents.crossing_charge(recording, ion=one.name) for one in recording.species}
    crossing = [one for one, charge in charges.items() if charge.variance[-1]]
    for species in crossing:
        curve = currents.measure_current_voltage(recording.time, charges[species].net, windows)
        plot_current_voltage(
            curve,
            ax,
            prediction=currents.predict_current(recording, windows, species.name),
            # Of several ions each has its own: where the sum of all reverses would stand on none of the curves.
            reversal=_reversal(curve) if len(crossing) == 1 else None,
            label=style.ion_label(species.name, species.valence),
            prediction_label="_",
            colour=colours[species.name],
        )
    if not ax.lines:
        return None
    colour = colours[crossing[0].name] if len(crossing) == 1 else style.GREY
    ax.plot([], [], color=colour, linewidth=1.3, label="GHK of the open channels")
    ax.legend(fontsize=8, frameon=False, loc="best")
    style.set_title(figure, recording.title)
    return figure


def _reversal(curve: currents.CurrentVoltage) -> currents.ReversalPotential | None:
    """Return where a current changes its direction; None if it does not, or the parabola does not fit the curve."""
    try:
        reversal = currents.fit_reversal(curve)
    except ValueError:
        return None
    freedom = reversal.degrees_of_freedom
    fits = reversal.chi_square <= freedom + MOST_MISFIT * np.sqrt(2.0 * freedom)
    return reversal if fits else None


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
    """Return the trace with its spikes marked above one of them in detail; None if the free membrane has no spike.

    A membrane has spikes only if gates feel the potential, and they stand out from its thermal noise.
    """
    if all(one.gating is None or one.gating.is_constant for one in recording.scenario.channels):
        return None
    time, potential = recording.time, recording["membrane_potential"]
    is_free = np.isnan(recording["command_potential"])
    if len(time) < FEWEST_RECORDS or not is_free.any():
        return None
    noise = capacitance_noise(
        recording.attributes["capacitance"] * recording.attributes["area"], recording.temperature
    )
    spikes = find_spikes(time, potential, least_amplitude=max(LEAST_AMPLITUDE, NOISE_IN_SPIKE * noise))
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
        f"spike {first + 1} of {len(spikes.peak_time)}, smoothed over "
        f"{axis.scale(spikes.smoothing_time):.3g} {axis.unit}",
        loc="left",
        fontsize=9,
    )
    style.set_title(figure, recording.title)
    return figure


def _gated_types(recording: Recording) -> tuple[list[_ChannelType], list[str]]:
    """Return the types with gates that have opened and shut again a few times, and why others are left out."""
    found: list[_ChannelType] = []
    left_out: list[str] = []
    if len(recording.gating["time"]) == 0:
        return found, left_out
    first = 0
    for channel in recording.channels:
        if len(channel.states) == 1:
            left_out.append(f"{channel.name} (always open)")
        elif len(found) == MOST_CHANNEL_TYPES:
            left_out.append(f"{channel.name} (more than {MOST_CHANNEL_TYPES} types)")
        else:
            part = _channel_type(recording, channel, first)
            if part is None:
                left_out.append(f"{channel.name} (opened and shut too seldom)")
            else:
                found.append(part)
        first += channel.count
    return found, left_out


def _channel_type(recording: Recording, channel: ChannelDescription, first: int) -> _ChannelType | None:
    """Return what is drawn of a type whose first channel is `first`; None if it hardly ever opened and shut again."""
    levels = single_channel.conductance_levels(recording, channel.name)
    records = [
        record.grouped((levels > 0).astype(int))
        for record in single_channel.channel_records(recording, channel.name)
    ]
    openings, shuttings = single_channel.open_and_shut_dwells(records, [False, True])
    if min((~one.is_censored).sum() for one in (openings, shuttings)) < FEWEST_OPENINGS:
        return None
    charge = currents.crossing_charge(recording, channel.name).net
    open_time = sum((np.diff(one.edges) * one.states).sum() for one in records)
    mean_current = float((charge[-1] - charge[0]) / open_time)
    return _ChannelType(channel.name, first, int(levels.max()), records, openings, shuttings, mean_current)


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
    response = IONS_IN_RESPONSE / abs(part.mean_current) if part.mean_current else np.inf
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
        unit_current=part.mean_current * PICOAMPERES_PER_CHARGE_PER_NANOSECOND,
    )


def _voltage_windows(recording: Recording) -> list[currents.Window]:
    """Return the windows of steps of a clamp to three potentials or more, or else those that ramps are cut into."""
    command = recording["command_potential"]
    spans = currents.held_spans(command)
    if len({command[first] for first, _ in spans}) < FEWEST_POTENTIALS:
        return currents.ramp_windows(recording, RAMP_WINDOWS)
    lengths = [recording.time[last] - recording.time[first] for first, last in spans]
    return currents.clamp_windows(recording, SETTLING_SHARE * min(lengths))
