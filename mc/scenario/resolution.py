"""How finely a scenario is resolved in space: cells, voxels and nodes, by default and as it says."""

import math

import numpy as np

from mc import theory
from mc.constants import (
    IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR,
)
from mc.scenario.composition import Composition
from mc.scenario.grading import graded_distances
from mc.scenario.schema import MOST_TRANSVERSE_CELLS, Scenario

_VOXELS, _MOST_VOXELS = 10, 200
"""Voxels of a lattice from the membrane to the nearer far end by default, and the most to the farther one."""

_NODES_PER_DEBYE_LENGTH = 5
"""Of the continuum, at the membrane."""

_CONTINUUM_COLUMNS = 32
"""Of the continuum along the membrane at most by default: a step takes four times as long with twice as many."""

_FINEST_GRID_IN_TWO_DIMENSIONS = 0.5
"""nm; default along x for short steps. It leaves a cell or two for the Debye length of a physiological solution."""

_FEWEST_CELLS = 20
"""Of the shorter side at least, where cells along x would be larger because steps are long."""

_TRANSVERSE_SPACING = 1.0
"""nm; default along y for short steps, about the width of a mouth. Along the membrane nothing is finer."""

_FEWEST_TRANSVERSE_CELLS = 4


def is_lattice(scenario: Scenario) -> bool:
    """Return whether ions are counted in voxels rather than followed."""
    return scenario.simulation.engine == "lattice"


def is_continuum(scenario: Scenario) -> bool:
    """Return whether there are concentrations and no ions."""
    return scenario.simulation.engine == "continuum"


def follows_ions(scenario: Scenario) -> bool:
    """Return whether every ion has a place of its own."""
    return scenario.simulation.engine == "brownian"


def longest_step(composition: Composition, time_step: float) -> float:
    """Return the standard deviation along an axis of a step of the fastest ion, sqrt(2 D dt) in nm."""
    return math.sqrt(2.0 * float(composition.diffusion_coefficients.max()) * time_step)


def resolve_grid_spacing(scenario: Scenario, composition: Composition, time_step: float) -> float:
    """Return the size in nm of a cell of the field's grid along x; of the continuum, of the smallest.

    By default a quarter of the shorter Debye length, with at least 40 cells on the shorter side and at most
    1000 on the longer. In two dimensions, where the field is solved for every cell in every step, at least half a
    nanometre and half of `longest_step`, for what is finer the steps smear; but for that at most a Debye length. Of a
    lattice it is the size of its voxels.
    """
    geometry = scenario.geometry
    if is_lattice(scenario):
        return resolve_voxel_size(scenario)
    if geometry.grid_spacing is not None:
        return geometry.grid_spacing
    if is_continuum(scenario):
        return float(min(np.diff(one).min() for one in continuum_nodes(scenario, composition)))
    lengths = (geometry.inside_length, geometry.outside_length)
    debye_length = min(find_debye_lengths(scenario, composition))
    spacing = max(min(debye_length, min(lengths) / 10) / 4, max(lengths) / 1000)
    if geometry.dimensions == 1:
        return spacing
    smeared = min(longest_step(composition, time_step) / 2, debye_length, min(lengths) / _FEWEST_CELLS)
    # Whole cells on the shorter side.
    smeared = min(lengths) / math.ceil(min(lengths) / smeared - 1e-9)
    return max(spacing, smeared, _FINEST_GRID_IN_TWO_DIMENSIONS)


def continuum_nodes(scenario: Scenario, composition: Composition) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances from the membrane in nm of the nodes of the continuum along x, inside and outside.

    Spaced as the scenario says, or from a fifth of the Debye length at the membrane up to a tenth of the bath.
    """
    geometry, inside, outside = scenario.geometry, *find_debye_lengths(scenario, composition)
    spacing = geometry.grid_spacing
    return (
        graded_distances(
            geometry.inside_length,
            spacing or inside / _NODES_PER_DEBYE_LENGTH,
            spacing or geometry.inside_length / _VOXELS,
        ),
        graded_distances(
            geometry.outside_length,
            spacing or outside / _NODES_PER_DEBYE_LENGTH,
            spacing or geometry.outside_length / _VOXELS,
        ),
    )


def resolve_voxel_size(scenario: Scenario) -> float:
    """Return the size in nm of a lattice's voxels along x."""
    return scenario.geometry.grid_spacing or _default_voxel_size(scenario)


def _default_voxel_size(scenario: Scenario) -> float:
    """Return a tenth of the shorter bath, in nm, but on the longer one at most 200 voxels."""
    lengths = (scenario.geometry.inside_length, scenario.geometry.outside_length)
    return max(min(lengths) / _VOXELS, max(lengths) / _MOST_VOXELS)


def resolve_transverse_cells(
    scenario: Scenario, composition: Composition, time_step: float
) -> tuple[int, ...]:
    """Return the number of cells of the field's grid along each axis of the membrane: none in one dimension.

    A power of two, for the Fourier transform, that makes cells as near as it can to `grid_spacing_y`, by default
    1 nm, or `longest_step` where that is more, but for that at most two Debye lengths; from 4 to 2048.
    """
    if not follows_ions(scenario):
        return resolve_columns(scenario)
    smeared = min(longest_step(composition, time_step), 2.0 * min(find_debye_lengths(scenario, composition)))
    return _cells_along(scenario, max(_TRANSVERSE_SPACING, smeared))


def resolve_columns(scenario: Scenario) -> tuple[int, ...]:
    """Return the columns of voxels along each axis of the membrane, by default as wide as voxels are along x."""
    default = _default_voxel_size(scenario)
    if is_continuum(scenario):
        lengths = scenario.geometry.transverse_lengths
        default = max(default, *(length / _CONTINUUM_COLUMNS for length in lengths), 0.0)
    return _cells_along(scenario, default)


def _cells_along(scenario: Scenario, default: float) -> tuple[int, ...]:
    spacing = scenario.geometry.grid_spacing_y or default
    return tuple(
        min(max(2 ** round(math.log2(length / spacing)), _FEWEST_TRANSVERSE_CELLS), MOST_TRANSVERSE_CELLS)
        for length in scenario.geometry.transverse_lengths
    )


def concentrations(scenario: Scenario, composition: Composition) -> tuple[np.ndarray, np.ndarray]:
    """Return the concentrations in mM of the counted ions, inside and outside, in the composition's order."""
    geometry = scenario.geometry
    return (
        composition.counts_inside
        / (geometry.area * geometry.inside_length * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR),
        composition.counts_outside
        / (geometry.area * geometry.outside_length * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR),
    )


def find_debye_lengths(scenario: Scenario, composition: Composition) -> list[float]:
    """Return the Debye length in nm of the counted ions, inside and outside."""
    temperature = scenario.simulation.temperature
    return [
        float(theory.debye_length(concentrations, composition.valences, temperature))
        for concentrations in concentrations(scenario, composition)
    ]
