"""The reference of all keys of a scenario, docs/scenario.md, written from the models themselves.

To refresh it: python -m mc.scenario.reference > docs/scenario.md
"""

import inspect
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mc.scenario.reading import find_model, write_value
from mc.scenario.schema import Scenario

_INTRODUCTION = """\
# What a scenario may say

A scenario is a TOML file. Every quantity is text with its unit, and any unit of the right kind will do: `"25 nm"`,
`"0.025 um"`; `nm^3/ns`, `nm3/ns` and `nm³/ns` are the same. The unit that a description names is the one in which the
number is kept, which Python and the results show. A key marked *required* must be there; a dash means that there is
no default, or that the description says what holds without the key. `ionmc check SCENARIO` says what is wrong with a
file, and what a good one implies.

Any key can be overridden on the command line by its path: `--set inside.K="100 mM"`. The entry of a list is given by
its name or its number, `--set channels.0.count=10`. What holds spaces goes into quotes,
`--set "channels.K leak.count=10"`, and a name with a dot has quotes of its own: `--set 'channels."Kv1.1".count=10'`.

"""


def write_reference() -> str:
    """Return the text of docs/scenario.md: a table of keys for each model of the schema."""
    headings: dict[type[BaseModel], list[str]] = {}
    for heading, model in _sections(Scenario, ""):
        headings.setdefault(model, []).append(heading)
    parts = [_INTRODUCTION, "## The whole file\n\n", _table(Scenario)]
    for model, names in headings.items():
        title = " and ".join(f"`{name}`" for name in names)
        parts += [f"\n## {title}\n\n", f"{inspect.getdoc(model)}\n\n", _table(model)]
    return "".join(parts)


def _sections(model: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the header in a file, such as [[channels]] or [channels.pore], and the model of every table."""
    for name, field in model.model_fields.items():
        table = find_model(field.annotation)
        if table is None:
            continue
        kind = get_origin(field.annotation)
        key = f"{path}{name}.NAME" if kind is dict else f"{path}{name}"
        yield (f"[[{key}]]" if kind is tuple else f"[{key}]"), table
        yield from _sections(table, f"{key}.")


def _table(model: type[BaseModel]) -> str:
    rows = ["| key | what it says | example | default |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        rows.append(f"| `{name}` | {field.description} | {_example(field)} | {_default(field)} |")
    return "\n".join(rows) + "\n"


def _example(field: FieldInfo) -> str:
    if find_model(field.annotation):
        return "a table of its own, below"
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    values: list[Any] = list(choices) or field.examples or [field.default]
    return ", ".join(f"`{write_value(value)}`" for value in values)


def _default(field: FieldInfo) -> str:
    """Return the default as a file would say it: a quantity's example is its default where it has one."""
    if field.is_required():
        return "*required*"
    default = field.default
    if field.default_factory is not None or default is None or default in ((), ""):
        return "–"
    example = field.examples[0] if field.examples else None
    is_quantity = isinstance(default, float) and isinstance(example, str)
    return f"`{write_value(example if is_quantity else default)}`"


if __name__ == "__main__":
    print(write_reference(), end="")
