"""Channels as Markov chains in continuous time, one chain for each channel.

A channel draws an exponential number and leaves its state when the rate out of it, integrated over time, has used
that number up. This is exact for rates that are constant over a step, whatever the step: a channel may make
several transitions in one (Gillespie 1977, J. Phys. Chem. 81:2340, the direct method's waiting times).

Rates may depend on the potential drop at the channel, in the forms that NeuroML names, and be proportional to the
concentration of a ligand there; over a step they are those of its start.

A state conducts at a level: 0 is closed, the others have permeabilities of their own. A blocked channel goes on from
state to state, at level 0.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import uint8

from mc.compilation import compiled, entry_point, internal
from mc.constants import LARGEST_GATING_POTENTIAL
from mc.streams import exponential, uniform

CHAIN = np.dtype(
    [
        ("remaining", "f8"),
        ("n_draws", "u4"),
        ("channel_type", "u4"),
        ("state", "u1"),
        ("level", "u1"),
        ("is_blocked", "?"),
    ],
    align=True,
)
"""One channel's chain: the integrated rate left until its next transition; how many exponential numbers it has drawn,
the counter of its random stream; its type and state; the level at which it conducts now; whether it is blocked."""

LAW = np.dtype(
    [("rate", "f8"), ("midpoint", "f8"), ("scale", "f8"), ("ligand", "i4"), ("form", "u1")], align=True
)
"""How the rate of a transition, in 1/ns, follows from the potential in mV; with a ligand, whose index it is and not
-1, in 1/ns for each mM of it."""

FORMS = ("constant", "HHExpRate", "HHSigmoidRate", "HHExpLinearRate")
"""The forms of a law, by number."""

TRANSITION = np.dtype(
    [("step", "i8"), ("time", "f8"), ("channel", "u4"), ("from_state", "u1"), ("to_state", "u1")], align=True
)
"""One transition, at its own time within the step."""


class Channels(NamedTuple):
    """Every channel."""

    chains: np.ndarray
    """(channels,) of CHAIN."""
    potentials: np.ndarray
    """(channels,) potential of the inner minus the outer face at each channel, mV."""
    laws: np.ndarray
    """(types, states, states) of LAW, from row to column; those of the diagonal are constant and zero."""
    is_constant: np.ndarray
    """(types,) whether no law of a type asks for the potential or a ligand."""
    has_ligands: np.ndarray
    """(types,) whether some law of a type asks for a ligand."""
    ligands: np.ndarray
    """(places, ligands) concentrations in mM: one place for all channels, or one for each."""
    rates: np.ndarray
    """(types, states, states) what the laws say, 1/ns: rows that are not constant are found anew as needed."""
    leaving_rates: np.ndarray
    """(types, states) the sum of each row, likewise."""
    found_in: np.ndarray
    """(types, states) the step in which a row was last found; before the first, -1."""
    found_at: np.ndarray
    """(types, states) the potential for which it was, mV."""
    levels: np.ndarray
    """(types, states) at which each state conducts; 0: not at all."""
    n_at_level: np.ndarray
    """(types, levels) channels that conduct so now."""


class Transitions(NamedTuple):
    """A buffer of transitions; `n`, of shape (1,), counts the rows used."""

    n: np.ndarray
    rows: np.ndarray


@compiled
def rate_at(law, potential):
    """Return the rate of one transition at a potential, for 1 mM of its ligand if it has one."""
    if law.form == 0:
        return law.rate
    x = (min(max(potential, -LARGEST_GATING_POTENTIAL), LARGEST_GATING_POTENTIAL) - law.midpoint) / law.scale
    if law.form == 1:
        return law.rate * math.exp(x)
    if law.form == 2:
        return law.rate / (1.0 + math.exp(-x))
    # Its limit at x = 0.
    if abs(x) < 1e-5:
        return law.rate * (1.0 + 0.5 * x)
    return law.rate * x / -math.expm1(-x)


@compiled
def is_found(channels, channel, channel_type, state, step):
    """Return whether another channel of the type, in the same state and under the same conditions, went before."""
    if channels.is_constant[channel_type]:
        return True
    # Ligands are those of a place: all channels', or each one's own.
    shares_ligands = channels.ligands.shape[0] == 1 or not channels.has_ligands[channel_type]
    return (
        shares_ligands
        and channels.found_in[channel_type, state] == step
        and channels.found_at[channel_type, state] == channels.potentials[channel]
    )


@compiled
def find_leaving_rate(channels, channel, channel_type, state, step):
    """Find the rates out of a state at the potential and the ligands of a channel, and return their sum."""
    if not is_found(channels, channel, channel_type, state, step):
        place = min(channel, channels.ligands.shape[0] - 1)
        total = 0.0
        for target in range(channels.rates.shape[2]):
            law = channels.laws[channel_type, state, target]
            rate = rate_at(law, channels.potentials[channel])
            if law.ligand >= 0:
                rate *= channels.ligands[place, law.ligand]
            channels.rates[channel_type, state, target] = rate
            total += rate
        channels.leaving_rates[channel_type, state] = total
        channels.found_in[channel_type, state] = step
        channels.found_at[channel_type, state] = channels.potentials[channel]
    return channels.leaving_rates[channel_type, state]


@compiled
def set_level(channels, channel):
    """Let a channel conduct as its state says, or not at all if it is blocked."""
    chain = channels.chains[channel]
    channels.n_at_level[chain.channel_type, chain.level] -= 1
    chain.level = uint8(0) if chain.is_blocked else channels.levels[chain.channel_type, chain.state]
    channels.n_at_level[chain.channel_type, chain.level] += 1


@compiled
def choose_state(rates, leaving_rate, draw):
    """Return the next state given the rates to each and their sum; `draw`: uniform in (0, 1)."""
    remaining = draw * leaving_rate
    chosen = 0
    for state in range(rates.size):
        if rates[state] > 0.0:
            chosen = state
            if remaining < rates[state]:
                break
            remaining -= rates[state]
    return chosen


@internal
def gate(channels, step, time_step, waiting_key, choice_key, transitions):
    """Advance every channel by step number `step`."""
    for channel in range(channels.chains.size):
        chain = channels.chains[channel]
        channel_type = chain.channel_type
        time_left = time_step
        leaving_rate = find_leaving_rate(channels, channel, channel_type, chain.state, step)
        while leaving_rate * time_left > chain.remaining:
            time_left -= chain.remaining / leaving_rate
            before = chain.state
            draw = uniform(choice_key, channel, chain.n_draws)
            after = choose_state(channels.rates[channel_type, before], leaving_rate, draw)
            chain.n_draws += 1
            chain.remaining = exponential(waiting_key, channel, chain.n_draws)
            chain.state = after
            set_level(channels, channel)
            row = transitions.rows[transitions.n[0]]
            row.step = step + 1
            row.time = (step + 1) * time_step - time_left
            row.channel = channel
            row.from_state = before
            row.to_state = after
            transitions.n[0] += 1
            leaving_rate = find_leaving_rate(channels, channel, channel_type, after, step)
        chain.remaining -= leaving_rate * time_left


@internal
def sum_states(chains, n_in_state):
    """Write how many channels of each type are in each state, (types, states)."""
    n_in_state[:] = 0
    for channel in range(chains.size):
        n_in_state[chains[channel].channel_type, chains[channel].state] += 1


@entry_point
def count_states(chains, n_in_state):
    """Do `sum_states` for who is no kernel."""
    sum_states(chains, n_in_state)
