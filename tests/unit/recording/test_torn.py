"""A run that is killed while its file is written: every state the disk can be left in holds what was there before."""

import os

import h5py
import numpy as np
import pytest
from synthetic_run import describe_synthetic_run

from mc.recording.held_file import PAGE, HeldFile
from mc.recording.layout import COMPLETED, LAYOUT
from mc.recording.recorder import Recorder
from mc.recording.recording import Recording

GROWING = [dataset.path for dataset in LAYOUT if dataset.grows]
N_IONS = 60


def read_rows(path):
    with h5py.File(path, "r", locking=False) as file:
        return {name: file[name][()] for name in GROWING}


class Tearing:
    """Every `stride`th state of the file between two commits, as a kill between two pages would leave it."""

    def __init__(self, folder, monkeypatch, stride):
        self.path, self.torn, self.stride = folder / "run.h5", folder / "torn.h5", stride
        self.n_states = 0
        self._changes = []
        write_all, truncate, commit = HeldFile._write_all, os.ftruncate, HeldFile.commit

        def write_pages(held, offset, data):
            content = bytes(data)
            for first in range(offset - offset % PAGE, offset + len(content), PAGE):
                piece = content[max(0, first - offset) : first + PAGE - offset]
                self._changes.append((max(first, offset), piece))
            write_all(held, offset, data)

        def truncate_noticed(descriptor, size):
            self._changes.append((size, None))
            truncate(descriptor, size)

        def commit_noticed(held):
            # Until it is complete a new file has another name.
            if not self.path.exists():
                commit(held)
                return
            before, rows_before = self.path.read_bytes(), read_rows(self.path)
            self._changes.clear()
            commit(held)
            self._check(bytearray(before), rows_before, read_rows(self.path))

        monkeypatch.setattr(HeldFile, "_write_all", write_pages)
        monkeypatch.setattr(HeldFile, "commit", commit_noticed)
        monkeypatch.setattr(os, "ftruncate", truncate_noticed)

    def _check(self, image, before, after):
        for i, (offset, piece) in enumerate(self._changes):
            if piece is None:
                del image[offset:]
            image.extend(bytes(max(0, offset - len(image))))
            if piece is not None:
                image[offset : offset + len(piece)] = piece
            if i % self.stride == 0:
                self.torn.write_bytes(image)
                self._check_rows(read_rows(self.torn), before, after)
                with Recording(self.torn) as recording:
                    assert np.isfinite(recording.values).all()
                self.n_states += 1

    def _check_rows(self, found, before, after):
        for name, rows in found.items():
            kept = min(len(before[name]), len(after[name]))
            assert len(rows) >= kept, name
            assert rows[:kept].tobytes() == before[name][:kept].tobytes(), name
            # What has come since is there whole or not at all.
            if len(after[name]) >= len(before[name]):
                assert rows.tobytes() == after[name][: len(rows)].tobytes(), name


def record(recorder, steps, generator):
    """Record series, profiles, positions and crossings of some steps, flushing now and then."""
    description = recorder.description
    for step in steps:
        time = float(step)
        recorder.record_series(step, time, generator.random(len(recorder.columns)))
        if step % 2 == 0:
            shape = len(description.species), len(description.cell_position)
            recorder.record_profile(
                time, generator.random(shape), generator.random(len(description.node_position))
            )
        if step % 3 == 0:
            recorder.record_positions(step, time, generator.random(N_IONS))
        n = int(generator.integers(0, 400))
        recorder.record_crossings(
            {
                "step": np.full(n, step),
                "time": np.full(n, time),
                "ion": np.arange(n, dtype=np.uint32),
                "species": np.zeros(n, np.uint8),
                "channel": np.zeros(n, np.uint32),
                "direction": np.ones(n, np.int8),
            }
        )
        if step % 7 == 6:
            recorder.flush()


@pytest.mark.parametrize("stride", [17, pytest.param(1, marks=pytest.mark.slow)])
def test_a_kill_between_any_two_pages_leaves_what_was_there(tmp_path, monkeypatch, stride):
    """A run, and one that goes on with it after fewer rows; some flushes make HDF5 grow its tables."""
    generator = np.random.default_rng(1)
    description = describe_synthetic_run(
        recorded_ions=np.arange(N_IONS) * 100, recorded_species=np.arange(N_IONS) % 5
    )
    tearing = Tearing(tmp_path, monkeypatch, stride)
    recorder = Recorder(tearing.path, description, flush_interval=1e9)
    record(recorder, range(100), generator)
    rows = recorder.rows()
    record(recorder, range(100, 150), generator)
    recorder.finish("killed", 1.0)
    recorder = Recorder.reopen(tearing.path, description, rows, flush_interval=1e9)
    record(recorder, range(100, 220), generator)
    recorder.finish(COMPLETED, 2.0)
    assert tearing.n_states > 5000 // stride
