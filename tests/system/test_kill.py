"""A run that is killed or interrupted leaves a file that can be read."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mc import Recording
from mc.errors import RecordingError

SCENARIO = Path(__file__).parent / "good_scenario.toml"
PATIENCE = 240.0
"""s until the first records, compilation included."""

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")


@pytest.fixture
def running(tmp_path):
    """Start a run of 600 us, far too long to end by itself; wait for its first records."""
    command = [
        *(sys.executable, "-m", "mc", "run", str(SCENARIO), "--output", str(tmp_path), "--threads", "1"),
        *("--set", "simulation.duration=600 us", "--set", "geometry.area=0.005 um^2"),
        *("--set", "recording.interval=20 ns", "--set", "recording.profile_interval=1 us"),
        *("--set", "recording.positions_interval=1 us"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + PATIENCE
        while not has_records(tmp_path):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline, "no records"
            time.sleep(0.2)
        yield process
    finally:
        process.kill()
        process.communicate()


def has_records(folder):
    if not (folder / "run.h5").exists():
        return False
    try:
        with Recording(folder) as recording:
            return len(recording.time) > 10
    except (RecordingError, OSError, KeyError):
        # Caught while a block was being written.
        return False


def check(recording):
    """Check that what is there is whole: every table can be read, and its parts agree."""
    assert not recording.finished
    n_records = len(recording.time)
    assert n_records > 10
    assert recording.values.shape == (n_records, len(recording.columns))
    np.testing.assert_array_equal(recording.step, 40 * np.arange(n_records))
    assert np.all(recording["ledger_charge"] == 0.0)
    # There is no command without a clamp.
    known = [name != "command_potential" for name in recording.columns]
    assert np.all(np.isfinite(recording.values[:, known]))
    assert np.all(np.isfinite(recording.positions.x))
    assert np.all(np.isfinite(recording.profiles.potential))
    for events in (recording.crossings, recording.gating, recording.pump_moves):
        assert len({column.size for column in events.values()}) == 1
    assert recording.scenario.title == "A correct scenario"


def test_a_killed_run_leaves_a_readable_file(running, tmp_path):
    running.kill()
    assert running.wait(timeout=10) == -signal.SIGKILL
    with Recording(tmp_path) as recording:
        check(recording)


def test_an_interrupted_run_leaves_a_readable_file_and_says_so(running, tmp_path):
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "interrupted" in errors
    assert "Traceback" not in errors
    with Recording(tmp_path) as recording:
        check(recording)
        assert "interrupt" in recording.stop_reason
