"""How fast the continuum converges with the spacing of its nodes and with the length of its steps.

Run as a script, this prints the tables. In space against closed forms: the diffuse layer of Gouy and Chapman, and
the rate at which a salt spreads, of Nernst and Hartley. In time against the finest steps: a membrane that charges
itself from 0 mV by three leaks.
"""

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from continuum_patch import BODY_TEMPERATURE, CAPACITANCE, advance, make_engine, set_outside, step_evenly

from mc import theory

SALT = {"K": 10.0, "Cl": 10.0}
COMMAND, STRONG_CAPACITANCE = -400.0, 10.0
"""mV over a slab of 10 uF/cm2: charge enough for a diffuse layer far beyond linear theory."""


class Row(NamedTuple):
    """A row of a table."""

    size: float
    """nm or ns."""
    error: float


def charged_layer(spacing, length=30.0):
    """Return distances (nm), potentials (mV) and concentrations (mM; K, Cl) outside of a charged membrane at rest."""
    engine = make_engine(
        2000.0,
        inside=SALT,
        outside=SALT,
        length=length,
        capacitance=f"{STRONG_CAPACITANCE} uF/cm^2",
        protocol={"voltage": [{"start": 0.0, "potential": COMMAND}]},
        grid={"boundary": "bath", "grid_spacing": spacing},
    )
    observation = advance(engine, 4)
    n = engine.model.grid.n_rows[0]
    names = engine.composition.names
    concentrations = observation.cell_concentrations[[names.index("K"), names.index("Cl")], n:]
    return engine.model.grid.distances[1], observation.potential[n:], concentrations


def surface_potential():
    """Return the potential of the outer face by Grahame's equation, mV."""
    charge = -COMMAND * STRONG_CAPACITANCE * CAPACITANCE
    low, high = 0.0, 500.0
    for _ in range(80):
        middle = (low + high) / 2.0
        below = theory.grahame_charge_density(middle, SALT["K"], 1, BODY_TEMPERATURE) < charge
        low, high = (middle, high) if below else (low, middle)
    return -low


def layer_error(spacing):
    """Return the largest error of the potential of a diffuse layer over that of the face."""
    distances, potential, _ = charged_layer(spacing)
    face = surface_potential()
    expected = theory.gouy_chapman_potential(distances, face, SALT["K"], 1, BODY_TEMPERATURE)
    return float(np.abs(potential - expected).max() / abs(face))


def spreading_rate(spacing, length=40.0, wave=0.5):
    """Return the rate in 1/ns at which a wave of salt in a closed bath decays, by the field of its own ions.

    However high the wave: where both ions go together their common diffusion coefficient is constant.
    """
    salt = {"Na": 100.0, "Cl": 100.0}
    engine = make_engine(100.0, inside=salt, outside=salt, length=length, grid={"grid_spacing": spacing})

    def profile(distance):
        return 100.0 * (1.0 + wave * np.cos(np.pi * distance / length))

    set_outside(engine, {"Na": profile, "Cl": profile})
    grid = engine.model.grid
    n, wave_form = grid.n_rows[0], np.cos(np.pi * grid.distances[1] / length) * grid.widths[grid.rows_of(1)]

    def amplitude(observation):
        return float(observation.cell_concentrations[0, n:] @ wave_form)

    early = amplitude(advance(engine, 1))
    return -math.log(amplitude(advance(engine, 3)) / early) / 300.0


def expected_rate(length=40.0):
    """Return that rate by Nernst and Hartley."""
    engine = make_engine(100.0, inside={"Na": 1.0, "Cl": 1.0}, outside={"Na": 1.0, "Cl": 1.0})
    diffusion = theory.nernst_hartley(*engine.composition.diffusion_coefficients)
    return float(diffusion * (np.pi / length) ** 2)


def charging_patch():
    """Return a patch of three leaks that charges itself from 0 mV in about 200 ns."""
    leaks = {"K": 2.0, "Na": 0.1, "Cl": 0.6}
    return make_engine(
        400.0,
        inside={"K": 140.0, "Na": 12.0, "Cl": 8.0},
        outside={"K": 5.0, "Na": 145.0, "Cl": 115.0},
        channels=[
            {"name": name, "count": 10, "permeability": {name: permeability / 10.0}}
            for name, permeability in leaks.items()
        ],
        area=1e4,
        length=15.0,
    )


def potentials_by_step(lengths, duration=400.0, warm_up=20.0):
    """Return the potential in mV after `duration` ns in steps of each length, its stiff beginning left out."""
    potentials = []
    engine = charging_patch()
    engine.state.stores[:] = step_evenly(engine, warm_up, 2000)
    for length in lengths:
        stores = step_evenly(engine, duration, round(duration / length))
        potential = engine.model.equations.find_potential(stores)
        inner, outer = engine.model.grid.faces[:, 0]
        potentials.append(float(potential[inner] - potential[outer]))
    return potentials


def layer_rows(spacings=(2.0, 1.0, 0.5, 0.25, 0.125)):
    """Return the table of the diffuse layer."""
    return [Row(spacing, layer_error(spacing)) for spacing in spacings]


def spreading_rows(spacings=(8.0, 4.0, 2.0, 1.0)):
    """Return the table of the spreading salt: relative errors of its rate."""
    expected = expected_rate()
    return [Row(spacing, abs(spreading_rate(spacing) / expected - 1.0)) for spacing in spacings]


def time_rows(lengths=(100.0, 50.0, 25.0, 12.5, 6.25), finest=0.5):
    """Return the table of the charging membrane: errors in mV."""
    *potentials, exact = potentials_by_step([*lengths, finest])
    return [
        Row(length, abs(potential - exact)) for length, potential in zip(lengths, potentials, strict=True)
    ]


def orders(rows: Iterable[Row]) -> list[float]:
    """Return by which power of the size the error fell from row to row."""
    return [
        math.log(one.error / other.error) / math.log(one.size / other.size) for one, other in pairwise(rows)
    ]


def print_table(heading: str, unit: str, rows: list[Row]) -> None:
    """Print a table in Markdown."""
    print(f"| {heading} | error ({unit}) | order |")
    print("|---|---|---|")
    for row, order in zip(rows, ["", *(f"{order:.2f}" for order in orders(rows))], strict=True):
        print(f"| {row.size:g} | {row.error:.2e} | {order} |")
    print()


if __name__ == "__main__":
    print_table("h (nm), diffuse layer", "of the face's potential", layer_rows())
    print_table("h (nm), spreading salt", "of the rate", spreading_rows())
    print_table("dt (ns), charging", "mV", time_rows())
