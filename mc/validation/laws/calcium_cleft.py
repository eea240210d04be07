"""Calcium in a cleft: what a channel lets in and pumps beside it take out falls off as along a leaky cable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mc import theory
from mc.constants import SENSING_REACH
from mc.validation.calcium import calcium_patch, make_sink
from mc.validation.law import Check, Law, Line, Picture, Points, Trial, check_mean

THICKNESS, WIDTH = 5.0, 100.0
"""nm: of the cleft, which pumps of single ions sense as a whole, and along the membrane."""

DEPTH = {"brownian": 150.0, "lattice": 400.0, "continuum": 400.0}
SPACING = {"brownian": (1.0, 1.5625), "lattice": (1.25, 1.5625), "continuum": (2.5, 6.25)}
TIME_STEP = {"brownian": 0.5, "lattice": 0.5, "continuum": 200.0}
"""nm of the line, nm across and along the membrane, and ns."""

PERMEABILITY, POTENTIAL = 0.025, -85.0
"""nm3/ns of the channel for each nm of its line; mV."""

UPTAKE, PUMPS, HALF_SATURATION = 0.036, 640, 1e4
"""nm/ns; pumps, and mM: they take in proportion to what there is, 0.4 % less at the mouth, within 12 nm of it."""

SETTLING = {"brownian": 1000.0, "lattice": 1000.0, "continuum": 1600.0}
INTERVAL = {"brownian": 10.0, "lattice": 10.0, "continuum": 200.0}
BLOCK = 400.0
"""ns from map to map, and of the parts of a run, which are independent: the cleft is emptied in 140 ns."""

RANGES = ((5.0, 10.0), (10.0, 17.5), (17.5, 30.0), (30.0, 50.0))
"""nm from the mouth along the membrane; closer to it the width of a column matters."""


@dataclass
class Cleft:
    """What calcium did in it, part by part of the run."""

    engine: str
    along: np.ndarray
    """(columns,) from the mouth, nm."""
    coefficient: float
    """nm2/ns."""
    current: np.ndarray
    """(blocks,) net ions in per ns."""
    concentration: np.ndarray
    """(blocks, columns) mean over the thickness, mM."""

    def expected(self, uptake: float = 1.0, speed: float = 1.0) -> np.ndarray:
        """Return what one ion per ns leaves in the columns, (columns,) mM, also for another uptake or speed."""
        spacing = float(self.along[1] - self.along[0])
        taken, reach = uptake * UPTAKE, None
        if self.engine == "brownian":
            # Their pumps sense whole cells, so many each way and that of their own.
            reach = (int(SENSING_REACH / spacing) + 0.5) * spacing
        if self.engine == "lattice":
            taken *= 1.0 + taken * self.unfelt(speed)
        # Columns hold means over their width, by Simpson's rule; the mouth is a corner, at the end of one or halfway.
        values = [
            theory.cleft_source_excess(
                self.along + shift * spacing,
                1.0,
                speed * self.coefficient,
                DEPTH[self.engine],
                THICKNESS,
                WIDTH,
                taken,
                reach,
            )
            for shift in (-0.5, -0.25, 0.0, 0.25, 0.5)
        ]
        mean = np.asarray(np.tensordot([1.0, 4.0, 2.0, 4.0, 1.0], values, axes=1) / 12.0)
        # Single ions are looked at just after the pumps have taken what is due in a step.
        return mean * (1.0 - taken * TIME_STEP["brownian"] / THICKNESS) if self.engine == "brownian" else mean

    def unfelt(self, speed: float) -> float:
        """Return how much more there is at the membrane of the lattice when its pumps act, ns/nm for a flux of one.

        What they take in a step they feel from the next one on: by the waves across the cleft, of rates
        m_k = (2 D/h^2)(1 - cos(pi k/N)), but for the mean, it is (2/l) sum (1 - exp(-m_k dt))/m_k, half of the last.
        """
        spacing = SPACING["lattice"][0]
        n = round(THICKNESS / spacing)
        rates = 1.0 - np.cos(np.pi * np.arange(1, n + 1) / n)
        rates *= 2.0 * speed * self.coefficient / spacing**2
        parts = -np.expm1(-rates * TIME_STEP["lattice"]) / rates
        return float((2.0 * parts.sum() - parts[-1]) / THICKNESS)


def measure(trial: Trial) -> Cleft:
    """Let a channel fill a cleft that pumps empty, back to where it comes from."""
    engine = trial.engine
    depth, settling = DEPTH[engine], SETTLING[engine]
    watched = BLOCK * (2.0 if engine == "continuum" else trial.pick(15.0, 75.0))
    text = calcium_patch(
        "A cleft",
        width=WIDTH,
        depth=depth,
        length=THICKNESS,
        spacing=SPACING[engine],
        duration=settling + watched,
        time_step=TIME_STEP[engine],
        interval=INTERVAL[engine],
        permeability=PERMEABILITY * depth,
        sink=make_sink(UPTAKE, WIDTH * depth, PUMPS, HALF_SATURATION),
    )
    recording = trial.run(text, "cleft", clamped_potential=POTENTIAL)
    maps, names = recording.maps, recording.species_names
    calcium = recording.species[names.index("Ca")]
    inside = recording.profiles.position < 0.0
    widths = recording.profiles.cell_width[inside]
    concentration = np.einsum(
        "tyx,x->ty", maps.concentration[:, names.index("Ca")][:, inside].swapaxes(1, 2), widths
    )
    net = recording["crossings_inward.channel.Ca"] - recording["crossings_outward.channel.Ca"]
    n_blocks = round(watched / BLOCK)
    ends = np.interp(settling + BLOCK * np.arange(n_blocks + 1), recording.time, net)
    kept = concentration[maps.time > settling] / widths.sum()
    # Elsewhere than with single ions the channel acts on the whole of its column.
    mouth = WIDTH / 2.0 if engine == "brownian" else maps.y[np.searchsorted(maps.y, WIDTH / 2.0)]
    return Cleft(
        engine,
        maps.y - mouth,
        calcium.diffusion_coefficient,
        np.diff(ends) / BLOCK,
        kept.reshape(n_blocks, -1, maps.y.size).mean(axis=1),
    )


def compare(cleft: Cleft, uptake: float = 1.0, speed: float = 1.0) -> list[Check]:
    """Compare means over ranges along the membrane, driven by the crossings that were counted."""
    expected = cleft.expected(uptake, speed)
    distance = np.abs(cleft.along - WIDTH * np.round(cleft.along / WIDTH))
    checks = []
    for nearest, farthest in RANGES:
        there = (distance >= nearest) & (distance < farthest)
        by_current = float(expected[there].mean())
        mean = by_current * float(cleft.current.mean())
        blocks = cleft.concentration[:, there].mean(axis=1) - by_current * cleft.current
        checks.append(check_mean(f"{nearest:g} to {farthest:g} nm", blocks + mean, mean, "mM"))
    return checks


def draw(cleft: Cleft) -> Picture:
    """Draw the profile along the membrane."""
    order = np.argsort(cleft.along)
    along, current = cleft.along[order], float(cleft.current.mean())
    n_blocks = len(cleft.current)
    return Picture(
        "along the membrane, from the mouth (nm)",
        "calcium in the cleft (mM)",
        (
            Line("theory", along, current * cleft.expected()[order]),
            Line("half of the uptake", along, current * cleft.expected(uptake=0.5)[order]),
        ),
        (
            Points(
                "measured",
                along,
                cleft.concentration.mean(axis=0)[order],
                cleft.concentration.std(axis=0, ddof=1)[order] / np.sqrt(n_blocks),
            ),
        ),
        y_scale="log",
    )


LAW = Law(
    name="calcium-cleft",
    claim="Where pumps take up what a channel lets into a cleft, calcium falls off as along a leaky cable.",
    formula="c = (Jλ/2DHℓ) cosh((W/2 − |y|)/λ)/sinh(W/2λ),  λ² = Dℓ/v;  far away exp(−|y|/λ)",
    references=("Carslaw & Jaeger (1959), Conduction of Heat in Solids, section 4.5",),
    engines=("brownian", "lattice", "continuum"),
    orders={"continuum": 2.0},
    measure=measure,
    compare=compare,
    twins={
        "half of the uptake": lambda cleft: compare(cleft, uptake=0.5),
        "ions at half the speed": lambda cleft: compare(cleft, speed=0.5),
    },
    draw=draw,
    remark=(
        "The sink is a membrane full of pumps far from saturation, and the prediction is driven by the crossings "
        "that were counted. With one axis along the membrane a thin cleft has the exponential of a cable; Bessel's "
        "K0, which a channel in a plane has, takes two. Pumps on the lattice and in the continuum take in proportion "
        "to what is at the membrane, those of single ions to what is within 5 nm of them, the whole of the cleft "
        "across and 11 nm of it along: both are in the prediction, to which they make 2 to 5 %. So are steps: on the "
        "lattice pumps feel what they take from the next step on, 2 % of it."
    ),
)
