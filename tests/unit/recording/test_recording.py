"""The reader: arrays by name, and what it says about files that are not as they should be."""

import shutil

import h5py
import numpy as np
import pytest
from synthetic_run import N_RECORDED_IONS, N_RECORDS, REST, describe_synthetic_run, write_synthetic_run

from mc.errors import RecordingError
from mc.recording.layout import END, GROWING, UNKNOWN_CHECKSUM
from mc.recording.recorder import Recorder
from mc.recording.recording import Recording


@pytest.fixture(scope="module")
def recording(synthetic_run):
    with Recording(synthetic_run) as recording:
        yield recording


@pytest.fixture
def copy(synthetic_run, tmp_path):
    """A run that a test may damage."""
    return shutil.copy(synthetic_run, tmp_path / "run.h5")


def test_columns_are_read_by_name(recording):
    assert recording.time[:3].tolist() == [0.0, 10.0, 20.0]
    assert recording.step[-1] == 20 * (N_RECORDS - 1)
    assert recording["membrane_potential"][-100:].mean() == pytest.approx(REST, abs=10)
    assert recording["bulk_concentration_inside.K"].mean() == pytest.approx(140, rel=0.01)
    assert (recording["open_channels.Na leak"] == 20).all()
    assert recording.units["bulk_concentration_inside.K"] == "mM"
    assert "ions_in_pores.Ca" in recording
    assert "nonsense" not in recording


def test_a_misspelt_column_names_the_nearest(recording):
    with pytest.raises(KeyError, match="did you mean membrane_potential"):
        recording["membrane_potentail"]


def test_a_run_describes_itself(recording):
    description = describe_synthetic_run()
    assert recording.species == description.species
    assert recording.channels == description.channels
    assert recording.pumps == description.pumps
    assert recording.seed == 7
    assert recording.finished
    assert recording.scenario_text == description.scenario_text
    assert recording.attributes["overrides"] == ["inside.K=140 mM"]
    assert set(recording.attributes["versions"]) == {"ionmc", "python", "numpy", "numba", "h5py"}
    assert recording.membrane_capacitance == pytest.approx(1.2483)
    assert recording.scenario.inside["K"] == 140.0
    assert recording.scenario.simulation.duration == 6000.0
    assert repr(recording).startswith(
        "<Recording 'A made-up neuron': 175000 ions (K, Na, Cl, Ca, A), 600 records to 5990 ns"
    )


def test_profiles_positions_and_events_are_read(recording):
    profiles = recording.profiles
    assert profiles.concentration.shape == (len(profiles.time), 5, len(profiles.position))
    assert profiles.potential.shape == (len(profiles.time), len(profiles.node_position))
    assert recording.positions.x.shape == (6, N_RECORDED_IONS)
    assert recording.positions.species[:6].tolist() == [0, 1, 2, 3, 4, 0]
    assert recording.crossings["ion"].tolist() == [1, 2, 3]
    assert recording.crossings["direction"].tolist() == [1, -1, 1]
    assert recording.pump_moves["cycle"].size == 0
    assert set(recording.gating) == {"step", "time", "channel", "from_state", "to_state"}


def test_a_folder_stands_for_its_run(synthetic_run):
    assert Recording(synthetic_run.parent).path == synthetic_run


def test_what_was_read_outlives_the_file_and_nothing_else_does(synthetic_run):
    with Recording(synthetic_run) as recording:
        time = recording.time
    assert recording.time is time
    with pytest.raises(RecordingError, match="was closed"):
        _ = recording.profiles


def test_series_of_unequal_length_are_cut_to_the_shortest(copy):
    with h5py.File(copy, "r+") as file:
        file["/series/time"].resize(N_RECORDS - 3, axis=0)
        file["/events/crossings/ion"].resize(2, axis=0)
        # As a run leaves it that is killed.
        file[END].attrs.modify("checksums", np.full(len(GROWING), UNKNOWN_CHECKSUM))
    recording = Recording(copy)
    assert len(recording.step) == len(recording.time) == len(recording.values) == N_RECORDS - 3
    assert {len(column) for column in recording.crossings.values()} == {2}


def test_a_run_without_channels_reads_as_empty(tmp_path):
    with Recorder(tmp_path / "run.h5", describe_synthetic_run(channels=(), pumps=())):
        pass
    recording = Recording(tmp_path)
    assert recording.channels == ()
    assert recording.pumps == ()
    assert "0 records to nothing" in repr(recording)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RecordingError, match=r"run\.h5 does not exist: give the folder"):
        Recording(tmp_path)


def test_a_file_that_is_no_hdf5_is_refused(tmp_path):
    (tmp_path / "run.h5").write_text("title = 1")
    with pytest.raises(RecordingError, match="no readable HDF5 file"):
        Recording(tmp_path / "run.h5")


def test_a_file_that_was_cut_off_is_refused(copy):
    with open(copy, "r+b") as file:
        file.truncate(5000)
    with pytest.raises(RecordingError, match="damaged while it was written"):
        Recording(copy)


def test_a_foreign_hdf5_file_is_refused(tmp_path):
    h5py.File(tmp_path / "run.h5", "w").close()
    with pytest.raises(RecordingError, match="no recording of ionmc"):
        Recording(tmp_path)


def test_another_version_is_refused(copy):
    with h5py.File(copy, "r+") as file:
        file["metadata"].attrs["format_version"] = 99
    with pytest.raises(RecordingError, match="version 99; this ionmc reads version 5"):
        Recording(copy)


def test_a_missing_dataset_is_named(copy):
    with h5py.File(copy, "r+") as file:
        del file["/profiles/potential"]
    with pytest.raises(RecordingError, match="lacks /profiles/potential"):
        Recording(copy)


def test_a_scenario_of_another_time_is_refused(copy):
    with h5py.File(copy, "r+") as file:
        file["metadata"].attrs["scenario"] = '{"unknown": 1}'
    with pytest.raises(RecordingError, match="a scenario that cannot be read"):
        _ = Recording(copy).scenario


def test_the_same_run_is_written_twice_alike(synthetic_run, tmp_path):
    write_synthetic_run(tmp_path / "run.h5")
    assert (Recording(tmp_path).values == Recording(synthetic_run).values).all()
