"""What a scenario may say about channels: what passes an open one, and by which pore."""

from types import MappingProxyType
from typing import ClassVar

from pydantic import Field, model_validator

from mc.scenario.fields import (
    Conductance,
    DiffusionCoefficient,
    Fault,
    Length,
    Model,
    Permeability,
    PlainNumber,
    PositiveConcentration,
    SpeciesName,
    nearest_key_hint,
    raise_faults,
)
from mc.scenario.gating import Gating, Ligands
from mc.scenario.proteins import Protein

_ALTERNATIVE = "conductance, concentration and selectivity together"


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
