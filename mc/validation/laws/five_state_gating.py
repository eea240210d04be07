"""A kinetic scheme of five states without detailed balance: relaxation, occupancy and dwell times."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from mc import theory
from mc.analysis.single_channel import channel_records, dwells
from mc.validation.law import Check, Law, Line, Picture, Points, Trial
from mc.validation.scenarios import channel, patch

STATES = ("C1", "C2", "C3", "O", "I")
RATES = {
    "C1->C2": 0.6,
    "C2->C1": 0.2,
    "C2->C3": 0.4,
    "C3->C2": 0.3,
    "C3->O": 0.5,
    "O->C3": 0.25,
    "O->I": 0.15,
    "I->C1": 0.1,
}
"""1/ns."""

TIMES = (1.0, 3.0, 10.0, 40.0)
"""ns."""


@dataclass
class Gating:
    """What many channels did after they all were in C1."""

    count: int
    time: np.ndarray
    states: np.ndarray
    """(records, states) channels."""
    dwell_means: np.ndarray
    dwell_errors: np.ndarray
    """(states,) ns; none of means, which have no visits."""


def rate_matrix(rates: dict[str, float] = RATES) -> np.ndarray:
    """Return the rates from state (row) to state (column), 1/ns."""
    matrix = np.zeros((len(STATES), len(STATES)))
    for transition, rate in rates.items():
        source, target = transition.split("->")
        matrix[STATES.index(source), STATES.index(target)] = rate
    return matrix


def measure(trial: Trial) -> Gating:
    """Watch channels that start in one state."""
    count = trial.pick(4000, 40_000)
    rates = ", ".join(f'"{transition}" = "{rate:g} /ns"' for transition, rate in RATES.items())
    gating = (
        f"gating.states = {list(STATES)}\ngating.open = ['O']\ngating.initial = 'C1'\n"
        f"gating.rates = {{ {rates} }}"
    )
    text = patch(
        "Five states",
        inside={"K": 1.0},
        outside={"K": 1.0},
        area=100.0,
        length=15.0,
        duration=200.0,
        time_step=0.5,
        interval=1.0,
        recording=f"events = {str(trial.engine != 'continuum').lower()}",
        more=channel("channel", count, {"K": 1e-9}, gating),
    )
    recording = trial.run(text, "scheme", clamped_potential=0.0)
    records = channel_records(recording, "channel") if trial.engine != "continuum" else []
    means = [dwells(records, state).mean for state in range(len(STATES)) if records]
    return Gating(
        count,
        recording.time,
        np.stack([recording[f"state.channel.{state}"] for state in STATES], axis=1),
        np.array([one.mean for one in means]),
        np.array([one.standard_error for one in means]),
    )


def compare(gating: Gating, rates: np.ndarray | None = None) -> list[Check]:
    """Compare all states after each time (Pearson's chi square), and the mean visits to each."""
    matrix = rate_matrix() if rates is None else rates
    start = np.eye(len(STATES))[0]
    checks = []
    for time in TIMES:
        means = gating.count * theory.relax(matrix, start, time)
        counted = gating.states[np.argmin(np.abs(gating.time - time))]
        if not gating.dwell_means.size:
            of_each = zip(STATES, counted, means, strict=True)
            checks += [Check(f"{one} after {time:g} ns", n, 0.0, mean) for one, n, mean in of_each]
            continue
        total = float(np.sum((counted - means) ** 2 / means))
        degrees = len(STATES) - 1
        checks.append(
            Check(
                f"all states after {time:g} ns",
                total,
                math.sqrt(2.0 * degrees),
                degrees,
                "chi²",
                own_p_value=float(chi2.sf(total, degrees)),
            )
        )
    if not gating.dwell_means.size:
        return checks
    expected = theory.dwell_time_means(matrix)
    # An error in proportion to the mean that is expected, as for exponential visits.
    errors = gating.dwell_errors * expected / gating.dwell_means
    for state, measured, error, mean in zip(STATES, gating.dwell_means, errors, expected, strict=True):
        checks.append(Check(f"mean visit to {state}", measured, error, mean, "ns"))
    return checks


def first_order(gating: Gating) -> list[Check]:
    """Compare with probabilities that a first-order update in steps of 1 ns would give."""
    generator = rate_matrix() - np.diag(rate_matrix().sum(axis=1))
    share = np.eye(len(STATES))[0] @ np.linalg.matrix_power(np.eye(len(STATES)) + generator, 3)
    counted = gating.states[np.argmin(np.abs(gating.time - 3.0))] / gating.count
    return [
        Check(state, found, math.sqrt(p * (1.0 - p) / gating.count), p)
        for state, found, p in zip(STATES, counted, share, strict=True)
        if p > 0.0
    ]


def draw(gating: Gating) -> Picture:
    """Draw the occupancies over time."""
    time = np.linspace(0.0, 40.0, 120)
    expected = theory.relax(rate_matrix(), np.eye(len(STATES))[0], time)
    shown = np.flatnonzero(gating.time <= 40.0)[::2]
    share = gating.states[shown] / gating.count
    error = np.sqrt(share * (1.0 - share) / gating.count)
    return Picture(
        "time (ns)",
        "share of the channels",
        tuple(Line(state, time, expected[:, i]) for i, state in enumerate(STATES)),
        tuple(Points(state, gating.time[shown], share[:, i], error[:, i]) for i, state in enumerate(STATES)),
    )


LAW = Law(
    name="five-state-gating",
    claim="A scheme of five states relaxes as the matrix exponential of its rates says.",
    formula="p(t) = p(0) exp(Qt);  mean visit to i = 1/Σ_j q_ij",
    references=(
        "Colquhoun & Hawkes (1977), Proc. R. Soc. Lond. B 199:231",
        "Colquhoun & Hawkes (1981), Proc. R. Soc. Lond. B 211:205",
    ),
    engines=("brownian", "lattice", "continuum"),
    solved_on=("continuum",),
    measure=measure,
    compare=compare,
    twins={
        "a first-order update in steps of 1 ns": first_order,
        "no way from I to C1 but by O": lambda gating: compare(
            gating, rate_matrix({key: rate for key, rate in RATES.items() if key != "I->C1"} | {"I->O": 0.1})
        ),
    },
    draw=draw,
    remark="In the continuum the mean numbers in the states are compared; visits are those of single channels.",
)
