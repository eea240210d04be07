"""A disk that fills up, a folder that is write-protected or goes away: a message, a status, nothing flushed lost."""

import os
import resource
import shutil
import subprocess
import time

import numpy as np
import pytest
from small_run import start, write_scenario

import mc
from mc.recording.identity import differing

pytestmark = pytest.mark.skipif(os.name != "posix", reason="file systems are those of POSIX")

MANY_ROWS = ("--set", "recording.interval=1 ns", "--set", "recording.profile_interval=10 ns")


def run(*arguments, **process):
    """Run a command to its end; return its status and what it said on stderr, which must be no traceback."""
    running = start(*arguments, **process)
    _, errors = running.communicate(timeout=120)
    assert "Traceback" not in errors, errors
    return running.returncode, errors


@pytest.fixture(scope="module")
def scenario(tmp_path_factory):
    return write_scenario(tmp_path_factory.mktemp("scenario"), "lattice")


@pytest.fixture(scope="module")
def straight(scenario, tmp_path_factory):
    """Return the folder of a run that had all the room it needed."""
    folder = tmp_path_factory.mktemp("straight")
    assert run("run", scenario, *MANY_ROWS, "--output", folder)[0] == 0
    return folder


@pytest.fixture
def small_disk(tmp_path):
    """Return the folder where a disk of 5 MB is mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", folder]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a disk can be mounted by root alone")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def remount(folder, options):
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)


def check_what_is_left(folder):
    """Check that a run that broke off left whole rows, and return how many."""
    with mc.Recording(folder) as recording:
        assert not recording.finished
        n_rows = len(recording.time)
        assert recording.values.shape[0] == n_rows
        assert np.all(recording["ledger_charge"] == 0.0)
        np.testing.assert_array_equal(recording.step, np.arange(n_rows))
    return n_rows


def test_a_full_disk_is_told_with_the_room_that_is_needed_and_the_run_goes_on_later(
    scenario, straight, small_disk
):
    command = ["run", scenario, *MANY_ROWS, "--output", small_disk / "run"]
    status, errors = run(*command)
    assert status == 2
    assert "5.24 MB are free" in errors  # before it starts
    status, errors = run(*command, "--ignore-limits", "--checkpoint-every", "50 ms")
    assert status == 2
    assert f"cannot write {small_disk / 'run'}" in errors
    assert "MB more are needed" in errors or "It needs" in errors
    assert check_what_is_left(small_disk / "run") > 1
    remount(small_disk, "size=100m")
    assert run("resume", small_disk / "run")[0] == 0
    assert differing(straight, small_disk / "run") == []


def test_a_limit_on_the_size_of_files_is_told_and_the_run_goes_on_later(scenario, straight, tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))

    command = ["run", scenario, *MANY_ROWS, "--output", tmp_path / "run", "--checkpoint-every", "50 ms"]
    status, errors = run(*command, preexec_fn=limit)
    assert status == 2
    assert f"cannot write {tmp_path / 'run' / 'run.h5'}: [Errno 27] File too large" in errors
    assert "MB are in it, about" in errors
    assert check_what_is_left(tmp_path / "run") > 1
    assert run("resume", tmp_path / "run")[0] == 0
    assert differing(straight, tmp_path / "run") == []


def test_a_disk_without_room_for_the_first_row_is_left_as_it_was(scenario, small_disk):
    with (small_disk / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError, match="No space"):
        while True:
            filler.write(bytes(4096))
    status, errors = run("run", scenario, "--output", small_disk / "run", "--ignore-limits")
    assert status == 2
    assert f"cannot write {small_disk / 'run' / 'run.h5'}" in errors
    assert [path.name for path in (small_disk / "run").iterdir()] == []


def test_a_folder_that_may_only_be_read_is_told(scenario, small_disk):
    (small_disk / "old").mkdir()
    for name in ("run.h5", "summary.json"):
        (small_disk / "old" / name).write_bytes(b"old")
    remount(small_disk, "ro")
    for command in (
        ["run", scenario, "--output", small_disk / "new"],
        ["run", scenario, "--output", small_disk / "old", "--overwrite"],
    ):
        status, errors = run(*command)
        assert status == 2
        assert f"cannot write {command[3]}" in errors
        assert "Read-only file system" in errors
        assert "--output" in errors
    assert (small_disk / "old" / "run.h5").read_bytes() == b"old"


@pytest.fixture
def running(scenario, tmp_path):
    """Start a run that would take minutes, and wait until it has recorded something."""
    command = ["run", scenario, "--set", "simulation.duration=20 ms", "--set", "recording.interval=35 ns"]
    process = start(*command, "--output", tmp_path / "run", "--checkpoint-every", "0.5 s")
    deadline = time.monotonic() + 100
    try:
        while not (tmp_path / "run" / "checkpoint.npz").exists():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_folder_that_is_deleted_is_told_and_its_record_written_once_more(running, tmp_path):
    with mc.Recording(tmp_path / "run") as recording:
        flushed = recording.values
    shutil.rmtree(tmp_path / "run")
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 2
    assert f"{tmp_path / 'run' / 'run.h5'} was deleted while the run went on" in errors
    assert "Traceback" not in errors
    with mc.Recording(tmp_path / "run") as recording:
        assert len(recording.values) >= len(flushed)
        np.testing.assert_array_equal(recording.values[: len(flushed)], flushed)


def test_a_folder_that_is_moved_is_told_with_its_new_place(running, tmp_path):
    os.rename(tmp_path / "run", tmp_path / "elsewhere")
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 2
    assert f"was moved to {tmp_path / 'elsewhere' / 'run.h5'}" in errors
    assert "Traceback" not in errors
    with mc.Recording(tmp_path / "elsewhere") as recording:
        assert len(recording.time) > 1
    assert not (tmp_path / "run").exists()
