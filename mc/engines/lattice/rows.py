"""Passes over all rows of voxels, along the normal and along the membrane, shared among threads.

A row, or all species' rows of one place, have random numbers of their own, and no two of a pass share a voxel: the
results are the same bits for any number of threads.
"""

from typing import NamedTuple

import numpy as np
from numba import int64, prange

from mc.compilation import internal, parallel
from mc.engines.lattice.diffusion import scatter
from mc.engines.lattice.drift import drift_row


class Voxels(NamedTuple):
    """The voxels, flat: threads are handed no tuples in tuples."""

    stride: int
    """Rows of `counts` a side."""
    columns: int
    """Voxels along the membrane; 1 in one dimension."""
    n_voxels: np.ndarray
    """(2,) voxels of each side along the normal; their nodes are 0, h, 2h... from the membrane."""
    widths: np.ndarray
    """(2 * stride,) of each voxel along the normal, nm; 0 beyond the far end."""
    volumes: np.ndarray
    """(2 * stride,) nm3."""
    time_step: float
    thermal_potential: float
    face_over_spacing: float
    """Area between neighbours along the normal over the distance of their nodes, nm."""
    spacing_along: float
    """nm; of no meaning in one dimension."""


class Lanes(NamedTuple):
    """Working memory of diffusion, each (threads, most voxels that are treated together); see `diffusion.scatter`."""

    left: np.ndarray
    scattered: np.ndarray
    large: np.ndarray
    places: np.ndarray
    numbers: np.ndarray
    picked: np.ndarray
    normals: np.ndarray


class Scratch(NamedTuple):
    """Working memory of drift, each (threads, longest row)."""

    row: np.ndarray
    other: np.ndarray
    moved: np.ndarray
    slopes: np.ndarray
    volumes: np.ndarray


@internal
def diffuse_normal(column, counts, hops, key, lanes, worker):
    """Share out the ions of all species of one column along the normal."""
    n_rows = counts.shape[1]
    n = counts.shape[0] * n_rows
    left, scattered = lanes.left[worker, :n], lanes.scattered[worker, :n]
    for lane in range(n):
        left[lane] = counts[lane // n_rows, lane % n_rows, column]
    scatter(
        left,
        hops,
        key,
        column,
        scattered,
        lanes.large[worker, :n],
        lanes.places[worker, :n],
        lanes.numbers[worker, :n],
        lanes.picked[worker, :n],
        lanes.normals[worker, :n],
    )
    for lane in range(n):
        counts[lane // n_rows, lane % n_rows, column] = scattered[lane]


@internal
def diffuse_ring(row, counts, hops, key, lanes, worker):
    """Share out the ions of all species at one distance from the membrane."""
    columns = counts.shape[2]
    n = counts.shape[0] * columns
    left, scattered = lanes.left[worker, :n], lanes.scattered[worker, :n]
    for lane in range(n):
        left[lane] = counts[lane // columns, row, lane % columns]
    scatter(
        left,
        hops,
        key,
        row,
        scattered,
        lanes.large[worker, :n],
        lanes.places[worker, :n],
        lanes.numbers[worker, :n],
        lanes.picked[worker, :n],
        lanes.normals[worker, :n],
    )
    for lane in range(n):
        counts[lane // columns, row, lane % columns] = scattered[lane]


@internal
def drift_normal(which, column, counts, voxels, kinds, potential, key, scratch, worker):
    """Let the ions of one species, side and column drift."""
    species, side = which // 2, which % 2
    first, n = side * voxels.stride, voxels.n_voxels[side]
    row, slopes = scratch.row[worker, :n], scratch.slopes[worker, :n]
    per_millivolt = kinds.valences[species] / voxels.thermal_potential
    for k in range(n):
        row[k] = counts[species, first + k, column]
    for k in range(n - 1):
        node = (first + k) * voxels.columns + column
        slopes[k] = per_millivolt * (potential[node] - potential[node + voxels.columns])
    exchange = kinds.diffusion_coefficients[species] * voxels.time_step * voxels.face_over_spacing
    drift_row(
        row,
        slopes,
        voxels.volumes[first : first + n],
        exchange,
        False,
        key,
        which * voxels.columns + column,
        scratch.other[worker],
        scratch.moved[worker],
    )
    for k in range(n):
        counts[species, first + k, column] = row[k]


@internal
def drift_ring(species, row, counts, voxels, kinds, potential, key, scratch, worker):
    """Let the ions of one species at one distance from the membrane drift along it."""
    if voxels.widths[row] == 0.0:
        return
    slopes, volumes = scratch.slopes[worker, : voxels.columns], scratch.volumes[worker, : voxels.columns]
    per_millivolt = kinds.valences[species] / voxels.thermal_potential
    for column in range(voxels.columns):
        here = potential[row * voxels.columns + column]
        there = potential[row * voxels.columns + (column + 1) % voxels.columns]
        slopes[column] = per_millivolt * (here - there)
        volumes[column] = voxels.volumes[row]
    exchange = kinds.diffusion_coefficients[species] * voxels.time_step * voxels.volumes[row]
    drift_row(
        counts[species, row],
        slopes,
        volumes,
        exchange / voxels.spacing_along**2,
        True,
        key,
        species * counts.shape[1] + row,
        scratch.other[worker],
        scratch.moved[worker],
    )


@parallel
def diffuse_all_normal(counts, hops, key, lanes):
    """Share out the ions of every voxel along the normal by the chances of a step."""
    workers, n = lanes.left.shape[0], counts.shape[2]
    for worker in prange(workers):
        for column in range(worker * n // workers, (worker + 1) * n // workers):
            diffuse_normal(column, counts, hops, key, lanes, int64(worker))


@parallel
def diffuse_all_rings(counts, hops, key, lanes):
    """Share out the ions of every voxel along the membrane."""
    workers, n = lanes.left.shape[0], counts.shape[1]
    for worker in prange(workers):
        for row in range(worker * n // workers, (worker + 1) * n // workers):
            diffuse_ring(row, counts, hops, key, lanes, int64(worker))


@parallel
def drift_all_normal(counts, voxels, kinds, potential, key, scratch):
    """Let ions hop down the potential along the normal."""
    workers, n = scratch.row.shape[0], 2 * counts.shape[0] * voxels.columns
    for worker in prange(workers):
        for i in range(worker * n // workers, (worker + 1) * n // workers):
            drift_normal(
                i // voxels.columns,
                i % voxels.columns,
                counts,
                voxels,
                kinds,
                potential,
                key,
                scratch,
                int64(worker),
            )


@parallel
def drift_all_rings(counts, voxels, kinds, potential, key, scratch):
    """Let ions hop down the potential along the membrane."""
    workers, rows = scratch.row.shape[0], counts.shape[1]
    n = counts.shape[0] * rows
    for worker in prange(workers):
        for i in range(worker * n // workers, (worker + 1) * n // workers):
            drift_ring(i // rows, i % rows, counts, voxels, kinds, potential, key, scratch, int64(worker))
