"""Sums of exponentials and of Gaussians, fitted by maximum likelihood.

The errors come from the observed information, the negative second derivative of the log likelihood at its maximum.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from mc.analysis.statistics import block_average


class ExponentialMixture(NamedTuple):
    """Durations of one of several exponential kinds, in order of their time constants.

    An error is not a number where the durations do not determine the components, as where two of them are alike.
    """

    time_constants: np.ndarray
    """(components,) ns."""
    time_constant_errors: np.ndarray
    """(components,) ns."""
    weights: np.ndarray
    """(components,) the share of each kind among all durations, also those too short to be seen."""
    weight_errors: np.ndarray
    log_likelihood: float
    """Of what was seen, durations in ns."""
    n_complete: int
    """Durations that were seen to their end."""

    @property
    def mean(self) -> float:
        """Mean duration in ns."""
        return float(self.weights @ self.time_constants)

    @property
    def bayesian_information(self) -> float:
        """Bayesian information criterion, the smaller the better: Schwarz (1978), Ann. Stat. 6:461."""
        n_parameters = 2 * len(self.weights) - 1
        return n_parameters * float(np.log(self.n_complete)) - 2.0 * self.log_likelihood

    def density(self, duration: ArrayLike) -> np.ndarray:
        """Return the probability density in 1/ns of durations in ns, any shape."""
        time = np.asarray(duration, dtype=float)[..., None]
        return (self.weights / self.time_constants * np.exp(-time / self.time_constants)).sum(axis=-1)

    def survival(self, duration: ArrayLike) -> np.ndarray:
        """Return the chance to last longer than a duration in ns, any shape."""
        time = np.asarray(duration, dtype=float)[..., None]
        return (self.weights * np.exp(-time / self.time_constants)).sum(axis=-1)


class GaussianMixture(NamedTuple):
    """Samples of one of several Gaussian levels, in order of their means and in the unit of the samples."""

    means: np.ndarray
    """(levels,)."""
    mean_covariance: np.ndarray
    """(levels, levels) of the errors of the means."""
    standard_deviations: np.ndarray
    """(levels,)."""
    standard_deviation_errors: np.ndarray
    weights: np.ndarray
    """(levels,) the share of the samples at each level."""
    weight_errors: np.ndarray
    """For independent samples; a share of time has a larger one (`single_channel.open_probability`)."""
    correlation_samples: float
    """Correlation time of the noise about the levels, in samples: errors of means and deviations count it."""

    @property
    def mean_errors(self) -> np.ndarray:
        """(levels,) standard errors of the means."""
        return np.sqrt(np.diag(self.mean_covariance))

    def density(self, value: ArrayLike) -> np.ndarray:
        """Return the probability density of samples, any shape."""
        score = (np.asarray(value, dtype=float)[..., None] - self.means) / self.standard_deviations
        peak = self.weights / (np.sqrt(2.0 * np.pi) * self.standard_deviations)
        return (peak * np.exp(-0.5 * score**2)).sum(axis=-1)


def fit_exponentials(
    durations: ArrayLike, is_censored: ArrayLike, max_components: int = 1, *, shortest: float = 0.0
) -> list[ExponentialMixture]:
    """Fit mixtures of 1 to `max_components` exponentials to `durations` in ns, (n,); return all fits in this order.

    A censored duration, `is_censored` (n,), is one whose end was not seen: it counts with the chance to last
    longer. Durations below `shortest` are taken to have gone unseen, so that all others are compared with the
    density beyond it. The list ends early where there are too few durations to determine another component, and
    with the first fit that the Bayesian information criterion rejects.

    ValueError without a complete duration, or for durations that are not above `shortest`.

    Colquhoun & Sigworth (1995), Single-Channel Recording ch. 19.
    """
    durations, is_complete = np.asarray(durations, dtype=float), ~np.asarray(is_censored, dtype=bool)
    excess, n_complete = durations - shortest, int(is_complete.sum())
    if n_complete == 0:
        raise ValueError("no duration was seen to its end: nothing to fit exponentials to")
    if excess[is_complete].min() <= 0.0 or excess.min() < 0.0:
        raise ValueError(f"durations must be above {shortest:g} ns, found {durations.min():g} ns")

    def family(parameters: np.ndarray) -> _Family:
        # The excess over the shortest is a mixture of the same exponentials, with other weights.
        log_time_constants = parameters
        relative = excess * np.exp(-log_time_constants)
        return _Family(
            log_density=-(is_complete * log_time_constants + relative),
            scores=(relative - is_complete.astype(float))[:, None],
            curvatures=-relative[:, None, None],
        )

    def mixture(fit: _Fit) -> ExponentialMixture:
        time_constants = np.exp(fit.parameters[:, 0])
        n = len(time_constants)
        weights = softmax(np.log(fit.weights) + shortest / time_constants)
        # From the fitted logarithms to what is told: time constants, and weights before the shortest were lost.
        of_logarithms = np.diag(weights) - np.outer(weights, weights)
        jacobian = np.zeros((2 * n, 2 * n - 1))
        jacobian[:n, :n] = np.diag(time_constants)
        jacobian[n:, :n] = of_logarithms * (-shortest / time_constants)
        jacobian[n:, n:] = of_logarithms[:, :-1]
        errors = np.sqrt(np.diag(jacobian @ fit.covariance @ jacobian.T))
        order = np.argsort(time_constants)
        return ExponentialMixture(
            time_constants[order],
            errors[:n][order],
            weights[order],
            errors[n:][order],
            fit.log_likelihood,
            n_complete,
        )

    one = np.array([[np.log(excess.sum() / n_complete)]])
    fit = _maximise(family, one, np.ones(1))
    mixtures, is_better = [mixture(fit)], True
    while is_better and len(mixtures) < max_components and 2 * len(mixtures) + 1 < n_complete:
        starts = _split_components(fit, np.log(np.quantile(excess[is_complete], [0.05, 0.95])))
        fit = _best_maximum(family, starts)
        mixtures.append(mixture(fit))
        is_better = mixtures[-1].bayesian_information < mixtures[-2].bayesian_information
    return mixtures


def fit_gaussians(samples: ArrayLike, n_levels: int = 2) -> GaussianMixture:
    """Fit `n_levels` Gaussians, each with its own mean, deviation and weight, to `samples` (n,) in order of time.

    The errors of means and deviations are widened by the correlation of the noise that remains when each sample's
    level is subtracted. ValueError for too few samples, or where a level shrinks to a single value, as it does where
    the samples take few values.

    Colquhoun & Sigworth (1995), Single-Channel Recording ch. 19.
    """
    samples = np.asarray(samples, dtype=float)
    if len(samples) < 3 * n_levels:
        raise ValueError(f"{n_levels} levels need at least {3 * n_levels} samples, found {len(samples)}")

    def family(parameters: np.ndarray) -> _Family:
        means, deviations = parameters[:, :1], np.exp(parameters[:, 1:])
        z = (samples - means) / deviations
        cross = -2.0 * z / deviations
        return _Family(
            log_density=-np.log(deviations) - 0.5 * z**2 - 0.5 * np.log(2.0 * np.pi),
            scores=np.stack([z / deviations, z**2 - 1.0], axis=1),
            curvatures=np.stack(
                [
                    np.stack([np.broadcast_to(-(deviations**-2.0), z.shape), cross], axis=1),
                    np.stack([cross, -2.0 * z**2], axis=1),
                ],
                axis=1,
            ),
        )

    fit = _best_maximum(family, _level_starts(samples, n_levels))
    order = np.argsort(fit.parameters[:, 0])
    means, deviations = fit.parameters[order, 0], np.exp(fit.parameters[order, 1])
    if deviations.min() < 1e-3 * samples.std():
        raise ValueError(
            f"a level shrank to the single value {means[np.argmin(deviations)]:g}: filter the samples, or add noise "
            "where a shut channel has none"
        )
    own = np.abs(samples - means[:, None])
    noise = samples - means[np.argmin(own / deviations[:, None], axis=0)]
    correlation = block_average(noise).correlation_samples
    of_means, of_logarithms = 2 * order, 2 * order + 1
    n_own = 2 * n_levels
    of_weights = (np.diag(fit.weights) - np.outer(fit.weights, fit.weights))[:, :-1]
    weight_covariance = of_weights @ fit.covariance[n_own:, n_own:] @ of_weights.T
    return GaussianMixture(
        means=means,
        mean_covariance=correlation * fit.covariance[np.ix_(of_means, of_means)],
        standard_deviations=deviations,
        standard_deviation_errors=deviations * np.sqrt(correlation * np.diag(fit.covariance)[of_logarithms]),
        weights=fit.weights[order],
        weight_errors=np.sqrt(np.diag(weight_covariance))[order],
        correlation_samples=correlation,
    )


class _Family(NamedTuple):
    """The densities of all components at given parameters, (k, p): k components of p parameters, n samples."""

    log_density: np.ndarray
    """(k, n)."""
    scores: np.ndarray
    """(k, p, n) first derivatives of log_density by the component's own parameters."""
    curvatures: np.ndarray
    """(k, p, p, n) second derivatives."""


class _Fit(NamedTuple):
    """A maximum of the likelihood."""

    parameters: np.ndarray
    """(k, p)."""
    weights: np.ndarray
    """(k,)."""
    covariance: np.ndarray
    """(kp + k - 1, kp + k - 1) of the parameters, then of the logarithms of all but the last weight over the last."""
    log_likelihood: float


class _Likelihood(NamedTuple):
    """Log likelihood of a mixture with its first two derivatives by all free parameters."""

    value: float
    gradient: np.ndarray
    hessian: np.ndarray


def _best_maximum(
    family: Callable[[np.ndarray], _Family], starts: list[tuple[np.ndarray, np.ndarray]]
) -> _Fit:
    """Return the highest maximum that is reached from `starts`; only the most promising climb goes to its end."""
    climbs = [_maximise(family, parameters, weights, max_steps=30) for parameters, weights in starts]
    best = max(climbs, key=lambda climb: climb.log_likelihood)
    return _maximise(family, best.parameters, best.weights)


def _maximise(
    family: Callable[[np.ndarray], _Family],
    parameters: np.ndarray,
    weights: np.ndarray,
    max_steps: int = 300,
) -> _Fit:
    """Climb from `parameters` (k, p) and `weights` (k,) to the next maximum of the likelihood."""
    shape = parameters.shape

    def unpack(free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        own, ratios = np.split(free, [parameters.size])
        return own.reshape(shape), np.append(ratios, 0.0)

    latest: list[tuple[np.ndarray, _Likelihood]] = []

    def likelihood(free: np.ndarray) -> _Likelihood:
        # The optimiser asks for value, slope and curvature of one place one after the other.
        if not latest or not np.array_equal(latest[0][0], free):
            # A step far too long has no likelihood at all; it is taken back.
            with np.errstate(over="ignore", invalid="ignore"):
                latest[:] = [(free.copy(), _likelihood(family, *unpack(free)))]
        return latest[0][1]

    start = np.concatenate([parameters.ravel(), np.log(weights[:-1] / weights[-1])])
    n_samples = family(parameters).log_density.shape[1]
    found = minimize(
        lambda free: -likelihood(free).value / n_samples,
        start,
        jac=lambda free: -likelihood(free).gradient / n_samples,
        hess=lambda free: -likelihood(free).hessian / n_samples,
        method="trust-exact",
        options={"gtol": 1e-7, "maxiter": max_steps},
    ).x
    best = likelihood(found)
    own, ratios = unpack(found)
    # Not zero: a component without any weight keeps a logarithm.
    weights = np.maximum(softmax(ratios), np.finfo(float).tiny)
    return _Fit(own, weights, _inverse_information(-best.hessian), best.value)


def _likelihood(
    family: Callable[[np.ndarray], _Family], parameters: np.ndarray, log_weight_ratios: np.ndarray
) -> _Likelihood:
    """Return the log likelihood of the samples and its derivatives.

    By the parameters of component i: sum r_i u_i, with its responsibilities r and scores u; the second derivatives
    are those of Louis (1982), J. R. Stat. Soc. B 44:226, for mixtures.
    """
    log_density, scores, curvatures = family(parameters)
    log_weights = log_softmax(log_weight_ratios)
    weights = np.exp(log_weights)
    joint = log_density + log_weights[:, None]
    largest = joint.max(axis=0)
    shares_of_largest = np.exp(joint - largest)
    sums = shares_of_largest.sum(axis=0)
    responsibilities = shares_of_largest / sums
    n_components, n_own, n_samples = scores.shape
    pulls = responsibilities[:, None] * scores
    shares, share_weights = responsibilities[:-1], weights[:-1]

    flat = pulls.reshape(-1, n_samples)
    own = -flat @ flat.T
    mixed = -flat @ shares.T
    for i in range(n_components):
        block = slice(i * n_own, (i + 1) * n_own)
        own[block, block] += pulls[i] @ scores[i].T + curvatures[i] @ responsibilities[i]
        if i < n_components - 1:
            mixed[block, i] += pulls[i].sum(axis=1)
    spread = np.diag(share_weights) - np.outer(share_weights, share_weights)
    of_shares = np.diag(shares.sum(axis=1)) - shares @ shares.T - n_samples * spread
    gradient = np.concatenate([flat.sum(axis=1), shares.sum(axis=1) - n_samples * share_weights])
    hessian = np.block([[own, mixed], [mixed.T, of_shares]])
    return _Likelihood(float((largest + np.log(sums)).sum()), gradient, hessian)


def _inverse_information(information: np.ndarray) -> np.ndarray:
    """Return the covariance, or not-a-numbers where the likelihood has no sharp maximum in some direction."""
    scale = np.sqrt(np.abs(np.diag(information)))
    if np.all(scale > 0.0):
        # In units of each parameter's own error, so that a parameter's unit does not decide.
        curvature = information / np.outer(scale, scale)
        if np.linalg.eigvalsh(curvature)[0] > 1e-9:
            return np.linalg.inv(curvature) / np.outer(scale, scale)
    return np.full_like(information, np.nan)


def _split_components(fit: _Fit, extremes: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return starts with one component more: each one split into two, and a small one added at either extreme."""
    starts = []
    for i in range(len(fit.weights)):
        parameters = np.vstack([fit.parameters, fit.parameters[i] + np.log(3.0)])
        parameters[i] -= np.log(3.0)
        weights = np.append(fit.weights, fit.weights[i] / 2.0)
        weights[i] /= 2.0
        starts.append((parameters, weights))
    for extreme in extremes:
        starts.append((np.vstack([fit.parameters, [[extreme]]]), np.append(0.9 * fit.weights, 0.1)))
    return starts


def _level_starts(samples: np.ndarray, n_levels: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return starts for the levels: even shares of the samples, and even steps between the outermost samples."""
    starts = []
    low, high = np.quantile(samples, [0.005, 0.995])
    for means in (
        np.quantile(samples, (np.arange(n_levels) + 0.5) / n_levels),
        low + (high - low) * (np.arange(n_levels) + 0.5) / n_levels,
        np.linspace(low, high, n_levels) if n_levels > 1 else np.array([samples.mean()]),
    ):
        nearest = np.argmin(np.abs(samples - means[:, None]), axis=0)
        counts = np.bincount(nearest, minlength=n_levels) + 1.0
        deviation = max(np.std(samples - means[nearest]), 1e-6 * (np.ptp(samples) or 1.0))
        starts.append((np.column_stack([means, np.full(n_levels, np.log(deviation))]), counts / counts.sum()))
    return starts
