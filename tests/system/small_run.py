"""A short run that has whatever must survive: gates, transporters, a clamp, a drug, open ends, a filter."""

import subprocess
import sys

SCENARIO = """
[simulation]
duration = "20 us"
time_step = "1 ns"
engine = "ENGINE"
seed = 5
[geometry]
area = "0.002 um^2"
inside_length = "10 nm"
outside_length = "10 nm"
boundary = "bath"
[membrane]
thickness = "4 nm"
capacitance = "1 uF/cm^2"
[inside]
K = "140 mM"
Cl = "20 mM"
[outside]
K = "20 mM"
Na = "120 mM"
Cl = "120 mM"
[[channels]]
name = "K leak"
count = 40
permeability = { K = "0.03 nm^3/ns" }
gating = { states = ["c", "o"], open = ["o"], rates = { "c->o" = "5 /us", "o->c" = "5 /us" } }
[[transporters]]
use = "kcc2"
count = 20
acceleration = 1e5
[[protocol.voltage]]
start = "2 us"
stop = "4 us"
potential = "-40 mV"
[[protocol.blocks]]
protein = "K leak"
start = "10 us"
fraction = 0.5
[[electrodes]]
name = "tip"
inside = "5 nm"
outside = "5 nm"
low_pass = "5 MHz"
[recording]
interval = "35 ns"
profile_interval = "210 ns"
positions_interval = "500 ns"
"""


def write_scenario(folder, engine):
    """Write the scenario for an engine and return its path."""
    path = folder / "scenario.toml"
    text = SCENARIO.replace("ENGINE", engine)
    if engine == "continuum":
        # Its steps take longer, and may be longer.
        for short, long in (('"1 ns"', '"20 ns"'), ('"35 ns"', '"200 ns"'), ('"210 ns"', '"1 us"')):
            text = text.replace(short, long)
    path.write_text(text, encoding="utf-8")
    return path


def start(*arguments, **process):
    """Start a command of the program on one thread; what it prints on stderr can be read."""
    command = [
        sys.executable,
        "-m",
        "mc",
        *map(str, arguments),
        "--threads",
        "1",
        "--no-figures",
        "--no-report",
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **process)
