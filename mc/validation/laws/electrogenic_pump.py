"""A pump's net charge: the potential is where the leaks carry the pump's current back."""

from __future__ import annotations

import numpy as np

from mc.comparison import PotentialComparison, compare_potential
from mc.validation.law import SAMPLES_PER_DEGREE_OF_FREEDOM, Check, Law, Line, Picture, Points, Trial
from mc.validation.scenarios import channel, patch

AREA = {"brownian": 10_000.0, "lattice": 200_000.0, "continuum": 2e7}
TIME_STEP = {"brownian": (1.0, 1.0), "lattice": (0.5, 0.25), "continuum": (20_000.0, 20_000.0)}
"""nm2, and ns in quick and in full; the equations of the continuum have steps of their own."""

SLOWER = {"brownian": 1.0, "lattice": 1.0, "continuum": 1000.0}
GEOMETRY = {"brownian": "", "lattice": "", "continuum": 'boundary = "bath"\ngrid_spacing = "100 nm"'}
LENGTH = {"brownian": 15.0, "lattice": 15.0, "continuum": 200.0}
"""The continuum, which is compared to the last digits, has fewer leaks and pumps, so that baths stay uniform, does
not run down, and has cells larger than the diffuse layers."""

TURNOVERS = (0.02, 0.06)
"""1/ns."""


def measure(trial: Trial) -> dict[float, PotentialComparison]:
    """Let a leaky membrane come to rest with pumps that turn at several speeds."""
    slower = SLOWER[trial.engine]
    share = AREA[trial.engine] / AREA["brownian"] / slower
    rest = {}
    for turnover in TURNOVERS:
        text = patch(
            f"Pumps of {turnover:g} cycles a ns",
            inside={"K": 120.0, "Na": 40.0, "Cl": 20.0},
            outside={"K": 10.0, "Na": 130.0, "Cl": 110.0},
            area=AREA[trial.engine],
            length=LENGTH[trial.engine],
            duration=(1.5e7 if slower > 1.0 else trial.pick(30_000.0, 120_000.0)),
            time_step=trial.pick(*TIME_STEP[trial.engine]),
            interval=20.0 * slower,
            geometry=GEOMETRY[trial.engine],
            more=channel("K leak", 400, {"K": 0.037 * share})
            + channel("Na leak", 100, {"Na": 0.03 * share})
            + f"""
[[pumps]]
name = "pump"
count = {round(40 * share)}
turnover = "{turnover:g} /ns"
half_saturation = {{ Na = "40 mM", K = "5 mM" }}
""",
        )
        rest[turnover] = compare_potential(
            trial.run(text, f"turnover{turnover:g}"), (5000.0 if slower > 1.0 else 2000.0) * slower
        )
    return rest


def compare(rest: dict[float, PotentialComparison], share: float = 1.0) -> list[Check]:
    """Compare with GHK where the leaks carry the pumps' current, or a share of it between 0 and 1."""
    checks = []
    for turnover, one in rest.items():
        difference, ghk, plain = one.difference_with_pump, one.ghk_potential_with_pump, one.ghk_potential
        if difference is None or ghk is None or plain is None:
            raise ValueError("no channel was open")
        checks.append(
            Check(
                f"{turnover:g} cycles/ns",
                ghk.mean + difference.mean,
                difference.standard_error,
                plain.mean + share * (ghk.mean - plain.mean),
                "mV",
                max(1.0, difference.n_effective / SAMPLES_PER_DEGREE_OF_FREEDOM),
            )
        )
    return checks


def draw(rest: dict[float, PotentialComparison]) -> Picture:
    """Draw the shift from GHK over the current of the pumps."""
    currents = np.array([one.pump_current for one in rest.values()])
    checks, without = compare(rest), compare(rest, 0.0)
    shift = np.array([one.measured - other.expected for one, other in zip(checks, without, strict=True)])
    predicted = np.array([one.expected - other.expected for one, other in zip(checks, without, strict=True)])
    errors = np.array([one.standard_error for one in checks])
    return Picture(
        "current of the pumps (e/ns outward)",
        "membrane potential less GHK (mV)",
        (Line("GHK with the current", np.append(0.0, currents), np.append(0.0, predicted)),),
        (Points("measured", currents, shift, errors),),
    )


LAW = Law(
    name="electrogenic-pump",
    claim="A pump of 3 Na for 2 K makes the inside more negative, until the leaks carry its charge back.",
    formula="Σ I_GHK(V) + I_pump = 0",
    references=(
        "Thomas (1972), Physiol. Rev. 52:563",
        "Läuger (1991), Electrogenic Ion Pumps, ch. 8",
    ),
    engines=("brownian", "lattice", "continuum"),
    solved_on=("continuum",),
    measure=measure,
    compare=compare,
    twins={
        "an electroneutral pump": lambda rest: compare(rest, 0.0),
        "a pump that carries its charge inwards": lambda rest: compare(rest, -1.0),
    },
    draw=draw,
    remark=(
        "A record is made at the end of a step, when the pumps have moved their charge and the leaks have not yet "
        "carried it back: it is off by I dt/(2 C), 0.05 mV here on the lattice. The steps are short enough for that. "
        "Diffuse layers scale the fluxes through the leaks (Frumkin 1933), and so make 0.03 mV at the faster "
        "turnover where they are resolved; in the continuum cells are larger than they."
    ),
)
