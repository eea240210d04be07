"""Channels as Markov chains: stationary and relaxing distributions, dwell times, variance.

A rate matrix of shape (n, n) holds the rate in 1/ns from state i (row) to state j (column); its diagonal is
ignored. Distributions over the states have the states along their last axis.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mc.theory.species import require


def exponential_rate(potential: ArrayLike, rate: ArrayLike, midpoint: ArrayLike, scale: ArrayLike) -> Any:
    """Return rate exp((V - midpoint)/scale): NeuroML's HHExpRate. Potentials in mV; the rate's unit is kept.

    Hodgkin & Huxley (1952), J. Physiol. 117:500, eqs. 13, 21 and 23 have this form.
    """
    return np.asarray(rate, dtype=float) * np.exp(_scaled(potential, midpoint, scale))


def sigmoid_rate(potential: ArrayLike, rate: ArrayLike, midpoint: ArrayLike, scale: ArrayLike) -> Any:
    """Return rate/(1 + exp(-(V - midpoint)/scale)): NeuroML's HHSigmoidRate, as in Hodgkin & Huxley's eq. 24."""
    return np.asarray(rate, dtype=float) / (1.0 + np.exp(-_scaled(potential, midpoint, scale)))


def exponential_linear_rate(
    potential: ArrayLike, rate: ArrayLike, midpoint: ArrayLike, scale: ArrayLike
) -> Any:
    """Return rate x/(1 - exp(-x)), x = (V - midpoint)/scale, and `rate` at x = 0: NeuroML's HHExpLinearRate.

    Hodgkin & Huxley (1952), J. Physiol. 117:500, eqs. 12 and 20 have this form.
    """
    x = _scaled(potential, midpoint, scale)
    is_small = np.abs(x) < 1e-5
    ratio = x / -np.expm1(-np.where(is_small, 1.0, x))
    return np.asarray(rate, dtype=float) * np.where(is_small, 1.0 + 0.5 * x, ratio)


def _scaled(potential: ArrayLike, midpoint: ArrayLike, scale: ArrayLike) -> np.ndarray:
    return (np.asarray(potential, dtype=float) - np.asarray(midpoint, dtype=float)) / np.asarray(scale, float)


VOLTAGE_DEPENDENCES = {
    "HHExpRate": exponential_rate,
    "HHSigmoidRate": sigmoid_rate,
    "HHExpLinearRate": exponential_linear_rate,
}
"""NeuroML's named forms of a rate that depends on the potential."""


class DwellTimes(NamedTuple):
    """Mean uninterrupted times in ns that a channel conducts and that it does not."""

    open: float
    closed: float


class DwellTimeMixture(NamedTuple):
    """Exponential components of the times spent in a class of states, shortest first."""

    time_constants: np.ndarray
    """(components,) ns."""
    weights: np.ndarray
    """(components,) their areas, which add up to one."""


def stationary_distribution(rate_matrix: ArrayLike) -> np.ndarray:
    """Return the probability of each state, shape (n,), long after any start.

    States that the chain leaves for good have probability zero. ValueError if there are several groups of
    states that it cannot leave: the distribution would depend on the start.

    Subtraction-free elimination, exact for rates of any spread: Grassmann, Taksar & Heyman (1985), Oper. Res.
    33:1107.
    """
    rates = _transition_rates(rate_matrix)
    recurrent = _recurrent_states(rates)
    remaining = rates[np.ix_(recurrent, recurrent)]
    n_states = len(recurrent)
    for last in range(n_states - 1, 0, -1):
        remaining[:last, last] /= remaining[last, :last].sum()
        remaining[:last, :last] += np.outer(remaining[:last, last], remaining[last, :last])
    weight = np.ones(n_states)
    for state in range(1, n_states):
        weight[state] = weight[:state] @ remaining[:state, state]
    distribution = np.zeros(len(rates))
    distribution[recurrent] = weight / weight.sum()
    return distribution


def relax(rate_matrix: ArrayLike, initial: ArrayLike, time: ArrayLike) -> np.ndarray:
    """Return the distribution over the states at `time` in ns after `initial`, by the matrix exponential.

    initial has shape (n,); a float time gives shape (n,), an array of shape (T,) gives (T, n).

    Colquhoun & Hawkes (1977), Proc. R. Soc. Lond. B 199:231.
    """
    from scipy.linalg import expm

    rates = _transition_rates(rate_matrix)
    generator = rates - np.diag(rates.sum(axis=1))
    return np.asarray(initial, dtype=float) @ expm(generator * np.asarray(time, dtype=float)[..., None, None])


def open_probability(distribution: ArrayLike, is_open: ArrayLike) -> Any:
    """Return the probability of the states that conduct: distribution (..., n), is_open (n,) of booleans."""
    return np.asarray(distribution, dtype=float) @ np.asarray(is_open, dtype=bool).astype(float)


def dwell_time_means(rate_matrix: ArrayLike) -> np.ndarray:
    """Return the mean time in ns spent in each state per visit, shape (n,): one over the sum of its rates.

    Infinite for a state that is never left. Colquhoun & Hawkes (1981), Proc. R. Soc. Lond. B 211:205.
    """
    with np.errstate(divide="ignore"):
        return 1.0 / _transition_rates(rate_matrix).sum(axis=1)


def open_and_closed_dwell_times(rate_matrix: ArrayLike, is_open: ArrayLike) -> DwellTimes:
    """Return the mean durations in ns of openings and of closures, in the stationary state.

    The probability of being open (closed) over the number of closings (openings) per time. is_open has shape
    (n,). Infinite where the channel never changes. Colquhoun & Hawkes (1981), Proc. R. Soc. Lond. B 211:205.
    """
    rates = _transition_rates(rate_matrix)
    is_open = np.asarray(is_open, dtype=bool)
    distribution = stationary_distribution(rates)
    closings = distribution[is_open] @ rates[np.ix_(is_open, ~is_open)].sum(axis=1)
    open_fraction = open_probability(distribution, is_open)
    with np.errstate(divide="ignore", invalid="ignore"):
        open_time, closed_time = np.array([open_fraction, 1.0 - open_fraction]) / closings
    return DwellTimes(float(open_time), float(closed_time))


def dwell_time_mixture(rate_matrix: ArrayLike, is_member: ArrayLike) -> DwellTimeMixture:
    """Return how the times spent in a class of states are distributed, in the stationary state.

    `is_member` has shape (n,); for the states that conduct it is the distribution of openings, for the others that
    of shuttings. With the rates Q among its k states and the shares phi of them among the entries, the density is
    phi exp(Qt) (-Q) 1, a sum of k exponentials. A weight can be negative where the scheme runs in circles.

    ValueError if the time constants are not all real, or the class is never left or never entered.

    Colquhoun & Hawkes (1982), Phil. Trans. R. Soc. Lond. B 300:1.
    """
    rates = _transition_rates(rate_matrix)
    is_member = np.asarray(is_member, dtype=bool)
    generator = rates - np.diag(rates.sum(axis=1))
    entries = stationary_distribution(rates)[~is_member] @ rates[np.ix_(~is_member, is_member)]
    if not entries.sum() > 0.0:
        raise ValueError("the class of states is never entered or never left: there are no dwell times")
    eigenvalues, vectors = np.linalg.eig(generator[np.ix_(is_member, is_member)])
    if np.iscomplexobj(eigenvalues):
        raise ValueError("the dwell times in this class of states oscillate: no sum of exponentials")
    weights = (entries / entries.sum() @ vectors) * np.linalg.solve(vectors, np.ones(len(eigenvalues)))
    order = np.argsort(-1.0 / eigenvalues)
    return DwellTimeMixture((-1.0 / eigenvalues)[order], weights[order])


def two_state_open_probability(opening_rate: Any, closing_rate: Any) -> Any:
    """Return a/(a + b) for the rates a of opening and b of closing in 1/ns; floats and arrays broadcast.

    Colquhoun & Hawkes (1977), Proc. R. Soc. Lond. B 199:231.
    """
    return np.asarray(opening_rate, dtype=float) / np.add(opening_rate, closing_rate)


def two_state_relaxation(opening_rate: Any, closing_rate: Any, initial: Any, time: Any) -> Any:
    """Return the open probability at `time` in ns after it was `initial`: p + (p_0 - p) exp(-(a + b) t).

    Floats and arrays broadcast; names and source as in `two_state_open_probability`.
    """
    final = two_state_open_probability(opening_rate, closing_rate)
    return final + (initial - final) * two_state_autocorrelation(opening_rate, closing_rate, time)


def two_state_autocorrelation(opening_rate: Any, closing_rate: Any, lag: Any) -> Any:
    """Return the normalised autocorrelation of a channel's state after `lag` in ns: exp(-(a + b) lag).

    Floats and arrays broadcast; names and source as in `two_state_open_probability`.
    """
    return np.exp(-np.add(opening_rate, closing_rate) * np.asarray(lag, dtype=float))


def binomial_variance(n_channels: Any, open_fraction: Any) -> Any:
    """Return the variance of the number of open ones among independent channels: N p (1 - p).

    Floats and arrays broadcast. Sigworth (1980), J. Physiol. 307:97.
    """
    return np.asarray(n_channels) * np.asarray(open_fraction, dtype=float) * np.subtract(1.0, open_fraction)


def _transition_rates(rate_matrix: ArrayLike) -> np.ndarray:
    """Return a copy of the rates with an empty diagonal; ValueError unless square and not negative."""
    rates = np.array(rate_matrix, dtype=float)
    if rates.ndim != 2 or rates.shape[0] != rates.shape[1]:
        raise ValueError(f"a rate matrix is square, found the shape {rates.shape}")
    np.fill_diagonal(rates, 0.0)
    require(rates >= 0.0, rates, "transition rates must not be negative")
    return rates


def _recurrent_states(rates: np.ndarray) -> np.ndarray:
    """Return the indices of the one group of states that the chain ends up in and does not leave."""
    n_states = len(rates)
    reaches = (rates > 0.0) | np.eye(n_states, dtype=bool)
    for _ in range(n_states.bit_length()):
        reaches = reaches @ reaches
    is_recurrent = np.all(~reaches | reaches.T, axis=1)
    recurrent = np.flatnonzero(is_recurrent)
    if not np.all(reaches[np.ix_(recurrent, recurrent)]):
        raise ValueError(
            "the scheme has several groups of states that are never left: no one stationary state"
        )
    return recurrent
