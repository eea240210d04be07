"""Membrane patches in the continuum for the tests of physics."""

import numpy as np
from membrane_patch import BODY_TEMPERATURE, make_patch

from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR, thermal_potential
from mc.engines.continuum import rosenbrock
from mc.engines.continuum.engine import ContinuumEngine
from mc.engines.continuum.equations import NO_DRIVE

THERMAL = thermal_potential(BODY_TEMPERATURE)
CAPACITANCE = 6.241509e-5
"""1 uF/cm2 in e/(mV nm2)."""


def make_engine(time_step, *, clamped_potential=None, **patch):
    """Return an engine of a patch, see `make_patch`."""
    intervals = {"interval": time_step, "duration": 1e5 * time_step}
    scenario = make_patch(engine="continuum", time_step=time_step, **intervals | patch)
    return ContinuumEngine(scenario, 1, time_step, 1, clamped_potential)


def advance(engine, n_steps):
    """Make exactly so many steps and look."""
    end = engine.step + n_steps
    while engine.step < end:
        engine.advance(end - engine.step)
    return engine.observe()


def set_outside(engine, concentrations):
    """Fill the bath outside with profiles, functions of the distance from the membrane in nm giving mM, by species.

    What that adds of each species becomes what there was at the start.
    """
    grid, numbering = engine.model.grid, engine.model.stores
    distances = np.repeat(grid.distances[1], grid.columns)
    nodes = grid.nodes_of(1)
    for name, profile in concentrations.items():
        species = engine.composition.names.index(name)
        ions = profile(distances) * grid.volumes[nodes] * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
        engine.state.stores[numbering.ions[species, nodes]] = ions
    by_node = engine.state.stores[numbering.ions]
    engine.ions_at_start = np.stack(
        [by_node[:, grid.nodes_of(side)].sum(axis=1) for side in range(2)], axis=1
    )


def step_evenly(engine, duration, n_steps):
    """Advance the equations by steps of one length, whatever their error, and return the stores."""
    equations, stores = engine.model.equations, engine.state.stores.copy()
    length, in_time = duration / n_steps, equations.in_time(NO_DRIVE)
    for i in range(n_steps):
        variables = np.concatenate([stores, equations.find_potential(stores)])
        stores = rosenbrock.step(
            lambda time, variables: equations.derivative(NO_DRIVE, time, variables),
            equations.jacobian(NO_DRIVE, variables),
            in_time,
            equations.mass,
            i * length,
            variables,
            length,
        ).variables[: stores.size]
    return stores
