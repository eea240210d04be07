"""A sweep from beginning to end: its folder, the runs that are missing, the table of what they found."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mc.compilation import is_compiled
from mc.ensemble.plan import (
    DONE_NAME,
    PLAN_NAME,
    Replica,
    SweepPlan,
    find_differences,
    folder_of,
    make_plan,
    read_plan,
    write_plan,
)
from mc.ensemble.results import make_table
from mc.ensemble.schedule import Batch, Outcome, local_cluster, prepare, remote_cluster, run_here, run_on
from mc.ensemble.task import compile_kernels, kinds_of_points
from mc.errors import McError, ScenarioError, SweepError
from mc.recording.recording import Recording
from mc.recording.sweep_table import Failure, SweepTable, write_sweep_table
from mc.scenario.reading import read_scenario
from mc.scenario.schema import Scenario
from mc.scenario.sweeps import Sweep, Variation, write_override_value

if TYPE_CHECKING:
    from distributed import Client


class SweepProgress:
    """How far a sweep has come."""

    def __init__(self, plan: SweepPlan, done: Sequence[Replica]) -> None:
        self.plan = plan
        self.n_runs = plan.replicas * len(plan.points)
        self.n_found = len(done)
        """Runs that were finished before."""
        self.done = [0] * len(plan.points)
        """Finished runs of each point."""
        self.failed = [0] * len(plan.points)
        self.running: frozenset[Replica] = frozenset()
        self.waiting_for = ""
        """What must happen before the first run, if anything."""
        for run in done:
            self.done[run.point] += 1
        self._started = time.monotonic()

    @property
    def n_ended(self) -> int:
        """Runs that have come to an end, found ones included."""
        return sum(self.done) + sum(self.failed)

    @property
    def seconds_left(self) -> float:
        """Wall time until the end if the runs that are left are like those that have ended; not a number before."""
        made = self.n_ended - self.n_found
        if not made:
            return float("nan")
        return (time.monotonic() - self._started) * (self.n_runs - self.n_ended) / made

    def begin(self) -> None:
        """Note that the first run begins now."""
        self.waiting_for, self._started = "", time.monotonic()

    def note(self, outcome: Outcome) -> None:
        """Count a run that has ended."""
        counts = self.done if outcome.error is None else self.failed
        counts[outcome.run.point] += 1
        self.running -= {outcome.run}


@dataclass(frozen=True)
class SweepResult:
    """A finished sweep: its table, and the recordings of its runs."""

    folder: Path
    plan: SweepPlan
    table: SweepTable

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The runs that came to no result."""
        return self.table.failures

    def to_pandas(self) -> Any:
        """Return the table as a pandas DataFrame; pandas must be installed."""
        return self.table.to_pandas()

    def recording(self, point: int, replica: int = 0) -> Recording:
        """Return the recording of one run, to be closed by who asked for it."""
        return Recording(self.folder / folder_of(Replica(point, replica)))

    def recordings(self) -> Iterator[tuple[Replica, Recording]]:
        """Yield every finished run with its recording, one open at a time."""
        for run in sorted(self.plan.runs):
            if (self.folder / folder_of(run) / DONE_NAME).exists():
                with self.recording(*run) as recording:
                    yield run, recording


def sweep(
    scenario: Scenario | str | os.PathLike[str],
    folder: str | os.PathLike[str] | None = None,
    *,
    vary: Mapping[str, Sequence[Any]] | None = None,
    paired: bool | None = None,
    replicas: int | None = None,
    seed: int | None = None,
    jobs: int = 1,
    threads: int | None = None,
    client: Client | None = None,
    scheduler: str | None = None,
    scheduler_file: str | os.PathLike[str] | None = None,
    on_progress: Callable[[SweepProgress], None] | None = None,
) -> SweepResult:
    """Run a scenario at every point of `vary`, several times each, and return the table of what came out.

    `vary` maps keys of the scenario, written as overrides are, to their values: `{"outside.K": ["3 mM", "30 mM"]}`;
    `paired` takes the values of all keys together, otherwise all combinations are run. What is not given is taken
    from the scenario's own [sweep] table. Each run is an ordinary one in a folder of its own below `folder`, with a
    seed that follows from (`seed`, point, replica) by numpy's SeedSequence; finished ones are marked, and the same
    sweep again makes only what is missing.

    With `jobs` above 1 the runs share the cores of this machine as Dask workers; a `client` of dask.distributed, or
    the address or the file of a `scheduler`, sends them elsewhere, with `folder` on a filesystem that all workers
    share. `threads` are those of each run: by default what the cores leave to each of the jobs, and one elsewhere.
    A run that fails is in `failures` and the others go on. Raises an McError for a scenario that cannot be read, the
    folder of another sweep, and workers that do not see the folder.
    """
    if not isinstance(scenario, Scenario):
        scenario = read_scenario(Path(scenario))
    settings = choose_sweep(scenario, vary, paired, replicas)
    plan = make_plan(scenario, settings, seed)
    folder = Path(os.path.abspath(folder or default_folder(scenario)))
    with _held(folder):
        plan = _settle_plan(folder, plan, is_seed_drawn=seed is None and scenario.simulation.seed is None)
        done = [run for run in sorted(plan.runs) if (folder / folder_of(run) / DONE_NAME).exists()]
        finished = set(done)
        missing = [run for run in plan.runs if run not in finished]
        progress = SweepProgress(plan, done)
        tell = _teller(progress, on_progress)
        tell()
        elsewhere = client is not None or scheduler is not None or scheduler_file is not None
        jobs = min(jobs, max(1, len(missing)))
        if threads is None:
            threads = 1 if elsewhere else max(1, available_cores() // jobs)
        batch = Batch(str(folder), plan, missing, threads)
        failures: dict[Replica, str] = {}
        with _outcomes(batch, progress, tell, jobs, client, scheduler, scheduler_file) as outcomes:
            for outcome in outcomes:
                progress.note(outcome)
                if outcome.error is not None:
                    failures[outcome.run] = outcome.error
                tell()
        table = make_table(folder, plan, scenario.title, paired=settings.paired, failures=failures)
        write_sweep_table(folder, table)
    return SweepResult(folder, plan, table)


def default_folder(scenario: Scenario) -> Path:
    """Return where a sweep goes unless the user says otherwise: outputs/sweeps/NAME OF THE FILE."""
    own = scenario.default_folder()
    return own.parent / "sweeps" / own.name


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choose_sweep(
    scenario: Scenario,
    vary: Mapping[str, Sequence[Any]] | None = None,
    paired: bool | None = None,
    replicas: int | None = None,
) -> Sweep:
    """Return the scenario's own sweep with what is given in place of its parts. Raises ScenarioError."""
    own = scenario.sweep or Sweep()
    try:
        varied = own.vary if vary is None else tuple(_variation(*one) for one in vary.items())
        return Sweep(
            vary=varied,
            paired=own.paired if paired is None else paired,
            replicas=own.replicas if replicas is None else replicas,
        )
    except ValueError as error:
        raise ScenarioError(f"sweep: {_reason(error)}") from None


def _variation(key: str, values: Sequence[Any]) -> Variation:
    if isinstance(values, str):
        raise ScenarioError(f'the values of {key} are a list, such as ["{values}"]')
    return Variation(key=key, values=tuple(write_override_value(value) for value in values))


def _reason(error: ValueError) -> str:
    """Return the messages of pydantic's faults, or that of a plain ValueError."""
    errors = getattr(error, "errors", None)
    if errors is None:
        return str(error)
    return "; ".join(one["msg"].removeprefix("Value error, ") for one in errors())


def _settle_plan(folder: Path, plan: SweepPlan, is_seed_drawn: bool) -> SweepPlan:
    """Return the plan, that of the folder where it holds the same sweep. Raises SweepError if it is another one."""
    if (folder / PLAN_NAME).exists():
        there = read_plan(folder)
        if is_seed_drawn:
            plan = replace(plan, seed=there.seed)
        differences = find_differences(there, plan)
        if differences:
            raise SweepError(
                f"{folder} holds another sweep: {'; '.join(differences)}. Give another --output folder"
            )
        # Its text may differ in remarks; the fingerprint of the runs that are there is that of the old one.
        plan = replace(there, replicas=plan.replicas)
    write_plan(folder, plan)
    return plan


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Keep other sweeps from a folder, which is made if need be. Raises SweepError where another one has it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(entry.name != ".lock" for entry in folder.iterdir()) and not (folder / PLAN_NAME).exists():
            raise SweepError(f"{folder} holds something else than a sweep: give another --output folder")
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise SweepError(
            f"cannot write to {folder}: {error.strerror or error}; give another --output folder"
        ) from error
    with lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SweepError(f"{folder} is being filled by another ionmc sweep: wait for its end") from None
        except OSError as error:
            raise SweepError(f"{folder} cannot be locked against other sweeps: {error}") from error
        yield


def _teller(
    progress: SweepProgress, on_progress: Callable[[SweepProgress], None] | None
) -> Callable[[], None]:
    return (lambda: None) if on_progress is None else (lambda: on_progress(progress))


@contextmanager
def _outcomes(
    batch: Batch,
    progress: SweepProgress,
    tell: Callable[[], None],
    jobs: int,
    client: Client | None,
    scheduler: str | None,
    scheduler_file: str | os.PathLike[str] | None,
) -> Iterator[Iterator[Outcome]]:
    """Give the ends of the runs as they come, from wherever they run."""

    def look(running: frozenset[Replica]) -> None:
        progress.running = running
        tell()

    def wait_for(what: str) -> None:
        progress.waiting_for = what
        tell()

    def start_on(chosen: Client) -> Iterator[Outcome]:
        prepare(chosen, batch, wait_for)
        progress.begin()
        return run_on(chosen, batch, look)

    if not batch.runs:
        yield iter(())
    elif client is not None:
        yield start_on(client)
    elif scheduler is not None or scheduler_file is not None:
        with remote_cluster(scheduler, None if scheduler_file is None else Path(scheduler_file)) as chosen:
            yield start_on(chosen)
    elif jobs > 1:
        wait_for("starting the workers")
        with local_cluster(jobs) as chosen:
            yield start_on(chosen)
    else:
        if not is_compiled():
            wait_for("compiling the kernels, once for all")
            points = kinds_of_points(batch.plan)
            # What cannot work says so again when its own run fails.
            with suppress(McError):
                compile_kernels(batch.folder, batch.plan.fingerprint, points, batch.threads)
        progress.begin()
        yield run_here(batch, lambda run: look(frozenset([run])))
