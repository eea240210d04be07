"""Fick: the profile of an ion that diffuses into a bath from its far end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mc import theory
from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
from mc.validation.law import Check, Law, Line, Picture, Points, Trial, check_chi_square
from mc.validation.scenarios import acting_length, change_of_solution, patch, species

LENGTH, DIFFUSION_COEFFICIENT, TIME_STEP, CONCENTRATION = 40.0, 2.0, 0.5, 100.0
"""nm, nm2/ns, ns and mM."""

SPACING, BINS = 1.0, np.arange(0.5, 39.0, 3.0)
"""nm; bins end between the nodes of the lattice, the last one before what the reservoir holds."""

DEPTHS = np.array([3.0, 12.0, 21.0, 30.0])
"""nm, where the mean equations are looked at."""

TIMES = (40.0, 120.0, 300.0)


@dataclass
class Filling:
    """Ions of the tracer by their distance from the membrane."""

    counts: np.ndarray
    """(times, bins)."""
    area: float
    length: float
    concentrations: np.ndarray
    """(times, depths) mM at `DEPTHS`, where cells hold means; else none."""

    def expected(self, profile: int = 1) -> np.ndarray:
        """Return the mean numbers, (times, bins), of Fick's equation, or of a straight line through the bath."""
        nodes, weights = np.polynomial.legendre.leggauss(12)
        middle, half = 0.5 * (BINS[1:] + BINS[:-1]), 0.5 * np.diff(BINS)
        x = middle[:, None] + half[:, None] * nodes
        density = CONCENTRATION * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR * self.area
        shares = np.array(
            [
                theory.filling_profile(x, time, profile * DIFFUSION_COEFFICIENT, self.length) @ weights
                for time in TIMES
            ]
        )
        means: np.ndarray = density * half * shares
        return means


def measure(trial: Trial) -> Filling:
    """Change the reservoir at the far end to one that holds a tracer."""
    area = trial.pick(20_000.0, 160_000.0)
    text = patch(
        "A bath that fills",
        inside={"tracer": 0.0, "K": CONCENTRATION, "Cl": CONCENTRATION},
        outside={"K": 1.0, "Cl": 1.0},
        area=area,
        length=LENGTH,
        outside_length=5.0,
        duration=TIMES[-1],
        time_step=20.0 if trial.engine == "continuum" else TIME_STEP,
        interval=20.0,
        geometry=f'boundary = "bath"\ngrid_spacing = "{SPACING} nm"',
        recording='events = false\nprofile_interval = "20 ns"',
        more=species("tracer", 1, DIFFUSION_COEFFICIENT)
        + change_of_solution({"tracer": CONCENTRATION, "K": 0.0}),
    ).replace(f'positions_interval = "{TIMES[-1]:g} ns"', 'positions_interval = "20 ns"')
    recording = trial.run(text, "filling", clamped_potential=0.0)
    tracer = recording.species_names.index("tracer")
    counts, concentrations = [], []
    for time in TIMES:
        if trial.engine == "brownian":
            positions = recording.positions
            frame = np.argmin(np.abs(positions.time - time))
            x = positions.x[frame, positions.species == tracer]
            counts.append(np.histogram(-x[x < 0.0], BINS)[0])
        else:
            profiles = recording.profiles
            frame = np.argmin(np.abs(profiles.time - time))
            ions = profiles.concentration[frame, tracer] * profiles.cell_width * area
            distance = -profiles.position
            is_inside = distance > 0.0
            if trial.engine == "continuum":
                order = np.argsort(distance)
                concentrations.append(
                    np.interp(DEPTHS, distance[order], profiles.concentration[frame, tracer][order])
                )
            found = np.histogram(distance[is_inside], BINS, weights=ions[is_inside])[0]
            counts.append(found * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR)
    length = acting_length(trial.engine, LENGTH, DIFFUSION_COEFFICIENT, TIME_STEP)
    return Filling(np.array(counts), area, length, np.array(concentrations))


def compare(filling: Filling, speed: int = 1) -> list[Check]:
    """Compare the numbers in all bins: Poisson, independent, as ions of a reservoir come by themselves."""
    if filling.concentrations.size:
        return [
            Check(f"at {depth:g} nm after {time:g} ns", found, 0.0, CONCENTRATION * expected, "mM")
            for time, row in zip(TIMES, filling.concentrations, strict=True)
            for depth, found, expected in zip(
                DEPTHS,
                row,
                theory.filling_profile(DEPTHS, time, speed * DIFFUSION_COEFFICIENT, filling.length),
                strict=True,
            )
        ]
    expected = filling.expected(speed)
    return [
        check_chi_square(
            f"profile after {time:g} ns", (counted - means)[means > 10.0], np.sqrt(means[means > 10.0])
        )
        for time, counted, means in zip(TIMES, filling.counts, expected, strict=True)
    ]


def draw(filling: Filling) -> Picture:
    """Draw the profiles."""
    x, middle = np.linspace(0.0, LENGTH, 200), 0.5 * (BINS[1:] + BINS[:-1])
    volume = np.diff(BINS) * filling.area * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
    lines, points = [], []
    for time, counted in zip(TIMES, filling.counts, strict=True):
        profile = theory.filling_profile(x, time, DIFFUSION_COEFFICIENT, filling.length)
        lines.append(Line(f"{time:g} ns", x, CONCENTRATION * profile))
        points.append(Points(f"{time:g} ns", middle, counted / volume, np.sqrt(counted) / volume))
    return Picture("distance from the membrane (nm)", "tracer (mM)", tuple(lines), tuple(points))


LAW = Law(
    name="fick",
    claim="An ion diffuses into a bath from its far end with the profile of Fick's second law.",
    formula="∂c/∂t = D ∂²c/∂x²;  c = c₀ [1 − (4/π) Σ_odd ±exp(−m²π²Dt/4L²) cos(mπx/2L)/m]",
    references=("Fick (1855), Ann. Phys. 170:59", "Crank (1975), The Mathematics of Diffusion, eq. 4.17"),
    engines=("brownian", "lattice", "continuum"),
    orders={"continuum": 2.0},
    measure=measure,
    compare=compare,
    twins={"twice the diffusion coefficient": lambda filling: compare(filling, 2)},
    draw=draw,
    remark=(
        "Single ions come and go when a step is over, so that the end acts 0.516 sqrt(2 D dt) farther out (Milne's "
        "problem for uniform increments): 0.73 nm here, and the prediction has that."
    ),
)
