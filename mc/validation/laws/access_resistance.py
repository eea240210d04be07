"""Access: a pore more permeable than the way to it passes what the baths let through to its mouths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mc import theory
from mc.validation.law import Check, Law, Line, Picture, Points, Trial, check_mean
from mc.validation.scenarios import acting_length, patch, species

MOUTH_WIDTH, MOUTH_DEPTH, LENGTH, WIDTH, DEPTH, THICKNESS = 4.0, 1.6, 12.0, 30.0, 20.0, 4.0
"""nm."""

DIFFUSION_COEFFICIENT, CONCENTRATION, SETTLING, BLOCKS = 2.0, 300.0, 100.0, 16
"""nm2/ns, mM and ns: gradients settle within 30 ns."""

CASES = {0.6: (0.2, 6400.0), 6.0: (0.02, 800.0), 20.0: (0.01, 800.0)}
"""nm3/ns of the pore; by it the step, and how long is counted, in ns."""


@dataclass
class Pore:
    """What went through one pore."""

    permeability: float
    time_step: float
    currents: np.ndarray
    """(blocks,) tracers per ns and per their density in 1/nm3, nm3/ns."""

    def conductance(self, sides: float = 2.0, mouth: str = "uniform flux") -> float:
        """Return that of the pore in series with the way to its mouths on so many sides, nm3/ns.

        Ions that come back stir the mouth. One that comes out does not enter again in the same step, which takes half
        of kappa sqrt(dt/D) off the permeability.
        """
        velocity = self.permeability * THICKNESS / (MOUTH_WIDTH * DEPTH * MOUTH_DEPTH)
        lost = 0.5 * velocity * np.sqrt(self.time_step / DIFFUSION_COEFFICIENT)
        length = acting_length("brownian", LENGTH, DIFFUSION_COEFFICIENT, self.time_step)
        access = theory.strip_access_resistance(
            MOUTH_WIDTH, DIFFUSION_COEFFICIENT, DEPTH, length, WIDTH, mouth=mouth
        )
        if mouth == "uniform flux":
            stirred = 1.5 - theory.stirred_mouth(velocity * MOUTH_WIDTH / DIFFUSION_COEFFICIENT)
            access -= stirred / (np.pi * DIFFUSION_COEFFICIENT * DEPTH)
        return float(1.0 / ((1.0 + lost) / self.permeability + sides * access))


def measure(trial: Trial) -> list[Pore]:
    """Let two tracers through one pore against each other, at 0 mV and between baths that are held."""
    found = []
    for permeability, (time_step, counted) in CASES.items():
        duration = SETTLING + counted * trial.pick(1.0, 4.0)
        interval = counted / BLOCKS
        text = patch(
            f"Access to a pore of {permeability:g} nm^3/ns",
            inside={"outgoing": CONCENTRATION, "tetravalent": CONCENTRATION / 4.0 - 0.01},
            outside={"incoming": CONCENTRATION, "tetravalent": CONCENTRATION / 4.0 - 0.01},
            area=WIDTH * DEPTH,
            length=LENGTH,
            duration=duration,
            time_step=time_step,
            interval=interval,
            geometry=(
                f'dimensions = 2\nwidth = "{WIDTH} nm"\ndepth = "{DEPTH} nm"\nboundary = "bath"\n'
                'grid_spacing = "1.5 nm"\ngrid_spacing_y = "7.5 nm"'
            ),
            recording=f'events = false\nprofile_interval = "{duration:.12g} ns"',
            more=species("outgoing", 1, DIFFUSION_COEFFICIENT)
            + species("incoming", 1, DIFFUSION_COEFFICIENT)
            + species("tetravalent", -4, 0.1)
            + f"""
[[channels]]
name = "pore"
count = 1
permeability = {{ outgoing = "{permeability} nm^3/ns", incoming = "{permeability} nm^3/ns" }}
pore = {{ diffusion_coefficient = "10 nm^2/ns", mouth_width = "{MOUTH_WIDTH} nm", mouth_depth = "{MOUTH_DEPTH} nm" }}
placement = ["{WIDTH / 2.0} nm"]
""",
        ).replace(f'area = "{WIDTH * DEPTH:.12g} nm^2"\n', "")
        recording = trial.run(text, f"{permeability:g}", clamped_potential=0.0)
        net = sum(
            sign * (recording[f"crossings_outward.pore.{ion}"] - recording[f"crossings_inward.pore.{ion}"])
            for ion, sign in (("outgoing", 1.0), ("incoming", -1.0))
        )
        first = int(np.searchsorted(recording.time, SETTLING))
        density = float(theory.species.number_density(CONCENTRATION))
        currents = np.diff(np.asarray(net)[first:]) / interval / (2.0 * density)
        n_kept = len(currents) // BLOCKS * BLOCKS
        found.append(Pore(permeability, time_step, currents[:n_kept].reshape(BLOCKS, -1).mean(axis=1)))
    return found


def compare(pores: list[Pore], sides: float = 2.0) -> list[Check]:
    """Compare the current of each pore."""
    return [
        check_mean(f"current of {one.permeability:g} nm³/ns", one.currents, one.conductance(sides), "nm³/ns")
        for one in pores
    ]


def draw(pores: list[Pore]) -> Picture:
    """Draw the current over the permeability."""
    permeability = np.geomspace(0.3, 120.0, 60)
    expected = np.array([Pore(float(one), 0.0, np.empty(0)).conductance() for one in permeability])
    return Picture(
        "permeability of the pore (nm³/ns)",
        "current over the difference of densities (nm³/ns)",
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
    engines=("brownian",),
    not_on={
        "lattice": "nothing finer than a voxel is seen, and the way into a mouth is decided within one",
        "continuum": "nothing finer than a column is seen, and the way into a mouth is decided within one",
    },
    measure=measure,
    compare=compare,
    twins={
        "no way to the mouths": lambda pores: compare(pores, sides=0.0),
        "a way to one mouth only": lambda pores: compare(pores, sides=1.0),
    },
    draw=draw,
    remark=(
        "Ions come out anywhere in a mouth alike, so that its flux is even but for those that come back and stir it, "
        "which the prediction has. An ion that comes out does not enter again in the same step: half of κ sqrt(dt/D) "
        "of the permeability, 2.2 % of the widest pore's, is lost by that and is in the prediction as well."
    ),
)
