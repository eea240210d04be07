"""Runs that come from runs: the same once more, and branches that go on from a moment with something changed."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from mc.engines.base import Engine
from mc.errors import RecordingError, ScenarioError
from mc.recording.checkpoint import Checkpoint, read_checkpoint_before
from mc.recording.recorder import refuse_existing
from mc.recording.recording import Recording
from mc.scenario.advice import advise
from mc.scenario.placement import place
from mc.scenario.protocol import CurrentCommand, Protocol, Span, VoltageCommand
from mc.scenario.reading import parse_scenario, write_path
from mc.scenario.schema import Scenario
from mc.scenario.time_steps import resolve_time_step
from mc.simulation import CHECKPOINT_INTERVAL, Plan, Progress, carry_out, read_plan, strip_prefix

CHANGEABLE = (
    "title",
    "simulation.duration",
    "simulation.seed",
    "protocol.*",
    "electrodes*",
    "recording.*",
    "channels.*.permeability*",
    "channels.*.gating.rates*",
    "channels.*.gating.gates.*.forward*",
    "channels.*.gating.gates.*.reverse*",
    "channels.*.gating.acceleration",
    "channels.*.gating.q10",
    "channels.*.gating.reference_temperature",
    "*.turnover",
    "*.acceleration",
    "*.half_saturation*",
    "*.hill*",
    "pumps.*.voltage_dependence*",
    "*.source",
    "*.use",
)
"""Keys that a branch may change: they leave every ion, channel and pump where and what it is."""

REMEDIES = {
    "simulation.time_step": "its moments are counted in steps; ionmc run begins a new run with others",
    "inside.*": 'the ions are where they are; with geometry.boundary = "bath" [[protocol.solutions]] changes a bath',
    "outside.*": 'the ions are where they are; with geometry.boundary = "bath" [[protocol.solutions]] changes a bath',
    "*.count": "the proteins are there; [[protocol.blocks]] stops a share of them",
    "*.density": "the proteins are there; [[protocol.blocks]] stops a share of them",
    "*": "what there is would no longer fit; ionmc run begins a new run with it",
}
"""Why all others cannot, and what to do; the first that fits."""

PIECE = 1000
"""Steps that are made at a time on the way to a branch."""


class Change(NamedTuple):
    """One key of a scenario, and its values in internal units."""

    key: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.key}: {_show(self.before)} -> {_show(self.after)}"


def rerun(
    run: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    threads: int | None = None,
    overwrite: bool = False,
    checkpoint_every: float = CHECKPOINT_INTERVAL,
    ignore_limits: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> Recording:
    """Repeat a finished run from what it recorded, into another folder, and return the new recording.

    Scenario, seed, time step and clamp are those of the record; `recording.identity.differing` compares the two.
    Raises RecordingError for a run that is not finished.
    """
    plan, path = read_recorded_plan(run), Path(folder) / "run.h5"
    with Recording(run) as recording:
        if not recording.finished:
            raise RecordingError(
                f"{recording.path} is not finished ({recording.stop_reason}): ionmc resume {recording.path.parent} "
                "goes on with it; what is whole can be repeated"
            )
        _refuse_same_folder(recording.path, path)
    if not overwrite:
        refuse_existing(path)
    return carry_out(
        plan,
        path,
        threads=threads,
        overwrite=overwrite,
        checkpoint_every=checkpoint_every,
        ignore_limits=ignore_limits,
        on_progress=on_progress,
    )


def branch(
    run: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    at: float,
    scenario: Scenario | None = None,
    seed: int | None = None,
    threads: int | None = None,
    overwrite: bool = False,
    command_line: str = "",
    checkpoint_every: float = CHECKPOINT_INTERVAL,
    checkpoint_at: Sequence[float] = (),
    ignore_limits: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    on_change: Callable[[str], None] | None = None,
) -> Recording:
    """Start a new run from the moment `at`, in ns, of a recorded one, and return its recording.

    The moment is that of a checkpoint, or is reached from the last one before it, or from the beginning, by repeating
    what lies between. From there on the new run follows `scenario` (see `change_scenario`) and `seed`; both stay as
    they were where they are not given. Times go on as they were, windows of averages and filters begin anew.
    `on_change` is told where it began and what was changed, a line each. Raises ScenarioError for a change that a
    branch cannot make, with the remedy.
    """
    old = read_recorded_plan(run)
    run, path = _file_of(run), Path(folder) / "run.h5"
    _refuse_same_folder(run, path)
    if not overwrite:
        refuse_existing(path)
    step = round(at / old.time_step)
    if not at >= 0 or not old.first_step <= step <= old.n_steps:
        raise ScenarioError(
            f"{run} goes from {old.first_step * old.time_step:g} to {old.n_steps * old.time_step:g} ns: it has no "
            f"moment at {at:g} ns"
        )
    before, after = _pin(old.scenario, old), _pin(scenario or old.scenario, old)
    changes = find_changes(before, after)
    _refuse_changes(changes, before.protocol, after.protocol, step, old)
    if round(after.simulation.duration / old.time_step) <= step:
        raise ScenarioError(
            f"at {at:g} ns the run is over: a branch needs a longer simulation.duration than "
            f"{after.simulation.duration:g} ns"
        )
    advise(after).raise_refusals()
    resolve_time_step(after)
    new_seed = old.seed if seed is None else seed
    new = replace(
        old, scenario=after, seed=new_seed, command_line=command_line, origin=None, branched_from=""
    )
    engine = old.make_engine(threads)
    _refuse_misfit(engine, new.make_engine(threads))
    if new.seed != old.seed:
        changes = [Change("seed", old.seed, new.seed), *changes]
    told: dict[str, Any] = {
        "run": str(run),
        "time_ns": step * old.time_step,
        "step": step,
        "seed": old.seed,
        "changes": [str(change) for change in changes],
    }
    if on_change is not None:
        on_change(f"branched from {run} at {step * old.time_step:g} ns, step {step}")
        for line in told["changes"] or ["nothing is changed"]:
            on_change(line)
    state = _reach(engine, run.parent, old, step, on_change)
    new = replace(new, origin=state, branched_from=json.dumps(told))
    return carry_out(
        new,
        path,
        threads=threads,
        overwrite=overwrite,
        checkpoint_every=checkpoint_every,
        checkpoint_at=checkpoint_at,
        ignore_limits=ignore_limits,
        on_progress=on_progress,
    )


def read_recorded_plan(run: str | os.PathLike[str]) -> Plan:
    """Return the plan of a recorded run; RecordingError where there is none that can be read."""
    with Recording(run) as recording:
        return read_plan(recording.path.parent, recording.attributes)


def change_scenario(run: str | os.PathLike[str], overrides: Sequence[str]) -> Scenario:
    """Return the scenario of a recorded run with further overrides, as of `read_scenario`.

    Raises ScenarioError for faulty ones, and for a run that was not read from a file.
    """
    scenario = read_recorded_plan(run).scenario
    source = scenario.source
    if not overrides:
        return scenario
    if source is None or not source.text:
        raise ScenarioError(f"{run} was not made from a scenario file: its keys cannot be overridden")
    return parse_scenario(source.text, source.path, (*source.overrides, *overrides))


def find_changes(before: Scenario, after: Scenario) -> list[Change]:
    """Return the keys in which two scenarios differ, in the order of the schema."""
    data, other_data = before.model_dump(), after.model_dump()
    old, new = dict(_leaves(data)), dict(_leaves(other_data))
    return [
        Change(write_path(path, data if path in old else other_data), old.get(path), new.get(path))
        for path in dict.fromkeys([*old, *new])
        if old.get(path) != new.get(path)
    ]


def _leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield the path and value of everything in tables and arrays that is neither."""
    if isinstance(value, Mapping):
        members: Iterator[tuple[Any, Any]] = iter(value.items())
    elif isinstance(value, (list, tuple)):
        members = iter(enumerate(value))
    else:
        yield path, value
        return
    for key, member in members:
        yield from _leaves(member, (*path, key))


def _pin(scenario: Scenario, plan: Plan) -> Scenario:
    """Return a scenario with the time step of a run, and its proteins where they stood in that run.

    Another seed would otherwise move those at random places.
    """
    pinned: dict[str, Any] = {
        "simulation": scenario.simulation.model_copy(update={"time_step": plan.time_step})
        if scenario.simulation.time_step == "auto"
        else scenario.simulation
    }
    if scenario.geometry.dimensions == 2:
        places = place(plan.scenario, plan.seed)
        at = {"channels": places.channels, "pumps": places.pumps}
        at["transporters"] = at["pumps"][sum(one.count for one in plan.scenario.pumps) :]
        for key, positions in at.items():
            first, members = 0, []
            for one in getattr(scenario, key):
                where = tuple(map(float, positions[first : first + one.count]))
                members.append(
                    one
                    if isinstance(one.placement, tuple)
                    else one.model_copy(update={"placement": where, "cluster": None})
                )
                first += one.count
            pinned[key] = tuple(members)
    copy = scenario.model_copy(update=pinned)
    copy._source = scenario._source
    return copy


def _refuse_changes(
    changes: Sequence[Change], before: Protocol, after: Protocol, step: int, plan: Plan
) -> None:
    """Raise ScenarioError, a line for each change that a branch cannot make."""
    lines = [
        f"{change}: a branch cannot change {change.key}: "
        + next(remedy for pattern, remedy in REMEDIES.items() if fnmatchcase(change.key, pattern))
        for change in changes
        if not any(fnmatchcase(change.key, pattern) for pattern in CHANGEABLE)
    ]
    lines += _changes_of_the_past(before, after, step, plan)
    names = [list(dict.fromkeys(one.name for one in protocol.ligands)) for protocol in (before, after)]
    if names[0] != names[1]:
        lines.append(
            f"protocol.ligands: a branch has the ligands of its run, {', '.join(names[0]) or 'none'}, and no others; "
            "name them in that run, from a later moment on or with 0 mM"
        )
    if lines:
        raise ScenarioError("\n".join(lines))


def _changes_of_the_past(before: Protocol, after: Protocol, step: int, plan: Plan) -> Iterator[str]:
    """Yield a line for each list of a protocol that differs in what had begun before a step.

    What had begun may end at another time, but for ramps, whose slope follows from their end.
    """

    def past(protocol: Protocol, key: str) -> list[Any]:
        begun = [one for one in getattr(protocol, key) if round(one.start / plan.time_step) < step]
        return [
            one.model_copy(update={"stop": None})
            if isinstance(one, Span)
            and not _is_ramp(one)
            and (one.stop is None or round(one.stop / plan.time_step) >= step)
            else one
            for one in begun
        ]

    for key in ("voltage", "current", "solutions", "blocks", "ligands"):
        if past(before, key) != past(after, key):
            yield (
                f"protocol.{key}: what began before {step * plan.time_step:g} ns has happened and cannot change; let "
                "what is new start then or later"
            )


def _is_ramp(command: Span) -> bool:
    if isinstance(command, VoltageCommand):
        return command.end_potential is not None
    return isinstance(command, CurrentCommand) and command.end_current is not None


def _refuse_misfit(old: Engine, new: Engine) -> None:
    """Raise ScenarioError where the state of one engine would mean something else in another."""
    pairs = [
        ("ions", [old.composition.names], [new.composition.names]),
        ("grid", [a.tolist() for a in old.cells_along_x()], [a.tolist() for a in new.cells_along_x()]),
        ("grid along the membrane", [old.cells_along_y().tolist()], [new.cells_along_y().tolist()]),
    ]
    for what, one, other in pairs:
        if one != other:
            raise ScenarioError(
                f"with these changes the run would have other {what}: what there is would not fit; "
                "ionmc run begins a new run with it"
            )


def _reach(
    engine: Engine, folder: Path, plan: Plan, step: int, on_change: Callable[[str], None] | None
) -> Checkpoint:
    """Bring an engine of a run to a step, from the last checkpoint before it, and return its state."""
    checkpoint = read_checkpoint_before(folder, step)
    if checkpoint is not None and _is_of(checkpoint, plan):
        engine.take_up(strip_prefix(checkpoint.arrays, "engine."))
    if engine.step < step and on_change is not None:
        begin, end = (one * plan.time_step for one in (engine.step, step))
        on_change(f"repeating the run from {begin:g} to {end:g} ns, as it has no checkpoint there")
    while engine.step < step:
        engine.advance(min(PIECE, step - engine.step))
        engine.drain_events()
    engine.observe()
    arrays = {f"engine.{name}": array.copy() for name, array in engine.memory().items()}
    return Checkpoint(arrays, {**plan.header(), "step": step})


def _is_of(checkpoint: Checkpoint, plan: Plan) -> bool:
    """Return whether a checkpoint is of this very run, and not of another one that was once in its folder."""
    header = plan.header()
    return all(checkpoint.header[key] == header[key] for key in ("scenario", "seed", "time_step"))


def _file_of(run: str | os.PathLike[str]) -> Path:
    path = Path(run)
    return path if path.suffix == ".h5" else path / "run.h5"


def _refuse_same_folder(run: Path, path: Path) -> None:
    if run.resolve() == path.resolve():
        raise RecordingError(f"{path} is the run itself: give another --output folder")


def _show(value: Any) -> str:
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
