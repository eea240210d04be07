"""How what a step leaves of an error falls with its length: each engine by the order that its method has."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.linalg import expm, solve_discrete_lyapunov
from scipy.optimize import brentq

from mc import theory
from mc.constants import (
    IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR,
    VACUUM_PERMITTIVITY,
    water_permittivity,
)
from mc.engines.continuum import rosenbrock
from mc.engines.continuum.engine import ContinuumEngine
from mc.engines.continuum.equations import NO_DRIVE
from mc.scenario.reading import read_scenario
from mc.validation.law import Law, Trial, variance_degrees_of_freedom
from mc.validation.scenarios import (
    BODY_TEMPERATURE,
    MILNE,
    change_of_solution,
    channel,
    patch,
    species,
)
from mc.validation.trends import Trend, compare, draw, first_order, of_halvings, without_error

# --- single ions: an open end takes them only when a step is over ---

BATH, DIFFUSION_COEFFICIENT, STEPS_OF_ENDS = 20.0, 2.5, (1.0, 0.25, 0.125)
"""nm, nm2/ns and ns."""


def measure_ends(trial: Trial) -> Trend:
    """Let a tracer out of a bath in steps of several lengths, and see how far out its end acts.

    As far as makes the mean first passage what it is: 0.516 standard deviations of a step beyond its place.
    """
    found, errors = [], []
    for time_step in STEPS_OF_ENDS:
        text = patch(
            f"An open end in steps of {time_step:g} ns",
            inside={"tracer": 50.0, "Cl": 50.0},
            outside={"K": 1.0, "Cl": 1.0},
            area=trial.pick(100_000.0, 400_000.0),
            length=BATH,
            outside_length=5.0,
            duration=500.0,
            time_step=time_step,
            interval=1.0,
            geometry='boundary = "bath"\ngrid_spacing = "1 nm"',
            more=species("tracer", 1, DIFFUSION_COEFFICIENT) + change_of_solution({"tracer": 0.0, "K": 50.0}),
        )
        recording = trial.run(text, f"{time_step:g}ns", clamped_potential=0.0)
        ions, time = recording["ions_inside.tracer"], recording.time
        passage = float(np.trapezoid(ions / ions[0], time))

        def expected_passage(length: float, time: np.ndarray = time) -> float:
            share = theory.first_passage_survival(time, DIFFUSION_COEFFICIENT, length, BATH / length)
            return float(np.trapezoid(share, time))

        length = find_root(expected_passage, passage, BATH, 1.5 * BATH)
        slope = (expected_passage(length + 0.01) - expected_passage(length - 0.01)) / 0.02
        # The variance of first passages of uniform ions is 7 L^4/(45 D^2).
        errors.append(math.sqrt(7.0 / 45.0 / ions[0]) * length**2 / DIFFUSION_COEFFICIENT / slope)
        found.append(length - BATH)
    lengths = np.array(STEPS_OF_ENDS)
    return Trend(
        lengths,
        np.array(found),
        np.array(errors),
        np.full(len(lengths), math.inf),
        MILNE * np.sqrt(2.0 * DIFFUSION_COEFFICIENT * lengths),
        0.0,
        0.5,
        "end acts farther out",
        "nm",
    )


def find_root(function: Callable[[float], float], value: float, low: float, high: float) -> float:
    """Return where a function has a value."""
    return float(brentq(lambda x: function(x) - value, low, high))


# --- the lattice: the electrical noise of the baths ---

VOXEL, VOXELS, LATTICE_AREA, SALT, ION_DIFFUSION = 5.0, 10, 1e5, 100.0, 2.0
"""nm, voxels of a bath, nm2, mM and nm2/ns: both ions are alike, so that charge and salt go their own ways."""

RELAXATIONS, TIP = (4.0, 2.0, 1.0, 0.5), 8
"""Steps in dielectric relaxation times; the node of the electrodes."""


def measure_bath_noise(trial: Trial) -> Trend:
    """Watch the potential between electrodes in both baths, across a membrane that nothing crosses."""
    solution = {"cation": SALT, "anion": SALT}
    relaxation_time = float(
        theory.dielectric_relaxation_time([SALT, SALT], [1, -1], [ION_DIFFUSION] * 2, BODY_TEMPERATURE)
    )
    n_steps = trial.pick(4000, 40_000)
    lengths = np.array(RELAXATIONS) * relaxation_time
    measured, expected, degrees = [], [], []
    for time_step in lengths:
        text = patch(
            f"Electrical noise in steps of {time_step:.3g} ns",
            inside=solution,
            outside=solution,
            area=LATTICE_AREA,
            length=VOXEL * VOXELS,
            duration=n_steps * time_step,
            time_step=time_step,
            interval=time_step,
            geometry=f'grid_spacing = "{VOXEL} nm"',
            recording=f'events = false\nprofile_interval = "{n_steps * time_step:.12g} ns"',
            more=species("cation", 1, ION_DIFFUSION)
            + species("anion", -1, ION_DIFFUSION)
            + f'[[electrodes]]\nname = "tips"\ninside = "{TIP * VOXEL} nm"\noutside = "{TIP * VOXEL} nm"\n',
        )
        recording = trial.run(text, f"{time_step / relaxation_time:g}tau")
        potential = recording["electrode.tips"][100:]
        variance, correlation = bath_noise(time_step, time_step / relaxation_time)
        measured.append(float(np.mean(potential**2)))
        expected.append(variance)
        degrees.append(variance_degrees_of_freedom(correlation, len(potential)))
    exact = bath_noise(1e-4 * relaxation_time, 1e-4)[0]
    return Trend(
        lengths,
        np.array(measured),
        np.array(expected) * np.sqrt(2.0 / np.array(degrees)),
        np.array(degrees),
        np.array(expected),
        exact,
        1.0,
        "variance between the electrodes",
        "mV²",
    )


def bath_noise(time_step: float, relaxations: float) -> tuple[float, np.ndarray]:
    """Return the variance in mV2 that the method gives the potential between the tips, and its correlation.

    In a step the charges of the voxels diffuse by the kernel G, which keeps the covariance V of independent ions, and
    the drift in the semi-implicit field leaves 1/(1 + a) of them, a = dt/tau: C = (G C G' + V - G V G')/(1 + a)^2.
    For long waves this is 2/(2 + a) of kT/C.
    """
    n = VOXELS + 1
    widths = np.full(n, VOXEL)
    widths[[0, -1]] /= 2.0
    rates = np.zeros((n, n))
    for i in range(n - 1):
        for source, target in ((i, i + 1), (i + 1, i)):
            rates[target, source] += ION_DIFFUSION / (VOXEL * widths[source])
            rates[source, source] -= ION_DIFFUSION / (VOXEL * widths[source])
    kernel = expm(time_step * rates)
    share = widths / widths.sum()
    n_ions = SALT * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR * LATTICE_AREA * VOXEL * VOXELS
    independent = 2.0 * n_ions * (np.diag(share) - np.outer(share, share))
    left = 1.0 / (1.0 + relaxations)
    made = left**2 * (independent - kernel @ independent @ kernel.T)
    covariance = solve_discrete_lyapunov(left * kernel, made)
    permittivity = VACUUM_PERMITTIVITY * water_permittivity(BODY_TEMPERATURE)
    weights = -VOXEL / (permittivity * LATTICE_AREA) * np.maximum(TIP - np.arange(n), 0.0)
    variances, moved = [], covariance
    for _ in range(60):
        variances.append(float(weights @ moved @ weights))
        moved = left * kernel @ moved
    return 2.0 * variances[0], np.array(variances[1:]) / variances[0]


# --- the continuum: a membrane that charges itself ---

WARM_UP, DURATION, EVEN_STEPS = 20.0, 400.0, (50.0, 25.0, 12.5, 6.25)
"""ns."""


def measure_charging(trial: Trial) -> Trend:
    """Charge a membrane from 0 mV by three leaks, in steps of one length whatever their error."""
    text = patch(
        "Charging in even steps",
        inside={"K": 140.0, "Na": 12.0, "Cl": 8.0},
        outside={"K": 5.0, "Na": 145.0, "Cl": 115.0},
        area=1e4,
        length=15.0,
        duration=DURATION,
        time_step=DURATION,
        interval=DURATION,
        more="".join(
            channel(f"{ion} leak", 10, {ion: permeability / 10.0})
            for ion, permeability in {"K": 2.0, "Na": 0.1, "Cl": 0.6}.items()
        ),
    )
    trial.folder.mkdir(parents=True, exist_ok=True)
    path = trial.folder / "scenario.toml"
    path.write_text(text, encoding="utf-8")
    engine = ContinuumEngine(read_scenario(path, {"simulation.engine": "continuum"}), 1, DURATION)
    begin = step_evenly(engine, engine.state.stores.copy(), WARM_UP, 400)
    potentials = []
    for length in EVEN_STEPS:
        stores = step_evenly(engine, begin.copy(), DURATION, round(DURATION / length))
        potential = engine.model.equations.find_potential(stores)
        inner, outer = engine.model.grid.faces[:, 0]
        potentials.append(float(potential[inner] - potential[outer]))
    return of_halvings(EVEN_STEPS, potentials, 3.0, "change by half the step", "mV")


def step_evenly(engine: ContinuumEngine, stores: np.ndarray, duration: float, n_steps: int) -> np.ndarray:
    """Return the stores after steps of one length, whatever their error."""
    equations = engine.model.equations
    length, in_time = duration / n_steps, equations.in_time(NO_DRIVE)

    def derivative(time: float, variables: np.ndarray) -> np.ndarray:
        found: np.ndarray = equations.derivative(NO_DRIVE, time, variables)
        return found

    for i in range(n_steps):
        variables = np.concatenate([stores, equations.find_potential(stores)])
        jacobian = equations.jacobian(NO_DRIVE, variables)
        taken = rosenbrock.step(derivative, jacobian, in_time, equations.mass, i * length, variables, length)
        stores = taken.variables[: stores.size]
    return stores


MEASURES = {"brownian": measure_ends, "lattice": measure_bath_noise, "continuum": measure_charging}


def measure(trial: Trial) -> Trend:
    """Measure what shows the error of a step, on each engine something else."""
    return MEASURES[trial.engine](trial)


LAW = Law(
    name="time-steps",
    claim="What a step's length changes disappears with it, by the order that each engine's method has.",
    formula="single ions: an end 0.516 (2D dt)^(1/2) farther;  lattice: noise 2/(2 + dt/τ);  continuum: error ∝ dt³",
    references=(
        "Kloeden & Platen (1992), Numerical Solution of Stochastic Differential Equations, ch. 14",
        "Ventzek, Hoekstra & Kushner (1994), J. Vac. Sci. Technol. B 12:461",
        "Sandu et al. (1997), Atmos. Environ. 31:3459",
    ),
    engines=("brownian", "lattice", "continuum"),
    measure=measure,
    compare=compare,
    twins={
        "a method of another order": first_order,
        "no error, or one of second order": lambda trend: without_error(trend, 2.0),
    },
    draw=draw,
    remark=(
        "The worst of single ions is of order one half: whatever takes them, an open end here, does so only when a "
        "step is over. On the lattice it is the noise of the baths, of first order; the prediction is that of the "
        "method on these voxels, which 2/(2 + dt/τ) is for long waves. The continuum chooses its steps by their "
        "error; here they are even, and the order is that of the last two halvings, known to their difference."
    ),
)
