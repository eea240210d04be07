"""A scenario becomes the arrays of the lattice engine."""

import math

import numpy as np
from numpy.typing import NDArray

from mc import streams
from mc.constants import (
    IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR,
    VACUUM_PERMITTIVITY,
    thermal_potential,
    water_permittivity,
)
from mc.engines import proteins
from mc.engines.lattice import stepping
from mc.engines.lattice.crossing import Pores
from mc.engines.lattice.diffusion import (
    Row,
    Transitions,
    make_ring_transitions,
    make_row,
    pack_transitions,
)
from mc.engines.lattice.rows import Lanes, Scratch, Voxels
from mc.field import modes
from mc.field.poisson import Grid
from mc.membrane import gating
from mc.membrane.protocols import make_amplifier
from mc.scenario.composition import Composition
from mc.scenario.placement import place
from mc.scenario.resolution import resolve_columns, resolve_voxel_size
from mc.scenario.schema import Scenario
from mc.streams import stream_key

SPARE_TRANSITIONS = 1 << 17
"""Rows of the buffer of transitions beyond those that channels may fill in one step."""


def make_state(
    scenario: Scenario,
    composition: Composition,
    seed: int,
    time_step: float,
    threads: int,
    clamped_potential: float | None,
) -> stepping.State:
    """Return the arrays of a run at its start: ions anywhere in their baths alike, gates by chance."""
    box = make_box(scenario, composition, time_step)
    n_species, n_nodes = len(composition.names), 2 * box.grid.stride
    placement = place(scenario, seed)
    names = composition.names
    channels = proteins.make_channels(
        scenario,
        names,
        seed,
        potential_at_start(scenario) if clamped_potential is None else clamped_potential,
        places=1 if scenario.geometry.dimensions == 1 else placement.channels.size,
    )
    plane = make_plane(scenario, box, threads) if scenario.geometry.dimensions == 2 else None
    longest = max(int(box.voxels.n_voxels.max()), box.voxels.columns)
    most = n_species * max(n_nodes, box.voxels.columns)
    rows = _make_rows(scenario, composition, box)
    state = stepping.State(
        box=box,
        species=stepping.Species(
            valences=composition.valences.astype(np.int64),
            diffusion_coefficients=composition.diffusion_coefficients.astype(np.float64),
            mobile_charges=composition.valences**2
            * composition.diffusion_coefficients
            / box.thermal_potential,
        ),
        counts=np.zeros((n_species, n_nodes, box.voxels.columns), dtype=np.int64),
        hops=pack_transitions([row.transitions for row in rows], box.grid.stride),
        hops_along=_make_hops_along(composition, box),
        field=stepping.Field(
            node_charges=np.zeros(n_nodes * box.voxels.columns, dtype=np.int64),
            conductivities=np.zeros(n_nodes),
            normal=np.zeros(n_nodes),
            potential=np.zeros(n_nodes * box.voxels.columns),
            drops=np.zeros(box.voxels.columns),
            look_potential=np.zeros(n_nodes * box.voxels.columns),
            clamped_drop=np.nan if clamped_potential is None else float(clamped_potential),
        ),
        plane=plane,
        line=0 if plane is None else None,
        reservoirs=_make_reservoirs(scenario, composition, box, rows),
        pores=_make_pores(scenario, composition, box, placement.channels, rows),
        channels=channels,
        pumps=proteins.make_pumps(scenario, names, composition.valences, seed),
        pump_columns=_find_columns(placement.pumps, box),
        amplifier=make_amplifier(),
        carrier=names.index(scenario.protocol.carrier) if scenario.protocol.carrier else 0,
        keys=stepping.Keys(
            diffusion=stream_key(seed, streams.VOXEL_DIFFUSION),
            diffusion_along=stream_key(seed, streams.VOXEL_DIFFUSION_ALONG),
            reservoirs=stream_key(seed, streams.RESERVOIR_NUMBER),
            crossing=stream_key(seed, streams.VOXEL_CROSSING),
            drift=stream_key(seed, streams.VOXEL_DRIFT),
            drift_along=stream_key(seed, streams.VOXEL_DRIFT_ALONG),
            waiting=stream_key(seed, streams.WAITING),
            transition=stream_key(seed, streams.TRANSITION),
            pump=stream_key(seed, streams.PUMP_WAITING),
            pump_direction=stream_key(seed, streams.PUMP_DIRECTION),
        ),
        transitions=gating.Transitions(
            np.zeros(1, dtype=np.int64),
            np.zeros(SPARE_TRANSITIONS + 64 * channels.chains.size, dtype=gating.TRANSITION),
        ),
        lanes=Lanes(
            left=np.zeros((threads, most)),
            scattered=np.zeros((threads, most), dtype=np.int64),
            large=np.zeros((threads, most), dtype=np.int64),
            places=np.zeros((threads, most), dtype=np.int64),
            numbers=np.zeros((threads, most)),
            picked=np.zeros((threads, most)),
            normals=np.zeros((threads, most)),
        ),
        scratch=Scratch(
            row=np.zeros((threads, longest), dtype=np.int64),
            other=np.zeros((threads, longest), dtype=np.int64),
            moved=np.zeros((threads, longest), dtype=np.int64),
            slopes=np.zeros((threads, longest)),
            volumes=np.zeros((threads, longest)),
        ),
        step=np.zeros(1, dtype=np.int64),
    )
    totals = np.stack([composition.counts_inside, composition.counts_outside], axis=1)
    stepping.place_ions(state, totals, stream_key(seed, streams.PLACEMENT))
    return state


def potential_at_start(scenario: Scenario) -> float:
    """Return the potential in mV at which gates have been before the start."""
    return next((command.potential for command in scenario.protocol.voltage if command.start == 0.0), 0.0)


def make_box(scenario: Scenario, composition: Composition, time_step: float) -> stepping.Box:
    """Return the voxels of a scenario.

    Nodes lie at 0, h, 2h... from the membrane on both sides. The voxel of a node reaches half a spacing to either
    side, the first from the face, the last to the far end, which makes it a quarter to one and a quarter spacings
    long.
    """
    geometry, temperature = scenario.geometry, scenario.simulation.temperature
    lengths = np.array([geometry.inside_length, geometry.outside_length])
    spacing = min(resolve_voxel_size(scenario), float(lengths.min()))
    n_voxels = np.floor(lengths / spacing + 0.25).astype(np.int64) + 1
    stride = int(n_voxels.max()) + 1
    edges = np.clip((np.arange(stride + 1) - 0.5) * spacing, 0.0, None)
    widths = np.zeros((2, stride))
    for side, (length, n) in enumerate(zip(lengths, n_voxels, strict=True)):
        widths[side, :n] = np.diff(np.append(edges[:n], length))
    cells = resolve_columns(scenario)
    columns = math.prod(cells)
    volumes = widths.ravel() * geometry.area / columns
    faces = np.array([0, stride], dtype=np.int64)
    return stepping.Box(
        time_step=time_step,
        thermal_potential=thermal_potential(temperature),
        ions_per_volume=IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR,
        grid=Grid(
            stride=stride,
            spacing=spacing,
            area=geometry.area,
            permittivity=VACUUM_PERMITTIVITY * water_permittivity(temperature),
            membrane_capacitance=scenario.membrane.capacitance * geometry.area,
        ),
        voxels=Voxels(
            stride=stride,
            columns=columns,
            n_voxels=n_voxels,
            widths=widths.ravel(),
            volumes=volumes,
            time_step=time_step,
            thermal_potential=thermal_potential(temperature),
            face_over_spacing=geometry.area / columns / spacing,
            spacing_along=geometry.transverse_lengths[0] / columns if cells else 1.0,
        ),
        faces=faces,
        face_volumes=volumes[faces],
    )


def make_plane(scenario: Scenario, box: stepping.Box, threads: int) -> stepping.Plane:
    """Return the solver of the field with transverse axes."""
    geometry = scenario.geometry
    box_modes = modes.make_modes(
        stride=box.grid.stride,
        spacing=box.grid.spacing,
        area=geometry.area,
        permittivity=box.grid.permittivity,
        thickness=scenario.membrane.thickness,
        specific_capacitance=scenario.membrane.capacitance,
        cells=resolve_columns(scenario),
        widths=geometry.transverse_lengths,
    )
    implicit, exact = modes.make_factors(box_modes), modes.make_factors(box_modes)
    modes.factorise(box_modes, np.zeros(2 * box.grid.stride), 0.0, exact)
    return stepping.Plane(box_modes, implicit, exact, modes.make_workspace(box_modes, threads))


def _make_rows(scenario: Scenario, composition: Composition, box: stepping.Box) -> list[Row]:
    """Return how each species goes about along the normal, inside and outside, in the order 2 * species + side."""
    return [
        make_row(
            box.voxels.widths[side * box.grid.stride :][: box.voxels.n_voxels[side]],
            box.grid.spacing,
            diffusion_coefficient,
            box.time_step,
            scenario.geometry.boundary == "bath",
        )
        for diffusion_coefficient in composition.diffusion_coefficients
        for side in range(2)
    ]


def _pad(by_row: list[NDArray[np.float64]], box: stepping.Box) -> NDArray[np.float64]:
    """Return what is known of the voxels of each row as one table, (2 * species, stride)."""
    table = np.zeros((len(by_row), box.grid.stride))
    for row, values in enumerate(by_row):
        table[row, : values.size] = values
    return table


def _make_hops_along(composition: Composition, box: stepping.Box) -> Transitions:
    return pack_transitions(
        [
            make_ring_transitions(
                box.voxels.columns, box.voxels.spacing_along, diffusion_coefficient, box.time_step
            )
            for diffusion_coefficient in composition.diffusion_coefficients
        ],
        box.voxels.columns,
    )


def _make_reservoirs(
    scenario: Scenario, composition: Composition, box: stepping.Box, rows: list[Row]
) -> stepping.Reservoirs:
    return stepping.Reservoirs(
        means=reservoir_means(scenario, composition, box),
        immigration=_pad([row.immigration for row in rows], box),
        immigrant_shares=np.array([row.immigrant_share for row in rows]).reshape(-1, 2),
        exchanged=np.zeros((len(composition.names), 2, 2), dtype=np.int64),
        end_charges=np.zeros((2, box.voxels.columns), dtype=np.int64),
        is_open=scenario.geometry.boundary == "bath",
    )


def reservoir_means(scenario: Scenario, composition: Composition, box: stepping.Box) -> NDArray[np.float64]:
    """Return the mean number of ions of a voxel at either far end as its reservoir fills it, (species, 2)."""
    lengths = np.array([scenario.geometry.inside_length, scenario.geometry.outside_length])
    present = np.stack([composition.counts_inside, composition.counts_outside], axis=1)
    ends = np.arange(2) * box.grid.stride + box.voxels.n_voxels - 1
    return np.asarray(present * box.voxels.widths[ends] / lengths / box.voxels.columns, dtype=np.float64)


def _make_pores(
    scenario: Scenario,
    composition: Composition,
    box: stepping.Box,
    places: NDArray[np.float64],
    rows: list[Row],
) -> Pores:
    types, names = scenario.channels, composition.names
    by_row = (len(names), 2, box.voxels.columns)
    return Pores(
        permeabilities=proteins.level_permeabilities(scenario, names),
        columns=_find_columns(places, box),
        by_type=np.zeros((len(types), len(names), box.voxels.columns)),
        totals=np.zeros((len(names), box.voxels.columns)),
        crossings=np.zeros((len(types), len(names), 2), dtype=np.int64),
        shares=_pad([row.shares for row in rows], box),
        present=np.zeros(by_row, dtype=np.int64),
        beside=np.zeros(by_row),
        leaving=np.zeros(by_row, dtype=np.int64),
        rates=np.zeros(by_row),
    )


def _find_columns(places: NDArray[np.float64], box: stepping.Box) -> NDArray[np.int64]:
    """Return the column of voxels at each place along the membrane."""
    return np.floor(places / box.voxels.spacing_along).astype(np.int64) % box.voxels.columns
