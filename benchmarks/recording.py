"""What looking, recording and checkpoints cost of a run at default settings.

    python benchmarks/recording.py [--scenarios resting_potential,patch_2d] [--seconds 10] [--turns 3] [--json FILE]

The first steps of a shipped scenario, so many as take about so many seconds, are made by a run that records as the
scenario says. Of its time from the first step to the end, what the engine needs for its steps is the run; all else
is recording: what each record asks of the engine beyond its steps (to be up to date with its drift and potential),
observations, rows, flushes. Times are those of the processor, so that other programs count little. To it comes the
wall time of a checkpoint every 30 s, which waits for the disk.
"""

import argparse
import json
import platform
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import mc
from mc.engines.base import Engine
from mc.recording.checkpoint import write_checkpoint
from mc.scenario.advice import resolve_time_step
from mc.scenario.schema import Scenario
from mc.simulation import CHECKPOINT_INTERVAL, ENGINES, _Run

SCENARIOS = Path(__file__).parents[1] / "scenarios"


class Cost(NamedTuple):
    """Seconds of the processor in a run."""

    steps: float
    looks: float
    """Of the engine, beyond its steps."""
    rest: float
    records: int

    @property
    def share(self) -> float:
        """Of recording, beside the steps."""
        return (self.looks + self.rest) / self.steps


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


def simulate(scenario: Scenario) -> tuple[Cost, int]:
    """Make a run; return what it cost and the bytes of its file."""
    spent = {"run": 0.0, "engine": 0.0, "looks": 0.0}
    engine_type = ENGINES[scenario.simulation.engine]

    class TimedEngine(engine_type):  # type: ignore[misc, valid-type]
        def advance(self, n_steps: int) -> int:
            started = time.process_time()
            made: int = super().advance(n_steps)
            stepped = time.process_time()
            # No step: what is done once for every record.
            super().advance(0)
            spent["looks"] += time.process_time() - stepped
            spent["engine"] += stepped - started
            return made

    go = _Run.go

    def timed_go(run: _Run) -> None:
        started = time.process_time()
        go(run)
        spent["run"] += time.process_time() - started

    ENGINES[scenario.simulation.engine] = TimedEngine
    _Run.go = timed_go  # type: ignore[method-assign]
    try:
        with tempfile.TemporaryDirectory() as folder:
            recording = mc.simulate(scenario, folder, threads=1)
            records = len(recording.time)
            recording.close()
            size = (Path(folder) / "run.h5").stat().st_size
    finally:
        ENGINES[scenario.simulation.engine] = engine_type
        _Run.go = go  # type: ignore[method-assign]
    steps = spent["engine"] - spent["looks"]
    return Cost(steps, spent["looks"], spent["run"] - spent["engine"] - spent["looks"], records), size


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
    results = [simulate(shorten(scenario, n_steps, time_step)) for _ in range(turns)]
    cost = sorted((cost for cost, _ in results), key=lambda one: one.share)[turns // 2]
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        write_checkpoint(folder, engine.memory(), {})
        checkpoint = time.monotonic() - started
    return {
        "scenario": name,
        "engine": scenario.simulation.engine,
        "ions": engine.n_ions,
        "steps": n_steps,
        "records": cost.records,
        "seconds_of_steps": cost.steps,
        "seconds_of_looks": cost.looks,
        "seconds_of_recording": cost.rest,
        "recording_share": cost.share,
        "recording_share_by_turn": [one.share for one, _ in results],
        "checkpoint_seconds": checkpoint,
        "checkpoint_share": checkpoint / CHECKPOINT_INTERVAL,
        "file_bytes": results[0][1],
    }


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenarios", default="resting_potential,patch_2d,action_potential")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as of ionmc run")
    parser.add_argument("--seconds", type=float, default=10.0, help="of a run")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    print(
        "scenario              engine       ions    steps  records steps s  looks recording  share  by turn          "
        "checkpoints"
    )
    for name in arguments.scenarios.split(","):
        row = measure(name, arguments.set, arguments.seconds, arguments.turns)
        rows.append(row)
        by_turn = " ".join(f"{share:.1%}" for share in row["recording_share_by_turn"])
        print(
            f"{name:21s} {row['engine']:8s} {row['ions']:8,} {row['steps']:8,} {row['records']:8,} "
            f"{row['seconds_of_steps']:7.2f} {row['seconds_of_looks']:6.3f} {row['seconds_of_recording']:9.3f} "
            f"{row['recording_share']:6.1%}  {by_turn}  {row['checkpoint_share']:.2%}",
            flush=True,
        )
    if arguments.json:
        result = {"machine": platform.processor() or platform.machine(), "recording": rows}
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
