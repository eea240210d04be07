"""A file whose writes wait: it reads as if they were made, and a kill finds the last commit."""

import errno

import h5py
import numpy as np
import pytest

from mc.recording.held_file import LARGE, PAGE, HeldFile


@pytest.fixture
def file(tmp_path):
    with HeldFile(tmp_path / "file", "w+b") as opened:
        yield opened


def contents(file):
    with open(file.name, "rb") as other:
        return other.read()


def read(file, offset, length):
    """Read as HDF5 does, into a buffer."""
    buffer = bytearray(length)
    file.seek(offset)
    return bytes(buffer[: file.readinto(buffer)])


def test_held_writes_are_read_but_not_on_disk_until_they_are_committed(file):
    file.write(b"0123456789")
    assert contents(file) == b""
    assert read(file, 0, 20) == b"0123456789"
    file.commit()
    assert contents(file) == b"0123456789"


@pytest.mark.parametrize("large", [1 << 20, 40])
def test_writes_like_those_of_any_file_in_any_order(file, tmp_path, monkeypatch, large):
    """A thousand random writes, reads and truncations, beside the same on a plain file."""
    monkeypatch.setattr("mc.recording.held_file.LARGE", large)
    random = np.random.default_rng(1)
    with open(tmp_path / "plain", "w+b", buffering=0) as plain:
        for _ in range(1000):
            offset, length = int(random.integers(0, 300)), int(random.integers(1, 80))
            kind = random.integers(0, 10)
            if kind < 6:
                data = random.bytes(length)
                for each in (file, plain):
                    each.seek(offset)
                    each.write(data)
            elif kind < 8:
                found = []
                for each in (file, plain):
                    found.append((read(each, offset, length), each.tell(), each.seek(0, 2)))
                assert found[0] == found[1]
            elif kind == 8:
                for each in (file, plain):
                    each.truncate(offset)
            else:
                file.commit()
                assert contents(file) == contents(plain)


@pytest.mark.parametrize("end", [3 * PAGE + 10, 3 * PAGE - 10])
def test_first_comes_what_nothing_points_to_and_last_the_headers(file, monkeypatch, end):
    """The beginning says where the file ends: before anything lies beyond, or after nothing does any more."""
    file.write(b"a" * 3 * PAGE)
    file.commit()
    file.header_pages = {1}
    order = []
    monkeypatch.setattr(HeldFile, "_write_all", lambda self, offset, data: order.append((offset, len(data))))
    for offset, length in (
        (0, 100),
        (PAGE + 10, 20),
        (2 * PAGE - 4, 8),
        (2 * PAGE + 200, end - 2 * PAGE - 200),
    ):
        file.seek(offset)
        file.write(b"b" * length)
    file.truncate(end)
    file.commit()
    headers = [(PAGE + 10, 20), (2 * PAGE - 4, 4)]
    if end > 3 * PAGE:
        tables = [(0, 100), (2 * PAGE, 4), (2 * PAGE + 200, PAGE - 200)]
        assert order == [(3 * PAGE, 10), (0, 48), *tables, *headers]
    else:
        assert order == [(2 * PAGE, 4), (2 * PAGE + 200, PAGE - 210), *headers, (0, 100)]


def test_large_writes_beyond_the_old_end_do_not_wait_and_change_nothing_before_it(file):
    file.write(b"0123456789")
    file.commit()
    large = b"a" * LARGE
    for offset in (10, 0):
        file.seek(offset)
        file.write(large)
    assert contents(file) == b"0123456789" + large
    assert read(file, 0, LARGE + 20) == large + b"a" * 10
    file.truncate(4)
    assert contents(file) == b"0123456789"
    file.commit()
    assert contents(file) == b"aaaa"


def test_a_large_write_that_fails_is_kept_as_the_first_failure(file, monkeypatch):
    def fail(self, offset, data):
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(HeldFile, "_write_all", fail)
    assert file.write(b"a" * LARGE) == LARGE
    with pytest.raises(OSError, match="no space"):
        file.raise_error()


def test_the_first_failure_is_kept_and_nothing_is_written_after_it(file, monkeypatch):
    def fail(self, offset, data):
        raise OSError(errno.ENOSPC, "no space")

    file.write(b"before")
    file.commit()
    with monkeypatch.context() as patch:
        patch.setattr(HeldFile, "_write_all", fail)
        file.write(b"lost")
        file.commit()
    file.write(b"after")
    file.commit()
    assert contents(file) == b"before"
    with pytest.raises(OSError, match="no space"):
        file.raise_error()


def test_an_hdf5_file_can_be_read_at_every_commit(tmp_path):
    """Appended to in rows, some of which make HDF5 grow its tables."""
    path = tmp_path / "file.h5"
    with HeldFile(path, "w+b") as held, h5py.File(held, "w") as file:
        dataset = file.create_dataset("rows", (0, 100), dtype="i4", maxshape=(None, 100), chunks=(1, 100))
        for n in range(1, 400):
            dataset.resize(n, axis=0)
            dataset[n - 1] = n
            file.flush()
            if n % 7 == 0:
                held.commit()
                with h5py.File(path, "r", locking=False) as reader:
                    np.testing.assert_array_equal(reader["rows"][:, 0], np.arange(1, n + 1))
    with h5py.File(path, "r") as reader:
        assert reader["rows"].shape == (399, 100)
