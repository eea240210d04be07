"""What the fluctuations of a current tell: the current of one channel, and how many there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mc.analysis.currents import CountedCharge, held_spans
from mc.analysis.statistics import block_average, least_squares, variance_estimate
from mc.constants import PICOAMPERES_PER_CHARGE_PER_NANOSECOND

MOST_JACKKNIFE_GROUPS = 50
"""Sweeps are left out one by one, or in so many groups."""


class Sweeps(NamedTuple):
    """Currents after repetitions of the same event, in pA."""

    time: np.ndarray
    """(samples,) ns since the event."""
    current: np.ndarray
    """(sweeps, samples)."""
    counting_variance: np.ndarray
    """(samples,) pA2, what counting single charges adds to the variance between sweeps."""


class MeanVariance(NamedTuple):
    """The current of one channel and the number of channels, from the parabola of variance against mean."""

    mean: np.ndarray
    """(points,) pA."""
    variance: np.ndarray
    """(points,) pA2, of the gating alone."""
    variance_error: np.ndarray
    """(points,) pA2."""
    unit_current: float
    """pA."""
    unit_current_error: float
    n_channels: float
    n_channels_error: float

    def parabola(self, mean: ArrayLike) -> np.ndarray:
        """Return the variance i m - m^2/N in pA2 at mean currents m in pA, any shape."""
        mean = np.asarray(mean, dtype=float)
        return self.unit_current * mean - mean**2 / self.n_channels

    @property
    def open_probability(self) -> np.ndarray:
        """(points,)."""
        return self.mean / (self.unit_current * self.n_channels)


def repeated_steps(time: ArrayLike, command: ArrayLike) -> tuple[np.ndarray, float]:
    """Return when the step of a clamp that is repeated most often begins, (sweeps,) in ns, and how long it lasts, ns.

    time in ns and command in mV are (records,). Steps are the same where they lead from the same potential to the
    same, and last as long. A step begins at the last record of the potential before.
    """
    time, command = np.asarray(time, dtype=float), np.asarray(command, dtype=float)
    spans = held_spans(command)
    starts: dict[tuple[float, float, int], list[int]] = {}
    for (_, before), (first, last) in pairwise(spans):
        if first == before + 1:
            starts.setdefault((command[before], command[first], last - before), []).append(before)
    if not starts:
        return np.empty(0), 0.0
    # Of equally frequent ones the longest.
    (_, _, length), chosen = max(starts.items(), key=lambda item: (len(item[1]), item[0][2]))
    return time[chosen], float(time[chosen[0] + length] - time[chosen[0]])


def cut_sweeps(
    time: ArrayLike, charge: CountedCharge, starts: ArrayLike, duration: float, records_per_bin: int = 1
) -> Sweeps:
    """Return the currents of `duration` ns after each of `starts` (sweeps,) in ns, all in the same bins.

    time in ns, evenly spaced, and the counted charge are (records,). A bin averages the current: bins that are not
    much shorter than the channels' relaxation hide a part of its variance.
    """
    time = np.asarray(time, dtype=float)
    interval = time[1] - time[0]
    n_samples = int(duration / interval / records_per_bin + 1e-9)
    first = np.round((np.asarray(starts, dtype=float) - time[0]) / interval).astype(int)
    if n_samples < 1 or first.min() < 0 or first.max() + n_samples * records_per_bin >= len(time):
        raise ValueError(f"sweeps of {duration:g} ns do not fit into the record")
    edges = first[:, None] + records_per_bin * np.arange(n_samples + 1)
    length = interval * records_per_bin
    scale = PICOAMPERES_PER_CHARGE_PER_NANOSECOND / length
    return Sweeps(
        time=length * (np.arange(n_samples) + 0.5),
        current=np.diff(charge.net[edges], axis=1) * scale,
        counting_variance=np.diff(charge.variance[edges], axis=1).mean(axis=0) * scale**2,
    )


def fit_nonstationary_variance(sweeps: ArrayLike, added_variance: ArrayLike = 0.0) -> MeanVariance:
    """Return unit current and number of channels from `sweeps` (sweeps, samples) in pA after the same event.

    The variance at each time is that between successive sweeps, so that a slow change does not count (Heinemann &
    Conti 1992, Methods Enzymol. 207:131). `added_variance` in pA2, a number or (samples,), is that of anything but
    the gating, such as the counting of charges or the variance with all channels shut. The parabola
    i m - m^2/N (Sigworth 1980, J. Physiol. 307:97) is fitted with the weights that the parabola itself implies. As
    the samples of one sweep belong together, the errors come from leaving out sweeps, one or a few at a time.
    """
    sweeps = np.asarray(sweeps, dtype=float)
    added = np.broadcast_to(np.asarray(added_variance, dtype=float), sweeps.shape[1:])
    if len(sweeps) < 4:
        raise ValueError(f"a variance between sweeps needs four at least, found {len(sweeps)}")

    def fit(kept: np.ndarray) -> np.ndarray:
        mean, variance = _mean_and_successive_variance(kept)
        # The square of a mean is too large by the variance of the mean.
        squared_mean = mean**2 - variance / len(kept)
        return _fit_parabola(mean, squared_mean, variance - added, lambda gating: gating + added)

    slope, curvature = fit(sweeps)
    groups = np.array_split(np.arange(len(sweeps)), min(len(sweeps), MOST_JACKKNIFE_GROUPS))
    left_out = np.array([fit(np.delete(sweeps, group, axis=0)) for group in groups])
    covariance = np.cov(left_out.T, bias=True) * (len(groups) - 1)
    mean, variance = _mean_and_successive_variance(sweeps)
    # Of n - 1 overlapping differences of Gaussian samples.
    error = variance * np.sqrt(3 * len(sweeps) - 4.0) / (len(sweeps) - 1)
    return _mean_variance(mean, variance - added, error, slope, curvature, covariance)


def fit_stationary_variance(segments: Sequence[ArrayLike], added_variance: ArrayLike = 0.0) -> MeanVariance:
    """Return unit current and number of channels from stationary currents at several open probabilities, in pA.

    segments: of (samples,) each. `added_variance` in pA2, a number or (segments,), as in
    `fit_nonstationary_variance`. The errors of mean and variance are those of correlated series. ValueError for
    fewer than two segments: one does not tell a number of channels.
    """
    if len(segments) < 2:
        raise ValueError("a parabola needs stationary currents at two open probabilities or more")
    samples = [np.asarray(segment, dtype=float) for segment in segments]
    means, variances = [block_average(one) for one in samples], [variance_estimate(one) for one in samples]
    mean, mean_error = np.array([(one.mean, one.standard_error) for one in means]).T
    variance, variance_error = np.array([(one.mean, one.standard_error) for one in variances]).T
    gating = variance - np.broadcast_to(np.asarray(added_variance, dtype=float), mean.shape)
    squared_mean = mean**2 - mean_error**2

    error = variance_error
    for _ in range(20):
        design = np.column_stack([mean, -squared_mean]) / error[:, None]
        (slope, curvature), covariance = least_squares(design, gating / error)
        # A point lies off the parabola by an error of its variance and one of its mean, which are not independent.
        tangents = slope - 2.0 * curvature * mean
        deviations = [one - one.mean() for one in samples]
        error = np.array(
            [
                block_average(deviation**2 - tangent * deviation).standard_error
                for deviation, tangent in zip(deviations, tangents, strict=True)
            ]
        )
    return _mean_variance(mean, gating, variance_error, slope, curvature, covariance)


def _mean_and_successive_variance(sweeps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return sweeps.mean(axis=0), 0.5 * (np.diff(sweeps, axis=0) ** 2).mean(axis=0)


def _fit_parabola(
    mean: np.ndarray,
    squared_mean: np.ndarray,
    variance: np.ndarray,
    total: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Return slope and curvature of slope m - curvature m^2, weighted by the inverse of the points' `total` variance.

    That is what the parabola of the fit before says, not what was measured: points that came out small by chance
    must not count more, and those where nearly no channel is open must not count alone.
    """
    design = np.column_stack([mean, -squared_mean])
    error = np.full(len(mean), np.sqrt(np.mean(variance**2)))
    for _ in range(10):
        coefficients, _ = least_squares(design / error[:, None], variance / error)
        predicted = total(design @ coefficients)
        error = np.maximum(predicted, 0.02 * np.abs(predicted).max())
    return coefficients


def _mean_variance(
    mean: np.ndarray,
    variance: np.ndarray,
    variance_error: np.ndarray,
    slope: float,
    curvature: float,
    covariance: np.ndarray,
) -> MeanVariance:
    """Return what a slope and a curvature say: the unit current and one over the number of channels."""
    return MeanVariance(
        mean=mean,
        variance=variance,
        variance_error=variance_error,
        unit_current=float(slope),
        unit_current_error=float(np.sqrt(covariance[0, 0])),
        n_channels=float(1.0 / curvature),
        n_channels_error=float(np.sqrt(covariance[1, 1]) / curvature**2),
    )
