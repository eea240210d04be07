"""Runs that come from runs: repeated to the same bits, and branched off with another seed or other numbers."""

import json
import re
import shutil

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from small_run import write_scenario

import mc
from mc.cli import cli
from mc.errors import McError
from mc.lineage import branch, change_scenario
from mc.recording.identity import differing
from mc.scenario.schema import Scenario
from mc.simulation import resume

FIRST_STEP = 12000


def run_command(*arguments):
    return CliRunner().invoke(cli, [*map(str, arguments), "--threads", "1"])


@pytest.fixture(scope="module", params=["brownian", "lattice"])
def straight(request, tmp_path_factory):
    """Return the folder of a finished run that has a checkpoint at its middle."""
    folder = tmp_path_factory.mktemp(request.param)
    scenario = mc.read_scenario(write_scenario(folder, request.param))
    mc.simulate(scenario, folder / "run", threads=1, checkpoint_at=[10_000.0]).close()
    return folder / "run"


@pytest.fixture(scope="module")
def other_seed(straight):
    """Return the folder of a branch with another seed, from a moment that has no checkpoint."""
    folder = straight.with_name("other seed")
    branch(straight, folder, at=FIRST_STEP, seed=6, threads=1).close()
    return folder


# --- rerun ---


@pytest.mark.parametrize("name", ["run", "other seed"])
def test_a_repeated_run_is_identical(straight, other_seed, name):
    result = run_command("rerun", straight.with_name(name))
    assert result.exit_code == 0, result.output
    assert "identical" in result.stdout


def test_a_single_other_bit_is_found_and_said(straight, tmp_path):
    shutil.copytree(straight, tmp_path / "run")
    with h5py.File(tmp_path / "run" / "run.h5", "r+") as file:
        row = file["series/values"][17]
        row[3] = np.nextafter(row[3], np.inf)
        file["series/values"][17] = row
        versions = {**json.loads(file["metadata"].attrs["versions"]), "numpy": "0.1"}
        file["metadata"].attrs["versions"] = json.dumps(versions)
    result = run_command("rerun", tmp_path / "run", "--json", "--output", tmp_path / "again")
    verdict = json.loads(result.stdout)
    assert result.exit_code == 1
    assert not verdict["identical"]
    assert verdict["differences"] == ["series/values: from row 17 on"]
    assert verdict["versions"] == {"numpy": ["0.1", np.__version__]}
    assert "numpy was 0.1" in result.stderr


def test_an_unfinished_run_is_not_repeated(straight, tmp_path):
    shutil.copytree(straight, tmp_path / "run")
    with h5py.File(tmp_path / "run" / "run.h5", "r+") as file:
        file["metadata/end"].attrs["finished"] = False
    result = run_command("rerun", tmp_path / "run")
    assert result.exit_code == 2
    assert "ionmc resume" in result.stderr


# --- branch ---


def rows_from(folder, first_step):
    """Return what a run recorded from a step on, but for windows of averages, and filtered traces."""
    with mc.Recording(folder) as recording:
        kept = recording.step >= first_step
        columns = [i for i, name in enumerate(recording.columns) if name != "electrode.tip"]
        tables = {"steps": recording.step[kept], "values": recording.values[kept][:, columns]}
        for kind in ("crossings", "gating", "pump_moves"):
            events = getattr(recording, kind)
            tables |= {f"{kind} {name}": events[name][events["step"] > first_step] for name in events}
        tables["positions"] = recording.positions.x[recording.positions.step >= first_step]
    return tables


@pytest.mark.parametrize("first_step", [0, 3500, 10_500, 19_950])
def test_a_branch_that_changes_nothing_records_what_the_run_did(straight, tmp_path, first_step):
    branch(straight, tmp_path / "branch", at=first_step, threads=1).close()
    expected = rows_from(straight, first_step)
    found = rows_from(tmp_path / "branch", first_step)
    # Of positions the branch has its start as well.
    found["positions"] = found["positions"][-len(expected["positions"]) :]
    for name, table in expected.items():
        assert table.tobytes() == found[name].tobytes(), name


def test_it_is_the_same_from_a_checkpoint_and_by_repeating(straight, tmp_path):
    shutil.copytree(straight, tmp_path / "run")
    for path in (tmp_path / "run").glob("checkpoint*"):
        path.unlink()
    told = {}
    for name, run in (("near", straight), ("far", tmp_path / "run")):
        lines = told[name] = []
        branch(run, tmp_path / name, at=FIRST_STEP, seed=6, threads=1, on_change=lines.append).close()
    assert "repeating the run from 10000 to 12000 ns" in told["near"][-1]
    assert "repeating the run from 0 to 12000 ns" in told["far"][-1]
    # It says from which folder it comes.
    assert differing(tmp_path / "near", tmp_path / "far") == ["attribute branched_from"]


def test_another_seed_goes_another_way_from_there_on(straight, other_seed):
    with mc.Recording(straight) as run, mc.Recording(other_seed) as other:
        assert other.step[0] == FIRST_STEP
        assert other.seed == 6
        assert other.branched_from["seed"] == 5
        assert other.branched_from["changes"] == ["seed: 5 -> 6"]
        for kind in ("crossings", "gating"):
            one, another = getattr(run, kind)["step"], getattr(other, kind)["step"]
            assert another.size == 0 or another.min() > FIRST_STEP
            assert one.size == 0 or not np.array_equal(one[one > FIRST_STEP], another)
        assert np.all(other["ledger_charge"] == 0.0)


def test_changed_numbers_act_from_there_on_and_are_told(straight, tmp_path):
    result = run_command(
        *(
            "branch",
            straight,
            "--at",
            "12 us",
            "--output",
            tmp_path / "branch",
            "--no-figures",
            "--no-report",
        ),
        *("--set", "simulation.duration=25 us", "--set", "channels.K leak.permeability.K=0.001 nm^3/ns"),
        *("--set", 'protocol.current=[{ start = "13 us", current = "2 pA" }]'),
    )
    assert result.exit_code == 0, result.output
    with mc.Recording(tmp_path / "branch") as recording:
        assert recording.time[0] == 12_000.0
        assert recording.time[-1] == 25_000.0
        assert np.all(
            recording["injected_charge"][recording.time <= 13_000.0] == recording["injected_charge"][0]
        )
        # 2 pA for 12 us are 150 e.
        assert recording["injected_charge"][-1] - recording["injected_charge"][0] == pytest.approx(150, abs=1)
        changes = recording.branched_from["changes"]
    for key in ("simulation.duration: 20000 -> 25000", 'channels."K leak".permeability.K: 0.03 -> 0.001'):
        assert key in changes
        assert key in result.stderr
    summary = json.loads((tmp_path / "branch" / "summary.json").read_text())
    assert summary["branched_from"]["time_ns"] == 12_000.0
    assert summary["phases"][0]["from_ns"] == 12_000.0
    assert summary["steps"] == 13_000


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["geometry.area=0.003 um^2"], "geometry.area: 2000 -> 3000: a branch cannot change geometry.area"),
        (["inside.K=100 mM"], "protocol.solutions"),
        (["channels.K leak.count=39"], "protocol.blocks"),
        (["simulation.time_step=0.5 ns"], "counted in steps"),
        (["protocol.voltage.0.potential=-41 mV"], "what began before 12000 ns has happened"),
        (["protocol.ligands=[{ name = 'GABA', concentration = '1 mM' }]"], "has the ligands of its run"),
        (["simulation.duration=12 us"], "a longer simulation.duration"),
        (["channels.K leak.permeability.K=9000 nm^3/ns"], "cover"),
    ],
)
def test_what_would_not_fit_is_refused_with_the_remedy(straight, tmp_path, overrides, message):
    with pytest.raises(McError, match=re.escape(message)):
        branch(straight, tmp_path / "new", at=FIRST_STEP, scenario=change_scenario(straight, overrides))
    assert not (tmp_path / "new").exists()


def test_a_moment_that_the_run_does_not_have_is_refused(straight, tmp_path):
    for moment in ("21 us", "-1 ns"):
        result = run_command("branch", straight, "--at", moment, "--output", tmp_path / "new")
        assert result.exit_code == 2
        assert "it has no moment at" in result.stderr
    result = run_command("branch", straight, "--at", "12 us", "--output", straight, "--overwrite")
    assert result.exit_code == 2
    assert "is the run itself" in result.stderr


class Stop(Exception):
    """What ends a run at a place of the test's choosing."""


@pytest.mark.parametrize("with_checkpoint", [True, False])
def test_a_branch_that_broke_off_goes_on(straight, other_seed, tmp_path, with_checkpoint):
    def stop(progress):
        if progress.step > 16_000:
            raise Stop

    with pytest.raises(Stop):
        branch(
            *(straight, tmp_path),
            at=FIRST_STEP,
            seed=6,
            threads=1,
            checkpoint_every=0.0 if with_checkpoint else 60.0,
            on_progress=stop,
        )
    told = []
    resume(tmp_path, threads=1, on_restart=told.append).close()
    assert len(told) == (not with_checkpoint)
    assert differing(other_seed, tmp_path) == []


def test_in_two_dimensions_another_seed_moves_no_protein(tmp_path):
    tables = {
        "simulation": {"duration": "40 ns", "time_step": "0.5 ns", "seed": 5},
        "geometry": {
            "dimensions": 2,
            "width": "16 nm",
            "depth": "40 nm",
            "inside_length": "8 nm",
            "outside_length": "8 nm",
        },
        "membrane": {"thickness": "4 nm", "capacitance": "1 uF/cm^2"},
        "inside": {"K": "140 mM"},
        "outside": {"K": "140 mM"},
        "channels": [{"name": "leak", "count": 3, "permeability": {"K": "0.03 nm^3/ns"}}],
        "pumps": [{"use": "na_k_atpase", "count": 2}],
    }
    tables["inside"]["Na"] = tables["outside"]["Na"] = "10 mM"
    scenario = Scenario.model_validate(tables)
    with mc.simulate(scenario, tmp_path / "run", threads=1) as run:
        places = run.channel_y, run.pump_y
    with branch(tmp_path / "run", tmp_path / "branch", at=20.0, seed=6, threads=1) as recording:
        assert recording.step[0] == 40
        np.testing.assert_array_equal(recording.channel_y, places[0])
        np.testing.assert_array_equal(recording.pump_y, places[1])
    with mc.simulate(scenario, tmp_path / "new", seed=6, threads=1) as run:
        assert not np.array_equal(run.channel_y, places[0])
