"""Single channels of Hodgkin and Huxley gate as the equations of 1952 say, subunit by subunit, at clamped potentials.

Channels are Markov chains of four or eight subunits' states; the equations know only m, h and n. Rates here are
written out from the paper (Hodgkin & Huxley 1952, J. Physiol. 117:500, eqs. 12, 13, 20, 21, 23 and 24, potentials
moved so that rest is at -65 mV) and are not those of `mc.theory`. A million times life's speed: ns stand for ms.
"""

import math

import numpy as np
import pytest
from gated_channels import Gated

RATE = 1e-6
"""1/ms in 1/ns."""
ACCELERATION = 1e5
POTENTIALS = (-100.0, -65.0, -40.0, 0.0, 60.0)
"""mV; at -40 the linear form of m divides zero by zero."""
COUNT, DURATION = 2000, 400.0
TIMES = (5.0, 20.0, 60.0, 390.0)
"""ns, each 1e-5 of a ms here."""
SIGMAS = 5.0
"""Of binomial numbers: a false alarm in 6e-7 of all seeds for each comparison, of which there are 160."""


def rate(kind, per_ms, midpoint, scale):
    return {"kind": kind, "rate": per_ms * RATE, "midpoint": midpoint, "scale": scale}


N = {
    "name": "n",
    "instances": 4,
    "forward": rate("HHExpLinearRate", 0.1, -55.0, 10.0),
    "reverse": rate("HHExpRate", 0.125, -65.0, -80.0),
}
M = {
    "name": "m",
    "instances": 3,
    "forward": rate("HHExpLinearRate", 1.0, -40.0, 10.0),
    "reverse": rate("HHExpRate", 4.0, -65.0, -18.0),
}
H = {
    "name": "h",
    "instances": 1,
    "forward": rate("HHExpRate", 0.07, -65.0, -20.0),
    "reverse": rate("HHSigmoidRate", 1.0, -35.0, 10.0),
}
POTASSIUM, SODIUM = {"n": 4}, {"m": 3, "h": 1}
GATES = {"n": N, "m": M, "h": H}


def alpha_and_beta(gate, v):
    """Return the rates of a gate in 1/ms as the paper writes them, with v in mV and rest at -65."""
    if gate == "n":
        alpha = 0.1 if v == -55.0 else 0.01 * (v + 55.0) / (1.0 - math.exp(-(v + 55.0) / 10.0))
        return alpha, 0.125 * math.exp(-(v + 65.0) / 80.0)
    if gate == "m":
        alpha = 1.0 if v == -40.0 else 0.1 * (v + 40.0) / (1.0 - math.exp(-(v + 40.0) / 10.0))
        return alpha, 4.0 * math.exp(-(v + 65.0) / 18.0)
    return 0.07 * math.exp(-(v + 65.0) / 20.0), 1.0 / (1.0 + math.exp(-(v + 35.0) / 10.0))


def open_subunits(gate, v, start, time):
    """Return the chance of a subunit to be open at `time` (ns) after `start`, at clamped `v` (mV)."""
    alpha, beta = alpha_and_beta(gate, v)
    final = alpha / (alpha + beta)
    decay = math.exp(-(alpha + beta) * RATE * ACCELERATION * time)
    return final + (start - final) * decay


def simulate(subunits, potential, time_step, initial, seed=1, gates=GATES):
    gating = {"gates": [gates[gate] for gate in subunits], "acceleration": ACCELERATION}
    return Gated(gating, time_step, COUNT, DURATION, initial, seed, potential)


def score(measured, chance):
    """Return by how many standard errors a fraction of the channels lies off a chance."""
    error = math.sqrt(max(chance * (1.0 - chance), 1.0 / COUNT) / COUNT)
    return abs(measured - chance) / error


def largest_score(run, subunits, potential, start, exponents=None):
    """Compare the open fraction and the numbers of open subunits at all times; return the largest score."""
    scores = []
    states = [
        dict(zip(subunits, numbers, strict=True))
        for numbers in np.ndindex(*(n + 1 for n in subunits.values()))
    ]
    for time in TIMES:
        fractions = run.states_at(time) / COUNT
        chances = {gate: open_subunits(gate, potential, start[gate], time) for gate in subunits}
        expected = math.prod(chances[gate] ** (exponents or subunits)[gate] for gate in subunits)
        scores.append(score(fractions[-1], expected))
        for gate, n in subunits.items():
            for k in range(n + 1):
                binomial = math.comb(n, k) * chances[gate] ** k * (1.0 - chances[gate]) ** (n - k)
                of_k = sum(f for f, state in zip(fractions, states, strict=True) if state[gate] == k)
                scores.append(score(of_k, binomial))
    return max(scores)


@pytest.fixture(scope="module", params=POTENTIALS)
def sodium(request):
    """From all m shut and h open, as after a long rest far below the threshold."""
    return simulate(SODIUM, request.param, 1.0, "m0h1"), request.param


def test_sodium_channels_activate_and_inactivate(sodium):
    run, potential = sodium
    assert largest_score(run, SODIUM, potential, {"m": 0.0, "h": 1.0}) < SIGMAS


@pytest.mark.parametrize("time_step", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("potential", POTENTIALS)
def test_potassium_channels_activate_at_any_time_step(potential, time_step):
    run = simulate(POTASSIUM, potential, time_step, "n0", seed=2)
    assert largest_score(run, POTASSIUM, potential, {"n": 0.0}) < SIGMAS


def test_channels_start_as_they_rest_at_the_clamped_potential():
    run = simulate(SODIUM, -40.0, 1.0, None, seed=3)
    rest = {gate: open_subunits(gate, -40.0, 0.0, math.inf) for gate in SODIUM}
    first = np.bincount(run.initial_states, minlength=8) / COUNT
    assert score(first[-1], rest["m"] ** 3 * rest["h"]) < SIGMAS
    assert score(first[1::2].sum(), rest["h"]) < SIGMAS
    assert largest_score(run, SODIUM, -40.0, rest) < SIGMAS


def test_two_activating_subunits_instead_of_three_would_be_noticed():
    run = simulate(SODIUM, 0.0, 1.0, "m0h1")
    assert largest_score(run, SODIUM, 0.0, {"m": 0.0, "h": 1.0}, {"m": 2, "h": 1}) > SIGMAS


@pytest.mark.parametrize("key", ["forward", "reverse"])
def test_a_rate_that_changes_the_wrong_way_would_be_noticed(key):
    wrong = N | {key: N[key] | {"scale": -N[key]["scale"]}}
    run = simulate(POTASSIUM, 0.0, 1.0, "n0", gates={"n": wrong})
    assert largest_score(run, POTASSIUM, 0.0, {"n": 0.0}) > SIGMAS
