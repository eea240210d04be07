"""`ionmc theory`: what it prints, and the one clear error for each wrong input."""

import json
import math
import subprocess
import sys

import pytest
from click.testing import CliRunner

from mc.cli.theory import command

NEURON = ["--inside", "K=140mM,Na=12mM,Cl=10mM", "--outside", "K=5mM,Na=145mM,Cl=115mM"]
PERMEABILITY = ["--permeability", "K=1,Na=0.04,Cl=0.45"]


def run(*arguments):
    return CliRunner().invoke(command, [part for argument in arguments for part in argument.split(" ")])


def test_ghk_from_the_shell():
    result = subprocess.run(
        [sys.executable, "-m", "mc", "theory", "ghk", *NEURON, *PERMEABILITY, "--temperature", "37degC"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("GHK potential -67.64 mV at 37 degC\n")


def test_ghk_prints_a_row_for_each_ion():
    rows = [line.split() for line in run("ghk", *NEURON, *PERMEABILITY).stdout.splitlines()]
    assert ["K", "+1", "140", "5", "1", "-89.06"] in rows
    assert ["Cl", "-1", "10", "115", "0.45", "-65.28"] in rows


def test_ghk_as_json():
    results = json.loads(run("ghk", *NEURON, *PERMEABILITY, "--json").stdout)
    assert results["ghk_potential_mV"] == pytest.approx(-67.64, abs=0.005)
    assert results["nernst_potential_mV"]["Na"] == pytest.approx(66.60, abs=0.005)
    assert results["temperature_K"] == pytest.approx(310.15)
    assert results["concentration_inside_mM"] == {"K": 140.0, "Na": 12.0, "Cl": 10.0}


def test_ghk_converts_units_and_takes_further_ions():
    arguments = ["--inside", "K=0.14M,Mg=500uM", "--outside", "K=5000uM,Mg=1mM", "--valence", "Mg=2"]
    both = json.loads(
        run("ghk", *arguments, "--permeability", "K=1", "--temperature", "310.15K", "--json").stdout
    )
    assert both["ghk_potential_mV"] == pytest.approx(-89.06, abs=0.005)
    assert both["nernst_potential_mV"]["Mg"] == pytest.approx(9.26, abs=0.005)


def test_nernst_of_one_ion():
    result = run("nernst --ion Ca --inside 100nM --outside 1.8mM")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].split() == ["Ca", "+2", "0.0001", "1.8", "130.94"]
    assert run("nernst --ion Mg --inside 0.5mM --outside 1mM --valence 2").stdout.split()[-1] == "9.26"


def test_nernst_of_an_empty_side_is_infinite_in_print_and_null_in_json():
    arguments = "nernst --ion K --inside 140mM --outside 0mM"
    assert run(arguments).stdout.split()[-1] == "-inf"
    assert json.loads(run(arguments, "--json").stdout)["nernst_potential_mV"] == {"K": None}


def test_flux_of_one_ion():
    arguments = "flux --ion Cl --inside 10mM --outside 115mM --permeability 0.037nm^3/ns --potential -70mV"
    results = json.loads(run(arguments, "--json").stdout)
    outward, inward = results["outward_flux_per_ns"]["Cl"], results["inward_flux_per_ns"]["Cl"]
    reduced_potential = 70.0 / 26.7267
    driven = reduced_potential / (1.0 - math.exp(-reduced_potential))
    assert outward == pytest.approx(0.037 * 10 * 6.02214076e-4 * driven, rel=1e-5)
    assert results["net_flux_per_ns"]["Cl"] == outward - inward
    assert results["current_pA"]["Cl"] == pytest.approx(-(outward - inward) * 160.2176634)
    assert run(arguments).stdout.splitlines()[-1].split()[0] == "Cl"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("nernst --inside 140mM --outside 5mM", "--inside has a value without an ion; write --inside K=..."),
        ("nernst --ion Na --inside K=140mM --outside K=5mM", "--inside names K, but --ion says Na"),
        ("nernst --ion Mg --inside 1mM --outside 5mM", "add it with --valence Mg=..., as in Mg=2"),
        ("nernst --ion na --inside 1mM --outside 5mM", "did you mean Na?"),
        ("nernst --ion K --inside 0mM --outside 0mM", "K is on neither side, so it has no equilibrium"),
        ("nernst --inside K=1mM,Na=0mM --outside K=1mM,Na=0mM", "Na is on neither side"),
        ("nernst --inside 0mM --outside 0mM", "--inside has a value without an ion"),
        ("nernst --ion K --inside 140 --outside 5mM", "'--inside': expected a concentration such as"),
        ("nernst --ion K --inside 140mM --outside 5mV", "'--outside': expected a concentration such as"),
        ("nernst --ion K --inside 140mM --outside=-5mM", "--outside: the concentration of K is -5 mM"),
        (
            "nernst --ion K --inside 1mM --outside 1mM --valence 2.5",
            "'--valence': expected a valence such as 2",
        ),
        ("nernst --ion K --inside 1mM --outside 1mM --valence 0", "--valence of K is 0"),
        ("nernst --ion K --inside 1mM --outside 1mM --valence Mg=2", "--valence names Mg"),
        ("nernst --ion K --inside 1mM --outside 1mM --temperature -300degC", "it must be above 0 K"),
        (
            "ghk --inside K=0mM,Na=1mM --outside K=0mM,Na=1mM --permeability K=1",
            "no ion that passes is on either",
        ),
        ("ghk --inside K=1mM --outside k=5mM --permeability K=1", "did you mean K?"),
        ("ghk --inside K=1mM --outside K=5mM,Na=1mM --permeability K=1", "add Na=0mM if there is none"),
        ("ghk --inside K=1mM --outside K=5mM --permeability K=1,Na=2", "add it to --inside and --outside"),
        ("ghk --inside K=1mM,K=2mM --outside K=5mM --permeability K=1", "K is given twice; keep one"),
        (
            "ghk --inside K=1mM, --outside K=5mM --permeability K=1",
            "write ion and value, as in K=140mM,Na=12mM",
        ),
        ("ghk --inside K=1mM --outside K=5mM --permeability K=0", "give at least one that passes, as in K=1"),
        ("ghk --inside K=1mM --outside K=5mM --permeability K=-1", "--permeability of K is -1"),
        ("ghk --inside K=1mM --outside K=5mM --permeability K=nan", "expected a relative permeability"),
        ("ghk --inside K=1mM --outside K=5mM", "Missing option '--permeability'"),
        (
            "flux --ion K --inside 1mM --outside 5mM --permeability 1 --potential 0mV",
            "expected a permeability",
        ),
        (
            "flux --ion K --inside 1mM --outside 5mM --permeability 1nm^3/ns --potential 1",
            "expected a potential",
        ),
    ],
)
def test_wrong_input_names_the_option_and_the_remedy(arguments, message):
    result = run(arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("Error") == 1
    assert result.stdout == ""
