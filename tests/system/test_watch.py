"""`ionmc watch` follows a run to its end without disturbing it, and says when nobody goes on with it."""

import io
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner
from rich.console import Console
from small_run import start, write_scenario
from synthetic_run import describe_synthetic_run, write_synthetic_run

from mc.cli import cli
from mc.cli.watch import View, _curve, draw
from mc.recording.recorder import Recorder
from mc.recording.recording import Recording, is_being_written


def watch(*arguments):
    return CliRunner().invoke(cli, ["watch", *map(str, arguments)])


def test_a_finished_run_is_shown_and_left(tmp_path):
    write_synthetic_run(tmp_path / "run.h5")
    result = watch(tmp_path)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("\n") == 1
    assert "5.99 us of 5.99 us" in result.stdout
    assert result.stdout.rstrip().endswith("finished")


def test_what_is_no_run_gets_one_clear_error(tmp_path):
    result = watch(tmp_path / "nothing")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1


def test_a_run_is_followed_to_its_end(tmp_path):
    path = write_scenario(tmp_path, "brownian")
    run = start("run", path, "--output", tmp_path / "run", "--set", "simulation.duration=150 us")
    deadline = time.monotonic() + 120
    while not (tmp_path / "run" / "run.h5").exists() and time.monotonic() < deadline:
        assert run.poll() is None, run.stderr.read()
        time.sleep(0.05)
    assert is_being_written(tmp_path / "run")
    command = [sys.executable, "-m", "mc", "watch", str(tmp_path / "run"), "--interval", "0.2"]
    watched = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert watched.returncode == 0, watched.stderr
    lines = watched.stdout.splitlines()
    assert len(lines) > 2
    assert "running" in lines[-2]
    assert lines[-1].endswith("finished")
    assert any("left" in line for line in lines)
    assert run.wait() == 0
    assert not is_being_written(tmp_path / "run")


def test_a_killed_run_ends_the_watch(tmp_path):
    path = write_scenario(tmp_path, "brownian")
    run = start("run", path, "--output", tmp_path / "run", "--set", "simulation.duration=1 ms")
    deadline = time.monotonic() + 120
    while not (tmp_path / "run" / "run.h5").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    command = [sys.executable, "-m", "mc", "watch", str(tmp_path / "run"), "--interval", "0.2"]
    watching = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        while "running" not in (line := watching.stdout.readline()):
            assert line == "nothing recorded yet\n"
        run.kill()
        run.communicate()
        rest, errors = watching.communicate(timeout=60)
    finally:
        watching.kill()
        run.kill()
    assert watching.returncode == 1, errors
    assert "it was killed; ionmc resume" in rest


@pytest.mark.parametrize("n_records", [0, 1])
def test_a_run_that_has_hardly_begun_is_shown(tmp_path, n_records):
    recorder = Recorder(tmp_path / "run.h5", describe_synthetic_run())
    try:
        for i in range(n_records):
            recorder.record_series(i, 10.0 * i, [0.0] * len(recorder.columns))
        recorder.flush()
        result = watch(tmp_path, "--once")
        assert result.exit_code == 0, result.output
        assert ("nothing recorded yet" in result.stdout) == (n_records == 0)
    finally:
        recorder.finish("completed", 0.0)


@pytest.mark.parametrize("height", [24, 30, 60])
def test_the_picture_fits_the_screen(tmp_path, height):
    write_synthetic_run(tmp_path / "run.h5")
    recording = Recording(tmp_path)
    console = Console(width=80, height=height, file=io.StringIO())
    console.print(draw(View(recording, False, 0.0), 80, height))
    lines = console.file.getvalue().splitlines()
    assert len(lines) <= height
    assert any("Na/K-ATPase" in line for line in lines)


def test_the_curve_of_a_run_that_has_just_begun_fills_the_picture(tmp_path):
    write_synthetic_run(tmp_path / "run.h5")
    recording = Recording(tmp_path)
    assert "5.99 us" in _curve(recording, 80, 6).plain
    recording.attributes["n_steps"] *= 1000
    assert "5.99 us" in _curve(recording, 80, 6).plain
    recording.attributes["n_steps"] //= 500
    assert "12 us" in _curve(recording, 80, 6).plain
