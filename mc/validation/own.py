"""The laws that a scenario of the user's is held against, each where it fits, or why it does not apply."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from mc import theory
from mc.analysis.channels import permeant_species, total_permeability
from mc.analysis.currents import displaced_charge
from mc.analysis.flux import crossings_by_species, pumped_charge
from mc.analysis.phases import has_protocol
from mc.analysis.potential import find_window, ghk_series
from mc.analysis.statistics import variance_estimate
from mc.comparison import PotentialComparison, compare_potential
from mc.recording.recording import Recording
from mc.validation.law import (
    SAMPLES_PER_DEGREE_OF_FREEDOM,
    Check,
    Line,
    Picture,
    Points,
    check_exact,
    check_variance,
)
from mc.validation.suite import Outcome

FEWEST_SAMPLES = 20.0
"""Independent samples of the potential below which nothing is said of it."""

LAYERS_BY_STEP = {0.0125: 0.99, 0.2: 0.82, 1.0: 0.53}
"""Drop of the diffuse layers of single ions over that of Gouy and Chapman, by time step in ns, at the potentials of
cells (docs/methods.md)."""


@dataclass(frozen=True)
class OwnLaw:
    """A law that a recording is held against. `unfit` says why it does not apply, or nothing."""

    name: str
    claim: str
    formula: str
    references: tuple[str, ...]
    unfit: Callable[[Recording], str]
    compare: Callable[[Recording], list[Check]]
    draw: Callable[[Recording], Picture | None] = lambda recording: None
    remark: str = ""
    not_on: dict[str, str] = field(default_factory=dict)


def judge(recording: Recording) -> tuple[list[Outcome], dict[str, str]]:
    """Return what each law that applies says of a recording, and why the others do not apply, by name."""
    outcomes, reasons = [], {}
    for law in OWN_LAWS.values():
        if reason := law.unfit(recording):
            reasons[law.name] = reason
            continue
        outcomes.append(
            Outcome(
                law.name,
                recording.engine,
                recording.seed,
                tuple(law.compare(recording)),
                picture=law.draw(recording),
                wall_seconds=recording.wall_seconds,
            )
        )
    return outcomes, reasons


def _first(reasons: Sequence[tuple[bool, str]]) -> str:
    return next((reason for is_so, reason in reasons if is_so), "")


# --- what is exact ---


def _ledger_unfit(recording: Recording) -> str:
    return _first([(not recording.has_noise, "real numbers are conserved but for rounding")])


def _ledger(recording: Recording) -> list[Check]:
    checks = [check_exact("largest charge of the box", np.abs(recording["ledger_charge"]).max(), 0.0, "e")]
    if recording.scenario.geometry.boundary == "closed":
        for name in recording.species_names:
            places = [recording[f"ions_{place}.{name}"] for place in ("inside", "outside", "in_pores")]
            total = np.sum(places, axis=0)
            checks.append(check_exact(f"{name} made or lost", np.abs(total - total[0]).max(), 0.0, "ions"))
    return checks


def _balance(recording: Recording) -> list[Check]:
    on_membrane = recording["charge_separation_potential"] * recording.membrane_capacitance
    brought = recording["injected_charge"] - displaced_charge(recording) - pumped_charge(recording)
    difference = (on_membrane - on_membrane[0]) - (brought - brought[0])
    # To a thousandth of a charge: the potential is recorded as a rounded number.
    return [check_exact("largest difference", round(float(np.abs(difference).max()), 3) + 0.0, 0.0, "e")]


def _stoichiometry_unfit(recording: Recording) -> str:
    return _first(
        [
            (not recording.pumps, "there are no pumps or transporters"),
            (not len(recording.pump_moves["cycle"]), "no cycle was recorded ion by ion"),
        ]
    )


def _stoichiometry(recording: Recording) -> list[Check]:
    moves, names, checks = recording.pump_moves, recording.species_names, []
    first = 0
    for pump in recording.pumps:
        of_type = (moves["pump"] >= first) & (moves["pump"] < first + pump.count)
        first += pump.count
        if not of_type.any():
            continue
        cycles, number = np.unique(moves["cycle"][of_type], return_inverse=True)
        wrong = np.zeros(len(cycles), dtype=bool)
        for i, name in enumerate(names):
            for sign, moved in ((1, pump.outward), (-1, pump.inward)):
                is_one = (moves["species"][of_type] == i) & (moves["direction"][of_type] == sign)
                forward = np.bincount(number[is_one], minlength=len(cycles))
                is_other = (moves["species"][of_type] == i) & (moves["direction"][of_type] == -sign)
                backward = np.bincount(number[is_other], minlength=len(cycles))
                wrong |= (forward != moved.get(name, 0)) & (backward != moved.get(name, 0))
        checks.append(check_exact(f"{pump.name}: cycles that are wrong", wrong.sum(), 0.0, "cycles"))
    return checks


# --- the potential at rest ---


def _rest_unfit(recording: Recording) -> str:
    if has_protocol(recording):
        return "a protocol acts on the membrane"
    window = find_window(recording)
    if not np.isfinite(ghk_series(recording)[window.records]).all():
        return "at times no channel is open"
    comparison = compare_potential(recording)
    difference = comparison.difference_with_pump
    return _first(
        [
            (not comparison.is_long_enough, "it is too short: fewer than 20 charging times"),
            (
                difference is None or difference.n_effective < FEWEST_SAMPLES,
                "it is too short: fewer than 20 independent samples",
            ),
        ]
    )


def _is_equilibrium(recording: Recording) -> bool:
    """Return whether one ion alone crosses the membrane."""
    passing = [
        name
        for name, permeability in zip(
            recording.species_names, total_permeability(recording).max(axis=1), strict=True
        )
        if permeability > 0.0
    ]
    return len(passing) == 1 and not recording.pumps


def _nernst_unfit(recording: Recording) -> str:
    return _rest_unfit(recording) or _first(
        [(not _is_equilibrium(recording), "more than one ion crosses the membrane")]
    )


def _ghk_unfit(recording: Recording) -> str:
    return _rest_unfit(recording) or _first(
        [(_is_equilibrium(recording), "only one ion crosses the membrane: see nernst")]
    )


def _potential(recording: Recording) -> list[Check]:
    comparison = compare_potential(recording)
    difference, expected = comparison.difference_with_pump, comparison.ghk_potential_with_pump
    if difference is None or expected is None:
        raise ValueError("no channel was open")
    return [
        Check(
            "membrane potential",
            expected.mean + difference.mean,
            difference.standard_error,
            expected.mean,
            "mV",
            max(1.0, difference.n_effective / SAMPLES_PER_DEGREE_OF_FREEDOM),
        )
    ]


def _draw_potential(recording: Recording) -> Picture:
    comparison: PotentialComparison = compare_potential(recording)
    expected = ghk_series(recording, comparison.pump_current)
    parts = np.array_split(np.arange(comparison.window.records.start, len(recording.time)), 40)
    time = np.array([recording.time[part].mean() for part in parts if len(part)])
    potential = recording["membrane_potential"]
    means = np.array([potential[part].mean() for part in parts if len(part)])
    errors = np.array([potential[part].std() / math.sqrt(len(part)) for part in parts if len(part)])
    every = slice(None, None, max(1, len(expected) // 200))
    return Picture(
        "time (ns)",
        "membrane potential (mV)",
        (Line("theory, of the same moments", recording.time[every], expected[every]),),
        (Points("simulated", time, means, errors),),
    )


# --- fluctuations at equilibrium ---


def _noise_unfit(recording: Recording) -> str:
    return _first([(not recording.has_noise, "mean concentrations have no noise")]) or _nernst_unfit(
        recording
    )


def _slab_share(recording: Recording) -> float:
    """Return the share of a potential that the slab has, with the diffuse layers as the time step resolves them."""
    if recording.engine != "brownian":
        return 1.0
    scenario = recording.scenario
    valences = {one.name: one.valence for one in recording.species}
    sides = [
        {name: float(recording[f"bulk_concentration_{side}.{name}"].mean()) for name in valences}
        for side in ("inside", "outside")
    ]
    resolved = theory.series_slab_fraction(
        scenario.membrane.capacitance, sides[0], sides[1], valences, recording.temperature
    )
    steps = np.log(list(LAYERS_BY_STEP))
    layers = np.interp(math.log(recording.time_step), steps, list(LAYERS_BY_STEP.values()))
    return float(1.0 / (1.0 + layers * (1.0 / resolved - 1.0)))


def _noise(recording: Recording) -> list[Check]:
    records = compare_potential(recording).window.records
    variance = variance_estimate(recording["charge_separation_potential"][records])
    expected = theory.capacitance_noise(recording.membrane_capacitance, recording.temperature) ** 2
    degrees = 2.0 * (variance.mean / variance.standard_error) ** 2
    expected = float(_slab_share(recording) * expected)
    return [check_variance("variance of charge/C", variance.mean, expected, degrees, "mV²")]


def _no_net_flux(recording: Recording) -> list[Check]:
    records = compare_potential(recording).window.records
    checks = []
    valence = dict(zip(recording.species_names, recording.valence, strict=True))
    crossings = crossings_by_species(recording)
    for name in permeant_species(recording):
        outward, inward = crossings[name].outward[records], crossings[name].inward[records]
        net = (outward[-1] - outward[0]) - (inward[-1] - inward[0])
        thermal = float(theory.species.thermal_potential(recording.temperature))
        in_pores = recording[f"ions_in_pores.{name}"][records].max()
        # The charge at two independent moments differs by twice the variance kT C, in e2; and ions are on their way.
        error = math.sqrt(2.0 * thermal * recording.membrane_capacitance) / abs(valence[name]) + in_pores
        total = outward[-1] - outward[0] + inward[-1] - inward[0]
        checks.append(
            Check(f"{name}, outward less inward of {total:,.0f} crossings", net, error, 0.0, "ions")
        )
    return checks


OWN_LAWS = {
    law.name: law
    for law in (
        OwnLaw(
            "ledger",
            "No ion and no charge is made or lost.",
            "Σ z N = 0 at every record;  N_in + N_out + N_pores constant between closed ends",
            ("conservation of matter and charge",),
            _ledger_unfit,
            _ledger,
        ),
        OwnLaw(
            "charge-balance",
            "The charge on the membrane is what an amplifier brought, less what channels and pumps carried out.",
            "ΔQ = injected − displaced by channels − pumped outward",
            ("Shockley (1938), J. Appl. Phys. 9:635", "Ramo (1939), Proc. IRE 27:584"),
            _ledger_unfit,
            _balance,
        ),
        OwnLaw(
            "stoichiometry",
            "Every cycle of a pump or transporter moves exactly the ions of its stoichiometry.",
            "n ions of each species out and in for each cycle",
            ("conservation of matter",),
            _stoichiometry_unfit,
            _stoichiometry,
        ),
        OwnLaw(
            "nernst",
            "A membrane that one ion crosses rests at the Nernst potential of that ion.",
            "V = (kT/ze) ln(c_out/c_in)",
            ("Nernst (1889), Z. phys. Chem. 4:129",),
            _nernst_unfit,
            _potential,
            _draw_potential,
        ),
        OwnLaw(
            "ghk",
            "The membrane rests where the GHK currents of all ions and the current of the pumps cancel.",
            "Σ I_GHK(V) + I_pumps = 0",
            ("Goldman (1943), J. Gen. Physiol. 27:37", "Hodgkin & Katz (1949), J. Physiol. 108:37"),
            _ghk_unfit,
            _potential,
            _draw_potential,
        ),
        OwnLaw(
            "capacitance-noise",
            "The charge of a membrane at equilibrium fluctuates with kT/C.",
            "var(Q/C) = kT/C, less what the diffuse layers in series take",
            ("Johnson (1928), Phys. Rev. 32:97",),
            _noise_unfit,
            _noise,
        ),
        OwnLaw(
            "no-net-flux",
            "At equilibrium as many ions cross outward as inward, but for the charge that fluctuates.",
            "N_out − N_in = −ΔQ/ze",
            ("Onsager (1931), Phys. Rev. 37:405",),
            _noise_unfit,
            _no_net_flux,
        ),
    )
}
