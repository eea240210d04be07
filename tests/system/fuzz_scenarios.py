"""Scenario files and overrides that nobody would write, made from those that are shipped, and what must hold of each.

    python tests/system/fuzz_scenarios.py [--first 0] [--inputs 100000] [--seed 1] [--keep FOLDER]

Every input gives a scenario or one clear error, within a moment and with little memory. Offenders are printed, and
written to a folder as they were read.
"""

import argparse
import copy
import json
import resource
import signal
import sys
import tempfile
import time
import tomllib
import traceback
import warnings
from pathlib import Path
from random import Random
from typing import NamedTuple

from mc.errors import McError
from mc.scenario.advice import advise
from mc.scenario.limits import estimate_memory, estimate_storage
from mc.scenario.reading import read_scenario, write_value
from mc.scenario.schema import Scenario

ROOT = Path(__file__).parents[2]
SOURCES = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "scenarios").glob("*.toml"))]

LONGEST_SECONDS = 5.0
"""Of the processor, for one input; the slowest of the shipped scenarios takes 0.1 s."""

LONGEST_MESSAGE = 50_000
"""Characters."""

MOST_MEMORY = 1.0e9
"""Bytes that the process may grow by."""

UNITS = (
    "nm",
    "um^2",
    "ns",
    "us",
    "mM",
    "mV",
    "pA",
    "pS",
    "degC",
    "K",
    "/s",
    "/us",
    "nm^3/ns",
    "um^2/ms",
    "kHz",
    "",
    "m^9",
)
TEXTS = (
    *(
        "",
        " ",
        "\t",
        "\x7f",
        "\u202e",
        "a\u0301",
        "𝒦",
        "Ω",
        "K\x00",
        "../../etc/passwd",
        "/dev/null",
        "{}",
        "%s%n",
        "'",
    ),
    *(
        "x" * 300,
        "é" * 70_000,
        "__class__",
        "K.count",
        "->",
        "a->b->c",
        "9" * 5000 + " nm",
        "1e" + "9" * 400 + " mM",
    ),
    *(
        "nan mM",
        "inf nm",
        "-inf ns",
        "1e308 nm",
        "1e-308 us",
        "0x10 nm",
        "1_0 nm",
        "- 5 nm",
        "5 nm nm",
        "(" * 200,
    ),
    *("auto", "random", "even", "HHExpRate", "1 nm^9999", "1 " + "nm*" * 500, "1 nm**9**9**9"),
)
NUMBERS = (0, -1, 1, 2**31, 2**63, 2**64, 10**30, 10**4000, 0.0, -0.0, 1e-320, 1e308, -1e308, 1e17)


class Input(NamedTuple):
    """A file and the overrides that go with it."""

    content: bytes
    overrides: tuple[str, ...]


def make_input(random: Random) -> Input:
    """Return a file and overrides: a shipped scenario in which keys, values or characters are not what they were."""
    source = random.choice(SOURCES)
    if random.random() < 0.25:
        text = mutate_text(random, source)
    else:
        data = tomllib.loads(source)
        for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
            mutate_data(random, data)
        text = write_data(data, source)
    content = text.encode("utf-8", "surrogatepass")
    if random.random() < 0.03:
        content = mutate_bytes(random, content)
    overrides = [make_override(random, source) for _ in range(random.choice((0, 0, 0, 1, 2)))]
    return Input(content, tuple(overrides))


def write_data(data: dict, source: str) -> str:
    """Return tables as a text; what is nested too deeply to be written is `source` with as many brackets instead."""
    try:
        return "\n".join(f"{write_key(key)} = {write_value(value)}" for key, value in data.items())
    except RecursionError:
        return source + "\nnested = " + "[" * sys.getrecursionlimit()


def write_key(key: str) -> str:
    """Write any text as a key of TOML."""
    return json.dumps(key)


def mutate_text(random: Random, text: str) -> str:
    """Return a text of which pieces are missing, doubled, foreign or new."""
    for _ in range(random.choice((1, 1, 2, 5))):
        start = random.randrange(len(text) + 1)
        stop = min(len(text), start + random.choice((0, 1, 1, 5, 40, 400)))
        other = random.choice(SOURCES)
        at = random.randrange(len(other))
        piece = random.choice(
            (
                "",
                text[start:stop] * 2,
                other[at : at + random.choice((10, 200, 2000))],
                random.choice(TEXTS),
                random.choice(
                    ("[", "]", "{", "}", "=", '"', "'", "\n", '"""', "[[", "\\", "\\u", "#", "=[" * 300)
                ),
                "[" * random.choice((3, 90, 3000)),
                "{a=" * random.choice((3, 90, 3000)),
                "\n" + ".".join("abc"[i % 3] for i in range(random.choice((3, 90, 3000)))) + " = 1\n",
                "\n" * random.choice((3, 3000)),
            )
        )
        text = text[:start] + piece + text[stop:]
    return text


def mutate_bytes(random: Random, content: bytes) -> bytes:
    """Return bytes that may be no text any more."""
    changed = bytearray(content)
    for _ in range(random.choice((1, 10))):
        changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed[: random.randrange(len(changed))] if random.random() < 0.3 else changed)


def mutate_data(random: Random, data: dict) -> None:
    """Change one thing in the tables of a scenario: delete, rename, replace, double, or scale a quantity."""
    table, key = random.choice(list(places(data)) or [(data, "x")])
    kind = random.random()
    if kind < 0.1:
        del table[key]
    elif kind < 0.2 and isinstance(table, dict):
        name = random.choice((*TEXTS, str(key) + "x", str(key).upper(), "name", "count", "K", "Na"))
        table[name] = table.pop(key)
    elif kind < 0.3:
        _, foreign = random.choice(list(places(tomllib.loads(random.choice(SOURCES)))))
        owner, other_key = random.choice(list(places(data)))
        table[key] = copy.deepcopy(owner[other_key]) if random.random() < 0.7 else foreign
    elif kind < 0.4 and isinstance(table, list):
        table.extend(copy.deepcopy(table[key]) for _ in range(random.choice((1, 1, 3, 100))))
    elif kind < 0.75 and isinstance(table[key], str) and table[key][:1] in "-0123456789":
        number, _, unit = table[key].partition(" ")
        factor = random.choice((0.0, -1.0, 1.1, 0.5, *(10.0 ** random.uniform(-35, 35) for _ in range(4))))
        try:
            table[key] = f"{float(number) * factor:.6g} {unit}"
        except ValueError:
            table[key] = f"{number} {random.choice(UNITS)}"
    elif kind < 0.8 and isinstance(table[key], (int, float)) and not isinstance(table[key], bool):
        factor = random.choice((0, -1, 10, 0.5, 10**6, 10.0**20, 1e300))
        table[key] = table[key] * factor if abs(table[key]) < 1e300 else -table[key]
    else:
        table[key] = make_value(random, 0)


def places(data):
    """Yield the table or array and the key of everything in a scenario."""
    members = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in list(members):
        yield data, key
        if isinstance(value, (dict, list)):
            yield from places(value)


def make_value(random: Random, depth: int):
    """Return a value of any kind."""
    kind = random.random()
    if kind < 0.3:
        return random.choice(TEXTS)
    if kind < 0.5:
        return f"{random.choice(NUMBERS)} {random.choice(UNITS)}"
    if kind < 0.65:
        return random.choice(NUMBERS)
    if kind < 0.75:
        return f"{random.uniform(-10, 10) * 10.0 ** random.randint(-40, 40):.4g} {random.choice(UNITS)}"
    if kind < 0.8 or depth > 3:
        return random.choice((True, False))
    if kind < 0.85:
        value = 1
        for _ in range(random.choice((5, 60, 150))):
            value = [value] if random.random() < 0.7 else {"a": value}
        return value
    if kind < 0.93:
        return [make_value(random, depth + 1) for _ in range(random.choice((0, 1, 2, 5, 200)))]
    return {
        random.choice((*TEXTS[:12], "a", "K", "rate", "kind", "name", "start")): make_value(random, depth + 1)
        for _ in range(random.choice((0, 1, 3, 20)))
    }


def make_override(random: Random, source: str) -> str:
    """Return what may stand after --set."""
    if random.random() < 0.2:
        return random.choice(
            (*TEXTS, "a.b.c=1", "=", "K=", "inside.K", ".".join("a" * 500) + "=1", "channels.9.count=1")
        )
    parts, value = [], tomllib.loads(source)
    while isinstance(value, (dict, list)) and value and random.random() < 0.9:
        key = random.choice(list(value) if isinstance(value, dict) else range(len(value)))
        parts.append(json.dumps(key) if isinstance(key, str) and random.random() < 0.5 else str(key))
        value = value[key]
    new = make_value(random, 2)
    return f"{'.'.join(parts)}={write_value(new) if random.random() < 0.5 else new}"


# --- what must hold ---


class TooLong(Exception):
    """An input took longer than any may."""


def find_offence(one: Input, folder: Path) -> str | None:
    """Read an input as a command would; return what is wrong with how it was met, None where nothing is."""

    def stop(number, frame):
        raise TooLong

    path = folder / "scenario.toml"
    path.write_bytes(one.content)
    previous = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, LONGEST_SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _offence(path, one.overrides)
    except McError as error:
        text = str(error)
        if not text.strip():
            return "an error without a message"
        if len(text) > LONGEST_MESSAGE:
            return f"a message of {len(text)} characters"
        if not all(line.isprintable() for line in text.split("\n")):
            return "a message with control characters"
    except TooLong:
        return f"longer than {LONGEST_SECONDS:g} s\n{traceback.format_exc()}"
    except Exception:
        return traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, previous)
    return None


def _offence(path: Path, overrides: tuple[str, ...]) -> str | None:
    scenario = read_scenario(path, overrides)
    text = scenario.to_json()
    if Scenario.from_json(text).to_json() != text:
        return "what was written as JSON is read as something else"
    if scenario.default_folder().parts != ("outputs", "scenario"):
        return f"results would go to {scenario.default_folder()}"
    advice = advise(scenario)
    estimate_memory(advice)
    estimate_storage(scenario, advice)
    advice.raise_refusals()
    return None


def peak_memory() -> float:
    """Return the most bytes that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def main() -> None:
    """Make inputs, read them, say how many offended."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--first", type=int, default=0, help="number of the first input, to go on from there")
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "offenders")
    arguments = parser.parse_args()
    arguments.keep.mkdir(parents=True, exist_ok=True)
    for source in SOURCES:
        find_offence(Input(source.encode(), ()), arguments.keep)
    started, memory, offences, kinds = time.monotonic(), peak_memory(), 0, {}
    slowest = 0.0
    for i in range(arguments.first, arguments.first + arguments.inputs):
        one = make_input(Random(f"{arguments.seed}/{i}"))
        begun = time.process_time()
        offence = find_offence(one, arguments.keep)
        slowest = max(slowest, time.process_time() - begun)
        if offence is not None:
            offences += 1
            last = offence.strip().splitlines()[-1][:150]
            kinds[last] = kinds.get(last, 0) + 1
            if kinds[last] == 1:
                (arguments.keep / f"{i}.toml").write_bytes(one.content)
                (arguments.keep / f"{i}.txt").write_text(json.dumps(one.overrides) + "\n" + offence)
                print(f"{i}: {last}", flush=True)
    seconds, grown = time.monotonic() - started, peak_memory() - memory
    print(
        f"{arguments.inputs} inputs in {seconds:.0f} s, slowest {slowest:.2f} s, memory grew by "
        f"{grown / 1e6:.0f} MB, {offences} offences of {len(kinds)} kinds"
    )
    sys.exit(bool(offences) or grown > MOST_MEMORY)


if __name__ == "__main__":
    main()
