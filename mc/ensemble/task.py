"""One run of a sweep, wherever it runs: it leaves alone what is finished and goes on with what was interrupted."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from mc.comparison import summarize
from mc.ensemble.plan import DONE_NAME, Replica, SweepPlan, folder_of, plan_of, scenario_of
from mc.errors import RecordingError
from mc.recording.checkpoint import read_checkpoint
from mc.recording.recorder import write_summary
from mc.recording.recording import Recording
from mc.scenario.time_steps import resolve_time_step
from mc.simulation import ENGINES, resume, simulate


def run_replica(folder: str, fingerprint: str, run: Replica, threads: int | None) -> str:
    """Make one run of the sweep in `folder` and return its own folder.

    It holds run.h5 and summary.json as any run, and `.done`, written last. Raises an McError for what cannot work.
    """
    run = Replica(*run)
    run_folder = Path(folder) / folder_of(run)
    done = run_folder / DONE_NAME
    if done.exists():
        return str(run_folder)
    if (recording := _finished(run_folder)) is None:
        if read_checkpoint(run_folder) is None:
            plan = plan_of(folder, fingerprint)
            recording = simulate(
                scenario_of(folder, fingerprint, run.point),
                run_folder,
                seed=plan.seed_of(run),
                threads=threads,
                overwrite=True,
                command_line=plan.command_of(run),
            )
        else:
            recording = resume(run_folder, threads=threads)
    with recording:
        write_summary(run_folder / "summary.json", summarize(recording))
    try:
        done.touch()
    except OSError as error:
        raise RecordingError(f"cannot write {done}: {error}") from error
    return str(run_folder)


def _finished(run_folder: Path) -> Recording | None:
    """Return the recording of a run that was killed between its end and its mark; None if there is none."""
    if not (run_folder / "run.h5").exists():
        return None
    try:
        recording = Recording(run_folder)
    except RecordingError:
        return None
    if recording.finished:
        return recording
    recording.close()
    return None


def compile_kernels(folder: str, fingerprint: str, points: tuple[int, ...], threads: int | None) -> None:
    """Make one step of the scenarios of some points, so that the kernels they need are compiled and kept on disk."""
    plan = plan_of(folder, fingerprint)
    for point in points:
        scenario = plan.scenario(point)
        make_engine = ENGINES[scenario.simulation.engine]
        engine = make_engine(scenario, plan.seed, resolve_time_step(scenario), threads, None)
        engine.advance(1)
        engine.observe()


def kinds_of_points(plan: SweepPlan) -> tuple[int, ...]:
    """Return a point for each set of kernels that the plan needs."""
    if not {"simulation.engine", "geometry.dimensions"} & set(plan.keys):
        return (0,)
    first: dict[tuple[str, int], int] = {}
    for point in range(len(plan.points)):
        scenario = plan.scenario(point)
        first.setdefault((scenario.simulation.engine, scenario.geometry.dimensions), point)
    return tuple(first.values())


TOKEN_PREFIX = ".token-"


def look_for_token(path: str) -> str | None:
    """Return the text of a file, or None where this process does not see it."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return None


def make_token(folder: Path) -> Path:
    """Write a file of a name and a text that no other folder has, for workers to look for. Raises RecordingError."""
    try:
        handle, path = tempfile.mkstemp(prefix=TOKEN_PREFIX, dir=folder)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(os.path.basename(path))
    except OSError as error:
        raise RecordingError(f"cannot write to {folder}: {error}") from error
    return Path(path)
