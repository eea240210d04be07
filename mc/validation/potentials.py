"""What several laws of the membrane potential share: a patch at rest, and its potential beside GHK's."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mc import theory
from mc.comparison import PotentialComparison
from mc.validation.law import SAMPLES_PER_DEGREE_OF_FREEDOM, Check, Trial
from mc.validation.scenarios import BODY_TEMPERATURE, CAPACITANCE, channel, patch

VALENCES = {"K": 1, "Na": 1, "Cl": -1, "Ca": 2}

STEPS_OF_CHARGING = 40
"""Steps in a charging time."""

EQUILIBRATION = 10.0
"""Charging times left out."""

AREA = {"brownian": 5000.0, "lattice": 1e6, "continuum": 1e6}
LENGTH = {"brownian": 15.0, "lattice": 100.0, "continuum": 100.0}
TIME_STEP = {"brownian": 1.0, "lattice": 10.0, "continuum": 2000.0}
"""nm2, nm and ns, by engine: the lattice takes patches and steps that particles do not reach."""

CELL_OF_MEANS = 50.0
"""nm."""

GEOMETRY = {
    "brownian": "",
    "lattice": "",
    "continuum": f'boundary = "bath"\ngrid_spacing = "{CELL_OF_MEANS} nm"',
}
"""The continuum, which is compared to the last digits, charges so slowly that baths stay uniform, does not run down,
and has cells far larger than the diffuse layers, see `ghk-potential`."""


def resting_patch(
    engine: str,
    title: str,
    inside: Mapping[str, float],
    outside: Mapping[str, float],
    permeability: Mapping[str, float],
    charging_times: float,
    more: str = "",
    interval: float | None = None,
) -> str:
    """Return a patch with open channels of these relative permeabilities that charges within 40 steps.

    It lasts 10 charging times more than `charging_times`; `interval` between records in ns, by default half of one.
    """
    names = [name for name in inside if name in permeability]
    charging_time = STEPS_OF_CHARGING * TIME_STEP[engine]
    conductance = slope_conductance(names, inside, outside, permeability)
    unit = CAPACITANCE * AREA[engine] / charging_time / conductance
    n_channels = 200
    return patch(
        title,
        inside=inside,
        outside=outside,
        area=AREA[engine],
        length=LENGTH[engine],
        duration=(EQUILIBRATION + charging_times) * charging_time,
        time_step=TIME_STEP[engine],
        interval=interval or charging_time / 2.0,
        geometry=GEOMETRY[engine],
        more="".join(
            channel(f"{name} leak", n_channels, {name: unit * permeability[name] / n_channels})
            for name in names
        )
        + more,
    )


def charging_times(trial: Trial) -> float:
    """Return how many charging times are averaged: a few where nothing fluctuates."""
    return 10.0 if trial.engine == "continuum" else float(trial.pick(1000.0, 6000.0))


def equilibration_time(engine: str) -> float:
    """Return the time that is left out in ns."""
    return EQUILIBRATION * STEPS_OF_CHARGING * TIME_STEP[engine]


def slope_conductance(
    names: list[str],
    inside: Mapping[str, float],
    outside: Mapping[str, float],
    permeability: Mapping[str, float],
) -> float:
    """Return dI/dV of the GHK currents at their potential of zero current, e/(mV ns) for permeability in nm3/ns."""
    p, c_in, c_out = (np.array([one[name] for name in names]) for one in (permeability, inside, outside))
    valences = np.array([VALENCES[name] for name in names])
    rest = theory.ghk_potential(p, c_in, c_out, valences, BODY_TEMPERATURE)
    below, above = (
        theory.ghk_current(p, c_in, c_out, valences, rest + shift, BODY_TEMPERATURE).sum()
        for shift in (-0.5, 0.5)
    )
    return float(above - below)


def check_potential(name: str, comparison: PotentialComparison, expected: float | None = None) -> Check:
    """Return the check of a mean potential against GHK of the same moments, or against `expected` in mV.

    The standard error is that of the difference record by record.
    """
    difference, ghk = comparison.difference, comparison.ghk_potential
    if difference is None or ghk is None:
        raise ValueError("no channel was open")
    return Check(
        name,
        ghk.mean + difference.mean,
        difference.standard_error,
        ghk.mean if expected is None else expected,
        "mV",
        max(1.0, difference.n_effective / SAMPLES_PER_DEGREE_OF_FREEDOM),
    )
