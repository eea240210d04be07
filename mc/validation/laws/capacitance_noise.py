"""Equipartition: the charge of a membrane at equilibrium fluctuates with kT/C, and forgets within C/g."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mc import theory
from mc.analysis.potential import charging_time
from mc.validation.law import (
    Check,
    Law,
    Line,
    Picture,
    Points,
    Trial,
    check_variance,
    variance_degrees_of_freedom,
)
from mc.validation.potentials import AREA, CELL_OF_MEANS, VALENCES, resting_patch
from mc.validation.scenarios import BODY_TEMPERATURE, CAPACITANCE

SALT = {"K": 150.0, "Cl": 150.0}

SETTLING, LAGS = 20, (0, 1, 2, 3, 4, 6)
"""Records that are left out, and lags, in records of half a charging time each."""

LAYERS_AT_ONE_NANOSECOND = 0.52
"""Drop of diffuse layers of small potential over that of Gouy and Chapman in steps of 1 ns (docs/methods.md)."""


@dataclass
class Noise:
    """The potential of the charge on a membrane whose mean is zero."""

    potential: np.ndarray
    """(records,) mV."""
    interval: float
    """ns."""
    variance: float
    """mV2, kT/C of the slab in series with the diffuse layers."""
    relaxation_time: float
    """ns, C/g."""
    time_step: float


def measure(trial: Trial) -> Noise:
    """Watch a membrane between equal solutions, where the mean is zero by symmetry."""
    text = resting_patch(
        trial.engine, "Thermal noise", SALT, SALT, {"K": 1.0}, charging_times=trial.pick(1000.0, 8000.0)
    )
    recording = trial.run(text, "noise")
    noise = theory.capacitance_noise(CAPACITANCE * AREA[trial.engine], BODY_TEMPERATURE) ** 2
    return Noise(
        recording["charge_separation_potential"][SETTLING:],
        float(recording.time[1] - recording.time[0]),
        float(slab_share(trial.engine) * noise),
        charging_time(recording, slice(SETTLING, None)),
        recording.time_step,
    )


def slab_share(engine: str, inside: Mapping[str, float] = SALT, outside: Mapping[str, float] = SALT) -> float:
    """Return the share of a potential that the slab has: one where voxels are larger than the diffuse layers.

    Between solutions of monovalent ions, in mM.

    To the digits of the continuum it is not quite one: half a cell of width h holds the charge of a layer, at the
    potential 2 lambda/h of that of the layer.
    """
    if engine == "lattice":
        return 1.0
    valences = {name: VALENCES[name] for name in inside}
    resolved = theory.series_slab_fraction(CAPACITANCE, inside, outside, valences, BODY_TEMPERATURE)
    layers = LAYERS_AT_ONE_NANOSECOND
    if engine == "continuum":
        layers = 2.0 * float(theory.debye_length(inside, valences, BODY_TEMPERATURE)) / CELL_OF_MEANS
    return 1.0 / (1.0 + layers * (1.0 / resolved - 1.0))


def correlation(noise: Noise, relaxation_time: float = 1.0) -> np.ndarray:
    """Return exp(-t g/C) at 0, 1, 2, ... records, for a multiple of C/g, in steps that each take g dt/C off."""
    share = noise.time_step / (relaxation_time * noise.relaxation_time)
    return (1.0 - share) ** (np.arange(60) * noise.interval / noise.time_step)


def compare(noise: Noise, variance: float = 1.0, relaxation_time: float = 1.0) -> list[Check]:
    """Compare the variance, and that of the change within a half, one and two charging times."""
    decay = correlation(noise, relaxation_time)
    expected = variance * noise.variance / (1.0 - 0.5 * noise.time_step / noise.relaxation_time)
    degrees = variance_degrees_of_freedom(decay[1:], len(noise.potential))
    checks = [check_variance("variance", float(np.mean(noise.potential**2)), expected, degrees, "mV²")]
    lags = np.arange(1, 50)
    for name, lag in (("half of C/g", 1), ("C/g", 2), ("2 C/g", 4)):
        change = noise.potential[lag:] - noise.potential[:-lag]
        of_change = 2.0 * (1.0 - decay[lag])
        of_changes = (2.0 * decay[lags] - decay[lags + lag] - decay[np.abs(lags - lag)]) / of_change
        degrees = variance_degrees_of_freedom(of_changes, len(change))
        checks.append(
            check_variance(
                f"variance of the change in {name}",
                float(np.mean(change**2)),
                expected * of_change,
                degrees,
                "mV²",
            )
        )
    return checks


def draw(noise: Noise) -> Picture:
    """Draw the autocovariance."""
    lags = np.array(LAGS)
    time = np.linspace(0.0, lags[-1] * noise.interval, 60)
    n = len(noise.potential) - lags[-1]
    products = np.array([np.mean(noise.potential[:n] * noise.potential[lag : lag + n]) for lag in lags])
    degrees = variance_degrees_of_freedom(correlation(noise)[1:], n)
    error = np.full(len(lags), noise.variance * np.sqrt(2.0 / degrees))
    return Picture(
        "lag (ns)",
        "covariance of charge/C (mV²)",
        (Line("(kT/C) exp(−t g/C)", time, noise.variance * np.exp(-time / noise.relaxation_time)),),
        (Points("measured", lags * noise.interval, products, error),),
    )


LAW = Law(
    name="capacitance-noise",
    claim="The charge of a membrane at equilibrium fluctuates with kT/C and relaxes with C/g.",
    formula="<V(0) V(t)> = (kT/C) exp(−t g/C)",
    references=("Johnson (1928), Phys. Rev. 32:97", "Nyquist (1928), Phys. Rev. 32:110"),
    engines=("brownian", "lattice"),
    not_on={"continuum": "mean concentrations have no thermal noise"},
    measure=measure,
    compare=compare,
    twins={
        "half of kT/C": lambda noise: compare(noise, variance=0.5),
        "twice the charging time": lambda noise: compare(noise, relaxation_time=2.0),
    },
    draw=draw,
    remark=(
        "The potential is that of the charge on the membrane, Q/C. Electrodes read some per cent more, the thermal "
        "field of the baths between them. Single ions form diffuse layers in series with the slab, whose capacitance "
        "takes 2.3 % off the variance of Q at 150 mM; in steps of 1 ns, which smear the layers, 0.52 of that. Voxels "
        "larger than the layers have none. Each step takes g dt/C off, by the potential at its start: with forty of "
        "them in C/g the variance is 1.3 % more than kT/C, as the prediction has it."
    ),
)
