"""The amplifier: what it wants of the membrane at a moment, in whole elementary charges.

A command is a straight line in time. Held is the potential, by the charge that belongs to it on the membrane's
capacitance, or the current, by the charge that is due. One charge is the least that can be moved.
"""

import math
from typing import NamedTuple

import numpy as np

from mc.compilation import compiled

FREE, CURRENT, VOLTAGE = 0, 1, 2


class Amplifier(NamedTuple):
    """What the amplifier does at present, and what it has done; each of shape (1,)."""

    mode: np.ndarray
    begin: np.ndarray
    """When the command began, ns."""
    level: np.ndarray
    """Of the command at that moment: mV, or e/ns into the cell."""
    slope: np.ndarray
    """Of the command in time, mV/ns or e/ns2."""
    due: np.ndarray
    """Charge that commands of current asked for before that moment, e."""
    given: np.ndarray
    """Charge that they got, e."""
    injected: np.ndarray
    """Charge that was moved into the cell altogether, e."""
    is_empty: np.ndarray
    """Whether an electrode found no ion to carry its current."""


def make_amplifier() -> Amplifier:
    """Return one that is switched off."""
    return Amplifier(
        mode=np.zeros(1, dtype=np.int64),
        begin=np.zeros(1),
        level=np.zeros(1),
        slope=np.zeros(1),
        due=np.zeros(1),
        given=np.zeros(1, dtype=np.int64),
        injected=np.zeros(1, dtype=np.int64),
        is_empty=np.zeros(1, dtype=np.bool_),
    )


def switch(amplifier: Amplifier, mode: int, now: float, level: float = 0.0, slope: float = 0.0) -> None:
    """Give the amplifier another command from `now`, in ns, on."""
    if amplifier.mode[0] == CURRENT:
        amplifier.due[0] = charge_due(amplifier, now)
    amplifier.mode[0], amplifier.begin[0] = mode, now
    amplifier.level[0], amplifier.slope[0] = level, slope


@compiled
def command_at(amplifier, now):
    """Return the command at a moment in ns: mV or e/ns."""
    return amplifier.level[0] + amplifier.slope[0] * (now - amplifier.begin[0])


@compiled
def charge_due(amplifier, now):
    """Return the charge that commands of current have asked for until now, in e: the integral of the line."""
    elapsed = now - amplifier.begin[0]
    return amplifier.due[0] + (amplifier.level[0] + 0.5 * amplifier.slope[0] * elapsed) * elapsed


@compiled
def charge_to_move(amplifier, now, membrane_charge, capacitance):
    """Return how many elementary charges are to be moved into the cell at the end of a step.

    `membrane_charge`: on the inner side of the membrane's capacitance (e/mV), those in pores by their depth, in e.
    """
    if amplifier.mode[0] == VOLTAGE:
        return math.floor(command_at(amplifier, now) * capacitance - membrane_charge + 0.5)
    if amplifier.mode[0] == CURRENT:
        return math.floor(charge_due(amplifier, now) + 0.5) - float(amplifier.given[0])
    return 0.0
