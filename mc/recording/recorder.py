"""Writing a run: what was seen is kept in memory for a moment, then appended to the file in blocks."""

from __future__ import annotations

import fcntl
import functools
import json
import os
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np

from mc.errors import RecordingError
from mc.recording.held_file import PAGE, HeldFile
from mc.recording.layout import (
    COMPLETED,
    END,
    EVENT_TABLES,
    FORMAT,
    FORMAT_VERSION,
    GROWING,
    LAYOUT,
    TEXT,
    UNKNOWN_CHECKSUM,
    Dataset,
    RunDescription,
    axis_sizes,
    checksum,
    constant_values,
    series_columns,
)

RUNNING = "running or killed"
"""The stop reason of a file whose run has not ended."""

LONGEST_REASON = 1000
"""Bytes."""

CHUNK_BYTES = 65536

CACHED_BYTES = 2 * CHUNK_BYTES
"""Of the chunks of a dataset: only the last one is added to. HDF5 would keep a megabyte of each, to no use."""


_TEXT_TYPE = h5py.h5t.py_create(h5py.string_dtype(), logical=True)
_SCALAR = h5py.h5s.create(h5py.h5s.SCALAR)
MAX_BUFFERED_BYTES = 32 * 2**20

FLUSH_SHARE = 0.005
"""Of the wall time, what is spent on flushing, unless one takes so long that this would be too seldom."""

LONGEST_WAIT = 10.0
"""Flush intervals that a flush is put off at most."""


class Recorder:
    """Writes one run.h5; use it as a context manager.

    Records gather in memory, and are to be flushed (`is_due`) once `flush_interval` seconds of wall time have
    gone by, or more where a flush takes long, or once 32 MiB have gathered. So recording costs little, and a
    killed run leaves a readable file that lacks only its last moments. Raises RecordingError if `path` exists
    (unless `overwrite`) or cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        description: RunDescription,
        *,
        overwrite: bool = False,
        flush_interval: float = 1.0,
    ) -> None:
        self._prepare(path, description, flush_interval)
        if not overwrite:
            refuse_existing(self.path)
        with _deferring_interrupts(), _explaining_os_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists():
                _refuse_locked(self.path)
            # A new file rather than a truncated one, so that who still reads the old run is not disturbed, and under
            # another name until it can be read.
            temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
            self._disk = HeldFile(temporary, "w+b")
            try:
                self._lock()
                # From this version on HDF5 keeps checksums of its own tables; and in pages, of which a kill never
                # leaves half a one. See `HeldFile`.
                self._file = h5py.File(
                    self._disk,
                    "w",
                    libver=("v110", "v110"),
                    fs_strategy="page",
                    fs_page_size=PAGE,
                    rdcc_nbytes=CACHED_BYTES,
                )
                self._create()
                self._find_headers()
                self._file.flush()
                self._disk.commit()
                self._disk.raise_error()
                os.replace(temporary, self.path)
            except BaseException:
                self._abandon()
                temporary.unlink(missing_ok=True)
                raise

    @classmethod
    def reopen(
        cls,
        path: str | os.PathLike[str],
        description: RunDescription,
        rows: Mapping[str, int],
        *,
        flush_interval: float = 1.0,
    ) -> Self:
        """Return a recorder that goes on with a file after the first `rows` of each dataset; what follows is dropped.

        Raises RecordingError if the file cannot be read, or has fewer rows.
        """
        recorder = cls.__new__(cls)
        recorder._prepare(path, description, flush_interval)
        try:
            with _explaining_os_errors(recorder.path):
                recorder._disk = HeldFile(recorder.path, "r+b")
                recorder._lock()
            recorder._file = h5py.File(recorder._disk, "r+", rdcc_nbytes=CACHED_BYTES)
            for name, n_rows in rows.items():
                if recorder._file[name].shape[0] < n_rows:
                    raise RecordingError(
                        f"{path} has fewer rows of {name} than were written before: it is damaged"
                    )
                recorder._file[name].resize(n_rows, axis=0)
            recorder._find_datasets()
            recorder._find_headers()
            attributes = recorder._file[END].attrs
            attributes.modify("stop_reason", _stop_reason(RUNNING))
            attributes.modify("checksums", np.full(len(GROWING), UNKNOWN_CHECKSUM))
        except (OSError, KeyError, RuntimeError) as error:
            recorder._abandon()
            raise RecordingError(f"{path} cannot be gone on with, it is damaged: {error}") from error
        except BaseException:
            recorder._abandon()
            raise
        recorder.flush()
        return recorder

    def _abandon(self) -> None:
        """Close what is open, the HDF5 library first: it crashes when it finds its file closed."""
        for name in ("_file", "_disk"):
            if name in vars(self):
                with suppress(OSError, RuntimeError):
                    getattr(self, name).close()

    def _prepare(
        self, path: str | os.PathLike[str], description: RunDescription, flush_interval: float
    ) -> None:
        self.path = Path(path)
        self.description = description
        self.columns = [column.name for column in series_columns(description)]
        self.flush_interval = self._wait = flush_interval
        self._finished = False
        self._last_step = 0
        self._buffers: dict[str, list[np.ndarray]] = {path: [] for path in GROWING}
        self._buffered_bytes = 0
        self._opened = self._last_flush = time.monotonic()

    def _lock(self) -> None:
        """Keep other runs from this file; raise RecordingError if one has it. Who reads is not disturbed."""
        try:
            fcntl.lockf(self._disk.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RecordingError(
                f"{self.path} is being written by another run: wait for its end, or give another --output folder"
            ) from error

    def rows(self) -> dict[str, int]:
        """Return how many rows of each dataset were recorded so far, those that are not yet in the file included."""
        return {path: self._n_rows[path] + sum(map(len, blocks)) for path, blocks in self._buffers.items()}

    @property
    def is_due(self) -> bool:
        """Whether what has gathered has waited long enough, or is so much, that it is to be flushed."""
        waited = time.monotonic() - self._last_flush
        return waited >= self._wait or self._buffered_bytes >= MAX_BUFFERED_BYTES

    def record_series(self, step: int, time: float, values: np.ndarray) -> None:
        """Append one row: `values` (columns,) in the order of `layout.series_columns`; `time` in ns."""
        self.record_series_rows(np.array([step]), np.array([time]), np.array(values)[None])

    def record_series_rows(self, steps: np.ndarray, times: np.ndarray, values: np.ndarray) -> None:
        """Append rows: `steps` and `times` (rows,), `values` (rows, columns), as of `record_series`; no copies."""
        if values.shape != (len(steps), len(self.columns)):
            raise ValueError(
                f"a row of the series has {len(self.columns)} values, got shape {values.shape[1:]}"
            )
        if not len(steps):
            return
        self._last_step = int(steps[-1])
        self._keep("/series/step", steps)
        self._keep("/series/time", times)
        self._keep("/series/values", values.astype(np.float64, copy=False))

    def record_profile(self, time: float, concentration: np.ndarray, potential: np.ndarray) -> None:
        """Append mean profiles of the window that ends at `time` (ns).

        `concentration` (species, cells) in mM, `potential` (nodes,) in mV.
        """
        self._keep("/profiles/time", np.array([time]))
        self._keep("/profiles/concentration", np.array(concentration, dtype=np.float32)[None])
        self._keep("/profiles/potential", np.array(potential, dtype=np.float32)[None])

    def record_map(self, time: float, concentration: np.ndarray, potential: np.ndarray) -> None:
        """Append mean maps of the window that ends at `time` (ns).

        `concentration` (species, cells, cells along y) in mM, `potential` (nodes, cells along y) in mV.
        """
        self._keep("/maps/time", np.array([time]))
        self._keep("/maps/concentration", np.array(concentration, dtype=np.float32)[None])
        self._keep("/maps/potential", np.array(potential, dtype=np.float32)[None])

    def record_positions(self, step: int, time: float, x: np.ndarray, y: np.ndarray | None = None) -> None:
        """Append the positions `x` and `y` (recorded ions,) in nm at `time` (ns), in the order of `recorded_ions`.

        Not a number where an ion is in no bath and no pore, but in the reservoir of an open far end.
        """
        position = np.zeros((1, len(x), 3), dtype=np.float32)
        position[0, :, 0] = x
        if y is not None:
            position[0, :, 1] = y
        self._keep("/particles/trajectory/position/step", np.array([step]))
        self._keep("/particles/trajectory/position/time", np.array([time]))
        self._keep("/particles/trajectory/position/value", position)

    def record_crossings(self, columns: Mapping[str, np.ndarray]) -> None:
        """Append ions that arrived on the other side: step, time, ion, species, channel, direction."""
        self._record_events("crossings", columns)

    def record_pump_moves(self, columns: Mapping[str, np.ndarray]) -> None:
        """Append ions moved by pumps: step, time, pump, cycle, ion, species, direction."""
        self._record_events("pumps", columns)

    def record_gating(self, columns: Mapping[str, np.ndarray]) -> None:
        """Append transitions of channels: step, time, channel, from_state, to_state."""
        self._record_events("gating", columns)

    def flush(self) -> None:
        """Append all that has gathered and hand it to the operating system, where it survives a kill."""
        started = time.monotonic()
        with _deferring_interrupts(), _explaining_os_errors(self.path, self._describe_need):
            for path, blocks in self._buffers.items():
                if not blocks:
                    continue
                self._append(path, blocks[0] if len(blocks) == 1 else np.concatenate(blocks))
                blocks.clear()
            self._file.flush()
            self._disk.commit()
            self._disk.raise_error()
            self._refuse_vanished()
        self._buffered_bytes = 0
        self._last_flush = time.monotonic()
        affordable = (self._last_flush - started) / FLUSH_SHARE
        self._wait = min(max(self.flush_interval, affordable), LONGEST_WAIT * self.flush_interval)

    def _append(self, path: str, rows: np.ndarray) -> None:
        """Append rows to a dataset, as `dataset.resize` and an assignment would in three times the time."""
        dataset, n_before = self._datasets[path], self._n_rows[path]
        n_rows = n_before + len(rows)
        dataset.set_extent((n_rows, *rows.shape[1:]))
        if rows.size:
            content = np.ascontiguousarray(rows, dtype=dataset.dtype)
            place = dataset.get_space()
            place.select_hyperslab((n_before, *(0,) * (rows.ndim - 1)), rows.shape)
            dataset.write(h5py.h5s.create_simple(rows.shape), place, content)
            self._checksums[path] = checksum(content, self._checksums[path])
        self._n_rows[path] = n_rows

    def _describe_need(self) -> str:
        """Return what is in the file, and about how much more the rest of the run will write."""
        size = os.fstat(self._disk.fileno()).st_size / 1e6
        share = self._last_step / self.description.n_steps
        more = f", about {size * (1.0 - share) / share:.3g} MB more are needed" if share else ""
        return f"{size:.3g} MB are in it{more}. "

    def _refuse_vanished(self) -> None:
        """Raise RecordingError if the file was deleted or moved away; one that was deleted is written once more."""
        was_deleted = os.fstat(self._disk.fileno()).st_nlink == 0
        if not was_deleted and self.path.exists():
            return
        if not was_deleted:
            place = Path(os.readlink(f"/proc/self/fd/{self._disk.fileno()}"))
            raise RecordingError(
                f"{self.path} was moved to {place} while the run went on: what was recorded is there, and ionmc "
                f"resume {place.parent} goes on"
            )
        saved = self.path
        if saved.exists():
            saved = saved.with_name(f"{saved.stem}.rescued{saved.suffix}")
        saved.parent.mkdir(parents=True, exist_ok=True)
        with saved.open("wb") as file:
            os.lseek(self._disk.fileno(), 0, os.SEEK_SET)
            while block := os.read(self._disk.fileno(), MAX_BUFFERED_BYTES):
                file.write(block)
        raise RecordingError(
            f"{self.path} was deleted while the run went on: what was recorded is written once more, to {saved}"
        )

    def finish(self, stop_reason: str, wall_seconds: float, recording_seconds: float = float("nan")) -> None:
        """Write the rest and close; `stop_reason` is `layout.COMPLETED` when the last step was reached.

        `recording_seconds`: of the wall time, what was spent on looking, recording and keeping checkpoints.
        """
        if self._finished:
            return
        self._finished = True
        with _deferring_interrupts():
            try:
                self.flush()
                attributes = self._file[END].attrs
                attributes.modify("wall_seconds", float(wall_seconds))
                attributes.modify("recording_seconds", float(recording_seconds))
                attributes.modify("checksums", np.array([self._checksums[path] for path in GROWING]))
                attributes.modify("stop_reason", _stop_reason(stop_reason))
                attributes.modify("finished", stop_reason == COMPLETED)
            finally:
                self._close()

    def _close(self) -> None:
        with _explaining_os_errors(self.path):
            self._file.close()
            self._disk.close()
            self._disk.raise_error()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._finished:
            return
        if kind is None:
            stop_reason = "closed before the last step"
        elif issubclass(kind, KeyboardInterrupt):
            stop_reason = "interrupted"
        else:
            stop_reason = f"{kind.__name__}: {error}"
        try:
            self.finish(stop_reason, time.monotonic() - self._opened)
        except RecordingError:
            # The error that ended the run is the one to be told; a second one about the file would hide it.
            if error is None:
                raise

    def _create(self) -> None:
        """Create groups, attributes and all datasets, the constant ones filled."""
        description = self.description
        sizes = axis_sizes(description)
        constants = constant_values(description)
        # Opened once: HDF5 would look for every group on the way to each dataset.
        groups: dict[str, h5py.Group] = {}
        self._datasets: dict[str, h5py.h5d.DatasetID] = {}
        self._n_rows = dict.fromkeys(self._buffers, 0)
        self._checksums = dict.fromkeys(self._buffers, 0)
        for dataset in LAYOUT:
            parent, _, name = dataset.path.rpartition("/")
            if parent not in groups:
                groups[parent] = self._file.require_group(parent)
            group = groups[parent]
            if dataset.grows:
                shape = tuple(sizes[axis] for axis in dataset.axes[1:])
                created = group.create_dataset(
                    name,
                    shape=(0, *shape),
                    # HDF5 cuts no axis without a length into chunks, unless it may grow.
                    maxshape=(None, *(size or None for size in shape)),
                    dtype=dataset.dtype,
                    chunks=_chunk_shape(dataset, shape),
                )
                self._datasets[dataset.path] = created.id
            elif dataset.dtype == TEXT:
                created = group.create_dataset(name, data=of_fixed_length(constants[dataset.path]))
            else:
                created = group.create_dataset(
                    name, data=np.asarray(constants[dataset.path], dtype=dataset.dtype)
                )
            # A Python str: MDAnalysis does not read the fixed-length bytes of the H5MD specification.
            _write_text(created, "unit", dataset.unit)
            _write_text(created, "meaning", dataset.meaning)
        columns = series_columns(description)
        series = self._file["/series/values"]
        series.attrs["columns"] = of_fixed_length(json.dumps([column.name for column in columns]))
        series.attrs["units"] = of_fixed_length(json.dumps([column.unit for column in columns]))
        self._describe_trajectory()
        self._file["metadata"].attrs.update(
            {
                name: of_fixed_length(value) if isinstance(value, str) else value
                for name, value in self._metadata().items()
            }
        )
        # What changes has a header of its own, which fits into a page.
        self._file.create_group(END).attrs.update(
            {
                "finished": False,
                "stop_reason": _stop_reason(RUNNING),
                "wall_seconds": float("nan"),
                "recording_seconds": float("nan"),
                "checksums": np.full(len(GROWING), UNKNOWN_CHECKSUM),
            }
        )

    def _find_datasets(self) -> None:
        """Open what grows, once: looking a dataset up by its name takes longer than to append to it."""
        self._datasets = {path: self._file[path].id for path in self._buffers}
        self._n_rows = {path: int(dataset.shape[0]) for path, dataset in self._datasets.items()}
        self._checksums = {path: _checksum_in_pieces(self._file[path]) for path in self._datasets}

    def _find_headers(self) -> None:
        """Tell the file where it is said how many rows there are."""
        self._disk.header_pages = {
            h5py.h5o.get_info(dataset).addr // PAGE for dataset in self._datasets.values()
        }

    def _describe_trajectory(self) -> None:
        """Say what H5MD 1.1 asks for: who wrote the file, and that the box has no periodic ends."""
        h5md = self._file.create_group("h5md")
        h5md.attrs["version"] = np.array([1, 1])
        h5md.create_group("author").attrs["name"] = "ionmc"
        creator = h5md.create_group("creator")
        creator.attrs["name"] = "ionmc"
        creator.attrs["version"] = _installed_version("ionmc")
        box = self._file.create_group("/particles/trajectory/box")
        box.attrs["dimension"] = 3
        box.attrs["boundary"] = ["none", "none", "none"]

    def _metadata(self) -> dict[str, Any]:
        description = self.description
        versions = {name: _installed_version(name) for name in ("ionmc", "numpy", "numba", "h5py")}
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "title": description.title,
            "scenario": description.scenario_json,
            "scenario_file": description.scenario_text,
            "scenario_path": description.scenario_path,
            "overrides": json.dumps(list(description.overrides)),
            "command_line": description.command_line,
            "versions": json.dumps({"python": platform.python_version(), **versions}),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "seed": np.int64(description.seed),
            "engine": description.engine,
            "time_step": description.time_step,
            "n_steps": np.int64(description.n_steps),
            "n_ions": np.int64(description.n_ions),
            "clamped_potential": description.clamped_potential,
            "temperature": description.temperature,
            "area": description.area,
            "inside_length": description.inside_length,
            "outside_length": description.outside_length,
            "thickness": description.thickness,
            "capacitance": description.capacitance,
            "branched_from": description.branched_from,
            "device": description.device,
        }

    def _record_events(self, table: str, columns: Mapping[str, np.ndarray]) -> None:
        names = EVENT_TABLES[table]
        if set(columns) != set(names):
            raise ValueError(
                f"events of {table} have the columns {', '.join(names)}; got {', '.join(columns)}"
            )
        lengths = {len(column) for column in columns.values()}
        if len(lengths) != 1:
            raise ValueError(f"the columns of {table} differ in length: {sorted(lengths)}")
        if lengths == {0}:
            return
        for name in names:
            self._keep(f"/events/{table}/{name}", np.array(columns[name]))

    def _keep(self, path: str, rows: np.ndarray) -> None:
        self._buffers[path].append(rows)
        self._buffered_bytes += rows.nbytes


def _refuse_locked(path: Path) -> None:
    """Raise RecordingError if another process writes this file."""
    with path.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RecordingError(
                f"{path} is being written by another run: wait for its end, or give another --output folder"
            ) from error


def refuse_existing(path: Path) -> None:
    """Raise RecordingError if there is a result already."""
    if path.exists():
        raise RecordingError(
            f"{path} exists already: give --overwrite to replace it, or another --output folder"
        )


def write_summary(path: str | os.PathLike[str], summary: Mapping[str, Any]) -> None:
    """Write `summary` as JSON so that a reader sees the old file or the new one, never half of one.

    Numbers that JSON does not know (NaN, infinities) become null. Raises RecordingError.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    text = json.dumps(_plain(summary), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with _explaining_os_errors(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def _plain(value: Any) -> Any:
    """Return `value` with numpy numbers as Python's and what JSON lacks as None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def _checksum_in_pieces(dataset: h5py.Dataset) -> int:
    """Return the checksum of all rows of a dataset, however many."""
    value = 0
    for chunk in dataset.iter_chunks() if dataset.size else ():
        value = checksum(dataset[chunk], value)
    return value


def _chunk_shape(dataset: Dataset, shape: tuple[int, ...]) -> tuple[int, ...]:
    row_bytes = max(1, np.dtype(dataset.dtype).itemsize * int(np.prod(shape)))
    return (max(1, CHUNK_BYTES // row_bytes), *(max(1, size) for size in shape))


def of_fixed_length(text: str | Iterable[str]) -> np.ndarray:
    """Return texts as HDF5 is to store them: within what has a checksum.

    Those of any length lie in a heap of their own that has none, in which the library may search for ever once it is
    damaged.
    """
    texts = [text] if isinstance(text, str) else text
    encoded = [one.encode() for one in texts]
    longest = max(1, *map(len, encoded)) if encoded else 1
    kind = h5py.string_dtype("utf-8", longest)
    return np.array(encoded[0] if isinstance(text, str) else encoded, dtype=kind)


def _stop_reason(text: str) -> np.ndarray:
    """Return why a run ended as it is stored: in the same place whatever it is, cut if it is very long."""
    whole_letters = text.encode()[:LONGEST_REASON].decode(errors="ignore")
    return np.array(whole_letters.encode(), dtype=h5py.string_dtype("utf-8", LONGEST_REASON))


def _write_text(dataset: h5py.Dataset, name: str, text: str) -> None:
    """Do `dataset.attrs[name] = text` in a third of the time, of which the many datasets of a short run take most."""
    attribute = h5py.h5a.create(dataset.id, name.encode(), _TEXT_TYPE, _SCALAR)
    attribute.write(np.array(text, dtype=h5py.string_dtype()))


@functools.cache
def _installed_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


@contextmanager
def _explaining_os_errors(path: Path, describe_need: Callable[[], str] = str) -> Iterator[None]:
    """Turn what the operating system refuses into a RecordingError that says what is needed and what to do."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise RecordingError(
            f"cannot write {path}: {error}. {describe_need()}{_describe_free(path)}Is the disk full, or the folder "
            "write-protected? Free some space or give another --output folder"
        ) from error


def _describe_free(path: Path) -> str:
    for folder in path.absolute().parents:
        try:
            found = os.statvfs(folder)
        except OSError:
            continue
        return f"{found.f_bavail * found.f_frsize / 1e6:.3g} MB are free there. "
    return ""


@contextmanager
def _deferring_interrupts() -> Iterator[None]:
    """Let Ctrl-C wait until a block is written: an exception out of `HeldFile` would break HDF5."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupts: list[int] = []
    previous = signal.signal(signal.SIGINT, lambda number, frame: interrupts.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous if previous is not None else signal.SIG_DFL)
        if interrupts:
            signal.raise_signal(signal.SIGINT)
