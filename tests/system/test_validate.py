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
