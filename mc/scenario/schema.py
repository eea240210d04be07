"""What a scenario may say: models with fields, defaults and limits, every number in internal units.

Faults that concern several keys are found where the later of them is validated, so that one reading reports
them all.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import (
    AfterValidator,
    Field,
    PrivateAttr,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from mc.constants import (
    IONS_PER_CUBIC_NANOMETRE_PER_MILLIMOLAR,
    ZERO_CELSIUS,
    thermal_potential,
)
from mc.formatting import html_table, show_time
from mc.scenario.carriers import Carrier, Pump, Transporter
from mc.scenario.channels import Channel
from mc.scenario.fields import (
    MOST_PROTEINS,
    NOT_GIVEN,
    Area,
    CapacitancePerArea,
    Concentration,
    DiffusionCoefficient,
    Fault,
    Length,
    Model,
    RecordInterval,
    SpeciesName,
    Temperature,
    Time,
    is_internal,
    nearest_key_hint,
    positive,
    printable,
    raise_faults,
    read_quantity,
)
from mc.scenario.proteins import Protein
from mc.scenario.protocol import Electrode, Protocol
from mc.scenario.sweeps import Sweep

BODY_TEMPERATURE = 310.15
"""K; 37 degC."""

MOST_TRANSVERSE_CELLS = 2048
"""Most cells of the field's grid along an axis of the membrane."""


# --- parts of a scenario ---


class SimulationSettings(Model):
    """What is run, for how long, in which steps."""

    engine: Literal["brownian", "lattice", "continuum"] = Field(
        default="brownian",
        description="How matter moves: brownian follows every single ion, lattice counts the ions in voxels, "
        "continuum solves the mean equations of Poisson, Nernst and Planck.",
    )
    duration: Time = Field(description="Simulated time, in ns.", examples=["20 us"])
    time_step: float | Literal["auto"] = Field(
        default="auto",
        description='Length of a step, in ns, or "auto" for the longest comfortably safe one: up to 1 ns where ions '
        "are followed, up to a thousandth of the duration where they are not. The continuum chooses its own.",
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
        return read_quantity(value, info, "time", positive, "0.5 ns")

    @model_validator(mode="after")
    def _step_within_duration(self) -> "SimulationSettings":
        if self.time_step != "auto" and self.time_step > self.duration:
            raise_faults(
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
        default=NOT_GIVEN,
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
        "in two dimensions at least 0.5 nm, and for long time steps half of the fastest ion's step, sqrt(2 D dt), up "
        "to a Debye length. On the lattice the size of a voxel, by default a tenth of the shorter bath; in the "
        "continuum by default from a fifth of the Debye length at the membrane to a tenth of the bath.",
        examples=["0.2 nm"],
    )
    grid_spacing_y: Length | None = Field(
        default=None,
        description="In two dimensions: size of a cell along y, in nm, rounded so that a power of two of them fills "
        "the width; by default about 1 nm, or a step of the fastest ion where that is longer, up to two Debye "
        "lengths; without single ions about a tenth of the shorter bath.",
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
            if value is not None and not is_internal(info):
                raise ValueError("leave it out: in two dimensions the area is width times depth")
            # Without one of them there is a fault already, and no geometry.
            return width * depth if width and depth else None
        if value is None:
            if dimensions == 1:
                raise PydanticCustomError("missing", "missing")
            # Of the dimensions there is a fault already.
            return None
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


MOST_RECORDED_IONS = 5000
"""Ions whose positions are recorded where the scenario does not say which: as many as a picture can show."""


_STEPS_BETWEEN_RECORDS = 100
"""Of single ions, at least, by default: a look at them takes as long as one to four steps."""


class RecordingSettings(Model):
    """How often what is written; intervals are rounded to whole steps."""

    interval: RecordInterval = Field(
        default=NOT_GIVEN,
        description="Time between records, in ns; by default a thousandth of the duration, of single ions at least "
        f"{_STEPS_BETWEEN_RECORDS} steps where that leaves 200 records.",
        examples=["20 ns"],
    )
    profile_interval: RecordInterval = Field(
        default=NOT_GIVEN,
        description="Time over which a profile is averaged, in ns; by default a 200th of the duration.",
        examples=["100 ns"],
    )
    positions_interval: RecordInterval = Field(
        default=NOT_GIVEN,
        description="Time between records of positions, in ns; by default about a 200th of the duration.",
        examples=["1 us"],
    )
    positions_stride: Annotated[int | None, Field(strict=True, ge=1)] = Field(
        default=NOT_GIVEN,
        description="Record the position of every n-th ion, 1 for all; by default of a fair sample, "
        f"{MOST_RECORDED_IONS} ions at most, with 20 of each species if there are so many.",
        examples=[1, 10],
    )
    events: Annotated[bool, Field(strict=True)] = Field(
        default=True, description="Record every crossing, pump cycle and gating transition as an event."
    )

    def recorded_ions(self, n_ions: float) -> float:
        """Return of how many of `n_ions` the positions are recorded."""
        if self.positions_stride is None:
            return min(n_ions, MOST_RECORDED_IONS)
        return n_ions / self.positions_stride


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


_AnyProtein = TypeVar("_AnyProtein", bound=Protein)
_AnyCarrier = TypeVar("_AnyCarrier", bound=Carrier)


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

    title: Annotated[str, Field(strict=True, max_length=200), AfterValidator(printable)] = Field(
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
    protocol: Protocol = Field(
        default_factory=Protocol, validate_default=True, description="What is done to the membrane, and when."
    )
    channels: tuple[Channel, ...] = Field(default=(), description="Types of channels.")
    pumps: tuple[Pump, ...] = Field(default=(), description="Types of pumps.")
    transporters: tuple[Transporter, ...] = Field(
        default=(), description="Types of cotransporters, exchangers and uniporters."
    )
    electrodes: tuple[Electrode, ...] = Field(
        default=(), description="Electrodes, beside the mean potential that is always recorded."
    )
    recording: RecordingSettings = Field(
        default_factory=RecordingSettings, validate_default=True, description="How often what is written."
    )
    sweep: Sweep | None = Field(default=None, description="Many runs of it, by `ionmc sweep`.")

    _source: ScenarioSource | None = PrivateAttr(default=None)

    @property
    def source(self) -> ScenarioSource | None:
        """The file this was read from; None for a scenario made otherwise."""
        return self._source

    def default_folder(self) -> Path:
        """Return where results go unless the user says otherwise: outputs/NAME OF THE FILE."""
        # A file called ...toml must not lead out of the folder.
        name = self.source.path.stem.strip(". ") if self.source else ""
        return Path("outputs") / (name or "run")

    @property
    def carriers(self) -> tuple[Pump | Transporter, ...]:
        """Pumps, then transporters: all that works in cycles."""
        return (*self.pumps, *self.transporters)

    @property
    def ligands_at_start(self) -> dict[tuple[str, str], float]:
        """Concentrations in mM of what rates may ask for, by name and side."""
        pulses = {one.name: one.concentration for one in self.protocol.ligands if one.start == 0.0}
        return {
            **{(name, "inside"): value for name, value in {**self.inside, **pulses}.items()},
            **{(name, "outside"): value for name, value in {**self.outside, **pulses}.items()},
        }

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
            raise_faults([Fault((anion.name,), message)])
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
        raise_faults(faults)
        return solution

    @field_validator("protocol")
    @classmethod
    def _complete_protocol(cls, protocol: Protocol, info: ValidationInfo) -> Protocol:
        needed = ("species", "simulation", "geometry", "inside", "outside")
        if not info.data.keys() >= set(needed):
            return protocol
        species, simulation, geometry, inside, outside = (info.data[key] for key in needed)
        faults = []
        for key in ("voltage", "current", "solutions", "blocks", "ligands"):
            for i, entry in enumerate(getattr(protocol, key)):
                if entry.start >= simulation.duration:
                    message = f"{entry.start:g} ns never comes: the run ends at {simulation.duration:g} ns"
                    faults.append(Fault((key, i, "start"), message))
        for i, change in enumerate(protocol.solutions):
            if geometry.boundary != "bath":
                message = 'needs geometry.boundary = "bath": closed far ends let no other solution in'
                faults.append(Fault(("solutions", i), message))
            for name in change.concentrations:
                if name not in {**inside, **outside}:
                    message = f"{name} is in neither solution at the start; write it there, with 0 mM"
                    faults.append(Fault(("solutions", i, "concentrations", name), message))
        for i, pulse in enumerate(protocol.ligands):
            if pulse.name in species:
                message = f"{pulse.name} is an ion: what there is of it is counted among the particles"
                faults.append(Fault(("ligands", i, "name"), message))
        monovalent = [name for name in {**inside, **outside} if abs(species[name].valence) == 1]
        if protocol.carrier is not None and protocol.carrier not in monovalent:
            known = ", ".join(monovalent) or "none"
            hint = nearest_key_hint(protocol.carrier, monovalent)
            message = f'"{protocol.carrier}" is no monovalent ion of the solutions; these are {known}{hint}'
            faults.append(Fault(("carrier",), message))
        if protocol.has_commands and not monovalent:
            faults.append(
                Fault((), "an amplifier needs a monovalent ion to carry its current; the solutions have none")
            )
        raise_faults(faults)
        if protocol.carrier is not None or not monovalent:
            return protocol
        amounts = {name: min(inside.get(name, 0.0), outside.get(name, 0.0)) for name in monovalent}
        plentiful = (
            "K" if inside.get("K") and outside.get("K") else max(amounts, key=lambda name: amounts[name])
        )
        return protocol.model_copy(update={"carrier": plentiful})

    @field_validator("channels")
    @classmethod
    def _complete_channels(cls, channels: tuple[Channel, ...], info: ValidationInfo) -> tuple[Channel, ...]:
        channels = tuple(_with_count(channel, info) for channel in channels)
        faults = _find_double_names(channels) + _find_crowds(channels) + _find_misplaced(channels, info)
        for i, channel in enumerate(channels):
            key = "permeability" if channel.permeability else "selectivity"
            faults += _find_absent_species(getattr(channel, key), (i, key), info)
            faults += _find_unknown_ligands(channel, (i, "gating"), info)
            membrane, depth = info.data.get("membrane"), channel.pore.mouth_depth
            if membrane is not None and depth >= membrane.thickness / 2:
                message = f"{depth:g} nm must be less than half of the membrane's {membrane.thickness:g} nm"
                faults.append(Fault((i, "pore", "mouth_depth"), message))
            geometry, mouth = info.data.get("geometry"), channel.pore.mouth_width
            if geometry is not None and any(mouth >= length for length in geometry.transverse_lengths):
                message = f"{mouth:g} nm must be less than the membrane's width, {geometry.width:g} nm"
                faults.append(Fault((i, "pore", "mouth_width"), message))
        raise_faults(faults)
        channels = tuple(_with_placement(channel, info) for channel in channels)
        # Faulty parts are missing; without the solutions nothing has looked whether what passes is known.
        if not {"species", "simulation", "inside", "outside"} <= info.data.keys():
            return channels
        species, temperature = info.data["species"], info.data["simulation"].temperature
        return tuple(_with_permeability(channel, species, temperature) for channel in channels)

    @field_validator("pumps", "transporters")
    @classmethod
    def _check_carriers(
        cls, carriers: tuple[_AnyCarrier, ...], info: ValidationInfo
    ) -> tuple[_AnyCarrier, ...]:
        carriers = tuple(_with_count(carrier, info) for carrier in carriers)
        faults = _find_double_names(carriers) + _find_crowds(carriers) + _find_misplaced(carriers, info)
        species = info.data.get("species")
        for i, carrier in enumerate(carriers):
            absent = _find_absent_species(carrier.outward, (i, "outward"), info)
            absent += _find_absent_species(carrier.inward, (i, "inward"), info)
            faults += absent
            if carrier.charge is None or species is None or absent:
                continue
            charge = carrier.net_charge({name: one.valence for name, one in species.items()})
            if charge != carrier.charge:
                message = f"{carrier.charge} e is declared, but a cycle moves {charge:+d} e outward"
                faults.append(Fault((i, "charge"), message))
        raise_faults(faults)
        return tuple(_with_placement(carrier, info) for carrier in carriers)

    @field_validator("electrodes")
    @classmethod
    def _check_electrodes(
        cls, electrodes: tuple[Electrode, ...], info: ValidationInfo
    ) -> tuple[Electrode, ...]:
        faults = _find_double_names(electrodes)
        geometry = info.data.get("geometry")
        if geometry is None:
            return electrodes
        for i, electrode in enumerate(electrodes):
            for side in ("inside", "outside"):
                distance, length = getattr(electrode, side), getattr(geometry, f"{side}_length")
                if distance > length:
                    message = f"{distance:g} nm is beyond the far end, {length:g} nm from the membrane"
                    faults.append(Fault((i, side), message))
            for key in ("y", "reference_y"):
                place = getattr(electrode, key)
                if place is not None and geometry.dimensions == 1:
                    faults.append(Fault((i, key), f"{key} needs dimensions = 2"))
                elif place is not None and place >= geometry.width:
                    message = f"{place:g} nm must be less than the membrane's width, {geometry.width:g} nm"
                    faults.append(Fault((i, key), message))
        raise_faults(faults)
        return electrodes

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
        interval = given.get("interval", _default_interval(simulation.engine, duration, step))
        defaults = {
            "interval": interval,
            "profile_interval": max(interval, duration / 200),
            # At moments that are recorded anyway, where there are enough of them: a second look would cost time.
            "positions_interval": (
                interval * round(duration / 200 / interval)
                if interval <= duration / 200
                else max(duration / 200, step)
            ),
        }
        resolved = {**defaults, **given}
        if not faults and resolved["profile_interval"] < interval:
            profile_interval = resolved["profile_interval"]
            message = f"{profile_interval:g} ns is shorter than the interval between records, {interval:g} ns"
            faults.append(Fault(("profile_interval",), message))
        raise_faults(faults)
        return recording.model_copy(update=resolved)

    @model_validator(mode="after")
    def _find_unknown_proteins(self) -> "Scenario":
        proteins = [one.name for one in (*self.channels, *self.carriers)]
        faults = [
            Fault(
                ("transporters", i, "name"),
                f'"{one.name}" is the name of a pump too; names must differ',
            )
            for i, one in enumerate(self.transporters)
            if one.name in {pump.name for pump in self.pumps}
        ]
        for i, block in enumerate(self.protocol.blocks):
            if block.protein not in proteins:
                known = ", ".join(proteins) or "none"
                message = (
                    f'"{block.protein}" is no protein of this scenario; these are {known}'
                    f"{nearest_key_hint(block.protein, proteins)}"
                )
                faults.append(Fault(("protocol", "blocks", i, "protein"), message))
        raise_faults(faults)
        return self

    def _repr_html_(self) -> str:
        geometry, simulation = self.geometry, self.simulation
        sides = [
            (side, ", ".join(f"{name} {amount:.4g} mM" for name, amount in solution.items()) or "no ions")
            for side, solution in (("inside", self.inside), ("outside", self.outside))
        ]
        proteins = [f"{one.count:,} {one.name}" for one in (*self.channels, *self.carriers)]
        rows = [
            ("engine", f"{simulation.engine}, {show_time(simulation.duration)}"),
            ("patch", f"{geometry.area / 1e6:.4g} µm², {self.membrane.thickness:g} nm thick"),
            ("baths", f"{geometry.inside_length:g} nm inside, {geometry.outside_length:g} nm outside"),
            *sides,
            ("proteins", ", ".join(proteins) or "none"),
        ]
        return html_table(self.title or "A scenario", rows)

    def to_json(self) -> str:
        """Return the scenario in internal units as JSON, for `from_json`; the source is left out."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str) -> "Scenario":
        """Return the scenario that `to_json` wrote.

        Raises pydantic's ValidationError where the text is not such a scenario.
        """
        return cls.model_validate_json(text, context={"internal_units": True})


def _default_interval(engine: str, duration: float, step: float) -> float:
    """Return the time between records where the scenario does not say it, in ns; `step` is 0 where not yet known."""
    fewest = min(_STEPS_BETWEEN_RECORDS * step, duration / 200) if engine == "brownian" else step
    return max(duration / 1000, fewest, step)


def _find_double_names(proteins: Iterable[Protein | Electrode]) -> list[Fault]:
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


def _find_crowds(proteins: Iterable[Protein]) -> list[Fault]:
    """Return a fault for every density that puts more proteins into the patch than there may be of a type."""
    return [
        Fault(
            (i, "density"),
            f"puts {protein.count:.3g} proteins into the patch; at most {MOST_PROTEINS:.3g} are allowed",
        )
        for i, protein in enumerate(proteins)
        if protein.count > MOST_PROTEINS
    ]


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


def _with_count(protein: _AnyProtein, info: ValidationInfo) -> _AnyProtein:
    """Return `protein` with as many of them as its density puts into the patch, at least one."""
    if protein.density is None:
        return protein
    geometry = info.data.get("geometry")
    count = 1 if geometry is None else max(1, round(protein.density * geometry.area))
    return protein.model_copy(update={"count": count, "density": None})


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


def _find_unknown_ligands(channel: Channel, path: tuple[str | int, ...], info: ValidationInfo) -> list[Fault]:
    """Return a fault for every ligand that neither a solution nor the protocol holds; none while these are faulty."""
    if channel.gating is None or not {"inside", "outside", "protocol"} <= info.data.keys():
        return []
    pulses = {one.name for one in info.data["protocol"].ligands}
    present = {**info.data["inside"], **info.data["outside"]}.keys() | pulses
    return [
        Fault(
            (*path, *where, "ligand"),
            f'"{name}" is neither in the solutions nor in the protocol; write [[protocol.ligands]] with its name, or '
            f"its concentration into a solution{nearest_key_hint(name, present)}",
        )
        for name, where in channel.gating.ligands.items()
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
