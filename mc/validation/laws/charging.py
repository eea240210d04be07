"""A membrane as a resistor and a capacitor: after a step of the current it charges exponentially."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mc import theory
from mc.validation.law import Check, Law, Line, Picture, Points, Trial
from mc.validation.laws.capacitance_noise import slab_share
from mc.validation.potentials import AREA, STEPS_OF_CHARGING, TIME_STEP, resting_patch
from mc.validation.scenarios import BODY_TEMPERATURE, CAPACITANCE

SALT = {"K": 150.0, "Cl": 150.0}
"""mM."""

AMPLITUDE = {"brownian": 40.0, "lattice": 12.0, "continuum": 5.0}
"""mV of the steady response: where the noise does not hide a small one, so little that the layers are linear."""

ON, PERIOD, TIMES = 6, 12, (0.5, 1.0, 2.0, 4.0, 7.0)
"""Charging times of a pulse and from one to the next; and those after its start when the potential is compared."""

RECORDS = 8
"""In a charging time."""


@dataclass
class Charging:
    """The mean course of the potential of the charge over many pulses."""

    n_pulses: int
    time: np.ndarray
    """(records,) since the start of a pulse, in charging times."""
    potential: np.ndarray
    injected: np.ndarray
    """(pulses, records) mV of charge over capacitance: that on the membrane, and what an amplifier has brought."""
    noise: float
    """mV, sqrt(kT/C)."""
    is_stepped: bool
    """Whether what is on the membrane decays in steps, each by the potential at its start."""
    share: float
    """Of a potential that the slab has: what channels feel is that much more than charge over capacitance."""

    def response(self, relaxation_time: float = 1.0) -> np.ndarray:
        """Return the mean potential that the charges of the amplifier leave, each decaying with C/g.

        In steps, as they are made: each takes the share g dt/C off, and what came between two records came evenly.
        """
        if not self.is_stepped:
            rate = 1.0 / (RECORDS * relaxation_time * self.share)
            level, levels = 0.0, [0.0]
            for one in np.diff(self.injected, axis=1).mean(axis=0):
                level = level * np.exp(-rate) - one * np.expm1(-rate) / rate
                levels.append(level)
            return np.array(levels)
        steps = STEPS_OF_CHARGING // RECORDS
        decay = 1.0 - 1.0 / (STEPS_OF_CHARGING * relaxation_time)
        arrived = np.diff(self.injected, axis=1).mean(axis=0) / steps
        level, levels = 0.0, [0.0]
        for one in arrived:
            for _ in range(steps):
                level = level * decay + one
            levels.append(level)
        return np.array(levels)


def measure(trial: Trial) -> Charging:
    """Inject pulses of current into a membrane between equal solutions, whose GHK current is Ohm's."""
    charging_time = STEPS_OF_CHARGING * TIME_STEP[trial.engine]
    is_mean = trial.engine == "continuum"
    current = AMPLITUDE[trial.engine] * CAPACITANCE * AREA[trial.engine] / charging_time
    n_pulses, period = 1 if is_mean else trial.pick(40, 400), PERIOD * charging_time
    pulses = "".join(
        f'\n[[protocol.current]]\nstart = "{(i + 1) * period:.12g} ns"\n'
        f'stop = "{((i + 1) + ON / PERIOD) * period:.12g} ns"\ncurrent = "{current:.12g} e/ns"\n'
        for i in range(n_pulses)
    )
    text = resting_patch(
        trial.engine,
        "Charging",
        SALT,
        SALT,
        {"K": 1.0},
        charging_times=(n_pulses + 1) * PERIOD - 10.0,
        more=pulses,
        interval=charging_time / RECORDS,
    )
    recording = trial.run(text, "pulses")
    per_period = PERIOD * RECORDS
    capacitance = recording.membrane_capacitance
    first = per_period * (1 + np.arange(n_pulses))
    span = np.arange(per_period)
    potential = recording["charge_separation_potential"][first[:, None] + span]
    injected = recording["injected_charge"][first[:, None] + span] / capacitance
    return Charging(
        n_pulses,
        span / RECORDS,
        potential,
        injected,
        float(theory.capacitance_noise(capacitance, BODY_TEMPERATURE) * np.sqrt(slab_share(trial.engine))),
        not is_mean,
        slab_share(trial.engine),
    )


def compare(charging: Charging, relaxation_time: float = 1.0, steady: float = 1.0) -> list[Check]:
    """Compare the mean potential after several times; its error is that of kT/C."""
    measured, expected = charging.potential.mean(axis=0), steady * charging.response(relaxation_time)
    error = charging.noise / np.sqrt(charging.n_pulses)
    checks = []
    for time in TIMES:
        i = round(time * RECORDS)
        when = f"{time:g} C/g after the start" if time < ON else f"{time - ON:g} C/g after the end"
        checks.append(Check(when, float(measured[i]), error, float(expected[i]), "mV"))
    return checks


def draw(charging: Charging) -> Picture:
    """Draw the mean course of the potential."""
    measured = charging.potential.mean(axis=0)
    error = np.full(len(measured), charging.noise / np.sqrt(charging.n_pulses))
    shown = slice(None, None, 4)
    return Picture(
        "time since the start of the pulse (C/g)",
        "charge/C (mV)",
        (Line("(I/g)(1 − exp(−t g/C))", charging.time, charging.response()),),
        (Points("measured", charging.time[shown], measured[shown], error[shown]),),
    )


LAW = Law(
    name="charging",
    claim="After a step of the current a membrane charges exponentially, within C/g.",
    formula="V(t) = (I/g)(1 − exp(−t g/C)),  g = p c/(kT/e) between equal solutions",
    references=("Hodgkin & Rushton (1946), Proc. R. Soc. Lond. B 133:444",),
    engines=("brownian", "lattice", "continuum"),
    solved_on=("continuum",),
    measure=measure,
    compare=compare,
    twins={
        "half the charging time": lambda charging: compare(charging, relaxation_time=0.5),
        "twice the charging time": lambda charging: compare(charging, relaxation_time=2.0),
    },
    draw=draw,
    remark=(
        "An amplifier brings whole charges: the prediction lets each of those that were counted decay. It decays in "
        "steps of dt, each by g dt/C of what there is, as the field of a step's start says: 1.2 % faster than the "
        "formula with forty steps in C/g, which the lattice's large patch would show."
    ),
)
