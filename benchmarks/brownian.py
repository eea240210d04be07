"""Speed of the particle engine: ion-steps per second of the whole self-consistent step.

    python benchmarks/brownian.py [--dimensions 1,2] [--ions 1e5,1e6] [--threads 1,2] [--device cuda] [--json FILE]

Beside each number stands a bare random walk of as many coordinates on the same threads (same random words, same
increments, one box, no field, no membrane, no deposit), and the shares of the step: moving and depositing
the ions, finding the field from the charges, gates and pumps; the rest is crossing, exchange and sorting. All
are measured in turns, so that the ratios mean something on a busy machine; the best of several turns is taken. With
--device cuda the step moves its ions on a GPU; the bare walk stays on the processor.
"""

import argparse
import itertools
import json
import math
import platform
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numba
import numpy as np
from numba import prange, uint32
from soak import resident_memory

import mc
from mc.compilation import available_threads, entry_point, internal, parallel
from mc.engines.brownian import stepping
from mc.engines.brownian.engine import BrownianEngine
from mc.engines.brownian.motion import BLOCK, centre, draw_words, reflect
from mc.engines.brownian.plane_motion import centre_normal, centre_transverse
from mc.engines.brownian.sorting import SORT_EVERY
from mc.engines.devices import DEVICES, Device
from mc.scenario.composition import compose

SCENARIOS = Path(__file__).parent.parent / "scenarios"
RESTING = {1: ("resting_potential.toml", "area", "nm^2"), 2: ("patch_2d.toml", "depth", "nm")}
"""The scenario of so many dimensions, and what its number of ions is proportional to."""
TURNS = 5


@internal
def walk_on_line(positions, words, scale, length):
    """Let the ions of a block make a step between two walls."""
    for k in range(positions.size):
        positions[k] = reflect(positions[k] + scale * centre(words[k]), length)


@internal
def walk_in_plane(positions, places, words, scale, length):
    """Let them make one along two axes, between walls and around a periodic one, with one random word for both."""
    for k in range(positions.size):
        positions[k] = reflect(positions[k] + scale * centre_normal(words[k]), length)
    for k in range(positions.size):
        moved = places[k] + scale * centre_transverse(words[k])
        places[k] = moved - length * np.floor(moved / length)


@parallel
def walk_chunks(positions, words, steps, scale, length):
    """Random-walk all ions, (axes, ions), for some steps, block by block."""
    n_chunks = words.shape[0]
    n_ions = positions.shape[1]
    n_blocks = (n_ions + BLOCK - 1) // BLOCK
    for chunk in prange(n_chunks):
        for step in range(steps):
            for block in range(n_blocks * chunk // n_chunks, n_blocks * (chunk + 1) // n_chunks):
                draw_words(words[chunk], uint32(block * (BLOCK // 2)), uint32(step), uint32(1), uint32(2))
                start, stop = block * BLOCK, min((block + 1) * BLOCK, n_ions)
                if positions.shape[0] == 1:
                    walk_on_line(positions[0, start:stop], words[chunk], scale, length)
                else:
                    walk_in_plane(
                        positions[0, start:stop], positions[1, start:stop], words[chunk], scale, length
                    )


@numba.njit(_nrt=False)
def bare_walk(positions, words, steps, scale, length):
    """`walk_chunks`, callable from Python."""
    walk_chunks(positions, words, steps, scale, length)


@entry_point
def solve_field(state):
    """Find the field of the present charges, as at the start of a step that refreshes nothing."""
    stepping.solve(state.box, state.ions, state.sums, state.pores, state.field, -1, state.plane, state.line)


@entry_point
def move_ions(state):
    """Sort where it is due, drift, diffuse and deposit all ions as a step does."""
    step = state.step[0]
    state.step[0] = step + 1
    if step % SORT_EVERY == 0:
        stepping.sort(state.ions, state.pores, state.reservoirs, state.scratch, state.plane)
    stepping.move(
        state.box,
        state.ions,
        state.scratch,
        state.field,
        state.sums,
        state.keys,
        step,
        state.leavers,
        state.plane,
        state.line,
    )


@entry_point
def gate_and_pump(state):
    """Let every gate and pump act once."""
    stepping.gate(
        state.channels,
        1,
        state.box.time_step,
        state.keys.waiting,
        state.keys.transition,
        state.events.transitions,
    )
    stepping.pump(
        state.pumps,
        1,
        state.box,
        state.ions.positions,
        state.ions.first_ion,
        state.sums,
        state.field,
        state.keys.pump,
        state.keys.pump_direction,
        state.events.pump_moves,
        state.plane,
    )


def occupy(dimensions: int, n_ions: float) -> tuple[int, int]:
    """Return the number of ions of a run that has begun, and the memory of its process."""
    engine = make_engine(dimensions, n_ions, 1)
    engine.advance(2)
    return engine.n_ions, resident_memory()


def bytes_per_ion(dimensions: int) -> float:
    """Return by how much the memory of a run grows with each ion: what is used, not what is reserved."""
    fresh = get_context("spawn")
    grown = []
    for n_ions in (2e6, 1e7):
        with ProcessPoolExecutor(1, mp_context=fresh) as process:
            grown.append(process.submit(occupy, dimensions, n_ions).result())
    (few, least), (many, most) = grown
    return (most - least) / (many - few)


def make_engine(dimensions: int, n_ions: float, threads: int, device: Device = "cpu") -> BrownianEngine:
    """Return a resting membrane with about so many ions."""
    name, size, unit = RESTING[dimensions]
    base = mc.read_scenario(SCENARIOS / name)
    per_size = compose(base).n_ions / getattr(base.geometry, size)
    scenario = mc.read_scenario(SCENARIOS / name, {f"geometry.{size}": f"{n_ions / per_size} {unit}"})
    return BrownianEngine(scenario, 1, 0.5, threads, device=device)


PHASES = {"move": move_ions, "field": solve_field, "gates_and_pumps": gate_and_pump}


def measure(
    dimensions: int, n_ions: float, threads: int, seconds: float, device: Device = "cpu"
) -> dict[str, float]:
    """Return ion-steps per second of the whole step and of the bare walk, in millions, and the step's shares."""
    engine = make_engine(dimensions, n_ions, threads, device)
    phases = PHASES if engine.mover is None else PHASES | {"move": engine.mover.move}
    positions = np.tile(np.abs(engine.state.ions.positions), (dimensions, 1))
    words = np.zeros((threads, BLOCK), dtype=np.uint32)
    numba.set_num_threads(threads)

    def step(n: int) -> None:
        engine.advance(n)
        engine.drain_events()

    def walk(n: int) -> None:
        bare_walk(positions, words, n, np.float32(1e-7), np.float32(25.0))

    def repeat(phase: Callable) -> Callable[[int], None]:
        def act(n: int) -> None:
            for _ in range(n):
                phase(engine.state)
            engine.drain_events()

        return act

    def duration(act: Callable[[int], None], n: int) -> float:
        started = time.perf_counter()
        act(n)
        return time.perf_counter() - started

    def duration_of_one(name: str, n: int) -> float:
        # Steps end with a look, which is no part of them.
        look = duration(step, 0) if name == "whole_step" else 0.0
        return (duration(acts[name], n) - look) / n

    # Phases last: they act on the ions out of turn.
    acts = {"whole_step": step, "bare_walk": walk}
    acts |= {name: repeat(phase) for name, phase in phases.items()}
    for act in acts.values():
        act(1)
    counts = {name: max(1, int(seconds / TURNS / 3 / (duration(act, 3) / 3))) for name, act in acts.items()}
    # Many more than the one look that is taken off.
    counts["whole_step"] = max(counts["whole_step"], 20)
    if dimensions == 2:
        # Whole rounds from one sorting of the ions to the next.
        counts["whole_step"] = math.ceil(counts["whole_step"] / SORT_EVERY) * SORT_EVERY
    best = dict.fromkeys(acts, math.inf)
    for _ in range(TURNS):
        for name in acts:
            best[name] = min(best[name], duration_of_one(name, counts[name]))
    speeds = {name: engine.n_ions / best[name] / 1e6 for name in ("whole_step", "bare_walk")}
    return speeds | {f"{name}_share": best[name] / best["whole_step"] for name in PHASES}


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dimensions", default="1,2")
    parser.add_argument("--ions", default="1e5,1e6,1e7")
    parser.add_argument("--threads", default=",".join(str(n) for n in sorted({1, available_threads()})))
    parser.add_argument("--device", choices=DEVICES, default="cpu", help="where the ions are moved")
    parser.add_argument("--seconds", type=float, default=4.0, help="for each line of the table")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    print(
        "dimensions    ions threads  whole step   bare walk  ratio   move  field  gates (million ion-steps/s)"
    )
    for dimensions, n_ions, threads in itertools.product(
        map(int, arguments.dimensions.split(",")),
        map(float, arguments.ions.split(",")),
        map(int, arguments.threads.split(",")),
    ):
        speeds = measure(dimensions, n_ions, threads, arguments.seconds, arguments.device)
        ratio = speeds["whole_step"] / speeds["bare_walk"]
        print(
            f"{dimensions:10d} {n_ions:7.0e} {threads:7d} {speeds['whole_step']:11.0f} {speeds['bare_walk']:11.0f} "
            f"{ratio:6.2f} " + " ".join(f"{speeds[f'{name}_share']:6.1%}" for name in PHASES)
        )
        sys.stdout.flush()
        rows.append({"dimensions": dimensions, "ions": n_ions, "threads": threads, **speeds})
    if arguments.json:
        result = {
            "machine": platform.processor() or platform.machine(),
            "device": arguments.device,
            "million_ion_steps_per_second": rows,
        }
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
