"""Access: a pore more permeable than the way to it passes what the baths let through to its mouths."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mc import theory
from mc.validation.law import Check, Law, Line, Picture, Points, Trial, check_mean
from mc.validation.scenarios import acting_length, lost_entries, patch, species

MOUTH_WIDTH, MOUTH_DEPTH, LENGTH, WIDTH, DEPTH, THICKNESS = 4.0, 1.6, 12.0, 30.0, 20.0, 4.0
"""nm; numbers are those of this depth."""

DIFFUSION_COEFFICIENT, CONCENTRATION, BLOCKS = 2.0, 300.0, 16
"""nm2/ns and mM."""

SETTLING = {"brownian": 100.0, "lattice": 100.0, "continuum": 300.0}
"""ns: gradients settle within 30 ns, and in the continuum all digits count."""

CASES = {0.6: (0.2, 6400.0), 6.0: (0.02, 800.0), 20.0: (0.01, 800.0)}
"""nm3/ns of the pore; by it the step of single ions, and how long they are counted, in ns."""

CELLS = {"brownian": (1.5, 7.5), "lattice": (1.5, 3.75), "continuum": (1.5, 3.75)}
"""nm across and along the membrane; single ions do not depend on them here."""

DEEPER = {"brownian": 1.0, "lattice": 10.0, "continuum": 1.0}
"""By this the patch is deeper, and the pore more permeable."""

VOXEL_STEP, VOXEL_COUNTED = 0.25, 1600.0
"""ns."""


@dataclass
class Pore:
    """What went through one pore."""

    engine: str
    permeability: float
    time_step: float
    """nm3/ns, and ns: none in the continuum."""
    currents: np.ndarray
    """(blocks,) tracers per ns and per their density in 1/nm3, nm3/ns."""

    def conductance(self, sides: float = 2.0) -> float:
        """Return that of the pore in series with the way to its mouths on so many sides, nm3/ns.

        The mouth of single ions is a strip. Ions that come back stir it. One that comes out does not enter again in
        the same step, which takes some off the permeability. Elsewhere it is a column of cells.
        """
        if self.engine != "brownian":
            access = theory.column_access_resistance(
                *CELLS[self.engine], DIFFUSION_COEFFICIENT, DEPTH, LENGTH, WIDTH, self.time_step
            )
            return float(1.0 / (1.0 / self.permeability + sides * access))
        velocity = self.permeability * THICKNESS / (MOUTH_WIDTH * DEPTH * MOUTH_DEPTH)
        through = 2.0 * MOUTH_DEPTH / THICKNESS
        lost = (1.0 - through) * lost_entries(velocity, DIFFUSION_COEFFICIENT, self.time_step)
        length = acting_length("brownian", LENGTH, DIFFUSION_COEFFICIENT, self.time_step)
        access = theory.strip_access_resistance(
            MOUTH_WIDTH, DIFFUSION_COEFFICIENT, DEPTH, length, WIDTH, mouth="uniform flux"
        )
        stirred = 1.5 - theory.stirred_mouth(velocity * MOUTH_WIDTH / DIFFUSION_COEFFICIENT)
        access -= stirred / (np.pi * DIFFUSION_COEFFICIENT * DEPTH)
        return float(1.0 / ((1.0 + lost) / self.permeability + sides * access))


def measure(trial: Trial) -> list[Pore]:
    """Let two tracers through one pore against each other, at 0 mV and between baths that are held."""
    return [measure_pore(trial, permeability) for permeability in CASES]


def measure_pore(trial: Trial, permeability: float) -> Pore:
    """Count what goes through one pore, in parts of the run that are independent."""
    engine = trial.engine
    if engine == "brownian":
        time_step, counted = CASES[permeability]
    else:
        time_step, counted = (VOXEL_STEP if engine == "lattice" else 0.0), VOXEL_COUNTED
    normal, along = CELLS[engine]
    depth, through = DEEPER[engine] * DEPTH, DEEPER[engine] * permeability
    interval = counted / BLOCKS
    # Whole intervals, so that every current is one over the same time.
    settling = interval * math.ceil(SETTLING[engine] / interval)
    duration = settling + counted * (1.0 if engine == "continuum" else trial.pick(1.0, 4.0))
    text = patch(
        f"Access to a pore of {through:g} nm^3/ns",
        inside={"outgoing": CONCENTRATION, "tetravalent": CONCENTRATION / 4.0 - 0.01},
        outside={"incoming": CONCENTRATION, "tetravalent": CONCENTRATION / 4.0 - 0.01},
        area=WIDTH * depth,
        length=LENGTH,
        duration=duration,
        time_step=time_step or interval,
        interval=interval,
        geometry=(
            f'dimensions = 2\nwidth = "{WIDTH} nm"\ndepth = "{depth} nm"\nboundary = "bath"\n'
            f'grid_spacing = "{normal} nm"\ngrid_spacing_y = "{along} nm"'
        ),
        recording=f'events = false\nprofile_interval = "{duration:.12g} ns"',
        more=species("outgoing", 1, DIFFUSION_COEFFICIENT)
        + species("incoming", 1, DIFFUSION_COEFFICIENT)
        + species("tetravalent", -4, 0.1)
        + f"""
[[channels]]
name = "pore"
count = 1
permeability = {{ outgoing = "{through} nm^3/ns", incoming = "{through} nm^3/ns" }}
pore = {{ diffusion_coefficient = "10 nm^2/ns", mouth_width = "{MOUTH_WIDTH} nm", mouth_depth = "{MOUTH_DEPTH} nm" }}
placement = ["{WIDTH / 2.0} nm"]
""",
    ).replace(f'area = "{WIDTH * depth:.12g} nm^2"\n', "")
    recording = trial.run(text, f"{permeability:g}", clamped_potential=0.0)
    net = sum(
        sign * (recording[f"crossings_outward.pore.{ion}"] - recording[f"crossings_inward.pore.{ion}"])
        for ion, sign in (("outgoing", 1.0), ("incoming", -1.0))
    )
    first = int(np.searchsorted(recording.time, settling - 0.5 * time_step))
    density = float(theory.species.number_density(CONCENTRATION))
    currents = np.diff(np.asarray(net)[first:]) / interval / (2.0 * density) / DEEPER[engine]
    return Pore(engine, permeability, time_step, currents.reshape(BLOCKS, -1).mean(axis=1))


def compare(pores: list[Pore], sides: float = 2.0) -> list[Check]:
    """Compare the current of each pore."""
    return [
        check_mean(f"current of {one.permeability:g} nm³/ns", one.currents, one.conductance(sides), "nm³/ns")
        for one in pores
    ]


def draw(pores: list[Pore]) -> Picture:
    """Draw the current over the permeability."""
    permeability = np.geomspace(0.3, 120.0, 60)
    engine = pores[0].engine
    expected = np.array([Pore(engine, float(one), 0.0, np.empty(0)).conductance() for one in permeability])
    return Picture(
        "permeability of the pore (nm³/ns)",
        "current over density difference (nm³/ns)",
        (
            Line("with the way to both mouths", permeability, expected),
            Line("the pore alone", permeability, permeability),
        ),
        (
            Points(
                "measured",
                np.array([one.permeability for one in pores]),
                np.array([one.currents.mean() for one in pores]),
                np.array([one.currents.std(ddof=1) / np.sqrt(len(one.currents)) for one in pores]),
            ),
        ),
        x_scale="log",
        y_scale="log",
    )


LAW = Law(
    name="access-resistance",
    claim="A pore is in series with the way to its mouths, and a very permeable one passes what that lets through.",
    formula="1/P = 1/p + 2R,  R = [ln(4L/πw) + 3/2 + 2 Σ_j ln coth(πjW/4L)]/(πDH)",
    references=(
        "Hall (1975), J. Gen. Physiol. 66:531",
        "Ransford (1995), Potential Theory in the Complex Plane, table 5.1",
    ),
    engines=("brownian", "lattice", "continuum"),
    solved_on=("continuum",),
    measure=measure,
    compare=compare,
    twins={
        "no way to the mouths": lambda pores: compare(pores, sides=0.0),
        "a way to one mouth only": lambda pores: compare(pores, sides=1.0),
    },
    draw=draw,
    remark=(
        "Ions come out anywhere in a mouth alike, so that its flux is even but for those that come back and stir it, "
        "which the prediction has. An ion that comes out does not enter again in the same step: 0.7 % of the "
        "permeability of the widest pore is lost by that and is in the prediction as well. On the "
        "lattice and in the continuum a mouth is as wide as the column of cells that its channel is in, whatever the "
        "scenario says: the prediction is the sum over the waves of those columns, in the place of the logarithm. It "
        "resists as a strip of 0.89 of the width of columns of square cells, of 0.63 where cells are ever flatter."
    ),
)
