"""Schottky: at equilibrium ions cross an open channel one by one, each by itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mc import theory
from mc.validation.law import Check, Law, Line, Picture, Points, Trial, check_count, check_variance
from mc.validation.scenarios import BODY_TEMPERATURE, channel, patch

CONCENTRATION, PERMEABILITY, LENGTH = 150.0, 0.3, 12.0
"""mM, nm3/ns and nm: 0.027 crossings a ns each way."""

AREA = {"brownian": 4000.0, "lattice": 40_000.0}
TIME_STEP = {"brownian": 1.0, "lattice": 3.0}
WINDOWS = (1, 3, 10, 30)
"""Records that are counted together; a record holds 8 crossings each way."""


@dataclass
class Counts:
    """Crossings from record to record."""

    outward: np.ndarray
    inward: np.ndarray
    interval: float
    expected: float
    """Crossings each way in an interval."""


def measure(trial: Trial) -> Counts:
    """Count crossings between equal solutions at 0 mV."""
    interval = 300.0
    salt = {"K": CONCENTRATION, "Cl": CONCENTRATION}
    text = patch(
        "Shot noise",
        inside=salt,
        outside=salt,
        area=AREA[trial.engine],
        length=LENGTH,
        duration=interval * trial.pick(400.0, 2000.0),
        time_step=TIME_STEP[trial.engine],
        interval=interval,
        more=channel(
            "channel",
            1,
            {"K": PERMEABILITY},
            'pore = { diffusion_coefficient = "1 nm^2/ns", mouth_depth = "0.8 nm" }',
        ),
    )
    recording = trial.run(text, "counts", clamped_potential=0.0)
    outward, inward = (np.diff(recording[f"crossings_{way}.channel.K"])[1:] for way in ("outward", "inward"))
    flux = theory.ghk_flux(PERMEABILITY, CONCENTRATION, CONCENTRATION, 1, 0.0, BODY_TEMPERATURE).outward
    return Counts(outward, inward, interval, float(flux * interval))


def windows_of(counts: np.ndarray, n_records: int) -> np.ndarray:
    """Return the counts in windows of so many records."""
    return counts[: len(counts) // n_records * n_records].reshape(-1, n_records).sum(axis=1)


def compare(counts: Counts, charge: float = 1.0) -> list[Check]:
    """Compare numbers with GHK's, and variances with those of Poisson numbers, or of clusters of `charge` ions."""
    checks = []
    for way, found in (("outward", counts.outward), ("inward", counts.inward)):
        checks.append(check_count(f"{way}", found.sum(), counts.expected * len(found), "ions"))
        for n_records in WINDOWS[:3]:
            in_windows = windows_of(found, n_records)
            expected = counts.expected * n_records
            variance = float(np.mean((in_windows - expected) ** 2))
            # A Poisson number of mean m has an excess kurtosis of 1/m: its square tells that much less.
            degrees = len(in_windows) / (1.0 + 0.5 / expected)
            name = f"variance over mean, {way}, {n_records * counts.interval:g} ns"
            checks.append(check_variance(name, variance / expected, charge, degrees))
    return checks


def draw(counts: Counts) -> Picture:
    """Draw the variance over the mean for windows of several lengths: constant, as the spectrum is flat."""
    lengths = np.array([n * counts.interval for n in WINDOWS])
    points = []
    for way, found in (("outward", counts.outward), ("inward", counts.inward)):
        ratio = np.array([windows_of(found, n).var(ddof=1) / windows_of(found, n).mean() for n in WINDOWS])
        error = ratio * np.sqrt([2.0 / (len(found) // n - 1) for n in WINDOWS])
        points.append(Points(way, lengths, ratio, error))
    line = Line("Poisson", lengths, np.ones(len(lengths)))
    return Picture("window (ns)", "variance over mean of crossings", (line,), tuple(points), x_scale="log")


LAW = Law(
    name="shot-noise",
    claim="Crossings of an open channel at equilibrium are a Poisson process: one by one, each by itself.",
    formula="var N = <N> = p c t each way;  S(f) = 2 |i q|",
    references=("Schottky (1918), Ann. Phys. 362:541",),
    engines=("brownian", "lattice"),
    not_on={"continuum": "mean fluxes have no noise"},
    measure=measure,
    compare=compare,
    twins={"ions that cross in pairs": lambda counts: compare(counts, charge=2.0)},
    draw=draw,
)
