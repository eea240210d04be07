"""A run that is interrupted or killed goes on, and records in the end what it would have recorded anyway."""

import os
import random
import shutil
import signal
import time

import h5py
import numpy as np
import pytest
from small_run import start, write_scenario

from mc.recording.recording import Recording

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")


def differing(one, other):
    """Return the datasets of two runs that are not the same bits."""
    found = []
    with h5py.File(one / "run.h5") as first, h5py.File(other / "run.h5") as second:

        def visit(name, entry):
            if isinstance(entry, h5py.Dataset) and entry[()].tobytes() != second[name][()].tobytes():
                found.append(name)

        first.visititems(visit)
    return [name for name in found if not name.startswith("metadata/")]


@pytest.fixture(scope="module", params=["brownian", "lattice", "continuum"])
def straight(request, tmp_path_factory):
    """A scenario file, the folder of its whole run, and the seconds that its steps took."""
    folder = tmp_path_factory.mktemp(request.param)
    path = write_scenario(folder, request.param)
    for _ in range(2):  # the first compiles
        process = start("run", path, "--output", folder / "straight", "--overwrite")
        assert process.wait() == 0, process.stderr.read()
    with Recording(folder / "straight") as recording:
        return path, folder / "straight", recording.wall_seconds


def resume_until_finished(folder):
    process = start("resume", folder)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    with Recording(folder) as recording:
        assert recording.finished
    assert not list(folder.glob("checkpoint*"))


def kill_somewhere(straight, folder, chance, number=signal.SIGKILL):
    """Start a run and end it at a moment between its first record and its last, or a little later."""
    path, _, seconds = straight
    process = start("run", path, "--output", folder, "--checkpoint-every", "50 ms")
    while not (folder / "run.h5").exists() and process.poll() is None:
        time.sleep(0.005)
    time.sleep(seconds * chance)
    process.send_signal(number)
    _, errors = process.communicate()
    return process.returncode, errors


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_says_how_to_go_on_and_does(straight, tmp_path, number, status):
    code, errors = kill_somewhere(straight, tmp_path / "run", 0.5, number)
    if code == 0:
        pytest.skip("the run was over before the signal")
    assert code == status, errors
    assert f"ionmc resume {tmp_path / 'run'} goes on" in errors
    resume_until_finished(tmp_path / "run")
    assert differing(straight[1], tmp_path / "run") == []


def check_kills(straight, tmp_path, n_kills):
    """Kill so many runs and check what each left and what it comes to; return how many were not over by then."""
    generator, resumed = random.Random(1), 0
    for i in range(n_kills):
        folder = tmp_path / str(i)
        code, errors = kill_somewhere(straight, folder, generator.random())
        assert code in (0, -signal.SIGKILL), errors
        with Recording(folder) as recording:
            is_finished = recording.finished
            # Means are no whole numbers.
            largest = 1e-9 if recording.engine == "continuum" else 0.0
            assert np.all(np.abs(recording["ledger_charge"]) <= largest)
        if not is_finished:
            resume_until_finished(folder)
            resumed += 1
        assert differing(straight[1], folder) == []
        shutil.rmtree(folder)
    return resumed


def test_a_killed_run_goes_on_from_its_checkpoint(straight, tmp_path):
    assert check_kills(straight, tmp_path, 2) >= 1


@pytest.mark.slow
def test_two_hundred_kills_of_each_engine(straight, tmp_path):
    assert check_kills(straight, tmp_path, 200) > 100


def test_a_finished_run_is_not_gone_on_with(straight):
    process = start("resume", straight[1])
    _, errors = process.communicate()
    assert process.returncode == 2
    assert "is finished" in errors


def test_a_second_run_in_the_same_folder_is_refused(straight, tmp_path):
    path, *_ = straight
    first = start("run", path, "--output", tmp_path / "run", "--set", "simulation.duration=400 us")
    deadline = time.monotonic() + 60
    while not (tmp_path / "run" / "run.h5").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    try:
        second = start("run", path, "--output", tmp_path / "run", "--overwrite")
        _, errors = second.communicate()
        assert second.returncode == 2
        assert "is being written by another run" in errors
        assert first.poll() is None
    finally:
        first.kill()
        first.communicate()
