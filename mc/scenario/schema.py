"""What a scenario may say: models with fields, defaults and limits, every number in internal units.

A scenario file gives quantities as strings with units; here they have become floats in nm, ns, e, mV, mM, K.
Faults that concern several keys are found where the later of them is validated, so that one reading reports
them all.
"""

import difflib
import itertools
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from mc.constants import (
    IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR,
    LARGEST_GATING_POTENTIAL,
    ZERO_CELSIUS,
    thermal_potential,
)
from mc.theory.gating import VOLTAGE_DEPENDENCES, open_probability, stationary_distribution
from mc.units import parse_quantity

BODY_TEMPERATURE = 310.15
"""K; 37 degC."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, at a key path."""

    path: tuple[str | int, ...]
    message: str


class FaultList(ValueError):
    """Several faults found by one validator; paths count from the validated value, or from the root."""

    def __init__(self, faults: Iterable[Fault]):
        self.faults = tuple(faults)
        super().__init__("; ".join(fault.message for fault in self.faults))


def _raise_faults(faults: list[Fault]) -> None:
    if faults:
        raise FaultList(faults)


def nearest_key_hint(key: str, valid: Iterable[str]) -> str:
    """Return '; did you mean "..."?' with the valid key nearest to `key`, or an empty string."""
    by_folded = {name.casefold(): name for name in valid}
    matches = difflib.get_close_matches(key.casefold(), by_folded, n=1, cutoff=0.6)
    return f'; did you mean "{by_folded[matches[0]]}"?' if matches else ""


# --- types of values ---


def _is_internal(info: ValidationInfo) -> bool:
    """Return whether the scenario is in internal units, as `Scenario.to_json` writes it."""
    return bool(info.context and info.context.get("internal_units"))


def _read_quantity(
    value: object,
    info: ValidationInfo,
    dimension: str,
    check: Callable[[float, object], float],
    example: str | None = None,
) -> float:
    """Return a quantity in internal units; bare numbers pass only in a scenario in internal units."""
    if _is_internal(info) and isinstance(value, (int, float)):
        return check(float(value), value)
    return check(parse_quantity(value, dimension, example), value)


def _quantity_reader(
    dimension: str, check: Callable[[float, object], float], example: str | None = None
) -> BeforeValidator:
    def read(value: object, info: ValidationInfo) -> float:
        return _read_quantity(value, info, dimension, check, example)

    return BeforeValidator(read)


def _positive(number: float, found: object) -> float:
    if not number > 0:
        raise ValueError(f"must be positive, found {found}")
    return number


def _not_negative(number: float, found: object) -> float:
    if not number >= 0:
        raise ValueError(f"must not be negative, found {found}")
    return number


def _any(number: float, found: object) -> float:
    return number


def _not_zero(number: float, found: object) -> float:
    if number == 0:
        raise ValueError(f"must not be zero, found {found}")
    return number


def _liquid_water(number: float, found: object) -> float:
    if not ZERO_CELSIUS <= number <= ZERO_CELSIUS + 100:
        raise ValueError(f"must lie between 0 and 100 degC, where water is liquid, found {found}")
    return number


def _not_blank(name: str) -> str:
    if name != name.strip() or not name.isprintable():
        raise ValueError("a name must neither begin nor end with a space nor hold control characters")
    return name


def _species_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_+-]{0,19}", name):
        raise ValueError(
            f'"{name}" cannot name a species: a letter, then at most 19 letters, digits, "_", "+" or "-"'
        )
    return name


def _read_placement(value: object, info: ValidationInfo) -> object:
    """Return "random", "even", or positions in nm, each with its own fault."""
    if value is None or value in ("random", "even"):
        return value
    if not isinstance(value, (list, tuple)):
        found = "a table" if isinstance(value, dict) else f'"{value}"' if isinstance(value, str) else value
        raise ValueError(
            f'expected "random", "even" or an array of positions such as ["10 nm", "52 nm"], found {found}'
        )
    positions, faults = [], []
    for i, position in enumerate(value):
        try:
            positions.append(_read_quantity(position, info, "length", _not_negative))
        except ValueError as error:
            faults.append(Fault((i,), str(error)))
    _raise_faults(faults)
    return positions


Length = Annotated[float, _quantity_reader("length", _positive)]
Position = Annotated[float, _quantity_reader("length", _not_negative)]
PlacementRule = Annotated[
    Literal["random", "even"] | tuple[float, ...] | None, BeforeValidator(_read_placement)
]
Area = Annotated[float, _quantity_reader("area", _positive)]
Time = Annotated[float, _quantity_reader("time", _positive)]
RecordInterval = Annotated[float, _quantity_reader("time", _positive, "20 ns")]
Rate = Annotated[float, _quantity_reader("rate", _not_negative)]
Turnover = Annotated[float, _quantity_reader("rate", _not_negative, "100 /s")]
Potential = Annotated[float, _quantity_reader("potential", _any)]
PotentialScale = Annotated[float, _quantity_reader("potential", _not_zero, "10 mV")]
Concentration = Annotated[float, _quantity_reader("concentration", _not_negative)]
PositiveConcentration = Annotated[float, _quantity_reader("concentration", _positive)]
Temperature = Annotated[float, _quantity_reader("temperature", _liquid_water)]
CapacitancePerArea = Annotated[float, _quantity_reader("capacitance", _positive)]
Conductance = Annotated[float, _quantity_reader("conductance", _positive)]
DiffusionCoefficient = Annotated[float, _quantity_reader("diffusion_coefficient", _positive)]
Permeability = Annotated[float, _quantity_reader("permeability", _not_negative)]
SpeciesName = Annotated[str, AfterValidator(_species_name)]
Name = Annotated[str, Field(strict=True, min_length=1, max_length=60), AfterValidator(_not_blank)]
PlainNumber = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0)]
Count = Annotated[int, Field(strict=True, ge=1, le=10**9)]
Stoichiometry = dict[SpeciesName, Annotated[int, Field(strict=True, ge=1, le=10)]]


_NOT_GIVEN: Any = None
"""Default of fields that are filled in when what they follow from is known; then they are floats."""

MOST_TRANSVERSE_CELLS = 2048
"""Most cells of the field's grid along an axis of the membrane."""


class Model(BaseModel):
    """Base of all models: unchangeable, and refusing keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# --- parts of a scenario ---


class SimulationSettings(Model):
    """What is run, for how long, in which steps."""

    engine: Literal["brownian"] = Field(
        default="brownian", description="How matter moves: brownian follows every single ion."
    )
    duration: Time = Field(description="Simulated time, in ns.", examples=["20 us"])
    time_step: float | Literal["auto"] = Field(
        default="auto",
        description='Length of a step, in ns, or "auto" for the longest comfortably safe one up to 1 ns.',
        examples=["0.5 ns"],
    )
    temperature: Temperature = Field(
        default=BODY_TEMPERATURE, description="Temperature of everything, in K.", examples=["37 degC"]
    )
    seed: Annotated[int, Field(strict=True, ge=0, le=2**63 - 1)] | None = Field(
        default=None,
        description="Seed of all random numbers; drawn and recorded when it is not given.",
        examples=[1],
    )

    @field_validator("time_step", mode="before")
    @classmethod
    def _read_time_step(cls, value: object, info: ValidationInfo) -> object:
        if value == "auto":
            return value
        if isinstance(value, str) and value.strip().isalpha():
            raise ValueError(f'expected a time such as "0.5 ns", or "auto", found "{value}"')
        return _read_quantity(value, info, "time", _positive, "0.5 ns")

    @model_validator(mode="after")
    def _step_within_duration(self) -> "SimulationSettings":
        if self.time_step != "auto" and self.time_step > self.duration:
            raise FaultList(
                [
                    Fault(
                        ("time_step",),
                        f"{self.time_step:g} ns is longer than the duration, {self.duration:g} ns",
                    )
                ]
            )
        return self


class Geometry(Model):
    """The box: a membrane patch with a bath on either side.

    In one dimension only the membrane normal, x, is tracked and the patch has an area. In two, y along the membrane
    is tracked too: the patch is a periodic line of `width`, and `depth` is the length of the third, untracked axis.
    """

    dimensions: Literal[1, 2] = Field(
        default=1,
        description="Number of tracked dimensions: 1, the membrane normal; 2, with the line of the membrane.",
    )
    width: Length | None = Field(
        default=None,
        validate_default=True,
        description="Needed in two dimensions: length of the membrane along y, where it is periodic, in nm.",
        examples=["200 nm"],
    )
    depth: Length | None = Field(
        default=None,
        validate_default=True,
        description="Needed in two dimensions: length of the membrane along the axis that is not tracked, in nm.",
        examples=["50 nm"],
    )
    area: Area = Field(
        default=_NOT_GIVEN,
        validate_default=True,
        description="Needed in one dimension: area of the membrane patch, in nm2; in two it is width times depth.",
        examples=["0.02 um^2"],
    )
    inside_length: Length = Field(description="Depth of the cytoplasm, in nm.", examples=["25 nm"])
    outside_length: Length = Field(description="Depth of the extracellular bath, in nm.", examples=["25 nm"])
    boundary: Literal["closed", "bath"] = Field(
        default="closed",
        description="The far ends: closed, or a bath that holds them at the concentrations of their sides.",
        examples=["bath"],
    )
    grid_spacing: Length | None = Field(
        default=None,
        description="Size of a cell of the field's grid along x, in nm; by default a quarter of the Debye length, "
        "in two dimensions at least 0.5 nm.",
        examples=["0.2 nm"],
    )
    grid_spacing_y: Length | None = Field(
        default=None,
        description="In two dimensions: size of a cell along y, in nm, rounded so that a power of two of them fills "
        "the width; by default about 1 nm.",
        examples=["1 nm"],
    )

    @field_validator("width", "depth")
    @classmethod
    def _measures_of_the_line(cls, value: float | None, info: ValidationInfo) -> float | None:
        dimensions = info.data.get("dimensions")
        if dimensions == 1 and value is not None:
            raise ValueError("needs dimensions = 2; in one dimension give the area")
        if dimensions == 2 and value is None:
            raise PydanticCustomError("missing", "missing")
        return value

    @field_validator("area", mode="wrap")
    @classmethod
    def _area_once(
        cls, value: object, read: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> float | None:
        dimensions, width, depth = (info.data.get(key) for key in ("dimensions", "width", "depth"))
        if dimensions == 2:
            if value is not None and not _is_internal(info):
                raise ValueError("leave it out: in two dimensions the area is width times depth")
            # Without one of them there is a fault already, and no geometry.
            return width * depth if width and depth else None
        if dimensions == 1 and value is None:
            raise PydanticCustomError("missing", "missing")
        area: float = read(value)
        return area

    @field_validator("grid_spacing_y")
    @classmethod
    def _spacing_along_the_line(cls, spacing: float | None, info: ValidationInfo) -> float | None:
        dimensions, width = info.data.get("dimensions"), info.data.get("width")
        if spacing is None:
            return None
        if dimensions == 1:
            raise ValueError("needs dimensions = 2")
        if width is not None and width / spacing > MOST_TRANSVERSE_CELLS * math.sqrt(2):
            raise ValueError(
                f"{spacing:g} nm is too fine for a width of {width:g} nm: at most {MOST_TRANSVERSE_CELLS} cells, "
                f"{width / MOST_TRANSVERSE_CELLS:.3g} nm"
            )
        return spacing

    @property
    def transverse_lengths(self) -> tuple[float, ...]:
        """Lengths in nm of the tracked axes along the membrane: none in one dimension, the width in two."""
        return () if self.width is None else (self.width,)

    @property
    def patch_keys(self) -> tuple[str, ...]:
        """The keys that set the size of the patch, for messages."""
        return ("area",) if self.dimensions == 1 else ("width", "depth")


class Membrane(Model):
    """The lipid membrane, a dielectric slab."""

    thickness: Length = Field(description="Thickness of the slab, in nm.", examples=["4 nm"])
    capacitance: CapacitancePerArea = Field(
        description="Specific capacitance of the slab, in e/(mV nm2).", examples=["1 uF/cm^2"]
    )


class Species(Model):
    """A kind of ion beyond K, Na, Cl and Ca, which are known; a table of one of these replaces its values."""

    valence: Annotated[int, Field(strict=True, ge=-4, le=4)] = Field(
        description="Charge number, from -4 to 4, not 0.", examples=[2]
    )
    diffusion_coefficient: DiffusionCoefficient = Field(
        description="Diffusion coefficient in water at the scenario's temperature, in nm2/ns.",
        examples=["0.71 um^2/ms"],
    )

    @field_validator("valence")
    @classmethod
    def _is_an_ion(cls, valence: int) -> int:
        if valence == 0:
            raise ValueError("an ion has a charge: the valence must not be 0")
        return valence


class ImpermeantAnion(Model):
    """The large anion that the program adds where a side holds more positive than negative charge."""

    name: SpeciesName = Field(default="A", description="Its name in the results.")
    valence: Literal[-1] = Field(default=-1, description="Its charge number, always -1.")
    diffusion_coefficient: DiffusionCoefficient = Field(
        default=1.0, description="Its diffusion coefficient, in nm2/ns.", examples=["1 um^2/ms"]
    )


class Pore(Model):
    """The conducting path of one open channel."""

    diffusion_coefficient: DiffusionCoefficient = Field(
        default=1.0,
        description="Diffusion coefficient of ions inside the pore, in nm2/ns.",
        examples=["1 um^2/ms"],
    )
    mouth_depth: Length = Field(
        default=0.3,
        description="Depth at which an entering ion starts in the pore, in nm; results do not depend on it.",
        examples=["0.3 nm"],
    )
    mouth_width: Length = Field(
        default=1.0,
        description="In two dimensions: width along y of the mouth, the strip in which ions can enter, in nm.",
        examples=["1 nm"],
    )


class Cluster(Model):
    """A stretch of the membrane where the proteins of a type stand."""

    centre: Position = Field(description="Its middle along y, in nm.", examples=["100 nm"])
    radius: Length = Field(description="How far it reaches on either side, in nm.", examples=["10 nm"])


class Protein(Model):
    """A type of membrane protein: how many there are and, in two dimensions, where along y they stand."""

    name: Name = Field(description="Name of the type, once only in a scenario.", examples=["K leak"])
    count: Count = Field(description="Number of proteins of this type in the patch.", examples=[400])
    placement: PlacementRule = Field(
        default=None,
        description='In two dimensions: "random" (the default), "even" or the position of each along y.',
        examples=["even", ["10 nm", "52 nm"]],
    )
    cluster: Cluster | None = Field(
        default=None, description="In two dimensions: where they stand; by default along the whole width."
    )


class TransitionRate(Model):
    """The rate of a transition: a rate by itself, constant, or one of NeuroML's forms with x = (V - midpoint)/scale.

    HHExpRate is rate exp(x), HHSigmoidRate rate/(1 + exp(-x)), HHExpLinearRate rate x/(1 - exp(-x)). V is the
    potential drop at the channel itself, inside minus outside; beyond 150 mV either way rates stay as they are there.
    """

    kind: Literal["constant", "HHExpRate", "HHSigmoidRate", "HHExpLinearRate"] = Field(
        default="constant", description="The form."
    )
    rate: Rate = Field(description="The constant rate, or the rate of the form, in 1/ns.", examples=["4 /ms"])
    midpoint: Potential | None = Field(
        default=None, description="Potential at which x is 0, in mV.", examples=["-40 mV"]
    )
    scale: PotentialScale | None = Field(
        default=None,
        description="Potential difference that changes x by 1, in mV; below zero for a rate that falls with V.",
        examples=["10 mV"],
    )

    @model_validator(mode="wrap")
    @classmethod
    def _constant_by_itself(
        cls, data: Any, read: ModelWrapValidatorHandler["TransitionRate"], info: ValidationInfo
    ) -> "TransitionRate":
        if isinstance(data, Mapping | TransitionRate):
            return read(data)
        rate = _read_quantity(data, info, "rate", _not_negative)
        return cls.model_construct(kind="constant", rate=rate, midpoint=None, scale=None)

    @model_validator(mode="after")
    def _find_faults(self) -> "TransitionRate":
        is_constant = self.kind == "constant"
        faults = []
        for key, example in (("midpoint", "-40 mV"), ("scale", "10 mV")):
            is_given = getattr(self, key) is not None
            if is_constant and is_given:
                forms = ", ".join(VOLTAGE_DEPENDENCES)
                faults.append(Fault((key,), f"a constant rate has none; kind is one of {forms}"))
            if not is_constant and not is_given:
                faults.append(Fault((), f'{self.kind} needs a {key}; write e.g. {key} = "{example}"'))
        _raise_faults(faults)
        return self

    def at(self, potential: float) -> float:
        """Return the rate in 1/ns at a potential in mV."""
        if self.kind == "constant":
            return self.rate
        dependence = VOLTAGE_DEPENDENCES[self.kind]
        potential = min(max(potential, -LARGEST_GATING_POTENTIAL), LARGEST_GATING_POTENTIAL)
        return float(dependence(potential, self.rate, self.midpoint or 0.0, self.scale or 1.0))


class Gate(Model):
    """One of the gates of a channel after Hodgkin and Huxley: so many subunits, each open or shut by itself."""

    name: Annotated[str, Field(strict=True, pattern="^[A-Za-z]{1,8}$")] = Field(
        description="Its letter.", examples=["m"]
    )
    instances: Annotated[int, Field(strict=True, ge=1, le=8)] = Field(
        default=1, description="How many subunits of the kind a channel has."
    )
    forward: TransitionRate = Field(
        description="Rate at which one opens (alpha).",
        examples=[{"kind": "HHExpLinearRate", "rate": "1 /ms", "midpoint": "-40 mV", "scale": "10 mV"}],
    )
    reverse: TransitionRate = Field(
        description="Rate at which one shuts (beta).",
        examples=[{"kind": "HHExpRate", "rate": "4 /ms", "midpoint": "-65 mV", "scale": "-18 mV"}],
    )


class Transition(NamedTuple):
    """A transition of a scheme."""

    source: int
    """Index among the states."""
    target: int
    multiplicity: int
    """How many subunits can make it."""
    law: TransitionRate


class Scheme(NamedTuple):
    """A gating written out as states and the transitions between them."""

    states: tuple[str, ...]
    is_open: tuple[bool, ...]
    transitions: tuple[Transition, ...]


MOST_STATES = 64
"""Of one scheme."""


class Gating(Model):
    """Opening and closing of one channel, a continuous-time Markov chain.

    It is written in one of two ways: as a scheme of `states`, those that are `open` and the `rates` between them, or
    as `gates` of independent subunits, after Hodgkin and Huxley, which conducts when all of them are open. The states
    of the second are named by how many subunits of each gate are open: m2h1.
    """

    states: tuple[Name, ...] = Field(
        default=(), description="Names of the states.", max_length=MOST_STATES, examples=[["closed", "open"]]
    )
    open: tuple[str, ...] = Field(
        default=(), description="The states in which the channel conducts.", examples=[["open"]]
    )
    rates: dict[str, TransitionRate] = Field(
        default_factory=dict,
        description='Rates of the transitions by "from->to": a rate, or a table that says how it depends on the '
        "potential.",
        examples=[{"closed->open": "4 /us", "open->closed": "1 /us"}],
    )
    gates: tuple[Gate, ...] = Field(default=(), description="Instead of states: the gates.")
    initial: str | None = Field(
        default=None,
        description="State at the start; when not given it is drawn from the stationary distribution at the "
        "potential of the start.",
        examples=["closed"],
    )
    q10: PlainNumber | None = Field(
        default=None,
        description="Factor on all rates for every 10 K above the reference temperature.",
        examples=[3.0],
    )
    reference_temperature: Temperature | None = Field(
        default=None,
        description="Temperature at which the rates hold as written, in K.",
        examples=["6.3 degC"],
    )
    acceleration: PlainNumber = Field(
        default=1.0,
        description="Factor on all rates, for channels that must act within microseconds.",
        examples=[1000.0],
    )

    @field_validator("states", "open", "gates")
    @classmethod
    def _not_empty_where_given(cls, value: tuple[Any, ...], info: ValidationInfo) -> tuple[Any, ...]:
        if not value and not _is_internal(info):
            raise PydanticCustomError("too_short", "too short", {"min_length": 1})
        return value

    @field_validator("rates")
    @classmethod
    def _normalise_transitions(cls, rates: dict[str, TransitionRate]) -> dict[str, TransitionRate]:
        return {"->".join(part.strip() for part in key.split("->")): rate for key, rate in rates.items()}

    @model_validator(mode="after")
    def _find_faults(self) -> "Gating":
        _raise_faults(self._find_mixtures())
        faults = []
        for i, state in enumerate(self.states):
            if "->" in state:
                faults.append(Fault(("states", i), f'a state\'s name must not hold "->", found "{state}"'))
            if state in self.states[:i]:
                faults.append(Fault(("states", i), f'the state "{state}" is named twice'))
        known = ", ".join(self.states)
        for i, state in enumerate(self.open):
            if state not in self.states:
                hint = nearest_key_hint(state, self.states)
                faults.append(Fault(("open", i), f'"{state}" is not a state; the states are {known}{hint}'))
        if self.initial is not None and self.initial not in self._state_names():
            names = self._state_names()
            hint = nearest_key_hint(self.initial, names)
            faults.append(
                Fault(
                    ("initial",), f'"{self.initial}" is not a state; the states are {", ".join(names)}{hint}'
                )
            )
        for transition in self.rates:
            ends = transition.split("->")
            if len(ends) != 2 or ends[0] == ends[1]:
                message = (
                    f'a transition is written "from->to" with two different states, found "{transition}"'
                )
                faults.append(Fault(("rates", transition), message))
                continue
            for state in ends:
                if state not in self.states:
                    hint = nearest_key_hint(state, self.states)
                    message = f'"{state}" is not a state; the states are {known}{hint}'
                    faults.append(Fault(("rates", transition), message))
        _raise_faults(faults or self._find_unreachable())
        return self

    def _find_mixtures(self) -> list[Fault]:
        """Find what is missing of either way to write a gating, or mixed up of both."""
        faults = []
        if (self.q10 is None) != (self.reference_temperature is None):
            given, lacking = ("q10", "reference_temperature")[:: 1 if self.q10 is not None else -1]
            faults.append(Fault((given,), f"needs {lacking} beside it"))
        if not self.gates:
            for key, example in (("states", '["closed", "open"]'), ("open", '["open"]')):
                if not getattr(self, key):
                    message = (
                        f"{key} is missing: write e.g. {key} = {example}, or the gates of Hodgkin and Huxley"
                    )
                    faults.append(Fault((), message))
            return faults
        for key in ("states", "open", "rates"):
            if getattr(self, key):
                faults.append(Fault((key,), "stands beside gates: give the one or the other"))
        names = [gate.name for gate in self.gates]
        for i, gate in enumerate(self.gates):
            if gate.name in names[:i]:
                faults.append(Fault(("gates", i, "name"), f'the gate "{gate.name}" is named twice'))
            if gate.forward.rate == 0.0:
                faults.append(
                    Fault(("gates", i, "forward"), "must be above zero: the channel could never open")
                )
        n_states = math.prod(gate.instances + 1 for gate in self.gates)
        if n_states > MOST_STATES:
            faults.append(Fault(("gates",), f"make {n_states} states; at most {MOST_STATES} are possible"))
        return faults

    def _state_names(self) -> tuple[str, ...]:
        if not self.gates:
            return self.states
        return tuple(
            "".join(f"{gate.name}{n}" for gate, n in zip(self.gates, numbers, strict=True))
            for numbers in self._open_subunits()
        )

    def _open_subunits(self) -> list[tuple[int, ...]]:
        """Return how many subunits of each gate are open in each state; the last gate's number changes fastest."""
        return list(itertools.product(*(range(gate.instances + 1) for gate in self.gates)))

    @cached_property
    def scheme(self) -> Scheme:
        """The states, those that conduct, and the transitions."""
        names = self._state_names()
        if not self.gates:
            ends = [key.split("->") for key in self.rates]
            transitions = tuple(
                Transition(names.index(source), names.index(target), 1, rate)
                for (source, target), rate in zip(ends, self.rates.values(), strict=True)
            )
            return Scheme(names, tuple(name in self.open for name in names), transitions)
        subunits = self._open_subunits()
        transitions = tuple(
            Transition(source, subunits.index((*numbers[:i], n, *numbers[i + 1 :])), multiplicity, law)
            for source, numbers in enumerate(subunits)
            for i, gate in enumerate(self.gates)
            for n, multiplicity, law in (
                (numbers[i] + 1, gate.instances - numbers[i], gate.forward),
                (numbers[i] - 1, numbers[i], gate.reverse),
            )
            if multiplicity > 0
        )
        # All subunits open is the last of the states.
        return Scheme(names, tuple(name == names[-1] for name in names), transitions)

    def _find_unreachable(self) -> list[Fault]:
        if self.gates:
            return []
        if len(self.states) > 1 and not any(rate.rate for rate in self.rates.values()):
            return [
                Fault(("rates",), "several states, but no transition with a rate above zero between them")
            ]
        final_states = self._final_states()
        if any(self._reachable(state) != final_states for state in final_states):
            message = (
                "the states fall into parts that cannot reach each other: no single stationary distribution"
            )
            return [Fault(("rates",), message)]
        visited = self._reachable(self.initial) if self.initial is not None else final_states
        return [
            Fault(("rates",), f'the open state "{state}" can never be reached: no transitions lead to it')
            for state in self.open
            if state not in visited
        ]

    def _reachable(self, start: str) -> set[str]:
        """Return the states that can follow `start`, itself included."""
        reached, waiting = {start}, [start]
        while waiting:
            state = waiting.pop()
            for transition, rate in self.rates.items():
                source, target = transition.split("->")
                if source == state and rate.rate > 0 and target not in reached:
                    reached.add(target)
                    waiting.append(target)
        return reached

    def _final_states(self) -> set[str]:
        """Return the states that the chain always comes back to."""
        reachable = {state: self._reachable(state) for state in self.states}
        return {
            state for state in self.states if all(state in reachable[other] for other in reachable[state])
        }

    @property
    def is_constant(self) -> bool:
        """Whether no rate depends on the potential."""
        return all(transition.law.kind == "constant" for transition in self.scheme.transitions)

    def speed(self, temperature: float | None = None) -> float:
        """Return the factor on all rates at a temperature in K; without one, that of the acceleration alone."""
        if self.q10 is None or self.reference_temperature is None or temperature is None:
            return self.acceleration
        return self.acceleration * float(self.q10 ** ((temperature - self.reference_temperature) / 10.0))

    def rate_matrix(self, potential: float = 0.0, temperature: float | None = None) -> NDArray[np.float64]:
        """Return the rates in 1/ns from each state (row) to each other (column), in the order of the scheme.

        At a potential in mV, and a temperature in K.
        """
        rates = np.zeros((len(self.scheme.states), len(self.scheme.states)))
        for source, target, multiplicity, law in self.scheme.transitions:
            rates[source, target] = multiplicity * law.at(potential)
        return rates * self.speed(temperature)

    def open_probability(self, potential: float = 0.0) -> float:
        """Return the probability of conducting after a long time at a potential in mV."""
        return float(
            open_probability(stationary_distribution(self.rate_matrix(potential)), self.scheme.is_open)
        )


class Channel(Protein):
    """A type of channel: how many there are, what passes, how they open and close.

    What passes is said in one of two ways: by `permeability`, or by `conductance`, `concentration` and `selectivity`
    together.
    """

    permeability: dict[SpeciesName, Permeability] = Field(
        default_factory=dict,
        description="Permeability of one open channel for each species, in nm3/ns.",
        examples=[{"K": "0.037 nm^3/ns", "Na": "0.0004 nm^3/ns"}],
    )
    conductance: Conductance | None = Field(
        default=None,
        description="Instead of permeability: conductance of one open channel, in e/(mV ns), in a symmetric "
        "solution of the species with the largest selectivity.",
        examples=["20 pS"],
    )
    concentration: PositiveConcentration | None = Field(
        default=None, description="Concentration at which the conductance holds, in mM.", examples=["150 mM"]
    )
    selectivity: dict[SpeciesName, PlainNumber] = Field(
        default_factory=dict,
        description="Relative permeabilities that go with the conductance.",
        examples=[{"K": 1.0, "Na": 0.02}],
    )
    pore: Pore = Field(default_factory=Pore, description="The pore's inside.")
    gating: Gating | None = Field(
        default=None, description="Opening and closing; without it the channel is open."
    )

    @model_validator(mode="after")
    def _permeability_once(self) -> "Channel":
        alternatives = [key for key in ("conductance", "concentration", "selectivity") if getattr(self, key)]
        if self.permeability and alternatives:
            message = f"stands beside permeability: give permeability alone, or {_ALTERNATIVE}"
            raise FaultList([Fault((key,), message) for key in alternatives])
        if not self.permeability and len(alternatives) < 3:
            raise FaultList(
                [
                    Fault(
                        (),
                        f"what passes is not said: give permeability, or {_ALTERNATIVE}",
                    )
                ]
            )
        if not any((self.permeability or self.selectivity).values()):
            key = "permeability" if self.permeability else "selectivity"
            raise FaultList([Fault((key,), "no species passes: at least one must be above zero")])
        return self

    @property
    def states(self) -> tuple[str, ...]:
        """Names of its states."""
        return ("open",) if self.gating is None else self.gating.scheme.states

    def open_probability(self, potential: float = 0.0) -> float:
        """Return the probability of being open after a long time at a potential in mV, 1 without gating."""
        return 1.0 if self.gating is None else self.gating.open_probability(potential)


_ALTERNATIVE = "conductance, concentration and selectivity together"


class Pump(Protein):
    """A type of pump: how many there are, what a cycle moves, how fast they turn.

    Without `outward` and `inward` it is the Na/K-ATPase, 3 Na out and 2 K in, with half saturation at 10 mM of Na and
    1.5 mM of K. Otherwise every species that a cycle moves needs a `half_saturation`.
    """

    name: Name = Field(description="Name of the type, once only in a scenario.", examples=["Na/K-ATPase"])
    turnover: Turnover = Field(description="Cycles per time at saturation, in 1/ns.", examples=["100 /s"])
    acceleration: PlainNumber = Field(
        default=1.0,
        description="Factor on the turnover, for pumps that must act within microseconds.",
        examples=[1e4],
    )
    outward: Stoichiometry = Field(
        default_factory=dict,
        description="Ions of each species moved out in a cycle.",
        examples=[{"Na": 3}],
    )
    inward: Stoichiometry = Field(
        default_factory=dict,
        description="Ions of each species moved in in a cycle.",
        examples=[{"K": 2}],
    )
    half_saturation: dict[SpeciesName, PositiveConcentration] = Field(
        default_factory=dict,
        description="Concentration of half saturation of each species, in mM, on the side it is taken from.",
        examples=[{"Na": "10 mM", "K": "1.5 mM"}],
    )

    @model_validator(mode="before")
    @classmethod
    def _sodium_potassium_by_default(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or {"outward", "inward"} & set(data):
            return data
        half_saturation = data.get("half_saturation", {})
        if isinstance(half_saturation, Mapping):
            half_saturation = {"Na": "10 mM", "K": "1.5 mM", **half_saturation}
        return {**data, "outward": {"Na": 3}, "inward": {"K": 2}, "half_saturation": half_saturation}

    @model_validator(mode="after")
    def _find_faults(self) -> "Pump":
        faults = []
        moved = {**self.outward, **self.inward}
        if not moved:
            faults.append(Fault((), "moves nothing: give outward, inward or both"))
        for name in sorted(set(self.outward) & set(self.inward)):
            faults.append(
                Fault(("inward", name), f"{name} is moved outward too: give the net number on one side")
            )
        for name in moved:
            if name not in self.half_saturation:
                message = f'missing for {name}, which the pump moves; write e.g. {name} = "10 mM"'
                faults.append(Fault(("half_saturation",), message))
        for name in self.half_saturation:
            if name not in moved:
                faults.append(Fault(("half_saturation", name), f"the pump does not move {name}"))
        _raise_faults(faults)
        return self


class RecordingSettings(Model):
    """How often what is written; intervals are rounded to whole steps."""

    interval: RecordInterval = Field(
        default=_NOT_GIVEN,
        description="Time between records, in ns; by default a thousandth of the duration.",
        examples=["20 ns"],
    )
    profile_interval: RecordInterval = Field(
        default=_NOT_GIVEN,
        description="Time over which a profile is averaged, in ns; by default a 200th of the duration.",
        examples=["100 ns"],
    )
    positions_interval: RecordInterval = Field(
        default=_NOT_GIVEN,
        description="Time between records of positions, in ns; by default a 20th of the duration.",
        examples=["1 us"],
    )
    positions_stride: Annotated[int, Field(strict=True, ge=1)] = Field(
        default=1, description="Record the position of every n-th ion."
    )
    events: Annotated[bool, Field(strict=True)] = Field(
        default=True, description="Record every crossing, pump cycle and gating transition as an event."
    )


# --- the whole ---

_KNOWN_IONS = {  # valence, then the diffusion coefficient at 25 and 37 degC
    "K": (1, 1.957, 2.53),
    "Na": (1, 1.334, 1.77),
    "Cl": (-1, 2.032, 2.64),
    "Ca": (2, 0.792, 1.05),
}


def make_known_species(temperature: float) -> dict[str, Species]:
    """Return K, Na, Cl and Ca with their diffusion coefficients at `temperature` in K.

    Values at 25 degC from the CRC Handbook, at 37 degC from ionic conductivities; between and around them
    ln D is linear in 1/T (Arrhenius).
    """
    cold, warm = ZERO_CELSIUS + 25, BODY_TEMPERATURE
    weight = (1 / cold - 1 / temperature) / (1 / cold - 1 / warm)
    return {
        name: Species.model_construct(
            valence=valence, diffusion_coefficient=d_cold * math.exp(weight * math.log(d_warm / d_cold))
        )
        for name, (valence, d_cold, d_warm) in _KNOWN_IONS.items()
    }


@dataclass(frozen=True)
class ScenarioSource:
    """Where a scenario came from, so that a run can store it: the file, its verbatim text, the overrides."""

    path: Path
    text: str
    overrides: tuple[str, ...]
    origins: Mapping[tuple[str | int, ...], str]
    """Where each key stands: "file:line", or the override that set it."""


class Scenario(Model):
    """A complete experiment, every number in internal units (nm, ns, e, mV, mM, K).

    `species` holds every ion that may appear: K, Na, Cl and Ca, those of the file, and the impermeant anion.
    """

    title: Annotated[str, Field(strict=True, max_length=200)] = Field(
        default="", description="One line that says what this is.", examples=["A neuron at rest"]
    )
    simulation: SimulationSettings = Field(description="What is run, for how long, in which steps.")
    geometry: Geometry = Field(description="The box.")
    membrane: Membrane = Field(description="The lipid membrane.")
    impermeant_anion: ImpermeantAnion = Field(
        default_factory=ImpermeantAnion, description="The anion that balances each side."
    )
    species: dict[SpeciesName, Species] = Field(
        default_factory=dict, validate_default=True, description="Ions beyond K, Na, Cl and Ca."
    )
    inside: dict[SpeciesName, Concentration] = Field(
        description="Concentrations in the cytoplasm, in mM.", examples=[{"K": "140 mM", "Na": "12 mM"}]
    )
    outside: dict[SpeciesName, Concentration] = Field(
        description="Concentrations in the extracellular bath, in mM.",
        examples=[{"K": "5 mM", "Na": "145 mM"}],
    )
    channels: tuple[Channel, ...] = Field(default=(), description="Types of channels.")
    pumps: tuple[Pump, ...] = Field(default=(), description="Types of pumps.")
    recording: RecordingSettings = Field(
        default_factory=RecordingSettings, validate_default=True, description="How often what is written."
    )

    _source: ScenarioSource | None = PrivateAttr(default=None)

    @property
    def source(self) -> ScenarioSource | None:
        """The file this was read from; None for a scenario made otherwise."""
        return self._source

    def default_folder(self) -> Path:
        """Return where results go unless the user says otherwise: outputs/NAME OF THE FILE."""
        return Path("outputs") / (self.source.path.stem if self.source else "run")

    def locate(self, *path: str) -> str:
        """Return "file:line: key" for a message about a key, without file and line where there is no file."""
        key = ".".join(path)
        if self._source is None:
            return key
        origins = self._source.origins
        known = (path[:length] for length in range(len(path), 0, -1) if path[:length] in origins)
        nearest = next(known, None)
        return f"{self._source.path if nearest is None else origins[nearest]}: {key}"

    @field_validator("species")
    @classmethod
    def _complete_species(cls, species: dict[str, Species], info: ValidationInfo) -> dict[str, Species]:
        simulation, anion = info.data.get("simulation"), info.data.get("impermeant_anion")
        temperature = simulation.temperature if simulation else BODY_TEMPERATURE
        complete = {**make_known_species(temperature), **species}
        if anion is None:
            return complete
        resolved = Species.model_construct(valence=-1, diffusion_coefficient=anion.diffusion_coefficient)
        if complete.get(anion.name, resolved) != resolved:
            message = (
                f'"{anion.name}" names the impermeant anion too; set impermeant_anion.name to another name'
            )
            raise FaultList([Fault((anion.name,), message)])
        complete.pop(anion.name, None)
        return {**complete, anion.name: resolved}

    @field_validator("inside", "outside")
    @classmethod
    def _known_solutes(cls, solution: dict[str, float], info: ValidationInfo) -> dict[str, float]:
        species, anion = info.data.get("species"), info.data.get("impermeant_anion")
        if species is None or anion is None:
            return solution
        faults = []
        for name in solution:
            if name == anion.name:
                message = "the program itself adds this impermeant anion; leave it out or rename it"
                faults.append(Fault((name,), message))
            elif name not in species:
                hint = nearest_key_hint(name, set(species) - {anion.name})
                message = (
                    f"unknown species; K, Na, Cl and Ca are known, others need a table [species.{name}]{hint}"
                )
                faults.append(Fault((name,), message))
        if not any(solution.values()):
            faults.append(Fault((), "no ions: at least one concentration must be above zero"))
        _raise_faults(faults)
        return solution

    @field_validator("channels")
    @classmethod
    def _complete_channels(cls, channels: tuple[Channel, ...], info: ValidationInfo) -> tuple[Channel, ...]:
        faults = _find_double_names(channels) + _find_misplaced(channels, info)
        for i, channel in enumerate(channels):
            key = "permeability" if channel.permeability else "selectivity"
            faults += _find_absent_species(getattr(channel, key), (i, key), info)
            membrane, depth = info.data.get("membrane"), channel.pore.mouth_depth
            if membrane is not None and depth >= membrane.thickness / 2:
                message = f"{depth:g} nm must be less than half of the membrane's {membrane.thickness:g} nm"
                faults.append(Fault((i, "pore", "mouth_depth"), message))
            geometry, mouth = info.data.get("geometry"), channel.pore.mouth_width
            if geometry is not None and any(mouth >= length for length in geometry.transverse_lengths):
                message = f"{mouth:g} nm must be less than the membrane's width, {geometry.width:g} nm"
                faults.append(Fault((i, "pore", "mouth_width"), message))
        _raise_faults(faults)
        channels = tuple(_with_placement(channel, info) for channel in channels)
        species, simulation = info.data.get("species"), info.data.get("simulation")
        if species is None or simulation is None:
            return channels
        return tuple(_with_permeability(channel, species, simulation.temperature) for channel in channels)

    @field_validator("pumps")
    @classmethod
    def _check_pumps(cls, pumps: tuple[Pump, ...], info: ValidationInfo) -> tuple[Pump, ...]:
        faults = _find_double_names(pumps) + _find_misplaced(pumps, info)
        for i, pump in enumerate(pumps):
            faults += _find_absent_species(pump.outward, (i, "outward"), info)
            faults += _find_absent_species(pump.inward, (i, "inward"), info)
        _raise_faults(faults)
        return tuple(_with_placement(pump, info) for pump in pumps)

    @field_validator("recording")
    @classmethod
    def _complete_recording(cls, recording: RecordingSettings, info: ValidationInfo) -> RecordingSettings:
        simulation = info.data.get("simulation")
        if simulation is None:
            return recording
        duration = simulation.duration
        step = 0.0 if simulation.time_step == "auto" else simulation.time_step
        given = {
            key: getattr(recording, key)
            for key in ("interval", "profile_interval", "positions_interval")
            if getattr(recording, key) is not None
        }
        faults = []
        for key, value in given.items():
            if value > duration:
                message = (
                    f"{value:g} ns is longer than the duration, {duration:g} ns: nothing would be recorded"
                )
                faults.append(Fault((key,), message))
            if value < step:
                faults.append(Fault((key,), f"{value:g} ns is shorter than the time step, {step:g} ns"))
        interval = given.get("interval", max(duration / 1000, step))
        defaults = {
            "interval": interval,
            "profile_interval": max(interval, duration / 200),
            "positions_interval": max(duration / 20, step),
        }
        resolved = {**defaults, **given}
        if not faults and resolved["profile_interval"] < interval:
            profile_interval = resolved["profile_interval"]
            message = f"{profile_interval:g} ns is shorter than the interval between records, {interval:g} ns"
            faults.append(Fault(("profile_interval",), message))
        _raise_faults(faults)
        return recording.model_copy(update=resolved)

    def to_json(self) -> str:
        """Return the scenario in internal units as JSON, for `from_json`; the source is left out."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str) -> "Scenario":
        """Return the scenario that `to_json` wrote.

        Raises pydantic's ValidationError where the text is not such a scenario.
        """
        return cls.model_validate_json(text, context={"internal_units": True})


def _find_double_names(proteins: Iterable[Protein]) -> list[Fault]:
    first_with: dict[str, int] = {}
    faults = []
    for i, protein in enumerate(proteins):
        if protein.name in first_with:
            first = first_with[protein.name]
            faults.append(
                Fault((i, "name"), f'"{protein.name}" is the name of number {first} too; names must differ')
            )
        first_with.setdefault(protein.name, i)
    return faults


def _find_misplaced(proteins: Iterable[Protein], info: ValidationInfo) -> list[Fault]:
    """Return a fault for every place that the membrane does not have; none while the geometry is faulty."""
    geometry = info.data.get("geometry")
    if geometry is None:
        return []
    faults = []
    for i, protein in enumerate(proteins):
        if geometry.dimensions == 1:
            given = [key for key in ("placement", "cluster") if getattr(protein, key) is not None]
            faults += [Fault((i, key), f"{key} needs dimensions = 2") for key in given]
            continue
        width, positions, cluster = geometry.width, protein.placement, protein.cluster
        beyond = f"must be less than the membrane's width, {width:g} nm"
        if isinstance(positions, tuple):
            if cluster is not None:
                message = 'stands beside positions: a cluster needs placement = "random" or "even"'
                faults.append(Fault((i, "cluster"), message))
            if len(positions) != protein.count:
                message = f"{len(positions)} positions for a count of {protein.count}: each needs one"
                faults.append(Fault((i, "placement"), message))
            for j, position in enumerate(positions):
                if position >= width:
                    faults.append(Fault((i, "placement", j), f"{position:g} nm {beyond}"))
        if cluster is not None and cluster.centre >= width:
            faults.append(Fault((i, "cluster", "centre"), f"{cluster.centre:g} nm {beyond}"))
        if cluster is not None and cluster.radius > width / 2:
            message = f"{cluster.radius:g} nm is more than half of the membrane's width, {width:g} nm"
            faults.append(Fault((i, "cluster", "radius"), message))
    return faults


_AnyProtein = TypeVar("_AnyProtein", bound=Protein)


def _with_placement(protein: _AnyProtein, info: ValidationInfo) -> _AnyProtein:
    """Return `protein` at random places where none are given and places are tracked."""
    geometry = info.data.get("geometry")
    if geometry is None or geometry.dimensions == 1 or protein.placement is not None:
        return protein
    return protein.model_copy(update={"placement": "random"})


def _find_absent_species(
    moved: Iterable[str], path: tuple[str | int, ...], info: ValidationInfo
) -> list[Fault]:
    """Return a fault for every species that neither solution holds; none while the solutions are faulty."""
    if "inside" not in info.data or "outside" not in info.data:
        return []
    present = {**info.data["inside"], **info.data["outside"]}
    return [
        Fault(
            (*path, name),
            f"{name} is in neither solution, inside has {', '.join(info.data['inside'])} and outside has "
            f"{', '.join(info.data['outside'])}{nearest_key_hint(name, present)}",
        )
        for name in moved
        if name not in present
    ]


def _with_permeability(channel: Channel, species: Mapping[str, Species], temperature: float) -> Channel:
    """Return `channel` described by its permeability alone.

    In a symmetric solution of n ions per nm3, GHK gives the conductance g = p z^2 e^2 n / kT.
    """
    if channel.conductance is None or channel.concentration is None:
        return channel
    best = max(channel.selectivity, key=lambda name: channel.selectivity[name])
    density = channel.concentration * IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR
    largest = channel.conductance * thermal_potential(temperature) / (species[best].valence ** 2 * density)
    relative = channel.selectivity[best]
    permeability = {name: largest * value / relative for name, value in channel.selectivity.items()}
    return channel.model_copy(
        update={"permeability": permeability, "conductance": None, "concentration": None, "selectivity": {}}
    )
