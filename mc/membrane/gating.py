"""Channels as Markov chains in continuous time, one chain for each channel.

A channel draws an exponential number and leaves its state when the rate out of it, integrated over time, has used
that number up. This is exact for rates that are constant over a step, whatever the step: a channel may make
several transitions in one (Gillespie 1977, J. Phys. Chem. 81:2340, the direct method's waiting times).
"""

from typing import NamedTuple

import numpy as np

from mc.compilation import compiled, internal
from mc.streams import exponential, uniform

CHAIN = np.dtype(
    [("remaining", "f8"), ("n_draws", "u4"), ("channel_type", "u4"), ("state", "u1"), ("is_open", "?")],
    align=True,
)
"""One channel's chain: the integrated rate left until its next transition; how many exponential numbers it has drawn,
the counter of its random stream; its type and state; whether that state conducts."""

TRANSITION = np.dtype(
    [("step", "i8"), ("time", "f8"), ("channel", "u4"), ("from_state", "u1"), ("to_state", "u1")], align=True
)
"""One transition, at its own time within the step."""


class Channels(NamedTuple):
    """Every channel."""

    chains: np.ndarray
    """(channels,) of CHAIN."""
    rates: np.ndarray
    """(types, states, states) from row to column, 1/ns; the diagonal is zero."""
    leaving_rates: np.ndarray
    """(types, states) the sum of each row."""
    conducts: np.ndarray
    """(types, states) bool."""
    n_open: np.ndarray
    """(types,) open channels."""


class Transitions(NamedTuple):
    """A buffer of transitions; `n`, of shape (1,), counts the rows used."""

    n: np.ndarray
    rows: np.ndarray


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
        leaving_rate = channels.leaving_rates[channel_type, chain.state]
        while leaving_rate * time_left > chain.remaining:
            time_left -= chain.remaining / leaving_rate
            before = chain.state
            draw = uniform(choice_key, channel, chain.n_draws)
            after = choose_state(channels.rates[channel_type, before], leaving_rate, draw)
            chain.n_draws += 1
            chain.remaining = exponential(waiting_key, channel, chain.n_draws)
            chain.state = after
            channels.n_open[channel_type] -= int(chain.is_open)
            chain.is_open = channels.conducts[channel_type, after]
            channels.n_open[channel_type] += int(chain.is_open)
            row = transitions.rows[transitions.n[0]]
            row.step = step + 1
            row.time = (step + 1) * time_step - time_left
            row.channel = channel
            row.from_state = before
            row.to_state = after
            transitions.n[0] += 1
            leaving_rate = channels.leaving_rates[channel_type, after]
        chain.remaining -= leaving_rate * time_left
