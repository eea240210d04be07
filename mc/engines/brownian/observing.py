"""What was seen of single ions: of each moment the bare counts and potentials are kept, and many are told together.

A run looks every hundred steps or so, each time with caches that the steps have filled: to work out what an
observation tells, one of numpy's operations after another, takes several times as long then as it does in a row.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
from mc.engines.base import Maps, Numbers, Observations
from mc.engines.brownian import crossing
from mc.engines.brownian.stepping import State


class Moment(NamedTuple):
    """What is kept of one moment; see `stepping.State` and `stepping.Look` for shapes and units."""

    step: int
    counts: NDArray[np.int64]
    potential: NDArray[np.float64]
    slab_drop: float
    """As the charges have it that the next step will move in, mV."""
    end_charges: NDArray[np.int64]
    in_pores: NDArray
    n_at_level: NDArray[np.int64]
    states: NDArray[np.int64]
    """(channel types, most states of a type), channels in each."""
    crossings: NDArray[np.int64]
    pump_cycles: NDArray[np.int64]
    injected_charge: int
    command_potential: float
    electrodes: NDArray[np.float64]
    exchanged: NDArray[np.int64]
    counts_in_plane: NDArray[np.int32] | None
    potential_in_plane: NDArray[np.float32] | None
    """These two: see `plane.Plane`; None in one dimension."""


class Measures(NamedTuple):
    """What counts are measured by, the same throughout a run. Of what has a side, the cytoplasm comes first."""

    valences: NDArray[np.int64]
    thickness: float
    """nm"""
    membrane_capacitance: float
    """e/mV"""
    is_clamped: bool
    bulk_cells: tuple[slice, slice]
    """The cells of the bulk of each side."""
    first_ion: NDArray[np.int64]
    channel_type: NDArray[np.int64]
    """(channels,)"""
    level_permeabilities: NDArray[np.float64]
    """(channel types, levels, species) of one channel, nm3/ns."""
    ions_per_millimolar: NDArray[np.float64]
    """(cells,) along x, ions of a 1 mM solution in each; infinite where a cell has no volume."""
    bulk_ions_per_millimolar: NDArray[np.float64]
    """(2,)"""


def make_measures(
    state: State,
    edges: tuple[NDArray[np.float64], NDArray[np.float64]],
    bulk_from: tuple[float, float],
    level_permeabilities: NDArray[np.float64],
) -> Measures:
    """Return the measures of a run.

    `edges`: of the cells of each side, distances from the membrane in nm; `bulk_from`: where the bulk of each begins.
    """
    grid = state.box.grid
    per_length = grid.area * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
    inner, outer = (
        slice(math.ceil(start / grid.spacing), math.ceil(length / grid.spacing))
        for start, length in zip(bulk_from, state.box.lengths, strict=True)
    )
    widths = _along_x(*(np.diff(of_side) for of_side in edges))
    bulk = [
        of_side[cells.stop] - of_side[cells.start]
        for of_side, cells in zip(edges, (inner, outer), strict=True)
    ]
    return Measures(
        valences=state.ions.valences,
        thickness=state.pores.thickness,
        membrane_capacitance=grid.membrane_capacitance,
        is_clamped=not math.isnan(state.field.clamped_drop),
        bulk_cells=(inner, outer),
        first_ion=state.ions.first_ion,
        channel_type=state.channels.chains["channel_type"],
        level_permeabilities=level_permeabilities,
        ions_per_millimolar=np.where(widths > 0.0, widths * per_length, np.inf),
        bulk_ions_per_millimolar=np.array(bulk) * per_length,
    )


def tell(moments: Sequence[Moment], measures: Measures, states: tuple[Numbers, ...]) -> Observations:
    """Return what was seen at several moments; `states`: as in an observation.

    No number may depend on how many moments are looked at together, which is not the same when a run is made again:
    hence sums, each along the last axis or of whole numbers, and no products of matrices.
    """
    n, n_species = len(moments), measures.valences.size
    valences = measures.valences
    counts = np.array([one.counts for one in moments]).reshape(n, n_species, 2, -1)
    inner, outer = np.array([one.potential for one in moments]).reshape(n, 2, -1).swapaxes(0, 1)
    ions = counts[..., :-1].sum(axis=3)
    crossings = np.array([one.crossings for one in moments])
    ions_in_pores, charge_inside, displaced = _tell_of_pores(moments, crossings, measures)
    end_charges = np.array([one.end_charges for one in moments])
    charges = (valences[:, np.newaxis] * ions).sum(axis=1) + end_charges
    drops = (charges[:, 0] + charge_inside) / measures.membrane_capacitance
    n_at_level = np.array([one.n_at_level for one in moments])
    values: dict[str, Any] = {
        "step": np.array([one.step for one in moments], dtype=np.int64),
        "membrane_potential": _bulk_means(inner, measures.bulk_cells[0])
        - _bulk_means(outer, measures.bulk_cells[1]),
        "charge_separation_potential": drops,
        "field_potential_drop": inner[:, 0] - outer[:, 0],
        "total_charge": (charges.sum(axis=1) + (valences * ions_in_pores).sum(axis=1)).astype(np.float64),
        "injected_charge": np.array([one.injected_charge for one in moments]),
        "command_potential": np.array([one.command_potential for one in moments]),
    }
    return Observations(
        **values,
        ions=ions,
        ions_in_pores=ions_in_pores,
        bulk_concentrations=_bulk_concentrations(counts, measures),
        cell_concentrations=_along_x(counts[:, :, 0, :-2], counts[:, :, 1, :-2])
        / measures.ions_per_millimolar,
        potential=_along_x(inner[:, :-1], outer[:, :-1]),
        open_channels=n_at_level[:, :, 1:].sum(axis=2),
        permeability=_sum_permeabilities(n_at_level, measures.level_permeabilities),
        states=states,
        crossings=crossings,
        displaced_charge=displaced,
        electrodes=np.array([one.electrodes for one in moments]),
        pump_cycles=np.array([one.pump_cycles for one in moments]),
        exchanged=np.array([one.exchanged for one in moments]),
        maps=_tell_maps(moments, measures),
    )


def are_in_balance(
    seen: Observations, in_field: NDArray[np.float64], measures: Measures
) -> NDArray[np.bool_]:
    """Return of each moment whether the box is neutral and the charges inside put the drop in the field there, mV."""
    drops = np.asarray(seen.charge_separation_potential)
    if measures.is_clamped:
        return np.ones(drops.size, dtype=np.bool_)
    # In the plane the field is solved in single precision. A charge e puts more than this on 8 um2.
    is_planar = seen.maps is not None
    tolerance = 1e-5 * (100.0 + np.abs(drops)) if is_planar else 1e-9 * (1.0 + np.abs(drops))
    return np.asarray((np.asarray(seen.total_charge) == 0.0) & (np.abs(drops - in_field) <= tolerance))


def _along_x(inner: NDArray, outer: NDArray) -> NDArray:
    """Return what is known by distance from the membrane (last axis) in the order of x."""
    return np.concatenate([inner[..., ::-1], outer], axis=-1)


def _bulk_means(potential: NDArray[np.float64], cells: slice) -> NDArray[np.float64]:
    """Return the mean in the bulk of a side of each (moments,) of `potential`, (moments, nodes)."""
    in_bulk = np.ascontiguousarray(potential[:, cells])
    return np.asarray(in_bulk.sum(axis=1) / in_bulk.shape[1])


def _bulk_concentrations(counts: NDArray[np.int64], measures: Measures) -> NDArray[np.float64]:
    """Return the concentrations in the bulk, (moments, species, 2) mM, of (moments, species, 2, entries) ions."""
    # An ion at the far wall itself is counted in the cell beyond it.
    ions = [
        counts[:, :, side, cells.start : cells.stop + 1].sum(axis=2)
        for side, cells in enumerate(measures.bulk_cells)
    ]
    return np.asarray(np.stack(ions, axis=2) / measures.bulk_ions_per_millimolar)


def _sum_permeabilities(n_at_level: NDArray[np.int64], of_one: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return that of the whole membrane, (moments, species), of (moments, channel types, levels) channels."""
    of_each = n_at_level.reshape(len(n_at_level), -1, 1) * of_one.reshape(-1, of_one.shape[-1])
    return np.asarray(of_each.sum(axis=1))


def _tell_of_pores(
    moments: Sequence[Moment], crossings: NDArray[np.int64], measures: Measures
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return ions in pores (moments, species), what they add to the charge inside (moments,), and displaced charge.

    The last is of all that were in pores so far, z times their way over the thickness, (moments, channel types,
    species) in e, outward positive: Shockley-Ramo. Ions that went back have displaced nothing.
    """
    n, n_species = len(moments), measures.valences.size
    rows = np.concatenate([one.in_pores for one in moments])
    at = np.repeat(np.arange(n), [one.in_pores.size for one in moments])
    species = np.searchsorted(measures.first_ion, rows["ion"], side="right") - 1
    depth = rows["depth"] / measures.thickness
    in_pores = np.bincount(at * n_species + species, minlength=n * n_species).reshape(n, n_species)
    # What `crossing.charge_in_pores` returns to kernels.
    charge_inside = np.asarray(
        np.bincount(at, measures.valences[species] * (1.0 - depth), minlength=n), dtype=np.float64
    )
    displaced = (crossings[..., 0] - crossings[..., 1]).astype(np.float64)
    ways = depth - (rows["origin"] == crossing.OUTSIDE)
    np.add.at(displaced, (at, measures.channel_type[rows["channel"]], species), ways)
    return in_pores, charge_inside, displaced * measures.valences


def _tell_maps(moments: Sequence[Moment], measures: Measures) -> Maps | None:
    """Return the maps of all moments, (moments, ...); None in one dimension."""
    if moments[0].counts_in_plane is None:
        return None
    n, n_species, stride = len(moments), measures.valences.size, moments[0].potential.size // 2
    counts = np.array([one.counts_in_plane for one in moments]).reshape(n, n_species, 2, stride, -1)
    potential = np.array([one.potential_in_plane for one in moments]).reshape(n, 2, stride, -1)
    n_along, inside = counts.shape[-1], stride - 2
    per_ion = n_along / measures.ions_per_millimolar[:, np.newaxis]
    # Made in one pass: this is a large part of what a look takes.
    concentrations = np.empty((n, n_species, 2 * inside, n_along))
    np.multiply(counts[:, :, 0, -3::-1], per_ion[:inside], out=concentrations[:, :, :inside])
    np.multiply(counts[:, :, 1, :-2], per_ion[inside:], out=concentrations[:, :, inside:])
    return Maps(
        concentrations=concentrations,
        potential=np.concatenate([potential[:, 0, -2::-1], potential[:, 1, :-1]], axis=1),
    )
