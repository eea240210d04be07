"""What an electrophysiologist draws: single channels, dwell times, amplitudes, I-V curves, mean-variance, spikes."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from scipy.interpolate import PchipInterpolator

from mc.analysis import single_channel
from mc.analysis.currents import CurrentVoltage, ReversalPotential
from mc.analysis.fluctuations import MeanVariance
from mc.analysis.mixtures import ExponentialMixture, GaussianMixture
from mc.analysis.single_channel import CurrentTrace, Dwells, IdealisedRecord
from mc.analysis.spikes import SmoothTrace, Spikes
from mc.figures import style

BINS_PER_DECADE = 8

FEWEST_OF_A_CURVE, POINTS_OF_A_CURVE = 5, 200
"""Predictions that are joined by a smooth curve, and points that it is drawn with."""

SHORTEST_SHOWN = 0.003
"""Share of the dwell times that is too short for the axis."""


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
            label = f"{with_error(constant, error)} {axis.unit}"
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
    current: np.ndarray,
    levels: GaussianMixture | None = None,
    ax: Axes | None = None,
    *,
    bin_width: float | None = None,
) -> Axes:
    """Draw how often a current (samples,) in pA has which amplitude, with the Gaussians that were fitted to it.

    `bin_width` in pA: for a current of counted charges that of one of them, so that each bin holds one number.
    """
    ax = style.own_axes(ax, 4.0, 3.2)
    low, high = np.quantile(current, [0.0005, 0.9995])
    if bin_width is None:
        edges = np.linspace(low, high, 81)
    else:
        edges = bin_width * (np.arange(np.rint(low / bin_width), np.rint(high / bin_width) + 2) - 0.5)
        low, high = edges[0], edges[-1]
    density, _ = np.histogram(current, edges, density=True)
    ax.stairs(density, edges, color=style.SKY_BLUE, fill=True, alpha=0.6)
    if levels is not None:
        value = np.linspace(low, high, 500)
        is_one = len(levels.weights) == 1
        for i, weight in enumerate(levels.weights):
            one = levels._replace(
                means=levels.means[i : i + 1],
                standard_deviations=levels.standard_deviations[i : i + 1],
                weights=np.array([weight]),
            )
            share = "" if is_one else f" ({100 * weight:.0f} %)"
            label = f"{with_error(levels.means[i], levels.mean_errors[i])} pA{share}"
            style_of_level = "-" if is_one else style.LINE_STYLES[1 + i % 3]
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
            *_smoothly_joined(curve.potential[order], np.asarray(prediction)[order]),
            color=line_colour,
            linewidth=1.3,
            zorder=1,
            label=prediction_label,
        )
    if reversal is not None:
        ax.plot(reversal.potential, 0, marker="v", color=colour, markersize=7, markerfacecolor="white")
        ax.annotate(
            f"{with_error(reversal.potential, reversal.standard_error)} mV",
            (reversal.potential, 0),
            xytext=(-3, 8),
            textcoords="offset points",
            ha="right",
            fontsize=8,
            color=colour,
        )
    ax.set_xlabel("membrane potential (mV)")
    ax.set_ylabel("outward current (pA)")
    ax.legend(fontsize=8, frameon=False, loc="best")
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
        f"unit current {with_error(fit.unit_current, fit.unit_current_error)} pA, "
        f"{with_error(fit.n_channels, fit.n_channels_error)} channels",
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
    begin = max(spikes.threshold_time[i_spike] - 1.2 * width, trace.time[0])
    last = [spikes.peak_time[i_spike] + 5 * width, spikes.trough_time[i_spike] + 2 * width]
    end = min(np.nanmax(last), spikes.peak_time[i_spike] + 15 * width, trace.time[-1])
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
            label=f"{'rise' if slope > 0 else 'fall'} {abs(slope) * axis.nanoseconds_per_unit:.3g} mV/{axis.unit}",
        )
    ax.set_xlim(float(since(begin)), float(since(end)))
    ax.set_xlabel(f"time from the peak ({axis.unit})")
    ax.set_ylabel("membrane potential (mV)")
    ax.legend(fontsize=8, frameon=False, loc="upper right")
    style.tidy(ax)
    return ax


def _smoothly_joined(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return points of a curve without wiggles through those given, if these are enough and each x is there once.

    Fritsch & Carlson (1980), SIAM J. Numer. Anal. 17:238.
    """
    if len(x) < FEWEST_OF_A_CURVE or not (np.diff(x) > 0.0).all():
        return x, y
    between = np.linspace(x[0], x[-1], POINTS_OF_A_CURVE)
    return between, PchipInterpolator(x, y)(between)


def _corners(record: IdealisedRecord) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners of a record's line."""
    return np.repeat(record.edges, 2)[1:-1], np.repeat(record.states, 2)


def with_error(value: float, error: float) -> str:
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
