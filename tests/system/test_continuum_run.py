"""A scenario in the continuum from the command line to its figures: what reads a run knows no difference."""

import json

import pytest
from click.testing import CliRunner
from pumped_patch import write_patch

from mc.cli import cli
from mc.recording.recording import Recording


def write_means(folder, dimensions):
    """Write the scenario and return its path."""
    return write_patch(folder, dimensions, "continuum", duration="120 us", length="25 nm", interval="1.2 us")


@pytest.mark.parametrize("dimensions", [1, 2])
def test_a_run_is_recorded_summarised_and_drawn(tmp_path, dimensions):
    scenario, folder = write_means(tmp_path, dimensions), tmp_path / "results"
    arguments = ["run", str(scenario), "--output", str(folder), "--json"]
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
        assert len(recording.maps.time) == (0 if dimensions == 1 else len(recording.profiles.time))
    animated = CliRunner().invoke(cli, ["animate", str(folder)])
    assert animated.exit_code == 2
    assert "no ions that could be animated" in animated.output


def test_check_says_what_it_will_do(tmp_path):
    scenario = write_means(tmp_path, 1)
    result = CliRunner().invoke(cli, ["check", str(scenario)])
    assert result.exit_code == 0, result.output
    assert "double layers are smeared" not in result.output
    assert "too long" not in result.output
