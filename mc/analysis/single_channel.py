"""One channel at a time: its states, open probability and dwell times, and what a noisy current tells of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter1d

from mc.analysis.mixtures import ExponentialMixture, GaussianMixture, fit_exponentials, fit_gaussians
from mc.analysis.statistics import Estimate, block_average
from mc.constants import PICOAMPERES_PER_CHARGE_PER_NANOSECOND
from mc.errors import RecordingError
from mc.recording.recording import Recording

MOST_OPEN_PROBABILITY_BINS = 4096
"""The record of the open fraction is averaged in that many bins: enough to see its correlation, however long."""

GAUSSIAN_CUTOFF = float(np.sqrt(np.log(2.0)) / (2.0 * np.pi))
"""Width of a Gaussian filter's response in time times the frequency at which it passes half the power: 0.1325.

Colquhoun & Sigworth (1995), Single-Channel Recording ch. 19."""


class IdealisedRecord(NamedTuple):
    """The states of one channel, one visit after the other."""

    edges: np.ndarray
    """(visits + 1,) ns: start of the record, the transitions, end of the record."""
    states: np.ndarray
    """(visits,) the state of each visit."""

    def at(self, time: ArrayLike) -> np.ndarray:
        """Return the state at each `time` in ns, any shape; at a transition the state that it leads to."""
        visit = np.searchsorted(self.edges[1:-1], np.asarray(time, dtype=float), side="right")
        return self.states[visit]

    def grouped(self, group_of_state: ArrayLike) -> IdealisedRecord:
        """Return the record of groups of states, `group_of_state` (states,); moves within a group do not count."""
        return _joined(self.edges, np.asarray(group_of_state)[self.states])

    def between(self, start: float, end: float) -> IdealisedRecord:
        """Return the part of the record from `start` to `end`, ns, both within it."""
        transitions = self.edges[1:-1]
        inside = transitions[(transitions > start) & (transitions < end)]
        edges = np.concatenate([[start], inside, [end]])
        return IdealisedRecord(edges, self.at(edges[:-1]))


class Dwells(NamedTuple):
    """Visits to a state, from their beginning on."""

    durations: np.ndarray
    """(visits,) ns."""
    is_censored: np.ndarray
    """(visits,) whether the record ended before the visit did: it lasted longer than `durations` says."""

    @property
    def mean(self) -> Estimate:
        """Mean duration of exponential visits in ns: all time over the number of visits seen to their end."""
        n_complete = int((~self.is_censored).sum())
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = float(np.divide(self.durations.sum(), n_complete))
            return Estimate(mean, float(np.divide(mean, np.sqrt(n_complete))), float(n_complete), 1.0)


class LogHistogram(NamedTuple):
    """Durations counted in bins that are equally wide in the logarithm, for an ordinate in square roots.

    A single exponential peaks at its time constant, and the error of the square root of any count is 1/2.
    Sigworth & Sine (1987), Biophys. J. 52:1047.
    """

    edges: np.ndarray
    """(bins + 1,) ns."""
    counts: np.ndarray
    """(bins,)."""

    def expected(self, mixture: ExponentialMixture, shortest: float = 0.0) -> np.ndarray:
        """Return the counts (bins,) that a mixture makes of as many durations, all longer than `shortest` (ns)."""
        edges = np.maximum(self.edges, shortest)
        chance = -np.diff(mixture.survival(edges)) / mixture.survival(shortest)
        return self.counts.sum() * chance


class CurrentTrace(NamedTuple):
    """A current sampled at equal intervals."""

    time: np.ndarray
    """(samples,) ns, the middle of each sample."""
    current: np.ndarray
    """(samples,) pA, outward positive."""


class UnitCurrent(NamedTuple):
    """The step of current from one level to the next, in pA."""

    current: float
    standard_error: float
    levels: GaussianMixture


def idealise_events(
    time: ArrayLike, to_state: ArrayLike, initial_state: int, start: float, end: float
) -> IdealisedRecord:
    """Return the record of a channel that is in `initial_state` at `start` and moves `to_state` at each `time`.

    Both (transitions,), in order of time, all between `start` and `end` (ns).
    """
    return _joined(np.concatenate([[start], time, [end]]), np.concatenate([[initial_state], to_state]))


def channel_records(recording: Recording, channel: str) -> list[IdealisedRecord]:
    """Return the record of every channel of the type `channel`, from the first record of the run to the last.

    States are indices into the type's states. A channel's initial state is that which its first transition leaves;
    those that never move share what remains of the numbers of the first record.

    KeyError for a type that is not there; RecordingError if the run did not record events.
    """
    channel_type = _channel_type(recording, channel)
    description = recording.channels[channel_type]
    if len(description.states) > 1 and not recording.scenario.recording.events:
        raise RecordingError(f"{recording.path} holds no transitions: set recording.events = true")
    first = sum(one.count for one in recording.channels[:channel_type])
    start, end = float(recording.time[0]), float(recording.time[-1])
    within = (recording.gating["time"] > start) & (recording.gating["time"] < end)
    events = {name: column[within] for name, column in recording.gating.items()}
    order = np.lexsort((events["time"], events["channel"]))
    bounds = np.searchsorted(events["channel"][order], first + np.arange(description.count + 1))

    initial = np.full(description.count, -1)
    moves = np.flatnonzero(np.diff(bounds) > 0)
    initial[moves] = events["from_state"][order[bounds[moves]]]
    numbers = [round(recording[f"state.{channel}.{state}"][0]) for state in description.states]
    left_over = np.array(numbers) - np.bincount(initial[moves], minlength=len(numbers))
    initial[initial < 0] = np.repeat(np.arange(len(numbers)), left_over)
    return [
        idealise_events(
            events["time"][order[low:high]], events["to_state"][order[low:high]], state, start, end
        )
        for low, high, state in zip(bounds[:-1], bounds[1:], initial, strict=True)
    ]


def conductance_levels(recording: Recording, channel: str) -> np.ndarray:
    """Return the level at which each state of the type `channel` conducts, (states,).

    0 shut, 1 open, and one more for each substate: `record.grouped(levels)` tells them apart, `levels > 0` is open.
    """
    _channel_type(recording, channel)
    [of_type] = [one for one in recording.scenario.channels if one.name == channel]
    return np.array(of_type.levels)


def open_probability(records: Sequence[IdealisedRecord], is_open: ArrayLike) -> Estimate:
    """Return the share of time in open states, `is_open` (states,) of bool, of independent channels.

    Their mean open fraction is one stationary series, averaged exactly over short bins; the error is that of its
    correlation (`block_average`). All records span the same time.
    """
    start, end = records[0].edges[[0, -1]]
    bins = np.linspace(start, end, MOST_OPEN_PROBABILITY_BINS + 1)
    open_time = np.zeros(len(bins))
    for record in records:
        visits_open = np.asarray(is_open, dtype=bool)[record.states]
        so_far = np.concatenate([[0.0], np.cumsum(np.diff(record.edges) * visits_open)])
        open_time += np.interp(bins, record.edges, so_far)
    return block_average(np.diff(open_time) / np.diff(bins) / len(records))


def dwells(records: Sequence[IdealisedRecord], state: int) -> Dwells:
    """Return the visits to `state` of all records.

    A record's first visit is left out, as its beginning was not seen; its last one is censored.
    """
    durations, is_censored = [], []
    for record in records:
        is_visit = record.states == state
        is_visit[0] = False
        durations.append(np.diff(record.edges)[is_visit])
        is_last = np.arange(len(record.states)) == len(record.states) - 1
        is_censored.append(is_last[is_visit])
    return Dwells(np.concatenate(durations), np.concatenate(is_censored))


def open_and_shut_dwells(records: Sequence[IdealisedRecord], is_open: ArrayLike) -> tuple[Dwells, Dwells]:
    """Return the openings and the shuttings, whatever states they lead through; `is_open` (states,) of bool."""
    grouped = [record.grouped(np.asarray(is_open, dtype=int)) for record in records]
    return dwells(grouped, 1), dwells(grouped, 0)


def fit_dwells(dwells: Dwells, max_components: int = 3, *, shortest: float = 0.0) -> ExponentialMixture:
    """Return the mixture of at most `max_components` exponentials that the Bayesian information criterion prefers.

    Dwells below `shortest` (ns) are taken to have gone unseen; see `mixtures.fit_exponentials`, also for the errors.
    """
    seen = dwells.durations > shortest
    fits = fit_exponentials(
        dwells.durations[seen], dwells.is_censored[seen], max_components, shortest=shortest
    )
    return min(fits, key=lambda fit: fit.bayesian_information)


def count_logarithmically(durations: ArrayLike, bins_per_decade: int = 10) -> LogHistogram:
    """Return a histogram of `durations` in ns, (n,), with bins equally wide in the logarithm."""
    decades = np.log10(np.asarray(durations, dtype=float)) * bins_per_decade
    low, high = np.floor(decades.min()), np.floor(decades.max()) + 1
    counts = np.bincount((np.floor(decades) - low).astype(int), minlength=int(high - low))
    return LogHistogram(10.0 ** (np.arange(low, high + 1) / bins_per_decade), counts)


def single_channel_current(recording: Recording, channel: int, interval: float) -> CurrentTrace:
    """Return the current of the channel of index `channel`, of all types together, in samples of `interval` ns.

    Counted from its crossings: each ion brings its whole charge as it arrives. RecordingError without events.
    """
    if not recording.scenario.recording.events:
        raise RecordingError(f"{recording.path} holds no crossings: set recording.events = true")
    events = recording.crossings
    own = events["channel"] == channel
    charge = recording.valence[events["species"][own]] * events["direction"][own]
    start = float(recording.time[0])
    n_samples = int((recording.time[-1] - start) / interval + 1e-9)
    if n_samples < 1:
        raise RecordingError(f"{recording.path} is shorter than one sample of {interval:g} ns")
    # What arrives at the very end of a sample belongs to it, as it does to the step that ends there.
    sample = np.ceil((events["time"][own] - start) / interval - 1e-9).astype(int) - 1
    is_within = (sample >= 0) & (sample < n_samples)
    sums = np.bincount(sample[is_within], weights=charge[is_within], minlength=n_samples)
    return CurrentTrace(
        start + interval * (np.arange(n_samples) + 0.5),
        sums / interval * PICOAMPERES_PER_CHARGE_PER_NANOSECOND,
    )


def open_samples(
    recording: Recording, first_channel: int, records: Sequence[IdealisedRecord], interval: float
) -> np.ndarray:
    """Return the current in pA of each sample of `interval` ns during which its channel was open all the time.

    `records`: of neighbouring channels from the index `first_channel` on, 0 shut and 1 open; of all of them together,
    (samples,), those of each in order of time.
    """
    samples = []
    for i, record in enumerate(records):
        trace = single_channel_current(recording, first_channel + i, interval)
        open_time = np.concatenate([[0.0], np.cumsum(np.diff(record.edges) * record.states)])
        edges = np.append(trace.time - interval / 2.0, trace.time[-1] + interval / 2.0)
        within = np.diff(np.interp(edges, record.edges, open_time)) > interval * (1.0 - 1e-9)
        samples.append(trace.current[within])
    return np.concatenate(samples)


def filter_gaussian(current: ArrayLike, interval: float, cutoff: float) -> np.ndarray:
    """Return `current` (samples,), one every `interval` ns, through a Gaussian filter.

    At the frequency `cutoff` in 1/ns half the power passes (-3 dB). Its response to a step is an error function
    that rises from 10 to 90 % within 0.3396/cutoff. Colquhoun & Sigworth (1995), Single-Channel Recording ch. 19.
    """
    return gaussian_filter1d(
        np.asarray(current, dtype=float), GAUSSIAN_CUTOFF / (cutoff * interval), mode="nearest", truncate=6.0
    )


def idealise_trace(
    time: ArrayLike, current: ArrayLike, shut_level: float, open_level: float
) -> IdealisedRecord:
    """Return the record that a trace tells by crossing the middle between two levels: 0 shut, 1 open.

    time in ns and current are (samples,). The time of a crossing is interpolated between the two samples around
    it. An opening shorter than 0.179/(cutoff of a Gaussian filter) does not reach the middle and is missed.

    Colquhoun & Sigworth (1995), Single-Channel Recording ch. 19.
    """
    time = np.asarray(time, dtype=float)
    # From 0 at the shut level to 1 at the open one, whatever the sign of the current.
    relative = (np.asarray(current, dtype=float) - shut_level) / (open_level - shut_level)
    is_open = relative > 0.5
    before = np.flatnonzero(np.diff(is_open))
    share = (0.5 - relative[before]) / (relative[before + 1] - relative[before])
    crossings = time[before] + share * (time[before + 1] - time[before])
    states = np.concatenate([is_open[:1], is_open[before + 1]]).astype(int)
    return IdealisedRecord(np.concatenate([time[:1], crossings, time[-1:]]), states)


def impose_resolution(record: IdealisedRecord, resolution: float) -> IdealisedRecord:
    """Return the record without visits shorter than `resolution` (ns): what is before them goes on meanwhile.

    The record begins with its first visit that is long enough. With this, what is seen and what is not is known
    exactly, as the fits of dwell times need it (`fit_dwells`, shortest). Where many visits are too short, those
    that are left look longer than they were.

    Colquhoun & Sigworth (1995), Single-Channel Recording ch. 19.
    """
    is_long = np.diff(record.edges) >= resolution
    if not is_long.any():
        raise ValueError(f"no visit lasts {resolution:g} ns: nothing is left of the record")
    first = int(np.argmax(is_long))
    kept = np.flatnonzero(is_long[first:]) + first
    return _joined(np.append(record.edges[kept], record.edges[-1]), record.states[kept])


def measure_unit_current(current: ArrayLike, n_levels: int = 2) -> UnitCurrent:
    """Return the step between neighbouring levels of a current (samples,) in pA, in order of time.

    Each level is a Gaussian with its own width (`mixtures.fit_gaussians`); of more than two the step is that of
    the straight line through their means, by least squares with the covariance of the means. It has the sign of
    the level farthest from zero: a shut channel carries next to no current.

    Colquhoun & Sigworth (1995), Single-Channel Recording ch. 19.
    """
    levels = fit_gaussians(current, n_levels)
    weight = np.linalg.inv(levels.mean_covariance)
    design = np.column_stack([np.ones(n_levels), np.arange(n_levels)])
    covariance = np.linalg.inv(design.T @ weight @ design)
    step = float((covariance @ design.T @ weight @ levels.means)[1])
    sign = np.sign(levels.means[np.argmax(np.abs(levels.means))])
    return UnitCurrent(float(sign * step), float(np.sqrt(covariance[1, 1])), levels)


def _channel_type(recording: Recording, channel: str) -> int:
    names = [one.name for one in recording.channels]
    if channel not in names:
        raise KeyError(f"no channel type {channel!r} in this recording; there are {', '.join(names)}")
    return names.index(channel)


def _joined(edges: np.ndarray, states: np.ndarray) -> IdealisedRecord:
    """Return a record without the edges between two visits to the same state."""
    is_new = np.append(True, np.diff(states) != 0)
    return IdealisedRecord(np.append(edges[:-1][is_new], edges[-1]), states[is_new])
