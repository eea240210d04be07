"""First passage: ions leave a bath through its open end as the diffusion equation says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mc import theory
from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
from mc.validation.law import Check, Law, Line, Picture, Points, Trial, check_share
from mc.validation.scenarios import acting_length, change_of_solution, patch, species

LENGTH, DIFFUSION_COEFFICIENT, TIME_STEP, CONCENTRATION = 20.0, 2.5, 0.25, 50.0
"""nm, nm2/ns, ns and mM."""

TIMES = (5.0, 20.0, 60.0, 150.0)


@dataclass
class Survival:
    """Ions that were in the bath from the start."""

    time: np.ndarray
    left: np.ndarray
    """(records,) of them that never left."""
    n_ions: float
    """At the start: means count those of the end's own cell as well, which is the reservoir's from then on."""
    length: float
    """At which the end acts, nm."""


def measure(trial: Trial) -> Survival:
    """Let a tracer out of a bath into a reservoir that has none of it."""
    area = trial.pick(50_000.0, 400_000.0)
    text = patch(
        "First passage",
        inside={"tracer": CONCENTRATION, "Cl": CONCENTRATION},
        outside={"K": 1.0, "Cl": 1.0},
        area=area,
        length=LENGTH,
        outside_length=5.0,
        duration=600.0,
        time_step=2.5 if trial.engine == "continuum" else TIME_STEP,
        interval=2.5 if trial.engine == "continuum" else 2.0 * TIME_STEP,
        geometry='boundary = "bath"\ngrid_spacing = "0.5 nm"',
        more=species("tracer", 1, DIFFUSION_COEFFICIENT)
        + change_of_solution({"tracer": 0.0, "K": CONCENTRATION}),
    )
    recording = trial.run(text, "outflow", clamped_potential=0.0)
    length = acting_length(trial.engine, LENGTH, DIFFUSION_COEFFICIENT, TIME_STEP)
    left = recording["ions_inside.tracer"]
    filled = CONCENTRATION * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR * area * LENGTH
    return Survival(recording.time, left, filled if trial.engine == "continuum" else float(left[0]), length)


def compare(survival: Survival, length: float = 1.0, coefficient: float = 1.0) -> list[Check]:
    """Compare the share that is left, and the mean time that it takes to leave."""
    n_ions = survival.n_ions

    def share(time: np.ndarray | float) -> np.ndarray:
        expected: np.ndarray = theory.first_passage_survival(
            time, coefficient * DIFFUSION_COEFFICIENT, length * survival.length, LENGTH / survival.length
        )
        return expected

    checks = []
    for time in TIMES:
        found = survival.left[np.argmin(np.abs(survival.time - time))]
        checks.append(check_share(f"left after {time:g} ns", found, n_ions, float(share(time))))
    # The same sum over the records for both; its variance is that of first passages of uniform ions, 7 L^4/(45 D^2).
    measured = np.trapezoid(survival.left / n_ions, survival.time)
    expected = np.trapezoid(share(survival.time), survival.time)
    scale = (length * survival.length) ** 2 / (coefficient * DIFFUSION_COEFFICIENT)
    error = np.sqrt(7.0 / 45.0 / n_ions) * scale
    return [*checks, Check("mean first passage time", float(measured), float(error), float(expected), "ns")]


def draw(survival: Survival) -> Picture:
    """Draw the share that is left."""
    time = np.linspace(0.0, 200.0, 200)
    shown = np.flatnonzero(survival.time <= 200.0)[::20]
    share = survival.left[shown] / survival.n_ions
    error = np.sqrt(share * (1.0 - share) / survival.n_ions)
    expected = theory.first_passage_survival(
        time, DIFFUSION_COEFFICIENT, survival.length, LENGTH / survival.length
    )
    return Picture(
        "time (ns)",
        "share of the ions that never left",
        (Line("theory", time, expected),),
        (Points("measured", survival.time[shown], share, error),),
    )


LAW = Law(
    name="first-passage",
    claim="Ions leave a bath through its open end as the diffusion equation says, after L²/3D on average.",
    formula="S(t) = (8/π²) Σ_odd exp(−m²π²Dt/4L²)/m²;  <t> = L²/(3D)",
    references=(
        "Crank (1975), The Mathematics of Diffusion, eq. 4.18",
        "Redner (2001), A Guide to First-Passage Processes, ch. 2",
    ),
    engines=("brownian", "lattice", "continuum"),
    orders={"continuum": 2.0},
    measure=measure,
    compare=compare,
    twins={
        "an end at half the distance": lambda survival: compare(survival, length=0.5),
        "a bath open at both ends, or twice as fast": lambda survival: compare(survival, coefficient=2.0),
    },
    draw=draw,
    remark=(
        "Single ions leave when a step is over, so that the end acts 0.516 sqrt(2 D dt) farther out (Milne's problem "
        "for uniform increments): 0.58 nm of 20 nm here, 6 % of the mean time. The prediction has that."
    ),
)
