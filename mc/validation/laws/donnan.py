"""Donnan: anions that cannot leave hold cations back, and a potential."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mc import theory
from mc.analysis.potential import bulk_concentrations
from mc.analysis.statistics import Estimate, block_average
from mc.validation.law import Check, Law, Line, Picture, Points, Trial, check_estimate
from mc.validation.potentials import VALENCES
from mc.validation.scenarios import BODY_TEMPERATURE, channel, patch

FIXED = 100.0
"""mM of the impermeant anion that is added inside."""

CASES = {
    "K, Cl": ({"K": 156.0, "Cl": 56.0}, {"K": 94.0, "Cl": 94.0}),
    "K, Ca, Cl": ({"K": 146.1, "Ca": 5.45, "Cl": 57.0}, {"K": 91.0, "Ca": 2.05, "Cl": 95.1}),
}
"""mM inside and outside at the start, near to the equilibrium but not in it."""

AREA = {"brownian": 5000.0, "lattice": 200_000.0, "continuum": 200_000.0}
LENGTH = {"brownian": 15.0, "lattice": 40.0, "continuum": 40.0}
TIME_STEP = {"brownian": 1.0, "lattice": 2.0, "continuum": 2000.0}
INTERVAL = {"brownian": 20.0, "lattice": 20.0, "continuum": 2000.0}
PERMEABILITY, SETTLING = 2.4e-3, {"brownian": 6000.0, "lattice": 16_000.0, "continuum": 200_000.0}
"""nm/ns of each ion, and ns: two relaxation times of what is left; all of them
where nothing else is left."""


@dataclass
class Rest:
    """The potential, and that less the Nernst potential of each ion of the same moment, mV."""

    potential: Estimate
    differences: dict[str, Estimate]
    slow: dict[str, float]
    """mV, standard deviation of the Nernst potential of each ion as their numbers fluctuate."""
    outside: dict[str, float]
    fixed: float
    """mM."""


def measure(trial: Trial) -> dict[str, Rest]:
    """Let closed boxes come to rest."""
    found = {}
    for case, (inside, outside) in CASES.items():
        area = AREA[trial.engine]
        text = patch(
            f"Donnan, {case}",
            inside=inside,
            outside=outside,
            area=area,
            length=LENGTH[trial.engine],
            duration=SETTLING[trial.engine] + trial.pick(30_000.0, 120_000.0),
            time_step=TIME_STEP[trial.engine],
            interval=INTERVAL[trial.engine],
            more="".join(
                channel(
                    ion,
                    200,
                    {ion: PERMEABILITY * area / 200},
                    'pore = { diffusion_coefficient = "1 nm^2/ns", mouth_depth = "0.8 nm" }',
                )
                for ion in inside
            ),
        )
        recording = trial.run(text, case.replace(", ", "-"))
        records = slice(np.searchsorted(recording.time, SETTLING[trial.engine]), None)
        names = recording.species_names
        within, beyond = bulk_concentrations(recording)
        potential = recording["membrane_potential"]
        differences, slow = {}, {}
        for ion in inside:
            i = names.index(ion)
            nernst = theory.nernst_potential(VALENCES[ion], within[i], beyond[i], BODY_TEMPERATURE)
            differences[ion] = block_average((potential - nernst)[records])
            counts = [recording[f"ions_{side}.{ion}"][records].mean() for side in ("inside", "outside")]
            thermal = theory.species.thermal_potential(BODY_TEMPERATURE)
            slow[ion] = float(thermal / abs(VALENCES[ion]) * np.sqrt(sum(1.0 / n for n in counts)))
        found[case] = Rest(
            block_average(potential[records]),
            differences,
            slow,
            {ion: float(beyond[names.index(ion), records].mean()) for ion in inside},
            float(within[names.index("A"), records].mean()),
        )
    return found


def donnan(rest: Rest) -> float:
    """Return Donnan's potential in mV, from what is outside and the fixed charge."""
    return float(
        theory.donnan_potential(
            np.array(list(rest.outside.values())),
            np.array([VALENCES[ion] for ion in rest.outside]),
            -rest.fixed,
            BODY_TEMPERATURE,
        )
    )


def compare(found: dict[str, Rest], share: float = 1.0) -> list[Check]:
    """Compare the potential with Donnan's, and with the Nernst potential of every ion.

    The numbers of ions on both sides fluctuate within microseconds, too slowly for a run to average: their Nernst
    potentials are as uncertain as that makes them.
    """
    checks = []
    for case, rest in found.items():
        expected = share * donnan(rest)
        potential = with_slow(rest.potential, max(rest.slow["K"], rest.slow["Cl"]))
        checks.append(check_estimate(f"{case}: potential", potential, expected, "mV"))
        for ion, difference in rest.differences.items():
            less = with_slow(difference, rest.slow[ion])
            checks.append(
                check_estimate(f"{case}: less Nernst of {ion}", less, expected - donnan(rest), "mV")
            )
    return checks


def with_slow(estimate: Estimate, deviation: float) -> Estimate:
    """Return an estimate whose error has that of what does not average within the run."""
    return estimate._replace(standard_error=float(np.hypot(estimate.standard_error, deviation)))


def with_charge(found: dict[str, Rest], factor: float) -> list[Check]:
    """Compare with a multiple of the fixed charge."""
    checks = []
    for case, rest in found.items():
        potential = with_slow(rest.potential, max(rest.slow["K"], rest.slow["Cl"]))
        expected = donnan(replace(rest, fixed=factor * rest.fixed))
        checks.append(check_estimate(case, potential, expected, "mV"))
    return checks


def draw(found: dict[str, Rest]) -> Picture:
    """Draw the potentials over the fixed charge."""
    fixed = np.linspace(0.0, 200.0, 60)
    points, lines = [], []
    for case, rest in found.items():
        ions = list(rest.outside)
        outside = np.array([rest.outside[ion] for ion in ions])
        valences = np.array([VALENCES[ion] for ion in ions])
        potential = theory.donnan_potential(outside[:, None], valences[:, None], -fixed, BODY_TEMPERATURE)
        lines.append(Line(case, fixed, potential))
        points.append(
            Points(
                case,
                np.array([rest.fixed]),
                np.array([rest.potential.mean]),
                np.array([rest.potential.standard_error]),
            )
        )
    return Picture("impermeant anion inside (mM)", "membrane potential (mV)", tuple(lines), tuple(points))


LAW = Law(
    name="donnan",
    claim="Anions that cannot leave make a potential at which every permeant ion is in equilibrium.",
    formula="(c_in/c_out)^(1/z) the same for all ions;  Σ z c_out exp(−zV/(kT/e)) = c_fixed",
    references=("Donnan (1911), Z. Elektrochem. 17:572",),
    engines=("brownian", "lattice", "continuum"),
    solved_on=("continuum",),
    measure=measure,
    compare=compare,
    twins={
        "no effect of the fixed charge": lambda found: compare(found, 0.0),
        "half of the fixed charge": lambda found: with_charge(found, 0.5),
        "the wrong sign of the fixed charge": lambda found: with_charge(found, -1.0),
    },
    draw=draw,
)
