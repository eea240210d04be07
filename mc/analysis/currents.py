"""Currents in pA, outward positive: counted, against the potential, and where they reverse."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import nnls

from mc.analysis.potential import bulk_concentrations
from mc.analysis.statistics import block_average, least_squares
from mc.constants import PICOAMPERES_PER_CHARGE_PER_NANOSECOND
from mc.recording.recording import Recording
from mc.theory import ghk_current, ghk_potential

MOST_BLOCKS = 32
"""Blocks whose means tell the error of a mean current."""


class CountedCharge(NamedTuple):
    """Charge that crossings carried outward since the start."""

    net: np.ndarray
    """(records,) e."""
    variance: np.ndarray
    """(records,) e2, of independent crossings: the square of the charge of each, inward ones added."""


class Current(NamedTuple):
    """A current in bins of time, in pA."""

    time: np.ndarray
    """(bins,) ns, the middle of each."""
    current: np.ndarray
    """(bins,)."""
    standard_error: np.ndarray
    """(bins,) of counting."""


class Window(NamedTuple):
    """A span of time during which the potential is held."""

    start: float
    """ns."""
    stop: float
    """ns."""
    potential: float
    """mV."""


class CurrentVoltage(NamedTuple):
    """Mean currents in pA at several potentials in mV, each (windows,)."""

    potential: np.ndarray
    current: np.ndarray
    standard_error: np.ndarray
    n_effective: np.ndarray
    """Independent samples behind each error: with fewer than 20 it is not to be trusted."""


class ReversalPotential(NamedTuple):
    """Where a current changes its direction, in mV, from a fit to a curve."""

    potential: float
    standard_error: float
    chi_square: float
    """Of the points about the fitted curve."""
    degrees_of_freedom: int


class GhkFit(NamedTuple):
    """The GHK current equation with free permeabilities, fitted to a curve."""

    reversal: ReversalPotential
    permeability: np.ndarray
    """(species,) nm3/ns of all open channels together."""
    permeability_error: np.ndarray
    """(species,) nm3/ns; zero where the best permeability is zero. Not a number where the curve does not tell the
    species apart: of monovalent ions it tells two, as the currents of all are sums of the same two functions."""


def crossing_charge(
    recording: Recording, channel: str | None = None, ion: str | None = None
) -> CountedCharge:
    """Return the charge that crossed through one type of channel, or all, as one kind of ion, or all."""
    net, variance = np.zeros(len(recording.time)), np.zeros(len(recording.time))
    for passage, valence in _passages(recording, channel, ion):
        outward, inward = recording[f"crossings_outward.{passage}"], recording[f"crossings_inward.{passage}"]
        net += valence * (outward - inward)
        variance += valence**2 * (outward + inward)
    return CountedCharge(net, variance)


def displaced_charge(recording: Recording, channel: str | None = None, ion: str | None = None) -> np.ndarray:
    """Return the charge in e that moved outward through the slab, (records,): also that of ions on their way.

    A clamp sees this one (Shockley and Ramo); over long times it is that of the crossings. Channel and ion as in
    `crossing_charge`.
    """
    passages = _passages(recording, channel, ion)
    return sum((recording[f"displaced_charge.{one}"] for one, _ in passages), np.zeros(len(recording.time)))


def bin_current(time: ArrayLike, charge: CountedCharge, records_per_bin: int = 1) -> Current:
    """Return the current in bins of `records_per_bin` intervals between the records at `time` (records,) in ns.

    The error is that of a Poisson number of crossings. A bin without any counts as if it had one, the least that
    would have been seen: no error at all would be untrue. Intervals that do not fill the last bin are left out.
    """
    edges = np.asarray(time, dtype=float)[::records_per_bin]
    lengths = np.diff(edges)
    counts = np.diff(charge.variance[::records_per_bin])
    current = np.diff(charge.net[::records_per_bin]) / lengths
    error = np.sqrt(np.maximum(counts, 1.0)) / lengths
    scale = PICOAMPERES_PER_CHARGE_PER_NANOSECOND
    return Current((edges[1:] + edges[:-1]) / 2.0, current * scale, error * scale)


def measure_current_voltage(time: ArrayLike, charge: ArrayLike, windows: Sequence[Window]) -> CurrentVoltage:
    """Return the mean current of each window from the cumulative `charge` (records,) in e at `time` (records,) in ns.

    The means of up to 32 blocks tell the error, and `block_average` whether they are independent: it is about a tenth
    on the safe side. Motion to and fro within a pore so counts once for each block, not for each record. ValueError
    for a window of fewer than three records.
    """
    time, charge = np.asarray(time, dtype=float), np.asarray(charge, dtype=float)
    estimates = []
    for window in windows:
        records = np.flatnonzero((time >= window.start) & (time <= window.stop))
        if len(records) < 3:
            raise ValueError(
                f"the window from {window.start:g} to {window.stop:g} ns holds {len(records)} records, not three"
            )
        per_block = -(-(len(records) - 1) // MOST_BLOCKS)
        # Blocks end at the end of the window: what is left over is the start, which is the least settled.
        edges = records[::-per_block][::-1]
        estimates.append(block_average(np.diff(charge[edges]) / np.diff(time[edges])))
    scale = PICOAMPERES_PER_CHARGE_PER_NANOSECOND
    return CurrentVoltage(
        potential=np.array([window.potential for window in windows]),
        current=scale * np.array([estimate.mean for estimate in estimates]),
        standard_error=scale * np.array([estimate.standard_error for estimate in estimates]),
        n_effective=np.array([estimate.n_effective for estimate in estimates]),
    )


def clamp_windows(recording: Recording, settling_time: float = 0.0) -> list[Window]:
    """Return the spans of constant command, each without its first `settling_time` ns, in order of time.

    The potential of a window is what the electrodes read on average, from bulk to bulk: the amplifier holds the
    drop across the slab, which lacks the diffuse layers. Spans of fewer than three records are left out.
    """
    time, command = recording.time, recording["command_potential"]
    windows = []
    for first, last in held_spans(command):
        kept = np.arange(first, last + 1)
        kept = kept[time[kept] >= time[first] + settling_time]
        if len(kept) >= 3:
            potential = float(recording["membrane_potential"][kept].mean())
            windows.append(Window(float(time[kept[0]]), float(time[kept[-1]]), potential))
    return windows


def ramp_windows(recording: Recording, n_windows: int) -> list[Window]:
    """Return the ramps of the command, each cut into `n_windows` windows; potentials as in `clamp_windows`."""
    time, command = recording.time, recording["command_potential"]
    # Of a ramp every step of the command is the same; the last digits of a sum of steps are not.
    steps = np.round(np.diff(command), 9)
    windows = []
    for first, last in held_spans(np.where(steps == 0.0, np.nan, steps)):
        edges = np.linspace(first, last + 1, n_windows + 1).astype(int)
        for begin, end in pairwise(edges):
            if end - begin >= 2:
                potential = float(recording["membrane_potential"][begin : end + 1].mean())
                windows.append(Window(float(time[begin]), float(time[end]), potential))
    return windows


def held_spans(command: ArrayLike) -> list[tuple[int, int]]:
    """Return the first and the last record of each stretch of one and the same command (records,) in mV.

    Records without a command, which is not a number there, belong to none; nor do those of a ramp.
    """
    command = np.asarray(command, dtype=float)
    # Where the membrane is free NaN differs from NaN, which cuts stretches apart as it should.
    edges = np.flatnonzero(np.append(True, np.append(command[1:] != command[:-1], True)))
    return [(int(first), int(after) - 1) for first, after in pairwise(edges) if after - first > 1]


def predict_current(recording: Recording, windows: Sequence[Window], ion: str | None = None) -> np.ndarray:
    """Return the GHK current in pA of all open channels in each window, (windows,); of one `ion` if given.

    From the mean permeability of the membrane and the mean bulk concentrations of the window, at its potential.
    """
    inside, outside = bulk_concentrations(recording)
    permeability = np.stack([recording[f"permeability.{name}"] for name in recording.species_names])
    chosen = np.array([ion in (None, name) for name in recording.species_names])
    currents = []
    for window in windows:
        within = (recording.time >= window.start) & (recording.time <= window.stop)
        by_species = ghk_current(
            permeability[:, within].mean(axis=1),
            inside[:, within].mean(axis=1),
            outside[:, within].mean(axis=1),
            recording.valence,
            window.potential,
            recording.temperature,
        )
        currents.append(by_species[chosen].sum() * PICOAMPERES_PER_CHARGE_PER_NANOSECOND)
    return np.array(currents)


def fit_reversal(curve: CurrentVoltage, degree: int = 2, n_points: int | None = None) -> ReversalPotential:
    """Return where a polynomial through the points nearest to the change of sign is zero.

    By weighted least squares, through `n_points` points, by default three more than the degree; the error follows
    from those of the points. ValueError if the currents do not change sign, or for fewer points than coefficients.
    """
    n_points = min(n_points or degree + 3, len(curve.potential))
    if n_points <= degree:
        raise ValueError(f"a polynomial of degree {degree} needs {degree + 1} points, found {n_points}")
    guess = _change_of_sign(curve)
    nearest = np.argsort(np.abs(curve.potential - guess))[:n_points]
    # About the guess, in units of the width of the points, so that powers stay of order one.
    width = max(np.abs(curve.potential[nearest] - guess).max(), 1e-9)
    weight = _weights(curve)[nearest]
    design = np.vander((curve.potential[nearest] - guess) / width, degree + 1) * weight[:, None]
    coefficients, covariance = least_squares(design, curve.current[nearest] * weight)
    roots = np.roots(coefficients)
    real = roots[np.abs(roots.imag) < 1e-9].real
    if len(real) == 0:
        raise ValueError("the fitted polynomial does not reach zero: take fewer points or another degree")
    root = real[np.argmin(np.abs(real))]
    powers = np.vander([root], degree + 1)[0]
    slope = np.polyval(np.polyder(coefficients), root)
    residuals = curve.current[nearest] * weight - design @ coefficients
    return ReversalPotential(
        potential=float(guess + width * root),
        standard_error=float(width * np.sqrt(powers @ covariance @ powers) / abs(slope)),
        chi_square=float(residuals @ residuals),
        degrees_of_freedom=n_points - degree - 1,
    )


def fit_ghk(
    curve: CurrentVoltage,
    concentration_in: ArrayLike,
    concentration_out: ArrayLike,
    valence: ArrayLike,
    temperature: float,
) -> GhkFit:
    """Fit the sum of the GHK currents of the given species, (species,) each, with free permeabilities.

    Concentrations in mM, temperature in K. The current is linear in the permeabilities, which must not be negative:
    least squares with the weights of the points (Lawson & Hanson 1974, ch. 23). The error of the reversal potential
    follows from those of the permeabilities that are not zero. ValueError if no permeability is above zero.

    Goldman (1943), J. Gen. Physiol. 27:37; Hodgkin & Katz (1949), J. Physiol. 108:37.
    """
    inside, outside = np.asarray(concentration_in, dtype=float), np.asarray(concentration_out, dtype=float)
    valence = np.asarray(valence, dtype=float)

    def unit_currents(potential: ArrayLike) -> np.ndarray:
        """Return the current for each of the permeabilities alone, if it is one, (potentials, species)."""
        columns = np.atleast_1d(potential)[:, None]
        current = ghk_current(np.ones(len(valence)), inside, outside, valence, columns, temperature)
        return current * PICOAMPERES_PER_CHARGE_PER_NANOSECOND

    weight = _weights(curve)
    design = unit_currents(curve.potential) * weight[:, None]
    # In units of the size of each column: the permeabilities of two species may differ by orders of magnitude.
    size = np.linalg.norm(design, axis=0)
    size[size == 0.0] = 1.0
    scaled, _ = nnls(design / size, curve.current * weight)
    permeability = scaled / size
    is_free = permeability > 0.0
    if not is_free.any():
        raise ValueError("no permeability above zero fits these currents: they run against all gradients")
    covariance = np.linalg.pinv(design[:, is_free].T @ design[:, is_free], hermitian=True)
    error = np.zeros(len(permeability))
    error[is_free] = np.sqrt(np.diag(covariance))
    if np.linalg.matrix_rank(design / size, tol=1e-8) < len(permeability):
        error[:] = np.nan

    potential = float(ghk_potential(permeability, inside, outside, valence, temperature))
    below, at_reversal, above = unit_currents(potential + np.array([-0.5, 0.0, 0.5]))
    slope = (above - below) @ permeability
    pull = at_reversal[is_free] / slope
    residuals = curve.current * weight - design @ permeability
    reversal = ReversalPotential(
        potential=potential,
        standard_error=float(np.sqrt(pull @ covariance @ pull)),
        chi_square=float(residuals @ residuals),
        degrees_of_freedom=len(curve.current) - int(is_free.sum()),
    )
    return GhkFit(reversal, permeability, error)


def _passages(recording: Recording, channel: str | None, ion: str | None) -> list[tuple[str, int]]:
    """Return the name in the columns and the valence of each passage of `ion` through `channel`; None is any."""
    known = {"channel type": [one.name for one in recording.channels], "ion": recording.species_names}
    for kind, name in (("channel type", channel), ("ion", ion)):
        if name is not None and name not in known[kind]:
            raise KeyError(f"no {kind} {name!r} in this recording; there are {', '.join(known[kind])}")
    return [
        (f"{one.name}.{species.name}", species.valence)
        for one in recording.channels
        for species in recording.species
        if channel in (None, one.name) and ion in (None, species.name)
    ]


def _weights(curve: CurrentVoltage) -> np.ndarray:
    """Return one over the error of each point, (windows,); ValueError for a point that has none."""
    if not (curve.standard_error > 0.0).all():
        potential = curve.potential[np.argmin(curve.standard_error > 0.0)]
        raise ValueError(
            f"the current at {potential:g} mV has no error: leave it out, or measure it for longer"
        )
    return 1.0 / curve.standard_error


def _change_of_sign(curve: CurrentVoltage) -> float:
    """Return where the straight line between the two neighbouring points of different signs is zero, in mV."""
    order = np.argsort(curve.potential)
    potential, current = curve.potential[order], curve.current[order]
    changes = np.flatnonzero(np.sign(current[1:]) * np.sign(current[:-1]) <= 0)
    if len(changes) == 0:
        raise ValueError("the currents do not change sign: no reversal potential between these potentials")
    # Of several changes, as noise makes them, the one in the middle.
    i = changes[len(changes) // 2]
    step = current[i + 1] - current[i]
    share = 0.5 if step == 0.0 else -current[i] / step
    return float(potential[i] + share * (potential[i + 1] - potential[i]))
