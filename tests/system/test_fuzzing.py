"""Bad input cannot hurt: scenario files, overrides and recordings that nobody would make. Long forms are slow."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from damage import Readers, damage
from fuzz_scenarios import Input, find_offence, make_input, peak_memory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_run import write_scenario

import mc
from mc.errors import ScenarioError
from mc.scenario.reading import read_scenario

HERE = Path(__file__).parent
GOOD = (HERE / "good_scenario.toml").read_text(encoding="utf-8")

OFFENDERS = {
    "a key of 70,000 letters": Input(f"{'é' * 70_000} = 1\n{GOOD}".encode(), ()),
    "a value of 70,000 letters": Input(GOOD.replace('"37 degC"', f'"{"é" * 70_000}"').encode(), ()),
    "an override of 500,000 letters": Input(GOOD.encode(), ("title=" + "x" * 500_000,)),
    "an override with long texts": Input(GOOD.encode(), ("channels=" + str(["x" * 900] * 100),)),
    "a thousand faults": Input(GOOD.encode(), ("electrodes=" + str([1] * 1000),)),
    "a number of 4000 digits": Input(GOOD.replace("count = 190", "count = 1" + "0" * 4000).encode(), ()),
    "a number too long for Python": Input(GOOD.replace("count = 190", "count = 1" + "0" * 5000).encode(), ()),
    "a number of 100,000 hexadecimal digits": Input(
        GOOD.replace("count = 190", "count = 0x" + "f" * 100_000).encode(), ()
    ),
    "an override with a number too long for Python": Input(GOOD.encode(), ("title=1" + "0" * 5000,)),
    "more ions than can be counted": Input(
        GOOD.replace('"brownian"', '"lattice"').replace("0.02 um^2", "1e13 um^2").encode(), ()
    ),
    "a density of more proteins than there may be": Input(
        GOOD.replace("count = 190", 'density = "1e12 /um^2"').encode(), ()
    ),
    "sixty arrays in each other": Input(f"{GOOD}\nx = {'[' * 60}{']' * 60}".encode(), ()),
    "five thousand tables in each other": Input(f"{GOOD}\n{'a.' * 5000}b = 1".encode(), ()),
    "an override five hundred tables deep": Input(GOOD.encode(), (".".join("a" * 500) + "=1",)),
    "a terminal's commands": Input(GOOD.replace("K = ", '"\\u001b[2J\\n" = ').encode(), ()),
    "commands in a title": Input(GOOD.encode(), ('title="\\u001b[2J"',)),
    "a channel for an unknown ion between solutions of which one is missing": Input(
        GOOD.replace("[inside]", "[inner]").encode(),
        (
            'channels=[{name="X", count=4, conductance="20 pS", concentration="150 mM", selectivity={X=1.0}}]',
            "pumps=[]",
        ),
    ),
    "two hundred thousand values": Input(f"{GOOD}\nx = [{'1,' * 200_000}]".encode(), ()),
}
"""Inputs that were met badly before, or nearly."""


@pytest.mark.parametrize("name", OFFENDERS)
def test_past_offenders_get_one_clear_error(tmp_path, name):
    assert find_offence(OFFENDERS[name], tmp_path) is None
    path = tmp_path / "scenario.toml"
    with pytest.raises(ScenarioError) as caught:
        mc.scenario.advice.advise(read_scenario(path, OFFENDERS[name].overrides))
    assert len(str(caught.value)) < 20_000


def test_the_search_finds_what_does_not_hold(tmp_path, monkeypatch):
    def fail(scenario):
        raise ZeroDivisionError("planted")

    good = Input(GOOD.encode(), ())
    assert find_offence(good, tmp_path) is None
    monkeypatch.setattr("fuzz_scenarios.advise", fail)
    assert "planted" in find_offence(good, tmp_path)


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(random=st.randoms(use_true_random=True))
def test_any_scenario_file_is_read_or_gets_one_clear_error(tmp_path, random):
    assert find_offence(make_input(random), tmp_path) is None


def test_results_cannot_leave_their_folder(tmp_path):
    for name in ("...toml", ".. .toml", "..toml", ".toml"):
        (tmp_path / name).write_text(GOOD, encoding="utf-8")
        folder = read_scenario(tmp_path / name).default_folder()
        assert folder.parts[0] == "outputs"
        assert ".." not in folder.parts
        assert len(folder.parts) == 2


@pytest.mark.slow
def test_a_hundred_thousand_scenario_files(tmp_path):
    command = [sys.executable, str(HERE / "fuzz_scenarios.py"), "--inputs", "100000", "--keep", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


# --- recordings ---


@pytest.fixture(scope="module", params=["brownian", "lattice"])
def recording(request, tmp_path_factory):
    """Return the bytes of a small run of each engine."""
    folder = tmp_path_factory.mktemp(request.param)
    overrides = {
        "simulation.duration": "12 us",
        "recording.interval": "300 ns",
        "recording.profile_interval": "3 us",
        "recording.positions_interval": "12 us",
        "recording.positions_stride": "50",
    }
    mc.simulate(read_scenario(write_scenario(folder, request.param), overrides), folder, threads=1).close()
    return (folder / "run.h5").read_bytes()


def check_damage(content, folder, n_files, seed):
    """Read so many damaged files and return the offences."""
    offences = []
    with Readers() as readers:
        for first in range(0, n_files, 50):
            paths = []
            for i in range(first, min(first + 50, n_files)):
                path = folder / f"{i}.h5"
                path.write_bytes(damage(Random(f"{seed}/{i}"), content))
                # Not as if a run was just writing it.
                os.utime(path, (0, 0))
                paths.append(str(path))
            found = readers.find_offences(paths)
            offences += [f"{path}: {one}" for path, one in zip(paths, found, strict=True) if one is not None]
            for path in paths:
                Path(path).unlink()
    return offences


def test_a_damaged_recording_is_read_or_gets_one_clear_error(recording, tmp_path):
    assert check_damage(recording, tmp_path, 60, seed=1) == []


@pytest.mark.slow
def test_five_thousand_damaged_recordings(recording, tmp_path):
    assert check_damage(recording, tmp_path, 2500, seed=2) == []


def test_a_reader_that_crashes_is_seen(tmp_path, monkeypatch):
    with Readers() as readers:
        assert readers.find_offences([str(tmp_path / "none.h5")]) == [None]
    monkeypatch.setattr("damage.read_all", crash)
    with Readers() as readers:
        assert readers.find_offences(["a.h5", "b.h5"]) == ["the process crashed"] * 2


def crash(path):
    """End the process at once, as a fault of memory does."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_reading_takes_little_memory(tmp_path):
    before = peak_memory()
    for one in OFFENDERS.values():
        find_offence(one, tmp_path)
    assert peak_memory() - before < 300e6
