"""sweep.h5 and sweep.csv hold the table as it was."""

import csv
import math

import h5py
import numpy as np
import pandas
import pytest

from mc.errors import RecordingError
from mc.recording.sweep_table import (
    COLUMNS,
    Failure,
    Parameter,
    SweepTable,
    make_columns,
    read_sweep_table,
    write_sweep_table,
)


def row(point, quantity, mean):
    texts = {"quantity": quantity, "unit": "mV", "standard_error_from": "between replicas"}
    numbers = {"point": point, "runs": 3, "short_runs": 0, "mean": mean, "theory": math.nan}
    return {**dict.fromkeys(COLUMNS, 0.1), **texts, **numbers}


@pytest.fixture
def table():
    rows = [row(point, name, -70.0 - point) for point in range(2) for name in ("membrane_potential", "noise")]
    return SweepTable(
        title="Ein Titel µ",
        seed=2**62 + 1,
        replicas=3,
        paired=True,
        parameters=(
            Parameter("outside.K", "mM", ("3 mM", "500 uM"), np.array([3.0, 0.5])),
            Parameter("simulation.engine", "", ("lattice", "brownian"), np.array([math.nan, math.nan])),
        ),
        columns=make_columns(rows),
        failures=(Failure(1, 2, "too short", "ionmc run x.toml"),),
    )


def test_the_file_gives_back_what_was_written(table, tmp_path):
    write_sweep_table(tmp_path, table)
    for path in (tmp_path, tmp_path / "sweep.h5"):
        found = read_sweep_table(path)
        assert (found.title, found.seed, found.replicas, found.paired) == ("Ein Titel µ", 2**62 + 1, 3, True)
        assert found.failures == table.failures
        assert [one[:3] for one in found.parameters] == [one[:3] for one in table.parameters]
        np.testing.assert_array_equal(found.parameters[0].numbers, [3.0, 0.5])
        for name in COLUMNS:
            np.testing.assert_array_equal(found[name], table[name])


def test_the_same_table_gives_the_same_bytes(table, tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        write_sweep_table(tmp_path / name, table)
    for name in ("sweep.h5", "sweep.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_the_csv_has_numbers_with_units_in_the_heading_and_nothing_where_there_is_none(table, tmp_path):
    write_sweep_table(tmp_path, table)
    with (tmp_path / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [one["outside.K (mM)"] for one in rows] == ["3.0", "3.0", "0.5", "0.5"]
    assert [one["simulation.engine"] for one in rows] == ["lattice", "lattice", "brownian", "brownian"]
    assert {one["theory"] for one in rows} == {""}
    assert float(rows[2]["mean"]) == -71.0


def test_rows_of_a_quantity_and_a_data_frame(table):
    assert table.quantities == ("membrane_potential", "noise")
    assert table.of("noise")["point"].tolist() == [0, 1]
    frame = table.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert frame["mean"].tolist() == [-70.0, -70.0, -71.0, -71.0]
    assert frame["outside.K (mM)"].tolist() == [3.0, 3.0, 0.5, 0.5]


def test_a_sweep_of_replicas_alone_has_no_parameters(table, tmp_path):
    alone = SweepTable("", 1, 3, False, (), make_columns([row(0, "noise", 1.0)]))
    write_sweep_table(tmp_path, alone)
    found = read_sweep_table(tmp_path)
    assert found.parameters == found.failures == ()
    assert found.n_points == 1


def test_texts_have_checksums_and_are_read_by_h5py_as_they_are(table, tmp_path):
    write_sweep_table(tmp_path, table)
    with h5py.File(tmp_path / "sweep.h5") as file:
        quantities = file["rows/quantity"]
        assert quantities.asstr()[()].tolist() == table["quantity"].tolist()
        assert quantities.fletcher32
        variable = []

        def look(name, found):
            kinds = [found.attrs.get_id(key).dtype for key in found.attrs]
            kinds += [found.dtype] if isinstance(found, h5py.Dataset) else []
            texts = [text for kind in kinds if (text := h5py.check_string_dtype(kind)) is not None]
            variable.extend(name for text in texts if text.length is None)

        file.visititems(look)
        assert not variable


def test_a_damaged_table_is_told_or_read_as_it_was(table, tmp_path):
    """Two thousand flipped bytes and a hundred cut ends."""
    (path,) = [path for path in write_sweep_table(tmp_path, table) if path.suffix == ".h5"]
    whole, random = path.read_bytes(), np.random.default_rng(1)
    n_told = 0
    for i in range(2100):
        damaged = bytearray(whole)
        if i < 2000:
            damaged[random.integers(len(whole))] ^= int(random.integers(1, 256))
        else:
            del damaged[random.integers(len(whole)) :]
        path.write_bytes(damaged)
        try:
            found = read_sweep_table(path)
        except RecordingError:
            n_told += 1
        else:
            assert found.columns["mean"].tobytes() == table.columns["mean"].tobytes()
    assert n_told > 500


def test_what_is_no_table_is_told(tmp_path):
    with pytest.raises(RecordingError, match="does not exist"):
        read_sweep_table(tmp_path)
    path = tmp_path / "sweep.h5"
    path.write_bytes(b"nothing")
    with pytest.raises(RecordingError, match="cannot be read"):
        read_sweep_table(path)
    with h5py.File(path, "w"):
        pass
    with pytest.raises(RecordingError, match="no table of a sweep"):
        read_sweep_table(path)
