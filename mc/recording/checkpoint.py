"""The state of a run, kept now and then beside run.h5, so that the run can go on after an end that was not its own.

Two generations are kept, and the newer one comes into being by being renamed: a kill at any instant leaves one whole.
They go when the run is over. Those that were asked for at a time stay, and so does what a branch began with.
"""

from __future__ import annotations

import json
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mc.errors import RecordingError

FORMAT_VERSION = 2
NAMES = ("checkpoint.npz", "checkpoint.previous.npz")
"""The newer one first."""

ORIGIN = "checkpoint.origin.npz"
"""What a branch began with."""

_KEPT = re.compile(r"checkpoint\.step-(\d+)\.npz")


class Checkpoint(NamedTuple):
    """Arrays by name, and what describes them."""

    arrays: Mapping[str, NDArray]
    header: Mapping[str, Any]


def write_checkpoint(
    folder: str | os.PathLike[str], arrays: Mapping[str, NDArray], header: Mapping[str, Any]
) -> None:
    """Write a checkpoint into a folder, the last one becoming the previous one; `header` must be fit for JSON.

    Raises RecordingError if it cannot be written; the ones before stay as they are.
    """
    newest, previous = (Path(folder) / name for name in NAMES)
    temporary = _write_aside(newest, arrays, header)
    with _explaining_failure(newest, temporary, arrays):
        if newest.exists():
            os.replace(newest, previous)
        os.replace(temporary, newest)


def keep_checkpoint(
    folder: str | os.PathLike[str],
    arrays: Mapping[str, NDArray],
    header: Mapping[str, Any],
    *,
    is_origin: bool = False,
) -> None:
    """Write a checkpoint that stays when the run is over: of its step, or as what a branch began with.

    Raises RecordingError if it cannot be written.
    """
    path = Path(folder) / (ORIGIN if is_origin else f"checkpoint.step-{header['step']}.npz")
    temporary = _write_aside(path, arrays, header)
    with _explaining_failure(path, temporary, arrays):
        os.replace(temporary, path)


def read_checkpoint(folder: str | os.PathLike[str]) -> Checkpoint | None:
    """Return the newest checkpoint of a folder that can be read, or None if there is none."""
    for name in NAMES:
        checkpoint = _read(Path(folder) / name)
        if checkpoint is not None:
            return checkpoint
    return None


def read_origin(folder: str | os.PathLike[str]) -> Checkpoint | None:
    """Return what a branch began with, or None for what is no branch or cannot be read."""
    return _read(Path(folder) / ORIGIN)


def read_checkpoint_before(folder: str | os.PathLike[str], step: int) -> Checkpoint | None:
    """Return the last checkpoint of a folder, of whatever kind, that was made after at most so many steps."""
    folder, last = Path(folder), None
    for path in sorted(folder.glob("checkpoint*.npz")):
        kept = _KEPT.fullmatch(path.name)
        if (kept and int(kept[1]) > step) or (found := _read(path)) is None:
            continue
        if found.header["step"] <= step and (last is None or found.header["step"] > last.header["step"]):
            last = found
    return last


def remove_checkpoints(folder: str | os.PathLike[str], *, kept: bool = False) -> None:
    """Remove the checkpoints of a run that needs them no more, with `kept` also those that were to stay."""
    folder = Path(folder)
    for name in NAMES:
        (folder / name).unlink(missing_ok=True)
    if kept:
        for path in folder.glob("*.npz"):
            if path.name == ORIGIN or _KEPT.fullmatch(path.name):
                path.unlink(missing_ok=True)


def _read(path: Path) -> Checkpoint | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        header = json.loads(arrays.pop("header").tobytes())
        is_ours = header["format_version"] == FORMAT_VERSION
    except (OSError, ValueError, KeyError, TypeError, EOFError, NotImplementedError, MemoryError):
        return None
    except (AttributeError, zipfile.BadZipFile, zlib.error, struct.error):
        return None
    return Checkpoint(arrays, header) if is_ours else None


def _write_aside(path: Path, arrays: Mapping[str, NDArray], header: Mapping[str, Any]) -> Path:
    """Write a checkpoint under another name than it is to have, and return that name."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    text = json.dumps({**header, "format_version": FORMAT_VERSION})
    with _explaining_failure(path, temporary, arrays), temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, header=np.frombuffer(text.encode(), dtype=np.uint8), **arrays)
        file.flush()
        os.fsync(file.fileno())
    return temporary


@contextmanager
def _explaining_failure(path: Path, temporary: Path, arrays: Mapping[str, NDArray]) -> Iterator[None]:
    """Turn what the operating system refuses into a RecordingError that says what to do, and clean up."""
    try:
        yield
    except BaseException as error:
        # The folder may be gone, or not be ours to write into.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        needed = sum(array.nbytes for array in arrays.values()) / 1e6
        raise RecordingError(
            f"cannot write {path}: {error}. It needs {needed:.3g} MB: free some space, or give another "
            "--output folder"
        ) from error
