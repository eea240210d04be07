"""What a scenario may say about what is done to the membrane and how it is read: timed entries, electrodes."""

import itertools
from collections.abc import Sequence
from typing import Literal

from pydantic import Field, model_validator

from mc.scenario.fields import (
    Concentration,
    Current,
    Fault,
    Fraction,
    Frequency,
    Length,
    Model,
    Moment,
    Name,
    Position,
    Potential,
    SpeciesName,
    Time,
    raise_faults,
)


class Span(Model):
    """A stretch of time."""

    start: Moment = Field(default=0.0, description="When it begins, in ns.", examples=["2 us"])
    stop: Time | None = Field(
        default=None, description="When it is over, in ns; by default it lasts to the end.", examples=["4 us"]
    )

    @model_validator(mode="after")
    def _stop_after_start(self) -> "Span":
        if self.stop is not None and self.stop <= self.start:
            raise_faults([Fault(("stop",), f"{self.stop:g} ns is not after the start, {self.start:g} ns")])
        return self


class VoltageCommand(Span):
    """A voltage clamp: an amplifier moves ions between electrodes at the far ends, one by one, to hold the membrane.

    What is held is the drop across the slab, by the charge that belongs to it; the electrodes read the diffuse layers
    too. One ion is the smallest correction: the potential keeps within half of e/C of the command. With
    `end_potential` it is a ramp.
    """

    potential: Potential = Field(description="What to hold, in mV.", examples=["-80 mV"])
    end_potential: Potential | None = Field(
        default=None, description="For a ramp: what to hold at its end, in mV.", examples=["60 mV"]
    )


class CurrentCommand(Span):
    """A current clamp: an amplifier moves ions into the cell, one by one, at a given rate of charge.

    Above zero it makes the inside more positive. With `end_current` it is a ramp.
    """

    current: Current = Field(description="Into the cell, in e/ns.", examples=["20 pA"])
    end_current: Current | None = Field(
        default=None, description="For a ramp: the current at its end, in e/ns.", examples=["40 pA"]
    )


class SolutionChange(Model):
    """Another solution in the reservoir at a far end, which needs `boundary = "bath"`."""

    start: Moment = Field(description="When it flows in, in ns.", examples=["5 us"])
    side: Literal["inside", "outside"] = Field(default="outside", description="The far end.")
    concentrations: dict[SpeciesName, Concentration] = Field(
        description="Concentrations that change, in mM; the others stay. Anions are added for neutrality.",
        examples=[{"K": "50 mM", "Na": "100 mM"}],
    )


class Block(Span):
    """A drug that blocks proteins of one type: channels conduct no more, pumps and transporters stand still."""

    protein: Name = Field(description="Name of the type.", examples=["Na/K-ATPase"])
    fraction: Fraction = Field(default=1.0, description="Share of its proteins that are blocked.")


class LigandPulse(Span):
    """A ligand that is not an ion of the solutions, such as a transmitter: what there is of it at the membrane."""

    name: SpeciesName = Field(description="As in the rates that ask for it.", examples=["GABA"])
    concentration: Concentration = Field(description="In mM; none at other times.", examples=["1 mM"])


class Protocol(Model):
    """What is done to the membrane: lists of timed entries. Without any the membrane is free.

    Both sides begin neutral, the membrane at 0 mV. To begin at another potential, hold it there for a moment:
    `voltage = [{ potential = "-60 mV", stop = "2 ns" }]`.
    """

    carrier: SpeciesName | None = Field(
        default=None,
        description="The monovalent ion that electrodes carry the current with; by default K, or else the most "
        "plentiful one.",
        examples=["K"],
    )
    voltage: tuple[VoltageCommand, ...] = Field(default=(), description="Voltage clamp.")
    current: tuple[CurrentCommand, ...] = Field(default=(), description="Current injection.")
    solutions: tuple[SolutionChange, ...] = Field(default=(), description="Changes of solution.")
    blocks: tuple[Block, ...] = Field(default=(), description="Drugs.")
    ligands: tuple[LigandPulse, ...] = Field(default=(), description="Ligands.")

    @model_validator(mode="after")
    def _one_at_a_time(self) -> "Protocol":
        faults = _find_overlaps(
            [(("voltage", i), one) for i, one in enumerate(self.voltage)]
            + [(("current", i), one) for i, one in enumerate(self.current)],
            "the amplifier holds either the potential or the current",
        )
        for key, group in (("blocks", "protein"), ("ligands", "name")):
            entries = list(enumerate(getattr(self, key)))
            for name in dict.fromkeys(getattr(one, group) for _, one in entries):
                same = [((key, i), one) for i, one in entries if getattr(one, group) == name]
                faults += _find_overlaps(same, f"{name} stands twice at that time")
        raise_faults(faults)
        return self

    def time_held(self, duration: float) -> float:
        """Return for how much of a run of so many ns a voltage clamp holds the membrane, ns."""
        return sum(
            max(0.0, min(duration, duration if one.stop is None else one.stop) - one.start)
            for one in self.voltage
        )

    @property
    def has_commands(self) -> bool:
        """Whether an amplifier moves charge."""
        return bool(self.voltage or self.current)


def _find_overlaps(entries: Sequence[tuple[tuple[str | int, ...], Span]], reason: str) -> list[Fault]:
    ordered = sorted(entries, key=lambda entry: entry[1].start)
    return [
        Fault((*path, "start"), f"{later.start:g} ns is before the entry ahead of it is over: {reason}")
        for (_, earlier), (path, later) in itertools.pairwise(ordered)
        if earlier.stop is None or later.start < earlier.stop
    ]


class Electrode(Model):
    """A microelectrode in the cytoplasm against a reference electrode in the bath, each at a point."""

    name: Name = Field(description="Name of its trace.", examples=["tip"])
    inside: Length = Field(description="Distance of the tip from the membrane, in nm.", examples=["10 nm"])
    outside: Length = Field(
        description="Distance of the reference from the membrane, in nm.", examples=["20 nm"]
    )
    y: Position | None = Field(
        default=None,
        description="In two dimensions: where along the membrane the tip is, in nm; without it the mean is read.",
        examples=["100 nm"],
    )
    reference_y: Position | None = Field(
        default=None,
        description="In two dimensions: where along the membrane the reference is, in nm.",
        examples=["100 nm"],
    )
    low_pass: Frequency | None = Field(
        default=None,
        description="Cut-off of the amplifier's single-pole filter, in 1/ns; without it the trace is as it is.",
        examples=["1 MHz"],
    )
