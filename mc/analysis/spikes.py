"""Action potentials in a trace: threshold, peak, width, steepest rise and fall, afterhyperpolarisation, intervals."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.signal import find_peaks, peak_widths, savgol_filter

LEAST_AMPLITUDE = 40.0
"""mV that a spike stands out from the lowest points between it and its higher neighbours."""
LEAST_PEAK = -20.0
"""mV."""
THRESHOLD_FRACTION = 0.05
"""Of the steepest rise of a spike: its threshold is where it begins to rise faster."""
LEAST_SMOOTHING_PER_WIDTH, MOST_SMOOTHING_PER_WIDTH = 0.05, 0.5
"""Of the length of the smoothing over the width of the spikes. The least is for noise that is not white, as that of
channels; the most takes 0.2 % off the peak of a Gaussian spike."""

_SMOOTHING_DEGREE = 3


class Spikes(NamedTuple):
    """The spikes of one trace, each (spikes,); not a number where the trace ends too early to tell."""

    threshold_time: np.ndarray
    """ns."""
    threshold_potential: np.ndarray
    """mV."""
    peak_time: np.ndarray
    """ns."""
    peak_potential: np.ndarray
    """mV."""
    half_rise_time: np.ndarray
    """ns, half-way up from threshold to peak."""
    half_fall_time: np.ndarray
    """ns, half-way down again."""
    maximal_rise: np.ndarray
    """mV/ns."""
    maximal_rise_time: np.ndarray
    """ns."""
    maximal_fall: np.ndarray
    """mV/ns, below zero."""
    maximal_fall_time: np.ndarray
    """ns."""
    trough_time: np.ndarray
    """ns, of the lowest potential between the peak and the next spike."""
    trough_potential: np.ndarray
    """mV."""
    smoothing_time: float
    """ns, length of the smoothing that all of this was measured with."""

    @property
    def amplitude(self) -> np.ndarray:
        """(spikes,) mV from threshold to peak."""
        return self.peak_potential - self.threshold_potential

    @property
    def half_width(self) -> np.ndarray:
        """(spikes,) ns, at half the amplitude."""
        return self.half_fall_time - self.half_rise_time

    @property
    def half_potential(self) -> np.ndarray:
        """(spikes,) mV, half-way between threshold and peak."""
        return (self.peak_potential + self.threshold_potential) / 2.0

    @property
    def afterhyperpolarisation(self) -> np.ndarray:
        """(spikes,) mV from threshold down to the trough."""
        return self.threshold_potential - self.trough_potential

    @property
    def intervals(self) -> np.ndarray:
        """(spikes - 1,) ns from peak to peak."""
        return np.diff(self.peak_time)


class SmoothTrace(NamedTuple):
    """A potential and its slope."""

    time: np.ndarray
    """(samples,) ns."""
    potential: np.ndarray
    """(samples,) mV."""
    slope: np.ndarray
    """(samples,) mV/ns."""
    smoothing_time: float
    """ns."""


def find_spikes(
    time: ArrayLike,
    potential: ArrayLike,
    *,
    smoothing_time: float | None = None,
    least_amplitude: float = LEAST_AMPLITUDE,
    least_peak: float = LEAST_PEAK,
    threshold_slope: float | None = None,
) -> Spikes:
    """Return the spikes of a potential (samples,) in mV at evenly spaced times (samples,) in ns.

    Everything is measured on the `smooth` trace, smoothed over `smoothing_time` in ns: zero leaves it as it is,
    without it as much is taken as its noise asks for. A spike is a maximum of at least `least_peak` that stands out
    by `least_amplitude`. Its threshold is the last moment before its steepest rise at which the slope was below
    `threshold_slope` in mV/ns, by default 5 % of that rise: a fixed slope, as 20 mV/ms in life, would not suit rates
    that are accelerated. A spike whose threshold is not in the trace is left out. The trough of a noisy trace lies
    deeper than that of the mean, by about twice what is left of the noise.
    """
    smoothed = smooth(time, potential, smoothing_time, least_amplitude, least_peak)
    peaks, prominences = _peaks(smoothed.potential, least_amplitude, least_peak)
    starts = []
    for (before, peak), prominence in zip(pairwise([0, *peaks]), prominences, strict=True):
        # Not anything steeper that came earlier, such as the charging of the membrane.
        low = np.flatnonzero(smoothed.potential[before:peak] < smoothed.potential[peak] - 0.9 * prominence)
        foot = before + int(low[-1]) if len(low) else before
        steepest = foot + int(np.argmax(smoothed.slope[foot : peak + 1]))
        criterion = (
            THRESHOLD_FRACTION * smoothed.slope[steepest] if threshold_slope is None else threshold_slope
        )
        slow = np.flatnonzero(smoothed.slope[before : steepest + 1] < criterion)
        if len(slow):
            i = before + int(slow[-1])
            starts.append((peak, steepest, i + _share(smoothed.slope, i, criterion)))
    following = [*(threshold for _, _, threshold in starts), np.inf][1:]
    measured = [
        _measure(smoothed, peak, steepest, threshold, next_threshold)
        for (peak, steepest, threshold), next_threshold in zip(starts, following, strict=False)
    ]
    columns = np.array(measured).reshape(-1, len(Spikes._fields) - 1).T
    return Spikes._make([*columns, smoothed.smoothing_time])


def smooth(
    time: ArrayLike,
    potential: ArrayLike,
    smoothing_time: float | None = None,
    least_amplitude: float = LEAST_AMPLITUDE,
    least_peak: float = LEAST_PEAK,
) -> SmoothTrace:
    """Return the trace, and its slope, as local cubics through `smoothing_time` ns about each sample.

    Savitzky & Golay (1964), Anal. Chem. 36:1627. Without `smoothing_time` it is as long as it takes for the noise of
    the slope to fall below the slope at threshold, between a twentieth and half of the width of the spikes; none if
    the raw trace has no maximum of at least `least_peak` and `least_amplitude`. A last sample that comes early, as at
    the end of a run, is left out. ValueError for times that are uneven otherwise, or a smoothing longer than the
    trace.
    """
    time, potential = np.asarray(time, dtype=float), np.asarray(potential, dtype=float)
    interval = time[1] - time[0]
    if time[-1] - time[-2] < interval * (1 - 1e-6):
        time, potential = time[:-1], potential[:-1]
    if not np.allclose(np.diff(time), interval, rtol=1e-6):
        raise ValueError("spikes are measured in evenly spaced samples")
    if smoothing_time is None:
        smoothing_time = interval * _samples_to_smooth(potential, least_amplitude, least_peak)
    n_samples = 2 * int(smoothing_time / interval / 2.0 + 1e-9) + 1
    if n_samples > len(time):
        raise ValueError(f"a smoothing over {smoothing_time:g} ns is longer than the trace")
    if n_samples <= _SMOOTHING_DEGREE:
        return SmoothTrace(time, potential, np.gradient(potential, interval), 0.0)
    smoothed, slope = (
        savgol_filter(potential, n_samples, _SMOOTHING_DEGREE, deriv=derivative, delta=interval)
        for derivative in (0, 1)
    )
    return SmoothTrace(time, smoothed, slope, float(n_samples * interval))


def latencies(spikes: Spikes, onsets: ArrayLike) -> np.ndarray:
    """Return the time in ns from each onset, (onsets,) in ns and in order, to the threshold of the first spike after.

    Not a number where the next onset comes first, or none follows.
    """
    onsets = np.asarray(onsets, dtype=float)
    first = np.searchsorted(spikes.threshold_time, onsets)
    spike_time = np.append(spikes.threshold_time, np.inf)[first]
    is_answer = spike_time < np.append(onsets[1:], np.inf)
    return np.where(is_answer, spike_time - onsets, np.nan)


def _peaks(potential: np.ndarray, least_amplitude: float, least_peak: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the samples of the maxima and by how much in mV each stands out."""
    peaks, properties = find_peaks(potential, height=least_peak, prominence=least_amplitude)
    return peaks, properties["prominences"]


def _samples_to_smooth(potential: np.ndarray, least_amplitude: float, least_peak: float) -> float:
    """Return over how many samples a raw trace is to be smoothed.

    The slope of a local cubic through n samples with white noise s has the error s sqrt(75/n^3) per sample. It is to
    be below a share `THRESHOLD_FRACTION` of the slope of a spike, about its prominence over its width.
    """
    peaks, prominences = _peaks(potential, least_amplitude, least_peak)
    if len(peaks) == 0:
        return 0.0
    width = float(np.median(peak_widths(potential, peaks, rel_height=0.5)[0]))
    slope = THRESHOLD_FRACTION * float(np.median(prominences)) / width
    # Second differences of white noise have six times its variance; the median does not see the spikes.
    noise = 1.4826 / np.sqrt(6.0) * float(np.median(np.abs(np.diff(potential, 2))))
    needed = (75.0 * (noise / slope) ** 2) ** (1 / 3)
    return float(np.clip(needed, LEAST_SMOOTHING_PER_WIDTH * width, MOST_SMOOTHING_PER_WIDTH * width))


def _measure(
    trace: SmoothTrace, peak: int, steepest: int, threshold: float, following: float
) -> tuple[float, ...]:
    """Return the first fields of `Spikes` for one spike.

    `peak` and `steepest` are samples; `threshold`, and `following`, the threshold of the next spike, lie between
    samples.
    """
    samples = np.arange(len(trace.time))

    def at(place: float, values: np.ndarray) -> float:
        return float(np.interp(place, samples, values)) if np.isfinite(place) else np.nan

    threshold_potential = at(threshold, trace.potential)
    summit = peak + _vertex(trace.potential[peak - 1 : peak + 2])
    left, top, right = trace.potential[peak - 1 : peak + 2]
    peak_potential = float(top + 0.25 * (right - left) * (summit - peak))
    half = (threshold_potential + peak_potential) / 2.0

    last = int(min(following, len(samples) - 1))
    trough = peak + int(np.argmin(trace.potential[peak : last + 1]))
    half_rise = _crossing(trace.potential, int(threshold), peak, half)
    half_fall = _crossing(trace.potential, peak, trough, half)
    # At the very end of the trace the potential may fall on.
    has_trough = trough < len(samples) - 1
    fall = peak + int(np.argmin(trace.slope[peak : last + 1]))
    return (
        at(threshold, trace.time),
        threshold_potential,
        at(summit, trace.time),
        peak_potential,
        at(half_rise, trace.time),
        at(half_fall, trace.time),
        float(trace.slope[steepest]),
        float(trace.time[steepest]),
        float(trace.slope[fall]),
        float(trace.time[fall]),
        float(trace.time[trough]) if has_trough else np.nan,
        float(trace.potential[trough]) if has_trough else np.nan,
    )


def _crossing(potential: np.ndarray, first: int, last: int, level: float) -> float:
    """Return where between two samples the potential crosses a level, not a number if it does not.

    Where noise makes it cross several times, half-way between the first and the last of them: either alone would lie
    too near to an end.
    """
    is_above = potential[first : last + 1] >= level
    crossings = first + np.flatnonzero(is_above[1:] != is_above[:-1])
    if len(crossings) == 0:
        return np.nan
    ends = [i + _share(potential, int(i), level) for i in crossings[[0, -1]]]
    return float(np.mean(ends))


def _share(values: np.ndarray, i: int, level: float) -> float:
    """Return how far between the samples i and i + 1 `values` reach `level`; 0 if there is nothing between."""
    step = values[min(i + 1, len(values) - 1)] - values[i]
    return float(np.clip((level - values[i]) / step, 0.0, 1.0)) if step else 0.0


def _vertex(three: np.ndarray) -> float:
    """Return where the parabola through three samples has its top, from -1/2 to 1/2 about the middle one."""
    left, middle, right = three
    curvature = left - 2.0 * middle + right
    return float(np.clip(0.5 * (left - right) / curvature, -0.5, 0.5)) if curvature else 0.0
