"""Goldman, Hodgkin and Katz: current against voltage, its rectification, and where it reverses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mc import theory
from mc.analysis import currents
from mc.constants import PICOAMPERES_PER_CHARGE_PER_NANOSECOND
from mc.validation.law import Check, Law, Line, Picture, Points, Trial
from mc.validation.scenarios import BODY_TEMPERATURE, channel, patch

POTENTIALS = (-120.0, -90.0, -60.0, -30.0, 0.0, 30.0)
SETTLING, NAMES = 200.0, ("K", "Na")
"""ns."""

INSIDE, OUTSIDE = np.array([140.0, 12.0]), np.array([5.0, 145.0])
PERMEABILITY, VALENCE = np.array([4.0, 0.4]), np.array([1, 1])
"""nm3/ns in 8000 nm2; in larger patches ten times less for their area, see the remark."""

AREA = {"brownian": 8000.0, "lattice": 1e6, "continuum": 1e9}
LENGTH = {"brownian": 15.0, "lattice": 40.0, "continuum": 3000.0}
GEOMETRY = {
    "brownian": "",
    "lattice": '\ngrid_spacing = "40 nm"',
    "continuum": '\ngrid_spacing = "3000 nm"',
}
TIME_STEP = {"brownian": 1.0, "lattice": 5.0, "continuum": 20.0}
"""nm2, nm and ns: the continuum, which is compared to the last digits, has baths so large that nothing becomes scarce
at the membrane, and in which diffuse layers do nothing to the flux; of the lattice's both do next to nothing."""

DEGREES_OF_FREEDOM = 30.0
"""Of the errors of the currents that the reversal is fitted to: block means."""


@dataclass
class CurrentVoltage:
    """Net currents at each potential, in pA."""

    potential: np.ndarray
    current: np.ndarray
    expected: np.ndarray
    error: np.ndarray
    """Of Poisson numbers of crossings, by theory."""
    share: float
    """Of the permeability in that of the smaller patch."""
    reversal: currents.ReversalPotential


def measure(trial: Trial) -> CurrentVoltage:
    """Step the clamp through the potentials, with one channel that both ions pass, between open baths."""
    share = 0.1 * AREA[trial.engine] / AREA["brownian"] if trial.engine == "lattice" else 1.0
    step = trial.pick(2000.0, 16_000.0)
    commands = "".join(
        f'\n[[protocol.voltage]]\nstart = "{i * step:g} ns"\nstop = "{(i + 1) * step:g} ns"\n'
        f'potential = "{potential:g} mV"\n'
        for i, potential in enumerate(POTENTIALS)
    )
    per_channel = dict(zip(NAMES, share * PERMEABILITY / 100, strict=True))
    text = patch(
        "Current against voltage",
        inside=dict(zip(NAMES, INSIDE, strict=True)),
        outside=dict(zip(NAMES, OUTSIDE, strict=True)),
        area=AREA[trial.engine],
        length=LENGTH[trial.engine],
        duration=step * len(POTENTIALS),
        time_step=TIME_STEP[trial.engine],
        interval=20.0,
        geometry=f'boundary = "bath"{GEOMETRY[trial.engine]}',
        more=channel("leak", 100, per_channel) + commands,
    )
    recording = trial.run(text, "steps")
    windows = currents.clamp_windows(recording, SETTLING)
    curve = currents.measure_current_voltage(recording.time, currents.crossing_charge(recording).net, windows)
    lasts = np.array([window.stop - window.start for window in windows])
    fluxes = [
        theory.ghk_flux(share * PERMEABILITY, INSIDE, OUTSIDE, VALENCE, one.potential, BODY_TEMPERATURE)
        for one in windows
    ]
    rates = np.array([(one.outward + one.inward).sum() for one in fluxes])
    return CurrentVoltage(
        curve.potential,
        curve.current,
        currents.predict_current(recording, windows),
        PICOAMPERES_PER_CHARGE_PER_NANOSECOND * np.sqrt(rates / lasts),
        share,
        currents.fit_ghk(curve, INSIDE, OUTSIDE, VALENCE, BODY_TEMPERATURE).reversal,
    )


def current(potential: np.ndarray, share: float) -> np.ndarray:
    """Return GHK's current in pA."""
    of_each = theory.ghk_current(
        share * PERMEABILITY[:, None],
        INSIDE[:, None],
        OUTSIDE[:, None],
        VALENCE[:, None],
        potential,
        BODY_TEMPERATURE,
    )
    return PICOAMPERES_PER_CHARGE_PER_NANOSECOND * np.asarray(of_each).sum(axis=0)


def compare(curve: CurrentVoltage) -> list[Check]:
    """Compare the current at each potential, and where it reverses."""
    return against(curve, curve.expected, PERMEABILITY)


def against(curve: CurrentVoltage, expected: np.ndarray, permeability: np.ndarray) -> list[Check]:
    """Compare with other currents, and other permeabilities for the reversal."""
    checks = [
        Check(f"current at {command:+g} mV", measured, error, wanted, "pA")
        for command, measured, error, wanted in zip(
            POTENTIALS, curve.current, curve.error, expected, strict=True
        )
    ]
    reversal = theory.ghk_potential(permeability, INSIDE, OUTSIDE, VALENCE, BODY_TEMPERATURE)
    fitted = curve.reversal
    checks.append(
        Check("reversal", fitted.potential, fitted.standard_error, float(reversal), "mV", DEGREES_OF_FREEDOM)
    )
    return checks


def as_ohm(curve: CurrentVoltage) -> list[Check]:
    """Compare with a straight line through the reversal potential, with the slope that it has there."""
    reversal = float(theory.ghk_potential(PERMEABILITY, INSIDE, OUTSIDE, VALENCE, BODY_TEMPERATURE))
    below, above = current(np.array([reversal - 0.5, reversal + 0.5]), curve.share)
    return against(curve, (above - below) * (curve.potential - reversal), PERMEABILITY)


def without_sodium(curve: CurrentVoltage) -> list[Check]:
    """Compare with potassium alone."""
    potassium = PERMEABILITY * np.array([1.0, 0.0])
    of_potassium = PICOAMPERES_PER_CHARGE_PER_NANOSECOND * np.array(
        [
            theory.ghk_current(
                curve.share * potassium, INSIDE, OUTSIDE, VALENCE, potential, BODY_TEMPERATURE
            ).sum()
            for potential in curve.potential
        ]
    )
    return against(curve, of_potassium, potassium)


def draw(curve: CurrentVoltage) -> Picture:
    """Draw the current against the potential."""
    potential = np.linspace(-130.0, 40.0, 100)
    return Picture(
        "potential (mV)",
        "current (pA, outward positive)",
        (Line("GHK", potential, current(potential, curve.share)),),
        (Points("measured", curve.potential, curve.current, curve.error),),
    )


LAW = Law(
    name="ghk-current",
    claim="The current of a channel that passes two ions rectifies, and reverses, as the GHK equation says.",
    formula="I = Σ z p (c_in − c_out exp(−u)) u/(1 − exp(−u)),  u = zV/(kT/e)",
    references=("Goldman (1943), J. Gen. Physiol. 27:37", "Hodgkin & Katz (1949), J. Physiol. 108:37"),
    engines=("brownian", "lattice", "continuum"),
    solved_on=("continuum",),
    measure=measure,
    compare=compare,
    twins={"a straight line (Ohm)": as_ohm, "potassium alone": without_sodium},
    draw=draw,
    remark=(
        "Predicted is the current at the potential that electrodes read and the concentrations of the bulk at the "
        "same time. What flows must come through the baths, which leaves less at the membrane, or more, than in the "
        "bulk, by about P u L/(2 D) on each side: in baths of 15 nm 0.7 % of potassium outside at −120 mV for single "
        "ions, where the counting error is 5 %, and 0.2 mV of the reversal; less on the lattice, whose large patch "
        "would show it. Its voxels are as wide as the bath: resolved diffuse layers add 1.1 % to "
        "the current at −120 mV (Frumkin 1933; docs/methods.md, Limits)."
    ),
)
