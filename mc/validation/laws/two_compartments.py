"""Fick: two compartments joined by open pores equalise at the rate of their membrane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mc import theory
from mc.validation.law import Check, Law, Line, Picture, Points, Trial, check_share
from mc.validation.scenarios import channel, patch, species

AREA, PERMEABILITY, INSIDE_LENGTH, OUTSIDE_LENGTH = 20_000.0, 30.0, 8.0, 16.0
"""nm2, nm3/ns and nm: 15,000 ions."""

DIFFUSION_COEFFICIENT = 2.5
"""nm2/ns"""

TIMES = (400.0, 1000.0, 2000.0)
"""ns; the relaxation takes 3.6 us."""


@dataclass
class Relaxation:
    """The share of a tracer's ions that is still inside."""

    time: np.ndarray
    share: np.ndarray
    n_ions: float


def measure(trial: Trial) -> Relaxation:
    """Let a tracer that starts inside spread, without fields."""
    area = trial.pick(1.0, 4.0) * AREA
    text = patch(
        "Two compartments",
        inside={"tracer": 150.0, "Cl": 150.0},
        outside={"K": 10.0, "Cl": 10.0},
        area=area,
        length=INSIDE_LENGTH,
        outside_length=OUTSIDE_LENGTH,
        duration=TIMES[-1],
        time_step=1.0,
        interval=20.0,
        more=species("tracer", 1, DIFFUSION_COEFFICIENT)
        + channel(
            "pore",
            300,
            {"tracer": PERMEABILITY * area / AREA / 300},
            'pore = { diffusion_coefficient = "1 nm^2/ns", mouth_depth = "0.8 nm" }',
        ),
    )
    recording = trial.run(text, "pores", clamped_potential=0.0)
    inside, outside = (recording[f"ions_{side}.tracer"] for side in ("inside", "outside"))
    return Relaxation(recording.time, inside / (inside + outside), float(inside[0]))


def share_inside(time: np.ndarray, rate: float) -> np.ndarray:
    """Return the share that is left inside, from 1 to that of the volumes."""
    final = INSIDE_LENGTH / (INSIDE_LENGTH + OUTSIDE_LENGTH)
    return final + (1.0 - final) * np.exp(-rate * time)


def fick_rate() -> float:
    """Return P (1/L_in + 1/L_out) in 1/ns, with a third of each bath in series with the membrane.

    Its ions must come to the membrane first: the slowest mode to first order in P L/D (Crank 1975, section 4.3.6).
    """
    resistance = AREA / PERMEABILITY + (INSIDE_LENGTH + OUTSIDE_LENGTH) / (3.0 * DIFFUSION_COEFFICIENT)
    return float(theory.two_compartment_relaxation_rate(1.0 / resistance, INSIDE_LENGTH, OUTSIDE_LENGTH))


def compare(relaxation: Relaxation, factor: float = 1.0) -> list[Check]:
    """Compare the shares: each ion is inside or not by itself."""
    checks = []
    for time in TIMES:
        found = float(np.interp(time, relaxation.time, relaxation.share))
        probability = float(share_inside(np.array(time), factor * fick_rate()))
        checks.append(
            check_share(
                f"inside after {time:g} ns", found * relaxation.n_ions, relaxation.n_ions, probability
            )
        )
    return checks


def draw(relaxation: Relaxation) -> Picture:
    """Draw the share inside over time."""
    every = slice(None, None, 5)
    error = np.sqrt(relaxation.share * (1.0 - relaxation.share) / relaxation.n_ions)
    return Picture(
        "time (ns)",
        "share of the tracer inside",
        (Line("Fick", relaxation.time, share_inside(relaxation.time, fick_rate())),),
        (Points("measured", relaxation.time[every], relaxation.share[every], error[every]),),
    )


LAW = Law(
    name="two-compartments",
    claim="Two compartments joined by open pores equalise exponentially, faster the shorter they are.",
    formula="c_in − c_out ∝ exp(−P (1/L_in + 1/L_out) t)",
    references=("Fick (1855), Ann. Phys. 170:59",),
    engines=("brownian", "lattice", "continuum"),
    solved_on=("continuum",),
    measure=measure,
    compare=compare,
    twins={
        "without the other compartment": lambda one: compare(
            one, INSIDE_LENGTH / (INSIDE_LENGTH + OUTSIDE_LENGTH)
        ),
        "one length for both": lambda one: compare(one, 2.0 / 3.0),
        "a rate 15 % too high": lambda one: compare(one, 1.15),
    },
    draw=draw,
    remark=(
        "The equation takes both compartments as well mixed. Ions need time to come to the membrane, as if a third "
        "of each bath stood in series with it: the prediction has that, 0.5 % of the rate here."
    ),
)
