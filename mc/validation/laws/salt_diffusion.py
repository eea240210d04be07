"""Nernst and Hartley, and Planck: the ions of a salt spread together, and their junction carries a potential."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mc import theory
from mc.constants import IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
from mc.validation.law import Check, Law, Line, Picture, Points, Trial, check_mean
from mc.validation.scenarios import BODY_TEMPERATURE, acting_length, change_of_solution, patch, species

CATION, ANION = 0.6, 2.4
"""nm2/ns: far from each other, as those of no common salt are, so that little noise tells them apart."""

LENGTH, TIME_STEP, START, END = 60.0, 0.25, 300.0, 150.0
"""nm, ns and mM: what the bath holds at first, and what its reservoir holds."""

AREA = {"brownian": (5000.0, 20_000.0), "lattice": (20_000.0, 200_000.0), "continuum": (1000.0, 1000.0)}
INTERVAL = {"brownian": 1.0, "lattice": 1.0, "continuum": 20.0}
"""nm2, quick and full, and ns between records."""

LONGER = {"brownian": 1.0, "lattice": 1.0, "continuum": 4.0}
"""By this all lengths along the bath, by its square all times: the Debye length changes the junction by 0.04 % in a
bath of 60 nm, which the continuum would see, and by less in a longer one."""

TIMES, WINDOW, PIECES = (300.0, 900.0, 1800.0), (200.0, 1600.0), 25
"""ns of the amounts; span of the potential, in pieces that are independent: it forgets within 1 ns."""

NEAR, FAR, REACH = 6.0, 50.0, 2.0
"""nm from the membrane, between which the potential is read, each as a mean over 2 nm to either side."""


@dataclass
class Salt:
    """What was left of a salt, and the potential across what is left of its gradient."""

    time: np.ndarray
    left: np.ndarray
    """(records,) ions of both kinds beyond those that stay."""
    stays: float
    length: float
    slower: float
    """By this times are longer than those above."""
    potential: np.ndarray
    junction: np.ndarray
    """(profiles,) mV: measured and of theory, per (D+ - D-)/(D+ + D-)."""


def measure(trial: Trial) -> Salt:
    """Let a salt out of a bath into a reservoir with less of it."""
    longer = LONGER[trial.engine]
    slower, interval = longer**2, longer**2 * INTERVAL[trial.engine]
    text = patch(
        "A salt spreads",
        inside={"slow": START, "fast": START},
        outside={"slow": START, "fast": START},
        area=trial.pick(*AREA[trial.engine]),
        length=longer * LENGTH,
        outside_length=10.0,
        duration=slower * 1900.0,
        time_step=TIME_STEP,
        interval=interval,
        geometry='boundary = "bath"\ngrid_spacing = "1 nm"',
        recording=f'events = false\nprofile_interval = "{interval} ns"',
        more=species("slow", 1, CATION)
        + species("fast", -1, ANION)
        + change_of_solution({"slow": END, "fast": END}),
    )
    recording = trial.run(text, "salt")
    ions = 0.5 * (recording["ions_inside.slow"] + recording["ions_inside.fast"])
    profiles = recording.profiles
    x, salt = -profiles.position, 0.5 * profiles.concentration.sum(axis=1)
    nodes, phi = -profiles.node_position, profiles.potential

    def mean_at(distances: np.ndarray, values: np.ndarray, place: float) -> np.ndarray:
        there = np.abs(distances - longer * place) <= longer * REACH
        mean: np.ndarray = values[:, there].mean(axis=1)
        return mean

    # The potential goes with the logarithm, of which it is a mean as well.
    near, far = (np.exp(mean_at(x, np.log(salt), place)) for place in (NEAR, FAR))
    potential = mean_at(nodes, phi, NEAR) - mean_at(nodes, phi, FAR)
    junction = theory.liquid_junction_potential(1.0, 0.0, near, far, BODY_TEMPERATURE)
    # Not by what was there at first: a voxel of the reservoir holds the new solution from the start.
    volume = longer * LENGTH * trial.pick(*AREA[trial.engine])
    stays = END * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR * volume
    return Salt(
        recording.time,
        ions - stays,
        stays,
        longer * acting_distance(trial.engine),
        slower,
        potential,
        np.asarray(junction),
    )


def acting_distance(engine: str) -> float:
    """Return where the open far end acts, nm: for single ions as far out as the mean of both ions' says.

    An ion that flows as J has the concentration J l/D at the end, with l of `acting_length` for its own D.
    """
    outward = [
        (acting_length(engine, LENGTH, coefficient, TIME_STEP) - LENGTH) / coefficient
        for coefficient in (CATION, ANION)
    ]
    return LENGTH + float(theory.nernst_hartley(CATION, ANION)) * float(np.mean(outward))


def compare(salt: Salt, coefficient: float | None = None, sign: float = 1.0) -> list[Check]:
    """Compare what is left at one time of what was left at another, and the potential with Planck's.

    Ions of both signs come and go together: their number varies half as much as that of free ones.
    """
    coefficient = float(theory.nernst_hartley(CATION, ANION)) if coefficient is None else coefficient
    checks = []
    for start, end in pairwise(TIMES):
        before, after = (
            salt.left[np.argmin(np.abs(salt.time - salt.slower * time))] for time in (start, end)
        )
        shares = theory.first_passage_survival(salt.slower * np.array([start, end]), coefficient, salt.length)
        share = float(shares[1] / shares[0])
        error = np.sqrt(0.5 * (before * share * (1.0 - share) + 2.0 * salt.stays * (1.0 - share))) / before
        checks.append(
            Check(
                f"left after {salt.slower * end:g} of that after {salt.slower * start:g} ns",
                float(after / before),
                float(error),
                share,
            )
        )
    transference = sign * (CATION - ANION) / (CATION + ANION)
    first, last = np.searchsorted(salt.time[1:], salt.slower * np.array(WINDOW))
    difference = (salt.potential - transference * salt.junction)[first:last]
    pieces = difference[: len(difference) // PIECES * PIECES].reshape(PIECES, -1).mean(axis=1)
    expected = float(transference * salt.junction[first:last].mean())
    return [*checks, check_mean("junction potential", pieces + expected, expected, "mV")]


def draw(salt: Salt) -> Picture:
    """Draw what is left over time, for the common coefficient and for each ion alone."""
    time = np.linspace(0.0, salt.time[-1], 100)
    lines = [
        Line(label, time, theory.first_passage_survival(time, coefficient, salt.length))
        for label, coefficient in (
            ("Nernst & Hartley", float(theory.nernst_hartley(CATION, ANION))),
            ("the slow ion alone", CATION),
            ("the fast ion alone", ANION),
        )
    ]
    shown = slice(None, None, max(1, len(salt.time) // 100))
    share = salt.left / salt.left[0]
    error = np.sqrt(0.5 * np.maximum(share * (1.0 - share), 0.0) / salt.left[0])
    return Picture(
        "time (ns)",
        "share of the excess that is left",
        tuple(lines),
        (Points("measured", salt.time[shown], share[shown], error[shown]),),
    )


LAW = Law(
    name="salt-diffusion",
    claim="The field ties the ions of a salt together: one diffusion coefficient, and a junction potential.",
    formula="D = 2 D₊D₋/(D₊ + D₋);  Δφ = (D₊ − D₋)/(D₊ + D₋) (kT/e) ln(c₂/c₁)",
    references=("Nernst (1888), Z. phys. Chem. 2:613", "Planck (1890), Ann. Phys. 276:561"),
    engines=("brownian", "lattice", "continuum"),
    orders={"continuum": 2.0},
    measure=measure,
    compare=compare,
    twins={
        "the mean of both coefficients": lambda salt: compare(salt, 0.5 * (CATION + ANION)),
        "the slow ion by itself": lambda salt: compare(salt, CATION),
        "the wrong sign of the junction": lambda salt: compare(salt, sign=-1.0),
    },
    draw=draw,
    remark=(
        "Compared is what is left at one time of what was left at another. At the very start, when the solution at "
        "the far end changes at once, the faster ion runs ahead until its charge holds it back: the salt loses what "
        "is in about a tenth of a nanometre more than a salt that is neutral everywhere. Within a nanometre of the "
        "end, a Debye length, it is not neutral later either, and the potential is read away from there. The "
        "continuum has a bath of 240 nm."
    ),
)
