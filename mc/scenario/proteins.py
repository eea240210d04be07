"""What a scenario may say about the proteins in the membrane: channels with their gates, pumps and transporters."""

import itertools
import math
from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ModelWrapValidatorHandler, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from mc.constants import LARGEST_GATING_POTENTIAL
from mc.scenario import library
from mc.scenario.fields import (
    NOT_GIVEN,
    Conductance,
    Count,
    Density,
    DiffusionCoefficient,
    Fault,
    Length,
    Model,
    Name,
    Permeability,
    PlacementRule,
    PlainNumber,
    Position,
    PositiveConcentration,
    Potential,
    PotentialScale,
    Rate,
    SpeciesName,
    Stoichiometry,
    Temperature,
    Turnover,
    is_internal,
    nearest_key_hint,
    not_negative,
    raise_faults,
    read_quantity,
)
from mc.theory.gating import VOLTAGE_DEPENDENCES, open_probability, stationary_distribution

Ligands = Mapping[tuple[str, str], float]
"""Concentrations in mM by name and side."""


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

    library_table: ClassVar[str] = ""
    """The table of a scenario, and of the library, that the type goes into."""

    name: Name = Field(description="Name of the type, once only in a scenario.", examples=["K leak"])
    use: str | None = Field(
        default=None,
        description="A protein of the library, see `ionmc proteins`; what else is given stands in place of its own.",
        examples=["squid_k"],
    )
    source: str = Field(default="", description="Where its numbers are from.", examples=["Hille (2001)"])
    count: Count = Field(
        default=NOT_GIVEN, description="Number of proteins of this type in the patch.", examples=[400]
    )
    density: Density | None = Field(
        default=None,
        description="Instead of a count: proteins of this type per area, in 1/nm2; at least one.",
        examples=["10 /um^2"],
    )
    placement: PlacementRule = Field(
        default=None,
        description='In two dimensions: "random" (the default), "even" or the position of each along y.',
        examples=["even", ["10 nm", "52 nm"]],
    )
    cluster: Cluster | None = Field(
        default=None, description="In two dimensions: where they stand; by default along the whole width."
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_from_library(cls, data: Any, info: ValidationInfo) -> Any:
        if not isinstance(data, Mapping) or not isinstance(data.get("use"), str) or is_internal(info):
            return data
        name = data["use"]
        try:
            protein = library.read_protein(name)
        except KeyError:
            known = library.proteins_of(cls.library_table)
            raise_faults(
                [
                    Fault(
                        ("use",),
                        f'no protein of the library is called "{name}"; for [[{cls.library_table}]] there are '
                        f"{', '.join(known)}{nearest_key_hint(name, known)}",
                    )
                ]
            )
        if protein.table != cls.library_table:
            kind = library.KINDS[protein.table]
            raise_faults([Fault(("use",), f"{name} is a {kind}: write it under [[{protein.table}]]")])
        return library.override(protein.keys, data)

    @model_validator(mode="after")
    def _count_or_density(self) -> "Protein":
        if self.count is None and self.density is None:
            raise_faults([Fault((), "count is missing: write e.g. count = 400, or a density")])
        if self.count is not None and self.density is not None:
            raise_faults([Fault(("density",), "stands beside count: give the one or the other")])
        return self


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


class Channel(Protein):
    """A type of channel: how many there are, what passes, how they open and close.

    What passes is said in one of two ways: by `permeability`, or by `conductance`, `concentration` and `selectivity`
    together.
    """

    library_table: ClassVar[str] = "channels"

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
    substates: dict[str, dict[SpeciesName, PlainNumber]] = Field(
        default_factory=dict,
        description="Open states that conduct in their own way: permeability for each species relative to that of "
        "the other open states, 1 for a species that is not named.",
        examples=[{"half open": {"K": 0.5}}],
    )

    @model_validator(mode="after")
    def _permeability_once(self) -> "Channel":
        alternatives = [key for key in ("conductance", "concentration", "selectivity") if getattr(self, key)]
        if self.permeability and alternatives:
            message = f"stands beside permeability: give permeability alone, or {_ALTERNATIVE}"
            raise_faults([Fault((key,), message) for key in alternatives])
        if not self.permeability and len(alternatives) < 3:
            raise_faults(
                [
                    Fault(
                        (),
                        f"what passes is not said: give permeability, or {_ALTERNATIVE}",
                    )
                ]
            )
        if not any((self.permeability or self.selectivity).values()):
            key = "permeability" if self.permeability else "selectivity"
            raise_faults([Fault((key,), "no species passes: at least one must be above zero")])
        raise_faults(self._find_wrong_substates())
        return self

    def _find_wrong_substates(self) -> list[Fault]:
        scheme = self.gating.scheme if self.gating is not None else None
        open_states = (
            [state for state, is_open in zip(scheme.states, scheme.is_open, strict=True) if is_open]
            if scheme is not None
            else []
        )
        faults = []
        for state, relative in self.substates.items():
            if state not in open_states:
                hint = nearest_key_hint(state, open_states)
                known = ", ".join(open_states) or "there is no gating"
                faults.append(
                    Fault(
                        ("substates", state), f'"{state}" is not an open state of the gating: {known}{hint}'
                    )
                )
            passing = self.permeability or self.selectivity
            for name in relative:
                if name not in passing:
                    message = f"the channel does not let {name} through{nearest_key_hint(name, passing)}"
                    faults.append(Fault(("substates", state, name), message))
        return faults

    @property
    def states(self) -> tuple[str, ...]:
        """Names of its states."""
        return ("open",) if self.gating is None else self.gating.scheme.states

    @property
    def levels(self) -> tuple[int, ...]:
        """For each state the level at which it conducts: 0 closed, 1 open, and one more for each of the substates."""
        if self.gating is None:
            return (1,)
        return tuple(
            2 + list(self.substates).index(state) if state in self.substates else int(is_open)
            for state, is_open in zip(self.gating.scheme.states, self.gating.scheme.is_open, strict=True)
        )

    @property
    def level_permeabilities(self) -> tuple[dict[str, float], ...]:
        """The permeability for each species in nm3/ns at each level."""
        return (
            {},
            self.permeability,
            *(
                {name: value * relative.get(name, 1.0) for name, value in self.permeability.items()}
                for relative in self.substates.values()
            ),
        )

    @property
    def largest_permeability(self) -> dict[str, float]:
        """The permeability for each species in nm3/ns in the state that lets most of it through."""
        return {
            name: max(passes.get(name, 0.0) for passes in self.level_permeabilities)
            for name in self.permeability
        }

    def mean_permeability(
        self, potential: float = 0.0, ligands: Ligands = MappingProxyType({})
    ) -> dict[str, float]:
        """Return the mean permeability of one channel for each species in nm3/ns, after a long time.

        At a potential in mV and concentrations of ligands in mM.
        """
        if self.gating is None:
            return self.permeability
        probabilities = self.gating.stationary_distribution(potential, ligands)
        of_state = [self.level_permeabilities[level] for level in self.levels]
        return {
            name: float(
                sum(p * passes.get(name, 0.0) for p, passes in zip(probabilities, of_state, strict=True))
            )
            for name in self.permeability
        }


_ALTERNATIVE = "conductance, concentration and selectivity together"


class VoltageDependence(Model):
    """A factor on a rate, in one of NeuroML's forms with x = (V - midpoint)/scale: exp(x), 1/(1 + exp(-x)) or
    x/(1 - exp(-x))."""

    kind: Literal["HHExpRate", "HHSigmoidRate", "HHExpLinearRate"] = Field(description="The form.")
    midpoint: Potential = Field(description="Potential at which x is 0, in mV.", examples=["-90 mV"])
    scale: PotentialScale = Field(
        description="Potential difference that changes x by 1, in mV.", examples=["30 mV"]
    )


class Carrier(Protein):
    """What moves ions in cycles: how many there are, what a cycle moves, how fast they turn."""

    turnover: Turnover = Field(description="Cycles per time at saturation, in 1/ns.", examples=["100 /s"])
    acceleration: PlainNumber = Field(
        default=1.0,
        description="Factor on the turnover, for proteins that must act within microseconds.",
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
    charge: Annotated[int, Field(strict=True)] | None = Field(
        default=None,
        description="Net charge that a cycle moves outward, in e; when given, it is checked against what is moved.",
        examples=[1],
    )
    half_saturation: dict[SpeciesName, PositiveConcentration] = Field(
        default_factory=dict,
        description="Concentration of half saturation of each species, in mM, on the side it is taken from.",
        examples=[{"Na": "10 mM", "K": "1.5 mM"}],
    )

    @model_validator(mode="after")
    def _find_faults(self) -> "Carrier":
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
                message = f'missing for {name}, which a cycle moves; write e.g. {name} = "10 mM"'
                faults.append(Fault(("half_saturation",), message))
        for key in ("half_saturation", "half_saturation_opposite", "hill"):
            for name in getattr(self, key, {}):
                if name not in moved:
                    faults.append(Fault((key, name), f"a cycle does not move {name}"))
        raise_faults(faults)
        return self

    def net_charge(self, valences: Mapping[str, int]) -> int:
        """Return the charge in e that a cycle moves outward."""
        return sum(valences[name] * ions for name, ions in self.outward.items()) - sum(
            valences[name] * ions for name, ions in self.inward.items()
        )


class Pump(Carrier):
    """A type of pump, which spends ATP and runs one way.

    Without `outward` and `inward` it is the Na/K-ATPase, 3 Na out and 2 K in, with half saturation at 10 mM of Na and
    1.5 mM of K. Otherwise every species that a cycle moves needs a `half_saturation`. Cycles come at the turnover
    times (c/(c + half saturation))^n for each species, with its concentration c within 5 nm of the membrane where it
    is taken from, and n its `hill` number.
    """

    library_table: ClassVar[str] = "pumps"

    name: Name = Field(description="Name of the type, once only in a scenario.", examples=["Na/K-ATPase"])
    hill: dict[SpeciesName, PlainNumber] = Field(
        default_factory=dict,
        description="Exponent of the saturation by a species; by default the ions of it that a cycle moves.",
        examples=[{"Ca": 2.0}],
    )
    voltage_dependence: VoltageDependence | None = Field(
        default=None, description="Factor on the turnover that depends on the potential."
    )

    @model_validator(mode="before")
    @classmethod
    def _sodium_potassium_by_default(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or {"outward", "inward", "use"} & set(data):
            return data
        half_saturation = data.get("half_saturation", {})
        if isinstance(half_saturation, Mapping):
            half_saturation = {"Na": "10 mM", "K": "1.5 mM", **half_saturation}
        return {**data, "outward": {"Na": 3}, "inward": {"K": 2}, "half_saturation": half_saturation}


class Transporter(Carrier):
    """A type of cotransporter, exchanger or uniporter, which gradients alone drive, either way.

    A cycle as written comes at the turnover times c/(c + half saturation) for each ion that it takes, and times the
    chance that its place on the other side is empty; where a cycle moves net charge q outward, half of what V
    does to it counts: exp(qV/2kT). The way back likewise. The ratio of both is exp(-dG/kT), with dG from the
    concentrations within 5 nm of the membrane and the potential: at equilibrium nothing flows, beyond it the
    transporter runs backwards.
    """

    library_table: ClassVar[str] = "transporters"

    name: Name = Field(description="Name of the type, once only in a scenario.", examples=["KCC2"])
    half_saturation_opposite: dict[SpeciesName, PositiveConcentration] = Field(
        default_factory=dict,
        description="Concentration of half saturation on the side that a species is given to, in mM; by default that "
        "of the side it is taken from.",
        examples=[{"Ca": "1.4 mM"}],
    )
