"""A scenario in the continuum from the command line to its figures: what reads a run knows no difference."""

import json

import pytest
from click.testing import CliRunner

from mc.cli import cli
from mc.recording.recording import Recording

SCENARIO = """
title = "Means"

[simulation]
duration = "120 us"
seed = 1

[geometry]
{size}
inside_length = "25 nm"
outside_length = "25 nm"

[membrane]
thickness = "4 nm"
capacitance = "1 uF/cm^2"

[inside]
K = "140 mM"
Na = "12 mM"
Cl = "8 mM"

[outside]
K = "5 mM"
Na = "145 mM"
Cl = "115 mM"

[[channels]]
name = "K leak"
count = 400
permeability = {{ K = "0.037 nm^3/ns", Na = "0.0004 nm^3/ns" }}
gating.states = ["closed", "open"]
gating.open = ["open"]
gating.rates = {{ "closed->open" = "40 /ms", "open->closed" = "10 /ms" }}

[[pumps]]
name = "Na/K-ATPase"
count = 50
turnover = "100 /s"
acceleration = 100.0

[recording]
interval = "1.2 us"
"""
SIZES = {
    "1D": 'area = "0.5 um^2"',
    "2D": 'dimensions = 2\nwidth = "500 nm"\ndepth = "1 um"\ngrid_spacing_y = "125 nm"',
}


@pytest.mark.parametrize("size", SIZES)
def test_a_run_is_recorded_summarised_and_drawn(tmp_path, size):
    scenario, folder = tmp_path / "means.toml", tmp_path / "results"
    scenario.write_text(SCENARIO.format(size=SIZES[size]))
    arguments = ["run", str(scenario), "--engine", "continuum", "--output", str(folder), "--json"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["engine"] == "continuum"
    assert summary["ledger"]["balanced"]
    assert summary["pump_cycles"]["Na/K-ATPase"] > 0.0
    assert abs(summary["difference_with_pump_mV"]["mean"]) < 0.1
    assert len(list((folder / "figures").glob("*.png"))) >= 3
    with Recording(folder / "run.h5") as recording:
        assert recording.positions.x.shape[1] == 0
        assert recording.gating["channel"].size == 0
        assert recording["open_channels.K leak"][-1] == pytest.approx(320.0)
        assert len(recording.maps.time) == (0 if size == "1D" else len(recording.profiles.time))
    animated = CliRunner().invoke(cli, ["animate", str(folder)])
    assert animated.exit_code == 2
    assert "no ions that could be animated" in animated.output


def test_check_says_what_it_will_do(tmp_path):
    scenario = tmp_path / "means.toml"
    scenario.write_text(SCENARIO.format(size=SIZES["1D"]))
    result = CliRunner().invoke(cli, ["check", str(scenario), "--engine", "continuum"])
    assert result.exit_code == 0, result.output
    assert "double layers are smeared" not in result.output
    assert "too long" not in result.output
