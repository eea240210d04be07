"""Reading a run: arrays by name from a finished, running or killed one."""

from __future__ import annotations

import difflib
import fcntl
import importlib
import json
import os
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import h5py
import numpy as np

from mc.errors import RecordingError
from mc.formatting import html_table, show_time
from mc.recording.layout import (
    END,
    EVENT_TABLES,
    FORMAT,
    FORMAT_VERSION,
    GROWING,
    GROWING_AXES,
    LAYOUT,
    TEXT,
    UNKNOWN_CHECKSUM,
    ChannelDescription,
    PumpDescription,
    SpeciesDescription,
    checksum,
    column_names,
)

if TYPE_CHECKING:
    from mc.scenario.schema import Scenario

FILE_NAME = "run.h5"

PATIENCE = (0.05, 0.2, 0.8)
"""s of wall time to wait, one after the other, for a block to be whole that a run is just writing."""

ATTRIBUTES: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("title", "scenario", "scenario_file", "scenario_path", "command_line"), str),
    **dict.fromkeys(("created", "device", "engine", "stop_reason"), str),
    **dict.fromkeys(("seed", "n_steps", "n_ions"), int),
    **dict.fromkeys(("time_step", "clamped_potential", "temperature", "area", "inside_length"), float),
    **dict.fromkeys(("outside_length", "thickness", "capacitance", "wall_seconds"), float),
    "finished": bool,
    "overrides": list,
    "versions": dict,
}
"""Attributes of /metadata and of how the run ended that every run has, and what they are."""


class Profiles(NamedTuple):
    """Mean profiles over windows of time; x runs from the cytoplasm over the slab at 0..thickness."""

    time: np.ndarray
    """(windows,) ns, the end of each."""
    position: np.ndarray
    """(cells,) nm, centres of the bath cells."""
    cell_width: np.ndarray
    """(cells,) nm."""
    concentration: np.ndarray
    """(windows, species, cells) mM."""
    node_position: np.ndarray
    """(nodes,) nm."""
    potential: np.ndarray
    """(windows, nodes) mV."""


class Maps(NamedTuple):
    """Mean maps over windows of time; none of a run in one dimension. For x see `Profiles`."""

    time: np.ndarray
    """(windows,) ns, the end of each."""
    y: np.ndarray
    """(cells along y,) nm, centres."""
    concentration: np.ndarray
    """(windows, species, cells, cells along y) mM."""
    potential: np.ndarray
    """(windows, nodes, cells along y) mV, at the near ends of the cells along y."""


class Positions(NamedTuple):
    """Snapshots of the recorded ions."""

    step: np.ndarray
    """(frames,)."""
    time: np.ndarray
    """(frames,) ns."""
    x: np.ndarray
    """(frames, ions) nm; not a number while an ion is in the reservoir of an open far end."""
    y: np.ndarray
    """(frames, ions) nm along the membrane; 0 in one dimension."""
    ion: np.ndarray
    """(ions,) ids."""
    species: np.ndarray
    """(ions,) indices into `Recording.species`."""


class Recording:
    """One run, read from run.h5 or from the folder that holds it.

    `recording["membrane_potential"]` is the column of that name at the times `recording.time` (ns);
    `recording.columns` lists the names, `recording.units` tells the unit of each. Profiles, positions and
    events are read when first asked for. The attributes of the run (title, seed, engine, time_step, n_steps,
    n_ions, temperature, area, inside_length, outside_length, thickness, capacitance, finished, stop_reason,
    wall_seconds, ...) are in `recording.attributes`, the common ones also properties. Units are the internal
    ones: nm, ns, e, mV, mM, K.

    The file may be in use by a running simulation; what is seen is what was flushed when it was opened.
    Raises RecordingError if the file is missing, damaged, of another program or of another version.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if self.path.is_dir():
            self.path = self.path / FILE_NAME
        if not self.path.is_file():
            raise RecordingError(
                f"{self.path} does not exist: give the folder that `ionmc run` wrote, or its {FILE_NAME}"
            )
        for patience in PATIENCE:
            try:
                self._begin()
                return
            except RecordingError:
                if not self._is_being_written():
                    raise
                time.sleep(patience)
        self._begin()

    def _begin(self) -> None:
        """Open the file and read what says what is in it."""
        try:
            self._file = _open(self.path)
        except OSError as error:
            raise RecordingError(
                f"{self.path} is no readable HDF5 file, or was damaged while it was written: {error}"
            ) from error
        try:
            with self._calling_it_damaged():
                self._check_format()
                self.attributes = self._read_attributes()
                series = self._file["/series/values"].attrs
                self.columns: list[str] = json.loads(series["columns"])
                self.units: dict[str, str] = dict(zip(self.columns, json.loads(series["units"]), strict=True))
                self._check_layout()
        except BaseException:
            self._file.close()
            raise

    def _is_being_written(self) -> bool:
        """Return whether a run may just have been in the middle of a block."""
        try:
            return time.time() - self.path.stat().st_mtime < sum(PATIENCE)
        except OSError:
            return False

    def __getitem__(self, name: str) -> np.ndarray:
        """Return the column `name` (records,); KeyError with the nearest names if there is none."""
        try:
            i_column = self.columns.index(name)
        except ValueError:
            near = difflib.get_close_matches(name, self.columns, n=3, cutoff=0.4)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(self.columns)}"
            raise KeyError(f"no column {name!r} in this recording; {hint}") from None
        return self.values[:, i_column]

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def __repr__(self) -> str:
        last = f"{self.time[-1]:g} ns" if len(self.time) else "nothing"
        end = "finished" if self.finished else self.stop_reason
        species = ", ".join(self.species_names)
        return (
            f"<Recording {self.title!r}: {self.n_ions} ions ({species}), {len(self.time)} records to {last}, "
            f"{len(self.columns)} columns, seed {self.seed}, {end}; {self.path}>"
        )

    def _repr_html_(self) -> str:
        last = f"{len(self.time)} to {show_time(float(self.time[-1]))}" if len(self.time) else "none yet"
        rows = [
            ("engine", f"{self.engine}, seed {self.seed}"),
            ("ions", f"{self.n_ions:,} ({', '.join(self.species_names)})"),
            ("records", f"{last}; {'finished' if self.finished else self.stop_reason}"),
            ("channels", ", ".join(f"{one.count:,} {one.name}" for one in self.channels) or "none"),
            ("pumps", ", ".join(f"{one.count:,} {one.name}" for one in self.pumps) or "none"),
            ("columns", f"{len(self.columns)}, such as {', '.join(self.columns[:3])}"),
            ("file", str(self.path)),
        ]
        if len(self.time):
            rows.insert(3, ("membrane potential", f"{self['membrane_potential'][-1]:.1f} mV at the end"))
        return html_table(self.title or "A run", rows)

    @property
    def plot(self) -> Any:
        """Figures of this run, such as `recording.plot.potential()`; see `mc.figures.plots.Plots`."""
        # By its name, and only when asked: what draws stands above what reads, which works without it.
        return importlib.import_module("mc.figures.plots").Plots(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what has been read so far stays usable."""
        self._file.close()

    @cached_property
    def step(self) -> np.ndarray:
        """Steps done at each record, (records,)."""
        return self._read("/series/step")[: self._n_records]

    @cached_property
    def time(self) -> np.ndarray:
        """Time of each record in ns, (records,)."""
        return self._read("/series/time")[: self._n_records]

    @cached_property
    def values(self) -> np.ndarray:
        """The whole table, (records, columns)."""
        return self._read("/series/values")[: self._n_records]

    @cached_property
    def profiles(self) -> Profiles:
        """Concentrations and potential along x."""
        time, concentration, potential = self._read_together(
            [f"/profiles/{name}" for name in ("time", "concentration", "potential")]
        )
        return Profiles(
            time=time,
            position=self._read("/profiles/position"),
            cell_width=self._read("/profiles/cell_width"),
            concentration=concentration,
            node_position=self._read("/profiles/node_position"),
            potential=potential,
        )

    @cached_property
    def positions(self) -> Positions:
        """Positions of the recorded ions."""
        group = "/particles/trajectory"
        step, time = self._read_together([f"{group}/position/{name}" for name in ("step", "time")])
        with self._calling_it_damaged(f"{group}/position/value cannot be read: "):
            both = self._read(f"{group}/position/value")[: len(time), :, :2]
        n_frames = len(both)
        return Positions(
            step[:n_frames],
            time[:n_frames],
            both[:, :, 0],
            both[:, :, 1],
            self._read(f"{group}/id"),
            self._read(f"{group}/species"),
        )

    @cached_property
    def position_times(self) -> np.ndarray:
        """Times in ns at which positions were recorded, (frames,); those of `positions`, without reading it."""
        n_frames = len(self._dataset("/particles/trajectory/position/value"))
        return self._read("/particles/trajectory/position/time")[:n_frames]

    @cached_property
    def recorded_ions(self) -> np.ndarray:
        """Ids of the ions whose positions are recorded, (ions,)."""
        return self._read("/particles/trajectory/id")

    @cached_property
    def recorded_species(self) -> np.ndarray:
        """Index of the species of each recorded ion, (ions,)."""
        return self._read("/particles/trajectory/species")

    @property
    def has_positions(self) -> bool:
        """Whether ions were followed and two moments of them recorded at least, so that something moves."""
        return len(self.recorded_ions) > 0 and len(self.position_times) > 1

    def read_positions(self, frames: np.ndarray, ions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return x and y of some `ions` (indices among the recorded) in some `frames`, each (frames, ions) nm.

        One frame is in memory at a time, so a run of any size can be looked at.
        """
        dataset = self._dataset("/particles/trajectory/position/value")
        x, y = np.empty((2, len(frames), len(ions)), dtype=np.float32)
        for i, frame in enumerate(frames):
            both = dataset[frame, :, :2][ions]
            x[i], y[i] = both[:, 0], both[:, 1]
        return x, y

    @cached_property
    def maps(self) -> Maps:
        """Concentrations and potential along x and y."""
        time, concentration, potential = self._read_together(
            [f"/maps/{name}" for name in ("time", "concentration", "potential")]
        )
        return Maps(time, self._read("/maps/y"), concentration, potential)

    @cached_property
    def channel_y(self) -> np.ndarray:
        """Place of each channel along the membrane, (channels,) nm; 0 in one dimension."""
        return self._read("/metadata/channel_y")

    @cached_property
    def pump_y(self) -> np.ndarray:
        """Place of each pump along the membrane, (pumps,) nm; 0 in one dimension."""
        return self._read("/metadata/pump_y")

    @cached_property
    def crossings(self) -> dict[str, np.ndarray]:
        """Ions that came through a channel: step, time, ion, species, channel, direction, each (events,)."""
        return self._events("crossings")

    @cached_property
    def pump_moves(self) -> dict[str, np.ndarray]:
        """Ions moved by pumps: step, time, pump, cycle, ion, species, direction, each (moves,)."""
        return self._events("pumps")

    @cached_property
    def gating(self) -> dict[str, np.ndarray]:
        """Transitions of channels: step, time, channel, from_state, to_state, each (events,)."""
        return self._events("gating")

    @cached_property
    def species(self) -> tuple[SpeciesDescription, ...]:
        """Name, valence and diffusion coefficient of each species, in the order of all arrays by species."""
        return tuple(
            SpeciesDescription(str(name), int(valence), float(diffusion_coefficient))
            for name, valence, diffusion_coefficient in zip(
                self._read_text("/metadata/species/name"),
                self._read("/metadata/species/valence"),
                self._read("/metadata/species/diffusion_coefficient"),
                strict=True,
            )
        )

    @property
    def species_names(self) -> list[str]:
        """Names of the species in order."""
        return [one.name for one in self.species]

    @cached_property
    def valence(self) -> np.ndarray:
        """Valence of each species, (species,)."""
        return np.array([one.valence for one in self.species])

    @cached_property
    def channels(self) -> tuple[ChannelDescription, ...]:
        """The channel types; permeability of one open channel by species in nm3/ns."""
        return tuple(
            ChannelDescription(
                name, int(count), tuple(json.loads(states)), self._by_species(permeability, float)
            )
            for name, count, states, permeability in zip(
                self._read_text("/metadata/channels/name"),
                self._read("/metadata/channels/count"),
                self._read_text("/metadata/channels/states"),
                self._read("/metadata/channels/permeability"),
                strict=True,
            )
        )

    @cached_property
    def pumps(self) -> tuple[PumpDescription, ...]:
        """The pump types with the ions that one cycle moves."""
        return tuple(
            PumpDescription(
                name,
                int(count),
                float(acceleration),
                self._by_species(outward, int),
                self._by_species(inward, int),
            )
            for name, count, acceleration, outward, inward in zip(
                self._read_text("/metadata/pumps/name"),
                self._read("/metadata/pumps/count"),
                self._read("/metadata/pumps/acceleration"),
                self._read("/metadata/pumps/outward"),
                self._read("/metadata/pumps/inward"),
                strict=True,
            )
        )

    @cached_property
    def scenario(self) -> Scenario:
        """The scenario with all defaults filled in and overrides applied, in internal units.

        Raises RecordingError if this version of ionmc does not understand it.
        """
        # Imported here, because the models take longer to load than all the numbers of a run.
        from mc.scenario.schema import Scenario

        try:
            return Scenario.from_json(self.attributes["scenario"])
        except ValueError as error:
            raise RecordingError(f"{self.path} holds a scenario that cannot be read: {error}") from error

    @property
    def scenario_text(self) -> str:
        """The scenario file as it stood."""
        return self.attributes["scenario_file"]

    @property
    def title(self) -> str:
        """Title of the scenario."""
        return self.attributes["title"]

    @property
    def seed(self) -> int:
        """Seed of all random numbers."""
        return self.attributes["seed"]

    @property
    def engine(self) -> str:
        """Name of the engine."""
        return self.attributes["engine"]

    @property
    def has_noise(self) -> bool:
        """Whether single ions and gates drew lots: mean equations have neither noise nor whole numbers of ions."""
        return self.engine != "continuum"

    @property
    def time_step(self) -> float:
        """Step in ns."""
        return self.attributes["time_step"]

    @property
    def n_steps(self) -> int:
        """Steps that were asked for."""
        return self.attributes["n_steps"]

    @property
    def n_ions(self) -> int:
        """Ions in the box."""
        return self.attributes["n_ions"]

    @property
    def temperature(self) -> float:
        """K."""
        return self.attributes["temperature"]

    @property
    def thickness(self) -> float:
        """Thickness of the membrane in nm."""
        return self.attributes["thickness"]

    @property
    def membrane_capacitance(self) -> float:
        """Capacitance of the whole patch in e/mV."""
        return self.attributes["capacitance"] * self.attributes["area"]

    @property
    def finished(self) -> bool:
        """Whether the last step was reached."""
        return self.attributes["finished"]

    @property
    def stop_reason(self) -> str:
        """Why the run ended."""
        return self.attributes["stop_reason"]

    @property
    def wall_seconds(self) -> float:
        """Seconds that the run took; not a number while it runs, or if it was killed."""
        return self.attributes["wall_seconds"]

    @property
    def recording_seconds(self) -> float:
        """Seconds of these that looking, recording and checkpoints took; not a number where this was not recorded."""
        return self.attributes.get("recording_seconds", float("nan"))

    @property
    def branched_from(self) -> dict[str, Any] | None:
        """Of a branch: the run it comes from, its time in ns and step, its seed, and what was changed."""
        text = self.attributes.get("branched_from", "")
        return json.loads(text) if text else None

    @cached_property
    def _n_records(self) -> int:
        # A kill may come between two appends: only what all three series hold belongs together.
        return min(len(self._dataset(f"/series/{name}")) for name in ("step", "time", "values"))

    def _check_format(self) -> None:
        metadata = self._file.get("metadata")
        if metadata is None or metadata.attrs.get("format") not in (FORMAT, FORMAT.encode()):
            raise RecordingError(f"{self.path} is an HDF5 file, but no recording of ionmc")
        found = metadata.attrs.get("format_version")
        if found != FORMAT_VERSION:
            raise RecordingError(
                f"{self.path} has the format version {found}; this ionmc reads version {FORMAT_VERSION}: "
                "use the ionmc that wrote it, or run the scenario again"
            )
        # Looked up once: it takes longer than to read most of them.
        self._datasets = {dataset.path: self._file.get(dataset.path) for dataset in LAYOUT}
        if missing := [path for path, dataset in self._datasets.items() if dataset is None]:
            raise RecordingError(f"{self.path} is damaged: it lacks {', '.join(missing)}")

    @contextmanager
    def _calling_it_damaged(self, where: str = "") -> Iterator[None]:
        """Turn whatever comes of reading a file that is not what it was into a RecordingError."""
        try:
            yield
        except RecordingError:
            raise
        except (OSError, RuntimeError, LookupError, ValueError, TypeError, ArithmeticError) as error:
            raise RecordingError(f"{self.path} is damaged: {where}{error}") from error
        except (AttributeError, MemoryError) as error:
            raise RecordingError(f"{self.path} is damaged: {where}{error}") from error

    def _check_layout(self) -> None:
        """Raise if a dataset is not of its type, if two do not agree in an axis, or if columns have other names."""
        size, sizes = self.path.stat().st_size, dict[str, int]()
        for dataset in LAYOUT:
            found = self._datasets[dataset.path]
            has_type = found.dtype.kind == "S" if dataset.dtype == TEXT else found.dtype == dataset.dtype
            if found.ndim != len(dataset.axes) or not has_type:
                raise ValueError(f"{dataset.path} has the shape {found.shape} of {found.dtype}")
            # Nothing is compressed: what is larger than the file was not written by us, and might fill the memory.
            if found.nbytes > 2 * size:
                raise ValueError(f"{dataset.path} is said to hold {found.nbytes} bytes")
            for axis, length in zip(dataset.axes, found.shape, strict=True):
                if axis not in GROWING_AXES and sizes.setdefault(axis, length) != length:
                    raise ValueError(f"{dataset.path} has {length} of {axis}, another one {sizes[axis]}")
        counts = {axis: sum(one.count for one in types) for axis, types in self._types().items()}
        if {axis: sizes[axis] for axis in counts} != counts:
            raise ValueError(f"channels and pumps are not as many as their types say, {counts}")
        electrodes = [name for name in self.columns if name.startswith("electrode.")]
        expected = column_names(
            self.species_names,
            {one.name: one.states for one in self.channels},
            [one.name for one in self.pumps],
            [name.removeprefix("electrode.") for name in electrodes],
        )
        if self.columns != expected or sizes["column"] != len(expected):
            raise ValueError("the columns of /series/values are not those of its species, channels and pumps")

    def _types(self) -> dict[str, tuple[ChannelDescription, ...] | tuple[PumpDescription, ...]]:
        return {"channel": self.channels, "pump": self.pumps}

    def _read_attributes(self) -> dict[str, Any]:
        found = {
            name: value.item() if isinstance(value, np.generic) else value
            for group in ("/metadata", END)
            for name, value in self._file[group].attrs.items()
            if name != "checksums"
        }
        found = {name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()}
        # The first runs do not say it: there was no other one.
        found.setdefault("device", "cpu")
        found |= {name: json.loads(found[name]) for name in ("overrides", "versions")}
        for name, kind in ATTRIBUTES.items():
            if not isinstance(found[name], kind):
                raise TypeError(f"the attribute {name} is {found[name]!r}")
        return found

    def _dataset(self, path: str) -> h5py.Dataset:
        if not self._file:
            raise RecordingError(f"{self.path} was closed before {path} was read")
        return self._datasets[path]

    def _read(self, path: str) -> np.ndarray:
        with self._calling_it_damaged(f"{path} cannot be read: "):
            for patience in PATIENCE:
                try:
                    rows = self._dataset(path)[()]
                    break
                except OSError:
                    if not self._is_being_written():
                        raise
                    time.sleep(patience)
            else:
                rows = self._dataset(path)[()]
            if path in GROWING:
                expected = self._file[END].attrs["checksums"][GROWING.index(path)]
                if expected != UNKNOWN_CHECKSUM and expected != checksum(rows):
                    raise ValueError("its rows are not those that were written")
            return rows

    def _read_text(self, path: str) -> list[str]:
        return [text.decode() for text in self._read(path)]

    def _read_together(self, paths: list[str]) -> list[np.ndarray]:
        """Read arrays whose rows belong together, cut to the shortest."""
        arrays = [self._read(path) for path in paths]
        n_rows = min(len(array) for array in arrays)
        return [array[:n_rows] for array in arrays]

    def _events(self, table: str) -> dict[str, np.ndarray]:
        names = EVENT_TABLES[table]
        columns = self._read_together([f"/events/{table}/{name}" for name in names])
        return dict(zip(names, columns, strict=True))

    def _by_species(self, row: np.ndarray, kind: type) -> dict[str, Any]:
        """Return the members of `row` (species,) that are not zero, by name."""
        return {name: kind(value) for name, value in zip(self.species_names, row, strict=True) if value}


def is_being_written(run: str | os.PathLike[str]) -> bool:
    """Return whether a program holds the file of `run`, a folder or its run.h5, for writing.

    The question takes no lock of its own. Raises RecordingError if there is no file.
    """
    path = Path(run)
    if path.is_dir():
        path = path / FILE_NAME
    # struct flock for the whole file; its type is the first field of Linux and the fourth of macOS.
    layout, place_of_type = ("qqihh", 3) if sys.platform == "darwin" else ("hhqqi4x", 0)
    fields = [0, 0, 0, 0, 0]
    fields[place_of_type] = fcntl.F_RDLCK
    try:
        with path.open("rb") as file:
            answer = fcntl.fcntl(file, fcntl.F_GETLK, struct.pack(layout, *fields))
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror}; give the folder of a run") from error
    return struct.unpack(layout, answer)[place_of_type] != fcntl.F_UNLCK


def _open(path: Path) -> h5py.File:
    """Open a file for reading without a lock, because the simulation that writes it may hold one.

    HDF5 wants the same of all who have a file open in one process: where another reader locks it, so does this one.
    """
    try:
        return h5py.File(path, "r", locking=False)
    except OSError as error:
        if "lock" not in str(error):
            raise
        return h5py.File(path, "r")
