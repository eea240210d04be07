"""Diffusion of counts: every ion of a voxel goes to some voxel of its row, with the chances of the whole step.

The chances are those of the exact solution exp(dt L) of hopping between neighbours, dn_i/dt = sum_j L_ij n_j, with
the rates D/(h w_j) out of a voxel of width w_j to each neighbour at the distance h. An ion may pass many voxels in a
step: there is no longest one. What is there is shared out by a multinomial, so that no ion is lost or made and no
count is ever below zero, and a uniform density with the fluctuations of independent ions stays exactly what it is.
"""

from typing import NamedTuple

import numpy as np
from numba import int64
from numpy.typing import NDArray

from mc.compilation import compiled, internal
from mc.engines.lattice.sampling import (
    LARGE_VARIANCE,
    SMALL_MEAN,
    binomial,
    draw_normals,
    fine_uniform,
    invert_binomial,
    round_large_binomials,
)

NEGLIGIBLE = 1e-13
"""A smaller chance to go from one voxel to another is taken for none."""

FIRST_SINGLE_DRAW = 1 << 31
"""Draws before it are those of large numbers, one for each lane and rank."""


class Transitions(NamedTuple):
    """Where the ions of each voxel go in a step, the likeliest targets first: of a row, or of several beside each
    other, whose voxels then have one number, called a lane."""

    targets: NDArray[np.int64]
    """(ranks, lanes) the lane of the voxel that is likeliest, second likeliest..."""
    chances: NDArray[np.float64]
    """(ranks, lanes) of going to a target, for an ion that went to none of those before it; the last is 1."""
    logs: NDArray[np.float64]
    """(ranks, lanes) the logarithm of 1 less a chance or, if it is above 1/2, of the chance itself."""


class Row(NamedTuple):
    """How the ions of one species and side go about along the normal."""

    transitions: Transitions
    shares: NDArray[np.float64]
    """(voxels,) the part of a step that an ion spends in the first voxel, by the voxel where it starts."""
    immigration: NDArray[np.float64]
    """(voxels,) ions that are in each voxel after a step and came out of a reservoir in it, on average and for each
    that the reservoir's own voxel holds; none where the far end is closed."""
    immigrant_share: float
    """How many of them are in the first voxel over the step, on average."""


def make_row(
    widths: NDArray[np.float64],
    spacing: float,
    diffusion_coefficient: float,
    time_step: float,
    is_open: bool = False,
) -> Row:
    """Return how ions go about in a row of voxels with two ends, the far one closed or open.

    `widths`: (voxels,) nm; `spacing`: between their nodes, nm; `diffusion_coefficient` in nm2/ns.

    The last voxel of an open row is the reservoir's, always as full. Ions that get there do not come back; others
    come out of it all the time, so many that a uniform density stays what it is. That says how many, where they are
    after a step, and how long they were in the first voxel: what the ions of a uniform density leave of it.
    """
    n = widths.size
    inner = n - 1 if is_open else n
    # Symmetric with the roots of the widths: real modes, and detailed balance survives rounding.
    symmetric = np.zeros((n, n))
    for i in range(n - 1):
        rate = diffusion_coefficient / spacing
        symmetric[i, i + 1] = symmetric[i + 1, i] = rate / np.sqrt(widths[i] * widths[i + 1])
        symmetric[i, i] -= rate / widths[i]
        symmetric[i + 1, i + 1] -= rate / widths[i + 1]
    eigenvalues, modes = np.linalg.eigh(symmetric[:inner, :inner])
    exponents = np.minimum(eigenvalues, -1e-300) * time_step
    roots = np.sqrt(widths[:inner])
    chances, shares, immigration = np.eye(n), np.zeros(n), np.zeros(n)
    kernel = ((modes * np.exp(exponents)) @ modes.T) * roots / roots[:, np.newaxis]
    mean_kernel_of_first = (modes * (np.expm1(exponents) / exponents)) @ modes[0]
    chances[:inner, :inner] = kernel
    shares[:inner] = np.clip(mean_kernel_of_first * roots[0] / roots, 0.0, 1.0)
    immigrant_share = 0.0
    if is_open:
        chances[:inner, inner] = np.clip(1.0 - kernel.sum(axis=1), 0.0, 1.0)
        missing = widths[:inner] - widths[:inner] @ kernel
        immigration[:inner] = np.where(missing > NEGLIGIBLE * widths[:inner], missing, 0.0) / widths[inner]
        immigrant_share = max(float(widths[0] - widths @ shares), 0.0) / float(widths[inner])
    return Row(_rank_targets(chances), shares, immigration, immigrant_share)


def make_ring_transitions(
    n: int, spacing: float, diffusion_coefficient: float, time_step: float
) -> Transitions:
    """Return the transitions of `n` voxels on a periodic axis."""
    squares = (2.0 / spacing * np.sin(np.pi * np.arange(n) / n)) ** 2
    shares = np.fft.ifft(np.exp(-squares * diffusion_coefficient * time_step)).real
    offsets = (np.arange(n) - np.arange(n)[:, np.newaxis]) % n
    return _rank_targets(shares[offsets])


def _rank_targets(chances: NDArray[np.float64]) -> Transitions:
    """Return a matrix of chances, from row to column, by rank; what is negligible is left out."""
    order = np.argsort(-chances, axis=1, kind="stable")
    ranked = np.take_along_axis(chances, order, axis=1)
    ranked[ranked <= NEGLIGIBLE] = 0.0
    # From the small end, so that the last ones are as right as the first.
    not_before = np.cumsum(ranked[:, ::-1], axis=1)[:, ::-1]
    conditional = np.divide(ranked, not_before, out=np.ones_like(ranked), where=not_before > 0.0)
    ranks = int(np.count_nonzero(ranked, axis=1).max())
    return _with_logarithms(order[:, :ranks].T.copy(), conditional[:, :ranks].T.copy())


def _with_logarithms(targets: NDArray[np.int64], chances: NDArray[np.float64]) -> Transitions:
    return Transitions(targets, chances, np.log1p(-np.minimum(chances, 1.0 - chances)))


def pack_transitions(rows: list[Transitions], stride: int) -> Transitions:
    """Return the transitions of rows beside each other, each of `stride` lanes; where a row has fewer, none move."""
    ranks, lanes = max(len(row.targets) for row in rows), len(rows) * stride
    targets, chances = np.tile(np.arange(lanes), (ranks, 1)), np.ones((ranks, lanes))
    for number, row in enumerate(rows):
        n_ranks, n_voxels = row.targets.shape
        here = (slice(n_ranks), slice(number * stride, number * stride + n_voxels))
        targets[here] = row.targets + number * stride
        chances[here] = row.chances
    return _with_logarithms(targets, chances)


@compiled
def few_of(ions, chance, log, key, entity, draw):
    """Return how many of some ions go to a target, and the next draw; see `Transitions.logs`."""
    smaller = min(chance, 1.0 - chance)
    if smaller == 0.0 or ions * smaller >= SMALL_MEAN:
        return binomial(ions, chance, key, entity, draw)
    count = invert_binomial(ions, smaller, log, fine_uniform(key, entity, draw))
    return (count if chance <= 0.5 else ions - count), draw + 1


@internal
def scatter(left, transitions, key, entity, scattered, large, places, numbers, picked, normals):
    """Write the counts of all voxels after a step into `scattered`; `left`: those before as floats, used up.

    All arrays have a number for each lane; those from `large` on are working memory. Large numbers, the most frequent
    ones, are drawn all at once for a rank, from draws that each rank has of its own.
    """
    lanes = left.size
    draw = FIRST_SINGLE_DRAW
    for lane in range(lanes):
        scattered[lane] = int64(0)
    for rank in range(transitions.chances.shape[0]):
        chances, targets = transitions.chances[rank], transitions.targets[rank]
        n_large, are_done = 0, True
        for lane in range(lanes):
            ions, chance = left[lane], chances[lane]
            if ions * chance * (1.0 - chance) > LARGE_VARIANCE:
                large[n_large] = lane
                n_large += 1
            elif ions > 0.0:
                gone, draw = few_of(int64(ions), chance, transitions.logs[rank, lane], key, entity, draw)
                scattered[targets[lane]] += gone
                left[lane] = ions - gone
                are_done = False
        draw_normals(key, entity, rank * lanes, numbers[:n_large], normals[:n_large], places, picked)
        for i in range(n_large):
            numbers[i] = left[large[i]]
            picked[i] = chances[large[i]]
        round_large_binomials(numbers[:n_large], picked[:n_large], normals[:n_large])
        for i in range(n_large):
            lane, gone = large[i], normals[i]
            scattered[targets[lane]] += int64(gone)
            left[lane] -= gone
        if are_done and n_large == 0:
            break
