"""What a scenario may say about pumps and transporters."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from mc.scenario.fields import (
    Fault,
    Model,
    Name,
    PlainNumber,
    PositiveConcentration,
    Potential,
    PotentialScale,
    SpeciesName,
    Stoichiometry,
    Turnover,
    raise_faults,
)
from mc.scenario.proteins import Protein


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
