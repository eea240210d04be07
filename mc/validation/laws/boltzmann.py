"""Boltzmann: where ions stand in a field that does not depend on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mc import theory
from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
from mc.validation.law import Check, Law, Line, Picture, Points, Trial, check_count
from mc.validation.scenarios import BODY_TEMPERATURE, channel, patch, species, two_states

VALENCES = {"anion": -1, "cation": 1, "divalent": 2}
SOLUTION = {"anion": 60.0, "cation": 60.0, "divalent": 30.0}
"""mM outside."""

POTENTIAL, THICKNESS = -40.0, 4.0
"""mV across the slab, held; nm."""

AREA, LENGTH, TIME_STEP = 9000.0, 5.0, 0.5
PORES, PERMEABILITY, PORE_DIFFUSION, MOUTH_DEPTH = 400, 0.05, 1.0, 0.6
"""nm3/ns of one pore for each ion, nm2/ns and nm."""

BETWEEN, SETTLING = 25.0, 100.0
"""ns between looks: a pore forgets its ions within (2 d/pi)^2/D = 6 ns."""

EDGES = np.linspace(0.7, 3.3, 6)
"""nm from the inner face: between the gate and the depth at which ions enter."""


@dataclass
class Pores:
    """How many ions of each kind were seen in each piece of the pores."""

    counts: dict[str, np.ndarray]
    """(pieces,)"""
    outside: dict[str, float]
    """Mean concentration in mM."""
    n_looks: int

    def expected(self, name: str, valence: float) -> np.ndarray:
        """Return the mean counts by Boltzmann's law, (pieces,)."""
        nodes, weights = np.polynomial.legendre.leggauss(12)
        middle, half = 0.5 * (EDGES[1:] + EDGES[:-1]), 0.5 * np.diff(EDGES)
        share = np.exp(-valence * reduced_potential(middle[:, None] + half[:, None] * nodes)) @ weights
        room = PORES * PERMEABILITY * THICKNESS / PORE_DIFFUSION
        density = self.outside[name] * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
        means: np.ndarray = self.n_looks * density * room * half * share
        return means


def reduced_potential(depth: np.ndarray) -> np.ndarray:
    """Return the potential in units of kT/e at a depth in nm from the inner face, zero outside."""
    thermal = theory.species.thermal_potential(BODY_TEMPERATURE)
    reduced: np.ndarray = POTENTIAL / thermal * (1.0 - depth / THICKNESS)
    return reduced


def measure(trial: Trial) -> Pores:
    """Look into pores whose inner gates are shut, so that they are in equilibrium with the outside."""
    n_looks = trial.pick(800, 2400)
    text = patch(
        "Ions in the field of a slab",
        inside={"K": 1.0, "Cl": 1.0},
        outside=SOLUTION,
        area=AREA,
        length=LENGTH,
        duration=SETTLING + n_looks * BETWEEN,
        time_step=TIME_STEP,
        interval=BETWEEN,
        more="".join(species(name, valence, 2.0) for name, valence in VALENCES.items())
        + channel(
            "pore",
            PORES,
            dict.fromkeys(VALENCES, PERMEABILITY),
            f'pore = {{ diffusion_coefficient = "{PORE_DIFFUSION} nm^2/ns", mouth_depth = "{MOUTH_DEPTH} nm" }}'
            + two_states(1e-12, 1.0, initial="closed"),
        ),
    )
    text = text.replace(
        f'positions_interval = "{SETTLING + n_looks * BETWEEN:.12g} ns"',
        f'positions_interval = "{BETWEEN:g} ns"',
    )
    recording = trial.run(text, "pores", clamped_potential=POTENTIAL)
    frames = np.flatnonzero(recording.position_times > SETTLING)
    counts, outside = {}, {}
    volume = AREA * LENGTH * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
    for name in VALENCES:
        ions = np.flatnonzero(recording.recorded_species == recording.species_names.index(name))
        x, _ = recording.read_positions(frames, ions)
        counts[name] = np.histogram(x, EDGES)[0].astype(float)
        outside[name] = float(recording[f"ions_outside.{name}"].mean() / volume)
    return Pores(counts, outside, len(frames))


def compare(pores: Pores, factor: float = 1.0) -> list[Check]:
    """Compare the number in each piece: Poisson, as looks are independent."""
    return [
        check_count(f"{name} at {low:.2g} to {high:.2g} nm", counted, expected, "ions")
        for name, valence in VALENCES.items()
        for low, high, counted, expected in zip(
            EDGES[:-1], EDGES[1:], pores.counts[name], pores.expected(name, factor * valence), strict=True
        )
    ]


def draw(pores: Pores) -> Picture:
    """Draw the density over that outside."""
    depth, middle = np.linspace(0.0, THICKNESS, 100), 0.5 * (EDGES[1:] + EDGES[:-1])
    lines, points = [], []
    for name, valence in VALENCES.items():
        lines.append(Line(name, depth, np.exp(-valence * reduced_potential(depth))))
        uniform = pores.expected(name, 0.0)
        counted = pores.counts[name]
        points.append(Points(name, middle, counted / uniform, np.sqrt(counted) / uniform))
    return Picture(
        "distance from the inner face (nm)",
        "density over that outside",
        tuple(lines),
        tuple(points),
        y_scale="log",
    )


LAW = Law(
    name="boltzmann",
    claim="In a fixed field ions at equilibrium are as dense as their energy says, for z = −1, +1 and +2.",
    formula="c(x) = c_out exp(−zφ(x)/(kT/e)),  φ = V (1 − x/d) in the slab",
    references=("Boltzmann (1868), Wien. Ber. 58:517",),
    engines=("brownian",),
    not_on={
        "lattice": "a pore has no inside there; ions in the field of a layer are checked by mixed-layer",
        "continuum": "a pore has no inside there; ions in the field of a layer are checked by mixed-layer",
    },
    measure=measure,
    compare=compare,
    twins={
        "the wrong sign of the valence": lambda pores: compare(pores, -1.0),
        "no field": lambda pores: compare(pores, 0.0),
        "a tenth less energy": lambda pores: compare(pores, 0.9),
    },
    draw=draw,
    remark=(
        "Pores whose gate at the inner end is shut stay open to the outside. Ions enter, walk and leave in the field "
        "that the clamp holds; nothing puts them where they are. An ion that comes out does not enter again in the "
        "same step: pores hold 0.75 κ sqrt(dt/D) fewer ions than they should, 0.5 % here (docs/methods.md)."
    ),
)
