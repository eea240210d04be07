"""Whether two runs recorded the same bits, and with which versions."""

import os
from collections.abc import Iterator

import h5py
import numpy as np

from mc.errors import RecordingError
from mc.recording.recording import Recording

NOT_OF_THE_RUN = {"command_line", "created", "recording_seconds", "versions", "wall_seconds"}
"""Attributes in which two runs may differ that are the same."""

_BLOCK = 2**24
"""Bytes that are compared at a time."""


def differing(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> list[str]:
    """Return what is not the same in two recordings, a line each: attributes, then datasets with the first row."""
    with Recording(one) as first, Recording(other) as second:
        lines = [
            f"attribute {name}"
            for name in sorted(first.attributes.keys() | second.attributes.keys())
            if name not in NOT_OF_THE_RUN
            and not _is_same(first.attributes.get(name), second.attributes.get(name))
        ]
        try:
            lines += _differing_datasets(first.path, second.path)
        except (OSError, RuntimeError, KeyError) as error:
            raise RecordingError(f"{first.path} or {second.path} is damaged: {error}") from error
    return lines


def differing_versions(
    one: str | os.PathLike[str], other: str | os.PathLike[str]
) -> dict[str, tuple[str, str]]:
    """Return the programs whose versions differ, with both."""
    with Recording(one) as first, Recording(other) as second:
        then, now = first.attributes["versions"], second.attributes["versions"]
    return {
        name: (then.get(name, "none"), now.get(name, "none"))
        for name in sorted({**then, **now})
        if then.get(name) != now.get(name)
    }


def _is_same(one: object, other: object) -> bool:
    # Not a number is the same as itself here.
    return repr(one) == repr(other)


def _differing_datasets(one: os.PathLike[str], other: os.PathLike[str]) -> Iterator[str]:
    with h5py.File(one, "r", locking=False) as first, h5py.File(other, "r", locking=False) as second:
        names: set[str] = set()
        for file in (first, second):
            file.visititems(lambda name, entry: names.add(name) if isinstance(entry, h5py.Dataset) else None)
        for name in sorted(names):
            if name not in first or name not in second:
                yield f"{name}: only in {(first if name in first else second).filename}"
            elif first[name].shape != second[name].shape or first[name].dtype != second[name].dtype:
                yield f"{name}: {first[name].shape} of {first[name].dtype}, {second[name].shape} of " + str(
                    second[name].dtype
                )
            elif (row := _first_differing_row(first[name], second[name])) is not None:
                yield f"{name}: from row {row} on"


def _first_differing_row(one: h5py.Dataset, other: h5py.Dataset) -> int | None:
    """Return the first row in which two datasets of the same shape and type are not the same bits."""
    n_rows = one.shape[0]
    step = max(1, _BLOCK * n_rows // max(1, one.nbytes)) if n_rows else 1
    for start in range(0, n_rows, step):
        rows, others = one[start : start + step], other[start : start + step]
        as_bytes = (
            np.ascontiguousarray(block).view(np.uint8).reshape(len(block), -1) for block in (rows, others)
        )
        is_same = np.asarray(np.equal(*as_bytes).all(axis=1))
        if not is_same.all():
            return start + int(np.argmin(is_same))
    return None
