"""Damaged recordings: flipped and lost bytes, and what must hold of each.

    python tests/system/damage.py [--files 5000] [--seed 1] [--workers 1]

Whatever reads a run must give its numbers or one clear error, and never end the process. Processes of their own read
the files, so that a crash of the HDF5 library is seen.
"""

import argparse
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from random import Random

import numpy as np

from mc.comparison import summarize
from mc.errors import McError
from mc.recording.recording import Recording

LONGEST_SECONDS = 20.0
"""For one file."""

_CONTEXT = multiprocessing.get_context("fork")


def damage(random: Random, content: bytes) -> bytes:
    """Return a file with flipped bits, a stretch of other bytes, a piece that is gone, or an end that is."""
    changed = bytearray(content)
    # Half of the damage is where HDF5 keeps what it needs to find the rest.
    size = len(changed) if random.random() < 0.5 else min(len(changed), 20_000)
    kind = random.random()
    if kind < 0.4:
        for _ in range(random.choice((1, 1, 3, 30, 300))):
            changed[random.randrange(size)] ^= 1 << random.randrange(8)
    elif kind < 0.6:
        start = random.randrange(size)
        length = random.choice((1, 8, 100, 4096))
        fill = random.choice((b"\x00", b"\xff", random.randbytes(1)))
        changed[start : start + length] = fill * len(changed[start : start + length])
    elif kind < 0.7:
        start = random.randrange(size)
        del changed[start : start + random.choice((1, 8, 512))]
    elif kind < 0.8:
        start, other = random.randrange(size), random.randrange(len(changed))
        changed[start : start + 512] = changed[other : other + 512]
    else:
        del changed[random.randrange(len(changed)) :]
    return bytes(changed)


def read_all(path: Path) -> None:
    """Read a run as the commands do: everything in it, its summary, and what resume would go on with."""
    with Recording(path) as recording:
        for name in (
            *("step", "time", "values", "profiles", "positions", "maps", "channel_y", "pump_y", "crossings"),
            *("pump_moves", "gating", "species", "valence", "channels", "pumps", "scenario", "scenario_text"),
            *("title", "seed", "wall_seconds", "recording_seconds", "branched_from", "membrane_capacitance"),
        ):
            getattr(recording, name)
        repr(recording)
        summarize(recording)


def find_offence(path: str) -> str | None:
    """Read a damaged file; return what is wrong with how it was met, None where nothing is."""

    def stop(number, frame):
        raise TimeoutError("this takes too long")

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, LONGEST_SECONDS)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            read_all(Path(path))
    except McError as error:
        return None if str(error).strip() and len(str(error)) < 10_000 else "an error without a fit message"
    except BaseException:
        return traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
    return None


class Readers:
    """Processes that read files; one that dies is noticed and replaced."""

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        self.pool = ProcessPoolExecutor(workers, _CONTEXT)

    def find_offences(self, paths: list[str]) -> list[str | None]:
        """Return for each file what was wrong with how it was met."""
        try:
            return list(self.pool.map(find_offence, paths, chunksize=max(1, len(paths) // self.workers)))
        except BrokenProcessPool:
            self.pool = ProcessPoolExecutor(self.workers, _CONTEXT)
        if len(paths) == 1:
            return ["the process crashed"]
        return [one for path in paths for one in self.find_offences([path])]

    def __enter__(self) -> "Readers":
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown()


def main() -> None:
    """Damage a recording many times, read each, say how many offended."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "offenders")
    parser.add_argument("recording", type=Path, help="run.h5 of a run, best a small one")
    arguments = parser.parse_args()
    content = arguments.recording.read_bytes()
    kinds: dict[str, int] = {}
    offences = 0
    started = time.monotonic()
    with Readers(arguments.workers) as readers, tempfile.TemporaryDirectory() as folder:
        for first in range(0, arguments.files, 50):
            paths = []
            for i in range(first, min(first + 50, arguments.files)):
                path = Path(folder) / f"{i}.h5"
                path.write_bytes(damage(Random(f"{arguments.seed}/{i}"), content))
                # Not as if a run was just writing it.
                os.utime(path, (0, 0))
                paths.append(str(path))
            for path, offence in zip(paths, readers.find_offences(paths), strict=True):
                if offence is not None:
                    offences += 1
                    last = offence.strip().splitlines()[-1][:150]
                    kinds[last] = kinds.get(last, 0) + 1
                    if kinds[last] == 1:
                        arguments.keep.mkdir(parents=True, exist_ok=True)
                        shutil.copy(path, arguments.keep)
                        print(f"{os.path.basename(path)}: {offence}", flush=True)
                os.unlink(path)
    print(
        f"{arguments.files} files in {time.monotonic() - started:.0f} s, {offences} offences of {len(kinds)} kinds"
    )
    sys.exit(bool(offences))


if __name__ == "__main__":
    main()
