"""A scenario on the lattice from the command line to its figures: what reads a run knows no difference."""

import json

import pytest
from click.testing import CliRunner
from pumped_patch import write_patch

from mc.cli import cli
from mc.recording.recording import Recording


@pytest.mark.parametrize("dimensions", [1, 2])
def test_a_run_is_recorded_summarised_and_drawn(tmp_path, dimensions):
    folder = tmp_path / "results"
    scenario = write_patch(
        tmp_path, dimensions, "lattice", duration="400 us", length="100 nm", interval="400 ns"
    )
    result = CliRunner().invoke(cli, ["run", str(scenario), "--output", str(folder), "--json"])
    assert result.exit_code == 0, result.output
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["engine"] == "lattice"
    assert summary["ledger"]["balanced"]
    assert summary["pump_cycles"]["Na/K-ATPase"] > 0
    assert abs(summary["difference_in_standard_errors"]) < 5.0
    assert len(list((folder / "figures").glob("*.png"))) >= 3
    with Recording(folder / "run.h5") as recording:
        assert recording.positions.x.shape[1] == 0
        assert recording.gating["channel"].size > 0
        assert recording.profiles.concentration.shape[1:] == (4, 22)
        assert len(recording.maps.time) == (0 if dimensions == 1 else len(recording.profiles.time))
    assert not (folder / "figures" / "ions.png").exists()
    redrawn = CliRunner().invoke(cli, ["plot", str(folder), "--format", "svg"])
    assert redrawn.exit_code == 0, redrawn.output
    animated = CliRunner().invoke(cli, ["animate", str(folder)])
    assert animated.exit_code != 0
    assert "counts ions in voxels" in animated.output
