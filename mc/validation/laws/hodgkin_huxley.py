"""Hodgkin and Huxley: sodium channels, each of four subunits, activate and inactivate as m³h after a step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np

from mc.validation.law import Check, Law, Line, Picture, Points, Trial, check_chi_square, check_share
from mc.validation.scenarios import channel, patch

POTENTIALS = (-65.0, -40.0, 0.0)
TIMES = (500.0, 2000.0, 6000.0)
"""ns; rates are faster than in life by 1000, so that these are 0.5 to 6 ms."""

ACCELERATION, PER_MILLISECOND = 1e3, 1e-6
STATES = [f"m{m}h{h}" for m, h in product(range(4), range(2))]

GATING = """
[[channels.gating.gates]]
name = "m"
instances = 3
forward = { kind = "HHExpLinearRate", rate = "1 /ms", midpoint = "-40 mV", scale = "10 mV" }
reverse = { kind = "HHExpRate", rate = "4 /ms", midpoint = "-65 mV", scale = "-18 mV" }

[[channels.gating.gates]]
name = "h"
instances = 1
forward = { kind = "HHExpRate", rate = "0.07 /ms", midpoint = "-65 mV", scale = "-20 mV" }
reverse = { kind = "HHSigmoidRate", rate = "1 /ms", midpoint = "-35 mV", scale = "10 mV" }
"""


@dataclass
class Activation:
    """Channels in each state after a step of the potential."""

    count: int
    is_mean: bool
    time: dict[float, np.ndarray]
    states: dict[float, np.ndarray]
    """By potential, (records, states)."""

    def at(self, potential: float, time: float) -> np.ndarray:
        """Return the number of channels in each state at the record nearest to a time, (states,)."""
        record: np.ndarray = self.states[potential][np.argmin(np.abs(self.time[potential] - time))]
        return record


def rates(gate: str, v: float) -> tuple[float, float]:
    """Return alpha and beta in 1/ms as the paper writes them (eqs. 20, 21, 23, 24), with rest at -65 mV."""
    if gate == "m":
        alpha = 1.0 if v == -40.0 else 0.1 * (v + 40.0) / (1.0 - math.exp(-(v + 40.0) / 10.0))
        return alpha, 4.0 * math.exp(-(v + 65.0) / 18.0)
    return 0.07 * math.exp(-(v + 65.0) / 20.0), 1.0 / (1.0 + math.exp(-(v + 35.0) / 10.0))


def open_subunits(gate: str, v: float, start: float, time: float) -> float:
    """Return the chance of a subunit to be open at `time` (ns) after `start`."""
    alpha, beta = rates(gate, v)
    final = alpha / (alpha + beta)
    return final + (start - final) * math.exp(-(alpha + beta) * ACCELERATION * PER_MILLISECOND * time)


def measure(trial: Trial) -> Activation:
    """Step from far below threshold, where all m are shut and all h open."""
    count = trial.pick(2000, 20_000)
    found = Activation(count, trial.engine == "continuum", {}, {})
    for potential in POTENTIALS:
        text = patch(
            f"Sodium channels at {potential:g} mV",
            inside={"K": 1.0},
            outside={"K": 1.0},
            area=100.0,
            length=15.0,
            duration=TIMES[-1],
            time_step=100.0 if found.is_mean else 1.0,
            interval=100.0,
            more=channel(
                "Na",
                count,
                {"K": 1e-9},
                f'[channels.gating]\nacceleration = {ACCELERATION:g}\ninitial = "m0h1"\n{GATING}',
            ),
        )
        recording = trial.run(text, f"{potential:g}mV", clamped_potential=potential)
        found.time[potential] = recording.time
        found.states[potential] = np.stack([recording[f"state.Na.{state}"] for state in STATES], axis=1)
    return found


def chances(potential: float, time: float, instances: int = 3) -> np.ndarray:
    """Return the chance of each state, (states,): binomial numbers of open subunits."""
    m, h = open_subunits("m", potential, 0.0, time), open_subunits("h", potential, 1.0, time)
    of_m = [math.comb(3, k) * m**k * (1.0 - m) ** (3 - k) for k in range(4)]
    if instances != 3:
        of_m[3] = m**instances
    return np.array([of_m[k] * (h if is_open else 1.0 - h) for k, is_open in product(range(4), range(2))])


def compare(found: Activation, instances: int = 3) -> list[Check]:
    """Compare the open fraction, and all states together, after each time at each potential."""
    checks = []
    for potential in POTENTIALS:
        for time in TIMES:
            expected, counted = chances(potential, time, instances), found.at(potential, time)
            if found.is_mean:
                # A solver's steps err by a share of all channels: nothing is said of states with next to none.
                for state in (one for one in (0, -1) if expected[one] > 0.01):
                    name = f"{STATES[state]} at {potential:g} mV after {time:g} ns"
                    checks.append(check_share(name, counted[state], found.count, expected[state]))
                continue
            if found.count * expected[-1] > 25.0:
                name = f"open at {potential:g} mV after {time:g} ns"
                checks.append(check_share(name, counted[-1], found.count, expected[-1]))
            is_frequent = found.count * expected > 10.0
            if instances == 3:
                # Rare states together; numbers that add up have the inverse covariance of one over their means.
                groups = [*counted[is_frequent], counted[~is_frequent].sum()]
                means = found.count * np.array([*expected[is_frequent], expected[~is_frequent].sum()])
                kept = means > 5.0
                difference = np.array(groups)[kept] - means[kept]
                checks.append(
                    check_multinomial(
                        f"all states at {potential:g} mV after {time:g} ns", difference, means[kept]
                    )
                )
    return checks


def check_multinomial(name: str, difference: np.ndarray, means: np.ndarray) -> Check:
    """Return Pearson's (1900) chi square, with one degree of freedom less than there are numbers."""
    from scipy.stats import chi2

    check = check_chi_square(name, difference, np.sqrt(means))
    degrees = len(means) - 1
    return Check(
        name,
        check.measured,
        math.sqrt(2.0 * degrees),
        degrees,
        "chi²",
        own_p_value=float(chi2.sf(check.measured, degrees)),
    )


def draw(found: Activation) -> Picture:
    """Draw the open fraction over time."""
    lines, points = [], []
    for potential in POTENTIALS:
        label, time = f"{potential:g} mV".replace("-", "−"), found.time[potential]
        dense = np.linspace(0.0, TIMES[-1], 200)
        lines.append(Line(label, dense, np.array([chances(potential, one)[-1] for one in dense])))
        shown = np.arange(len(time)) % 3 == 0
        share = found.states[potential][shown, -1] / found.count
        error = np.sqrt(share * (1.0 - share) / found.count)
        points.append(Points(label, time[shown], share, error))
    return Picture("time after the step (ns)", "open fraction", tuple(lines), tuple(points))


LAW = Law(
    name="hodgkin-huxley",
    claim="Single sodium channels of four subunits activate and inactivate as the equations for m and h say.",
    formula="p_open = m³h,  dm/dt = α_m (1 − m) − β_m m,  dh/dt = α_h (1 − h) − β_h h",
    references=("Hodgkin & Huxley (1952), J. Physiol. 117:500",),
    engines=("brownian", "lattice", "continuum"),
    solved_on=("continuum",),
    measure=measure,
    compare=compare,
    twins={"two activating subunits instead of three": lambda found: compare(found, instances=2)},
    draw=draw,
)
