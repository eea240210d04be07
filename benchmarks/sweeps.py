"""What a sweep costs beyond its runs: time per run, and the memory of the process that leads it.

    python benchmarks/sweeps.py [RUNS] [JOBS]

Short runs on the lattice, 100 steps with a record each. What a run itself takes is the time of its loop over steps
and records, as its summary tells; the rest is building it, its file, its averages, and handing it out. With several
jobs the overhead is that of each job. With one job it is also told in time of the processor, as it would be on a
machine that is not busy otherwise.
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from mc.ensemble.sweep import sweep
from mc.scenario.reading import read_scenario

SCENARIO = Path(__file__).parents[1] / "scenarios" / "potassium_sweep.toml"
SHORT = ["simulation.duration=1 us", "simulation.time_step=10 ns"]


def megabytes() -> float:
    """Return the memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


def main(n_runs: int, jobs: int) -> None:
    """Run, and print a line for the costs of a run and the memory after each quarter of them."""
    scenario = read_scenario(SCENARIO, SHORT)
    replicas = n_runs // len(scenario.sweep.points)
    n_runs = replicas * len(scenario.sweep.points)
    memory: dict[int, float] = {}
    first_end = processor_at_first_end = 0.0

    def note(progress) -> None:
        nonlocal first_end, processor_at_first_end
        if progress.n_ended == 1 and not first_end:
            # The first one also loads the kernels.
            first_end, processor_at_first_end = time.perf_counter(), time.process_time()
        quarter = 4 * progress.n_ended // n_runs
        if progress.n_ended:
            memory.setdefault(quarter, megabytes())

    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        sweep(scenario, folder, replicas=replicas, jobs=jobs, on_progress=note)
        ended, processor_at_end = time.perf_counter(), time.process_time()
        files = list(Path(folder).glob("point-*/replica-*/summary.json"))
        summaries = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    itself = sum(summary["wall_seconds"] for summary in summaries) / len(summaries)
    each = jobs * (ended - first_end) / (len(summaries) - 1)
    print(f"{len(summaries)} runs, {jobs} jobs: {ended - started:.1f} s, start {first_end - started:.1f} s")
    print(
        f"each {1000 * each:.1f} ms: {1000 * itself:.1f} ms the run itself, {1000 * (each - itself):.1f} ms overhead"
    )
    if jobs == 1:
        processor = (processor_at_end - processor_at_first_end) / (len(summaries) - 1)
        overhead = 1000 * processor * (1.0 - itself / each)
        print(f"in time of the processor {1000 * processor:.1f} ms, of which {overhead:.1f} ms are overhead")
    print("memory of the leading process, MB:", ", ".join(f"{memory[key]:.0f}" for key in sorted(memory)))


if __name__ == "__main__":
    main(*(int(word) for word in [*sys.argv[1:], *["1000", "1"][len(sys.argv) - 1 :]]))
