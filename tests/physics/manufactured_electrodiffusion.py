"""The equations of the continuum against a manufactured solution: sources that make given profiles their solution.

Concentrations and potential are given on both sides of the membrane as

    mean + amplitude p(s) cos(k y) cos(rate t + phase),   s the distance from the face, p'(far end) = 0,

(k = 0 in one dimension), steep at the face, so that ions flow there and the field jumps across the slab. What the
equations of Poisson, Nernst and Planck leave over for them,

    in the baths     S = dc/dt + div J        rho = -eps lap(phi) - sum z c
    at the faces     S = J - flux through channels        rho = what the field leaves between slab and bath,

are sources of ions and fixed charges. With these the equations are solved from their own steps, and what differs from
the given profiles is the error of the grid alone. The slab is the one that the continuum has: an even field across it
and linear elements along it.

Run as a script, this prints the table.
"""

from collections.abc import Sequence
from typing import NamedTuple

import continuum_convergence as convergence
import numpy as np
from continuum_patch import CAPACITANCE, THERMAL, make_engine
from numpy.polynomial import Polynomial

from mc.constants import (
    IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR,
    VACUUM_PERMITTIVITY,
    water_permittivity,
)
from mc.engines.continuum import rosenbrock
from mc.engines.continuum.electrodiffusion import goldman_factor
from mc.engines.continuum.equations import NO_DRIVE

LENGTH, WIDTH, AREA, THICKNESS = 6.0, 9.0, 540.0, 4.0
"""nm and nm2; the thickness is that of `make_patch`."""
PERMITTIVITY = VACUUM_PERMITTIVITY * water_permittivity(310.15)
PERMEABILITY, CHANNELS = 0.5, 64
"""nm3/ns of each channel for potassium; a number that every grid shares evenly among its columns."""
DURATION, STEPS = 0.5, 80
"""ns; with half as many steps the errors are the same to 1 %."""
IN_TIME = 1e-4
"""ns over which sources are differentiated in time."""


class Values(NamedTuple):
    """A profile and its derivatives at nodes, (nodes,)."""

    value: np.ndarray
    normal: np.ndarray
    """First derivative away from the membrane."""
    along: np.ndarray
    along_twice: np.ndarray
    laplacian: np.ndarray
    in_time: np.ndarray


class Profile(NamedTuple):
    """A given profile of one side."""

    mean: float
    amplitude: float
    shape: Sequence[float]
    """Coefficients of s/LENGTH, its square...; a further one keeps the far end free of flux."""
    rate: float
    phase: float

    def at(self, distance: np.ndarray, place: np.ndarray, time: float, k: float) -> Values:
        """Return the profile at distances from the membrane and places along it."""
        inner = Polynomial([1.0, *self.shape])
        last = inner.degree() + 1
        slope_at_end = inner.deriv()(1.0)
        p = inner - Polynomial([0.0] * last + [slope_at_end / last])
        s = distance / LENGTH
        wave, slope = np.cos(k * place), -k * np.sin(k * place)
        swing = self.amplitude * np.cos(self.rate * time + self.phase)
        swing_in_time = -self.amplitude * self.rate * np.sin(self.rate * time + self.phase)
        twice_along = -k * k * swing * p(s) * wave
        return Values(
            value=self.mean + swing * p(s) * wave,
            normal=swing * p.deriv()(s) / LENGTH * wave,
            along=swing * p(s) * slope,
            along_twice=twice_along,
            laplacian=swing * p.deriv(2)(s) / LENGTH**2 * wave + twice_along,
            in_time=swing_in_time * p(s) * wave,
        )


CONCENTRATIONS = {
    "K": (Profile(60.0, 25.0, (-1.4, 0.5), 1.5, 0.3), Profile(30.0, 12.0, (1.0, -0.8), 1.0, 1.0)),
    "Cl": (Profile(50.0, -20.0, (-0.9, 0.7), 1.2, 0.0), Profile(45.0, 15.0, (-1.2, 0.2), 1.8, 0.6)),
}
"""mM, inside and outside."""
POTENTIAL = (Profile(-40.0, 30.0, (-1.1, 0.6), 1.5, 0.2), Profile(0.0, 20.0, (-0.7, 0.3), 1.0, 0.8))
"""mV."""


class Problem:
    """The equations of one grid with their sources."""

    def __init__(self, cells: int, dimensions: int, *, capacitance_error: float = 0.0) -> None:
        """`cells`: of each side, and along the membrane; `capacitance_error`: of the equations alone."""
        leak: dict[str, object] = {"name": "K leak", "count": CHANNELS, "permeability": {"K": PERMEABILITY}}
        grid, size = {"grid_spacing": LENGTH / cells}, {}
        if dimensions == 2:
            leak["placement"], size["width"], grid["grid_spacing_y"] = "even", WIDTH, WIDTH / cells
        engine = make_engine(
            1.0,
            inside={"K": 60.0, "Cl": 60.0},
            outside={"K": 60.0, "Cl": 60.0},
            channels=[leak],
            area=AREA,
            length=LENGTH,
            capacitance=f"{1.0 + capacitance_error} uF/cm^2",
            grid=grid,
            **size,
        )
        self.engine, self.equations = engine, engine.model.equations
        self.grid, self.numbering = engine.model.grid, engine.model.stores
        self.names = engine.composition.names
        self.k = 2.0 * np.pi / WIDTH if dimensions == 2 else 0.0
        columns = np.arange(self.grid.columns)
        self.distances = np.concatenate([np.repeat(rows, columns.size) for rows in self.grid.distances])
        self.places = np.tile(columns * self.grid.spacing_along, sum(self.grid.n_rows))

    def given(self, profiles: tuple[Profile, Profile], time: float, unit: float = 1.0) -> Values:
        """Return a profile and its derivatives at all nodes, in so many units."""
        sides = []
        for side, profile in enumerate(profiles):
            nodes = self.grid.nodes_of(side)
            sides.append(profile.at(self.distances[nodes], self.places[nodes], time, self.k))
        return Values(*(unit * np.concatenate(both) for both in zip(*sides, strict=True)))

    def densities(self, time: float) -> list[Values]:
        """Return the given profile of each species in ions/nm3."""
        return [
            self.given(CONCENTRATIONS[name], time, IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR)
            for name in self.names
        ]

    def sources(self, time: float) -> np.ndarray:
        """Return what comes into each store from outside, ions/ns, and then the fixed charge of each node, e."""
        grid, numbering, composition = self.grid, self.numbering, self.engine.composition
        sources = np.zeros(numbering.size)
        potential, densities = self.given(POTENTIAL, time), self.densities(time)
        inner, outer = grid.faces
        face_area = AREA / grid.columns
        drop = potential.value[inner] - potential.value[outer]
        charge = -PERMITTIVITY * potential.laplacian
        for species, density in enumerate(densities):
            valence = int(composition.valences[species])
            diffusion, z = float(composition.diffusion_coefficients[species]), valence / THERMAL
            drift = (
                density.normal * potential.normal
                + density.along * potential.along
                + density.value * potential.laplacian
            )
            divergence = -diffusion * (density.laplacian + z * drift)
            ions = (density.in_time + divergence) * grid.volumes
            away = -diffusion * (density.normal + z * density.value * potential.normal)
            outward = np.zeros(grid.columns)
            if self.names[species] == "K":
                down = goldman_factor(z * drop)
                per_area = PERMEABILITY * CHANNELS / AREA
                outward = per_area * (down * density.value[inner] - (down - z * drop) * density.value[outer])
            ions[inner] += face_area * (away[inner] + outward)
            ions[outer] += face_area * (away[outer] - outward)
            sources[numbering.ions[species]] = ions
            charge -= valence * density.value
        fixed = charge * grid.volumes
        for here, there, sign in ((inner, outer, 1.0), (outer, inner, -1.0)):
            along_slab = potential.along_twice[here] / 3.0 + potential.along_twice[there] / 6.0
            fixed[here] += face_area * (
                sign * CAPACITANCE * drop
                - CAPACITANCE * THICKNESS**2 * along_slab
                - PERMITTIVITY * potential.normal[here]
            )
        # The row of the held node says that its potential is zero.
        fixed[grid.ends[1, 0]] = 0.0
        sources[numbering.potential] = fixed
        return sources

    def given_stores(self, time: float) -> np.ndarray:
        """Return the stores as they are given."""
        stores = self.engine.state.stores.copy()
        for species, density in enumerate(self.densities(time)):
            stores[self.numbering.ions[species]] = density.value * self.grid.volumes
        return stores

    def find_potential(self, stores: np.ndarray, time: float) -> np.ndarray:
        """Return the potential of the stores and the fixed charges, mV."""
        equations, fixed = self.equations, self.sources(time)[self.numbering.potential]
        return equations.inverse_stiffness.solve(equations.charges @ stores + equations.fixed + fixed)

    def solve(self, duration: float, n_steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Return stores and potential after `duration` ns, from the given stores at time 0."""
        equations, length = self.equations, duration / n_steps
        stores = self.given_stores(0.0)

        def derivative(time: float, variables: np.ndarray) -> np.ndarray:
            return equations.derivative(NO_DRIVE, time, variables) + self.sources(time)

        for i in range(n_steps):
            time = i * length
            variables = np.concatenate([stores, self.find_potential(stores, time)])
            in_time = (self.sources(time + IN_TIME) - self.sources(time - IN_TIME)) / (2.0 * IN_TIME)
            step = rosenbrock.step(
                derivative,
                equations.jacobian(NO_DRIVE, variables),
                in_time,
                equations.mass,
                time,
                variables,
                length,
            )
            stores = step.variables[: stores.size]
        return stores, self.find_potential(stores, duration)


class Row(NamedTuple):
    """A row of the table."""

    size: float
    """Spacing along the normal, nm."""
    concentration: float
    """Largest error, mM."""
    potential: float
    """Largest error, mV."""


def find_errors(problem: Problem, n_steps: int = STEPS) -> Row:
    """Return the errors of a problem once it is solved."""
    stores, potential = problem.solve(DURATION, n_steps)
    off = [
        np.abs(stores[problem.numbering.ions[species]] / problem.grid.volumes - density.value).max()
        for species, density in enumerate(problem.densities(DURATION))
    ]
    expected = problem.given(POTENTIAL, DURATION).value
    expected -= expected[problem.grid.ends[1, 0]]
    return Row(
        float(problem.grid.distances[0][1]),
        float(max(off)) / IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR,
        float(np.abs(potential - expected).max()),
    )


def manufactured_rows(dimensions: int, cells: Sequence[int] = (8, 16, 32, 64)) -> list[Row]:
    """Return the table."""
    return [find_errors(Problem(n, dimensions)) for n in cells]


def orders(rows: Sequence[Row]) -> list[tuple[float, float]]:
    """Return by which power of the spacing both errors fell from row to row."""
    errors = [
        convergence.orders([convergence.Row(row.size, getattr(row, name)) for row in rows])
        for name in ("concentration", "potential")
    ]
    return list(zip(*errors, strict=True))


def print_table(dimensions: int) -> None:
    """Print the table in Markdown."""
    rows = manufactured_rows(dimensions)
    print(f"| h (nm), {dimensions}D | concentration (mM) | order | potential (mV) | order |")
    print("|---|---|---|---|---|")
    for row, both in zip(rows, [("", ""), *((f"{a:.2f}", f"{b:.2f}") for a, b in orders(rows))], strict=True):
        print(f"| {row.size:g} | {row.concentration:.1e} | {both[0]} | {row.potential:.1e} | {both[1]} |")
    print()


if __name__ == "__main__":
    print_table(1)
    print_table(2)
