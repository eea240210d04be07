"""Speed of the particle engine: ion-steps per second of the whole self-consistent step.

    python benchmarks/brownian.py [--ions 1e5,1e6,1e7] [--threads 1,2] [--seconds 3] [--json FILE]

Beside each number stands a bare random walk of the same arrays on the same threads (same generator, same increments,
one reflecting box, no field, no membrane, no deposit), measured in turns with the whole step, so that the ratio means
something on a busy machine. The best of several turns is taken for either.
"""

import argparse
import json
import platform
import sys
import time
from pathlib import Path

import numba
import numpy as np
from numba import float32, int32, prange, uint32

import mc
from mc.compilation import available_threads, parallel
from mc.engines.brownian.engine import BrownianEngine
from mc.engines.brownian.motion import BLOCK, draw_words, reflect

SCENARIO = Path(__file__).parent.parent / "scenarios" / "resting_potential.toml"
TURNS = 5


@parallel
def walk_chunks(positions, words, steps, scale, length):
    """Random-walk all ions for some steps between two walls, block by block."""
    n_chunks = words.shape[0]
    n_blocks = (positions.size + BLOCK - 1) // BLOCK
    for chunk in prange(n_chunks):
        for step in range(steps):
            for block in range(n_blocks * chunk // n_chunks, n_blocks * (chunk + 1) // n_chunks):
                draw_words(words[chunk], uint32(block * (BLOCK // 2)), uint32(step), uint32(1), uint32(2))
                for k in range(min(BLOCK, positions.size - block * BLOCK)):
                    i = block * BLOCK + k
                    centred = float32(int32(words[chunk, k] >> uint32(8)) - int32(1 << 23)) + float32(0.5)
                    positions[i] = reflect(positions[i] + scale * centred, length)


@numba.njit(_nrt=False)
def bare_walk(positions, words, steps, scale, length):
    """`walk_chunks`, callable from Python."""
    walk_chunks(positions, words, steps, scale, length)


def measure(n_ions: float, threads: int, seconds: float) -> dict[str, float]:
    """Return ion-steps per second of the whole step and of the bare walk, in millions."""
    base = mc.read_scenario(SCENARIO)
    ions_per_area = BrownianEngine(base, 1, 0.5).n_ions / base.geometry.area
    scenario = mc.read_scenario(SCENARIO, {"geometry.area": f"{n_ions / ions_per_area} nm^2"})
    engine = BrownianEngine(scenario, 1, 0.5, threads)
    positions = np.abs(engine.state.ions.positions)
    words = np.zeros((threads, BLOCK), dtype=np.uint32)
    numba.set_num_threads(threads)

    def step(n: int) -> None:
        engine.advance(n)
        engine.drain_events()

    def walk(n: int) -> None:
        bare_walk(positions, words, n, np.float32(1e-7), np.float32(25.0))

    best = {}
    for name, act in (("whole_step", step), ("bare_walk", walk)):
        act(1)
        started = time.perf_counter()
        act(3)
        best[name] = (time.perf_counter() - started) / 3
    counts = {name: max(1, int(seconds / TURNS / 2 / duration)) for name, duration in best.items()}
    for _ in range(TURNS):
        for name, act in (("whole_step", step), ("bare_walk", walk)):
            started = time.perf_counter()
            act(counts[name])
            best[name] = min(best[name], (time.perf_counter() - started) / counts[name])
    return {name: engine.n_ions / duration / 1e6 for name, duration in best.items()}


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ions", default="1e5,1e6,1e7")
    parser.add_argument("--threads", default=",".join(str(n) for n in sorted({1, available_threads()})))
    parser.add_argument("--seconds", type=float, default=4.0, help="for each line of the table")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    print(
        f"{'ions':>8} {'threads':>8} {'whole step':>14} {'bare walk':>14} {'ratio':>7}   (million ion-steps/s)"
    )
    for n_ions in (float(text) for text in arguments.ions.split(",")):
        for threads in (int(text) for text in arguments.threads.split(",")):
            speeds = measure(n_ions, threads, arguments.seconds)
            ratio = speeds["whole_step"] / speeds["bare_walk"]
            print(
                f"{n_ions:8.0e} {threads:8d} {speeds['whole_step']:14.0f} {speeds['bare_walk']:14.0f} {ratio:7.2f}"
            )
            sys.stdout.flush()
            rows.append({"ions": n_ions, "threads": threads, **speeds})
    if arguments.json:
        result = {"machine": platform.processor() or platform.machine(), "million_ion_steps_per_second": rows}
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
