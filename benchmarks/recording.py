"""What looking, recording and checkpoints cost of a run at default settings.

    python benchmarks/recording.py [--scenarios resting_potential,patch_2d] [--seconds 10] [--turns 3] [--json FILE]

A shipped scenario, or its first steps, so many as take about so many seconds, is run on one thread and records as the
scenario says. Of its time from the first step to the closed file, what the engine needs for its steps is the run; all
else is recording:

- current: what each record asks of the engine beyond its steps, to know its potential; single ions drift once more;
- looks: observations, and what of "current" the lattice does on the way;
- rows: checking them, filling rows, means of profiles and maps;
- flushes: to the file;
- memory: copies of the last good state, and the checkpoints that come due;
- closing: of the file;
- loop: the rest.

"share" is that of them all in the whole, "by turn" in each of the runs, of which the one in the middle is shown;
"run.h5" is what the file itself says, which counts what is "current" among the steps, and by the clock. Before the
first step comes "creation" of the file, which takes the same for any run. Times are those of the processor, so that
other programs count little. Last comes what a checkpoint every 30 s takes of wall time, since it waits for the disk.
"""

import argparse
import json
import platform
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import mc
from mc import simulation
from mc.engines.base import Engine, Watch
from mc.recording.checkpoint import write_checkpoint
from mc.recording.recorder import Recorder
from mc.scenario.advice import resolve_time_step
from mc.scenario.schema import Scenario
from mc.simulation import CHECKPOINT_INTERVAL, ENGINES, _Run

SCENARIOS = Path(__file__).parents[1] / "scenarios"

PARTS = ("current", "looks", "rows", "flushes", "memory", "closing", "loop")
"""Of recording."""


class Stopwatch:
    """Seconds of the processor by part of a run; what is timed within another part counts there alone."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._within: list[float] = []

    @contextmanager
    def timing(self, part: str) -> Iterator[None]:
        """Count the time of a block."""
        self._within.append(0.0)
        started = time.process_time()
        try:
            yield
        finally:
            spent = time.process_time() - started
            self.seconds[part] += spent - self._within.pop()
            if self._within:
                self._within[-1] += spent

    def listen_to(self, owner: Any, name: str, part: str) -> Any:
        """Return what makes every call of a method or function count as a part, while it lasts."""
        called = getattr(owner, name)

        def timed(*arguments: Any, **named: Any) -> Any:
            with self.timing(part):
                return called(*arguments, **named)

        return mock.patch.object(owner, name, timed)

    def listen_to_steps(self, engine_type: type[Engine]) -> tuple[Any, Any]:
        """Return what tells the steps of an engine from what it does beyond them, while it lasts."""
        advance, watch = engine_type.advance, engine_type.watch

        def timed_advance(engine: Engine, n_steps: int) -> int:
            with self.timing("steps"):
                made = advance(engine, n_steps)
            before = self.seconds["current"]
            with self.timing("current"):
                # No step: what is done once for every record, now and in the call above.
                advance(engine, 0)
            self.seconds["steps"] -= self.seconds["current"] - before
            return made

        def timed_watch(engine: Engine, *how: Any) -> Watch:
            with self.timing("steps"):
                found = watch(engine, *how)
            self.seconds["steps"] -= found.seconds
            self.seconds["looks"] += found.seconds
            return found

        return (
            mock.patch.object(engine_type, "advance", timed_advance),
            mock.patch.object(engine_type, "watch", timed_watch),
        )


class Cost(NamedTuple):
    """Of a run."""

    seconds: Counter[str]
    """Of the processor, by part; those of "steps" and "creation" are none of recording."""
    own_share: float
    """As run.h5 has it."""
    records: int
    file_bytes: int

    @property
    def share(self) -> float:
        """Of recording, of the whole."""
        recording = sum(self.seconds[part] for part in PARTS)
        return recording / (recording + self.seconds["steps"])


def shorten(scenario: Scenario, n_steps: int, time_step: float) -> Scenario:
    """Return a scenario of so many steps, with records as far apart as they were."""
    duration = n_steps * time_step
    recording = scenario.recording
    intervals = ("interval", "profile_interval", "positions_interval")
    return scenario.model_copy(
        update={
            "simulation": scenario.simulation.model_copy(
                update={"duration": duration, "time_step": time_step, "seed": 1}
            ),
            "recording": recording.model_copy(
                update={key: min(getattr(recording, key), duration) for key in intervals}
            ),
        }
    )


def simulate(scenario: Scenario) -> Cost:
    """Make a run and return what it cost."""
    stopwatch, engine_type = Stopwatch(), ENGINES[scenario.simulation.engine]
    listened_to = (
        (engine_type, "observe", "looks"),
        (_Run, "_record", "rows"),
        (_Run, "_record_all", "rows"),
        (_Run, "_write_events", "rows"),
        (_Run, "_remember", "memory"),
        (simulation, "write_checkpoint", "memory"),
        (Recorder, "flush", "flushes"),
        (Recorder, "finish", "closing"),
        (Recorder, "_create", "creation"),
        (_Run, "go", "loop"),
    )
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        for one in listened_to:
            stack.enter_context(stopwatch.listen_to(*one))
        for one in stopwatch.listen_to_steps(engine_type):
            stack.enter_context(one)
        recording = mc.simulate(scenario, folder, threads=1)
        records, attributes = len(recording.time), recording.attributes
        own_share = attributes["recording_seconds"] / attributes["wall_seconds"]
        recording.close()
        return Cost(stopwatch.seconds, own_share, records, (Path(folder) / "run.h5").stat().st_size)


def make_engine(scenario: Scenario, time_step: float) -> Engine:
    """Return the engine of a scenario on one thread."""
    engine: Engine = ENGINES[scenario.simulation.engine](scenario, 1, time_step, 1)
    return engine


def measure(name: str, overrides: list[str], seconds: float, turns: int) -> dict:
    """Return what a scenario costs with its record; of several turns the one in the middle."""
    scenario = mc.read_scenario(SCENARIOS / f"{name}.toml", overrides)
    time_step = resolve_time_step(scenario)
    engine = make_engine(scenario, time_step)
    engine.advance(20)
    started = time.process_time()
    engine.advance(50)
    pace = 50 / (time.process_time() - started)
    most = round(scenario.simulation.duration / time_step)
    n_steps = min(most, int(max(1000, seconds * pace)))
    simulate(shorten(scenario, 2, time_step))
    costs = [simulate(shorten(scenario, n_steps, time_step)) for _ in range(turns)]
    cost = sorted(costs, key=lambda one: one.share)[turns // 2]
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        write_checkpoint(folder, engine.memory(), {})
        checkpoint = time.monotonic() - started
    return {
        "scenario": name,
        "engine": scenario.simulation.engine,
        "ions": engine.n_ions,
        "steps": n_steps,
        "share_of_steps": n_steps / most,
        "records": cost.records,
        "seconds": {part: cost.seconds[part] for part in ("steps", *PARTS, "creation")},
        "recording_share": cost.share,
        "recording_share_by_turn": [one.share for one in costs],
        "recording_share_by_file": cost.own_share,
        "checkpoint_seconds": checkpoint,
        "checkpoint_share": checkpoint / CHECKPOINT_INTERVAL,
        "file_bytes": cost.file_bytes,
    }


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    shipped = ",".join(sorted(path.stem for path in SCENARIOS.glob("*.toml")))
    parser.add_argument("--scenarios", default=shipped, help="all that are shipped by default")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as of ionmc run")
    parser.add_argument("--seconds", type=float, default=10.0, help="of a run")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    columns = " ".join(f"{part:>7s}" for part in PARTS)
    print("Seconds of the processor, by part of the run; in the last columns shares")
    print(
        f"scenario              engine      steps  of all records   steps {columns}  creation   share run.h5 "
        "checkpoints  by turn"
    )
    for name in arguments.scenarios.split(","):
        row = measure(name, arguments.set, arguments.seconds, arguments.turns)
        rows.append(row)
        by_turn = " ".join(f"{share:.1%}" for share in row["recording_share_by_turn"])
        spent = row["seconds"]
        parts = " ".join(f"{spent[part]:7.3f}" for part in PARTS)
        print(
            f"{name:21s} {row['engine']:9s} {row['steps']:7,} {row['share_of_steps']:7.1%} {row['records']:7,} "
            f"{spent['steps']:7.2f} {parts} {spent['creation']:9.3f} {row['recording_share']:7.1%} "
            f"{row['recording_share_by_file']:6.1%} {row['checkpoint_share']:11.2%}  {by_turn}",
            flush=True,
        )
    if arguments.json:
        result = {"machine": platform.processor() or platform.machine(), "recording": rows}
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
