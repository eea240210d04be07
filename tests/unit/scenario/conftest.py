from pathlib import Path

import pytest

from mc.errors import ScenarioError
from mc.scenario.reading import read_scenario

SMALL_SCENARIO = """\
title = "Small"

[simulation]
duration = "2 us"
time_step = "0.5 ns"
seed = 1

[geometry]
area = "0.01 um^2"
inside_length = "20 nm"
outside_length = "30 nm"

[membrane]
thickness = "4 nm"
capacitance = "1 uF/cm^2"

[inside]
K = "140 mM"
Cl = "10 mM"

[outside]
K = "5 mM"
Na = "145 mM"
Cl = "115 mM"

[[channels]]
name = "K leak"
count = 100
permeability = { K = "0.037 nm^3/ns" }

[[pumps]]
name = "Na/K-ATPase"
count = 5
turnover = "100 /s"
"""


@pytest.fixture
def scenario_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL_SCENARIO)
    return path


@pytest.fixture
def read(scenario_file):
    """Read the small scenario, changed by overrides."""

    def read_with(*overrides: str):
        return read_scenario(scenario_file, overrides)

    return read_with


@pytest.fixture
def read_2d(read):
    """Read the small scenario in two dimensions, the same area as a line, changed by overrides."""
    line = 'geometry={dimensions=2, width="200 nm", depth="50 nm", inside_length="20 nm", outside_length="30 nm"}'

    def read_with(*overrides: str):
        return read(line, *overrides)

    return read_with


@pytest.fixture
def fault_of(read):
    """Read the small scenario, changed by overrides that are wrong in one thing, and return the line that says so."""

    def read_with(*overrides: str) -> str:
        with pytest.raises(ScenarioError) as error:
            read(*overrides)
        [line] = str(error.value).splitlines()
        return line

    return read_with
