"""Goldman, Hodgkin and Katz: several permeant ions rest where their currents cancel."""

from __future__ import annotations

import numpy as np

from mc import theory
from mc.analysis.potential import bulk_concentrations
from mc.comparison import PotentialComparison, compare_potential
from mc.recording.recording import Recording
from mc.validation.law import Check, Law, Line, Picture, Points, Trial
from mc.validation.potentials import (
    VALENCES,
    charging_times,
    check_potential,
    equilibration_time,
    resting_patch,
)
from mc.validation.scenarios import BODY_TEMPERATURE

INSIDE = {"K": 140.0, "Na": 12.0, "Cl": 10.0, "Ca": 1.0}
OUTSIDE = {"K": 10.0, "Na": 140.0, "Cl": 125.0, "Ca": 10.0}
PERMEABILITIES = {
    "K, Na, Cl 1:0.04:0.45": {"K": 1.0, "Na": 0.04, "Cl": 0.45},
    "K, Na, Cl 1:1:0.45": {"K": 1.0, "Na": 1.0, "Cl": 0.45},
    "K, Na, Cl, Ca 1:0.04:0.1:2": {"K": 1.0, "Na": 0.04, "Cl": 0.1, "Ca": 2.0},
}


class Rest:
    """A patch at rest, and what other permeabilities and valences would give for its concentrations."""

    def __init__(self, recording: Recording, permeability: dict[str, float], settled_after: float) -> None:
        self.comparison: PotentialComparison = compare_potential(recording, settled_after)
        records = self.comparison.window.records
        inside, outside = bulk_concentrations(recording)
        names = recording.species_names
        self.inside = {name: inside[i, records].mean() for i, name in enumerate(names)}
        self.outside = {name: outside[i, records].mean() for i, name in enumerate(names)}
        self.permeability = permeability

    def potential(self, permeability: dict[str, float], valences: dict[str, int] = VALENCES) -> float:
        """Return GHK's potential in mV for other permeabilities or valences."""
        return float(
            theory.ghk_potential(
                permeability,
                {name: self.inside[name] for name in permeability},
                {name: self.outside[name] for name in permeability},
                {name: valences[name] for name in permeability},
                BODY_TEMPERATURE,
            )
        )


def measure(trial: Trial) -> dict[str, Rest]:
    """Let a patch come to rest for each set of permeabilities."""
    rest = {}
    for i, (case, permeability) in enumerate(PERMEABILITIES.items()):
        text = resting_patch(
            trial.engine,
            f"GHK, {case}",
            INSIDE,
            OUTSIDE,
            permeability,
            charging_times=charging_times(trial),
        )
        recording = trial.run(text, f"case{i + 1}")
        rest[case] = Rest(recording, permeability, equilibration_time(trial.engine))
    return rest


def compare(rest: dict[str, Rest]) -> list[Check]:
    """Compare with GHK of the same moments."""
    return [check_potential(case, one.comparison) for case, one in rest.items()]


def without_chloride(rest: dict[str, Rest]) -> list[Check]:
    """Compare with what cations alone would give."""
    return [
        check_potential(case, one.comparison, one.potential(one.permeability | {"Cl": 0.0}))
        for case, one in rest.items()
    ]


def calcium_as_monovalent(rest: dict[str, Rest]) -> list[Check]:
    """Compare with what calcium with one charge would give."""
    return [
        check_potential(case, one.comparison, one.potential(one.permeability, VALENCES | {"Ca": 1}))
        for case, one in rest.items()
        if "Ca" in one.permeability
    ]


def draw(rest: dict[str, Rest]) -> Picture:
    """Draw measured over predicted potentials."""
    checks = compare(rest)
    ends = np.array([min(one.expected for one in checks) - 5.0, max(one.expected for one in checks) + 5.0])
    points = tuple(
        Points(one.name, np.array([one.expected]), np.array([one.measured]), np.array([one.standard_error]))
        for one in checks
    )
    return Picture(
        "GHK potential (mV)", "membrane potential (mV)", (Line("measured = GHK", ends, ends),), points
    )


LAW = Law(
    name="ghk-potential",
    claim="Several permeant ions, also divalent ones, rest where the sum of their GHK currents is zero.",
    formula="Σ z p c_in u/(1 − exp(−u)) = Σ z p c_out u/(exp(u) − 1),  u = zV/(kT/e)",
    references=(
        "Goldman (1943), J. Gen. Physiol. 27:37",
        "Hodgkin & Katz (1949), J. Physiol. 108:37",
        "Lewis (1979), J. Physiol. 286:417",
    ),
    engines=("brownian", "lattice", "continuum"),
    solved_on=("continuum",),
    measure=measure,
    compare=compare,
    twins={"without chloride": without_chloride, "calcium with one charge": calcium_as_monovalent},
    draw=draw,
    remark=(
        "Away from equilibrium the ions run down, so that each record is compared with GHK of the concentrations of "
        "its own moment, behind which the potential lags by C/g times its drift. What flows must come through the "
        "baths, and is scarcer or more plentiful at the membrane than in the bulk: −0.10 mV with calcium in the "
        "lattice's patch, which charges within 400 ns. And diffuse layers scale the fluxes of an ion, both ways "
        "alike, by a factor that depends on its valence (Frumkin 1933): with calcium +0.04 mV where they are "
        "resolved. In the continuum far ends hold the solutions, the patch charges 200 times more slowly, and cells "
        "are larger than the layers: nothing of all this is left."
    ),
)
