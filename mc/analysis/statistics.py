"""Averages of correlated series with standard errors that respect the correlation."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

_WINDOW_FACTOR = 5.0
"""The autocorrelation is summed up to this many correlation times (Sokal 1997)."""

RELIABLE_SAMPLES = 20
"""With fewer independent samples the standard error itself is uncertain by more than about 20 %."""


class Estimate(NamedTuple):
    """A measured value, its standard error, and how many independent samples stand behind it."""

    mean: float
    standard_error: float
    n_effective: float
    """The number of independent samples that would give the same standard error."""
    correlation_samples: float
    """The integrated autocorrelation time in samples: 1 for an uncorrelated series."""

    @property
    def is_reliable(self) -> bool:
        """Whether there are enough independent samples (20) to trust the standard error."""
        return self.n_effective >= RELIABLE_SAMPLES


def block_average(series: ArrayLike, least_correlation_samples: float = 1.0) -> Estimate:
    """Return the mean of a stationary series, shape (T,), with its standard error.

    The standard error is that of blocks of one integrated autocorrelation time tau: sqrt(variance tau/T), tau
    summed up to the first lag beyond 5 tau. tau is at least `least_correlation_samples`, which is known by other
    means: a series of few correlation times makes it look too short. It is never less than one sample, as
    anticorrelation earns no credit.
    A constant series, or a single sample, counts as one independent sample; the standard error of a single
    sample is not a number. ValueError for an empty series, several axes, or values that are not finite.

    Sokal (1997), Monte Carlo Methods in Statistical Mechanics, section 3; bias of short series corrected by
    Wolff (2004), Comput. Phys. Commun. 156:143.
    """
    values = _checked_series(series)
    n_samples = len(values)
    mean = float(values.mean())
    if n_samples == 1:
        return Estimate(mean, math.nan, 1.0, 1.0)
    autocovariance = _autocovariance(values - mean)
    if autocovariance[0] <= (np.finfo(float).eps * np.abs(values).max()) ** 2:
        return Estimate(mean, 0.0, 1.0, float(n_samples))
    correlation_samples, window = _integrated_autocorrelation_time(autocovariance / autocovariance[0])
    correlation_samples = min(max(correlation_samples, least_correlation_samples, 1.0), float(n_samples))
    bias_correction = 1.0 + (2 * window + 1) / n_samples
    variance_of_mean = autocovariance[0] * correlation_samples / n_samples * bias_correction
    return Estimate(mean, math.sqrt(variance_of_mean), n_samples / correlation_samples, correlation_samples)


def variance_estimate(series: ArrayLike) -> Estimate:
    """Return the variance of a stationary series, shape (T,), as the `mean` of an estimate in squared units.

    The squared deviations are averaged as in `block_average`, with their own autocorrelation time. The bias
    that the common mean brings, 1 - 1/n_effective of the series, is divided out. Not a number if the series
    has but one independent sample. Errors as there.
    """
    values = _checked_series(series)
    mean, _, n_effective, _ = block_average(values)
    squares = block_average((values - mean) ** 2)
    if n_effective <= 1.0:
        return squares._replace(mean=math.nan, standard_error=math.nan)
    bias = 1.0 - 1.0 / n_effective
    return squares._replace(mean=squares.mean / bias, standard_error=squares.standard_error / bias)


def standard_score(measured: ArrayLike, expected: ArrayLike, standard_error: ArrayLike) -> Any:
    """Return by how many standard errors `measured` lies above `expected`; floats and arrays broadcast.

    Without error an equal value scores zero and any other one infinity.
    """
    difference = np.subtract(measured, expected, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(difference == 0.0, 0.0, np.divide(difference, standard_error))[()]


def least_squares(design: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the coefficients (k,) that fit `values` (points,) best, each of unit error, and their covariance (k, k).

    `design` (points, k) holds what each coefficient adds to each value.
    """
    covariance = np.linalg.inv(design.T @ design)
    return np.linalg.lstsq(design, values, rcond=None)[0], covariance


def _checked_series(series: ArrayLike) -> np.ndarray:
    """Return the series as an array; ValueError unless it is flat, not empty and finite."""
    values = np.asarray(series, dtype=float)
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(f"a series has one axis and at least one sample, found the shape {values.shape}")
    if not np.all(np.isfinite(values)):
        first = int(np.flatnonzero(~np.isfinite(values))[0])
        raise ValueError(f"a series must be finite, found {values[first]} at sample {first}")
    return values


def _autocovariance(deviations: np.ndarray) -> np.ndarray:
    """Return the autocovariance at lags 0 to T - 1, each a sum over the pairs divided by T."""
    n_samples = len(deviations)
    # Padded to twice the length, so that the end of the series does not correlate with its start.
    n_padded = 2 ** (2 * n_samples - 1).bit_length()
    spectrum = np.fft.rfft(deviations, n_padded)
    return np.fft.irfft(np.abs(spectrum) ** 2, n_padded)[:n_samples] / n_samples


def _integrated_autocorrelation_time(autocorrelation: np.ndarray) -> tuple[float, int]:
    """Return 1 + 2 sum of the autocorrelation up to the window, and the window's last lag."""
    times = 2.0 * np.cumsum(autocorrelation) - 1.0
    is_wide_enough = np.arange(len(times)) >= _WINDOW_FACTOR * times
    window = int(np.argmax(is_wide_enough)) if np.any(is_wide_enough) else len(times) - 1
    return float(times[window]), window
