"""Poisson, Nernst and Planck: the mean of many runs with single ions is the solution of their equations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
from mc.recording.recording import Recording
from mc.validation.law import Check, Law, Line, Picture, Points, Trial, check_mean
from mc.validation.scenarios import channel, patch

INSIDE = {"K": 140.0, "Na": 12.0, "Cl": 10.0}
OUTSIDE = {"K": 5.0, "Na": 145.0, "Cl": 115.0}
PERMEABILITY = {"K": 1.6e-3, "Na": 0.2e-3, "Cl": 0.4e-3}
"""mM; nm/ns of the whole membrane, so that it charges within about a microsecond."""

PORE = 'pore = { diffusion_coefficient = "1 nm^2/ns", mouth_depth = "0.8 nm" }'
AREA = {"brownian": 3000.0, "lattice": 50_000.0}
LENGTH, DURATION = 12.0, 1500.0
TIME_STEP = {"brownian": 1.0, "lattice": 1.0}
"""nm2, nm and ns."""

TIMES = (150.0, 500.0, 1500.0)
"""ns after all was at 0 mV."""

SPECIES = ("K", "Na", "Cl")


@dataclass
class Courses:
    """The same patch in many runs with ions, and once in the mean."""

    time: np.ndarray
    potential: np.ndarray
    """(runs, records) mV of charge over capacitance."""
    mean_potential: np.ndarray
    """(records,) mV of the equations."""
    gained: dict[str, np.ndarray]
    """By species the ions that the inside gained, in mM of it, (runs, records)."""
    mean_gained: dict[str, np.ndarray]


def make_scenario(engine: str) -> str:
    """Return a membrane that charges itself by three leaks, and runs down."""
    area = AREA[engine]
    return patch(
        "A membrane charges itself",
        inside=INSIDE,
        outside=OUTSIDE,
        area=area,
        length=LENGTH,
        duration=DURATION,
        time_step=TIME_STEP[engine],
        interval=25.0,
        geometry="" if engine == "brownian" else 'grid_spacing = "4 nm"',
        more="".join(
            channel(f"{ion} leak", 50, {ion: value * area / 50}, PORE) for ion, value in PERMEABILITY.items()
        ),
    )


def gained(recording: Recording, engine: str) -> dict[str, np.ndarray]:
    """Return what the inside gained of each ion since the start, and pores hold, in mM."""
    volume = AREA[engine] * LENGTH * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
    return {
        name: (recording[f"ions_inside.{name}"] - recording[f"ions_inside.{name}"][0]) / volume
        for name in SPECIES
    }


def measure(trial: Trial) -> Courses:
    """Let the same patch charge many times, and solve the equations for it."""
    n_runs = trial.pick(16, 100)
    text = make_scenario(trial.engine)
    potentials, gains = [], []
    for i in range(n_runs):
        recording = trial.run(text, f"run{i + 1}")
        potentials.append(recording["charge_separation_potential"])
        gains.append(gained(recording, trial.engine))
    means = trial.run(text, "means", engine="continuum")
    return Courses(
        recording.time,
        np.array(potentials),
        np.interp(recording.time, means.time, means["charge_separation_potential"]),
        {name: np.array([one[name] for one in gains]) for name in SPECIES},
        gained(means, trial.engine),
    )


def compare(courses: Courses, speed: float = 1.0) -> list[Check]:
    """Compare the potential and the ions that came, at several times, run by run."""
    checks = []
    for time in TIMES:
        i = int(np.argmin(np.abs(courses.time - time)))
        expected = float(np.interp(speed * time, courses.time, courses.mean_potential))
        checks.append(check_mean(f"potential after {time:g} ns", courses.potential[:, i], expected, "mV"))
    for name in SPECIES:
        expected = float(np.interp(speed * TIMES[1], courses.time, courses.mean_gained[name]))
        i = int(np.argmin(np.abs(courses.time - TIMES[1])))
        checks.append(
            check_mean(f"{name} gained after {TIMES[1]:g} ns", courses.gained[name][:, i], expected, "mM")
        )
    return checks


def draw(courses: Courses) -> Picture:
    """Draw the course of the potential."""
    shown = slice(None, None, 4)
    found = courses.potential[:, shown]
    return Picture(
        "time (ns)",
        "charge/C (mV)",
        (Line("Poisson, Nernst & Planck", courses.time, courses.mean_potential),),
        (
            Points(
                f"mean of {len(found)} runs",
                courses.time[shown],
                found.mean(axis=0),
                found.std(axis=0, ddof=1) / np.sqrt(len(found)),
            ),
        ),
    )


LAW = Law(
    name="particles-and-means",
    claim="On average, single ions and counts charge a membrane as the equations for the means say.",
    formula="∂c/∂t = ∇·D(∇c + zc∇φ/(kT/e)),  ∇·ε∇φ = −ρ",
    references=("Nernst (1889), Z. phys. Chem. 4:129", "Planck (1890), Ann. Phys. 275:161"),
    engines=("brownian", "lattice"),
    not_on={"continuum": "its own solution is what the others are compared with"},
    measure=measure,
    compare=compare,
    twins={"equations that go twice as fast": lambda courses: compare(courses, speed=2.0)},
    draw=draw,
    remark=(
        "Expected is here no closed form but the solution of the continuum, whose own laws are checked beside: it "
        "stands for the equations. Each run begins with new random numbers; errors are those of independent runs."
    ),
)
