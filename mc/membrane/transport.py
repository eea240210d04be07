"""Pumps and transporters: cycles as events, one protein at a time.

A pump turns at a rate set by the ions beside it and fires when that rate, integrated over time, has used up an
exponential number: an exact Poisson process for a rate that is constant over a step.

A pump spends ATP and runs one way. A transporter is driven by gradients alone and runs both ways, at rates whose
ratio is exp(-dG/kT), with dG of a cycle as concentrations and potential are on both sides of it.
"""

import math
from typing import NamedTuple

import numpy as np

from mc.compilation import compiled, internal
from mc.constants import LARGEST_GATING_POTENTIAL
from mc.membrane.gating import rate_at
from mc.streams import exponential, uniform

MOST_IONS = 16
"""Largest number of ions of one species and direction in a cycle."""

FORWARD, BACKWARD = 0, 1


PUMP = np.dtype(
    [("remaining", "f8"), ("n_draws", "u4"), ("pump_type", "u4"), ("is_blocked", "?")], align=True
)
"""One pump: the integrated rate left until its next cycle; how many exponential numbers it has drawn, the counter of
its random stream; its type; whether it is blocked."""

PUMP_MOVE = np.dtype(
    [("step", "i8"), ("cycle", "u8"), ("pump", "u4"), ("ion", "u4"), ("species", "u1"), ("direction", "i1")],
    align=True,
)
"""One ion moved in a cycle; direction +1 is outward."""


class Pumps(NamedTuple):
    """Every pump and every transporter; forward is what the scenario calls outward and inward."""

    each: np.ndarray
    """(pumps,) of PUMP."""
    turnover: np.ndarray
    """(types,) largest rate of cycles of one pump, acceleration included, 1/ns."""
    stoichiometry: np.ndarray
    """(types, species, 2) ions of a forward cycle, outward and inward: taken from inside and from outside."""
    exponents: np.ndarray
    """(types, species, 2) of the saturation by each of these; the stoichiometry itself, or Hill coefficients."""
    half_saturation: np.ndarray
    """(types, species, 2) inside and outside, mM."""
    laws: np.ndarray
    """(types,) of `gating.LAW`: a factor on the rate that depends on the potential."""
    is_reversible: np.ndarray
    """(types,)"""
    exponent_per_potential: np.ndarray
    """(types,) net charge carried outward in a forward cycle over kT/e, 1/mV."""
    cycles: np.ndarray
    """(types, 2) cycles so far, forward and backward."""
    potentials: np.ndarray
    """(pumps,) mV, between the layers that each senses, inside minus outside."""
    concentrations: np.ndarray
    """(species, 2) beside the membrane, as the pump at work senses them, mM."""
    nearest: np.ndarray
    """(species, 2, MOST_IONS) working memory: the ions of the cycle that is being made."""


class PumpMoves(NamedTuple):
    """A buffer of ions moved; `n`, of shape (1,), counts the rows used."""

    n: np.ndarray
    rows: np.ndarray


@compiled
def saturation(concentration, half_saturation, ions):
    """Return (c/(c + K))^n, the chance that all `ions` binding sites of one kind are filled."""
    return (concentration / (concentration + half_saturation)) ** ions


@internal
def cycle_rates(pumps, pump_type, concentrations, potential):
    """Return the rates of forward and of backward cycles of one pump in 1/ns.

    `concentrations`: (species, 2) inside and outside, mM; `potential`: inside minus outside, mV.

    A pump: the product of the saturations of all ions on the side they are taken from (Smith & Crampin 2004, Prog.
    Biophys. Mol. Biol. 85:387, in the limit of rapid, independent binding). A transporter needs its sites filled on
    that side and empty on the other, and half of the potential's work counts for the way there, half against the
    way back. The ratio of its rates is then the product of (c from/c to)^n times exp(charge potential/(kT/e)): exact
    detailed balance, also where single charges move the potential, because half of the work each way is that of the
    mean of the potentials before and after.
    """
    potential = min(max(potential, -LARGEST_GATING_POTENTIAL), LARGEST_GATING_POTENTIAL)
    forward = pumps.turnover[pump_type] * rate_at(pumps.laws[pump_type], potential)
    backward = forward if pumps.is_reversible[pump_type] else 0.0
    for species in range(concentrations.shape[0]):
        for side in range(2):
            ions = pumps.exponents[pump_type, species, side]
            if ions > 0.0:
                here, there = concentrations[species, side], concentrations[species, 1 - side]
                half_here = pumps.half_saturation[pump_type, species, side]
                half_there = pumps.half_saturation[pump_type, species, 1 - side]
                forward *= saturation(here, half_here, ions)
                if pumps.is_reversible[pump_type]:
                    forward *= (half_there / (there + half_there)) ** ions
                    # Empty here, at K/(c + K), times the ratio of both K: a change of affinity is paid for.
                    backward *= (
                        saturation(there, half_there, ions) * (half_there / (here + half_here)) ** ions
                    )
    if pumps.is_reversible[pump_type]:
        # What the potential does for a forward cycle, shared by both ways.
        factor = math.exp(0.5 * pumps.exponent_per_potential[pump_type] * potential)
        forward *= factor
        backward /= factor
    return forward, backward


@internal
def find_nearest(positions, first, last, side, length, nearest):
    """Fill `nearest` with the ions of one side closest to the membrane, among ions `first` to `last` - 1.

    `side`: 0 cytoplasm, 1 outside; ions farther than `length` nm are in no bath. Returns how many were found, at
    most the size of `nearest`.
    """
    found = 0
    for ion in range(first, last):
        distance = positions[ion] if side == 1 else -positions[ion]
        if distance <= 0.0 or distance > length:
            continue
        if found == nearest.size and distance >= abs(positions[nearest[found - 1]]):
            continue
        place = min(found, nearest.size - 1)
        while place > 0 and abs(positions[nearest[place - 1]]) > distance:
            nearest[place] = nearest[place - 1]
            place -= 1
        nearest[place] = ion
        found = min(found + 1, nearest.size)
    return found


@compiled
def squared_distance(x, place, site, period):
    """Return the squared distance of an ion from a site at the membrane, periodic along it."""
    along = abs(place - site)
    along = min(along, period - along)
    return float(x) * float(x) + along * along


@internal
def find_nearest_to_site(positions, places, site, period, first, last, side, length, nearest):
    """Fill `nearest` with the ions of one side closest to a site, as `find_nearest` does with those at the membrane.

    `places`: (ions,) along the membrane in nm, on an axis of length `period`.
    """
    found = 0
    farthest = 0.0
    for ion in range(first, last):
        distance = positions[ion] if side == 1 else -positions[ion]
        if distance <= 0.0 or distance > length:
            continue
        squared = squared_distance(distance, places[ion], site, period)
        if found == nearest.size and squared >= farthest:
            continue
        place = min(found, nearest.size - 1)
        while place > 0:
            other = nearest[place - 1]
            if squared_distance(positions[other], places[other], site, period) <= squared:
                break
            nearest[place] = other
            place -= 1
        nearest[place] = ion
        found = min(found + 1, nearest.size)
        last_one = nearest[found - 1]
        farthest = squared_distance(positions[last_one], places[last_one], site, period)
    return found


@internal
def integrate_rate(pump, i_pump, rate, time_step, key):
    """Advance one pump's waiting by a step; return how many cycles fall due. `pump`: a record of PUMP."""
    time_left = time_step
    due = 0
    while rate * time_left > pump.remaining:
        time_left -= pump.remaining / rate
        due += 1
        pump.n_draws += 1
        pump.remaining = exponential(key, i_pump, pump.n_draws)
    pump.remaining -= rate * time_left
    return due


@internal
def choose_direction(pump, i_pump, cycle, forward, backward, key):
    """Return FORWARD or BACKWARD for one of the cycles that fell due in a step, number `cycle` from the last."""
    if backward == 0.0:
        return FORWARD
    draw = uniform(key, i_pump, pump.n_draws - cycle)
    return FORWARD if draw * (forward + backward) < forward else BACKWARD
