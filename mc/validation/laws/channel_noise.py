"""Stevens: channels that open and close make the membrane potential fluctuate, filtered by the membrane."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
from mc.validation.laws.capacitance_noise import slab_share
from mc.validation.scenarios import (
    BODY_TEMPERATURE,
    CAPACITANCE,
    acting_length,
    channel,
    lost_entries,
    patch,
    two_states,
)

INSIDE = {"K": 50.0, "Na": 0.5, "Cl": 50.5}
OUTSIDE = {"K": 50.0, "Na": 50.0, "Cl": 100.0}
"""mM: between equal concentrations the leak of K is a resistor, without a potential of its own."""

ROUNDS = 6
"""In which currents and the concentrations at the faces are made to agree."""

THICKNESS, MOUTH_DEPTH = 4.0, 0.3
"""nm."""

PORE = f'pore = {{ diffusion_coefficient = "10 nm^2/ns", mouth_depth = "{MOUTH_DEPTH} nm" }}'
"""Pores that ions leave within a nanosecond: those on their way are noise as well."""

LAGS = (2, 4, 8)
"""Records between two potentials whose difference is looked at."""


@dataclass(frozen=True)
class Size:
    """A patch that an engine can follow for long enough, and whose gates are not hidden by the noise of charges."""

    area: float
    length: float
    """nm2, and nm of a bath."""
    leak: float
    channels: int
    permeability: float
    """nm3/ns of the whole leak; channels of Na, and nm3/ns of one."""
    opening: float
    closing: float
    """1/ns."""
    time_step: float
    interval: float
    settling: float
    """ns."""
    durations: tuple[float, float]
    """ns that are watched, quick and full."""

    @property
    def open_probability(self) -> float:
        """Of one channel."""
        return float(theory.two_state_open_probability(self.opening, self.closing))

    @property
    def gate_variance(self) -> float:
        """Of the number of open channels."""
        return float(theory.binomial_variance(self.channels, self.open_probability))


SIZES = {
    "brownian": Size(2e4, 8.0, 18.0, 12, 20.0 / 3.0, 0.010, 0.015, 2.0, 16.0, 1000.0, (80_000.0, 600_000.0)),
    "lattice": Size(1e6, 100.0, 100.0, 100, 1.6, 1.0e-3, 1.5e-3, 10.0, 160.0, 8000.0, (8e5, 6e6)),
}
"""What the gates do to the potential falls with the root of their number, the noise of charges with that of the area:
a patch of single ions has few channels, and a current through them that makes a third of its conductance."""


@dataclass(frozen=True)
class Membrane:
    """The steady state, and how currents answer to what fluctuates about it."""

    size: Size
    potential: float
    """mV, where the mean currents cancel."""
    conductance: float
    curvature: float
    """e/(mV ns) and e/(mV2 ns), the first and second derivative of all currents."""
    current: float
    channel_conductance: float
    """e/ns of one open channel, and its derivative."""
    crossing_rate: float
    """1/ns, all ions, both ways."""
    slab_share: float
    """Of the potential; the diffuse layers have the rest."""

    @property
    def capacitance(self) -> float:
        """e/mV, of the slab in series with the layers."""
        return CAPACITANCE * self.size.area * self.slab_share

    @property
    def charging_time(self) -> float:
        """C/g in ns."""
        return float(theory.charging_time(self.capacitance, self.conductance))


@dataclass
class Noise:
    """The potential of a membrane in its steady state."""

    engine: str
    membrane: Membrane
    potential: np.ndarray
    """(records,) mV, of the charge on the slab."""
    mean: Estimate
    """mV, of what electrodes read, the diffuse layers with it."""


def find_membrane(engine: str, coefficients: Mapping[str, float]) -> Membrane:
    """Return where the mean currents cancel, and their derivatives there.

    Ions (diffusion coefficients in nm2/ns) come from the far ends and go to them: one that crosses as j leaves the
    face j L/D emptier on the one side, and fuller on the other. A single ion that comes out of a pore enters none
    again in the same step: at the outer face, from where sodium comes, also none whose gate, at the inner end, is
    shut. Of the entries that lack there the share of the mouth depth in the way would have crossed, and as large a
    share of those that lack on the other side would have come back.
    """
    size = SIZES[engine]
    open_channels = size.channels * size.open_probability
    permeabilities = {"K": size.leak, "Na": open_channels * size.permeability}
    if engine == "brownian":
        for ion, total in (("K", size.leak), ("Na", size.channels * size.permeability)):
            velocity = total / size.area * THICKNESS / MOUTH_DEPTH
            through = 2.0 * permeabilities[ion] / total * MOUTH_DEPTH / THICKNESS
            lost = (1.0 - through) * lost_entries(velocity, coefficients[ion], size.time_step)
            permeabilities[ion] /= 1.0 + lost
    lengths = {
        ion: acting_length(engine, size.length, coefficients[ion], size.time_step) for ion in permeabilities
    }
    emptier = dict.fromkeys(permeabilities, 0.0)

    def fluxes(potential: float) -> dict[str, theory.OneWayFluxes]:
        return {
            ion: theory.ghk_flux(
                permeability,
                INSIDE[ion] - emptier[ion],
                OUTSIDE[ion] + emptier[ion],
                1,
                potential,
                BODY_TEMPERATURE,
            )
            for ion, permeability in permeabilities.items()
        }

    def current(potential: float, ions: Iterable[str] = permeabilities) -> float:
        found = fluxes(potential)
        return float(sum(found[ion].outward - found[ion].inward for ion in ions))

    rest = 0.0
    for _ in range(ROUNDS):
        rest = float(brentq(current, -100.0, 100.0))
        for ion, length in lengths.items():
            density = current(rest, [ion]) / size.area * length / coefficients[ion]
            emptier[ion] = float(density / theory.species.number_density(1.0))
    below, at, above = (current(rest + shift) for shift in (-0.5, 0.0, 0.5))
    of_channels = [current(rest + shift, ["Na"]) / open_channels for shift in (-0.5, 0.0, 0.5)]
    return Membrane(
        size,
        rest,
        above - below,
        4.0 * (above - 2.0 * at + below),
        of_channels[1],
        of_channels[2] - of_channels[0],
        float(sum(one.outward + one.inward for one in fluxes(rest).values())),
        slab_share(engine, INSIDE, OUTSIDE),
    )


def measure(trial: Trial) -> Noise:
    """Watch a membrane with a leak and channels of another ion, between open baths."""
    size = SIZES[trial.engine]
    text = patch(
        "Channels that open and close",
        inside=INSIDE,
        outside=OUTSIDE,
        area=size.area,
        length=size.length,
        duration=size.settling + trial.pick(*size.durations),
        time_step=size.time_step,
        interval=size.interval,
        geometry='boundary = "bath"',
        more=channel("leak", 100, {"K": size.leak / 100}, PORE)
        + channel(
            "channel",
            size.channels,
            {"Na": size.permeability},
            PORE + two_states(size.opening, size.closing),
        ),
    )
    recording = trial.run(text, "noise")
    potential = recording["charge_separation_potential"][recording.time > size.settling]
    electrodes = block_average(recording["membrane_potential"][recording.time > size.settling])
    coefficients = {one.name: one.diffusion_coefficient for one in recording.species}
    membrane = find_membrane(trial.engine, coefficients)
    return Noise(trial.engine, membrane, potential, electrodes)


def covariance(membrane: Membrane, lag: np.ndarray, gating: float = 1.0, rate: float = 1.0) -> np.ndarray:
    """Return the covariance in mV2 at lags in ns, with a share of the gates' part, or gates faster by `rate`.

    Each step takes g dt/C off, by the potential at its start, which leaves a little more of the noise of crossings.
    """
    size = membrane.size
    crossings = (
        theory.crossing_noise(membrane.crossing_rate, membrane.capacitance, membrane.conductance)
        / (1.0 - 0.5 * size.time_step / membrane.charging_time)
        * np.exp(-lag / membrane.charging_time)
    )
    gates = theory.gating_noise(
        lag,
        membrane.current,
        size.gate_variance,
        1.0 / (rate * (size.opening + size.closing)),
        membrane.conductance,
        membrane.charging_time,
    )
    total: np.ndarray = membrane.slab_share**2 * (crossings + gating * gates)
    return total


def mean_potential(membrane: Membrane) -> float:
    """Return the mean potential in mV, to the second order of what fluctuates.

    The mean of I = I_0 + g v + i m + (dI/dV)_1 m v + I'' v^2/2 is zero, where m open channels more go with the
    potential v as <m v> = -(i/g) s2 t_c/(t_c + t_m).
    """
    size = membrane.size
    gates = 1.0 / (size.opening + size.closing)
    together = (
        -membrane.current
        / membrane.conductance
        * size.gate_variance
        * gates
        / (gates + membrane.charging_time)
    )
    of_potential = float(covariance(membrane, np.zeros(1))[0]) / membrane.slab_share**2
    current = membrane.channel_conductance * together + 0.5 * membrane.curvature * of_potential
    return membrane.potential - current / membrane.conductance


def compare(noise: Noise, gating: float = 1.0, rate: float = 1.0) -> list[Check]:
    """Compare the variance about the mean, the mean, and the variances of the change after several times."""
    membrane, n = noise.membrane, len(noise.potential)
    lags = np.arange(400)
    expected = covariance(membrane, membrane.size.interval * lags, gating, rate)
    degrees = variance_degrees_of_freedom(expected[1:] / expected[0], n)
    deviation = noise.potential - noise.potential.mean()
    # About its own mean a series varies less by the variance of that.
    own = float(2.0 * expected.sum() - expected[0]) / n
    variance = float(np.mean(deviation**2)) + own
    checks = [
        check_variance("variance", variance, float(expected[0]), degrees, "mV²"),
        check_estimate("mean", noise.mean, mean_potential(membrane), "mV"),
    ]
    for lag in LAGS:
        change = deviation[lag:] - deviation[:-lag]
        near = np.arange(1, 300)
        of_change = 2.0 * (expected[0] - expected[lag])
        of_changes = 2.0 * expected[near] - expected[near + lag] - expected[np.abs(near - lag)]
        degrees = variance_degrees_of_freedom(of_changes / of_change, len(change))
        checks.append(
            check_variance(
                f"variance of the change in {lag * membrane.size.interval:g} ns",
                float(np.mean(change**2)),
                float(of_change),
                degrees,
                "mV²",
            )
        )
    return checks


def draw(noise: Noise) -> Picture:
    """Draw the autocovariance."""
    membrane = noise.membrane
    lags, n = np.arange(0, 20, 2), len(noise.potential) - 20
    time = np.linspace(0.0, membrane.size.interval * 20, 80)
    deviation = noise.potential - noise.potential.mean()
    products = np.array([np.mean(deviation[:n] * deviation[lag : lag + n]) for lag in lags])
    expected = covariance(membrane, membrane.size.interval * np.arange(400))
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
                membrane.size.interval * lags,
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
    engines=("brownian", "lattice"),
    not_on={"continuum": "mean open fractions have no noise"},
    measure=measure,
    compare=compare,
    twins={
        "the noise of crossings alone": lambda noise: compare(noise, gating=0.0),
        "gates three times as fast": lambda noise: compare(noise, rate=3.0),
    },
    draw=draw,
    remark=(
        "The equation is for small fluctuations, on which the conductance does not depend. The next order, by the "
        "Markov chain of gates and charges together, adds 1.5 % to the variance in the patch of single ions. "
        "Crossings of a membrane that is away from equilibrium are shot noise, (their rate)/(2 C g), at equilibrium "
        "kT/C; steps that each take g dt/C off leave 1/(1 − g dt/2C) of it. Ions on their way through a pore are "
        "noise of a nanosecond, some 0.3 mV² here, which the change within less than C/g would show. The mean "
        "follows the covariance of gates and potential, what the baths bring to the faces and, of single ions, that "
        "one which comes out of a pore enters none again in the same step: here that takes 4 % off the flux of "
        "sodium, and 0.5 mV off the mean (docs/methods.md)."
    ),
)
