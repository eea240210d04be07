"""What a sweep found: a table of measured values beside theory, in sweep.h5 and sweep.csv."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from mc.errors import RecordingError
from mc.recording.recorder import of_fixed_length

FORMAT = "ionmc sweep"
FORMAT_VERSION = 1
H5_NAME, CSV_NAME = "sweep.h5", "sweep.csv"

COLUMNS: dict[str, str] = {
    "point": "index of the point",
    "quantity": "what was measured",
    "unit": "unit of the measured values and of what theory predicts",
    "runs": "finished runs of the point",
    "short_runs": "those among them that were too short to judge, or had not come to rest",
    "mean": "mean over the runs",
    "standard_error": "standard error of the mean",
    "standard_error_from": "where it comes from: the scatter between replicas, or one run by itself",
    "n_effective": "independent samples in all runs together",
    "theory": "what theory predicts of the same moments; not a number where it predicts nothing",
    "difference": "mean difference from theory",
    "difference_standard_error": "its standard error",
    "difference_in_standard_errors": "the one over the other",
    "probability": "of a difference so large or larger if theory holds, by Student's t between replicas",
}
"""The columns of the table, one row for each point and quantity."""

_TEXT_COLUMNS = ("quantity", "unit", "standard_error_from")
_WHOLE_COLUMNS = ("point", "runs", "short_runs")


class Parameter(NamedTuple):
    """A key that varied."""

    key: str
    unit: str
    """Of the numbers; empty for plain numbers and for what is no number."""
    texts: tuple[str, ...]
    """The value at each point, as written."""
    numbers: NDArray[np.float64]
    """(points,) in `unit`; not numbers where a value is none."""

    @property
    def is_number(self) -> bool:
        """Whether all values are numbers of one kind."""
        return bool(np.isfinite(self.numbers).all())

    @property
    def label(self) -> str:
        """The key with its unit."""
        return f"{self.key} ({self.unit})" if self.unit else self.key


class Failure(NamedTuple):
    """A run that came to no result."""

    point: int
    replica: int
    message: str
    command: str
    """Repeats it."""


@dataclass(frozen=True)
class SweepTable:
    """The results of a sweep: `table["mean"]` is a column, `table.of("noise")` the rows of a quantity."""

    title: str
    seed: int
    replicas: int
    paired: bool
    parameters: tuple[Parameter, ...]
    columns: Mapping[str, NDArray[Any]]
    """By the names of COLUMNS, each of shape (rows,), in order of points and quantities."""
    failures: tuple[Failure, ...] = ()

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    def __len__(self) -> int:
        return len(self.columns["point"])

    @property
    def n_points(self) -> int:
        """How many points there are, those without results included."""
        return len(self.parameters[0].texts) if self.parameters else 1

    @property
    def quantities(self) -> tuple[str, ...]:
        """What was measured, in the order of the rows."""
        return tuple(dict.fromkeys(self.columns["quantity"].tolist()))

    def of(self, quantity: str) -> dict[str, NDArray[Any]]:
        """Return the columns of one quantity, its rows alone."""
        chosen = self.columns["quantity"] == quantity
        return {name: column[chosen] for name, column in self.columns.items()}

    def plain_columns(self) -> dict[str, list[Any]]:
        """Return all columns as lists, with those of the parameters, which are numbers where all values are."""
        points = self.columns["point"]
        varied: dict[str, list[Any]] = {
            one.label: one.numbers[points].tolist() if one.is_number else [one.texts[i] for i in points]
            for one in self.parameters
        }
        found = {name: column.tolist() for name, column in self.columns.items()}
        return {"point": found.pop("point"), **varied, **found}

    def to_pandas(self) -> Any:
        """Return the table as a pandas DataFrame; pandas must be installed."""
        import pandas

        return pandas.DataFrame(self.plain_columns())

    def to_csv(self) -> str:
        """Return the table as comma-separated values under one line of headings; empty where there is no number."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        columns = self.plain_columns()
        writer.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            writer.writerow("" if value != value else value for value in row)
        return text.getvalue()


def make_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[Any]]:
    """Return the columns of a table from its rows, each with a value under every name of COLUMNS."""
    columns: dict[str, NDArray[Any]] = {}
    for name in COLUMNS:
        kind: Any = object if name in _TEXT_COLUMNS else np.int64 if name in _WHOLE_COLUMNS else np.float64
        columns[name] = np.array([row[name] for row in rows], dtype=kind)
    return columns


def write_sweep_table(folder: str | os.PathLike[str], table: SweepTable) -> list[Path]:
    """Write sweep.h5 and sweep.csv so that a reader sees whole ones; return their paths. Raises RecordingError."""
    folder = Path(folder)
    h5_path, csv_path = folder / H5_NAME, folder / CSV_NAME
    try:
        for path, write in ((h5_path, _write_h5), (csv_path, _write_csv)):
            temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            write(temporary, table)
            os.replace(temporary, path)
    except OSError as error:
        raise RecordingError(f"cannot write the table of a sweep to {folder}: {error}") from error
    return [h5_path, csv_path]


def _write_csv(path: Path, table: SweepTable) -> None:
    path.write_text(table.to_csv(), encoding="utf-8")


def _write_h5(path: Path, table: SweepTable) -> None:
    # From this version on HDF5 keeps checksums of its own tables.
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        file.attrs.update(
            {
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                "title": of_fixed_length(table.title),
                # Roots of seeds have up to 63 bits.
                "seed": np.int64(table.seed),
                "replicas": np.int64(table.replicas),
                "paired": table.paired,
            }
        )
        for name, column in table.columns.items():
            dataset = _write(file, f"rows/{name}", column)
            dataset.attrs["meaning"] = of_fixed_length(COLUMNS[name])
        for i, one in enumerate(table.parameters):
            group = file.create_group(f"parameters/{i}")
            group.attrs["key"], group.attrs["unit"] = of_fixed_length(one.key), of_fixed_length(one.unit)
            _write(group, "text", np.array(one.texts, dtype=object))
            _write(group, "number", one.numbers)
        for name in Failure._fields:
            values = [getattr(failure, name) for failure in table.failures]
            kind: Any = np.int64 if name in ("point", "replica") else object
            _write(file, f"failures/{name}", np.array(values, dtype=kind))


def _write(group: h5py.Group, name: str, values: NDArray[Any]) -> h5py.Dataset:
    rows = of_fixed_length(values.tolist()) if values.dtype == object else values
    # Only what is cut into chunks has checksums, and nothing cannot be cut.
    return group.create_dataset(name, data=rows, fletcher32=bool(rows.size))


def read_sweep_table(path: str | os.PathLike[str]) -> SweepTable:
    """Return the table of a sweep from its folder or its sweep.h5. Raises RecordingError where there is none."""
    path = Path(path)
    path = path / H5_NAME if path.is_dir() else path
    if not path.is_file():
        raise RecordingError(
            f"{path} does not exist: give the folder that `ionmc sweep` wrote, or its {H5_NAME}"
        )
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != FORMAT or file.attrs["format_version"] != FORMAT_VERSION:
                raise RecordingError(f"{path} is no table of a sweep, or of another version of ionmc")
            groups = file.get("parameters", {})
            failures = [_read(file[f"failures/{name}"]).tolist() for name in Failure._fields]
            return SweepTable(
                title=_text(file.attrs["title"]),
                seed=int(file.attrs["seed"]),
                replicas=int(file.attrs["replicas"]),
                paired=bool(file.attrs["paired"]),
                parameters=tuple(_read_parameter(groups[str(i)]) for i in range(len(groups))),
                columns={name: _read(file[f"rows/{name}"]) for name in COLUMNS},
                failures=tuple(Failure(*one) for one in zip(*failures, strict=True)),
            )
    except RecordingError:
        raise
    except (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, MemoryError) as error:
        raise RecordingError(
            f"{path} cannot be read as the table of a sweep: {error}; the same ionmc sweep makes it anew"
        ) from error


def _read_parameter(group: h5py.Group) -> Parameter:
    texts = tuple(_read(group["text"]).tolist())
    return Parameter(_text(group.attrs["key"]), _text(group.attrs["unit"]), texts, _read(group["number"]))


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _read(dataset: h5py.Dataset) -> NDArray[Any]:
    is_text = h5py.check_string_dtype(dataset.dtype) is not None
    values: NDArray[Any] = dataset.asstr()[()] if is_text else dataset[()]
    return values
