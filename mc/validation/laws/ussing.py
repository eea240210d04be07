"""Ussing: the ratio of an ion's one-way fluxes is that of its electrochemical activities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mc import theory
from mc.validation.law import Check, Law, Line, Picture, Points, Trial, check_share
from mc.validation.scenarios import BODY_TEMPERATURE, channel, patch, species

POTENTIALS = (-60.0, -20.0, 30.0)
VALENCES = {"cation": 1, "anion": -1}
INSIDE, OUTSIDE, LENGTH = 100.0, 40.0, 10.0
"""mM, mM and nm."""

AREA = {"brownian": 5000.0, "lattice": 20_000.0, "continuum": 1e8}
TIME_STEP = {"brownian": 1.0, "lattice": 3.0, "continuum": 10.0}
PERMEABILITY, SETTLING = 8.0, 100.0
"""nm3/ns; ns until the pores hold their steady number of ions."""


@dataclass
class Pair:
    """Crossings of one ion, labelled by the side it came from, and the mean concentrations on both sides."""

    name: str
    potential: float
    outward: float
    inward: float
    inside: float
    outside: float

    def ratio(self, sign: float = 1.0) -> float:
        """Return the flux ratio of theory, with the sign of the valence or the other one."""
        valence = sign * VALENCES[self.name]
        ratio = theory.ussing_flux_ratio(self.inside, self.outside, valence, self.potential, BODY_TEMPERATURE)
        return float(ratio)


def measure(trial: Trial) -> list[Pair]:
    """Count the crossings of ions that start on either side, under other names, through the same pores."""
    pairs = []
    for potential in POTENTIALS:
        names = [f"{name}_{side}" for name in VALENCES for side in ("inside", "outside")]
        text = patch(
            f"Flux ratio at {potential:g} mV",
            inside={"cation_inside": INSIDE, "anion_inside": INSIDE},
            outside={"cation_outside": OUTSIDE, "anion_outside": OUTSIDE},
            area=AREA[trial.engine],
            length=LENGTH,
            duration=(300.0 if trial.engine == "continuum" else trial.pick(6000.0, 40_000.0))
            * TIME_STEP[trial.engine],
            time_step=TIME_STEP[trial.engine],
            interval=20.0 * TIME_STEP[trial.engine],
            more="".join(species(name, VALENCES[name.split("_")[0]], 2.0) for name in names)
            + channel(
                "pore",
                10,
                dict.fromkeys(names, PERMEABILITY / 10),
                'pore = { diffusion_coefficient = "1 nm^2/ns", mouth_depth = "0.8 nm" }',
            ),
        )
        recording = trial.run(text, f"{potential:g}mV", clamped_potential=potential)
        first = np.searchsorted(recording.time, SETTLING)
        for name in VALENCES:
            outward = recording[f"crossings_outward.pore.{name}_inside"]
            inward = recording[f"crossings_inward.pore.{name}_outside"]
            pairs.append(
                Pair(
                    name,
                    potential,
                    outward[-1] - outward[first],
                    inward[-1] - inward[first],
                    INSIDE
                    * np.mean(recording[f"ions_inside.{name}_inside"][first:])
                    / recording[f"ions_inside.{name}_inside"][0],
                    OUTSIDE
                    * np.mean(recording[f"ions_outside.{name}_outside"][first:])
                    / recording[f"ions_outside.{name}_outside"][0],
                )
            )
    return pairs


def compare(pairs: list[Pair], sign: float = 1.0, with_potential: bool = True) -> list[Check]:
    """Compare the share of the outward ones among all crossings: binomial, whatever the permeability."""
    checks = []
    for pair in pairs:
        ratio = pair.ratio(sign) if with_potential else pair.inside / pair.outside
        total = pair.outward + pair.inward
        name = f"{pair.name} at {pair.potential:+g} mV, share outward"
        checks.append(check_share(name, pair.outward, total, ratio / (1.0 + ratio)))
    return checks


def draw(pairs: list[Pair]) -> Picture:
    """Draw the flux ratios over the potential."""
    potential = np.linspace(-80.0, 50.0, 50)
    lines, points = [], []
    for name, valence in VALENCES.items():
        ours = [pair for pair in pairs if pair.name == name]
        ratio = theory.ussing_flux_ratio(INSIDE, OUTSIDE, valence, potential, BODY_TEMPERATURE)
        lines.append(Line(name, potential, ratio))
        measured = np.array([pair.outward / pair.inward for pair in ours])
        error = measured * np.sqrt([1.0 / pair.outward + 1.0 / pair.inward for pair in ours])
        points.append(Points(name, np.array([pair.potential for pair in ours]), measured, error))
    return Picture("potential (mV)", "outward over inward flux", tuple(lines), tuple(points), y_scale="log")


LAW = Law(
    name="ussing",
    claim="The ratio of an ion's one-way fluxes is set by its gradients alone, whatever the channel.",
    formula="J_out/J_in = (c_in/c_out) exp(zV/(kT/e))",
    references=("Ussing (1949), Acta Physiol. Scand. 19:43",),
    engines=("brownian", "lattice", "continuum"),
    solved_on=("continuum",),
    measure=measure,
    compare=compare,
    twins={
        "the wrong sign of the valence": lambda pairs: compare(pairs, sign=-1.0),
        "the concentrations alone": lambda pairs: compare(pairs, with_potential=False),
    },
    draw=draw,
)
