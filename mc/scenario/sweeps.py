"""What a scenario may say about being run many times: the keys that vary, their values, the replicas."""

import itertools
import math
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from mc.errors import ScenarioError
from mc.scenario.fields import Count, Fault, FaultList, Model, raise_faults
from mc.units import format_quantity, split_quantity

MOST_RUNS = 1_000_000
"""Of one sweep; more are a slip of the pen."""


def write_override_value(value: object) -> str:
    """Return a value as an override says it, such as 3 mM, 10, or true."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int, float)):
        return str(value).strip()
    raise ValueError(f"expected text with a unit, a number, or true or false, found {value!r}")


OverrideValue = Annotated[str, BeforeValidator(write_override_value), Field(min_length=1)]


class Variation(Model):
    """One key of the scenario that varies, with its values: a list of them, or a range."""

    key: Annotated[str, Field(strict=True, min_length=1)] = Field(
        description="Its path, as `--set` takes it.", examples=["outside.K"]
    )
    values: tuple[OverrideValue, ...] = Field(
        default=(), description="The values.", examples=[["3 mM", "10 mM", "30 mM"]]
    )
    first: OverrideValue | None = Field(
        default=None, description="For a range, in place of values: the first of them.", examples=["1.5 mM"]
    )
    last: OverrideValue | None = Field(
        default=None, description="For a range: the last value, in the same unit.", examples=["150 mM"]
    )
    points: Annotated[int, Field(strict=True, ge=2, le=10_000)] | None = Field(
        default=None, description="For a range: how many values.", examples=[9]
    )
    spacing: Literal["linear", "logarithmic"] = Field(
        default="linear", description="For a range: equal differences, or equal ratios."
    )

    @model_validator(mode="after")
    def _values_or_a_range(self) -> "Variation":
        missing = [name for name in ("first", "last", "points") if getattr(self, name) is None]
        if self.values and len(missing) < 3:
            raise_faults([Fault(("values",), "stands beside a range: give the one or the other")])
        if not self.values and missing:
            raise_faults(
                [Fault((), f"needs values, or a range with first, last and points; {missing[0]} is missing")]
            )
        values = self.all_values
        twice = next((value for i, value in enumerate(values) if value in values[:i]), None)
        if twice is not None:
            hint = (
                ""
                if self.values
                else "; ends that are whole numbers give whole numbers, write 0.0 for others"
            )
            raise_faults([Fault(("values" if self.values else "points",), f"{twice} comes twice{hint}")])
        return self

    @property
    def all_values(self) -> tuple[str, ...]:
        """The values as an override says them, those of a range worked out."""
        if self.values or self.first is None or self.last is None or self.points is None:
            return self.values
        first, last = split_quantity(self.first), split_quantity(self.last)
        if first is None or last is None or first.unit != last.unit:
            message = f'"{self.last}" must be a number with the same unit as the first one, "{self.first}"'
            raise FaultList([Fault(("last",), message)])
        is_logarithmic = self.spacing == "logarithmic"
        if is_logarithmic and not (first.number > 0 and last.number > 0):
            raise_faults([Fault(("spacing",), "a logarithmic range needs two ends above zero")])
        is_whole = self.first.lstrip("+-").isdecimal() and self.last.lstrip("+-").isdecimal()
        values = []
        for i in range(self.points):
            share = i / (self.points - 1)
            if is_logarithmic:
                number = first.number * math.exp(share * math.log(last.number / first.number))
            else:
                number = first.number + share * (last.number - first.number)
            values.append(str(round(number)) if is_whole else format_quantity(number, first.unit))
        # The ends as they were written.
        return (self.first, *values[1:-1], self.last)


class Sweep(Model):
    """Many runs of this scenario, by `ionmc sweep`: every point of the varied keys, several times.

    `ionmc run` makes one run of the scenario as it stands and leaves this table aside.
    """

    vary: tuple[Variation, ...] = Field(
        default=(), description="The keys that vary; without any there are replicas alone."
    )
    paired: Annotated[bool, Field(strict=True)] = Field(
        default=False,
        description="Take the first values of all keys together, then the second ones, and so on; otherwise every "
        "value of one key meets every value of the others.",
    )
    replicas: Count = Field(
        default=1, description="Runs of each point, which differ in their random numbers."
    )

    @model_validator(mode="after")
    def _as_many_in_a_pair(self) -> "Sweep":
        keys = [one.key for one in self.vary]
        faults = [
            Fault(("vary", i, "key"), f"{key} varies already")
            for i, key in enumerate(keys)
            if key in keys[:i]
        ]
        if self.paired:
            for i, one in enumerate(self.vary[1:], 1):
                n, n_first = len(one.all_values), len(self.vary[0].all_values)
                if n != n_first:
                    message = f"{n} values, but {keys[0]} has {n_first}: paired keys need as many of each"
                    faults.append(Fault(("vary", i), message))
        raise_faults(faults)
        if self.replicas * self.n_points > MOST_RUNS:
            raise_faults([Fault((), f"{self.replicas * self.n_points} runs are more than {MOST_RUNS}")])
        return self

    @property
    def n_points(self) -> int:
        """How many different points there are."""
        numbers = [len(one.all_values) for one in self.vary]
        return (numbers[0] if numbers else 1) if self.paired else math.prod(numbers)

    @property
    def points(self) -> tuple[tuple[str, ...], ...]:
        """The value of every key at each point, the last key changing fastest."""
        values = [one.all_values for one in self.vary]
        if self.paired and values:
            return tuple(zip(*values, strict=True))
        return tuple(itertools.product(*values))


def read_variation(text: str) -> Variation:
    """Return what KEY=V1,V2,... of the command line says; commas within brackets and quotes part nothing.

    Raises ScenarioError.
    """
    key, values = _split_key(text)
    pieces = [piece.strip() for piece in _split_at_commas(values)]
    if not key or not all(pieces):
        raise ScenarioError(
            f"--vary {text}: write the key and its values, for example outside.K=3 mM,10 mM,30 mM"
        )
    twice = next((piece for i, piece in enumerate(pieces) if piece in pieces[:i]), None)
    if twice is not None:
        raise ScenarioError(f"--vary {text}: {twice} comes twice")
    return Variation(key=key, values=tuple(pieces))


def _split_key(text: str) -> tuple[str, str]:
    """Return what stands before and after the first "=" that is not in quotes."""
    quote = ""
    for i, character in enumerate(text):
        if character == quote:
            quote = ""
        elif not quote and character in "\"'":
            quote = character
        elif not quote and character == "=":
            return text[:i].strip(), text[i + 1 :]
    return "", text


def _split_at_commas(text: str) -> list[str]:
    pieces, depth, quote = [""], 0, ""
    for character in text:
        if quote or character in "\"'":
            quote = "" if character == quote else quote or character
        elif character in "[{(":
            depth += 1
        elif character in ")}]":
            depth -= 1
        elif character == "," and not depth:
            pieces.append("")
            continue
        pieces[-1] += character
    return pieces
