"""The random numbers as they are used, in a statistical battery: what neighbouring draws may have in common.

    python benchmarks/random_numbers.py [--layouts ions,steps,streams,seeds] [--tests 0,1,...] [--output docs]

Draws are a function of (seed, stream, entity, step). A battery reads numbers one after another, so it is told of
four orders in which neighbours differ in but one of these. The battery is Dieharder (Brown 2004 to 2013,
https://webhome.phy.duke.edu/~rgb/General/dieharder.php; packaged by Debian), which must be installed.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numba import njit, uint32

from mc import streams
from mc.engines.brownian.motion import BLOCK, draw_words

DOCS = Path(__file__).parent.parent / "docs"
SEED = 1

TESTS = (*range(5), *range(8, 14), 15, 16, 17, 100, 101, 102, *range(200, 210))
"""Of Dieharder, without those it calls suspect or "do not use" (5 to 7, 14)."""

SIZES = {200: (1, 4, 8, 12), 201: (2, 3, 4, 5), 202: (2, 3, 4, 5), 203: (0, 1, 8, 32)}
"""Of tests that come in several: bits, dimensions, numbers in a permutation, lags. Without one Dieharder takes 0, and
distances in no dimension are a test that no generator passes."""

PIECE = 2**18
"""Words that are made at a time."""


@njit
def fill_ions(words: np.ndarray, step: int, key_0: int, key_1: int) -> None:
    """Fill with the words of the ions of a step, block by block."""
    for block in range(words.size // BLOCK):
        draw_words(
            words[block * BLOCK : (block + 1) * BLOCK],
            uint32(block * (BLOCK // 2)),
            uint32(step),
            key_0,
            key_1,
        )


@njit
def fill_counters(words: np.ndarray, entities: np.ndarray, steps: np.ndarray, keys: np.ndarray) -> None:
    """Fill with both words of each entity, step and key."""
    for i in range(entities.size):
        first, second = streams.threefry(entities[i], steps[i], keys[i, 0], keys[i, 1])
        words[2 * i] = first
        words[2 * i + 1] = second


def of_ions() -> Iterator[np.ndarray]:
    """Yield the ions of one step after another."""
    words = np.empty(PIECE, dtype=np.uint32)
    key = streams.stream_key(np.uint64(SEED), streams.DIFFUSION)
    for step in range(2**32):
        fill_ions(words, step, key[0], key[1])
        yield words


def of_steps() -> Iterator[np.ndarray]:
    """Yield all steps of an ion, then those of the next."""
    key = np.tile(streams.stream_key(np.uint64(SEED), streams.DIFFUSION), (PIECE // 2, 1))
    steps = np.arange(PIECE // 2, dtype=np.uint32)
    for entity in range(2**32):
        yield draw(np.full(PIECE // 2, entity, dtype=np.uint32), steps, key)


def of_streams() -> Iterator[np.ndarray]:
    """Yield all streams of an ion in a step, then those of the next ion."""
    names = sorted(
        value for name, value in vars(streams).items() if name.isupper() and isinstance(value, int)
    )
    keys = np.array([streams.stream_key(np.uint64(SEED), stream) for stream in names])
    n_ions = PIECE // 2 // len(keys)
    entities = np.repeat(np.arange(n_ions, dtype=np.uint32), len(keys))
    for step in range(2**32):
        yield draw(entities, np.full(entities.size, step, dtype=np.uint32), np.tile(keys, (n_ions, 1)))


def of_seeds() -> Iterator[np.ndarray]:
    """Yield one draw of each of many seeds that follow each other, then the next."""
    keys = np.array([streams.stream_key(np.uint64(seed), streams.DIFFUSION) for seed in range(PIECE // 2)])
    for step in range(2**32):
        yield draw(np.zeros(PIECE // 2, dtype=np.uint32), np.full(PIECE // 2, step, dtype=np.uint32), keys)


def draw(entities: np.ndarray, steps: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Return both words of each entity, step and key."""
    words = np.empty(2 * entities.size, dtype=np.uint32)
    fill_counters(words, entities, steps, keys)
    return words


LAYOUTS: dict[str, Callable[[], Iterator[np.ndarray]]] = {
    "ions": of_ions,
    "steps": of_steps,
    "streams": of_streams,
    "seeds": of_seeds,
}


class Result(NamedTuple):
    """One p-value of the battery."""

    layout: str
    test: str
    size: str
    p_value: float
    assessment: str


def run_test(layout: str, number: int) -> list[Result]:
    """Return every result of one test of the battery, of every size in which it comes."""
    return [one for size in SIZES.get(number, (0,)) for one in run_size(layout, number, size)]


def run_size(layout: str, number: int, size: int) -> list[Result]:
    """Return the results of one test of the battery in one size, 0 where it has but one."""
    battery = subprocess.Popen(
        [
            *("dieharder", "-g", "200", "-d", str(number), "-n", str(size)),
            *("-Y", "1", "-k", "2", "-c", ",", "-D", "default"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert battery.stdin is not None and battery.stdout is not None
    with suppress(BrokenPipeError):
        for words in LAYOUTS[layout]():
            battery.stdin.write(words.tobytes())
    with suppress(BrokenPipeError):
        battery.stdin.close()
    printed = battery.stdout.read().decode()
    battery.wait()
    rows = [[cell.strip() for cell in line.split(",")] for line in printed.splitlines()]
    return [
        Result(layout, row[0], row[1], float(row[-2]), row[-1].lower())
        for row in rows
        if row[-1] in ("PASSED", "WEAK", "FAILED")
    ]


PAGE = """# The random numbers

Made by `python benchmarks/random_numbers.py`.

Every draw is Threefry-2x32 with 13 rounds of (seed, stream, entity, step); see `mc/streams.py`. The battery
Dieharder reads them one after another in orders in which neighbours differ in one of these only:

- **ions**: the ions of a step, block by block as they are moved, then those of the next step;
- **steps**: the steps of an ion, then those of the next ion;
- **streams**: all streams of an ion in a step, then those of the next ion;
- **seeds**: one draw of each of 131,072 seeds that follow each other, then the next draw.

Numbers that are random give uniform p-values. A test has failed below 10⁻⁶; below 0.005 or above 0.995 it is weak,
which one in a hundred is by chance, and is repeated with more numbers until it passes or fails, unless it is one of
several p-values of a test that passes as a whole. The p-values of a test that was repeated are not independent.

| order | p-values | weak in the end | failed | smallest | in the outer 2 % | uniform (Kolmogorov-Smirnov) |
| --- | --- | --- | --- | --- | --- | --- |
{orders}

| test | {layouts} |
| --- | {rules} |
{tests}

A cell holds the smallest of the p-values of a test, of which some have many.
"""


def write_page(folder: Path, results: list[Result]) -> None:
    """Write the page, and the results beside it."""
    from scipy.stats import kstest

    layouts = list(dict.fromkeys(one.layout for one in results))
    orders = []
    for layout in layouts:
        own = [one for one in results if one.layout == layout]
        p_values = np.array([one.p_value for one in own])
        n_weak, n_failed = (sum(one.assessment == kind for one in own) for kind in ("weak", "failed"))
        extreme = np.mean((p_values < 0.01) | (p_values > 0.99))
        uniform = kstest(p_values, "uniform").pvalue
        orders.append(
            f"| {layout} | {len(own)} | {n_weak} | {n_failed} | {p_values.min():.2g} | {extreme:.1%} | "
            f"p = {uniform:.2g} |"
        )
    tests = []
    for test in dict.fromkeys(one.test for one in results):
        smallest = [
            min((one.p_value for one in results if (one.test, one.layout) == (test, layout)), default=np.nan)
            for layout in layouts
        ]
        tests.append(f"| {test.replace('_', ' ')} | {' | '.join(f'{p:.2g}' for p in smallest)} |")
    page = PAGE.format(
        orders="\n".join(orders),
        layouts=" | ".join(layouts),
        rules=" | ".join("---" for _ in layouts),
        tests="\n".join(tests),
    )
    (folder / "random_numbers.md").write_text(page, encoding="utf-8")
    rows = [one._asdict() for one in results]
    (folder / "random_numbers.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Run the battery on each layout, print what it says and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layouts", default=",".join(LAYOUTS))
    parser.add_argument("--tests", default=",".join(map(str, TESTS)))
    parser.add_argument("--output", type=Path, default=DOCS)
    arguments = parser.parse_args()
    if shutil.which("dieharder") is None:
        sys.exit("dieharder is not installed (Debian: apt-get install dieharder)")
    results: list[Result] = []
    for layout in arguments.layouts.split(","):
        for number in map(int, arguments.tests.split(",")):
            for result in run_test(layout, number):
                results.append(result)
                print(*result, flush=True)
    write_page(arguments.output, results)
    sys.exit(any(one.assessment == "failed" for one in results))


if __name__ == "__main__":
    main()
