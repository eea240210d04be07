"""Before a run its storage is estimated and refused; after it, the recorder's share of the time is told."""

import json
import subprocess
import sys
from pathlib import Path

import h5py
import pytest
from click.testing import CliRunner
from small_run import write_scenario

import mc
from mc.cli import cli
from mc.cli.summary import find_doubts
from mc.scenario import limits
from mc.scenario.advice import advise


@pytest.mark.parametrize("engine", ["brownian", "lattice"])
def test_the_estimate_is_what_a_run_writes(tmp_path, engine):
    scenario = mc.read_scenario(write_scenario(tmp_path, engine))
    estimate = limits.estimate_storage(scenario, advise(scenario))
    mc.simulate(scenario, tmp_path / "run", threads=1).close()

    def size(file, group):
        sizes = []
        file[group].visititems(
            lambda name, entry: sizes.append(entry.nbytes) if isinstance(entry, h5py.Dataset) else None
        )
        return sum(sizes)

    with h5py.File(tmp_path / "run" / "run.h5") as file:
        assert estimate.series == pytest.approx(size(file, "series"), rel=0.05)
        assert estimate.profiles == pytest.approx(size(file, "profiles"), rel=0.1)
        positions = file["particles/trajectory/position/value"].nbytes
        assert estimate.positions == pytest.approx(positions, rel=0.05)
        events = size(file, "events")
    if engine == "lattice":
        # 4000 transitions of gates are expected: five standard deviations.
        assert estimate.events == pytest.approx(events, rel=0.08)
    else:
        # Half of the channels are blocked half of the time, and transporters are taken as saturated.
        assert events < estimate.events < 6 * events


USED = """
import resource, sys
from pathlib import Path
import mc
import mc.simulation
from mc.scenario.advice import advise
from mc.scenario.limits import estimate_memory

def used():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

# Compiling takes a gigabyte: a small run does it beforehand.
small = mc.read_scenario(sys.argv[1], [*sys.argv[3:], "geometry.area=0.002 um^2"])
mc.simulate(small, sys.argv[2], threads=1).close()
scenario = mc.read_scenario(sys.argv[1], sys.argv[3:])
before, seen = used(), []
mc.simulate(scenario, sys.argv[2], threads=1, overwrite=True, on_progress=lambda _: seen.append(used())).close()
print(estimate_memory(advise(scenario)), max(seen) - before)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read as Linux tells it")
def test_the_estimate_of_memory_holds_a_run_of_two_million_ions_and_little_more(tmp_path):
    """Beside its ions 180 MB are set aside for the program and for buffers, which a short run does not fill."""
    scenario = Path(mc.__file__).parents[1] / "scenarios" / "resting_potential.toml"
    times = (
        "simulation.duration",
        "recording.interval",
        "recording.profile_interval",
        "recording.positions_interval",
    )
    overrides = ["geometry.area=0.218 um^2", *(f"{key}=4 ns" for key in times)]
    command = [sys.executable, "-c", USED, str(scenario), str(tmp_path / "run"), *overrides]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    estimate, used = map(float, found)
    # A process that has compiled holds free memory already.
    assert used < estimate < max(used, 0.0) + 320e6


def test_a_run_that_does_not_fit_is_refused_before_it_starts_and_can_be_forced(tmp_path, monkeypatch):
    path = write_scenario(tmp_path, "lattice")
    monkeypatch.setattr(limits, "free_disk", lambda folder: 1e5)
    command = [
        "run",
        str(path),
        "--output",
        str(tmp_path / "run"),
        "--threads",
        "1",
        "--no-figures",
        "--no-report",
    ]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 2
    assert "are needed in" in result.stderr
    assert "0.1 MB are free" in result.stderr
    assert "--ignore-limits" in result.stderr
    assert not (tmp_path / "run").exists()
    result = CliRunner().invoke(cli, [*command, "--ignore-limits"])
    assert result.exit_code == 0, result.stderr


def test_the_recorders_share_of_the_time_is_told(tmp_path):
    command = [
        "run",
        str(write_scenario(tmp_path, "lattice")),
        "--output",
        str(tmp_path / "run"),
        "--no-figures",
    ]
    result = CliRunner().invoke(cli, [*command, "--threads", "1"])
    assert "looking and recording took" in result.stdout
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    with mc.Recording(tmp_path / "run") as recording:
        assert 0.0 < recording.recording_seconds < recording.wall_seconds
        assert summary["recording_seconds"] == recording.recording_seconds


def test_watching_that_costs_more_than_simulating_is_warned_of():
    summary = {"wall_seconds": 10.0, "recording_seconds": 6.0, "free": False}
    assert "longer than simulating" in find_doubts(summary)[0]
    assert find_doubts({**summary, "recording_seconds": 4.0}) == []
    assert find_doubts({**summary, "recording_seconds": float("nan")}) == []
