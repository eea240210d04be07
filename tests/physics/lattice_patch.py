"""Membrane patches on the lattice, in steps that are short or long against the dielectric relaxation time."""

import numpy as np
from membrane_patch import BODY_TEMPERATURE, make_patch

from mc import theory
from mc.constants import thermal_potential
from mc.engines.lattice.engine import LatticeEngine

THERMAL = thermal_potential(BODY_TEMPERATURE)
RATIOS = (0.1, 1.0, 100.0, 1000.0)
"""Time step over the dielectric relaxation time of 150 mM KCl, 0.3 ns."""
RELAXATION_TIME = float(
    theory.dielectric_relaxation_time(
        np.array([150.0, 150.0]), np.array([1, -1]), np.array([2.53, 2.64]), BODY_TEMPERATURE
    )
)


def make_engine(seed, time_step, *, clamped_potential=None, **patch):
    """Return an engine of a patch, see `make_patch`, on one thread."""
    intervals = {"interval": 10.0 * time_step, "duration": 1e4 * time_step}
    scenario = make_patch(engine="lattice", time_step=time_step, **intervals | patch)
    return LatticeEngine(scenario, seed, time_step, 1, clamped_potential)


def slope_conductance(permeabilities, inside, outside, valences, potential):
    """Return dI/dV of GHK's current in e/(mV ns), over 1 mV."""
    currents = [
        theory.ghk_current(
            permeabilities, inside, outside, valences, potential + shift, BODY_TEMPERATURE
        ).sum()
        for shift in (-0.5, 0.5)
    ]
    return currents[1] - currents[0]


def watch(engine, n_records, steps_between):
    """Return observations at even intervals."""
    observations = []
    for _ in range(n_records):
        engine.advance(steps_between)
        observations.append(engine.observe())
    return observations
