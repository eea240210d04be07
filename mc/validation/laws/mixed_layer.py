"""Grahame: the diffuse layers of a solution with calcium, where one side draws two charges at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from mc import theory
from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
from mc.validation.law import Check, Law, Line, Picture, Points, Trial, check_mean
from mc.validation.layers import AREA, SIDES, Layers, measure_layers, seen_by_electrodes
from mc.validation.potentials import VALENCES
from mc.validation.scenarios import BODY_TEMPERATURE

SOLUTION, COMMAND, LENGTH = {"K": 80.0, "Ca": 30.0, "Cl": 140.0}, -500.0, 4.5
"""mM, mV and nm: as short as six Debye lengths, so that calcium, the slowest, settles within 8 ns."""

WINDOW = 25.0
"""ns: windows are independent."""

N_WINDOWS = {"brownian": (24, 100), "lattice": (28, 80), "continuum": (2, 2)}
"""In quick and in full."""

DEPTHS, CALCIUM_DEPTHS = (1.0, 1.4, 1.8), (1.0, 1.8)
"""nm."""


@dataclass(frozen=True)
class Theory:
    """A layer of Poisson and Boltzmann that holds a charge."""

    charge: float
    """e of the ions."""

    @property
    def surface_potential(self) -> float:
        """The potential of the face in mV: of the sign of its own charge, the opposite of that of the ions."""

        def surplus(potential: float) -> float:
            density = theory.mixture_charge_density(potential, SOLUTION, VALENCES, BODY_TEMPERATURE)
            return float(density + self.charge / AREA)

        return float(brentq(surplus, -500.0, 500.0))

    def potential(self, depth: np.ndarray) -> np.ndarray:
        """Return the potential at depths in nm, mV."""
        found: np.ndarray = theory.mixture_potential(
            depth, self.surface_potential, SOLUTION, VALENCES, BODY_TEMPERATURE
        )
        return found

    def charge_within(self, depth: np.ndarray) -> np.ndarray:
        """Return the charge in e between the face and depths in nm: what lies beyond is that of another face."""
        beyond = theory.mixture_charge_density(self.potential(depth), SOLUTION, VALENCES, BODY_TEMPERATURE)
        within: np.ndarray = self.charge + AREA * beyond
        return within

    def calcium_within(self, depth: float, valence: int = 2) -> float:
        """Return the calcium between the face and a depth in nm by Boltzmann's law, in ions."""
        nodes, weights = np.polynomial.legendre.leggauss(24)
        thermal = theory.species.thermal_potential(BODY_TEMPERATURE)
        potential = self.potential(0.5 * depth * (1.0 + nodes))
        share = 0.5 * np.exp(-valence * potential / thermal) @ weights
        return float(SOLUTION["Ca"] * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR * AREA * depth * share)


def measure(trial: Trial) -> Layers:
    """Clamp a membrane between two such solutions."""
    is_mean = trial.engine == "continuum"
    return measure_layers(
        trial,
        "Diffuse layers with calcium",
        SOLUTION,
        COMMAND,
        length=LENGTH,
        settling=200.0 if is_mean else 50.0,
        window=WINDOW,
        n_windows=trial.pick(*N_WINDOWS[trial.engine]),
        is_open=True,
    )


def compare(layers: Layers, calcium_valence: int = 2, flipped: float = 1.0) -> list[Check]:
    """Compare the charge and the calcium within each depth on both sides, and the potential of both layers."""
    checks, potentials = [], {}
    for side, sign in SIDES.items():
        expected = Theory(flipped * sign * layers.charge)
        potentials[side] = seen_by_electrodes(expected.potential, layers.bulk)
        for depth in DEPTHS:
            i = int(np.argmin(np.abs(layers.edges - depth)))
            within = float(expected.charge_within(layers.edges[i : i + 1])[0])
            name = f"charge within {layers.edges[i]:.2g} nm {side}"
            checks.append(check_mean(name, layers.enclosed(side)[:, i], within, "e"))
        for depth in CALCIUM_DEPTHS:
            i = int(np.argmin(np.abs(layers.edges - depth)))
            ions = expected.calcium_within(float(layers.edges[i]), calcium_valence)
            name = f"calcium within {layers.edges[i]:.2g} nm {side}"
            checks.append(check_mean(name, layers.ions[side]["Ca"][:, i], ions, "ions"))
    drop = layers.resolved * (potentials["outside"] - potentials["inside"])
    return [*checks, check_mean("potential of the layers", layers.drop, drop, "mV")]


def draw(layers: Layers) -> Picture:
    """Draw the mean concentration of calcium up to each depth."""
    depth = np.linspace(0.1, 4.0, 40)
    shown = (layers.edges <= 4.0) & (layers.edges > 0.2)
    edges = layers.edges[shown]
    per_depth = AREA * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
    lines, points = [], []
    for side, sign in SIDES.items():
        expected = Theory(sign * layers.charge)
        mean = np.array([expected.calcium_within(float(one)) for one in depth]) / (per_depth * depth)
        lines.append(Line(side, depth, mean))
        found = layers.ions[side]["Ca"][:, shown] / (per_depth * edges)
        error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
        points.append(Points(side, edges, found.mean(axis=0), error))
    return Picture(
        "distance from the face (nm)", "calcium between face and there (mM)", tuple(lines), tuple(points)
    )


LAW = Law(
    name="mixed-layer",
    claim="Where calcium is in the solution, the layer that draws it is thinner than the one that repels it.",
    formula="σ² = 2 ε (kT/e) Σ n_i (exp(−z_i φ₀) − 1);  n_i(x) = n_i exp(−z_i φ(x))",
    references=("Grahame (1947), Chem. Rev. 41:441", "Grahame (1953), J. Chem. Phys. 21:1054"),
    engines=("brownian", "lattice", "continuum"),
    orders={"continuum": 2.0},
    measure=measure,
    compare=compare,
    twins={
        "calcium drawn by one charge": lambda layers: compare(layers, calcium_valence=1),
        "the layers on each other's side": lambda layers: compare(layers, flipped=-1.0),
    },
    draw=draw,
    remark=(
        "Of the symmetric salt of gouy-chapman both layers are alike; here the sides differ. What is said there of "
        "steps and voxels holds here."
    ),
)
