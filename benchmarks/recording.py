"""What looking, recording and checkpoints cost of a run at default settings.

    python benchmarks/recording.py [--scenarios resting_potential,patch_2d] [--seconds 10] [--turns 3] [--json FILE]

The first steps of a shipped scenario, so many as take about so many seconds, are made by the engine alone and,
in turn, by a run that records as the scenario says and keeps a checkpoint every 30 s, less what a run of two
steps takes. Times are those of the processor, so that other programs do not count; of a checkpoint, which waits
for the disk, it is the wall time. Looking costs in the engine too, which has to be up to date with its drift.
"""

import argparse
import json
import platform
import tempfile
import time
from pathlib import Path

import mc
from mc.engines.base import Engine
from mc.recording.checkpoint import write_checkpoint
from mc.scenario.advice import resolve_time_step
from mc.scenario.schema import Scenario
from mc.simulation import CHECKPOINT_INTERVAL, ENGINES

SCENARIOS = Path(__file__).parents[1] / "scenarios"
PIECE = 100
"""Steps that the engine makes at a time by itself, so that its events find room."""


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


def simulate(scenario: Scenario) -> tuple[float, int]:
    """Make a run; return the seconds of the processor that it took and the bytes of its file."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        mc.simulate(scenario, folder, threads=1).close()
        return time.process_time() - started, (Path(folder) / "run.h5").stat().st_size


def make_engine(scenario: Scenario, time_step: float) -> Engine:
    """Return the engine of a scenario on one thread."""
    engine: Engine = ENGINES[scenario.simulation.engine](scenario, 1, time_step, 1)
    return engine


def advance(engine: Engine, n_steps: int) -> float:
    """Make steps and return the seconds of the processor that they took."""
    started, last = time.process_time(), engine.step + n_steps
    while engine.step < last:
        engine.advance(min(PIECE, last - engine.step))
        engine.drain_events()
    return time.process_time() - started


def measure(name: str, seconds: float, turns: int) -> dict:
    """Return what a scenario costs with and without its record, at best."""
    scenario = mc.read_scenario(SCENARIOS / f"{name}.toml")
    time_step = resolve_time_step(scenario)
    engine = make_engine(scenario, time_step)
    advance(engine, 20)
    most = round(scenario.simulation.duration / time_step)
    n_steps = min(most, int(max(1000, seconds * 50 / advance(engine, 50))))
    whole_scenario, nothing = (shorten(scenario, steps, time_step) for steps in (n_steps, 2))
    simulate(nothing)
    bare, whole = [], []
    for _ in range(turns):
        engine = make_engine(scenario, time_step)
        bare.append(advance(engine, n_steps))
        without_steps, _ = simulate(nothing)
        taken, size = simulate(whole_scenario)
        whole.append(taken - without_steps)
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        write_checkpoint(folder, engine.memory(), {})
        checkpoint = time.monotonic() - started
    return {
        "scenario": name,
        "engine": scenario.simulation.engine,
        "ions": engine.n_ions,
        "steps": n_steps,
        "seconds_of_steps": min(bare),
        "seconds_of_run": min(whole),
        "recording_share": min(whole) / min(bare) - 1.0,
        "recording_share_by_turn": [one / other - 1.0 for one, other in zip(whole, bare, strict=True)],
        "checkpoint_seconds": checkpoint,
        "checkpoint_share": checkpoint / CHECKPOINT_INTERVAL,
        "file_bytes": size,
    }


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenarios", default="resting_potential,patch_2d,action_potential")
    parser.add_argument("--seconds", type=float, default=10.0, help="of a run")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    print(
        "scenario              engine       ions    steps  bare s   run s  recording  by turn          checkpoints"
    )
    for name in arguments.scenarios.split(","):
        row = measure(name, arguments.seconds, arguments.turns)
        rows.append(row)
        by_turn = " ".join(f"{share:+.1%}" for share in row["recording_share_by_turn"])
        print(
            f"{name:21s} {row['engine']:8s} {row['ions']:8,} {row['steps']:8,} {row['seconds_of_steps']:7.2f} "
            f"{row['seconds_of_run']:7.2f} {row['recording_share']:9.1%}  {by_turn}  {row['checkpoint_share']:.2%}",
            flush=True,
        )
    if arguments.json:
        result = {"machine": platform.processor() or platform.machine(), "recording": rows}
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
