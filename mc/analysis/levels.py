"""One scenario at several levels of description: what runs of several engines say of the same quantities.

An engine's mean is that of its replicas. Its standard error is that between them where there are three or more, else
that of the correlated series of each; the continuum has none. Differences are judged by Student's t with the degrees
of freedom of Welch (1947, Biometrika 34:28), because errors from a few replicas are themselves uncertain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from mc.analysis.distribution import first_and_last_profile
from mc.analysis.flux import crossings_by_species, pump_current, pump_cycles
from mc.analysis.potential import bulk_concentrations, charging_time, ghk_series
from mc.analysis.statistics import block_average, standard_score
from mc.recording.recording import Recording

FEWEST_REPLICAS = 3
"""Of which the scatter gives the standard error."""

END_SHARE = 0.25
"""Of a run, at its end, that is averaged."""

LARGEST_AGREEMENT = 3.0
"""Standard errors up to which two engines agree."""

CHANCE = math.erfc(LARGEST_AGREEMENT / math.sqrt(2.0))
"""Of a difference beyond them where there is none: 0.27 %."""

TRACE = 1e-12
"""mM, mV, ions: no engine means so little."""

FEW_EVENTS = 10.0
"""Events below which their own scatter says too little of their error."""


class Level(NamedTuple):
    """The runs of one engine."""

    engine: str
    recordings: tuple[Recording, ...]

    @property
    def has_noise(self) -> bool:
        """See `Recording.has_noise`."""
        return self.recordings[0].has_noise


class Quantity(NamedTuple):
    """What is compared: a state at each record, or a number of events so far."""

    name: str
    unit: str
    is_count: bool


class Estimate(NamedTuple):
    """What an engine says at the end."""

    mean: float
    standard_error: float
    degrees_of_freedom: float
    """Infinite where the error is known or there is none."""


class Trace(NamedTuple):
    """What an engine says over time, at the times of `Comparison.time`."""

    mean: np.ndarray
    standard_error: np.ndarray
    """Between replicas; not a number with fewer than three."""


class Difference(NamedTuple):
    """Of two engines, the first minus the second."""

    quantity: Quantity
    first: str
    second: str
    difference: float
    standard_error: float
    score: float
    """The difference in standard errors."""
    probability: float
    """Of a difference as large or larger by chance alone."""
    largest_difference: float
    """Over time."""
    time_of_largest: float
    """ns."""
    share_beyond: float
    """Of all moments, those with a difference beyond three standard errors; not a number without errors over time."""
    share_expected: float
    """The same if there were no difference, by Student's t."""

    @property
    def is_real(self) -> bool:
        """Whether it is more than chance makes."""
        return self.probability < CHANCE

    @property
    def normal_deviations(self) -> float:
        """The difference as standard deviations of a normal law that chance exceeds as often.

        A few replicas know their own error badly: five of their standard errors may be no more than two of these.
        """
        from scipy.stats import norm

        if math.isnan(self.score):
            return math.nan
        return math.copysign(float(norm.isf(self.probability / 2.0)), self.score)


class ProfileDifference(NamedTuple):
    """Of two engines at the end, root mean squares over the baths."""

    first: str
    second: str
    potential: float
    """mV."""
    concentrations: dict[str, float]
    """mM, by species."""


class Comparison(NamedTuple):
    """Several engines side by side."""

    levels: tuple[Level, ...]
    time: np.ndarray
    """(times,) ns."""
    end_from: float
    """ns, where the averages of the end begin."""
    quantities: tuple[Quantity, ...]
    traces: dict[str, dict[str, Trace]]
    """By quantity and engine."""
    estimates: dict[str, dict[str, Estimate]]
    """By quantity and engine."""
    ghk_potential: dict[str, float]
    """mV at the end, with the current of pumps, by engine; not a number where nothing is open."""
    differences: tuple[Difference, ...]
    profiles: tuple[ProfileDifference, ...]
    wall_seconds: dict[str, float]
    """Of one run, by engine."""


def compare_levels(levels: Sequence[Level]) -> Comparison:
    """Return what the engines say and how far they agree; every level has one run at least."""
    every = [recording for level in levels for recording in level.recordings]
    coarsest = min(every, key=lambda one: len(one.time))
    last = min(float(one.time[-1]) for one in every)
    time = coarsest.time[coarsest.time <= last * (1.0 + 1e-12)]
    end_from = last - END_SHARE * (last - float(time[0]))
    names = list(dict.fromkeys(quantity for one in every for quantity in _series(one)))
    traces: dict[str, dict[str, Trace]] = {}
    estimates: dict[str, dict[str, Estimate]] = {}
    for quantity in names:
        traces[quantity.name] = {level.engine: _trace(level, quantity, time) for level in levels}
        estimates[quantity.name] = {level.engine: _estimate(level, quantity, end_from) for level in levels}
    pairs = list(combinations(levels, 2))
    return Comparison(
        levels=tuple(levels),
        time=time,
        end_from=end_from,
        quantities=tuple(names),
        traces=traces,
        estimates=estimates,
        ghk_potential={level.engine: _ghk_potential(level, end_from) for level in levels},
        differences=tuple(
            _difference(quantity, one, other, traces[quantity.name], estimates[quantity.name], time)
            for quantity in names
            for one, other in pairs
        ),
        profiles=tuple(_profile_difference(one, other) for one, other in pairs),
        wall_seconds={
            level.engine: float(np.mean([one.wall_seconds for one in level.recordings])) for level in levels
        },
    )


def _series(recording: Recording) -> dict[Quantity, np.ndarray]:
    """Return everything that is compared of a run, (records,) each."""
    found = {
        Quantity("membrane_potential", "mV", False): recording["membrane_potential"],
        Quantity("charge_separation_potential", "mV", False): recording["charge_separation_potential"],
    }
    for side, concentrations in zip(("inside", "outside"), bulk_concentrations(recording), strict=True):
        for name, series in zip(recording.species_names, concentrations, strict=True):
            found[Quantity(f"concentration_{side}.{name}", "mM", False)] = series
    for channel in recording.channels:
        fraction = recording[f"open_channels.{channel.name}"] / channel.count
        found[Quantity(f"open_fraction.{channel.name}", "1", False)] = fraction
    passing = {name for channel in recording.channels for name in channel.permeability}
    for name, crossings in crossings_by_species(recording).items():
        if name in passing:
            found[Quantity(f"crossings_outward.{name}", "1", True)] = crossings.outward
            found[Quantity(f"crossings_inward.{name}", "1", True)] = crossings.inward
    for name, cycles in pump_cycles(recording).items():
        found[Quantity(f"pump_cycles.{name}", "1", True)] = cycles
    return found


def _trace(level: Level, quantity: Quantity, time: np.ndarray) -> Trace:
    series = np.array(
        [np.interp(time, one.time, _series(one)[quantity]) for one in level.recordings], dtype=float
    )
    n = len(series)
    if not level.has_noise:
        return Trace(series.mean(axis=0), np.zeros(len(time)))
    if n < FEWEST_REPLICAS:
        return Trace(series.mean(axis=0), np.full(len(time), math.nan))
    return Trace(series.mean(axis=0), series.std(axis=0, ddof=1) / math.sqrt(n))


def _estimate(level: Level, quantity: Quantity, end_from: float) -> Estimate:
    """Return the mean of the end of the runs, or of events their number at the end."""
    n = len(level.recordings)
    if quantity.is_count:
        values = np.array([float(_series(one)[quantity][-1]) for one in level.recordings])
        own_errors, samples = np.sqrt(np.abs(values)), np.full(n, math.inf)
    else:
        averages = []
        for one in level.recordings:
            at_end = np.flatnonzero(one.time >= end_from)
            interval = float(np.diff(one.time[at_end]).mean()) if at_end.size > 1 else math.inf
            correlation = 2.0 * charging_time(one, slice(int(at_end[0]), None)) / interval
            least = correlation if math.isfinite(correlation) else 1.0
            averages.append(block_average(_series(one)[quantity][at_end], max(least, 1.0)))
        values = np.array([one.mean for one in averages])
        own_errors = np.array([one.standard_error for one in averages])
        samples = np.array([one.n_effective for one in averages])
    mean = float(values.mean())
    if not level.has_noise:
        return Estimate(mean, 0.0, math.inf)
    if n >= FEWEST_REPLICAS:
        error = float(values.std(ddof=1) / math.sqrt(n))
        if quantity.is_count and np.abs(values).sum() < FEW_EVENTS:
            error = max(error, math.sqrt(float(np.abs(values).sum()) + 1.0) / n)
        return Estimate(mean, error, n - 1.0)
    error = float(np.sqrt((own_errors**2).sum()) / n)
    if quantity.is_count:
        error = max(error, 1.0 / n)
    return Estimate(mean, error, max(float(samples.sum()) - n, 1.0))


def _ghk_potential(level: Level, end_from: float) -> float:
    """Return the mean GHK potential of the end, with the current of pumps, mV."""
    potentials = []
    for one in level.recordings:
        at_end = slice(int(np.searchsorted(one.time, end_from)), None)
        series = ghk_series(one, pump_current(one, at_end))[at_end]
        potentials.append(
            float(series[np.isfinite(series)].mean()) if np.isfinite(series).any() else math.nan
        )
    return float(np.mean(potentials))


def student_chance(score: float, degrees_of_freedom: float) -> float:
    """Return the probability of a score as far from zero, or farther, by Student's (1908) t."""
    if math.isinf(score):
        return 0.0
    if not math.isfinite(degrees_of_freedom):
        return math.erfc(abs(score) / math.sqrt(2.0))
    from scipy.special import stdtr

    return float(2.0 * stdtr(degrees_of_freedom, -abs(score)))


def welch_degrees_of_freedom(one: Estimate, other: Estimate) -> float:
    """Return the degrees of freedom of a difference: (v + w)^2/(v^2/n + w^2/m) for variances v and w of n and m."""
    variances = one.standard_error**2, other.standard_error**2
    spread = sum(
        variance**2 / estimate.degrees_of_freedom
        for variance, estimate in zip(variances, (one, other), strict=True)
    )
    return sum(variances) ** 2 / spread if spread > 0.0 else math.inf


def _difference(
    quantity: Quantity,
    one: Level,
    other: Level,
    traces: dict[str, Trace],
    estimates: dict[str, Estimate],
    time: np.ndarray,
) -> Difference:
    first, second = estimates[one.engine], estimates[other.engine]
    difference = first.mean - second.mean
    # What rounding alone makes of the same number is no difference, nor what it leaves of none.
    if abs(difference) < max(1e-6 * max(abs(first.mean), abs(second.mean)), TRACE):
        difference = 0.0
    error = math.hypot(first.standard_error, second.standard_error)
    score = float(standard_score(difference, 0.0, error))
    over_time = traces[one.engine].mean - traces[other.engine].mean
    errors = np.hypot(traces[one.engine].standard_error, traces[other.engine].standard_error)
    largest = int(np.argmax(np.abs(over_time)))
    beyond = expected = math.nan
    freedom = welch_degrees_of_freedom(first, second)
    known = errors > 0.0
    if np.isfinite(errors).all() and known.any():
        beyond = float(np.mean(np.abs(over_time[known]) > LARGEST_AGREEMENT * errors[known]))
        expected = student_chance(LARGEST_AGREEMENT, freedom)
    return Difference(
        quantity=quantity,
        first=one.engine,
        second=other.engine,
        difference=difference,
        standard_error=error,
        score=score,
        probability=student_chance(score, freedom),
        largest_difference=float(over_time[largest]),
        time_of_largest=float(time[largest]),
        share_beyond=beyond,
        share_expected=expected,
    )


def mean_profile(level: Level) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return cells (nm), concentrations (species, cells; mM), nodes (nm) and potentials (mV) at the end."""
    profiles = [first_and_last_profile(one, END_SHARE)[1] for one in level.recordings]
    where = level.recordings[0].profiles
    return (
        where.position,
        np.mean([one.concentration for one in profiles], axis=0),
        where.node_position,
        np.mean([one.potential for one in profiles], axis=0),
    )


def _profile_difference(one: Level, other: Level) -> ProfileDifference:
    """Compare where the coarser of both knows its profile, side by side: none is taken across the membrane."""
    cells, concentrations, nodes, potential = mean_profile(one)
    cells_there, concentrations_there, nodes_there, potential_there = mean_profile(other)
    species = one.recordings[0].species_names

    def root_mean_square(x: np.ndarray, y: np.ndarray, x_there: np.ndarray, y_there: np.ndarray) -> float:
        squares: list[float] = []
        for is_outside in (False, True):
            here, there = (x > 0.0) == is_outside, (x_there > 0.0) == is_outside
            at = x[here] if here.sum() <= there.sum() else x_there[there]
            difference = np.interp(at, x[here], y[here]) - np.interp(at, x_there[there], y_there[there])
            squares.extend(difference**2)
        return math.sqrt(float(np.mean(squares)))

    return ProfileDifference(
        one.engine,
        other.engine,
        root_mean_square(nodes, potential, nodes_there, potential_there),
        {
            name: root_mean_square(cells, concentrations[i], cells_there, concentrations_there[i])
            for i, name in enumerate(species)
        },
    )
