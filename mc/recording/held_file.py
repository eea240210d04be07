"""The file on disk as HDF5 sees it: writes are held back and then made at once, and none ever fails."""

from __future__ import annotations

import io
import os
from bisect import bisect_right
from itertools import pairwise
from typing import Any

PAGE = 4096
"""Bytes that a system writes whole or not at all, whenever the writer is killed."""

SUPERBLOCK = 48
"""Bytes at the beginning of a file that say where it ends: HDF5's superblock of version 2 or 3."""

LARGE = 65536
"""Bytes from which on a write beyond the committed end is not held back: nothing points there yet."""


class HeldFile(io.FileIO):
    """A file whose writes wait in memory until `commit`, so that a kill finds it as a commit left it, or nearly.

    HDF5 changes its tables in place, block after block, and a file that is caught half way cannot be opened. What is
    held back is written in a moment and in an order in which the file holds after every page what it held before:
    first what lies beyond the old end, which nothing points to yet, and that the end has moved; then tables that
    point there, and rows beside those that were there; last the headers that say how many rows there are.
    Large writes beyond the old end are made at once, which spares copies of most of what is recorded.

    No write ever fails for HDF5, which crashes the interpreter when it cleans up after a failed one. The first
    failure is remembered for `raise_error`, and nothing is written from then on.
    """

    def __init__(self, path: str | os.PathLike[str], mode: str) -> None:
        super().__init__(path, mode)
        self.header_pages: set[int] = set()
        """Pages that say how many rows there are."""
        self._held: list[tuple[int, bytes]] = []
        self._committed_size = os.fstat(self.fileno()).st_size
        # What of the committed file is still valid is less of it after it was cut.
        self._size = self._kept = self._written = self._committed_size
        self._position = 0
        self._error: OSError | None = None

    def raise_error(self) -> None:
        """Raise the OSError of the first write that failed, if one did."""
        if self._error is not None:
            raise self._error

    def commit(self) -> None:
        """Write what was held back; a failure is kept for `raise_error`."""
        border = self._committed_size
        if self._kept < min(border, self._size):
            # What was cut and is there again reads as zeros where nothing was written.
            self._held.insert(0, (self._kept, bytes(min(border, self._size) - self._kept)))
        stretches, self._held = _join(self._held, border), []
        if self._error is not None:
            return
        last = self.header_pages
        pieces = [piece for start, data in stretches if start < border for piece in _cut(start, data, last)]
        pieces.sort(key=lambda piece: piece[0] // PAGE in last)
        beginning = [(start, data[:SUPERBLOCK]) for start, data in pieces if start == 0]
        try:
            for start, data in stretches:
                if start >= border:
                    self._write_all(start, data)
            if self._size >= border:
                os.ftruncate(self.fileno(), self._size)
                pieces = beginning + pieces
            else:
                # A file that has become shorter may be cut once nothing points beyond its new end.
                pieces.sort(key=lambda piece: piece[0] == 0)
            for start, data in pieces:
                self._write_all(start, data)
            os.ftruncate(self.fileno(), self._size)
        except OSError as error:
            self._error = error
        self._committed_size = self._kept = self._written = self._size

    def _write_all(self, offset: int, data: bytearray | memoryview) -> None:
        remaining = memoryview(data)
        while len(remaining):
            written = os.pwrite(self.fileno(), remaining, offset)
            remaining, offset = remaining[written:], offset + written

    # --- what HDF5 calls ---

    def write(self, data: Any) -> int:
        """Hold `data` back."""
        content = memoryview(data).cast("B")
        start, end = self._position, self._position + len(content)
        if self._may_be_written(start, end):
            try:
                self._write_all(start, content)
            except OSError as error:
                self._error = error
            self._written = max(self._written, end)
        else:
            self._held.append((start, bytes(content)))
        self._position = end
        self._size = max(self._size, end)
        return len(content)

    def _may_be_written(self, start: int, end: int) -> bool:
        """Return whether a write needs not wait."""
        return (
            end - start >= LARGE
            and start >= self._committed_size == self._kept
            and self._error is None
            and not any(offset < end and start < offset + len(content) for offset, content in self._held)
        )

    def readinto(self, buffer: Any) -> int:
        """Read what is there, held writes included."""
        target = memoryview(buffer).cast("B")
        start = self._position
        n_bytes = max(0, min(len(target), self._size - start))
        on_disk = self._written if self._kept == self._committed_size else self._kept
        found = os.pread(self.fileno(), max(0, min(n_bytes, on_disk - start)), start)
        target[: len(found)] = found
        target[len(found) : n_bytes] = bytes(n_bytes - len(found))
        for offset, content in self._held:
            first, last = max(offset, start), min(offset + len(content), start + n_bytes)
            if first < last:
                target[first - start : last - start] = content[first - offset : last - offset]
        self._position += n_bytes
        return n_bytes

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position of the file with its held writes."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = origin + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def truncate(self, size: int | None = None) -> int:
        """Set the length, as of the next commit."""
        self._size = self._position if size is None else size
        self._kept = min(self._kept, self._size)
        if self._size < self._written > self._committed_size:
            self._written = max(self._size, self._committed_size)
            os.ftruncate(self.fileno(), self._written)
        self._held = [
            (offset, content[: self._size - offset]) for offset, content in self._held if offset < self._size
        ]
        return self._size

    def flush(self) -> None:
        """Do nothing: HDF5 flushes in the middle of its changes."""

    def close(self) -> None:
        """Commit and close."""
        if not self.closed:
            self.commit()
        super().close()


def _cut(start: int, data: bytearray, pages: set[int]) -> list[tuple[int, bytearray]]:
    """Return a stretch cut at the edges of some pages."""
    stop = start + len(data)
    edges = {edge for page in pages for edge in (page * PAGE, (page + 1) * PAGE) if start < edge < stop}
    at = [start, *sorted(edges), stop]
    return [(first, data[first - start : last - start]) for first, last in pairwise(at)]


def _join(writes: list[tuple[int, bytes]], border: int) -> list[tuple[int, bytearray]]:
    """Return the stretches that writes cover with what the last of them leaves there, in order of their offsets.

    None goes across `border`.
    """
    edges: list[list[int]] = []
    for offset, content in sorted(writes, key=lambda write: write[0]):
        end = offset + len(content)
        if edges and offset <= edges[-1][1]:
            edges[-1][1] = max(edges[-1][1], end)
        else:
            edges.append([offset, end])
    stretches = [
        (start, bytearray(stop - start))
        for first, last in edges
        for start, stop in ((first, min(last, border)), (max(first, border), last))
        if start < stop
    ]
    starts = [start for start, _ in stretches]
    for offset, content in writes:
        end = offset + len(content)
        i = bisect_right(starts, offset) - 1
        while i < len(stretches) and starts[i] < end:
            start, joined = stretches[i]
            first, last = max(offset, start), min(end, start + len(joined))
            joined[first - start : last - start] = content[first - offset : last - offset]
            i += 1
    return stretches
