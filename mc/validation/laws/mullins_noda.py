"""Mullins and Noda: pump and leaks in steady state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mc import theory
from mc.analysis.potential import bulk_concentrations
from mc.analysis.statistics import Estimate, block_average
from mc.validation.law import Check, Law, Line, Picture, Points, Trial, check_estimate
from mc.validation.scenarios import channel, patch

PERMEABILITY, PUMPS = {"K": 25.0, "Na": 2.5}, 12.5
"""nm3/ns and pumps in 10,000 nm2."""

INSIDE, OUTSIDE = {"K": 124.5, "Na": 25.4, "Cl": 10.0}, {"K": 15.6, "Na": 134.5, "Cl": 120.0}
"""mM, close to what the pumps make of any start: what is left of a difference disappears in 30 us."""

PORE = 'pore = { diffusion_coefficient = "1 nm^2/ns", mouth_depth = "0.8 nm" }'
AREA = {"brownian": 10_000.0, "lattice": 200_000.0, "continuum": 200_000.0}
TIME_STEP = {"brownian": (1.0, 1.0), "lattice": (0.5, 0.25), "continuum": (20.0, 20.0)}
"""nm2, and ns in quick and in full; the equations of the continuum have steps of their own."""

LENGTH = 15.0
RATIOS = (1.0, 1.5, 2.0)


@dataclass
class Steady:
    """The potential less that of theory, for several ratios of Na to K."""

    potential: float
    differences: dict[float, Estimate]
    """By ratio, of the same moments, mV."""


def measure(trial: Trial) -> Steady:
    """Watch a closed box in which pumps and leaks have come to their steady state."""
    share = AREA[trial.engine] / AREA["brownian"]
    text = patch(
        "Pump and leaks in steady state",
        inside=INSIDE,
        outside=OUTSIDE,
        area=AREA[trial.engine],
        length=LENGTH,
        duration=trial.pick(30_000.0, 120_000.0),
        time_step=trial.pick(*TIME_STEP[trial.engine]),
        interval=20.0,
        more="".join(
            channel(f"{ion} leak", 400, {ion: share * value / 400}, PORE)
            for ion, value in PERMEABILITY.items()
        )
        + f"""
[[pumps]]
name = "Na/K-ATPase"
count = {round(PUMPS * share)}
turnover = "0.05 /ns"
half_saturation = {{ Na = "10 mM", K = "5 mM" }}
""",
    )
    recording = trial.run(text, "steady")
    window = slice(np.searchsorted(recording.time, 1000.0), None)
    inside, outside = bulk_concentrations(recording)
    species = [recording.species_names.index(ion) for ion in PERMEABILITY]
    permeability = np.array(list(PERMEABILITY.values()))[:, None]
    potential = recording["membrane_potential"]
    differences = {}
    for ratio in RATIOS:
        predicted = theory.mullins_noda_potential(
            permeability, inside[species], outside[species], recording.temperature, ratio=ratio
        )
        differences[ratio] = block_average((potential - predicted)[window])
    return Steady(float(potential[window].mean()), differences)


def compare(steady: Steady, ratio: float = 1.5) -> list[Check]:
    """Compare with the equation for a ratio of Na to K."""
    difference = steady.differences[ratio]
    shifted = difference._replace(mean=steady.potential)
    return [check_estimate("potential", shifted, steady.potential - difference.mean, "mV")]


def draw(steady: Steady) -> Picture:
    """Draw the potential beside what each ratio predicts."""
    ratios = np.array(RATIOS)
    predicted = np.array([steady.potential - steady.differences[ratio].mean for ratio in RATIOS])
    error = np.array([steady.differences[1.5].standard_error])
    return Picture(
        "sodium moved for each potassium",
        "membrane potential (mV)",
        (Line("Mullins & Noda", ratios, predicted),),
        (Points("measured, with a pump of 3 to 2", np.array([1.5]), np.array([steady.potential]), error),),
    )


LAW = Law(
    name="mullins-noda",
    claim="Where the pump balances the leaks of Na and K, the potential is that of Mullins and Noda.",
    formula="V = (kT/e) ln((r P_K K_o + P_Na Na_o)/(r P_K K_i + P_Na Na_i)),  r = 3/2",
    references=("Mullins & Noda (1963), J. Gen. Physiol. 47:117",),
    engines=("brownian", "lattice", "continuum"),
    solved_on=("continuum",),
    measure=measure,
    compare=compare,
    twins={
        "GHK, without the pump's charge": lambda steady: compare(steady, 1.0),
        "two sodium for each potassium": lambda steady: compare(steady, 2.0),
    },
    draw=draw,
    remark=(
        "Two things shift the potential where leaks are so fast that the membrane charges within a few steps, and "
        "are kept below a tenth of a millivolt here: a record is made when the pumps of a step have moved their "
        "charge and the leaks have not yet carried it back, I dt/(2 C); and an ion that comes out of a pore does not "
        "enter one again in the same step, which takes some 0.7 κ sqrt(dt/D) off the permeability (docs/methods.md). "
        "With leaks eight times as fast, in steps of 1 ns, they make −0.9 mV on the lattice and +0.6 mV for single "
        "ions, and disappear with the step."
    ),
)
