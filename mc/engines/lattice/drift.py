"""Drift of counts: ions hop to the next voxel down the field, so many that Boltzmann's law is exact on the lattice.

The flux of Scharfetter & Gummel (1969, IEEE Trans. Electron Devices 16:64) between neighbours i and j at the
distance h is D/h (B(-u) c_i - B(u) c_j), with u = z (phi_i - phi_j)/(kT/e) and B(x) = x/(exp(x) - 1). It vanishes
exactly where c_j = c_i exp(u). Diffusion has already moved the part D/h (c_i - c_j). What is left goes down the
field: for u > 0 it is D/h ((B(-u) - 1) c_i + (1 - B(u)) c_j), and hops from i to j.

How many hop is that mean, rounded up or down at random: the noise is that of diffusion, and drift by itself has none.
Independent hops of as many would add their number to its variance, and heat the field of the bath.
"""

import math

from numba import int64

from mc.compilation import compiled, internal
from mc.engines.lattice.sampling import fine_uniform


@compiled
def goldman_factor(u):
    """Return u/(1 - exp(-u)), with its limit 1 at u = 0."""
    if abs(u) < 1e-6:
        return 1.0 + 0.5 * u
    return u / -math.expm1(-u)


@compiled
def mean_hops(u, from_density, to_density, exchange):
    """Return how many ions drift down the field from one voxel to the next on average; u > 0.

    `exchange`: D A dt/h in nm3; densities in 1/nm3.
    """
    factor = goldman_factor(u)
    return exchange * ((factor - 1.0) * from_density + (1.0 + u - factor) * to_density)


@internal
def drift_row(counts, slopes, volumes, exchange, is_ring, key, entity, left, moved):
    """Let the ions of a row of voxels drift; `counts` is changed.

    `slopes`: (voxels,) u of each face, from voxel i to i + 1, the last one to voxel 0 on a ring. `left` and `moved`:
    working memory of as many voxels. What has come in a step does not hop on.
    """
    n = counts.size
    for i in range(n):
        left[i] = counts[i]
        moved[i] = 0
    for i in range(n if is_ring else n - 1):
        u = slopes[i]
        if u == 0.0:
            continue
        source, target = (i, (i + 1) % n) if u > 0.0 else ((i + 1) % n, i)
        if left[source] == 0:
            continue
        mean = mean_hops(abs(u), counts[source] / volumes[source], counts[target] / volumes[target], exchange)
        hops = min(int64(mean + fine_uniform(key, entity, i)), left[source])
        left[source] -= hops
        moved[target] += hops
    for i in range(n):
        counts[i] = left[i] + moved[i]
