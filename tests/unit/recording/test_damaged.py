"""Files that are no recordings, or no longer what they were: one clear error each."""

import h5py
import numpy as np
import pytest
from synthetic_run import write_synthetic_run

from mc.errors import RecordingError
from mc.recording.layout import END, LAYOUT
from mc.recording.recording import ATTRIBUTES, Recording


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "run.h5"
    write_synthetic_run(path, n_records=60)
    return path


@pytest.fixture
def copy(good, tmp_path):
    path = tmp_path / "run.h5"
    path.write_bytes(good.read_bytes())
    return path


@pytest.fixture(autouse=True)
def no_patience(monkeypatch):
    """No run is writing these files."""
    monkeypatch.setattr("mc.recording.recording.PATIENCE", ())


def replace(path, name, **dataset):
    with h5py.File(path, "r+") as file:
        attributes = dict(file[name].attrs)
        del file[name]
        if dataset:
            file.create_dataset(name, **dataset).attrs.update(attributes)
        else:
            file.create_group(name)


def test_the_good_one_is_read(copy):
    with Recording(copy) as recording:
        assert len(recording.time) == 60


@pytest.mark.parametrize("dataset", [one.path for one in LAYOUT])
def test_a_dataset_that_is_a_group_is_told(copy, dataset):
    replace(copy, dataset)
    with pytest.raises(RecordingError, match="is damaged"):
        Recording(copy)


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        ("/series/time", {"shape": (60,), "dtype": "f4"}),
        ("/series/step", {"shape": (60, 1), "dtype": "i8"}),
        ("/metadata/species/valence", {"shape": (4,), "dtype": "i1"}),
        ("/metadata/species/name", {"shape": (5,), "dtype": "i8"}),
        ("/metadata/channels/count", {"data": np.array([400, 21], dtype="u4")}),
        ("/metadata/channel_y", {"shape": (419,), "dtype": "f8"}),
        ("/profiles/potential", {"shape": (20, 121), "dtype": "f4"}),
        ("/profiles/concentration", {"shape": (20, 5, 119), "dtype": "f4"}),
        ("/particles/trajectory/position/value", {"shape": (20, 49, 3), "dtype": "f4"}),
        # What is said to be larger than the file would fill the memory.
        ("/events/gating/time", {"shape": (2**50,), "dtype": "f8", "chunks": (1024,)}),
    ],
)
def test_a_dataset_of_another_shape_or_type_is_told(copy, name, dataset):
    replace(copy, name, **dataset)
    with pytest.raises(RecordingError, match="is damaged"):
        Recording(copy)


@pytest.mark.parametrize("name", [*sorted({*ATTRIBUTES} - {"device"}), "format", "format_version"])
def test_an_attribute_that_is_gone_or_of_another_type_is_told(copy, name):
    with h5py.File(copy, "r+") as file:
        group = file[END] if name in file[END].attrs else file["metadata"]
        del group.attrs[name]
        place = group.name
    with pytest.raises(RecordingError):
        Recording(copy)
    with h5py.File(copy, "r+") as file:
        file[place].attrs[name] = np.zeros(3)
    with pytest.raises(RecordingError):
        Recording(copy)


def test_a_run_that_does_not_say_its_device_was_made_by_the_processor(copy):
    with h5py.File(copy, "r+") as file:
        del file["metadata"].attrs["device"]
    with Recording(copy) as recording:
        assert recording.attributes["device"] == "cpu"
    with h5py.File(copy, "r+") as file:
        file["metadata"].attrs["device"] = np.zeros(3)
    with pytest.raises(RecordingError):
        Recording(copy)


@pytest.mark.parametrize("columns", ["", "3", "[]", '["membrane_potential"]', "[" * 100_000, '{"a": 1}'])
def test_names_of_columns_that_are_not_those_of_the_run_are_told(copy, columns):
    with h5py.File(copy, "r+") as file:
        # Beyond 64 kB no attribute can be written.
        file["/series/values"].attrs["columns"] = columns[:60_000]
    with pytest.raises(RecordingError, match="is damaged"):
        Recording(copy)


def test_a_flipped_bit_in_a_row_is_found_by_its_checksum(copy):
    content = bytearray(copy.read_bytes())
    with Recording(copy) as recording:
        row = recording.values[30].tobytes()
    at = content.index(row) + 40
    content[at] ^= 1
    copy.write_bytes(content)
    with Recording(copy) as recording, pytest.raises(RecordingError, match="/series/values cannot be read"):
        recording["membrane_potential"]


def test_a_truncated_file_is_told_wherever_it_ends(good, copy):
    content = good.read_bytes()
    for length in (0, 1, 100, 5000, len(content) // 2, len(content) - 1):
        copy.write_bytes(content[:length])
        with pytest.raises(RecordingError, match="no readable HDF5 file, or was damaged"):
            Recording(copy)
