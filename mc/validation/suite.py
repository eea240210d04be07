"""Running laws, and the bound that follows from the chance of a false alarm."""

from __future__ import annotations

import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mc.validation.law import Check, Law, Picture, Trial, check_converged, check_solved
from mc.validation.registry import find_laws

FALSE_ALARM = 1e-4
"""How often chance alone fails one or more of all checks of an invocation."""

HOLDS, FAILS, BROKEN = "holds", "FAILS", "no result"


@dataclass(frozen=True)
class Task:
    """One law on one engine with one seed."""

    law: str
    engine: str
    seed: int
    full: bool
    folder: Path
    law_files: tuple[Path, ...] = ()
    threads: int = 1


@dataclass(frozen=True)
class Outcome:
    """What a task came to. `error` is why there is nothing to compare, or empty."""

    law: str
    engine: str
    seed: int
    checks: tuple[Check, ...] = ()
    twins: dict[str, tuple[Check, ...]] = field(default_factory=dict)
    picture: Picture | None = None
    wall_seconds: float = 0.0
    error: str = ""


@dataclass(frozen=True)
class Bound:
    """The largest chance at which a check is taken to have failed, for a family of `n_checks`.

    Bonferroni's: `FALSE_ALARM` over the number of checks. It holds whether or not they depend on each other; Šidák's,
    for independent ones, differs by less than 1 in 10,000.
    """

    n_checks: int

    @property
    def level(self) -> float:
        """The chance of a false alarm of one check."""
        return FALSE_ALARM / max(1, self.n_checks)

    @property
    def standard_errors(self) -> float:
        """The level in standard errors of a normal number, two-sided."""
        from scipy.stats import norm

        return float(norm.isf(self.level / 2.0))

    def fails(self, check: Check) -> bool:
        """Return whether a check is beyond the bound."""
        return check.p_value < self.level

    def verdict(self, outcome: Outcome) -> str:
        """Return whether all checks of an outcome hold."""
        if outcome.error:
            return BROKEN
        return FAILS if any(map(self.fails, outcome.checks)) else HOLDS

    def rejects(self, checks: Iterable[Check]) -> bool:
        """Return whether a twin is found out: by one check at least."""
        return any(map(self.fails, checks))


def bound_of(outcomes: Iterable[Outcome]) -> Bound:
    """Return the bound for all checks of the outcomes together; how many there are does not depend on chance."""
    return Bound(sum(len(outcome.checks) for outcome in outcomes))


def plan(
    laws: Sequence[Law],
    *,
    engine: str | None,
    seeds: Sequence[int],
    full: bool,
    folder: Path,
    law_files: Sequence[Path] = (),
    threads: int = 1,
) -> list[Task]:
    """Return the tasks: each law on each engine on which it is meaningful, or on the one `engine`, for each seed."""
    return [
        Task(
            law.name,
            one,
            seed,
            full,
            folder / "runs" / f"{law.name}-{one}-{seed}",
            tuple(law_files),
            threads,
        )
        for law in laws
        for one in law.engines
        if engine in (None, one)
        for seed in seeds
    ]


def run_task(task: Task) -> Outcome:
    """Measure one law; what goes wrong is told in the outcome, so that the other laws go on."""
    law = find_laws(task.law_files)[task.law]
    started = time.monotonic()
    try:
        observed, coarse = _measure(law, task), None
        if task.engine in law.orders:
            observed, coarse = _measure(law, task, is_refined=True), observed
        checks = _resolve(law, task.engine, law.compare, observed, coarse)
        twins = {
            wrong: _resolve(law, task.engine, compare, observed, coarse)
            for wrong, compare in law.twins.items()
        }
        picture = law.draw(observed)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        message = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        return Outcome(
            task.law, task.engine, task.seed, error=message, wall_seconds=time.monotonic() - started
        )
    return Outcome(task.law, task.engine, task.seed, checks, twins, picture, time.monotonic() - started)


def _measure(law: Law, task: Task, *, is_refined: bool = False) -> Any:
    """Return what is observed, also on a grid that is twice as fine."""
    folder = task.folder / "refined" if is_refined else task.folder
    trial = Trial(task.engine, task.full, task.seed, folder, task.threads, refinement=2 if is_refined else 1)
    return law.measure(trial)


def _resolve(
    law: Law, engine: str, compare: Callable[[Any], list[Check]], observed: Any, coarse: Any
) -> tuple[Check, ...]:
    """Return checks as they are, or as those of an engine where nothing is random."""
    checks = compare(observed)
    if engine in law.orders:
        pairs = zip(compare(coarse), checks, strict=True)
        return tuple(check_converged(one, other, law.orders[engine]) for one, other in pairs)
    return tuple(map(check_solved, checks) if engine in law.solved_on else checks)


def run_all(
    tasks: Sequence[Task],
    jobs: int | None = None,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Run tasks in `jobs` processes at once, as many as there are cores by default, and return outcomes in order."""
    jobs = min(jobs or len(os.sched_getaffinity(0)), max(1, len(tasks)))
    outcomes: dict[int, Outcome] = {}
    for i, outcome in _run_in_process(tasks) if jobs == 1 else _run_in_processes(tasks, jobs):
        outcomes[i] = outcome
        on_outcome(outcome)
    return [outcomes[i] for i in range(len(tasks))]


def _run_in_process(tasks: Sequence[Task]) -> Iterator[tuple[int, Outcome]]:
    for i, task in enumerate(tasks):
        yield i, run_task(task)


def _run_in_processes(tasks: Sequence[Task], jobs: int) -> Iterator[tuple[int, Outcome]]:
    # Fresh interpreters: a fork would take along the threads of compiled kernels in an unknown state.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        futures = {pool.submit(run_task, task): i for i, task in enumerate(tasks)}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
