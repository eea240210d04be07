"""Einstein: free ions spread as 2 D t, each species with its own diffusion coefficient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mc import theory
from mc.validation.law import Check, Law, Line, Picture, Points, Trial

LENGTH, MIDDLE, DURATION, TIME_STEP = 120.0, 10.0, 20.0, 1.0
"""nm and ns: ions that start within 10 nm of a bath's middle are 4.9 standard deviations from any wall."""

IONS = ("K", "Na", "Cl", "Ca")

SCENARIO = """
title = "Free diffusion"

[simulation]
duration = "20 ns"
time_step = "1 ns"

[geometry]
area = "{area} nm^2"
inside_length = "120 nm"
outside_length = "120 nm"

[membrane]
thickness = "4 nm"
capacitance = "1 uF/cm^2"

[inside]
K = "50 mM"
Na = "50 mM"
Cl = "100 mM"

[outside]
Ca = "50 mM"
Cl = "100 mM"

[recording]
interval = "4 ns"
positions_interval = "4 ns"
positions_stride = 1
"""


@dataclass
class Spread:
    """Displacements of the ions that start in the middle of a bath."""

    times: np.ndarray
    """(times,) ns."""
    squares: dict[str, np.ndarray]
    """By species the squares of the displacements, (times, ions) nm2."""
    coefficients: dict[str, float]


def measure(trial: Trial) -> Spread:
    """Follow ions through baths that the clamp keeps free of fields."""
    recording = trial.run(SCENARIO.format(area=trial.pick(5e3, 4e4)), "free", clamped_potential=0.0)
    positions = recording.positions
    start = positions.x[0]
    distance = np.where(start < 0.0, -start, start - recording.thickness)
    is_central = np.abs(distance - LENGTH / 2) < MIDDLE
    squares = {}
    for i, species in enumerate(recording.species):
        moved = (
            positions.x[1:, is_central & (positions.species == i)]
            - start[is_central & (positions.species == i)]
        )
        squares[species.name] = moved**2
    coefficients = {one.name: one.diffusion_coefficient for one in recording.species}
    return Spread(positions.time[1:], {name: squares[name] for name in IONS}, coefficients)


def compare(spread: Spread, factor: float = 1.0, species_of: dict[str, str] | None = None) -> list[Check]:
    """Compare the mean squares at the end.

    The kurtosis of a sum of n increments, uniform each, is 3 - 6/(5 n): the variance of a mean square follows.
    """
    checks = []
    for name, squares in spread.squares.items():
        coefficient = spread.coefficients[(species_of or {}).get(name, name)]
        expected = factor * theory.mean_square_displacement(coefficient, spread.times[-1])
        kurtosis = 3.0 - 1.2 * TIME_STEP / DURATION
        error = expected * np.sqrt((kurtosis - 1.0) / squares.shape[1])
        checks.append(Check(f"{name} after 20 ns", squares[-1].mean(), error, float(expected), "nm²"))
    return checks


def draw(spread: Spread) -> Picture:
    """Draw the mean squares over time."""
    time = np.linspace(0.0, spread.times[-1], 50)
    lines, points = [], []
    for name, squares in spread.squares.items():
        lines.append(Line(name, time, theory.mean_square_displacement(spread.coefficients[name], time)))
        error = squares.std(axis=1) / np.sqrt(squares.shape[1])
        points.append(Points(name, spread.times, squares.mean(axis=1), error))
    return Picture("time (ns)", "mean square displacement (nm²)", tuple(lines), tuple(points))


LAW = Law(
    name="einstein",
    claim="Free ions spread in proportion to time, each species with its own diffusion coefficient.",
    formula="<(x(t) - x(0))²> = 2 D t",
    references=("Einstein (1905), Ann. Phys. 322:549",),
    engines=("brownian",),
    not_on={
        "lattice": "ions have no places of their own in a voxel",
        "continuum": "there are no single ions",
    },
    measure=measure,
    compare=compare,
    twins={
        "a step of variance D dt": lambda spread: compare(spread, factor=0.5),
        "the diffusion coefficients of K and Na exchanged": lambda spread: compare(
            spread, species_of={"K": "Na", "Na": "K"}
        ),
    },
    draw=draw,
)
