"""What a scenario may say about every protein in the membrane: how many there are, and where."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, ValidationInfo, model_validator

from mc.scenario import library
from mc.scenario.fields import (
    NOT_GIVEN,
    Count,
    Density,
    Fault,
    Length,
    Model,
    Name,
    PlacementRule,
    Position,
    is_internal,
    nearest_key_hint,
    raise_faults,
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
