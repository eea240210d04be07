"""The arrays that only some scenarios need: of the plane in two dimensions, of reservoirs at open far ends."""

import math

import numpy as np
from numpy.typing import NDArray

from mc import streams
from mc.engines.brownian.crossing import Pores
from mc.engines.brownian.exchange import Reservoirs
from mc.engines.brownian.motion import BLOCK
from mc.engines.brownian.passes import Leavers
from mc.engines.brownian.plane import Mouths, Plane, sensed_cells
from mc.engines.brownian.plane_motion import PIECE, Sheet
from mc.engines.brownian.sorting import PARTS, STRIPE
from mc.engines.brownian.stepping import Box, Ions
from mc.field import modes, shares
from mc.field.differences import make_differences
from mc.field.mesh import make_mesh, make_words
from mc.scenario.composition import Composition, solutions_over_time
from mc.scenario.placement import Placement
from mc.scenario.resolution import resolve_transverse_cells
from mc.scenario.schema import Scenario
from mc.streams import stream_key, uniforms

SPARE_SHARE, SPARE_DEVIATIONS, SPARE_IONS = 0.1, 8.0, 64
"""Slots for ions that come in: this share of a species, so many standard deviations of its number, and a few."""

BINS_IN_MOUTH, MOST_BINS = 4, 4096
"""Stretches of the membrane for which the mouths in them are listed: so many in the narrowest, and no more in all."""


def slots(scenario: Scenario, composition: Composition) -> NDArray[np.int64]:
    """Return how many ions of each species there can be at a time, (species,)."""
    present = np.max(
        [each.counts_inside + each.counts_outside for each in solutions_over_time(scenario, composition)],
        axis=0,
    )
    if scenario.geometry.boundary == "closed":
        return present
    spare = SPARE_SHARE * present + SPARE_DEVIATIONS * np.sqrt(present) + SPARE_IONS
    return present + np.ceil(spare).astype(np.int64)


def make_reservoirs(
    scenario: Scenario, composition: Composition, ions: Ions, seed: int, spacing: float, time_step: float
) -> Reservoirs:
    """Return reservoirs at the concentrations at the start, impermeant anions included."""
    geometry = scenario.geometry
    lengths = np.array([geometry.inside_length, geometry.outside_length])
    present = np.stack([composition.counts_inside, composition.counts_outside], axis=1)
    all_slots = np.diff(ions.first_ion)
    waiting = np.zeros((len(present), int(all_slots.max())), dtype=np.int64)
    n_waiting = all_slots - present.sum(axis=1)
    for species, number in enumerate(n_waiting):
        waiting[species, :number] = np.arange(
            ions.first_ion[species + 1] - number, ions.first_ion[species + 1]
        )
    return Reservoirs(
        densities=present / (geometry.area * lengths),
        ranges=np.sqrt(6.0 * composition.diffusion_coefficients * time_step),
        end_cells=np.ceil(lengths / spacing - 1e-9).astype(np.int64) - 1,
        waiting=waiting,
        n_waiting=n_waiting.astype(np.int64),
        exchanged=np.zeros((len(present), 2, 2), dtype=np.int64),
        lacking=np.full(1, -1, dtype=np.int64),
        number_key=stream_key(seed, streams.RESERVOIR_NUMBER),
        place_key=stream_key(seed, streams.RESERVOIR_PLACE),
    )


def make_leavers(chunks: int, largest_chunk: int) -> Leavers:
    """Return empty lists of the ions that leave."""
    return Leavers(np.zeros((chunks, largest_chunk), dtype=np.uint32), np.zeros(chunks, dtype=np.int64))


def make_plane(
    scenario: Scenario,
    composition: Composition,
    ions: Ions,
    box: Box,
    pores: Pores,
    conductivities: NDArray[np.float64],
    drops: NDArray[np.float64],
    placement: Placement,
    is_sensed: NDArray[np.bool_],
    seed: int,
    chunk_blocks: NDArray[np.int64],
    threads: int,
) -> Plane:
    """Return the plane of a scenario: ions uniform along it, proteins in their places, the field factorised.

    `conductivities`: (2 * stride,) at the start, e/(mV nm ns); `drops`: (channels,) what the potential is put in;
    `is_sensed`: (species,) whether pumps or gates sense a species, see `proteins.find_sensed`;
    `chunk_blocks`: see `stepping.Scratch`.
    """
    chunks = chunk_blocks.size - 1
    geometry, grid = scenario.geometry, box.grid
    widths = geometry.transverse_lengths
    cells = resolve_transverse_cells(scenario, composition, box.time_step)
    mesh = make_mesh(grid.stride, grid.spacing, cells[0], widths[0])
    n_cells = 2 * grid.stride * mesh.n_along
    n_species, n_ions = ions.valences.size, ions.positions.size
    box_modes = modes.make_modes(
        stride=grid.stride,
        spacing=grid.spacing,
        area=geometry.area,
        permittivity=grid.permittivity,
        thickness=scenario.membrane.thickness,
        specific_capacitance=scenario.membrane.capacitance,
        cells=cells,
        widths=widths,
        precision=np.float32,
    )
    implicit, exact = modes.make_factors(box_modes), modes.make_factors(box_modes)
    modes.factorise(box_modes, conductivities, box.time_step, implicit)
    modes.factorise(box_modes, np.zeros_like(conductivities), 0.0, exact)
    transverse = _place_along(n_ions, widths, seed)
    mobilities = ions.valences * ions.diffusion_coefficients / box.thermal_potential
    chunk_species = ions.block_species[np.column_stack([chunk_blocks[:-1], chunk_blocks[1:] - 1])]
    sheet = Sheet(
        widths=np.array(widths, dtype=np.float32),
        differences=make_differences(mesh),
        displacement_per_field=(mobilities * box.time_step).astype(np.float32),
        valences=ions.valences,
        looked_up=make_words(chunks, PIECE),
        shares=make_words(chunks, PIECE),
        ahead=np.zeros((chunks, BLOCK), dtype=np.float32),
    )
    return Plane(
        mesh=mesh,
        transverse=transverse,
        names=np.arange(n_ions, dtype=np.uint32),
        stripe_starts=np.zeros((n_species, PARTS, -(-cells[-1] // STRIPE)), dtype=np.int64),
        sums=shares.make_sums(mesh, n_species),
        sheet=sheet,
        mouths=_make_mouths(scenario, ions, box, pores, drops, placement),
        pump_sites=placement.pumps.astype(np.float64),
        depth=geometry.area / float(np.prod(widths)),
        modes=box_modes,
        implicit=implicit,
        exact=exact,
        workspace=modes.make_workspace(box_modes, threads),
        tables=shares.make_tables(
            mesh, ions.valences, chunk_species, np.where(is_sensed, sensed_cells(grid.spacing) + 1, 0)
        ),
        merge_scratch=shares.make_merge_scratch(mesh, n_species, threads),
        potential=np.zeros(n_cells, dtype=np.float32),
        sampled=np.zeros(2 * grid.stride),
        spare=np.empty(n_ions, dtype=np.float32),
        look_sums=shares.make_sums(mesh, n_species),
        look_counts=np.zeros((n_species, n_cells), dtype=np.int32),
        look_potential=np.zeros(n_cells, dtype=np.float32),
        exit_key=stream_key(seed, streams.EXIT),
    )


def _place_along(n_ions: int, widths: tuple[float, ...], seed: int) -> NDArray[np.float32]:
    places = np.empty((len(widths), n_ions), dtype=np.float32)
    for axis, width in enumerate(widths):
        draws = uniforms(stream_key(seed, streams.PLACEMENT_ALONG), n_ions, axis)
        places[axis] = draws * width
        # Rounding may take one to the width itself, which is the place 0 again.
        places[axis][places[axis] >= np.float32(width)] = 0.0
    return places


def _make_mouths(
    scenario: Scenario,
    ions: Ions,
    box: Box,
    pores: Pores,
    drops: NDArray[np.float64],
    placement: Placement,
) -> Mouths:
    (period,) = scenario.geometry.transverse_lengths
    widths = np.array([min(one.pore.mouth_width, period) for one in scenario.channels], dtype=np.float64)
    areas = widths * scenario.geometry.area / period
    types = np.repeat(np.arange(len(scenario.channels)), [one.count for one in scenario.channels])
    starts = placement.channels - widths[types] / 2.0
    n_bins = int(min(max(BINS_IN_MOUTH * period / max(widths.min(initial=period), 1e-9), 1.0), MOST_BINS))
    reaching: list[list[int]] = [[] for _ in range(n_bins)]
    for channel, (start, width) in enumerate(zip(starts, widths[types], strict=True)):
        # A bin more at each end costs nothing, and covers rounding.
        first = math.floor(start / period * n_bins - 1e-6)
        last = math.floor((start + width) / period * n_bins + 1e-6)
        for which in sorted({k % n_bins for k in range(first, last + 1)}):
            reaching[which].append(channel)
    largest_capture = pores.capture.max(axis=(1, 3), initial=0.0)
    per_area = largest_capture[types] / areas[types, None]
    most_capture = np.zeros(ions.valences.size)
    for start in starts:
        # The most crowded place is where some mouth begins.
        offset = (start - starts) % period
        covers = (offset <= widths[types] + 1e-6) | (offset >= period - 1e-6)
        most_capture = np.maximum(most_capture, per_area[covers].sum(axis=0))
    captures = np.array([per_area[channels].sum(axis=0) for channels in reaching])
    return Mouths(
        sites=placement.channels.astype(np.float64),
        drops=drops,
        areas=areas,
        widths=widths,
        period=float(period),
        bin_start=np.concatenate([[0], np.cumsum([len(one) for one in reaching])]).astype(np.int64),
        bin_channels=np.array([channel for one in reaching for channel in one], dtype=np.int64),
        most_capture=most_capture,
        shares=np.minimum(captures / np.where(most_capture > 0.0, most_capture, 1.0), 1.0),
    )
