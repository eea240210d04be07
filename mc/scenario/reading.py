"""From a TOML file and overrides to a Scenario: every fault at once, each with its line, key and remedy."""

import re
import tomllib
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mc.errors import ScenarioError
from mc.scenario.fields import FaultList, nearest_key_hint
from mc.scenario.schema import Scenario, ScenarioSource

KeyPath = tuple[str | int, ...]

_LARGEST_FILE = 1_000_000
"""Bytes; a scenario is a page of text, anything larger is another file."""

_LONGEST_TEXT = 1000
"""Characters of a key or of a value."""

_DEEPEST = 16
"""Tables and arrays within each other; a scenario has seven at most."""

_MOST_VALUES = 100_000
"""Of all tables and arrays together."""

_LONGEST_OVERRIDE = 100_000
"""Characters; it may hold the place of each of a thousand channels."""

_LARGEST_NUMBER = 2**64
"""Of whole numbers; Python does not even print those of more than 4300 digits."""

_MOST_FAULTS = 50
"""That are told at once."""


def read_scenario(path: str | Path, overrides: Sequence[str] | Mapping[str, str] = ()) -> Scenario:
    """Read a scenario file, change it by overrides, and return it with every number in internal units.

    An override is 'inside.K=100 mM', 'channels.0.count=10' or 'channels."K leak".count=10'; a mapping gives
    the same as {key: value}. Raises ScenarioError, whose message has one line for each fault.
    """
    path = Path(path)
    return parse_scenario(_read_text(path), path, overrides)


def parse_scenario(text: str, path: Path, overrides: Sequence[str] | Mapping[str, str] = ()) -> Scenario:
    """Return the scenario that a file of this text and path is; see `read_scenario`."""
    try:
        data = tomllib.loads(text)
        lines = _LineScanner(text).lines
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(_make_printable(_syntax_message(path, text, str(error)))) from None
    except RecursionError:
        raise ScenarioError(f"{path}: not a scenario: arrays or tables nested too deeply") from None
    except ValueError:
        raise ScenarioError(f"{path}: not a scenario: a number of more digits than any has") from None
    if isinstance(overrides, Mapping):
        overrides = [f"{key}={value}" for key, value in overrides.items()]
    origins = {key: f"{path}:{line}" for key, line in lines.items()}
    faults = []
    for override in overrides:
        told = f"--set {_shorten(override)}"
        try:
            key = _apply_override(data, override)
        except ValueError as error:
            faults.append(f"{told}: {error}")
        else:
            origins = {known: origin for known, origin in origins.items() if known[: len(key)] != key}
            for length in range(1, len(key)):
                origins.setdefault(key[:length], told)
            origins[key] = told
    _raise(faults + _find_oversized(data, origins, str(path)))
    try:
        scenario = Scenario.model_validate(data)
    except ValidationError as error:
        _raise(_describe_faults(error, data, origins, str(path)))
    scenario._source = ScenarioSource(path, text, tuple(overrides), origins)
    return scenario


def _raise(faults: Sequence[str]) -> None:
    """Raise ScenarioError if there are faults, with the first of them if there are many."""
    more = len(faults) - _MOST_FAULTS
    if faults:
        rest = [f"... and {more} more faults"] if more > 0 else []
        raise ScenarioError("\n".join([*map(_make_printable, faults[:_MOST_FAULTS]), *rest]))


def _make_printable(line: str) -> str:
    """Return a line without what would break it, or command a terminal."""
    return "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in line)


def _find_oversized(data: dict[str, Any], origins: Mapping[KeyPath, str], fallback: str) -> list[str]:
    """Return a fault for what no scenario has: long texts, deep nesting, a crowd of values."""
    faults: list[str] = []
    n_values = 0
    waiting: list[tuple[KeyPath, Any]] = [((), data)]
    while waiting:
        path, value = waiting.pop()
        is_table = isinstance(value, dict)
        texts = list(value) if is_table else [value] if isinstance(value, str) else []
        origin = origins.get(path[:1], fallback)
        if isinstance(value, int) and abs(value) > _LARGEST_NUMBER:
            faults.append(f"{origin}: {_shorten(write_path(path))}: a whole number beyond all measure")
        for text in texts:
            if len(text) > _LONGEST_TEXT:
                faults.append(
                    f"{origin}: {_shorten(write_path(path))}: a text of {len(text)} characters, {_show(text)}; at "
                    f"most {_LONGEST_TEXT} are allowed"
                )
        if is_table or isinstance(value, list):
            n_values += len(value)
            if n_values > _MOST_VALUES:
                return [f"{fallback}: more than {_MOST_VALUES} values, so not a scenario"]
            if len(path) >= _DEEPEST:
                return [
                    f"{origin}: {_shorten(write_path(path))}: nested too deeply; at most {_DEEPEST} levels"
                ]
            waiting += [
                ((*path, key), member) for key, member in (value.items() if is_table else enumerate(value))
            ]
    return faults


def _shorten(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}..."


def _read_text(path: Path) -> str:
    try:
        if path.is_dir():
            raise ScenarioError(f"{path}: is a directory; give a scenario file (TOML)")
        if not path.exists():
            hint = nearest_key_hint(path.name, (entry.name for entry in path.parent.glob("*.toml")))
            raise ScenarioError(f"{path}: no such file{hint}")
        if not path.is_file():
            raise ScenarioError(f"{path}: is not a regular file; give a scenario file (TOML)")
        if path.stat().st_size > _LARGEST_FILE:
            raise ScenarioError(f"{path}: larger than {_LARGEST_FILE} bytes, so not a scenario file (TOML)")
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ScenarioError(f"{path}: cannot be read: {reason}") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ScenarioError(
            f"{path}:{line}: byte 0x{content[error.start]:02x} is not UTF-8 text; save the scenario as UTF-8"
        ) from None
    if not text.strip():
        raise ScenarioError(
            f"{path}: the file is empty; a scenario needs at least {', '.join(_required_keys())}"
        )
    return text


def _required_keys() -> list[str]:
    return [name for name, field in Scenario.model_fields.items() if field.is_required()]


def _syntax_message(path: Path, text: str, message: str) -> str:
    """Turn tomllib's 'Invalid value (at line 3, column 9)' into file:line."""
    at = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
    if at is None:
        return f"{path}: not valid TOML: {message}"
    line = int(at[1]) if at[1] else text.count("\n") + 1
    found = text.split("\n")[line - 1].strip()
    if header := re.fullmatch(r"\[\s*(channels|pumps|transporters|electrodes)\s*\]\s*(?:#.*)?", found):
        return f"{path}:{line}: write [[{header[1]}]] in double brackets, for there may be several"
    return f"{path}:{line}: not valid TOML: {message[: at.start()]}" + (
        f", in: {found[:80]}" if found else ""
    )


# --- where a key stands ---


class _LineScanner:
    """Finds the line of every key of a text that is known to be valid TOML."""

    _KEY = re.compile(r'\s*("(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|[A-Za-z0-9_-]+)[ \t]*(\.?)')
    _STRING = re.compile(
        r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL
    )
    _BLANK = re.compile(r"(?:\s|#[^\n]*)*")
    _BARE = re.compile(r"[^,\]}\n#]*")

    def __init__(self, text: str):
        self.lines: dict[KeyPath, int] = {}
        self._text = text
        self._line_ends = [match.start() for match in re.finditer("\n", text)]
        self._at = 0
        self._table_counts: dict[KeyPath, int] = {}
        self._scan_document()

    def _skip_blank(self) -> None:
        self._at = self._match(self._BLANK).end()

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str]:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise AssertionError(f"the scanner met a TOML form it does not know, at character {self._at}")
        return match

    def _note(self, path: KeyPath, start: int) -> None:
        self.lines.setdefault(path, bisect_left(self._line_ends, start) + 1)

    def _scan_document(self) -> None:
        table: KeyPath = ()
        self._skip_blank()
        while self._at < len(self._text):
            start = self._at
            brackets = 2 if self._text.startswith("[[", start) else int(self._text[start] == "[")
            if not brackets:
                self._scan_pair(table)
            else:
                self._at += brackets
                table = self._resolve(self._scan_key(), is_array=brackets == 2)
                self._at = self._text.index("]" * brackets, self._at) + brackets
                for length in range(1, len(table) + 1):
                    self._note(table[:length], start)
            self._skip_blank()

    def _resolve(self, key: KeyPath, is_array: bool) -> KeyPath:
        """Return the path of a [table] or [[table]] header with the index of each array of tables put in."""
        path: KeyPath = ()
        for i, part in enumerate(key):
            path = (*path, part)
            if is_array and i == len(key) - 1:
                self._table_counts[path] = self._table_counts.get(path, 0) + 1
            if path in self._table_counts:
                path = (*path, self._table_counts[path] - 1)
        return path

    def _scan_key(self) -> KeyPath:
        parts = []
        more = "."
        while more:
            match = self._match(self._KEY)
            name, more = match.groups()
            parts.append(_unquote(name))
            self._at = match.end()
        return tuple(parts)

    def _scan_pair(self, table: KeyPath) -> None:
        start = self._at
        path = (*table, *self._scan_key())
        for length in range(len(table) + 1, len(path) + 1):
            self._note(path[:length], start)
        self._at = self._text.index("=", self._at) + 1
        self._skip_blank()
        self._scan_value(path)

    def _scan_value(self, path: KeyPath) -> None:
        first = self._text[self._at]
        if first in "[{":
            closing = "]" if first == "[" else "}"
            self._at += 1
            self._skip_blank()
            i = 0
            while self._text[self._at] != closing:
                if first == "[":
                    self._note((*path, i), self._at)
                    self._scan_value((*path, i))
                else:
                    self._scan_pair(path)
                self._skip_blank()
                if self._text[self._at] == ",":
                    self._at += 1
                    self._skip_blank()
                i += 1
            self._at += 1
        elif first in "\"'":
            self._at = self._match(self._STRING).end()
        else:
            self._at = self._match(self._BARE).end()


def _unquote(key: str) -> str:
    return next(iter(tomllib.loads(f"{key} = 0"))) if key[0] in "\"'" else key


# --- overrides ---

_OVERRIDE_PART = re.compile(r'\s*("(?:[^"\\]|\\.)*"|\'[^\']*\'|[^."\'=]+?)\s*([.=]|$)')


def _apply_override(data: dict[str, Any], override: str) -> KeyPath:
    """Set one key of `data`; return its path. Raises ValueError that says what is wrong with the override."""
    if len(override) > _LONGEST_OVERRIDE:
        raise ValueError(f"longer than {_LONGEST_OVERRIDE} characters")
    keys, text = _split_override(override)
    path: KeyPath = ()
    target: Any = data
    for i, key in enumerate(keys):
        is_last = i == len(keys) - 1
        if isinstance(target, list):
            index = _find_entry(target, key, write_path(path))
            path = (*path, index)
            if is_last:
                target[index] = _read_override_value(text)
            target = target[index]
        elif isinstance(target, dict):
            path = (*path, key)
            if is_last:
                target[key] = _read_override_value(text)
            else:
                target = target.setdefault(key, {})
        else:
            raise ValueError(f"{write_path(path)} is a value, not a table: it has no key {key}")
    return path


def _split_override(override: str) -> tuple[list[str], str]:
    keys = []
    at = 0
    while match := _OVERRIDE_PART.match(override, at):
        key, separator = match.groups()
        keys.append(_unquote(key))
        at = match.end()
        if separator == "=":
            return keys, override[at:].strip()
        if not separator:
            break
    raise ValueError("an override is written key=value, for example inside.K=100 mM")


def _read_override_value(text: str) -> Any:
    """Return a TOML value, or the text itself where it is none: 100 mM needs no quotes within quotes."""
    try:
        data = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return data["value"] if len(data) == 1 else text


def _find_entry(entries: list[Any], key: str, path: str) -> int:
    names = [entry.get("name") for entry in entries if isinstance(entry, dict)]
    if key in names:
        return next(
            i for i, entry in enumerate(entries) if isinstance(entry, dict) and entry.get("name") == key
        )
    if key.isdecimal() and int(key) < len(entries):
        return int(key)
    named = ", ".join(f'"{name}"' for name in names)
    hint = nearest_key_hint(key, [name for name in names if isinstance(name, str)])
    raise ValueError(
        f"{path} has no entry {key}; there are {len(entries)}: {named or 'none with a name'}{hint}"
    )


# --- messages ---

_MESSAGES = {
    "float_type": "expected a plain number",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "string_type": 'expected text in quotes, "..."',
    "bool_type": "expected true or false",
    "dict_type": "expected a table",
    "model_type": "expected a table",
    "tuple_type": "expected an array",
    "finite_number": "expected a finite number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "expected {expected}",
    "too_short": "expected at least {min_length} of them",
    "too_long": "expected at most {max_length} of them",
    "string_too_short": "expected text of at least {min_length} character",
    "string_too_long": "expected text of at most {max_length} characters",
}


def _describe_faults(
    error: ValidationError, data: dict[str, Any], origins: Mapping[KeyPath, str], fallback: str
) -> list[str]:
    """Return a line 'where: key: what is wrong; what is allowed' for each fault, in the schema's order."""
    found = list(_flatten(error))
    # A mistyped key is one fault, not an unknown key and a missing one.
    meant = set()
    for path, message, kind in found:
        if kind == "unknown" and (match := re.search(r'did you mean "(.+)"\?$', message)):
            meant |= {(*path[:-1], match[1]), tuple(match[1].split("."))}
    lines = []
    for path, message, kind in found:
        if kind == "missing" and path in meant:
            continue
        origin = next(
            (origins[path[:length]] for length in range(len(path), 0, -1) if path[:length] in origins),
            fallback,
        )
        lines.append(f"{origin}: {write_path(path, data)}: {message}" if path else f"{origin}: {message}")
    return lines


def _flatten(error: ValidationError) -> Iterator[tuple[KeyPath, str, str]]:
    """Yield path, message and kind ("unknown", "missing" or "wrong") of each fault."""
    for detail in error.errors(include_url=False):
        path: KeyPath = tuple(part for part in detail["loc"] if part != "[key]")
        cause = detail.get("ctx", {}).get("error")
        if isinstance(cause, FaultList):
            for fault in cause.faults:
                yield (*path, *fault.path), fault.message, "wrong"
        elif detail["type"] == "extra_forbidden":
            yield path, _unknown_key_message(path), "unknown"
        elif detail["type"] == "missing":
            yield path, _missing_key_message(path), "missing"
        elif len(path) == 1 and (swapped := _swapped_brackets_message(path[0], detail)):
            yield path, swapped, "wrong"
        elif detail["type"] in _MESSAGES:
            expected = _MESSAGES[detail["type"]].format(**detail.get("ctx", {}))
            yield path, f"{expected}, found {_show(detail['input'])}", "wrong"
        elif detail["type"] == "value_error":
            yield path, detail["msg"].removeprefix("Value error, "), "wrong"
        else:
            message = detail["msg"].removeprefix("Input ")
            yield path, f"{message}, found {_show(detail['input'])}", "wrong"


def _unknown_key_message(path: KeyPath) -> str:
    model, key = _model_at(path[:-1]), str(path[-1])
    tables = [*_tables(model), *_tables(Scenario)]
    places = [f"{name}.{key}" for name, table in tables if key in table.model_fields]
    hint = f'; did you mean "{places[0]}"?' if places else nearest_key_hint(key, model.model_fields)
    return f"unknown key; allowed are {', '.join(model.model_fields)}{hint}"


def _tables(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield name and model of the tables in a model, arrays and collections of tables left out."""
    for name, field in model.model_fields.items():
        table = find_model(field.annotation)
        if table is not None and get_origin(field.annotation) not in (tuple, dict):
            yield name, table


def _swapped_brackets_message(key: str | int, detail: ErrorDetails) -> str | None:
    """Return what to write where [table] stands for [[table]] or the reverse; None where neither does."""
    if detail["type"] == "tuple_type" and isinstance(detail["input"], dict):
        return f"found one table; write [[{key}]] in double brackets, for there may be several"
    if detail["type"] == "model_type" and isinstance(detail["input"], list):
        return f"found an array; write [{key}] in single brackets, for there is one"
    return None


def _missing_key_message(path: KeyPath) -> str:
    field = _model_at(path[:-1]).model_fields[str(path[-1])]
    is_table = find_model(field.annotation) is not None or str(field.annotation).startswith("dict")
    if is_table and len(path) == 1:
        return f"missing; a table [{path[-1]}] is needed. {field.description}"
    if not field.examples or is_table:
        return f"missing. {field.description}"
    return f"missing; write e.g. {path[-1]} = {write_value(field.examples[0])}"


def _model_at(path: KeyPath) -> type[BaseModel]:
    """Return the model that describes the table at `path`."""
    model: type[BaseModel] = Scenario
    for part in path:
        if part in model.model_fields:
            model = find_model(model.model_fields[str(part)].annotation) or model
    return model


def find_model(annotation: Any) -> type[BaseModel] | None:
    """Return the model within a type such as `tuple[Channel, ...]`, or None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := find_model(part))), None)


def write_path(path: KeyPath, data: Any = None) -> str:
    """Write a path as an override says it; entries of arrays of tables go by their names."""
    parts = []
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            data = None
        name = data.get("name") if isinstance(part, int) and isinstance(data, dict) else None
        text = name if isinstance(name, str) and name else str(part)
        parts.append(text if re.fullmatch(r"[A-Za-z0-9_+-]+", text) else f'"{text}"')
    return ".".join(parts)


def write_value(value: object) -> str:
    """Write an example or a default as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, Mapping):
        entries = (f"{_write_key(key)} = {write_value(entry)}" for key, entry in value.items())
        return f"{{ {', '.join(entries)} }}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(write_value(entry) for entry in value)}]"
    return str(value)


def _write_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else f'"{key}"'


def _show(value: object) -> str:
    """Show a found value briefly, as TOML would."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, (list, tuple)):
        return "an array" if value else "an empty array"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
