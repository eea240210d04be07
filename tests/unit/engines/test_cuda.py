"""Ions moved on a GPU move as on the processor, bit by bit; and where there is none, one line says so."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numba.cuda
import pytest
from click.testing import CliRunner
from small_membrane import TABLES

from mc.cli import cli
from mc.engines import devices
from mc.engines.brownian.engine import BrownianEngine
from mc.engines.devices import check_device
from mc.errors import DeviceError
from mc.scenario.schema import Scenario
from mc.simulation import Plan, read_plan

SIMULATION = TABLES["simulation"]
RESTING = Path(__file__).parents[3] / "scenarios" / "resting_potential.toml"


HAS_DEVICE = importlib.util.find_spec("numba_cuda") is not None and numba.cuda.is_available()


@pytest.fixture(
    scope="module",
    params=[
        "1",
        pytest.param("0", marks=pytest.mark.skipif(not HAS_DEVICE, reason="there is no GPU here")),
    ],
    ids=["simulated", "real"],
)
def found(request, tmp_path_factory):
    """Return what `beside_the_processor.py` found on numba's simulator of a GPU, and on one if there is one."""
    program = Path(__file__).with_name("beside_the_processor.py")
    result = subprocess.run(
        [sys.executable, str(program), str(tmp_path_factory.mktemp("device"))],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        # Numba must be told before it is imported.
        env=os.environ | {"NUMBA_ENABLE_CUDASIM": request.param},
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("case", ["line", "plane"])
def test_ions_moved_on_a_device_are_where_the_processor_has_them(found, case):
    assert found["differing"][case] == []
    # All that reads or writes positions beside the move has had its turn.
    assert all(number > 0 for number in found["what_happened"][case].values()), found["what_happened"]


@pytest.mark.parametrize(
    ("case", "is_needed"), [("plane", True), ("clamped plane", True), ("clamped plane without pumps", False)]
)
def test_ions_are_deposited_and_sorted_where_a_field_or_pumps_need_them(found, case, is_needed):
    assert found["differing"][case] == []
    assert found["is_deposited"][case] == found["is_sorted"][case] == is_needed


@pytest.mark.parametrize(
    ("case", "arrays"),
    [
        ("line", {"ions.positions", "sums.counts", "sums.weight_sums"}),
        ("plane", {"ions.positions", "plane.transverse", "plane.sums.charges", "plane.potential"}),
    ],
)
def test_another_stream_on_the_device_is_noticed(found, case, arrays):
    assert arrays <= set(found["differing_with_another_key"][case])


def test_a_recording_says_on_which_device_it_was_made_and_differs_in_nothing_else(found):
    assert found["recordings_differ"] == ["attribute device"]


def test_a_repetition_takes_the_device_of_what_it_repeats(found):
    assert found["repetition_differs"] == []
    assert found["device_of_repetition"] == "cuda"


def test_a_checkpoint_keeps_the_device_and_one_that_knows_none_is_of_the_processor(scenario, tmp_path):
    header = Plan(scenario, 1, 0.5, device="cuda").header()
    assert read_plan(tmp_path, header).device == "cuda"
    del header["device"]
    assert read_plan(tmp_path, header).device == "cpu"


def pretend(monkeypatch, *, has_library, has_device):
    """Let a machine seem to have numba-cuda, and a GPU."""
    monkeypatch.setattr(devices, "is_simulated", lambda: False)
    found = importlib.util.find_spec("numba") if has_library else None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
    monkeypatch.setattr(numba.cuda, "is_available", lambda: has_device)


@pytest.mark.parametrize(
    ("has_library", "has_device", "message"),
    [(False, True, r"pip install 'ionmc\[cuda\]'"), (True, False, "no CUDA device was found")],
)
def test_what_a_machine_lacks_is_named(scenario, monkeypatch, has_library, has_device, message):
    pretend(monkeypatch, has_library=has_library, has_device=has_device)
    with pytest.raises(DeviceError, match=message):
        BrownianEngine(scenario, 1, 0.5, device="cuda")
    BrownianEngine(scenario, 1, 0.5)


def test_a_machine_with_both_is_taken(scenario, monkeypatch):
    pretend(monkeypatch, has_library=True, has_device=True)
    check_device(scenario, "cuda")


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"simulation": SIMULATION | {"engine": "lattice"}}, "the engine lattice has none"),
        ({"simulation": SIMULATION | {"engine": "continuum"}}, "the engine continuum has none"),
    ],
)
def test_what_a_device_does_not_do_is_refused(monkeypatch, tables, message):
    pretend(monkeypatch, has_library=True, has_device=True)
    with pytest.raises(DeviceError, match=message):
        check_device(Scenario.model_validate(TABLES | tables), "cuda")


def test_an_unknown_device_is_refused_and_the_known_ones_are_named(scenario):
    with pytest.raises(DeviceError, match=r"'gpu'.* cpu, cuda"):
        check_device(scenario, "gpu")


def test_the_command_says_so_in_one_line_and_leaves_earlier_results(monkeypatch, tmp_path):
    pretend(monkeypatch, has_library=False, has_device=False)
    (tmp_path / "summary.json").write_text("{}")
    result = CliRunner().invoke(
        cli, ["run", str(RESTING), "--device", "cuda", "--output", str(tmp_path), "--overwrite"]
    )
    assert result.exit_code == 2
    faults = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert len(faults) == 1
    assert "pip install 'ionmc[cuda]'" in faults[0]
    assert "Traceback" not in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["summary.json"]
