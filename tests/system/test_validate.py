"""`ionmc validate`: a cheap law from the shell, and the one clear error for each wrong input."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from mc.cli.validate import command


def run(*arguments):
    return CliRunner().invoke(command, list(map(str, arguments)))


def test_two_laws_from_the_shell(tmp_path):
    result = subprocess.run(
        [
            *(sys.executable, "-m", "mc", "validate", "einstein", "two-state-gating"),
            *("--engine", "brownian", "--twins", "--output", str(tmp_path)),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr + result.stdout
    assert "All 2 hold." in result.stdout
    assert "2/2" in result.stderr
    assert "NOT" not in result.stdout
    assert "<svg" in (tmp_path / "report.html").read_text(encoding="utf-8")
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["all_hold"]
    assert all(twin["rejected"] for law in report["laws"] for twin in law["twins"])
    assert (tmp_path / "runs" / "einstein-brownian-1" / "free" / "scenario.toml").is_file()


def test_a_law_that_does_not_hold_is_told_by_the_exit_status(tmp_path):
    law = tmp_path / "wrong.py"
    law.write_text(
        "from mc.validation.laws import einstein\n"
        "from dataclasses import replace\n"
        "LAW = replace(einstein.LAW, name='wrong', compare=lambda one: einstein.compare(one, factor=0.5))\n"
    )
    result = run("wrong", "--laws-from", law, "--output", tmp_path / "out", "--json", "--jobs", 1)
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert [one["verdict"] for one in report["laws"]] == ["FAILS"]


def test_the_list_names_every_law():
    result = run("--list")
    assert result.exit_code == 0
    assert "two-compartments" in result.stdout
    assert {"law", "claim", "formula", "engines"} <= set(json.loads(run("--list", "--json").stdout)[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nerst"], "there is no law nerst; did you mean nernst?"),
        (["nernst", "--engine", "quantum"], "there is no engine quantum"),
        (["einstein", "--engine", "lattice"], "none of these laws is checked on lattice"),
        (["--laws-from", "nowhere.py"], "nowhere.py: no such Python file"),
        (["--replicas", "0"], "--replicas"),
        (["--scenario", "nowhere.toml"], "nowhere.toml: no such file"),
        (["nernst", "--scenario", "nowhere.toml"], "give no laws beside it"),
    ],
)
def test_wrong_input_is_one_error(arguments, message):
    result = subprocess.run(
        [sys.executable, "-m", "mc", "validate", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


SCENARIO = """
[simulation]
duration = "3 us"
time_step = "1 ns"
[geometry]
area = "2000 nm^2"
inside_length = "10 nm"
outside_length = "10 nm"
[membrane]
thickness = "4 nm"
capacitance = "1 uF/cm^2"
[inside]
K = "140 mM"
Cl = "10 mM"
[outside]
K = "20 mM"
Na = "130 mM"
Cl = "120 mM"
[[channels]]
name = "K leak"
count = 80
permeability = { K = "0.037 nm^3/ns" }
[recording]
interval = "10 ns"
"""


def test_a_scenario_is_held_against_the_laws_that_fit_it(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(SCENARIO)
    result = run("--scenario", path, "--output", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert [one["law"] for one in report["laws"]] == [
        *("ledger", "charge-balance", "nernst", "capacitance-noise", "no-net-flux")
    ]
    assert "stoichiometry does not apply: there are no pumps" in result.stderr
    assert "ghk does not apply: only one ion" in result.stderr


def test_the_page_says_how_it_was_made_and_its_example_works(tmp_path):
    page, law = tmp_path / "validation.md", tmp_path / "leak.py"
    first = run("einstein", "--output", tmp_path / "out", "--document", page, "--jobs", 1)
    assert first.exit_code == 0, first.output
    text = page.read_text(encoding="utf-8")
    assert "This page was made by" in text
    assert "| brownian | K after 20 ns |" in text
    law.write_text(text.split("```python\n")[1].split("```")[0], encoding="utf-8")
    second = run("leak", "--laws-from", law, "--output", tmp_path / "out", "--twins", "--jobs", 1)
    assert second.exit_code == 0, second.output
    assert "All 2 hold." in second.stdout
