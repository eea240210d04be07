"""What the cells of the field change in two dimensions, beside what the time step changes.

    python benchmarks/cells_by_step.py [--duration 120] [--seed 1]

A membrane is held at -70 mV by an amplifier, once between two baths of KCl and once with one wide pore in it that
lets K out to a bath of NaCl. For each time step the field is solved on cells from much smaller than a step to as
large as one. Watched are what sees the field finest: the potential that is lost in the two diffuse layers (what
electrodes read less what the membrane's charge says), how much the drop varies along the membrane, the number of K
within about 2 nm of the inner face, and the net current of K through the pore. The cells that a time step has by
default are marked.
"""

import argparse
import math
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from mc.compilation import available_threads
from mc.engines.brownian.engine import BrownianEngine
from mc.scenario.composition import compose
from mc.scenario.resolution import resolve_grid_spacing, resolve_transverse_cells
from mc.scenario.schema import Scenario

WIDTH, DEPTH, LENGTH = 51.2, 20.0, 16.0
"""nm; an ion is a line of 20 nm here, so that the field of each is strong."""

POTENTIAL, SALT = -70.0, 150.0
"""mV and mM."""

CASES = (
    (0.1, 0.5, 0.8),
    (0.1, 0.8, 1.6),
    (0.5, 0.25, 0.4),
    (0.5, 0.5, 0.8),
    (0.5, 0.762, 1.6),
    (0.5, 1.0, 1.6),
    (0.5, 1.6, 3.2),
    (1.0, 0.5, 0.8),
    (1.0, 0.762, 1.6),
    (1.0, 1.0, 1.6),
    (1.0, 1.6, 3.2),
)
"""Time step in ns, cells across and along the membrane in nm."""

SETTLING, BETWEEN_LOOKS, BLOCKS = 300.0, 5.0, 16
"""ns, ns, and parts of a run that are taken as independent."""

NEAR, FADING = 2.0, 1.0
"""nm from the face, and over how much of that fewer and fewer count: cells should not end where the counting does."""


def make_scenario(time_step: float, spacing: float | None, along: float | None, has_pore: bool) -> Scenario:
    """Return the membrane, with cells of a size or by default."""
    pore = {"diffusion_coefficient": 10.0, "mouth_width": 2.0, "mouth_depth": 1.6}
    channel = {"name": "pore", "count": 1, "permeability": {"K": 1.0, "Na": 1.0}, "placement": [WIDTH / 2.0]}
    cells = {} if spacing is None else {"grid_spacing": spacing, "grid_spacing_y": along}
    return Scenario.model_validate(
        {
            "title": "Cells by step",
            "simulation": {"duration": 1e6, "time_step": time_step, "temperature": "37 degC"},
            "geometry": {
                "dimensions": 2,
                "width": WIDTH,
                "depth": DEPTH,
                "inside_length": LENGTH,
                "outside_length": LENGTH,
                "boundary": "bath",
                **cells,
            },
            "membrane": {"thickness": 4.0, "capacitance": "1 uF/cm^2"},
            "inside": {"K": SALT, "Cl": SALT},
            "outside": {"Na" if has_pore else "K": SALT, "Cl": SALT},
            "channels": [channel | {"pore": pore}] if has_pore else [],
            "protocol": {"voltage": [{"start": 0.0, "potential": POTENTIAL}]},
        },
        context={"internal_units": True},
    )


def look(engine: BrownianEngine) -> tuple[float, float, float, float]:
    """Return the potential of the layers, the drop's variance along the membrane, K near it, and K gone out."""
    state, observed = engine.state, engine.observe()
    assert state.plane is not None
    potential = state.plane.look_potential.reshape(2, state.box.grid.stride, state.plane.mesh.n_along)
    drop = potential[0, 0] - potential[1, 0]
    inside = -engine.locate(np.arange(*state.ions.first_ion[:2])).x
    near = np.clip((NEAR - inside[inside > 0.0]) / FADING + 0.5, 0.0, 1.0).sum()
    crossings = state.pores.crossings[:, 0]
    return (
        observed.membrane_potential - observed.charge_separation_potential,
        float(drop.var()),
        float(near),
        float(crossings[:, 0].sum() - crossings[:, 1].sum()),
    )


def watch(case: tuple[float, float, float], has_pore: bool, duration: float, seed: int) -> np.ndarray:
    """Return what `look` saw every so often, after it has settled; the last as ions since the look before."""
    engine = BrownianEngine(make_scenario(*case, has_pore), seed, case[0], 1)
    steps = round(BETWEEN_LOOKS / case[0])
    engine.advance(round(SETTLING / case[0]))
    looks = []
    for _ in range(round((duration - SETTLING) / BETWEEN_LOOKS) + 1):
        engine.advance(steps)
        engine.drain_events()
        looks.append(look(engine))
    seen = np.array(looks)
    return np.column_stack([seen[1:, :3], np.diff(seen[:, 3])])


def mean_and_error(seen: np.ndarray) -> tuple[float, float]:
    """Return the mean and its standard error, from the means of the blocks."""
    blocks = seen[: seen.size // BLOCKS * BLOCKS].reshape(BLOCKS, -1).mean(axis=1)
    return float(blocks.mean()), float(blocks.std(ddof=1) / math.sqrt(BLOCKS))


def mark_default(case: tuple[float, float, float]) -> str:
    """Return a mark where a time step comes with such cells by default."""
    scenario = make_scenario(case[0], None, None, has_pore=False)
    composition = compose(scenario)
    default = resolve_grid_spacing(scenario, composition, case[0])
    along = WIDTH / resolve_transverse_cells(scenario, composition, case[0])[0]
    return " *" if abs(default - case[1]) < 0.01 and abs(along - case[2]) < 0.01 else ""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--duration", type=float, default=120.0, help="of each run, us")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print(
        "| step (ns) | cells (nm) | layers (mV) | rms of the drop (mV) | K near the face | K through the pore (/us) |"
    )
    print("|---|---|---|---|---|---|")
    with ProcessPoolExecutor(available_threads()) as pool:
        runs = [
            [
                pool.submit(watch, case, has_pore, 1e3 * arguments.duration, arguments.seed)
                for has_pore in (False, True)
            ]
            for case in CASES
        ]
        for case, (closed, open_) in zip(CASES, runs, strict=True):
            seen = closed.result()
            layers, variance, near = (mean_and_error(one) for one in seen.T[:3])
            current = mean_and_error(open_.result()[:, 3] / BETWEEN_LOOKS * 1e3)
            rms = math.sqrt(variance[0])
            print(
                f"| {case[0]:g} | {case[1]:g} by {case[2]:g}{mark_default(case)} | {layers[0]:.2f} ± {layers[1]:.2f} "
                f"| {rms:.2f} ± {variance[1] / 2.0 / rms:.2f} | {near[0]:.1f} ± {near[1]:.1f} "
                f"| {current[0]:.1f} ± {current[1]:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
