"""Pumps: cycles as events, one protein at a time.

A pump turns at a rate set by the ions beside it and fires when that rate, integrated over time, has used up an
exponential number: an exact Poisson process for a rate that is constant over a step.
"""

from typing import NamedTuple

import numpy as np

from mc.compilation import compiled, internal
from mc.streams import exponential

REACH = 5.0
"""nm; the layer beside the membrane whose concentrations a pump senses."""

MOST_IONS = 16
"""Largest number of ions of one species and direction in a cycle."""


PUMP = np.dtype([("remaining", "f8"), ("n_draws", "u4"), ("pump_type", "u4")], align=True)
"""One pump: the integrated rate left until its next cycle; how many exponential numbers it has drawn, the counter of
its random stream; its type."""

PUMP_MOVE = np.dtype(
    [("step", "i8"), ("cycle", "u8"), ("pump", "u4"), ("ion", "u4"), ("species", "u1"), ("direction", "i1")],
    align=True,
)
"""One ion moved in a cycle; direction +1 is outward."""


class Pumps(NamedTuple):
    """Every pump."""

    each: np.ndarray
    """(pumps,) of PUMP."""
    turnover: np.ndarray
    """(types,) largest rate of cycles of one pump, acceleration included, 1/ns."""
    stoichiometry: np.ndarray
    """(types, species, 2) ions of a cycle, outward and inward."""
    half_saturation: np.ndarray
    """(types, species) mM."""
    cycles: np.ndarray
    """(types,) cycles so far."""
    concentrations: np.ndarray
    """(species, 2) beside the membrane, as the pumps sense them now, mM."""
    rates: np.ndarray
    """(types,) cycles of one pump, 1/ns, at these concentrations."""
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
def turnover_rate(pumps, pump_type, concentrations):
    """Return the rate of cycles of one pump in 1/ns; `concentrations`: (species, 2) inside and outside, mM.

    Product of the saturations of all transported ions on the side they are taken from (Smith & Crampin 2004,
    Prog. Biophys. Mol. Biol. 85:387, in the limit of rapid, independent binding).
    """
    rate = pumps.turnover[pump_type]
    for species in range(concentrations.shape[0]):
        for side in range(2):
            ions = pumps.stoichiometry[pump_type, species, side]
            if ions > 0:
                half_saturation = pumps.half_saturation[pump_type, species]
                rate *= saturation(concentrations[species, side], half_saturation, ions)
    return rate


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
