"""What a sweep is to do: its points, replicas, seeds and folders, kept in sweep.json at the head of its folder."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import secrets
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mc.errors import ScenarioError, SweepError
from mc.scenario.reading import parse_scenario
from mc.scenario.schema import Scenario
from mc.scenario.sweeps import Sweep

PLAN_NAME = "sweep.json"
DONE_NAME = ".done"
FORMAT_VERSION = 1


class Replica(NamedTuple):
    """One run of a sweep."""

    point: int
    replica: int


@dataclass(frozen=True)
class SweepPlan:
    """A sweep before it runs: everything that its runs follow from."""

    scenario_path: str
    scenario_text: str
    overrides: tuple[str, ...]
    """Of all points, as `--set` takes them."""
    keys: tuple[str, ...]
    points: tuple[tuple[str, ...], ...]
    """The value of every key at each point."""
    replicas: int
    seed: int
    """The root of all seeds."""

    @property
    def runs(self) -> Iterator[Replica]:
        """Every run, the first replicas of all points first: an interrupted sweep has been everywhere."""
        return (Replica(point, i) for i in range(self.replicas) for point in range(len(self.points)))

    def settings(self, point: int) -> tuple[str, ...]:
        """Return what is set at a point alone, as `--set` takes it."""
        return tuple(f"{key}={value}" for key, value in zip(self.keys, self.points[point], strict=True))

    def scenario(self, point: int) -> Scenario:
        """Return the scenario of a point. Raises ScenarioError."""
        overrides = (*self.overrides, *self.settings(point))
        return parse_scenario(self.scenario_text, Path(self.scenario_path), overrides)

    def seed_of(self, run: Replica) -> int:
        """Return the seed of a run: numpy's SeedSequence of the root seed with (point, replica) as its spawn key."""
        sequence = np.random.SeedSequence(self.seed, spawn_key=run)
        return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))

    def command_of(self, run: Replica) -> str:
        """Return the command that makes one run of the sweep by itself."""
        settings = [f"--set={setting}" for setting in (*self.overrides, *self.settings(run.point))]
        words = ["ionmc", "run", self.scenario_path, *settings, f"--seed={self.seed_of(run)}"]
        return shlex.join(words)

    @functools.cached_property
    def fingerprint(self) -> str:
        """A short text that differs between plans with different runs; more replicas make no other plan."""
        return hashlib.sha256(json.dumps(asdict(replace(self, replicas=0))).encode()).hexdigest()[:16]


def folder_of(run: Replica) -> str:
    """Return the folder of a run within that of its sweep."""
    return f"point-{run.point:04d}/replica-{run.replica:03d}"


def make_plan(scenario: Scenario, sweep: Sweep, seed: int | None = None) -> SweepPlan:
    """Return the plan of a sweep of a scenario that was read from a file.

    The root seed is `seed`, or else the scenario's, or a drawn one. Raises ScenarioError, with the point named, if
    the scenario of any point cannot be read.
    """
    source = scenario.source
    if source is None:
        raise ScenarioError("a sweep needs a scenario that was read from a file, with mc.read_scenario")
    chosen = (seed, scenario.simulation.seed)
    plan = SweepPlan(
        scenario_path=str(source.path),
        scenario_text=source.text,
        overrides=source.overrides,
        keys=tuple(one.key for one in sweep.vary),
        points=sweep.points,
        replicas=sweep.replicas,
        seed=next((one for one in chosen if one is not None), secrets.randbits(63)),
    )
    faults: dict[str, None] = {}
    for point in range(len(plan.points)):
        try:
            plan.scenario(point)
        except ScenarioError as error:
            faults |= dict.fromkeys(str(error).replace("--set ", "--vary ").splitlines())
    if faults:
        raise ScenarioError("\n".join(faults))
    return plan


# --- sweep.json ---


def write_plan(folder: Path, plan: SweepPlan) -> None:
    """Write the plan so that a reader sees a whole one or none. Raises SweepError."""
    path = folder / PLAN_NAME
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    content = {"format": "ionmc sweep", "format_version": FORMAT_VERSION, **asdict(plan)}
    try:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        raise SweepError(f"cannot write {path}: {error}") from error


def read_plan(folder: str | os.PathLike[str]) -> SweepPlan:
    """Return the plan of the sweep in a folder. Raises SweepError where there is none that can be read."""
    path = Path(folder) / PLAN_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("format") != "ionmc sweep" or content.pop("format_version") != FORMAT_VERSION:
            raise SweepError(f"{path} is of another version of ionmc")
        for key in ("overrides", "keys"):
            content[key] = tuple(content[key])
        content["points"] = tuple(map(tuple, content["points"]))
        return SweepPlan(**content)
    except FileNotFoundError:
        raise SweepError(f"{folder} holds no sweep: there is no {PLAN_NAME}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SweepError(f"{path} cannot be read: {error}") from None


@functools.lru_cache(maxsize=4)
def plan_of(folder: str, fingerprint: str) -> SweepPlan:
    """Return the plan of a sweep, read once in each process. Raises SweepError if it is not the one meant."""
    plan = read_plan(folder)
    if plan.fingerprint != fingerprint:
        raise SweepError(f"{folder} holds another sweep than the one that this run is of")
    return plan


@functools.lru_cache(maxsize=64)
def scenario_of(folder: str, fingerprint: str, point: int) -> Scenario:
    """Return the scenario of a point, read once for its replicas. Raises McError."""
    return plan_of(folder, fingerprint).scenario(point)


def find_differences(there: SweepPlan, wanted: SweepPlan) -> list[str]:
    """Return in what two plans differ that makes their runs differ, one line each; nothing of the replicas."""
    found = []
    if there.keys != wanted.keys:
        found.append(f"varied there: {', '.join(there.keys) or 'nothing'}; here: {', '.join(wanted.keys)}")
    elif there.points != wanted.points:
        for i, key in enumerate(there.keys):
            old, new = (list(dict.fromkeys(point[i] for point in plan.points)) for plan in (there, wanted))
            if old != new:
                found.append(f"{key} there: {', '.join(old)}; here: {', '.join(new)}")
        if not found:
            found.append("the values are paired in the one and crossed in the other")
    if there.seed != wanted.seed:
        found.append(f"seed there: {there.seed}; here: {wanted.seed}")
    found += _scenario_differences(_content(there), _content(wanted))
    return found


def _content(plan: SweepPlan) -> dict[str, Any]:
    """Return what a scenario says but for its sweep, in internal units."""
    scenario = parse_scenario(plan.scenario_text, Path(plan.scenario_path), plan.overrides)
    content: dict[str, Any] = json.loads(scenario.to_json())
    # The seed is compared as the sweep's root.
    content["simulation"].pop("seed")
    content.pop("sweep")
    return content


def _scenario_differences(there: Any, here: Any, path: str = "") -> list[str]:
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        members = [(str(key), there.get(key), here.get(key)) for key in dict.fromkeys([*there, *here])]
    elif _is_list(there) and _is_list(here) and len(there) == len(here):
        members = [(str(i), *pair) for i, pair in enumerate(zip(there, here, strict=True))]
    else:
        return [] if there == here else [f"{path} there: {_show(there)}; here: {_show(here)}"]
    return [
        line
        for key, one, other in members
        for line in _scenario_differences(one, other, f"{path}.{key}" if path else key)
    ]


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
