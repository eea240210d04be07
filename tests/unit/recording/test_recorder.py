"""The recorder: what it writes, what it refuses, and what survives a kill."""

import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from synthetic_run import describe_synthetic_run

from mc.errors import RecordingError
from mc.recording.layout import COMPLETED, LAYOUT, series_blocks, series_columns
from mc.recording.recorder import LONGEST_REASON, Recorder, write_summary
from mc.recording.recording import Recording


def test_columns_stand_in_the_order_of_their_blocks():
    description = describe_synthetic_run()
    names = [column.name for column in series_columns(description)]
    blocks = series_blocks(description)

    assert names[:3] == ["membrane_potential", "charge_separation_potential", "ions_inside.K"]
    assert names[-3:] == ["command_potential", "injected_charge", "ledger_charge"]
    assert names[blocks["crossings_outward"]][:6] == [
        *(f"crossings_outward.K leak.{name}" for name in ("K", "Na", "Cl", "Ca", "A")),
        "crossings_outward.Na leak.K",
    ]
    assert names[blocks["state"]] == ["state.K leak.closed", "state.K leak.open", "state.Na leak.open"]
    assert sum(block.stop - block.start for block in blocks.values()) == len(names)


def test_every_dataset_has_its_shape_type_and_unit(synthetic_run):
    with h5py.File(synthetic_run) as file:
        for dataset in LAYOUT:
            found = file[dataset.path]
            assert found.attrs["unit"] == dataset.unit, dataset.path
            assert found.ndim == len(dataset.axes), dataset.path
            if dataset.dtype != "text":
                assert found.dtype == np.dtype(dataset.dtype), dataset.path
        assert file["/metadata/channels/first_channel"][:].tolist() == [0, 400]
        assert file["/metadata/pumps/outward"][:].tolist() == [[0, 3, 0, 0, 0]]


def test_a_run_without_channels_and_pumps_is_written(tmp_path):
    description = describe_synthetic_run(channels=(), pumps=())
    n_columns = len(series_columns(description))
    with Recorder(tmp_path / "run.h5", description) as recorder:
        recorder.record_series(0, 0.0, np.arange(n_columns))
        recorder.finish(COMPLETED, 1.0)
    with h5py.File(tmp_path / "run.h5") as file:
        assert file["/series/values"][:].tolist() == [list(range(n_columns))]
        assert file["/metadata/channels/permeability"].shape == (0, 5)


def test_the_recorder_keeps_a_copy_of_what_it_is_given(tmp_path):
    description = describe_synthetic_run()
    row = np.zeros(len(series_columns(description)))
    profile = np.ones((5, 120))
    with Recorder(tmp_path / "run.h5", description) as recorder:
        for step in (0, 1):
            row[:] = step
            profile[:] = step
            recorder.record_series(step, step * 0.5, row)
            recorder.record_profile(step * 0.5, profile, np.zeros(122))
    with h5py.File(tmp_path / "run.h5") as file:
        assert file["/series/values"][:, 0].tolist() == [0.0, 1.0]
        assert file["/profiles/concentration"][:, 0, 0].tolist() == [0.0, 1.0]


def test_rows_recorded_at_once_are_those_recorded_one_by_one(tmp_path):
    description = describe_synthetic_run()
    rows = np.arange(3.0 * len(series_columns(description))).reshape(3, -1)
    steps, times = np.array([0, 2, 7]), np.array([0.0, 1.0, 3.5])
    with Recorder(tmp_path / "one by one.h5", description) as recorder:
        for step, time, row in zip(steps.tolist(), times.tolist(), rows, strict=True):
            recorder.record_series(step, time, row)
    with Recorder(tmp_path / "at once.h5", description) as recorder:
        recorder.record_series_rows(steps[:0], times[:0], rows[:0])
        recorder.record_series_rows(steps, times, rows)
        assert recorder.rows()["/series/values"] == 3
        with pytest.raises(ValueError, match="a row of the series has"):
            recorder.record_series_rows(steps, times, rows[:, 1:])
    with h5py.File(tmp_path / "one by one.h5") as one, h5py.File(tmp_path / "at once.h5") as other:
        for name in ("step", "time", "values"):
            assert len(one[f"/series/{name}"]) == 3
            np.testing.assert_array_equal(one[f"/series/{name}"], other[f"/series/{name}"])


@pytest.mark.parametrize(
    ("error", "reason"), [(KeyboardInterrupt, "interrupted"), (ValueError, "ValueError: ")]
)
def test_a_run_that_breaks_off_says_why(tmp_path, error, reason):
    with pytest.raises(error), Recorder(tmp_path / "run.h5", describe_synthetic_run()):
        raise error
    with h5py.File(tmp_path / "run.h5") as file:
        assert file["metadata/end"].attrs["stop_reason"].decode() == reason
        assert not file["metadata/end"].attrs["finished"]


def test_a_long_reason_is_cut_between_letters(tmp_path):
    with pytest.raises(ValueError), Recorder(tmp_path / "run.h5", describe_synthetic_run()):
        raise ValueError("µ" * 2000)
    with Recording(tmp_path) as recording:
        assert set(recording.stop_reason.removeprefix("ValueError: ")) == {"µ"}
        assert 450 < len(recording.stop_reason) <= LONGEST_REASON


@pytest.fixture
def interruptible():
    """Let an interrupt be one, as it is not in what a shell has put into the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_waits_until_the_block_is_written(tmp_path, monkeypatch, interruptible):
    concatenate = np.concatenate

    def interrupted_concatenate(blocks):
        signal.raise_signal(signal.SIGINT)
        return concatenate(blocks)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), _recorder_without_flush(tmp_path) as recorder:
        for step in range(3):
            recorder.record_series(step, step * 0.5, np.zeros(len(recorder.columns)))
        with monkeypatch.context() as patch:
            patch.setattr(np, "concatenate", interrupted_concatenate)
            recorder.flush()
    recording = Recording(tmp_path)
    assert len(recording.time) == len(recording.values) == 3
    assert recording.stop_reason == "interrupted"
    assert signal.getsignal(signal.SIGINT) is handler


def test_an_existing_file_is_refused_unless_overwrite(tmp_path):
    path = tmp_path / "run.h5"
    path.write_text("precious")
    with pytest.raises(RecordingError, match="--overwrite"):
        Recorder(path, describe_synthetic_run())
    assert path.read_text() == "precious"
    with Recorder(path, describe_synthetic_run(), overwrite=True) as recorder:
        recorder.finish(COMPLETED, 0.0)
    assert h5py.is_hdf5(path)


def test_a_folder_that_cannot_be_made_is_named_with_a_remedy(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match=r"cannot write .*file/run.h5.*--output"):
        Recorder(tmp_path / "file" / "run.h5", describe_synthetic_run())


def test_a_full_disk_is_named_and_leaves_the_last_flush_readable(tmp_path):
    # A limit on the size of files fails a write as a full disk does.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(RecordingError, match="disk full"), _recorder_without_flush(tmp_path) as recorder:
        try:
            for step in range(1000):
                recorder.record_series(step, step * 0.5, np.zeros(len(recorder.columns)))
                if step == 9:
                    recorder.flush()
                    size = (tmp_path / "run.h5").stat().st_size
                    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 1000, hard))
            recorder.finish(COMPLETED, 1.0)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert Recording(tmp_path).step.tolist() == list(range(10))


def _recorder_without_flush(folder):
    return Recorder(folder / "run.h5", describe_synthetic_run(), flush_interval=1e9)


def test_overwriting_leaves_an_open_recording_of_the_old_run_alone(tmp_path):
    description = describe_synthetic_run()
    for seed in (1, 2):
        with Recorder(tmp_path / "run.h5", replace(description, seed=seed), overwrite=True) as recorder:
            recorder.record_series(0, 0.0, np.full(len(recorder.columns), seed))
            recorder.finish(COMPLETED, 1.0)
        if seed == 1:
            old = Recording(tmp_path)
    assert old.values[0, 0] == 1.0
    assert Recording(tmp_path).values[0, 0] == 2.0


def test_events_need_exactly_their_columns(tmp_path):
    with Recorder(tmp_path / "run.h5", describe_synthetic_run()) as recorder:
        with pytest.raises(ValueError, match="from_state"):
            recorder.record_gating({"step": np.arange(2)})
        with pytest.raises(ValueError, match="differ in length"):
            recorder.record_gating(
                dict.fromkeys(("step", "time", "channel", "from_state"), np.zeros(2))
                | {"to_state": np.zeros(3)}
            )


KILLED_RUN = """
import sys, time
import numpy as np
from synthetic_run import describe_synthetic_run
from mc.recording.layout import series_columns
from mc.recording.recorder import Recorder

description = describe_synthetic_run()
row = np.zeros(len(series_columns(description)))
with Recorder(sys.argv[1], description, flush_interval=1e9) as recorder:
    for step in range(100):
        recorder.record_series(step, step * 0.5, row + step)
    recorder.flush()
    for step in range(100, 150):
        recorder.record_series(step, step * 0.5, row + step)
    print("flushed", flush=True)
    time.sleep(60)
"""


def test_what_was_flushed_is_readable_during_the_run_and_after_sigkill(tmp_path):
    path = tmp_path / "run.h5"
    tests = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED_RUN, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent)])},
    )
    assert process.stdout.readline() == "flushed\n"
    running = Recording(path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    for recording in (running, Recording(path)):
        assert recording.step.tolist() == list(range(100))
        assert recording["membrane_potential"][-1] == 99.0
        assert not recording.finished
        assert recording.stop_reason == "running or killed"


def test_the_summary_is_plain_json(tmp_path):
    path = tmp_path / "summary.json"
    write_summary(
        path, {"a": np.float64(1.5), "b": np.int64(3), "c": [float("nan")], "d": {"e": np.arange(2)}}
    )
    assert json.loads(path.read_text()) == {"a": 1.5, "b": 3, "c": [None], "d": {"e": [0, 1]}}
    assert list(tmp_path.iterdir()) == [path]


def test_a_summary_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "summary.json"
    write_summary(path, {"a": 1})
    with pytest.raises(TypeError):
        write_summary(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1}


def test_a_flush_is_due_after_a_while_and_once_much_has_gathered(tmp_path, monkeypatch):
    with _recorder_without_flush(tmp_path) as recorder:
        recorder.record_series(0, 0.0, np.zeros(len(recorder.columns)))
        assert not recorder.is_due
        monkeypatch.setattr("mc.recording.recorder.MAX_BUFFERED_BYTES", 8 * len(recorder.columns))
        assert recorder.is_due
        recorder.flush()
        assert not recorder.is_due


@pytest.mark.parametrize(("seconds", "wait"), [(0.001, 1.0), (0.01, 2.0), (3.0, 10.0)])
def test_a_flush_that_takes_long_comes_seldom(tmp_path, monkeypatch, seconds, wait):
    now = [100.0]
    monkeypatch.setattr("mc.recording.recorder.time.monotonic", lambda: now[0])
    with Recorder(tmp_path / "run.h5", describe_synthetic_run(), flush_interval=1.0) as recorder:
        commit = recorder._disk.commit

        def slow_commit():
            commit()
            now[0] += seconds

        monkeypatch.setattr(recorder._disk, "commit", slow_commit)
        recorder.flush()
        now[0] += wait - 1e-6
        assert not recorder.is_due
        now[0] += 2e-6
        assert recorder.is_due
