"""Runs with ions moved on a device beside runs on the processor; prints as JSON in what they differ.

The device is a GPU, or with NUMBA_ENABLE_CUDASIM=1 in the environment numba's simulator of one.
"""

import json
import sys
from pathlib import Path

import numpy as np

import mc
from mc.engines.brownian import stepping
from mc.engines.brownian.engine import BrownianEngine
from mc.engines.brownian.motion import BEYOND, BLOCK
from mc.engines.brownian.sorting import SORT_EVERY
from mc.lineage import read_recorded_plan, rerun
from mc.recording.identity import differing
from mc.scenario.schema import Scenario

SEED = 3
TINY = """
# As few ions as make some threads move two. Far ends are open, so that ions come and go.
title = "Tiny"
simulation = { duration = "1 ns", time_step = "0.5 ns", seed = 3 }
geometry = { area = "900 nm^2", inside_length = "8 nm", outside_length = "12 nm", boundary = "bath" }
membrane = { thickness = "4 nm", capacitance = "1 uF/cm^2" }
inside = { K = "140 mM", Na = "40 mM", Cl = "140 mM" }
outside = { K = "20 mM", Na = "120 mM", Cl = "140 mM" }
recording = { interval = "0.5 ns", profile_interval = "0.5 ns", positions_interval = "0.5 ns" }

[[channels]]
name = "K leak"
count = 60
permeability = { K = "0.04 nm^3/ns", Na = "0.01 nm^3/ns" }

[channels.gating]
states = ["closed", "open"]
open = ["open"]
rates = { "closed->open" = "50 /us", "open->closed" = "20 /us" }

[[channels]]
name = "Cl leak"
# So many that several ions enter in a step: then it matters in which order.
count = 600
permeability = { Cl = "0.03 nm^3/ns" }

[[pumps]]
name = "Na/K-ATPase"
count = 10
turnover = "100 /s"
acceleration = 5e6

[[protocol.current]]
start = "0.5 ns"
current = "1 nA"
"""

AREA, DURATION, CURRENT = 'area = "900 nm^2"', 'duration = "1 ns"', 'start = "0.5 ns"'
PLANE = 'dimensions = 2, width = "60 nm", depth = "15 nm", grid_spacing = "0.5 nm"'
LATER, CURRENT_LATER = 'duration = "1 us"', 'start = "31.5 ns"'
"""What stands for these in two dimensions: the first sorting after the start is at 32 ns."""


def differing_arrays(
    scenario: Scenario,
    n_steps: int,
    *,
    first_step: int = 0,
    other_key: bool = False,
    clamped_potential: float | None = None,
) -> tuple[list[str], BrownianEngine]:
    """Return which arrays of two engines differ after some steps, and the engine on the device."""
    on_device = BrownianEngine(scenario, SEED, 0.5, clamped_potential=clamped_potential, device="cuda")
    on_processor = BrownianEngine(scenario, SEED, 0.5, clamped_potential=clamped_potential)
    if other_key:
        on_device.state.keys.diffusion[0] ^= 1
    for engine in (on_device, on_processor):
        # As if it had made the steps before.
        engine.state.step[0] = first_step
        while engine.step < first_step + n_steps:
            engine.advance(first_step + n_steps - engine.step)
    moved, expected = on_device.memory(), on_processor.memory()
    return [name for name in expected if not np.array_equal(moved[name], expected[name])], on_device


def seconds_of_threads(engine: BrownianEngine) -> np.ndarray:
    """Return the ions that are moved by a thread after another one: those of the second halves of blocks."""
    ions = engine.state.ions
    return np.concatenate(
        [np.arange(i + BLOCK // 2, j) for i, j in zip(ions.block_start, ions.block_stop, strict=True)]
    )


def what_happened(engine: BrownianEngine) -> dict[str, int]:
    """Return how often what else moves ions has done so, and how many were the second ones of threads."""
    seen = engine.observe()
    return {
        "ions entered pores or crossed": int(seen.crossings.sum() + seen.ions_in_pores.sum()),
        "ions came and went": int(seen.exchanged.sum(axis=(0, 1)).min()),
        "pumps turned": int(seen.pump_cycles.sum()),
        "electrodes moved ions": int(seen.injected_charge),
        "threads moved a second ion": int(
            (engine.state.ions.positions[seconds_of_threads(engine)] < BEYOND).sum()
        ),
    }


def read(folder: Path, name: str, text: str) -> Scenario:
    """Return a scenario from its text."""
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return mc.read_scenario(path)


def main(folder: Path) -> None:
    """Compare engines, whole recordings, and a repetition with what it repeats."""
    scenario = read(folder, "line", TINY)
    changed = TINY.replace(AREA, PLANE).replace(DURATION, LATER).replace(CURRENT, CURRENT_LATER)
    in_plane = read(folder, "plane", changed)
    senseless = read(folder, "senseless", changed[: changed.index("[[pumps]]")])
    # Up to the step in which ions are sorted and the field is factorised anew, and beyond.
    begin = {"first_step": SORT_EVERY - 2}
    cases = {
        "line": differing_arrays(scenario, 8),
        "plane": differing_arrays(in_plane, 5, **begin),
        "clamped plane": differing_arrays(in_plane, 3, **begin, clamped_potential=-60.0),
        "clamped plane without pumps": differing_arrays(senseless, 3, **begin, clamped_potential=-60.0),
    }
    others = {
        "line": differing_arrays(scenario, 2, other_key=True)[0],
        "plane": differing_arrays(in_plane, 2, other_key=True)[0],
    }
    happened = {case: what_happened(cases[case][1]) for case in ("line", "plane")}
    planes = {case: engine for case, (_, engine) in cases.items() if engine.state.plane is not None}
    for device in ("cpu", "cuda"):
        mc.simulate(scenario, folder / device, device=device).close()
    rerun(folder / "cuda", folder / "again").close()
    result = {
        "differing": {case: names for case, (names, _) in cases.items()},
        "differing_with_another_key": others,
        "what_happened": happened,
        "is_deposited": {
            case: bool(stepping.find_deposit(engine.state)[0]) for case, engine in planes.items()
        },
        "is_sorted": {
            case: bool((engine.state.plane.names != np.arange(engine.n_slots)).any())
            for case, engine in planes.items()
        },
        "recordings_differ": differing(folder / "cpu", folder / "cuda"),
        "repetition_differs": differing(folder / "cuda", folder / "again"),
        "device_of_repetition": read_recorded_plan(folder / "again").device,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
