"""Nernst: a membrane that one ion crosses rests where that ion is in equilibrium."""

from __future__ import annotations

import numpy as np

from mc import theory
from mc.comparison import PotentialComparison, compare_potential
from mc.validation.law import Check, Law, Line, Picture, Points, Trial
from mc.validation.potentials import (
    VALENCES,
    charging_times,
    check_potential,
    equilibration_time,
    resting_patch,
)
from mc.validation.scenarios import BODY_TEMPERATURE

CASES: dict[str, tuple[str, dict[str, float], dict[str, float]]] = {
    "K 140/20": ("K", {"K": 140.0, "Cl": 10.0}, {"K": 20.0, "Na": 130.0, "Cl": 120.0}),
    "Na 15/145": ("Na", {"Na": 15.0, "K": 135.0, "Cl": 10.0}, {"Na": 145.0, "Cl": 120.0}),
    "Cl 15/120": ("Cl", {"K": 150.0, "Cl": 15.0}, {"Cl": 120.0, "K": 150.0}),
    "Ca 8/40": ("Ca", {"Ca": 8.0, "K": 100.0, "Cl": 10.0}, {"Ca": 40.0, "Na": 60.0, "Cl": 120.0}),
}
"""The ion, and the concentrations inside and outside in mM."""


def measure(trial: Trial) -> dict[str, PotentialComparison]:
    """Let a patch come to rest for each ion."""
    rest = {}
    for case, (ion, inside, outside) in CASES.items():
        text = resting_patch(
            trial.engine,
            f"Nernst, {case} mM",
            inside,
            outside,
            {ion: 1.0},
            charging_times=charging_times(trial),
        )
        recording = trial.run(text, ion)
        rest[case] = compare_potential(recording, equilibration_time(trial.engine))
    return rest


def compare(rest: dict[str, PotentialComparison]) -> list[Check]:
    """Compare with the Nernst potential of the same moments, which is GHK's for one permeant ion."""
    return [check_potential(case, comparison) for case, comparison in rest.items()]


def compare_wrongly(rest: dict[str, PotentialComparison], factor: float) -> list[Check]:
    """Compare with a multiple of it."""
    return [
        check_potential(case, comparison, factor * comparison.ghk_potential.mean)
        for case, comparison in rest.items()
        if comparison.ghk_potential is not None
    ]


def draw(rest: dict[str, PotentialComparison]) -> Picture:
    """Draw the potentials over the ratio of concentrations."""
    points, lines = [], []
    ratios = np.geomspace(0.1, 10.0, 50)
    for valence, label in ((1, "z = 1"), (-1, "z = −1"), (2, "z = 2")):
        lines.append(Line(label, ratios, theory.nernst_potential(valence, 1.0, ratios, BODY_TEMPERATURE)))
    for case, comparison in rest.items():
        ion, inside, outside = CASES[case]
        check = check_potential(case, comparison)
        ratio = np.exp(VALENCES[ion] * check.expected / theory.species.thermal_potential(BODY_TEMPERATURE))
        points.append(
            Points(
                f"{ion} {inside[ion]:g}/{outside[ion]:g} mM",
                np.array([ratio]),
                np.array([check.measured]),
                np.array([check.standard_error]),
            )
        )
    return Picture(
        "concentration outside over inside",
        "membrane potential (mV)",
        tuple(lines),
        tuple(points),
        x_scale="log",
    )


LAW = Law(
    name="nernst",
    claim="A membrane that one ion crosses rests at the Nernst potential of that ion: K, Na, Cl and Ca.",
    formula="V = (kT/ze) ln(c_out/c_in)",
    references=("Nernst (1889), Z. phys. Chem. 4:129",),
    engines=("brownian", "lattice", "continuum"),
    solved_on=("continuum",),
    measure=measure,
    compare=compare,
    twins={
        "the wrong sign of the valence": lambda rest: compare_wrongly(rest, -1.0),
        "twice the valence": lambda rest: compare_wrongly(rest, 0.5),
    },
    draw=draw,
    remark=(
        "Compared are the potential that electrodes read in the bulk, 5 Debye lengths and more from the membrane, "
        "and the Nernst potential of the concentrations there at the same moment: the charge on the membrane takes "
        "ions out of a bath of finite size, by up to 0.1 mV here. The slab itself has less than that potential, as "
        "the diffuse layers take their share."
    ),
)
