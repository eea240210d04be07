"""A long run, watched: its memory must stay flat, its ledger exact, its file grow with the steps.

    python benchmarks/soak.py [--scenario resting_potential] [--minutes 30] [--threads 2] [--json FILE]

The scenario goes on for so many minutes, far beyond its duration, its recording intervals as they are. The first
tenth of the time, in which kernels are loaded and buffers find their size, does not count. The exit status is 1 if
memory grows by more than 10 MB, if a charge is lost, or if the file's size is off a straight line by more than 5 %.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

import mc
from mc.scenario.advice import resolve_time_step
from mc.simulation import Progress

SCENARIOS = Path(__file__).parents[1] / "scenarios"
MOST_STEPS = 20_000_000
"""More than are made in an hour, and few enough for a disk."""

MOST_GROWTH = 10e6
"""Bytes."""

LARGEST_DEVIATION = 0.05
"""Of the file's size from a straight line, as a share of the last."""


class Over(Exception):
    """The time is up."""


def resident_memory() -> int:
    """Return the bytes of memory that this process has."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Run, watch, judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenario", default="resting_potential")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    path = SCENARIOS / f"{arguments.scenario}.toml"
    scenario = mc.read_scenario(path)
    intervals = {
        f"recording.{key}": f"{getattr(scenario.recording, key)} ns"
        for key in ("interval", "profile_interval", "positions_interval")
    }
    samples: list[tuple[float, int, int, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "run.h5"

        def watch(progress: Progress) -> None:
            if not samples or progress.wall_seconds - samples[-1][0] >= arguments.minutes * 60 / 200:
                size = file.stat().st_size
                samples.append((progress.wall_seconds, progress.step, resident_memory(), size))
            if progress.wall_seconds > arguments.minutes * 60:
                raise Over

        duration = f"{MOST_STEPS * resolve_time_step(scenario)} ns"
        changed = mc.read_scenario(path, {**intervals, "simulation.duration": duration})
        started = time.monotonic()
        with suppress(Over):
            mc.simulate(changed, folder, seed=1, threads=arguments.threads, on_progress=watch)
        with mc.Recording(folder) as recording:
            charge = float(np.abs(recording["ledger_charge"]).max())
            n_steps = int(recording.step[-1])
    wall, step, memory, size = np.array(samples, dtype=float).T
    counted = wall > wall[-1] / 10
    growth = np.polyfit(wall[counted], memory[counted], 1)[0] * (wall[-1] - wall[counted][0])
    line = np.polyval(np.polyfit(step[counted], size[counted], 1), step[counted])
    deviation = float(np.abs(size[counted] - line).max() / size[-1])
    result = {
        "scenario": arguments.scenario,
        "seconds": time.monotonic() - started,
        "steps": n_steps,
        "samples": len(samples),
        "memory_bytes": memory[-1],
        "memory_growth_bytes": growth,
        "memory_over_time_bytes": memory[:: max(1, len(samples) // 20)].tolist(),
        "largest_ledger_charge_e": charge,
        "file_bytes": size[-1],
        "file_deviation_from_line": deviation,
    }
    print(json.dumps(result, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    sys.exit(growth > MOST_GROWTH or charge > 0.0 or deviation > LARGEST_DEVIATION)


if __name__ == "__main__":
    main()
