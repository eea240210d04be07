"""Where a scenario would come to rest, and what flows there, by the macroscopic equations."""

import math

import numpy as np

from mc import theory
from mc.constants import (
    LARGEST_GATING_POTENTIAL,
)
from mc.scenario.carriers import Pump, Transporter
from mc.scenario.schema import Scenario
from mc.scenario.time_steps import transporter_rates


def mean_permeabilities(scenario: Scenario, potential: float) -> dict[str, float]:
    """Return the mean permeability in nm3/ns of the whole patch for each species, with gates as they rest at V."""
    total: dict[str, float] = {}
    for channel in scenario.channels:
        for name, permeability in channel.mean_permeability(potential, scenario.ligands_at_start).items():
            total[name] = total.get(name, 0.0) + channel.count * permeability
    return {name: permeability for name, permeability in total.items() if permeability > 0}


def ghk_potential(scenario: Scenario, pump_current: float) -> float | None:
    """Return where the current vanishes, in mV: where gates depend on the potential, with them as they rest there.

    Of several such potentials, the most negative one.
    """
    if all(channel.gating is None or channel.gating.is_constant for channel in scenario.channels):
        return _ghk_potential_at(scenario, pump_current, 0.0)
    potentials = np.linspace(-LARGEST_GATING_POTENTIAL, LARGEST_GATING_POTENTIAL, 301)
    low = None
    for potential in map(float, potentials):
        reversal = _ghk_potential_at(scenario, pump_current, potential)
        if reversal is None or not math.isfinite(reversal):
            continue
        if reversal > potential:
            low = potential
        elif low is not None:
            high = potential
            for _ in range(40):
                middle = (low + high) / 2.0
                is_above = (_ghk_potential_at(scenario, pump_current, middle) or 0.0) > middle
                low, high = (middle, high) if is_above else (low, middle)
            return (low + high) / 2.0
    return None


def rest_with_pumps(scenario: Scenario, ghk: float | None) -> tuple[float | None, float]:
    """Return where channels, pumps and transporters together carry no current, in mV, and that of the latter in e/ns.

    Where transporters carry charge, their current follows the potential: outward the more, the more positive it is,
    so that there is one such potential.
    """
    if not scenario.carriers:
        return ghk, 0.0

    def rest_and_current(potential: float) -> tuple[float | None, float]:
        current = sum(pump_currents(scenario, potential).values())
        return ghk_potential(scenario, current), current

    low, high = -LARGEST_GATING_POTENTIAL, LARGEST_GATING_POTENTIAL
    at_low, at_high = rest_and_current(low), rest_and_current(high)
    if at_low[1] == at_high[1] or ghk is None or not math.isfinite(ghk):
        return at_low
    for _ in range(30):
        middle = (low + high) / 2.0
        rest, _current = rest_and_current(middle)
        low, high = (middle, high) if rest is not None and rest > middle else (low, middle)
    return rest_and_current((low + high) / 2.0)


def _ghk_potential_at(scenario: Scenario, pump_current: float, gating_potential: float) -> float | None:
    """Return the potential in mV where no current flows through gates as they rest at another potential."""
    permeabilities = mean_permeabilities(scenario, gating_potential)
    if not permeabilities:
        return None
    valences = {name: scenario.species[name].valence for name in permeabilities}
    potential = float(
        theory.ghk_potential(
            permeabilities,
            scenario.inside,
            scenario.outside,
            valences,
            scenario.simulation.temperature,
            current=pump_current,
        )
    )
    return None if math.isnan(potential) else potential


def net_currents(scenario: Scenario, potential: float, gating_potential: float) -> dict[str, float]:
    """Return the outward current in e/ns of each permeant species at `potential` in mV, through gates that rest."""
    return {
        name: float(
            theory.ghk_current(
                permeability,
                scenario.inside.get(name, 0.0),
                scenario.outside.get(name, 0.0),
                scenario.species[name].valence,
                potential,
                scenario.simulation.temperature,
            )
        )
        for name, permeability in mean_permeabilities(scenario, gating_potential).items()
    }


def slope_conductance(scenario: Scenario, potential: float) -> float:
    """Return dI/dV of the whole patch in e/(mV ns), over 1 mV."""
    above, below = (
        sum(net_currents(scenario, potential + shift, potential).values()) for shift in (0.5, -0.5)
    )
    return above - below


def pump_currents(scenario: Scenario, potential: float) -> dict[str, float]:
    """Return the outward current in e/ns of each species through pumps and transporters, as the run starts."""
    currents: dict[str, float] = {}
    valences = {name: one.valence for name, one in scenario.species.items()}
    for carrier in scenario.carriers:
        cycles = carrier.count * _net_cycles(scenario, carrier, potential)
        for moved, sign in ((carrier.outward, 1), (carrier.inward, -1)):
            for name, number in moved.items():
                currents[name] = currents.get(name, 0.0) + cycles * sign * number * valences[name]
    return currents


def _net_cycles(scenario: Scenario, carrier: Pump | Transporter, potential: float) -> float:
    """Return the rate in 1/ns of forward minus backward cycles of one pump or transporter at the start."""
    if isinstance(carrier, Transporter):
        forward, backward = transporter_rates(scenario, carrier, potential)
        return forward - backward
    turnover = carrier.turnover * carrier.acceleration
    if (dependence := carrier.voltage_dependence) is not None:
        law = theory.VOLTAGE_DEPENDENCES[dependence.kind]
        turnover *= float(law(potential, 1.0, dependence.midpoint, dependence.scale))
    for solution, moved in ((scenario.inside, carrier.outward), (scenario.outside, carrier.inward)):
        for name, number in moved.items():
            concentration = solution.get(name, 0.0)
            filled = concentration / (concentration + carrier.half_saturation[name])
            turnover *= filled ** carrier.hill.get(name, number)
    return turnover
