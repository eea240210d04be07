import numpy as np
import pytest

from mc.errors import RecordingError
from mc.recording.checkpoint import (
    NAMES,
    keep_checkpoint,
    read_checkpoint,
    read_checkpoint_before,
    read_origin,
    remove_checkpoints,
    write_checkpoint,
)

ARRAYS = {"positions": np.arange(1000.0), "chains": np.zeros(3, dtype=[("state", "u1"), ("remaining", "f8")])}


def test_a_checkpoint_is_read_as_it_was_written(tmp_path):
    write_checkpoint(tmp_path, ARRAYS, {"seed": 7, "rows": {"/series/step": 3}})
    found = read_checkpoint(tmp_path)
    assert found.header["seed"] == 7
    assert found.header["rows"] == {"/series/step": 3}
    assert found.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found.arrays[name], array)
        assert found.arrays[name].dtype == array.dtype


def test_two_generations_are_kept_and_a_damaged_one_gives_way_to_the_other(tmp_path):
    for seed in (1, 2, 3):
        write_checkpoint(tmp_path, ARRAYS, {"seed": seed})
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)
    assert read_checkpoint(tmp_path).header["seed"] == 3
    newest = tmp_path / NAMES[0]
    content = bytearray(newest.read_bytes())
    for damaged in (content[:-30], content[:100], b"", content[:2000] + bytes(3000) + content[5000:]):
        newest.write_bytes(damaged)
        assert read_checkpoint(tmp_path).header["seed"] == 2
    remove_checkpoints(tmp_path)
    assert read_checkpoint(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone_is_told_with_the_room_that_is_needed(tmp_path):
    with pytest.raises(RecordingError, match=r"It needs 0\.00803 MB"):
        write_checkpoint(tmp_path / "gone", ARRAYS, {})


def test_of_all_kinds_the_last_checkpoint_before_a_step_is_found(tmp_path):
    keep_checkpoint(tmp_path, ARRAYS, {"step": 10}, is_origin=True)
    for step in (20, 40):
        keep_checkpoint(tmp_path, ARRAYS, {"step": step})
    write_checkpoint(tmp_path, ARRAYS, {"step": 30})
    found = {step: read_checkpoint_before(tmp_path, step) for step in (9, 10, 25, 30, 39, 100)}
    assert found.pop(9) is None
    assert [one.header["step"] for one in found.values()] == [10, 20, 30, 30, 40]
    (tmp_path / "checkpoint.step-40.npz").write_bytes(b"torn")
    assert read_checkpoint_before(tmp_path, 100).header["step"] == 30


def test_what_is_kept_stays_until_the_run_is_overwritten(tmp_path):
    keep_checkpoint(tmp_path, ARRAYS, {"step": 10}, is_origin=True)
    keep_checkpoint(tmp_path, ARRAYS, {"step": 20})
    write_checkpoint(tmp_path, ARRAYS, {"step": 30})
    (tmp_path / "mine.npz").write_bytes(b"")
    remove_checkpoints(tmp_path)
    assert read_origin(tmp_path).header["step"] == 10
    assert read_checkpoint_before(tmp_path, 100).header["step"] == 20
    remove_checkpoints(tmp_path, kept=True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.npz"]
