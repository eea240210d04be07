"""How the continuum goes from one moment to another: steps as long as their error allows, and no count below zero."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mc.engines.continuum import rosenbrock
from mc.engines.continuum.equations import Drive, Equations
from mc.engines.continuum.flows import Stores
from mc.engines.continuum.grid import Grid
from mc.errors import StabilityError

TOLERANCE = 1e-5
"""Of a step's error, relative to the ions of a cell and the mean of its row, and to the channels of a type."""

POTENTIAL_TOLERANCE = 1e-3
"""mV."""

NEGLIGIBLE = 1e-3
"""Share of the ions of a species in a cell, on average of both sides, below which errors need not be relative."""

SAFETY, LEAST_FACTOR, LARGEST_FACTOR = 0.85, 0.2, 5.0
"""Of a step's length to the next one's."""

SHORTEST = 1e-9
"""Shortest step over the time to be gone."""


class Scales(NamedTuple):
    """What errors are measured by."""

    tolerance: float
    ions: NDArray[np.float64]
    """(species, 1) of a cell, that are not worth more accuracy than that."""
    channels: NDArray[np.float64]
    """(states,) channels of the group of each."""


def integrate(
    equations: Equations,
    drive: Drive,
    stores: NDArray[np.float64],
    begin: float,
    duration: float,
    first_step: float,
    scales: Scales,
) -> tuple[NDArray[np.float64], float]:
    """Return the stores after `duration` ns, and the length of step that suits them then.

    Raises StabilityError where no step, however short, has a small error.
    """
    grid, numbering = equations.grid, equations.stores
    done, length = 0.0, first_step
    in_time = equations.in_time(drive)

    def derivative(time: float, variables: NDArray[np.float64]) -> NDArray[np.float64]:
        return equations.derivative(drive, time, variables)

    while done < duration:
        variables = np.concatenate([stores, equations.find_potential(stores)])
        jacobian = equations.jacobian(drive, variables)
        scale = _error_scale(numbering, grid, variables, scales)
        while True:
            # What would be left over is not worth a step.
            taken = length if done + 1.01 * length < duration else duration - done
            result = rosenbrock.step(
                derivative, jacobian, in_time, equations.mass, begin + done, variables, taken
            )
            error = float(np.max(np.abs(result.error) / scale))
            factor = SAFETY * (error + 1e-300) ** (-1.0 / rosenbrock.ORDER_OF_ERROR)
            factor = min(max(factor, LEAST_FACTOR), LARGEST_FACTOR) if math.isfinite(error) else LEAST_FACTOR
            if error <= 1.0:
                break
            length = factor * taken
            if length < SHORTEST * duration:
                raise StabilityError(
                    f"at {begin + done:g} ns the equations change faster than {length:.2g} ns can follow: a "
                    "concentration runs out, or a rate is far too fast"
                )
        # A last step that was cut short says little of how long the next may be.
        length = max(factor * taken, length) if taken < length else factor * taken
        after = keep_positive(result.variables[: numbering.n_stores], numbering, grid)
        if numbering.exchanged.size:
            # Reservoirs are as they are, to the last bit.
            at_ends = numbering.ions[:, grid.ends]
            after[at_ends] = stores[at_ends]
        stores = after
        done = duration if taken == duration - done else done + taken
    return stores, length


def _error_scale(
    numbering: Stores, grid: Grid, variables: NDArray[np.float64], scales: Scales
) -> NDArray[np.float64]:
    """Return what the error of each variable is to be below; what only counts what has been has none."""
    scale = np.full(numbering.size, math.inf)
    for side in range(2):
        here = numbering.ions[:, grid.nodes_of(side)]
        ions = np.abs(variables[here])
        scale[here] = scales.tolerance * (ions + ions.mean(axis=1, keepdims=True) + scales.ions)
    scale[numbering.states] = scales.tolerance * scales.channels
    scale[numbering.potential] = POTENTIAL_TOLERANCE / TOLERANCE * scales.tolerance
    return scale


def keep_positive(stores: NDArray[np.float64], numbering: Stores, grid: Grid) -> NDArray[np.float64]:
    """Return the stores without ions below zero, as many of a species on a side as there were.

    Where a step's error has left less than nothing in a cell, all cells of that side come nearer to their mean by the
    share that it takes: the limiter of Zhang & Shu (2010, J. Comput.
    Phys. 229:3091). It moves no more ions than the
    error has, and none where none is missing. What a whole side lacks, the other one gives; where there is none of a
    species on either side, what is below zero is rounding, and goes.
    """
    kept = stores.copy()
    # What is held by a reservoir stays as it is.
    held = grid.columns if numbering.exchanged.size else 0
    for side in range(2):
        nodes = grid.nodes_of(side)
        nodes = slice(nodes.start, nodes.stop - held)
        volumes = grid.volumes[nodes]
        for species, row in enumerate(numbering.ions[:, nodes]):
            ions = kept[row]
            if ions.min() >= 0.0:
                continue
            total = float(ions.sum())
            if total < 0.0:
                other = grid.nodes_of(1 - side)
                kept_there = numbering.ions[species, other.start : other.stop - held]
                there = float(kept[kept_there].sum())
                if there > 0.0:
                    kept[kept_there] *= 1.0 + total / there
            mean = max(total, 0.0) * volumes / volumes.sum()
            below = ions < 0.0
            share = float(np.min(mean[below] / (mean[below] - ions[below])))
            kept[row] = np.maximum(mean + share * (ions - mean), 0.0)
    return kept
