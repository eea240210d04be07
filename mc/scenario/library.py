"""The library of proteins, mc/library: one file for each, written as a scenario would, its first line a summary."""

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

KINDS = {"channels": "channel", "pumps": "pump", "transporters": "transporter"}
"""The table of a scenario that a protein goes into, and what it then is."""

_EITHER_OR: tuple[tuple[set[str], set[str]], ...] = (
    ({"count"}, {"density"}),
    ({"density"}, {"count"}),
    ({"permeability"}, {"conductance", "concentration", "selectivity"}),
    ({"conductance", "concentration", "selectivity"}, {"permeability"}),
    ({"gates"}, {"states", "open", "rates"}),
    ({"states"}, {"gates", "rates", "open"}),
)
"""Keys that say the same in two ways: who gives one of the first means none of the second."""


class LibraryProtein(NamedTuple):
    """A protein of the library."""

    name: str
    table: str
    """Of a scenario, where it goes: one of `KINDS`."""
    summary: str
    text: str
    """The file."""
    keys: Mapping[str, Any]
    """What it says, as a scenario would."""


def _folder() -> Traversable:
    return files("mc") / "library"


@cache
def library_names() -> tuple[str, ...]:
    """Return the names of all proteins of the library in alphabetical order."""
    return tuple(
        sorted(
            entry.name.removesuffix(".toml") for entry in _folder().iterdir() if entry.name.endswith(".toml")
        )
    )


@cache
def read_protein(name: str) -> LibraryProtein:
    """Return a protein of the library; KeyError if there is none of that name."""
    if name not in library_names():
        raise KeyError(name)
    text = (_folder() / f"{name}.toml").read_text(encoding="utf-8")
    [(table, [keys])] = tomllib.loads(text).items()
    return LibraryProtein(name, table, text.splitlines()[0].removeprefix("# "), text, keys)


def override(protein: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a protein of the library says with what a scenario gives in its place, tables key by key."""
    dropped: set[str] = set()
    for present, absent in _EITHER_OR:
        if present & given.keys():
            dropped |= absent - given.keys()
    merged = {key: value for key, value in protein.items() if key not in dropped}
    for key, value in given.items():
        own = merged.get(key)
        merged[key] = (
            override(own, value) if isinstance(own, Mapping) and isinstance(value, Mapping) else value
        )
    return merged


def proteins_of(table: str) -> Iterable[str]:
    """Return the names of the proteins that go into one table of a scenario."""
    return [name for name in library_names() if read_protein(name).table == table]
