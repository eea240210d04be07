"""Runs with ions moved on a device beside runs on the processor; prints as JSON in what they differ.

The device is a GPU, or with NUMBA_ENABLE_CUDASIM=1 in the environment numba's simulator of one.
"""

import json
import sys
from pathlib import Path

import numpy as np

import mc
from mc.engines.brownian.engine import BrownianEngine
from mc.engines.brownian.motion import BEYOND, BLOCK
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


def differing_arrays(scenario: Scenario, n_steps: int, other_key: bool) -> tuple[list[str], BrownianEngine]:
    """Return which arrays of two engines differ after some steps, and the engine on the device."""
    on_device = BrownianEngine(scenario, SEED, 0.5, device="cuda")
    on_processor = BrownianEngine(scenario, SEED, 0.5)
    if other_key:
        on_device.state.keys.diffusion[0] ^= 1
    for engine in (on_device, on_processor):
        while engine.step < n_steps:
            engine.advance(n_steps - engine.step)
    moved, expected = on_device.memory(), on_processor.memory()
    return [name for name in expected if not np.array_equal(moved[name], expected[name])], on_device


def seconds_of_threads(engine: BrownianEngine) -> np.ndarray:
    """Return the ions that are moved by a thread after another one: those of the second halves of blocks."""
    ions = engine.state.ions
    return np.concatenate(
        [np.arange(i + BLOCK // 2, j) for i, j in zip(ions.block_start, ions.block_stop, strict=True)]
    )


def main(folder: Path) -> None:
    """Compare engines, whole recordings, and a repetition with what it repeats."""
    path = folder / "tiny.toml"
    path.write_text(TINY, encoding="utf-8")
    scenario = mc.read_scenario(path)
    differing_names, engine = differing_arrays(scenario, 8, other_key=False)
    other_names, _ = differing_arrays(scenario, 2, other_key=True)
    for device in ("cpu", "cuda"):
        mc.simulate(scenario, folder / device, device=device).close()
    rerun(folder / "cuda", folder / "again").close()
    seen = engine.observe()
    result = {
        "differing": differing_names,
        "differing_with_another_key": other_names,
        "what_happened": {
            "ions entered pores or crossed": int(seen.crossings.sum() + seen.ions_in_pores.sum()),
            "ions came and went": int(seen.exchanged.sum(axis=(0, 1)).min()),
            "pumps turned": int(seen.pump_cycles.sum()),
            "electrodes moved ions": int(seen.injected_charge),
            "threads moved a second ion": int((seen.positions[seconds_of_threads(engine)] < BEYOND).sum()),
        },
        "recordings_differ": differing(folder / "cpu", folder / "cuda"),
        "repetition_differs": differing(folder / "cuda", folder / "again"),
        "device_of_repetition": read_recorded_plan(folder / "again").device,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
