"""A channel of two states: open probability, dwell times, binomial variance and autocorrelation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import expon, kstest

from mc import theory
from mc.analysis.single_channel import Dwells, channel_records, dwells
from mc.validation.law import (
    Check,
    Law,
    Line,
    Picture,
    Points,
    Trial,
    check_share,
    check_variance,
    variance_degrees_of_freedom,
)
from mc.validation.scenarios import channel, patch, two_states

OPENING, CLOSING = 0.2, 0.5
"""1/ns."""

INTERVAL, SPACING, LAGS = 1.0, 12, (1, 2, 3)
"""ns between records; records between independent samples, eight relaxation times; lags in records."""


@dataclass
class Gating:
    """What many channels did."""

    count: int
    n_open: np.ndarray
    """(records,)"""
    opened: Dwells
    shut: Dwells


def measure(trial: Trial) -> Gating:
    """Watch many channels that hardly conduct."""
    count, duration = 300, trial.pick(1000.0, 8000.0)
    text = patch(
        "Channels of two states",
        inside={"K": 1.0},
        outside={"K": 1.0},
        area=100.0,
        length=15.0,
        duration=duration,
        time_step=0.5,
        interval=INTERVAL,
        recording="events = true",
        more=channel("channel", count, {"K": 1e-9}, two_states(OPENING, CLOSING)),
    )
    recording = trial.run(text, "gating", clamped_potential=0.0)
    records = channel_records(recording, "channel")
    shut, opened = (dwells(records, state) for state in (0, 1))
    return Gating(
        count,
        recording["open_channels.channel"],
        opened,
        shut,
    )


def compare(gating: Gating, opening: float = OPENING, closing: float = CLOSING) -> list[Check]:
    """Compare with the chain of these rates."""
    probability = float(theory.two_state_open_probability(opening, closing))
    independent = gating.n_open[::SPACING]
    return [
        check_share("open probability", independent.sum(), gating.count * len(independent), probability),
        check_dwells("mean open time", gating.opened, closing),
        check_dwells("mean shut time", gating.shut, opening),
        check_distribution("open times", gating.opened, closing),
        check_distribution("shut times", gating.shut, opening),
        *check_fluctuations(gating, probability, opening + closing),
    ]


def check_fluctuations(gating: Gating, probability: float, rate: float) -> list[Check]:
    """Return the checks of the variance, and of that of the change over a time, which the autocorrelation gives."""
    variance = float(theory.binomial_variance(gating.count, probability))
    lags = INTERVAL * np.arange(1, 60)
    deviation = gating.n_open - gating.count * probability
    degrees = variance_degrees_of_freedom(np.exp(-rate * lags), len(deviation))
    checks = [check_variance("variance N p (1 − p)", float(np.mean(deviation**2)), variance, degrees)]
    for lag in LAGS:
        change = deviation[lag:] - deviation[:-lag]
        expected = 2.0 * (1.0 - np.exp(-rate * lag * INTERVAL))
        correlation = (
            2.0 * np.exp(-rate * lags)
            - np.exp(-rate * (lags + lag * INTERVAL))
            - np.exp(-rate * np.abs(lags - lag * INTERVAL))
        ) / expected
        degrees = variance_degrees_of_freedom(correlation, len(change))
        checks.append(
            check_variance(
                f"variance of the change in {lag:g} ns",
                float(np.mean(change**2)),
                variance * expected,
                degrees,
            )
        )
    return checks


def check_dwells(name: str, visits: Dwells, rate: float) -> Check:
    """Return the check of the mean of exponential times."""
    mean = visits.mean
    return Check(name, mean.mean, 1.0 / rate / np.sqrt(mean.n_effective), 1.0 / rate, "ns")


def check_distribution(name: str, visits: Dwells, rate: float) -> Check:
    """Return the check of Kolmogorov and Smirnov: the largest distance from the exponential distribution."""
    times = visits.durations[~visits.is_censored]
    test = kstest(times, expon(scale=1.0 / rate).cdf)
    return Check(
        f"distribution of {name}",
        float(test.statistic),
        0.5 / np.sqrt(len(times)),
        0.0,
        "KS",
        own_p_value=float(test.pvalue),
    )


def rates_as_chances(gating: Gating) -> list[Check]:
    """Compare with visits that last whole steps of 1 ns, as where a rate is taken as a chance per step."""
    steps = gating.opened._replace(durations=np.ceil(gating.opened.durations))
    return [check_distribution("open times in whole steps", steps, CLOSING)]


def draw(gating: Gating) -> Picture:
    """Draw the survival of open and shut times."""
    lines, points = [], []
    for name, visits, rate in (("open", gating.opened, CLOSING), ("shut", gating.shut, OPENING)):
        times = visits.durations[~visits.is_censored]
        time = np.linspace(0.0, 6.0 / rate, 60)
        left = np.array([np.mean(times > one) for one in time[::6]])
        lines.append(Line(f"{name}: exp(−t/τ)", time, np.exp(-rate * time)))
        points.append(Points(name, time[::6], left, np.sqrt(left * (1.0 - left) / len(times))))
    return Picture(
        "time in the state (ns)", "share that lasts longer", tuple(lines), tuple(points), y_scale="log"
    )


LAW = Law(
    name="two-state-gating",
    claim="Channels of two states open and close as a continuous-time Markov chain.",
    formula="p = α/(α + β); dwell times exp(−βt), exp(−αt); variance N p (1 − p); autocorrelation exp(−(α + β)t)",
    references=(
        "Colquhoun & Hawkes (1977), Proc. R. Soc. Lond. B 199:231",
        "Sigworth (1980), J. Physiol. 307:97",
    ),
    engines=("brownian", "lattice"),
    not_on={"continuum": "mean open fractions have neither dwell times nor variance"},
    measure=measure,
    compare=compare,
    twins={
        "opening and closing exchanged": lambda gating: compare(gating, CLOSING, OPENING),
        "closing a tenth slower": lambda gating: compare(gating, OPENING, 0.9 * CLOSING),
        "a rate taken as a chance per step": rates_as_chances,
    },
    draw=draw,
)
