import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mc.cli import cli

SCENARIO = Path(__file__).parent / "good_scenario.toml"
MAIN_SCENARIO = Path(__file__).parents[2] / "scenarios" / "resting_potential.toml"


def run(*arguments: str):
    return CliRunner().invoke(cli, ["check", str(SCENARIO), *arguments])


def test_the_regime_is_printed_for_people():
    result = run()
    assert result.exit_code == 0
    for fragment in (
        "A correct scenario",
        "Debye length",
        "GHK potential",
        "charging time",
        "largest safe time step",
    ):
        assert fragment in result.stdout
    assert "\x1b" not in result.stdout


LINE = 'geometry={dimensions=2, width="400 nm", depth="50 nm", inside_length="25 nm", outside_length="25 nm"}'


def test_two_dimensions_have_a_row_for_the_line_of_the_membrane():
    line = run("--set", LINE)
    assert line.exit_code == 0
    assert "400 nm wide (y, periodic), 50 nm deep (not tracked)" in line.stdout
    assert "66 cells of 0.758 nm along its normal, 256 of 1.56 nm along the membrane" in line.stdout
    assert "membrane  " not in run().stdout
    assert json.loads(run("--json", "--set", LINE).stdout)["grid_cells_along_membrane"] == [256]


@pytest.mark.parametrize("path", sorted(MAIN_SCENARIO.parent.glob("*.toml")), ids=lambda path: path.stem)
def test_every_scenario_that_comes_along_works(path):
    result = CliRunner().invoke(cli, ["check", str(path), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["run_seconds"] < 120


def test_warnings_come_last_and_on_stderr():
    result = run("--set", "simulation.time_step=6 ns", "--set", "geometry.area=0.001 um^2")
    assert "warning: time step 6 ns: too long for" in result.stderr
    assert "warning: one ion moves the potential by 16 mV" in result.stderr
    assert "warning" not in result.stdout
    assert result.output.rstrip().splitlines()[-1].startswith("warning: ")


def test_json_holds_the_same_numbers():
    result = run("--json")
    regime = json.loads(result.stdout)
    assert regime["ghk_potential_mV"] == pytest.approx(-70, abs=3)
    assert regime["elementary_voltage_step_mV"] == pytest.approx(0.801, abs=1e-3)
    assert regime["capacitance_noise_mV"] == pytest.approx(4.63, abs=0.01)
    assert regime["steps"] == round(20_000 / regime["time_step_ns"])
    assert regime["ions"] == sum(
        species["ions_inside"] + species["ions_outside"] for species in regime["species"].values()
    )
    charge = {
        side: sum(species["valence"] * species[f"ions_{side}"] for species in regime["species"].values())
        for side in ("inside", "outside")
    }
    assert charge == {"inside": 0, "outside": 0}
    assert regime["refusals"] == []


def test_the_main_scenario_rests_near_minus_70_millivolts():
    result = CliRunner().invoke(cli, ["check", str(MAIN_SCENARIO), "--json"])
    regime = json.loads(result.stdout)
    assert regime["ghk_potential_mV"] == pytest.approx(-70, abs=3)
    assert regime["charging_time_ns"] < 1000
    assert regime["refusals"] == []


def test_json_is_strict_where_potentials_are_infinite():
    result = run("--json", "--set", "inside.Ca=0 mM")
    regime = json.loads(result.stdout, parse_constant=lambda name: pytest.fail(name))
    assert regime["species"]["Ca"]["nernst_potential_mV"] is None


def test_overrides_change_the_regime():
    assert (
        json.loads(run("--json", "--set", "inside.K=100 mM").stdout)["species"]["K"]["ions_inside"] == 30111
    )


def test_a_refusal_is_printed_after_the_regime():
    result = run("--set", "simulation.time_step=100 ns", "--set", "recording.interval=1 us")
    assert result.exit_code == 2
    assert "Debye length" in result.stdout
    assert "simulation.time_step: 100 ns is too long" in result.stderr


def test_automatic_time_step_says_so():
    assert "chosen automatically" in run("--set", "simulation.time_step=auto").stdout


def test_an_unknown_option_exits_with_status_2():
    assert run("--bogus").exit_code == 2


def test_a_key_with_spaces_and_no_quotes_gets_a_hint():
    result = run("--set", "channels.K", "leak.count=5")
    assert result.exit_code == 2
    assert 'goes into quotes: --set "channels.K leak.count=5"' in result.stderr
    assert "quotes" not in run("one more argument").stderr


def test_help_lists_the_commands_without_importing_them():
    code = (
        "import sys; sys.argv = ['ionmc', '--help']\n"
        "from mc.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'scipy', 'numba', 'matplotlib', 'pint', 'pydantic', 'h5py', 'rich'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    for name in ("run", "check", "plot", "theory"):
        assert f"  {name} " in result.stdout


def test_another_engine_is_chosen_by_its_option():
    followed, counted = run(), run("--engine", "lattice")
    assert followed.exit_code == counted.exit_code == 0
    assert "double layers are smeared" in followed.stdout or "20 cells" not in followed.stdout
    assert "do not resolve the double layers" in counted.stdout
    assert run("--engine", "continuous").exit_code == 2
    as_key = run("--set", "simulation.engine=lattice")
    assert as_key.stdout == counted.stdout
