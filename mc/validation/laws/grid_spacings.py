"""How what a grid leaves of an error falls with its spacing: by its square, on the lattice and in the continuum."""

from __future__ import annotations

import math

import numpy as np

from mc import theory
from mc.validation.law import Law, Trial
from mc.validation.scenarios import change_of_solution, patch, species
from mc.validation.trends import Trend, compare, draw, first_order, of_halvings, without_error

# --- the lattice: ions leave a bath of few voxels ---

BATH, DIFFUSION_COEFFICIENT, VOXELS = 20.0, 2.5, (10.0, 5.0, 2.5)
"""nm, nm2/ns and nm."""

LEAVING, RECORD = 600.0, 0.5
"""ns: exp(-9) of the ions are left at the end."""


def measure_passage(trial: Trial) -> Trend:
    """Let a tracer out of a bath, and see by how much sooner than by the diffusion equation it is out on average.

    From voxels of size h, with nodes at the membrane and at the open end, an ion at x is out after (L^2 - x^2)/(2 D)
    as by the equation; the mean over the voxels is that of the trapezoidal rule, h^2/(12 D) less than L^2/(3 D).
    """
    found, errors = [], []
    for spacing in VOXELS:
        text = patch(
            f"An open end and voxels of {spacing:g} nm",
            inside={"tracer": 50.0, "Cl": 50.0},
            outside={"K": 1.0, "Cl": 1.0},
            area=trial.pick(4e6, 4e7),
            length=BATH,
            duration=LEAVING,
            time_step=RECORD,
            interval=RECORD,
            geometry=f'boundary = "bath"\ngrid_spacing = "{spacing} nm"',
            more=species("tracer", 1, DIFFUSION_COEFFICIENT) + change_of_solution({"tracer": 0.0, "K": 50.0}),
        )
        recording = trial.run(text, f"{spacing:g}nm", clamped_potential=0.0)
        time, share = recording.time, recording["ions_inside.tracer"] / recording["ions_inside.tracer"][0]
        # The last voxel, half as large, is the reservoir's: what was in it is gone at once.
        share[0] -= 0.5 * spacing / BATH
        by_equation = theory.first_passage_survival(time, DIFFUSION_COEFFICIENT, BATH)
        found.append(float(np.trapezoid(by_equation - share, time)))
        # The variance of first passages of ions that are everywhere alike is 7 L^4/(45 D^2).
        spread = math.sqrt(7.0 / 45.0) * BATH**2 / DIFFUSION_COEFFICIENT
        errors.append(spread / math.sqrt(recording["ions_inside.tracer"][0]))
    spacings = np.array(VOXELS)
    return Trend(
        spacings,
        np.array(found),
        np.array(errors),
        np.full(len(spacings), math.inf),
        spacings**2 / (12.0 * DIFFUSION_COEFFICIENT),
        0.0,
        2.0,
        "ions are out sooner",
        "ns",
        "spacing of the grid",
        "nm",
    )


# --- the continuum: the diffuse layers of a charged membrane ---

SALT, COMMAND, LAYERS, CELLS = 150.0, 200.0, 10.0, (0.5, 0.25, 0.125, 0.0625)
"""mM, mV, nm of a bath and nm."""


def measure_layers(trial: Trial) -> Trend:
    """Charge a membrane, and read the potential of its diffuse layers, on grids each twice as fine as the last."""
    solution = {"K": SALT, "Cl": SALT}
    drops = []
    for spacing in CELLS:
        text = patch(
            f"Diffuse layers and cells of {spacing:g} nm",
            inside=solution,
            outside=solution,
            area=5000.0,
            length=LAYERS,
            duration=400.0,
            time_step=100.0,
            interval=100.0,
            geometry=f'boundary = "bath"\ngrid_spacing = "{spacing} nm"',
            recording='events = false\nprofile_interval = "400 ns"',
            more=f'[[protocol.voltage]]\nstart = "0 ns"\npotential = "{COMMAND} mV"\n',
        )
        recording = trial.run(text, f"{spacing:g}nm")
        # From end to end, less the slab: electrodes would take a mean over cells that differ from grid to grid.
        potential = recording.profiles.potential[-1]
        drops.append(float(potential[0] - potential[-1] - recording["charge_separation_potential"][-1]))
    return of_halvings(
        CELLS,
        drops,
        2.0,
        "change by half the spacing",
        "mV",
        length="spacing of the grid",
        length_unit="nm",
    )


def measure(trial: Trial) -> Trend:
    """Measure what shows the error of a grid, on each engine something else."""
    return measure_passage(trial) if trial.engine == "lattice" else measure_layers(trial)


LAW = Law(
    name="grid-spacings",
    claim="What the spacing of a grid changes disappears with its square.",
    formula="lattice: mean first passage L²/3D − h²/12D;  continuum: error of the diffuse layers ∝ h²",
    references=(
        "Scharfetter & Gummel (1969), IEEE Trans. Electron Devices 16:64",
        "Redner (2001), A Guide to First-Passage Processes, section 1.6",
    ),
    engines=("lattice", "continuum"),
    not_on={
        "brownian": "single ions have places, and no grid but that of their field, whose error, of the power 2.00 "
        "(docs/methods.md), is beneath the noise of a run"
    },
    measure=measure,
    compare=compare,
    twins={
        "a method of first order": first_order,
        "no error, or one of third order": lambda trend: without_error(trend, 3.0),
    },
    draw=draw,
    remark=(
        "The continuum's order is that of the last two halvings, known to their difference; with cells of a Debye "
        "length it is not yet the second."
    ),
)
