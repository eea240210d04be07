"""`ionmc compare` from the command line: both engines run, the numbers in JSON, clear errors."""

import json

import pytest
from click.testing import CliRunner

from mc.cli import cli

SCENARIO = """
title = "Side by side"

[simulation]
engine = "lattice"
duration = "20 us"
seed = 1

[geometry]
area = "0.2 um^2"
inside_length = "25 nm"
outside_length = "25 nm"

[membrane]
thickness = "4 nm"
capacitance = "1 uF/cm^2"

[inside]
K = "140 mM"
Na = "12 mM"
Cl = "10 mM"

[outside]
K = "5 mM"
Na = "145 mM"
Cl = "120 mM"

[[channels]]
name = "K leak"
count = 400
permeability = { K = "0.4 nm^3/ns" }

[[pumps]]
name = "Na/K-ATPase"
count = 50
turnover = "100 /s"
acceleration = 1000.0

[recording]
interval = "50 ns"
events = false
"""


@pytest.fixture
def scenario(tmp_path):
    path = tmp_path / "both.toml"
    path.write_text(SCENARIO)
    return path


def compare(*arguments):
    return CliRunner().invoke(cli, ["compare", *map(str, arguments)])


def test_two_engines_are_run_compared_and_drawn(scenario, tmp_path):
    folder = tmp_path / "out"
    arguments = (scenario, "--engines", "lattice,continuum", "--replicas", 3, "--output", folder)
    result = compare(*arguments, "--json")
    assert result.exit_code == 0, result.output
    numbers = json.loads((folder / "compare.json").read_text())
    assert set(numbers["engines"]) == {"lattice", "continuum"}
    seeds = [seed for one in numbers["engines"].values() for seed in one["seeds"]]
    assert len(seeds) == len(set(seeds)) == 4
    potential = numbers["quantities"]["membrane_potential"]
    assert potential["unit"] == "mV"
    assert len(potential["over_time"]["lattice"]["mean"]) == len(numbers["time_ns"])
    [difference] = [one for one in numbers["differences"] if one["quantity"] == "membrane_potential"]
    assert abs(difference["difference"]) < 3.0
    assert difference["standard_error"] > 0.0
    assert numbers["verdict"][0].startswith("lattice and continuum agree in")
    assert (folder / "compare.png").stat().st_size > 10_000
    assert (folder / "lattice" / "2" / "run.h5").exists()
    # A second time it is in the way, and said so; replaced, it is the same but for the time it took.
    refused = compare(*arguments)
    assert refused.exit_code == 2
    assert "exists already" in refused.output
    again = compare(*arguments, "--overwrite", "--no-figures")
    assert again.exit_code == 0, again.output
    assert "membrane_potential (mV)" in again.output
    repeated = json.loads((folder / "compare.json").read_text())
    assert repeated["differences"] == numbers["differences"]


FEW_IONS = """
title = "Five potassium ions outside"
[simulation]
engine = "lattice"
duration = "150 us"
seed = 1
[geometry]
area = "100 nm^2"
inside_length = "20 nm"
outside_length = "4 nm"
grid_spacing = "2 nm"
[membrane]
thickness = "4 nm"
capacitance = "1 uF/cm^2"
[inside]
K = "140 mM"
Cl = "10 mM"
[outside]
K = "20 mM"
Na = "130 mM"
Cl = "150 mM"
[[channels]]
name = "K leak"
count = 10
permeability = { K = "0.037 nm^3/ns" }
[recording]
interval = "100 ns"
events = false
"""


def test_few_ions_rest_elsewhere_than_their_mean_and_the_verdict_says_why(tmp_path):
    """One ion moves the membrane by 120 mV: statistical mechanics has it at -34 mV, the mean field at -50."""
    path = tmp_path / "few.toml"
    path.write_text(FEW_IONS)
    folder = tmp_path / "out"
    result = compare(
        path, "--engines", "lattice,continuum", "--replicas", 6, "--output", folder, "--no-figures"
    )
    assert result.exit_code == 0, result.output
    numbers = json.loads((folder / "compare.json").read_text())
    differences = {one["quantity"]: one for one in numbers["differences"]}
    potential = differences["membrane_potential"]
    # 16 mV is expected; beyond five standard errors, and below twice of it.
    assert 5.0 * potential["standard_error"] < potential["difference"] < 32.0
    assert differences["concentration_inside.Na"]["difference"] == 0.0
    verdict = "\n".join(numbers["verdict"])
    assert "real: membrane_potential" in verdict
    assert "few ions: 5 of K outside" in verdict


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--engines", "lattice,quantum"), '"quantum" is no engine; these are brownian, lattice, continuum'),
        (("--engines", "continuum"), "a comparison needs two engines"),
        (("--set", "geometry.area=-1 um^2"), "geometry.area"),
        (
            ("--engines", "brownian,continuum", "--set", "geometry.area=1e8 um^2"),
            "engine brownian",
        ),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_message(scenario, arguments, message):
    result = compare(scenario, *arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
