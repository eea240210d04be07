"""How many more ions than its reservoir says a bath of line charges holds, from the fluctuations of their field.

Ions of depth H are lines of charge e/H. At an open end they meet a reservoir that has no field: what they do to one
another changes their density by a share of first order in 1/H. This module works it out for the scheme as it is, with
its clouds in cell, its semi-implicit field and its steps, but without particles: from the linear theory of
fluctuations. Both ions of the salt diffuse alike, so that their mean densities are the same everywhere.

One step, for the charge density rho of each mode along the membrane, and its aliases on the grid:

- diffuse: rho = ideal noise + K rho K^T, with K the kernel of the increments, reflected at the face and lost beyond
  the end; what comes in is fresh, ideal noise;
- drift: rho -> (1 + B) rho, where B takes the divergence of the drift in the field of rho.

The stationary covariance V of rho follows, and from it to second order the mean flux that the field makes: drift of
charge in its own field, <rho d>/n, less spreading, d/dx <d^2>/2, for the displacement d of a step. The mean density
that this flux and diffusion keep stationary against the reservoir is the excess.
"""

from typing import NamedTuple

import numpy as np

from mc.constants import (
    IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR,
    VACUUM_PERMITTIVITY,
    thermal_potential,
    water_permittivity,
)

ALIASES = (0, -1)
"""Zones of wavenumbers that the grid along the membrane does not tell apart; clouds have little weight in others."""

PIECES = 4
"""Places in a cell along the normal; twice as many change the excess by 1 % of it."""


class Bath(NamedTuple):
    """One side of the box; lengths in nm, the time step in ns."""

    depth: float
    time_step: float
    width: float
    length: float
    salt: float
    """mM."""
    diffusion_coefficient: float
    temperature: float
    spacing: float
    spacing_along: float
    slab_capacitance: float
    """e/(mV nm2)."""
    slab_thickness: float


def excess(bath):
    """Return the mean excess of ions over their number in the reservoir's solution, as a share of it."""
    drift_flux, spread = 0.0, 0.0
    n_along = round(bath.width / bath.spacing_along)
    for mode in range(n_along // 2 + 1):
        weight = 1.0 if mode in (0, n_along // 2) else 2.0
        own_drift, own_spread = fluctuations(bath, 2.0 * np.pi * mode / bath.width)
        drift_flux, spread = drift_flux + weight * own_drift, spread + weight * own_spread
    return mean_density(bath, drift_flux, spread).mean()


def places(bath):
    """Return where the pieces of the cells are, nm from the face, and their size."""
    size = bath.spacing / PIECES
    return (np.arange(round(bath.length / size)) + 0.5) * size, size


def increments(bath, source):
    """Return the densities that a step of diffusion makes of ions at `source` (n,) nm, one column for each."""
    x, size = places(bath)
    largest = np.sqrt(6.0 * bath.diffusion_coefficient * bath.time_step)
    densities = np.zeros((x.size, source.size))
    for centre in (source, -source):
        low = np.maximum(x[:, None] - size / 2.0, centre - largest)
        high = np.minimum(x[:, None] + size / 2.0, centre + largest)
        densities += np.maximum(high - low, 0.0) / (2.0 * largest)
    return densities


def at_edges(values, end):
    """Return values at the edges of the pieces: the mean of both sides, none at the face, `end` at the end."""
    return np.concatenate([[np.zeros_like(end)], (values[1:] + values[:-1]) / 2.0, [end]])


def medium(bath):
    """Return the permittivity times kT/e of water that conducts, e/nm, kT/e in mV, and the ions in 1 nm3."""
    density = 2.0 * bath.salt * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
    thermal = thermal_potential(bath.temperature)
    water = VACUUM_PERMITTIVITY * water_permittivity(bath.temperature) * thermal
    return water + bath.time_step * bath.diffusion_coefficient * density, thermal, density


def green_function(bath, wavenumber):
    """Return the potential at each node, in kT/e, of a charge per area at each other one, for one mode along."""
    n, h = round(bath.length / bath.spacing), bath.spacing
    permittivity, thermal, _ = medium(bath)
    squared = (2.0 * np.sin(wavenumber * bath.spacing_along / 2.0) / bath.spacing_along) ** 2
    own = np.full(n + 1, 2.0 * permittivity / h + permittivity * h * squared)
    own[[0, -1]] /= 2.0
    coupling = np.full(n, -permittivity / h)
    matrix = np.diag(own) + np.diag(coupling, 1) + np.diag(coupling, -1)
    if wavenumber == 0.0:
        # What came in is missing at the end, evenly along it: the whole is neutral, and no field is at the face.
        potential = np.zeros((n + 1, n + 1))
        potential[:-1, :-1] = np.linalg.inv(matrix[:-1, :-1])
        return potential
    k = np.sqrt(squared)
    slab = bath.slab_capacitance * bath.slab_thickness * thermal
    matrix[0, 0] += slab * k / np.tanh(k * bath.slab_thickness)
    return np.linalg.inv(matrix)


def fluctuations(bath, wavenumber):
    """Return what a mode adds to the mean drift of a step <rho d>/n, nm, and to <d^2>, nm2, at each place."""
    x, size = places(bath)
    cell = np.arange(x.size) // PIECES
    share = x / bath.spacing - cell
    nodes = cell[:, None] == np.arange(cell[-1] + 2)
    following = cell[:, None] + 1 == np.arange(cell[-1] + 2)
    cloud = (1.0 - share)[:, None] * nodes + share[:, None] * following
    slope = (following * 1.0 - nodes) / bath.spacing
    density = medium(bath)[2]
    displacement_per_field = bath.diffusion_coefficient * bath.time_step
    largest = np.sqrt(6.0 * displacement_per_field)

    wavenumbers = wavenumber + 2.0 * np.pi / bath.spacing_along * np.array(ALIASES)
    clouds_along = np.sinc(wavenumbers * bath.spacing_along / (2.0 * np.pi)) ** 2
    diffused_along = np.sinc(wavenumbers * largest / np.pi)
    to_nodes = np.hstack([weight * cloud.T * size for weight in clouds_along])
    potential = green_function(bath, wavenumber) @ to_nodes
    fields = [-weight * slope @ potential for weight in clouds_along]
    drift = []
    for field, weight, k in zip(fields, clouds_along, wavenumbers, strict=True):
        across = np.diff(at_edges(field, field[-1]), axis=0) / size
        drift.append(-density * displacement_per_field * (across + k**2 * weight * cloud @ potential))
    drift = np.eye(len(ALIASES) * x.size) + np.vstack(drift)
    diffusion = np.kron(np.diag(diffused_along), increments(bath, x))

    ideal = np.eye(len(drift)) / size
    correlation = stationary(drift @ diffusion, drift @ ideal @ drift.T - ideal)
    covariance = ideal + diffusion @ correlation @ diffusion.T
    # An ideal gas of lines: in units of n H/width, of which n H is the density of lines in the plane.
    drift_flux, spread = np.zeros(x.size), np.zeros(x.size)
    for which, field in enumerate(fields):
        own = field @ covariance
        drift_flux += np.diagonal(own[:, which * x.size : (which + 1) * x.size])
        spread += np.einsum("ij,ij->i", own, field)
    unit = displacement_per_field / (bath.width * bath.depth)
    return unit * drift_flux, unit * displacement_per_field * density * spread


def stationary(step, source):
    """Return the solution of C = source + step C step^T, by doubling."""
    covariance = source
    for _ in range(60):
        added = step @ covariance @ step.T
        covariance, step = covariance + added, step @ step
        if np.abs(added).max() < 1e-10 * np.abs(covariance).max():
            return covariance
    raise ArithmeticError("not stationary")


def mean_density(bath, drift_flux, spread):
    """Return the excess at each place that the mean fluxes of a step keep stationary, as a share."""
    x, size = places(bath)
    kernel = increments(bath, x)
    beyond_end = increments(bath, np.array([bath.length + size / 2.0]))[:, 0]
    # At the end itself half of the ions are the reservoir's and know nothing of the field.
    flux = at_edges(drift_flux, drift_flux[-1] / 2.0)
    flux[1:-1] -= np.diff(spread) / size / 2.0
    source = -np.diff(flux) / size
    return np.linalg.solve(np.eye(x.size) - kernel, kernel @ source + beyond_end * flux[-1] / size)
