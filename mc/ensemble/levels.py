"""A scenario on several engines, several times on those that draw random numbers."""

import os
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mc.analysis.levels import Level
from mc.errors import McError, ScenarioError
from mc.recording.recorder import refuse_existing
from mc.scenario.advice import advise
from mc.scenario.schema import Scenario
from mc.simulation import ENGINES, Progress, simulate

LONGEST_RUN = 3600.0
"""s of estimated time of one run beyond which an engine is left out, unless it is asked for."""


def on_engine(scenario: Scenario, engine: str) -> Scenario:
    """Return the scenario for one engine. A time step that was chosen for another one becomes automatic."""
    if engine == scenario.simulation.engine:
        return scenario
    settings = scenario.simulation.model_copy(update={"engine": engine, "time_step": "auto"})
    return scenario.model_copy(update={"simulation": settings})


def choose_engines(
    scenario: Scenario, engines: Sequence[str] | None
) -> tuple[dict[str, Scenario], dict[str, str]]:
    """Return the scenario for each engine that is to run it, and why others are left out.

    Without `engines` those that can, within an hour each by the estimate. Raises ScenarioError for engines that do
    not exist or are too few to compare, and the refusal of one that was asked for and cannot.
    """
    unknown = [name for name in engines or () if name not in ENGINES]
    if unknown:
        raise ScenarioError(f'"{unknown[0]}" is no engine; these are {", ".join(ENGINES)}')
    chosen: dict[str, Scenario] = {}
    left_out: dict[str, str] = {}
    for name in dict.fromkeys(engines or ENGINES):
        one = on_engine(scenario, name)
        try:
            advice = advise(one)
            advice.raise_refusals()
        except McError as error:
            if engines is not None:
                raise type(error)(f"engine {name}: {error}") from error
            left_out[name] = str(error)
            continue
        if engines is None and advice.run_seconds > LONGEST_RUN:
            left_out[name] = (
                f"a run would take about {advice.run_seconds / 3600:.3g} hours; --engines asks for it all the same"
            )
            continue
        chosen[name] = one
    if len(chosen) < 2:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise ScenarioError(
            f"a comparison needs two engines that can run this scenario, found {', '.join(chosen) or 'none'}"
            + (f" ({reasons})" if reasons else "")
        )
    return chosen, left_out


def run_levels(
    scenarios: Mapping[str, Scenario],
    folder: str | os.PathLike[str],
    *,
    replicas: int = 3,
    seed: int | None = None,
    threads: int | None = None,
    overwrite: bool = False,
    command_line: str = "",
    on_run: Callable[[str, int, int], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> tuple[Level, ...]:
    """Run a scenario on each engine and return what was recorded, in `folder`/ENGINE/NUMBER.

    The continuum, where nothing is random, runs once. The seeds of the runs follow from `seed`, or the scenario's, or
    a drawn one, and all differ: engines share the numbers that open their gates, and would not err independently.
    `on_run` is told engine, number and how many there are before each run. Raises RecordingError where results are in
    the way.
    """
    folder = Path(folder)
    n_runs = {name: 1 if name == "continuum" else replicas for name in scenarios}
    places = {name: [folder / name / str(k) for k in range(n)] for name, n in n_runs.items()}
    for place in (one for of_engine in places.values() for one in of_engine):
        if not overwrite:
            refuse_existing(place / "run.h5")
    if overwrite:
        for name in ENGINES:
            shutil.rmtree(folder / name, ignore_errors=True)
    root = next(iter(scenarios.values())).simulation.seed if seed is None else seed
    root = secrets.randbits(63) if root is None else root
    levels = []
    for name, scenario in scenarios.items():
        recordings = []
        for k, place in enumerate(places[name]):
            if on_run is not None:
                on_run(name, k, n_runs[name])
            recordings.append(
                simulate(
                    scenario,
                    place,
                    seed=seed_of(root, name, k),
                    threads=threads,
                    overwrite=overwrite,
                    command_line=command_line,
                    on_progress=on_progress,
                )
            )
        levels.append(Level(name, tuple(recordings)))
    return tuple(levels)


def seed_of(root: int, engine: str, replica: int) -> int:
    """Return the seed of a run: numpy's SeedSequence of the root, with numbers of engine and replica as its key."""
    sequence = np.random.SeedSequence(root, spawn_key=(list(ENGINES).index(engine), replica))
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))
