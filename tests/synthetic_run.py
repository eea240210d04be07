"""A made-up run, written through the Recorder: random walks with known means instead of a simulation."""

import tomllib
from pathlib import Path

import numpy as np

from mc.recording.layout import (
    COMPLETED,
    ChannelDescription,
    PumpDescription,
    RunDescription,
    SpeciesDescription,
    series_blocks,
    series_columns,
)
from mc.recording.recorder import Recorder
from mc.scenario.schema import Scenario

SCENARIO = """
title = "A made-up neuron"
[simulation]
engine = "brownian"
duration = "6 us"
time_step = "0.5 ns"
seed = 7
[geometry]
dimensions = 1
area = "0.02 um^2"
inside_length = "25 nm"
outside_length = "25 nm"
[membrane]
thickness = "4 nm"
capacitance = "1 uF/cm^2"
[inside]
K = "140 mM"
Na = "12 mM"
Cl = "10 mM"
Ca = "100 nM"
[outside]
K = "5 mM"
Na = "145 mM"
Cl = "115 mM"
Ca = "1.8 mM"
"""

PROTEINS = """
[[channels]]
name = "K leak"
count = 400
permeability = { K = "0.037 nm^3/ns", Na = "0.0004 nm^3/ns" }
gating.states = ["closed", "open"]
gating.open = ["open"]
gating.rates = { "closed->open" = "4 /us", "open->closed" = "1 /us" }
[[channels]]
name = "Na leak"
count = 20
permeability = { Na = "0.03 nm^3/ns" }
[[pumps]]
name = "Na/K-ATPase"
count = 20
turnover = "100 /s"
acceleration = 1e4
"""

TEMPERATURE = 310.15
INSIDE = np.array([140.0, 12.0, 10.0, 1e-4, 142.0])
OUTSIDE = np.array([5.0, 145.0, 115.0, 1.8, 38.6])
VALENCE = np.array([1, 1, -1, 2, -1])
AREA, INSIDE_LENGTH, OUTSIDE_LENGTH, THICKNESS = 20_000.0, 25.0, 25.0, 4.0
CAPACITANCE = 6.2415e-5
REST, CHARGING_TIME, RELAXATION_TIME = -63.0, 300.0, 50.0
"""Mean membrane potential (mV) of the made-up run, and the times (ns) of its charging and of its noise."""

TIME_STEP, INTERVAL_STEPS, N_RECORDS, N_PROFILES, N_FRAMES, N_RECORDED_IONS = 0.5, 20, 600, 60, 6, 50


def describe_synthetic_run(**changes) -> RunDescription:
    """Return a description with five species, two channel types and a pump; `changes` replace fields."""
    half_cells = (np.arange(60) + 0.5) * INSIDE_LENGTH / 60
    edges = np.linspace(0, INSIDE_LENGTH, 61)
    fields = {
        "title": "A made-up neuron",
        "scenario_json": Scenario.model_validate(tomllib.loads(SCENARIO + PROTEINS)).to_json(),
        "clamped_potential": float("nan"),
        "scenario_path": "synthetic.toml",
        "scenario_text": SCENARIO,
        "overrides": ["inside.K=140 mM"],
        "command_line": "ionmc run made_up.toml",
        "seed": 7,
        "engine": "brownian",
        "time_step": TIME_STEP,
        "n_steps": INTERVAL_STEPS * (N_RECORDS - 1),
        "temperature": TEMPERATURE,
        "area": AREA,
        "inside_length": INSIDE_LENGTH,
        "outside_length": OUTSIDE_LENGTH,
        "thickness": THICKNESS,
        "capacitance": CAPACITANCE,
        "species": tuple(
            SpeciesDescription(name, int(valence), diffusion_coefficient)
            for name, valence, diffusion_coefficient in zip(
                ("K", "Na", "Cl", "Ca", "A"), VALENCE, (2.53, 1.77, 2.64, 1.05, 1.0), strict=True
            )
        ),
        "channels": (
            ChannelDescription("K leak", 400, ("closed", "open"), {"K": 0.037, "Na": 0.0004}),
            ChannelDescription("Na leak", 20, ("open",), {"Na": 0.03}),
        ),
        "pumps": (PumpDescription("Na/K-ATPase", 20, 1e4, {"Na": 3}, {"K": 2}),),
        "electrodes": (),
        "n_ions": 175_000,
        "recorded_ions": np.arange(N_RECORDED_IONS) * 3500,
        "recorded_species": np.arange(N_RECORDED_IONS) % 5,
        "cell_position": np.concatenate([half_cells - INSIDE_LENGTH, THICKNESS + half_cells]),
        "cell_width": np.full(120, INSIDE_LENGTH / 60),
        "node_position": np.concatenate([edges - INSIDE_LENGTH, THICKNESS + edges]),
        "cell_y": np.zeros(0),
    }
    fields |= changes
    for key, members in (("channel_y", "channels"), ("pump_y", "pumps")):
        if key not in changes:
            fields[key] = np.zeros(sum(one.count for one in fields[members]))
    return RunDescription(**fields)


def made_up_membrane_potential(time: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return an exponential charging (mV) at `time` (ns) with kT/C noise of `RELAXATION_TIME` added."""
    noise = np.sqrt(8.617333262e-2 * TEMPERATURE / (CAPACITANCE * AREA))
    decay = np.exp(-(time[1] - time[0]) / RELAXATION_TIME)
    kicks = generator.standard_normal(len(time)) * noise * np.sqrt(1 - decay**2)
    fluctuation = np.zeros(len(time))
    for i in range(1, len(time)):
        fluctuation[i] = decay * fluctuation[i - 1] + kicks[i]
    return REST * (1 - np.exp(-time / CHARGING_TIME)) + fluctuation


def permeability_of(description: RunDescription, open_leaks: int) -> np.ndarray:
    """Return the permeability of the membrane to each species, nm3/ns, with so many of the first leak open."""
    total = np.zeros(len(description.species))
    for i, species in enumerate(description.species):
        for channel, n_open in zip(description.channels, (open_leaks, 20), strict=False):
            total[i] += n_open * channel.permeability.get(species.name, 0.0)
    return total


def write_synthetic_run(path: Path, *, n_records: int = N_RECORDS, **changes) -> RunDescription:
    """Write a whole made-up run to `path`, pump cycles at 1 in 100 ns, and return its description."""
    generator = np.random.default_rng(1)
    description = describe_synthetic_run(**changes)
    columns = [column.name for column in series_columns(description)]
    blocks = series_blocks(description)
    steps = np.arange(n_records) * INTERVAL_STEPS
    time = steps * TIME_STEP
    potential = made_up_membrane_potential(time, generator)
    pump_cycles = np.cumsum(generator.random(n_records) < INTERVAL_STEPS * TIME_STEP / 100)
    outward = np.cumsum(generator.poisson(1.0, (n_records, 2, 5)), axis=0) * (INSIDE > 1)
    inward = np.cumsum(generator.poisson(0.8, (n_records, 2, 5)), axis=0) * (OUTSIDE > 1)
    open_leaks = 320 + np.cumsum(generator.integers(-1, 2, n_records))
    volume_factor = 6.02214076e-4 * AREA
    n_inside = np.round(INSIDE * volume_factor * INSIDE_LENGTH)
    n_outside = np.round(OUTSIDE * volume_factor * OUTSIDE_LENGTH)

    with Recorder(path, description) as recorder:
        for i in range(n_records):
            row = np.zeros(len(columns))
            row[blocks["membrane_potential"]] = potential[i]
            row[blocks["charge_separation_potential"]] = potential[i] * 1.02
            row[blocks["ions_inside"]] = n_inside
            row[blocks["ions_outside"]] = n_outside
            row[blocks["bulk_concentration_inside"]] = INSIDE * (1 + 0.01 * generator.standard_normal(5))
            row[blocks["bulk_concentration_outside"]] = OUTSIDE * (1 + 0.01 * generator.standard_normal(5))
            row[blocks["open_channels"]] = open_leaks[i], 20
            row[blocks["permeability"]] = permeability_of(description, open_leaks[i])
            row[blocks["state"]] = 400 - open_leaks[i], open_leaks[i], 20
            row[blocks["crossings_outward"]] = outward[i].ravel()
            row[blocks["crossings_inward"]] = inward[i].ravel()
            row[blocks["pump_cycles"]] = pump_cycles[i]
            recorder.record_series(int(steps[i]), float(time[i]), row)
            if i > 0 and i % (n_records // N_PROFILES) == 0:
                recorder.record_profile(
                    float(time[i]), *_made_up_profiles(description, potential[i], generator)
                )
            if i % (n_records // N_FRAMES) == 0:
                recorder.record_positions(
                    int(steps[i]), float(time[i]), generator.uniform(-25, 0, len(description.recorded_ions))
                )
        recorder.record_crossings(
            {
                "step": np.array([10, 20, 30]),
                "time": np.array([5.0, 10.0, 15.0]),
                "ion": np.array([1, 2, 3], dtype=np.uint32),
                "species": np.array([0, 1, 0], dtype=np.uint8),
                "channel": np.array([5, 410, 7], dtype=np.uint32),
                "direction": np.array([1, -1, 1], dtype=np.int8),
            }
        )
        recorder.finish(COMPLETED, 2.0)
    return description


def _made_up_profiles(
    description: RunDescription, potential: float, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return noisy concentrations (species, cells) with double layers at the membrane, and a potential."""
    x = description.cell_position
    depth = np.where(x < 0, -x, x - THICKNESS)
    bend = np.where(x < 0, -1, 1) * 0.012 * potential * np.exp(-depth / 0.8)
    bulk = np.where(x < 0, INSIDE[:, None], OUTSIDE[:, None])
    mean_ions = (
        bulk * np.exp(-VALENCE[:, None] * bend / 26.7) * 6.02214076e-4 * AREA * description.cell_width * 20
    )
    concentration = generator.poisson(mean_ions) / (6.02214076e-4 * AREA * description.cell_width * 20)
    nodes = description.node_position
    return concentration, potential * np.clip(1 - nodes / THICKNESS, 0, 1)
