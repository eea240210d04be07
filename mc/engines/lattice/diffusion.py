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

from mc.compilation import internal
from mc.engines.lattice.sampling import binomial

NEGLIGIBLE = 1e-13
"""A smaller chance to go from one voxel to another is taken for none."""


class Transitions(NamedTuple):
    """Where the ions of each voxel of a row go in a step, as lists of targets one after another."""

    first: NDArray[np.int64]
    """(voxels + 1,) the targets of voxel i are those from first[i] to before first[i + 1]."""
    targets: NDArray[np.int64]
    """Voxels other than i itself."""
    chances: NDArray[np.float64]
    """Of going to a target, for an ion that went to none of those before it in the list."""


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
    return Row(_list_transitions(chances), shares, immigration, immigrant_share)


def make_ring_transitions(
    n: int, spacing: float, diffusion_coefficient: float, time_step: float
) -> Transitions:
    """Return the transitions of `n` voxels on a periodic axis."""
    squares = (2.0 / spacing * np.sin(np.pi * np.arange(n) / n)) ** 2
    shares = np.fft.ifft(np.exp(-squares * diffusion_coefficient * time_step)).real
    offsets = (np.arange(n) - np.arange(n)[:, np.newaxis]) % n
    return _list_transitions(shares[offsets])


def _list_transitions(chances: NDArray[np.float64]) -> Transitions:
    """Return a matrix of chances, from row to column, as lists; what is negligible stays where it is."""
    first, targets, conditional = [0], [], []
    for i, row in enumerate(chances):
        others = np.flatnonzero(row > NEGLIGIBLE)
        others = others[others != i]
        left = 1.0 - np.concatenate([[0.0], np.cumsum(row[others])])[:-1]
        targets.append(others)
        conditional.append(np.minimum(row[others] / left, 1.0))
        first.append(first[-1] + others.size)
    return Transitions(
        np.array(first, dtype=np.int64),
        np.concatenate(targets).astype(np.int64),
        np.concatenate(conditional).astype(np.float64),
    )


def pack_transitions(all_transitions: list[Transitions]) -> Transitions:
    """Return several rows' transitions as one table: `first` (rows, voxels + 1), rows of fewer voxels padded."""
    longest = max(one.first.size for one in all_transitions)
    first = np.zeros((len(all_transitions), longest), dtype=np.int64)
    start = 0
    for row, one in enumerate(all_transitions):
        first[row, : one.first.size] = start + one.first
        first[row, one.first.size :] = start + one.first[-1]
        start += one.targets.size
    return Transitions(
        first,
        np.concatenate([one.targets for one in all_transitions]),
        np.concatenate([one.chances for one in all_transitions]),
    )


@internal
def scatter(counts, which, transitions, key, entity, scattered):
    """Write the counts of a row of voxels after a step into `scattered`; `which`: the row of the table."""
    n = counts.size
    for i in range(n):
        scattered[i] = int64(0)
    draw = int64(0)
    for i in range(n):
        left = counts[i]
        for m in range(transitions.first[which, i], transitions.first[which, i + 1]):
            if left == 0:
                break
            moved, draw = binomial(left, transitions.chances[m], key, entity, draw)
            scattered[transitions.targets[m]] += moved
            left -= moved
        scattered[i] += left
