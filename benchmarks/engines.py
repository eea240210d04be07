"""What a second of the cell's time costs: wall seconds per biological second of the engines.

    python benchmarks/engines.py [--ions 1e4,1e6,1e8,1e9] [--steps 1,3,10] [--proteins 1000] [--seconds 2]
                                 [--json FILE]

A patch of membrane between two baths of 500 nm, with so many gating channels and as many pumps at life's rates, on
the lattice in steps of so many microseconds; the area follows from the number of ions. Below it the particle engine,
with a million ions in steps of 1 ns. The best of several turns is taken for each.
"""

import argparse
import itertools
import json
import platform
import sys
import time
from pathlib import Path

from mc.engines.brownian.engine import BrownianEngine
from mc.engines.lattice.engine import LatticeEngine
from mc.scenario.composition import compose
from mc.scenario.schema import Scenario

TURNS = 5
LENGTH = 500.0
"""nm of either bath."""
INSIDE = {"K": "140 mM", "Na": "12 mM", "Cl": "8 mM", "Ca": "100 nM"}
OUTSIDE = {"K": "5 mM", "Na": "145 mM", "Cl": "115 mM", "Ca": "1.8 mM"}
CHANNELS = {"K": 0.037, "Na": 0.0095, "Cl": 0.03}
"""nm3/ns."""


def make_scenario(area: float, proteins: int, **simulation: str) -> Scenario:
    """Return a patch of an area in nm2."""
    shares = [proteins // 3, proteins // 3, proteins - 2 * (proteins // 3)]
    gating = {
        "states": ["closed", "open"],
        "open": ["open"],
        "rates": {"closed->open": "0.1 /ms", "open->closed": "2 /ms"},
    }
    return Scenario.model_validate(
        {
            "title": "A patch at life's rates",
            "simulation": {"duration": "1 s", **simulation},
            "geometry": {
                "area": f"{area} nm^2",
                "inside_length": f"{LENGTH} nm",
                "outside_length": f"{LENGTH} nm",
            },
            "membrane": {"thickness": "4 nm", "capacitance": "1 uF/cm^2"},
            "inside": INSIDE,
            "outside": OUTSIDE,
            "channels": [
                {
                    "name": name,
                    "count": count,
                    "permeability": {name: f"{permeability} nm^3/ns"},
                    "gating": gating,
                }
                for (name, permeability), count in zip(CHANNELS.items(), shares, strict=True)
                if count
            ],
            "pumps": [{"name": "Na/K-ATPase", "count": proteins, "turnover": "100 /s"}],
        }
    )


def area_of(n_ions: float) -> float:
    """Return the area in nm2 of a patch with about so many ions."""
    return 1e4 * n_ions / compose(make_scenario(1e4, 3)).n_ions


def measure(engine: BrownianEngine | LatticeEngine, seconds: float) -> float:
    """Return the seconds that a step takes, at best."""

    def step(n: int) -> float:
        started, made = time.perf_counter(), 0
        while made < n:
            made += engine.advance(n - made)
            engine.drain_events()
        return (time.perf_counter() - started) / n

    step(1)
    n_steps = max(1, int(seconds / TURNS / step(3)))
    return min(step(n_steps) for _ in range(TURNS))


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ions", default="1e4,1e6,1e8,1e9")
    parser.add_argument("--steps", default="1,3,10", help="us")
    parser.add_argument("--proteins", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each line of the table")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    print("engine       ions  area um2  proteins  step us   us/step  wall seconds per biological second")

    def report(name: str, engine: BrownianEngine | LatticeEngine) -> None:
        cost = measure(engine, arguments.seconds)
        area, proteins = engine.scenario.geometry.area * 1e-6, 2 * engine.state.pumps.each.size
        per_second = cost * 1e9 / engine.time_step
        print(
            f"{name:8s} {engine.n_ions:8.1e} {area:9.3g} {proteins:9d} {engine.time_step * 1e-3:8g} "
            f"{cost * 1e6:9.1f} {per_second:10.3g}"
        )
        sys.stdout.flush()
        rows.append(
            {
                "engine": name,
                "ions": engine.n_ions,
                "proteins": proteins,
                "time_step_ns": engine.time_step,
                "seconds_per_step": cost,
                "wall_seconds_per_biological_second": per_second,
            }
        )

    for n_ions, step in itertools.product(
        map(float, arguments.ions.split(",")), map(float, arguments.steps.split(","))
    ):
        scenario = make_scenario(
            area_of(n_ions), arguments.proteins, engine="lattice", time_step=f"{step} us"
        )
        report("lattice", LatticeEngine(scenario, 1, 1e3 * step))
    scenario = make_scenario(area_of(1e6), 30, time_step="1 ns")
    report("brownian", BrownianEngine(scenario, 1, 1.0))
    if arguments.json:
        result = {"machine": platform.processor() or platform.machine(), "engines": rows}
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
