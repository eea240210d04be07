"""Ions anywhere in a box with places along the membrane, and what is interpolated at theirs."""

import numpy as np

from mc.field.mesh import make_mesh

SPACING, STRIDE = 0.25, 42  # baths of 10 nm
LENGTH = SPACING * (STRIDE - 2)
N_ALONG, WIDTH = 8, 6.0


def make_box(n_along=N_ALONG, width=WIDTH):
    return make_mesh(STRIDE, SPACING, n_along, width)


def random_ions(n, seed=1, width=WIDTH):
    random = np.random.default_rng(seed)
    x = (random.uniform(1e-6, LENGTH, n) * random.choice([-1, 1], n)).astype(np.float32)
    return x, (random.random(n) * width).astype(np.float32)


def bilinear(x, y, mesh, potential):
    """Return the interpolated potential at each ion in double precision."""
    table = potential.reshape(2, STRIDE, mesh.n_along)
    scaled, scaled_along = (
        np.abs(x.astype(float)) / SPACING,
        y.astype(float) * float(mesh.inverse_spacing_along),
    )
    entry, cell = np.floor(scaled).astype(int), np.floor(scaled_along).astype(int)
    value = np.zeros(x.size)
    for far, next_along in np.ndindex(2, 2):
        share = scaled - entry if far else 1 - (scaled - entry)
        share = share * (scaled_along - cell if next_along else 1 - (scaled_along - cell))
        value += share * table[(x > 0).astype(int), entry + far, (cell + next_along) % mesh.n_along]
    return value
