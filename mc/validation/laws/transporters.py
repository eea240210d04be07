"""Cotransporters and exchangers: they stop where their cycle costs no free energy, from either side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mc import theory
from mc.constants import SENSING_REACH
from mc.recording.recording import Recording
from mc.validation.law import Check, Law, Line, Picture, Points, Trial
from mc.validation.scenarios import BODY_TEMPERATURE, patch

LOW = {"K": 40.0, "Na": 50.0, "Ca": 15.0, "Cl": 50.0}
HIGH = {"K": 90.0, "Na": 70.0, "Ca": 25.0, "Cl": 100.0}
VALENCES = {"K": 1, "Na": 1, "Ca": 2, "Cl": -1}
AREA = {"brownian": 4000.0, "lattice": 40_000.0, "continuum": 40_000.0}
LENGTH, DENSITY = 15.0, 0.05
"""nm and transporters per nm2."""

SETTLING = {"brownian": 4000.0, "lattice": 4000.0, "continuum": 40_000.0}
STEP = {"brownian": (1.0, 5.0), "lattice": (1.0, 5.0), "continuum": (500.0, 500.0)}
"""ns; and ns of a step and between records."""


@dataclass(frozen=True)
class Transporter:
    """A cycle, and the potential at which it is held."""

    outward: dict[str, int]
    inward: dict[str, int]
    turnover: float
    half_saturation: dict[str, float]
    potential: float

    @property
    def charge(self) -> int:
        """Net charge that a cycle moves outward, e."""
        out = sum(VALENCES[ion] * n for ion, n in self.outward.items())
        return out - sum(VALENCES[ion] * n for ion, n in self.inward.items())


CASES = {
    "KCC2": Transporter({"K": 1, "Cl": 1}, {}, 0.2, {"K": 50.0, "Cl": 50.0}, -60.0),
    "NKCC1": Transporter({}, {"Na": 1, "K": 1, "Cl": 2}, 2.0, {"Na": 50.0, "K": 50.0, "Cl": 60.0}, -60.0),
    "NCX": Transporter({"Ca": 1}, {"Na": 3}, 1.0, {"Ca": 20.0, "Na": 80.0}, -30.0),
}


@dataclass
class Rest:
    """ln of the product of c_from/c_to over the ions of a cycle, from one start."""

    name: str
    start: str
    at_start: float
    energy: float
    cycles: float
    """Forward, while the energy was averaged."""
    is_mean: bool
    sensing: float
    """Variance of the mean energy that the ions beside the membrane add."""
    time: np.ndarray
    course: np.ndarray


def measure(trial: Trial) -> list[Rest]:
    """Let closed boxes come to rest, from more inside and from more outside."""
    found = []
    for name, one in CASES.items():
        for start, inside, outside in (("more inside", HIGH, LOW), ("more outside", LOW, HIGH)):
            sides = [
                f"{side} = {{ {', '.join(f'{ion} = {n}' for ion, n in moved.items())} }}"
                for side, moved in (("outward", one.outward), ("inward", one.inward))
                if moved
            ]
            half = ", ".join(f'{ion} = "{value:g} mM"' for ion, value in one.half_saturation.items())
            text = patch(
                f"{name}, {start}",
                inside=inside,
                outside=outside,
                area=AREA[trial.engine],
                length=LENGTH,
                duration=SETTLING[trial.engine] + trial.pick(4000.0, 40_000.0),
                time_step=STEP[trial.engine][0],
                interval=STEP[trial.engine][1],
                more="\n".join(
                    [
                        "[[transporters]]",
                        f'name = "{name}"',
                        f"count = {round(DENSITY * AREA[trial.engine])}",
                        f'turnover = "{one.turnover:g} /ns"',
                        *sides,
                        f"charge = {one.charge}",
                        f"half_saturation = {{ {half} }}",
                    ]
                ),
            )
            recording = trial.run(text, f"{name}-{start.split()[1]}", clamped_potential=one.potential)
            energy = np.zeros(len(recording.time))
            for moved, source, target in (
                (one.outward, "inside", "outside"),
                (one.inward, "outside", "inside"),
            ):
                for ion, n in moved.items():
                    ratio = recording[f"ions_{source}.{ion}"] / recording[f"ions_{target}.{ion}"]
                    energy += n * np.log(ratio)
            first = int(np.searchsorted(recording.time, SETTLING[trial.engine]))
            forward = recording[f"pump_cycles.{name}"]
            shown = slice(None, None, max(1, len(energy) // 40))
            found.append(
                Rest(
                    name,
                    start,
                    float(energy[:10].mean()),
                    float(energy[first:].mean()),
                    forward[-1] - forward[first],
                    trial.engine == "continuum",
                    sensing_variance(recording, one, recording.time[-1] - recording.time[first]),
                    recording.time[shown],
                    energy[shown],
                )
            )
    return found


def equilibrium(name: str, sign: float = 1.0) -> float:
    """Return the ln of the product at which a cycle costs nothing: -qV/kT."""
    one = CASES[name]
    work = one.charge * one.potential / theory.species.thermal_potential(BODY_TEMPERATURE)
    return float(-sign * work)


def check_energy(one: Rest, expected: float) -> Check:
    """Return the check of a mean energy at rest.

    For the extent x of the reaction the energy is F'(x), fluctuates with the variance F'' and relaxes at the rate
    k F'' where k is the rate of cycles either way: the variance of its mean over a time t is 2/(k t), two over the
    number of cycles. What transporters sense fluctuates by itself as ions diffuse, see `sensing_variance`.
    """
    if one.is_mean:
        product, balanced = float(np.exp(one.energy)), float(np.exp(expected))
        return Check(f"product of the ratios, {one.name}, {one.start}", product, 0.0, balanced)
    error = np.sqrt(2.0 / one.cycles + one.sensing)
    return Check(f"{one.name}, {one.start}", one.energy, float(error), expected, "kT")


def sensing_variance(recording: Recording, one: Transporter, span: float) -> float:
    """Return the variance of the mean over `span` ns of the energy in the layer that is sensed less the bath's.

    Poisson numbers of ions in a layer, which bath and layer exchange within L^2/(pi^2 D).
    """
    total = 0.0
    for species in recording.species:
        n = one.outward.get(species.name, 0) + one.inward.get(species.name, 0)
        if not n:
            continue
        mixing = LENGTH**2 / (np.pi**2 * species.diffusion_coefficient)
        for side in ("inside", "outside"):
            in_bath = recording[f"ions_{side}.{species.name}"][-1]
            in_layer = in_bath * SENSING_REACH / LENGTH
            total += n**2 * (1.0 - SENSING_REACH / LENGTH) / in_layer * 2.0 * mixing / span
    return float(total)


def compare(found: list[Rest], sign: float = 1.0) -> list[Check]:
    """Compare the free energy of the ions with that of the charge in the potential."""
    return [
        check_energy(one, equilibrium(one.name, sign))
        for one in found
        if sign == 1.0 or CASES[one.name].charge
    ]


def still_at_start(found: list[Rest]) -> list[Check]:
    """Compare with where the boxes came from."""
    return [check_energy(one, one.at_start) for one in found]


def draw(found: list[Rest]) -> Picture:
    """Draw the way to the equilibrium."""
    end = found[0].time[-1]
    lines = tuple(
        Line(f"{name} at rest", np.array([0.0, end]), np.full(2, equilibrium(name))) for name in CASES
    )
    points = tuple(
        Points(f"{one.name}, {one.start}", one.time, one.course, np.zeros(len(one.time))) for one in found
    )
    return Picture("time (ns)", "ln Π (c_from/c_to)ⁿ (kT)", lines, points)


LAW = Law(
    name="transporters",
    claim="KCC2, NKCC1 and a Na/Ca exchanger stop where the free energy of their cycle vanishes, from either side.",
    formula="Σ n ln(c_from/c_to) + qV/(kT/e) = 0;  KCC2: K_i Cl_i = K_o Cl_o",
    references=(
        "Hill (1977), Free Energy Transduction in Biology, ch. 2",
        "Payne (1997), Am. J. Physiol. 273:C1516",
        "Blaustein & Lederer (1999), Physiol. Rev. 79:763",
    ),
    engines=("brownian", "lattice", "continuum"),
    solved_on=("continuum",),
    measure=measure,
    compare=compare,
    twins={
        "the charge of the exchanger counted with the wrong sign": lambda found: compare(found, -1.0),
        "no transport": still_at_start,
    },
    draw=draw,
)
