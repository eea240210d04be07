"""Stevens: channels that open and close make the membrane potential fluctuate, filtered by the membrane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from mc import theory
from mc.analysis.statistics import Estimate, block_average
from mc.validation.law import (
    Check,
    Law,
    Line,
    Picture,
    Points,
    Trial,
    check_estimate,
    check_variance,
    variance_degrees_of_freedom,
)
from mc.validation.scenarios import BODY_TEMPERATURE, CAPACITANCE, channel, patch, two_states

INSIDE = {"K": 100.0, "Na": 10.0, "Cl": 110.0}
OUTSIDE = {"K": 100.0, "Na": 100.0, "Cl": 200.0}
"""mM: between equal concentrations the leak of K is a resistor, without a potential of its own."""

AREA, LENGTH = 1e6, 100.0
LEAK, CHANNELS, PERMEABILITY = 50.0, 100, 0.8
"""nm3/ns of the whole leak; channels of Na, and nm3/ns of one."""

OPENING, CLOSING = 1.0e-3, 1.5e-3
"""1/ns: they forget within 400 ns."""

TIME_STEP, INTERVAL, SETTLING = 10.0, 160.0, 8000.0
LAGS = (1, 3, 8)
"""Records between two potentials whose difference is looked at."""


@dataclass(frozen=True)
class Membrane:
    """The steady state, and what fluctuates about it."""

    potential: float
    """mV."""
    conductance: float
    """e/(mV ns), the slope of all currents."""
    current: float
    """e/ns of one open channel."""
    crossing_rate: float
    """1/ns, all ions, both ways."""

    @property
    def charging_time(self) -> float:
        """C/g in ns."""
        return float(theory.charging_time(CAPACITANCE * AREA, self.conductance))


@dataclass
class Noise:
    """The potential of a membrane in its steady state."""

    potential: np.ndarray
    """(records,) mV."""
    mean: Estimate


def currents(potential: float) -> tuple[float, float, float]:
    """Return the current of the leak and of one open channel in e/ns, and all crossings in 1/ns."""
    open_channels = CHANNELS * theory.two_state_open_probability(OPENING, CLOSING)
    leak, of_one = (
        theory.ghk_flux(p, INSIDE[ion], OUTSIDE[ion], 1, potential, BODY_TEMPERATURE)
        for ion, p in (("K", LEAK), ("Na", PERMEABILITY))
    )
    crossings = leak.outward + leak.inward + open_channels * (of_one.outward + of_one.inward)
    return float(leak.outward - leak.inward), float(of_one.outward - of_one.inward), float(crossings)


def steady_state() -> Membrane:
    """Return where the mean currents cancel."""
    open_channels = CHANNELS * float(theory.two_state_open_probability(OPENING, CLOSING))

    def total(potential: float) -> float:
        leak, of_one, _ = currents(potential)
        return leak + open_channels * of_one

    rest = float(brentq(total, -100.0, 100.0))
    slope = (total(rest + 0.01) - total(rest - 0.01)) / 0.02
    return Membrane(rest, slope, currents(rest)[1], currents(rest)[2])


def measure(trial: Trial) -> Noise:
    """Watch a membrane with a leak and channels of another ion, between open baths."""
    text = patch(
        "Channels that open and close",
        inside=INSIDE,
        outside=OUTSIDE,
        area=AREA,
        length=LENGTH,
        duration=SETTLING + trial.pick(800_000.0, 6_000_000.0),
        time_step=TIME_STEP,
        interval=INTERVAL,
        geometry='boundary = "bath"',
        more=channel("leak", 100, {"K": LEAK / 100})
        + channel("channel", CHANNELS, {"Na": PERMEABILITY}, two_states(OPENING, CLOSING)),
    )
    recording = trial.run(text, "noise")
    potential = recording["charge_separation_potential"][recording.time > SETTLING]
    return Noise(potential, block_average(potential))


def covariance(membrane: Membrane, lag: np.ndarray, gating: float = 1.0, rate: float = 1.0) -> np.ndarray:
    """Return the covariance in mV2 at lags in ns, with a share of the gates' part, or gates faster by `rate`."""
    crossings = theory.crossing_noise(
        membrane.crossing_rate, CAPACITANCE * AREA, membrane.conductance
    ) * np.exp(-lag / membrane.charging_time)
    p = theory.two_state_open_probability(OPENING, CLOSING)
    gates = theory.gating_noise(
        lag,
        membrane.current,
        theory.binomial_variance(CHANNELS, p),
        1.0 / (rate * (OPENING + CLOSING)),
        membrane.conductance,
        membrane.charging_time,
    )
    total: np.ndarray = crossings + gating * gates
    return total


def compare(noise: Noise, gating: float = 1.0, rate: float = 1.0) -> list[Check]:
    """Compare the mean, the variance, and the variances of the change after several times."""
    membrane, n = steady_state(), len(noise.potential)
    lags = np.arange(400)
    expected = covariance(membrane, INTERVAL * lags, gating, rate)
    deviation = noise.potential - membrane.potential
    degrees = variance_degrees_of_freedom(expected[1:] / expected[0], n)
    checks = [
        check_estimate("mean", noise.mean, membrane.potential, "mV"),
        check_variance("variance", float(np.mean(deviation**2)), float(expected[0]), degrees, "mV²"),
    ]
    for lag in LAGS:
        change = deviation[lag:] - deviation[:-lag]
        near = np.arange(1, 300)
        of_change = 2.0 * (expected[0] - expected[lag])
        of_changes = 2.0 * expected[near] - expected[near + lag] - expected[np.abs(near - lag)]
        degrees = variance_degrees_of_freedom(of_changes / of_change, len(change))
        checks.append(
            check_variance(
                f"variance of the change in {lag * INTERVAL:g} ns",
                float(np.mean(change**2)),
                float(of_change),
                degrees,
                "mV²",
            )
        )
    return checks


def draw(noise: Noise) -> Picture:
    """Draw the autocovariance."""
    membrane = steady_state()
    lags, n = np.arange(0, 20, 2), len(noise.potential) - 20
    time = np.linspace(0.0, INTERVAL * 20, 80)
    deviation = noise.potential - membrane.potential
    products = np.array([np.mean(deviation[:n] * deviation[lag : lag + n]) for lag in lags])
    expected = covariance(membrane, INTERVAL * np.arange(400))
    degrees = variance_degrees_of_freedom(expected[1:] / expected[0], n)
    return Picture(
        "lag (ns)",
        "covariance of the potential (mV²)",
        (
            Line("gates and crossings", time, covariance(membrane, time)),
            Line("crossings alone", time, covariance(membrane, time, gating=0.0)),
        ),
        (
            Points(
                "measured",
                INTERVAL * lags,
                products,
                np.full(len(lags), expected[0] * np.sqrt(2.0 / degrees)),
            ),
        ),
    )


LAW = Law(
    name="channel-noise",
    claim="Channels that open and close make the potential fluctuate, as a Lorentzian through the membrane's filter.",
    formula="C(t) = (i/g)² N p (1 − p) τ/(τ² − τ_m²) [τ exp(−t/τ) − τ_m exp(−t/τ_m)] + crossings",
    references=(
        "Stevens (1972), Biophys. J. 12:1028",
        "DeFelice (1981), Introduction to Membrane Noise, ch. 6",
    ),
    engines=("lattice",),
    not_on={
        "brownian": "in patches that can be followed for long enough the noise of single charges hides that of gates",
        "continuum": "mean open fractions have no noise",
    },
    measure=measure,
    compare=compare,
    twins={
        "the noise of crossings alone": lambda noise: compare(noise, gating=0.0),
        "gates three times as fast": lambda noise: compare(noise, rate=3.0),
    },
    draw=draw,
    remark=(
        "The equation is for small fluctuations, on which the conductance does not depend. Crossings of a membrane "
        "that is away from equilibrium are shot noise, (their rate)/(2 C g), at equilibrium kT/C."
    ),
)
