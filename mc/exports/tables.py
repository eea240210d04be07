"""Tables for anyone: the series, the profiles and the events of a run, as CSV or Parquet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mc.exports.output import new_folder, require
from mc.recording.layout import DIMENSIONLESS, LAYOUT
from mc.recording.recording import Recording


class Table(NamedTuple):
    """Columns of one length, and the unit of each; "1" for what has none."""

    columns: dict[str, np.ndarray]
    units: dict[str, str]


def make_tables(recording: Recording) -> dict[str, Table]:
    """Return the tables of a run by name.

    series has a row for each record. concentrations and potentials have a row for each window of time and place.
    crossings, pump_moves and gating have a row for each event, with names beside numbers.
    """
    tables = {
        "series": Table(
            {"time": recording.time, **{name: recording[name] for name in recording.columns}},
            {"time": "ns", **recording.units},
        )
    }
    profiles = recording.profiles
    if len(profiles.time):
        n_windows, n_species, n_cells = profiles.concentration.shape
        tables["concentrations"] = Table(
            {
                "time": np.repeat(profiles.time, n_species * n_cells),
                "species": np.tile(np.repeat(recording.species_names, n_cells), n_windows),
                "x": np.tile(profiles.position, n_windows * n_species),
                "concentration": profiles.concentration.ravel(),
            },
            {"time": "ns", "species": DIMENSIONLESS, "x": "nm", "concentration": "mM"},
        )
        n_nodes = len(profiles.node_position)
        tables["potentials"] = Table(
            {
                "time": np.repeat(profiles.time, n_nodes),
                "x": np.tile(profiles.node_position, n_windows),
                "potential": profiles.potential.ravel(),
            },
            {"time": "ns", "x": "nm", "potential": "mV"},
        )
    events = (
        ("crossings", "crossings", recording.crossings),
        ("pump_moves", "pumps", recording.pump_moves),
        ("gating", "gating", recording.gating),
    )
    for name, group, columns in events:
        if len(columns["time"]):
            units = {
                dataset.path.rsplit("/", 1)[1]: dataset.unit
                for dataset in LAYOUT
                if dataset.path.startswith(f"/events/{group}/")
            }
            named = _with_names(recording, name, columns)
            tables[name] = Table(named, {column: units.get(column, DIMENSIONLESS) for column in named})
    return tables


def write_csv(recording: Recording, folder: Path, *, overwrite: bool = False) -> list[Path]:
    """Write each table to a CSV file whose header has units in brackets, and return the paths."""
    with new_folder(folder, overwrite=overwrite) as temporary:
        tables = make_tables(recording)
        for name, table in tables.items():
            _write_csv(temporary / f"{name}.csv", table)
    return [folder / f"{name}.csv" for name in tables]


def write_parquet(recording: Recording, folder: Path, *, overwrite: bool = False) -> list[Path]:
    """Write each table to a Parquet file and return the paths.

    Columns carry their units, and files what the run was, as metadata. Raises RecordingError without pyarrow.
    """
    arrow = require("pyarrow", "parquet")
    parquet = require("pyarrow.parquet", "parquet")
    about = {
        "title": recording.title,
        "seed": recording.seed,
        "engine": recording.engine,
        "scenario": recording.scenario_text,
    }
    with new_folder(folder, overwrite=overwrite) as temporary:
        tables = make_tables(recording)
        for name, table in tables.items():
            arrays = [arrow.array(column) for column in table.columns.values()]
            fields = [
                arrow.field(column, array.type, metadata={"unit": table.units[column]})
                for column, array in zip(table.columns, arrays, strict=True)
            ]
            schema = arrow.schema(fields, metadata={"ionmc": json.dumps(about)})
            parquet.write_table(arrow.table(arrays, schema=schema), temporary / f"{name}.parquet")
    return [folder / f"{name}.parquet" for name in tables]


def _write_csv(path: Path, table: Table) -> None:
    headings = [
        name if table.units[name] == DIMENSIONLESS else f"{name} ({table.units[name]})"
        for name in table.columns
    ]
    columns = [_as_text(column) for column in table.columns.values()]
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(map(_quoted, headings)) + "\n")
        for row in zip(*columns, strict=True):
            file.write(",".join(row) + "\n")


def _as_text(column: np.ndarray) -> list[str]:
    """Return numbers with all their digits, whole ones without a point, and what is not a number as nothing."""
    if column.dtype.kind not in "fiu":
        return [_quoted(str(value)) for value in column.tolist()]
    if column.dtype.kind != "f":
        return list(map(str, column.tolist()))
    # As few digits as tell a number of its own precision from its neighbours.
    texts = list(map(str, column if column.dtype == np.float32 else column.tolist()))
    return ["" if text == "nan" else text.removesuffix(".0") for text in texts]


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(letter in text for letter in ',"\n\r') else text


def _with_names(recording: Recording, table: str, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the columns of events with the names of species, channels, pumps and states for their numbers.

    The number of a channel or pump stays beside its name.
    """
    named = dict(columns)
    if "species" in named:
        named["species"] = np.array(recording.species_names)[columns["species"]]
    for key, proteins in (("channel", recording.channels), ("pump", recording.pumps)):
        if key in named:
            types = np.repeat(np.arange(len(proteins)), [one.count for one in proteins])
            names = np.array([one.name for one in proteins])
            named[f"{key}_type"] = names[types[columns[key]]]
    if table == "gating":
        counts = [one.count for one in recording.channels]
        types = np.repeat(np.arange(len(counts)), counts)[columns["channel"]]
        longest = max(len(one.states) for one in recording.channels)
        states = np.array([[*one.states, *[""] * (longest - len(one.states))] for one in recording.channels])
        for key in ("from_state", "to_state"):
            named[key] = states[types, columns[key]]
    return named
