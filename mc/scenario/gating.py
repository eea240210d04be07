"""What a scenario may say about how channels open and close: schemes of states, or gates with their subunits."""

import itertools
import math
from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ModelWrapValidatorHandler, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from mc.constants import LARGEST_GATING_POTENTIAL
from mc.scenario.fields import (
    Fault,
    Model,
    Name,
    PlainNumber,
    PositiveConcentration,
    Potential,
    PotentialScale,
    Rate,
    SpeciesName,
    Temperature,
    is_internal,
    nearest_key_hint,
    not_negative,
    raise_faults,
    read_quantity,
)
from mc.theory.gating import VOLTAGE_DEPENDENCES, open_probability, stationary_distribution

Ligands = Mapping[tuple[str, str], float]
"""Concentrations in mM by name and side."""


class TransitionRate(Model):
    """The rate of a transition: a rate by itself, constant, or one of NeuroML's forms with x = (V - midpoint)/scale.

    HHExpRate is rate exp(x), HHSigmoidRate rate/(1 + exp(-x)), HHExpLinearRate rate x/(1 - exp(-x)). V is the
    potential drop at the channel itself, inside minus outside; beyond 150 mV either way rates stay as they are there.

    With a `ligand` all of this is for its `per_concentration`: the rate is proportional to what there is of it beside
    the channel. A ligand is an ion of the solutions, counted among the particles, or one that the protocol names.
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
    ligand: SpeciesName | None = Field(
        default=None, description="What the rate is proportional to.", examples=["Ca"]
    )
    side: Literal["inside", "outside"] = Field(
        default="inside", description="The side on which an ion that is a ligand binds."
    )
    per_concentration: PositiveConcentration | None = Field(
        default=None,
        description="Concentration of the ligand that the rate is for, in mM.",
        examples=["1 uM"],
    )

    @model_validator(mode="wrap")
    @classmethod
    def _constant_by_itself(
        cls, data: Any, read: ModelWrapValidatorHandler["TransitionRate"], info: ValidationInfo
    ) -> "TransitionRate":
        if isinstance(data, Mapping | TransitionRate):
            return read(data)
        rate = read_quantity(data, info, "rate", not_negative)
        return cls.model_construct(kind="constant", rate=rate)

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
        if self.ligand is not None and self.per_concentration is None:
            faults.append(
                Fault((), 'a ligand needs a per_concentration; write e.g. per_concentration = "1 uM"')
            )
        if self.ligand is None and self.per_concentration is not None:
            faults.append(Fault(("per_concentration",), "needs a ligand beside it"))
        raise_faults(faults)
        return self

    @property
    def is_constant(self) -> bool:
        """Whether neither the potential nor a ligand changes it."""
        return self.kind == "constant" and self.ligand is None

    def at(self, potential: float, ligands: Ligands = MappingProxyType({})) -> float:
        """Return the rate in 1/ns at a potential in mV and concentrations of ligands in mM, none where not given."""
        rate = self.rate
        if self.kind != "constant":
            dependence = VOLTAGE_DEPENDENCES[self.kind]
            potential = min(max(potential, -LARGEST_GATING_POTENTIAL), LARGEST_GATING_POTENTIAL)
            rate = float(dependence(potential, rate, self.midpoint or 0.0, self.scale or 1.0))
        if self.ligand is not None and self.per_concentration is not None:
            rate *= ligands.get((self.ligand, self.side), 0.0) / self.per_concentration
        return rate


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
        if not value and not is_internal(info):
            raise PydanticCustomError("too_short", "too short", {"min_length": 1})
        return value

    @field_validator("rates")
    @classmethod
    def _normalise_transitions(cls, rates: dict[str, TransitionRate]) -> dict[str, TransitionRate]:
        return {"->".join(part.strip() for part in key.split("->")): rate for key, rate in rates.items()}

    @model_validator(mode="after")
    def _find_faults(self) -> "Gating":
        raise_faults(self._find_mixtures())
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
        raise_faults(faults or self._find_unreachable())
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
        """Whether no rate depends on the potential or a ligand."""
        return all(transition.law.is_constant for transition in self.scheme.transitions)

    @property
    def ligands(self) -> dict[str, tuple[str | int, ...]]:
        """The ligands that rates ask for, and the key of one of these rates."""
        if self.gates:
            laws: dict[tuple[str | int, ...], TransitionRate] = {
                ("gates", i, key): getattr(gate, key)
                for i, gate in enumerate(self.gates)
                for key in ("forward", "reverse")
            }
        else:
            laws = {("rates", key): law for key, law in self.rates.items()}
        return {law.ligand: path for path, law in laws.items() if law.ligand is not None}

    def speed(self, temperature: float | None = None) -> float:
        """Return the factor on all rates at a temperature in K; without one, that of the acceleration alone."""
        if self.q10 is None or self.reference_temperature is None or temperature is None:
            return self.acceleration
        return self.acceleration * float(self.q10 ** ((temperature - self.reference_temperature) / 10.0))

    def rate_matrix(
        self,
        potential: float = 0.0,
        temperature: float | None = None,
        ligands: Ligands = MappingProxyType({}),
    ) -> NDArray[np.float64]:
        """Return the rates in 1/ns from each state (row) to each other (column), in the order of the scheme.

        At a potential in mV, a temperature in K, and concentrations of ligands in mM.
        """
        rates = np.zeros((len(self.scheme.states), len(self.scheme.states)))
        for source, target, multiplicity, law in self.scheme.transitions:
            rates[source, target] = multiplicity * law.at(potential, ligands)
        return rates * self.speed(temperature)

    def stationary_distribution(
        self, potential: float = 0.0, ligands: Ligands = MappingProxyType({})
    ) -> NDArray[np.float64]:
        """Return the probability of each state after a long time, at a potential in mV and ligands in mM."""
        return stationary_distribution(self.rate_matrix(potential, ligands=ligands))

    def open_probability(self, potential: float = 0.0, ligands: Ligands = MappingProxyType({})) -> float:
        """Return the probability of conducting after a long time at a potential in mV and ligands in mM."""
        return float(open_probability(self.stationary_distribution(potential, ligands), self.scheme.is_open))
