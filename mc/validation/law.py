"""What a law is: the scenarios that show it, what is measured in them, and what theory says of it."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mc.analysis.statistics import Estimate, standard_score
from mc.recording.recording import Recording

SOLVER_SHARE, SOLVER_POTENTIAL = 1e-4, 2e-3
"""What the steps of the continuum leave: a share of a measured number, and mV of a potential.

A step may err by 1e-5 of what is there and by 1e-3 mV (mc.engines.continuum.stepping), and what decays takes about
ten steps to do so; a potential at rest forgets the errors of all but the last steps.
"""

TWO_GRIDS = 3.0
"""Factor of safety on the error that two grids alone give (Roache 1994, J. Fluids Eng. 116:405)."""

SAMPLES_PER_DEGREE_OF_FREEDOM = 10.0
"""Independent samples of a correlated series for each degree of freedom of its standard error.

The correlation time of a series of n independent samples, summed over a window of five of them, has the relative
variance 20/n (Wolff 2004, Comput. Phys. Commun. 156:143, eq. 42), the standard error a quarter of that. A standard
error of nu degrees of freedom has 1/(2 nu)."""


@dataclass(frozen=True)
class Check:
    """One number beside the one that theory gives for it, both in `unit`."""

    name: str
    measured: float
    standard_error: float
    """Zero for what must be equal to the last ion."""
    expected: float
    unit: str = ""
    degrees_of_freedom: float = math.inf
    """Of the standard error: infinite for one that follows from theory, as that of a count does."""
    own_p_value: float | None = None
    """Of another test than that of the difference in standard errors, such as chi square."""

    def __post_init__(self) -> None:
        for name in ("measured", "standard_error", "expected", "degrees_of_freedom"):
            object.__setattr__(self, name, float(getattr(self, name)))

    @property
    def score(self) -> float:
        """The difference in standard errors."""
        return float(standard_score(self.measured, self.expected, self.standard_error))

    @property
    def p_value(self) -> float:
        """How often chance alone gives a difference as large or larger, two-sided; Student's (1908) t."""
        from scipy.stats import t as student

        if self.own_p_value is not None:
            return self.own_p_value
        if not math.isfinite(self.measured) or math.isnan(self.score):
            return 0.0
        return float(2.0 * student.sf(abs(self.score), self.degrees_of_freedom))


def check_estimate(name: str, estimate: Estimate, expected: float, unit: str = "") -> Check:
    """Return the check of a mean over a correlated series."""
    degrees = max(1.0, estimate.n_effective / SAMPLES_PER_DEGREE_OF_FREEDOM)
    return Check(name, estimate.mean, estimate.standard_error, expected, unit, degrees)


def check_mean(name: str, samples: np.ndarray, expected: float, unit: str = "") -> Check:
    """Return the check of the mean of independent samples, (samples,)."""
    error = float(np.std(samples, ddof=1) / math.sqrt(len(samples)))
    return Check(name, float(np.mean(samples)), error, expected, unit, len(samples) - 1.0)


def check_count(name: str, counted: float, expected: float, unit: str = "") -> Check:
    """Return the check of a Poisson number."""
    return Check(name, float(counted), math.sqrt(expected), float(expected), unit)


def check_share(name: str, n_found: float, n_all: float, probability: float, unit: str = "") -> Check:
    """Return the check of a binomial number, as a share of all."""
    error = math.sqrt(probability * (1.0 - probability) / n_all)
    return Check(name, float(n_found / n_all), error, float(probability), unit)


def check_exact(name: str, measured: float, expected: float, unit: str = "") -> Check:
    """Return the check of what must be equal: no chance is in it."""
    return Check(name, float(measured), 0.0, float(expected), unit)


def check_chi_square(name: str, differences: np.ndarray, errors: np.ndarray) -> Check:
    """Return the check of many independent differences at once: their squares over the variances, added up."""
    from scipy.stats import chi2

    total = float(np.sum((np.asarray(differences) / np.asarray(errors)) ** 2))
    n = int(np.size(differences))
    return Check(name, total, math.sqrt(2.0 * n), float(n), "chi²", own_p_value=float(chi2.sf(total, n)))


def check_variance(
    name: str, variance: float, expected: float, degrees_of_freedom: float, unit: str = ""
) -> Check:
    """Return the check of a variance about a known mean: chi square, two-sided, as its tails are far from normal."""
    from scipy.stats import chi2

    ratio = degrees_of_freedom * variance / expected
    p_value = 2.0 * min(chi2.sf(ratio, degrees_of_freedom), chi2.cdf(ratio, degrees_of_freedom))
    error = expected * math.sqrt(2.0 / degrees_of_freedom)
    return Check(name, float(variance), error, float(expected), unit, own_p_value=float(min(1.0, p_value)))


def check_resolved(check: Check, resolution: float) -> Check:
    """Return a check where nothing is random: it holds within what grid and solver resolve, and not beyond."""
    is_within = abs(check.measured - check.expected) <= resolution
    return replace(check, standard_error=resolution, own_p_value=1.0 if is_within else 0.0)


def check_converged(coarse: Check, fine: Check, order: float) -> Check:
    """Return the check of a number that was computed on two grids, the second twice as fine.

    It holds within what the finer one still lacks: the difference between both, over 2^order - 1, three times over,
    and what the steps leave. Both may be compared with expectations of their own.
    """
    apart = abs((fine.measured - fine.expected) - (coarse.measured - coarse.expected))
    return check_resolved(fine, TWO_GRIDS * apart / (2.0**order - 1.0) + left_by_steps(fine))


def check_solved(check: Check) -> Check:
    """Return the check of a number that a grid has no part in: it holds within what the steps leave."""
    return check_resolved(check, left_by_steps(check))


def left_by_steps(check: Check) -> float:
    """Return by how much the steps of a solver may be off, in the unit of a check."""
    if check.unit == "mV":
        return SOLVER_POTENTIAL
    return SOLVER_SHARE * max(abs(check.measured), abs(check.expected))


def variance_degrees_of_freedom(correlation: np.ndarray, n_samples: int) -> float:
    """Return how many independent squares tell as much as the `n_samples` of a Gaussian series.

    `correlation` (lags,) is that of the series at 1, 2, ... samples, by theory. The variance of a mean square is
    2 (1 + 2 sum of its squares)/n (Isserlis 1918, Biometrika 12:134).
    """
    return float(n_samples / (1.0 + 2.0 * np.sum(np.asarray(correlation) ** 2)))


@dataclass(frozen=True)
class Line:
    """What theory says, over the whole range."""

    label: str
    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Points:
    """What was measured, with standard errors."""

    label: str
    x: np.ndarray
    y: np.ndarray
    error: np.ndarray


@dataclass(frozen=True)
class Picture:
    """A figure of a law: theory as lines, measurements as points with bars of one standard error."""

    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    points: tuple[Points, ...]
    x_scale: str = "linear"
    y_scale: str = "linear"


@dataclass
class Trial:
    """One measurement of a law: on which engine, how long, with which seed and where its runs are kept."""

    engine: str
    full: bool
    seed: int
    folder: Path
    threads: int = 1
    refinement: int = 1
    """By which the grid that a scenario asks for is made finer."""
    n_runs: int = field(default=0, init=False)

    def pick(self, quick: Any, full: Any) -> Any:
        """Return the size for this trial."""
        return full if self.full else quick

    def run(
        self,
        scenario_text: str,
        label: str,
        *,
        clamped_potential: float | None = None,
        engine: str | None = None,
    ) -> Recording:
        """Run a scenario, given as the text of its file, on the engine of the trial and return its recording.

        The file stays beside the recording, in the folder `label`. Every run of a trial has random numbers of its
        own. `clamped_potential`, in mV, holds the field in the slab and takes it out of the baths. `engine`: another
        one than that of the trial, which it is compared with.
        """
        from mc.scenario.reading import read_scenario
        from mc.simulation import simulate

        folder = self.folder / label
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "scenario.toml"
        path.write_text(scenario_text, encoding="utf-8")
        chosen = {"simulation.engine": engine or self.engine}
        scenario = read_scenario(path, chosen)
        if self.refinement != 1:
            geometry = scenario.geometry
            spacings = {"grid_spacing": geometry.grid_spacing, "grid_spacing_y": geometry.grid_spacing_y}
            finer = {
                f"geometry.{name}": f"{size / self.refinement:.12g} nm"
                for name, size in spacings.items()
                if size is not None
            }
            scenario = read_scenario(path, chosen | finer)
        # The same channels on two engines would otherwise do the same.
        key = [self.seed, self.n_runs, zlib.crc32((engine or self.engine).encode())]
        seed = int(np.random.SeedSequence(key).generate_state(1)[0])
        self.n_runs += 1
        return simulate(
            scenario,
            folder,
            seed=seed,
            threads=self.threads,
            overwrite=True,
            clamped_potential=clamped_potential,
        )


@dataclass(frozen=True)
class Law:
    """A macroscopic equation, how it is measured and how it would be wrong.

    `measure` runs scenarios and returns what was observed, anything; `compare` sets it beside theory, and so do
    `twins`, by what is wrong with them: a wrong sign, a wrong valence, a naive rule. Each twin must be rejected, at
    the same bound. How many checks there are must not depend on what was measured.
    """

    name: str
    claim: str
    formula: str
    references: tuple[str, ...]
    engines: tuple[str, ...]
    measure: Callable[[Trial], Any]
    compare: Callable[[Any], list[Check]]
    twins: Mapping[str, Callable[[Any], list[Check]]]
    draw: Callable[[Any], Picture]
    not_on: Mapping[str, str] = field(default_factory=dict)
    """Engines that cannot meet the law by construction, and why."""
    solved_on: tuple[str, ...] = ()
    """Engines where nothing is random and the grid plays no part, see `check_solved`."""
    orders: Mapping[str, float] = field(default_factory=dict)
    """Engines where nothing is random and the grid decides, and by which power of its spacing the error falls. There
    a law is measured on the grid of its scenarios and on one twice as fine, see `check_converged`."""
    remark: str = ""
    """Where simulation and textbook differ for a reason: which, and the prediction that takes it into account."""
