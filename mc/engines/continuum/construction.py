"""A scenario becomes the grid, the stores and the flows of the continuum."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mc.constants import (
    IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR,
    VACUUM_PERMITTIVITY,
    thermal_potential,
    water_permittivity,
)
from mc.engines import proteins
from mc.engines.continuum.equations import Equations
from mc.engines.continuum.flows import (
    ChannelGroups,
    Crossings,
    Electrodiffusion,
    Gating,
    PumpGroups,
    Pumping,
    Stores,
    make_stores,
)
from mc.engines.continuum.grid import Grid, make_grid, make_stiffness
from mc.membrane.gating import Channels
from mc.membrane.transport import Pumps
from mc.scenario.composition import Composition
from mc.scenario.placement import place
from mc.scenario.resolution import continuum_nodes, resolve_columns
from mc.scenario.schema import Scenario
from mc.theory import stationary_distribution


class Model(NamedTuple):
    """Everything that stays as it is through a run, but for what a protocol blocks."""

    grid: Grid
    stores: Stores
    channels: ChannelGroups
    pumps: PumpGroups
    channel_group: NDArray[np.int64]
    """(channels,) the group of each."""
    pump_group: NDArray[np.int64]
    """(pumps,) the group of each."""
    crossings: Crossings
    equations: Equations


def make_continuum_grid(scenario: Scenario, composition: Composition) -> Grid:
    """Return the cells of a scenario."""
    geometry = scenario.geometry
    cells = resolve_columns(scenario)
    return make_grid(
        continuum_nodes(scenario, composition),
        geometry.area,
        math.prod(cells),
        geometry.transverse_lengths[0] if cells else 1.0,
    )


def make_model(
    scenario: Scenario,
    composition: Composition,
    channels: Channels,
    pumps: Pumps,
    seed: int,
    clamped_potential: float | None,
) -> Model:
    """Return the equations of a scenario; `channels` and `pumps`: its proteins one by one."""
    grid, names = make_continuum_grid(scenario, composition), composition.names
    placement = place(scenario, seed)
    channel_groups, channel_group = _group_channels(scenario, names, channels, placement.channels, grid)
    pump_groups, pump_group = _group_pumps(pumps, placement.pumps, grid)
    is_open = scenario.geometry.boundary == "bath"
    stores = make_stores(
        len(names),
        grid.n_nodes,
        channel_groups.state_group.size,
        len(scenario.channels),
        len(scenario.carriers),
        grid.columns if is_open else 0,
    )
    valences = composition.valences.astype(np.int64)
    thermal, membrane = thermal_potential(scenario.simulation.temperature), scenario.membrane
    per_volume = IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
    crossings = Crossings(grid, stores, channel_groups, valences, thermal)
    kinds = (
        Electrodiffusion(grid, stores, valences, composition.diffusion_coefficients, thermal),
        crossings,
        Gating(grid, stores, channel_groups, channels.laws, channels.ligands, per_volume),
        Pumping(grid, stores, pump_groups, pumps, per_volume),
    )
    stiffness = make_stiffness(
        grid,
        VACUUM_PERMITTIVITY * water_permittivity(scenario.simulation.temperature),
        membrane.capacitance,
        membrane.thickness,
    )
    carrier = names.index(scenario.protocol.carrier) if scenario.protocol.carrier else 0
    equations = Equations(grid, stores, valences, kinds, stiffness, carrier, is_open, clamped_potential)
    return Model(grid, stores, channel_groups, pump_groups, channel_group, pump_group, crossings, equations)


def fill_sides(scenario: Scenario, composition: Composition) -> NDArray[np.float64]:
    """Return the number of ions of each species on each side, (species, 2), in fractions of an ion.

    The impermeant anion makes each side neutral; where whole ions need none, an ion that there is most of.
    """
    geometry, names = scenario.geometry, composition.names
    ions = np.zeros((len(names), 2))
    anion = scenario.impermeant_anion.name
    for side, (solution, length, counts) in enumerate(
        (
            (scenario.inside, geometry.inside_length, composition.counts_inside),
            (scenario.outside, geometry.outside_length, composition.counts_outside),
        )
    ):
        volume = geometry.area * length * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
        ions[:, side] = [solution.get(name, 0.0) * volume for name in names]
        charge = composition.valences @ ions[:, side]
        if anion in names and charge >= 0.0:
            ions[names.index(anion), side] += charge
        elif counts.any():
            most = int(np.argmax(np.where(np.abs(composition.valences) == 1, counts, -1)))
            ions[most, side] -= charge / composition.valences[most]
    return ions


def spread(ions: NDArray[np.float64], grid: Grid) -> NDArray[np.float64]:
    """Return so many ions of each species and side, (species, 2), evenly in their cells, (species, nodes)."""
    spread_out = np.zeros((len(ions), grid.n_nodes))
    for side in range(2):
        nodes = grid.nodes_of(side)
        volumes = grid.volumes[nodes]
        spread_out[:, nodes] = ions[:, side, None] * volumes / volumes.sum()
    return spread_out


def states_at_start(scenario: Scenario, groups: ChannelGroups, potential: float) -> NDArray[np.float64]:
    """Return the number of channels in each store of states: as they rest at a potential in mV, or all in one."""
    temperature = scenario.simulation.temperature
    shares = []
    for one in scenario.channels:
        of_type = np.zeros(len(one.states))
        if one.gating is None:
            of_type[:] = 1.0
        elif one.gating.initial is not None:
            of_type[one.gating.scheme.states.index(one.gating.initial)] = 1.0
        else:
            of_type[:] = stationary_distribution(
                one.gating.rate_matrix(potential, temperature, scenario.ligands_at_start)
            )
        shares.append(of_type)
    types = groups.group_type[groups.state_group]
    return np.array(
        [
            shares[channel_type][number] * groups.sizes[group]
            for channel_type, number, group in zip(
                types, groups.state_number, groups.state_group, strict=True
            )
        ],
        dtype=np.float64,
    )


def find_columns(places: NDArray[np.float64], grid: Grid) -> NDArray[np.int64]:
    """Return the column of cells at each place along the membrane."""
    if grid.columns == 1:
        return np.zeros(places.size, dtype=np.int64)
    return np.floor(places / grid.spacing_along).astype(np.int64) % grid.columns


def _group(
    types: NDArray, places: NDArray[np.float64], grid: Grid
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return type and column of each group of proteins, and the group of each protein."""
    keys = np.stack([types.astype(np.int64), find_columns(places, grid)], axis=1)
    groups, group = np.unique(keys, axis=0, return_inverse=True)
    return groups[:, 0], groups[:, 1], group.reshape(-1)


def _group_channels(
    scenario: Scenario,
    names: tuple[str, ...],
    channels: Channels,
    places: NDArray[np.float64],
    grid: Grid,
) -> tuple[ChannelGroups, NDArray[np.int64]]:
    group_type, group_column, group = _group(channels.chains["channel_type"], places, grid)
    numbers = [np.arange(len(scenario.channels[one].states)) for one in group_type]
    state_group = np.repeat(np.arange(group_type.size), [one.size for one in numbers])
    state_number = np.concatenate([np.zeros(0, dtype=np.int64), *numbers])
    by_level = proteins.level_permeabilities(scenario, names)
    types = group_type[state_group]
    return (
        ChannelGroups(
            group_type=group_type,
            group_column=group_column,
            sizes=np.bincount(group, minlength=group_type.size),
            state_group=state_group,
            state_number=state_number,
            permeabilities=by_level[types, channels.levels[types, state_number]],
            free_share=np.ones(group_type.size),
        ),
        group,
    )


def _group_pumps(
    pumps: Pumps, places: NDArray[np.float64], grid: Grid
) -> tuple[PumpGroups, NDArray[np.int64]]:
    group_type, group_column, group = _group(pumps.each["pump_type"], places, grid)
    counts = np.bincount(group, minlength=group_type.size).astype(np.float64)
    return PumpGroups(group_type, group_column, counts), group
