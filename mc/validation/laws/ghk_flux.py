"""Goldman, Hodgkin and Katz: one-way fluxes through open channels at a clamped potential."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mc import theory
from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
from mc.validation.law import Check, Law, Line, Picture, Points, Trial, check_count
from mc.validation.scenarios import BODY_TEMPERATURE, channel, lost_entries, patch, species

VALENCES = {"anion": -1, "monovalent": 1, "divalent": 2}
POTENTIALS = (-100.0, -50.0, 0.0, 50.0)
LENGTH, CONCENTRATION, DIFFUSION_COEFFICIENT = 10.0, 100.0, 2.0
AREA = {"brownian": 5000.0, "lattice": 20_000.0, "continuum": 1e8}
TIME_STEP = {"brownian": 1.0, "lattice": 3.0, "continuum": 50.0}
PORES, LARGEST_PERMEABILITY, SETTLING = 10, 40.0, 100.0
"""nm3/ns of all pores; and ns until pores that were empty hold their steady number of ions."""

THICKNESS, MOUTH_DEPTH = 4.0, 0.8
"""nm."""

FEWEST = 100
"""Crossings expected of a flux that is compared, so that its number is nearly normal."""


@dataclass
class Flux:
    """One tracer's crossings from the side where it is."""

    name: str
    side: str
    potential: float
    counted: float
    permeability: float
    dose: float
    """mM ns, the integral of the concentration it crossed from."""
    engine: str

    def expected(self, valence: int | None = None, potential: float | None = None) -> float:
        """Return the crossings that GHK predicts, with the true valence and potential or with others."""
        fluxes = theory.ghk_flux(
            self.permeability,
            1.0,
            1.0,
            VALENCES[self.name] if valence is None else valence,
            self.potential if potential is None else potential,
            BODY_TEMPERATURE,
        )
        return float(
            self.dose * (fluxes.outward if self.side == "inside" else fluxes.inward) / (1.0 + self.lost)
        )

    @property
    def lost(self) -> float:
        """The flux that single ions lack over what is left: those that come back enter none in the same step."""
        if self.engine != "brownian":
            return 0.0
        way = 1.0 if self.side == "inside" else -1.0
        u = way * VALENCES[self.name] * self.potential / theory.species.thermal_potential(BODY_TEMPERATURE)
        reach = u * MOUTH_DEPTH / THICKNESS
        entry, through = (THICKNESS / MOUTH_DEPTH, MOUTH_DEPTH / THICKNESS)
        if u != 0.0:
            entry, through = -u / np.expm1(-reach), np.expm1(-reach) / np.expm1(-u)
        velocity = self.permeability * entry / AREA[self.engine]
        return float((1.0 - through) * lost_entries(velocity, DIFFUSION_COEFFICIENT, TIME_STEP[self.engine]))


def tracers() -> list[tuple[str, str]]:
    """Return the tracers: of each valence one that starts on either side."""
    return [(name, side) for name in VALENCES for side in ("inside", "outside")]


def make_scenario(engine: str, potential: float, duration: float) -> tuple[str, dict[str, float]]:
    """Return a patch whose clamp keeps the baths free of fields, and the permeability of each tracer.

    Permeabilities give each tracer about as many crossings, and no gradient builds up in the baths: at most
    P u L/(3 D A) = 0.2 % for single ions.
    """
    permeability = {}
    for name, side in tracers():
        fluxes = theory.ghk_flux(1.0, 1.0, 1.0, VALENCES[name], potential, BODY_TEMPERATURE)
        at_zero = theory.ghk_flux(1.0, 1.0, 1.0, 1, 0.0, BODY_TEMPERATURE).outward
        factor = (fluxes.outward if side == "inside" else fluxes.inward) / at_zero
        permeability[f"{name}_{side}"] = min(LARGEST_PERMEABILITY, 6.0 / factor)
    solutions = {
        side: {f"{name}_{side}": CONCENTRATION for name in VALENCES} | {"counterion": CONCENTRATION / 2.0}
        for side in ("inside", "outside")
    }
    pores = {name: value / PORES for name, value in permeability.items()}
    depth = f'pore = {{ diffusion_coefficient = "1 nm^2/ns", mouth_depth = "{MOUTH_DEPTH} nm" }}'
    text = patch(
        f"One-way fluxes at {potential:g} mV",
        inside=solutions["inside"],
        outside=solutions["outside"],
        area=AREA[engine],
        length=LENGTH,
        duration=duration,
        time_step=TIME_STEP[engine],
        interval=20.0 * TIME_STEP[engine],
        more="".join(
            species(f"{name}_{side}", VALENCES[name], DIFFUSION_COEFFICIENT) for name, side in tracers()
        )
        + species("counterion", -4, 1.0)
        + channel("pore", PORES, pores, depth),
    )
    return text, permeability


def measure(trial: Trial) -> list[Flux]:
    """Count crossings at each potential."""
    found = []
    duration = trial.pick(4500.0, 30_000.0) * (1.0 if trial.engine == "brownian" else 2.0)
    for potential in POTENTIALS:
        text, permeability = make_scenario(trial.engine, potential, duration)
        recording = trial.run(text, f"{potential:g}mV", clamped_potential=potential)
        first = np.searchsorted(recording.time, SETTLING)
        volume = AREA[trial.engine] * LENGTH * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
        for name, side in tracers():
            tracer, way = f"{name}_{side}", "outward" if side == "inside" else "inward"
            crossings = recording[f"crossings_{way}.pore.{tracer}"]
            concentration = recording[f"ions_{side}.{tracer}"] / volume
            flux = Flux(
                name,
                side,
                potential,
                crossings[-1] - crossings[first],
                permeability[tracer],
                float(np.trapezoid(concentration[first:], recording.time[first:])),
                trial.engine,
            )
            # Divalent cations against 100 mV are held back too well to be counted.
            if not (name == "divalent" and potential == -100.0 and side == "inside"):
                found.append(flux)
    return found


def compare(
    fluxes: list[Flux], valence_sign: int = 1, potential_sign: float = 1.0, factor: float = 1.0
) -> list[Check]:
    """Compare each count with the integral of the flux: their difference is a martingale of that variance."""
    checks = []
    for flux in fluxes:
        way = "outward" if flux.side == "inside" else "inward"
        expected = factor * flux.expected(valence_sign * VALENCES[flux.name], potential_sign * flux.potential)
        checks.append(
            check_count(f"{flux.name} {way} at {flux.potential:+g} mV", flux.counted, expected, "ions")
        )
    return checks


def in_proportion_to_concentration(fluxes: list[Flux]) -> list[Check]:
    """Compare with Fick's law alone, as if the potential did nothing."""
    return [
        check_count(f"{flux.name} {flux.side}", flux.counted, flux.expected(potential=0.0)) for flux in fluxes
    ]


def draw(fluxes: list[Flux]) -> Picture:
    """Draw fluxes per permeability and concentration over the reduced potential that drives them."""
    u = np.linspace(-8.0, 8.0, 161)
    lines = (Line("u/(1 − exp(−u))", u, np.where(u == 0.0, 1.0, u / -np.expm1(-np.where(u == 0, 1, u)))),)
    points = []
    thermal = float(theory.species.thermal_potential(BODY_TEMPERATURE))
    for name, valence in VALENCES.items():
        ours = [flux for flux in fluxes if flux.name == name]
        way = np.array([1.0 if flux.side == "inside" else -1.0 for flux in ours])
        x = way * valence * np.array([flux.potential for flux in ours]) / thermal
        scale = np.array([flux.expected(potential=0.0) for flux in ours])
        counted = np.array([flux.counted for flux in ours])
        points.append(Points(name, x, counted / scale, np.sqrt(counted) / scale))
    return Picture(
        "zV/(kT/e), in the direction of the flux", "flux/(p c)", lines, tuple(points), y_scale="log"
    )


LAW = Law(
    name="ghk-flux",
    claim="One-way fluxes through open channels are those of Goldman, Hodgkin and Katz, for z = −1, +1 and +2.",
    formula="outward = p c_in u/(1 − exp(−u)), inward = p c_out u/(exp(u) − 1),  u = zV/(kT/e)",
    references=("Goldman (1943), J. Gen. Physiol. 27:37", "Hodgkin & Katz (1949), J. Physiol. 108:37"),
    engines=("brownian", "lattice", "continuum"),
    solved_on=("continuum",),
    measure=measure,
    compare=compare,
    twins={
        "the wrong sign of the valence": lambda fluxes: compare(fluxes, valence_sign=-1),
        "the wrong sign of the potential": lambda fluxes: compare(fluxes, potential_sign=-1.0),
        "15 % more": lambda fluxes: compare(fluxes, factor=1.15),
        "diffusion alone": in_proportion_to_concentration,
    },
    draw=draw,
    remark=(
        "Pores of single ions know nothing of the equation: ions enter, walk and leave. On the lattice the mean "
        "number of crossings is drawn with the equation itself, and in the continuum it is that of the equation: "
        "there the law checks the bookkeeping."
    ),
)
